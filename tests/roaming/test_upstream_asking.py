"""An upstream operator asks about cards, and gets the tokens of those partners that it is to have."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve

from bridge.errors import Unreachable
from bridge.model import json as model_json
from bridge.model.ids import TokenUid
from bridge.model.location import Status
from bridge.model.token import Allowed, Token, TokenKind, UidHash, Whitelist
from bridge.roaming.authorise import Route
from bridge.roaming.ports import AuthorisationAnswer, Kind
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.ports import NotTheirs, NotThere, Question
from tests.roaming.roaming_world import CARD, NOON, OTHER, Asked, agreement, token
from tests.roaming.upstream_world import CSMS, Above, place, sources, with_status

THERE = Question(CARD, TokenKind.RFID, "U1", ("UID91",))


async def above(path: Path, *partners: Any, **options: Any) -> Above:
    w = Above(path, partners or None, **options)
    await w.up.put_location(CSMS, place())
    return w


# --- questions


async def test_it_is_decided_and_recorded_like_at_our_own_chargers(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp", Allowed.ALLOWED))
    info = await w.up.authorise(CSMS, THERE)
    assert info is not None
    assert (info.allowed, info.location_id, info.evse_uids) == (Allowed.ALLOWED, "U1", ("UID91",))
    (decision,) = w.decisions()
    assert (decision["id"], decision["charge_point"], decision["evse_id"]) == (info.reference, CSMS, "DEABCE91")
    assert (decision["partner"], decision["uid"]) == ("emsp", "****F6")
    assert [(q.uid, q.evse_id, q.evse_uid, q.location_id) for q in w.partner().questions] == [(CARD, "DE*ABC*E91", "UID91", "U1")]


async def test_a_known_token_by_its_owners_word(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.core.tokens("emsp", [token(), token(OTHER, valid=False, whitelist=Whitelist.ALWAYS)])
    good, bad = await w.up.authorise(CSMS, THERE), await w.up.authorise(CSMS, evolve(THERE, uid=OTHER))
    assert good is not None
    assert bad is not None
    assert (good.allowed, bad.allowed) == (Allowed.ALLOWED, Allowed.BLOCKED)
    assert good.token is not None
    assert (good.token.contract_id, good.token.whitelist) == ("DE-XYZ-C00000001-2", Whitelist.NEVER)
    assert bad.reference is None
    assert w.store.granted(str(good.reference)) is not None


@pytest.mark.parametrize("said", [Allowed.BLOCKED, Allowed.EXPIRED, Allowed.NO_CREDIT])
async def test_the_owners_no_is_passed_on_as_it_is(tmp_path: Path, said: Allowed) -> None:
    w = await above(tmp_path, Asked("emsp", said))
    info = await w.up.authorise(CSMS, THERE)
    assert info is not None
    assert (info.allowed, info.reference) == (said, None)


@pytest.mark.parametrize("partner", [Asked("emsp", Allowed.NOT_ALLOWED), Asked("emsp", Unreachable("down"))])
async def test_a_card_that_nobody_knows(tmp_path: Path, partner: Asked) -> None:
    w = await above(tmp_path, partner)
    assert await w.up.authorise(CSMS, THERE) is None
    assert len(w.decisions()) == 1


async def test_partners_whose_drivers_may_not_charge_there_are_not_asked(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp", Allowed.ALLOWED), Asked("ours", Allowed.ALLOWED), agreements=[
        sources("emsp", kinds=frozenset({"locations"})), agreement("ours")])  # fmt: skip
    await w.core.tokens("ours", [token()])
    assert await w.up.authorise(CSMS, THERE) is None
    assert w.partner().questions == w.partner("ours").questions == []


async def test_the_evses_where_it_may(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp", Allowed.ALLOWED))
    await w.up.put_location(CSMS, with_status(place("U1", 91, 92, 93), 93, Status.REMOVED, NOON))
    everywhere = await w.up.authorise(CSMS, Question(CARD, TokenKind.RFID, "u1"))
    assert everywhere is not None
    assert everywhere.evse_uids == ("UID91", "UID92")
    assert w.partner().questions[0].evse_id is None
    assert w.partner().questions[0].location_id == "U1"
    anywhere = await w.up.authorise(CSMS, Question(CARD))
    assert anywhere is not None
    assert (anywhere.location_id, anywhere.evse_uids) == (None, ())
    assert w.partner().questions[1].location_id is None


@pytest.mark.parametrize("question", [evolve(THERE, location_id="U9"), evolve(THERE, evse_uids=("UID9",)),
                                      evolve(THERE, location_id="L1", evse_uids=())])  # fmt: skip
async def test_a_place_that_is_not_theirs(tmp_path: Path, question: Question) -> None:
    w = await above(tmp_path, Asked("emsp", Allowed.ALLOWED))
    await w.import_all()
    with pytest.raises(NotThere):
        await w.up.authorise(CSMS, question)
    with pytest.raises(NotTheirs):
        await w.up.authorise("emsp", THERE)
    assert w.decisions() == []


async def test_what_is_asked_for_is_asked_on(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp", Allowed.ALLOWED))
    info = await w.up.authorise(CSMS, evolve(THERE, uid="DE-XYZ-C00000001-2", kind=TokenKind.EMAID))
    assert [q.kind for q in w.partner().questions] == [TokenKind.EMAID]
    assert info is not None
    assert info.token is not None
    assert (info.token.kind, info.token.uid) == (TokenKind.EMAID, "DE-XYZ-C00000001-2")


# --- tokens in advance


def gets(*names: str) -> Feed:
    return Feed(CSMS, ("acme",), tokens_from=names)


def served(w: Above) -> dict[str, Token]:
    rows = w.store.db.read.execute("SELECT key, body FROM published WHERE partner = ? AND kind = 'token' ORDER BY seq", (CSMS,))
    return {r["key"]: model_json.from_json(Token, orjson.loads(r["body"])) for r in rows}


async def follow(w: Above) -> list[tuple[str, bool | None]]:
    """What it is sent."""
    await w.up.tokens[CSMS].follow()
    jobs = [j for j in await w.deliver(CSMS) if j.kind is Kind.TOKEN]
    return [(j.key, model_json.from_json(Token, orjson.loads(j.body)).valid) for j in jobs]


async def test_nobodys_tokens_go_anywhere_unless_it_is_said(tmp_path: Path) -> None:
    w = await above(tmp_path)
    await w.core.tokens("emsp", [token()])
    assert await follow(w) == []
    assert served(w) == {}


async def test_a_list_is_served_and_its_changes_are_sent(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp"), Asked("other"), feed=gets("emsp"))
    await w.core.tokens("emsp", [token(), token(OTHER)])
    await w.core.tokens("other", [token("0411111111")])
    assert await follow(w) == [], "a list is fetched"
    page = await w.core.page(CSMS, Kind.TOKEN, offset=0, limit=9)
    assert page.total == 2
    assert set(served(w)) == {f"RFID/{CARD}", f"RFID/{OTHER}"}
    await w.core.tokens("emsp", [token(OTHER, valid=False)])
    assert await follow(w) == [(f"RFID/{OTHER}", False)]
    await w.core.tokens("emsp", [token("0422222222")])
    assert await follow(w) == [("RFID/0422222222", True)]
    assert await follow(w) == []
    w.restart()
    assert await follow(w) == []
    assert (await w.core.page("emsp", Kind.TOKEN, offset=0, limit=9)).total == 0


async def test_only_of_those_whose_drivers_may_charge_there(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp"), agreements=[sources("emsp", valid_until=NOON + timedelta(hours=1))], feed=gets("emsp"))
    await w.core.tokens("emsp", [token()])
    assert await follow(w) == []
    assert [t.valid for t in served(w).values()] == [True]
    w.clock.ahead(hours=2)
    assert await follow(w) == [(f"RFID/{CARD}", False)], "it is taken back the only way there is"
    await w.core.tokens("emsp", [token(OTHER)])
    assert await follow(w) == []
    assert set(served(w)) == {f"RFID/{CARD}"}


async def test_of_one_card_from_two_partners_the_preferred_one_is_told(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("hub"), Asked("emsp"), feed=gets("emsp", "hub"))
    w.routes = [Route("hub", hub=True), Route("emsp")]
    w.restart()
    await w.core.tokens("hub", [token(contract="DE-HUB-C00000001-2")])
    await follow(w)
    assert str(served(w)[f"RFID/{CARD}"].contract_id) == "DE-HUB-C00000001-2"
    await w.core.tokens("emsp", [token()])
    assert await follow(w) == [(f"RFID/{CARD}", True)]
    assert str(served(w)[f"RFID/{CARD}"].contract_id) == "DE-XYZ-C00000001-2"
    await w.core.tokens("hub", [token(contract="DE-HUB-C00000001-2", valid=False)])
    assert await follow(w) == []


async def test_what_it_never_had_is_not_taken_back(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp"), agreements=[sources("emsp", valid_until=NOON + timedelta(hours=1))], feed=gets("emsp"))
    await w.core.tokens("emsp", [token()])
    await follow(w)
    await w.core.tokens("emsp", [token(OTHER)])
    w.clock.ahead(hours=2)
    assert await follow(w) == [(f"RFID/{CARD}", False)]
    assert set(served(w)) == {f"RFID/{CARD}"}


async def test_a_digest_is_no_uid(tmp_path: Path) -> None:
    w = await above(tmp_path, Asked("emsp"), feed=gets("emsp"))
    digest = hashlib.sha256(CARD.encode()).hexdigest()
    await w.core.tokens("emsp", [token(digest, hashed=UidHash.SHA_256)])
    await follow(w)
    assert served(w) == {}
    info = await w.up.authorise(CSMS, THERE)
    assert info is not None
    assert info.token is not None
    assert (info.token.uid, info.token.hashed) == (CARD, None)


async def test_whoever_gets_the_tokens_may_keep_to_the_owners_whitelist(tmp_path: Path) -> None:
    w = await above(tmp_path, feed=gets("emsp"))
    await w.core.tokens("emsp", [token()])
    info = await w.up.authorise(CSMS, THERE)
    assert info is not None
    assert info.token is not None
    assert info.token.whitelist is Whitelist.ALLOWED


async def test_a_list_without_a_word_of_asking_is_a_whitelist(tmp_path: Path) -> None:
    """OCHP has no other: what is listed may be used without asking, and the operator may know that."""
    w = await above(tmp_path, Asked("house", AuthorisationAnswer(Allowed.ALLOWED, Token(TokenUid(OTHER)))), feed=gets("house"))
    await w.core.tokens("house", [token(whitelist=None)])
    await follow(w)
    assert [t.whitelist for t in served(w).values()] == [Whitelist.ALLOWED]
    for uid, expected in ((CARD, Whitelist.ALLOWED), (OTHER, Whitelist.NEVER)):
        info = await w.up.authorise(CSMS, evolve(THERE, uid=uid))
        assert info is not None
        assert info.token is not None
        assert info.token.whitelist is expected, "one that is not listed it has to ask about"


async def test_a_long_list_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.roaming.upstream.tokens.PART", 3)
    w = await above(tmp_path, feed=gets("emsp"))
    await w.core.tokens("emsp", [token(f"0400000{n:03}") for n in range(10)])
    await follow(w)
    assert len(served(w)) == 10
    again = await w.up.tokens[CSMS].follow()
    assert again == 10, "what was changed in one moment is looked at again"
    assert AuthorisationAnswer(Allowed.ALLOWED).token is None
