"""OCPI 2.2.1: what is said around the objects: envelope, versions, credentials, commands, authorisation."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from bridge.codec.wire import MUST, S64, S255, Ci2, Ci3, Ci36, Wire
from bridge.ocpi.wire.v221 import BusinessDetails, DisplayText, Token


class Role(StrEnum):
    """Role (credentials)."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    SCSP = "SCSP"


class ModuleID(StrEnum):
    """ModuleID (version_information_endpoint)."""

    CDRS = "cdrs"
    CHARGINGPROFILES = "chargingprofiles"
    COMMANDS = "commands"
    CREDENTIALS = "credentials"
    HUBCLIENTINFO = "hubclientinfo"
    LOCATIONS = "locations"
    SESSIONS = "sessions"
    TARIFFS = "tariffs"
    TOKENS = "tokens"


class InterfaceRole(StrEnum):
    """InterfaceRole (version_information_endpoint)."""

    SENDER = "SENDER"
    RECEIVER = "RECEIVER"


class AllowedType(StrEnum):
    """AllowedType (mod_tokens)."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"


class CommandType(StrEnum):
    """CommandType (mod_commands)."""

    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    RESERVE_NOW = "RESERVE_NOW"
    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


class CommandResponseType(StrEnum):
    """CommandResponseType (mod_commands)."""

    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class CommandResultType(StrEnum):
    """CommandResultType (mod_commands)."""

    ACCEPTED = "ACCEPTED"
    CANCELED_RESERVATION = "CANCELED_RESERVATION"
    EVSE_OCCUPIED = "EVSE_OCCUPIED"
    EVSE_INOPERATIVE = "EVSE_INOPERATIVE"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"


class Envelope(Wire, kw_only=True, forbid_unknown_fields=False):
    """Response format (transport_and_format). ``data`` stays as the bytes that it is."""

    data: msgspec.Raw | None = None
    status_code: int
    status_message: str | None = None
    timestamp: str | None = None


class Version(Wire, kw_only=True):
    """Version. ``version`` is open for reading: a partner may speak versions that nobody knows here."""

    version: str
    url: S255


class Endpoint(Wire, kw_only=True):
    """Endpoint. ``identifier`` is open for reading: later editions and custom modules have their own."""

    identifier: str
    role: Annotated[InterfaceRole | None, MUST] = None
    url: S255


class VersionDetails(Wire, kw_only=True):
    """VersionDetails."""

    version: str
    endpoints: tuple[Endpoint, ...]


class CredentialsRole(Wire, kw_only=True):
    """CredentialsRole."""

    role: Role
    business_details: Annotated[BusinessDetails | None, MUST] = None
    party_id: Ci3
    country_code: Ci2


class Credentials(Wire, kw_only=True):
    """Credentials."""

    token: S64
    url: S255
    roles: tuple[CredentialsRole, ...]


class LocationReferences(Wire, kw_only=True):
    """LocationReferences."""

    location_id: Ci36
    evse_uids: tuple[Ci36, ...] | None = None


class AuthorizationInfo(Wire, kw_only=True):
    """AuthorizationInfo. ``token`` is mandatory, yet answers without one are read."""

    allowed: AllowedType
    token: Annotated[Token | None, MUST] = None
    location: LocationReferences | None = None
    authorization_reference: Ci36 | None = None
    info: DisplayText | None = None


class StartSession(Wire, kw_only=True):
    """StartSession."""

    response_url: S255
    token: Token
    location_id: Ci36
    evse_uid: Ci36 | None = None
    connector_id: Ci36 | None = None
    authorization_reference: Ci36 | None = None


class StopSession(Wire, kw_only=True):
    """StopSession."""

    response_url: S255
    session_id: Ci36


class ReserveNow(Wire, kw_only=True):
    """ReserveNow."""

    response_url: S255
    token: Token
    expiry_date: datetime
    reservation_id: Ci36
    location_id: Ci36
    evse_uid: Ci36 | None = None
    authorization_reference: Ci36 | None = None


class CancelReservation(Wire, kw_only=True):
    """CancelReservation."""

    response_url: S255
    reservation_id: Ci36


class UnlockConnector(Wire, kw_only=True):
    """UnlockConnector."""

    response_url: S255
    location_id: Ci36
    evse_uid: Ci36
    connector_id: Ci36


class CommandResponse(Wire, kw_only=True):
    """CommandResponse: the answer at once. ``timeout`` in seconds."""

    result: CommandResponseType
    timeout: int
    message: tuple[DisplayText, ...] | None = None


class CommandResult(Wire, kw_only=True):
    """CommandResult: what came of it, sent to the ``response_url``."""

    result: CommandResultType
    message: tuple[DisplayText, ...] | None = None
