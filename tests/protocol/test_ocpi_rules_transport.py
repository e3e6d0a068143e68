"""Rules of transport_and_format, status_codes and version_information_endpoint, in every version that is served."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.token import TokenKind
from bridge.ocpi.envelope import Code
from bridge.ocpi.version import BY_NUMBER, V211, V221, V230
from bridge.roaming.ports import AuthorisationRequest, Delivered, Kind, Op
from bridge.simulate.emsp_state import Emsp
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import BACK, DATED, LATER, NUMBERS, TIME, Peer, calling
from tests.protocol.ocpi_world import World, canonical, jobs
from tests.protocol.test_ocpi_adapter import TOKEN, answer, lone

ROUTING = ("OCPI-to-country-code", "OCPI-to-party-id", "OCPI-from-country-code", "OCPI-from-party-id")


@pytest.fixture(params=NUMBERS)
async def called(request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, Peer]]:
    async with calling(request.param) as made:
        yield made


# --- what we send (rules 1, 2, 7, 79, 83)


async def everything(world: World) -> None:
    """Every request that we make of a partner, each at least once."""
    partner, emsp = await world.connect(), world.emsp
    for kind, obj in ((Kind.TARIFF, canonical("tariff", ow.tariff())), (Kind.LOCATION, canonical("location", ow.location())),
                      (Kind.STATUS, ow.status())):  # fmt: skip
        await partner.deliver(kind, jobs(partner, kind, obj))
    if not emsp.older:
        of = ow.token(emsp)
        for kind, obj in ((Kind.SESSION, canonical("session", ow.session(of))), (Kind.CDR, canonical("cdr", ow.cdr(of)))):
            (done,) = await partner.deliver(kind, jobs(partner, kind, obj))
        assert isinstance(done, Delivered)
        await partner.cdr_at(str(done.reference))
    await partner.deliver(Kind.TARIFF, jobs(partner, Kind.TARIFF, canonical("tariff", ow.tariff()), Op.DELETE))
    _ = [batch async for batch in partner.pull_tokens(None)]
    uid = next(iter(emsp.known.values()))["uid"]
    await partner.authorise(AuthorisationRequest(uid, TokenKind.RFID, location_id="LOC1"))
    await partner.authorise(AuthorisationRequest(uid, TokenKind.RFID))
    await world.sim("start", {"location_id": "LOC1", "evse_uid": "ELOC11", "uid": uid})
    ((_, _, address),) = world.core.commands
    await partner.outcome(str(address), CommandOutcome(CommandResult.ACCEPTED))
    await partner.registration.renew()
    await partner.registration.unregister()


@pytest.mark.parametrize("number", NUMBERS)
async def test_every_request_of_ours_has_the_headers_of_its_version(number: str) -> None:
    async with ow.world(version=number, page_limit=2) as world:
        await everything(world)
    heard, emsp = world.heard, world.emsp
    asked = {(h.method, "/".join(h.path.removeprefix(emsp.path).split("/")[1:2])) for h in heard}
    assert {("POST", "credentials"), ("PUT", "credentials"), ("DELETE", "credentials"), ("PUT", "locations"), ("PATCH", "locations"),
            ("PUT", "tariffs"), ("DELETE", "tariffs"), ("GET", "tokens"), ("POST", "tokens"), ("POST", "commands")} <= asked  # fmt: skip
    for one in heard:
        assert re.fullmatch(r"Token [\x21-\x7e]+", one.headers["Authorization"])
        assert one.headers.get("Content-Type") == ("application/json" if one.body else None), (one.method, one.path)
        routed = not emsp.older and one.path not in emsp.configuration
        assert [one.headers.get(name) for name in ROUTING] == (["DE", "EMS", "DE", "ABC"] if routed else [None] * 4), one.path
    agreed = [h for h in heard if not emsp.older or h.path != emsp.versions_path]  # what to ask versions by is not known yet
    ids = [[h.headers.get(name) for h in agreed] for name in ("X-Request-ID", "X-Correlation-ID")]
    if emsp.older:
        assert ids == [[None] * len(agreed)] * 2
        return
    assert all(value and len(value) <= 36 for values in ids for value in values)
    assert len(set(ids[0])) == len(heard)  # unique per request


# --- who calls (rules 1, 3, 6)


def protected(peer: Peer) -> list[tuple[str, str]]:
    return [("GET", peer.version), ("GET", f"{peer.version}/credentials"), ("DELETE", f"{peer.version}/credentials"),
            ("GET", peer.at("locations")), ("GET", peer.at("sessions")), ("GET", peer.at("cdrs")), ("GET", peer.at("tariffs")),
            ("GET", peer.token_url), ("PATCH", peer.token_url), ("POST", peer.at("commands", "START_SESSION")),
            ("GET", peer.at("nothing"))]  # fmt: skip


@pytest.mark.parametrize("header", [None, "", "Token", "Basic dGhl", "Bearer dGhl", "wrong"])
async def test_without_good_credentials_everything_is_401_in_each_version(called: tuple[World, Peer], header: str | None) -> None:
    _, peer = called
    headers = {} if header is None else {"Authorization": peer.spelled("wrong") if header == "wrong" else header}
    async with aiohttp.ClientSession() as http:
        for method, path in protected(peer):
            async with http.request(method, peer.root + path, headers=headers) as said:
                assert (said.status, (await said.json())["status_code"]) == (401, 2000), (method, path)


async def test_header_names_have_no_case(called: tuple[World, Peer]) -> None:
    _, peer = called
    headers = {"AUTHORIZATION": peer.spelled(), "x-REQUEST-id": "r1", "x-correlation-id": "c1", "ocpi-TO-country-code": "DE",
               "ocpi-to-party-id": "ABC", "OCPI-FROM-COUNTRY-CODE": "DE", "ocpi-from-party-id": "EMS"}  # fmt: skip
    async with aiohttp.ClientSession() as http, http.get(peer.root + peer.at("locations"), headers=headers) as said:
        assert (said.status, said.headers["X-Request-ID"], said.headers["X-Correlation-ID"]) == (200, "r1", "c1")
        assert said.headers.get("OCPI-to-party-id") == (None if peer.older else "EMS")


async def test_header_names_of_partners_have_no_case() -> None:
    async def tokens(request: web.Request) -> web.Response:
        last = "offset" in request.query
        more = {} if last else {"link": f'<{request.url.origin()}/tokens?offset=1>; rel="next"'}
        return answer(b'{"data":[],"status_code":1000,"timestamp":"2026-11-01T10:00:00Z"}', headers={"x-TOTAL-count": "2"} | more)

    async with lone("GET", "/tokens", tokens) as partner:
        assert [batch async for batch in partner.pull_tokens(None)] == [[], []]

    async def cdrs(request: web.Request) -> web.Response:
        return answer(b'{"status_code":1000,"timestamp":"2026-11-01T10:00:00Z"}', 201, {"location": "/cdrs/7"})

    async with lone("POST", "/cdrs", cdrs) as partner:
        (done,) = await partner.deliver(Kind.CDR, jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(TOKEN))))
        assert isinstance(done, Delivered)
        assert str(done.reference).endswith("/cdrs/7")


# --- answers (rules 7 to 14)


def calls(peer: Peer) -> list[tuple[str, str, Any, int, int]]:
    """Requests of every sort, with the HTTP status and the OCPI status code of their answer."""
    unknown, stop = (2000 if peer.older else 2004), {"response_url": BACK, "session_id": "S1"}
    strange = (200, 1000) if peer.number == "2.3.0" else (404, 2000)  # its CommandType is open
    return [
        ("GET", peer.version, None, 200, 1000),
        ("GET", f"{peer.version}/credentials", None, 200, 1000),
        ("POST", f"{peer.version}/credentials", {}, 405, 2000),
        ("GET", peer.at("locations"), None, 200, 1000),
        ("GET", peer.at("locations") + "?limit=x", None, 200, 2001),
        ("GET", peer.at("locations", "LOCX"), None, 404, 2003),
        ("GET", peer.at("sessions"), None, 200, 2001),
        ("PUT", peer.at("cdrs"), None, 405, 2000),
        ("GET", peer.at("nothing"), None, 404, 2000),
        ("GET", peer.token_url, None, 404, unknown),
        ("PATCH", peer.token_url, {"valid": False, "last_updated": DATED}, 404, unknown),
        ("PUT", peer.token_url, b"{", 400, 2001),
        ("PUT", peer.token_url, {}, 200, 2001),
        ("PUT", peer.token_url, peer.card(uid="04FF"), 200, 2001),
        ("PUT", peer.token_url, peer.card(), 201, 1000),
        ("PUT", peer.token_url, peer.card(valid=False), 200, 1000),
        ("PATCH", peer.token_url, {"valid": True, "last_updated": DATED}, 200, 1000),
        ("GET", peer.token_url, None, 200, 1000),
        ("DELETE", peer.token_url, None, 405, 2000),
        ("PUT", peer.at("tokens", "DE", "OTH", "04A1B2C3"), peer.card(), 404, 2000),
        ("POST", peer.at("commands", "STOP_SESSION"), stop, 200, 1000),
        ("POST", peer.at("commands", "STOP_SESSION"), {"response_url": BACK}, 200, 2001),
        ("POST", peer.at("commands", "STOP_SESSION"), b"no json", 400, 2001),
        ("POST", peer.at("commands", "SELF_DESTRUCT"), stop, *strange),
    ]


async def test_every_answer_is_an_envelope_with_the_status_that_the_specification_says(called: tuple[World, Peer]) -> None:
    _, peer = called
    for method, path, body, status, code in calls(peer):
        said = await peer(method, path, body)
        assert said.both == (status, code), (method, path, body, said.body)
        assert said.headers["Content-Type"].partition(";")[0] == "application/json"
        envelope = said.json
        assert envelope.keys() <= {"data", "status_code", "status_message", "timestamp"}
        assert type(envelope["status_code"]) is int
        assert TIME.fullmatch(envelope["timestamp"])
        if code != 1000:
            assert "data" not in envelope
            assert envelope["status_message"]
        elif method == "GET":
            assert envelope["data"] is not None


async def test_no_answer_says_more_than_the_versions_status_codes(called: tuple[World, Peer]) -> None:
    _, peer = called
    assert {(await peer(method, path, body)).code for method, path, body, *_ in calls(peer)} <= BY_NUMBER[peer.number].codes


def test_status_codes_are_those_of_the_versions() -> None:
    old = {1000, 2000, 2001, 2002, 2003, 3000, 3001, 3002, 3003}
    assert V211.codes == old
    assert V221.codes == V230.codes == old | {2004, 4000, 4001, 4002, 4003}
    assert {int(code) for code in Code} == V221.codes
    for version in BY_NUMBER.values():
        assert {version.code(code) for code in Code} == version.codes
    assert [V211.code(code) for code in (2004, 4001, 3001)] == [2000, 2000, 3001]


async def test_a_fault_of_ours_does_not_look_like_one_of_http(called: tuple[World, Peer]) -> None:
    world, peer = called
    world.core.broken = RuntimeError("a fault")
    said = await peer("PUT", peer.token_url, peer.card())
    assert said.both == (200, 3000)  # it has reached the OCPI layer (status_codes)


async def test_an_empty_list_is_data_too(called: tuple[World, Peer]) -> None:
    _, peer = called
    for module in ("locations", "tariffs", "cdrs", "sessions"):
        assert (await peer("GET", peer.at(module) + "?date_from=2026-01-01T00:00:00Z")).data == []


# --- what differs from what the specification knows (rules 16, 18)


async def test_unknown_fields_and_values_of_2_3_0_are_survived() -> None:
    async with calling("2.3.0") as (world, peer):
        strange = {"shape": "round", "vendor": {"x": [1]}}
        assert (await peer("PUT", peer.token_url, peer.card(**strange))).both == (201, 1000)
        change = {"valid": False, "last_updated": DATED, **strange}
        assert (await peer("PATCH", peer.token_url, change)).both == (200, 1000)
        url = peer.at("tokens", "DE", "EMS", "PLATE1") + "?type=LICENSE_PLATE"
        assert (await peer("PUT", url, peer.card(uid="PLATE1", type="LICENSE_PLATE"))).both == (201, 1000)
        start = {"response_url": BACK, "location_id": "L", "token": peer.card(**strange), **strange}
        assert (await peer("POST", peer.at("commands", "START_SESSION"), start)).data["result"] == "ACCEPTED"
        assert (await peer("POST", peer.at("commands", "LEVITATE"), start)).data["result"] == "NOT_SUPPORTED"
        assert [c.kind.value for _, c, _ in world.core.commands] == ["START_SESSION"]


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_partner_may_offer_versions_modules_and_fields_that_nobody_knows_here(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Emsp.credentials

    def credentials(self: Emsp, token: str) -> dict[str, Any]:
        return told(self, token) | {"motto": "go", "contact": {"phone": "1"}}

    monkeypatch.setattr(Emsp, "credentials", credentials)
    monkeypatch.setattr("bridge.simulate.emsp_receivers.OFFERS", (
        *(("credentials", "SENDER"), ("cdrs", "RECEIVER"), ("tokens", "SENDER")), ("com.example.bingo", "SENDER")))  # fmt: skip
    async with ow.world(version=number) as world:
        partner = await world.connect()
        assert partner.registration.state.registered
        assert partner.version.number == number
        assert partner.client.endpoint("com.example.bingo", "SENDER").endswith("/com.example.bingo")


async def test_null_absent_and_empty_are_the_same(called: tuple[World, Peer]) -> None:
    _, peer = called
    for more in ({}, {"visual_number": None}, {"visual_number": ""}, {"language": None, "visual_number": None}):
        assert (await peer("PUT", peer.token_url, peer.card(**more))).code == 1000
        assert (await peer("GET", peer.token_url)).data == peer.card()
    for missing in ({"issuer": None}, {"valid": None}, {"uid": ""}):
        assert (await peer("PUT", peer.token_url, peer.card(**missing))).both == (200, 2001)


# --- ids (rule 83)


@pytest.mark.parametrize("number", LATER)
async def test_ids_of_a_request_come_back_and_are_made_where_there_are_none(number: str) -> None:
    async with calling(number) as (_, peer):
        for method, path, body, *_ in calls(peer):
            said = await peer(method, path, body, headers={"X-Request-ID": "r1", "X-Correlation-ID": "c1"})
            assert (said.headers["X-Request-ID"], said.headers["X-Correlation-ID"]) == ("r1", "c1")
        first, second = [(await peer("GET", peer.version)).headers for _ in range(2)]
        assert first["X-Request-ID"] != second["X-Request-ID"]
        assert first["X-Correlation-ID"]
        refused = await peer("GET", peer.version, headers={"Authorization": "Token x", "X-Request-ID": "r2"})
        assert (refused.status, refused.headers["X-Request-ID"]) == (401, "r2")
