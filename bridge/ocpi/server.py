"""What partners call on us: routes, the door that every call passes, versions and credentials.

The door lets nobody do anything before it knows who calls (transport_and_format, Authorization header), gives every
answer the envelope, echoes X-Request-ID and X-Correlation-ID, swaps the routing headers, and turns what goes wrong into
the specification's status codes. What is asked for is in :mod:`bridge.ocpi.served`.

Versions with roles are below ``/ocpi/versions``; 2.1.1, which has none, is below ``/ocpi/cpo/versions`` and ``/ocpi/emsp/versions``,
of which a partner finds that of our side towards it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

import orjson
from aiohttp import web
from attrs import frozen

from bridge.codec.lenient import Unreadable
from bridge.errors import BridgeError, ReadError, Refused
from bridge.ocpi.call import Call, Fault, Handler, Interface, OcpiInbound, Resource, Result
from bridge.ocpi.connection import OcpiConnection
from bridge.ocpi.credentials import Access, Misstep, PartnerCredentials
from bridge.ocpi.envelope import Code, failure, success
from bridge.ocpi.limits import Strangers
from bridge.ocpi.served import INTERFACES
from bridge.ocpi.version import V221, VERSIONS, Side, Version
from bridge.translate.files import encode
from bridge.transport.limits import answered, on_demand

BELOW = "/ocpi"

_SIDES: tuple[Side, ...] = ("CPO", "EMSP")

_CALLERS = 1000
"""Authorization headers that are remembered, with whom they are of as long as its credentials stay the same."""

_log = logging.getLogger(__name__)


def routes(core: OcpiInbound, partners: Mapping[str, OcpiConnection]) -> list[web.RouteDef]:
    """What partners call, below ``/ocpi``. ``partners`` is looked at anew at every call."""
    door = _Door(core, partners)
    made = door.resource("/versions", {"GET": _versions}, _At(V221, "CPO", full=False, spoken=False))
    for version in VERSIONS:
        for side in _SIDES if not version.roles else _SIDES[:1]:
            root, at = version.root(side), _At(version, side, full=False)
            if not version.roles:
                made += door.resource(version.versions(side), {"GET": _versions}, at)
            made += door.resource(root, {"GET": _details}, at)
            made += door.resource(root + "/credentials", {"GET": _own, "POST": _register, "PUT": _update, "DELETE": _unregister}, at)
    for interface in INTERFACES:
        for version in interface.versions:
            for path, resource in interface.resources.items():
                where = interface.path(version)
                made += door.resource(where + path, resource, _At(version, interface.side or "CPO", interface, where))
    made.append(_route_of(BELOW + "/{unknown:.*}", "*", door.opened(_unknown, _At(V221, "CPO", spoken=False))))
    return made


def _route_of(path: str, method: str, opened: Callable[[web.Request], Awaitable[web.Response]]) -> web.RouteDef:
    """A route (GET with HEAD). Whether a body may be sent is decided behind the door, not by aiohttp."""
    return web.route(method, path, opened, expect_handler=on_demand)


@frozen
class _At:
    """What a route is for. ``full``: it takes a registration, a CREDENTIALS_TOKEN_A is not enough. ``spoken``: the version has to be
    one that may be agreed upon with the partner."""

    version: Version
    side: Side
    interface: Interface | None = None
    path: str = ""
    full: bool = True
    spoken: bool = True


class _Door:
    def __init__(self, core: OcpiInbound, partners: Mapping[str, OcpiConnection]) -> None:
        self._core = core
        self._partners = partners
        self._strangers = Strangers()
        self._callers: dict[str, tuple[OcpiConnection, Access, PartnerCredentials]] = {}

    def resource(self, path: str, handlers: Resource, at: _At) -> list[web.RouteDef]:
        """Routes of one path, with and without a slash at its end; other methods are HTTP 405 in an envelope."""
        allow = ", ".join(sorted(handlers))

        async def refuse(call: Call) -> Result:
            raise Fault(Code.CLIENT_ERROR, f"{call.request.method} is not defined here", 405, {"Allow": allow})

        made = []
        for spelled in (BELOW + path, BELOW + path + "/"):
            for method, handler in handlers.items():
                made.append(_route_of(spelled, method, self.opened(handler, at)))
            made.append(_route_of(spelled, "*", self.opened(refuse, at)))
        return made

    def opened(self, handler: Handler, at: _At) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The handler behind the door."""

        async def handle(request: web.Request) -> web.Response:
            found = self._who(request)
            if found is None or (at.full and found[1] is not Access.FULL):
                result = await self._strangers.refused()
            else:
                partner, access = found
                base = partner.config.our_url.rstrip("/") + at.path
                call = Call(request, partner, access, self._core, at.version, at.side, base)
                result = await self._served(handler, call, at)
            response = _response(request, result, at)
            if result.sent is not None:
                await response.prepare(request)
                await response.write_eof()
                await result.sent()
                return response
            return await answered(request, response)

        return handle

    def _who(self, request: web.Request) -> tuple[OcpiConnection, Access] | None:
        header = request.headers.get("Authorization", "")
        known = self._callers.get(header)
        if known is not None:
            partner, access, state = known
            if state is partner.registration.state and self._partners.get(partner.name) is partner:
                return partner, access
        found = None
        for partner in self._partners.values():  # all of them, so that time tells nothing
            access_here = partner.registration.access(header)
            if access_here is not None and found is None:
                found = partner, access_here
        if found is not None:
            if len(self._callers) >= _CALLERS:
                self._callers.clear()
            self._callers[header] = (*found, found[0].registration.state)
        return found

    async def _served(self, handler: Handler, call: Call, at: _At) -> Result:
        try:
            call.partner.client.heard_at = monotonic()
            await call.partner.registration.used(call.header)
            _open_to(call, at)
            return await call.partner.limits.served(handler, call)
        except Fault as why:
            return Result(failure(at.version.code(why.code), why.because), why.status, why.headers)
        except Misstep as why:
            return Result(failure(why.code, why.because), why.status)
        except (Unreadable, ReadError, Refused) as why:
            return Result(failure(Code.INVALID, f"{why.path or '$'}: {why.because}"))
        except BridgeError as why:
            _log.warning("%s: %s %s: %s", call.partner.name, call.request.method, _route(call.request), type(why).__name__)
            return Result(failure(Code.SERVER_ERROR, "this cannot be done at the moment"))
        except (web.HTTPException, ConnectionResetError):
            raise
        except Exception:  # noqa: BLE001  (the partner gets 3000 in an envelope, and nothing of it)
            _log.exception("%s: %s %s", call.partner.name, call.request.method, _route(call.request))
            return Result(failure(Code.SERVER_ERROR, "an error here"))


def _open_to(call: Call, at: _At) -> None:
    """Whether a partner finds this here: in a version that may be agreed upon with it, of an interface that it is offered.

    Objects are kept in the version that was agreed upon; another version's interfaces begin with a registration there.
    """
    partner, version = call.partner, at.version
    if at.spoken and (version not in partner.config.speaks or not (version.roles or at.side == partner.config.side)):
        raise _nothing()
    if at.interface is None:
        return
    if version is not partner.version:
        raise Fault(Code.CLIENT_ERROR, f"OCPI {partner.version.number} was agreed upon, this is {version.number}", 404)
    if not at.interface.offered(partner, version, at.side):
        raise _nothing()
    if at.interface.routed and version.roles:
        _addressed(call)


def _nothing() -> Fault:
    return Fault(Code.CLIENT_ERROR, "there is nothing here", 404)


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


_IDS = ("X-Request-ID", "X-Correlation-ID")


def _response(request: web.Request, result: Result, at: _At) -> web.Response:
    """The answer with its headers. Before 2.2 messages have neither ids nor routing; an id that is told all the same comes back."""
    told = {name: request.headers.get(name) or (str(uuid.uuid4()) if at.version.roles else "") for name in _IDS}
    headers = {name: value for name, value in told.items() if value}
    if at.version.roles and at.full and (at.interface is None or at.interface.routed):
        headers |= {theirs: request.headers[ours] for ours, theirs in _SWAPPED.items() if ours in request.headers}
    return web.Response(body=result.body, status=result.status, headers=headers | result.headers, content_type="application/json")


# --- versions and credentials


async def _versions(call: Call) -> Result:
    """Versions with roles at one address, earlier ones at that of each side. A partner that has only earlier ones finds them anyway."""
    speaks = call.partner.config.speaks
    shown = [v for v in speaks if v.roles == call.version.roles] or (speaks if call.version.roles else [])
    return Result(success(orjson.dumps([{"version": v.number, "url": _url(call, v)} for v in reversed(shown)])))


def _url(call: Call, version: Version) -> str:
    return call.partner.config.our_url.rstrip("/") + version.root(call.partner.config.side)


async def _details(call: Call) -> Result:
    below, version = call.partner.config.our_url.rstrip("/"), call.version
    found = [("credentials", "SENDER", _url(call, version) + "/credentials")]
    found += [(i.module, i.role, below + i.path(version)) for i in INTERFACES if i.offered(call.partner, version, call.side)]
    endpoints = [{"identifier": module, "role": role, "url": url} for module, role, url in found]
    if not version.roles:
        endpoints = [{"identifier": module, "url": url} for module, _, url in found]
    return Result(success(orjson.dumps({"version": version.number, "endpoints": endpoints})))


async def _own(call: Call) -> Result:
    return Result(success(encode(call.partner.registration.own_for(call.header, call.version))))


async def _register(call: Call) -> Result:
    theirs = await _theirs(call, new=True)
    return Result(success(encode(await call.partner.registration.posted(theirs, call.access, call.version))))


async def _update(call: Call) -> Result:
    theirs = await _theirs(call, new=False)
    return Result(success(encode(await call.partner.registration.put(theirs, call.access, call.version))))


async def _unregister(call: Call) -> Result:
    await call.partner.registration.deleted(call.access)
    return Result(success())


async def _theirs(call: Call, *, new: bool) -> Any:
    call.partner.registration.may(call.access, new=new)
    return await call.read("Credentials")


async def _unknown(call: Call) -> Result:
    raise _nothing()
