"""A finished CDR of OCPI, to the other protocols and back: what each can carry comes back, what it cannot is listed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.acceptance.translator_facts import judge, needs_facts, translate

SESSION = "f98efba4-02d8-4fa0-b810-9a9d50d2c527"
PARTY = {"country_code": "DE", "party_id": "ABC"}
CDR: dict[str, Any] = {
    **PARTY, "id": "CDR1000000000000001", "start_date_time": "2026-03-01T18:00:00Z", "end_date_time": "2026-03-01T19:30:00Z",
    "session_id": SESSION, "authorization_reference": SESSION, "auth_method": "AUTH_REQUEST",
    "cdr_token": {"country_code": "DE", "party_id": "EMS", "uid": "0412AB9CDE3F80", "type": "RFID", "contract_id": "DE-EMS-C00000001-X"},
    "cdr_location": {
        "id": "LOC7", "name": "Rathaus", "address": "Rathausplatz 1", "city": "Ulm", "postal_code": "89073", "country": "DEU",
        "coordinates": {"latitude": "48.397400", "longitude": "9.993400"}, "evse_uid": "E1", "evse_id": "DE*ABC*E1*1",
        "connector_id": "1", "connector_standard": "IEC_62196_T2", "connector_format": "SOCKET", "connector_power_type": "AC_3_PHASE",
    },
    "meter_id": "METER-1", "currency": "EUR",
    "tariffs": [{
        **PARTY, "id": "T1", "currency": "EUR", "last_updated": "2026-02-01T00:00:00Z",
        "elements": [{"price_components": [
            {"type": "ENERGY", "price": 0.49, "vat": 19.0, "step_size": 1},
            {"type": "PARKING_TIME", "price": 3.0, "vat": 19.0, "step_size": 1},
        ]}],
    }],
    "charging_periods": [
        {"start_date_time": "2026-03-01T18:00:00Z", "tariff_id": "T1",
         "dimensions": [{"type": "ENERGY", "volume": 14.0}, {"type": "TIME", "volume": 1.0}]},
        {"start_date_time": "2026-03-01T19:00:00Z", "tariff_id": "T1", "dimensions": [{"type": "PARKING_TIME", "volume": 0.5}]},
    ],
    "total_cost": {"excl_vat": 8.36, "incl_vat": 9.95}, "total_energy": 14.0, "total_energy_cost": {"excl_vat": 6.86, "incl_vat": 8.16},
    "total_time": 1.5, "total_parking_time": 0.5, "total_parking_cost": {"excl_vat": 1.5, "incl_vat": 1.79},
    "remark": "thank you", "last_updated": "2026-03-01T19:31:00Z",
}  # fmt: skip

PLACE = {f"cdr_location.{name}" for name in ("id", "name", "coordinates", "evse_uid", "connector_id", "connector_power_type")}
LOST = {
    "ochp-1.4": PLACE | {
        "id", "country_code", "session_id", "authorization_reference", "auth_method", "total_time", "total_cost.incl_vat",
        "total_energy_cost", "total_parking_cost", "tariffs", "charging_periods", "remark", "last_updated",
    },
    "oicp-2.3": PLACE | {
        "cdr_location.address", "cdr_location.connector_standard", "cdr_location.connector_format", "cdr_token.country_code", "id",
        "country_code", "session_id", "authorization_reference", "auth_method", "meter_id", "currency", "tariffs", "charging_periods",
        "total_cost", "total_energy_cost", "total_time", "total_parking_time", "total_parking_cost", "remark", "last_updated",
    },
}  # fmt: skip
"""What each protocol cannot carry, or not in the same form."""

TOGETHER = {
    "cdr_location.address": {"cdr_location.city", "cdr_location.postal_code", "cdr_location.country"},
    "country_code": {"party_id"}, "cdr_token.country_code": {"cdr_token.party_id"},
}  # fmt: skip
"""Fields of one value of the model, which a loss names by the first."""


def leaves(value: dict[str, Any]) -> dict[str, Any]:
    """A CDR's fields, those of the token, the place and the total of their own."""
    found = dict(value)
    for name in ("cdr_token", "cdr_location", "total_cost"):
        found |= {f"{name}.{key}": one for key, one in found.pop(name).items()}
    return found


@pytest.mark.spec
@pytest.mark.parametrize("target", sorted(LOST))
def test_a_finished_cdr_goes_there_and_back(target: str, tmp_path: Path) -> None:
    needs_facts()
    assert judge().ocpi("2.2.1", "CDR", CDR, "$") == []
    there = translate("cdr", "ocpi-2.2.1", target, json.dumps(CDR).encode(), tmp_path)
    assert there.code == 0
    if target == "oicp-2.3":
        assert judge().oicp("eRoamingChargeDetailRecord", there.records[0], "$") == []
    else:
        assert judge().ochp("1.4", etree.fromstring(there.out)) == []
    assert {loss["path"] for loss in there.losses if loss["kind"] != "defaulted"} == LOST[target]

    back = translate("cdr", target, "ocpi-2.2.1", there.out, tmp_path)
    assert back.code == 0
    assert judge().ocpi("2.2.1", "CDR", back.records[0], "$") == []
    before, after = leaves(CDR), leaves(back.records[0])
    told = LOST[target] | {loss["path"] for loss in back.losses}
    told |= {name for path in told for name in TOGETHER.get(path, ())}
    silent = {
        path: (before.get(path), after.get(path))
        for path in {*before, *after}
        if before.get(path) != after.get(path) and path not in told and path.rpartition(".")[0] not in told
    }
    assert silent == {}


def test_ochp_keeps_the_money_and_hubject_the_energy(tmp_path: Path) -> None:
    ochp = translate("cdr", "ocpi-2.2.1", "ochp-1.4", json.dumps(CDR).encode(), tmp_path)
    texts = {name: [Decimal(e.text) for e in ochp.records[0].iter(f"{{*}}{name}")] for name in ("totalCost", "periodCost", "billingValue")}
    assert texts == {
        "totalCost": [Decimal("8.36")], "periodCost": [Decimal("6.86"), Decimal("1.5")], "billingValue": [Decimal(14), Decimal("0.5")],
    }  # fmt: skip
    oicp = translate("cdr", "ocpi-2.2.1", "oicp-2.3", json.dumps(CDR).encode(), tmp_path).records[0]
    assert (oicp["ConsumedEnergy"], oicp["SessionID"], oicp["CPOPartnerSessionID"]) == (14.0, SESSION, CDR["id"])
    assert (oicp["ChargingEnd"], oicp["SessionEnd"]) == ("2026-03-01T19:00:00Z", "2026-03-01T19:30:00Z")


def test_characters_that_xml_cannot_hold_are_left_out_and_told(tmp_path: Path) -> None:
    given = CDR | {"cdr_location": CDR["cdr_location"] | {"city": "U\x0blm\x00"}, "meter_id": "M\ufffe1"}
    run = translate("cdr", "ocpi-2.2.1", "ochp-1.4", json.dumps(given).encode(), tmp_path)
    assert run.code == 0
    (cdr,) = run.records
    assert [cdr.findtext(f".//{{*}}{name}") for name in ("city", "meterId")] == ["Ulm", "M1"]
    told = {loss["path"]: (loss["kind"], loss["value"]) for loss in run.losses}
    assert told["cdr_location.city"] == ("narrowed", "U\x0blm\x00")
    assert told["meter_id"] == ("narrowed", "M\ufffe1")
