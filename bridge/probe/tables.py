"""The field tables that objects are judged by: the wire types of each version, read as tables.

A field has a type, a cardinality (``1`` mandatory, ``?`` optional, ``*`` a list, ``+`` a list that is not empty) and the most
characters. What the wire types leave open for reading (a mandatory field that partners forget) is closed again here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import datetime
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from attrs import frozen

from bridge.codec.wire import Ci2, Ci3, Wire
from bridge.ocpi.version import BY_NUMBER
from bridge.ocpi.wire import v221_messages, v230_messages

URLS = frozenset({"url", "website", "thumbnail", "terms_and_conditions", "tariff_alt_url", "response_url"})
"""Fields of type URL: the wire types hold them as texts of 255 characters."""

_OPEN_230 = frozenset({
    "Capability", "ConnectorType", "ConnectorCapability", "EnvironmentalImpactCategory", "Facility", "ImageCategory",
    "ParkingRestriction", "ParkingType", "VehicleType", "TokenType", "CommandType",
})  # fmt: skip
"""Enumerations that 2.3.0 leaves open (types, OpenEnum)."""

MODULES = {number: frozenset(one.value for one in spoken.messages.ModuleID) for number, spoken in BY_NUMBER.items()}
MODULES["2.3.0"] |= {"invoicereconciliation", "payments", "Booking"}
"""The modules that each version knows; 2.3.0 forgets some of its own in its table of identifiers."""


class ConnectionStatus(StrEnum):
    """ConnectionStatus (mod_hub_client_info)."""

    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


class ClientInfo(Wire, kw_only=True):
    """ClientInfo of 2.2.1."""

    party_id: Ci3
    country_code: Ci2
    role: v221_messages.Role
    status: ConnectionStatus
    last_updated: datetime


class ClientInfo230(Wire, kw_only=True):
    """ClientInfo of 2.3.0."""

    party_id: Ci3
    country_code: Ci2
    role: v230_messages.Role
    status: ConnectionStatus
    last_updated: datetime


_HERE: dict[str, dict[str, Any]] = {"2.2.1": {"ClientInfo": ClientInfo}, "2.3.0": {"ClientInfo": ClientInfo230}}


def table(version: str, name: str) -> Any:
    """The wire type of an object or message; None if the version has no such table here."""
    spoken = BY_NUMBER[version]
    return _HERE.get(version, {}).get(name) or getattr(spoken.objects, name, None) or getattr(spoken.messages, name, None)


def is_open(version: str, cls: type) -> bool:
    """Whether an enumeration may hold values that the specification does not name."""
    return version == "2.3.0" and cls.__name__ in _OPEN_230


@frozen
class Column:
    """One field of a table. ``of`` is a wire type, an enumeration, or a Python type."""

    name: str
    of: Any
    cardinality: Literal["1", "?", "*", "+"]
    most: int | None
    identifier: bool


@cache
def columns(cls: Any) -> dict[str, Column]:
    """The fields of a wire type, by name."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {f.encode_name: _column(f.encode_name, hints[f.name], f.required) for f in msgspec.structs.fields(cls)}


def _column(name: str, hint: Any, required: bool) -> Column:
    metas = list(_metas(hint))
    required = required or any(extra.get("required") for extra in metas)
    bare = _bare(hint)
    many = get_origin(bare) is tuple
    if many:
        inner = get_args(bare)[0]
        metas, bare = list(_metas(inner)), _bare(inner)
    most = next((extra["max"] for extra in metas if "max" in extra), None)
    cardinality: Literal["1", "?", "*", "+"] = ("+" if required else "*") if many else ("1" if required else "?")
    return Column(name, bare, cardinality, most, any(extra.get("ident") for extra in metas))


def _metas(hint: Any) -> Iterator[dict[str, Any]]:
    """What is noted on a type, through optional ones; lists are not entered."""
    if get_origin(hint) is Annotated:
        first, *notes = get_args(hint)
        yield from (note.extra for note in notes if isinstance(note, msgspec.Meta) and note.extra)
        yield from _metas(first)
    elif get_origin(hint) in (Union, types.UnionType):
        for one in get_args(hint):
            yield from _metas(one)


def _bare(hint: Any) -> Any:
    while get_origin(hint) is Annotated or get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    return hint


def is_object(of: Any) -> bool:
    """Whether a field's type is a table of its own."""
    return isinstance(of, type) and issubclass(of, msgspec.Struct)


def is_enumeration(of: Any) -> bool:
    """Whether a field's type is an enumeration."""
    return isinstance(of, type) and issubclass(of, Enum)
