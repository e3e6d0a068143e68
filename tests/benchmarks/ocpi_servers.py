"""The servers of the OCPI benchmarks, each a process: the bridge itself, the least that such a server is, and a peer.

``bridge`` is :class:`bridge.app.Bridge` from a configuration file, with its store, registered with its partners;
``bare`` is aiohttp and sqlite3, or aiohttp alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from bridge.ocpi.envelope import success
from tests.benchmarks.bench_hop import listen, told
from tests.benchmarks.bench_map import location

NAME: Final = "tests.benchmarks.ocpi_servers"
LOCATIONS: Final = 5_000
HIDDEN: Final = 500
"""More locations, which the partner may not see."""
PAGE: Final = 100
TOKENS: Final = 80_000
TOKEN_PAGE: Final = 1_000
UPDATED: Final = "2026-03-01T08:00:00Z"
PARTNERS: Final = ("emsp", "other", "third")

CONFIG: Final = """
listen = "127.0.0.1:{port}"
store = "bridge.sqlite"
[operators.example]
party = "DE*ABC"
name = "Example Charging"
time_zone = "Europe/Berlin"
"""
PARTNER: Final = """
[partners.{name}]
protocol = "ocpi-2.2.1"
url = "http://127.0.0.1:{peer}/versions"
requests_per_second = 1000000.0
{more}
[[partners.{name}.agreements]]
operator = "example"
kinds = {kinds}
{groups}
"""


def token_of(partner: str) -> str:
    """What a partner calls the bridge with."""
    return f"token-of-{partner}-with-32-characters"


def party_of(partner: str) -> str:
    """The party that a partner is."""
    return partner[:3].upper()


def driver(number: int, party: str = "EMS", **more: Any) -> dict[str, Any]:
    """A driver's token as an eMSP's list has it (about 400 bytes)."""
    return {
        "country_code": "DE", "party_id": party, "uid": f"04{number * 2654435761 % 2**48:012X}", "type": "RFID",
        "contract_id": f"DE-{party}-C{number:08}-X", "visual_number": f"DF000-{number:08}-8", "issuer": "Example Mobility",
        "group_id": f"DE-{party}-G{number // 3:08}", "valid": True, "whitelist": "ALLOWED", "language": "de",
        "energy_contract": {"supplier_name": "Stadtwerke Beispiel", "contract_id": f"E{number:010}"}, "last_updated": UPDATED,
    } | more  # fmt: skip


# --- the bridge


def configured(folder: Path, port: int, peer: int, *, kinds: str, more: str = "") -> Any:
    """The configuration of a bridge with three partners, the first of which sees one group of locations only."""
    from bridge.config import load

    text = CONFIG.format(port=port)
    for name in PARTNERS:
        groups = 'groups = ["public"]' if name == "emsp" else ""
        text += PARTNER.format(name=name, peer=peer, kinds=kinds, groups=groups, more=more)
    (folder / "bridge.toml").write_text(text, encoding="utf-8")
    return load(folder / "bridge.toml")


async def registered(store: Any, peer: int) -> None:
    """Every partner has registered."""
    from bridge.ocpi.credentials import PartnerCredentials, PartnerEndpoint, PartnerRole

    url = f"http://127.0.0.1:{peer}"
    for name in PARTNERS:
        made = PartnerCredentials(
            "token-for-them", token_of(name), confirmed=True, versions_url=f"{url}/versions", version="2.2.1",
            credentials_url=f"{url}/credentials", endpoints=(PartnerEndpoint("tokens", "SENDER", f"{url}/tokens"),),
            roles=(PartnerRole("EMSP", "DE", party_of(name)),))  # fmt: skip
        await store.set_credential(name, made.to_json())


async def bridge(port: int, peer: int, folder: str, kinds: str, locations: int = 0) -> None:
    """The bridge, registered with its partners, its locations imported and sent to them before."""
    from bridge.app import Bridge, settle
    from bridge.mapping.context import Settings
    from bridge.mapping.registry import find

    made = Bridge(configured(Path(folder), port, peer, kinds=kinds))
    made.store.open()
    await registered(made.store, peer)
    if locations:
        entry = find("ocpi-2.2.1", "location")
        bound, read = entry.mapping.bind(Settings(), "ocpi-2.2.1"), entry.codec.exact()
        places = [bound.to_canon(read(orjson.dumps(location(n))).value)[0] for n in range(locations + HIDDEN)]
        groups = {str(p.place.id): ["public" if n < locations else "private"] for n, p in enumerate(places)}
        await made.core.publisher.import_locations("example", places, groups=groups, bound={})
        await made.core.align()
        await made.store.db.write(lambda db: db.execute("DELETE FROM outbox").rowcount)  # they have been sent
    made.store.close()
    await made.start()
    settle()
    await told()
    await made.stop()


# --- the least


def stored(path: Path, locations: int) -> None:
    """Locations as the bridge sends them, in a table of their own."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE location (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        db.executemany("INSERT INTO location VALUES (?, ?)", [(n, orjson.dumps(location(n))) for n in range(locations)])
    db.close()


async def bare_page(port: int, folder: str, locations: int) -> None:
    """Stored bytes, joined."""
    path = Path(folder) / "bare.sqlite"
    stored(path, locations)
    db = sqlite3.connect(path)

    async def page(request: web.Request) -> web.Response:
        limit, offset = int(request.query["limit"]), int(request.query["offset"])
        rows = db.execute("SELECT body FROM location WHERE seq >= ? ORDER BY seq LIMIT ?", (offset, limit)).fetchall()
        body = success(b"[" + b",".join([row[0] for row in rows]) + b"]")
        return web.Response(body=body, content_type="application/json")

    runner = await listen([web.get("/ocpi/2.2.1/sender/locations", page)], port)
    await told()
    await runner.cleanup()
    db.close()


async def bare_put(port: int) -> None:
    """A token of a caller that is known, decoded and checked, acknowledged, and forgotten."""
    from bridge.ocpi.envelope import spelled
    from bridge.ocpi.wire.v221 import Token

    decode = msgspec.json.Decoder(Token).decode
    callers = {spelled(token_of("emsp")): ("DE", "EMS")}

    async def put(request: web.Request) -> web.Response:
        owner = callers[request.headers["Authorization"]]
        token = decode(await request.read())
        match = request.match_info
        assert (token.country_code, token.party_id) == (match["country"], match["party"]) == owner
        assert token.uid == match["uid"]
        headers = {name: request.headers[name] for name in ("X-Request-ID", "X-Correlation-ID")}
        return web.Response(body=success(), headers=headers, content_type="application/json")

    runner = await listen([web.put("/ocpi/2.2.1/receiver/tokens/{country}/{party}/{uid}", put)], port)
    await told()
    await runner.cleanup()


# --- the peer


async def peer(port: int) -> None:
    """An eMSP that has its tokens ready, page by page."""
    pages = {}
    for offset in range(0, TOKENS, TOKEN_PAGE):
        found = [driver(n) for n in range(offset, offset + TOKEN_PAGE)]
        pages[str(offset)] = success(orjson.dumps(found))

    async def tokens(request: web.Request) -> web.Response:
        offset = request.query.get("offset", "0")
        headers = {"X-Total-Count": str(TOKENS), "X-Limit": str(TOKEN_PAGE)}
        following = int(offset) + TOKEN_PAGE
        if following < TOKENS:
            headers["Link"] = f'<http://127.0.0.1:{port}/tokens?offset={following}&limit={TOKEN_PAGE}>; rel="next"'
        return web.Response(body=pages[offset], headers=headers, content_type="application/json")

    runner = await listen([web.get("/tokens", tokens)], port)
    await told()
    await runner.cleanup()


if __name__ == "__main__":
    role, *given = sys.argv[1:]
    roles: dict[str, Any] = {"bridge": bridge, "bare-page": bare_page, "bare-put": bare_put, "peer": peer}
    asyncio.run(roles[role](*(int(a) if a.isdigit() else a for a in given)))
