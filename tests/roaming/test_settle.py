"""From a session to its CDR: priced once, numbered once, never altered on the way to a partner."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve

from bridge.errors import Refused
from bridge.mapping.loss import DEFAULTED, DROPPED, NARROWED, ROUNDED, TRUNCATED, Loss
from bridge.model.tariff import Dimension, PriceComponent, Restrictions, TariffElement
from bridge.model.token import Allowed
from bridge.roaming.ports import Kind, MeterSample, Rejected, Retry
from bridge.tariff import price, rounding
from bridge.tariff.clock import zone_named
from tests.roaming.roaming_world import CARD, FIRST, NOON, Asked, World, agreement, tariff, token


async def world(path: Path, owner: Asked | None = None, **options: object) -> World:
    made = World(path, [owner or Asked("owner", Allowed.ALLOWED)], **options)  # type: ignore[arg-type]
    await made.import_all()
    await made.core.tokens("owner", [token()])
    return made


PARKING = TariffElement((PriceComponent(Dimension.PARKING_TIME, Decimal("3.333"), Decimal(60), Decimal(19)),
                         PriceComponent(Dimension.FLAT, Decimal("0.505"), Decimal(1), Decimal(19)),
                         PriceComponent(Dimension.ENERGY, Decimal("0.3337"), Decimal(1), Decimal(19))))  # fmt: skip


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


ALTERING = [Loss(path, kind, "x", "it does not fit")
            for path, kind in itertools.product(("total_cost", "total_energy", "currency", "start", "end", "token.uid", "token.contract_id",
                                                 "place.evse_id", "signed_data.values[0]", "id", "periods[0].volumes", "total_time",
                                                 "hub_session_id", "tariffs[0].elements"), (NARROWED, ROUNDED, TRUNCATED))]  # fmt: skip


@pytest.mark.parametrize("format_", ["ocpi-2.2.1", "oicp-2.3", "ochp-1.4"])
@pytest.mark.parametrize("loss", ALTERING, ids=lambda loss: f"{loss.kind} {loss.path}")
async def test_money_energy_times_and_identities_are_never_altered(tmp_path: Path, loss: Loss, format_: str) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_=format_)
    owner.losses = (loss,)
    w = await world(tmp_path, owner)
    await w.charge()
    (row,) = w.store.cdrs()
    assert row.state == "refused"
    assert loss.path in str(row.error)
    assert not [j for j in await w.store.claim("owner", 99) if j.kind is Kind.CDR]


@pytest.mark.parametrize(
    ("format_", "path", "state"),
    [
        ("ocpi-2.2.1", "total_cost", "refused"),
        ("ocpi-2.2.1", "signed_data", "refused"),
        ("ocpi-2.2.1", "currency", "refused"),
        ("ocpi-2.2.1", "meter_start", "waiting"),
        ("ocpi-2.2.1", "remark", "waiting"),
        ("oicp-2.3", "total_cost", "waiting"),
        ("oicp-2.3", "tariffs", "waiting"),
        ("oicp-2.3", "total_energy", "waiting"),
        ("oicp-2.3", "signed_data.values[3]", "refused"),
        ("oicp-2.3", "hub_session_id", "refused"),
        ("oicp-2.3", "meter_start", "refused"),
        ("oicp-2.3", "token.uid", "waiting"),
        ("ochp-1.4", "signed_data", "waiting"),
        ("ochp-1.4", "total_cost.incl", "waiting"),
        ("ochp-1.4", "lines[0].vat", "refused"),
        ("ochp-1.4", "token.uid", "refused"),
        ("other-1.0", "total_cost", "refused"),
    ],
)
async def test_omissions_need_a_permission_and_stay_in_the_ledger(tmp_path: Path, format_: str, path: str, state: str) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_=format_)
    owner.losses = (Loss(path, DROPPED, "x", "there is no such field"), Loss("total_cost", DEFAULTED, 0, "configured"))
    w = await world(tmp_path, owner)
    await w.charge()
    (row,) = w.store.cdrs()
    assert row.state == state
    assert [one["path"] for one in row.losses] == ([path, "total_cost"] if state == "waiting" else [])


async def test_somebody_has_to_have_charged(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_="oicp-2.3")
    owner.losses = tuple(Loss(f"token.{name}", DROPPED, "x", "no place") for name in ("uid", "contract_id"))
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
