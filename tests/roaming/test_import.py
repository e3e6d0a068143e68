"""The operator's own data: imported again and again, and bound to chargers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
from attrs import evolve
from click.testing import CliRunner

from bridge.cli import cli
from bridge.model.location import Status
from bridge.ocpi.credentials import PartnerCredentials, PartnerRole
from bridge.roaming.ports import Kind
from bridge.store.sqlite import SqliteStore
from tests.roaming.roaming_world import FIRST, Told, World, location, tariff

BOUND = {"DE*ABC*E1": ("CP1", 1), "DE*ABC*E2": ("CP1", 2), "DE*ABC*E3": ("CP2", 1)}


async def test_the_same_data_again_changes_nothing(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    await w.import_all()
    jobs = await w.store.claim("p", 99)
    again = await w.core.publisher.import_locations("acme", [location()], groups={}, bound=BOUND)
    tariffs = await w.core.publisher.import_tariffs("acme", [tariff()])
    assert (again.new, again.changed, again.unchanged, again.removed) == (0, 0, 1, 0)
    assert tariffs.unchanged == 1
    assert w.store.db.read.execute("SELECT COUNT(*) FROM outbox").fetchone()[0] == len(jobs)


async def test_the_last_location_is_not_removed_without_a_word(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    await w.import_all()
    held = await w.core.publisher.import_locations("acme", [], groups={}, bound=BOUND)
    assert held.held is not None
    assert len(w.store.evses_at("CP1")) == 2
    done = await w.core.publisher.import_locations("acme", [], groups={}, bound=BOUND, confirmed=True)
    assert done.removed == 1
    assert w.store.evses_at("CP1") == []


async def test_a_changed_location_keeps_the_live_status(tmp_path: Path) -> None:
    p = Told("p")
    w = World(tmp_path, [p])
    await w.import_all()
    await w.sessions.status(FIRST, Status.CHARGING, w.clock())
    changed = location("Europe/Vienna")
    await w.core.publisher.import_locations("acme", [changed], groups={}, bound=BOUND)
    told = [obj for kind, obj in p.encoded if kind is Kind.LOCATION][-1]
    assert [e.status for e in told.evses][:2] == [Status.CHARGING, None]


async def test_an_evse_may_move_to_another_charger(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    await w.import_all()
    moved = {**BOUND, "DE*ABC*E3": ("CP7", 4)}
    again = evolve(location(), place=evolve(location().place, help_phone="+49 1"))
    await w.core.publisher.import_locations("acme", [again], groups={}, bound=moved)
    assert [e.written for e in w.store.evses_at("CP7", 4)] == ["DE*ABC*E3"]
    assert w.store.evses_at("CP2") == []


async def test_a_new_binding_counts_without_a_change_of_the_data(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    await w.import_all()
    await w.core.publisher.import_locations("acme", [location()], groups={}, bound={**BOUND, "DE*ABC*E3": ("CP7", 4)})
    assert [e.written for e in w.store.evses_at("CP7", 4)] == ["DE*ABC*E3"]


async def test_an_evse_that_is_gone_from_a_location_is_removed(tmp_path: Path) -> None:
    w = World(tmp_path, [Told("p")])
    await w.import_all()
    fewer = evolve(location(), evses=location().evses[:2])
    await w.core.publisher.import_locations("acme", [fewer], groups={}, bound=BOUND, confirmed=True)  # one of three is more than 5 %
    assert w.store.evses_at("CP2") == []


CONFIG = """
store = "bridge.sqlite"
[operators.acme]
party = "DE*ABC"
name = "Acme"
time_zone = "Europe/Berlin"
[partners.old]
protocol = "ocpi"
url = "http://127.0.0.1:9/ocpi/versions"
agreements = [{ operator = "acme", tariffs = { "*" = "T1" } }]
"""


async def test_the_command_writes_for_a_partner_in_the_version_that_was_agreed_upon(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(CONFIG)
    (tmp_path / "tariffs.json").write_bytes(orjson.dumps([{
        "country_code": "DE", "party_id": "ABC", "id": "T1", "currency": "EUR", "last_updated": "2026-01-01T00:00:00Z",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.4, "step_size": 1}]}]}]))  # fmt: skip
    store = SqliteStore(tmp_path / "bridge.sqlite")
    store.open()
    agreed = PartnerCredentials(theirs="t", ours="o", confirmed=True, version="2.1.1", roles=(PartnerRole("EMSP", "DE", "EMS"),))
    await store.set_credential("old", agreed.to_json())
    arguments = ["tariffs", "import", str(tmp_path / "tariffs.json"), "--from", "ocpi-2.2.1", "--config", str(tmp_path / "bridge.toml")]
    told = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
    assert told.exit_code == 0, told.output
    (shown,) = store.published("old", Kind.TARIFF, "T1")
    assert "country_code" not in orjson.loads(shown.body)  # as 2.1.1 has it
    store.close()
