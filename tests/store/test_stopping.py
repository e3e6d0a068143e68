"""A dispatcher that stops, or is told to wait, with a batch under way and the next one claimed ahead.

What was not tried waits again as if it had not been claimed; what was sent is settled; nothing is sent twice or lost.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bridge.roaming import deliver
from bridge.roaming.deliver import Dispatcher
from bridge.roaming.ports import Delivered, Job, Kind, Op, Outcome, Retry
from bridge.store import outbox
from bridge.store.sqlite import SqliteStore

P = "p"
BATCH = 5
MANY = 17
"""CDRs: three full batches and a part of one."""


class Partner:
    """Takes CDRs once it is let."""

    name = P

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.busy = asyncio.Event()
        self.let = asyncio.Event()
        self.says: Callable[[Job], Outcome] = lambda job: Delivered(job.key)

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> list[Outcome]:
        self.busy.set()
        await self.let.wait()
        self.taken.update(job.key for job in jobs)
        return [self.says(job) for job in jobs]


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    monkeypatch.setattr(deliver, "BATCH", BATCH)
    monkeypatch.setattr(deliver, "PAUSE", 0.001)
    made = SqliteStore(tmp_path / "bridge.sqlite", Random(1))
    made.open()

    def cdrs(db: sqlite3.Connection) -> None:
        for n in range(MANY):
            db.execute("INSERT INTO cdr (id, session, partner, test, body, kwh, state, created)"
                       " VALUES (?1, ?1, ?2, 0, X'', '1', 'waiting', '2026-03-02')", (f"C{n:02}", P))  # fmt: skip
            outbox.add(db, P, Kind.CDR, Op.INSERT, f"C{n:02}", b"{}", {"cdr": f"C{n:02}"})

    await made.db.write(cdrs)
    yield made
    made.close()


def states(store: SqliteStore) -> list[tuple[str, int, int]]:
    """Of what is not done: state, attempts, whether it may have been sent."""
    return [(r["state"], r["attempts"], r["uncertain"]) for r in store.db.read.execute("SELECT * FROM outbox ORDER BY id")]


def claimed(store: SqliteStore) -> int:
    return [state for state, _, _ in states(store)].count("taken")


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)


async def begun(store: SqliteStore, partner: Partner) -> Dispatcher:
    """The first batch is at the partner, the second is claimed."""
    dispatcher = Dispatcher(store, partner)  # type: ignore[arg-type]
    dispatcher.start()
    await until(lambda: partner.busy.is_set() and claimed(store) == 2 * BATCH)
    return dispatcher


async def finished(store: SqliteStore, partner: Partner) -> None:
    """Another dispatcher, at the next start, delivers the rest."""
    partner.let.set()
    partner.says = lambda job: Delivered(job.key)
    dispatcher = Dispatcher(store, partner)  # type: ignore[arg-type]
    dispatcher.start()
    await until(lambda: states(store) == [])
    await dispatcher.stop()


def sent(store: SqliteStore) -> dict[str, int]:
    """How often each CDR was sent, by the store's count; all are acknowledged."""
    assert {c.state for c in store.cdrs()} == {"acknowledged"}
    return {c.id: c.sent for c in store.cdrs()}


async def test_what_was_claimed_ahead_waits_again_after_a_stop(store: SqliteStore) -> None:
    partner = Partner()
    dispatcher = await begun(store, partner)
    stopping = asyncio.create_task(dispatcher.stop())
    await asyncio.sleep(0)
    partner.let.set()
    await stopping
    assert sum(partner.taken.values()) == BATCH
    assert states(store) == [("waiting", 0, 0)] * (MANY - BATCH)
    assert [c.state for c in store.cdrs()] == ["acknowledged"] * BATCH + ["waiting"] * (MANY - BATCH)
    await finished(store, partner)
    assert partner.taken == Counter({f"C{n:02}": 1 for n in range(MANY)})
    assert set(sent(store).values()) == {1}


async def test_a_partner_that_does_not_end_leaves_only_its_own_batch_in_doubt(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "GRACE", 0.01)
    partner = Partner()
    await (await begun(store, partner)).stop()
    assert states(store) == [("taken", 1, 0)] * BATCH + [("waiting", 0, 0)] * (MANY - BATCH)
    await store.db.write(outbox.release_all)  # the next start
    assert states(store) == [("waiting", 1, 1)] * BATCH + [("waiting", 0, 0)] * (MANY - BATCH)
    assert [c.state for c in store.cdrs()] == ["uncertain"] * BATCH + ["waiting"] * (MANY - BATCH)
    await finished(store, partner)
    assert partner.taken == Counter({f"C{n:02}": 1 for n in range(MANY)})
    assert sent(store) == {f"C{n:02}": 2 if n < BATCH else 1 for n in range(MANY)}


@pytest.mark.parametrize("first", [True, False])
async def test_it_stops_while_work_is_being_claimed(store: SqliteStore, monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    """The claim is committed, and its caller is gone before it hears of it."""
    monkeypatch.setattr(deliver, "GRACE", 0.01)
    claim, calls, let = store.claim, Counter[str](), asyncio.Event()

    async def slow(partner: str, most: int) -> list[Job]:
        jobs = await claim(partner, most)
        calls["claim"] += 1
        if calls["claim"] == (1 if first else 2):
            await let.wait()
        return jobs

    monkeypatch.setattr(store, "claim", slow)
    partner = Partner()
    dispatcher = Dispatcher(store, partner)  # type: ignore[arg-type]
    dispatcher.start()
    await until(lambda: calls["claim"] == (1 if first else 2))
    stopping = asyncio.create_task(dispatcher.stop())
    asyncio.get_running_loop().call_later(0.05, let.set)
    await stopping
    tried = 0 if first else BATCH
    assert states(store) == [("taken", 1, 0)] * tried + [("waiting", 0, 0)] * (MANY - tried)


async def test_it_stops_while_outcomes_are_recorded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches were sent: the outcomes of neither may be lost, or their CDRs would be sent again."""
    monkeypatch.setattr(deliver, "GRACE", 0.01)
    settle, let = store.settle, asyncio.Event()

    async def slow(results: Sequence[Any]) -> None:
        await let.wait()
        await settle(results)

    monkeypatch.setattr(store, "settle", slow)
    partner = Partner()
    partner.let.set()
    dispatcher = Dispatcher(store, partner)  # type: ignore[arg-type]
    dispatcher.start()
    await until(lambda: sum(partner.taken.values()) == 2 * BATCH)
    stopping = asyncio.create_task(dispatcher.stop())
    asyncio.get_running_loop().call_later(0.05, let.set)
    await stopping
    assert states(store) == [("waiting", 0, 0)] * (MANY - 2 * BATCH)
    await finished(store, partner)
    assert partner.taken == Counter({f"C{n:02}": 1 for n in range(MANY)})


async def test_a_partner_that_asks_to_wait_is_not_sent_what_was_claimed_ahead(store: SqliteStore) -> None:
    partner = Partner()
    dispatcher = await begun(store, partner)
    partner.says = lambda job: Retry("429", after=300)
    partner.let.set()
    await until(lambda: claimed(store) == 0)
    assert states(store) == [("waiting", 1, 0)] * BATCH + [("waiting", 0, 0)] * (MANY - BATCH)
    assert sum(partner.taken.values()) == BATCH
    await dispatcher.stop()


async def test_a_store_that_cannot_be_written_for_a_moment(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put_back, tries = store.put_back, Counter[str]()

    async def full(jobs: Sequence[Job]) -> None:
        tries["put back"] += 1
        if tries["put back"] < 3:
            raise sqlite3.OperationalError("database or disk is full")
        await put_back(jobs)

    monkeypatch.setattr(store, "put_back", full)
    partner = Partner()
    dispatcher = await begun(store, partner)
    partner.says = lambda job: Retry("429", after=300)
    partner.let.set()
    await until(lambda: claimed(store) == 0)
    assert states(store)[BATCH:] == [("waiting", 0, 0)] * (MANY - BATCH)
    await dispatcher.stop()
