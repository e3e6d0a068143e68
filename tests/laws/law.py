"""The laws as functions: each takes a round trip and says what is wrong with it.

A round trip goes from one object to the other side and back (``out``: from canonical to wire and back; else from wire to
canonical and back). All paths are compared in the vocabulary of the object it started with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from attrs import field, frozen

import mappings
from bridge.errors import Refused
from bridge.mapping import DEFAULTED, DROPPED, NARROWED, REFUSED, TRUNCATED, Facts, Loss, Mapping, Row, Settings, partner, registry
from bridge.mapping.difference import Difference, Steps, empty, fields_of, spelled, steps
from bridge.mapping.loss import KINDS
from bridge.mapping.registry import Entry
from bridge.mapping.rows import has_reads_as
from bridge.mapping.shape import is_shaped, shape
from bridge.model import location, tariff
from tests.laws.normal import CAVEATS, NORMAL

FACTS = Facts(now=datetime(2024, 5, 1, 12, 0, tzinfo=UTC))
NONE = Settings()


@cache
def example() -> Settings:
    """The shipped example of a partner file, every key set."""
    return partner.load(Path(mappings.__file__).parent / "partners" / "example.toml")


@frozen(eq=False)
class Case:
    """A registered mapping under test."""

    entry: Entry
    mapping: Mapping
    name: str
    whole: bool = False
    """Whether the mapping is for whole messages."""

    def __str__(self) -> str:
        return self.name


def cases() -> list[Case]:
    """Every registered mapping, those for whole messages too; the canonical format maps nothing."""
    found = []
    for entry in registry.every():
        if entry.family == "canonical":
            continue
        found.append(Case(entry, entry.mapping, f"{entry.format} {entry.kind}"))
        if entry.message_mapping is not None:
            found.append(Case(entry, entry.message_mapping, f"{entry.format} {entry.kind} message", whole=True))
    return found


@frozen
class Told:
    """A loss in the vocabulary of the object the trip started with: its path there, or in the object that came back."""

    loss: Loss
    path: Steps
    before: bool
    way_back: bool
    others: tuple[Steps, ...] = ()
    """The other fields of the row: where a path of the other side stands for several fields of this one."""

    def __str__(self) -> str:
        way = "way back" if self.way_back else "way there"
        return f"{spelled(self.path) or '$'} ({way}: {self.loss.kind} {self.loss.path}: {self.loss.because})"


@frozen
class Trip:
    """An object, what became of it there and back, and what was said to be lost. A refusal ends it."""

    mapping: Mapping
    out: bool
    given: Any
    there: Any = None
    back: Any = None
    losses_there: tuple[Loss, ...] = ()
    losses_back: tuple[Loss, ...] = ()
    refused: Refused | None = None
    refused_back: Refused | None = None
    told: tuple[Told, ...] = field(default=(), repr=False)
    differences: tuple[Difference, ...] = field(default=(), repr=False)

    @property
    def whole(self) -> bool:
        """Whether it went all the way."""
        return self.refused is None and self.refused_back is None


def travel(mapping: Mapping, given: Any, *, out: bool, settings: Settings = NONE, format_: str = "") -> Trip:
    """Take ``given`` to the other side and back."""
    bound = mapping.bind(settings, format_)
    go, come = (bound.to_wire, bound.to_canon) if out else (bound.to_canon, bound.to_wire)
    try:
        there, losses_there = go(given, FACTS)
    except Refused as why:
        return Trip(mapping, out, given, refused=why)
    try:
        back, losses_back = come(there, FACTS)
    except Refused as why:
        return Trip(mapping, out, given, there, losses_there=tuple(losses_there), refused_back=why)
    told = tuple(_told(bound.mapping, losses_there, losses_back, out=out))
    lost = dict(_gone(t, given) for t in told if t.before)
    return Trip(mapping, out, given, there, back, tuple(losses_there), tuple(losses_back), told=told,
                differences=tuple(NORMAL.differences(given, back, lost)))  # fmt: skip


def _gone(t: Told, given: Any) -> tuple[Steps, bool]:
    """The innermost list item that a loss tells of, and whether it is said to be gone as such, or to be elsewhere now."""
    last = max((i for i, step in enumerate(t.path) if isinstance(step, int)), default=-1)
    exact = last == len(t.path) - 1
    if t.loss.kind not in (DROPPED, REFUSED, NARROWED) or not (exact or t.loss.kind == REFUSED):
        return (), False
    return t.path[: last + 1], exact and (t.loss.kind != NARROWED or is_shaped(type(at(given, t.path))))


def at(obj: Any, path: Steps) -> Any:
    """The value that ``path`` leads to, or None."""
    for step in path:
        if isinstance(step, int):
            obj = obj[step] if isinstance(obj, tuple) and step < len(obj) else None
        else:
            obj = next((getattr(obj, f.name) for f in fields_of(obj) if f.wire == step), None) if is_shaped(type(obj)) else None
    return obj


def _told(mapping: Mapping, there: list[Loss], back: list[Loss], *, out: bool) -> Iterator[Told]:
    home = mapping.to_canon_path if out else mapping.to_wire_path
    for losses, way_back in ((there, False), (back, True)):
        for loss in losses:
            if (loss.kind == DEFAULTED) == way_back:
                yield Told(loss, steps(loss.path), not way_back, way_back)
            else:
                path = home(loss.path)
                yield Told(loss, steps(path), False, way_back, tuple(steps(p) for p in mapping.beside(path, out=out)))


# --- law 1: per row -------------------------------------------------------------------------------------------------


def rows(mapping: Mapping) -> list[Row]:
    """The rows that promise a way there and back."""
    return [r for r in mapping.rows if not r.one_way]


def broken_rows(trip: Trip) -> list[str]:
    """Law 1: rows of whose fields no loss tells, and yet they come back otherwise."""
    return [f"{name(one)}: {d}" for one in rows(trip.mapping) if not _touched(trip, one) for d in _changed(trip, one)]


def tried(trip: Trip, one: Row) -> bool:
    """Whether the row had a value in this trip, and something of it arrived on the other side."""
    mine, theirs = (one.canon, one.wire) if trip.out else (one.wire, one.canon)
    return all(any(not empty(at(obj, steps(_wired(path)))) for path in paths) for obj, paths in ((trip.given, mine), (trip.there, theirs)))


def _fields(trip: Trip, one: Row) -> list[Steps]:
    return [steps(_wired(path)) for path in (one.canon if trip.out else one.wire)]


def _touched(trip: Trip, one: Row) -> bool:
    return any(_related(t.path, path) for t in trip.told for path in _fields(trip, one))


def _changed(trip: Trip, one: Row) -> list[Difference]:
    return [d for d in trip.differences for path in _fields(trip, one) if _under(d, path) and not _read_as(d, trip)]


def name(one: Row) -> str:
    """A row as text."""
    return f"{', '.join(one.canon)} <-> {', '.join(one.wire)}"


@cache
def _wired(path: str) -> str:
    return ".".join(part.rstrip("_") for part in path.split("."))


def _under(d: Difference, path: Steps) -> bool:
    return d.before[: len(path)] == path or any(p.before[: len(path)] == path or p.after[: len(path)] == path for p in d.parts)


# --- law 2: per object ----------------------------------------------------------------------------------------------


def untold(trip: Trip) -> list[str]:
    """Law 2: differences that no loss tells of."""
    return [str(d) for d in trip.differences if not (_covered(d, trip.told) or _moved(d, trip) or _read_as(d, trip))]


def noise(trip: Trip) -> list[str]:
    """Law 2: losses that correspond to no difference."""
    return [str(t) for t in trip.told if t.loss.because not in CAVEATS and not any(_meets(t, d) for d in trip.differences)]


def _moved(d: Difference, trip: Trip) -> bool:
    """Whether what came belongs to a row of which another field is told as narrowed or cut: a row's fields stand together."""
    if not d.come:
        return False
    together = trip.mapping.beside(spelled(d.after), out=trip.out)
    return any(t.loss.kind in (NARROWED, TRUNCATED) and any(_related(t.path, steps(path)) for path in together) for t in trip.told)


def _read_as(d: Difference, trip: Trip) -> bool:
    """Whether a field that the other side cannot say came back as what its row declares it is read as."""
    return d.come and any(
        has_reads_as(r) and trip.out and steps(r.canon[0]) == d.after and r.reads_as == d.now for r in trip.mapping.rows if r.canon
    )


def _covered(d: Difference, told: tuple[Told, ...]) -> bool:
    mine = [t for t in told if _meets(t, d)]
    if any(_prefix(path, d.before if t.before else d.after) for t in mine for path in (t.path, *t.others)):
        return True
    if d.whole and mine:
        return True
    if d.gone and any(t.loss.kind == REFUSED for t in mine):
        return True  # an item is refused for one of its fields
    if d.come:
        return bool(d.parts) and all(any(_prefix(path, p.after) for t in mine for path in (t.path, *t.others)) for p in d.parts)
    return bool(d.parts) and all(_covered(p, tuple(mine)) for p in d.parts)


def _meets(t: Told, d: Difference) -> bool:
    return any(_related(path, d.before if t.before else d.after) for path in (t.path, *t.others))


def _prefix(path: Steps, of: Steps) -> bool:
    return of[: len(path)] == path


def _related(one: Steps, other: Steps) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


# --- law 2: paths, and law 3: totality ------------------------------------------------------------------------------


def lost_ways(trip: Trip) -> list[str]:
    """Losses whose path names nothing: not in the source, or, for a default, not in the target."""
    wrong = []
    for losses, source, target in ((trip.losses_there, trip.given, trip.there), (trip.losses_back, trip.there, trip.back)):
        for loss in losses:
            where = target if loss.kind == DEFAULTED else source
            if where is not None and not leads(where, loss.path):
                wrong.append(f"{loss.kind} {loss.path!r}: {type(where).__name__} has no such path ({loss.because})")
    return wrong


def leads(obj: Any, path: str) -> bool:
    """Whether ``path`` names a field or item of ``obj``; where the way ends early, of its class."""
    cls: Any = type(obj)
    for step in steps(path):
        if isinstance(step, int):
            if obj is not None and (not isinstance(obj, tuple) or step >= len(obj)):
                return False
            obj = None if obj is None else obj[step]
            if obj is not None:
                cls = type(obj)
            continue
        if isinstance(obj, tuple) or not is_shaped(cls):
            return False
        found = next((f for f in shape(cls).values() if f.wire == step), None)
        if found is None:
            return False
        obj = None if obj is None else getattr(obj, found.name)
        cls = type(obj) if obj is not None and not isinstance(obj, tuple) else found.type
    return True


def ill_told(trip: Trip) -> list[str]:
    """Law 3: losses and refusals that do not say what they should: a kind that exists, a reason, a place."""
    wrong = [f"loss {loss} has no reason or an unknown kind"
             for loss in (*trip.losses_there, *trip.losses_back)
             if loss.kind not in KINDS or not re.search(r"\w", loss.because)]  # fmt: skip
    for why, obj in ((trip.refused, trip.given), (trip.refused_back, trip.there)):
        if why is None:
            continue
        if not re.search(r"\w", why.because):
            wrong.append(f"refused at {why.path!r} without a reason")
        if not leads(obj, why.path):
            wrong.append(f"refused at {why.path!r}, which {type(obj).__name__} does not have ({why.because})")
    return wrong


CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


def _clocks(*times: str | None) -> bool:
    return all(CLOCK.fullmatch(time) for time in times if time is not None)


def broken_promises(obj: Any, path: Steps = ()) -> Iterator[str]:
    """What an object of the model holds against the model's own documentation: times in UTC, degrees, weekdays, times of day."""
    if isinstance(obj, tuple):
        for i, one in enumerate(obj):
            yield from broken_promises(one, (*path, i))
    elif is_shaped(type(obj)):
        for one in fields_of(obj):
            yield from broken_promises(getattr(obj, one.name), (*path, one.name))
        if isinstance(obj, location.GeoPoint) and not (abs(obj.latitude) <= 90 and abs(obj.longitude) <= 180):
            yield f"{spelled(path)}: {obj} is nowhere"
        if isinstance(obj, location.RegularHours) and not (1 <= obj.weekday <= 7 and _clocks(obj.begin, obj.end)):
            yield f"{spelled(path)}: {obj} is no span of a weekday"
        if isinstance(obj, tariff.Restrictions) and not _clocks(obj.start_time, obj.end_time):
            yield f"{spelled(path)}: {obj} has a time that is no time of day"
    elif isinstance(obj, datetime) and obj.tzinfo is not UTC:
        yield f"{spelled(path)}: {obj} is not in UTC"
    elif isinstance(obj, Decimal) and not obj.is_finite():
        yield f"{spelled(path)}: {obj} is no number"
