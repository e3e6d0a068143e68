"""Delivers jobs to a clearing house: in requests of many records, with one outcome for each.

OCHP answers a request as a whole, with a list of the records it refused but without a reason for each. Where the whole
request is refused, or one reason is given for several records, it is taken apart until every record has its own answer.
The bytes of a record are the same in every request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from attrs import frozen

from bridge.codec.lenient import fold
from bridge.codec.xml import local
from bridge.errors import Declined, Unreachable
from bridge.ochp import codes
from bridge.ochp.client import OchpClient, OchpConfig, Reply
from bridge.ochp.wire import ResultCode
from bridge.roaming.ports import Delivered, Job, Kind, Op, Outcome, Rejected, Retry


@frozen
class Upload:
    """How records of one kind are uploaded: the identifier's element, and the elements that hold refused records."""

    ident: str
    refused: tuple[str, ...] = ()

    def of(self, body: bytes) -> str:
        """The identifier in a record."""
        found = re.search(rb"<%s>([^<]*)</" % self.ident.encode(), body)
        return found[1].decode() if found else ""

    def refusals(self, reply: Reply) -> set[str]:
        """The (folded) identifiers of refused records: of whole records, or of identifiers alone."""
        found = set()
        for item in reply.named(*self.refused):
            named = [child for child in item if fold(local(child)) == fold(self.ident)]
            found.add(fold(("".join(named[0].itertext()) if named else item.text) or ""))
        return found


UPLOADS = {
    Kind.LOCATION: Upload("evseId", ("refusedChargePointInfo",)),
    Kind.STATUS: Upload("evseId"),
    Kind.TARIFF: Upload("tariffId", ("refusedTariffInfo",)),
    Kind.CDR: Upload("CdrId", ("implausibleCdrsArray",)),
}


@frozen
class Delivery:
    """Delivers jobs of one kind."""

    client: OchpClient
    config: OchpConfig
    kind: Kind
    clock: Callable[[], datetime]

    async def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One outcome per job, in order. A later job of a key waits while an earlier one has not arrived."""
        outcomes: dict[int, Outcome] = {}
        waiting: set[str] = set()
        down: Retry | None = None
        for batch in self._batches(jobs):
            ready = []
            for i in batch:
                if (refusal := self._impossible(jobs[i])) is not None:
                    outcomes[i] = refusal
                elif down is not None:
                    outcomes[i] = down
                elif jobs[i].key in waiting:
                    outcomes[i] = Retry("an earlier change of the same object has not arrived")
                else:
                    ready.append(i)
            if not ready:
                continue
            for i, outcome in zip(ready, await self._send([jobs[i] for i in ready]), strict=True):
                outcomes[i] = outcome
                if isinstance(outcome, Retry):
                    waiting.add(jobs[i].key)
            if all(isinstance(outcomes[i], Retry) for i in ready):
                last = outcomes[ready[-1]]
                down = Retry(f"not tried: {last.because}", last.after) if isinstance(last, Retry) else None
        return [outcomes[i] for i in range(len(jobs))]

    def _batches(self, jobs: Sequence[Job]) -> Iterator[list[int]]:
        """Indices, in order, no key twice in a batch."""
        most = self.config.cdr_batch if self.kind is Kind.CDR else self.config.batch
        batch: list[int] = []
        keys: set[str] = set()
        for i, job in enumerate(jobs):
            if len(batch) == most or job.key in keys:
                yield batch
                batch, keys = [], set()
            batch.append(i)
            keys.add(job.key)
        if batch:
            yield batch

    def _impossible(self, job: Job) -> Rejected | None:
        if self.kind not in UPLOADS:
            return Rejected(f"OCHP has no {self.kind.value}")
        if job.op is Op.DELETE and self.kind is not Kind.LOCATION:
            return Rejected(f"OCHP has no way to delete a {self.kind.value}", "delete")
        return None

    async def _upload(self, records: Sequence[bytes]) -> Reply:
        match self.kind:
            case Kind.LOCATION:
                return await self.client.update_charge_point_list(records)
            case Kind.STATUS:
                return await self.client.update_status(records, ttl=self._ttl())
            case Kind.TARIFF:
                return await self.client.update_tariffs(records)
            case Kind.CDR:
                return await self.client.add_cdrs(records)
        raise Declined(f"OCHP has no {self.kind.value}")

    def _ttl(self) -> datetime | None:
        """Until when statuses hold that are sent now, and say nothing themselves."""
        seconds = self.config.status_ttl
        return None if seconds is None else (self.clock() + timedelta(seconds=seconds)).replace(microsecond=0)

    async def _send(self, jobs: Sequence[Job]) -> list[Outcome]:
        try:
            reply = await self._upload([job.body for job in jobs])
        except Unreachable as why:
            return [Retry(why.because, why.after, why.sent)] * len(jobs)
        except Declined as why:
            whole: Outcome = Rejected(why.because, why.code)
        else:
            verdict = codes.of_request(reply.code, reply.text)
            if verdict is None:
                return await self._worked(jobs, reply)
            whole = verdict
        if isinstance(whole, Retry) or len(jobs) == 1:
            return [whole] * len(jobs)
        half = len(jobs) // 2  # one record spoils the request: find it
        return await self._in_parts(jobs[:half], jobs[half:])

    async def _in_parts(self, *parts: Sequence[Job]) -> list[Outcome]:
        """The outcomes of several requests; when nobody answers any more, the rest is not tried."""
        outcomes: list[Outcome] = []
        for part in parts:
            last = outcomes[-1] if outcomes else None
            if isinstance(last, Retry):
                outcomes += [Retry(f"not tried: {last.because}", last.after)] * len(part)
            else:
                outcomes += await self._send(part)
        return outcomes

    async def _worked(self, jobs: Sequence[Job], reply: Reply) -> list[Outcome]:
        """The outcomes of a request that was worked through."""
        alone = len(jobs) == 1
        refused = UPLOADS[self.kind].refusals(reply)
        affected = [job for job in jobs if fold(UPLOADS[self.kind].of(job.body)) in refused]
        if reply.code is ResultCode.PARTLY and not affected:
            # "Only part of the data was accepted", and which part is not said: what was taken may be sent again.
            return [self._refusal(reply, jobs[0], alone=True)] if alone else await self._in_parts(*([j] for j in jobs))
        if len(affected) > 1 and codes.mentions_known(reply.text) and self.kind is Kind.CDR:
            ids = [UPLOADS[self.kind].of(job.body) for job in affected]
            if not all(ident in reply.text for ident in ids):
                apart = dict(zip(map(id, affected), await self._in_parts(*([j] for j in affected)), strict=True))
                return [apart.get(id(job)) or self._arrival(reply, job, alone=alone) for job in jobs]
        chosen = set(map(id, affected))
        return [
            self._refusal(reply, job, alone=len(affected) == 1) if id(job) in chosen else self._arrival(reply, job, alone=alone)
            for job in jobs
        ]

    def _arrival(self, reply: Reply, job: Job, *, alone: bool) -> Delivered:
        ident = UPLOADS[self.kind].of(job.body)
        known = self.kind is Kind.CDR and codes.says_known(reply.text, ident, alone=alone)
        return Delivered(ident or None, duplicate=known)

    def _refusal(self, reply: Reply, job: Job, *, alone: bool) -> Rejected:
        ident = UPLOADS[self.kind].of(job.body)
        known = self.kind is Kind.CDR and codes.says_known(reply.text, ident, alone=alone)
        return Rejected(codes.said(reply.code, reply.text), reply.code.value, duplicate=known)


async def full_load(client: OchpClient, jobs: Sequence[Job]) -> list[Outcome]:
    """SetChargepointList with all of ``jobs`` in one request: what is not among them is gone at the clearing house."""
    upload = UPLOADS[Kind.LOCATION]
    try:
        reply = await client.set_charge_point_list([job.body for job in jobs])
    except Unreachable as why:
        return [Retry(why.because, why.after, why.sent)] * len(jobs)
    except Declined as why:
        return [Rejected(why.because, why.code)] * len(jobs)
    whole = codes.of_request(reply.code, reply.text)
    if whole is not None:
        return [whole] * len(jobs)
    refused = upload.refusals(reply)
    if reply.code is ResultCode.PARTLY and not refused:
        return [Retry(codes.said(reply.code, reply.text), sent=True)] * len(jobs)
    return [
        Rejected(codes.said(reply.code, reply.text), reply.code.value) if fold(ident) in refused else Delivered(ident)
        for ident in (upload.of(job.body) for job in jobs)
    ]
