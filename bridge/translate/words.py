"""What the rows of a mapping say, in words: for ``evbridge explain`` and the matrix. Reads the rows' data only."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Any

from attrs import frozen

from bridge.mapping.convert import SAME, Digits, Each, Of, One, Parsed, Table, UpTo, Utc, WholeSeconds
from bridge.mapping.engine import Mapping
from bridge.mapping.rows import Row, has_reads_as, refuses
from bridge.mapping.shape import FieldShape, is_shaped, shape

EXACT, NARROWED, DROPPED, DEFAULTED = "exact", "narrowed", "dropped", "defaulted"


@frozen
class Line:
    """One row in words."""

    wire: tuple[str, ...]
    canonical: tuple[str, ...]
    how: str
    lost: tuple[str, ...]
    """What is lost, and why."""


@frozen
class Section:
    """One mapping: its name, the wire path below which it works (empty for the record itself), its lines."""

    name: str
    canonical: str
    wire: str
    at: str
    lines: tuple[Line, ...]


def sections(mapping: Mapping, at: str = "") -> list[Section]:
    """The mapping and those nested in it, each once, outermost first."""
    found: list[Section] = []
    _sections(mapping, at, found, set())
    return found


def _sections(mapping: Mapping, at: str, found: list[Section], seen: set[int]) -> None:
    if id(mapping) in seen:
        return
    seen.add(id(mapping))
    lines = tuple(line(mapping, one) for one in mapping.rows)
    found.append(Section(mapping.name, mapping.canon.__name__, mapping.wire.__name__, at, lines))
    for one in mapping.rows:
        for inner in nested(one.conv):
            path = plain(one.wire[0]) if one.wire else ""
            _sections(inner, ".".join(p for p in (at, path) if p), found, seen)


def nested(conv: Any) -> Iterator[Mapping]:
    """The mappings that a converter works by."""
    for name in ("mapping", "item", "inner"):
        below = getattr(conv, name, None)
        if isinstance(below, Mapping):
            yield below
            return
        if below is not None:
            yield from nested(below)


def line(mapping: Mapping, one: Row) -> Line:
    """One row in words."""
    unsaid = (f"{name} is dropped: {because}" for name, because in getattr(one.conv, "unsaid", {}).items())
    lost = (*_one_sided(one), *_tables(one), *unsaid, *_limits(mapping, one))
    return Line(tuple(plain(p) for p in one.wire), one.canon, how(one), lost)


def how(one: Row) -> str:
    """How the values of a row correspond, and what stands in for a missing one."""
    source = f"else {one.or_else.because}" if one.or_else is not None else ""
    if not one.canon:
        return source.removeprefix("else ") or "left out"
    if not one.wire:
        return f"read as {word(one.reads_as)}" if has_reads_as(one) else "no place"
    return "; ".join(part for part in (one.conv.note or "by rule", source) if part)


def _one_sided(one: Row) -> Iterator[str]:
    if not one.canon:
        yield f"no field in the model: {one.because}" if one.because else "no field in the model"
    elif not one.wire:
        unless = f" unless {word(one.reads_as)}" if has_reads_as(one) else ""
        yield f"dropped{unless}: {one.because}"
        if refuses(one):
            value = getattr(one.refuse_when, "value", one.refuse_when)
            yield f"refused when {value}" if isinstance(value, bool | str) else "refused when told"


def tables(conv: Any) -> list[Table]:
    """The value tables that a converter works by, but for those of nested mappings."""
    if isinstance(conv, Table):
        return [conv]
    found: list[Table] = []
    for name in ("item", "inner"):
        below = getattr(conv, name, None)
        if below is not None and not isinstance(below, Mapping):
            found += tables(below)
    for below in getattr(conv, "tables", ()):
        found += tables(below)
    return found


def _tables(one: Row) -> Iterator[str]:
    for table in tables(one.conv):
        for value, there in table.narrow_out.items():
            yield f"{word(value)} becomes {word(there)}"
        for value, here in table.narrow_back.items():
            yield f"{word(value)} is read as {word(here)}"
        for value, because in table.never.items():
            yield f"{word(value)} is dropped: {because}"
        for value, because in table.unread.items():
            yield f"{word(value)} is not read: {because}"


def _limits(mapping: Mapping, one: Row) -> Iterator[str]:
    """The length that the engine keeps to; converters with limits of their own say so in their notes."""
    if len(one.wire) != 1 or not one.canon or not (one.conv is SAME or isinstance(one.conv, Of)):
        return
    field = field_at(mapping.wire, one.wire[0])
    if field is not None and field.limit is not None and not field.many and field.type is str:
        yield f"more than {field.limit} characters are {'refused' if field.ident else 'cut'}"


def field_at(cls: Any, path: str) -> FieldShape | None:
    """The field that ``path`` names below ``cls``."""
    *parents, last = path.split(".")
    for name in parents:
        cls = shape(cls)[name].type
    return shape(cls).get(last) if is_shaped(cls) else None


def grade(mapping: Mapping, one: Row) -> tuple[str, str]:
    """How well the canonical fields of a row get there: exact, narrowed or dropped, and what is to be said of it."""
    if not one.wire:
        return DROPPED, next(_one_sided(one)).removeprefix("dropped: ").removeprefix("dropped ")
    said = [*_tables(one), *_limits(mapping, one)]
    conv: Any = one.conv
    while isinstance(conv, Each) and conv.mapping is None:
        conv = conv.item
    if isinstance(conv, Each | One) and conv.mapping is not None:
        return EXACT, conv.mapping.name
    if conv is SAME or (isinstance(conv, Of | Utc) and not isinstance(conv, WholeSeconds)):
        return EXACT, "; ".join(said)
    if isinstance(conv, Table):
        return (NARROWED, _counted(conv)) if said else (EXACT, conv.note)
    if isinstance(conv, Digits | UpTo | WholeSeconds | Parsed):
        return NARROWED, conv.note
    return NARROWED, one.conv.note or "by rule"


def _counted(table: Table) -> str:
    parts = [f"{len(table.pairs)} exact"]
    if table.narrow_out:
        parts.append(f"{len(table.narrow_out)} narrowed")
    if table.never:
        parts.append(f"{len(table.never)} dropped")
    return f"{table.name or 'values'}: " + ", ".join(parts)


def plain(path: str) -> str:
    """A path without the underscores that only dodge Python's keywords."""
    return ".".join(part.rstrip("_") for part in path.split("."))


def word(value: Any) -> str:
    """A value as a person writes it."""
    if isinstance(value, tuple):
        return " + ".join(word(v) for v in value if v is not None)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, "f") if isinstance(value, Decimal) else str(value)
