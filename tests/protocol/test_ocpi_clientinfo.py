"""HubClientInfo over OCPI: a hub that tells us, and we as a hub (rules 78, 79, 80 and 84)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from bridge.errors import Declined, Refused, Unreachable
from bridge.model.ids import PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.ocpi.adapter import Quirks
from bridge.ocpi.client_map import encoded
from bridge.ocpi.version import V211, V221, V230, Version
from bridge.roaming.ports import Kind
from bridge.simulate.emsp_partner import Operator
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import World, canonical, cdr, jobs, session

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
XYZ = PartyId("DE", "XYZ")
TOLD = {"country_code": "DE", "party_id": "XYZ", "role": "EMSP", "status": "OFFLINE", "last_updated": "2026-03-02T12:00:00Z"}
INFO = ClientInfo(XYZ, Role.EMSP, ConnectionStatus.OFFLINE, NOON)


@pytest.fixture(params=[V221, V230], ids=repr)
def version(request: pytest.FixtureRequest) -> Version:
    found: Version = request.param
    return found


@pytest.fixture
async def hub(version: Version) -> AsyncIterator[World]:
    """A hub that we have joined."""
    async with ow.world(version=version.number, hub=True) as made:
        await made.connect(hub=True)
        yield made
        assert made.rejected == []


@pytest.fixture
async def peer(version: Version) -> AsyncIterator[World]:
    """A platform for which we are a hub."""
    async with ow.world(version=version.number) as made:
        await made.connect(tells_clients=True)
        yield made
        assert made.rejected == []


async def raw(world: World, method: str, url: str, body: Any = None, **params: str) -> tuple[int, int, Any]:
    """A request to us: HTTP status, OCPI status, data."""
    operator = Operator(world.emsp)
    try:
        status, envelope, _ = await operator.call(method, url, body, params=params or None, functional=False)
    finally:
        await operator.close()
    return status, envelope["status_code"], envelope.get("data")


def where(world: World, role: str) -> str:
    return world.emsp.endpoints["hubclientinfo", role]


# --- who is offered what


async def test_interfaces_by_what_each_side_is() -> None:
    wanted: list[tuple[dict[str, Any], set[str]]] = [({}, set()), ({"hub": True}, {"RECEIVER"}), ({"tells_clients": True}, {"SENDER"}),
                                                     ({"hub": True, "tells_clients": True}, {"SENDER", "RECEIVER"})]  # fmt: skip
    for settings, roles in wanted:
        async with ow.world() as made:
            await made.connect(**settings)
            assert {role for module, role in made.emsp.endpoints if module == "hubclientinfo"} == roles
    async with ow.world(version="2.1.1") as made:
        await made.connect(hub=True, tells_clients=True)
        assert not [module for module, _ in made.emsp.endpoints if module == "hubclientinfo"]


async def test_who_is_no_hub_tells_nothing() -> None:
    async with ow.world() as made:
        await made.connect()
        below = made.emsp.endpoints["tokens", "RECEIVER"].removesuffix("/tokens")
        assert (await raw(made, "PUT", f"{below}/hubclientinfo/DE/XYZ", TOLD))[0] == 404
        assert made.core.clients == {}


# --- a hub tells us


async def test_a_hub_puts_and_gets_what_it_told(hub: World) -> None:
    assert (await hub.sim("client", TOLD))["status"] == 201
    assert hub.core.clients == {("emsp", "DEXYZ"): INFO}
    assert (await hub.sim("client", TOLD | {"status": "CONNECTED", "last_updated": "2026-03-02T12:00:01Z"}))["status"] == 200
    assert hub.core.clients["emsp", "DEXYZ"].status is ConnectionStatus.CONNECTED
    status, code, data = await raw(hub, "GET", f"{where(hub, 'RECEIVER')}/de/xyz")
    assert (status, code) == (200, 1000)
    assert data == TOLD | {"status": "CONNECTED", "last_updated": "2026-03-02T12:00:01Z"}
    assert (await raw(hub, "GET", f"{where(hub, 'RECEIVER')}/FR/OTH"))[:2] == (404, 2000)


async def test_one_without_a_time_is_of_now(hub: World) -> None:
    """The specification's own example has none."""
    before = datetime.now(UTC).replace(microsecond=0)
    told = {name: value for name, value in TOLD.items() if name != "last_updated"}
    assert (await raw(hub, "PUT", f"{where(hub, 'RECEIVER')}/DE/XYZ", told))[0] == 201
    assert hub.core.clients["emsp", "DEXYZ"].last_updated >= before


@pytest.mark.parametrize(
    ("path", "change"),
    [("DE/ABC", {}), ("FR/XYZ", {}), ("DE/XYZ", {"status": "GONE"}), ("DE/XYZ", {"role": None}), ("DE/XYZ", {"party_id": "TOOLONG"}),
     ("DE/XYZ", {"country_code": None}), ("DE/TOOLONG", {}), ("D1/XYZ", {})],
)  # fmt: skip
async def test_what_is_wrong_is_said(hub: World, path: str, change: dict[str, Any]) -> None:
    assert (await raw(hub, "PUT", f"{where(hub, 'RECEIVER')}/{path}", TOLD | change))[:2] == (200, 2001)
    assert hub.core.clients == {}


async def test_other_methods_are_not_defined(hub: World) -> None:
    for method in ("PATCH", "POST", "DELETE"):
        assert (await raw(hub, method, f"{where(hub, 'RECEIVER')}/DE/XYZ", {}))[0] == 405


async def test_the_hubs_list_is_pulled_page_by_page(hub: World) -> None:
    for number in range(3):
        hub.emsp.behind["DE", f"P{number}", "EMSP"] = TOLD | {"party_id": f"P{number}"}
    hub.emsp.behind["", "", ""] = {"status": "nothing that could be read"}
    found = [one async for batch in hub.partner.pull_clients() for one in batch]
    assert found == [ClientInfo(PartyId("DE", f"P{n}"), Role.EMSP, ConnectionStatus.OFFLINE, NOON) for n in range(3)]


async def test_a_hub_without_a_list(hub: World) -> None:
    hub.emsp.trouble.nonsense, hub.emsp.trouble.count = True, 1
    with pytest.raises(Unreachable):
        [one async for one in hub.partner.pull_clients()]
    async with ow.world() as made:
        partner = await made.connect(hub=True)
        with pytest.raises(Declined) as caught:
            [one async for one in partner.pull_clients()]
        assert caught.value.code == "no-endpoint"


# --- routing through a hub


def driver(world: World) -> dict[str, Any]:
    """A card of a provider behind the hub."""
    card = ow.token(world.emsp) | {"country_code": "DE", "party_id": "XYZ"}
    world.emsp.behind["DE", "XYZ", "EMSP"] = TOLD | {"status": "CONNECTED"}
    for known in world.emsp.known.values():
        known.update(country_code="DE", party_id="XYZ")
    return card


def addressed(world: World, module: str) -> list[str]:
    return [to for _, path, to in world.emsp.addressed if f"/{module}" in path]


async def test_sessions_and_cdrs_are_for_the_provider_and_all_else_is_for_the_hub(hub: World) -> None:
    card = driver(hub)
    sent = [(Kind.LOCATION, canonical("location", ow.location())), (Kind.SESSION, canonical("session", session(card))),
            (Kind.CDR, canonical("cdr", cdr(card)))]  # fmt: skip
    for kind, obj in sent:
        made = jobs(hub.partner, kind, obj)
        assert made[0].meta.get("to") == (None if kind is Kind.LOCATION else ["DE", "XYZ"])
        outcomes = await hub.partner.deliver(kind, made)
        assert type(outcomes[0]).__name__ == "Delivered", outcomes
    assert addressed(hub, "locations") == ["DE*EMS"]
    assert addressed(hub, "sessions") == ["DE*XYZ"]
    assert addressed(hub, "cdrs") == ["DE*XYZ"]


async def test_a_hub_that_wants_them_for_itself_and_a_peer_that_is_none() -> None:
    for settings in ({"hub": True, "quirks": Quirks(to_hub=True)}, {}):
        async with ow.world(hub=True) as made:
            partner = await made.connect(**settings)
            outcomes = await partner.deliver(Kind.SESSION, jobs(partner, Kind.SESSION, canonical("session", session(driver(made)))))
            assert type(outcomes[0]).__name__ == "Delivered", outcomes
            assert addressed(made, "sessions") == ["DE*EMS"]


# --- we are the hub


async def test_changes_are_put_without_routing_headers(peer: World) -> None:
    for status in ("OFFLINE", "CONNECTED"):
        one = ClientInfo(XYZ, Role.CPO, ConnectionStatus(status), NOON)
        (outcome,) = await peer.partner.deliver(Kind.CLIENT, jobs(peer.partner, Kind.CLIENT, one))
        assert type(outcome).__name__ == "Delivered"
        assert peer.emsp.reached["DE", "XYZ"] == TOLD | {"role": "CPO", "status": status}


async def test_the_list_is_fetched_with_pages_and_filters(peer: World) -> None:
    for number in range(3):
        made = peer.partner.encode(Kind.CLIENT, ClientInfo(PartyId("DE", f"P{number}"), Role.CPO, ConnectionStatus.CONNECTED, NOON))
        peer.core.keep(Kind.CLIENT, made[0], f"2026-03-02T1{number}:00:00+00:00")
    found = (await peer.sim("pull", {"module": "hubclientinfo", "limit": 2}))["objects"]
    assert [one["party_id"] for one in found] == ["P0", "P1", "P2"]
    found = (await peer.sim("pull", {"module": "hubclientinfo", "date_from": "2026-03-02T11:00:00Z", "date_to": "2026-03-02T12:00:00Z"}))[
        "objects"
    ]
    assert [one["party_id"] for one in found] == ["P1"]


async def test_a_peer_that_takes_no_pushes_may_fetch(peer: World) -> None:
    state = peer.partner.registration.state
    peer.partner.registration.state = evolve(state, endpoints=tuple(e for e in state.endpoints if e.identifier != "hubclientinfo"))
    (outcome,) = await peer.partner.deliver(Kind.CLIENT, jobs(peer.partner, Kind.CLIENT, INFO))
    assert type(outcome).__name__ == "Delivered"
    assert peer.emsp.reached == {}


def test_what_a_version_cannot_say_is_refused() -> None:
    as_hub = ClientInfo(XYZ, Role.HUB, ConnectionStatus.CONNECTED, NOON)
    assert encoded(as_hub, V221).meta == {"country_code": "DE", "party_id": "XYZ"}
    for info, version in ((as_hub, V230), (INFO, V211)):
        with pytest.raises(Refused):
            encoded(info, version)


# --- is it there?


async def test_parties_and_standing_of_a_partner(peer: World) -> None:
    partner = peer.partner
    assert partner.clients == [(PartyId("DE", "EMS"), Role.EMSP)]
    assert partner.standing == "CONNECTED"
    await partner.registration.forget()
    assert partner.standing == "SUSPENDED"
    fresh = await peer.add("fresh", parties=frozenset({"DE*NEW"}))
    assert (fresh.clients, fresh.standing) == ([(PartyId("DE", "NEW"), Role.EMSP)], ConnectionStatus.PLANNED)


async def test_a_sign_of_life_is_a_get_of_the_versions(peer: World) -> None:
    partner = peer.partner
    partner.client.heard_at -= 1000
    assert partner.silent >= 1000
    await partner.still_alive()
    assert partner.silent < 1000
    peer.emsp.trouble.status, peer.emsp.trouble.count = 503, 1
    with pytest.raises(Unreachable):
        await partner.still_alive()


async def test_a_call_of_the_partner_is_a_sign_of_life(peer: World) -> None:
    peer.partner.client.heard_at -= 1000
    await peer.sim("pull", {"module": "locations"})
    assert peer.partner.silent < 1000
