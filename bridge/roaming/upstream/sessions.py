"""Sessions and CDRs of upstream operators: kept as they were told, and passed on to whoever's customer it was.

A CDR enters our ledger once, under the operator and its id, and goes out like one of ours: with one id and the same bytes
however often it is sent. One whose owner is not known, or that its owner's protocol cannot tell, is kept for a person.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from attrs import evolve, frozen

from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.model.ids import EvseId, evse_key
from bridge.model.location import Evse, Location
from bridge.model.session import Session, SessionStatus
from bridge.model.tariff import Tariff
from bridge.model.token import Allowed, Token
from bridge.roaming import agreements as kinds
from bridge.roaming import ledger
from bridge.roaming.agreements import Agreement, Book, Scope
from bridge.roaming.audit import Unsettled
from bridge.roaming.authorise import Decision, fault
from bridge.roaming.billing import amount
from bridge.roaming.ports import AuthorisationAnswer, ChargerAnswer, Kind, Partner
from bridge.roaming.publish import dumps
from bridge.roaming.sessions import auth_of
from bridge.roaming.storage import CdrRow, Happening, Outbound
from bridge.roaming.upstream import bills
from bridge.roaming.upstream.feed import Feeds
from bridge.roaming.upstream.locks import Locks
from bridge.roaming.upstream.owners import Claim, Owners, Trace
from bridge.roaming.upstream.places import Places, older
from bridge.roaming.upstream.ports import Contradiction, NotThere
from bridge.roaming.upstream.storage import CdrTold, SessionTold, UpstreamStorage
from bridge.roaming.whole import for_partner

log = logging.getLogger(__name__)

NOBODY = "nobody is known whose token or authorisation it was"
_OVER = frozenset({SessionStatus.COMPLETED, SessionStatus.INVALID})


@frozen
class _Where:
    """The place of a session as it is stored here."""

    location: Location | None
    evse: Evse | None

    @property
    def evse_id(self) -> EvseId | None:
        return self.evse.id if self.evse is not None else None


class Told:
    """Takes sessions and CDRs from upstream. ``wake``: there is work for this partner."""

    def __init__(self, store: UpstreamStorage, partners: Mapping[str, Partner], book: Book, places: Places, owners: Owners,
                 feeds: Feeds, now: Callable[[], datetime], wake: Callable[[str], None]) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.places = places
        self.owners = owners
        self.feeds = feeds
        self.now = now
        self.wake = wake
        self.on_told: Callable[[SessionTold], None] = lambda session: None
        self._locks = Locks()

    # --- sessions ----------------------------------------------------------------------------------------------------

    def session(self, scope: Scope, ident: str) -> Session | None:
        """A session as it was told."""
        row = self._mine(scope, ident)
        return None if row is None else _session(row)

    def _mine(self, scope: Scope, ident: str) -> SessionTold | None:
        row = self.store.session_told(scope.operator, ident)
        return row if row is not None and row.source == scope.origin else None

    async def put(self, scope: Scope, session: Session) -> bool:
        """A whole session; True if it is new. Raises Contradiction."""
        return await self._change(scope, str(session.id), lambda old: session) == "new"

    async def pulled(self, scope: Scope, session: Session) -> bool:
        """A session out of a list; True if it changed anything. One older than what we hold was pushed meanwhile."""

        def newer(old: Session | None) -> Session:
            return old if old is not None and older(session.last_updated, old.last_updated) else session

        return await self._change(scope, str(session.id), newer) != "unchanged"

    async def amend(self, scope: Scope, ident: str, change: Callable[[Session], Session]) -> None:
        """A session changed by what was told of it. Raises NotThere, Contradiction and what ``change`` raises."""

        def known(old: Session | None) -> Session:
            if old is None:
                raise NotThere("id", "there is no such session")
            return change(old)

        await self._change(scope, ident, known)

    async def _change(self, scope: Scope, ident: str, change: Callable[[Session | None], Session]) -> str:
        async with self._locks.of((scope.operator, ident.upper())):
            known = self.store.session_told(scope.operator, ident)
            if known is not None and known.source != scope.origin:
                raise Contradiction("id", "this session is known from elsewhere")
            old = _session(known) if known is not None else None
            new = change(old)
            if old == new:
                return "unchanged"
            await self._save(scope, known, old, new)
        return "changed" if known is not None else "new"

    async def _save(self, scope: Scope, known: SessionTold | None, old: Session | None, new: Session) -> None:
        if old is not None and old.status in _OVER and new.status not in _OVER:
            raise Contradiction("status", f"the session is {old.status} and cannot go on")
        if new.start is None or new.status is None:
            raise Contradiction("start", "a session has a start and a status")
        where = self._where(scope, new.location_id, new.evse_uid, new.evse_id)
        evse_id = evse_key(where.evse_id) if where.evse_id is not None else None
        told = SessionTold(scope.operator, known.id if known is not None else str(new.id), scope.origin, dumps(new), new.status.value,
                           new.start, new.kwh or Decimal(0), new.end, evse_id=evse_id)  # fmt: skip
        row, happened = self._claimed(scope, known, told, new, old)
        outbound = self._outbound(scope, row, new, where)
        if known is None or known.status != row.status:
            happened.append(Happening("session told", scope.origin, row.id, row.status))
        await self.store.save_session_told(row, outbound, happened)
        if row.partner is not None:
            self.wake(row.partner)
        self.on_told(row)

    def _claimed(self, scope: Scope, known: SessionTold | None, told: SessionTold, new: Session,
                 old: Session | None) -> tuple[SessionTold, list[Happening]]:  # fmt: skip
        """The session with what is known of whose it is; sought until it is found, and again under another reference."""
        sought = known is None or known.auth is None or (old is not None and old.authorization_reference != new.authorization_reference)
        claim = self.owners.find(Trace(scope, new.token, new.authorization_reference, told.evse_id, told.started)) if sought else None
        if known is not None and known.auth is not None and (claim is None or claim.decision.partner != known.partner):
            return evolve(told, partner=known.partner, auth=known.auth, token=known.token, test=known.test, tariff=known.tariff), []
        if claim is None:
            return told, [] if known is not None else [Happening("session of an unknown owner", scope.origin, told.id)]
        decision = claim.decision
        agreement = self._agreement(scope, claim)
        name = agreement.tariff_for(scope.groups) if agreement is not None else None
        tariff = self.store.thing("tariff", name, operator=scope.operator) if name is not None else None
        auth = {**auth_of(decision), "tariff": name, "at": claim.at.isoformat()}
        row = evolve(told, partner=decision.partner, auth=auth, test=agreement is not None and agreement.test,
                     token=dumps(decision.token) if decision.token is not None else None,
                     tariff=tariff.body if tariff is not None else None)  # fmt: skip
        return row, [Happening("session matched", decision.partner, told.id, f"{decision.how}: {decision.reason}")]

    def _agreement(self, scope: Scope, claim: Claim) -> Agreement | None:
        """The agreement under which it began: about commands for a remote start, else about tokens."""
        if claim.decision.partner is None:
            return None
        kind = kinds.COMMANDS if claim.decision.how == "command" else kinds.TOKENS
        return self.book.find(claim.decision.partner, kind, scope, claim.at)

    def _agreed(self, kind: str, scope: Scope, row: SessionTold) -> bool:
        """Whether its owner hears of it: as of its start, test or production as the session is."""
        if row.partner is None or row.auth is None:
            return False
        at = max(row.started, datetime.fromisoformat(row.auth["at"]))
        return any(a.test == row.test and a.covers(kind, scope, at) is None for a in self.book.of(row.partner))

    def _outbound(self, scope: Scope, row: SessionTold, session: Session, where: _Where) -> list[Outbound]:
        partner = self.partners.get(row.partner or "")
        if partner is None or Kind.SESSION not in partner.kinds or not self._agreed(kinds.SESSIONS, scope, row):
            return []
        try:
            tariff = self._tariff(scope, row)
            made = bills.session_for(session, _decision(row), where.location, where.evse, tariff)
            encoded = partner.encode(Kind.SESSION, for_partner(partner, made))
        except (Refused, Unsettled):
            return []  # a session that the protocol cannot tell is not told; its CDR is
        except Exception as why:  # noqa: BLE001
            log.error("session %s cannot be written for %s: %s", row.id, partner.name, fault(why))
            return []
        under = f"{self.feeds.operators[scope.operator].party}/"  # ids are unique with their party only
        return [Outbound(partner.name, Kind.SESSION, f"{scope.operator}/{row.id}", under + e.key, e.body, e.meta) for e in encoded]

    def again(self, source: str) -> list[Outbound]:
        """A session for its owner, as it stands, by the key under which it was told."""
        operator, _, ident = source.partition("/")
        row = self.store.session_told(operator, ident)
        feed = self.feeds.all.get(row.source) if row is not None else None
        if row is None or feed is None or operator not in feed.operators:
            return []
        session, scope = _session(row), feed.scope(operator)
        return self._outbound(scope, row, session, self._where(scope, session.location_id, session.evse_uid, session.evse_id))

    # --- CDRs --------------------------------------------------------------------------------------------------------

    def cdr(self, scope: Scope, ident: str) -> Cdr | None:
        """A CDR as it was told."""
        row = self.store.cdr_told(scope.operator, ident)
        return _cdr(row.body) if row is not None and row.source == scope.origin else None

    async def post(self, scope: Scope, cdr: Cdr) -> bool:
        """A CDR; True if it is new, False if the same is known. Raises Contradiction: a CDR is what it was."""
        known = self.store.cdr_told(scope.operator, str(cdr.id))
        if known is None:
            entry = self._entered(scope, cdr)
            session = str(cdr.session_id) if cdr.session_id is not None else None
            told = CdrTold(scope.operator, str(cdr.id), scope.origin, session, dumps(cdr), entry.row.id)
            if await self.store.save_cdr_told(told, entry.row, entry.outbound, [entry.happening]):
                if entry.row.partner is not None:
                    self.wake(entry.row.partner)
                return True
            known = self.store.cdr_told(scope.operator, str(cdr.id))
        if known is None or known.source != scope.origin:
            raise Contradiction("id", "a CDR of this id is known from elsewhere")
        if _content(_cdr(known.body)) != _content(cdr):
            raise Contradiction("id", "another CDR of this id is known, and a CDR does not change")
        return False

    def _entered(self, scope: Scope, cdr: Cdr) -> ledger.Entry:
        """The CDR in our ledger, as its owner gets it. Never raises for what is in it: a CDR must not be lost."""
        number = f"{self.feeds.operators[scope.operator].party}/{cdr.id}"
        unsent = CdrRow(number, number, None, scope.operator, False, dumps(cdr), amount(cdr.total_cost), cdr.currency,
                        str(cdr.total_energy), "kept", [], self.now())  # fmt: skip
        try:
            return self._credited(scope, cdr, unsent) if cdr.credit else self._settled(scope, cdr, unsent)
        except Unsettled as why:
            return ledger.for_a_person(unsent, str(why))
        except Exception as why:  # noqa: BLE001
            log.error("CDR %s cannot be settled: %s", number, fault(why))
            return ledger.for_a_person(unsent, f"a fault in settling it: {type(why).__name__}")

    def _settled(self, scope: Scope, cdr: Cdr, unsent: CdrRow) -> ledger.Entry:
        before = self._uncredited(scope, cdr)
        if before is not None:
            raise Unsettled(f"its session has CDR {before} already, which was not credited")
        row = self._session_of(scope, cdr)
        if row.auth is None:
            return ledger.for_a_person(unsent, NOBODY)
        unsent = evolve(unsent, partner=row.partner, test=row.test, replaces=self._replaced(scope, cdr))
        partner = self.partners.get(row.partner or "")
        if partner is None or not self._agreed(kinds.CDRS, scope, row):
            return ledger.kept(unsent, row.auth["reason"] if row.partner is None else "no partner is due one")
        try:
            made = self._billed(scope, cdr, row)
        except Unsettled as why:
            return ledger.for_a_person(unsent, str(why))
        return self._goes(made, unsent, partner)

    def _credited(self, scope: Scope, cdr: Cdr, unsent: CdrRow) -> ledger.Entry:
        """A credit goes to whoever got what it credits."""
        told = self.store.cdr_told(scope.operator, str(cdr.credit_reference_id))
        original = self.store.cdr(told.entry) if told is not None and told.source == scope.origin else None
        if told is None or original is None:
            raise Unsettled(f"it credits {cdr.credit_reference_id}, which is not known")
        partner = self.partners.get(original.partner or "")
        if partner is None or original.state == "kept":
            return ledger.kept(unsent, f"{original.id}, which it credits, went to nobody")
        if original.state == "refused":
            raise Unsettled(f"{original.id}, which it credits, has not been taken")
        if (before := self.store.credit(original.id)) is not None:
            raise Unsettled(f"it credits {original.id}, which {before.id} has credited already")
        billed = _cdr(original.body)
        made = bills.credit_for(cdr, billed, repriced=billed.total_cost != _cdr(told.body).total_cost)
        return self._goes(made, evolve(unsent, partner=original.partner, test=original.test, credits=original.id), partner)

    def _goes(self, cdr: Cdr, unsent: CdrRow, partner: Partner) -> ledger.Entry:
        made, told = bills.numbered(bills.in_seconds(cdr, partner.format), partner.format)
        unsent = evolve(unsent, body=dumps(made), total=amount(made.total_cost), currency=made.currency)
        entry = ledger.entered(unsent, made, partner)
        return evolve(entry, row=evolve(entry.row, losses=[*told, *entry.row.losses]))

    def _uncredited(self, scope: Scope, cdr: Cdr) -> str | None:
        """The id of a CDR for the same session that stands: a second one would bill it twice."""
        if cdr.session_id is None:
            return None
        told = [_cdr(one.body) for one in self.store.cdrs_told(scope.operator, str(cdr.session_id))]
        credited = {str(one.credit_reference_id).upper() for one in told if one.credit}
        return next((str(one.id) for one in told if not one.credit and str(one.id).upper() not in credited), None)

    def _replaced(self, scope: Scope, cdr: Cdr) -> str | None:
        """The number of the CDR that was credited before this one was told for its session: this one follows the credit."""
        told = self.store.cdrs_told(scope.operator, str(cdr.session_id)) if cdr.session_id is not None else []
        rows = [row for one in told if (row := self.store.cdr(one.entry)) is not None]
        credited, replaced = {row.credits for row in rows}, {row.replaces for row in rows}
        return next((row.id for row in rows if row.id in credited and row.id not in replaced), None)

    def _billed(self, scope: Scope, cdr: Cdr, row: SessionTold) -> Cdr:
        """The CDR with the money that its owner pays. Raises Unsettled."""
        where = self._where(scope, cdr.place.id, cdr.place.evse_uid, cdr.place.evse_id)
        tariff = self._tariff(scope, row)
        made = bills.cdr_for(cdr, _decision(row), where.location, where.evse, tariff)
        if tariff is None:
            return made
        return bills.priced_by(made, tariff, made.place.time_zone or self.feeds.operators[scope.operator].zone)

    def _session_of(self, scope: Scope, cdr: Cdr) -> SessionTold:
        """The session of a CDR with what is known of whose it is; as the CDR tells it where no session was told."""
        known = self._mine(scope, str(cdr.session_id)) if cdr.session_id is not None else None
        if known is not None and known.auth is not None:
            return known
        if cdr.start is None:
            raise Unsettled(f"CDR {cdr.id} does not say when it began")
        where = self._where(scope, cdr.place.id, cdr.place.evse_uid, cdr.place.evse_id)
        session = Session(cdr.session_id, cdr.party, start=cdr.start, token=cdr.token, authorization_reference=cdr.authorization_reference)
        evse_id = where.evse_id or cdr.place.evse_id
        told = SessionTold(scope.operator, str(cdr.session_id or cdr.id), scope.origin, b"", "", cdr.start, Decimal(0),
                           evse_id=evse_key(evse_id) if evse_id is not None else None)  # fmt: skip
        return self._claimed(scope, None, told, session, None)[0]

    # --- both --------------------------------------------------------------------------------------------------------

    def _tariff(self, scope: Scope, row: SessionTold) -> Tariff | None:
        """The tariff that its agreement names, as it was when we first heard of it. Raises Unsettled if there is none."""
        name = row.auth.get("tariff") if row.auth is not None else None
        if name is None:
            return None
        thing = self.store.thing("tariff", name, operator=scope.operator) if row.tariff is None else None
        body = thing.body if thing is not None else row.tariff
        if body is None:
            raise Unsettled(f"tariff {name} of its agreement is not among the tariffs")
        tariff: Tariff = model_json.from_json(Tariff, orjson.loads(body))
        return tariff

    def _where(self, scope: Scope, location: str | None, evse_uid: str | None, evse_id: EvseId | None) -> _Where:
        found = self.places.location(scope, location) if location is not None else None
        return _Where(found, bills.evse_in(found, evse_uid, evse_id))


def _decision(row: SessionTold) -> Decision:
    """The decision by which a session goes, as the session keeps it."""
    auth: dict[str, Any] = row.auth or {}
    token: Token | None = model_json.from_json(Token, orjson.loads(row.token)) if row.token is not None else None
    reply = AuthorisationAnswer(Allowed.ALLOWED, token, auth.get("provider"), auth.get("hub_session_id"), auth.get("provider_session_id"),
                                auth.get("reference"))  # fmt: skip
    return Decision(auth["decision"], ChargerAnswer(auth["answer"]), auth["how"], auth["reason"], row.partner, token, reply)


def _session(row: SessionTold) -> Session:
    made: Session = model_json.from_json(Session, orjson.loads(row.body))
    return made


def _cdr(body: bytes) -> Cdr:
    made: Cdr = model_json.from_json(Cdr, orjson.loads(body))
    return made


def _content(cdr: Cdr) -> Cdr:
    """What may not change. The time of change is told anew by some with every try."""
    return evolve(cdr, last_updated=None, extra=())
