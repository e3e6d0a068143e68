"""``evbridge sessions held|show|settle|discard``: what waits for a person, and what the person decides.

Done beside a bridge that runs: it finds the outbound work in the store, within half a minute.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs
import click
import orjson

from bridge.cli.operate import opened, tell_session
from bridge.cli.serve import CONFIG
from bridge.config import load
from bridge.roaming.audit import Unsettled
from bridge.roaming.billing import ByHand
from bridge.roaming.credits import NotCredited
from bridge.roaming.held import Desk, NothingHeld

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.roaming.storage import SessionRow
    from bridge.store.sqlite import SqliteStore

T = TypeVar("T")
ID = click.argument("ident", metavar="ID")
TIME = click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])


class _Kwh(click.ParamType[Decimal]):
    """kWh, not negative."""

    name = "kWh"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            made = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is no number", param, ctx)
        if not made.is_finite() or made < 0:
            self.fail(f"{value} kWh cannot have been charged", param, ctx)
        return made


KWH = _Kwh()


@click.group("sessions")
def sessions() -> None:
    """Sessions and CDRs that wait for a person."""


@sessions.command("held")
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def held(config: Path, as_json: bool) -> None:
    """List held sessions, refused CDRs and stops of unknown transactions, each with the ID by which the others know it."""

    async def work(desk: Desk) -> None:
        found = desk.waiting()
        if as_json:
            click.echo(orjson.dumps([attrs.asdict(one) for one in found], option=orjson.OPT_INDENT_2))
            return
        for one in found:
            at = one.at.isoformat(timespec="seconds") if one.at is not None else ""
            kwh = f", {one.kwh} kWh" if one.kwh else ""
            click.echo(f"{one.id:36}  {one.what:7}  {at}  {one.partner or '-':16} {one.where}{kwh}: {one.because}")

    _at_the_desk(config, work)


@sessions.command("show")
@ID
@CONFIG
def show(ident: str, config: Path) -> None:
    """Show a session by its id, transaction number or CDR, with meter values, CDRs and history; uids are masked."""
    store = opened(config)
    row = _session(store, ident)
    if row is None:
        click.echo(f"no session has the id, transaction number or CDR {ident}", err=True)
        sys.exit(2)
    tell_session(store.db.read, row.id)
    click.echo(f"    at {row.charge_point}/{row.connector}, EVSE {row.evse_id}, for {row.partner or 'nobody'}; "
               f"tariff {row.auth.get('tariff') or 'none'}; register {row.meter_start} to {row.meter_stop} Wh")  # fmt: skip
    for one in store.samples(row.id):
        power = "" if one.power_kw is None else f", {one.power_kw} kW"
        current = "" if one.current_a is None else f", {one.current_a} A"
        value = "signed value" if one.register_kwh is None else f"{one.register_kwh} kWh{power}{current}"
        click.echo(f"    {one.at.isoformat(timespec='seconds')}  {value}")
    store.close()


@sessions.command("settle")
@ID
@CONFIG
@click.option("--tariff", help="Bill by this tariff, as it is now.")
@click.option("--kwh", type=KWH, help="The energy, where the registers are wrong: the CDR then tells no registers.")
@click.option("--start", type=TIME, help="When it began (UTC), where the charger's clock was wrong.")
@click.option("--end", type=TIME, help="When it ended (UTC).")
def settle(ident: str, config: Path, tariff: str | None, kwh: Decimal | None, start: datetime | None, end: datetime | None) -> None:
    """Bill the held session ID by the configuration as it is now, or send the refused CDR ID; ID may be that of its session.

    Exit status 2 if nothing waits by that name, 3 if it still cannot be settled.
    """
    by_hand = ByHand(tariff, kwh, utc(start), utc(end))

    async def work(desk: Desk) -> None:
        done = await desk.settle(ident, by_hand)
        if done.state == "refused":
            click.echo(f"CDR {done.id} is kept for a person: {done.error}", err=True)
            sys.exit(3)
        where = "kept: nobody is due it" if done.partner is None or done.state == "kept" else f"for {done.partner}: {done.state}"
        click.echo(f"CDR {done.id} {where}, {done.kwh} kWh, {done.total} {done.currency}")

    _at_the_desk(config, work)


@sessions.command("discard")
@ID
@CONFIG
@click.option("--because", required=True, help="Why, for the history.")
def discard(ident: str, config: Path, because: str) -> None:
    """End the held session ID without a CDR, drop the refused CDR ID, or put the stop ID aside.

    Exit status 2 if nothing waits by that name.
    """
    if not because.strip():
        raise click.UsageError("--because: a reason is needed")

    async def work(desk: Desk) -> None:
        click.echo(f"{await desk.discard(ident, because.strip())} {ident} discarded")

    _at_the_desk(config, work)


def _session(store: SqliteStore, ident: str) -> SessionRow | None:
    """A session by its id, its transaction number, or a CDR of it."""
    row = store.session(id=ident) or (store.session(tx=int(ident)) if ident.isdecimal() else None)
    cdr = store.cdr(ident) if row is None else None
    while cdr is not None and (before := cdr.credits or cdr.replaces) is not None:
        cdr = store.cdr(before)
    return row if cdr is None else store.session(id=cdr.session)


def utc(moment: datetime | None) -> datetime | None:
    """A time of the command line, which is UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def _at_the_desk(config: Path, work: Callable[[Desk], Awaitable[T]]) -> T:
    return beside_the_bridge(config, lambda bridge: work(Desk(bridge.store, bridge.partners, bridge.core.billing)))


def beside_the_bridge(config: Path, work: Callable[[Bridge], Awaitable[T]]) -> T:
    """What a person decides. Exit status 2 if it is not there to be decided, 3 if it cannot be done."""
    from bridge.app import beside

    opened(config).close()

    async def run() -> T:
        async with beside(load(config)) as bridge:
            return await work(bridge)

    try:
        return asyncio.run(run())
    except (NothingHeld, NotCredited) as why:
        click.echo(str(why), err=True)
        sys.exit(2)
    except Unsettled as why:
        click.echo(str(why), err=True)
        sys.exit(3)
