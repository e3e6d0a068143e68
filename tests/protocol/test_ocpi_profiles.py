"""Charging profiles and preferences over OCPI: what partners ask for, what is answered at once, and what follows (rules 46, 73, 74)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.model.common import ProfileKind
from bridge.model.ids import SessionId
from bridge.model.profile import (
    ActiveChargingProfile,
    ChargingPreferences,
    ChargingProfile,
    PreferenceResult,
    ProfileAction,
    ProfileOutcome,
    ProfileRequest,
    ProfileResponse,
    ProfileResult,
    RateUnit,
)
from bridge.model.profile import ChargingProfilePeriod as Period
from bridge.ocpi.version import V211, V221, V230
from bridge.simulate.emsp_state import CommandSent
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import World

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PROFILE = {"start_date_time": "2026-03-02T12:00:00Z", "duration": 1200, "charging_rate_unit": "A",
           "charging_profile_period": [{"start_period": 0, "limit": 16}, {"start_period": 600, "limit": 8.1}]}  # fmt: skip
PLANNED: dict[str, Any] = {
    "start_date_time": "2026-03-02T12:00:00Z",
    "charging_profile": {"start_date_time": "2026-03-02T12:00:00Z", "duration": 1800, "charging_rate_unit": "A",
                         "charging_profile_period": [{"start_period": 0, "limit": 16}]},
}  # fmt: skip
MODEL = ChargingProfile(RateUnit.A, (Period(0, Decimal(16)), Period(600, Decimal("8.1"))), NOON, 1200)


@pytest.fixture(params=[V221, V230], ids=repr)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with ow.world(version=request.param.number) as made:
        await made.connect()
        yield made
        assert made.rejected == []


def plan(*limits: tuple[int, str], duration: int = 1800) -> ActiveChargingProfile:
    periods = tuple(Period(start, Decimal(limit)) for start, limit in limits)
    return ActiveChargingProfile(NOON, ChargingProfile(RateUnit.A, periods, duration=duration))


async def asked(world: World, act: str, **given: Any) -> Any:
    return await world.sim(act, {"session_id": "S1", **given})


async def raw(world: World, method: str, path: str, body: Any = None, **params: str) -> tuple[int, int, Any]:
    """A request as the eMSP would never make it: HTTP status, OCPI status, data."""
    from bridge.simulate.emsp_partner import Operator

    operator = Operator(world.emsp)
    try:
        status, envelope, _ = await operator.call(method, path, body, params=params or None)
    finally:
        await operator.close()
    return status, envelope["status_code"], envelope.get("data")


def where(world: World, module: str = "chargingprofiles", role: str = "RECEIVER") -> str:
    return world.emsp.endpoints[module, role]


# --- what is asked for, and answered at once


async def test_the_module_is_offered_from_2_2_1_on() -> None:
    for version in (V211, V221, V230):
        async with ow.world(version=version.number) as made:
            await made.connect()
            offered = {module for module, _ in made.emsp.endpoints}
            assert ("chargingprofiles" in offered) is (version is not V211)
            if version is V211:
                url = f"{made.emsp.endpoints['sessions', '']}/S1/charging_preferences"
                assert (await raw(made, "PUT", url, {"profile_type": "GREEN"}))[0] == 404


async def test_requests_reach_the_core(world: World) -> None:
    sent = [await asked(world, "profile", profile=PROFILE), await asked(world, "profile_clear"),
            await asked(world, "profile_active", duration=900)]  # fmt: skip
    assert [one["response"] for one in sent] == [{"result": "ACCEPTED", "timeout": 30}] * 3
    address = f"{world.emsp.url}{world.emsp.path}/chargingprofiles/results/"
    assert world.core.profiles == [
        ("emsp", ProfileRequest(ProfileAction.SET, SessionId("S1"), MODEL), address + sent[0]["id"]),
        ("emsp", ProfileRequest(ProfileAction.CLEAR, SessionId("S1")), address + sent[1]["id"]),
        ("emsp", ProfileRequest(ProfileAction.ACTIVE, SessionId("S1"), seconds=900), address + sent[2]["id"]),
    ]


@pytest.mark.parametrize("response", ProfileResponse)
async def test_every_answer_is_said(world: World, response: ProfileResponse) -> None:
    world.core.response = response
    for act in ("profile_clear", "profile_active"):
        assert (await asked(world, act))["response"]["result"] == response.value
    assert (await asked(world, "profile", profile=PROFILE))["response"]["result"] == response.value


async def test_identifiers_and_addresses_come_through_as_they_are(world: World) -> None:
    await world.sim("profile_clear", {"session_id": "a/b ü"})
    assert world.core.profiles[0][1].session_id == "a/b ü"
    address = f"{world.emsp.url}/x?id=1&key=a%20b"
    status, code, _ = await raw(world, "DELETE", f"{where(world)}/S1?{urlencode({'response_url': address})}")
    assert (status, code) == (200, 1000)
    assert world.core.profiles[1][2] == address


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", {"response_url": "OK"}),
        ("GET", {"response_url": "OK", "duration": ""}),
        ("GET", {"response_url": "OK", "duration": "0"}),
        ("GET", {"response_url": "OK", "duration": "-5"}),
        ("GET", {"response_url": "OK", "duration": "1.5"}),
        ("GET", {"response_url": "OK", "duration": "9" * 16}),
        ("GET", {"duration": "900"}),
        ("GET", {"duration": "900", "response_url": "https://elsewhere.example/1"}),
        ("DELETE", {}),
        ("DELETE", {"response_url": ""}),
        ("DELETE", {"response_url": "there"}),
        ("DELETE", {"response_url": "OK" + "x" * 255}),
    ],
)
async def test_what_is_wrong_in_the_url_is_said(world: World, method: str, query: dict[str, str]) -> None:
    params = {name: value.replace("OK", world.emsp.url + "/r") if name == "response_url" else value for name, value in query.items()}
    assert (await raw(world, method, f"{where(world)}/S1", **params))[:2] == (200, 2001)
    assert world.core.profiles == []


@pytest.mark.parametrize(
    "change",
    [{"charging_profile": None}, {"response_url": None}, {"response_url": "https://elsewhere.example/1"}, {"response_url": ""},
     {"charging_profile": PROFILE | {"duration": "long"}}, {"charging_profile": PROFILE | {"charging_rate_unit": "kW"}}],
)  # fmt: skip
async def test_what_is_wrong_in_the_body_is_said(world: World, change: dict[str, Any]) -> None:
    body = {"charging_profile": PROFILE, "response_url": world.emsp.url + "/r"} | change
    assert (await raw(world, "PUT", f"{where(world)}/S1", body))[:2] == (200, 2001)
    assert world.core.profiles == []


async def test_other_methods_are_not_defined(world: World) -> None:
    assert (await raw(world, "POST", f"{where(world)}/S1", {}))[0] == 405
    assert (await raw(world, "GET", f"{where(world, 'sessions', 'SENDER')}/S1/charging_preferences"))[0] == 405


# --- what follows


async def test_one_result_for_each_request_in_its_own_form(world: World) -> None:
    told = plan((0, "16"), (600, "8.1"))
    outcomes = {"profile": ProfileOutcome(ProfileAction.SET, ProfileResult.ACCEPTED),
                "profile_clear": ProfileOutcome(ProfileAction.CLEAR, ProfileResult.UNKNOWN),
                "profile_active": ProfileOutcome(ProfileAction.ACTIVE, ProfileResult.ACCEPTED, told)}  # fmt: skip
    for act, outcome in outcomes.items():
        sent = await asked(world, act, **({"profile": PROFILE} if act == "profile" else {}))
        await world.partner.outcome(world.core.profiles[-1][2], outcome)
        assert world.emsp.commands[sent["id"]].result is not None
    results = [one.result for one in world.emsp.commands.values()]
    assert results[:2] == [{"result": "ACCEPTED"}, {"result": "UNKNOWN"}]
    assert results[2] == {"result": "ACCEPTED", "profile": PLANNED | {"charging_profile": PLANNED["charging_profile"] | {
        "charging_profile_period": PROFILE["charging_profile_period"]}}}  # fmt: skip


async def test_a_result_goes_to_hosts_of_the_partner_alone(world: World) -> None:
    with pytest.raises(Declined, match="response_url"):
        await world.partner.outcome("https://elsewhere.example/1", ProfileOutcome(ProfileAction.CLEAR, ProfileResult.ACCEPTED))


async def test_a_changed_plan_is_put_at_the_sender(world: World) -> None:
    world.emsp.commands["1"] = CommandSent("1", "PUT", {"result": "ACCEPTED"}, {"result": "ACCEPTED"}, "S 1")
    await world.partner.plan_changed("S 1", plan((0, "16")))
    assert world.emsp.plans == [{"session_id": "S 1", "profile": PLANNED}]
    assert world.emsp.warnings == []
    world.emsp.trouble.status, world.emsp.trouble.count = 500, 1
    with pytest.raises(Unreachable):
        await world.partner.plan_changed("S 1", plan((0, "8")))


async def test_a_partner_without_the_module_is_told_no_plan(world: World) -> None:
    state = world.partner.registration.state
    kept = tuple(e for e in state.endpoints if e.identifier != "chargingprofiles")
    world.partner.registration.state = evolve(state, endpoints=kept)
    with pytest.raises(Declined) as caught:
        await world.partner.plan_changed("S1", plan((0, "16")))
    assert caught.value.code == "no-endpoint"


# --- preferences (rule 46)


@pytest.mark.parametrize(
    "result", [r for r in PreferenceResult if r not in (PreferenceResult.NOT_CAPABLE, PreferenceResult.UNKNOWN_SESSION)]
)
async def test_preferences_and_every_answer_to_them(world: World, result: PreferenceResult) -> None:
    world.core.preferred = result
    told = {"profile_type": "GREEN", "departure_time": "2026-03-02T12:00:00Z", "energy_need": 20.5, "discharge_allowed": True}
    assert await asked(world, "prefer", **told) == {"response": result.value}
    assert world.core.wishes == [("emsp", "S1", ChargingPreferences(ProfileKind.GREEN, NOON, Decimal("20.5"), True))]


@pytest.mark.parametrize("result", [PreferenceResult.NOT_CAPABLE, PreferenceResult.UNKNOWN_SESSION])
async def test_preferences_where_none_are_taken(world: World, result: PreferenceResult) -> None:
    world.core.preferred = result
    url = f"{where(world, 'sessions', 'SENDER')}/{quote('S1')}/charging_preferences"
    assert await raw(world, "PUT", url, {"profile_type": "FAST"}) == (404, 2001, None)


async def test_preferences_that_cannot_be_read(world: World) -> None:
    url = f"{where(world, 'sessions', 'SENDER')}/S1/charging_preferences"
    for bad in ({}, {"profile_type": "SLOW"}, {"profile_type": "FAST", "energy_need": "much"}, {"profile_type": "FAST", "energy_need": -1}):
        assert (await raw(world, "PUT", url, bad))[:2] == (200, 2001)
    assert world.core.wishes == []
