"""Drives a simulated charger over HTTP.

===================  ======================================================  =========================================
``GET``              ``/_sim/report``                                        what happened (see below)
``POST``             ``/_sim/plug`` ``{connector}``                          the car is plugged in
``POST``             ``/_sim/swipe`` ``{connector, id_tag}``                 ``{"status": ..., "transaction": n | null}``
``POST``             ``/_sim/start`` ``{connector, id_tag}``                 StartTransaction without asking
``POST``             ``/_sim/charge`` ``{connector, kwh, minutes}``          ``{"kwh": ...}`` once it is charged
``POST``             ``/_sim/stop`` ``{connector, reason, id_tag}``          ``{"transaction": n | null}``
``POST``             ``/_sim/unplug`` ``{connector}``                        the car leaves
``POST``             ``/_sim/session`` ``{connector, id_tag, kwh, minutes}`` all of that
``POST``             ``/_sim/status`` ``{connector, status}``                tells another status, such as Faulted
``POST``             ``/_sim/limit`` ``{kw}``                                kW that the site leaves it; null: no limit
``POST``             ``/_sim/offline``, ``/_sim/online``                     the network goes and comes
``POST``             ``/_sim/faults`` ``{silent, refuse, delay}``            the next CALLs get no answer, or CALLERROR;
                                                                             answers come ``delay`` seconds late
===================  ======================================================  =========================================

The report: ``rejections`` (what the central system sent wrong; empty is a pass), ``received`` (its CALLs by action),
``answers`` (its CALLRESULTs by action), ``errors`` (its CALLERRORs), ``transactions``, ``connectors``, ``queue`` (messages
not answered yet), ``dropped``, ``online``, ``connects``, ``boots``. 400 for a request that makes no sense.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from aiohttp import web

from bridge.simulate.charger import SimulatedCharger

Body = dict[str, Any]


def application(charger: SimulatedCharger) -> web.Application:
    """The control of one charger."""

    def post(path: str, work: Callable[[SimulatedCharger, Body], Awaitable[Body]]) -> web.RouteDef:
        async def handler(request: web.Request) -> web.Response:
            try:
                body = await request.json() if request.can_read_body else {}
                return web.json_response(await work(charger, body))
            except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as why:
                return web.json_response({"error": f"{type(why).__name__}: {why}"}, status=400)

        return web.post(f"/_sim/{path}", handler)

    async def report(request: web.Request) -> web.Response:
        return web.json_response(charger.report())

    made = web.Application()
    made.add_routes([web.get("/_sim/report", report), *(post(name, work) for name, work in _WORK.items())])
    return made


async def serve(charger: SimulatedCharger, host: str, port: int | None) -> None:
    """Serve until SIGTERM or SIGINT; without a port just wait. Prints where the control is."""
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    runner = web.AppRunner(application(charger), shutdown_timeout=1.0)
    await runner.setup()
    try:
        if port is not None:
            site = web.TCPSite(runner, host, port)
            await site.start()
            address = runner.addresses[0]
            click.echo(f"charger {charger.identity}: control at http://{address[0]}:{address[1]}/_sim/")
        await stop.wait()
    finally:
        await runner.cleanup()


def _connector(charger: SimulatedCharger, body: Body) -> int:
    number = int(body.get("connector", 1))
    if number not in charger.connectors:
        raise ValueError(f"there is no connector {number}")
    return number


def _number(charger: SimulatedCharger, connector: int) -> int | None:
    running = charger.connectors[connector].transaction
    return None if running is None else running.number


async def _plug(charger: SimulatedCharger, body: Body) -> Body:
    await charger.plug(_connector(charger, body))
    return {}


async def _swipe(charger: SimulatedCharger, body: Body) -> Body:
    connector = _connector(charger, body)
    status = await charger.swipe(connector, body["id_tag"])
    return {"status": status, "transaction": _number(charger, connector)}


async def _start(charger: SimulatedCharger, body: Body) -> Body:
    made = await charger.start(_connector(charger, body), body["id_tag"])
    return {"status": made.answer, "transaction": made.number}


async def _charge(charger: SimulatedCharger, body: Body) -> Body:
    energy = await charger.charge(_connector(charger, body), kwh=_decimal(body, "kwh"), minutes=_decimal(body, "minutes"))
    return {"kwh": str(energy)}


async def _stop(charger: SimulatedCharger, body: Body) -> Body:
    ended = await charger.stop(_connector(charger, body), reason=body.get("reason", "Local"), id_tag=body.get("id_tag"))
    return {"transaction": None if ended is None else ended.number}


async def _unplug(charger: SimulatedCharger, body: Body) -> Body:
    await charger.unplug(_connector(charger, body))
    return {}


async def _session(charger: SimulatedCharger, body: Body) -> Body:
    kwh, minutes = _decimal(body, "kwh"), _decimal(body, "minutes")
    if kwh is None or minutes is None:
        raise ValueError("kwh and minutes are needed")
    made = await charger.session(_connector(charger, body), body["id_tag"], kwh, minutes)
    if made is None:
        return {"transaction": None}
    return {"transaction": made.number, "meter_start": made.meter_start, "meter_stop": made.meter_stop,
            "acknowledged": made.acknowledged}  # fmt: skip


async def _status(charger: SimulatedCharger, body: Body) -> Body:
    await charger.tell(_connector(charger, body), body["status"])
    return {}


async def _limit(charger: SimulatedCharger, body: Body) -> Body:
    charger.local_limit = _decimal(body, "kw")
    return {}


async def _offline(charger: SimulatedCharger, body: Body) -> Body:
    charger.offline()
    await charger.link.down.wait()
    return {}


async def _online(charger: SimulatedCharger, body: Body) -> Body:
    await charger.online(wait=None)
    return {}


async def _faults(charger: SimulatedCharger, body: Body) -> Body:
    for name, kind in (("silent", int), ("refuse", int), ("delay", float)):
        if name in body:
            setattr(charger.link.faults, name, kind(body[name]))
    return {}


def _decimal(body: Body, name: str) -> Decimal | None:
    return None if body.get(name) is None else Decimal(str(body[name]))


_WORK: dict[str, Callable[[SimulatedCharger, Body], Awaitable[Body]]] = {
    "plug": _plug,
    "swipe": _swipe,
    "start": _start,
    "charge": _charge,
    "stop": _stop,
    "unplug": _unplug,
    "session": _session,
    "status": _status,
    "limit": _limit,
    "offline": _offline,
    "online": _online,
    "faults": _faults,
}
