"""The part of the store that keeps what upstream operators tell: grants, sessions, CDRs, and what goes to them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from attrs import evolve

from bridge.roaming.agreements import OWN
from bridge.roaming.storage import CdrRow, DecisionRow, Happening, Outbound, TokenRow
from bridge.roaming.upstream.storage import CdrTold, GrantRow, PassedReservation, SessionTold
from bridge.store import decisions, outbox, published, records
from bridge.store.db import Database
from bridge.store.records import moment_of, text_of

_SESSION = """
INSERT INTO told_session (operator, id, source, body, status, partner, auth, token, test, tariff, evse_id, started, ended, kwh, changed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, status = excluded.status,
partner = excluded.partner, auth = excluded.auth, token = excluded.token, test = excluded.test, tariff = excluded.tariff,
evse_id = excluded.evse_id, started = excluded.started, ended = excluded.ended, kwh = excluded.kwh, changed = excluded.changed
"""

_AFTER = "SELECT * FROM token WHERE partner = ? AND (changed, uid, kind) > (?, ?, ?) ORDER BY changed, uid, kind LIMIT ?"


class UpstreamTable:
    """See :class:`bridge.roaming.upstream.storage.UpstreamStorage`."""

    db: Database

    def foreign(self, kind: str) -> list[tuple[str, str, str]]:
        rows = self.db.read.execute("SELECT operator, key, origin FROM thing WHERE kind = ? AND origin <> ? AND removed = 0", (kind, OWN))
        return [(r["operator"], r["key"], r["origin"]) for r in rows]

    # --- grants ------------------------------------------------------------------------------------------------------

    async def grant(self, row: GrantRow, decision: DecisionRow | None = None) -> None:
        def work(db: sqlite3.Connection) -> None:
            if decision is not None:
                decisions.save(db, [decision])
            db.execute("INSERT INTO granted (id, source, card, evse_id, decision, at, answered) VALUES (?, ?, ?, ?, ?, ?, ?)",
                       (row.id, row.source, row.card, row.evse_id, row.decision, text_of(row.at), int(row.answered)))  # fmt: skip

        await self.db.write(work)

    def granted(self, ident: str) -> GrantRow | None:
        r = self.db.read.execute("SELECT * FROM granted WHERE id = ?", (ident,)).fetchone()
        return None if r is None else _grant(r)

    def grants(self, source: str, card: str, since: datetime, until: datetime) -> list[GrantRow]:
        rows = self.db.read.execute("SELECT * FROM granted WHERE source = ? AND card = ? AND at BETWEEN ? AND ? ORDER BY at DESC",
                                    (source, card, text_of(since), text_of(until)))  # fmt: skip
        return [_grant(r) for r in rows]

    async def grant_answered(self, ident: str) -> None:
        await self.db.write(lambda db: db.execute("UPDATE granted SET answered = 1 WHERE id = ?", (ident,)).rowcount)

    async def revoke_grant(self, ident: str) -> None:
        await self.db.write(lambda db: db.execute("DELETE FROM granted WHERE id = ?", (ident,)).rowcount)

    # --- sessions and CDRs -------------------------------------------------------------------------------------------

    def session_told(self, operator: str, ident: str) -> SessionTold | None:
        r = self.db.read.execute("SELECT * FROM told_session WHERE operator = ? AND id = ?", (operator, ident)).fetchone()
        return None if r is None else _session(r)

    def sessions_told(self, partner: str, ident: str) -> list[SessionTold]:
        rows = self.db.read.execute("SELECT * FROM told_session WHERE partner = ? AND id = ?", (partner, ident))
        return [_session(r) for r in rows]

    def running_told(self, evse_id: str) -> list[SessionTold]:
        rows = self.db.read.execute("SELECT * FROM told_session WHERE evse_id = ? AND ended IS NULL AND status IN ('ACTIVE', 'PENDING')",
                                    (evse_id,))  # fmt: skip
        return [_session(r) for r in rows]

    async def save_session_told(self, row: SessionTold, outbound: Sequence[Outbound], history: Sequence[Happening] = ()) -> None:
        def work(db: sqlite3.Connection) -> None:
            auth = json.dumps(row.auth) if row.auth is not None else None
            db.execute(_SESSION, (row.operator, row.id, row.source, row.body, row.status, row.partner, auth, row.token, int(row.test),
                                  row.tariff, row.evse_id, text_of(row.started), text_of(row.ended), str(row.kwh),
                                  outbox.now_text()))  # fmt: skip
            if row.auth is not None:
                db.execute("UPDATE decision SET session = ? WHERE id = ?", (row.id, row.auth.get("decision")))
            published.send(db, outbound)
            records.happened(db, history)

        await self.db.write(work)

    def cdr_told(self, operator: str, ident: str) -> CdrTold | None:
        r = self.db.read.execute("SELECT * FROM told_cdr WHERE operator = ? AND id = ?", (operator, ident)).fetchone()
        return None if r is None else _cdr(r)

    def cdrs_told(self, operator: str, session: str) -> list[CdrTold]:
        return [_cdr(r) for r in self.db.read.execute("SELECT * FROM told_cdr WHERE operator = ? AND session = ?", (operator, session))]

    async def save_cdr_told(self, row: CdrTold, entry: CdrRow, outbound: Sequence[Outbound], history: Sequence[Happening] = ()) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            if db.execute("SELECT 1 FROM told_cdr WHERE operator = ? AND id = ?", (row.operator, row.id)).fetchone() is not None:
                return False
            db.execute("INSERT INTO told_cdr (operator, id, source, session, body, entry, told) VALUES (?, ?, ?, ?, ?, ?, ?)",
                       (row.operator, row.id, row.source, row.session, row.body, row.entry, outbox.now_text()))  # fmt: skip
            records.add_cdr(db, entry)
            published.send(db, outbound)
            records.happened(db, history)
            return True

        return await self.db.write(work)

    # --- tokens ------------------------------------------------------------------------------------------------------

    def contracts(self) -> Iterable[tuple[str, str]]:
        rows = self.db.read.execute("SELECT DISTINCT contract, partner FROM token WHERE valid = 1 AND contract IS NOT NULL")
        return ((r["contract"], r["partner"]) for r in rows)

    def tokens_of(self, contract: str) -> list[TokenRow]:
        rows = self.db.read.execute("SELECT * FROM token WHERE contract = ? COLLATE NOCASE ORDER BY valid DESC, changed DESC", (contract,))
        return [records.token(r) for r in rows]

    def tokens_after(self, partner: str, after: tuple[str, str, str], most: int) -> list[tuple[tuple[str, str, str], TokenRow]]:
        rows = self.db.read.execute(_AFTER, (partner, *after, most))
        return [((r["changed"], r["uid"], r["kind"]), records.token(r)) for r in rows]

    async def serve(self, outbound: Sequence[Outbound], mark: tuple[str, str], *, quiet: bool) -> None:
        def work(db: sqlite3.Connection) -> None:
            if quiet:
                published.keep(db, outbound)
            else:
                published.send(db, outbound)
            db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", mark)

        await self.db.write(work)

    # --- commands ----------------------------------------------------------------------------------------------------

    async def pass_reservation(self, row: PassedReservation) -> PassedReservation:
        def work(db: sqlite3.Connection) -> int:
            r = db.execute(
                "INSERT INTO passed_reservation (partner, reference, source, until) VALUES (?, ?, ?, ?) ON CONFLICT (partner, reference)"
                " DO UPDATE SET source = excluded.source, until = excluded.until RETURNING number",
                (row.partner, row.reference, row.source, text_of(row.until))).fetchone()  # fmt: skip
            return int(r["number"])

        return evolve(row, number=await self.db.write(work))

    def passed_reservation(self, partner: str, reference: str) -> PassedReservation | None:
        r = self.db.read.execute("SELECT * FROM passed_reservation WHERE partner = ? AND reference = ?", (partner, reference)).fetchone()
        if r is None:
            return None
        return PassedReservation(r["partner"], r["reference"], r["source"], datetime.fromisoformat(r["until"]), r["number"])


def _grant(r: sqlite3.Row) -> GrantRow:
    return GrantRow(
        r["id"], r["source"], r["card"], r["evse_id"], bytes(r["decision"]), datetime.fromisoformat(r["at"]), bool(r["answered"])
    )


def _session(r: sqlite3.Row) -> SessionTold:
    return SessionTold(
        r["operator"], r["id"], r["source"], bytes(r["body"]), r["status"], datetime.fromisoformat(r["started"]), Decimal(r["kwh"]),
        moment_of(r["ended"]), r["partner"], None if r["auth"] is None else json.loads(r["auth"]),
        None if r["token"] is None else bytes(r["token"]), bool(r["test"]), None if r["tariff"] is None else bytes(r["tariff"]),
        r["evse_id"])  # fmt: skip


def _cdr(r: sqlite3.Row) -> CdrTold:
    return CdrTold(r["operator"], r["id"], r["source"], r["session"], bytes(r["body"]), r["entry"])
