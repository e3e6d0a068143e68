"""What Hubject calls on the bridge (OICP 2.3), over real sockets: by the simulated Hubject, and by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, encode_basic_auth, web
from aiohttp.test_utils import TestServer

from bridge.errors import ConfigError, Unreachable
from bridge.model.command import Command, CommandKind, CommandOutcome, CommandResult
from bridge.model.common import Text
from bridge.model.token import TokenKind
from bridge.oicp import codes, server
from bridge.oicp.adapter import OicpPartner
from bridge.oicp.config import Inbound, InboundAuth, OicpConfig
from bridge.roaming.ports import Kind, Op
from tests.protocol.oicp_world import EVCO, NOW, OPERATOR, SHARED, World, jobs, location, present, world

SESSION = "f98efba4-02d8-4fa0-b810-9a9d50d2c527"
START = "/api/oicp/charging/v21/providers/DE-DCB/authorize-remote/start"
STOP = "/api/oicp/charging/v21/providers/DE-DCB/authorize-remote/stop"
RESERVE = "/api/oicp/reservation/v11/providers/DE-DCB/reservation-start-request"
CANCEL = "/api/oicp/reservation/v11/providers/DE-DCB/reservation-stop-request"
WORD = "s3cret"
DN = "CN=hubject"
Act = Callable[[Command], Awaitable[CommandOutcome]]


class Core:
    """The core as these tests need it: remembers commands and answers them."""

    def __init__(self, act: Act | CommandResult = CommandResult.ACCEPTED) -> None:
        self.act = act
        self.commands: list[tuple[str, Command]] = []

    async def command(self, partner: str, command: Command, answer_to: str | None = None) -> CommandOutcome:
        assert answer_to is None
        self.commands.append((partner, command))
        return CommandOutcome(self.act) if isinstance(self.act, CommandResult) else await self.act(command)


def partner(name: str = "hubject", operator: str = OPERATOR, auth: InboundAuth | None = None, **more: Any) -> OicpPartner:
    auth = auth or InboundAuth(Inbound.LOOPBACK)
    config = OicpConfig(name, "https://hub.example/api/oicp", operator, "ABC", inbound_auth=auth, **more)
    return OicpPartner(config, clock=lambda: NOW)


@asynccontextmanager
async def bridge(core: Core, *partners: OicpPartner) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.add_routes(server.routes(core, {p.name: p for p in partners or (partner(),)}))  # type: ignore[arg-type]
    there = TestServer(app)
    await there.start_server()
    try:
        yield there
    finally:
        await there.close()


def remote(**more: Any) -> dict[str, Any]:
    return {"SessionID": SESSION, "ProviderID": "DE-DCB", "EvseID": "DE*ABC*E1", "EMPPartnerSessionID": "E1", "CPOPartnerSessionID": None,
            "Identification": {"RemoteIdentification": {"EvcoID": EVCO}}, **more}  # fmt: skip


async def post(there: TestServer, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with ClientSession() as client, client.post(there.make_url(path), data=data, headers=named) as answer:
        return answer.status, await answer.json()


async def test_a_remote_start_becomes_a_command() -> None:
    core = Core()
    async with bridge(core) as there:
        status, answer = await post(there, START, remote(PartnerProductID="AC1"))
    assert (status, answer["Result"], answer["StatusCode"]["Code"]) == (200, True, "000")
    assert (answer["SessionID"], answer["EMPPartnerSessionID"]) == (SESSION, "E1")
    ((name, command),) = core.commands
    assert (name, command.kind, command.hub_session_id) == ("hubject", CommandKind.START_SESSION, SESSION)
    assert (command.evse_id, command.provider_session_id, command.product_id) == ("DE*ABC*E1", "E1", "AC1")
    assert command.token is not None
    assert (command.token.kind, command.token.contract_id) == (TokenKind.REMOTE, EVCO)
    assert command.provider is not None
    assert command.provider.key == "DEDCB"


async def test_stop_reserve_and_cancel() -> None:
    core = Core()
    async with bridge(core) as there:
        for path, body in ((STOP, remote()), (RESERVE, remote(Duration=20)), (RESERVE, remote()), (CANCEL, remote())):
            if path != RESERVE:
                body.pop("Identification")
            status, answer = await post(there, path, body)
            assert (status, answer["Result"]) == (200, True)
    stop, reserve, again, cancel = [command for _, command in core.commands]
    assert (stop.kind, stop.hub_session_id) == (CommandKind.STOP_SESSION, SESSION)
    assert (reserve.kind, reserve.reservation_id, reserve.expires) == (CommandKind.RESERVE_NOW, SESSION, NOW + timedelta(minutes=20))
    assert again.expires == NOW + timedelta(minutes=15)
    assert (cancel.kind, cancel.reservation_id) == (CommandKind.CANCEL_RESERVATION, SESSION)


@pytest.mark.parametrize("result", list(CommandResult))
async def test_results_become_codes(result: CommandResult) -> None:
    async with bridge(Core(result)) as there:
        status, answer = await post(there, START, remote())
    assert status == 200
    assert answer["Result"] is (result is CommandResult.ACCEPTED)
    assert answer["StatusCode"]["Code"] == codes.of_result(CommandKind.START_SESSION, result)
    assert answer["StatusCode"]["Description"]


async def test_a_cancelled_reservation_is_a_success_where_it_was_asked_for() -> None:
    body = {k: v for k, v in remote().items() if k != "Identification"}
    async with bridge(Core(CommandResult.CANCELED_RESERVATION)) as there:
        assert (await post(there, CANCEL, body))[1]["Result"] is True
        assert (await post(there, RESERVE, remote()))[1]["StatusCode"]["Code"] == "320"


async def test_texts_go_along() -> None:
    async def act(command: Command) -> CommandOutcome:
        return CommandOutcome(CommandResult.FAILED, (Text("The cable is not plugged in", "en"),))

    async with bridge(Core(act)) as there:
        _, answer = await post(there, START, remote())
    assert (answer["StatusCode"]["Code"], answer["StatusCode"]["AdditionalInfo"]) == ("501", "The cable is not plugged in")


async def test_a_command_that_takes_too_long_is_given_up() -> None:
    cancelled = asyncio.Event()

    async def act(command: Command) -> CommandOutcome:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    async with bridge(Core(act), partner(command_timeout=0.05)) as there:
        status, answer = await post(there, START, remote())
    assert (status, answer["Result"], answer["StatusCode"]["Code"]) == (200, False, "501")
    assert cancelled.is_set()


@pytest.mark.parametrize(("error", "code"), [(Unreachable("x"), "501"), (ConfigError("k", "x"), "021"), (ValueError("secret"), "021")])
async def test_our_errors_become_codes_and_tell_nothing(error: Exception, code: str) -> None:
    async def act(command: Command) -> CommandOutcome:
        raise error

    async with bridge(Core(act)) as there:
        status, answer = await post(there, START, remote())
    assert (status, answer["StatusCode"]["Code"]) == (200, code)
    assert "secret" not in json.dumps(answer)


@pytest.mark.parametrize(("change", "where"), [
    ({"EvseID": "nonsense"}, "EvseID"), ({"EvseID": None}, "EvseID"), ({"SessionID": None}, "SessionID"),
    ({"ProviderID": "DE-XYZ"}, "ProviderID"), ({"ProviderID": "??"}, "ProviderID"), ({"Identification": {}}, "Identification"),
    ({"Identification": {"RemoteIdentification": {"EvcoID": "me"}}}, "Identification"), ({"Identification": None}, "Identification"),
])  # fmt: skip
async def test_what_cannot_be_read_is_a_data_error_with_its_place(change: dict[str, Any], where: str) -> None:
    core = Core()
    async with bridge(core) as there:
        status, answer = await post(there, START, remote(**change))
    assert (status, answer["Result"], answer["StatusCode"]["Code"]) == (200, False, "022")
    assert where in answer["StatusCode"]["AdditionalInfo"]
    assert core.commands == []


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b" " * 300_000, 413), (b"[]", 200)])
async def test_bodies_that_are_none(body: bytes, status: int) -> None:
    core = Core()
    async with bridge(core) as there:
        found, answer = await post(there, START, body)
    assert (found, answer["Result"], answer["StatusCode"]["Code"]) == (status, False, "022")
    assert core.commands == []


async def test_a_wrong_duration() -> None:
    async with bridge(Core()) as there:
        for minutes in (0, 100, -5):
            assert (await post(there, RESERVE, remote(Duration=minutes)))[1]["StatusCode"]["Code"] == "022"


async def test_messages_are_read_leniently() -> None:
    core = Core()
    loose = {"sessionId": SESSION, "providerid": "DE*DCB", "evseId": "DE*ABC*E1", "Identification": {
        "RFIDMifareFamilyIdentification": {"UID": "04a2b3c4d5e6f7"}, "QRCodeIdentification": None}, "NewField": {"a": 1}}  # fmt: skip
    async with bridge(core) as there:
        assert (await post(there, START, loose))[1]["Result"] is True
    token = core.commands[0][1].token
    assert token is not None
    assert (token.kind, token.uid) == (TokenKind.RFID, "04A2B3C4D5E6F7")


# --- who calls ------------------------------------------------------------------------------------------------------


async def test_strangers_are_told_nothing() -> None:
    core = Core()
    for auth in (InboundAuth(), InboundAuth(Inbound.BASIC, "hubject", WORD), InboundAuth(Inbound.BEARER, secret=WORD),
                 InboundAuth(Inbound.PATH, secret=WORD), InboundAuth(Inbound.LOOPBACK, networks=("10.0.0.0/8",)),
                 InboundAuth(Inbound.HEADER, header="X-Client-DN", secret=DN, networks=("127.0.0.0/8",))):  # fmt: skip
        async with bridge(core, partner(auth=auth)) as there:
            for headers in ({}, {"Authorization": encode_basic_auth("hubject", "guess")}, {"Authorization": "Bearer guess"},
                            {"X_Client_DN": "CN=other"}):  # fmt: skip
                status, answer = await post(there, START, remote(), **headers)
                assert (status, answer["StatusCode"]["Code"]) == (401, "017")
    assert core.commands == []
    assert WORD not in repr(InboundAuth(Inbound.BASIC, "hubject", WORD))


async def test_each_way_of_knowing_a_caller() -> None:
    core = Core()
    for auth, path, headers in (
        (InboundAuth(Inbound.BASIC, "hubject", WORD), START, {"Authorization": encode_basic_auth("hubject", WORD)}),
        (InboundAuth(Inbound.BEARER, secret=WORD), START, {"Authorization": f"Bearer {WORD}"}),
        (InboundAuth(Inbound.PATH, secret=WORD), f"/hubject/{WORD}{START}", {}),
        (InboundAuth(Inbound.HEADER, header="X-Client-DN", secret=DN, networks=("127.0.0.0/8",)), START,
         {"X_Client_DN": DN}),
    ):  # fmt: skip
        async with bridge(core, partner(auth=auth)) as there:
            assert (await post(there, path, remote(), **headers))[0] == 200
    assert len(core.commands) == 4


async def test_loopback_behind_a_proxy_is_no_loopback() -> None:
    core = Core()
    async with bridge(core) as there:
        assert (await post(there, START, remote(), X_Forwarded_For="203.0.113.9"))[0] == 401
    assert core.commands == []


@pytest.mark.parametrize(("settings", "key"), [
    ({"mode": "basic", "secret": "x"}, "inbound_auth.user"), ({"mode": "bearer"}, "inbound_auth.secret"),
    ({"mode": "header", "secret": "x", "header": "X"}, "inbound_auth.header"),
    ({"mode": "none-for-loopback", "networks": ("10.0.0.1/8",)}, "inbound_auth.networks"),
])  # fmt: skip
def test_settings_of_callers_are_checked(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as why:
        InboundAuth(**settings)
    assert why.value.key == key


async def test_of_several_operators_the_one_whose_evse_it_is_is_meant() -> None:
    core = Core()
    async with bridge(core, partner("a", "DE*ABC"), partner("b", "DE*XYZ")) as there:
        await post(there, START, remote(EvseID="DEXYZE7"))
        await post(there, START, remote())
    assert [name for name, _ in core.commands] == ["b", "a"]


# --- by the simulated Hubject, and by Hubject's own examples ----------------------------------------------------------


async def told(here: World, *numbers: int) -> None:
    await here.partner.deliver(Kind.LOCATION, jobs(here.partner, Kind.LOCATION, Op.INSERT, location(*numbers)))


async def test_drivers_start_and_stop_through_hubject() -> None:
    core = Core()
    secret = InboundAuth(Inbound.BASIC, "hubject", WORD)
    async with bridge(core, partner(auth=secret)) as there, world(str(there.make_url("")), bridge_auth=("hubject", WORD)) as here:
        await told(here, 1)
        start = await here.sim("remote-start", evse_id="DE*ABC*E1", provider_id="DE-DCB", evco_id=EVCO)
        assert (start["http_status"], start["answer"]["Result"], start["faults"]) == (200, True, [])
        stop = await here.sim("remote-stop", session_id=start["session_id"])
        assert stop["answer"]["StatusCode"]["Code"] == "000"
        reserved = await here.sim("reserve", evse_id="DE*ABC*E1", provider_id="DE-DCB", evco_id=EVCO, minutes=30)
        assert (await here.sim("cancel", session_id=reserved["session_id"]))["answer"]["Result"] is True
        assert [command.kind for _, command in core.commands] == [
            CommandKind.START_SESSION, CommandKind.STOP_SESSION, CommandKind.RESERVE_NOW, CommandKind.CANCEL_RESERVATION]  # fmt: skip
        assert {command.hub_session_id for _, command in core.commands[:2]} == {start["session_id"]}
        core.act = CommandResult.EVSE_OCCUPIED
        refused = await here.sim("remote-start", evse_id="DE*ABC*E1", provider_id="DE-DCB", evco_id=EVCO)
        assert refused["answer"]["StatusCode"]["Code"] == "602"
        report = await here.report()
        assert refused["session_id"] not in {s["session_id"] for s in report["sessions"]}
        unknown = await here.sim("remote-start", evse_id="DE*ABC*E9", provider_id="DE-DCB", evco_id=EVCO)
        assert (unknown["http_status"], unknown["answer"]["StatusCode"]["Code"]) == (None, "603")
        assert report["rejections"] == []


@pytest.mark.spec
@pytest.mark.parametrize("number", [9, 11, 15, 17])
async def test_hubjects_own_examples(number: int) -> None:
    """Examples 9 and 15 name a driver in five ways and a SessionID ``string``: they are read all the same."""
    present()
    (file,) = (SHARED / "spec" / "oicp" / "2.3" / "examples").glob(f"cpo_{number:02}_*request.json")
    core = Core()
    async with bridge(core) as there:
        status, answer = await post(there, {9: START, 11: STOP, 15: RESERVE, 17: CANCEL}[number], file.read_bytes())
    assert (status, answer["Result"]) == (200, True)
    assert core.commands[0][1].evse_id == "DE*XYZ*ETEST1"
    assert attrs.asdict(core.commands[0][1])["provider_session_id"] == "2345ABC"
