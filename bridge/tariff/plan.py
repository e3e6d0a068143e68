"""A tariff made ready for pricing: rules per dimension with their restrictions as checks, and where they
turn.

OCPI 2.2.1 and 2.3.0, mod_tariffs: Tariff object, TariffElement, PriceComponent, TariffRestrictions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from bridge.model.tariff import (
    Dimension,
    PriceComponent,
    ReservationKind,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
)
from bridge.tariff.errors import PricingError
from bridge.tariff.money import EXACT, ZERO, Exact
from bridge.tariff.rules import Rules

DAY: Final = 1440
"""Minutes of a day, as the clock has them."""

MICRO: Final = 1_000_000
"""Microseconds of a second: instants are compared in whole microseconds, never in floats."""


class Facts:
    """What restrictions ask about, at one instant. Minutes and days are local, ``elapsed`` is in
    microseconds.
    """

    __slots__ = (
        "at",
        "blind",
        "day",
        "elapsed",
        "kwh",
        "max_current",
        "max_power",
        "min_current",
        "min_power",
        "minute",
        "weekday",
    )

    at: datetime
    minute: int
    day: int
    weekday: int
    kwh: Decimal
    elapsed: int
    min_current: Decimal | None
    max_current: Decimal | None
    min_power: Decimal | None
    max_power: Decimal | None
    blind: bool

    def __init__(self) -> None:
        self.kwh = ZERO
        self.elapsed = 0
        self.min_current = self.max_current = self.min_power = self.max_power = None
        self.blind = False  # set by a check that could not be decided for want of a measurement

    def move(self, at: datetime, local: datetime) -> None:
        """Set the instant, and what the local clock and calendar show then."""
        self.at = at
        self.minute = local.hour * 60 + local.minute
        self.day = local.toordinal()
        self.weekday = local.isoweekday()


Check = Callable[[Facts], bool]


class Rule:
    """A price component that can be selected. ``excl`` and ``incl`` are prices per unit, None if
    undetermined.
    """

    __slots__ = ("checks", "component", "element", "excl", "incl", "item", "restrictions", "step", "tariff")

    def __init__(
        self,
        tariff: Tariff,
        element: int,
        component: int,
        item: PriceComponent,
        checks: tuple[Check, ...],
        rules: Rules,
    ) -> None:
        self.tariff = tariff
        self.element = element
        self.component = component
        self.item = item
        self.restrictions = tariff.elements[element].restrictions
        self.checks = checks
        self.step = item.step.scaleb(-3) if item.dimension is Dimension.ENERGY else item.step
        self.excl, self.incl = _units(item, tariff.tax_included, rules)

    def holds(self, facts: Facts) -> bool:
        """Whether all restrictions hold."""
        return all(check(facts) for check in self.checks)


def first(rules: tuple[Rule, ...], facts: Facts) -> Rule | None:
    """The first rule whose restrictions all hold: the one that counts (OCPI 2.3.0, Tariff object)."""
    for rule in rules:
        for check in rule.checks:
            if not check(facts):
                break
        else:
            return rule
    return None


class Plan:
    """The rules of one tariff under one reading, in order of selection, and the values at which they turn."""

    __slots__ = (
        "clock",
        "currents",
        "doubts",
        "durations",
        "energy",
        "expiry_flat",
        "expiry_time",
        "flat",
        "instants",
        "kwhs",
        "measures",
        "minutes",
        "parking",
        "powers",
        "reserved_flat",
        "reserved_time",
        "tariff",
        "time",
    )

    def __init__(self, tariff: Tariff, rules: Rules) -> None:
        self.tariff = tariff
        groups = _groups(tariff, rules)
        self.energy = groups.get((Dimension.ENERGY, None), ())
        self.time = groups.get((Dimension.TIME, None), ())
        self.parking = groups.get((Dimension.PARKING_TIME, None), ())
        self.flat = groups.get((Dimension.FLAT, None), ())
        self.reserved_time = groups.get((Dimension.TIME, ReservationKind.RESERVATION), ())
        self.reserved_flat = groups.get((Dimension.FLAT, ReservationKind.RESERVATION), ())
        self.expiry_time = groups.get((Dimension.TIME, ReservationKind.RESERVATION_EXPIRES), ())
        self.expiry_flat = groups.get((Dimension.FLAT, ReservationKind.RESERVATION_EXPIRES), ())
        used = [e.restrictions for e in tariff.elements if e.restrictions is not None]
        self._turning(used)
        self.measures = bool(self.currents or self.powers)
        self.doubts = frozenset(self._doubts(used, rules))

    def _doubts(self, used: list[Restrictions], rules: Rules) -> Iterable[str]:
        """The points of doubt (fields of `Rules`) that this tariff turns on, whatever the session."""
        if any(_odd_midnight(r) for r in used):
            yield "midnight"
        if any(r.days and _wraps(r) for r in used):
            yield "night_days"
        if self.measures:
            yield "ranges"
        if any(_lasting(rule.restrictions) for rule in self.parking):
            yield "parking_duration"
        if rules.absent_vat == "unknown" and len(self.tariff.elements) > 1:
            yield "selection"

    def _turning(self, used: list[Restrictions]) -> None:
        self.kwhs = _values(r.min_kwh for r in used) + _values(r.max_kwh for r in used)
        self.currents = _values(r.min_current for r in used) + _values(r.max_current for r in used)
        self.powers = _values(r.min_power for r in used) + _values(r.max_power for r in used)
        self.kwhs, self.currents, self.powers = (tuple(sorted(set(values))) for values in (self.kwhs, self.currents, self.powers))
        limits = {d for r in used for d in (r.min_duration, r.max_duration) if d is not None}
        self.durations = tuple(sorted(limits))
        self.instants = tuple(sorted({t for r in used for t in (r.start, r.end) if t is not None}))
        minutes: set[int] = set()
        for r in used:
            minutes |= minutes_of(r)
        self.minutes = tuple(sorted(minutes))
        self.clock = bool(minutes or self.instants)


def _values(values: Iterable[Decimal | None]) -> tuple[Decimal, ...]:
    return tuple(v for v in values if v is not None)


def minutes_of(r: Restrictions) -> set[int]:
    """Minutes of the local day at which a restriction on clock or calendar may turn."""
    found: set[int] = set()
    if r.start_time is not None or r.end_time is not None:
        found |= {0, minute_of(r.start_time or "00:00"), minute_of(r.end_time or "00:00") % DAY}
    if r.days or r.start_date or r.end_date:
        found.add(0)
    for window in r.windows:
        found |= {0, minute_of(window.begin) % DAY, minute_of(window.end) % DAY}
    return found


def minute_of(clock: str) -> int:
    """``HH:MM`` as minutes; ``24:00`` is taken. Raises ValueError for anything else."""
    if len(clock) == 5 and clock[2] == ":" and (clock[:2] + clock[3:]).isdecimal() and clock.isascii():
        minute = int(clock[:2]) * 60 + int(clock[3:])
        if minute <= DAY and clock[3] < "6":
            return minute
    raise ValueError(f"{clock!r} is no time of day (HH:MM)")


def _lasting(r: Restrictions | None) -> bool:
    return r is not None and (r.min_duration is not None or r.max_duration is not None)


def _odd_midnight(r: Restrictions) -> bool:
    return r.end_time == "00:00" and r.start_time in (None, "00:00")


def _wraps(r: Restrictions) -> bool:
    if r.start_time is None or r.end_time is None:
        return False
    return 0 < minute_of(r.end_time) < minute_of(r.start_time)


def _groups(tariff: Tariff, rules: Rules) -> dict[tuple[Dimension, ReservationKind | None], tuple[Rule, ...]]:
    found: dict[tuple[Dimension, ReservationKind | None], list[Rule]] = {}
    for index, element in enumerate(tariff.elements):
        checks = _checks(element.restrictions, f"elements[{index}].restrictions", rules)
        kind = element.restrictions.reservation if element.restrictions else None
        seen: set[Dimension] = set()
        for place, item in enumerate(element.components):
            if item.dimension in seen:
                continue  # one element has one price per dimension; lint tells of the second
            seen.add(item.dimension)
            _sane(item, f"elements[{index}].components[{place}]")
            rule = Rule(tariff, index, place, item, checks, rules)
            found.setdefault((item.dimension, kind), []).append(rule)
    if rules.selection == "element":
        return {key: _whole(tariff, group, rules) for key, group in found.items()}
    return {key: tuple(group) for key, group in found.items()}


def _whole(tariff: Tariff, group: list[Rule], rules: Rules) -> tuple[Rule, ...]:
    """Under "the first element gives all": a rule also needs that no earlier element of its kind holds."""
    reservation = group[0].restrictions.reservation if group[0].restrictions else None
    return tuple(_behind(rule, _before(tariff, rule.element, reservation, rules), rules) for rule in group)


def _before(tariff: Tariff, element: int, kind: ReservationKind | None, rules: Rules) -> list[tuple[Check, ...]]:
    def of_kind(e: TariffElement) -> bool:
        return (e.restrictions.reservation if e.restrictions else None) is kind

    return [_checks(e.restrictions, f"elements[{i}].restrictions", rules) for i, e in enumerate(tariff.elements[:element]) if of_kind(e)]


def _behind(rule: Rule, before: list[tuple[Check, ...]], rules: Rules) -> Rule:
    def alone(facts: Facts) -> bool:
        return not any(all(check(facts) for check in checks) for checks in before)

    checks = (*rule.checks, alone) if before else rule.checks
    return Rule(rule.tariff, rule.element, rule.component, rule.item, checks, rules)


def _sane(item: PriceComponent, path: str) -> None:
    if not item.price.is_finite():
        raise PricingError(f"{path}.price", f"{item.price} is no price")
    if not item.step.is_finite() or item.step < 0:
        raise PricingError(f"{path}.step", f"{item.step} is no step size")
    if item.vat is not None and (not item.vat.is_finite() or item.vat <= -100):
        raise PricingError(f"{path}.vat", f"{item.vat} is no VAT percentage")


def _units(item: PriceComponent, included: TaxIncluded | None, rules: Rules) -> tuple[Exact | None, Exact | None]:
    """Price per unit before and after taxes (OCPI 2.3.0, TaxIncluded; before it prices are without VAT)."""
    price, vat = item.price, item.vat
    if not price or included is TaxIncluded.NOT_APPLICABLE:
        return price, price
    if included is TaxIncluded.YES:
        if vat is None:
            return None, price
        net = Fraction(price) * 100 / (100 + Fraction(vat))
        return _short(net), price
    if vat is not None:
        return price, (price * (100 + vat)).scaleb(-2)
    unknown = included is TaxIncluded.NO or rules.absent_vat == "unknown"
    return price, None if unknown else price


def _short(value: Fraction) -> Exact:
    """A Decimal where the fraction ends, for speed."""
    bottom = value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    if bottom == 1:
        return Decimal(value.numerator) / Decimal(value.denominator)
    return value


def _checks(r: Restrictions | None, path: str, rules: Rules) -> tuple[Check, ...]:
    if r is None:
        return ()
    found: list[Check] = []
    try:
        found += _clock_checks(r, rules)
    except ValueError as error:
        raise PricingError(path, str(error)) from None
    found += _calendar_checks(r)
    found += _amount_checks(r)
    # Measurements come last: only where all else holds does it matter that one is missing.
    crossed = rules.ranges == "crossed"
    holds = rules.unknown == "match"
    found += _range_checks("current", r.min_current, r.max_current, crossed, holds)
    found += _range_checks("power", r.min_power, r.max_power, crossed, holds)
    return tuple(found)


def _clock_checks(r: Restrictions, rules: Rules) -> Iterable[Check]:
    days = frozenset(r.days)
    window = _window(r, rules)
    if window is not None:
        begin, end = window
        if end < begin:
            if days and rules.night_days == "start-day":
                yield (lambda f: (f.minute >= begin and f.weekday in days) or (f.minute < end and (f.weekday - 2) % 7 + 1 in days))
                return
            yield lambda f: f.minute >= begin or f.minute < end
        else:
            yield lambda f: begin <= f.minute < end
    if days:
        yield lambda f: f.weekday in days
    if r.windows:
        spans = tuple((w.weekday, minute_of(w.begin), minute_of(w.end)) for w in r.windows)
        yield lambda f: any(f.weekday == d and b <= f.minute < e for d, b, e in spans)


def _window(r: Restrictions, rules: Rules) -> tuple[int, int] | None:
    """Begin and end of the daily window in minutes; None if it is the whole day."""
    if r.start_time is None and r.end_time is None:
        return None
    begin = minute_of(r.start_time) if r.start_time is not None else 0
    end = minute_of(r.end_time) if r.end_time is not None else DAY
    if end == 0 and (begin or rules.midnight == "end-of-day"):
        end = DAY
    return None if (begin, end) == (0, DAY) else (begin, end)


def _calendar_checks(r: Restrictions) -> Iterable[Check]:
    if r.start_date is not None:
        first_day = r.start_date.toordinal()
        yield lambda f: f.day >= first_day
    if r.end_date is not None:
        last_day = r.end_date.toordinal()
        yield lambda f: f.day < last_day
    if (start := r.start) is not None:
        yield lambda f: f.at >= start
    if (end := r.end) is not None:
        yield lambda f: f.at < end


def _amount_checks(r: Restrictions) -> Iterable[Check]:
    if (low := r.min_kwh) is not None:
        yield lambda f: f.kwh >= low
    if (high := r.max_kwh) is not None:
        yield lambda f: f.kwh < high
    if (shortest := r.min_duration) is not None:
        least = shortest * MICRO
        yield lambda f: f.elapsed >= least
    if (longest := r.max_duration) is not None:
        most = longest * MICRO
        yield lambda f: f.elapsed < most


def _range_checks(what: str, low: Decimal | None, high: Decimal | None, crossed: bool, holds: bool) -> Iterable[Check]:
    lowest, highest = f"min_{what}", f"max_{what}"
    if low is not None:
        yield _at_least(highest if crossed else lowest, low, holds)
    if high is not None:
        yield _below(lowest if crossed else highest, high, holds)


def _at_least(name: str, bound: Decimal, holds: bool) -> Check:
    def check(facts: Facts) -> bool:
        value: Decimal | None = getattr(facts, name)
        if value is None:
            facts.blind = True
            return holds
        return value >= bound

    return check


def _below(name: str, bound: Decimal, holds: bool) -> Check:
    def check(facts: Facts) -> bool:
        value: Decimal | None = getattr(facts, name)
        if value is None:
            facts.blind = True
            return holds
        return value < bound

    return check


_Key = tuple[str, str, str, str, str, str]
_plans: dict[int, tuple[Tariff, dict[_Key, Plan]]] = {}
_KEPT: Final = 1024


def plan_of(tariff: Tariff, rules: Rules) -> Plan:
    """The plan of a tariff, made once for each tariff object and reading, the last 1024 tariffs being kept.

    Raises PricingError, with the path within the tariff, for a price, step or time of day that is none.
    """
    # By identity: a tariff may hold unhashable extra fields, and hashing it would cost more than pricing. An
    # entry holds its tariff, so that the number cannot pass to another.
    held = _plans.get(id(tariff))
    if held is None:
        if len(_plans) >= _KEPT:
            _plans.pop(next(iter(_plans), 0), None)
        held = _plans[id(tariff)] = (tariff, {})
    key = (rules.midnight, rules.night_days, rules.ranges, rules.unknown, rules.selection, rules.absent_vat)
    plan = held[1].get(key)
    if plan is None:
        with localcontext(EXACT):
            plan = held[1][key] = Plan(tariff, rules)
    return plan
