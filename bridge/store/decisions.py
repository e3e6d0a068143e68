"""Decisions about cards in the store: many in one statement, because each statement is a turn of two threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from bridge.roaming.storage import DecisionRow
from bridge.store.records import text_of

_INSERT = ("INSERT INTO decision (id, at, charge_point, evse_id, uid, fingerprint, contract, outcome, reason, partner, routes,"
           " milliseconds) VALUES ")  # fmt: skip
_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_MOST = 500
"""Rows in one statement: SQLite takes 32,766 values at most."""


def save(db: sqlite3.Connection, rows: Sequence[DecisionRow]) -> None:
    """Store decisions."""
    for start in range(0, len(rows), _MOST):
        part = rows[start : start + _MOST]
        values: list[Any] = []
        for row in part:
            values += (row.id, text_of(row.at), row.charge_point, row.evse_id, row.uid, row.fingerprint, row.contract, row.outcome,
                       row.reason, row.partner, orjson.dumps(row.routes).decode(), row.milliseconds)  # fmt: skip
        db.execute(_INSERT + ", ".join([_VALUES] * len(part)), values)
