"""The store on SQLite: what :class:`bridge.roaming.storage.Storage` promises."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from bridge.model.ids import evse_key
from bridge.roaming.agreements import OWN, Scope
from bridge.roaming.ports import Delivered, Job, Kind, MeterSample, Outcome, Page, Rejected, Retry, Withheld
from bridge.roaming.storage import (
    DecisionRow,
    EvseRow,
    Happening,
    HeldRow,
    Outbound,
    SessionRow,
    Shown,
    Thing,
    TokenRow,
    Within,
)
from bridge.store import decisions, outbox, published, records, sessions, tokens
from bridge.store.charging import Charging
from bridge.store.clients import ClientLists
from bridge.store.db import Database, connect
from bridge.store.pages import Published
from bridge.store.pending import Pending
from bridge.store.records import happened as _record
from bridge.store.records import text_of
from bridge.store.rewrite import Rewriting
from bridge.store.settlements import Settlements
from bridge.store.upstream import UpstreamTable

T = TypeVar("T")


class SqliteStore(Rewriting, Pending, Charging, ClientLists, Settlements, UpstreamTable):
    """All of it in one file."""

    def __init__(self, path: Path | str, random: Random | None = None, *, linger: bool = False) -> None:
        """``linger``: a driver's answer does not wait until the decision about it is on the disk (see ``Database.write_soon``)."""
        self.db = Database(path)
        self._linger = linger
        self._random = random or Random()  # noqa: S311  (jitter, not secrets)
        self._looked: dict[str, float] = {}
        self._published = Published(self.db)

    def open(self, *, deliver: bool = True) -> None:
        """Open. ``deliver``: by the process that delivers, of which there is one; what was under way at its last stop waits again."""
        self.db.open()
        if deliver:
            self.db.write_now(outbox.release_all)

    def close(self) -> None:
        """Close, with everything written."""
        self.db.close()

    # --- what is ours ------------------------------------------------------------------------------------------------

    def things(self, kind: str, operator: str, origin: str) -> dict[str, tuple[str, bool]]:
        rows = self.db.read.execute("SELECT key, hash, removed FROM thing WHERE kind = ? AND operator = ? AND origin = ?",
                                    (kind, operator, origin))  # fmt: skip
        return {r["key"]: (r["hash"], bool(r["removed"])) for r in rows}

    def thing(self, kind: str, key: str, *, operator: str) -> Thing | None:
        r = self.db.read.execute("SELECT * FROM thing WHERE kind = ? AND operator = ? AND key = ?", (kind, operator, key)).fetchone()
        return None if r is None else records.thing(r)

    def spelled(self, kind: str, operator: str, key: str) -> str:
        r = self.db.read.execute("SELECT key FROM thing WHERE kind = ? AND operator = ? AND key = ? COLLATE NOCASE ORDER BY key = ? DESC",
                                 (kind, operator, key, key)).fetchone()  # fmt: skip
        return key if r is None else str(r["key"])

    def keys(self, kind: str, *, gone: bool = False) -> list[tuple[str, str]]:
        rows = self.db.read.execute("SELECT operator, key FROM thing WHERE kind = ? AND removed <= ? ORDER BY rowid", (kind, gone))
        return [(r["operator"], r["key"]) for r in rows]

    def scopes(self, location: str | None = None) -> list[Scope]:
        rows = self.db.read.execute("SELECT DISTINCT operator, groups, origin FROM thing WHERE kind = 'location'"
                                    " AND (?1 IS NULL OR key = ?1) ORDER BY operator, origin, groups", (location,))  # fmt: skip
        return [Scope(r["operator"], records.groups(r["groups"]), r["origin"]) for r in rows]

    def published(self, partner: str, kind: Kind, source: str) -> list[Shown]:
        rows = self.db.read.execute("SELECT key, hash, body, meta FROM published"
                                    " WHERE partner = ? AND kind = ? AND source = ? AND removed = 0",
                                    (partner, kind, source))  # fmt: skip
        return [Shown(r["key"], r["hash"], bytes(r["body"]), json.loads(r["meta"])) for r in rows]

    def all_things(self, kind: str) -> list[Thing]:
        """Every location or tariff that is not removed."""
        rows = self.db.read.execute("SELECT * FROM thing WHERE kind = ? AND removed = 0 ORDER BY rowid", (kind,))
        return [records.thing(r) for r in rows]

    def evse(self, evse_id: str) -> EvseRow | None:
        return _first(self.db.read.execute("SELECT * FROM evse WHERE evse_id = ?", (evse_key(evse_id),)), records.evse)

    def evses_by_uid(self, uid: str, location: str | None = None) -> list[EvseRow]:
        rows = self.db.read.execute("SELECT * FROM evse WHERE uid = ?1 AND (?2 IS NULL OR location = ?2 COLLATE NOCASE)"
                                    " ORDER BY removed, operator, evse_id", (uid, location))  # fmt: skip
        return [records.evse(r) for r in rows]

    def evses_at(self, charge_point: str, connector: int | None = None) -> list[EvseRow]:
        where, values = "charge_point = ? AND removed = 0", [charge_point]
        if connector:
            where, values = where + " AND connector = ?", [charge_point, connector]  # type: ignore[list-item]
        return [records.evse(r) for r in self.db.read.execute(f"SELECT * FROM evse WHERE {where} ORDER BY connector", values)]  # noqa: S608

    def evses_of(self, location: str) -> list[EvseRow]:
        return [records.evse(r) for r in self.db.read.execute("SELECT * FROM evse WHERE location = ?", (location,))]

    def all_evses(self) -> list[EvseRow]:
        """Every EVSE."""
        return [records.evse(r) for r in self.db.read.execute("SELECT * FROM evse ORDER BY evse_id")]

    async def save_things(self, things: Sequence[Thing], evses: Sequence[EvseRow], outbound: Sequence[Outbound],
                          history: Sequence[Happening] = ()) -> None:  # fmt: skip
        def work(db: sqlite3.Connection) -> None:
            db.executemany(
                "INSERT INTO thing (kind, operator, key, origin, body, hash, removed, changed, groups) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET origin = excluded.origin, body = excluded.body, hash = excluded.hash,"
                " removed = excluded.removed, changed = excluded.changed, groups = excluded.groups",
                [(t.kind, t.operator, t.key, t.origin, t.body, t.hash, int(t.removed), outbox.now_text(), ",".join(t.groups))
                 for t in things])  # fmt: skip
            db.executemany(
                "INSERT INTO evse (evse_id, written, uid, location, operator, groups, charge_point, connector, removed, origin, status,"
                " status_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET written = excluded.written,"
                " uid = excluded.uid, location = excluded.location,"
                " operator = excluded.operator, groups = excluded.groups, charge_point = excluded.charge_point,"
                " connector = excluded.connector, removed = excluded.removed, origin = excluded.origin,"
                " status = COALESCE(excluded.status, status), status_at = COALESCE(excluded.status_at, status_at)",
                [(evse_key(e.evse_id), e.written, e.uid, e.location, e.operator, ",".join(e.groups), e.charge_point, e.connector,
                  int(e.removed), e.origin, e.status, text_of(e.status_at))
                 for e in evses])  # fmt: skip
            published.send(db, outbound)
            _record(db, history)

        await self.db.write(work)

    async def bind(self, bound: Mapping[str, tuple[str, int]]) -> int:
        wanted = {evse_key(name): where for name, where in bound.items()}
        rows = [(e.evse_id, *(wanted.get(e.evse_id) or (None, None))) for e in self.all_evses()
                if e.origin == OWN and (e.charge_point, e.connector) != (wanted.get(e.evse_id) or (None, None))]  # fmt: skip
        if rows:
            await self.db.write(lambda db: db.executemany(
                "UPDATE evse SET charge_point = ?2, connector = ?3 WHERE evse_id = ?1", rows).rowcount)  # fmt: skip
        return len(rows)

    async def save_status(self, evse_id: str, status: str, at: datetime, outbound: Sequence[Outbound]) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("UPDATE evse SET status = ?, status_at = ? WHERE evse_id = ?", (status, text_of(at), evse_key(evse_id)))
            published.send(db, outbound)

        await self.db.write(work)

    async def hold(self, what: str, detail: str, body: bytes) -> int:
        def work(db: sqlite3.Connection) -> int:
            known = db.execute("SELECT id, detail FROM held WHERE what = ? AND confirmed IS NULL", (what,)).fetchone()
            if known is not None:  # tried again: one thing to confirm, not one for each try
                db.execute("UPDATE held SET at = ?, detail = ?, body = ? WHERE id = ?", (outbox.now_text(), detail, body, known["id"]))
                if known["detail"] != detail:
                    _record(db, [Happening("mass change held", ref=what, detail=detail)])
                return int(known["id"])
            _record(db, [Happening("mass change held", ref=what, detail=detail)])
            cursor = db.execute("INSERT INTO held (at, what, detail, body) VALUES (?, ?, ?, ?)", (outbox.now_text(), what, detail, body))
            return int(cursor.lastrowid or 0)

        return await self.db.write(work)

    def held(self) -> list[HeldRow]:
        rows = self.db.read.execute("SELECT * FROM held WHERE confirmed IS NULL ORDER BY id")
        return [HeldRow(r["id"], r["at"], r["what"], r["detail"], bytes(r["body"])) for r in rows]

    async def confirmed(self, what: str) -> bool:
        """What was held is no longer; False if nothing was."""
        return await self.db.write(lambda db: db.execute("UPDATE held SET confirmed = ? WHERE what = ? AND confirmed IS NULL",
                                                         (outbox.now_text(), what)).rowcount > 0)  # fmt: skip

    # --- tokens and decisions ----------------------------------------------------------------------------------------

    def tokens(self, *uids: str) -> list[TokenRow]:
        return [records.token(r) for r in tokens.find(self.db.read, uids)]

    def token_counts(self, partner: str) -> tuple[int, int]:
        r = self.db.read.execute(
            "SELECT COUNT(*) AS n, COALESCE(SUM(valid), 0) AS valid FROM token WHERE partner = ?", (partner,)
        ).fetchone()
        return int(r["n"]), int(r["valid"])

    def valid_tokens(self, partner: str) -> set[tuple[str, str]]:
        """(uid, kind) of a partner's valid tokens."""
        return {(r["uid"], r["kind"]) for r in
                self.db.read.execute("SELECT uid, kind FROM token WHERE partner = ? AND valid = 1", (partner,))}  # fmt: skip

    def save_token(self, row: TokenRow) -> Coroutine[Any, Any, bool]:
        return self.db.write_row(tokens.tell, row)

    async def save_tokens(self, partner: str, rows: Sequence[TokenRow]) -> tuple[int, int, int]:
        new, changed = await self.db.write(lambda db: tokens.put(db, partner, rows))
        return new, changed, len(rows) - new - changed

    def has_tokens(self, partner: str) -> bool:
        r = self.db.read.execute("SELECT 1 FROM token WHERE partner = ? AND valid = 1 LIMIT 1", (partner,)).fetchone()
        return r is not None

    async def take_tokens(self, partner: str, rows: Sequence[TokenRow]) -> tuple[int, int, int]:
        new, changed = await self.db.write(lambda db: tokens.put(db, partner, rows, listed=True))
        return new, changed, len(rows) - new - changed

    async def stage_tokens(self, partner: str, rows: Sequence[TokenRow] | None) -> None:
        if rows is not None:
            await self.db.write(lambda db: tokens.stage(db, partner, rows))
            return
        await self.db.write(lambda db: tokens.begin(db, partner))
        while await self.db.write(lambda db: tokens.clear(db, partner)):
            pass

    async def weigh_tokens(self, partner: str) -> tuple[int, int]:
        def work() -> tuple[int, int]:  # beside the event loop: a list may be long
            db = connect(self.db.path)
            try:
                return tokens.weigh(db, partner)
            finally:
                db.close()

        await self.db.write(lambda db: tokens.complete(db, partner))
        return await asyncio.to_thread(work)

    async def apply_tokens(self, partner: str) -> tuple[int, int, int]:
        began = tokens.completed(self.db.read, partner)
        came = stored = revoked = 0
        last: tuple[str, str] | None = ("", "")
        while last is not None:
            last, some, changed = await self.db.write(partial(tokens.take, partner=partner, began=began, after=last))
            came, stored = came + some, stored + changed
        last = ("", "")
        while last is not None:
            last, gone = await self.db.write(partial(tokens.revoke, partner=partner, began=began, after=last))
            revoked += gone
        await self.stage_tokens(partner, None)
        return stored, came - stored, revoked

    async def save_decision(self, row: DecisionRow) -> None:
        if self._linger:
            self.db.write_soon(decisions.save, row)
        else:
            await self.db.write(lambda db: decisions.save(db, [row]))

    # --- sessions and settlement -------------------------------------------------------------------------------------

    async def open_session(self, row: SessionRow, decision: str | None, outbound: Sequence[Outbound], *, card: str | None = None,
                           history: Sequence[Happening] = ()) -> tuple[SessionRow, bool]:  # fmt: skip
        def work(db: sqlite3.Connection) -> tuple[SessionRow, bool]:
            same = sessions.started(db, row.charge_point, row.connector, (row.id_tag,), row.meter_start, row.started)
            if same is not None:
                return records.session(same), False
            number = sessions.next_number(db)
            db.execute(
                "INSERT INTO session (id, tx, charge_point, connector, evse_id, location, operator, partner, id_tag, token, auth, test,"
                " started, meter_start, state, tariff, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (row.id, number, row.charge_point, row.connector, row.evse_id, row.location, row.operator, row.partner, row.id_tag,
                 row.token, json.dumps(row.auth), int(row.test), text_of(row.started), row.meter_start, row.state, row.tariff,
                 row.place))  # fmt: skip
            if decision is not None:
                db.execute("UPDATE decision SET session = ? WHERE id = ?", (row.id, decision))
            if card is not None:
                sessions.came(db, row.charge_point, card, decision, accepted=bool(row.auth.get("accepted")))
            published.send(db, outbound)
            _record(db, history)
            found = db.execute("SELECT * FROM session WHERE id = ?", (row.id,)).fetchone()
            return records.session(found), True

        return await self.db.write(work)

    def started(self, charge_point: str, connector: int, id_tags: Sequence[str], meter_start: int, started: datetime) -> SessionRow | None:
        found = sessions.started(self.db.read, charge_point, connector, id_tags, meter_start, started)
        return None if found is None else records.session(found)

    def session(self, *, tx: int | None = None, id: str | None = None) -> SessionRow | None:  # noqa: A002
        column, value = ("tx", tx) if tx is not None else ("id", id)
        return _first(self.db.read.execute(f"SELECT * FROM session WHERE {column} = ?", (value,)), records.session)  # noqa: S608

    def busy(self, charge_point: str) -> bool:
        (found,) = self.db.read.execute(
            "SELECT EXISTS (SELECT 1 FROM session WHERE charge_point = ?1 AND state = 'active')"
            " OR EXISTS (SELECT 1 FROM expected WHERE charge_point = ?1)", (charge_point,)).fetchone()  # fmt: skip
        return bool(found)

    def open_sessions(self, charge_point: str, connector: int | None = None) -> list[SessionRow]:
        query, values = "SELECT * FROM session WHERE charge_point = ? AND state = 'active'", [charge_point]
        if connector:
            query, values = query + " AND connector = ?", [charge_point, connector]  # type: ignore[list-item]
        return [records.session(r) for r in self.db.read.execute(query + " ORDER BY tx", values)]

    def samples(self, session: str) -> list[MeterSample]:
        rows = self.db.read.execute("SELECT * FROM sample WHERE session = ? ORDER BY at, kwh", (session,))
        return [records.sample(r) for r in rows]

    async def add_samples(self, session: str, samples: Sequence[MeterSample], kwh: Decimal, outbound: Sequence[Outbound]) -> None:
        def work(db: sqlite3.Connection) -> None:
            records.add_samples(db, session, samples)
            db.execute("UPDATE session SET kwh = ? WHERE id = ? AND state = 'active'", (str(kwh), session))
            published.send(db, outbound)

        await self.db.write(work)

    # --- delivery ----------------------------------------------------------------------------------------------------

    async def claim(self, partner: str, most: int) -> list[Job]:
        now = self._looked[partner] = time.time()
        if not outbox.is_due(self.db.read, partner, now):
            return []
        return await self.db.write(lambda db: outbox.claim(db, partner, most, now))

    async def refresh(self, partner: str, kind: Kind, seconds: float) -> int:
        before, count = time.time() - seconds, 0
        while some := await self.db.write(lambda db: outbox.refresh(db, partner, kind, before)):
            count += some
        return count

    def next_due(self, partner: str) -> float | None:
        return outbox.next_due(self.db.read, partner, self._looked.get(partner, 0.0))

    async def settle(self, results: Sequence[tuple[Job, Outcome | Withheld]]) -> None:
        def work(db: sqlite3.Connection) -> None:
            done: list[tuple[Job, str | None]] = []
            for job, outcome in results:
                if not isinstance(outcome, Delivered):
                    self._settle(db, job, outcome)
                elif outcome.duplicate and job.kind is Kind.CDR and not outbox.is_uncertain(db, job):
                    self._settle(db, job, Rejected("the partner has a CDR of this id, and this one was not sent before", duplicate=True))
                else:
                    done.append((job, outcome.reference))
            outbox.delivered(db, done)

        await self.db.write(work)

    async def put_back(self, jobs: Sequence[Job]) -> None:
        await self.db.write(lambda db: outbox.put_back(db, jobs))

    def _settle(self, db: sqlite3.Connection, job: Job, outcome: Retry | Rejected | Withheld) -> None:
        cdr, name = job.kind is Kind.CDR, str(job.meta.get("cdr", job.key))
        if cdr:
            db.execute("UPDATE cdr SET sent = sent + 1 WHERE id = ?", (name,))
        if isinstance(outcome, Retry):
            wait = outbox.again(db, job, outcome.because, outcome.after, outcome.sent, self._random)
            if cdr and outcome.sent:
                self._settled(db, job, "uncertain", outcome.because)
            _record(db, [Happening("delivery put off", job.partner, job.key, f"{job.kind}: {outcome.because}; again in {wait:.1f} s")])
        elif isinstance(outcome, Withheld):
            outbox.finish(db, job)
            # If an agreement lets the partner have it again one day, it is news to it.
            db.execute("UPDATE published SET hash = '' WHERE partner = ? AND kind = ? AND key = ?", (job.partner, job.kind, job.key))
            _record(db, [Happening("delivery withheld", job.partner, job.key, f"{job.kind}: {outcome.because}")])
        elif cdr and outcome.duplicate and outbox.is_uncertain(db, job):
            # It was sent before without an answer: the partner has the very same bytes.
            outbox.finish(db, job)
            self._settled(db, job, "acknowledged", "the partner had it from an earlier try")
            _record(db, [Happening("CDR acknowledged", job.partner, name, "as a duplicate of our own")])
        elif outbox.bury(db, job, outcome.because):
            if cdr:
                self._settled(db, job, "refused", outcome.because)
            told = f"{job.kind}: {outcome.because} ({outcome.code or 'no code'})"
            _record(db, [Happening("delivery refused", job.partner, name if cdr else job.key, told)])

    def _settled(self, db: sqlite3.Connection, job: Job, state: str, error: str | None) -> None:
        db.execute("UPDATE cdr SET state = ?, error = ?, settled = ? WHERE id = ?",
                   (state, error, outbox.now_text() if state == "acknowledged" else None, job.meta.get("cdr", job.key)))  # fmt: skip

    def page(self, partner: str, kind: Kind, offset: int, limit: int, since: datetime | None, until: datetime | None,
             within: Within | None = None) -> Page:  # fmt: skip
        return self._published.page(partner, kind, offset, limit, since, until, within)

    def find(self, partner: str, kind: Kind, key: str, within: Within | None = None) -> bytes | None:
        return self._published.find(partner, kind, key, within)

    async def fetched(self, partner: str, kind: Kind, what: Sequence[int] | str, asked: datetime) -> int:
        def work(db: sqlite3.Connection) -> int:
            done = outbox.fetched(db, partner, kind, what, text_of(asked) or "")
            _record(db, [Happening("CDR fetched", partner, str(j.meta.get("cdr", j.key))) for j in done if j.kind is Kind.CDR])
            return len(done)

        return await self.db.write(work)

    # --- marks -------------------------------------------------------------------------------------------------------

    def mark(self, name: str) -> str | None:
        r = self.db.read.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
        return None if r is None else str(r["value"])

    async def set_mark(self, name: str, value: str) -> None:
        await self.db.write(lambda db: db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (name, value)).rowcount)

    async def happened(self, *history: Happening) -> None:
        await self.db.write(lambda db: _record(db, history))

    def credential(self, partner: str) -> bytes | None:
        """A partner's credentials as stored."""
        r = self.db.read.execute("SELECT body FROM credential WHERE partner = ?", (partner,)).fetchone()
        return None if r is None else bytes(r["body"])

    async def set_credential(self, partner: str, body: bytes) -> None:
        """Store a partner's credentials."""
        await self.db.write(lambda db: db.execute("INSERT OR REPLACE INTO credential VALUES (?, ?)", (partner, body)).rowcount)


def _first(rows: sqlite3.Cursor, make: Callable[[sqlite3.Row], T]) -> T | None:
    row = rows.fetchone()
    return None if row is None else make(row)
