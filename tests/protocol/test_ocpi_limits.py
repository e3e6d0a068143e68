"""How much a partner may ask for: its own limits, and what is refused before any work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.transport.limits import Bucket, WaitingRoom
from tests.protocol.ocpi_rules import NUMBERS, Peer, calling
from tests.protocol.ocpi_world import World
from tests.protocol.test_ocpi_server import OTHERS
from tests.protocol.test_ocpi_server import registered as registered_221


class Clock:
    """A clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = Clock()
    bucket = Bucket(2.0, 3.0, now)
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take() == pytest.approx(0.5)
    assert bucket.take() == pytest.approx(0.5), "what is not given is not taken"
    now.now += 0.5
    assert bucket.take() == 0.0
    now.now += 3600
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take() > 0, "a pause earns one burst, not more"
    bucket.give_back()
    assert bucket.take() == 0.0


def test_a_bucket_without_a_rate_has_no_limit() -> None:
    bucket = Bucket(None, 1.0)
    assert {bucket.take() for _ in range(100)} == {0.0}


async def test_a_waiting_room_has_so_many_places() -> None:
    room = WaitingRoom(2, seconds=0.05)
    assert await asyncio.gather(*(room.wait(1.0) for _ in range(3))) == [True, True, False]
    assert await room.wait(0.0), "a place is free again"


@pytest.fixture(params=NUMBERS)
async def limited(request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, Peer]]:
    async with calling(request.param, requests_per_second=0.2, unknown_tokens_per_minute=2) as (world, peer):
        world.partner.limits._room.seconds = 0.0  # the answer comes at once
        yield world, peer


async def test_beyond_its_requests_a_partner_hears_429_and_when_to_come_back(limited: tuple[World, Peer]) -> None:
    _, peer = limited
    said = [await peer("GET", peer.at("locations")) for _ in range(3)]
    assert [one.status for one in said] == [200, 200, 429]
    assert int(said[2].headers["Retry-After"]) in range(1, 6)
    assert said[2].code == 2000
    assert "data" not in said[2].json
    assert (await peer("PUT", peer.token_url, peer.card())).status == 429


async def test_nothing_of_what_is_refused_is_stored_and_others_notice_nothing() -> None:
    async with calling("2.2.1", requests_per_second=0.1) as (world, peer):
        world.partner.limits._room.seconds = 0.0
        await world.store.save("other", registered_221(OTHERS, "OTH"))
        await world.add("other")
        assert (await peer("GET", peer.at("locations"))).status == 200
        assert (await peer("PUT", peer.token_url, peer.card())).status == 429
        assert world.core.held == {}
        other = Peer(peer.root, "2.2.1", OTHERS)
        assert [(await other("GET", other.at("locations"))).status for _ in range(5)] == [200] * 5


async def test_who_asks_for_token_after_token_finds_none() -> None:
    async with calling("2.2.1", unknown_tokens_per_minute=2) as (world, peer):
        world.partner.limits._room.seconds = 0.0
        asked = [await peer("GET", peer.at("tokens", "DE", "EMS", f"04{n:08X}")) for n in range(4)]
        assert [one.status for one in asked] == [404, 404, 429, 429]
        assert (await peer("PUT", peer.token_url, peer.card())).status == 201, "what is known, or told, is not counted"
        assert (await peer("GET", peer.token_url)).status == 200


async def test_a_body_that_is_too_large_is_not_received() -> None:
    async with calling("2.2.1", body_limit=1000) as (world, peer):
        said = await peer("PUT", peer.token_url, b'{"uid": "' + b"A" * 500_000 + b'"}')
        assert (said.status, said.headers["Connection"]) == (413, "close")
        assert "larger than 1000 bytes" in said.json["status_message"]
        assert world.core.held == {}


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with calling("2.2.1", body_seconds=0.1) as (world, peer):
        host, port = peer.root.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"PUT {peer.token_url} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {peer.spelled()}\r\nContent-Length: 500\r\n\r\n{{"
        writer.write(head.encode())
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"did not come within 0.1 s" in answer
        assert world.core.held == {}
        writer.close()
        await writer.wait_closed()


async def test_a_stranger_is_refused_before_its_body_comes() -> None:
    async with calling("2.2.1") as (_, peer):
        host, port = peer.root.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"PUT {peer.token_url} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Token wrong\r\nContent-Length: 104857600\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b'"status_code":2000' in answer.replace(b" ", b"")
        writer.close()
        await writer.wait_closed()
