"""A provider behind a hub goes and comes back, over real sockets: its drivers' CDRs wait for it, and go out once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp

from tests.roaming import bridge_world as bw

BEHIND = {"country_code": "DE", "party_id": "EM1", "role": "EMSP"}


def hub(config: dict[str, Any]) -> None:
    config["partners"]["emsp1"]["role"] = "hub"


async def tell(world: bw.World, status: str, at: str) -> None:
    body = BEHIND | {"status": status, "last_updated": at}
    async with aiohttp.ClientSession() as http, http.post(f"{world.emsps['emsp1'].url}/_sim/client", json=body) as told:
        assert told.status == 200, await told.text()


async def test_cdrs_wait_for_a_provider_that_is_offline(tmp_path: Path) -> None:
    async with bw.world(tmp_path, hub, serves=False) as world:
        emsp = world.emsps["emsp1"]
        emsp.hub = True
        emsp.party_id, emsp.country_code = "HUB", "DE"
        await tell(world, "OFFLINE", "2026-01-01T00:00:00Z")
        await world.start()
        await world.price()
        await world.load()
        await world.ready()
        await bw.until("the hub's list is here", lambda: world.store.clients("told by emsp1"))
        session = await world.charge(0, world.card("emsp1"))
        await bw.until("the CDR is put off", lambda: any("is OFFLINE" in h["detail"] for h in world.history("delivery put off")))
        assert world.cdrs("emsp1")[session].state == "waiting"
        assert world.held("emsp1") == []
        assert emsp.sessions == {}
        await tell(world, "CONNECTED", "2026-01-01T00:00:01Z")
        await bw.until("the CDR is there", lambda: world.cdrs("emsp1")[session].state == "acknowledged")
        assert len(world.held("emsp1")) == 1
        assert {to for method, path, to in emsp.addressed if "/sessions/" in path or "/cdrs" in path} == {"DE*EM1"}
        assert emsp.received["cdr"] == 1
        assert world.rejections() == []
