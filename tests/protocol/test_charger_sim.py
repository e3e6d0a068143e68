"""The simulated charger, against the central system and against central systems that do wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port

from bridge.model.command import CommandResult
from bridge.model.location import Status
from bridge.ocpp.central import CentralSystem, ListEntry
from bridge.roaming.ports import ChargerAnswer, ConnectorRef
from bridge.simulate.charger import Behaviour, SimulatedCharger
from bridge.simulate.charger_control import application
from bridge.simulate.charger_memory import VirtualClock
from tests.protocol.ocpp_core import PASSWORD, Recorder, config

CP1 = ConnectorRef("CP1", 1)
UID = "04A2B3C4"
FAST = {"speed": 0.0, "first_pause": 0.01, "longest_pause": 0.05, "answer_within": 5.0}
THEN = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)

Dial = Callable[..., Coroutine[Any, Any, SimulatedCharger]]


class World:
    """A core with a central system, which can be stopped and started, and a charger."""

    def __init__(self) -> None:
        self.core = Recorder()
        self.port = unused_port()
        self.url = f"ws://127.0.0.1:{self.port}/ocpp"
        self.central = CentralSystem(self.core, config())
        self._server: TestServer | None = None

    async def up(self) -> None:
        self.central = CentralSystem(self.core, config())
        app = web.Application()
        app.add_routes(self.central.routes())
        self._server = TestServer(app, host="127.0.0.1", port=self.port)
        await self._server.start_server(shutdown_timeout=1.0)

    async def down(self) -> None:
        if self._server is not None:
            await self.central.close(wait=1.0)
            await self._server.close()
            self._server = None

    @asynccontextmanager
    async def charger(self, *, clean: bool = True, **more: Any) -> AsyncIterator[SimulatedCharger]:
        """CP1, connected; at the end it must have nothing to complain of."""
        behaviour = Behaviour(**{**FAST, **more.pop("behaviour", {})})
        made = SimulatedCharger(self.url, "CP1", **{"password": PASSWORD, "behaviour": behaviour, **more})
        await made.open(wait=None if self._server is None else 10)
        try:
            yield made
        finally:
            await made.close()
        if clean:
            assert made.judge.rejections == []


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.up()
    yield made
    await made.down()


async def until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition on a charger, which tells nobody of its changes."""
    async with asyncio.timeout(seconds):
        while not done():
            await asyncio.sleep(0.005)


async def test_a_session_of_thirty_minutes(world: World) -> None:
    async with world.charger(clock=VirtualClock(THEN)) as charger:
        ended = await charger.session(1, UID, Decimal(11), 30)
    assert ended is not None
    assert ended.acknowledged
    assert (ended.meter_start, ended.meter_stop, ended.answer) == (0, 11000, "Accepted")
    core = world.core
    (start,), (stop,) = core.of("started"), core.of("stopped")
    assert start[1:4] == (CP1, UID, 0)
    assert stop[1:4] == ("CP1", 1, 11000)
    assert timedelta(minutes=30) <= stop[4] - start[4] < timedelta(minutes=30, seconds=5), "the charger's clock says so"
    assert THEN <= start[4] < THEN + timedelta(seconds=20)
    metered = [samples[0] for _, _, transaction, samples in core.of("metered") if transaction == 1]
    steps = [Decimal(i) * 11 / 6 for i in range(1, 6)]
    assert [round(one.register_kwh or 0, 3) for one in metered] == [round(step, 3) for step in steps]
    assert [one.context for one in stop[7]] == ["Transaction.Begin", "Transaction.End"]
    assert [one.register_kwh for one in stop[7]] == [Decimal(0), Decimal(11)]
    statuses = [one[2] for one in core.of("status") if one[1] == CP1]
    assert statuses == [Status.AVAILABLE, *[Status.CHARGING] * 3, Status.AVAILABLE]


async def test_speed_is_how_much_faster_it_is(world: World) -> None:
    async with world.charger(behaviour={"speed": 6000.0}) as charger:
        await charger.start(1, UID)
        begin = asyncio.get_running_loop().time()
        assert await charger.charge(1, minutes=20) == Decimal("7.333333"), "22 kW for 20 minutes"
        assert 0.19 <= asyncio.get_running_loop().time() - begin < 5
        assert await charger.charge(1, kwh=Decimal(1)) == Decimal(1)
        with pytest.raises(ValueError, match="how much"):
            await charger.charge(1)
        await charger.stop(1)
        with pytest.raises(ValueError, match="no transaction"):
            await charger.charge(1, minutes=1)


async def test_registers_in_kwh_with_their_noise_and_signed_values(world: World) -> None:
    def sign(register: Decimal, at: str, context: str) -> str:
        return f"OCMF|{{ {register} {at} }}|{context}"

    async with world.charger(behaviour={"unit": "kWh", "signed": sign, "kw": Decimal("0.61")}) as charger:
        await charger.session(1, UID, Decimal("0.15"), 15)
    (stop,) = world.core.of("stopped")
    begin, end = stop[7]
    assert begin.signed.startswith("OCMF|{ 0 ")
    assert end.signed.endswith("|Transaction.End")
    assert end.register_kwh == Decimal("0.15")


async def test_a_refused_token_ends_the_transaction(world: World) -> None:
    world.core.answer = ChargerAnswer.INVALID
    async with world.charger() as charger:
        assert await charger.swipe(1, UID) == "Invalid"
        assert world.core.of("started") == []
        made = await charger.start(1, UID)
        await until(lambda: made.acknowledged)
    (stop,) = world.core.of("stopped")
    assert (stop[2], stop[5]) == (1, "DeAuthorized")


async def test_a_core_that_fails_hears_the_same_again(world: World) -> None:
    world.core.failing = {"started": 2, "stopped": 3}
    async with world.charger() as charger:
        ended = await charger.session(1, UID, Decimal(1), 10)
        await until(lambda: not charger.memory.queue)
        assert ended is not None
        assert ended.acknowledged
        assert [one["code"] for one in charger.judge.errors] == ["InternalError"] * 5
    assert len(world.core.of("started")) == len(world.core.of("stopped")) == 1


async def test_what_happens_offline_is_told_later_without_a_boot(world: World) -> None:
    async with world.charger() as charger:
        await charger.plug(1)
        await charger.swipe(1, UID)
        await world.down()
        await charger.link.down.wait()
        await charger.charge(1, kwh=Decimal(5), minutes=20)
        ended = await charger.stop(1)
        await charger.unplug(1)
        assert ended is not None
        assert not ended.acknowledged
        heard = len(world.core.log)
        await world.up()
        await until(lambda: ended.acknowledged)
        assert charger.boots == 1
        assert charger.link.connects == 2
    names = [one[0] for one in world.core.log[heard:]]
    assert names[:4] == ["connected", "status", "status", "metered"], "the status comes before the late messages"
    (stop,) = world.core.of("stopped")
    assert stop[2:4] == (1, 5000)
    assert world.core.log[heard + 2][2] is Status.AVAILABLE


async def test_a_start_offline_gets_its_number_later(world: World) -> None:
    await world.down()
    async with world.charger() as charger:
        assert await charger.swipe(1, UID) == "Invalid", "nobody can be asked"
        charger.local_list = {UID: "Accepted"}
        await charger.plug(1)
        assert await charger.swipe(1, UID) == "Accepted"
        made = charger.memory.transactions[0]
        await charger.charge(1, kwh=Decimal(2), minutes=10)
        await charger.stop(1)
        assert made.number is None
        await world.up()
        await until(lambda: made.acknowledged)
        assert made.number == 1
    assert [one[2] for one in world.core.of("metered")] == [1]
    assert world.core.of("stopped")[0][2:4] == (1, 2000)


async def test_a_message_that_is_given_up(world: World) -> None:
    world.core.failing = {"started": 3}
    async with world.charger(behaviour={"attempts": 3}) as charger:
        await charger.session(1, UID, Decimal(1), 5)
        await until(lambda: not charger.memory.queue)
        assert [one["action"] for one in charger.dropped] == ["StartTransaction"]
    assert world.core.of("stopped")[0][2] == -1, "real chargers have no number then"


async def test_an_answer_that_got_lost_is_asked_for_again(world: World) -> None:
    free = world.core.hold["stopped"] = asyncio.Event()
    async with world.charger() as charger:
        made = await charger.start(1, UID)
        stopping = asyncio.create_task(charger.stop(1))
        await until(lambda: bool(charger.memory.queue))
        charger.offline()
        await stopping
        assert not made.acknowledged
        free.set()
        await charger.online()
        await until(lambda: made.acknowledged)
    first, second = world.core.of("stopped")
    assert first == second, "the same content"


async def test_a_file_outlives_the_charger(world: World, tmp_path: Path) -> None:
    queue = tmp_path / "queue.json"
    async with world.charger(queue=queue, clock=VirtualClock(THEN)) as charger:
        await charger.plug(1)
        await charger.swipe(1, UID)
        await charger.charge(1, kwh=Decimal(3), minutes=12)
        await until(lambda: not charger.memory.queue)
        await world.down()
        await charger.link.down.wait()
    await world.up()
    async with world.charger(queue=queue, clock=VirtualClock(THEN)) as again:
        await until(lambda: not again.memory.queue)
        assert again.memory.transactions[0].acknowledged
        assert again.connectors[1].register >= 2000
    (stop,) = world.core.of("stopped")
    assert (stop[2], stop[5]) == (1, "PowerLoss")
    assert stop[3] >= 2000
    assert stop[4] >= THEN + timedelta(minutes=10), "its clock does not go back"


# --- what the central system asks for -------------------------------------------------------------------------------------


async def test_remote_start_and_stop(world: World) -> None:
    async with world.charger(connectors=2) as charger:
        central = world.central
        assert await central.start(ConnectorRef("CP1", 2), "alias-7") is CommandResult.ACCEPTED
        await world.core.until(lambda: bool(world.core.of("started")))
        assert world.core.of("started")[0][1:3] == (ConnectorRef("CP1", 2), "ALIAS-7")
        await until(lambda: charger.connectors[2].status == "Charging")
        assert await central.start(ConnectorRef("CP1", 2), "other") is CommandResult.REJECTED
        assert await central.start(ConnectorRef("CP1", 3), "other") is CommandResult.REJECTED
        assert await central.stop("CP1", 99) is CommandResult.REJECTED
        assert await central.stop("CP1", 1) is CommandResult.ACCEPTED
        await world.core.until(lambda: bool(world.core.of("stopped")))
        assert world.core.of("stopped")[0][5] == "Remote"
        assert await central.start(ConnectorRef("CP1", 0), "third") is CommandResult.ACCEPTED
        await world.core.until(lambda: len(world.core.of("started")) == 2)
        assert world.core.of("authorise") == [], "a remote start needs no question (AuthorizeRemoteTxRequests)"


async def test_a_remote_session_by_plan(world: World) -> None:
    async with world.charger(behaviour={"remote_plan": (Decimal(4), Decimal(15))}):
        assert await world.central.start(CP1, UID) is CommandResult.ACCEPTED
        await world.core.until(lambda: bool(world.core.of("stopped")))
    (stop,) = world.core.of("stopped")
    assert (stop[3], stop[5]) == (4000, "EVDisconnected")


async def test_unlock_ends_the_transaction_first(world: World) -> None:
    async with world.charger() as charger:
        await charger.start(1, UID)
        assert await world.central.unlock(CP1) is CommandResult.ACCEPTED
        await world.core.until(lambda: bool(world.core.of("stopped")))
        assert world.core.of("stopped")[0][5] == "UnlockCommand"
        assert await world.central.unlock(ConnectorRef("CP1", 9)) is CommandResult.NOT_SUPPORTED


async def test_reservations(world: World) -> None:
    async with world.charger(clock=VirtualClock(THEN)) as charger:
        central, until_then = world.central, THEN + timedelta(hours=1)
        assert await central.reserve(CP1, UID, 7, until_then) is CommandResult.ACCEPTED
        await world.core.until(lambda: world.core.log[-1][2:3] == (Status.RESERVED,))
        assert await central.reserve(CP1, UID, 7, until_then) is CommandResult.ACCEPTED, "the same again replaces it"
        assert await central.reserve(CP1, "OTHER", 8, until_then) is CommandResult.EVSE_OCCUPIED
        assert await central.start(CP1, "OTHER") is CommandResult.REJECTED
        assert await charger.swipe(1, "OTHER") == "Refused"
        assert await central.cancel("CP1", 8) is CommandResult.UNKNOWN_RESERVATION
        assert await central.cancel("CP1", 7) is CommandResult.ACCEPTED
        await until(lambda: charger.connectors[1].status == "Available")
        assert await central.reserve(CP1, UID, 9, until_then) is CommandResult.ACCEPTED
        await charger.session(1, UID, Decimal(1), 5)
        assert await central.cancel("CP1", 9) is CommandResult.UNKNOWN_RESERVATION, "it was used"
        assert await central.reserve(CP1, UID, 10, charger.clock.now() + timedelta(minutes=5)) is CommandResult.ACCEPTED
        charger.clock.reach(charger.clock.now() + timedelta(minutes=6))
        assert await charger.swipe(1, "OTHER") == "Accepted", "it is over"
        assert await world.central.change_availability(CP1, operative=False) == "Accepted"
        assert await central.reserve(CP1, UID, 11, charger.clock.now() + timedelta(minutes=5)) is CommandResult.EVSE_INOPERATIVE


async def test_lists_cache_triggers_and_reset(world: World) -> None:
    async with world.charger(connectors=2) as charger:
        central = world.central
        assert await central.local_list_version("CP1") == 0
        assert await central.send_local_list("CP1", 1, [ListEntry("A"), ListEntry("B")], full=True) == "Accepted"
        assert await central.send_local_list("CP1", 1, [], full=False) == "VersionMismatch"
        assert await central.send_local_list("CP1", 2, [ListEntry("a", None)], full=False) == "Accepted"
        assert charger.local_list == {"B": "Accepted"}
        assert await central.local_list_version("CP1") == 2
        many = [ListEntry(f"T{i}") for i in range(49)]
        assert await central.send_local_list("CP1", 3, many, full=True) == "Failed"
        assert await central.clear_cache("CP1") == "Accepted"
        before = len(world.core.of("status"))
        assert await central.trigger("CP1", "StatusNotification") == "Accepted"
        await world.core.until(lambda: len(world.core.of("status")) == before + 3)
        assert await central.trigger("CP1", "MeterValues", 2) == "Accepted"
        await world.core.until(lambda: bool(world.core.of("metered")))
        assert world.core.of("metered")[0][1:3] == (ConnectorRef("CP1", 2), None)
        assert await central.trigger("CP1", "FirmwareStatusNotification") == "NotImplemented"
        keys = (await central.call("CP1", "GetConfiguration", {"key": ["SendLocalListMaxLength", "Nope"]}))["configurationKey"]
        assert [one["value"] for one in keys] == ["48"]
        made = await charger.start(1, UID)
        assert (await central.call("CP1", "Reset", {"type": "Soft"}))["status"] == "Accepted"
        await until(lambda: charger.boots == 2 and charger.link.up.is_set() and made.acknowledged)
        assert world.core.of("stopped")[0][5] == "SoftReset"


async def test_silence_and_refusals_on_demand(world: World) -> None:
    async with world.charger() as charger:
        charger.link.faults.silent = 1
        answered = await asyncio.gather(world.central.call("CP1", "ClearCache", {}, 0.05), return_exceptions=True)
        assert "no answer in time" in str(answered[0])
        charger.link.faults.refuse = 1
        assert await world.central.unlock(CP1) is CommandResult.FAILED
        assert await world.central.unlock(CP1) is CommandResult.ACCEPTED
        charger.link.faults.delay = 0.05
        both = await asyncio.gather(world.central.cancel("CP1", 1), world.central.cancel("CP1", 2))
        assert set(both) == {CommandResult.UNKNOWN_RESERVATION}, "one after the other: the judge would tell"


# --- central systems that do wrong ----------------------------------------------------------------------------------------


@asynccontextmanager
async def bad(play: Callable[[web.WebSocketResponse], Coroutine[Any, Any, None]], protocol: str = "ocpp1.6") -> AsyncIterator[str]:
    """A central system by hand; its address."""

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(protocol,) if protocol else ())
        await socket.prepare(request)
        await play(socket)
        return socket

    app = web.Application()
    app.router.add_get("/x/CP1", handler)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.5)
    try:
        yield f"ws://{server.host}:{server.port}/x"
    finally:
        await server.close()


NOW = "2026-03-04T05:06:07Z"
BOOT = {"currentTime": NOW, "interval": 300, "status": "Accepted"}


async def _good(socket: web.WebSocketResponse, count: int) -> None:
    """Answer so many messages as is right."""
    for _ in range(count):
        call = json.loads(await socket.receive_str())
        await socket.send_json([3, call[1], BOOT if call[2] == "BootNotification" else {}])


@pytest.mark.parametrize(
    ("frame", "code", "complaint"),
    [
        ([2, "1", "RemoteStartTransaction", {"idTag": "x" * 21}], "PropertyConstraintViolation", "idTag: violates maxLength"),
        ([2, "1", "RemoteStartTransaction", {}], "ProtocolError", "$: violates required"),
        ([2, "1", "RemoteStopTransaction", {"transactionId": "7"}], "TypeConstraintViolation", "transactionId: violates type"),
        ([2, "1", "ClearCache", {"x": 1}], "FormationViolation", "$: violates additionalProperties"),
        ([2, "1", "ReserveNow", {"connectorId": 1, "expiryDate": "soon", "idTag": "A", "reservationId": 1}],
         "PropertyConstraintViolation", "expiryDate: violates format"),
        ([2, "1", "GetBaseReport", {}], "NotImplemented", "OCPP 1.6 knows no GetBaseReport"),
        ([2, 1, "ClearCache", {}], "FormationViolation", "the message id is no text of 1 to 36 characters"),
        ([2, "y" * 37, "ClearCache", {}], "FormationViolation", "the message id is no text of 1 to 36 characters"),
        ([2, "1", "ClearCache"], "FormationViolation", "a CALL is [2, id, action, payload]"),
    ],
)  # fmt: skip
async def test_wrong_calls_are_refused_and_kept(frame: list[Any], code: str, complaint: str) -> None:
    heard: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    async def play(socket: web.WebSocketResponse) -> None:
        await _good(socket, 3)
        await socket.send_json(frame)
        heard.set_result(json.loads(await socket.receive_str()))

    async with bad(play) as url, _charger(url) as charger:
        answer = await asyncio.wait_for(heard, 5)
        assert (answer[0], answer[2]) == (4, code)
        assert charger.report()["rejections"][0]["because"] == complaint


@asynccontextmanager
async def _charger(url: str) -> AsyncIterator[SimulatedCharger]:
    charger = SimulatedCharger(url, "CP1", behaviour=Behaviour(speed=0, first_pause=30, longest_pause=30))
    await charger.open(wait=None)
    try:
        yield charger
    finally:
        await charger.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("oops", "no JSON"),
        ('{"a":1}', "no array of CALL, CALLRESULT or CALLERROR"),
        ('[3,"unasked",{}]', "an answer to nothing that was asked"),
    ],
)
async def test_wrong_frames_are_kept(text: str, complaint: str) -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        await _good(socket, 3)
        await socket.send_str(text)
        await socket.receive()

    async with bad(play) as url, _charger(url) as charger:
        await until(lambda: bool(charger.judge.rejections))
        assert charger.judge.rejections[0]["because"] == complaint


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"currentTime": NOW, "interval": "300", "status": "Accepted"}, "interval: violates type"),
        ({"currentTime": "2026-03-04T05:06:07", "interval": 300, "status": "Accepted"}, "currentTime: violates format"),
        ({"interval": 300, "status": "Accepted"}, "$: violates required"),
    ],
)
async def test_wrong_answers_are_kept(answer: dict[str, Any], complaint: str) -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        call = json.loads(await socket.receive_str())
        await socket.send_json([3, call[1], answer])
        await socket.receive()

    async with bad(play) as url, _charger(url) as charger:
        await until(lambda: bool(charger.judge.rejections))
        assert charger.judge.rejections[0] == {"message": "BootNotificationResponse", "code": charger.judge.rejections[0]["code"],
                                               "because": complaint}  # fmt: skip
        assert not charger.link.up.is_set()


async def test_two_calls_at_once_and_a_used_id_are_kept() -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        await _good(socket, 3)
        await socket.send_json([2, "1", "ClearCache", {}])
        await socket.send_json([2, "1", "ClearCache", {}])
        await socket.receive()
        await socket.receive()

    async with bad(play) as url, _charger(url) as charger:
        charger.link.faults.delay = 0.05
        await until(lambda: len(charger.judge.rejections) == 2)
        assert {one["because"] for one in charger.judge.rejections} == {
            "a CALL while another has no answer yet", "the message id was used before on this connection"}  # fmt: skip


async def test_a_connection_without_the_subprotocol_and_a_refused_one_are_kept(world: World) -> None:
    async def play(socket: web.WebSocketResponse) -> None:
        await socket.receive()

    async with bad(play, protocol="") as url, _charger(url) as charger:
        await until(lambda: bool(charger.judge.rejections))
        assert charger.judge.rejections[0]["message"] == "handshake"
    async with _charger(world.url) as charger:
        await until(lambda: bool(charger.judge.rejections))
        assert charger.judge.rejections[0]["code"] == "401"


# --- driven over HTTP -----------------------------------------------------------------------------------------------------


async def test_control(world: World) -> None:
    async with world.charger() as charger, TestClient(TestServer(application(charger))) as client:

        async def post(path: str, **body: Any) -> tuple[int, dict[str, Any]]:
            async with client.post(f"/_sim/{path}", json=body) as response:
                return response.status, await response.json()

        assert await post("plug", connector=1) == (200, {})
        assert await post("swipe", connector=1, id_tag=UID) == (200, {"status": "Accepted", "transaction": 1})
        assert await post("charge", connector=1, kwh=11.5, minutes=30) == (200, {"kwh": "11.500"})
        assert await post("stop", connector=1) == (200, {"transaction": 1})
        assert await post("unplug", connector=1) == (200, {})
        status, session = await post("session", connector=1, id_tag=UID, kwh="2", minutes="10")
        assert (status, session) == (200, {"transaction": 2, "meter_start": 11500, "meter_stop": 13500, "acknowledged": True})
        assert await post("status", connector=1, status="Faulted") == (200, {})
        assert world.core.log[-1][2] is Status.OUT_OF_ORDER
        assert await post("offline") == (200, {})
        async with client.get("/_sim/report") as response:
            report = await response.json()
        assert (report["online"], report["rejections"], report["queue"]) == (False, [], 0)
        assert [one["meter_stop"] for one in report["transactions"]] == [11500, 13500]
        assert await post("online") == (200, {})
        await charger.link.up.wait()
        assert await post("faults", silent=2, delay=0.5) == (200, {})
        assert (charger.link.faults.silent, charger.link.faults.delay) == (2, 0.5)
        for path, body in (("plug", {"connector": 9}), ("swipe", {"connector": 1}), ("charge", {"connector": 1, "kwh": 1}),
                           ("charge", {"connector": 1, "kwh": "x"}), ("session", {"id_tag": UID})):  # fmt: skip
            status, answer = await post(path, **body)
            assert status == 400
            assert answer["error"]


async def test_a_process_that_is_killed_tells_the_rest_when_it_comes_back(world: World, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from bridge.simulate.charger import charger; charger()", "--url", world.url, "--id", "CP1",
               "--control-port", "0", "--queue", str(tmp_path / "queue.json"), "--speed", "0", "--signed"]  # fmt: skip
    environment = {**os.environ, "EVBRIDGE_CHARGER_PASSWORD": PASSWORD.decode()}

    async def launch() -> tuple[asyncio.subprocess.Process, str]:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        return process, line.split()[-1]

    process, control = await launch()
    try:
        async with aiohttp.ClientSession() as session:
            await world.core.until(lambda: len(world.core.of("status")) == 2)
            async with session.post(control + "start", json={"connector": 1, "id_tag": UID}) as response:
                assert (await response.json())["transaction"] == 1
            async with session.post(control + "charge", json={"connector": 1, "kwh": 2, "minutes": 10}) as response:
                assert response.status == 200
        await world.core.until(lambda: bool(world.core.of("metered")))
        process.send_signal(signal.SIGKILL)
        await process.wait()
        process, _ = await launch()
        await world.core.until(lambda: bool(world.core.of("stopped")), 20)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)
    assert process.returncode == 0
    (stop,) = world.core.of("stopped")
    assert (stop[2], stop[5]) == (1, "PowerLoss")
    assert "OCMF|" in (stop[7][0].signed or "")
