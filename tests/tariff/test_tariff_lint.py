"""What is wrong or doubtful with a tariff by itself."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from attrs import evolve

from bridge.model.location import RegularHours
from bridge.model.tariff import (
    Dimension,
    PriceLimit,
    ReservationKind,
    Restrictions,
    Tariff,
    TariffElement,
    TariffKind,
    TaxIncluded,
)
from bridge.tariff import Severity, lint
from tests.tariff.build import MONDAY, component, d, element, tariff


def codes(own: Tariff, version: str | None = None) -> set[tuple[str, str]]:
    return {(f.code, f.path) for f in lint(own, version)}


def test_a_sound_tariff() -> None:
    own = tariff(
        element(component("FLAT 0.5", 1, "19")),
        element(component("ENERGY 0.3", 1, "19"), start_time="22:00", end_time="06:00"),
        element(component("ENERGY 0.5", 1, "19"), component("PARKING_TIME 6", 1, "19")),
        tax_included=TaxIncluded.NO,
        min_price=PriceLimit(d(1), d("1.19")),
        max_price=PriceLimit(d(50), d("59.5")),
    )
    assert lint(own, "2.3.0") == []


@pytest.mark.parametrize(
    ("own", "code", "path"),
    [
        (tariff(), "NO_ELEMENTS", "elements"),
        (tariff(TariffElement(())), "NO_COMPONENTS", "elements[0].components"),
        (tariff("ENERGY 1", currency="EURO"), "CURRENCY_UNKNOWN", "currency"),
        (tariff("ENERGY 1", valid_from=MONDAY, valid_until=MONDAY), "NEVER_VALID", "valid_until"),
        (tariff("FLAT 2"), "FLAT_ALONE", "elements"),
        (tariff(element("ENERGY 1", "ENERGY 2")), "SECOND_COMPONENT", "elements[0].components[1]"),
        (tariff("ENERGY -1"), "NEGATIVE_PRICE", "elements[0].components[0].price"),
        (
            tariff(element("ENERGY 1", reservation=ReservationKind.RESERVATION)),
            "RESERVATION_DIMENSION",
            "elements[0].components[0]",
        ),
        (tariff(element("ENERGY 1", start_time="9")), "UNUSABLE", "elements[0].restrictions"),
        (tariff(element("ENERGY 1", start_time="10:00", end_time="10:00"), "ENERGY 2"), "NEVER_MATCHES", "elements[0].restrictions"),
        (tariff(element("ENERGY 1", min_kwh=5, max_kwh=5)), "NEVER_MATCHES", "elements[0].restrictions"),
        (tariff(element("ENERGY 1", max_kwh=0)), "NEVER_MATCHES", "elements[0].restrictions"),
        (tariff(element("ENERGY 1", min_power=20, max_power=10)), "NEVER_MATCHES", "elements[0].restrictions"),
        (tariff(element("ENERGY 1", min_current=20, max_current=10)), "NEVER_MATCHES", "elements[0].restrictions"),
        (tariff(element("TIME 1", min_duration=60, max_duration=60)), "NEVER_MATCHES", "elements[0].restrictions"),
        (
            tariff(element("ENERGY 1", start_date=date(2026, 3, 2), end_date=date(2026, 3, 2))),
            "NEVER_MATCHES",
            "elements[0].restrictions",
        ),
        (  # a Monday and a Tuesday
            tariff(element("ENERGY 1", start_date=date(2026, 3, 2), end_date=date(2026, 3, 4), days=(3, 4))),
            "NEVER_MATCHES",
            "elements[0].restrictions",
        ),
        (
            tariff(element("ENERGY 1", end_date=date(2026, 3, 2)), "ENERGY 2", valid_from=MONDAY + timedelta(days=9)),
            "NEVER_MATCHES",
            "elements[0].restrictions",
        ),
        (tariff("ENERGY 1", "ENERGY 2"), "HIDDEN_BY_ORDER", "elements[1].components[0]"),
        (tariff(element("ENERGY 1", min_kwh=5), element("ENERGY 2", min_kwh=9)), "HIDDEN_BY_ORDER", "elements[1].components[0]"),
        (  # two that together cover a third
            tariff(element("ENERGY 1", end_time="12:00"), element("ENERGY 2", start_time="12:00"), element("ENERGY 3", days=(1,))),
            "HIDDEN_BY_ORDER",
            "elements[2].components[0]",
        ),
        (tariff(element("ENERGY 1", start_time="06:00")), "GAP", "elements"),
        (tariff(element("ENERGY 1", days=(1, 2, 3, 4, 5, 6))), "GAP", "elements"),
        (tariff(element("TIME 1", max_duration=3600)), "GAP", "elements"),
        (
            tariff(element("ENERGY 1", days=(6, 7)), element("ENERGY 2", end_time="08:00"), "ENERGY 3"),
            "OVERLAP",
            "elements[1].restrictions",
        ),
        (tariff(element(component("TIME 3", 900))), "STEP_AGAINST_DRIVER", "elements[0].components[0].step"),
        (tariff(element(component("ENERGY 0.5", 500))), "STEP_AGAINST_DRIVER", "elements[0].components[0].step"),
        (
            tariff(element(component("ENERGY 1", 1, "19")), tax_included=TaxIncluded.NOT_APPLICABLE),
            "VAT_CONTRADICTION",
            "elements[0].components[0].vat",
        ),
        (tariff(element(component("ENERGY 1", 1, "119"))), "VAT_ABSURD", "elements[0].components[0].vat"),
        (tariff(element(component("ENERGY 1", 1, "19"), "TIME 1")), "VAT_PARTLY_MISSING", "elements[0].components[1].vat"),
        (tariff("ENERGY 1", tax_included=TaxIncluded.NO), "AFTER_TAXES_UNKNOWN", "elements[0].components[0].vat"),
        (tariff("ENERGY 1", tax_included=TaxIncluded.YES), "BEFORE_TAXES_UNKNOWN", "elements[0].components[0].vat"),
        (tariff(element(component("ENERGY 1", 1, "19")), min_price=PriceLimit(d(1))), "LIMIT_ONE_SIDED", "min_price.incl"),
        (tariff("ENERGY 1", max_price=PriceLimit(d(5), d(4))), "LIMIT_CONTRADICTION", "max_price.incl"),
        (
            tariff("ENERGY 1", max_price=PriceLimit(d(5), d(6)), tax_included=TaxIncluded.NOT_APPLICABLE),
            "LIMIT_CONTRADICTION",
            "max_price.incl",
        ),
        (
            tariff("ENERGY 1", min_price=PriceLimit(d(5), d(5)), max_price=PriceLimit(d(4), d(6))),
            "MIN_ABOVE_MAX",
            "min_price.excl",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_findings(own: Tariff, code: str, path: str) -> None:
    assert (code, path) in codes(own)


@pytest.mark.parametrize(
    "own",
    [
        tariff(element("ENERGY 1", start_time="22:00", end_time="06:00"), "ENERGY 2"),
        tariff(element("ENERGY 1", end_time="00:00")),
        tariff(element("ENERGY 1", min_power=11), element("ENERGY 2", max_power=11)),
        tariff(element("ENERGY 1", min_kwh=5), "ENERGY 2"),
        tariff(element("TIME 1", min_duration=3600), element("TIME 2", max_duration=3600)),
        tariff(element("ENERGY 1", days=(1, 2, 3, 4, 5)), element("ENERGY 2", days=(6, 7))),
        tariff(element("ENERGY 1", start_date=date(2026, 1, 1)), element("ENERGY 2", end_date=date(2026, 1, 1))),
        tariff(element("FLAT 1", reservation=ReservationKind.RESERVATION), "ENERGY 1"),
        tariff("FLAT 0"),
        tariff(element(component("ENERGY 0.01", 1000))),
    ],
)
def test_what_is_fine(own: Tariff) -> None:
    assert lint(own) == []


def test_an_overlap_with_the_same_price_is_none() -> None:
    own = tariff(element("ENERGY 1", days=(6, 7)), element("ENERGY 1", end_time="08:00"), "ENERGY 3")
    assert codes(own) == set()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"min_price": PriceLimit(d(1), d(1))}, "min_price"),
        ({"max_price": PriceLimit(d(1), d(1))}, "max_price"),
        ({"kind": TariffKind.REGULAR}, "kind"),
        ({"valid_from": MONDAY}, "valid_from"),
        ({"valid_until": MONDAY}, "valid_until"),
        ({"elements": (element(component("ENERGY 1", 1, "19")),)}, "elements[0].components[0].vat"),
        ({"elements": (element("ENERGY 1", min_current=1),)}, "elements[0].restrictions.min_current"),
        ({"elements": (element("ENERGY 1", max_current=1),)}, "elements[0].restrictions.max_current"),
        (
            {"elements": (element("TIME 1", reservation=ReservationKind.RESERVATION),)},
            "elements[0].restrictions.reservation",
        ),
    ],
)
def test_what_2_1_1_does_not_know(change: dict[str, Any], path: str) -> None:
    own = evolve(tariff("ENERGY 1"), **change)
    assert ("NOT_IN_VERSION", path) in codes(own, "2.1.1")
    assert ("NOT_IN_VERSION", path) not in codes(own, "2.2.1")
    assert codes(tariff("ENERGY 1"), "2.1.1") == set()


def test_what_only_2_3_0_knows() -> None:
    own = tariff("ENERGY 1", tax_included=TaxIncluded.NOT_APPLICABLE)
    assert codes(own, "2.3.0") == set()
    assert codes(own, "2.2.1") == codes(own, "2.1.1") == {("NOT_IN_VERSION", "tax_included")}
    assert codes(tariff("ENERGY 1"), "2.3.0") == {("TAX_INCLUDED_MISSING", "tax_included")}


@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
def test_what_no_ocpi_knows(version: str) -> None:
    windows = (RegularHours(1, "08:00", "12:00"),)
    held = Restrictions(windows=windows, start=MONDAY, end=MONDAY + timedelta(days=9))
    own = tariff(TariffElement((component("ENERGY 1"), component("POWER 1")), held))
    paths = {path for code, path in codes(own, version) if code == "NOT_IN_VERSION"}
    assert paths == {
        "elements[0].restrictions.windows",
        "elements[0].restrictions.start",
        "elements[0].restrictions.end",
        "elements[0].components[1].dimension",
    }


def test_words() -> None:
    own = tariff(element("ENERGY 1", start_time="06:00", end_time="22:00", days=(1, 2, 3, 4, 5)))
    (gap,) = lint(own)
    assert gap.message == "ENERGY is free where no element matches, for example Mon 00:00"
    step = next(f for f in lint(tariff(element(component("TIME 3.60", 901)))) if f.code == "STEP_AGAINST_DRIVER")
    assert step.message == "a step of 901 s adds up to 0.9 EUR to what was used"
    hidden = next(f for f in lint(tariff("ENERGY 1", "ENERGY 2")) if f.code == "HIDDEN_BY_ORDER")
    assert hidden.severity is Severity.WARNING


def test_too_many_combinations_are_said_to_be() -> None:
    elements = [
        element("ENERGY 1", start_time=f"{k:02}:15", min_kwh=k, max_power=k + 1, min_current=k, min_duration=k, days=(1, 2, 3))
        for k in range(1, 24)
    ]
    assert ("NOT_TRIED", "elements") in codes(tariff(*elements))


def test_second_dimension_is_looked_at_apart() -> None:
    own = tariff(element("ENERGY 1", "TIME 1"), element("TIME 2"))
    assert codes(own) == {("HIDDEN_BY_ORDER", "elements[1].components[0]")}
    assert Dimension.TIME in lint(own)[0].message


def test_figures_beyond_all_measure_are_a_finding() -> None:
    assert codes(tariff(element(component("TIME 1E+300", 7, "1E-200")))) == {("UNUSABLE", "elements")}
