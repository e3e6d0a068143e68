"""Sessions of an upstream operator: matched to whoever's customer it was, and told as that one knows the driver."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve

from bridge.model.common import Price
from bridge.model.ids import PartyId
from bridge.model.session import AuthMethod, CdrDimension, ChargingPeriod, SessionStatus, Volume
from bridge.model.token import Allowed, SessionToken, Token, TokenKind, UidHash
from bridge.roaming.billing import OperatorFacts
from bridge.roaming.ports import AuthorisationAnswer, Kind
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.merge import with_periods
from bridge.roaming.upstream.ports import Contradiction, NotTheirs, NotThere, Question
from tests.roaming.roaming_world import CARD, NOON, OTHER, Asked, Told, agreement, tariff, token
from tests.roaming.upstream_world import CSMS, US, Above, Csms, card, cdr, place, session, sources

HOUR = timedelta(hours=1)


async def above(path: Path, *partners: Any, **options: Any) -> Above:
    w = Above(path, partners or None, **options)
    await w.up.put_location(CSMS, place())
    for partner in partners or ("emsp",):
        await w.deliver(partner if isinstance(partner, str) else partner.name)
    return w


async def test_a_session_by_a_card_that_we_know(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.core.tokens("emsp", [token(CARD.lower())])
    assert await w.up.put_session(CSMS, session())
    (told,) = await w.told(Kind.SESSION)
    assert (told.id, told.party, told.status) == ("S1", US, SessionStatus.ACTIVE)
    assert (told.operator_session_id, told.evse_id) == ("S1", "DE*ABC*E91")
    assert told.token == card(CARD.lower()), "the token as its owner told it"
    assert w.up.session(CSMS, US, "s1") == session(), "and to the operator as it told it"
    assert not await w.up.put_session(CSMS, session())
    assert await w.deliver() == []


async def test_updates_go_on_and_the_end(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.core.tokens("emsp", [token()])
    await w.up.put_session(CSMS, session())
    await w.up.amend_session(CSMS, US, "S1", lambda old: evolve(old, kwh=Decimal(7), last_updated=NOON + HOUR))
    assert [(s.kwh, s.last_updated) for s in await w.told(Kind.SESSION)] == [(Decimal(7), NOON + HOUR)]
    await w.up.amend_session(CSMS, US, "S1", lambda old: evolve(old, status=SessionStatus.COMPLETED, end=NOON + HOUR))
    assert [s.status for s in await w.told(Kind.SESSION)] == [SessionStatus.COMPLETED]
    page = await w.core.page("emsp", Kind.SESSION, offset=0, limit=9)
    assert [orjson.loads(b)["status"] for b in page.bodies] == ["COMPLETED"]


async def test_a_session_that_is_over_does_not_go_on(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.put_session(CSMS, session(status=SessionStatus.COMPLETED, end=NOON))
    with pytest.raises(Contradiction):
        await w.up.put_session(CSMS, session())
    assert len(w.history("session refused")) == 1
    await w.up.put_session(CSMS, session(status=SessionStatus.INVALID, end=NOON))


async def test_a_session_that_nobody_knows(tmp_path: Path) -> None:
    w = await above(tmp_path)
    with pytest.raises(NotThere):
        await w.up.amend_session(CSMS, US, "S1", lambda old: old)
    with pytest.raises(NotTheirs):
        await w.up.put_session(CSMS, session(party=PartyId("FR", "ABC")))
    await w.up.put_session(CSMS, session())
    assert await w.deliver() == [], "nobody is known who would pay"
    await w.core.tokens("emsp", [token()])
    await w.up.amend_session(CSMS, US, "S1", lambda old: evolve(old, kwh=Decimal(3)))
    assert len(await w.told(Kind.SESSION)) == 1, "the token came later"


async def test_two_changes_at_once_both_count(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.up.put_session(CSMS, session(periods=()))
    periods = [ChargingPeriod(NOON + n * HOUR, (Volume(CdrDimension.ENERGY, Decimal(n)),)) for n in range(5)]
    await asyncio.gather(*(w.up.amend_session(CSMS, US, "S1", lambda old, p=p: with_periods(old, [p])) for p in periods))  # type: ignore[misc]
    kept = w.up.session(CSMS, US, "S1")
    assert kept is not None
    assert set(kept.periods) == set(periods)
    assert with_periods(kept, periods[:2]) == kept, "sent again, they are there already"


# --- whose it is


async def test_the_contract_decides_between_two_people_with_one_uid(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("one"), Asked("two"))
    await w.core.tokens("one", [token(contract="DE-XYZ-C00000001-2")])
    await w.core.tokens("two", [token(contract="DE-QQQ-C00000009-9")])
    await w.up.put_session(CSMS, session("S1", token=card(contract="DEQQQC00000009")))
    await w.up.put_session(CSMS, session("S2", token=card(contract="dexyzc000000012")))
    await w.up.put_session(CSMS, session("S3", token=card(contract="DE-RRR-C00000009-9")))
    assert [s.id for s in await w.told(Kind.SESSION, "two")] == ["S1"]
    assert [s.id for s in await w.told(Kind.SESSION, "one")] == ["S2"], "S3 is somebody else's"


async def test_without_an_agreement_about_the_origin_it_is_nobodys(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("ours"), agreements=[agreement("ours")])
    await w.core.tokens("ours", [token()])
    await w.up.put_session(CSMS, session())
    assert await w.deliver("ours") == []
    assert len(w.history("session of an unknown owner")) == 1


async def test_an_answer_that_we_gave_leads_back_to_its_owner(tmp_path: Path) -> None:
    hub = Asked("hub", AuthorisationAnswer(Allowed.ALLOWED, Token(contract_id="DE-HUB-1"), "DE-HUB", "hub-session", "theirs"))
    w = await above(tmp_path, hub, Asked("emsp"))
    info = await w.up.authorise(CSMS, Question(OTHER, TokenKind.RFID, "u1", ("uid91",)))
    assert info is not None
    assert (info.allowed, info.location_id, info.evse_uids) == (Allowed.ALLOWED, "u1", ("UID91",))
    assert (hub.questions[0].evse_id, hub.questions[0].location_id) == ("DE*ABC*E91", "U1")
    w.restart()
    await w.up.put_session(CSMS, session(token=card(OTHER, None), authorization_reference=info.reference))
    (told,) = await w.told(Kind.SESSION, "hub")
    assert (told.hub_session_id, told.provider_session_id, told.authorization_reference) == ("hub-session", "theirs", None)
    assert (told.token.uid, told.token.contract_id) == (OTHER, "DE-HUB-1")
    assert await w.deliver("emsp") == []


async def test_the_owners_own_reference_comes_back_to_it(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp", AuthorisationAnswer(Allowed.ALLOWED, token(), reference="emsp-ref")))
    info = await w.up.authorise(CSMS, Question(CARD))
    assert info is not None
    assert info.reference not in (None, "emsp-ref")
    await w.up.put_session(CSMS, session(auth_method=AuthMethod.AUTH_REQUEST, authorization_reference=info.reference))
    assert [s.authorization_reference for s in await w.told(Kind.SESSION)] == ["emsp-ref"]


@pytest.mark.parametrize(("minutes", "uid", "evse", "found"), [
    (5, CARD, "UID91", True), (-1, CARD, "UID91", True), (18, CARD, "UID91", False), (-5, CARD, "UID91", False), (5, OTHER, "UID91", False),
    (5, CARD, "UID92", False),
])  # fmt: skip
async def test_a_reference_that_was_not_kept(tmp_path: Path, minutes: int, uid: str, evse: str, found: bool) -> None:
    """OCPI 2.1.1 has none: then it is the card, the place and the time."""
    w = await above(tmp_path, Asked("emsp", AuthorisationAnswer(Allowed.ALLOWED, token())))
    await w.up.authorise(CSMS, Question(CARD, TokenKind.RFID, "U1", ("UID91",)))
    await w.up.put_session(CSMS, session(start=NOON + timedelta(minutes=minutes), token=card(uid), evse_uid=evse))
    assert len(await w.told(Kind.SESSION)) == found


async def test_a_reference_of_somebody_else_is_none_of_ours(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp", AuthorisationAnswer(Allowed.ALLOWED, token())))
    await w.up.put_session(CSMS, session(authorization_reference="made up", token=card(OTHER)))
    assert await w.deliver() == []


async def test_a_reference_counts_from_whom_it_was_given_to(tmp_path: Path) -> None:
    feeds = {name: Feed(name, ("acme",)) for name in (CSMS, "second")}
    w = await above(tmp_path, Asked("emsp", AuthorisationAnswer(Allowed.ALLOWED, token())), Csms("second"), feeds=feeds,
                    agreements=[sources("emsp", sources=frozenset({CSMS, "second"}))])  # fmt: skip
    info = await w.up.authorise("second", Question(CARD))
    assert info is not None
    await w.up.put_session(CSMS, session(authorization_reference=info.reference, token=card(OTHER)))
    assert await w.deliver() == []


async def test_the_last_reference_is_the_one_that_counts(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp"))
    references = []
    for theirs in ("one", "two"):
        w.partner().says = AuthorisationAnswer(Allowed.ALLOWED, token(), reference=theirs)
        info = await w.up.authorise(CSMS, Question(CARD))
        assert info is not None
        references.append(info.reference)
    for reference, expected in zip(references, ("one", "two"), strict=True):
        await w.up.put_session(CSMS, session(authorization_reference=reference))
        assert [s.authorization_reference for s in await w.told(Kind.SESSION)] == [expected]


async def test_a_session_in_production_is_not_told_by_an_agreement_about_tests(tmp_path: Path) -> None:
    w = await above(tmp_path, agreements=[sources("emsp", kinds=frozenset({"tokens"})),
                                          sources("emsp", kinds=frozenset({"sessions", "cdrs"}), test=True)])  # fmt: skip
    await w.core.tokens("emsp", [token()])
    await w.up.put_session(CSMS, session())
    await w.up.post_cdr(CSMS, cdr())
    assert await w.deliver() == []
    assert [(e.partner, e.state, e.test) for e in w.entries()] == [("emsp", "kept", False)]


async def test_a_card_of_the_operators_own(tmp_path: Path) -> None:
    w = await above(tmp_path, own=frozenset({CARD}))
    await w.up.put_session(CSMS, session())
    assert await w.deliver() == []
    row = w.store.session_told("acme", "S1")
    assert row is not None
    assert row.auth is not None
    assert (row.partner, row.auth["how"]) == (None, "own")


async def test_a_hashed_token_is_told_as_its_owner_gave_it(tmp_path: Path) -> None:
    digest = hashlib.sha256(CARD.encode()).hexdigest()
    w = await above(tmp_path)
    await w.core.tokens("emsp", [token(digest, hashed=UidHash.SHA_256)])
    await w.up.put_session(CSMS, session())
    (told,) = await w.told(Kind.SESSION)
    assert (told.token.uid, told.token.hashed) == (digest, UidHash.SHA_256)


# --- what is told of it


async def test_the_operators_prices_are_not_those_of_the_agreement(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp"), Asked("priced"), agreements=[sources("emsp"), sources("priced", tariffs={"*": "T1"})])
    await w.core.publisher.import_tariffs("acme", [tariff()])
    await w.core.tokens("emsp", [token()])
    await w.core.tokens("priced", [token(OTHER)])
    cost = Price(Decimal(3))
    period = ChargingPeriod(NOON, (Volume(CdrDimension.ENERGY, Decimal(1)),), tariff_id="CPO")  # type: ignore[arg-type]
    for ident, uid in (("S1", CARD), ("S2", OTHER)):
        await w.up.put_session(CSMS, session(ident, token=card(uid), total_cost=cost, periods=(period,)))
    (one,), (other,) = await w.told(Kind.SESSION), await w.told(Kind.SESSION, "priced")
    assert (one.total_cost, one.periods[0].tariff_id) == (cost, "CPO")
    assert (other.total_cost, other.periods[0].tariff_id) == (None, None)


async def test_two_operators_may_use_one_id(tmp_path: Path) -> None:
    both = {"acme": OperatorFacts(US, "Europe/Berlin", "EUR"), "other": OperatorFacts(PartyId("DE", "OTH"), "Europe/Berlin", "EUR")}
    w = await above(tmp_path, Asked("emsp"), operators=both, feed=Feed(CSMS, ("acme", "other")),
                    agreements=[sources("emsp"), evolve(sources("emsp"), operator="other")])  # fmt: skip
    await w.core.tokens("emsp", [token()])
    await w.up.put_session(CSMS, session())
    await w.up.put_session(CSMS, session(party=PartyId("DE", "OTH"), location_id=None, kwh=Decimal(9)))
    ours, theirs = w.up.session(CSMS, US, "S1"), w.up.session(CSMS, PartyId("DE", "OTH"), "S1")
    assert ours is not None
    assert theirs is not None
    assert (ours.kwh, theirs.kwh) == (Decimal("0.5"), Decimal(9))
    assert sorted((str(s.party), s.kwh) for s in await w.told(Kind.SESSION)) == [("DE*ABC", Decimal("0.5")), ("DE*OTH", Decimal(9))]
    assert (await w.core.page("emsp", Kind.SESSION, offset=0, limit=9)).total == 2


async def test_a_partner_that_takes_no_sessions_gets_none(tmp_path: Path) -> None:
    class House(Told):
        kinds = frozenset({Kind.CDR})

    w = await above(tmp_path, House("house", "ochp-1.4"))
    await w.core.tokens("house", [token()])
    await w.up.put_session(CSMS, session())
    assert await w.deliver("house") == []
    assert w.store.sessions_told("house", "S1") != []


async def test_a_card_is_in_no_history(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp", AuthorisationAnswer(Allowed.ALLOWED, token())))
    await w.up.authorise(CSMS, Question(CARD))
    await w.up.put_session(CSMS, session())
    await w.up.put_session(CSMS, session("S2", token=card(OTHER)))
    assert CARD not in str(w.history()) + str(w.decisions())
    assert OTHER not in str(w.history())


@pytest.mark.parametrize(("told", "asked", "found"), [
    ("DE-XYZ-C00000001-2", False, "emsp"), ("de-xyz-c00000001-2", False, "emsp"), (CARD, False, "emsp"), (OTHER, True, "emsp"),
    ("DE-XYZ-C99999999-9", False, None), (OTHER, False, None),
])  # fmt: skip
async def test_where_the_contract_alone_is_told(tmp_path: Path, told: str, asked: bool, found: str | None) -> None:
    """OCPI 2.1.1: auth_id is the contract, of a card that is not listed its uid."""
    w = await above(tmp_path, Asked("emsp", AuthorisationAnswer(Allowed.ALLOWED, Token(contract_id="DE-XYZ-C7"))))
    await w.core.tokens("emsp", [token()])
    if asked:
        assert await w.up.authorise(CSMS, Question(OTHER, TokenKind.RFID, "U1", ("UID91",))) is not None
    await w.up.put_session(CSMS, session(token=SessionToken(contract_id=told)))
    row = w.store.session_told("acme", "S1")
    assert row is not None
    assert row.partner == found
    if found is not None:
        (out,) = await w.told(Kind.SESSION)
        assert (out.token.uid, str(out.token.contract_id)) == ((None, "DE-XYZ-C7") if asked else (CARD, "DE-XYZ-C00000001-2"))


async def test_the_owner_hears_how_its_driver_was_authorised_not_how_we_were_asked(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.core.tokens("emsp", [token()])
    info = await w.up.authorise(CSMS, Question(CARD))
    assert info is not None
    told: dict[str, Any] = {"auth_method": AuthMethod.AUTH_REQUEST, "authorization_reference": info.reference}
    await w.up.put_session(CSMS, session(**told))
    await w.up.post_cdr(CSMS, cdr(**told))
    assert w.partner().questions == []
    jobs = await w.deliver()
    assert [orjson.loads(j.body)["auth_method"] for j in jobs if j.kind in (Kind.SESSION, Kind.CDR)] == ["WHITELIST", "WHITELIST"]
