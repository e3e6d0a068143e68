"""``evbridge simulate``: strict stand-ins for partners and chargers."""

from __future__ import annotations

import importlib

import click

_KINDS = {
    "hubject": ("bridge.simulate.hubject", "command", "A strict OICP 2.3 hub."),
    "clearing-house": ("bridge.simulate.clearing_house", "command", "A strict OCHP 1.4 clearing house."),
    "emsp": ("bridge.simulate.emsp", "command", "A strict OCPI eMSP."),
    "cpo": ("bridge.simulate.cpo", "command", "A strict OCPI CPO."),
    "charger": ("bridge.simulate.charger", "charger", "A strict OCPP 1.6J charger."),
}


class _Stands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_KINDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _KINDS:
            return None
        module, attribute, _ = _KINDS[name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _KINDS[name][2]) for name in sorted(_KINDS)])


@click.group("simulate", cls=_Stands)
def simulate() -> None:
    """Strict stand-ins: they validate every message by the specification and answer with the protocol's own errors."""
