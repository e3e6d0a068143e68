"""Transactions that are expected: a card was accepted at a charger, or a partner started there remotely.

A card that was accepted is remembered in memory: after a restart it is decided anew. A remote start is remembered in the
store, before the charger hears of it: its CDR has to reach whoever started it, whatever happens in between. Only one whose
partner waited for our answer and did not hear that it succeeded is over, because the charger was silent or the bridge ended
before: the partner takes it for failed (Hubject takes no CDR for such a session), so nothing may begin by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from attrs import evolve, frozen

from bridge.model import json as model_json
from bridge.model.ids import mask
from bridge.model.token import Allowed, Token
from bridge.roaming.authorise import Authoriser, Decision, fingerprint, the_only
from bridge.roaming.disowned import UNHEARD
from bridge.roaming.pending import ExpectedRow
from bridge.roaming.ports import AuthorisationAnswer, ChargerAnswer
from bridge.roaming.publish import dumps
from bridge.roaming.storage import DecisionRow, EvseRow, SessionRow, Storage

REMEMBERED = timedelta(minutes=15)
"""How long a decision about a card, or a remote start, waits for the transaction to begin (OCPI 2.2.1, mod_commands)."""

_MOST = 10_000
"""Accepted cards that are remembered; beyond, the oldest is forgotten."""
NOTHING = "no transaction began"


@frozen
class Expected:
    """A decision that waits for its transaction."""

    decision: Decision
    until: datetime
    connector: int | None = None


class Expectations:
    """Everything that is expected."""

    def __init__(self, store: Storage, authoriser: Authoriser, now: Callable[[], datetime]) -> None:
        self.store = store
        self.authoriser = authoriser
        self.now = now
        self._cards: dict[tuple[str, str], Expected] = {}
        self._waiting: dict[tuple[str, str], str] = {}
        """Remote starts, by the decision, whose partner waits for our answer now."""

    def card(self, charge_point: str, id_token: str, decision: Decision) -> None:
        """A card was accepted here."""
        key = charge_point, fingerprint(id_token)
        if key in self._cards:
            self._forget(key, "the card was shown again")
        elif len(self._cards) >= _MOST:
            self._forget(next(iter(self._cards)), "too many cards are accepted")
        self._cards[key] = Expected(decision, self.now() + REMEMBERED)

    async def expire(self) -> None:
        """Give back acceptances of which nothing came in time: of cards, and of remote starts that we had accepted."""
        now = self.now()
        for key in [key for key, one in self._cards.items() if one.until <= now]:
            self._forget(key, NOTHING)
        for row in self.store.overdue(now):
            if row.answered:
                self._release(from_json(row.decision), self.store.evses_at(row.charge_point, row.connector), NOTHING)
            self._waiting.pop((row.charge_point, row.card), None)
            await self.store.unexpect(row.charge_point, row.card)

    def forget(self) -> None:
        """Give back the acceptances of cards that are only in memory: the bridge stops, and decides anew afterwards."""
        for key in list(self._cards):
            self._forget(key, "the bridge stopped before its card started a transaction")

    def _forget(self, key: tuple[str, str], because: str) -> None:
        self._release(self._cards.pop(key).decision, self.store.evses_at(key[0]), because)

    def _release(self, decision: Decision, evses: Sequence[EvseRow], because: str) -> None:
        if decision.partner is not None and decision.reply is not None:
            self.authoriser.releases.release(decision.partner, decision.reply, the_only(evses), because)

    async def remote(self, charge_point: str, connector: int, id_token: str, decision: Decision, evse_id: str, *,
                     answered: bool = True) -> None:  # fmt: skip
        """A partner starts here; durable when it returns. ``answered``: it does not wait for what comes of it."""
        now, card = self.now(), fingerprint(id_token)
        contract = decision.token.contract_id if decision.token is not None else None
        row = DecisionRow(decision.id, now, charge_point, evse_id, mask(id_token), card, str(contract) if contract else None,
                          decision.answer.value, f"{decision.how}: {decision.reason}", decision.partner, [], 0.0)  # fmt: skip
        if not answered:
            self._waiting[charge_point, card] = decision.id
        await self.store.expect(ExpectedRow(charge_point, card, connector, to_json(decision), now + REMEMBERED, answered), row)

    async def answered(self, decision: str) -> None:
        """The partner that waited is about to hear that it started; durable when it returns."""
        await self.store.answered(decision)

    def waited(self, decision: str) -> None:
        """The partner waits no longer: unless it was answered, this start is over."""
        self._waiting = {key: waiting for key, waiting in self._waiting.items() if waiting != decision}

    async def not_remote(self, charge_point: str, id_token: str) -> None:
        """The charger refused: it will not begin."""
        await self.store.unexpect(charge_point, fingerprint(id_token))

    def over(self, charge_point: str, id_token: str, connector: int) -> Decision | None:
        """The refusal of what begins by a start that its partner takes for failed, unless the card was shown since."""
        card = fingerprint(id_token)
        row = self.store.expected(charge_point, card)
        if row is None or row.answered or row.until <= self.now() or row.connector not in (None, connector):
            return None
        if (charge_point, card) in self._cards or (charge_point, card) in self._waiting:
            return None
        return evolve(from_json(row.decision), answer=ChargerAnswer.INVALID, reason=UNHEARD)

    def given_up(self, session: SessionRow) -> bool:
        """Whether the partner that started a session remotely was not told so, and will not be."""
        decision = session.auth["decision"]
        return decision not in self._waiting.values() and self.store.unheard(decision)

    def abandoned(self) -> list[str]:
        """The decisions of remote starts whose partner waited in vain, such as before a restart."""
        waiting = set(self._waiting.values())
        return [ident for row in self.store.unanswered() if (ident := from_json(row.decision).id) not in waiting]

    def find(self, charge_point: str, id_token: str, connector: int | None = None) -> Expected | None:
        """What is expected of this card, if it still holds: a token that was revoked since is to be decided anew."""
        card = fingerprint(id_token)
        row = self.store.expected(charge_point, card)
        if row is not None and row.until > self.now() and (connector is None or row.connector in (None, connector)):
            decision = from_json(row.decision)
            if row.answered or (self._waiting.get((charge_point, card)) == decision.id and self.store.session_by(decision.id) is None):
                return Expected(decision, row.until, row.connector)
        found = self._cards.get((charge_point, card))
        if found is None:
            return None
        if found.until <= self.now() or (
            found.decision.standing is not False and self.authoriser.standing(id_token, found.decision.partner) is False
        ):
            self._forget((charge_point, card), "it no longer holds")
            return None
        return found

    def came(self, charge_point: str, id_token: str) -> None:
        """The transaction began (the store forgets a remote start together with opening the session)."""
        self._cards.pop((charge_point, fingerprint(id_token)), None)


def to_json(decision: Decision) -> bytes:
    """A decision as it is stored."""
    reply = decision.reply
    told: dict[str, Any] = {"id": decision.id, "answer": decision.answer.value, "how": decision.how, "reason": decision.reason,
                            "partner": decision.partner, "token": _token(decision.token), "reply": None}  # fmt: skip
    if reply is not None:
        told["reply"] = {"allowed": reply.allowed.value, "provider": reply.provider, "hub_session_id": reply.hub_session_id,
                         "provider_session_id": reply.provider_session_id, "reference": reply.reference}  # fmt: skip
    return orjson.dumps(told)


def from_json(body: bytes) -> Decision:
    """A stored decision."""
    told = orjson.loads(body)
    token: Token | None = model_json.from_json(Token, told["token"]) if told["token"] is not None else None
    reply = None
    if told["reply"] is not None:
        held = dict(told["reply"])
        reply = AuthorisationAnswer(Allowed(held.pop("allowed")), token, **held)
    return Decision(told["id"], ChargerAnswer(told["answer"]), told["how"], told["reason"], told["partner"], token, reply)


def _token(token: Token | None) -> Any:
    return orjson.loads(dumps(token)) if token is not None else None
