"""The strict eMSP (``evbridge simulate emsp``) towards a peer that is an operator: registration, lists, tokens, commands."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from bridge.simulate.emsp import application
from bridge.simulate.emsp_state import Emsp
from tests.interop.checks import Checks, Failed, until


async def play(checks: Checks, url: str, token_a: str, version: str) -> None:
    """Everything that an eMSP does with an operator. ``url``: the peer's versions URL."""
    emsp = Emsp(version=version, tokens=3, unlisted=0)
    server = TestServer(application(emsp))
    async with server:
        emsp.url = str(server.make_url("")).rstrip("/")

        async def act(name: str, **body: Any) -> Any:
            async with aiohttp.ClientSession() as http, http.post(server.make_url(f"/_sim/{name}"), json=body) as answer:
                if answer.status != 200:
                    raise Failed(f"{(await answer.text())[:200]}{_rejected(emsp)}")
                return await answer.json()

        async with checks.check("the eMSP registers at the peer (which calls back during the request)"):
            await act("register", url=url, token_a=token_a)
        if emsp.theirs is None:
            return
        pulled: dict[str, list[Any]] = {}
        for module in ("locations", "tariffs", "sessions", "cdrs"):
            async with checks.check(f"{module} are pulled, page by page, each of them in order"):
                pulled[module] = (await act("pull", module=module, limit=2))["objects"]
                assert pulled[module], "there are none"
        async with checks.check("a token is put, and patched"):
            token = next(iter(emsp.known.values()))
            assert (await act("token", **token))["status"] in (200, 201)
            change = {"valid": False, "last_updated": token["last_updated"]}
            assert (await act("patch", uid=token["uid"], change=change))["status"] == 200
        async with checks.check("a session is started; its result follows"):
            if not pulled.get("locations"):
                raise Failed("no location is known to start it at")
            location = pulled["locations"][0]
            evse = location["evses"][0]
            where = {"location_id": location["id"], "evse_uid": evse["uid"], "connector_id": evse["connectors"][0]["id"]}
            sent = await act("start", uid=list(emsp.known.values())[1]["uid"], **where)
            assert sent["response"]["result"] == "ACCEPTED", str(sent["response"])
            await until(lambda: emsp.commands[sent["id"]].result is not None, f"a result{_rejected(emsp)}")


def _rejected(emsp: Emsp) -> str:
    told = [f"{one['method']} {one['path']}: {one['because']}" for one in emsp.rejections[-2:]]
    return f"; rejected: {told}" if told else ""
