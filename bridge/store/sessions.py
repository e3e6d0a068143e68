"""Sessions, what is expected of them, and reservations in the store: functions over a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.roaming.pending import ExpectedRow, ReservationRow
from bridge.roaming.storage import OpenCdr, SessionRow
from bridge.store import records

_BY = "json_extract(CAST(decision AS TEXT), '$.id') = ?"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def next_number(db: sqlite3.Connection) -> int:
    """The next transaction number, never used before: also not by sessions that were deleted since."""
    row = db.execute(
        "INSERT INTO mark VALUES ('transaction', (SELECT COALESCE(MAX(tx), 0) + 1 FROM session))"
        " ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1 RETURNING value").fetchone()  # fmt: skip
    return int(row["value"])


def started(db: sqlite3.Connection, charge_point: str, connector: int, id_tags: Sequence[str], meter_start: int,
            at: datetime) -> sqlite3.Row | None:  # fmt: skip
    """The session of a start that came before."""
    marks = ", ".join("?" * len(id_tags))
    row: sqlite3.Row | None = db.execute(
        f"SELECT * FROM session WHERE charge_point = ? AND connector = ? AND id_tag IN ({marks})"  # noqa: S608  (placeholders)
        " AND meter_start = ? AND started = ?", (charge_point, connector, *id_tags, meter_start, _text(at))).fetchone()  # fmt: skip
    return row


def expect(db: sqlite3.Connection, row: ExpectedRow) -> None:
    """A remote start is under way."""
    db.execute("INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?, ?, ?)",
               (row.charge_point, row.card, row.connector, row.decision, _text(row.until), int(row.answered)))  # fmt: skip


def expected(db: sqlite3.Connection, charge_point: str, card: str) -> ExpectedRow | None:
    """What is expected of a card at a charge point."""
    r = db.execute("SELECT * FROM expected WHERE charge_point = ? AND card = ?", (charge_point, card)).fetchone()
    return None if r is None else _expected(r)


def overdue(db: sqlite3.Connection, now: datetime) -> list[ExpectedRow]:
    """Remote starts that are not expected any more."""
    rows = db.execute("SELECT * FROM expected WHERE julianday(until) <= julianday(?)", (_text(now),))
    return [_expected(r) for r in rows]


def _expected(r: sqlite3.Row) -> ExpectedRow:
    return ExpectedRow(r["charge_point"], r["card"], r["connector"], bytes(r["decision"]), datetime.fromisoformat(r["until"]),
                       bool(r["answered"]))  # fmt: skip


def unanswered(db: sqlite3.Connection) -> list[ExpectedRow]:
    """Remote starts whose partner has no answer."""
    return [_expected(r) for r in db.execute("SELECT * FROM expected WHERE answered = 0")]


def unheard(db: sqlite3.Connection, decision: str) -> bool:
    """Whether the partner of one has none."""
    return db.execute(f"SELECT 1 FROM expected WHERE answered = 0 AND {_BY}", (decision,)).fetchone() is not None  # noqa: S608


def came(db: sqlite3.Connection, charge_point: str, card: str, decision: str | None, *, accepted: bool) -> None:
    """What was expected by a decision has come. It is remembered on while a partner waits to hear of it."""
    db.execute(f"DELETE FROM expected WHERE charge_point = ? AND card = ? AND {_BY} AND (answered = 1 OR NOT ?)",  # noqa: S608
               (charge_point, card, decision, accepted))  # fmt: skip


def answered(db: sqlite3.Connection, decision: str) -> None:
    """The partner is about to hear of it: nothing is expected any more if it has come."""
    if _session(db, decision) is None:
        db.execute(f"UPDATE expected SET answered = 1 WHERE {_BY}", (decision,))  # noqa: S608
    else:
        db.execute(f"DELETE FROM expected WHERE {_BY}", (decision,))  # noqa: S608


def disown(db: sqlite3.Connection, decision: str, because: str) -> SessionRow | None:
    """Nothing can begin by a decision; what has begun is marked. A charger that has no answer yet hears that it is invalid."""
    found = _session(db, decision)
    if found is None:
        db.execute(f"UPDATE expected SET answered = 0 WHERE {_BY}", (decision,))  # noqa: S608
        return None
    db.execute(f"DELETE FROM expected WHERE {_BY}", (decision,))  # noqa: S608
    db.execute("UPDATE session SET auth = json_set(auth, '$.disowned', ?, '$.answer', 'Invalid') WHERE id = ?", (because, found["id"]))
    return records.session(_session(db, decision))


def disowned(db: sqlite3.Connection) -> list[SessionRow]:
    """Sessions that run and that nobody can be billed for."""
    rows = db.execute("SELECT * FROM session WHERE state = 'active' AND json_extract(auth, '$.disowned') IS NOT NULL ORDER BY tx")
    return [records.session(r) for r in rows]


def _session(db: sqlite3.Connection, decision: str) -> Any:
    """The session that began by a decision."""
    return db.execute("SELECT session.* FROM decision JOIN session ON session.id = decision.session WHERE decision.id = ?",
                      (decision,)).fetchone()  # fmt: skip


def unexpect(db: sqlite3.Connection, charge_point: str, card: str) -> None:
    """It came, or will not come."""
    db.execute("DELETE FROM expected WHERE charge_point = ? AND card = ?", (charge_point, card))


def reserve(db: sqlite3.Connection, row: ReservationRow) -> ReservationRow:
    """Remember a reservation; the number is the reference's for good (OCPI 2.2.1, mod_commands: unique across eMSPs)."""
    r = db.execute(
        "INSERT INTO reservation (partner, reference, charge_point, connector, id_tag, card, until) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (partner, reference) DO UPDATE SET charge_point = excluded.charge_point, connector = excluded.connector,"
        " id_tag = excluded.id_tag, card = excluded.card, until = excluded.until RETURNING *",
        (row.partner, row.reference, row.charge_point, row.connector, row.id_tag, row.card, _text(row.until))).fetchone()  # fmt: skip
    return _reservation(r)


def reservation(db: sqlite3.Connection, partner: str, reference: str) -> ReservationRow | None:
    """A partner's reservation."""
    r = db.execute("SELECT * FROM reservation WHERE partner = ? AND reference = ?", (partner, reference)).fetchone()
    return None if r is None else _reservation(r)


def reserved(db: sqlite3.Connection, charge_point: str, connector: int) -> list[ReservationRow]:
    """The reservations of a connector, past ones included."""
    rows = db.execute("SELECT * FROM reservation WHERE charge_point = ? AND connector = ? ORDER BY number", (charge_point, connector))
    return [_reservation(r) for r in rows]


def open_cdrs(db: sqlite3.Connection) -> list[OpenCdr]:
    """CDRs that their partner has not acknowledged, oldest session first."""
    rows = db.execute(
        "SELECT cdr.id, cdr.partner, cdr.state, cdr.alarm, cdr.test, COALESCE(session.ended, cdr.created) AS ended"
        " FROM cdr LEFT JOIN session ON session.id = cdr.session"
        " WHERE cdr.state IN ('waiting', 'uncertain', 'refused') AND cdr.partner IS NOT NULL ORDER BY ended, cdr.id")  # fmt: skip
    return [OpenCdr(r["id"], r["partner"], r["state"], datetime.fromisoformat(r["ended"]), r["alarm"], bool(r["test"])) for r in rows]


def _reservation(r: sqlite3.Row) -> ReservationRow:
    return ReservationRow(r["partner"], r["reference"], r["charge_point"], r["connector"], r["id_tag"], r["card"],
                          datetime.fromisoformat(r["until"]), r["number"])  # fmt: skip
