"""Outcomes of commands that a partner waits for elsewhere: exactly one, whatever ends in between, and never in a log."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Declined, Unreachable
from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import EvseId, SessionId, TokenUid
from bridge.model.token import Allowed, Token, TokenKind
from bridge.roaming import outcomes
from bridge.roaming.pending import OutcomeRow
from bridge.roaming.ports import ConnectorRef
from tests.roaming.roaming_world import CARD, FIRST, NOON, Asked, World, token

Result = CommandResult
DRIVER = Token(TokenUid("driver-of-the-app-1234567890-abcdef"), TokenKind.APP_USER)
START = Command(CommandKind.START_SESSION, DRIVER, evse_id=EvseId("DE*ABC*E1"))
UNLOCK = Command(CommandKind.UNLOCK_CONNECTOR, evse_id=EvseId("DE*ABC*E1"))
THERE = "https://there/commands/1?secret=do-not-tell"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "FIRST", 0.0)
    monkeypatch.setattr(outcomes, "LOOK", 0.001)


async def world(path: Path) -> World:
    made = World(path, [Asked("app", Allowed.ALLOWED)])
    await made.import_all()
    await made.core.tokens("app", [token()])
    return made


def app(w: World) -> Asked:
    one = w.partners["app"]
    assert isinstance(one, Asked)
    return one


async def accepted(w: World, command: Command) -> None:
    assert (await w.core.command("app", command, THERE)).result is Result.ACCEPTED


async def over(w: World) -> None:
    """What was promised is kept, or given up."""
    commands = w.core._commands
    assert commands is not None
    await commands.close()


def promised(w: World) -> list[dict[str, Any]]:
    return [dict(r) for r in w.store.db.read.execute("SELECT * FROM outcome")]


async def killed(w: World, command: Command) -> None:
    """The bridge ends while the charger is asked, and is there again."""
    asked = asyncio.Event()

    async def hangs() -> None:
        asked.set()
        await asyncio.Event().wait()

    w.chargers.on_any = hangs
    await accepted(w, command)
    await asked.wait()
    w.chargers.on_any = None
    await ended(w)


async def ended(w: World) -> None:
    """As after a kill: what was under way leads to nothing any more."""
    before = w.core._commands
    assert before is not None
    for task in before.outcomes._tasks:
        task.cancel()
    await asyncio.gather(*before.outcomes._tasks, return_exceptions=True)
    w.restart()


async def resumed(w: World) -> list[CommandResult]:
    """What the partner heard after the restart."""
    assert w.core._commands is not None
    w.core._commands.resume()
    await over(w)
    assert promised(w) == []
    return [o.result for _, o in app(w).outcomes]


def put_off(w: World) -> bool:
    """Whether it was told in vain and is going to be told again."""
    return not app(w).outcome_faults and [(r["sending"], r["result"] is not None) for r in promised(w)] == [(0, True)]


# --- as it should go


async def test_it_is_on_the_disk_before_the_partner_hears_of_it_and_gone_afterwards(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await accepted(w, START)
    assert w.chargers.told == []
    (row,) = promised(w)
    assert (row["partner"], row["address"], row["result"]) == ("app", THERE, None)
    await over(w)
    assert promised(w) == []
    assert [(a, o.result) for a, o in app(w).outcomes] == [(THERE, Result.ACCEPTED)]
    (told,) = w.history("command outcome delivered")
    assert (told["partner"], told["detail"]) == ("app", "START_SESSION: ACCEPTED")


async def test_a_command_that_is_refused_promises_nothing(tmp_path: Path) -> None:
    w = await world(tmp_path)
    w.chargers.gone = {"CP1"}
    assert (await w.core.command("app", START, THERE)).result is Result.EVSE_INOPERATIVE
    assert promised(w) == []


async def test_a_charger_that_says_nothing_is_a_timeout_before_the_partner_gives_up(tmp_path: Path) -> None:
    w = await world(tmp_path)
    app(w).outcome_within = outcomes.MARGIN + 0.02

    async def hangs(ref: ConnectorRef, tag: str) -> None:
        await asyncio.Event().wait()

    w.chargers.on_start = hangs
    await accepted(w, START)
    await over(w)
    assert [o.result for _, o in app(w).outcomes] == [Result.TIMEOUT]
    await w.charge(w.chargers.told[0][2])  # it may have started all the same
    assert w.cdr().session_id is not None
    assert w.store.cdrs()[0].partner == "app"


# --- partners that do not take it


async def test_it_is_sent_until_it_arrives(tmp_path: Path) -> None:
    w = await world(tmp_path)
    app(w).outcome_faults = [Unreachable("no connection"), Unreachable("HTTP 429", 0.0), Unreachable("no connection")]
    await accepted(w, START)
    await over(w)
    assert [o.result for _, o in app(w).outcomes] == [Result.ACCEPTED]
    assert len(w.history("command outcome delivered")) == 1


@pytest.mark.parametrize("fault", [Unreachable("no answer in time", sent=True), Declined("unknown command", "2001")])
async def test_what_may_have_been_taken_or_was_refused_is_not_sent_again(tmp_path: Path, fault: Exception) -> None:
    w = await world(tmp_path)
    app(w).outcome_faults = [fault]
    await accepted(w, START)
    await over(w)
    assert app(w).outcomes == []
    assert promised(w) == []
    (told,) = w.history("command outcome not delivered")
    assert str(fault) in told["detail"]


async def test_when_the_time_is_over_nobody_waits_for_it(tmp_path: Path) -> None:
    w = await world(tmp_path)
    tries: list[str] = []

    async def down(address: str, outcome: Any) -> None:
        tries.append(address)
        w.clock.ahead(seconds=11)
        raise Unreachable("no connection")

    app(w).outcome = down  # type: ignore[method-assign]
    await accepted(w, START)
    await over(w)
    assert len(tries) == 3
    assert promised(w) == []
    assert len(w.history("command outcome not delivered")) == 1


async def test_a_longer_retry_after_than_the_time_that_is_left(tmp_path: Path) -> None:
    w = await world(tmp_path)
    app(w).outcome_faults = [Unreachable("HTTP 429", 31.0)]
    await accepted(w, START)
    await over(w)
    assert app(w).outcomes == []
    assert len(w.history("command outcome not delivered")) == 1


# --- a bridge that ends in the middle


async def test_it_ends_while_the_charger_is_asked_and_the_transaction_begins(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await killed(w, START)
    waiting = asyncio.ensure_future(resumed(w))
    await asyncio.sleep(0.01)
    assert app(w).outcomes == []  # the charger may say any moment that it began
    await w.sessions.started(FIRST, w.chargers.told[0][2], 1000, NOON)
    assert await waiting == [Result.ACCEPTED]


async def test_it_ends_while_the_charger_is_asked_and_nothing_began(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await killed(w, START)
    waiting = asyncio.ensure_future(resumed(w))
    await asyncio.sleep(0.01)
    assert app(w).outcomes == []
    w.clock.ahead(seconds=30 - outcomes.MARGIN)
    assert await waiting == [Result.TIMEOUT]


async def test_it_ends_before_the_charger_is_asked(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await accepted(w, START)
    await ended(w)
    assert w.chargers.told == []
    assert await resumed(w) == [Result.FAILED]


async def test_it_ends_while_a_charger_stops(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    session = w.store.session(tx=number)
    assert session is not None
    await killed(w, Command(CommandKind.STOP_SESSION, session_id=SessionId(session.id)))
    waiting = asyncio.ensure_future(resumed(w))
    await asyncio.sleep(0.01)
    assert app(w).outcomes == []
    await w.sessions.stopped("CP1", number, 2000, NOON + timedelta(minutes=5), "Remote", None, [])
    assert await waiting == [Result.ACCEPTED]


async def test_it_ends_while_a_charger_unlocks(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await killed(w, UNLOCK)
    assert await resumed(w) == [Result.TIMEOUT]


async def test_it_ends_before_the_outcome_is_told(tmp_path: Path) -> None:
    w = await world(tmp_path)
    app(w).outcome_faults = [Unreachable("no connection", 10.0)]
    w.chargers.result = Result.REJECTED
    await accepted(w, START)
    await until(lambda: put_off(w))
    await ended(w)
    assert await resumed(w) == [Result.REJECTED]


async def test_it_ends_while_the_outcome_is_told(tmp_path: Path) -> None:
    """Whether the partner took it is not known: a second one would be one too many."""
    w = await world(tmp_path)
    telling = asyncio.Event()

    async def hangs(address: str, outcome: Any) -> None:
        telling.set()
        await asyncio.Event().wait()

    app(w).outcome = hangs  # type: ignore[method-assign]
    await accepted(w, START)
    await telling.wait()
    await ended(w)
    del app(w).outcome
    assert await resumed(w) == []
    assert len(w.history("command outcome not delivered")) == 1


async def test_after_the_time_is_over_nothing_is_told(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await killed(w, UNLOCK)
    w.clock.ahead(seconds=31)
    assert await resumed(w) == []
    assert len(w.history("command outcome not delivered")) == 1


async def test_a_partner_that_is_gone_from_the_configuration(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await killed(w, UNLOCK)
    told, w.partners = app(w), {}
    w.restart()
    assert w.core._commands is not None
    w.core._commands.resume()
    await over(w)
    assert promised(w) == []
    assert told.outcomes == []
    assert [h["detail"] for h in w.history("command")] == ["UNLOCK_CONNECTOR: TIMEOUT, after a restart"]


async def test_a_bridge_that_stops_in_order_keeps_what_it_has_no_time_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = await world(tmp_path)
    app(w).outcome_faults = [Unreachable("no connection", 10.0)]
    await accepted(w, START)
    await until(lambda: put_off(w))
    with monkeypatch.context() as hurry:
        hurry.setattr(outcomes, "GRACE", 0.01)
        await over(w)
    assert [row["result"] for row in promised(w)] == ["ACCEPTED"]
    w.restart()
    assert await resumed(w) == [Result.ACCEPTED]


async def test_an_address_is_in_no_log_and_in_no_history(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    w = await world(tmp_path)
    app(w).outcome_faults = [Unreachable("no connection"), Declined("no")]
    await accepted(w, START)
    await over(w)
    app(w).outcome_faults = [ValueError(THERE)]
    await accepted(w, UNLOCK)
    await over(w)
    assert len(w.history("command outcome not delivered")) == 2
    assert "do-not-tell" not in caplog.text + str(w.history())
    assert "do-not-tell" not in repr(OutcomeRow("app", "START_SESSION", "E1", THERE, NOON))


async def until(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)
