"""Rules of mod_commands as the operator who hears them, in every version."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.common import Text
from bridge.roaming.ports import ChargerAnswer
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import BACK, LATER, NUMBERS, Peer, bridged, calling, carried_out
from tests.protocol.ocpi_world import canonical
from tests.roaming.roaming_world import FIRST, World

PLACE = {"location_id": "LOC1", "evse_uid": "ELOC11"}


@pytest.fixture(params=NUMBERS)
async def operated(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[World, Peer]]:
    """A location with a charger; the partner has given no cards."""
    async with bridged(tmp_path, request.param) as (world, peer):
        bound = {"DE*ABC*ELOC11": (FIRST.charge_point, FIRST.connector)}
        await world.core.publisher.import_locations("acme", [canonical("location", ow.location())], groups={}, bound=bound)
        yield world, peer


async def send(peer: Peer, name: str, **body: Any) -> Any:
    said = await peer("POST", peer.at("commands", name), {"response_url": BACK, **body})
    assert said.both == (200, 1000), said.body
    return said.data


# --- what a CDR could not repeat


@pytest.mark.parametrize("field", ["uid", "contract", "authorization_reference"])
@pytest.mark.parametrize("name", ["START_SESSION", "RESERVE_NOW"])
async def test_what_no_cdr_could_repeat_is_refused_before_anybody_charges(operated: tuple[World, Peer], name: str, field: str) -> None:
    world, peer = operated
    if peer.older and field == "authorization_reference":
        pytest.skip("2.1.1 has none")
    of_token = {"contract": "auth_id" if peer.older else "contract_id"}.get(field, field)
    for length, code in ((36, 1000), (37, 2001)):
        given = {of_token: "A" * length}
        card = peer.card(**given) if field != "authorization_reference" else peer.card()
        more = given if field == "authorization_reference" else {}
        later = {"reservation_id": 1 if peer.older else "R1", "expiry_date": "2026-11-01T10:30:00Z"} if name == "RESERVE_NOW" else {}
        said = await peer("POST", peer.at("commands", name), {"response_url": BACK, "token": card, **PLACE, **more, **later})
        assert said.both == (200, code), said.body
    assert of_token in said.json["status_message"]
    await carried_out(world)
    assert len(world.chargers.told) == 1


# --- two answers (rule 68)


async def test_an_accepted_command_has_one_result_and_a_refused_one_none(operated: tuple[World, Peer]) -> None:
    world, peer = operated
    accepted = await send(peer, "UNLOCK_CONNECTOR", **PLACE, connector_id="1")
    assert accepted == ({"result": "ACCEPTED"} if peer.older else {"result": "ACCEPTED", "timeout": 30})
    await carried_out(world)
    assert peer.outcomes == [(BACK, CommandOutcome(CommandResult.ACCEPTED))]
    assert (await send(peer, "UNLOCK_CONNECTOR", location_id="LOC1", evse_uid="E9", connector_id="1"))["result"] == "REJECTED"
    assert (await send(peer, "STOP_SESSION", session_id="S9"))["result"] == "UNKNOWN_SESSION"
    await carried_out(world)
    assert len(peer.outcomes) == 1


@pytest.mark.parametrize("number", NUMBERS)
async def test_the_result_is_a_bare_object_of_the_version_at_the_response_url(number: str) -> None:
    later = {r: r.value for r in CommandResult} | {CommandResult.UNKNOWN_SESSION: "REJECTED"}
    same = (CommandResult.ACCEPTED, CommandResult.NOT_SUPPORTED, CommandResult.UNKNOWN_SESSION, CommandResult.TIMEOUT)
    older = dict.fromkeys(CommandResult, "REJECTED") | {one: one.value for one in same}
    for result in CommandResult:
        async with ow.world(version=number) as world:
            partner = await world.connect()
            started = await world.sim("start", {**PLACE, "uid": next(iter(world.emsp.known.values()))["uid"]})
            ((_, _, address),) = world.core.commands
            await partner.outcome(str(address), CommandOutcome(result, (Text("Bitte warten", "de"),)))
            sent = world.heard[-1]
            assert (sent.method, sent.path) == ("POST", f"{world.emsp.path}/commands/{started['id']}")
            told = {"result": (older if world.emsp.older else later)[result]}
            message = {} if world.emsp.older else {"message": [{"language": "de", "text": "Bitte warten"}]}
            assert json.loads(sent.body) == told | message
            assert [said for said in world.rejected if "/commands" in said] == []


# --- tokens (rule 69)


@pytest.mark.parametrize("valid", [True, False])
async def test_the_token_of_a_command_is_taken_as_it_is(operated: tuple[World, Peer], valid: bool) -> None:
    """It need not be in the list, nor valid there: the provider has allowed it. At the charger nobody is asked again."""
    world, peer = operated
    if not valid:
        await peer("PUT", peer.token_url, peer.card(valid=False, whitelist="NEVER"))
    assert (await send(peer, "START_SESSION", token=peer.card(), **PLACE))["result"] == "ACCEPTED"
    await carried_out(world)
    ((what, ref, tag),) = world.chargers.told
    assert (what, ref, tag) == ("start", FIRST, "04A1B2C3")
    assert await world.sessions.authorise(FIRST.charge_point, tag) is ChargerAnswer.ACCEPTED
    assert (await world.sessions.started(FIRST, tag, 0, world.clock()))[1] is ChargerAnswer.ACCEPTED
    assert [d["reason"] for d in world.decisions()] == ["command: started by emsp"]


async def test_after_15_minutes_it_is_a_card_like_any_other(operated: tuple[World, Peer]) -> None:
    world, peer = operated
    await send(peer, "START_SESSION", token=peer.card(), **PLACE)
    await carried_out(world)
    world.clock.ahead(minutes=14, seconds=59)
    assert await world.sessions.authorise(FIRST.charge_point, "04A1B2C3") is ChargerAnswer.ACCEPTED
    world.clock.ahead(seconds=2)
    assert await world.sessions.authorise(FIRST.charge_point, "04A1B2C3") is ChargerAnswer.INVALID


@pytest.mark.parametrize("number", LATER)
@pytest.mark.parametrize("kind", ["APP_USER", "AD_HOC_USER"])
async def test_users_of_apps_are_never_asked_about(number: str, kind: str, tmp_path: Path) -> None:
    async with bridged(tmp_path, number) as (world, peer):
        bound = {"DE*ABC*ELOC11": (FIRST.charge_point, FIRST.connector)}
        await world.core.publisher.import_locations("acme", [canonical("location", ow.location())], groups={}, bound=bound)
        await send(peer, "START_SESSION", token=peer.card(uid="an-app-user-of-the-provider", type=kind), **PLACE)
        await carried_out(world)
        tag = world.chargers.told[0][2]
        assert await world.sessions.authorise(FIRST.charge_point, tag) is ChargerAnswer.ACCEPTED
        assert {d["reason"].partition(":")[0] for d in world.decisions()} == {"command"}


@pytest.mark.parametrize("number", LATER)
async def test_only_tokens_of_ones_own(number: str) -> None:
    async with calling(number) as (world, peer):
        for wrong in ({"party_id": "OTH"}, {"country_code": "FR"}):
            for name, more in (("START_SESSION", {}), ("RESERVE_NOW", {"reservation_id": "R", "expiry_date": "2026-11-01T10:30:00Z"})):
                body = {"response_url": BACK, "token": peer.card(**wrong), **PLACE, **more}
                assert (await peer("POST", peer.at("commands", name), body)).both == (200, 2001)
        assert world.core.commands == []


# --- reservations and connectors (rules 70 to 72)


async def test_the_partners_reservation_id_does_not_reach_the_charger(operated: tuple[World, Peer]) -> None:
    world, peer = operated
    until = "2026-03-02T12:30:00Z"
    for ident in (4711, 4712, 4711):
        ident_ = ident if peer.older else f"R-{ident}"
        assert (await send(peer, "RESERVE_NOW", token=peer.card(), reservation_id=ident_, expiry_date=until, **PLACE))[
            "result"
        ] == "ACCEPTED"
        await carried_out(world)
    numbers = [told[3] for told in world.chargers.told]
    assert all(isinstance(number, int) and 0 < number < 2**31 for number in numbers)
    assert not {4711, 4712} & set(numbers)
    assert numbers[0] == numbers[2] != numbers[1]  # the same one is replaced


async def test_a_connector_needs_its_evse_and_2_1_1_cancels_nothing(operated: tuple[World, Peer]) -> None:
    _, peer = operated
    if peer.older:
        said = await peer("POST", peer.at("commands", "CANCEL_RESERVATION"), {"response_url": BACK, "reservation_id": 4711})
        assert said.status == 404
        return
    start = {"response_url": BACK, "token": peer.card(), "location_id": "LOC1", "connector_id": "1"}
    assert (await peer("POST", peer.at("commands", "START_SESSION"), start)).both == (200, 2001)
    assert (await peer("POST", peer.at("commands", "START_SESSION"), start | {"evse_uid": "ELOC11"})).data["result"] == "ACCEPTED"
    await carried_out(operated[0])


async def test_commands_have_the_fields_of_the_version(operated: tuple[World, Peer]) -> None:
    _, peer = operated
    reserve = {"response_url": BACK, "token": peer.card(), "expiry_date": "2026-03-02T12:30:00Z", **PLACE}
    for ident, wrong in (("abc", peer.older), (None, True), ("", True)):
        said = await peer("POST", peer.at("commands", "RESERVE_NOW"), reserve | {"reservation_id": ident})
        assert said.both == (200, 2001 if wrong else 1000)
    await carried_out(operated[0])
