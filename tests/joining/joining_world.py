"""A bridge with a configuration of its own, an eMSP beside it, and the command line, as an operator has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from attrs import define
from click.testing import CliRunner, Result

from bridge.app import Bridge
from bridge.cli import cli
from bridge.config import load
from bridge.demo import scene
from bridge.errors import ConfigError
from bridge.ocpi.credentials import PartnerCredentials
from bridge.simulate import emsp
from bridge.simulate.emsp_state import Emsp
from tests.roaming.bridge_world import canonical

TOKEN_A = "token-a-of-the-emsp"  # noqa: S105
ADMIN = "the-administrator"
BASE = """listen = "127.0.0.1:{port}"
store = "bridge.sqlite"
{admin}
[operators.example]
party = "DE*ABC"
name = "Example Charging"
time_zone = "Europe/Berlin"
{partners}
"""
PARTNER = """[partners.{name}]
protocol = "ocpi-2.2.1"
url = "{url}"
{more}
[[partners.{name}.agreements]]
operator = "example"
tariffs = {{"*" = "STANDARD"}}
"""


@define(eq=False)
class World:
    """The folder with the configuration, the eMSP, and the bridge while it runs."""

    folder: Path
    port: int
    emsp: Emsp
    emsp_url: str
    bridge: Bridge | None = None

    @property
    def file(self) -> Path:
        """The configuration."""
        return self.folder / "bridge.toml"

    @property
    def versions(self) -> str:
        """The eMSP's versions URL."""
        return f"{self.emsp_url}/ocpi/versions"

    def configure(self, *partners: str, admin: bool = True) -> None:
        """Write the configuration; ``partners`` are sections."""
        token = f'admin_token = {{value = "{ADMIN}"}}' if admin else ""
        self.file.write_text(BASE.format(port=self.port, admin=token, partners="\n".join(partners)), encoding="utf-8")

    def drop(self, name: str) -> None:
        """Take a file out of the partner folder."""
        (self.folder / "partners.d" / f"{name}.toml").unlink()

    def partner(self, name: str = "emsp", more: str = "", url: str | None = None) -> str:
        """A section for the eMSP."""
        return PARTNER.format(name=name, url=self.versions if url is None else url, more=more)

    async def start(self) -> Bridge:
        """The bridge serves (again), with the demonstration's location and tariff."""
        await self.stop()
        self.bridge = Bridge(load(self.file))
        await self.bridge.start()
        publisher = self.bridge.core.publisher
        await publisher.import_tariffs("example", [canonical("tariff", scene.tariff())])
        await publisher.import_locations("example", [canonical("location", scene.location())], groups={}, bound={})
        return self.bridge

    async def stop(self) -> None:
        """The bridge ends."""
        if self.bridge is not None:
            await self.bridge.stop()
            self.bridge = None

    async def run(self, *words: str, say: str | None = None) -> Result:
        """``evbridge partner`` with these words, as another process would."""
        command = ["partner", *words, "--config", str(self.file)]
        done = await asyncio.to_thread(CliRunner().invoke, cli, command, input=say)
        assert done.exception is None or isinstance(done.exception, SystemExit | ConfigError), repr(done.exception)
        return done

    async def api(self, method: str, path: str, body: bytes | None = None, token: str = ADMIN) -> tuple[int, Any]:
        """A call of the administration API."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{self.port}/admin/partners{path}"
        async with aiohttp.ClientSession() as http, http.request(method, url, data=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def sim(self, act: str, body: dict[str, Any]) -> Any:
        """Have the eMSP do something."""
        async with aiohttp.ClientSession() as http, http.post(f"{self.emsp_url}/_sim/{act}", json=body) as told:
            return await told.json()

    def credentials(self, name: str = "emsp") -> PartnerCredentials:
        """What the store has, read beside whoever writes it."""
        rows = self.rows("SELECT body FROM credential WHERE partner = ?", name)
        return PartnerCredentials.from_json(bytes(rows[0]["body"])) if rows else PartnerCredentials()

    def history(self, begins: str = "partner: ") -> list[str]:
        """Lines of the history."""
        return [r["what"] for r in self.rows("SELECT what FROM history WHERE what LIKE ? ORDER BY id", f"{begins}%")]

    def rows(self, query: str, *values: object) -> list[Any]:
        """Rows of the store."""
        from bridge.store.db import connect

        db = connect(load(self.file).store)
        try:
            return db.execute(query, values).fetchall()
        finally:
            db.close()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """A world in which nothing is configured and the bridge does not run."""
    port, theirs = scene.free_ports(2)
    url = f"http://127.0.0.1:{theirs}"
    state = Emsp(token_a=TOKEN_A, tokens=3, unlisted=0, url=url)
    runner = web.AppRunner(emsp.application(state), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", theirs).start()
    made = World(folder, port, state, url)
    made.configure()
    try:
        yield made
    finally:
        await made.stop()
        await runner.cleanup()
