"""What an upstream operator tells us over OCPI: every method at every level, what is refused and how, what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.model.ids import PartyId
from bridge.model.location import Status
from tests.protocol import ocpi_world as ow
from tests.protocol.csms import CARD, Csms, Fed, Said, fed, older_cdr, older_session, written

US = PartyId("DE", "ABC")
LOCATIONS, TARIFFS, SESSIONS, CDRS = (f"/receiver/{one}" for one in ("locations", "tariffs", "sessions", "cdrs"))
LOC, EVSE, PLUG = f"{LOCATIONS}/DE/ABC/LOC1", f"{LOCATIONS}/DE/ABC/LOC1/ELOC11", f"{LOCATIONS}/DE/ABC/LOC1/ELOC11/1"
LATER = "2026-11-01T11:00:00Z"


@pytest.fixture
async def call(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path) as world:
        yield world


def ok(said: Said, status: int = 200) -> Any:
    assert (said.status, said.code) == (status, 1000), said
    return said.data


def refused(said: Said, path: str, status: int = 200, code: int = 2001) -> None:
    assert (said.status, said.code) == (status, code), said
    assert said.message.startswith(path), said
    assert said.data is None


# --- who may


async def test_version_details_name_what_a_provider_offers(call: Fed) -> None:
    found = ok(await call("GET", ""))["endpoints"]
    assert sorted((e["identifier"], e["role"]) for e in found) == [
        ("cdrs", "RECEIVER"), ("commands", "SENDER"), ("credentials", "SENDER"), ("locations", "RECEIVER"), ("sessions", "RECEIVER"),
        ("tariffs", "RECEIVER"), ("tokens", "SENDER")]  # fmt: skip


async def test_what_we_offer_as_an_operator_is_not_there(call: Fed) -> None:
    for path in ("/sender/locations", "/receiver/tokens/DE/ABC/1", "/sender/cdrs"):
        assert (await call("GET", path)).status == 404


@pytest.mark.parametrize("party", ["DE/XYZ", "FR/ABC", "DE/ABCD", "D/A"])
async def test_another_party_than_its_own_is_not_found(call: Fed, party: str) -> None:
    for method, body in (("GET", None), ("PUT", ow.location()), ("PATCH", {"last_updated": LATER})):
        said = await call(method, f"{LOCATIONS}/{party}/LOC1", body)
        assert (said.status, said.code) == (404, 2000)
    assert not call.bridge.store.all_things("location")


async def test_the_url_has_to_name_what_the_body_is(call: Fed) -> None:
    refused(await call("PUT", LOC, ow.location(country_code="FR")), "country_code")
    refused(await call("PUT", LOC, ow.location(party_id="XYZ")), "party_id")
    refused(await call("PUT", LOC, ow.location("LOC2")), "id")
    refused(await call("PUT", f"{TARIFFS}/DE/ABC/T2", ow.tariff()), "id")
    refused(await call("PUT", f"{SESSIONS}/DE/ABC/S2", ow.session(CARD)), "id")
    ok(await call("PUT", LOC, ow.location()), 201)
    refused(await call("PUT", EVSE, ow.evse("OTHER")), "uid")
    refused(await call("PUT", PLUG, ow.CONNECTOR | {"id": "2"}), "id")
    refused(await call("PATCH", LOC, {"id": "LOC2", "last_updated": LATER}), "id")
    refused(await call("PATCH", EVSE, {"uid": "OTHER", "last_updated": LATER}), "uid")
    refused(await call("PATCH", LOC, {"party_id": "XYZ", "last_updated": LATER}), "party_id")


# --- locations


async def test_a_location_is_new_once_and_shown_as_it_was_told(call: Fed) -> None:
    assert (await call("GET", LOC)).code == 2003
    ok(await call("PUT", LOC, ow.location()), 201)
    ok(await call("PUT", LOC, ow.location(name="Renamed", last_updated=LATER)))
    assert ok(await call("GET", LOC)) == ow.location(name="Renamed", last_updated=LATER)
    assert ok(await call("GET", f"{LOCATIONS}/de/abc/loc1"))["id"] == "LOC1"
    assert ok(await call("GET", EVSE)) == ow.evse("ELOC11")
    assert ok(await call("GET", PLUG)) == ow.CONNECTOR
    for missing in (f"{LOC}/NONE", f"{EVSE}/NONE", f"{LOCATIONS}/DE/ABC/NONE"):
        said = await call("GET", missing)
        assert (said.status, said.code) == (404, 2003)


@pytest.mark.parametrize(("change", "path"), [
    ({"coordinates": None}, "coordinates"), ({"address": None}, "address"), ({"publish": "perhaps"}, "publish"),
    ({"evses": [ow.evse("E1"), {"uid": "E2"}]}, "evses[1].status"), ({"last_updated": "yesterday"}, "last_updated"),
    ({"evses": [ow.evse("E1", connectors=[ow.CONNECTOR, ow.CONNECTOR | {"max_voltage": "high"}])]}, "evses[0].connectors[1].max_voltage"),
])  # fmt: skip
async def test_a_location_that_makes_no_sense_changes_nothing(call: Fed, change: dict[str, Any], path: str) -> None:
    ok(await call("PUT", LOC, ow.location()), 201)
    refused(await call("PUT", LOC, {k: v for k, v in (ow.location() | change).items() if v is not None}), path)
    assert ok(await call("GET", LOC)) == ow.location()


async def test_an_optional_value_that_makes_no_sense_is_left_out_of_a_location(call: Fed) -> None:
    ok(await call("PUT", LOC, ow.location(parking_type="ON_THE_MOON")), 201)
    assert ok(await call("GET", LOC)) == ow.location()


async def test_no_json_is_http_400(call: Fed) -> None:
    said = await call("PUT", LOC, b"{")
    assert (said.status, said.code) == (400, 2001)


async def test_a_patch_changes_what_it_names(call: Fed) -> None:
    ok(await call("PUT", LOC, ow.location(custom={"a": 1})), 201)
    ok(await call("PATCH", LOC, {"name": "Renamed", "facilities": ["HOTEL"], "last_updated": LATER, "city": None}))
    ok(await call("PATCH", LOC, {"custom": {"b": 2}, "last_updated": LATER}))
    assert ok(await call("GET", LOC)) == ow.location(name="Renamed", facilities=["HOTEL"], last_updated=LATER)
    held = call.up.location("csms", US, "LOC1")
    assert [(e.path, e.value) for e in held.place.extra] == [("custom", {"b": 2})]


async def test_a_patch_needs_its_time_and_something_to_change(call: Fed) -> None:
    said = await call("PATCH", LOC, {"name": "x", "last_updated": LATER})
    assert (said.status, said.code) == (404, 2003)
    ok(await call("PUT", LOC, ow.location()), 201)
    for path in (LOC, EVSE, PLUG):
        refused(await call("PATCH", path, {"name": "x"}), "last_updated")
        refused(await call("PATCH", path, ["x"]), "$")
    for missing in (f"{LOC}/NONE", f"{EVSE}/NONE"):
        said = await call("PATCH", missing, {"last_updated": LATER})
        assert (said.status, said.code) == (404, 2003)


@pytest.mark.parametrize(("path", "change"), [
    (LOC, {"facilities": ["ON_THE_MOON"]}), (LOC, {"coordinates": "here"}), (EVSE, {"status": "FINE"}), (EVSE, {"connectors": [{}]}),
    (PLUG, {"max_amperage": "much"}), (PLUG, {"standard": "WOODEN"}),
])  # fmt: skip
async def test_a_patch_that_makes_no_sense_changes_nothing(call: Fed, path: str, change: dict[str, Any]) -> None:
    ok(await call("PUT", LOC, ow.location()), 201)
    refused(await call("PATCH", path, change | {"last_updated": LATER}), next(iter(change)))
    assert ok(await call("GET", LOC)) == ow.location()


async def test_a_status_makes_the_location_as_new(call: Fed) -> None:
    ok(await call("PUT", LOC, ow.location()), 201)
    ok(await call("PATCH", EVSE, {"status": "CHARGING", "last_updated": LATER}))
    told = ok(await call("GET", LOC))
    assert (told["evses"][0]["status"], told["evses"][1]["status"]) == ("CHARGING", "AVAILABLE")
    assert (told["last_updated"], told["evses"][0]["last_updated"], told["evses"][1]["last_updated"]) == (
        LATER,
        LATER,
        "2026-11-01T10:00:00Z",
    )
    row = call.bridge.store.evse("DE*ABC*ELOC11")
    assert row is not None
    assert (row.status, row.origin) == (Status.CHARGING, "csms")


async def test_evses_and_connectors_come_and_change_one_by_one(call: Fed) -> None:
    ok(await call("PUT", LOC, ow.location()), 201)
    ok(await call("PUT", f"{LOC}/NEW", ow.evse("NEW", last_updated=LATER)), 201)
    ok(await call("PUT", f"{LOC}/NEW", ow.evse("NEW", status="BLOCKED", last_updated=LATER)))
    second = ow.CONNECTOR | {"id": "2", "standard": "CHADEMO", "power_type": "DC", "last_updated": LATER}
    ok(await call("PUT", f"{EVSE}/2", second), 201)
    ok(await call("PUT", f"{EVSE}/2", second | {"max_amperage": 63}))
    ok(await call("PATCH", PLUG, {"tariff_ids": ["T2"], "last_updated": LATER}))
    told = ok(await call("GET", LOC))
    assert [e["uid"] for e in told["evses"]] == ["ELOC11", "ELOC12", "NEW"]
    assert told["evses"][2]["status"] == "BLOCKED"
    first = ow.CONNECTOR | {"tariff_ids": ["T2"], "last_updated": LATER}
    assert told["evses"][0]["connectors"] == [first, second | {"max_amperage": 63}]
    assert told["evses"][0]["last_updated"] == told["last_updated"] == LATER
    said = await call("PUT", f"{LOC}/NONE/1", ow.CONNECTOR)
    assert (said.status, said.code) == (404, 2003)
    said = await call("PUT", f"{LOCATIONS}/DE/ABC/NONE/NEW", ow.evse("NEW"))
    assert (said.status, said.code) == (404, 2003)
    refused(await call("PUT", f"{LOC}/NEW", {"uid": "NEW"}), "status")
    refused(await call("PUT", f"{EVSE}/2", {"id": "2"}), "standard")


async def test_an_evse_that_is_known_from_elsewhere_stays_where_it_was(call: Fed) -> None:
    from bridge.roaming.agreements import OWN

    await call.bridge.core.publisher.import_locations("acme", [ow.canonical("location", ow.location("OWN"))], groups={}, bound={})
    refused(await call("PUT", f"{LOCATIONS}/DE/ABC/OWN", ow.location("OWN")), "id")
    assert [t.origin for t in call.bridge.store.all_things("location")] == [OWN]
    assert [h["partner"] for h in call.history("location refused")] == ["csms"]


# --- tariffs


async def test_tariffs_come_and_go(call: Fed) -> None:
    path = f"{TARIFFS}/DE/ABC/T1"
    assert (await call("GET", path)).status == 404
    ok(await call("PUT", path, ow.tariff()), 201)
    ok(await call("PUT", path, ow.tariff(last_updated=LATER)))
    assert ok(await call("GET", path)) == ow.tariff(last_updated=LATER)
    assert (await call("PATCH", path, {"last_updated": LATER})).status == 405
    ok(await call("DELETE", path))
    assert [(await call(method, path)).status for method in ("GET", "DELETE")] == [404, 404]


async def test_a_tariff_of_which_something_would_be_left_out_is_refused(call: Fed) -> None:
    element = ow.tariff()["elements"][0] | {"restrictions": {"max_kwh": "a lot"}}
    refused(await call("PUT", f"{TARIFFS}/DE/ABC/T1", ow.tariff(elements=[element])), "elements[0].restrictions.max_kwh")
    assert not call.bridge.store.all_things("tariff")


# --- sessions


def period(hour: int, kwh: float) -> dict[str, Any]:
    return {"start_date_time": f"2026-11-01T{hour}:00:00Z", "dimensions": [{"type": "ENERGY", "volume": kwh}]}


async def test_periods_are_appended_by_patch_and_replaced_by_put(call: Fed) -> None:
    path = f"{SESSIONS}/DE/ABC/S1"
    assert (await call("PATCH", path, {"kwh": 2, "last_updated": LATER})).status == 404
    ok(await call("PUT", path, ow.session(CARD, charging_periods=[period(12, 1)])), 201)
    change = {"kwh": 3, "charging_periods": [period(13, 2)], "last_updated": "2026-11-01T13:30:00Z"}
    ok(await call("PATCH", path, change))
    ok(await call("PATCH", path, change))
    ok(await call("PATCH", path, {"charging_periods": [], "last_updated": "2026-11-01T13:31:00Z"}))
    told = ok(await call("GET", path))
    both = [period(12, 1), period(13, 2)]
    assert told == ow.session(CARD, kwh=3, charging_periods=both, last_updated="2026-11-01T13:31:00Z")
    ok(await call("PUT", path, ow.session(CARD, charging_periods=[period(14, 5)])))
    assert ok(await call("GET", path))["charging_periods"] == [period(14, 5)]
    refused(await call("PATCH", path, {"charging_periods": [{"dimensions": []}], "last_updated": LATER}), "charging_periods")


async def test_a_session_that_is_over_does_not_go_on(call: Fed) -> None:
    path = f"{SESSIONS}/DE/ABC/S1"
    ok(await call("PUT", path, ow.session(CARD, status="COMPLETED", end_date_time="2026-11-01T13:00:00Z")), 201)
    refused(await call("PATCH", path, {"status": "ACTIVE", "last_updated": LATER}), "status")
    assert ok(await call("GET", path))["status"] == "COMPLETED"


async def test_under_our_party_a_token_says_nothing_about_its_owner(call: Fed) -> None:
    ok(await call("PUT", f"{SESSIONS}/DE/ABC/S1", ow.session(CARD | {"contract_id": CARD["uid"]})), 201)
    held = call.up.session("csms", US, "S1")
    assert (held.token.party, held.token.contract_id, held.token.uid) == (None, None, CARD["uid"])
    ok(await call("PUT", f"{SESSIONS}/DE/ABC/S2", ow.session(CARD | {"party_id": "EM1"}, id="S2")), 201)
    held = call.up.session("csms", US, "S2")
    assert (str(held.token.party), str(held.token.contract_id)) == ("DE*EM1", CARD["contract_id"])
    assert ok(await call("GET", f"{SESSIONS}/DE/ABC/S2"))["cdr_token"] == CARD | {"party_id": "EM1"}


# --- CDRs


async def test_a_cdr_is_taken_once_and_found_where_it_was_said(call: Fed) -> None:
    first = await call("POST", CDRS, ow.cdr(CARD))
    ok(first, 201)
    again = await call("POST", CDRS, ow.cdr(CARD, last_updated="2026-11-01T14:00:00Z"))
    ok(again)
    assert first.headers["Location"] == again.headers["Location"]
    assert ok(await call("GET", first.headers["Location"])) == ow.cdr(CARD)
    refused(await call("POST", CDRS, ow.cdr(CARD, total_energy=11)), "id")
    assert len(call.bridge.store.cdrs()) == 1
    assert (await call("GET", f"{CDRS}/DE/ABC/C2")).status == 404
    assert (await call("PUT", f"{CDRS}/DE/ABC/C1", ow.cdr(CARD))).status == 405


async def test_a_cdr_of_another_party_is_refused(call: Fed) -> None:
    refused(await call("POST", CDRS, ow.cdr(CARD, party_id="XYZ")), "country_code, party_id")


async def test_a_cdr_of_which_something_would_be_left_out_is_refused(call: Fed) -> None:
    refused(await call("POST", CDRS, ow.cdr(CARD, total_fixed_cost={"excl_vat": "free"})), "total_fixed_cost")
    extra = [*ow.cdr(CARD)["charging_periods"], {"start_date_time": "2026-11-01T12:30:00Z", "dimensions": [{"type": "JOY", "volume": 1}]}]
    refused(await call("POST", CDRS, ow.cdr(CARD, charging_periods=extra)), "charging_periods[1]")
    assert not call.bridge.store.cdrs()


# --- the other versions


@pytest.mark.parametrize("number", ["2.1.1", "2.3.0"])
async def test_the_same_in_the_words_of_other_versions(tmp_path: Path, number: str) -> None:
    below = "" if number == "2.1.1" else "/receiver"
    async with fed(tmp_path, Csms(number)) as call:
        place, price = written("location", ow.location(), number), written("tariff", ow.tariff(), number)
        if number == "2.1.1":
            running, bill = older_session(), older_cdr()
        else:
            running, bill = written("session", ow.session(CARD), number), written("cdr", ow.cdr(CARD), number)
        for module, told in (("locations", place), ("tariffs", price), ("sessions", running)):
            path = f"{below}/{module}/DE/ABC/{told['id']}"
            ok(await call("PUT", path, told), 201)
            assert ok(await call("GET", path)) == told
        assert str(call.up.location("csms", US, "LOC1").place.operator_id) == "DE*ABC"
        said = await call("POST", f"{below}/cdrs", bill)
        ok(said, 201)
        assert ok(await call("GET", said.headers["Location"])) == bill
        change = {"status": "CHARGING"} | ({} if number == "2.1.1" else {"last_updated": LATER})
        ok(await call("PATCH", f"{below}/locations/DE/ABC/LOC1/ELOC11", change))
        now = ok(await call("GET", f"{below}/locations/DE/ABC/LOC1"))
        assert now["evses"][0]["status"] == "CHARGING"
        assert now["last_updated"] == now["evses"][0]["last_updated"] > place["last_updated"]
        assert (await call("PATCH", f"{below}/tariffs/DE/ABC/T1", {"currency": "EUR"})).status == (200 if number == "2.1.1" else 405)
