"""First half of pricing: which component prices what, period by period. Nothing is added up here.

OCPI 2.2.1 and 2.3.0, mod_tariffs (Tariff object, ReservationRestrictionType) and mod_cdrs (ChargingPeriod).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bridge.model.session import CdrDimension, ChargingPeriod
from bridge.model.tariff import ReservationKind, Tariff
from bridge.tariff.errors import Finding, NoTariffError, PricingError
from bridge.tariff.money import HOUR
from bridge.tariff.plan import MICRO, Facts, Plan, Rule, first, plan_of
from bridge.tariff.rules import Rules

FOUR_DECIMALS: Final = Decimal("0.18")
"""Half a unit of the fourth decimal of an hour, in seconds: what OCPI's numbers cannot hold (0.00005 h)."""

_ENERGY: Final = CdrDimension.ENERGY
_TIME: Final = CdrDimension.TIME
_PARKING: Final = CdrDimension.PARKING_TIME
_RESERVED: Final = CdrDimension.RESERVATION_TIME
_MIN_POWER: Final = CdrDimension.MIN_POWER
_MAX_POWER: Final = CdrDimension.MAX_POWER
_MIN_CURRENT: Final = CdrDimension.MIN_CURRENT
_MAX_CURRENT: Final = CdrDimension.MAX_CURRENT


class Entry(NamedTuple):
    """A volume of one period and the rule that prices it, None if no component does.

    ``volume`` is in kWh or seconds; ``written`` is the same as the CDR's own figure has it.
    """

    period: int
    rule: Rule | None
    volume: Decimal
    written: Decimal


class Case(NamedTuple):
    """What is priced: periods in order, start and end of the session, and whether it is over."""

    periods: Sequence[ChargingPeriod]
    start: datetime
    end: datetime | None
    over: bool


class Selected:
    """What a session's volumes cost per unit, and the points of doubt that were met on the way."""

    __slots__ = (
        "blind",
        "case",
        "doubts",
        "energy",
        "expired",
        "findings",
        "flats",
        "origin",
        "parking",
        "plans",
        "reserved",
        "reserved_flats",
        "time",
        "zone",
    )

    def __init__(self, case: Case, zone: ZoneInfo) -> None:
        self.case = case
        self.zone = zone
        self.energy: list[Entry] = []
        self.time: list[Entry] = []
        self.parking: list[Entry] = []
        self.reserved: list[Entry] = []
        self.flats: list[tuple[int, Rule]] = []
        self.reserved_flats: list[tuple[int, Rule]] = []
        self.plans: list[Plan | None] = []
        self.findings: list[Finding] = []
        self.doubts: set[str] = set()
        self.blind: list[int] = []
        self.expired = False
        self.origin = case.start


class Measured(NamedTuple):
    """The volumes of one period; times in seconds, by the chosen reading and as written."""

    energy: Decimal | None
    time: Decimal | None
    parking: Decimal | None
    reserved: Decimal | None
    time_written: Decimal | None
    parking_written: Decimal | None
    reserved_written: Decimal | None
    ranges: tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]

    @property
    def waits(self) -> bool:
        """Whether this is a part of a reservation in which nothing else happens."""
        return self.reserved is not None and not (self.energy or self.time or self.parking)


_NO_RANGES: Final = (None, None, None, None)


def measure(period: ChargingPeriod, end: datetime | None) -> Measured:
    """The volumes of a period that lasts until ``end``. A dimension given twice counts as their sum."""
    energy = time = parking = reserved = None
    low_a = high_a = low_w = high_w = None
    for volume in period.volumes:
        dimension, amount = volume.dimension, volume.volume
        if dimension is _ENERGY:
            energy = amount if energy is None else energy + amount
        elif dimension is _TIME:
            time = amount * HOUR if time is None else time + amount * HOUR
        elif dimension is _PARKING:
            parking = amount * HOUR if parking is None else parking + amount * HOUR
        elif dimension is _MAX_POWER:
            high_w = amount
        elif dimension is _MIN_POWER:
            low_w = amount
        elif dimension is _MAX_CURRENT:
            high_a = amount
        elif dimension is _MIN_CURRENT:
            low_a = amount
        elif dimension is _RESERVED:
            reserved = amount * HOUR if reserved is None else reserved + amount * HOUR
    ranges = (low_a, high_a, low_w, high_w)
    written = (time, parking, reserved)
    if end is not None:
        if time and not parking and not reserved:
            time = _by_clock(time, end - period.start)
        elif parking and not time and not reserved:
            parking = _by_clock(parking, end - period.start)
        elif reserved and not time and not parking:
            reserved = _by_clock(reserved, end - period.start)
    return Measured(energy, time, parking, reserved, *written, ranges)


def _by_clock(seconds: Decimal, span: timedelta) -> Decimal:
    """The span where it differs from ``seconds`` by no more than four decimals of an hour can hold."""
    clock = Decimal(span.days * 86_400 + span.seconds)
    if span.microseconds:
        clock += Decimal(span.microseconds).scaleb(-6)
    return clock if abs(clock - seconds) <= FOUR_DECIMALS else seconds


def select(case: Case, tariffs: Sequence[Tariff], zone: ZoneInfo, rules: Rules) -> Selected:
    """Find the component of each dimension of each period, by the restrictions at the period's start.

    Raises NoTariffError if no tariff applies anywhere, PricingError for tariffs in different currencies.
    """
    found = Selected(case, zone)
    found.plans = _plans(case, tariffs, rules, found)
    periods = case.periods
    ends = [p.start for p in periods[1:]] + [case.end]
    measured = [measure(p, e) for p, e in zip(periods, ends, strict=True)]
    waiting = [m.waits for m in measured]
    found.expired = bool(waiting) and all(waiting) and case.over
    if any(waiting):
        found.doubts.update(("limit_scope", "reservation_step", "duration_start"))
        if rules.duration_start == "charging" and not all(waiting):
            found.origin = periods[waiting.index(False)].start
    facts = Facts()
    parked: datetime | None = None
    for used in {id(p): p for p in found.plans if p is not None}.values():
        found.doubts |= used.doubts
    for index, part in enumerate(measured):
        plan = found.plans[index]
        parked = (parked or periods[index].start) if part.parking else None
        if plan is not None:
            _set(facts, part.ranges, periods[index].start, found, plan)
            if part.reserved is not None:
                _reservation(found, plan, facts, index, part)
            if not waiting[index]:
                since = parked if rules.parking_duration == "parking" else None
                _session(found, plan, facts, index, part, since)
            if facts.blind:
                facts.blind = False
                found.blind.append(index)
                found.doubts.add("unknown")
        else:
            _unpriced(found, index, part)
        if part.energy:
            facts.kwh += part.energy
    return found


def _set(
    facts: Facts,
    ranges: tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None],
    start: datetime,
    found: Selected,
    plan: Plan,
) -> None:
    if plan.clock:
        facts.move(start, start.astimezone(found.zone))
    if plan.durations:
        span = start - found.origin
        facts.elapsed = (span.days * 86_400 + span.seconds) * MICRO + span.microseconds
    facts.min_current, facts.max_current, facts.min_power, facts.max_power = ranges


def _session(
    found: Selected, plan: Plan, facts: Facts, index: int, part: Measured, parked: datetime | None
) -> None:
    """Energy, charging, parking and the fee of a period in which the EVSE is in use."""
    if part.energy is not None:
        found.energy.append(Entry(index, first(plan.energy, facts), part.energy, part.energy))
    if part.time is not None and part.time_written is not None:
        if part.time != part.time_written:
            found.doubts.add("hours")
        found.time.append(Entry(index, first(plan.time, facts), part.time, part.time_written))
    if plan.flat:
        fee = first(plan.flat, facts)
        if fee is not None and all(rule is not fee for _, rule in found.flats):
            found.flats.append((index, fee))
    if part.parking is not None and part.parking_written is not None:
        if part.parking != part.parking_written:
            found.doubts.add("hours")
        if parked is not None:
            span = found.case.periods[index].start - parked
            facts.elapsed = (span.days * 86_400 + span.seconds) * MICRO + span.microseconds
        found.parking.append(Entry(index, first(plan.parking, facts), part.parking, part.parking_written))


def _reservation(found: Selected, plan: Plan, facts: Facts, index: int, part: Measured) -> None:
    """Time and fees of a reservation. One that expired takes RESERVATION_EXPIRES before RESERVATION for TIME.

    Fees of both kinds add up (OCPI 2.3.0, ReservationRestrictionType and its priced examples).
    """
    if part.reserved is None or part.reserved_written is None:
        return
    elapsed = facts.elapsed
    if plan.durations:
        span = found.case.periods[index].start - found.case.start
        facts.elapsed = (span.days * 86_400 + span.seconds) * MICRO + span.microseconds
    rule = first(plan.expiry_time, facts) if found.expired else None
    if rule is None:
        rule = first(plan.reserved_time, facts)
    if part.reserved != part.reserved_written:
        found.doubts.add("hours")
    found.reserved.append(Entry(index, rule, part.reserved, part.reserved_written))
    fees = (plan.expiry_flat if found.expired else (), plan.reserved_flat)
    for group in fees:
        fee = first(group, facts)
        # Once for each kind: the fee of the reservation, and that of its expiry.
        if fee is not None and all(_kind(rule) is not _kind(fee) for _, rule in found.reserved_flats):
            found.reserved_flats.append((index, fee))
    facts.elapsed = elapsed


def _kind(rule: Rule) -> ReservationKind | None:
    return rule.restrictions.reservation if rule.restrictions else None


def _unpriced(found: Selected, index: int, part: Measured) -> None:
    """Keep the volumes of a period that has no tariff: they cost nothing, and the explanation says so."""
    for entries, volume, written in (
        (found.energy, part.energy, part.energy),
        (found.time, part.time, part.time_written),
        (found.parking, part.parking, part.parking_written),
        (found.reserved, part.reserved, part.reserved_written),
    ):
        if volume is not None and written is not None:
            entries.append(Entry(index, None, volume, written))


def valid_at(tariff: Tariff, at: datetime) -> bool:
    """Whether a tariff is valid at an instant: from its start, until before its end (OCPI 2.2.1, Tariff)."""
    if tariff.valid_from is not None and at < tariff.valid_from:
        return False
    return tariff.valid_until is None or at < tariff.valid_until


def choose(tariffs: Sequence[Tariff], at: datetime) -> Tariff | None:
    """The first tariff that is valid at an instant, the start of a session; None if there is none."""
    return next((t for t in tariffs if valid_at(t, at)), None)


def _plans(case: Case, tariffs: Sequence[Tariff], rules: Rules, found: Selected) -> list[Plan | None]:
    """The plan of each period: by its tariff_id, or, where no period has one, by validity at the start."""
    if not tariffs:
        raise NoTariffError("tariffs", "no tariff was given")
    own = choose(tariffs, case.start)
    named = any(p.tariff_id is not None for p in case.periods)
    if not named or rules.tariff_ids == "ignored":
        if own is None:
            raise NoTariffError("tariffs", f"no tariff is valid at {case.start:%Y-%m-%dT%H:%M:%SZ}")
        plan = _made(own, tariffs, rules)
        return [plan] * len(case.periods)
    plans: list[Plan | None] = []
    for index, period in enumerate(case.periods):
        tariff = _named(period, index, tariffs, case.start, found)
        plans.append(None if tariff is None else _made(tariff, tariffs, rules))
        if tariff is not own:
            found.doubts.add("tariff_ids")
    used = [p.tariff for p in plans if p is not None]
    if not used:
        reasons = "; ".join(f.message for f in found.findings[:1]) or "no period names a tariff"
        raise NoTariffError("periods", reasons)
    for tariff in used:
        if tariff.currency.upper() != used[0].currency.upper():
            raise PricingError("tariffs", f"{used[0].currency} and {tariff.currency} cannot be added up")
    if any(t is not used[0] for t in used):
        found.doubts.add("switch_step")
    return plans


def _made(tariff: Tariff, tariffs: Sequence[Tariff], rules: Rules) -> Plan:
    try:
        return plan_of(tariff, rules)
    except PricingError as error:
        index = next(i for i, t in enumerate(tariffs) if t is tariff)
        raise PricingError(f"tariffs[{index}].{error.path}", error.reason) from None


def _named(
    period: ChargingPeriod, index: int, tariffs: Sequence[Tariff], start: datetime, found: Selected
) -> Tariff | None:
    """The tariff a period names. Without a name none is relevant (OCPI 2.2.1, ChargingPeriod)."""
    if period.tariff_id is None:
        return None
    wanted = period.tariff_id.casefold()
    same = [t for t in tariffs if t.id.casefold() == wanted]  # OCPI ids do not differ by case
    path = f"periods[{index}].tariff_id"
    if not same:
        found.findings.append(Finding("TARIFF_MISSING", f"tariff {period.tariff_id} was not given", path))
        return None
    tariff = choose(same, start) or choose(same, period.start)
    if tariff is None:
        found.findings.append(
            Finding("TARIFF_NOT_VALID", f"tariff {period.tariff_id} is not valid at this time", path)
        )
    return tariff
