"""What waits for a person: sessions that were held, CDRs that were refused, stops that nobody knows; settled or discarded."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from bridge.cli import cli
from bridge.errors import Refused
from bridge.model.token import Allowed
from bridge.roaming.audit import Unsettled
from bridge.roaming.billing import ByHand
from bridge.roaming.held import Desk, NothingHeld
from bridge.roaming.ports import Kind, Rejected, Retry
from bridge.roaming.storage import CdrRow
from bridge.store import records
from tests.roaming.roaming_world import CARD, NOON, Asked, World, agreement, tariff, token


async def world(path: Path, owner: Asked | None = None, **options: object) -> World:
    made = World(path, [owner or Asked("owner", Allowed.ALLOWED)], **options)  # type: ignore[arg-type]
    await made.import_all()
    await made.core.tokens("owner", [token()])
    return made


def desk(w: World) -> Desk:
    return Desk(w.store, w.partners, w.core.billing)


async def held(w: World, wh: int = 10_000) -> str:
    """A session that is held; its id."""
    number = await w.charge(wh=wh)
    row = w.store.session(tx=number)
    assert row is not None
    assert row.state == "held"
    return row.id


def state(w: World, ident: str) -> str:
    row = w.store.session(id=ident)
    assert row is not None
    return row.state


def cdr_jobs(w: World) -> list[tuple[str, bytes]]:
    rows = w.store.db.read.execute("SELECT state, body FROM outbox WHERE kind = 'cdr' ORDER BY id")
    return [(r["state"], bytes(r["body"])) for r in rows]


async def test_a_session_is_billed_after_its_tariff_was_imported(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={"*": "LATE"})])
    ident = await held(w)
    (waits,) = desk(w).waiting()
    assert (waits.id, waits.what, waits.partner, waits.kwh) == (ident, "session", "owner", "10")
    assert "LATE" in waits.because
    with pytest.raises(Unsettled, match="LATE"):
        await desk(w).settle(ident)
    assert (state(w, ident), w.store.cdrs(), cdr_jobs(w)) == ("held", [], [])
    await w.core.publisher.import_tariffs("acme", [tariff("0.50", "LATE")])
    done = await desk(w).settle(ident)
    assert (done.state, done.total, state(w, ident)) == ("waiting", "5.00", "ended")
    assert [s for s, _ in cdr_jobs(w)] == ["waiting"]
    assert desk(w).waiting() == []
    assert [h["ref"] for h in w.history("session settled by a person")] == [ident]


async def test_a_session_is_billed_after_its_agreement_names_a_tariff(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={})])
    ident = await held(w)
    w.book._all = (agreement("owner"),)
    assert (await desk(w).settle(ident)).total == "4.00"


async def test_a_person_may_name_the_tariff_the_energy_and_the_times(tmp_path: Path) -> None:
    w = await world(tmp_path)
    ident = await held(w, wh=-5000)
    await w.core.publisher.import_tariffs("acme", [tariff(), tariff("1.00", "OTHER")])
    by_hand = ByHand("OTHER", Decimal("3.5"), NOON - timedelta(minutes=30), NOON)
    done = await desk(w).settle(ident, by_hand)
    cdr = w.cdr()
    assert (done.total, cdr.total_energy, cdr.total_time) == ("3.50", Decimal("3.5"), Decimal("0.5"))
    assert (cdr.start, cdr.end, cdr.meter_start, cdr.meter_end) == (by_hand.start, by_hand.end, None, None)
    row = w.store.session(id=ident)
    assert row is not None
    assert (row.kwh, row.started) == (Decimal("3.5"), NOON)  # what the charger said of the start is kept: it may say it again
    (line,) = w.history("session settled by a person")
    assert "tariff OTHER, kWh 3.5" in line["detail"]


@pytest.mark.parametrize(
    ("by_hand", "because"),
    [
        (ByHand("GONE"), "GONE is not among the imported tariffs"),
        (ByHand(kwh=Decimal(1), end=NOON - timedelta(days=1)), "ends before it starts"),
        (ByHand(), "went back"),
    ],
)
async def test_what_still_cannot_be_settled_stays_as_it_was(tmp_path: Path, by_hand: ByHand, because: str) -> None:
    w = await world(tmp_path)
    ident = await held(w, wh=-5000)
    with pytest.raises(Unsettled, match=because):
        await desk(w).settle(ident, by_hand)
    assert (state(w, ident), w.store.cdrs()) == ("held", [])


async def test_a_session_is_settled_once(tmp_path: Path) -> None:
    w = await world(tmp_path, agreements=[agreement("owner", tariffs={})])
    ident = await held(w)
    w.book._all = (agreement("owner"),)
    row = w.store.session(id=ident)
    assert row is not None
    bill = w.core.billing.bill(row, [])
    await desk(w).settle(ident)
    with pytest.raises(NothingHeld):
        await desk(w).settle(ident)
    assert not await w.store.settle_session(row, bill.cdr, bill.outbound, bill.history)
    assert len(w.store.cdrs()) == len(cdr_jobs(w)) == 1


async def test_a_discarded_session_has_no_cdr_and_a_reason(tmp_path: Path) -> None:
    w = await world(tmp_path)
    ident = await held(w, wh=-1)
    assert await desk(w).discard(ident, "the meter was replaced") == "session"
    assert (state(w, ident), w.store.cdrs(), desk(w).waiting()) == ("discarded", [], [])
    assert [h["detail"] for h in w.history("session discarded")] == ["the meter was replaced"]
    for again in (desk(w).discard(ident, "again"), desk(w).settle(ident)):
        with pytest.raises(NothingHeld):
            await again


async def test_a_stop_that_nobody_knows_is_listed_until_it_is_put_aside(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.sessions.stopped("CP1", 4711, 5000, NOON, None, None, [])
    (waits,) = desk(w).waiting()
    assert (waits.what, waits.where) == ("stop", "CP1")
    assert "4711: register 5000 Wh" in waits.because
    with pytest.raises(NothingHeld):
        await desk(w).settle(waits.id)
    assert await desk(w).discard(waits.id, "billed by hand") == "stop"
    assert desk(w).waiting() == []
    assert len(w.history("stop of an unknown transaction")) == 1


# --- CDRs


async def refused(w: World) -> str:
    await w.charge()
    (row,) = w.store.cdrs()
    assert row.state == "refused"
    return row.id


async def test_a_cdr_that_could_not_be_written_goes_out_when_it_can(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    owner.fault = Refused("place", "no address")
    w = await world(tmp_path, owner)
    ident = await refused(w)
    assert [(one.id, one.what, one.because) for one in desk(w).waiting()] == [(ident, "CDR", "place: no address")]
    with pytest.raises(Unsettled, match="no address"):
        await desk(w).settle(ident)
    owner.fault = None
    session = w.store.cdrs()[0].session
    body = w.store.cdrs()[0].body
    done = await desk(w).settle(session)  # by its session
    assert (done.id, done.state, done.error) == (ident, "waiting", None)
    await w.core.dispatchers["owner"].round()
    (row,) = w.store.cdrs()
    assert (row.state, row.reference, row.body) == ("acknowledged", "at-owner", body)


async def test_a_cdr_cannot_be_given_another_price(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    owner.fault = Refused("place", "no address")
    w = await world(tmp_path, owner)
    ident = await refused(w)
    with pytest.raises(NothingHeld, match="a CDR is what it is"):
        await desk(w).settle(ident, ByHand("T1"))


async def declined(w: World, owner: Asked, *answers: Retry | Rejected) -> str:
    """A CDR that the partner has refused, after what it answered before."""
    await w.charge()
    for answer in answers:
        jobs = [j for j in await w.store.claim("owner", 99) if j.kind is Kind.CDR]
        await w.store.settle([(j, answer) for j in jobs])
        w.store.db.write_now(lambda db: db.execute("UPDATE outbox SET due = 0"))
    (row,) = w.store.cdrs()
    assert row.state == "refused"
    return row.id


async def test_a_cdr_that_the_partner_declined_is_written_anew(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_="oicp-2.3")
    w = await world(tmp_path, owner)
    ident = await declined(w, owner, Rejected("no such EVSE", "2001"))
    before = cdr_jobs(w)
    owner.writes = lambda cdr: evolve(cdr, total_cost=None)
    await desk(w).settle(ident)
    ((is_now, body),) = cdr_jobs(w)
    assert (is_now, body == before[0][1]) == ("waiting", False)
    await w.core.dispatchers["owner"].round()
    assert [j.body for j in owner.sent if j.kind is Kind.CDR] == [body]
    assert w.store.cdrs()[0].state == "acknowledged"
    assert await w.core.find("owner", Kind.CDR, ident) == body  # and is shown so


async def test_a_cdr_that_the_partner_may_have_goes_out_in_the_same_bytes_only(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED, format_="oicp-2.3")
    w = await world(tmp_path, owner)
    ident = await declined(w, owner, Retry("silence", 0.0, sent=True), Rejected("no", "2001"))
    before = cdr_jobs(w)
    owner.writes = lambda cdr: evolve(cdr, total_cost=None)
    with pytest.raises(Unsettled, match="may have it"):
        await desk(w).settle(ident)
    assert cdr_jobs(w) == before
    owner.writes = lambda cdr: cdr
    assert (await desk(w).settle(ident)).id == ident
    assert cdr_jobs(w) == [("waiting", before[0][1])]
    assert w.store.cdrs()[0].state == "uncertain"


async def test_a_discarded_cdr_is_neither_sent_nor_shown_nor_late(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner, cdr_deadline_hours={"owner": 1.0})
    ident = await declined(w, owner, Rejected("no such token", "2004"))
    w.clock.ahead(hours=5)
    assert await w.core.check_deadlines()
    assert await desk(w).discard(ident, "settled by invoice") == "CDR"
    assert (w.store.cdrs()[0].state, cdr_jobs(w), await w.core.check_deadlines()) == ("discarded", [], [])
    assert await w.core.find("owner", Kind.CDR, ident) is None
    assert [h["detail"] for h in w.history("CDR discarded")] == ["settled by invoice"]
    with pytest.raises(NothingHeld):
        await desk(w).settle(ident)


async def test_a_cdr_whose_owner_nobody_knows_can_be_discarded_only(tmp_path: Path) -> None:
    w = await world(tmp_path)
    orphan = CdrRow("DE*UPS/C7", "S7", None, "acme", False, b"{}", "1.00", "EUR", "2", "kept", [], NOON, error="nobody is known")
    await w.store.db.write(lambda db: records.add_cdr(db, orphan))
    assert [(one.id, one.because) for one in desk(w).waiting()] == [("DE*UPS/C7", "nobody is known")]
    with pytest.raises(Unsettled, match="nobody is known"):
        await desk(w).settle("DE*UPS/C7")
    await desk(w).discard("DE*UPS/C7", "told to the operator")
    assert desk(w).waiting() == []


# --- the command

CONFIG = """
store = "bridge.sqlite"
[operators.acme]
party = "DE*ABC"
name = "Acme"
time_zone = "Europe/Berlin"
[partners.owner]
protocol = "ocpi-2.2.1"
url = "http://127.0.0.1:9/ocpi/versions"
agreements = [{ operator = "acme", tariffs = { "*" = "T1" } }]
"""


async def run(path: Path, *arguments: str) -> Result:
    (path / "bridge.toml").write_text(CONFIG)
    return await asyncio.to_thread(CliRunner().invoke, cli, ["sessions", *arguments, "--config", str(path / "bridge.toml")])


async def test_the_command_lists_and_says_why_it_cannot_settle(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner, agreements=[agreement("owner", tariffs={})])
    ident = await held(w)
    listed = await run(tmp_path, "held")
    assert ident in listed.output
    assert "names no tariff" in listed.output
    assert json.loads((await run(tmp_path, "held", "--json")).output)[0]["id"] == ident
    refused = await run(tmp_path, "settle", ident, "--tariff", "GONE")
    assert (refused.exit_code, "GONE" in refused.output) == (3, True)
    done = await run(tmp_path, "settle", ident)
    assert done.exit_code == 3  # it is billed, but the place has no address, which OCPI demands in a CDR
    assert "is kept for a person: place.address" in done.output
    assert (state(w, ident), [row.state for row in w.store.cdrs()]) == ("ended", ["refused"])
    assert "place.address" in (await run(tmp_path, "held")).output
    assert (await run(tmp_path, "settle", "nothing")).exit_code == 2


async def test_the_running_bridge_finds_what_the_command_put_into_the_outbox(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await held(w, wh=-10)
    await w.core.dispatchers["owner"].round()
    place = w.store.thing("location", "L1", operator="acme")
    assert place is not None
    body = json.loads(place.body)
    body["place"] |= {"coordinates": {"latitude": "52.5", "longitude": "13.4"},
                      "address": {"line": "Square 1", "city": "Berlin", "country": "DEU"}}  # fmt: skip
    await w.store.save_things([evolve(place, body=json.dumps(body).encode())], [], [])
    done = await run(tmp_path, "settle", ident, "--kwh", "2.5", "--start", "2026-03-02T12:00:00", "--end", "2026-03-02T13:00:00Z")
    assert done.exit_code == 0, done.output
    assert "2.5 kWh, 1.00 EUR" in done.output
    await w.core.dispatchers["owner"].round()
    (job,) = [j for j in owner.sent if j.kind is Kind.CDR]
    assert json.loads(job.body)["total_energy"] == 2.5
    assert w.store.cdrs()[0].state == "acknowledged"


async def test_the_command_shows_and_discards(tmp_path: Path) -> None:
    w = await world(tmp_path)
    ident = await held(w, wh=-400)
    for name in (ident, "1"):
        shown = await run(tmp_path, "show", name)
        assert shown.exit_code == 0
        assert "register 1000 to 600 Wh" in shown.output
        assert CARD not in shown.output
    assert (await run(tmp_path, "show", "nothing")).exit_code == 2
    assert (await run(tmp_path, "discard", ident)).exit_code == 2  # a reason is needed
    assert (await run(tmp_path, "discard", ident, "--because", " ")).exit_code == 2
    assert (await run(tmp_path, "discard", ident, "--because", "meter")).output == f"session {ident} discarded\n"
    assert (await run(tmp_path, "discard", ident, "--because", "meter")).exit_code == 2
    assert "meter" in (await run(tmp_path, "show", ident)).output


@pytest.mark.parametrize("kwh", ["-1", "NaN", "lots", "Infinity"])
async def test_energy_that_cannot_be_is_refused(tmp_path: Path, kwh: str) -> None:
    w = await world(tmp_path)
    ident = await held(w, wh=-400)
    assert (await run(tmp_path, "settle", ident, "--kwh", kwh)).exit_code == 2
    assert state(w, ident) == "held"


async def test_without_a_store_there_is_nothing_and_none_is_made(tmp_path: Path) -> None:
    assert (await run(tmp_path, "held")).exit_code == 2
    assert not (tmp_path / "bridge.sqlite").exists()
