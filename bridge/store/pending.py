"""What commands leave in the store: see :mod:`bridge.roaming.pending`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from bridge.roaming.pending import ExpectedRow, OutcomeRow, ReservationRow
from bridge.roaming.storage import DecisionRow, Happening, SessionRow
from bridge.store import decisions, records, sessions
from bridge.store.db import Database


class Pending:
    """A part of the store."""

    db: Database

    # --- expected transactions and reservations

    async def expect(self, row: ExpectedRow, decision: DecisionRow) -> None:
        def work(db: sqlite3.Connection) -> None:
            decisions.save(db, [decision])
            sessions.expect(db, row)

        await self.db.write(work)

    def expected(self, charge_point: str, card: str) -> ExpectedRow | None:
        return sessions.expected(self.db.read, charge_point, card)

    def overdue(self, now: datetime) -> list[ExpectedRow]:
        return sessions.overdue(self.db.read, now)

    def unanswered(self) -> list[ExpectedRow]:
        return sessions.unanswered(self.db.read)

    def unheard(self, decision: str) -> bool:
        return sessions.unheard(self.db.read, decision)

    async def answered(self, decision: str) -> None:
        await self.db.write(lambda db: sessions.answered(db, decision))

    async def disown(self, decision: str, because: str) -> SessionRow | None:
        return await self.db.write(lambda db: sessions.disown(db, decision, because))

    def disowned(self) -> list[SessionRow]:
        return sessions.disowned(self.db.read)

    async def unexpect(self, charge_point: str, card: str) -> None:
        await self.db.write(lambda db: sessions.unexpect(db, charge_point, card))

    async def reserve(self, row: ReservationRow) -> ReservationRow:
        return await self.db.write(lambda db: sessions.reserve(db, row))

    def reservation(self, partner: str, reference: str) -> ReservationRow | None:
        return sessions.reservation(self.db.read, partner, reference)

    def reserved(self, charge_point: str, connector: int) -> list[ReservationRow]:
        return sessions.reserved(self.db.read, charge_point, connector)

    # --- outcomes

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
            db.execute("UPDATE outcome SET result = ?, body = ?, sending = ? WHERE number = ?",
                       (row.result, row.body, int(row.sending), row.number))  # fmt: skip
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
