"""Whom messages to a hub are for (transport_and_format, Message Routing): the hub passes them on by their headers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.errors import Declined
from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.ids import PartyId
from bridge.model.token import TokenKind
from bridge.ocpi.adapter import OcpiPartner
from bridge.roaming.ports import AuthorisationRequest, Kind
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import LATER
from tests.protocol.ocpi_world import World, canonical, jobs
from tests.protocol.test_ocpi_credentials import THEIRS

HUB, OWNER = ("DE", "EMS"), ("NL", "XYZ")


@pytest.fixture(params=LATER)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The simulated eMSP stands for a hub: what it answers does not matter here, but what it was sent."""
    async with ow.world(version=request.param) as made:
        await made.add(token_for_them=THEIRS, hub=True)
        await made.sim("register", {"url": made.ours, "token_a": THEIRS})
        made.heard.clear()
        yield made


def receivers(world: World) -> list[tuple[str | None, str | None]]:
    return [(one.headers.get("OCPI-to-country-code"), one.headers.get("OCPI-to-party-id")) for one in world.heard]


async def send(partner: OcpiPartner, kind: Kind, obj: object) -> None:
    await partner.deliver(kind, jobs(partner, kind, obj))


async def test_sessions_and_cdrs_are_for_the_owner_of_their_token(world: World) -> None:
    of = ow.token(world.emsp) | {"country_code": OWNER[0], "party_id": OWNER[1]}
    await send(world.partner, Kind.SESSION, canonical("session", ow.session(of)))
    await send(world.partner, Kind.CDR, canonical("cdr", ow.cdr(of)))
    assert receivers(world) == [OWNER, OWNER]


async def test_locations_tariffs_and_lists_are_for_the_hub(world: World) -> None:
    await send(world.partner, Kind.LOCATION, canonical("location", ow.location()))
    await send(world.partner, Kind.TARIFF, canonical("tariff", ow.tariff()))
    async for _ in world.partner.pull_tokens(None):
        pass
    assert len(world.heard) == 3
    assert set(receivers(world)) == {HUB}


async def test_a_card_is_asked_of_its_owner_or_of_whoever_the_hub_finds(world: World) -> None:
    await world.partner.authorise(AuthorisationRequest("04AABBCC", TokenKind.RFID, provider=PartyId(*OWNER)))
    await world.partner.authorise(AuthorisationRequest("04AABBCC", TokenKind.RFID))
    assert receivers(world) == [OWNER, (None, None)]
    assert {one.headers.get("OCPI-from-party-id") for one in world.heard} == {"ABC"}


async def test_the_result_of_a_command_is_for_who_sent_it(world: World) -> None:
    address = world.partner.answer_to(f"{world.emsp.url}{world.emsp.path}/commands/nobody-sent-it", OWNER)
    with pytest.raises(Declined):
        await world.partner.outcome(address, CommandOutcome(CommandResult.ACCEPTED))
    assert receivers(world) == [OWNER]
    assert world.heard[0].path.endswith("/commands/nobody-sent-it")


async def test_a_direct_peer_is_addressed_by_its_own_party_alone() -> None:
    async with ow.world(version="2.2.1") as world:
        await world.add(token_for_them=THEIRS)
        await world.sim("register", {"url": world.ours, "token_a": THEIRS})
        world.heard.clear()
        of = ow.token(world.emsp) | {"party_id": "OTH"}
        await send(world.partner, Kind.CDR, canonical("cdr", ow.cdr(of)))
        await world.partner.authorise(AuthorisationRequest("04AABBCC", TokenKind.RFID, provider=PartyId("NL", "XYZ")))
        assert set(receivers(world)) == {HUB}
        assert world.partner.answer_to("https://x/1", OWNER) == "https://x/1"
