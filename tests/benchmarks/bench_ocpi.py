"""The OCPI server and client under load, against the least that such a program must do.

``ocpi-page``: GET 100 of 5,000 locations (2.2.1), with authentication, what the partner may see, X-Total-Count and Link:
CPU per request of the bridge, over that of a bare aiohttp handler that joins stored bytes out of SQLite. Four connections,
every page in turn; 500 more locations are not for this partner.

``token-sync``: a list of 80,000 tokens (404 bytes each, pages of 1,000) pulled from a peer in another process, read,
checked, mapped and stored durably (``synchronous=FULL``), into an empty store: tokens per second, over a bare
``executemany`` of the same rows into the same table in one transaction. More is better.

``token-put``: 32 connections PUT new tokens, each answered after its commit: requests per second of the bridge, over
those of a bare aiohttp handler that knows the caller, decodes and checks the same token, and forgets it. More is better.

``python -m tests.benchmarks.bench_ocpi`` shows every round.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import orjson

from bridge.store.db import connect
from bridge.store.sqlite import SqliteStore
from tests.benchmarks.bench_hop import ports
from tests.benchmarks.load import cpu_of, driven, request, started
from tests.benchmarks.ocpi_servers import LOCATIONS, NAME, PAGE, TOKENS, configured, driver, registered, token_of

ROUNDS: Final = 5
PAGES: Final = 400
PUTS: Final = 6_000

# --- ocpi-page


def pages_of(path: str) -> Iterator[bytes]:
    """GET requests for every page, again and again."""
    made = [request("GET", f"{path}?limit={PAGE}&offset={offset}", token_of("emsp")) for offset in range(0, LOCATIONS, PAGE)]
    return cycle(made)


def page_rounds(rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """CPU milliseconds per page of the bridge and of the bare handler, per round."""
    peer, our, their = ports(3)
    found = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        least = started(stack, NAME, "bare-page", str(their), folder, str(LOCATIONS))
        ours = started(stack, NAME, "bridge", str(our), str(peer), folder, '["locations", "status"]', str(LOCATIONS))

        def spent(process: Any, port: int, count: int) -> float:
            before = cpu_of(process)
            seen = asyncio.run(driven(port, islice(pages_of("/ocpi/2.2.1/sender/locations"), count), 4))
            assert seen.statuses == {200: count}, seen.statuses
            assert seen.bytes / count > 250_000, "whole pages"
            return (cpu_of(process) - before) * 1000 / count

        for process, port in ((least, their), (ours, our)):
            spent(process, port, 50)
        for _ in range(rounds):
            bare = spent(least, their, PAGES)
            found.append((spent(ours, our, PAGES), bare))
    return found


def ocpi_page() -> float:
    """CPU of the bridge per page over that of the bare handler."""
    return median(ours / least for ours, least in page_rounds())


# --- token-sync


async def synced(folder: Path, peer: int) -> tuple[float, list[tuple[Any, ...]]]:
    """Seconds for the whole list, and the rows that are in the store then."""
    from bridge.app import Bridge, settle

    folder.mkdir()  # noqa: ASYNC240  (a moment, before anything is measured)
    bridge = Bridge(configured(folder, 1, peer, kinds='["tokens"]'))
    bridge.store.open()
    await registered(bridge.store, peer)
    partner: Any = bridge.partners["emsp"]
    await partner.open()
    settle()
    began = time.perf_counter()
    taken = await bridge.core.pull("emsp", partner)
    took = time.perf_counter() - began
    assert taken.stored == TOKENS, taken
    rows = [tuple(r) for r in bridge.store.db.read.execute("SELECT * FROM token WHERE valid = 1 ORDER BY contract")]
    await partner.close()
    bridge.store.close()
    return took, rows


def executed(path: Path, rows: list[tuple[Any, ...]]) -> float:
    """Seconds for a bare executemany of rows into an empty store's table."""
    store = SqliteStore(path)
    store.open()
    store.close()
    db = connect(path)
    db.row_factory = None
    marks = ", ".join("?" * len(rows[0]))
    began = time.perf_counter()
    db.execute("BEGIN IMMEDIATE")
    db.executemany(f"INSERT INTO token VALUES ({marks})", rows)  # noqa: S608  (placeholders)
    db.execute("COMMIT")
    took = time.perf_counter() - began
    assert db.execute("SELECT COUNT(*) FROM token").fetchone()[0] == len(rows)
    db.close()
    return took


def sync_rounds(rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """Tokens per second of the bridge and of a bare executemany, per round."""
    (peer,) = ports(1)
    found = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        started(stack, NAME, "peer", str(peer))
        for number in range(rounds + 1):
            took, rows = asyncio.run(synced(folder / str(number), peer))
            assert len(rows) == TOKENS
            bare = executed(folder / f"{number}.sqlite", rows)
            if number:  # the first is to get warm
                found.append((TOKENS / took, TOKENS / bare))
    return found


def token_sync() -> float:
    """Tokens per second of the bridge over those of a bare executemany."""
    return median(ours / least for ours, least in sync_rounds())


# --- token-put


def puts(first: int, count: int) -> list[bytes]:
    """Requests that put new tokens."""
    made = []
    for number in range(first, first + count):
        one = driver(number)
        path = f"/ocpi/2.2.1/receiver/tokens/DE/EMS/{one['uid']}"
        made.append(request("PUT", path, token_of("emsp"), orjson.dumps(one)))
    return made


def put_rounds(rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """Requests per second of the bridge and of the bare handler, per round."""
    peer, our, their = ports(3)
    found = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        started(stack, NAME, "bare-put", str(their))
        started(stack, NAME, "bridge", str(our), str(peer), folder, '["locations"]')
        first = 0
        for number in range(rounds + 1):
            requests = puts(first, PUTS if number else 500)
            first += len(requests)
            least = asyncio.run(driven(their, requests, 32))
            ours = asyncio.run(driven(our, requests, 32))
            assert set(least.statuses) == {200}
            assert set(ours.statuses) == {201}, ours.statuses
            if number:
                found.append((PUTS / ours.seconds, PUTS / least.seconds))
        with sqlite3.connect(Path(folder) / "bridge.sqlite") as db:
            assert db.execute("SELECT COUNT(*) FROM token").fetchone()[0] == first, "every one is stored"
        db.close()
    return found


def token_put() -> float:
    """Requests per second of the bridge over those of the bare handler."""
    return median(ours / least for ours, least in put_rounds())


BENCHES: Final = [("ocpi-page", 1.5, ocpi_page), ("token-sync", 0.6, token_sync, "min"), ("token-put", 0.5, token_put, "min")]


def main() -> None:
    """Every round."""
    for ours, least in page_rounds():
        print(f"ocpi-page {ours:.3f} ms, bare {least:.3f} ms: {ours / least:.2f}")  # noqa: T201
    for ours, least in sync_rounds():
        print(f"token-sync {ours:.0f} tokens/s, executemany {least:.0f}: {ours / least:.2f}")  # noqa: T201
    for ours, least in put_rounds():
        print(f"token-put {ours:.0f} requests/s, without a database {least:.0f}: {ours / least:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
