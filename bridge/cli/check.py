"""``evbridge check``: what is wrong or missing in the configuration and the imported data, and what waits for a person."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli.serve import CONFIG
from bridge.config import load

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.roaming.agreements import Agreement
    from bridge.roaming.storage import EvseRow


@click.command("check")
@CONFIG
def check(config: Path) -> None:
    """Validate configuration, credentials, mappings and WSDL without starting. Exit status 1 with findings."""
    from bridge.app import Bridge
    from bridge.roaming.upstream import twice

    settings = load(config)
    bridge = Bridge(settings)
    findings = list(_values(bridge))
    notes: list[str] = []
    if settings.store.exists():
        bridge.store.db.open()  # to look only: what a running bridge has in its hands is left there
        evses = [e for e in bridge.store.all_evses() if not e.removed]
        findings += [*_bindings(bridge, evses), *_prices(bridge, evses), *_named(bridge), *_waiting(bridge)]
        notes += [*twice.evses(bridge.store), *twice.providers(bridge.store, bridge.core.authoriser.routes)]
        bridge.store.close()
    else:
        findings += _prices(bridge, [])
    for line in (*findings, *(f"note: {note}" for note in notes)):
        click.echo(line)
    click.echo(f"{config}: {len(settings.operators)} operators, {len(settings.partners)} partners, {len(settings.chargers)} chargers, "
               f"{len(findings)} findings")  # fmt: skip
    sys.exit(1 if findings else 0)


def _values(bridge: Bridge) -> Iterator[str]:
    """Values of partners that replace none of ours."""
    from bridge.mapping.registry import every

    for entry in every():
        for table in entry.mapping.tables() if hasattr(entry.mapping, "tables") else ():
            for partner in bridge.config.partners.values():
                unknown = set(partner.values.get(entry.format, {}).get(table.name, {})) - {
                    str(c.name) for c in (*table.exact_out, *table.narrow_out, *table.never) if hasattr(c, "name")}  # fmt: skip
                yield from (f'values."{entry.format}".{table.name}.{name}: no such canonical value' for name in sorted(unknown))


def _bindings(bridge: Bridge, evses: list[EvseRow]) -> Iterator[str]:
    """EVSEs of ours without a charger, others with one, and connectors without an EVSE."""
    from bridge.app import bindings
    from bridge.model.ids import evse_key
    from bridge.roaming.agreements import OWN

    known, bound = {e.evse_id for e in evses}, {evse_key(b) for b in bindings(bridge.config)}
    ours = {e.evse_id for e in evses if e.origin == OWN}
    yield from (f"EVSE {e} is bound to no charger" for e in sorted(ours - bound))
    yield from (f"EVSE {e} is bound to a charger, and comes from upstream" for e in sorted((known - ours) & bound))
    for name, charger in bridge.config.chargers.items():
        for number, evse in charger.connectors.items():
            if evse_key(evse) not in known:
                yield f"charger {name}, connector {number}: EVSE {evse} is not among the imported locations"


def _agreements(bridge: Bridge) -> Iterator[tuple[str, Agreement]]:
    """Those that hold or will hold, with the key of their tariffs."""
    now = bridge.core.now()
    for name in bridge.config.partners:
        for number, one in enumerate(bridge.book.of(name)):
            if one.valid_until is None or one.valid_until > now:
                yield f"partners.{name}.agreements.{number}.tariffs", one


def _prices(bridge: Bridge, evses: list[EvseRow]) -> Iterator[str]:
    """Agreements by which a CDR is due for EVSEs that no tariff of theirs covers: those sessions would be held."""
    from bridge.roaming.agreements import OWN, Scope

    for key, one in _agreements(bridge):
        if OWN not in one.sources:
            continue
        mine = {e.scope for e in evses if e.operator == one.operator and e.origin == OWN}
        mine = mine or {Scope(one.operator, (group,)) for group in one.groups} or {Scope(one.operator)}
        for groups in sorted({scope.groups for scope in one.unpriced(mine)}):
            which = f"in {', '.join(groups)}" if groups else "in no group"
            yield f"{key}: none covers EVSEs {which}; name one (`*` covers all the others), or set free = true"


def _named(bridge: Bridge) -> Iterator[str]:
    """Tariffs that an agreement names and that were not imported."""
    for key, one in _agreements(bridge):
        more = (name for names in one.preference_tariffs.values() for name in names)
        for name in sorted({*one.tariffs.values(), *more}):
            thing = bridge.store.thing("tariff", name, operator=one.operator)
            if thing is None or thing.removed:
                yield f"{key}: {name} is not among the imported tariffs of {one.operator}"


def _waiting(bridge: Bridge) -> Iterator[str]:
    """CDRs whose deadline is near or has passed, and what else waits for a person."""
    from bridge.roaming.deadlines import late
    from bridge.roaming.held import Desk

    yield from (str(one) for one in late(bridge.store.open_cdrs(), bridge.core.cdr_deadline_hours, bridge.core.now()))
    for one in Desk(bridge.store, bridge.partners, bridge.core.billing).waiting():
        yield f"{one.what} {one.id} waits for a person: {one.because} (`evbridge sessions held`)"
