"""Health, metrics and administration."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from bridge.roaming.deadlines import PASSED, late
from bridge.store import outbox

if TYPE_CHECKING:
    from bridge.app import Bridge


def routes(bridge: Bridge) -> list[web.RouteDef]:
    """``/health``, ``/metrics`` and, with the bearer token, ``/admin/``."""
    token = bridge.config.admin_token.read("admin_token") if bridge.config.admin_token is not None else None

    def known(request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        return token is not None and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())

    def guarded(work: Any) -> Any:
        async def handler(request: web.Request) -> web.Response:
            if not known(request):
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
            response: web.Response = await work(request)
            return response

        return handler

    async def health(request: web.Request) -> web.Response:
        bridge.store.db.read.execute("SELECT 1")
        found: dict[str, Any] = {"status": "ok"}
        if known(request):  # who our partners are is nobody else's business
            found |= {"chargers": len(bridge.central.connected), "outbox": outbox.counts(bridge.store.db.read)}
        return _json(found)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=_metrics(bridge), content_type="text/plain", charset="utf-8")

    async def status(request: web.Request) -> web.Response:
        return _json({
            "chargers": sorted(bridge.central.connected),
            "outbox": outbox.counts(bridge.store.db.read),
            "tokens": {name: bridge.store.token_counts(name) for name in bridge.partners},
            "sessions": {r["state"]: r["n"] for r in
                         bridge.store.db.read.execute("SELECT state, COUNT(*) AS n FROM session GROUP BY state")},
            "deadlines": [{"cdr": one.cdr.id, "partner": one.cdr.partner, "state": one.cdr.state, "due": one.due, "test": one.cdr.test,
                           "passed": one.level == PASSED}
                          for one in late(bridge.store.open_cdrs(), bridge.core.cdr_deadline_hours, bridge.core.now())],
            "cdrs": [{"id": c.id, "session": c.session, "partner": c.partner, "state": c.state, "test": c.test, "kwh": c.kwh,
                      "total": c.total, "currency": c.currency, "reference": c.reference, "sent": c.sent, "losses": c.losses,
                      "error": c.error}
                     for c in bridge.store.cdrs()],
        })  # fmt: skip

    async def sessions(request: web.Request) -> web.Response:
        rows = bridge.store.db.read.execute(
            "SELECT id, tx, charge_point, connector, evse_id, partner, auth, started, ended, kwh, state FROM session ORDER BY tx"
        )
        return _json([{**dict(r), "auth": orjson.loads(r["auth"])} for r in rows])

    def about_partners(method: str, end: str) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            from bridge.web.partners import works  # with the configuration's models: slow to import, and seldom asked for

            return await works(bridge)[end](request)

        return web.route(method, f"/admin/partners/{{name}}/{end}" if end else "/admin/partners", guarded(handle))

    return [web.get("/health", health), web.get("/metrics", metrics), web.get("/admin/status", guarded(status)),
            web.get("/admin/sessions", guarded(sessions)), about_partners("GET", ""),
            about_partners("GET", "checklist"), *(about_partners("POST", end) for end in ("add", "rotate", "remove"))]  # fmt: skip


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value, default=str), content_type="application/json")


def _metrics(bridge: Bridge) -> bytes:
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    jobs = Gauge("evbridge_outbox_jobs", "Outbound jobs by partner and state", ["partner", "state"], registry=registry)
    for partner, states in outbox.counts(bridge.store.db.read).items():
        for state, count in states.items():
            jobs.labels(partner, state).set(count)
    Gauge("evbridge_chargers_connected", "Chargers that are connected", registry=registry).set(len(bridge.central.connected))
    cdrs = Gauge("evbridge_cdrs", "CDRs by state", ["state"], registry=registry)
    for row in bridge.store.db.read.execute("SELECT state, COUNT(*) AS n FROM cdr GROUP BY state"):
        cdrs.labels(row["state"]).set(row["n"])
    return generate_latest(registry)
