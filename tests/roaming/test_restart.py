"""A bridge that ends in the middle of a remote start: who was told what decides whether the driver may charge."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import EvseId, TokenUid
from bridge.model.token import Allowed, Token, TokenKind
from bridge.roaming.ports import ChargerAnswer, ConnectorRef
from tests.roaming.roaming_world import NOON, Asked, World

START = Command(CommandKind.START_SESSION, Token(TokenUid("driver-of-the-app-1234567890"), TokenKind.APP_USER), evse_id=EvseId("DE*ABC*E1"),
                hub_session_id="hub-1")  # fmt: skip


async def world(path: Path) -> World:
    made = World(path, [Asked("app", Allowed.NOT_ALLOWED)])
    await made.import_all()
    return made


async def begun(w: World) -> ChargerAnswer:
    """What the charger hears when the transaction begins."""
    ((_, ref, tag),) = w.chargers.told
    return (await w.sessions.started(ref, tag, 1000, NOON))[1]


@pytest.mark.parametrize(("answer_to", "expected"), [(None, ChargerAnswer.INVALID), ("https://there/1", ChargerAnswer.ACCEPTED)])
async def test_it_ends_while_the_charger_is_asked(tmp_path: Path, answer_to: str | None, expected: ChargerAnswer) -> None:
    """A partner that waited for our answer (Hubject) took it for failed; one that we had answered (OCPI) did not."""
    w = await world(tmp_path)

    async def ends(ref: ConnectorRef, tag: str) -> None:
        w.restart()

    w.chargers.on_start = ends
    before = w.core
    told = await before.command("app", START, answer_to) if answer_to is not None else None
    if told is None:
        with pytest.raises(RuntimeError, match="not open"):
            await before.command("app", START)
    assert before._commands is not None
    await before._commands.close()
    assert await begun(w) is expected
    await w.charge(w.chargers.told[0][2])
    assert [c.partner for c in w.store.cdrs()] == (["app"] if expected is ChargerAnswer.ACCEPTED else [])


@pytest.mark.parametrize(("result", "expected"), [(CommandResult.ACCEPTED, ChargerAnswer.ACCEPTED),
                                                   (CommandResult.TIMEOUT, ChargerAnswer.INVALID)])  # fmt: skip
async def test_it_ends_after_the_partner_was_told(tmp_path: Path, result: CommandResult, expected: ChargerAnswer) -> None:
    w = await world(tmp_path)
    w.chargers.result = result
    assert (await w.core.command("app", START)).result is result
    w.restart()
    assert await begun(w) is expected


async def test_it_goes_on_and_the_transaction_is_quicker_than_the_answer(tmp_path: Path) -> None:
    w = await world(tmp_path)
    heard: list[ChargerAnswer] = []

    async def begins(ref: ConnectorRef, tag: str) -> None:
        heard.append(await begun(w))

    w.chargers.on_start = begins
    assert (await w.core.command("app", START)).result is CommandResult.ACCEPTED
    assert heard == [ChargerAnswer.ACCEPTED]
