"""A charging session while it runs, and the periods that sessions and CDRs share."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from bridge.model.common import Extra, Price
from bridge.model.ids import (
    ConnectorId,
    EvseId,
    EvseUid,
    LocationId,
    OperatorId,
    PartyId,
    SessionId,
    TariffId,
)
from bridge.model.location import Location
from bridge.model.token import SessionToken


class AuthMethod(StrEnum):
    """How the driver was authorised (OCPI AuthMethod)."""

    AUTH_REQUEST = "AUTH_REQUEST"
    COMMAND = "COMMAND"
    WHITELIST = "WHITELIST"


class SessionStatus(StrEnum):
    """State of a session (OCPI SessionStatus)."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"
    RESERVATION = "RESERVATION"


class CdrDimension(StrEnum):
    """What a charging period measures (OCPI CdrDimensionType; FLAT is 2.1.1's). kWh, h, A, kW, percent."""

    ENERGY = "ENERGY"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_TIME = "RESERVATION_TIME"
    CURRENT = "CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_CURRENT = "MAX_CURRENT"
    POWER = "POWER"
    MIN_POWER = "MIN_POWER"
    MAX_POWER = "MAX_POWER"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    FLAT = "FLAT"


@frozen(weakref_slot=False)
class Volume:
    """How much of a dimension."""

    dimension: CdrDimension
    volume: Decimal


@frozen(weakref_slot=False)
class ChargingPeriod:
    """A part of a session with one set of prices. It lasts until the next period, or the session's end."""

    start: datetime
    volumes: tuple[Volume, ...]
    tariff_id: TariffId | None = None


class ErrorClass(StrEnum):
    """What went wrong in a session (OICP ErrorClass)."""

    CONNECTOR_ERROR = "CONNECTOR_ERROR"
    CRITICAL_ERROR = "CRITICAL_ERROR"


class Notification(StrEnum):
    """Which of OICP's notifications told of the session."""

    START = "START"
    PROGRESS = "PROGRESS"
    END = "END"
    ERROR = "ERROR"


@frozen(weakref_slot=False)
class Session:
    """A session. ``kwh`` is what has been charged; meter values are registers in kWh.

    ``hub_session_id`` is the id a hub gave (OICP SessionID); ``operator_session_id`` and ``provider_session_id`` are
    the partners' own (OICP CPOPartnerSessionID, EMPPartnerSessionID). ``start`` and ``end`` are of the session,
    ``charging_start`` and ``charging_end`` of the flow of energy; ``observed`` is the moment of a progress report.
    ``location`` is the place as a whole with this one EVSE and connector, for protocols that tell it in every session.
    """

    id: SessionId | None = None
    party: PartyId | None = None
    status: SessionStatus | None = None
    start: datetime | None = None
    end: datetime | None = None
    kwh: Decimal | None = None
    token: SessionToken | None = None
    auth_method: AuthMethod | None = None
    authorization_reference: str | None = None
    location_id: LocationId | None = None
    evse_uid: EvseUid | None = None
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None
    location: Location | None = None
    meter_id: str | None = None
    currency: str | None = None
    periods: tuple[ChargingPeriod, ...] = ()
    total_cost: Price | None = None
    notification: Notification | None = None
    hub_session_id: str | None = None
    operator_session_id: str | None = None
    provider_session_id: str | None = None
    operator_id: OperatorId | None = None
    product_id: str | None = None
    charging_start: datetime | None = None
    charging_end: datetime | None = None
    observed: datetime | None = None
    charging_duration_ms: int | None = None
    meter_start: Decimal | None = None
    meter_end: Decimal | None = None
    meter_between: tuple[Decimal, ...] = ()
    penalty_start: datetime | None = None
    error: ErrorClass | None = None
    error_info: str | None = None
    last_updated: datetime | None = None
    extra: tuple[Extra, ...] = ()
