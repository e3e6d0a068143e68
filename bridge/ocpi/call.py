"""What a served interface is made of: the call of a partner, its answer, its faults, and the table of who is offered what.

A module file that serves something has a tuple ``INTERFACES`` of :class:`Interface`, named in :mod:`bridge.ocpi.served`; the server
makes routes and version details of them. Handlers are coroutines from :class:`Call` to :class:`Result`; they raise :class:`Fault`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from aiohttp import web
from attrs import field, frozen

from bridge.ocpi.credentials import Access
from bridge.ocpi.envelope import Code, zoned
from bridge.ocpi.version import VERSIONS, Side, Version
from bridge.roaming.ports import Inbound
from bridge.roaming.upstream.ports import FromUpstream
from bridge.transport.limits import CLOSE, pieces

if TYPE_CHECKING:
    from bridge.ocpi.connection import OcpiConnection


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
    """An answer: the envelope's bytes, HTTP status, more headers. ``sent`` is called when it has gone out."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    sent: Callable[[], Awaitable[None]] | None = None


class OcpiInbound(Inbound, Protocol):
    """What OCPI partners may do here: as providers, and as upstream operators."""

    @property
    def upstream(self) -> FromUpstream:
        """What upstream operators may do."""
        ...


@frozen
class Call:
    """One request by a known partner. ``base`` is our public URL of the interface (or of the version) that it is for."""

    request: web.Request
    partner: OcpiConnection
    access: Access
    core: OcpiInbound
    version: Version
    side: Side
    base: str

    @property
    def header(self) -> str | None:
        """The Authorization header."""
        return self.request.headers.get("Authorization")

    @property
    def sender(self) -> tuple[str, str] | None:
        """The party that the routing headers name as the sender."""
        country, party = self.request.headers.get("OCPI-from-country-code"), self.request.headers.get("OCPI-from-party-id")
        if not country or not party or len(country) != 2 or not 1 <= len(party) <= 3:
            return None
        return country.upper(), party.upper()

    async def read(self, name: str) -> Any:
        """The request's body as a message of its version (such as ``StartSession``). Raises Fault, Unreadable."""
        others = self.partner.config.quirks.unknown_values == "other"
        return self.version.read(name, await self.body(), others=others).value

    async def body(self) -> bytes:
        """The request's JSON, checked to be JSON. Raises Fault: HTTP 413 for too much, 408 for too late, 400 for no JSON."""
        limit, seconds = self.partner.config.body_limit, self.partner.config.body_seconds
        if (self.request.content_length or 0) > limit:
            raise Fault(Code.INVALID, f"the body is larger than {limit} bytes", 413, CLOSE)
        content = self.request.content
        if content.is_eof():  # it came with the head, as most do
            data = content.read_nowait()
        else:
            try:
                async with asyncio.timeout(seconds):
                    data = await self._received(limit)
            except TimeoutError as why:
                raise Fault(Code.INVALID, f"the body did not come within {seconds:g} s", 408, CLOSE) from why
        if len(data) > limit:
            raise Fault(Code.INVALID, f"the body is larger than {limit} bytes", 413, CLOSE)
        try:
            msgspec.json.decode(data, type=msgspec.Raw)
            data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError) as why:
            raise Fault(Code.INVALID, f"the body is no JSON: {why}", 400) from why
        zone = self.partner.config.quirks.time_zone
        return data if zone is None else zoned(data, zone)

    async def _received(self, limit: int) -> bytes:
        """The body, or more than ``limit`` bytes of it."""
        found, size = [], 0
        async for piece in pieces(self.request):
            found.append(piece)
            size += len(piece)
            if size > limit:
                break
        return b"".join(found)


Handler = Callable[[Call], Awaitable[Result]]
Resource = Mapping[str, Handler]
"""What may be done at a path, by HTTP method; any other method is HTTP 405."""


def to_everyone(partner: OcpiConnection) -> bool:
    """An interface that every partner is offered."""
    return True


@frozen(eq=False)
class Interface:
    """One side of a module as we serve it.

    ``side``: whose interface it is; it is offered to partners towards whom we have such a role (None: to all; from 2.2 on, where
    there is one connection for all roles). ``resources``: what is found below
    its URL, by path (``""``, ``"/{id}"``). ``routed`` is False for configuration modules, which have no routing headers. ``when``
    narrows it to some partners.
    """

    module: str
    role: str
    side: Side | None
    resources: Mapping[str, Resource]
    versions: tuple[Version, ...] = VERSIONS
    routed: bool = True
    when: Callable[[OcpiConnection], bool] = to_everyone

    def path(self, version: Version) -> str:
        """Where it stands below our OCPI address."""
        return version.root(self.side or "CPO") + (f"/{self.role.lower()}/{self.module}" if version.roles else f"/{self.module}")

    def offered(self, partner: OcpiConnection, version: Version, side: Side) -> bool:
        """Whether a partner is offered it, in a version and, before 2.2, on one side."""
        if version not in self.versions or not self.when(partner):
            return False
        if self.side is not None and self.side not in partner.config.sides:
            return False
        return version.roles or self.side == side
