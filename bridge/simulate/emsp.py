"""A strict stand-in for an eMSP (OCPI 2.1.1, 2.2.1 or 2.3.0): what operators test against, and what the demo and the tests use.

It validates every message by its own tables (:mod:`bridge.simulate.emsp_rules`), answers with the specification's errors,
and keeps everything. Besides OCPI below ``/ocpi`` it serves, as JSON:

- ``GET /_sim/report``: registration, rejections, warnings, what was received, locations, tariffs, sessions, CDRs, commands
- ``GET /_sim/wait?kind=cdr&count=3&timeout=30``: the report, once so many were received (HTTP 408 if they were not).
  Kinds: registration location evse connector status location_patch tariff tariff_delete session cdr cdr_repeat token_page
  authorize command_result profile_result plan client rejection
- ``GET /_sim/tokens``: its tokens, with ``listed`` (whether operators may pull them)
- ``POST /_sim/register {url, token_a}``: register with an operator
- ``POST /_sim/start {location_id, evse_uid?, connector_id?, uid, type?}``, ``/_sim/stop {session_id}``,
  ``/_sim/reserve {location_id, evse_uid?, uid, reservation_id, expiry_date}``, ``/_sim/cancel {reservation_id}``,
  ``/_sim/unlock {location_id, evse_uid, connector_id}``: send a command; gives its id and the answer at once.
  ``?timeout=30`` waits for the result, too
- ``POST /_sim/profile {session_id, profile}``, ``/_sim/profile_clear {session_id}``, ``/_sim/profile_active {session_id,
  duration}``: set, clear or ask for a charging profile, in the same way
- ``POST /_sim/prefer {session_id, profile_type, ...}``: tell a driver's charging preferences
- ``POST /_sim/client {country_code, party_id, role?, status}``: as a hub, tell the operator of a party behind it
- ``POST /_sim/token {...}``: take a Token object into the books and PUT it at the operator
- ``POST /_sim/patch {uid, type?, change: {...}}``: change a token and PATCH it at the operator
- ``POST /_sim/answer {uid, type?, allowed}``: what a real-time request about a token is answered from now on
- ``POST /_sim/pull {module, date_from?, date_to?, limit?}``: GET a list of the operator, checking every object
- ``POST /_sim/faults {status?, retry_after?, delay?, nonsense?, drop_after_accept?, only?, count}``: spoil the next ``count``
  requests whose path has ``only`` in it
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from aiohttp import web

from bridge.simulate import emsp_clients, emsp_profiles, emsp_tokens
from bridge.simulate.emsp_partner import CREDENTIALS, Operator
from bridge.simulate.emsp_receivers import NOTHING, ROUTES, Answer, Handler, details, plain, versions
from bridge.simulate.emsp_rules import moment
from bridge.simulate.emsp_state import VERSIONS, Emsp, Faults, Reject, parsed, stamp

EMSP = web.AppKey("emsp", Emsp)
OPERATOR = web.AppKey("operator", Operator)
MOST_BYTES = 16 << 20


def application(emsp: Emsp) -> web.Application:
    """The simulator as an application; ``emsp`` can be looked at while it runs."""
    app = web.Application(client_max_size=MOST_BYTES)
    app[EMSP], app[OPERATOR] = emsp, Operator(emsp)
    for method, path, handler in _routes(emsp):
        app.router.add_route(method, path, _protocol(handler))
    for method, serve_it in CREDENTIALS.items():
        app.router.add_route(method, emsp.path + "/credentials", _protocol(_with_token(serve_it)))
    app.router.add_route("*", "/ocpi/{rest:.*}", _protocol(_nothing))
    app.add_routes([web.get("/_sim/report", _report), web.get("/_sim/wait", _wait), web.get("/_sim/tokens", _tokens)])
    for name, act in _ACTS.items():
        app.router.add_post(f"/_sim/{name}", _acted(act))
    app.cleanup_ctx.append(_closing)
    return app


def _routes(emsp: Emsp) -> list[tuple[str, str, Handler]]:
    """What operators may call, besides credentials."""
    newer = () if emsp.older else (*emsp_profiles.ROUTES, *emsp_clients.ROUTES)
    below = [(method, emsp.path + path, handler) for method, path, handler in (*ROUTES, *emsp_tokens.ROUTES, *newer)]
    return [("GET", emsp.versions_path, versions), ("GET", emsp.path, details), *below]


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[OPERATOR].close()


# --- what operators call


def _with_token(handler: Any) -> Handler:
    async def serve_it(emsp: Emsp, request: web.Request) -> Answer:
        token = emsp.authenticate(request.headers.get("Authorization"), request.path)
        made: Answer = await handler(request.app[OPERATOR], request, token)
        return made

    return serve_it


def _protocol(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler with all that goes for every message: credentials, headers, envelope, recording, faults."""

    async def serve_it(request: web.Request) -> web.StreamResponse:
        emsp = request.app[EMSP]
        emsp.url = emsp.url or str(request.url.origin())
        spoiled = emsp.trouble.take(request.path)
        if spoiled and (instead := await _spoiled(emsp.trouble)) is not None:
            return instead
        try:
            emsp.authenticate(request.headers.get("Authorization"), request.path)
            _headers(emsp, request)
            answer = await handler(emsp, request)
            body, status, more = _success(answer), answer.status, answer.headers
        except Reject as why:
            if why.record:
                emsp.reject(method=request.method, path=request.path, status=why.status, code=why.code, because=why.because)
            body, status, more = _failure(why.code, why.because), why.status, {}
        except web.HTTPRequestEntityTooLarge:
            emsp.reject(method=request.method, path=request.path, status=413, code=2001, because="the body is too large")
            body, status, more = _failure(2001, "the body is too large"), 413, {}
        if spoiled and emsp.trouble.drop_after_accept and request.transport is not None:
            request.transport.abort()
        return web.Response(body=body, status=status, headers=_echo(request) | more, content_type="application/json")

    return serve_it


async def _spoiled(trouble: Faults) -> web.Response | None:
    if trouble.delay:
        await asyncio.sleep(trouble.delay)
    if trouble.status is not None:
        headers = {} if trouble.retry_after is None else {"Retry-After": f"{trouble.retry_after:g}"}
        return web.Response(status=trouble.status, text="out of order", headers=headers)
    if trouble.nonsense:
        return web.Response(text="<html>welcome</html>", content_type="text/html")
    return None


async def _nothing(emsp: Emsp, request: web.Request) -> Answer:
    known = any(method != request.method and _fits(path, request.path) for method, path, _ in _routes(emsp))
    if known or request.path == emsp.path + "/credentials":
        raise Reject(2000, f"{request.method} is not defined here", 405)
    raise Reject(2000, "there is nothing here", 404)


def _fits(pattern: str, path: str) -> bool:
    ours, theirs = pattern.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(a == b or a.startswith("{") for a, b in zip(ours, theirs, strict=True))


_ROUTING = ("OCPI-to-country-code", "OCPI-to-party-id", "OCPI-from-country-code", "OCPI-from-party-id")


def _headers(emsp: Emsp, request: web.Request) -> None:
    """X-Request-ID and X-Correlation-ID are mandatory; routing headers fit the connection, and only functional modules.

    2.1.1 has none of them.
    """
    if emsp.older:
        if any(name in request.headers for name in _ROUTING):
            raise Reject(2001, "OCPI 2.1.1 has no routing headers")
        return
    for name in ("X-Request-ID", "X-Correlation-ID"):
        if not request.headers.get(name):
            raise Reject(2001, f"{name} is missing")
    told = [request.headers.get(name) for name in _ROUTING]
    if request.path.rstrip("/") in emsp.configuration or request.path.startswith(emsp.path + "/hubclientinfo"):
        if any(told):
            raise Reject(2001, "routing headers are not for configuration modules")
        return
    to, sender = told[:2], told[2:]
    if any(to) and not emsp_clients.reaches(emsp, str(to[0]).upper(), str(to[1]).upper()):
        raise Reject(4001, f"OCPI-to: {to[0]}*{to[1]} is not reached here")
    if emsp.hub:
        emsp.addressed.append((request.method, request.path, "*".join(str(t) for t in to)))
    if any(sender) and not emsp.speaks_for(str(sender[0]), str(sender[1])):
        raise Reject(2001, f"OCPI-from: {sender[0]}*{sender[1]} is none of your roles")


def _echo(request: web.Request) -> dict[str, str]:
    names = {"X-Request-ID": "X-Request-ID", "X-Correlation-ID": "X-Correlation-ID"}
    for ours, theirs in (("to", "from"), ("from", "to")):
        names |= {f"OCPI-{ours}-{what}": f"OCPI-{theirs}-{what}" for what in ("country-code", "party-id")}
    return {theirs: request.headers[ours] for ours, theirs in names.items() if ours in request.headers}


def _success(answer: Answer) -> bytes:
    data = {} if answer.data is NOTHING else {"data": answer.data}
    return plain({**data, "status_code": 1000, "status_message": "Success", "timestamp": stamp()})


def _failure(code: int, because: str) -> bytes:
    return plain({"status_code": code, "status_message": because, "timestamp": stamp()})


# --- what whoever runs it calls


async def _report(request: web.Request) -> web.Response:
    return _json(request.app[EMSP].report())


async def _wait(request: web.Request) -> web.Response:
    emsp, query = request.app[EMSP], request.query
    kind, count = query.get("kind", "cdr"), int(query.get("count", "1"))
    try:
        await emsp.wait(lambda: _seen(emsp, kind) >= count, float(query.get("timeout", "30")))
    except TimeoutError:
        return _json(emsp.report(), 408)
    return _json(emsp.report())


def _seen(emsp: Emsp, kind: str) -> int:
    return len(emsp.rejections) if kind == "rejection" else emsp.received[kind]


async def _tokens(request: web.Request) -> web.Response:
    emsp = request.app[EMSP]
    return _json([token | {"listed": key not in emsp.hidden} for key, token in emsp.known.items()])


def _json(data: Any, status: int = 200) -> web.Response:
    return web.Response(body=plain(data), status=status, content_type="application/json")


Act = Callable[[Emsp, Operator, dict[str, Any]], Awaitable[Any]]


def _acted(act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve_it(request: web.Request) -> web.Response:
        emsp = request.app[EMSP]
        emsp.url = emsp.url or str(request.url.origin())
        try:
            given = parsed(await request.read() or b"{}")
            made = await act(emsp, request.app[OPERATOR], given)
            if "timeout" in request.query and made.get("id") in emsp.commands:
                sent = emsp.commands[made["id"]]
                await emsp.wait(lambda: sent.result is not None, float(request.query["timeout"]))
                made["result"] = sent.result
        except Reject as why:
            return _json({"code": why.code, "because": why.because}, why.status if why.status >= 400 else 502)
        except (AttributeError, KeyError, TypeError, ValueError) as why:
            return _json({"because": f"{type(why).__name__}: {why}"}, 400)
        except TimeoutError:
            return _json({"because": "no result in time"}, 408)
        return _json(made)

    return serve_it


async def _register(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    await operator.register(given["url"], given["token_a"])
    return {"registered": True}


async def _command(operator: Operator, kind: str, body: dict[str, Any]) -> Any:
    sent = await operator.command(kind, body)
    return {"id": sent.id, "response": sent.response}


def _place(emsp: Emsp, given: dict[str, Any], connector: bool = False) -> dict[str, Any]:
    """Where; 2.1.1 names the connector only where it is unlocked."""
    names = ("location_id", "evse_uid", *(("connector_id",) if connector or not emsp.older else ()))
    return {name: given.get(name) for name in names}


def _reference(emsp: Emsp, token: dict[str, Any]) -> dict[str, Any]:
    return {} if emsp.older else {"authorization_reference": emsp.refer(token["uid"])}


async def _start(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    token = operator.token_for(given["uid"], given.get("type", "RFID"))
    body = {"token": token, **_reference(emsp, token), **_place(emsp, given)}
    return await _command(operator, "START_SESSION", body)


async def _stop(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return await _command(operator, "STOP_SESSION", {"session_id": given["session_id"]})


async def _reserve(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    token = operator.token_for(given["uid"], given.get("type", "RFID"))
    until = (datetime.now(UTC) + timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"token": token, "expiry_date": given.get("expiry_date") or until, "reservation_id": given["reservation_id"]}
    body |= _reference(emsp, token)
    return await _command(operator, "RESERVE_NOW", body | {name: given.get(name) for name in ("location_id", "evse_uid")})


async def _cancel(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    if emsp.older:
        raise ValueError("OCPI 2.1.1 cannot cancel a reservation")
    return await _command(operator, "CANCEL_RESERVATION", {"reservation_id": given["reservation_id"]})


async def _unlock(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return await _command(operator, "UNLOCK_CONNECTOR", _place(emsp, given, connector=True))


async def _token(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    owner = {} if emsp.older else {"country_code": emsp.country_code, "party_id": emsp.party_id}
    token = owner | {"last_updated": stamp()} | given
    emsp.add_token(token)
    return {"status": await operator.put_token(token)}


async def _patch(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return {"status": await operator.patch_token(given["uid"], given.get("type", "RFID"), given["change"])}


async def _answer(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    key = (str(given["uid"]).upper(), given.get("type", "RFID"))
    operator.token_for(*key)
    emsp.answers[key] = given["allowed"]
    return {}


async def _pull(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    params = {n: str(given[n]) for n in ("date_from", "date_to", "limit", "offset") if given.get(n) is not None}
    if given["module"] == "sessions":
        params = {"date_from": "2000-01-01T00:00:00Z"} | params
    for name in ("date_from", "date_to"):
        if name in params and moment(params[name]) is None:
            raise ValueError(f"{name}: no DateTime")
    return {"objects": await operator.pull(given["module"], params)}


async def _faults(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    emsp.trouble = Faults(**({"count": 1} | given))
    return {}


_ACTS: dict[str, Act] = {
    "register": _register, "start": _start, "stop": _stop, "reserve": _reserve, "cancel": _cancel, "unlock": _unlock,
    "token": _token, "patch": _patch, "answer": _answer, "pull": _pull, "faults": _faults, **emsp_profiles.ACTS, **emsp_clients.ACTS,
}  # fmt: skip


# --- to run it


async def serve(host: str, port: int, emsp: Emsp) -> web.AppRunner:
    """Serve it; ``emsp.url`` is set where it was empty and the port is fixed. Call ``cleanup`` of what is returned to end it."""
    runner = web.AppRunner(application(emsp), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    bound = runner.addresses[0][1]
    if not emsp.url and host not in ("", "0.0.0.0", "::"):  # noqa: S104  (compared, not bound to)
        emsp.url = f"http://{host}:{bound}"
    return runner


@click.command("emsp")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9221, show_default=True, help="Port to listen on.")
@click.option("--ocpi", default="2.2.1", show_default=True, type=click.Choice(VERSIONS), help="The version that it speaks.")
@click.option("--url", default="", help="Where operators find it, if that is another address.")
@click.option("--party", default="DE*EMS", show_default=True, help="Country and party.")
@click.option("--name", default="Example Mobility", show_default=True, help="Name of the company.")
@click.option("--tokens", default=100, show_default=True, help="How many tokens it lists.")
@click.option("--unlisted", default=10, show_default=True, help="How many more it knows, but does not list.")
@click.option("--whitelist", default="ALLOWED", show_default=True, help="WhitelistType of its tokens, several by commas in turn.")
@click.option("--token-a", envvar="EVBRIDGE_EMSP_TOKEN_A", default=None, help="Token with which an operator may register here.")
def command(host: str, port: int, ocpi: str, url: str, party: str, name: str, tokens: int, unlisted: int, whitelist: str,
            token_a: str | None) -> None:  # fmt: skip
    """A strict eMSP (OCPI): registers, takes locations, status, tariffs, sessions, CDRs; gives tokens, starts sessions."""
    country, _, ident = party.partition("*")
    emsp = Emsp(country_code=country, party_id=ident, name=name, tokens=tokens, unlisted=unlisted, whitelist=whitelist.split(","),
                token_a=token_a, url=url.rstrip("/"), version=ocpi)  # fmt: skip
    asyncio.run(_forever(host, port, emsp))


async def _forever(host: str, port: int, emsp: Emsp) -> None:
    runner = await serve(host, port, emsp)
    click.echo(f"eMSP {emsp.country_code}*{emsp.party_id} at http://{host}:{port}{emsp.versions_path}, report at /_sim/report")
    ended = asyncio.Event()
    with suppress(NotImplementedError):  # Windows has no signal handlers in the loop
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    try:
        await ended.wait()
    finally:
        await runner.cleanup()
