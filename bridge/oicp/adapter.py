"""OICP 2.3 behind the core's ports: an operator's (CPO's) side of Hubject."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from attrs import evolve

from bridge.errors import Declined, Refused, Unreachable
from bridge.model.ids import ContractId, EvseId, IdError, PartyId, TokenUid
from bridge.model.token import Allowed, Token, TokenKind, Whitelist
from bridge.oicp import codes
from bridge.oicp import wire as w
from bridge.oicp.client import Acknowledgement, Authorization, OicpClient, Reply, told
from bridge.oicp.config import OicpConfig
from bridge.oicp.delivery import Pushes, failure_of
from bridge.oicp.encoding import FORMAT, Encoder
from bridge.roaming.ports import (
    AuthorisationAnswer,
    AuthorisationRequest,
    Delivered,
    Encoded,
    Job,
    Kind,
    Op,
    Outcome,
    ReadBack,
    Rejected,
    Retry,
)
from bridge.translate.files import encode

_UID = re.compile(r"[0-9A-F]{8}|[0-9A-F]{14}|[0-9A-F]{20}")
_EVCO_ID = re.compile(r"[A-Za-z]{2}-?[A-Za-z0-9]{3}-?C[A-Za-z0-9]{8}-?[\dA-Za-z]|"
                      r"[A-Za-z]{2}[*-]?[A-Za-z0-9]{3}[*-]?[A-Za-z0-9]{6}[*-]?[\dX]")  # fmt: skip
_EVSE_ID = re.compile(r"[A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9*]{1,30}|\+?[0-9]{1,3}\*[0-9]{3}\*[0-9*]{1,32}")
_DUPLICATE = re.compile(r"already|duplicate|twice|exists", re.IGNORECASE)
_BY_APP = frozenset({TokenKind.APP_USER, TokenKind.AD_HOC_USER, TokenKind.REMOTE})
_BY_CAR = frozenset({TokenKind.EMAID, TokenKind.PLUG_AND_CHARGE, TokenKind.OTHER})


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class OicpPartner:
    """Hubject as a partner of the core: ``Partner``, ``AnswersAuthorisation``, ``ReleasesAuthorisations``. Raises ConfigError."""

    format = FORMAT

    def __init__(self, config: OicpConfig, *, clock: Callable[[], datetime] = utc_now,
                 monotonic: Callable[[], float] = time.monotonic) -> None:  # fmt: skip
        self.config = config
        self.name = config.name
        self.kinds = config.kinds
        self.clock = clock
        self.client = OicpClient(config)
        self._monotonic = monotonic
        self._encoder = Encoder(config, clock)
        self._progress: dict[str, float] = {}
        self._busy = asyncio.Semaphore(config.in_flight)

    async def open(self) -> None:
        """Get the connections ready; Hubject knows no handshake."""
        await self.client.open()

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        """The object in OICP's JSON, see :mod:`bridge.oicp.encoding`. Raises Refused."""
        return self._encoder.encode(kind, obj)

    def read_back(self, kind: Kind, encoded: Encoded) -> ReadBack:
        """The record as Hubject will read it. Raises Refused."""
        return self._encoder.read_back(kind, encoded)

    # --- delivery

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Send jobs. Records of a kind go together, pushes one after the other; CDRs and notifications go one by one."""
        if kind is Kind.CDR:
            return await asyncio.gather(*(self._cdr(job) for job in jobs))
        if kind is Kind.SESSION:
            return await self._notify(jobs)
        if kind is Kind.TARIFF:
            return await self._tariffs(jobs)
        outcomes = await Pushes(self._sender(kind), self.config.batch).deliver(jobs)
        return outcomes if kind is Kind.STATUS else await self._without_status(jobs, outcomes)

    async def _without_status(self, jobs: Sequence[Job], outcomes: list[Outcome]) -> list[Outcome]:
        """An EVSE that was deleted loses its status, too: Hubject keeps the two apart. It may have had none."""
        gone = [i for i, job in enumerate(jobs) if job.op is Op.DELETE and isinstance(outcomes[i], Delivered)]
        if gone:
            last = [evolve(jobs[i], body=encode(w.EvseStatusRecord(EvseID=jobs[i].key, EvseStatus=w.EvseStatus.OUT_OF_SERVICE)))
                    for i in gone]  # fmt: skip
            deleted = await Pushes(self._sender(Kind.STATUS), self.config.batch).deliver(last)
            for i, outcome in zip(gone, deleted, strict=True):
                if isinstance(outcome, Retry):
                    outcomes[i] = evolve(outcome, because=f"status not deleted: {outcome.because}")
        return outcomes

    async def full_load(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Replace everything that Hubject holds of ``kind`` (LOCATION, STATUS) by the records of these jobs: one fullLoad.

        Raises Refused for no jobs at all, since an empty fullLoad deletes everything, and for a record told twice. A
        refusal concerns the whole load: nothing is sent again in parts.
        """
        if kind not in (Kind.LOCATION, Kind.STATUS):
            raise Refused("", f"OICP has a full load of EVSE data and status, not of a {kind}")
        if not jobs:
            raise Refused("", "an empty fullLoad would delete everything at Hubject")
        keys = {job.key for job in jobs}
        if len(keys) < len(jobs):
            raise Refused("", "a record is in the full load twice")
        try:
            failure = failure_of(await self._sender(kind)(w.ActionType.FULL_LOAD, jobs))
        except Unreachable as why:
            return [Retry(why.because, why.after, why.sent)] * len(jobs)
        except Declined as why:
            return [Rejected(why.because, why.code)] * len(jobs)
        return [failure.outcome if failure else Delivered()] * len(jobs)

    def _sender(self, kind: Kind) -> Callable[[w.ActionType, Sequence[Job]], Any]:
        push = self.client.push_evse_data if kind is Kind.LOCATION else self.client.push_evse_status

        async def send(action: w.ActionType, jobs: Sequence[Job]) -> Reply[Acknowledgement]:
            return await push(action, [job.body for job in jobs])

        return send

    async def _tariffs(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Products for one provider, with one default price, share a message."""
        outcomes: dict[int, Outcome] = {}
        heads: dict[str, list[int]] = {}
        for i, job in enumerate(jobs):
            heads.setdefault(job.meta["head"], []).append(i)
        for head, members in heads.items():

            async def send(action: w.ActionType, part: Sequence[Job], head: str = head) -> Reply[Acknowledgement]:
                records = b",".join(job.body for job in part)
                return await self.client.push_pricing_product_data(
                    action, head[:-1].encode() + b',"PricingProductDataRecords":[' + records + b"]}"
                )

            done = await Pushes(send, self.config.batch).deliver([jobs[i] for i in members])
            outcomes.update(zip(members, done, strict=True))
        return [outcomes[i] for i in range(len(jobs))]

    async def _cdr(self, job: Job) -> Outcome:
        """A CDR. ``400`` says that the session is invalid, but also that it has its CDR already: the text tells."""
        try:
            async with self._busy:
                reply = await self.client.charge_detail_record(job.body)
        except Unreachable as why:
            return Retry(why.because, why.after, why.sent)
        except Declined as why:
            return Rejected(why.because, why.code)
        failure = failure_of(reply)
        if failure is None:
            return Delivered(reply.value.SessionID or job.key)
        if isinstance(failure.outcome, Rejected) and _DUPLICATE.search(failure.outcome.because):
            return Rejected(failure.outcome.because, failure.outcome.code, duplicate=True)
        return failure.outcome

    async def _notify(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Notifications, in order; after a failure of the connection nothing more is sent."""
        outcomes: list[Outcome] = []
        down: Retry | None = None
        for job in jobs:
            outcome = await self._notification(job) if down is None else Retry(f"not sent: {down.because}", down.after)
            if isinstance(outcome, Retry) and down is None:
                down = outcome
            outcomes.append(outcome)
        return outcomes

    async def _notification(self, job: Job) -> Outcome:
        progress = job.meta.get("type") == w.ChargingNotificationType.PROGRESS.value
        now = self._monotonic()
        if progress and now - self._progress.get(job.key, float("-inf")) < self.config.progress_every:
            # The next one, or the End, says more: keeping it back until it is due would hold those up.
            return Delivered(f"not sent: one Progress in {self.config.progress_every:.0f} s")
        try:
            failure = failure_of(await self.client.charging_notifications(job.body))
        except Unreachable as why:
            return Retry(why.because, why.after, why.sent)
        except Declined as why:
            return Rejected(why.because, why.code)
        if progress and failure is None:
            self._progress[job.key] = now
        elif not progress:
            self._progress.pop(job.key, None)
        return failure.outcome if failure else Delivered(job.key)

    # --- authorisation

    async def authorise(self, request: AuthorisationRequest) -> AuthorisationAnswer:
        """eRoamingAuthorizeStart. Raises Unreachable where nobody answered, Declined where Hubject refused the question."""
        question = w.AuthorizeStart(
            OperatorID=self.config.operator_id, Identification=identification(request.kind, request.uid),
            EvseID=_evse_id(request.evse_id),
            CPOPartnerSessionID=request.session_ref[:250] if request.session_ref else None)  # fmt: skip
        return self._answer(request, await self.client.authorize_start(question))

    async def release(self, answer: AuthorisationAnswer, evse_id: EvseId | None) -> None:
        """eRoamingAuthorizeStop by the medium that was accepted, and an End notification of no energy where the EVSE is known.

        A provider that lets a driver have one session at a time knows by the notification alone that this one is over, but
        cannot be told it without an EVSE; it need not support the other. Raises Unreachable or Declined.
        """
        token, session = answer.token, answer.hub_session_id
        if session is None or token is None or token.uid is None or token.kind is None:
            raise Declined("nothing to release: no SessionID or no identification")
        who = identification(token.kind, str(token.uid))
        where = _evse_id(evse_id) if Kind.SESSION in self.kinds else None
        try:
            stopped = _unstopped(await self.client.authorize_stop(w.AuthorizeStop(
                SessionID=session, OperatorID=self.config.operator_id, EvseID=_evse_id(evse_id), Identification=who)))  # fmt: skip
        except (Unreachable, Declined) as why:
            stopped = why
        if where is None:
            if stopped is not None:
                raise stopped
            return
        now = self.clock()
        failure = failure_of(await self.client.charging_notifications(encode(w.ChargingNotification(
            Type=w.ChargingNotificationType.END, SessionID=session, EvseID=where, OperatorID=self.config.operator_id,
            Identification=who, ChargingEnd=now, SessionEnd=now, ConsumedEnergy=Decimal(0)))))  # fmt: skip
        outcome = failure.outcome if failure is not None else None
        if isinstance(outcome, Retry):
            raise Unreachable(outcome.because, outcome.after, sent=outcome.sent)
        if isinstance(outcome, Rejected) and outcome.code != codes.SESSION_INVALID:
            raise Declined(outcome.because, outcome.code)

    def _answer(self, request: AuthorisationRequest, reply: Reply[Authorization]) -> AuthorisationAnswer:
        said = reply.value
        info = told(said.StatusCode, reply.process_id)
        if said.AuthorizationStatus is w.AuthorizationStatus.AUTHORIZED:
            if said.SessionID is None:
                raise Unreachable("authorised without a SessionID: the session could not be billed", sent=True)
            token = Token(uid=TokenUid(request.uid), kind=request.kind, party=_party(said.ProviderID), valid=True,
                          whitelist=Whitelist.NEVER)  # fmt: skip
            return AuthorisationAnswer(Allowed.ALLOWED, token, said.ProviderID, said.SessionID, said.EMPPartnerSessionID,
                                       said.SessionID, said.StatusCode.Code, info)  # fmt: skip
        meaning = codes.meaning(said.StatusCode.Code)
        if meaning.silent:
            raise Unreachable(info)
        if meaning.allowed is None:
            raise Declined(info, said.StatusCode.Code)
        allowed = Allowed.NOT_ALLOWED if meaning.allowed is Allowed.ALLOWED else meaning.allowed
        return AuthorisationAnswer(allowed, provider=said.ProviderID, code=said.StatusCode.Code, info=info)


def _unstopped(reply: Reply[Authorization]) -> Unreachable | Declined | None:
    """Why a session is not stopped; one that Hubject does not have any more is."""
    said = reply.value
    if said.AuthorizationStatus is w.AuthorizationStatus.AUTHORIZED or said.StatusCode.Code == codes.SESSION_INVALID:
        return None
    info = told(said.StatusCode, reply.process_id)
    return Unreachable(info) if codes.meaning(said.StatusCode.Code).silent else Declined(info, said.StatusCode.Code)


def _evse_id(evse_id: EvseId | None) -> str | None:
    """An EVSE-ID as OICP takes it, None for one that it would not."""
    text = str(evse_id).upper() if evse_id is not None else ""
    return text if _EVSE_ID.fullmatch(text) else None


def identification(kind: TokenKind, uid: str) -> w.Identification:
    """How a driver is named in an authorisation message. Raises Declined for what OICP cannot name."""
    if kind is TokenKind.RFID:
        if not _UID.fullmatch(uid):
            raise Declined("OICP knows cards by 4, 7 or 10 bytes in hexadecimal")
        return w.Identification(RFIDMifareFamilyIdentification=w.RFIDMifareFamilyIdentification(UID=uid))
    if kind in _BY_APP:
        return w.Identification(RemoteIdentification=w.RemoteIdentification(EvcoID=_evco_id(uid)))
    if kind in _BY_CAR:
        return w.Identification(PlugAndChargeIdentification=w.PlugAndChargeIdentification(EvcoID=_evco_id(uid)))
    raise Declined(f"OICP cannot be asked about a {kind} without its PIN")


def _evco_id(text: str) -> str:
    """The contract in OICP's form, with the check digit that it demands."""
    if _EVCO_ID.fullmatch(text):
        return text
    try:
        spelled = str(ContractId.parse(text).with_check_digit())
    except IdError:
        spelled = ""
    if not _EVCO_ID.fullmatch(spelled):
        raise Declined("OICP knows contracts by an EvcoID only")
    return spelled


def _party(provider: str | None) -> PartyId | None:
    try:
        return PartyId.parse(provider) if provider else None
    except IdError:
        return None
