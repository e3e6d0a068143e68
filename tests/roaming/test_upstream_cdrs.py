"""CDRs of an upstream operator: once in the ledger, once to their owner, the same bytes, at the agreed price, or kept for a person."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve

from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.cdr import Cdr, place_of
from bridge.model.common import Price, Text
from bridge.model.ids import CdrId, ConnectorId, LocationId, PartyId
from bridge.model.session import CdrDimension, ChargingPeriod, Session, Volume
from bridge.model.tariff import Dimension, PriceComponent, Restrictions, TariffElement
from bridge.model.token import Allowed
from bridge.roaming.ports import AuthorisationAnswer, Kind, Retry
from bridge.roaming.upstream.ports import Contradiction, NotTheirs, Question
from tests.roaming.roaming_world import NOON, OTHER, Asked, Told, tariff, token
from tests.roaming.upstream_world import CSMS, US, Above, card, cdr, place, session, sources

HOUR = timedelta(hours=1)


async def above(path: Path, *partners: Any, **options: Any) -> Above:
    w = Above(path, partners or None, **options)
    await w.up.put_location(CSMS, place())
    first = next(iter(w.partners))
    await w.core.tokens(first, [token()])
    await w.deliver(first)
    return w


# --- there, once


async def test_it_goes_to_the_owner_of_its_session_and_into_the_ledger(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.put_session(CSMS, session())
    await w.deliver()
    assert await w.up.post_cdr(CSMS, cdr())
    (told,) = await w.told(Kind.CDR)
    assert (told.id, told.party, told.session_id, told.operator_session_id) == ("C1", US, "S1", "S1")
    assert (told.total_cost, told.currency, told.total_energy) == (Price(Decimal("5.55"), Decimal("6.60")), "EUR", Decimal(10))
    assert told.place.time_zone == "Europe/Berlin"
    (entry,) = w.entries()
    assert (entry.id, entry.partner, entry.state, entry.total, entry.kwh) == ("DE*ABC/C1", "emsp", "acknowledged", "5.55", "10")
    assert entry.reference == "at-emsp"
    assert w.up.cdr(CSMS, US, "c1") == cdr(), "and it is read back as it was told"


async def test_the_same_again_answers_as_before_and_another_is_refused(tmp_path: Path) -> None:
    w = await above(tmp_path)
    assert await w.up.post_cdr(CSMS, cdr())
    again = evolve(cdr(), total_energy=Decimal("10.000"), last_updated=NOON + HOUR)
    assert not await w.up.post_cdr(CSMS, again)
    for other in (cdr(total_energy=Decimal(11)), cdr(total_cost=Price(Decimal("5.55"))), cdr("c1", end=NOON + HOUR)):
        with pytest.raises(Contradiction):
            await w.up.post_cdr(CSMS, other)
    assert len(await w.told(Kind.CDR)) == len(w.entries()) == 1
    assert w.up.cdr(CSMS, US, "C1") == cdr()


async def test_the_same_bytes_however_often_it_is_sent(tmp_path: Path) -> None:
    w = await above(tmp_path)
    partner = w.partner()
    partner.answers = [Retry("down", 0.0, sent=True), Retry("down", 0.0)]
    await w.up.post_cdr(CSMS, cdr())
    jobs = await w.deliver()
    assert len(jobs) == 3
    assert len({j.body for j in jobs}) == 1
    assert w.entries()[0].state == "acknowledged"


async def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.post_cdr(CSMS, cdr())
    w.restart()
    assert not await w.up.post_cdr(CSMS, cdr())
    assert [c.id for c in await w.told(Kind.CDR)] == ["C1"]


async def test_two_at_once_are_one(tmp_path: Path) -> None:
    w = await above(tmp_path)
    assert sorted(await asyncio.gather(*(w.up.post_cdr(CSMS, cdr()) for _ in range(4)))) == [False, False, False, True]
    assert len(await w.told(Kind.CDR)) == 1


async def test_another_party_is_none_of_theirs(tmp_path: Path) -> None:
    w = await above(tmp_path)
    with pytest.raises(NotTheirs):
        await w.up.post_cdr(CSMS, cdr(party=PartyId("FR", "ABC")))
    assert w.entries() == []


# --- whose


async def test_without_a_session_by_the_card(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.post_cdr(CSMS, cdr(session_id=None))
    assert [c.id for c in await w.told(Kind.CDR)] == ["C1"]


async def test_by_the_route_that_authorised(tmp_path: Path) -> None:
    hub = Asked("hub", AuthorisationAnswer(Allowed.ALLOWED, token(OTHER), hub_session_id="hub-1"))
    w = await above(tmp_path, Asked("emsp"), hub)
    await w.deliver("hub")
    info = await w.up.authorise(CSMS, Question(OTHER))
    assert info is not None
    await w.up.post_cdr(CSMS, cdr(token=card(OTHER), authorization_reference=info.reference))
    assert [(c.id, c.hub_session_id, c.authorization_reference) for c in await w.told(Kind.CDR, "hub")] == [("C1", "hub-1", None)]
    assert await w.deliver("emsp") == []


async def test_one_whose_owner_is_not_found_is_kept_for_a_person(tmp_path: Path) -> None:
    w = await above(tmp_path)
    assert await w.up.post_cdr(CSMS, cdr(token=card(OTHER)))
    assert await w.deliver() == []
    (entry,) = w.entries()
    assert (entry.partner, entry.state) == (None, "kept")
    assert "nobody is known" in str(entry.error)
    assert [h["ref"] for h in w.history("CDR kept for a person")] == ["DE*ABC/C1"]


async def test_a_second_cdr_for_a_session_is_kept_for_a_person(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.post_cdr(CSMS, cdr("C1"))
    await w.up.post_cdr(CSMS, cdr("C2", total_cost=Price(Decimal(6))))
    assert [c.id for c in await w.told(Kind.CDR)] == ["C1"]
    assert [(e.id, e.state) for e in w.entries() if e.error] == [("DE*ABC/C2", "kept")]


@pytest.mark.parametrize("kinds", [frozenset({"tokens", "sessions"})])
async def test_no_agreement_about_cdrs(tmp_path: Path, kinds: frozenset[str]) -> None:
    w = await above(tmp_path, agreements=[sources("emsp", kinds=kinds)])
    await w.up.post_cdr(CSMS, cdr())
    assert await w.deliver() == []
    assert [(e.partner, e.state, e.error) for e in w.entries()] == [("emsp", "kept", None)]


async def test_test_stays_test(tmp_path: Path) -> None:
    w = await above(tmp_path, agreements=[sources("emsp", test=True)])
    await w.up.post_cdr(CSMS, cdr())
    assert [e.test for e in w.entries()] == [True]


# --- the audit


@pytest.mark.parametrize(("change", "state"), [
    ({"total_energy": Decimal(11)}, "refused"), ({"session_id": None}, "refused"), ({"remark": None}, "waiting"),
])  # fmt: skip
async def test_what_would_alter_it_keeps_it_for_a_person(tmp_path: Path, change: dict[str, Any], state: str) -> None:
    w = await above(tmp_path)
    w.partner().writes = lambda cdr: evolve(cdr, **change)
    await w.up.post_cdr(CSMS, cdr(remark="at the gate"))
    assert [e.state for e in w.entries()] == [state]


@pytest.mark.parametrize("fault", [Refused("id", "too long"), RuntimeError("a bug")])
async def test_one_that_cannot_be_written_is_taken_and_kept(tmp_path: Path, fault: Exception) -> None:
    w = await above(tmp_path)
    w.partner().fault = fault
    assert await w.up.post_cdr(CSMS, cdr())
    assert [(e.partner, e.state) for e in w.entries()] == [("emsp", "refused")]


async def test_seconds_for_those_who_have_no_smaller_ones(tmp_path: Path) -> None:
    half = timedelta(milliseconds=500)
    period = ChargingPeriod(NOON + half, (Volume(CdrDimension.ENERGY, Decimal(10)),))
    fine = cdr(start=NOON + half, end=NOON + HOUR + half, periods=(period,))
    for name, format_, cut in (("emsp", "ocpi-2.2.1", False), ("house", "ochp-1.4", True), ("older", "ocpi-2.1.1", True)):
        (tmp_path / name).mkdir()
        w = await above(tmp_path / name, Told(name, format_))
        await w.up.post_cdr(CSMS, fine)
        (told,) = await w.told(Kind.CDR, name)
        at = NOON if cut else NOON + half
        assert (told.start, told.end, told.periods[0].start) == (at, at + HOUR, at)


@pytest.mark.parametrize(("ident", "kept"), [
    ("DEABC4711", True), ("DEABC" + "9" * 31, True), ("4711", False), ("FRXYZ4711", False), ("deabc4711", False),
    ("cbfceca5-9f18-4520-a48b-3ed74dad5408", False),
])  # fmt: skip
async def test_an_id_that_a_protocol_cannot_tell_has_another_for_it(tmp_path: Path, ident: str, kept: bool) -> None:
    """OCHP's have the operator first, capitals and digits, and no more than 36 of them."""
    made = []
    for path in (tmp_path / "one", tmp_path / "two"):
        path.mkdir()
        w = await above(path, Told("house", "ochp-1.4"))
        await w.up.post_cdr(CSMS, cdr(ident))
        assert not await w.up.post_cdr(CSMS, cdr(ident))
        (told,) = await w.told(Kind.CDR, "house")
        (entry,) = w.entries()
        assert (entry.id, entry.state) == (f"DE*ABC/{ident}", "acknowledged")
        assert (told.id == ident) is kept
        assert [loss["path"] for loss in entry.losses if told.id in loss["because"]] == ([] if kept else ["id"])
        assert re.fullmatch("DEABC[0-9A-Z]{1,31}", told.id)
        made.append(str(told.id))
    assert made[0] == made[1], "always the same"


async def test_partners_that_can_tell_an_operators_id_get_that(tmp_path: Path) -> None:
    for name, format_ in (("emsp", "ocpi-2.2.1"), ("older", "ocpi-2.1.1"), ("hub", "oicp-2.3")):
        (tmp_path / name).mkdir()
        w = await above(tmp_path / name, Told(name, format_))
        await w.up.post_cdr(CSMS, cdr("cbfceca5-9f18-4520-a48b-3ed74dad5408"))
        assert [c.id for c in await w.told(Kind.CDR, name)] == ["cbfceca5-9f18-4520-a48b-3ed74dad5408"]


# --- the money


async def priced(path: Path, *elements: TariffElement, energy: str = "0.40") -> Above:
    w = await above(path, agreements=[sources("emsp", tariffs={"*": "T1"})])
    await w.core.publisher.import_tariffs("acme", [tariff(energy, "T1", *elements)])
    await w.deliver()
    return w


async def test_the_tariff_that_the_agreement_names_is_what_it_costs(tmp_path: Path) -> None:
    w = await priced(tmp_path)
    await w.up.put_session(CSMS, session())
    await w.core.publisher.import_tariffs("acme", [tariff("9.99")])  # a session has its tariff to the end
    await w.up.post_cdr(CSMS, cdr(total_fixed_cost=Price(Decimal(1)), total_energy_cost=Price(Decimal("4.55"))))
    (told,) = await w.told(Kind.CDR)
    assert told.total_cost == Price(Decimal("4.00"), Decimal("4.76"))
    assert told.total_energy_cost == told.total_cost
    assert (told.total_fixed_cost, told.total_time_cost) == (None, None), "nothing of the operator's prices is left"
    assert [t.id for t in told.tariffs] == ["T1"]
    assert {p.tariff_id for p in told.periods} == {None}
    assert [(x.volume, x.unit_price, x.cost) for x in told.lines] == [(Decimal(10), Decimal("0.40"), Decimal("4.00"))]
    assert w.entries()[0].total == "4.00"
    kept = w.up.cdr(CSMS, US, "C1")
    assert kept is not None
    assert kept.total_fixed_cost == Price(Decimal(1))


async def test_prices_add_up_exactly(tmp_path: Path) -> None:
    w = await priced(tmp_path, energy="0.333333")
    volumes = [Decimal("3.333"), Decimal("3.333"), Decimal("3.334")]
    periods = tuple(ChargingPeriod(NOON + n * HOUR / 6, (Volume(CdrDimension.ENERGY, v),)) for n, v in enumerate(volumes))
    await w.up.post_cdr(CSMS, cdr(periods=periods, total_energy=sum(volumes, Decimal(0))))
    (told,) = await w.told(Kind.CDR)
    assert told.total_cost == Price(Decimal("3.33"), Decimal("3.97"))
    assert sum((x.cost for x in told.lines), Decimal(0)) == Decimal("3.33333")


async def test_periods_that_do_not_say_what_it_costs_need_a_person(tmp_path: Path) -> None:
    """The operator had no reason to begin a period when our price changed."""
    night = Restrictions(start_time="13:15", end_time="14:00")  # 12:15 UTC
    w = await priced(tmp_path, TariffElement((PriceComponent(Dimension.ENERGY, Decimal("0.10")),), night))
    await w.up.post_cdr(CSMS, cdr())
    assert await w.deliver() == []
    (entry,) = w.entries()
    assert (entry.state, entry.partner) == ("refused", "emsp")
    assert "instead of" in str(entry.error)


async def test_a_named_tariff_that_is_not_there_needs_a_person(tmp_path: Path) -> None:
    w = await above(tmp_path, agreements=[sources("emsp", tariffs={"*": "MISSING"})])
    await w.up.post_cdr(CSMS, cdr())
    assert [(e.partner, e.state) for e in w.entries()] == [("emsp", "refused")]
    assert "MISSING" in str(w.entries()[0].error)


async def test_figures_that_contradict_themselves_are_not_priced(tmp_path: Path) -> None:
    w = await priced(tmp_path)
    await w.up.post_cdr(CSMS, cdr(total_energy=Decimal(12)))
    assert [e.state for e in w.entries()] == ["refused"]


# --- credit


def credit(of: Cdr, ident: str, total: Price) -> Cdr:
    return evolve(of, id=CdrId(ident), credit=True, credit_reference_id=of.id, total_cost=total, last_updated=NOON + HOUR)


async def test_a_credit_goes_where_the_original_went(tmp_path: Path) -> None:
    hub = Asked("hub", AuthorisationAnswer(Allowed.ALLOWED, token(OTHER), hub_session_id="hub-1"))
    w = await above(tmp_path, Asked("emsp"), hub)
    info = await w.up.authorise(CSMS, Question(OTHER))
    assert info is not None
    one = cdr(token=card(OTHER), authorization_reference=info.reference)
    await w.up.post_cdr(CSMS, one)
    await w.up.post_cdr(CSMS, credit(one, "C1-CREDIT", Price(Decimal("-5.55"), Decimal("-6.60"))))
    await w.up.post_cdr(CSMS, evolve(one, id=CdrId("C2"), total_cost=Price(Decimal(5))))
    told = await w.told(Kind.CDR, "hub")
    assert [(c.id, c.credit_reference_id, c.total_cost and c.total_cost.excl) for c in told] == [
        ("C1", None, Decimal("5.55")), ("C1-CREDIT", "C1", Decimal("-5.55")), ("C2", None, Decimal(5))]  # fmt: skip
    assert {c.hub_session_id for c in told} == {"hub-1"}
    assert {c.total_energy for c in told} == {Decimal(10)}


async def test_a_credit_of_what_we_priced_is_what_we_priced(tmp_path: Path) -> None:
    w = await priced(tmp_path)
    await w.up.post_cdr(CSMS, cdr())
    await w.up.post_cdr(CSMS, credit(cdr(), "C1-CREDIT", Price(Decimal("-5.55"), Decimal("-6.60"))))
    one, other = await w.told(Kind.CDR)
    assert (one.total_cost, other.total_cost) == (Price(Decimal("4.00"), Decimal("4.76")), Price(Decimal("-4.00"), Decimal("-4.76")))
    assert evolve(other, id=one.id, credit=None, credit_reference_id=None, total_cost=one.total_cost, last_updated=one.last_updated) == one


async def test_neither_a_credit_nor_what_follows_it_overtakes(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.deliver()
    w.partner().answers = [Retry("silence", 0.0, sent=True)]
    await w.up.post_cdr(CSMS, cdr())
    await w.up.post_cdr(CSMS, credit(cdr(), "C1-CREDIT", Price(Decimal("-5.55"), Decimal("-6.60"))))
    await w.up.post_cdr(CSMS, evolve(cdr(), id=CdrId("C2"), total_cost=Price(Decimal(5))))
    await w.core.dispatchers["emsp"].round()
    assert [j.key for j in w.partner().sent if j.kind is Kind.CDR] == ["DE*ABC/C1"]
    assert [c.id for c in await w.told(Kind.CDR)] == ["C1", "C1-CREDIT", "C2"]


async def test_what_was_credited_is_not_credited_again(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.post_cdr(CSMS, cdr())
    for ident in ("C1-CREDIT", "C1-AGAIN"):
        await w.up.post_cdr(CSMS, credit(cdr(), ident, Price(Decimal("-5.55"), Decimal("-6.60"))))
    entries = {e.id: e for e in w.entries()}
    assert {ident: e.state for ident, e in entries.items() if e.id != "DE*ABC/C1"} == {
        "DE*ABC/C1-CREDIT": "waiting", "DE*ABC/C1-AGAIN": "kept"}  # fmt: skip
    assert "has credited already" in str(entries["DE*ABC/C1-AGAIN"].error)


async def test_a_credit_of_nothing_needs_a_person(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.post_cdr(CSMS, credit(cdr("C0"), "C0-CREDIT", Price(Decimal(-1))))
    assert await w.deliver() == []
    assert [(e.state, "C0" in str(e.error)) for e in w.entries()] == [("kept", True)]


async def test_a_credit_of_what_never_went_out_does_not_go_out(tmp_path: Path) -> None:
    w = await above(tmp_path)
    w.partner().fault = Refused("id", "too long")
    await w.up.post_cdr(CSMS, cdr())
    w.partner().fault = None
    await w.up.post_cdr(CSMS, credit(cdr(), "C1-CREDIT", Price(Decimal("-5.55"))))
    assert await w.deliver() == []
    assert [e.state for e in w.entries()] == ["refused", "kept"]


# --- for partners that are told places as a whole


class Whole(Asked):
    whole_places = True


async def test_a_partner_that_is_told_places_whole_gets_what_is_known_under_the_names_that_were_told(tmp_path: Path) -> None:
    w = await above(tmp_path, Whole("emsp"))
    told = evolve(cdr(), place=evolve(cdr().place, id=LocationId("u1"), name="As it was", connector_id=ConnectorId("1")))
    await w.up.put_session(CSMS, session())
    await w.up.post_cdr(CSMS, told)
    (one,) = (c for c in await w.told(Kind.CDR) if isinstance(c, Cdr))
    assert one.location is not None
    assert (one.location.place.id, one.location.place.names, one.location.place.time_zone) == ("u1", (Text("As it was"),), "Europe/Berlin")
    (evse,) = one.location.evses
    (connector,) = evse.connectors
    assert (evse.uid, connector.max_amperage, connector.tariff_ids) == (told.place.evse_uid, 32, ())
    assert evolve(place_of(one.location), tariff_id=None) == one.place


async def test_what_is_not_known_of_its_connector_is_not_told(tmp_path: Path) -> None:
    w = await above(tmp_path, Whole("emsp"))
    await w.up.put_session(CSMS, session(connector_id=ConnectorId("7")))
    (made,) = await w.told(Kind.SESSION)
    assert (made.location_id, made.connector_id, made.location) == ("U1", "7", None)


@pytest.mark.parametrize(("named", "shown"), [({}, "CPO"), ({"*": "T1"}, "T1")])
async def test_a_location_that_was_told_whole_has_the_tariff_that_its_owner_pays(tmp_path: Path, named: dict[str, str], shown: str) -> None:
    """Sessions and CDRs of OCPI 2.1.1 hold their location, which has to say the same as the place of the CDR."""
    w = await above(tmp_path, Whole("emsp"), agreements=[sources("emsp", tariffs=named)])
    await w.core.publisher.import_tariffs("acme", [tariff("0.40", "T1")])
    await w.deliver()
    told = place("U1", 91)
    await w.up.put_session(CSMS, session(location=told))
    await w.up.post_cdr(CSMS, cdr(location=told, place=place_of(told)))
    running, billed = await w.deliver()
    assert [e.state for e in w.entries()] == ["acknowledged"]
    for job, cls in ((running, Session), (billed, Cdr)):
        made = model_json.from_json(cls, orjson.loads(job.body))
        assert [str(i) for i in made.location.evses[0].connectors[0].tariff_ids] == [shown]
        if cls is Cdr:
            assert made.place == evolve(place_of(made.location), tariff_id=made.place.tariff_id)
            assert made.place.tariff_id in (None, shown)
