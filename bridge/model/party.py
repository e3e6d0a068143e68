"""Who takes part: operators, providers, hubs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from bridge.model.common import Business
from bridge.model.ids import PartyId


class Role(StrEnum):
    """What a party does (OCPI Role; 2.3.0 has no HUB)."""

    CPO = "CPO"
    EMSP = "EMSP"
    HUB = "HUB"
    NAP = "NAP"
    NSP = "NSP"
    SCSP = "SCSP"
    OTHER = "OTHER"


class ConnectionStatus(StrEnum):
    """Whether a party can be reached through a hub (OCPI ConnectionStatus)."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


@frozen(weakref_slot=False)
class Party:
    """A party in one role."""

    id: PartyId
    role: Role
    business: Business | None = None
    status: ConnectionStatus | None = None


@frozen(weakref_slot=False)
class ClientInfo:
    """What a hub tells of a party that is connected to it, in one role (OCPI mod_hub_client_info, ClientInfo)."""

    id: PartyId
    role: Role
    status: ConnectionStatus
    last_updated: datetime
