"""Rules of mod_sessions and mod_cdrs as the operator who owns them: from the charger to what a partner gets, by the real core."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.codec.lenient import walk
from bridge.errors import Refused
from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.roaming.ports import ChargerAnswer, Kind
from bridge.translate.files import encode
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import BACK, LATER, NUMBERS, TIME, Peer, bridged, carried_out
from tests.protocol.ocpi_world import canonical, jobs
from tests.roaming.roaming_world import FIRST, World

CARD = "04A1B2C3"
SINCE = "?date_from=2020-01-01T00:00:00Z"


@pytest.fixture(params=LATER)
async def charging(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[World, Peer]]:
    """A location with a charger, and the partner's card."""
    async with bridged(tmp_path, request.param) as (world, peer):
        await load(world)
        assert (await peer("PUT", peer.token_url, peer.card())).status == 201
        yield world, peer


async def load(world: World, **changes: Any) -> None:
    bound = {"DE*ABC*ELOC11": (FIRST.charge_point, FIRST.connector)}
    await world.core.publisher.import_locations("acme", [canonical("location", ow.location(**changes))], groups={}, bound=bound)


async def got(peer: Peer, module: str) -> dict[str, Any]:
    (one,) = (await peer("GET", peer.at(module) + SINCE)).data
    found: dict[str, Any] = one
    return found


def seconds(moment: Any) -> str:
    return str(moment.isoformat()).replace("+00:00", "Z")


# --- sessions


async def test_a_session_is_active_from_its_start_and_completed_for_good(charging: tuple[World, Peer]) -> None:
    world, peer = charging
    began = world.clock()
    number, answer = await world.sessions.started(FIRST, CARD, 1000, began)
    assert answer is ChargerAnswer.ACCEPTED
    session = await got(peer, "sessions")
    told = {name: session[name] for name in ("status", "start_date_time", "kwh", "auth_method", "location_id", "evse_uid", "connector_id")}
    assert told == {"status": "ACTIVE", "start_date_time": seconds(began), "kwh": 0, "auth_method": "WHITELIST", "location_id": "LOC1",
                    "evse_uid": "ELOC11", "connector_id": "1"}  # fmt: skip
    assert session["cdr_token"] == {name: peer.card()[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}
    assert not {"end_date_time", "total_cost"} & session.keys()
    ended = world.clock.ahead(hours=1)
    await world.sessions.stopped(FIRST.charge_point, number, 11_000, ended, "Local", CARD, [])
    final = await got(peer, "sessions")
    assert (final["status"], final["kwh"], final["end_date_time"]) == ("COMPLETED", 10, seconds(ended))
    await world.sessions.stopped(FIRST.charge_point, number, 99_000, world.clock.ahead(hours=1), "Local", CARD, [])
    assert await got(peer, "sessions") == final


async def test_what_the_provider_gave_with_a_command_goes_into_session_and_cdr(charging: tuple[World, Peer]) -> None:
    world, peer = charging
    app = peer.card(uid="app-user-of-many-characters", type="APP_USER")
    start = {"response_url": BACK, "token": app, "location_id": "LOC1", "evse_uid": "ELOC11", "authorization_reference": "REF-1"}
    assert (await peer("POST", peer.at("commands", "START_SESSION"), start)).data["result"] == "ACCEPTED"
    await carried_out(world)
    ((_, ref, tag),) = world.chargers.told
    number, _ = await world.sessions.started(ref, tag, 0, world.clock())
    await world.sessions.stopped(ref.charge_point, number, 5000, world.clock.ahead(hours=1), "Remote", None, [])
    for module in ("sessions", "cdrs"):
        one = await got(peer, module)
        assert (one["auth_method"], one["authorization_reference"]) == ("COMMAND", "REF-1")
        assert one["cdr_token"] == {name: app[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}


@pytest.mark.parametrize("number", LATER)
async def test_sessions_go_out_whole_by_put(number: str) -> None:
    async with ow.world(version=number) as world:
        partner = await world.connect()
        of = ow.token(world.emsp)
        period = {"start_date_time": "2026-11-01T12:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1.5}]}
        ended = {"status": "COMPLETED", "end_date_time": "2026-11-01T13:00:00Z", "last_updated": "2026-11-01T13:00:00Z"}
        states = [ow.session(of, charging_periods=[period]), ow.session(of, kwh=4, **ended)]
        for state in states:
            await partner.deliver(Kind.SESSION, jobs(partner, Kind.SESSION, canonical("session", state)))
            sent = world.heard[-1]
            assert (sent.method, sent.path) == ("PUT", f"{world.emsp.path}/sessions/DE/ABC/S1")
            assert json.loads(sent.body) == state == world.emsp.sessions["DE", "ABC", "S1"]  # periods that are left out are gone
        assert world.rejected == []


@pytest.mark.parametrize("number", NUMBERS)
def test_what_truly_cannot_be_told_is_na_since_2_2(number: str) -> None:
    of = {"country_code": "DE", "party_id": "EMS", "uid": "04A1", "type": "RFID", "contract_id": "DE-EMS-C1"}
    known = canonical("session", ow.session(of))
    bare = evolve(known, location_id=None, connector_id=None)
    entry = registry.find(f"ocpi-{number}", "session")
    bound = entry.mapping.bind(Settings(), entry.format)
    if number == "2.1.1":
        with pytest.raises(Refused):
            bound.to_wire(bare)
        return
    made = json.loads(encode(bound.to_wire(bare)[0]))
    assert (made["location_id"], made["connector_id"], made["evse_uid"]) == ("#NA", "#NA", "ELOC11")
    assert "#NA" not in encode(bound.to_wire(known)[0]).decode()


# --- CDRs


async def test_a_cdr_never_changes_and_is_of_the_tariff_and_token_of_the_start(charging: tuple[World, Peer]) -> None:
    world, peer = charging
    number, _ = await world.sessions.started(FIRST, CARD, 0, world.clock())
    await world.core.publisher.import_tariffs("acme", [canonical("tariff", dearer := ow.tariff())])
    dearer["elements"][0]["price_components"][0]["price"] = 9.99
    await world.core.publisher.import_tariffs("acme", [canonical("tariff", dearer)])
    await peer("PUT", peer.token_url, peer.card(contract_id="DE-EMS-C00000099"))
    await world.sessions.stopped(FIRST.charge_point, number, 10_000, world.clock.ahead(hours=1), "Local", CARD, [])
    made = await got(peer, "cdrs")
    assert made["total_cost"]["excl_vat" if peer.number == "2.2.1" else "before_taxes"] == 4.5
    assert made["cdr_token"]["contract_id"] == "DE-EMS-C00000001"
    await load(world, name="Renamed", last_updated="2026-11-09T10:00:00Z")
    await peer("PATCH", peer.token_url, {"valid": False, "last_updated": "2026-11-09T10:00:00Z"})
    assert await got(peer, "cdrs") == made
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert (await peer(method, peer.at("cdrs"), made)).both == (405, 2000)


async def test_a_cdr_of_ours_keeps_the_rules_of_its_fields(charging: tuple[World, Peer]) -> None:
    world, peer = charging
    seen = set()
    for _ in range(3):
        await world.charge(CARD)
        world.clock.ahead(minutes=1)
    sessions = [one["id"] for one in (await peer("GET", peer.at("sessions") + SINCE)).data]
    cdrs = (await peer("GET", peer.at("cdrs"))).data
    assert [cdr["session_id"] for cdr in cdrs] == sessions
    for cdr in cdrs:
        assert len(cdr["id"]) <= 36
        seen.add(cdr["id"].upper())
        assert not {"credit", "credit_reference_id"} & cdr.keys()
        dimensions = {d["type"] for p in cdr["charging_periods"] for d in p["dimensions"]}
        assert dimensions
        assert not dimensions & {"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"}
        energy = sum(Decimal(str(d["volume"])) for p in cdr["charging_periods"] for d in p["dimensions"] if d["type"] == "ENERGY")
        assert energy == Decimal(str(cdr["total_energy"]))
    assert len(seen) == 3


async def test_numbers_and_times_of_ours_are_written_as_the_types_say(charging: tuple[World, Peer]) -> None:
    world, peer = charging
    await world.charge(CARD, wh=12_345, seconds=3601)
    for module in ("locations", "tariffs", "sessions", "cdrs"):
        for path, value in leaves(await got(peer, module)):
            if isinstance(value, float | int) and not isinstance(value, bool):
                assert round(value, 4) == value, (module, path, value)
            elif path.endswith(("date_time", "last_updated")):
                assert TIME.fullmatch(value), (module, path, value)


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, one in value.items() for leaf in leaves(one, f"{path}.{name}")]
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one, f"{path}[]")]
    return [(path, value)]


@pytest.mark.parametrize("number", LATER)
def test_a_credit_cdr_is_told_with_what_it_takes_back(number: str) -> None:
    of = {"country_code": "DE", "party_id": "EMS", "uid": "04A1", "type": "RFID", "contract_id": "DE-EMS-C1"}
    cost = {"excl_vat": -4.5, "incl_vat": -5.36}
    credit = canonical("cdr", ow.cdr(of, "C1-" + "X" * 36, credit=True, credit_reference_id="C1", total_cost=cost))
    entry = registry.find(f"ocpi-{number}", "cdr")
    bound = entry.mapping.bind(Settings(), entry.format)
    made = json.loads(encode(bound.to_wire(credit)[0]))
    assert (made["id"], made["credit"], made["credit_reference_id"]) == ("C1-" + "X" * 36, True, "C1")
    vat = {"before_taxes": -4.5, "taxes": [{"name": "VAT", "amount": -0.86}]}
    assert made["total_cost"] == (cost if number == "2.2.1" else vat)
    assert made["total_energy"] == 10
    back = bound.to_canon(walk(entry.mapping.wire, made).value)[0]
    assert (back.credit, back.credit_reference_id, back.total_cost.excl) == (True, "C1", Decimal("-4.5"))


def test_a_time_that_nobody_knows_is_read_as_it_is_agreed() -> None:
    of = {"country_code": "DE", "party_id": "EMS", "uid": "04A1", "type": "RFID", "contract_id": "DE-EMS-C1"}
    read = canonical("cdr", ow.cdr(of, start_date_time="1970-1-1T00:00:00Z"))
    assert read.start.isoformat() == "1970-01-01T00:00:00+00:00"
