"""First half of pricing: which component prices what, period by period. Nothing is added up here.

OCPI 2.2.1 and 2.3.0, mod_tariffs (Tariff object, ReservationRestrictionType) and mod_cdrs (ChargingPeriod).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from bridge.model.tariff import ReservationKind, Tariff
from bridge.tariff.choice import plans_of
from bridge.tariff.errors import Finding
from bridge.tariff.measure import Case, Part, parts_of
from bridge.tariff.plan import MICRO, Plan, Rule, first, plan_of
from bridge.tariff.rules import Rules

Entry = tuple[int, Rule | None, Decimal, Decimal]
"""A period's number, the rule that prices it (None if none does), its volume (kWh, s), and that as it is written."""


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
        "parts",
        "plans",
        "reserved",
        "reserved_flats",
        "rules",
        "time",
        "zone",
    )

    def __init__(self, case: Case, zone: ZoneInfo, rules: Rules) -> None:
        self.case = case
        self.rules = rules
        self.zone = zone
        self.parts: list[Part] = []
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


def select(case: Case, tariffs: Sequence[Tariff], zone: ZoneInfo, rules: Rules, before: Selected | None = None) -> Selected:
    """Find the component of each dimension of each period, by the restrictions at the period's start.

    ``before`` is what was selected of the same case under other rules: what they do not touch is taken from there.
    Raises NoTariffError if no tariff applies anywhere, PricingError for tariffs in different currencies.
    """
    found = Selected(case, zone, rules)
    _prepare(found, tariffs, before)
    parts = found.parts
    different = {id(p): p for p in found.plans if p is not None}.values()
    for plan in different:
        found.doubts |= plan.doubts
    if any([part.waits for part in parts]):  # noqa: C419  # a list is built faster than a generator runs
        _reserved(found)
    if any([plan.durations for plan in different]):  # noqa: C419
        for part in parts:
            part.elapsed = _micros(part.start - found.origin)
    _use(found)
    _parking(found)
    if before is None and any([part.blind for part in parts]):  # noqa: C419
        found.blind = [index for index, part in enumerate(parts) if part.blind]
        found.doubts.add("unknown")
    return found


def reparked(before: Selected, rules: Rules) -> Selected:
    """The same selection under rules that differ in nothing but ``parking_duration``."""
    found = Selected(before.case, before.zone, rules)
    found.parts, found.plans, found.origin = before.parts, before.plans, before.origin
    found.energy, found.time, found.reserved = before.energy, before.time, before.reserved
    found.flats, found.reserved_flats, found.expired = before.flats, before.reserved_flats, before.expired
    _parking(found)
    return found


def _prepare(found: Selected, tariffs: Sequence[Tariff], before: Selected | None) -> None:
    """Measure the periods and choose their tariffs, or take over what was measured and chosen before."""
    rules = found.rules
    if before is not None:
        found.parts = before.parts
    if before is not None and rules.tariff_ids == before.rules.tariff_ids:
        plans = {id(p): None if p is None else plan_of(p.tariff, rules) for p in before.plans}
        found.plans = [plans[id(p)] for p in before.plans]
        return
    choice = plans_of(found.case, tariffs, rules)
    found.plans, found.findings, found.doubts = choice.plans, choice.findings, choice.doubts
    if before is None:
        found.parts = parts_of(found.case, found.zone)


def _micros(span: timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * MICRO + span.microseconds


def _use(found: Selected) -> None:
    """Energy, charging time and fees of the periods in which the EVSE is in use."""
    energy, time, flats = found.energy, found.time, found.flats
    for index, (plan, part) in enumerate(zip(found.plans, found.parts, strict=True)):
        if part.waits:
            continue
        if (volume := part.energy) is not None:
            energy.append((index, None if plan is None else first(plan.energy, part), volume, volume))
        written = part.written
        if written is not None:
            found.doubts.add("hours")
        if (volume := part.time) is not None:
            rule = None if plan is None else first(plan.time, part)
            time.append((index, rule, volume, volume if written is None else written[0] or volume))
        if plan is not None and plan.flat:
            fee = first(plan.flat, part)
            if fee is not None and (not flats or all([rule is not fee for _, rule in flats])):  # noqa: C419
                flats.append((index, fee))


def _parking(found: Selected) -> None:
    """Parking time. Under one reading, durations then count from the first of the parking periods in a row."""
    since: Part | None = None
    from_parking = found.rules.parking_duration == "parking"
    for index, (plan, part) in enumerate(zip(found.plans, found.parts, strict=True)):
        parking, written = part.parking, part.written
        since = (since or part) if parking else None
        if parking is None or part.waits:
            continue
        elapsed = part.elapsed
        if from_parking and since is not None:
            part.elapsed = _micros(part.start - since.start)
        rule = None if plan is None else first(plan.parking, part)
        part.elapsed = elapsed
        found.parking.append((index, rule, parking, parking if written is None else written[1] or parking))


def _reserved(found: Selected) -> None:
    """Reservation periods, and where durations count from after them. Expired: nothing else ever happened."""
    found.doubts.update(("limit_scope", "reservation_step", "duration_start"))
    used = next((part for part in found.parts if not part.waits), None)
    found.expired = used is None and found.case.over
    if used is not None and found.rules.duration_start == "charging":
        found.origin = used.start
    for index, (plan, part) in enumerate(zip(found.plans, found.parts, strict=True)):
        if part.reserved is not None:
            _reservation(found, plan, index, part, part.reserved)


def _reservation(found: Selected, plan: Plan | None, index: int, part: Part, reserved: Decimal) -> None:
    """Time and fees of a reservation. One that expired takes RESERVATION_EXPIRES before RESERVATION for TIME.

    Fees of both kinds add up (OCPI 2.3.0, ReservationRestrictionType and its priced examples).
    """
    as_written = reserved
    if part.written is not None:
        found.doubts.add("hours")
        as_written = part.written[2] or reserved
    if plan is None:
        found.reserved.append((index, None, reserved, as_written))
        return
    part.elapsed = _micros(part.start - found.case.start)
    rule = first(plan.expiry_time, part) if found.expired else None
    found.reserved.append((index, rule or first(plan.reserved_time, part), reserved, as_written))
    for group in (plan.expiry_flat if found.expired else (), plan.reserved_flat):
        fee = first(group, part)
        # Once for each kind: the fee of the reservation, and that of its expiry.
        if fee is not None and all(_kind(rule) is not _kind(fee) for _, rule in found.reserved_flats):
            found.reserved_flats.append((index, fee))


def _kind(rule: Rule) -> ReservationKind | None:
    return rule.restrictions.reservation if rule.restrictions else None
