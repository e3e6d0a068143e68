"""Second half of pricing: steps, amounts, taxes and limits, over what `select` found.

OCPI 2.2.1 and 2.3.0, mod_cdrs ("step_size", CDR object) and mod_tariffs (PriceComponent, min_price,
max_price, TaxIncluded).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from bridge.model.tariff import Dimension, PriceLimit
from bridge.tariff.money import HOUR, ZERO, Exact, plus, times
from bridge.tariff.plan import Rule
from bridge.tariff.rules import Rules
from bridge.tariff.select import Entry, Selected

Sum = tuple[Exact | None, Exact | None]
"""An amount before and after taxes, exact; None where it cannot be determined."""

NOTHING: Sum = (ZERO, ZERO)


class Step(NamedTuple):
    """What a step added: to ``dimension``, in the period of its last relevant component. In kWh or seconds."""

    dimension: str
    period: int
    rule: Rule
    consumed: Decimal
    added: Decimal


class Capped(NamedTuple):
    """A limit that changed the total, ``side`` being ``excl`` or ``incl``. Amounts are 3600 times the money."""

    limit: str
    side: str
    before: Exact
    after: Exact


class Part:
    """One dimension's share: amounts (``per`` 1 or 3600 times the money) and the volume that is billed."""

    __slots__ = ("active", "cost", "per", "volume")

    def __init__(self, per: int) -> None:
        self.per = per
        self.active = False
        self.cost: Sum = NOTHING
        self.volume = ZERO


class Bill:
    """A session's cost under one reading. ``total`` is 3600 times the money, None if nothing was priced."""

    __slots__ = ("capped", "energy", "fixed", "fixed_rules", "parking", "reserved", "steps", "time", "total")

    def __init__(self) -> None:
        self.fixed = Part(1)
        self.energy = Part(1)
        self.time = Part(HOUR)
        self.parking = Part(HOUR)
        self.reserved = Part(HOUR)
        self.fixed_rules: list[tuple[int, Rule]] = []
        self.steps: list[Step] = []
        self.capped: list[Capped] = []
        self.total: Sum | None = None


class _Volumes:
    """One dimension's volumes by rule, and what decides its step."""

    __slots__ = ("by_rule", "free", "last", "since", "total")

    def __init__(self, entries: list[Entry], written: bool) -> None:
        self.by_rule: dict[Rule, Decimal] = {}
        self.total = ZERO  # of what is priced
        self.free = ZERO  # of what no component prices
        self.last: tuple[int, Rule] | None = None
        self.since = ZERO  # of what the last tariff prices
        by_rule = self.by_rule
        for period, rule, taken, as_written in entries:
            volume = as_written if written else taken
            if rule is None:
                self.free += volume
                continue
            by_rule[rule] = by_rule.get(rule, ZERO) + volume
            if volume:
                self.total += volume
                if self.last is None or self.last[1].tariff is rule.tariff:
                    self.since += volume
                else:
                    self.since = volume
                self.last = (period, rule)


def bill(found: Selected, rules: Rules) -> Bill:
    """Add up what was selected. Raises decimal.Inexact if figures are too far apart to be added exactly."""
    result = Bill()
    written = rules.hours == "volumes"
    energy = _Volumes(found.energy, written)
    time = _Volumes(found.time, written)
    parking = _Volumes(found.parking, written)
    reserved = _Volumes(found.reserved, written)
    _round_up("ENERGY", energy, energy.total, found, rules, result)
    _time_steps(time, parking, reserved, found, rules, result)
    _fixed(found, rules, result)
    for part, volumes in (
        (result.energy, energy),
        (result.time, time),
        (result.parking, parking),
        (result.reserved, reserved),
    ):
        if volumes.by_rule:
            part.active = True
            part.cost = _weighed(part.cost, volumes.by_rule)
            part.volume = sum(volumes.by_rule.values(), ZERO)
    _total(found, rules, result)
    return result


def _fixed(found: Selected, rules: Rules, result: Bill) -> None:
    fees = found.flats
    if len(fees) > 1:
        found.doubts.add("fees")
        if rules.fees == "first":
            fees = fees[:1]
    result.fixed_rules = fees
    if fees:
        result.fixed.active = True
        for _, rule in fees:
            result.fixed.cost = _more(result.fixed.cost, (rule.excl, rule.incl), Decimal(1))
            result.fixed.volume += 1
    for _, rule in found.reserved_flats:
        result.reserved.active = True
        result.reserved.cost = _more(result.reserved.cost, (rule.excl, rule.incl), Decimal(HOUR))


def _weighed(cost: Sum, by_rule: dict[Rule, Decimal]) -> Sum:
    for rule, volume in by_rule.items():
        if volume:
            cost = _more(cost, (rule.excl, rule.incl), volume)
    return cost


def _more(cost: Sum, units: Sum, volume: Decimal) -> Sum:
    excl, incl = cost
    if excl is not None:
        excl = None if units[0] is None else plus(excl, times(units[0], volume))
    if incl is not None:
        incl = None if units[1] is None else plus(incl, times(units[1], volume))
    return excl, incl


def _time_steps(
    time: _Volumes, parking: _Volumes, reserved: _Volumes, found: Selected, rules: Rules, result: Bill
) -> None:
    """One step for charging and parking together (OCPI 2.2.1, mod_cdrs "step_size"); reservations have their
    own.
    """
    rounded, name = (parking, "PARKING_TIME") if parking.last else (time, "TIME")
    if parking.last and time.last and time.last[0] >= parking.last[0]:
        found.doubts.add("parking_step")
        if rules.parking_step == "last":
            rounded, name = time, "TIME"
    if reserved.last is None or rules.reservation_step == "own":
        _round_up(name, rounded, rounded.total, found, rules, result)
        _round_up("RESERVATION_TIME", reserved, reserved.total, found, rules, result)
    elif rounded.last is None:
        _round_up("RESERVATION_TIME", reserved, reserved.total, found, rules, result)
    else:
        # One step for all three: what was reserved counts towards it, the last period takes what is added.
        _round_up(name, rounded, rounded.total + reserved.total, found, rules, result)


def _round_up(
    name: str, volumes: _Volumes, total: Decimal, found: Selected, rules: Rules, result: Bill
) -> None:
    """Bring a total to a whole number of the last component's steps, at that component's price."""
    if volumes.last is None or total <= 0:
        return
    period, rule = volumes.last
    step = rule.step.scaleb(-3) if rule.item.dimension is Dimension.ENERGY else rule.step
    if not step:
        return
    if volumes.free:
        found.doubts.add("uncovered")
        if rules.uncovered == "counted":
            total += volumes.free
    if volumes.since != volumes.total and rules.switch_step == "last-tariff":
        total = volumes.since
    over = total % step
    if over or rules.step_count == "exceeded":
        added = step - over
        volumes.by_rule[rule] += added
        result.steps.append(Step(name, period, rule, total, added))


def _total(found: Selected, rules: Rules, result: Bill) -> None:
    parts = (result.fixed, result.energy, result.time, result.parking, result.reserved)
    cost = NOTHING
    for part in parts:
        if part.active and part is not result.reserved:
            cost = _joined(cost, part.cost, HOUR // part.per)
    reserved = result.reserved.cost
    if rules.limit_scope == "all":
        cost = _joined(cost, reserved, 1)
    active = any(part.active for part in parts)
    limits = _limits(found)
    if found.expired and rules.limit_scope != "all":
        limits = None  # without its reservation there is no session that a limit could hold for
    if limits is not None and (active or limits[0] is not None):
        cost = _limited(cost, *limits, found, rules, result)
        active = True
    if rules.limit_scope != "all":
        cost = _joined(cost, reserved, 1)
    result.total = cost if active else None


def _joined(left: Sum, right: Sum, scale: int) -> Sum:
    excl, incl = left
    factor = Decimal(scale)
    excl = None if excl is None or right[0] is None else plus(excl, times(right[0], factor))
    incl = None if incl is None or right[1] is None else plus(incl, times(right[1], factor))
    return excl, incl


def _limits(found: Selected) -> tuple[PriceLimit | None, PriceLimit | None] | None:
    """The limits of the session's last tariff (see "several tariffs" in docs/pricing.md)."""
    plan = next((p for p in reversed(found.plans) if p is not None), None)
    if plan is None or (plan.tariff.min_price is None and plan.tariff.max_price is None):
        return None
    return plan.tariff.min_price, plan.tariff.max_price


def _limited(
    cost: Sum,
    low: PriceLimit | None,
    high: PriceLimit | None,
    found: Selected,
    rules: Rules,
    result: Bill,
) -> Sum:
    """Apply limits before and after taxes independently (OCPI 2.3.0, notes on min_price and max_price)."""
    before = cost
    excl, incl = cost
    if low is not None:
        excl = _bounded("min_price", "excl", excl, low.excl, result)
        incl = _bounded("min_price", "incl", incl, low.incl, result)
    if high is not None:
        excl = _bounded("max_price", "excl", excl, high.excl, result)
        incl = _bounded("max_price", "incl", incl, high.incl, result)
    one_sided = excl is not before[0] and incl is before[1] and _one_sided(low, high)
    if one_sided and incl is not None:
        found.doubts.add("limit_tax")
        if rules.limit_tax == "follows" and excl is not None:
            incl = _in_proportion(incl, before[0], excl)
    return excl, incl


def _one_sided(low: PriceLimit | None, high: PriceLimit | None) -> bool:
    return any(limit is not None and limit.incl is None for limit in (low, high))


def _in_proportion(incl: Exact, before: Exact | None, after: Exact) -> Exact | None:
    """The amount after taxes, moved as the amount before them was; unknown if there was none to go by."""
    if not before:
        return None
    return Fraction(incl) * Fraction(after) / Fraction(before)


def _bounded(limit: str, side: str, value: Exact | None, bound: Decimal | None, result: Bill) -> Exact | None:
    if value is None or bound is None:
        return value
    scaled = bound * HOUR
    if (value < scaled) if limit == "min_price" else (value > scaled):
        result.capped.append(Capped(limit, side, value, scaled))
        return scaled
    return value
