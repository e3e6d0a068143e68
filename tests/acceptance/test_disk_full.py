"""A full disk: nothing is acknowledged to a charger, or to a partner, that is not stored; once there is space it is, once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge.demo import scene
from bridge.roaming import deliver
from bridge.simulate.charger import Behaviour, SimulatedCharger
from bridge.store import outbox
from tests.roaming.bridge_world import World, until, world

FULL = sqlite3.OperationalError("database or disk is full")


class Disk(sqlite3.Connection):
    """A connection whose disk is full while ``how`` says so: at the commit, at a statement, or so that SQLite gives up the
    whole transaction at a statement (as it does on some failures)."""

    how: ClassVar[str | None] = None
    failed: ClassVar[int] = 0

    def _writing(self, sql: str) -> None:
        word = sql.split(None, 1)[0].upper()
        if (Disk.how == "commit" and word == "COMMIT") or (Disk.how in ("statement", "all") and word in ("INSERT", "UPDATE", "DELETE")):
            if Disk.how == "all" and self.in_transaction:
                super().execute("ROLLBACK")
            Disk.failed += 1
            raise FULL

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._writing(sql)
        return super().execute(sql, *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._writing(sql)
        return super().executemany(sql, *values)


@pytest.fixture(autouse=True)
def _disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Disk))
    monkeypatch.setattr(outbox, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(deliver, "PAUSE", 0.05)
    yield
    Disk.how, Disk.failed = None, 0


@asynccontextmanager
async def charging(folder: Path) -> AsyncIterator[tuple[World, SimulatedCharger]]:
    """A world with a charger of flesh and blood: it speaks OCPP over a socket and repeats what nobody took."""
    how = Behaviour(speed=0, first_pause=0.02, longest_pause=0.05, answer_within=5.0)
    async with world(folder) as w:
        charger = SimulatedCharger(f"ws://127.0.0.1:{w.ports.bridge}/ocpp", "CP1", password=b"secret-CP1", behaviour=how)
        async with charger:
            yield w, charger


def refused(charger: SimulatedCharger, action: str) -> int:
    """How often the bridge answered CALLERROR to a message."""
    return sum(one["action"] == action and one["code"] == "InternalError" for one in charger.report()["errors"])


def rows(w: World, table: str) -> int:
    return int(w.store.db.read.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608


@pytest.mark.parametrize("how", ["commit", "statement", "all"])
async def test_a_charger_hears_that_it_is_not_stored_and_says_it_again(tmp_path: Path, how: str) -> None:
    async with charging(tmp_path) as (w, charger):
        card = w.card("emsp1")
        await charger.plug(1)
        await w.quiet()

        Disk.how = how
        before = {table: rows(w, table) for table in ("session", "decision", "outbox", "cdr", "published")}
        starting = charger.later(charger.start(1, card))
        await until("the start was refused again and again", lambda: refused(charger, "StartTransaction") >= 3)
        (transaction,) = charger.memory.transactions
        assert transaction.number is None, "no number was given away"
        assert {table: rows(w, table) for table in before} == before, "nothing is half-stored"
        Disk.how = None
        await until("it was taken", lambda: transaction.number is not None)
        await starting
        assert rows(w, "session") == 1
        assert transaction.answer == "Accepted"

        await charger.charge(1, kwh=Decimal(11), minutes=30)
        await until("the meter values are taken", lambda: not charger.memory.queue)
        Disk.how = how
        stopping = charger.later(charger.stop(1, id_tag=card))
        await until("the stop was refused again and again", lambda: refused(charger, "StopTransaction") >= 3)
        assert not transaction.acknowledged
        assert rows(w, "cdr") == 0
        assert w.store.session(tx=transaction.number).state == "active"
        Disk.how = None
        await until("it was taken", lambda: transaction.acknowledged)
        await stopping

        await until("the CDR is acknowledged", lambda: [c.state for c in w.cdrs().values()] == ["acknowledged"])
        (cdr,) = w.cdrs().values()
        assert w.held("emsp1") == [cdr.id]
        assert Decimal(cdr.kwh) == 11
        assert rows(w, "session") == 1
        assert charger.report()["rejections"] == []
        assert Disk.failed >= 6


async def test_what_a_partner_took_meanwhile_is_recorded_later_and_not_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.break_("emsp1", delay=0.2, only="/cdrs", count=1)
        session = await w.charge(0, w.card("emsp1"))
        await until("it is under way", lambda: any(j["kind"] == "cdr" for j in w.jobs("emsp1", "taken")))
        Disk.how = "commit"
        await until("the partner has it", lambda: len(w.held("emsp1")) == 1)
        await until("its word cannot be recorded", lambda: Disk.failed >= 3)
        assert w.cdrs()[session].state == "waiting"
        Disk.how = None
        await until("it is acknowledged", lambda: w.cdrs()[session].state == "acknowledged")
        assert w.emsps["emsp1"].received["cdr_repeat"] == 0
        assert w.cdrs()[session].sent == 1
        # And delivery goes on.
        another = await w.charge(1, w.card("emsp1"))
        await until("the next one arrives, too", lambda: w.cdrs()[another].state == "acknowledged")


async def test_a_partner_hears_that_its_token_is_not_stored(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        from bridge.simulate.emsp_partner import Operator

        operator, uid = Operator(w.emsps["emsp1"]), w.card("emsp1")
        try:
            Disk.how = "commit"
            await operator.patch_token(uid, "RFID", {"valid": False})
            (why,) = w.emsps["emsp1"].rejections
            assert why["method"] == "PATCH"
            assert w.store.tokens(uid)[0].valid
            Disk.how = None
            assert await operator.patch_token(uid, "RFID", {"valid": False}) == 200
            assert not w.store.tokens(uid)[0].valid
            assert w.emsps["emsp1"].rejections == [why]
        finally:
            await operator.close()


async def test_a_remote_start_that_cannot_be_remembered_does_not_happen(tmp_path: Path) -> None:
    async with charging(tmp_path) as (w, charger):
        command = {"evse_id": scene.EVSES[0], "provider_id": "DE-DCB", "evco_id": scene.HUBJECT_EVCO}
        import aiohttp

        async with aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{w.ports.hubject}/_sim/remote-start"
            Disk.how = "commit"
            async with http.post(url, json=command) as answer:
                told = await answer.json()
            assert told["answer"]["Result"] is False
            assert told["faults"] == []
            assert charger.report()["received"].get("RemoteStartTransaction", 0) == 0
            Disk.how = None
            async with http.post(url, json=command) as answer:
                told = await answer.json()
            assert told["answer"]["Result"] is True
        await until("it began", lambda: rows(w, "session") == 1)
