"""``evbridge locations import`` and ``evbridge tariffs import``: the operator's own data."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bridge.cli.serve import CONFIG
from bridge.config import BridgeConfig, load
from bridge.mapping.context import Settings
from bridge.mapping.loss import REFUSED, Loss
from bridge.mapping.registry import UnknownFormat, find
from bridge.translate.files import BadInput
from bridge.translate.pipeline import Translator

FROM = click.option("--from", "from_", required=True, metavar="FORMAT", help="Format of the file, such as ocpi-2.2.1.")
OPERATOR = click.option("--operator", help="Which operator's, if there are several.")
FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))


def read(kind: str, from_: str, file: Path) -> tuple[list[Any], int]:
    """The canonical objects of a file, and how many records could not be used (each told on standard error)."""
    try:
        source, target = find(from_, kind), find("canonical", kind)
    except UnknownFormat as why:
        raise click.UsageError(str(why.args[0])) from why

    def report(ident: str, loss: Loss) -> None:
        if loss.kind == REFUSED:
            click.echo(f"refused {ident}: {loss.path or '$'}: {loss.because}", err=True)

    translator = Translator(source, target, Settings())
    with file.open("rb") as opened:
        try:
            found = list(_all(translator, source.codec.read(opened), report))
        except BadInput as why:
            click.echo(f"{file}: {why}", err=True)
            sys.exit(2)
    return found, translator.tally.refused


def _all(translator: Translator, records: Any, report: Any) -> Iterator[Any]:
    yield from translator.run(records, report)


def _operator(config: BridgeConfig, name: str | None) -> str:
    if name is None and len(config.operators) == 1:
        return next(iter(config.operators))
    if name not in config.operators:
        raise click.UsageError(f"--operator: one of {', '.join(config.operators)}")
    return str(name)


@click.group("locations")
def locations() -> None:
    """The operator's locations."""


@locations.command("import")
@FILE
@FROM
@OPERATOR
@CONFIG
@click.option("--group", "groups", multiple=True, metavar="LOCATION=GROUP", help="Puts a location into a group; may be repeated.")
@click.option("--confirm", is_flag=True, help="Do it even if it removes more than the configured share.")
def import_locations(file: Path, from_: str, operator: str | None, config: Path, groups: tuple[str, ...], confirm: bool) -> None:
    """Import all locations of an operator. Unchanged ones change nothing, missing ones become REMOVED.

    Exit status 3 if some records were refused, 4 if the change is held for confirmation.
    """
    settings = load(config)
    name = _operator(settings, operator)
    found, refused = read("location", from_, file)
    grouped: dict[str, list[str]] = {}
    for one in groups:
        location, _, group = one.partition("=")
        grouped.setdefault(location, []).append(group)
    result = asyncio.run(_import_locations(settings, name, found, grouped, confirm))
    if result.held is not None:
        click.echo(f"held as {result.held}: {result.removed} locations would be removed, {result.lost} EVSEs not be seen any more; "
                   "again with --confirm to do it", err=True)  # fmt: skip
        sys.exit(4)
    click.echo(f"{result.new} new, {result.changed} changed, {result.unchanged} unchanged, {result.removed} removed")
    sys.exit(3 if refused else 0)


async def _import_locations(settings: BridgeConfig, operator: str, found: list[Any], groups: dict[str, list[str]], confirm: bool) -> Any:
    from bridge.app import beside, bindings

    async with beside(settings) as bridge:
        return await bridge.core.publisher.import_locations(operator, found, groups=groups, bound=bindings(settings), confirmed=confirm)


@click.group("tariffs")
def tariffs() -> None:
    """The operator's tariffs."""


@tariffs.command("import")
@FILE
@FROM
@OPERATOR
@CONFIG
def import_tariffs(file: Path, from_: str, operator: str | None, config: Path) -> None:
    """Import tariffs of an operator. Exit status 3 if some records were refused."""
    settings = load(config)
    name = _operator(settings, operator)
    found, refused = read("tariff", from_, file)
    result = asyncio.run(_import_tariffs(settings, name, found))
    click.echo(f"{result.new} new, {result.changed} changed, {result.unchanged} unchanged")
    sys.exit(3 if refused else 0)


async def _import_tariffs(settings: BridgeConfig, operator: str, found: list[Any]) -> Any:
    from bridge.app import beside

    async with beside(settings) as bridge:
        return await bridge.core.publisher.import_tariffs(operator, found)
