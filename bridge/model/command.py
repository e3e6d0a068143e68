"""Remote commands: start, stop, reserve, cancel, unlock, and what came of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from bridge.model.common import Text
from bridge.model.ids import ConnectorId, EvseId, EvseUid, LocationId, PartyId, SessionId
from bridge.model.token import Token


class CommandKind(StrEnum):
    """What is asked for (OCPI CommandType; OICP remote operations; OCHPdirect Select, Control, Release)."""

    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    RESERVE_NOW = "RESERVE_NOW"
    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


class CommandResult(StrEnum):
    """What came of a command (OCPI CommandResultType and CommandResponseType)."""

    ACCEPTED = "ACCEPTED"
    CANCELED_RESERVATION = "CANCELED_RESERVATION"
    EVSE_OCCUPIED = "EVSE_OCCUPIED"
    EVSE_INOPERATIVE = "EVSE_INOPERATIVE"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


@frozen(weakref_slot=False)
class Command:
    """A command from a partner. ``expires`` is a reservation's end in UTC; ``hub_session_id`` a hub's id (OICP)."""

    kind: CommandKind
    token: Token | None = None
    location_id: LocationId | None = None
    evse_uid: EvseUid | None = None
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None
    session_id: SessionId | None = None
    reservation_id: str | None = None
    expires: datetime | None = None
    authorization_reference: str | None = None
    hub_session_id: str | None = None
    provider_session_id: str | None = None
    provider: PartyId | None = None
    product_id: str | None = None


@frozen(weakref_slot=False)
class CommandOutcome:
    """The answer to a command, with texts for the driver."""

    result: CommandResult
    messages: tuple[Text, ...] = ()
