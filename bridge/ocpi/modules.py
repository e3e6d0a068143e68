"""The functional modules as an operator serves them: lists and objects to GET, tokens to take, commands to hear.

Lists are joined from the bytes that the core keeps ready; nothing is decoded or encoded for a GET.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from attrs import evolve

from bridge.codec.lenient import fold, loads
from bridge.mapping.convert import as_utc
from bridge.model.command import Command, CommandKind
from bridge.model.ids import ConnectorId, EvseUid, LocationId, SessionId
from bridge.model.token import Token, TokenKind
from bridge.ocpi.adapter import folded
from bridge.ocpi.envelope import Code, moment_of, success, written
from bridge.ocpi.server import Call, Fault, Handler, Result
from bridge.roaming.ports import Kind
from bridge.translate.files import encode

# --- lists (Pagination)


def _list(kind: Kind, path: str, *, since_needed: bool = False) -> Handler:
    async def serve(call: Call) -> Result:
        query = call.request.query
        since, until = _moment(query, "date_from"), _moment(query, "date_to")
        if since_needed and since is None:
            raise Fault(Code.INVALID, "date_from: is missing")
        most = call.partner.config.page_limit
        offset, limit = _count(query, "offset", 0, 0), min(_count(query, "limit", most, 1), most)
        page = await call.core.page(call.partner.name, kind, offset=offset, limit=limit, since=since, until=until)
        headers = {"X-Total-Count": str(page.total), "X-Limit": str(most)}
        if offset + len(page.bodies) < page.total and page.bodies:
            following = _filters(since, until) | {"offset": str(offset + len(page.bodies)), "limit": str(limit)}
            headers["Link"] = f'<{call.url(path)}?{urlencode(following, safe=":")}>; rel="next"'
        return Result(success(b"[" + b",".join(page.bodies) + b"]"), headers=headers)

    return serve


def _filters(since: datetime | None, until: datetime | None) -> dict[str, str]:
    return {name: written(at) for name, at in (("date_from", since), ("date_to", until)) if at is not None}


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    moment = moment_of(text)
    if moment is None:
        raise Fault(Code.INVALID, f"{name}: {text[:64]!r} is no date and time")
    return moment


def _count(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) < least:
        raise Fault(Code.INVALID, f"{name}: a whole number from {least} on is expected, found {text[:32]!r}")
    return int(text)


# --- one location, EVSE, connector


class _Part(msgspec.Struct):
    uid: str = ""
    id: str = ""


class _Whole(msgspec.Struct):
    evses: list[msgspec.Raw] = []
    connectors: list[msgspec.Raw] = []


async def _location(call: Call) -> Result:
    return Result(success(await _held(call)))


async def _evse(call: Call) -> Result:
    return Result(success(_inner(await _held(call), "evses", "uid", call.request.match_info["evse"], "EVSE")))


async def _connector(call: Call) -> Result:
    evse = _inner(await _held(call), "evses", "uid", call.request.match_info["evse"], "EVSE")
    return Result(success(_inner(evse, "connectors", "id", call.request.match_info["connector"], "connector")))


async def _held(call: Call) -> bytes:
    ident = call.request.match_info["id"]
    body = await call.core.find(call.partner.name, Kind.LOCATION, folded(ident))
    if body is None:
        raise Fault(Code.UNKNOWN_LOCATION, "unknown location", 404)
    return body


def _inner(body: bytes, within: str, name: str, ident: str, what: str) -> bytes:
    """One item of a list in JSON, as the bytes that it is."""
    for raw in getattr(msgspec.json.decode(body, type=_Whole), within):
        if folded(getattr(msgspec.json.decode(raw, type=_Part), name)) == folded(ident):
            return bytes(raw)
    raise Fault(Code.UNKNOWN_LOCATION, f"unknown {what}", 404)


# --- tokens (mod_tokens, Receiver)


def _owner(call: Call) -> tuple[str, str, str]:
    match = call.request.match_info
    if not call.partner.registration.speaks_for(match["country"], match["party"]):
        raise Fault(Code.CLIENT_ERROR, "that party is not yours", 404)
    return match["country"], match["party"], match["uid"]


def _kind(call: Call) -> TokenKind | None:
    text = call.request.query.get("type")
    if not text:
        return None
    kind = {fold(wire): TokenKind(wire) for wire in call.version.token_types.values()}.get(fold(text))
    if kind is None:
        raise Fault(Code.INVALID, f"type: {text[:32]!r} is no TokenType")
    return kind


async def _known(call: Call, country: str, party: str, uid: str, kind: TokenKind) -> Token | None:
    token = await call.core.token(call.partner.name, uid, kind)
    if token is None or token.party is None:
        return token
    return token if token.party.key == f"{country}{party}".upper() else None


async def _get_token(call: Call) -> Result:
    token = await _known(call, *_owner(call), _kind(call) or TokenKind.RFID)
    if token is None:
        raise Fault(Code.UNKNOWN_TOKEN, "unknown token", 404)
    return Result(success(call.partner.token_bytes(token)))


async def _put_token(call: Call) -> Result:
    country, party, uid = _owner(call)
    asked = _kind(call)
    return await _take(call, call.partner.token(await call.body()), country, party, uid, asked)


async def _patch_token(call: Call) -> Result:
    country, party, uid = _owner(call)
    kind = _kind(call) or TokenKind.RFID
    change = loads(await call.body())
    if not isinstance(change, dict):
        raise Fault(Code.INVALID, "$: an object is expected")
    said = {fold(name): value for name, value in change.items() if value is not None}
    if "lastupdated" not in said:
        raise Fault(Code.INVALID, "last_updated: is missing (it is needed in every PATCH)")
    old = await _known(call, country, party, uid, kind)
    if old is None:
        raise Fault(Code.UNKNOWN_TOKEN, "unknown token", 404)
    whole = {name: value for name, value in loads(call.partner.token_bytes(old)).items() if fold(name) not in said}
    whole |= {name: value for name, value in change.items() if value is not None}
    new = call.partner.token(encode(whole))
    kept = tuple(extra for extra in old.extra if extra.path not in {e.path for e in new.extra})
    return await _take(call, evolve(new, extra=(*kept, *new.extra)), country, party, uid, kind)


async def _take(call: Call, token: Token, country: str, party: str, uid: str, asked: TokenKind | None) -> Result:
    _same("country_code", token.party.country_code if token.party else None, country)
    _same("party_id", token.party.party_id if token.party else None, party)
    _same("uid", token.uid, uid)
    if asked is not None and token.kind is not asked:
        raise Fault(Code.INVALID, "type: differs from the one in the URL")
    before = await call.core.token(call.partner.name, uid, token.kind or TokenKind.RFID)
    taken = await call.core.tokens(call.partner.name, [token])
    note = "held until an operator confirms it" if taken.held else None
    return Result(success(message=note), 200 if before is not None else 201)


def _same(name: str, told: str | None, url: str) -> None:
    if told is None or folded(told) != folded(url):
        raise Fault(Code.INVALID, f"{name}: differs from the one in the URL")


# --- commands (mod_commands, Receiver)


async def _command(call: Call) -> Result:
    named = call.request.match_info["command"].upper()
    kind = call.version.commands.get(named)
    if kind is None:
        raise Fault(Code.CLIENT_ERROR, f"unknown command {named[:32]!r}", 404)
    body = call.version.read(_MESSAGES[kind], await call.body()).value
    for name, value in msgspec.structs.asdict(body).items():
        if value == "":
            raise Fault(Code.INVALID, f"{name}: is empty")
    if not body.response_url.startswith(("http://", "https://")) or len(body.response_url) > 255:
        raise Fault(Code.INVALID, "response_url: an http(s) URL of at most 255 characters is expected")
    outcome = await call.core.command(call.partner.name, _COMMANDS[kind](call, body), body.response_url)
    messages = call.version.messages
    result = messages.CommandResponseType(call.version.responses[outcome.result])
    response = messages.CommandResponse(
        result=result, timeout=call.partner.config.command_timeout, message=call.partner.texts(outcome.messages)
    )
    return Result(success(encode(response)))


_MESSAGES = {
    CommandKind.START_SESSION: "StartSession",
    CommandKind.STOP_SESSION: "StopSession",
    CommandKind.RESERVE_NOW: "ReserveNow",
    CommandKind.CANCEL_RESERVATION: "CancelReservation",
    CommandKind.UNLOCK_CONNECTOR: "UnlockConnector",
}


def _their_token(call: Call, wire: Any) -> Token:
    if not call.partner.registration.speaks_for(wire.country_code, wire.party_id):
        raise Fault(Code.INVALID, "token.party_id: that party is not yours")
    return call.partner.token_of(wire)


def _evse_of(body: Any) -> dict[str, Any]:
    """Where: the EVSE may be left open."""
    connector = getattr(body, "connector_id", None)
    if connector is not None and body.evse_uid is None:
        raise Fault(Code.INVALID, "evse_uid: is missing (it is needed with connector_id)")
    return {
        "location_id": LocationId(body.location_id),
        "evse_uid": None if body.evse_uid is None else EvseUid(body.evse_uid),
        "connector_id": None if connector is None else ConnectorId(connector),
    }


def _start(call: Call, body: Any) -> Command:
    reference = body.authorization_reference
    token = _their_token(call, body.token)
    return Command(CommandKind.START_SESSION, token, authorization_reference=reference, provider=token.party, **_evse_of(body))


def _reserve(call: Call, body: Any) -> Command:
    token = _their_token(call, body.token)
    return Command(
        CommandKind.RESERVE_NOW, token, reservation_id=body.reservation_id, expires=as_utc(body.expiry_date),
        authorization_reference=body.authorization_reference, provider=token.party, **_evse_of(body),
    )  # fmt: skip


def _stop(call: Call, body: Any) -> Command:
    return Command(CommandKind.STOP_SESSION, session_id=SessionId(body.session_id))


def _cancel(call: Call, body: Any) -> Command:
    return Command(CommandKind.CANCEL_RESERVATION, reservation_id=body.reservation_id)


def _unlock(call: Call, body: Any) -> Command:
    return Command(CommandKind.UNLOCK_CONNECTOR, **_evse_of(body))


_COMMANDS: Mapping[CommandKind, Callable[[Call, Any], Command]] = {
    CommandKind.START_SESSION: _start,
    CommandKind.STOP_SESSION: _stop,
    CommandKind.RESERVE_NOW: _reserve,
    CommandKind.CANCEL_RESERVATION: _cancel,
    CommandKind.UNLOCK_CONNECTOR: _unlock,
}

_LOCATIONS = "/sender/locations"

RESOURCES: tuple[tuple[str, Mapping[str, Handler]], ...] = (
    (_LOCATIONS, {"GET": _list(Kind.LOCATION, _LOCATIONS)}),
    (_LOCATIONS + "/{id}", {"GET": _location}),
    (_LOCATIONS + "/{id}/{evse}", {"GET": _evse}),
    (_LOCATIONS + "/{id}/{evse}/{connector}", {"GET": _connector}),
    ("/sender/sessions", {"GET": _list(Kind.SESSION, "/sender/sessions", since_needed=True)}),
    ("/sender/cdrs", {"GET": _list(Kind.CDR, "/sender/cdrs")}),
    ("/sender/tariffs", {"GET": _list(Kind.TARIFF, "/sender/tariffs")}),
    ("/receiver/tokens/{country}/{party}/{uid}", {"GET": _get_token, "PUT": _put_token, "PATCH": _patch_token}),
    ("/receiver/commands/{command}", {"POST": _command}),
)
"""Paths below the version's URL, and what may be done there (a 405 otherwise)."""
