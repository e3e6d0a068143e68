"""The outbox: outbound work, committed with the state change that caused it.

One object's jobs go out in order: only the oldest of each (partner, kind, key) is ever claimed. A newer state of the same
object replaces the one that still waits, tried or not, and a dead letter of it (CDRs are never replaced): the partner
gets it once, as it then is. What was refused for good is a dead letter, kept until somebody replays it.
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
"""Seconds until the second try, at most doubled by jitter; doubled with every try after it."""
LAST_RETRY = 900.0
"""The longest wait between two tries, in seconds."""
LONGEST_AFTER = 86400.0
"""The longest Retry-After that is honoured, in seconds."""

TOGETHER = 1000
"""Objects that are told again in one transaction."""


def now_text() -> str:
    """The moment, as stored."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def add(db: sqlite3.Connection, partner: str, kind: Kind, op: Op, key: str, body: bytes, meta: dict[str, Any],
        source: str = "") -> int:  # fmt: skip
    """Put work into the outbox, in the caller's transaction; returns its number."""
    if kind is not Kind.CDR:
        db.execute("DELETE FROM outbox WHERE partner = ? AND kind = ? AND key = ? AND state = 'dead'", (partner, kind, key))
        waiting = db.execute("SELECT MAX(id) AS id FROM outbox WHERE partner = ? AND kind = ? AND key = ? AND state = 'waiting'",
                             (partner, kind, key)).fetchone()["id"]  # fmt: skip
        if waiting is not None:
            db.execute("UPDATE outbox SET op = ?, source = ?, body = ?, meta = ?, created = ? WHERE id = ?",
                       (op, source, body, json.dumps(meta), now_text(), waiting))  # fmt: skip
            return int(waiting)
    cursor = db.execute(
        "INSERT INTO outbox (partner, kind, op, key, source, body, meta, created, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (partner, kind, op, key, source, body, json.dumps(meta), now_text(), time.time()))  # fmt: skip
    return int(cursor.lastrowid or 0)


_CLAIM = """
SELECT job.*, CASE WHEN kind <> 'cdr' AND op <> 'delete' THEN (
  SELECT had FROM published WHERE published.partner = job.partner AND published.kind = job.kind AND published.key = job.key) END AS had
FROM outbox AS job INDEXED BY outbox_next WHERE partner = :partner AND state = 'waiting' AND due <= :now
AND NOT EXISTS (SELECT 1 FROM outbox AS older WHERE older.partner = job.partner AND older.kind = job.kind AND older.key = job.key
  AND older.state IN ('waiting', 'taken') AND older.id < job.id)
AND NOT (job.kind = 'status' AND EXISTS (SELECT 1 FROM outbox AS place WHERE place.partner = job.partner AND place.kind = 'location'
  AND place.source = job.source AND place.state IN ('waiting', 'taken') AND (place.due > :now OR place.state = 'taken')))
AND NOT (job.kind = 'cdr' AND EXISTS (SELECT 1 FROM cdr AS mine WHERE mine.id = job.source AND (
  EXISTS (SELECT 1 FROM cdr AS before WHERE before.id = mine.credits AND before.state <> 'acknowledged')
  OR EXISTS (SELECT 1 FROM cdr AS before WHERE before.credits = mine.replaces AND before.state <> 'acknowledged'))))
ORDER BY id LIMIT :most
"""


def claim(db: sqlite3.Connection, partner: str, most: int, now: float | None = None) -> list[Job]:
    """The oldest due job of each object, oldest first; a status waits until the location that it is about has gone out, a
    credit until the CDR that it credits was acknowledged, and what replaces that until the credit was.

    They are marked as taken until they are settled, put back, or the bridge starts again. Whether an object is inserted
    or updated is decided here, by whether the partner has it by now.
    """
    rows = db.execute(_CLAIM, {"partner": partner, "now": time.time() if now is None else now, "most": most}).fetchall()
    db.execute("UPDATE outbox SET state = 'taken', attempts = attempts + 1 WHERE id IN (SELECT value FROM json_each(?))",
               (json.dumps([r["id"] for r in rows]),))  # fmt: skip
    return [_job(r) for r in rows]


def is_due(db: sqlite3.Connection, partner: str, now: float) -> bool:
    """Whether any job of a partner is due (it may still have to wait for another)."""
    found = db.execute("SELECT 1 FROM outbox WHERE partner = ? AND state = 'waiting' AND due <= ? LIMIT 1", (partner, now))
    return found.fetchone() is not None


def next_due(db: sqlite3.Connection, partner: str, after: float = 0.0) -> float | None:
    """When the next job of a partner becomes due after a moment (seconds since the epoch), or None.

    A job that was due then and was not claimed waits for another one, which becomes due later.
    """
    row = db.execute("SELECT MIN(due) AS due FROM outbox WHERE partner = ? AND state = 'waiting' AND due > ?", (partner, after)).fetchone()
    return None if row["due"] is None else float(row["due"])


_RELEASE = """
UPDATE cdr SET state = 'uncertain', sent = sent + 1 WHERE state IN ('waiting', 'uncertain') AND id IN
  (SELECT COALESCE(json_extract(meta, '$.cdr'), key) FROM outbox WHERE kind = 'cdr' AND state = 'taken')
"""
_REPLAY = """
UPDATE cdr SET error = NULL, state = CASE (SELECT uncertain FROM outbox WHERE id = :id) WHEN 1 THEN 'uncertain' ELSE 'waiting' END
WHERE id IN (SELECT COALESCE(json_extract(meta, '$.cdr'), key) FROM outbox WHERE id = :id AND kind = 'cdr' AND state = 'dead')
"""


def release_all(db: sqlite3.Connection) -> int:
    """After a restart: what was taken was perhaps sent; it waits again (a CDR as uncertain)."""
    db.execute("UPDATE outbox SET uncertain = 1 WHERE state = 'taken'")
    db.execute(_RELEASE)
    released = db.execute("UPDATE outbox SET state = 'waiting' WHERE state = 'taken'").rowcount
    _give_way(db)
    return released


def finish(db: sqlite3.Connection, job: Job) -> None:
    """The job is done."""
    db.execute("DELETE FROM outbox WHERE id = ?", (job.id,))


_WITHOUT_STATUS = """
UPDATE published SET had = 0 WHERE kind = 'status' AND removed = 1 AND (partner, key) IN (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))
"""


def delivered(db: sqlite3.Connection, done: Sequence[tuple[Job, str | None]]) -> None:
    """Jobs that the partner has, with its references: gone from here, told in ``published``, ``cdr`` and ``history``.

    A few statements for all of them, because every row by itself would wait for the event loop's thread.
    """
    told = json.dumps([
        [j.id, j.partner, j.kind, j.key, int(j.op is not Op.DELETE)] for j, _ in done])  # fmt: skip
    cdrs = json.dumps([[j.meta.get("cdr", j.key), reference, j.partner] for j, reference in done if j.kind is Kind.CDR])
    now = now_text()
    db.execute("DELETE FROM outbox WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(?))", (told,))
    db.execute(
        "UPDATE published SET had = json_extract(j.value, '$[4]'), told = ? FROM json_each(?) AS j"
        " WHERE partner = json_extract(j.value, '$[1]') AND kind = json_extract(j.value, '$[2]')"
        " AND published.key = json_extract(j.value, '$[3]')", (time.time(), told))  # fmt: skip
    deleted = [[j.partner, j.key] for j, _ in done if j.kind is Kind.LOCATION and j.op is Op.DELETE]
    if deleted:  # a status that went with its EVSE is not there either
        db.execute(_WITHOUT_STATUS, (json.dumps(deleted),))
    db.execute(
        "UPDATE cdr SET state = 'acknowledged', sent = sent + 1, error = NULL, settled = ?,"
        " reference = COALESCE(json_extract(j.value, '$[1]'), reference) FROM json_each(?) AS j"
        " WHERE cdr.id = json_extract(j.value, '$[0]')", (now, cdrs))  # fmt: skip
    db.execute(
        "INSERT INTO history (at, what, partner, ref, detail) SELECT ?, 'CDR acknowledged', json_extract(value, '$[2]'),"
        " json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)", (now, cdrs))  # fmt: skip


_FETCHED = """
SELECT job.*, NULL AS had FROM outbox AS job WHERE partner = :partner AND state = 'waiting' AND created < :before AND (
  (kind = :kind AND (op = 'delete' OR key IN (SELECT key FROM published WHERE {which})))
  OR (kind = 'status' AND :kind = 'location' AND source IN (SELECT source FROM published WHERE {which})))
"""
_NUMBERED = "seq IN (SELECT value FROM json_each(:what))"
_KEYED = "partner = :partner AND kind = :kind AND key = :what COLLATE NOCASE"


def fetched(db: sqlite3.Connection, partner: str, kind: Kind, what: Sequence[int] | str, before: str) -> list[Job]:
    """What waited for a partner before a moment, of objects that it fetched as they were then. It is delivered by that."""
    keyed = isinstance(what, str)
    query = _FETCHED.format(which=_KEYED if keyed else _NUMBERED)
    values = {"partner": partner, "kind": kind, "before": before, "what": what if keyed else json.dumps(list(what))}
    jobs = [_job(r) for r in db.execute(query, values).fetchall()]
    delivered(db, [(job, None) for job in jobs])
    return jobs


def put_back(db: sqlite3.Connection, jobs: Sequence[Job]) -> None:
    """Jobs that were taken and not tried wait again, as if they had never been taken."""
    db.execute("UPDATE outbox SET state = 'waiting', attempts = attempts - 1 WHERE state = 'taken' AND id IN"
               " (SELECT value FROM json_each(?))", (json.dumps([j.id for j in jobs]),))  # fmt: skip
    _give_way(db, [j.id for j in jobs])


def _give_way(db: sqlite3.Connection, ids: Sequence[int] | None = None) -> None:
    """A state that waits behind a newer one of its object is not needed (any, or one of these)."""
    db.execute("DELETE FROM outbox WHERE state = 'waiting' AND kind <> 'cdr' AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))"
               " AND EXISTS (SELECT 1 FROM outbox AS newer WHERE newer.partner = outbox.partner AND newer.kind = outbox.kind"
               " AND newer.key = outbox.key AND newer.state = 'waiting' AND newer.id > outbox.id)",
               (None if ids is None else json.dumps(ids),))  # fmt: skip


def drop(db: sqlite3.Connection, partner: str, kind: Kind, key: str) -> None:
    """Nothing waits to be said of an object any more."""
    db.execute("DELETE FROM outbox WHERE partner = ? AND kind = ? AND key = ? AND state = 'waiting'", (partner, kind, key))


def again(db: sqlite3.Connection, job: Job, because: str, after: float | None, uncertain: bool, random: Random) -> float:
    """The job waits for another try, or the newer state of its object in its place; returns the seconds."""
    wait: float = min(LAST_RETRY, FIRST_RETRY * 2 ** min(job.attempts, 16)) * random.uniform(0.5, 1.0)
    if after is not None:
        wait = min(after, LONGEST_AFTER)
    due = time.time() + wait
    if job.kind is not Kind.CDR:
        newer = db.execute("UPDATE outbox SET due = ?, attempts = ?, error = ?, uncertain = max(uncertain, ?) WHERE partner = ?"
                           " AND kind = ?"
                           " AND key = ? AND state = 'waiting' AND id > ?",
                           (due, job.attempts, because, int(uncertain), job.partner, job.kind, job.key, job.id)).rowcount  # fmt: skip
        if newer:
            finish(db, job)
            return wait
    db.execute("UPDATE outbox SET state = 'waiting', due = ?, error = ?, uncertain = max(uncertain, ?) WHERE id = ?",
               (due, because, int(uncertain), job.id))  # fmt: skip
    return wait


def hurry(db: sqlite3.Connection, partner: str) -> int:
    """What waits for another try at a partner is due now, as if it had not been tried yet; returns how many jobs.

    A partner that is not quite ready is tried again after seconds, however often it was tried in vain before.
    """
    now = time.time()
    return db.execute("UPDATE outbox SET due = min(due, ?), attempts = 0 WHERE partner = ? AND state = 'waiting' AND attempts > 0",
                      (now, partner)).rowcount  # fmt: skip


_REFRESH = """
SELECT key, source, body, meta FROM published AS p WHERE partner = :partner AND kind = :kind AND had = 1 AND removed = 0
AND (told IS NULL OR told < :before) AND NOT EXISTS (SELECT 1 FROM outbox WHERE partner = :partner AND kind = :kind AND key = p.key)
ORDER BY seq LIMIT :most
"""


def refresh(db: sqlite3.Connection, partner: str, kind: Kind, before: float) -> int:
    """What a partner has as it is, and was last told before a moment (seconds since the epoch), goes out again; how many did."""
    rows = db.execute(_REFRESH, {"partner": partner, "kind": kind, "before": before, "most": TOGETHER}).fetchall()
    for r in rows:
        add(db, partner, kind, Op.UPDATE, r["key"], bytes(r["body"]), json.loads(r["meta"]), r["source"])
    return len(rows)


def is_uncertain(db: sqlite3.Connection, job: Job) -> bool:
    """Whether a job may have been taken at an earlier try."""
    row = db.execute("SELECT uncertain FROM outbox WHERE id = ?", (job.id,)).fetchone()
    return row is not None and bool(row["uncertain"])


def bury(db: sqlite3.Connection, job: Job, because: str) -> bool:
    """The job is a dead letter; False if there is no such job (any more), or a newer state of its object waits in its place."""
    if job.kind is not Kind.CDR:
        newer = db.execute("SELECT 1 FROM outbox WHERE partner = ? AND kind = ? AND key = ? AND state = 'waiting' AND id > ?",
                           (job.partner, job.kind, job.key, job.id)).fetchone()  # fmt: skip
        if newer is not None:
            finish(db, job)
            return False
    return db.execute("UPDATE outbox SET state = 'dead', error = ? WHERE id = ?", (because, job.id)).rowcount > 0


def replay(db: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Dead letters wait again, as they were."""
    done = 0
    for one in ids:
        db.execute(_REPLAY, {"id": one})
        done += db.execute("UPDATE outbox SET state = 'waiting', due = ?, attempts = 0 WHERE id = ? AND state = 'dead'",
                           (time.time(), one)).rowcount  # fmt: skip
    return done


def counts(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Jobs by partner and state."""
    found: dict[str, dict[str, int]] = {}
    for row in db.execute("SELECT partner, state, COUNT(*) AS n FROM outbox GROUP BY partner, state"):
        found.setdefault(row["partner"], {})[row["state"]] = row["n"]
    return found


def _job(row: sqlite3.Row) -> Job:
    op = Op(row["op"])
    if row["had"] is not None:
        op = Op.UPDATE if row["had"] else Op.INSERT
    return Job(row["id"], row["partner"], Kind(row["kind"]), op, row["key"], bytes(row["body"]), json.loads(row["meta"]),
               row["attempts"] + 1, datetime.fromisoformat(row["created"]), row["source"])  # fmt: skip
