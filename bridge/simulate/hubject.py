"""A strict stand-in for Hubject (OICP 2.3): the operations that an operator calls, and drivers who use its chargers.

OICP is served below ``/api/oicp``; its answers carry a Process-ID. It is steered and watched below ``/_sim``:

* ``GET /_sim/report``: ``rejections`` (messages against the specification or a rule of Hubject's), ``aborts`` (pushes that
  contradicted what was there), ``duplicates`` (second CDRs), ``alarms`` (an empty fullLoad), ``remarks``, ``received``
  (count by operation), ``cdrs``, ``sessions``, ``authorisations``, ``evses``, ``statuses``, ``products``, ``prices``.
* ``POST /_sim/remote-start`` ``{evse_id, provider_id, evco_id, product_id?, force?}``, ``POST /_sim/remote-stop``
  ``{session_id}``, ``POST /_sim/reserve`` ``{evse_id, provider_id, evco_id, minutes?}``, ``POST /_sim/cancel``
  ``{session_id}``: what a provider's app asks through Hubject; the answer of the bridge is given back.
* ``POST /_sim/driver`` ``{uid, provider_id, code?}``: one more driver, or one that is refused with ``code``.
* ``POST /_sim/faults`` ``{status?, retry_after?, delay?, nonsense?, drop_after_accept?, count?, only?}``: for the next
  ``count`` requests (all, until the next call, where it is absent) whose path contains ``only``. ``{}`` ends them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import click
from aiohttp import web
from attrs import asdict, define, field

from bridge.simulate import hubject_fields as f
from bridge.simulate.hubject_hub import BadFields, Driver, Hub, HubSettings, No, NoAccess, Session, plain
from bridge.simulate.hubject_types import Fault

log = logging.getLogger(__name__)

HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
BRIDGE_TIMEOUT = 60.0
"""Seconds after which Hubject closes a remote start with a time-out (integration guide)."""

_TEXTS = {
    "000": "Success", "001": "Hubject system error", "002": "Hubject database error", "009": "Data transaction error",
    "017": "Unauthorized Access", "018": "Inconsistent EvseID", "019": "Inconsistent EvcoID", "021": "System error",
    "022": "Data error", "102": "RFID Authentication failed - invalid UID", "106": "No positive authentication response",
    "200": "EvcoID locked", "210": "No valid contract", "300": "Partner not found", "310": "Partner did not respond",
    "320": "Service not available", "400": "Session is invalid", "603": "Unknown EVSE ID", "604": "EVSE ID is not Hubject compatible",
}  # fmt: skip


@define
class Faults:
    """Faults switched on for the next requests."""

    plan: dict[str, Any] = field(factory=dict)

    def next(self, path: str) -> dict[str, Any]:
        """The faults of this request."""
        if not self.plan or self.plan.get("only", "") not in path:
            return {}
        count = self.plan.get("count")
        if count is not None:
            if count <= 0:
                return {}
            self.plan["count"] = count - 1
        return self.plan


FAULTS: web.AppKey[Faults] = web.AppKey("faults", Faults)
CLIENT: web.AppKey[aiohttp.ClientSession] = web.AppKey("client", aiohttp.ClientSession)
BUSY: web.AppKey[set[str]] = web.AppKey("busy", set)


def application(settings: HubSettings | None = None, hub: Hub | None = None) -> web.Application:
    """The stand-in as an aiohttp application."""
    app = web.Application(client_max_size=256 * 1024 * 1024)
    app[HUB] = hub or Hub(settings or HubSettings())
    app[FAULTS] = Faults()
    app[BUSY] = set()
    app.cleanup_ctx.append(_client)
    for path, table, work in _PUSHES:
        app.router.add_post("/api/oicp" + path, _handler(path, table, work, one_at_a_time=True))
    for path, table, work in _CALLS:
        app.router.add_post("/api/oicp" + path, _handler(path, table, work))
    app.router.add_route("*", "/api/oicp/{rest:.*}", _not_found)
    app.add_routes([
        web.get("/_sim/report", _report), web.post("/_sim/faults", _set_faults), web.post("/_sim/driver", _add_driver),
        web.post("/_sim/remote-start", _remote_start), web.post("/_sim/remote-stop", _remote_stop),
        web.post("/_sim/reserve", _reserve), web.post("/_sim/cancel", _cancel),
    ])  # fmt: skip
    return app


async def serve(host: str, port: int, settings: HubSettings | None = None, ready: asyncio.Event | None = None) -> None:
    """Serve until cancelled; ``ready`` is set once requests are taken."""
    runner = web.AppRunner(application(settings))
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        if ready is not None:
            ready.set()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


async def _client(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=BRIDGE_TIMEOUT)) as session:
        app[CLIENT] = session
        yield


# --- the operations -------------------------------------------------------------------------------------------------

Table = Callable[[Any], list[Fault]]
Work = Callable[[Hub, str, dict[str, Any], bytes], dict[str, Any]]


def _by(table: Any) -> Table:
    return lambda value: list(table.faults(value, ""))


def _pushed(method: str) -> Work:
    def work(hub: Hub, operator: str, message: dict[str, Any], body: bytes) -> dict[str, Any]:
        getattr(hub, method)(operator, message)
        return _acknowledged()

    return work


def _start(hub: Hub, operator: str, message: dict[str, Any], body: bytes) -> dict[str, Any]:
    try:
        session = hub.authorize_start(operator, message)
    except No as why:
        _record(hub, "authorize/start", why)
        return _authorised(message, None, why)
    stop = [{**dict.fromkeys(f.IDENTIFICATION.may), **session.identification}]
    return {**_authorised(message, session, None), "AuthorizationStopIdentifications": stop}


def _stop(hub: Hub, operator: str, message: dict[str, Any], body: bytes) -> dict[str, Any]:
    try:
        return _authorised(message, hub.authorize_stop(operator, message), None)
    except No as why:
        _record(hub, "authorize/stop", why)
        return _authorised(message, None, why)


def _cdr(hub: Hub, operator: str, message: dict[str, Any], body: bytes) -> dict[str, Any]:
    return _acknowledged(hub.charge(operator, message, body).session_id, message)


def _notification(hub: Hub, operator: str, message: dict[str, Any], body: bytes) -> dict[str, Any]:
    return _acknowledged(hub.notify(message).session_id, message)


_PUSHES: tuple[tuple[str, Table, Work], ...] = (
    ("/evsepush/v23/operators/{operator}/data-records", _by(f.PUSH_EVSE_DATA), _pushed("push_evse_data")),
    ("/evsepush/v21/operators/{operator}/status-records", _by(f.PUSH_EVSE_STATUS), _pushed("push_evse_status")),
    ("/dynamicpricing/v10/operators/{operator}/pricing-products", _by(f.PUSH_PRICING), _pushed("push_products")),
    ("/dynamicpricing/v10/operators/{operator}/evse-pricing", _by(f.PUSH_EVSE_PRICING), _pushed("push_prices")),
)
_CALLS: tuple[tuple[str, Table, Work], ...] = (
    ("/charging/v21/operators/{operator}/authorize/start", _by(f.AUTHORIZE_START), _start),
    ("/charging/v21/operators/{operator}/authorize/stop", _by(f.AUTHORIZE_STOP), _stop),
    ("/cdrmgmt/v22/operators/{operator}/charge-detail-record", _by(f.CHARGE_DETAIL_RECORD), _cdr),
    ("/notificationmgmt/v11/charging-notifications", f.notification_faults, _notification),
)


def _handler(path: str, table: Table, work: Work, *,
             one_at_a_time: bool = False) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:  # fmt: skip
    name = path.partition("{operator}")[2].strip("/") or path.rpartition("/")[2]

    async def handle(request: web.Request) -> web.Response:
        hub, busy = request.app[HUB], request.app[BUSY]
        hub.received[name] += 1
        operator = request.match_info.get("operator", "")
        key = f"{operator} {name}"
        if one_at_a_time and key in busy:
            why = No("009", "a push of this operation is under way: pushes must be sequential")
            _record(hub, name, why)
            return _json(_refused(why))
        if one_at_a_time:
            busy.add(key)
        try:
            fault = request.app[FAULTS].next(request.path)
            if instead := await _faulty(fault):
                return instead
            answer = _judged(hub, name, operator, request, await request.read(), table, work)
        finally:
            if one_at_a_time:
                busy.discard(key)
        if fault.get("drop_after_accept") and request.transport is not None:
            request.transport.abort()
        return answer

    return handle


async def _faulty(fault: dict[str, Any]) -> web.Response | None:
    """The answer that a fault gives in place of the operation's."""
    if fault.get("delay"):
        await asyncio.sleep(float(fault["delay"]))
    if fault.get("nonsense"):
        return web.Response(text="<html><body>Gateway</body></html>", content_type="text/html")
    if fault.get("status"):
        headers = {"Retry-After": str(fault["retry_after"])} if fault.get("retry_after") is not None else {}
        return web.Response(status=int(fault["status"]), text="<html>fault</html>", content_type="text/html", headers=headers)
    return None


def _judged(hub: Hub, name: str, operator: str, request: web.Request, body: bytes, table: Table, work: Work) -> web.Response:
    try:
        if request.content_type != "application/json":
            raise BadFields([("Content-Type", "must be application/json")])
        message = _parsed(body)
        if faults := table(message):
            raise BadFields(faults)
        return _json(work(hub, operator, message, body))
    except BadFields as why:
        _rejected(hub, name, 400, None, str(why))
        told = [{"fieldReference": at, "errorMessage": what} for at, what in why.faults]
        return _json({"message": "Error parsing/validating JSON.", "extendedInfo": None, "validationErrors": told}, 400)
    except NoAccess as why:
        _rejected(hub, name, 401, "017", str(why))
        return _json({"StatusCode": _status("017", str(why)), "message": "Unauthorized Access"}, 401)
    except No as why:
        _record(hub, name, why)
        return _json(_refused(why))


async def _not_found(request: web.Request) -> web.Response:
    _rejected(request.app[HUB], request.path, 404, None, "no such operation")
    return _json({"StatusCode": None, "message": f"{request.method} {request.path} is not found"}, 404)


def _parsed(body: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a member is there twice")
        return found

    def no_constant(text: str) -> Any:
        raise ValueError(f"{text} is no JSON")

    try:
        return json.loads(body, parse_float=Decimal, parse_constant=no_constant, object_pairs_hook=once)
    except (ValueError, RecursionError) as why:
        raise BadFields([("", f"no JSON: {why}")]) from why


# --- answers --------------------------------------------------------------------------------------------------------


def _status(code: str, info: str | None = None) -> dict[str, Any]:
    return {"Code": code, "Description": _TEXTS.get(code, code), "AdditionalInfo": info}


def _acknowledged(session_id: str | None = None, message: dict[str, Any] | None = None) -> dict[str, Any]:
    message = message or {}
    return {"Result": True, "StatusCode": _status("000"), "SessionID": session_id,
            "CPOPartnerSessionID": message.get("CPOPartnerSessionID"),
            "EMPPartnerSessionID": message.get("EMPPartnerSessionID")}  # fmt: skip


def _refused(why: No) -> dict[str, Any]:
    return {"Result": False, "StatusCode": _status(why.code, why.info), "SessionID": None, "CPOPartnerSessionID": None,
            "EMPPartnerSessionID": None}  # fmt: skip


def _authorised(message: dict[str, Any], session: Session | None, why: No | None) -> dict[str, Any]:
    return {
        "SessionID": session.session_id if session else None,
        "CPOPartnerSessionID": message.get("CPOPartnerSessionID"),
        "EMPPartnerSessionID": message.get("EMPPartnerSessionID"),
        "ProviderID": session.provider_id if session else None,
        "AuthorizationStatus": "Authorized" if session else "NotAuthorized",
        "StatusCode": _status(why.code, why.info) if why else _status("000"),
    }


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(value, default=_number), status=status, content_type="application/json",
                        headers={"Process-ID": str(uuid.uuid4())})  # fmt: skip


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def _record(hub: Hub, name: str, why: No) -> None:
    if why.kind == "abort":
        hub.aborts.append({"operation": name, "code": why.code, "because": why.info})
    elif why.kind == "fault":
        _rejected(hub, name, 200, why.code, why.info)


def _rejected(hub: Hub, name: str, status: int, code: str | None, because: str) -> None:
    log.warning("hubject: %s rejected: HTTP %s %s %s", name, status, code or "", because)
    hub.rejections.append({"operation": name, "status": status, "code": code, "because": because, "at": hub.clock().isoformat()})


# --- steering and watching --------------------------------------------------------------------------------------------


async def _report(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    products = [{"operator_id": o, "provider_id": p, **record} for (o, p), some in hub.products.items() for record in some.values()]
    return _json({
        "rejections": hub.rejections, "aborts": hub.aborts, "duplicates": hub.duplicates, "alarms": hub.alarms,
        "remarks": hub.remarks, "received": dict(hub.received), "cdrs": list(hub.cdrs.values()),
        "sessions": [asdict(session) for session in hub.sessions.values()], "authorisations": hub.authorisations,
        "evses": {operator: list(records.values()) for operator, records in hub.evses.items()},
        "statuses": {operator: {i: r["EvseStatus"] for i, r in records.items()} for operator, records in hub.statuses.items()},
        "products": products, "prices": list(hub.prices.values()),
    })  # fmt: skip


async def _wish(request: web.Request, *needed: str) -> dict[str, Any]:
    try:
        wish = json.loads(await request.read() or b"{}")
    except ValueError:
        wish = None
    if not isinstance(wish, dict) or any(not wish.get(name) for name in needed):
        raise web.HTTPBadRequest(text=f"a JSON object expected, with {', '.join(needed) or 'any members'}")
    return wish


async def _set_faults(request: web.Request) -> web.Response:
    request.app[FAULTS].plan = await _wish(request)
    return _json({"faults": request.app[FAULTS].plan})


async def _add_driver(request: web.Request) -> web.Response:
    wish = await _wish(request, "uid", "provider_id")
    request.app[HUB].settings.drivers[wish["uid"].upper()] = Driver(wish["provider_id"], wish.get("code", "000"))
    return _json({"drivers": len(request.app[HUB].settings.drivers)})


async def _remote_start(request: web.Request) -> web.Response:
    wish = await _wish(request, "evse_id", "provider_id", "evco_id")
    return await _begin(request, wish, "remote", "charging/v21", "authorize-remote/start", {})


async def _reserve(request: web.Request) -> web.Response:
    wish = await _wish(request, "evse_id", "provider_id", "evco_id")
    return await _begin(request, wish, "reservation", "reservation/v11", "reservation-start-request",
                        {"Duration": int(wish.get("minutes", 15))})  # fmt: skip


async def _remote_stop(request: web.Request) -> web.Response:
    return await _finish(request, await _wish(request, "session_id"), "charging/v21", "authorize-remote/stop")


async def _cancel(request: web.Request) -> web.Response:
    return await _finish(request, await _wish(request, "session_id"), "reservation/v11", "reservation-stop-request")


async def _begin(request: web.Request, wish: dict[str, Any], how: str, service: str, operation: str,
                 more: dict[str, Any]) -> web.Response:  # fmt: skip
    """A driver starts or reserves through the provider's app: HBS opens a session and asks the operator."""
    hub = request.app[HUB]
    provider, evse_id, evco_id = wish["provider_id"], wish["evse_id"], wish["evco_id"]
    try:
        operator = next((o for o, subs in hub.settings.operators.items() if any(evse_id.startswith(i) for i in (o, *subs))), None)
        if operator is None:
            raise No("603", f"no operator has {evse_id}")
        if not wish.get("force"):
            hub.usable(operator, evse_id)
        if not plain(evco_id).startswith(plain(provider)):
            raise No("019", f"the EvcoID is not of {provider}")
    except No as why:
        return _json({"session_id": None, "http_status": None, "answer": _refused(why), "faults": []})
    identification = {"RemoteIdentification": {"EvcoID": evco_id}}
    session = hub.open(operator, provider, how, identification, evse_id)
    message = {"SessionID": session.session_id, "CPOPartnerSessionID": None, "ProviderID": provider, "EvseID": evse_id,
               "EMPPartnerSessionID": f"EMP-{session.session_id[:8]}", "PartnerProductID": wish.get("product_id"),
               "Identification": {**dict.fromkeys(f.IDENTIFICATION.may), **identification}, **more}  # fmt: skip
    answer = await _ask(request, f"/api/oicp/{service}/providers/{provider}/{operation}", message)
    if not _agreed(answer):
        del hub.sessions[session.session_id]
    return _json({"session_id": session.session_id, **answer})


async def _finish(request: web.Request, wish: dict[str, Any], service: str, operation: str) -> web.Response:
    """A driver stops, or gives up a reservation."""
    hub = request.app[HUB]
    session = hub.sessions.get(wish["session_id"])
    if session is None:
        return _json({"session_id": wish["session_id"], "http_status": None, "faults": [],
                      "answer": _refused(No("400", "Session is invalid: the SessionID is not known"))})  # fmt: skip
    message = {"SessionID": session.session_id, "CPOPartnerSessionID": None, "EMPPartnerSessionID": None,
               "ProviderID": session.provider_id, "EvseID": session.evse_id}  # fmt: skip
    answer = await _ask(request, f"/api/oicp/{service}/providers/{session.provider_id}/{operation}", message)
    return _json({"session_id": session.session_id, **answer})


async def _ask(request: web.Request, path: str, message: dict[str, Any]) -> dict[str, Any]:
    """Call the bridge as HBS does, and judge its answer by the table."""
    settings = request.app[HUB].settings
    auth = {"Authorization": aiohttp.encode_basic_auth(*settings.bridge_auth)} if settings.bridge_auth else {}
    url = settings.bridge_url.rstrip("/") + path
    try:
        async with request.app[CLIENT].post(url, json=message, headers=auth) as response:
            body, status = await response.read(), response.status
    except (aiohttp.ClientError, TimeoutError) as why:
        return {"http_status": None, "answer": None, "faults": [f"no answer: {type(why).__name__}"]}
    try:
        answer = _parsed(body)
        faults = f.ACKNOWLEDGEMENT.faults(answer, "") if status == 200 else iter([("", f"HTTP {status}")])
        found = [f"{at}: {what}" for at, what in faults]
    except BadFields as why:
        answer, found = None, [str(why)]
    if found:
        _rejected(request.app[HUB], path.rpartition("/")[2], status, None, "; ".join(found))
    return {"http_status": status, "answer": answer, "faults": found}


def _agreed(answer: dict[str, Any]) -> bool:
    return not answer["faults"] and isinstance(answer["answer"], dict) and answer["answer"].get("Result") is True


# --- the command ----------------------------------------------------------------------------------------------------


def _drivers(values: tuple[str, ...]) -> dict[str, Driver]:
    found: dict[str, Driver] = {}
    for value in values:
        provider, _, ids = value.partition("=")
        for one in ids.split(","):
            uid, _, code = one.partition(":")
            if not provider or not uid:
                raise click.BadParameter(f"{value!r} is not PROVIDER=UID,UID:CODE", param_hint="--driver")
            found[uid.upper()] = Driver(provider, code or "000")
    return found


@click.command("hubject")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default=8091, show_default=True, help="Port to serve on.")
@click.option("--operator", "operators", multiple=True, default=("DE*ABC",), show_default=True, metavar="ID[+SUB...]",
              help="An operator's OperatorID as in its certificate, with its sub-operators.")  # fmt: skip
@click.option("--driver", "drivers", multiple=True, metavar="PROVIDER=UID[:CODE],...",
              help="Drivers of a provider by UID or EvcoID; one with a CODE is refused with it.")  # fmt: skip
@click.option("--bridge-url", default="", help="Base URL of the bridge for remote starts.")
@click.option("--bridge-auth", default=None, metavar="USER:SECRET", help="Basic authentication towards the bridge.")
def command(host: str, port: int, operators: tuple[str, ...], drivers: tuple[str, ...], bridge_url: str,
            bridge_auth: str | None) -> None:  # fmt: skip
    """A strict stand-in for Hubject, OICP 2.3: steered and watched at /_sim."""
    listed = {own: tuple(subs) for own, *subs in (value.split("+") for value in operators)}
    user, _, secret = (bridge_auth or "").partition(":")
    settings = HubSettings(listed, _drivers(drivers), bridge_url, (user, secret) if bridge_auth else None)
    click.echo(f"Hubject (simulated) at http://{host}:{port}/api/oicp")
    try:
        asyncio.run(serve(host, port, settings))
    except KeyboardInterrupt:
        click.echo("stopped")
