"""Mappings: rows that are checked when they are written down and compiled to straight code when first used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bridge.errors import Refused
from bridge.mapping import compiler, texts
from bridge.mapping.context import Context, Facts, Settings
from bridge.mapping.convert import Each, One, Table
from bridge.mapping.difference import spelled, steps
from bridge.mapping.loss import Loss
from bridge.mapping.rows import Row
from bridge.mapping.shape import is_shaped, shape


class MappingError(Exception):
    """A mapping that does not hold together: a field without a row, a row without a field. Raised at import."""


class Mapping:
    """How one canonical class and one wire class say the same.

    Every field of both classes needs a row or a reason, both ways; a missing or misspelt one fails at import, by name.
    ``shared`` names a canonical part that several objects in a row have in common: its rows run once per part.
    ``unsaid`` finds the characters that the wire's carrier cannot hold: they are left out of texts.
    """

    def __init__(self, canon: type, wire: type, rows: Iterable[Row], *, name: str = "", shared: str | None = None,
                 unsaid: re.Pattern[str] | None = None) -> None:  # fmt: skip
        self.canon = canon
        self.wire = wire
        self.rows = tuple(rows)
        self.name = name or wire.__name__
        self.shared = shared
        self.unsaid = unsaid
        self._out: Callable[[Any, Context], Any] | None = None
        self._back: Callable[[Any, Context], Any] | None = None
        self._patched: dict[int, tuple[Any, Mapping]] = {}
        self._check()

    # --- what integrators call

    def but(self, *rows: Row, name: str = "") -> Mapping:
        """The mapping with some rows replaced: a partner's difference. A row replaces those that share a path with it."""
        taken_canon = {p for r in rows for p in r.canon}
        taken_wire = {p for r in rows for p in r.wire}
        kept = [r for r in self.rows if not (taken_canon & set(r.canon) or taken_wire & set(r.wire))]
        return Mapping(self.canon, self.wire, (*kept, *rows), name=name or self.name, shared=self.shared, unsaid=self.unsaid)

    def onto(self, wire: type, *rows: Row, name: str = "") -> Mapping:
        """The same mapping for another version's class, each difference as a row.

        A wire field without a canonical one that the other version does not have needs no row.
        """
        taken_canon = {p for r in rows for p in r.canon}
        taken_wire = {p for r in rows for p in r.wire}
        kept = [r for r in self.rows if not (taken_canon & set(r.canon) or taken_wire & set(r.wire))]
        kept = [r for r in kept if r.canon or all(_exists(wire, p) for p in r.wire)]
        return Mapping(self.canon, wire, (*kept, *rows), name=name or wire.__name__, shared=self.shared, unsaid=self.unsaid)

    def bind(self, settings: Settings | None = None, format_: str = "") -> Bound:
        """The mapping with a partner's settings."""
        settings = settings or Settings()
        patches = settings.values.get(format_)
        return Bound(self.patched(patches) if patches else self, settings)

    def patched(self, patches: Any) -> Mapping:
        """The mapping with some table values replaced, here and in nested mappings (partner file, ``[values]``)."""
        known = self._patched.get(id(patches))
        if known is None:
            rows = [_patched_row(r, patches) for r in self.rows]
            known = (patches, Mapping(self.canon, self.wire, rows, name=self.name, shared=self.shared, unsaid=self.unsaid))
            self._patched[id(patches)] = known
        return known[1]

    # --- what the engine calls

    def compiled_out(self) -> Callable[[Any, Context], Any]:
        """The function that makes the wire object; compiled on first use."""
        if self._out is None:
            made = compiler.compile_out(self)
            self._out = made if self.unsaid is None else texts.carried(made, self.wire, self.unsaid)
        return self._out

    def compiled_back(self) -> Callable[[Any, Context], Any]:
        """The function that makes the canonical object; compiled on first use."""
        if self._back is None:
            self._back = compiler.compile_back(self)
        return self._back

    def tables(self) -> Iterator[Table]:
        """Every value table in this mapping and those it contains."""
        for one in self.rows:
            yield from _tables(one.conv)

    def to_wire_path(self, path: str) -> str:
        """A canonical path in the wire's field names; the path itself where the wire has no field for it."""
        return translated(self, path, out=True)

    def to_canon_path(self, path: str) -> str:
        """A wire path in canonical terms; the path itself where there is no field."""
        return translated(self, path, out=False)

    def beside(self, path: str, *, out: bool) -> list[str]:
        """The paths of the row that holds ``path``, which is canonical (``out``) or the wire's, nested mappings included."""
        taken = steps(path)
        for one in self.rows:
            mine = [_wired(p) for p in (one.canon if out else one.wire)]
            for start in map(steps, mine):
                if taken[: len(start)] != start:
                    continue
                nested, rest = getattr(one.conv, "mapping", None), taken[len(start) :]
                index = rest[:1] if rest and isinstance(rest[0], int) else ()
                if nested is None or not rest[len(index) :]:
                    return mine
                base = spelled((*start, *index))
                return [f"{base}.{p}" for p in nested.beside(spelled(rest[len(index) :]), out=out)]
        return []

    def _check(self) -> None:
        canon = [p for r in self.rows for p in r.canon]
        wire = [p for r in self.rows for p in r.wire]
        for side, paths, cls in (("canonical", canon, self.canon), ("wire", wire, self.wire)):
            if twice := {p for p in paths if paths.count(p) > 1}:
                raise MappingError(f"{self.name}: {side} fields in two rows: {sorted(twice)}")
            _check_paths(self.name, side, cls, paths)
        for r in self.rows:
            for path in r.using:
                if path and not _exists(self.canon, path):
                    raise MappingError(f"{self.name}: using {path!r}: {self.canon.__name__} has no such field")

    def __repr__(self) -> str:
        return f"<Mapping {self.name}: {self.canon.__name__} <-> {self.wire.__name__}, {len(self.rows)} rows>"


class Bound:
    """A mapping with settings: two pure functions that also return the losses."""

    def __init__(self, mapping: Mapping, settings: Settings) -> None:
        self.mapping = mapping
        self.settings = settings

    def to_wire(self, obj: Any, facts: Facts | None = None) -> tuple[Any, list[Loss]]:
        """The wire object and what it does not hold. Raises Refused."""
        cx = Context(self.settings, facts)
        return self.mapping.compiled_out()(obj, cx), cx.losses

    def to_canon(self, wire: Any, facts: Facts | None = None) -> tuple[Any, list[Loss]]:
        """The canonical object and what it does not hold. Raises Refused."""
        cx = Context(self.settings, facts)
        return self.mapping.compiled_back()(wire, cx), cx.losses


def _tables(conv: Any) -> Iterator[Table]:
    if isinstance(conv, Table):
        yield conv
    for inner in ("item", "inner", "mapping"):
        below = getattr(conv, inner, None)
        if isinstance(below, Mapping):
            if inner != "item":
                yield from below.tables()
        elif below is not None:
            yield from _tables(below)
    for below in getattr(conv, "tables", ()):
        yield from _tables(below)


def _patched_row(one: Row, patches: Any) -> Row:
    conv: Any = one.conv
    if isinstance(conv, Table) and conv.name in patches:
        conv = conv.but(_values(conv, patches[conv.name]))
    elif isinstance(conv, Each | One) and conv.mapping is not None:
        conv = conv.with_item(conv.mapping.patched(patches))
    elif isinstance(conv, Each) and isinstance(conv.item, Table) and conv.item.name in patches:
        conv = conv.with_item(conv.item.but(_values(conv.item, patches[conv.item.name])))
    elif hasattr(conv, "patched"):
        conv = conv.patched(patches)
    if conv is one.conv:
        return one
    return Row(
        one.canon,
        one.wire,
        conv,
        one.or_else,
        one.using,
        one.because,
        one.reads_as,
        one.hints,
        one.refuse_when,
    )


def _values(table: Table, given: Any) -> dict[Any, Any]:
    canon = {str(c.name): c for c in (*table.exact_out, *table.narrow_out, *table.never)}
    wire = {str(w.value if hasattr(w, "value") else w): w for w in (*table.exact_back, *table.narrow_out.values())}
    patched = {}
    for name, value in given.items():
        if name not in canon or value not in wire:
            options = sorted(canon) if name not in canon else sorted(wire)
            raise MappingError(f"values.{table.name}.{name} = {value!r}: none of {', '.join(options)}")
        patched[canon[name]] = wire[value]
    return patched


def _exists(cls: Any, path: str) -> bool:
    for name in path.split("."):
        if not is_shaped(cls) or name not in shape(cls):
            return False
        cls = shape(cls)[name].type
    return True


def _check_paths(name: str, side: str, cls: Any, paths: list[str]) -> None:
    for path in paths:
        if not _exists(cls, path):
            raise MappingError(f"{name}: the {side} class {cls.__name__} has no field {path!r}")
    missing = list(_missing(cls, "", set(paths)))
    if missing:
        raise MappingError(f"{name}: {side} fields of {cls.__name__} without a row: {', '.join(missing)}")


def _missing(cls: Any, prefix: str, paths: set[str]) -> Iterator[str]:
    for field in shape(cls).values():
        path = prefix + field.name
        if path in paths or field.name == "extra":
            continue
        if any(p.startswith(path + ".") for p in paths):
            yield from _missing(field.type, path + ".", paths)
        else:
            yield path


_STEP = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")


def translated(mapping: Mapping, path: str, *, out: bool) -> str:
    """``path`` of one side in the other's names: the longest row that holds it, then into the nested mapping.

    A row's hints come first, those for the longest part of the path; read from right to left they hold for the way back.
    """
    steps = _STEP.findall(path)
    plain = [name for name, _ in steps]
    for length in range(len(plain), 0, -1):
        prefix = ".".join(plain[:length])
        for one in mapping.rows:
            mine, theirs = (one.canon, one.wire) if out else (one.wire, one.canon)
            hints = one.hints if out else _backwards(one.hints)
            if (hint := hints.get(prefix)) is not None and theirs:
                return hint + _held(one.canon if out else one.wire, steps[:length])
            place = next((i for i, p in enumerate(mine) if _wired(p) == prefix), None)
            if place is None or not theirs:
                continue
            target: str = theirs[place] if len(theirs) == len(mine) else theirs[0]
            index: str = steps[length - 1][1]
            rest = path.split(".", length)[length] if length < len(plain) else ""
            nested = getattr(one.conv, "mapping", None)
            if nested is not None and rest:
                below: str = translated(nested, rest, out=out)
                return _wired(target) + index + "." + below
            return _wired(target) + (index if len(mine) == len(theirs) == 1 else "")
    return _part(mapping, ".".join(plain), out=out) or path


def _part(mapping: Mapping, path: str, *, out: bool) -> str | None:
    """Where the first part of a whole stands that the other side keeps in several fields."""
    for one in mapping.rows:
        mine, theirs = (one.canon, one.wire) if out else (one.wire, one.canon)
        if theirs and any(_wired(p).startswith(path + ".") for p in mine):
            return _wired(theirs[0])
    return None


def _backwards(hints: dict[str, str]) -> dict[str, str]:
    """The hints from wire to canonical, as far as they are unambiguous."""
    told = list(hints.values())
    return {_wired(wire): canon for canon, wire in hints.items() if told.count(wire) == 1}


def _held(paths: tuple[str, ...], steps: list[tuple[str, str]]) -> str:
    """The index that a path has at the row's own field, or at its last step."""
    for length in range(len(steps), 0, -1):
        if ".".join(name for name, _ in steps[:length]) in paths and length < len(steps):
            return steps[length - 1][1]
    return steps[-1][1]


def _wired(path: str) -> str:
    return ".".join(part.rstrip("_") for part in path.split("."))


__all__ = ["Bound", "Mapping", "MappingError", "Refused", "translated"]
