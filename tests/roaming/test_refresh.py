"""Partners that take a status for unknown when they do not hear it again (OCHP's ttl) do hear it again, in time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.model.location import Status
from bridge.roaming.ports import Kind, Rejected, Retry
from bridge.store import outbox
from tests.roaming.roaming_world import FIRST, NOON, SECOND, Told, World, agreement, location

HOUSE = "house"
NOW = time.time


class House(Told):
    """A clearing house: it forgets."""

    status_seconds: float | None = 1000.0


async def world(path: Path, **options: Any) -> World:
    made = World(path, [House(HOUSE, "ochp-1.4"), Told("app")], **options)
    await made.import_all()
    for ref, status in ((FIRST, Status.AVAILABLE), (SECOND, Status.CHARGING)):
        await made.sessions.status(ref, status, NOON)
    await sent(made)
    return made


async def sent(w: World, name: str = HOUSE) -> list[tuple[Kind, str, bytes]]:
    """What goes out to a partner now."""
    partner = w.partners[name]
    assert isinstance(partner, Told)
    partner.sent.clear()
    await w.core.dispatchers[name].round()
    return [(job.kind, job.key, job.body) for job in partner.sent]


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The store's clock is so much further."""
    at = NOW() + seconds
    monkeypatch.setattr(time, "time", lambda: at)


async def test_a_status_is_told_again_before_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world(tmp_path)
    assert await w.core.refresh(HOUSE, 1000.0) == 0
    later(monkeypatch, 499)
    assert await w.core.refresh(HOUSE, 1000.0) == 0
    later(monkeypatch, 501)
    assert await w.core.refresh(HOUSE, 1000.0) == 2
    again = await sent(w)
    assert [(kind, key) for kind, key, _ in again] == [(Kind.STATUS, "DE*ABC*E1"), (Kind.STATUS, "DE*ABC*E2")]
    assert b"AVAILABLE" in again[0][2]
    assert await w.core.refresh(HOUSE, 1000.0) == 0
    assert await sent(w) == []


async def test_also_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world(tmp_path)
    w.restart()
    assert await w.core.refresh(HOUSE, 1000.0) == 0
    later(monkeypatch, 501)
    assert await w.core.refresh(HOUSE, 1000.0) == 2


async def test_what_changed_lately_is_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world(tmp_path)
    later(monkeypatch, 300)
    await w.sessions.status(FIRST, Status.RESERVED, NOON)
    await sent(w)
    later(monkeypatch, 600)
    assert await w.core.refresh(HOUSE, 1000.0) == 1
    assert [key for _, key, _ in await sent(w)] == ["DE*ABC*E2"]


async def test_what_is_under_way_was_refused_or_is_gone_is_not_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world(tmp_path)
    house = w.partners[HOUSE]
    assert isinstance(house, Told)
    house.answers = [Retry("down"), Rejected("no")]
    await w.sessions.status(FIRST, Status.RESERVED, NOON)
    await w.sessions.status(SECOND, Status.RESERVED, NOON)
    await sent(w)
    later(monkeypatch, 600)
    assert await w.core.refresh(HOUSE, 1000.0) == 0
    assert b"RESERVED" in (await sent(w))[0][2]
    await w.core.publisher.import_locations("acme", [], groups={}, bound={}, confirmed=True)
    later(monkeypatch, 2000)
    assert await w.core.refresh(HOUSE, 1000.0) == 0


@pytest.mark.parametrize("format_", ["ochp-1.4", "oicp-2.3"])
async def test_an_evse_that_goes_loses_its_status_and_gets_it_back_when_it_returns(tmp_path: Path, format_: str) -> None:
    w = World(tmp_path, [House(HOUSE, format_)])
    await w.import_all()
    await w.sessions.status(FIRST, Status.AVAILABLE, NOON)
    await sent(w)
    place = location()
    one_less = evolve(place, evses=place.evses[1:])
    bound = {"DE*ABC*E1": ("CP1", 1)}
    await w.core.publisher.import_locations("acme", [one_less], groups={}, bound=bound, confirmed=True)
    await sent(w)
    assert w.store.published(HOUSE, Kind.STATUS, "L1") == []
    await w.core.publisher.import_locations("acme", [place], groups={}, bound=bound)
    assert (Kind.STATUS, "DE*ABC*E1") in [(kind, key) for kind, key, _ in await sent(w)]


async def test_who_may_not_know_it_any_more_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world(tmp_path, agreements=[agreement(HOUSE, valid_until=NOON.replace(hour=13)), agreement("app")])
    w.clock.ahead(hours=2)
    later(monkeypatch, 7200)
    await w.core.refresh(HOUSE, 1000.0)
    assert await sent(w) == []


async def test_a_status_that_never_arrived_is_not_told_again_but_for_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = World(tmp_path, [House(HOUSE, "ochp-1.4")])
    await w.import_all()
    await w.sessions.status(FIRST, Status.AVAILABLE, NOON)
    later(monkeypatch, 2000)
    assert await w.core.refresh(HOUSE, 1000.0) == 0
    assert [kind for kind, _, _ in await sent(w)].count(Kind.STATUS) == 1


async def test_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world(tmp_path)
    later(monkeypatch, 600)
    with monkeypatch.context() as few:
        few.setattr(outbox, "TOGETHER", 1)
        assert await w.core.refresh(HOUSE, 1000.0) == 2


async def test_only_partners_that_forget_are_told_again(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.core.start({})
    names = {task.get_name() for task in w.core._tasks}
    assert {n for n in names if n.startswith("refresh")} == {"refresh house"}
    await w.core.stop()


async def test_for_ever(tmp_path: Path) -> None:
    w = World(tmp_path, [House(HOUSE)])
    house = w.partners[HOUSE]
    assert isinstance(house, House)
    house.status_seconds = None
    await w.core.start({})
    assert not [task for task in w.core._tasks if task.get_name().startswith("refresh")]
    await w.core.stop()
