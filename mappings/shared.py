"""Leaf converters that several protocols need: addresses, coordinates, texts, phone numbers, keys of places."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from bridge.mapping import DEFAULTED, DROPPED, NARROWED, ROUNDED, TRUNCATED, At, Context, Converter
from bridge.model.common import Image, Text
from bridge.model.ids import EvseId, IdError, OperatorId, operator_key
from bridge.model.location import GeoPoint, Place, RegularHours
from bridge.model.tables import LANGUAGE2, LANGUAGE3, is_zone

# --- addresses ------------------------------------------------------------------------------------------------------

_HOUSE = re.compile(r"(\S(?:.*\S)?) (\d+ ?[A-Za-z]?(?: ?[-/] ?\d+ ?[A-Za-z]?)?)")


def split_line(line: str) -> tuple[str | None, str | None, str | None]:
    """An address line as (street, house number, None), or (None, None, line) where it does not come apart reversibly."""
    match = _HOUSE.fullmatch(line)
    if match is None:
        return None, None, line
    return match[1], match[2], None


class OneLine(Converter):
    """Street and house number in one line (OCPI). Split on reading only where joining gives the same line again."""

    note = "street and house number in one line"

    def __init__(self, limit: int = 255) -> None:
        self.limit = limit

    def out(self, value: Any, cx: Context, at: At) -> Any:
        street, house, line = value
        whole = line if line is not None else f"{street or ''} {house or ''}".strip()
        if len(whole) > self.limit:
            for path, told in zip(at.src, value, strict=True):
                if told:
                    cx.lose(path, TRUNCATED, told, f"an address of at most {self.limit} characters there")
            return whole[: self.limit].strip()
        if line is not None:
            if split_line(line) != (None, None, line):
                cx.lose(at.src[2], NARROWED, line, "read back as street and house number")
            return line
        for i, read in enumerate(split_line(whole)[:2]):
            if (value[i] or None) != read:
                cx.lose(at.src[i], NARROWED, value[i], f"read back from the line {whole}")
        return whole or None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return split_line(value)


class TwoParts(Converter):
    """Street and house number apart (OICP, OCHP). ``house`` is what the house number must look like there.

    A line that nobody could split is split here only if it comes apart after collapsing white space; a house number
    that is missing and mandatory is the constant ``house_number`` of the partner file.
    """

    note = "street, house number"
    key_hint = "house_number"

    def __init__(self, house: re.Pattern[str], *, mandatory: bool, limit: int, least: int = 1) -> None:
        self.house = house
        self.least = least
        self.limit = limit
        self.mandatory = mandatory

    def out(self, value: Any, cx: Context, at: At) -> Any:
        street, house, line = value
        if line is not None:
            collapsed = " ".join(line.split())
            street, house, rest = split_line(collapsed)
            if rest is not None or not self.mandatory:
                street, house = line, None
                if self.mandatory and "house_number" in cx.constants:
                    cx.lose(at.src[2], NARROWED, line, "read back as a street: a house number is mandatory there")
            else:
                cx.lose(at.src[2], NARROWED, line, "street and house number are apart there")
        if house is not None and not self.house.fullmatch(house):
            upper = house.upper()
            if self.house.fullmatch(upper):
                cx.lose(at.src[1], NARROWED, house, f"spelled {upper} there")
                house = upper
            else:
                because = "no house number in the form allowed there: joined to the street"
                cx.lose(at.src[0], NARROWED, street, because)
                cx.lose(at.src[1], NARROWED, house, because)
                street, house = f"{street or ''} {house}".strip(), None
        if street is not None and len(street) < self.least:
            cx.lose(at.src[2] if value[2] is not None else at.src[0], DROPPED, street, f"at least {self.least} characters there")
            street = None
        if street is not None and len(street) > self.limit:
            cx.lose(at.src[2] if value[2] is not None else at.src[0], TRUNCATED, street, f"at most {self.limit} characters there")
            street = street[: self.limit]
        if house is None and self.mandatory:
            house = cx.constants.get("house_number")
            if house is not None:
                cx.lose(at.dst[1], DEFAULTED, house, "configured: house_number")
        return street, house

    def back(self, value: Any, cx: Context, at: At) -> Any:
        street, house = value
        if street is None or house is None:
            return None, None, street or house
        return street, house, None


class CountryCode(Converter):
    """A country by its three letters; what is none is left out."""

    note = "ISO 3166-1 alpha-3"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if _ALPHA3.fullmatch(value):
            return value
        cx.lose(at.src[0], DROPPED, value, "no country code of three capital letters")
        return None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


_ALPHA3 = re.compile(r"[A-Z]{3}")
COUNTRY = CountryCode()


# --- coordinates ----------------------------------------------------------------------------------------------------


def degrees(text: Any, limit: int) -> Decimal:
    """Degrees from a text; raises ValueError for what is none."""
    try:
        value = Decimal(str(text).strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number of degrees") from None
    if not value.is_finite() or abs(value) > limit:
        raise ValueError(f"{text!r} is not within -{limit} and {limit} degrees")
    return value


def point(latitude: Any, longitude: Any) -> GeoPoint:
    """A point from two texts; raises ValueError."""
    return GeoPoint(degrees(latitude, 90), degrees(longitude, 180))


def placed(value: Decimal, least: int, most: int) -> tuple[str, bool]:
    """Degrees as text with ``least`` to ``most`` decimals, and whether digits were lost."""
    exponent = int(value.as_tuple().exponent)  # finite: read by `degrees`
    digits = min(max(-exponent, least), most)
    if -exponent == digits:
        return format(value, "f"), False
    cut = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return format(cut, "f"), cut != value


def placed_point(value: GeoPoint, least: int, most: int, cx: Context, path: str) -> tuple[str, str]:
    """Latitude and longitude as texts; rounding is recorded under ``path``."""
    latitude, lost_latitude = placed(value.latitude, least, most)
    longitude, lost_longitude = placed(value.longitude, least, most)
    for lost, name, degrees_ in (
        (lost_latitude, "latitude", value.latitude),
        (lost_longitude, "longitude", value.longitude),
    ):
        if lost:
            cx.lose(f"{path}.{name}" if path else name, ROUNDED, degrees_, f"at most {most} decimals there")
    return latitude, longitude


# --- texts and languages --------------------------------------------------------------------------------------------


def language2(code: str | None) -> str | None:
    """An ISO 639-1 code from what protocols write (``de``, ``de-DE``, ``DEU``), or None."""
    if code is None:
        return None
    base = code.split("-")[0].lower()
    return base if len(base) == 2 else LANGUAGE2.get(base)


def language3(code: str | None) -> str | None:
    """An ISO 639-3 code in upper case, or None."""
    if code is None:
        return None
    base = code.split("-")[0].lower()
    found = LANGUAGE3.get(base) if len(base) == 2 else base
    return found.upper() if found and len(found) == 3 else None


class PlainText(Converter):
    """Texts in several languages on our side, one text without a language there: the first, its language lost."""

    note = "the first text, without its language"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        for i, text in enumerate(value[1:], 1):
            cx.lose(f"{at.src[0]}[{i}]", DROPPED, text.text, "one text there")
        if value[0].language is not None:
            cx.lose(f"{at.src[0]}[0].language", DROPPED, value[0].language, "a text without language there")
        return value[0].text

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return (Text(value),)


def with_language(text: Text, cx: Context, path: str, target: str) -> str | None:
    """The language of a text, or the configured one (``language``), recorded as defaulted."""
    if text.language is not None:
        return text.language
    configured: str | None = cx.constants.get("language")
    if configured is not None:
        cx.lose(target, DEFAULTED, configured, "configured: language")
    return configured


# --- phone ----------------------------------------------------------------------------------------------------------


class Phone(Converter):
    """A phone number in the form the other side allows, respelled where only the spelling differs."""

    note = "phone number"

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if self.pattern.fullmatch(value):
            return value
        digits = re.sub(r"[\s()./-]", "", value)
        if digits.startswith("00"):
            digits = "+" + digits[2:]
        if self.pattern.fullmatch(digits):
            cx.lose(at.src[0], NARROWED, value, f"spelled {digits} there")
            return digits
        cx.lose(at.src[0], DROPPED, value, "no phone number in the form allowed there")
        return None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


# --- hours ----------------------------------------------------------------------------------------------------------

CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")


def clock(text: str) -> str:
    """``HH:MM``; raises ValueError."""
    padded = text.strip()[:5].zfill(5)
    if not CLOCK.fullmatch(padded):
        raise ValueError(f"{text!r} is no time of day")
    return padded


def span_of(weekday: int, begin: str, end: str, cx: Context, path: str) -> RegularHours | None:
    """Weekly hours as read; what is no weekday or time of day is left out and said to be, another spelling is told."""
    try:
        made = RegularHours(weekday, clock(begin), clock(end))
    except ValueError as why:
        cx.lose(path, DROPPED, f"{begin}-{end}", str(why))
        return None
    if not 1 <= weekday <= 7:
        cx.lose(path, DROPPED, weekday, "weekdays are 1 to 7")
        return None
    if (made.begin, made.end) != (begin, end):
        cx.lose(path, NARROWED, f"{begin}-{end}", f"read as {made.begin}-{made.end}")
    return made


def by_day(hours: tuple[RegularHours, ...]) -> dict[tuple[str, str], list[int]]:
    """Weekdays per span of the day."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in hours:
        days = found.setdefault((one.begin, one.end), [])
        if one.weekday not in days:
            days.append(one.weekday)
    return found


# --- time zones -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def standard_offset(zone: str, now: datetime) -> str | None:
    """``UTC+01:00``: the zone's standard time (without daylight saving) around ``now``."""
    if not is_zone(zone):
        return None
    offsets = [(now + timedelta(days=days)).astimezone(ZoneInfo(zone)) for days in (0, 91, 182, 273)]
    standard = min((t.utcoffset() or timedelta()) - (t.dst() or timedelta()) for t in offsets)
    minutes = int(standard.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


# --- identity of places ---------------------------------------------------------------------------------------------


def operator_of(evse_id: str | None) -> OperatorId | None:
    """The operator that an EVSE-ID names, or None."""
    if evse_id is None:
        return None
    try:
        return EvseId.parse(evse_id).operator_id
    except IdError:
        return None


def place_hash(place: Place, length: int) -> str:
    """A stable name of ``length`` capitals and digits for a place that has none: from operator, address and coordinates."""
    a, c = place.address, place.coordinates
    parts = [
        operator_key(place.operator_id),
        a.line or f"{a.street} {a.house_number}",
        a.postal_code,
        a.city,
        a.country,
    ]
    if c is not None:
        parts += [str(c.latitude.normalize()), str(c.longitude.normalize())]
    return text_hash("|".join(str(p or "") for p in parts).upper(), length)


def text_hash(text: str, length: int) -> str:
    """A stable name of ``length`` capitals and digits for a text."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:length]


# --- images ---------------------------------------------------------------------------------------------------------

_EXTENSION = re.compile(r"\.(jpe?g|png|gif|svg|webp)(?:$|[?#])", re.I)


def file_type(image: Image) -> str | None:
    """The file type of a picture: as told, else from the ending of its URL."""
    if image.type:
        return image.type
    match = _EXTENSION.search(image.url)
    return match[1].lower() if match else None
