"""An object that returns from a protocol that cannot hold all of it has lost nothing but what was changed there."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from bridge.mapping import Context, partner
from bridge.mapping.residue import put_back
from bridge.model import location as c
from bridge.model.common import Business, Extra, Text
from bridge.model.ids import ConnectorId, EvseId, EvseUid, LocationId, OperatorId
from mappings.ochp.location import CHARGE_POINT
from mappings.ocpi.location import LOCATION
from mappings.oicp.location import EVSE

NOW = datetime(2026, 3, 1, 8, 15, tzinfo=UTC)
SETTINGS = partner.load(Path(__file__).parents[2] / "mappings" / "partners" / "example.toml")


def unit(**changes: Any) -> c.Unit:
    """An EVSE with two connectors, whose ids and tariffs OCHP cannot hold."""
    evse = c.Evse(
        uid=EvseUid("3256"), id=EvseId("DE*ABC*E1*1"), status=c.Status.AVAILABLE, floor="-1",
        capabilities=(c.Capability.RFID_CLASSIC, c.Capability.UNLOCK),
        connectors=(
            c.Connector(ConnectorId("left"), c.Plug.T2, c.PlugFormat.SOCKET, c.PowerType.AC_3_PHASE, 230, 32, Decimal(22000)),
            c.Connector(ConnectorId("right"), c.Plug.CHADEMO, c.PlugFormat.CABLE, c.PowerType.DC, 400, 125, Decimal(50000)),
        ),
        last_updated=NOW,
    )  # fmt: skip
    place = c.Place(
        operator_id=OperatorId("DE*ABC"), id=LocationId("LOC1"), names=(Text("Rathaus", "en"),),
        address=c.Address("Rathausplatz", "1", None, "Ludwigsburg", "71638", "BW", "DEU"),
        coordinates=c.GeoPoint(Decimal("48.897500"), Decimal("9.192100")), operator=Business("Stadtwerke"),
        facilities=(c.Facility.WIFI,), time_zone="Europe/Berlin", last_updated=NOW, extra=(Extra("ocpi", "mayor", "Ms. X"),),
    )  # fmt: skip
    return c.Unit(place, attrs.evolve(evse, **changes))


def sent_and_read(mapping: Any, obj: Any) -> tuple[Any, Any]:
    """What goes out, and a function that reads what comes back."""
    wire = mapping.compiled_out()(obj, Context(SETTINGS))
    return wire, lambda returned: mapping.compiled_back()(returned, Context(SETTINGS))


def test_what_returns_unchanged_is_what_it_was() -> None:
    old = unit()
    sent, read = sent_and_read(CHARGE_POINT, old)
    assert read(sent) != old, "OCHP has no floor, no connector ids, no facilities"
    assert put_back(CHARGE_POINT, old, sent, sent, read(sent)) == old


def test_a_connector_whose_plug_changes_keeps_its_id() -> None:
    old = unit()
    sent, read = sent_and_read(CHARGE_POINT, old)
    plug = type(sent.connectors[1].connectorStandard).IEC_62196_T2_COMBO
    returned = attrs.evolve(sent, connectors=(sent.connectors[0], attrs.evolve(sent.connectors[1], connectorStandard=plug)))
    found = put_back(CHARGE_POINT, old, sent, returned, read(returned))
    assert found.evse.connectors == (old.evse.connectors[0], attrs.evolve(old.evse.connectors[1], plug=c.Plug.T2_COMBO))
    assert found.evse.connectors[1].id == "right"
    assert found.place == old.place


def test_a_changed_field_is_the_new_one_and_the_rest_stays() -> None:
    old = unit()
    sent, read = sent_and_read(CHARGE_POINT, old)
    address = attrs.evolve(sent.chargePointAddress, city="Kornwestheim")
    returned = attrs.evolve(sent, chargePointAddress=address, status=type(sent.status).INOPERATIVE)
    found = put_back(CHARGE_POINT, old, sent, returned, read(returned))
    assert found.place == attrs.evolve(old.place, address=attrs.evolve(old.place.address, city="Kornwestheim"))
    assert found.evse == attrs.evolve(old.evse, status=c.Status.INOPERATIVE)


def test_a_coarser_value_stays_fine_unless_it_changed() -> None:
    """OCHP says Operative for an EVSE that is charging; it comes back as charging, not as operative."""
    old = unit(status=c.Status.CHARGING)
    sent, read = sent_and_read(CHARGE_POINT, old)
    assert read(sent).evse.status is c.Status.OPERATIVE
    assert put_back(CHARGE_POINT, old, sent, sent, read(sent)).evse.status is c.Status.CHARGING


def test_a_changed_list_of_values_is_read_anew() -> None:
    old = unit()
    sent, read = sent_and_read(CHARGE_POINT, old)
    method = type(sent.authMethods[0]).RFID_MIFARE_DES
    returned = attrs.evolve(sent, authMethods=(*sent.authMethods, method))
    found = put_back(CHARGE_POINT, old, sent, returned, read(returned))
    assert found.evse.capabilities == (c.Capability.RFID_CLASSIC, c.Capability.RFID_DESFIRE)


def test_json_protocols_too() -> None:
    old = unit()
    sent, read = sent_and_read(EVSE, old)
    returned = msgspec.structs.replace(sent, HotlinePhoneNumber="+4971411234")
    found = put_back(EVSE, old, sent, returned, read(returned))
    assert found.place.help_phone == "+4971411234"
    assert found == attrs.evolve(old, place=attrs.evolve(old.place, help_phone="+4971411234"))


@pytest.fixture
def location() -> c.Location:
    """A location of three EVSEs; OCPI has no stations, which two of them name."""
    first = unit()
    others = (attrs.evolve(first.evse, uid=EvseUid(f"325{n}"), id=EvseId(f"DE*ABC*E1*{n}"), station_id=f"S{n}") for n in (7, 8))
    return c.Location(first.place, (first.evse, *others))


def test_list_items_are_aligned_by_key(location: c.Location) -> None:
    """The order changes, one EVSE changes, one is deleted, one is new: each keeps what OCPI cannot hold of it."""
    sent, read = sent_and_read(LOCATION, location)
    first, second, _ = sent.evses
    renamed = msgspec.structs.replace(second, physical_reference="7")
    new = msgspec.structs.replace(first, uid="9999", evse_id="DE*ABC*E1*9")
    returned = msgspec.structs.replace(sent, evses=(new, renamed, first))
    found = put_back(LOCATION, location, sent, returned, read(returned))
    assert [e.uid for e in found.evses] == ["9999", "3257", "3256"]
    assert found.evses[1] == attrs.evolve(location.evses[1], physical_reference="7")
    assert found.evses[1].station_id == "S7"
    assert found.evses[2] == location.evses[0]


def test_what_was_never_sent_stays(location: c.Location) -> None:
    """OCPI 2.2.1 has no NACS connector: it is left out on the way, and not deleted when the EVSE returns changed."""
    nacs = c.Connector(ConnectorId("nacs"), c.Plug.NACS, c.PlugFormat.CABLE, c.PowerType.DC, 400, 125, Decimal(50000))
    evse = attrs.evolve(location.evses[0], connectors=(*location.evses[0].connectors, nacs))
    old = attrs.evolve(location, evses=(evse, *location.evses[1:]))
    sent, read = sent_and_read(LOCATION, old)
    assert [k.id for k in sent.evses[0].connectors] == ["left", "right"]
    left, right = sent.evses[0].connectors
    changed = msgspec.structs.replace(sent.evses[0], connectors=(msgspec.structs.replace(left, max_amperage=16), right))
    returned = msgspec.structs.replace(sent, evses=(changed, *sent.evses[1:]))
    found = put_back(LOCATION, old, sent, returned, read(returned))
    assert [(k.id, k.max_amperage) for k in found.evses[0].connectors] == [("left", 16), ("right", 125), ("nacs", 125)]
