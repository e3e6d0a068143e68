"""What people see of upstream operators: `evbridge why`, `check` and `held`, on a store that a core filled."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve

from bridge.model.ids import CdrId
from bridge.model.token import Allowed
from bridge.roaming.authorise import Route
from bridge.roaming.ports import AuthorisationAnswer, Kind
from bridge.roaming.upstream import twice
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.ports import Listed, Question
from tests.roaming.roaming_world import CARD, OTHER, Asked, tariff, token
from tests.roaming.test_why import run
from tests.roaming.upstream_world import CSMS, US, Above, card, cdr, evse, place, session


async def filled(path: Path) -> Above:
    w = Above(path, [Asked("owner", AuthorisationAnswer(Allowed.ALLOWED, token(), hub_session_id="hub-1"))])
    await w.up.put_location(CSMS, place())
    info = await w.up.authorise(CSMS, Question(CARD, location_id="U1", evse_uids=("UID91",)))
    assert info is not None
    await w.up.put_session(CSMS, session(authorization_reference=info.reference))
    await w.up.post_cdr(CSMS, cdr(authorization_reference=info.reference))
    await w.deliver("owner")
    await w.up.post_cdr(CSMS, cdr("C7", session_id=None, token=card(OTHER)))
    w.store.close()
    return w


@pytest.mark.parametrize(("by", "value"), [
    ("session", "S1"), ("contract", "DE-XYZ-C00000001-2"), ("evse", "DE*ABC*E91"), ("reference", "C1"), ("reference", "DE*ABC/C1"),
    ("reference", "at-owner"), ("reference", "hub-1"),
])  # fmt: skip
async def test_why_by_everything_that_is_known_of_a_session(tmp_path: Path, by: str, value: str) -> None:
    await filled(tmp_path)
    told = run(tmp_path, "why", f"--{by}", value).output
    assert "real-time: owner says ALLOWED" in told
    assert "session S1 from csms, of owner: ACTIVE" in told
    assert "CDR DE*ABC/C1 for owner: acknowledged, 5.55 EUR, sent 1 times, reference at-owner" in told
    assert "session matched" in told
    assert CARD not in told


async def test_why_a_cdr_is_kept(tmp_path: Path) -> None:
    await filled(tmp_path)
    told = run(tmp_path, "why", "--reference", "C7").output
    assert "CDR DE*ABC/C7 for None: kept" in told
    assert "nobody is known" in told
    found = run(tmp_path, "check")
    assert "CDR DE*ABC/C7 waits for a person" in found.output
    assert "EVSE DEABCE91 is bound" not in found.output


async def test_what_can_be_reached_twice_is_told(tmp_path: Path) -> None:
    w = Above(tmp_path, [Asked("hub"), Asked("emsp")])
    w.routes = [Route("hub", hub=True), Route("emsp")]
    w.restart()
    await w.import_all()
    await w.up.put_location(CSMS, evolve(place("U1", 91), evses=(evse(91), evse(1))))
    await w.core.tokens("hub", [token(), token("0400", contract="DE-QQQ-C00000001-2")])
    await w.core.tokens("emsp", [token(OTHER, contract="DE-XYZ-C00000002-2")])
    (told,) = twice.evses(w.store)
    assert told.startswith("EVSE DE*ABC*E1 comes from us and, with location U1, from csms")
    assert list(twice.providers(w.store, w.core.authoriser.routes)) == ["provider DE*XYZ is reached by emsp, hub: emsp is preferred"]
    w.store.close()
    assert f"note: {told}" in run(tmp_path, "check").output


@pytest.mark.parametrize("kind", [Kind.LOCATION, Kind.TARIFF])
async def test_what_is_held_is_confirmed(tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    w = Above(tmp_path)
    one, empty = Listed((place("U1") if kind is Kind.LOCATION else tariff(name="CPO"),)), Listed(())
    for lists in (one, empty):
        w.csms.lists[kind] = [lists]
        done = await w.up.pulls.pull(w.up.feeds.all[CSMS], w.csms, kind)
        w.clock.ahead(hours=25)
    assert done.held is not None
    (held,) = w.store.held()
    assert await w.up.confirm(CSMS, kind, held.body) == 1
    assert w.store.held() == []
    assert w.up.location(CSMS, US, "U1") is None
    assert w.up.tariff(CSMS, US, "CPO") is None


async def test_it_is_written_anew_when_its_owner_speaks_another_format(tmp_path: Path) -> None:
    """Keys and numbers stay those of the operator, whatever format its sessions and CDRs are in."""
    w = Above(tmp_path, feed=Feed(CSMS, ("acme",)))
    await w.up.put_location(CSMS, place())
    await w.core.tokens("emsp", [token()])
    await w.up.put_session(CSMS, session())
    await w.up.post_cdr(CSMS, cdr())
    before = {(r["kind"], r["key"], r["source"]) for r in w.store.db.read.execute("SELECT * FROM published")}
    formats = w.core.formats
    await asyncio.gather(formats._rewrite("emsp", w.partner(), "ocpi-2.3.0"))
    after = {(r["kind"], r["key"], r["source"]) for r in w.store.db.read.execute("SELECT * FROM published")}
    assert before == after
    assert ("session", "DE*ABC/S1", "acme/S1") in after
    assert ("cdr", "DE*ABC/C1", "DE*ABC/C1") in after
    assert [(c.id, c.total_cost and c.total_cost.excl) for c in await w.told(Kind.CDR)] == [(CdrId("C1"), Decimal("5.55"))]
    assert [e.state for e in w.entries()] == ["acknowledged"]
