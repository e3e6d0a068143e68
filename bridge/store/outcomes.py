"""Promised outcomes of commands in the store, and what tells them after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from attrs import evolve

from bridge.roaming.storage import Happening, OutcomeRow
from bridge.store import records
from bridge.store.db import Database


class OutcomeTable:
    """The part of the store that keeps promised outcomes."""

    db: Database

    async def promise(self, row: OutcomeRow) -> OutcomeRow:
        def work(db: sqlite3.Connection) -> int:
            cursor = db.execute("INSERT INTO outcome (partner, kind, ref, address, until, decision, session, result, sending)"
                                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                (row.partner, row.kind, row.ref, row.address, records.text_of(row.until), row.decision, row.session,
                                 row.result, int(row.sending)))  # fmt: skip
            return int(cursor.lastrowid or 0)

        return evolve(row, number=await self.db.write(work))

    async def save_outcome(self, row: OutcomeRow, history: Sequence[Happening] = ()) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE outcome SET result = ?, sending = ? WHERE number = ?", (row.result, int(row.sending), row.number))
            records.happened(db, history)

        await self.db.write(work)

    async def kept(self, row: OutcomeRow, history: Sequence[Happening]) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM outcome WHERE number = ?", (row.number,))
            records.happened(db, history)

        await self.db.write(work)

    def promised(self) -> list[OutcomeRow]:
        return [records.outcome(r) for r in self.db.read.execute("SELECT * FROM outcome ORDER BY number")]

    def decided(self, decision: str) -> bool:
        return self.db.read.execute("SELECT 1 FROM decision WHERE id = ?", (decision,)).fetchone() is not None

    def session_by(self, decision: str) -> str | None:
        found = self.db.read.execute("SELECT session FROM decision WHERE id = ?", (decision,)).fetchone()
        return None if found is None else found["session"]
