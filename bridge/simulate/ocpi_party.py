"""What every simulated side of an OCPI connection has: its version, its credentials, whom it talks to, and its books."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from attrs import define, field

from bridge.simulate.ocpi_rules import faults, moment

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
"""The versions that a simulated party can speak, one at a time."""


class Reject(Exception):
    """A message that is refused: OCPI status code, reason, HTTP status. ``record`` False: an ordinary answer."""

    def __init__(self, code: int, because: str, status: int = 200, *, record: bool = True) -> None:
        super().__init__(because)
        self.code = code
        self.because = because
        self.status = status
        self.record = record


@define
class Faults:
    """How the next ``count`` requests are spoiled (POST /_sim/faults)."""

    status: int | None = None
    retry_after: float | None = None
    delay: float = 0.0
    nonsense: bool = False
    drop_after_accept: bool = False
    count: int = 0
    only: str = ""
    """A part of the path of the requests that are meant, such as ``/cdrs``."""

    def take(self, path: str) -> bool:
        """Whether this request is spoiled."""
        if self.count <= 0 or self.only not in path:
            return False
        self.count -= 1
        return True


@define(eq=False)
class Party:
    """A strict party of one OCPI ``version``.

    ``token_a``: the CREDENTIALS_TOKEN_A with which a partner may register here. ``url``: where others find this server,
    without a slash at its end; empty: as the first request names it.
    """

    role: ClassVar[str] = ""
    """What it is in its credentials."""
    side: ClassVar[str] = ""
    """Where 2.1.1, which has no roles, is found below /ocpi."""
    unrouted: ClassVar[tuple[str, ...]] = ("hubclientinfo",)
    """Configuration modules that have objects: without routing headers, like versions and credentials."""

    country_code: str = "DE"
    party_id: str = ""
    name: str = ""
    token_a: str | None = None
    url: str = ""
    version: str = "2.2.1"
    page_limit: int = 1000
    ours: list[str] = field(factory=list, init=False, repr=False)
    """Tokens that the partner may use: the newest last; older ones until the newest is used."""
    theirs: str | None = field(default=None, init=False, repr=False)
    versions_url: str | None = field(default=None, init=False)
    endpoints: dict[tuple[str, str], str] = field(factory=dict, init=False)
    roles: list[dict[str, Any]] = field(factory=list, init=False)
    confirmed: bool = field(default=False, init=False)
    rejections: list[dict[str, Any]] = field(factory=list, init=False)
    warnings: list[str] = field(factory=list, init=False)
    received: Counter[str] = field(factory=Counter, init=False)
    trouble: Faults = field(factory=Faults, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    # --- its version

    @property
    def older(self) -> bool:
        """Whether it speaks 2.1.1: without roles, routing, request ids and owners in objects; the token is sent as it is."""
        return self.version == "2.1.1"

    @property
    def versions_path(self) -> str:
        """Where its versions are found."""
        return f"/ocpi/{self.side}/versions" if self.older else "/ocpi/versions"

    @property
    def path(self) -> str:
        """Where its version is found."""
        return f"/ocpi/{self.side}/{self.version}" if self.older else f"/ocpi/{self.version}"

    @property
    def configuration(self) -> tuple[str, str, str]:
        """Paths that a token A is good for."""
        return self.versions_path, self.path, self.path + "/credentials"

    def routed(self, path: str) -> bool:
        """Whether routing headers go with a request to this path: not to configuration modules."""
        return path.rstrip("/") not in self.configuration and not path.startswith(tuple(f"{self.path}/{m}" for m in self.unrouted))

    def faults(self, name: str, value: Any, *, partial: bool = False) -> list[str]:
        """What is wrong with an object, by its version."""
        return faults(name, value, partial=partial, version=self.version)

    def check(self, name: str, value: Any, *, partial: bool = False) -> dict[str, Any]:
        """``value``, if it is such an object. Raises Reject with 2001, naming every fault."""
        wrong = self.faults(name, value, partial=partial)
        if wrong:
            raise Reject(2001, "; ".join(wrong[:10]))
        return dict(value)

    def own(self, name: str, value: dict[str, Any]) -> dict[str, Any]:
        """An object of ours for the books. Raises ValueError, naming every fault."""
        wrong = self.faults(name, value)
        if wrong:
            raise ValueError("; ".join(wrong))
        return value

    @property
    def owner(self) -> dict[str, Any]:
        """Whose our objects are, as they say it: 2.1.1 does not."""
        return {} if self.older else {"country_code": self.country_code, "party_id": self.party_id}

    # --- who calls

    @property
    def registered(self) -> bool:
        """Whether both sides have a token."""
        return self.theirs is not None and bool(self.ours)

    def authenticate(self, header: str | None, path: str) -> str:
        """The token of a request. Raises Reject with HTTP 401 (transport_and_format, Authorization header)."""
        token = self._told(header or "")
        if token in self.ours:
            if token == self.ours[-1] and self.theirs is not None:
                self.ours, self.confirmed = [token], True
            return token
        if token == self.token_a and not self.confirmed:
            if path.rstrip("/") not in self.configuration:
                raise Reject(2000, "CREDENTIALS_TOKEN_A is good for versions and credentials only", 401)
            return token
        raise Reject(2000, "unknown credentials", 401)

    def _told(self, header: str) -> str:
        """The token of a header: in Base64, in 2.1.1 as it is."""
        if self.older:
            raw = re.fullmatch(r"Token ([\x21-\x7e]+)", header)
            if raw is None:
                raise Reject(2000, "Authorization: 'Token ', then the token, is expected", 401)
            return raw[1]
        match = re.fullmatch(r"Token ([A-Za-z0-9+/]+={0,2})", header)
        if match is None:
            raise Reject(2000, "Authorization: 'Token ', then the token in Base64, is expected", 401)
        try:
            return base64.b64decode(match[1], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Reject(2000, "Authorization: no Base64 of UTF-8", 401) from None

    def speaks_for(self, country_code: str, party_id: str) -> bool:
        """Whether a party is one of the partner's roles."""
        key = (country_code.upper(), party_id.upper())
        return any((r["country_code"].upper(), r["party_id"].upper()) == key for r in self.roles)

    def arrives(self, method: str, path: str, country: str, party: str) -> None:
        """A message is for this party (OCPI-to). Raises Reject with 4001."""
        if (country.upper(), party.upper()) != (self.country_code.upper(), self.party_id.upper()):
            raise Reject(4001, f"OCPI-to: {country}*{party} is not reached here")

    def credentials(self, token: str) -> dict[str, Any]:
        """Our Credentials object."""
        party: dict[str, Any] = {"business_details": {"name": self.name}, "party_id": self.party_id, "country_code": self.country_code}
        owners = party if self.older else {"roles": [{"role": self.role} | party]}
        return {"token": token, "url": self.url + self.versions_path} | owners

    # --- books

    def reject(self, **entry: Any) -> None:
        """Record a rejection."""
        self.rejections.append({"at": stamp(), **entry})
        self.note()

    def warn(self, text: str) -> None:
        """Record what is strange, but not forbidden."""
        self.warnings.append(text)
        self.note()

    def count(self, kind: str) -> None:
        """Count something received."""
        self.received[kind] += 1
        self.note()

    def seen(self, kind: str) -> int:
        """How many of a kind were received; of the kind ``rejection``, recorded."""
        return len(self.rejections) if kind == "rejection" else self.received[kind]

    def note(self) -> None:
        """Wake whoever waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, until: Callable[[], bool], seconds: float = 10.0) -> None:
        """Return when ``until`` is true. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not until():
                await self._changed.wait()

    def report(self) -> dict[str, Any]:
        """What GET /_sim/report shows."""
        return {"registered": self.registered, "rejections": self.rejections, "warnings": self.warnings, "received": dict(self.received)}


# --- for both sides


def at(o: dict[str, Any]) -> datetime:
    """When an object was changed last. Raises Reject."""
    found = moment(o["last_updated"])
    if found is None:
        raise Reject(2001, "last_updated: no DateTime")
    return found


def newer(party: Party, what: str, old: dict[str, Any] | None, new: dict[str, Any]) -> None:
    """Warn of an object that is older than what it replaces."""
    if old is not None and at(new) < at(old):
        party.warn(f"{what}: last_updated {new['last_updated']} after {old['last_updated']} had been received")


def same(o: dict[str, Any], **url: str) -> None:
    """What an object says of itself has to be what the URL says. Raises Reject."""
    for name, told in url.items():
        if name in o and str(o[name]).upper() != told.upper():
            raise Reject(2001, f"{name}: {o[name]!r} differs from {told!r} in the URL")


def part(items: list[dict[str, Any]], name: str, ident: str) -> int | None:
    """The place of an item in a list, None if it is not in it."""
    return next((i for i, one in enumerate(items) if one[name].upper() == ident.upper()), None)


def bump(new: dict[str, Any], *parents: dict[str, Any]) -> None:
    """What holds a changed part was changed, too (mod_locations)."""
    for parent in parents:
        if at(parent) < at(new):
            parent["last_updated"] = new["last_updated"]


def written(at: datetime) -> str:
    """A time, as OCPI writes it in every version."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp() -> str:
    """Now, as OCPI writes it."""
    return written(datetime.now(UTC))


def new_token() -> str:
    """A credentials token."""
    return secrets.token_hex(24)


def parsed(body: bytes) -> Any:
    """JSON without what JSON does not have (NaN) or should not (a name twice). Raises Reject with HTTP 400."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) != len(items):
            raise ValueError("a name comes twice in an object")
        return made

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(body.decode(), object_pairs_hook=pairs, parse_constant=constant)
    except (UnicodeDecodeError, ValueError) as why:
        raise Reject(2001, f"invalid JSON: {why}", 400) from None


def plain(data: Any) -> bytes:
    """JSON for a message."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
