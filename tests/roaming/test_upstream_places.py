"""Locations and tariffs of an upstream operator: passed on as agreed, with their origin, and never back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve

from bridge.model.ids import LocationId, OperatorId, PartyId
from bridge.model.location import Location, Status
from bridge.roaming.agreements import OWN
from bridge.roaming.ports import Kind, Op
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.merge import connector_of, evse_of, with_connector, with_evse
from bridge.roaming.upstream.ports import Contradiction, NotTheirs, NotThere
from tests.roaming.roaming_world import NOON, Asked, Told, agreement, location, tariff
from tests.roaming.upstream_world import CSMS, US, Above, evse, place, sources, with_status

HOUR = timedelta(hours=1)


def tariffs_of(one: Location) -> set[str]:
    return {str(t) for e in one.evses for k in e.connectors for t in k.tariff_ids}


# --- what goes where


async def test_it_goes_to_those_whose_agreement_names_its_origin(tmp_path: Path) -> None:
    others = [Asked("emsp"), Asked("ours"), Told("hub", "oicp-2.3")]
    w = Above(tmp_path, others, [sources("emsp"), agreement("ours"), sources("hub", kinds=frozenset({"locations"}))])
    assert await w.up.put_location(CSMS, place())
    assert [str(one.place.id) for one in await w.told(Kind.LOCATION)] == ["U1"]
    assert await w.deliver("ours") == [], "forwarding is off where it is not named"
    assert {j.kind for j in await w.deliver("hub")} == {Kind.LOCATION}
    assert await w.deliver(CSMS) == [], "nothing goes back"
    assert (await w.core.page("ours", Kind.LOCATION, offset=0, limit=9)).total == 0
    assert (await w.core.page("emsp", Kind.LOCATION, offset=0, limit=9)).total == 1
    assert {(e.evse_id, e.origin, e.status) for e in w.store.all_evses()} == {
        ("DEABCE91", CSMS, "AVAILABLE"),
        ("DEABCE92", CSMS, "AVAILABLE"),
    }


async def test_it_never_returns_even_where_an_agreement_says_so(tmp_path: Path) -> None:
    w = Above(tmp_path, [Asked("emsp")], [sources("emsp"), sources(CSMS)])
    w.csms.kinds = frozenset(Kind)
    await w.up.put_location(CSMS, place())
    await w.up.put_tariff(CSMS, tariff(name="CPO"))
    assert await w.deliver(CSMS) == []
    assert (await w.core.page(CSMS, Kind.LOCATION, offset=0, limit=9)).total == 0


async def test_the_same_again_is_no_change(tmp_path: Path) -> None:
    w = Above(tmp_path)
    assert await w.up.put_location(CSMS, place())
    await w.deliver()
    assert not await w.up.put_location(CSMS, place())
    assert await w.deliver() == []


async def test_it_is_ours_beside_it(tmp_path: Path) -> None:
    """An operator may have chargers here and a system of its own; an import is about the former."""
    w = Above(tmp_path)
    await w.import_all()
    await w.up.put_location(CSMS, place())
    await w.deliver()
    again = await w.core.publisher.import_locations("acme", [location()], groups={}, bound={"DE*ABC*E1": ("CP1", 1)})
    assert (again.removed, again.lost, again.held) == (0, 0, None)
    assert w.up.location(CSMS, US, "U1") == place()
    assert {e.origin for e in w.store.all_evses() if not e.removed} == {OWN, CSMS}
    assert w.up.location(CSMS, US, "L1") is None, "what is ours is not theirs"


@pytest.mark.parametrize("party", ["DE*XXX", "FR*ABC"])
async def test_a_party_that_it_does_not_speak_for(tmp_path: Path, party: str) -> None:
    w = Above(tmp_path)
    with pytest.raises(NotTheirs):
        await w.up.put_location(CSMS, place(operator_id=OperatorId(party)))
    with pytest.raises(NotTheirs):
        w.up.location(CSMS, PartyId.parse(party), "U1")
    with pytest.raises(NotTheirs):
        await w.up.put_location("emsp", place())
    assert w.store.all_evses() == []


# --- parts, and what follows them


async def test_a_part_makes_its_parents_as_new_as_it_is(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.up.put_location(CSMS, place())
    await w.deliver()
    await w.up.amend_location(CSMS, US, "u1", lambda known: with_evse(known, evse(93, at=NOON + HOUR)))
    (told,) = await w.told(Kind.LOCATION)
    assert [str(e.uid) for e in told.evses] == ["UID91", "UID92", "UID93"]
    assert told.place.last_updated == NOON + HOUR

    plug = evolve(connector_of(evse_of(place(), "UID91"), "1"), max_amperage=16, last_updated=NOON + 2 * HOUR)
    await w.up.amend_location(CSMS, US, "U1", lambda known: with_connector(known, "uid91", plug))
    (told,) = await w.told(Kind.LOCATION)
    assert [str(e.uid) for e in told.evses] == ["UID91", "UID92", "UID93"]
    assert told.evses[0].connectors[0].max_amperage == 16
    assert (told.evses[0].last_updated, told.place.last_updated) == (NOON + 2 * HOUR, NOON + 2 * HOUR)
    assert told.evses[1].last_updated == NOON


async def test_a_part_of_nothing(tmp_path: Path) -> None:
    w = Above(tmp_path)
    with pytest.raises(NotThere):
        await w.up.amend_location(CSMS, US, "U1", lambda known: known)
    await w.up.put_location(CSMS, place())
    for change in (lambda k: with_connector(k, "UID7", evse(91).connectors[0]),
                   lambda k: with_connector(k, "UID91", connector_of(evse_of(k, "UID91"), "9"))):  # fmt: skip
        with pytest.raises(NotThere):
            await w.up.amend_location(CSMS, US, "U1", change)


async def test_a_status_alone_is_told_as_a_status(tmp_path: Path) -> None:
    w = Above(tmp_path, [Asked("emsp"), Told("hub", "oicp-2.3")])
    await w.up.put_location(CSMS, place())
    await w.deliver()
    await w.deliver("hub")
    later = NOON + HOUR
    await w.up.put_location(CSMS, with_status(place(), 92, Status.CHARGING, later))
    for name in ("emsp", "hub"):
        jobs = await w.deliver(name)
        assert [(j.kind, j.key) for j in jobs] == [(Kind.STATUS, "DE*ABC*E92")]
    kept = (await w.core.page("emsp", Kind.LOCATION, offset=0, limit=9)).bodies[0]
    assert b"CHARGING" in kept, "what is kept for GET has it"
    row = w.store.evse("DE*ABC*E92")
    assert row is not None
    assert (row.status, row.status_at) == ("CHARGING", later)
    assert w.up.location(CSMS, US, "U1") == with_status(place(), 92, Status.CHARGING, later)


async def test_what_it_has_no_more_is_removed(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.up.put_location(CSMS, place("U1", 91, 92))
    await w.deliver()
    await w.up.put_location(CSMS, place("U1", 91))
    (told,) = await w.told(Kind.LOCATION)
    assert [(str(e.uid), e.status) for e in told.evses] == [("UID91", Status.AVAILABLE), ("UID92", Status.REMOVED)]
    assert [e.removed for e in w.store.all_evses()] == [False, True]
    await w.up.put_location(CSMS, place("U1", 91, 92))
    (told,) = await w.told(Kind.LOCATION)
    assert [e.status for e in told.evses] == [Status.AVAILABLE, Status.AVAILABLE]


@pytest.mark.parametrize("first", ["old", "new"])
@pytest.mark.parametrize("format_", ["oicp-2.3", "ochp-1.4"])
async def test_an_evse_that_moves_to_another_location_is_not_lost_on_the_way(tmp_path: Path, first: str, format_: str) -> None:
    w = Above(tmp_path, [Flat("hub", format_)], [sources("hub")])
    await w.up.put_location(CSMS, place("U1", 91, 92))
    await w.up.put_location(CSMS, place("U2", 93))
    await w.deliver("hub")
    puts = {"old": place("U1", 91), "new": place("U2", 93, 92)}
    for one in (puts[first], *(p for name, p in puts.items() if name != first)):
        await w.up.put_location(CSMS, one)
    row = w.store.evse("DE*ABC*E92")
    assert row is not None
    assert (row.location, row.removed) == ("U2", False)
    jobs = [j for j in await w.deliver("hub") if j.key == "DE*ABC*E92" and j.kind is Kind.LOCATION]
    assert [j.op for j in jobs] in ([Op.UPDATE], [Op.INSERT])
    assert b"REMOVED" not in jobs[-1].body
    (held,) = [s for s in w.store.published("hub", Kind.LOCATION, "U2") if s.key == "DE*ABC*E92"]
    assert b"REMOVED" not in held.body


class Flat(Told):
    """A partner whose protocol knows EVSEs only."""

    def encode(self, kind, obj):  # type: ignore[no-untyped-def]
        if kind is not Kind.LOCATION:
            return super().encode(kind, obj)
        return [evolve(super(Flat, self).encode(kind, evolve(obj, evses=(e,)))[0], key=str(e.id)) for e in obj.evses]


# --- twice


async def test_an_evse_of_ours_that_comes_back_is_not_published_twice(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.import_all()
    await w.deliver()
    back = place("HUB1", 91)
    back = evolve(back, evses=(*back.evses, evolve(evse(1), uid=None)))  # DE*ABC*E1 is ours
    await w.up.put_location(CSMS, back)
    (told,) = await w.told(Kind.LOCATION)
    assert [str(e.id) for e in told.evses] == ["DE*ABC*E91"]
    row = w.store.evse("DE*ABC*E1")
    assert row is not None
    assert (row.origin, row.location, row.charge_point) == (OWN, "L1", "CP1")
    assert w.up.location(CSMS, US, "HUB1") == back, "what was told is kept as it was told"


async def test_an_evse_that_is_free_again_may_come_from_elsewhere(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.import_all()
    await w.up.put_location(CSMS, evolve(place("U1", 91), evses=(evse(91), evse(1))))
    await w.deliver()
    fewer = evolve(location(), evses=location().evses[1:])
    await w.core.publisher.import_locations("acme", [fewer], groups={}, bound={}, confirmed=True)
    await w.deliver()
    await w.up.put_location(CSMS, evolve(place("U1", 91), evses=(evse(91), evse(1))))
    (told,) = [one for one in await w.told(Kind.LOCATION) if str(one.place.id) == "U1"]
    assert [str(e.id) for e in told.evses] == ["DE*ABC*E91", "DE*ABC*E1"]
    row = w.store.evse("DE*ABC*E1")
    assert row is not None
    assert (row.origin, row.location) == (CSMS, "U1")


async def test_an_import_leaves_alone_what_comes_from_upstream(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.up.put_location(CSMS, place("U1", 91))
    await w.up.put_tariff(CSMS, tariff(name="CPO"))
    await w.deliver()
    mine = evolve(location(), evses=(evse(1), evse(91)))
    clash = evolve(location(), place=evolve(location().place, id=LocationId("U1")))
    done = await w.core.publisher.import_locations("acme", [mine, clash], groups={}, bound={})
    assert (done.new, done.foreign) == (1, 1)
    (told,) = await w.told(Kind.LOCATION)
    assert [str(e.id) for e in told.evses] == ["DE*ABC*E1"]
    done = await w.core.publisher.import_tariffs("acme", [tariff(name="CPO", energy="9")])
    assert done.foreign == 1
    assert w.up.tariff(CSMS, US, "CPO") == tariff(name="CPO")


async def test_an_object_of_ours_is_not_theirs_to_change(tmp_path: Path) -> None:
    w = Above(tmp_path)
    await w.import_all()
    with pytest.raises(Contradiction):
        await w.up.put_location(CSMS, place("l1", 91))
    with pytest.raises(Contradiction):
        await w.up.put_tariff(CSMS, tariff(name="T1"))
    with pytest.raises(NotThere):
        await w.up.delete_tariff(CSMS, US, "T1")
    assert [h["ref"] for h in w.history() if h["what"].endswith("refused")] == ["l1", "T1"]


# --- tariffs and groups


async def test_its_prices_are_shown_unless_the_agreement_names_a_tariff(tmp_path: Path) -> None:
    others = [Asked("emsp"), Asked("priced"), Asked("blind")]
    w = Above(tmp_path, others, [sources("emsp"), sources("priced", tariffs={"*": "T1"}), sources("blind", kinds=frozenset({"locations"}))])
    await w.core.publisher.import_tariffs("acme", [tariff()])
    await w.up.put_tariff(CSMS, tariff(name="CPO"))
    await w.up.put_location(CSMS, place())
    jobs = {name: await w.deliver(name) for name in ("emsp", "priced", "blind")}
    assert {n: [j.key for j in found if j.kind is Kind.TARIFF] for n, found in jobs.items()} == {
        "emsp": ["CPO"],
        "priced": ["T1"],
        "blind": [],
    }
    shown = {n: tariffs_of(one) for n in jobs for one in [w_location(w, n)]}
    assert shown == {"emsp": {"CPO"}, "priced": {"T1"}, "blind": set()}
    assert (await w.core.page("emsp", Kind.TARIFF, offset=0, limit=9)).total == 1
    await w.up.delete_tariff(CSMS, US, "cpo")
    assert [(j.key, j.op) for j in await w.deliver()] == [("CPO", Op.DELETE)]
    assert (await w.core.page("emsp", Kind.TARIFF, offset=0, limit=9)).total == 0


def w_location(w: Above, name: str) -> Location:
    partner = w.partners[name]
    assert isinstance(partner, Told)
    found: Location = [obj for kind, obj in partner.encoded if kind is Kind.LOCATION][-1]
    return found


async def test_what_it_feeds_belongs_to_the_groups_of_the_feed(tmp_path: Path) -> None:
    feed = Feed(CSMS, ("acme",), groups=("elsewhere",))
    others = [Asked("emsp"), Asked("town")]
    w = Above(tmp_path, others, [sources("emsp", groups=frozenset({"elsewhere"}), tariffs={"elsewhere": "T9"}),
                                 sources("town", groups=frozenset({"town"}))], feed)  # fmt: skip
    await w.up.put_location(CSMS, place())
    (told,) = await w.told(Kind.LOCATION)
    assert tariffs_of(told) == {"T9"}
    assert await w.deliver("town") == []


async def test_an_agreement_that_ends_takes_it_back(tmp_path: Path) -> None:
    w = Above(tmp_path, agreements=[sources("emsp", valid_until=NOON + HOUR)])
    await w.up.put_location(CSMS, place())
    await w.up.put_tariff(CSMS, tariff(name="CPO"))
    await w.core.align()
    assert len(await w.deliver()) > 1
    w.clock.ahead(hours=2)
    await w.core.align()
    jobs = await w.deliver()
    assert {(j.kind, j.op) for j in jobs} == {(Kind.LOCATION, Op.DELETE), (Kind.TARIFF, Op.DELETE)}
    assert Decimal(0) == (await w.core.page("emsp", Kind.LOCATION, offset=0, limit=9)).total
