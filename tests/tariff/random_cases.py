"""Random tariffs and sessions, restrictions of every kind, many of them on nights when the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from bridge.model.ids import TariffId
from bridge.model.tariff import (
    Dimension,
    PriceComponent,
    PriceLimit,
    ReservationKind,
    Restrictions,
    Tariff,
    TariffElement,
    TaxIncluded,
)
from bridge.tariff import Sample
from tests.tariff.naive import Script, Segment

# Nights on which the clocks change, one of them by half an hour, one at midnight; and two ordinary days.
NIGHTS = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-11-01"),
    ("America/New_York", "2026-03-08"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Atlantic/Azores", "2026-10-25"),
    ("America/Santiago", "2026-09-06"),
    ("Asia/Kolkata", "2026-06-30"),
    ("Europe/Berlin", "2026-12-31"),
]


class Case(NamedTuple):
    tariff: Tariff
    script: Script
    samples: list[Sample]
    zone: ZoneInfo
    reserved_from: datetime | None


def clock(random: Random) -> str:
    return f"{random.choice([0, 0, 1, 2, 2, 3, 6, 12, 18, 22, 23]):02}:{random.choice([0, 0, 30, 15]):02}"


def bounds(random: Random, low: int, high: int) -> tuple[Decimal | None, Decimal | None]:
    first, second = sorted(random.randint(low, high) for _ in range(2))
    both = Decimal(first), Decimal(second + 1)
    return random.choice([both, (both[0], None), (None, both[1])])


def restrictions(random: Random, night: datetime, unit: int, total_wh: int, seconds: int) -> Restrictions | None:
    picked: dict[str, Any] = {}
    if random.random() < 0.45:
        start, end = clock(random), clock(random)
        if start == end and start != "00:00":
            end = "00:00"
        picked |= random.choice([{"start_time": start, "end_time": end}, {"start_time": start}, {"end_time": end}])
    if random.random() < 0.25:
        weekday = night.isoweekday()
        around = [weekday, weekday % 7 + 1, (weekday + 5) % 7 + 1, random.randint(1, 7)]
        picked["days"] = tuple(sorted(set(random.sample(around, random.randint(1, 3)))))
    if random.random() < 0.15:
        picked[random.choice(["start_date", "end_date"])] = date.fromordinal(night.toordinal() + random.randint(-1, 1))
    if random.random() < 0.3:
        low, high = bounds(random, 0, max(1, total_wh // unit))
        picked |= {
            "min_kwh": None if low is None else low * unit / 1000,
            "max_kwh": None if high is None else high * unit / 1000,
        }
    if random.random() < 0.25:
        fine = unit == 1
        low, high = bounds(random, 0, seconds // 60)
        picked |= {
            "min_duration": None if low is None else int(low) * 60 + random.choice([0, 7]) * fine,
            "max_duration": None if high is None else int(high) * 60 + random.choice([0, 13]) * fine,
        }
    if random.random() < 0.2:
        picked["min_power"], picked["max_power"] = bounds(random, 1, 40)
    if random.random() < 0.15:
        picked["min_current"], picked["max_current"] = bounds(random, 6, 60)
    return Restrictions(**picked) if picked else None


def component(random: Random, dimension: Dimension) -> PriceComponent:
    steps = {
        Dimension.ENERGY: [0, 1, 1, 25, 100, 500, 1000],
        Dimension.FLAT: [1],
    }.get(dimension, [0, 1, 1, 60, 300, 600, 900])
    price = Decimal(random.choice([0, 5, 25, 49, 100, 125, 333, 1999])) / 100
    vat = random.choice([None, Decimal(19), Decimal("7.7"), Decimal("5.5"), Decimal(0)])
    return PriceComponent(dimension, price, Decimal(random.choice(steps)), vat)


def limit(random: Random, low: int, high: int) -> PriceLimit | None:
    if random.random() < 0.8:
        return None
    excl = Decimal(random.randint(low, high)) / 10
    return PriceLimit(excl, random.choice([None, excl + Decimal("0.5")]))


def tariff(random: Random, night: datetime, unit: int, total_wh: int, seconds: int) -> Tariff:
    elements = []
    for _ in range(random.randint(1, 5)):
        count = random.choice([1, 1, 2, 3])
        dimensions = random.sample([Dimension.ENERGY, Dimension.TIME, Dimension.PARKING_TIME, Dimension.FLAT], count)
        held = restrictions(random, night, unit, total_wh, seconds)
        elements.append(TariffElement(tuple(component(random, d) for d in dimensions), held))
    if random.random() < 0.3:
        kind = random.choice(list(ReservationKind))
        start, end = clock(random), clock(random)
        window: dict[str, Any] = {}
        if start != end and random.random() < 0.5:
            window = {"start_time": start, "end_time": end}
        parts = (component(random, Dimension.TIME), component(random, Dimension.FLAT))
        held = Restrictions(reservation=kind, **window)
        elements.insert(random.randint(0, len(elements)), TariffElement(parts[: random.randint(1, 2)], held))
    return Tariff(
        TariffId("T"),
        "EUR",
        tuple(elements),
        min_price=limit(random, 0, 60),
        max_price=limit(random, 30, 200),
        tax_included=random.choice([None, None, *TaxIncluded]),
    )


def ends(random: Random, low: int, high: int, slope: bool) -> tuple[int, int] | None:
    if random.random() < 0.3:
        return None
    first = random.randint(low, high)
    return (first, random.randint(low, high)) if slope else (first, first)


def case(random: Random) -> Case:
    """A tariff and a session. Half are short with ticks of a second and limits anywhere, half long with minutes."""
    name, day = random.choice(NIGHTS)
    night = datetime.fromisoformat(day)
    zone = ZoneInfo(name)
    fine = random.random() < 0.4
    tick = 1 if fine else 60
    unit = 1 if fine else random.choice([50, 100, 250])
    segments = []
    for _ in range(random.randint(1, 4)):
        charging = random.random() < 0.7
        ticks = random.randint(5, 60) if fine else random.randint(5, 90)
        wh = 0 if not charging and random.random() < 0.8 else (random.randint(0, 9) if fine else unit)
        segments.append(Segment(ticks, charging, wh, ends(random, 0, 45, fine), ends(random, 0, 70, fine)))
    ticks = sum(s.ticks for s in segments)
    total_wh = sum(s.ticks * s.wh for s in segments)
    local = night + timedelta(minutes=random.randint(-180, 240))
    if fine:  # close to something that happens on the clock
        local = night + timedelta(minutes=random.choice([0, 60, 120, 180, 30, 90]), seconds=-random.randint(0, ticks))
    start = local.replace(tzinfo=zone).astimezone(UTC)
    reserved = random.randint(1, 90) if random.random() < 0.15 else 0
    script = Script(start, tick, segments, reserved)
    own = tariff(random, night, unit, total_wh, ticks * tick)
    ahead = start - timedelta(seconds=reserved * tick) if reserved else None
    return Case(own, script, samples(random, script), zone, ahead)


def samples(random: Random, script: Script) -> list[Sample]:
    """What a charger would report: both ends of every segment, and now and then a value in between."""
    found, tick, wh = [], 0, 0

    def sample(segment: Segment, place: int) -> Sample:
        at = script.start + timedelta(seconds=(tick + place) * script.tick)

        def value(pair: tuple[int, int] | None) -> Decimal | None:
            if pair is None:
                return None
            return Decimal(pair[0]) if place == 0 else Decimal(pair[1])

        register = Decimal(5_000_000 + wh + place * segment.wh) / 1000
        return Sample(at, register, segment.charging, value(segment.power), value(segment.current))

    for segment in script.segments:
        steady = all(pair is None or pair[0] == pair[1] for pair in (segment.power, segment.current))
        places = {0, segment.ticks}
        if steady:
            places |= {random.randrange(segment.ticks) for _ in range(random.randint(0, 3))}
        found += [sample(segment, place) for place in sorted(places)]
        tick, wh = tick + segment.ticks, wh + segment.ticks * segment.wh
    return found
