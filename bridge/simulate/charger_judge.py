"""Judges what a central system sends by the official JSON schemas of OCPP 1.6 and the rules of OCPP-J.

Strict, and independent of how the bridge reads: the schemas are those that the ``ocpp`` package ships. Each complaint
is kept; a session with one has failed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from attrs import define, field

CODES = frozenset(
    {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    }
)
"""Error codes of a CALLERROR (OCPP-J 1.6, 4.2.3, in its own spelling)."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)")
_BY_RULE = {
    "required": "ProtocolError",
    "minItems": "OccurenceConstraintViolation",
    "maxItems": "OccurenceConstraintViolation",
    "type": "TypeConstraintViolation",
    "additionalProperties": "FormationViolation",
}


@cache
def _validator(name: str) -> Any:
    from jsonschema import Draft4Validator, FormatChecker  # 100 ms: only where a charger is simulated

    path = files("ocpp") / "v16" / "schemas" / f"{name}.json"
    if not path.is_file():
        return None
    checker = FormatChecker(formats=())
    # A zone is asked for: the central system's clock is what chargers set theirs by.
    checker.checks("date-time")(lambda value: not isinstance(value, str) or _RFC3339.fullmatch(value) is not None)
    return Draft4Validator(json.loads(path.read_text(), parse_float=Decimal), format_checker=checker)


def complaint(schema: str, payload: Any) -> tuple[str, str] | None:
    """What is wrong with a payload by its schema (``Authorize``, ``AuthorizeResponse``): code and reason; None if nothing.

    The code of an unknown action is NotImplemented.
    """
    validator = _validator(schema) if re.fullmatch(r"[A-Za-z0-9]{1,60}", schema) else None
    if validator is None:
        return "NotImplemented", f"OCPP 1.6 knows no {schema[:60]}"
    for error in validator.iter_errors(_exact(payload)):
        where = ".".join(str(part) for part in error.absolute_path) or "$"
        return _BY_RULE.get(error.validator, "PropertyConstraintViolation"), f"{where}: violates {error.validator}"
    return None


def _exact(value: Any) -> Any:
    """Numbers with a point as the Decimals that they are written as: the schemas ask for multiples of 0.1."""
    if isinstance(value, dict):
        return {key: _exact(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_exact(one) for one in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


@define
class Judge:
    """What a central system has sent, and what of it was wrong."""

    rejections: list[dict[str, str]] = field(factory=list)
    received: Counter[str] = field(factory=Counter)
    """CALLs of the central system by action."""
    answers: Counter[str] = field(factory=Counter)
    """CALLRESULTs by the action that they answer."""
    errors: list[dict[str, str]] = field(factory=list)
    """CALLERRORs: the action that was refused, code and description. Legal, so no rejections."""
    used: set[str] = field(factory=set)
    """Message ids of the central system on this connection."""

    def reject(self, what: str, code: str, because: str) -> None:
        """Keep a complaint."""
        self.rejections.append({"message": what, "code": code, "because": because})

    def call(self, frame: list[Any]) -> tuple[str, str] | None:
        """Judge a CALL; code and reason where it has to be refused."""
        what = str(frame[2])[:60] if len(frame) > 2 else "CALL"
        if len(frame) != 4 or not isinstance(frame[2], str) or not isinstance(frame[3], dict):
            found: tuple[str, str] | None = ("FormationViolation", "a CALL is [2, id, action, payload]")
        elif not isinstance(frame[1], str) or not 0 < len(frame[1]) <= 36:
            found = ("FormationViolation", "the message id is no text of 1 to 36 characters")
        elif frame[1] in self.used:
            found = ("FormationViolation", "the message id was used before on this connection")
        else:
            self.used.add(frame[1])
            self.received[what] += 1
            found = complaint(frame[2], frame[3])
        if found is not None:
            self.reject(what, *found)
        return found

    def result(self, action: str, frame: list[Any]) -> bool:
        """Judge the CALLRESULT to ``action``; whether it is right."""
        if len(frame) != 3 or not isinstance(frame[1], str):
            self.reject(f"{action}Response", "FormationViolation", "a CALLRESULT is [3, id, payload]")
            return False
        found = complaint(f"{action}Response", frame[2])
        if found is not None:
            self.reject(f"{action}Response", *found)
            return False
        self.answers[action] += 1
        return True

    def error(self, action: str, frame: list[Any]) -> str:
        """Judge the CALLERROR to ``action``; its code."""
        code, description = (str(frame[i]) if len(frame) > i else "" for i in (2, 3))
        right = len(frame) == 5 and isinstance(frame[1], str) and isinstance(frame[3], str) and isinstance(frame[4], dict)
        if not right or code not in CODES or len(description) > 255:
            self.reject(action, "FormationViolation", "a CALLERROR is [4, id, code of 4.2.3, description, {details}]")
        self.errors.append({"action": action, "code": code, "description": description})
        return code
