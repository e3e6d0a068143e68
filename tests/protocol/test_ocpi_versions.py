"""Three versions at once: what each says around the objects, which one is agreed upon, and how registration goes in each."""

from __future__ import annotations

import base64
import enum
import json
import typing
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from bridge.errors import ConfigError, Declined
from bridge.ocpi.adapter import OcpiConfig, OcpiPartner, OurRole, Quirks
from bridge.ocpi.credentials import PartnerCredentials, PartnerRole
from bridge.ocpi.envelope import spelled, success
from bridge.ocpi.version import BY_NUMBER, V211, V221, V230, VERSIONS, Version
from bridge.roaming.ports import Kind
from bridge.simulate.ocpi_party import VERSIONS as NUMBERS
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import TOKEN_A, World, canonical

THEIRS = "token-a-for-the-operator"


async def get(url: str, header: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.request(method, url, headers={"Authorization": header}, json=body) as answer:
        return answer.status, await answer.json()


# --- messages


def _fields(cls: Any) -> dict[str, Any]:
    return {f.encode_name: f for f in msgspec.structs.fields(cls)}


@pytest.mark.spec
@pytest.mark.parametrize("version", VERSIONS, ids=repr)
def test_messages_have_the_fields_of_the_official_tables(version: Version) -> None:
    tables = json.loads(ow.shared("spec", "ocpi", version.number, "fields.json").read_text())
    seen = 0
    for name, cls in vars(version.messages).items():
        if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct) and name in tables) or cls.__name__ != name:
            continue
        theirs = {one["name"]: one for one in tables[name]}
        ours = _fields(cls)
        assert ours.keys() == theirs.keys(), name
        for field, told in theirs.items():
            hint = typing.get_type_hints(cls, include_extras=True)[field]
            if told.get("max_length") and told["base"] in ("CiString", "string"):
                metas = [m for part in (hint, *typing.get_args(hint)) for m in getattr(part, "__metadata__", ())]
                inner = [m for part in typing.get_args(hint) for p in typing.get_args(part) for m in getattr(p, "__metadata__", ())]
                limits = {m.extra["max"] for m in (*metas, *inner) if isinstance(m, msgspec.Meta) and m.extra and "max" in m.extra}
                assert limits == {told["max_length"]}, (name, field)
        seen += 1
    assert seen >= 12


@pytest.mark.spec
@pytest.mark.parametrize("version", VERSIONS, ids=repr)
def test_messages_have_the_values_of_the_official_enumerations(version: Version) -> None:
    tables = json.loads(ow.shared("spec", "ocpi", version.number, "enums.json").read_text())
    seen = {name for name, cls in vars(version.messages).items() if isinstance(cls, type) and issubclass(cls, enum.Enum) and name in tables}
    for name in seen:
        assert {member.value for member in getattr(version.messages, name)} == set(tables[name]), name
    assert seen >= {"ModuleID", "CommandResponseType", "CommandType"}


def test_what_an_open_enumeration_does_not_know_is_read_and_reported() -> None:
    token = {"country_code": "DE", "party_id": "EMS", "uid": "04", "type": "PLATE", "contract_id": "DE-EMS-C1", "issuer": "X",
             "valid": True, "whitelist": "NEVER", "last_updated": "2026-11-01T10:00:00Z"}  # fmt: skip
    start = {"response_url": "https://e.example/1", "token": token, "location_id": "L"}
    read = V230.read("StartSession", json.dumps(start).encode())
    assert read.value.token.type.value == "OTHER"
    assert read.repairs == [("token.type", "PLATE", "'PLATE' is no TokenType that is known here: read as OTHER")]
    with pytest.raises(Exception, match="TokenType"):  # 2.2.1 is closed
        V221.read("StartSession", json.dumps(start).encode())


def test_what_a_version_has_no_field_for_is_left_out() -> None:
    accepted = V211.messages.CommandResponseType.ACCEPTED
    assert msgspec.to_builtins(V211.make("CommandResponse", result=accepted, timeout=30, message=None)) == {"result": "ACCEPTED"}
    later = V221.make("CommandResponse", result=V221.messages.CommandResponseType.ACCEPTED, timeout=30, message=None)
    assert msgspec.to_builtins(later) == {"result": "ACCEPTED", "timeout": 30}


# --- what is found where


def registered(version: str | None, token: str = "ours", role: str = "EMSP") -> PartnerCredentials:  # noqa: S107
    return PartnerCredentials(theirs="t", ours=token, confirmed=True, version=version, roles=(PartnerRole(role, "DE", "EMS"),))


async def details(world: World, token: str, path: str) -> list[tuple[str, str | None, str]]:
    status, envelope = await get(world.url + path, spelled(token))
    assert status == 200, envelope
    return [(e["identifier"], e.get("role"), e["url"].removeprefix(world.url)) for e in envelope["data"]["endpoints"]]


OPERATOR = [("locations", "SENDER"), ("sessions", "SENDER"), ("cdrs", "SENDER"), ("tariffs", "SENDER"), ("tokens", "RECEIVER"),
            ("commands", "RECEIVER")]  # fmt: skip


async def test_each_version_lists_what_is_served_there() -> None:
    async with ow.world() as world:
        await world.store.save("emsp", registered("2.1.1"))
        await world.add()
        for number in ("2.2.1", "2.3.0"):
            found = await details(world, "ours", f"/{number}")
            assert ("credentials", "SENDER", f"/{number}/credentials") in found
            assert {(m, r, f"/{number}/{str(r).lower()}/{m}") for m, r in OPERATOR} <= set(found)
        found = await details(world, "ours", "/cpo/2.1.1")
        assert ("credentials", None, "/cpo/2.1.1/credentials") in found
        assert {(m, None, f"/cpo/2.1.1/{m}") for m, _ in OPERATOR} <= set(found)
        for number, url in (("2.2.1", "/versions"), ("2.1.1", "/cpo/versions")):
            listed = (await get(world.url + url, spelled("ours")))[1]["data"]
            assert number in [v["version"] for v in listed]
            assert ("2.1.1" in [v["version"] for v in listed]) == (number == "2.1.1")
        # We are the operator towards this partner, so it finds nothing on the provider's side.
        for path in ("/emsp/versions", "/emsp/2.1.1", "/emsp/2.1.1/credentials"):
            status, envelope = await get(world.url + path, spelled("ours"))
            assert (status, envelope["status_code"]) == (404, 2000)


async def test_a_provider_is_offered_no_interfaces_of_an_operator() -> None:
    async with ow.world() as world:
        await world.store.save("emsp", registered("2.2.1", role="CPO"))
        await world.add(roles=(OurRole("DE", "ABC", "EMSP"),))
        found = {(m, r) for m, r, _ in await details(world, "ours", "/2.2.1")}
        assert not found & set(OPERATOR)
        status, envelope = await get(world.url + "/2.2.1/sender/locations", spelled("ours"))
        assert (status, envelope["status_code"]) == (404, 2000)


@pytest.mark.parametrize("pin", NUMBERS)
async def test_a_pinned_partner_finds_its_version_alone(pin: str) -> None:
    async with ow.world() as world:
        await world.add(token_for_them=THEIRS, pin=pin)
        listed = (await get(world.url + "/versions", spelled(THEIRS)))[1]["data"]
        assert [v["version"] for v in listed] == [pin]  # 2.1.1 as well, if there is nothing else
        for version in VERSIONS:
            status, _ = await get(world.url + version.root("CPO"), spelled(THEIRS))
            assert status == (200 if version.number == pin else 404)


async def test_interfaces_answer_in_the_version_that_was_agreed_upon() -> None:
    async with ow.world() as world:
        await world.store.save("emsp", registered("2.1.1"))
        await world.add()
        assert (await get(world.url + "/cpo/2.1.1/locations", "Token ours"))[1]["data"] == []
        status, envelope = await get(world.url + "/2.2.1/sender/locations", spelled("ours"))
        assert (status, envelope["status_message"]) == (404, "OCPI 2.1.1 was agreed upon, this is 2.2.1")


async def test_before_2_2_messages_have_no_ids_and_no_routing() -> None:
    routing = {"OCPI-to-country-code": "XX", "OCPI-to-party-id": "YYY"}
    async with ow.world() as world, aiohttp.ClientSession() as http:
        await world.store.save("emsp", registered("2.1.1"))
        await world.add()
        async with http.get(world.url + "/cpo/2.1.1/locations", headers={"Authorization": "Token ours"} | routing) as answer:
            assert (await answer.json())["status_code"] == 1000
            assert not [name for name in answer.headers if name.lower().startswith(("x-request", "x-correlation", "ocpi-"))]
        with_id = {"Authorization": "Token ours", "X-Request-ID": "r1"}
        async with http.get(world.url + "/cpo/2.1.1/locations", headers=with_id) as answer:
            assert answer.headers["X-Request-ID"] == "r1"


# --- registration


@pytest.mark.parametrize("number", NUMBERS)
async def test_we_register_in_each_version(number: str) -> None:
    async with ow.world(version=number) as world:
        partner = await world.connect()
        assert (partner.version.number, partner.format) == (number, f"ocpi-{number}")
        state = partner.registration.state
        assert (state.version, world.emsp.theirs, world.emsp.ours) == (number, state.ours, [state.theirs])
        assert world.emsp.versions_url == world.ours
        assert [(r.role, r.country_code, r.party_id) for r in state.roles] == [("EMSP", "DE", "EMS")]
        assert [len(batch) async for batch in partner.pull_tokens(None)] == [5]
        await partner.registration.renew()
        assert partner.version.number == number
        await partner.registration.unregister()
        assert not world.emsp.registered
        # Before the versions are known nobody knows how the token is spelled: 2.1.1 takes it as it is, and says so once.
        assert world.rejected == ["GET /ocpi/emsp/versions: unknown credentials"] * (number == "2.1.1")


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_partner_registers_in_each_version(number: str) -> None:
    async with ow.world(version=number) as world:
        partner = await world.add(token_for_them=THEIRS)
        assert await world.sim("register", {"url": world.ours, "token_a": THEIRS}) == {"registered": True}
        assert world.rejected == []
        assert partner.format == f"ocpi-{number}"
        assert [len(batch) async for batch in partner.pull_tokens(None)] == [5]
        assert await world.sim("pull", {"module": "locations"}) == {"objects": []}
        await partner.close()
        again = await world.add(token_for_them=THEIRS)
        assert again.format == f"ocpi-{number}"  # after a restart as well
        assert world.rejected == []


@pytest.mark.spec
@pytest.mark.parametrize("number", NUMBERS)
async def test_our_credentials_are_what_each_version_allows(number: str) -> None:
    async with ow.world(version=number) as world:
        await world.add(token_for_them=THEIRS, roles=(OurRole("DE", "ABC", name="Example", website="https://a.example"),))
        url = world.url + BY_NUMBER[number].root("CPO") + "/credentials"
        data = (await get(url, spelled(THEIRS)))[1]["data"]
        assert ow.judge(number)("Credentials", data) == []
        assert data["url"] == world.ours


async def test_before_2_2_a_connection_is_of_one_party() -> None:
    two = (OurRole("DE", "ABC"), OurRole("DE", "XYZ"))
    with pytest.raises(ConfigError, match="one party in one role"):
        OcpiConfig("p", "https://b.example/ocpi", two, pin="2.1.1")
    async with ow.world(version="2.1.1") as world:
        with pytest.raises(Declined) as refused:
            await world.connect(roles=two)
        assert refused.value.code == "3002"
    assert OcpiConfig("p", "https://b.example/ocpi", two).speaks == (V230, V221)
    with pytest.raises(ConfigError, match=r"pin: OCPI 2\.0"):
        OcpiConfig("p", "https://b.example/ocpi", two, pin="2.0")


# --- negotiation


def offering(*numbers: str, raw: bool | None = None, posted: list[Any]) -> web.Application:
    """A partner that offers some versions and takes any credentials. ``raw``: how it wants the token, None: either way."""

    async def serve(request: web.Request) -> web.Response:
        header = request.headers["Authorization"]
        decoded = header == spelled(TOKEN_A)
        if raw is not None and decoded == raw:
            return web.Response(status=401, body=b'{"status_code": 2000}')
        number, root = request.path.strip("/"), str(request.url.origin())
        if request.method == "POST":
            sent = await request.json()
            posted.append((number.split("-")[0], header, sent))
            party = {"country_code": "NL", "party_id": "EMS", "business_details": {"name": "E"}}
            owner = party if number.startswith("2.1.1") else {"roles": [party | {"role": "EMSP"}]}
            data: Any = {"token": "c", "url": f"{root}/v"} | owner
        elif number == "v":
            data = [{"version": n, "url": f"{root}/{n}"} for n in numbers]
        else:
            data = {
                "version": number,
                "endpoints": [{"identifier": "credentials", "role": "SENDER", "url": f"{root}/{number}-credentials"}],
            }
        return web.Response(body=success(json.dumps(data).encode()), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    return app


async def registers(server: BaseTestServer, **changes: Any) -> OcpiPartner:
    partner = OcpiPartner(OcpiConfig("emsp", "http://bridge.invalid/ocpi", (OurRole("DE", "ABC"),), token_for_us=TOKEN_A,
                                     versions_url=str(server.make_url("/v")), register_at_start=False, **changes))  # fmt: skip
    try:
        await partner.register()
    finally:
        await partner.close()
    return partner


@pytest.mark.parametrize(("offered", "pin", "chosen"), [
    (("2.0", "2.1.1", "2.2", "2.2.1", "2.3.0"), None, "2.3.0"), (("2.2.1", "2.1.1"), None, "2.2.1"), (("2.1.1", "2.0"), None, "2.1.1"),
    (("2.1.1", "2.2.1", "2.3.0", "3.0"), "2.1.1", "2.1.1"), (("2.2.1", "2.3.0"), "2.2.1", "2.2.1"), (("2.2.1",), "2.3.0", None),
])  # fmt: skip
async def test_the_highest_version_in_common_is_chosen_or_the_one_that_is_pinned(offered: Any, pin: Any, chosen: Any) -> None:
    posted: list[Any] = []
    async with TestServer(offering(*offered, posted=posted)) as server:
        if chosen is None:
            with pytest.raises(Declined) as refused:
                await registers(server, pin=pin)
            assert (refused.value.code, posted) == ("3002", [])
            return
        partner = await registers(server, pin=pin)
    ((number, _, sent),) = posted
    assert (number, partner.format, partner.registration.state.version) == (chosen, f"ocpi-{chosen}", chosen)
    assert ("roles" in sent) == (chosen != "2.1.1")
    assert sent["url"] == "http://bridge.invalid/ocpi" + ("/cpo/versions" if chosen == "2.1.1" else "/versions")


@pytest.mark.parametrize(("number", "wants", "raw"), [
    ("2.1.1", True, True), ("2.1.1", False, False), ("2.2.1", False, False), ("2.2.1", True, True), ("2.3.0", None, False),
    ("2.1.1", None, True),
])  # fmt: skip
async def test_the_token_is_spelled_as_the_partner_accepts_it(number: str, wants: bool | None, raw: bool) -> None:
    posted: list[Any] = []
    async with TestServer(offering(number, raw=wants, posted=posted)) as server:
        partner = await registers(server)
    expected = f"Token {TOKEN_A}" if raw else "Token " + base64.b64encode(TOKEN_A.encode()).decode()
    assert (posted[0][1], partner.registration.state.raw, partner.registration.peer().raw) == (expected, raw, raw)


async def test_how_the_token_is_spelled_can_be_set() -> None:
    posted: list[Any] = []
    async with TestServer(offering("2.2.1", posted=posted)) as server:
        partner = await registers(server, quirks=Quirks(spelling="raw"))
    assert (posted[0][1], partner.registration.peer().raw) == (f"Token {TOKEN_A}", True)


# --- a hub


async def test_a_hub_of_2_3_0_is_addressed_by_its_party() -> None:
    async with ow.world(version="2.3.0") as world:
        await world.store.save("emsp", registered("2.3.0"))
        partner = await world.add(token_for_them=THEIRS)
        assert partner.registration.peer().party == ("DE", "EMS")
        read = V230.read("Credentials", json.dumps({
            "token": "t", "url": "https://h.example/versions", "hub_party_id": "NLHUB",
            "roles": [{"role": "EMSP", "party_id": "EMS", "country_code": "DE", "business_details": {"name": "E"}},
                      {"role": "HUB", "party_id": "HUB", "country_code": "NL", "business_details": {"name": "H"}}]}).encode())  # fmt: skip
        assert [r.role.value for r in read.value.roles] == ["EMSP", "OTHER"]
        assert read.value.hub_party_id == "NLHUB"
        await world.store.save("emsp", PartnerCredentials(theirs="t", ours="o", version="2.3.0", hub="NLHUB"))
        await partner.registration.load()
        assert partner.registration.peer().party == ("NL", "HUB")


# --- another version


async def test_a_partner_moves_to_another_version_and_keeps_what_it_had() -> None:
    async with ow.world(version="2.2.1") as world:
        partner = await world.add(token_for_them=THEIRS)
        heard: list[str] = []
        partner.changed = heard.append
        await world.sim("register", {"url": world.ours, "token_a": THEIRS})
        (old,) = partner.encode(Kind.TARIFF, canonical("tariff", ow.tariff()))
        assert (partner.format, heard) == ("ocpi-2.2.1", [])
        ours = partner.registration.state.ours
        assert ours is not None
        world.emsp.version = "2.3.0"
        offer = json.loads(json.dumps(world.emsp.credentials("b2")))
        world.emsp.ours.append("b2")
        async with TestServer(offering("2.3.0", posted=[])) as other:
            offer["url"] = str(other.make_url("/v"))
            status, envelope = await get(world.url + "/2.3.0/credentials", spelled(ours), "PUT", offer)
        assert (status, envelope["status_code"]) == (200, 1000)
        assert (partner.format, heard) == ("ocpi-2.3.0", ["emsp"])
        (new,) = partner.encode(Kind.TARIFF, canonical("tariff", ow.tariff()))
        assert "tax_included" in json.loads(new.body)
        assert "tax_included" not in json.loads(old.body)
        assert (await get(world.url + "/2.3.0/sender/locations", spelled(ours)))[0] == 200
        assert (await get(world.url + "/2.2.1/sender/locations", spelled(ours)))[0] == 404
