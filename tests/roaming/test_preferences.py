"""Charging preferences: where they are taken, which tariff they select, and that what was charged before keeps its price."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.model.common import ProfileKind
from bridge.model.ids import SessionId
from bridge.model.location import Capability, Location
from bridge.model.profile import ChargingPreferences, PreferenceResult
from bridge.model.tariff import Tariff, TariffKind
from bridge.model.token import Allowed
from bridge.roaming.ports import Kind, MeterSample
from tests.roaming.roaming_world import ALL, CARD, FIRST, NOON, Asked, World, agreement, tariff, token

Result = PreferenceResult
GREEN = evolve(tariff("0.30", "T-GREEN"), kind=TariffKind.PROFILE_GREEN)
CHEAP = evolve(tariff("0.20", "T-CHEAP"), kind=TariffKind.PROFILE_CHEAP)
CAPABLE = (Capability.CHARGING_PREFERENCES,)


class Scene:
    def __init__(self, world: World, session: str) -> None:
        self.world = world
        self.session = session

    async def prefer(self, kind: ProfileKind, partner: str = "app", session: str | None = None, **more: Any) -> PreferenceResult:
        wanted = ChargingPreferences(kind, **more)
        return await self.world.core.prefer(partner, SessionId(session or self.session), wanted)

    async def stopped(self, wh: int, *samples: MeterSample) -> None:
        await self.world.sessions.stopped("CP1", 1, 1000 + wh, self.world.clock(), "Local", CARD, samples)


async def scene(path: Path, *tariffs: Tariff, capable: tuple[Capability, ...] = CAPABLE, named: Any = ..., **options: Any) -> Scene:
    more = {"*": ("T-GREEN", "T-CHEAP", "T-GONE")} if named is ... else named
    agreements = options.pop("agreements", [agreement("app", preference_tariffs=more), agreement("rival")])
    world = World(path, [Asked("app", Allowed.ALLOWED), Asked("rival", Allowed.ALLOWED)], agreements=agreements, **options)
    await world.import_all(*(tariffs or (tariff(), GREEN, CHEAP)), capable=capable)
    await world.core.tokens("app", [token()])
    number, _ = await world.sessions.started(FIRST, CARD, 1000, NOON)
    session = world.store.session(tx=number)
    assert session is not None
    assert session.partner == "app"
    return Scene(world, session.id)


# --- where they are taken


async def test_sessions_of_others_and_those_that_are_over_are_unknown(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    assert await s.prefer(ProfileKind.GREEN, "rival") is Result.UNKNOWN_SESSION
    assert await s.prefer(ProfileKind.GREEN, session="nothing") is Result.UNKNOWN_SESSION
    assert await s.prefer(ProfileKind.GREEN, session=s.session.upper()) is Result.ACCEPTED
    await s.stopped(1000)
    assert await s.prefer(ProfileKind.GREEN) is Result.UNKNOWN_SESSION


async def test_a_partner_that_hears_of_no_sessions_has_none(tmp_path: Path) -> None:
    s = await scene(tmp_path, agreements=[agreement("app", kinds=ALL - {"sessions"})])
    assert await s.prefer(ProfileKind.REGULAR) is Result.UNKNOWN_SESSION


async def test_an_evse_that_takes_no_preferences_says_so(tmp_path: Path) -> None:
    s = await scene(tmp_path, capable=())
    assert await s.prefer(ProfileKind.REGULAR) is Result.NOT_CAPABLE


async def test_a_preference_needs_a_tariff_of_its_type(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    found = {kind: await s.prefer(kind) for kind in ProfileKind}
    assert found == {ProfileKind.GREEN: Result.ACCEPTED, ProfileKind.CHEAP: Result.ACCEPTED, ProfileKind.REGULAR: Result.ACCEPTED,
                     ProfileKind.FAST: Result.PROFILE_TYPE_NOT_SUPPORTED}  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [
        evolve(GREEN, kind=None),
        evolve(GREEN, kind=TariffKind.PROFILE_FAST),
        evolve(GREEN, currency="SEK"),
        evolve(GREEN, valid_until=NOON),
        evolve(GREEN, valid_from=NOON + timedelta(seconds=1)),
    ],
    ids=["no type", "another type", "another currency", "over", "not yet"],
)
async def test_a_tariff_that_does_not_fit_is_none(tmp_path: Path, bad: Tariff) -> None:
    s = await scene(tmp_path, tariff(), bad)
    assert await s.prefer(ProfileKind.GREEN) is Result.PROFILE_TYPE_NOT_SUPPORTED


async def test_without_a_tariff_of_its_own_a_session_has_no_other(tmp_path: Path) -> None:
    bare = agreement("app", tariffs={}, preference_tariffs={"*": ("T-GREEN",)})
    s = await scene(tmp_path, agreements=[bare])
    assert [await s.prefer(kind) for kind in (ProfileKind.REGULAR, ProfileKind.GREEN)] == [Result.PROFILE_TYPE_NOT_SUPPORTED] * 2


async def test_what_has_to_be_told_is_asked_for_where_charging_may_be_put_off(tmp_path: Path) -> None:
    s = await scene(tmp_path, preferences_need={"acme": frozenset({"departure_time", "energy_need"})})
    later = NOON + timedelta(hours=8)
    assert await s.prefer(ProfileKind.GREEN) is Result.DEPARTURE_REQUIRED
    assert await s.prefer(ProfileKind.GREEN, energy_need=Decimal(10)) is Result.DEPARTURE_REQUIRED
    assert await s.prefer(ProfileKind.GREEN, departure=later) is Result.ENERGY_NEED_REQUIRED
    assert await s.prefer(ProfileKind.GREEN, departure=later, energy_need=Decimal(10)) is Result.ACCEPTED
    assert await s.prefer(ProfileKind.REGULAR) is Result.ACCEPTED


async def test_what_cannot_be_is_not_possible(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    hour = NOON + timedelta(hours=1)
    assert await s.prefer(ProfileKind.GREEN, departure=NOON) is Result.NOT_POSSIBLE
    assert await s.prefer(ProfileKind.GREEN, departure=hour, energy_need=Decimal("22.08")) is Result.ACCEPTED, "32 A on three phases"
    assert await s.prefer(ProfileKind.GREEN, departure=hour, energy_need=Decimal("22.09")) is Result.NOT_POSSIBLE
    await s.world.sessions.metered(FIRST, 1, [MeterSample(NOON, Decimal(2))])
    assert await s.prefer(ProfileKind.GREEN, departure=hour, energy_need=Decimal("23.08")) is Result.ACCEPTED, "1 kWh is there already"
    assert await s.prefer(ProfileKind.GREEN, energy_need=Decimal(900)) is Result.ACCEPTED, "it is not said until when"


# --- what they cost


async def test_the_new_tariff_holds_from_the_moment_it_was_chosen(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.clock.ahead(minutes=30)
    assert await s.prefer(ProfileKind.GREEN) is Result.ACCEPTED
    s.world.clock.ahead(minutes=30)
    await s.stopped(10_000)
    cdr = s.world.cdr()
    assert [(str(p.tariff_id), p.start) for p in cdr.periods] == [("T1", NOON), ("T-GREEN", NOON + timedelta(minutes=30))]
    assert cdr.total_cost is not None
    assert cdr.total_cost.excl == 5 * Decimal("0.40") + 5 * Decimal("0.30")
    assert [str(t.id) for t in cdr.tariffs] == ["T1", "T-GREEN"]
    assert s.world.store.cdrs()[0].state == "waiting", "it goes out"


async def test_a_late_choice_of_a_cheaper_tariff_makes_nothing_before_it_cheaper(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.clock.ahead(minutes=59)
    at = s.world.clock()
    assert await s.prefer(ProfileKind.CHEAP) is Result.ACCEPTED
    s.world.clock.ahead(minutes=1)
    await s.stopped(10_000, MeterSample(at, Decimal(11)))
    cost = s.world.cdr().total_cost
    assert cost is not None
    assert cost.excl == 10 * Decimal("0.40")


async def test_back_to_regular_is_back_to_the_first_tariff_as_it_was(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    for kind in (ProfileKind.GREEN, ProfileKind.GREEN, ProfileKind.REGULAR):
        s.world.clock.ahead(minutes=15)
        assert await s.prefer(kind) is Result.ACCEPTED
    await s.world.core.publisher.import_tariffs("acme", [tariff("9.00"), evolve(GREEN, elements=tariff("9.00").elements)])
    s.world.clock.ahead(minutes=15)
    s.world.restart()
    await s.stopped(4000)
    cdr = s.world.cdr()
    assert [str(p.tariff_id) for p in cdr.periods] == ["T1", "T-GREEN", "T1"]
    assert cdr.total_cost is not None
    assert cdr.total_cost.excl == 2 * Decimal("0.40") + 2 * Decimal("0.30")


async def test_what_was_refused_changes_nothing(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    s.world.clock.ahead(minutes=30)
    assert await s.prefer(ProfileKind.FAST) is Result.PROFILE_TYPE_NOT_SUPPORTED
    assert await s.prefer(ProfileKind.GREEN, departure=NOON) is Result.NOT_POSSIBLE
    s.world.clock.ahead(minutes=30)
    await s.stopped(10_000)
    assert [str(p.tariff_id) for p in s.world.cdr().periods] == ["T1"]
    assert [h["detail"] for h in s.world.history("charging preferences")] == [
        "FAST: PROFILE_TYPE_NOT_SUPPORTED",
        "GREEN until 2026-03-02T12:00Z: NOT_POSSIBLE",
    ]


# --- what the partner sees of it


async def test_the_partner_sees_the_tariffs_that_preferences_select_and_no_other(tmp_path: Path) -> None:
    s = await scene(tmp_path)
    app, rival = (s.world.partners[name] for name in ("app", "rival"))
    assert isinstance(app, Asked)
    assert isinstance(rival, Asked)
    assert {str(obj.id) for kind, obj in app.encoded if kind is Kind.TARIFF} == {"T1", "T-GREEN", "T-CHEAP"}
    assert {str(obj.id) for kind, obj in rival.encoded if kind is Kind.TARIFF} == {"T1"}

    def named(partner: Asked) -> set[tuple[str, ...]]:
        shown = [obj for kind, obj in partner.encoded if kind is Kind.LOCATION]
        assert all(isinstance(one, Location) for one in shown)
        return {tuple(map(str, c.tariff_ids)) for one in shown for e in one.evses for c in e.connectors}

    assert named(app) == {("T1", "T-GREEN", "T-CHEAP", "T-GONE")}
    assert named(rival) == {("T1",)}


async def test_an_evse_that_takes_no_preferences_has_no_tariffs_for_them(tmp_path: Path) -> None:
    s = await scene(tmp_path, capable=())
    app = s.world.partners["app"]
    assert isinstance(app, Asked)
    shown = [obj for kind, obj in app.encoded if kind is Kind.LOCATION]
    assert {tuple(map(str, c.tariff_ids)) for one in shown for e in one.evses for c in e.connectors} == {("T1",)}
