"""When a partner comes to speak another format, what it is shown and what waits for it is written anew.

Until that is done nothing is sent to it, and its GETs wait. Locations, tariffs, statuses and sessions are what they are now. A CDR
that the partner may have is never sent in other bytes than before; one that it cannot have yet is written anew from the canonical
CDR, and so is what its GETs show of any. Which format all of it is written in is remembered, so that a restart does not forget it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import orjson
from attrs import evolve

from bridge.errors import Refused, Unreachable
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.roaming import settle
from bridge.roaming.audit import Unsettled
from bridge.roaming.deliver import Dispatcher
from bridge.roaming.ports import Kind, Partner, Renegotiates
from bridge.roaming.publish import Publisher
from bridge.roaming.storage import Happening, Outbound, Storage

PATIENCE = 20.0
"""Seconds that a GET waits for what it is to show."""


class Formats:
    """Which format each partner's objects are written in."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], publisher: Publisher,
                 told: Callable[[str], list[Outbound]], dispatchers: Mapping[str, Dispatcher],
                 tokens: Callable[[str], Awaitable[None]]) -> None:  # fmt: skip
        """``told`` gives a session as it stands, ``tokens`` brings those for an upstream operator up to date."""
        self.store = store
        self.partners = partners
        self.publisher = publisher
        self.told = told
        self.dispatchers = dispatchers
        self.tokens = tokens
        self._changed = asyncio.Event()
        self._written = asyncio.Event()

    async def begin(self, name: str) -> None:
        """A partner is open: hear when its format changes. What was written before the first time is in the one it has now."""
        partner = self.partners[name]
        if isinstance(partner, Renegotiates):
            partner.changed = self._hears
            if self.store.mark(_mark(name)) is None:
                await self.store.set_mark(_mark(name), partner.format)

    def _hears(self, name: str) -> None:
        self._changed.set()

    async def change(self, seconds: float) -> None:
        """Return when a partner's format has changed, or after some time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    def settled(self, name: str) -> bool:
        """Whether what is there for a partner is in the format that it speaks."""
        partner = self.partners.get(name)
        return not isinstance(partner, Renegotiates) or self.store.mark(_mark(name)) in (None, partner.format)

    async def wait(self, name: str) -> None:
        """Return when it is. Raises Unreachable if that takes too long."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not self.settled(name):
                    await self._written.wait()
        except TimeoutError as why:
            raise Unreachable("what it is shown is being written anew") from why

    async def align(self) -> None:
        """Write anew what has to be."""
        for name, partner in self.partners.items():
            while not self.settled(name):
                async with self.dispatchers[name].still():
                    await self._rewrite(name, partner, partner.format)

    async def _rewrite(self, name: str, partner: Partner, format_: str) -> None:
        waited = await self.store.recall(name, (Kind.SESSION,))
        await self.publisher.align({name}, gone=True)
        await self._sessions(name, {key for _, key in waited})
        await self._cdrs(name, partner)
        await self.tokens(name)
        await self.store.set_mark(_mark(name), format_)
        await self.store.happened(Happening("written in another format", name, detail=format_))
        self._written.set()
        self._written = asyncio.Event()
        self.dispatchers[name].wake()

    async def _sessions(self, name: str, waited: set[str]) -> None:
        """Sessions are told anew only where they had not been told yet; GETs show all of them as they are said now."""
        for source in self.store.sources(name, Kind.SESSION):
            made = self.told(source)
            kept = {one.key for one in made}
            outbound = [evolve(one, quiet=one.key not in waited) for one in made]
            outbound += [Outbound(name, Kind.SESSION, source, one.key, one.body, one.meta, gone=True, quiet=True)
                         for one in self.store.published(name, Kind.SESSION, source) if one.key not in kept]  # fmt: skip
            await self.store.save_things((), (), outbound)

    async def _cdrs(self, name: str, partner: Partner) -> None:
        unsent = self.store.unsent_cdrs(name)
        for ident in dict.fromkeys((*self.store.sources(name, Kind.CDR), *sorted(unsent))):
            row = self.store.cdr(ident)
            if row is None:
                continue
            cdr: Cdr = model_json.from_json(Cdr, orjson.loads(row.body))
            try:
                out, told = settle.outbound_cdr(partner, cdr, row.id)
            except (Refused, Unsettled) as why:
                await self.store.withdraw_cdr(name, ident, str(why), unsent=ident in unsent)
            else:
                await self.store.rewrite_cdr(out, told, unsent=ident in unsent)


def _mark(name: str) -> str:
    return f"format {name}"
