"""Registration in both directions, and what goes wrong on the way (credentials, version_information_endpoint)."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.ocpi.adapter import MemoryStore, OcpiConfig, OcpiPartner, OurRole
from bridge.ocpi.credentials import Access, PartnerCredentials, Registration
from bridge.ocpi.envelope import spelled, success
from bridge.simulate.ocpi_party import Faults
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import TOKEN_A, World

THEIRS = "token-a-for-the-operator"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with ow.world() as made:
        yield made


async def get(world: World, token: str, path: str = "/ocpi/versions", method: str = "GET", body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": spelled(token)}
    url = world.bridge.make_url(path)
    async with aiohttp.ClientSession() as http, http.request(method, url, headers=headers, json=body) as answer:
        return answer.status, await answer.json()


CREDENTIALS = "/ocpi/2.2.1/credentials"
LOCATIONS = "/ocpi/2.2.1/sender/locations"


# --- we register


async def test_we_register_with_a_partner(world: World) -> None:
    partner = await world.connect()
    state, emsp = partner.registration.state, world.emsp
    assert world.rejected == []
    assert (emsp.theirs, emsp.ours) == (state.ours, [state.theirs])
    assert TOKEN_A not in (state.ours, state.theirs)
    assert [(r.role, r.country_code, r.party_id) for r in state.roles] == [("EMSP", "DE", "EMS")]
    assert [(r["role"], r["country_code"], r["party_id"]) for r in emsp.roles] == [("CPO", "DE", "ABC")]
    assert state.ours is not None
    assert (await get(world, state.ours, LOCATIONS))[0] == 200
    with pytest.raises(Declined, match="already registered"):
        await partner.register()


async def test_what_was_agreed_survives_a_restart(world: World) -> None:
    partner = await world.connect()
    before = partner.registration.state
    await partner.close()
    again = await world.add()
    assert again.registration.state == before
    assert [len(batch) async for batch in again.pull_tokens(None)] == [5]


async def test_credentials_are_stored_before_they_are_told(world: World) -> None:
    kept = []

    class Watched(MemoryStore):
        async def save(self, partner: str, credentials: PartnerCredentials) -> None:
            kept.append((credentials, world.emsp.theirs))
            await super().save(partner, credentials)

    world.store = Watched()
    await world.connect()
    first, told = kept[0]
    assert first.offered is not None
    assert told is None
    assert world.emsp.theirs == first.offered


async def test_an_answer_that_is_lost_leaves_a_registration_that_can_be_made_again(world: World) -> None:
    world.emsp.trouble = Faults(drop_after_accept=True, count=1, only="/credentials")
    with pytest.raises(Unreachable):
        await world.connect()
    partner = world.partner
    offered = partner.registration.state.offered
    assert offered is not None
    assert (await get(world, offered, LOCATIONS))[0] == 200  # the partner may think that it is registered
    await partner.register()
    assert partner.registration.state.ours == offered
    assert world.emsp.theirs == offered
    assert world.rejected == []


@pytest.mark.parametrize(("versions", "details", "code"), [
    ([{"version": "2.0", "url": "URL/d"}], None, "3002"), ([], None, "3002"),
    ([{"version": "2.2.1", "url": "URL/d"}], [{"identifier": "locations", "role": "RECEIVER", "url": "URL/l"}], "3003"),
    ([{"version": "2.2.1", "url": "URL/d"}], [{"identifier": "credentials", "role": "RECEIVER", "url": "URL/c"}], "3003"),
])  # fmt: skip
async def test_without_a_version_or_endpoints_in_common_nothing_is_posted(versions: Any, details: Any, code: str) -> None:
    posted = []

    async def serve(request: web.Request) -> web.Response:
        if request.method == "POST":
            posted.append(request.path)
        data = versions if request.path == "/v" else {"version": "2.2.1", "endpoints": details}
        text = json.dumps(data).replace("URL", str(request.url.origin()))
        return web.Response(body=success(text.encode()), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    async with TestServer(app) as server:
        partner = OcpiPartner(OcpiConfig("emsp", "http://bridge.invalid/ocpi", (OurRole("DE", "ABC"),), token_for_us=TOKEN_A,
                                         versions_url=str(server.make_url("/v")), register_at_start=False,
                                         requires=frozenset({("cdrs", "RECEIVER")})))  # fmt: skip
        with pytest.raises(Declined) as refused:
            await partner.register()
        await partner.close()
    assert refused.value.code == code
    assert posted == []


async def test_a_wrong_token_a_is_not_accepted(world: World) -> None:
    partner = await world.add(versions_url=world.emsp.url + "/ocpi/versions", token_for_us=THEIRS)
    with pytest.raises(Unreachable, match="our credentials are not accepted"):
        await partner.register()
    assert partner.registration.state == PartnerCredentials()


async def test_we_change_tokens_and_end_the_registration(world: World) -> None:
    partner = await world.connect()
    before = partner.registration.state
    await partner.registration.renew()
    after = partner.registration.state
    assert after.ours != before.ours
    assert after.theirs != before.theirs
    assert (world.emsp.theirs, world.emsp.ours[-1]) == (after.ours, after.theirs)
    assert before.ours is not None
    assert after.ours is not None
    assert (await get(world, before.ours))[0] == 200  # good until the new one is used
    assert (await get(world, after.ours))[0] == 200
    assert (await get(world, before.ours))[0] == 401
    await partner.registration.unregister()
    assert not partner.registration.state.registered
    assert not world.emsp.registered
    assert (await get(world, after.ours))[0] == 401
    with pytest.raises(Declined, match="not registered"):
        await partner.registration.renew()
    assert world.rejected == []


async def test_registration_is_tried_until_the_partner_is_there(world: World) -> None:
    world.emsp.trouble = Faults(status=503, retry_after=0.01, count=1)
    await world.add(versions_url=world.emsp.url + "/ocpi/versions", token_for_us=TOKEN_A, register_at_start=True)
    await world.emsp.wait(lambda: world.emsp.registered)
    assert world.rejected == []


async def test_a_registration_that_is_refused_is_not_tried_again(world: World) -> None:
    partner = await world.add(versions_url=world.emsp.url + "/ocpi/versions", token_for_us=TOKEN_A, register_at_start=True,
                              requires=frozenset({("hubclientinfo", "SENDER")}))  # fmt: skip
    assert partner._registering is not None
    await asyncio.wait_for(partner._registering, 10)
    assert not world.emsp.registered


# --- the partner registers


async def test_a_partner_registers_with_us(world: World) -> None:
    partner = await world.add(token_for_them=THEIRS)
    assert await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS}) == {"registered": True}
    state = partner.registration.state
    assert state.registered
    assert (world.emsp.theirs, world.emsp.ours) == (state.ours, [state.theirs])
    assert world.rejected == []
    assert [len(batch) async for batch in partner.pull_tokens(None)] == [5]


async def test_a_partner_that_has_registered_is_left_alone_until_it_has_our_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In between it knows neither our token nor our parties, and may refuse for good what it is sent."""
    partner = await world.add(token_for_them=THEIRS, quiet=60.0)
    await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS})
    assert partner.registration.state.registered
    with pytest.raises(Unreachable, match="not registered with this partner yet"):
        await anext(aiter(partner.pull_tokens(None)))
    later = time.monotonic() + 61
    monkeypatch.setattr("bridge.ocpi.credentials.monotonic", lambda: later)
    assert [len(batch) async for batch in partner.pull_tokens(None)] == [5]
    assert world.rejected == []


async def test_a_partner_that_calls_with_its_new_token_has_our_answer(world: World) -> None:
    partner = await world.add(token_for_them=THEIRS, quiet=3600.0)
    await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS})
    ours = partner.registration.state.ours
    assert ours is not None
    assert (await get(world, ours))[0] == 200
    assert [len(batch) async for batch in partner.pull_tokens(None)] == [5]


async def test_token_a_is_good_for_versions_and_credentials_only(world: World) -> None:
    await world.add(token_for_them=THEIRS)
    assert (await get(world, THEIRS))[0] == 200
    assert (await get(world, THEIRS, "/ocpi/2.2.1"))[0] == 200
    status, envelope = await get(world, THEIRS, CREDENTIALS)
    assert (status, envelope["data"]["token"]) == (200, THEIRS)
    for path in (LOCATIONS, "/ocpi/2.2.1/receiver/tokens/DE/EMS/04", "/ocpi/2.2.1/elsewhere"):
        assert (await get(world, THEIRS, path))[0] == 401


async def test_token_a_is_spent_once_the_new_token_is_used(world: World) -> None:
    partner = await world.add(token_for_them=THEIRS)
    await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS})
    assert (await get(world, THEIRS))[0] == 200  # the answer might have been lost
    ours = partner.registration.state.ours
    assert ours is not None
    assert (await get(world, ours))[0] == 200
    assert (await get(world, THEIRS))[0] == 401
    await partner.close()
    await world.add(token_for_them=THEIRS)
    assert (await get(world, THEIRS))[0] == 401  # after a restart as well
    assert (await get(world, ours, CREDENTIALS, "DELETE"))[0] == 200
    assert (await get(world, THEIRS))[0] == 401  # a new registration needs a new token A


async def test_a_registration_whose_answer_was_lost_is_made_again(world: World) -> None:
    partner = await world.add(token_for_them=THEIRS)
    await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS})
    first = partner.registration.state
    await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS})
    assert partner.registration.state.ours != first.ours
    assert partner.registration.state.registered


async def test_405_for_what_does_not_fit_the_state(world: World) -> None:
    partner = await world.add(token_for_them=THEIRS)
    offer = world.emsp.credentials("x" * 20)
    for method in ("PUT", "DELETE"):
        status, envelope = await get(world, THEIRS, CREDENTIALS, method, offer)
        assert (status, envelope["status_code"]) == (405, 2000)
    await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS})
    ours = partner.registration.state.ours
    assert ours is not None
    assert (await get(world, ours, CREDENTIALS, "POST", offer))[0] == 405
    assert partner.registration.state.ours == ours


async def test_put_changes_the_tokens_and_delete_ends_it(world: World) -> None:
    partner = await world.add(token_for_them=THEIRS)
    await world.sim("register", {"url": world.url + "/versions", "token_a": THEIRS})
    ours = partner.registration.state.ours
    assert ours is not None
    world.emsp.ours.append("b2")
    status, envelope = await get(world, ours, CREDENTIALS, "PUT", world.emsp.credentials("b2"))
    assert (status, envelope["status_code"]) == (200, 1000)
    new = envelope["data"]["token"]
    assert (partner.registration.state.theirs, partner.registration.state.ours) == ("b2", new)
    assert (await get(world, ours))[0] == 200
    assert (await get(world, new))[0] == 200
    assert (await get(world, ours))[0] == 401
    assert (await get(world, new, CREDENTIALS, "DELETE"))[0] == 200
    assert not partner.registration.state.registered
    assert (await get(world, new))[0] == 401


@pytest.mark.spec
async def test_our_credentials_are_what_the_specification_allows(world: World) -> None:
    await world.add(token_for_them=THEIRS, roles=(OurRole("DE", "ABC", name="Example", website="https://a.example"), OurRole("DE", "XYZ")))
    data = (await get(world, THEIRS, CREDENTIALS))[1]["data"]
    assert ow.judge()("Credentials", data) == []
    assert [(r["role"], r["party_id"], r["business_details"]["name"]) for r in data["roles"]] == [
        ("CPO", "ABC", "Example"), ("CPO", "XYZ", "DE*XYZ")]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "because"), [
    ({"token": "two words"}, 2001, "token"), ({"token": "x" * 65}, 2001, "token"), ({"token": None}, 2001, "token"),
    ({"url": "ftp://a"}, 2001, "url"), ({"url": "http://127.0.0.1:9/none"}, 3001, "versions"), ({"roles": []}, 2001, "roles"),
    ({"roles": "twice"}, 2001, "twice"), ({"roles": [{"role": "EMSP", "party_id": "OTH", "country_code": "DE"}]}, 2001, "agreed"),
])  # fmt: skip
async def test_credentials_that_cannot_be_taken(world: World, change: dict[str, Any], code: int, because: str) -> None:
    partner = await world.add(token_for_them=THEIRS, parties=frozenset({"DE*EMS"}))
    world.emsp.ours.append("b1")
    offer = world.emsp.credentials("b1") | change
    if offer["roles"] == "twice":
        offer["roles"] = world.emsp.credentials("b1")["roles"] * 2
    status, envelope = await get(world, THEIRS, CREDENTIALS, "POST", offer)
    assert (status, envelope["status_code"]) == (200, code)
    assert because in envelope["status_message"]
    assert not partner.registration.state.registered
    assert (await get(world, THEIRS, CREDENTIALS, "POST", world.emsp.credentials("b1")))[1]["status_code"] == 1000


async def test_a_partner_whose_versions_lack_ours_or_endpoints(world: World) -> None:
    await world.add(token_for_them=THEIRS, requires=frozenset({("hubclientinfo", "SENDER")}))
    world.emsp.ours.append("b1")
    envelope = (await get(world, THEIRS, CREDENTIALS, "POST", world.emsp.credentials("b1")))[1]
    assert (envelope["status_code"], "hubclientinfo" in envelope["status_message"]) == (3003, True)


async def test_both_at_once_is_no_deadlock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # While we wait for the partner's answer to our POST, it registers with us.
    partner = await world.add(versions_url=world.emsp.url + "/ocpi/versions", token_for_us=TOKEN_A, token_for_them=THEIRS)
    crossed: list[Any] = []
    take = partner.registration.client.post_credentials

    async def meanwhile(*args: Any) -> Any:
        world.emsp.ours.append("b1")
        crossed.append(await get(world, THEIRS, CREDENTIALS, "POST", world.emsp.credentials("b1")))
        world.emsp.ours.remove("b1")
        return await take(*args)

    monkeypatch.setattr(partner.registration.client, "post_credentials", meanwhile)
    await asyncio.wait_for(partner.register(), 10)
    ((status, envelope),) = crossed
    assert (status, envelope["status_code"]) == (200, 3000)
    assert partner.registration.state.registered


# --- tokens


async def test_which_token_is_good_for_what() -> None:
    config = OcpiConfig("p", "https://b.example/ocpi", (OurRole("DE", "ABC"),), token_for_them=THEIRS)
    registration = Registration(config, MemoryStore())
    await registration.load()

    def access(token: str) -> Access | None:
        return registration.access(spelled(token))

    assert (access(THEIRS), access("c"), registration.access(None)) == (Access.REGISTER, None, None)
    registration.state = PartnerCredentials(theirs="b", ours="c", previous=("old",), offered="next")
    assert [access(t) for t in ("c", "old", "next", "b", THEIRS)] == [Access.FULL, Access.FULL, Access.FULL, None, Access.REGISTER]
    await registration.used(spelled("old"))
    assert access("old") is Access.FULL
    await registration.used(spelled("c"))
    assert [access(t) for t in ("c", "old", THEIRS)] == [Access.FULL, None, None]


def test_credentials_are_kept_as_json() -> None:
    one = PartnerCredentials(theirs="a", ours="b", previous=("c",), confirmed=True, versions_url="https://x")
    assert PartnerCredentials.from_json(one.to_json()) == one
    assert evolve(one, ours=None).registered is False
    with pytest.raises(ValueError, match="confirmed"):
        PartnerCredentials.from_json(b'{"confirmed": 7}')


def test_the_header_holds_base64() -> None:
    assert base64.b64decode(spelled("a b").removeprefix("Token ")) == b"a b"


async def test_a_token_made_for_an_invitation_is_good_for_registering_until_it_was_used(world: World) -> None:
    partner = await world.add()
    registration = partner.registration
    lost, token = await registration.invite(), await registration.invite()
    assert [registration.access(spelled(t)) for t in (lost, token)] == [None, Access.REGISTER]
    assert (await get(world, token, LOCATIONS))[0] == 401
    await partner.close()
    partner = await world.add()  # after a restart as well
    assert await world.sim("register", {"url": world.url + "/versions", "token_a": token}) == {"registered": True}
    assert (await get(world, token))[0] == 200  # the answer might have been lost
    ours = partner.registration.state.ours
    assert ours is not None
    assert (await get(world, ours))[0] == 200
    assert (await get(world, token))[0] == 401
    assert partner.registration.state.invited is None
    with pytest.raises(Declined, match="already registered"):
        await partner.registration.invite()
    with pytest.raises(Declined, match="already registered"):
        await partner.registration.take("another", world.emsp.url)


async def test_after_the_end_nothing_is_begun_until_somebody_does(world: World) -> None:
    partner = await world.connect()
    await partner.registration.forget()
    assert world.emsp.registered
    assert not partner.registration.can_register
    with pytest.raises(Declined, match="64 printable"):
        await partner.registration.take("two words", world.emsp.url)
    world.emsp.ours, world.emsp.theirs = [], None
    await partner.registration.take(TOKEN_A, world.emsp.url + "/ocpi/versions")
    assert partner.registration.can_register
    await partner.register()
    assert (partner.registration.state.given, partner.registration.state.ended) == (None, False)
