"""Second half of pricing: steps, amounts, taxes and limits, over what `select` found.

OCPI 2.2.1 and 2.3.0, mod_cdrs ("step_size", CDR object) and mod_tariffs (PriceComponent, min_price,
max_price, TaxIncluded).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from bridge.model.tariff import PriceLimit
from bridge.tariff.money import HOUR, ZERO, Exact, plus, times
from bridge.tariff.plan import Rule
from bridge.tariff.rules import Rules
from bridge.tariff.select import Entry, Selected

Sum = tuple[Exact | None, Exact | None]
"""An amount before and after taxes, exact; None where it cannot be determined."""

NOTHING: Sum = (ZERO, ZERO)
_ONCE: Final = Decimal(1)
_HOURS: Final = Decimal(HOUR)


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


class Share:
    """One dimension's volumes by rule, what decides its step, and what they cost.

    ``total`` is what is priced and ``free`` what no component prices, before steps; ``since`` is what the last
    tariff prices, ``last`` the last rule that priced anything and ``where`` its period. ``volume`` is what is billed;
    ``excl`` and ``incl`` are ``per`` (1 or 3600) times the money.
    """

    __slots__ = ("active", "by_rule", "excl", "free", "incl", "last", "per", "since", "total", "volume", "where")

    def __init__(self, per: int, entries: list[Entry], written: bool) -> None:
        by_rule: dict[Rule, Decimal] = {}
        total = free = since = ZERO
        last: Rule | None = None
        where = 0
        for period, rule, taken, as_written in entries:
            volume = as_written if written else taken
            if rule is None:
                free += volume
                continue
            by_rule[rule] = by_rule[rule] + volume if rule in by_rule else volume
            if volume:
                total += volume
                since = since + volume if last is None or last.tariff is rule.tariff else volume
                last, where = rule, period
        self.per = per
        self.by_rule = by_rule
        self.active = bool(by_rule)
        self.total = self.volume = total
        self.free = free
        self.since = since
        self.last = last
        self.where = where
        self.excl: Exact | None = ZERO
        self.incl: Exact | None = ZERO

    def add(self, rule: Rule, volume: Decimal) -> None:
        """Add a volume at a rule's price. What cannot be determined stays so."""
        excl, incl = rule.excl, rule.incl
        if self.excl is not None:
            self.excl = None if excl is None else plus(self.excl, times(excl, volume))
        if self.incl is not None:
            self.incl = None if incl is None else plus(self.incl, times(incl, volume))

    def weigh(self) -> None:
        """Add up the cost of the volumes."""
        for rule, volume in self.by_rule.items():
            if volume:
                self.add(rule, volume)


class Bill:
    """A session's cost under one reading. ``total`` is 3600 times the money, None if nothing was priced."""

    __slots__ = ("capped", "energy", "fees", "fixed", "parking", "reserved", "steps", "time", "total")

    def __init__(self, found: Selected, written: bool) -> None:
        self.fixed = Share(1, [], False)
        self.energy = Share(1, found.energy, False)
        self.time = Share(HOUR, found.time, written)
        self.parking = Share(HOUR, found.parking, written)
        self.reserved = Share(HOUR, found.reserved, written)
        self.fees: list[tuple[int, Rule]] = []
        self.steps: list[Step] = []
        self.capped: list[Capped] = []
        self.total: Sum | None = None


def bill(found: Selected, rules: Rules) -> Bill:
    """Add up what was selected. Raises decimal.Inexact if figures are too far apart to be added exactly."""
    result = Bill(found, rules.hours == "volumes")
    _round_up("ENERGY", result.energy, result.energy.total, found, rules, result)
    _time_steps(found, rules, result)
    for share in (result.energy, result.time, result.parking, result.reserved):
        if share.active:
            share.weigh()
    _fixed(found, rules, result)
    _total(found, rules, result)
    return result


def _fixed(found: Selected, rules: Rules, result: Bill) -> None:
    fees = found.flats
    if len(fees) > 1:
        found.doubts.add("fees")
        if rules.fees == "first":
            fees = fees[:1]
    result.fees = fees
    for _, rule in fees:
        result.fixed.active = True
        result.fixed.add(rule, _ONCE)
    for _, rule in found.reserved_flats:
        result.reserved.active = True
        result.reserved.add(rule, _HOURS)


def _time_steps(found: Selected, rules: Rules, result: Bill) -> None:
    """One step for charging and parking together (OCPI 2.2.1, mod_cdrs "step_size"), and one for reservations."""
    time, parking, reserved = result.time, result.parking, result.reserved
    rounded, name = (parking, "PARKING_TIME") if parking.last else (time, "TIME")
    if parking.last and time.last and time.where >= parking.where:
        found.doubts.add("parking_step")
        if rules.parking_step == "last":
            rounded, name = time, "TIME"
    if rules.reservation_step == "shared" and reserved.last is not None and rounded.last is not None:
        # One step for all three: what was reserved counts towards it, the last period takes what is added.
        _round_up(name, rounded, rounded.total + reserved.total, found, rules, result)
        return
    _round_up(name, rounded, rounded.total, found, rules, result)
    if reserved.last is not None:
        _round_up("RESERVATION_TIME", reserved, reserved.total, found, rules, result)


def _round_up(name: str, share: Share, total: Decimal, found: Selected, rules: Rules, result: Bill) -> None:
    """Bring a total to a whole number of the last component's steps, at that component's price."""
    rule = share.last
    if rule is None or not rule.step or total <= 0:
        return
    step = rule.step
    if share.free:
        found.doubts.add("uncovered")
        if rules.uncovered == "counted":
            total += share.free
    if share.since != share.total and rules.switch_step == "last-tariff":
        total = share.since
    over = total % step
    if over or rules.step_count == "exceeded":
        added = step - over
        share.by_rule[rule] += added
        share.volume += added
        result.steps.append(Step(name, share.where, rule, total, added))


def _total(found: Selected, rules: Rules, result: Bill) -> None:
    cost, reserved = NOTHING, result.reserved
    active = reserved.active
    for share in (result.fixed, result.energy, result.time, result.parking):
        if share.active:
            cost = _joined(cost, share)
            active = True
    whole = rules.limit_scope == "all"
    if reserved.active and whole:
        cost = _joined(cost, reserved)
    limits = _limits(found)
    # Without its reservation there is no session that a limit could hold for.
    if limits is not None and (whole or not found.expired) and (active or limits[0] is not None):
        cost = _limited(cost, *limits, found, rules, result)
        active = True
    if reserved.active and not whole:
        cost = _joined(cost, reserved)
    result.total = cost if active else None


def _joined(cost: Sum, share: Share) -> Sum:
    before, after = cost
    scale = HOUR // share.per
    if before is not None:
        before = None if share.excl is None else plus(before, share.excl * scale)
    if after is not None:
        after = None if share.incl is None else plus(after, share.incl * scale)
    return before, after


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
