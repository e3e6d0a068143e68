"""What is configured about one OCPI partner."""

from __future__ import annotations

import re
import ssl
from functools import cached_property

from attrs import field, frozen

from bridge.errors import ConfigError
from bridge.mapping.context import Settings
from bridge.ocpi.quirks import Quirks
from bridge.ocpi.version import BY_NUMBER, VERSIONS, Side, Version


@frozen
class OurRole:
    """One of our parties as partners see it (CredentialsRole): country of two letters, party of three characters."""

    country_code: str
    party_id: str
    role: str = "CPO"
    name: str = ""
    website: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """For comparing: identifiers are case-insensitive."""
        return self.country_code.upper(), self.party_id.upper()


@frozen
class OcpiConfig:
    """One partner. ``our_url`` is where it finds us, such as ``https://bridge.example.com/ocpi``; times in seconds.

    ``token_for_us``: the CREDENTIALS_TOKEN_A that the partner gave us, to register there at ``versions_url``.
    ``token_for_them``: the CREDENTIALS_TOKEN_A that we gave the partner, to register here. One of both is enough.
    Raises ConfigError, naming the key.
    """

    name: str
    our_url: str
    roles: tuple[OurRole, ...]
    versions_url: str | None = None
    token_for_us: str | None = field(default=None, repr=False)
    token_for_them: str | None = field(default=None, repr=False)
    parties: frozenset[str] = frozenset()
    """The partner's parties (``DE*EMS``). Empty: those that it names in its credentials."""
    pin: str | None = None
    """The only version that is spoken with it (``2.1.1``); None: the highest that both sides speak."""
    hub: bool = False
    """It speaks for parties that are not its own."""
    tells_clients: bool = False
    """Whether it is told whom it reaches through us: where we are a hub."""
    response_hosts: frozenset[str] = frozenset()
    """Hosts (``host`` or ``host:port``) besides its own to which results of commands may be sent, with our token."""
    requires: frozenset[tuple[str, str]] = frozenset()
    """Interfaces that it must offer besides credentials, such as ``("cdrs", "RECEIVER")``."""
    register_at_start: bool = True
    quiet: float = 2.0
    """How long a partner that has registered here is left alone: before it has our answer it knows neither our token nor our
    parties, and may refuse for good what it is sent."""
    settings: Settings = field(factory=Settings, repr=False)
    quirks: Quirks = field(factory=Quirks)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """For private authorities and client certificates; None: the system's authorities."""
    timeout: float = 30.0
    authorise_timeout: float = 8.0
    command_timeout: int = 30
    """How long a partner is told to wait for the result of a command."""
    connections: int = 16
    parallel: int = 16
    """Jobs on their way at once, each of another object."""
    page_limit: int = 100
    """The most objects that one of our pages holds (X-Limit)."""
    object_page: int = 100
    """How many locations, tariffs, sessions or CDRs are asked for at once, at most."""
    body_limit: int = 1 << 20
    """The largest request body in bytes."""
    body_seconds: float = 10.0
    """How long a request body may take to come."""
    requests_per_second: float | None = 200.0
    """Requests that it may send here; for ten seconds' worth after a pause. None: no limit."""
    unknown_tokens_per_minute: int | None = 600
    """How many tokens that turn out to be unknown it may ask about; one minute's worth after a pause. None: no limit."""

    def __attrs_post_init__(self) -> None:
        where = f"partner {self.name}"
        if not re.match(r"https?://[^/]", self.our_url):
            raise ConfigError(f"{where}: our_url", f"{self.our_url!r} is no http(s) URL")
        if not self.roles:
            raise ConfigError(f"{where}: roles", "at least one of our parties is needed")
        for one in self.roles:
            if len(one.country_code) != 2 or not 1 <= len(one.party_id) <= 3:
                raise ConfigError(f"{where}: roles", f"{one.country_code}*{one.party_id} is no country and party")
        if self.pin is not None and self.pin not in BY_NUMBER:
            raise ConfigError(f"{where}: pin", f"OCPI {self.pin} is not spoken here")
        if self.pin is not None and not self.speaks:
            raise ConfigError(f"{where}: roles", f"a connection of OCPI {self.pin} is of one party in one role: make it several partners")
        if len({(r.role, *r.key) for r in self.roles}) != len(self.roles):
            raise ConfigError(f"{where}: roles", "a role, country and party must not come twice")
        for key in ("token_for_us", "token_for_them"):
            token = getattr(self, key)
            if token is not None and not is_token(token):
                raise ConfigError(f"{where}: {key}", "a token is 1 to 64 printable ASCII characters without blanks")
        if self.token_for_us is not None and self.versions_url is None:
            raise ConfigError(f"{where}: versions_url", "needed to register with token_for_us")

    @cached_property
    def speaks(self) -> tuple[Version, ...]:
        """The versions that may be agreed upon, the newest first. Before 2.2 a connection is of one party in one role."""
        return tuple(v for v in VERSIONS if self.pin in (None, v.number) and (v.roles or len(self.roles) == 1))

    @cached_property
    def sides(self) -> frozenset[Side]:
        """On which sides of the modules we are towards this partner."""
        return frozenset("CPO" if role.role == "CPO" else "EMSP" for role in self.roles)

    @property
    def side(self) -> Side:
        """The side of a connection that has only one."""
        return "CPO" if "CPO" in self.sides else "EMSP"

    def versions(self, version: Version) -> str:
        """Our versions URL, as a partner of that version knows it."""
        return self.our_url.rstrip("/") + version.versions(self.side)

    @property
    def party(self) -> tuple[str, str]:
        """Our party for messages that name none: the first operator, else the first role."""
        one = next((r for r in self.roles if r.role == "CPO"), self.roles[0])
        return one.country_code, one.party_id


def is_token(text: str) -> bool:
    """Whether a text may be a credentials token: 1 to 64 characters of U+0021 to U+007E (credentials)."""
    return 1 <= len(text) <= 64 and all("\x21" <= c <= "\x7e" for c in text)
