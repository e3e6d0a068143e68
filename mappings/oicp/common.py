"""What several OICP objects share: identifiers in OICP's spelling, texts, coordinates, identification."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from bridge.mapping import DROPPED, NARROWED, TRUNCATED, At, Context, Converter, Parsed
from bridge.model.common import Text
from bridge.model.ids import ContractId, EvseId, OperatorId, ProviderId
from bridge.oicp import wire as w
from mappings.shared import placed_point, point, with_language

EVSE_ID_PATTERN = re.compile(r"[A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9*]{1,30}|\+?[0-9]{1,3}\*[0-9]{3}\*[0-9*]{1,32}")
EVCO_ID_PATTERN = re.compile(
    r"[A-Za-z]{2}-?[A-Za-z0-9]{3}-?C[A-Za-z0-9]{8}-?[\dA-Za-z]|[A-Za-z]{2}[*-]?[A-Za-z0-9]{3}[*-]?[A-Za-z0-9]{6}[*-]?[\dX]"
)
OPERATOR_ID_PATTERN = re.compile(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}|\+?[0-9]{1,3}\*[0-9]{3}")
PROVIDER_ID_PATTERN = re.compile(r"[A-Za-z]{2}[*-]?[A-Za-z0-9]{3}")
UID_PATTERN = re.compile(r"[0-9A-F]{8}|[0-9A-F]{14}|[0-9A-F]{20}")
SESSION_ID_PATTERN = re.compile(r"[A-Za-z0-9]{8}(-[A-Za-z0-9]{4}){3}-[A-Za-z0-9]{12}")
LANGUAGE_PATTERN = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2,3}(?:-[a-zA-Z]{4})?)?(?:-x-[a-zA-Z0-9]{1,8})?")
PHONE_PATTERN = re.compile(r"\+[0-9]{5,15}")


class Spelled(Converter):
    """An identifier kept as written; going out it must have the form OICP allows, folded to capitals if that helps."""

    def __init__(self, kind: Any, pattern: re.Pattern[str], *, name: str = "") -> None:
        self.kind = kind
        self.pattern = pattern
        self.name = name or kind.__name__
        self.note = self.name

    def out(self, value: Any, cx: Context, at: At) -> Any:
        text = str(value)
        if self.pattern.fullmatch(text):
            return text
        upper = text.upper()
        if self.pattern.fullmatch(upper):
            cx.lose(at.src[0], NARROWED, text, f"spelled {upper} there")
            return upper
        cx.lose(at.src[0], DROPPED, text, f"no {self.name} in the form OICP allows")
        return None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self.kind(value)


EVSE_ID = Spelled(EvseId, EVSE_ID_PATTERN)
OPERATOR_ID = Spelled(OperatorId, OPERATOR_ID_PATTERN)
PROVIDER_ID = Spelled(ProviderId, PROVIDER_ID_PATTERN)
HUB_SESSION_ID = Spelled(str, SESSION_ID_PATTERN, name="SessionID")
CONTRACT_ID = Parsed(ContractId)


class InfoText(Converter):
    """InfoText: language and at most 150 characters. A text without language gets the configured one (``language``)."""

    note = "text with language, 150 characters"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        language = with_language(value, cx, at.src[0], f"{at.dst[0]}.lang" if at.dst[0] else "lang")
        if language is None:
            cx.lose(
                at.src[0],
                DROPPED,
                value.text,
                "no text without language there; set language in the partner file",
            )
            return None
        if not LANGUAGE_PATTERN.fullmatch(language):
            lower = language.lower()
            if not LANGUAGE_PATTERN.fullmatch(lower):
                cx.lose(at.src[0], DROPPED, language, "no language code in the form OICP allows")
                return None
            cx.lose(f"{at.src[0]}.language", NARROWED, language, f"spelled {lower} there")
            language = lower
        text = value.text
        if len(text) > 150:
            cx.lose(f"{at.src[0]}.text", TRUNCATED, text, "at most 150 characters there")
            text = text[:150]
        return w.InfoText(lang=language, value=text)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return Text(value.value, value.lang)


INFO_TEXT = InfoText()


class Geo(Converter):
    """GeoCoordinates: read in all three spellings, written as Google's with one to six decimals."""

    note = "latitude and longitude, at most 6 decimals"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        latitude, longitude = placed_point(value, 1, 6, cx, at.src[0])
        return w.GeoCoordinates(Google=w.GeoCoordinatesGoogle(Coordinates=f"{latitude} {longitude}"))

    def back(self, value: Any, cx: Context, at: At) -> Any:
        try:
            if value.Google is not None:
                parts = re.split(r"[\s,]+", value.Google.Coordinates.strip())
                if len(parts) != 2:
                    raise ValueError(f"{value.Google.Coordinates!r} is not latitude and longitude")
                return point(*parts)
            if value.DecimalDegree is not None:
                return point(value.DecimalDegree.Latitude, value.DecimalDegree.Longitude)
            if value.DegreeMinuteSeconds is not None:
                return point(
                    _degrees(value.DegreeMinuteSeconds.Latitude),
                    _degrees(value.DegreeMinuteSeconds.Longitude),
                )
        except ValueError as why:
            cx.lose(at.src[0], DROPPED, _told(value), str(why))
        return None


def _told(value: Any) -> str:
    if value.Google is not None:
        return str(value.Google.Coordinates)
    pair = value.DecimalDegree or value.DegreeMinuteSeconds
    return f"{pair.Latitude} {pair.Longitude}"


_DMS = re.compile(r"(-?)(\d{1,3})°\s?(\d{1,2})'\s?(\d{1,2}(?:\.\d+)?)''")


def _degrees(text: str) -> str:
    match = _DMS.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not degrees, minutes and seconds")
    sign, whole, minutes, seconds = match.groups()
    value = Decimal(whole) + Decimal(minutes) / 60 + Decimal(seconds) / 3600
    return sign + format(value.quantize(Decimal("0.0000001")), "f")


GEO = Geo()
