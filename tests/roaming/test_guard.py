"""The guard against mass changes: what would take away too much at once, or everything, waits for a person."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from bridge.cli import cli
from bridge.model.ids import EvseId, EvseUid, LocationId
from bridge.model.location import Location, Status
from bridge.roaming.agreements import OWN
from bridge.roaming.ports import Kind
from bridge.roaming.publish import Imported
from tests.roaming.roaming_world import Lister, Told, World, location, tariff, token

BOUND = {"DE*ABC*E1": ("CP1", 1)}
CONFIG = """
store = "bridge.sqlite"
[operators.acme]
party = "DE*ABC"
name = "Acme"
time_zone = "Europe/Berlin"
[chargers.CP1]
connectors = { 1 = "DE*ABC*E1" }
[partners.house]
protocol = "ochp-1.4"
url = "http://127.0.0.1:9/service/ochp/v1.4/"
user = "me"
password = { value = "secret" }
agreements = [{ operator = "acme", tariffs = { "*" = "T1" } }]
"""


async def run(path: Path, *arguments: str) -> Result:
    """A command, in a thread of its own: it has an event loop of its own."""
    (path / "bridge.toml").write_text(CONFIG)
    return await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, "--config", str(path / "bridge.toml")])


def places(count: int, evses: int = 1) -> list[Location]:
    """Locations with EVSEs of their own."""
    made = []
    for n in range(count):
        one = location()
        mine = tuple(evolve(one.evses[0], uid=EvseUid(f"U{n}-{m}"), id=EvseId(f"DE*ABC*E{n}*{m}")) for m in range(evses))
        made.append(Location(evolve(one.place, id=LocationId(f"L{n}")), mine))
    return made


async def load(w: World, locations: list[Location], **more: Any) -> Imported:
    return await w.core.publisher.import_locations("acme", locations, groups={}, bound=BOUND, **more)


def stored(w: World) -> tuple[int, int]:
    """Locations and EVSEs that are not removed."""
    return sum(not removed for _, removed in w.store.things("location", "acme", OWN).values()), sum(
        not e.removed for e in w.store.all_evses()
    )


def without(locations: list[Location], evses: int) -> list[Location]:
    """The locations, the first one without so many of its EVSEs."""
    return [evolve(locations[0], evses=locations[0].evses[evses:]), *locations[1:]]


def removed(locations: list[Location], evses: int) -> list[Location]:
    """The same, with EVSEs that say that they are removed."""
    first = locations[0]
    kept = tuple(evolve(e, status=Status.REMOVED) if i < evses else e for i, e in enumerate(first.evses))
    return [evolve(first, evses=kept), *locations[1:]]


def hidden(locations: list[Location], count: int) -> list[Location]:
    """Locations that are not to be published."""
    return [evolve(one, place=evolve(one.place, publish=False)) if i < count else one for i, one in enumerate(locations)]


@pytest.mark.parametrize(
    ("change", "held"),
    [
        (lambda all_: all_[5:], False),  # 5 of 100 are 5 %: not more
        (lambda all_: all_[6:], True),
        (lambda all_: all_[:1], True),
        (lambda all_: [], True),
        (lambda all_: hidden(all_, 5), False),
        (lambda all_: hidden(all_, 6), True),
        (lambda all_: places(100) + places(120)[100:], False),  # more are no harm
    ],
)
async def test_an_import_that_takes_away_more_than_the_share_is_held(tmp_path: Path, change: Any, held: bool) -> None:
    p = Told("p")
    w = World(tmp_path, [p])
    everything = places(100)
    assert (await load(w, everything)).held is None, "the first one takes nothing away"
    before = stored(w)
    jobs = w.store.db.read.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]
    done = await load(w, change(everything))
    assert (done.held is not None) == held
    if held:
        assert stored(w) == before == (100, 100)
        assert w.store.db.read.execute("SELECT COUNT(*) FROM outbox").fetchone()[0] == jobs, "no partner hears of it"
        assert len(w.history("mass change held")) == 1
        assert (await load(w, change(everything))).held == done.held, "tried again it is one thing to confirm, not two"
        assert len(w.store.held()) == len(w.history("mass change held")) == 1


@pytest.mark.parametrize("less", [without, removed])
@pytest.mark.parametrize(("gone", "held"), [(2, False), (3, True), (10, True)])
async def test_evses_count_as_well_as_locations(tmp_path: Path, less: Any, gone: int, held: bool) -> None:
    w = World(tmp_path, [Told("p")])
    everything = places(4, 10)
    await load(w, everything)
    done = await load(w, less(everything, gone))  # 2 of 40 are 5 %
    assert (done.held is not None) == held
    assert done.lost == gone
    assert stored(w)[1] == (40 if held else 38)


async def test_an_evse_that_moves_is_not_lost(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    first, second = places(2, 10)
    await load(w, [first, second])
    moved = [evolve(first, evses=()), evolve(second, evses=(*second.evses, *first.evses))]
    done = await load(w, moved)
    assert (done.held, done.lost) == (None, 0)
    assert stored(w)[1] == 20


@pytest.mark.parametrize("percent", [Decimal(0), Decimal(50), Decimal(100)])
async def test_the_share_is_the_operators_and_everything_is_always_too_much(tmp_path: Path, percent: Decimal) -> None:
    w = World(tmp_path, [Told("p")], most_percent=percent)
    everything = places(10)
    await load(w, everything)
    assert ((await load(w, everything[1:])).held is not None) == (percent == 0)
    assert (await load(w, [])).held is not None


async def test_with_the_word_of_a_person_it_is_done(tmp_path: Path) -> None:
    p = Told("p")
    w = World(tmp_path, [p])
    await load(w, places(10))
    assert (await load(w, places(1))).held is not None
    done = await load(w, places(1), confirmed=True)
    assert (done.held, done.removed, done.lost) == (None, 9, 9)
    assert stored(w) == (1, 1)
    assert w.store.held() == [], "nothing waits any more"


async def test_a_harmless_import_takes_the_place_of_one_that_is_held(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    await load(w, places(10))
    assert (await load(w, [])).held is not None
    await load(w, places(11))
    assert w.store.held() == []
    assert stored(w) == (11, 11)


async def test_what_is_held_is_listed_and_done_as_it_was_when_confirmed(tmp_path: Path) -> None:
    p = Told("p")
    w = World(tmp_path, [p])
    await w.core.publisher.import_tariffs("acme", [tariff()])
    everything = places(20)
    await load(w, everything)
    fewer = [evolve(everything[0], place=evolve(everything[0].place, help_phone="+49 30 1")), *everything[10:], *places(21)[20:]]
    held = (await load(w, fewer)).held
    w.store.close()
    listed = await run(tmp_path, "held", "list")
    assert listed.exit_code == 0, listed.output
    assert f"{held}  " in listed.output
    assert "locations of acme: 9 of 20 locations would be removed, 9 of 20 EVSEs not be seen any more" in listed.output
    assert (await run(tmp_path, "held", "confirm", "99")).exit_code == 2
    confirmed = await run(tmp_path, "held", "confirm", str(held))
    assert confirmed.exit_code == 0, confirmed.output
    assert confirmed.output.strip() == "1 new, 1 changed, 10 unchanged, 9 removed, 9 EVSEs gone"
    assert (await run(tmp_path, "held", "list")).output == ""
    assert (await run(tmp_path, "held", "confirm", str(held))).exit_code == 2, "once"
    w.open()
    assert stored(w) == (12, 12)
    thing = w.store.thing("location", "L0", operator="acme")
    assert thing is not None
    assert b"+49 30 1" in thing.body
    w.store.close()


@pytest.mark.parametrize(("left", "held"), [(95, False), (94, True), (0, True)])
async def test_a_token_list_is_held_and_confirmed_in_the_same_way(tmp_path: Path, left: int, held: bool) -> None:
    house = Lister("house")
    w = World(tmp_path, [house], full_pull_hours={"house": 1.0})
    await w.import_all()
    house.whole = [[token(f"04{n:012X}") for n in range(100)]]
    await w.core.pull("house", house)
    w.clock.ahead(hours=2)
    house.whole = [house.whole[0][:left]]
    await w.core.pull("house", house)
    assert bool(w.store.held()) == held
    assert w.store.token_counts("house") == (100, 100 if held else left)
    if not held:
        return
    (one,) = w.store.held()
    assert one.what == "tokens of house"
    assert one.detail == f"{100 - left} of 100 would be revoked"
    w.store.close()
    assert f"tokens of house: {one.detail}" in (await run(tmp_path, "held", "list")).output
    confirmed = await run(tmp_path, "held", "confirm", str(one.number))
    assert confirmed.exit_code == 0, confirmed.output
    assert f"{100 - left} revoked" in confirmed.output
    assert (await run(tmp_path, "held", "list")).output == ""
    w.open()
    assert w.store.token_counts("house") == (100, left)
    w.store.close()


async def test_a_list_of_as_many_other_cards_revokes_all_of_ours(tmp_path: Path) -> None:
    """The number of cards says nothing: those that we have must be among them."""
    house = Lister("house")
    w = World(tmp_path, [house], full_pull_hours={"house": 1.0})
    house.whole = [[token(f"04{n:012X}") for n in range(50)]]
    await w.core.pull("house", house)
    w.clock.ahead(hours=2)
    house.whole = [[token(f"04{n:012X}") for n in range(100, 150)]]
    await w.core.pull("house", house)
    (one,) = w.store.held()
    assert one.detail == "50 of 50 would be revoked"
    assert w.store.token_counts("house") == (50, 50)


async def test_nothing_is_sent_to_anybody_of_what_is_held(tmp_path: Path) -> None:
    p = Told("p", "oicp-2.3")
    w = World(tmp_path, [p])
    await load(w, places(3))
    while await w.core.dispatchers["p"].round():
        pass
    before = len(p.sent)
    await load(w, [])
    await w.core.dispatchers["p"].round()
    assert len(p.sent) == before
    assert (await w.core.page("p", Kind.LOCATION, offset=0, limit=9)).total == 3
