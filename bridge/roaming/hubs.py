"""What hubs tell of the parties behind them, and what follows from it (OCPI 2.2.1 and 2.3.0, mod_hub_client_info).

A party that is OFFLINE, PLANNED or SUSPENDED gets no requests: it is not asked about its drivers, and what is for it alone, its
drivers' sessions and CDRs, waits until it is back. A hub pushes changes; its whole list is pulled at the start and once a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from bridge.errors import Declined, Unreachable
from bridge.model.ids import IdError, PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.roaming.authorise import fault
from bridge.roaming.client_lists import GivesClients, told_by
from bridge.roaming.ports import TO, Job, Partner
from bridge.roaming.storage import Happening, Storage

log = logging.getLogger(__name__)

PULL: Final = 86_400.0
"""Seconds between two pulls of a hub's list."""
SOONEST: Final = 1.0
LATEST: Final = 60.0
"""Seconds until a pull that failed is tried again: doubled from the first to the last."""

_KEY = tuple[str, str]
"""A party and its role."""


class Hubs:
    """Knows which parties behind hubs can be reached."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], now: Callable[[], datetime],
                 wake: Callable[[str], None] = lambda partner: None) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.now = now
        self.wake = wake
        self._known: dict[str, dict[_KEY, ClientInfo]] = {}
        self._changing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    # --- who can be reached

    def away(self, partner: str, party: PartyId | None, role: Role = Role.EMSP) -> ConnectionStatus | None:
        """Why a party behind a partner gets no requests now; None: it does, as far as is known.

        A party that is known in other roles only counts as away if it is in all of them.
        """
        hub = self.partners.get(partner)
        if party is None or not isinstance(hub, GivesClients) or not hub.hub:
            return None
        known = self._of(partner)
        found = known.get(_key(party, role))
        told = [found] if found is not None else [one for (key, _), one in known.items() if key == party.key]
        away = [one.status for one in told if one.status is not ConnectionStatus.CONNECTED]
        return away[0] if away and len(away) == len(told) else None

    def held(self, job: Job) -> str | None:
        """Why a job waits for a party to come back, or None."""
        to = job.meta.get(TO)
        if to is None:
            return None
        with contextlib.suppress(IdError):
            party = PartyId.of(*to)
            status = self.away(job.partner, party)
            return None if status is None else f"{party} is {status} at {job.partner}"
        return None

    def find(self, hub: str, party: PartyId) -> ClientInfo | None:
        """What a hub has told of a party, the newest if in several roles."""
        found = [one for (key, _), one in self._of(hub).items() if key == party.key]
        return max(found, key=lambda one: one.last_updated, default=None)

    def _of(self, hub: str) -> dict[_KEY, ClientInfo]:
        if hub not in self._known:
            self._known[hub] = {_key(one.id, one.role): one for one in self.store.clients(told_by(hub))}
        return self._known[hub]

    # --- what hubs tell

    async def take(self, hub: str, info: ClientInfo) -> bool:
        """What a hub tells of a party; True if it told nothing of it before. What is older than what is known changes nothing."""
        async with self._changing:
            known = self._of(hub)
            before = known.get(_key(info.id, info.role))
            if before is not None and info.last_updated < before.last_updated:
                return False
            await self.store.save_clients(told_by(hub), (info,), _changes(hub, before, info))
            known[_key(info.id, info.role)] = info
        if _returns(before, info):
            await self._hurry(hub)
        return before is None

    async def pull(self, name: str, hub: GivesClients) -> int:
        """Take a hub's whole list; parties that it has no more are forgotten. Raises Unreachable or Declined.

        What the hub pushes while its pages are read is newer than they are.
        """
        started = dict(self._of(name))
        found: dict[_KEY, ClientInfo] = {}
        async for batch in hub.pull_clients():
            found |= {_key(one.id, one.role): one for one in batch}
        async with self._changing:
            known = self._of(name)
            found |= {key: one for key, one in known.items() if started.get(key) is not one}
            history = [line for key, one in found.items() for line in _changes(name, known.get(key), one)]
            gone = [one for key, one in known.items() if key not in found]
            history += [Happening("party behind a hub forgotten", name, str(one.id), one.role.value) for one in gone]
            await self.store.save_clients(told_by(name), list(found.values()), history, whole=True)
            self._known[name] = found
        if gone or any(_returns(known.get(key), one) for key, one in found.items()):
            await self._hurry(name)
        return len(found)

    async def _hurry(self, hub: str) -> None:
        await self.store.hurry(hub)
        self.wake(hub)

    # --- all the time

    def start(self) -> None:
        """Begin pulling."""
        for name, partner in self.partners.items():
            if isinstance(partner, GivesClients) and partner.hub:
                self._tasks.append(asyncio.create_task(self._pull(name, partner), name=f"parties behind {name}"))

    async def stop(self) -> None:
        """End it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _pull(self, name: str, hub: GivesClients) -> None:
        pause = SOONEST
        while True:
            wait = PULL
            try:
                await self.pull(name, hub)
                pause = SOONEST
            except Declined as why:  # it tells no list, or none to us: pushes are all there is
                log.info("%s does not tell which parties are behind it: %s", name, why)
            except Unreachable as why:
                log.warning("%s: the parties behind it cannot be pulled: %s", name, why)
                wait, pause = pause, min(pause * 2, LATEST)
            except Exception as why:  # noqa: BLE001  (tried again)
                log.error("the parties behind %s cannot be pulled: %s", name, fault(why))
                wait = LATEST
            await asyncio.sleep(wait)


def _key(party: PartyId, role: Role) -> _KEY:
    return party.key, role.value


def _returns(before: ClientInfo | None, after: ClientInfo) -> bool:
    return after.status is ConnectionStatus.CONNECTED and before is not None and before.status is not ConnectionStatus.CONNECTED


def _changes(hub: str, before: ClientInfo | None, after: ClientInfo) -> list[Happening]:
    if before is not None and before.status is after.status:
        return []
    return [Happening("party behind a hub", hub, str(after.id), f"{after.role}: {after.status}")]


__all__ = ["Hubs"]
