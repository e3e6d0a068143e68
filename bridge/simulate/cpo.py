"""A strict stand-in for a CPO (OCPI 2.1.1, 2.2.1 or 2.3.0): an operator's own system, whose places partners offer to their drivers.

It validates every message and every answer by its own tables (:mod:`bridge.simulate.ocpi_rules`), answers with the
specification's errors, and keeps everything. Besides OCPI below ``/ocpi`` it serves, as JSON:

- ``GET /_sim/report``: registration, rejections, warnings, what was received, locations, tariffs, sessions, CDRs (``unsent``: not
  taken by the eMSP), commands, reservations
- ``GET /_sim/wait?kind=token&count=3&timeout=30``: the report, once so many were received (HTTP 408 if they were not).
  Kinds: registration location_page tariff_page session_page cdr_page token token_patch token_list command session_begun rejection
- ``GET /_sim/tokens``: the tokens that it was given
- ``POST /_sim/register {url, token_a}``: register with an eMSP
- ``POST /_sim/location {...}``, ``/_sim/tariff {...}``: take a Location or Tariff into the books (whose it is and when it was
  changed may be left out), and tell it
- ``POST /_sim/status {location_id, evse_uid, status}``: change the status of an EVSE, and tell it
- ``POST /_sim/session {uid, location_id, evse_uid, connector_id?, type?, ask?, minutes?}``: a card is shown. It is taken by the
  tokens that were given, or asked about (``ask``: whenever that is allowed); gives ``allowed`` and the session, which began ``minutes`` ago
- ``POST /_sim/progress {session_id, kwh}``: so much has been charged in all
- ``POST /_sim/end {session_id, kwh?, cost?}``: a session ends, and costs what the tariff says, or ``cost`` before taxes; gives its CDR
- ``POST /_sim/credit {cdr_id}``: a CDR is taken back (from 2.2)
- ``POST /_sim/revoke {reservation_id}``: a reservation is taken back by the operator
- ``POST /_sim/push``: tell everything that there is, CDRs that were not taken among it
- ``POST /_sim/pull {date_from?, limit?}``: GET the list of tokens
- ``POST /_sim/behave {command, response?, result?, delay?, silent?}``: how a kind of command is answered from now on
- ``POST /_sim/faults {status?, retry_after?, delay?, nonsense?, drop_after_accept?, only?, count}``: spoil the next ``count``
  requests whose path has ``only`` in it
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import click
from aiohttp import web

from bridge.simulate import cpo_charging, cpo_commands, cpo_objects, cpo_senders, ocpi_site
from bridge.simulate.cpo_partner import Provider
from bridge.simulate.cpo_state import Behaviour, Cpo
from bridge.simulate.ocpi_http import Answer
from bridge.simulate.ocpi_party import VERSIONS, stamp


def application(cpo: Cpo) -> web.Application:
    """The simulator as an application; ``cpo`` can be looked at while it runs."""
    provider = Provider(cpo)

    async def command_taken(_: Cpo, request: web.Request) -> Answer:
        return await cpo_commands.take(provider, request)

    async def pulling(_: web.Application) -> AsyncIterator[None]:
        if cpo.token_pull_seconds > 0:
            provider.background(provider.keep_pulling())
        yield

    routes = (*cpo_senders.ROUTES, ("POST", "/commands/{command}", command_taken))
    app = ocpi_site.application(cpo, provider, routes, acts=_ACTS, looks={"tokens": lambda one: list(one.tokens.values())})
    app.cleanup_ctx.append(pulling)
    return app


# --- what whoever runs it calls


async def _location(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    place = cpo.owner | {"last_updated": stamp()} | given
    cpo.take_location(place)
    await provider.location(place)
    return place


async def _tariff(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    tariff = cpo.owner | {"last_updated": stamp()} | given
    cpo.take_tariff(tariff)
    await provider.tariff(tariff)
    return tariff


async def _status(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    place = cpo.location(given["location_id"])
    evse = cpo.evse(place, given["evse_uid"])
    await cpo_charging.status_changed(provider, place, evse, given["status"])
    return evse


async def _session(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    return await cpo_charging.card_shown(provider, given)


async def _progress(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    return cpo_objects.session(cpo, await cpo_charging.progress(provider, given["session_id"], given["kwh"]))


async def _end(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    return await cpo_charging.end(provider, given["session_id"], given.get("kwh"), given.get("cost"))


async def _credit(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    if cpo.older:
        raise ValueError("OCPI 2.1.1 has no credit CDRs")
    return await cpo_charging.billed(provider, cpo_objects.credit(cpo.cdrs[str(given["cdr_id"]).upper()], str(uuid.uuid4())))


async def _revoke(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    await cpo_commands.revoke(provider, str(given["reservation_id"]))
    return {}


async def _push(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    return await provider.everything()


async def _pull(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    return {"tokens": await provider.pull_tokens({name: str(value) for name, value in given.items()})}


async def _behave(cpo: Cpo, provider: Provider, given: dict[str, Any]) -> Any:
    cpo.behaviour[given["command"]] = Behaviour(**{name: value for name, value in given.items() if name != "command"})
    return {}


_ACTS: dict[str, ocpi_site.Act[Cpo, Provider]] = {
    "location": _location, "tariff": _tariff, "status": _status, "session": _session, "progress": _progress, "end": _end,
    "credit": _credit, "revoke": _revoke, "push": _push, "pull": _pull, "behave": _behave,
}  # fmt: skip


# --- to run it


async def serve(host: str, port: int, cpo: Cpo) -> web.AppRunner:
    """Serve it; ``cpo.url`` is set where it was empty and the port is fixed. Call ``cleanup`` of what is returned to end it."""
    return await ocpi_site.serve(host, port, cpo, application(cpo))


@click.command("cpo")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9222, show_default=True, help="Port to listen on.")
@click.option("--ocpi", default="2.2.1", show_default=True, type=click.Choice(VERSIONS), help="The version that it speaks.")
@click.option("--url", default="", help="Where eMSPs find it, if that is another address.")
@click.option("--party", default="DE*CPO", show_default=True, help="Country and party.")
@click.option("--name", default="Example Charge Points", show_default=True, help="Name of the company.")
@click.option("--locations", default=1, show_default=True, help="How many locations it has.")
@click.option("--evses", default=2, show_default=True, help="How many EVSEs each of them has.")
@click.option("--push/--pull", default=True, show_default=True, help="Tell what changes, or wait to be asked.")
@click.option("--token-pull-seconds", default=0.0, show_default=True, help="How often it fetches the tokens; 0: when it is told to.")
@click.option("--token-a", envvar="EVBRIDGE_CPO_TOKEN_A", default=None, help="Token with which an eMSP may register here.")
def command(host: str, port: int, ocpi: str, url: str, party: str, name: str, locations: int, evses: int, push: bool,
            token_pull_seconds: float, token_a: str | None) -> None:  # fmt: skip
    """A strict CPO (OCPI): offers locations, tariffs, sessions, CDRs; takes tokens and commands; asks about cards."""
    country, _, ident = party.partition("*")
    cpo = Cpo(country_code=country, party_id=ident, name=name, places=locations, evses=evses, push=push, token_a=token_a,
              token_pull_seconds=token_pull_seconds, url=url.rstrip("/"), version=ocpi)  # fmt: skip
    asyncio.run(ocpi_site.forever(host, port, cpo, application(cpo)))
