"""The lists of an upstream operator: changes, whole lists, what vanished from them, and what must not be lost on the way."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.errors import Unreachable
from bridge.model.ids import OperatorId
from bridge.model.location import Status
from bridge.roaming.ports import Kind
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.ports import Listed
from bridge.roaming.upstream.pulls import OVERLAP, Pulled
from tests.roaming.roaming_world import NOON, location, tariff, token
from tests.roaming.upstream_world import CSMS, US, Above, card, cdr, place, session, with_status

HOUR = timedelta(hours=1)


async def pull(w: Above, kind: Kind = Kind.LOCATION) -> Pulled:
    return await w.up.pulls.pull(w.up.feeds.all[CSMS], w.csms, kind)


def lists(w: Above, kind: Kind, *objects: Any, unread: tuple[str | None, ...] = ()) -> None:
    """One object a page."""
    w.csms.lists[kind] = [*(Listed((one,)) for one in objects), Listed((), unread)]


def alive(w: Above) -> set[str]:
    return {e.evse_id for e in w.store.all_evses() if not e.removed}


def many(count: int, *numbers: int) -> list[Any]:
    """Locations of 10 EVSEs each."""
    return [place(f"U{n}", *range(n * 10, n * 10 + 10)) for n in (numbers or range(10, 10 + count))]


async def test_everything_at_first_then_what_changed_and_everything_now_and_then(tmp_path: Path) -> None:
    w = Above(tmp_path, feed=Feed(CSMS, ("acme",), full_pull_hours=24.0))
    lists(w, Kind.LOCATION, place("U1"), place("U2", 93))
    assert await pull(w) == Pulled(2)
    assert len(await w.told(Kind.LOCATION)) == 2
    times: list[datetime | None] = [None]
    for hours in (1, 22, 1):
        w.restart()  # the mark is on the disk
        w.clock.ahead(hours=hours)
        assert (await pull(w)).unchanged == 2
        times.append(NOON + timedelta(hours=hours - 1 if hours != 22 else 1) - OVERLAP)
    assert w.csms.pulls == [(Kind.LOCATION, None), (Kind.LOCATION, NOON - OVERLAP), (Kind.LOCATION, NOON + HOUR - OVERLAP),
                            (Kind.LOCATION, None)]  # fmt: skip
    assert await w.deliver() == []


async def test_what_vanished_from_a_whole_list_is_removed(tmp_path: Path) -> None:
    w = Above(tmp_path, most_percent=Decimal(50))
    lists(w, Kind.LOCATION, *many(4))
    await pull(w)
    await w.deliver()
    w.clock.ahead(hours=25)
    fewer = many(4)[:3]
    lists(w, Kind.LOCATION, *fewer[:2], evolve(fewer[2], evses=fewer[2].evses[1:]))
    done = await pull(w)
    assert (done.removed, done.held) == (1, None)
    assert w.up.location(CSMS, US, "U13") is None
    assert len(alive(w)) == 29
    told = {str(one.place.id): [e.status for e in one.evses] for one in await w.told(Kind.LOCATION)}
    assert set(told) == {"U12", "U13"}
    assert set(told["U13"]) == {Status.REMOVED}
    assert sorted(told["U12"]).count(Status.REMOVED) == 1


@pytest.mark.parametrize("left", ["nothing", "half", "an EVSE too many"])
async def test_too_much_at_once_waits_for_a_person(tmp_path: Path, left: str) -> None:
    w = Above(tmp_path)
    lists(w, Kind.LOCATION, *many(10))
    await pull(w)
    await w.deliver()
    w.clock.ahead(hours=25)
    rest = {"nothing": [], "half": many(10)[:5], "an EVSE too many": [evolve(x, evses=x.evses[1:]) for x in many(10)]}[left]
    lists(w, Kind.LOCATION, *rest)
    done = await pull(w)
    assert done.held is not None
    assert len(alive(w)) == 100
    assert await w.deliver() == []
    (held,) = w.store.held()
    assert (held.number, held.what) == (done.held, "upstream locations of csms")
    assert (await pull(w)).held in (None, done.held)
    await w.up.confirm(CSMS, Kind.LOCATION, held.body)
    assert len(alive(w)) == {"nothing": 0, "half": 50, "an EVSE too many": 90}[left]
    assert w.store.held() == []
    assert await w.deliver() != []


async def test_a_list_that_is_whole_again_supersedes_what_is_held(tmp_path: Path) -> None:
    w = Above(tmp_path)
    lists(w, Kind.LOCATION, *many(10))
    await pull(w)
    w.clock.ahead(hours=25)
    lists(w, Kind.LOCATION)
    assert (await pull(w)).held is not None
    w.clock.ahead(hours=25)
    lists(w, Kind.LOCATION, *many(10))
    assert (await pull(w)).held is None
    assert w.store.held() == []
    assert len(alive(w)) == 100


async def test_a_record_that_cannot_be_read_is_not_gone(tmp_path: Path) -> None:
    w = Above(tmp_path, most_percent=Decimal(100))
    lists(w, Kind.LOCATION, place("U1"), place("U2", 93))
    await pull(w)
    w.clock.ahead(hours=25)
    lists(w, Kind.LOCATION, place("U1"), unread=("U2",))
    done = await pull(w)
    assert (done.removed, done.refused) == (0, 1)
    assert w.up.location(CSMS, US, "U2") is not None


async def test_a_list_that_breaks_off_removes_nothing_and_is_pulled_again(tmp_path: Path) -> None:
    w = Above(tmp_path, most_percent=Decimal(100))
    lists(w, Kind.LOCATION, place("U1"), place("U2", 93))
    await pull(w)
    w.clock.ahead(hours=25)
    w.csms.lists[Kind.LOCATION] = [Listed((place("U1", 91),)), Unreachable("the connection broke")]
    with pytest.raises(Unreachable):
        await pull(w)
    assert len(alive(w)) == 3
    lists(w, Kind.LOCATION, place("U1"), place("U2", 93))
    await pull(w)
    assert w.csms.pulls[-1] == (Kind.LOCATION, None)


async def test_what_is_pushed_meanwhile_is_newer(tmp_path: Path) -> None:
    w = Above(tmp_path, most_percent=Decimal(100))
    lists(w, Kind.LOCATION, place("U1"))
    await pull(w)
    w.clock.ahead(hours=25)
    newer = with_status(place("U1"), 91, Status.CHARGING, NOON + HOUR)
    pushed = iter([newer, place("U3", 95)])

    async def between() -> None:
        one = next(pushed, None)
        if one is not None:
            await w.up.put_location(CSMS, one)

    w.csms.between = between
    lists(w, Kind.LOCATION, place("U2", 93), place("U1"))
    await pull(w)
    assert w.up.location(CSMS, US, "U1") == newer
    assert w.up.location(CSMS, US, "U3") is not None, "it came after the list was begun"
    assert alive(w) == {"DEABCE91", "DEABCE92", "DEABCE93", "DEABCE95"}


async def test_what_is_ours_is_not_gone_from_their_list(tmp_path: Path) -> None:
    w = Above(tmp_path, most_percent=Decimal(100))
    await w.import_all()
    lists(w, Kind.LOCATION, place("U1"), place("U2", 93))
    await pull(w)
    w.clock.ahead(hours=25)
    lists(w, Kind.LOCATION, place("U2", 93))
    await pull(w)
    assert alive(w) == {"DEABCE1", "DEABCE2", "DEABCE3", "DEABCE93"}


async def test_others_objects_in_a_list_are_left_out(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.import_all()
    lists(w, Kind.LOCATION, place("U1"), place("U2", 93, operator_id=OperatorId("FR*XXX")), evolve(location(), place=place("L1").place))
    assert await pull(w) == Pulled(1, refused=2)
    assert [h["ref"] for h in w.history("location refused")] == ["L1"]


async def test_tariffs_that_vanish(tmp_path: Path) -> None:
    w = Above(tmp_path, most_percent=Decimal(50))
    await w.core.publisher.import_tariffs("acme", [tariff()])
    lists(w, Kind.TARIFF, *(tariff(name=n) for n in "ABC"))
    await pull(w, Kind.TARIFF)
    w.clock.ahead(hours=25)
    lists(w, Kind.TARIFF, *(tariff(name=n) for n in "AB"))
    assert (await pull(w, Kind.TARIFF)).removed == 1
    assert w.up.tariff(CSMS, US, "C") is None
    assert w.store.thing("tariff", "T1", operator="acme") is not None
    w.clock.ahead(hours=25)
    lists(w, Kind.TARIFF)
    assert (await pull(w, Kind.TARIFF)).held is not None
    assert w.up.tariff(CSMS, US, "A") is not None


async def test_sessions_and_cdrs_from_when_it_was_first_heard_of(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.core.tokens("emsp", [token()])
    lists(w, Kind.SESSION, session())
    lists(w, Kind.CDR, cdr(), cdr("C9", session_id=None, token=card("0400")))
    assert await pull(w, Kind.SESSION) == Pulled(1)
    assert await pull(w, Kind.CDR) == Pulled(2)
    w.clock.ahead(hours=48)
    lists(w, Kind.SESSION, session(kwh=Decimal(2), last_updated=NOON + HOUR), session(kwh=Decimal(1), last_updated=NOON))
    assert await pull(w, Kind.SESSION) == Pulled(1, 1)
    assert await pull(w, Kind.CDR) == Pulled(0, 2)
    assert w.csms.pulls == [(k, NOON - OVERLAP) for k in (Kind.SESSION, Kind.CDR)] * 2
    kept = w.up.session(CSMS, US, "S1")
    assert kept is not None
    assert kept.kwh == Decimal(2)
    assert [e.state for e in w.entries()] == ["waiting", "kept"]


async def test_a_cdr_that_contradicts_the_known_one_is_told(tmp_path: Path) -> None:
    w = Above(tmp_path)
    lists(w, Kind.CDR, cdr(), cdr(total_energy=Decimal(11)))
    assert await pull(w, Kind.CDR) == Pulled(1, refused=1)
    assert len(w.history("cdr refused")) == 1


async def test_it_goes_on_by_itself(tmp_path: Path) -> None:
    w = Above(tmp_path, feed=Feed(CSMS, ("acme",), pull_seconds=0.01))
    w.csms.lists[Kind.LOCATION] = [Unreachable("not registered yet")]
    await w.core.start({})
    try:
        async with asyncio.timeout(10):
            while not w.history("location pull failed"):
                await asyncio.sleep(0.005)
            lists(w, Kind.LOCATION, place("U1"))
            while not w.partner().sent:
                await asyncio.sleep(0.005)
    finally:
        await w.core.stop()
    assert {j.key for j in w.partner().sent if j.kind is Kind.LOCATION} == {"U1"}
    assert not w.up._tasks
