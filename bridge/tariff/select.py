"""First half of pricing: which component prices what, period by period. Nothing is added up here.

OCPI 2.2.1 and 2.3.0, mod_tariffs (Tariff object, ReservationRestrictionType) and mod_cdrs (ChargingPeriod).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from bridge.model.session import ChargingPeriod
from bridge.model.tariff import ReservationKind, Tariff
from bridge.tariff.errors import Finding, NoTariffError, PricingError
from bridge.tariff.measure import Case, Part, parts_of
from bridge.tariff.plan import MICRO, Facts, Plan, Rule, first, plan_of
from bridge.tariff.rules import Rules

Entry = tuple[int, Rule | None, Decimal, Decimal]
"""A period's number, the rule that prices it (None if no component does), its volume in kWh or seconds, and
the
same as the record's own figure has it."""


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
    if before is None:
        found.parts = parts_of(case, zone)
        found.plans = _plans(case, tariffs, rules, found)
    else:
        found.parts = before.parts
        found.plans = _again(case, tariffs, rules, found, before)
    plans, parts = found.plans, found.parts
    if any(part.waits for part in parts):
        _reserved(found, rules)
    for each in {id(p): p for p in plans if p is not None}.values():
        found.doubts |= each.doubts
    facts = Facts()
    parked: Part | None = None
    from_parking = rules.parking_duration == "parking"
    for index, part in enumerate(parts):
        used = plans[index]
        parked = (parked or part) if part.parking else None
        if used is None:
            _unpriced(found, index, part)
        else:
            _see(facts, part, found, used)
            if part.reserved is not None:
                _reservation(found, used, facts, index, part)
            if not part.waits:
                _session(found, used, facts, index, part)
            if part.parking is not None:
                if from_parking and parked is not None:
                    facts.elapsed = _micros(part.start - parked.start)
                _parking(found, used, facts, index, part)
            if facts.blind:
                facts.blind = False
                found.blind.append(index)
                found.doubts.add("unknown")
        if part.energy:
            facts.kwh += part.energy
    return found


def reparked(before: Selected, rules: Rules) -> Selected:
    """The same selection, but for parking, whose durations count from the start of parking."""
    found = Selected(before.case, before.zone, rules)
    found.parts, found.plans, found.origin = before.parts, before.plans, before.origin
    found.energy, found.time, found.reserved = before.energy, before.time, before.reserved
    found.flats, found.reserved_flats, found.expired = before.flats, before.reserved_flats, before.expired
    facts = Facts()
    parked: Part | None = None
    for index, part in enumerate(found.parts):
        parked = (parked or part) if part.parking else None
        plan = found.plans[index]
        if part.parking is not None:
            if plan is None or parked is None:
                written = part.parking if part.written is None else part.written[1] or part.parking
                found.parking.append((index, None, part.parking, written))
            else:
                _see(facts, part, found, plan)
                facts.elapsed = _micros(part.start - parked.start)
                _parking(found, plan, facts, index, part)
        if part.energy:
            facts.kwh += part.energy
    return found


def _micros(span: timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * MICRO + span.microseconds


def _reserved(found: Selected, rules: Rules) -> None:
    """Where durations count from after a reservation, and whether it expired: nothing else ever happened."""
    found.doubts.update(("limit_scope", "reservation_step", "duration_start"))
    used = next((part for part in found.parts if not part.waits), None)
    found.expired = used is None and found.case.over
    if used is not None and rules.duration_start == "charging":
        found.origin = used.start


def _see(facts: Facts, part: Part, found: Selected, plan: Plan) -> None:
    """Bring the facts to the start of a period; only those that the tariff asks about."""
    if plan.clock:
        facts.move(part.start, part.local)
    if plan.durations:
        facts.elapsed = _micros(part.start - found.origin)
    if plan.measures:
        facts.min_current, facts.max_current, facts.min_power, facts.max_power = part.ranges


def _session(found: Selected, plan: Plan, facts: Facts, index: int, part: Part) -> None:
    """Energy, charging time and fee of a period in which the EVSE is in use."""
    written = part.written
    if written is not None:
        found.doubts.add("hours")
    if (energy := part.energy) is not None:
        found.energy.append((index, first(plan.energy, facts), energy, energy))
    if (time := part.time) is not None:
        found.time.append((index, first(plan.time, facts), time, time if written is None else written[0] or time))
    if plan.flat:
        fee = first(plan.flat, facts)
        if fee is not None:
            for _, rule in found.flats:
                if rule is fee:
                    break
            else:
                found.flats.append((index, fee))


def _parking(found: Selected, plan: Plan, facts: Facts, index: int, part: Part) -> None:
    parking, written = part.parking, part.written
    if parking is not None and not part.waits:
        as_written = parking if written is None else written[1] or parking
        found.parking.append((index, first(plan.parking, facts), parking, as_written))


def _reservation(found: Selected, plan: Plan, facts: Facts, index: int, part: Part) -> None:
    """Time and fees of a reservation. One that expired takes RESERVATION_EXPIRES before RESERVATION for TIME.

    Fees of both kinds add up (OCPI 2.3.0, ReservationRestrictionType and its priced examples).
    """
    reserved, written = part.reserved, part.written
    if reserved is None:
        return
    elapsed = facts.elapsed
    if plan.durations:
        facts.elapsed = _micros(part.start - found.case.start)
    rule = first(plan.expiry_time, facts) if found.expired else None
    if rule is None:
        rule = first(plan.reserved_time, facts)
    if written is not None:
        found.doubts.add("hours")
    found.reserved.append((index, rule, reserved, reserved if written is None else written[2] or reserved))
    fees = (plan.expiry_flat if found.expired else (), plan.reserved_flat)
    for group in fees:
        fee = first(group, facts)
        # Once for each kind: the fee of the reservation, and that of its expiry.
        if fee is not None and all(_kind(rule) is not _kind(fee) for _, rule in found.reserved_flats):
            found.reserved_flats.append((index, fee))
    facts.elapsed = elapsed


def _kind(rule: Rule) -> ReservationKind | None:
    return rule.restrictions.reservation if rule.restrictions else None


def _unpriced(found: Selected, index: int, part: Part) -> None:
    """Keep the volumes of a period that has no tariff: they cost nothing, and the explanation says so."""
    written = part.written or (part.time, part.parking, part.reserved)
    for entries, volume, as_written in (
        (found.energy, part.energy, part.energy),
        (found.time, part.time, written[0]),
        (found.parking, part.parking, written[1]),
        (found.reserved, part.reserved, written[2]),
    ):
        if volume is not None and as_written is not None:
            entries.append((index, None, volume, as_written))


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
        return [_made(own, tariffs, rules)] * len(case.periods)
    plans = _by_name(case, tariffs, rules, found)
    used = [p.tariff for p in plans if p is not None]
    if not used:
        reasons = "; ".join(f.message for f in found.findings[:1]) or "no period names a tariff"
        raise NoTariffError("periods", reasons)
    if any(t is not used[0] for t in used):
        found.doubts.add("switch_step")
        for tariff in used:
            if tariff.currency.upper() != used[0].currency.upper():
                raise PricingError("tariffs", f"{used[0].currency} and {tariff.currency} cannot be added up")
    if any(p is None or p.tariff is not own for p in plans):
        found.doubts.add("tariff_ids")
    return plans


def _by_name(case: Case, tariffs: Sequence[Tariff], rules: Rules, found: Selected) -> list[Plan | None]:
    plans: list[Plan | None] = []
    known: dict[str | None, Plan | None] = {None: None}  # names whose plan does not depend on the period
    plan: Plan | None
    for index, period in enumerate(case.periods):
        name = period.tariff_id
        if name in known:
            plan = known[name]
        else:
            tariff = _named(period, index, tariffs, case.start, found)
            plan = None if tariff is None else _made(tariff, tariffs, rules)
            if tariff is not None and valid_at(tariff, case.start):
                known[name] = plan
        plans.append(plan)
    return plans


def _again(case: Case, tariffs: Sequence[Tariff], rules: Rules, found: Selected, before: Selected) -> list[Plan | None]:
    """The plans under other rules; the tariffs are the same unless it is their choice that differs."""
    if rules.tariff_ids != before.rules.tariff_ids:
        return _plans(case, tariffs, rules, found)
    plans: dict[int, Plan | None] = {id(p): None if p is None else plan_of(p.tariff, rules) for p in before.plans}
    return [plans[id(p)] for p in before.plans]


def _made(tariff: Tariff, tariffs: Sequence[Tariff], rules: Rules) -> Plan:
    try:
        return plan_of(tariff, rules)
    except PricingError as error:
        index = next(i for i, t in enumerate(tariffs) if t is tariff)
        raise PricingError(f"tariffs[{index}].{error.path}", error.reason) from None


def _named(period: ChargingPeriod, index: int, tariffs: Sequence[Tariff], start: datetime, found: Selected) -> Tariff | None:
    """The tariff a period names. Without a name none is relevant (OCPI 2.2.1, ChargingPeriod)."""
    wanted = (period.tariff_id or "").casefold()
    same = [t for t in tariffs if t.id.casefold() == wanted]  # OCPI ids do not differ by case
    path = f"periods[{index}].tariff_id"
    if not same:
        found.findings.append(Finding("TARIFF_MISSING", f"tariff {period.tariff_id} was not given", path))
        return None
    tariff = choose(same, start) or choose(same, period.start)
    if tariff is None:
        found.findings.append(Finding("TARIFF_NOT_VALID", f"tariff {period.tariff_id} is not valid at this time", path))
    return tariff
