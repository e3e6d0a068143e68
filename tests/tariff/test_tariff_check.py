"""What a CDR's own figures say against each other, the clock and the computed price."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from bridge.model.cdr import Cdr, CdrPlace
from bridge.model.common import Price
from bridge.model.ids import TariffId
from bridge.model.tariff import Tariff
from bridge.tariff import Finding, PricingError, Severity, check
from tests.tariff.build import HOUR, MONDAY, cdr, component, d, element, period, priced, tariff

OWN = tariff(element(component("FLAT 1", 0, "20"), component("ENERGY 0.5", 1, "20"), component("PARKING_TIME 6", 60, "20")))


def amount(before: str, after: str | None = None) -> Price:
    return Price(d(before), None if after is None else d(after))


def sound(**changes: Any) -> Cdr:
    """Two hours of charging 20 kWh, one of parking: 1 + 10 + 6."""
    record = cdr(
        period(MONDAY, ENERGY=12, TIME=1),
        period(MONDAY + HOUR, ENERGY=8, TIME=1),
        period(MONDAY + 2 * HOUR, PARKING_TIME=1),
        currency="EUR",
        total_cost=amount("17", "20.4"),
        total_fixed_cost=amount("1", "1.2"),
        total_energy=d(20),
        total_energy_cost=amount("10", "12"),
        total_time=d(3),
        total_parking_time=d(1),
        total_parking_cost=amount("6", "7.2"),
    )
    return evolve(record, **changes)


def found(record: Cdr, *tariffs: Tariff, tolerance: str | None = None) -> list[Finding]:
    made = priced(record, *(tariffs or (OWN,)))
    return check(record, made, None if tolerance is None else d(tolerance))


def codes(record: Cdr, *tariffs: Tariff) -> set[tuple[str, str]]:
    return {(f.code, f.path) for f in found(record, *tariffs)}


def test_a_sound_cdr_has_no_findings() -> None:
    assert found(sound()) == []


def with_period(index: int, **amounts: Any) -> tuple[Any, ...]:
    periods = list(sound().periods)
    periods[index] = period(periods[index].start, **amounts)
    return tuple(periods)


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"end": None}, "END_MISSING", "end"),
        ({"end": MONDAY - HOUR}, "END_BEFORE_START", "end"),
        ({"end": MONDAY + 80 * HOUR}, "LONG_SESSION", "end"),
        ({"start": MONDAY + HOUR / 2}, "PERIOD_BEFORE_SESSION", "periods[0].start"),
        ({"start": MONDAY - HOUR}, "UNTOLD_TIME", "periods[0].start"),
        ({"periods": sound().periods[::-1]}, "PERIODS_NOT_CHRONOLOGICAL", "periods[1].start"),
        ({"end": MONDAY + 1.5 * HOUR}, "PERIOD_AFTER_SESSION", "periods[2].start"),
        ({"place": CdrPlace(time_zone="Europe/Lisbon")}, "ZONE_MISMATCH", "place.time_zone"),
        ({"currency": "CHF"}, "CURRENCY_MISMATCH", "currency"),
        ({"total_energy": d("20.01")}, "TOTAL_ENERGY_MISMATCH", "total_energy"),
        ({"total_energy": d("-20")}, "NEGATIVE_VOLUME", "total_energy"),
        ({"total_energy": d("201")}, "ABSURD_ENERGY", "total_energy"),
        ({"meter_start": d(100), "meter_end": d(119)}, "METER_MISMATCH", "total_energy"),
        ({"total_time": d("2.9")}, "TOTAL_TIME_MISMATCH", "total_time"),
        ({"total_time": d("2.9")}, "TIMES_EXCEED_TOTAL", "total_time"),
        ({"total_parking_time": d("1.5")}, "TOTAL_PARKING_MISMATCH", "total_parking_time"),
        ({"total_parking_time": d("0.5")}, "TOTAL_PARKING_MISMATCH", "total_parking_time"),
        ({"total_parking_time": d(4)}, "PARKING_EXCEEDS_TOTAL", "total_parking_time"),
        ({"total_cost": None}, "COST_MISSING", "total_cost"),
        ({"total_cost": amount("17.04", "20.4")}, "COST_MISMATCH", "total_cost.excl"),
        ({"total_cost": amount("17", "20.44")}, "COST_INCL_MISMATCH", "total_cost.incl"),
        ({"total_cost": amount("17", "16.99")}, "INCL_BELOW_EXCL", "total_cost.incl"),
        ({"total_energy_cost": amount("10.02")}, "PART_COST_MISMATCH", "total_energy_cost.excl"),
        ({"total_parking_cost": amount("6", "7.3")}, "PART_COST_INCL_MISMATCH", "total_parking_cost.incl"),
        ({"total_time_cost": amount("1")}, "PART_COST_MISMATCH", "total_time_cost.excl"),
        ({"credit": True, "total_cost": amount("-17", "-20.4")}, "CREDIT_WITHOUT_REFERENCE", "credit_reference_id"),
        ({"credit": True, "credit_reference_id": "X"}, "COST_MISMATCH", "total_cost.excl"),
        ({"periods": with_period(0, ENERGY=-12, TIME=1)}, "NEGATIVE_VOLUME", "periods[0].volumes[0].volume"),
        ({"periods": with_period(2, PARKING_TIME=-1)}, "NEGATIVE_VOLUME", "periods[2].volumes[0].volume"),
        ({"periods": with_period(0, ENERGY=12, TIME=1, POWER=5)}, "SESSION_DIMENSION", "periods[0].volumes[2].dimension"),
        ({"periods": with_period(0, ENERGY=12, TIME="1.01")}, "DIMENSION_EXCEEDS_PERIOD", "periods[0].volumes"),
        ({"periods": with_period(0, ENERGY=12, TIME="0.6", PARKING_TIME="0.5")}, "DIMENSION_EXCEEDS_PERIOD", "periods[0].volumes"),
        ({"periods": with_period(2, ENERGY=1, PARKING_TIME=1)}, "ENERGY_WHILE_PARKING", "periods[2].volumes"),
        ({"periods": with_period(0, ENERGY=12, TIME=1, MAX_POWER=11)}, "ENERGY_EXCEEDS_POWER", "periods[0].volumes"),
        ({"periods": with_period(2, STATE_OF_CHARGE=80)}, "MISSING_DIMENSION", "periods[2].volumes"),
    ],
)
def test_findings(changes: dict[str, Any], code: str, path: str) -> None:
    assert (code, path) in codes(sound(**changes))


def test_only_what_is_wrong_is_found() -> None:
    assert codes(sound(total_cost=amount("17.04", "20.44"))) == {
        ("COST_MISMATCH", "total_cost.excl"),
        ("COST_INCL_MISMATCH", "total_cost.incl"),
    }
    assert codes(sound(currency="eur")) == set()
    assert codes(sound(total_cost=amount("17.03", "20.43"))) == set()  # a cent for each of three components
    assert codes(sound(total_time=d("3.0009"), total_energy=d("20.002"))) == set()


def test_tolerance_can_be_set() -> None:
    assert found(sound(total_cost=amount("17.03")), tolerance="0") != []
    assert found(sound(total_cost=amount("17.5", "21")), tolerance="1") == []
    (finding,) = found(sound(total_cost=amount("17.03")), tolerance="0.02")
    assert "17.03" in finding.message
    assert "computed 17" in finding.message
    assert "0.02" in finding.message


def test_a_credit_cdr_has_its_total_turned_round_and_nothing_else() -> None:
    """OCPI 2.2.1: all data as in the original, only total_cost negative."""
    record = sound(credit=True, credit_reference_id="C1", total_cost=amount("-17", "-20.4"))
    assert found(record) == []


def test_the_worst_come_first() -> None:
    record = sound(total_parking_time=d("0.5"), total_cost=amount("18", "21"), end=MONDAY + 80 * HOUR)
    severities = [f.severity for f in found(record)]
    assert severities == sorted(severities, key=list(Severity).index)
    assert len(set(severities)) > 1


def test_energy_that_no_period_tells_is_no_contradiction() -> None:
    """As in the specification's own CDR: a tariff by time, and total_energy alone."""
    record = cdr(period(MONDAY, TIME=1), total_cost=amount("2"), total_energy=d("15.342"), total_time=d(1))
    assert found(record, tariff("TIME 2")) == []


def test_parking_may_be_idle_within_a_session_after_a_reservation() -> None:
    record = cdr(period(MONDAY, RESERVATION_TIME=1), period(MONDAY + HOUR, ENERGY=1, TIME=1), total_cost=amount("1"))
    for hours in ("1", "2"):  # with or without the reservation
        assert codes(evolve(record, total_time=d(hours)), tariff("ENERGY 1")) == set()
    assert codes(evolve(record, total_time=d("1.5")), tariff("ENERGY 1")) == {("TOTAL_TIME_MISMATCH", "total_time")}


@pytest.mark.parametrize(
    ("restrictions", "said"),
    [
        ({"end_time": "11:30"}, "from 2026-03-02T10:30:00Z, ENERGY costs 0.2 instead of 0.3"),
        ({"max_duration": 1800}, "from 2026-03-02T10:30:00Z, ENERGY costs 0.2 instead of 0.3"),
        ({"max_kwh": 5}, "from 5 kWh, ENERGY costs 0.2 instead of 0.3"),
    ],
)
def test_a_period_in_which_the_price_changes(restrictions: dict[str, Any], said: str) -> None:
    own = tariff(element("ENERGY 0.3", **restrictions), "ENERGY 0.2")
    record = cdr(period(MONDAY, ENERGY=10, TIME=1), total_cost=amount("3"))
    (finding,) = found(record, own)
    assert (finding.code, finding.path) == ("PERIOD_SPANS_PRICE_CHANGE", "periods[0].start")
    assert said in finding.message


def test_a_change_at_the_border_of_a_period_is_as_it_should_be() -> None:
    own = tariff(element("ENERGY 0.3", end_time="11:30", max_kwh=5), "ENERGY 0.2")
    half = MONDAY + HOUR / 2
    record = cdr(period(MONDAY, ENERGY=5, TIME="0.5"), period(half, ENERGY=5, TIME="0.5"), end=MONDAY + HOUR)
    assert codes(evolve(record, total_cost=amount("2.5")), own) == set()
    late = evolve(record, periods=(record.periods[0], evolve(record.periods[1], start=half + timedelta(seconds=1))))
    assert "PERIOD_SPANS_PRICE_CHANGE" not in {c for c, _ in codes(late, own)}  # times are cut to seconds


def test_a_price_that_does_not_touch_the_period_may_change() -> None:
    own = tariff(element("PARKING_TIME 1", start_time="11:30"), "ENERGY 0.2")
    assert codes(cdr(period(MONDAY, ENERGY=10, TIME=1), total_cost=amount("2")), own) == set()


def test_what_a_restriction_asks_for_and_the_period_does_not_tell() -> None:
    own = tariff(element("ENERGY 0.3", min_power=50), "ENERGY 0.2")
    assert codes(cdr(period(MONDAY, ENERGY=10), total_cost=amount("2")), own) == {("RANGE_UNKNOWN", "periods[0].volumes")}


def test_tariffs_missing_or_not_valid() -> None:
    record = cdr(
        period(MONDAY, "T", ENERGY=1),
        period(MONDAY + HOUR, "GONE", ENERGY=1),
        period(MONDAY + 2 * HOUR, "LATE", ENERGY=1),
        total_cost=amount("1"),
    )
    late = tariff("ENERGY 1", id=TariffId("LATE"), valid_from=MONDAY + 9 * HOUR)
    assert codes(record, tariff("ENERGY 1"), late) == {
        ("TARIFF_MISSING", "periods[1].tariff_id"),
        ("TARIFF_NOT_VALID", "periods[2].tariff_id"),
    }


def test_another_reading_that_explains_the_claim_is_named() -> None:
    own = tariff(element("ENERGY 3", end_time="00:00"), "ENERGY 1")
    record = cdr(period(MONDAY, ENERGY=1, TIME=1), total_cost=amount("1"))
    (finding,) = found(record, own)
    assert finding.code == "COST_MISMATCH"
    assert "an end_time of 00:00 is the start of the day" in finding.message


def test_unknown_amounts_are_not_compared() -> None:
    own = tariff("ENERGY 1", tax_included=None)
    assert found(cdr(period(MONDAY, ENERGY=1), total_cost=Price(d(1))), own) == []
    assert found(cdr(period(MONDAY, ENERGY=1), total_cost=Price(None, d(1))), own) == []


def test_a_total_for_what_costs_nothing() -> None:
    record = cdr(period(MONDAY, ENERGY=1), total_cost=amount("3"))
    assert codes(record, tariff("PARKING_TIME 1")) == {("COST_MISMATCH", "total_cost.excl")}


def test_time_has_to_be_told_where_it_is_priced() -> None:
    told = period(MONDAY, ENERGY=1, TIME=1)
    record = cdr(period(MONDAY, ENERGY=1), total_cost=amount("1"))
    own = tariff("ENERGY 1", element("TIME 2", start_time="11:00"), "TIME 0", "PARKING_TIME 3")
    assert codes(record, own) == {("MISSING_DIMENSION", "periods[0].volumes")}
    assert codes(evolve(record, periods=(told,), total_cost=amount("3")), own) == set()
    free_then = tariff("ENERGY 1", element("TIME 2", start_time="12:00"), "TIME 0", "PARKING_TIME 3")
    assert ("MISSING_DIMENSION", "periods[0].volumes") not in codes(record, free_then)


@pytest.mark.parametrize("scale", [Decimal("1E-9"), Decimal("1E+9")])
def test_messages_have_plain_numbers(scale: Decimal) -> None:
    record = cdr(period(MONDAY, ENERGY=scale, TIME=1), total_energy=scale * 3 + 5, total_cost=amount("17"))
    assert all("E-" not in f.message and "E+" not in f.message for f in found(record))


def test_figures_too_fine_to_compare_are_refused() -> None:
    record = sound(total_energy=Decimal("1E-500"))
    with pytest.raises(PricingError, match="too fine"):
        found(record)
