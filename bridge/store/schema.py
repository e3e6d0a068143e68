"""The tables, as sqlite-utils migrations. A migration that has shipped is never changed; a new one is added."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from sqlite_utils import Database

FIRST = """
CREATE TABLE thing (
    kind TEXT NOT NULL, operator TEXT NOT NULL, key TEXT NOT NULL, origin TEXT NOT NULL, body BLOB NOT NULL,
    hash TEXT NOT NULL, removed INTEGER NOT NULL DEFAULT 0, changed TEXT NOT NULL, groups TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, operator, key));
CREATE INDEX thing_scope ON thing (kind, operator, groups, key);
CREATE INDEX thing_key ON thing (kind, key);
CREATE TABLE evse (
    evse_id TEXT PRIMARY KEY, written TEXT NOT NULL, uid TEXT NOT NULL, location TEXT NOT NULL, operator TEXT NOT NULL,
    groups TEXT NOT NULL DEFAULT '',
    charge_point TEXT, connector INTEGER, status TEXT, status_at TEXT, removed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX evse_uid ON evse (uid);
CREATE INDEX evse_charger ON evse (charge_point, connector);
CREATE INDEX evse_location ON evse (location);
CREATE TABLE token (
    uid TEXT NOT NULL, kind TEXT NOT NULL, partner TEXT NOT NULL, contract TEXT, valid INTEGER NOT NULL, whitelist TEXT,
    expires TEXT, body BLOB NOT NULL, changed TEXT NOT NULL, PRIMARY KEY (uid, kind, partner)) WITHOUT ROWID;
CREATE INDEX token_contract ON token (contract);
CREATE INDEX token_partner ON token (partner);
CREATE TABLE staged (
    partner TEXT NOT NULL, uid TEXT NOT NULL, kind TEXT NOT NULL, contract TEXT, valid INTEGER NOT NULL, whitelist TEXT,
    expires TEXT, body BLOB NOT NULL, PRIMARY KEY (partner, uid, kind)) WITHOUT ROWID;
CREATE TABLE published (
    seq INTEGER PRIMARY KEY, partner TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL,
    body BLOB NOT NULL, meta TEXT NOT NULL, had INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0,
    changed TEXT NOT NULL, UNIQUE (partner, kind, key));
CREATE INDEX published_source ON published (kind, source);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, kind TEXT NOT NULL, op TEXT NOT NULL, key TEXT NOT NULL,
    source TEXT NOT NULL, body BLOB NOT NULL, meta TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL,
    due REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', uncertain INTEGER NOT NULL DEFAULT 0, error TEXT);
CREATE INDEX outbox_due ON outbox (partner, state, due);
CREATE INDEX outbox_key ON outbox (partner, kind, key, state);
CREATE INDEX outbox_next ON outbox (partner, id, due) WHERE state = 'waiting';
CREATE INDEX outbox_source ON outbox (partner, kind, source, state);
CREATE TABLE session (
    id TEXT PRIMARY KEY, tx INTEGER NOT NULL UNIQUE, charge_point TEXT NOT NULL, connector INTEGER NOT NULL, evse_id TEXT,
    location TEXT, operator TEXT, partner TEXT, id_tag TEXT NOT NULL, token BLOB, auth TEXT NOT NULL, test INTEGER NOT NULL,
    started TEXT NOT NULL, meter_start INTEGER NOT NULL, ended TEXT, meter_stop INTEGER, reason TEXT, kwh TEXT NOT NULL DEFAULT '0',
    state TEXT NOT NULL, tariff BLOB, UNIQUE (charge_point, connector, id_tag, meter_start, started));
CREATE INDEX session_open ON session (charge_point, connector, state);
CREATE TABLE sample (session TEXT NOT NULL, at TEXT NOT NULL, kwh TEXT NOT NULL, digest TEXT NOT NULL, power TEXT, signed TEXT,
    context TEXT, PRIMARY KEY (session, at, kwh, digest)) WITHOUT ROWID;
CREATE TABLE expected (charge_point TEXT NOT NULL, card TEXT NOT NULL, connector INTEGER, decision BLOB NOT NULL, until TEXT NOT NULL,
    PRIMARY KEY (charge_point, card));
CREATE TABLE reservation (number INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, reference TEXT NOT NULL,
    charge_point TEXT NOT NULL, connector INTEGER NOT NULL, id_tag TEXT NOT NULL, card TEXT NOT NULL, until TEXT NOT NULL,
    UNIQUE (partner, reference));
CREATE INDEX reservation_place ON reservation (charge_point, connector);
CREATE TABLE cdr (
    id TEXT PRIMARY KEY, session TEXT NOT NULL UNIQUE, partner TEXT, operator TEXT, test INTEGER NOT NULL, body BLOB NOT NULL,
    total TEXT, currency TEXT, kwh TEXT, state TEXT NOT NULL, reference TEXT, losses TEXT NOT NULL DEFAULT '[]',
    sent INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL, settled TEXT, error TEXT, alarm INTEGER NOT NULL DEFAULT 0);
CREATE INDEX cdr_state ON cdr (state);
CREATE TABLE decision (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, charge_point TEXT NOT NULL, evse_id TEXT, uid TEXT NOT NULL, fingerprint TEXT NOT NULL,
    contract TEXT, outcome TEXT NOT NULL, reason TEXT NOT NULL, partner TEXT, routes TEXT NOT NULL, milliseconds REAL NOT NULL,
    session TEXT);
CREATE INDEX decision_at ON decision (at);
CREATE TABLE history (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, what TEXT NOT NULL, partner TEXT, ref TEXT, detail TEXT);
CREATE INDEX history_ref ON history (ref);
CREATE TABLE credential (partner TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE held (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL, body BLOB NOT NULL,
    confirmed TEXT);
CREATE TABLE mark (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


ANSWERED = "ALTER TABLE expected ADD COLUMN answered INTEGER NOT NULL DEFAULT 1;"

OUTCOMES = """
CREATE TABLE outcome (
    number INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, kind TEXT NOT NULL, ref TEXT NOT NULL, address TEXT NOT NULL,
    until TEXT NOT NULL, decision TEXT, session TEXT, result TEXT, sending INTEGER NOT NULL DEFAULT 0);
"""

TOLD = "ALTER TABLE published ADD COLUMN told REAL;"

UPSTREAM = """
ALTER TABLE evse ADD COLUMN origin TEXT NOT NULL DEFAULT 'import';
CREATE INDEX thing_spelled ON thing (kind, operator, key COLLATE NOCASE);
DROP INDEX thing_scope;
CREATE INDEX thing_scope ON thing (kind, operator, groups, origin, key);
CREATE TABLE granted (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, card TEXT NOT NULL, evse_id TEXT, decision BLOB NOT NULL, at TEXT NOT NULL,
    answered INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
CREATE INDEX granted_card ON granted (source, card, at);
CREATE TABLE told_session (
    operator TEXT NOT NULL, id TEXT NOT NULL COLLATE NOCASE, source TEXT NOT NULL, body BLOB NOT NULL, status TEXT NOT NULL,
    partner TEXT, auth TEXT, token BLOB, test INTEGER NOT NULL DEFAULT 0, tariff BLOB, evse_id TEXT, started TEXT NOT NULL, ended TEXT,
    kwh TEXT NOT NULL, changed TEXT NOT NULL, PRIMARY KEY (operator, id)) WITHOUT ROWID;
CREATE INDEX told_session_evse ON told_session (evse_id);
CREATE INDEX told_session_partner ON told_session (partner, id);
CREATE TABLE told_cdr (
    operator TEXT NOT NULL, id TEXT NOT NULL COLLATE NOCASE, source TEXT NOT NULL, session TEXT COLLATE NOCASE, body BLOB NOT NULL,
    entry TEXT NOT NULL UNIQUE, told TEXT NOT NULL, PRIMARY KEY (operator, id)) WITHOUT ROWID;
CREATE INDEX told_cdr_session ON told_cdr (operator, session);
CREATE TABLE passed_reservation (
    number INTEGER PRIMARY KEY AUTOINCREMENT, partner TEXT NOT NULL, reference TEXT NOT NULL, source TEXT NOT NULL,
    until TEXT NOT NULL, UNIQUE (partner, reference));
CREATE INDEX token_changed ON token (partner, changed, uid, kind);
"""

CHARGING = """
ALTER TABLE outcome ADD COLUMN body BLOB;
CREATE TABLE profile (
    number INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL UNIQUE, partner TEXT NOT NULL, profile BLOB,
    succeeded INTEGER NOT NULL DEFAULT 0, uncertain INTEGER NOT NULL DEFAULT 0, told BLOB);
CREATE TABLE preference (
    number INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, at TEXT NOT NULL, body BLOB NOT NULL, tariff_id TEXT NOT NULL,
    tariff BLOB NOT NULL);
CREATE INDEX preference_session ON preference (session);
"""

PAGES = """
CREATE INDEX published_page ON published (partner, kind, seq, changed, source) WHERE removed = 0;
CREATE INDEX published_key ON published (partner, kind, key COLLATE NOCASE);
"""
# Pages are counted and found in the index alone; the bodies of the page's own rows are all that is read beside it.

PLACE = "ALTER TABLE session ADD COLUMN place BLOB;"

CLIENTS = """
CREATE TABLE client (
    list TEXT NOT NULL, country_code TEXT NOT NULL, party_id TEXT NOT NULL, role TEXT NOT NULL, status TEXT NOT NULL,
    updated TEXT NOT NULL, PRIMARY KEY (list, country_code, party_id, role)) WITHOUT ROWID;
"""

CREDITS = """
ALTER TABLE cdr ADD COLUMN credits TEXT;
ALTER TABLE cdr ADD COLUMN replaces TEXT;
CREATE UNIQUE INDEX cdr_credits ON cdr (credits) WHERE credits IS NOT NULL;
CREATE UNIQUE INDEX cdr_replaces ON cdr (replaces) WHERE replaces IS NOT NULL;
"""

CURRENT = "ALTER TABLE sample ADD COLUMN amperes TEXT;"

_PARTY = "upper(json_extract(meta, '$.country_code') || '*' || json_extract(meta, '$.party_id') || '/' || key)"
_OF_PARTY = "kind IN ('location', 'status', 'tariff') AND json_extract(meta, '$.party_id') IS NOT NULL"
PARTIES = f"""
UPDATE published SET key = {_PARTY} WHERE {_OF_PARTY};
UPDATE outbox SET key = {_PARTY} WHERE {_OF_PARTY};
UPDATE published SET meta = json_set(meta, '$.operator', (SELECT MIN(operator) FROM thing
  WHERE thing.kind = REPLACE(published.kind, 'status', 'location') AND thing.key = published.source HAVING COUNT(*) = 1))
WHERE kind IN ('location', 'status', 'tariff');
"""  # noqa: S608  (nothing in it comes from outside)
"""Keys of OCPI objects have their party in them; what is shown says which operator's it is."""

MIGRATIONS = (("001_first", FIRST), ("002_answered", ANSWERED), ("003_outcomes", OUTCOMES), ("004_told", TOLD),
              ("005_upstream", UPSTREAM), ("006_charging", CHARGING), ("007_pages", PAGES), ("008_place", PLACE),
              ("009_clients", CLIENTS), ("010_credits", CREDITS), ("011_current", CURRENT), ("012_parties", PARTIES))  # fmt: skip

_SET = "bridge"


def is_newest(db: sqlite3.Connection) -> bool:
    """Whether the newest migration was applied, so that there is nothing to do."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone() is None:
        return False
    found = db.execute("SELECT 1 FROM _sqlite_migrations WHERE migration_set = ? AND name = ?", (_SET, MIGRATIONS[-1][0]))
    return found.fetchone() is not None


def migrate(db: Database) -> None:
    """Bring a database to the newest schema."""
    from sqlite_utils import Migrations

    steps = Migrations(_SET)
    for name, script in MIGRATIONS:
        steps(name=name, transactional=False)(_running(script))
    steps.apply(db)


def _running(script: str) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        db.executescript(script)

    return run
