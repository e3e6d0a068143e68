"""Rules of types: times, numbers, texts and URLs as they are written and read in each version."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.model.common import Business
from bridge.translate.files import encode
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_rules import NUMBERS, TIME, calling
from tests.protocol.ocpi_world import canonical

ODD = datetime(2026, 11, 1, 10, 30, 15, 250_000, tzinfo=UTC)
"""A time with a fraction."""


def written(number: str, kind: str, obj: Any) -> dict[str, Any]:
    entry = registry.find(f"ocpi-{number}", kind)
    made: dict[str, Any] = json.loads(encode(entry.mapping.bind(Settings(), entry.format).to_wire(obj)[0]))
    return made


@pytest.mark.parametrize("number", NUMBERS)
def test_times_are_written_in_utc_with_z_and_before_2_2_in_whole_seconds(number: str) -> None:
    place = canonical("location", ow.location())
    place = evolve(place, place=evolve(place.place, last_updated=ODD))
    tariff = evolve(canonical("tariff", ow.tariff()), last_updated=ODD)
    for kind, obj in (("location", place), ("tariff", tariff)):
        told = written(number, kind, obj)["last_updated"]
        assert TIME.fullmatch(told)
        assert told == ("2026-11-01T10:30:15Z" if number == "2.1.1" else "2026-11-01T10:30:15.250Z")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(("told", "read"), [
    ("2026-11-01T10:30:15Z", "2026-11-01T10:30:15+00:00"), ("2026-11-01T10:30:15", "2026-11-01T10:30:15+00:00"),
    ("2026-11-01T10:30:15.25Z", "2026-11-01T10:30:15.250000+00:00"), ("2026-11-01T10:30:15.2500001", "2026-11-01T10:30:15.250000+00:00"),
    ("2026-11-01T11:30:15+01:00", "2026-11-01T10:30:15+00:00"), ("2026-11-01T10:30:15+00:00", "2026-11-01T10:30:15+00:00")])  # fmt: skip
async def test_times_are_read_with_and_without_z(number: str, told: str, read: str) -> None:
    async with calling(number) as (world, peer):
        assert (await peer("PUT", peer.token_url, peer.card(last_updated=told))).both == (201, 1000)
        (held,) = world.core.held.values()
        assert held.last_updated is not None
        assert held.last_updated.astimezone(UTC).isoformat() == read


@pytest.mark.parametrize("number", NUMBERS)
async def test_what_is_no_time_is_none(number: str) -> None:
    async with calling(number) as (_, peer):
        for wrong in ("2026-13-01T10:00:00Z", "01.11.2026", "2026-11-01", 1793527815, True):
            assert (await peer("PUT", peer.token_url, peer.card(last_updated=wrong))).both == (200, 2001)


@pytest.mark.parametrize("number", NUMBERS)
def test_urls_have_at_most_255_characters(number: str) -> None:
    place = canonical("location", ow.location())
    for length, stays in ((255, True), (256, False)):
        url = "https://a.example/".ljust(length, "x")
        made = written(number, "location", evolve(place, place=evolve(place.place, operator=Business("Operator", url))))
        assert made["operator"].get("website") == (url if stays else None)


@pytest.mark.parametrize("number", NUMBERS)
def test_texts_keep_their_letters_and_numbers_their_digits(number: str) -> None:
    place = written(number, "location", canonical("location", ow.location(name="Bahnhofstraße, Zürich ⚡")))
    assert place["name"] == "Bahnhofstraße, Zürich ⚡"
    component = {"type": "ENERGY", "price": 0.1234, "step_size": 1}
    tariff = written(number, "tariff", canonical("tariff", ow.tariff(elements=[{"price_components": [component]}])))
    assert tariff["elements"][0]["price_components"][0]["price"] == 0.1234
