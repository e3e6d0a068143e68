"""Remote starts that a waiting partner (Hubject) takes for failed: nothing begins by them, what began ends, nobody is billed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import EvseId, TokenUid
from bridge.model.token import Allowed, Token, TokenKind
from bridge.roaming import disowned
from bridge.roaming.disowned import STOPPED, UNHEARD
from bridge.roaming.ports import ChargerAnswer, ConnectorRef, Kind, MeterSample
from tests.roaming.roaming_world import CARD, FIRST, NOON, Asked, World, token

Answer, Result = ChargerAnswer, CommandResult
HELD = "session kept for a person"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disowned, "FIRST", 0.001)


async def world(path: Path) -> World:
    made = World(path, [Asked("hub", Allowed.ALLOWED, format_="oicp-2.3")])
    await made.import_all()
    return made


def start(driver: str = "DE-DCB-C12345678-X", kind: TokenKind = TokenKind.REMOTE) -> Command:
    return Command(CommandKind.START_SESSION, Token(TokenUid(driver), kind), evse_id=EvseId("DE*ABC*E1"), hub_session_id="hub-1")


def tag(w: World) -> str:
    return str(next(told[2] for told in w.chargers.told if told[0] == "start"))


def hub(w: World) -> Asked:
    found = w.partners["hub"]
    assert isinstance(found, Asked)
    return found


async def stops(w: World, count: int = 1) -> list[tuple[object, ...]]:
    """What the charger was told to stop, once it was told so often."""
    while len(found := [told for told in w.chargers.told if told[0] == "stop"]) < count:
        await asyncio.sleep(0)
    return found


async def gives_up(w: World, when: Callable[[], bool] | None = None) -> None:
    """The adapter stops waiting for what comes of a start, once the charger was asked."""
    waiting = asyncio.ensure_future(w.core.command("hub", start()))
    while not (when or (lambda: bool(w.chargers.told)))():
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def told_sessions(w: World) -> int:
    return int(w.store.db.read.execute("SELECT COUNT(*) FROM outbox WHERE kind = 'session'").fetchone()[0])


async def end(w: World, number: int) -> None:
    sample = MeterSample(w.clock.ahead(minutes=10), Decimal(3))
    await w.sessions.metered(FIRST, number, [sample])
    await w.sessions.stopped("CP1", number, 3000, w.clock.ahead(minutes=10), "Remote", None, [])


def kept_for_a_person(w: World, number: int) -> bool:
    session = w.store.session(tx=number)
    assert session is not None
    assert w.store.cdrs() == []
    assert told_sessions(w) == 0
    assert Kind.CDR not in [kind for kind, _ in hub(w).encoded]
    lines = [(h["ref"], h["detail"]) for h in w.history(HELD)]
    return session.state == "held" and lines == [(session.id, UNHEARD)]


# --- it has not begun


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_charger_was_silent_and_begins_later(tmp_path: Path, restarted: bool) -> None:
    w = await world(tmp_path)
    w.chargers.result = Result.TIMEOUT
    assert (await w.core.command("hub", start())).result is Result.TIMEOUT
    if restarted:
        w.restart()
        await w.sessions.resume()
    w.chargers.result = Result.ACCEPTED
    number, answer = await w.sessions.started(FIRST, tag(w), 1000, NOON)
    assert answer is Answer.INVALID
    assert (await w.sessions.started(FIRST, tag(w), 1000, NOON)) == (number, Answer.INVALID)
    assert hub(w).questions == []  # and nobody is asked whether its tag may charge
    assert await stops(w) == [("stop", "CP1", number)]  # one that goes on all the same is told to stop
    await end(w, number)
    assert w.store.cdrs() == []
    assert told_sessions(w) == 0


async def test_a_charger_that_stops_by_itself_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disowned, "FIRST", 0.2)
    w = await world(tmp_path)
    w.chargers.result = Result.TIMEOUT
    await w.core.command("hub", start())
    number, _ = await w.sessions.started(FIRST, tag(w), 1000, NOON)
    await w.sessions.stopped("CP1", number, 1000, NOON, "DeAuthorized", None, [])
    while w.sessions.disowned._tasks:
        await asyncio.sleep(0)
    assert [told[0] for told in w.chargers.told] == ["start"]


async def test_the_adapter_can_wait_no_longer(tmp_path: Path) -> None:
    w = await world(tmp_path)

    async def silent(ref: ConnectorRef, tag: str) -> None:
        await asyncio.Event().wait()

    w.chargers.on_start = silent
    await gives_up(w)
    assert (await w.sessions.started(FIRST, tag(w), 1000, NOON))[1] is Answer.INVALID


async def test_a_card_that_is_shown_afterwards_is_a_new_decision(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.core.tokens("hub", [token()])
    w.chargers.result = Result.TIMEOUT
    await w.core.command("hub", start(CARD, TokenKind.RFID))
    assert (await w.sessions.started(FIRST, CARD, 900, NOON))[1] is Answer.INVALID
    assert await w.sessions.authorise("CP1", CARD) is Answer.ACCEPTED
    number, answer = await w.sessions.started(FIRST, CARD, 1000, NOON + timedelta(seconds=9))
    assert answer is Answer.ACCEPTED
    await end(w, number)
    assert [c.partner for c in w.store.cdrs()] == ["hub"]


async def test_the_partner_tries_again(tmp_path: Path) -> None:
    w = await world(tmp_path)
    w.chargers.result = Result.TIMEOUT
    await w.core.command("hub", start())
    w.chargers.result = Result.ACCEPTED
    await w.core.command("hub", start())
    assert (await w.sessions.started(FIRST, tag(w), 1000, NOON))[1] is Answer.ACCEPTED


async def test_after_a_while_the_tag_is_one_like_any_other(tmp_path: Path) -> None:
    w = await world(tmp_path)
    w.chargers.result = Result.TIMEOUT
    await w.core.command("hub", start())
    w.clock.ahead(minutes=16)
    assert (await w.sessions.started(FIRST, tag(w), 1000, w.clock()))[1] is Answer.ACCEPTED
    assert len(hub(w).questions) == 1


# --- it has begun


async def begins(w: World) -> int:
    """The transaction begins while the charger is being asked; its number."""
    number, answer = await w.sessions.started(FIRST, tag(w), 1000, NOON)
    assert answer is Answer.ACCEPTED
    return number


async def test_a_transaction_is_an_answer(tmp_path: Path) -> None:
    w = await world(tmp_path)
    w.chargers.result = Result.TIMEOUT
    before: list[int] = []

    async def begun(ref: ConnectorRef, tag: str) -> None:
        await begins(w)
        before.append(told_sessions(w))

    w.chargers.on_start = begun
    assert (await w.core.command("hub", start())).result is Result.ACCEPTED
    assert (before, told_sessions(w)) == ([0], 1)  # the hub hears of the session once it has our answer
    assert w.store.unanswered() == []
    session = w.store.open_sessions("CP1")[0]
    await end(w, session.tx)
    assert [c.state for c in w.store.cdrs()] == ["waiting"]


@pytest.mark.parametrize("answered_again", [False, True])
async def test_the_adapter_can_wait_no_longer_and_it_has_begun(tmp_path: Path, answered_again: bool) -> None:
    w = await world(tmp_path)
    numbers = []

    async def begun(ref: ConnectorRef, tag: str) -> None:
        numbers.append(await begins(w))
        await asyncio.Event().wait()

    w.chargers.on_start = begun
    await gives_up(w, lambda: bool(numbers))
    (number,) = numbers
    if answered_again:  # the charger has not heard our answer, and tells again
        assert await w.sessions.started(FIRST, tag(w), 1000, NOON) == (number, Answer.INVALID)
    assert await stops(w) == [("stop", "CP1", number)]
    await end(w, number)
    assert kept_for_a_person(w, number)
    assert {h["detail"] for h in w.history(STOPPED)} == {"ACCEPTED"}


@pytest.mark.parametrize("resumed", [True, False])
async def test_the_bridge_ended_before_the_partner_had_our_answer(tmp_path: Path, resumed: bool) -> None:
    w = await world(tmp_path)
    numbers = []

    async def ends(ref: ConnectorRef, tag: str) -> None:
        numbers.append(await begins(w))
        w.restart()

    w.chargers.on_start = ends
    with pytest.raises(RuntimeError, match="not open"):
        await w.core.command("hub", start())
    (number,) = numbers
    if resumed:
        await w.sessions.resume()
        assert await stops(w) == [("stop", "CP1", number)]
        assert w.store.unanswered() == []
    await end(w, number)  # or the charger was quicker
    assert kept_for_a_person(w, number)


async def test_it_is_stopped_when_the_charger_is_there_again_and_however_often_the_bridge_ends(tmp_path: Path) -> None:
    w = await world(tmp_path)

    async def ends(ref: ConnectorRef, tag: str) -> None:
        await begins(w)
        w.restart()

    w.chargers.on_start = ends
    with pytest.raises(RuntimeError, match="not open"):
        await w.core.command("hub", start())
    w.chargers.gone = {"CP1"}
    for _ in range(2):
        await w.sessions.resume()
        await asyncio.sleep(0.02)
        assert [told[0] for told in w.chargers.told] == ["start"]
        await w.sessions.disowned.close()
        w.restart()
    await w.sessions.resume()
    w.chargers.gone = set()
    w.chargers.result = Result.TIMEOUT
    assert len(await stops(w, 3)) == 3  # until it has stopped
    (session,) = w.store.open_sessions("CP1")
    await end(w, session.tx)
    assert kept_for_a_person(w, session.tx)


async def test_it_was_answered_or_given_up_while_the_session_was_stored(tmp_path: Path) -> None:
    for number, given_up in enumerate((False, True)):
        path = tmp_path / str(number)
        path.mkdir()
        w = await world(path)

        async def begun(ref: ConnectorRef, tag: str, w: World = w, given_up: bool = given_up) -> None:
            opening = w.store.open_session

            async def meanwhile(row, decision, *args, **kwargs):  # type: ignore[no-untyped-def]
                await (w.sessions.failed(decision) if given_up else w.sessions.answered(decision))
                return await opening(row, decision, *args, **kwargs)

            w.store.open_session = meanwhile  # type: ignore[method-assign]
            await begins(w)
            if given_up:
                await stops(w)

        w.chargers.on_start = begun
        await w.core.command("hub", start())
        assert told_sessions(w) == (0 if given_up else 1)
        assert w.store.unanswered() == []
        (session,) = w.store.open_sessions("CP1")
        await end(w, session.tx)
        if given_up:
            assert kept_for_a_person(w, session.tx)
        else:
            assert len(w.store.cdrs()) == 1
