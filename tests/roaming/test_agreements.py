"""Agreements: what each partner sees, with which tariff, dated when it changed for it, and no longer than agreed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve
from click.testing import CliRunner

from bridge.cli import cli
from bridge.model import json as model_json
from bridge.model.ids import LocationId, TariffId
from bridge.model.location import Location, Status
from bridge.roaming.agreements import OWN, Agreement, Book, Scope
from bridge.roaming.ports import Delivered, Encoded, Job, Kind, Op, Retry
from tests.roaming.roaming_world import ALL, CARD, FIRST, NOON, OTHER, Asked, Told, World, agreement, location, tariff, token

BOUND = {"DE*ABC*E1": ("CP1", 1), "DE*ABC*E2": ("CP1", 2), "DE*ABC*E3": ("CP2", 1)}
HOUR = timedelta(hours=1)
SOURCE = NOON - timedelta(days=30)


class Flat(Told):
    """A partner whose protocol knows EVSEs only: one record for each."""

    def __init__(self, name: str, format_: str = "oicp-2.3") -> None:
        super().__init__(name, format_)

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        if kind is not Kind.LOCATION:
            return super().encode(kind, obj)
        return [Encoded(str(e.id), orjson.dumps(model_json.to_json(evolve(obj, evses=(e,))), default=str)) for e in obj.evses]


def dated(ident: str = "L1", *evses: int, **place: Any) -> Location:
    """The world's location, with times of change and a tariff of the operator's own."""
    made = location()
    chosen = [e for e in made.evses if not evses or int(str(e.uid)[1:]) in evses]
    parts = tuple(evolve(e, last_updated=SOURCE, connectors=tuple(evolve(k, tariff_ids=(TariffId("OWN"),), last_updated=SOURCE)
                                                                  for k in e.connectors)) for e in chosen)  # fmt: skip
    return Location(evolve(made.place, id=LocationId(ident), last_updated=SOURCE, **place), parts)


def told(body: bytes) -> Location:
    made: Location = model_json.from_json(Location, orjson.loads(body))
    return made


def tariffs_in(location: Location) -> set[str]:
    return {str(t) for e in location.evses for k in e.connectors for t in k.tariff_ids}


async def load(w: World, *locations: Location, groups: dict[str, Sequence[str]] | None = None, **more: Any) -> None:
    await w.core.publisher.import_locations("acme", locations or [dated()], groups=groups or {}, bound=BOUND, **more)


async def deliver(w: World, name: str = "p") -> list[Job]:
    """What goes out to a partner now."""
    partner = w.partners[name]
    assert isinstance(partner, Told)
    before = len(partner.sent)
    while await w.core.dispatchers[name].round():
        pass
    return partner.sent[before:]


async def got(w: World, name: str = "p", kind: Kind = Kind.LOCATION) -> list[bytes]:
    """What a partner gets."""
    page = await w.core.page(name, kind, offset=0, limit=100)
    assert page.total == len(page.bodies)
    return page.bodies


def reopened(w: World, *agreements: Agreement) -> None:
    """The bridge begins again with other agreements."""
    w.book = Book(agreements)
    w.options["terms"] = {a.partner: repr(a) for a in agreements}
    w.restart()


# --- the agreements themselves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "asked", "because"),
    [
        ({}, {}, None),
        ({}, {"operator": "other"}, "operator acme"),
        ({"kinds": frozenset({"tokens"})}, {}, "does not include locations"),
        ({"groups": frozenset({"a", "b"})}, {"groups": ("b",)}, None),
        ({"groups": frozenset({"a", "b"})}, {"groups": ("c",)}, "groups a, b"),
        ({"groups": frozenset({"a"})}, {"groups": ()}, "groups a"),
        ({"valid_from": NOON}, {"at": NOON}, None),
        ({"valid_from": NOON}, {"at": NOON - timedelta(microseconds=1)}, "valid from 2026-03-02"),
        ({"valid_until": NOON}, {"at": NOON - timedelta(microseconds=1)}, None),
        ({"valid_until": NOON}, {"at": NOON}, "valid until 2026-03-02"),
        ({}, {"origin": "csms"}, "what comes from csms"),
        ({"sources": frozenset({"csms"})}, {"origin": "csms"}, None),
        ({"sources": frozenset({"csms"})}, {}, "our own"),
        ({"sources": frozenset({"p", "csms"})}, {"origin": "p"}, "comes from there"),
    ],
)
def test_what_an_agreement_covers_and_why_not(change: dict[str, Any], asked: dict[str, Any], because: str | None) -> None:
    one = agreement("p", **change)
    scope = Scope(asked.get("operator", "acme"), asked.get("groups", ("x",)), asked.get("origin", OWN))
    given: dict[str, Any] = {"kind": "locations", "scope": scope, "at": asked.get("at", NOON)}
    reason = one.covers(**given)
    assert (reason is None) == (because is None)
    assert because is None or (reason is not None and because in reason)
    book = Book([one])
    assert (book.find("p", **given) is one) == (because is None)
    assert book.find("q", **given) is None
    (line,) = book.explain("p", **given)
    assert (because or "includes locations") in line
    assert book.explain("q", **given) == ["q has no agreement"]


def test_the_tariff_is_that_of_the_first_group_that_has_one() -> None:
    one = agreement("p", tariffs={"fast": "F", "slow": "S", "*": "ANY"})
    assert one.tariff_for(("slow", "fast")) == "S"
    assert one.tariff_for(("town", "fast")) == "F"
    assert one.tariff_for(("town",)) == "ANY"
    assert agreement("p", tariffs={"fast": "F"}).tariff_for(("town",)) is None


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({"tariffs": {"*": "T1"}}, []),
        ({"tariffs": {}}, [(), ("fast",), ("slow", "town")]),
        ({"tariffs": {"fast": "F"}}, [(), ("slow", "town")]),
        ({"tariffs": {"town": "T"}, "groups": frozenset({"town", "fast"})}, [("fast",)]),
        ({"tariffs": {}, "free": True}, []),
        ({"tariffs": {}, "kinds": ALL - {"cdrs"}}, []),
    ],
)
def test_which_sessions_have_no_price(change: dict[str, Any], held: list[tuple[str, ...]]) -> None:
    places = [Scope("acme"), Scope("acme", ("fast",)), Scope("acme", ("slow", "town")), Scope("other"), Scope("acme", (), "upstream")]
    assert [one.groups for one in agreement("p", **change).unpriced(places)] == held


def test_when_the_next_agreement_begins_or_ends() -> None:
    book = Book([agreement("p", valid_from=NOON + HOUR, valid_until=NOON + 3 * HOUR), agreement("q", valid_until=NOON + 2 * HOUR)])
    times = [book.next_change(NOON + n * HOUR) for n in range(4)]
    assert times == [NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR, None]


# --- the tariff, the bytes, the time of change ------------------------------------------------------------------------


async def test_each_partner_sees_its_own_tariff_and_no_other(tmp_path: Path) -> None:
    p, q, none = Told("p"), Told("q"), Told("none")
    w = World(tmp_path, [p, q, none], agreements=[agreement("p", tariffs={"*": "T1"}), agreement("q", tariffs={"fast": "T2", "*": "T3"}),
                                                  agreement("none", tariffs={})])  # fmt: skip
    await w.core.publisher.import_tariffs("acme", [tariff(name=n) for n in ("T1", "T2", "T3", "OWN")])
    await load(w, dated(), groups={"L1": ["fast"]})
    for name, its in (("p", {"T1"}), ("q", {"T2"}), ("none", set())):
        jobs = await deliver(w, name)
        (body,) = [j.body for j in jobs if j.kind is Kind.LOCATION]
        assert tariffs_in(told(body)) == its
        assert await got(w, name) == [body], "the bytes kept for GET are those that were sent"
        assert await w.core.find(name, Kind.LOCATION, "L1") == body
    assert {j.key for j in p.sent if j.kind is Kind.TARIFF} == {"T1"}
    assert {j.key for j in q.sent if j.kind is Kind.TARIFF} == {"T2", "T3"}
    assert not [j for j in none.sent if j.kind is Kind.TARIFF]


async def test_a_new_tariff_in_an_agreement_is_told_once_and_dated_when_it_came(tmp_path: Path) -> None:
    p, q = Told("p"), Told("q")
    w = World(tmp_path, [p, q], agreements=[agreement("p", tariffs={"*": "T1"}), agreement("q", tariffs={"*": "T1"})])
    w.options["terms"] = {"p": "1", "q": repr(agreement("q", tariffs={"*": "T1"}))}
    w.restart()
    await w.core.publisher.import_tariffs("acme", [tariff(name="T1"), tariff(name="T2")])
    await load(w)
    assert await w.core.align() == ["p", "q"]
    await deliver(w, "p")
    await deliver(w, "q")
    before = told((await got(w))[0])
    assert before.place.last_updated == SOURCE

    w.clock.ahead(hours=5)
    reopened(w, agreement("p", tariffs={"*": "T2"}), agreement("q", tariffs={"*": "T1"}))
    assert await w.core.align() == ["p"], "the other one's agreement is as it was"
    jobs = await deliver(w)
    (job,) = [j for j in jobs if j.kind is Kind.LOCATION]
    after = told(job.body)
    assert job.op is Op.UPDATE
    assert tariffs_in(after) == {"T2"}
    times = {after.place.last_updated, *(e.last_updated for e in after.evses), *(k.last_updated for e in after.evses for k in e.connectors)}
    assert times == {NOON + 5 * HOUR}, "what changed for this partner is dated when it changed"
    assert (await got(w)) == [job.body]
    assert {(j.key, j.op) for j in jobs if j.kind is Kind.TARIFF} == {("T1", Op.DELETE), ("T2", Op.INSERT)}
    assert len(await got(w, kind=Kind.TARIFF)) == 1
    assert await w.core.find("p", Kind.TARIFF, "T1") is None
    assert await deliver(w, "q") == []

    # The same once more is no change, neither by the agreements nor by an import.
    w.restart()
    assert await w.core.align() == []
    await load(w)
    w.options["terms"]["p"] = "touched"
    w.restart()
    assert await w.core.align() == ["p"]
    assert await deliver(w) == []


async def test_newer_data_keep_their_own_time(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    await load(w)
    await deliver(w)
    newer = NOON - HOUR
    changed = dated()
    await load(w, Location(evolve(changed.place, help_phone="+49 30 1", last_updated=newer), changed.evses))
    (job,) = await deliver(w)
    assert told(job.body).place.last_updated == newer
    # Data that changed without a new time are dated here, later than what the partner has.
    w.clock.ahead(hours=1)
    await load(w, Location(evolve(changed.place, help_phone="+49 30 2", last_updated=newer), changed.evses))
    (job,) = await deliver(w)
    assert told(job.body).place.last_updated == NOON + HOUR


async def test_a_status_changes_the_bytes_for_get_and_sends_no_location(tmp_path: Path) -> None:
    p, hub = Told("p"), Flat("hub")
    w = World(tmp_path, [p, hub])
    await load(w)
    await deliver(w)
    await deliver(w, "hub")
    at = w.clock.ahead(minutes=3)
    await w.sessions.status(FIRST, Status.CHARGING, at)
    assert {j.kind for j in await deliver(w)} == {Kind.STATUS}
    (body,) = await got(w)
    shown = told(body)
    assert [e.status for e in shown.evses] == [Status.CHARGING, None, None]
    assert shown.evses[0].last_updated == shown.place.last_updated == at
    assert tariffs_in(shown) == {"T1"}
    page = await w.core.page("p", Kind.LOCATION, offset=0, limit=9, since=datetime.now(at.tzinfo) - timedelta(minutes=1))
    assert page.bodies == [body], "and it is among what changed"
    assert {j.kind for j in await deliver(w, "hub")} == {Kind.STATUS}
    await load(w)
    assert await deliver(w) == []


# --- beginning and end ------------------------------------------------------------------------------------------------


async def test_nothing_before_an_agreement_everything_during_it_nothing_after(tmp_path: Path) -> None:
    p, hub = Told("p"), Flat("hub")
    span = {"valid_from": NOON + HOUR, "valid_until": NOON + 2 * HOUR}
    w = World(tmp_path, [p, hub], agreements=[agreement("p", **span), agreement("hub", **span)])
    await w.core.publisher.import_tariffs("acme", [tariff()])
    await load(w)
    await w.sessions.status(FIRST, Status.RESERVED, w.clock())
    await w.core.align()
    for name in ("p", "hub"):
        assert await deliver(w, name) == []
        assert await got(w, name) == await got(w, name, Kind.TARIFF) == []

    w.clock.ahead(hours=1)
    assert sorted(await w.core.align()) == ["hub", "p"]
    for name, keys in (("p", {"L1"}), ("hub", {"DE*ABC*E1", "DE*ABC*E2", "DE*ABC*E3"})):
        jobs = await deliver(w, name)
        assert {j.key for j in jobs if j.kind is Kind.LOCATION} == keys
        assert all(j.op is Op.INSERT for j in jobs)
        (status,) = [j for j in jobs if j.kind is Kind.STATUS]
        assert orjson.loads(status.body)["status"] == "RESERVED", "the status of before, as it now is"
        assert len(await got(w, name)) == len(keys)
        assert len(await got(w, name, Kind.TARIFF)) == 1

    w.clock.ahead(hours=1)
    for name in ("p", "hub"):
        assert await got(w, name) == await got(w, name, Kind.TARIFF) == [], "from the very moment"
        assert await w.core.find(name, Kind.LOCATION, "L1") is None
    assert sorted(await w.core.align()) == ["hub", "p"]
    for name in ("p", "hub"):
        jobs = await deliver(w, name)
        places = [j for j in jobs if j.kind is Kind.LOCATION]
        assert {j.op for j in places} == {Op.DELETE}
        assert {e.status for j in places for e in told(j.body).evses} == {Status.REMOVED}
        assert {(j.op, j.key) for j in jobs if j.kind is Kind.TARIFF} == {(Op.DELETE, "T1")}
        assert not [j for j in jobs if j.kind is Kind.STATUS]
    await w.sessions.status(FIRST, Status.AVAILABLE, w.clock())
    await load(w, dated(help_phone="+49 30 1"))
    assert await deliver(w) == await deliver(w, "hub") == []


async def test_what_waits_for_a_partner_does_not_go_out_when_its_agreement_has_ended(tmp_path: Path) -> None:
    p = Told("p")
    w = World(tmp_path, [p], agreements=[agreement("p", valid_until=NOON + HOUR)])
    await w.core.publisher.import_tariffs("acme", [tariff()])
    await load(w)
    await w.sessions.status(FIRST, Status.RESERVED, w.clock())
    p.answers = [Retry("down", after=0.5)]  # the tariff; then the partner has asked to wait
    assert {j.kind for j in await deliver(w)} == {Kind.TARIFF}
    w.clock.ahead(hours=2)
    w.core.dispatchers["p"]._held = 0.0
    assert await _settled(w) == []
    assert {h["ref"] for h in w.history("delivery withheld")} == {"T1", "L1", "DE*ABC*E1"}
    # Should it be agreed again, it is news.
    reopened(w, agreement("p"))
    await w.core.align()
    assert {j.kind for j in await deliver(w)} == {Kind.TARIFF, Kind.LOCATION, Kind.STATUS}


async def _settled(w: World) -> list[Job]:
    """What goes out until nothing waits any more."""
    sent: list[Job] = []
    while w.store.db.read.execute("SELECT 1 FROM outbox WHERE state <> 'dead'").fetchone():
        sent += await deliver(w)
        await asyncio.sleep(0.01)
    return sent


async def test_a_location_that_leaves_a_group_is_taken_back_without_its_news(tmp_path: Path) -> None:
    p, q, hub = Told("p"), Told("q"), Flat("hub")
    w = World(tmp_path, [p, q, hub], agreements=[agreement("p", groups=frozenset({"a"})), agreement("q", groups=frozenset({"b"})),
                                                 agreement("hub", groups=frozenset({"a"}))])  # fmt: skip
    await load(w, groups={"L1": ["a"]})
    assert len(await deliver(w)) == 1
    assert await deliver(w, "q") == []
    await deliver(w, "hub")
    w.clock.ahead(hours=1)
    await load(w, dated(help_phone="+49 30 999999"), groups={"L1": ["b"]})
    (gone,) = await deliver(w)
    assert gone.op is Op.DELETE
    assert b"999999" not in gone.body, "what is new is not for it any more"
    assert {e.status for e in told(gone.body).evses} == {Status.REMOVED}
    assert tariffs_in(told(gone.body)) == set()
    assert await got(w) == []
    (came,) = await deliver(w, "q")
    assert (came.op, b"999999" in came.body) == (Op.INSERT, True)
    deleted = await deliver(w, "hub")
    assert {(j.op, j.key) for j in deleted} == {(Op.DELETE, f"DE*ABC*E{n}") for n in (1, 2, 3)}
    # Groups stay as they are when an import does not name the location.
    await load(w, dated(help_phone="+49 30 5"))
    assert await deliver(w) == []
    assert len(await deliver(w, "q")) == 1


async def test_an_evse_that_is_gone_is_told_as_removed_or_deleted(tmp_path: Path) -> None:
    p, hub = Told("p"), Flat("hub")
    w = World(tmp_path, [p, hub])
    await load(w)
    await deliver(w)
    await deliver(w, "hub")
    await load(w, dated("L1", 1, 2), confirmed=True)
    (job,) = await deliver(w)
    assert (job.op, [e.status for e in told(job.body).evses]) == (Op.UPDATE, [None, None, Status.REMOVED])
    assert [(j.op, j.key) for j in await deliver(w, "hub")] == [(Op.DELETE, "DE*ABC*E3")]
    assert len(await got(w, "hub")) == 2
    # The same again changes nothing, and it may come back.
    await load(w, dated("L1", 1, 2))
    assert await deliver(w) == await deliver(w, "hub") == []
    await load(w)
    assert [e.status for e in told((await deliver(w))[0].body).evses] == [None, None, None]
    assert [(j.op, j.key) for j in await deliver(w, "hub")] == [(Op.INSERT, "DE*ABC*E3")]


async def test_an_evse_that_moves_to_another_location_stays_at_the_hub(tmp_path: Path) -> None:
    p, hub = Told("p"), Flat("hub")
    w = World(tmp_path, [p, hub])
    await load(w, dated("L1", 1, 3), dated("L2", 2))
    await deliver(w)
    await deliver(w, "hub")
    for here in ((dated("L1", 1), dated("L2", 2, 3)), (dated("L1", 1, 3), dated("L2", 2))):  # there and back
        await load(w, *here)
        await deliver(w, "hub")
        assert len(await got(w, "hub")) == 3
        live = {
            r["key"] for r in w.store.db.read.execute("SELECT key FROM published WHERE partner = 'hub' AND had = 1 AND kind = 'location'")
        }
        assert live == {f"DE*ABC*E{n}" for n in (1, 2, 3)}
        assert [e.written for e in w.store.evses_at("CP2")] == ["DE*ABC*E3"]
        jobs = await deliver(w)
        assert {j.key for j in jobs} == {"L1", "L2"}


# --- money ------------------------------------------------------------------------------------------------------------


async def test_totals_follow_the_agreement_and_test_is_told_from_production(tmp_path: Path) -> None:
    p, q = Asked("p"), Asked("q")
    w = World(tmp_path, [p, q], agreements=[agreement("p", tariffs={"*": "T1"}), agreement("q", tariffs={"*": "T2"}, test=True)])
    await w.import_all(tariff("0.40", "T1"), tariff("0.80", "T2"))
    await w.core.tokens("p", [token(CARD)])
    await w.core.tokens("q", [token(OTHER, contract="DE-XYZ-C00000002-0")])
    await w.charge(CARD)
    await w.charge(OTHER)
    cdrs = {c.partner: c for c in w.store.cdrs()}
    assert {n: (Decimal(c.total or "0"), c.test) for n, c in cdrs.items()} == {"p": (Decimal(4), False), "q": (Decimal(8), True)}
    for name, its in (("p", "T1"), ("q", "T2")):
        assert [t["id"] for t in orjson.loads(cdrs[name].body)["tariffs"]] == [its]
    assert {(s["partner"], s["test"]) for s in w.store.db.read.execute("SELECT partner, test FROM session")} == {("p", 0), ("q", 1)}


async def test_a_cdr_is_due_by_the_agreement_of_its_start(tmp_path: Path) -> None:
    p = Asked("p")
    w = World(tmp_path, [p], agreements=[agreement("p", valid_until=NOON + HOUR / 2)])
    await w.import_all()
    await w.core.tokens("p", [token(CARD)])
    await w.charge(CARD)  # an hour
    await w.core.align()
    sent = await deliver(w)
    assert Kind.CDR in {j.kind for j in sent}
    assert [c.state for c in w.store.cdrs()] == ["acknowledged"]
    assert await w.core.page("p", Kind.CDR, offset=0, limit=9) == await w.core.page("nobody", Kind.CDR, offset=0, limit=9)


async def test_two_agreements_of_a_partner_each_count_for_their_own(tmp_path: Path) -> None:
    p = Told("p")
    first = agreement("p", groups=frozenset({"a"}), tariffs={"*": "T1"}, valid_until=NOON + HOUR)
    second = agreement("p", groups=frozenset({"b"}), tariffs={"*": "T2"}, kinds=ALL - {"status"})
    w = World(tmp_path, [p], agreements=[first, second])
    await w.core.publisher.import_tariffs("acme", [tariff(name="T1"), tariff(name="T2")])
    await load(w, dated("L1", 1), dated("L2", 2), groups={"L1": ["a"], "L2": ["b"]})
    await deliver(w)
    assert [tariffs_in(told(b)) for b in await got(w)] == [{"T1"}, {"T2"}]
    for number in (1, 2):
        await w.sessions.status(evolve(FIRST, connector=number), Status.BLOCKED, w.clock())
    assert {j.key for j in await deliver(w)} == {"DE*ABC*E1"}
    w.clock.ahead(hours=1)
    assert [tariffs_in(told(b)) for b in await got(w)] == [{"T2"}]
    assert [orjson.loads(b)["id"] for b in await got(w, kind=Kind.TARIFF)] == ["T2"]
    assert await w.core.align() == ["p"]
    assert {(j.kind, j.key, j.op) for j in await deliver(w)} == {(Kind.LOCATION, "L1", Op.DELETE), (Kind.TARIFF, "T1", Op.DELETE)}


async def test_delivered_twice_is_told_apart_from_new(tmp_path: Path) -> None:
    """Whether an object is inserted or updated depends on what the partner has when it is sent."""
    hub = Flat("hub")
    w = World(tmp_path, [hub])
    await load(w)
    taken = await w.store.claim("hub", 99)
    assert {j.op for j in taken} == {Op.INSERT}
    await load(w, dated(help_phone="+49 30 1"))  # while the first is under way
    await w.store.settle([(j, Delivered()) for j in taken])
    assert {j.op for j in await deliver(w, "hub")} == {Op.UPDATE}


# --- explained ---------------------------------------------------------------------------------------------------------

SHOW = [
    ("emsp1", "DE*ABC*E1001*1", ["agreement 1 (example, production): includes locations", "published as DE*ABC/PUB, tariff STANDARD"]),
    (
        "emsp1",
        "deabce10012",
        ["locations: agreement 1 (example, production): it is about the groups public", "not published: no agreement includes it"],
    ),
    ("emsp1", "DE*ABC*E9", ["not among our EVSEs"]),
    (
        "emsp2",
        "DE*ABC*E1001*1",
        [
            "agreement 1: example, cdrs, tokens, groups all, tariffs none, test, until 2026-01-01T00:00:00+00:00",
            "locations: agreement 1 (example, test): it does not include locations",
            "tokens: agreement 1 (example, test): it was valid until 2026-01-01",
            "not published: no agreement includes it",
        ],
    ),
    ("hubject", "DE*ABC*E1001*2", ["published as DE*ABC*E1001*2, tariff STANDARD"]),
    ("hubject", "DE*ABC*E1002*1", ["includes locations", "not published: place.publish: "]),
    ("clearinghouse", "DE*ABC*E1001*1", ["agreement 1 (example, production): it is valid from 2099-01-01", "not published"]),
]


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A store with three places, one of them not to be published, and four partners with four sorts of agreement."""
    from bridge.app import Bridge, bindings
    from bridge.config import load as configured
    from bridge.demo import scene
    from tests.roaming.bridge_world import canonical

    said = scene.configuration(scene.ports())
    agreed = '[[partners.{}.agreements]]\noperator = "example"\n'
    for name, more in (("emsp1", 'groups = ["public"]\n'), ("clearinghouse", "valid_from = 2099-01-01T00:00:00Z\n")):
        said = said.replace(agreed.format(name), agreed.format(name) + more)
    ended = 'kinds = ["tokens", "cdrs"]\ntest = true\nvalid_until = 2026-01-01T00:00:00Z\n'
    said = said.replace(agreed.format("emsp2") + 'tariffs = {"*" = "STANDARD"}\n', agreed.format("emsp2") + ended)
    file = tmp_path / "bridge.toml"
    file.write_text(said)
    evses = scene.location()["evses"]
    places = [scene.location() | {"id": ident, "evses": [evse], "publish": ident != "NIL"}
              for ident, evse in zip(("PUB", "DEP", "NIL"), evses, strict=True)]  # fmt: skip
    bridge = Bridge(configured(file))

    async def fill() -> None:
        bridge.store.open()
        found = [canonical("location", one) for one in places]
        await bridge.core.publisher.import_locations("example", found, groups={"PUB": ["public"]}, bound=bindings(bridge.config))
        bridge.store.close()

    asyncio.run(fill())
    return file


@pytest.mark.parametrize(("name", "evse", "lines"), SHOW)
def test_partner_show_explains_why_an_evse_is_or_is_not_included(shown: Path, name: str, evse: str, lines: list[str]) -> None:
    told = CliRunner().invoke(cli, ["partner", "show", name, "--evse", evse, "--config", str(shown)])
    assert told.exit_code == 0, told.output
    for line in lines:
        assert line in told.output


def test_partner_show_knows_its_partners(shown: Path) -> None:
    told = CliRunner().invoke(cli, ["partner", "show", "nobody", "--config", str(shown)])
    assert told.exit_code == 2
    assert "there is no partner nobody; there are emsp1, emsp2" in told.output
    told = CliRunner().invoke(cli, ["partner", "show", "hubject", "--config", str(shown)])
    assert "outbox: 2 waiting" in told.output
