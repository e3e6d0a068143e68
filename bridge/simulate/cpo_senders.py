"""What an eMSP calls at the simulated CPO: version details, lists of locations, tariffs, sessions and CDRs, and its tokens."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.simulate.cpo_state import Cpo
from bridge.simulate.ocpi_http import Answer, Handler, body_of, offered, paged
from bridge.simulate.ocpi_party import Reject, newer, part, same
from bridge.simulate.ocpi_tables import enums

OFFERS = (
    ("credentials", "RECEIVER"),
    ("locations", "SENDER"),
    ("tariffs", "SENDER"),
    ("sessions", "SENDER"),
    ("cdrs", "SENDER"),
    ("tokens", "RECEIVER"),
    ("commands", "RECEIVER"),
)


async def details(cpo: Cpo, request: web.Request) -> Answer:
    """GET version details."""
    return offered(cpo, OFFERS)


# --- lists


async def list_locations(cpo: Cpo, request: web.Request) -> Answer:
    """GET the locations, page by page."""
    return _page(cpo, request, "location", list(cpo.locations.values()))


async def list_tariffs(cpo: Cpo, request: web.Request) -> Answer:
    """GET the tariffs, page by page."""
    return _page(cpo, request, "tariff", list(cpo.tariffs.values()))


async def list_sessions(cpo: Cpo, request: web.Request) -> Answer:
    """GET the sessions, page by page: date_from is required."""
    return _page(cpo, request, "session", cpo.sessions(), required="date_from")


async def list_cdrs(cpo: Cpo, request: web.Request) -> Answer:
    """GET the CDRs, page by page."""
    return _page(cpo, request, "cdr", list(cpo.cdrs.values()))


def _page(cpo: Cpo, request: web.Request, kind: str, objects: list[dict[str, Any]], *, required: str | None = None) -> Answer:
    page = paged(cpo, request, objects, required=required)
    cpo.count(f"{kind}_page")
    return page


async def get_location(cpo: Cpo, request: web.Request) -> Answer:
    """GET a location, EVSE or connector."""
    held = cpo.locations.get(request.match_info["id"].upper())
    for step, inner, name in (("evse", "evses", "uid"), ("connector", "connectors", "id")):
        if held is not None and step in request.match_info:
            items: list[dict[str, Any]] = held.get(inner) or []
            i = part(items, name, request.match_info[step])
            held = None if i is None else items[i]
    if held is None:
        raise Reject(2003, "unknown location, EVSE or connector", 404, record=False)
    return Answer(held)


# --- tokens


def _token_of(cpo: Cpo, request: web.Request) -> tuple[str, str]:
    """The key of the token that the URL names. Raises Reject."""
    match, kind = request.match_info, request.query.get("type", "RFID")
    if not cpo.speaks_for(match["cc"], match["pid"]):
        raise Reject(2001, f"{match['cc']}*{match['pid']} is none of your roles", 404)
    if cpo.older and request.query:
        raise Reject(2001, f"{min(request.query)}: no such parameter")
    if kind not in enums(cpo.version)["TokenType"].split():
        raise Reject(2001, f"type: {kind!r} is no TokenType")
    return cpo.token_key(match["uid"], kind)


async def get_token(cpo: Cpo, request: web.Request) -> Answer:
    """GET a token."""
    held = cpo.tokens.get(_token_of(cpo, request))
    if held is None:
        raise Reject(2000 if cpo.older else 2004, "unknown token", 404, record=False)
    return Answer(held)


def _as_in_url(cpo: Cpo, request: web.Request, token: dict[str, Any]) -> None:
    match = request.match_info
    same(token, country_code=match["cc"], party_id=match["pid"], uid=match["uid"])
    if not cpo.older:
        same(token, type=request.query.get("type", "RFID"))


async def put_token(cpo: Cpo, request: web.Request) -> Answer:
    """PUT a token."""
    key = _token_of(cpo, request)
    new = cpo.check("Token", (await body_of(request))[1])
    _as_in_url(cpo, request, new)
    old = cpo.tokens.get(key)
    newer(cpo, "a token", old, new)
    cpo.tokens[key] = new
    cpo.count("token")
    return Answer(status=201 if old is None else 200)


async def patch_token(cpo: Cpo, request: web.Request) -> Answer:
    """PATCH a token."""
    key = _token_of(cpo, request)
    held = cpo.tokens.get(key)
    if held is None:
        raise Reject(2000 if cpo.older else 2004, "unknown token", 404)
    change = cpo.check("Token", (await body_of(request))[1], partial=True)
    if change.get("last_updated") is None and not cpo.older:
        raise Reject(2001, "last_updated: missing in a PATCH")
    _as_in_url(cpo, request, change)
    new = held | {name: value for name, value in change.items() if value is not None}
    newer(cpo, "a token", held, new)
    cpo.tokens[key] = cpo.check("Token", new)
    cpo.count("token_patch")
    return Answer()


_TOKEN = "/tokens/{cc}/{pid}/{uid}"  # noqa: S105

ROUTES: tuple[tuple[str, str, Handler[Cpo]], ...] = (
    ("GET", "", details),
    ("GET", "/locations", list_locations),
    ("GET", "/locations/{id}", get_location),
    ("GET", "/locations/{id}/{evse}", get_location),
    ("GET", "/locations/{id}/{evse}/{connector}", get_location),
    ("GET", "/tariffs", list_tariffs),
    ("GET", "/sessions", list_sessions),
    ("GET", "/cdrs", list_cdrs),
    ("GET", _TOKEN, get_token),
    ("PUT", _TOKEN, put_token),
    ("PATCH", _TOKEN, patch_token),
)
"""Paths below that of the version, besides commands."""
