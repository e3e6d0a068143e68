"""The location inside OCPI 2.1.1 sessions and CDRs, which hold it whole, with the EVSE and connector of the session alone.

The model's sessions and CDRs have it in ``location``. Where it is not known, because the record comes from elsewhere, it is made
of what is told of the place, and of the partner file:

- kind of place: ``cdr_place.parking_type``, else UNKNOWN; status of the EVSE: UNKNOWN; times of change: the moment of writing;
- volts: ``voltage_ac`` or ``voltage_dc``, amperes: ``cdr_place.amperage``;
- address, coordinates, plug ...: ``cdr_place``.

All of that is recorded as defaulted; what is configured nowhere refuses the record, naming the key.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from typing import Any, Self

import msgspec
from attrs import evolve, fields

from bridge.errors import Refused
from bridge.mapping import DEFAULTED, DROPPED, WHOLE, At, Context, Converter, Each, One, no_place, row
from bridge.model import location as c
from bridge.model.cdr import CdrPlace, place_of
from bridge.model.common import Text
from bridge.model.ids import ConnectorId, EvseUid, LocationId
from bridge.ocpi.wire import v211 as w
from mappings.ocpi import v211
from mappings.shared import point

BASE = "location"
_EVSE = "evses[0]"
_CONNECTOR = f"{_EVSE}.connectors[0]"

NOT_AVAILABLE = "#NA"
_NA = "OCPI 2.1.1 has no sign for what is not known (#NA)"
_ONE = "the location of a session holds its one EVSE and connector"

EMBEDDED = v211.LOCATION.but(
    no_place("place.publish", because="a session is told wherever it was", reads_as=True),
    row("evses", "evses", Each(v211.EVSE.but(row("connectors", "connectors", Each(v211.CONNECTOR, WHOLE, parent=True), using="")), WHOLE)),
)  # fmt: skip
"""A location as a part of a session: told also where the location is not published, and never without its EVSE."""

OF_LOCATION = {
    "id": "place.id", "name": "place.names", "address": "place.address", "coordinates": "place.coordinates",
    "time_zone": "place.time_zone", "evse_uid": f"{_EVSE}.uid", "evse_id": f"{_EVSE}.id", "connector_id": f"{_CONNECTOR}.id",
    "plug": f"{_CONNECTOR}.plug", "format": f"{_CONNECTOR}.format", "power_type": f"{_CONNECTOR}.power_type",
    "tariff_id": f"{_CONNECTOR}.tariff_ids",
}  # fmt: skip
"""Where a location has what a CDR's place has."""

HINTS = {
    "id": "id", "name": "name", "address.street": "address", "address.house_number": "address", "address.line": "address",
    "address.city": "city", "address.postal_code": "postal_code", "address.country": "country", "coordinates": "coordinates",
    "time_zone": "time_zone", "evse_uid": f"{_EVSE}.uid", "evse_id": f"{_EVSE}.evse_id", "connector_id": f"{_CONNECTOR}.id",
    "plug": f"{_CONNECTOR}.standard", "format": f"{_CONNECTOR}.format", "power_type": f"{_CONNECTOR}.power_type",
    "tariff_id": f"{_CONNECTOR}.tariff_id",
}  # fmt: skip
"""The same on the wire, for losses."""

_SET = "set cdr_place in the partner file"


class _Embedded(Converter):
    """Writes and reads the location."""

    key_hint = "cdr_place"
    canon: tuple[str, ...]

    def __init__(self, inner: Any = EMBEDDED) -> None:
        self.embedded = inner
        self.tables = tuple(inner.tables())
        self.whole = One(inner, WHOLE)

    def patched(self, patches: Any) -> Self:
        """The same with other values in its tables (partner file, ``[values]``)."""
        return type(self)(self.embedded.patched(patches))

    def told(self, location: c.Location, cx: Context) -> w.Location:
        """A location that is known, with its one EVSE."""
        if len(location.evses) > 1 or any(len(e.connectors) > 1 for e in location.evses):
            raise Refused(BASE, _ONE)
        made: w.Location = self.whole.out(location, cx, At((BASE,), (BASE,)))
        return made

    def made(self, place: CdrPlace, names: MappingABC[str, str], cx: Context) -> w.Location:
        """A location made of a place and of what is configured. ``names``: where the record has each value of the place."""
        location = _filled(place, names, cx)
        before = len(cx.losses)
        try:
            wire = self.embedded.compiled_out()(location, cx)
        except Refused as why:
            because = f"{BASE}: {why.because}" if why.key else f"{BASE}: {why.because}; {_SET}"
            raise Refused(_under(names, _told(why.path, place) or "id"), because, why.value, why.key or "cdr_place") from why
        found, cx.losses[before:] = cx.losses[before:], []
        for loss in found:
            told = _told(loss.path, place)
            if loss.kind == DEFAULTED:
                cx.losses.append(loss._replace(path=f"{BASE}.{loss.path}"))
            elif told is not None:  # else it is about what is configured, which was told
                cx.losses.append(loss._replace(path=_under(names, told)))
        return wire  # type: ignore[no-any-return]

    def read(self, wire: w.Location, cx: Context) -> c.Location:
        """The location, with the first EVSE and connector; further ones are left out."""
        evses = wire.evses or ()
        for i, evse in enumerate(evses[1:], 1):
            cx.lose(f"{BASE}.evses[{i}]", DROPPED, evse.uid, _ONE)
        for i, connector in enumerate(evses[0].connectors[1:] if evses else (), 1):
            cx.lose(f"{BASE}.{_EVSE}.connectors[{i}]", DROPPED, connector.id, _ONE)
        only = tuple(msgspec.structs.replace(e, connectors=e.connectors[:1]) for e in evses[:1])
        made: c.Location = self.whole.back(msgspec.structs.replace(wire, evses=only or None), cx, At((BASE,), (BASE,)))
        return made


class OfCdr(_Embedded):
    """The location of a CDR, and the place that is a part of it."""

    note = "the location, with the EVSE and connector alone; else the place, and what is configured"
    canon = (BASE, "place")

    def out(self, value: Any, cx: Context, at: At) -> Any:
        location, place = value
        if location is None:
            return self.made(place, {name: f"place.{name}" for name in OF_LOCATION}, cx)
        same = place_of(location)
        if place.tariff_id is None and same.tariff_id is not None:
            cx.lose(f"{BASE}.{_CONNECTOR}.tariff_id", DEFAULTED, same.tariff_id, "the location's")
            same = evolve(same, tariff_id=None)
        for one in fields(CdrPlace):
            if one.name in OF_LOCATION and getattr(place, one.name) != getattr(same, one.name):
                raise Refused(f"place.{one.name}", "is not what the location of the CDR says", getattr(place, one.name))
        before = len(cx.losses)
        made = self.told(location, cx)
        for loss in cx.losses[before:]:  # what becomes of the location becomes of the place
            told = _told(loss.path.removeprefix(f"{BASE}."), place)
            if told is not None and loss.kind != DEFAULTED:
                cx.lose(f"place.{told}", loss.kind, loss.value, loss.because)
        return made

    def back(self, value: Any, cx: Context, at: At) -> Any:
        location = self.read(value, cx)
        return location, place_of(location)


class OfSession(_Embedded):
    """The location of a session, and the identifiers that it has."""

    note = "the location, with the EVSE and connector alone; else the identifiers, and what is configured"
    canon = (BASE, "location_id", "evse_uid", "evse_id", "connector_id")

    def out(self, value: Any, cx: Context, at: At) -> Any:
        location, *ids = value
        names = dict(zip(("id", *self.canon[2:]), self.canon[1:], strict=True))
        place = CdrPlace(**dict(zip(names, ids, strict=True)))
        if location is None:
            return self.made(place, {name: names.get(name, "location_id") for name in OF_LOCATION}, cx)
        same = place_of(location)
        for name, path in names.items():
            if getattr(place, name) != getattr(same, name):
                raise Refused(path, "is not what the location of the session says", getattr(place, name))
        return self.told(location, cx)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        location = self.read(value, cx)
        place = place_of(location)
        return location, place.id, place.evse_uid, place.evse_id, place.connector_id


# --- where the location is not known ------------------------------------------------------------------------------------


_ONLY = {"name": ("",), "tariff_id": ("", "[0]")}
"""What of a list, or of its items, a place has."""


def _told(path: str, place: CdrPlace) -> str | None:
    """What a place says of what a location has at a path; None where it says nothing of it."""
    for name, start in OF_LOCATION.items():
        below = path.removeprefix(start)
        if below == path or below[:1] not in ("", ".", "[") or below not in _ONLY.get(name, (below,)):
            continue
        field = below.removeprefix(".") if name in ("address", "coordinates") else ""
        value = getattr(place, name)
        if field and value is not None:
            value = getattr(value, field)
        return None if value is None else f"{name}.{field}" if field else name
    return None


def _under(names: MappingABC[str, str], path: str) -> str:
    name, dot, field = path.partition(".")
    return names[name] + dot + field


def _filled(place: CdrPlace, names: MappingABC[str, str], cx: Context) -> c.Location:
    """A location with what the place says and what is configured."""
    for name in ("id", "evse_uid", "evse_id", "connector_id"):
        if getattr(place, name) == NOT_AVAILABLE:
            raise Refused(names[name], _NA, NOT_AVAILABLE)
    given = cx.constants.get("cdr_place") or {}

    def or_configured(value: Any, key: str, path: str, make: Any = str) -> Any:
        if value is not None or key not in given:
            return value
        made = make(given[key])
        cx.lose(f"{BASE}.{path}", DEFAULTED, made, f"configured: cdr_place.{key}")
        return made

    spot, a = place.coordinates, place.address
    if spot is None and "latitude" in given and "longitude" in given:
        spot = point(given["latitude"], given["longitude"])
        cx.lose(f"{BASE}.coordinates", DEFAULTED, f"{spot.latitude}, {spot.longitude}", "configured: cdr_place")
    line = a.line if (a.street or a.house_number or a.line) else or_configured(None, "address", "address")
    address = evolve(a, line=line, city=or_configured(a.city, "city", "city"), country=or_configured(a.country, "country", "country"),
                     postal_code=or_configured(a.postal_code, "postal_code", "postal_code"))  # fmt: skip
    name = or_configured(place.name, "name", "name")
    ident = or_configured(place.id, "id", "id", LocationId)
    if ident is None:  # else the mapping would derive one
        raise Refused(names["id"], f"{BASE}.id is mandatory in OCPI 2.1.1 and not told; {_SET}", None, "cdr_place")
    parking = or_configured(None, "parking_type", "type", c.ParkingType)
    whole = c.Place(id=ident, names=() if name is None else (Text(name),), address=address, coordinates=spot, parking_type=parking,
                    time_zone=place.time_zone)  # fmt: skip
    return c.Location(whole, _evse(place, names, or_configured, cx))


def _evse(place: CdrPlace, names: MappingABC[str, str], or_configured: Any, cx: Context) -> tuple[c.Evse, ...]:
    """The one EVSE with its connector; none where it is not told."""
    if place.evse_uid is None and place.evse_id is None:
        for name in ("connector_id", "plug", "format", "power_type", "tariff_id"):
            if getattr(place, name) is not None:
                cx.lose(names[name], DROPPED, getattr(place, name), "the EVSE is not told")
        return ()

    def told(name: str, make: Any) -> Any:
        return or_configured(getattr(place, name), name, HINTS[name], make)

    amperes = or_configured(None, "amperage", f"{_CONNECTOR}.amperage", int)
    made = c.Connector(
        told("connector_id", ConnectorId), told("plug", c.Plug), told("format", c.PlugFormat), told("power_type", c.PowerType),
        max_amperage=amperes, tariff_ids=() if place.tariff_id is None else (place.tariff_id,))  # fmt: skip
    if amperes is None:
        raise Refused(names["evse_uid"], f"{BASE}.{_CONNECTOR}.amperage is mandatory in OCPI 2.1.1 and not told; "
                      "set cdr_place.amperage in the partner file", None, "cdr_place")  # fmt: skip
    return (c.Evse(uid=None if place.evse_uid is None else EvseUid(place.evse_uid), id=place.evse_id, connectors=(made,)),)


__all__ = ["EMBEDDED", "HINTS", "OfCdr", "OfSession"]
