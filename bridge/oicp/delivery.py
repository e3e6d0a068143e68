"""Delivery of pushes to Hubject, whose transactions are all or nothing.

A push inserts, updates or deletes many records; one record that Hubject does not take aborts it as a whole. Here records
of one operation go together; a push that is refused for its data is halved until the bad ones stand alone, so that they
do not hold up the others. An insert of what is there already becomes an update, an update of what is missing an insert.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence

from attrs import define, frozen

from bridge.errors import Declined, Unreachable
from bridge.oicp import codes
from bridge.oicp.client import Acknowledgement, Reply, told
from bridge.oicp.wire import ActionType
from bridge.roaming.ports import Delivered, Job, Op, Outcome, Rejected, Retry

Send = Callable[[ActionType, Sequence[Job]], Awaitable[Reply[Acknowledgement]]]

_ACTIONS = {Op.INSERT: ActionType.INSERT, Op.UPDATE: ActionType.UPDATE, Op.DELETE: ActionType.DELETE}
_INSTEAD = {Op.INSERT: Op.UPDATE, Op.UPDATE: Op.INSERT}
_MISMATCH = re.compile(r"already|exist|duplicate|not found|missing|unknown", re.IGNORECASE)
_GONE = re.compile(r"not exist|n't exist|not found|missing|unknown", re.IGNORECASE)


@frozen
class Failure:
    """Why a push was not taken. ``data``: for its records; ``mismatch``: perhaps for what is, or is not, there already."""

    outcome: Retry | Rejected
    data: bool = False
    mismatch: bool = False


@define
class Pushes:
    """Delivers jobs of one kind by ``send``; at most ``batch`` records in a push."""

    send: Send
    batch: int

    async def deliver(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order. After a failure of the connection nothing more is sent."""
        outcomes: dict[int, Outcome] = {}
        down: Retry | None = None
        for op, members in grouped(jobs, self.batch):
            if down is None:
                down = await self._push(op, members, jobs, outcomes)
            else:
                _all(members, outcomes, Retry(f"not sent: {down.because}", down.after))
        return [outcomes[i] for i in range(len(jobs))]

    async def _push(self, op: Op, members: list[int], jobs: Sequence[Job], outcomes: dict[int, Outcome]) -> Retry | None:
        """Push jobs of one operation. Gives the reason to stop, if there is one."""
        failure = await self._try(op, [jobs[i] for i in members])
        if failure is None:
            _all(members, outcomes, Delivered())
            return None
        if failure.data and len(members) > 1:
            half = len(members) // 2
            down = await self._push(op, members[:half], jobs, outcomes)
            if down is None:
                return await self._push(op, members[half:], jobs, outcomes)
            _all(members[half:], outcomes, Retry(f"not sent: {down.because}", down.after))
            return down
        if failure.mismatch and len(members) == 1:
            outcomes[members[0]] = await self._instead(op, jobs[members[0]], failure)
            return None
        _all(members, outcomes, failure.outcome)
        return failure.outcome if isinstance(failure.outcome, Retry) else None

    async def _instead(self, op: Op, job: Job, failure: Failure) -> Outcome:
        """A single record that was refused: what is there already is updated, what is missing inserted."""
        if op is Op.DELETE:
            gone = _GONE.search(failure.outcome.because)
            return Delivered(duplicate=True) if gone else failure.outcome
        second = await self._try(_INSTEAD[op], [job])
        if second is None:
            return Delivered(duplicate=op is Op.INSERT)
        return second.outcome if isinstance(second.outcome, Retry) else failure.outcome

    async def _try(self, op: Op, jobs: Sequence[Job]) -> Failure | None:
        try:
            reply = await self.send(_ACTIONS[op], jobs)
        except Unreachable as why:
            return Failure(Retry(why.because, why.after, why.sent))
        except Declined as why:
            return Failure(Rejected(why.because, why.code), data=why.code == "HTTP 400")
        return failure_of(reply)


def failure_of(reply: Reply[Acknowledgement]) -> Failure | None:
    """What an acknowledgement says about a push; None: it was taken."""
    if reply.value.Result:
        return None
    status = reply.value.StatusCode
    because = told(status, reply.process_id)
    meaning = codes.meaning(status.Code)
    if meaning.delivery is codes.Delivery.RETRY:
        mismatch = status.Code == "009" and _MISMATCH.search(because) is not None
        return Failure(Retry(because), data=mismatch, mismatch=mismatch)
    data = meaning.delivery is codes.Delivery.DATA
    return Failure(Rejected(because, status.Code), data=data, mismatch=data)


def grouped(jobs: Sequence[Job], batch: int) -> Iterator[tuple[Op, list[int]]]:
    """Jobs that can go in one push, by index: one operation, no key twice, and the order of each key's jobs kept."""
    groups: list[tuple[Op, list[int]]] = []
    last: dict[str, int] = {}
    for i, job in enumerate(jobs):
        start = last.get(job.key, -1) + 1
        place = next((n for n in range(start, len(groups)) if groups[n][0] is job.op and len(groups[n][1]) < batch), None)
        if place is None:
            place = len(groups)
            groups.append((job.op, []))
        groups[place][1].append(i)
        last[job.key] = place
    yield from groups


def _all(members: Sequence[int], outcomes: dict[int, Outcome], outcome: Outcome) -> None:
    for i in members:
        outcomes[i] = outcome
