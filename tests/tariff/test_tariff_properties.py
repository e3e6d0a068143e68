"""What has to hold for every tariff and session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.cdr import Cdr
from bridge.model.session import CdrDimension, ChargingPeriod, Volume
from bridge.model.tariff import Dimension, PriceComponent, Restrictions, Tariff, TariffElement, TaxIncluded
from bridge.tariff import PricedSession, Rules, price, price_session
from tests.tariff.build import BERLIN, HOUR, MONDAY, cdr, d, element, excl, period, priced, tariff
from tests.tariff.random_cases import Case, case

SEEDS = st.integers(0, 2**32)
SOME = settings(max_examples=150, deadline=None)


def made(seed: int) -> tuple[Case, PricedSession]:
    found = case(Random(seed))
    done = price_session(found.samples, [found.tariff], found.zone, reserved_from=found.reserved_from)
    return found, done


def plain(own: Tariff) -> Tariff:
    """A tariff without steps, limits and fees, in which nothing counts from the session's start."""
    elements = []
    for e in own.elements:
        components = tuple(evolve(c, step=d(0)) for c in e.components if c.dimension is not Dimension.FLAT)
        r = e.restrictions or Restrictions()
        held = evolve(r, min_kwh=None, max_kwh=None, min_duration=None, max_duration=None)
        elements.append(TariffElement(components, held))
    return evolve(own, elements=tuple(elements), min_price=None, max_price=None)


def as_cdr(done: PricedSession, periods: tuple[ChargingPeriod, ...] | None = None) -> Cdr:
    return Cdr(start=done.start, end=done.end, periods=periods or done.periods)


def cut(one: ChargingPeriod, end: datetime, share: Decimal) -> list[ChargingPeriod]:
    """A period split in two at a whole second, energy in proportion, times by the clock."""
    middle = (one.start + (end - one.start) * float(share)).replace(microsecond=0)
    if not one.start < middle < end:
        return [one]
    parts = []
    for begin, until, left in ((one.start, middle, True), (middle, end, False)):
        seconds = Decimal(int((until - begin).total_seconds()))
        volumes = []
        for v in one.volumes:
            if v.dimension is CdrDimension.ENERGY:
                some = (v.volume * share).quantize(d("0.0001"))
                volumes.append(Volume(v.dimension, some if left else v.volume - some))
            elif v.dimension in (CdrDimension.TIME, CdrDimension.PARKING_TIME, CdrDimension.RESERVATION_TIME):
                volumes.append(Volume(v.dimension, (seconds / 3600).quantize(d("0.0001"))))
            else:
                volumes.append(v)
        parts.append(ChargingPeriod(begin, tuple(volumes), one.tariff_id))
    return parts


@SOME
@given(SEEDS, st.decimals("0.01", "0.99", places=2), st.randoms(use_true_random=False))
def test_how_periods_are_split_does_not_matter(seed: int, share: Decimal, random: Random) -> None:
    found, done = made(seed)
    ends = [p.start for p in done.periods[1:]] + [done.end]
    finer: list[ChargingPeriod] = []
    for one, end in zip(done.periods, ends, strict=True):
        finer += cut(one, end, share) if random.random() < 0.6 else [one]
    assert price(as_cdr(done, tuple(finer)), [found.tariff], found.zone).totals == done.priced.totals


@SOME
@given(SEEDS, st.integers(0, 60))
def test_costs_add_up_over_a_split(seed: int, where: int) -> None:
    """Where no step, limit or fee applies, and nothing counts from the session's start."""
    found, _ = made(seed)
    own = plain(found.tariff)
    done = price_session(found.samples, [own], found.zone)
    periods = done.periods
    border = where % len(periods)
    whole = done.priced.totals.total
    if not border:
        return
    middle = periods[border].start
    first = price(Cdr(start=done.start, end=middle, periods=periods[:border]), [own], found.zone)
    second = price(Cdr(start=middle, end=done.end, periods=periods[border:]), [own], found.zone)
    for side in ("excl", "incl"):
        parts = [getattr(p.totals.total, side) for p in (first, second) if p.totals.total is not None]
        if whole is None or any(part is None for part in parts):
            continue
        assert abs(getattr(whole, side) - sum(parts)) <= d("1e-11")  # two more numbers cut to twelve places


@SOME
@given(SEEDS)
def test_never_negative_for_prices_that_are_not(seed: int) -> None:
    _, done = made(seed)
    totals = done.priced.totals
    for amount in (totals.total, totals.energy, totals.time, totals.parking, totals.fixed, totals.reservation):
        assert amount is None or amount.excl is None or amount.excl >= 0
        assert amount is None or amount.incl is None or amount.incl >= 0
    for line in done.priced.lines:
        assert line.volume >= line.consumed >= 0


@SOME
@given(
    st.lists(st.decimals(0, 2, places=3), min_size=1, max_size=4),
    st.sampled_from([0, 1, 100, 500, 1000]),
    st.decimals(0, 30, places=4),
    st.decimals(0, 30, places=4),
)
def test_more_energy_never_costs_less(prices: list[Decimal], step: int, one: Decimal, other: Decimal) -> None:
    """With one step throughout, and tiers that end on whole steps."""
    elements = [
        TariffElement((PriceComponent(Dimension.ENERGY, p, d(step)),), Restrictions(max_kwh=d(7 * (n + 1))))
        for n, p in enumerate(prices[:-1])
    ]
    elements.append(TariffElement((PriceComponent(Dimension.ENERGY, prices[-1], d(step)),)))
    own = tariff(*elements)
    less, more = sorted((one, other))
    parts = [[min(max(e - 7 * n, d(0)), d(7)) for n in range(5)] for e in (less, more)]
    costs = []
    for split in parts:
        periods = [period(MONDAY + n * HOUR, ENERGY=part) for n, part in enumerate(split)]
        costs.append(excl(priced(cdr(*periods), own).totals.total) or d(0))
    assert costs[0] <= costs[1]


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Chatham"]


@SOME
@given(SEEDS, st.sampled_from(ZONES))
def test_utc_and_local_times_agree(seed: int, name: str) -> None:
    found, done = made(seed)
    there = ZoneInfo(name)
    shifted = tuple(evolve(p, start=p.start.astimezone(there)) for p in done.periods)
    record = Cdr(start=done.start.astimezone(there), end=done.end.astimezone(there), periods=shifted)
    assert price(record, [found.tariff], found.zone).totals == done.priced.totals
    samples = [s._replace(time=s.time.astimezone(there)) for s in found.samples]
    reserved = None if found.reserved_from is None else found.reserved_from.astimezone(there)
    again = price_session(samples, [found.tariff], found.zone, reserved_from=reserved)
    assert again.periods == done.periods
    assert all(p.start.tzinfo is UTC for p in again.periods)


@SOME
@given(SEEDS)
def test_a_tariff_lifted_to_newer_versions_prices_the_same(seed: int) -> None:
    """2.1.1 has no VAT, limits or reservations; with tax_included NO and no VAT, 2.3.0 leaves the rest unknown too."""
    found, _ = made(seed)
    elements = []
    for e in found.tariff.elements:
        r = e.restrictions
        if r is not None and r.reservation is not None:
            continue
        held = None if r is None else evolve(r, min_current=None, max_current=None)
        elements.append(TariffElement(tuple(evolve(c, vat=None) for c in e.components), held))
    old = evolve(found.tariff, elements=tuple(elements), min_price=None, max_price=None, tax_included=None)
    new = evolve(old, tax_included=TaxIncluded.NO)
    oldest = price_session(found.samples, [old], found.zone, Rules.ocpi("2.1.1"))
    middle = price_session(found.samples, [old], found.zone, Rules.ocpi("2.2.1"))
    newest = price_session(found.samples, [new], found.zone, Rules.ocpi("2.3.0"))
    assert oldest.priced.totals == newest.priced.totals
    assert oldest.periods == middle.periods == newest.periods
    first, second = oldest.priced.totals.total, middle.priced.totals.total
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert first.excl == second.excl == second.incl  # no VAT is due where 2.2.1 names none
        assert first.incl == (first.excl if not first.excl else None)


@SOME
@given(SEEDS)
def test_lines_add_up_to_the_totals(seed: int) -> None:
    _, done = made(seed)
    sums: dict[str, Decimal] = {}
    names = {"ENERGY": "energy", "TIME": "time", "PARKING_TIME": "parking", "RESERVATION_TIME": "reservation"}
    for line in done.priced.lines:
        reserved = line.item.value.startswith("RESERVATION")
        name = "reservation" if reserved else names.get(line.dimension, "fixed")
        sums[name] = sums.get(name, d(0)) + (line.incl or d(0))
    for name in ("energy", "time", "parking", "fixed", "reservation"):
        amount = getattr(done.priced.totals, name)
        if amount is not None and amount.incl is not None:
            assert abs(sums.get(name, d(0)) - amount.incl) <= len(done.priced.lines) * d("1e-12")


@SOME
@given(SEEDS, st.integers(0, 600))
def test_more_samples_of_the_same_session_change_nothing(seed: int, seconds: int) -> None:
    found, done = made(seed)
    samples = list(found.samples)
    for index in range(len(samples) - 1, 0, -1):
        before, after = samples[index - 1 : index + 1]
        at = before.time + timedelta(seconds=seconds)
        if before.time < at < after.time and before.power == after.power and before.current == after.current:
            share = (at - before.time) / (after.time - before.time)
            kwh = before.kwh + ((after.kwh - before.kwh) * Decimal(share)).quantize(d("0.001"))
            steady = (after.kwh - before.kwh) * seconds % int((after.time - before.time).total_seconds())
            if before.kwh == after.kwh or not steady:
                samples.insert(index, before._replace(time=at, kwh=kwh))
    again = price_session(samples, [found.tariff], found.zone, reserved_from=found.reserved_from)
    assert again.priced.totals == done.priced.totals


@SOME
@given(st.integers(0, 100_000), st.integers(1, 3600))
def test_parking_of_whole_seconds_costs_the_same_in_hours_and_by_the_clock(rate: int, seconds: int) -> None:
    own = tariff(element(PriceComponent(Dimension.PARKING_TIME, d(rate) / 100, d(0))))
    written = (d(seconds) / 3600).quantize(d("0.0001"))
    made = priced(cdr(period(MONDAY, PARKING_TIME=written), end=MONDAY + timedelta(seconds=seconds)), own, zone=BERLIN)
    exact = d(rate) / 100 * seconds
    assert abs((excl(made.totals.parking) or d(0)) * 3600 - exact) <= d("3600e-12")
