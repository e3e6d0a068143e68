"""What one caller may take: requests, unknown tokens, bodies; what becomes of strangers; and that others are not touched by it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.model.token import Allowed, AuthorizationInfo
from bridge.ocpi.config import OurRole
from bridge.ocpi.envelope import spelled
from bridge.transport import limits
from bridge.transport.limits import Bucket, WaitingRoom
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import OURS, Peer, calling, registered

TOKENS = "/ocpi/2.2.1/receiver/tokens/DE/EMS"
OTHERS = "the-other-partner's-token"
UNSEEN = 100 * 1024 * 1024


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONGEST", 0.1)
    monkeypatch.setattr(limits, "GRACE", 0.05)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


# --- the parts


def test_a_bucket_gives_what_it_holds_and_then_so_many_a_second() -> None:
    clock = Clock()
    bucket = Bucket(4.0, 3, clock)
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0.25, 0.25]
    clock.at += 0.25
    assert [bucket.take() for _ in range(2)] == [0, 0.25]
    clock.at += 0.125
    assert bucket.take() == 0.125
    clock.at += 3600
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.25], "no more than it holds"


def test_what_was_not_needed_comes_back() -> None:
    bucket = Bucket(1.0, 1, Clock())
    assert bucket.take() == 0
    bucket.give_back()
    bucket.give_back()
    assert [bucket.take(), bucket.take()] == [0, 1], "and not twice"


def test_no_rate_is_no_limit() -> None:
    bucket = Bucket(None, 0, Clock())
    assert not any(bucket.take() for _ in range(1000))


async def test_a_waiting_room_holds_only_so_many() -> None:
    room = WaitingRoom(2)
    assert await asyncio.gather(*(room.wait(60) for _ in range(4))) == [True, True, False, False]
    assert await room.wait(0), "who has waited makes room"


# --- a partner's own limits


async def test_beyond_its_requests_a_partner_gets_429_and_the_others_do_not() -> None:
    async with calling("2.2.1", requests_per_second=0.3) as (world, peer):
        await world.store.save("other", registered("2.2.1", "OTH"))
        world.store.kept["other"] = world.store.kept["other"].replace(OURS.encode(), OTHERS.encode())
        await world.add("other")
        said = [await peer("GET", "/ocpi/versions") for _ in range(4)]
        assert [s.status for s in said[:3]] == [200] * 3, "ten seconds' worth at once"
        assert said[3].both == (429, 2000)
        assert int(said[3].headers["Retry-After"]) in (3, 4)
        assert "timestamp" in said[3].json
        assert said[3].headers["X-Request-ID"]
        other = Peer(peer.root, "2.2.1", OTHERS)
        assert (await other("GET", "/ocpi/versions")).status == 200


async def test_what_is_refused_for_its_number_is_not_done() -> None:
    async with calling("2.2.1", requests_per_second=0.1) as (world, peer):
        statuses = [(await peer("PUT", f"{TOKENS}/04A1B2C{n}", peer.card(uid=f"04A1B2C{n}"))).status for n in range(2)]
        assert statuses == [201, 429]
        assert len(world.core.held) == 1


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"valid": False, "last_updated": "2026-11-02T10:00:00Z"})])
async def test_too_many_unknown_tokens_are_429_and_known_ones_go_on(method: str, body: Any) -> None:
    async with calling("2.2.1", unknown_tokens_per_minute=2) as (world, peer):
        assert (await peer("PUT", peer.token_url, peer.card())).status == 201
        said = [await peer(method, f"{TOKENS}/04FFFFF{n}", body) for n in range(3)]
        assert [s.both for s in said] == [(404, 2004), (404, 2004), (429, 2000)]
        assert int(said[2].headers["Retry-After"]) in (29, 30)
        assert (await peer(method, peer.token_url, body)).status == 200
        assert (await peer("PUT", f"{TOKENS}/04A1B2C4", peer.card(uid="04A1B2C4"))).status == 201
        assert len(world.core.held) == 2


async def test_an_upstream_operator_may_not_try_all_cards_but_ask_about_those_that_are_known() -> None:
    class Known:
        """Knows one card, and counts who asks about others."""

        asked = 0

        def knows(self, uid: str) -> bool:
            return uid == "04A1B2C3"

        async def authorise(self, partner: str, question: Any) -> AuthorizationInfo | None:
            if self.knows(question.uid):
                return AuthorizationInfo(Allowed.BLOCKED)
            Known.asked += 1
            await asyncio.sleep(0.02)  # others are asked
            return None

    async with ow.world() as world:
        await world.store.save("emsp", registered("2.2.1"))
        world.core.upstream = Known()
        await world.add(roles=(OurRole("DE", "ABC", "EMSP"),), unknown_tokens_per_minute=3)
        peer = Peer(str(world.bridge.make_url("")).rstrip("/"), "2.2.1")
        url = "/ocpi/2.2.1/sender/tokens/{}/authorize"
        said = await asyncio.gather(*(peer("POST", url.format(f"04FFFFF{n}")) for n in range(6)))
        assert sorted(s.both for s in said) == [(404, 2004)] * 3 + [(429, 2000)] * 3
        assert Known.asked == 3, "nobody is asked beyond"
        known = await peer("POST", url.format("04A1B2C3"))
        assert (known.both, known.data["allowed"]) == ((200, 1000), "BLOCKED")


# --- bodies


class Line:
    """A connection that sends what no HTTP client would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, world: ow.World) -> Line:
        return cls(*await asyncio.open_connection(world.bridge.host, world.bridge.port))

    def send(self, method: str, path: str, body: bytes = b"", token: str = OURS, **headers: str) -> None:
        told = {"Host": "x", "Authorization": spelled(token)} | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and envelope of the next answer."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(body)

    async def ended(self) -> bool:
        """Whether the other side ends the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 5) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
async def served() -> AsyncIterator[tuple[ow.World, Line]]:
    async with calling("2.2.1", body_seconds=0.2) as (world, _):
        line = await Line.to(world)
        yield world, line
        line.close()


@pytest.mark.parametrize(("token", "status"), [(OURS, 413), ("somebody's", 401)])
@pytest.mark.parametrize("how", [{"Content_Length": str(UNSEEN)}, {"Transfer_Encoding": "chunked"}])
async def test_a_hundred_megabytes_are_not_received(served: tuple[ow.World, Line], token: str, status: int, how: dict[str, str]) -> None:
    world, line = served
    line.send("PUT", f"{TOKENS}/04A1B2C3", b"", token, **how)
    piece = b"%x\r\n%b\r\n" % (1 << 16, b" " * (1 << 16)) if "Transfer_Encoding" in how else b" " * (1 << 16)
    sent = 0

    async def feed() -> None:
        nonlocal sent
        while sent < UNSEEN:
            line.writer.write(piece)
            await line.writer.drain()
            sent += len(piece)

    feeding = asyncio.ensure_future(feed())
    found, headers, envelope = await line.answer()
    assert (found, headers["connection"]) == (status, "close")
    assert envelope["status_code"] in (2000, 2001)
    assert await line.ended()
    with pytest.raises(ConnectionError):
        await feeding
    assert sent < UNSEEN / 4, "most of it was never received"
    assert world.core.held == {}


async def test_a_body_that_does_not_come_is_given_up(served: tuple[ow.World, Line]) -> None:
    world, line = served
    line.send("PUT", f"{TOKENS}/04A1B2C3", b'{"uid":', Content_Length="300")
    found, headers, envelope = await line.answer()
    assert (found, headers["connection"], envelope["status_code"]) == (408, "close", 2001)
    assert await line.ended()
    assert world.core.held == {}


async def test_a_caller_is_told_to_send_its_body_only_when_it_will_be_read(served: tuple[ow.World, Line]) -> None:
    world, line = served
    body = json.dumps(Peer("", "2.2.1").card()).encode()
    line.send("PUT", f"{TOKENS}/04A1B2C3", Content_Length=str(len(body)), Expect="100-continue")
    assert await asyncio.wait_for(line.reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    line.writer.write(body)
    assert (await line.answer())[0] == 201
    for token, length, status in ((OURS, UNSEEN, 413), ("somebody's", 10, 401)):
        other = await Line.to(world)
        other.send("PUT", f"{TOKENS}/04A1B2C3", token=token, Content_Length=str(length), Expect="100-continue")
        assert (await other.answer())[0] == status, "without 100 Continue"
        other.close()
    line.send("GET", "/ocpi/versions", Expect="something-else")
    assert (await line.answer())[0] == 200


async def test_a_connection_outlives_a_short_body_that_nobody_reads(served: tuple[ow.World, Line]) -> None:
    _, line = served
    line.send("GET", "/ocpi/versions", b"x" * 100, Content_Length="1000")
    assert (await line.answer())[0] == 200
    line.writer.write(b"x" * 900)
    line.send("GET", "/ocpi/versions")
    assert (await line.answer())[0] == 200


# --- strangers


async def test_many_strangers_wait_leave_no_trace_and_partners_do_not_wait(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LONGEST", 1.0)
    async with calling("2.2.1") as (_, peer):
        stranger = Peer(peer.root, "2.2.1", "somebody's")
        with caplog.at_level(logging.DEBUG, "bridge"):
            asked = [asyncio.ensure_future(stranger("PUT", f"{TOKENS}/04A1B2C3", b"{no json")) for _ in range(70)]
            while sum(one.done() for one in asked) < 50:  # some are answered at once
                await asyncio.sleep(0.01)
            assert not all(one.done() for one in asked), "more have to wait"
            assert (await peer("GET", "/ocpi/versions")).status == 200
            assert not all(one.done() for one in asked), "who is known does not"
            said = await asyncio.gather(*asked)
        assert {s.both for s in said} == {(401, 2000)}
        assert not [r for r in caplog.records if r.name.startswith("bridge")]
