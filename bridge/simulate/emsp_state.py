"""What the simulated eMSP knows: its tokens, whom it talks to, what it has received, and what it had to reject."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import asdict, define, field

from bridge.simulate.emsp_rules import faults

VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
"""The versions that it can speak, one at a time."""


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


@define
class CommandSent:
    """A command, or a request about a charging profile, that was sent: the answer at once, and the result that followed."""

    id: str
    kind: str
    response: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    session: str | None = None
    """What a charging profile is for."""


@define(eq=False)
class Emsp:
    """A strict eMSP of one OCPI ``version``. ``tokens`` are Token objects, or how many to make; ``unlisted`` more are not listed.

    ``token_a``: the CREDENTIALS_TOKEN_A with which an operator may register here. ``url``: where others find this
    server, without a slash at its end; empty: as the first request names it.
    """

    country_code: str = "DE"
    party_id: str = "EMS"
    name: str = "Example Mobility"
    tokens: int | Sequence[dict[str, Any]] = 100
    unlisted: int = 10
    whitelist: Sequence[str] = ("ALLOWED",)
    token_a: str | None = None
    url: str = ""
    version: str = "2.2.1"
    hub: bool = False
    """It is a hub: it tells operators of the parties behind it, and takes what is addressed to them."""
    page_limit: int = 1000
    known: dict[tuple[str, str], dict[str, Any]] = field(factory=dict, init=False)
    hidden: set[tuple[str, str]] = field(factory=set, init=False)
    answers: dict[tuple[str, str], str] = field(factory=dict, init=False)
    ours: list[str] = field(factory=list, init=False, repr=False)
    """Tokens that the operator may use: the newest last; older ones until the newest is used."""
    theirs: str | None = field(default=None, init=False, repr=False)
    versions_url: str | None = field(default=None, init=False)
    endpoints: dict[tuple[str, str], str] = field(factory=dict, init=False)
    roles: list[dict[str, Any]] = field(factory=list, init=False)
    confirmed: bool = field(default=False, init=False)
    locations: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    tariffs: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    sessions: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    cdrs: dict[tuple[str, str, str], tuple[str, bytes, dict[str, Any]]] = field(factory=dict, init=False)
    commands: dict[str, CommandSent] = field(factory=dict, init=False)
    behind: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    """As a hub: the parties behind it, as ClientInfo."""
    reached: dict[tuple[str, str], dict[str, Any]] = field(factory=dict, init=False)
    """ClientInfo that an operator told, as a hub."""
    addressed: list[tuple[str, str, str]] = field(factory=list, init=False)
    """As a hub: method, path and the party that each message was for."""
    plans: list[dict[str, Any]] = field(factory=list, init=False)
    """Charging profiles that operators told on their own: ``session_id`` and ``profile``."""
    references: dict[str, set[str]] = field(factory=dict, init=False)
    """Authorization references given, by token uid."""
    rejections: list[dict[str, Any]] = field(factory=list, init=False)
    warnings: list[str] = field(factory=list, init=False)
    received: Counter[str] = field(factory=Counter, init=False)
    trouble: Faults = field(factory=Faults, init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        made = self.tokens if not isinstance(self.tokens, int) else self._made(self.tokens + self.unlisted)
        for i, token in enumerate(made):
            key = self.add_token(token)
            if isinstance(self.tokens, int) and i >= self.tokens:
                self.hidden.add(key)

    def _made(self, count: int) -> Iterable[dict[str, Any]]:
        now = stamp()
        seed = sum(ord(c) << 8 * i for i, c in enumerate(self.party_id[:3]))
        for i in range(count):
            named = {"uid": f"04{seed & 0xFFFFFF:06X}{i:06X}", "type": "RFID"}
            contract = f"{self.country_code}-{self.party_id}-C{i:08d}"
            owned = {"country_code": self.country_code, "party_id": self.party_id, **named, "contract_id": contract}
            rest = {"issuer": self.name, "valid": True, "whitelist": self.whitelist[i % len(self.whitelist)], "last_updated": now}
            yield ({**named, "auth_id": contract} if self.older else owned) | rest

    # --- its version

    @property
    def older(self) -> bool:
        """Whether it speaks 2.1.1: without roles, routing, request ids and owners in objects; the token is sent as it is."""
        return self.version == "2.1.1"

    @property
    def versions_path(self) -> str:
        """Where its versions are found."""
        return "/ocpi/emsp/versions" if self.older else "/ocpi/versions"

    @property
    def path(self) -> str:
        """Where its version is found."""
        return f"/ocpi/emsp/{self.version}" if self.older else f"/ocpi/{self.version}"

    @property
    def configuration(self) -> tuple[str, str, str]:
        """Paths that a token A is good for."""
        return self.versions_path, self.path, self.path + "/credentials"

    def faults(self, name: str, value: Any, *, partial: bool = False) -> list[str]:
        """What is wrong with an object, by its version."""
        return faults(name, value, partial=partial, version=self.version)

    def check(self, name: str, value: Any, *, partial: bool = False) -> dict[str, Any]:
        """``value``, if it is such an object. Raises Reject with 2001, naming every fault."""
        wrong = self.faults(name, value, partial=partial)
        if wrong:
            raise Reject(2001, "; ".join(wrong[:10]))
        return dict(value)

    # --- tokens

    def add_token(self, token: dict[str, Any]) -> tuple[str, str]:
        """Take a token into the books. Raises ValueError."""
        wrong = self.faults("Token", token)
        if wrong:
            raise ValueError("; ".join(wrong))
        key = (token["uid"].upper(), token["type"])
        self.known[key] = token
        return key

    def listed(self) -> list[dict[str, Any]]:
        """The tokens that operators may pull, oldest first."""
        return [token for key, token in self.known.items() if key not in self.hidden]

    def allowed(self, key: tuple[str, str]) -> str:
        """What a real-time request about a token is answered."""
        return self.answers.get(key) or ("ALLOWED" if self.known[key]["valid"] else "BLOCKED")

    def refer(self, uid: str) -> str:
        """A new authorization reference."""
        reference = str(uuid.uuid4())
        self.references.setdefault(uid.upper(), set()).add(reference)
        return reference

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
        """Whether a party is one of the operator's roles."""
        key = (country_code.upper(), party_id.upper())
        return any((r["country_code"].upper(), r["party_id"].upper()) == key for r in self.roles)

    def credentials(self, token: str) -> dict[str, Any]:
        """Our Credentials object."""
        role = "HUB" if self.hub and self.version != "2.3.0" else "EMSP"
        party: dict[str, Any] = {"business_details": {"name": self.name}, "party_id": self.party_id, "country_code": self.country_code}
        owners = party if self.older else {"roles": [{"role": role} | party]}
        if self.hub and self.version == "2.3.0":
            owners |= {"hub_party_id": self.country_code + self.party_id}
        return {"token": token, "url": self.url + self.versions_path} | owners

    # --- books

    def reject(self, **entry: Any) -> None:
        """Record a rejection."""
        self.rejections.append({"at": stamp(), **entry})
        self.note()

    def count(self, kind: str) -> None:
        """Count something received."""
        self.received[kind] += 1
        self.note()

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
        return {
            "registered": self.registered,
            "rejections": self.rejections,
            "warnings": self.warnings,
            "received": dict(self.received),
            "tokens": len(self.known),
            "locations": list(self.locations.values()),
            "tariffs": list(self.tariffs.values()),
            "sessions": list(self.sessions.values()),
            "cdrs": [{"reference": url, "cdr": cdr} for url, _, cdr in self.cdrs.values()],
            "cdr_repeats": self.received["cdr_repeat"],
            "commands": [asdict(command) for command in self.commands.values()],
            "plans": self.plans,
            "clients": list(self.reached.values()),
        }


def stamp() -> str:
    """Now, as OCPI writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
