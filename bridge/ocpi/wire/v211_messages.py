"""OCPI 2.1.1: what is said around the objects, as differences from 2.2.1.

Endpoints and credentials have no roles: a connection is one party in one role, each with its own versions URL. Commands are
answered twice by a CommandResponse, reservations have whole numbers, and there is no cancelling of one. Authorisation answers repeat
neither token nor reference.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from bridge.codec.wire import MUST, S2, S3, S64, S255, Ci36, Ci39, Wire
from bridge.ocpi.wire.v211 import Token
from bridge.ocpi.wire.v221 import BusinessDetails, DisplayText
from bridge.ocpi.wire.v221_messages import AllowedType, StopSession, Version

__all__ = [
    "AllowedType", "AuthorizationInfo", "CommandResponse", "CommandResponseType", "CommandResult", "CommandResultType", "CommandType",
    "Credentials", "Endpoint", "LocationReferences", "ModuleID", "ReserveNow", "StartSession", "StopSession", "UnlockConnector",
    "Version", "VersionDetails",
]  # fmt: skip


class ModuleID(StrEnum):
    """ModuleID (version_information_endpoint)."""

    CDRS = "cdrs"
    COMMANDS = "commands"
    CREDENTIALS = "credentials"
    LOCATIONS = "locations"
    SESSIONS = "sessions"
    TARIFFS = "tariffs"
    TOKENS = "tokens"


class CommandType(StrEnum):
    """CommandType (mod_commands): a reservation cannot be cancelled."""

    RESERVE_NOW = "RESERVE_NOW"
    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


class CommandResponseType(StrEnum):
    """CommandResponseType (mod_commands), of the answer at once and of the result that follows."""

    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


CommandResultType = CommandResponseType


class Endpoint(Wire, kw_only=True):
    """Endpoint: which side it is for is told by the versions URL, cpo or emsp. ``identifier`` is open for reading."""

    identifier: str
    url: S255


class VersionDetails(Wire, kw_only=True):
    """VersionDetails."""

    version: str
    endpoints: tuple[Endpoint, ...]


class Credentials(Wire, kw_only=True):
    """Credentials: of one party."""

    token: S64
    url: S255
    business_details: Annotated[BusinessDetails | None, MUST] = None
    party_id: S3
    country_code: S2


class LocationReferences(Wire, kw_only=True):
    """LocationReferences."""

    location_id: Ci39
    evse_uids: tuple[Ci39, ...] | None = None
    connector_ids: tuple[Ci36, ...] | None = None


class AuthorizationInfo(Wire, kw_only=True):
    """AuthorizationInfo."""

    allowed: AllowedType
    location: LocationReferences | None = None
    info: DisplayText | None = None


class StartSession(Wire, kw_only=True):
    """StartSession."""

    response_url: S255
    token: Token
    location_id: Ci39
    evse_uid: Ci39 | None = None


class ReserveNow(Wire, kw_only=True):
    """ReserveNow: ``reservation_id`` is a whole number."""

    response_url: S255
    token: Token
    expiry_date: datetime
    reservation_id: int
    location_id: Ci39
    evse_uid: Ci39 | None = None


class UnlockConnector(Wire, kw_only=True):
    """UnlockConnector."""

    response_url: S255
    location_id: Ci39
    evse_uid: Ci39
    connector_id: Ci36


class CommandResponse(Wire, kw_only=True):
    """CommandResponse: the answer at once, and what came of it, sent to the ``response_url``."""

    result: CommandResponseType


CommandResult = CommandResponse
