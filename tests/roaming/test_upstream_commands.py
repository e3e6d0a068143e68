"""Commands for places of an upstream operator go there, and what came of them comes back; within the time there is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.model.command import Command, CommandKind, CommandOutcome, CommandResult
from bridge.model.ids import EvseId, EvseUid, LocationId, PartyId, SessionId, TokenUid
from bridge.model.session import AuthMethod, SessionStatus
from bridge.model.token import Token, TokenKind
from bridge.roaming.ports import Kind
from bridge.roaming.upstream import commands
from bridge.roaming.upstream.ports import Receipt
from tests.roaming.roaming_world import NOON, Asked, agreement, token
from tests.roaming.upstream_world import CSMS, Above, card, cdr, place, session, sources

Result = CommandResult
APP = Token(TokenUid("DE-XYZ-C00000001-2"), TokenKind.REMOTE, PartyId("DE", "XYZ"), "DE-XYZ-C00000001-2")
START = Command(CommandKind.START_SESSION, APP, evse_id=EvseId("DE*ABC*E91"), hub_session_id="hub-1", provider_session_id="mine")
HOUR = timedelta(hours=1)


async def above(path: Path, **options: Any) -> Above:
    w = Above(path, **options)
    await w.up.put_location(CSMS, place())
    await w.deliver()
    w.csms.does = answering(w, Result.ACCEPTED)
    return w


def answering(w: Above, result: CommandResult) -> Any:
    """The operator's system says later what came of a command."""

    async def answer(command: Command, reference: str) -> None:
        asyncio.get_running_loop().call_soon(lambda: w.up.command_result(CSMS, reference, CommandOutcome(result)))

    return answer


async def run(w: Above, command: Command) -> CommandResult:
    """As a partner that waits for the outcome."""
    return (await w.core.command("emsp", command)).result


async def test_a_remote_start_and_its_session_are_whoever_asked_for_them(tmp_path: Path) -> None:
    w = await above(tmp_path)
    assert await run(w, START) is Result.ACCEPTED
    ((sent, reference),) = w.csms.commands
    assert (sent.kind, sent.location_id, sent.evse_uid, sent.token) == (CommandKind.START_SESSION, "U1", "UID91", APP)
    assert (sent.authorization_reference, sent.hub_session_id) == (reference, None), "our reference; the hub's id is not theirs"
    w.restart()
    await w.up.put_session(CSMS, session(token=card(str(APP.uid)), auth_method=AuthMethod.COMMAND, authorization_reference=reference))
    (told,) = await w.told(Kind.SESSION)
    assert (told.hub_session_id, told.provider_session_id, told.auth_method) == ("hub-1", "mine", AuthMethod.COMMAND)
    assert told.token.uid == APP.uid
    await w.up.post_cdr(CSMS, cdr(token=card(str(APP.uid)), auth_method=AuthMethod.COMMAND, authorization_reference=reference))
    assert [c.hub_session_id for c in await w.told(Kind.CDR)] == ["hub-1"]


async def test_the_outcome_follows_for_those_who_want_it_later(tmp_path: Path) -> None:
    w = await above(tmp_path)
    w.csms.does = answering(w, Result.EVSE_OCCUPIED)
    assert (await w.core.command("emsp", START, "https://there/1")).result is Result.ACCEPTED
    await w.core._commands.close()  # type: ignore[union-attr]
    assert [(a, o.result) for a, o in w.partner().outcomes] == [("https://there/1", Result.EVSE_OCCUPIED)]


@pytest.mark.parametrize(("receipt", "expected", "kept"), [
    (Receipt(Result.REJECTED), Result.REJECTED, False),
    (Receipt(Result.NOT_SUPPORTED), Result.NOT_SUPPORTED, False),
    (Declined("unknown location", "2003"), Result.REJECTED, False),
    (Unreachable("no connection"), Result.FAILED, False),
    (Unreachable("no answer in time", sent=True), Result.TIMEOUT, True),
    (Receipt(Result.ACCEPTED, 0.01), Result.TIMEOUT, True),
])  # fmt: skip
async def test_what_the_operator_says_at_once(tmp_path: Path, receipt: Any, expected: CommandResult, kept: bool) -> None:
    w = await above(tmp_path)
    w.csms.receipt, w.csms.does = receipt, None
    assert await run(w, START) is expected
    ((_, reference),) = w.csms.commands
    assert (w.store.granted(reference) is not None) is kept, "who did not hear a no may still see it begin"
    assert not w.up.command_result(CSMS, reference, CommandOutcome(Result.ACCEPTED)), "nobody waits any more"


async def test_an_outcome_counts_from_whom_it_was_asked_and_once(tmp_path: Path) -> None:
    w = await above(tmp_path)
    heard: list[bool] = []

    async def answer(command: Command, reference: str) -> None:
        heard.append(w.up.command_result("emsp", reference, CommandOutcome(Result.REJECTED)))
        heard.append(w.up.command_result(CSMS, "another", CommandOutcome(Result.REJECTED)))
        heard.append(w.up.command_result(CSMS, reference, CommandOutcome(Result.ACCEPTED)))
        heard.append(w.up.command_result(CSMS, reference, CommandOutcome(Result.FAILED)))

    w.csms.does = answer
    assert await run(w, START) is Result.ACCEPTED
    assert heard == [False, False, True, False]


async def test_it_is_not_waited_for_longer_than_it_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LONGEST", 0.01)
    w = await above(tmp_path)
    w.csms.receipt, w.csms.does = Receipt(Result.ACCEPTED, 1e9), None
    assert await run(w, START) is Result.TIMEOUT


# --- who may


@pytest.mark.parametrize("agreed", [agreement("emsp"), sources("emsp", kinds=frozenset({"locations"})), sources("emsp", valid_until=NOON)])
async def test_without_an_agreement_nothing_goes_there(tmp_path: Path, agreed: Any) -> None:
    w = await above(tmp_path, agreements=[agreed])
    by_location = Command(CommandKind.START_SESSION, APP, location_id=LocationId("U1"))
    for command in (START, by_location, evolve(by_location, evse_uid=EvseUid("UID91"))):
        assert await run(w, command) is Result.REJECTED
    assert w.csms.commands == []


async def test_the_operator_chooses_where_only_the_location_is_named(tmp_path: Path) -> None:
    w = await above(tmp_path)
    assert await run(w, Command(CommandKind.START_SESSION, APP, location_id=LocationId("U1"))) is Result.ACCEPTED
    ((sent, _),) = w.csms.commands
    assert (sent.location_id, sent.evse_uid) == ("U1", None)
    assert await run(w, Command(CommandKind.START_SESSION, APP, location_id=LocationId("U2"))) is Result.REJECTED


async def test_what_is_ours_stays_here(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.import_all()
    assert await run(w, Command(CommandKind.START_SESSION, token(), evse_id=EvseId("DE*ABC*E1"))) is Result.ACCEPTED
    assert w.csms.commands == []
    assert w.chargers.told[0][0] == "start"


async def test_a_removed_evse(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.put_location(CSMS, place("U1", 92))
    assert await run(w, START) is Result.REJECTED
    assert w.csms.commands == []


async def test_uids_are_unique_at_their_location_only(tmp_path: Path) -> None:
    w = await above(tmp_path)
    other = place("U2", 93)
    await w.up.put_location(CSMS, evolve(other, evses=(evolve(other.evses[0], uid=EvseUid("UID91")),)))
    assert await run(w, Command(CommandKind.START_SESSION, APP, location_id=LocationId("u2"), evse_uid=EvseUid("UID91"))) is Result.ACCEPTED
    assert w.csms.commands[0][0].evse_id == "DE*ABC*E93"


# --- stop, unlock, reserve


@pytest.mark.parametrize("command", [
    Command(CommandKind.STOP_SESSION, session_id=SessionId("s1")),
    Command(CommandKind.STOP_SESSION, evse_id=EvseId("DEABCE91"), hub_session_id="hub-1"),
])  # fmt: skip
async def test_a_stop_ends_ones_own_session(tmp_path: Path, command: Command) -> None:
    w = await above(tmp_path, partners=[Asked("emsp"), Asked("other")])
    await run(w, START)
    await w.up.put_session(CSMS, session(authorization_reference=w.csms.commands[0][1], token=card(str(APP.uid))))
    assert (await w.core.command("other", command)).result is Result.UNKNOWN_SESSION
    assert len(w.csms.commands) == 1
    assert await run(w, command) is Result.ACCEPTED
    assert (w.csms.commands[1][0].kind, w.csms.commands[1][0].session_id) == (CommandKind.STOP_SESSION, "S1")
    await w.up.put_session(CSMS, session(status=SessionStatus.COMPLETED, end=NOON + HOUR, authorization_reference=w.csms.commands[0][1]))
    assert await run(w, Command(CommandKind.STOP_SESSION, session_id=SessionId("S1"))) is Result.UNKNOWN_SESSION


async def test_nobody_unlocks_anothers_session(tmp_path: Path) -> None:
    w = await above(tmp_path)
    unlock = Command(CommandKind.UNLOCK_CONNECTOR, evse_id=EvseId("DE*ABC*E91"))
    await w.up.put_session(CSMS, session())
    assert await run(w, unlock) is Result.REJECTED
    await w.core.tokens("emsp", [token()])
    await w.up.put_session(CSMS, session(kwh=None))
    assert await run(w, unlock) is Result.ACCEPTED


async def test_reservations_are_told_apart_upstream(tmp_path: Path) -> None:
    w = await above(tmp_path, partners=[Asked("emsp"), Asked("other")])
    book = Command(CommandKind.RESERVE_NOW, APP, evse_id=EvseId("DE*ABC*E91"), reservation_id="1", expires=NOON + HOUR)
    cancel = Command(CommandKind.CANCEL_RESERVATION, reservation_id="1")
    assert await run(w, cancel) is Result.UNKNOWN_RESERVATION
    assert await run(w, book) is Result.ACCEPTED
    assert (await w.core.command("other", book)).result is Result.ACCEPTED
    assert await run(w, evolve(book, expires=NOON + 2 * HOUR)) is Result.ACCEPTED
    w.restart()
    assert (await w.core.command("other", cancel)).result is Result.ACCEPTED
    ids = [c.reservation_id for c, _ in w.csms.commands]
    assert ids[0] == ids[2] != ids[1] == ids[3]
    assert await run(w, evolve(book, expires=NOON)) is Result.REJECTED


# --- a start that nobody can be billed for


async def test_a_bridge_that_ended_while_somebody_waited_has_the_session_stopped(tmp_path: Path) -> None:
    w = await above(tmp_path)
    asked = asyncio.Event()

    async def hangs(command: Command, reference: str) -> None:
        asked.set()
        await asyncio.Event().wait()

    w.csms.does = hangs
    waiting = asyncio.ensure_future(run(w, START))
    await asked.wait()
    ((_, reference),) = w.csms.commands
    told = session(authorization_reference=reference, token=card(str(APP.uid)))
    await w.up.put_session(CSMS, told)
    assert len(w.csms.commands) == 1, "somebody still waits for it"
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    w.restart()
    w.csms.does = answering(w, Result.ACCEPTED)
    await w.up.put_session(CSMS, evolve(told, kwh=None))
    await asyncio.gather(*w.up._tasks)
    assert [c.kind for c, _ in w.csms.commands[1:]] == [CommandKind.STOP_SESSION]
    assert len(w.history("stop of a session that nobody can be billed for")) == 1


async def test_one_that_was_answered_goes_on(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await run(w, START)
    w.restart()
    await w.up.put_session(CSMS, session(authorization_reference=w.csms.commands[0][1], token=card(str(APP.uid))))
    assert len(w.csms.commands) == 1
