"""Ended sessions and their CDRs in the store, and what a person decides of those that wait for one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.roaming.held import Stop
from bridge.roaming.ports import MeterSample, Op
from bridge.roaming.storage import CdrRow, Happening, OpenCdr, Outbound, SessionRow
from bridge.store import outbox, published, records, sessions
from bridge.store.db import Database

_REASON = "SELECT detail FROM history WHERE ref = ? AND what IN ('session kept for a person', 'CDR kept for a person') ORDER BY id DESC"
_STOPS = """
SELECT id, at, ref, detail FROM history AS stop WHERE what = 'stop of an unknown transaction'
AND NOT EXISTS (SELECT 1 FROM history AS done WHERE done.what = 'stop discarded' AND done.ref = 'stop-' || stop.id) ORDER BY id
"""
_DEAD = "kind = 'cdr' AND state = 'dead' AND COALESCE(json_extract(meta, '$.cdr'), key) = ?"


_REFUSED = "SELECT * FROM cdr WHERE (state = 'refused' OR (state = 'kept' AND error IS NOT NULL))"
"""Those that a partner or the audit said no to, and those that nobody could be given."""
_LAST = """
SELECT MAX(ended) AS ended FROM session WHERE charge_point = ? AND connector = ? AND ended <= ? AND state IN ('ended', 'held')
AND json_extract(auth, '$.start_doubt') IS NULL AND json_extract(auth, '$.end_doubt') IS NULL
"""
_BEHIND = """
SELECT id, partner FROM cdr WHERE state IN ('waiting', 'refused') AND (credits = ?1
OR replaces = (SELECT credits FROM cdr WHERE id = ?1))
"""


class Settlements:
    """The part of the store that keeps what sessions came to."""

    db: Database

    async def close_session(self, row: SessionRow, samples: Sequence[MeterSample], cdr: CdrRow | None, outbound: Sequence[Outbound],
                            history: Sequence[Happening] = ()) -> bool:  # fmt: skip
        def work(db: sqlite3.Connection) -> bool:
            if _state(db, "session", row.id) != "active":
                return False
            records.add_samples(db, row.id, samples)
            db.execute("UPDATE session SET ended = ?, meter_stop = ?, reason = ? WHERE id = ?",
                       (records.text_of(row.ended), row.meter_stop, row.reason, row.id))  # fmt: skip
            if (doubt := row.auth.get("end_doubt")) is not None:
                db.execute("UPDATE session SET auth = json_set(auth, '$.end_doubt', ?) WHERE id = ?", (doubt, row.id))
            _settle(db, row, cdr, outbound, history)
            return True

        return await self.db.write(work)

    async def settle_session(self, row: SessionRow, cdr: CdrRow | None, outbound: Sequence[Outbound], history: Sequence[Happening]) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            if _state(db, "session", row.id) != "held":
                return False
            _settle(db, row, cdr, outbound, history)
            return True

        return await self.db.write(work)

    async def discard_session(self, ident: str, history: Sequence[Happening]) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            if _state(db, "session", ident) != "held":
                return False
            db.execute("UPDATE session SET state = 'discarded' WHERE id = ?", (ident,))
            records.happened(db, history)
            return True

        return await self.db.write(work)

    async def send_cdr(self, out: Outbound, losses: Sequence[object], history: Sequence[Happening]) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            dead = db.execute(f"SELECT id, body, uncertain FROM outbox WHERE {_DEAD}", (out.source,)).fetchone()  # noqa: S608  (a constant)
            uncertain = dead is not None and bool(dead["uncertain"])
            if _state(db, "cdr", out.source) != "refused" or (uncertain and bytes(dead["body"]) != out.body):
                return False
            published.put(db, out)
            if dead is None:
                outbox.add(db, out.partner, out.kind, Op.INSERT, out.key, out.body, out.meta, out.source)
            else:
                db.execute("UPDATE outbox SET body = ?, meta = ? WHERE id = ?", (out.body, json.dumps(out.meta), dead["id"]))
                outbox.replay(db, [dead["id"]])
            db.execute("UPDATE cdr SET state = ?, error = NULL, losses = ? WHERE id = ?",
                       ("uncertain" if uncertain else "waiting", json.dumps(losses), out.source))  # fmt: skip
            records.happened(db, history)
            return True

        return await self.db.write(work)

    async def discard_cdr(self, ident: str, history: Sequence[Happening]) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            if db.execute(_REFUSED + " AND id = ?", (ident,)).fetchone() is None:
                return False
            _discard(db, ident)
            records.happened(db, history)
            return True

        return await self.db.write(work)

    async def correct(self, rows: Sequence[CdrRow], outbound: Sequence[Outbound], history: Sequence[Happening]) -> bool:
        original = rows[0].credits

        def work(db: sqlite3.Connection) -> bool:
            known = db.execute("SELECT 1 FROM cdr WHERE credits = ?", (original,)).fetchone()
            if known is not None or original is None or _state(db, "cdr", original) != "acknowledged":
                return False
            for row in rows:
                records.add_cdr(db, row)
            published.send(db, outbound)
            records.happened(db, history)
            return True

        return await self.db.write(work)

    def last_end(self, charge_point: str, connector: int, until: datetime) -> datetime | None:
        row = self.db.read.execute(_LAST, (charge_point, connector, records.text_of(until))).fetchone()
        return records.moment_of(row["ended"])

    # --- looking -----------------------------------------------------------------------------------------------------

    def held_sessions(self) -> list[SessionRow]:
        return [records.session(r) for r in self.db.read.execute("SELECT * FROM session WHERE state = 'held' ORDER BY tx")]

    def refused_cdrs(self) -> list[CdrRow]:
        return [records.cdr(r) for r in self.db.read.execute(_REFUSED + " ORDER BY created, id")]

    def unknown_stops(self) -> list[Stop]:
        return [Stop(f"stop-{r['id']}", records.moment_of(r["at"]), r["ref"], r["detail"]) for r in self.db.read.execute(_STOPS)]

    def kept_because(self, ident: str) -> str:
        row = self.db.read.execute(_REASON, (ident,)).fetchone()
        return "" if row is None else str(row["detail"])

    def credit(self, ident: str) -> CdrRow | None:
        row = self.db.read.execute("SELECT * FROM cdr WHERE credits = ?", (ident,)).fetchone()
        return None if row is None else records.cdr(row)

    def open_cdrs(self) -> list[OpenCdr]:
        return sessions.open_cdrs(self.db.read)

    async def alarm(self, cdr: str, level: int, history: Sequence[Happening]) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE cdr SET alarm = ? WHERE id = ?", (level, cdr))
            records.happened(db, history)

        await self.db.write(work)

    def cdrs(self) -> list[CdrRow]:
        """Every CDR, oldest first."""
        return [records.cdr(r) for r in self.db.read.execute("SELECT * FROM cdr ORDER BY created, id")]


def _state(db: sqlite3.Connection, table: str, ident: str) -> str | None:
    row = db.execute(f"SELECT state FROM {table} WHERE id = ?", (ident,)).fetchone()  # noqa: S608  (one of two names)
    return None if row is None else str(row["state"])


def _discard(db: sqlite3.Connection, ident: str) -> None:
    """A CDR is not sent any more, nor shown; nor is what waits behind it: its credit, and what follows that."""
    db.execute("UPDATE cdr SET state = 'discarded' WHERE id = ?", (ident,))
    db.execute("UPDATE published SET removed = 1 WHERE kind = 'cdr' AND source = ?", (ident,))
    db.execute("DELETE FROM outbox WHERE kind = 'cdr' AND state IN ('waiting', 'dead') AND"
               " COALESCE(json_extract(meta, '$.cdr'), key) = ?", (ident,))  # fmt: skip
    for row in db.execute(_BEHIND, (ident,)).fetchall():
        records.happened(db, [Happening("CDR discarded", row["partner"], row["id"], f"{ident}, behind which it waited, was discarded")])
        _discard(db, row["id"])


def _settle(
    db: sqlite3.Connection, row: SessionRow, cdr: CdrRow | None, outbound: Sequence[Outbound], history: Sequence[Happening]
) -> None:
    db.execute("UPDATE session SET kwh = ?, state = ? WHERE id = ?", (str(row.kwh), row.state, row.id))
    if cdr is not None:
        records.add_cdr(db, cdr)
    published.send(db, outbound)
    records.happened(db, history)
