"""Parties behind a hub: who is away is asked nothing, and what is for it waits until it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.model.ids import PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.model.token import Allowed, Whitelist
from bridge.roaming import hubs
from bridge.roaming.authorise import Route
from bridge.roaming.ports import TO, Encoded, Kind
from tests.roaming.roaming_world import CARD, NOON, Asked, Told, World, token

XYZ = PartyId("DE", "XYZ")
OTHER = PartyId("FR", "OTH")
CONNECTED, OFFLINE, PLANNED, SUSPENDED = ConnectionStatus
AWAY = [OFFLINE, PLANNED, SUSPENDED]


def info(status: ConnectionStatus, at: datetime = NOON, party: PartyId = XYZ, role: Role = Role.EMSP) -> ClientInfo:
    return ClientInfo(party, role, status, at)


class Hub(Asked):
    """A hub, which says for which provider a session or CDR is."""

    hub = True

    def __init__(self, name: str = "hub", says: Allowed = Allowed.ALLOWED) -> None:
        super().__init__(name, says)
        self.pages: list[list[ClientInfo] | Exception] = []
        self.pulls = 0

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        made = super().encode(kind, obj)
        party = obj.token.party if kind in (Kind.SESSION, Kind.CDR) else None
        return [evolve(one, meta={TO: [party.country_code, party.party_id]}) for one in made] if party is not None else made

    async def pull_clients(self) -> AsyncIterator[list[ClientInfo]]:
        self.pulls += 1
        for page in self.pages:
            if isinstance(page, Exception):
                raise page
            yield page


async def world(path: Path, hub: Told | None = None, whitelist: Whitelist = Whitelist.NEVER, **options: Any) -> World:
    made = World(path, [hub or Hub()], **options)
    await made.import_all()
    await made.core.tokens("hub", [token(whitelist=whitelist)])
    return made


def hub(w: World) -> Hub:
    one = w.partners["hub"]
    assert isinstance(one, Hub)
    return one


async def delivered(w: World) -> list[Kind]:
    """What goes out now."""
    before = len(hub(w).sent)
    while await w.core.dispatchers["hub"].round():
        pass
    return [job.kind for job in hub(w).sent[before:]]


# --- who is away


async def test_who_is_away_by_what_the_hub_told_last(tmp_path: Path) -> None:
    w = await world(tmp_path)
    assert w.core.hubs.away("hub", XYZ) is None, "nothing is known"
    for minute, status in enumerate([OFFLINE, CONNECTED, PLANNED, SUSPENDED]):
        await w.core.client("hub", info(status, NOON + timedelta(minutes=minute)))
        assert w.core.hubs.away("hub", XYZ) == (None if status is CONNECTED else status)
    assert w.core.hubs.away("hub", PartyId("de", "xyz")) is SUSPENDED
    assert w.core.hubs.away("hub", OTHER) is None
    assert w.core.hubs.away("hub", None) is None
    w.restart()
    assert w.core.hubs.away("hub", XYZ) is SUSPENDED, "also after a restart"
    assert w.core.client_of("hub", XYZ) == info(SUSPENDED, NOON + timedelta(minutes=3))


async def test_what_is_older_changes_nothing(tmp_path: Path) -> None:
    w = await world(tmp_path)
    assert await w.core.client("hub", info(OFFLINE)) is True
    assert await w.core.client("hub", info(CONNECTED, NOON - timedelta(seconds=1))) is False
    assert w.core.hubs.away("hub", XYZ) is OFFLINE
    assert await w.core.client("hub", info(CONNECTED)) is False
    assert w.core.hubs.away("hub", XYZ) is None


async def test_roles_of_a_party_are_told_apart(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.core.client("hub", info(OFFLINE, role=Role.CPO))
    assert w.core.hubs.away("hub", XYZ) is OFFLINE, "nothing is known of it as a provider"
    await w.core.client("hub", info(CONNECTED, NOON + timedelta(seconds=1)))
    assert w.core.hubs.away("hub", XYZ) is None
    assert w.core.hubs.away("hub", XYZ, Role.CPO) is OFFLINE
    found = w.core.client_of("hub", XYZ)
    assert found is not None
    assert found.role is Role.EMSP


async def test_a_partner_that_is_no_hub_tells_nothing_of_others(tmp_path: Path) -> None:
    peer = Hub()
    peer.hub = False
    w = await world(tmp_path, peer)
    await w.core.client("hub", info(OFFLINE))
    assert w.core.hubs.away("hub", XYZ) is None


# --- what follows


@pytest.mark.parametrize("status", AWAY)
async def test_nobody_is_asked_about_drivers_of_a_party_that_is_away(tmp_path: Path, status: ConnectionStatus) -> None:
    w = await world(tmp_path)
    await w.core.client("hub", info(status))
    assert await w.sessions.authorise("CP1", CARD) == "Invalid"
    assert hub(w).questions == []
    (decision,) = w.decisions()
    assert decision["routes"][0]["error"] == f"not asked: DE*XYZ is {status}"
    await w.core.client("hub", info(CONNECTED, NOON + timedelta(minutes=1)))
    assert await w.sessions.authorise("CP1", CARD) == "Accepted"
    assert len(hub(w).questions) == 1


async def test_a_driver_who_may_charge_offline_may_so_while_its_provider_is_away(tmp_path: Path) -> None:
    w = await world(tmp_path, whitelist=Whitelist.ALLOWED_OFFLINE)
    await w.core.client("hub", info(OFFLINE))
    assert await w.sessions.authorise("CP1", CARD) == "Accepted"
    assert hub(w).questions == []
    assert w.decisions()[0]["reason"].startswith("offline")
    by_contract = await world(tmp_path / "other", routes=[Route("hub", accepts_known_offline=True)])
    await by_contract.core.client("hub", info(OFFLINE))
    assert await by_contract.sessions.authorise("CP1", CARD) == "Accepted"


async def test_unknown_cards_are_asked_for_all_the_same(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.core.client("hub", info(OFFLINE))
    assert await w.sessions.authorise("CP1", "04FFEEDDCCBBAA") == "Accepted"
    assert len(hub(w).questions) == 1, "nobody knows whose it is"


@pytest.mark.parametrize("status", AWAY)
async def test_sessions_and_cdrs_wait_until_their_party_is_back(tmp_path: Path, status: ConnectionStatus) -> None:
    w = await world(tmp_path, whitelist=Whitelist.ALLOWED)
    assert set(await delivered(w)) == {Kind.TARIFF, Kind.LOCATION}, "what is for all goes out"
    await w.core.client("hub", info(status))
    await w.charge()
    assert Kind.CDR not in await delivered(w)
    assert hub(w).sent[-1].kind is not Kind.SESSION
    assert w.store.cdrs()[0].state == "waiting", "it was not sent, so nothing is uncertain"
    put_off = [h["detail"] for h in w.history("delivery put off")]
    assert any(f"cdr: not sent: DE*XYZ is {status} at hub" in detail for detail in put_off)
    assert await delivered(w) == [], "not tried again and again"
    await w.core.client("hub", info(CONNECTED, NOON + timedelta(hours=2)))
    assert await delivered(w) == [Kind.SESSION, Kind.CDR], "each once, as it now is"
    assert w.store.cdrs()[0].state == "acknowledged"


async def test_others_behind_the_hub_do_not_wait(tmp_path: Path) -> None:
    w = await world(tmp_path, whitelist=Whitelist.ALLOWED)
    await w.core.client("hub", info(OFFLINE, party=OTHER))
    await w.charge()
    assert (await delivered(w))[-1] is Kind.CDR


async def test_a_dispatcher_that_runs_sends_what_waited_when_the_party_is_back(tmp_path: Path) -> None:
    w = await world(tmp_path, whitelist=Whitelist.ALLOWED)
    await w.core.client("hub", info(OFFLINE))
    await w.charge()
    w.core.dispatchers["hub"].start()
    try:
        async with asyncio.timeout(10):
            while not w.history("delivery put off"):
                await asyncio.sleep(0.005)
            await w.core.client("hub", info(CONNECTED, NOON + timedelta(hours=2)))
            while w.store.cdrs()[0].state != "acknowledged":
                await asyncio.sleep(0.005)
    finally:
        await w.core.dispatchers["hub"].stop()


# --- the hub's whole list


def found(w: World) -> dict[str, ConnectionStatus]:
    return {str(one.id): one.status for one in w.store.clients("told by hub")}


async def test_a_whole_list_takes_the_place_of_what_was_known(tmp_path: Path) -> None:
    w = await world(tmp_path, whitelist=Whitelist.ALLOWED)
    await w.core.client("hub", info(OFFLINE))
    await w.charge()
    await delivered(w)
    hub(w).pages = [[info(OFFLINE, party=OTHER)], [info(PLANNED, party=PartyId("NL", "NEW"))]]
    assert await w.core.hubs.pull("hub", hub(w)) == 2
    assert found(w) == {"FR*OTH": OFFLINE, "NL*NEW": PLANNED}
    assert w.core.hubs.away("hub", XYZ) is None, "nothing is said against it any more"
    assert Kind.CDR in await delivered(w)
    assert {h["ref"] for h in w.history("party behind a hub forgotten")} == {"DE*XYZ"}


async def test_what_is_told_while_the_list_is_read_holds(tmp_path: Path) -> None:
    """The pages are older than a change that is pushed meanwhile."""
    w = await world(tmp_path)
    new, later = PartyId("NL", "NEW"), NOON + timedelta(minutes=1)
    await w.core.client("hub", info(OFFLINE))
    await w.core.client("hub", info(OFFLINE, party=OTHER))

    class Slow(Hub):
        async def pull_clients(self) -> AsyncIterator[list[ClientInfo]]:
            yield [info(OFFLINE)]
            await w.core.client("hub", info(CONNECTED, later))
            await w.core.client("hub", info(PLANNED, later, party=new))

    assert await w.core.hubs.pull("hub", Slow()) == 2
    for _ in range(2):
        assert w.core.hubs.away("hub", XYZ) is None
        assert w.core.hubs.away("hub", new) is PLANNED
        assert w.core.client_of("hub", OTHER) is None, "what neither list nor push has is gone"
        w.restart()


async def test_a_list_that_breaks_off_changes_nothing(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.core.client("hub", info(OFFLINE))
    hub(w).pages = [[info(CONNECTED, NOON + timedelta(hours=1))], Unreachable("the connection broke")]
    with pytest.raises(Unreachable):
        await w.core.hubs.pull("hub", hub(w))
    assert w.core.hubs.away("hub", XYZ) is OFFLINE


@pytest.mark.parametrize(("fault", "again"), [(Unreachable("not registered"), True), (Declined("no such module"), False)])
async def test_the_list_is_pulled_at_the_start_and_again_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, again: bool
) -> None:
    monkeypatch.setattr(hubs, "SOONEST", 0.001)
    w = await world(tmp_path)
    hub(w).pages = [fault]
    w.core.hubs.start()
    try:
        async with asyncio.timeout(10):
            while hub(w).pulls < (2 if again else 1):
                await asyncio.sleep(0.001)
            hub(w).pages = [[info(OFFLINE)]]
            while again and w.core.hubs.away("hub", XYZ) is None:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert again or hub(w).pulls == 1, "a partner without the module is left alone"
    finally:
        await w.core.hubs.stop()
