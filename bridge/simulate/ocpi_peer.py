"""What a simulated party calls at its partner: registration and lists; and credentials, as the partner calls them.

Every answer is checked as strictly as requests are.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote

import aiohttp
from aiohttp import web

from bridge.simulate.ocpi_http import Answer, body_of
from bridge.simulate.ocpi_party import Party, Reject, new_token, parsed, plain
from bridge.simulate.ocpi_rules import moment

P = TypeVar("P", bound=Party)

OBJECTS = {"locations": "Location", "tariffs": "Tariff", "sessions": "Session", "cdrs": "CDR", "tokens": "Token",
           "hubclientinfo": "ClientInfo"}  # fmt: skip
"""What the lists of the modules hold."""


class Peer(Generic[P]):
    """Calls to the partner. Every answer that is not as the specification says is recorded as a rejection."""

    whole: ClassVar[str] = ""
    """What the partner is."""

    def __init__(self, party: P) -> None:
        self.party = party
        self._session: aiohttp.ClientSession | None = None

    def needed(self) -> tuple[tuple[str, str], ...]:
        """What the partner has to offer, besides credentials."""
        return ()

    async def finished(self, made: Any, seconds: float) -> Any:
        """What an act gave, once what it began has ended. Raises TimeoutError."""
        return made

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: str, url: str, body: Any = None, *, token: str | None = None, functional: bool = True,
                   params: dict[str, str] | None = None,
                   to: dict[str, Any] | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:  # fmt: skip
        """One request: HTTP status, envelope, headers. ``to``: the party that is meant. Raises Reject(3001) without a usable answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        token = token or self.party.theirs
        if token is None:
            raise Reject(3001, f"not registered with the {self.whole}")
        headers = self._headers(token, to or self.party.roles[0] if functional and self.party.roles else None)
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", plain(body)
        try:
            async with self._session.request(method, url, data=data, headers=headers, params=params, allow_redirects=False) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as why:
            raise Reject(3001, f"{method} {url}: {type(why).__name__}") from why
        wrong, envelope = _envelope(answer, text, headers)
        for because in wrong:
            self.party.reject(method=method, path=url, answer=answer.status, because=because)
        if envelope is None:
            raise Reject(3001, f"{method} {url}: HTTP {answer.status} without an OCPI envelope")
        return answer.status, envelope, dict(answer.headers)

    def _headers(self, token: str, to: dict[str, Any] | None) -> dict[str, str]:
        if self.party.older:
            return {"Authorization": "Token " + token}
        headers = {"Authorization": "Token " + base64.b64encode(token.encode()).decode()}
        headers |= {"X-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": str(uuid.uuid4())}
        if to is not None:
            headers |= {"OCPI-to-country-code": to["country_code"], "OCPI-to-party-id": to["party_id"],
                        "OCPI-from-country-code": self.party.country_code, "OCPI-from-party-id": self.party.party_id}  # fmt: skip
        return headers

    async def data(self, method: str, url: str, body: Any = None, **more: Any) -> Any:
        """The data of an answer that says success. Raises Reject(3001)."""
        status, envelope, _ = await self.call(method, url, body, **more)
        if not 200 <= status < 300 or not 1000 <= envelope["status_code"] < 2000:
            raise Reject(3001, f"{method} {url}: HTTP {status}, {envelope['status_code']} {envelope.get('status_message')}")
        return envelope.get("data")

    def judge(self, name: str, value: Any, url: str, method: str = "GET") -> bool:
        """Record what is wrong with an object in an answer. True if nothing is."""
        wrong = self.party.faults(name, value)
        for because in wrong:
            self.party.reject(method=method, path=url, answer=200, because=f"{name}: {because}")
        return not wrong

    def endpoint(self, module: str, role: str) -> str:
        """The partner's URL for a module. Raises Reject."""
        url = self.party.endpoints.get(self._named([(module, role)])[0])
        if url is None:
            raise Reject(3003, f"the {self.whole} has no {module} {role}")
        return url

    def at(self, module: str, role: str, *path: str) -> str:
        """The URL of something below a module of the partner. Raises Reject."""
        return "/".join((self.endpoint(module, role).rstrip("/"), *(quote(part, safe="") for part in path)))

    def _named(self, endpoints: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Endpoints as version details name them: 2.1.1 without roles."""
        return [(module, "" if self.party.older else role) for module, role in endpoints]

    # --- registration

    async def found(self, url: str, token: str) -> dict[tuple[str, str], str]:
        """The partner's endpoints for our version. Raises Reject with 3001, 3002, 3003."""
        party = self.party
        versions = await self.data("GET", url, token=token, functional=False)
        known = {"version": party.version}  # versions that it has never heard of are no fault
        if not isinstance(versions, list) or any(not isinstance(v, dict) or party.faults("Version", v | known) for v in versions):
            raise Reject(3001, "your versions are no list of Version objects")
        where = next((v["url"] for v in versions if v["version"] == party.version), None)
        if where is None:
            raise Reject(3002, f"version {party.version} is not among yours")
        details = await self.data("GET", where, token=token, functional=False)
        wrong = party.faults("VersionDetails", details)
        if wrong:
            raise Reject(3001, "your version details: " + "; ".join(wrong))
        found = {(e["identifier"], e.get("role", "")): e["url"] for e in details["endpoints"]}
        credentials = next((u for (module, _), u in found.items() if module == "credentials"), None)
        missing = [f"{m} {r}".strip() for m, r in self._named(self.needed()) if (m, r) not in found]
        if credentials is None or missing:
            raise Reject(3003, "endpoints are missing: " + ", ".join(missing or ["credentials"]))
        return found | {("credentials", ""): credentials}

    async def register(self, url: str, token_a: str) -> None:
        """Register with a partner that gave us a token A. Raises Reject."""
        party = self.party
        found = await self.found(url, token_a)
        offered = new_token()
        party.ours.append(offered)
        try:
            theirs = await self.data("POST", found["credentials", ""], party.credentials(offered), token=token_a, functional=False)
            party.check("Credentials", theirs)
        except Reject:
            party.ours.remove(offered)
            raise
        self._settle(theirs, found)

    def _settle(self, theirs: dict[str, Any], found: dict[tuple[str, str], str]) -> None:
        party = self.party
        party.theirs, party.versions_url, party.endpoints = theirs["token"], theirs["url"], found
        party.roles = [{"role": self.whole} | theirs] if party.older else theirs["roles"]
        party.count("registration")

    async def take(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """Take a partner's credentials (POST or PUT); gives ours with a new token. Raises Reject."""
        found = await self.found(theirs["url"], theirs["token"])
        token = new_token()
        self.party.ours = [*self.party.ours[-1:], token]
        self.party.confirmed = False
        self._settle(theirs, found)
        return self.party.credentials(token)

    # --- lists

    async def pull(self, module: str, params: dict[str, str]) -> list[Any]:
        """GET a whole list of the partner, following its pages, and check every object."""
        name = OBJECTS[module]
        url: str | None = self.endpoint(module, "SENDER")
        found: list[Any] = []
        while url is not None:
            status, envelope, headers = await self.call("GET", url, params=params, functional=module not in self.party.unrouted)
            params = {}
            lowered = {n.lower(): v for n, v in headers.items()}
            if status != 200 or not isinstance(envelope.get("data"), list):
                raise Reject(3001, f"GET {url}: HTTP {status}, {envelope['status_code']}")
            for one in envelope["data"]:
                self.judge(name, one, url)
            for header in ("x-total-count", "x-limit"):
                if not lowered.get(header, "").isdigit():
                    self.party.reject(method="GET", path=url, answer=status, because=f"{header} is missing")
            found += envelope["data"]
            link = re.fullmatch(r'<([^>]+)>; rel="next"', lowered.get("link", ""))
            url = link[1] if link else None
        return found


def _envelope(answer: aiohttp.ClientResponse, text: bytes, sent: dict[str, str]) -> tuple[list[str], dict[str, Any] | None]:
    """What is wrong with an answer (transport_and_format, Response format), and its envelope."""
    wrong = []
    if answer.content_type != "application/json":
        wrong.append(f"Content-Type {answer.content_type}")
    names = [name for name in ("X-Request-ID", "X-Correlation-ID") if name in sent]
    wrong += [f"{name} was not echoed" for name in names if answer.headers.get(name) != sent[name]]
    for ours, theirs in (("to", "from"), ("from", "to")):
        for what in ("country-code", "party-id"):
            told = sent.get(f"OCPI-{ours}-{what}")
            if told is not None and answer.headers.get(f"OCPI-{theirs}-{what}") != told and answer.status != 401:
                wrong.append(f"OCPI-{theirs}-{what} is not the request's OCPI-{ours}-{what}")
    try:
        envelope = parsed(text)
    except Reject as why:
        return [*wrong, why.because], None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("status_code"), int):
        return [*wrong, "no OCPI envelope"], None
    if envelope.keys() - {"data", "status_code", "status_message", "timestamp"}:
        wrong.append("unknown fields in the envelope")
    if moment(str(envelope.get("timestamp"))) is None:
        wrong.append(f"timestamp {json.dumps(envelope.get('timestamp'))} is no DateTime")
    return wrong, envelope


# --- credentials, as the partner calls them


async def get_credentials(peer: Peer[Any], request: web.Request, token: str) -> Answer:
    """GET credentials."""
    return Answer(peer.party.credentials(token))


async def post_credentials(peer: Peer[Any], request: web.Request, token: str) -> Answer:
    """POST credentials: a partner registers."""
    party = peer.party
    if party.registered and (token in party.ours or party.confirmed):
        raise Reject(2000, "already registered", 405)
    return Answer(await peer.take(party.check("Credentials", (await body_of(request))[1])))


async def put_credentials(peer: Peer[Any], request: web.Request, token: str) -> Answer:
    """PUT credentials: a partner changes its registration."""
    if not peer.party.registered or token not in peer.party.ours:
        raise Reject(2000, "not registered", 405)
    return Answer(await peer.take(peer.party.check("Credentials", (await body_of(request))[1])))


async def delete_credentials(peer: Peer[Any], request: web.Request, token: str) -> Answer:
    """DELETE credentials: a partner unregisters."""
    party = peer.party
    if not party.registered or token not in party.ours:
        raise Reject(2000, "not registered", 405)
    party.ours, party.theirs, party.endpoints, party.roles, party.confirmed = [], None, {}, [], False
    return Answer()


CREDENTIALS = {
    "GET": get_credentials,
    "POST": post_credentials,
    "PUT": put_credentials,
    "DELETE": delete_credentials,
}
