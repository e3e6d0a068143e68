"""What a CDR's own figures, times and currency say against each other and against the computed price."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext
from typing import Final

from bridge.model.cdr import Cdr
from bridge.model.common import Price
from bridge.model.session import CdrDimension
from bridge.tariff.clock import micros, turns
from bridge.tariff.engine import Priced
from bridge.tariff.errors import Finding, Severity, refusing
from bridge.tariff.measure import Part
from bridge.tariff.money import EXACT, HOUR, ZERO, decimal, rounding, text
from bridge.tariff.plan import Facts, Plan, Rule, first
from bridge.tariff.select import Selected
from bridge.tariff.totals import Totals

HOURS: Final = Decimal("0.001")
"""Tolerance between times in hours: they are often written with three decimals."""

KWH: Final = Decimal("0.001")
"""Tolerance of energy per period, in kWh."""

_SECONDS: Final = HOURS * HOUR
_FOUR: Final = Decimal("0.0001")
_SHORT: Final = Context(prec=60)
_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_LONG: Final = timedelta(hours=72)
_CAR: Final = Decimal(200)
_HUGE: Final = Decimal(1000)
_ONLY_SESSIONS: Final = frozenset(
    {
        CdrDimension.CURRENT,
        CdrDimension.ENERGY_EXPORT,
        CdrDimension.ENERGY_IMPORT,
        CdrDimension.POWER,
        CdrDimension.STATE_OF_CHARGE,
    }
)
_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def check(cdr: Cdr, priced: Priced, tolerance: Decimal | None = None) -> list[Finding]:
    """Everything in a CDR that contradicts itself, the clock or the computed price, worst first.

    ``tolerance`` is how far a total may lie from the computed one, in the currency; by default one smallest unit of
    the currency for every component that was priced, as each may have been rounded by itself. Times may differ by
    0.001 h, energies by 1 Wh per period. A credit CDR's total is compared with its sign turned round (OCPI 2.2.1,
    mod_cdrs "Credit CDRs").
    """
    with localcontext(EXACT), refusing():
        found = [
            *priced.findings,
            *_order(cdr, priced.selected),
            *_volumes(cdr, priced.selected),
            *_sums(cdr, priced.selected),
            *_currency(cdr, priced),
            *_costs(cdr, priced, tolerance),
            *_borders(priced.selected),
        ]
    return sorted(found, key=lambda f: _RANK[f.severity]) if len(found) > 1 else found


_RANK: Final = {_ERROR: 0, _WARNING: 1, _INFO: 2}


def _order(cdr: Cdr, found: Selected) -> Iterator[Finding]:
    """Start, end and the order of periods."""
    case = found.case
    start, end = case.start, case.end
    if end is None:
        yield Finding("END_MISSING", "the end of the session is missing", "end")
    elif end < start:
        yield Finding("END_BEFORE_START", f"the session ends at {_at(end)}, before it starts at {_at(start)}", "end")
    elif end - start > _LONG:
        yield Finding("LONG_SESSION", f"the session lasts {_span(end - start)}, more than 72 h", "end", _WARNING)
    before = start
    for index, part in enumerate(found.parts):
        at = part.start
        if at < before:
            if index and at >= start:
                message = f"the period starts at {_at(at)}, before the one before it"
                yield Finding("PERIODS_NOT_CHRONOLOGICAL", message, f"periods[{index}].start")
            else:
                message = f"the period starts at {_at(at)}, before the session at {_at(start)}"
                yield Finding("PERIOD_BEFORE_SESSION", message, f"periods[{index}].start")
        if end is not None and at > end >= start:
            message = f"the period starts at {_at(at)}, after the session's end at {_at(end)}"
            yield Finding("PERIOD_AFTER_SESSION", message, f"periods[{index}].start")
        before = max(before, at)
    if found.parts[0].start - start > _MINUTE:
        message = f"nothing is told of the time from {_at(start)} to the first period"
        yield Finding("UNTOLD_TIME", message, "periods[0].start", _WARNING)
    if cdr.place.time_zone is not None and cdr.place.time_zone != found.zone.key:
        message = f"the place is in {cdr.place.time_zone}, the computation used {found.zone.key}"
        yield Finding("ZONE_MISMATCH", message, "place.time_zone", _WARNING)


def _volumes(cdr: Cdr, found: Selected) -> Iterator[Finding]:
    """Each period by itself: signs, durations, and what contradicts what."""
    parts = found.parts
    last = len(parts) - 1
    for index, part in enumerate(parts):
        if part.odd:
            yield from _odd(cdr, index)
        time, parking, reserved = part.time, part.parking, part.reserved
        end = parts[index + 1].start if index < last else found.case.end
        seconds = None
        told = time if parking is None and reserved is None else (time or ZERO) + (parking or ZERO) + (reserved or ZERO)
        if end is not None:
            span = end - part.start
            seconds = span.days * 86_400 + span.seconds + (span.microseconds > 0)
            if told is not None and told > seconds + _SECONDS:
                message = f"{_hours(told)} h of time are told of a period of {_hours(Decimal(seconds))} h"
                yield Finding("DIMENSION_EXCEEDS_PERIOD", message, f"periods[{index}].volumes")
        energy, peak = part.energy, part.max_power
        if energy and ((parking and not time) or (peak is not None and seconds is not None)):
            yield from _flow(index, part, energy, seconds)
        if time is None and parking is None and reserved is None and seconds:
            plan = found.plans[index]
            rule = None if plan is None else first(plan.time, part)
            if plan is not None and rule is None and not energy:
                rule = first(plan.parking, part)  # neither energy nor time: it may have been parking
            if rule is not None and rule.item.price:
                message = f"{rule.item.dimension} costs {text(rule.item.price)} now, and the period tells no time"
                yield Finding("MISSING_DIMENSION", message, f"periods[{index}].volumes", _WARNING)


def _odd(cdr: Cdr, index: int) -> Iterator[Finding]:
    for place, volume in enumerate(cdr.periods[index].volumes):
        path = f"periods[{index}].volumes[{place}]"
        if volume.volume < 0 and volume.dimension not in _SIGNED:
            yield Finding("NEGATIVE_VOLUME", f"{volume.dimension} is {text(volume.volume)}", f"{path}.volume")
        if volume.dimension in _ONLY_SESSIONS:
            message = f"{volume.dimension} belongs in sessions, not in CDRs"
            yield Finding("SESSION_DIMENSION", message, f"{path}.dimension", _WARNING)


_SIGNED: Final = frozenset(
    {
        CdrDimension.MIN_CURRENT,
        CdrDimension.MIN_POWER,
        CdrDimension.MAX_CURRENT,
        CdrDimension.MAX_POWER,
        CdrDimension.CURRENT,
        CdrDimension.POWER,
    }
)
"""Dimensions that are negative while energy flows back into the grid."""


def _flow(index: int, part: Part, energy: Decimal, seconds: int | None) -> Iterator[Finding]:
    """Energy against the kind of time it flowed in, and against the highest power."""
    path = f"periods[{index}].volumes"
    if energy > 0 and part.parking and not part.time:
        message = f"{text(energy)} kWh flowed while only parking time is told"
        yield Finding("ENERGY_WHILE_PARKING", message, path, _WARNING)
    peak = part.max_power
    if peak is not None and seconds is not None and energy * HOUR > peak * seconds + KWH * HOUR:
        message = f"{text(energy)} kWh in {_hours(Decimal(seconds))} h is more than {text(peak)} kW give"
        yield Finding("ENERGY_EXCEEDS_POWER", message, path, _WARNING)


def _sums(cdr: Cdr, found: Selected) -> Iterator[Finding]:
    """Totals of energy and time against the periods, the clock and the meter."""
    energies = [part.energy for part in found.parts if part.energy is not None]
    energy = sum(energies, ZERO)
    total = cdr.total_energy
    if total is not None:
        if energies and abs(total - energy) > KWH * len(energies):
            message = f"total_energy is {text(total)} kWh, the periods have {text(energy)} kWh"
            yield Finding("TOTAL_ENERGY_MISMATCH", message, "total_energy")
        if total < 0:
            yield Finding("NEGATIVE_VOLUME", f"total_energy is {text(total)} kWh", "total_energy")
        if total > _CAR:
            worse = total > _HUGE
            message = f"{text(total)} kWh is more than {1000 if worse else 200} kWh"
            yield Finding("ABSURD_ENERGY", message, "total_energy", _ERROR if worse else _WARNING)
        if cdr.meter_start is not None and cdr.meter_end is not None:
            metered = cdr.meter_end - cdr.meter_start
            if abs(metered - total) > KWH:
                message = f"total_energy is {text(total)} kWh, the meter counted {text(metered)} kWh"
                yield Finding("METER_MISMATCH", message, "total_energy")
    yield from _times(cdr, found)


def _times(cdr: Cdr, found: Selected) -> Iterator[Finding]:
    charging = sum((p.time for p in found.parts if p.time is not None), ZERO)
    parking = sum((p.parking for p in found.parts if p.parking is not None), ZERO)
    reserved = sum((p.reserved for p in found.parts if p.reserved is not None), ZERO)
    slack = _SECONDS + len(found.parts) * Decimal("0.36")  # four decimals of an hour per period, up or down
    total = cdr.total_time
    if total is not None:
        written = total * HOUR
        case = found.case
        if case.end is not None and case.end >= case.start:
            span = case.end - case.start
            # A total of a session after a reservation may count that or not.
            lasted = {Decimal(span.days * 86_400 + span.seconds), Decimal(span.days * 86_400 + span.seconds) - reserved}
            if all(abs(written - each) > slack for each in lasted):
                message = f"total_time is {text(total)} h, the session lasts {_hours(max(lasted))} h"
                yield Finding("TOTAL_TIME_MISMATCH", message, "total_time")
        if charging + parking > written + slack:
            message = f"TIME and PARKING_TIME are {_hours(charging + parking)} h, total_time is {text(total)} h"
            yield Finding("TIMES_EXCEED_TOTAL", message, "total_time")
    told = cdr.total_parking_time
    if told is not None and (parking or told) and abs(told * HOUR - parking) > slack:
        message = f"total_parking_time is {text(told)} h, the periods have {_hours(parking)} h of PARKING_TIME"
        yield Finding("TOTAL_PARKING_MISMATCH", message, "total_parking_time", _WARNING)
        if total is not None and told > total + HOURS:
            message = f"total_parking_time is {text(told)} h, more than total_time"
            yield Finding("PARKING_EXCEEDS_TOTAL", message, "total_parking_time")


def _currency(cdr: Cdr, priced: Priced) -> Iterator[Finding]:
    if cdr.currency is not None and cdr.currency.upper() != priced.currency.upper():
        message = f"the CDR is in {cdr.currency}, its tariff in {priced.currency}"
        yield Finding("CURRENCY_MISMATCH", message, "currency")
    if cdr.credit and cdr.credit_reference_id is None:
        message = "a credit CDR that does not say which CDR it credits"
        yield Finding("CREDIT_WITHOUT_REFERENCE", message, "credit_reference_id")


_COSTS: Final = (
    ("total_energy_cost", "energy"),
    ("total_time_cost", "time"),
    ("total_parking_cost", "parking"),
    ("total_fixed_cost", "fixed"),
    ("total_reservation_cost", "reservation"),
)


def _costs(cdr: Cdr, priced: Priced, tolerance: Decimal | None) -> Iterator[Finding]:
    """Claimed amounts against computed ones."""
    if cdr.total_cost is None:
        yield Finding("COST_MISSING", "the CDR does not say what it costs", "total_cost", _WARNING)
    unit = rounding(priced.currency).unit
    bill = priced.bill
    shares = (bill.energy, bill.time, bill.parking, bill.fixed, bill.reserved)
    rules = {name: len(share.by_rule) for (_, name), share in zip(_COSTS, shares, strict=True)}
    rules["fixed"] = len(bill.fees)
    rules["reservation"] += len(priced.selected.reserved_flats)
    near = tolerance if tolerance is not None else unit * max(1, sum(rules.values()))
    sign = -1 if cdr.credit else 1
    yield from _amount("total_cost", cdr.total_cost, priced.totals.total, sign, near, priced)
    for path, name in _COSTS:
        near = tolerance if tolerance is not None else unit * max(1, rules[name])
        yield from _amount(path, getattr(cdr, path), getattr(priced.totals, name), 1, near, priced)


def _amount(path: str, claimed: Price | None, computed: Price | None, sign: int, near: Decimal, priced: Priced) -> Iterator[Finding]:
    if claimed is None:
        return
    wanted = computed or Price(ZERO, ZERO)
    kind = "COST" if path == "total_cost" else "PART_COST"
    for side, code in (("excl", f"{kind}_MISMATCH"), ("incl", f"{kind}_INCL_MISMATCH")):
        told, right = getattr(claimed, side), getattr(wanted, side)
        if told is None or right is None or abs(told * sign - right) <= near:
            continue
        words = "before" if side == "excl" else "after"
        message = f"{path} {words} taxes is {text(told)}, computed {text(right * sign)} (tolerance {text(near)})"
        yield Finding(code, message + _explained(path, side, told * sign, near, priced), f"{path}.{side}")
    if claimed.excl is not None and claimed.incl is not None and abs(claimed.incl) < abs(claimed.excl):
        message = f"{path} after taxes, {text(claimed.incl)}, is less than before, {text(claimed.excl)}"
        yield Finding("INCL_BELOW_EXCL", message, f"{path}.incl")


def _explained(path: str, side: str, told: Decimal, near: Decimal, priced: Priced) -> str:
    """Which reading of the specification, if any, gives the claimed amount."""
    name = dict(_COSTS).get(path, "total")
    for reading in priced.readings:
        amount = getattr(_part(reading.totals, name), side, None)
        if amount is not None and abs(told - amount) <= near:
            return f"; it is what another reading gives: {reading.assumes}"
    return ""


def _part(totals: Totals, name: str) -> Price | None:
    part: Price | None = getattr(totals, name)
    return part


def _borders(found: Selected) -> Iterator[Finding]:
    """Periods in which another component became active, so that a new one had to start; and unknown ranges."""
    for index in found.blind:
        message = "the tariff restricts by power or current, and the period does not tell it (MIN_..., MAX_...)"
        yield Finding("RANGE_UNKNOWN", message, f"periods[{index}].volumes", _WARNING)
    parts, end = found.parts, found.case.end
    if end is None or end - found.case.start > _LONG:
        return
    borders: list[datetime] = []
    known: Plan | None = None
    kwh, last = ZERO, len(parts) - 1
    for index, part in enumerate(parts):
        plan = found.plans[index]
        more = part.energy or ZERO
        if plan is not None and not part.waits:
            if plan is not known:
                known, borders = plan, turns(plan, found.zone, found.origin, parts[0].start, end)
            inside = _inside(borders, part.start, parts[index + 1].start if index < last else end) if borders else []
            if inside or (plan.kwhs and any(kwh < x < kwh + more for x in plan.kwhs)):
                turned = _turned(found, plan, part, inside, (kwh, kwh + more))
                if turned is not None:
                    yield Finding("PERIOD_SPANS_PRICE_CHANGE", turned, f"periods[{index}].start", _WARNING)
        kwh += more


def _inside(borders: list[datetime], start: datetime, end: datetime) -> list[datetime]:
    """Borders that lie in a period, by more than the second to which its times may have been cut."""
    place = bisect_right(borders, start)
    if place == len(borders) or borders[place] >= end:
        return []
    return [t for t in borders[place : bisect_left(borders, end)] if t - start > _SECOND and end - t > _SECOND]


def _turned(found: Selected, plan: Plan, part: Part, inside: list[datetime], kwh: tuple[Decimal, Decimal]) -> str | None:
    """How a price changes within a period, if one does."""
    facts = Facts()
    facts.min_current, facts.max_current = part.min_current, part.max_current
    facts.min_power, facts.max_power = part.min_power, part.max_power

    def at(instant: datetime, energy: Decimal) -> dict[str, Rule | None]:
        facts.move(instant, instant.astimezone(found.zone))
        facts.elapsed = micros(instant - found.origin)
        facts.kwh = energy
        groups = (("ENERGY", part.energy, plan.energy), ("TIME", part.time, plan.time))
        chosen = {name: first(rules, facts) for name, volume, rules in groups if volume}
        return chosen | ({"PARKING_TIME": first(plan.parking, facts)} if part.parking else {})

    now = at(part.start, kwh[0])
    later = [(f"{_at(t)}", at(t, kwh[0])) for t in inside]
    later += [(f"{text(x)} kWh", at(part.start, x)) for x in plan.kwhs if kwh[0] < x < kwh[1]]
    for where, then in later:
        for name, rule in then.items():
            if rule is not now[name]:
                return f"within the period, from {where}, {name} costs {_unit(rule)} instead of {_unit(now[name])}"
    return None


def _unit(rule: Rule | None) -> str:
    return "nothing" if rule is None else text(rule.item.price)


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _span(span: timedelta) -> str:
    return f"{_hours(Decimal(span.days * 86_400 + span.seconds))} h"


def _hours(seconds: Decimal) -> str:
    return text(decimal(seconds, HOUR).quantize(_FOUR, context=_SHORT))
