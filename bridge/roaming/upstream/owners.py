"""Whose a session of an upstream operator is: who authorised it, or whose token it was.

Sought in this order: by the reference that we gave when we answered or passed on a command; by what we granted for this
card shortly before, where the reference was not kept; by the token and its contract among the tokens that partners gave us.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import orjson
from attrs import frozen

from bridge.model import json as model_json
from bridge.model.ids import ContractId, IdError, evse_key
from bridge.model.token import SessionToken, Token
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book, Scope
from bridge.roaming.authorise import Authoriser, Decision, fingerprint, lookup_keys, normal
from bridge.roaming.expected import REMEMBERED, from_json
from bridge.roaming.ports import ChargerAnswer
from bridge.roaming.storage import TokenRow
from bridge.roaming.upstream.storage import GrantRow, UpstreamStorage

SKEW = timedelta(minutes=2)
"""How far the clocks of an upstream operator may be from ours."""


@frozen
class Trace:
    """What a session or CDR says about who charged, where and when."""

    scope: Scope
    token: SessionToken | None
    reference: str | None
    evse_id: str | None
    start: datetime


@frozen
class Claim:
    """By which decision a session is whose, and when that was decided. Its partner None: a customer of the operator."""

    decision: Decision
    at: datetime


class Owners:
    """Finds whose a session is."""

    def __init__(self, store: UpstreamStorage, authoriser: Authoriser, book: Book, now: Callable[[], datetime]) -> None:
        self.store = store
        self.authoriser = authoriser
        self.book = book
        self.now = now

    def find(self, trace: Trace) -> Claim | None:
        """Whose it is, or None if nobody can be found: then nobody is billed."""
        granted = self._by_reference(trace) or self._by_card(trace)
        if granted is not None:
            return Claim(from_json(granted.decision), granted.at)
        return self._by_token(trace)

    def _by_reference(self, trace: Trace) -> GrantRow | None:
        row = self.store.granted(trace.reference) if trace.reference is not None else None
        return row if row is not None and row.source == trace.scope.origin else None

    def _by_card(self, trace: Trace) -> GrantRow | None:
        since, until = trace.start - REMEMBERED - SKEW, trace.start + SKEW
        here = evse_key(trace.evse_id) if trace.evse_id is not None else None
        for uid in self._uids(trace.token):
            found = self.store.grants(trace.scope.origin, fingerprint(uid), since, until)
            for row in found:
                if row.evse_id is None or here is None or row.evse_id == here:
                    return row
        return None

    def _uids(self, told: SessionToken | None) -> list[str]:
        """Which card it may be. Where only the contract is told (OCPI 2.1.1), those of the contract; it may be a uid itself."""
        if told is None or (told.uid is None and told.contract_id is None):
            return []
        if told.uid is not None:
            return [str(told.uid)]
        return [*(row.uid for row in self.store.tokens_of(str(told.contract_id))), str(told.contract_id)]

    def _by_token(self, trace: Trace) -> Claim | None:
        told, uids = trace.token, [normal(uid) for uid in self._uids(trace.token)]
        if told is None or not uids:
            return None
        if not self.authoriser.own.isdisjoint(uids):
            return Claim(_decision(None, None, "a customer of the operator"), trace.start)
        rows = [row for row in self.store.tokens(*(key for uid in uids for key in lookup_keys(uid)))
                if self.book.find(row.partner, kinds.TOKENS, trace.scope, trace.start) is not None]  # fmt: skip
        rows = _of_contract(rows, told)
        if not rows:
            return None
        row = self.authoriser.preferred(rows)
        token: Token = model_json.from_json(Token, orjson.loads(row.body))
        return Claim(_decision(row.partner, token, f"a token of {row.partner}"), trace.start)


def _of_contract(rows: Sequence[TokenRow], told: SessionToken) -> list[TokenRow]:
    """The tokens of the contract that was told: one uid may be two people's. ``#NA`` or the uid in its place tells none."""
    if told.contract_id is None or str(told.contract_id) in ("#NA", str(told.uid)):
        return list(rows)
    if told.uid is None and any(row.uid == normal(str(told.contract_id)) for row in rows):
        return list(rows)
    key = _key(str(told.contract_id))
    return [row for row in rows if row.contract is None or _key(row.contract) == key]


def _key(contract: str) -> str:
    try:
        return ContractId.parse(contract).key
    except IdError:
        return contract.upper()


def _decision(partner: str | None, token: Token | None, reason: str) -> Decision:
    how = "whitelist" if partner is not None else "own"
    return Decision(str(uuid.uuid4()), ChargerAnswer.ACCEPTED, how, reason, partner, token)
