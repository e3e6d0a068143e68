"""``evbridge tariff``: look at tariffs by themselves."""

from __future__ import annotations

import json
import sys

import click

from bridge.cli._price_input import FILE, VERSIONS, InputError, contents, ocpi_path, read_tariffs, without_unknown
from bridge.model.tariff import Tariff
from bridge.tariff import Finding, Severity
from bridge.tariff import lint as look

FOUND, UNUSABLE = 3, 2


@click.group()
def tariff() -> None:
    """Look at OCPI tariffs."""


@tariff.command()
@click.argument("file", type=FILE)
@click.option("--ocpi-version", type=click.Choice(VERSIONS), help="Version the tariffs are meant for.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of lines.")
def lint(file: str, ocpi_version: str | None, as_json: bool) -> None:
    """Say what is wrong or doubtful with the tariffs in FILE (an array, one tariff, or an OCPI message with either).

    Without a version, a tariff with tax_included is taken to be of 2.3.0, any other of 2.2.1. Exit status: 0 if
    there is nothing worse than INFO, 3 otherwise, 2 if the file cannot be read as tariffs.
    """
    try:
        content, unknown = without_unknown(contents(file))
        tariffs = read_tariffs(content)
    except InputError as error:
        click.echo(f"evbridge tariff lint: {error}", err=True)
        sys.exit(UNUSABLE)
    rows = [row for index, own in enumerate(tariffs) for row in _rows(own, index, ocpi_version, unknown)]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    for row in () if as_json else rows:
        click.echo(f"{row['severity']} {row['code']} {row['path']} (tariff {row['tariff']}): {row['message']}")
    if any(row["severity"] != Severity.INFO for row in rows):
        sys.exit(FOUND)


def _rows(own: Tariff, index: int, version: str | None, unknown: list[str]) -> list[dict[str, str]]:
    chosen = version or ("2.2.1" if own.tax_included is None else "2.3.0")
    strange = [
        Finding("UNKNOWN_RESTRICTION", "no OCPI version knows this restriction; without it prices would be others", path)
        for path in unknown
        if path.startswith(f"[{index}].")
    ]
    found = [(f"${f.path}", f) for f in strange]
    found += [(f"$[{index}]" + ocpi_path(f.path, chosen).removeprefix("$"), f) for f in look(own, chosen)]
    return [{"tariff": own.id, "severity": f.severity.value, "code": f.code, "path": path, "message": f.message} for path, f in found]
