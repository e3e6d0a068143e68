"""Authorisation: who owns a card, who is asked, and what is answered within one deadline.

The owner is resolved first, from the tokens that partners gave us. A known owner is asked by its preferred route only
(bilateral before hub, then by priority), and not at all where its whitelist says so. An unknown card goes out in stages
(bilateral partners, then hubs, unless configured otherwise) within one deadline; everybody in a stage is asked at once.
The first stage with a definite answer ends it, and within a stage the route's priority decides, never arrival: an answer
is taken as soon as nobody better ranked can still give another. The operator's own cards, random uids (4 bytes beginning
08) and tags that stand for a remote start are never asked for elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from attrs import evolve, frozen

from bridge.errors import Declined, Unreachable
from bridge.model import json as model_json
from bridge.model.ids import ContractId, EvseId, IdError, PartyId, RfidUid, mask, rfid_key
from bridge.model.token import Allowed, Token, TokenKind, UidHash, Whitelist
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book
from bridge.roaming.ports import AnswersAuthorisation, AuthorisationAnswer, AuthorisationRequest, ChargerAnswer, Partner
from bridge.roaming.release import Releases
from bridge.roaming.storage import DecisionRow, EvseRow, Storage, TokenRow

log = logging.getLogger(__name__)


@frozen
class Route:
    """How a partner is asked. ``stage``: whose turn comes first; None: bilateral partners before hubs."""

    partner: str
    hub: bool = False
    priority: int = 100
    asks: bool = True
    accepts_known_offline: bool = False
    stage: int | None = None

    @property
    def turn(self) -> int:
        """The stage: as configured, else 1 for a bilateral partner and 2 for a hub."""
        return self.stage if self.stage is not None else 2 if self.hub else 1

    @property
    def rank(self) -> tuple[int, int, str]:
        """Preference among routes, the lowest first: stage, then priority."""
        return self.turn, self.priority, self.partner


@frozen
class Decision:
    """What was decided, by which route, and why. ``how``: whitelist, real-time, offline, own, command or refused."""

    id: str
    answer: ChargerAnswer
    how: str
    reason: str
    partner: str | None = None
    token: Token | None = None
    reply: AuthorisationAnswer | None = None
    standing: bool | None = None
    """Whether the partner's own token list let the card be used as it stood; None if it does not name the card."""

    @property
    def accepted(self) -> bool:
        """Whether the driver may charge."""
        return self.answer is ChargerAnswer.ACCEPTED


_ANSWERS = {
    Allowed.ALLOWED: ChargerAnswer.ACCEPTED,
    Allowed.BLOCKED: ChargerAnswer.BLOCKED,
    Allowed.EXPIRED: ChargerAnswer.EXPIRED,
    Allowed.NO_CREDIT: ChargerAnswer.BLOCKED,
    Allowed.NOT_ALLOWED: ChargerAnswer.INVALID,
}


@lru_cache(1024)  # a card is looked at several times before its answer
def normal(uid: str) -> str:
    """A uid as it is looked up: hex in capitals without separators, anything else in capitals."""
    try:
        return rfid_key(uid)
    except IdError:
        return uid.strip().upper()


_ALIAS = re.compile(r"R[0-9A-F]{18}")


def alias() -> str:
    """A new id tag of 19 characters that stands for a driver whose own uid a charger cannot hold."""
    return "R" + secrets.token_hex(9).upper()


def is_alias(uid: str) -> bool:
    """Whether it is such a tag: no card has it, and nobody elsewhere knows it."""
    return _ALIAS.fullmatch(uid) is not None


def lookup_key(token: Token) -> str:
    """How a token is found: its normalised uid, or for one that only gives a digest of it, which digest that is."""
    return f"{token.hashed}:{str(token.uid).lower()}" if token.hashed is not None else normal.__wrapped__(str(token.uid))


@lru_cache(1024)
def lookup_keys(uid: str) -> tuple[str, ...]:
    """Every key under which a card's token may stand. Digests are of the uid's text, in capitals or small letters
    (OCHP 1.4, EmtId, does not say which)."""
    keys = [uid]
    for text in (uid.upper().encode(), uid.lower().encode()):
        keys.append(f"{UidHash.SHA_1}:{hashlib.sha1(text).hexdigest()}")  # noqa: S324  (the partner's choice)
        keys.append(f"{UidHash.SHA_256}:{hashlib.sha256(text).hexdigest()}")
    return tuple(dict.fromkeys(keys))


@lru_cache(1024)
def fingerprint(uid: str) -> str:
    """Finds decisions about the same card again without telling the card."""
    return hashlib.sha256(("card:" + normal(uid)).encode()).hexdigest()[:16]


@frozen
class _Card:
    """What a partner is asked about."""

    uid: str
    kind: TokenKind
    owner: PartyId | None = None


def _card(uid: str, token: Token) -> _Card:
    """A card whose owner told us of it, as its owner spells it where it gave more than a digest."""
    own = token.uid is not None and token.hashed is None
    return _Card(str(token.uid) if own else uid, token.kind or TokenKind.RFID, token.party)


@frozen
class _Asked:
    route: Route
    answer: AuthorisationAnswer | None
    error: str | None
    milliseconds: float

    @property
    def definite(self) -> bool:
        """Whether its owner has spoken: yes, or no about a card that it knows."""
        return self.answer is not None and self.answer.allowed in _DEFINITE


class Authoriser:
    """Decides about cards."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], routes: Sequence[Route], book: Book,
                 now: Callable[[], datetime], *, seconds: float = 4.0, own: frozenset[str] = frozenset()) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.routes = {r.partner: r for r in routes}
        # Asked of every card: a structural check takes longer than everything else here.
        self.able = frozenset(name for name, partner in partners.items() if isinstance(partner, AnswersAuthorisation))
        self.releases = Releases(store, partners)
        self.book = book
        self.now = now
        self.seconds = seconds
        self.own = own
        self.away: Callable[[str, PartyId | None], str | None] = lambda partner, party: None
        """Why a party behind a partner cannot be asked now, or None."""

    async def decide(self, charge_point: str, uid: str, evses: Sequence[EvseRow], kind: TokenKind = TokenKind.RFID) -> Decision:
        """The decision about a card at a charge point, recorded. ``kind`` is what it is asked for as where nobody has told it."""
        started = time.perf_counter()
        asked: list[_Asked] = []
        listed: list[TokenRow] = []
        plain = normal(uid)
        decision = await self._decide(plain, kind, evses, asked, listed)
        if listed:
            decision = evolve(decision, standing=self._standing(listed, decision.partner))
        contract = str(decision.token.contract_id) if decision.token is not None and decision.token.contract_id else None
        evse = the_only(evses)
        await self.store.save_decision(DecisionRow(
            decision.id, self.now(), charge_point, evse.evse_id if evse is not None else None, mask(plain), fingerprint(plain), contract,
            decision.answer.value, f"{decision.how}: {decision.reason}", decision.partner, [_told(a) for a in asked],
            (time.perf_counter() - started) * 1000))  # fmt: skip
        return decision

    async def _decide(self, uid: str, kind: TokenKind, evses: Sequence[EvseRow], asked: list[_Asked], listed: list[TokenRow]) -> Decision:
        if not evses:
            return _decision(ChargerAnswer.INVALID, "refused", "no EVSE is bound to this charger")
        if uid in self.own:
            return _decision(ChargerAnswer.ACCEPTED, "own", "a customer of the operator")
        if is_alias(uid):
            return _decision(ChargerAnswer.INVALID, "refused", "it stands for a remote start that is over")
        listed += self.store.tokens(*lookup_keys(uid))
        known = [t for t in listed if self._may(t.partner, kinds.TOKENS, evses)]
        if known:
            return await self._known(uid, known, evses, asked)
        if is_random(uid):
            return _decision(ChargerAnswer.INVALID, "refused", "a random uid: it says nothing about its owner")
        return await self._unknown(_Card(uid, kind), evses, asked)

    def knows(self, uid: str) -> bool:
        """Whether a card is our own or of anybody's list; for others, somebody would have to be asked."""
        key = normal(uid)
        return key in self.own or bool(self.store.tokens(*lookup_keys(key)))

    def standing(self, uid: str, partner: str | None) -> bool | None:
        """Whether a partner's token with this uid may be used as it stands; None if it gave us none."""
        return self._standing(self.store.tokens(*lookup_keys(normal(uid))), partner)

    def _standing(self, rows: Sequence[TokenRow], partner: str | None) -> bool | None:
        usable = [self._usable(t) for t in rows if t.partner == partner]
        return any(usable) if usable else None

    def _may(self, partner: str, kind: str, evses: Sequence[EvseRow]) -> bool:
        return any(self.book.find(partner, kind, e.scope, self.now()) is not None for e in evses)

    def _usable(self, row: TokenRow) -> bool:
        return row.valid and (row.expires is None or row.expires > self.now())

    def preferred(self, known: Sequence[TokenRow]) -> TokenRow:
        """The token of the owner's preferred route, even if that one says that it is not valid: it is the owner's word.

        Only where two partners give one uid to different contracts is the one taken that may be used.
        """
        ranked = sorted(known, key=lambda t: self._route(t.partner).rank)
        first = ranked[0]
        if self._usable(first) or first.contract is None:
            return first
        return next((t for t in ranked if t.contract is not None and self._usable(t)
                     and _contract(t.contract) != _contract(first.contract)), first)  # fmt: skip

    async def _known(self, uid: str, known: Sequence[TokenRow], evses: Sequence[EvseRow], asked: list[_Asked]) -> Decision:
        row = self.preferred(known)
        token: Token = model_json.from_json(Token, orjson.loads(row.body))
        usable, owner, route = self._usable(row), row.partner, self._route(row.partner)
        whitelist = Whitelist(row.whitelist) if row.whitelist else Whitelist.ALLOWED
        if usable and whitelist in (Whitelist.ALWAYS, Whitelist.ALLOWED):
            return _decision(ChargerAnswer.ACCEPTED, "whitelist", f"a valid token of {owner}", owner, token)
        silence: str | None = None
        if whitelist is not Whitelist.ALWAYS and route.asks and owner in self.able:
            if (gone := self.away(owner, token.party)) is not None:
                one = _Asked(route, None, f"not asked: {token.party} is {gone}", 0.0)
            else:
                one = await self._ask(route, _card(uid, token), evses, self.seconds)
            asked.append(one)
            if one.answer is not None:
                said = one.answer.allowed
                return _decision(_ANSWERS[said], "real-time", f"{owner} says {said.value}", owner, one.answer.token or token, one.answer)
            silence = f"{owner} does not answer: {one.error}"
        if usable and (whitelist is Whitelist.ALLOWED_OFFLINE or route.accepts_known_offline):
            because = f"{owner} does not answer" if silence else f"{owner} cannot be asked"
            return _decision(ChargerAnswer.ACCEPTED, "offline", f"{because}; its token allows it", owner, token)
        if silence is not None:
            return _decision(ChargerAnswer.INVALID, "refused", silence, owner, token)
        if usable:
            return _decision(ChargerAnswer.INVALID, "refused", f"{owner} wants to be asked and cannot be", owner, token)
        if row.valid:
            return _decision(ChargerAnswer.EXPIRED, "refused", f"the token of {owner} has expired", owner, token)
        return _decision(ChargerAnswer.BLOCKED, "refused", f"the token of {owner} is not valid", owner, token)

    async def _unknown(self, card: _Card, evses: Sequence[EvseRow], asked: list[_Asked]) -> Decision:
        stages: dict[int, list[Route]] = {}
        for route in sorted(self.routes.values(), key=lambda r: r.rank):
            able = route.asks and route.partner in self.able
            if able and self._may(route.partner, kinds.TOKENS, evses):
                stages.setdefault(route.turn, []).append(route)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.seconds
        for number, stage in enumerate(stages.values()):
            left = deadline - loop.time()
            if left <= 0:
                break
            best = await self._stage(stage, card, evses, left / (len(stages) - number), asked)
            if best is not None and best.answer is not None:
                said, who = best.answer.allowed, best.route.partner
                return _decision(_ANSWERS[said], "real-time", f"{who} says {said.value}", who, best.answer.token, best.answer)
        if any(a.answer is None for a in asked):
            return _decision(ChargerAnswer.INVALID, "refused", "nobody who answered in time knows this card")
        return _decision(ChargerAnswer.INVALID, "refused", "nobody knows this card" if asked else "nobody to ask about an unknown card")

    async def _stage(self, stage: Sequence[Route], card: _Card, evses: Sequence[EvseRow], budget: float,
                     asked: list[_Asked]) -> _Asked | None:  # fmt: skip
        """Ask everybody in a stage at once; the best-ranked definite answer, without waiting for worse-ranked routes."""
        if len(stage) == 1:
            only = await self._ask(stage[0], card, evses, budget)
            asked.append(only)
            return only if only.definite else None
        started = time.perf_counter()
        waiting = {asyncio.ensure_future(self._ask(r, card, evses, budget)): r for r in stage}
        best: _Asked | None = None
        heard: list[_Asked] = []
        try:
            while waiting and (best is None or any(r.rank < best.route.rank for r in waiting.values())):
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del waiting[task]
                    one = task.result()
                    heard.append(one)
                    if one.definite and (best is None or one.route.rank < best.route.rank):
                        best = one
        except asyncio.CancelledError:
            best = None
            raise
        finally:
            asked += heard
            for one in heard:
                if one is not best:
                    self.releases.release(one.route.partner, one.answer, the_only(evses), "another route was better")
            for task, route in waiting.items():
                task.cancel()
                asked.append(_Asked(route, None, "not waited for", (time.perf_counter() - started) * 1000))
            await asyncio.gather(*waiting, return_exceptions=True)
        return best

    async def _ask(self, route: Route, card: _Card, evses: Sequence[EvseRow], seconds: float) -> _Asked:
        """Ask one partner. A partner, or its adapter, that fails in whatever way has not answered, and disturbs nobody."""
        evse = the_only(evses)
        here = {e.location for e in evses if e.location}
        request = AuthorisationRequest(
            card.uid, card.kind, EvseId(evse.written) if evse else None, evse.uid if evse else None,
            here.pop() if len(here) == 1 else None, evses[0].operator, str(uuid.uuid4()), card.owner)  # fmt: skip
        started = time.perf_counter()
        answer: AuthorisationAnswer | None = None
        error: str | None = None
        try:
            asking = self.partners[route.partner].authorise(request)  # type: ignore[attr-defined]
            async with asyncio.timeout(seconds):
                answer = await (self.releases.heard(route.partner, asking, evse) if route.partner in self.releases.able else asking)
        except TimeoutError:
            error = "no answer in time"
        except (Unreachable, Declined) as why:
            error = _masked(str(why), card.uid, normal(card.uid))
        except Exception as why:  # noqa: BLE001
            error = f"fault: {type(why).__name__}"
            # Its text may hold the uid; the type and the place in the code say enough.
            log.error("asking %s failed: %s", route.partner, fault(why))
        return _Asked(route, answer, error, (time.perf_counter() - started) * 1000)

    def _route(self, partner: str) -> Route:
        return self.routes.get(partner) or Route(partner, asks=False)


_DEFINITE = frozenset({Allowed.ALLOWED, Allowed.BLOCKED, Allowed.EXPIRED, Allowed.NO_CREDIT})
"""Answers of somebody who knows the card; NOT_ALLOWED is what partners say about cards that they do not know."""


def the_only(evses: Sequence[EvseRow]) -> EvseRow | None:
    """The EVSE that a card is for, where there is but one."""
    return evses[0] if len(evses) == 1 and evses[0].evse_id else None


def _masked(text: str, *uids: str) -> str:
    """A partner's words without the uid: an address or a message may repeat it."""
    for uid in uids:
        text = re.sub(re.escape(uid), mask(uid), text, flags=re.IGNORECASE)
    return text


def fault(why: BaseException) -> str:
    """A fault of ours without its text, which may hold a uid: its type and where in the code it happened."""
    frames = traceback.extract_tb(why.__traceback__)
    return type(why).__name__ + (f" in {frames[-1].filename}:{frames[-1].lineno}" if frames else "")


def _contract(text: str) -> str:
    try:
        return ContractId.parse(text).key
    except IdError:
        return text.upper()


def is_random(uid: str) -> bool:
    """A uid that a card makes up anew each time (4 bytes beginning 08)."""
    try:
        return RfidUid.parse(uid).is_random
    except IdError:
        return False


def _decision(answer: ChargerAnswer, how: str, reason: str, partner: str | None = None, token: Token | None = None,
              reply: AuthorisationAnswer | None = None) -> Decision:  # fmt: skip
    return Decision(str(uuid.uuid4()), answer, how, reason, partner, token, reply)


def _told(one: _Asked) -> dict[str, Any]:
    said = one.answer.allowed.value if one.answer is not None else None
    return {"partner": one.route.partner, "hub": one.route.hub, "priority": one.route.priority, "stage": one.route.turn, "said": said,
            "error": one.error, "milliseconds": round(one.milliseconds, 1)}  # fmt: skip


__all__ = [
    "Authoriser",
    "Decision",
    "Route",
    "alias",
    "fault",
    "fingerprint",
    "is_alias",
    "is_random",
    "lookup_key",
    "lookup_keys",
    "normal",
    "the_only",
]
