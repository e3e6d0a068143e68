"""Charging profiles and preferences between OCPI 2.2.1 or 2.3.0 and the canonical model.

A value that cannot be read refuses the whole message, mandatory or not: a profile without its start or its end is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from bridge.codec.lenient import Read, reader
from bridge.errors import ReadError
from bridge.mapping.convert import as_utc
from bridge.model.common import ProfileKind
from bridge.model.profile import (
    ActiveChargingProfile,
    ChargingPreferences,
    ChargingProfile,
    ChargingProfilePeriod,
    PreferenceResult,
    ProfileAction,
    ProfileError,
    ProfileOutcome,
    ProfileResult,
    RateUnit,
)
from bridge.ocpi.wire import v221_profiles as w

RESULTS: Final = dict.fromkeys(ProfileResult, w.ChargingProfileResultType.REJECTED) | {
    ProfileResult.ACCEPTED: w.ChargingProfileResultType.ACCEPTED,
    ProfileResult.UNKNOWN: w.ChargingProfileResultType.UNKNOWN,
}
"""OCPI has three results: what a charger does not support, did not hear or did not answer is REJECTED."""

PREFERENCES: Final = {one: w.ChargingPreferencesResponse(one.value) for one in PreferenceResult
                      if one.value in w.ChargingPreferencesResponse.__members__}  # fmt: skip
"""What is no member of it is HTTP 404."""

_NAMES: Final = {"unit": "charging_rate_unit", "start": "start_date_time", "min_rate": "min_charging_rate",
                 "departure": "departure_time"}  # fmt: skip

_read_set = reader(w.SetChargingProfile)
_read_preferences = reader(w.ChargingPreferences)


def set_request(data: bytes) -> tuple[ChargingProfile, str]:
    """The profile and the response_url of a SetChargingProfile. Raises Unreadable or ReadError, with path and reason."""
    wire = _whole(_read_set(data))
    return profile_from(wire.charging_profile, "charging_profile."), wire.response_url


def preferences(data: bytes) -> ChargingPreferences:
    """ChargingPreferences. Raises Unreadable or ReadError, with path and reason."""
    wire = _whole(_read_preferences(data))
    departure = None if wire.departure_time is None else as_utc(wire.departure_time)
    made = ChargingPreferences(ProfileKind(wire.profile_type.value), departure, wire.energy_need, bool(wire.discharge_allowed))
    _checked(made.check)
    return made


def profile_from(wire: w.ChargingProfile, path: str = "") -> ChargingProfile:
    """The canonical profile. Raises ReadError, its path beginning with ``path``."""
    start = None if wire.start_date_time is None else as_utc(wire.start_date_time)
    periods = tuple(ChargingProfilePeriod(p.start_period, p.limit) for p in wire.charging_profile_period or ())
    made = ChargingProfile(RateUnit(wire.charging_rate_unit.value), periods, start, wire.duration, wire.min_charging_rate)
    _checked(made.check, path)
    return made


def profile_to(profile: ChargingProfile, start: datetime | None = None) -> w.ChargingProfile:
    """The profile in OCPI's form, with its own start or another."""
    return w.ChargingProfile(
        start_date_time=start or profile.start,
        duration=profile.duration,
        charging_rate_unit=w.ChargingRateUnit(profile.unit.value),
        min_charging_rate=profile.min_rate,
        charging_profile_period=tuple(w.ChargingProfilePeriod(start_period=p.start, limit=p.limit) for p in profile.periods) or None,
    )


def plan_to(plan: ActiveChargingProfile) -> w.ActiveChargingProfile:
    """A charger's plan in OCPI's form. Both starts are told: without the inner one its times would count from the session's."""
    return w.ActiveChargingProfile(start_date_time=plan.at, charging_profile=profile_to(plan.profile, plan.at))


def plan_from(wire: w.ActiveChargingProfile, path: str = "") -> ActiveChargingProfile:
    """The canonical plan: its times count from when it was worked out. Raises ReadError."""
    profile = profile_from(wire.charging_profile, f"{path}charging_profile.")
    return ActiveChargingProfile(as_utc(wire.start_date_time), profile)


def result_to(outcome: ProfileOutcome) -> w.ActiveChargingProfileResult | w.ChargingProfileResult | w.ClearProfileResult:
    """What goes to the response_url, by what was asked for."""
    result = RESULTS[outcome.result]
    if outcome.action is ProfileAction.SET:
        return w.ChargingProfileResult(result=result)
    if outcome.action is ProfileAction.CLEAR:
        return w.ClearProfileResult(result=result)
    plan = outcome.active if result is w.ChargingProfileResultType.ACCEPTED else None
    return w.ActiveChargingProfileResult(result=result, profile=None if plan is None else plan_to(plan))


def _whole(read: Read[Any]) -> Any:
    if read.repairs:
        path, value, because = read.repairs[0]
        raise ReadError(path, because, value)
    return read.value


def _checked(check: Callable[[], None], path: str = "") -> None:
    try:
        check()
    except ProfileError as why:
        raise ReadError(path + _spelled(why.path), why.because) from why


def _spelled(path: str) -> str:
    """A path of the model in OCPI's field names."""
    head, dot, inner = path.partition(".")
    if not dot:
        return _NAMES.get(head, head)
    return f"{head.replace('periods', 'charging_profile_period')}.{'start_period' if inner == 'start' else inner}"
