"""What goes for every message that a simulated party is sent: credentials, headers, envelope, faults; and the lists that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from attrs import field, frozen

from bridge.simulate.ocpi_party import Faults, Party, Reject, at, parsed, plain, stamp
from bridge.simulate.ocpi_rules import moment

NOTHING = object()
NEWER = ("chargingprofiles", "hubclientinfo")
"""Modules that 2.1.1 does not have."""


@frozen
class Answer:
    """Data for the envelope, HTTP status, headers; and what happens once the answer is on its way."""

    data: Any = NOTHING
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    then: Callable[[], None] | None = None


P = TypeVar("P", bound=Party)
Handler = Callable[[P, web.Request], Awaitable[Answer]]


async def body_of(request: web.Request) -> tuple[bytes, Any]:
    """The body, as bytes and as JSON. Raises Reject."""
    if request.content_type != "application/json":
        raise Reject(2001, f"Content-Type: application/json is expected, found {request.content_type}")
    data = await request.read()
    return data, parsed(data)


# --- versions and lists


async def versions(party: Party, request: web.Request) -> Answer:
    """GET versions."""
    return Answer([{"version": party.version, "url": party.url + party.path}])


def offered(party: Party, endpoints: Iterable[tuple[str, str]]) -> Answer:
    """Version details with these modules and roles."""
    made = [{"identifier": module, "role": role, "url": f"{party.url}{party.path}/{module}"} for module, role in endpoints]
    if party.older:
        made = [{n: v for n, v in e.items() if n != "role"} for e in made if e["identifier"] not in NEWER]
    return Answer({"version": party.version, "endpoints": made})


def paged(party: Party, request: web.Request, objects: Sequence[dict[str, Any]], *, required: str | None = None) -> Answer:
    """A page of ``objects``, which are in the order in which they were made. Raises Reject."""
    query = request.query
    strange = query.keys() - {"date_from", "date_to", "offset", "limit"}
    if strange:
        raise Reject(2001, f"{min(strange)}: no such parameter")
    if required is not None and not query.get(required):
        raise Reject(2001, f"{required}: missing")
    since, until = _moment(query.get("date_from")), _moment(query.get("date_to"))
    offset = _count(query.get("offset"), 0)
    limit = min(_count(query.get("limit"), party.page_limit) or party.page_limit, party.page_limit)
    found = [o for o in objects if (since is None or at(o) >= since) and (until is None or at(o) < until)]
    headers = {"X-Total-Count": str(len(found)), "X-Limit": str(party.page_limit)}
    if offset + limit < len(found):
        following = {n: v for n in ("date_from", "date_to") if (v := query.get(n))} | {"offset": offset + limit, "limit": limit}
        headers["Link"] = f'<{party.url}{request.path}?{urlencode(following, safe=":")}>; rel="next"'
    return Answer(found[offset : offset + limit], headers=headers)


def _moment(text: str | None) -> datetime | None:
    found = moment(text) if text else None
    if text and found is None:
        raise Reject(2001, f"{text!r} is no DateTime")
    return found


def _count(text: str | None, default: int) -> int:
    if text is not None and not (text.isascii() and text.isdigit()):
        raise Reject(2001, f"{text!r} is no number")
    return default if text is None else int(text)


# --- every message


def protocol(party: P, handler: Handler[P]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler with all that goes for every message: credentials, headers, envelope, recording, faults."""

    async def serve_it(request: web.Request) -> web.StreamResponse:
        party.url = party.url or str(request.url.origin())
        spoiled = party.trouble.take(request.path)
        if spoiled and (instead := await _spoiled(party.trouble)) is not None:
            return instead
        then = None
        try:
            party.authenticate(request.headers.get("Authorization"), request.path)
            _headers(party, request)
            answer = await handler(party, request)
            body, status, more, then = _success(answer), answer.status, answer.headers, answer.then
        except Reject as why:
            if why.record:
                party.reject(method=request.method, path=request.path, status=why.status, code=why.code, because=why.because)
            body, status, more = _failure(why.code, why.because), why.status, {}
        except web.HTTPRequestEntityTooLarge:
            party.reject(method=request.method, path=request.path, status=413, code=2001, because="the body is too large")
            body, status, more = _failure(2001, "the body is too large"), 413, {}
        if spoiled and party.trouble.drop_after_accept and request.transport is not None:
            request.transport.abort()
        response = web.Response(body=body, status=status, headers=_echo(request) | more, content_type="application/json")
        if then is not None:
            await _sent(request, response)
            then()
        return response

    return serve_it


async def _sent(request: web.Request, response: web.Response) -> None:
    """Send the answer now. Whoever asked may have gone meanwhile."""
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()


async def _spoiled(trouble: Faults) -> web.Response | None:
    if trouble.delay:
        await asyncio.sleep(trouble.delay)
    if trouble.status is not None:
        headers = {} if trouble.retry_after is None else {"Retry-After": f"{trouble.retry_after:g}"}
        return web.Response(status=trouble.status, text="out of order", headers=headers)
    if trouble.nonsense:
        return web.Response(text="<html>welcome</html>", content_type="text/html")
    return None


_ROUTING = ("OCPI-to-country-code", "OCPI-to-party-id", "OCPI-from-country-code", "OCPI-from-party-id")


def _headers(party: Party, request: web.Request) -> None:
    """X-Request-ID and X-Correlation-ID are mandatory; routing headers fit the connection, and only functional modules.

    2.1.1 has none of them.
    """
    if party.older:
        if any(name in request.headers for name in _ROUTING):
            raise Reject(2001, "OCPI 2.1.1 has no routing headers")
        return
    for name in ("X-Request-ID", "X-Correlation-ID"):
        if not request.headers.get(name):
            raise Reject(2001, f"{name} is missing")
    told = [request.headers.get(name) for name in _ROUTING]
    if not party.routed(request.path):
        if any(told):
            raise Reject(2001, "routing headers are not for configuration modules")
        return
    to, sender = told[:2], told[2:]
    if any(to):
        party.arrives(request.method, request.path, str(to[0]), str(to[1]))
    if any(sender) and not party.speaks_for(str(sender[0]), str(sender[1])):
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
