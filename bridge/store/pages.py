"""What partners GET: lists in pages and single objects, of what was published to them.

Who reads a list reads it page by page. While nobody writes, its length is counted once, and a page begins where the one
before it ended instead of being counted off from the beginning again.
"""

from __future__ import annotations

from datetime import datetime

from attrs import define, field

from bridge.roaming.ports import Kind, Page
from bridge.roaming.storage import Within
from bridge.store.db import Database
from bridge.store.records import text_of

_LISTS = 64
_PLACES = 10_000
"""So many lists, and places in each, are remembered at most."""


@define
class _List:
    total: int
    after: dict[int, int] = field(factory=dict)
    """By offset: the number that the row before it has."""


class Published:
    """Reads the table of the same name."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._state: tuple[object, int] = None, 0
        self._lists: dict[tuple[object, ...], _List] = {}

    def page(self, partner: str, kind: Kind, offset: int, limit: int, since: datetime | None, until: datetime | None,
             within: Within | None = None) -> Page:  # fmt: skip
        """See :class:`bridge.roaming.storage.Storage`."""
        narrow, keys = _within(within)
        where, values = f"partner = ? AND kind = ? AND removed = 0{narrow}", [partner, kind, *keys]
        if since is not None:
            where, values = where + " AND changed >= ?", [*values, str(text_of(since))]
        if until is not None:
            where, values = where + " AND changed < ?", [*values, str(text_of(until))]
        known = self._list(where, values)
        after = known.after.get(offset)
        numbers = f"SELECT seq FROM published WHERE {where} AND seq > ? ORDER BY seq LIMIT ? OFFSET ?"  # noqa: S608
        place = (0, limit, offset) if after is None else (after, limit, 0)
        rows = self.db.read.execute(f"SELECT seq, body FROM published WHERE seq IN ({numbers}) ORDER BY seq", (*values, *place)).fetchall()  # noqa: S608
        if rows and len(known.after) < _PLACES:
            known.after[offset + len(rows)] = rows[-1]["seq"]
        return Page([r["body"] for r in rows], known.total, tuple(r["seq"] for r in rows))

    def find(self, partner: str, kind: Kind, key: str, within: Within | None = None) -> bytes | None:
        """See :class:`bridge.roaming.storage.Storage`."""
        narrow, keys = _within(within)
        r = self.db.read.execute(
            f"SELECT body FROM published WHERE partner = ? AND kind = ? AND key = ? COLLATE NOCASE AND removed = 0{narrow}",  # noqa: S608
            (partner, kind, key, *keys)).fetchone()  # fmt: skip
        return None if r is None else bytes(r["body"])

    def _list(self, where: str, values: list[str]) -> _List:
        state = self.db.read, self.db.read.execute("PRAGMA data_version").fetchone()[0]  # another one after every commit
        if state != self._state or len(self._lists) >= _LISTS:
            self._state, self._lists = state, {}
        key = (where, *values)
        known = self._lists.get(key)
        if known is None:
            total = self.db.read.execute(f"SELECT COUNT(*) AS n FROM published WHERE {where}", values).fetchone()["n"]  # noqa: S608
            known = self._lists[key] = _List(total)
        return known


def _within(within: Within | None) -> tuple[str, list[str]]:
    """SQL, and its values, that narrows ``published`` to some of our objects."""
    if within is None or (within.scopes is None and within.sources is None):
        return "", []
    if within.sources is not None:
        return f" AND source IN ({', '.join('?' * len(within.sources))})", list(within.sources)
    scopes = within.scopes or ()
    triples = ", ".join(["(?, ?, ?)"] * len(scopes))
    values = [value for scope in scopes for value in (scope.operator, ",".join(scope.groups), scope.origin)]
    if not scopes:
        return " AND 0", []
    named = f"SELECT key FROM thing WHERE kind = 'location' AND (operator, groups, origin) IN (VALUES {triples})"  # noqa: S608  (placeholders)
    return f" AND source IN ({named})", values
