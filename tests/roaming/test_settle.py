"""From a session to its CDR: priced once, numbered once, never altered on the way to a partner."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from attrs import evolve

from bridge.errors import Refused
from bridge.mapping.difference import steps
from bridge.mapping.loss import DEFAULTED, DROPPED, Loss
from bridge.model.cdr import Cdr, place_of
from bridge.model.common import Price, Text
from bridge.model.ids import CdrId, ContractId, EvseId, TariffId, TokenUid
from bridge.model.tariff import Dimension, PriceComponent, Restrictions, TariffElement
from bridge.model.token import Allowed
from bridge.roaming.agreements import Book
from bridge.roaming.ports import Kind, MeterSample, Rejected, Retry
from bridge.tariff import price, rounding
from bridge.tariff.clock import zone_named
from tests.roaming.audit_cases import replaced
from tests.roaming.roaming_world import ALL, CARD, FIRST, NOON, OTHER, Asked, World, agreement, location, tariff, token


async def world(path: Path, owner: Asked | None = None, **options: object) -> World:
    made = World(path, [owner or Asked("owner", Allowed.ALLOWED)], **options)  # type: ignore[arg-type]
    await made.import_all()
    await made.core.tokens("owner", [token()])
    return made


PARKING = TariffElement((PriceComponent(Dimension.PARKING_TIME, Decimal("3.333"), Decimal(60), Decimal(19)),
                         PriceComponent(Dimension.FLAT, Decimal("0.505"), Decimal(1), Decimal(19)),
                         PriceComponent(Dimension.ENERGY, Decimal("0.3337"), Decimal(1), Decimal(19))))  # fmt: skip


async def test_what_the_current_costs_is_what_was_measured_also_after_a_restart(tmp_path: Path) -> None:
    dear = TariffElement((PriceComponent(Dimension.ENERGY, Decimal("1.00"), Decimal(1), Decimal(19)),),
                         Restrictions(min_current=Decimal(32)))  # fmt: skip
    w = World(tmp_path, [Asked("owner", Allowed.ALLOWED)])
    await w.import_all(tariff("0.10", "T1", dear))
    await w.core.tokens("owner", [token()])
    number, _ = await w.sessions.started(FIRST, CARD, 0, NOON)
    for minute, kwh, amperes in ((0, "0", "48"), (29, "4", "48"), (30, "4", "16")):
        at = NOON + timedelta(minutes=minute, seconds=1)
        await w.sessions.metered(FIRST, number, [MeterSample(at, Decimal(kwh), current_a=Decimal(amperes))])
    w.restart()
    assert [s.current_a for s in w.store.samples(w.store.session(tx=number).id)] == [48, 48, 16]  # type: ignore[union-attr]
    await w.sessions.stopped("CP1", number, 6000, w.clock.ahead(hours=1), None, None, [])
    assert w.cdr().total_energy_cost == Price(Decimal("4.20"), Decimal("5.00"))


async def test_totals_are_the_tariff_engines_and_rounded_once(tmp_path: Path) -> None:
    w = World(tmp_path, [Asked("owner", Allowed.ALLOWED)])
    await w.import_all(tariff("0.40", "T1", PARKING))
    await w.core.tokens("owner", [token()])
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    for minute, kwh in ((20, "4.111"), (40, "8.567"), (60, "8.567"), (80, "8.567")):
        await w.sessions.metered(FIRST, number, [MeterSample(NOON + timedelta(minutes=minute), Decimal(kwh))])
    await w.sessions.stopped("CP1", number, 8567, w.clock.ahead(minutes=97), None, None, [])
    cdr = w.cdr()
    again = price(cdr, cdr.tariffs, zone_named("Europe/Berlin")).rounded()
    for field, total in (("total_cost", again.total), ("total_energy_cost", again.energy), ("total_parking_cost", again.parking),
                         ("total_fixed_cost", again.fixed)):  # fmt: skip
        assert getattr(cdr, field) == total, field
    exact = sum((line.cost for line in cdr.lines if line.cost is not None), Decimal(0))
    assert cdr.total_cost is not None
    assert cdr.total_cost.excl == rounding("EUR").apply(exact, 1)
    assert cdr.total_parking_time == Decimal("0.95")
    assert cdr.total_time == (cdr.total_parking_time or 0) + Decimal("0.6667")


async def test_numbers_are_unique_and_fit_every_protocol(tmp_path: Path) -> None:
    w = await world(tmp_path)
    for _ in range(12):
        await w.charge(minutes=1)
    ids = [row.id for row in w.store.cdrs()]
    assert len(set(ids)) == 12
    assert all(re.fullmatch(r"DEABC[0-9A-Z]{1,31}", one) for one in ids)


ALTERED: dict[str, Callable[[Cdr], Cdr]] = {
    "total_cost": lambda c: evolve(c, total_cost=Price(Decimal("4.01"), Decimal("4.76"))),
    "total_energy": lambda c: evolve(c, total_energy=Decimal("10.0001")),
    "currency": lambda c: evolve(c, currency="SEK"),
    "end": lambda c: evolve(c, end=NOON),
    "token.uid": lambda c: evolve(c, token=evolve(c.token, uid=TokenUid(OTHER))),
    "token.contract_id": lambda c: evolve(c, token=evolve(c.token, contract_id=ContractId("DE-XYZ-C00000002-0"))),
    "place.evse_id": lambda c: evolve(c, place=evolve(c.place, evse_id=EvseId("DE*ABC*E2"))),
    "id": lambda c: evolve(c, id=CdrId("DEABC1")),
    "total_time": lambda c: evolve(c, total_time=Decimal(2)),
    "tariffs[0].elements": lambda c: evolve(c, tariffs=(tariff("0.41"),)),
    "periods": lambda c: evolve(c, periods=c.periods[:-1]),
    "total_fixed_cost": lambda c: evolve(c, total_fixed_cost=Price(Decimal(1))),
}


@pytest.mark.parametrize("path", ALTERED)
async def test_money_energy_times_and_identities_are_never_altered(tmp_path: Path, path: str) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    owner.writes = ALTERED[path]
    w = await world(tmp_path, owner)
    await w.charge()
    (row,) = w.store.cdrs()
    assert row.state == "refused"
    assert path in str(row.error)
    assert not [j for j in await w.store.claim("owner", 99) if j.kind is Kind.CDR]


def without(path: str) -> Callable[[Cdr], Cdr]:
    """A record without a value."""
    return lambda cdr: replaced(cdr, steps(path), lambda value: () if isinstance(value, tuple) else None)


@pytest.mark.parametrize(
    ("format_", "path", "state"),
    [
        ("ocpi-2.2.1", "total_cost", "refused"),
        ("ocpi-2.2.1", "currency", "refused"),
        ("ocpi-2.2.1", "meter_start", "waiting"),
        ("ocpi-2.2.1", "auth_method", "waiting"),
        ("oicp-2.3", "total_cost", "waiting"),
        ("oicp-2.3", "tariffs", "waiting"),
        ("oicp-2.3", "total_energy", "refused"),
        ("oicp-2.3", "meter_start", "refused"),
        ("oicp-2.3", "token.uid", "waiting"),
        ("ochp-1.4", "total_cost.incl", "waiting"),
        ("ochp-1.4", "total_cost", "refused"),
        ("ochp-1.4", "lines[0].vat", "refused"),
        ("ochp-1.4", "token.uid", "refused"),
        ("other-1.0", "total_cost", "refused"),
    ],
)
async def test_omissions_need_a_permission(tmp_path: Path, format_: str, path: str, state: str) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_=format_)
    owner.writes = without(path)
    w = await world(tmp_path, owner)
    await w.charge()
    (row,) = w.store.cdrs()
    assert (row.state, path in str(row.error)) == (state, state == "refused")


async def test_omissions_stay_in_the_ledger_whether_or_not_the_mapping_told_them(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_="oicp-2.3")
    owner.writes = lambda cdr: evolve(cdr, total_cost=None, currency=None)
    owner.losses = (Loss("currency", DROPPED, "EUR", "no price there"), Loss("remark", DEFAULTED, "x", "configured"))
    w = await world(tmp_path, owner)
    await w.charge()
    (row,) = w.store.cdrs()
    assert [(one["path"], one["because"]) for one in row.losses] == [
        ("currency", "no price there"), ("remark", "configured"),
        ("total_cost.excl", "not there when read back"), ("total_cost.incl", "not there when read back")]  # fmt: skip


async def test_somebody_has_to_have_charged(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_="oicp-2.3")
    owner.writes = lambda cdr: evolve(cdr, token=evolve(cdr.token, uid=None, contract_id=None))
    w = await world(tmp_path, owner)
    await w.charge()
    assert w.store.cdrs()[0].state == "refused"


@pytest.mark.parametrize("fault", [Refused("place", "no address"), ZeroDivisionError("a fault of the mapping")])
async def test_a_cdr_that_cannot_be_written_is_kept_and_the_charger_may_forget_its_stop(tmp_path: Path, fault: Exception) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    owner.fault = fault
    w = await world(tmp_path, owner)
    await w.charge()
    (row,) = w.store.cdrs()
    assert (row.state, row.total) == ("refused", "4.00")
    assert w.history("CDR kept for a person")


async def test_a_tariff_that_is_named_and_not_there_gives_no_price_of_nothing(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={"*": "GONE"})])
    await w.charge()
    assert not w.store.cdrs()
    assert "GONE" in w.history("session kept for a person")[0]["detail"]


async def test_nothing_is_free_that_nobody_says_is_free(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={"elsewhere": "T1"})])
    await w.charge()
    assert not w.store.cdrs()
    assert len(w.store.held_sessions()) == 1
    assert "names no tariff" in w.history("session kept for a person")[0]["detail"]


async def test_an_agreement_may_say_that_it_is_free(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={}, free=True)])
    await w.charge()
    cdr = w.cdr()
    assert (cdr.total_cost, cdr.total_energy, cdr.tariffs) == (Price(Decimal(0), Decimal(0)), Decimal(10), ())
    assert w.store.cdrs()[0].state == "waiting"


async def test_what_began_free_ends_free(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={}, free=True)])
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    w.book = Book([agreement("owner", tariffs={})])
    w.restart()
    await w.sessions.stopped("CP1", number, 3000, w.clock.ahead(hours=1), None, None, [])
    assert w.cdr().total_cost == Price(Decimal(0), Decimal(0))


async def test_a_partner_that_is_due_no_cdr_needs_no_tariff(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={}, kinds=ALL - {"cdrs"})])
    await w.charge()
    assert [row.state for row in w.store.cdrs()] == ["kept"]


async def test_a_partner_hears_that_a_session_has_ended_whose_bill_waits(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner, agreements=[agreement("owner", tariffs={})])
    await w.charge()
    await w.core.dispatchers["owner"].round()
    last = [orjson.loads(job.body) for job in owner.sent if job.kind is Kind.SESSION][-1]
    assert (last["status"], last["kwh"]) == ("COMPLETED", "10")


async def test_a_session_that_the_tariff_cannot_price_is_held(tmp_path: Path) -> None:
    w = World(tmp_path, [Asked("owner", Allowed.ALLOWED)])
    await w.import_all(evolve(tariff(), valid_from=NOON + timedelta(days=9)))
    await w.core.tokens("owner", [token()])
    await w.charge()
    assert not w.store.cdrs()
    assert len(w.store.held_sessions()) == 1


async def test_signed_data_is_kept_as_it_is_and_in_order(tmp_path: Path) -> None:
    w = await world(tmp_path)
    begin, between, end = 'OCMF|{"a": 1 }|{"SD":"30\\u00e9"}', "OCMF|  {x}|y ", "OCMF|{z}|\u00e9\n"
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    at = NOON + timedelta(minutes=10)
    await w.sessions.metered(FIRST, number, [MeterSample(at, signed=between, context="Sample.Periodic")])
    await w.sessions.metered(FIRST, number, [MeterSample(at, signed=between, context="Sample.Periodic")])
    w.restart()
    ended = w.clock.ahead(hours=1)
    await w.sessions.stopped("CP1", number, 3000, ended, None, None, [
        MeterSample(ended, Decimal(3), signed=end, context="Transaction.End"), MeterSample(NOON, signed=begin, context="Transaction.Begin"),
        MeterSample(at, signed=between, context="Sample.Periodic")])  # fmt: skip
    signed = w.cdr().signed_data
    assert signed is not None
    assert [(v.signed_data, v.nature) for v in signed.values] == [(begin, "Start"), (between, "Intermediate"), (end, "End")]


async def test_the_same_bytes_go_out_however_often(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    await w.charge()
    tries = []
    for _ in range(4):
        (job,) = [j for j in await w.store.claim("owner", 99) if j.kind is Kind.CDR]
        tries.append((job.key, job.body))
        w.restart()  # killed while it was being sent
    assert len(set(tries)) == 1
    assert w.store.cdrs()[0].state == "uncertain"
    while await w.core.dispatchers["owner"].round():
        pass
    assert [(j.key, j.body) for j in owner.sent if j.kind is Kind.CDR] == tries[:1]
    (row,) = w.store.cdrs()
    assert (row.state, row.reference) == ("acknowledged", "at-owner")


async def test_restrictions_count_in_local_time(tmp_path: Path) -> None:
    hour = Restrictions(start_time="13:00", end_time="14:00")
    noon = TariffElement((PriceComponent(Dimension.ENERGY, Decimal(1), Decimal(1), None),), hour)
    w = World(tmp_path, [Asked("owner", Allowed.ALLOWED)])
    await w.import_all(tariff("0", "T1", noon, vat=None))
    await w.core.tokens("owner", [token()])
    await w.charge(wh=4000, hours=2)  # 13:00 to 15:00 in Berlin
    cost = w.cdr().total_cost
    assert cost is not None
    assert cost.excl == 2


async def test_deadlines_are_told_once_when_near_and_once_when_passed(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner, cdr_deadline_hours={"owner": 24.0})
    await w.charge()
    told: list[tuple[int, int, int]] = []
    for hours in (17.9, 0.2, 1, 4.8, 0.2, 30):
        w.clock.ahead(hours=hours)
        late = await w.core.check_deadlines()
        told.append((len(late), len(w.history("CDR deadline near")), len(w.history("CDR deadline passed"))))
    assert told == [(0, 0, 0), (1, 1, 0), (1, 1, 0), (1, 1, 0), (1, 1, 1), (1, 1, 1)]
    assert "has passed" in str((await w.core.check_deadlines())[0])
    await w.core.dispatchers["owner"].round()
    assert w.store.cdrs()[0].state == "acknowledged"
    assert await w.core.check_deadlines() == []


@pytest.mark.parametrize("outcome", [Retry("down", 0.0), Rejected("no", "2001")])
async def test_a_cdr_that_waits_or_was_refused_is_late(tmp_path: Path, outcome: Retry | Rejected) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner, cdr_deadline_hours={"owner": 2.0})
    await w.charge()
    owner.answers = [outcome] * 99
    jobs = await w.store.claim("owner", 99)
    await w.store.settle([(j, outcome) for j in jobs])
    w.clock.ahead(hours=2)
    (late,) = await w.core.check_deadlines()
    assert late.cdr.partner == "owner"


# --- the place --------------------------------------------------------------------------------------------------------


async def test_the_place_of_a_cdr_is_what_it_was_when_the_session_began(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    before = location()
    later = evolve(before, place=evolve(before.place, names=(Text("Another name"),)), evses=before.evses[1:])
    await w.core.publisher.import_locations("acme", [later], groups={}, bound={}, confirmed=True)
    w.restart()
    await w.sessions.stopped("CP1", number, 3000, w.clock.ahead(hours=1), None, None, [])
    cdr = w.cdr()
    assert (cdr.place.id, cdr.place.name, cdr.place.evse_uid, cdr.place.connector_id) == ("L1", None, "U1", "1")
    assert cdr.location is not None
    assert [e.uid for e in cdr.location.evses] == ["U1"]
    assert place_of(cdr.location) == evolve(cdr.place, tariff_id=TariffId("T1")), "with the tariff of the agreement"


async def test_only_who_tells_places_as_a_whole_gets_them(tmp_path: Path) -> None:
    class Whole(Asked):
        whole_places = True

    for cls in (Asked, Whole):
        owner = cls("owner", Allowed.ALLOWED)
        w = await world(tmp_path / cls.__name__, owner)
        await w.charge()
        found = {kind: obj.location for kind, obj in owner.encoded if kind in (Kind.SESSION, Kind.CDR)}
        assert [one is not None for one in found.values()] == [cls is Whole] * 2
