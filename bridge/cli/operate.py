"""``evbridge outbox``, ``evbridge why`` and ``evbridge partner show``: what happened, what waits, and why."""

from __future__ import annotations

import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli.serve import CONFIG
from bridge.config import load
from bridge.model.ids import evse_key
from bridge.store import outbox as jobs
from bridge.store.sqlite import SqliteStore


def _store(config: Path) -> SqliteStore:
    settings = load(config)
    if not settings.store.exists():
        click.echo(f"{settings.store}: there is no store yet", err=True)
        sys.exit(2)
    store = SqliteStore(settings.store)
    store.db.open()
    return store


@click.group("outbox")
def outbox() -> None:
    """Outbound work: what waits, what was refused."""


@outbox.command("list")
@CONFIG
@click.option("--dead", is_flag=True, help="Only what was refused for good.")
def list_(config: Path, dead: bool) -> None:
    """List jobs, oldest first."""
    store = _store(config)
    where = "WHERE state = 'dead'" if dead else ""
    for r in store.db.read.execute(f"SELECT * FROM outbox {where} ORDER BY id"):  # noqa: S608  (a constant)
        due = datetime.fromtimestamp(r["due"], UTC).isoformat(timespec="seconds")
        click.echo(f"{r['id']:>6}  {r['state']:8} {r['partner']:16} {r['kind']:9} {r['op']:7} {r['key']}  tries {r['attempts']}, due {due}"
                   + (f"  {r['error']}" if r["error"] else ""))  # fmt: skip
    store.close()


@outbox.command("show")
@CONFIG
@click.argument("number", type=int)
def show(config: Path, number: int) -> None:
    """Show one job with the bytes that are sent."""
    store = _store(config)
    row = store.db.read.execute("SELECT * FROM outbox WHERE id = ?", (number,)).fetchone()
    if row is None:
        click.echo(f"there is no job {number}", err=True)
        sys.exit(2)
    for name in ("id", "partner", "kind", "op", "key", "state", "attempts", "created", "error", "meta"):
        click.echo(f"{name:9} {row[name]}")
    click.echo(bytes(row["body"]).decode("utf-8", "replace"))
    store.close()


@outbox.command("replay")
@CONFIG
@click.argument("numbers", type=int, nargs=-1, required=True)
def replay(config: Path, numbers: tuple[int, ...]) -> None:
    """Send dead letters again, with the same bytes."""
    store = _store(config)
    done = store.db.write_now(lambda db: jobs.replay(db, numbers))
    click.echo(f"{done} of {len(numbers)} wait again")
    store.close()


@click.command("why")
@CONFIG
@click.option("--evse", help="Decisions at this EVSE.")
@click.option("--at", "at", type=click.DateTime(), help="Around this time (UTC), an hour before and after.")
@click.option("--session", help="Everything about this session.")
@click.option("--contract", help="Decisions about this contract.")
@click.option("--reference", help="What a partner calls by this reference (CDR id, SessionID, Location).")
def why(config: Path, evse: str | None, at: datetime | None, session: str | None, contract: str | None, reference: str | None) -> None:
    """Why was this card refused? Shows decisions, routes, messages, losses and CDR states; uids are masked."""
    store = _store(config)
    db = store.db.read
    if reference is not None:
        row = db.execute("SELECT session FROM cdr WHERE id = ? OR reference = ?", (reference, reference)).fetchone()
        row = (
            row or db.execute("SELECT id AS session FROM session WHERE json_extract(auth, '$.hub_session_id') = ?", (reference,)).fetchone()
        )
        session = row["session"] if row is not None else reference
    where, values = ["1"], []
    if evse is not None:
        charge_points = [r["charge_point"] for r in db.execute("SELECT charge_point FROM evse WHERE evse_id = ?", (evse_key(evse),))]
        where.append("(evse_id = ? OR charge_point = ?)")
        values += [evse_key(evse), charge_points[0] if charge_points else ""]
    if at is not None:
        where.append("abs(julianday(at) - julianday(?)) <= 1.0 / 24")
        values.append(at.replace(tzinfo=UTC).isoformat())
    if session is not None:
        where.append("session = ?")
        values.append(session)
    if contract is not None:
        where.append("contract = ?")
        values.append(contract)
    found = db.execute(f"SELECT * FROM decision WHERE {' AND '.join(where)} ORDER BY at", values).fetchall()  # noqa: S608  (constants)
    for row in found:
        _tell(db, row)
    if session is not None:
        _tell_session(db, session)
    elif not found:
        click.echo("no decision is recorded for that")
    store.close()


def _tell(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    click.echo(f"{row['at']}  {row['charge_point']} {row['evse_id'] or ''}  card {row['uid']} ({row['fingerprint']}): {row['outcome']}")
    click.echo(f"    {row['reason']}" + (f"; contract {row['contract']}" if row["contract"] else "") + f"; {row['milliseconds']:.0f} ms")
    for route in json.loads(row["routes"]):
        click.echo(f"    asked {route['partner']}: {route['said'] or route['error']} after {route['milliseconds']} ms")
    if row["session"]:
        _tell_session(db, row["session"])


def _tell_session(db: sqlite3.Connection, session: str) -> None:
    row = db.execute("SELECT * FROM session WHERE id = ?", (session,)).fetchone()
    if row is None:
        return
    click.echo(
        f"    session {row['id']} (transaction {row['tx']}): {row['state']}, {row['started']} to {row['ended'] or 'now'}, {row['kwh']} kWh"
    )
    cdr = db.execute("SELECT * FROM cdr WHERE session = ?", (session,)).fetchone()
    if cdr is not None:
        click.echo(f"    CDR {cdr['id']} for {cdr['partner']}: {cdr['state']}, {cdr['total']} {cdr['currency']}, sent {cdr['sent']} times"
                   + (f", reference {cdr['reference']}" if cdr["reference"] else "")
                   + (f", {cdr['error']}" if cdr["error"] else ""))  # fmt: skip
        for loss in json.loads(cdr["losses"]):
            click.echo(f"        {loss['kind']} {loss['path']}: {loss['because']}")
    ids = [session] + ([cdr["id"]] if cdr is not None else [])
    marks = ", ".join("?" * len(ids))
    for line in db.execute(f"SELECT * FROM history WHERE ref IN ({marks}) ORDER BY id", ids):  # noqa: S608  (placeholders)
        click.echo(f"    {line['at']}  {line['what']}" + (f" ({line['partner']})" if line["partner"] else "") + f" {line['detail'] or ''}")


@click.group("partner")
def partner() -> None:
    """Partners and what they see."""


@partner.command("show")
@CONFIG
@click.argument("name")
@click.option("--evse", help="Explain for this EVSE why it is or is not included.")
def partner_show(config: Path, name: str, evse: str | None) -> None:
    """Show a partner's agreements, what waits for it, and why it sees an EVSE or not."""
    from bridge.app import book_of, utc_now

    settings = load(config)
    if name not in settings.partners:
        click.echo(f"there is no partner {name}; there are {', '.join(settings.partners)}", err=True)
        sys.exit(2)
    it = settings.partners[name]
    click.echo(f"{name}: {it.protocol} at {it.url}, {it.role}, priority {it.priority}")
    book = book_of(settings)
    for number, one in enumerate(book.of(name), 1):
        click.echo(f"  agreement {number}: {one.operator}, {', '.join(sorted(one.kinds))}, "
                   f"groups {', '.join(sorted(one.groups)) or 'all'}, {'test' if one.test else 'production'}")  # fmt: skip
    if not settings.store.exists():
        return
    store = _store(config)
    states: dict[str, Any] = jobs.counts(store.db.read).get(name, {})
    click.echo("  outbox: " + (", ".join(f"{n} {s}" for s, n in states.items()) or "empty"))
    if evse is not None:
        row = store.evse(evse)
        if row is None:
            click.echo(f"  {evse}: not among our EVSEs")
        else:
            for kind in ("locations", "status", "tokens", "commands", "cdrs"):
                for line in book.explain(name, kind, row.operator, row.groups, utc_now()):
                    click.echo(f"  {evse}, {kind}: {line}")
            rows = store.db.read.execute("SELECT key FROM published WHERE partner = ? AND kind = 'location' AND source = ? AND removed = 0",
                                         (name, row.location))  # fmt: skip
            keys = [r["key"] for r in rows]
            click.echo(f"  {evse}: " + (f"published as {', '.join(keys)}" if keys else "not published"))
    store.close()
