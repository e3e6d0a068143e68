"""Acceptances of which nothing comes: the hub, where a session is open for each, is told, and no driver waits for it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Declined, Unreachable
from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import EvseId, TokenUid
from bridge.model.token import Allowed, Token, TokenKind, Whitelist
from bridge.roaming import expected, release
from bridge.roaming.authorise import Route
from bridge.roaming.ports import AuthorisationAnswer, AuthorisationRequest, ChargerAnswer, ConnectorRef
from tests.roaming.roaming_world import CARD, FIRST, NOON, OTHER, Asked, World, token

Answer = ChargerAnswer
ALONE = ConnectorRef("CP2", 1)


class Hub(Asked):
    """A hub: each acceptance opens a session there."""

    def __init__(self, name: str = "hub", says: Allowed | Exception = Allowed.ALLOWED, after: float = 0.0) -> None:
        super().__init__(name, says, after, format_="oicp-2.3")
        self.opened: list[str] = []
        self.released: list[tuple[str | None, EvseId | None]] = []
        self.faults: list[Exception] = []
        self.takes = 0.0

    async def authorise(self, request: AuthorisationRequest) -> AuthorisationAnswer:
        told = await super().authorise(request)
        if told.allowed is not Allowed.ALLOWED:
            return told
        self.opened.append(f"{self.name}-{len(self.opened) + 1}")
        return AuthorisationAnswer(told.allowed, Token(TokenUid(request.uid), TokenKind.RFID), hub_session_id=self.opened[-1])

    async def release(self, answer: AuthorisationAnswer, evse_id: EvseId | None) -> None:
        await asyncio.sleep(self.takes)
        if self.faults:
            raise self.faults.pop(0)
        self.released.append((answer.hub_session_id, evse_id))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "PAUSES", (0.0, 0.0))


async def world(path: Path, *partners: Asked, **options: Any) -> World:
    made = World(path, partners, **options)
    await made.import_all()
    return made


async def given_back(w: World) -> None:
    await w.core.authoriser.releases.close()


# --- routes that lose


@pytest.mark.parametrize("direct", [Allowed.ALLOWED, Allowed.BLOCKED])
async def test_a_worse_route_that_accepted_first(tmp_path: Path, direct: Allowed) -> None:
    hub = Hub()
    w = await world(
        tmp_path, Asked("direct", direct, after=0.05), hub, routes=[Route("direct", stage=1), Route("hub", stage=1, priority=900)]
    )
    assert await w.sessions.authorise("CP2", CARD) is (Answer.ACCEPTED if direct is Allowed.ALLOWED else Answer.BLOCKED)
    await given_back(w)
    assert hub.released == [("hub-1", EvseId("DE*ABC*E3"))]
    (told,) = w.history("authorisation released")
    assert (told["partner"], told["ref"], told["detail"]) == ("hub", "hub-1", "another route was better")


async def test_a_worse_route_that_nobody_waited_for(tmp_path: Path) -> None:
    hub = Hub(after=0.3)
    w = await world(tmp_path, Asked("direct", Allowed.ALLOWED), hub, routes=[Route("direct", stage=1), Route("hub", stage=1, priority=900)])
    began = time.monotonic()
    assert await w.sessions.authorise("CP1", CARD) is Answer.ACCEPTED
    assert time.monotonic() - began < 0.3
    assert hub.opened == []
    await given_back(w)
    assert hub.released == [("hub-1", None)]  # CP1 has two EVSEs: which one is not known
    (told,) = w.history("authorisation released")
    assert told["detail"] == "it came too late"


@pytest.mark.parametrize("listed", [False, True])
async def test_an_answer_after_the_deadline(tmp_path: Path, listed: bool) -> None:
    hub = Hub(after=0.06)
    w = await world(tmp_path, hub, authorise_seconds=0.03)
    if listed:
        await w.core.tokens("hub", [token(whitelist=Whitelist.NEVER)])
    assert await w.sessions.authorise("CP2", CARD) is Answer.INVALID
    await given_back(w)
    assert hub.released == [("hub-1", EvseId("DE*ABC*E3"))]


@pytest.mark.parametrize("says", [Allowed.NOT_ALLOWED, Allowed.BLOCKED, Unreachable("down"), ValueError("a fault")])
async def test_a_late_no_is_nothing_to_give_back(tmp_path: Path, says: Allowed | Exception) -> None:
    hub = Hub(says=says, after=0.06)
    w = await world(tmp_path, hub, authorise_seconds=0.03)
    assert await w.sessions.authorise("CP2", CARD) is Answer.INVALID
    await given_back(w)
    assert hub.released == []
    assert w.history("authorisation not released") == []


async def test_a_decision_that_is_given_up_with_its_answers(tmp_path: Path) -> None:
    quick, slow = Hub("quick"), Hub("slow", after=0.05)
    w = await world(tmp_path, quick, slow, routes=[Route("slow"), Route("quick", priority=900)])
    asking = asyncio.ensure_future(w.sessions.authorise("CP2", CARD))
    while not quick.opened:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await given_back(w)
    assert [quick.released[0][0], slow.released[0][0]] == ["quick-1", "slow-1"]


# --- accepted cards that start nothing


async def test_a_card_whose_driver_left(tmp_path: Path) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)
    assert await w.sessions.authorise("CP2", CARD) is Answer.ACCEPTED
    w.clock.ahead(minutes=14)
    await w.sessions.expectations.expire()
    await given_back(w)
    assert hub.released == []
    w.clock.ahead(minutes=1)
    await w.sessions.expectations.expire()
    await given_back(w)
    assert hub.released == [("hub-1", EvseId("DE*ABC*E3"))]
    await w.sessions.expectations.expire()
    await given_back(w)
    assert len(hub.released) == 1


START = Command(CommandKind.START_SESSION, Token(TokenUid("DE-DCB-C12345678-4"), TokenKind.REMOTE), evse_id=EvseId("DE*ABC*E1"),
                hub_session_id="theirs")  # fmt: skip


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_remote_start_without_a_car(tmp_path: Path, restarted: bool) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)
    assert (await w.core.command("hub", START)).result is CommandResult.ACCEPTED
    if restarted:
        w.restart()
    w.clock.ahead(minutes=14)
    await w.sessions.expectations.expire()
    await given_back(w)
    assert hub.released == []
    w.clock.ahead(minutes=1)
    for _ in range(2):
        await w.sessions.expectations.expire()
        await given_back(w)
    assert hub.released == [("theirs", EvseId("DE*ABC*E1"))]
    hub.says = Allowed.NOT_ALLOWED
    assert (await w.sessions.started(FIRST, w.chargers.told[0][2], 1000, NOON))[1] is Answer.INVALID


async def test_a_remote_start_that_the_hub_took_for_failed_is_not_told_again(tmp_path: Path) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)

    async def ends() -> None:
        w.restart()

    w.chargers.on_any = ends
    with pytest.raises(RuntimeError, match="not open"):
        await w.core.command("hub", START)
    w.clock.ahead(minutes=15)
    await w.sessions.expectations.expire()
    await w.core.stop()
    assert hub.released == []


async def test_the_oldest_card_of_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "_MOST", 2)
    hub = Hub()
    w = await world(tmp_path, hub)
    for card in (CARD, OTHER, CARD, "04AAAAAAAAAAAA"):
        assert await w.sessions.authorise("CP2", card) is Answer.ACCEPTED
    await given_back(w)
    assert sorted(s or "" for s, _ in hub.released) == ["hub-1", "hub-2"]


async def test_a_card_that_is_shown_again(tmp_path: Path) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)
    for _ in range(3):
        assert await w.sessions.authorise("CP2", CARD) is Answer.ACCEPTED
    assert await w.sessions.authorise("CP2", OTHER) is Answer.ACCEPTED
    await given_back(w)
    assert [s for s, _ in hub.released] == ["hub-1", "hub-2"]


async def test_a_card_that_is_revoked_before_it_starts(tmp_path: Path) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)
    await w.core.tokens("hub", [token(whitelist=Whitelist.NEVER)])
    assert await w.sessions.authorise("CP2", CARD) is Answer.ACCEPTED
    await w.core.tokens("hub", [token(whitelist=Whitelist.NEVER, valid=False)])
    hub.says = Allowed.BLOCKED
    assert (await w.sessions.started(ALONE, CARD, 1000, NOON))[1] is Answer.BLOCKED
    await given_back(w)
    assert [s for s, _ in hub.released] == ["hub-1"]


async def test_a_session_that_runs_is_kept(tmp_path: Path) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)
    assert await w.sessions.authorise("CP2", CARD) is Answer.ACCEPTED
    await w.charge(CARD, ref=ALONE)
    await w.charge(OTHER, ref=FIRST)  # never shown before
    await w.sessions.expectations.expire()
    await w.core.command("hub", START)
    await w.charge(w.chargers.told[0][2])
    w.clock.ahead(hours=1)
    await w.sessions.expectations.expire()
    await w.core.stop()
    assert hub.opened == ["hub-1", "hub-2"]
    assert hub.released == []


async def test_a_start_that_cannot_be_stored_keeps_its_session_until_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)

    async def full(*_: Any, **__: Any) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(w.store, "open_session", full)
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError):
                await w.sessions.started(ALONE, CARD, 1000, NOON)
    assert (await w.sessions.started(ALONE, CARD, 1000, NOON))[1] is Answer.ACCEPTED
    await w.core.stop()
    assert hub.opened == ["hub-1"]
    assert hub.released == []


async def test_a_bridge_that_stops_gives_back_what_it_would_forget(tmp_path: Path) -> None:
    hub = Hub()
    w = await world(tmp_path, hub)
    assert await w.sessions.authorise("CP2", CARD) is Answer.ACCEPTED
    await w.core.stop()
    assert [s for s, _ in hub.released] == ["hub-1"]


# --- how


async def test_nobody_waits_for_it_and_a_hub_that_is_away_is_told_again(tmp_path: Path) -> None:
    hub = Hub()
    hub.takes, hub.faults = 0.2, [Unreachable("down"), Unreachable("down", sent=True)]
    w = await world(tmp_path, hub)
    await w.sessions.authorise("CP2", CARD)
    began = time.monotonic()
    assert await w.sessions.authorise("CP2", CARD) is Answer.ACCEPTED
    assert time.monotonic() - began < 0.2
    await given_back(w)
    assert [s for s, _ in hub.released] == ["hub-1"]
    assert len(w.history("authorisation released")) == 1


@pytest.mark.parametrize("faults", [[Declined("no such session")], [Unreachable("down")] * 3, [ValueError(CARD)]])
async def test_what_cannot_be_given_back_is_in_the_history(
    tmp_path: Path, faults: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub()
    hub.faults = faults
    w = await world(tmp_path, hub)
    for _ in range(2):
        await w.sessions.authorise("CP2", CARD)
    await given_back(w)
    assert hub.released == []
    (told,) = w.history("authorisation not released")
    assert (told["partner"], told["ref"]) == ("hub", "hub-1")
    assert CARD not in str(told) + caplog.text


async def test_partners_without_sessions_are_told_nothing(tmp_path: Path) -> None:
    w = await world(tmp_path, Asked("direct", Allowed.ALLOWED))
    for _ in range(2):
        await w.sessions.authorise("CP2", CARD)
    await w.core.stop()
    assert w.history("authorisation released") == w.history("authorisation not released") == []
