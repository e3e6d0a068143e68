"""Commands as an operator hears them (mod_commands, Receiver)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from attrs import evolve

from bridge.mapping.convert import as_utc
from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import ConnectorId, EvseUid, LocationId, SessionId
from bridge.model.token import Token
from bridge.ocpi.call import Call, Fault, Interface, Result
from bridge.ocpi.envelope import Code, success
from bridge.translate.files import encode

LONGEST = 36
"""Characters of what the CDR of a session repeats from its command (2.1.1 to 2.3.0, CdrToken and CDR)."""


async def _command(call: Call) -> Result:
    named = call.request.match_info["command"].upper()
    kind = call.version.commands.get(named)
    if kind is None and call.version.open:
        return _answer(call, CommandResult.NOT_SUPPORTED)
    if kind is None:
        raise Fault(Code.CLIENT_ERROR, f"unknown command {named[:32]!r}", 404)
    body = await call.read(_MESSAGES[kind])
    for name, value in msgspec.structs.asdict(body).items():
        if value == "":
            raise Fault(Code.INVALID, f"{name}: is empty")
    if len(body.response_url) > 255:
        raise Fault(Code.INVALID, "response_url: a URL of at most 255 characters is expected")
    if (because := call.partner.no_answer_at(body.response_url)) is not None:
        raise Fault(Code.INVALID, f"response_url: {because}")
    answer_to = call.partner.answer_to(body.response_url, call.sender)
    outcome = await call.core.command(call.partner.name, _COMMANDS[kind](call, body), answer_to)
    return _answer(call, outcome.result, call.partner.texts(outcome.messages))


def _answer(call: Call, result: CommandResult, texts: Any = None) -> Result:
    """CommandResponse: what is said at once."""
    told = call.version.messages.CommandResponseType(call.version.responses[result])
    return Result(success(encode(call.version.make(
        "CommandResponse", result=told, timeout=call.partner.config.command_timeout, message=texts))))  # fmt: skip


_MESSAGES = {
    CommandKind.START_SESSION: "StartSession",
    CommandKind.STOP_SESSION: "StopSession",
    CommandKind.RESERVE_NOW: "ReserveNow",
    CommandKind.CANCEL_RESERVATION: "CancelReservation",
    CommandKind.UNLOCK_CONNECTOR: "UnlockConnector",
}


def _their_token(call: Call, wire: Any) -> Token:
    """The token of a command, which has to be the partner's own. Before 2.2 it has no owner but the connection's.

    The CDR repeats it, and is refused where it is too long.
    """
    for name in ("uid", "contract_id", "auth_id"):
        _fitting(f"token.{name}", getattr(wire, name, None))
    token = call.partner.token_of(wire)
    if not call.version.roles:
        return evolve(token, party=call.partner.registration.party)
    if not call.partner.registration.speaks_for(wire.country_code, wire.party_id):
        raise Fault(Code.INVALID, "token.party_id: that party is not yours")
    return token


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


def _reference(body: Any) -> dict[str, Any]:
    reference = getattr(body, "authorization_reference", None)
    _fitting("authorization_reference", reference)
    return {"authorization_reference": reference}


def _fitting(path: str, value: str | None) -> None:
    if value is not None and len(value) > LONGEST:
        raise Fault(Code.INVALID, f"{path}: at most {LONGEST} characters are expected")


def _start(call: Call, body: Any) -> Command:
    token = _their_token(call, body.token)
    return Command(CommandKind.START_SESSION, token, provider=token.party, **_reference(body), **_evse_of(body))


def _reserve(call: Call, body: Any) -> Command:
    token = _their_token(call, body.token)
    return Command(
        CommandKind.RESERVE_NOW, token, reservation_id=str(body.reservation_id), expires=as_utc(body.expiry_date), provider=token.party,
        **_reference(body), **_evse_of(body),
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


INTERFACES = (Interface("commands", "RECEIVER", "CPO", {"/{command}": {"POST": _command}}),)
