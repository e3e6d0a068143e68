"""Outcomes that were promised to a partner (OCPI 2.2.1, mod_commands, mod_charging_profiles): one follows each request
that was accepted.

A promise is on the disk, with the address, before the partner hears that its command is accepted. The outcome goes out as
soon as it is known, and again while the partner cannot be reached or says that it could not take it, until the time is
over that the partner was told to wait. What it may have taken is not sent again: it expects exactly one. After a restart,
what is then known is told. Addresses may hold secrets: they are in the store, until the promise is kept, and in no log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.model import json as model_json
from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.profile import ActiveChargingProfile, ProfileAction, ProfileOutcome, ProfileResult
from bridge.roaming.authorise import fault
from bridge.roaming.pending import OutcomeRow
from bridge.roaming.ports import HearsOutcomes, Partner
from bridge.roaming.publish import dumps
from bridge.roaming.storage import Happening, Storage

log = logging.getLogger(__name__)

MARGIN = 3.0
"""Seconds before the end of its time at which an outcome that is not known yet is told to be a TIMEOUT."""
FIRST = 0.5
"""Seconds until the second try; doubled with every try after it."""
LAST = 5.0
"""The longest wait between two tries, in seconds."""
LOOK = 0.5
"""Seconds between two looks at whether a transaction has begun or ended, after a restart."""
GRACE = 5.0
"""Seconds that what is under way may take when stopping; the rest is told after the next start."""

_PROFILES = frozenset(ProfileAction)


class Outcomes:
    """Keeps what was promised."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], now: Callable[[], datetime]) -> None:
        self.store = store
        self.partners = partners
        self.now = now
        self._tasks: set[asyncio.Task[None]] = set()

    # --- promises

    def hearer(self, partner: str) -> HearsOutcomes | None:
        """The partner, if it can be told outcomes."""
        found = self.partners.get(partner)
        return found if isinstance(found, HearsOutcomes) else None

    async def promise(self, row: OutcomeRow) -> OutcomeRow:
        """An outcome will follow; durable when it returns."""
        return await self.store.promise(row)

    def until(self, hearer: HearsOutcomes) -> datetime:
        """By when a promise that is given now has to be kept."""
        return self.now() + timedelta(seconds=hearer.outcome_within)

    def left(self, row: OutcomeRow) -> float:
        """Seconds for which an outcome may still become known."""
        return max(0.0, (row.until - self.now()).total_seconds() - MARGIN)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that ends in an outcome; :meth:`close` waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait a moment for what is under way, then leave it to the next start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the outcome is known

    async def tell(self, row: OutcomeRow, outcome: CommandOutcome | ProfileOutcome, *history: Happening) -> None:
        """Tell an outcome; ``history`` is written with it. Never raises for what the partner or the store does."""
        lines = list(history)
        plan = outcome.active if isinstance(outcome, ProfileOutcome) else None
        row = evolve(row, result=outcome.result.value, body=None if plan is None else dumps(plan))
        because = await self._told(row, outcome, lines)
        what = "command outcome delivered" if because is None else "command outcome not delivered"
        detail = f"{row.kind}: {row.result}" + (f": {because}" if because is not None else "")
        await self._kept(row, *lines, Happening(what, row.partner, row.ref, detail))

    async def _told(self, row: OutcomeRow, outcome: CommandOutcome | ProfileOutcome, lines: list[Happening]) -> str | None:
        """Why it could not be told, or None. Takes ``lines`` of history that it writes."""
        hearer = self.hearer(row.partner)
        if hearer is None:
            return "there is no such partner any more"
        pause = FIRST
        while (left := (row.until - self.now()).total_seconds()) > 0:
            await self._saved(evolve(row, sending=True), tuple(lines))
            lines.clear()
            try:
                async with asyncio.timeout(left):
                    await hearer.outcome(row.address, outcome)
            except TimeoutError:
                return "no answer in time"
            except Unreachable as why:
                wait = max(pause, why.after or 0.0)
                if why.sent or wait >= left:
                    return str(why)
            except Declined as why:
                return str(why)
            except Exception as why:  # noqa: BLE001  (a fault of the adapter; its text may hold the address)
                return f"a fault: {fault(why)}"
            else:
                return None
            await self._saved(row)
            await asyncio.sleep(wait)
            pause = min(LAST, pause * 2)
        return "the partner waits no longer"

    async def _saved(self, row: OutcomeRow, history: Sequence[Happening] = ()) -> None:
        """A store that cannot be written does not keep a partner waiting."""
        try:
            await self.store.save_outcome(row, history)
        except Exception as why:  # noqa: BLE001
            log.error("an outcome for %s cannot be recorded: %s", row.partner, fault(why))

    async def _kept(self, row: OutcomeRow, *history: Happening) -> None:
        try:
            await self.store.kept(row, history)
        except Exception as why:  # noqa: BLE001
            log.error("an outcome for %s cannot be recorded: %s", row.partner, fault(why))

    # --- after a restart

    def resume(self) -> None:
        """Keep the promises that an earlier process left."""
        for row in self.store.promised():
            self.spawn(self._resumed(row))

    async def _resumed(self, row: OutcomeRow) -> None:
        if row.sending:
            because = "the bridge ended while it was told; the partner may have it"
            await self._kept(row, Happening("command outcome not delivered", row.partner, row.ref, f"{row.kind}: {row.result}: {because}"))
        elif row.result is not None:
            await self.tell(row, _outcome(row, row.result))
        else:
            outcome = _outcome(row, (await self._found_out(row)).value)
            said = f"{row.kind}: {outcome.result.value}, after a restart"
            await self.tell(row, outcome, Happening("command", row.partner, row.ref, said))

    async def _found_out(self, row: OutcomeRow) -> CommandResult:
        """What came of a command whose charger was being asked when the bridge ended.

        A charger may still begin, or end, the transaction that it was asked to: that is its answer.
        """
        if row.decision is not None and not self.store.decided(row.decision):
            return CommandResult.FAILED  # it was not asked
        while not self._done(row):
            left = self.left(row)
            if left <= 0 or (row.decision is None and row.session is None):
                return CommandResult.TIMEOUT
            await asyncio.sleep(min(LOOK, left))
        return CommandResult.ACCEPTED

    def _done(self, row: OutcomeRow) -> bool:
        """Whether the transaction that was to begin has begun, or the one that was to end has ended."""
        if row.decision is not None:
            return self.store.session_by(row.decision) is not None
        session = self.store.session(id=row.session) if row.session is not None else None
        return session is not None and session.state != "active"


def _outcome(row: OutcomeRow, result: str) -> CommandOutcome | ProfileOutcome:
    """An outcome as it was stored."""
    if row.kind not in _PROFILES:
        return CommandOutcome(CommandResult(result))
    plan = model_json.from_json(ActiveChargingProfile, orjson.loads(row.body)) if row.body is not None else None
    return ProfileOutcome(ProfileAction(row.kind), ProfileResult(result), plan)


__all__ = ["Outcomes"]
