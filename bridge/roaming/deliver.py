"""Delivery: one dispatcher per partner takes due work from the outbox and settles what came of it.

Partners do not wait for one another. Work of one kind is sent together; the outcomes of a batch are one transaction. While
a full batch is being sent the next is claimed, and while that one is sent the first is settled; no batch overtakes another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence

from bridge.roaming.ports import Job, Kind, Outcome, Partner, Retry, Withheld
from bridge.roaming.storage import Storage

ORDER = (Kind.CLIENT, Kind.TOKEN, Kind.TARIFF, Kind.LOCATION, Kind.STATUS, Kind.SESSION, Kind.CDR)
"""What is sent first: a partner knows who is there, and the tariff before the location that names it, and the place before its status."""

BATCH = 100
"""The most jobs that are claimed together."""
IDLE = 30.0
"""The longest that a dispatcher sleeps, in seconds."""
PAUSE = 1.0
"""Seconds until the store is tried again that could not be written, such as on a full disk."""
AWAY = 3600.0
"""Seconds until a job for a party that is not there is looked at again; when the party comes back it is due at once."""
LONGEST_HOLD = 900.0
"""The longest that a partner's Retry-After holds up all of its work, in seconds."""
GRACE = 10.0
"""Seconds that what is under way may take when stopping; what takes longer is uncertain and goes out again."""

_log = logging.getLogger(__name__)


class Dispatcher:
    """Delivers one partner's work. ``permits`` gives the reason why a job may not go out any more, or None; ``ready`` whether
    anything may go out now; ``away`` why whom a job is for is not there now, or None."""

    def __init__(self, store: Storage, partner: Partner, settled: Callable[[Job, Outcome], None] = lambda job, outcome: None,
                 permits: Callable[[Job], str | None] = lambda job: None, ready: Callable[[], bool] = lambda: True,
                 away: Callable[[Job], str | None] = lambda job: None) -> None:  # fmt: skip
        self.store = store
        self.partner = partner
        self.settled = settled
        self.permits = permits
        self.ready = ready
        self.away = away
        self._busy = asyncio.Lock()
        self._held = 0.0
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There may be work."""
        self._wake.set()

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """While this is held nothing is under way."""
        async with self._busy:
            yield

    def start(self) -> None:
        """Begin delivering, in the running event loop."""
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name=f"deliver {self.partner.name}")

    async def stop(self) -> None:
        """Stop after the batch that is under way, :data:`GRACE` seconds at most."""
        if self._task is not None:
            self._stopping = True
            self._wake.set()
            await asyncio.wait([self._task], timeout=GRACE)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                if self._held <= time.time() and self.ready() and await self.round():
                    continue
                due = self.store.next_due(self.partner.name) if self.ready() else None
            except Exception as why:  # noqa: BLE001  (delivery goes on when the store can be written again)
                _log.error("%s: work cannot be claimed: %s", self.partner.name, why)
                due = time.time() + PAUSE
            now = time.time()
            wait = max(0.01, min(IDLE, due - now if due is not None else IDLE), self._held - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def round(self) -> int:
        """Deliver what is due, batch by batch, until a batch is not full; returns how many jobs it took."""
        async with self._busy:
            return await self._round()

    async def _round(self) -> int:
        count = 0
        ahead: asyncio.Task[list[Job]] | None = self._claim()
        settling: asyncio.Task[None] | None = None
        try:
            # Shielded: a claim, and outcomes, are heard of to the end, also when this is cancelled.
            while ahead is not None and (jobs := await asyncio.shield(ahead)):
                if count and (self._stopping or self._held > time.time() or not self.ready()):
                    break
                count += len(jobs)
                ahead = self._claim() if len(jobs) == BATCH and not self._stopping else None
                results = await self._deliver(jobs)
                before, settling = settling, asyncio.create_task(self._settle(results, settling))
                if before is not None:
                    await asyncio.shield(before)
        finally:
            if ahead is not None:
                await self._put_back(ahead)
            if settling is not None:
                await settling
        return count

    def _claim(self) -> asyncio.Task[list[Job]]:
        return asyncio.create_task(self.store.claim(self.partner.name, BATCH))

    async def _put_back(self, ahead: asyncio.Task[list[Job]]) -> None:
        """What was claimed and not tried waits again, as if it had not been claimed."""
        await asyncio.wait([ahead])
        jobs = ahead.result() if not ahead.cancelled() and ahead.exception() is None else []
        while jobs:
            try:
                await self.store.put_back(jobs)
                break
            except Exception as why:  # noqa: BLE001  (any fault of the store: nobody else would try them before the next start)
                _log.error("%s: work cannot be put back: %s", self.partner.name, why)
                if self._stopping:
                    break
                await asyncio.sleep(PAUSE)

    async def _deliver(self, jobs: Sequence[Job]) -> list[tuple[Job, Outcome | Withheld]]:
        results: list[tuple[Job, Outcome | Withheld]] = []
        told: list[tuple[Job, Outcome]]
        withheld = {job.id: Withheld(why) for job in jobs if (why := self.permits(job)) is not None}
        results += [(job, withheld[job.id]) for job in jobs if job.id in withheld]
        waits = {job.id: Retry(f"not sent: {why}", AWAY) for job in jobs if job.id not in withheld and (why := self.away(job)) is not None}
        results += [(job, waits[job.id]) for job in jobs if job.id in waits]
        for kind in ORDER:
            mine = [j for j in jobs if j.kind is kind and j.id not in withheld and j.id not in waits]
            if not mine:
                continue
            if (left := self._held - time.time()) > 0:
                results += [(job, Retry("not sent: the partner asked to wait", left)) for job in mine]
                continue
            try:
                told = list(zip(mine, await self.partner.deliver(kind, mine), strict=True))
            except Exception as why:  # noqa: BLE001  (a fault of the adapter must not lose work)
                told = [(job, Retry(f"fault in delivery: {type(why).__name__}", sent=True)) for job in mine]
            results += told
            self._hold(told)
        return results

    def _hold(self, told: Sequence[tuple[Job, Outcome]]) -> None:
        """A partner that names a time to come back is left alone until then, whatever else there is for it."""
        after = max((o.after for _, o in told if isinstance(o, Retry) and o.after is not None), default=0.0)
        if after > 0:
            self._held = max(self._held, time.time() + min(after, LONGEST_HOLD))

    async def _settle(self, results: Sequence[tuple[Job, Outcome | Withheld]], before: asyncio.Task[None] | None) -> None:
        """Record what came of a batch, however long the store cannot be written: it was sent, and is not sent again."""
        if before is not None:
            await before
        while True:
            try:
                await self.store.settle(results)
                break
            except Exception as why:  # noqa: BLE001  (any fault of the store: the outcomes must not be lost)
                _log.error("%s: outcomes cannot be recorded: %s", self.partner.name, why)
                if self._stopping:
                    return
                await asyncio.sleep(PAUSE)
        for job, outcome in results:
            if not isinstance(outcome, Withheld):
                self.settled(job, outcome)


__all__ = ["Dispatcher"]
