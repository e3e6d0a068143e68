"""``evbridge serve``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from bridge.config import load

CONFIG = click.option("--config", "config", type=click.Path(path_type=Path, dir_okay=False), default=Path("bridge.toml"), show_default=True,
                      help="The configuration.")  # fmt: skip


@click.command("serve")
@CONFIG
def serve(config: Path) -> None:
    """Serve until SIGTERM; what is under way is finished first."""
    from bridge.app import run

    asyncio.run(run(load(config)))
