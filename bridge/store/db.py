"""One writer with group commit, readers beside it.

Writes are functions over the connection. A thread takes all that wait, runs them, commits once with ``synchronous=FULL``
and only then lets the callers go on: what was answered is on the disk. If one raises, all are undone and run again, each in
a savepoint, so that it is undone alone: a write may therefore run twice, and changes nothing but the database. If the
commit fails (a full disk), every one of them fails and nothing is half-written. A caller that is cancelled before its turn
is not run; one that is cancelled later is committed with the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[sqlite3.Connection], Any]
Caller = asyncio.Future[Any] | Future[Any]
"""Who waits for a write: a coroutine or a thread."""


class _Row(NamedTuple):
    """A write of one row, which ``work`` writes together with others."""

    work: Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
    row: Any

    def __call__(self, db: sqlite3.Connection) -> Any:
        return self.work(db, [self.row])[0]


_MOST = 512


def connect(path: Path | str) -> sqlite3.Connection:
    """A connection with the settings that were measured: WAL, FULL, no memory mapping."""
    db = sqlite3.connect(str(path), timeout=30.0, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA mmap_size = 0")
    db.execute("PRAGMA foreign_keys = ON")
    return db


LINGER = 0.05
"""Seconds that a record which nothing waits for may wait for others, so that they share one commit."""

log = logging.getLogger(__name__)


def _complain(future: Future[Any]) -> None:
    if not future.cancelled() and (why := future.exception()) is not None:
        log.error("a record was not written: %s", type(why).__name__)


def _together(work: Callable[[sqlite3.Connection, Sequence[T]], Any], rows: Sequence[T]) -> Work:
    return lambda db: work(db, rows)


class Database:
    """The store's file. ``write`` from any coroutine; ``read`` at once, in the calling thread."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._queue: queue.SimpleQueue[list[tuple[Work, Caller]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._taking = threading.Lock()
        self._asked: list[tuple[Work, Caller]] = []
        self._handing: asyncio.AbstractEventLoop | None = None
        self._later: dict[Callable[..., Any], list[Any]] = {}
        self._open = False
        self._reader: sqlite3.Connection | None = None

    def open(self) -> None:
        """Create or upgrade the file and start the writer."""
        from bridge.store import schema

        self.path.parent.mkdir(parents=True, exist_ok=True)
        writer = connect(self.path)
        if not schema.is_newest(writer):
            from sqlite_utils import Database as Utils  # slow to import, and not needed at most starts

            schema.migrate(Utils(writer))
        self._reader = connect(self.path)
        self._reader.execute("PRAGMA query_only = ON")
        self._thread = threading.Thread(target=self._run, args=(writer,), name="store-writer", daemon=True)
        self._thread.start()
        self._open = True

    def close(self) -> None:
        """Finish what waits, then stop."""
        if self._thread is not None:
            with self._taking:
                self._open = False
                self._flush()
                self._hand_over()
                self._queue.put(None)
            self._thread.join()
            self._thread = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a transaction; returns its result once it is durable. Raises what it raised, or sqlite3.Error."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._taking:
            self._ask(work, future)
            if self._handing is not loop:  # all that is asked for in one turn of the loop goes together: one wake-up, one commit
                self._handing = loop
                loop.call_soon(self._turn)
        return await future

    def write_row(self, work: Callable[[sqlite3.Connection, Sequence[R]], Sequence[T]], row: R) -> Coroutine[Any, Any, T]:
        """Write a row: ``work`` is run once for all rows that are asked for one after another, and gives a result for each."""
        one: Any = _Row(work, row)
        return self.write(one)

    def write_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same from a thread without an event loop (command line)."""
        future: Future[T] = Future()
        with self._taking:
            self._ask(work, future)
            self._hand_over()
        return future.result()

    def _ask(self, work: Work, caller: Caller) -> None:
        if not self._open:
            raise RuntimeError("the store is not open")
        if self._later:
            self._flush()
        self._asked.append((work, caller))

    def _turn(self) -> None:
        with self._taking:
            self._handing = None
            self._hand_over()

    def _hand_over(self) -> None:
        if self._asked:
            self._queue.put(self._asked)
            self._asked = []

    def write_soon(self, work: Callable[[sqlite3.Connection, Sequence[T]], Any], row: T) -> None:
        """Have ``work`` write a row, together with others like it, before everything that is asked for later.

        It waits up to :data:`LINGER` for company on the way to the disk. From the event loop, for records that explain what
        was done and on which nothing depends: a crash may lose the last moment's. What fails is logged.
        """
        with self._taking:
            if not self._open:
                raise RuntimeError("the store is not open")
            if not self._later:
                asyncio.get_running_loop().call_later(LINGER, self._no_later)
            self._later.setdefault(work, []).append(row)

    def _no_later(self) -> None:
        with self._taking:
            if self._open:
                self._flush()
                self._hand_over()

    def _flush(self) -> None:
        for work, rows in self._later.items():
            future: Future[Any] = Future()
            future.add_done_callback(_complain)
            self._asked.append((_together(work, rows), future))
        self._later.clear()

    @property
    def read(self) -> sqlite3.Connection:
        """The reading connection of the event loop's thread."""
        if self._reader is None:
            raise RuntimeError("the store is not open")
        return self._reader

    def _run(self, db: sqlite3.Connection) -> None:
        stopping = False
        while not stopping:
            batch: list[tuple[Work, Caller]] = []
            item = self._queue.get()
            while True:
                if item is None:
                    stopping = True
                    break
                batch += item
                if len(batch) >= _MOST:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            batch = [(work, caller) for work, caller in batch if _waits(caller)]
            if batch:
                self._commit(db, batch)
            if db.in_transaction:  # not even the rollback worked
                db.close()
                db = connect(self.path)
        db.close()

    def _commit(self, db: sqlite3.Connection, batch: list[tuple[Work, Caller]]) -> None:
        try:
            try:
                answers = _all_at_once(db, batch)
            except Exception:
                if not db.in_transaction:
                    raise  # the database gave up the whole transaction: a full disk, a failing one
                db.execute("ROLLBACK")
                answers = _each_alone(db, batch)
            db.execute("COMMIT")
        except BaseException as why:  # noqa: BLE001  (whatever it is, every caller learns of it, and the writer goes on)
            if db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
            answers = [(caller, None, why) for _, caller in batch]
        _answer(answers)


Answer = tuple[Caller, Any, BaseException | None]


def _all_at_once(db: sqlite3.Connection, batch: list[tuple[Work, Caller]]) -> list[Answer]:
    db.execute("BEGIN IMMEDIATE")
    answers: list[Answer] = []
    for how, group in groupby(batch, lambda one: one[0].work if isinstance(one[0], _Row) else None):
        if how is None:
            answers += [(caller, work(db), None) for work, caller in group]
        else:
            works, callers = zip(*group, strict=True)
            answers += [(caller, result, None) for caller, result in zip(callers, how(db, [one.row for one in works]), strict=True)]
    return answers


def _each_alone(db: sqlite3.Connection, batch: list[tuple[Work, Caller]]) -> list[Answer]:
    answers: list[Answer] = []
    db.execute("BEGIN IMMEDIATE")
    for work, caller in batch:
        db.execute("SAVEPOINT work")
        try:
            answers.append((caller, work(db), None))
        except Exception as why:
            if not db.in_transaction:
                raise
            db.execute("ROLLBACK TO work")
            answers.append((caller, None, why))
        db.execute("RELEASE work")
    return answers


def _waits(caller: Caller) -> bool:
    """Whether a caller still wants its write. What is running can no longer be cancelled: it may go, its result is still set."""
    return caller.set_running_or_notify_cancel() if isinstance(caller, Future) else not caller.cancelled()


def _answer(answers: list[Answer]) -> None:
    """Let the callers go on: those of an event loop in one step, for to wake it is dear."""
    loops: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        caller = answer[0]
        if isinstance(caller, Future):
            _tell([answer])
        else:
            loops.setdefault(caller.get_loop(), []).append(answer)
    for loop, told in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, told)


def _tell(answers: list[Answer]) -> None:
    for caller, result, why in answers:
        if caller.done():
            continue  # it has gone meanwhile
        if why is not None:
            caller.set_exception(why)
        else:
            caller.set_result(result)
