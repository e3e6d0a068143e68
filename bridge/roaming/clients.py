"""The bridge as a hub: it tells its partners whom they reach through it, and whether these are there.

OCPI 2.2.1 and 2.3.0, mod_hub_client_info, Sender. A partner is told of the parties of those partners whose objects it gets or
who get its own. Whoever has been silent for five minutes is asked whether it is still there, in a way that does nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from attrs import evolve

from bridge.errors import Declined, Refused, Unreachable
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.roaming.agreements import OWN, Book
from bridge.roaming.authorise import fault
from bridge.roaming.client_lists import HasParties, of
from bridge.roaming.ports import Kind, Partner
from bridge.roaming.storage import Happening, Outbound, Storage
from bridge.roaming.upstream.feed import Feed

log = logging.getLogger(__name__)

SILENCE: Final = 300.0
"""Seconds after which a silent partner is asked whether it is there (the specification: when unsure, five minutes)."""
LOOK: Final = 15.0
"""Seconds between two looks at all partners."""


class Clients:
    """Keeps the list, and tells it."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, feeds: Mapping[str, Feed],
                 now: Callable[[], datetime], wake: Callable[[str], None] = lambda partner: None) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.feeds = feeds
        self.now = now
        self.wake = wake
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="parties that are reached through us")

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as why:  # noqa: BLE001  (tried again)
                log.error("the parties that are reached through us cannot be told: %s", fault(why))
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """See who is there, and tell those who may know what has changed."""
        able = {name: partner for name, partner in self.partners.items() if isinstance(partner, HasParties)}
        lists = dict(zip(able, await asyncio.gather(*(self._list(n, p) for n, p in able.items())), strict=True))
        for name in able:
            outbound = self._told(name, lists)
            if outbound:
                await self.store.save_things((), (), outbound)
                self.wake(name)

    # --- who is there

    async def _list(self, name: str, partner: HasParties) -> list[ClientInfo]:
        """A partner's parties as they are now. One that it had and has no more is SUSPENDED: none is ever deleted."""
        known = {(c.id.key, c.role): c for c in self.store.clients(of(name))}
        status = await self._status(name, partner)
        now = self.now().replace(microsecond=0)
        found: dict[tuple[str, Role], ClientInfo] = {}
        for party, role in partner.clients:
            found[party.key, role] = ClientInfo(party, role, status, now)
        for key, one in known.items():
            found.setdefault(key, evolve(one, status=ConnectionStatus.SUSPENDED, last_updated=now))
        changed = [one for key, one in found.items() if key not in known or known[key].status is not one.status]
        if changed:
            history = [Happening("party that is reached through us", name, str(one.id), f"{one.role}: {one.status}") for one in changed]
            await self.store.save_clients(of(name), changed, history)
        return [one if one in changed else known[key] for key, one in found.items()]

    async def _status(self, name: str, partner: HasParties) -> ConnectionStatus:
        if partner.standing is not ConnectionStatus.CONNECTED or partner.silent < SILENCE:
            return partner.standing
        try:
            await partner.still_alive()
        except Unreachable as why:
            log.info("%s is not there: %s", name, why)
            return ConnectionStatus.OFFLINE
        except Declined:
            pass  # a definite no is an answer
        return ConnectionStatus.CONNECTED

    # --- who hears of it

    def reached(self, name: str) -> set[str]:
        """The partners whose objects a partner gets, or who get its own."""
        sources = {partner: {s for a in self.book.of(partner) for s in a.sources if s != OWN} for partner in self.partners}
        gets = sources[name] | {p for p, feed in self.feeds.items() if name in feed.tokens_from}
        feed = self.feeds.get(name)
        gives = {p for p, theirs in sources.items() if name in theirs} | set(feed.tokens_from if feed is not None else ())
        return (gets | gives) - {name}

    def _told(self, name: str, lists: Mapping[str, list[ClientInfo]]) -> list[Outbound]:
        """What a partner may know. Of those whom it reaches no longer it hears once that they are SUSPENDED."""
        partner, reached = self.partners[name], self.reached(name)
        made: list[Outbound] = []
        for source, clients in lists.items():
            if source == name or (source not in reached and not self.store.published(name, Kind.CLIENT, source)):
                continue
            for one in clients:
                if source not in reached and one.status is not ConnectionStatus.SUSPENDED:
                    one = evolve(one, status=ConnectionStatus.SUSPENDED, last_updated=self.now().replace(microsecond=0))
                made += _encoded(name, partner, source, one)
        return made


def _encoded(name: str, partner: Partner, source: str, one: ClientInfo) -> list[Outbound]:
    """The record, noticed as changed by its status alone; none where the partner's protocol or version has no such thing."""
    if Kind.CLIENT not in partner.kinds:
        return []
    try:
        made = partner.encode(Kind.CLIENT, one)
    except Refused:
        return []
    return [Outbound(name, Kind.CLIENT, source, e.key, e.body, e.meta, digest=one.status.value) for e in made]


__all__ = ["Clients"]
