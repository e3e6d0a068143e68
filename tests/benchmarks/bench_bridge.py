"""A request that is passed on from one OCPI partner to another of another version.

``bridge-hop``: an upstream operator (OCPI 2.2.1) asks whether a card may charge at one of its EVSEs; the card is known to nobody here,
so the one eMSP (OCPI 2.1.1) is asked, and its answer goes back. CPU time of the bridge's process (user and system, its writing thread
included) per request, over that of a bare aiohttp server that POSTs the body on to the same eMSP through a pooled session and gives back
what comes. Same client with 16 connections, same eMSP, in turn. Ours includes authentication, the checks of both messages, the place, the
token list, the agreements, the mapping between the versions and the record of the decision.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web

from tests.benchmarks.bench_hop import UPDATED, helper, listen, ports, told
from tests.benchmarks.bench_store import heard, tell

CONNECTIONS: Final = 16
REQUESTS: Final = 1_600
"""Per round and server."""
ROUNDS: Final = 7
TOKEN: Final = "token-of-the-operator"  # noqa: S105  (of a partner that there is only here)
BODY: Final = orjson.dumps({"location_id": "LOC1", "evse_uids": ["ELOC11"]})

CONFIG: Final = """
listen = "127.0.0.1:{port}"
store = "bridge.sqlite"
[operators.example]
party = "DE*ABC"
name = "Example Charging"
time_zone = "Europe/Berlin"
[partners.csms]
protocol = "ocpi-2.2.1"
role = "upstream"
feeds = ["example"]
url = "http://127.0.0.1:{partner}/csms"
requests_per_second = 0
[partners.emsp]
protocol = "ocpi-2.1.1"
url = "http://127.0.0.1:{partner}/versions"
[[partners.emsp.agreements]]
operator = "example"
free = true
sources = ["own", "csms"]
"""


# --- the processes


async def emsp(port: int) -> None:
    """The eMSP: it allows every card."""

    async def authorise(request: web.Request) -> web.Response:
        await request.read()
        found = {"allowed": "ALLOWED", "location": {"location_id": "LOC1", "evse_uids": ["ELOC11"]}}
        return web.Response(body=orjson.dumps({"data": found, "status_code": 1000, "timestamp": UPDATED}), content_type="application/json")

    async def nothing(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"data": [], "status_code": 1000, "timestamp": UPDATED}, headers={"X-Total-Count": "0", "X-Limit": "100"})

    runner = await listen([web.post("/tokens/{uid}/authorize", authorise), web.route("*", "/{rest:.*}", nothing)], port)
    await told()
    await runner.cleanup()


async def bare(port: int, partner: int) -> None:
    """The least: what comes is sent on, and what comes back is the answer."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{partner}") as session:

        async def passed(request: web.Request) -> web.Response:
            async with session.post(f"/tokens/{request.match_info['uid']}/authorize", data=await request.read()) as answer:
                return web.Response(body=await answer.read(), content_type="application/json")

        runner = await listen([web.post("/ocpi/2.2.1/sender/tokens/{uid}/authorize", passed)], port)
        await told()
        await runner.cleanup()


async def serve(port: int, partner: int, folder: str) -> None:
    """The bridge, registered with both, with a place of the upstream operator."""
    from bridge.app import Bridge
    from bridge.config import load
    from bridge.ocpi.credentials import PartnerCredentials, PartnerEndpoint, PartnerRole
    from bridge.store.sqlite import SqliteStore
    from tests.protocol.ocpi_world import canonical, location

    (Path(folder) / "bridge.toml").write_text(CONFIG.format(port=port, partner=partner), encoding="utf-8")
    config = load(Path(folder) / "bridge.toml")
    store = SqliteStore(config.store)
    store.open()
    url = f"http://127.0.0.1:{partner}"
    lists = tuple(PartnerEndpoint(name, "SENDER", f"{url}/lists/{name}") for name in ("locations", "tariffs", "sessions", "cdrs"))
    csms = PartnerCredentials("t1", TOKEN, confirmed=True, versions_url=f"{url}/csms", version="2.2.1",
                              credentials_url=f"{url}/credentials", endpoints=lists, roles=(PartnerRole("CPO", "DE", "ABC"),))  # fmt: skip
    peer = PartnerCredentials("t2", "token-of-the-emsp", confirmed=True, versions_url=f"{url}/versions", version="2.1.1",
                              credentials_url=f"{url}/credentials", endpoints=(PartnerEndpoint("tokens", "", f"{url}/tokens"),),
                              roles=(PartnerRole("EMSP", "DE", "EMS"),))  # fmt: skip
    await store.set_credential("csms", csms.to_json())
    await store.set_credential("emsp", peer.to_json())
    store.close()
    bridge = Bridge(config)
    await bridge.start()
    await bridge.core.upstream.put_location("csms", canonical("location", location()))
    await told()
    decisions = bridge.store.db.read.execute("SELECT COUNT(*) AS n, SUM(reason LIKE 'real-time%') AS asked FROM decision").fetchone()
    assert decisions["n"] == decisions["asked"] > 0, "every card was asked for"
    await bridge.stop()


# --- the client


async def cards(port: int, first: int, count: int) -> None:
    """So many cards are asked for, over a number of connections."""
    numbers = iter(range(first, first + count))
    headers = {"Authorization": "Token " + base64.b64encode(TOKEN.encode()).decode(), "Content-Type": "application/json"}

    async def connection(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            url = f"http://127.0.0.1:{port}/ocpi/2.2.1/sender/tokens/04{number:012X}/authorize"
            async with session.post(url, data=BODY, headers=headers) as answer:
                said = orjson.loads(await answer.read())
                assert said["status_code"] == 1000, said
                assert said["data"]["allowed"] == "ALLOWED", said

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        await asyncio.gather(*(connection(session) for _ in range(CONNECTIONS)))


def spent(process: Any, port: int, first: int, count: int) -> float:
    """CPU milliseconds of a server per request."""
    tell(process, "cpu")
    before = float(heard(process))
    asyncio.run(cards(port, first, count))
    tell(process, "cpu")
    return (float(heard(process)) - before) * 1000 / count


def bridge_hop() -> float:
    """CPU of the bridge per request over that of the bare server."""
    partner, our, their = ports(3)
    numbers = iter(range(1, 1 << 40, REQUESTS))
    found = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        helper(stack, "emsp", str(partner), module=__name__)
        least = helper(stack, "bare", str(their), str(partner), module=__name__)
        ours = helper(stack, "serve", str(our), str(partner), folder, module=__name__)
        for process, port in ((least, their), (ours, our)):
            spent(process, port, next(numbers), 300)
        for _ in range(ROUNDS):
            bare_ms = spent(least, their, next(numbers), REQUESTS)
            found.append(spent(ours, our, next(numbers), REQUESTS) / bare_ms)
    return median(found)


BENCHES: Final = [("bridge-hop", 2.0, bridge_hop)]


def main(role: str, *arguments: str) -> None:
    """A helper process."""
    roles: dict[str, Any] = {"emsp": emsp, "bare": bare, "serve": serve}
    asyncio.run(roles[role](*(int(a) if a.isdigit() else a for a in arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
