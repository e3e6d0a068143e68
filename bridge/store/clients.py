"""Parties that are reached through hubs, in the store: see :mod:`bridge.roaming.client_lists`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.model.ids import PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.roaming.storage import Happening
from bridge.store import outbox, records
from bridge.store.db import Database


class ClientLists:
    """A part of the store."""

    db: Database

    def clients(self, name: str) -> list[ClientInfo]:
        rows = self.db.read.execute("SELECT * FROM client WHERE list = ? ORDER BY country_code, party_id, role", (name,))
        return [_client(r) for r in rows]

    async def save_clients(self, name: str, clients: Sequence[ClientInfo], history: Sequence[Happening] = (), *,
                           whole: bool = False) -> None:  # fmt: skip
        rows = [(name, c.id.country_code.upper(), c.id.party_id.upper(), c.role, c.status, records.text_of(c.last_updated))
                for c in clients]  # fmt: skip

        def work(db: sqlite3.Connection) -> None:
            if whole:
                db.execute("DELETE FROM client WHERE list = ?", (name,))
            db.executemany("INSERT OR REPLACE INTO client VALUES (?, ?, ?, ?, ?, ?)", rows)
            records.happened(db, history)

        await self.db.write(work)

    async def hurry(self, partner: str) -> int:
        return await self.db.write(lambda db: outbox.hurry(db, partner))


def _client(r: sqlite3.Row) -> ClientInfo:
    party = PartyId(r["country_code"], r["party_id"])
    return ClientInfo(party, Role(r["role"]), ConnectionStatus(r["status"]), datetime.fromisoformat(r["updated"]))
