"""Charging profiles and preferences of sessions in the store: see :mod:`bridge.roaming.charging`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from bridge.roaming.charging import PreferenceRow, ProfileRow
from bridge.roaming.storage import Happening
from bridge.store import records
from bridge.store.db import Database


class Charging:
    """A part of the store."""

    db: Database

    async def number_profile(self, session: str, partner: str) -> ProfileRow:
        def work(db: sqlite3.Connection) -> ProfileRow:
            db.execute("INSERT INTO profile (session, partner) VALUES (?, ?) ON CONFLICT DO NOTHING", (session, partner))
            return _profile(db.execute("SELECT * FROM profile WHERE session = ?", (session,)).fetchone())

        return await self.db.write(work)

    def profile(self, session: str) -> ProfileRow | None:
        r = self.db.read.execute("SELECT * FROM profile WHERE session = ?", (session,)).fetchone()
        return None if r is None else _profile(r)

    async def save_profile(self, row: ProfileRow, history: Sequence[Happening] = ()) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE profile SET profile = ?, succeeded = ?, uncertain = ? WHERE number = ?",
                (row.profile, int(row.succeeded), int(row.uncertain), row.number),
            )
            records.happened(db, history)

        await self.db.write(work)

    async def told_plan(self, number: int, told: bytes, history: Sequence[Happening]) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE profile SET told = ? WHERE number = ?", (told, number))
            records.happened(db, history)

        await self.db.write(work)

    def profiled(self, charge_point: str) -> list[str]:
        rows = self.db.read.execute(
            "SELECT session.id FROM session JOIN profile ON profile.session = session.id"
            " WHERE charge_point = ? AND state = 'active' AND succeeded = 1 ORDER BY tx",
            (charge_point,),
        )
        return [r["id"] for r in rows]

    async def prefer(self, row: PreferenceRow, history: Sequence[Happening]) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO preference (session, at, body, tariff_id, tariff) VALUES (?, ?, ?, ?, ?)",
                (row.session, records.text_of(row.at), row.body, row.tariff_id, row.tariff),
            )
            records.happened(db, history)

        await self.db.write(work)

    def preferences(self, session: str) -> list[PreferenceRow]:
        rows = self.db.read.execute("SELECT * FROM preference WHERE session = ? ORDER BY number", (session,))
        return [_preference(r) for r in rows]


def _profile(r: sqlite3.Row) -> ProfileRow:
    profile, told = (None if r[name] is None else bytes(r[name]) for name in ("profile", "told"))
    return ProfileRow(r["session"], r["partner"], r["number"], profile, bool(r["succeeded"]), bool(r["uncertain"]), told)


def _preference(r: sqlite3.Row) -> PreferenceRow:
    return PreferenceRow(r["session"], datetime.fromisoformat(r["at"]), bytes(r["body"]), r["tariff_id"], bytes(r["tariff"]))
