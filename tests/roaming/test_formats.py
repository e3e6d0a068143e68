"""A partner comes to speak another format: what it sees and what waits for it is written anew, and CDRs it may have stay as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve

from bridge.errors import Refused, Unreachable
from bridge.model.common import Text
from bridge.model.ids import LocationId
from bridge.model.location import Status
from bridge.roaming import formats
from bridge.roaming.ports import Delivered, Encoded, Job, Kind, Op, Outcome, ReadBack, Rejected, Retry
from tests.roaming.roaming_world import CARD, FIRST, NOON, Lister, World, agreement, location, token

OLD, NEW = "ocpi-2.2.1", "ocpi-2.3.0"
LATER = NOON + timedelta(hours=1)


class Changing(Lister):
    """A partner that changes its format; its records say which one they are in."""

    def __init__(self) -> None:
        super().__init__("emsp")
        self.whole = [[token()]]
        self.changed: Callable[[str], None] = lambda name: None
        self.outcome_of: Callable[[Job], Outcome] = lambda job: Delivered(f"at-{job.key}")
        self.refuses: set[str] = set()

    def becomes(self, format_: str) -> None:
        self.format = format_
        self.changed(self.name)

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        if self.format in self.refuses and kind is not Kind.STATUS:
            raise Refused("id", f"it cannot be said in {self.format}")
        made = super().encode(kind, obj)
        return [evolve(one, body=orjson.dumps({"format": self.format, "of": orjson.loads(one.body)})) for one in made]

    def read_back(self, kind: Kind, encoded: Encoded) -> ReadBack:
        return super().read_back(kind, evolve(encoded, body=orjson.dumps(orjson.loads(encoded.body)["of"])))

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        self.sent += jobs
        return [self.outcome_of(job) for job in jobs]

    def formats(self, *kinds: Kind) -> list[str]:
        return [orjson.loads(job.body)["format"] for job in self.sent if job.kind in kinds]


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, [Changing()])
    await made.import_all()
    await made.core.pull("emsp", partner(made))
    yield made
    await made.core.stop()


def partner(w: World) -> Changing:
    found = w.partners["emsp"]
    assert isinstance(found, Changing)
    return found


async def begin(w: World) -> None:
    """As the core does when it starts, without what then runs by itself."""
    await w.core.formats.begin("emsp")


async def shown(w: World, kind: Kind) -> list[str]:
    page = await w.core.page("emsp", kind, offset=0, limit=100)
    return [orjson.loads(body)["format"] for body in page.bodies]


async def deliver(w: World) -> None:
    while await w.core.dispatchers["emsp"].round():
        pass


def due(w: World) -> None:
    w.store.db.write_now(lambda db: db.execute("UPDATE outbox SET due = 0"))


async def test_what_waits_and_what_is_shown_is_written_anew(w: World) -> None:
    await begin(w)
    assert await shown(w, Kind.LOCATION) == [OLD]
    partner(w).becomes(NEW)
    assert not w.core.formats.settled("emsp")
    await w.core.align()
    assert w.core.formats.settled("emsp")
    await deliver(w)
    assert set(partner(w).formats(Kind.LOCATION, Kind.TARIFF)) == {NEW}
    assert (await shown(w, Kind.LOCATION), await shown(w, Kind.TARIFF)) == ([NEW], [NEW])
    assert len(w.history("written in another format")) == 1


async def test_what_it_has_is_sent_anew_and_only_once(w: World) -> None:
    await begin(w)
    await deliver(w)
    partner(w).sent.clear()
    partner(w).becomes(NEW)
    await w.core.align()
    await deliver(w)
    assert [(job.kind, job.op) for job in partner(w).sent] == [(Kind.TARIFF, Op.UPDATE), (Kind.LOCATION, Op.UPDATE)]
    await w.core.align()
    await deliver(w)
    assert len(partner(w).sent) == 2


async def test_nothing_goes_out_and_nothing_is_shown_until_it_is_done(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "PATIENCE", 0.05)
    await begin(w)
    w.core.dispatchers["emsp"].start()
    await asyncio.wait_for(_until(lambda: len(partner(w).sent) == 2), 5)
    partner(w).becomes(NEW)
    await w.core.publisher.import_locations("acme", [evolve(location(), place=evolve(location().place, names=(Text("Other"),)))],
                                            groups={}, bound={})  # fmt: skip
    w.core.wake("emsp")
    with pytest.raises(Unreachable, match="written anew"):
        await w.core.page("emsp", Kind.LOCATION, offset=0, limit=10)
    with pytest.raises(Unreachable):
        await w.core.find("emsp", Kind.LOCATION, "L1")
    assert len(partner(w).sent) == 2
    waiting = asyncio.create_task(w.core.formats.wait("emsp"))
    await w.core.align()
    await waiting
    await asyncio.wait_for(_until(lambda: len(partner(w).sent) == 4), 5)
    assert partner(w).formats(Kind.LOCATION, Kind.TARIFF)[2:] == [NEW, NEW]


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


async def test_a_running_core_does_it_by_itself(w: World) -> None:
    await w.core.start({})
    await asyncio.wait_for(_until(lambda: len(partner(w).sent) == 2), 5)
    partner(w).becomes(NEW)
    assert await shown(w, Kind.LOCATION) == [NEW]
    await asyncio.wait_for(_until(lambda: len(partner(w).sent) == 4), 5)


async def test_a_restart_in_between_does_not_forget_it(w: World) -> None:
    await begin(w)
    partner(w).becomes(NEW)
    await w.core.stop()
    w.restart()
    await begin(w)
    assert not w.core.formats.settled("emsp")
    await w.core.align()
    assert await shown(w, Kind.LOCATION) == [NEW]
    w.restart()
    assert w.core.formats.settled("emsp")


@pytest.mark.parametrize(("outcome", "expected"), [
    (None, [NEW]), (Retry("no connection"), [OLD, NEW]), (Retry("no answer", sent=True), [OLD, OLD]),
])  # fmt: skip
async def test_a_cdr_is_written_anew_unless_the_partner_may_have_it(w: World, outcome: Outcome | None, expected: list[str]) -> None:
    await begin(w)
    await deliver(w)
    await w.charge()
    if outcome is not None:
        partner(w).outcome_of = lambda job: outcome
        await deliver(w)
    partner(w).becomes(NEW)
    partner(w).outcome_of = lambda job: Delivered("there")
    await w.core.align()
    due(w)
    await deliver(w)
    assert partner(w).formats(Kind.CDR) == expected
    assert len({job.body for job in partner(w).sent if job.kind is Kind.CDR}) == len(set(expected))
    (row,) = w.store.cdrs()
    assert (row.state, row.reference) == ("acknowledged", "there")
    assert await shown(w, Kind.CDR) == [NEW]


async def test_a_cdr_that_was_refused_and_is_sent_again_keeps_its_bytes(w: World) -> None:
    await begin(w)
    await w.charge()
    partner(w).outcome_of = lambda job: Rejected("no") if job.kind is Kind.CDR else Delivered()
    await deliver(w)
    partner(w).becomes(NEW)
    await w.core.align()
    from bridge.store import outbox

    w.store.db.write_now(lambda db: outbox.replay(db, [r["id"] for r in db.execute("SELECT id FROM outbox WHERE state = 'dead'")]))
    await deliver(w)
    assert partner(w).formats(Kind.CDR) == [OLD, OLD]


async def test_a_cdr_that_cannot_be_said_any_more_is_kept_for_a_person_and_goes_out_when_it_can(w: World) -> None:
    await begin(w)
    await w.charge()
    partner(w).refuses = {NEW}
    partner(w).becomes(NEW)
    await w.core.align()
    await deliver(w)
    (row,) = w.store.cdrs()
    assert (row.state, "cannot be said" in str(row.error)) == ("refused", True)
    assert (partner(w).formats(Kind.CDR), await shown(w, Kind.CDR)) == ([], [])
    assert [h["ref"] for h in w.history("CDR kept for a person")] == [row.id]
    partner(w).becomes(OLD)
    await w.core.align()
    await deliver(w)
    assert partner(w).formats(Kind.CDR) == [OLD]
    assert [one.state for one in w.store.cdrs()] == ["acknowledged"]


async def test_sessions_are_shown_anew_and_told_anew_only_where_they_waited(w: World) -> None:
    await begin(w)
    await w.charge()
    await deliver(w)
    assert await shown(w, Kind.SESSION) == [OLD]
    await w.sessions.started(FIRST, CARD, 20_000, w.clock.ahead(hours=1))
    partner(w).sent.clear()
    partner(w).becomes(NEW)
    await w.core.align()
    assert await shown(w, Kind.SESSION) == [NEW, NEW]
    await deliver(w)
    assert partner(w).formats(Kind.SESSION) == [NEW]


async def test_a_location_that_goes_is_taken_back_in_the_new_format(w: World) -> None:
    await begin(w)
    await deliver(w)
    partner(w).outcome_of = lambda job: Retry("later")
    other = evolve(location(), place=evolve(location().place, id=LocationId("L2")), evses=())
    await w.core.publisher.import_locations("acme", [other], groups={}, bound={}, confirmed=True)
    partner(w).sent.clear()
    partner(w).becomes(NEW)
    await w.core.align()
    partner(w).outcome_of = lambda job: Delivered()
    due(w)
    await deliver(w)
    told = {job.key: orjson.loads(job.body) for job in partner(w).sent if job.kind is Kind.LOCATION}
    assert {key: one["format"] for key, one in told.items()} == {"L1": NEW, "L2": NEW}
    assert {e["status"] for e in told["L1"]["of"]["evses"]} == {Status.REMOVED.value}


async def test_what_an_agreement_takes_back_stays_taken_back(tmp_path: Path) -> None:
    w = World(tmp_path, [Changing()], agreements=[agreement("emsp", valid_until=LATER)])
    await w.import_all()
    await begin(w)
    await w.core.align()
    await deliver(w)
    w.clock.at = LATER
    await w.core.align()
    partner(w).becomes(NEW)
    await w.core.align()
    partner(w).sent.clear()
    await deliver(w)
    assert [(job.kind, job.op, orjson.loads(job.body)["format"]) for job in partner(w).sent if job.kind is Kind.LOCATION] == [
        (Kind.LOCATION, Op.DELETE, NEW)]  # fmt: skip
    assert await shown(w, Kind.LOCATION) == []
    await w.core.stop()
