"""Reads the fields of a charger's message leniently: names without case, ``"22"`` for 22, a missing zone for UTC.

What cannot be read is refused with the code that OCPP-J 1.6, 4.2.3, has for it, by the field's name and never by its
value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from bridge.ocpp.frame import CallError, ErrorCode

_TIME = re.compile(r"(\d{4}-\d\d?-\d\d?)[T ](\d\d?:\d\d(?::\d\d)?)(?:[.,](\d+))?\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.I)
_LARGEST = 2**53 - 1  # what every reader of JSON and every store holds exactly


class Fields:
    """The payload of one CALL. Every method raises :class:`CallError` for what is missing or makes no sense."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self._payload = payload
        self._folded: dict[str, Any] | None = None

    def get(self, name: str) -> Any:
        """The value; None where it is absent, null or an empty text."""
        found = self._payload.get(name)
        if found is None:
            if self._folded is None:
                self._folded = {key.lower(): value for key, value in self._payload.items()}
            found = self._folded.get(name.lower())
        return None if found == "" else found

    def need(self, name: str) -> Any:
        """The value of a mandatory field."""
        found = self.get(name)
        if found is None:
            raise CallError(ErrorCode.PROTOCOL_ERROR, f"{name} is missing")
        return found

    def whole(self, name: str) -> int:
        """A mandatory whole number. A fraction is rounded: some chargers send meterStart as 12.6, all mean Wh."""
        found = number(self.need(name))
        if found is None:
            raise CallError(ErrorCode.TYPE_CONSTRAINT_VIOLATION, f"{name} is no number")
        if abs(found) > _LARGEST:
            raise CallError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{name} is too large")
        return int(found.to_integral_value(ROUND_HALF_EVEN))

    def connector(self, name: str = "connectorId") -> int:
        """A mandatory connector number, 0 for the whole charger."""
        found = self.whole(name)
        if found < 0:
            raise CallError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{name} is negative")
        return found

    def text(self, name: str, limit: int = 255) -> str | None:
        """A text, or a number as text; None where it is absent."""
        found = self.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, str | int | Decimal):
            raise CallError(ErrorCode.TYPE_CONSTRAINT_VIOLATION, f"{name} is no text")
        found = str(found).strip()
        if len(found) > limit:
            raise CallError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{name} is longer than {limit} characters")
        return found

    def id_tag(self, name: str = "idTag") -> str | None:
        """A token in capitals: idTags are compared without case (OCPP 1.6, 7.28). Longer than 20 is let through."""
        found = self.text(name)
        return None if found is None else found.upper()

    def moment(self, name: str = "timestamp") -> datetime:
        """A mandatory point of time in UTC."""
        found = moment(self.need(name))
        if found is None:
            raise CallError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"{name} is no date and time")
        return found


def number(value: Any) -> Decimal | None:
    """A finite number of reasonable size, from a number or a text with point or comma; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    if isinstance(value, str):
        value = value.strip()
        if len(value) > 60:
            return None
        if value.count(",") == 1 and "." not in value:
            value = value.replace(",", ".")
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    # Without this 1e999999999 would be written out by whoever makes an int of it.
    return found if found.is_finite() and found.adjusted() < 30 else None


def moment(value: Any) -> datetime | None:
    """A point of time in UTC; without a zone it is UTC; None if it is none."""
    if not isinstance(value, str):
        return None
    match = _TIME.fullmatch(value.strip())
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    year, month, date = day.split("-")
    zone = "+00:00" if zone is None or zone in "Zz" else zone
    clock = clock if clock[2] == ":" else "0" + clock
    try:
        found = datetime.fromisoformat(f"{year}-{month:0>2}-{date:0>2}T{clock}{'.' + fraction[:6] if fraction else ''}{zone}")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
