"""What Hubject calls on an operator (OICP 2.3): remote start and stop, reservations.

Hubject appends ``/api/oicp/...`` to the base URL entered in its portal. The answer is synchronous, always an
eRoamingAcknowledgement where the caller is known: HTTP 200 with ``Result: false`` for a business failure, 400 with code
022 for a body that is no JSON, 413 for one that is too large; an unknown caller gets HTTP 401 with code 017.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from bridge.codec.lenient import Unreadable, loads, reader
from bridge.errors import BridgeError, ReadError
from bridge.model.command import Command, CommandKind, CommandOutcome
from bridge.model.ids import ContractId, EvseId, IdError, PartyId, TokenUid
from bridge.model.token import Token, TokenKind
from bridge.oicp import codes
from bridge.oicp import wire as w
from bridge.oicp.adapter import OicpPartner
from bridge.roaming import ports
from bridge.translate.files import encode

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024
"""A larger body is refused; these messages have a few hundred bytes."""

_CHARGING = "/api/oicp/charging/v21/providers/{provider}"
_RESERVATION = "/api/oicp/reservation/v11/providers/{provider}"

Make = Callable[[OicpPartner, Any], Command]


def routes(core: ports.Inbound, partners: Mapping[str, OicpPartner]) -> list[web.RouteDef]:
    """Routes for every OICP 2.3 partner, at ``/api/oicp/...`` and, for those known by a secret in the path, below
    ``/hubject/{secret}``. ``partners`` is read at each call: partners may come and go."""
    served: list[web.RouteDef] = []
    for path, read, make in _OPERATIONS:
        handler = _handler(core, partners, read, make)
        served += [web.post(path, handler), web.post("/hubject/{secret}" + path, handler)]
    return served


def _handler(core: ports.Inbound, partners: Mapping[str, OicpPartner], read: Any,
             make: Make) -> Callable[[web.Request], Awaitable[web.Response]]:  # fmt: skip
    async def handle(request: web.Request) -> web.Response:
        secret = request.match_info.get("secret", "")
        callers = [p for p in partners.values() if p.config.inbound_auth.accepts(request.headers, request.remote, secret)]
        if not callers:
            log.warning("oicp: a call from %s was not recognised", request.remote)
            return _fault()
        body = await _body(request)
        if body is None:
            return _refusal(codes.DATA_ERROR, f"more than {MOST_BYTES} bytes", status=413)
        try:
            message = read(loads(body)).value
        except Unreadable as why:
            no_json = why.path == "" and why.because.startswith("no JSON")
            return _refusal(codes.DATA_ERROR, str(why), status=400 if no_json else 200)
        except RecursionError:
            return _refusal(codes.DATA_ERROR, "nested too deeply", status=400)
        return await _answer(core, _addressed(callers, message.EvseID), request.match_info["provider"], message, make)

    return handle


def _addressed(callers: list[OicpPartner], evse_id: str) -> OicpPartner:
    """Of several contracts with the hub, the one whose operator the EVSE-ID names; a hub operator's may name any."""
    for partner in callers:
        if _plain(evse_id).startswith(_plain(partner.config.operator_id)):
            return partner
    return callers[0]


async def _answer(core: ports.Inbound, partner: OicpPartner, provider: str, message: Any, make: Make) -> web.Response:
    try:
        command = make(partner, message)
        if _plain(provider) != _plain(message.ProviderID):
            raise ReadError("ProviderID", "is not the provider of the path")
        async with asyncio.timeout(partner.config.command_timeout):
            outcome = await core.command(partner.name, command)
    except ReadError as why:
        return _acknowledged(codes.of_error(why), message, str(why))
    except (BridgeError, TimeoutError) as why:
        log.warning("oicp: %s of %s: %s", type(why).__name__, partner.name, why)
        return _acknowledged(codes.of_error(why), message)
    except Exception:
        log.exception("oicp: a command of %s failed", partner.name)
        return _acknowledged(codes.SYSTEM_ERROR, message)
    return _acknowledged(codes.of_result(command.kind, outcome.result), message, _texts(outcome))


# --- messages to commands -------------------------------------------------------------------------------------------


def _start(partner: OicpPartner, m: w.AuthorizeRemoteStart) -> Command:
    return Command(CommandKind.START_SESSION, token=_token(m), evse_id=_evse(m), hub_session_id=m.SessionID,
                   provider_session_id=m.EMPPartnerSessionID, provider=_provider(m), product_id=m.PartnerProductID)  # fmt: skip


def _stop(partner: OicpPartner, m: w.AuthorizeRemoteStop) -> Command:
    return Command(CommandKind.STOP_SESSION, evse_id=_evse(m), hub_session_id=m.SessionID,
                   provider_session_id=m.EMPPartnerSessionID, provider=_provider(m))  # fmt: skip


def _reserve(partner: OicpPartner, m: w.AuthorizeRemoteReservationStart) -> Command:
    if m.SessionID is None:
        raise ReadError("SessionID", "is missing: it is the key of the reservation")
    minutes = m.Duration if m.Duration is not None else partner.config.reservation_minutes
    if not 0 < minutes <= 99:
        raise ReadError("Duration", "1 to 99 minutes expected", minutes)
    return Command(CommandKind.RESERVE_NOW, token=_token(m), evse_id=_evse(m), hub_session_id=m.SessionID,
                   reservation_id=m.SessionID, expires=partner.clock() + timedelta(minutes=minutes),
                   provider_session_id=m.EMPPartnerSessionID, provider=_provider(m), product_id=m.PartnerProductID)  # fmt: skip


def _cancel(partner: OicpPartner, m: w.AuthorizeRemoteReservationStop) -> Command:
    return Command(CommandKind.CANCEL_RESERVATION, evse_id=_evse(m), hub_session_id=m.SessionID, reservation_id=m.SessionID,
                   provider_session_id=m.EMPPartnerSessionID, provider=_provider(m))  # fmt: skip


_OPERATIONS: tuple[tuple[str, Any, Any], ...] = (
    (_CHARGING + "/authorize-remote/start", reader(w.AuthorizeRemoteStart), _start),
    (_CHARGING + "/authorize-remote/stop", reader(w.AuthorizeRemoteStop), _stop),
    (_RESERVATION + "/reservation-start-request", reader(w.AuthorizeRemoteReservationStart), _reserve),
    (_RESERVATION + "/reservation-stop-request", reader(w.AuthorizeRemoteReservationStop), _cancel),
)


def _evse(m: Any) -> EvseId:
    try:
        return EvseId.parse(m.EvseID)
    except IdError as why:
        raise ReadError("EvseID", str(why), m.EvseID) from why


def _provider(m: Any) -> PartyId:
    try:
        return PartyId.parse(m.ProviderID)
    except IdError as why:
        raise ReadError("ProviderID", str(why), m.ProviderID) from why


def _token(m: Any) -> Token:
    """The driver. Remote messages carry RemoteIdentification only; other kinds are read where a partner sends them."""
    said: w.Identification = m.Identification
    party = _provider(m)
    for kind, one in (
        (TokenKind.REMOTE, said.RemoteIdentification),
        (TokenKind.PLUG_AND_CHARGE, said.PlugAndChargeIdentification),
        (TokenKind.QR_CODE, said.QRCodeIdentification),
    ):
        if one is not None:
            contract: ContractId | str = one.EvcoID.upper()
            try:
                contract = ContractId.parse(contract)
            except IdError as why:
                raise ReadError("Identification", "no EvcoID in it") from why
            return Token(uid=TokenUid(contract), kind=kind, party=party, contract_id=contract)
    card = said.RFIDMifareFamilyIdentification or said.RFIDIdentification
    if card is None:
        raise ReadError("Identification", "holds no identification")
    return Token(uid=TokenUid(card.UID.upper()), kind=TokenKind.RFID, party=party)


# --- answers --------------------------------------------------------------------------------------------------------


def _acknowledged(code: str, message: Any, info: str | None = None) -> web.Response:
    return _json(w.Acknowledgement(
        Result=code == codes.SUCCESS, StatusCode=_status(code, info), SessionID=message.SessionID,
        CPOPartnerSessionID=message.CPOPartnerSessionID, EMPPartnerSessionID=message.EMPPartnerSessionID))  # fmt: skip


def _refusal(code: str, info: str, status: int) -> web.Response:
    return _json(w.Acknowledgement(Result=False, StatusCode=_status(code, info)), status)


def _fault() -> web.Response:
    """OicpERoamingFault."""
    return _json({"StatusCode": _status(codes.NO_ACCESS, None), "message": "Unauthorized access"}, 401)


def _status(code: str, info: str | None) -> w.StatusCode:
    return w.StatusCode(Code=w.Code(code), Description=codes.meaning(code).text, AdditionalInfo=info[:1000] if info else None)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode(value), status=status, content_type="application/json")


def _texts(outcome: CommandOutcome) -> str | None:
    return "; ".join(text.text for text in outcome.messages) or None


async def _body(request: web.Request) -> bytes | None:
    """The body, or None for one that is too large."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.content.iter_chunked(1 << 16):
        size += len(piece)
        if size > MOST_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _plain(identifier: str) -> str:
    return identifier.replace("*", "").replace("-", "").replace("+", "").upper()
