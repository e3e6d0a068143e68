"""Charging profiles: who may set them, the one outcome of each request, and what a partner hears of the charger's plan."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.model.ids import SessionId
from bridge.model.location import Capability, Connector, Evse, PowerType, Status
from bridge.model.profile import (
    ActiveChargingProfile,
    ChargingProfile,
    ProfileAction,
    ProfileOutcome,
    ProfileRequest,
    ProfileResponse,
    ProfileResult,
    RateUnit,
)
from bridge.model.profile import ChargingProfilePeriod as Period
from bridge.model.token import Allowed
from bridge.roaming import outcomes
from bridge.roaming.pending import OutcomeRow
from bridge.roaming.profiles import HORIZON, MOST_PERIODS, capacity
from bridge.roaming.publish import dumps
from tests.roaming.roaming_world import ALL, CARD, FIRST, NOON, Asked, World, agreement, token

Response = ProfileResponse
Result = ProfileResult
THERE = "https://there/profiles/1?secret=do-not-tell"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "FIRST", 0.0)


def profile(*limits: tuple[int, str], unit: RateUnit = RateUnit.A, **more: Any) -> ChargingProfile:
    return ChargingProfile(unit, tuple(Period(start, Decimal(limit)) for start, limit in limits or ((0, "16"),)), **more)


def planned(*limits: tuple[int, str], **more: Any) -> ProfileOutcome:
    """What a charger plans from now on."""
    more = {"duration": HORIZON, **more}
    return ProfileOutcome(ProfileAction.ACTIVE, Result.ACCEPTED, ActiveChargingProfile(NOON, profile(*limits, **more)))


def limits(plan: ActiveChargingProfile | None) -> list[tuple[int, str]]:
    assert plan is not None
    return [(p.start, str(p.limit)) for p in plan.profile.periods]


class Scene:
    """A session of ``app`` at the first connector, with a rival that has none."""

    def __init__(self, world: World, session: str) -> None:
        self.world = world
        self.session = session
        self.told = world.chargers.told

    @property
    def app(self) -> Asked:
        one = self.world.partners["app"]
        assert isinstance(one, Asked)
        return one

    def request(self, action: ProfileAction, what: ChargingProfile | int | None = None, session: str | None = None) -> ProfileRequest:
        ident = SessionId(session or self.session)
        if isinstance(what, ChargingProfile):
            return ProfileRequest(action, ident, what)
        return ProfileRequest(action, ident, seconds=what)

    async def ask(
        self, action: ProfileAction, what: ChargingProfile | int | None = None, partner: str = "app", **more: Any
    ) -> ProfileResponse:
        return await self.world.core.profile(partner, self.request(action, what, **more), THERE)

    async def set(self, *given: tuple[int, str], **more: Any) -> ProfileResponse:
        return await self.ask(ProfileAction.SET, profile(*given, **more))

    async def done(self) -> list[ProfileOutcome]:
        """What was promised is kept; the outcomes that the partner has heard."""
        assert self.world.core._commands is not None
        while tasks := list(self.world.core._commands.outcomes._tasks):
            await asyncio.gather(*tasks)
        assert all(address == THERE for address, _ in self.app.outcomes)
        return [outcome for _, outcome in self.app.outcomes]

    def row(self) -> Any:
        return self.world.store.profile(self.session)


async def scene(path: Path, *, capable: bool = True, **options: Any) -> Scene:
    options = {"profile_seconds": {"app": 0.0}, **options}
    world = World(path, [Asked("app", Allowed.ALLOWED), Asked("rival", Allowed.ALLOWED)], **options)
    await world.import_all(capable=[Capability.CHARGING_PROFILE] if capable else [])
    await world.core.tokens("app", [token()])
    number, _ = await world.sessions.started(FIRST, CARD, 1000, NOON)
    session = world.store.session(tx=number)
    assert session is not None
    assert session.partner == "app"
    assert world.core._profiles is not None
    world.core._profiles.pauses = (0.0, 0.0)
    return Scene(world, session.id)


# --- may it?


async def test_a_session_of_another_partner_is_as_unknown_as_one_that_is_not_there(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    for action in ProfileAction:
        what = profile() if action is ProfileAction.SET else 900
        assert await s.ask(action, what, partner="rival") is Response.UNKNOWN_SESSION
        assert await s.ask(action, what, session="nothing") is Response.UNKNOWN_SESSION
    assert await s.done() == []
    assert s.told == []


async def test_identifiers_of_sessions_have_no_case(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    assert await s.ask(ProfileAction.ACTIVE, 900, session=s.session.upper()) is Response.ACCEPTED


async def test_a_session_that_has_ended_is_unknown(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    await s.world.sessions.stopped("CP1", 1, 2000, s.world.clock.ahead(minutes=5), "Local", None, [])
    assert await s.set() is Response.UNKNOWN_SESSION


async def test_without_an_agreement_about_profiles_it_is_rejected(tmp_path: Path) -> None:
    s = await scene(tmp_path, agreements=[agreement("app", kinds=ALL - {"profiles"})])
    assert await s.set() is Response.REJECTED
    assert s.told == []
    assert s.world.history("charging profile")[0]["detail"] == "SET_PROFILE: REJECTED: no agreement includes profiles"


async def test_an_evse_that_is_not_capable_of_profiles_does_not_support_them(tmp_path: Path) -> None:
    s = await scene(tmp_path, capable=False)
    assert await s.set() is Response.NOT_SUPPORTED
    assert s.told == []


async def test_a_charger_that_is_away_is_asked_for_nothing(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.gone = {"CP1"}
    assert await s.set() is Response.REJECTED
    assert await s.done() == []


@pytest.mark.parametrize(
    "bad",
    [
        ChargingProfile(RateUnit.A),
        profile(*((second, "8") for second in range(MOST_PERIODS + 1))),
        profile(start=NOON - timedelta(hours=2), duration=7200),
    ],
    ids=["empty", "endless", "over"],
)
async def test_a_profile_that_would_do_nothing_is_rejected(tmp_path: Path, bad: ChargingProfile) -> None:
    s = await scene(tmp_path)
    assert await s.ask(ProfileAction.SET, bad) is Response.REJECTED
    assert s.told == []


async def test_who_asks_too_often_is_told_so_for_each_kind_of_request(tmp_path: Path) -> None:
    s = await scene(tmp_path, profile_seconds={"app": 30.0})
    assert await s.set() is Response.ACCEPTED
    await s.done()  # what is promised has its time, which the clock does not take away
    s.world.clock.ahead(seconds=29)
    assert await s.set() is Response.TOO_OFTEN
    assert await s.ask(ProfileAction.CLEAR) is Response.ACCEPTED, "a limit can be taken back at once"
    s.world.clock.ahead(seconds=1)
    assert await s.set() is Response.ACCEPTED
    assert len(await s.done()) == 3, "one outcome for each acceptance, none for a refusal"
    assert not [h for h in s.world.history("charging profile") if "TOO_OFTEN" in h["detail"]], "a flood fills no disk"


async def test_what_was_refused_does_not_count_as_asked(tmp_path: Path) -> None:
    s = await scene(tmp_path, profile_seconds={"app": 30.0})
    s.world.chargers.gone = {"CP1"}
    assert await s.set() is Response.REJECTED
    s.world.chargers.gone = set()
    assert await s.set() is Response.ACCEPTED


# --- set and clear


async def test_a_profile_reaches_the_charger_for_the_transaction_under_a_number_of_its_own(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    wanted = profile((0, "16"), (600, "8.1"), start=NOON, duration=1200)
    assert await s.ask(ProfileAction.SET, wanted) is Response.ACCEPTED
    assert await s.done() == [ProfileOutcome(ProfileAction.SET, Result.ACCEPTED)]
    number = s.row().number
    assert s.told[0] == ("set", FIRST, 1, number, wanted)
    assert await s.set((0, "10")) is Response.ACCEPTED
    await s.done()
    assert [one[3] for one in s.told if one[0] == "set"] == [number, number], "a new one replaces the old one"
    assert await s.ask(ProfileAction.CLEAR) is Response.ACCEPTED
    assert (await s.done())[-1] == ProfileOutcome(ProfileAction.CLEAR, Result.ACCEPTED)
    assert ("clear", "CP1", number) in s.told


async def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    await s.set()
    await s.done()
    first = s.row().number
    await s.world.sessions.stopped("CP1", 1, 2000, s.world.clock.ahead(minutes=5), "Local", None, [])
    number, _ = await s.world.sessions.started(FIRST, CARD, 2000, s.world.clock())
    session = s.world.store.session(tx=number)
    assert session is not None
    s.session = session.id
    await s.set()
    await s.done()
    assert s.row().number == first + 1


@pytest.mark.parametrize("result", [Result.REJECTED, Result.NOT_SUPPORTED, Result.FAILED])
async def test_a_refusal_leaves_what_was_set_before(tmp_path: Path, result: ProfileResult) -> None:
    s = await scene(tmp_path)
    await s.set((0, "16"))
    await s.done()
    before = s.row()
    s.world.chargers.profiled = result
    await s.set((0, "6"))
    assert (await s.done())[-1].result is result
    assert (s.row().profile, s.row().uncertain) == (before.profile, False)


async def test_a_charger_that_does_not_support_profiles_is_not_asked_again_until_it_comes_back(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.profiled = Result.NOT_SUPPORTED
    await s.set()
    assert (await s.done())[-1].result is Result.NOT_SUPPORTED
    assert await s.set() is Response.NOT_SUPPORTED
    assert await s.ask(ProfileAction.ACTIVE, 900) is Response.ACCEPTED, "what it plans can be told all the same"
    await s.world.sessions.connected("CP1")
    assert await s.set() is Response.ACCEPTED


async def test_clearing_what_was_never_set_asks_nobody(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    assert await s.ask(ProfileAction.CLEAR) is Response.ACCEPTED
    assert await s.done() == [ProfileOutcome(ProfileAction.CLEAR, Result.UNKNOWN)]
    assert s.told == []


async def test_what_a_silent_charger_may_have_set_is_cleared(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.profiled = Result.TIMEOUT
    await s.set()
    assert await s.done() == [ProfileOutcome(ProfileAction.SET, Result.TIMEOUT)]
    assert s.row().uncertain
    s.world.chargers.profiled = Result.ACCEPTED
    await s.ask(ProfileAction.CLEAR)
    assert (await s.done())[-1].result is Result.ACCEPTED
    assert s.told[-1] == ("clear", "CP1", s.row().number)
    assert not s.row().uncertain


async def test_requests_about_one_session_reach_the_charger_one_after_the_other(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    busy = 0

    async def slowly() -> None:
        nonlocal busy
        busy += 1
        assert busy == 1
        await asyncio.sleep(0.001)
        busy -= 1

    s.world.chargers.on_any = slowly
    for limit in ("6", "7", "8"):
        assert await s.set((0, limit)) is Response.ACCEPTED
    assert await s.ask(ProfileAction.CLEAR) is Response.ACCEPTED
    assert [o.result for o in await s.done()] == [Result.ACCEPTED] * 4
    assert [str(one[4].periods[0].limit) for one in s.told if one[0] == "set"] == ["6", "7", "8"]
    assert [one[0] for one in s.told if one[0] != "composite"][-1] == "clear"


async def test_a_session_that_ends_before_the_charger_is_asked(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    asked, go = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await go.wait()

    s.world.chargers.on_any = wait
    assert await s.set() is Response.ACCEPTED
    await asked.wait()
    assert await s.set((0, "6")) is Response.ACCEPTED
    await s.world.sessions.stopped("CP1", 1, 2000, s.world.clock.ahead(seconds=5), "Local", None, [])
    go.set()
    assert [o.result for o in await s.done()] == [Result.ACCEPTED, Result.REJECTED]
    assert len(s.told) == 1


async def test_a_fault_is_an_outcome_too(tmp_path: Path) -> None:
    s = await scene(tmp_path)

    async def fail() -> None:
        raise ZeroDivisionError

    s.world.chargers.on_any = fail
    assert await s.set() is Response.ACCEPTED
    assert await s.done() == [ProfileOutcome(ProfileAction.SET, Result.FAILED)]


# --- the plan


async def test_the_plan_of_the_charger_is_told(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "16"), (600, "8"))
    assert await s.ask(ProfileAction.ACTIVE, 900) is Response.ACCEPTED
    (outcome,) = await s.done()
    assert outcome == s.world.chargers.plan
    assert s.told == [("composite", FIRST, 900, None)]
    await s.set(unit=RateUnit.W)
    await s.ask(ProfileAction.ACTIVE, 10**9)
    await s.done()
    assert ("composite", FIRST, 86400, RateUnit.W) in s.told, "in the unit of the profile, and not for years"


async def test_no_plan_goes_beyond_the_evse(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "2147483647"), (300, "64"), (600, "8"), (900, "63"))
    await s.ask(ProfileAction.ACTIVE, 900)
    (outcome,) = await s.done()
    assert limits(outcome.active) == [(0, "32.0"), (600, "8"), (900, "32.0")]


@pytest.mark.parametrize("result", [Result.ACCEPTED, Result.REJECTED, Result.NOT_SUPPORTED])
async def test_without_a_profile_it_is_what_the_evse_can_deliver(tmp_path: Path, result: ProfileResult) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = ProfileOutcome(ProfileAction.ACTIVE, result)
    await s.ask(ProfileAction.ACTIVE, 900)
    (outcome,) = await s.done()
    assert outcome.result is Result.ACCEPTED
    assert outcome.active == ActiveChargingProfile(NOON, profile((0, "32.0"), duration=900))


@pytest.mark.parametrize("result", [Result.TIMEOUT, Result.FAILED])
async def test_a_charger_that_cannot_be_heard_has_no_plan(tmp_path: Path, result: ProfileResult) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = ProfileOutcome(ProfileAction.ACTIVE, result)
    await s.ask(ProfileAction.ACTIVE, 900)
    assert await s.done() == [ProfileOutcome(ProfileAction.ACTIVE, result)]


async def test_with_a_profile_the_maximum_is_not_made_up(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    await s.set()
    await s.ask(ProfileAction.ACTIVE, 900)
    assert (await s.done())[-1] == ProfileOutcome(ProfileAction.ACTIVE, Result.REJECTED), "the charger does not tell its plan"
    s.world.chargers.profiled = Result.TIMEOUT
    await s.ask(ProfileAction.CLEAR)
    await s.ask(ProfileAction.ACTIVE, 900)
    assert (await s.done())[-1].result is Result.REJECTED, "it may still have it"


async def test_a_profile_that_is_over_holds_no_more(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    await s.set(start=NOON, duration=60)
    await s.done()
    s.world.clock.ahead(seconds=60)
    await s.ask(ProfileAction.ACTIVE, 900)
    assert limits((await s.done())[-1].active) == [(0, "32.0")]


async def test_an_evse_of_which_nothing_is_told_has_no_maximum(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    plug = Connector(power_type=PowerType.AC_3_PHASE)
    bare = Evse(connectors=(plug,))
    assert capacity(bare) == {}
    assert capacity(Evse(connectors=(evolve(plug, max_voltage=230, max_amperage=32),))) == {RateUnit.A: 32, RateUnit.W: 22080}
    direct = Connector(power_type=PowerType.DC, max_voltage=900, max_amperage=500, max_power=Decimal(150000))
    assert capacity(Evse(connectors=(direct, evolve(plug, max_amperage=16)))) == {RateUnit.A: 16, RateUnit.W: 150000}
    assert s.world.history("charging profile") == []


# --- changes that a partner hears of


async def test_nothing_is_told_before_a_profile_was_set_with_success(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "6"))
    s.world.core._profiles.changed("CP1")  # type: ignore[union-attr]
    s.world.chargers.profiled = Result.REJECTED
    await s.set()
    await s.ask(ProfileAction.ACTIVE, 900)
    await s.ask(ProfileAction.CLEAR)
    await s.done()
    await s.world.sessions.connected("CP1")
    await s.world.sessions.status(FIRST, Status.CHARGING, NOON)
    await s.done()
    assert s.app.plans == []


async def test_a_plan_is_told_once_for_each_change(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "16"))
    await s.set()
    await s.done()
    assert [(session, limits(plan)) for session, plan in s.app.plans] == [(s.session, [(0, "16")])]
    assert ("composite", FIRST, HORIZON, RateUnit.A) in s.told
    assert 300 <= HORIZON <= 3600
    profiles = s.world.core._profiles
    assert profiles is not None
    profiles.changed("CP1")
    await s.done()
    assert len(s.app.plans) == 1, "the same plan"
    s.world.chargers.plan = planned((0, "10"))
    profiles.changed("CP2")
    await s.done()
    assert len(s.app.plans) == 1, "another charger"
    profiles.changed("CP1")
    await s.done()
    assert limits(s.app.plans[-1][1]) == [(0, "10")]
    s.world.chargers.plan = ProfileOutcome(ProfileAction.ACTIVE, Result.ACCEPTED)
    await s.ask(ProfileAction.CLEAR)
    await s.done()
    assert limits(s.app.plans[-1][1]) == [(0, "32.0")], "no profile any more: all that the EVSE can deliver"
    assert len(s.app.plans) == 3


async def test_a_charger_that_comes_back_is_asked_whether_its_plan_is_another(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "16"))
    await s.set()
    await s.done()
    s.world.restart()
    s.world.chargers.plan = planned((0, "32"))
    await s.world.sessions.status(FIRST, Status.CHARGING, NOON)
    await s.done()
    assert len(s.app.plans) == 1, "it has been there all the time"
    await s.world.sessions.connected("CP1")
    await s.world.sessions.status(FIRST, Status.CHARGING, NOON)
    await s.done()
    assert [limits(plan) for _, plan in s.app.plans] == [[(0, "16")], [(0, "32")]]


async def test_a_plan_that_could_not_be_told_is_told_again_as_it_then_is(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "16"))
    s.app.plan_faults = [Unreachable("no connection"), Unreachable("no answer", sent=True)]
    await s.set()
    await s.done()
    assert len(s.app.plans) == 1
    s.world.chargers.plan = planned((0, "10"))
    s.app.plan_faults = [Unreachable("no connection")] * 3
    s.world.core._profiles.changed("CP1")  # type: ignore[union-attr]
    await s.done()
    assert len(s.world.history("charging plan not told")) == 1
    s.app.plan_faults = [Declined("no such session")]
    s.world.core._profiles.changed("CP1")  # type: ignore[union-attr]
    await s.done()
    assert len(s.world.history("charging plan not told")) == 2
    assert len(s.app.plans) == 1
    s.world.core._profiles.changed("CP1")  # type: ignore[union-attr]
    await s.done()
    assert limits(s.app.plans[-1][1]) == [(0, "10")], "it has not heard of it yet"


async def test_changes_while_one_is_told_are_told_after_it(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "16"))
    await s.set()
    await s.done()
    profiles = s.world.core._profiles
    assert profiles is not None
    told = s.app.plan_changed

    async def meanwhile(session: str, plan: ActiveChargingProfile) -> None:
        await told(session, plan)
        if len(s.app.plans) == 2:
            s.world.chargers.plan = planned((0, "6"))
            profiles.changed("CP1")
            await asyncio.sleep(0.001)

    s.app.plan_changed = meanwhile  # type: ignore[method-assign]
    s.world.chargers.plan = planned((0, "10"))
    profiles.changed("CP1")
    await s.done()
    assert [limits(plan)[0][1] for _, plan in s.app.plans] == ["16", "10", "6"]


async def test_an_agreement_that_ended_ends_the_telling(tmp_path: Path) -> None:
    until = NOON + timedelta(hours=1)
    s = await scene(tmp_path, agreements=[agreement("app", valid_until=until)])
    s.world.chargers.plan = planned((0, "16"))
    await s.set()
    await s.done()
    s.world.clock.at = until
    s.world.chargers.plan = planned((0, "10"))
    s.world.core._profiles.changed("CP1")  # type: ignore[union-attr]
    await s.done()
    assert len(s.app.plans) == 1


async def test_a_charger_that_does_not_keep_to_the_profile_is_noted(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.chargers.plan = planned((0, "16"))
    await s.set((0, "16"))
    await s.done()
    assert s.world.history("charger exceeds the charging profile") == []
    s.world.chargers.plan = planned((0, "20"))
    await s.set((0, "10"))
    await s.done()
    assert len(s.world.history("charger exceeds the charging profile")) == 1
    assert limits(s.app.plans[-1][1]) == [(0, "20")], "the partner is told how it is"


# --- exactly one outcome, whatever ends in between


def promised(s: Scene) -> list[dict[str, Any]]:
    return [dict(r) for r in s.world.store.db.read.execute("SELECT * FROM outcome")]


async def restarted(s: Scene, row: OutcomeRow) -> list[ProfileOutcome]:
    """The bridge ended with this promise; what the partner hears afterwards."""
    await s.world.store.save_outcome(await s.world.store.promise(row))
    s.world.restart()
    assert s.world.core._commands is not None
    s.world.core._commands.resume()
    found = await s.done()
    assert promised(s) == []
    return found


def left(s: Scene, action: ProfileAction, result: ProfileResult | None, **more: Any) -> OutcomeRow:
    row = OutcomeRow("app", action.value, s.session, THERE, NOON + timedelta(seconds=30))
    return evolve(row, result=None if result is None else result.value, **more)


async def test_the_promise_is_on_the_disk_before_the_partner_hears_of_it(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    await s.set()
    (row,) = promised(s)
    assert (row["partner"], row["kind"], row["address"], row["result"]) == ("app", "SET_PROFILE", THERE, None)
    await s.done()
    assert promised(s) == []
    assert "do-not-tell" not in str(s.world.history())


async def test_a_plan_that_was_known_is_told_after_a_restart(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    plan = planned((0, "16"), (600, "8.1"))
    assert plan.active is not None
    row = left(s, ProfileAction.ACTIVE, Result.ACCEPTED)
    kept = await s.world.store.promise(row)
    await s.world.store.save_outcome(evolve(kept, body=dumps(plan.active)))
    s.world.restart()
    assert s.world.core._commands is not None
    s.world.core._commands.resume()
    assert await s.done() == [plan]


async def test_what_may_have_been_told_before_a_restart_is_not_told_again(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    assert await restarted(s, left(s, ProfileAction.CLEAR, Result.ACCEPTED, sending=True)) == []


async def test_what_a_restart_leaves_open_has_an_outcome(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    found = await restarted(s, left(s, ProfileAction.SET, None))
    assert found == [ProfileOutcome(ProfileAction.SET, Result.TIMEOUT)]
