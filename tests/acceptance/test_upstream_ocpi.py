"""An operator's own system feeds the bridge over OCPI, in each version: its places go on to an eMSP, Hubject and the clearing house,
their drivers charge there by card and by remote start, and the CDRs reach their providers. All of them are strict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import BaseTestServer, TestServer
from attrs import define

from bridge.demo import scene
from bridge.simulate import cpo as cpo_sim
from bridge.simulate.cpo_charge import Charge
from bridge.simulate.cpo_state import Cpo
from bridge.simulate.ocpi_party import VERSIONS
from tests.roaming.bridge_world import World, until, world


@define
class Above:
    """A bridge with its partners, and the operator's system above it."""

    w: World
    cpo: Cpo
    server: BaseTestServer

    @property
    def place(self) -> dict[str, Any]:
        return next(iter(self.cpo.locations.values()))

    @property
    def evse(self) -> dict[str, Any]:
        found: dict[str, Any] = self.place["evses"][0]
        return found

    async def sim(self, act: str, given: dict[str, Any]) -> Any:
        """Have the operator's system do something."""
        return await posted(str(self.server.make_url(f"/_sim/{act}")), given)

    async def emsp(self, act: str, given: dict[str, Any]) -> Any:
        """Have the eMSP do something."""
        return await posted(f"http://127.0.0.1:{self.w.ports.emsps[0]}/_sim/{act}", given)

    def charging(self) -> list[Charge]:
        return [one for one in self.cpo.charges.values() if one.status == "ACTIVE"]


def _more(found: Sized, than: int) -> bool:
    return len(found) > than


async def posted(url: str, given: dict[str, Any]) -> Any:
    async with aiohttp.ClientSession() as http, http.post(url, json=given) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


@asynccontextmanager
async def above(folder: Path, version: str) -> AsyncIterator[Above]:
    cpo = Cpo(version=version, token_a="token-a", party_id="ABC")  # noqa: S106
    async with TestServer(cpo_sim.application(cpo)) as server:
        cpo.url = str(server.make_url("")).rstrip("/")

        def change(said: dict[str, Any]) -> None:
            for partner in said["partners"].values():
                partner["agreements"] = [{"operator": "example", "sources": ["own", "csms"], "free": True}]
            said["partners"]["hubject"]["constants"]["renewable_energy"] = True
            said["partners"]["csms"] = {
                "protocol": f"ocpi-{version}", "url": cpo.url + cpo.versions_path, "role": "upstream", "feeds": ["example"],
                "token": {"value": "token-a"}, "our_party": "DE*US1", "tokens_from": ["emsp1", "emsp2"],
            }  # fmt: skip

        async with world(folder, change) as w:
            yield Above(w, cpo, server)


@pytest.mark.parametrize("version", VERSIONS)
async def test_places_cards_remote_starts_and_cdrs(tmp_path: Path, version: str) -> None:
    async with above(tmp_path, version) as a:
        w, emsp = a.w, a.w.emsps["emsp1"]
        where, evse_id = {"location_id": a.place["id"], "evse_uid": a.evse["uid"]}, a.evse["evse_id"]
        await until("the eMSP has the place", lambda: ("DE", "ABC", a.place["id"].upper()) in emsp.locations)
        await until("Hubject has it", lambda: evse_id in w.hub.evses.get(scene.OPERATOR, {}))
        await until("the clearing house has it", lambda: evse_id in w.house.world.report()["statuses"])

        listed, hidden = w.card("emsp1"), next(iter(emsp.hidden))[0]
        for uid in (listed, hidden):
            before = len(emsp.cdrs)
            shown = await a.sim("session", {**where, "uid": uid, "ask": True, "minutes": 1})
            assert shown["allowed"] == "ALLOWED"
            await a.sim("end", {"session_id": shown["session_id"], "kwh": 11})
            await until("the eMSP has the CDR", partial(_more, emsp.cdrs, before))

        assert (await a.emsp("start", {**where, "connector_id": "1", "uid": listed}))["response"]["result"] == "ACCEPTED"
        await until("a session runs", a.charging)
        (charge,) = a.charging()
        await until("the eMSP has it", lambda: ("DE", "ABC", charge.id.upper()) in emsp.sessions)
        assert (await a.emsp("stop", {"session_id": charge.id}))["response"]["result"] == "ACCEPTED"
        await until("the eMSP has the third", lambda: len(emsp.cdrs) == 3)
        await w.quiet()
        energy = sorted(float(cdr["total_energy"]) for _, _, cdr in emsp.cdrs.values())
        assert energy[1:] == [11, 11]
        assert {c.partner for c in w.store.cdrs()} == {"emsp1"}
        assert [*w.rejections(), *a.cpo.rejections, *a.cpo.warnings] == []


async def test_it_gets_the_tokens_and_what_becomes_of_them(tmp_path: Path) -> None:
    async with above(tmp_path, "2.2.1") as a:
        emsp = a.w.emsps["emsp1"]
        token = next(iter(emsp.known.values()))
        await until("it is ready", lambda: a.w.store.find("csms", "token", f"{token['type']}/{token['uid']}"))
        await a.sim("pull", {})
        assert a.cpo.tokens[token["uid"].upper(), token["type"]]["valid"]
        await a.emsp("patch", {"uid": token["uid"], "type": token["type"], "change": {"valid": False}})
        await until("it is told", lambda: not a.cpo.tokens[token["uid"].upper(), token["type"]]["valid"])
        assert a.cpo.rejections == []


async def test_hubject_starts_there(tmp_path: Path) -> None:
    async with above(tmp_path, "2.2.1") as a:
        evse_id = a.evse["evse_id"]
        await until("Hubject has it", lambda: evse_id in a.w.hub.evses.get(scene.OPERATOR, {}))
        url = f"http://127.0.0.1:{a.w.ports.hubject}/_sim/remote-start"
        answer = await posted(url, {"provider_id": "DE-DCB", "evse_id": evse_id, "evco_id": scene.HUBJECT_EVCO})
        assert answer["answer"]["Result"] is True, answer
        await until("a session runs", a.charging)
        (charge,) = a.charging()
        await a.sim("end", {"session_id": charge.id, "kwh": 7})
        await until("Hubject has the CDR", lambda: a.w.hub.cdrs)
        (cdr,) = a.w.hub.cdrs.values()
        assert (cdr["EvseID"], cdr["CPOPartnerSessionID"]) == (evse_id, charge.id)
        await a.w.quiet()
        assert [*a.w.rejections(), *a.cpo.rejections] == []
