"""Rules of mod_locations, in every version, as the operator who owns them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.codec.lenient import walk
from bridge.errors import Refused
from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.model.location import Status
from bridge.ocpi.adapter import OurRole
from bridge.roaming.ports import Kind
from bridge.translate.files import encode
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import LATER, NUMBERS, Peer, bridged
from tests.protocol.ocpi_world import canonical, jobs
from tests.roaming.roaming_world import World

LATITUDE = {"2.1.1": r"-?\d{1,2}\.\d{6}"}
LONGITUDE = {"2.1.1": r"-?\d{1,3}\.\d{6}"}


def written(number: str, data: dict[str, Any], version: str = "2.2.1", **constants: Any) -> dict[str, Any]:
    """A location of one version as it is written in another."""
    entry = registry.find(f"ocpi-{version}", "location")
    canon = entry.mapping.bind(Settings(), entry.format).to_canon(walk(entry.mapping.wire, data).value)[0]
    target = registry.find(f"ocpi-{number}", "location")
    made: dict[str, Any] = json.loads(encode(target.mapping.bind(Settings(constants=constants), target.format).to_wire(canon)[0]))
    return made


@pytest.fixture(params=NUMBERS)
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[World, Peer]]:
    async with bridged(tmp_path, request.param) as made:
        await load(made[0], ow.location())
        yield made


async def load(world: World, *places: dict[str, Any]) -> None:
    await world.core.publisher.import_locations("acme", [canonical("location", p) for p in places], groups={}, bound={}, confirmed=True)


# --- times of change


async def test_a_status_dates_its_evse_and_the_location(served: tuple[World, Peer]) -> None:
    world, peer = served
    row = world.store.evse("DE*ABC*ELOC11")
    assert row is not None
    await world.core.publisher.status(row, Status.CHARGING, datetime(2026, 11, 3, 9, 30, tzinfo=UTC))
    (place,) = (await peer("GET", peer.at("locations"))).data
    assert [(e["status"], e["last_updated"]) for e in place["evses"]] == [
        ("CHARGING", "2026-11-03T09:30:00Z"), ("AVAILABLE", "2026-11-01T10:00:00Z")]  # fmt: skip
    assert place["last_updated"] == "2026-11-03T09:30:00Z"
    assert (await peer("GET", peer.at("locations", "LOC1", "ELOC11"))).data == place["evses"][0]


async def test_parents_are_as_new_as_their_parts(served: tuple[World, Peer]) -> None:
    """Also where the operator's data say otherwise."""
    world, peer = served
    newer = ow.CONNECTOR | {"last_updated": "2026-11-05T00:00:00Z"}
    await load(world, ow.location(evses=[ow.evse("ELOC11", connectors=[newer]), ow.evse("ELOC12")]))
    (place,) = (await peer("GET", peer.at("locations"))).data
    assert [e["last_updated"] for e in place["evses"]] == ["2026-11-05T00:00:00Z", "2026-11-01T10:00:00Z"]
    assert place["last_updated"] >= "2026-11-05T00:00:00Z"


# --- removal


async def test_an_evse_that_is_gone_is_removed_and_never_missing(served: tuple[World, Peer]) -> None:
    world, peer = served
    await load(world, ow.location(evses=[ow.evse("ELOC12")]))
    (place,) = (await peer("GET", peer.at("locations"))).data
    assert {e["uid"]: e["status"] for e in place["evses"]} == {"ELOC11": "REMOVED", "ELOC12": "AVAILABLE"}
    await load(world)
    (place,) = (await peer("GET", peer.at("locations"))).data
    assert {e["status"] for e in place["evses"]} == {"REMOVED"}
    assert (await peer("DELETE", peer.at("locations", "LOC1"))).status == 405


@pytest.mark.parametrize("number", NUMBERS)
def test_an_evse_that_is_removed_may_be_without_its_evse_id(number: str) -> None:
    bare = ow.evse("E2", status="REMOVED")
    del bare["evse_id"]
    evses = written(number, ow.location(evses=[ow.evse("E1"), bare]))["evses"]
    assert [(e["uid"], e.get("evse_id"), e["status"]) for e in evses] == [("E1", "DE*ABC*E1", "AVAILABLE"), ("E2", None, "REMOVED")]


# --- who may see it


@pytest.mark.parametrize("number", LATER)
def test_who_may_see_a_place_that_is_not_published_is_told_with_it(number: str) -> None:
    allowed = [{"uid": "04A1", "type": "RFID"}, {"visual_number": "V1", "issuer": "House"}, {"group_id": "G1"}]
    made = written(number, ow.location(publish=False, publish_allowed_to=allowed))
    assert (made["publish"], made["publish_allowed_to"]) == (False, allowed)


def test_2_1_1_is_not_shown_a_place_that_is_not_published() -> None:
    with pytest.raises(Refused, match=r"must not be sent by OCPI 2\.1\.1"):
        written("2.1.1", ow.location(publish=False))


async def test_a_place_that_is_not_published_is_in_no_list_of_2_1_1(tmp_path: Path) -> None:
    for number in NUMBERS:
        folder = tmp_path / number
        folder.mkdir()
        async with bridged(folder, number) as (world, peer):
            await load(world, ow.location("SEEN"), ow.location("HIDDEN", publish=False))
            found = [one["id"] for one in (await peer("GET", peer.at("locations"))).data]
            assert found == (["SEEN"] if peer.older else ["SEEN", "HIDDEN"])


# --- identity


@pytest.mark.parametrize("number", NUMBERS)
async def test_the_url_of_a_put_and_a_patch_names_the_owner_that_the_object_has(number: str) -> None:
    roles = (OurRole("DE", "ABC"),) if number == "2.1.1" else (OurRole("DE", "ABC"), OurRole("DE", "XYZ"))
    async with ow.world(version=number) as world:
        partner = await world.connect(roles=roles)
        for role in roles:
            place = ow.location(f"L{role.party_id}", party_id=role.party_id)
            place["evses"] = [ow.evse(f"E{role.party_id}", evse_id=f"DE*{role.party_id}*E1")]
            one = canonical("location", place)
            (done,) = await partner.deliver(Kind.LOCATION, jobs(partner, Kind.LOCATION, one))
            assert type(done).__name__ == "Delivered", done
            sent = world.heard[-1]
            assert sent.path == f"{world.emsp.path}/locations/DE/{role.party_id}/L{role.party_id}"
            told = json.loads(sent.body)
            assert (told.get("country_code"), told.get("party_id")) == ((None, None) if world.emsp.older else ("DE", role.party_id))
            assert told["id"] == f"L{role.party_id}"
    assert len(world.emsp.locations) == len(roles)


async def test_each_connector_has_one_tariff_that_of_the_agreement(served: tuple[World, Peer]) -> None:
    world, peer = served
    await load(world, ow.location(evses=[ow.evse("ELOC11", connectors=[ow.CONNECTOR | {"tariff_ids": ["A", "B"]}])]))
    connector = (await peer("GET", peer.at("locations", "LOC1", "ELOC11", "1"))).data
    assert connector.get("tariff_id" if peer.older else "tariff_ids") == ("T1" if peer.older else ["T1"])


# --- values


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(("latitude", "longitude"), [
    ("52.5", "13.4"), ("-7.1", "-105.25"), ("52.5200081", "13.4049540"), ("52.52000812345", "-179.99999999"), ("0", "0")])  # fmt: skip
def test_degrees_have_the_decimals_of_the_version(number: str, latitude: str, longitude: str) -> None:
    told = written(number, ow.location(coordinates={"latitude": latitude, "longitude": longitude}))["coordinates"]
    assert re.fullmatch(LATITUDE.get(number, r"-?\d{1,2}\.\d{5,7}"), told["latitude"])
    assert re.fullmatch(LONGITUDE.get(number, r"-?\d{1,3}\.\d{5,7}"), told["longitude"])
    assert float(told["latitude"]) == pytest.approx(float(latitude), abs=1e-6)
    assert float(told["longitude"]) == pytest.approx(float(longitude), abs=1e-6)


DAILY = {"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}
FEAST = {"period_begin": "2026-12-25T07:00:00Z", "period_end": "2026-12-25T18:00:00Z"}


@pytest.mark.parametrize("number", NUMBERS)
def test_hours_that_are_not_around_the_clock_are_told(number: str) -> None:
    told = {"twentyfourseven": False, "regular_hours": [DAILY], "exceptional_closings": [FEAST]}
    assert written(number, ow.location(opening_times=told))["opening_times"] == told
    always = {"twentyfourseven": True, "exceptional_closings": [FEAST]}
    assert written(number, ow.location(opening_times=always))["opening_times"] == always
    assert "opening_times" not in written(number, ow.location(opening_times={"twentyfourseven": False}))


PARKING = [{"id": "P1", "vehicle_types": ["PERSONAL_VEHICLE", "DISABLED"], "restricted_to_type": True, "reservation_required": False,
            "max_vehicle_height": 2.5, "images": [{"url": "https://a.example/p.jpg", "category": "LOCATION", "type": "jpg"}]},
           {"id": "P2", "vehicle_types": ["MOTORCYCLE"], "restricted_to_type": False, "reservation_required": True}]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_parking_places_and_plug_and_charge_are_2_3_0s(number: str) -> None:
    place = ow.location(parking_places=PARKING, help_phone="+49301234")
    place["evses"][0] |= {"parking": [{"parking_id": "P1", "evse_position": "LEFT"}], "accepted_service_providers": ["A", "B"]}
    place["evses"][0]["connectors"] = [ow.CONNECTOR | {"capabilities": ["ISO_15118_2_PLUG_AND_CHARGE"]}]
    made = written(number, place, "2.3.0")
    told = (made.get("parking_places"), made.get("help_phone"), made["evses"][0].get("parking"),
            made["evses"][0].get("accepted_service_providers"), made["evses"][0]["connectors"][0].get("capabilities"))  # fmt: skip
    new = (PARKING, "+49301234", [{"parking_id": "P1", "evse_position": "LEFT"}], ["A", "B"], ["ISO_15118_2_PLUG_AND_CHARGE"])
    assert told == (new if number == "2.3.0" else (None,) * 5)
    if number == "2.3.0":
        plain = written(number, ow.location())
        assert "capabilities" not in plain["evses"][0]["connectors"][0]  # nothing is claimed that nobody said
