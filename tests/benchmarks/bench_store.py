"""The store under load: finding a token while somebody writes, and delivering CDRs that must not be lost.

``token-lookup``: 1,000,000 tokens in a ``SqliteStore``. A process of its own looks tokens up by uid (half of them known)
through ``SqliteStore.tokens``, first alone, then while another process commits one token per transaction as fast as it
can; the 99th percentile of the second over that of the first. The rounds are interleaved; the figure is their median. The
two processes are kept to processors of their own where there are two: otherwise the figure is the scheduler's (a reader
that is preempted thousands of times a second), not the store's.

``outbox-sqlite``: 3,000 CDRs of ended sessions, each posted by a dispatcher to a receiver in another process and
acknowledged in the store (claimed, sent once, settled with its history), over posting the same bytes from memory with the
same client and 16 requests on their way: CDRs per second, so more is better. Both in turn, five times; the median.

``python -m tests.benchmarks.bench_store`` shows every round.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, Final

import orjson
from aiohttp import web

from bridge.roaming.deliver import Dispatcher
from bridge.roaming.ports import Delivered, Encoded, Job, Kind, Outcome, Retry
from bridge.roaming.storage import CdrRow, Outbound, SessionRow, TokenRow
from bridge.store.sqlite import SqliteStore
from bridge.transport.http import HttpClient

TOKENS: Final = 1_000_000
CDRS: Final = 3_000
IN_FLIGHT: Final = 16
ROUNDS: Final = 5
LOOKUP_SECONDS: Final = 2.0
BORN: Final = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

# --- helpers in processes of their own --------------------------------------------------------------------------------


@contextmanager
def helper(role: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of this module that answers a line for a line."""
    process = subprocess.Popen([sys.executable, "-m", __spec__.name, role, *arguments], text=True, bufsize=1,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(30)


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Send it a line."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    """The next line it says."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the helper has died"
    return line.strip()


# --- token-lookup -----------------------------------------------------------------------------------------------------


def token(number: int) -> TokenRow:
    """A token as an eMSP's list has it (about 400 bytes)."""
    uid = f"04{number * 2654435761 % 2**48:012X}"
    body = orjson.dumps({
        "party": "DE-EMS", "uid": uid, "kind": "RFID", "contract_id": f"DE-EMS-C{number:08}-X", "visual_number": f"DF000-{number:08}-8",
        "issuer": "Example Mobility", "group_id": f"DE-EMS-G{number // 3:08}", "valid": True, "whitelist": "ALLOWED", "language": "de",
        "energy_contract": {"supplier_name": "Stadtwerke Beispiel", "contract_id": f"E{number:010}"},
        "last_updated": "2026-02-11T09:30:00Z"})  # fmt: skip
    return TokenRow(uid, "RFID", "emsp", f"DE-EMS-C{number:08}-X", True, "ALLOWED", None, body)


async def fill(path: Path, count: int) -> None:
    """A store with so many tokens."""
    store = SqliteStore(path)
    store.open()
    for first in range(0, count, 20_000):
        await store.save_tokens("emsp", [token(n) for n in range(first, min(first + 20_000, count))])
    found, _ = store.token_counts("emsp")
    assert found == count, "every token is stored"
    store.close()


def apart(number: int) -> None:
    """Keep this process to one processor, so that reader and writer have one each."""
    if hasattr(os, "sched_setaffinity") and len(mine := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, {mine[number]})


def read(path: str) -> None:
    """The reading process: for each line (seconds) the p50 and p99 of lookups in microseconds."""
    apart(0)
    store = SqliteStore(path)
    store.db.open()
    chance = random.Random(7)
    for line in sys.stdin:
        took: list[int] = []
        hits = 0
        end = time.perf_counter() + float(line)
        while time.perf_counter() < end:
            for uid in [token(chance.randrange(2 * TOKENS)).uid for _ in range(500)]:
                begin = time.perf_counter_ns()
                found = store.tokens(uid)
                took.append(time.perf_counter_ns() - begin)
                hits += len(found)
        assert 0.4 < hits / len(took) < 0.6, "half of them are known"
        took.sort()
        print(took[len(took) // 2] / 1000, took[len(took) * 99 // 100] / 1000, len(took), flush=True)  # noqa: T201
    store.close()


def write(path: str) -> None:
    """The writing process: for each line (seconds) commits one token per transaction; tells how many."""
    apart(1)

    async def run() -> None:
        store = SqliteStore(path)
        store.db.open()
        number = 0
        for line in sys.stdin:
            end, before = time.perf_counter() + float(line), number
            while time.perf_counter() < end:
                number += 1
                row = token(number % TOKENS)
                await store.save_tokens(
                    "emsp", [TokenRow(row.uid, row.kind, "", row.contract, True, "NEVER", None, row.body + b" " * (number % 7))]
                )
            print(number - before, flush=True)  # noqa: T201
        store.close()

    asyncio.run(run())


def lookups(rounds: int = ROUNDS) -> list[tuple[float, float, int]]:
    """The p99 alone, the p99 beside a writer (both in microseconds), and how often the writer committed, per round."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        asyncio.run(fill(path, TOKENS))
        with helper("read", str(path)) as reader, helper("write", str(path)) as writer:
            tell(reader, "2")  # warm
            heard(reader)
            for _ in range(rounds):
                tell(reader, str(LOOKUP_SECONDS))
                alone = float(heard(reader).split()[1])
                tell(writer, str(LOOKUP_SECONDS + 0.5))
                time.sleep(0.2)
                tell(reader, str(LOOKUP_SECONDS))
                beside = float(heard(reader).split()[1])
                commits = int(heard(writer))
                assert commits > 100, "the writer writes"
                found.append((alone, beside, commits))
    return found


def token_lookup() -> float:
    """The p99 beside a writer over the p99 alone."""
    return median(beside / alone for alone, beside, _ in lookups())


# --- outbox-sqlite ----------------------------------------------------------------------------------------------------


def receive() -> None:
    """The receiving process: an eMSP's CDR receiver that reads the body and answers with a Location."""
    seen: set[str] = set()

    async def cdr(request: web.Request) -> web.Response:
        found = orjson.loads(await request.read())
        seen.add(found["id"])
        return web.json_response({"status_code": 1000}, headers={"Location": f"/cdrs/{found['id']}"})

    async def count(request: web.Request) -> web.Response:
        return web.json_response(len(seen))

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.post("/cdrs", cdr), web.get("/count", count)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)  # noqa: T201
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()

    asyncio.run(run())


def cdr(ident: str) -> bytes:
    """An OCPI 2.2.1 CDR of four periods (about 1.9 KB)."""
    period = {"dimensions": [{"type": "ENERGY", "volume": 4.25}, {"type": "TIME", "volume": 0.25}], "tariff_id": "STANDARD"}
    price = {"excl_vat": 8.68, "incl_vat": 10.33}
    return orjson.dumps({
        "country_code": "DE", "party_id": "ABC", "id": ident, "start_date_time": "2026-03-01T08:00:00Z",
        "end_date_time": "2026-03-01T09:00:00Z", "session_id": ident, "auth_method": "WHITELIST", "currency": "EUR",
        "cdr_token": {"country_code": "DE", "party_id": "EMS", "uid": "04A1B2C3D4E5F6", "type": "RFID", "contract_id": "DE-EMS-C1-X"},
        "cdr_location": {"id": "LOC1", "name": "Example Square", "address": "Example Street 1", "city": "Berlin", "postal_code": "10115",
                         "country": "DEU", "coordinates": {"latitude": "52.520008", "longitude": "13.404954"}, "evse_uid": "UID1",
                         "evse_id": "DE*ABC*E1001*1", "connector_id": "1", "connector_standard": "IEC_62196_T2",
                         "connector_format": "SOCKET", "connector_power_type": "AC_3_PHASE"},
        "tariffs": [{"country_code": "DE", "party_id": "ABC", "id": "STANDARD", "currency": "EUR", "elements": [{"price_components": [
            {"type": "ENERGY", "price": 0.49, "vat": 19.0, "step_size": 1}, {"type": "FLAT", "price": 0.35, "vat": 19.0, "step_size": 1}]}],
            "last_updated": "2026-01-15T09:00:00Z"}],
        "charging_periods": [{"start_date_time": f"2026-03-01T08:{q * 15:02}:00Z", **period} for q in range(4)],
        "total_cost": price, "total_energy_cost": price, "total_energy": 17.0, "total_time": 1.0, "last_updated": "2026-03-01T09:00:05Z",
    })  # fmt: skip


class Poster:
    """The least that a partner is: it posts every job's bytes, 16 at a time."""

    name = "emsp"
    format = "ocpi-2.2.1"
    kinds = frozenset(Kind)

    def __init__(self, port: int) -> None:
        self.http = HttpClient(f"http://127.0.0.1:{port}", connections=IN_FLIGHT)
        self.room = asyncio.Semaphore(IN_FLIGHT)

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        """Not needed here."""
        raise NotImplementedError

    async def open(self) -> None:
        """Open the connections."""
        await self.http.open()

    async def close(self) -> None:
        """Close them."""
        await self.http.close()

    async def post(self, body: bytes) -> Outcome:
        """One CDR."""
        async with self.room:
            answer = await self.http.request("POST", "/cdrs", body=body, headers={"Content-Type": "application/json"})
        return Delivered(answer.headers["Location"]) if answer.status == 200 else Retry(f"HTTP {answer.status}")

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """All of them."""
        return await asyncio.gather(*(self.post(job.body) for job in jobs))


async def ended(store: SqliteStore, bodies: dict[str, bytes]) -> None:
    """Sessions that have ended, their CDRs waiting in the outbox."""

    async def one(number: int, ident: str, body: bytes) -> None:
        row = SessionRow(ident, 0, "CP1", 1, "DE*ABC*E1001*1", "LOC1", "example", "emsp", "04A1B2C3D4E5F6", None, {"how": "own"}, False,
                         BORN, number, None, None, None, Decimal(0), "active")  # fmt: skip
        opened, _ = await store.open_session(row, None, ())
        made = CdrRow(ident, ident, "emsp", "example", False, body, "8.68", "EUR", "17.0", "waiting", [], BORN)
        await store.close_session(opened, (), made, [Outbound("emsp", Kind.CDR, ident, ident, body, {"id": ident, "cdr": ident})])

    await asyncio.gather(*(one(number, ident, body) for number, (ident, body) in enumerate(bodies.items())))


@asynccontextmanager
async def posting(port: int) -> AsyncIterator[Poster]:
    """A partner with open connections."""
    partner = Poster(port)
    await partner.open()
    try:
        yield partner
    finally:
        await partner.close()


async def from_memory(port: int, bodies: Sequence[bytes]) -> float:
    """CDRs per second without a store."""
    async with posting(port) as partner:
        left = iter(bodies)

        async def worker() -> None:
            for body in left:
                await partner.post(body)

        begin = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return len(bodies) / (time.perf_counter() - begin)


async def from_store(port: int, bodies: dict[str, bytes], path: Path) -> float:
    """CDRs per second out of the outbox, until the last is acknowledged in the store."""
    store = SqliteStore(path)
    store.open()
    await ended(store, bodies)
    left = len(bodies)
    done = asyncio.Event()

    def settled(job: Job, outcome: Outcome) -> None:
        nonlocal left
        assert isinstance(outcome, Delivered), outcome
        left -= 1
        if left == 0:
            done.set()

    async with posting(port) as partner:
        dispatcher = Dispatcher(store, partner, settled)
        begin = time.perf_counter()
        dispatcher.start()
        await done.wait()
        took = time.perf_counter() - begin
        await dispatcher.stop()
    states = {(c.state, c.sent) for c in store.cdrs()}
    assert states == {("acknowledged", 1)}, f"every CDR was sent once and is acknowledged: {states}"
    assert store.next_due("emsp") is None, "the outbox is empty"
    store.close()
    return len(bodies) / took


def deliveries(rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """CDRs per second out of the store and from memory, per round."""
    found = []
    with tempfile.TemporaryDirectory() as folder, helper("receive") as receiver:
        port = int(heard(receiver))
        warm = [cdr(f"warm-{n}") for n in range(200)]
        asyncio.run(from_memory(port, warm))
        for number in range(rounds):
            bodies = {ident: cdr(ident) for ident in (f"{number}-{n:05}" for n in range(CDRS))}
            limit = asyncio.run(from_memory(port, list(bodies.values())))
            ours = asyncio.run(from_store(port, bodies, Path(folder) / f"{number}.sqlite"))
            found.append((ours, limit))
    return found


def outbox_sqlite() -> float:
    """CDRs per second out of the store over those from memory."""
    return median(ours / limit for ours, limit in deliveries())


BENCHES: Final = [("token-lookup", 2.0, token_lookup), ("outbox-sqlite", 0.5, outbox_sqlite, "min")]


def main(role: str = "", *arguments: str) -> None:
    """A helper process, or every round."""
    if role:
        roles: dict[str, Callable[..., None]] = {"read": read, "write": write, "receive": receive}
        roles[role](*arguments)
        return
    for ours, limit in deliveries():
        print(f"outbox-sqlite {ours:.0f} CDR/s, from memory {limit:.0f}: {ours / limit:.2f}")  # noqa: T201
    for alone, beside, commits in lookups():
        print(f"token-lookup p99 alone {alone:.1f} us, beside {commits} commits {beside:.1f} us: {beside / alone:.2f}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
