"""What the core needs to be remembered. Every coroutine is one transaction, durable when it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from attrs import field, frozen

from bridge.roaming.agreements import OWN, Scope
from bridge.roaming.charging import Charging
from bridge.roaming.client_lists import ClientLists
from bridge.roaming.pending import Pending
from bridge.roaming.ports import Job, Kind, MeterSample, Outcome, Page, Withheld


@frozen
class EvseRow:
    """An EVSE of ours: where it is, which connector it is bound to, its last status.

    ``evse_id`` is the EVSE-ID as it is looked up, ``written`` as the operator's data spell it.
    """

    evse_id: str
    written: str
    uid: str
    location: str
    operator: str
    groups: tuple[str, ...] = ()
    charge_point: str | None = None
    connector: int | None = None
    status: str | None = None
    status_at: datetime | None = None
    removed: bool = False
    origin: str = OWN

    @property
    def scope(self) -> Scope:
        """What agreements go by."""
        return Scope(self.operator, self.groups, self.origin)


class TokenRow(NamedTuple):  # the cheapest to make: lists of tokens are long
    """A token as a partner told it. ``body`` is the canonical token as JSON."""

    uid: str
    kind: str
    partner: str
    contract: str | None
    valid: bool
    whitelist: str | None
    expires: datetime | None
    body: bytes


@frozen
class Outbound:
    """An object for a partner: stored for its GETs, and sent if it differs from what the partner has.

    ``source`` is the key of our object behind it; ``gone`` removes it there.
    """

    partner: str
    kind: Kind
    source: str
    key: str
    body: bytes
    meta: dict[str, Any] = field(factory=dict)
    gone: bool = False
    digest: str | None = None
    """By what a change is noticed, where that is not all of the body."""
    quiet: bool = False
    """Kept for GETs alone: the partner learns of it by another object, or not at all."""


@frozen
class Shown:
    """An object as a partner was shown it: see :class:`Outbound`."""

    key: str
    digest: str
    body: bytes
    meta: dict[str, Any]


@frozen
class Within:
    """What narrows a partner's GETs to what its agreements let it see now: ``scopes`` of locations, or ``sources``, keys of
    our objects."""

    scopes: tuple[Scope, ...] | None = None
    sources: tuple[str, ...] | None = None


@frozen
class Thing:
    """A location or tariff, canonical, as JSON. ``origin``: ours, or the upstream operator from which it comes."""

    kind: str
    operator: str
    key: str
    body: bytes
    hash: str
    origin: str = OWN
    removed: bool = False
    groups: tuple[str, ...] = ()
    """Location groups, by which agreements name it."""

    @property
    def scope(self) -> Scope:
        """What agreements go by."""
        return Scope(self.operator, self.groups, self.origin)


@frozen
class SessionRow:
    """A session at one of our chargers. ``auth``, ``token``, ``tariff`` and ``place`` (the location with this EVSE and connector
    alone; both as they were at the start) are JSON; times are UTC; meter values Wh. ``state``: active, ended, held (for a
    person to look at), or discarded (by a person). ``auth["disowned"]``: why nobody can be billed for it.
    """

    id: str
    tx: int
    charge_point: str
    connector: int
    evse_id: str | None
    location: str | None
    operator: str | None
    partner: str | None
    id_tag: str
    token: bytes | None
    auth: dict[str, Any]
    test: bool
    started: datetime
    meter_start: int
    ended: datetime | None = None
    meter_stop: int | None = None
    reason: str | None = None
    kwh: Decimal = Decimal(0)
    state: str = "active"
    tariff: bytes | None = None
    place: bytes | None = None


@frozen
class CdrRow:
    """A CDR: immutable but for its state (waiting, uncertain, acknowledged, refused, kept, discarded)."""

    id: str
    session: str
    partner: str | None
    operator: str | None
    test: bool
    body: bytes
    total: str | None
    currency: str | None
    kwh: str
    state: str
    losses: list[Any]
    created: datetime
    reference: str | None = None
    sent: int = 0
    error: str | None = None
    settled: datetime | None = None
    credits: str | None = None
    """The CDR that this one credits: it goes out after that was acknowledged."""
    replaces: str | None = None
    """The CDR in whose place this one stands: it goes out after the credit of that was acknowledged."""


@frozen
class DecisionRow:
    """Why a card was accepted or refused. ``uid`` is masked; ``fingerprint`` finds the same card again."""

    id: str
    at: datetime
    charge_point: str
    evse_id: str | None
    uid: str
    fingerprint: str
    contract: str | None
    outcome: str
    reason: str
    partner: str | None
    routes: list[dict[str, Any]]
    milliseconds: float


@frozen
class OpenCdr:
    """A CDR that its partner has not acknowledged. ``alarm``: how far its deadline has been told of (0, 1 near, 2 passed)."""

    id: str
    partner: str
    state: str
    ended: datetime
    alarm: int
    test: bool = False


@frozen
class HeldRow:
    """A mass change that waits for a person. ``what`` is ``locations of OPERATOR`` or ``tokens of PARTNER``."""

    number: int
    at: str
    what: str
    detail: str
    body: bytes


@frozen
class Happening:
    """A line of the append-only history."""

    what: str
    partner: str | None = None
    ref: str | None = None
    detail: str | None = None


class Storage(Pending, Charging, ClientLists, Protocol):
    """The store as the core sees it."""

    # what is ours
    def things(self, kind: str, operator: str, origin: str) -> dict[str, tuple[str, bool]]:
        """Key -> (hash, removed)."""
        ...

    def keys(self, kind: str, *, gone: bool = False) -> list[tuple[str, str]]:
        """Operator and key of everything that is not removed; ``gone``: and of what is."""
        ...

    def scopes(self, location: str | None = None) -> list[Scope]:
        """The scopes of locations that there are, or those of one location."""
        ...

    def published(self, partner: str, kind: Kind, source: str) -> list[Shown]:
        """What a partner was shown of one of our objects, and has not been taken back."""
        ...

    def spelled(self, kind: str, operator: str, key: str) -> str:
        """A key as it is stored: identifiers are compared without case. One that is not there is as given."""
        ...

    def thing(self, kind: str, key: str, *, operator: str) -> Thing | None:
        """One location or tariff: keys are unique with their operator only."""
        ...

    def evse(self, evse_id: str) -> EvseRow | None:
        """By EVSE-ID, however it is spelled."""
        ...

    def evses_by_uid(self, uid: str, location: str | None = None) -> list[EvseRow]:
        """By OCPI uid, which is unique with its operator only, and location: those that are there first, then by operator."""
        ...

    def evses_at(self, charge_point: str, connector: int | None = None) -> list[EvseRow]:
        """What is bound to a charge point, or to one of its connectors."""
        ...

    def evses_of(self, location: str) -> list[EvseRow]:
        """The EVSEs of a location."""
        ...

    def all_evses(self) -> list[EvseRow]:
        """Every EVSE."""
        ...

    async def save_things(self, things: Sequence[Thing], evses: Sequence[EvseRow], outbound: Sequence[Outbound],
                          history: Sequence[Happening] = ()) -> None:  # fmt: skip
        """Locations and tariffs with their EVSEs and what goes out because of them."""
        ...

    async def bind(self, bound: Mapping[str, tuple[str, int]]) -> int:
        """Which charge point and connector each EVSE (by key) is, all of them; returns how many changed."""
        ...

    async def save_status(self, evse_id: str, status: str, at: datetime, outbound: Sequence[Outbound]) -> None:
        """The status of an EVSE and what goes out because of it."""
        ...

    async def hold(self, what: str, detail: str, body: bytes) -> int:
        """A mass change waits for confirmation; returns its number."""
        ...

    def held(self) -> list[HeldRow]:
        """What is held, oldest first."""
        ...

    async def confirmed(self, what: str) -> bool:
        """What was held is no longer; False if nothing was."""
        ...

    # tokens and decisions
    def tokens(self, *uids: str) -> list[TokenRow]:
        """All partners' tokens with one of these (normalised) uids."""
        ...

    def token_counts(self, partner: str) -> tuple[int, int]:
        """How many tokens of a partner there are, and how many are valid."""
        ...

    async def save_token(self, row: TokenRow) -> bool:
        """A token that its owner told: whether it was not known before."""
        ...

    async def save_tokens(self, partner: str, rows: Sequence[TokenRow]) -> tuple[int, int, int]:
        """Tokens that their owner told: new, changed, unchanged."""
        ...

    def has_tokens(self, partner: str) -> bool:
        """Whether a partner has a valid token."""
        ...

    async def take_tokens(self, partner: str, rows: Sequence[TokenRow]) -> tuple[int, int, int]:
        """A batch of a whole list (begun by ``stage_tokens``) where nothing can be revoked: new, changed, unchanged.

        What the partner told of single tokens since it began is newer and stays.
        """
        ...

    async def stage_tokens(self, partner: str, rows: Sequence[TokenRow] | None) -> None:
        """A batch of a whole list, put aside until all of it is there; None forgets what was put aside."""
        ...

    async def weigh_tokens(self, partner: str) -> tuple[int, int]:
        """The staged list is complete. How many tokens of a partner are valid, and how many of those would not be with the staged list."""
        ...

    async def apply_tokens(self, partner: str) -> tuple[int, int, int]:
        """The staged list becomes the partner's list: stored, unchanged, revoked.

        What the partner told of single tokens since staging began is newer and stays. Raises LookupError without a
        complete list.
        """
        ...

    async def save_decision(self, row: DecisionRow) -> None:
        """A decision."""
        ...

    # sessions and settlement
    async def open_session(self, row: SessionRow, decision: str | None, outbound: Sequence[Outbound], *, card: str | None = None,
                           history: Sequence[Happening] = ()) -> tuple[SessionRow, bool]:  # fmt: skip
        """A new session, with its transaction number; the same start again gives the first one, and False.

        What was expected of ``card`` at the charge point by this decision has come.
        """
        ...

    def started(self, charge_point: str, connector: int, id_tags: Sequence[str], meter_start: int, started: datetime) -> SessionRow | None:
        """The session that a start made, if it came before."""
        ...

    def session(self, *, tx: int | None = None, id: str | None = None) -> SessionRow | None:  # noqa: A002
        """By transaction number or id."""
        ...

    def busy(self, charge_point: str) -> bool:
        """Whether a session runs at a charge point or a remote start is expected there."""
        ...

    def open_sessions(self, charge_point: str, connector: int | None = None) -> list[SessionRow]:
        """Sessions that have not ended."""
        ...

    def last_end(self, charge_point: str, connector: int, until: datetime) -> datetime | None:
        """The latest end of a session there, up to a moment, about which there is no doubt (see :mod:`bridge.roaming.clocks`)."""
        ...

    def samples(self, session: str) -> list[MeterSample]:
        """The meter values of a session, oldest first."""
        ...

    async def add_samples(self, session: str, samples: Sequence[MeterSample], kwh: Decimal, outbound: Sequence[Outbound]) -> None:
        """Meter values of a running session."""
        ...

    async def close_session(self, row: SessionRow, samples: Sequence[MeterSample], cdr: CdrRow | None, outbound: Sequence[Outbound],
                            history: Sequence[Happening] = ()) -> bool:  # fmt: skip
        """End a session with its CDR; False if it had ended before (nothing changes then)."""
        ...

    def open_cdrs(self) -> list[OpenCdr]:
        """CDRs that wait, are uncertain or were refused, and have a partner."""
        ...

    async def alarm(self, cdr: str, level: int, history: Sequence[Happening]) -> None:
        """Remember that the deadline of a CDR was told of."""
        ...

    # delivery
    async def claim(self, partner: str, most: int) -> list[Job]:
        """Due work of a partner, at most one job per object."""
        ...

    async def put_back(self, jobs: Sequence[Job]) -> None:
        """Jobs that were claimed and not tried wait again, as if they had not been claimed."""
        ...

    async def refresh(self, partner: str, kind: Kind, seconds: float) -> int:
        """Send again, as it is, what a partner has and was not told for so many seconds; returns how much."""
        ...

    def next_due(self, partner: str) -> float | None:
        """When its next job is due, seconds since the epoch."""
        ...

    async def settle(self, results: Sequence[tuple[Job, Outcome | Withheld]]) -> None:
        """What came of jobs."""
        ...

    def page(self, partner: str, kind: Kind, offset: int, limit: int, since: datetime | None, until: datetime | None,
             within: Within | None = None) -> Page:  # fmt: skip
        """What a partner may GET."""
        ...

    def find(self, partner: str, kind: Kind, key: str, within: Within | None = None) -> bytes | None:
        """One such object."""
        ...

    async def fetched(self, partner: str, kind: Kind, what: Sequence[int] | str, asked: datetime) -> int:
        """Objects, by their numbers or a key, were fetched as they were at a moment: what waited of them until then is delivered.

        So is what takes something back: a list without it says so. Returns how many jobs.
        """
        ...

    # another format
    def sources(self, partner: str, kind: Kind) -> list[str]:
        """The keys of our objects of which a partner is shown something."""
        ...

    async def recall(self, partner: str, kinds: Sequence[Kind]) -> set[tuple[Kind, str]]:
        """Takes back what waits for a partner, but for CDRs, as if it had changed anew; gives what there was of some kinds."""
        ...

    def cdr(self, ident: str) -> CdrRow | None:
        """One CDR."""
        ...

    def unsent_cdrs(self, partner: str) -> set[str]:
        """The CDRs of a partner that it cannot have yet."""
        ...

    async def rewrite_cdr(self, out: Outbound, losses: Sequence[dict[str, Any]], *, unsent: bool) -> None:
        """A CDR as a partner is shown it from now on; sent so, too, if it is ``unsent``."""
        ...

    async def withdraw_cdr(self, partner: str, ident: str, because: str, *, unsent: bool) -> None:
        """A CDR that cannot be said in the partner's format any more."""
        ...

    # marks
    def mark(self, name: str) -> str | None:
        """A remembered value, such as the moment of the last pull."""
        ...

    async def set_mark(self, name: str, value: str) -> None:
        """Remember it."""
        ...

    async def happened(self, *history: Happening) -> None:
        """Lines of the history."""
        ...
