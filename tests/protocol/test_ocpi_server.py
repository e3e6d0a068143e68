"""What partners call on us: the door, lists and objects, tokens, commands. Real sockets, a core that remembers."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from attrs import define

from bridge.errors import ConfigError, Declined
from bridge.model.command import CommandKind, CommandOutcome, CommandResult
from bridge.model.common import Text
from bridge.model.token import TokenKind, Whitelist
from bridge.ocpi.adapter import OcpiConfig, OurRole, Quirks
from bridge.ocpi.credentials import PartnerCredentials, PartnerRole
from bridge.roaming.ports import Kind
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import World, canonical

OURS = "the-partner's-token"
OTHERS = "the-other's-token"
HIDDEN = "a-secret"
BELOW = "/ocpi/2.2.1"
TOKENS = f"{BELOW}/receiver/tokens"


@define
class Said:
    """An answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return int(self.json["status_code"])


@define
class Caller:
    """A partner that calls us."""

    world: World
    token: str = OURS

    async def __call__(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None,
                       token: str | None = None) -> Said:  # fmt: skip
        sent = {"Authorization": "Token " + base64.b64encode((token or self.token).encode()).decode(), "X-Request-ID": "r1",
                "X-Correlation-ID": "c1"} | (headers or {})  # fmt: skip
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        target = f"{str(self.world.bridge.make_url('/')).rstrip('/')}{path}" if path.startswith("/") else path
        async with aiohttp.ClientSession() as http, http.request(method, target, data=data, headers=sent) as answer:
            return Said(answer.status, answer.headers, await answer.read())


def registered(token: str = OURS, party: str = "EMS") -> PartnerCredentials:
    role = PartnerRole("EMSP", "DE", party)
    return PartnerCredentials(theirs="t", ours=token, confirmed=True, roles=(role,), versions_url="https://emsp.example/ocpi/versions")


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    async with ow.world() as world:
        await world.store.save("emsp", registered())
        await world.add(page_limit=3)
        yield Caller(world)


# --- the door


@pytest.mark.parametrize("header", [None, "", "Token", "Token d3Jvbmc=", "Basic dGhl", "Token " + "A" * 3000])
@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/ocpi/versions"), ("GET", f"{BELOW}/sender/locations"), ("PUT", f"{TOKENS}/DE/EMS/04A1"),
    ("POST", f"{BELOW}/receiver/commands/START_SESSION"), ("GET", "/ocpi/2.2.1/nothing"), ("DELETE", f"{BELOW}/sender/cdrs"),
])  # fmt: skip
async def test_nobody_unknown_gets_further_than_the_door(call: Caller, method: str, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    url = call.world.bridge.make_url(path)
    async with aiohttp.ClientSession() as http, http.request(method, url, headers=headers, data=b"{no json") as answer:
        assert answer.status == 401
        envelope = await answer.json()
    assert (envelope["status_code"], "data" in envelope) == (2000, False)
    assert call.world.core.held == {}


async def test_unknown_credentials_are_refused_before_the_body_is_read(call: Caller) -> None:
    reader, writer = await asyncio.open_connection(call.world.bridge.host, call.world.bridge.port)
    try:
        head = f"PUT {TOKENS}/DE/EMS/04A1 HTTP/1.1\r\nHost: x\r\nAuthorization: Token eA==\r\nContent-Length: 999\r\n\r\n"
        writer.write(head.encode())  # and no body: the answer has to come without it
        first = await asyncio.wait_for(reader.readline(), 5)
    finally:
        writer.close()
        await writer.wait_closed()
    assert b"401" in first


async def test_the_token_may_be_in_base64_with_a_newline_or_raw_as_configured(call: Caller) -> None:
    async def status(header: str) -> int:
        return (await call("GET", "/ocpi/versions", headers={"Authorization": header})).status

    encoded, newline = base64.b64encode(OURS.encode()).decode(), base64.b64encode(OURS.encode() + b"\n").decode()
    assert [await status(f"Token {t}") for t in (encoded, newline, OURS)] == [200, 200, 200]
    await call.world.partner.close()
    await call.world.add(quirks=Quirks(accepts="base64"))
    assert [await status(f"Token {t}") for t in (encoded, newline, OURS)] == [200, 200, 401]
    await call.world.partner.close()
    await call.world.add(quirks=Quirks(accepts="raw"))
    assert [await status(f"Token {t}") for t in (encoded, newline, OURS)] == [401, 401, 200]


async def test_ids_are_echoed_and_routing_headers_swapped(call: Caller) -> None:
    routing = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "ABC", "OCPI-from-country-code": "DE", "OCPI-from-party-id": "EMS"}
    said = await call("GET", f"{BELOW}/sender/locations", headers=routing)
    assert (said.headers["X-Request-ID"], said.headers["X-Correlation-ID"]) == ("r1", "c1")
    assert (said.headers["OCPI-to-party-id"], said.headers["OCPI-from-party-id"]) == ("EMS", "ABC")
    said = await call("GET", f"{BELOW}/sender/locations", headers=routing | {"OCPI-to-party-id": "XYZ"})
    assert (said.status, said.code) == (200, 4001)
    said = await call("GET", "/ocpi/versions", headers=routing)
    assert "OCPI-to-party-id" not in said.headers


async def test_other_methods_are_405_and_other_paths_404_in_an_envelope(call: Caller) -> None:
    for method, path, status in (("POST", "/ocpi/versions", 405), ("PUT", f"{BELOW}/sender/locations", 405),
                                 ("DELETE", f"{TOKENS}/DE/EMS/04", 405), ("GET", f"{BELOW}/receiver/commands/START_SESSION", 405),
                                 ("GET", f"{BELOW}/sender/bookings", 404), ("GET", "/ocpi/2.1.1", 404)):  # fmt: skip
        said = await call(method, path)
        assert (said.status, said.code) == (status, 2000), path
        assert said.headers["X-Request-ID"] == "r1"
    assert (await call("POST", "/ocpi/versions")).headers["Allow"] == "GET"


async def test_a_body_that_is_too_large_or_no_json(call: Caller) -> None:
    await call.world.partner.close()
    await call.world.add(body_limit=1000)
    said = await call("PUT", f"{TOKENS}/DE/EMS/04A1", b"x" * 1001)
    assert said.status == 413
    for broken in (b"", b"{", b"\xff\xfe", b'{"a":1}x'):
        said = await call("PUT", f"{TOKENS}/DE/EMS/04A1", broken)
        assert (said.status, said.code) == (400, 2001), broken
    for nothing in (b"[]", b"7", b'"a"', b"null"):
        said = await call("PUT", f"{TOKENS}/DE/EMS/04A1", nothing)
        assert (said.status, said.code) == (200, 2001), nothing
    assert call.world.core.held == {}


async def test_a_large_body_in_pieces_is_cut_off(call: Caller) -> None:
    await call.world.partner.close()
    await call.world.add(body_limit=1000)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    headers = {"Authorization": "Token " + base64.b64encode(OURS.encode()).decode()}
    url = call.world.bridge.make_url(f"{TOKENS}/DE/EMS/04A1")
    async with aiohttp.ClientSession() as http, http.put(url, data=pieces(), headers=headers) as answer:
        assert answer.status == 413


async def test_what_breaks_here_is_3000_and_tells_nothing(call: Caller, caplog: pytest.LogCaptureFixture) -> None:
    call.world.core.broken = RuntimeError("disk full")
    with caplog.at_level(logging.DEBUG):
        said = await call("PUT", f"{TOKENS}/DE/EMS/04A1B2C3", token())
    assert (said.status, said.code) == (200, 3000)
    assert b"disk" not in said.body
    assert "disk full" in caplog.text
    assert not [r for r in caplog.records if r.name.startswith("bridge") and "04A1B2C3" in r.getMessage()]
    call.world.core.broken = ConfigError("tokens", "secret reason")
    said = await call("PUT", f"{TOKENS}/DE/EMS/04A1B2C3", token())
    assert (said.status, said.code) == (200, 3000)
    assert b"secret" not in said.body


async def test_each_partner_is_itself(call: Caller) -> None:
    await call.world.store.save("other", registered(OTHERS, "OTH"))
    await call.world.add("other")
    await call("PUT", f"{TOKENS}/DE/OTH/04A1B2C3", token(party_id="OTH"), token=OTHERS)
    assert {partner for partner, _, _ in call.world.core.held} == {"other"}
    assert (await call("GET", f"{TOKENS}/DE/OTH/04A1B2C3")).status == 404
    assert (await call("GET", f"{TOKENS}/DE/OTH/04A1B2C3", token=OTHERS)).status == 200


# --- versions


@pytest.mark.spec
async def test_versions_and_details(call: Caller) -> None:
    versions = (await call("GET", "/ocpi/versions")).json["data"]
    assert [v["version"] for v in versions] == ["2.2.1", "2.3.0"]
    for version in versions:
        judged = ow.judge(version["version"])
        details = (await call("GET", version["url"])).json["data"]
        assert details["version"] == version["version"]
        assert judged("Version", version) == []
        assert judged("VersionDetails", details) == []
        served = {(e["identifier"], e["role"]) for e in details["endpoints"]}
        assert served >= {("locations", "SENDER"), ("tokens", "RECEIVER"), ("commands", "RECEIVER"), ("cdrs", "SENDER")}
        for endpoint in details["endpoints"]:
            if endpoint["role"] == "SENDER" and endpoint["identifier"] not in ("credentials",):
                said = await call("GET", endpoint["url"] + "?date_from=2020-01-01T00:00:00Z")
                # What is listed is served, in the version that was agreed upon.
                assert (said.status, said.code) == ((200, 1000) if version["version"] == "2.2.1" else (404, 2000))


# --- lists and objects


async def fill(call: Caller, count: int = 7) -> list[dict[str, Any]]:
    places = [ow.location(f"LOC{i}") for i in range(count)]
    for i, place in enumerate(places):
        (made,) = call.world.partner.encode(Kind.LOCATION, canonical("location", place))
        call.world.core.keep(Kind.LOCATION, made, f"2026-11-0{i + 1}T10:00:00+00:00")
    return places


async def test_lists_come_in_pages_that_link_to_the_next(call: Caller) -> None:
    places = await fill(call)
    url, found, sizes = f"{BELOW}/sender/locations?limit=100", [], []
    while url:
        said = await call("GET", url)
        assert (said.headers["X-Total-Count"], said.headers["X-Limit"]) == ("7", "3")
        found += said.json["data"]
        sizes.append(len(said.json["data"]))
        link = said.headers.get("Link")
        url = "" if link is None else link.removeprefix("<").removesuffix('>; rel="next"')
        assert not url or url.startswith(call.world.url + "/2.2.1/sender/locations?")
    assert found == places
    assert sizes == [3, 3, 1]


async def test_a_page_is_the_bytes_that_are_held(call: Caller) -> None:
    await fill(call, 2)
    held = [body for _, _, body in call.world.core.objects[Kind.LOCATION]]
    said = await call("GET", f"{BELOW}/sender/locations")
    assert said.body.startswith(b'{"data":[' + b",".join(held) + b'],"status_code":1000,')
    assert "Link" not in said.headers


async def test_filters_are_kept_in_the_link_from_included_to_excluded(call: Caller) -> None:
    await fill(call)
    query = "?date_from=2026-11-02T10:00:00Z&date_to=2026-11-06T10:00:00&limit=2"
    said = await call("GET", f"{BELOW}/sender/locations{query}")
    assert [o["id"] for o in said.json["data"]] == ["LOC1", "LOC2"]
    assert said.headers["X-Total-Count"] == "4"
    link = said.headers["Link"]
    for part in ("date_from=2026-11-02T10:00:00Z", "date_to=2026-11-06T10:00:00Z", "offset=2", "limit=2"):
        assert part in link
    said = await call("GET", link.removeprefix("<").removesuffix('>; rel="next"'))
    assert [o["id"] for o in said.json["data"]] == ["LOC3", "LOC4"]
    assert "Link" not in said.headers


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "offset=-1", "offset=1.5", "limit=²", "date_from=now",
                                   "date_to=2026-99-01T00:00:00Z", "offset=99999999999999999999"])  # fmt: skip
async def test_parameters_that_make_no_sense(call: Caller, query: str) -> None:
    said = await call("GET", f"{BELOW}/sender/locations?{query}")
    assert (said.status, said.code) == (200, 2001)
    assert said.json["status_message"].startswith(query.partition("=")[0])


async def test_sessions_need_date_from(call: Caller) -> None:
    assert (await call("GET", f"{BELOW}/sender/sessions")).code == 2001
    said = await call("GET", f"{BELOW}/sender/sessions?date_from=2026-01-01T00:00:00Z")
    assert (said.code, said.json["data"], said.headers["X-Total-Count"]) == (1000, [], "0")


async def test_one_location_evse_connector_in_any_case(call: Caller) -> None:
    (place,) = await fill(call, 1)
    base = f"{BELOW}/sender/locations"
    assert (await call("GET", f"{base}/loc0")).json["data"] == place
    assert (await call("GET", f"{base}/LOC0/eloc02")).json["data"] == place["evses"][1]
    assert (await call("GET", f"{base}/LOC0/ELOC02/1")).json["data"] == ow.CONNECTOR
    for path in ("LOCX", "LOC0/EX", "LOC0/ELOC02/2"):
        said = await call("GET", f"{base}/{path}")
        assert (said.status, said.code) == (404, 2003)


# --- tokens


def token(**more: Any) -> dict[str, Any]:
    return {"country_code": "DE", "party_id": "EMS", "uid": "04A1B2C3", "type": "RFID", "contract_id": "DE-EMS-C00000001",
            "issuer": "Example", "valid": True, "whitelist": "ALLOWED", "last_updated": "2026-11-01T10:00:00Z", **more}  # fmt: skip


async def test_a_token_is_put_got_and_patched(call: Caller) -> None:
    url = f"{TOKENS}/de/ems/04a1b2c3"
    assert (await call("GET", url)).status == 404
    assert (await call("GET", url)).code == 2004
    said = await call("PUT", url, token())
    assert (said.status, said.code, "data" in said.json) == (201, 1000, False)
    assert (await call("PUT", url, token())).status == 200
    assert (await call("GET", url)).json["data"] == token()
    said = await call("PATCH", url, {"valid": False, "last_updated": "2026-11-02T10:00:00Z", "visual_number": None})
    assert (said.status, said.code) == (200, 1000)
    assert (await call("GET", url)).json["data"] == token(valid=False, last_updated="2026-11-02T10:00:00Z")
    (held,) = call.world.core.held.values()
    assert (held.valid, held.whitelist, held.last_updated) == (False, Whitelist.ALLOWED, datetime(2026, 11, 2, 10, tzinfo=UTC))


async def test_a_token_is_known_by_uid_and_type(call: Caller) -> None:
    url = f"{TOKENS}/DE/EMS/04A1B2C3"
    assert (await call("PUT", url + "?type=APP_USER", token(type="APP_USER"))).status == 201
    assert (await call("PUT", url + "?type=APP_USER", token())).code == 2001
    assert (await call("PUT", url + "?type=CARD", token())).code == 2001
    assert (await call("GET", url)).status == 404
    assert (await call("GET", url + "?type=APP_USER")).json["data"]["type"] == "APP_USER"
    assert (await call("PUT", url, token(type="OTHER"))).status == 201  # who leaves ?type out means the body's
    assert {kind for _, _, kind in call.world.core.held} == {TokenKind.APP_USER, TokenKind.OTHER}


@pytest.mark.parametrize(("change", "path"), [
    ({"uid": "04FF"}, "uid"), ({"country_code": "FR"}, "country_code"), ({"party_id": "XYZ"}, "party_id"),
    ({"whitelist": "SOMETIMES"}, "whitelist"), ({"contract_id": None}, "contract_id"), ({"valid": "perhaps"}, "valid"),
    ({"last_updated": "soon"}, "last_updated"), ({"type": 7}, "type"),
])  # fmt: skip
async def test_a_token_that_is_wrong_is_told_where_and_not_stored(call: Caller, change: dict[str, Any], path: str) -> None:
    said = await call("PUT", f"{TOKENS}/DE/EMS/04A1B2C3", token(**change))
    assert (said.status, said.code) == (200, 2001)
    assert said.json["status_message"].startswith(f"{path}:")
    assert call.world.core.held == {}


async def test_tokens_are_read_leniently_and_unknown_fields_kept(call: Caller) -> None:
    odd = token(group_id=None, language="", valid="TRUE", whitelist="allowed_offline", loyalty={"points": 7})
    said = await call("PUT", f"{TOKENS}/DE/EMS/04A1B2C3/", odd)
    assert said.code == 1000
    (held,) = call.world.core.held.values()
    assert (held.valid, held.whitelist, held.group_id) == (True, Whitelist.ALLOWED_OFFLINE, None)
    assert [(e.protocol, e.path, e.value) for e in held.extra] == [("ocpi", "loyalty", {"points": 7})]
    await call("PATCH", f"{TOKENS}/DE/EMS/04A1B2C3", {"valid": False, "last_updated": "2026-11-02T10:00:00Z"})
    (held,) = call.world.core.held.values()
    assert [e.path for e in held.extra] == ["loyalty"]


async def test_a_patch_needs_last_updated_and_something_to_change(call: Caller) -> None:
    url = f"{TOKENS}/DE/EMS/04A1B2C3"
    said = await call("PATCH", url, {"valid": False})
    assert (said.status, said.code) == (200, 2001)
    assert said.json["status_message"].startswith("last_updated")
    said = await call("PATCH", url, {"valid": False, "last_updated": "2026-11-02T10:00:00Z"})
    assert (said.status, said.code) == (404, 2004)
    await call("PUT", url, token())
    for wrong in ({"uid": "04FF"}, {"type": "OTHER"}, {"whitelist": "NO"}):
        assert (await call("PATCH", url, wrong | {"last_updated": "2026-11-02T10:00:00Z"})).code == 2001
    assert (await call("GET", url)).json["data"] == token()


async def test_tokens_of_others_are_not_taken(call: Caller) -> None:
    said = await call("PUT", f"{TOKENS}/DE/OTH/04A1B2C3", token(party_id="OTH"))
    assert said.status == 404
    assert call.world.core.held == {}
    await call.world.partner.close()
    await call.world.add(hub=True)
    assert (await call("PUT", f"{TOKENS}/DE/OTH/04A1B2C3", token(party_id="OTH"))).status == 201


async def test_a_held_change_is_acknowledged_with_a_note(call: Caller) -> None:
    call.world.core.hold = True
    said = await call("PUT", f"{TOKENS}/DE/EMS/04A1B2C3", token(valid=False))
    assert said.code == 1000
    assert "held" in said.json["status_message"]


# --- commands

BACK = "https://emsp.example/commands/1"


def command(**body: Any) -> dict[str, Any]:
    return {"response_url": BACK, **body}


async def test_every_command_reaches_the_core(call: Caller) -> None:
    core = call.world.core
    sent = {
        "START_SESSION": command(token=token(), location_id="LOC1", evse_uid="E1", connector_id="1", authorization_reference="R1"),
        "STOP_SESSION": command(session_id="S1"),
        "RESERVE_NOW": command(token=token(), expiry_date="2026-11-01T10:30:00", reservation_id="X1", location_id="LOC1"),
        "CANCEL_RESERVATION": command(reservation_id="X1"),
        "UNLOCK_CONNECTOR": command(location_id="LOC1", evse_uid="E1", connector_id="1"),
    }
    for name, body in sent.items():
        said = await call("POST", f"{BELOW}/receiver/commands/{name.lower()}", body)
        assert said.json["data"] == {"result": "ACCEPTED", "timeout": 30}
    assert [c.kind.value for _, c, _ in core.commands] == list(sent)
    assert {(partner, to) for partner, _, to in core.commands} == {("emsp", BACK)}
    start, stop, reserve, cancel, unlock = (c for _, c, _ in core.commands)
    assert (start.location_id, start.evse_uid, start.connector_id, start.authorization_reference) == ("LOC1", "E1", "1", "R1")
    assert start.token is not None
    assert (start.token.uid, str(start.provider)) == ("04A1B2C3", "DE*EMS")
    assert (stop.session_id, cancel.reservation_id, unlock.connector_id) == ("S1", "X1", "1")
    assert reserve.expires == datetime(2026, 11, 1, 10, 30, tzinfo=UTC)
    assert (reserve.reservation_id, reserve.evse_uid, reserve.kind) == ("X1", None, CommandKind.RESERVE_NOW)


@pytest.mark.parametrize(("result", "wire"), [
    (CommandResult.ACCEPTED, "ACCEPTED"), (CommandResult.NOT_SUPPORTED, "NOT_SUPPORTED"), (CommandResult.REJECTED, "REJECTED"),
    (CommandResult.UNKNOWN_SESSION, "UNKNOWN_SESSION"), (CommandResult.UNKNOWN_RESERVATION, "REJECTED"),
    (CommandResult.EVSE_OCCUPIED, "REJECTED"), (CommandResult.TIMEOUT, "REJECTED"),
])  # fmt: skip
@pytest.mark.spec
async def test_the_answer_at_once(call: Caller, result: CommandResult, wire: str) -> None:
    call.world.core.answer = CommandOutcome(result, (Text("Bitte warten", "de"),))
    said = await call("POST", f"{BELOW}/receiver/commands/STOP_SESSION", command(session_id="S1"))
    assert said.json["data"] == {"result": wire, "timeout": 30, "message": [{"language": "de", "text": "Bitte warten"}]}
    assert ow.judge()("CommandResponse", said.json["data"]) == []


@pytest.mark.parametrize(("name", "body", "path"), [
    ("STOP_SESSION", command(session_id=""), "session_id"), ("STOP_SESSION", {"session_id": "S1"}, "response_url"),
    ("STOP_SESSION", command(), "session_id"),
    ("STOP_SESSION", {"session_id": "S1", "response_url": "file:///etc/passwd"}, "response_url"),
    ("STOP_SESSION", {"session_id": "S1", "response_url": "https://a/" + "x" * 255}, "response_url"),
    ("START_SESSION", command(location_id="L"), "token"), ("START_SESSION", command(token=token()), "location_id"),
    ("START_SESSION", command(token=token(), location_id="L", connector_id="1"), "evse_uid"),
    ("START_SESSION", command(token=token(party_id="OTH"), location_id="L"), "token.party_id"),
    ("RESERVE_NOW", command(token=token(), expiry_date="x", reservation_id="1", location_id="L"), "expiry_date"),
])  # fmt: skip
async def test_a_command_that_is_wrong_is_told_where_and_not_carried_out(call: Caller, name: str, body: Any, path: str) -> None:
    said = await call("POST", f"{BELOW}/receiver/commands/{name}", body)
    assert (said.status, said.code) == (200, 2001)
    assert said.json["status_message"].startswith(f"{path}:")
    assert call.world.core.commands == []


@pytest.mark.parametrize("address", [
    "https://elsewhere.example/1", "https://emsp.example.elsewhere.example/1", "https://169.254.169.254/latest/meta-data", "https://[::1]/1",
    "http://emsp.example/1", "https://us:er@emsp.example/1", "https://emsp.example@elsewhere.example/1", "https://", "ftp://emsp.example/1",
    "https://emsp.example:x/1", "https:emsp.example/1", "//emsp.example/1", "https://emsp.example:0/1",
])  # fmt: skip
async def test_results_go_to_hosts_of_the_partner_alone(call: Caller, address: str) -> None:
    """Our token goes with the result, and nobody has us call what only we can reach."""
    said = await call("POST", f"{BELOW}/receiver/commands/STOP_SESSION", {"session_id": "S1", "response_url": address})
    assert (said.status, said.code) == (200, 2001)
    assert said.json["status_message"].startswith("response_url: ")
    assert call.world.core.commands == []
    with pytest.raises(Declined, match="response_url"):
        await call.world.partner.outcome(address, CommandOutcome(CommandResult.ACCEPTED))


@pytest.mark.parametrize("address", [
    "https://emsp.example/1", "https://EMSP.example:8443/1", "https://back.example/1", "https://other.example:8443/1",
])  # fmt: skip
async def test_other_hosts_may_be_configured(call: Caller, address: str) -> None:
    await call.world.partner.close()
    await call.world.add(response_hosts=frozenset({"Back.example", "other.example:8443"}))
    said = await call("POST", f"{BELOW}/receiver/commands/STOP_SESSION", {"session_id": "S1", "response_url": address})
    assert said.json["data"]["result"] == "ACCEPTED"
    said = await call("POST", f"{BELOW}/receiver/commands/STOP_SESSION", {"session_id": "S1", "response_url": "https://other.example/1"})
    assert said.code == 2001


async def test_an_unknown_command_is_404(call: Caller) -> None:
    said = await call("POST", f"{BELOW}/receiver/commands/SELF_DESTRUCT", command())
    assert said.status == 404


# --- configuration


@pytest.mark.parametrize(("changes", "key"), [
    ({"our_url": "bridge.example"}, "our_url"), ({"roles": ()}, "roles"), ({"roles": (OurRole("DEU", "ABC"),)}, "roles"),
    ({"roles": (OurRole("DE", "ABC"), OurRole("de", "abc"))}, "roles"), ({"token_for_us": "x"}, "versions_url"),
    ({"token_for_them": "two words"}, "token_for_them"), ({"token_for_them": "x" * 65}, "token_for_them"),
])  # fmt: skip
def test_a_configuration_that_cannot_be_names_the_key(changes: dict[str, Any], key: str) -> None:
    whole = {"name": "emsp", "our_url": "https://bridge.example/ocpi", "roles": (OurRole("DE", "ABC"),)} | changes
    with pytest.raises(ConfigError, match="partner emsp") as refused:
        OcpiConfig(**whole)
    assert refused.value.key.endswith(key)


def test_secrets_are_not_shown() -> None:
    config = OcpiConfig("emsp", "https://bridge.example/ocpi", (OurRole("DE", "ABC"),), token_for_them=HIDDEN)
    assert HIDDEN not in repr(config)
    assert HIDDEN not in repr(PartnerCredentials(theirs=HIDDEN, ours=HIDDEN, offered=HIDDEN, previous=(HIDDEN,)))
