"""Every point on which the specification can be read in several ways: ours is computed, the others are reported."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from attrs import evolve, fields

from bridge.model.cdr import Cdr
from bridge.model.ids import TariffId
from bridge.model.tariff import PriceLimit, ReservationKind, Tariff
from bridge.tariff import POINTS, Rules, rounding
from tests.tariff.build import HOUR, MINUTE, MONDAY, cdr, component, d, element, excl, incl, local, period, priced, tariff

RESERVED = ReservationKind.RESERVATION


class Doubt(NamedTuple):
    """A case that turns on one point, its total by our reading and by the other."""

    ours: str
    other: str
    record: Cdr
    tariffs: tuple[Tariff, ...]
    rules: Rules = Rules()


CASES: dict[str, Doubt] = {
    "hours": Doubt("1", "1.1", cdr(period(MONDAY, TIME="0.1667"), end=MONDAY + 10 * MINUTE), (tariff(element(component("TIME 6", 60))),)),
    "uncovered": Doubt(
        "0.25",
        "0.3",
        cdr(
            period(local("2026-03-02 19:52"), PARKING_TIME="0.1333"),
            period(local("2026-03-02 20:00"), PARKING_TIME="0.2"),
            end=local("2026-03-02 20:12"),
        ),
        (tariff(element(component("PARKING_TIME 1", 900), end_time="20:00")),),
    ),
    "parking_step": Doubt(
        "4.5",
        "5.5",
        cdr(period(MONDAY, PARKING_TIME="0.75"), period(MONDAY + 45 * MINUTE, TIME="1.25"), end=MONDAY + 2 * HOUR),
        (tariff(element(component("PARKING_TIME 2", 3600), component("TIME 2", 3600))),),
    ),
    "fees": Doubt(
        "1",
        "3",
        cdr(period(MONDAY, ENERGY=1), period(MONDAY + HOUR, ENERGY=1)),
        (tariff(element("FLAT 1", end_time="12:00"), "FLAT 2"),),
    ),
    "midnight": Doubt("3", "1", cdr(period(MONDAY, ENERGY=1)), (tariff(element("ENERGY 3", end_time="00:00"), "ENERGY 1"),)),
    "night_days": Doubt(
        "1",
        "3",
        cdr(period(local("2026-03-03 01:00"), ENERGY=1)),
        (tariff(element("ENERGY 3", start_time="22:00", end_time="06:00", days=(1,)), "ENERGY 1"),),
    ),
    "ranges": Doubt(
        "1",
        "3",
        cdr(period(MONDAY, ENERGY=1, MIN_POWER=10, MAX_POWER=20)),
        (tariff(element("ENERGY 3", min_power=16), "ENERGY 1"),),
    ),
    "unknown": Doubt("1", "3", cdr(period(MONDAY, ENERGY=1)), (tariff(element("ENERGY 3", max_power=16), "ENERGY 1"),)),
    "tariff_ids": Doubt(
        "2",
        "1",
        cdr(period(MONDAY, "B", ENERGY=1)),
        (tariff("ENERGY 1", id=TariffId("A")), tariff("ENERGY 2", id=TariffId("B"))),
    ),
    "parking_duration": Doubt(
        "5",
        "0",
        cdr(period(MONDAY, TIME=1), period(MONDAY + HOUR, PARKING_TIME=1)),
        (tariff(element("PARKING_TIME 5", min_duration=3600), "TIME 0", "PARKING_TIME 0"),),
    ),
    "limit_tax": Doubt(
        "5",
        "5",
        cdr(period(MONDAY, ENERGY=1)),
        (tariff(element(component("ENERGY 1", 0, "20")), min_price=PriceLimit(d(5))),),
    ),
    "limit_scope": Doubt(
        "5",
        "7",
        cdr(period(MONDAY, RESERVATION_TIME=1), period(MONDAY + HOUR, ENERGY=9)),
        (tariff(element("TIME 2", reservation=RESERVED), "ENERGY 1", max_price=PriceLimit(d(5), d(5))),),
    ),
    "reservation_step": Doubt(
        "3",
        "2",
        cdr(period(MONDAY, RESERVATION_TIME="0.5"), period(MONDAY + HOUR / 2, TIME="1.5"), end=MONDAY + 2 * HOUR),
        (tariff(element(component("TIME 1", 3600), reservation=RESERVED), element(component("TIME 1", 3600))),),
    ),
    "duration_start": Doubt(
        "3",
        "1",
        cdr(period(MONDAY, RESERVATION_TIME=1), period(MONDAY + HOUR, ENERGY=1)),
        (tariff(element("ENERGY 3", max_duration=1800), "ENERGY 1"),),
    ),
    # 0.4 and 0.3 kWh in steps of 0.5 are 1.0; if only the 0.3 are rounded, 0.4 and 0.5.
    "switch_step": Doubt(
        "1",
        "0.9",
        cdr(period(MONDAY, "A", ENERGY="0.4"), period(MONDAY + HOUR, "B", ENERGY="0.3")),
        tuple(tariff(element(component("ENERGY 1", 500)), id=TariffId(name)) for name in "AB"),
    ),
    "selection": Doubt(
        "3",
        "2",
        cdr(period(MONDAY, ENERGY=1)),
        (tariff("FLAT 2", "ENERGY 1"),),
        Rules.ocpi("2.1.1"),
    ),
}


def test_every_point_has_a_case_and_is_a_rule() -> None:
    assert set(CASES) == set(POINTS)
    names = {f.name for f in fields(Rules)}
    assert set(POINTS) < names
    # Settled by the specification's own examples, or by the version.
    assert names - set(POINTS) == {"step_count", "absent_vat"}
    for point, values in POINTS.items():
        assert getattr(Rules(), point) in values
        assert next(iter(values)) == getattr(Rules(), point)


@pytest.mark.parametrize("point", sorted(POINTS))
def test_ours_is_computed_and_the_other_reported(point: str) -> None:
    case = CASES[point]
    made = priced(case.record, *case.tariffs, rules=case.rules)
    assert excl(made.totals.total) == Decimal(case.ours)
    found = {r.point: r for r in made.readings}
    assert point in found
    reading = found[point]
    assert excl(reading.totals.total) == Decimal(case.other)
    assert reading.assumes == POINTS[point][reading.value] != reading.chosen
    assert reading.chosen == POINTS[point][getattr(case.rules, point)]


@pytest.mark.parametrize("point", sorted(POINTS))
def test_choosing_the_other_reading_turns_it_round(point: str) -> None:
    case = CASES[point]
    ours = priced(case.record, *case.tariffs, rules=case.rules)
    (reading,) = [r for r in ours.readings if r.point == point]
    changes: dict[str, Any] = {point: reading.value}
    theirs = priced(case.record, *case.tariffs, rules=evolve(case.rules, **changes))
    assert theirs.totals == reading.totals
    (back,) = [r for r in theirs.readings if r.point == point]
    assert back.totals == ours.totals
    assert back.value == getattr(case.rules, point)


def test_a_limit_without_its_tax() -> None:
    case = CASES["limit_tax"]
    made = priced(case.record, *case.tariffs)
    assert incl(made.totals.total) == d("1.2")  # less than 5 before taxes: doubtful, and said so
    (reading,) = made.readings
    assert incl(reading.totals.total) == 6


def test_both_other_readings_of_a_range() -> None:
    own = tariff(element("ENERGY 3", min_power=16), "ENERGY 1")
    made = priced(cdr(period(MONDAY, ENERGY=1, MAX_POWER=20)), own)
    assert {r.point: excl(r.totals.total) for r in made.readings} == {"ranges": 3, "unknown": 3}


def test_a_plain_case_has_no_readings() -> None:
    own = tariff(element(component("FLAT 1"), component("ENERGY 0.25", 1)))
    assert priced(cdr(period(MONDAY, ENERGY="12.345", TIME="0.5")), own).readings == ()


def test_what_rounding_hides_is_no_reading() -> None:
    """0.3333 h at 1.00 is 0.3333 by the volume and 0.33333... by the clock: both are 0.33."""
    made = priced(cdr(period(MONDAY, TIME="0.3333"), end=MONDAY + 20 * MINUTE), tariff("TIME 1"))
    assert "hours" in made.selected.doubts
    assert made.readings == ()


def test_a_reading_under_which_there_is_no_price_is_left_out() -> None:
    own = tariff("ENERGY 1", id=TariffId("A"), valid_from=MONDAY + HOUR)
    record = cdr(period(MONDAY, ENERGY=1), period(MONDAY + HOUR, "A", ENERGY=1))
    made = priced(record, own)
    assert "tariff_ids" in made.selected.doubts
    assert made.readings == ()


def test_rounded_readings() -> None:
    case = CASES["hours"]
    made = priced(case.record, *case.tariffs)
    assert excl(made.readings[0].rounded(rounding("JPY")).total) == 1
