"""From what chargers tell to sessions: repeated, late, contradictory, and across a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import EvseId, TokenUid
from bridge.model.location import Status
from bridge.model.tariff import Dimension, PriceComponent, Restrictions, TariffElement
from bridge.model.token import Allowed, SessionToken, Token, TokenKind
from bridge.roaming.ports import ChargerAnswer, Kind, MeterSample
from tests.roaming.roaming_world import ALL, CARD, FIRST, NOON, OTHER, SECOND, Asked, Told, World, agreement, tariff, token


async def world(path: Path, *partners: Told, **options: object) -> World:
    made = World(path, partners or (Asked("owner", Allowed.ALLOWED),), **options)  # type: ignore[arg-type]
    await made.import_all()
    await made.core.tokens(next(iter(made.partners)), [token()])
    return made


async def test_a_start_that_comes_again_gets_the_same_number_and_answer(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    first = await w.sessions.started(FIRST, OTHER, 1000, NOON)
    owner.says = Allowed.BLOCKED
    w.restart()
    assert await w.sessions.started(FIRST, OTHER, 1000, NOON) == first
    assert len(owner.questions) == 1
    assert len(w.decisions()) == 1
    assert (await w.sessions.started(FIRST, OTHER, 1001, NOON))[0] == first[0] + 1


async def test_a_refused_start_that_comes_again_is_refused_again(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.BLOCKED)
    w = await world(tmp_path, owner)
    first = await w.sessions.started(FIRST, OTHER, 1000, NOON)
    owner.says = Allowed.ALLOWED
    assert await w.sessions.started(FIRST, OTHER, 1000, NOON) == first
    assert first[1] is ChargerAnswer.BLOCKED


async def test_a_refused_start_has_no_cdr_and_does_not_open_the_charger(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.NOT_ALLOWED)
    w = await world(tmp_path, owner)
    number, answer = await w.sessions.started(FIRST, OTHER, 1000, NOON)
    assert answer is ChargerAnswer.INVALID
    assert await w.sessions.authorise("CP1", OTHER) is ChargerAnswer.INVALID
    await w.sessions.stopped("CP1", number, 1500, NOON + timedelta(minutes=1), "DeAuthorized", OTHER, [])
    assert not w.store.cdrs()
    assert not [k for k, _ in owner.encoded if k in (Kind.SESSION, Kind.CDR)]
    assert w.history("session without authorisation")


async def test_a_stop_that_comes_again_changes_nothing(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number = await w.charge()
    before = w.cdr()
    w.restart()
    await w.sessions.stopped("CP1", number, 99_000, w.clock.ahead(hours=1), "Local", CARD, [])
    assert w.cdr() == before
    assert before.total_energy == 10


async def test_a_stop_after_an_outage_still_makes_the_cdr_and_leaves_the_status_alone(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    w.restart()
    later = w.clock.ahead(hours=30)
    await w.sessions.status(FIRST, Status.CHARGING, later)
    await w.sessions.stopped("CP1", number, 6000, NOON + timedelta(hours=2), "Local", CARD, [])
    assert w.cdr().end == NOON + timedelta(hours=2)
    evse = w.store.evse("DE*ABC*E1")
    assert evse is not None
    assert evse.status == Status.CHARGING


async def test_a_stop_of_an_unknown_transaction_is_recorded(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    for tx, charge_point in ((number + 5, "CP1"), (-1, "CP1"), (number, "CP2")):
        await w.sessions.stopped(charge_point, tx, 6000, NOON, None, None, [])
    assert len(w.history("stop of an unknown transaction")) == 3
    session = w.store.session(tx=number)
    assert session is not None
    assert session.state == "active"


async def test_a_meter_that_goes_backwards_is_held_for_a_person(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number = await w.charge(wh=-400)
    session = w.store.session(tx=number)
    assert session is not None
    assert session.state == "held"
    assert not w.store.cdrs()
    assert [held.id for held in w.store.held_sessions()] == [session.id]
    assert "-" not in w.history("session kept for a person")[0]["detail"].split("back by ")[1][:3]


async def test_samples_that_go_backwards_do_not_change_the_energy(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    for minute, kwh in ((10, "3"), (20, "2.5"), (30, "9"), (40, "4")):
        await w.sessions.metered(FIRST, number, [MeterSample(NOON + timedelta(minutes=minute), Decimal(kwh))])
    await w.sessions.stopped("CP1", number, 6000, w.clock.ahead(hours=1), None, None, [])
    cdr = w.cdr()
    assert cdr.total_energy == 5
    assert cdr.total_energy_cost is not None
    assert cdr.total_energy_cost.excl == Decimal("2.00")


async def test_a_session_without_energy_has_a_cdr_of_nothing(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.charge(wh=0, minutes=5)
    cdr = w.cdr()
    assert cdr.total_energy == 0
    assert cdr.total_cost is not None
    assert cdr.total_cost.excl == 0
    assert cdr.charging_start == cdr.charging_end == cdr.start


async def test_a_session_without_length_can_be_settled(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.charge(wh=0, seconds=0)
    cdr = w.cdr()
    assert cdr.start == cdr.end
    assert all(p.start <= cdr.end for p in cdr.periods if cdr.end)


NIGHT = TariffElement((PriceComponent(Dimension.ENERGY, Decimal("0.10"), Decimal(1), Decimal(19)),),
                      Restrictions(start_time="00:00", end_time="06:00"))  # fmt: skip


async def test_a_session_over_midnight_is_priced_in_the_places_zone(tmp_path: Path) -> None:
    """23:00 to 01:00 in Berlin is 22:00 to 00:00 UTC: half of it by night."""
    w = World(tmp_path, [Asked("owner", Allowed.ALLOWED)])
    await w.import_all(tariff("0.40", "T1", NIGHT))
    await w.core.tokens("owner", [token()])
    w.clock.at = datetime(2026, 3, 2, 22, tzinfo=UTC)
    await w.charge(wh=10_000, hours=2)
    cost = w.cdr().total_cost
    assert cost is not None
    assert cost.excl == Decimal("2.50")


async def test_the_night_in_which_clocks_change(tmp_path: Path) -> None:
    """29 March 2026, 01:30 to 06:30 in Berlin lasts four hours; the night's price ends after three and a half."""
    w = World(tmp_path, [Asked("owner", Allowed.ALLOWED)])
    await w.import_all(tariff("0.40", "T1", NIGHT))
    await w.core.tokens("owner", [token()])
    w.clock.at = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    await w.charge(wh=8_000, hours=4)
    cdr = w.cdr()
    assert cdr.total_time == 4
    assert cdr.total_cost is not None
    assert cdr.total_cost.excl == Decimal("1.10")  # 7 kWh by night, 1 kWh by day


async def test_transaction_numbers_are_never_used_again(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number = await w.charge()
    w.store.db.write_now(lambda db: [db.execute(f"DELETE FROM {t}").rowcount for t in ("cdr", "sample", "session")])  # noqa: S608
    w.restart()
    assert await w.charge() == number + 1


async def test_a_second_start_tells_of_the_first_that_has_no_stop(tmp_path: Path) -> None:
    w = await world(tmp_path)
    await w.sessions.started(FIRST, CARD, 1000, NOON)
    await w.sessions.started(FIRST, OTHER, 1500, NOON + timedelta(hours=1))
    assert len(w.history("session without a stop")) == 1


async def test_the_card_that_started_may_stop_and_others_are_asked_about(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.NOT_ALLOWED)
    w = await world(tmp_path, owner)
    await w.sessions.started(FIRST, CARD, 1000, NOON)
    assert await w.sessions.authorise("CP1", CARD.lower()) is ChargerAnswer.ACCEPTED
    assert await w.sessions.authorise("CP1", OTHER) is ChargerAnswer.INVALID


async def test_a_start_after_a_restart_is_decided_anew(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    assert await w.sessions.authorise("CP1", OTHER) is ChargerAnswer.ACCEPTED
    owner.says = Allowed.BLOCKED
    w.restart()
    assert (await w.sessions.started(FIRST, OTHER, 0, NOON))[1] is ChargerAnswer.BLOCKED


async def test_a_remote_start_survives_a_restart(tmp_path: Path) -> None:
    starter, other = Asked("starter"), Asked("other", Allowed.ALLOWED)
    w = await world(tmp_path, starter, other)
    driver = Token(TokenUid("a-driver-of-the-app-whose-uid-is-long"), TokenKind.APP_USER)
    command = Command(CommandKind.START_SESSION, driver, evse_id=EvseId("DE*ABC*E1"), hub_session_id="hub-7",
                      authorization_reference="ref-7")  # fmt: skip
    assert (await w.core.command("starter", command)).result is CommandResult.ACCEPTED
    tag = w.chargers.told[0][2]
    w.restart()
    assert await w.sessions.authorise("CP1", tag) is ChargerAnswer.ACCEPTED
    number, answer = await w.sessions.started(FIRST, tag, 1000, NOON)
    w.restart()
    assert (await w.sessions.started(FIRST, tag, 1000, NOON)) == (number, answer)
    await w.sessions.stopped("CP1", number, 3000, w.clock.ahead(hours=1), None, None, [])
    cdr = w.cdr()
    assert w.store.cdrs()[0].partner == "starter"
    assert (cdr.hub_session_id, cdr.authorization_reference, cdr.token.uid) == ("hub-7", "ref-7", driver.uid)
    assert not starter.questions
    assert not other.questions
    assert w.store.expected("CP1", w.decisions()[0]["fingerprint"]) is None
    assert w.decisions()[0]["session"] is not None


async def test_a_remote_start_that_never_began_is_forgotten(tmp_path: Path) -> None:
    w = await world(tmp_path, Asked("starter", Allowed.ALLOWED))
    driver = Token(TokenUid("a-driver-of-the-app-whose-uid-is-long"), TokenKind.APP_USER)
    await w.core.command("starter", Command(CommandKind.START_SESSION, driver, evse_id=EvseId("DE*ABC*E1")))
    w.clock.ahead(minutes=16)
    tag = w.chargers.told[0][2]
    assert (await w.sessions.started(FIRST, tag, 1000, w.clock()))[1] is ChargerAnswer.INVALID
    assert not [p for p in w.partners.values() if isinstance(p, Asked) and p.questions]


async def test_a_card_that_was_accepted_without_a_word_of_whose_it_is_stands_in_its_cdr(tmp_path: Path) -> None:
    w = await world(tmp_path, Asked("hub", Allowed.ALLOWED))
    await w.charge("04:ff:ee:dd:cc:bb:aa")
    assert w.cdr().token == SessionToken(TokenUid(OTHER), TokenKind.RFID)


async def test_the_cdr_follows_the_authorising_route(tmp_path: Path) -> None:
    no, hub = Asked("no"), Asked("hub", Allowed.ALLOWED)
    w = await world(tmp_path, no, hub)
    await w.charge(OTHER)
    assert [j.partner for j in await w.store.claim("hub", 9) if j.kind is Kind.CDR] == ["hub"]
    assert not [j for j in await w.store.claim("no", 9) if j.kind is Kind.CDR]


async def test_the_agreement_and_the_tariff_of_the_start_hold_to_the_end(tmp_path: Path) -> None:
    w = await world(tmp_path, Asked("owner"), agreements=[agreement("owner", valid_until=NOON + timedelta(minutes=30))])
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    await w.core.publisher.import_tariffs("acme", [tariff("9.99")])
    await w.sessions.stopped("CP1", number, 11_000, w.clock.ahead(hours=1), None, None, [])
    (row,) = w.store.cdrs()
    assert (row.state, row.total) == ("waiting", "4.00")


async def test_a_partner_with_commands_only_gets_the_cdr_of_its_remote_start(tmp_path: Path) -> None:
    w = await world(tmp_path, Asked("app"), agreements=[agreement("app", kinds=frozenset({"commands", "cdrs"}))])
    driver = Token(TokenUid("DRIVER1"), TokenKind.APP_USER)
    await w.core.command("app", Command(CommandKind.START_SESSION, driver, evse_id=EvseId("DE*ABC*E1")))
    await w.charge("DRIVER1")
    (row,) = w.store.cdrs()
    assert (row.partner, row.state, row.total) == ("app", "waiting", "4.00")


async def test_test_agreements_stay_out_of_money(tmp_path: Path) -> None:
    """A test session's CDR is marked, and goes out under a test agreement only."""
    kinds = ALL - {"cdrs"}
    both = [agreement("owner", test=True, kinds=kinds), agreement("owner", test=False, kinds=frozenset({"cdrs"}))]
    w = await world(tmp_path, Asked("owner"), agreements=both)
    await w.charge()
    (row,) = w.store.cdrs()
    assert (row.test, row.state) == (True, "kept")
    assert not [j for j in await w.store.claim("owner", 9) if j.kind is Kind.CDR]


async def test_a_test_agreement_has_its_cdr_marked(tmp_path: Path) -> None:
    w = await world(tmp_path, Asked("owner"), agreements=[agreement("owner", test=True)])
    await w.charge()
    (row,) = w.store.cdrs()
    assert (row.test, row.state) == (True, "waiting")


async def test_meter_values_without_a_transaction_belong_to_the_running_session(tmp_path: Path) -> None:
    w = await world(tmp_path)
    number, _ = await w.sessions.started(FIRST, CARD, 1000, NOON)
    await w.sessions.metered(FIRST, None, [MeterSample(NOON + timedelta(minutes=1), Decimal(2))])
    await w.sessions.metered(SECOND, None, [MeterSample(NOON + timedelta(minutes=1), Decimal(7))])
    session = w.store.session(tx=number)
    assert session is not None
    assert session.kwh == 1
