"""A strict clearing house to test against: OCHP 1.4 over SOAP, ``evbridge simulate clearing-house``.

Every request is checked: HTTP (POST, text/xml, Content-Length, the operation's SOAPAction), the envelope (SOAP 1.1, one
body element, nothing that must be understood and is not), WS-Security, the schema of ``wsdl/ochp-1.4.xsd``, and what the
specification says beyond the schema. What is wrong is answered in the protocol's own way and kept for the report.

The protocol is served at ``/service/ochp/v1.4`` and ``/live/ochp/v1.4`` (with ``?wsdl`` its description). For people and tests:

``GET /_sim/report``
    ``{"rejections": [...], "received": {operation: count}, "cdrs": [...], "charge_points": {...}, "statuses": {...}, ...}``
``POST /_sim/tokens``
    ``{"provider": "DE-EMP", "tokens": [{"uid", "contract", "expires"?, "type"?, "printed"?}], "revoke": [uid]}``
``POST /_sim/cdrs``
    ``{"id": CdrId, "status": "approved" | "declined"}``: as the provider would confirm it.
``POST /_sim/faults``
    ``{"status": 500, "retry_after": s, "delay": s, "nonsense": true, "truncate": true, "result": code, "fault": "Client",
    "drop_after_accept": true, "operation": name, "count": n}``: the next ``n`` requests (of that operation) go wrong so.
    ``{}`` ends it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from aiohttp import web
from attrs import define, field
from lxml import etree

import wsdl
from bridge.codec import soap, xml
from bridge.codec.lenient import Unreadable
from bridge.simulate.clearing_house_rules import NS, key
from bridge.simulate.clearing_house_world import CMS, MDM, ROLES, Account, Answer, World, load
from bridge.transport import wssecurity

SERVICE, LIVE = "/service/ochp/v1.4", "/live/ochp/v1.4"
BINDINGS = {SERVICE: "eCHS-OCHP_1.4", LIVE: "eCHS-OCHP_1.4-live"}
MOST_BYTES = 64 * 1024 * 1024


class Refusal(Exception):
    """A request that is answered with a fault, or with an HTTP status of its own."""

    def __init__(self, because: str, code: str = "Client", status: int = 500) -> None:
        super().__init__(because)
        self.because = because
        self.code = code
        self.status = status


@define
class Trouble:
    """What goes wrong on purpose."""

    status: int = 0
    retry_after: float | None = None
    delay: float = 0.0
    nonsense: bool = False
    truncate: bool = False
    result: str = ""
    fault: str = ""
    drop_after_accept: bool = False
    operation: str = ""
    count: int = 1


def actions() -> dict[str, dict[str, str]]:
    """Per address, the body elements it takes and their SOAPActions, as the WSDL says."""
    tree = etree.parse(str(wsdl.path("ochp-1.4.wsdl")))
    names = {"w": "http://schemas.xmlsoap.org/wsdl/", "s": "http://schemas.xmlsoap.org/wsdl/soap/"}
    element_of = {}
    for operation in tree.iterfind(".//w:portType/w:operation", names):
        given = operation.find("w:input", names)
        if given is not None:
            element_of[operation.get("name")] = str(given.get("message")).rpartition(":")[2]
    found: dict[str, dict[str, str]] = {}
    for path, name in BINDINGS.items():
        binding = tree.find(f".//w:binding[@name='{name}']", names)
        if binding is None:
            raise LookupError(name)
        found[path] = {
            element_of[one.get("name")]: str(one.find("s:operation", names).get("soapAction"))  # type: ignore[union-attr]
            for one in binding.iterfind("w:operation", names)
        }
    return found


@define
class ClearingHouse:
    """The simulator: a world behind HTTP."""

    world: World
    trouble: Trouble | None = None
    rejections: list[dict[str, str]] = field(factory=list)
    received: Counter[str] = field(factory=Counter)
    _schema: Any = field(init=False)
    _actions: dict[str, dict[str, str]] = field(init=False, factory=actions)

    def __attrs_post_init__(self) -> None:
        self._schema = etree.XMLSchema(etree.parse(str(wsdl.path("ochp-1.4.xsd"))))

    # --- one request

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a SOAP request."""
        user = name = ""
        try:
            data = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self._reject(user, name, f"more than {MOST_BYTES} bytes")
            raise
        trouble = None
        try:
            message = self._message(request, data)
            name = message.name
            trouble = self._trouble(name)
            if trouble is not None and trouble.delay:
                await asyncio.sleep(trouble.delay)
            if trouble is not None and (failed := _failed(trouble, name)) is not None:
                return failed
            user, answer = self._perform(request.path, message)
        except Refusal as why:
            self._reject(user, name, why.because)
            return self._fault(why)
        self.received[name.removesuffix("Request")] += 1
        for ident, because in answer.refused:
            self._reject(user, name, f"{ident}: {because}" if ident else because)
        if trouble is not None and trouble.drop_after_accept and request.transport is not None:
            request.transport.abort()
        reply = soap.envelope(_response(name, answer))
        if trouble is not None and trouble.truncate:
            reply = reply[: len(reply) * 2 // 3]
        return web.Response(body=reply, headers={"Content-Type": soap.CONTENT_TYPE})

    def _message(self, request: web.Request, data: bytes) -> soap.Message:
        if request.content_type != "text/xml":
            raise Refusal(f"Content-Type {request.content_type}: SOAP 1.1 is text/xml", status=415)
        if request.headers.get("Content-Length") is None:
            raise Refusal("no Content-Length", status=411)
        try:
            message = soap.parse(data, MOST_BYTES)
        except soap.WrongVersion as why:
            raise Refusal(str(why), "VersionMismatch") from why
        except (Unreadable, xml.Hostile) as why:
            raise Refusal(str(why)) from why
        if (block := soap.not_understood(message, frozenset({wssecurity.WSSE}))) is not None:
            raise Refusal(f"the header block {block} is not understood", "MustUnderstand")
        known = self._actions[request.path]
        if message.namespace != NS or message.name not in known:
            raise Refusal(f"{{{message.namespace}}}{message.name} is no operation of {request.path}")
        action = request.headers.get("SOAPAction")
        if action is None or action.strip('"') != known[message.name]:
            raise Refusal(f"SOAPAction {action}, {known[message.name]} expected")
        return message

    def _perform(self, path: str, message: soap.Message) -> tuple[str, Answer]:
        name = message.name
        passwords = {account.user: account.password for account in self.world.accounts.values()}
        try:
            user = wssecurity.check(message.header, passwords)
        except wssecurity.Denied as why:
            if why.code == "FailedAuthentication" and name != "GetStatusRequest":
                return "", Answer("not-authorized", why.because, refused=(("", why.because),))
            raise Refusal(why.because, why.fault_code) from why
        account = self.world.accounts[user]
        if account.role not in ROLES[name]:
            because = f"{name} is not for the role {account.role}"
            if name == "GetStatusRequest":  # the one answer without a result
                raise Refusal(because)
            return user, Answer("not-authorized", because, refused=(("", because),))
        body = etree.fromstring(etree.tostring(message.body))  # as a document of its own
        if not self._schema.validate(body):
            faults = "; ".join(f"line {e.line}: {e.message}" for e in self._schema.error_log)
            if name == "GetStatusRequest":
                raise Refusal(faults)
            return user, Answer("format", faults, refused=(("", faults),))
        return user, self.world.perform(account, body)

    def _trouble(self, name: str) -> Trouble | None:
        trouble = self.trouble
        if trouble is None or (trouble.operation and trouble.operation != name.removesuffix("Request")):
            return None
        trouble.count -= 1
        if trouble.count <= 0:
            self.trouble = None
        return trouble

    def _reject(self, user: str, name: str, because: str) -> None:
        self.rejections.append({"at": datetime.now(UTC).isoformat(timespec="seconds"), "user": user,
                                "operation": name.removesuffix("Request"), "reason": because[:2000]})  # fmt: skip

    def _fault(self, why: Refusal) -> web.Response:
        return web.Response(status=why.status, body=soap.fault(why.code, why.because),
                            headers={"Content-Type": soap.CONTENT_TYPE})  # fmt: skip

    # --- description

    async def describe(self, request: web.Request) -> web.Response:
        """The WSDL, with this server's address, and its schema."""
        if request.path.endswith(".xsd"):
            return web.Response(body=wsdl.path("ochp-1.4.xsd").read_bytes(), content_type="text/xml")
        if "wsdl" not in {name.lower() for name in request.query}:
            return web.Response(status=405, text="POST SOAP messages here", headers={"Allow": "POST"})
        given = wsdl.path("ochp-1.4.wsdl").read_text(encoding="utf-8")
        for host in ("https://echs.e-clearing.net", "https://echs-q.e-clearing.net"):
            given = given.replace(f'"{host}/', f'"{request.url.origin()}/')
        return web.Response(text=given, content_type="text/xml")

    # --- for people and tests

    async def report(self, request: web.Request) -> web.Response:
        """What came, what was rejected, what it holds."""
        return web.json_response({"rejections": self.rejections, "received": dict(self.received), **self.world.report()})

    async def tokens(self, request: web.Request) -> web.Response:
        """Adds and revokes tokens."""
        given = await request.json()
        try:
            added = self.world.put_tokens(given["provider"], given.get("tokens", ()))
            revoked = self.world.revoke(given["provider"], given.get("revoke", ()))
        except (KeyError, TypeError, ValueError) as why:
            return web.json_response({"error": f"{type(why).__name__}: {why}"}, status=400)
        return web.json_response({"added": added, "revoked": revoked})

    async def confirm(self, request: web.Request) -> web.Response:
        """Approves or declines a CDR."""
        given = await request.json()
        found = [kept for (ident, _), kept in self.world.cdrs.items() if ident == given.get("id")]
        if not found or given.get("status") not in ("approved", "declined"):
            return web.json_response({"error": "id of a CDR, and status approved or declined, expected"}, status=400)
        found[0].status = given["status"]
        return web.json_response({"id": given["id"], "status": given["status"]})

    async def faults(self, request: web.Request) -> web.Response:
        """Makes the next requests go wrong."""
        given = await request.json()
        try:
            self.trouble = Trouble(**given) if given else None
        except TypeError as why:
            return web.json_response({"error": str(why)}, status=400)
        return web.json_response({"faults": bool(given)})


def _failed(trouble: Trouble, name: str) -> web.Response | None:
    """The answer of a request that is not even looked at."""
    after = {} if trouble.retry_after is None else {"Retry-After": f"{trouble.retry_after:g}"}
    if trouble.status:
        return web.Response(status=trouble.status, text="switched on", headers=after)
    if trouble.fault:
        return web.Response(status=500, body=soap.fault(trouble.fault, "switched on"),
                            headers={"Content-Type": soap.CONTENT_TYPE, **after})  # fmt: skip
    if trouble.nonsense:
        return web.Response(text="<html><body>Welcome to nginx!</body></html>", content_type="text/html")
    if trouble.result:
        reply = soap.envelope(_response(name, Answer(trouble.result, "switched on")))
        return web.Response(body=reply, headers={"Content-Type": soap.CONTENT_TYPE})
    return None


def _response(name: str, answer: Answer) -> bytes:
    said = xml.escape(soap.legal(answer.text)[:1000]) if answer.text else ""
    result = (f"<result><resultCode><resultCode>{answer.code}</resultCode></resultCode>"
              f"<resultDescription>{said}</resultDescription></result>").encode()  # fmt: skip
    head = () if name == "GetStatusRequest" else (result,)
    return soap.element(f"{name.removesuffix('Request')}Response", NS, (*head, *answer.items))


def application(house: ClearingHouse) -> web.Application:
    """The simulator as an aiohttp application."""
    app = web.Application(client_max_size=MOST_BYTES)
    for path in BINDINGS:
        app.router.add_post(path, house.handle)
        app.router.add_get(path, house.describe)
        app.router.add_get(f"{path.rpartition('/')[0]}/ochp-1.4.xsd", house.describe)
    app.router.add_get("/_sim/report", house.report)
    app.router.add_post("/_sim/tokens", house.tokens)
    app.router.add_post("/_sim/cdrs", house.confirm)
    app.router.add_post("/_sim/faults", house.faults)
    return app


async def serve(host: str, port: int, house: ClearingHouse, ready: Callable[[str], None] | None = None) -> None:
    """Serve until cancelled; ``ready`` is called with the address (port 0: any that is free)."""
    runner = web.AppRunner(application(house), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        if ready is not None:
            ready(f"http://{host}:{runner.addresses[0][1]}")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def example(operator: str = "DE*ABC", provider: str = "DE-EMP", tokens: tuple[str, ...] = ()) -> World:
    """A world with one operator (``cpo``/``cpo-secret``) and one provider (``emp``/``emp-secret``).

    ``tokens`` are written ``UID=CONTRACT``. Raises ValueError.
    """
    accounts = (Account("cpo", "cpo-secret", CMS, frozenset({key(operator)[:5]})),
                Account("emp", "emp-secret", MDM, frozenset({key(provider)[:5]})))  # fmt: skip
    world = World({account.user: account for account in accounts})
    pairs = [one.partition("=") for one in tokens]
    world.put_tokens(provider, [{"uid": uid, "contract": contract} for uid, _, contract in pairs])
    return world


@click.command("clearing-house")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8083, show_default=True, help="Port to listen on; 0: any.")
@click.option("--config", "config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Accounts and tokens (JSON).")
@click.option("--operator", default="DE*ABC", show_default=True, help="Operator of the account cpo.")
@click.option("--provider", default="DE-EMP", show_default=True, help="Provider of the account emp.")
@click.option("--token", "tokens", multiple=True, metavar="UID=CONTRACT", help="A token of that provider; may be repeated.")
def command(host: str, port: int, config: Path | None, operator: str, provider: str, tokens: tuple[str, ...]) -> None:
    """A strict OCHP 1.4 clearing house. What it rejects is at /_sim/report."""
    try:
        world = load(config.read_text(encoding="utf-8")) if config else example(operator, provider, tokens)
    except (ValueError, KeyError) as why:
        raise click.UsageError(f"{type(why).__name__}: {why}") from why
    try:
        asyncio.run(serve(host, port, ClearingHouse(world), lambda address: click.echo(f"clearing house at {address}{SERVICE}")))
    except KeyboardInterrupt:
        return
