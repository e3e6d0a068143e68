"""An object, field by field, against the table of its version: what is missing, of the wrong type, too long, unknown.

Stricter than any reader: what a reader repairs is a slip here. Values of drivers' tokens and of credentials are never told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

from attrs import frozen

from bridge.probe.tables import URLS, Column, columns, is_enumeration, is_object, is_open


class Kind(StrEnum):
    """What is wrong with a field."""

    MISSING = "missing"
    TYPE = "type"
    LENGTH = "length"
    TIME = "time"
    FRACTION = "fraction"
    VALUE = "value"
    OPEN = "open"
    UNKNOWN = "unknown"
    URL = "url"
    FORM = "form"
    ASCII = "ascii"
    DIGITS = "digits"
    NOT_AVAILABLE = "not available"


@frozen
class Slip:
    """One field that is wrong; ``found`` is empty where the value is nobody's business."""

    kind: Kind
    path: str
    because: str
    found: str = ""


_SECRET = frozenset({"Token", "CdrToken", "PublishTokenType", "Credentials"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?\Z", re.A)
LONGEST_TIME = 25
"""Characters of a DateTime (types, DateTime: string(25))."""
_URL = re.compile(r"https?://[^\s/]+\S*\Z")
_PRINTABLE = re.compile(r"[\x20-\x7e]*\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FORMS = {
    "start_time": (re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z", re.A), "HH:MM"),
    "end_time": (re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z", re.A), "HH:MM"),
    "start_date": (re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z", re.A), "YYYY-MM-DD"),
    "end_date": (re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z", re.A), "YYYY-MM-DD"),
    "currency": (re.compile(r"[A-Z]{3}\Z"), "three capital letters (ISO 4217)"),
    "country": (re.compile(r"[A-Z]{3}\Z"), "three capital letters (ISO 3166-1 alpha-3)"),
    "language": (re.compile(r"[A-Za-z]{2}\Z"), "two letters (ISO 639-1)"),
    "country_code": (re.compile(r"[A-Za-z]{2}\Z"), "two letters (ISO 3166-1 alpha-2)"),
}
_DIGITS = 4
"""Decimals of a number (types, number)."""


def slips(cls: Any, value: Any, version: str) -> list[Slip]:
    """What is wrong with one object."""
    return list(_object(cls, value, "", version))


def is_moment(text: str) -> bool:
    """Whether a text is a DateTime: UTC, with ``Z`` or nothing behind it (types, DateTime)."""
    if not _TIME.match(text):
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def _object(cls: Any, value: Any, path: str, version: str) -> Iterator[Slip]:
    if not isinstance(value, dict):
        yield Slip(Kind.TYPE, path, f"an object expected, found {_kind(value)}")
        return
    known = columns(cls)
    for key in value.keys() - known.keys():
        yield Slip(Kind.UNKNOWN, _at(path, str(key)[:60]), f"{cls.__name__} has no such field")
    for name, column in known.items():
        yield from _field(cls, column, value.get(name), _at(path, name), version)


def _field(cls: Any, column: Column, value: Any, path: str, version: str) -> Iterator[Slip]:
    if value is None or (value == [] and column.cardinality in "*+"):
        if column.cardinality in "1+":
            yield Slip(Kind.MISSING, path, "it is missing")
    elif column.cardinality in "*+":
        if not isinstance(value, list):
            yield Slip(Kind.TYPE, path, f"a list expected, found {_kind(value)}")
            return
        for number, item in enumerate(value):
            yield from _value(cls, column, item, f"{path}[{number}]", version)
    else:
        yield from _value(cls, column, value, path, version)


def _value(cls: Any, column: Column, value: Any, path: str, version: str) -> Iterator[Slip]:
    if is_object(column.of):
        yield from _object(column.of, value, path, version)
        return
    hidden = cls.__name__ in _SECRET
    found = "" if hidden or not isinstance(value, str | int | Decimal) else str(value)[:40]
    if is_enumeration(column.of):
        yield from _enumeration(column.of, value, path, version, found)
    elif column.of is datetime:
        if not isinstance(value, str) or not is_moment(value):
            yield Slip(Kind.TIME, path, "it is no DateTime (UTC, with Z or without a zone)", found)
        elif len(value) > LONGEST_TIME:
            yield Slip(Kind.LENGTH, path, f"a DateTime has at most {LONGEST_TIME} characters", found)
        elif version == "2.1.1" and "." in value:
            yield Slip(Kind.FRACTION, path, "2.1.1 shows no fractions of a second", found)
    elif column.of is bool:
        if not isinstance(value, bool):
            yield Slip(Kind.TYPE, path, f"true or false expected, found {_kind(value)}")
    elif column.of in (int, Decimal):
        yield from _number(column, value, path, found)
    elif not isinstance(value, str):
        yield Slip(Kind.TYPE, path, f"a text expected, found {_kind(value)}")
    else:
        yield from _text(column, value, path, version, found)


def _enumeration(of: type[Enum], value: Any, path: str, version: str, found: str) -> Iterator[Slip]:
    if not isinstance(value, str):
        yield Slip(Kind.TYPE, path, f"a text expected, found {_kind(value)}")
    elif value not in {member.value for member in of}:
        if is_open(version, of):
            yield Slip(Kind.OPEN, path, f"{of.__name__} does not name it (it is open)", found)
        else:
            yield Slip(Kind.VALUE, path, f"it is no {of.__name__}", found)


def _number(column: Column, value: Any, path: str, found: str) -> Iterator[Slip]:
    if isinstance(value, bool) or not isinstance(value, int if column.of is int else int | Decimal):
        what = "a whole number" if column.of is int else "a number"
        yield Slip(Kind.TYPE, path, f"{what} expected, found {_kind(value)}")
    elif isinstance(value, Decimal) and _decimals(value) > _DIGITS:
        yield Slip(Kind.DIGITS, path, f"it has more than {_DIGITS} decimals", found)


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _text(column: Column, value: str, path: str, version: str, found: str) -> Iterator[Slip]:
    form = _FORMS.get(column.name)
    if not value:
        yield Slip(Kind.MISSING if column.cardinality in "1+" else Kind.LENGTH, path, "it is empty")
    elif value == "#NA":
        if column.cardinality not in "1+" or version == "2.1.1":
            yield Slip(Kind.NOT_AVAILABLE, path, "#NA stands where it may not")
    elif column.most is not None and len(value) > column.most:
        yield Slip(Kind.LENGTH, path, f"at most {column.most} characters", f"{len(value)} characters")
    elif column.name in URLS and column.most == 255:
        if not _URL.match(value):
            yield Slip(Kind.URL, path, "it is no http(s) URL")
    elif form is not None and not form[0].match(value):
        yield Slip(Kind.FORM, path, f"{form[1]} expected", found)
    elif not _PRINTABLE.match(value):
        if column.identifier:
            yield Slip(Kind.FORM, path, "an identifier is printable ASCII")
        elif _CONTROL.search(value):
            yield Slip(Kind.FORM, path, "a text has no line breaks, tabs or other control characters")
        elif version == "2.1.1":
            yield Slip(Kind.ASCII, path, "2.1.1 knows ASCII only")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
