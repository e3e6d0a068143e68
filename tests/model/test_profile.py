"""Charging profiles: what makes sense, what holds when, and when two plans differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bridge.model import json as model_json
from bridge.model.common import ProfileKind
from bridge.model.profile import ActiveChargingProfile, ChargingPreferences, ChargingProfile, ProfileError, RateUnit
from bridge.model.profile import ChargingProfilePeriod as Period

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def profile(*limits: tuple[int, str], **more: Any) -> ChargingProfile:
    return ChargingProfile(RateUnit.A, tuple(Period(start, Decimal(limit)) for start, limit in limits), **more)


def active(*limits: tuple[int, str], at: datetime = NOON, duration: int | None = 1800) -> ActiveChargingProfile:
    return ActiveChargingProfile(at, profile(*limits, duration=duration))


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (profile((0, "8.15")), "periods[0].limit"),
        (profile((0, "-1")), "periods[0].limit"),
        (profile((0, "NaN")), "periods[0].limit"),
        (profile((0, "1e12")), "periods[0].limit"),
        (profile((0, "8"), (0, "9")), "periods[1].start"),
        (profile((60, "8"), (30, "9")), "periods[1].start"),
        (profile((-1, "8")), "periods[0].start"),
        (profile((2**31, "8")), "periods[0].start"),
        (profile((0, "8"), duration=0), "duration"),
        (profile((0, "8"), duration=2**31), "duration"),
        (profile((0, "8"), min_rate=Decimal("6.05")), "min_rate"),
        (profile((0, "8"), start=datetime(2026, 3, 2)), "start"),  # noqa: DTZ001
    ],
)
def test_what_makes_no_sense_is_refused_by_its_path(bad: ChargingProfile, path: str) -> None:
    with pytest.raises(ProfileError) as caught:
        bad.check()
    assert caught.value.path == path


def test_what_makes_sense_passes_and_survives_json() -> None:
    for good in (profile(), profile((0, "8.1"), (60, "0"), (90, "6.0"), start=NOON, duration=600, min_rate=Decimal(6))):
        good.check()
        assert model_json.from_json(ChargingProfile, model_json.to_json(good)) == good


def test_the_limit_of_a_moment() -> None:
    one = profile((10, "16"), (60, "8"), duration=120)
    seconds = (9, 10, 59, 60, 119, 120)
    assert [one.limit_at(NOON + timedelta(seconds=s), NOON) for s in seconds] == [None, 16, 16, 8, 8, None]
    absolute = profile((0, "10"), start=NOON)
    assert absolute.limit_at(NOON, NOON - timedelta(hours=1)) == 10
    assert absolute.limit_at(NOON - timedelta(seconds=1), NOON - timedelta(hours=1)) is None


def test_a_profile_is_over_when_its_absolute_end_has_come() -> None:
    assert profile((0, "8"), start=NOON, duration=60).over(NOON + timedelta(seconds=60))
    assert not profile((0, "8"), start=NOON, duration=60).over(NOON + timedelta(seconds=59))
    assert not profile((0, "8"), start=NOON).over(NOON + timedelta(days=9))
    assert not profile((0, "8"), duration=60).over(NOON + timedelta(days=9))


def test_plans_are_compared_where_both_speak() -> None:
    before = active((0, "16"), (600, "8"))
    later = NOON + timedelta(seconds=300)
    assert not active((0, "16"), (300, "8"), at=later).differs(before, later), "the same, asked for five minutes later"
    assert active((0, "16"), (301, "8"), at=later).differs(before, later)
    assert active((0, "10"), at=later).differs(before, later)
    assert not active((0, "8"), (1500, "32"), at=NOON + timedelta(seconds=600)).differs(before, NOON), "what is new lies behind its end"
    assert active((0, "8"), at=NOON + timedelta(seconds=1800)).differs(before, NOON), "nothing in common"
    watts = ActiveChargingProfile(NOON, ChargingProfile(RateUnit.W, (Period(0, Decimal(16)),), duration=1800))
    assert watts.differs(active((0, "16")), NOON)


def test_a_plan_exceeds_a_profile_where_it_lets_more_through() -> None:
    limit = profile((0, "10"), (600, "16"), duration=1200)
    assert not active((0, "10"), (600, "16"), (1200, "32")).exceeds(limit, NOON)
    assert not active((0, "6")).exceeds(limit, NOON), "a lower limit of somebody else"
    assert active((0, "16")).exceeds(limit, NOON)
    assert active((0, "10"), (599, "16")).exceeds(limit, NOON)
    assert not active((0, "32"), at=NOON + timedelta(seconds=1200)).exceeds(limit, NOON), "it is over"


def test_preferences() -> None:
    good = ChargingPreferences(ProfileKind.GREEN, NOON, Decimal("20.5"), True)
    good.check()
    assert model_json.from_json(ChargingPreferences, model_json.to_json(good)) == good
    with pytest.raises(ProfileError, match="energy_need"):
        ChargingPreferences(ProfileKind.GREEN, energy_need=Decimal(-1)).check()
    with pytest.raises(ProfileError, match="departure"):
        ChargingPreferences(ProfileKind.GREEN, departure=datetime(2026, 3, 2)).check()  # noqa: DTZ001
