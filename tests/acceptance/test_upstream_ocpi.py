"""An operator's own system feeds the bridge over OCPI: its places and sessions go on to an eMSP, Hubject and the clearing house."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from bridge.demo import scene
from tests.protocol.csms import Csms, Fed
from tests.roaming.bridge_world import until, world

KWH = 12


def place() -> dict[str, Any]:
    """A location of the operator's system, at its own prices."""
    made = scene.location() | {"id": "U1", "name": "Upstream Square"}
    evse = made["evses"][0] | {"uid": "U1-1", "evse_id": "DE*ABC*EU1*1"}
    evse["connectors"] = [evse["connectors"][0] | {"tariff_ids": ["CPO"]}]
    return made | {"evses": [evse]}


def told(kind: str, token: dict[str, Any], reference: str) -> dict[str, Any]:
    """The session of a driver, and its CDR."""
    token = {name: token[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}
    period = {"start_date_time": "2026-11-01T12:00:00Z", "dimensions": [{"type": "ENERGY", "volume": KWH}, {"type": "TIME", "volume": 1}]}
    both = {"country_code": "DE", "party_id": "ABC", "start_date_time": "2026-11-01T12:00:00Z", "end_date_time": "2026-11-01T13:00:00Z",
            "cdr_token": token, "auth_method": "COMMAND", "authorization_reference": reference, "currency": "EUR",
            "charging_periods": [period], "total_cost": {"excl_vat": 6.0, "incl_vat": 7.14},
            "last_updated": "2026-11-01T13:00:00Z"}  # fmt: skip
    if kind == "session":
        return both | {"id": "S1", "kwh": KWH, "location_id": "U1", "evse_uid": "U1-1", "connector_id": "1", "status": "COMPLETED"}
    where = {name: place()[name] for name in ("id", "name", "address", "city", "postal_code", "country", "coordinates")}
    where |= {"evse_uid": "U1-1", "evse_id": "DE*ABC*EU1*1", "connector_id": "1", "connector_standard": "IEC_62196_T2",
              "connector_format": "SOCKET", "connector_power_type": "AC_3_PHASE"}  # fmt: skip
    return both | {"id": "C1", "session_id": "S1", "cdr_location": where, "total_energy": KWH, "total_time": 1}


def tariff() -> dict[str, Any]:
    return scene.tariff() | {"id": "CPO"}


async def test_its_places_a_remote_start_and_the_cdr(tmp_path: Path) -> None:
    csms = Csms(lists={"locations": [place()], "tariffs": [tariff()]})

    def change(said: dict[str, Any]) -> None:
        for partner in said["partners"].values():
            partner["agreements"] = [{"operator": "example", "sources": ["own", "csms"]}]
        said["partners"]["csms"] = {"protocol": "ocpi-2.2.1", "url": f"{csms.url}/versions", "role": "upstream", "feeds": ["example"],
                                    "token": {"value": "token-a"}, "our_party": "DE*US1"}  # fmt: skip

    async with TestServer(csms.application()) as server:
        csms.url = str(server.make_url("")).rstrip("/")
        async with world(tmp_path, change) as w:
            call = Fed(w.bridge, csms, f"http://127.0.0.1:{w.ports.bridge}/ocpi/2.2.1")
            emsp = w.emsps["emsp1"]
            await until("the eMSP has the place", lambda: ("DE", "ABC", "U1") in emsp.locations)
            await until("Hubject has it", lambda: "DE*ABC*EU1*1" in w.hub.statuses.get(scene.OPERATOR, {}))
            await until("the clearing house has it", lambda: "DE*ABC*EU1*1" in w.house.world.report()["statuses"])

            card = next(iter(emsp.known.values()))
            url = f"http://127.0.0.1:{w.ports.emsps[0]}/_sim/start"
            asked_for = {"location_id": "U1", "evse_uid": "U1-1", "uid": card["uid"]}
            async with aiohttp.ClientSession() as http, http.post(url, json=asked_for) as answer:
                assert answer.status == 200, await answer.text()
            await until("it went there", lambda: csms.commands)
            name, asked = csms.commands[0]
            assert (name, asked["location_id"], asked["token"]["uid"]) == ("START_SESSION", "U1", card["uid"])
            await until("the eMSP heard of it", lambda: [c.result for c in emsp.commands.values() if c.result])

            token = asked["token"]
            for method, path, kind in (("PUT", "/receiver/sessions/DE/ABC/S1", "session"), ("POST", "/receiver/cdrs", "cdr")):
                said = await call(method, path, told(kind, token, asked["authorization_reference"]))
                assert said.status == 201, said
            await until("the eMSP has the CDR", lambda: w.held("emsp1"))
            await w.quiet()
            ((_, _, cdr),) = emsp.cdrs.values()
            assert (cdr["total_energy"], cdr["total_cost"]) == (KWH, {"excl_vat": 6.0, "incl_vat": 7.14})
            assert cdr["cdr_token"]["party_id"] == emsp.party_id
            assert w.rejections() == []
