"""Carries SOAP 1.1 over HTTP: one call, or one call whose answer is read as a stream.

Uploads are whole (Content-Length, never chunked: some services refuse that). What a partner does wrong becomes
Unreachable or Declined, as :mod:`bridge.transport.http` says; a fault of the family Client (or a version that is not
understood) is Declined, a fault of WS-Security Unreachable and never taken: it speaks of our credentials, not of the
message.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp

from bridge.codec import soap
from bridge.codec.lenient import Unreadable
from bridge.codec.xml import Hostile
from bridge.errors import Declined, PartnerError, Unreachable
from bridge.transport.http import MOST_BYTES, HttpClient, retry_after

MOST_FAULT = 1 << 20
"""Of an answer with an error status no more is read."""
REFUSED_STATUS = frozenset({400, 411, 413, 414, 415, 422, 431})
"""Statuses that refuse the request itself; other 4xx (and 3xx) speak of address or credentials."""


class SoapClient(HttpClient):
    """SOAP calls to one partner. Headers of the envelope are the caller's."""

    async def call(self, url: str, action: str, envelope: bytes, *, total: float | None = None,
                   most: int = MOST_BYTES) -> soap.Message:  # fmt: skip
        """Send one message and read the answer, in ``total`` seconds if given. Raises Unreachable or Declined."""
        parts: list[bytes] = []
        size = 0
        async with self._exchange(url, action, envelope, aiohttp.ClientTimeout(total=total) if total else None) as response:
            async for part in response.content.iter_chunked(1 << 16):
                size += len(part)
                if size > most:
                    raise Unreachable("the answer is too large", sent=True)
                parts.append(part)
        with _understood():
            message = soap.parse(b"".join(parts), most)
            if (found := soap.as_fault(message)) is not None:
                raise found
        return message

    async def elements(self, url: str, action: str, envelope: bytes, tags: frozenset[str], *, idle: float = 60.0,
                       total: float | None = None, most: int = MOST_BYTES) -> AsyncIterator[tuple[str, Any]]:  # fmt: skip
        """Send one message and give the answer's elements ``tags`` as they arrive, each valid until the next is asked for.

        ``idle`` is the longest silence, ``total`` the longest answer in seconds. Raises Unreachable or Declined, also
        between elements: only what ended without an error was the whole answer.
        """
        reader = soap.Stream(tags, most)
        limits = aiohttp.ClientTimeout(total=total, sock_connect=min(idle, 10.0), sock_read=idle)
        async with self._exchange(url, action, envelope, limits) as response:
            with _understood():
                async for part in response.content.iter_chunked(1 << 16):
                    for found in reader.feed(part):
                        yield found
                    await asyncio.sleep(0)  # a fast partner must not keep the loop from others
                for found in reader.close():
                    yield found

    @asynccontextmanager
    async def _exchange(self, url: str, action: str, envelope: bytes,
                        limits: aiohttp.ClientTimeout | None) -> AsyncIterator[aiohttp.ClientResponse]:  # fmt: skip
        await self.open()
        if self._session is None:  # pragma: no cover  (open made it)
            raise Unreachable("closed")
        headers = {"Content-Type": soap.CONTENT_TYPE, "SOAPAction": f'"{action}"', "Accept": "text/xml"}
        try:
            async with self._session.post(url, data=envelope, headers=headers, allow_redirects=False,
                                          timeout=limits or self._timeout) as response:  # fmt: skip
                if response.status != 200:
                    raise _of_status(response, await _some(response))
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, aiohttp.ConnectionTimeoutError) as why:
            raise Unreachable(f"no connection: {type(why).__name__}") from why
        except TimeoutError as why:
            raise Unreachable("no answer in time", sent=True) from why
        except aiohttp.ClientError as why:
            raise Unreachable(f"no answer: {type(why).__name__}", sent=True) from why


@contextmanager
def _understood() -> Iterator[None]:
    """A fault is an error of the partner's; an answer that is no SOAP promises nothing, the request may have been taken."""
    try:
        yield
    except soap.Fault as found:
        raise of_fault(found) from found
    except (Unreadable, Hostile) as why:
        because = why.because if isinstance(why, Unreadable) else str(why)
        raise Unreachable(f"the answer is no SOAP message: {because}", sent=True) from why


async def _some(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of an error's body."""
    data = b""
    while len(data) < MOST_FAULT and (part := await response.content.read(MOST_FAULT - len(data))):
        data += part
    return data


def _of_status(response: aiohttp.ClientResponse, body: bytes) -> PartnerError:
    """What an answer with another status than 200 means (SOAP 1.1, section 6.2: a fault comes with 500)."""
    status = response.status
    after = retry_after(response.headers)
    if status != 429:
        try:
            found = soap.as_fault(soap.parse(body))
        except (Unreadable, Hostile):
            found = None
        if found is not None:
            return of_fault(found, after)
    if status in REFUSED_STATUS:
        return Declined(f"HTTP {status}", str(status))
    return Unreachable(f"HTTP {status}", after, sent=status >= 500)


_CREDENTIALS = re.compile(r"authenticat|security token|credential|password|securityerror", re.IGNORECASE)
"""Some services call a wrong password a fault of the family Client: it is no verdict on the message."""


def of_fault(found: soap.Fault, after: float | None = None) -> PartnerError:
    """A fault as an error that says what to do."""
    if found.definite and not _CREDENTIALS.search(f"{found.code} {found.text}"):
        return Declined(str(found), found.code)
    return Unreachable(str(found), after, sent=found.namespace == soap.SOAP)
