"""What differs between OCPI versions, in one place: add a :class:`Version` for another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, Literal

from attrs import frozen

from bridge.codec.lenient import Read, reader
from bridge.model.command import CommandKind, CommandResult
from bridge.model.token import Allowed, TokenKind
from bridge.ocpi.wire import v211, v211_messages, v221, v221_messages, v230, v230_messages

Side = Literal["CPO", "EMSP"]
"""Which of both sides of a module we are on: an operator's, or a provider's."""


@frozen(eq=False)
class Version:
    """An OCPI version: its number, its wire types, how it addresses messages and names things."""

    number: str
    format: str
    objects: ModuleType
    messages: ModuleType
    roles: bool
    """Whether credentials and endpoints carry roles, so that a connection has several parties. Before 2.2 each party in each
    role has a connection of its own, below its own versions URL; objects do not name their owner, and messages are neither
    routed nor numbered (X-Request-ID)."""
    raw_token: bool
    """Whether the credentials token stands as it is in the header (2.1.1), or in Base64."""
    dated_patches: bool
    """Whether every PATCH has to carry ``last_updated``."""
    open: bool
    """Whether enumerations are open, so that values nobody knows here are no faults."""
    codes: frozenset[int]
    """The status codes that it has (status_codes)."""
    commands: Mapping[str, CommandKind]
    token_types: Mapping[TokenKind, str]
    allowed: Mapping[str, Allowed]
    responses: Mapping[CommandResult, str]
    results: Mapping[CommandResult, str]

    def read(self, name: str, data: bytes, *, others: bool = False) -> Read[Any]:
        """A message of this version (such as ``Credentials``), read leniently. Raises Unreadable.

        ``others``: values that a mandatory enumeration does not know are read as OTHER or UNKNOWN, where it has one.
        """
        return _reader(getattr(self.messages, name), others)(data)

    def make(self, name: str, **values: Any) -> Any:
        """A message of this version (such as ``CommandResponse``); what it has no field for is left out."""
        cls = getattr(self.messages, name)
        return cls(**{field: values[field] for field in cls.__struct_fields__ if field in values})

    def code(self, code: int) -> int:
        """A status code, or the general one of its kind where this version does not have it."""
        return code if code in self.codes else code // 1000 * 1000 if code < 4000 else 2000

    def root(self, side: Side) -> str:
        """Where it is served, below our OCPI address."""
        return f"/{self.number}" if self.roles else f"/{side.lower()}/{self.number}"

    def versions(self, side: Side) -> str:
        """Our versions URL for it, below our OCPI address."""
        return "/versions" if self.roles else f"/{side.lower()}/versions"

    def __repr__(self) -> str:
        return f"OCPI {self.number}"


@cache
def _reader(cls: Any, others: bool) -> Callable[[Any], Read[Any]]:
    return reader(cls, others=others)


_OLD_CODES = frozenset({1000, 2000, 2001, 2002, 2003, 3000, 3001, 3002, 3003})
_CODES = _OLD_CODES | {2004, 4000, 4001, 4002, 4003}

_ALLOWED = {one.value: one for one in Allowed}

_RESPONSES = dict.fromkeys(CommandResult, "REJECTED") | {
    CommandResult.ACCEPTED: "ACCEPTED",
    CommandResult.NOT_SUPPORTED: "NOT_SUPPORTED",
    CommandResult.UNKNOWN_SESSION: "UNKNOWN_SESSION",
}
_RESULTS = {one: one.value for one in CommandResult} | {CommandResult.UNKNOWN_SESSION: "REJECTED"}
_COMMANDS = {kind.value: kind for kind in CommandKind}

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

V211 = Version(
    number="2.1.1",
    format="ocpi-2.1.1",
    objects=v211,
    messages=v211_messages,
    roles=False,
    raw_token=True,
    dated_patches=False,
    open=False,
    codes=_OLD_CODES,
    commands={name: kind for name, kind in _COMMANDS.items() if name in v211_messages.CommandType.__members__},
    token_types=dict.fromkeys(TokenKind, "OTHER") | {TokenKind.RFID: "RFID"},
    allowed=_ALLOWED,
    responses=_RESPONSES,
    results=_RESPONSES | {CommandResult.TIMEOUT: "TIMEOUT"},
)
"""OCPI 2.1.1."""

V221 = Version(
    number="2.2.1",
    format="ocpi-2.2.1",
    objects=v221,
    messages=v221_messages,
    roles=True,
    raw_token=False,
    dated_patches=True,
    open=False,
    codes=_CODES,
    commands=_COMMANDS,
    token_types=_TOKEN_TYPES,
    allowed=_ALLOWED,
    responses=_RESPONSES,
    results=_RESULTS,
)
"""OCPI 2.2.1."""

V230 = Version(
    number="2.3.0",
    format="ocpi-2.3.0",
    objects=v230,
    messages=v230_messages,
    roles=True,
    raw_token=False,
    dated_patches=True,
    open=True,
    codes=_CODES,
    commands=_COMMANDS,
    token_types=_TOKEN_TYPES | {TokenKind.EMAID: "EMAID", TokenKind.PLUG_AND_CHARGE: "EMAID"},
    allowed=_ALLOWED,
    responses=_RESPONSES,
    results=_RESULTS,
)
"""OCPI 2.3.0."""

VERSIONS = (V230, V221, V211)
"""What we speak, the newest first."""

BY_NUMBER: Mapping[str, Version] = {one.number: one for one in VERSIONS}
"""The same by number."""


def folded(ident: str) -> str:
    """An identifier as a key: OCPI compares without case (types, CiString)."""
    return str(ident).upper()


def owned_key(country_code: str, party_id: str, ident: str) -> str:
    """The key of an object: ids are unique with their party only."""
    return folded(f"{country_code}*{party_id}/{ident}")
