"""Two of our operators towards one partner: ids are unique with their party only."""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlite_utils

from bridge.ocpi.credentials import PartnerCredentials, PartnerRole
from bridge.roaming.ports import Kind, Op
from bridge.store import schema
from bridge.store.sqlite import SqliteStore
from tests.protocol import ocpi_world as ow
from tests.protocol.csms import Fed, fed

PARTIES = {"acme": "ABC", "other": "XYZ"}


def two(said: dict[str, Any]) -> None:
    said["operators"]["other"] = {"party": "DE*XYZ", "name": "Other", "time_zone": "Europe/Berlin"}
    agreements = [{"operator": name, "tariffs": {"*": "T1"}} for name in PARTIES]
    said["partners"]["emsp"] = {"protocol": "ocpi-2.2.1", "url": "http://127.0.0.1:9/versions", "agreements": agreements}


def place(operator: str, **more: Any) -> dict[str, Any]:
    party = PARTIES[operator]
    evses = [ow.evse("E1", evse_id=f"DE*{party}*E1")]
    return ow.location(party_id=party, name=operator, evses=evses, **more)


async def told(call: Fed, operator: str, **more: Any) -> None:
    publisher = call.bridge.core.publisher
    await publisher.import_tariffs(operator, [ow.canonical("tariff", ow.tariff(party_id=PARTIES[operator]))])
    await publisher.import_locations(operator, [ow.canonical("location", place(operator, **more))], groups={}, bound={})


def shown(call: Fed, kind: Kind) -> list[str]:
    page = call.bridge.store.page("emsp", kind, 0, 10, None, None)
    return sorted(json.loads(body)["party_id"] for body in page.bodies)


async def test_the_same_id_of_two_operators_is_two_objects(tmp_path: Path) -> None:
    async with fed(tmp_path, change=two) as call:
        for operator in (*PARTIES, "acme"):
            await told(call, operator, last_updated="2026-11-01T11:00:00Z" if operator == "acme" else "2026-11-01T10:00:00Z")
        assert shown(call, Kind.LOCATION) == shown(call, Kind.TARIFF) == ["ABC", "XYZ"]
        rows = call.bridge.store.db.read.execute("SELECT op, key FROM outbox WHERE partner = 'emsp' AND kind <> 'status' ORDER BY id")
        assert {r["op"] for r in rows} == {Op.INSERT}
        await call.bridge.core.publisher.import_locations("acme", [], groups={}, bound={}, confirmed=True)
        found = [json.loads(body) for body in call.bridge.store.page("emsp", Kind.LOCATION, 0, 10, None, None).bodies]
        assert {one["name"]: one["evses"][0]["status"] for one in found} == {"acme": "REMOVED", "other": "AVAILABLE"}


async def test_a_location_is_found_whichever_party_it_is_of(tmp_path: Path) -> None:
    async with fed(tmp_path, change=two) as call:
        role = PartnerRole("EMSP", "DE", "EM1")
        credentials = PartnerCredentials(theirs="t", ours="emsp", confirmed=True, version="2.2.1", roles=(role,), versions_url="http://x")
        await call.bridge.store.set_credential("emsp", credentials.to_json())
        partner: Any = call.bridge.partners["emsp"]
        await partner.recall()
        await told(call, "other")
        header = {"Authorization": "Token " + base64.b64encode(b"emsp").decode()}
        for path, status in (("LOC1", 200), ("loc1/e1", 200), ("LOC1/E1/1", 200), ("NONE", 404)):
            url = f"{call.below}/sender/locations/{path}"
            async with aiohttp.ClientSession() as http, http.get(url, headers=header) as answer:
                assert answer.status == status


@pytest.mark.parametrize("operator", PARTIES)
async def test_a_status_goes_to_the_party_of_its_evse(tmp_path: Path, operator: str) -> None:
    async with fed(tmp_path, change=two) as call:
        for one in PARTIES:
            await told(call, one)
        partner: Any = call.bridge.partners["emsp"]
        status = ow.canonical("status", {"uid": "E1", "evse_id": f"DE*{PARTIES[operator]}*E1", "location_id": "LOC1", "status": "CHARGING",
                                         "last_updated": "2026-11-01T12:00:00Z"})  # fmt: skip
        (made,) = partner.encode(Kind.STATUS, status)
        assert made.key == f"DE*{PARTIES[operator]}/E1"
        assert made.meta["party_id"] == PARTIES[operator]


async def test_what_was_published_before_is_the_same_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "bridge.sqlite"
    old = sqlite3.connect(path)
    steps = sqlite_utils.Migrations("bridge")
    for name, script in schema.MIGRATIONS[: [name for name, _ in schema.MIGRATIONS].index("012_parties")]:
        steps(name=name, transactional=False)(schema._running(script))
    steps.apply(sqlite_utils.Database(old))
    ours = '{"id": "LOC1", "country_code": "DE", "party_id": "Abc"}'
    for values in (("location", "LOC1", ours), ("location", "DE*ABC*E1", "{}"), ("session", "S1", ours)):
        old.execute("INSERT INTO published (partner, source, hash, body, changed, kind, key, meta)"
                    " VALUES ('p', 'LOC1', '', x'00', '', ?, ?, ?)", values)  # fmt: skip
        old.execute("INSERT INTO outbox (partner, source, op, body, due, created, kind, key, meta)"
                    " VALUES ('p', 'LOC1', 'insert', x'00', 0, 0, ?, ?, ?)", values)  # fmt: skip
    old.execute("INSERT INTO thing (kind, operator, key, body, hash, changed, origin) VALUES ('location', 'acme', 'LOC1', '', '', 0, '')")
    old.commit()
    old.close()
    store = SqliteStore(path)
    store.open()
    for query in ("SELECT key FROM published ORDER BY rowid", "SELECT key FROM outbox ORDER BY rowid"):
        assert [r["key"] for r in store.db.read.execute(query)] == ["DE*ABC/LOC1", "DE*ABC*E1", "S1"]
    assert {one.meta["operator"] for one in store.published("p", Kind.LOCATION, "LOC1")} == {"acme"}
    store.close()
