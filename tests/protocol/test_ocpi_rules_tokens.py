"""Rules of mod_tokens and of PUT and PATCH (transport_and_format), in every version, as an operator's Receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.model.token import Allowed, TokenKind
from bridge.ocpi.version import BY_NUMBER
from bridge.roaming.ports import AuthorisationRequest
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import DATED, LATER, NUMBERS, Peer, calling
from tests.protocol.ocpi_world import World


@pytest.fixture(params=NUMBERS)
async def called(request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, Peer]]:
    async with calling(request.param) as made:
        yield made


async def test_put_is_the_whole_object_and_what_it_leaves_out_is_gone(called: tuple[World, Peer]) -> None:
    _, peer = called
    more: dict[str, Any] = {"visual_number": "V-1", "language": "de"}
    more |= {} if peer.older else {"group_id": "G1", "default_profile_type": "GREEN"}
    assert (await peer("PUT", peer.token_url, peer.card(**more))).both == (201, 1000)
    assert (await peer("GET", peer.token_url)).data == peer.card(**more)
    assert (await peer("PUT", peer.token_url, peer.card())).both == (200, 1000)
    assert (await peer("GET", peer.token_url)).data == peer.card()


@pytest.mark.parametrize("field", ["uid", "type", "issuer", "valid", "whitelist", "last_updated"])
async def test_put_without_a_mandatory_field_is_refused_whole(called: tuple[World, Peer], field: str) -> None:
    world, peer = called
    card = peer.card()
    del card[field]
    said = await peer("PUT", peer.token_url, card)
    assert said.both == (200, 2001)
    assert said.json["status_message"].startswith(field)
    assert world.core.held == {}


async def test_patch_changes_what_it_names_and_takes_nothing_away(called: tuple[World, Peer]) -> None:
    _, peer = called
    await peer("PUT", peer.token_url, peer.card(visual_number="V-1", language="de"))
    change = {"whitelist": "NEVER", "visual_number": None, "language": "", "last_updated": DATED}
    assert (await peer("PATCH", peer.token_url, change)).both == (200, 1000)
    changed = peer.card(visual_number="V-1", language="de", whitelist="NEVER", last_updated=DATED)
    assert (await peer("GET", peer.token_url)).data == changed
    assert (await peer("PATCH", peer.token_url, {"last_updated": DATED})).both == (200, 1000)
    assert (await peer("GET", peer.token_url)).data == changed


async def test_patch_needs_last_updated_since_2_2(called: tuple[World, Peer]) -> None:
    _, peer = called
    await peer("PUT", peer.token_url, peer.card())
    said = await peer("PATCH", peer.token_url, {"valid": False})
    assert said.both == (200, 1000 if peer.older else 2001)
    assert (await peer("GET", peer.token_url)).data["valid"] is (not peer.older)


async def test_the_url_and_the_object_say_the_same(called: tuple[World, Peer]) -> None:
    world, peer = called
    await peer("PUT", peer.token_url, peer.card())
    before = dict(world.core.held)
    others = {"uid": "04FF"} | ({} if peer.older else {"country_code": "FR", "party_id": "XYZ"})  # 2.1.1: the URL alone has the owner
    for field, value in others.items():
        assert (await peer("PUT", peer.token_url, peer.card(**{field: value}))).both == (200, 2001)
        assert (await peer("PATCH", peer.token_url, {field: value, "last_updated": DATED})).both == (200, 2001)
    for country, party in (("FR", "EMS"), ("DE", "OTH")):
        assert (await peer("PUT", peer.at("tokens", country, party, "04A1B2C3"), peer.card())).status == 404
    assert world.core.held == before


async def test_identifiers_have_no_case(called: tuple[World, Peer]) -> None:
    _, peer = called
    folded = peer.card() if peer.older else peer.card(country_code="de", party_id="ems")
    assert (await peer("PUT", peer.at("tokens", "de", "eMs", "04a1b2c3"), folded)).both == (201, 1000)
    assert (await peer("GET", peer.token_url)).data == peer.card()


async def test_a_token_is_never_deleted_it_becomes_invalid(called: tuple[World, Peer]) -> None:
    world, peer = called
    await peer("PUT", peer.token_url, peer.card())
    refused = await peer("DELETE", peer.token_url)
    assert (refused.both, refused.headers["Allow"]) == ((405, 2000), "GET, PATCH, PUT")
    await peer("PATCH", peer.token_url, {"valid": False, "last_updated": DATED})
    assert [t.valid for t in world.core.held.values()] == [False]


@pytest.mark.parametrize("number", LATER)
async def test_a_token_is_its_uid_and_its_type_which_is_rfid_where_it_is_not_told(number: str) -> None:
    async with calling(number) as (world, peer):
        kinds = ["RFID", "APP_USER", "AD_HOC_USER", "OTHER", *(["EMAID"] if number == "2.3.0" else [])]
        for kind in kinds:
            assert (await peer("PUT", f"{peer.token_url}?type={kind}", peer.card(type=kind))).both == (201, 1000)
        assert len(world.core.held) == len(kinds)
        assert (await peer("GET", peer.token_url)).data["type"] == "RFID"
        for kind in kinds:
            assert (await peer("GET", f"{peer.token_url}?type={kind}")).data["type"] == kind
        assert (await peer("PATCH", peer.token_url, {"valid": False, "last_updated": DATED})).code == 1000
        assert {t.kind for t in world.core.held.values() if not t.valid} == {TokenKind.RFID}


async def test_before_2_2_a_token_is_its_uid() -> None:
    async with calling("2.1.1") as (_, peer):
        assert (await peer("PUT", peer.token_url, peer.card(type="OTHER"))).both == (201, 1000)
        assert (await peer("GET", peer.token_url)).data["type"] == "OTHER"


# --- authorisation in real time, as the side that asks


@pytest.mark.parametrize("number", NUMBERS)
async def test_asking_in_real_time_in_each_version(number: str) -> None:
    async with ow.world(version=number) as world:
        partner = await world.connect()
        held = list(world.emsp.known.values())[-1]
        said = await partner.authorise(AuthorisationRequest(held["uid"], TokenKind.RFID))
        assert (said.allowed, said.provider) == (Allowed.ALLOWED, "DE*EMS")
        assert (said.reference is None) == (number == "2.1.1")
        unknown = await partner.authorise(AuthorisationRequest("04FFFFFFFFFFFF", TokenKind.RFID))
        assert (unknown.allowed, unknown.token) == (Allowed.NOT_ALLOWED, None)
        last = world.heard[-1]
        assert (last.method, last.path) == ("POST", f"{world.emsp.path}/tokens/04FFFFFFFFFFFF/authorize")
        for verdict in (Allowed.BLOCKED, Allowed.EXPIRED, Allowed.NO_CREDIT, Allowed.NOT_ALLOWED):
            world.emsp.answers[held["uid"], "RFID"] = verdict.value
            assert (await partner.authorise(AuthorisationRequest(held["uid"], TokenKind.RFID))).allowed is verdict
        assert [said for said in world.rejected if "/tokens" in said] == []


def test_types_of_tokens_are_the_versions() -> None:
    for number, beyond in (("2.1.1", set()), ("2.2.1", {"APP_USER", "AD_HOC_USER"}), ("2.3.0", {"APP_USER", "AD_HOC_USER", "EMAID"})):
        assert set(BY_NUMBER[number].token_types.values()) == {"RFID", "OTHER"} | beyond
        assert BY_NUMBER[number].token_types.keys() == set(TokenKind)
