"""OCPI 2.3.0: what is said around the objects, as differences from 2.2.1 (2.3.0 core).

Tokens are those of 2.3.0. The role HUB is gone: a hub names itself by ``hub_party_id``, and its roles are the parties that it reaches.
Versions, modules and commands are open enumerations, read as texts.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from bridge.codec.wire import MUST, S64, S255, Ci2, Ci3, Ci5, Ci36, Or, Wire
from bridge.ocpi.wire.v221 import BusinessDetails, DisplayText
from bridge.ocpi.wire.v221_messages import (
    AllowedType,
    CancelReservation,
    CommandResponse,
    CommandResponseType,
    CommandResult,
    CommandResultType,
    CommandType,
    Endpoint,
    InterfaceRole,
    LocationReferences,
    ModuleID,
    StopSession,
    UnlockConnector,
    Version,
    VersionDetails,
)
from bridge.ocpi.wire.v230 import Token

__all__ = [
    "AllowedType", "AuthorizationInfo", "CancelReservation", "CommandResponse", "CommandResponseType", "CommandResult",
    "CommandResultType", "CommandType", "Credentials", "CredentialsRole", "Endpoint", "InterfaceRole", "LocationReferences", "ModuleID",
    "ReserveNow", "Role", "StartSession", "StopSession", "UnlockConnector", "Version", "VersionDetails",
]  # fmt: skip


class Role(StrEnum):
    """Role (types): without HUB."""

    CPO = "CPO"
    EMSP = "EMSP"
    NAP = "NAP"
    NSP = "NSP"
    OTHER = "OTHER"
    SCSP = "SCSP"


class CredentialsRole(Wire, kw_only=True):
    """CredentialsRole. Hubs that still call themselves HUB are read, as OTHER."""

    role: Annotated[Role, Or(Role.OTHER)]
    business_details: Annotated[BusinessDetails | None, MUST] = None
    party_id: Ci3
    country_code: Ci2


class Credentials(Wire, kw_only=True):
    """Credentials. ``hub_party_id``: country and party of the hub, where the roles are reached through one."""

    token: S64
    url: S255
    hub_party_id: Ci5 | None = None
    roles: tuple[CredentialsRole, ...]


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


class ReserveNow(Wire, kw_only=True):
    """ReserveNow."""

    response_url: S255
    token: Token
    expiry_date: datetime
    reservation_id: Ci36
    location_id: Ci36
    evse_uid: Ci36 | None = None
    authorization_reference: Ci36 | None = None
