"""A second way to price a session, as simple as can be: tick by tick, fractions, no code of the engine.

It reads the canonical tariff and a script of what happened, and asks at every tick, for every dimension, which
component is active. Slow, but every line can be checked against the specification by eye.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from bridge.model.tariff import (
    Dimension,
    PriceComponent,
    PriceLimit,
    ReservationKind,
    Restrictions,
    Tariff,
    TaxIncluded,
)


@dataclass
class Segment:
    """``ticks`` of one kind: whole Wh per tick, power and current going evenly from their first to their second."""

    ticks: int
    charging: bool
    wh: int
    power: tuple[int, int] | None = None
    current: tuple[int, int] | None = None


@dataclass
class Script:
    """What happened: ``tick`` seconds long ticks from ``start``, after ``reserved`` ticks of reservation."""

    start: datetime
    tick: int
    segments: list[Segment]
    reserved: int = 0


@dataclass
class Moment:
    """What can be asked about one instant."""

    at: datetime
    local: datetime
    elapsed: int
    kwh: Fraction
    power: Fraction | None
    current: Fraction | None
    reservation: bool


Money = tuple[Fraction | None, Fraction | None]


@dataclass
class Outcome:
    """Amounts before and after taxes, None undetermined; a dimension that nothing priced is missing."""

    parts: dict[str, Money] = field(default_factory=dict)
    total: Money | None = None


def in_window(r: Restrictions, local: datetime) -> bool:
    now = f"{local.hour:02}:{local.minute:02}"
    start = r.start_time or "00:00"
    end = "24:00" if r.end_time in (None, "00:00") else str(r.end_time)
    if end < start:
        return now >= start or now < end
    return start <= now < end


def matches(r: Restrictions | None, m: Moment) -> bool:
    if (r is not None and r.reservation is not None) != m.reservation:
        return False
    if r is None:
        return True
    if r.reservation is ReservationKind.RESERVATION_EXPIRES:
        return False  # every reservation of a script is used
    day = m.local.date()
    wanted = [
        (r.start_time is None and r.end_time is None) or in_window(r, m.local),
        r.start_date is None or day >= r.start_date,
        r.end_date is None or day < r.end_date,
        not r.days or m.local.weekday() + 1 in r.days,
        r.min_kwh is None or m.kwh >= Fraction(r.min_kwh),
        r.max_kwh is None or m.kwh < Fraction(r.max_kwh),
        r.min_duration is None or m.elapsed >= r.min_duration,
        r.max_duration is None or m.elapsed < r.max_duration,
        r.min_power is None or (m.power is not None and m.power >= Fraction(r.min_power)),
        r.max_power is None or (m.power is not None and m.power < Fraction(r.max_power)),
        r.min_current is None or (m.current is not None and m.current >= Fraction(r.min_current)),
        r.max_current is None or (m.current is not None and m.current < Fraction(r.max_current)),
    ]
    return all(wanted)


def active(tariff: Tariff, m: Moment) -> dict[Dimension, PriceComponent]:
    found: dict[Dimension, PriceComponent] = {}
    for element in tariff.elements:
        if all(c.dimension in found for c in element.components):
            continue
        if matches(element.restrictions, m):
            for component in element.components:
                found.setdefault(component.dimension, component)
    return found


class Meter:
    """Volumes per component in the order in which they came: kWh, seconds."""

    def __init__(self) -> None:
        self.volumes: dict[int, Fraction] = {}
        self.components: dict[int, PriceComponent] = {}
        self.last: PriceComponent | None = None

    def add(self, component: PriceComponent | None, volume: Fraction) -> None:
        if component is not None and volume:
            self.components[id(component)] = component
            self.volumes[id(component)] = self.volumes.get(id(component), Fraction(0)) + volume
            self.last = component

    def round_up(self, unit: Fraction) -> None:
        if self.last is None:
            return
        step = Fraction(self.last.step) * unit
        total = sum(self.volumes.values())
        if step:
            self.volumes[id(self.last)] += math.ceil(total / step) * step - total


def taxed(component: PriceComponent, tariff: Tariff) -> Money:
    price = Fraction(component.price)
    vat = None if component.vat is None else 1 + Fraction(component.vat) / 100
    if price == 0 or tariff.tax_included is TaxIncluded.NOT_APPLICABLE:
        return price, price
    if tariff.tax_included is TaxIncluded.YES:
        return (None if vat is None else price / vat), price
    if vat is not None:
        return price, price * vat
    return price, (None if tariff.tax_included is TaxIncluded.NO else price)


def total_of(parts: list[Money]) -> Money:
    befores, afters = [p[0] for p in parts], [p[1] for p in parts]
    known_before = [x for x in befores if x is not None]
    known_after = [x for x in afters if x is not None]
    return (
        sum(known_before, Fraction(0)) if len(known_before) == len(befores) else None,
        sum(known_after, Fraction(0)) if len(known_after) == len(afters) else None,
    )


def capped(total: Money, low: PriceLimit | None, high: PriceLimit | None) -> Money:
    before, after = total
    if low is not None:
        if before is not None and low.excl is not None:
            before = max(before, Fraction(low.excl))
        if after is not None and low.incl is not None:
            after = max(after, Fraction(low.incl))
    if high is not None:
        if before is not None and high.excl is not None:
            before = min(before, Fraction(high.excl))
        if after is not None and high.incl is not None:
            after = min(after, Fraction(high.incl))
    return before, after


class Simulation:
    """One run through a script."""

    def __init__(self, tariff: Tariff, script: Script, zone: ZoneInfo) -> None:
        self.tariff, self.script, self.zone = tariff, script, zone
        self.energy, self.time, self.parking, self.reserved = Meter(), Meter(), Meter(), Meter()
        self.fee: PriceComponent | None = None
        self.reservation_fee: PriceComponent | None = None
        limits = {x for e in tariff.elements if (r := e.restrictions) for x in (r.min_kwh, r.max_kwh) if x}
        self.limits = {Fraction(x) for x in limits}

    def moment(self, tick: int, wh: int, segment: Segment, place: int) -> Moment:
        at = self.script.start + timedelta(seconds=tick * self.script.tick)
        along = Fraction(place, segment.ticks)

        def value(ends: tuple[int, int] | None) -> Fraction | None:
            return None if ends is None else ends[0] + (ends[1] - ends[0]) * along

        return Moment(
            at,
            at.astimezone(self.zone),
            tick * self.script.tick,
            Fraction(wh, 1000),
            value(segment.power),
            value(segment.current),
            False,
        )

    def reserve(self) -> None:
        for tick in range(self.script.reserved):
            at = self.script.start + timedelta(seconds=(tick - self.script.reserved) * self.script.tick)
            elapsed = tick * self.script.tick
            moment = Moment(at, at.astimezone(self.zone), elapsed, Fraction(0), None, None, True)
            now = active(self.tariff, moment)
            self.reserved.add(now.get(Dimension.TIME), Fraction(self.script.tick))
            self.reservation_fee = self.reservation_fee or now.get(Dimension.FLAT)

    def charge(self) -> None:
        tick = wh = 0
        for segment in self.script.segments:
            for place in range(segment.ticks):
                now = active(self.tariff, self.moment(tick, wh, segment, place))
                self.fee = self.fee or now.get(Dimension.FLAT)
                meter, dimension = (self.time, Dimension.TIME) if segment.charging else (self.parking, Dimension.PARKING_TIME)
                meter.add(now.get(dimension), Fraction(self.script.tick))
                self.flow(tick, wh, segment, place, now.get(Dimension.ENERGY))
                tick, wh = tick + 1, wh + segment.wh

    def flow(self, tick: int, wh: int, segment: Segment, place: int, price: PriceComponent | None) -> None:
        """The energy of one tick, Wh by Wh if a limit lies within it. What flows in the rest of a tick after a limit
        belongs to the next instant that can be told."""
        if not any(wh < limit * 1000 < wh + segment.wh for limit in self.limits):
            self.energy.add(price, Fraction(segment.wh, 1000))
            return
        passed = False
        for one in range(wh, wh + segment.wh):
            if one > wh and Fraction(one, 1000) in self.limits:
                passed = True
            if passed:
                now = active(self.tariff, self.moment(tick + 1, one, segment, place + 1))
                price = now.get(Dimension.ENERGY)
                self.fee = self.fee or now.get(Dimension.FLAT)
            self.energy.add(price, Fraction(1, 1000))

    def run(self) -> Outcome:
        self.reserve()
        self.charge()
        self.energy.round_up(Fraction(1, 1000))
        (self.parking if self.parking.last else self.time).round_up(Fraction(1))
        self.reserved.round_up(Fraction(1))
        outcome = Outcome()
        for name, meter, per in (
            ("energy", self.energy, 1),
            ("time", self.time, 3600),
            ("parking", self.parking, 3600),
        ):
            if meter.last is not None:
                outcome.parts[name] = self.cost(meter, per)
        if self.fee is not None:
            outcome.parts["fixed"] = taxed(self.fee, self.tariff)
        reservation = []
        if self.reserved.last is not None:
            reservation.append(self.cost(self.reserved, 3600))
        if self.reservation_fee is not None:
            reservation.append(taxed(self.reservation_fee, self.tariff))
        if reservation:
            outcome.parts["reservation"] = total_of(reservation)
        limited = self.tariff.min_price is not None
        if outcome.parts or limited:
            sums = total_of(list(outcome.parts.values()))
            outcome.total = capped(sums, self.tariff.min_price, self.tariff.max_price)
        return outcome

    def cost(self, meter: Meter, per: int) -> Money:
        costs = []
        for key, volume in meter.volumes.items():
            before, after = taxed(meter.components[key], self.tariff)
            costs.append(
                (
                    None if before is None else before * volume / per,
                    None if after is None else after * volume / per,
                )
            )
        return total_of(costs)


def simulate(tariff: Tariff, script: Script, zone: ZoneInfo) -> Outcome:
    """Price a script tick by tick."""
    return Simulation(tariff, script, zone).run()
