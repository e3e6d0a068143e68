"""OCPI 2.2.1 and 2.3.0: what a hub tells of the parties connected to it (mod_hub_client_info), the same in both but for Role."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from bridge.codec.wire import MUST, Ci2, Ci3, Wire
from bridge.ocpi.wire.v221_messages import Role


class ConnectionStatus(StrEnum):
    """ConnectionStatus."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


class ClientInfo(Wire, kw_only=True):
    """ClientInfo. ``last_updated`` is mandatory, yet the specification's own example lacks it: one without is read."""

    party_id: Ci3
    country_code: Ci2
    role: Role
    status: ConnectionStatus
    last_updated: Annotated[datetime | None, MUST] = None
