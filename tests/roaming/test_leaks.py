"""What a partner may not see it does not learn: not by push, GET, command, authorisation or the text of an error.

A location that is not for a partner is, for it, one that does not exist: the answers are the same to the letter.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.demo import scene
from bridge.model.location import Status
from bridge.store import outbox
from tests.roaming.bridge_world import World, configuration, until, world

SECRETS = ("Secret Depot", "Hidden Lane", "DEPOT", "E1001*2", "E10012", "UID2", "0.11", "emsp2", "Mobility 2")
"""What emsp1 must not learn: place, EVSE, tariff and price of the depot, and whose partners we are besides."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_RETRY", 0.05)


def location(ident: str, evse: int, name: str, address: str) -> dict[str, Any]:
    made = scene.location() | {"id": ident, "name": name, "address": address}
    return made | {"evses": [made["evses"][evse]]}


PUBLIC = location("PUB", 0, "Public Square", "Market 1")
DEPOT = location("DEP", 1, "Secret Depot", "Hidden Lane 7")
NOBODY = location("NIL", 2, "Construction Site", "Closed Road 3")
TARIFFS = [scene.tariff() | {"id": "PUBLIC"}, scene.tariff() | {"id": "DEPOT", "elements": [
    {"price_components": [{"type": "ENERGY", "price": 0.11, "vat": 19.0, "step_size": 1}]}]}]  # fmt: skip


def agreements(said: dict[str, Any]) -> None:
    partners = said["partners"]
    partners["emsp1"]["agreements"] = [{"operator": "example", "groups": ["public"], "tariffs": {"*": "PUBLIC"}}]
    partners["emsp2"]["agreements"] = [{"operator": "example", "groups": ["depot"], "tariffs": {"*": "DEPOT"}}]
    past = datetime.now(UTC) - timedelta(days=1)
    partners["hubject"]["agreements"] = [{"operator": "example", "tariffs": {"*": "PUBLIC"}, "valid_until": past}]
    partners["clearinghouse"]["agreements"] = [{"operator": "example", "groups": ["public"], "kinds": ["tokens"]}]


@asynccontextmanager
async def divided(folder: Path) -> AsyncIterator[World]:
    """A public place for emsp1, a depot for emsp2, a place for nobody; Hubject's time is over, the clearing house gives tokens only."""
    async with world(folder, agreements, serves=False) as w:
        await w.start()
        await w.price(*TARIFFS)
        await w.load(PUBLIC, DEPOT, NOBODY, groups={"PUB": ["public"], "DEP": ["depot"]})
        await w.ready()
        yield w


async def ask(w: World, name: str, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any, str]:
    """A call of an eMSP on us: HTTP status, envelope without its time, and all of the text."""
    token = token if token is not None else w.emsps[name].theirs or ""
    headers = {"Authorization": f"Token {base64.b64encode(token.encode()).decode()}", "X-Request-ID": "1", "X-Correlation-ID": "2"}
    url = f"http://127.0.0.1:{w.ports.bridge}/ocpi/2.2.1{path}"
    async with aiohttp.ClientSession() as http, http.request(method, url, headers=headers, json=body) as answer:
        text = await answer.text()
        envelope = json.loads(text)
        del envelope["timestamp"]
        return answer.status, envelope, text + str(dict(answer.headers))


def unspoilt(text: str, *, but: tuple[str, ...] = ()) -> None:
    found = [secret for secret in SECRETS if secret in text and secret not in but]
    assert found == []


async def test_pushes_reach_those_whom_an_agreement_names(tmp_path: Path) -> None:
    async with divided(tmp_path) as w:
        for evse in range(3):
            await w.status(evse, Status.OUT_OF_ORDER)
        await until("the statuses are there", lambda: all(e.received["status"] >= 1 for e in w.emsps.values()))
        await w.quiet()
        for name, own, tariff in (("emsp1", "PUB", "PUBLIC"), ("emsp2", "DEP", "DEPOT")):
            partner = w.emsps[name]
            assert [key[2] for key in partner.locations] == [own]
            assert [key[2] for key in partner.tariffs] == [tariff]
            assert partner.received["status"] == 1
            (held,) = partner.locations.values()
            assert [c["tariff_ids"] for e in held["evses"] for c in e["connectors"]] == [[tariff]]
            assert held["evses"][0]["status"] == "OUTOFORDER"
        unspoilt(json.dumps(w.emsps["emsp1"].report()))
        assert not w.hub.received, "nothing to a partner whose agreement has ended"
        assert {k for k in w.house.received if not k.startswith("Get")} == set(), "tokens alone are agreed there"


async def test_get_gives_what_is_agreed_and_hides_that_there_is_more(tmp_path: Path) -> None:
    async with divided(tmp_path) as w:
        await w.end(1, await w.begin(1, w.card("emsp2")))
        await w.quiet()
        status, envelope, text = await ask(w, "emsp1", "GET", "/sender/locations")
        assert (status, [one["id"] for one in envelope["data"]]) == (200, ["PUB"])
        assert "'X-Total-Count': '1'" in text
        unspoilt(text)
        _, envelope, text = await ask(w, "emsp1", "GET", "/sender/tariffs")
        assert [one["id"] for one in envelope["data"]] == ["PUBLIC"]
        unspoilt(text)
        since = "?date_from=2000-01-01T00:00:00Z"
        for module in ("sessions", "cdrs"):
            _, envelope, text = await ask(w, "emsp1", "GET", f"/sender/{module}{since}")
            assert envelope["data"] == []
            assert "'X-Total-Count': '0'" in text
            _, envelope, _ = await ask(w, "emsp2", "GET", f"/sender/{module}{since}")
            assert len(envelope["data"]) == 1, "its owner sees it"
        assert (await ask(w, "emsp1", "GET", "/sender/locations/PUB/UID1/1"))[0] == 200
        for below in ("", "/UID2", "/UID2/1"):
            unknown = await ask(w, "emsp1", "GET", f"/sender/locations/XXX{below}")
            assert unknown[0] == 404
            for hidden in ("DEP", "dep", "NIL"):
                assert (await ask(w, "emsp1", "GET", f"/sender/locations/{hidden}{below}"))[:2] == unknown[:2]
        uid = w.card("emsp2")
        unknown = await ask(w, "emsp1", "GET", "/receiver/tokens/DE/EM1/0499999999")
        assert (await ask(w, "emsp1", "GET", f"/receiver/tokens/DE/EM1/{uid}"))[:2] == unknown[:2], "another partner's card"


async def test_commands_tell_nothing_of_what_is_not_agreed(tmp_path: Path) -> None:
    async with divided(tmp_path) as w:
        number = await w.begin(1, w.card("emsp2"))
        theirs = w.store.session(tx=number).id
        token = {k: v for k, v in next(iter(w.emsps["emsp1"].known.values())).items() if k != "listed"}
        where = {"response_url": f"{w.emsps['emsp1'].url}/ocpi/2.2.1/commands/{uuid.uuid4()}"}
        expiry = (datetime.now(UTC) + timedelta(minutes=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
        start = {**where, "token": token}
        reserve = {**start, "expiry_date": expiry, "reservation_id": "R1"}
        unlock = {**where, "connector_id": "1"}
        for command, body in (("START_SESSION", start), ("RESERVE_NOW", reserve), ("UNLOCK_CONNECTOR", unlock)):
            unknown = await ask(w, "emsp1", "POST", f"/receiver/commands/{command}", {**body, "location_id": "XXX", "evse_uid": "UID9"})
            assert unknown[1]["data"]["result"] == "REJECTED"
            for place in ({"location_id": "DEP", "evse_uid": "UID2"}, {"location_id": "PUB", "evse_uid": "UID2"},
                          {"location_id": "NIL", "evse_uid": "UID3"}):  # fmt: skip
                told = await ask(w, "emsp1", "POST", f"/receiver/commands/{command}", {**body, **place})
                assert told[:2] == unknown[:2]
                unspoilt(told[2])
        unknown = await ask(w, "emsp1", "POST", "/receiver/commands/START_SESSION", {**start, "location_id": "XXX"})
        assert (await ask(w, "emsp1", "POST", "/receiver/commands/START_SESSION", {**start, "location_id": "DEP"}))[:2] == unknown[:2]
        nowhere = await ask(w, "emsp1", "POST", "/receiver/commands/STOP_SESSION", {**where, "session_id": str(uuid.uuid4())})
        assert nowhere[1]["data"]["result"] == "UNKNOWN_SESSION"
        assert (await ask(w, "emsp1", "POST", "/receiver/commands/STOP_SESSION", {**where, "session_id": theirs}))[:2] == nowhere[:2]
        assert w.store.session(tx=number).state == "active"
        # Where it may, it is refused for another reason: the charger is not connected.
        await ask(w, "emsp1", "POST", "/receiver/commands/START_SESSION", {**start, "location_id": "PUB", "evse_uid": "UID1"})
        assert w.history("command")[-1]["detail"] == "START_SESSION: EVSE_INOPERATIVE"


async def test_hubject_hears_the_same_of_an_evse_that_is_not_there(tmp_path: Path) -> None:
    async with divided(tmp_path) as w, aiohttp.ClientSession() as http:
        answers = []
        for evse in (scene.EVSES[0], "DE*ABC*E9999*9"):
            wish = {"evse_id": evse, "provider_id": "DE-DCB", "evco_id": scene.HUBJECT_EVCO, "force": True}
            async with http.post(f"http://127.0.0.1:{w.ports.hubject}/_sim/remote-start", json=wish) as answer:
                told = await answer.json()
            assert told["faults"] == []
            answers.append((told["http_status"], told["answer"]["Result"], told["answer"]["StatusCode"]))
        assert answers[0] == answers[1]
        assert answers[0][1] is False


async def test_only_those_are_asked_about_a_card_who_may_see_the_place(tmp_path: Path) -> None:
    async with divided(tmp_path) as w:
        unknown = "04DEADBEEF0102"
        for charger, asked in (("CP2", {"emsp2"}), ("CP1", {"emsp1", "clearinghouse"}), ("CP3", set())):
            before = {n: e.received["authorize"] for n, e in w.emsps.items()} | {
                "clearinghouse": w.house.received["GetSingleRoamingAuthorisation"]
            }
            assert await w.bridge.core.sessions.authorise(charger, unknown) == "Invalid"
            after = {n: e.received["authorize"] for n, e in w.emsps.items()} | {
                "clearinghouse": w.house.received["GetSingleRoamingAuthorisation"]
            }
            assert {n for n in before if after[n] > before[n]} == asked
            assert not w.hub.authorisations
        # A card of a partner whose agreement does not reach this place is not accepted there, and its owner is not told.
        before = dict(w.emsps["emsp1"].received)
        assert await w.bridge.core.sessions.authorise("CP2", w.card("emsp1")) == "Invalid"
        assert await w.bridge.core.sessions.authorise("CP1", w.card("emsp1")) == "Accepted"
        assert dict(w.emsps["emsp1"].received) == before


async def test_a_partner_with_tokens_only_gets_no_cdr(tmp_path: Path) -> None:
    async with divided(tmp_path) as w:
        session = await w.charge(0, w.card("clearinghouse"))
        assert w.cdrs()[session].state == "kept"
        assert not w.jobs("clearinghouse")
        assert w.held("clearinghouse") == []


async def test_nobody_learns_anything_without_credentials(tmp_path: Path) -> None:
    async with divided(tmp_path) as w:
        for path in ("/sender/locations", "/sender/locations/PUB", "/sender/cdrs", "/credentials", ""):
            status, envelope, text = await ask(w, "emsp1", "GET", path, token="guessed")  # noqa: S106
            assert status == 401
            assert "data" not in envelope
            unspoilt(text)
        async with aiohttp.ClientSession() as http:
            for path in ("/health", "/admin/status", "/admin/sessions"):
                async with http.get(f"http://127.0.0.1:{w.ports.bridge}{path}") as answer:
                    assert answer.status == (200 if path == "/health" else 401)
                    text = await answer.text()
                    unspoilt(text)
                    assert "emsp" not in text
            async with http.get(f"http://127.0.0.1:{w.ports.bridge}/health", headers={"Authorization": "Bearer demo-admin"}) as answer:
                assert "outbox" in await answer.json()


async def test_an_agreement_that_ended_takes_everything_back(tmp_path: Path) -> None:
    """After a change of the configuration: by push and by GET, at partners of each protocol."""
    async with world(tmp_path) as w:
        await w.status(0, Status.BLOCKED)
        await w.quiet()
        assert len(w.hub.evses[scene.OPERATOR]) == len(w.hub.products["DE*ABC", "*"]) + 2 == 3
        w.break_("emsp2", status=503)
        await w.status(1, Status.RESERVED)
        await until("it was tried", lambda: any(j["attempts"] for j in w.jobs("emsp2")))

        def ended(said: dict[str, Any]) -> None:
            for partner in said["partners"].values():
                partner["agreements"] = [{"operator": "example", "tariffs": {"*": "STANDARD"},
                                          "valid_until": datetime.now(UTC) - timedelta(seconds=1)}]  # fmt: skip

        await w.restart(configuration(w.folder, w.ports, ended))
        w.mend("emsp2")
        await until("Hubject has nothing any more", lambda: not w.hub.evses[scene.OPERATOR] and not w.hub.products["DE*ABC", "*"])
        await w.quiet()
        assert not w.hub.statuses[scene.OPERATOR]
        for name in w.emsps:
            (held,) = w.emsps[name].locations.values()
            assert {e["status"] for e in held["evses"]} == {"REMOVED"}
            assert not any(c.get("tariff_ids") for e in held["evses"] for c in e["connectors"])
            assert not w.emsps[name].tariffs
            for path in ("/sender/locations", "/sender/tariffs", "/sender/cdrs"):
                assert (await ask(w, name, "GET", path))[1]["data"] == []
        assert w.status_of("emsp2", 1) == "REMOVED", "the status that waited was not told"
        report = w.house.world.report()
        assert set(report["charge_points"].values()) == {"Closed"}
        assert w.rejections() == []
        before = {n: dict(e.received) for n, e in w.emsps.items()}
        await w.status(1, Status.AVAILABLE)
        await w.load(scene.location() | {"name": "New name"})
        await w.quiet()
        assert {n: dict(e.received) for n, e in w.emsps.items()} == before
        # And all of it again when there is an agreement again.
        await w.restart(configuration(w.folder, w.ports))
        await until("Hubject has it again", lambda: len(w.hub.evses[scene.OPERATOR]) == 3 and w.status_of("hubject", 0))
        await w.quiet()
        for name in w.emsps:
            (held,) = w.emsps[name].locations.values()
            assert held["name"] == "New name"
            assert [e["status"] for e in held["evses"]][:2] == ["BLOCKED", "AVAILABLE"]
        assert w.rejections() == []
