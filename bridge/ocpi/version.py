"""What differs between OCPI versions, in one place: add a :class:`Version` for another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from attrs import frozen

from bridge.codec.lenient import Read, reader
from bridge.model.command import CommandKind, CommandResult
from bridge.model.token import Allowed, TokenKind
from bridge.ocpi.wire import v221, v221_messages
from bridge.roaming.ports import Kind


@frozen
class Interface:
    """One interface of a module that we offer, and its path below the version's URL."""

    identifier: str
    role: str
    path: str


@frozen(eq=False)
class Version:
    """An OCPI version: its number, its wire types, how it writes tokens and addresses messages, and what we offer in it."""

    number: str
    format: str
    objects: ModuleType
    messages: ModuleType
    routing: bool
    """Whether messages carry OCPI-to, OCPI-from, X-Request-ID and X-Correlation-ID."""
    raw_token: bool
    """Whether the credentials token stands as it is in the header (2.1.1), or in Base64."""
    offers: tuple[Interface, ...]
    modules: Mapping[Kind, str]
    commands: Mapping[str, CommandKind]
    token_types: Mapping[TokenKind, str]
    allowed: Mapping[str, Allowed]
    responses: Mapping[CommandResult, str]
    results: Mapping[CommandResult, str]

    def read(self, name: str, data: bytes) -> Read[Any]:
        """A message of this version (such as ``Credentials``), read leniently. Raises Unreadable."""
        return _reader(getattr(self.messages, name))(data)


@cache
def _reader(cls: Any) -> Callable[[Any], Read[Any]]:
    return reader(cls)


_TOKEN_TYPES = {
    TokenKind.RFID: "RFID",
    TokenKind.APP_USER: "APP_USER",
    TokenKind.AD_HOC_USER: "AD_HOC_USER",
    TokenKind.REMOTE: "APP_USER",
    TokenKind.QR_CODE: "APP_USER",
    TokenKind.EMAID: "OTHER",
    TokenKind.PLUG_AND_CHARGE: "OTHER",
    TokenKind.OTHER: "OTHER",
}

_RESPONSES = dict.fromkeys(CommandResult, "REJECTED") | {
    CommandResult.ACCEPTED: "ACCEPTED",
    CommandResult.NOT_SUPPORTED: "NOT_SUPPORTED",
    CommandResult.UNKNOWN_SESSION: "UNKNOWN_SESSION",
}

_RESULTS = {one: one.value for one in CommandResult} | {CommandResult.UNKNOWN_SESSION: "REJECTED"}

V221 = Version(
    number="2.2.1",
    format="ocpi-2.2.1",
    objects=v221,
    messages=v221_messages,
    routing=True,
    raw_token=False,
    offers=(
        Interface("credentials", "SENDER", "/credentials"),
        Interface("locations", "SENDER", "/sender/locations"),
        Interface("sessions", "SENDER", "/sender/sessions"),
        Interface("cdrs", "SENDER", "/sender/cdrs"),
        Interface("tariffs", "SENDER", "/sender/tariffs"),
        Interface("tokens", "RECEIVER", "/receiver/tokens"),
        Interface("commands", "RECEIVER", "/receiver/commands"),
    ),
    modules={
        Kind.LOCATION: "locations",
        Kind.STATUS: "locations",
        Kind.TARIFF: "tariffs",
        Kind.SESSION: "sessions",
        Kind.CDR: "cdrs",
    },
    commands={kind.value: kind for kind in CommandKind},
    token_types=_TOKEN_TYPES,
    allowed={one.value: one for one in Allowed},
    responses=_RESPONSES,
    results=_RESULTS,
)
"""OCPI 2.2.1 as an operator speaks it."""
