"""``evbridge demo``: simulated chargers roam with four simulated partners."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.console import Console
from rich.table import Table

from bridge.demo.play import Failed, Line, play


@click.command("demo")
def demo() -> None:
    """Start the bridge, a simulated Hubject, clearing house, two eMSPs and three chargers; let drivers of each charge.

    Exit status 0 if every session ended in a CDR at the right partner, none lost, none doubled, nothing rejected.
    """
    console = Console() if sys.stdout.isatty() else Console(width=180)
    try:
        if console.is_terminal:
            with console.status("starting") as status:
                lines, counts, rejections = asyncio.run(play(lambda text: (status.update(text), console.print(f"[dim]{text}[/]"))[0]))  # type: ignore[func-returns-value]
        else:
            lines, counts, rejections = asyncio.run(play(lambda text: click.echo(text)))
    except Failed as why:
        console.print(f"failed: {why}", markup=False)
        sys.exit(1)
    _show(console, lines)
    console.print(f"{counts['sessions']} sessions, {counts['acknowledged']} CDRs acknowledged, {counts['lost']} lost, "
                  f"{counts['duplicated']} duplicated")  # fmt: skip
    for one in rejections:
        console.print(f"rejected: {one}", markup=False)
    whole = counts["acknowledged"] == counts["sessions"] and not counts["lost"] and not counts["duplicated"]
    sys.exit(0 if whole and not rejections else 1)


def _show(console: Console, lines: list[Line]) -> None:
    table = Table("session", "partner", "authorised", "kWh", "price (net)", "CDR", "reference at the partner", "losses")
    for line in lines:
        table.add_row(line.session, line.owner, line.how, line.kwh, line.price, line.state, line.reference, str(line.losses))
    console.print(table)
