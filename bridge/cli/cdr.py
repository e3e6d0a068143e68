"""``evbridge cdr credit``: a CDR that its partner has is taken back by a credit CDR, and replaced where it was wrong.

Done beside a bridge that runs: it finds the outbound work in the store, within half a minute.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.serve import CONFIG
from bridge.cli.sessions import KWH, TIME, beside_the_bridge, utc
from bridge.roaming.billing import ByHand
from bridge.roaming.credits import Credits

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.roaming.storage import CdrRow


@click.group("cdr")
def cdr() -> None:
    """CDRs that partners have."""


@cdr.command("credit")
@click.argument("ident", metavar="CDR_ID")
@CONFIG
@click.option("--because", required=True, help="Why, for the history.")
@click.option("--replace", "replaced", is_flag=True, help="Bill the session anew: a replacement CDR follows the credit.")
@click.option("--tariff", help="Replace: bill by this tariff, as it is now.")
@click.option("--kwh", type=KWH, help="Replace: the energy, where the registers are wrong.")
@click.option("--start", type=TIME, help="Replace: when it began (UTC).")
@click.option("--end", type=TIME, help="Replace: when it ended (UTC).")
def credit(ident: str, config: Path, because: str, replaced: bool, tariff: str | None, kwh: Decimal | None, start: datetime | None,
           end: datetime | None) -> None:  # fmt: skip
    """Send a credit CDR for the CDR CDR_ID, which its OCPI 2.2.1 or 2.3.0 partner has acknowledged.

    Exit status 2 if it cannot be credited, 3 if the credit or its replacement cannot be written: nothing has changed then.
    """
    if not because.strip():
        raise click.UsageError("--because: a reason is needed")
    by_hand = ByHand(tariff, kwh, utc(start), utc(end))
    if by_hand != ByHand() and not replaced:
        raise click.UsageError("--tariff, --kwh, --start and --end are about a replacement: --replace is missing")

    async def work(bridge: Bridge) -> None:
        desk = Credits(bridge.store, bridge.partners, bridge.core.billing, bridge.core.now)
        done = await desk.credit(ident, because.strip(), by_hand if replaced else None)
        click.echo(f"CDR {ident} credited: {_line(done.credit)}")
        if done.replacement is not None:
            click.echo(f"CDR {ident} replaced: {_line(done.replacement)}")

    beside_the_bridge(config, work)


def _line(row: CdrRow) -> str:
    return f"CDR {row.id} for {row.partner}: {row.state}, {row.kwh} kWh, {row.total} {row.currency}"
