"""Remote commands: who may, what the charger hears, and what is told to whom."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import EvseId, EvseUid, LocationId, SessionId, TokenUid
from bridge.model.location import Status
from bridge.model.token import Allowed, Token, TokenKind
from bridge.roaming.ports import ChargerAnswer, ConnectorRef
from bridge.roaming.storage import EvseRow
from tests.roaming.roaming_world import CARD, FIRST, NOON, OTHER, SECOND, Asked, World, agreement, token

Result = CommandResult
DRIVER = Token(TokenUid("driver-of-the-app-1234567890-abcdef"), TokenKind.APP_USER)


async def world(path: Path, **options: Any) -> World:
    made = World(path, [Asked("app", Allowed.ALLOWED), Asked("rival", Allowed.ALLOWED)], **options)
    await made.import_all()
    await made.core.tokens("app", [token()])
    return made


def start(evse: str = "DE*ABC*E1", driver: Token = DRIVER, **more: Any) -> Command:
    return Command(CommandKind.START_SESSION, driver, evse_id=EvseId(evse), **more)


async def run(w: World, command: Command, partner: str = "app") -> CommandResult:
    return (await w.core.command(partner, command)).result


# --- start


async def test_a_start_reaches_the_charger_under_an_alias_that_it_can_hold(tmp_path: Path) -> None:
    w = await world(tmp_path)
    assert [await run(w, start("DE*ABC*E1")), await run(w, start("DE*ABC*E2"))] == [Result.ACCEPTED] * 2
    tags = [tag for _, _, tag in w.chargers.told]
    assert len(set(tags)) == 2
    assert all(len(tag) <= 20 and tag.isalnum() for tag in tags)
    assert await run(w, start("DE*ABC*E3", Token(TokenUid(CARD), TokenKind.RFID))) is Result.ACCEPTED
    assert w.chargers.told[-1] == ("start", ConnectorRef("CP2", 1), CARD)


async def test_occupied_offline_unknown_and_foreign(tmp_path: Path) -> None:
    only = frozenset({"tokens", "cdrs"})
    w = await world(tmp_path, agreements=[agreement("app"), agreement("rival", kinds=only)])
    await w.sessions.started(FIRST, CARD, 1000, NOON)
    w.chargers.gone = {"CP2"}
    assert await run(w, start("DE*ABC*E1")) is Result.EVSE_OCCUPIED
    assert await run(w, start("DE*ABC*E3")) is Result.EVSE_INOPERATIVE
    for evse in ("DE*ABC*E1", "DE*ABC*E3", "DE*ABC*E9", "DE*XXX*E1"):  # the same word for what is not there and what it may not use
        assert await run(w, start(evse), "rival") is Result.REJECTED
        assert (await w.core.command("rival", start(evse), "https://there")).result is Result.REJECTED
    assert await run(w, start("DE*XXX*E1")) is Result.REJECTED
    assert not w.chargers.told
    assert len(w.history("command")) == 11


async def test_of_one_uid_at_two_operators_the_partners_is_meant(tmp_path: Path) -> None:
    """An OCPI uid is unique with its operator only, and a command names none."""
    zeta = [evolve(agreement(name), operator="zeta") for name in ("app", "rival")]
    w = await world(tmp_path, agreements=[agreement("app"), *zeta])
    for number, operator in enumerate(("zeta", "acme", "mid"), 7):
        ident = f"DE*{operator[:3].upper()}*E{number}"
        row = EvseRow(ident, ident, "SAME", "L1", operator, charge_point=f"CP{number}", connector=1)
        await w.store.save_things([], [row], [])
    meant = Command(CommandKind.START_SESSION, DRIVER, location_id=LocationId("L1"), evse_uid=EvseUid("SAME"))
    assert await run(w, meant, "rival") is Result.ACCEPTED
    assert await run(w, meant, "app") is Result.ACCEPTED
    assert [ref.charge_point for _, ref, _ in w.chargers.told] == ["CP7", "CP8"]
    w.book._all = ()
    assert await run(w, meant, "rival") is Result.REJECTED


async def test_a_session_whose_stop_was_lost_does_not_occupy_for_ever(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.sessions.started(FIRST, CARD, 1000, NOON)
    await w.sessions.status(FIRST, Status.AVAILABLE, NOON + timedelta(hours=1))
    assert await run(w, start()) is Result.ACCEPTED


async def test_a_location_alone_means_an_evse_that_is_free(tmp_path: Path) -> None:
    w = await world(tmp_path)
    anywhere = Command(CommandKind.START_SESSION, DRIVER, location_id=LocationId("L1"))
    await w.sessions.started(FIRST, CARD, 1000, NOON)
    w.chargers.gone = {"CP2"}
    assert await run(w, anywhere) is Result.ACCEPTED
    assert w.chargers.told[0][1] == SECOND
    await w.sessions.started(SECOND, CARD, 1000, NOON)
    assert await run(w, anywhere) is Result.EVSE_OCCUPIED


async def test_an_evse_at_another_location_is_not_meant(tmp_path: Path) -> None:
    w = await world(tmp_path)
    there = Command(CommandKind.START_SESSION, DRIVER, location_id=LocationId("L2"), evse_uid=EvseUid("U1"))
    assert await run(w, there) is Result.REJECTED
    here = Command(CommandKind.START_SESSION, DRIVER, location_id=LocationId("l1"), evse_uid=EvseUid("U1"))
    assert await run(w, here) is Result.ACCEPTED


@pytest.mark.parametrize("result", [Result.REJECTED, Result.FAILED, Result.NOT_SUPPORTED])
async def test_a_start_that_the_charger_refused_opens_nothing(tmp_path: Path, result: CommandResult) -> None:
    w = await world(tmp_path)
    w.chargers.result = result
    assert await run(w, start()) is result
    assert (await w.sessions.started(FIRST, w.chargers.told[0][2], 1000, NOON))[1] is ChargerAnswer.INVALID


async def test_a_start_whose_answer_was_lost_still_belongs_to_a_partner_that_was_told_to_wait(tmp_path: Path) -> None:
    w = await world(tmp_path)
    w.chargers.result = Result.TIMEOUT
    assert [o.result for _, o in (await follow(w, start())).outcomes] == [Result.TIMEOUT]
    w.restart()
    await w.charge(w.chargers.told[0][2])
    assert w.store.cdrs()[0].partner == "app"


async def test_a_transaction_that_begins_before_the_charger_answers(tmp_path: Path) -> None:
    w = await world(tmp_path)
    answers = []

    async def begin(ref: ConnectorRef, tag: str) -> None:
        answers.append((await w.sessions.started(ref, tag, 1000, NOON))[1])

    w.chargers.on_start = begin
    assert await run(w, start()) is Result.ACCEPTED
    assert answers == [ChargerAnswer.ACCEPTED]


# --- stop and unlock


async def test_only_the_partner_that_owns_the_session_stops_it(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    session = w.store.session(tx=number)
    assert session is not None
    stop = Command(CommandKind.STOP_SESSION, session_id=SessionId(session.id))
    assert await run(w, stop, "rival") is Result.UNKNOWN_SESSION
    assert await run(w, Command(CommandKind.STOP_SESSION, session_id=SessionId("nothing"))) is Result.UNKNOWN_SESSION
    assert await run(w, Command(CommandKind.STOP_SESSION, evse_id=EvseId("DE*ABC*E1"))) is Result.UNKNOWN_SESSION
    assert not w.chargers.told
    assert await run(w, stop) is Result.ACCEPTED
    assert w.chargers.told == [("stop", "CP1", number)]
    await w.sessions.stopped("CP1", number, 2000, w.clock.ahead(minutes=5), "Remote", None, [])
    assert await run(w, stop) is Result.UNKNOWN_SESSION


async def test_a_hub_stops_by_its_own_session_id(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await run(w, start(hub_session_id="hub-1"))
    await w.sessions.started(FIRST, w.chargers.told[0][2], 1000, NOON)
    stop = Command(CommandKind.STOP_SESSION, evse_id=EvseId("DE*ABC*E1"), hub_session_id="hub-1")
    assert await run(w, stop, "rival") is Result.UNKNOWN_SESSION
    assert await run(w, stop) is Result.ACCEPTED


async def test_nobody_unlocks_what_another_partners_driver_charges_at(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.sessions.started(FIRST, CARD, 1000, NOON)
    unlock = Command(CommandKind.UNLOCK_CONNECTOR, evse_id=EvseId("DE*ABC*E1"))
    assert await run(w, unlock, "rival") is Result.REJECTED
    assert await run(w, unlock) is Result.ACCEPTED
    assert w.chargers.told == [("unlock", FIRST)]


# --- reservations


def reserve(name: str, evse: str = "DE*ABC*E1", minutes: int = 30) -> Command:
    return Command(CommandKind.RESERVE_NOW, DRIVER, evse_id=EvseId(evse), reservation_id=name, expires=NOON + timedelta(minutes=minutes))


async def test_reservation_numbers_are_stable_and_unique(tmp_path: Path) -> None:
    w = await world(tmp_path)
    for partner, name in (("app", "r1"), ("rival", "r1"), ("app", "r2"), ("app", "r1")):
        assert await run(w, reserve(name), partner) is Result.ACCEPTED
        w.restart()
    numbers = [told[3] for told in w.chargers.told]
    assert numbers[0] == numbers[3]
    assert len(set(numbers)) == 3
    assert all(0 < n < 2**31 for n in numbers)


async def test_a_reservation_is_cancelled_by_its_name_alone_and_by_its_partner_only(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await run(w, reserve("r1"))
    cancel = Command(CommandKind.CANCEL_RESERVATION, reservation_id="r1")
    assert await run(w, cancel, "rival") is Result.UNKNOWN_RESERVATION
    assert await run(w, cancel) is Result.ACCEPTED
    assert w.chargers.told[-1] == ("cancel", "CP1", w.chargers.told[0][3])


async def test_who_reserved_starts_under_the_tag_of_the_reservation(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await run(w, reserve("r1"))
    await run(w, start())
    reserved, started = w.chargers.told
    assert reserved[2] == started[2]
    assert await run(w, start(), "rival") is Result.ACCEPTED
    assert w.chargers.told[-1][2] != reserved[2]


async def test_a_reservation_of_the_past_is_refused(tmp_path: Path) -> None:
    w = await world(tmp_path)
    assert await run(w, reserve("r1", minutes=0)) is Result.REJECTED
    assert not w.chargers.told


# --- outcomes that follow later


async def follow(w: World, command: Command) -> Asked:
    assert w.core._commands is not None
    assert (await w.core.command("app", command, "https://there/1")).result is Result.ACCEPTED
    await w.core._commands.close()
    app = w.partners["app"]
    assert isinstance(app, Asked)
    return app


@pytest.mark.parametrize("result", [Result.ACCEPTED, Result.REJECTED, Result.TIMEOUT])
async def test_the_outcome_follows(tmp_path: Path, result: CommandResult) -> None:
    w = await world(tmp_path)
    w.chargers.result = result
    app = await follow(w, start())
    assert [(address, o.result) for address, o in app.outcomes] == [("https://there/1", result)]


async def test_a_fault_is_an_outcome_too(tmp_path: Path) -> None:
    w = await world(tmp_path)

    async def fail(ref: ConnectorRef, tag: str) -> None:
        raise ZeroDivisionError

    w.chargers.on_start = fail
    app = await follow(w, start())
    assert [o.result for _, o in app.outcomes] == [Result.FAILED]


async def test_commands_tell_no_uid_in_the_history(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await run(w, start("DE*ABC*E3", Token(TokenUid(OTHER), TokenKind.RFID)))
    told = str(w.history()) + str(w.decisions())
    assert OTHER not in told
    assert w.decisions()[0]["reason"] == "command: started by app"
