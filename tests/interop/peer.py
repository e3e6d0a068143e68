"""Interoperability with a peer that runs already: a partner's test system, or another implementation started by hand.

    python -m tests.interop.peer VERSIONS_URL --role emsp --ocpi 2.2.1 --token-a TOKEN --card UID --card-to-ask UID
    python -m tests.interop.peer VERSIONS_URL --role cpo  --ocpi 2.2.1 --token-a TOKEN
    python -m tests.interop.peer VERSIONS_URL --role cpo  --ocpi 2.2.1 --token TOKEN

With ``--token-a`` it registers at the peer, which must be able to reach this machine, plays through everything that both sides do, and
ends the registration. With ``--token`` (of a registration that is there) it probes. It fetches and builds nothing.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import click

from bridge.probe.options import Options, Side
from tests.interop import as_operator, as_provider
from tests.interop.checks import Checks


@click.command()
@click.argument("url")
@click.option("--role", type=click.Choice(["emsp", "cpo"]), required=True, help="What the peer is.")
@click.option("--ocpi", "version", type=click.Choice(["2.1.1", "2.2.1", "2.3.0"]), default="2.2.1", show_default=True)
@click.option("--token-a", help="A registration token of the peer.")
@click.option("--token", help="The token of a registration with the peer, to probe it.")
@click.option("--party", help="Our country and party in that registration, such as DE*ABC.")
@click.option("--card", default="", help="A card of the peer that it lists.")
@click.option("--card-to-ask", default="", help="A card of the peer that it has to be asked about.")
@click.option("--write", is_flag=True, help="Let the probe send what cannot take effect.")
def main(url: str, role: Side, version: str, token_a: str | None, token: str | None, party: str | None, card: str, card_to_ask: str,
         write: bool) -> None:  # fmt: skip
    """Play through OCPI with the peer at URL (its versions URL)."""
    checks = Checks(f"{url} as {role}, OCPI {version}")

    async def play() -> None:
        if token_a and role == "emsp":
            with tempfile.TemporaryDirectory(prefix="interop-") as room:
                await as_operator.play(checks, Path(room), as_operator.Peer(url, token_a, version, card, card_to_ask))
        elif token_a:
            await as_provider.play(checks, url, token_a, version)
        if token:
            country, _, ident = (party or "").partition("*")
            ours = (country, ident) if ident else None
            await checks.probe(Options(url, token, side=role, versions=(version,), party=ours, write=write))

    asyncio.run(play())
    checks.print()
    sys.exit(0 if checks.done and all(ok for _, ok, _ in checks.done) else 1)


if __name__ == "__main__":
    main()
