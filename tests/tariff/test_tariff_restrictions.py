"""Every kind of restriction: where it starts to hold, where it stops, and what the clock does to it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.model.location import RegularHours
from bridge.model.tariff import ReservationKind
from bridge.tariff import PricingError, Sample, price_session
from tests.tariff.build import BERLIN, HOUR, MINUTE, MONDAY, cdr, d, element, excl, local, period, priced, tariff


def unit_price(at: str, zone: ZoneInfo = BERLIN, fold: int = 0, **restrictions: Any) -> Decimal | None:
    """1 if an element with these restrictions prices 1 kWh at a local time, 0 if the one behind it does."""
    own = tariff(element("ENERGY 1", **restrictions), element("ENERGY 0"))
    record = cdr(period(local(at, zone, fold), ENERGY=1))
    return excl(priced(record, own, zone=zone).totals.energy)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ({"start_time": "09:00", "end_time": "18:00"}, ["09:00", "17:59:59"], ["08:59:59", "18:00"]),
        ({"start_time": "22:00", "end_time": "06:00"}, ["22:00", "23:59:59", "00:00", "05:59:59"], ["06:00", "21:59:59"]),
        ({"start_time": "20:00", "end_time": "00:00"}, ["20:00", "23:59:59"], ["00:00", "19:59:59"]),
        ({"start_time": "20:00"}, ["20:00", "23:59:59"], ["00:00", "19:59:59"]),
        ({"end_time": "06:00"}, ["00:00", "05:59:59"], ["06:00", "23:59"]),
        ({"end_time": "00:00"}, ["00:00", "12:00", "23:59:59"], []),
        ({"start_time": "00:00", "end_time": "00:00"}, ["00:00", "12:00", "23:59:59"], []),
        ({"start_time": "10:00", "end_time": "10:00"}, [], ["10:00", "09:59", "22:00"]),
        ({"start_time": "00:00", "end_time": "24:00"}, ["00:00", "23:59:59"], []),
    ],
)
def test_time_of_day(window: dict[str, Any], inside: list[str], outside: list[str]) -> None:
    for clock in inside:
        assert unit_price(f"2026-03-02 {clock}", **window) == 1, clock
    for clock in outside:
        assert unit_price(f"2026-03-02 {clock}", **window) == 0, clock


@pytest.mark.parametrize("bad", ["9:00", "25:00", "12:60", "24:01", "noon", "１２:00", "", "12-00"])
def test_no_time_of_day(bad: str) -> None:
    with pytest.raises(PricingError, match="no time of day") as caught:
        unit_price("2026-03-02 12:00", start_time=bad, end_time="13:00")
    assert caught.value.path == "tariffs[0].elements[0].restrictions"


def test_local_time_not_utc() -> None:
    own: dict[str, Any] = {"start_time": "00:00", "end_time": "01:00"}
    assert unit_price("2026-07-01 00:30", **own) == 1  # 22:30 the day before in UTC
    assert unit_price("2026-07-01 00:30", ZoneInfo("Asia/Kolkata"), **own) == 1
    assert unit_price("2026-07-01 02:30", **own) == 0


def test_days() -> None:
    for day in range(1, 8):
        at = f"2026-03-{1 + day:02} 12:00"  # the 2nd is a Monday
        assert unit_price(at, days=(day,)) == 1
        assert unit_price(at, days=tuple({1, 2, 3, 4, 5, 6, 7} - {day})) == 0
    assert unit_price("2026-03-03 00:30", days=(2,)) == 1  # Monday still, in UTC


def test_weekday_of_a_window_over_midnight() -> None:
    """At the instant: a Monday night's window does not reach into Tuesday, but early Monday is in it."""
    night: dict[str, Any] = {"start_time": "22:00", "end_time": "06:00", "days": (1,)}
    assert unit_price("2026-03-02 23:00", **night) == 1
    assert unit_price("2026-03-03 01:00", **night) == 0
    assert unit_price("2026-03-02 01:00", **night) == 1


def test_dates() -> None:
    own: dict[str, Any] = {"start_date": date(2026, 3, 2), "end_date": date(2026, 3, 4)}
    expected = {"2026-03-01 23:59": 0, "2026-03-02 00:00": 1, "2026-03-03 23:59": 1, "2026-03-04 00:00": 0}
    assert {at: unit_price(at, **own) for at in expected} == expected


def test_instants() -> None:
    own: dict[str, Any] = {"start": local("2026-03-02 10:00"), "end": local("2026-03-02 12:00")}
    expected = {"2026-03-02 09:59:59": 0, "2026-03-02 10:00": 1, "2026-03-02 11:59": 1, "2026-03-02 12:00": 0}
    assert {at: unit_price(at, **own) for at in expected} == expected


def test_weekly_windows() -> None:
    hours = (RegularHours(1, "08:00", "12:00"), RegularHours(1, "14:00", "24:00"), RegularHours(2, "00:00", "02:00"))
    expected = {"03-02 07:59": 0, "03-02 08:00": 1, "03-02 12:00": 0, "03-02 23:59": 1, "03-03 01:59": 1, "03-03 02:00": 0}
    assert {at: unit_price(f"2026-{at}", windows=hours) for at in expected} == expected


@pytest.mark.parametrize(("low", "high", "cost"), [(2, None, "8"), (None, 2, "2"), (2, 5, "3"), (0, 10, "10"), (5, 5, "0")])
def test_energy(low: int | None, high: int | None, cost: str) -> None:
    """Of the energy since the session's start; minimum included, maximum excluded."""
    limits = {k: v for k, v in (("min_kwh", low), ("max_kwh", high)) if v is not None}
    own = tariff(element("ENERGY 1", **limits), element("ENERGY 0"))
    steps = [period(MONDAY + k * MINUTE, ENERGY=1) for k in range(10)]
    assert excl(priced(cdr(*steps), own).totals.energy) == Decimal(cost)
    samples = [Sample(MONDAY, Decimal(100)), Sample(MONDAY + HOUR, Decimal(110))]
    assert excl(price_session(samples, [own], BERLIN).priced.totals.energy) == Decimal(cost)


@pytest.mark.parametrize(("what", "unit"), [("power", "POWER"), ("current", "CURRENT")])
def test_power_and_current(what: str, unit: str) -> None:
    def cost(low: str, high: str, **limits: int) -> Decimal | None:
        own = tariff(element("ENERGY 1", **limits), element("ENERGY 0"))
        amounts = {"ENERGY": "1", f"MIN_{unit}": low, f"MAX_{unit}": high}
        return excl(priced(cdr(period(MONDAY, **amounts)), own).totals.energy)

    assert cost("16", "20", **{f"min_{what}": 16}) == 1
    assert cost("15.9", "20", **{f"min_{what}": 16}) == 0
    assert cost("1", "15.9", **{f"max_{what}": 16}) == 1
    assert cost("1", "16", **{f"max_{what}": 16}) == 0
    assert cost("16", "19", **{f"min_{what}": 16, f"max_{what}": 20}) == 1
    assert cost("-5", "-1", **{f"max_{what}": 0}) == 1


@pytest.mark.parametrize("limit", ["min_power", "max_power", "min_current", "max_current"])
def test_what_is_not_told_does_not_match(limit: str) -> None:
    own = tariff(element("ENERGY 1", **{limit: 16}), element("ENERGY 0"))
    made = priced(cdr(period(MONDAY, ENERGY=1)), own)
    assert excl(made.totals.energy) == 0
    (other,) = [r for r in made.readings if r.point == "unknown"]
    assert excl(other.totals.energy) == 1


@pytest.mark.parametrize(("low", "high", "cost"), [(600, None, "50"), (None, 600, "10"), (600, 1200, "10"), (None, 1, "1")])
def test_duration(low: int | None, high: int | None, cost: str) -> None:
    """Of the whole session, parking included; minimum included, maximum excluded."""
    limits = {k: v for k, v in (("min_duration", low), ("max_duration", high)) if v is not None}
    own = tariff(element("PARKING_TIME 60", **limits), element("PARKING_TIME 0"))
    each = [period(MONDAY + k * MINUTE, PARKING_TIME=Decimal(1) / 60) for k in range(60)]
    assert excl(priced(cdr(*each, end=MONDAY + HOUR), own).totals.parking) == Decimal(cost)


def test_all_have_to_hold() -> None:
    own: dict[str, Any] = {"start_time": "09:00", "end_time": "18:00", "days": (1,), "max_kwh": 10, "start_date": date(2026, 3, 1)}
    assert unit_price("2026-03-02 12:00", **own) == 1
    assert unit_price("2026-03-03 12:00", **own) == 0
    assert unit_price("2026-03-02 08:00", **own) == 0
    assert unit_price("2026-03-02 12:00", **{**own, "max_kwh": 0}) == 0
    assert unit_price("2026-03-02 12:00", **{**own, "start_date": date(2026, 3, 3)}) == 0


def test_dimensions_are_looked_up_apart() -> None:
    own = tariff(
        element("ENERGY 1", start_time="00:00", end_time="06:00"),
        element("ENERGY 2", "TIME 10"),
        element("TIME 20", "PARKING_TIME 5"),
    )
    at = local("2026-03-02 01:00")
    record = cdr(period(at, ENERGY=1, TIME=1), period(at + HOUR, PARKING_TIME=1))
    totals = priced(record, own).totals
    assert (excl(totals.energy), excl(totals.time), excl(totals.parking)) == (d(1), d(10), d(5))
    assert totals.fixed is None
    assert totals.reservation is None


def reserved(*elements: Any, used: bool = True) -> Decimal | None:
    """The reservation's cost of half an hour reserved, then an hour charged if it is used."""
    parts = [period(MONDAY, RESERVATION_TIME="0.5")]
    if used:
        parts.append(period(MONDAY + HOUR / 2, ENERGY=10, TIME=1))
    end = MONDAY + HOUR * (1.5 if used else 0.5)
    totals = priced(cdr(*parts, end=end), tariff(*elements)).totals
    return None if totals.reservation is None else totals.reservation.excl


RESERVATION, EXPIRES = ReservationKind.RESERVATION, ReservationKind.RESERVATION_EXPIRES


@pytest.mark.parametrize("first", [RESERVATION, EXPIRES])
def test_reservation_elements(first: ReservationKind) -> None:
    """Whichever stands first: an expired reservation has the expiry's price of time, and both fees."""
    second = EXPIRES if first is RESERVATION else RESERVATION
    prices = {RESERVATION: ("TIME 2", "FLAT 1"), EXPIRES: ("TIME 6", "FLAT 4")}
    elements = [element(*prices[kind], reservation=kind) for kind in (first, second)]
    plain = element("FLAT 0.5", "ENERGY 0.25", "TIME 1")
    assert reserved(*elements, plain) == 2  # half an hour at 2, and the fee
    assert reserved(plain, *elements, used=False) == 8  # half an hour at 6, and both fees


def test_reservations_and_sessions_have_their_own_prices() -> None:
    assert reserved(element("TIME 2", "FLAT 1")) is None
    own = tariff(element("TIME 2", "ENERGY 7", reservation=RESERVATION))
    record = cdr(period(MONDAY, RESERVATION_TIME=1), period(MONDAY + HOUR, ENERGY=1, TIME=1))
    totals = priced(record, own).totals
    assert totals.energy is None
    assert totals.time is None
    assert excl(totals.reservation) == 2


def test_duration_counts_from_the_end_of_the_reservation() -> None:
    own = tariff(element("ENERGY 1", max_duration=1800), element("ENERGY 0"), element("TIME 2", reservation=RESERVATION))
    record = cdr(period(MONDAY, RESERVATION_TIME=1), period(MONDAY + HOUR, ENERGY=1))
    made = priced(record, own)
    assert excl(made.totals.energy) == 1
    (other,) = [r for r in made.readings if r.point == "duration_start"]
    assert excl(other.totals.energy) == 0


# Nights on which the clocks change.


def parked(begin: str, minutes: int, zone: ZoneInfo, fold: int = 0, **window: str) -> int:
    """How many of the minutes parked from a local time are priced."""
    own = tariff(element("PARKING_TIME 60", **window))
    start = local(begin, zone, fold)
    samples = [Sample(start, Decimal(0), False), Sample(start + minutes * MINUTE, Decimal(0), False)]
    totals = price_session(samples, [own], zone).priced.totals
    return int(excl(totals.parking) or 0) if totals.parking else 0


@pytest.mark.parametrize(
    ("begin", "minutes", "window", "expected"),
    [
        # Spring: 02:00 to 03:00 is not there, so a window in it never matches, one around it loses an hour.
        ("2026-03-29 00:00", 300, ("02:00", "03:00"), 0),
        ("2026-03-29 00:00", 300, ("01:00", "04:00"), 120),
        ("2026-03-29 00:00", 300, ("02:30", "04:00"), 60),
        # Autumn: 02:00 to 03:00 is there twice, and so is a window in it.
        ("2026-10-25 00:00", 360, ("02:00", "03:00"), 120),
        ("2026-10-25 00:00", 360, ("02:30", "03:00"), 60),
        ("2026-10-25 00:00", 360, ("02:30", "02:45"), 30),
        ("2026-10-25 00:00", 360, ("22:00", "02:30"), 180),
        ("2026-10-25 00:00", 360, ("01:00", "04:00"), 240),
    ],
)
def test_clock_changes_in_berlin(begin: str, minutes: int, window: tuple[str, str], expected: int) -> None:
    assert parked(begin, minutes, BERLIN, start_time=window[0], end_time=window[1]) == expected


def test_clock_change_by_half_an_hour() -> None:
    zone = ZoneInfo("Australia/Lord_Howe")  # 02:00 goes back to 01:30 on 5 April
    assert parked("2026-04-05 00:00", 300, zone, start_time="01:30", end_time="02:00") == 60


def test_clock_change_at_midnight() -> None:
    zone = ZoneInfo("America/Santiago")  # 00:00 becomes 01:00 on 6 September
    assert parked("2026-09-05 22:00", 240, zone, start_time="00:00", end_time="02:00") == 60
    assert parked("2026-09-05 22:00", 240, zone, start_time="23:00", end_time="01:30") == 90


def test_each_fold_by_its_own_instant() -> None:
    window: dict[str, Any] = {"start_time": "02:00", "end_time": "03:00"}
    assert unit_price("2026-10-25 02:30", fold=0, **window) == 1
    assert unit_price("2026-10-25 02:30", fold=1, **window) == 1
    assert unit_price("2026-10-25 03:00", **window) == 0


def test_utc_and_local_times_are_the_same_instants() -> None:
    own = tariff(element("ENERGY 1", start_time="09:00", end_time="18:00"), element("ENERGY 0"))
    for minutes in range(0, 1440, 97):
        at = MONDAY + timedelta(minutes=minutes)
        utc = priced(cdr(period(at, ENERGY=1)), own)
        zoned = priced(cdr(period(at.astimezone(BERLIN), ENERGY=1)), own)
        assert utc.totals == zoned.totals
