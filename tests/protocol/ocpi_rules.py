"""A partner that calls us in each version: for the tests of the specification's rules (docs/conformance-ocpi.md)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from attrs import define, field, frozen

from bridge.model.command import CommandOutcome
from bridge.ocpi.adapter import MemoryStore, OcpiConfig, OcpiPartner, OurRole
from bridge.ocpi.credentials import PartnerCredentials, PartnerRole
from bridge.ocpi.server import routes
from tests.protocol import ocpi_world as ow
from tests.roaming import roaming_world as rw

NUMBERS = ("2.1.1", "2.2.1", "2.3.0")
LATER = ("2.2.1", "2.3.0")
OURS = "the-partner's-token"

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
"""A DateTime as we write it."""
DATED = "2026-11-02T10:00:00Z"
BACK = "https://emsp.example/commands/1"
HOSTS = {"response_hosts": frozenset({"emsp.example"})}


@frozen
class Said:
    """An answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The envelope."""
        return json.loads(self.body)

    @property
    def code(self) -> int:
        """The OCPI status code."""
        return int(self.json["status_code"])

    @property
    def both(self) -> tuple[int, int]:
        """HTTP status and OCPI status code."""
        return self.status, self.code

    @property
    def data(self) -> Any:
        """What the envelope holds."""
        return self.json["data"]

    @property
    def next(self) -> str | None:
        """The URL of the following page."""
        link = self.headers.get("Link")
        return None if link is None else link.removeprefix("<").removesuffix('>; rel="next"')


@define
class Peer:
    """A registered partner that calls us in a version. ``root`` is our server, without a slash at its end."""

    root: str
    number: str
    token: str = OURS
    outcomes: list[tuple[str, CommandOutcome]] = field(factory=list)
    """What it was told of its commands, where nothing is sent (:func:`bridged`)."""

    @property
    def older(self) -> bool:
        """Whether it is 2.1.1."""
        return self.number == "2.1.1"

    @property
    def version(self) -> str:
        """Where the version is, below our server."""
        return "/ocpi/cpo/2.1.1" if self.older else f"/ocpi/{self.number}"

    def at(self, module: str, *path: str) -> str:
        """Where one of our interfaces as an operator is: ``tokens`` and ``commands`` receive, the others send."""
        role = "" if self.older else "/receiver" if module in ("tokens", "commands") else "/sender"
        return "/".join([f"{self.version}{role}/{module}", *path])

    @property
    def token_url(self) -> str:
        """Where a card of the partner is."""
        return self.at("tokens", "DE", "EMS", "04A1B2C3")

    def card(self, **more: Any) -> dict[str, Any]:
        """A card of the partner, as its version says it."""
        owner = {"auth_id": "DE-EMS-C00000001"} if self.older else {
            "country_code": "DE", "party_id": "EMS", "contract_id": "DE-EMS-C00000001"}  # fmt: skip
        return owner | {"uid": "04A1B2C3", "type": "RFID", "issuer": "Example", "valid": True, "whitelist": "ALLOWED",
                        "last_updated": "2026-11-01T10:00:00Z", **more}  # fmt: skip

    def spelled(self, token: str | None = None) -> str:
        """The Authorization header."""
        text = token or self.token
        return "Token " + (text if self.older else base64.b64encode(text.encode()).decode())

    async def __call__(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Said:
        """One request; ``path`` may be a whole URL, ``body`` bytes or what is to be JSON."""
        sent = {"Authorization": self.spelled()} | (headers or {})
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            sent = {"Content-Type": "application/json"} | sent
        url = path if path.startswith("http") else self.root + path
        async with aiohttp.ClientSession() as http, http.request(method, url, data=data, headers=sent) as answer:
            return Said(answer.status, answer.headers, await answer.read())


def registered(number: str, party: str = "EMS") -> PartnerCredentials:
    """A partner that has registered in a version."""
    return PartnerCredentials(theirs="t", ours=OURS, confirmed=True, version=number, roles=(PartnerRole("EMSP", "DE", party),))


@asynccontextmanager
async def calling(number: str, **config: Any) -> AsyncIterator[tuple[ow.World, Peer]]:
    """Our server with a core that remembers, and a registered partner."""
    async with ow.world(version=number) as world:
        await world.store.save("emsp", registered(number))
        await world.add(**HOSTS | config)
        yield world, Peer(str(world.bridge.make_url("")).rstrip("/"), number)


@asynccontextmanager
async def bridged(path: Path, number: str = "2.2.1", **config: Any) -> AsyncIterator[tuple[rw.World, Peer]]:
    """Our server on the real core and store, with a registered partner that may see everything of operator ``acme``."""
    store, port = MemoryStore(), unused_port()
    await store.save("emsp", registered(number))
    given: dict[str, Any] = {"register_at_start": False, **HOSTS, **config}
    made = OcpiPartner(OcpiConfig("emsp", f"http://127.0.0.1:{port}/ocpi", (OurRole("DE", "ABC"),), **given), store)
    await made.open()
    outcomes: list[tuple[str, CommandOutcome]] = []

    async def outcome(address: str, one: CommandOutcome) -> None:
        outcomes.append((address, one))

    made.outcome = outcome  # type: ignore[method-assign,assignment]
    world = rw.World(path, [made])
    await world.core.publisher.import_tariffs("acme", [ow.canonical("tariff", ow.tariff())])
    app = web.Application()
    app.add_routes(routes(world.core, {"emsp": made}))
    try:
        async with TestServer(app, port=port) as server:
            yield world, Peer(str(server.make_url("")).rstrip("/"), number, outcomes=outcomes)
    finally:
        await made.close()
        world.store.close()


async def carried_out(world: rw.World) -> None:
    """The commands that were accepted are carried out, and their results told."""
    commands = world.core._commands
    assert commands is not None
    await commands.close()
