"""Authorisation: who owns a card, who is asked, and what is answered within one deadline.

The owner is resolved first, from the tokens that partners gave us. A known owner is asked by its preferred route only
(bilateral before hub, then by priority), and not at all where its whitelist says so. An unknown card goes out in stages,
one per priority; the first stage with an acceptance ends it, and between acceptances priority decides, never arrival.
The operator's own cards and random uids (4 bytes beginning 08) are never asked for elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from attrs import frozen

from bridge.errors import Declined, Unreachable
from bridge.model import json as model_json
from bridge.model.ids import EvseId, IdError, RfidUid, mask
from bridge.model.token import Allowed, Token, TokenKind, Whitelist
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book
from bridge.roaming.ports import AnswersAuthorisation, AuthorisationAnswer, AuthorisationRequest, ChargerAnswer, Partner
from bridge.roaming.storage import DecisionRow, EvseRow, Storage, TokenRow


@frozen
class Route:
    """How a partner is asked."""

    partner: str
    hub: bool = False
    priority: int = 100
    asks: bool = True
    accepts_known_offline: bool = False

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Bilateral before hub, then priority."""
        return self.hub, self.priority, self.partner


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


def normal(uid: str) -> str:
    """A uid as it is looked up: hex in capitals without separators, anything else in capitals."""
    try:
        return RfidUid.parse(uid).key
    except IdError:
        return uid.strip().upper()


def fingerprint(uid: str) -> str:
    """Finds decisions about the same card again without telling the card."""
    return hashlib.sha256(("card:" + normal(uid)).encode()).hexdigest()[:16]


@frozen
class _Asked:
    route: Route
    answer: AuthorisationAnswer | None
    error: str | None
    milliseconds: float
    definite: bool = False


class Authoriser:
    """Decides about cards."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], routes: Sequence[Route], book: Book,
                 now: Callable[[], datetime], *, seconds: float = 4.0, own: frozenset[str] = frozenset()) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.routes = {r.partner: r for r in routes}
        self.book = book
        self.now = now
        self.seconds = seconds
        self.own = own

    async def decide(self, charge_point: str, uid: str, evses: Sequence[EvseRow]) -> Decision:
        """The decision about a card at a charge point, recorded."""
        started = time.perf_counter()
        asked: list[_Asked] = []
        plain = normal(uid)
        decision = await self._decide(plain, evses, asked)
        contract = str(decision.token.contract_id) if decision.token is not None and decision.token.contract_id else None
        await self.store.save_decision(DecisionRow(
            decision.id, self.now(), charge_point, evses[0].evse_id if len(evses) == 1 else None, mask(plain), fingerprint(plain), contract,
            decision.answer.value, f"{decision.how}: {decision.reason}", decision.partner, [_told(a) for a in asked],
            (time.perf_counter() - started) * 1000))  # fmt: skip
        return decision

    async def _decide(self, uid: str, evses: Sequence[EvseRow], asked: list[_Asked]) -> Decision:
        if not evses:
            return _decision(ChargerAnswer.INVALID, "refused", "no EVSE is bound to this charger")
        if uid in self.own:
            return _decision(ChargerAnswer.ACCEPTED, "own", "a customer of the operator")
        known = [t for t in self.store.tokens(uid) if self._may(t.partner, kinds.TOKENS, evses)]
        if known:
            return await self._known(uid, known, evses, asked)
        if is_random(uid):
            return _decision(ChargerAnswer.INVALID, "refused", "a random uid: it says nothing about its owner")
        return await self._unknown(uid, evses, asked)

    def _may(self, partner: str, kind: str, evses: Sequence[EvseRow]) -> bool:
        return any(self.book.find(partner, kind, e.operator, e.groups, self.now()) is not None for e in evses)

    async def _known(self, uid: str, known: Sequence[TokenRow], evses: Sequence[EvseRow], asked: list[_Asked]) -> Decision:
        row = min(known, key=lambda t: (not t.valid, self._route(t.partner).rank))
        token: Token = model_json.from_json(Token, orjson.loads(row.body))
        expired = row.expires is not None and row.expires <= self.now()
        usable = row.valid and not expired
        whitelist = Whitelist(row.whitelist) if row.whitelist else Whitelist.ALLOWED
        if usable and whitelist in (Whitelist.ALWAYS, Whitelist.ALLOWED):
            return _decision(ChargerAnswer.ACCEPTED, "whitelist", f"a valid token of {row.partner}", row.partner, token)
        route = self._route(row.partner)
        partner = self.partners.get(row.partner)
        if whitelist is not Whitelist.ALWAYS and route.asks and isinstance(partner, AnswersAuthorisation):
            one = await self._ask(route, uid, token, evses)
            asked.append(one)
            if one.answer is not None:
                return _decision(_ANSWERS[one.answer.allowed], "real-time", f"{row.partner} says {one.answer.allowed.value}",
                                 row.partner, one.answer.token or token, one.answer)  # fmt: skip
            if usable and (whitelist is Whitelist.ALLOWED_OFFLINE or route.accepts_known_offline):
                return _decision(
                    ChargerAnswer.ACCEPTED, "offline", f"{row.partner} does not answer; its token allows it", row.partner, token
                )
            return _decision(ChargerAnswer.INVALID, "refused", f"{row.partner} does not answer: {one.error}", row.partner, token)
        if expired:
            return _decision(ChargerAnswer.EXPIRED, "refused", f"the token of {row.partner} has expired", row.partner, token)
        return _decision(ChargerAnswer.BLOCKED, "refused", f"the token of {row.partner} is not valid", row.partner, token)

    async def _unknown(self, uid: str, evses: Sequence[EvseRow], asked: list[_Asked]) -> Decision:
        routes = [r for r in sorted(self.routes.values(), key=lambda r: r.rank) if r.asks and self._may(r.partner, kinds.TOKENS, evses)
                  and isinstance(self.partners.get(r.partner), AnswersAuthorisation)]  # fmt: skip
        deadline = asyncio.get_running_loop().time() + self.seconds
        stages: dict[tuple[bool, int], list[Route]] = {}
        for route in routes:
            stages.setdefault((route.hub, route.priority), []).append(route)
        for number, stage in enumerate(stages.values()):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            budget = left / (len(stages) - number)
            answers = await asyncio.gather(*(self._ask(r, uid, None, evses, budget) for r in stage))
            asked += answers
            yes = [a for a in answers if a.answer is not None and a.answer.allowed is Allowed.ALLOWED]
            if yes:
                best = min(yes, key=lambda a: a.route.rank)
                return _decision(ChargerAnswer.ACCEPTED, "real-time", f"{best.route.partner} says ALLOWED", best.route.partner,
                                 best.answer.token if best.answer else None, best.answer)  # fmt: skip
            blocked = [a for a in answers if a.answer is not None and a.answer.allowed in _DEFINITE]
            if blocked and blocked[0].answer is not None:
                said = blocked[0].answer.allowed
                return _decision(_ANSWERS[said], "real-time", f"{blocked[0].route.partner}, its owner, says {said.value}",
                                 blocked[0].route.partner, blocked[0].answer.token, blocked[0].answer)  # fmt: skip
        return _decision(ChargerAnswer.INVALID, "refused", "nobody knows this card" if asked else "nobody to ask about an unknown card")

    async def _ask(self, route: Route, uid: str, token: Token | None, evses: Sequence[EvseRow], seconds: float | None = None) -> _Asked:
        partner = self.partners[route.partner]
        evse = evses[0] if len(evses) == 1 else None
        operator = evses[0].operator
        request = AuthorisationRequest(
            str(token.uid) if token is not None and token.uid else uid, token.kind if token is not None and token.kind else TokenKind.RFID,
            EvseId(evse.written) if evse else None, evse.uid if evse else None, evses[0].location if evse else None, operator,
            str(uuid.uuid4()))  # fmt: skip
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.seconds if seconds is None else seconds):
                answer = await partner.authorise(request)  # type: ignore[attr-defined]
        except TimeoutError:
            return _Asked(route, None, "no answer in time", (time.perf_counter() - started) * 1000)
        except (Unreachable, Declined) as why:
            return _Asked(route, None, str(why), (time.perf_counter() - started) * 1000)
        return _Asked(route, answer, None, (time.perf_counter() - started) * 1000)

    def _route(self, partner: str) -> Route:
        return self.routes.get(partner) or Route(partner, asks=False)


_DEFINITE = frozenset({Allowed.BLOCKED, Allowed.EXPIRED, Allowed.NO_CREDIT})


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
    return {"partner": one.route.partner, "hub": one.route.hub, "priority": one.route.priority, "said": said, "error": one.error,
            "milliseconds": round(one.milliseconds, 1)}  # fmt: skip


__all__ = ["Authoriser", "Decision", "Route", "fingerprint", "is_random", "normal"]
