"""``evbridge serve`` and ``evbridge check``."""

from __future__ import annotations

import asyncio
import sys
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


@click.command("check")
@CONFIG
def check(config: Path) -> None:
    """Validate configuration, credentials, mappings and WSDL without starting. Exit status 1 with findings."""
    from bridge.app import Bridge, bindings
    from bridge.mapping.registry import every
    from bridge.model.ids import evse_key
    from bridge.roaming.agreements import OWN
    from bridge.roaming.deadlines import late
    from bridge.roaming.upstream import twice

    settings = load(config)
    bridge = Bridge(settings)
    findings: list[str] = []
    notes: list[str] = []
    for entry in every():
        for table in entry.mapping.tables() if hasattr(entry.mapping, "tables") else ():
            for partner in settings.partners.values():
                unknown = set(partner.values.get(entry.format, {}).get(table.name, {})) - {
                    str(c.name) for c in (*table.exact_out, *table.narrow_out, *table.never) if hasattr(c, "name")}  # fmt: skip
                findings += [f'values."{entry.format}".{table.name}.{name}: no such canonical value' for name in sorted(unknown)]
    if settings.store.exists():
        bridge.store.db.open()  # to look only: what a running bridge has in its hands is left there
        bound = bindings(settings)
        known = {e.evse_id for e in bridge.store.all_evses() if not e.removed}
        ours = {e.evse_id for e in bridge.store.all_evses() if not e.removed and e.origin == OWN}
        findings += [f"EVSE {e} is bound to no charger" for e in sorted(ours) if e not in {evse_key(b) for b in bound}]
        findings += [f"EVSE {e} is bound to a charger, and comes from upstream" for e in sorted(known - ours)
                     if e in {evse_key(b) for b in bound}]  # fmt: skip
        findings += [f"charger {name}, connector {number}: EVSE {evse} is not among the imported locations"
                     for name, c in settings.chargers.items() for number, evse in c.connectors.items()
                     if evse_key(evse) not in known]  # fmt: skip
        findings += [str(one) for one in late(bridge.store.open_cdrs(), bridge.core.cdr_deadline_hours, bridge.core.now())]
        findings += [f"session {one} waits for a person: `evbridge why --session {one}`" for one in bridge.store.held_sessions()]
        findings += [f"CDR {one} is kept for a person: `evbridge why --reference {one}`" for one in bridge.store.orphans()]
        notes = [*twice.evses(bridge.store), *twice.providers(bridge.store, bridge.core.authoriser.routes)]
        bridge.store.close()
    for line in (*findings, *(f"note: {note}" for note in notes)):
        click.echo(line)
    click.echo(f"{config}: {len(settings.operators)} operators, {len(settings.partners)} partners, {len(settings.chargers)} chargers, "
               f"{len(findings)} findings")  # fmt: skip
    sys.exit(1 if findings else 0)
