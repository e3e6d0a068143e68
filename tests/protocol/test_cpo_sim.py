"""The simulated CPO is as strict as it says: what it takes, what it rejects and how, what it tells, and how sessions go there.

Its partner is the simulated eMSP, which is as strict.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import define
from click.testing import CliRunner

from bridge.simulate import cpo as cpo_sim
from bridge.simulate import emsp as emsp_sim
from bridge.simulate.cpo_charge import priced
from bridge.simulate.cpo_state import Cpo
from bridge.simulate.emsp_state import Emsp
from bridge.simulate.ocpi_party import VERSIONS, Faults, written

TOKEN_A = "token-a"  # noqa: S105
PLACE = {"location_id": "PARK1", "evse_uid": "CPO-0001-1"}
LATER = VERSIONS[1:]


@define
class Pair:
    """A CPO and an eMSP, each on a port of its own."""

    cpo: Cpo
    emsp: Emsp
    at_cpo: TestClient[Any, Any]
    at_emsp: TestClient[Any, Any]

    async def sim(self, act: str, given: Any = None, *, expect: int = 200) -> Any:
        """Have the CPO do something."""
        async with self.at_cpo.post(f"/_sim/{act}", json=given or {}) as answer:
            made = await answer.json()
            assert answer.status == expect, made
            return made

    async def ask(self, act: str, given: Any = None, **params: str) -> Any:
        """Have the eMSP do something."""
        async with self.at_emsp.post(f"/_sim/{act}", json=given or {}, params=params) as answer:
            made = await answer.json()
            assert answer.status == 200, made
            return made

    async def raw(self, method: str, path: str, body: Any = None, **params: str) -> tuple[int, int, Any]:
        """A request to the CPO as the eMSP would never make it: HTTP status, OCPI status, data or reason."""
        raw = self.emsp.theirs or ""
        token = raw if self.cpo.older else base64.b64encode(raw.encode()).decode()
        headers = {"Authorization": f"Token {token}"}
        if not self.cpo.older:
            headers |= {"X-Request-ID": "r", "X-Correlation-ID": "c"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        async with self.at_cpo.request(method, self.cpo.path + path, data=data, headers=headers, params=params) as answer:
            said = await answer.json()
            return answer.status, said["status_code"], said.get("data", said.get("status_message"))

    async def rejected(self, method: str, path: str, body: Any = None, status: int = 200, code: int = 2001, **params: str) -> str:
        """The reason of a message that has to be rejected and recorded."""
        before = len(self.cpo.rejections)
        got = await self.raw(method, path, body, **params)
        assert got[:2] == (status, code), got
        assert [r["because"] for r in self.cpo.rejections[before:]] == [got[2]]
        return str(got[2])

    async def until(self, holds: Any) -> None:
        """Wait until something holds at the CPO."""
        await self.cpo.wait(holds, 5)

    def card(self, number: int = 0) -> str:
        """A card of the eMSP's."""
        return str(list(self.emsp.known.values())[number]["uid"])

    def clean(self) -> None:
        """Nobody has rejected anything, and nobody was surprised."""
        assert [self.cpo.rejections, self.emsp.rejections, self.cpo.warnings, self.emsp.warnings] == [[], [], [], []]


@asynccontextmanager
async def paired(version: str = "2.2.1", *, tokens: bool = True, **more: Any) -> AsyncIterator[Pair]:
    """Both, registered, with the eMSP's tokens at the CPO: its cards are ALLOWED, NEVER, ALWAYS, ALLOWED_OFFLINE, and one unlisted."""
    emsp = Emsp(tokens=4, unlisted=1, whitelist=("ALLOWED", "NEVER", "ALWAYS", "ALLOWED_OFFLINE"), version=version)
    cpo = Cpo(version=version, token_a=TOKEN_A, **more)
    async with TestClient(TestServer(cpo_sim.application(cpo))) as at_cpo, TestClient(TestServer(emsp_sim.application(emsp))) as at_emsp:
        cpo.url, emsp.url = (str(client.make_url("")).rstrip("/") for client in (at_cpo, at_emsp))
        pair = Pair(cpo, emsp, at_cpo, at_emsp)
        await pair.ask("register", {"url": cpo.url + cpo.versions_path, "token_a": TOKEN_A})
        if tokens:
            assert await pair.sim("pull", {"limit": 2}) == {"tokens": 4}
        yield pair


# --- it registers


@pytest.mark.parametrize("version", VERSIONS)
async def test_either_side_registers_with_the_other(version: str) -> None:
    async with paired(version) as pair:
        assert (pair.cpo.registered, pair.emsp.registered) == (True, True)
        assert pair.emsp.roles[0]["role"] == "CPO"
        pair.emsp.token_a, pair.emsp.confirmed, pair.emsp.ours, pair.emsp.theirs = "other-way", False, [], None
        await pair.sim("register", {"url": pair.emsp.url + pair.emsp.versions_path, "token_a": "other-way"})
        await pair.sim("push")
        assert pair.emsp.received["location"] == 1
        pair.clean()


async def test_an_emsp_without_what_is_needed_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.simulate.emsp_receivers.OFFERS", (("credentials", "SENDER"), ("tokens", "SENDER")))
    async with paired(push=False, tokens=False) as pair:
        assert pair.cpo.registered
    with pytest.raises(AssertionError, match="endpoints are missing: locations RECEIVER"):
        async with paired(push=True):
            pass


async def test_credentials_and_headers_have_to_be_exact() -> None:
    async with paired() as pair:
        async with pair.at_cpo.get(pair.cpo.path + "/locations", headers={"Authorization": "Token x"}) as answer:
            assert answer.status == 401
        encoded = base64.b64encode((pair.emsp.theirs or "").encode()).decode()
        headers = {"Authorization": f"Token {encoded}", "X-Request-ID": "r"}
        async with pair.at_cpo.get(pair.cpo.path + "/locations", headers=headers) as answer:
            assert "X-Correlation-ID" in (await answer.json())["status_message"]
        assert len(pair.cpo.rejections) == 2


# --- it offers, tells and is pulled


@pytest.mark.parametrize("version", VERSIONS)
async def test_everything_is_told_or_pulled_and_is_as_the_tables_say(version: str) -> None:
    async with paired(version, places=3, tokens=False) as pair:
        pair.cpo.page_limit = 2
        pulled = (await pair.ask("pull", {"module": "locations"}))["objects"]
        assert [place["id"] for place in pulled] == ["PARK1", "PARK2", "PARK3"]
        assert (await pair.ask("pull", {"module": "tariffs"}))["objects"] == list(pair.cpo.tariffs.values())
        assert await pair.sim("push") == {"tariffs": 1, "locations": 3, "sessions": 0, "cdrs": 0}
        assert list(pair.emsp.locations.values()) == pulled
        await pair.sim("status", PLACE | {"status": "OUTOFORDER"})
        assert pair.emsp.received["status"] == 1
        held = pair.emsp.locations["DE", "CPO", "PARK1"]
        assert (held["evses"][0]["status"], held["last_updated"]) == ("OUTOFORDER", held["evses"][0]["last_updated"])
        pair.clean()


async def test_what_is_loaded_is_checked_and_told() -> None:
    async with paired(tokens=False) as pair:
        place = pair.cpo.locations["PARK1"]
        await pair.sim("location", place | {"id": "PARK9", "evses": [place["evses"][0] | {"uid": "NEW"}]})
        assert pair.emsp.locations["DE", "CPO", "PARK9"]["evses"][0]["uid"] == "NEW"
        for wrong, told in (({"id": "PARK8", "evses": place["evses"]}, "in location PARK1 already"), ({"id": "PARK8", "city": 7}, "city")):
            assert told in (await pair.sim("location", place | {"evses": []} | wrong, expect=400))["because"]
        assert "elements: missing" in (await pair.sim("tariff", {"id": "T", "currency": "EUR"}, expect=400))["because"]
        await pair.sim("tariff", pair.cpo.tariffs["KWH"] | {"id": "T"})
        assert ("DE", "CPO", "T") in pair.emsp.tariffs
        assert "unknown EVSE" in (await pair.sim("status", PLACE | {"evse_uid": "E", "status": "BLOCKED"}, expect=502))["because"]
        pair.clean()


async def test_a_patch_of_what_is_not_known_is_followed_by_the_whole() -> None:
    async with paired(tokens=False) as pair:
        await pair.sim("status", PLACE | {"status": "BLOCKED"})
        assert pair.emsp.locations["DE", "CPO", "PARK1"]["evses"][0]["status"] == "BLOCKED"
        assert "sent as a whole" in pair.cpo.warnings[0]


async def test_lists_have_pages_and_dates() -> None:
    async with paired(places=5) as pair:
        pair.cpo.page_limit = 2
        for n, place in enumerate(pair.cpo.locations.values()):
            dated = {"last_updated": f"2026-01-0{n + 1}T00:00:00Z"}
            plugs = [connector | dated for connector in place["evses"][0]["connectors"]]
            place.update(dated, evses=[place["evses"][0] | dated | {"connectors": plugs}])
        between = {"date_from": "2026-01-02T00:00:00Z", "date_to": "2026-01-05T00:00:00Z"}
        pulled = await pair.ask("pull", {"module": "locations", **between})
        assert [place["id"] for place in pulled["objects"]] == ["PARK2", "PARK3", "PARK4"]
        assert pair.cpo.received["location_page"] == 2
        assert await pair.raw("GET", "/locations/park2/CPO-0002-1/1") == (
            200, 1000, pair.cpo.locations["PARK2"]["evses"][0]["connectors"][0])  # fmt: skip
        assert (await pair.raw("GET", "/locations/PARK2/CPO-0001-1"))[:2] == (404, 2003)
        pair.clean()
        assert "date_from: missing" in await pair.rejected("GET", "/sessions")
        assert "no such parameter" in await pair.rejected("GET", "/cdrs", page="1")
        assert "is no DateTime" in await pair.rejected("GET", "/tariffs", date_from="today")
        assert await pair.rejected("GET", "/bookings", status=404, code=2000)
        assert await pair.rejected("POST", "/locations", {}, status=405, code=2000)


# --- tokens


@pytest.mark.parametrize("version", VERSIONS)
async def test_tokens_are_put_and_patched(version: str) -> None:
    async with paired(version) as pair:
        contract = {"auth_id" if pair.cpo.older else "contract_id": "DE-EMS-C9"}
        new = {"uid": "04AA", "type": "RFID", "issuer": "I", "valid": True, "whitelist": "ALWAYS"} | contract
        assert await pair.ask("token", new) == {"status": 201}
        assert await pair.ask("patch", {"uid": "04AA", "change": {"valid": False}}) == {"status": 200}
        held = pair.cpo.tokens[pair.cpo.token_key("04aa")]
        assert (held["valid"], held["whitelist"], len(pair.cpo.tokens)) == (False, "ALWAYS", 5)
        assert await pair.raw("GET", "/tokens/DE/EMS/04AA") == (200, 1000, held)
        assert (await pair.raw("GET", "/tokens/DE/EMS/04BB"))[0] == 404
        async with pair.at_cpo.get("/_sim/tokens") as tokens:
            assert len(await tokens.json()) == 5
        pair.clean()


async def test_tokens_that_are_wrong() -> None:
    async with paired() as pair:
        good, url = dict(pair.emsp.known[pair.card(), "RFID"]), f"/tokens/DE/EMS/{pair.card()}"
        for change, told in (
            ({"whitelist": "SOMETIMES"}, "is no WhitelistType"), ({"issuer": None}, "issuer: missing"), ({"uid": "04FF"}, "uid"),
            ({"type": "APP_USER"}, "type: 'APP_USER' differs"), ({"party_id": "XYZ"}, "party_id"), ({"colour": 1}, "unknown to Token"),
        ):  # fmt: skip
            assert told in await pair.rejected("PUT", url, good | change)
        assert "none of your roles" in await pair.rejected("PUT", "/tokens/DE/XYZ/04FF", good, status=404)
        assert "is no TokenType" in await pair.rejected("PUT", url, good, type="CARD")
        assert "last_updated: missing" in await pair.rejected("PATCH", url, {"valid": False})
        assert "valid: true or false" in await pair.rejected("PATCH", url, {"valid": 0, "last_updated": good["last_updated"]})
        assert "unknown token" in await pair.rejected("PATCH", "/tokens/DE/EMS/04FF", {"valid": False}, status=404, code=2004)
        assert pair.cpo.tokens[pair.card(), "RFID"] == good


# --- a card is shown


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_by_the_whitelist_and_its_cdr(version: str) -> None:
    async with paired(version) as pair:
        await pair.sim("push")
        shown = await pair.sim("session", PLACE | {"uid": pair.card(), "minutes": 30})
        assert (shown["allowed"], pair.emsp.received["authorize"]) == ("ALLOWED", 0)
        session = {"session_id": shown["session_id"]}
        await pair.sim("progress", session | {"kwh": 4})
        cdr = await pair.sim("end", session | {"kwh": "10.5"})
        (told,) = pair.emsp.sessions.values()
        assert (told["status"], told["kwh"], told["auth_method"]) == ("COMPLETED", 10.5, "WHITELIST")
        assert [d["dimensions"][0]["volume"] for d in told["charging_periods"]] == [4, 6.5]
        (held,) = (cdr for _, _, cdr in pair.emsp.cdrs.values())
        assert held == cdr
        assert held["total_cost"] == {
            "2.1.1": 5.225, "2.2.1": {"excl_vat": 5.225, "incl_vat": 6.2178},
            "2.3.0": {"before_taxes": 5.225, "taxes": [{"name": "VAT", "percentage": 19.0, "amount": 0.9928}]},
        }[version]  # fmt: skip
        assert 0.5 <= held["total_time"] < 0.51
        assert (pair.cpo.unsent, pair.cpo.locations["PARK1"]["evses"][0]["status"]) == ([], "AVAILABLE")
        async with pair.at_cpo.get("/_sim/report") as report:
            assert (await report.json())["cdrs"][0]["reference"].startswith(pair.emsp.url)
        pair.clean()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_card_is_asked_about(version: str) -> None:
    async with paired(version) as pair:
        await pair.sim("push")
        for number in (1, 4):  # NEVER, and one that is not listed
            shown = await pair.sim("session", PLACE | {"uid": pair.card(number)})
            cdr = await pair.sim("end", {"session_id": shown["session_id"], "kwh": 1, "cost": "2.5"})
            assert cdr["auth_method"] == "AUTH_REQUEST"
            if version != "2.1.1":
                assert cdr["authorization_reference"] in pair.emsp.references[pair.card(number)]
                assert "tariffs" not in cdr
            if version == "2.1.1" and number == 4:  # nobody told its contract
                assert cdr["auth_id"] == pair.card(4)
        assert pair.emsp.received["authorize"] == 2
        await pair.ask("answer", {"uid": pair.card(1), "allowed": "NO_CREDIT"})
        assert (await pair.sim("session", PLACE | {"uid": pair.card(1)})) == {"allowed": "NO_CREDIT", "session_id": None}
        assert (await pair.sim("session", PLACE | {"uid": "04FF"})) == {"allowed": "UNKNOWN", "session_id": None}
        pair.clean()


async def test_the_whitelist_decides_whether_a_card_is_asked_about() -> None:
    async with paired() as pair:
        await pair.sim("push")

        async def shown(number: int, **more: Any) -> str:
            said = await pair.sim("session", PLACE | {"uid": pair.card(number), **more})
            if said["session_id"] is not None:
                await pair.sim("end", {"session_id": said["session_id"], "kwh": 1})
            return str(said["allowed"])

        assert [await shown(0), await shown(2), await shown(2, ask=True)] == ["ALLOWED"] * 3
        assert pair.emsp.received["authorize"] == 0
        assert [await shown(0, ask=True), await shown(3)] == ["ALLOWED"] * 2
        assert pair.emsp.received["authorize"] == 2
        await pair.ask("patch", {"uid": pair.card(2), "change": {"valid": False}})
        assert await shown(2) == "BLOCKED"
        pair.clean()
        pair.emsp.trouble = Faults(nonsense=True, only="authorize", count=9)
        assert [await shown(number) for number in (3, 1)] == ["ALLOWED", "UNREACHABLE"]
        evse = pair.cpo.locations["PARK1"]["evses"][0]
        evse["status"] = "INOPERATIVE"
        assert "INOPERATIVE" in (await pair.sim("session", PLACE | {"uid": pair.card()}, expect=400))["because"]


async def test_what_happens_to_a_session_at_once_happens_one_after_another() -> None:
    async with paired() as pair:
        await pair.sim("push")
        shown = await pair.sim("session", PLACE | {"uid": pair.card()})
        ends = [pair.at_cpo.post("/_sim/end", json={"session_id": shown["session_id"], "kwh": 3}) for _ in range(2)]
        assert sorted([answer.status for answer in await asyncio.gather(*ends)]) == [200, 404]
        assert len(pair.cpo.cdrs) == len(pair.emsp.cdrs) == 1
        pair.clean()


async def test_a_cdr_that_was_not_taken_is_kept_and_sent_again() -> None:
    async with paired() as pair:
        await pair.sim("push")
        shown = await pair.sim("session", PLACE | {"uid": pair.card()})
        pair.emsp.trouble = Faults(nonsense=True, only="/cdrs", count=1)
        cdr = await pair.sim("end", {"session_id": shown["session_id"], "kwh": 3})
        assert (pair.cpo.unsent, len(pair.emsp.cdrs)) == ([cdr["id"].upper()], 0)
        assert (await pair.ask("pull", {"module": "cdrs"}))["objects"] == [cdr]
        pair.emsp.trouble = Faults()
        assert (await pair.sim("push"))["cdrs"] == 1
        assert (pair.cpo.unsent, len(pair.emsp.cdrs)) == ([], 1)
        await pair.sim("credit", {"cdr_id": cdr["id"]})
        assert [c["total_cost"]["excl_vat"] for _, _, c in pair.emsp.cdrs.values()] == [1.85, -1.85]
        assert pair.emsp.rejections == []


def test_only_simple_tariffs_are_priced_here() -> None:
    component = {"type": "TIME", "price": 1, "step_size": 1}
    restricted = {"price_components": [component | {"type": "ENERGY"}], "restrictions": {"max_kwh": 1}}
    for elements in ([{"price_components": [component]}], [restricted]):
        with pytest.raises(ValueError, match="cost: has to be told"):
            priced({"currency": "EUR", "elements": elements}, 1)  # type: ignore[arg-type]


# --- commands


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_remote_start_and_stop(version: str) -> None:
    async with paired(version) as pair:
        await pair.sim("push")
        started = await pair.ask("start", PLACE | {"uid": pair.card(4)}, timeout="5")
        assert (started["response"]["result"], started["result"]) == ("ACCEPTED", {"result": "ACCEPTED"})
        await pair.until(lambda: pair.cpo.charging(PLACE["evse_uid"]) is not None)
        (charge,) = pair.cpo.charges.values()
        await pair.sim("progress", {"session_id": charge.id, "kwh": 8})
        occupied = await pair.ask("start", PLACE | {"uid": pair.card()}, timeout="5")
        assert occupied["result"]["result"] == ("REJECTED" if version == "2.1.1" else "EVSE_OCCUPIED")
        assert (await pair.ask("stop", {"session_id": charge.id}, timeout="5"))["result"] == {"result": "ACCEPTED"}
        await pair.until(lambda: pair.cpo.cdrs and not pair.cpo.unsent)
        (cdr,) = (held for _, _, held in pair.emsp.cdrs.values())
        assert (cdr["total_energy"], cdr["auth_method"]) == (8, "AUTH_REQUEST" if version == "2.1.1" else "COMMAND")
        assert (await pair.ask("stop", {"session_id": charge.id}))["response"]["result"] == "UNKNOWN_SESSION"
        assert [c.result for c in pair.cpo.commands] == ["ACCEPTED", occupied["result"]["result"], "ACCEPTED", None]
        pair.clean()


@pytest.mark.parametrize("version", VERSIONS)
async def test_reservations(version: str) -> None:
    older = version == "2.1.1"
    async with paired(version) as pair:
        await pair.sim("push")

        async def reserve(ident: int, **more: Any) -> Any:
            wanted = PLACE | {"uid": pair.card(), "reservation_id": ident if older else f"R{ident}"} | more
            return await pair.ask("reserve", wanted, timeout="5")

        evse = pair.cpo.locations["PARK1"]["evses"][0]
        assert (await reserve(1))["result"] == {"result": "ACCEPTED"}
        await pair.until(lambda: evse["status"] == "RESERVED")
        refused = await pair.ask("start", PLACE | {"uid": pair.card(1)}, timeout="5")
        assert refused["result"]["result"] == ("REJECTED" if older else "EVSE_OCCUPIED")
        shown = await pair.sim("session", PLACE | {"uid": pair.card()})
        assert evse["status"] == "CHARGING"
        assert pair.cpo.reservations == {}
        if not older:
            (session,) = pair.cpo.sessions()
            assert (session["id"], session["status"]) == (shown["session_id"], "ACTIVE")
        await pair.sim("end", {"session_id": shown["session_id"], "kwh": 1})

        soon = written(datetime.now(UTC) + timedelta(seconds=1.5))
        assert (await reserve(2, expiry_date=soon))["result"] == {"result": "ACCEPTED"}
        await pair.until(lambda: evse["status"] == "RESERVED")
        await pair.until(lambda: not pair.cpo.reservations and evse["status"] == "AVAILABLE")
        if not older:
            assert (await reserve(3, evse_uid=None))["result"] == {"result": "ACCEPTED"}
            assert (await pair.ask("cancel", {"reservation_id": "R3"}, timeout="5"))["result"] == {"result": "ACCEPTED"}
            await pair.until(lambda: not pair.cpo.reservations)
            assert (await pair.ask("cancel", {"reservation_id": "R3"}, timeout="5"))["result"] == {"result": "UNKNOWN_RESERVATION"}
            last = await reserve(4)
            await pair.until(lambda: evse["status"] == "RESERVED")
            await pair.sim("revoke", {"reservation_id": "R4"})
            assert pair.emsp.commands[last["id"]].result == {"result": "CANCELED_RESERVATION"}
            told = {s["id"]: s["status"] for s in pair.emsp.sessions.values()}
            assert list(told.values()) == ["COMPLETED"] * 4
        assert evse["status"] == "AVAILABLE"
        pair.clean()


async def test_unlocking_and_what_an_evse_cannot_do() -> None:
    async with paired() as pair:
        unlock = PLACE | {"connector_id": "1"}
        assert (await pair.ask("unlock", unlock, timeout="5"))["result"] == {"result": "ACCEPTED"}
        pair.cpo.locations["PARK1"]["evses"][0]["capabilities"] = ["START_SESSION_CONNECTOR_REQUIRED"]
        for act, given in (("unlock", unlock), ("start", unlock | {"uid": pair.card()}),
                           ("reserve", PLACE | {"uid": pair.card(), "reservation_id": "R"})):  # fmt: skip
            assert (await pair.ask(act, given))["response"]["result"] == "NOT_SUPPORTED"
        pair.clean()


async def test_commands_that_are_wrong() -> None:
    async with paired() as pair:
        token, url = dict(pair.emsp.known[pair.card(), "RFID"]), {"response_url": "http://a.example/1"}
        start = url | {"token": token, **PLACE}
        for change, told, code in (
            ({"token": token | {"party_id": "XYZ"}}, "none of your roles", 2001), ({"location_id": "L"}, "unknown location", 2003),
            ({"evse_uid": "E"}, "unknown EVSE", 2003), ({"connector_id": "7"}, "unknown connector", 2003),
            ({"evse_uid": None, "connector_id": "1"}, "evse_uid: needed", 2001), ({"response_url": "1"}, "is no URL", 2001),
            ({"token": {"uid": "04"}}, "token.contract_id: missing", 2001), ({"floor": 1}, "unknown to StartSession", 2001),
        ):  # fmt: skip
            assert told in await pair.rejected("POST", "/commands/START_SESSION", start | change, code=code)
        pair.cpo.locations["PARK1"]["evses"][0]["capabilities"].append("START_SESSION_CONNECTOR_REQUIRED")
        assert "connector_id: needed" in await pair.rejected("POST", "/commands/START_SESSION", start)
        past = start | {"reservation_id": "R", "expiry_date": "2026-01-01T00:00:00Z"}
        assert "has passed" in await pair.rejected("POST", "/commands/RESERVE_NOW", past)
        assert "is no command" in await pair.rejected("POST", "/commands/LEVITATE", url, status=404, code=2000)
        assert pair.cpo.commands == []


async def test_how_commands_are_answered_can_be_changed() -> None:
    async with paired() as pair:
        given = PLACE | {"uid": pair.card()}
        await pair.sim("behave", {"command": "START_SESSION", "response": "REJECTED"})
        assert (await pair.ask("start", given))["response"]["result"] == "REJECTED"
        await pair.sim("behave", {"command": "START_SESSION", "result": "FAILED"})
        assert (await pair.ask("start", given, timeout="5"))["result"] == {"result": "FAILED"}
        await pair.sim("behave", {"command": "START_SESSION", "silent": True})
        silent = await pair.ask("start", given)
        await pair.sim("behave", {"command": "START_SESSION"})
        await pair.ask("start", given, timeout="5")
        await pair.until(lambda: pair.cpo.charging(PLACE["evse_uid"]) is not None)
        assert pair.emsp.commands[silent["id"]].result is None
        assert len(pair.cpo.charges) == 1
        pair.emsp.commands.clear()
        await pair.sim("behave", {"command": "STOP_SESSION", "delay": 0.01})
        (charge,) = pair.cpo.charges.values()
        body = {"session_id": charge.id, "response_url": f"{pair.emsp.url}{pair.emsp.path}/commands/gone"}
        assert (await pair.raw("POST", "/commands/STOP_SESSION", body))[:2] == (200, 1000)
        await pair.until(lambda: pair.cpo.rejections)
        assert "no such command" in pair.cpo.rejections[0]["because"]


# --- it judges answers


async def test_answers_of_the_emsp_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.simulate import emsp_receivers, emsp_tokens
    from bridge.simulate.ocpi_http import Answer

    said: dict[str, Any] = {}

    async def authorize(emsp: Emsp, request: web.Request) -> Answer:
        return Answer(said)

    async def post_cdr(emsp: Emsp, request: web.Request) -> Answer:
        return Answer(status=201)

    def spoiled(routes: Any) -> Any:
        replaced = {"/tokens/{uid}/authorize": authorize, "/cdrs": post_cdr}
        return tuple((method, path, replaced.get(path, handler)) for method, path, handler in routes)

    monkeypatch.setattr(emsp_tokens, "ROUTES", spoiled(emsp_tokens.ROUTES))
    monkeypatch.setattr(emsp_receivers, "ROUTES", spoiled(emsp_receivers.ROUTES))
    async with paired() as pair:
        card, token = PLACE | {"uid": pair.card(1)}, dict(pair.emsp.known[pair.card(1), "RFID"])

        async def told(info: dict[str, Any], expect: int = 200) -> list[str]:
            said.clear()
            said.update(info)
            pair.cpo.rejections.clear()
            await pair.sim("session", card, expect=expect)
            return [r["because"] for r in pair.cpo.rejections]

        here = {"location_id": "PARK1", "evse_uids": [PLACE["evse_uid"]]}
        assert await told({"allowed": "PERHAPS", "token": token}, 502) == ["AuthorizationInfo: allowed: 'PERHAPS' is no AllowedType"]
        assert await told({"allowed": "BLOCKED"}, 502) == ["AuthorizationInfo: token: missing"]
        assert "not the one" in (await told({"allowed": "BLOCKED", "token": token | {"uid": "04"}}))[0]
        assert "none of your roles" in (await told({"allowed": "BLOCKED", "token": token | {"party_id": "XYZ"}}))[0]
        assert "location_id" in (await told({"allowed": "BLOCKED", "token": token, "location": here | {"location_id": "L"}}))[0]
        assert "evse_uids" in (await told({"allowed": "BLOCKED", "token": token, "location": here | {"evse_uids": ["E"]}}))[0]
        assert await told({"allowed": "ALLOWED", "token": token}) == []
        assert pair.cpo.charges == {}, "it may charge, but not here"
        reference = {"authorization_reference": pair.emsp.refer(token["uid"])}
        assert await told({"allowed": "ALLOWED", "token": token, "location": here} | reference) == []
        (charge,) = pair.cpo.charges.values()
        await pair.sim("end", {"session_id": charge.id, "kwh": 1})
        assert "Location: '' is no URL" in [r["because"] for r in pair.cpo.rejections]


async def test_what_the_emsp_refuses_is_recorded() -> None:
    async with paired() as pair:
        await pair.sim("push")
        shown = await pair.sim("session", PLACE | {"uid": pair.card()})
        pair.emsp.known.clear()
        await pair.sim("end", {"session_id": shown["session_id"], "kwh": 1})
        because = [r["because"] for r in pair.cpo.rejections]
        assert because == ["HTTP 200, 2001 cdr_token: none of our tokens"] * 2
        assert len(pair.cpo.unsent) == 1


async def test_one_that_is_pulled_tells_nothing_but_results() -> None:
    async with paired(push=False, token_pull_seconds=60) as pair:
        await pair.until(lambda: pair.cpo.received["token_list"] == 2)
        await pair.sim("status", PLACE | {"status": "BLOCKED"})
        await pair.sim("status", PLACE | {"status": "AVAILABLE"})
        await pair.ask("start", PLACE | {"uid": pair.card()}, timeout="5")
        await pair.until(lambda: pair.cpo.charging(PLACE["evse_uid"]) is not None)
        (charge,) = pair.cpo.charges.values()
        cdr = await pair.sim("end", {"session_id": charge.id, "kwh": 5})
        assert pair.emsp.received.keys() <= {"registration", "token_page", "command_result"}
        assert (await pair.ask("pull", {"module": "cdrs"}))["objects"] == [cdr]
        (session,) = (await pair.ask("pull", {"module": "sessions"}))["objects"]
        assert (session["status"], session["kwh"]) == ("COMPLETED", 5)
        pair.clean()


# --- running it


async def test_it_is_served_on_a_port_of_its_own() -> None:
    state = Cpo()
    runner = await cpo_sim.serve("127.0.0.1", 0, state)
    try:
        assert state.url.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as http, http.get(state.url + "/_sim/report") as answer:
            assert len((await answer.json())["locations"]) == 1
    finally:
        await runner.cleanup()


async def test_waiting_for_what_comes() -> None:
    async with paired(tokens=False) as pair:
        waiting = asyncio.create_task(pair.at_cpo.get("/_sim/wait", params={"kind": "token", "count": "1"}).__aenter__())
        await pair.ask("token", {"uid": "04AA", "type": "RFID", "contract_id": "C", "issuer": "I", "valid": True, "whitelist": "ALWAYS"})
        assert (await (await waiting).json())["received"] == {"registration": 1, "token": 1}


def test_the_command_explains_itself() -> None:
    said = CliRunner().invoke(cpo_sim.command, ["--help"])
    assert said.exit_code == 0
    assert "--push / --pull" in said.output


def test_places_are_checked() -> None:
    with pytest.raises(ValueError, match="city: missing"):
        Cpo(places=[Cpo().locations["PARK1"] | {"city": None}])
