"""Rules of Message Routing (transport_and_format), as one platform directly connected to another."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.ocpi.adapter import OurRole
from tests.protocol.ocpi_rules import DATED, LATER, Peer, calling
from tests.protocol.ocpi_world import World

TO = ("OCPI-to-country-code", "OCPI-to-party-id")
FROM = ("OCPI-from-country-code", "OCPI-from-party-id")


def routed(to: tuple[str, str] = ("DE", "ABC"), sender: tuple[str, str] = ("DE", "EMS")) -> dict[str, str]:
    return dict(zip((*TO, *FROM), (*to, *sender), strict=True))


@pytest.fixture(params=LATER)
async def called(request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, Peer]]:
    async with calling(request.param, roles=(OurRole("DE", "ABC"), OurRole("DE", "XYZ"))) as made:
        yield made


def functional(peer: Peer) -> list[tuple[str, str, object]]:
    return [("GET", peer.at("locations"), None), ("GET", peer.at("locations", "LOCX"), None), ("GET", peer.at("cdrs"), None),
            ("PUT", peer.token_url, peer.card()), ("PATCH", peer.token_url, {"valid": False, "last_updated": DATED}),
            ("POST", peer.at("commands", "STOP_SESSION"), {"response_url": "file:///x", "session_id": "S"})]  # fmt: skip


async def test_answers_go_back_the_way_the_request_came(called: tuple[World, Peer]) -> None:
    _, peer = called
    for method, path, body in functional(peer):
        said = await peer(method, path, body, headers=routed(("de", "xyz")))
        assert [said.headers.get(name) for name in (*TO, *FROM)] == ["DE", "EMS", "de", "xyz"], path


async def test_a_receiver_that_is_none_of_ours_is_4001(called: tuple[World, Peer]) -> None:
    world, peer = called
    for to in (("DE", "QQQ"), ("FR", "ABC")):
        for method, path, body in functional(peer):
            said = await peer(method, path, body, headers=routed(to))
            assert said.both == (200, 4001)
            assert (said.headers[TO[1]], said.headers[FROM[1]]) == ("EMS", to[1])
    assert world.core.held == {}


async def test_configuration_modules_are_not_routed(called: tuple[World, Peer]) -> None:
    world, peer = called
    for path in (world.ours, peer.version, f"{peer.version}/credentials"):
        said = await peer("GET", path, headers=routed(("DE", "QQQ")))
        assert said.both == (200, 1000)
        assert not [name for name in said.headers if name.lower().startswith("ocpi-")]


async def test_a_direct_connection_does_without(called: tuple[World, Peer]) -> None:
    _, peer = called
    for method, path, body in functional(peer):
        said = await peer(method, path, body)
        assert said.code != 4001
        assert not [name for name in said.headers if name.lower().startswith("ocpi-")]
