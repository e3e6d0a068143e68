"""Broken rows are caught: each mutation is what a slip of the hand does to a mapping, and the laws have to find it.

The examples are the first ones of the generators, always the same; a mutation is caught when a law names a fault that
the sound mapping does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from bridge.mapping import DROPPED, NARROWED, SAME, At, Context, Converter, Each, Mapping, Table, row
from bridge.model.common import Text
from bridge.model.location import EvseStatus, Status
from bridge.oicp.wire import InfoText
from mappings.ochp import location as ochp
from mappings.ochp.status import STATUS as OCHP_STATUS
from mappings.ocpi import location as ocpi
from mappings.ocpi.location import STATUS as VALUES
from mappings.ocpi.status import STATUS as OCPI_STATUS
from mappings.oicp.location import EVSE
from mappings.oicp.status import STATUS as OICP_STATUS
from mappings.oicp.status import VALUES as OICP_VALUES
from tests.laws import generators, law, schema

Law = Callable[[law.Trip], list[str]]


def found(mapping: Mapping, check: Law, *, out: bool) -> list[str]:
    """What a law finds wrong with a mapping in the first examples."""
    faults: list[str] = []
    strategy = generators.objects(mapping.canon if out else mapping.wire, full=True)

    @settings(
        max_examples=60, derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def run(obj: Any) -> None:
        trip = law.travel(mapping, obj, out=out, settings=law.example())
        if trip.whole:
            faults.extend(check(trip))

    run()
    return faults


# --- the slips --------------------------------------------------------------------------------------------------------


class Forgetful(Converter):
    """A field that nobody writes."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


class Rounded(Converter):
    """Coordinates of two decimals, and not a word about it."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return ocpi.GEO.out(type(value)(*(round(d, 2) for d in (value.latitude, value.longitude))), cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return ocpi.GEO.back(value, cx, at)


class Swapped(Converter):
    """A table used the wrong way round when reading: the first value stands for the second and the other way about."""

    def __init__(self, table: Table) -> None:
        (one, first), (two, second) = table.pairs[:2]
        self.right = table
        self.wrong = Table((one, second), (two, first), *table.pairs[2:], out=table.narrow_out, never=table.never)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return self.right.out(value, cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self.wrong.back(value, cx, at)


class Silent(Converter):
    """A converter whose losses nobody hears of."""

    def __init__(self, inner: Converter) -> None:
        self.inner = inner

    def out(self, value: Any, cx: Context, at: At) -> Any:
        before = len(cx.losses)
        made = self.inner.out(value, cx, at)
        del cx.losses[before:]
        return made

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self.inner.back(value, cx, at)


class Noisy(Converter):
    """A converter that always says that something is lost."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        cx.lose(at.src[0], DROPPED, value, "there might be no place for it")
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


class Misplaced(Converter):
    """A converter that blames another field."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        cx.lose("evse.nothing", NARROWED, value, "in capitals there")
        return value.upper()

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


def _wrong_entry(table: Table) -> Table:
    """The table with two of its exact pairs sharing one wire value, as if nothing were narrowed by it."""
    first, two = table.pairs[0][1], table.pairs[1][0]

    class Wrong(Table):
        def out(self, value: Any, cx: Context, at: At) -> Any:
            return first if value == two else super().out(value, cx, at)

    made = Wrong(*table.pairs, out=table.narrow_out, never=table.never, name=table.name)
    made.exact_out = {**made.exact_out, two: first}
    return made


UNTOLD = [
    pytest.param(OCPI_STATUS, OCPI_STATUS.but(row("evse_id", "evse_id", Forgetful())), True, id="dropped field"),
    pytest.param(OCPI_STATUS, OCPI_STATUS.but(row("status", "status", _wrong_entry(VALUES))), True, id="wrong table entry"),
    pytest.param(OICP_STATUS, OICP_STATUS.but(row("status", "EvseStatus", Swapped(OICP_VALUES))), True, id="swapped direction"),
    pytest.param(
        OICP_STATUS, OICP_STATUS.but(row("status", "EvseStatus", Swapped(OICP_VALUES))), False, id="swapped direction, from the wire"
    ),
    pytest.param(ocpi.LOCATION, ocpi.LOCATION.but(row("place.coordinates", "coordinates", Rounded())), True, id="silent rounding"),
    pytest.param(
        ochp.CHARGE_POINT,
        ochp.CHARGE_POINT.but(row("evse.connectors", "connectors", Silent(Each(ochp.CONNECTOR)))),
        True,
        id="missing losses of a list",
    ),
    pytest.param(OCPI_STATUS, OCPI_STATUS.but(row("status", "status", Silent(VALUES))), True, id="missing loss of a table"),
    pytest.param(
        EVSE,
        EVSE.but(
            row("evse.station_id", "HardwareManufacturer"),
            row("evse.manufacturer", "ChargingStationId", Silent(SAME)),
            row("evse.clearing_house_id", "ClearinghouseID", Silent(Misplaced())),
        ),
        True,
        id="loss told of another field",
    ),
]


@pytest.mark.parametrize(("sound", "broken", "out"), UNTOLD)
def test_a_difference_that_nobody_tells_of_is_found(sound: Mapping, broken: Mapping, out: bool) -> None:
    """Laws 1 and 2, for each slip; the sound mapping has no such fault."""
    assert found(broken, law.untold, out=out)
    assert found(broken, law.broken_rows, out=out)
    assert not found(sound, law.untold, out=out)


def test_two_fields_exchanged_on_the_way_out_are_found() -> None:
    """The same two fields of the same type, written into each other's place, but read from the right ones."""

    class Crossed(Converter):
        def out(self, value: Any, cx: Context, at: At) -> Any:
            return value[1], value[0]

        def back(self, value: Any, cx: Context, at: At) -> Any:
            return value

    broken = EVSE.but(row(("evse.station_id", "evse.manufacturer"), ("ChargingStationId", "HardwareManufacturer"), Crossed()))
    assert any("station_id" in fault for fault in found(broken, law.untold, out=True))


def test_a_loss_without_a_difference_is_found() -> None:
    """Law 2: noise hides losses."""
    broken = OCPI_STATUS.but(row("evse_id", "evse_id", Noisy()))
    assert any(fault.startswith("evse_id") for fault in found(broken, law.noise, out=True))
    assert not found(OCPI_STATUS, law.noise, out=True)


def test_a_loss_that_names_no_field_is_found() -> None:
    """Law 2: a loss is told in the names of the object that it is about."""
    broken = EVSE.but(row("evse.clearing_house_id", "ClearinghouseID", Misplaced()))
    assert any("evse.nothing" in fault for fault in found(broken, law.lost_ways, out=True))
    assert not found(EVSE, law.lost_ways, out=True)


def test_a_reading_that_changes_a_number_is_found() -> None:
    """From the wire: a converter that scales when reading only."""

    class Thousand(Converter):
        def out(self, value: Any, cx: Context, at: At) -> Any:
            return value

        def back(self, value: Any, cx: Context, at: At) -> Any:
            return value * 1000

    broken = EVSE.but(row("evse.max_capacity_kwh", "MaxCapacity", Thousand()))
    assert any("MaxCapacity" in fault for fault in found(broken, law.untold, out=False))


def test_a_crash_and_a_refusal_without_a_place_are_found() -> None:
    """Law 3."""

    class Crashing(Converter):
        def out(self, value: Any, cx: Context, at: At) -> Any:
            return {Decimal(1): value}[value]

        def back(self, value: Any, cx: Context, at: At) -> Any:
            return value

    broken = OCHP_STATUS.but(row("evse_id", "evseId", Crashing()))
    with pytest.raises(KeyError):
        found(broken, law.ill_told, out=True)
    trip = law.travel(OCHP_STATUS, EvseStatus(Status.AVAILABLE), out=True)
    assert trip.refused is not None
    assert not law.ill_told(trip)
    trip.refused.path = "nothing.like.it"
    assert law.ill_told(trip)


def test_what_the_schema_forbids_is_found() -> None:
    """Law 4: a text that is too long, a missing field, an identifier in a form that is not allowed."""

    class Shouting(Converter):
        def out(self, value: Any, cx: Context, at: At) -> Any:
            return f"{value} {'!' * 200}"

        def back(self, value: Any, cx: Context, at: At) -> Any:
            return value

    entries = {(case.entry.format, case.entry.kind): case.entry for case in law.cases()}
    for mapping, broken, key in (
        (OCHP_STATUS, OCHP_STATUS.but(row("evse_id", "evseId", Shouting())), ("ochp-1.4", "status")),
        (EVSE, EVSE.but(row("evse.additional_info", "AdditionalInfo", Loud(), many=True)), ("oicp-2.3", "location")),
    ):
        entry = entries[key]
        assert not found(mapping, lambda trip, entry=entry: schema.faults(entry, trip.there), out=True)  # type: ignore[misc]
        assert found(broken, lambda trip, entry=entry: schema.faults(entry, trip.there), out=True)  # type: ignore[misc]
    record = law.travel(EVSE, _an_object(EVSE), out=True, settings=law.example()).there
    record.EvseID = None
    assert any("EvseID" in fault for fault in schema.annotated_faults(record))


class Loud(Converter):
    """A text longer than the field."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return InfoText(lang="de", value="!" * 151)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return Text(value.value, value.lang)


def _an_object(mapping: Mapping) -> Any:
    """The first example that can be written."""
    made: list[Any] = []

    def check(trip: law.Trip) -> list[str]:
        made.append(trip.given)
        return []

    found(mapping, check, out=True)
    return made[0]
