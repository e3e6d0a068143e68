"""The HTTP client that adapters share: one pooled session per partner, time limits, and errors that say what to do.

A request that could not be sent is ``Unreachable(sent=False)``; one whose answer is missing or is a 5xx is
``Unreachable(sent=True)``: the partner may have taken it. 429 and 503 carry Retry-After. Other answers are given back:
their meaning is the protocol's.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
from attrs import frozen

from bridge.errors import Unreachable

MOST_BYTES = 64 * 1024 * 1024
"""A larger answer is refused while it is read."""


@frozen
class Answer:
    """A partner's answer: status, headers (case-insensitive), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Requests to one partner below ``base`` (a URL without a trailing slash; paths begin with one, or are whole URLs)."""

    def __init__(self, base: str, *, headers: Mapping[str, str] | None = None, timeout: float = 30.0,
                 tls: ssl.SSLContext | None = None, connections: int = 16) -> None:  # fmt: skip
        self.base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, 10.0))
        self._tls = tls
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session, in the running event loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=self._tls if self._tls is not None else True)
            # Callers say what a body is; a POST without one would get application/octet-stream.
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, headers=self._headers,
                                                  auto_decompress=True, skip_auto_headers=("Content-Type",))  # fmt: skip

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def request(self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None,
                      params: Mapping[str, str] | None = None, seconds: float | None = None,
                      answers: Collection[int] = ()) -> Answer:  # fmt: skip
        """Send one request and read the whole answer. Raises Unreachable for no answer, 429 and 5xx but for those in ``answers``."""
        await self.open()
        session = self._session
        if session is None:
            raise Unreachable("the client is closed")
        url = path if path.startswith(("http://", "https://")) else self.base + path
        more: dict[str, Any] = {} if seconds is None else {"timeout": aiohttp.ClientTimeout(total=seconds)}
        try:
            async with session.request(method, url, data=body, headers=headers, params=params, allow_redirects=False,
                                             **more) as response:  # fmt: skip
                data = await _limited(response)
                answer = Answer(response.status, response.headers, data)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as why:
            raise Unreachable(f"no connection: {type(why).__name__}") from why
        except TimeoutError as why:
            raise Unreachable("no answer in time", sent=True) from why
        except aiohttp.ClientError as why:
            raise Unreachable(f"no answer: {type(why).__name__}", sent=True) from why
        if answer.status not in answers and (answer.status == 429 or answer.status >= 500):
            raise Unreachable(f"HTTP {answer.status}", retry_after(answer.headers), sent=answer.status != 429, status=answer.status)
        return answer


async def _limited(response: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MOST_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too large")
        pieces.append(piece)
    return b"".join(pieces)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a Retry-After header: seconds or a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After")
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
