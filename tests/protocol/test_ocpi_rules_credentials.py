"""Rules of credentials and version_information_endpoint, in every version."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.ocpi.credentials import PartnerCredentials, new_token
from bridge.ocpi.envelope import success
from bridge.ocpi.version import BY_NUMBER
from bridge.translate.files import encode
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import LATER, NUMBERS, OURS, Peer, calling, registered
from tests.protocol.ocpi_world import World

THEIRS = "token-a-for-the-operator"


def peer_of(world: World, number: str, token: str = THEIRS) -> Peer:
    return Peer(str(world.bridge.make_url("")).rstrip("/"), number, token)


def credentials(peer: Peer) -> str:
    return f"{peer.version}/credentials"


@pytest.mark.parametrize("number", NUMBERS)
async def test_token_a_opens_versions_and_credentials_only(number: str) -> None:
    async with ow.world(version=number) as world:
        await world.add(token_for_them=THEIRS)
        peer = peer_of(world, number)
        for path in (world.ours, peer.version, credentials(peer)):
            assert (await peer("GET", path)).both == (200, 1000)
        for module in ("locations", "sessions", "cdrs", "tariffs"):
            assert (await peer("GET", peer.at(module))).both == (401, 2000)
        assert (await peer("PUT", peer.token_url, peer.card())).both == (401, 2000)
        assert (await peer("POST", peer.at("commands", "START_SESSION"), {})).both == (401, 2000)


@pytest.mark.parametrize("number", NUMBERS)
async def test_the_partners_versions_are_fetched_with_token_b_before_it_gets_token_c(number: str) -> None:
    async with ow.world(version=number) as world:
        partner = await world.add(token_for_them=THEIRS)
        peer = peer_of(world, number)
        world.emsp.ours.append("b1")
        said = await peer("POST", credentials(peer), world.emsp.credentials("b1"))
        assert said.both == (200, 1000)
        asked = [(h.method, h.path) for h in world.heard if h.headers["Authorization"] == peer.spelled("b1")]
        assert asked == [("GET", world.emsp.versions_path), ("GET", world.emsp.path)]
        token_c = said.data["token"]
        assert partner.registration.state.ours == token_c not in (THEIRS, "b1")
        assert (await peer_of(world, number, token_c)("GET", peer.at("locations"))).both == (200, 1000)
        assert (await peer("GET", world.ours)).status == 401  # token A is over once token C is used


@pytest.mark.parametrize("number", NUMBERS)
async def test_405_for_what_does_not_fit_the_state_in_each_version(number: str) -> None:
    async with ow.world(version=number) as world:
        await world.add(token_for_them=THEIRS)
        peer = peer_of(world, number)
        world.emsp.ours.append("b1")
        offer = world.emsp.credentials("b1")
        for method in ("PUT", "DELETE"):
            assert (await peer(method, credentials(peer), offer)).both == (405, 2000)
        token_c = (await peer("POST", credentials(peer), offer)).data["token"]
        full = peer_of(world, number, token_c)
        assert (await full("POST", credentials(peer), offer)).both == (405, 2000)
        changed = await full("PUT", credentials(peer), offer)
        assert changed.both == (200, 1000)
        assert changed.data["token"] != token_c
        last = peer_of(world, number, changed.data["token"])
        assert (await last("DELETE", credentials(peer))).both == (200, 1000)
        assert (await last("GET", peer.version)).both == (401, 2000)


def offering(versions: Any, endpoints: Any) -> web.Application:
    """A partner with these versions and endpoints, whatever it is asked for."""

    async def serve(request: web.Request) -> web.Response:
        root = str(request.url.origin())
        data = [{"version": v, "url": f"{root}/{v}"} for v in versions]
        details = {"version": request.path.strip("/"), "endpoints": endpoints}
        return web.Response(body=success(encode(data if request.path == "/v" else details)), content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    return app


@pytest.mark.parametrize("number", NUMBERS)
async def test_3001_3002_and_3003_to_a_partner_whose_api_is_of_no_use(number: str) -> None:
    cdrs = {"identifier": "cdrs", "url": "http://a.example/cdrs", "role": "RECEIVER"}
    async with ow.world(version=number) as world, TestServer(offering(["1.0"], [])) as old, TestServer(offering([number], [cdrs])) as few:
        partner = await world.add(token_for_them=THEIRS)
        peer = peer_of(world, number)
        for url, code in (("http://127.0.0.1:9/v", 3001), (str(old.make_url("/v")), 3002), (str(few.make_url("/v")), 3003)):
            said = await peer("POST", credentials(peer), world.emsp.credentials("b1") | {"url": url})
            assert said.both == (200, code), said.body
            assert not partner.registration.state.registered


@pytest.mark.parametrize("role", ["SENDER", "RECEIVER"])
async def test_the_role_of_the_credentials_endpoint_says_nothing(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.simulate import emsp_receivers

    monkeypatch.setattr(emsp_receivers, "OFFERS", (("credentials", role), *emsp_receivers.OFFERS[1:]))
    for number in LATER:
        async with ow.world(version=number) as world:
            assert (await world.connect()).registration.state.registered


def test_our_tokens_are_credentials_tokens() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[\x21-\x7e]{1,64}", token) for token in made)


@pytest.mark.parametrize("number", LATER)
async def test_a_role_of_a_party_comes_once(number: str) -> None:
    async with ow.world(version=number) as world:
        await world.add(token_for_them=THEIRS)
        peer = peer_of(world, number)
        world.emsp.ours.append("b1")
        offer = world.emsp.credentials("b1")
        twice = offer["roles"] + [offer["roles"][0] | {"party_id": "ems", "business_details": {"name": "Another"}}]
        said = await peer("POST", credentials(peer), offer | {"roles": twice})
        assert said.both == (200, 2001)
        several = [offer["roles"][0], offer["roles"][0] | {"party_id": "OTH"}, offer["roles"][0] | {"role": "NSP"}]
        assert (await peer("POST", credentials(peer), offer | {"roles": several})).both == (200, 1000)


async def test_roles_of_ours_are_told_as_the_version_knows_them() -> None:
    for number in NUMBERS:
        async with calling(number) as (_, peer):
            told = (await peer("GET", credentials(peer))).data
        one = {"country_code": "DE", "party_id": "ABC", "business_details": {"name": "Example Charging"}}
        owner = one if peer.older else {"roles": [one | {"role": "CPO"}]}
        assert told == {"token": OURS, "url": told["url"]} | owner
        assert told["url"].endswith("/ocpi/cpo/versions" if peer.older else "/ocpi/versions")


# --- versions


async def test_both_endpoints_of_versions_are_there_in_each_version() -> None:
    for number in NUMBERS:
        async with calling(number) as (world, peer):
            listed = (await peer("GET", world.ours)).data
            url = next(v["url"] for v in listed if v["version"] == number)
            details = (await peer("GET", url)).data
            assert details["version"] == number
            roles = {e.get("role") for e in details["endpoints"]}
            assert roles == ({None} if peer.older else {"SENDER", "RECEIVER"})
            pairs = [(e["identifier"], e.get("role")) for e in details["endpoints"]]
            assert len(set(pairs)) == len(pairs)
            assert all(e["url"].startswith("http") and len(e["url"]) <= 255 for e in details["endpoints"])


# --- a hub


async def test_a_hub_is_a_role_in_2_2_1_and_a_party_in_2_3_0() -> None:
    hub = {"role": "HUB", "country_code": "NL", "party_id": "HUB", "business_details": {"name": "Hub"}}
    emsp = {"role": "EMSP", "country_code": "DE", "party_id": "EMS", "business_details": {"name": "E"}}
    for number, offer in (("2.2.1", {"roles": [hub]}), ("2.3.0", {"roles": [emsp], "hub_party_id": "NLHUB"})):
        async with ow.world(version=number) as world:
            partner = await world.add(token_for_them=THEIRS, hub=True)
            peer = peer_of(world, number)
            world.emsp.ours.append("b1")
            said = await peer("POST", credentials(peer), world.emsp.credentials("b1") | offer)
            assert said.both == (200, 1000)
            assert partner.registration.peer().party == ("NL", "HUB")
            token = said.data["token"]
            foreign = Peer(peer.root, number, token)
            card = foreign.card(country_code="FR", party_id="XYZ")
            assert (await foreign("PUT", foreign.at("tokens", "FR", "XYZ", "04A1B2C3"), card)).both == (201, 1000)


async def test_who_has_registered_in_a_version_is_spoken_to_in_it_after_a_restart() -> None:
    for number in NUMBERS:
        async with calling(number) as (world, _):
            assert world.partner.version is BY_NUMBER[number]
            assert PartnerCredentials.from_json(registered(number).to_json()) == world.partner.registration.state
