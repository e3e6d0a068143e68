"""OCPP-J frames: CALL, CALLRESULT and CALLERROR (OCPP-J 1.6, section 4).

Our own framing, because the ``ocpp`` package's ``ChargePoint`` serves one message at a time, rounds Decimals, answers
malformed frames not at all and puts whole messages into its logs and errors. Nothing that a charger sent is repeated in
an error: it may hold a token.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
import orjson
from attrs import frozen

MessageId = str | int
"""A text by the specification. Some chargers send numbers: they get their number back."""


class ErrorCode(StrEnum):
    """Why a CALL is refused (OCPP-J 1.6, 4.2.3; the third last is misspelt there, and so on the wire)."""

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


class CallError(Exception):
    """A CALL that is answered with CALLERROR. ``because`` goes to the charger: it never holds a value of the message."""

    def __init__(self, code: ErrorCode, because: str) -> None:
        super().__init__(f"{code}: {because}")
        self.code = code
        self.because = because


class MalformedError(CallError):
    """A frame that cannot be read; ``id`` is ``-1`` where no message id is in it, as OCPP 2.0.1 lays down."""

    def __init__(self, because: str, message_id: MessageId = "-1") -> None:
        super().__init__(ErrorCode.FORMATION_VIOLATION, because)
        self.id = message_id


@frozen
class Call:
    """A request."""

    id: MessageId
    action: str
    payload: dict[str, Any]


@frozen
class Result:
    """The answer to a CALL of ours."""

    id: str
    payload: dict[str, Any] | None
    """None: it was no object."""


@frozen
class Failure:
    """The refusal of a CALL of ours."""

    id: str
    code: str
    description: str


Frame = Call | Result | Failure

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_ID_OF_BROKEN = re.compile(r'\s*\[\s*2\s*,\s*"([^"\\]{1,36})"')
_ID_OF_ANSWER = re.compile(r"\s*\[\s*[34]\s*,")


def parse(text: str | bytes) -> Frame | None:
    """Read one frame; None for one that asks for no answer: another message type, or an answer that cannot be read.

    Raises :class:`MalformedError`. Numbers with a point are Decimals.
    """
    try:
        found = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        # The id of a CALL is looked for all the same: a charger that gets no answer sends nothing else for a while.
        start = text[:64] if isinstance(text, str) else text[:64].decode(errors="replace")
        if _ID_OF_ANSWER.match(start):
            return None
        match = _ID_OF_BROKEN.match(start)
        raise MalformedError("this is no JSON", match[1] if match else "-1") from None
    if not isinstance(found, list) or not found:
        raise MalformedError("a message is a JSON array")
    kind = found[0]
    if isinstance(kind, bool) or not isinstance(kind, int):
        raise MalformedError("the message type is no number")
    if kind == 2:
        return _call(found)
    return _answer(kind, found)


def _call(found: list[Any]) -> Call:
    message_id = found[1] if len(found) > 1 else None
    if isinstance(message_id, bool) or not isinstance(message_id, str | int):
        raise MalformedError("the message id is no text")
    if isinstance(message_id, int) and not -(2**63) <= message_id < 2**64:
        raise MalformedError("the message id is too large")
    if len(found) not in (3, 4):
        raise MalformedError("a CALL has four elements", message_id)
    action, payload = found[2], found[3] if len(found) == 4 else {}
    if not isinstance(action, str):
        raise MalformedError("the action is no text", message_id)
    if payload is None:  # some chargers write an empty payload so, or leave it out
        payload = {}
    if not isinstance(payload, dict):
        raise MalformedError("the payload is no object", message_id)
    return Call(message_id, action, payload)


def _answer(kind: int, found: list[Any]) -> Frame | None:
    # An answer is never answered, and a message of an unknown type is ignored (OCPP-J 1.6, 4.1.3).
    if len(found) < 2 or isinstance(found[1], bool) or not isinstance(found[1], str | int):
        return None
    message_id = str(found[1])
    if kind == 3:
        payload = found[2] if len(found) > 2 else {}
        return Result(message_id, payload if isinstance(payload, dict) else None)
    if kind == 4:
        code, description = (str(found[i]) if len(found) > i else "" for i in (2, 3))
        return Failure(message_id, code[:50], description[:255])
    return None


def call(message_id: str, action: str, payload: dict[str, Any]) -> str:
    """A CALL as text."""
    return orjson.dumps([2, message_id, action, payload]).decode()


def result(message_id: MessageId, payload: dict[str, Any]) -> str:
    """A CALLRESULT as text."""
    return orjson.dumps([3, message_id, payload]).decode()


def error(message_id: MessageId, why: CallError) -> str:
    """A CALLERROR as text, without details."""
    return orjson.dumps([4, message_id, why.code, why.because[:255], {}]).decode()
