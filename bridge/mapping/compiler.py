"""Compiles the rows of a mapping to one straight Python function per direction.

Reads each path once, calls converters only where there is a value, builds nested objects from their parts, and checks
what the target demands. The source text of a compiled mapping is kept in ``function.source`` for whoever debugs one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.errors import Refused
from bridge.mapping.context import Context
from bridge.mapping.convert import SAME, At, Of, Table, Utc, as_utc
from bridge.mapping.loss import DEFAULTED, DROPPED, TRUNCATED
from bridge.mapping.rows import Row, has_reads_as, refuses
from bridge.mapping.shape import MISSING, FieldShape, shape, twin

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
        self.scope: dict[str, Any] = {"Refused": Refused, "as_utc": as_utc, "cut": _cut, "missing": _missing,
                                      "lose_none": _lose_default}  # fmt: skip
        self.lines: list[str] = []
        self.fetched: dict[str, str] = {"": "o"}
        self.made: dict[str, str] = {}
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
        text = "def convert(o, cx):\n" + "\n".join("    " + line for line in self.lines)
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
        text = "def shared(o, p, cx):\n" + "\n".join("    " + line for line in inner.lines)
        text += f"\n    return ({''.join(n + ', ' for n in names)})"
        exec(compile(text, f"<{self.mapping.name} {part}>", "exec"), self.scope)  # noqa: S102
        self.count = inner.count
        self.lines += [f"p = o.{part}", f"known = cx.shared.get({id(self.mapping)})",
                       "if known is None or known[0] is not p:",
                       "    try: values = shared(o, p, cx)",
                       "    except Refused as why: values = why",
                       f"    cx.shared[{id(self.mapping)}] = known = (p, values)",
                       "values = known[1]",
                       "if values.__class__ is not tuple: raise Refused(values.path, values.because, values.value, values.key)"]  # fmt: skip
        if names:
            self.lines.append(f"{''.join(n + ', ' for n in names)}= values")
        self.made.update(inner.made)
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
        using = one.using if self.out else ()
        values = [self._fetch(p) for p in (*mine, *using)]
        single = len(mine) == 1
        call = self._call(one, values, mine, theirs)
        if len(theirs) == 1:
            name = self._name()
            self.lines.append(f"{name} = {call}")
            self.made[theirs[0]] = name
            self._finish(one, name, mine[0], theirs[0], plain=single and not using)
            return
        names = [self._name() for _ in theirs]
        empty = "(" + "None, " * len(theirs) + ")"
        self.lines.append(f"{', '.join(names)} = ({call}) or {empty}")
        for path, name in zip(theirs, names, strict=True):
            self.made[path] = name
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
            return f"{value} or None" if many else value
        if type(conv) is Utc:
            return f"None if {value} is None else as_utc({value})"
        if isinstance(conv, Table):
            table = self._const(conv.exact_out if self.out else conv.exact_back)
            slow = self._converted(conv, value, mine, theirs)
            return f"None if {value} is None else {table}.get({value}) or {slow}"
        if isinstance(conv, Of):
            return f"None if {value} is None else {self._const(conv.kind)}({value})"
        return f"{self._converted(conv, value, mine, theirs)} if {value if many else value + ' is not None'} else None"

    def _converted(self, conv: Any, value: str, mine: tuple[str, ...], theirs: tuple[str, ...]) -> str:
        function = self._const(conv.out if self.out else conv.back)
        at = self._const(At(tuple(_plain(p) for p in mine), tuple(_plain(p) for p in theirs)))
        return f"{function}({value}, cx, {at})"

    def _finish(self, one: Row, name: str, mine: str, theirs: str, *, plain: bool) -> None:
        field = field_at(self.dst, theirs)
        if self.out and one.or_else is not None:
            source = self._const(one.or_else)
            again = self._again(one, mine, theirs, plain=plain)
            self.lines += [f"if {name} is None or {name} == ():",
                           f"    given = {source}.value(o, cx)",
                           "    if given is not None:",
                           f"        {name} = {again}",
                           f"        if {name} is not None: lose_none(cx, {_plain(theirs)!r}, {name}, {source})"]  # fmt: skip
        if self.out and field.limit is not None and not field.many and _is_text(field):
            self.lines += [f"if {name} is not None and len({name}) > {field.limit}:",
                           f"    {name} = cut({name}, {field.limit}, {field.ident}, cx, {mine!r})"]  # fmt: skip
        self._demand(one, name, mine, theirs)

    def _again(self, one: Row, mine: str, theirs: str, *, plain: bool) -> str:
        if one.conv is SAME or not plain:
            return "given"
        return self._converted(one.conv, "given", (mine,), (theirs,))

    def _demand(self, one: Row, name: str, mine: str, theirs: str) -> None:
        field = field_at(self.dst, theirs)
        if not field.required:
            return
        if "." in theirs and self._optional_parent(theirs):
            return  # checked when the part is built, if any of it is there
        key = one.or_else.key if one.or_else is not None else getattr(one.conv, "key_hint", None)
        test = f"not {name}" if field.many else f"{name} is None"
        self.lines.append(
            f"if {test}: missing(cx, {tuple(_plain(p) for p in one.canon if self.out) or (_plain(mine),)!r}, {_plain(theirs)!r}, {key!r}, {self.mapping.name!r})"
        )

    def _optional_parent(self, path: str) -> bool:
        parts = path.split(".")
        return any(field_at(self.dst, ".".join(parts[:n])).optional for n in range(1, len(parts)))

    def _without_place(self, one: Row) -> None:
        """The source says something that the target cannot."""
        path = (one.canon or one.wire)[0]
        value = self._fetch(path)
        field = field_at(self.src, path)
        because = self._const(one.because)
        lose = f"cx.lose({_plain(path)!r}, {DROPPED!r}, {value}, {because})"
        some = f"{value} is not None" if field.type in (bool, int, Decimal) and not field.many else value
        if self.out and refuses(one):
            self.lines.append(
                f"if {self._const(one.refuse_when)} == {value}: raise Refused({_plain(path)!r}, {because}, {value})"
            )
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
        name = self._name()
        self.made[path] = name
        if not self.out:
            self.lines.append(f"{name} = {self._const(one.reads_as) if has_reads_as(one) else None}")
            return
        if one.or_else is None:
            self.lines.append(f"{name} = None")
        else:
            source = self._const(one.or_else)
            self.lines += [f"{name} = {source}.value(o, cx)",
                           f"if {name} is not None: lose_none(cx, {_plain(path)!r}, {name}, {source})"]  # fmt: skip
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
                if field.default is not MISSING and field.default is not None:
                    arguments.append(f"({self._const(field.default)} if {name} is None else {name})")
                else:
                    arguments.append(name)
            elif any(p.startswith(path + ".") for p in self.made):
                name = self._built(field.type, path + ".", required=required and not field.optional)
                leaves.append(name)
                fallback = field.default if field.default is not MISSING else None
                if fallback is not None:
                    arguments.append(f"({self._const(fallback)} if {name} is None else {name})")
                else:
                    arguments.append(name)
            else:
                arguments.append(self._const(field.default if field.default is not MISSING else None))
        construct = self._const(twin(cls))
        if issubclass(cls, msgspec.Struct):
            arguments = [f"{n}={a}" for n, a in zip(shape(cls), arguments, strict=True)]
        made = f"{construct}({', '.join(arguments)})"
        name = self._name()
        optional = bool(prefix) and not required
        if optional or (prefix and not self.out):
            nothing = " and ".join(f"{leaf} is None" for leaf in leaves)
            self.lines += [f"if {nothing}: {name} = None", "else:"]
            for leaf, path in demanded:
                self.lines.append(
                    f"    if {leaf} is None: missing(cx, {(_plain(path),)!r}, {_plain(path)!r}, None, {self.mapping.name!r})"
                )
            self.lines.append(f"    {name} = {made}")
        else:
            self.lines.append(f"{name} = {made}")
        return name

    def _fetch(self, path: str) -> str:
        known = self.fetched.get(path)
        if known is not None:
            return known
        parent, _, last = path.rpartition(".")
        holder = self._fetch(parent)
        name = self._name()
        field = field_at(self.src, path)
        optional = bool(parent) and (field_at(self.src, parent).optional or holder in self._maybe)
        if optional:
            self.lines.append(f"{name} = None if {holder} is None else {holder}.{last}")
            self._maybe.add(name)
        else:
            self.lines.append(f"{name} = {holder}.{last}")
        if field.many and not field.optional:
            pass
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
    if ident:
        raise Refused(path, f"an identifier of {len(text)} characters, at most {limit} there", text)
    cx.lose(path, TRUNCATED, text, f"at most {limit} characters there")
    return text[:limit]


def _lose_default(cx: Context, path: str, value: Any, source: Any) -> None:
    cx.lose(path, DEFAULTED, value, source.because)


def _missing(cx: Context, src: tuple[str, ...], dst: str, key: str | None, name: str) -> None:
    """Refuse: the target demands ``dst``. The reason is the last loss on its source, if there is one."""
    for path, kind, value, because in reversed(cx.losses):
        if kind != DEFAULTED and any(path == p or path.startswith((p + ".", p + "[")) for p in src):
            raise Refused(path, f"{dst} is mandatory in {name}, but {because}", value, key)
    hint = f"; set {key} in the partner file" if key else ""
    raise Refused(src[0], f"{dst} is mandatory in {name} and the source does not have it{hint}", None, key)
