"""What fields a class has, whether it is an attrs class or a msgspec struct."""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import attrs
import msgspec

MISSING = object()


@attrs.frozen
class FieldShape:
    """One field: its type without None and annotations, whether it must be given, and how long a text may be."""

    name: str
    type: Any
    required: bool
    default: Any
    optional: bool
    limit: int | None = None
    many: bool = False
    ident: bool = False

    @property
    def wire(self) -> str:
        """The name on the wire (a trailing underscore only dodges a Python keyword)."""
        return self.name.rstrip("_")


def _bare(hint: Any) -> tuple[Any, bool, dict[str, Any]]:
    """The type below ``Annotated`` and ``| None``, whether None is allowed, and the extra annotations."""
    optional, extra = False, {}
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            for meta in get_args(hint)[1:]:
                if isinstance(meta, msgspec.Meta) and meta.extra:
                    extra.update(meta.extra)
            hint = get_args(hint)[0]
        elif origin in (Union, types.UnionType):
            rest = [a for a in get_args(hint) if a is not type(None)]
            optional = optional or len(rest) < len(get_args(hint))
            if len(rest) != 1:
                return hint, optional, extra
            hint = rest[0]
        else:
            return hint, optional, extra


@cache
def shape(cls: type) -> dict[str, FieldShape]:
    """The fields of ``cls`` by name, in the order of its constructor."""
    hints = typing.get_type_hints(cls, include_extras=True)
    found: dict[str, FieldShape] = {}
    if attrs.has(cls):
        members = [(a.name, _attrs_default(a.default)) for a in attrs.fields(cls)]
    else:
        members = [(f.name, _struct_default(f)) for f in msgspec.structs.fields(cls)]
    for name, default in members:
        hint, optional, extra = _bare(hints[name])
        many = get_origin(hint) in (tuple, list)
        if many:
            hint, _, inner = _bare(get_args(hint)[0])
            extra = {**inner, **extra}
        required = default is MISSING or bool(extra.get("required"))
        found[name] = FieldShape(name, hint, required, default, optional, extra.get("max"), many,
                                 bool(extra.get("ident")))  # fmt: skip
    return found


def _attrs_default(default: Any) -> Any:
    return MISSING if default is attrs.NOTHING else default


def _struct_default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return () if field.default_factory is not msgspec.NODEFAULT else MISSING


def is_shaped(cls: Any) -> bool:
    """Whether ``cls`` is a class whose fields :func:`shape` can tell."""
    return isinstance(cls, type) and (attrs.has(cls) or issubclass(cls, msgspec.Struct))


@cache
def twin(cls: type) -> Any:
    """A constructor of ``cls`` that takes all fields by position and skips what makes frozen classes slow to build."""
    if not attrs.has(cls) or hasattr(cls, "__attrs_post_init__") or any(a.converter or a.validator for a in attrs.fields(cls)):
        return cls
    names = [a.name for a in attrs.fields(cls)]
    loose = attrs.make_class("Twin" + cls.__name__, names, slots=True, eq=False, weakref_slot=hasattr(cls, "__weakref__"))
    try:
        trial: Any = object.__new__(loose)
        trial.__class__ = cls
    except TypeError:  # another layout: a class with a dictionary, or one that inherits slots
        return cls
    lines = [f"def build({', '.join(names)}):", "    made = new(loose)", *(f"    made.{name} = {name}" for name in names),
             "    made.__class__ = cls", "    return made"]  # fmt: skip
    scope: dict[str, Any] = {"loose": loose, "cls": cls, "new": object.__new__}
    exec("\n".join(lines), scope)  # noqa: S102  (built from attribute names only)
    return scope["build"]
