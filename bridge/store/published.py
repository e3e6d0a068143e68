"""What partners were shown: kept as bytes for their GETs, and put into the outbox where they have not got it so."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence

from bridge.roaming.ports import Kind, Op
from bridge.roaming.storage import Outbound
from bridge.store import outbox

_PUT = """
INSERT INTO published (partner, kind, key, source, hash, body, meta, removed, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (partner, kind, key) DO UPDATE SET source = excluded.source, hash = excluded.hash, body = excluded.body,
meta = excluded.meta, removed = excluded.removed, changed = excluded.changed
"""


def send(db: sqlite3.Connection, outbound: Sequence[Outbound]) -> None:
    """Remember each object for the partner's GETs and put it into the outbox if the partner has not got it so."""
    for out in outbound:
        digest = _digest(out)
        known = db.execute("SELECT hash, had, removed FROM published WHERE partner = ? AND kind = ? AND key = ?",
                           (out.partner, out.kind, out.key)).fetchone()  # fmt: skip
        if known is not None and known["hash"] == digest and bool(known["removed"]) == out.gone:
            continue
        if (known is None or known["removed"]) and (out.gone or out.quiet):
            continue  # it never had it, or not any more
        op = Op.DELETE if out.gone else Op.UPDATE if known is not None and known["had"] and not known["removed"] else Op.INSERT
        put(db, out)
        if out.quiet and out.gone and out.kind is Kind.STATUS:
            outbox.drop(db, out.partner, out.kind, out.key)  # it went with its EVSE
        elif not out.quiet:
            outbox.add(db, out.partner, out.kind, op, out.key, out.body, out.meta, out.source)


def keep(db: sqlite3.Connection, outbound: Sequence[Outbound]) -> None:
    """Remember objects that are new to the partner for its GETs alone: it fetches them. Others are sent as always."""
    for out in outbound:
        known = db.execute("SELECT 1 FROM published WHERE partner = ? AND kind = ? AND key = ?",
                           (out.partner, out.kind, out.key)).fetchone()  # fmt: skip
        if known is not None:
            send(db, [out])
        elif not out.gone:
            put(db, out)


def put(db: sqlite3.Connection, out: Outbound) -> None:
    """What the partner's GETs show of an object from now on."""
    db.execute(_PUT, (out.partner, out.kind, out.key, out.source, _digest(out), out.body, json.dumps(out.meta), int(out.gone),
                      outbox.now_text()))  # fmt: skip


def _digest(out: Outbound) -> str:
    return out.digest or hashlib.sha256(out.body).hexdigest()
