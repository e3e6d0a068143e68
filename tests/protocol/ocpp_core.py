"""A core that records what chargers tell it, and a bare charger that speaks frames."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.model.location import Status
from bridge.ocpp.central import CentralSystem, ChargerAccess, OcppConfig
from bridge.roaming.ports import ChargerAnswer, ConnectorRef, MeterSample
from bridge.simulate.charger_judge import Judge

PASSWORD = b"0123456789abcdef"


class Recorder:
    """Implements ChargerEvents. ``failing`` names the events that raise; ``hold`` those that wait to be set free."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.failing: dict[str, int] = {}
        self.hold: dict[str, asyncio.Event] = {}
        self.known = True
        self.answer = ChargerAnswer.ACCEPTED
        self.numbers: dict[tuple[Any, ...], int] = {}
        self.changed = asyncio.Event()

    async def _heard(self, *what: Any) -> None:
        name = what[0]
        if name in self.hold:
            await self.hold[name].wait()
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            raise OSError(f"disk full while storing {what}")
        self.log.append(what)
        self.changed.set()

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        return [one for one in self.log if one[0] in names]

    async def until(self, done: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for a condition on what is recorded."""
        async with asyncio.timeout(seconds):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    async def connected(self, charge_point: str) -> bool:
        await self._heard("connected", charge_point)
        return self.known

    async def disconnected(self, charge_point: str) -> None:
        await self._heard("disconnected", charge_point)

    async def status(self, ref: ConnectorRef, status: Status, at: datetime, error: str | None = None) -> None:
        await self._heard("status", ref, status, at, error)

    async def authorise(self, charge_point: str, id_token: str) -> ChargerAnswer:
        await self._heard("authorise", charge_point, id_token)
        return self.answer

    async def started(self, ref: ConnectorRef, id_token: str, meter_start_wh: int, at: datetime) -> tuple[int, ChargerAnswer]:
        await self._heard("started", ref, id_token, meter_start_wh, at)
        number = self.numbers.setdefault((ref, id_token, meter_start_wh, at), len(self.numbers) + 1)
        return number, self.answer

    async def metered(self, ref: ConnectorRef, transaction: int | None, samples: Sequence[MeterSample]) -> None:
        await self._heard("metered", ref, transaction, tuple(samples))

    async def stopped(self, charge_point: str, transaction: int, meter_stop_wh: int, at: datetime, reason: str | None,
                      id_token: str | None, samples: Sequence[MeterSample]) -> None:  # fmt: skip
        await self._heard("stopped", charge_point, transaction, meter_stop_wh, at, reason, id_token, tuple(samples))


@asynccontextmanager
async def serving(central: CentralSystem, port: int | None = None) -> AsyncIterator[TestServer]:
    """The central system on a real socket."""
    app = web.Application()
    app.add_routes(central.routes())
    server = TestServer(app, port=port)
    await server.start_server(shutdown_timeout=1.0)
    try:
        yield server
    finally:
        await central.close(wait=1.0)
        await server.close()


def config(**more: Any) -> OcppConfig:
    """CP1 and CP2 with the same password, and no questions asked after connecting."""
    base: dict[str, Any] = {
        "chargers": {"CP1": ChargerAccess(password=PASSWORD), "CP2": ChargerAccess(password=PASSWORD)},
        "trigger_after": None,
        "call_timeout": 5.0,
    }
    return OcppConfig(**{**base, **more})


def basic(user: str, password: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(user.encode() + b":" + password).decode()}


class Raw:
    """A charger without any rules: sends what it is told, and judges by the schemas what comes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.judge = Judge()

    async def say(self, frame: Any) -> None:
        await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def hear(self) -> list[Any]:
        message = await self.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: list[Any] = json.loads(message.data)
        return frame

    async def ask(self, action: str, payload: dict[str, Any], message_id: str = "m1") -> dict[str, Any]:
        """A CALL whose CALLRESULT is valid by the schema."""
        await self.say([2, message_id, action, payload])
        frame = await self.hear()
        assert frame[:2] == [3, message_id], frame
        assert self.judge.result(action, frame), self.judge.rejections
        answer: dict[str, Any] = frame[2]
        return answer

    async def refused(self, frame: Any) -> tuple[Any, str]:
        """Message id and code of the CALLERROR to a frame; it must be a valid one."""
        await self.say(frame)
        heard = await self.hear()
        assert heard[0] == 4, heard
        code = self.judge.error("?", [4, str(heard[1]), *heard[2:]])
        assert not self.judge.rejections
        return heard[1], code

    async def called(self) -> list[Any]:
        """A CALL of the central system, valid by the schema."""
        frame = await self.hear()
        assert frame[0] == 2, frame
        assert self.judge.call(frame) is None, self.judge.rejections
        return frame

    async def closing(self) -> int | None:
        """The code with which it is closed."""
        while True:
            message = await self.socket.receive(timeout=5)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return self.socket.close_code
