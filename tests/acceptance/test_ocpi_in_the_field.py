"""A whole bridge with an eMSP as they are in the field: one that only fetches, one that breaks off its lists, one that revokes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.demo import scene
from bridge.model.location import Status
from bridge.roaming.ports import Kind
from bridge.simulate.ocpi_party import VERSIONS, Faults
from tests.roaming.bridge_world import World, until, world


def alone(**partner: Any) -> Callable[[dict[str, Any]], None]:
    """The first eMSP is the only partner, with these settings."""

    def change(said: dict[str, Any]) -> None:
        said["partners"] = {"emsp1": said["partners"]["emsp1"] | partner}

    return change


async def told(w: World, act: str, body: dict[str, Any]) -> Any:
    """Have the eMSP do something."""
    url = f"http://127.0.0.1:{w.ports.emsps[0]}/_sim/{act}"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def listed(w: World) -> None:
    """The token list is here."""
    await until("the tokens are here", lambda: w.store.token_counts("emsp1")[1])


# --- one that only fetches


@pytest.mark.parametrize("number", VERSIONS)
async def test_what_an_emsp_that_only_fetches_has_got_is_delivered(tmp_path: Path, number: str) -> None:
    async with world(tmp_path, alone(quirks={"pull_only": True}), serves=False, ocpi=number) as w:
        await w.start()
        await w.price()
        await w.load()
        await listed(w)
        emsp = w.emsps["emsp1"]
        first, second = await w.charge(0, w.card("emsp1")), await w.charge(1, w.card("emsp1", 1))
        assert {j["kind"] for j in w.jobs("emsp1")} == {"tariff", "location", "status", "session", "cdr"}
        assert {c.state for c in w.cdrs().values()} == {"waiting"}

        cdrs = (await told(w, "pull", {"module": "cdrs", "limit": 1}))["objects"]
        assert [c["id"] for c in cdrs] == [w.cdrs()[one].id for one in (first, second)]
        await until("the CDRs are acknowledged", lambda: {c.state for c in w.cdrs().values()} == {"acknowledged"})
        assert {h["ref"] for h in w.history("CDR fetched")} == {c.id for c in w.cdrs().values()}
        await w.restart()
        assert {c.state for c in w.cdrs().values()} == {"acknowledged"}
        for module in ("locations", "tariffs", "sessions"):
            await told(w, "pull", {"module": module})
        await until("nothing waits any more", lambda: not w.jobs("emsp1"))

        await w.status(2, Status.CHARGING)
        assert [j["kind"] for j in w.jobs("emsp1")] == ["status"]
        (place,) = (await told(w, "pull", {"module": "locations"}))["objects"]
        assert [e["status"] for e in place["evses"] if e["uid"] == "UID3"] == ["CHARGING"]
        await until("the status is delivered", lambda: not w.jobs("emsp1"))
        assert [*emsp.locations, *emsp.tariffs, *emsp.sessions, *emsp.cdrs] == [], "nothing was sent"
        assert emsp.rejections == []


async def test_what_came_after_a_get_waits_for_the_next_one(tmp_path: Path) -> None:
    async with world(tmp_path, alone(quirks={"pull_only": True}), serves=False) as w:
        await w.start()
        await w.price()
        await w.load()
        await listed(w)
        store, fetched = w.store, w.store.fetched

        async def slow(*what: Any) -> int:
            await w.status(0, Status.OUT_OF_ORDER)  # between the answer and what is remembered of it
            return int(await fetched(*what))

        store.fetched = slow
        status, _ = await w.get("emsp1", "/sender/locations")
        assert status == 200
        await until("it is remembered", lambda: not [j for j in w.jobs("emsp1") if j["kind"] == "location"])
        store.fetched = fetched
        assert [j["kind"] for j in w.jobs("emsp1") if j["kind"] in ("location", "status")] == ["status"]
        await w.get("emsp1", f"/sender/locations/{scene.LOCATION.lower()}")
        await until("it is delivered", lambda: not [j for j in w.jobs("emsp1") if j["kind"] in ("location", "status")])


async def test_an_emsp_that_gets_only_a_part_has_only_that_part(tmp_path: Path) -> None:
    async with world(tmp_path, alone(quirks={"pull_only": True}), serves=False) as w:
        await w.start()
        await w.price()
        await w.load()
        await listed(w)
        first, second = await w.charge(0, w.card("emsp1")), await w.charge(1, w.card("emsp1", 1))
        _, envelope = await w.get("emsp1", "/sender/cdrs?limit=1")
        assert [c["id"] for c in envelope["data"]] == [w.cdrs()[first].id]
        await until("it is acknowledged", lambda: w.cdrs()[first].state == "acknowledged")
        assert w.cdrs()[second].state == "waiting"
        await w.get("emsp1", "/sender/cdrs?date_from=2100-01-01T00:00:00Z")
        await w.bridge.core.page("emsp1", Kind.CDR, offset=0, limit=10)
        assert w.cdrs()[second].state == "waiting"


async def test_an_emsp_that_is_sent_things_again_gets_what_it_did_not_fetch(tmp_path: Path) -> None:
    async with world(tmp_path, alone(quirks={"pull_only": True}), serves=False) as w:
        await w.start()
        await w.price()
        await w.load()
        await listed(w)
        session = await w.charge(0, w.card("emsp1"))
        w.config.partners["emsp1"].quirks = w.config.partners["emsp1"].quirks.model_copy(update={"pull_only": False})
        await w.restart()
        await w.quiet()
        assert w.held("emsp1") == [w.cdrs()[session].id]
        assert w.rejections() == []


# --- its token list


async def test_a_long_list_is_gone_on_with_after_failures_and_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path, alone(quirks={"page_size": 50}), serves=False, tokens=1500) as w:
        emsp = w.emsps["emsp1"]
        await w.start()
        await until("the first pages are here", lambda: w.store.token_counts("emsp1")[1] >= 300)
        w.break_("emsp1", status=503, only="/tokens")
        await until("it breaks off", lambda: w.history("token pull failed"))
        w.mend("emsp1")
        pages = emsp.received["token_page"]
        await w.restart()
        await until("all tokens are here", lambda: w.store.token_counts("emsp1")[1] == 1500)
        assert emsp.received["token_page"] - pages <= 30 - 5, "the first pages did not come again"
        assert emsp.rejections == []


async def test_an_emsp_that_asks_to_wait_is_asked_no_sooner(tmp_path: Path) -> None:
    async with world(tmp_path, alone(), serves=False) as w:
        emsp = w.emsps["emsp1"]
        emsp.trouble = Faults(status=429, retry_after=1.0, only="/tokens", count=1)
        await w.start()
        await until("it said so", lambda: w.history("token pull failed"))
        asked = w.history("token pull failed")[0]["at"]
        await until("it is pulled", lambda: w.history("tokens pulled"))
        pulled = w.history("tokens pulled")[0]["at"]
        assert (_at(pulled) - _at(asked)).total_seconds() >= 0.9


def _at(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


@pytest.mark.parametrize("number", VERSIONS)
async def test_a_revoked_card_is_refused_at_once(tmp_path: Path, number: str) -> None:
    async with world(tmp_path, alone(), ocpi=number) as w:
        card = w.card("emsp1")
        charger = scene.CHARGERS[0]
        assert await w.bridge.core.sessions.authorise(charger, card) == "Accepted"
        await told(w, "answer", {"uid": card, "allowed": "BLOCKED"})
        await told(w, "patch", {"uid": card, "change": {"valid": False}})
        assert await w.bridge.core.sessions.authorise(charger, card) == "Blocked"
        await told(w, "answer", {"uid": card, "allowed": "ALLOWED"})
        await told(w, "patch", {"uid": card, "change": {"valid": True}})
        assert await w.bridge.core.sessions.authorise(charger, card) == "Accepted"
        assert w.rejections() == []
