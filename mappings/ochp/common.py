"""What several OCHP objects share: identifiers in OCHP's spelling, points, languages, aliases, local times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from bridge.mapping import DROPPED, NARROWED, ROUNDED, At, Context, Converter
from bridge.model.ids import ContractId, EvseId, IdError, contract
from mappings.shared import placed_point, point, text_hash

EVSE_ID_PATTERN = re.compile(
    r"[A-Za-z]{2}\*[A-Za-z0-9]{3}\*[Ee][A-Za-z0-9][A-Za-z0-9*]{0,30}|[A-Za-z]{2}[A-Za-z0-9]{3}[Ee][A-Za-z0-9][A-Za-z0-9*]{0,30}"
)
CONTRACT_ID_PATTERN = re.compile(
    r"[A-Za-z]{2}-[A-Za-z0-9]{3}-[A-Za-z0-9]{9}(-[A-Za-z0-9])?|[A-Za-z]{2}[A-Za-z0-9]{3}[A-Za-z0-9]{9}[A-Za-z0-9]?"
)
TARIFF_ID_PATTERN = re.compile(
    r"[A-Za-z]{2}\*[A-Za-z0-9]{3}\*[Tt][A-Za-z0-9][A-Za-z0-9*]{0,9}|[A-Za-z]{2}[A-Za-z0-9]{3}[Tt][A-Za-z0-9][A-Za-z0-9*]{0,9}"
)
PARKING_ID_PATTERN = re.compile(
    r"[A-Za-z]{2}\*[A-Za-z0-9]{3}\*[Pp][A-Za-z0-9][A-Za-z0-9*]{0,30}|[A-Za-z]{2}[A-Za-z0-9]{3}[Pp][A-Za-z0-9][A-Za-z0-9*]{0,30}"
)
LOCATION_ID_PATTERN = re.compile(r"[A-Z0-9 ]{1,15}")
CDR_ID_PATTERN = re.compile(r"[0-9A-Z]{1,36}")
URI_PATTERN = re.compile(r"(http|https|ftp|file)://.+")


class EvseIdConverter(Converter):
    """EVSE-ID with all separators or none; another spelling is written with all."""

    note = "EVSE-ID"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        text = str(value)
        # Without its first star, an id such as DE*ABCE1 fits neither form, but may still match the compact pattern
        # by accident when country and operator are read from the wrong place; the parsed parts decide.
        if EVSE_ID_PATTERN.fullmatch(text) and ("*" not in text[:6] or text[2:3] == "*" == text[6:7]):
            return text
        try:
            spelled = str(EvseId.parse(text).separated())
        except IdError as why:
            cx.lose(at.src[0], DROPPED, text, str(why))
            return None
        if not EVSE_ID_PATTERN.fullmatch(spelled):
            cx.lose(at.src[0], DROPPED, text, "no EVSE-ID in the form OCHP allows (ISO 15118 only)")
            return None
        cx.lose(at.src[0], NARROWED, text, f"spelled {spelled} there: OCHP wants all separators or none")
        return spelled

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return EvseId(value)


EVSE_ID = EvseIdConverter()


class Matching(Converter):
    """A text that must match a pattern; else in capitals, if that matches; else left out."""

    def __init__(self, pattern: re.Pattern[str], name: str, kind: Any = str) -> None:
        self.pattern = pattern
        self.name = name
        self.kind = kind
        self.note = name

    def out(self, value: Any, cx: Context, at: At) -> Any:
        text = str(value)
        if self.pattern.fullmatch(text):
            return text
        upper = text.upper()
        if self.pattern.fullmatch(upper):
            cx.lose(at.src[0], NARROWED, text, f"spelled {upper} there")
            return upper
        cx.lose(at.src[0], DROPPED, text, f"no {self.name} in the form OCHP allows")
        return None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self.kind(value)


class Alias(Matching):
    """An identifier that OCHP writes shorter or with fewer characters: where it does not fit, a stable alias of it.

    The alias is the owner's five characters (if ``owner``), the letter ``infix``, and a hash of the whole identifier.
    """

    def __init__(self, pattern: re.Pattern[str], name: str, kind: Any, length: int, infix: str = "") -> None:
        super().__init__(pattern, name, kind)
        self.length = length
        self.infix = infix

    def alias(self, text: str, owner: str) -> str:
        """The alias of ``text``."""
        head = owner + self.infix
        return head + text_hash(text, self.length - len(head))

    def out(self, value: Any, cx: Context, at: At) -> Any:
        text = str(value)
        if self.pattern.fullmatch(text):
            return text
        upper = text.upper()
        made = upper if self.pattern.fullmatch(upper) else self.alias(text, "")
        cx.lose(at.src[0], NARROWED, text, f"{made} stands for it: OCHP allows {self.pattern.pattern}")
        return made


class ContractIdConverter(Converter):
    """Contract id: two, three and nine characters, and a check digit or none; all hyphens or none."""

    note = "contract id"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        text = str(value)
        if CONTRACT_ID_PATTERN.fullmatch(text):
            return text
        try:
            spelled = str(ContractId.parse(text).hyphenated())
        except IdError as why:
            cx.lose(at.src[0], DROPPED, text, str(why))
            return None
        if not CONTRACT_ID_PATTERN.fullmatch(spelled):
            cx.lose(at.src[0], DROPPED, text, "no contract id in the form OCHP allows (ISO 15118 only)")
            return None
        cx.lose(at.src[0], NARROWED, text, f"spelled {spelled} there")
        return spelled

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return contract(value)


CONTRACT_ID = ContractIdConverter()


def placed6(value: Any, cx: Context, path: str) -> tuple[str, str]:
    """Latitude and longitude with exactly six decimals."""
    return placed_point(value, 6, 6, cx, path)


class Coordinates(Converter):
    """A point of exactly six decimals, in the attributes of ``make``."""

    note = "degrees with 6 decimals"

    def __init__(self, make: Any) -> None:
        self.make = make

    def out(self, value: Any, cx: Context, at: At) -> Any:
        latitude, longitude = placed6(value, cx, at.src[0])
        return self.make(lat=latitude, lon=longitude)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        try:
            return point(value.lat, value.lon)
        except ValueError as why:
            cx.lose(at.src[0], DROPPED, f"{value.lat} {value.lon}", str(why))
            return None


class Local(Converter):
    """A moment written in the place's local time with its offset, in whole seconds.

    The place's zone is the second value (IANA name) where it is known, else the configured ``time_zone``, else UTC.
    Reading gives UTC; the offset is kept by the row that asks for it.
    """

    note = "local time with offset, whole seconds"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        moment, offset = value
        return local(moment, offset, cx, at.src[0])

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value.astimezone(UTC)


def local(moment: datetime | None, offset: int | str | None, cx: Context, path: str) -> Any:
    """``moment`` at an offset in minutes, or in a zone."""
    if moment is None:
        return None
    if moment.microsecond:
        cx.lose(path, ROUNDED, moment.isoformat(), "whole seconds in OCHP")
        moment = moment.replace(microsecond=0)
    if isinstance(offset, str):
        return moment.astimezone(ZoneInfo(offset))
    return moment.astimezone(timezone(timedelta(minutes=offset or 0)))
