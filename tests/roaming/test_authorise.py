"""Who is asked about a card, in which order, and what is answered within one deadline."""

from __future__ import annotations

import hashlib
import logging
import time
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.errors import Declined, Unreachable
from bridge.model.token import Allowed, Token, UidHash, Whitelist
from bridge.roaming.authorise import Route, alias, lookup_key, lookup_keys
from bridge.roaming.ports import AuthorisationAnswer, ChargerAnswer
from bridge.roaming.ports import ChargerAnswer as Answer
from tests.roaming.roaming_world import CARD, FIRST, NOON, OTHER, Asked, World, agreement, token


async def world(path: Path, *partners: Asked, **options: object) -> World:
    made = World(path, partners, **options)  # type: ignore[arg-type]
    await made.import_all()
    return made


async def show(w: World, card: str = CARD) -> ChargerAnswer:
    return await w.sessions.authorise("CP2", card)


def last(w: World) -> dict[str, object]:
    return w.decisions()[-1]


# --- a known owner


async def test_a_known_owner_is_asked_by_its_preferred_route_only(tmp_path: Path) -> None:
    direct, hub, other = Asked("direct", Allowed.ALLOWED), Asked("hub", Allowed.ALLOWED), Asked("other", Allowed.ALLOWED)
    routes = [Route("hub", hub=True, priority=1), Route("other"), Route("direct", priority=900)]
    w = await world(tmp_path, hub, other, direct, routes=routes)
    for name in ("hub", "direct"):
        await w.core.tokens(name, [token(whitelist=Whitelist.NEVER)])
    assert await show(w) is Answer.ACCEPTED
    assert (len(direct.questions), len(hub.questions), len(other.questions)) == (1, 0, 0)
    assert last(w)["partner"] == "direct"


async def test_the_operator_may_prefer_the_hub(tmp_path: Path) -> None:
    direct, hub = Asked("direct", Allowed.ALLOWED), Asked("hub", Allowed.ALLOWED)
    w = await world(tmp_path, direct, hub, routes=[Route("direct"), Route("hub", hub=True, stage=1, priority=1)])
    for name in ("hub", "direct"):
        await w.core.tokens(name, [token(whitelist=Whitelist.NEVER)])
    assert await show(w) is Answer.ACCEPTED
    assert (len(direct.questions), len(hub.questions)) == (0, 1)


async def test_the_preferred_route_is_the_owners_word_also_when_it_revokes(tmp_path: Path) -> None:
    direct, hub = Asked("direct", Allowed.BLOCKED), Asked("hub", Allowed.ALLOWED)
    w = await world(tmp_path, direct, hub, routes=[Route("direct"), Route("hub", hub=True)])
    await w.core.tokens("hub", [token()])
    await w.core.tokens("direct", [token(valid=False)])
    assert await show(w) is Answer.BLOCKED
    assert not hub.questions


async def test_two_owners_of_one_uid_do_not_block_each_other(tmp_path: Path) -> None:
    one, two = Asked("one"), Asked("two")
    w = await world(tmp_path, one, two)
    await w.core.tokens("one", [token(valid=False, contract="DE-ONE-C00000001")])
    await w.core.tokens("two", [token(contract="DE-TWO-C00000002")])
    assert await show(w) is Answer.ACCEPTED
    assert last(w)["partner"] == "two"


# --- the whitelist before the network


@pytest.mark.parametrize("whitelist", [Whitelist.ALWAYS, Whitelist.ALLOWED, None])
async def test_a_valid_token_of_the_whitelist_needs_no_question(tmp_path: Path, whitelist: Whitelist | None) -> None:
    owner = Asked("owner", Allowed.BLOCKED)
    w = await world(tmp_path, owner)
    await w.core.tokens("owner", [token(whitelist=whitelist)])
    assert await show(w) is Answer.ACCEPTED
    assert not owner.questions
    assert str(last(w)["reason"]).startswith("whitelist")


@pytest.mark.parametrize(
    ("whitelist", "says", "policy", "answer", "how"),
    [
        (Whitelist.ALLOWED_OFFLINE, Allowed.ALLOWED, False, Answer.ACCEPTED, "real-time"),
        (Whitelist.ALLOWED_OFFLINE, Allowed.BLOCKED, False, Answer.BLOCKED, "real-time"),
        (Whitelist.ALLOWED_OFFLINE, Unreachable("down"), False, Answer.ACCEPTED, "offline"),
        (Whitelist.NEVER, Allowed.ALLOWED, False, Answer.ACCEPTED, "real-time"),
        (Whitelist.NEVER, Allowed.EXPIRED, False, Answer.EXPIRED, "real-time"),
        (Whitelist.NEVER, Allowed.NO_CREDIT, False, Answer.BLOCKED, "real-time"),
        (Whitelist.NEVER, Allowed.NOT_ALLOWED, False, Answer.INVALID, "real-time"),
        (Whitelist.NEVER, Unreachable("down"), False, Answer.INVALID, "refused"),
        (Whitelist.NEVER, Unreachable("down"), True, Answer.ACCEPTED, "offline"),
        (Whitelist.NEVER, Declined("what?"), False, Answer.INVALID, "refused"),
        (Whitelist.NEVER, KeyError("a fault"), False, Answer.INVALID, "refused"),
    ],
)
async def test_tokens_that_are_asked_for(
    tmp_path: Path, whitelist: Whitelist, says: Allowed | Exception, policy: bool, answer: Answer, how: str
) -> None:
    owner = Asked("owner", says)
    w = await world(tmp_path, owner, routes=[Route("owner", accepts_known_offline=policy)])
    await w.core.tokens("owner", [token(whitelist=whitelist)])
    assert await show(w) is answer
    assert len(owner.questions) == 1
    assert str(last(w)["reason"]).startswith(how)


@pytest.mark.parametrize("whitelist", [Whitelist.ALLOWED, Whitelist.ALLOWED_OFFLINE, Whitelist.NEVER])
async def test_an_invalid_token_is_still_asked_for_and_never_accepted_offline(tmp_path: Path, whitelist: Whitelist) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    await w.core.tokens("owner", [token(whitelist=whitelist, valid=False)])
    assert await show(w) is Answer.ACCEPTED
    owner.says = Unreachable("down")
    assert await show(w) is Answer.INVALID


@pytest.mark.parametrize(("changes", "answer"), [({"valid": False}, Answer.BLOCKED), ({"expires": NOON}, Answer.EXPIRED)])
async def test_where_nobody_can_be_asked_the_list_decides(tmp_path: Path, changes: dict[str, object], answer: Answer) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner, routes=[Route("owner", asks=False)])
    await w.core.tokens("owner", [token(**changes)])  # type: ignore[arg-type]
    assert await show(w) is answer
    await w.core.tokens("owner", [token(whitelist=Whitelist.ALWAYS, **changes)])  # type: ignore[arg-type]
    assert await show(w) is answer
    assert not owner.questions


async def test_a_token_expires_at_its_moment(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.EXPIRED)
    w = await world(tmp_path, owner)
    await w.core.tokens("owner", [token(expires=NOON + timedelta(seconds=1))])
    assert await show(w) is Answer.ACCEPTED
    w.clock.ahead(seconds=1)
    assert await show(w) is Answer.EXPIRED


async def test_a_token_without_an_agreement_is_not_known(tmp_path: Path) -> None:
    owner = Asked("owner", Allowed.ALLOWED)
    w = await world(tmp_path, owner, agreements=[agreement("owner", kinds=frozenset({"locations"}))])
    await w.core.tokens("owner", [token()])
    assert await show(w) is Answer.INVALID
    assert not owner.questions


# --- an unknown card


async def test_priority_decides_never_arrival(tmp_path: Path) -> None:
    quick, better = Asked("quick", Allowed.ALLOWED), Asked("better", Allowed.ALLOWED, after=0.1)
    w = await world(tmp_path, quick, better, routes=[Route("quick", priority=50), Route("better", priority=10)])
    assert await show(w) is Answer.ACCEPTED
    assert last(w)["partner"] == "better"
    assert {r["partner"]: r["said"] for r in w.decisions()[-1]["routes"]} == {"quick": "ALLOWED", "better": "ALLOWED"}


async def test_nobody_waits_for_a_worse_ranked_route(tmp_path: Path) -> None:
    silent, better = Asked("silent", Allowed.ALLOWED, after=60), Asked("better", Allowed.ALLOWED)
    w = await world(tmp_path, silent, better, routes=[Route("silent", priority=50), Route("better", priority=10)], authorise_seconds=30.0)
    began = time.monotonic()
    assert await show(w) is Answer.ACCEPTED
    assert time.monotonic() - began < 5
    assert [r["error"] for r in w.decisions()[-1]["routes"]] == [None, "not waited for"]


async def test_a_silent_better_ranked_route_costs_its_stage_and_no_more(tmp_path: Path) -> None:
    silent, yes, hub = Asked("silent", after=60), Asked("yes", Allowed.ALLOWED), Asked("hub", Allowed.ALLOWED)
    routes = [Route("silent", priority=1), Route("yes", priority=2), Route("hub", hub=True)]
    w = await world(tmp_path, silent, yes, hub, routes=routes)
    assert await show(w) is Answer.ACCEPTED
    assert last(w)["partner"] == "yes"
    assert not hub.questions
    assert w.decisions()[-1]["milliseconds"] > 150


async def test_the_hub_is_asked_when_no_bilateral_partner_knows_the_card(tmp_path: Path) -> None:
    silent, no, hub = Asked("silent", after=60), Asked("no"), Asked("hub", Allowed.ALLOWED)
    w = await world(tmp_path, silent, no, hub, routes=[Route("silent"), Route("no"), Route("hub", hub=True)])
    assert await show(w) is Answer.ACCEPTED
    assert last(w)["partner"] == "hub"


async def test_one_deadline_for_everything(tmp_path: Path) -> None:
    asked = [Asked(f"p{i}", after=60) for i in range(5)]
    w = await world(tmp_path, *asked, routes=[Route(p.name, stage=i + 1) for i, p in enumerate(asked)], authorise_seconds=2.0)
    began = time.monotonic()
    assert await show(w) is Answer.INVALID
    assert 1.5 < time.monotonic() - began < 5
    assert all(p.questions for p in asked)
    assert "who answered in time" in str(last(w)["reason"])


@pytest.mark.parametrize("said", [Allowed.BLOCKED, Allowed.EXPIRED, Allowed.NO_CREDIT])
async def test_a_block_by_the_owner_ends_it(tmp_path: Path, said: Allowed) -> None:
    owner, hub = Asked("owner", said), Asked("hub", Allowed.ALLOWED)
    w = await world(tmp_path, owner, hub, routes=[Route("owner"), Route("hub", hub=True)])
    assert await show(w) in (Answer.BLOCKED, Answer.EXPIRED)
    assert not hub.questions


async def test_not_allowed_is_what_partners_say_about_cards_that_they_do_not_know(tmp_path: Path) -> None:
    one, two = Asked("one"), Asked("two")
    w = await world(tmp_path, one, two)
    assert await show(w) is Answer.INVALID
    assert last(w)["reason"] == "refused: nobody knows this card"


async def test_a_faulty_adapter_disturbs_nobody(tmp_path: Path) -> None:
    faulty, fine = Asked("faulty", ZeroDivisionError(CARD)), Asked("fine", Allowed.ALLOWED)
    w = await world(tmp_path, faulty, fine, routes=[Route("faulty", priority=1), Route("fine", priority=2)])
    assert await show(w) is Answer.ACCEPTED
    assert last(w)["partner"] == "fine"


@pytest.mark.parametrize("card", ["08A1B2C3", "08:a1:b2:c3", "08FFFFFF"])
async def test_random_uids_are_never_asked_for(tmp_path: Path, card: str) -> None:
    partner = Asked("partner", Allowed.ALLOWED)
    w = await world(tmp_path, partner)
    assert await show(w, card) is Answer.INVALID
    assert not partner.questions
    assert "random" in str(last(w)["reason"])


async def test_own_customers_and_aliases_are_never_asked_for(tmp_path: Path) -> None:
    partner = Asked("partner", Allowed.ALLOWED)
    w = await world(tmp_path, partner, own=frozenset({"04AA"}))
    assert await show(w, "04aa") is Answer.ACCEPTED
    assert await show(w, alias()) is Answer.INVALID
    assert not partner.questions


async def test_the_question_names_the_place(tmp_path: Path) -> None:
    partner = Asked("partner", Allowed.ALLOWED)
    w = await world(tmp_path, partner)
    await show(w, "04:a1:b2:c3:d4:e5:f6")
    (asked,) = partner.questions
    assert (asked.uid, asked.evse_id, asked.evse_uid, asked.location_id) == (CARD, "DE*ABC*E3", "U3", "L1")
    await w.sessions.authorise("CP1", OTHER)  # two connectors: which one is not known yet
    assert (partner.questions[-1].evse_id, partner.questions[-1].location_id) == (None, "L1")


async def test_a_charger_without_an_evse_asks_nobody(tmp_path: Path) -> None:
    partner = Asked("partner", Allowed.ALLOWED)
    w = await world(tmp_path, partner)
    assert await w.sessions.authorise("CP9", CARD) is Answer.INVALID
    assert not partner.questions


# --- hashed tokens


@pytest.mark.parametrize("text", [CARD, CARD.lower()])
@pytest.mark.parametrize(("kind", "make"), [(UidHash.SHA_1, hashlib.sha1), (UidHash.SHA_256, hashlib.sha256)])
@pytest.mark.parametrize("capitals", [False, True])
async def test_a_hashed_token_is_recognised_by_its_card(tmp_path: Path, kind: UidHash, make: object, text: str, capitals: bool) -> None:
    digest = make(text.encode()).hexdigest()  # type: ignore[operator]
    owner, other = Asked("house", Allowed.ALLOWED, format_="ochp-1.4"), Asked("other", Allowed.ALLOWED)
    w = await world(tmp_path, owner, other)
    await w.core.tokens("house", [token(digest.upper() if capitals else digest, hashed=kind, whitelist=None)])
    assert await show(w, CARD.lower()) is Answer.ACCEPTED
    assert str(last(w)["reason"]).startswith("whitelist")
    assert not owner.questions
    assert not other.questions


async def test_the_owner_of_a_hashed_token_is_asked_about_the_card(tmp_path: Path) -> None:
    owner = Asked("house", Allowed.ALLOWED)
    w = await world(tmp_path, owner)
    digest = hashlib.sha1(CARD.encode()).hexdigest()  # noqa: S324
    await w.core.tokens("house", [token(digest, hashed=UidHash.SHA_1, whitelist=Whitelist.NEVER)])
    assert await show(w) is Answer.ACCEPTED
    assert owner.questions[0].uid == CARD


async def test_a_digest_shown_as_a_card_is_no_card(tmp_path: Path) -> None:
    w = await world(tmp_path, Asked("house"))
    digest = hashlib.sha1(CARD.encode()).hexdigest()  # noqa: S324
    await w.core.tokens("house", [token(digest, hashed=UidHash.SHA_1)])
    assert await show(w, digest) is Answer.INVALID
    assert lookup_key(Token(uid=token(digest).uid, hashed=UidHash.SHA_1)) in lookup_keys(CARD)


# --- what is remembered


async def test_decisions_are_recorded_with_reasons_timings_and_masked_uids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    no = Asked("no", Unreachable(f"POST https://x.example/tokens/{CARD}/authorize: 500"), after=0.02)
    w = await world(tmp_path, no, Asked("faulty", ValueError(f"what is {CARD}?")))
    assert await show(w, CARD.lower()) is Answer.INVALID
    number, answer = await w.sessions.started(FIRST, CARD, 0, NOON)
    assert answer is Answer.INVALID
    await w.sessions.stopped("CP1", number, 100, NOON + timedelta(minutes=1), "DeAuthorized", CARD, [])
    first = w.decisions()[0]
    assert first["uid"] == "****F6"
    assert {r["partner"] for r in first["routes"]} == {"no", "faulty"}
    assert "POST https://x.example/tokens/****F6/authorize: 500" in [r["error"] for r in first["routes"]]
    assert first["milliseconds"] >= 20
    assert w.decisions()[1]["fingerprint"] == first["fingerprint"]
    for text in (CARD, CARD.lower()):
        assert text not in caplog.text
        assert text.encode() not in w.on_disk()


async def test_the_answer_of_the_owner_goes_into_the_session(tmp_path: Path) -> None:
    answer = AuthorisationAnswer(Allowed.ALLOWED, None, "DE-XYZ", "hub-1", "theirs-1", "ref-1")
    w = await world(tmp_path, Asked("hub", answer))
    number, said = await w.sessions.started(FIRST, CARD, 0, NOON)
    session = w.store.session(tx=number)
    assert said is Answer.ACCEPTED
    assert session is not None
    assert session.partner == "hub"
    told = [session.auth[name] for name in ("hub_session_id", "provider_session_id", "reference")]
    assert told == ["hub-1", "theirs-1", "ref-1"]
    assert w.decisions()[0]["session"] == session.id


async def test_a_revoked_token_stops_working_at_once(tmp_path: Path) -> None:
    owner = Asked("owner", Unreachable("down"))
    w = await world(tmp_path, owner)
    await w.core.tokens("owner", [token()])
    assert await show(w) is Answer.ACCEPTED
    await w.core.tokens("owner", [token(valid=False)])
    assert await show(w) is Answer.INVALID


async def test_a_card_accepted_and_revoked_before_the_start_does_not_start(tmp_path: Path) -> None:
    owner = Asked("owner", Unreachable("down"))
    w = await world(tmp_path, owner)
    await w.core.tokens("owner", [token()])
    assert await w.sessions.authorise("CP1", CARD) is Answer.ACCEPTED
    await w.core.tokens("owner", [token(valid=False)])
    assert (await w.sessions.started(FIRST, CARD, 0, NOON))[1] is Answer.INVALID


async def test_a_card_accepted_in_real_time_is_not_asked_for_again_at_the_start(tmp_path: Path) -> None:
    owner = Asked("owner", AuthorisationAnswer(Allowed.ALLOWED, hub_session_id="hub-1"))
    w = await world(tmp_path, owner)
    assert await w.sessions.authorise("CP1", CARD) is Answer.ACCEPTED
    assert (await w.sessions.started(FIRST, CARD, 0, NOON))[1] is Answer.ACCEPTED
    assert len(owner.questions) == 1
    w.clock.ahead(minutes=16)
    await w.sessions.started(FIRST, OTHER, 0, NOON)
    assert len(owner.questions) == 2
