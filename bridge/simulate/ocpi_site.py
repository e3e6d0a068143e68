"""A simulated party as an application: OCPI below ``/ocpi``, and what whoever runs it calls, below ``/_sim``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import click
from aiohttp import web

from bridge.simulate.ocpi_http import Answer, Handler, protocol, versions
from bridge.simulate.ocpi_party import Faults, Party, Reject, parsed, plain
from bridge.simulate.ocpi_peer import CREDENTIALS, Peer

MOST_BYTES = 16 << 20

P = TypeVar("P", bound=Party)
A = TypeVar("A", bound=Peer[Any])
Act = Callable[[P, A, dict[str, Any]], Awaitable[Any]]
"""What POST /_sim/<name> does, given a JSON object; what it returns is the answer."""
Look = Callable[[P], Any]
"""What GET /_sim/<name> shows."""


def application(party: P, peer: A, routes: Iterable[tuple[str, str, Handler[P]]], *, acts: Mapping[str, Act[P, A]],
                looks: Mapping[str, Look[P]]) -> web.Application:  # fmt: skip
    """The simulator as an application; ``party`` can be looked at while it runs. ``routes`` are below the path of the version."""
    app = web.Application(client_max_size=MOST_BYTES)
    below = [("GET", party.versions_path, versions), *((method, party.path + path, handler) for method, path, handler in routes)]
    for method, path, handler in below:
        app.router.add_route(method, path, protocol(party, handler))
    for method, serve_it in CREDENTIALS.items():
        app.router.add_route(method, party.path + "/credentials", protocol(party, _with_token(peer, serve_it)))
    known = [(method, path) for method, path, _ in below] + [(method, party.path + "/credentials") for method in CREDENTIALS]
    app.router.add_route("*", "/ocpi/{rest:.*}", protocol(party, _nothing(known)))
    app.router.add_get("/_sim/wait", _waited(party))
    for name, look in ({"report": lambda one: one.report()} | dict(looks)).items():
        app.router.add_get(f"/_sim/{name}", _looked(party, look))
    for name, act in ({"register": _register, "faults": _faults} | dict(acts)).items():
        app.router.add_post(f"/_sim/{name}", _acted(party, peer, act))

    async def closing(_: web.Application) -> AsyncIterator[None]:
        yield
        await peer.close()

    app.cleanup_ctx.append(closing)
    return app


def _with_token(peer: Peer[Any], handler: Callable[[Peer[Any], web.Request, str], Awaitable[Answer]]) -> Handler[Any]:
    async def serve_it(party: Party, request: web.Request) -> Answer:
        token = party.authenticate(request.headers.get("Authorization"), request.path)
        return await handler(peer, request, token)

    return serve_it


def _nothing(known: list[tuple[str, str]]) -> Handler[Any]:
    async def serve_it(party: Party, request: web.Request) -> Answer:
        if any(method != request.method and _fits(path, request.path) for method, path in known):
            raise Reject(2000, f"{request.method} is not defined here", 405)
        raise Reject(2000, "there is nothing here", 404)

    return serve_it


def _fits(pattern: str, path: str) -> bool:
    ours, theirs = pattern.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(a == b or a.startswith("{") for a, b in zip(ours, theirs, strict=True))


# --- what whoever runs it calls


def _looked(party: P, look: Look[P]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve_it(request: web.Request) -> web.Response:
        return _json(look(party))

    return serve_it


def _waited(party: Party) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve_it(request: web.Request) -> web.Response:
        query = request.query
        kind, count = query.get("kind", "cdr"), int(query.get("count", "1"))
        try:
            await party.wait(lambda: party.seen(kind) >= count, float(query.get("timeout", "30")))
        except TimeoutError:
            return _json(party.report(), 408)
        return _json(party.report())

    return serve_it


def _acted(party: P, peer: A, act: Act[P, A]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve_it(request: web.Request) -> web.Response:
        party.url = party.url or str(request.url.origin())
        try:
            made = await act(party, peer, parsed(await request.read() or b"{}"))
            if "timeout" in request.query:
                made = await peer.finished(made, float(request.query["timeout"]))
        except Reject as why:
            return _json({"code": why.code, "because": why.because}, why.status if why.status >= 400 else 502)
        except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as why:
            return _json({"because": f"{type(why).__name__}: {why}"}, 400)
        except TimeoutError:
            return _json({"because": "no result in time"}, 408)
        return _json(made)

    return serve_it


def _json(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=plain(data), status=status, content_type="application/json")


async def _register(party: Party, peer: Peer[Any], given: dict[str, Any]) -> Any:
    await peer.register(given["url"], given["token_a"])
    return {"registered": True}


async def _faults(party: Party, peer: Peer[Any], given: dict[str, Any]) -> Any:
    party.trouble = Faults(**({"count": 1} | given))
    return {}


# --- to run it


async def serve(host: str, port: int, party: Party, app: web.Application) -> web.AppRunner:
    """Serve it; ``party.url`` is set where it was empty and the port is fixed. Call ``cleanup`` of what is returned to end it."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    bound = runner.addresses[0][1]
    if not party.url and host not in ("", "0.0.0.0", "::"):  # noqa: S104  (compared, not bound to)
        party.url = f"http://{host}:{bound}"
    return runner


async def forever(host: str, port: int, party: Party, app: web.Application) -> None:
    """Serve it until it is told to end."""
    runner = await serve(host, port, party, app)
    what = f"{party.role} {party.country_code}*{party.party_id}"
    click.echo(f"{what} at http://{host}:{port}{party.versions_path}, report at /_sim/report")
    ended = asyncio.Event()
    with suppress(NotImplementedError):  # Windows has no signal handlers in the loop
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    try:
        await ended.wait()
    finally:
        await runner.cleanup()
