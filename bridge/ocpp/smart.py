"""Smart charging of OCPP 1.6 (3.13, 5.5, 5.7, 5.16): profiles for a transaction, and what a charger makes of all its limits.

What a charger answers is checked before anybody relies on it: a schedule that is out of order, negative, or of another
connector is no schedule.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from attrs import evolve, frozen

from bridge.errors import Declined, Unreachable
from bridge.model.profile import (
    MOST_LIMIT,
    ActiveChargingProfile,
    ChargingProfile,
    ChargingProfilePeriod,
    ProfileAction,
    ProfileError,
    ProfileOutcome,
    ProfileResult,
    RateUnit,
)
from bridge.ocpp.fields import Fields, moment, number
from bridge.ocpp.frame import CallError, ErrorCode
from bridge.ocpp.v16 import wire_time
from bridge.roaming.ports import ConnectorRef

log = logging.getLogger("bridge.ocpp")

SET: Final = {"Accepted": ProfileResult.ACCEPTED, "Rejected": ProfileResult.REJECTED, "NotSupported": ProfileResult.NOT_SUPPORTED}
CLEAR: Final = {"Accepted": ProfileResult.ACCEPTED, "Unknown": ProfileResult.UNKNOWN}
COMPOSITE: Final = {"Accepted": ProfileResult.ACCEPTED, "Rejected": ProfileResult.REJECTED}

STACK_LEVEL: Final = 0
"""Every charger has this one. There is one profile for a transaction, and it goes before any default at whatever level (3.13.1)."""

FINEST: Final = Decimal("0.1")

_NOT_SUPPORTED: Final = {ErrorCode.NOT_IMPLEMENTED, ErrorCode.NOT_SUPPORTED}


@frozen
class SmartCharging:
    """Asks chargers. ``call`` sends a CALL to a charge point and raises Unreachable or Declined; ``clock`` is the time in UTC."""

    call: Callable[[str, str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    clock: Callable[[], datetime]

    async def set(self, ref: ConnectorRef, transaction: int, number: int, profile: ChargingProfile) -> ProfileResult:
        """SetChargingProfile, 5.16, with a TxProfile."""
        payload = {"connectorId": ref.connector, "csChargingProfiles": tx_profile(transaction, number, profile)}
        found = await self._ask(ref.charge_point, "SetChargingProfile", payload, SET)
        return found if isinstance(found, ProfileResult) else ProfileResult.ACCEPTED

    async def clear(self, charge_point: str, number: int) -> ProfileResult:
        """ClearChargingProfile, 5.5, of one profile by its id."""
        found = await self._ask(charge_point, "ClearChargingProfile", {"id": number}, CLEAR)
        return found if isinstance(found, ProfileResult) else ProfileResult.ACCEPTED

    async def composite(self, ref: ConnectorRef, seconds: int, unit: RateUnit | None) -> ProfileOutcome:
        """GetCompositeSchedule, 5.7. ACCEPTED without a schedule: the charger plans no limit."""
        payload: dict[str, Any] = {"connectorId": ref.connector, "duration": seconds}
        if unit is not None:
            payload["chargingRateUnit"] = unit.value
        found = await self._ask(ref.charge_point, "GetCompositeSchedule", payload, COMPOSITE)
        if isinstance(found, ProfileResult):
            return ProfileOutcome(ProfileAction.ACTIVE, found)
        try:
            return ProfileOutcome(ProfileAction.ACTIVE, ProfileResult.ACCEPTED, schedule(found, ref.connector, seconds, self.clock()))
        except (ProfileError, CallError) as why:
            log.warning("charger %s: its schedule makes no sense: %s", ref.charge_point, why)
            return ProfileOutcome(ProfileAction.ACTIVE, ProfileResult.FAILED)

    async def _ask(self, charge_point: str, action: str, payload: Mapping[str, Any],
                   results: Mapping[str, ProfileResult]) -> ProfileResult | Mapping[str, Any]:  # fmt: skip
        """The answer where it is Accepted, else what became of it."""
        try:
            answer = await self.call(charge_point, action, payload)
        except Unreachable as why:
            log.warning("charger %s: %s: %s", charge_point, action, why)
            return ProfileResult.TIMEOUT if why.sent else ProfileResult.FAILED
        except Declined as why:
            log.warning("charger %s: %s: %s", charge_point, action, why)
            return ProfileResult.NOT_SUPPORTED if why.code in _NOT_SUPPORTED else ProfileResult.FAILED
        status = answer.get("status")
        result = results.get(status, ProfileResult.FAILED) if isinstance(status, str) else ProfileResult.FAILED
        return answer if result is ProfileResult.ACCEPTED else result


def tx_profile(transaction: int, number: int, profile: ChargingProfile) -> dict[str, Any]:
    """A ChargingProfile (7.8) for one transaction: absolute where the profile has a start, else relative to its beginning."""
    schedule: dict[str, Any] = {
        "chargingRateUnit": profile.unit.value,
        "chargingSchedulePeriod": [{"startPeriod": p.start, "limit": _wire(p.limit)} for p in profile.periods],
    }
    if profile.start is not None:
        schedule["startSchedule"] = wire_time(profile.start)
    if profile.duration is not None:
        schedule["duration"] = profile.duration
    if profile.min_rate is not None:
        schedule["minChargingRate"] = _wire(profile.min_rate)
    return {
        "chargingProfileId": number,
        "transactionId": transaction,
        "stackLevel": STACK_LEVEL,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative" if profile.start is None else "Absolute",
        "chargingSchedule": schedule,
    }


def _wire(value: Decimal) -> int | float:
    """A number with at most one decimal place, as JSON writes it exactly."""
    return int(value) if value == value.to_integral_value() else float(value)


def schedule(answer: Mapping[str, Any], connector: int, seconds: int, now: datetime) -> ActiveChargingProfile | None:
    """What an accepted GetCompositeSchedule says of the next ``seconds``; None where it has no schedule: no limit is planned.

    Finer limits than 0.1 are rounded down: they are upper limits. Raises ProfileError or CallError for one that makes no sense.
    """
    fields = Fields(answer)
    if fields.get("connectorId") is not None and fields.connector() != connector:
        raise ProfileError("connectorId", "is another one")
    told = fields.get("chargingSchedule")
    if told is None:
        return None
    if not isinstance(told, dict):
        raise ProfileError("chargingSchedule", "is no object")
    inner = Fields(told)
    periods = inner.get("chargingSchedulePeriod")
    if not isinstance(periods, list):
        raise ProfileError("chargingSchedulePeriod", "is no list")
    if not periods:
        return None
    # It begins when it was worked out. What lies ahead of us is a clock that does.
    at = min(moment(fields.get("scheduleStart")) or moment(inner.get("startSchedule")) or now, now)
    duration = _duration(inner, at, seconds, now)
    profile = ChargingProfile(_unit(inner), tuple(_period(one) for one in periods), duration=duration)
    profile.check()
    if profile.periods[0].start != 0:
        raise ProfileError("periods[0].start", "nothing is said about the beginning")
    return ActiveChargingProfile(at, evolve(profile, periods=tuple(p for p in profile.periods if p.start < duration)))


def _unit(schedule: Fields) -> RateUnit:
    unit = str(schedule.need("chargingRateUnit")).strip().upper()
    if unit not in RateUnit.__members__:
        raise ProfileError("chargingRateUnit", "is neither W nor A")
    return RateUnit(unit)


def _period(told: Any) -> ChargingProfilePeriod:
    if not isinstance(told, dict):
        raise ProfileError("chargingSchedulePeriod", "holds something that is no object")
    fields = Fields(told)
    limit = number(fields.need("limit"))
    if limit is None:
        raise ProfileError("limit", "is no number")
    return ChargingProfilePeriod(fields.whole("startPeriod"), limit.quantize(FINEST, ROUND_DOWN) if abs(limit) < MOST_LIMIT else limit)


def _duration(schedule: Fields, at: datetime, seconds: int, now: datetime) -> int:
    """How long it holds: as told, and no longer than was asked for, from now on."""
    asked = int((now - at).total_seconds()) + seconds
    duration = asked if schedule.get("duration") is None else min(schedule.whole("duration"), asked)
    if at + timedelta(seconds=max(0, duration)) <= now:
        raise ProfileError("duration", "it is over")
    return duration
