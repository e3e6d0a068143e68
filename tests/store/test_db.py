"""The writer: what was answered is on the disk, a write that fails fails alone, and a full disk is nobody's acknowledgement."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bridge.store.db import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "bridge.sqlite")
    made.open()
    yield made
    made.close()


def put(name: str, value: str = "") -> Any:
    return lambda c: c.execute("INSERT INTO mark VALUES (?, ?)", (name, value)).rowcount


def names(db: Database) -> set[str]:
    return {r["name"] for r in db.read.execute("SELECT name FROM mark")}


class Gate:
    """Holds the writer, so that what is asked for meanwhile is one batch."""

    def __init__(self, db: Database) -> None:
        self._go, self._begun = threading.Event(), threading.Event()
        self.db = db
        self.batches = 0
        commit = db._commit

        def counting(db: sqlite3.Connection, batch: Any) -> None:
            self.batches += 1
            commit(db, batch)

        db._commit = counting  # type: ignore[method-assign]

    def _wait(self, c: sqlite3.Connection) -> None:
        self._begun.set()
        assert self._go.wait(10)

    async def __aenter__(self) -> Gate:
        self._holding = asyncio.ensure_future(self.db.write(self._wait))
        await asyncio.to_thread(self._begun.wait, 10)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._go.set()
        await self._holding


async def test_many_writes_share_a_commit_and_all_are_answered(db: Database) -> None:
    async with Gate(db) as gate:
        writes = [asyncio.ensure_future(db.write(put(f"n{i}"))) for i in range(100)]
        await asyncio.sleep(0)
        assert names(db) == set(), "nothing is seen before it is committed"
    assert await asyncio.gather(*writes) == [1] * 100
    assert gate.batches == 2
    assert names(db) == {f"n{i}" for i in range(100)}


async def test_a_write_that_fails_is_undone_alone(db: Database) -> None:
    def half(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO mark VALUES ('half', '')")
        raise KeyError("no")

    def wrong(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO mark VALUES ('wrong', '')")
        c.execute("INSERT INTO mark VALUES ('wrong', '')")

    async with Gate(db):
        writes = [asyncio.ensure_future(db.write(w)) for w in (put("a"), half, put("b"), wrong, put("c"))]
        await asyncio.sleep(0)
    found = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(f) for f in found] == [int, KeyError, int, sqlite3.IntegrityError, int]
    assert names(db) == {"a", "b", "c"}


async def test_when_the_database_gives_up_the_transaction_everybody_hears_of_it(db: Database) -> None:
    """On some failures SQLite rolls back by itself: what the others of the batch wrote is gone, too."""

    def gives_up(c: sqlite3.Connection) -> None:
        c.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    async with Gate(db):
        writes = [asyncio.ensure_future(db.write(w)) for w in (put("a"), gives_up, put("b"))]
        await asyncio.sleep(0)
    found = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(f, sqlite3.OperationalError) for f in found), found
    assert names(db) == set()
    assert await db.write(put("later")) == 1


async def test_a_full_file_fails_what_does_not_fit_and_keeps_what_does(db: Database) -> None:
    pages = await db.write(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await db.write(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 8}").fetchone())
    stored: set[str] = set()
    failed = 0
    for number in range(40):
        try:
            await db.write(put(f"n{number}", "x" * 3000))
            stored.add(f"n{number}")
        except sqlite3.OperationalError as why:
            assert "full" in str(why)  # noqa: PT017  (how often is what counts)
            failed += 1
    assert 0 < len(stored) < 12
    assert failed == 40 - len(stored)
    assert names(db) == stored
    async with Gate(db):  # SQLite gives up the whole transaction: whoever was in it hears of it
        writes = [asyncio.ensure_future(db.write(w)) for w in (put("small"), put("big", "x" * 90_000))]
        await asyncio.sleep(0)
    found = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(found[1], sqlite3.OperationalError)
    assert ("small" in names(db)) == (found[0] == 1), "what was answered is there, and nothing else"
    await db.write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert await db.write(put("big", "x" * 90_000)) == 1
    assert names(db) - {"small"} == stored | {"big"}


async def test_a_failing_commit_fails_everybody(db: Database) -> None:
    class Full:
        """A connection whose disk is full at the commit."""

        def __init__(self, c: sqlite3.Connection) -> None:
            self.c = c

        def __getattr__(self, name: str) -> Any:
            return getattr(self.c, name)

        def execute(self, sql: str, *values: Any) -> Any:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return self.c.execute(sql, *values)

    commit = db._commit
    db._commit = lambda c, batch: commit(Full(c), batch)  # type: ignore[method-assign, arg-type, assignment]
    found = await asyncio.gather(*(db.write(put(n)) for n in "abc"), return_exceptions=True)
    assert all(isinstance(f, sqlite3.OperationalError) for f in found), found
    assert names(db) == set()
    db._commit = commit  # type: ignore[method-assign]
    assert await db.write(put("a")) == 1


async def test_a_caller_that_has_gone_does_not_stop_the_writer(db: Database) -> None:
    async with Gate(db):
        gone = [asyncio.ensure_future(db.write(put(f"gone{i}"))) for i in range(3)]
        stays = asyncio.ensure_future(db.write(put("stays")))
        await asyncio.sleep(0)
        for one in gone:
            one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone[0]
    assert await stays == 1
    assert await db.write(put("after")) == 1
    assert names(db) == {"stays", "after"}, "what was cancelled before its turn is not written"


async def test_a_caller_that_goes_while_its_write_runs(db: Database) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(c: sqlite3.Connection) -> None:
        c.execute("INSERT INTO mark VALUES ('slow', '')")
        begun.set()
        assert go.wait(10)

    writing = asyncio.ensure_future(db.write(slow))
    await asyncio.to_thread(begun.wait, 10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    go.set()
    assert await db.write(put("after")) == 1
    assert names(db) == {"slow", "after"}


async def test_a_closed_store_says_so_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    db = Database(tmp_path / "bridge.sqlite")
    with pytest.raises(RuntimeError, match="not open"):
        await db.write(put("a"))
    db.open()
    writes = [asyncio.ensure_future(db.write(put(f"n{i}"))) for i in range(50)]
    await asyncio.sleep(0)
    db.close()
    assert await asyncio.gather(*writes) == [1] * 50, "what waited is finished"
    with pytest.raises(RuntimeError, match="not open"):
        db.write_now(put("b"))
    with pytest.raises(RuntimeError, match="not open"):
        _ = db.read
    db.open()
    assert len(names(db)) == 50
    db.close()


def test_the_settings_that_durability_rests_on(db: Database) -> None:
    told = db.write_now(lambda c: [c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "mmap_size")])
    assert told == ["wal", 2, 0]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.read.execute("INSERT INTO mark VALUES ('a', '')")


# --- killed ------------------------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from bridge.store.db import Database

async def main():
    db = Database(Path(sys.argv[1]))
    db.open()
    async def one(worker):
        for number in range(1_000_000):
            name = f"{worker}/{number}"
            def work(c):
                for part in "abc":
                    c.execute("INSERT INTO mark VALUES (?, ?)", (f"{name}/{part}", "x" * 200))
            await db.write(work)
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()
    await asyncio.gather(*(one(w) for w in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
def test_what_was_answered_outlives_a_kill(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "bridge.sqlite"
    chance = Random(seed)
    answered: set[str] = set()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert first, "it writes"
        time.sleep(chance.uniform(0.01, 0.3))  # the moment of the kill, not a wait for anything
        writer.send_signal(signal.SIGKILL)
        told = first + writer.stdout.read()
    # A line that the kill cut off is no answer.
    answered = {line for line in told.splitlines(keepends=True) if line.endswith("\n")}
    db = Database(path)
    db.open()
    try:
        found = names(db)
        whole = {n.rsplit("/", 1)[0] for n in found}
        assert len(answered) > 8
        assert {line.strip() for line in answered} <= whole
        assert found == {f"{n}/{part}" for n in whole for part in "abc"}, "nothing is half-written"
        assert db.read.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        # Beyond what was answered there can be what was under way only: one of each worker.
        assert len(whole - {line.strip() for line in answered}) <= 8
    finally:
        db.close()


LIMITED = """
import asyncio, resource, sqlite3, sys
from pathlib import Path
from bridge.store.db import Database

async def main():
    db = Database(Path(sys.argv[1]))
    db.open()
    size = Path(sys.argv[1] + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200_000, resource.RLIM_INFINITY))
    for number in range(200):
        if number == 150:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        try:
            await db.write(lambda c: c.execute("INSERT INTO mark VALUES (?, ?)", (str(number), "x" * 3000)).rowcount)
            print(number, "stored", flush=True)
        except sqlite3.Error as why:
            print(number, "failed", flush=True)
    db.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_disk_that_really_takes_no_more(tmp_path: Path) -> None:
    """The operating system refuses to let the file grow: what failed is not there, and afterwards it goes on."""
    path = tmp_path / "bridge.sqlite"
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    told = dict(line.split() for line in done.stdout.splitlines())
    assert len(told) == 200
    stored = {n for n, how in told.items() if how == "stored"}
    assert 5 < len(stored) < 195
    assert told["150"] == told["199"] == "stored"
    db = Database(path)
    db.open()
    assert names(db) == stored
    assert db.read.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()


async def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "bridge.sqlite"
    schemas = []
    for number in range(3):
        db = Database(path)
        db.open()
        await db.write(put(f"n{number}"))
        schemas.append([tuple(r) for r in db.read.execute("SELECT name, sql FROM sqlite_master ORDER BY name")])
        assert len(names(db)) == number + 1
        db.close()
    assert schemas[0] == schemas[1] == schemas[2]


async def test_rows_that_nobody_waits_for_are_written_together_before_what_is_asked_for_later(db: Database) -> None:
    written: list[list[str]] = []

    def keep(c: sqlite3.Connection, rows: Any) -> None:
        written.append(list(rows))
        c.executemany("INSERT INTO mark VALUES (?, '')", [(r,) for r in rows])

    db.write_soon(keep, "first")
    db.write_soon(keep, "second")
    seen = await db.write(lambda c: [r["name"] for r in c.execute("SELECT name FROM mark")])
    assert sorted(seen) == ["first", "second"]
    assert written == [["first", "second"]]


async def test_rows_that_nobody_waits_for_come_to_the_disk_by_themselves(db: Database) -> None:
    written = asyncio.Event()
    loop = asyncio.get_running_loop()
    db.write_soon(lambda c, rows: loop.call_soon_threadsafe(written.set), "alone")
    async with asyncio.timeout(5):
        await written.wait()


async def test_rows_that_cannot_be_written_are_told_and_disturb_nobody(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    def fail(c: sqlite3.Connection, rows: Any) -> None:
        raise ValueError("a secret")

    db.write_soon(fail, "row")
    await db.write(put("other"))
    assert names(db) == {"other"}
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_rows_are_written_when_the_store_closes(tmp_path: Path) -> None:
    db = Database(tmp_path / "bridge.sqlite")
    db.open()
    db.write_soon(lambda c, rows: c.executemany("INSERT INTO mark VALUES (?, '')", [(r,) for r in rows]), "last")
    db.close()
    db.open()
    assert names(db) == {"last"}
    db.close()
