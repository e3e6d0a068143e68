"""``evbridge price``: compute again what an OCPI CDR costs, and say where its own figures differ."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any, NoReturn

import click

from bridge.cli._price_input import FILE, VERSIONS, InputError, contents, ocpi_path, read
from bridge.model.cdr import Cdr
from bridge.model.common import Price
from bridge.tariff import (
    Finding,
    NoTariffError,
    Priced,
    PricingError,
    Rounding,
    Rules,
    Totals,
    check,
    explain,
    explanation,
    rounding,
    zone_named,
)
from bridge.tariff import price as compute
from bridge.tariff.money import text

FOUND, UNUSABLE, NO_TARIFF = 3, 2, 4
"""Exit statuses: something contradicts the computation; input that cannot be used; no tariff is valid."""

_TOTALS = (
    ("total_cost", "total"),
    ("total_energy_cost", "energy"),
    ("total_time_cost", "time"),
    ("total_parking_cost", "parking"),
    ("total_fixed_cost", "fixed"),
    ("total_reservation_cost", "reservation"),
)


@click.command()
@click.argument("cdr", type=FILE)
@click.option("--tariffs", type=FILE, help="Tariffs (a JSON array); the CDR's own if left out.")
@click.option("--ocpi-version", type=click.Choice(VERSIONS), required=True, help="Version that CDR and tariffs are in.")
@click.option("--time-zone", help="IANA zone of the place; that of a 2.1.1 CDR's location if left out.")
@click.option("--round", "rounded", is_flag=True, help="Round amounts to the currency: half up, to its minor unit.")
@click.option("--tolerance", help="How far a total may differ, in the currency (default: a minor unit per component).")
@click.option("--explain", "explained", is_flag=True, help="Print where every amount comes from, as text.")
def price(
    cdr: str,
    tariffs: str | None,
    ocpi_version: str,
    time_zone: str | None,
    rounded: bool,
    tolerance: str | None,
    explained: bool,
) -> None:
    """Compute the price of an OCPI CDR (a file, or - for standard input) from its periods and tariffs.

    Prints one JSON object. Exit status: 0; 3 if something in the CDR contradicts the computation; 2 if the input
    cannot be used; 4 if no tariff is valid.
    """
    near = _tolerance(tolerance)
    try:
        record, given = read(contents(cdr), None if tariffs is None else contents(tariffs), ocpi_version)
    except InputError as error:
        _stop(UNUSABLE, str(error))
    try:
        zone = zone_named(_zone(time_zone, record))
        priced = compute(record, given, zone, Rules.ocpi(ocpi_version))
        findings = check(record, priced, near)
        policy = rounding(priced.currency) if rounded else None
        said = _said(priced, findings, ocpi_version) if explained else _answer(priced, findings, ocpi_version, policy)
    except NoTariffError as error:
        _stop(NO_TARIFF, f"{_where(error.path, ocpi_version)}: {error.reason}")
    except PricingError as error:
        _stop(UNUSABLE, f"{_where(error.path, ocpi_version)}: {error.reason}")
    click.echo(said)
    if findings:
        sys.exit(FOUND)


def _tolerance(said: str | None) -> Decimal | None:
    try:
        value = None if said is None else Decimal(said)
    except ArithmeticError:
        value = Decimal(-1)
    if value is not None and not (value.is_finite() and value >= 0):
        raise click.BadParameter(f"{said!r} is no amount", param_hint="--tolerance")
    return value


def _zone(said: str | None, record: Cdr) -> str:
    zone = said or record.place.time_zone
    if zone is None:
        raise PricingError("zone", "the time zone of the place is missing: give it with --time-zone")
    return zone


def _where(path: str, version: str) -> str:
    return "--time-zone" if path == "zone" else ocpi_path(path, version)


def _stop(status: int, message: str) -> NoReturn:
    click.echo(f"evbridge price: {message}", err=True)
    sys.exit(status)


def _said(priced: Priced, findings: list[Finding], version: str) -> str:
    """The explanation as text, with what contradicts it and what other readings give."""
    rows = [explain(priced).rstrip()]
    rows += [f"{finding.code} {ocpi_path(finding.path, version)}: {finding.message}" for finding in findings]
    rows += [f"otherwise {_both(reading.totals.total)}: {reading.assumes}" for reading in priced.readings]
    return "\n".join(rows)


def _answer(priced: Priced, findings: list[Finding], version: str, policy: Rounding | None) -> str:
    """The contract's JSON object."""
    answer: dict[str, Any] = {"currency": priced.currency}
    answer |= _amounts(priced.totals if policy is None else priced.rounded(policy))
    if policy is not None:
        answer["rounding"] = {"policy": policy.name, "digits": policy.digits}
    answer["findings"] = [
        {
            "code": finding.code,
            "message": finding.message,
            "path": ocpi_path(finding.path, version),
            "severity": finding.severity.value,
        }
        for finding in findings
    ]
    answer["readings"] = [
        {
            "point": reading.point,
            "assumes": reading.assumes,
            "chosen": reading.chosen,
            **_amounts(reading.totals if policy is None else reading.rounded(policy)),
        }
        for reading in priced.readings
    ]
    answer["explanation"] = explanation(priced)
    return json.dumps(answer, indent=2, ensure_ascii=False)


def _amounts(totals: Totals) -> dict[str, Any]:
    amounts: dict[str, Any] = {name: _price(getattr(totals, part)) for name, part in _TOTALS}
    billed = totals.billed
    amounts["billed"] = {
        "energy_kwh": text(billed.energy_kwh),
        "charging_hours": text(billed.charging_hours),
        "parking_hours": text(billed.parking_hours),
        "reservation_hours": text(billed.reservation_hours),
    }
    return amounts


def _price(amount: Price | None) -> dict[str, str | None] | None:
    if amount is None:
        return None
    return {
        "excl_vat": None if amount.excl is None else text(amount.excl),
        "incl_vat": None if amount.incl is None else text(amount.incl),
    }


def _both(amount: Price | None) -> str:
    if amount is None:
        return "nothing"
    excl, incl = ("unknown" if side is None else text(side) for side in (amount.excl, amount.incl))
    return f"{excl} before taxes, {incl} after"
