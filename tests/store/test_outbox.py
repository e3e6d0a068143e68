"""The outbox: order of each object, one state at a time, back-off, dead letters, and what a crash leaves behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from bridge.cli import cli
from bridge.roaming import deliver
from bridge.roaming.deliver import Dispatcher
from bridge.roaming.ports import Delivered, Job, Kind, Op, Outcome, Rejected, Retry, Withheld
from bridge.roaming.storage import CdrRow, Outbound, SessionRow
from bridge.store import outbox
from bridge.store.sqlite import SqliteStore

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
P = "p"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "bridge.sqlite", Random(1))
    made.open()
    yield made
    made.close()


def out(key: str, body: str = "1", kind: Kind = Kind.STATUS, source: str = "L1", **more: Any) -> Outbound:
    return Outbound(P, kind, source, key, body.encode(), **more)


async def send(store: SqliteStore, *outbound: Outbound) -> None:
    await store.save_things((), (), outbound)


async def claim(store: SqliteStore, most: int = 100, *, ahead: float = 0.0) -> list[Job]:
    """What is due now, or so many seconds from now."""
    return await store.db.write(lambda db: outbox.claim(db, P, most, time.time() + ahead))


async def settle(store: SqliteStore, jobs: Sequence[Job], outcome: Outcome | Withheld) -> None:
    await store.settle([(job, outcome) for job in jobs])


def rows(store: SqliteStore) -> list[dict[str, Any]]:
    return [dict(r) for r in store.db.read.execute("SELECT * FROM outbox ORDER BY id")]


def history(store: SqliteStore) -> list[str]:
    return [r["what"] for r in store.db.read.execute("SELECT what FROM history ORDER BY id")]


async def session_with_cdr(store: SqliteStore, name: str = "C1", key: str | None = None, number: int = 1) -> None:
    """A session that has ended; its CDR waits. ``key`` is by what the partner knows it."""
    row = SessionRow(name, 0, "CP1", 1, "E1", "L1", "acme", P, "04A1", None, {"accepted": True, "answer": "Accepted", "how": "own"}, False,
                     NOON, number)  # fmt: skip
    opened, _ = await store.open_session(row, None, ())
    made = CdrRow(name, name, P, "acme", False, b"{}", "1", "EUR", "1", "waiting", [], NOON)
    await store.close_session(opened, (), made, [out(key or name, f"cdr {name}", Kind.CDR, name, meta={"cdr": name})])


def cdr(store: SqliteStore, name: str = "C1") -> CdrRow:
    return next(c for c in store.cdrs() if c.id == name)


# --- order and coalescing ---------------------------------------------------------------------------------------------


async def test_objects_go_together_and_each_one_in_order(store: SqliteStore) -> None:
    await send(store, out("a", "1"), out("b", "1"), out("c", "1"))
    first = await claim(store, most=2)
    assert [(j.key, j.op, j.attempts) for j in first] == [("a", Op.INSERT, 1), ("b", Op.INSERT, 1)]
    await send(store, out("a", "2"), out("b", "2"))
    assert [(j.key, j.body) for j in await claim(store)] == [("c", b"1")], "a newer state waits for the one that is under way"
    await settle(store, first, Delivered())
    assert [(j.key, j.body, j.op) for j in await claim(store)] == [("a", b"2", Op.UPDATE), ("b", b"2", Op.UPDATE)]


@pytest.mark.parametrize("tries", [0, 1, 3])
async def test_a_newer_state_takes_the_place_of_one_that_waits(store: SqliteStore, tries: int) -> None:
    await send(store, out("a", "1"))
    for _ in range(tries):
        await settle(store, await claim(store, ahead=9999), Retry("down"))
    before = rows(store)
    for body in ("2", "3"):
        await send(store, out("a", body))
    (row,) = rows(store)
    assert (row["body"], row["id"], row["attempts"], row["due"]) == (b"3", before[0]["id"], tries, before[0]["due"])
    (job,) = await claim(store, ahead=9999)
    assert (job.body, job.op) == (b"3", Op.INSERT)
    await settle(store, [job], Delivered())
    assert rows(store) == []


async def test_what_failed_makes_way_for_the_newer_state_and_leaves_it_its_patience(store: SqliteStore) -> None:
    await send(store, out("a", "1"))
    taken = await claim(store)
    await send(store, out("a", "2"), out("a", "3"))
    await settle(store, taken, Retry("down", after=77, sent=True))
    (row,) = rows(store)
    assert (row["body"], row["state"], row["attempts"], row["uncertain"]) == (b"3", "waiting", 1, 1)
    assert row["due"] == pytest.approx(time.time() + 77, abs=5)
    assert await claim(store) == []


@pytest.mark.parametrize("outcome", [Retry("down"), Rejected("no")])
async def test_the_same_state_again_is_not_sent_again(store: SqliteStore, outcome: Outcome) -> None:
    await send(store, out("a", "1"))
    await settle(store, await claim(store), outcome)
    await send(store, out("a", "1"))
    assert len(rows(store)) == 1


async def test_cdrs_are_never_put_together(store: SqliteStore) -> None:
    for n in range(3):
        await store.db.write(lambda db, n=n: outbox.add(db, P, Kind.CDR, Op.INSERT, "same", f"{n}".encode(), {}))  # type: ignore[misc]
    (first,) = await claim(store)
    assert first.body == b"0"
    await settle(store, [first], Retry("down"))
    assert [r["body"] for r in rows(store)] == [b"0", b"1", b"2"]
    assert [j.body for j in await claim(store, ahead=9999)] == [b"0"], "in order"


async def test_a_status_waits_for_its_place(store: SqliteStore) -> None:
    await send(store, out("L1", "place", Kind.LOCATION), out("E1", "status"), out("E9", "status", source="L9"))
    taken = await claim(store)
    assert {j.key for j in taken} == {"L1", "E1", "E9"}, "all together: the place goes first"
    assert deliver.ORDER.index(Kind.LOCATION) < deliver.ORDER.index(Kind.STATUS)
    await store.put_back(taken)
    (place,) = [j for j in await claim(store, most=1) if j.kind is Kind.LOCATION]
    assert [j.key for j in await claim(store)] == ["E9"], "not while the place is under way"
    await settle(store, [place], Retry("down", after=50))
    assert await claim(store) == []
    assert {j.key for j in await claim(store, ahead=60)} == {"L1", "E1"}


async def test_a_job_that_waits_for_another_is_no_reason_to_look_all_the_time(store: SqliteStore) -> None:
    await send(store, out("L1", "place", Kind.LOCATION))
    await settle(store, await store.claim(P, 9), Retry("down", after=300))
    await send(store, out("E1", "status"))
    assert await store.claim(P, 9) == []
    due = store.next_due(P)
    assert due is not None
    assert due == pytest.approx(time.time() + 300, abs=5)


async def test_what_is_taken_back_and_comes_again(store: SqliteStore) -> None:
    await send(store, out("a", "1", Kind.LOCATION))
    await settle(store, await claim(store), Delivered())
    await send(store, out("a", "1", Kind.LOCATION, gone=True), out("never", "1", Kind.LOCATION, gone=True))
    (job,) = await claim(store)
    assert (job.key, job.op) == ("a", Op.DELETE)
    await send(store, out("a", "1", Kind.LOCATION))
    await settle(store, [job], Delivered())
    (job,) = await claim(store)
    assert (job.op, job.body) == (Op.INSERT, b"1"), "it has gone there, so it is new"
    await settle(store, [job], Delivered())
    await send(store, out("a", "1", Kind.LOCATION, gone=True), out("a", "1", Kind.LOCATION))
    (job,) = await claim(store)
    assert job.op is Op.UPDATE, "it never went"


# --- time -------------------------------------------------------------------------------------------------------------


async def test_the_wait_doubles_with_jitter_up_to_a_limit(store: SqliteStore) -> None:
    waits: dict[int, list[float]] = {}
    for number in range(40):
        job = Job(number, P, Kind.STATUS, Op.UPDATE, f"k{number}", b"", {}, 1, NOON)
        for attempt in range(1, 20):
            again = await store.db.write(lambda db, job=job, attempt=attempt: outbox.again(  # type: ignore[misc]
                db, evolve(job, attempts=attempt), "down",
                None, False, store._random))  # fmt: skip
            waits.setdefault(attempt, []).append(again)
    for attempt, found in waits.items():
        most = min(outbox.LAST_RETRY, outbox.FIRST_RETRY * 2**attempt)
        assert most / 2 <= min(found) < max(found) <= most, attempt
        assert len(set(found)) > 30, "jitter"
    assert max(waits[1]) <= 4
    assert max(waits[19]) <= 900


@pytest.mark.parametrize(("asked", "given"), [(0.0, 0.0), (7.0, 7.0), (3600.0, 3600.0), (1e12, outbox.LONGEST_AFTER)])
async def test_retry_after_is_kept_to_the_second_within_reason(store: SqliteStore, asked: float, given: float) -> None:
    await send(store, out("a"))
    await settle(store, await claim(store), Retry("429", after=asked))
    (row,) = rows(store)
    assert row["due"] == pytest.approx(time.time() + given, abs=5)
    assert "again in" in store.db.read.execute("SELECT detail FROM history").fetchone()[0]


async def test_what_was_tried_in_vain_is_due_at_once_when_somebody_hurries_it(store: SqliteStore) -> None:
    await send(store, out("a"), out("b"), evolve(out("c"), partner="q"))
    for _ in range(5):
        await settle(store, await claim(store, ahead=3600), Retry("not registered"))
    taken = (await claim(store, most=1, ahead=3600))[0].key
    assert await store.db.write(lambda db: outbox.hurry(db, P)) == 1
    (job,) = await claim(store)
    assert (job.key != taken, job.attempts) == (True, 1), "what is under way is left to its outcome"
    await settle(store, [job], Retry("not yet"))
    assert outbox.next_due(store.db.read, P) == pytest.approx(time.time() + 3, abs=1.5)


async def test_a_dispatcher_leaves_a_partner_alone_until_the_time_it_named(store: SqliteStore) -> None:
    class Partner:
        name, format, kinds = P, "ocpi-2.2.1", frozenset(Kind)

        def __init__(self) -> None:
            self.calls: list[float] = []

        async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> list[Outcome]:
            self.calls.append(time.monotonic())
            return [Retry("429", after=0.4) if len(self.calls) == 1 else Delivered() for _ in jobs]

    partner = Partner()
    dispatcher = Dispatcher(store, partner)  # type: ignore[arg-type]
    await send(store, out("a"), out("L2", "x", Kind.TARIFF))
    dispatcher.start()
    while not partner.calls:
        await asyncio.sleep(0.005)
    for n in range(20):  # something new all the time
        await send(store, out(f"n{n}"))
        dispatcher.wake()
        await asyncio.sleep(0.005)
    async with asyncio.timeout(5):
        while rows(store):
            await asyncio.sleep(0.005)
    await dispatcher.stop()
    assert partner.calls[1] - partner.calls[0] >= 0.4
    assert len(partner.calls) <= 4


# --- dead letters -----------------------------------------------------------------------------------------------------

CONFIG = """
store = "bridge.sqlite"
[operators.acme]
party = "DE*ABC"
name = "Acme"
time_zone = "Europe/Berlin"
"""


async def run(path: Path, *arguments: str) -> Result:
    (path / "bridge.toml").write_text(CONFIG)
    return await asyncio.to_thread(CliRunner().invoke, cli, ["outbox", *arguments, "--config", str(path / "bridge.toml")])


async def test_a_dead_letter_is_listed_shown_and_replayed_as_it_was(store: SqliteStore, tmp_path: Path) -> None:
    await session_with_cdr(store)
    await send(store, out("a", "state"))
    jobs = {j.kind: j for j in await claim(store)}
    await store.settle([(jobs[Kind.CDR], Rejected("total_cost: missing", "2001")), (jobs[Kind.STATUS], Retry("down"))])
    assert (cdr(store).state, cdr(store).error, cdr(store).sent) == ("refused", "total_cost: missing", 1)
    assert await claim(store, ahead=9999) != []  # the status
    number = str(jobs[Kind.CDR].id)

    listed = await run(tmp_path, "list", "--dead")
    assert listed.exit_code == 0, listed.output
    (line,) = listed.output.splitlines()
    assert f"{number}  dead     p                cdr" in line
    assert "total_cost: missing" in line
    assert len((await run(tmp_path, "list")).output.splitlines()) == 2
    told = (await run(tmp_path, "show", number)).output
    assert told.endswith("cdr C1\n"), "with the bytes"
    assert "state     dead" in told
    assert (await run(tmp_path, "show", "999")).exit_code == 2
    assert (await run(tmp_path, "replay", number, "999")).output == "1 of 2 wait again\n"
    assert (await run(tmp_path, "replay", number)).output == "0 of 1 wait again\n", "it is no dead letter any more"

    assert (cdr(store).state, cdr(store).error) == ("waiting", None)
    (again,) = await claim(store)
    assert (again.body, again.key, again.meta, again.attempts) == (b"cdr C1", "C1", {"cdr": "C1"}, 1)
    await settle(store, [again], Delivered("there"))
    assert (cdr(store).state, cdr(store).reference, cdr(store).sent) == ("acknowledged", "there", 2)
    assert (await run(tmp_path, "list", "--dead")).output == ""


async def test_a_newer_state_takes_the_place_of_a_dead_letter(store: SqliteStore, tmp_path: Path) -> None:
    """Or a replay would put the old state over the new one."""
    await send(store, out("a", "1"), out("b", "1"))
    dead = await claim(store)
    await settle(store, dead, Rejected("no"))
    await send(store, out("a", "2"))
    assert [(r["key"], r["body"], r["state"]) for r in rows(store)] == [("b", b"1", "dead"), ("a", b"2", "waiting")]
    numbers = [str(j.id) for j in dead]
    assert (await run(tmp_path, "replay", *numbers)).output == "1 of 2 wait again\n"
    assert sorted((j.key, j.body) for j in await claim(store)) == [("a", b"2"), ("b", b"1")]


async def test_refused_while_a_newer_state_waits_is_no_dead_letter(store: SqliteStore) -> None:
    await send(store, out("a", "1"))
    taken = await claim(store)
    await send(store, out("a", "2"))
    await settle(store, taken, Rejected("no"))
    assert [(r["body"], r["state"]) for r in rows(store)] == [(b"2", "waiting")]


# --- uncertain --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["C1", "another-name-there"])
@pytest.mark.parametrize("how", ["no answer", "killed"])
async def test_sent_perhaps_is_uncertain_and_a_duplicate_then_settles_it(store: SqliteStore, how: str, key: str) -> None:
    await session_with_cdr(store, key=key)
    first = await claim(store)
    if how == "killed":
        store.close()
        store.open()
    else:
        await settle(store, first, Retry("no answer in time", sent=True))
    assert (cdr(store).state, cdr(store).sent) == ("uncertain", 1)
    (again,) = await claim(store, ahead=9999)
    assert (again.id, again.body, again.key) == (first[0].id, first[0].body, first[0].key)
    await settle(store, [again], Rejected("it exists already", "400", duplicate=True))
    assert (cdr(store).state, cdr(store).sent, rows(store)) == ("acknowledged", 2, [])
    assert cdr(store).settled is not None


@pytest.mark.parametrize("said", [Rejected("it exists already", "400", duplicate=True), Delivered("there", duplicate=True)])
async def test_a_duplicate_of_what_was_never_sent_is_for_a_person(store: SqliteStore, said: Outcome) -> None:
    await session_with_cdr(store)
    await settle(store, await claim(store), Retry("no connection"))
    await settle(store, await claim(store, ahead=9999), said)
    assert cdr(store).state == "refused"
    (row,) = rows(store)
    assert row["state"] == "dead"
    assert "delivery refused" in history(store)


async def test_uncertain_stays_uncertain_until_it_is_settled(store: SqliteStore) -> None:
    await session_with_cdr(store)
    await settle(store, await claim(store), Retry("no answer in time", sent=True))
    await settle(store, await claim(store, ahead=9999), Retry("no connection"))
    assert cdr(store).state == "uncertain"
    (row,) = rows(store)
    assert row["uncertain"] == 1
    await settle(store, await claim(store, ahead=9999), Rejected("total: wrong"))
    assert cdr(store).state == "refused", "another refusal is one"
    await store.db.write(lambda db: outbox.replay(db, [row["id"]]))
    assert cdr(store).state == "uncertain"
    await settle(store, await claim(store), Rejected("exists", duplicate=True))
    assert cdr(store).state == "acknowledged"


async def test_a_late_word_does_not_change_what_is_settled(store: SqliteStore) -> None:
    await session_with_cdr(store)
    (job,) = await claim(store)
    await settle(store, [job], Delivered("there"))
    await settle(store, [job], Rejected("exists", duplicate=True))
    assert (cdr(store).state, cdr(store).reference) == ("acknowledged", "there")
    assert rows(store) == []


async def test_a_crash_lets_go_of_what_was_taken_and_nothing_else(store: SqliteStore) -> None:
    await session_with_cdr(store, "C1", number=1)
    await session_with_cdr(store, "C2", number=2)
    await send(store, out("a", "1"), out("b", "1"))
    (first, *_) = await claim(store, most=1)
    assert first.key == "C1"
    taken = await claim(store)
    await store.put_back([j for j in taken if j.key == "C2"])  # was not tried
    await send(store, out("a", "2"))  # newer than what is under way
    store.close()
    store.open()
    assert (cdr(store, "C1").state, cdr(store, "C2").state) == ("uncertain", "waiting")
    assert sorted((r["key"], r["body"], r["state"], r["uncertain"]) for r in rows(store)) == [
        ("C1", b"cdr C1", "waiting", 1), ("C2", b"cdr C2", "waiting", 0), ("a", b"2", "waiting", 0), ("b", b"1", "waiting", 1)]  # fmt: skip
    assert {j.attempts for j in await claim(store) if j.key == "C2"} == {1}


async def test_what_is_put_back_gives_way_to_the_newer_state(store: SqliteStore) -> None:
    await send(store, out("a", "1"), out("b", "1"))
    taken = await claim(store)
    await send(store, out("a", "2"))
    await store.put_back(taken)
    assert sorted((r["key"], r["body"], r["attempts"]) for r in rows(store)) == [("a", b"2", 0), ("b", b"1", 0)]


async def test_looking_at_a_store_does_not_let_go_of_what_a_bridge_has_in_its_hands(store: SqliteStore, tmp_path: Path) -> None:
    await session_with_cdr(store)
    await claim(store)
    for command in (["list"], ["list", "--dead"], ["replay", "1"]):
        assert (await run(tmp_path, *command)).exit_code == 0
    (row,) = rows(store)
    assert (row["state"], row["uncertain"], cdr(store).state) == ("taken", 0, "waiting")


async def test_what_may_not_go_out_any_more_is_news_if_it_may_again(store: SqliteStore) -> None:
    await send(store, out("a", "1"))
    await settle(store, await claim(store), Withheld("no agreement"))
    assert rows(store) == []
    assert history(store) == ["delivery withheld"]
    await send(store, out("a", "1"))
    assert [j.body for j in await claim(store)] == [b"1"]


# --- all of it, at random ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_every_object_arrives_as_it_last_was_and_every_cdr_once(tmp_path: Path, seed: int) -> None:
    """Random changes, tries, failures and crashes against a partner that remembers."""
    chance = Random(seed)
    store = SqliteStore(tmp_path / "bridge.sqlite", chance)
    store.open()
    wanted: dict[str, int] = {}
    has: dict[str, int] = {}
    seen: dict[str, list[int]] = {}
    cdrs: dict[str, bytes] = {}
    taken: list[Job] = []
    made = 0

    def partner(job: Job) -> Outcome:
        """Takes or refuses; sometimes takes it and its answer is lost."""
        luck = chance.random()
        if luck < 0.25:
            return Retry("down", after=0.0)
        if job.kind is Kind.CDR:
            if job.key in cdrs:
                assert cdrs[job.key] == job.body, "the same bytes"
                return Rejected("exists", duplicate=True) if chance.random() < 0.5 else Delivered(duplicate=True)
            cdrs[job.key] = job.body
        else:
            assert job.op is (Op.UPDATE if job.key in has else Op.INSERT) or luck < 0.5 or job.key in doubtful
            seen.setdefault(job.key, []).append(int(job.body))
            has[job.key] = int(job.body)
        if luck < 0.5:
            doubtful.add(job.key)
            return Retry("the answer was lost", after=0.0, sent=True)
        return Delivered("there")

    doubtful: set[str] = set()
    for step in range(150):
        what = chance.random()
        if what < 0.35:
            key = f"e{chance.randrange(4)}"
            wanted[key] = step
            await send(store, out(key, str(step)))
        elif what < 0.45:
            made += 1
            await session_with_cdr(store, f"C{made}", number=made)
        elif what < 0.75:
            taken += await store.claim(P, chance.randrange(1, 5))
        elif what < 0.93:
            chance.shuffle(taken)
            some, taken = taken[:3], taken[3:]
            await store.settle([(job, partner(job)) for job in some])
        else:  # killed: what was under way may have arrived
            for job in taken:
                if chance.random() < 0.5:
                    partner(job)
                    doubtful.add(job.key)
            taken = []
            store.close()
            store.open()
    for _ in range(500):
        taken += await store.claim(P, 100)
        await store.settle([(job, partner(job)) for job in taken])
        taken = []
        if not rows(store):
            break
    assert rows(store) == []
    assert has == wanted
    assert all(order == sorted(order) for order in seen.values()), "never an older state after a newer one"
    assert sorted(cdrs) == sorted(f"C{n}" for n in range(1, made + 1))
    assert {c.state for c in store.cdrs()} <= {"acknowledged"}
    assert made > 3
    assert sum(map(len, seen.values())) > 10
    store.close()


async def test_a_batch_that_is_settled_is_settled_as_a_whole(store: SqliteStore) -> None:
    """One bad outcome must not leave half a batch recorded."""
    await send(store, out("a"), out("b"))
    jobs = await claim(store)
    with pytest.raises(AttributeError):
        await store.settle([(jobs[0], Delivered()), (jobs[1], None)])  # type: ignore[list-item]
    assert [r["state"] for r in rows(store)] == ["taken", "taken"]
    await settle(store, jobs, Delivered())
    assert rows(store) == []


def test_the_defaults_are_what_the_documents_say() -> None:
    assert (outbox.FIRST_RETRY, outbox.LAST_RETRY) == (2.0, 900.0)
    assert timedelta(seconds=outbox.LONGEST_AFTER) == timedelta(days=1)
    assert Decimal(deliver.LONGEST_HOLD) == 900


# --- statuses that go with their EVSE


async def has(store: SqliteStore) -> None:
    """The partner has an EVSE and its status."""
    await send(store, out("E1", kind=Kind.LOCATION), out("E1"), out("E2", kind=Kind.LOCATION), out("E2"))
    await settle(store, await claim(store), Delivered())


async def test_a_status_that_went_with_its_evse_is_inserted_when_that_is_back(store: SqliteStore) -> None:
    await has(store)
    await send(store, out("E1", kind=Kind.LOCATION, gone=True), out("E1", gone=True, quiet=True))
    (deleted,) = await claim(store)
    assert (deleted.kind, deleted.op) == (Kind.LOCATION, Op.DELETE)
    await settle(store, [deleted], Delivered())
    await send(store, out("E1", "2", Kind.LOCATION), out("E1", "2"), out("E2", "2"))
    assert [(j.kind, j.key, j.op) for j in await claim(store)] == [
        (Kind.LOCATION, "E1", Op.INSERT), (Kind.STATUS, "E1", Op.INSERT), (Kind.STATUS, "E2", Op.UPDATE)]  # fmt: skip


async def test_it_is_updated_where_the_evse_was_back_before_it_was_deleted(store: SqliteStore) -> None:
    await has(store)
    await send(store, out("E1", kind=Kind.LOCATION, gone=True), out("E1", gone=True, quiet=True))
    await send(store, out("E1", "2", Kind.LOCATION), out("E1", "2"))
    assert [(j.kind, j.op) for j in await claim(store)] == [(Kind.LOCATION, Op.UPDATE), (Kind.STATUS, Op.UPDATE)]


async def test_a_status_that_waits_does_not_go_out_after_its_evse(store: SqliteStore) -> None:
    await has(store)
    await send(store, out("E1", "2"), out("E2", "2"))
    await send(store, out("E1", kind=Kind.LOCATION, gone=True), out("E1", "2", gone=True, quiet=True))
    assert sorted((j.kind, j.key) for j in await claim(store)) == [(Kind.LOCATION, "E1"), (Kind.STATUS, "E2")]
