"""Smart charging from end to end: an eMSP's wish over OCPI, a charger that obeys over OCPP, and what the eMSP hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from bridge.demo import scene
from bridge.simulate.charger import Behaviour, SimulatedCharger
from tests.roaming import bridge_world as bw

CAPABLE = ["RFID_READER", "REMOTE_START_STOP_CAPABLE", "CHARGING_PROFILE_CAPABLE", "CHARGING_PREFERENCES_CAPABLE"]
LIMITED = {"charging_rate_unit": "A", "charging_profile_period": [{"start_period": 0, "limit": 10}]}


class Play:
    """A charger that charges for a driver of ``emsp1``."""

    def __init__(self, world: bw.World, charger: SimulatedCharger, session: str) -> None:
        self.world, self.charger, self.session = world, charger, session
        self.emsp = world.emsps["emsp1"]

    async def ask(self, act: str, wait: bool = True, **given: Any) -> dict[str, Any]:
        """What the eMSP was answered, and what followed."""
        body, params = {"session_id": self.session, **given}, {"timeout": "20"} if wait else {}
        async with aiohttp.ClientSession() as http, http.post(f"{self.emsp.url}/_sim/{act}", json=body, params=params) as told:
            assert told.status == 200, await told.text()
            answer: dict[str, Any] = await told.json()
            return answer

    async def told(self, count: int) -> list[float]:
        """The first limit of each plan that the eMSP was told on its own, once there are so many."""
        await self.emsp.wait(lambda: len(self.emsp.plans) >= count, 20)
        assert {p["session_id"] for p in self.emsp.plans} == {self.session}
        return [p["profile"]["charging_profile"]["charging_profile_period"][0]["limit"] for p in self.emsp.plans]


def place() -> dict[str, Any]:
    made = scene.location()
    for evse in made["evses"]:
        evse["capabilities"] = CAPABLE
    return made


def quickly(config: dict[str, Any]) -> None:
    config["partners"]["emsp1"]["profile_seconds"] = 0
    config["partners"]["emsp1"]["agreements"][0]["preference_tariffs"] = {"*": ["NIGHT"]}


@asynccontextmanager
async def play(folder: Path, **behaviour: Any) -> AsyncIterator[Play]:
    async with bw.world(folder, quickly) as world:
        night = scene.tariff() | {"id": "NIGHT", "type": "PROFILE_GREEN"}
        night["elements"] = [{"price_components": [{"type": "ENERGY", "price": 0.29, "vat": 19.0, "step_size": 1}]}]
        await world.price(scene.tariff(), night)
        await world.load(place())
        await world.ready()
        how = Behaviour(speed=0.0, first_pause=0.01, longest_pause=0.05, kw=Decimal("22.08"), **behaviour)
        url = f"ws://127.0.0.1:{world.ports.bridge}/ocpp"
        async with SimulatedCharger(url, "CP1", password=b"secret-CP1", behaviour=how) as charger:
            await charger.plug(1)
            assert await charger.swipe(1, world.card("emsp1")) == "Accepted"
            emsp = world.emsps["emsp1"]
            await emsp.wait(lambda: bool(emsp.sessions), 20)
            (session,) = emsp.sessions.values()
            yield Play(world, charger, session["id"])
            assert charger.judge.rejections == []
            assert emsp.rejections == []
            assert emsp.warnings == []


async def test_a_profile_is_set_seen_changed_and_cleared(tmp_path: Path) -> None:
    async with play(tmp_path) as p:
        free = await p.ask("profile_active", duration=600)
        assert free["result"]["profile"]["charging_profile"]["charging_profile_period"] == [{"start_period": 0, "limit": 32}]
        assert p.emsp.plans == [], "nothing on our own before a profile was set"
        done = await p.ask("profile", profile=LIMITED)
        assert (done["response"]["result"], done["result"]) == ("ACCEPTED", {"result": "ACCEPTED"})
        assert await p.told(1) == [10]
        assert len(p.charger.connectors[1].profiles) == 1
        active = await p.ask("profile_active", duration=600)
        planned = active["result"]["profile"]["charging_profile"]
        assert (planned["duration"], planned["charging_profile_period"]) == (600, [{"start_period": 0, "limit": 10}])
        assert await p.charger.charge(1, minutes=60) == Decimal("6.9"), "10 A on three phases for an hour"
        # The site lowers the limit while the charger is away: it is asked when it is back.
        p.charger.local_limit = Decimal("4.14")
        await p.charger.link.reconnect()
        assert await p.told(2) == [10, 6]
        p.charger.local_limit = None
        cleared = await p.ask("profile_clear")
        assert cleared["result"] == {"result": "ACCEPTED"}
        assert await p.told(3) == [10, 6, 32], "all that the EVSE can deliver"
        assert (await p.ask("profile_clear"))["result"] == {"result": "UNKNOWN"}
        await p.charger.stop(1)
        assert (await p.ask("profile", wait=False, profile=LIMITED))["response"]["result"] == "UNKNOWN_SESSION"


async def test_a_charger_without_smart_charging(tmp_path: Path) -> None:
    async with play(tmp_path, smart=False) as p:
        done = await p.ask("profile", profile=LIMITED)
        assert (done["response"]["result"], done["result"]) == ("ACCEPTED", {"result": "REJECTED"})
        active = await p.ask("profile_active", duration=600)
        assert active["result"]["profile"]["charging_profile"]["charging_profile_period"] == [{"start_period": 0, "limit": 32}]
        assert p.emsp.plans == []


async def test_a_preference_changes_the_price_from_then_on(tmp_path: Path) -> None:
    async with play(tmp_path) as p:
        await p.charger.charge(1, kwh=Decimal(4), minutes=20)
        assert await p.ask("prefer", profile_type="FAST") == {"response": "PROFILE_TYPE_NOT_SUPPORTED"}
        assert await p.ask("prefer", profile_type="GREEN", energy_need=12.5) == {"response": "ACCEPTED"}
        assert {t["id"] for t in p.emsp.tariffs.values()} == {"STANDARD", "NIGHT"}
        assert p.world.store.preferences(p.session)[0].tariff_id == "NIGHT"
