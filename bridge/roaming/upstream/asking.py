"""An upstream operator asks in real time whether a card may charge: decided, recorded and remembered like at our own chargers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from attrs import evolve

from bridge.model.ids import TokenUid, evse_key
from bridge.model.location import Evse, Location, Status
from bridge.model.token import Allowed, AuthorizationInfo, Token, TokenKind, Whitelist
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book, Scope
from bridge.roaming.authorise import Authoriser, Decision, fingerprint
from bridge.roaming.expected import to_json
from bridge.roaming.ports import ChargerAnswer
from bridge.roaming.publish import key_of
from bridge.roaming.storage import EvseRow
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.places import Places
from bridge.roaming.upstream.ports import NotThere, Question
from bridge.roaming.upstream.storage import GrantRow, UpstreamStorage

_SAID = {
    ChargerAnswer.ACCEPTED: Allowed.ALLOWED,
    ChargerAnswer.BLOCKED: Allowed.BLOCKED,
    ChargerAnswer.EXPIRED: Allowed.EXPIRED,
    ChargerAnswer.INVALID: Allowed.NOT_ALLOWED,
    ChargerAnswer.CONCURRENT: Allowed.NOT_ALLOWED,
}


class Asking:
    """Answers upstream operators."""

    def __init__(self, store: UpstreamStorage, authoriser: Authoriser, book: Book, places: Places, now: Callable[[], datetime]) -> None:
        self.store = store
        self.places = places
        self.authoriser = authoriser
        self.book = book
        self.now = now

    async def answer(self, feed: Feed, question: Question) -> AuthorizationInfo | None:
        """May this card charge there? None: nobody knows it. The answer's reference leads back to the decision."""
        evses = self._evses(feed, question)
        decision = await self.authoriser.decide(feed.partner, question.uid, evses, question.kind)
        if decision.answer is ChargerAnswer.INVALID and decision.token is None and decision.how == "refused":
            return None
        token = self._token(feed, question, decision)
        if not decision.accepted:
            said = decision.reply.allowed if decision.reply is not None else _SAID[decision.answer]
            return AuthorizationInfo(said, token, question.location_id)
        here = [e for e in evses if self._may(decision, e.scope)]
        one = here[0].evse_id if len(here) == 1 and here[0].evse_id else None
        await self.store.grant(GrantRow(decision.id, feed.partner, fingerprint(question.uid), one, to_json(decision), self.now()))
        uids = tuple(e.uid for e in here) if question.location_id is not None else ()
        return AuthorizationInfo(Allowed.ALLOWED, token, question.location_id, uids, decision.id)

    def _may(self, decision: Decision, scope: Scope) -> bool:
        return decision.partner is None or self.book.find(decision.partner, kinds.TOKENS, scope, self.now()) is not None

    def _evses(self, feed: Feed, question: Question) -> Sequence[EvseRow]:
        """What is asked about. Without a place, all that the operator feeds: one stand-in for each operator of ours."""
        if question.location_id is None:
            return [EvseRow("", "", "", "", name, feed.groups, origin=feed.partner) for name in feed.operators]
        wanted = {uid.upper() for uid in question.evse_uids}
        for name in feed.operators:
            location = self.places.location(feed.scope(name), question.location_id)
            found = [_row(e, location, feed.scope(name)) for e in location.evses if e.status is not Status.REMOVED
                     and (not wanted or str(e.uid).upper() in wanted)] if location is not None else []  # fmt: skip
            if found:
                return found
        raise NotThere("location_id", "there is no such location or EVSE of theirs")

    def _token(self, feed: Feed, question: Question, decision: Decision) -> Token:
        """The token as upstream hears of it: whoever does not get the owner's tokens, and what becomes of them, has to ask each time."""
        told = decision.token or Token()
        named = evolve(told, uid=told.uid if told.hashed is None and told.uid is not None else TokenUid(question.uid), hashed=None)
        kind = told.kind or question.kind or TokenKind.RFID
        issuer = told.issuer or (decision.reply.provider if decision.reply is not None else None)
        listed = Whitelist.ALLOWED if decision.how == "whitelist" else Whitelist.NEVER
        whitelist = told.whitelist or listed if decision.partner in feed.tokens_from else Whitelist.NEVER
        return evolve(named, kind=kind, valid=decision.accepted, whitelist=whitelist, issuer=issuer,
                      last_updated=told.last_updated or self.now(), extra=())  # fmt: skip


def _row(evse: Evse, location: Location, scope: Scope) -> EvseRow:
    ident = str(evse.id) if evse.id is not None else ""
    return EvseRow(evse_key(ident) if ident else "", ident, str(evse.uid or ident), key_of(location), scope.operator, scope.groups,
                   origin=scope.origin)  # fmt: skip
