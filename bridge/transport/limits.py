"""What keeps one caller from taking the server away from the others: token buckets, waiting rooms, hanging up.

Refusing has to cost the caller more than us. Who asks too often waits for the answer that says so, and a body that nobody
will read is not received: the connection is closed instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

CLOSE = {"Connection": "close"}
"""A header of answers after which the connection ends."""

GRACE = 0.5
"""Seconds between an answer and the end of a connection on which a body is still coming: time to read the answer."""

_SHORT = 64 * 1024
"""A body of at most so many bytes is read to its end, so that the connection can be kept."""


class Bucket:
    """A token bucket: so many a second, and after a pause so many at once. No rate: no limit."""

    def __init__(self, rate: float | None, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def take(self) -> float:
        """Take one: 0, or the seconds until there is one, which is not taken then."""
        if self.rate is None:
            return 0.0
        now = self._clock()
        self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self.rate

    def give_back(self) -> None:
        """One that was taken was not needed."""
        self._level = min(self.burst, self._level + 1)


LONGEST = 1.0
"""Seconds that a caller who asked too often waits for its answer, at most."""


class WaitingRoom:
    """Where those wait who asked too often: at most ``most`` at a time, none longer than :data:`LONGEST`."""

    def __init__(self, most: int) -> None:
        self._left = most

    async def wait(self, seconds: float) -> bool:
        """Let a caller wait. False where there is no room: its connection is not worth keeping."""
        if self._left <= 0:
            return False
        self._left -= 1
        try:
            await asyncio.sleep(min(seconds, LONGEST))
        finally:
            self._left += 1
        return True


async def on_demand(request: web.Request) -> None:
    """An ``expect_handler`` that leaves ``100 Continue`` to whoever reads the body (:func:`pieces`)."""


async def pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes; a caller that waits for leave to send it is given it now (RFC 9110, 10.1.1)."""
    if request.version == HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what follows is the answer's head
    async for piece in request.content.iter_any():
        yield piece


async def answered(request: web.Request, response: web.Response) -> web.Response:
    """The answer as aiohttp is to send it; where more of the body would come than is worth receiving, it is sent here.

    Then the connection ends, and the rest of the body is not received.
    """
    closing = response.headers.get(hdrs.CONNECTION) == "close"
    if closing:
        response.force_close()
    coming = not request.content.is_eof()
    if not coming or (not closing and request.content_length is not None and request.content_length <= _SHORT):
        return response
    response.force_close()
    await response.prepare(request)
    await response.write_eof()
    transport = request.transport
    if transport is not None:
        with contextlib.suppress(RuntimeError):  # it is closing
            transport.pause_reading()
        await asyncio.sleep(GRACE)
        transport.abort()
        await asyncio.sleep(0)
    return response
