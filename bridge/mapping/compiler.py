"""Compiles the rows of a mapping to one straight Python function per direction.

Reads each path once, calls converters only where there is a value, builds nested objects from their parts, and checks
what the target demands. The source text of a compiled mapping is kept in ``function.source`` for whoever debugs one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.errors import Refused
from bridge.mapping.context import Context
from bridge.mapping.convert import SAME, At, Of, Table, Utc, WholeSeconds, as_utc
from bridge.mapping.loss import DEFAULTED, DROPPED, REFUSED, TRUNCATED, Loss
from bridge.mapping.rows import Row, Source, has_reads_as, refuses
from bridge.mapping.shape import MISSING, FieldShape, is_shaped, shape, twin

if TYPE_CHECKING:
    from bridge.mapping.engine import Mapping


def compile_out(mapping: Mapping) -> Callable[[Any, Context], Any]:
    """The function from the canonical object to the wire object."""
    return _Writer(mapping, out=True).compiled()


def compile_back(mapping: Mapping) -> Callable[[Any, Context], Any]:
    """The function from the wire object to the canonical object."""
    return _Writer(mapping, out=False).compiled()


def field_at(cls: Any, path: str) -> FieldShape:
    """The field that ``path`` names below ``cls``."""
    *parents, last = path.split(".")
    for name in parents:
        cls = shape(cls)[name].type
    return shape(cls)[last]


class _Writer:
    """Writes the code of one direction."""

    def __init__(self, mapping: Mapping, *, out: bool) -> None:
        self.mapping = mapping
        self.out = out
        self.src = mapping.canon if out else mapping.wire
        self.dst = mapping.wire if out else mapping.canon
        self.scope: dict[str, Any] = {
            "Refused": Refused, "as_utc": as_utc, "cut": _cut, "cut_all": _cut_all, "rebased": _rebased, "missing": _missing,
            "Loss": Loss, "new": tuple.__new__, "constant": _constant, "recalled": _recalled, "UTC": UTC,
        }  # fmt: skip
        self.lines: list[str] = []
        self.fetched: dict[str, str] = {"": "o"}
        self.made: dict[str, str] = {}
        self.sources: dict[str, tuple[tuple[str, ...], str | None]] = {}
        self.count = 0

    def compiled(self) -> Callable[[Any, Context], Any]:
        shared = self.mapping.shared if self.out else None
        mine = [r for r in self.mapping.rows if shared and _below(r, shared)]
        if shared:
            self._shared(mine, shared)
        for one in self.mapping.rows:
            if one not in mine:
                self._row(one)
            if not self.out and one.canon and not one.wire and has_reads_as(one):
                self.made[one.canon[0]] = self._const(one.reads_as)
        result = self._built(self.dst, "", required=True)
        self.lines.append(f"return {result}")
        text = _function("convert(o, cx)", self.lines)
        exec(compile(text, f"<{self.mapping.name} {'out' if self.out else 'back'}>", "exec"), self.scope)  # noqa: S102
        function: Any = self.scope["convert"]
        function.source = text
        return function  # type: ignore[no-any-return]

    # --- a part that many objects share

    def _shared(self, rows: list[Row], part: str) -> None:
        inner = _Writer(self.mapping, out=True)
        inner.scope = self.scope
        inner.fetched = {"": "o", part: "p"}
        for one in rows:
            inner._row(one)
        names = list(inner.made.values())
        text = _function("shared(o, p, cx)", [*inner.lines, f"return ({''.join(n + ', ' for n in names)})"])
        exec(compile(text, f"<{self.mapping.name} {part}>", "exec"), self.scope)  # noqa: S102
        self.count = inner.count
        key = next(_KEYS)
        self.lines += [f"p = o.{part}", f"known = cx.shared.get({key})",
                       "if known is None or known[0] is not p:",
                       "    try: values = shared(o, p, cx)",
                       "    except Refused as why: values = why",
                       f"    cx.shared[{key}] = known = (p, values)",
                       "values = known[1]",
                       "if values.__class__ is not tuple:",
                       "    raise Refused(values.path, values.because, values.value, values.key)"]  # fmt: skip
        if names:
            self.lines.append(f"{''.join(n + ', ' for n in names)}= values")
        self.made.update(inner.made)
        self.sources.update(inner.sources)
        self.fetched[part] = "p"

    # --- rows

    def _row(self, one: Row) -> None:
        mine, theirs = (one.canon, one.wire) if self.out else (one.wire, one.canon)
        if not mine:
            self._without_source(one)
        elif not theirs:
            self._without_place(one)
        else:
            self._both(one, mine, theirs)

    def _both(self, one: Row, mine: tuple[str, ...], theirs: tuple[str, ...]) -> None:
        key = one.or_else.key if one.or_else is not None else getattr(one.conv, "key_hint", None)
        self.sources.update(dict.fromkeys(theirs, (tuple(_plain(p) for p in mine), key)))
        using = one.using if self.out else ()
        values = [self._fetch(p) for p in (*mine, *using)]
        single = len(mine) == 1
        call = self._call(one, values, mine, theirs)
        if len(theirs) == 1:
            name = call
            if not call.isidentifier() or one.or_else is not None or self._limited(theirs[0]):
                name = self._name()
                self.lines.append(f"{name} = {call}")
            self.made[theirs[0]] = name
            self._finish(one, name, mine[0], theirs[0], plain=single and not using)
            return
        names = [self._name() for _ in theirs]
        empty = "(" + "None, " * len(theirs) + ")"
        self.lines.append(f"{', '.join(names)} = ({call}) or {empty}")
        for i, (path, name) in enumerate(zip(theirs, names, strict=True)):
            self.made[path] = name
            self._fitted(name, mine[i] if len(mine) == len(theirs) else mine[0], path)
            self._demand(one, name, mine[0], path)

    def _call(self, one: Row, values: list[str], mine: tuple[str, ...], theirs: tuple[str, ...]) -> str:
        conv = one.conv
        if len(values) > 1:
            made = self._converted(conv, f"({', '.join(values)},)", mine, theirs)
            if one.using or len(mine) == 1 or (self.out and conv.always):
                return made
            anything = " or ".join(f"{v} is not None" for v in values)
            return f"{made} if {anything} else None"
        value = values[0]
        many = field_at(self.src, mine[0]).many
        if conv is SAME or (self.out and type(conv) in (Of, Utc)):
            return f"{value} or None" if many or (self.out and _is_text(field_at(self.src, mine[0]))) else value
        if type(conv) in (Utc, WholeSeconds) and not self.out:
            return f"{value} if {value} is None or {value}.tzinfo is UTC else as_utc({value})"
        if isinstance(conv, Table):
            table = self._const(conv.exact_out if self.out else conv.exact_back)
            slow = self._converted(conv, value, mine, theirs)
            return f"None if {value} is None else {table}.get({value}) or {slow}"
        if isinstance(conv, Of):
            return f"None if {value} is None else {self._const(conv.kind)}({value})"
        made = self._converted(conv, value, mine, theirs, recall=self._recallable(conv, mine[0]))
        if self.out and conv.always:
            return made
        return f"{made} if {value if many else value + ' is not None'} else None"

    def _recallable(self, conv: Any, path: str) -> bool:
        """Whether what a converter gives for a value can be remembered: enumerations are few and quick to look up."""
        kind = field_at(self.src, path).type
        return getattr(conv, "pure", False) and isinstance(kind, type) and issubclass(kind, Enum)

    def _converted(self, conv: Any, value: str, mine: tuple[str, ...], theirs: tuple[str, ...], *, recall: bool = False) -> str:
        function = self._const(conv.out if self.out else conv.back)
        at = self._const(At(tuple(_plain(p) for p in mine), tuple(_plain(p) for p in theirs)))
        if recall:
            return f"recalled(cx, {next(_KEYS)}, {value}, {function}, {at})"
        return f"{function}({value}, cx, {at})"

    def _finish(self, one: Row, name: str, mine: str, theirs: str, *, plain: bool) -> None:
        field = field_at(self.dst, theirs)
        if self.out and one.or_else is not None:
            self.lines.append(f"if {name} is None or {name} == ():" if field.many else f"if {name} is None:")
            self.lines += ["    " + line for line in self._or_else(one, name, mine, theirs, plain=plain)]
        self._fitted(name, mine, theirs)
        self._demand(one, name, mine, theirs)

    def _fitted(self, name: str, mine: str, theirs: str) -> None:
        """Cut a text, or the texts of a list, to what the field allows; an identifier is refused instead."""
        if not self._limited(theirs):
            return
        field = field_at(self.dst, theirs)
        if field.many:
            self.lines.append(f"if {name} is not None: {name} = cut_all({name}, {field.limit}, {field.ident}, cx, {_plain(mine)!r})")
            return
        strange = f" or not ({name}.isascii() and {name}.isprintable())" if field.ident else ""
        self.lines += [f"if {name} is not None and (len({name}) > {field.limit}{strange}):",
                       f"    {name} = cut({name}, {field.limit}, {field.ident}, cx, {_plain(mine)!r})"]  # fmt: skip

    def _or_else(self, one: Row, name: str, mine: str, theirs: str, *, plain: bool) -> list[str]:
        """Lines that put what the row's ``or_else`` gives into ``name``, and say so."""
        source: Any = one.or_else
        convert = None if one.conv is SAME or not plain else one.conv.out
        at = self._const(At((_plain(mine),), (_plain(theirs),)))
        if source.derive is None:
            key = next(_KEYS)
            return [f"known = cx.shared.get({key})",
                    f"if known is None: cx.shared[{key}] = known = constant(cx, {self._const(source)}, {self._const(convert)}, {at})",
                    f"{name} = known[0]",
                    "cx.losses += known[1]"]  # fmt: skip
        again = "given" if convert is None else f"rebased({self._const(convert)}, given, cx, {at})"
        return [f"given = {self._const(source.derive)}(o, cx)",
                "if given is not None:",
                f"    {name} = {again}",
                f"    if {name} is not None: {_lose(_plain(theirs), DEFAULTED, name, source.because)}"]  # fmt: skip

    def _limited(self, path: str) -> bool:
        """Whether a text has to be cut to what the field allows."""
        field = field_at(self.dst, path)
        return self.out and field.limit is not None and _is_text(field)

    def _demand(self, one: Row, name: str, mine: str, theirs: str) -> None:
        field = field_at(self.dst, theirs)
        if not field.required:
            return
        if "." in theirs and self._optional_parent(theirs):
            return  # checked when the part is built, if any of it is there
        key = one.or_else.key if one.or_else is not None else getattr(one.conv, "key_hint", None)
        test = f"{name} is None"
        sources = tuple(_plain(p) for p in one.canon if self.out) or (_plain(mine),)
        self.lines.append(f"if {test}: missing(cx, {sources!r}, {_plain(theirs)!r}, {key!r}, {self.mapping.name!r})")

    def _optional_parent(self, path: str) -> bool:
        parts = path.split(".")
        return any(field_at(self.dst, ".".join(parts[:n])).optional for n in range(1, len(parts)))

    def _without_place(self, one: Row) -> None:
        """The source says something that the target cannot."""
        path = (one.canon or one.wire)[0]
        value = self._fetch(path)
        field = field_at(self.src, path)
        lose = _lose(_plain(path), DROPPED, value, one.because)
        some = f"{value} is not None" if field.type in (bool, int, Decimal) and not field.many else value
        if is_shaped(field.type) and field.default not in (MISSING, None, ()):
            some = f"{value} != {self._const(field.default)}"
        if self.out and refuses(one):
            self.lines.append(f"if {self._const(one.refuse_when)} == {value}: raise Refused({_plain(path)!r}, {one.because!r}, {value})")
        if self.out and has_reads_as(one):
            same = self._const(one.reads_as)
            self.lines.append(f"if {value} != {same} and ({some}): {lose}")
        elif not self.out and one.or_else is not None and one.or_else.key is not None:
            self.lines.append(f"if ({some}) and {value} != cx.constants.get({one.or_else.key!r}): {lose}")
        else:
            self.lines.append(f"if {some}: {lose}")

    def _without_source(self, one: Row) -> None:
        """The target has a field that the source says nothing about."""
        path = (one.wire or one.canon)[0]
        if not self.out:
            self.made[path] = self._const(one.reads_as) if has_reads_as(one) else "None"
            return
        name = "None" if one.or_else is None else self._name()
        self.made[path] = name
        if one.or_else is not None:
            self.lines.append(f"{name} = None")
            self.lines += self._or_else(one, name, path, path, plain=False)
        self._demand(one, name, path, path)

    # --- building

    def _built(self, cls: Any, prefix: str, *, required: bool) -> str:
        arguments: list[str] = []
        leaves: list[str] = []
        demanded: list[tuple[str, str]] = []
        for field in shape(cls).values():
            path = prefix + field.name
            if path in self.made:
                name = self.made[path]
                leaves.append(name)
                if field.required and not required:
                    demanded.append((name, path))
                arguments.append(self._or_default(field, name))
            elif any(p.startswith(path + ".") for p in self.made):
                name = self._built(field.type, path + ".", required=required and not field.optional)
                leaves.append(name)
                arguments.append(self._or_default(field, name))
            else:
                arguments.append(self._const(field.default if field.default is not MISSING else None))
        construct = self._const(twin(cls))
        if issubclass(cls, msgspec.Struct):
            arguments = [f"{n}={a}" for n, a in zip(shape(cls), arguments, strict=True)]
        made = f"{construct}({', '.join(arguments)})"
        name = self._name()
        optional = bool(prefix) and not required
        if optional or (prefix and not self.out):
            nothing = " and ".join(f"{leaf} is None" for leaf in leaves if leaf != "None") or "True"
            self.lines += [f"if {nothing}: {name} = None", "else:"]
            for leaf, path in demanded:
                src, key = self.sources.get(path, ((_plain(path),), None))
                self.lines.append(f"    if {leaf} is None: missing(cx, {src!r}, {_plain(path)!r}, {key!r}, {self.mapping.name!r})")
            self.lines.append(f"    {name} = {made}")
        else:
            self.lines.append(f"{name} = {made}")
        return name

    def _or_default(self, field: FieldShape, name: str) -> str:
        """The argument for a field: its default where there is nothing."""
        if field.default is MISSING or field.default is None:
            return name
        default = self._const(field.default)
        return default if name == "None" else f"({default} if {name} is None else {name})"

    def _fetch(self, path: str) -> str:
        known = self.fetched.get(path)
        if known is not None:
            return known
        parent, _, last = path.rpartition(".")
        holder = self._fetch(parent)
        name = self._name()
        optional = bool(parent) and (field_at(self.src, parent).optional or holder in self._maybe)
        if optional:
            self.lines.append(f"{name} = None if {holder} is None else {holder}.{last}")
            self._maybe.add(name)
        else:
            self.lines.append(f"{name} = {holder}.{last}")
        self.fetched[path] = name
        return name

    @property
    def _maybe(self) -> set[str]:
        return self.scope.setdefault("__maybe__", set())  # type: ignore[no-any-return]

    def _name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def _const(self, value: Any) -> str:
        if value is None or value is True or value is False or (value == () and isinstance(value, tuple) and not value):
            return repr(value)
        name = f"k{len(self.scope)}"
        self.scope[name] = value
        return name


def _below(one: Row, part: str) -> bool:
    return bool(one.canon) and all(p == part or p.startswith(part + ".") for p in (*one.canon, *one.using))


def _is_text(field: FieldShape) -> bool:
    return isinstance(field.type, type) and issubclass(field.type, str)


def _plain(path: str) -> str:
    return ".".join(part.rstrip("_") for part in path.split("."))


def _cut(text: str, limit: int, ident: bool, cx: Context, path: str) -> str:
    if ident and not (text.isascii() and text.isprintable()):
        raise Refused(path, "an identifier of printable ASCII characters there", text)
    if ident:
        raise Refused(path, f"an identifier of {len(text)} characters, at most {limit} there", text)
    cx.lose(path, TRUNCATED, text, f"at most {limit} characters there")
    return text[:limit]


def _cut_all(texts: tuple[str, ...], limit: int, ident: bool, cx: Context, path: str) -> tuple[str, ...] | None:
    made = []
    for i, text in enumerate(texts):
        try:
            fits = len(text) <= limit and (not ident or (text.isascii() and text.isprintable()))
            made.append(text if fits else _cut(text, limit, ident, cx, f"{path}[{i}]"))
        except Refused as why:
            cx.lose(why.path, REFUSED, why.value, why.because)
    return tuple(made) or None


def _rebased(convert: Any, given: Any, cx: Context, at: At) -> Any:
    """What a converter makes of a derived value; what it says of the value is said of the row's field, which has none itself."""
    before = len(cx.losses)
    made = convert(given, cx, at)
    for i in range(before, len(cx.losses)):
        if cx.losses[i].kind != DEFAULTED:
            cx.losses[i] = cx.losses[i]._replace(path=at.src[0])
    return made


_KEYS = count(1)
"""Names, in ``Context.shared``, what one compiled row remembers."""

_REMEMBERED = 1024


def _function(signature: str, lines: list[str]) -> str:
    """The text of a function; ``lost`` is where it puts losses."""
    if any("lost(" in line for line in lines):
        lines = ["lost = cx.losses.append", *lines]
    return f"def {signature}:\n" + "\n".join("    " + line for line in lines)


def _lose(path: str, kind: str, value: str, because: str) -> str:
    """A statement that records a loss."""
    return f"lost(new(Loss, ({path!r}, {kind!r}, {value}, {because!r})))"


def _constant(cx: Context, source: Source, convert: Any, at: At) -> tuple[Any, tuple[Loss, ...]]:
    """A constant of the partner file as a wire value, and the losses that tell of it. The same in the whole context."""
    given = source.value(None, cx)
    if given is None:
        return None, ()
    before = len(cx.losses)
    made = given if convert is None else convert(given, cx, at)
    if made is not None:
        cx.lose(at.dst[0], DEFAULTED, made, source.because)
    losses = tuple(cx.losses[before:])
    del cx.losses[before:]
    return made, losses


def _recalled(cx: Context, key: int, value: Any, convert: Any, at: At) -> Any:
    """What a converter gave for this value before in this context, with its losses."""
    memory = cx.shared.get(key)
    if memory is None:
        memory = cx.shared[key] = {}
    known = memory.get(value)
    if known is None:
        before = len(cx.losses)
        made = convert(value, cx, at)
        if len(memory) >= _REMEMBERED:
            memory.clear()
        memory[value] = known = made, tuple(cx.losses[before:])
    elif known[1]:
        cx.losses += known[1]
    return known[0]


_LEFT_OUT = frozenset({DROPPED, REFUSED})


def _missing(cx: Context, src: tuple[str, ...], dst: str, key: str | None, name: str) -> None:
    """Refuse: the target demands ``dst``. The reason is the last loss that left its source out, if there is one."""
    for path, kind, value, because in reversed(cx.losses):
        if kind in _LEFT_OUT and any(path == p or path.startswith((p + ".", p + "[")) for p in src):
            raise Refused(path, f"{dst} is mandatory in {name}, but {because}", value, key)
    hint = f"; set {key} in the partner file" if key else ""
    raise Refused(src[0], f"{dst} is mandatory in {name} and the source does not have it{hint}", None, key)
