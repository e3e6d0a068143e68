"""What an OICP 2.3 partner (Hubject) is configured with."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
import ssl
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit

from attrs import field, frozen

from bridge.errors import ConfigError
from bridge.mapping.context import Settings
from bridge.roaming.ports import Kind

KINDS = frozenset(Kind)
"""What OICP can take from an operator: EVSE data, status, pricing products, notifications, CDRs."""

_OPERATOR_ID = re.compile(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}|\+?[0-9]{1,3}\*[0-9]{3}")
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class Inbound(StrEnum):
    """How a partner's calls are recognised."""

    CLOSED = "closed"
    """Not at all: every call is refused."""
    LOOPBACK = "none-for-loopback"
    """Calls from this machine are believed, unless a proxy forwarded them (demo and tests)."""
    BASIC = "basic"
    """HTTP basic authentication: ``user`` and ``secret``."""
    BEARER = "bearer"
    """``Authorization: Bearer`` with ``secret``."""
    HEADER = "header"
    """A header that a TLS-terminating proxy sets from the client certificate: ``header`` is ``secret``. Needs ``networks``."""
    PATH = "path"
    """``secret`` in the path: the base URL in Hubject's portal ends in ``/hubject/{secret}``."""


@frozen
class InboundAuth:
    """How calls of the partner are recognised. ``networks`` (CIDR), if given, must hold the caller as well.

    Hubject calls with a client certificate; where a proxy ends TLS, the proxy checks it and says so in a header.
    Raises ConfigError for a mode that lacks what it needs.
    """

    mode: Inbound = field(default=Inbound.CLOSED, converter=Inbound)
    user: str = ""
    secret: str = field(default="", repr=False)
    header: str = ""
    networks: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.mode not in (Inbound.CLOSED, Inbound.LOOPBACK) and not self.secret:
            raise ConfigError("inbound_auth.secret", f"{self.mode} needs a secret")
        if self.mode is Inbound.BASIC and not self.user:
            raise ConfigError("inbound_auth.user", "basic needs a user")
        if self.mode is Inbound.HEADER and not (self.header and self.networks):
            raise ConfigError("inbound_auth.header", "the header's name, and networks of the proxies that may set it")
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as why:
                raise ConfigError("inbound_auth.networks", str(why)) from why

    def accepts(self, headers: Mapping[str, str], remote: str | None, path_secret: str = "") -> bool:
        """Whether a call is the partner's. Secrets are compared in constant time."""
        if self.networks and not self._near(remote):
            return False
        if self.mode is Inbound.CLOSED:
            return False
        if self.mode is Inbound.LOOPBACK:
            return _loopback(remote) and not any(name in headers for name in _FORWARDED)
        given = path_secret
        wanted = self.secret
        if self.mode is Inbound.BASIC:
            given = headers.get("Authorization", "")
            wanted = "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
        elif self.mode is Inbound.BEARER:
            given, wanted = headers.get("Authorization", ""), f"Bearer {self.secret}"
        elif self.mode is Inbound.HEADER:
            given = headers.get(self.header, "")
        return hmac.compare_digest(given.encode(), wanted.encode())

    def _near(self, remote: str | None) -> bool:
        try:
            address = ipaddress.ip_address(remote or "")
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(network) for network in self.networks)


def _loopback(remote: str | None) -> bool:
    try:
        return ipaddress.ip_address(remote or "").is_loopback
    except ValueError:
        return False


@frozen
class OicpConfig:
    """One contract with Hubject: one operator, production or QA. Times in seconds.

    ``url`` is the base with ``/api/oicp`` (``https://service.hubject.com/api/oicp``). ``operator_id`` must be spelled as
    in the certificate. ``tls`` carries the client certificate (:func:`client_tls`). ``batch`` is the most records of one
    push, ``progress_every`` the least distance of two Progress notifications of a session. Raises ConfigError.
    """

    name: str
    url: str
    operator_id: str
    operator_name: str
    settings: Settings = field(factory=Settings)
    tls: ssl.SSLContext | None = None
    allow_plain_http: bool = False
    timeout: float = 30.0
    authorise_timeout: float = 10.0
    command_timeout: float = 10.0
    batch: int = 500
    in_flight: int = 8
    progress_every: float = 300.0
    reservation_minutes: int = 15
    inbound_auth: InboundAuth = field(factory=InboundAuth)
    kinds: frozenset[Kind] = KINDS

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("url", f"{self.url!r} is no http or https URL")
        if parts.scheme == "http" and not self.allow_plain_http and not _local(parts.hostname):
            raise ConfigError("url", "Hubject is called over https; allow_plain_http allows plain http for tests")
        if not _OPERATOR_ID.fullmatch(self.operator_id):
            raise ConfigError("operator_id", f"{self.operator_id!r} is no OperatorID such as DE*ABC or +49*536")
        if not 1 <= len(self.operator_name) <= 100:
            raise ConfigError("operator_name", "1 to 100 characters (OICP demands the operator's name)")
        for name in ("timeout", "authorise_timeout", "command_timeout", "batch", "in_flight", "reservation_minutes"):
            if getattr(self, name) <= 0:
                raise ConfigError(name, "more than 0 expected")
        if unknown := self.kinds - KINDS:
            raise ConfigError("kinds", f"OICP cannot take {', '.join(sorted(unknown))}")


def _local(host: str) -> bool:
    return host == "localhost" or _loopback(host)


def client_tls(certificate: str, key: str, *, ca: str | None = None, password: str | None = None) -> ssl.SSLContext:
    """TLS with the client certificate that Hubject's CA signed. Paths of PEM files; ``ca`` replaces the system's roots.

    Raises ConfigError for files that cannot be read or do not fit together.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as why:
        raise ConfigError("tls.ca", f"{ca}: {why.strerror or why}") from why
    try:
        context.load_cert_chain(certificate, key, password)
    except (OSError, ssl.SSLError) as why:
        raise ConfigError("tls.certificate", f"{certificate}: {why.strerror or why}") from why
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
