"""Steps, taxes, limits, the choice of tariffs, exactness, rounding, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from attrs import evolve

from bridge.model.cdr import BillingItem, Cdr
from bridge.model.common import Price
from bridge.model.ids import TariffId
from bridge.model.session import Session, SessionStatus
from bridge.model.tariff import PriceLimit, ReservationKind, TaxIncluded
from bridge.tariff import NoTariffError, PricingError, Rules, price, rounding, zone_named
from bridge.tariff.money import EXACT, decimal, quotient, text
from tests.tariff.build import BERLIN, HOUR, MINUTE, MONDAY, cdr, component, d, element, excl, incl, period, priced, tariff

# Steps


@pytest.mark.parametrize(("step", "billed"), [(0, "0.1152"), (1, "0.116"), (25, "0.125"), (500, "0.5"), (10000, "10")])
def test_energy_steps(step: int, billed: str) -> None:
    made = priced(cdr(period(MONDAY, ENERGY="0.1152")), tariff(element(component("ENERGY 0.25", step))))
    assert made.totals.billed.energy_kwh == Decimal(billed)
    assert excl(made.totals.energy) == Decimal(billed) * Decimal("0.25")


def test_a_whole_number_of_steps_stays() -> None:
    own = tariff(element(component("ENERGY 1", 500)))
    assert priced(cdr(period(MONDAY, ENERGY="5.5")), own).totals.billed.energy_kwh == d("5.5")
    more = priced(cdr(period(MONDAY, ENERGY="5.5")), own, rules=Rules(step_count="exceeded"))
    assert more.totals.billed.energy_kwh == 6


def test_the_last_component_gives_the_step_and_the_price() -> None:
    """4.3 kWh and 1.1 kWh make 5.5, not 4.5 and 1.5 (OCPI 2.2.1, mod_cdrs)."""
    own = tariff(
        element(component("ENERGY 0.20", 1000), end_time="12:00"),
        element(component("ENERGY 0.27", 500)),
    )
    made = priced(cdr(period(MONDAY, ENERGY="4.3"), period(MONDAY + HOUR, ENERGY="1.1")), own)
    assert made.totals.billed.energy_kwh == d("5.5")
    assert excl(made.totals.energy) == d("4.3") * d("0.20") + d("1.2") * d("0.27")
    assert [line.volume for line in made.lines] == [d("4.3"), d("1.2")]


def test_a_volume_of_nothing_gives_no_step() -> None:
    own = tariff(element(component("ENERGY 0.20", 500), end_time="12:00"), element(component("ENERGY 9", 1000)))
    made = priced(cdr(period(MONDAY, ENERGY="4.3"), period(MONDAY + HOUR, ENERGY=0, PARKING_TIME=1)), own)
    assert made.totals.billed.energy_kwh == d("4.5")


def test_only_parking_is_rounded_after_charging() -> None:
    own = tariff(element(component("TIME 1", 600), component("PARKING_TIME 2", 600)))
    record = cdr(period(MONDAY, TIME="0.35"), period(MONDAY + 21 * MINUTE, PARKING_TIME="0.2667"), end=MONDAY + 37 * MINUTE)
    billed = priced(record, own).totals.billed
    assert billed.charging_hours == d("0.35")
    assert Fraction(round(billed.parking_hours * 3600)) == 1200


def test_free_parking_leaves_the_step_to_charging() -> None:
    own = tariff(element(component("TIME 1", 600)))
    record = cdr(period(MONDAY, TIME="0.35"), period(MONDAY + 21 * MINUTE, PARKING_TIME="0.2667"))
    assert priced(record, own).totals.billed.charging_hours == d("0.5")


def test_reservation_has_its_own_step() -> None:
    own = tariff(
        element(component("TIME 6", 600), reservation=ReservationKind.RESERVATION),
        element(component("TIME 1", 3600)),
    )
    record = cdr(period(MONDAY, RESERVATION_TIME="0.2"), period(MONDAY + 12 * MINUTE, TIME="0.5"))
    totals = priced(record, own).totals
    assert totals.billed.reservation_hours == decimal(Decimal(1200), 3600)
    assert totals.billed.charging_hours == 1
    assert excl(totals.reservation) == 2


# Exactness


def test_four_decimals_of_an_hour() -> None:
    """10 minutes are written 0.1667 h, which are 600.12 s; the timestamps say what is meant."""
    own = tariff(element(component("TIME 6", 60)))
    record = cdr(period(MONDAY, TIME="0.1667"), end=MONDAY + 10 * MINUTE)
    made = priced(record, own)
    assert excl(made.totals.time) == 1
    (other,) = made.readings
    assert (other.point, excl(other.totals.time)) == ("hours", d("1.1"))
    later = evolve(record, end=MONDAY + 10 * MINUTE + timedelta(seconds=1))
    assert excl(priced(later, own).totals.time) == d("1.1")  # too far away to be the same figure


def test_amounts_without_end_have_twelve_places() -> None:
    own = tariff("TIME 1")
    made = priced(cdr(period(MONDAY, TIME="0.3333"), end=MONDAY + 20 * MINUTE), own)
    assert excl(made.totals.time) == d("0.333333333333")
    assert made.rounded().time == Price(d("0.33"), d("0.33"))


def test_three_thirds_are_one() -> None:
    """Only what is printed is cut: the sum of three thirds is exact."""
    own = tariff("TIME 1")
    parts = [period(MONDAY + k * 20 * MINUTE, TIME="0.3333") for k in range(3)]
    assert excl(priced(cdr(*parts, end=MONDAY + HOUR), own).totals.total) == 1


def test_many_digits_are_kept() -> None:
    own = tariff(element(component("ENERGY 0.1234567890123456789", 0)))
    made = priced(cdr(period(MONDAY, ENERGY="1234567.1234567890123")), own)
    exact = Fraction("0.1234567890123456789") * Fraction("1234567.1234567890123")
    assert Fraction(excl(made.totals.total) or 0) == exact


@pytest.mark.parametrize("volume", ["1E+500", "1E-500", "NaN", "Infinity"])
def test_absurd_figures_are_refused(volume: str) -> None:
    record = cdr(period(MONDAY, ENERGY=volume), period(MONDAY + HOUR, ENERGY=1))
    with pytest.raises(PricingError) as caught:
        priced(record, tariff("ENERGY 0.25"))
    assert caught.value.path.startswith("periods")


def test_numbers_as_text() -> None:
    assert [text(Decimal(v)) for v in ("5E+1", "1.500", "-0", "0E-9", "0.10", "100")] == ["50", "1.5", "0", "0", "0.1", "100"]
    assert decimal(Decimal(1), 8) == d("0.125")
    assert decimal(Fraction(2, 3)) == d("0.666666666667")
    assert quotient(Decimal(1), 3) == Fraction(1, 3)
    assert EXACT.prec == 400


# Taxes

GROSS, NET, NONE = TaxIncluded.YES, TaxIncluded.NO, TaxIncluded.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("included", "vat", "before", "after"),
    [
        (None, "20", "10", "12"),
        (None, None, "10", "10"),
        (None, "0", "10", "10"),
        (NET, "20", "10", "12"),
        (NET, None, "10", None),
        (GROSS, "25", "8", "10"),
        (GROSS, "19", "8.403361344538", "10"),
        (GROSS, None, None, "10"),
        (NONE, None, "10", "10"),
        (NONE, "20", "10", "10"),
    ],
)
def test_taxes(included: TaxIncluded | None, vat: str | None, before: str | None, after: str | None) -> None:
    own = tariff(element(component("ENERGY 1", 0, vat)), tax_included=included)
    total = priced(cdr(period(MONDAY, ENERGY=10)), own).totals.total
    assert total == Price(None if before is None else d(before), None if after is None else d(after))


def test_free_of_charge_is_known_with_and_without_taxes() -> None:
    for included in (None, NET, GROSS, NONE):
        own = tariff(element(component("FLAT 0", 0)), tax_included=included)
        assert priced(cdr(period(MONDAY, ENERGY=10)), own).totals.total == Price(d(0), d(0))


def test_one_unknown_tax_makes_the_total_unknown() -> None:
    own = tariff(element(component("ENERGY 1", 0, "20"), component("FLAT 2", 0)), tax_included=NET)
    totals = priced(cdr(period(MONDAY, ENERGY=10)), own).totals
    assert (totals.energy, totals.fixed, totals.total) == (Price(d(10), d(12)), Price(d(2)), Price(d(12)))


def test_2_1_1_knows_no_vat() -> None:
    made = priced(cdr(period(MONDAY, ENERGY=10)), tariff("ENERGY 1"), rules=Rules.ocpi("2.1.1"))
    assert made.totals.total == Price(d(10), None)
    with pytest.raises(ValueError, match="OCPI 9 is not known"):
        Rules.ocpi("9")


def test_gross_prices_add_up_exactly() -> None:
    """A third of something is never written down on the way."""
    own = tariff(element(component("ENERGY 1", 0, "19"), component("FLAT 0.19", 0, "19")), tax_included=GROSS)
    made = priced(cdr(period(MONDAY, ENERGY=1)), own)
    assert made.totals.total == Price(d(1), d("1.19"))


# Limits


def limited(energy: str, **limits: PriceLimit | None) -> Price | None:
    own = tariff(element(component("ENERGY 1", 0, "20")), **limits)
    return priced(cdr(period(MONDAY, ENERGY=energy)), own).totals.total


def test_limits_hold_before_and_after_taxes_by_themselves() -> None:
    low, high = PriceLimit(d(5), d("5.5")), PriceLimit(d(10), d(11))
    assert limited("1", min_price=low) == Price(d(5), d("5.5"))
    assert limited("4.8", min_price=low) == Price(d(5), d("5.76"))
    assert limited("20", max_price=high) == Price(d(10), d(11))
    assert limited("9.5", max_price=high) == Price(d("9.5"), d(11))
    assert limited("7", min_price=low, max_price=high) == Price(d(7), d("8.4"))


def test_a_limit_of_one_side_leaves_the_other() -> None:
    assert limited("1", min_price=PriceLimit(d(5))) == Price(d(5), d("1.2"))
    assert limited("20", max_price=PriceLimit(incl=d(11))) == Price(d(20), d(11))


def test_a_minimum_is_due_even_if_nothing_is_priced() -> None:
    own = tariff("PARKING_TIME 1", min_price=PriceLimit(d(5), d(6)))
    totals = priced(cdr(period(MONDAY, ENERGY=1)), own).totals
    assert (totals.total, totals.energy, totals.parking) == (Price(d(5), d(6)), None, None)
    assert priced(cdr(period(MONDAY, ENERGY=1)), tariff("PARKING_TIME 1", max_price=PriceLimit(d(5)))).totals.total is None


def test_parts_are_not_limited() -> None:
    own = tariff("ENERGY 1", max_price=PriceLimit(d(3), d(3)))
    made = priced(cdr(period(MONDAY, ENERGY=10)), own)
    assert (excl(made.totals.energy), excl(made.totals.total)) == (d(10), d(3))
    assert [(c.limit, c.side) for c in made.bill.capped] == [("max_price", "excl"), ("max_price", "incl")]


# Which tariff


def test_the_tariff_valid_at_the_start() -> None:
    old = tariff("ENERGY 1", id=TariffId("OLD"), valid_until=MONDAY)
    new = tariff("ENERGY 2", id=TariffId("NEW"), valid_from=MONDAY)
    record = cdr(period(MONDAY, ENERGY=1))
    assert [t.id for t in priced(record, old, new).tariffs] == ["NEW"]
    before = MONDAY - timedelta(seconds=1)
    made = priced(cdr(period(before, ENERGY=1), period(MONDAY, ENERGY=1)), old, new)
    assert [t.id for t in made.tariffs] == ["OLD"]  # kept to the end of the session
    with pytest.raises(NoTariffError):
        priced(record, old)
    with pytest.raises(NoTariffError):
        priced(record)


def test_the_tariff_that_a_period_names() -> None:
    a = tariff("ENERGY 1", id=TariffId("A"))
    b = tariff("ENERGY 2", id=TariffId("B"))
    record = cdr(period(MONDAY, "b", ENERGY=1), period(MONDAY + HOUR, "A", ENERGY=1), period(MONDAY + 2 * HOUR, ENERGY=1))
    made = priced(record, a, b)
    assert excl(made.totals.total) == 3
    assert [(u.period, u.reason) for u in made.unpriced] == [(2, "no tariff is relevant for this period")]
    assert not made.findings


def test_a_tariff_that_was_not_given_is_never_guessed() -> None:
    record = cdr(period(MONDAY, "A", ENERGY=1), period(MONDAY + HOUR, "C", ENERGY=1))
    made = priced(record, tariff("ENERGY 1", id=TariffId("A")))
    assert excl(made.totals.total) == 1
    assert [(f.code, f.path) for f in made.findings] == [("TARIFF_MISSING", "periods[1].tariff_id")]
    with pytest.raises(NoTariffError, match="tariff C was not given"):
        priced(cdr(period(MONDAY, "C", ENERGY=1)), tariff("ENERGY 1", id=TariffId("A")))


def test_a_named_tariff_has_to_be_valid() -> None:
    own = tariff("ENERGY 1", id=TariffId("A"), valid_from=MONDAY + HOUR)
    late = cdr(period(MONDAY, "A", ENERGY=1), period(MONDAY + HOUR, "A", ENERGY=1))
    made = priced(late, own)
    assert excl(made.totals.total) == 1
    assert [(f.code, f.path) for f in made.findings] == [("TARIFF_NOT_VALID", "periods[0].tariff_id")]


def test_currencies_do_not_mix() -> None:
    record = cdr(period(MONDAY, "A", ENERGY=1), period(MONDAY + HOUR, "B", ENERGY=1))
    with pytest.raises(PricingError, match="EUR and CHF"):
        priced(record, tariff("ENERGY 1", id=TariffId("A")), tariff("ENERGY 1", id=TariffId("B"), currency="CHF"))


def test_a_flat_fee_is_due_once() -> None:
    own = tariff("FLAT 2")
    assert excl(priced(cdr(*(period(MONDAY + k * HOUR, ENERGY=1) for k in range(5))), own).totals.fixed) == 2


# What comes out


def test_lines_add_up_and_fit_the_canonical_cdr() -> None:
    own = tariff(
        element(component("FLAT 1", 0, "20"), component("ENERGY 0.3", 1000, "20"), component("PARKING_TIME 6", 60, "20")),
        tax_included=GROSS,
    )
    record = cdr(period(MONDAY, ENERGY="2.2", TIME=1), period(MONDAY + HOUR, ENERGY="1.1", TIME="0.5"))
    record = evolve(record, periods=(*record.periods, period(MONDAY + 2 * HOUR, PARKING_TIME="0.55")), end=MONDAY + 3 * HOUR)
    made = priced(record, own)
    lines = made.cdr_lines
    assert [line.item for line in lines] == [
        BillingItem.SERVICE_FEE,
        BillingItem.ENERGY,
        BillingItem.ENERGY,
        BillingItem.PARKING_TIME,
    ]
    assert [line.volume for line in lines] == [d(1), d("2.2"), d("1.8"), d("0.55")]
    assert sum(line.cost or d(0) for line in lines) == excl(made.totals.total)
    assert lines[1].unit_price == d("0.25")
    assert lines[0].start == MONDAY
    assert lines[-1].end == MONDAY + 3 * HOUR


def test_a_session_that_is_still_open() -> None:
    session = Session(start=MONDAY, status=SessionStatus.ACTIVE, periods=(period(MONDAY, ENERGY=2, TIME="0.1667"),))
    made = price(session, [tariff("ENERGY 1", "TIME 6")], BERLIN)
    assert excl(made.totals.total) == d("3.0002")  # no end yet: the volume as it is told
    with pytest.raises(PricingError, match="no end"):
        _ = made.cdr_lines


def test_a_reservation_that_still_runs_has_not_expired() -> None:
    own = tariff(element("FLAT 4", reservation=ReservationKind.RESERVATION_EXPIRES), element("FLAT 9"))
    periods = (period(MONDAY, RESERVATION_TIME=1),)
    waiting = Session(start=MONDAY, end=MONDAY + HOUR, status=SessionStatus.RESERVATION, periods=periods)
    assert price(waiting, [own], BERLIN).totals.total is None
    assert excl(price(evolve(waiting, status=SessionStatus.COMPLETED), [own], BERLIN).totals.total) == 4


def test_nothing_priced_is_no_amount() -> None:
    totals = priced(cdr(period(MONDAY, ENERGY=1)), tariff("PARKING_TIME 1")).totals
    assert totals.total is None
    assert totals.parking is None
    assert totals.billed.energy_kwh == 0


# Rounding


@pytest.mark.parametrize(
    ("currency", "value", "rounded"),
    [
        ("EUR", "1.005", "1.01"),
        ("EUR", "1.0049999", "1.00"),
        ("EUR", "-1.005", "-1.01"),
        ("JPY", "1.5", "2"),
        ("HUF", "10.49", "10"),
        ("KWD", "1.0005", "1.001"),
        ("XXY", "0.125", "0.13"),
        ("eur", "0.125", "0.13"),
    ],
)
def test_rounding(currency: str, value: str, rounded: str) -> None:
    policy = rounding(currency)
    assert policy.name == "half-up to the minor unit"
    assert policy.apply(d(value)) == d(rounded)
    assert policy.apply(Fraction(value)) == d(rounded)


def test_rounding_is_from_the_exact_value() -> None:
    """0.0049999... must not become 0.005 on the way and then 0.01."""
    policy = rounding("EUR")
    below = Fraction(5, 1000) - Fraction(1, 10**15)
    assert policy.apply(below) == 0
    assert policy.apply(below * 3600, 3600) == 0
    assert policy.unit == d("0.01")


def test_rounded_totals() -> None:
    own = tariff(element(component("ENERGY 0.333", 0, "19")))
    made = priced(cdr(period(MONDAY, ENERGY=10)), own)
    assert made.totals.total == Price(d("3.33"), d("3.9627"))
    assert made.rounded().total == Price(d("3.33"), d("3.96"))
    assert made.rounded(rounding("JPY")).total == Price(d(3), d(4))


# What is refused


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (Cdr(periods=(period(MONDAY, ENERGY=1),)), "start"),
        (Cdr(start=MONDAY), "periods"),
        (Cdr(start=datetime(2026, 3, 2), periods=(period(MONDAY),)), "start"),  # noqa: DTZ001
        (Cdr(start=MONDAY, end=datetime(2026, 3, 2), periods=(period(MONDAY),)), "end"),  # noqa: DTZ001
        (Cdr(start=MONDAY, periods=(period(datetime(2026, 3, 2)),)), "periods[0].start"),  # noqa: DTZ001
        (cdr(period(MONDAY, ENERGY=1, TIME="NaN")), "periods[0].volumes[1].volume"),
        (cdr(period(datetime(1, 1, 1, tzinfo=UTC), ENERGY=1)), "start"),
        (cdr(period(MONDAY, ENERGY=1), end=datetime(9999, 1, 1, tzinfo=UTC)), "end"),
        (cdr(period(datetime(1, 1, 1, tzinfo=UTC), ENERGY=1), start=MONDAY, end=MONDAY), "periods[0].start"),
    ],
)
def test_unusable_records(record: Cdr, path: str) -> None:
    with pytest.raises(PricingError) as caught:
        priced(record, tariff("ENERGY 1"))
    assert caught.value.path == path
    assert caught.value.reason in str(caught.value)


@pytest.mark.parametrize(
    ("text_", "step", "vat", "path"),
    [("ENERGY NaN", 0, None, "price"), ("ENERGY 1", -1, None, "step"), ("ENERGY 1", 0, "-100", "vat")],
)
def test_unusable_tariffs(text_: str, step: int, vat: str | None, path: str) -> None:
    fine = tariff("ENERGY 1", id=TariffId("OTHER"), valid_until=MONDAY)
    with pytest.raises(PricingError) as caught:
        priced(cdr(period(MONDAY, ENERGY=1)), fine, tariff("FLAT 1", element(component(text_, step, vat))))
    assert caught.value.path == f"tariffs[1].elements[1].components[0].{path}"


def test_zones_by_name() -> None:
    assert zone_named("Europe/Berlin").key == "Europe/Berlin"
    for bad in ("Europe/Nowhere", "", "../etc/passwd", "CEST+1"):
        with pytest.raises(PricingError, match="no time zone"):
            zone_named(bad)


def test_after_taxes_is_never_below_before_without_limits() -> None:
    own = tariff(element(component("ENERGY 1", 0, "19"), component("FLAT 1", 0)))
    total = priced(cdr(period(MONDAY, ENERGY=1)), own).totals.total
    assert (incl(total) or d(0)) >= (excl(total) or d(0))
