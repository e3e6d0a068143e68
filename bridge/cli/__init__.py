"""The ``evbridge`` command, one module per subcommand, loaded when called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

_COMMANDS = {
    "map": ("bridge.cli.map", "map_", "Translate a file from one protocol to another, naming every loss."),
    "serve": ("bridge.cli.serve", "serve", "Serve partners and chargers."),
    "check": ("bridge.cli.check", "check", "Validate the configuration without starting."),
    "locations": ("bridge.cli.data", "locations", "Import the operator's locations."),
    "tariffs": ("bridge.cli.data", "tariffs", "Import the operator's tariffs."),
    "tokens": ("bridge.cli.tokens", "tokens", "Confirm a token list that is held."),
    "outbox": ("bridge.cli.operate", "outbox", "List, show and replay outbound work."),
    "cdr": ("bridge.cli.cdr", "cdr", "Take back a CDR by a credit CDR."),
    "sessions": ("bridge.cli.sessions", "sessions", "Settle or discard sessions and CDRs that wait for a person."),
    "held": ("bridge.cli.operate", "held", "List and confirm mass changes that are held."),
    "why": ("bridge.cli.operate", "why", "Tell why a card was refused, and what became of a session."),
    "partner": ("bridge.cli.partner", "partner", "Join partners, and show what they see."),
    "probe": ("bridge.cli.probe", "probe", "Tell where a partner's OCPI departs from the specification."),
    "simulate": ("bridge.cli.simulate", "simulate", "Run a strict stand-in for a partner or charger."),
    "demo": ("bridge.cli.demo", "demo", "Let simulated chargers roam with four simulated partners."),
    "price": ("bridge.cli.price", "price", "Price a CDR."),
    "tariff": ("bridge.cli.tariff", "tariff", "Check a tariff."),
    "explain": ("bridge.cli.explain", "explain", "Print a mapping as a table."),
}


class Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in sorted(_COMMANDS)])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evbridge", prog_name="evbridge")
def cli() -> None:
    """EV roaming bridge: OCPI, OICP, OCHP and OCPP through one canonical model."""


def main(argv: list[str] | None = None) -> Any:
    """Run the command; what it cannot use is one clear line and exit status 2."""
    from bridge.errors import ConfigError

    try:
        return cli.main(argv, prog_name="evbridge", standalone_mode=True)
    except ConfigError as why:
        print(f"evbridge: {why}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
