"""A whole bridge with a strict eMSP in each version of OCPI: what a driver, an operator and a provider notice of it is the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.demo import scene
from bridge.simulate.charger import Behaviour, SimulatedCharger
from bridge.simulate.emsp_state import Emsp
from bridge.simulate.ocpi_party import VERSIONS
from tests.roaming.bridge_world import World, until, world


def alone(said: dict[str, Any]) -> None:
    """The first eMSP is the only partner."""
    for name in [*said["partners"]]:
        if name != "emsp1":
            del said["partners"][name]


@asynccontextmanager
async def charger(w: World) -> AsyncIterator[SimulatedCharger]:
    """The demonstration's first charger, that charges 7.5 kWh in 15 minutes when it is started remotely, in no time at all."""
    behaviour = Behaviour(speed=0, remote_plan=(Decimal("7.5"), Decimal(15)), first_pause=0.05)
    url = f"ws://127.0.0.1:{w.ports.bridge}/ocpp"
    async with SimulatedCharger(url, scene.CHARGERS[0], password=b"secret-CP1", behaviour=behaviour) as one:
        one.clock.reach(w.at)
        yield one


async def told(w: World, act: str, body: dict[str, Any], **params: str) -> Any:
    """Have the eMSP do something."""
    url = f"http://127.0.0.1:{w.ports.emsps[0]}/_sim/{act}"
    async with aiohttp.ClientSession() as http, http.post(url, json=body, params=params) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def session_of(emsp: Emsp, ident: str) -> dict[str, Any]:
    """A session as the eMSP has it."""
    return emsp.sessions["DE", "ABC", ident.upper()]


async def settled(w: World, count: int) -> list[Any]:
    """The CDRs, once so many are acknowledged."""

    def done() -> list[Any]:
        found = list(w.cdrs().values())
        assert not [c.error for c in found if c.state == "refused"]
        return found if [c.state for c in found].count("acknowledged") >= count else []

    made: list[Any] = await until(f"{count} CDRs are acknowledged", done)
    await w.quiet()
    return made


@pytest.mark.parametrize("number", VERSIONS)
async def test_from_the_location_to_the_cdr(tmp_path: Path, number: str) -> None:
    async with world(tmp_path, alone, ocpi=number) as w, charger(w) as cp:
        emsp, older = w.emsps["emsp1"], number == "2.1.1"
        assert w.bridge.partners["emsp1"].format == f"ocpi-{number}"
        (location,) = emsp.locations.values()
        assert ([e["evse_id"] for e in location["evses"]], [t["id"] for t in emsp.tariffs.values()]) == ([*scene.EVSES], ["STANDARD"])
        await until("the status is there", lambda: w.status_of("emsp1", 0) == "AVAILABLE")

        # A card of the token list, one that is asked for in real time, and one that nobody knows.
        listed, unlisted = (str(list(emsp.known.values())[n]["uid"]) for n in (0, 5))
        assert await cp.session(1, listed, Decimal("11.4"), 40) is not None
        assert emsp.received["authorize"] == 0
        assert await cp.session(1, unlisted, Decimal("3"), 10) is not None
        assert emsp.received["authorize"] == 1
        assert await cp.session(1, "04DEADBEEF0000", Decimal(1), 1) is None
        await settled(w, 2)

        # A remote start.
        app = str(list(emsp.known.values())[1]["uid"])
        done = await told(w, "start", {"location_id": scene.LOCATION, "evse_uid": "UID1", "uid": app}, timeout="10")
        assert (done["response"]["result"], done["result"]["result"]) == ("ACCEPTED", "ACCEPTED")
        cdrs = await settled(w, 3)

        assert emsp.rejections == []
        assert emsp.warnings == []
        assert cp.report()["rejections"] == []
        contracts = {t["uid"]: t["auth_id" if older else "contract_id"] for t in emsp.known.values()}
        held = {cdr["id"]: cdr for _, _, cdr in emsp.cdrs.values()}
        for cdr, uid, kwh in zip(cdrs, (listed, unlisted, app), (11.4, 3, 7.5), strict=True):
            one, session = held[cdr.id], session_of(emsp, cdr.session)
            assert (one["total_energy"], session["kwh"], session["status"]) == (kwh, kwh, "COMPLETED")
            assert cdr.reference == next(url for url, _, c in emsp.cdrs.values() if c["id"] == cdr.id)
            who = uid if older and uid == unlisted else contracts[uid]
            for record in (one, session):
                assert (record["auth_id"] if older else record["cdr_token"]["contract_id"]) == who
            assert (one["total_cost"] if older else next(iter(one["total_cost"].values()))) == pytest.approx(kwh * 0.49 + 0.35, abs=0.006)

        # What the eMSP pulls is what it was pushed, and it reads every record of it.
        for module, known in (("locations", 1), ("tariffs", 1), ("sessions", 3), ("cdrs", 3)):
            found = (await told(w, "pull", {"module": module}))["objects"]
            assert len(found) == known, module
        assert {c["id"]: c for c in (await told(w, "pull", {"module": "cdrs"}))["objects"]} == held
        assert emsp.rejections == []


async def test_the_location_in_sessions_and_cdrs_of_2_1_1_is_what_the_operator_told(tmp_path: Path) -> None:
    async with world(tmp_path, alone, ocpi="2.1.1") as w:
        emsp = w.emsps["emsp1"]
        await w.charge(1, w.card("emsp1"))
        (cdr,) = await settled(w, 1)
        (location,) = emsp.locations.values()
        (sent,) = (c for _, _, c in emsp.cdrs.values())
        for record in (sent, session_of(emsp, cdr.session)):
            place = record["location"]
            assert {k: v for k, v in place.items() if k not in ("evses", "last_updated")} == {
                k: v for k, v in location.items() if k not in ("evses", "last_updated")}  # fmt: skip
            (evse,) = place["evses"]
            known = next(e for e in location["evses"] if e["uid"] == evse["uid"])
            assert evse["connectors"] == known["connectors"]
            changing = ("status", "last_updated")
            assert {k: v for k, v in evse.items() if k not in changing} == {k: v for k, v in known.items() if k not in changing}
        told_ = {(loss["kind"], loss["path"]) for loss in cdr.losses}
        assert ("dropped", "session_id") in told_
        made_up = {path for kind, path in told_ if kind == "defaulted"}
        assert made_up <= {"location.evses[0].connectors[0].tariff_id"}, "nothing had to be configured or made up"
