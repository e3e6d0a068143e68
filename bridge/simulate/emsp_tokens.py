"""What an operator asks the simulated eMSP for: tokens, authorisation in real time; and the results of commands."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bridge.simulate.emsp_state import Emsp
from bridge.simulate.ocpi_http import Answer, Handler, body_of, paged
from bridge.simulate.ocpi_party import Reject, part
from bridge.simulate.ocpi_tables import enums


async def list_tokens(emsp: Emsp, request: web.Request) -> Answer:
    """GET the tokens, page by page."""
    page = paged(emsp, request, emsp.listed())
    emsp.count("token_page")
    return page


async def authorize(emsp: Emsp, request: web.Request) -> Answer:
    """POST a request for authorisation in real time."""
    kind = request.query.get("type", "RFID")
    if kind not in enums(emsp.version)["TokenType"].split():
        raise Reject(2001, f"type: {kind!r} is no TokenType")
    references = None
    if request.body_exists and await request.read():
        references = emsp.check("LocationReferences", (await body_of(request))[1])
    emsp.count("authorize")
    key = (request.match_info["uid"].upper(), kind)
    token = emsp.known.get(key)
    if token is None:
        raise Reject(2000 if emsp.older else 2004, "unknown token", 404, record=False)
    if references is not None:
        _known(emsp, references)
    allowed = emsp.allowed(key)
    info: dict[str, Any] = {"allowed": allowed} if emsp.older else {"allowed": allowed, "token": token}
    if allowed == "ALLOWED":
        if not emsp.older:
            info["authorization_reference"] = emsp.refer(token["uid"])
        if references is not None:
            info["location"] = references
    else:
        info["info"] = {"language": "en", "text": f"This card is refused: {allowed}"}
    return Answer(info)


def _known(emsp: Emsp, references: dict[str, Any]) -> None:
    found = [held for (_, _, ident), held in emsp.locations.items() if ident == references["location_id"].upper()]
    if not found:
        raise Reject(2003, f"unknown location {references['location_id']}")
    for uid in references.get("evse_uids") or ():
        if all(part(held.get("evses") or [], "uid", uid) is None for held in found):
            raise Reject(2003, f"unknown EVSE {uid}")


# --- results of commands


async def command_result(emsp: Emsp, request: web.Request) -> Answer:
    """POST the result of a command: exactly one follows an accepted command, or a reservation's later cancellation."""
    sent = emsp.commands.get(request.match_info["command"])
    if sent is None:
        raise Reject(2001, "no such command was sent", 404)
    result = emsp.check("CommandResponse" if emsp.older else "CommandResult", (await body_of(request))[1])
    if sent.response is not None and sent.response["result"] != "ACCEPTED":
        raise Reject(2001, "the command was not accepted, no result follows")
    cancelled = sent.kind == "RESERVE_NOW" and result["result"] == "CANCELED_RESERVATION"
    if sent.result is not None and not cancelled:
        raise Reject(2001, "the result was told already")
    sent.result = result
    emsp.count("command_result")
    return Answer()


ROUTES: tuple[tuple[str, str, Handler[Emsp]], ...] = (
    ("GET", "/tokens", list_tokens),
    ("POST", "/tokens/{uid}/authorize", authorize),
    ("POST", "/commands/{command}", command_result),
)
"""Paths below that of the version."""
