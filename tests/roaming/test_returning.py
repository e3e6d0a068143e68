"""An EVSE that goes and comes back, at a strict stand-in for Hubject, which keeps EVSEs and statuses apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.demo import scene
from bridge.model.location import Status
from tests.roaming.bridge_world import world


async def test_an_evse_that_comes_back_has_its_status_again_in_one_push(tmp_path: Path) -> None:
    async with world(tmp_path) as w:

        async def told(status: Status) -> None:
            await w.status(0, status)
            w.wake()
            await w.quiet()

        whole, without = scene.location(), scene.location()
        without["evses"] = without["evses"][1:]
        await told(Status.CHARGING)
        held: dict[str, Any] = w.hub.statuses[scene.OPERATOR]
        assert scene.EVSES[0] in held
        await w.load(without, confirmed=True)
        await w.quiet()
        assert scene.EVSES[0] not in held
        await w.load(whole)
        await told(Status.AVAILABLE)
        assert held[scene.EVSES[0]]["EvseStatus"] == "Available"
        assert (w.hub.aborts, w.rejections()) == ([], [])
