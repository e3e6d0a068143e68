"""``evbridge tokens confirm``: take a partner's token list that the guard against mass changes holds."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from bridge.cli.serve import CONFIG
from bridge.config import BridgeConfig, load


@click.group("tokens")
def tokens() -> None:
    """Driver tokens of partners."""


@tokens.command("confirm")
@CONFIG
@click.argument("partner")
def confirm(config: Path, partner: str) -> None:
    """Take the token list of PARTNER that is held. Exit status 2 if none is."""
    settings = load(config)
    if partner not in settings.partners:
        raise click.UsageError(f"there is no partner {partner}; there are {', '.join(settings.partners)}")
    try:
        stored, revoked = asyncio.run(_confirm(settings, partner))
    except LookupError as why:
        click.echo(str(why.args[0]), err=True)
        sys.exit(2)
    click.echo(f"{stored} tokens stored, {revoked} revoked")


async def _confirm(settings: BridgeConfig, partner: str) -> tuple[int, int]:
    from bridge.app import beside

    async with beside(settings) as bridge:
        taken = await bridge.core.confirm_tokens(partner)
    return taken.stored, taken.revoked
