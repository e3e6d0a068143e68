"""A clearing house as a partner of the core (OCHP 1.4): charge points, live status, tariffs and CDRs go out, tokens come in.

In classic OCHP every partner is a client of the clearing house, which calls nobody: there are no routes. A status
holds for as long as the message says that brought it, and is to be told again before that is over.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from attrs import evolve

from bridge.codec import soap, xml
from bridge.codec.lenient import Unreadable
from bridge.errors import Refused, Unreachable
from bridge.mapping import registry
from bridge.mapping.context import Context, Facts
from bridge.mapping.loss import DROPPED, REFUSED, Loss
from bridge.model.ids import ContractId, IdError
from bridge.model.location import Location, Unit
from bridge.model.token import Allowed, Token, TokenKind
from bridge.ochp import codes, delivery
from bridge.ochp import wire as w
from bridge.ochp.client import OchpClient, OchpConfig
from bridge.roaming.ports import AuthorisationAnswer, AuthorisationRequest, Encoded, Inbound, Job, Kind, Outcome, ReadBack
from bridge.translate.readback import read_back

__all__ = ["OchpConfig", "OchpPartner", "routes"]

log = logging.getLogger(__name__)

TOKEN_TYPES = {
    TokenKind.RFID: w.TokenType.RFID,
    TokenKind.PLUG_AND_CHARGE: w.TokenType.ISO15118,
    TokenKind.EMAID: w.TokenType.ISO15118,
}
"""Kinds of token that a roaming list may hold; ``remote`` stands in CDRs only."""

_HASHES: dict[w.Representation, Callable[[bytes], Any]] = {
    w.Representation.SHA_160: hashlib.sha1,
    w.Representation.SHA_256: hashlib.sha256,
}


def _now() -> datetime:
    return datetime.now(UTC)


class OchpPartner:
    """One account at a clearing house. ``clock`` gives the time, for statuses and expiry dates."""

    format = "ochp-1.4"
    kinds = frozenset({Kind.LOCATION, Kind.STATUS, Kind.TARIFF, Kind.CDR})

    def __init__(self, config: OchpConfig, clock: Callable[[], datetime] = _now) -> None:
        self.config = config
        self.name = config.name
        self.client = OchpClient(config)
        self.status_seconds = config.status_ttl
        self._clock = clock
        self._compiled: dict[tuple[str, bool], tuple[registry.Entry, Callable[[Any, Context], Any]]] = {}

    async def open(self) -> None:
        """Make the session. OCHP has no handshake."""
        await self.client.open()

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    # --- out

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        """The object as XML elements without a namespace declaration; a location gives one per EVSE.

        Raises Refused; EVSEs that cannot be said in OCHP are left out and told in the losses of the first that can.
        """
        if kind not in self.kinds:
            raise Refused("", f"OCHP has no {kind.value}")
        if isinstance(obj, Location):
            return self._encode_units(obj)
        return [self._encode(kind, obj)]

    def _encode_units(self, location: Location) -> list[Encoded]:
        if not location.evses:
            raise Refused("evses", "a location without EVSEs has no record in OCHP")
        made: list[Encoded] = []
        left_out: list[tuple[str, Loss]] = []
        first: Refused | None = None
        for evse in location.evses:
            try:
                made.append(self._encode(Kind.LOCATION, Unit(location.place, evse)))
            except Refused as why:
                first = first or why
                left_out.append((str(evse.id or evse.uid or ""), Loss(why.path, REFUSED, why.value, why.because)))
        if not made:
            raise first or Refused("evses", "no EVSE can be said in OCHP")
        if left_out:
            made[0] = evolve(made[0], losses=(*made[0].losses, *left_out))
        return made

    def _encode(self, kind: Kind, obj: Any) -> Encoded:
        entry, lower = self._mapping(kind.value, out=True)
        cx = Context(self.config.settings, Facts(self._clock().replace(microsecond=0)))
        wire = lower(obj, cx)
        key = entry.ident(wire)
        cls: type = type(wire)
        text = xml.writer(cls)(wire, entry.codec.element)
        meta: dict[str, Any] = {}
        if isinstance(wire, w.CDRInfo):
            meta["evse_id"] = wire.evseId
        return Encoded(key, text.encode(), tuple((key, loss) for loss in (*cx.losses, *_extra_losses(obj))), meta)

    def read_back(self, kind: Kind, encoded: Encoded) -> ReadBack:
        """The element as the clearing house will read it. Raises Refused."""
        entry = registry.find(self.format, kind.value)
        return read_back(entry, entry.mapping.bind(self.config.settings, self.format), encoded)

    def _mapping(self, kind: str, *, out: bool) -> tuple[registry.Entry, Callable[[Any, Context], Any]]:
        known = self._compiled.get((kind, out))
        if known is None:
            entry = registry.find(self.format, kind)
            bound = entry.mapping.bind(self.config.settings, self.format).mapping
            known = self._compiled[kind, out] = (entry, bound.compiled_out() if out else bound.compiled_back())
        return known

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """UpdateChargePointList, UpdateStatus, UpdateTariffs or AddCDRs; one outcome per job, in order."""
        return await delivery.Delivery(self.client, self.config, kind, self._clock).run(jobs)

    async def full_load(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """SetChargepointList: the clearing house has these charge points afterwards and no others.

        Raises Refused for an empty list, which would take all of them away, and for other kinds.
        """
        if kind is not Kind.LOCATION:
            raise Refused("", f"OCHP has no full load of a {kind.value}")
        if not jobs:
            raise Refused("chargePointInfoArray", "an empty full load would remove every charge point at the clearing house")
        return await delivery.full_load(self.client, jobs)

    # --- in

    async def authorise(self, request: AuthorisationRequest) -> AuthorisationAnswer:
        """GetSingleRoamingAuthorisation: what the clearing house's list says, not what the provider says now.

        Raises Unreachable when there is no answer (which a wrong password is, too).
        """
        kind = TOKEN_TYPES.get(request.kind)
        if kind is None:
            return AuthorisationAnswer(Allowed.NOT_ALLOWED, info=f"OCHP lists no tokens of kind {request.kind.value}")
        if not soap.is_legal(request.uid):
            return AuthorisationAnswer(Allowed.NOT_ALLOWED, info="no list can hold such a uid")
        asked = w.EmtId(instance=request.uid, tokenType=kind, representation=w.Representation.PLAIN)
        reply = await self.client.single_authorisation(asked)
        code, said = reply.code.value, codes.said(reply.code, reply.text)
        verdict = codes.as_error(reply.code, reply.text)
        if isinstance(verdict, Unreachable) and reply.code is not w.ResultCode.ROAMING:
            raise verdict
        found = reply.named("roamingAuthorisationInfo")
        if verdict is not None or not found:
            return AuthorisationAnswer(Allowed.NOT_ALLOWED, code=code, info=said)
        try:
            record = xml.read(w.RoamingAuthorisationInfo, found[0])
            token = self._token(record)
        except (Unreadable, Refused) as why:
            raise Unreachable(f"an authorisation that cannot be read: {why.because}") from why
        if not _is_about(record.value.EmtId, request.uid):
            raise Unreachable("the answer is about another token")
        allowed = Allowed.ALLOWED if record.value.expiryDate > self._clock() else Allowed.EXPIRED
        return AuthorisationAnswer(allowed, token, provider_of(token), code=code, info=said)

    async def pull_tokens(self, since: datetime | None) -> AsyncIterator[list[Token]]:
        """The whole list, or what changed ``since``: batches, in constant memory.

        The list has no time of its own, so ``since`` is when the last pull **began**, by our clock; the request reaches
        ``overlap`` seconds further back, and what comes twice is the same. Revoked tokens come with an expiry date in the
        past. Records that cannot be read are left out and counted in the log. Only a generator that ends without an error
        gave the whole list. Raises Unreachable or Declined.
        """
        start = None if since is None else since - timedelta(seconds=self.config.overlap)
        batch: list[Token] = []
        read = left_out = 0
        async for element in self.client.authorisations(start):
            read += 1
            try:
                batch.append(self._token(xml.read(w.RoamingAuthorisationInfo, element)))
            except (Unreadable, Refused) as why:
                left_out += 1
                if left_out <= 10:  # the reason names a field; the value may be a uid and stays out of the log
                    log.warning("%s: token %d of the list left out: %s", self.name, read, why.path or "record")
            if len(batch) >= self.config.token_batch:
                yield batch
                batch = []
        if left_out:
            log.warning("%s: %d of %d tokens left out", self.name, left_out, read)
        if batch:
            yield batch

    def _token(self, record: Any) -> Token:
        _, lift = self._mapping("token", out=False)
        token: Token = lift(record.value, Context(self.config.settings, Facts(self._clock().replace(microsecond=0))))
        if record.unknown:
            from bridge.translate.pipeline import with_extra

            token = with_extra(token, "ochp", record.unknown)
        return token

    async def check_cdrs(self, status: w.CdrStatus | None = None) -> AsyncIterator[w.CDRInfo]:
        """CheckCDRs: our CDRs that the providers declined, or that stand at ``status``. Raises Unreachable or Declined."""
        async for record in self.client.check_cdrs(status):
            yield record


def _extra_losses(obj: Any) -> list[Loss]:
    """What the source's protocol had beyond its specification: OCHP has no place for it."""
    if isinstance(obj, Unit):
        extras = [("place", e) for e in obj.place.extra] + [("evse", e) for e in obj.evse.extra]
    else:
        extras = [("", e) for e in getattr(obj, "extra", ())]
    because = "the specification has no such field"
    return [Loss(f"{base}.{e.path}" if base else e.path, DROPPED, e.value, because) for base, e in extras]


def _is_about(found: w.EmtId, uid: str) -> bool:
    """Whether a record is that of a uid. A hash is of the uid's text, in capitals or not."""
    make = _HASHES.get(found.representation or w.Representation.PLAIN)
    if make is None:
        return found.instance.upper() == uid.upper()
    return found.instance.lower() in {make(text.encode()).hexdigest() for text in (uid.upper(), uid.lower())}


def provider_of(token: Token) -> str | None:
    """The provider whose contract it is, as ``DE-ABC``."""
    try:
        return str(ContractId.parse(str(token.contract_id)).provider_id)
    except IdError:
        return None if token.party is None else str(token.party).replace("*", "-")


def routes(core: Inbound, partners: Mapping[str, OchpPartner]) -> list[web.RouteDef]:
    """What a clearing house calls on us: nothing."""
    return []
