"""Smart charging of OCPP 1.6: what goes to a charger, what of its answers is believed, and the simulated charger's part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bridge.model.profile import ActiveChargingProfile, ChargingProfile, ProfileResult, RateUnit
from bridge.model.profile import ChargingProfilePeriod as Period
from bridge.ocpp.central import CentralSystem
from bridge.roaming.ports import ConnectorRef
from bridge.simulate.charger import Behaviour, SimulatedCharger
from bridge.simulate.charger_judge import complaint
from bridge.simulate.charger_memory import VirtualClock
from tests.protocol.ocpp_core import PASSWORD, Raw, Recorder, basic, config, serving

CP1 = ConnectorRef("CP1", 1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
T = "2026-03-02T12:00:00Z"


def profile(*limits: tuple[int, str], unit: RateUnit = RateUnit.A, **more: Any) -> ChargingProfile:
    return ChargingProfile(unit, tuple(Period(start, Decimal(limit)) for start, limit in limits), **more)


def limits(active: ActiveChargingProfile | None) -> list[tuple[int, str]]:
    assert active is not None
    return [(p.start, str(p.limit)) for p in active.profile.periods]


class World:
    """A central system whose clock stands still, and chargers to connect to it."""

    def __init__(self, server: TestServer, central: CentralSystem, session: aiohttp.ClientSession) -> None:
        self.server, self.central, self.session = server, central, session

    async def dial(self) -> Raw:
        socket = await self.session.ws_connect(self.server.make_url("/ocpp/CP1"), protocols=("ocpp1.6",), headers=basic("CP1", PASSWORD))
        return Raw(socket)

    @asynccontextmanager
    async def charger(self, *, clean: bool = True, **behaviour: Any) -> AsyncIterator[SimulatedCharger]:
        how = Behaviour(**{"speed": 0.0, "first_pause": 0.01, "longest_pause": 0.05, **behaviour})
        url = str(self.server.make_url("/ocpp")).replace("http", "ws")
        clock = VirtualClock(real=lambda: NOON)
        async with SimulatedCharger(url, "CP1", connectors=2, password=PASSWORD, behaviour=how, clock=clock) as made:
            yield made
            assert not clean or made.judge.rejections == []


@pytest.fixture
async def world() -> AsyncIterator[World]:
    central = CentralSystem(Recorder(), config(clock=lambda: NOON))
    async with serving(central) as server, aiohttp.ClientSession() as session:
        yield World(server, central, session)


# --- what goes out --------------------------------------------------------------------------------------------------------


async def test_a_profile_for_a_transaction_by_the_schema(world: World) -> None:
    raw = await world.dial()
    wanted = profile((0, "16"), (600, "8.1"), start=NOON, duration=1200, min_rate=Decimal("6.0"))
    task = asyncio.create_task(world.central.set_profile(CP1, 7, 42, wanted))
    call = await raw.called()
    assert call[2:] == ["SetChargingProfile", {"connectorId": 1, "csChargingProfiles": {
        "chargingProfileId": 42, "transactionId": 7, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "duration": 1200, "startSchedule": "2026-03-02T12:00:00.000Z", "chargingRateUnit": "A", "minChargingRate": 6,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}, {"startPeriod": 600, "limit": 8.1}]}}}]  # fmt: skip
    await raw.say([3, call[1], {"status": "Accepted"}])
    assert await task is ProfileResult.ACCEPTED


async def test_without_a_start_it_is_relative(world: World) -> None:
    raw = await world.dial()
    task = asyncio.create_task(world.central.set_profile(CP1, 7, 42, profile((0, "0"), unit=RateUnit.W)))
    call = await raw.called()
    assert call[3]["csChargingProfiles"]["chargingProfileKind"] == "Relative"
    assert call[3]["csChargingProfiles"]["chargingSchedule"] == {
        "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}]}  # fmt: skip
    await raw.say([3, call[1], {"status": "NotSupported"}])
    assert await task is ProfileResult.NOT_SUPPORTED


ASKS: dict[str, tuple[Any, dict[str, Any], dict[str, str]]] = {
    "SetChargingProfile": (lambda c: c.set_profile(CP1, 7, 42, profile((0, "16"))), {},
                           {"Accepted": "ACCEPTED", "Rejected": "REJECTED", "NotSupported": "NOT_SUPPORTED", "Odd": "FAILED"}),
    "ClearChargingProfile": (lambda c: c.clear_profile("CP1", 42), {"id": 42},
                             {"Accepted": "ACCEPTED", "Unknown": "UNKNOWN", "Odd": "FAILED"}),
    "GetCompositeSchedule": (lambda c: c.composite(CP1, 900, RateUnit.A),
                             {"connectorId": 1, "duration": 900, "chargingRateUnit": "A"},
                             {"Accepted": "ACCEPTED", "Rejected": "REJECTED", "Odd": "FAILED"}),
}  # fmt: skip


@pytest.mark.parametrize("action", ASKS)
async def test_answers_of_every_kind(world: World, action: str) -> None:
    send, payload, results = ASKS[action]

    async def ask(frame: list[Any]) -> str:
        task = asyncio.create_task(send(world.central))
        call = await raw.called()
        assert call[2] == action
        assert not payload or call[3] == payload
        await raw.say([frame[0], call[1], *frame[1:]])
        found = await task
        return str(getattr(found, "result", found))

    assert str(getattr(found := await send(world.central), "result", found)) == "FAILED", "not connected"
    raw = await world.dial()
    for said, result in results.items():
        assert await ask([3, {"status": said}]) == result
    assert await ask([3, {"status": 7}]) == "FAILED"
    for code, result in (("NotImplemented", "NOT_SUPPORTED"), ("NotSupported", "NOT_SUPPORTED"), ("InternalError", "FAILED")):
        assert await ask([4, code, "", {}]) == result
    task = asyncio.create_task(send(world.central))
    await raw.called()
    await raw.socket.close()
    assert str(getattr(found := await task, "result", found)) == "TIMEOUT", "it may have obeyed"


# --- what is believed of a schedule -----------------------------------------------------------------------------------------


async def composed(world: World, answer: dict[str, Any], seconds: int = 900) -> tuple[ProfileResult, ActiveChargingProfile | None]:
    raw = await world.dial()
    task = asyncio.create_task(world.central.composite(CP1, seconds, None))
    call = await raw.called()
    assert call[3] == {"connectorId": 1, "duration": seconds}
    await raw.say([3, call[1], {"status": "Accepted", **answer}])
    outcome = await task
    return outcome.result, outcome.active


def composite(*periods: tuple[Any, Any], start: str | None = T, connector: int | None = 1, **schedule: Any) -> dict[str, Any]:
    listed = [{"startPeriod": begin, "limit": value} for begin, value in periods]
    told: dict[str, Any] = {"chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": listed, **schedule}}
    told |= {} if start is None else {"scheduleStart": start}
    return told | ({} if connector is None else {"connectorId": connector})


async def test_a_schedule_is_read_and_holds_no_longer_than_was_asked(world: World) -> None:
    result, active = await composed(world, composite((0, 16), (300, 8.1), (900, 32), duration=86400))
    assert result is ProfileResult.ACCEPTED
    assert active is not None
    assert (active.at, active.profile.unit, active.profile.duration) == (NOON, RateUnit.A, 900)
    assert limits(active) == [(0, "16.0"), (300, "8.1")]


@pytest.mark.parametrize(
    "told",
    [composite((0, "16"), start="2026-03-02 12:00:00", connector=None), composite((0, 16.04), start=None),
     composite((0, 16), start=None, startSchedule=T), composite((0, 16), start="2026-03-02T13:04:00Z")],
    ids=["texts and no zone", "noise and no start", "the schedule's own start", "a clock that is ahead"],
)  # fmt: skip
async def test_deviations_of_the_field_are_read(world: World, told: dict[str, Any]) -> None:
    result, active = await composed(world, told)
    assert result is ProfileResult.ACCEPTED
    assert limits(active) == [(0, "16.0")]
    assert active is not None
    assert (active.at, active.profile.duration) == (NOON, 900)


async def test_a_schedule_that_began_before_holds_for_what_was_asked_from_now_on(world: World) -> None:
    result, active = await composed(world, composite((0, 16), (3600, 8), start="2026-03-02T11:00:00Z"))
    assert result is ProfileResult.ACCEPTED
    assert active is not None
    assert active.profile.duration == 3600 + 900
    assert [str(active.limit_at(NOON + timedelta(seconds=s))) for s in (0, 899, 900)] == ["8.0", "8.0", "None"]


@pytest.mark.parametrize("told", [{}, composite(), {"connectorId": 1, "chargingSchedule": None}])
async def test_no_schedule_is_no_limit(world: World, told: dict[str, Any]) -> None:
    assert await composed(world, told) == (ProfileResult.ACCEPTED, None)


@pytest.mark.parametrize(
    "told",
    [
        composite((0, 16), connector=2),
        composite((10, 16)),
        composite((0, 16), (0, 8)),
        composite((300, 16), (0, 8)),
        composite((0, -1)),
        composite((0, "much")),
        composite((0, None)),
        composite(("soon", 16)),
        composite((0, 16), chargingRateUnit="kW"),
        composite((0, 16), start="2026-03-02T11:00:00Z", duration=3600),
        composite((0, 16), duration=0),
        {"chargingSchedule": []},
        {"chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": {}}},
        {"chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [7]}},
        {"chargingSchedule": {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}},
    ],
)
async def test_a_schedule_that_makes_no_sense_is_none(world: World, told: dict[str, Any]) -> None:
    assert await composed(world, told) == (ProfileResult.FAILED, None)


# --- the simulated charger --------------------------------------------------------------------------------------------------


async def test_a_profile_limits_its_transaction_and_ends_with_it(world: World) -> None:
    async with world.charger(kw=Decimal("22.08")) as charger:
        await charger.start(1, "04A2B3C4")
        number = charger.connectors[1].transaction.number if charger.connectors[1].transaction else None
        assert number is not None
        central = world.central
        free = await central.composite(CP1, 900, None)
        assert limits(free.active) == [(0, "32.0")], "nothing limits it but itself"
        wanted = profile((0, "16"), (300, "8.1"), start=NOON, duration=600)
        assert await central.set_profile(CP1, number, 42, wanted) is ProfileResult.ACCEPTED
        held = await central.composite(CP1, 900, RateUnit.A)
        assert limits(held.active) == [(0, "16.0"), (300, "8.1"), (600, "32.0")]
        assert held.active is not None
        assert not held.active.exceeds(wanted, NOON)
        watts = await central.composite(CP1, 300, RateUnit.W)
        assert limits(watts.active) == [(0, "11040.0")]
        assert await charger.charge(1, minutes=60) == Decimal("11.04"), "16 A on three phases for an hour"
        await charger.stop(1)
        assert charger.report()["connectors"]["1"]["profiles"] == []
        assert await central.clear_profile("CP1", 42) is ProfileResult.UNKNOWN


async def test_the_same_number_replaces_and_a_local_limit_stays(world: World) -> None:
    async with world.charger(kw=Decimal("22.08")) as charger:
        await charger.start(1, "04A2B3C4")
        central = world.central
        for limit in ("16", "20"):
            assert await central.set_profile(CP1, 1, 42, profile((0, limit))) is ProfileResult.ACCEPTED
        assert len(charger.connectors[1].profiles) == 1
        charger.local_limit = Decimal("6.9")
        assert limits((await central.composite(CP1, 900, None)).active) == [(0, "10.0")]
        charger.local_limit = None
        assert limits((await central.composite(CP1, 900, None)).active) == [(0, "20.0")]
        assert await central.clear_profile("CP1", 42) is ProfileResult.ACCEPTED
        assert await central.clear_profile("CP1", 42) is ProfileResult.UNKNOWN
        assert limits((await central.composite(CP1, 900, None)).active) == [(0, "32.0")]


async def test_what_does_not_fit_is_rejected(world: World) -> None:
    async with world.charger() as charger:
        central = world.central
        assert await central.set_profile(CP1, 1, 42, profile((0, "16"))) is ProfileResult.REJECTED, "no transaction"
        await charger.start(1, "04A2B3C4")
        assert await central.set_profile(CP1, 2, 42, profile((0, "16"))) is ProfileResult.REJECTED, "another transaction"
        many = profile(*((s, "16") for s in range(25)))
        assert await central.set_profile(CP1, 1, 42, many) is ProfileResult.REJECTED
        assert (await central.composite(ConnectorRef("CP1", 9), 900, None)).result is ProfileResult.REJECTED
        assert await central.set_profile(CP1, 1, 42, profile((0, "0"))) is ProfileResult.ACCEPTED
        with pytest.raises(ValueError, match="no power"):
            await charger.charge(1, kwh=Decimal(1))


async def test_a_charger_without_smart_charging(world: World) -> None:
    async with world.charger(smart=False) as charger:
        await charger.start(1, "04A2B3C4")
        central = world.central
        assert await central.set_profile(CP1, 1, 42, profile((0, "16"))) is ProfileResult.NOT_SUPPORTED
        assert await central.clear_profile("CP1", 42) is ProfileResult.NOT_SUPPORTED
        assert (await central.composite(CP1, 900, None)).result is ProfileResult.NOT_SUPPORTED
        keys = await central.call("CP1", "GetConfiguration", {"key": ["SupportedFeatureProfiles", "ChargingScheduleMaxPeriods"]})
        assert keys["unknownKey"] == ["ChargingScheduleMaxPeriods"]
        assert "SmartCharging" not in keys["configurationKey"][0]["value"]


@pytest.mark.parametrize(
    ("connector", "change", "schedule"),
    [
        (0, {}, {}),
        (1, {"chargingProfilePurpose": "TxDefaultProfile"}, {}),
        (1, {"chargingProfilePurpose": "ChargePointMaxProfile"}, {}),
        (1, {"chargingProfileKind": "Relative"}, {}),
        (1, {"chargingProfileKind": "Recurring"}, {}),
        (1, {"stackLevel": -1}, {}),
        (1, {}, {"startSchedule": None}),
        (1, {}, {"duration": 0}),
        (1, {}, {"chargingSchedulePeriod": []}),
        (1, {}, {"chargingSchedulePeriod": [{"startPeriod": 5, "limit": 8}]}),
        (1, {}, {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8}, {"startPeriod": 0, "limit": 9}]}),
        (1, {}, {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": -8}]}),
        (1, {}, {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.15}]}),
    ],
)
async def test_it_complains_of_what_the_text_forbids(
    world: World, connector: int, change: dict[str, Any], schedule: dict[str, Any]
) -> None:
    made = {"duration": 60, "startSchedule": T, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8}]}
    plan = {name: value for name, value in {**made, **schedule}.items() if value is not None}
    right = {"chargingProfileId": 1, "transactionId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
             "chargingProfileKind": "Absolute", "chargingSchedule": plan}  # fmt: skip
    async with world.charger(clean=False) as charger:
        await charger.start(1, "04A2B3C4")
        assert await world.central.call("CP1", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": right | {
            "chargingSchedule": made}}) == {"status": "Accepted"}  # fmt: skip
        with pytest.raises(Exception, match="refused"):
            await world.central.call("CP1", "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": right | change})
        assert len(charger.judge.rejections) == 1


async def test_recurring_defaults_maxima_and_validity_are_composed(world: World) -> None:
    async with world.charger(kw=Decimal("22.08")) as charger:

        def put(number: int, connector: int, purpose: str, stack: int, limit: int, **more: Any) -> dict[str, Any]:
            schedule = {"chargingRateUnit": "A", "startSchedule": "2026-03-01T12:05:00Z", "duration": 300,
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}  # fmt: skip
            made = {"chargingProfileId": number, "stackLevel": stack, "chargingProfilePurpose": purpose,
                    "chargingProfileKind": "Recurring", "recurrencyKind": "Daily", "chargingSchedule": schedule, **more}  # fmt: skip
            return {"connectorId": connector, "csChargingProfiles": made}

        central = world.central
        for one in (put(1, 0, "ChargePointMaxProfile", 0, 20), put(2, 1, "TxDefaultProfile", 0, 10),
                    put(3, 1, "TxDefaultProfile", 1, 25, validFrom="2026-03-02T12:07:00Z")):  # fmt: skip
            assert await central.call("CP1", "SetChargingProfile", one) == {"status": "Accepted"}
        found = await central.composite(CP1, 900, RateUnit.A)
        assert limits(found.active) == [(0, "32.0"), (300, "10.0"), (420, "20.0"), (600, "32.0")]
        cleared = await central.call("CP1", "ClearChargingProfile", {"chargingProfilePurpose": "TxDefaultProfile", "connectorId": 1})
        assert cleared == {"status": "Accepted"}
        assert [p["chargingProfileId"] for p in charger.whole.profiles + charger.connectors[1].profiles] == [1]


def test_the_judge_takes_every_multiple_of_a_tenth() -> None:
    for tenths in range(0, 1000, 7):
        limit = float(Decimal(tenths) / 10)
        plan = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
        answer = {"status": "Accepted", "chargingSchedule": plan}
        assert complaint("GetCompositeScheduleResponse", answer) is None, limit
    plan["chargingSchedulePeriod"][0]["limit"] = 8.15  # type: ignore[index]
    assert complaint("GetCompositeScheduleResponse", answer) is not None
