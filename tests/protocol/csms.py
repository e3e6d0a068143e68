"""An operator's own system in a few lines, and a bridge that it feeds: real sockets, a real store, no other partners unless asked for."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field

from bridge.app import Bridge
from bridge.config import BridgeConfig
from bridge.demo.scene import free_ports
from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.ocpi.credentials import PartnerCredentials, PartnerEndpoint, PartnerRole
from bridge.ocpi.upstream import OcpiOperator
from bridge.translate.files import encode
from tests.protocol import ocpi_world as ow
from tests.roaming.bridge_world import until

OURS, THEIRS = "what-the-csms-sends", "what-we-send"
SENDERS = ("locations", "tariffs", "sessions", "cdrs")


@define(eq=False)
class Csms:
    """It remembers what it was sent, gives lists, and carries out commands. ``number`` is its OCPI version."""

    number: str = "2.2.1"
    lists: dict[str, list[Any]] = field(factory=dict)
    page: int = 2
    asked: list[tuple[str, dict[str, str]]] = field(factory=list)
    tokens: dict[str, dict[str, Any]] = field(factory=dict)
    commands: list[tuple[str, dict[str, Any]]] = field(factory=list)
    response: dict[str, Any] = field(factory=lambda: {"result": "ACCEPTED", "timeout": 5})
    result: str | None = "ACCEPTED"
    told: list[int] = field(factory=list)
    url: str = ""
    token: str = OURS
    credentials: dict[str, Any] = field(factory=dict)
    _tasks: set[asyncio.Task[None]] = field(factory=set)

    @property
    def older(self) -> bool:
        return self.number == "2.1.1"

    def header(self) -> dict[str, str]:
        spelled = self.token if self.older else base64.b64encode(self.token.encode()).decode()
        return {"Authorization": f"Token {spelled}"}

    def endpoints(self) -> tuple[PartnerEndpoint, ...]:
        found = [("credentials", ""), *((one, "SENDER") for one in SENDERS), ("tokens", "RECEIVER"), ("commands", "RECEIVER")]
        return tuple(PartnerEndpoint(module, "" if self.older else role, f"{self.url}/{module}") for module, role in found)

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/versions", self._versions), web.get("/details", self._details), web.post("/credentials", self._register),
                        web.put("/tokens/{country}/{party}/{uid}", self._token), web.post("/commands/{name}", self._command),
                        *(web.get(f"/{one}", self._list) for one in SENDERS)])  # fmt: skip
        return app

    async def _versions(self, request: web.Request) -> web.Response:
        return _said([{"version": self.number, "url": f"{self.url}/details"}])

    async def _details(self, request: web.Request) -> web.Response:
        return _said(
            {
                "version": self.number,
                "endpoints": [
                    {"identifier": e.identifier, "url": e.url} | ({} if self.older else {"role": e.role or "SENDER"})
                    for e in self.endpoints()
                ],
            }
        )

    async def _register(self, request: web.Request) -> web.Response:
        self.credentials = await request.json()
        self.token = self.credentials["token"]
        role = {"role": "CPO", "business_details": {"name": "Acme"}, "party_id": "ABC", "country_code": "DE"}
        return _said({"token": THEIRS, "url": f"{self.url}/versions", "roles": [role]})

    async def _token(self, request: web.Request) -> web.Response:
        told = await request.json()
        assert request.match_info["uid"] == told["uid"]
        assert self.older or (request.match_info["country"], request.match_info["party"]) == (told["country_code"], told["party_id"])
        self.tokens[f"{request.query.get('type', '')}/{told['uid']}"] = told
        return _said(status=201)

    async def _command(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.commands.append((request.match_info["name"], told))
        if self.result is not None:
            task = asyncio.create_task(self._answer(told["response_url"], {"result": self.result}))
            self._tasks.add(task)
        return _said(self.response)

    async def _answer(self, url: str, body: dict[str, Any]) -> None:
        async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=self.header()) as answer:
            self.told.append(answer.status)

    async def _list(self, request: web.Request) -> web.Response:
        name, query = request.path.strip("/"), dict(request.query)
        self.asked.append((name, query))
        found, offset = self.lists.get(name, []), int(query.get("offset", 0))
        headers = {"X-Total-Count": str(len(found)), "X-Limit": str(self.page)}
        if offset + self.page < len(found):
            headers["Link"] = f'<{self.url}/{name}?offset={offset + self.page}>; rel="next"'
        return _said(found[offset : offset + self.page], headers=headers)


def _said(data: Any = None, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    envelope = {"status_code": 1000, "timestamp": "2026-11-01T12:00:00Z"} | ({} if data is None else {"data": data})
    return web.json_response(envelope, status=status, headers=headers)


@define
class Said:
    """An answer of the bridge."""

    status: int
    code: int
    data: Any
    message: str
    headers: Any


@define(eq=False)
class Fed:
    """A bridge and the system that feeds it."""

    bridge: Bridge
    csms: Csms
    below: str

    @property
    def operator(self) -> OcpiOperator:
        found = self.bridge.partners["csms"]
        assert isinstance(found, OcpiOperator)
        return found

    @property
    def up(self) -> Any:
        return self.bridge.core.upstream

    def history(self, what: str) -> list[dict[str, Any]]:
        return [dict(r) for r in self.bridge.store.db.read.execute("SELECT * FROM history WHERE what = ? ORDER BY id", (what,))]

    async def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Said:
        """What the system asks us; ``path`` below our version."""
        url = path if path.startswith("http") else self.below + path
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, data=data, params=query, headers=self.csms.header()) as answer,
        ):
            told = json.loads(await answer.read())
            return Said(answer.status, told["status_code"], told.get("data"), told.get("status_message", ""), answer.headers)

    async def pulled(self, name: str) -> None:
        """A list was asked for."""
        await until(f"{name} are pulled", lambda: any(one == name for one, _ in self.csms.asked))


def configured(port: int, csms: Csms, folder: Path, change: Callable[[dict[str, Any]], None] = lambda said: None) -> BridgeConfig:
    """A bridge with an upstream operator."""
    said: dict[str, Any] = {
        "listen": f"127.0.0.1:{port}", "store": folder / "bridge.sqlite",
        "operators": {"acme": {"party": "DE*ABC", "name": "Acme", "time_zone": "Europe/Berlin"}},
        "partners": {"csms": {"protocol": f"ocpi-{csms.number}", "url": f"{csms.url}/versions", "role": "upstream", "feeds": ["acme"],
                              "our_party": "DE*US1", "timeout_seconds": 2}},
    }  # fmt: skip
    change(said)
    return BridgeConfig.model_validate(said)


@asynccontextmanager
async def fed(folder: Path, csms: Csms | None = None, change: Callable[[dict[str, Any]], None] = lambda said: None, *,
              registered: bool = True) -> AsyncIterator[Fed]:  # fmt: skip
    """A bridge that runs, and is registered with the system that feeds it."""
    csms = csms or Csms()
    async with TestServer(csms.application()) as server:
        csms.url = str(server.make_url("")).rstrip("/")
        port = free_ports(1)[0]
        bridge = Bridge(configured(port, csms, folder, change))
        if registered:
            bridge.store.open()
            role = PartnerRole("CPO", "DE", "ABC")
            await bridge.store.set_credential("csms", PartnerCredentials(
                theirs=THEIRS, ours=OURS, confirmed=True, version=csms.number, endpoints=csms.endpoints(), roles=(role,),
                versions_url=f"{csms.url}/versions").to_json())  # fmt: skip
            bridge.store.close()
        await bridge.start()
        side = "emsp/" if csms.older else ""
        try:
            yield Fed(bridge, csms, f"http://127.0.0.1:{port}/ocpi/{side}{csms.number}")
        finally:
            await bridge.stop()


def written(kind: str, data: dict[str, Any], number: str) -> Any:
    """An object of 2.2.1 as another version says it."""
    entry = registry.find(f"ocpi-{number}", kind)
    return json.loads(encode(entry.mapping.bind(Settings(), f"ocpi-{number}").to_wire(ow.canonical(kind, data))[0]))


def older_session(of: str = "DE-EM1-C00000001-2", **more: Any) -> dict[str, Any]:
    """A session of 2.1.1, which holds its location as a whole."""
    place = written("location", ow.location(), "2.1.1")
    return {
        "id": "S1", "start_datetime": "2026-11-01T12:00:00Z", "kwh": 1.5, "auth_id": of, "auth_method": "WHITELIST",
        "location": place | {"evses": place["evses"][:1]}, "currency": "EUR", "status": "ACTIVE", "last_updated": "2026-11-01T12:10:00Z",
        **more,
    }  # fmt: skip


def older_cdr(of: str = "DE-EM1-C00000001-2", **more: Any) -> dict[str, Any]:
    """A CDR of 2.1.1."""
    period = {"start_date_time": "2026-11-01T12:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 10}]}
    return {
        "id": "C1", "start_date_time": "2026-11-01T12:00:00Z", "stop_date_time": "2026-11-01T13:00:00Z", "auth_id": of,
        "auth_method": "WHITELIST", "location": older_session()["location"], "currency": "EUR", "charging_periods": [period],
        "total_cost": 4.5, "total_energy": 10, "total_time": 1, "last_updated": "2026-11-01T13:00:05Z", **more,
    }  # fmt: skip


CARD = {"country_code": "DE", "party_id": "US1", "uid": "04A1B2C3", "type": "RFID", "contract_id": "DE-EM1-C00000001-2"}
