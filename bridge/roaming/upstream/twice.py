"""What can be reached twice: an EVSE that several tell of, a provider whose tokens several partners gave.

Neither is wrong: hubs overlap. One is chosen, always the same; people may want to know which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from bridge.model.ids import ContractId, IdError, evse_key
from bridge.roaming.agreements import OWN
from bridge.roaming.authorise import Route
from bridge.roaming.upstream.storage import UpstreamStorage


def evses(store: UpstreamStorage) -> Iterator[str]:
    """EVSEs that come from elsewhere as well; they are published from where they were known first."""
    chosen = {row.evse_id: row for row in store.all_evses() if not row.removed}
    for operator, key in store.keys("location"):
        thing = store.thing("location", key, operator=operator)
        if thing is None:
            continue
        for evse in orjson.loads(thing.body).get("evses", ()):
            row = chosen.get(evse_key(evse["id"])) if evse.get("id") and evse.get("status") != "REMOVED" else None
            if row is not None and row.origin != thing.origin:
                yield (f"EVSE {row.written} comes from {_from(row.origin)} and, with location {key}, from {_from(thing.origin)}: "
                       "it is published as it came first")  # fmt: skip


def _from(origin: str) -> str:
    return "us" if origin == OWN else origin


def providers(store: UpstreamStorage, routes: Mapping[str, Route]) -> Iterator[str]:
    """Providers whose valid tokens several partners gave; they are asked by the preferred one."""
    found: dict[str, set[str]] = {}
    for contract, partner in store.contracts():
        try:
            found.setdefault(str(ContractId.parse(contract).party), set()).add(partner)
        except IdError:
            continue  # it names no provider
    for provider, partners in sorted(found.items()):
        if len(partners) > 1:
            ranked = sorted(partners, key=lambda name: (routes.get(name) or Route(name, asks=False)).rank)
            yield f"provider {provider} is reached by {', '.join(ranked)}: {ranked[0]} is preferred"
