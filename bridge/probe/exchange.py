"""Requests to the partner: one at a time, counted, paced, never with the token to a host that should not have it.

What was asked and answered is an :class:`Exchange`, whose ``line`` may be shown: without host and token.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from attrs import define, field, frozen

from bridge.codec.lenient import Unreadable, loads
from bridge.errors import BridgeError, Unreachable
from bridge.ocpi.envelope import spelled
from bridge.transport.http import retry_after

MOST_BYTES = 16 * 1024 * 1024
"""A larger answer is not read to its end."""
LONGEST_WAIT = 60.0
"""How long a Retry-After is waited for, in seconds."""
SILENCES = 3
"""After so many requests without an answer, one after the other, the probe ends."""


class Ended(BridgeError):
    """The probe asks nothing more: too many requests, or the partner does not want any."""


@frozen(slots=False)
class Exchange:
    """One request and its answer. ``sent`` are the headers without Authorization; header names are case-insensitive."""

    method: str
    url: str = field(repr=False)
    line: str
    sent: Mapping[str, str]
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @cached_property
    def read(self) -> tuple[Any, str | None]:
        """The body as JSON, and why it is none."""
        try:
            return loads(self.body), None
        except Unreadable as why:
            return None, why.because
        except RecursionError:
            return None, "nested too deeply"

    @property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        return self.read[0]

    @property
    def envelope(self) -> dict[str, Any]:
        """The answer's JSON object, empty where it is none."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def code(self) -> int | None:
        """The OCPI status code."""
        code = self.envelope.get("status_code")
        return code if isinstance(code, int) and not isinstance(code, bool) else None

    @property
    def data(self) -> Any:
        """What the envelope holds."""
        return self.envelope.get("data")

    @property
    def succeeded(self) -> bool:
        """HTTP 2xx and OCPI 1xxx."""
        return 200 <= self.status < 300 and self.code is not None and 1000 <= self.code < 2000

    @property
    def told(self) -> str:
        """Its outcome in short."""
        return f"HTTP {self.status}" + (f", OCPI {self.code}" if self.code is not None else "")


@define
class Caller:
    """Sends requests with the token, in the spelling that ``raw`` says. Times in seconds."""

    home: str
    """The versions URL."""
    token: str = field(repr=False)
    raw: bool = False
    most: int = 200
    pause: float = 0.1
    timeout: float = 15.0
    tls: ssl.SSLContext | None = None
    count: int = field(default=0, init=False)
    _silent: int = field(default=0, init=False)
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    async def __aenter__(self) -> Caller:
        connector = aiohttp.TCPConnector(limit=1, ssl=self.tls if self.tls is not None else True)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=self.timeout), headers={"User-Agent": "evbridge-probe"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def safe(self, url: str) -> bool:
        """Whether the token may go there: an http(s) URL, and never a plain one where the partner began with TLS."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.scheme == "https" or self.home.startswith("http:"))

    async def call(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, authorization: str | None = "",
                   body: bytes | None = None) -> Exchange:  # fmt: skip
        """One request. ``authorization`` instead of the token's header: another one, or None for none.

        Raises Ended (no more requests) and Unreachable (no answer to this one).
        """
        if not self.safe(url):
            raise Unreachable("the token is not sent to an address without TLS")
        sent = {"X-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": str(uuid.uuid4())} | dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        secret = {"Authorization": spelled(self.token, raw=self.raw) if authorization == "" else authorization}
        whole = sent | {name: value for name, value in secret.items() if value is not None}
        got = await self._patiently(method, url, whole, body)
        return Exchange(method, url, f"{method} {self.shown(url)}", sent, *got)

    async def with_headers(self, url: str, headers: Mapping[str, str]) -> Exchange:
        """A GET with these headers and no others, Authorization among them."""
        shown = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        return Exchange("GET", url, f"GET {self.shown(url)}", shown, *await self._patiently("GET", url, headers, None))

    def shown(self, url: str) -> str:
        """A URL for a report: without the partner's own host, and of the query only what OCPI knows."""
        parts, home = urlsplit(url), urlsplit(self.home)
        host = "" if parts.netloc == home.netloc else f"{parts.scheme}://{parts.hostname}"
        query = [(name, value if name in _KNOWN else "...") for name, value in parse_qsl(parts.query, keep_blank_values=True)]
        return host + (parts.path or "/") + ("?" + urlencode(query, safe=":.") if query else "")

    async def _patiently(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """The answer; one that asks for patience (429) is waited for once."""
        for attempt in (1, 2):
            status, told, data = await self._once(method, url, headers, body)
            if status != 429:
                return status, told, data
            asked = retry_after(told)
            wait = 5.0 if asked is None else asked
            if attempt == 2 or wait > LONGEST_WAIT:
                break
            await asyncio.sleep(wait)
        raise Ended("the partner asks for fewer requests (HTTP 429)")

    async def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        if self.count >= self.most:
            raise Ended(f"{self.most} requests have been sent, the most that are allowed")
        if self.count and self.pause:
            await asyncio.sleep(self.pause)
        self.count += 1
        if self._session is None:
            raise Ended("the caller is not open")
        try:
            async with self._session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer:
                data = await _limited(answer)
                self._silent = 0
                return answer.status, answer.headers, data
        except (aiohttp.ClientError, TimeoutError, ValueError) as why:
            self._silent += 1
            told = "no answer in time" if isinstance(why, TimeoutError) else f"no answer: {type(why).__name__}"
            if self._silent >= SILENCES:
                raise Ended(f"{told}, {SILENCES} times in a row") from why
            raise Unreachable(told, sent=True) from why


_KNOWN = frozenset({"date_from", "date_to", "offset", "limit", "type"})


async def _limited(answer: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_chunked(1 << 16):
        size += len(piece)
        if size > MOST_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too large")
        pieces.append(piece)
    return b"".join(pieces)
