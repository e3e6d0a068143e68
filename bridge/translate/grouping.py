"""Locations from units: records of one place brought together, in the order of their first record, spilling to disk."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from attrs import evolve, fields

from bridge.model.ids import operator_key
from bridge.model.location import Location, Place, Unit

Member = tuple[Unit, Any]
"""A unit and what the caller wants back with it."""


def place_key(place: Place) -> tuple[Any, ...]:
    """What makes two records the same place: its id if given, else operator, address and coordinates."""
    operator = operator_key(place.operator_id)
    if place.id is not None:
        return (operator, str(place.id).upper())
    return (operator, place.address, place.coordinates)


def grouped(units: Iterable[Member], key: Callable[[Place], Any] = place_key) -> Iterator[list[Member]]:
    """The units by place. Memory holds one group; the rest waits in a temporary database."""
    with closing(sqlite3.connect("")) as db:  # an empty name is a database in a temporary file
        db.execute("PRAGMA cache_size = -2048")
        db.execute("PRAGMA journal_mode = OFF")  # nobody reads it after a crash
        db.execute("PRAGMA temp_store = FILE")
        db.execute("CREATE TABLE unit (seq INTEGER PRIMARY KEY, place INTEGER, body BLOB)")
        db.execute("CREATE TABLE place (id INTEGER PRIMARY KEY, name BLOB UNIQUE)")
        for unit, note in units:
            name = repr(key(unit.place))
            db.execute("INSERT OR IGNORE INTO place (name) VALUES (?)", (name,))
            db.execute("INSERT INTO unit (place, body) SELECT id, ? FROM place WHERE name = ?",
                       (pickle.dumps((unit, note), pickle.HIGHEST_PROTOCOL), name))  # fmt: skip
        db.execute("CREATE INDEX unit_place ON unit (place, seq)")
        group: list[Member] = []
        last = None
        for place, body in db.execute("SELECT place, body FROM unit ORDER BY place, seq"):
            if place != last and group:
                yield group
                group = []
            last = place
            group.append(pickle.loads(body))  # noqa: S301  (written by this function, to a private file)
        if group:
            yield group


_NAMES = tuple(f.name for f in fields(Place) if f.name not in ("last_updated", "extra"))


def merged(units: list[Unit]) -> tuple[Location, list[tuple[int, str, Any]]]:
    """One location of units of one place, and what of later units differs: (unit, canonical path, value).

    What the first unit leaves open, a later one fills.
    """
    place = units[0].place
    conflicts: list[tuple[int, str, Any]] = []
    for i, unit in enumerate(units[1:], 1):
        if unit.place == place:
            continue
        filled: dict[str, Any] = {}
        for name in _NAMES:
            mine, theirs = getattr(place, name), getattr(unit.place, name)
            if mine == theirs or theirs is None or theirs == ():
                continue
            if mine is None or mine == ():
                filled[name] = theirs
            else:
                conflicts.append((i, f"place.{name}", theirs))
        extra = place.extra + tuple(e for e in unit.place.extra if e not in place.extra)
        if filled or extra != place.extra:
            place = evolve(place, extra=extra, **filled)
    return Location(place, tuple(u.evse for u in units)), conflicts
