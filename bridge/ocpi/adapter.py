"""One OCPI partner as the core sees it: an eMSP (or a hub) to which we are the operator, in the version agreed upon with it."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from functools import cache
from typing import Any

from attrs import evolve

from bridge.errors import Declined, Refused, Unreachable
from bridge.mapping.context import Facts
from bridge.mapping.loss import DROPPED, Loss
from bridge.model.command import CommandOutcome
from bridge.model.ids import PartyId
from bridge.model.location import EvseStatus, Location
from bridge.model.profile import ActiveChargingProfile, ProfileOutcome
from bridge.model.token import Allowed, Token
from bridge.ocpi import client_map, profile_map
from bridge.ocpi.client import THE_OWNER, THE_PARTNER, Receiver
from bridge.ocpi.config import OcpiConfig, OurRole
from bridge.ocpi.connection import OcpiConnection
from bridge.ocpi.credentials import CredentialStore, MemoryStore, PartnerCredentials
from bridge.ocpi.envelope import Code, Refusal
from bridge.ocpi.hub import HubSide
from bridge.ocpi.quirks import Quirks
from bridge.ocpi.status import StatusTeller
from bridge.ocpi.version import folded, owned_key
from bridge.roaming.ports import (
    TO,
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
    TokenPage,
)
from bridge.translate.files import BadInput, Unread, encode
from bridge.translate.pipeline import with_extra
from bridge.translate.readback import read_back

__all__ = [
    "CredentialStore", "MemoryStore", "OcpiConfig", "OcpiPartner", "OurRole", "PartnerCredentials", "Quirks",
]  # fmt: skip

_log = logging.getLogger(__name__)

_NOBODY_KNOWS = frozenset({408, 504})
"""HTTP statuses that say that somebody waited in vain: what was sent may have arrived."""


class OcpiPartner(HubSide, OcpiConnection):
    """Implements Partner, Renegotiates, AnswersAuthorisation, GivesTokens, HearsOutcomes, HearsPlans (see
    :mod:`bridge.roaming.ports`), and what is in :class:`~bridge.ocpi.hub.HubSide`.

    What the partner calls on us is in :mod:`bridge.ocpi.server`.
    """

    kinds = frozenset(Kind) - {Kind.TOKEN}

    def __init__(self, config: OcpiConfig, store: CredentialStore | None = None) -> None:
        super().__init__(config, store)
        self.outcome_within = float(config.command_timeout)
        self.shown: Callable[[Kind, str], bytes | None] = lambda kind, key: None
        self._status_teller = StatusTeller(self.client, lambda key: self.shown(Kind.LOCATION, key), self._takes_patch,
                                           self.registration.no_patch)  # fmt: skip
        self._owners: dict[str, set[tuple[str, str]]] = {}
        self._duplicate = re.compile(config.quirks.duplicate_text, re.I)

    @property
    def whole_places(self) -> bool:
        """Whether sessions and CDRs hold the location as a whole: before 2.2 they do."""
        return not self.version.roles

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        """One record: an OCPI location holds its EVSEs. Raises Refused."""
        if kind is Kind.CLIENT:
            return [client_map.encoded(obj, self.version)]
        bound = self.entry(kind.value)[1]
        wire, losses = bound.to_wire(obj)
        if kind is Kind.LOCATION and obj.evses and not wire.evses:
            raise Refused("evses", f"none of its EVSEs can be said there: {losses[0].because if losses else 'no connector'}")
        losses = [*losses, *_unsaid(obj)]
        if kind is Kind.STATUS:
            return [self._status(obj, wire, losses)]
        owner = self._owner(wire, obj)
        if kind is Kind.LOCATION:
            self._owners.setdefault(folded(wire.id), set()).add(owner)
        key = owned_key(*owner, wire.id) if kind in (Kind.LOCATION, Kind.TARIFF) else folded(wire.id)
        meta: dict[str, Any] = {"id": str(wire.id), "country_code": str(owner[0]), "party_id": str(owner[1])}
        if self.config.hub and self.version.roles and kind in (Kind.SESSION, Kind.CDR):
            meta[TO] = [str(wire.cdr_token.country_code), str(wire.cdr_token.party_id)]
        return [Encoded(key, encode(wire), tuple((str(wire.id), loss) for loss in losses), meta)]

    def _owner(self, wire: Any, obj: Any) -> tuple[str, str]:
        """The party of ours that an object is of; before 2.2 it does not say so, the connection does. Raises Refused for others."""
        if self.version.roles:
            owner = (wire.country_code, wire.party_id)
        else:
            told = _party(obj)
            owner = self.config.party if told is None else (told.country_code, told.party_id)
        if not self.is_ours(*owner):
            because = f"{owner[0]}*{owner[1]} is none of our parties towards {self.name}; add it to its roles"
            raise Refused("country_code", because, f"{owner[0]}*{owner[1]}", "roles")
        return owner

    def read_back(self, kind: Kind, encoded: Encoded) -> ReadBack:
        """The record as the partner will read it. Raises Refused."""
        return read_back(*self.entry(kind.value), encoded)

    def _status(self, obj: EvseStatus, wire: Any, losses: list[Loss]) -> Encoded:
        if wire.location_id is None:
            raise Refused("location_id", "OCPI names an EVSE by its location", str(wire.uid))
        country, party = self._owner_of(obj)
        body = b'{"status":%s,"last_updated":%s}' % (encode(wire.status), encode(wire.last_updated))
        meta = {"location_id": str(wire.location_id), "evse_uid": str(wire.uid), "country_code": country, "party_id": party}
        return Encoded(owned_key(country, party, wire.uid), body, tuple((str(wire.uid), loss) for loss in losses), meta)

    def _owner_of(self, status: EvseStatus) -> tuple[str, str]:
        """The party of a status's location: that of the location as it was sent, if it is one; else of the EVSE-ID, else ours."""
        known = self._owners.get(folded(status.location_id or ""), set())
        if len(known) == 1:
            return next(iter(known))
        if status.evse_id is not None:
            with suppress(ValueError):
                party = status.evse_id.party
                if party is not None and self.is_ours(party.country_code, party.party_id):
                    return party.country_code, party.party_id
        return self.config.party

    # --- deliver

    def _declined(self, kind: Kind, job: Job, why: Declined) -> Outcome:
        status = why.status if isinstance(why, Refusal) else None
        if kind is Kind.TARIFF and job.op is Op.DELETE and status == 404:
            return Delivered()
        outcome = super()._declined(kind, job, why)
        duplicate = kind is Kind.CDR and self._is_duplicate(why, status)
        return evolve(outcome, duplicate=True) if duplicate and isinstance(outcome, Rejected) else outcome

    def _is_duplicate(self, why: Declined, status: int | None) -> bool:
        codes = self.config.quirks.duplicate_codes
        if why.code in codes or str(status) in codes:
            return True
        return status is not None and self._duplicate.search(why.because) is not None

    async def _send(self, kind: Kind, job: Job) -> str | None:
        meta, client = job.meta, self.client
        where = (meta.get("country_code") or self.config.party[0], meta.get("party_id") or self.config.party[1])
        ident = meta.get("id") or job.key
        if kind is Kind.CLIENT:
            await client.put_client(*where, job.body)
            return None
        if kind is Kind.CDR:
            if job.op is Op.DELETE:
                raise Declined("OCPI cannot take a CDR back: send a credit CDR")
            return await client.post_cdr(job.body, where, self._receiver(meta))
        if kind is Kind.STATUS:
            await self._status_teller.tell(where, meta["location_id"], meta["evse_uid"], job.body)
        elif kind is Kind.LOCATION:  # to delete one is to send it with its EVSEs REMOVED: the body says so
            await client.put_location(*where, ident, job.body)
        elif kind is Kind.TARIFF and job.op is Op.DELETE:
            await client.delete_tariff(*where, ident)
        elif kind is Kind.TARIFF:
            await client.put_tariff(*where, ident, job.body)
        elif job.op is Op.DELETE:
            raise Declined("OCPI cannot delete a session: send it as INVALID")
        else:
            await client.put_session(*where, ident, job.body, self._receiver(meta))
        return None

    def _receiver(self, meta: Mapping[str, Any]) -> Receiver:
        """The party that a message is for (Message Routing: sessions and CDRs are no broadcast)."""
        to = meta.get(TO)
        return (to[0], to[1]) if to is not None and self._passes_on else THE_PARTNER

    def _takes_patch(self) -> bool:
        return self.config.quirks.patch == "auto" and not self.registration.state.no_patch

    async def cdr_at(self, reference: str) -> bytes | None:
        """The CDR that the partner has at the URL that delivery gave; None if it has none. Raises Unreachable, Declined."""
        return await self.client.get_cdr(reference)

    # --- authorisation

    async def authorise(self, request: AuthorisationRequest) -> AuthorisationAnswer:
        """Ask in real time (mod_tokens, POST authorize). Raises Unreachable when there is no answer."""
        body = None
        if request.location_id is not None:
            uids = None if request.evse_uid is None else (request.evse_uid,)
            body = encode(self.version.make("LocationReferences", location_id=request.location_id, evse_uids=uids))
        try:
            info = await self.client.authorize(request.uid, self.version.token_types[request.kind], body, self._owner_of_token(request))
        except Refusal as why:
            # "Unknown token" is an answer: HTTP 404 with 2004, or what partners send instead.
            code = str(int(Code.UNKNOWN_TOKEN)) if why.status == 404 else why.code
            return AuthorisationAnswer(Allowed.NOT_ALLOWED, code=code, info=why.because)
        except Declined as why:
            raise Unreachable(why.because) from why
        allowed, code = self.version.allowed[info.allowed.value], None
        if allowed is Allowed.ALLOWED and not _here(info.location, request):
            allowed, code = Allowed.NOT_ALLOWED, "location"
        token, told = None, getattr(info, "token", None)
        if told is not None:
            try:
                token = self.token_of(told)
            except Refused as why:
                _log.warning("%s: the token in an answer cannot be read: %s", self.name, why.path)
        party = token.party if token is not None else None if self.version.roles else self.registration.party
        provider = str(party) if party is not None else None
        said = info.info.text if info.info is not None else None
        return AuthorisationAnswer(allowed, token, provider, reference=getattr(info, "authorization_reference", None), code=code, info=said)

    def _owner_of_token(self, request: AuthorisationRequest) -> Receiver:
        """Who is asked about a token: behind a hub its owner, and where nobody knows that, whoever the hub finds (open routing)."""
        if not self._passes_on:
            return THE_PARTNER
        return (request.provider.country_code, request.provider.party_id) if request.provider is not None else THE_OWNER

    # --- tokens

    async def pull_tokens(self, since: datetime | None) -> AsyncIterator[list[Token]]:
        """The partner's tokens, one batch per page. Tokens that cannot be read, or are not its own, are left out."""
        async with aclosing(self.token_pages(since, None)) as pages:
            async for page in pages:
                yield page.tokens

    async def token_pages(self, since: datetime | None, at: str | None) -> AsyncGenerator[TokenPage, None]:
        """The same from a page on, with how the list goes on behind each."""
        async with aclosing(self.client.tokens(since, at)) as pages:
            async for page in pages:
                try:
                    yield TokenPage(self._batch(page.data), page.following)
                except BadInput as why:
                    raise Unreachable(f"a page of tokens that is no list: {why}") from why

    def _batch(self, data: bytes) -> list[Token]:
        entry, bound = self.entry("token")
        batch, facts, own = [], Facts(), cache(self.registration.speaks_for)
        for number, record in enumerate(entry.codec.read_all(data), 1):
            if isinstance(record, Unread):
                _log.warning("%s: token %d of a page cannot be read: %s", self.name, number, record.why.path)
                continue
            try:
                token: Token = bound.to_canon(record.value, facts)[0]
            except Refused as why:
                _log.warning("%s: token %d of a page is refused: %s", self.name, number, why.path)
                continue
            if not self.version.roles:
                token = evolve(token, party=self.registration.party)
            party = token.party
            if party is not None and not own(party.country_code, party.party_id):
                _log.warning("%s: token %d of a page is not its own", self.name, number)
                continue
            batch.append(with_extra(token, "ocpi", record.unknown) if record.unknown else token)
        return batch

    # --- commands

    async def outcome(self, address: str, outcome: CommandOutcome | ProfileOutcome) -> None:
        """Tell the result of a command, or of a request about a charging profile (POST to its response_url).

        Raises Unreachable or Declined. Exactly one result is expected: one that the partner itself says it could not take
        was not taken, one that it says nothing about may have been.
        """
        url, _, asker = address.partition(" ")
        if (because := self.no_answer_at(url)) is not None:
            raise Declined(f"response_url: {because}")
        country, _, party = asker.partition("*")
        try:
            await self.client.post_result(url, encode(self._result(outcome)), (country, party) if party else THE_PARTNER)
        except Unreachable as why:
            if why.status is None or why.status in _NOBODY_KNOWS:
                raise
            raise Unreachable(why.because, why.after) from why

    def _result(self, outcome: CommandOutcome | ProfileOutcome) -> Any:
        if isinstance(outcome, ProfileOutcome):
            return profile_map.result_to(outcome)
        result = self.version.messages.CommandResultType(self.version.results[outcome.result])
        return self.version.make("CommandResult", result=result, message=self.texts(outcome.messages))

    async def plan_changed(self, session: str, plan: ActiveChargingProfile) -> None:
        """Tell a charger's plan for a session (mod_charging_profiles, PUT at the Sender). Raises Unreachable or Declined."""
        await self.client.put_plan(session, encode(profile_map.plan_to(plan)))


def _party(obj: Any) -> PartyId | None:
    """The operator of a location, tariff, session or CDR, where it is told."""
    told = obj.place.operator_id if isinstance(obj, Location) else obj
    party: PartyId | None = getattr(told, "party", None)
    return party


def _here(location: Any, request: AuthorisationRequest) -> bool:
    """Whether an answer's LocationReferences let the driver charge where it was asked for; absent says nothing against."""
    if location is None or request.location_id is None:
        return True
    if folded(location.location_id) != folded(request.location_id):
        return False
    uids = location.evse_uids
    return not uids or request.evse_uid is None or folded(request.evse_uid) in {folded(uid) for uid in uids}


def _unsaid(obj: Any) -> Iterator[Loss]:
    """Unknown fields of the object's source: they are not sent to anybody else."""
    held: list[tuple[str, Any]] = [("", obj)]
    if isinstance(obj, Location):
        held = [("", obj.place), *((f"evses[{i}].", e) for i, e in enumerate(obj.evses))]
    for prefix, part in held:
        for extra in getattr(part, "extra", ()):
            yield Loss(prefix + extra.path, DROPPED, extra.value, "the specification has no such field")
