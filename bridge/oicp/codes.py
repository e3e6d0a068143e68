"""OICP 2.3 status codes (StatusCodeType, CodeType): what each means to us, and which of ours becomes which code.

One table for both directions. A code that is not in it is treated as a refusal of the request.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from bridge.errors import BridgeError, ConfigError, Declined, ReadError, Refused, Unreachable
from bridge.model.command import CommandKind, CommandResult
from bridge.model.token import Allowed

SUCCESS = "000"
NO_ACCESS = "017"
DATA_ERROR = "022"
SESSION_INVALID = "400"
EVSE_SILENT = "501"
SYSTEM_ERROR = "021"


class Delivery(StrEnum):
    """What a code says about something that was pushed."""

    RETRY = "retry"
    """A fault on the way: try again."""
    DATA = "data"
    """A fault of the records sent: in a push of many, perhaps of one of them only."""
    REJECT = "reject"
    """A definite no to the whole request."""


@frozen
class Meaning:
    """A code. ``allowed`` is what it says about a driver; None: it says nothing about the driver.

    ``silent``: nobody answered the question, so that a request for authorisation is unanswered.
    """

    code: str
    text: str
    delivery: Delivery
    allowed: Allowed | None = None
    silent: bool = False


_R, _D, _X = Delivery.RETRY, Delivery.DATA, Delivery.REJECT
_NO = Allowed.NOT_ALLOWED

MEANINGS = {
    m.code: m
    for m in (
        Meaning(SUCCESS, "Success", _X, Allowed.ALLOWED),
        Meaning("001", "Hubject system error", _R, silent=True),
        Meaning("002", "Hubject database error", _R, silent=True),
        Meaning("009", "Data transaction error", _R, silent=True),
        Meaning(NO_ACCESS, "Unauthorized access", _X),
        Meaning("018", "Inconsistent EvseID", _D),
        Meaning("019", "Inconsistent EvcoID", _D),
        Meaning(SYSTEM_ERROR, "System error", _R, silent=True),
        Meaning(DATA_ERROR, "Data error", _D),
        Meaning("101", "QR code authentication failed: invalid credentials", _X, _NO),
        Meaning("102", "RFID authentication failed: invalid UID", _X, _NO),
        Meaning("103", "RFID authentication failed: card not readable", _X, _NO),
        Meaning("105", "Plug & Charge authentication failed: invalid EvcoID", _X, _NO),
        Meaning("106", "No positive authentication response", _X, _NO),
        Meaning("110", "QR code app authentication failed: time-out", _X, silent=True),
        Meaning("120", "ISO 15118 authentication failed: invalid EvcoID", _X, _NO),
        Meaning("121", "ISO 15118 authentication failed: invalid certificate", _X, _NO),
        Meaning("122", "ISO 15118 authentication failed: time-out", _X, silent=True),
        Meaning("200", "EvcoID locked", _X, Allowed.BLOCKED),
        Meaning("210", "No valid contract", _X, _NO),
        Meaning("300", "Partner not found", _X, _NO),
        Meaning("310", "Partner did not respond", _R, silent=True),
        Meaning("320", "Service not available", _R, silent=True),
        Meaning(SESSION_INVALID, "Session is invalid", _X, _NO),
        Meaning(EVSE_SILENT, "Communication to EVSE failed", _X, _NO),
        Meaning("510", "No EV connected to EVSE", _X, _NO),
        Meaning("601", "EVSE already reserved", _X, _NO),
        Meaning("602", "EVSE already in use or wrong token", _X, _NO),
        Meaning("603", "Unknown EVSE ID", _D),
        Meaning("604", "EVSE ID is not Hubject compatible", _D),
        Meaning("700", "EVSE out of service", _X, _NO),
    )
}


def meaning(code: str) -> Meaning:
    """What a code means; an unknown one is a refusal that says nothing about the driver."""
    return MEANINGS.get(code) or Meaning(code, f"unknown status code {code}", Delivery.REJECT)


_RESULTS = {
    CommandResult.ACCEPTED: SUCCESS,
    CommandResult.CANCELED_RESERVATION: "320",
    CommandResult.EVSE_OCCUPIED: "602",
    CommandResult.EVSE_INOPERATIVE: "700",
    CommandResult.FAILED: EVSE_SILENT,
    CommandResult.NOT_SUPPORTED: "320",
    CommandResult.REJECTED: "320",
    CommandResult.TIMEOUT: EVSE_SILENT,
    CommandResult.UNKNOWN_RESERVATION: SESSION_INVALID,
    CommandResult.UNKNOWN_SESSION: SESSION_INVALID,
}


def of_result(kind: CommandKind, result: CommandResult) -> str:
    """The code that answers a command: a reservation that was cancelled on request is a success."""
    if kind is CommandKind.CANCEL_RESERVATION and result is CommandResult.CANCELED_RESERVATION:
        return SUCCESS
    return _RESULTS[result]


_ERRORS: tuple[tuple[type[BaseException], str], ...] = (
    (ReadError, DATA_ERROR),
    (Refused, DATA_ERROR),
    (ConfigError, SYSTEM_ERROR),
    (Unreachable, EVSE_SILENT),
    (Declined, "320"),
    (TimeoutError, EVSE_SILENT),
    (BridgeError, SYSTEM_ERROR),
)


def of_error(error: BaseException) -> str:
    """The code that tells Hubject of one of our errors."""
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), SYSTEM_ERROR)
