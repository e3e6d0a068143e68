"""The bridge as a hub: whom partners reach through it, whether these are there, and who hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from bridge.errors import Declined, Refused, Unreachable
from bridge.model import json as model_json
from bridge.model.ids import PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.roaming.agreements import OWN
from bridge.roaming.clients import SILENCE, Clients
from bridge.roaming.ports import Encoded, Kind
from bridge.roaming.upstream.feed import Feed
from tests.roaming.roaming_world import NOON, Told, World, agreement

CONNECTED, OFFLINE, PLANNED, SUSPENDED = ConnectionStatus


class Platform(Told):
    """A partner that speaks for parties and may be told of others."""

    kinds = frozenset(Kind)

    def __init__(self, name: str, *clients: tuple[str, Role], takes: bool = True) -> None:
        super().__init__(name)
        self.clients: Sequence[tuple[PartyId, Role]] = [(PartyId.parse(party), role) for party, role in clients]
        self.standing = CONNECTED
        self.silent = 0.0
        self.alive: Exception | None = None
        self.asked = 0
        self.takes = takes

    async def still_alive(self) -> None:
        self.asked += 1
        if self.alive is not None:
            raise self.alive

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        if kind is not Kind.CLIENT:
            return super().encode(kind, obj)
        if not self.takes:
            raise Refused("", "this version knows no parties behind hubs")
        return [Encoded(f"{obj.id} {obj.role}", orjson.dumps(model_json.to_json(obj), default=str))]


def world(path: Path, **options: Any) -> World:
    """Two providers that get what an upstream operator has, one that does not, and a partner that is no platform."""
    csms = Platform("csms", ("DE*UP1", Role.CPO), ("DE*UP2", Role.CPO))
    partners = [csms, Platform("app", ("DE*APP", Role.EMSP)), Platform("rival", ("DE*RIV", Role.EMSP)),
                Platform("bare", ("DE*BAR", Role.EMSP)), Told("hubject", "oicp-2.3")]  # fmt: skip
    passed = frozenset({OWN, "csms"})
    agreements = [agreement("app", sources=passed), agreement("rival", sources=passed), agreement("bare"), agreement("hubject")]
    return World(path, partners, agreements=agreements, hub=True, **options)


def partner(w: World, name: str) -> Platform:
    one = w.partners[name]
    assert isinstance(one, Platform)
    return one


async def look(w: World) -> dict[str, dict[str, str]]:
    """What each partner is told now: party -> status."""
    assert w.core.clients is not None
    await w.core.clients.look()
    found: dict[str, dict[str, str]] = {}
    for name in w.partners:
        before = len(w.partners[name].sent)  # type: ignore[attr-defined]
        while await w.core.dispatchers[name].round():
            pass
        jobs = [job for job in w.partners[name].sent[before:] if job.kind is Kind.CLIENT]  # type: ignore[attr-defined]
        told = [model_json.from_json(ClientInfo, orjson.loads(job.body)) for job in jobs]
        if told:
            found[name] = {str(one.id): one.status.value for one in told}
    return found


async def test_partners_hear_of_those_whom_they_reach(tmp_path: Path) -> None:
    w = world(tmp_path)
    up = {"DE*UP1": "CONNECTED", "DE*UP2": "CONNECTED"}
    assert await look(w) == {"app": up, "rival": up, "csms": {"DE*APP": "CONNECTED", "DE*RIV": "CONNECTED"}}
    assert await look(w) == {}, "each once"
    w.restart()
    assert await look(w) == {}, "also after a restart"


async def test_who_only_gets_tokens_is_reached_as_well(tmp_path: Path) -> None:
    w = world(tmp_path, feeds={"csms": Feed("csms", ("acme",), tokens_from=("bare",))})
    assert w.core.clients is not None
    assert w.core.clients.reached("csms") == {"app", "rival", "bare"}
    assert w.core.clients.reached("bare") == {"csms"}
    assert w.core.clients.reached("hubject") == set()


async def test_a_change_is_told_once_with_its_time(tmp_path: Path) -> None:
    w = world(tmp_path)
    await look(w)
    app = partner(w, "app")
    app.silent, app.alive = SILENCE, Unreachable("no connection")
    w.clock.ahead(minutes=5)
    assert await look(w) == {"csms": {"DE*APP": "OFFLINE"}}
    assert w.store.clients("of app")[0].last_updated == NOON + timedelta(minutes=5)
    w.clock.ahead(minutes=1)
    assert await look(w) == {}
    app.silent = 1.0
    assert await look(w) == {"csms": {"DE*APP": "CONNECTED"}}
    assert w.store.clients("of app")[0].last_updated == NOON + timedelta(minutes=6)
    assert [h["detail"] for h in w.history("party that is reached through us") if h["partner"] == "app"] == [
        "EMSP: CONNECTED", "EMSP: OFFLINE", "EMSP: CONNECTED"]  # fmt: skip


async def test_only_the_silent_are_asked_and_any_answer_is_a_sign_of_life(tmp_path: Path) -> None:
    w = world(tmp_path)
    app, rival = partner(w, "app"), partner(w, "rival")
    app.silent, rival.silent = SILENCE - 1, SILENCE
    rival.alive = Declined("not you")
    told = await look(w)
    assert (app.asked, rival.asked) == (0, 1)
    assert told["csms"] == {"DE*APP": "CONNECTED", "DE*RIV": "CONNECTED"}


async def test_who_is_not_registered_is_planned_and_who_no_longer_is_suspended(tmp_path: Path) -> None:
    w = world(tmp_path)
    partner(w, "app").standing, partner(w, "rival").standing = PLANNED, SUSPENDED
    partner(w, "app").silent = partner(w, "rival").silent = SILENCE * 2
    assert (await look(w))["csms"] == {"DE*APP": "PLANNED", "DE*RIV": "SUSPENDED"}
    assert partner(w, "app").asked == 0


async def test_a_party_that_is_gone_is_suspended_never_deleted(tmp_path: Path) -> None:
    w = world(tmp_path)
    await look(w)
    csms = partner(w, "csms")
    csms.clients = csms.clients[:1]
    assert await look(w) == {"app": {"DE*UP2": "SUSPENDED"}, "rival": {"DE*UP2": "SUSPENDED"}}
    csms.clients = [*csms.clients, (PartyId("DE", "UP2"), Role.CPO)]
    assert await look(w) == {"app": {"DE*UP2": "CONNECTED"}, "rival": {"DE*UP2": "CONNECTED"}}


async def test_who_reaches_it_no_longer_hears_that_it_is_suspended(tmp_path: Path) -> None:
    w = world(tmp_path)
    await look(w)
    w.book._all = tuple(agreement(name) for name in ("app", "rival", "bare", "hubject"))
    gone = {"DE*UP1": "SUSPENDED", "DE*UP2": "SUSPENDED"}
    assert await look(w) == {"app": gone, "rival": gone, "csms": {"DE*APP": "SUSPENDED", "DE*RIV": "SUSPENDED"}}
    assert await look(w) == {}


async def test_versions_without_it_are_told_nothing(tmp_path: Path) -> None:
    w = world(tmp_path)
    partner(w, "rival").takes = False
    assert "rival" not in await look(w)


async def test_the_list_to_fetch_is_each_partners_own(tmp_path: Path) -> None:
    w = world(tmp_path)
    await look(w)

    async def fetched(name: str) -> list[str]:
        page = await w.core.page(name, Kind.CLIENT, offset=0, limit=10)
        assert page.total == len(page.bodies)
        return [str(model_json.from_json(ClientInfo, orjson.loads(body)).id) for body in page.bodies]

    assert await fetched("app") == ["DE*UP1", "DE*UP2"]
    assert await fetched("csms") == ["DE*APP", "DE*RIV"]
    assert await fetched("bare") == []


async def test_a_bridge_that_is_no_hub_tells_nothing(tmp_path: Path) -> None:
    w = World(tmp_path, [Platform("app", ("DE*APP", Role.EMSP))])
    assert w.core.clients is None
    assert (await w.core.page("app", Kind.CLIENT, offset=0, limit=10)).total == 0
    assert isinstance(world(tmp_path / "hub").core.clients, Clients)
