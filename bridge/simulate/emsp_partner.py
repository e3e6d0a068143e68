"""What the simulated eMSP calls at an operator: registration, commands, tokens, lists. Answers are checked as strictly."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from bridge.simulate.emsp_receivers import Answer, body_of, plain
from bridge.simulate.emsp_rules import moment
from bridge.simulate.emsp_state import CommandSent, Emsp, Reject, new_token, parsed, stamp

NEEDED = (("locations", "SENDER"), ("cdrs", "SENDER"), ("tokens", "RECEIVER"), ("commands", "RECEIVER"))
"""What an operator has to offer, besides credentials."""


class Operator:
    """Calls to the operator. Every answer that is not as the specification says is recorded as a rejection."""

    def __init__(self, emsp: Emsp) -> None:
        self.emsp = emsp
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: str, url: str, body: Any = None, *, token: str | None = None, functional: bool = True,
                   params: dict[str, str] | None = None) -> tuple[int, dict[str, Any], dict[str, str]]:  # fmt: skip
        """One request: HTTP status, envelope, headers. Raises Reject(3001) without a usable answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        token = token or self.emsp.theirs
        if token is None:
            raise Reject(3001, "not registered with the operator")
        headers = self._headers(token, functional)
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
            self.emsp.reject(method=method, path=url, answer=answer.status, because=because)
        if envelope is None:
            raise Reject(3001, f"{method} {url}: HTTP {answer.status} without an OCPI envelope")
        return answer.status, envelope, dict(answer.headers)

    def _headers(self, token: str, functional: bool) -> dict[str, str]:
        if self.emsp.older:
            return {"Authorization": "Token " + token}
        headers = {"Authorization": "Token " + base64.b64encode(token.encode()).decode()}
        headers |= {"X-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": str(uuid.uuid4())}
        role = self.emsp.roles[0] if functional and self.emsp.roles else None
        if role is not None:
            headers |= {"OCPI-to-country-code": role["country_code"], "OCPI-to-party-id": role["party_id"],
                        "OCPI-from-country-code": self.emsp.country_code, "OCPI-from-party-id": self.emsp.party_id}  # fmt: skip
        return headers

    async def data(self, method: str, url: str, body: Any = None, **more: Any) -> Any:
        """The data of an answer that says success. Raises Reject(3001)."""
        status, envelope, _ = await self.call(method, url, body, **more)
        if not 200 <= status < 300 or not 1000 <= envelope["status_code"] < 2000:
            raise Reject(3001, f"{method} {url}: HTTP {status}, {envelope['status_code']} {envelope.get('status_message')}")
        return envelope.get("data")

    def judge(self, name: str, value: Any, url: str) -> None:
        """Record what is wrong with an object in an answer."""
        for because in self.emsp.faults(name, value):
            self.emsp.reject(method="GET", path=url, answer=200, because=f"{name}: {because}")

    # --- registration

    async def endpoints(self, url: str, token: str) -> dict[tuple[str, str], str]:
        """The operator's endpoints for our version. Raises Reject with 3001, 3002, 3003."""
        emsp = self.emsp
        versions = await self.data("GET", url, token=token, functional=False)
        known = {"version": emsp.version}  # versions that it has never heard of are no fault
        if not isinstance(versions, list) or any(not isinstance(v, dict) or emsp.faults("Version", v | known) for v in versions):
            raise Reject(3001, "your versions are no list of Version objects")
        where = next((v["url"] for v in versions if v["version"] == emsp.version), None)
        if where is None:
            raise Reject(3002, f"version {emsp.version} is not among yours")
        details = await self.data("GET", where, token=token, functional=False)
        wrong = emsp.faults("VersionDetails", details)
        if wrong:
            raise Reject(3001, "your version details: " + "; ".join(wrong))
        found = {(e["identifier"], e.get("role", "")): e["url"] for e in details["endpoints"]}
        credentials = next((u for (module, _), u in found.items() if module == "credentials"), None)
        missing = [f"{m} {r}".strip() for m, r in self._named(NEEDED) if (m, r) not in found]
        if credentials is None or missing:
            raise Reject(3003, "endpoints are missing: " + ", ".join(missing or ["credentials"]))
        return found | {("credentials", ""): credentials}

    def _named(self, endpoints: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Endpoints as version details name them: 2.1.1 without roles."""
        return [(module, "" if self.emsp.older else role) for module, role in endpoints]

    async def register(self, url: str, token_a: str) -> None:
        """Register with an operator that gave us a token A. Raises Reject."""
        emsp = self.emsp
        found = await self.endpoints(url, token_a)
        offered = new_token()
        emsp.ours.append(offered)
        try:
            theirs = await self.data("POST", found["credentials", ""], emsp.credentials(offered), token=token_a, functional=False)
            emsp.check("Credentials", theirs)
        except Reject:
            emsp.ours.remove(offered)
            raise
        self._settle(theirs, found)

    def _settle(self, theirs: dict[str, Any], found: dict[tuple[str, str], str]) -> None:
        emsp = self.emsp
        emsp.theirs, emsp.versions_url, emsp.endpoints = theirs["token"], theirs["url"], found
        emsp.roles = [{"role": "CPO"} | theirs] if emsp.older else theirs["roles"]
        emsp.count("registration")

    async def take(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """Take an operator's credentials (POST or PUT); gives ours with a new token. Raises Reject."""
        found = await self.endpoints(theirs["url"], theirs["token"])
        token = new_token()
        self.emsp.ours = [*self.emsp.ours[-1:], token]
        self.emsp.confirmed = False
        self._settle(theirs, found)
        return self.emsp.credentials(token)

    # --- commands

    async def command(self, kind: str, body: dict[str, Any]) -> CommandSent:
        """Send a command; the result comes later."""
        sent = CommandSent(str(uuid.uuid4()), kind)
        self.emsp.commands[sent.id] = sent
        body = {"response_url": f"{self.emsp.url}{self.emsp.path}/commands/{sent.id}"} | body
        url = f"{self.endpoint('commands', 'RECEIVER').rstrip('/')}/{kind}"
        response = await self.data("POST", url, {n: v for n, v in body.items() if v is not None})
        for because in self.emsp.faults("CommandResponse", response):
            self.emsp.reject(method="POST", path=url, answer=200, because=because)
        sent.response = response
        self.emsp.note()
        return sent

    def token_for(self, uid: str, kind: str = "RFID") -> dict[str, Any]:
        """A token of ours by its uid. Raises Reject."""
        token = self.emsp.known.get((uid.upper(), kind))
        if token is None:
            raise Reject(2004, "unknown token", 404)
        return token

    def endpoint(self, module: str, role: str) -> str:
        """The operator's URL for a module. Raises Reject."""
        url = self.emsp.endpoints.get(self._named([(module, role)])[0])
        if url is None:
            raise Reject(3003, f"the operator has no {module} {role}")
        return url

    # --- tokens and lists

    async def put_token(self, token: dict[str, Any]) -> int:
        """PUT a token of ours at the operator. Gives the HTTP status."""
        return await self._token("PUT", token, token)

    async def patch_token(self, uid: str, kind: str, change: dict[str, Any]) -> int:
        """PATCH a token of ours at the operator. Gives the HTTP status."""
        token = self.token_for(uid, kind)
        change = {"last_updated": stamp()} | change
        token.update(change)
        return await self._token("PATCH", token, change)

    async def _token(self, method: str, token: dict[str, Any], body: dict[str, Any]) -> int:
        url = self.endpoint("tokens", "RECEIVER").rstrip("/") + "/" + "/".join(
            quote(part, safe="") for part in (self.emsp.country_code, self.emsp.party_id, token["uid"]))  # fmt: skip
        status, envelope, _ = await self.call(method, url, body, params=None if self.emsp.older else {"type": token["type"]})
        if envelope["status_code"] != 1000:
            self.emsp.reject(method=method, path=url, answer=status, because=str(envelope.get("status_message")))
        return status

    async def pull(self, module: str, params: dict[str, str]) -> list[Any]:
        """GET a whole list of the operator, following its pages, and check every object."""
        name = {"locations": "Location", "tariffs": "Tariff", "sessions": "Session", "cdrs": "CDR",
                "hubclientinfo": "ClientInfo"}[module]  # fmt: skip
        url: str | None = self.endpoint(module, "SENDER")
        found: list[Any] = []
        while url is not None:
            status, envelope, headers = await self.call("GET", url, params=params, functional=module != "hubclientinfo")
            params = {}
            lowered = {n.lower(): v for n, v in headers.items()}
            if status != 200 or not isinstance(envelope.get("data"), list):
                raise Reject(3001, f"GET {url}: HTTP {status}, {envelope['status_code']}")
            for one in envelope["data"]:
                self.judge(name, one, url)
            for header in ("x-total-count", "x-limit"):
                if not lowered.get(header, "").isdigit():
                    self.emsp.reject(method="GET", path=url, answer=status, because=f"{header} is missing")
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


# --- credentials, as the operator calls them


async def get_credentials(operator: Operator, request: web.Request, token: str) -> Answer:
    """GET credentials."""
    return Answer(operator.emsp.credentials(token))


async def post_credentials(operator: Operator, request: web.Request, token: str) -> Answer:
    """POST credentials: an operator registers."""
    emsp = operator.emsp
    if emsp.registered and (token in emsp.ours or emsp.confirmed):
        raise Reject(2000, "already registered", 405)
    return Answer(await operator.take(operator.emsp.check("Credentials", (await body_of(request))[1])))


async def put_credentials(operator: Operator, request: web.Request, token: str) -> Answer:
    """PUT credentials: an operator changes its registration."""
    if not operator.emsp.registered or token not in operator.emsp.ours:
        raise Reject(2000, "not registered", 405)
    return Answer(await operator.take(operator.emsp.check("Credentials", (await body_of(request))[1])))


async def delete_credentials(operator: Operator, request: web.Request, token: str) -> Answer:
    """DELETE credentials: an operator unregisters."""
    emsp = operator.emsp
    if not emsp.registered or token not in emsp.ours:
        raise Reject(2000, "not registered", 405)
    emsp.ours, emsp.theirs, emsp.endpoints, emsp.roles, emsp.confirmed = [], None, {}, [], False
    return Answer()


CREDENTIALS = {
    "GET": get_credentials,
    "POST": post_credentials,
    "PUT": put_credentials,
    "DELETE": delete_credentials,
}
