"""A simulated charger's connection: a WebSocket client that connects again, and judges every frame."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
from attrs import define

from bridge.simulate.charger_judge import Judge


class NotAnsweredError(Exception):
    """No answer: not connected, the connection lost, or out of time."""


class RefusedError(Exception):
    """A CALLERROR; ``code`` is its code. ``WrongAnswer`` for a CALLRESULT against the schema."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@define
class LinkFaults:
    """What goes wrong at the charger's side. ``silent`` and ``refuse`` count CALLs of the central system."""

    silent: int = 0
    refuse: int = 0
    delay: float = 0.0


class Link:
    """The connection of one charger to ``url`` + ``/`` + ``identity``.

    ``handle`` answers a CALL of the central system: a payload, or a CALLERROR's code as text. ``connected`` is awaited
    after each connection. Pauses between attempts go from ``first_pause`` seconds to ``longest_pause``, doubling.
    """

    def __init__(self, url: str, identity: str, password: bytes | None, judge: Judge, *,
                 handle: Callable[[str, dict[str, Any]], dict[str, Any] | str],
                 connected: Callable[[], Awaitable[None]], timeout: float = 30.0,
                 first_pause: float = 0.5, longest_pause: float = 30.0) -> None:  # fmt: skip
        self.judge = judge
        self.faults = LinkFaults()
        self.connects = 0
        self.up = asyncio.Event()
        """Connected, and ``connected`` has run."""
        self.down = asyncio.Event()
        self.down.set()
        self._url = f"{url.rstrip('/')}/{quote(identity, safe='')}"
        self._headers = {}
        if password is not None:
            proof = base64.b64encode(identity.encode() + b":" + password).decode()
            self._headers["Authorization"] = f"Basic {proof}"
        self._handle, self._connected = handle, connected
        self._timeout, self._first, self._longest = timeout, first_pause, longest_pause
        self._allowed = asyncio.Event()
        self._allowed.set()
        self._turn = asyncio.Lock()
        self._waiting: dict[str, tuple[str, asyncio.Future[list[Any]]]] = {}
        self._given_up: set[str] = set()
        self._answering = 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Be connected, whenever it is allowed, until cancelled."""
        pause = self._first
        async with aiohttp.ClientSession() as session:
            while True:
                await self._allowed.wait()
                if await self._once(session):
                    pause = self._first
                if self._allowed.is_set():
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, self._longest)

    async def _once(self, session: aiohttp.ClientSession) -> bool:
        """One connection, from its beginning to its end; whether there was one."""
        try:
            socket = await session.ws_connect(self._url, protocols=("ocpp1.6",), headers=self._headers, autoping=True)
        except aiohttp.WSServerHandshakeError as why:
            if why.status not in (429, 502, 503, 504):
                self.judge.reject("handshake", str(why.status), "the connection is refused")
            return False
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        if socket.protocol != "ocpp1.6":
            self.judge.reject("handshake", str(socket.protocol), "the subprotocol ocpp1.6 was not agreed on")
        self._socket = socket
        self.judge.used.clear()
        self.connects += 1
        self.down.clear()
        beginning = self._spawn(self._begin())
        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    self.judge.reject("frame", "FormationViolation", "a frame that is no text")
                    break
                await self._take(message.data)
        finally:
            beginning.cancel()
            self._lost()
            await socket.close()
        return True

    async def _begin(self) -> None:
        try:
            await self._connected()
            self.up.set()
        except (NotAnsweredError, RefusedError):
            if self._socket is not None:
                await self._socket.close()

    def _lost(self) -> None:
        self.up.clear()
        self.down.set()
        self._socket = None
        self._given_up.clear()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(NotAnsweredError("the connection was lost"))

    def allow(self, wanted: bool) -> None:
        """Go offline, or back online. The connection is cut, not closed in order."""
        if wanted:
            self._allowed.set()
            return
        self._allowed.clear()
        if self._socket is not None:
            self._spawn(self._hang_up(self._socket))

    async def _hang_up(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)

    async def reconnect(self) -> None:
        """Close the connection and make a new one."""
        if self._socket is not None:
            await self._socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)

    async def close(self) -> None:
        """End what was begun here; :meth:`run` is ended by cancelling it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- our CALLs ----------------------------------------------------------------------------------------------------

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a CALL, one at a time, and wait for its answer. Raises NotAnsweredError or RefusedError."""
        async with self._turn:
            if self._socket is None:
                raise NotAnsweredError("not connected")
            message_id = str(uuid4())
            future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            self._waiting[message_id] = (action, future)
            try:
                async with asyncio.timeout(self._timeout):  # wait_for of Python 3.11 can lose a cancellation
                    await self._send([2, message_id, action, payload])
                    frame = await future
            except TimeoutError:
                self._given_up.add(message_id)
                raise NotAnsweredError("no answer in time") from None
            finally:
                del self._waiting[message_id]
        if frame[0] == 4:
            raise RefusedError(self.judge.error(action, frame))
        if not self.judge.result(action, frame):
            raise RefusedError("WrongAnswer")
        answer: dict[str, Any] = frame[2]
        return answer

    async def _send(self, frame: list[Any]) -> None:
        if self._socket is None or self._socket.closed:
            raise NotAnsweredError("not connected")
        try:
            await self._socket.send_str(json.dumps(frame, separators=(",", ":")))
        except ConnectionError as why:
            raise NotAnsweredError("the connection was lost") from why

    # --- theirs -------------------------------------------------------------------------------------------------------

    async def _take(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            self.judge.reject("frame", "FormationViolation", "no JSON")
            return
        if not isinstance(frame, list) or len(frame) < 3 or frame[0] not in (2, 3, 4):
            self.judge.reject("frame", "FormationViolation", "no array of CALL, CALLRESULT or CALLERROR")
        elif frame[0] == 2:
            if self._answering:
                self.judge.reject(str(frame[2])[:60], "ProtocolError", "a CALL while another has no answer yet")
            self._answering += 1
            self._spawn(self._answer(frame))
        else:
            waiting = self._waiting.get(frame[1]) if isinstance(frame[1], str) else None
            if waiting is not None and not waiting[1].done():
                waiting[1].set_result(frame)
            elif frame[1] not in self._given_up:
                self.judge.reject("answer", "ProtocolError", "an answer to nothing that was asked")

    async def _answer(self, frame: list[Any]) -> None:
        silent = False
        try:
            wrong = self.judge.call(frame)
            if self.faults.delay:
                await asyncio.sleep(self.faults.delay)
            if self.faults.silent > 0:
                self.faults.silent -= 1
                silent = True
                return
            if wrong is None and self.faults.refuse > 0:
                self.faults.refuse -= 1
                wrong = ("InternalError", "told to refuse")
            message_id = frame[1] if isinstance(frame[1], str) else "-1"
            answer = self._handle(frame[2], frame[3]) if wrong is None else wrong[0]
            if isinstance(answer, str):
                await self._send([4, message_id, answer, wrong[1] if wrong else "", {}])
            else:
                await self._send([3, message_id, answer])
        except NotAnsweredError:
            pass  # the central system is gone
        except Exception as why:  # noqa: BLE001  (a fault of the simulator must be seen, not lose itself in a task)
            self.judge.reject("simulator", "InternalError", f"{type(why).__name__}: {why}")
        finally:
            # After silence it may call again once it has given up, and nobody here can tell when that is.
            self._answering = 0 if silent else max(0, self._answering - 1)
