"""A partner to probe: OCPI 2.1.1, 2.2.1 and 2.3.0 as the specification has it, and two hooks to spoil it."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import define, field

from bridge.probe.options import Options
from bridge.probe.report import Report
from bridge.probe.run import probe

TOKEN = "token-of-the-probe"  # noqa: S105
UID = "04SECRETUID77"
CONTRACT = "DE-EMS-C0FFEE77-X"
LISTED = {"cpo": ("locations", "tariffs", "sessions", "cdrs"), "emsp": ("tokens",)}
RECEIVED = {"cpo": ("tokens", "commands"), "emsp": ("locations", "tariffs", "sessions", "cdrs")}


def stamp(number: int) -> str:
    """A time of today: the higher the number, the later."""
    return f"{datetime.now(UTC):%Y-%m-%d}T00:{number:02}:00Z"


# --- objects


def connector(version: str, ident: str = "1", at: str = "") -> dict[str, Any]:
    old = version == "2.1.1"
    power = (
        {"voltage": 230, "amperage": 32, "tariff_id": "TAR1"} if old else {"max_voltage": 230, "max_amperage": 32, "tariff_ids": ["TAR1"]}
    )
    return {
        "id": ident,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        **power,
        "last_updated": at or stamp(0),
    }


def evse(version: str, uid: str, at: str) -> dict[str, Any]:
    return {"uid": uid, "evse_id": f"DE*ABC*{uid}", "status": "AVAILABLE", "connectors": [connector(version, at=at)], "last_updated": at}


def owner(version: str, party: str = "ABC") -> dict[str, Any]:
    return {} if version == "2.1.1" else {"country_code": "DE", "party_id": party}


def location(version: str, number: int) -> dict[str, Any]:
    at = stamp(number)
    more = {"type": "ON_STREET", "postal_code": "10115"} if version == "2.1.1" else {"publish": True, "time_zone": "Europe/Berlin"}
    return {
        **owner(version), "id": f"Loc{number}", **more, "address": "Main Street 1", "city": "Berlin", "country": "DEU",
        "coordinates": {"latitude": "52.520008", "longitude": "13.404954"},
        "evses": [evse(version, f"E{number}A", at), evse(version, f"E{number}B", at)], "last_updated": at,
    }  # fmt: skip


def tariff(version: str, number: int) -> dict[str, Any]:
    component = {"type": "ENERGY", "price": 0.45, "step_size": 1} | ({} if version == "2.1.1" else {"vat": 19})
    more = {"tax_included": "NO"} if version == "2.3.0" else {}
    return {**owner(version), "id": f"TAR{number}", "currency": "EUR", "elements": [{"price_components": [component]}], **more,
            "last_updated": stamp(number)}  # fmt: skip


def price(version: str, amount: float) -> Any:
    if version == "2.1.1":
        return amount
    return {"before_taxes": amount} if version == "2.3.0" else {"excl_vat": amount}


def cdr_token() -> dict[str, Any]:
    return {"country_code": "DE", "party_id": "EMS", "uid": UID, "type": "RFID", "contract_id": CONTRACT}


def period(number: int, version: str) -> dict[str, Any]:
    return {"start_date_time": stamp(number), "dimensions": [{"type": "ENERGY", "volume": 10}]}


def session(version: str, number: int) -> dict[str, Any]:
    common = {"id": f"SES{number}", "kwh": 10, "auth_method": "WHITELIST", "currency": "EUR", "status": "COMPLETED",
              "charging_periods": [period(number, version)], "last_updated": stamp(number + 1)}  # fmt: skip
    if version == "2.1.1":
        place = location(version, 1)
        return {**common, "start_datetime": stamp(number), "end_datetime": stamp(number + 1), "auth_id": CONTRACT, "location": place}
    return {**owner(version), **common, "start_date_time": stamp(number), "end_date_time": stamp(number + 1), "cdr_token": cdr_token(),
            "location_id": "Loc1", "evse_uid": "E1A", "connector_id": "1"}  # fmt: skip


def cdr(version: str, number: int) -> dict[str, Any]:
    common = {"id": f"CDR{number}", "start_date_time": stamp(number), "auth_method": "WHITELIST", "currency": "EUR",
              "charging_periods": [period(number, version)], "total_cost": price(version, 4.5), "total_energy": 10, "total_time": 1,
              "last_updated": stamp(number + 1)}  # fmt: skip
    if version == "2.1.1":
        return {**common, "stop_date_time": stamp(number + 1), "auth_id": CONTRACT, "location": location(version, 1)}
    place = {
        "id": "Loc1", "address": "Main Street 1", "city": "Berlin", "country": "DEU",
        "coordinates": {"latitude": "52.520008", "longitude": "13.404954"}, "evse_uid": "E1A", "evse_id": "DE*ABC*E1A",
        "connector_id": "1", "connector_standard": "IEC_62196_T2", "connector_format": "SOCKET", "connector_power_type": "AC_3_PHASE",
    }  # fmt: skip
    return {**owner(version), **common, "end_date_time": stamp(number + 1), "session_id": f"SES{number}", "cdr_token": cdr_token(),
            "cdr_location": place}  # fmt: skip


def token(version: str, number: int) -> dict[str, Any]:
    who = {"auth_id": f"{CONTRACT}{number}"} if version == "2.1.1" else {"contract_id": f"{CONTRACT}{number}"}
    return {**owner(version, "EMS"), "uid": f"{UID}{number}", "type": "RFID", **who, "issuer": "Example", "valid": True,
            "whitelist": "ALLOWED", "last_updated": stamp(number)}  # fmt: skip


MADE: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "locations": location, "tariffs": tariff, "sessions": session, "cdrs": cdr, "tokens": token,
}  # fmt: skip


def spelled(how: str) -> str:
    """The Authorization header."""
    return "Token " + (TOKEN if how == "raw" else base64.b64encode(TOKEN.encode()).decode())


# --- the server


@define
class Reply:
    """An answer before it is sent; ``body`` instead of the envelope, if it is set."""

    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    envelope: dict[str, Any] = field(factory=dict)
    body: bytes | None = None


def _nothing(*_: Any) -> None:
    return None


@define(eq=False)
class Partner:
    """The partner. ``before`` may change what is asked (query), ``after`` what is answered."""

    version: str = "2.2.1"
    side: str = "cpo"
    before: Callable[[web.Request, dict[str, str]], None] = _nothing
    after: Callable[[web.Request, Reply], None] = _nothing
    data: dict[str, list[dict[str, Any]]] = field(init=False)
    roles: list[dict[str, Any]] = field(init=False)
    known: Callable[[str], bool] | None = None
    """Who is let in, by the Authorization header; None: who has the token, in either spelling."""
    functional: bool = True
    """Whether the token opens more than versions and credentials."""
    most: int = 50
    requests: list[tuple[str, str, bytes]] = field(factory=list, init=False)
    url: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        self.data = {module: [MADE[module](self.version, number) for number in range(1, 6)] for module in LISTED[self.side]}
        party = "ABC" if self.side == "cpo" else "EMS"
        self.roles = [{"role": self.side.upper(), "party_id": party, "country_code": "DE", "business_details": {"name": "Example"}}]

    # --- what it knows

    def path(self, module: str) -> str:
        """Where a module is."""
        return f"/ocpi/{self.side}/{self.version}/{module}"

    def details(self) -> dict[str, Any]:
        made = []
        offered = [("credentials", "SENDER"), *((m, "SENDER") for m in LISTED[self.side]), *((m, "RECEIVER") for m in RECEIVED[self.side])]
        for module, role in offered:
            one = {"identifier": module, "role": role, "url": self.url + self.path(module)}
            made.append(one if self.version != "2.1.1" else {name: value for name, value in one.items() if name != "role"})
        return {"version": self.version, "endpoints": made}

    def credentials(self) -> dict[str, Any]:
        own = {"token": "their-token-for-us", "url": self.url + "/ocpi/versions"}
        if self.version == "2.1.1":
            return own | {name: value for name, value in self.roles[0].items() if name != "role"}
        return own | {"roles": self.roles}

    # --- what it answers

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((request.method, request.path_qs, body))
        query = dict(request.query)
        self.before(request, query)
        reply = Reply(envelope={"status_code": 1000, "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})
        self._echo(request, reply)
        self._fill(request, query, body, reply)
        self.after(request, reply)
        sent = json.dumps(reply.envelope).encode() if reply.body is None else reply.body
        headers = {"Content-Type": "application/json"} | reply.headers
        return web.Response(status=reply.status, body=sent, headers=headers)

    def _echo(self, request: web.Request, reply: Reply) -> None:
        if self.version == "2.1.1":
            return
        for name in ("X-Request-ID", "X-Correlation-ID"):
            reply.headers[name] = request.headers.get(name, "")
        for ours, theirs in (("to", "from"), ("from", "to")):
            for what in ("country-code", "party-id"):
                if f"OCPI-{ours}-{what}" in request.headers:
                    reply.headers[f"OCPI-{theirs}-{what}"] = request.headers[f"OCPI-{ours}-{what}"]

    def _fill(self, request: web.Request, query: dict[str, str], body: bytes, reply: Reply) -> None:
        path = request.path.rstrip("/")
        if not self._known(request.headers.get("Authorization", "")):
            self.fail(reply, 401, 2000)
        elif path == "/ocpi/versions":
            self._only_get(request, reply, [{"version": self.version, "url": f"{self.url}/ocpi/{self.side}/{self.version}"}])
        elif path == f"/ocpi/{self.side}/{self.version}":
            self._only_get(request, reply, self.details())
        elif path == self.path("credentials"):
            self._only_get(request, reply, self.credentials())
        elif not self.functional:
            self.fail(reply, 401, 2000)
        else:
            module, *rest = path.removeprefix(self.path("")).split("/")
            self._functional(request, module, rest, query, body, reply)

    def _known(self, header: str) -> bool:
        return header in (spelled("raw"), spelled("base64")) if self.known is None else self.known(header)

    def _functional(self, request: web.Request, module: str, rest: list[str], query: dict[str, str], body: bytes, reply: Reply) -> None:
        if module == "commands" or rest[-1:] == ["authorize"]:
            self._post(module, body, reply)
        elif module not in self.data or rest:
            self._one(module, rest, reply)
        elif request.method != "GET":
            self.fail(reply, 405, 2000)
        elif module == "sessions" and "date_from" not in query:
            self.fail(reply, 200, 2001)
        else:
            self._list(request, module, query, reply)

    def _list(self, request: web.Request, module: str, query: dict[str, str], reply: Reply) -> None:
        found = [one for one in self.data[module] if query.get("date_from", "") <= one["last_updated"] < query.get("date_to", "9")]
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", self.most)), self.most)
        reply.envelope["data"] = copy.deepcopy(found[offset : offset + limit])
        reply.headers |= {"X-Total-Count": str(len(found)), "X-Limit": str(self.most)}
        if offset + limit < len(found):
            kept = "".join(f"&{name}={query[name]}" for name in ("date_from", "date_to") if name in query)
            link = f"{self.url}{request.path}?offset={offset + limit}&limit={limit}{kept}"
            reply.headers["Link"] = f'<{link}>; rel="next"'

    def _one(self, module: str, rest: list[str], reply: Reply) -> None:
        found: Any = None
        if module == "locations" and self.side == "cpo":
            within, name, items = "evses", "id", self.data["locations"]
            for ident in rest:
                found = next((one for one in items if one[name].upper() == ident.upper()), None)
                if found is None:
                    break
                items, name, within = found.get(within, []), "uid" if within == "evses" else "id", "connectors"
        if found is None:
            self.fail(reply, 404, 2003)
        else:
            reply.envelope["data"] = copy.deepcopy(found)

    def _post(self, module: str, body: bytes, reply: Reply) -> None:
        try:
            given = json.loads(body or b"null")
        except ValueError:
            self.fail(reply, 400, 2001)
            return
        if module == "tokens":
            self.fail(reply, 404, 2004)
        elif not given:
            self.fail(reply, 200, 2001)
        else:
            reply.envelope["data"] = {"result": "UNKNOWN_SESSION"} | ({} if self.version == "2.1.1" else {"timeout": 30})

    def _only_get(self, request: web.Request, reply: Reply, data: Any) -> None:
        if request.method == "GET":
            reply.envelope["data"] = data
        else:
            self.fail(reply, 405, 2000)

    def fail(self, reply: Reply, status: int, code: int) -> None:
        """An error instead of what was about to be answered."""
        if self.version == "2.1.1" and code == 2004:
            code = 2000
        reply.status, reply.envelope["status_code"] = status, code
        reply.envelope.pop("data", None)


# --- to use it


@asynccontextmanager
async def serving(partner: Partner) -> AsyncIterator[Partner]:
    """Serve a partner; its URL is set."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", partner.handle)
    server = TestServer(app)
    async with server:
        partner.url = str(server.make_url("")).rstrip("/")
        yield partner


async def probed(partner: Partner, **options: Any) -> Report:
    """Probe a partner, without pauses, with pages of two."""
    async with serving(partner):
        given: dict[str, Any] = {"limit": 2, "pause": 0.0, "timeout": 5.0, "party": ("DE", "OUR")} | options
        return await probe(Options(f"{partner.url}/ocpi/versions", TOKEN, **given))


def found(report: Report) -> set[str]:
    """The rules that are not kept."""
    return {finding.rule.ident for one in report.probed for finding in one.findings}


def told(report: Report) -> list[str]:
    """The findings, for messages that read well."""
    return [f"{f.rule.ident} {f.severity} {f.path}: {f.because} {f.evidence[0]}" for one in report.probed for f in one.findings]


def on(pattern: str) -> Callable[[web.Request], bool]:
    """Whether a request is one whose path and query match."""
    return lambda request: re.search(pattern, request.path_qs) is not None
