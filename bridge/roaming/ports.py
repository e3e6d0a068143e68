"""The ports of the core: what adapters and the charger side do for it, and what they may call on it.

One small protocol per ability; an adapter implements those that its protocol has. Nothing here knows a wire format: a
:class:`Job` carries bytes that only its adapter reads.

Outcomes of a delivery are values, not exceptions, because one request may carry many jobs. Everything else that a
partner fails to do raises :class:`~bridge.errors.Unreachable` (no answer, or one that promises nothing; ``sent`` says
whether it may have been taken) or :class:`~bridge.errors.Declined` (a definite no).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from attrs import field, frozen

from bridge.mapping.loss import Loss
from bridge.model.command import Command, CommandOutcome, CommandResult
from bridge.model.ids import EvseId, PartyId, SessionId
from bridge.model.location import Status
from bridge.model.party import ClientInfo
from bridge.model.profile import (
    ActiveChargingProfile,
    ChargingPreferences,
    ChargingProfile,
    PreferenceResult,
    ProfileOutcome,
    ProfileRequest,
    ProfileResponse,
    ProfileResult,
    RateUnit,
)
from bridge.model.token import Allowed, Token, TokenKind

# --- what goes out --------------------------------------------------------------------------------------------------


class Kind(StrEnum):
    """Kinds of outbound objects."""

    LOCATION = "location"
    STATUS = "status"
    TARIFF = "tariff"
    SESSION = "session"
    CDR = "cdr"
    TOKEN = "token"  # noqa: S105  (a driver's card)
    """For upstream operators only."""
    CLIENT = "client"
    """A party that is reached through us: where the bridge is a hub."""


class Op(StrEnum):
    """What a job does to its object at the partner. INSERT: the partner never had it."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@frozen
class Encoded:
    """An object in a partner's wire form: ``key`` identifies it there, ``body`` is the record (JSON, or an XML element).

    ``meta`` is what the adapter needs besides the body to send it (such as ``location_id``), JSON values only.
    """

    key: str
    body: bytes
    losses: tuple[tuple[str, Loss], ...] = ()
    meta: dict[str, Any] = field(factory=dict)


@frozen
class Job:
    """One piece of outbound work. The same ``body`` is sent however often the job is tried."""

    id: int
    partner: str
    kind: Kind
    op: Op
    key: str
    body: bytes
    meta: dict[str, Any]
    attempts: int
    created: datetime
    source: str = ""
    """The key of our object behind it (a location's for its EVSEs and their status)."""


@frozen
class Delivered:
    """The partner has it. ``reference`` is how it is found there (an OCPI Location header, a session id)."""

    reference: str | None = None
    duplicate: bool = False
    """The partner said that it had it already."""


@frozen
class Retry:
    """Nothing is promised: try again. ``sent``: it may have been taken. ``after``: seconds the partner asked for."""

    because: str
    after: float | None = None
    sent: bool = False


@frozen
class Rejected:
    """A definite no, with the partner's own code. ``duplicate``: because it has one with this id already."""

    because: str
    code: str | None = None
    duplicate: bool = False


@frozen
class Withheld:
    """Not sent, for no agreement lets the partner have it any more. The core's own outcome, no adapter's."""

    because: str


Outcome = Delivered | Retry | Rejected

TO = "to"
"""Where the ``meta`` of a record says for which party behind a hub it is: ``["DE", "XYZ"]``."""


@runtime_checkable
class Partner(Protocol):
    """One configured partner, as its adapter presents it."""

    name: str
    format: str
    """``ocpi-2.2.1``, ``oicp-2.3``, ``ochp-1.4``."""
    kinds: frozenset[Kind]
    """What its protocol can take."""

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        """The canonical object (Location, EvseStatus, Tariff, Session, Cdr) in the partner's wire form.

        A location gives one record per EVSE where the protocol knows EVSEs only. Raises Refused when nothing of it can
        be said there; EVSEs that cannot are left out and told in the losses.
        """
        ...

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Send jobs of one kind, in order; one outcome each, in the same order. Never raises for what a partner does."""
        ...

    async def open(self) -> None:
        """Get ready: sessions, handshakes that cost nothing. Called once in the running event loop."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


@runtime_checkable
class Renegotiates(Protocol):
    """A partner whose format may change while it runs: ``format`` tells the one that holds now, ``changed`` is called with its name."""

    name: str
    format: str
    changed: Callable[[str], None]


@runtime_checkable
class Recalls(Protocol):
    """A partner with which something was agreed upon that the store keeps, such as a version."""

    async def recall(self) -> None:
        """Take it up, without a word to the partner."""
        ...


@runtime_checkable
class ForgetsStatus(Protocol):
    """A partner that takes a status for unknown which it is not told again."""

    status_seconds: float | None
    """After how many seconds; None: never."""


@frozen
class ReadBack:
    """What a partner will read in a record: the canonical object.

    ``added`` is what the record holds because the protocol demands it: canonical paths, of one of which the value is.
    ``unread`` is what it holds and the model has no place for: canonical paths, and why. ``allow`` names the partner's own
    permissions to leave something out, besides those that its protocol forces.
    """

    obj: Any
    added: tuple[tuple[tuple[str, ...], Any], ...] = ()
    unread: tuple[tuple[tuple[str, ...], str], ...] = ()
    allow: frozenset[str] = frozenset()


@runtime_checkable
class ReadsBack(Protocol):
    """A partner whose adapter reads what it is about to send as the partner will. No CDR goes out without."""

    def read_back(self, kind: Kind, encoded: Encoded) -> ReadBack:
        """The record, read. Raises Refused where it cannot be."""
        ...


@runtime_checkable
class Fetches(Protocol):
    """A partner that may fetch everything itself: while ``fetches`` nothing is sent, and what its GETs returned is delivered."""

    fetches: bool


@runtime_checkable
class TellsWhole(Protocol):
    """A partner to whom a whole object may have to be told in place of a part of it."""

    shown: Callable[[Kind, str], bytes | None]
    """What it is shown of an object now, by kind and key."""


@runtime_checkable
class TellsPlaces(Protocol):
    """A partner whose sessions and CDRs may hold the location as a whole; ``whole_places`` tells whether they do now."""

    whole_places: bool


# --- authorisation --------------------------------------------------------------------------------------------------


@frozen
class AuthorisationRequest:
    """A driver asks to charge. ``uid`` is normalised (RFID: hex in capitals)."""

    uid: str
    kind: TokenKind
    evse_id: EvseId | None = None
    evse_uid: str | None = None
    location_id: str | None = None
    operator_id: str | None = None
    session_ref: str | None = None
    """Our own reference (CPOPartnerSessionID)."""
    provider: PartyId | None = None
    """Whose token it is, where that is known."""


@frozen
class AuthorisationAnswer:
    """What a partner said. ``hub_session_id`` and ``reference`` go into the session and the CDR."""

    allowed: Allowed
    token: Token | None = None
    provider: str | None = None
    hub_session_id: str | None = None
    provider_session_id: str | None = None
    reference: str | None = None
    code: str | None = None
    info: str | None = None


@runtime_checkable
class AnswersAuthorisation(Protocol):
    """A partner that can be asked in real time."""

    async def authorise(self, request: AuthorisationRequest) -> AuthorisationAnswer:
        """Ask. Raises Unreachable when there is no answer."""
        ...


@runtime_checkable
class ReleasesAuthorisations(Protocol):
    """A hub at which an acceptance opens a session that stays open until it hears what came of it."""

    async def release(self, answer: AuthorisationAnswer, evse_id: EvseId | None) -> None:
        """Nothing came of an acceptance; ``evse_id`` is where it was asked for, if that is known.

        May be told more than once. Raises Unreachable or Declined.
        """
        ...


@runtime_checkable
class GivesTokens(Protocol):
    """A partner whose token list can be pulled."""

    def pull_tokens(self, since: datetime | None) -> AsyncIterator[list[Token]]:
        """The whole list (``since`` None) or what changed since, in batches. Raises Unreachable or Declined."""
        ...


@frozen
class TokenPage:
    """A part of a token list. ``after`` says how the list goes on behind it; None: it was the last."""

    tokens: list[Token]
    after: str | None = None


@runtime_checkable
class ResumesTokens(GivesTokens, Protocol):
    """A partner whose token list can be pulled on from where an earlier pull got to."""

    def token_pages(self, since: datetime | None, at: str | None) -> AsyncIterator[TokenPage]:
        """The whole list or what changed since, from ``at`` on (see :class:`TokenPage`). Raises Unreachable or Declined."""
        ...


# --- commands -------------------------------------------------------------------------------------------------------


@runtime_checkable
class HearsOutcomes(Protocol):
    """A partner that wants the outcome of a command, or of a request about a charging profile, later (OCPI's response_url)."""

    outcome_within: float
    """Seconds for which it is told to wait for an outcome."""

    async def outcome(self, address: str, outcome: CommandOutcome | ProfileOutcome) -> None:
        """Tell it. Raises Unreachable (``sent``: it may have been taken) or Declined."""
        ...


@runtime_checkable
class HearsPlans(Protocol):
    """A partner that sets charging profiles and hears when a charger's plan for its session changes."""

    async def plan_changed(self, session: str, plan: ActiveChargingProfile) -> None:
        """Tell it (OCPI 2.2.1, mod_charging_profiles, PUT at the Sender). Raises Unreachable or Declined."""
        ...


# --- hubs -----------------------------------------------------------------------------------------------------------


# --- what adapters call on the core ---------------------------------------------------------------------------------


@frozen
class Taken:
    """What became of received tokens. ``held``: the change was too large and waits for confirmation.

    ``new``: how many of the stored were not known before, of tokens that come one by one.
    """

    stored: int = 0
    unchanged: int = 0
    revoked: int = 0
    held: bool = False
    new: int = 0


@frozen
class Page:
    """Objects kept ready for a partner to GET, as bytes, oldest first; ``total`` matches the filter."""

    bodies: list[bytes]
    total: int
    numbers: tuple[int, ...] = ()
    """The store's numbers of them."""


class Inbound(Protocol):
    """What a partner's messages may do here. Everything is durable when the call returns."""

    async def tokens(self, partner: str, tokens: Iterable[Token]) -> Taken:
        """Tokens put or patched by their owner, one or a few."""
        ...

    async def token(self, partner: str, uid: str, kind: TokenKind) -> Token | None:
        """A token as we hold it from this partner."""
        ...

    async def command(self, partner: str, command: Command, answer_to: str | None = None) -> CommandOutcome:
        """A remote command.

        With ``answer_to`` (OCPI) it returns at once with ACCEPTED or a refusal, and the outcome follows through
        :class:`HearsOutcomes`; without (OICP, OCHPdirect) it returns the outcome itself.
        """
        ...

    async def profile(self, partner: str, request: ProfileRequest, answer_to: str) -> ProfileResponse:
        """A request about a session's charging profile. It returns at once; if ACCEPTED, the outcome follows at ``answer_to``."""
        ...

    async def prefer(self, partner: str, session: SessionId, preferences: ChargingPreferences) -> PreferenceResult:
        """What the driver of a running session wants."""
        ...

    async def client(self, hub: str, info: ClientInfo) -> bool:
        """What a hub tells of a party behind it; True if it told nothing of it before."""
        ...

    def client_of(self, hub: str, party: PartyId) -> ClientInfo | None:
        """What a hub has told of a party, the newest if in several roles."""
        ...

    async def page(self, partner: str, kind: Kind, *, offset: int, limit: int, since: datetime | None = None,
                   until: datetime | None = None) -> Page:  # fmt: skip
        """What this partner may see, from ``since`` (included) to ``until`` (excluded) by time of change."""
        ...

    async def find(self, partner: str, kind: Kind, key: str) -> bytes | None:
        """One object as this partner may see it."""
        ...

    async def fetched(self, partner: str, kind: Kind, what: Page | str, asked: datetime) -> None:
        """A partner that :class:`Fetches` has got a page, or an object by its key, as it was when asked for."""
        ...


# --- chargers -------------------------------------------------------------------------------------------------------


@frozen
class ConnectorRef:
    """A connector of a charge point as OCPP names it; ``connector`` 0 is the charge point as a whole."""

    charge_point: str
    connector: int


@frozen
class MeterSample:
    """Meter values of one moment: ``register_kwh`` is the meter's register; the rest where the charger tells it.

    ``current_a`` is of all phases together, as tariffs restrict it.
    """

    at: datetime
    register_kwh: Decimal | None = None
    power_kw: Decimal | None = None
    current_a: Decimal | None = None
    state_of_charge: Decimal | None = None
    signed: str | None = None
    context: str | None = None


class ChargerAnswer(StrEnum):
    """What a charger is told about an id tag (OCPP 1.6 AuthorizationStatus)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT = "ConcurrentTx"


class ChargerEvents(Protocol):
    """What chargers tell the core. Durable when the call returns: only then may the charger forget it."""

    async def connected(self, charge_point: str) -> bool:
        """A charger wants in; False if it is not known."""
        ...

    async def disconnected(self, charge_point: str) -> None:
        """Its connection is gone."""
        ...

    async def status(self, ref: ConnectorRef, status: Status, at: datetime, error: str | None = None) -> None:
        """The status of a connector."""
        ...

    async def authorise(self, charge_point: str, id_token: str) -> ChargerAnswer:
        """A card was shown; which connector it is for is not told."""
        ...

    async def started(self, ref: ConnectorRef, id_token: str, meter_start_wh: int, at: datetime) -> tuple[int, ChargerAnswer]:
        """A transaction began. The same message again (same connector, token, register and time) gives the same number."""
        ...

    async def metered(self, ref: ConnectorRef, transaction: int | None, samples: Sequence[MeterSample]) -> None:
        """Meter values."""
        ...

    async def stopped(self, charge_point: str, transaction: int, meter_stop_wh: int, at: datetime, reason: str | None,
                      id_token: str | None, samples: Sequence[MeterSample]) -> None:  # fmt: skip
        """A transaction ended. The same message again changes nothing."""
        ...


class ChargerControl(Protocol):
    """What the core asks of chargers."""

    def online(self, charge_point: str) -> bool:
        """Whether it is connected."""
        ...

    async def start(self, ref: ConnectorRef, id_token: str) -> CommandResult:
        """RemoteStartTransaction."""
        ...

    async def stop(self, charge_point: str, transaction: int) -> CommandResult:
        """RemoteStopTransaction."""
        ...

    async def unlock(self, ref: ConnectorRef) -> CommandResult:
        """UnlockConnector."""
        ...

    async def reserve(self, ref: ConnectorRef, id_token: str, reservation: int, until: datetime) -> CommandResult:
        """ReserveNow."""
        ...

    async def cancel(self, charge_point: str, reservation: int) -> CommandResult:
        """CancelReservation."""
        ...

    async def set_profile(self, ref: ConnectorRef, transaction: int, number: int, profile: ChargingProfile) -> ProfileResult:
        """SetChargingProfile for a transaction; the same ``number`` again replaces it. It ends with the transaction."""
        ...

    async def clear_profile(self, charge_point: str, number: int) -> ProfileResult:
        """ClearChargingProfile; UNKNOWN: the charger has none of this number."""
        ...

    async def composite(self, ref: ConnectorRef, seconds: int, unit: RateUnit | None) -> ProfileOutcome:
        """GetCompositeSchedule: what it plans for the next seconds, in this unit where it can; checked to make sense."""
        ...
