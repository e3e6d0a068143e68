"""Records of decisions: any number in one go, each as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from bridge.roaming.storage import DecisionRow
from bridge.store import decisions
from bridge.store.sqlite import SqliteStore

ONE = DecisionRow("0", datetime(2026, 3, 1, 12, tzinfo=UTC), "CP1", None, "04A2****", "f" * 16, None, "Accepted", "real-time: yes", "emsp",
                  [{"partner": "emsp", "milliseconds": 1.5}], 2.5)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "bridge.sqlite")
    made.open()
    yield made
    made.close()


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1_203])
async def test_all_are_kept(store: SqliteStore, count: int) -> None:
    rows = [evolve(ONE, id=str(n), milliseconds=n / 2) for n in range(count)]
    await store.db.write(lambda db: decisions.save(db, rows))
    found = store.db.read.execute("SELECT id, milliseconds, routes, contract, session FROM decision").fetchall()
    assert {r["id"]: r["milliseconds"] for r in found} == {r.id: r.milliseconds for r in rows}
    assert {r["routes"] for r in found} <= {'[{"partner":"emsp","milliseconds":1.5}]'}
    assert all(r["contract"] is None and r["session"] is None for r in found)
