"""Smart charging of a simulated charger (OCPP 1.6, 3.13): profiles it takes, and the schedule that it makes of them.

What the text forbids is a complaint about the central system, as what the schema forbids; what only does not fit here, such as
a profile for a transaction that is over, is Rejected.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from bridge.simulate.charger_memory import Connector, wire_time

if TYPE_CHECKING:
    from bridge.simulate.charger import SimulatedCharger

MOST_PERIODS: Final = 24
"""ChargingScheduleMaxPeriods."""
MOST_PROFILES: Final = 8
"""MaxChargingProfilesInstalled."""
MOST_STACK: Final = 8
"""ChargeProfileMaxStackLevel."""
WATTS_PER_AMPERE: Final = Decimal(690)
"""Three phases of 230 V."""

Answer = dict[str, Any] | str
Profile = dict[str, Any]


def configuration(charger: SimulatedCharger) -> dict[str, str]:
    """Its configuration keys of this feature profile (9.4)."""
    if not charger.behaviour.smart:
        return {}
    return {
        "ChargeProfileMaxStackLevel": str(MOST_STACK),
        "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
        "ChargingScheduleMaxPeriods": str(MOST_PERIODS),
        "MaxChargingProfilesInstalled": str(MOST_PROFILES),
    }


def set_profile(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    """SetChargingProfile, 5.16."""
    if not charger.behaviour.smart:
        return {"status": "NotSupported"}
    number, profile = payload["connectorId"], payload["csChargingProfiles"]
    wrong = _against_the_text(number, profile)
    if wrong is not None:
        charger.judge.reject("SetChargingProfile", "PropertyConstraintViolation", wrong)
        return "PropertyConstraintViolation"
    place = charger.whole if number == 0 else charger.connectors.get(number)
    if place is None or not _fits(place, profile):
        return {"status": "Rejected"}
    kept = [one for one in place.profiles if one["chargingProfileId"] != profile["chargingProfileId"] and _slot(one) != _slot(profile)]
    if len(kept) >= MOST_PROFILES:
        return {"status": "Rejected"}
    for other in (charger.whole, *charger.connectors.values()):
        other.profiles = [one for one in other.profiles if one["chargingProfileId"] != profile["chargingProfileId"]]
    place.profiles = [*kept, profile]
    return {"status": "Accepted"}


def _slot(profile: Profile) -> tuple[str, int]:
    return profile["chargingProfilePurpose"], profile["stackLevel"]


def _against_the_text(connector: int, profile: Profile) -> str | None:
    """What the specification forbids (3.13.1, 7.8 to 7.14)."""
    purpose, kind, schedule = profile["chargingProfilePurpose"], profile["chargingProfileKind"], profile["chargingSchedule"]
    starts = [p["startPeriod"] for p in schedule["chargingSchedulePeriod"]]
    rules = (
        (purpose == "TxProfile" and connector <= 0, "a TxProfile is for one connector"),
        (purpose == "ChargePointMaxProfile" and connector != 0, "a ChargePointMaxProfile is for connector 0"),
        (purpose != "TxProfile" and "transactionId" in profile, "transactionId is for a TxProfile"),
        (kind == "Recurring" and "recurrencyKind" not in profile, "Recurring without recurrencyKind"),
        (kind in ("Absolute", "Recurring") and "startSchedule" not in schedule, f"{kind} without startSchedule"),
        (kind == "Relative" and "startSchedule" in schedule, "Relative with startSchedule"),
        (not starts or starts[0] != 0, "the first period starts at 0"),
        (any(a >= b for a, b in pairwise(starts)), "periods out of order"),
        (any(p["limit"] < 0 for p in schedule["chargingSchedulePeriod"]), "a limit below 0"),
        (schedule.get("duration", 1) <= 0, "a duration of nothing"),
        (profile["stackLevel"] < 0, "a stackLevel below 0"),
    )
    return next((because for broken, because in rules if broken), None)


def _fits(place: Connector, profile: Profile) -> bool:
    if profile["stackLevel"] > MOST_STACK or len(profile["chargingSchedule"]["chargingSchedulePeriod"]) > MOST_PERIODS:
        return False
    if profile["chargingProfilePurpose"] != "TxProfile":
        return True
    running = place.transaction
    return running is not None and profile.get("transactionId", running.number) == running.number


def clear_profile(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    """ClearChargingProfile, 5.5: one by its id, else all that match."""
    if not charger.behaviour.smart:
        return "NotSupported"
    found = False
    for place in (charger.whole, *charger.connectors.values()):
        gone = [one for one in place.profiles if _matches(place, one, payload)]
        place.profiles = [one for one in place.profiles if one not in gone]
        found = found or bool(gone)
    return {"status": "Accepted" if found else "Unknown"}


def _matches(place: Connector, profile: Profile, asked: dict[str, Any]) -> bool:
    if "id" in asked:
        return bool(profile["chargingProfileId"] == asked["id"])
    given = {"connectorId": place.number, **{name: profile[name] for name in ("chargingProfilePurpose", "stackLevel")}}
    return all(given[name] == value for name, value in asked.items())


def composite(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    """GetCompositeSchedule, 5.7, of one connector."""
    if not charger.behaviour.smart:
        return "NotSupported"
    connector = charger.connectors.get(payload["connectorId"])
    if connector is None or payload["duration"] <= 0:
        return {"status": "Rejected"}
    now, unit = charger.clock.now(), payload.get("chargingRateUnit", "A")
    end = now + timedelta(seconds=payload["duration"])
    turns = {turn for one in _all(charger, connector) for turn in _turns(one, connector, now, end)}
    periods: list[dict[str, Any]] = []
    for at in (now, *sorted(turns)):
        limit = _number(_in(unit, limit_at(charger, connector, at)))
        if not periods or periods[-1]["limit"] != limit:
            periods.append({"startPeriod": round((at - now).total_seconds()), "limit": limit})
    return {
        "status": "Accepted", "connectorId": connector.number, "scheduleStart": wire_time(now),
        "chargingSchedule": {"duration": payload["duration"], "chargingRateUnit": unit, "chargingSchedulePeriod": periods},
    }  # fmt: skip


def limit_at(charger: SimulatedCharger, connector: Connector, at: datetime) -> Decimal:
    """The power in W that a connector may draw at a moment: the least of all limits (3.13.3)."""
    limits = [charger.behaviour.kw * 1000] + ([charger.local_limit * 1000] if charger.local_limit is not None else [])
    for purposes in (("TxProfile", "TxDefaultProfile"), ("ChargePointMaxProfile",)):
        for purpose in purposes:
            found = _highest(purpose, charger, connector, at)
            if found is not None:
                limits.append(found)
                break  # a TxProfile goes before the default
    return min(limits)


def _all(charger: SimulatedCharger, connector: Connector) -> list[Profile]:
    return [*charger.whole.profiles, *connector.profiles]


def _highest(purpose: str, charger: SimulatedCharger, connector: Connector, at: datetime) -> Decimal | None:
    """The limit by the profile of the highest stack level that says something about a moment."""
    mine = [one for one in _all(charger, connector) if one["chargingProfilePurpose"] == purpose]
    for one in sorted(mine, key=lambda p: -p["stackLevel"]):
        begin = _begin(one, connector, at)
        if begin is None or begin > at or not _valid(one, at):
            continue
        schedule, passed = one["chargingSchedule"], (at - begin).total_seconds()
        if passed >= schedule.get("duration", passed + 1):
            continue
        limit = next(p["limit"] for p in reversed(schedule["chargingSchedulePeriod"]) if p["startPeriod"] <= passed)
        return Decimal(str(limit)) * (WATTS_PER_AMPERE if schedule["chargingRateUnit"] == "A" else 1)
    return None


def _valid(profile: Profile, at: datetime) -> bool:
    start, end = (profile.get(name) for name in ("validFrom", "validTo"))
    return (start is None or datetime.fromisoformat(start) <= at) and (end is None or at < datetime.fromisoformat(end))


def _begin(profile: Profile, connector: Connector, at: datetime) -> datetime | None:
    """When its schedule began, as of a moment."""
    if profile["chargingProfileKind"] == "Relative":
        return None if connector.transaction is None else datetime.fromisoformat(connector.transaction.started)
    begin = datetime.fromisoformat(profile["chargingSchedule"]["startSchedule"])
    if profile["chargingProfileKind"] == "Recurring" and at > begin:
        every = timedelta(days=1 if profile["recurrencyKind"] == "Daily" else 7)
        begin += (at - begin) // every * every
    return begin


def _turns(profile: Profile, connector: Connector, now: datetime, end: datetime) -> Iterator[datetime]:
    """Moments between now and then at which its limit may change."""
    found = [profile[name] for name in ("validFrom", "validTo") if name in profile]
    moments = [datetime.fromisoformat(one) for one in found]
    for at in (now, end):
        begin = _begin(profile, connector, at)
        if begin is not None:
            schedule = profile["chargingSchedule"]
            seconds = [p["startPeriod"] for p in schedule["chargingSchedulePeriod"]]
            seconds += [schedule["duration"]] if "duration" in schedule else []
            moments += [begin + timedelta(seconds=s) for s in seconds]
    return (one for one in moments if now < one < end)


def _in(unit: str, watts: Decimal) -> Decimal:
    return watts if unit == "W" else watts / WATTS_PER_AMPERE


def _number(value: Decimal) -> int | float:
    value = value.quantize(Decimal("0.1"), ROUND_DOWN)
    return int(value) if value == value.to_integral_value() else float(value)
