"""Reads JSON as partners really send it, into the exact wire types.

First the exact way: msgspec decodes and checks in one pass. Where that fails, the value is walked field by field:
names and enumeration values are matched without case and separators, ``null`` and empty texts are absent, ``"22"`` is
22, a single value stands for a list of one, a time without zone is UTC. What the specification does not know is kept
aside (:class:`Read` ``unknown``); an optional value that makes no sense is left out and reported; a mandatory one makes
the record unreadable, with path and reason.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache, lru_cache
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec
from attrs import define, field

T = TypeVar("T")


class Unreadable(Exception):
    """A record that cannot be read: ``path`` in the sender's field names, and why."""

    def __init__(self, path: str, because: str, value: Any = None) -> None:
        super().__init__(f"{path or '$'}: {because}")
        self.path = path
        self.because = because
        self.value = value


@define
class Read(Generic[T]):
    """A record as read: the wire object, unknown fields (path, value), and values left out (path, value, because)."""

    value: T
    unknown: list[tuple[str, Any]] = field(factory=list)
    repairs: list[tuple[str, Any, str]] = field(factory=list)


_loads = msgspec.json.Decoder(type=Any, float_hook=Decimal).decode


def reader(cls: type[T], aliases: dict[str, str] | None = None, *, others: bool = False) -> Callable[[bytes | memoryview | Any], Read[T]]:
    """A function that reads one record of ``cls`` from JSON bytes, or from what a JSON parser gave.

    ``aliases`` maps other spellings (folded, see :func:`fold`) to field names. ``others``: a mandatory value that its
    enumeration does not know is read as OTHER or UNKNOWN, where that has one. Raises :class:`Unreadable`.
    """
    decode = _decoder(typing.cast(Any, cls))

    def read(data: Any) -> Read[T]:
        if isinstance(data, bytes | bytearray | memoryview):
            try:
                return Read(decode(data))
            except msgspec.ValidationError:
                data = _loads(data)
            except msgspec.DecodeError as why:
                raise Unreadable("", f"no JSON: {why}") from why
        return walk(cls, data, aliases, others=others)

    return read


@cache
def _decoder(cls: Any) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(cls).decode


def walk(cls: type[T], data: Any, aliases: dict[str, str] | None = None, *, others: bool = False) -> Read[T]:
    """Read one record of ``cls`` from parsed JSON, leniently. Raises :class:`Unreadable`."""
    result: Read[T] = Read(typing.cast(T, None))
    result.value = _Walker(result, aliases or {}, others).struct(cls, data, "")
    return result


_FOLD = re.compile(r"[^a-z0-9]")


@lru_cache(4096)
def fold(name: str) -> str:
    """A name without case and separators."""
    return _FOLD.sub("", name.lower())


def loads(data: bytes) -> Any:
    """Any JSON value, numbers with a point as Decimal. Raises :class:`Unreadable`."""
    try:
        return _loads(data)
    except msgspec.DecodeError as why:
        raise Unreadable("", f"no JSON: {why}") from why


@cache
def _names(cls: type) -> dict[str, tuple[str, Any, Any, bool, Any]]:
    """By folded name: the field, its bare type, the bare type of its items if it is a list, whether it is required, and the
    member that stands for values which an open enumeration does not know (see ``Or``)."""
    hints = typing.get_type_hints(cls, include_extras=True)
    found = {}
    for f in msgspec.structs.fields(cls):
        hint = hints[f.name]
        bare = _bare(hint)
        inner = _bare(get_args(bare)[0]) if get_origin(bare) is tuple else None
        found[fold(f.encode_name)] = f.name, bare, inner, f.required, _else(hint)
    return found


def _else(hint: Any) -> Any:
    """What ``Or`` names in a hint, None where the enumeration is closed."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.extra and "or" in meta.extra:
            return meta.extra["or"]
    return next((found for part in get_args(hint) if (found := _else(part)) is not None), None)


def _bare(hint: Any) -> Any:
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint = get_args(hint)[0]
        elif origin in (Union, types.UnionType):
            rest = [a for a in get_args(hint) if a is not type(None)]
            if len(rest) != 1:
                return hint
            hint = rest[0]
        else:
            return hint


class _Bad(Exception):
    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


class _Walker:
    def __init__(self, result: Read[Any], aliases: dict[str, str], others: bool) -> None:
        self.result = result
        self.aliases = aliases
        self.others = others

    def struct(self, cls: Any, data: Any, path: str) -> Any:
        names = _names(cls)
        if not isinstance(data, dict):
            if len(names) == 1:
                (only,) = names.values()
                data = {only[0]: data}
            else:
                raise Unreadable(path, f"an object expected, found {_kind(data)}", data)
        given: dict[str, Any] = {}
        for key, value in data.items():
            folded = fold(key)
            known = names.get(folded) or names.get(fold(self.aliases.get(folded, "")))
            at = f"{path}.{key}" if path else key
            if value is None or value == "" or value == []:
                continue
            if known is None:
                self.result.unknown.append((at, value))
                continue
            name, bare, inner, required, instead = known
            if name in given:
                self.result.unknown.append((at, value))
                continue
            made = self.field(bare, value, at, required, instead) if inner is None else self.items(inner, value, at, required)
            if made is not None:
                given[name] = made
        for name, _, _, required, _ in names.values():
            if required and name not in given:
                raise Unreadable(f"{path}.{name}" if path else name, f"{name} is missing")
        return cls(**given)

    def field(self, bare: Any, value: Any, at: str, required: bool, instead: Any = None) -> Any:
        try:
            return self.value(bare, value, at)
        except _Bad as why:
            if instead is None and required and self.others:
                instead = _other(bare)
            if instead is not None and isinstance(value, str):
                self.result.repairs.append((at, value, f"{why.because} that is known here: read as {instead.value}"))
                return instead
            if required:
                raise Unreadable(at, why.because, value) from why
            self.result.repairs.append((at, value, why.because))
        except Unreadable as why:
            if required:
                raise
            self.result.repairs.append((why.path, why.value, why.because))
        return None

    def items(self, inner: Any, value: Any, at: str, required: bool) -> Any:
        made = []
        for i, one in enumerate(value if isinstance(value, list) else [value]):
            if one is None:
                continue
            try:
                made.append(self.value(inner, one, f"{at}[{i}]"))
            except _Bad as why:
                self.result.repairs.append((f"{at}[{i}]", one, why.because))
            except Unreadable as why:
                if required:
                    raise
                self.result.repairs.append((why.path, why.value, why.because))
        if required and not made:
            raise Unreadable(at, "nothing in it can be read", value)
        return tuple(made) or None

    def value(self, bare: Any, value: Any, at: str) -> Any:
        if isinstance(bare, type):
            if issubclass(bare, msgspec.Struct):
                return self.struct(bare, value, at)
            if issubclass(bare, Enum):
                return _member(bare, value)
            known = _SCALARS.get(bare)
            if known is not None:
                return known(value)
        return value


@cache
def _members(cls: Any) -> dict[str, Any]:
    return {fold(str(m.value)): m for m in cls}


def _member(cls: Any, value: Any) -> Any:
    found = _members(cls).get(fold(str(value)))
    if found is None:
        raise _Bad(f"{value!r} is no {cls.__name__}")
    return found


def _other(cls: Any) -> Any:
    """The member of an enumeration that says nothing, None where there is none."""
    found = _members(cls) if isinstance(cls, type) and issubclass(cls, Enum) else {}
    return found.get("other") or found.get("unknown")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise _Bad(f"a text expected, found {_kind(value)}")
    return str(value)


_MOST_DIGITS = 40
"""Numbers beyond this exponent are hostile: writing one out would fill the memory."""


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise _Bad(f"a number expected, found {_kind(value)}")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise _Bad(f"{value!r} is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise _Bad(f"{str(value)[:40]!r} is no number within reason")
    return number


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise _Bad(f"a whole number expected, found {value!r}")
    return int(number)


def _truth(value: Any) -> bool:
    found = {"true": True, "false": False, "1": True, "0": False}.get(str(value).strip().lower())
    if found is None:
        raise _Bad(f"true or false expected, found {value!r}")
    return found


_TIME = re.compile(r"(\d{4}-\d\d?-\d\d?)[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?$", re.I)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    match = _TIME.match(str(value).strip())
    if match is None:
        raise _Bad(f"{value!r} is no date and time")
    day, clock, fraction, zone = match.groups()
    year, month, date_ = (int(p) for p in day.split("-"))
    text = f"{year:04}-{month:02}-{date_:02}T{clock}{(fraction or '')[:7]}{'+00:00' if zone in ('Z', 'z') else zone or ''}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as why:
        raise _Bad(f"{value!r} is no date and time: {why}") from why
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    str: _text, Decimal: _number, int: _whole, bool: _truth, datetime: _moment,
}  # fmt: skip


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
