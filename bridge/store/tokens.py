"""Tokens in the store: told one by one, or as a whole list that is staged first and then taken in parts.

A whole list may be of any length: it is staged in batches, weighed against what there is, and applied in parts, so that
neither memory nor the writer is held by it. Everything is harmless when repeated after a restart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain

from bridge.roaming.storage import TokenRow
from bridge.store.outbox import now_text

PART = 5000
"""Tokens in one transaction."""

_AT_ONCE = 1024
"""Tokens in one statement, because each statement is a turn of two threads. Lengths are powers of two, so that there are few."""

_NEW = "INSERT INTO token (uid, kind, partner, contract, valid, whitelist, expires, body, changed) {source} ON CONFLICT DO "
_NEWER = """UPDATE SET contract = excluded.contract, valid = excluded.valid, whitelist = excluded.whitelist,
 expires = excluded.expires, body = excluded.body, changed = excluded.changed
 WHERE (token.body <> excluded.body OR token.valid <> excluded.valid)"""
# A token that a whole list had left out is not valid, with the body as it was: when it comes again, it is valid again.


def find(db: sqlite3.Connection, uids: Sequence[str]) -> list[sqlite3.Row]:
    """All partners' tokens under these keys."""
    marks = ", ".join("?" * len(uids))
    return db.execute(f"SELECT * FROM token WHERE uid IN ({marks})", uids).fetchall()  # noqa: S608  (placeholders)


def put(db: sqlite3.Connection, partner: str, rows: Sequence[TokenRow], *, listed: bool = False) -> tuple[int, int]:
    """Store tokens; returns how many were new, and how many of the others were changed.

    ``listed``: they are of the whole list that comes in. What was told since it began stays as it was told then.
    """
    new = changed = 0
    for some in _parts(rows):
        values = (partner, now_text(), f"staging {partner}", *chain.from_iterable(some))
        here = db.execute(_put(len(some), "NOTHING"), values).rowcount
        if new + here < len(rows):
            changed += db.execute(_put(len(some), _NEWER + (_LISTED if listed else "")), values).rowcount
        new += here
    return new, changed


def tell(db: sqlite3.Connection, rows: Sequence[TokenRow]) -> list[bool]:
    """Store tokens that came one by one; returns for each whether it was not known before."""
    new: list[bool] = []
    for some in _parts(rows):
        values = ("", now_text(), "", *chain.from_iterable(some))
        first: dict[tuple[str, str, str], int] = {}
        for number, token in enumerate(some):
            first.setdefault(token[:3], number)
        db.execute("SAVEPOINT tell")
        here = db.execute(_told(len(some), "NOTHING"), values).rowcount
        old: Set[int] = frozenset() if here else frozenset(range(len(some)))
        if 0 < here < len(first):  # some of them: which?
            db.execute("ROLLBACK TO tell")
            old = set(map(int, db.execute(_known(len(some)), values).fetchone()[0].split(",")))
        if here < len(rows):
            db.execute(_told(len(some), _NEWER), values)
        db.execute("RELEASE tell")
        told = some[: len(rows) - len(new)]
        new += [number not in old and first[token[:3]] == number for number, token in enumerate(told)]
    return new


def _parts(rows: Sequence[TokenRow]) -> Iterator[Sequence[TokenRow]]:
    """So many as one statement takes, with their expiry as text; the last of all is repeated, which changes nothing, to fill up."""
    for first in range(0, len(rows), _AT_ONCE):
        some = rows[first : first + _AT_ONCE]
        if any(t.expires is not None for t in some):
            some = [TokenRow(*t[:6], _text(t.expires), t.body) for t in some]  # type: ignore[arg-type]
        missing = (1 << (len(some) - 1).bit_length()) - len(some)
        yield [*some, *[some[-1]] * missing] if missing else some


def _marks(count: int, row: str) -> str:
    """VALUES for so many tokens: ``row`` with the names of its columns as the numbers of their parameters, of which three come before."""
    names = TokenRow._fields
    return "VALUES " + ", ".join(
        row.format(**{name: f"?{4 + n}" for n, name in enumerate(names, at * len(names))}, number=at) for at in range(count))  # fmt: skip


_LISTED = " AND token.changed < (SELECT value FROM mark WHERE name = ?3)"


@lru_cache(16)
def _known(count: int) -> str:
    """The numbers of those that are known, with commas between; none is null. Other values than the keys are not looked at."""
    last = 3 + count * len(TokenRow._fields)
    return (f"SELECT group_concat(column1) FROM ({_marks(count, '({number}, {uid}, {kind}, {partner})')}) WHERE ?{last} IS NOT NULL"  # noqa: S608
            " AND EXISTS (SELECT 1 FROM token WHERE uid = column2 AND kind = column3 AND partner = column4)")  # fmt: skip


@lru_cache(32)
def _told(count: int, known: str) -> str:
    row = "({uid}, {kind}, {partner}, {contract}, {valid}, {whitelist}, {expires}, {body}, ?2)"
    return _NEW.format(source=_marks(count, row)) + known


@lru_cache(32)
def _put(count: int, known: str) -> str:
    """For the partner, now, the mark of when its list began, and so many tokens; what is to be done with one that is known."""
    return _NEW.format(source=_marks(count, "({uid}, {kind}, ?1, {contract}, {valid}, {whitelist}, {expires}, {body}, ?2)")) + known


def begin(db: sqlite3.Connection, partner: str) -> None:
    """A whole list begins to come in: what is staged is not complete."""
    db.execute("DELETE FROM mark WHERE name = ?", (f"staged {partner}",))
    db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (f"staging {partner}", now_text()))


def complete(db: sqlite3.Connection, partner: str) -> None:
    """The whole list is staged."""
    db.execute("INSERT OR REPLACE INTO mark SELECT ?, value FROM mark WHERE name = ?", (f"staged {partner}", f"staging {partner}"))


def completed(db: sqlite3.Connection, partner: str) -> str:
    """When the complete list that is staged began to come in. Raises LookupError if there is none."""
    row = db.execute("SELECT value FROM mark WHERE name = ?", (f"staged {partner}",)).fetchone()
    if row is None:
        raise LookupError(f"no complete list of tokens of {partner} is there")
    return str(row["value"])


def clear(db: sqlite3.Connection, partner: str) -> bool:
    """Forget a part of what is staged; False if nothing is left."""
    return db.execute("DELETE FROM staged WHERE partner = ?1 AND (uid, kind) IN"
                      " (SELECT uid, kind FROM staged WHERE partner = ?1 LIMIT ?2)", (partner, PART)).rowcount > 0  # fmt: skip


def stage(db: sqlite3.Connection, partner: str, rows: Sequence[TokenRow]) -> None:
    """Put a batch of a whole list aside."""
    for some in _parts(rows):
        db.execute(_stage(len(some)), (partner, None, None, *chain.from_iterable(some)))


@lru_cache(16)
def _stage(count: int) -> str:
    """For the partner, two that are not used, and so many tokens."""
    values = _marks(count, "(?1, {uid}, {kind}, {contract}, {valid}, {whitelist}, {expires}, {body})")
    return f"INSERT OR REPLACE INTO staged (partner, uid, kind, contract, valid, whitelist, expires, body) {values}"


def weigh(db: sqlite3.Connection, partner: str) -> tuple[int, int]:
    """How many of the partner's tokens are valid, and how many of those would not be with the staged list."""
    row = db.execute(
        "SELECT COUNT(*) AS valid, COALESCE(SUM(NOT EXISTS (SELECT 1 FROM staged AS s WHERE s.partner = t.partner"
        " AND s.uid = t.uid AND s.kind = t.kind AND s.valid = 1)), 0) AS gone FROM token AS t WHERE partner = ? AND valid = 1",
        (partner,)).fetchone()  # fmt: skip
    return int(row["valid"]), int(row["gone"])


def take(db: sqlite3.Connection, partner: str, began: str, after: tuple[str, str]) -> tuple[tuple[str, str] | None, int, int]:
    """Store a part of what is staged, after a key; returns the last key (None at the end), how many came, how many differed.

    A token that its owner told after ``began`` stays as it was told then.
    """
    keys = db.execute("SELECT uid, kind FROM staged WHERE partner = ? AND (uid, kind) > (?, ?) ORDER BY uid, kind LIMIT ?",
                      (partner, *after, PART)).fetchall()  # fmt: skip
    if not keys:
        return None, 0, 0
    last = (keys[-1]["uid"], keys[-1]["kind"])
    before = db.total_changes
    source = ("SELECT uid, kind, partner, contract, valid, whitelist, expires, body, ? FROM staged"
              " WHERE partner = ? AND (uid, kind) > (?, ?) AND (uid, kind) <= (?, ?)")  # fmt: skip
    db.execute(_NEW.format(source=source) + _NEWER + " AND token.changed < ?", (now_text(), partner, *after, *last, began))
    return last, len(keys), db.total_changes - before


def revoke(db: sqlite3.Connection, partner: str, began: str, after: tuple[str, str]) -> tuple[tuple[str, str] | None, int]:
    """Make tokens that are not staged invalid, a part at a time; returns the last key (None at the end) and how many."""
    keys = db.execute("SELECT uid, kind FROM token WHERE partner = ? AND (uid, kind) > (?, ?) ORDER BY uid, kind LIMIT ?",
                      (partner, *after, PART)).fetchall()  # fmt: skip
    if not keys:
        return None, 0
    last = (keys[-1]["uid"], keys[-1]["kind"])
    done = db.execute(
        "UPDATE token SET valid = 0, changed = ? WHERE partner = ? AND (uid, kind) > (?, ?) AND (uid, kind) <= (?, ?) AND valid = 1"
        " AND changed < ? AND NOT EXISTS (SELECT 1 FROM staged AS s WHERE s.partner = token.partner AND s.uid = token.uid"
        " AND s.kind = token.kind)",
        (now_text(), partner, *after, *last, began)).rowcount  # fmt: skip
    return last, done


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")
