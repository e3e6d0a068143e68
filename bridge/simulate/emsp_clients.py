"""HubClientInfo at the simulated eMSP: what an operator that is a hub tells it, and what it tells as a hub itself (from 2.2.1)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.simulate.emsp_partner import Operator
from bridge.simulate.emsp_receivers import Answer, Handler, body_of
from bridge.simulate.emsp_rules import moment
from bridge.simulate.emsp_state import Emsp, Reject, stamp


def reaches(emsp: Emsp, country: str, party: str) -> bool:
    """Whether messages for a party may be sent here: its own, and as a hub those behind it that are there."""
    if (country, party) == (emsp.country_code.upper(), emsp.party_id.upper()):
        return True
    told = [info for key, info in emsp.behind.items() if key[:2] == (country, party)]
    return emsp.hub and any(info["status"] == "CONNECTED" for info in told)


# --- what operators call


async def list_clients(emsp: Emsp, request: web.Request) -> Answer:
    """GET the parties behind a hub."""
    if not emsp.hub:
        raise Reject(2000, "there is nothing here", 404)
    since = request.query.get("date_from")
    found = [info for info in emsp.behind.values() if since is None or info["last_updated"] >= since]
    if since is not None and moment(since) is None:
        raise Reject(2001, f"{since!r} is no DateTime")
    emsp.count("client_page")
    return Answer(found, headers={"X-Total-Count": str(len(found)), "X-Limit": str(emsp.page_limit)})


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


ROUTES: tuple[tuple[str, str, Handler], ...] = (
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
    wrong = emsp.faults("ClientInfo", info)
    if wrong:
        raise ValueError("; ".join(wrong))
    emsp.behind[info["country_code"].upper(), info["party_id"].upper(), info["role"]] = info
    if emsp.theirs is None:
        return {"status": None}
    url = f"{operator.endpoint('hubclientinfo', 'RECEIVER').rstrip('/')}/{info['country_code']}/{info['party_id']}"
    status, envelope, _ = await operator.call("PUT", url, info, functional=False)
    if envelope["status_code"] != 1000:
        emsp.reject(method="PUT", path=url, answer=status, because=str(envelope.get("status_message")))
    return {"status": status}


ACTS = {"client": _client}
"""By the name under ``/_sim/``."""
