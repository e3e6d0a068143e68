"""Charging profiles and preferences as OCPI writes them: read whole or not at all, and by the specification's own tables."""

from __future__ import annotations

import json
import types
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from bridge.codec.lenient import Unreadable
from bridge.errors import ReadError
from bridge.model.common import ProfileKind
from bridge.model.profile import (
    ActiveChargingProfile,
    ChargingPreferences,
    ChargingProfile,
    PreferenceResult,
    ProfileAction,
    ProfileOutcome,
    ProfileResponse,
    ProfileResult,
    RateUnit,
)
from bridge.model.profile import ChargingProfilePeriod as Period
from bridge.ocpi import profile_map as m
from bridge.ocpi.wire import v221_hub, v221_profiles
from bridge.translate.files import encode
from tests.protocol.ocpi_world import shared

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WHOLE = {
    "start_date_time": "2026-03-02T12:00:00Z", "duration": 1200, "charging_rate_unit": "A", "min_charging_rate": 6.0,
    "charging_profile_period": [{"start_period": 0, "limit": 16}, {"start_period": 600, "limit": 8.1}],
}  # fmt: skip
MODEL = ChargingProfile(RateUnit.A, (Period(0, Decimal(16)), Period(600, Decimal("8.1"))), NOON, 1200, Decimal("6.0"))


def asked(**change: Any) -> bytes:
    profile = {name: value for name, value in {**WHOLE, **change}.items() if value is not ...}
    return json.dumps({"charging_profile": profile, "response_url": "https://there/1"}).encode()


def test_a_profile_there_and_back() -> None:
    assert m.set_request(asked()) == (MODEL, "https://there/1")
    assert json.loads(encode(m.profile_to(MODEL))) == WHOLE
    bare: dict[str, Any] = {"start_date_time": ..., "duration": None, "min_charging_rate": ..., "charging_profile_period": []}
    assert m.set_request(asked(**bare))[0] == ChargingProfile(RateUnit.A)


def test_it_is_read_leniently_where_that_changes_nothing() -> None:
    odd = asked(charging_rate_unit="a", duration="1200", start_date_time="2026-03-02T13:00:00+01:00", vendor={"x": 1})
    assert m.set_request(odd)[0] == MODEL


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"duration": "long"}, "charging_profile.duration"),
        ({"start_date_time": "soon"}, "charging_profile.start_date_time"),
        ({"min_charging_rate": "x"}, "charging_profile.min_charging_rate"),
        ({"charging_rate_unit": "kW"}, "charging_profile.charging_rate_unit"),
        ({"charging_profile_period": [{"start_period": 0, "limit": 16}, {"start_period": 60}]},
         "charging_profile.charging_profile_period[1].limit"),
        ({"charging_profile_period": [{"start_period": 0, "limit": 8.15}]}, "charging_profile.charging_profile_period[0].limit"),
        ({"charging_profile_period": [{"start_period": 5, "limit": 8}, {"start_period": 5, "limit": 9}]},
         "charging_profile.charging_profile_period[1].start_period"),
        ({"duration": 0}, "charging_profile.duration"),
        ({"min_charging_rate": -1}, "charging_profile.min_charging_rate"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_other_profile(change: dict[str, Any], path: str) -> None:
    with pytest.raises((ReadError, Unreadable)) as caught:
        m.set_request(asked(**change))
    assert str(caught.value).startswith(f"{path}: ")


def test_a_plan_there_and_back() -> None:
    plan = ActiveChargingProfile(NOON, ChargingProfile(RateUnit.W, (Period(0, Decimal(11000)),), duration=1800))
    wire = m.plan_to(plan)
    assert json.loads(encode(wire)) == {
        "start_date_time": "2026-03-02T12:00:00Z",
        "charging_profile": {"start_date_time": "2026-03-02T12:00:00Z", "duration": 1800, "charging_rate_unit": "W",
                             "charging_profile_period": [{"start_period": 0, "limit": 11000}]}}  # fmt: skip
    back = m.plan_from(wire)
    assert not back.differs(plan, NOON)
    assert back.at == NOON


@pytest.mark.parametrize(
    ("result", "told"),
    [("ACCEPTED", "ACCEPTED"), ("REJECTED", "REJECTED"), ("UNKNOWN", "UNKNOWN"), ("NOT_SUPPORTED", "REJECTED"), ("FAILED", "REJECTED"),
     ("TIMEOUT", "REJECTED")],
)  # fmt: skip
def test_results_by_what_was_asked_for(result: str, told: str) -> None:
    plan = ActiveChargingProfile(NOON, MODEL)
    for action in ProfileAction:
        said = json.loads(encode(m.result_to(ProfileOutcome(action, ProfileResult(result), plan))))
        assert said["result"] == told
        assert ("profile" in said) is (action is ProfileAction.ACTIVE and told == "ACCEPTED")


def test_preferences() -> None:
    whole = {"profile_type": "green", "departure_time": "2026-03-02T12:00:00Z", "energy_need": 20.5, "discharge_allowed": True}
    assert m.preferences(json.dumps(whole).encode()) == ChargingPreferences(ProfileKind.GREEN, NOON, Decimal("20.5"), True)
    assert m.preferences(b'{"profile_type": "FAST"}') == ChargingPreferences(ProfileKind.FAST)
    for bad, path in (({"energy_need": -1}, "energy_need"), ({"departure_time": "later"}, "departure_time"),
                      ({"discharge_allowed": "perhaps"}, "discharge_allowed"), ({"profile_type": "SLOW"}, "profile_type")):  # fmt: skip
        with pytest.raises((ReadError, Unreadable)) as caught:
            m.preferences(json.dumps(whole | bad).encode())
        assert str(caught.value).startswith(f"{path}: ")


def test_every_value_has_a_word() -> None:
    assert set(m.RESULTS) == set(ProfileResult)
    assert {one.value for one in ProfileResponse} == set(v221_profiles.ChargingProfileResponseType.__members__)
    assert set(m.PREFERENCES.values()) == set(v221_profiles.ChargingPreferencesResponse)
    assert set(PreferenceResult) - set(m.PREFERENCES) == {PreferenceResult.NOT_CAPABLE, PreferenceResult.UNKNOWN_SESSION}


def cardinality(kind: Any) -> str:
    """How often a field may be there, as the specification writes it."""
    optional = isinstance(kind, types.UnionType) and type(None) in get_args(kind)
    listed = "tuple" in str(kind)
    return "*" if optional and listed else "?" if optional else "+" if listed else "1"


@pytest.mark.spec
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_the_types_are_those_of_the_specification(version: str) -> None:
    fields = json.loads(shared("spec", "ocpi", version, "fields.json").read_text())
    enums = json.loads(shared("spec", "ocpi", version, "enums.json").read_text())
    structs = [one for module in (v221_profiles, v221_hub) for one in vars(module).values()
               if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == module.__name__]  # fmt: skip
    assert len(structs) == 10
    for one in structs:
        told = {f["name"]: f["cardinality"] for f in fields[one.__name__]}
        mine = {f.encode_name: cardinality(f.type) for f in msgspec.structs.fields(one)}
        if one is v221_hub.ClientInfo:
            mine["last_updated"] = "1"  # written always, and read without
        assert mine == told, one.__name__
    for module in (v221_profiles, v221_hub):
        for name in [
            n for n, c in vars(module).items() if isinstance(c, type) and hasattr(c, "__members__") and c.__module__ == module.__name__
        ]:
            assert set(getattr(module, name).__members__) == set(enums[name]), name
