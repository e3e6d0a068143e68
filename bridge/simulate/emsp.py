"""A strict stand-in for an eMSP (OCPI 2.1.1, 2.2.1 or 2.3.0): what operators test against, and what the demo and the tests use.

It validates every message by its own tables (:mod:`bridge.simulate.ocpi_rules`), answers with the specification's errors,
and keeps everything. Besides OCPI below ``/ocpi`` it serves, as JSON:

- ``GET /_sim/report``: registration, rejections, warnings, what was received, locations, tariffs, sessions, CDRs, commands
- ``GET /_sim/wait?kind=cdr&count=3&timeout=30``: the report, once so many were received (HTTP 408 if they were not).
  Kinds: registration location evse connector status location_patch tariff tariff_delete session cdr cdr_repeat token_page
  authorize command_result profile_result plan client rejection
- ``GET /_sim/tokens``: its tokens, with ``listed`` (whether operators may pull them)
- ``POST /_sim/register {url, token_a}``: register with an operator
- ``POST /_sim/start {location_id, evse_uid?, connector_id?, uid, type?}``, ``/_sim/stop {session_id}``,
  ``/_sim/reserve {location_id, evse_uid?, uid, reservation_id, expiry_date}``, ``/_sim/cancel {reservation_id}``,
  ``/_sim/unlock {location_id, evse_uid, connector_id}``: send a command; gives its id and the answer at once.
  ``?timeout=30`` waits for the result, too
- ``POST /_sim/profile {session_id, profile}``, ``/_sim/profile_clear {session_id}``, ``/_sim/profile_active {session_id,
  duration}``: set, clear or ask for a charging profile, in the same way
- ``POST /_sim/prefer {session_id, profile_type, ...}``: tell a driver's charging preferences
- ``POST /_sim/client {country_code, party_id, role?, status}``: as a hub, tell the operator of a party behind it
- ``POST /_sim/token {...}``: take a Token object into the books and PUT it at the operator
- ``POST /_sim/patch {uid, type?, change: {...}}``: change a token and PATCH it at the operator
- ``POST /_sim/answer {uid, type?, allowed}``: what a real-time request about a token is answered from now on
- ``POST /_sim/pull {module, date_from?, date_to?, limit?}``: GET a list of the operator, checking every object
- ``POST /_sim/faults {status?, retry_after?, delay?, nonsense?, drop_after_accept?, only?, count}``: spoil the next ``count``
  requests whose path has ``only`` in it
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from aiohttp import web

from bridge.simulate import emsp_clients, emsp_profiles, emsp_receivers, emsp_tokens, ocpi_site
from bridge.simulate.emsp_partner import Operator
from bridge.simulate.emsp_state import Emsp
from bridge.simulate.ocpi_http import Handler
from bridge.simulate.ocpi_party import VERSIONS, stamp, written
from bridge.simulate.ocpi_rules import moment


def application(emsp: Emsp) -> web.Application:
    """The simulator as an application; ``emsp`` can be looked at while it runs."""
    return ocpi_site.application(emsp, Operator(emsp), _routes(emsp), acts=_ACTS, looks={"tokens": _tokens})


def _routes(emsp: Emsp) -> Sequence[tuple[str, str, Handler[Emsp]]]:
    """What operators may call, besides credentials."""
    newer = () if emsp.older else (*emsp_profiles.ROUTES, *emsp_clients.ROUTES)
    return *emsp_receivers.ROUTES, *emsp_tokens.ROUTES, *newer


# --- what whoever runs it calls


def _tokens(emsp: Emsp) -> Any:
    return [token | {"listed": key not in emsp.hidden} for key, token in emsp.known.items()]


async def _command(operator: Operator, kind: str, body: dict[str, Any]) -> Any:
    sent = await operator.command(kind, body)
    return {"id": sent.id, "response": sent.response}


def _place(emsp: Emsp, given: dict[str, Any], connector: bool = False) -> dict[str, Any]:
    """Where; 2.1.1 names the connector only where it is unlocked."""
    names = ("location_id", "evse_uid", *(("connector_id",) if connector or not emsp.older else ()))
    return {name: given.get(name) for name in names}


def _reference(emsp: Emsp, token: dict[str, Any]) -> dict[str, Any]:
    return {} if emsp.older else {"authorization_reference": emsp.refer(token["uid"])}


async def _start(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    token = operator.token_for(given["uid"], given.get("type", "RFID"))
    body = {"token": token, **_reference(emsp, token), **_place(emsp, given)}
    return await _command(operator, "START_SESSION", body)


async def _stop(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return await _command(operator, "STOP_SESSION", {"session_id": given["session_id"]})


async def _reserve(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    token = operator.token_for(given["uid"], given.get("type", "RFID"))
    until = written(datetime.now(UTC) + timedelta(minutes=15))
    body = {"token": token, "expiry_date": given.get("expiry_date") or until, "reservation_id": given["reservation_id"]}
    body |= _reference(emsp, token)
    return await _command(operator, "RESERVE_NOW", body | {name: given.get(name) for name in ("location_id", "evse_uid")})


async def _cancel(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    if emsp.older:
        raise ValueError("OCPI 2.1.1 cannot cancel a reservation")
    return await _command(operator, "CANCEL_RESERVATION", {"reservation_id": given["reservation_id"]})


async def _unlock(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return await _command(operator, "UNLOCK_CONNECTOR", _place(emsp, given, connector=True))


async def _token(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    token = emsp.owner | {"last_updated": stamp()} | given
    emsp.add_token(token)
    return {"status": await operator.put_token(token)}


async def _patch(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return {"status": await operator.patch_token(given["uid"], given.get("type", "RFID"), given["change"])}


async def _answer(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    key = (str(given["uid"]).upper(), given.get("type", "RFID"))
    operator.token_for(*key)
    emsp.answers[key] = given["allowed"]
    return {}


async def _pull(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    params = {n: str(given[n]) for n in ("date_from", "date_to", "limit", "offset") if given.get(n) is not None}
    if given["module"] == "sessions":
        params = {"date_from": "2000-01-01T00:00:00Z"} | params
    for name in ("date_from", "date_to"):
        if name in params and moment(params[name]) is None:
            raise ValueError(f"{name}: no DateTime")
    return {"objects": await operator.pull(given["module"], params)}


_ACTS: dict[str, ocpi_site.Act[Emsp, Operator]] = {
    "start": _start, "stop": _stop, "reserve": _reserve, "cancel": _cancel, "unlock": _unlock, "token": _token, "patch": _patch,
    "answer": _answer, "pull": _pull, **emsp_profiles.ACTS, **emsp_clients.ACTS,
}  # fmt: skip


# --- to run it


async def serve(host: str, port: int, emsp: Emsp) -> web.AppRunner:
    """Serve it; ``emsp.url`` is set where it was empty and the port is fixed. Call ``cleanup`` of what is returned to end it."""
    return await ocpi_site.serve(host, port, emsp, application(emsp))


@click.command("emsp")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9221, show_default=True, help="Port to listen on.")
@click.option("--ocpi", default="2.2.1", show_default=True, type=click.Choice(VERSIONS), help="The version that it speaks.")
@click.option("--url", default="", help="Where operators find it, if that is another address.")
@click.option("--party", default="DE*EMS", show_default=True, help="Country and party.")
@click.option("--name", default="Example Mobility", show_default=True, help="Name of the company.")
@click.option("--tokens", default=100, show_default=True, help="How many tokens it lists.")
@click.option("--unlisted", default=10, show_default=True, help="How many more it knows, but does not list.")
@click.option("--whitelist", default="ALLOWED", show_default=True, help="WhitelistType of its tokens, several by commas in turn.")
@click.option("--token-a", envvar="EVBRIDGE_EMSP_TOKEN_A", default=None, help="Token with which an operator may register here.")
def command(host: str, port: int, ocpi: str, url: str, party: str, name: str, tokens: int, unlisted: int, whitelist: str,
            token_a: str | None) -> None:  # fmt: skip
    """A strict eMSP (OCPI): registers, takes locations, status, tariffs, sessions, CDRs; gives tokens, starts sessions."""
    country, _, ident = party.partition("*")
    emsp = Emsp(country_code=country, party_id=ident, name=name, tokens=tokens, unlisted=unlisted, whitelist=whitelist.split(","),
                token_a=token_a, url=url.rstrip("/"), version=ocpi)  # fmt: skip
    asyncio.run(ocpi_site.forever(host, port, emsp, application(emsp)))
