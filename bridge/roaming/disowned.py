"""Sessions that nobody can be billed for: whoever started them remotely was told that this failed, or heard nothing at all.

A hub takes no CDR for such a session (Hubject: the SessionID is closed with the remote start). So it is marked, the charger
is told to stop it, also after a restart, and what was charged until then is kept for a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from bridge.roaming.authorise import fault
from bridge.roaming.ports import ChargerControl
from bridge.roaming.storage import Happening, SessionRow, Storage

log = logging.getLogger(__name__)

UNHEARD = "who started it was not told that it began, and takes the start for failed"
STOPPED = "stop of a session that nobody can be billed for"

FIRST = 0.5
"""Seconds until the charger is told: first it has to hear the transaction's number. Doubled with every try."""
LAST = 30.0
"""The longest wait between two tries, in seconds."""
TRIES = 10
"""How often a charger is told that is there; a transaction that it goes on with then is none that it knows."""


class Disowned:
    """Ends them."""

    def __init__(self, store: Storage) -> None:
        self.store = store
        self.chargers: ChargerControl | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def disown(self, decision: str) -> None:
        """The start by a decision is over; durable when it returns. If a session began by it, it is ended later on."""
        session = await self.store.disown(decision, UNHEARD)
        if session is not None:
            self.end(session)

    def end(self, session: SessionRow) -> None:
        """Have the charger stop a session, later on."""
        self._spawn(self._end(session))

    def resume(self) -> None:
        """Go on with what an earlier process left."""
        for session in self.store.disowned():
            self.end(session)

    async def close(self) -> None:
        """Leave the rest to the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, session: SessionRow) -> None:
        pause, tries = FIRST, 0
        while tries < TRIES:
            await asyncio.sleep(pause)
            pause = min(LAST, pause * 2)
            try:
                if not self._runs(session):
                    return
                if self.chargers is not None and self.chargers.online(session.charge_point):
                    tries += 1
                    result = await self.chargers.stop(session.charge_point, session.tx)
                    await self.store.happened(Happening(STOPPED, session.partner, session.id, result.value))
            except Exception as why:  # noqa: BLE001  (tried again)
                log.error("session %s cannot be ended: %s", session.id, fault(why))

    def _runs(self, session: SessionRow) -> bool:
        now = self.store.session(id=session.id)
        return now is not None and now.state == "active"


__all__ = ["STOPPED", "UNHEARD", "Disowned"]
