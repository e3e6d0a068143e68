"""What the store does when a partner comes to speak another format: see :mod:`bridge.roaming.formats`."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from bridge.roaming.ports import Kind, Op
from bridge.roaming.storage import CdrRow, Happening, Outbound
from bridge.store import outbox, records
from bridge.store.db import Database

_TO_COME = """
UPDATE published SET hash = '', removed = CASE WHEN (
  SELECT MAX(op = 'delete') FROM outbox WHERE outbox.partner = published.partner AND outbox.kind = published.kind
  AND outbox.key = published.key AND state = 'waiting') THEN 0 ELSE removed END
WHERE partner = ?1 AND kind <> 'cdr' AND EXISTS (
  SELECT 1 FROM outbox WHERE outbox.partner = ?1 AND outbox.kind = published.kind AND outbox.key = published.key AND state = 'waiting')
"""
_UNSENT = "partner = ? AND kind = 'cdr' AND state = 'waiting' AND uncertain = 0"


class Rewriting:
    """A part of the store."""

    db: Database

    def sources(self, partner: str, kind: Kind) -> list[str]:
        """The keys of our objects of which a partner is shown something."""
        rows = self.db.read.execute("SELECT DISTINCT source FROM published WHERE partner = ? AND kind = ? AND removed = 0 ORDER BY seq",
                                    (partner, kind))  # fmt: skip
        return [r["source"] for r in rows]

    async def recall(self, partner: str, kinds: Sequence[Kind]) -> set[tuple[Kind, str]]:
        """Takes back what waits for a partner, but for CDRs, as if it had changed anew; gives kinds and keys of it."""

        def work(db: sqlite3.Connection) -> set[tuple[Kind, str]]:
            waiting = db.execute("SELECT kind, key FROM outbox WHERE partner = ? AND kind <> 'cdr' AND state = 'waiting'", (partner,))
            found = {(Kind(r["kind"]), r["key"]) for r in waiting}
            db.execute(_TO_COME, (partner,))
            db.execute("DELETE FROM outbox WHERE partner = ? AND kind <> 'cdr' AND state = 'waiting'", (partner,))
            return {one for one in found if one[0] in kinds}

        return await self.db.write(work)

    def cdr(self, ident: str) -> CdrRow | None:
        """One CDR."""
        row = self.db.read.execute("SELECT * FROM cdr WHERE id = ?", (ident,)).fetchone()
        return None if row is None else records.cdr(row)

    def unsent_cdrs(self, partner: str) -> set[str]:
        """The CDRs that no partner can have yet: those that wait and were never taken, those that could not be written."""
        waiting = self.db.read.execute(f"SELECT COALESCE(json_extract(meta, '$.cdr'), key) AS id FROM outbox WHERE {_UNSENT}",  # noqa: S608
                                       (partner,))  # fmt: skip
        kept = self.db.read.execute("SELECT id FROM cdr WHERE partner = ? AND state = 'refused' AND sent = 0", (partner,))
        return {r["id"] for r in (*waiting.fetchall(), *kept.fetchall())}

    async def rewrite_cdr(self, out: Outbound, losses: Sequence[dict[str, Any]], *, unsent: bool) -> None:
        """A CDR as a partner is shown it from now on; sent so, too, if no partner can have it yet."""
        digest, meta = hashlib.sha256(out.body).hexdigest(), json.dumps(out.meta)

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO published (partner, kind, key, source, hash, body, meta, removed, changed) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)"
                " ON CONFLICT (partner, kind, key) DO UPDATE SET hash = excluded.hash, body = excluded.body, meta = excluded.meta,"
                " removed = 0", (out.partner, out.kind, out.key, out.source, digest, out.body, meta, outbox.now_text()))  # fmt: skip
            if not unsent:
                return
            known = db.execute(f"UPDATE outbox SET body = ?, meta = ? WHERE {_UNSENT} AND key = ?",  # noqa: S608
                               (out.body, meta, out.partner, out.key)).rowcount  # fmt: skip
            if not known:
                outbox.add(db, out.partner, out.kind, Op.INSERT, out.key, out.body, out.meta, out.source)
            db.execute("UPDATE cdr SET state = 'waiting', error = NULL, losses = ? WHERE id = ?", (json.dumps(losses), out.source))

        await self.db.write(work)

    async def withdraw_cdr(self, partner: str, ident: str, because: str, *, unsent: bool) -> None:
        """A CDR that cannot be said in the partner's format any more: not shown; kept for a person if nobody has it yet."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE published SET removed = 1 WHERE partner = ? AND kind = 'cdr' AND source = ?", (partner, ident))
            if unsent:
                db.execute(f"DELETE FROM outbox WHERE {_UNSENT} AND source = ?", (partner, ident))  # noqa: S608
                db.execute("UPDATE cdr SET state = 'refused', error = ? WHERE id = ?", (because, ident))
            told = "CDR kept for a person" if unsent else "CDR not shown any more"
            records.happened(db, [Happening(told, partner, ident, because)])

        await self.db.write(work)
