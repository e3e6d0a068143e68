"""Reading JSON as partners really send it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.codec.lenient import Unreadable, reader, walk
from bridge.ocpi.wire import v221
from bridge.oicp import wire as oicp

CONNECTOR = {
    "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 32,
    "last_updated": "2026-01-01T00:00:00Z",
}  # fmt: skip


def read(change: dict[str, object]) -> tuple[v221.Connector, list[tuple[str, object]], list[tuple[str, object, str]]]:
    found = reader(v221.Connector)(json.dumps({**CONNECTOR, **change}).encode())
    return found.value, found.unknown, found.repairs


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        ({"max_voltage": "230"}, "max_voltage", 230),
        ({"max_voltage": 230.0}, "max_voltage", 230),
        ({"format": "socket"}, "format", v221.ConnectorFormat.SOCKET),
        ({"power_type": "ac-3-phase"}, "power_type", v221.PowerType.AC_3_PHASE),
        ({"last_updated": "2026-01-01 00:00:00"}, "last_updated", datetime(2026, 1, 1, tzinfo=UTC)),
        ({"tariff_ids": "one"}, "tariff_ids", ("one",)),
        ({"tariff_ids": None}, "tariff_ids", None),
        ({"tariff_ids": []}, "tariff_ids", None),
        ({"terms_and_conditions": ""}, "terms_and_conditions", None),
        ({"id": 7}, "id", "7"),
    ],
)
def test_irregular_values_are_read_as_what_they_mean(change: dict[str, object], name: str, expected: object) -> None:
    found = walk(v221.Connector, {**CONNECTOR, **change})
    assert getattr(found.value, name) == expected
    assert not found.unknown
    assert not found.repairs


def test_names_are_matched_without_case_and_unknown_fields_are_kept() -> None:
    value, unknown, _ = read({"Max_Electric_Power": 22000, "colour": "green"})
    assert value.max_electric_power == 22000
    assert unknown == [("colour", "green")]


def test_an_optional_value_that_makes_no_sense_is_left_out_and_told() -> None:
    value, _, repairs = read({"max_electric_power": "much"})
    assert value.max_electric_power is None
    assert repairs == [("max_electric_power", "much", "'much' is no number")]


@pytest.mark.parametrize(
    ("change", "path", "because"),
    [
        ({"standard": "SPOON"}, "standard", "'SPOON' is no ConnectorType"),
        ({"max_voltage": None}, "max_voltage", "max_voltage is missing"),
        ({"max_voltage": "1e999999999"}, "max_voltage", "'1e999999999' is no number within reason"),
        ({"last_updated": "yesterday"}, "last_updated", "'yesterday' is no date and time"),
    ],
)
def test_a_mandatory_value_that_makes_no_sense_makes_the_record_unreadable(change: dict[str, object], path: str, because: str) -> None:
    with pytest.raises(Unreadable) as why:
        read(change)
    assert (why.value.path, why.value.because) == (path, because)


def test_what_is_no_json_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="no JSON"):
        reader(v221.Connector)(b"{")


def test_numbers_are_exact_both_ways_of_reading() -> None:
    exact = reader(oicp.ChargingFacility)(b'{"PowerType": "DC", "Power": 49.99}').value
    lenient = reader(oicp.ChargingFacility)(b'{"powertype": "DC", "power": 49.99}').value
    assert exact.Power == lenient.Power == Decimal("49.99")


def test_a_struct_of_one_field_may_come_as_its_value() -> None:
    found = reader(oicp.GeoCoordinates)(b'{"Google": "52.5 13.4"}').value
    assert found.Google is not None
    assert found.Google.Coordinates == "52.5 13.4"
