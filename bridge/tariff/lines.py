"""What each amount of a bill is made of: one line for each period and dimension."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Final

from attrs import frozen

from bridge.model.cdr import BillingItem, CdrLine
from bridge.model.ids import TariffId
from bridge.model.tariff import Restrictions
from bridge.tariff.bill import Bill
from bridge.tariff.errors import PricingError
from bridge.tariff.money import EXACT, HOUR, ZERO, Exact, decimal, quotient, times
from bridge.tariff.plan import Rule
from bridge.tariff.rules import Rules
from bridge.tariff.select import Entry, Selected


@frozen
class Line:
    """An amount and where it comes from. Volumes are in kWh or hours, one for a fee.

    ``consumed`` is the period's volume, ``volume`` what is billed after a step. ``element`` and ``component``
    count from 0 within the tariff. ``unit_price`` is the component's price as the tariff has it, with or
    without taxes;
    ``excl`` and ``incl`` are the line's cost, None where it cannot be determined.
    """

    period: int
    start: datetime
    end: datetime | None
    dimension: str
    item: BillingItem
    consumed: Decimal
    volume: Decimal
    unit_price: Decimal
    net_price: Decimal | None
    excl: Decimal | None
    incl: Decimal | None
    vat: Decimal | None
    tariff_id: TariffId
    element: int
    component: int
    restrictions: Restrictions | None


@frozen
class Unpriced:
    """A volume that costs nothing, and why. In kWh or hours."""

    period: int
    start: datetime
    dimension: str
    volume: Decimal
    reason: str


_ITEMS: Final = {
    "ENERGY": BillingItem.ENERGY,
    "TIME": BillingItem.USAGE_TIME,
    "PARKING_TIME": BillingItem.PARKING_TIME,
    "RESERVATION_TIME": BillingItem.RESERVATION_TIME,
    "FLAT": BillingItem.SERVICE_FEE,
    "RESERVATION": BillingItem.RESERVATION,
}


def _groups(found: Selected) -> Iterator[tuple[str, int, list[Entry]]]:
    yield "ENERGY", 1, found.energy
    yield "TIME", HOUR, found.time
    yield "PARKING_TIME", HOUR, found.parking
    yield "RESERVATION_TIME", HOUR, found.reserved


def lines_of(found: Selected, made: Bill, rules: Rules) -> tuple[Line, ...]:
    """The lines of a bill by time, fees first within a period. Volumes of nothing have no line."""
    added = {(step.dimension, step.period): step.added for step in made.steps}
    lines = []
    with localcontext(EXACT):
        for name, fees in (("FLAT", made.fees), ("RESERVATION", found.reserved_flats)):
            lines += [_line(found, name, 1, period, rule, Decimal(1), ZERO) for period, rule in fees]
        for name, per, entries in _groups(found):
            for period, rule, taken, written in entries:
                volume = written if rules.hours == "volumes" else taken
                more = added.pop((name, period), ZERO) if rule is not None and volume else ZERO
                if rule is not None and volume:
                    lines.append(_line(found, name, per, period, rule, volume, more))
    order = {name: place for place, name in enumerate(("RESERVATION", "RESERVATION_TIME", "FLAT"))}
    return tuple(sorted(lines, key=lambda line: (line.period, order.get(line.dimension, 9))))


def _line(found: Selected, name: str, per: int, period: int, rule: Rule, volume: Decimal, more: Decimal) -> Line:
    billed = volume + more
    periods = found.case.periods
    last = period + 1 == len(periods)
    return Line(
        period=period,
        start=periods[period].start,
        end=found.case.end if last else periods[period + 1].start,
        dimension="FLAT" if name == "RESERVATION" else name,
        item=_ITEMS[name],
        consumed=decimal(volume, per),
        volume=decimal(billed, per),
        unit_price=rule.item.price,
        net_price=None if rule.excl is None else decimal(rule.excl),
        excl=_cost(rule.excl, billed, per),
        incl=_cost(rule.incl, billed, per),
        vat=rule.item.vat,
        tariff_id=rule.tariff.id,
        element=rule.element,
        component=rule.component,
        restrictions=rule.restrictions,
    )


def _cost(unit: Exact | None, volume: Decimal, per: int) -> Decimal | None:
    return None if unit is None else decimal(quotient(times(unit, volume), per))


def unpriced_of(found: Selected, rules: Rules) -> tuple[Unpriced, ...]:
    """The volumes that no component prices."""
    result = []
    for name, per, entries in _groups(found):
        for period, rule, taken, written in entries:
            volume = written if rules.hours == "volumes" else taken
            if rule is None and volume:
                plan = found.plans[period]
                reason = (
                    "no tariff is relevant for this period"
                    if plan is None
                    else f"no {name} component of tariff {plan.tariff.id} matches at the period's start"
                )
                start = found.case.periods[period].start
                result.append(Unpriced(period, start, name, decimal(volume, per), reason))
    return tuple(sorted(result, key=lambda u: u.period))


def cdr_line(line: Line) -> CdrLine:
    """A line as the canonical CDR has it, with the net unit price; ``cost`` is None if it cannot be
    determined.

    Raises PricingError for a session that has no end yet.
    """
    if line.end is None:
        raise PricingError("end", "the session has no end yet")
    price = line.unit_price if line.net_price is None else line.net_price
    return CdrLine(line.start, line.end, line.item, line.volume, price, line.excl, line.vat)
