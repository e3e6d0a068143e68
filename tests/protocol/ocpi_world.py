"""A small world for the OCPI tests: a core that remembers, our server, an eMSP, all on real sockets."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from attrs import define, evolve, field, frozen
from multidict import CIMultiDictProxy

from bridge.codec.lenient import walk
from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.model.command import Command, CommandOutcome, CommandResult
from bridge.model.ids import PartyId, SessionId
from bridge.model.location import EvseStatus, Location, Status
from bridge.model.party import ClientInfo
from bridge.model.profile import ChargingPreferences, PreferenceResult, ProfileRequest, ProfileResponse
from bridge.model.token import Token, TokenKind
from bridge.ocpi.adapter import MemoryStore, OcpiConfig, OcpiPartner, OurRole
from bridge.ocpi.server import routes
from bridge.roaming.ports import Encoded, Job, Kind, Op, Page, Taken
from bridge.simulate.emsp import application
from bridge.simulate.emsp_state import Emsp

SHARED = Path(__file__).parents[2].parent / "shared"
FORMAT = "ocpi-2.2.1"
TOKEN_A = "token-a-for-the-emsp"  # noqa: S105


def shared(*path: str) -> Path:
    """A file beside the checkout; skips where there is none, fails in CI."""
    file = SHARED.joinpath(*path)
    if not file.exists():
        reason = f"{'/'.join(path)} is not beside the checkout (../shared)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return file


def judge(version: str = "2.2.1") -> Callable[[str, Any], list[str]]:
    """The independent judge of OCPI objects."""
    file = shared("tools", "judge.py")
    spec = importlib.util.spec_from_file_location("judge", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda name, value: list(module.ocpi(version, name, value))


# --- objects, as OCPI says them, and as the model does

CONNECTOR = {
    "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE", "max_voltage": 230,
    "max_amperage": 32, "tariff_ids": ["T1"], "last_updated": "2026-11-01T10:00:00Z",
}  # fmt: skip


def evse(uid: str = "E1", **more: Any) -> dict[str, Any]:
    """An EVSE with one connector."""
    return {"uid": uid, "evse_id": f"DE*ABC*{uid}", "status": "AVAILABLE", "capabilities": ["RFID_READER"],
            "connectors": [CONNECTOR], "last_updated": "2026-11-01T10:00:00Z", **more}  # fmt: skip


def location(ident: str = "LOC1", **more: Any) -> dict[str, Any]:
    """A location with two EVSEs."""
    return {
        "country_code": "DE", "party_id": "ABC", "id": ident, "publish": True, "name": "Town hall", "address": "Main Street 1",
        "city": "Berlin", "postal_code": "10115", "country": "DEU", "time_zone": "Europe/Berlin",
        "coordinates": {"latitude": "52.520008", "longitude": "13.404954"},
        "evses": [evse(f"E{ident}1"), evse(f"E{ident}2")], "last_updated": "2026-11-01T10:00:00Z", **more,
    }  # fmt: skip


def tariff(**more: Any) -> dict[str, Any]:
    """A tariff per kWh."""
    component = {"type": "ENERGY", "price": 0.45, "vat": 19.0, "step_size": 1}
    return {"country_code": "DE", "party_id": "ABC", "id": "T1", "currency": "EUR", "elements": [{"price_components": [component]}],
            "last_updated": "2026-11-01T10:00:00Z", **more}  # fmt: skip


def token(emsp: Emsp, number: int = 0) -> dict[str, Any]:
    """One of the eMSP's tokens as sessions and CDRs repeat it."""
    held = list(emsp.known.values())[number]
    return {name: held[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}


def session(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A session that runs."""
    return {
        "country_code": "DE", "party_id": "ABC", "id": "S1", "start_date_time": "2026-11-01T12:00:00Z", "kwh": 1.5,
        "cdr_token": of, "auth_method": "WHITELIST", "location_id": "LOC1", "evse_uid": "ELOC11", "connector_id": "1",
        "currency": "EUR", "status": "ACTIVE", "last_updated": "2026-11-01T12:10:00Z", **more,
    }  # fmt: skip


def cdr(of: dict[str, Any], ident: str = "C1", **more: Any) -> dict[str, Any]:
    """A charge detail record."""
    place = {
        "id": "LOC1", "address": "Main Street 1", "city": "Berlin", "country": "DEU",
        "coordinates": {"latitude": "52.520008", "longitude": "13.404954"}, "evse_uid": "ELOC11", "evse_id": "DE*ABC*ELOC11",
        "connector_id": "1", "connector_standard": "IEC_62196_T2", "connector_format": "SOCKET",
        "connector_power_type": "AC_3_PHASE",
    }  # fmt: skip
    period = {"start_date_time": "2026-11-01T12:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 10}]}
    return {
        "country_code": "DE", "party_id": "ABC", "id": ident, "start_date_time": "2026-11-01T12:00:00Z",
        "end_date_time": "2026-11-01T13:00:00Z", "cdr_token": of, "auth_method": "WHITELIST", "cdr_location": place,
        "currency": "EUR", "charging_periods": [period], "total_cost": {"excl_vat": 4.5, "incl_vat": 5.36},
        "total_energy": 10, "total_time": 1, "last_updated": "2026-11-01T13:00:05Z", **more,
    }  # fmt: skip


def canonical(kind: str, data: dict[str, Any]) -> Any:
    """An OCPI object as the model says it."""
    entry = registry.find(FORMAT, kind)
    return entry.mapping.bind(Settings(), FORMAT).to_canon(walk(entry.mapping.wire, data).value)[0]


def status(uid: str = "ELOC11", value: Status = Status.CHARGING, at: str = "2026-11-01T12:00:00+00:00") -> EvseStatus:
    """The status of an EVSE of location LOC1."""
    place: Location = canonical("location", location())
    one = next(e for e in place.evses if str(e.uid) == uid)
    return EvseStatus(value, one.id, one.uid, place.place.id, datetime.fromisoformat(at))


_NUMBERS = itertools.count(1)


def job(kind: Kind, made: Encoded, op: Op = Op.UPDATE) -> Job:
    """A job as the outbox would hand it over."""
    return Job(next(_NUMBERS), "emsp", kind, op, made.key, made.body, made.meta, 1, datetime.now(UTC))


def jobs(partner: OcpiPartner, kind: Kind, obj: Any, op: Op = Op.UPDATE) -> list[Job]:
    """Encode an object and make jobs of it."""
    return [job(kind, made, op) for made in partner.encode(kind, obj)]


# --- a core that remembers


@define
class Core:
    """An Inbound that keeps everything in memory."""

    held: dict[tuple[str, str, TokenKind], Token] = field(factory=dict)
    objects: dict[Kind, list[tuple[str, datetime, bytes]]] = field(factory=dict)
    commands: list[tuple[str, Command, str | None]] = field(factory=list)
    answer: CommandOutcome = field(factory=lambda: CommandOutcome(CommandResult.ACCEPTED))
    profiles: list[tuple[str, ProfileRequest, str]] = field(factory=list)
    response: ProfileResponse = ProfileResponse.ACCEPTED
    wishes: list[tuple[str, str, ChargingPreferences]] = field(factory=list)
    preferred: PreferenceResult = PreferenceResult.ACCEPTED
    clients: dict[tuple[str, str], ClientInfo] = field(factory=dict)
    fetches: list[tuple[Kind, str | int]] = field(factory=list)
    hold: bool = False
    broken: Exception | None = None
    upstream: Any = None

    async def tokens(self, partner: str, tokens: Iterable[Token]) -> Taken:
        """Keep them."""
        if self.broken is not None:
            raise self.broken
        before, stored = len(self.held), 0
        for one in tokens:
            assert one.kind is not None
            self.held[partner, str(one.uid).upper(), one.kind] = one
            stored += 1
        return Taken(stored=stored, held=self.hold, new=len(self.held) - before)

    async def token(self, partner: str, uid: str, kind: TokenKind) -> Token | None:
        """One of them."""
        return self.held.get((partner, uid.upper(), kind))

    async def command(self, partner: str, command: Command, answer_to: str | None = None) -> CommandOutcome:
        """Remember it, and answer what is set."""
        self.commands.append((partner, command, answer_to))
        return self.answer

    async def profile(self, partner: str, request: ProfileRequest, answer_to: str) -> ProfileResponse:
        """Remember it, and answer what is set."""
        self.profiles.append((partner, request, answer_to))
        return self.response

    async def prefer(self, partner: str, session: SessionId, preferences: ChargingPreferences) -> PreferenceResult:
        """Remember it, and answer what is set."""
        self.wishes.append((partner, str(session), preferences))
        return self.preferred

    async def client(self, hub: str, info: ClientInfo) -> bool:
        """Keep it."""
        new = (hub, info.id.key) not in self.clients
        self.clients[hub, info.id.key] = info
        return new

    def client_of(self, hub: str, party: PartyId) -> ClientInfo | None:
        """One that was kept."""
        return self.clients.get((hub, party.key))

    async def page(self, partner: str, kind: Kind, *, offset: int, limit: int, since: datetime | None = None,
                   until: datetime | None = None) -> Page:  # fmt: skip
        """What was kept, oldest first."""
        found = [b for _, at, b in self.objects.get(kind, []) if (since is None or at >= since) and (until is None or at < until)]
        return Page(found[offset : offset + limit], len(found))

    async def find(self, partner: str, kind: Kind, key: str) -> bytes | None:
        """One object by its key."""
        return next((body for k, _, body in self.objects.get(kind, []) if k == key), None)

    async def fetched(self, partner: str, kind: Kind, what: Page | str, asked: datetime) -> None:
        """Remember what was fetched."""
        self.fetches.append((kind, what if isinstance(what, str) else len(what.bodies)))

    def keep(self, kind: Kind, made: Encoded, at: str = "2026-11-01T10:00:00+00:00") -> None:
        """Have an object ready to be got."""
        self.objects.setdefault(kind, []).append((made.key, datetime.fromisoformat(at), made.body))


# --- the world


@frozen
class Heard:
    """A request that the eMSP was sent."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes


@define(eq=False)
class World:
    """Our side (core, server, partner) and an eMSP; ``serve`` starts more servers that end with the world."""

    core: Core
    bridge: TestServer
    partners: dict[str, OcpiPartner]
    emsp: Emsp
    emsp_server: TestServer
    store: MemoryStore
    heard: list[Heard] = field(factory=list)
    """What the eMSP was sent, in order."""

    @property
    def url(self) -> str:
        """Our OCPI."""
        return str(self.bridge.make_url("/ocpi"))

    @property
    def theirs(self) -> str:
        """The eMSP's versions URL."""
        return self.emsp.url + self.emsp.versions_path

    @property
    def ours(self) -> str:
        """Our versions URL, as the eMSP knows it."""
        return self.url + ("/cpo/versions" if self.emsp.older else "/versions")

    @property
    def partner(self) -> OcpiPartner:
        """The eMSP, as our side sees it."""
        return self.partners["emsp"]

    @property
    def rejected(self) -> list[str]:
        """What the eMSP rejected, for messages that read well."""
        return [f"{r['method']} {r['path']}: {r['because']}" for r in self.emsp.rejections]

    async def add(self, name: str = "emsp", **changes: Any) -> OcpiPartner:
        """Another partner, or the same one anew."""
        config = OcpiConfig(name, self.url, (OurRole("DE", "ABC", name="Example Charging"),), register_at_start=False, quiet=0.0)
        partner = OcpiPartner(evolve(config, **changes), self.store)
        self.partners[name] = partner
        await partner.open()
        return partner

    async def sim(self, act: str, body: dict[str, Any], expect: int = 200, **params: str) -> Any:
        """Have the eMSP do something (POST /_sim/...)."""
        async with aiohttp.ClientSession() as http, http.post(self.emsp_server.make_url(f"/_sim/{act}"), json=body, params=params) as told:
            assert told.status == expect, await told.text()
            return await told.json()

    async def connect(self, **changes: Any) -> OcpiPartner:
        """A partner that has registered, by our POST."""
        partner = await self.add(versions_url=self.theirs, token_for_us=TOKEN_A, **changes)
        await partner.register()
        return partner


@asynccontextmanager
async def world(**emsp: Any) -> AsyncIterator[World]:
    """A world in which nobody has registered."""
    core, partners = Core(), {}  # type: tuple[Core, dict[str, OcpiPartner]]
    app = web.Application()
    app.add_routes(routes(core, partners))
    given: dict[str, Any] = {"token_a": TOKEN_A, "tokens": 5, "unlisted": 2} | emsp
    state = Emsp(**given)
    heard: list[Heard] = []

    @web.middleware
    async def hear(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/ocpi/"):
            heard.append(Heard(request.method, request.path, request.headers, await request.read()))
        return await handler(request)

    theirs = application(state)
    theirs.middlewares.append(hear)
    bridge, server = TestServer(app), TestServer(theirs)
    async with bridge, server:
        state.url = str(server.make_url("")).rstrip("/")
        made = World(core, bridge, partners, state, server, MemoryStore(), heard)
        try:
            yield made
        finally:
            for partner in partners.values():
                await partner.close()


def data_of(body: bytes) -> Any:
    """The data of an envelope."""
    return json.loads(body)["data"]
