"""How much a partner may ask of us, and what becomes of callers that nobody knows.

A partner has a number of requests a second, and a number of driver tokens a minute that may turn out to be unknown: who
tries all that there are finds none, and the partners that would be asked about them are left alone. Drivers that somebody's
list has are not touched by that. Beyond, HTTP 429 with Retry-After and the envelope (transport_and_format says nothing of
it; HTTP does: RFC 6585, 4). The answer comes late, so that a caller that does not care costs us little.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bridge.ocpi.call import Call, Fault, Handler, Result
from bridge.ocpi.envelope import Code, failure
from bridge.transport.limits import CLOSE, Bucket, WaitingRoom

if TYPE_CHECKING:
    from bridge.ocpi.config import OcpiConfig

_BURST = 10.0
"""Seconds of requests that may come at once, after a pause."""


class Limits:
    """Those of one partner."""

    def __init__(self, config: OcpiConfig) -> None:
        rate, unknown = config.requests_per_second, config.unknown_tokens_per_minute
        self._requests = Bucket(rate, max(1.0, (rate or 0) * _BURST))
        self._unknown = Bucket(None if unknown is None else unknown / 60, max(1, unknown or 0))
        self._room = WaitingRoom(64)

    async def served(self, handler: Handler, call: Call) -> Result:
        """What the handler answers, within the limits. Raises Fault (HTTP 429) beyond."""
        await self._pass(self._requests, "requests")
        asks = _asks(call)
        if asks:
            await self._pass(self._unknown, "unknown tokens")
        unknown = False
        try:
            return await handler(call)
        except Fault as why:
            unknown = why.code == Code.UNKNOWN_TOKEN
            if unknown and not asks:
                await self._pass(self._unknown, "unknown tokens")
            raise
        finally:
            if asks and not unknown:
                self._unknown.give_back()

    async def _pass(self, bucket: Bucket, what: str) -> None:
        seconds = bucket.take()
        if not seconds:
            return
        kept = await self._room.wait(seconds)
        headers = {"Retry-After": str(math.ceil(seconds))}
        raise Fault(Code.CLIENT_ERROR, f"too many {what}", 429, headers if kept else headers | CLOSE)


def _asks(call: Call) -> bool:
    """Whether it asks in real time about a token that nobody told us: others are asked then, before it turns out to be unknown."""
    uid = call.request.match_info.get("uid")
    return uid is not None and call.request.method == "POST" and not call.core.upstream.knows(uid)


class Strangers:
    """Callers without credentials that we know. Some are answered at once, for people who set something up; more have to wait."""

    def __init__(self) -> None:
        self._bucket = Bucket(10, 50)
        self._room = WaitingRoom(256)

    async def refused(self) -> Result:
        """The answer to a stranger. Nothing is looked up, received or logged for it."""
        seconds = self._bucket.take()
        headers = {"WWW-Authenticate": "Token"}
        if seconds and not await self._room.wait(math.inf):
            headers |= CLOSE
        return Result(failure(Code.CLIENT_ERROR, "unknown credentials"), 401, headers)
