"""What partners call on us: routes, the door that every call passes, versions and credentials.

The door lets nobody do anything before it knows who calls (transport_and_format, Authorization header), gives every
answer the envelope, echoes X-Request-ID and X-Correlation-ID, swaps the routing headers, and turns what goes wrong into
the specification's status codes. What is asked for is in :mod:`bridge.ocpi.modules`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web
from attrs import field, frozen

from bridge.codec.lenient import Unreadable
from bridge.errors import BridgeError, ReadError, Refused
from bridge.ocpi.adapter import OcpiPartner
from bridge.ocpi.credentials import Access, Misstep
from bridge.ocpi.envelope import Code, failure, success
from bridge.ocpi.version import V221, Version
from bridge.roaming.ports import Inbound
from bridge.translate.files import encode

_log = logging.getLogger(__name__)


class Fault(Exception):
    """A call that cannot be served: OCPI status code, reason, HTTP status."""

    def __init__(self, code: int, because: str, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(because)
        self.code = code
        self.because = because
        self.status = status
        self.headers = dict(headers or {})


@frozen
class Result:
    """An answer: the envelope's bytes, HTTP status, more headers."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(factory=dict)


@frozen
class Call:
    """One request by a known partner."""

    request: web.Request
    partner: OcpiPartner
    access: Access
    core: Inbound
    version: Version

    @property
    def header(self) -> str | None:
        """The Authorization header."""
        return self.request.headers.get("Authorization")

    def url(self, path: str) -> str:
        """Our public URL of a path below the version."""
        return f"{self.partner.config.our_url.rstrip('/')}/{self.version.number}{path}"

    async def body(self) -> bytes:
        """The request's JSON, checked to be JSON. Raises Fault: HTTP 413 for too much, 400 for no JSON (status_codes)."""
        limit = self.partner.config.body_limit
        if (self.request.content_length or 0) > limit:
            raise Fault(Code.INVALID, f"the body is larger than {limit} bytes", 413, {"Connection": "close"})
        pieces, size = [], 0
        async for piece in self.request.content.iter_chunked(1 << 16):
            size += len(piece)
            if size > limit:
                raise Fault(Code.INVALID, f"the body is larger than {limit} bytes", 413, {"Connection": "close"})
            pieces.append(piece)
        data = b"".join(pieces)
        try:
            msgspec.json.decode(data, type=msgspec.Raw)
            data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError) as why:
            raise Fault(Code.INVALID, f"the body is no JSON: {why}", 400) from why
        return data


Handler = Callable[[Call], Awaitable[Result]]


def routes(core: Inbound, partners: Mapping[str, OcpiPartner]) -> list[web.RouteDef]:
    """What partners call, below ``/ocpi``. ``partners`` is looked at anew at every call."""
    from bridge.ocpi import modules

    version = V221
    door = _Door(core, partners, version)
    below = f"/ocpi/{version.number}"
    configuration: tuple[tuple[str, Mapping[str, Handler]], ...] = (
        ("/ocpi/versions", {"GET": _versions}),
        (below, {"GET": _details}),
        (below + "/credentials", {"GET": _own, "POST": _register, "PUT": _update, "DELETE": _unregister}),
    )
    made: list[web.RouteDef] = []
    for path, handlers in configuration:
        made += door.resource(path, handlers, functional=False)
    for path, handlers in modules.RESOURCES:
        made += door.resource(below + path, handlers, functional=True)
    made.append(web.route("*", "/ocpi/{unknown:.*}", door.opened(_unknown, functional=True)))
    return made


class _Door:
    def __init__(self, core: Inbound, partners: Mapping[str, OcpiPartner], version: Version) -> None:
        self._core = core
        self._partners = partners
        self._version = version

    def resource(self, path: str, handlers: Mapping[str, Handler], *, functional: bool) -> list[web.RouteDef]:
        """Routes of one path, with and without a slash at its end; other methods are HTTP 405 in an envelope."""
        allow = ", ".join(sorted(handlers))

        async def refuse(call: Call) -> Result:
            raise Fault(Code.CLIENT_ERROR, f"{call.request.method} is not defined here", 405, {"Allow": allow})

        made = []
        for spelled in (path, path + "/"):
            for method, handler in handlers.items():
                opened = self.opened(handler, functional=functional)
                made.append(web.get(spelled, opened) if method == "GET" else web.route(method, spelled, opened))
            made.append(web.route("*", spelled, self.opened(refuse, functional=functional)))
        return made

    def opened(self, handler: Handler, *, functional: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The handler behind the door."""

        async def handle(request: web.Request) -> web.Response:
            found = self._who(request)
            if found is None or (functional and found[1] is not Access.FULL):
                result = Result(failure(Code.CLIENT_ERROR, "unknown credentials"), 401, {"WWW-Authenticate": "Token"})
            else:
                result = await self._served(handler, Call(request, *found, self._core, self._version), functional)
            return _response(request, result, functional=functional)

        return handle

    def _who(self, request: web.Request) -> tuple[OcpiPartner, Access] | None:
        header = request.headers.get("Authorization")
        found = None
        for partner in self._partners.values():  # all of them, so that time tells nothing
            access = partner.registration.access(header)
            if access is not None and found is None:
                found = partner, access
        return found

    async def _served(self, handler: Handler, call: Call, functional: bool) -> Result:
        try:
            await call.partner.registration.used(call.header)
            if functional:
                _addressed(call)
            return await handler(call)
        except Fault as why:
            return Result(failure(why.code, why.because), why.status, why.headers)
        except Misstep as why:
            return Result(failure(why.code, why.because), why.status)
        except (Unreadable, ReadError, Refused) as why:
            return Result(failure(Code.INVALID, f"{why.path or '$'}: {why.because}"))
        except BridgeError as why:
            _log.warning("%s: %s %s: %s", call.partner.name, call.request.method, _route(call.request), type(why).__name__)
            return Result(failure(Code.SERVER_ERROR, "this cannot be done at the moment"))
        except (web.HTTPException, ConnectionResetError):
            raise
        except Exception:  # noqa: BLE001  (whatever it is, the partner gets an envelope, and nothing of it)
            _log.exception("%s: %s %s", call.partner.name, call.request.method, _route(call.request))
            return Result(failure(Code.SERVER_ERROR, "an error here"), 500)


def _route(request: web.Request) -> str:
    """The path as it is defined: without identifiers, for a token's uid is a secret."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "?"


def _addressed(call: Call) -> None:
    """Routing headers that name a receiver have to name one of ours (Message Routing)."""
    country = call.request.headers.get("OCPI-to-country-code")
    party = call.request.headers.get("OCPI-to-party-id")
    if country and party and (country.upper(), party.upper()) not in {role.key for role in call.partner.config.roles}:
        raise Fault(Code.UNKNOWN_RECEIVER, f"{country}*{party} is not reached here")


_SWAPPED = {
    "OCPI-to-country-code": "OCPI-from-country-code",
    "OCPI-to-party-id": "OCPI-from-party-id",
    "OCPI-from-country-code": "OCPI-to-country-code",
    "OCPI-from-party-id": "OCPI-to-party-id",
}


def _response(request: web.Request, result: Result, *, functional: bool) -> web.Response:
    headers = {name: request.headers.get(name) or str(uuid.uuid4()) for name in ("X-Request-ID", "X-Correlation-ID")}
    if functional:
        headers |= {theirs: request.headers[ours] for ours, theirs in _SWAPPED.items() if ours in request.headers}
    return web.Response(body=result.body, status=result.status, headers=headers | result.headers, content_type="application/json")


# --- versions and credentials


async def _versions(call: Call) -> Result:
    number = call.version.number
    return Result(success(orjson.dumps([{"version": number, "url": call.url("")}])))


async def _details(call: Call) -> Result:
    endpoints = [{"identifier": i.identifier, "role": i.role, "url": call.url(i.path)} for i in call.version.offers]
    return Result(success(orjson.dumps({"version": call.version.number, "endpoints": endpoints})))


async def _own(call: Call) -> Result:
    return Result(success(encode(call.partner.registration.own_for(call.header))))


async def _register(call: Call) -> Result:
    return Result(success(encode(await call.partner.registration.posted(await _theirs(call, new=True), call.access))))


async def _update(call: Call) -> Result:
    return Result(success(encode(await call.partner.registration.put(await _theirs(call, new=False), call.access))))


async def _unregister(call: Call) -> Result:
    await call.partner.registration.deleted(call.access)
    return Result(success())


async def _theirs(call: Call, *, new: bool) -> Any:
    call.partner.registration.may(call.access, new=new)
    return call.version.read("Credentials", await call.body()).value


async def _unknown(call: Call) -> Result:
    raise Fault(Code.CLIENT_ERROR, "there is nothing here", 404)
