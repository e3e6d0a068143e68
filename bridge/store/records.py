"""Rows of the store as the core's own classes, and meter values as rows."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from bridge.roaming.pending import OutcomeRow
from bridge.roaming.ports import MeterSample
from bridge.roaming.storage import CdrRow, EvseRow, Happening, SessionRow, Thing, TokenRow


def text_of(moment: datetime | None) -> str | None:
    """A moment as it is stored."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def moment_of(text: str | None) -> datetime | None:
    """A stored moment."""
    return None if text is None else datetime.fromisoformat(text)


def groups(text: str) -> tuple[str, ...]:
    """Groups, as they are stored."""
    return tuple(g for g in text.split(",") if g)


def happened(db: sqlite3.Connection, history: Sequence[Happening]) -> None:
    """Lines of the history."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    db.executemany("INSERT INTO history (at, what, partner, ref, detail) VALUES (?, ?, ?, ?, ?)",
                   [(now, h.what, h.partner, h.ref, h.detail) for h in history])  # fmt: skip


def add_samples(db: sqlite3.Connection, session: str, samples: Sequence[MeterSample]) -> None:
    """A message that comes again adds nothing; what is signed is kept, also without a register beside it."""
    db.executemany("INSERT OR REPLACE INTO sample (session, at, kwh, digest, power, signed, context, amperes)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                   [(session, text_of(s.at), "" if s.register_kwh is None else str(s.register_kwh),
                     "" if s.signed is None else hashlib.sha256(f"{s.context} {s.signed}".encode()).hexdigest()[:16],
                     None if s.power_kw is None else str(s.power_kw), s.signed, s.context,
                     None if s.current_a is None else str(s.current_a))
                    for s in samples if s.register_kwh is not None or s.signed is not None])  # fmt: skip


def thing(r: sqlite3.Row) -> Thing:
    """A location or tariff."""
    return Thing(r["kind"], r["operator"], r["key"], bytes(r["body"]), r["hash"], r["origin"], bool(r["removed"]), groups(r["groups"]))


def evse(r: sqlite3.Row) -> EvseRow:
    """An EVSE."""
    return EvseRow(r["evse_id"], r["written"], r["uid"], r["location"], r["operator"], groups(r["groups"]), r["charge_point"],
                   r["connector"], r["status"], moment_of(r["status_at"]), bool(r["removed"]), r["origin"])  # fmt: skip


def token(r: sqlite3.Row) -> TokenRow:
    """A token."""
    return TokenRow(
        r["uid"], r["kind"], r["partner"], r["contract"], bool(r["valid"]), r["whitelist"], moment_of(r["expires"]), bytes(r["body"])
    )


def sample(r: sqlite3.Row) -> MeterSample:
    """A meter value."""
    return MeterSample(
        moment_of(r["at"]) or datetime.now(UTC), Decimal(r["kwh"]) if r["kwh"] else None,
        Decimal(r["power"]) if r["power"] is not None else None, Decimal(r["amperes"]) if r["amperes"] is not None else None,
        signed=r["signed"], context=r["context"])  # fmt: skip


def session(r: sqlite3.Row) -> SessionRow:
    """A session."""
    started = moment_of(r["started"]) or datetime.now(UTC)
    return SessionRow(r["id"], r["tx"], r["charge_point"], r["connector"], r["evse_id"], r["location"], r["operator"], r["partner"],
                      r["id_tag"], None if r["token"] is None else bytes(r["token"]), json.loads(r["auth"]), bool(r["test"]), started,
                      r["meter_start"], moment_of(r["ended"]), r["meter_stop"], r["reason"], Decimal(r["kwh"]), r["state"],
                      None if r["tariff"] is None else bytes(r["tariff"]), None if r["place"] is None else bytes(r["place"]))  # fmt: skip


def cdr(r: sqlite3.Row) -> CdrRow:
    """A CDR."""
    return CdrRow(
        r["id"], r["session"], r["partner"], r["operator"], bool(r["test"]), bytes(r["body"]), r["total"], r["currency"], r["kwh"],
        r["state"], json.loads(r["losses"]), moment_of(r["created"]) or datetime.now(UTC), r["reference"], r["sent"], r["error"],
        moment_of(r["settled"]), r["credits"], r["replaces"])  # fmt: skip


def outcome(r: sqlite3.Row) -> OutcomeRow:
    """A promised outcome."""
    return OutcomeRow(r["partner"], r["kind"], r["ref"], r["address"], datetime.fromisoformat(r["until"]), r["decision"], r["session"],
                      r["result"], bool(r["sending"]), r["number"], None if r["body"] is None else bytes(r["body"]))  # fmt: skip


def add_cdr(db: sqlite3.Connection, row: CdrRow) -> None:
    """A CDR enters the ledger."""
    db.execute(
        "INSERT INTO cdr (id, session, partner, operator, test, body, total, currency, kwh, state, losses, created, error, credits,"
        " replaces) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row.id, row.session, row.partner, row.operator, int(row.test), row.body, row.total, row.currency, row.kwh, row.state,
         json.dumps(row.losses, default=str), text_of(row.created), row.error, row.credits, row.replaces))  # fmt: skip
