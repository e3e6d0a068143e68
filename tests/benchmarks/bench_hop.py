"""A card at a charger, all the way to its eMSP and back, and what it costs to start the server.

``authorise-hop``: eight chargers send OCPP 1.6J Authorize over WebSocket, each card another and known to nobody here, so that
the one partner (OCPI 2.2.1) is asked in real time over HTTP. CPU time of the server process (user and system, its writing
thread included) per request, over that of a bare aiohttp server that turns the same frame into a POST of JSON to the same
upstream and its answer into a frame. Same client, same upstream, in turn. Ours includes the checks of both messages, the
token list, the agreements and the record of the decision, which is on the disk a moment later.

``startup``: CPU time of a process that imports the server (``bridge.app`` with what it loads before it can serve: chargers,
web, store; no adapter, which is loaded for a protocol that is configured) over one that imports the least that any such
server needs. Each process is new, they run in turn, and a bare interpreter's time is taken from both. Not in it: reading the
configuration, whose models are pydantic's (``bridge.config``); the adapters; ``sqlite_utils``, which only a new or an old
store needs; the tariff engine, which the first bill needs; zeep, ocpp, click, rich and prometheus_client, which serving
does not need before they are asked for. Figures of all that: ``python -m tests.benchmarks.bench_hop``.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web

from tests.benchmarks.bench_store import heard, tell

CHARGERS: Final = 8
REQUESTS: Final = 1_600
"""Per round and server."""
ROUNDS: Final = 7
STARTS: Final = 9
UPDATED: Final = "2026-03-01T08:00:00Z"

# --- authorise-hop: the processes -------------------------------------------------------------------------------------


def helper(stack: ExitStack, role: str, *arguments: str, module: str = __spec__.name) -> subprocess.Popen[str]:
    """A process of a module; it answers a line (``cpu``) with its CPU seconds, and goes when its input ends."""
    process = subprocess.Popen([sys.executable, "-m", module, role, *arguments], text=True, bufsize=1,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)

    stack.callback(end)
    assert heard(process) == "ready"
    return process


async def told() -> None:
    """Answer lines until there are no more."""
    print("ready", flush=True)  # noqa: T201
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(cpu(), flush=True)  # noqa: T201


def cpu(who: int = resource.RUSAGE_SELF) -> float:
    """CPU seconds, user and system."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


async def listen(routes: Sequence[web.RouteDef], port: int) -> web.AppRunner:
    """A server."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


async def upstream(port: int) -> None:
    """The eMSP: it allows every card."""

    async def authorise(request: web.Request) -> web.Response:
        await request.read()
        uid = request.match_info["uid"]
        token = {"country_code": "DE", "party_id": "EMS", "uid": uid, "type": "RFID", "contract_id": "DE-EMS-C00000001-X",
                 "issuer": "Example Mobility", "valid": True, "whitelist": "NEVER", "last_updated": UPDATED}  # fmt: skip
        found = {"allowed": "ALLOWED", "token": token, "authorization_reference": "ref-1"}
        return web.Response(body=orjson.dumps({"data": found, "status_code": 1000, "timestamp": UPDATED}), content_type="application/json")

    async def tokens(request: web.Request) -> web.Response:
        return web.json_response({"data": [], "status_code": 1000, "timestamp": UPDATED}, headers={"X-Total-Count": "0", "X-Limit": "1000"})

    runner = await listen([web.post("/tokens/{uid}/authorize", authorise), web.get("/tokens", tokens)], port)
    await told()
    await runner.cleanup()


async def bare(port: int, partner: int) -> None:
    """The least: JSON out of a WebSocket, JSON over HTTP and back, JSON into the WebSocket."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{partner}") as session:

        async def charger(request: web.Request) -> web.WebSocketResponse:
            link = web.WebSocketResponse(protocols=("ocpp1.6",), compress=False)
            await link.prepare(request)
            async for message in link:
                _, ident, _, payload = message.json()
                where = {"location_id": "LOC1", "evse_uids": ["UID1"]}
                async with session.post(f"/tokens/{payload['idTag']}/authorize", params={"type": "RFID"}, json=where) as response:
                    answer = await response.json()
                status = "Accepted" if answer["data"]["allowed"] == "ALLOWED" else "Invalid"
                await link.send_json([3, ident, {"idTagInfo": {"status": status}}])
            return link

        runner = await listen([web.get("/ocpp/{name}", charger)], port)
        await told()
        await runner.cleanup()


CONFIG: Final = """
listen = "127.0.0.1:{port}"
store = "bridge.sqlite"
[operators.example]
party = "DE*ABC"
name = "Example Charging"
time_zone = "Europe/Berlin"
[partners.emsp]
protocol = "ocpi-2.2.1"
url = "http://127.0.0.1:{partner}/versions"
[[partners.emsp.agreements]]
operator = "example"
"""


async def serve(port: int, partner: int, folder: str) -> None:
    """The bridge, registered with the eMSP, with a charger for each EVSE."""
    from bridge.app import Bridge
    from bridge.config import load
    from bridge.ocpi.credentials import PartnerCredentials, PartnerEndpoint, PartnerRole
    from bridge.roaming.storage import EvseRow
    from bridge.store.sqlite import SqliteStore

    chargers = "".join(f'[chargers.CP{n}]\nconnectors = {{1 = "DE*ABC*E{n}"}}\n' for n in range(CHARGERS))
    (Path(folder) / "bridge.toml").write_text(CONFIG.format(port=port, partner=partner) + chargers, encoding="utf-8")
    config = load(Path(folder) / "bridge.toml")
    store = SqliteStore(config.store)
    store.open()
    rows = [
        EvseRow(f"DE*ABC*E{n}", f"DE*ABC*E{n}", f"UID{n}", "LOC1", "example", charge_point=f"CP{n}", connector=1) for n in range(CHARGERS)
    ]
    await store.save_things([], rows, [])
    url = f"http://127.0.0.1:{partner}"
    endpoints = (PartnerEndpoint("tokens", "SENDER", f"{url}/tokens"), PartnerEndpoint("cdrs", "RECEIVER", f"{url}/cdrs"))
    roles = (PartnerRole("EMSP", "DE", "EMS"),)
    peer = PartnerCredentials("token-for-them", "token-for-us", confirmed=True, versions_url=f"{url}/versions", version="2.2.1",
                              credentials_url=f"{url}/credentials", endpoints=endpoints, roles=roles)  # fmt: skip
    await store.set_credential("emsp", peer.to_json())
    store.close()
    bridge = Bridge(config)
    await bridge.start()
    await told()
    decisions = bridge.store.db.read.execute("SELECT COUNT(*) AS n, SUM(reason LIKE 'real-time%') AS asked FROM decision").fetchone()
    assert decisions["n"] == decisions["asked"] > 0, "every card was asked for"
    await bridge.stop()


# --- authorise-hop: the client ----------------------------------------------------------------------------------------


async def drivers(port: int, first: int, count: int) -> None:
    """So many cards, shared among the chargers, each of which waits for its answer before the next."""
    numbers = iter(range(first, first + count))

    async def charger(session: aiohttp.ClientSession, name: str) -> None:
        url = f"http://127.0.0.1:{port}/ocpp/{name}"
        async with session.ws_connect(url, protocols=("ocpp1.6",), compress=0) as link:
            for number in numbers:
                await link.send_str(orjson.dumps([2, str(number), "Authorize", {"idTag": f"04{number:012X}"}]).decode())
                while True:
                    answer = orjson.loads(await link.receive_str())
                    if answer[0] == 3:
                        break
                    await link.send_str(orjson.dumps([3, answer[1], {"status": "Rejected"}]).decode())
                assert answer[1:] == [str(number), {"idTagInfo": {"status": "Accepted"}}] or (
                    answer[1] == str(number) and answer[2]["idTagInfo"]["status"] == "Accepted"), answer  # fmt: skip

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(charger(session, f"CP{n}") for n in range(CHARGERS)))


def ports(count: int) -> list[int]:
    """Ports on which nobody listens now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return found


def spent(process: subprocess.Popen[str], port: int, first: int, count: int) -> float:
    """CPU milliseconds of a server per request."""
    tell(process, "cpu")
    before = float(heard(process))
    asyncio.run(drivers(port, first, count))
    tell(process, "cpu")
    return (float(heard(process)) - before) * 1000 / count


def hops(rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """CPU milliseconds per request of the bridge and of the bare server, per round."""
    partner, our, their = ports(3)
    numbers = iter(range(1, 1 << 40, REQUESTS))
    found = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        helper(stack, "upstream", str(partner))
        least = helper(stack, "bare", str(their), str(partner))
        ours = helper(stack, "serve", str(our), str(partner), folder)
        for process, port in ((least, their), (ours, our)):
            spent(process, port, next(numbers), 300)
        for _ in range(rounds):
            bare_ms = spent(least, their, next(numbers), REQUESTS)
            found.append((spent(ours, our, next(numbers), REQUESTS), bare_ms))
    return found


def authorise_hop() -> float:
    """CPU of the bridge per Authorize over that of the bare server."""
    return median(ours / least for ours, least in hops())


# --- startup ----------------------------------------------------------------------------------------------------------

BARE: Final = "pass"
LEAN: Final = "import aiohttp.web, lxml.etree, msgspec, orjson, attrs, sqlite3"
SERVER: Final = "import bridge.app, bridge.ocpp.central, bridge.web.admin"
MORE: Final = {
    "and configuration": f"{SERVER}, bridge.config",
    "and OCPI": f"{SERVER}, bridge.config, bridge.ocpi.adapter, bridge.ocpi.server",
    "and OICP, OCHP": f"{SERVER}, bridge.config, bridge.ocpi.adapter, bridge.ocpi.server, bridge.oicp.adapter, bridge.oicp.server,"
    " bridge.ochp.adapter",
}


def imports(code: str) -> float:
    """CPU milliseconds of a new process that runs ``code``."""
    before = cpu(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    return (cpu(resource.RUSAGE_CHILDREN) - before) * 1000


def starts(codes: Sequence[str], count: int = STARTS) -> Iterator[tuple[float, ...]]:
    """Round by round, what each costs more than a bare interpreter."""
    for code in codes:
        imports(code)  # compiled, and in the page cache
    for _ in range(count):
        least = imports(BARE)
        yield tuple(imports(code) - least for code in codes)


def startup() -> float:
    """Importing the server over importing the lean set."""
    return median(ours / lean for ours, lean in starts((SERVER, LEAN)))


BENCHES: Final = [("authorise-hop", 3.0, authorise_hop), ("startup", 1.5, startup)]


def main(role: str = "", *arguments: str) -> None:
    """A helper process, or every round."""
    roles: dict[str, Any] = {"upstream": upstream, "bare": bare, "serve": serve}
    if role:
        asyncio.run(roles[role](*(int(a) if a.isdigit() else a for a in arguments)))
        return
    begin = time.perf_counter()
    for ours, least in hops():
        print(f"authorise-hop {ours:.3f} ms, bare {least:.3f} ms: {ours / least:.2f}")  # noqa: T201
    rounds = list(starts((LEAN, SERVER, *MORE.values())))
    for name, column in zip(("lean", "server", *MORE), zip(*rounds, strict=True), strict=True):
        over = sorted(one / lean[0] for one, lean in zip(column, rounds, strict=True))
        print(f"startup {name}: {median(column):.0f} ms, over lean {median(over):.2f} ({over[0]:.2f} to {over[-1]:.2f})")  # noqa: T201
    print(f"{time.perf_counter() - begin:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
