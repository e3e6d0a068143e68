"""Token lists: whole and in part, in constant memory, guarded, and never undoing what is newer."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bridge.errors import Declined, Unreachable
from bridge.model.token import Token, Whitelist
from bridge.roaming.ports import ChargerAnswer, TokenPage
from bridge.roaming.storage import Happening, TokenRow
from bridge.store import tokens as parts
from tests.roaming.roaming_world import CARD, NOON, Lister, World, token


def many(count: int, start: int = 0) -> list[Token]:
    return [token(f"04{i:012X}") for i in range(start, start + count)]


async def world(path: Path, partner: Lister, **options: object) -> World:
    made = World(path, [partner], **options)  # type: ignore[arg-type]
    await made.import_all()
    return made


def valid(w: World) -> int:
    return w.store.token_counts("house")[1]


async def test_the_whole_list_first_then_changes_then_the_whole_again(tmp_path: Path) -> None:
    house = Lister("house")
    house.whole, house.changes = [many(3), many(3, 3)], [[token("0400000000000A", valid=False)], []]
    w = await world(tmp_path, house, full_pull_hours={"house": 24.0})
    first = w.clock()
    for hours in (1, 22.9, 0.2, 1):
        await w.core.pull("house", house)
        w.clock.ahead(hours=hours)
    assert [since is None for since in house.pulls] == [True, False, False, True]
    assert house.pulls[1] == first


async def test_a_token_that_the_list_dropped_is_revoked_and_works_again_when_it_comes_back(tmp_path: Path) -> None:
    house = Lister("house")
    house.whole = [[token(), *many(99)]]
    w = await world(tmp_path, house, full_pull_hours={"house": 1.0})
    await w.core.pull("house", house)
    house.says = Unreachable("down")
    for page, answer in ((many(99), ChargerAnswer.INVALID), ([token(), *many(99)], ChargerAnswer.ACCEPTED)):
        w.clock.ahead(hours=2)
        house.whole = [page]
        taken = await w.core.pull("house", house)
        assert not taken.held
        assert await w.sessions.authorise("CP1", CARD) is answer


@pytest.mark.parametrize("rest", [0, 1, 94])
async def test_a_list_that_would_revoke_too_much_is_held_until_confirmed(tmp_path: Path, rest: int) -> None:
    house = Lister("house")
    house.whole = [many(100)]
    w = await world(tmp_path, house, full_pull_hours={"house": 1.0})
    await w.core.pull("house", house)
    house.whole, house.changes = [many(rest)], [many(1, 500)]
    for _ in range(3):
        w.clock.ahead(hours=2)
        await w.core.pull("house", house)
    assert valid(w) == 101  # nothing is revoked, and changes still come in
    assert w.store.db.read.execute("SELECT COUNT(*) FROM held WHERE confirmed IS NULL").fetchone()[0] == 1
    w.restart()
    taken = await w.core.confirm_tokens("house")
    assert valid(w) == rest
    assert taken.revoked == 101 - rest
    with pytest.raises(LookupError):
        await w.core.confirm_tokens("house")


async def test_at_the_limit_nothing_is_held(tmp_path: Path) -> None:
    house = Lister("house")
    house.whole = [many(100)]
    w = await world(tmp_path, house, full_pull_hours={"house": 1.0})
    await w.core.pull("house", house)
    w.clock.ahead(hours=2)
    house.whole = [many(95)]
    assert (await w.core.pull("house", house)).revoked == 5


async def test_many_that_the_list_says_are_not_valid_are_held_too(tmp_path: Path) -> None:
    house = Lister("house")
    house.whole = [many(100)]
    w = await world(tmp_path, house, full_pull_hours={"house": 1.0})
    await w.core.pull("house", house)
    w.clock.ahead(hours=2)
    house.whole, house.changes = [[token(str(t.uid), valid=False) for t in many(100)]], []
    await w.core.pull("house", house)
    assert valid(w) == 100


async def test_a_list_that_breaks_off_changes_nothing(tmp_path: Path) -> None:
    house = Lister("house")
    house.whole = [many(10), many(10, 10)]
    w = await world(tmp_path, house, full_pull_hours={"house": 1.0})
    await w.core.pull("house", house)
    w.clock.ahead(hours=2)
    house.whole, house.fault_at = [many(10), []], 1
    with pytest.raises(Unreachable):
        await w.core.pull("house", house)
    assert valid(w) == 20
    with pytest.raises(LookupError):  # half a list must not be confirmed either
        await w.core.confirm_tokens("house")
    assert valid(w) == 20


async def test_what_its_owner_said_while_the_list_came_in_is_newer(tmp_path: Path) -> None:
    house = Lister("house")
    house.whole = [[token(), *many(99)]]
    w = await world(tmp_path, house, full_pull_hours={"house": 1.0})
    await w.core.pull("house", house)

    async def meanwhile() -> None:
        await asyncio.sleep(0.01)
        await w.core.tokens("house", [token(valid=False), token("04AAAAAAAAAAAA")])

    w.clock.ahead(hours=2)
    house.between = meanwhile
    await w.core.pull("house", house)
    rows = {r.uid: r.valid for uid in (CARD, "04AAAAAAAAAAAA") for r in w.store.tokens(uid)}
    assert rows == {CARD: False, "04AAAAAAAAAAAA": True}


async def test_lists_longer_than_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 7)
    house = Lister("house")
    house.whole = [many(50), many(50, 50)]
    w = await world(tmp_path, house, full_pull_hours={"house": 1.0})
    assert (await w.core.pull("house", house)).stored == 100
    w.clock.ahead(hours=2)
    house.whole = [many(96, 2)]
    taken = await w.core.pull("house", house)
    assert (taken.stored, taken.unchanged, taken.revoked, valid(w)) == (0, 96, 4, 96)
    assert w.store.db.read.execute("SELECT COUNT(*) FROM staged").fetchone()[0] == 0


async def test_a_long_list_takes_little_memory(tmp_path: Path) -> None:
    class Long(Lister):
        async def pull_tokens(self, since: datetime | None) -> AsyncIterator[list[Token]]:
            for page in range(40):
                yield many(500, page * 500)

    house = Long("house")
    w = await world(tmp_path, house)
    tracemalloc.start()
    try:
        await w.core.pull("house", house)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert valid(w) == 20_000
    assert peak < 8_000_000


class Counting(Lister):
    """A partner whose pulls end as told, one after the other; the last one again and again."""

    def __init__(self, *ends: Exception | None) -> None:
        super().__init__("house")
        self.ends = list(ends)
        self.begun = asyncio.Semaphore(0)

    async def pull_tokens(self, since: datetime | None) -> AsyncIterator[list[Token]]:
        self.begun.release()
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if end is not None:
            raise end
        yield []

    async def times(self, count: int) -> None:
        """Wait until it was pulled so many times."""
        async with asyncio.timeout(10):
            for _ in range(count):
                await self.begun.acquire()


async def test_pulling_goes_on_after_a_fault(tmp_path: Path) -> None:
    house = Counting(ZeroDivisionError())
    w = await world(tmp_path, house)
    await w.core.start({"house": 0.01})
    await house.times(3)
    await w.core.stop()
    assert [h["detail"] for h in w.history("token pull failed")] == ["a fault: ZeroDivisionError"]


async def test_a_failure_is_in_the_history_once_until_its_reason_changes_or_a_pull_goes_well(tmp_path: Path) -> None:
    gone, refused = Unreachable("not registered with this partner yet"), Unreachable("HTTP 503")
    house = Counting(gone, gone, gone, refused, refused, gone, None, gone)
    w = await world(tmp_path, house)
    await w.core.start({"house": 0.01})
    await house.times(10)
    await w.core.stop()
    told = [h["detail"] for h in w.history("token pull failed")]
    assert told == [str(why) for why in (gone, refused, gone, gone)]


async def test_a_failure_that_could_not_be_recorded_is_recorded_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = Counting(Unreachable("HTTP 503"))
    w = await world(tmp_path, house)
    happened = w.store.happened
    refused: list[tuple[Happening, ...]] = []

    async def fails(*history: Happening) -> None:
        if history[0].what == "token pull failed" and not refused:
            refused.append(history)
            raise OSError("disk full")
        await happened(*history)

    monkeypatch.setattr(w.store, "happened", fails)
    await w.core.start({"house": 0.01})
    await house.times(4)
    await w.core.stop()
    assert (len(refused), [h["detail"] for h in w.history("token pull failed")]) == (1, ["HTTP 503"])


async def test_tokens_of_one_partner_are_not_anothers(tmp_path: Path) -> None:
    house, other = Lister("house"), Lister("other")
    house.whole = [many(10)]
    w = World(tmp_path, [house, other])
    await w.import_all()
    await w.core.tokens("other", [*many(10), token(whitelist=Whitelist.NEVER)])
    await w.core.pull("house", house)
    assert w.store.token_counts("other") == (11, 11)
    assert await w.core.token("house", CARD, token().kind) is None  # type: ignore[arg-type]
    found = await w.core.token("other", CARD.lower(), token().kind)  # type: ignore[arg-type]
    assert found == token(whitelist=Whitelist.NEVER)


# --- a list that breaks off


class Pager(Lister):
    """A partner whose list can be pulled on from a page."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.resumed: list[str | None] = []
        self.faults: dict[int, Exception] = {}

    async def token_pages(self, since: datetime | None, at: str | None) -> AsyncIterator[TokenPage]:
        self.pulls.append(since)
        self.resumed.append(at)
        served = self.whole if since is None else self.changes
        for number in range(int(at or 0), len(served)):
            if number in self.faults:
                raise self.faults.pop(number)
            yield TokenPage(served[number], str(number + 1) if number + 1 < len(served) else None)
            await asyncio.sleep(0.01)


async def paged(tmp_path: Path, *pages: list[Token]) -> tuple[World, Pager]:
    house = Pager("house")
    house.whole = list(pages)
    return await world(tmp_path, house, full_pull_hours={"house": 1.0}), house


async def test_a_first_list_that_broke_off_is_gone_on_with_after_a_restart(tmp_path: Path) -> None:
    w, house = await paged(tmp_path, *(many(100, n) for n in range(0, 1000, 100)))
    house.faults = {7: Unreachable("the connection broke")}
    with pytest.raises(Unreachable):
        await w.core.pull("house", house)
    w.restart()
    await w.core.pull("house", house)
    assert house.resumed == [None, "7"]
    assert valid(w) == 1000
    w.clock.ahead(minutes=5)
    await w.core.pull("house", house)
    assert (house.pulls, house.resumed) == ([None, None, NOON], [None, "7", None]), "changes since the first pull began"


async def test_a_whole_list_that_broke_off_revokes_what_neither_part_has(tmp_path: Path) -> None:
    w, house = await paged(tmp_path, *(many(100, n) for n in range(0, 1000, 100)))
    await w.core.pull("house", house)
    w.clock.ahead(hours=2)
    house.whole[2], house.whole[8] = many(95, 200), many(95, 800)
    house.faults = {5: Unreachable("later", 30.0)}
    with pytest.raises(Unreachable):
        await w.core.pull("house", house)
    assert valid(w) == 1000
    w.restart()
    w.clock.ahead(minutes=1)
    assert (await w.core.pull("house", house)).revoked == 10
    assert (house.resumed[-1], valid(w)) == ("5", 990)
    assert not w.store.db.read.execute("SELECT 1 FROM staged").fetchall()


async def test_changes_that_broke_off_are_gone_on_with(tmp_path: Path) -> None:
    w, house = await paged(tmp_path, many(10))
    await w.core.pull("house", house)
    house.changes, house.faults = [many(10, 100), many(10, 200), many(10, 300)], {2: Unreachable("the connection broke")}
    w.clock.ahead(minutes=5)
    with pytest.raises(Unreachable):
        await w.core.pull("house", house)
    w.clock.ahead(minutes=5)
    await w.core.pull("house", house)
    assert (house.resumed, valid(w)) == ([None, None, "2"], 40)
    w.clock.ahead(minutes=5)
    await w.core.pull("house", house)
    assert house.pulls[-1] == NOON + timedelta(minutes=5), "since the pull that broke off began"


async def test_a_list_whose_rest_is_refused_or_old_is_begun_anew(tmp_path: Path) -> None:
    w, house = await paged(tmp_path, many(10), many(10, 10), many(10, 20))
    for fault in (Declined("no such page", "2001"), Unreachable("the connection broke")):
        house.faults = {2: fault}
        with pytest.raises(type(fault)):
            await w.core.pull("house", house)
        w.clock.ahead(hours=7)
    await w.core.pull("house", house)
    assert house.resumed == [None, None, None]
    assert valid(w) == 30


async def test_a_batch_that_could_not_be_written_comes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w, house = await paged(tmp_path, *(many(10, n) for n in range(0, 100, 10)))
    take, calls = w.store.take_tokens, 0

    async def failing(partner: str, rows: Sequence[TokenRow]) -> tuple[int, int, int]:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise OSError("the disk is full")
        return await take(partner, rows)

    monkeypatch.setattr(w.store, "take_tokens", failing)
    with pytest.raises(OSError, match="full"):
        await w.core.pull("house", house)
    await w.core.pull("house", house)
    assert house.resumed == [None, "3"]
    assert valid(w) == 100


async def test_a_pull_comes_no_sooner_than_the_partner_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w, house = await paged(tmp_path, many(10))
    house.faults = {0: Unreachable("HTTP 429", 120.0)}
    waits: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0 if seconds > 1 else seconds)
        if len(waits) > 3:
            await sleep(3600)

    monkeypatch.setattr("bridge.roaming.core.asyncio.sleep", slept)
    task = asyncio.create_task(w.core._pull("house", house, 60.0))
    while len(house.pulls) < 2:
        await sleep(0.005)
    task.cancel()
    assert waits[0] == 120.0
