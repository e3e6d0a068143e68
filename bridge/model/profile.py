"""Smart charging: limits over time for a session, what came of them, and what a driver prefers.

OCPI 2.2.1 and 2.3.0, mod_charging_profiles and mod_sessions (Set: Charging Preferences); OCPP 1.6, 3.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from bridge.errors import BridgeError
from bridge.model.common import ProfileKind
from bridge.model.ids import SessionId

MOST_SECONDS = 2**31 - 1
"""The largest duration or start of a period: an int32, which every charger can hold."""
MOST_LIMIT = Decimal(10) ** 12
"""No limit is this large. Chargers that have none sometimes write the largest number that they can."""


class ProfileError(BridgeError):
    """A profile, or preferences, that make no sense. ``path`` is in the model's field names."""

    def __init__(self, path: str, because: str) -> None:
        super().__init__(f"{path}: {because}")
        self.path = path
        self.because = because


class RateUnit(StrEnum):
    """The unit of a limit: W in all, or A for each phase."""

    W = "W"
    A = "A"


@frozen(weakref_slot=False)
class ChargingProfilePeriod:
    """A limit in the profile's unit. ``start`` is in seconds from the profile's start; it ends where the next one starts."""

    start: int
    limit: Decimal


@frozen(weakref_slot=False)
class ChargingProfile:
    """Upper limits over time (OCPI ChargingProfile, OCPP ChargingSchedule).

    ``start`` in UTC; None: it is relative to the start of charging. ``duration`` is in seconds; None: its last period goes on.
    ``min_rate`` is the lowest rate that the vehicle can use, in the same unit. Limits have at most one decimal place.
    """

    unit: RateUnit
    periods: tuple[ChargingProfilePeriod, ...] = ()
    start: datetime | None = None
    duration: int | None = None
    min_rate: Decimal | None = None

    def check(self) -> None:
        """Raises ProfileError unless times and limits make sense: periods in order, nothing negative, no finer than 0.1."""
        if self.start is not None and self.start.tzinfo is None:
            raise ProfileError("start", "a time with a zone is expected")
        if self.duration is not None and not 0 < self.duration <= MOST_SECONDS:
            raise ProfileError("duration", f"1 to {MOST_SECONDS} seconds are expected")
        if self.min_rate is not None:
            _rate("min_rate", self.min_rate)
        before = -1
        for number, period in enumerate(self.periods):
            if not 0 <= period.start <= MOST_SECONDS:
                raise ProfileError(f"periods[{number}].start", f"0 to {MOST_SECONDS} seconds are expected")
            if period.start <= before:
                raise ProfileError(f"periods[{number}].start", "is not after the start of the period before")
            before = period.start
            _rate(f"periods[{number}].limit", period.limit)

    def over(self, at: datetime) -> bool:
        """Whether nothing of it is left at a moment. One that is relative ends with the transaction."""
        if self.start is None or self.duration is None:
            return False
        return at >= self.start + timedelta(seconds=self.duration)

    def limit_at(self, at: datetime, began: datetime) -> Decimal | None:
        """The limit at a moment; None: it has none then. ``began`` is when charging did, for a profile that is relative."""
        begin = self.start or began
        if self.duration is not None and at >= begin + timedelta(seconds=self.duration):
            return None
        found = None
        for period in self.periods:
            if begin + timedelta(seconds=period.start) > at:
                break
            found = period.limit
        return found

    def turns(self, began: datetime) -> Iterator[datetime]:
        """When its limit changes."""
        begin = self.start or began
        yield from (begin + timedelta(seconds=p.start) for p in self.periods)
        if self.duration is not None:
            yield begin + timedelta(seconds=self.duration)


def _rate(path: str, value: Decimal) -> None:
    if not value.is_finite() or not 0 <= value < MOST_LIMIT:
        raise ProfileError(path, "a number from 0 on is expected")
    if value != value.quantize(Decimal("0.1")):
        raise ProfileError(path, "at most one decimal place is expected")


@frozen(weakref_slot=False)
class ActiveChargingProfile:
    """What a charger plans for a session, all limits considered. ``at`` is when it worked that out; the profile starts then."""

    at: datetime
    profile: ChargingProfile

    @property
    def end(self) -> datetime | None:
        """Until when it says anything; None: without an end."""
        return None if self.profile.duration is None else self.at + timedelta(seconds=self.profile.duration)

    def limit_at(self, at: datetime) -> Decimal | None:
        """The limit at a moment; None: nothing is said about it."""
        return self.profile.limit_at(at, self.at)

    def differs(self, other: ActiveChargingProfile, since: datetime) -> bool:
        """Whether the two plans say different things about any moment from ``since`` on of which both speak."""
        if self.profile.unit is not other.profile.unit:
            return True
        begin = max(since, self.at, other.at)
        ends = [end for end in (self.end, other.end) if end is not None]
        moments = {begin, *self.profile.turns(self.at), *other.profile.turns(other.at)}
        moments = {one for one in moments if one >= begin and all(one < end for end in ends)}
        return not moments or any(self.limit_at(one) != other.limit_at(one) for one in moments)

    def exceeds(self, profile: ChargingProfile, began: datetime) -> bool:
        """Whether it lets more through than a profile does, at a moment of which both speak. Of other units nothing is said."""
        if self.profile.unit is not profile.unit:
            return False
        moments = {self.at, *self.profile.turns(self.at), *profile.turns(began)}
        pairs = ((self.limit_at(one), profile.limit_at(one, began)) for one in moments if one >= self.at)
        return any(mine is not None and theirs is not None and mine > theirs for mine, theirs in pairs)


class ProfileAction(StrEnum):
    """What is asked for about a session's charging profile."""

    SET = "SET_PROFILE"
    CLEAR = "CLEAR_PROFILE"
    ACTIVE = "ACTIVE_PROFILE"


class ProfileResponse(StrEnum):
    """What is answered at once (OCPI ChargingProfileResponseType)."""

    ACCEPTED = "ACCEPTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TOO_OFTEN = "TOO_OFTEN"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class ProfileResult(StrEnum):
    """What came of it at the charger.

    OCPI's ChargingProfileResultType has the first three. FAILED: it was not asked, or its answer makes no sense; TIMEOUT: it
    did not answer and may have obeyed.
    """

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"


@frozen(weakref_slot=False)
class ProfileRequest:
    """What a partner asks for. ``profile`` with SET, ``seconds`` (how far ahead it wants to see) with ACTIVE."""

    action: ProfileAction
    session_id: SessionId
    profile: ChargingProfile | None = None
    seconds: int | None = None


@frozen(weakref_slot=False)
class ProfileOutcome:
    """What came of a request. ``active`` with an ACTIVE that was ACCEPTED; None then: the charger plans no limit at all."""

    action: ProfileAction
    result: ProfileResult
    active: ActiveChargingProfile | None = None


@frozen(weakref_slot=False)
class ChargingPreferences:
    """What a driver wants of the running session (OCPI ChargingPreferences).

    ``departure`` in UTC is a guess; ``energy_need`` is in kWh; ``discharge_allowed``: the vehicle may give energy back meanwhile.
    """

    kind: ProfileKind
    departure: datetime | None = None
    energy_need: Decimal | None = None
    discharge_allowed: bool = False

    def check(self) -> None:
        """Raises ProfileError unless they make sense."""
        if self.departure is not None and self.departure.tzinfo is None:
            raise ProfileError("departure", "a time with a zone is expected")
        need = self.energy_need
        if need is not None and (not need.is_finite() or not 0 <= need < MOST_LIMIT):
            raise ProfileError("energy_need", "a number from 0 on is expected")


class PreferenceResult(StrEnum):
    """What is answered to preferences.

    OCPI's ChargingPreferencesResponse has the first five; the others are HTTP 404 there: the session is not known, or its EVSE
    does not take preferences.
    """

    ACCEPTED = "ACCEPTED"
    DEPARTURE_REQUIRED = "DEPARTURE_REQUIRED"
    ENERGY_NEED_REQUIRED = "ENERGY_NEED_REQUIRED"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    PROFILE_TYPE_NOT_SUPPORTED = "PROFILE_TYPE_NOT_SUPPORTED"
    NOT_CAPABLE = "NOT_CAPABLE"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"
