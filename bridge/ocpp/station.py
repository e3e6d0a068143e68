"""One connection of a charger: reads its frames, answers its CALLs, sends it ours, one at a time."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from uuid import uuid4

from aiohttp import WSCloseCode, WSMsgType, web
from attrs import define, field

from bridge.errors import Declined, Unreachable
from bridge.ocpp import frame
from bridge.ocpp.frame import Call, CallError, ErrorCode, Failure, Frame, MalformedError, Result
from bridge.ocpp.v16 import LANES, Lane

log = logging.getLogger("bridge.ocpp")


@define
class Lanes:
    """What keeps the order of a charger's messages. It outlives connections: a charger may repeat on its next one what
    is still being stored from its last."""

    locks: Mapping[Lane, asyncio.Lock] = field(factory=lambda: {lane: asyncio.Lock() for lane in Lane})
    gate: asyncio.Lock = field(factory=asyncio.Lock)
    """Held while a connection is let in or given up, so that the core is told in the order in which it happened."""


class Station:
    """A connected charger.

    Every CALL is a task of its own, so that a slow authorisation holds up nothing else; those of one lane keep their
    order (asyncio's locks are fair). A task is finished even when the connection is gone: what was begun gets stored.
    At most ``most`` are under way: then nothing more is read until one is done.
    """

    def __init__(self, charge_point: str, socket: web.WebSocketResponse, lanes: Lanes, *,
                 handle: Callable[[str, Call], Awaitable[dict[str, Any]]],
                 spawn: Callable[[Coroutine[Any, Any, None]], object],
                 answered: Callable[[Station, Call], None], most: int = 32) -> None:  # fmt: skip
        self.charge_point = charge_point
        self.told_status = False
        """Whether it told the status of a connector since it connected or booted."""
        self.closed = False
        self._socket = socket
        self._lanes = lanes
        self._handle = handle
        self._spawn = spawn
        self._answered = answered
        self._room = asyncio.Semaphore(most)
        self._turn = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._under_way: dict[frame.MessageId, Call] = {}

    async def run(self) -> None:
        """Read until the connection is gone."""
        try:
            async for message in self._socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                try:
                    found = frame.parse(message.data)
                except MalformedError as why:
                    log.warning("charger %s: unreadable frame: %s", self.charge_point, why.because)
                    await self._send(frame.error(why.id, why))
                    continue
                if found is not None:
                    await self._take(found)
        finally:
            self.gone()

    def gone(self) -> None:
        """Nothing more comes or goes: whoever waits for an answer learns of it."""
        self.closed = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Unreachable("the connection was lost", sent=True))

    async def close(self, code: WSCloseCode, because: str) -> None:
        """Close the connection; the charger may connect again."""
        self.gone()
        await self._socket.close(code=code, message=because.encode())

    async def call(self, action: str, payload: Mapping[str, Any], within: float) -> dict[str, Any]:
        """Send a CALL and wait for its answer, both ``within`` seconds, the wait for one's turn included.

        Raises Unreachable (``sent`` where the charger may have acted on it) or Declined with the CALLERROR's code.
        """
        sent = False
        try:
            async with asyncio.timeout(within), self._turn:
                if self.closed:
                    raise Unreachable("the charger is not connected")
                message_id = str(uuid4())
                future = asyncio.get_running_loop().create_future()
                self._waiting[message_id] = future
                try:
                    sent = True
                    await self._send(frame.call(message_id, action, dict(payload)))
                    found: dict[str, Any] = await future
                    return found
                finally:
                    del self._waiting[message_id]
                    future.cancel()
        except TimeoutError:
            raise Unreachable("no answer in time", sent=sent) from None

    async def _take(self, found: Frame) -> None:
        if isinstance(found, Call):
            if self._under_way.get(found.id) == found:
                return  # repeated while it is being worked on: one answer serves both
            await self._room.acquire()
            self._under_way[found.id] = found
            self._spawn(self._serve(found))
            return
        future = self._waiting.get(found.id)
        if future is None or future.done():
            log.info("charger %s: an answer that nobody waits for", self.charge_point)
        elif isinstance(found, Result) and found.payload is not None:
            future.set_result(found.payload)
        elif isinstance(found, Failure):
            future.set_exception(Declined(f"the charger refused: {found.code}", found.code))
        else:
            future.set_exception(Declined("the charger's answer is no object", ErrorCode.FORMATION_VIOLATION))

    async def _serve(self, call: Call) -> None:
        try:
            lane = LANES.get(call.action)
            if lane is None:
                answer = await self._answer(call)
            else:
                async with self._lanes.locks[lane]:
                    answer = await self._answer(call)
        finally:
            if self._under_way.get(call.id) is call:
                del self._under_way[call.id]
            self._room.release()
        await self._send(answer)
        self._answered(self, call)

    async def _answer(self, call: Call) -> str:
        if call.action == "StatusNotification" and call.payload.get("connectorId") not in (0, "0"):
            self.told_status = True
        try:
            return frame.result(call.id, await self._handle(self.charge_point, call))
        except CallError as why:
            log.warning("charger %s: %r refused: %s", self.charge_point, call.action[:40], why)
            return frame.error(call.id, why)
        except Exception as why:  # noqa: BLE001  (whatever the core raises, the message is not stored)
            # Where it happened, and not what it says: that may hold a token.
            log.error("charger %s: %s failed: %s\n%s", self.charge_point, call.action, type(why).__name__,
                      "".join(traceback.format_tb(why.__traceback__)))  # fmt: skip
            return frame.error(call.id, CallError(ErrorCode.INTERNAL_ERROR, "it could not be stored: send it again"))

    async def _send(self, text: str) -> None:
        """Send, or drop it: a charger that is gone repeats what it has no answer to."""
        if self._socket.closed:
            return
        try:
            await self._socket.send_str(text)
        except ConnectionError:
            log.info("charger %s: gone before it was answered", self.charge_point)
