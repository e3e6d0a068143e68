"""The outbox: outbound work, committed with the state change that caused it.

One object's jobs go out in order: only the oldest of each (partner, kind, key) is ever claimed. A newer state of the same
object replaces the one that still waits and has not been tried (CDRs are never replaced). What was refused for good is a
dead letter, kept until somebody replays or deletes it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from bridge.roaming.ports import Job, Kind, Op

FIRST_RETRY = 2.0
"""Seconds until the second try; doubled each time, with jitter."""
LAST_RETRY = 900.0
"""The longest wait between two tries, in seconds."""


def now_text() -> str:
    """The moment, as stored."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def add(db: sqlite3.Connection, partner: str, kind: Kind, op: Op, key: str, body: bytes, meta: dict[str, Any],
        source: str = "") -> int:  # fmt: skip
    """Put work into the outbox, in the caller's transaction; returns its number."""
    if kind is not Kind.CDR:
        waiting = db.execute(
            "SELECT id, op FROM outbox WHERE partner = ? AND kind = ? AND key = ? AND state = 'waiting' AND attempts = 0"
            " AND due < 1e15 ORDER BY id DESC LIMIT 1", (partner, kind, key)).fetchone()  # fmt: skip
        if waiting is not None:
            op = Op.INSERT if waiting["op"] == Op.INSERT and op is Op.UPDATE else op
            db.execute("UPDATE outbox SET op = ?, body = ?, meta = ?, created = ? WHERE id = ?",
                       (op, body, json.dumps(meta), now_text(), waiting["id"]))  # fmt: skip
            return int(waiting["id"])
    cursor = db.execute(
        "INSERT INTO outbox (partner, kind, op, key, source, body, meta, created, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (partner, kind, op, key, source, body, json.dumps(meta), now_text(), time.time()))  # fmt: skip
    return int(cursor.lastrowid or 0)


def claim(db: sqlite3.Connection, partner: str, most: int, now: float | None = None) -> list[Job]:
    """The oldest due job of each object, oldest first; a status waits until the location that it is about has gone out.

    They are marked as taken until they are settled, put back, or the bridge starts again.
    """
    now = time.time() if now is None else now
    rows = db.execute(
        "SELECT * FROM outbox AS job INDEXED BY outbox_next WHERE partner = ? AND state = 'waiting' AND due <= ? AND NOT EXISTS ("
        " SELECT 1 FROM outbox AS older WHERE older.partner = job.partner AND older.kind = job.kind AND older.key = job.key"
        " AND older.state IN ('waiting', 'taken') AND older.id < job.id) AND NOT (job.kind = 'status' AND EXISTS ("
        " SELECT 1 FROM outbox AS place WHERE place.partner = job.partner AND place.kind = 'location' AND place.source = job.source"
        " AND place.state IN ('waiting', 'taken') AND (place.due > ? OR place.state = 'taken'))) ORDER BY id LIMIT ?",
        (partner, now, now, most)).fetchall()  # fmt: skip
    db.execute("UPDATE outbox SET state = 'taken', attempts = attempts + 1 WHERE id IN (SELECT value FROM json_each(?))",
               (json.dumps([r["id"] for r in rows]),))  # fmt: skip
    return [_job(r) for r in rows]


def next_due(db: sqlite3.Connection, partner: str) -> float | None:
    """When the next job of a partner is due (seconds since the epoch), or None."""
    row = db.execute("SELECT MIN(due) AS due FROM outbox WHERE partner = ? AND state = 'waiting'", (partner,)).fetchone()
    return None if row["due"] is None else float(row["due"])


def release_all(db: sqlite3.Connection) -> int:
    """After a restart: what was taken was perhaps sent; it waits again (a CDR as uncertain)."""
    db.execute("UPDATE outbox SET uncertain = 1 WHERE state = 'taken'")
    db.execute("UPDATE cdr SET state = 'uncertain' WHERE state = 'waiting' AND id IN"
               " (SELECT key FROM outbox WHERE kind = 'cdr' AND state = 'taken')")  # fmt: skip
    return db.execute("UPDATE outbox SET state = 'waiting' WHERE state = 'taken'").rowcount


def finish(db: sqlite3.Connection, job: Job) -> None:
    """The job is done."""
    db.execute("DELETE FROM outbox WHERE id = ?", (job.id,))


def delivered(db: sqlite3.Connection, done: Sequence[tuple[Job, str | None]]) -> None:
    """Jobs that the partner has, with its references: gone from here, told in ``published``, ``cdr`` and ``history``.

    A few statements for all of them, because every row by itself would wait for the event loop's thread.
    """
    told = json.dumps([
        [j.id, j.partner, j.kind, j.key, int(j.op is not Op.DELETE)] for j, _ in done])  # fmt: skip
    cdrs = json.dumps([[j.meta.get("cdr", j.key), j.attempts, reference, j.partner] for j, reference in done if j.kind is Kind.CDR])
    now = now_text()
    db.execute("DELETE FROM outbox WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(?))", (told,))
    db.execute(
        "UPDATE published SET had = json_extract(j.value, '$[4]') FROM json_each(?) AS j WHERE partner = json_extract(j.value, '$[1]')"
        " AND kind = json_extract(j.value, '$[2]') AND published.key = json_extract(j.value, '$[3]')", (told,))  # fmt: skip
    db.execute(
        "UPDATE cdr SET state = 'acknowledged', sent = json_extract(j.value, '$[1]'), error = NULL, settled = ?,"
        " reference = COALESCE(json_extract(j.value, '$[2]'), reference) FROM json_each(?) AS j"
        " WHERE cdr.id = json_extract(j.value, '$[0]')", (now, cdrs))  # fmt: skip
    db.execute(
        "INSERT INTO history (at, what, partner, ref, detail) SELECT ?, 'CDR acknowledged', json_extract(value, '$[3]'),"
        " json_extract(value, '$[0]'), json_extract(value, '$[2]') FROM json_each(?)", (now, cdrs))  # fmt: skip


def put_back(db: sqlite3.Connection, jobs: Sequence[Job]) -> None:
    """Jobs that were taken and not tried wait again, as if they had never been taken."""
    db.execute("UPDATE outbox SET state = 'waiting', attempts = attempts - 1 WHERE state = 'taken' AND id IN"
               " (SELECT value FROM json_each(?))", (json.dumps([j.id for j in jobs]),))  # fmt: skip


def again(db: sqlite3.Connection, job: Job, because: str, after: float | None, uncertain: bool, random: Random) -> float:
    """The job waits for another try; returns the seconds."""
    wait = after if after is not None else min(LAST_RETRY, FIRST_RETRY * 2 ** min(job.attempts, 16)) * random.uniform(0.5, 1.0)
    db.execute("UPDATE outbox SET state = 'waiting', due = ?, error = ?, uncertain = max(uncertain, ?) WHERE id = ?",
               (time.time() + wait, because, int(uncertain), job.id))  # fmt: skip
    return wait


def bury(db: sqlite3.Connection, job: Job, because: str) -> None:
    """The job is a dead letter."""
    db.execute("UPDATE outbox SET state = 'dead', error = ? WHERE id = ?", (because, job.id))


def replay(db: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Dead letters wait again, as they were."""
    return sum(db.execute("UPDATE outbox SET state = 'waiting', due = ?, attempts = 0 WHERE id = ? AND state = 'dead'",
                          (time.time(), one)).rowcount for one in ids)  # fmt: skip


def counts(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Jobs by partner and state."""
    found: dict[str, dict[str, int]] = {}
    for row in db.execute("SELECT partner, state, COUNT(*) AS n FROM outbox GROUP BY partner, state"):
        found.setdefault(row["partner"], {})[row["state"]] = row["n"]
    return found


def _job(row: sqlite3.Row) -> Job:
    return Job(row["id"], row["partner"], Kind(row["kind"]), Op(row["op"]), row["key"], bytes(row["body"]), json.loads(row["meta"]),
               row["attempts"] + 1, datetime.fromisoformat(row["created"]))  # fmt: skip
