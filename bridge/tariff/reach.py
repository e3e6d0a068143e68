"""Which of a tariff's components can ever count: every combination of what restrictions tell apart, tried out.

Restrictions only ever compare, so between two neighbouring limits nothing changes: one point per interval of
every quantity (local minute, day, energy, duration, power, current) stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import product
from typing import Final, NamedTuple

from bridge.model.tariff import Restrictions, Tariff
from bridge.tariff.money import ZERO, text
from bridge.tariff.plan import MICRO, Facts, Rule, minutes_of

MOST: Final = 200_000
"""Combinations that are tried at most; a tariff beyond that is not looked at in this way."""

_SOME_MONDAY: Final = date(2026, 1, 5).toordinal()


class Pair(NamedTuple):
    """Two rules that match together, each also where the other does not, so that their order decides."""

    first: Rule
    second: Rule


class Reach:
    """What came out for the rules of one dimension, in their order.

    ``idle`` never match, ``hidden`` match but always after another one, ``gap`` is where none matches (None if one
    always does), ``pairs`` overlap. ``tried`` False: there were too many combinations.
    """

    __slots__ = ("gap", "hidden", "idle", "pairs", "tried")

    def __init__(self, rules: tuple[Rule, ...], tariff: Tariff) -> None:
        self.idle: list[Rule] = []
        self.hidden: list[Rule] = []
        self.gap: str | None = None
        self.pairs: list[Pair] = []
        axes = _Axes([r.restrictions for r in rules if r.restrictions is not None], tariff)
        self.tried = axes.size <= MOST
        if self.tried:
            self._try(rules, axes)

    def _try(self, rules: tuple[Rule, ...], axes: _Axes) -> None:
        seen: set[frozenset[int]] = set()
        for facts in axes.points():
            held = frozenset(i for i, rule in enumerate(rules) if rule.holds(facts))
            if not held and self.gap is None:
                self.gap = axes.say(facts)
            seen.add(held)
        for index, rule in enumerate(rules):
            if not any(index in held for held in seen):
                self.idle.append(rule)
            elif not any(min(held) == index for held in seen if held):
                self.hidden.append(rule)
        for one, two in ((a, b) for b in range(len(rules)) for a in range(b)):
            both = any(one in held and two in held for held in seen)
            alone = any(one in held and two not in held for held in seen)
            other = any(two in held and one not in held for held in seen)
            if both and alone and other:
                self.pairs.append(Pair(rules[one], rules[two]))


class _Axes:
    """One value per interval of each quantity that the restrictions look at."""

    def __init__(self, used: list[Restrictions], tariff: Tariff) -> None:
        minutes: set[int] = {0}
        for r in used:
            minutes |= minutes_of(r)
        self.minutes = sorted(minutes)
        self.days = _days(used, tariff)
        self.kwhs = _points(x for r in used for x in (r.min_kwh, r.max_kwh))
        self.powers = _points(x for r in used for x in (r.min_power, r.max_power))
        self.currents = _points(x for r in used for x in (r.min_current, r.max_current))
        durations = {x for r in used for x in (r.min_duration, r.max_duration) if x is not None and x > 0}
        self.durations = sorted({0, *durations})
        self.size = 1
        for axis in (self.minutes, self.days, self.kwhs, self.powers, self.currents, self.durations):
            self.size *= len(axis)

    def points(self) -> Iterator[Facts]:
        """Every combination; the same object each time."""
        facts = Facts()
        for day, minute in product(self.days, self.minutes):
            clock = time(minute // 60, minute % 60)
            at = datetime.combine(date.fromordinal(day), clock, tzinfo=UTC)
            facts.move(at, at)
            for kwh, power, current, duration in product(self.kwhs, self.powers, self.currents, self.durations):
                facts.kwh = kwh
                facts.min_power = facts.max_power = power
                facts.min_current = facts.max_current = current
                facts.elapsed = duration * MICRO
                yield facts

    def say(self, facts: Facts) -> str:
        """A point in words; only the quantities that the restrictions look at."""
        words = []
        if len(self.days) > 1 or len(self.minutes) > 1:
            words.append(f"{facts.at:%a %H:%M}" if len(self.days) > 1 else f"{facts.at:%H:%M}")
        if len(self.kwhs) > 1:
            words.append(f"at {text(facts.kwh)} kWh")
        if len(self.powers) > 1:
            words.append(f"at {text(facts.max_power or ZERO)} kW")
        if len(self.currents) > 1:
            words.append(f"at {text(facts.max_current or ZERO)} A")
        if len(self.durations) > 1:
            words.append(f"{facts.elapsed // MICRO} s into the session")
        return ", ".join(words) or "always"


def _points(limits: Iterable[Decimal | None]) -> list[Decimal]:
    return sorted({ZERO, *(x for x in limits if x is not None and x > 0)})


def _days(used: list[Restrictions], tariff: Tariff) -> list[int]:
    """Days that differ for the restrictions: each weekday of each span between two dates, where it has one."""
    weekdays = any(r.days or r.windows for r in used)
    borders = {d.toordinal() for r in used for d in (r.start_date, r.end_date) if d is not None}
    for r in used:
        for instant in (r.start, r.end):
            if instant is not None:
                borders |= {instant.toordinal(), instant.toordinal() + 1}
    length = 7 if weekdays else 1
    first = tariff.valid_from.toordinal() - 1 if tariff.valid_from else None
    last = tariff.valid_until.toordinal() + 1 if tariff.valid_until else None
    base = first if first is not None else (min(borders) - length if borders else _SOME_MONDAY)
    starts = sorted({base, *(b for b in borders if b >= base)})
    days: list[int] = []
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else start + length
        days += range(start, min(end, start + length))
    within = [d for d in days if last is None or d <= last]
    return within or days[:1]
