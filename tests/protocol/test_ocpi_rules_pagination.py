"""Rules of Pagination (transport_and_format), in every version, on the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.roaming.ports import Kind
from bridge.store.records import text_of
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import NUMBERS, Peer, Said, bridged
from tests.protocol.ocpi_world import canonical
from tests.roaming.roaming_world import World

COUNT = 7


@pytest.fixture(params=NUMBERS)
async def seven(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[World, Peer]]:
    """Seven locations, imported one after the other."""
    async with bridged(tmp_path, request.param, page_limit=3) as (world, peer):
        for count in range(1, COUNT + 1):
            await load(world, count)
        yield world, peer


def name(number: int) -> str:
    return f"LOC{COUNT - number}"  # later ones come first in the alphabet


async def load(world: World, count: int, **changes: dict[str, Any]) -> None:
    places = [ow.location(name(n), **changes.get(name(n), {})) for n in range(count)]
    await world.core.publisher.import_locations("acme", [canonical("location", p) for p in places], groups={}, bound={}, confirmed=True)


def ids(said: Said) -> list[str]:
    return [one["id"] for one in said.data]


async def pages(peer: Peer, url: str) -> list[Said]:
    found, following = [], url
    while following:
        said = await peer("GET", following)
        assert said.both == (200, 1000)
        found.append(said)
        following = said.next or ""
    return found


async def test_pages_link_to_the_next_up_to_the_last_with_the_limit_that_counts(seven: tuple[World, Peer]) -> None:
    _, peer = seven
    found = await pages(peer, peer.at("locations") + "?limit=100")
    assert [ids(page) for page in found] == [[name(n) for n in page] for page in ([0, 1, 2], [3, 4, 5], [6])]
    for page in found:
        assert (page.headers["X-Total-Count"], page.headers["X-Limit"]) == (str(COUNT), "3")
    for number, page in enumerate(found[:-1], 1):
        assert page.next is not None
        assert parse_qs(urlsplit(page.next).query) == {"limit": ["3"], "offset": [str(3 * number)]}
    assert found[-1].next is None


async def test_a_smaller_limit_holds_and_the_most_is_told_all_the_same(seven: tuple[World, Peer]) -> None:
    _, peer = seven
    found = await pages(peer, peer.at("locations") + "?offset=1&limit=2")
    assert [ids(page) for page in found] == [[name(1), name(2)], [name(3), name(4)], [name(5), name(6)]]
    assert {page.headers["X-Limit"] for page in found} == {"3"}
    beyond = await peer("GET", peer.at("locations") + "?offset=100")
    assert (beyond.data, beyond.next, beyond.headers["X-Total-Count"]) == ([], None, str(COUNT))


async def test_the_oldest_comes_first_and_a_change_moves_nothing(seven: tuple[World, Peer]) -> None:
    world, peer = seven
    before = [ident for page in await pages(peer, peer.at("locations")) for ident in ids(page)]
    changed = {name(0): {"name": "Another", "last_updated": "2026-11-05T10:00:00Z"}}
    await load(world, COUNT, **changed)
    found = await pages(peer, peer.at("locations"))
    assert [ident for page in found for ident in ids(page)] == before == [name(n) for n in range(COUNT)]
    assert found[0].data[0]["name"] == "Another"


async def test_from_is_included_and_until_is_not(seven: tuple[World, Peer]) -> None:
    world, peer = seven
    times = [f"2026-11-0{n + 1}T10:00:00Z" for n in range(COUNT)]
    stored = [(text_of(datetime.fromisoformat(at)), name(n)) for n, at in enumerate(times)]
    await world.store.db.write(lambda db: db.executemany("UPDATE published SET changed = ? WHERE source = ?", stored).rowcount)
    said = await peer("GET", peer.at("locations") + f"?date_from={times[1]}&date_to={times[5]}")
    assert (ids(said), said.headers["X-Total-Count"]) == ([name(n) for n in (1, 2, 3)], "4")
    assert said.next is not None
    query = parse_qs(urlsplit(said.next).query)
    assert (query["date_from"], query["date_to"]) == ([times[1]], [times[5]])
    assert ids(await peer("GET", said.next)) == [name(4)]
    assert ids(await peer("GET", peer.at("locations") + f"?date_from={times[6]}")) == [name(6)]
    assert ids(await peer("GET", peer.at("locations") + f"?date_to={times[0]}")) == []


async def test_every_list_takes_the_parameters(seven: tuple[World, Peer]) -> None:
    world, peer = seven
    query = "?date_from=2020-01-01T00:00:00Z&date_to=2100-01-01T00:00:00&offset=0&limit=50"
    counts = {"locations": COUNT, "tariffs": 1, "sessions": 0, "cdrs": 0}
    assert world.store.published("emsp", Kind.TARIFF, "T1")
    for module, count in counts.items():
        said = await peer("GET", peer.at(module) + query)
        assert said.both == (200, 1000)
        assert (said.headers["X-Total-Count"], said.headers["X-Limit"]) == (str(count), "3")
        for wrong in ("limit=0", "limit=a", "offset=-1", "date_to=soon"):
            assert (await peer("GET", peer.at(module) + f"?date_from=2020-01-01T00:00:00Z&{wrong}")).both == (200, 2001)


async def test_only_sessions_demand_date_from(seven: tuple[World, Peer]) -> None:
    _, peer = seven
    for module in ("locations", "tariffs", "sessions", "cdrs"):
        assert (await peer("GET", peer.at(module))).both == (200, 2001 if module == "sessions" else 1000)
