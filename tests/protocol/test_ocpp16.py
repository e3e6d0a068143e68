"""The central system, by the schemas of OCPP 1.6 and by what chargers of the field do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bridge.errors import ConfigError, Declined, Unreachable
from bridge.model.command import CommandResult
from bridge.model.location import Status
from bridge.ocpp import frame
from bridge.ocpp.central import CentralSystem, ChargerAccess, ListEntry, OcppConfig, hash_password, proven
from bridge.ocpp.fields import moment, number
from bridge.ocpp.meter import samples
from bridge.roaming.ports import ChargerAnswer, ChargerControl, ConnectorRef, MeterSample
from bridge.simulate.charger_judge import complaint
from tests.protocol.ocpp_core import PASSWORD, Raw, Recorder, basic, config, serving

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
T = "2026-03-04T05:06:07Z"
CP1 = ConnectorRef("CP1", 1)
UID = "04a2b3c4d5e6f7"


class World:
    """A central system with its core, on a socket."""

    def __init__(self, server: TestServer, core: Recorder, central: CentralSystem, session: aiohttp.ClientSession) -> None:
        self.server, self.core, self.central, self.session = server, core, central, session
        self.dialled: list[Raw] = []

    async def dial(self, charge_point: str = "CP1", **more: Any) -> Raw:
        more = {"protocols": ("ocpp1.6",), "headers": basic(charge_point, PASSWORD), **more}
        socket = await self.session.ws_connect(self.server.make_url(f"/ocpp/{charge_point}"), **more)
        self.dialled.append(Raw(socket))
        return self.dialled[-1]

    async def denied(self, charge_point: str = "CP1", **more: Any) -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await self.dial(charge_point, **more)
        return caught.value.status

    async def gone(self, charge_point: str = "CP1") -> None:
        await self.core.until(lambda: ("disconnected", charge_point) in self.core.log)


@pytest.fixture
def settings() -> OcppConfig:
    return config()


@pytest.fixture
async def world(settings: OcppConfig) -> AsyncIterator[World]:
    core = Recorder()
    central = CentralSystem(core, settings)
    async with serving(central) as server, aiohttp.ClientSession() as session:
        made = World(server, core, central, session)
        yield made
        for raw in made.dialled:
            await raw.socket.close()


def test_it_is_what_the_core_asks_of_chargers() -> None:
    control: ChargerControl = CentralSystem(Recorder(), config())
    assert not control.online("CP1")


# --- before the upgrade ---------------------------------------------------------------------------------------------------


async def test_refusals_before_the_upgrade(world: World) -> None:
    assert await world.denied("CP9") == 404
    assert await world.denied(headers={}) == 401
    assert await world.denied(headers=basic("CP1", b"wrong")) == 401
    assert await world.denied(headers=basic("CP2", PASSWORD)) == 401, "one charger may not speak for another"
    assert await world.denied(headers={"Authorization": "Basic %%%"}) == 401
    assert await world.denied(headers={"Authorization": "Bearer x"}) == 401
    assert await world.denied(protocols=()) == 400
    assert await world.denied(protocols=("ocpp2.0.1",)) == 400
    assert world.core.log == [], "nobody who is refused reaches the core"
    world.core.known = False
    assert await world.denied() == 404
    world.core.failing["connected"] = 1
    assert await world.denied() == 503
    assert not world.central.online("CP1")


async def test_a_plain_request_is_no_charger(world: World) -> None:
    headers = {**basic("CP1", PASSWORD), "Sec-WebSocket-Protocol": "ocpp1.6"}
    async with world.session.get(world.server.make_url("/ocpp/CP1"), headers=headers) as response:
        assert response.status == 400
    async with world.session.get(world.server.make_url("/ocpp/CP1")) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")
    assert world.core.log == []


async def test_the_subprotocol_is_chosen_among_several(world: World) -> None:
    raw = await world.dial(protocols=("ocpp2.1", "ocpp2.0.1", "ocpp1.6"))
    assert raw.socket.protocol == "ocpp1.6"
    assert world.central.online("CP1")
    assert world.central.connected == {"CP1"}


@pytest.mark.parametrize("sent", [b"a1" * 20, b"A1" * 20, bytes.fromhex("a1" * 20)], ids=["text", "capitals", "bytes"])
def test_a_key_in_hexadecimal_is_right_as_text_and_as_bytes(sent: bytes) -> None:
    header = basic("CP1", sent)["Authorization"]
    if sent != b"A1" * 20:  # a text is compared as it is
        assert proven(ChargerAccess(password=b"a1" * 20), "CP1", header)
        assert proven(ChargerAccess(password_hash=hash_password(b"a1" * 20)), "CP1", header)
    assert not proven(ChargerAccess(password=b"a2" * 20), "CP1", header)
    assert not proven(ChargerAccess(password_hash=hash_password(b"a2" * 20)), "CP1", header)
    assert not proven(ChargerAccess(password=b"a1" * 20), "CP2", header)


def test_a_password_may_be_any_bytes_and_hold_colons() -> None:
    odd = b"\x00:\xff:" + bytes(range(12))
    assert proven(ChargerAccess(password=odd), "C:1", basic("C:1", odd)["Authorization"])
    assert not proven(ChargerAccess(password=odd), "C", basic("C:1", odd)["Authorization"])
    assert not proven(ChargerAccess(password=b""), "CP1", None)
    assert proven(ChargerAccess(), "CP1", None), "security profile 0"


def test_secrets_are_not_shown_and_hashes_are_checked() -> None:
    access = ChargerAccess(password=b"secret", password_hash=hash_password(b"secret"))
    assert "secret" not in repr(access)
    assert hashlib.sha256(b"secret").hexdigest() not in hash_password(b"secret"), "salted"
    with pytest.raises(ConfigError, match="password_hash"):
        ChargerAccess(password_hash="md5:" + "abc")


# --- what chargers say ----------------------------------------------------------------------------------------------------


async def test_a_session_from_boot_to_stop(world: World) -> None:
    raw = await world.dial()
    boot = await raw.ask("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
    assert boot["status"] == "Accepted"
    assert 270 <= boot["interval"] <= 330
    await raw.ask("Heartbeat", {})
    await raw.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Preparing", "timestamp": T})
    assert (await raw.ask("Authorize", {"idTag": UID}))["idTagInfo"] == {"status": "Accepted"}
    start = {"connectorId": 1, "idTag": UID, "meterStart": 1000, "timestamp": T}
    assert (await raw.ask("StartTransaction", start))["transactionId"] == 1
    value = [{"timestamp": T, "sampledValue": [{"value": "1500"}]}]
    await raw.ask("MeterValues", {"connectorId": 1, "transactionId": 1, "meterValue": value})
    await raw.ask("StopTransaction", {"transactionId": 1, "meterStop": 2000, "timestamp": T, "reason": "Local", "idTag": UID})
    upper = UID.upper()
    assert world.core.log == [
        ("connected", "CP1"),
        ("status", CP1, Status.CHARGING, AT, None),
        ("authorise", "CP1", upper),
        ("started", CP1, upper, 1000, AT),
        ("metered", CP1, 1, (MeterSample(AT, Decimal("1.5")),)),
        ("stopped", "CP1", 1, 2000, AT, "Local", upper, ()),
    ]
    await raw.socket.close()
    await world.gone()
    assert not world.central.online("CP1")


@pytest.mark.parametrize(
    ("told", "status"),
    [("Available", Status.AVAILABLE), ("Preparing", Status.CHARGING), ("Charging", Status.CHARGING),
     ("SuspendedEV", Status.CHARGING), ("SuspendedEVSE", Status.CHARGING), ("Finishing", Status.CHARGING),
     ("Reserved", Status.RESERVED), ("Unavailable", Status.INOPERATIVE), ("Faulted", Status.OUT_OF_ORDER),
     ("available", Status.AVAILABLE), ("Occupied", Status.OCCUPIED), ("Broken!", Status.UNKNOWN)],
)  # fmt: skip
async def test_status(world: World, told: str, status: Status) -> None:
    raw = await world.dial()
    await raw.ask("StatusNotification", {"connectorId": 0, "errorCode": "NoError", "status": told, "timestamp": T})
    assert world.core.log[-1] == ("status", ConnectorRef("CP1", 0), status, AT, None)


async def test_a_fault_is_told_with_its_reason_and_a_missing_time_is_now(world: World) -> None:
    raw = await world.dial()
    await raw.ask("StatusNotification", {"connectorId": 1, "errorCode": "GroundFailure", "vendorErrorCode": "E7",
                                         "info": "leak", "status": "Faulted"})  # fmt: skip
    *_, at, error = world.core.log[-1]
    assert error == "GroundFailure: E7: leak"
    assert abs(datetime.now(UTC) - at) < timedelta(seconds=10)


@pytest.mark.parametrize("answer", list(ChargerAnswer))
async def test_every_answer_about_a_token_is_said(world: World, answer: ChargerAnswer) -> None:
    world.core.answer = answer
    raw = await world.dial()
    assert (await raw.ask("Authorize", {"idTag": "AA"}))["idTagInfo"]["status"] == answer.value
    start = await raw.ask("StartTransaction", {"connectorId": 1, "idTag": "AA", "meterStart": 0, "timestamp": T})
    assert start == {"idTagInfo": {"status": answer.value}, "transactionId": 1}, "a refused token has a transaction, too"


async def test_messages_that_are_only_acknowledged(world: World) -> None:
    raw = await world.dial()
    assert (await raw.ask("DataTransfer", {"vendorId": "x", "data": "{}"})) == {"status": "UnknownVendorId"}
    assert await raw.ask("FirmwareStatusNotification", {"status": "Idle"}) == {}
    assert await raw.ask("DiagnosticsStatusNotification", {"status": "Idle"}) == {}
    assert await raw.ask("SecurityEventNotification", {"type": "x", "timestamp": T}) == {}
    assert (await raw.ask("SignCertificate", {"csr": "x"})) == {"status": "Rejected"}


# --- what chargers of the field do ----------------------------------------------------------------------------------------


async def test_a_late_stop_after_a_reconnection_without_boot(world: World) -> None:
    raw = await world.dial()
    late = {"transactionId": 4711, "meterStop": 77, "timestamp": "2026-03-01T00:00:00.000Z", "reason": "PowerLoss",
            "transactionData": [{"timestamp": T, "sampledValue": [{"value": "76.83", "context": "Transaction.End"}]}]}  # fmt: skip
    for connector in (0, 1):
        await raw.ask("StatusNotification", {"connectorId": connector, "errorCode": "NoError", "status": "Available"})
    assert await raw.ask("StopTransaction", late) == {}
    assert await raw.ask("StopTransaction", {**late, "transactionId": -1}, "m2") == {}, "a start that nobody took"
    first, second = world.core.of("stopped")
    sample = MeterSample(AT, Decimal("0.07683"), context="Transaction.End")
    assert first[1:] == ("CP1", 4711, 77, datetime(2026, 3, 1, tzinfo=UTC), "PowerLoss", None, (sample,))
    assert second[2] == -1


async def test_the_same_message_again_is_told_again_and_gets_the_same_number(world: World) -> None:
    raw = await world.dial()
    start = {"connectorId": 1, "idTag": UID, "meterStart": 1000, "timestamp": T}
    one = await raw.ask("StartTransaction", start, "a")
    again = await raw.ask("StartTransaction", {**start, "idTag": UID.upper()}, "b")
    assert one == again
    assert len(world.core.of("started")) == 2


async def test_a_message_repeated_while_it_is_worked_on_gets_one_answer(world: World) -> None:
    free = world.core.hold["started"] = asyncio.Event()
    raw = await world.dial()
    start = [2, "same", "StartTransaction", {"connectorId": 1, "idTag": UID, "meterStart": 1, "timestamp": T}]
    await raw.say(start)
    await raw.say(start)
    assert await raw.ask("Heartbeat", {}, "hb")
    free.set()
    assert (await raw.hear())[:2] == [3, "same"]
    await raw.ask("Heartbeat", {}, "hb2")
    assert len(world.core.of("started")) == 1


async def test_a_slow_answer_holds_up_nothing_but_its_own_lane(world: World) -> None:
    free = world.core.hold["started"] = asyncio.Event()
    raw = await world.dial()
    await raw.say([2, "s", "StartTransaction", {"connectorId": 1, "idTag": UID, "meterStart": 1, "timestamp": T}])
    await raw.say([2, "e", "StopTransaction", {"transactionId": 1, "meterStop": 2, "timestamp": T}])
    assert await raw.ask("Authorize", {"idTag": "BB"}, "a")
    assert world.core.of("stopped") == [], "a stop does not overtake the start"
    free.set()
    assert [(await raw.hear())[1] for _ in range(2)] == ["s", "e"]
    assert [one[0] for one in world.core.of("started", "stopped")] == ["started", "stopped"]


async def test_order_holds_across_connections(world: World) -> None:
    free = world.core.hold["started"] = asyncio.Event()
    first = await world.dial()
    await first.say([2, "s", "StartTransaction", {"connectorId": 1, "idTag": UID, "meterStart": 1, "timestamp": T}])
    await first.ask("Heartbeat", {})
    await first.socket.close()
    await world.gone()
    second = await world.dial()
    await second.say([2, "e", "StopTransaction", {"transactionId": 1, "meterStop": 2, "timestamp": T}])
    await second.ask("Heartbeat", {})
    assert world.core.of("started", "stopped") == []
    free.set()
    assert (await second.hear())[1] == "e"
    assert [one[0] for one in world.core.of("started", "stopped")] == ["started", "stopped"]


async def test_more_than_it_takes_at_once_waits(world: World) -> None:
    free = world.core.hold["authorise"] = asyncio.Event()
    raw = await world.dial()
    for i in range(40):
        await raw.say([2, f"a{i}", "Authorize", {"idTag": f"{i:08}"}])
    await raw.say([2, "hb", "Heartbeat", {}])
    free.set()
    assert {(await raw.hear())[1] for _ in range(41)} == {"hb", *(f"a{i}" for i in range(40))}


async def test_numbers_as_message_ids_are_given_back(world: World) -> None:
    raw = await world.dial()
    await raw.say([2, 17, "Heartbeat", {}])
    heard = await raw.hear()
    assert heard[:2] == [3, 17]
    assert not isinstance(heard[1], str)


async def test_binary_frames_and_missing_payloads_are_read(world: World) -> None:
    raw = await world.dial()
    await raw.socket.send_bytes(b'[2,"b","Heartbeat",{}]')
    assert (await raw.hear())[:2] == [3, "b"]
    for text in ('[2,"c","Heartbeat"]', '[2,"c","Heartbeat",null]'):
        await raw.say(text)
        assert (await raw.hear())[:2] == [3, "c"]


@pytest.mark.parametrize(
    ("sent", "message_id", "code"),
    [
        ("nonsense", "-1", "FormationViolation"),
        ('[2,"m7","Heartbeat",{', "m7", "FormationViolation"),
        ("{}", "-1", "FormationViolation"),
        ("[]", "-1", "FormationViolation"),
        ('["2","m","Heartbeat",{}]', "-1", "FormationViolation"),
        ('[2,null,"Heartbeat",{}]', "-1", "FormationViolation"),
        ('[2,true,"Heartbeat",{}]', "-1", "FormationViolation"),
        ('[2,"m"]', "m", "FormationViolation"),
        ('[2,"m",7,{}]', "m", "FormationViolation"),
        ('[2,"m","Heartbeat",[]]', "m", "FormationViolation"),
        ('[2,"m","Heartbeat",{},1]', "m", "FormationViolation"),
        ("[" * 50_000, "-1", "FormationViolation"),
        ('[2,"m","Dance",{}]', "m", "NotImplemented"),
        ('[2,"m","",{}]', "m", "NotImplemented"),
        ('[2,"m","Reset",{"type":"Hard"}]', "m", "NotSupported"),
        ('[2,"m","Authorize",{}]', "m", "ProtocolError"),
        ('[2,"m","Authorize",{"idTag":["x"]}]', "m", "TypeConstraintViolation"),
        ('[2,"m","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":0}]', "m", "ProtocolError"),
        ('[2,"m","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":0,"timestamp":"x"}]', "m",
         "PropertyConstraintViolation"),
        ('[2,"m","StartTransaction",{"connectorId":-1,"idTag":"A","meterStart":0,"timestamp":"' + T + '"}]', "m",
         "PropertyConstraintViolation"),
        ('[2,"m","StopTransaction",{"transactionId":1,"meterStop":"x","timestamp":"' + T + '"}]', "m",
         "TypeConstraintViolation"),
        ('[2,"m","StopTransaction",{"transactionId":1e999999999,"meterStop":1,"timestamp":"' + T + '"}]', "m",
         "TypeConstraintViolation"),
        ('[2,"m","StopTransaction",{"transactionId":123456789012345678901,"meterStop":1,"timestamp":"' + T + '"}]', "m",
         "PropertyConstraintViolation"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused_with_its_code(world: World, sent: str, message_id: str, code: str) -> None:
    raw = await world.dial()
    assert await raw.refused(sent) == (message_id, code)
    assert await raw.ask("Heartbeat", {}), "and the connection goes on"
    assert world.core.log == [("connected", "CP1")]


@pytest.mark.parametrize("sent", ['[9,"x",{}]', '[3,"nobody asked",{}]', '[4,"x","InternalError","",{}]', "[3]",
                                  '[3,{},{}]', '[6,"x","NotifyPeriodicEventStream",{}]', '[3,"x",{'])  # fmt: skip
async def test_what_asks_for_no_answer_gets_none(world: World, sent: str) -> None:
    raw = await world.dial()
    await raw.say(sent)
    assert await raw.ask("Heartbeat", {}, "next"), "the next thing heard is the answer to the next message"


async def test_a_frame_over_the_limit_closes_the_connection(world: World) -> None:
    raw = await world.dial()
    await raw.say([2, "big", "DataTransfer", {"vendorId": "x", "data": "y" * (1024 * 1024)}])
    assert await raw.closing() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await world.gone()
    assert (await (await world.dial()).ask("Heartbeat", {}))["currentTime"]


async def test_deviations_of_the_field_are_read(world: World) -> None:
    raw = await world.dial()
    await raw.ask("StartTransaction", {"connectorid": "1", "idTag": 12345678, "meterStart": 12.6, "timestamp": "2026-03-04 05:06:07",
                                       "vendorField": 1, "reservationId": None})  # fmt: skip
    assert world.core.log[-1] == ("started", CP1, "12345678", 13, AT)
    await raw.ask("StopTransaction", {"transactionId": 1, "meterStop": "100", "timestamp": T, "reason": {"odd": 1}})
    assert world.core.of("stopped") == [("stopped", "CP1", 1, 100, AT, None, None, ())]
    for outside in (0, -1, None):
        value = [{"timestamp": T, "sampledValue": [{"value": 5, "unit": "kWh"}]}]
        await raw.ask("MeterValues", {"connectorId": 1, "transactionId": outside, "meterValue": value})
        assert world.core.of("metered")[-1] == ("metered", CP1, None, (MeterSample(AT, Decimal(5)),))


async def test_a_core_that_fails_gets_the_message_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.core.failing = {"started": 1, "stopped": 1, "status": 1, "authorise": 1, "metered": 1}
    raw = await world.dial()
    value = [{"timestamp": T, "sampledValue": [{"value": "1"}]}]
    for action, payload in (
        ("StartTransaction", {"connectorId": 1, "idTag": UID, "meterStart": 1, "timestamp": T}),
        ("StopTransaction", {"transactionId": 1, "meterStop": 2, "timestamp": T, "idTag": UID}),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
        ("Authorize", {"idTag": UID}),
        ("MeterValues", {"connectorId": 1, "meterValue": value}),
    ):
        assert await raw.refused([2, "m", action, payload]) == ("m", "InternalError")
        await raw.ask(action, payload)
    assert UID not in caplog.text.lower(), "the core's exception names the token; the log does not"
    assert "OSError" in caplog.text
    assert not any(UID in json.dumps(one).lower() for one in raw.judge.errors)


async def test_uids_are_not_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    raw = await world.dial()
    await raw.ask("Authorize", {"idTag": UID})
    await raw.ask("StartTransaction", {"connectorId": 1, "idTag": UID, "meterStart": 1, "timestamp": T})
    await raw.refused([2, "m", "StartTransaction", {"idTag": UID}])
    await raw.refused(f'[2,"m","Authorize",{{"idTag":"{UID}"')
    await raw.refused([2, "m", "Authorize", {"idTag": UID * 30}])
    assert UID[:10] not in caplog.text.lower()
    assert "****F7" in caplog.text


# --- connections ----------------------------------------------------------------------------------------------------------


async def test_the_newest_connection_wins(world: World) -> None:
    old = await world.dial()
    await old.ask("Heartbeat", {})
    new = await world.dial()
    assert await old.closing() == aiohttp.WSCloseCode.POLICY_VIOLATION
    assert await new.ask("Heartbeat", {})
    other = await world.dial("CP2")
    assert await other.ask("Heartbeat", {})
    assert world.central.connected == {"CP1", "CP2"}
    assert world.core.of("disconnected") == [], "the charger was never gone"
    await new.socket.close()
    await world.gone()
    assert world.core.of("disconnected") == [("disconnected", "CP1")]


async def test_what_was_begun_is_finished_when_the_connection_is_lost(world: World) -> None:
    free = world.core.hold["stopped"] = asyncio.Event()
    raw = await world.dial()
    await raw.say([2, "e", "StopTransaction", {"transactionId": 1, "meterStop": 2, "timestamp": T}])
    await raw.ask("Heartbeat", {})
    await raw.socket.close()
    await world.gone()
    free.set()
    await world.core.until(lambda: bool(world.core.of("stopped")))


async def test_closing_sends_chargers_away_and_lets_none_in(world: World) -> None:
    raw = await world.dial()
    await raw.ask("Heartbeat", {})
    closing = asyncio.create_task(world.central.close())
    assert await raw.closing() == aiohttp.WSCloseCode.GOING_AWAY
    await closing
    assert world.core.of("disconnected") == [("disconnected", "CP1")]
    assert await world.denied() == 503


@pytest.mark.parametrize("settings", [config(ping=0.2)])
async def test_a_silent_peer_is_found_out(world: World) -> None:
    raw = await world.dial(autoping=False)
    await world.gone()
    assert not world.central.online("CP1")
    await raw.socket.close()


@pytest.mark.parametrize("settings", [config(trigger_after=0.01)])
async def test_the_status_is_asked_for_after_a_connection_and_after_a_boot(world: World) -> None:
    raw = await world.dial()
    for _ in range(2):
        call = await raw.called()
        assert call[2:] == ["TriggerMessage", {"requestedMessage": "StatusNotification"}]
        await raw.say([3, call[1], {"status": "Accepted"}])
        await raw.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
        await raw.ask("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})


@pytest.mark.parametrize("settings", [config(trigger_after=0.3)])
async def test_the_status_is_not_asked_for_when_it_was_told(world: World) -> None:
    raw = await world.dial()
    await raw.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
    with pytest.raises(TimeoutError):
        await raw.socket.receive(timeout=0.5)


def test_heartbeats_are_spread() -> None:
    from bridge.ocpp.v16 import Messages

    messages = Messages(Recorder(), 300, 0.1, lambda: AT)
    found = [messages.interval(f"CP{i}") for i in range(200)]
    assert min(found) >= 270
    assert max(found) <= 330
    assert len(set(found)) > 30
    assert messages.interval("CP1") == messages.interval("CP1")


# --- what the core asks for -----------------------------------------------------------------------------------------------

LATER = datetime(2026, 3, 4, 7, 0, tzinfo=UTC)
COMMANDS: dict[str, tuple[Callable[[CentralSystem], Coroutine[Any, Any, CommandResult]], dict[str, Any], dict[str, str]]] = {
    "RemoteStartTransaction": (lambda c: c.start(CP1, "ABC"), {"idTag": "ABC", "connectorId": 1},
                               {"Accepted": "ACCEPTED", "Rejected": "REJECTED"}),
    "RemoteStopTransaction": (lambda c: c.stop("CP1", 7), {"transactionId": 7},
                              {"Accepted": "ACCEPTED", "Rejected": "REJECTED"}),
    "UnlockConnector": (lambda c: c.unlock(CP1), {"connectorId": 1},
                        {"Unlocked": "ACCEPTED", "UnlockFailed": "FAILED", "NotSupported": "NOT_SUPPORTED"}),
    "ReserveNow": (lambda c: c.reserve(CP1, "ABC", 9, LATER),
                   {"connectorId": 1, "expiryDate": "2026-03-04T07:00:00.000Z", "idTag": "ABC", "reservationId": 9},
                   {"Accepted": "ACCEPTED", "Faulted": "EVSE_INOPERATIVE", "Occupied": "EVSE_OCCUPIED",
                    "Rejected": "REJECTED", "Unavailable": "EVSE_INOPERATIVE"}),
    "CancelReservation": (lambda c: c.cancel("CP1", 9), {"reservationId": 9},
                          {"Accepted": "ACCEPTED", "Rejected": "UNKNOWN_RESERVATION"}),
}  # fmt: skip


@pytest.mark.parametrize("action", COMMANDS)
async def test_commands(world: World, action: str) -> None:
    send, payload, results = COMMANDS[action]
    raw = await world.dial()
    for said, result in {**results, "Whatever": "FAILED"}.items():
        task = asyncio.create_task(send(world.central))
        call = await raw.called()
        assert call[2:] == [action, payload]
        await raw.say([3, call[1], {"status": said}])
        assert await task is CommandResult(result)
    for code, result in (("NotImplemented", "NOT_SUPPORTED"), ("NotSupported", "NOT_SUPPORTED"), ("InternalError", "FAILED")):
        task = asyncio.create_task(send(world.central))
        call = await raw.called()
        await raw.say([4, call[1], code, "", {}])
        assert await task is CommandResult(result)


async def test_a_start_without_a_connector_leaves_it_to_the_charger(world: World) -> None:
    raw = await world.dial()
    task = asyncio.create_task(world.central.start(ConnectorRef("CP1", 0), "ABC"))
    call = await raw.called()
    assert call[3] == {"idTag": "ABC"}
    await raw.say([3, call[1], {"status": "Accepted"}])
    assert await task is CommandResult.ACCEPTED
    assert await world.central.start(CP1, "x" * 21) is CommandResult.NOT_SUPPORTED, "an alias is the core's to make"


async def test_one_call_at_a_time_each_with_a_deadline_and_late_answers_ignored(world: World) -> None:
    raw = await world.dial()
    first = asyncio.create_task(world.central.call("CP1", "ClearCache", {}, 0.2))
    second = asyncio.create_task(world.central.stop("CP1", 2))
    late = await raw.called()
    with pytest.raises(TimeoutError):
        await raw.socket.receive(timeout=0.05)
    with pytest.raises(Unreachable) as caught:
        await first
    assert caught.value.sent, "it may have been obeyed"
    call = await raw.called()
    assert call[2] == "RemoteStopTransaction"
    await raw.say([3, late[1], {"status": "Rejected"}])
    await raw.say([3, call[1], {"status": "Accepted"}])
    assert await second is CommandResult.ACCEPTED


async def test_a_deadline_counts_the_wait_for_ones_turn(world: World) -> None:
    raw = await world.dial()
    first = asyncio.create_task(world.central.stop("CP1", 1))
    call = await raw.called()
    with pytest.raises(Unreachable) as caught:
        await world.central.call("CP1", "ClearCache", {}, 0.05)
    assert not caught.value.sent, "the charger never saw it"
    await raw.say([3, call[1], {"status": "Accepted"}])
    assert await first is CommandResult.ACCEPTED


async def test_commands_to_a_charger_that_is_not_there(world: World) -> None:
    assert await world.central.start(CP1, "ABC") is CommandResult.FAILED
    raw = await world.dial()
    task = asyncio.create_task(world.central.stop("CP1", 1))
    waiting = asyncio.create_task(world.central.call("CP1", "ClearCache", {}))
    await raw.called()
    await raw.socket.close()
    assert await task is CommandResult.TIMEOUT, "it may have obeyed"
    with pytest.raises(Unreachable) as caught:
        await waiting
    assert not caught.value.sent


async def test_a_core_may_command_while_it_is_told_something(world: World) -> None:
    """The ``ocpp`` package cannot: a call inside a handler waits for itself."""
    raw = await world.dial()

    async def authorise(charge_point: str, id_token: str) -> ChargerAnswer:
        assert await world.central.unlock(CP1) is CommandResult.ACCEPTED
        return ChargerAnswer.BLOCKED

    world.core.authorise = authorise  # type: ignore[method-assign]
    await raw.say([2, "a", "Authorize", {"idTag": "X"}])
    call = await raw.called()
    await raw.say([3, call[1], {"status": "Unlocked"}])
    assert await raw.hear() == [3, "a", {"idTagInfo": {"status": "Blocked"}}]


async def _answered(raw: Raw, task: asyncio.Task[Any], payload: dict[str, Any]) -> tuple[list[Any], Any]:
    call = await raw.called()
    await raw.say([3, call[1], payload])
    return call[2:], await task


async def test_operations_of_the_operator(world: World) -> None:
    raw, central = await world.dial(), world.central
    said, got = await _answered(raw, asyncio.create_task(central.trigger("CP1", "MeterValues", 1)), {"status": "Rejected"})
    assert (said, got) == (["TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}], "Rejected")
    _, got = await _answered(raw, asyncio.create_task(central.clear_cache("CP1")), {"status": "Accepted"})
    assert got == "Accepted"
    said, got = await _answered(raw, asyncio.create_task(central.change_availability(CP1, operative=False)),
                                {"status": "Scheduled"})  # fmt: skip
    assert (said[1], got) == ({"connectorId": 1, "type": "Inoperative"}, "Scheduled")
    _, got = await _answered(raw, asyncio.create_task(central.local_list_version("CP1")), {"listVersion": 5})
    assert got == 5
    entries = [ListEntry("ABC", expires=LATER), ListEntry("DEF", ChargerAnswer.BLOCKED), ListEntry("GHI", None)]
    said, got = await _answered(raw, asyncio.create_task(central.send_local_list("CP1", 6, entries, full=False)),
                                {"status": "VersionMismatch"})  # fmt: skip
    assert got == "VersionMismatch"
    assert said[1] == {
        "listVersion": 6, "updateType": "Differential",
        "localAuthorizationList": [
            {"idTag": "ABC", "idTagInfo": {"status": "Accepted", "expiryDate": "2026-03-04T07:00:00.000Z"}},
            {"idTag": "DEF", "idTagInfo": {"status": "Blocked"}},
            {"idTag": "GHI"},
        ],
    }  # fmt: skip
    said, _ = await _answered(raw, asyncio.create_task(central.send_local_list("CP1", 7, [], full=True)), {"status": "Accepted"})
    assert said[1] == {"listVersion": 7, "updateType": "Full"}, "empties the list"


@pytest.mark.parametrize("entries", [[ListEntry("x" * 21)], [ListEntry("")], [ListEntry("a"), ListEntry("A")], [ListEntry("a", None)]])
async def test_lists_that_ocpp_cannot_say(world: World, entries: list[ListEntry]) -> None:
    with pytest.raises(ValueError, match=r"idTag|answer"):
        await world.central.send_local_list("CP1", 1, entries, full=True)


async def test_an_answer_that_is_no_object_is_a_failure(world: World) -> None:
    raw = await world.dial()
    task = asyncio.create_task(world.central.call("CP1", "ClearCache", {}))
    call = await raw.called()
    await raw.say([3, call[1], "Accepted"])
    with pytest.raises(Declined):
        await task


# --- an independent peer --------------------------------------------------------------------------------------------------


class Adapter:
    """What the ``ocpp`` package wants of a connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def recv(self) -> str:
        return await self.socket.receive_str()

    async def send(self, text: str) -> None:
        await self.socket.send_str(text)


async def test_the_ocpp_package_as_a_charger(world: World) -> None:
    from ocpp.routing import on
    from ocpp.v16 import ChargePoint, call, call_result

    class Charger(ChargePoint):  # type: ignore[misc]
        @on("RemoteStartTransaction")  # type: ignore[untyped-decorator]
        async def remote(self, id_tag: str, connector_id: int | None = None) -> Any:
            return call_result.RemoteStartTransaction("Accepted" if (id_tag, connector_id) == ("ABC", 1) else "Rejected")

    raw = await world.dial()
    charger = Charger("CP1", Adapter(raw.socket), response_timeout=5)
    reading = asyncio.create_task(charger.start())
    try:
        assert (await charger.call(call.BootNotification("model", "vendor"), suppress=False)).status == "Accepted"
        assert (await charger.call(call.Authorize("ABC"), suppress=False)).id_tag_info == {"status": "Accepted"}
        assert await world.central.start(CP1, "ABC") is CommandResult.ACCEPTED
        assert await world.central.unlock(CP1) is CommandResult.NOT_SUPPORTED
        started = await charger.call(call.StartTransaction(1, "ABC", 100, T), suppress=False)
        assert started.transaction_id == 1
        await charger.call(call.StopTransaction(200, T, 1, reason="EVDisconnected"), suppress=False)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert world.core.of("stopped")[0][1:6] == ("CP1", 1, 200, AT, "EVDisconnected")


# --- meter values ---------------------------------------------------------------------------------------------------------


def values(*sampled: dict[str, Any], at: str = T) -> list[MeterSample]:
    return list(samples([{"timestamp": at, "sampledValue": list(sampled)}], AT))


@pytest.mark.parametrize(
    ("sampled", "kwh"),
    [
        ({"value": "1234"}, "1.234"),
        ({"value": "1234.5", "unit": "Wh"}, "1.2345"),
        ({"value": "0.15002000000000001", "unit": "kWh"}, "0.15002"),
        ({"value": "0,5", "unit": "KWH"}, "0.5"),
        ({"value": " 7 ", "measurand": "energy.active.import.register"}, "0.007"),
        ({"value": 12, "unit": "kWh", "location": "Inlet"}, "12"),
        ({"value": Decimal("76.83")}, "0.07683"),
    ],
)
def test_registers(sampled: dict[str, Any], kwh: str) -> None:
    (found,) = values(sampled)
    assert found == MeterSample(AT, Decimal(kwh))


@pytest.mark.parametrize("value", ["", "n/a", "NaN", "Infinity", "1e999999999", "9" * 70, None, True, [], "1,2,3"])
def test_registers_that_are_none(value: Any) -> None:
    assert values({"value": value}) == []


@pytest.mark.parametrize("sampled", [{"value": "1", "unit": "varh"}, {"value": "1", "location": "EV"}, {"value": "1", "phase": "L1"},
                                     {"value": "1", "measurand": "Energy.Active.Export.Register"}])  # fmt: skip
def test_values_that_are_no_register(sampled: dict[str, Any]) -> None:
    assert values(sampled) == []


def test_a_total_stands_before_phases_and_three_phases_are_summed() -> None:
    phases = [{"value": str(v), "phase": p} for v, p in ((100, "L1"), (200, "L2"), (300, "L3"))]
    assert values(*phases)[0].register_kwh == Decimal("0.6")
    assert values(*phases, {"value": "650"})[0].register_kwh == Decimal("0.65")
    assert values(*phases[:2]) == []
    named = [{"value": "1", "phase": f"L{i}-N", "unit": "kWh"} for i in (1, 2, 3)]
    assert values(*named)[0].register_kwh == Decimal(3)
    assert values({"value": "9", "location": "Inlet"}, {"value": "8", "location": "Outlet"})[0].register_kwh == Decimal("0.008")


def test_power_current_and_state_of_charge() -> None:
    (found,) = values(
        {"value": "11000", "measurand": "Power.Active.Import", "unit": "W"},
        {"value": "15.9", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
        {"value": "16.1", "measurand": "Current.Import", "phase": "L2", "unit": "A"},
        {"value": "0.1", "measurand": "Current.Import", "phase": "N", "unit": "A"},
        {"value": "55", "measurand": "SoC", "unit": "Percent", "location": "EV"},
        {"value": "230", "measurand": "Voltage", "unit": "V"},
    )
    assert found == MeterSample(AT, None, Decimal(11), Decimal("32.0"), Decimal(55))


def test_signed_data_is_kept_to_the_letter() -> None:
    text = '{"encodingMethod":"OCMF", "publicKey":"","signedMeterData":"T0NNRnx7fXx7fQ=="}  '
    found = values(
        {"value": "1", "context": "Transaction.Begin"},
        {"value": text, "format": "SignedData", "context": "Transaction.Begin"},
        {"value": text + "2", "format": "SignedData", "context": "Transaction.End"},
        {"value": "2", "context": "Transaction.End"},
        {"value": "third", "format": "SignedData", "context": "Transaction.End"},
    )
    assert found == [
        MeterSample(AT, Decimal("0.001"), signed=text, context="Transaction.Begin"),
        MeterSample(AT, Decimal("0.002"), signed=text + "2", context="Transaction.End"),
        MeterSample(AT, signed="third", context="Transaction.End"),
    ]


def test_without_a_time_only_what_is_signed_counts() -> None:
    assert values({"value": "1"}, {"value": "s", "format": "SignedData"}, at="yesterday") == [MeterSample(AT, signed="s")]


@pytest.mark.parametrize("odd", [None, "x", [], [None], [{}], [{"timestamp": T}], [{"timestamp": T, "sampledValue": "x"}],
                                 [{"timestamp": T, "sampledValue": [None, 3, {}]}]])  # fmt: skip
def test_odd_meter_values_are_nothing(odd: Any) -> None:
    assert samples(odd, AT) == []


@pytest.mark.parametrize(
    ("text", "at"),
    [("2026-03-04T05:06:07Z", AT), ("2026-03-04T05:06:07", AT), ("2026-03-04 05:06:07z", AT), ("2026-03-04T06:06:07+01:00", AT),
     ("2026-03-04T06:06:07+0100", AT), ("2026-03-04T06:06:07+01", AT), ("2026-3-4T5:06:07Z", AT),
     ("2026-03-04T05:06:07.123456789Z", AT.replace(microsecond=123456)), ("2026-03-04T05:06:07.5Z", AT.replace(microsecond=500000)),
     ("2026-02-30T00:00:00Z", None), ("0001-01-01T00:00:00+23:00", None), ("1772600767", None), ("", None), (7, None)],
)  # fmt: skip
def test_times(text: Any, at: datetime | None) -> None:
    assert moment(text) == at


def test_numbers_keep_their_digits() -> None:
    found = frame.parse('[2,"x","MeterValues",{"v":0.15002000000000001}]')
    assert isinstance(found, frame.Call)
    assert number(found.payload["v"]) == Decimal("0.15002000000000001")


def test_the_judge_is_strict() -> None:
    """What judges our answers does find what is wrong."""
    assert complaint("Heartbeat", {}) is None
    assert complaint("HeartbeatResponse", {"currentTime": "2026-03-04 05:06:07"}) is not None
    assert complaint("HeartbeatResponse", {"currentTime": "2026-03-04T05:06:07"}) is not None, "no zone"
    assert complaint("AuthorizeResponse", {"idTagInfo": {"status": "Maybe"}}) is not None
    assert complaint("RemoteStartTransaction", {"idTag": "x" * 21}) == (
        "PropertyConstraintViolation", "idTag: violates maxLength")  # fmt: skip
    assert complaint("Heartbeat", {"extra": 1}) == ("FormationViolation", "$: violates additionalProperties")
    assert (complaint("../Heartbeat", {}) or ("",))[0] == "NotImplemented"
