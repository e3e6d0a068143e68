"""OCPI 2.2.1 and 2.3.0: charging profiles (mod_charging_profiles) and charging preferences (mod_sessions), the same in both."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from bridge.codec.wire import S255, Wire
from bridge.ocpi.wire.v221 import ProfileType


class ChargingRateUnit(StrEnum):
    """ChargingRateUnit."""

    W = "W"
    A = "A"


class ChargingProfileResponseType(StrEnum):
    """ChargingProfileResponseType."""

    ACCEPTED = "ACCEPTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TOO_OFTEN = "TOO_OFTEN"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class ChargingProfileResultType(StrEnum):
    """ChargingProfileResultType."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class ChargingPreferencesResponse(StrEnum):
    """ChargingPreferencesResponse."""

    ACCEPTED = "ACCEPTED"
    DEPARTURE_REQUIRED = "DEPARTURE_REQUIRED"
    ENERGY_NEED_REQUIRED = "ENERGY_NEED_REQUIRED"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    PROFILE_TYPE_NOT_SUPPORTED = "PROFILE_TYPE_NOT_SUPPORTED"


class ChargingProfilePeriod(Wire, kw_only=True):
    """ChargingProfilePeriod."""

    start_period: int
    limit: Decimal


class ChargingProfile(Wire, kw_only=True):
    """ChargingProfile."""

    start_date_time: datetime | None = None
    duration: int | None = None
    charging_rate_unit: ChargingRateUnit
    min_charging_rate: Decimal | None = None
    charging_profile_period: tuple[ChargingProfilePeriod, ...] | None = None


class ActiveChargingProfile(Wire, kw_only=True):
    """ActiveChargingProfile."""

    start_date_time: datetime
    charging_profile: ChargingProfile


class SetChargingProfile(Wire, kw_only=True):
    """SetChargingProfile."""

    charging_profile: ChargingProfile
    response_url: S255


class ChargingProfileResponse(Wire, kw_only=True):
    """ChargingProfileResponse: the answer at once. ``timeout`` in seconds."""

    result: ChargingProfileResponseType
    timeout: int


class ActiveChargingProfileResult(Wire, kw_only=True):
    """ActiveChargingProfileResult, sent to the ``response_url`` of a GET."""

    result: ChargingProfileResultType
    profile: ActiveChargingProfile | None = None


class ChargingProfileResult(Wire, kw_only=True):
    """ChargingProfileResult, sent to the ``response_url`` of a PUT."""

    result: ChargingProfileResultType


class ClearProfileResult(Wire, kw_only=True):
    """ClearProfileResult, sent to the ``response_url`` of a DELETE."""

    result: ChargingProfileResultType


class ChargingPreferences(Wire, kw_only=True):
    """ChargingPreferences."""

    profile_type: ProfileType
    departure_time: datetime | None = None
    energy_need: Decimal | None = None
    discharge_allowed: bool | None = None
