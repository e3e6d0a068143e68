"""All partners at a glance."""

from __future__ import annotations

from attrs import frozen

from bridge.config import BridgeConfig, PartnerConfig
from bridge.ocpi.credentials import PartnerCredentials
from bridge.store import outbox
from bridge.store.sqlite import SqliteStore


@frozen
class Line:
    """One partner. ``standing``: how far its registration is, or what stands instead of one."""

    name: str
    protocol: str
    role: str
    standing: str
    version: str | None
    waiting: int
    dead: int
    tokens: int


def overview(config: BridgeConfig, store: SqliteStore | None) -> list[Line]:
    """Every configured partner, and every one whose credentials are still kept though it is configured no more."""
    counts = {} if store is None else outbox.counts(store.db.read)
    kept = (
        {}
        if store is None
        else {row["partner"]: bytes(row["body"]) for row in store.db.read.execute("SELECT partner, body FROM credential ORDER BY partner")}
    )
    names = [*config.partners, *sorted(kept.keys() - config.partners.keys())]
    found = []
    for name in names:
        it = config.partners.get(name)
        state = PartnerCredentials.from_json(kept[name]) if name in kept else PartnerCredentials()
        jobs = counts.get(name, {})
        found.append(Line(name, it.protocol if it else "", it.role if it else "", _standing(it, state), state.version,
                          sum(n for what, n in jobs.items() if what != "dead"), jobs.get("dead", 0),
                          store.token_counts(name)[1] if store is not None else 0))  # fmt: skip
    return found


def _standing(it: PartnerConfig | None, state: PartnerCredentials) -> str:
    if it is None:
        return "registered, not configured" if state.registered else "not configured"
    if not it.protocol.startswith("ocpi"):
        return "by contract"
    if state.registered:
        return "registered" if state.confirmed else "registered, not yet called"
    if state.ended:
        return "ended"
    if state.invited is not None:
        return "invited"
    if state.given is not None or it.token is not None:
        return "registering"
    return "invited" if it.inbound_token is not None else "not begun"
