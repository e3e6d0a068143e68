"""Delivery: one dispatcher per partner takes due work from the outbox and settles what came of it.

Partners do not wait for one another. Work of one kind is sent together; the outcomes of a round are one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from bridge.roaming.ports import Job, Kind, Outcome, Partner, Retry
from bridge.roaming.storage import Storage

ORDER = (Kind.TARIFF, Kind.LOCATION, Kind.STATUS, Kind.SESSION, Kind.CDR)
"""What is sent first: a partner knows the tariff before the location that names it, and the place before its status."""

BATCH = 100
IDLE = 30.0


class Dispatcher:
    """Delivers one partner's work."""

    def __init__(self, store: Storage, partner: Partner, settled: Callable[[Job, Outcome], None] = lambda job, outcome: None) -> None:
        self.store = store
        self.partner = partner
        self.settled = settled
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There may be work."""
        self._wake.set()

    def start(self) -> None:
        """Begin delivering, in the running event loop."""
        self._task = asyncio.create_task(self._run(), name=f"deliver {self.partner.name}")

    async def stop(self) -> None:
        """Stop after the round that is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if await self.round():
                continue
            due = self.store.next_due(self.partner.name)
            wait = IDLE if due is None else max(0.01, min(IDLE, due - time.time()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def round(self) -> int:
        """One round; returns how many jobs it took. A round that began is finished and recorded even when stopped."""
        jobs = await self.store.claim(self.partner.name, BATCH)
        if jobs:
            await asyncio.shield(self._deliver(jobs))
        return len(jobs)

    async def _deliver(self, jobs: Sequence[Job]) -> None:
        results: list[tuple[Job, Outcome]] = []
        for kind in ORDER:
            mine = [j for j in jobs if j.kind is kind]
            if not mine:
                continue
            try:
                outcomes = await self.partner.deliver(kind, mine)
            except Exception as why:  # noqa: BLE001  (a fault of the adapter must not lose work)
                outcomes = [Retry(f"fault in delivery: {type(why).__name__}", sent=True)] * len(mine)
            results += zip(mine, outcomes, strict=True)
        await self.store.settle(results)
        for job, outcome in results:
            self.settled(job, outcome)


__all__ = ["Dispatcher"]
