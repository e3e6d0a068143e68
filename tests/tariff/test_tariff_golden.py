"""Every priced example of the specifications, as meter samples and as charging periods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.cli._price_input import read
from bridge.model.cdr import Cdr
from bridge.model.session import CdrDimension, ChargingPeriod, Volume
from bridge.model.tariff import Dimension, PriceComponent, Tariff, TariffElement
from bridge.tariff import Priced, Rules, Sample, price, price_session, rounding
from tests.tariff.facts import ROOT, load, present, spec, tariff

pytestmark = spec
ZONE = ZoneInfo("Europe/Berlin")
DAYS = {"Monday": 2, "Saturday": 7}  # of March 2015; before every end_date_time in the examples

CASES: list[dict[str, Any]] = load("2.3.0/tariff_golden.json")["cases"] if present() else []
STEPS: list[dict[str, Any]] = load("2.3.0/tariff_golden.json")["step_size_cases"] if present() else []

# What the examples say wrongly, by name: they were computed with other figures than they print.
WRONG = {"alt_url", "complex_saturday"}


def start_of(scenario: dict[str, Any]) -> datetime:
    words = scenario.get("start_local", "Monday 10:00").split()
    day = DAYS[words[0]] if len(words) == 2 else 2
    hour, minute = map(int, words[-1].split(":"))
    return datetime(2015, 3, day, hour, minute, tzinfo=ZONE).astimezone(UTC)


def samples_of(scenario: dict[str, Any]) -> list[Sample]:
    """The scenario as a charger would report it: at its borders only."""
    at, kwh = start_of(scenario), Decimal(0)
    current = Decimal(scenario["amps"]) if "amps" in scenario else None
    samples = []
    for part in scenario.get("periods", ()):
        power = Decimal(str(part["kw"])) if "kw" in part else None
        samples.append(Sample(at, kwh, True, power))
        at += timedelta(minutes=part.get("min", 30))
        kwh += Decimal(str(part["kwh"]))
        samples.append(Sample(at, kwh, True, power))
    if samples:
        return samples
    charging = scenario.get("charging_min", 60 if "energy_kwh" in scenario else 0)
    samples = [Sample(at, kwh, True, None, current)]
    at += timedelta(minutes=charging)
    kwh += Decimal(str(scenario.get("energy_kwh", 0)))
    samples.append(Sample(at, kwh, False, None, None))
    if "parking_min" in scenario:
        samples.append(Sample(at + timedelta(minutes=scenario["parking_min"]), kwh, False))
    return samples


def expired(scenario: dict[str, Any], own: Tariff) -> Priced:
    span = timedelta(minutes=scenario["reservation_min"])
    start = start_of(scenario)
    volume = Volume(CdrDimension.RESERVATION_TIME, Decimal(scenario["reservation_min"]) / 60)
    return price(Cdr(start=start, end=start + span, periods=(ChargingPeriod(start, (volume,)),)), [own], ZONE)


def computed(case: dict[str, Any], version: str) -> tuple[Priced, Priced]:
    """The case priced from samples, and again from the periods that came out."""
    own = tariff(version, case["tariff_file"])
    scenario = case["scenario"]
    if scenario.get("expired"):
        once = expired(scenario, own)
        return once, once
    samples = samples_of(scenario)
    ahead = scenario.get("reservation_min")
    reserved = samples[0].time - timedelta(minutes=ahead) if ahead else None
    done = price_session(samples, [own], ZONE, reserved_from=reserved)
    return done.priced, price(Cdr(start=done.start, end=done.end, periods=done.periods), [own], ZONE)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_golden(case: dict[str, Any]) -> None:
    wrong = not case["spec_arithmetic_ok"]
    assert wrong == (case["id"] in WRONG)
    before, after = case["recomputed"] if wrong else (case["expected_before_taxes"], case["expected_after_taxes"])
    for priced in computed(case, "2.3.0"):
        assert priced.totals.total is not None
        excl, incl = priced.totals.total.excl, priced.totals.total.incl
        assert excl == (None if case["id"] == "na_incl" else Decimal(str(before)))
        if case["id"] == "adhoc_alt_text":
            assert incl == Decimal("4.997")
            assert rounding("EUR").apply(incl) == Decimal("5.00") == Decimal(str(after))
        elif case["id"] == "max_power":
            assert incl == Decimal("24.36")  # not in the text; 20 % of 20.30
        elif case["id"] == "max_duration":
            assert incl == Decimal("0.36")
        else:
            assert incl == (None if after is None else Decimal(str(after)))


@pytest.mark.parametrize("case", [c for c in CASES if not c["id"].startswith("na_")], ids=lambda c: c["id"])
def test_golden_before_2_3(case: dict[str, Any]) -> None:
    """The same examples stand in 2.2.1; there a missing VAT means that none is due."""
    newer = computed(case, "2.3.0")[0].totals.total
    older = computed(case, "2.2.1")[0].totals.total
    assert newer is not None
    assert older is not None
    assert older.excl == newer.excl
    assert older.incl == (older.excl if newer.incl is None else newer.incl)


@pytest.mark.parametrize("case", STEPS, ids=str)
def test_step_sizes(case: dict[str, Any]) -> None:
    step = Decimal(case["step_size"])
    names = {"ENERGY": ["ENERGY"], "TIME": ["TIME"], "TIME+PARKING_TIME": ["TIME", "PARKING_TIME"]}
    money = Decimal(str(case.get("price", 1)))
    components = tuple(PriceComponent(Dimension(n), money, step) for n in names[case["dimension"]])
    own = Tariff(id=tariff("2.3.0", "tariff_1_simple_2hour.json").id, currency="EUR", elements=())
    own = Tariff(own.id, "EUR", (TariffElement(components),))
    start = datetime(2015, 3, 2, 10, tzinfo=UTC)
    at, kwh, samples = start, Decimal(0), [Sample(start, Decimal(0))]
    for part in case.get("parts_kwh", [case["wh"] / 1000] if "wh" in case else []):
        at, kwh = at + timedelta(minutes=10), kwh + Decimal(str(part))
        samples.append(Sample(at, kwh))
    for part in case.get("parts_min", [case["charging_min"]] if "charging_min" in case else []):
        at += timedelta(minutes=part)
        samples.append(Sample(at, kwh, charging="parking_min" not in case))
    if "parking_min" in case:
        at += timedelta(minutes=case["parking_min"])
        samples.append(Sample(at, kwh, charging=False))
    totals = price_session(samples, [own], ZONE).priced.totals
    if "billed_wh" in case:
        assert totals.billed.energy_kwh * 1000 == case["billed_wh"]
        assert totals.energy is not None
        assert totals.energy.excl == Decimal(str(case["cost"]))
    if "billed_total_kwh" in case:
        assert totals.billed.energy_kwh == Decimal(str(case["billed_total_kwh"]))
    if "billed_total_min" in case:
        assert totals.billed.charging_hours * 60 == case["billed_total_min"]
    if "billed_parking_min" in case:
        assert totals.billed.charging_hours * 60 == case["billed_charging_min"]
        assert rounding("EUR").apply(totals.billed.parking_hours * 60) == case["billed_parking_min"]


@pytest.mark.parametrize(
    ("version", "file", "incl"),
    [
        ("2.1.1", "mod_cdrs_01.json", None),
        ("2.2.1", "cdr_example.json", Decimal("4.4")),
        ("2.3.0", "cdr_example.json", Decimal("4.4")),
    ],
)
def test_cdr_examples(version: str, file: str, incl: Decimal | None) -> None:
    """4.00 as printed. 2.1.1 writes the price as a string; 2.3.0's tariff lacks the mandatory tax_included."""
    cdr, tariffs = read((ROOT / version / file).read_bytes(), None, version)
    totals = price(cdr, tariffs, ZONE, Rules.ocpi(version)).totals
    assert totals.total == totals.time
    assert totals.total is not None
    assert (totals.total.excl, totals.total.incl) == (Decimal(4), incl)
    assert totals.billed.charging_hours == 2


def test_complex_tariff_of_2_1_1() -> None:
    """Its restrictions are on power, although the text speaks of amperes; without a VAT nothing is known after."""
    own = tariff("2.1.1", "mod_tariffs_06.json")
    start = datetime(2015, 3, 2, 8, 30, tzinfo=UTC)
    kw = Decimal(11)
    samples = [
        Sample(start, Decimal(0), True, kw),
        Sample(start + timedelta(minutes=165), Decimal(30), False, None),
        Sample(start + timedelta(minutes=207), Decimal(30), False, None),
    ]
    priced = price_session(samples, [own], ZONE, Rules.ocpi("2.1.1")).priced
    assert priced.totals.total is not None
    assert (priced.totals.total.excl, priced.totals.total.incl) == (Decimal(9), None)
    (other,) = [r for r in priced.readings if r.point == "selection"]
    assert other.totals.total is not None
    assert other.totals.total.excl == Decimal("2.5")  # "the first tariff with matching restrictions", literally
