"""``evbridge outbox``, ``held``, ``why`` and ``partner show``: what happened, what waits, and why."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.serve import CONFIG
from bridge.config import load
from bridge.errors import Refused
from bridge.mapping.loss import REFUSED
from bridge.model.ids import evse_key
from bridge.model.location import Location
from bridge.roaming.ports import Kind
from bridge.store import outbox as jobs
from bridge.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.config import BridgeConfig
    from bridge.roaming.agreements import Agreement
    from bridge.roaming.storage import EvseRow, HeldRow


def opened(config: Path) -> SqliteStore:
    """The store, to look into and write; one line and exit status 2 if there is none yet."""
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
    store = opened(config)
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
    store = opened(config)
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
    store = opened(config)
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
    store = opened(config)
    db = store.db.read
    if reference is not None:
        session = _session_by(db, reference)
    told: set[str] = set()
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
        about = session or row["session"]
        if about and about not in told:
            told.add(about)
            tell_session(db, about)
    if session is not None and session not in told:
        tell_session(db, session)
    elif not found:
        click.echo("no decision is recorded for that")
    store.close()


def _tell(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    click.echo(f"{row['at']}  {row['charge_point']} {row['evse_id'] or ''}  card {row['uid']} ({row['fingerprint']}): {row['outcome']}")
    click.echo(f"    {row['reason']}" + (f"; contract {row['contract']}" if row["contract"] else "") + f"; {row['milliseconds']:.0f} ms")
    for route in json.loads(row["routes"]):
        click.echo(f"    asked {route['partner']}: {route['said'] or route['error']} after {route['milliseconds']} ms")


_FIRST = """
WITH RECURSIVE mine(id) AS (SELECT id FROM cdr WHERE id = ?1 OR reference = ?1
UNION SELECT COALESCE(cdr.credits, cdr.replaces) FROM cdr JOIN mine ON cdr.id = mine.id)
SELECT session AS id FROM cdr WHERE id IN mine AND credits IS NULL AND replaces IS NULL
"""
"""The session of a CDR that a reference names, or of the one that it credits or replaces."""
_CDRS = """
WITH RECURSIVE mine(id) AS (SELECT id FROM cdr WHERE session = ?1
UNION SELECT entry FROM told_cdr WHERE session = ?1 OR entry = ?1
UNION SELECT cdr.id FROM cdr JOIN mine ON mine.id IN (cdr.credits, cdr.replaces))
SELECT * FROM cdr WHERE id IN mine ORDER BY created, id
"""
"""The CDRs of a session, and those that credit or replace them."""


def _session_by(db: sqlite3.Connection, reference: str) -> str:
    """The session that a reference is about; a CDR of an upstream operator that names none stands for its own."""
    for query in (
        "SELECT COALESCE(t.session, entry) AS id FROM told_cdr AS t JOIN cdr ON cdr.id = entry WHERE ?1 IN (t.id, entry, reference)",
        _FIRST,
        "SELECT id FROM session WHERE json_extract(auth, '$.hub_session_id') = ?1",
        "SELECT id FROM told_session WHERE json_extract(auth, '$.hub_session_id') = ?1",
    ):
        row = db.execute(query, (reference,)).fetchone()
        if row is not None:
            return str(row["id"])
    return reference


def tell_session(db: sqlite3.Connection, session: str) -> None:
    """A session, of ours or from upstream, with its CDRs and history."""
    ids = [session]
    for row in db.execute("SELECT * FROM session WHERE id = ?", (session,)):
        click.echo(f"    session {row['id']} (transaction {row['tx']}): {row['state']}, {_span(row)}")
    for row in db.execute("SELECT * FROM told_session WHERE id = ?", (session,)):
        whose = f"of {row['partner']}" if row["partner"] else "of nobody that is known" if row["auth"] is None else "of the operator's own"
        click.echo(f"    session {row['id']} from {row['source']}, {whose}: {row['status']}, {_span(row)}")
    for cdr in db.execute(_CDRS, (session,)):
        ids.append(cdr["id"])
        role = f", credits {cdr['credits']}" if cdr["credits"] else f", replaces {cdr['replaces']}" if cdr["replaces"] else ""
        click.echo(f"    CDR {cdr['id']}{role} for {cdr['partner']}: {cdr['state']}, {cdr['total']} {cdr['currency']},"
                   f" sent {cdr['sent']} times"
                   + (f", reference {cdr['reference']}" if cdr["reference"] else "")
                   + (f", {cdr['error']}" if cdr["error"] else ""))  # fmt: skip
        for loss in json.loads(cdr["losses"]):
            click.echo(f"        {loss['kind']} {loss['path']}: {loss['because']}")
    marks = ", ".join("?" * len(ids))
    for line in db.execute(f"SELECT * FROM history WHERE ref IN ({marks}) ORDER BY id", ids):  # noqa: S608  (placeholders)
        click.echo(f"    {line['at']}  {line['what']}" + (f" ({line['partner']})" if line["partner"] else "") + f" {line['detail'] or ''}")


def _span(row: sqlite3.Row) -> str:
    return f"{row['started']} to {row['ended'] or 'now'}, {row['kwh']} kWh"


@click.group("held")
def held() -> None:
    """Mass changes that wait for a person: imports and token lists that would take away too much at once."""


@held.command("list")
@CONFIG
def held_list(config: Path) -> None:
    """List what is held, oldest first."""
    store = opened(config)
    for r in store.held():
        click.echo(f"{r.number:>6}  {r.at}  {r.what}: {r.detail}")
    store.close()


@held.command("confirm")
@CONFIG
@click.argument("number", type=int)
def held_confirm(config: Path, number: int) -> None:
    """Do what is held, as it was: the import with that file, or the partner's token list."""
    from bridge.app import beside

    store = opened(config)
    found = next((r for r in store.held() if r.number == number), None)
    store.close()
    if found is None:
        click.echo(f"nothing is held as {number}", err=True)
        sys.exit(2)

    async def work() -> str:
        async with beside(load(config)) as bridge:
            return await _confirm(bridge, found)

    try:
        click.echo(asyncio.run(work()))
    except LookupError as why:
        click.echo(str(why.args[0]), err=True)
        sys.exit(2)


async def _confirm(bridge: Bridge, change: HeldRow) -> str:
    from bridge.app import bindings

    kind, _, name = change.what.partition(" of ")
    if kind.startswith("upstream "):
        gone = await bridge.core.upstream.confirm(name, Kind(kind.removeprefix("upstream ").removesuffix("s")), change.body)
        return f"{gone} {kind.removeprefix('upstream ')} removed"
    if kind == "tokens":
        taken = await bridge.core.confirm_tokens(name)
        return f"{taken.stored} tokens stored, {taken.revoked} revoked"
    done = await bridge.core.publisher.confirm_locations(name, change.body, bindings(bridge.config))
    return f"{done.new} new, {done.changed} changed, {done.unchanged} unchanged, {done.removed} removed, {done.lost} EVSEs gone"


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
        span = (f", from {one.valid_from.isoformat()}" if one.valid_from else "") + (
            f", until {one.valid_until.isoformat()}" if one.valid_until else "")  # fmt: skip
        tariffs = ", ".join(f"{group} = {tariff}" for group, tariff in sorted(one.tariffs.items())) or "none"
        tariffs += ", else free" if one.free else ""
        click.echo(f"  agreement {number}: {one.operator}, {', '.join(sorted(one.kinds))}, "
                   f"groups {', '.join(sorted(one.groups)) or 'all'}, tariffs {tariffs}, "
                   f"{'test' if one.test else 'production'}{span}")  # fmt: skip
    if not settings.store.exists():
        return
    store = opened(config)
    states: dict[str, Any] = jobs.counts(store.db.read).get(name, {})
    click.echo("  outbox: " + (", ".join(f"{n} {s}" for s, n in states.items()) or "empty"))
    if evse is not None:
        row = store.evse(evse)
        if row is None:
            click.echo(f"  {evse}: not among our EVSEs")
        else:
            for kind in ("locations", "status", "tariffs", "tokens", "commands", "profiles", "sessions", "cdrs"):
                for line in book.explain(name, kind, row.scope, utc_now()):
                    click.echo(f"  {evse}, {kind}: {line}")
            click.echo(f"  {evse}: {_shown(settings, store, name, row, book.find(name, 'locations', row.scope, utc_now()))}")
    store.close()


def _shown(settings: BridgeConfig, store: SqliteStore, name: str, row: EvseRow, agreement: Agreement | None) -> str:
    """Under which key a partner has an EVSE, or why it has not."""
    shown = [one.key for one in store.published(name, Kind.LOCATION, row.location)]
    mine = [key for key in shown if evse_key(key) == row.evse_id] or [key for key in shown if key.endswith(f"/{row.location.upper()}")]
    if mine:
        tariff = agreement.tariff_for(row.groups) if agreement is not None else None
        return f"published as {mine[0]}" + (f", tariff {tariff}" if tariff else "") + (", removed" if row.removed else "")
    if agreement is None:
        return "not published: no agreement includes it"
    return f"not published: {_refusal(settings, store, name, row) or 'not yet'}"


def _refusal(settings: BridgeConfig, store: SqliteStore, name: str, row: EvseRow) -> str | None:
    """Why the partner's protocol cannot tell an EVSE."""
    from bridge.app import make_partner
    from bridge.model import json as model_json

    thing = store.thing("location", row.location, operator=row.operator)
    if thing is None:
        return "its location is not among ours"
    location: Location = model_json.from_json(Location, json.loads(thing.body))
    try:
        encoded = make_partner(name, settings, store).encode(Kind.LOCATION, location)
    except Refused as why:
        return str(why)
    losses = [loss for one in encoded for ident, loss in one.losses if loss.kind == REFUSED and evse_key(ident) == row.evse_id]
    return f"{losses[0].path or '$'}: {losses[0].because}" if losses else None
