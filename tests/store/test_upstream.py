"""What the store keeps of upstream operators, and how a store from before comes to keep it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlite_utils
from attrs import evolve

from bridge.roaming.agreements import OWN
from bridge.roaming.ports import Kind
from bridge.roaming.storage import CdrRow, EvseRow, Outbound, Thing, TokenRow
from bridge.roaming.upstream.storage import CdrTold, GrantRow, PassedReservation, SessionTold
from bridge.store import schema
from bridge.store.sqlite import SqliteStore

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOLD = SessionTold("acme", "S1", "csms", b"{}", "ACTIVE", NOON, Decimal("1.50"), None, "emsp", {"decision": "d"}, b"{}", True, b"t", "E1")
ENTRY = CdrRow("DE*ABC/C1", "DE*ABC/C1", "emsp", "acme", False, b"{}", "5.55", "EUR", "10", "waiting", [], NOON)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "bridge.sqlite")
    made.open()
    yield made
    made.close()


async def test_what_was_there_before_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "bridge.sqlite"
    old = sqlite3.connect(path)
    before = schema.MIGRATIONS[: [name for name, _ in schema.MIGRATIONS].index("005_upstream")]
    steps = sqlite_utils.Migrations("bridge")
    for name, script in before:
        steps(name=name, transactional=False)(schema._running(script))
    steps.apply(sqlite_utils.Database(old))
    old.execute("INSERT INTO evse (evse_id, written, uid, location, operator, status) VALUES ('E1', 'E1', 'U1', 'L1', 'acme', 'CHARGING')")
    old.commit()
    old.close()
    store = SqliteStore(path)
    store.open()
    row = store.evse("E1")
    assert row is not None
    assert (row.origin, row.status) == (OWN, "CHARGING")
    await store.save_things([Thing("location", "acme", "L1", b"{}", "h")], [evolve(row, status=None)], [])
    assert store.evse("E1") == row, "an import leaves the status alone"
    store.close()


async def test_keys_are_found_however_they_are_spelled(store: SqliteStore) -> None:
    await store.save_things([Thing("location", "acme", "Loc1", b"{}", "h", "csms"), Thing("location", "other", "LOC1", b"{}", "h")], [], [])
    assert [store.spelled("location", o, "LOC1") for o in ("acme", "other", "third")] == ["Loc1", "LOC1", "LOC1"]
    assert store.things("location", "acme", OWN) == {}
    assert store.things("location", "acme", "csms") == {"Loc1": ("h", False)}
    assert store.foreign("location") == [("acme", "Loc1", "csms")]


async def test_uids_are_told_apart_by_their_location(store: SqliteStore) -> None:
    rows = [EvseRow(f"E{n}", f"E{n}", "1", f"L{n}", "acme", removed=n == 1) for n in (1, 2, 3)]
    await store.save_things([], rows, [])
    found = {location: [row.evse_id for row in store.evses_by_uid("1", location)] for location in (None, "l3", "L1", "L9")}
    assert found == {None: ["E2", "E3", "E1"], "l3": ["E3"], "L1": ["E1"], "L9": []}


async def test_sessions_by_id_owner_and_evse(store: SqliteStore) -> None:
    await store.save_session_told(TOLD, [])
    assert store.session_told("acme", "s1") == TOLD
    assert store.session_told("other", "S1") is None
    await store.save_session_told(evolve(TOLD, operator="other", partner=None, auth=None, token=None, tariff=None), [])
    assert store.sessions_told("emsp", "s1") == [TOLD]
    assert [s.operator for s in store.running_told("E1")] == ["acme", "other"]
    ended = evolve(TOLD, ended=NOON + timedelta(hours=1), status="COMPLETED", kwh=Decimal(9))
    await store.save_session_told(ended, [])
    assert store.session_told("acme", "S1") == ended
    assert [s.operator for s in store.running_told("E1")] == ["other"]


async def test_a_cdr_with_its_entry_and_its_job_or_nothing(store: SqliteStore) -> None:
    told = CdrTold("acme", "C1", "csms", "S1", b"{}", "DE*ABC/C1")
    out = Outbound("emsp", Kind.CDR, "DE*ABC/C1", "DE*ABC/C1", b"{}", {"cdr": "DE*ABC/C1"})
    assert await store.save_cdr_told(told, ENTRY, [out])
    assert not await store.save_cdr_told(evolve(told, id="c1", body=b"other"), ENTRY, [out])
    with pytest.raises(sqlite3.IntegrityError):
        await store.save_cdr_told(evolve(told, id="C2"), ENTRY, [evolve(out, key="other")])
    assert store.cdr_told("acme", "C2") is None
    assert store.cdr_told("acme", "c1") == told
    assert store.cdrs_told("acme", "s1") == [told]
    assert len(await store.claim("emsp", 9)) == 1


async def test_grants_by_reference_and_by_card(store: SqliteStore) -> None:
    rows = [GrantRow(str(n), "csms", "card", None, b"{}", NOON + timedelta(minutes=n), n != 1) for n in (1, 2, 30)]
    for row in rows:
        await store.grant(row)
    assert store.granted("1") == rows[0]
    assert store.grants("csms", "card", NOON, NOON + timedelta(minutes=15)) == [rows[1], rows[0]]
    assert store.grants("other", "card", NOON, NOON + timedelta(days=1)) == []
    await store.grant_answered("1")
    await store.revoke_grant("2")
    assert [r.answered for r in store.grants("csms", "card", NOON, NOON + timedelta(days=1))] == [True, True]


async def test_reservations_keep_their_number(store: SqliteStore) -> None:
    first = await store.pass_reservation(PassedReservation("emsp", "1", "csms", NOON))
    other = await store.pass_reservation(PassedReservation("other", "1", "csms", NOON))
    again = await store.pass_reservation(PassedReservation("emsp", "1", "elsewhere", NOON))
    assert first.number == again.number != other.number
    assert store.passed_reservation("emsp", "1") == again
    assert store.passed_reservation("emsp", "2") is None


async def test_tokens_in_the_order_of_their_change(store: SqliteStore) -> None:
    def row(uid: str) -> TokenRow:
        return TokenRow(uid, "RFID", "emsp", None, True, None, None, b"{}")

    await store.save_tokens("emsp", [row(u) for u in ("C", "A", "B")])
    await store.save_tokens("other", [row("X")])
    found, after = [], ("", "", "")
    while part := store.tokens_after("emsp", after, 2):
        found += [one.uid for _, one in part]
        after = part[-1][0]
    assert found == ["A", "B", "C"]


async def test_what_is_new_is_kept_for_gets_and_what_is_known_is_sent(store: SqliteStore) -> None:
    def out(key: str, body: bytes = b"1") -> Outbound:
        return Outbound("csms", Kind.TOKEN, "emsp", key, body)

    await store.serve([out("A")], ("mark", "1"), quiet=True)
    assert await store.claim("csms", 9) == []
    await store.serve([out("A"), out("B"), out("A", b"2")], ("mark", "2"), quiet=True)
    assert [(j.key, j.body) for j in await store.claim("csms", 9)] == [("A", b"2")]
    assert store.page("csms", Kind.TOKEN, 0, 9, None, None).bodies == [b"2", b"1"]
    await store.serve([out("C")], ("mark", "3"), quiet=False)
    assert [j.key for j in await store.claim("csms", 9)] == ["C"]
    assert store.mark("mark") == "3"
