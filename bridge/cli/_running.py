"""The bridge that serves the same configuration, reached through its administration API."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import click
import orjson

from bridge.config import BridgeConfig
from bridge.errors import Declined, Unreachable

_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  (compared with, not bound to)
PATIENCE = 180.0
"""Seconds that a registration may take: the partner calls back several times meanwhile."""


class NotServed(LookupError):
    """The bridge that runs does not know the partner."""


class Running:
    """A bridge that serves."""

    def __init__(self, config: BridgeConfig) -> None:
        self.url = f"http://{_ANY.get(config.host, config.host)}:{config.port}"
        self._token = None if config.admin_token is None else config.admin_token.read("admin_token")

    async def serves(self) -> bool:
        """Whether anybody is there. Raises UsageError if it is no bridge, or one that we may not administer."""
        try:
            status, said = await self._call("GET", "/health", 5.0)
        except aiohttp.ClientConnectorError:
            return False
        if status != 200 or not isinstance(said, dict) or said.get("status") != "ok":
            raise click.UsageError(f"what answers at {self.url} is no bridge that is well (HTTP {status})")
        if self._token is None:
            raise click.UsageError(f"a bridge runs at {self.url}; set admin_token, so that it can be told (or stop it first)")
        return True

    async def post(self, name: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Have it done. Raises Declined, Unreachable or NotServed."""
        status, said = await self._call("POST", f"/admin/partners/{name}/{verb}", PATIENCE, body)
        if status == 200 and isinstance(said, dict):
            return said
        because = said.get("error") if isinstance(said, dict) else None
        because = because or f"HTTP {status} from {self.url}"
        if status == 404:
            raise NotServed(because)
        if status == 401:
            raise click.UsageError(f"the bridge at {self.url} has another admin_token")
        raise Unreachable(because) if status == 504 else Declined(because)

    async def _call(self, method: str, path: str, seconds: float, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        data = None if body is None else orjson.dumps(body)
        limit = aiohttp.ClientTimeout(total=seconds)
        async with (
            aiohttp.ClientSession(timeout=limit) as http,
            http.request(method, self.url + path, data=data, headers=headers) as answer,
        ):
            read = await answer.read()
            try:
                return answer.status, orjson.loads(read)
            except orjson.JSONDecodeError:
                return answer.status, None


def run(work: Any) -> Any:
    """Run a coroutine; a bridge that goes away meanwhile is one clear line."""
    try:
        return asyncio.run(work)
    except (aiohttp.ClientError, TimeoutError) as why:
        raise click.ClickException(
            f"the bridge did not answer ({type(why).__name__}): see `evbridge partner list` before trying again"
        ) from why
