"""What is remembered of upstream operators. Every coroutine is one transaction, durable when it returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from attrs import frozen

from bridge.roaming.storage import CdrRow, DecisionRow, Happening, Outbound, Storage, TokenRow


@frozen
class GrantRow:
    """A decision that an upstream operator acts upon, under the reference that it was given (the decision's id).

    ``card`` is the token's fingerprint, ``evse_id`` the key of the EVSE that it is for (None: any).
    """

    id: str
    source: str
    card: str
    evse_id: str | None
    decision: bytes
    at: datetime
    answered: bool = True
    """Whether the partner that started remotely was told so; one that waits for this and hears nothing takes it for failed."""


@frozen
class SessionTold:
    """A session as its upstream operator tells it (``body``, canonical, as JSON), and what we know of whose it is.

    ``auth``, ``token`` and ``tariff`` (as it was when we first heard of the session) are JSON, as in a session of ours.
    """

    operator: str
    id: str
    source: str
    body: bytes
    status: str
    started: datetime
    kwh: Decimal
    ended: datetime | None = None
    partner: str | None = None
    auth: dict[str, Any] | None = None
    token: bytes | None = None
    test: bool = False
    tariff: bytes | None = None
    evse_id: str | None = None


@frozen
class CdrTold:
    """A CDR as its upstream operator told it; ``entry`` is its number in our ledger."""

    operator: str
    id: str
    source: str
    session: str | None
    body: bytes
    entry: str


@frozen
class PassedReservation:
    """A partner's reservation that went to an upstream operator, under the number by which it is known there."""

    partner: str
    reference: str
    source: str
    until: datetime
    number: int = 0


class UpstreamStorage(Storage, Protocol):
    """The store as the upstream side sees it."""

    def foreign(self, kind: str) -> list[tuple[str, str, str]]:
        """Operator, key and origin of everything of a kind that comes from upstream and is not removed."""
        ...

    # grants
    async def grant(self, row: GrantRow, decision: DecisionRow | None = None) -> None:
        """Remember a decision that is passed on; with the record of it, where there is none yet."""
        ...

    def granted(self, ident: str) -> GrantRow | None:
        """By the reference that we gave."""
        ...

    def grants(self, source: str, card: str, since: datetime, until: datetime) -> list[GrantRow]:
        """What was granted for a card between two moments, the latest first."""
        ...

    async def grant_answered(self, ident: str) -> None:
        """The partner that started remotely is about to be told so."""
        ...

    async def revoke_grant(self, ident: str) -> None:
        """Nothing will come of it."""
        ...

    # sessions and CDRs
    def session_told(self, operator: str, ident: str) -> SessionTold | None:
        """By operator and id, however it is spelled."""
        ...

    def sessions_told(self, partner: str, ident: str) -> list[SessionTold]:
        """Sessions of a partner under an id, of whichever operator."""
        ...

    def running_told(self, evse_id: str) -> list[SessionTold]:
        """Sessions that run at an EVSE (by key)."""
        ...

    async def save_session_told(self, row: SessionTold, outbound: Sequence[Outbound], history: Sequence[Happening] = ()) -> None:
        """A session as it stands, with what goes out because of it; linked to the decision that it goes by."""
        ...

    def cdr_told(self, operator: str, ident: str) -> CdrTold | None:
        """By operator and id, however it is spelled."""
        ...

    def cdrs_told(self, operator: str, session: str) -> list[CdrTold]:
        """All CDRs of a session."""
        ...

    def credit(self, ident: str) -> CdrRow | None:
        """The CDR of our ledger that credits one of it."""
        ...

    async def save_cdr_told(self, row: CdrTold, entry: CdrRow, outbound: Sequence[Outbound], history: Sequence[Happening] = ()) -> bool:
        """A CDR, its place in the ledger and what goes out; False if there is one of this id (nothing changes then)."""
        ...

    # tokens
    def contracts(self) -> Iterable[tuple[str, str]]:
        """Every contract of a valid token, and the partner that gave it."""
        ...

    def tokens_of(self, contract: str) -> list[TokenRow]:
        """All partners' tokens of a contract."""
        ...

    def tokens_after(self, partner: str, after: tuple[str, str, str], most: int) -> list[tuple[tuple[str, str, str], TokenRow]]:
        """A partner's tokens in the order of their change, after a place in it, each with its place."""
        ...

    async def serve(self, outbound: Sequence[Outbound], mark: tuple[str, str], *, quiet: bool) -> None:
        """Objects for a partner, and a mark. ``quiet``: those that are new to it are kept for its GETs and not sent."""
        ...

    # commands
    async def pass_reservation(self, row: PassedReservation) -> PassedReservation:
        """Remember where a reservation went, with its number; the same reference again keeps the number."""
        ...

    def passed_reservation(self, partner: str, reference: str) -> PassedReservation | None:
        """A partner's reservation upstream."""
        ...
