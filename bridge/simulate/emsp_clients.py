"""HubClientInfo at the simulated eMSP: what an operator that is a hub tells it, and what it tells as a hub itself (from 2.2.1)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.simulate.emsp_partner import Operator
from bridge.simulate.emsp_state import Emsp
from bridge.simulate.ocpi_http import Answer, Handler, body_of, paged
from bridge.simulate.ocpi_party import Reject, stamp

# --- what operators call


async def list_clients(emsp: Emsp, request: web.Request) -> Answer:
    """GET the parties behind a hub."""
    if not emsp.hub:
        raise Reject(2000, "there is nothing here", 404)
    page = paged(emsp, request, list(emsp.behind.values()))
    emsp.count("client_page")
    return page


async def put_client(emsp: Emsp, request: web.Request) -> Answer:
    """PUT what an operator, as a hub, tells of a party."""
    info = emsp.check("ClientInfo", (await body_of(request))[1])
    key = _key(request)
    if (info["country_code"].upper(), info["party_id"].upper()) != key:
        raise Reject(2001, "country_code, party_id: differ from those in the URL")
    before = emsp.reached.get(key)
    if before is not None and before["last_updated"] > info["last_updated"]:
        raise Reject(2001, "last_updated: older than before")
    emsp.reached[key] = info
    emsp.count("client")
    return Answer(status=201 if before is None else 200)


async def get_client(emsp: Emsp, request: web.Request) -> Answer:
    """GET what was told of a party."""
    info = emsp.reached.get(_key(request))
    if info is None:
        raise Reject(2000, "nothing was told of this party", 404, record=False)
    return Answer(info)


def _key(request: web.Request) -> tuple[str, str]:
    return request.match_info["cc"].upper(), request.match_info["pid"].upper()


ROUTES: tuple[tuple[str, str, Handler[Emsp]], ...] = (
    ("GET", "/hubclientinfo", list_clients),
    ("GET", "/hubclientinfo/{cc}/{pid}", get_client),
    ("PUT", "/hubclientinfo/{cc}/{pid}", put_client),
)
"""Paths below that of the version."""


# --- what whoever runs it has it do


async def _client(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    if not emsp.hub:
        raise ValueError("it is no hub")
    info = {"role": "EMSP", "last_updated": stamp()} | given
    emsp.own("ClientInfo", info)
    emsp.behind[info["country_code"].upper(), info["party_id"].upper(), info["role"]] = info
    if emsp.theirs is None:
        return {"status": None}
    url = operator.at("hubclientinfo", "RECEIVER", info["country_code"], info["party_id"])
    status, envelope, _ = await operator.call("PUT", url, info, functional=False)
    if envelope["status_code"] != 1000:
        emsp.reject(method="PUT", path=url, answer=status, because=str(envelope.get("status_message")))
    return {"status": status}


ACTS = {"client": _client}
"""By the name under ``/_sim/``."""
