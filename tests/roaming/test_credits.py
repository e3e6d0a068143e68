"""Credit CDRs: what a partner has is taken back and replaced, in order, once, and only where the protocol can say it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from bridge.cli import cli
from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.model.common import Price
from bridge.model.token import Allowed
from bridge.roaming.audit import Unsettled
from bridge.roaming.billing import ByHand
from bridge.roaming.credits import Credits, NotCredited
from bridge.roaming.held import Desk
from bridge.roaming.ports import Kind, Rejected, Retry
from bridge.roaming.storage import CdrRow
from bridge.store import records
from tests.roaming.roaming_world import CARD, NOON, Asked, World, tariff, token
from tests.roaming.test_held import CONFIG


async def world(path: Path, owner: Asked | None = None) -> World:
    made = World(path, [owner or Asked("owner", Allowed.ALLOWED)])
    await made.import_all()
    await made.core.tokens("owner", [token()])
    return made


def desk(w: World) -> Credits:
    return Credits(w.store, w.partners, w.core.billing, w.clock)


async def deliver(w: World) -> None:
    """Until nothing is due."""
    while await w.core.dispatchers["owner"].round():
        pass


async def acknowledged(w: World) -> str:
    """A CDR that the partner has."""
    await w.charge()
    await deliver(w)
    row = w.store.cdrs()[-1]
    assert row.state == "acknowledged"
    return row.id


def sent(owner: Asked) -> list[Cdr]:
    return [model_json.from_json(Cdr, orjson.loads(j.body)) for j in owner.sent if j.kind is Kind.CDR]


def states(w: World) -> list[str]:
    return [row.state for row in w.store.cdrs()]


async def test_a_credit_is_the_original_with_its_total_negated(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await acknowledged(w)
    w.clock.ahead(days=1)
    done = await desk(w).credit(ident, "a wrong tariff")
    await deliver(w)
    one, other = sent(owner)
    assert one.total_cost == Price(Decimal("4.00"), Decimal("4.76"))
    assert (other.credit, other.credit_reference_id, other.total_cost) == (True, one.id, Price(Decimal("-4.00"), Decimal("-4.76")))
    assert (other.id, len(str(other.id)) <= 39, other.last_updated) == (f"{ident}C", True, w.clock())
    assert evolve(other, id=one.id, credit=None, credit_reference_id=None, total_cost=one.total_cost, last_updated=one.last_updated) == one
    assert (states(w), done.credit.credits, done.replacement) == (["acknowledged", "acknowledged"], ident, None)
    assert [h["detail"] for h in w.history("CDR credited")] == [f"by {ident}C: a wrong tariff"]


async def test_a_replacement_follows_settled_anew(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await acknowledged(w)
    await w.core.publisher.import_tariffs("acme", [tariff(), tariff("0.10", "OTHER")])
    by_hand = ByHand("OTHER", Decimal(7), NOON, NOON + timedelta(minutes=30))
    done = await desk(w).credit(ident, "the meter", by_hand)
    await deliver(w)
    _, _, new = sent(owner)
    assert (new.id, new.credit, new.credit_reference_id) == (f"{ident}R1", None, None)
    assert (new.total_energy, new.total_time, new.total_cost) == (Decimal(7), Decimal("0.5"), Price(Decimal("0.70"), Decimal("0.83")))
    assert done.replacement is not None
    assert done.replacement.replaces == ident
    again = await desk(w).credit(f"{ident}R1", "still wrong", ByHand())  # a replacement is a CDR like any other
    await deliver(w)
    assert again.replacement is not None
    assert [c.id for c in sent(owner)[3:]] == [f"{ident}R1C", f"{ident}R2"]
    assert sent(owner)[-1].total_energy == Decimal(10)
    balance = sum((c.total_cost.excl or Decimal(0) for c in sent(owner) if c.total_cost is not None), Decimal(0))
    assert balance == Decimal("4.00")


async def test_each_waits_until_what_comes_before_it_was_acknowledged(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await acknowledged(w)
    await desk(w).credit(ident, "wrong", ByHand())
    owner.answers = [Retry("silence", 0.0, sent=True), Retry("silence", 0.0, sent=True)]
    await w.core.dispatchers["owner"].round()
    assert [c.id for c in sent(owner)[1:]] == [f"{ident}C"]
    assert states(w) == ["acknowledged", "uncertain", "waiting"]
    w.restart()
    await deliver(w)
    tries = [j.body for j in owner.sent if j.key == f"{ident}C"]
    assert len(tries) == 3
    assert len(set(tries)) == 1  # the same bytes however often
    assert [c.id for c in sent(owner)][-2:] == [f"{ident}C", f"{ident}R1"]
    assert states(w) == ["acknowledged"] * 3


async def test_what_follows_a_refused_credit_waits_for_a_person(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await acknowledged(w)
    await desk(w).credit(ident, "wrong", ByHand())
    owner.answers = [Rejected("no credits here", "2001")]
    await deliver(w)
    assert states(w) == ["acknowledged", "refused", "waiting"]
    held = Desk(w.store, w.partners, w.core.billing)
    await held.settle(f"{ident}C")
    await deliver(w)
    assert states(w) == ["acknowledged"] * 3


async def test_with_a_discarded_credit_its_replacement_is_discarded(tmp_path: Path) -> None:
    """The original stands then: the session would be billed twice."""
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await acknowledged(w)
    await desk(w).credit(ident, "wrong", ByHand())
    owner.answers = [Rejected("no credits here", "2001")]
    await deliver(w)
    await Desk(w.store, w.partners, w.core.billing).discard(f"{ident}C", "settled by invoice")
    await deliver(w)
    assert states(w) == ["acknowledged", "discarded", "discarded"]
    assert len(sent(owner)) == 2
    assert await w.core.find("owner", Kind.CDR, f"{ident}R1") is None
    assert {h["ref"] for h in w.history("CDR discarded")} == {f"{ident}C", f"{ident}R1"}


# --- what is refused


async def test_a_cdr_is_credited_once(tmp_path: Path) -> None:
    w = await world(tmp_path)
    ident = await acknowledged(w)
    done = await desk(w).credit(ident, "wrong")
    for other, because in ((ident, "credited already"), (f"{ident}C", "is itself the credit"), ("nothing", "no CDR nothing")):
        with pytest.raises(NotCredited, match=because):
            await desk(w).credit(other, "again")
    assert not await w.store.correct([evolve(done.credit, id="X", session="X")], [], [])
    assert len(w.store.cdrs()) == 2


@pytest.mark.parametrize(("answer", "because"), [
    (None, "does not have it yet"), (Retry("silence", 900.0, sent=True), "not known yet"), (Rejected("no"), "has not taken it"),
])  # fmt: skip
async def test_before_it_is_acknowledged_there_is_no_credit(tmp_path: Path, answer: Retry | Rejected | None, because: str) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    await deliver(w)
    await w.charge()
    if answer is not None:
        owner.kinds = frozenset({Kind.CDR})
        jobs = [j for j in await w.store.claim("owner", 99) if j.kind is Kind.CDR]
        await w.store.settle([(j, answer) for j in jobs])
    with pytest.raises(NotCredited, match=because):
        await desk(w).credit(w.store.cdrs()[0].id, "wrong")
    assert len(w.store.cdrs()) == 1


@pytest.mark.parametrize(("format_", "because"), [
    ("oicp-2.3", "one CDR per session"), ("ocpi-2.1.1", "out of band"), ("ochp-1.4", "revises"),
])  # fmt: skip
async def test_where_the_protocol_has_no_credits_there_is_none(tmp_path: Path, format_: str, because: str) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await acknowledged(w)
    owner.format = format_
    with pytest.raises(NotCredited, match=because):
        await desk(w).credit(ident, "wrong")
    assert len(w.store.cdrs()) == 1


async def test_what_cannot_be_written_or_settled_changes_nothing(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    ident = await acknowledged(w)
    with pytest.raises(Unsettled, match="GONE"):
        await desk(w).credit(ident, "wrong", ByHand("GONE"))
    owner.writes = lambda cdr: evolve(cdr, total_cost=Price(Decimal("4.00"), Decimal("4.76")))
    with pytest.raises(Unsettled, match="total_cost"):  # the audit reads what the partner would read
        await desk(w).credit(ident, "wrong")
    owner.fault = Refused("id", "too long")
    with pytest.raises(Unsettled, match="too long"):
        await desk(w).credit(ident, "wrong")
    assert (states(w), w.history("CDR credited")) == (["acknowledged"], [])


async def test_an_upstream_operators_cdr_is_its_own_to_credit(tmp_path: Path) -> None:
    w = await world(tmp_path)
    body = orjson.dumps(model_json.to_json(Cdr()))
    theirs = CdrRow("DE*UPS/C7", "DE*UPS/C7", "owner", "acme", False, body, "1.00", "EUR", "2", "acknowledged", [], NOON)
    await w.store.db.write(lambda db: records.add_cdr(db, theirs))
    with pytest.raises(NotCredited, match="upstream"):
        await desk(w).credit("DE*UPS/C7", "wrong")


# --- the command


async def run(path: Path, *arguments: str) -> Result:
    (path / "bridge.toml").write_text(CONFIG)
    return await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, "--config", str(path / "bridge.toml")])


async def complete(w: World) -> None:
    """What OCPI demands of the place of a CDR."""
    place = w.store.thing("location", "L1", operator="acme")
    assert place is not None
    body = json.loads(place.body)
    body["place"] |= {"coordinates": {"latitude": "52.5", "longitude": "13.4"},
                      "address": {"line": "Square 1", "city": "Berlin", "country": "DEU"}}  # fmt: skip
    await w.store.save_things([evolve(place, body=json.dumps(body).encode())], [], [])


async def test_the_command_credits_and_why_tells_of_it(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    await complete(w)
    ident = await acknowledged(w)
    done = await run(tmp_path, "cdr", "credit", ident, "--because", "a wrong meter", "--replace", "--kwh", "2.5")
    assert done.exit_code == 0, done.output
    assert f"CDR {ident} credited: CDR {ident}C for owner: waiting, 10 kWh, -4.00 EUR" in done.output
    assert f"CDR {ident} replaced: CDR {ident}R1 for owner: waiting, 2.5 kWh, 1.00 EUR" in done.output
    await deliver(w)
    wire = [json.loads(j.body) for j in owner.sent if j.kind is Kind.CDR][1:]  # the first is the test partner's own writing
    assert [(c["id"], c.get("credit"), c.get("credit_reference_id")) for c in wire] == [
        (f"{ident}C", True, ident),
        (f"{ident}R1", None, None),
    ]
    assert wire[0]["total_cost"] == {"excl_vat": -4.0, "incl_vat": -4.76}
    assert (wire[0]["total_energy"], wire[0]["total_energy_cost"]["excl_vat"]) == (10, 4.0)
    session = w.store.cdrs()[0].session
    for asked in (("--session", session), ("--reference", ident), ("--reference", f"{ident}C"), ("--reference", f"{ident}R1")):
        told = (await run(tmp_path, "why", *asked)).output
        assert f"CDR {ident}C, credits {ident} for owner: acknowledged" in told
        assert f"CDR {ident}R1, replaces {ident} for owner: acknowledged" in told
        assert f"by {ident}C: a wrong meter" in told
        assert told.count(f"session {session}") == 1
        assert CARD not in told
    assert ident in (await run(tmp_path, "sessions", "show", f"{ident}R1")).output
    again = await run(tmp_path, "cdr", "credit", ident, "--because", "again")
    assert (again.exit_code, "credited already" in again.output) == (2, True)


@pytest.mark.parametrize("arguments", [(), ("--because", " "), ("--because", "x", "--kwh", "1")])
async def test_the_command_needs_a_reason_and_what_it_is_about(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    w = await world(tmp_path)
    ident = await acknowledged(w)
    assert (await run(tmp_path, "cdr", "credit", ident, *arguments)).exit_code == 2
    assert len(w.store.cdrs()) == 1
