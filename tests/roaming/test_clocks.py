"""Chargers' clocks: a time that cannot be so is not billed; what an offline charger tells late is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock

import orjson
import pytest

from bridge.model import json as model_json
from bridge.model.session import Session
from bridge.model.token import Allowed
from bridge.roaming.audit import Unsettled
from bridge.roaming.billing import ByHand
from bridge.roaming.credits import Credits
from bridge.roaming.held import Desk
from bridge.roaming.ports import Kind
from bridge.roaming.storage import SessionRow
from tests.roaming.roaming_world import CARD, FIRST, NOON, SECOND, Asked, World, token

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def world(path: Path, **options: object) -> World:
    made = World(path, [Asked("owner", Allowed.ALLOWED)], **options)  # type: ignore[arg-type]
    await made.import_all()
    await made.core.tokens("owner", [token()])
    return made


async def begin(w: World, at: datetime) -> int:
    number, _ = await w.sessions.started(FIRST, CARD, 1000, at)
    return number


async def end(w: World, number: int, at: datetime) -> SessionRow:
    await w.sessions.stopped("CP1", number, 11_000, at, "Local", CARD, [])
    row = w.store.session(tx=number)
    assert row is not None
    return row


def desk(w: World) -> Desk:
    return Desk(w.store, w.partners, w.core.billing)


IMPOSSIBLE = [(NOON + 16 * MINUTE, "ahead"), (NOON + timedelta(days=3650), "ahead"), (datetime(2019, 12, 31, 23, 59, tzinfo=UTC), "2020"),
              (datetime(1970, 1, 1, tzinfo=UTC), "2020")]  # fmt: skip


@pytest.mark.parametrize(("at", "because"), IMPOSSIBLE)
async def test_a_start_that_cannot_be_is_held_until_a_person_tells_it(tmp_path: Path, at: datetime, because: str) -> None:
    w = await world(tmp_path)
    number = await begin(w, at)
    w.restart()
    row = await end(w, number, w.clock.ahead(hours=1))
    assert (row.state, w.store.cdrs()) == ("held", [])
    (waits,) = desk(w).waiting()
    assert because in waits.because
    assert "told at 2026-03-02T12:00:00+00:00" in waits.because
    for not_enough in (ByHand(), ByHand(end=NOON + HOUR)):
        with pytest.raises(Unsettled, match="--start"):
            await desk(w).settle(row.id, not_enough)
    await desk(w).settle(row.id, ByHand(start=NOON))
    cdr = w.cdr()
    assert (cdr.start, cdr.end) == (NOON, NOON + HOUR)
    assert cdr.total_time == 1
    told = [model_json.from_json(Session, orjson.loads(one.body)) for one in w.store.published("owner", Kind.SESSION, row.id)]
    assert [one.start for one in told] == [NOON]


@pytest.mark.parametrize(("at", "because"), [*((at + HOUR, because) for at, because in IMPOSSIBLE[:2]), *IMPOSSIBLE[2:],
                                             (NOON - 16 * MINUTE, "before its start")])  # fmt: skip
async def test_an_end_that_cannot_be_is_held(tmp_path: Path, at: datetime, because: str) -> None:
    w = await world(tmp_path)
    number = await begin(w, NOON)
    w.clock.ahead(hours=1)
    row = await end(w, number, at)
    assert (row.state, w.store.cdrs()) == ("held", [])
    assert because in desk(w).waiting()[0].because
    with pytest.raises(Unsettled, match="--end"):
        await desk(w).settle(row.id, ByHand(start=NOON))
    await desk(w).settle(row.id, ByHand(end=NOON + HOUR))
    assert (w.cdr().start, w.cdr().end) == (NOON, NOON + HOUR)


async def test_a_clock_that_is_a_little_off_is_billed(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number = await begin(w, NOON + 14 * MINUTE)
    row = await end(w, number, NOON + 13 * MINUTE)
    assert (row.state, row.ended) == ("ended", NOON + 14 * MINUTE)
    assert len(w.store.cdrs()) == 1


async def test_how_far_it_may_be_off_is_configured(tmp_path: Path) -> None:
    w = await world(tmp_path, clock_minutes=1.0)
    assert (await end(w, await begin(w, NOON + 2 * MINUTE), NOON + 2 * MINUTE)).state == "held"


async def test_what_an_offline_charger_tells_late_is_billed(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.sessions.connected("CP1")
    w.clock.ahead(minutes=5)
    number = await begin(w, NOON - 30 * HOUR)
    row = await end(w, number, NOON - 29 * HOUR)
    assert (row.state, w.cdr().start, w.cdr().end) == ("ended", NOON - 30 * HOUR, NOON - 29 * HOUR)
    await w.sessions.disconnected("CP1")
    w.clock.ahead(hours=9)
    await w.sessions.connected("CP1")  # and again, after another silence
    row = await end(w, await begin(w, NOON), NOON + HOUR)
    assert row.state == "ended"


async def test_what_comes_on_a_connection_that_stands_is_of_now(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.sessions.connected("CP1")
    w.clock.ahead(hours=3)
    number = await begin(w, NOON)
    row = await end(w, number, NOON + HOUR)
    assert row.state == "held"
    assert "though the charger was connected" in desk(w).waiting()[0].because
    with pytest.raises(Unsettled, match="--end"):
        await desk(w).settle(row.id, ByHand(start=NOON + 3 * HOUR))
    await desk(w).settle(row.id, ByHand(start=NOON + 3 * HOUR, end=NOON + 4 * HOUR))
    assert w.cdr().total_time == 1


async def test_a_driver_who_was_asked_about_just_now_begins_now(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.sessions.authorise("CP1", CARD)
    assert (await end(w, await begin(w, NOON - 3 * HOUR), NOON)).state == "held"


async def test_an_old_start_that_could_not_be_stored_is_no_newer_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = await world(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(w.store, "open_session", AsyncMock(side_effect=OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            await begin(w, NOON - 3 * HOUR)
    assert (await end(w, await begin(w, NOON - 3 * HOUR), NOON - HOUR)).state == "ended"


async def test_nothing_begins_before_what_ended_before_it_on_its_connector(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.charge()
    one = await begin(w, NOON + 30 * MINUTE)
    assert "when the transaction before it ended" in str(w.store.session(tx=one).auth)  # type: ignore[union-attr]
    assert (await end(w, one, NOON + HOUR)).state == "held"
    other, _ = await w.sessions.started(SECOND, CARD, 1000, NOON + 30 * MINUTE)
    assert (await end(w, other, NOON + HOUR)).state == "ended"
    await end(w, await begin(w, NOON + HOUR), NOON + HOUR)
    assert len(w.store.cdrs()) == 3


async def test_an_end_in_doubt_puts_no_other_session_in_doubt(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await end(w, await begin(w, NOON), NOON + timedelta(days=3650))
    w.clock.ahead(hours=1)
    assert (await end(w, await begin(w, NOON + HOUR), NOON + HOUR)).state == "ended"


async def test_a_replacement_does_not_bill_the_doubtful_time_either(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number = await begin(w, datetime(2000, 1, 1, tzinfo=UTC))
    row = await end(w, number, w.clock.ahead(hours=1))
    ident = (await desk(w).settle(row.id, ByHand(start=NOON))).id
    while await w.core.dispatchers["owner"].round():
        pass
    taken_back = Credits(w.store, w.partners, w.core.billing, w.clock)
    with pytest.raises(Unsettled, match="--start"):
        await taken_back.credit(ident, "wrong", ByHand())
    assert (await taken_back.credit(ident, "wrong", ByHand(start=NOON + 30 * MINUTE))).replacement is not None
