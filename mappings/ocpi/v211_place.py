"""The location inside OCPI 2.1.1 sessions and CDRs, which hold it whole, with the EVSE and connector of the session.

The model has the place of a CDR as a :class:`~bridge.model.cdr.CdrPlace` and only the identifiers in a session. What else a
2.1.1 partner told (``location.type``, the status of the EVSE, volts and amperes ...) is kept in ``extra`` and written
back to 2.1.1; other protocols report it as dropped. Where it is not there, because the record comes from elsewhere:

- kind of place: ``cdr_place.parking_type`` of the partner file, else UNKNOWN; status of the EVSE: UNKNOWN;
- times of change: the moment of writing;
- volts: ``voltage_ac`` or ``voltage_dc`` of the partner file, amperes: ``cdr_place.amperage``;
- in a session also address, coordinates, plug ... : ``cdr_place``.

All of that is recorded as defaulted; what is configured nowhere refuses the record, naming the key.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec

from bridge.codec.lenient import loads
from bridge.errors import Refused
from bridge.mapping import DEFAULTED, DROPPED, At, Context, Converter, Table
from bridge.mapping.shape import shape
from bridge.model import location as c
from bridge.model.common import Extra
from bridge.model.ids import ConnectorId, EvseId, EvseUid, LocationId, TariffId
from bridge.ocpi.wire import v211 as w
from bridge.ocpi.wire.v221 import Status
from bridge.translate.files import encode
from mappings.shared import placed_point, point

BASE = "location"
EVSE = f"{BASE}.evses[0]"
CONNECTOR = f"{EVSE}.connectors[0]"

NOT_AVAILABLE = "#NA"
_NA = "OCPI 2.1.1 has no sign for what is not known (#NA)"
_ONE = "the location of a session holds its one EVSE and connector"
_NOW = "no time of change is told: the moment of writing"

HINTS = {
    "evse_uid": f"{EVSE}.uid", "evse_id": f"{EVSE}.evse_id", "connector_id": f"{CONNECTOR}.id", "plug": f"{CONNECTOR}.standard",
    "format": f"{CONNECTOR}.format", "power_type": f"{CONNECTOR}.power_type", "tariff_id": f"{CONNECTOR}.tariff_id",
}  # fmt: skip
"""Where each value stands, for losses."""

OF_CONNECTOR = ("plug", "format", "power_type")
REST = tuple(name for name in shape(w.Location) if name not in (
    "id", "name", "address", "city", "postal_code", "country", "coordinates", "time_zone", "evses"))  # fmt: skip
"""Fields of the embedded location that a CDR's place does not have."""


def configured(cx: Context, key: str) -> Any:
    """The value of ``cdr_place.KEY`` in the partner file, or None."""
    return (cx.constants.get("cdr_place") or {}).get(key)


def coordinates(cx: Context) -> c.GeoPoint | None:
    """The configured coordinates."""
    latitude, longitude = configured(cx, "latitude"), configured(cx, "longitude")
    return None if latitude is None or longitude is None else point(latitude, longitude)


# --- what the model has no place for ------------------------------------------------------------------------------------


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


class Kept:
    """What a 2.1.1 partner told of the location, by path."""

    def __init__(self, extra: tuple[Extra, ...]) -> None:
        self.values = {e.path: e.value for e in extra if e.protocol == "ocpi" and e.path.startswith(f"{BASE}.")}

    def fields(self, cls: type, base: str) -> dict[str, Any]:
        """The fields of the object at ``base``."""
        found = {}
        for name, hint in _hints(cls).items():
            value = self.values.get(f"{base}.{name}")
            if value is None:
                continue
            try:
                found[name] = msgspec.convert(value, hint)
            except msgspec.ValidationError as why:
                raise Refused("extra", f"{base}.{name}: {why}", value) from why
        return found


def kept(obj: msgspec.Struct, base: str, but: tuple[str, ...]) -> Iterator[Extra]:
    """The fields of a wire object as extras, without those that the model has."""
    for name in shape(type(obj)):
        value = getattr(obj, name)
        if name not in but and value is not None:
            yield Extra("ocpi", f"{base}.{name}", loads(encode(value)))


# --- writing --------------------------------------------------------------------------------------------------------------


def evses(told: dict[str, Any], src: dict[str, str], keep: Kept, cx: Context, tables: dict[str, Table]) -> tuple[w.EVSE, ...] | None:
    """The one EVSE with its connector; None where it is not told. ``src`` names the canonical path of each value."""
    uid, evse_id = told["evse_uid"], told["evse_id"]
    if uid is None and evse_id is None:
        for name, value in told.items():
            if value is not None:
                cx.lose(src[name], DROPPED, value, "the EVSE is not told")
        return None
    if uid is None:
        uid = evse_id
        cx.lose(f"{EVSE}.uid", DEFAULTED, uid, "the EVSE-ID")
    made = {"status": None, "last_updated": None, **keep.fields(w.EVSE, EVSE)}
    made |= {"uid": _ident(uid, 39, src["evse_uid"]), "evse_id": _ident(evse_id, 48, src["evse_id"])}
    made["connectors"] = (_connector(told, src, keep, cx, tables),)
    if made["status"] is None:
        made["status"] = Status.UNKNOWN
        cx.lose(f"{EVSE}.status", DEFAULTED, made["status"], "the status of the EVSE is not told")
    _changed(made, EVSE, cx)
    return (w.EVSE(**made),)


def _connector(told: dict[str, Any], src: dict[str, str], keep: Kept, cx: Context, tables: dict[str, Table]) -> w.Connector:
    made: dict[str, Any] = keep.fields(w.Connector, CONNECTOR)
    made["id"] = _ident(told["connector_id"], 36, src["connector_id"])
    if told.get("tariff_id") is not None:
        made["tariff_id"] = _ident(told["tariff_id"], 36, src["tariff_id"])
    for name, field in zip(OF_CONNECTOR, ("standard", "format", "power_type"), strict=True):
        if told.get(name) is not None:
            made[field] = tables[name].out(told[name], cx, At((src[name],), (f"{CONNECTOR}.{field}",)))
        if made.get(field) is None and (value := configured(cx, name)) is not None:
            made[field] = tables[name].out(_KINDS[name](value), cx, At((src.get(name, ""),), (f"{CONNECTOR}.{field}",)))
            cx.lose(f"{CONNECTOR}.{field}", DEFAULTED, made[field], f"configured: cdr_place.{name}")
    for field, key in (("id", "connector_id"), ("amperage", "amperage")):
        if made.get(field) is None and (value := configured(cx, key)) is not None:
            made[field] = int(value) if field == "amperage" else value
            cx.lose(f"{CONNECTOR}.{field}", DEFAULTED, made[field], f"configured: cdr_place.{key}")
    volts = "voltage_dc" if made.get("power_type") is w.PowerType.DC else "voltage_ac"
    if made.get("voltage") is None and (value := cx.constants.get(volts)) is not None:
        made["voltage"] = value
        cx.lose(f"{CONNECTOR}.voltage", DEFAULTED, value, f"configured: {volts}")
    for field, key in _NEEDED.items():
        if made.get(field) is None:
            setting = volts if field == "voltage" else f"cdr_place.{key}"
            raise Refused(src.get(key, src["evse_uid"]), f"{CONNECTOR}.{field} is mandatory in OCPI 2.1.1 and not told; "
                          f"set {setting} in the partner file", told.get(key), setting.split(".")[0])  # fmt: skip
    _changed(made, CONNECTOR, cx)
    return w.Connector(**made)


_KINDS: dict[str, Callable[[Any], Any]] = {"plug": c.Plug, "format": c.PlugFormat, "power_type": c.PowerType}
_NEEDED = {"id": "connector_id", "standard": "plug", "format": "format", "power_type": "power_type", "voltage": "voltage",
           "amperage": "amperage"}  # fmt: skip


def _ident(text: Any, limit: int, path: str) -> Any:
    if text == NOT_AVAILABLE:
        raise Refused(path, _NA, text)
    if text is not None and len(text) > limit:
        raise Refused(path, f"an identifier of {len(text)} characters, at most {limit} there", text)
    return text


def _changed(made: dict[str, Any], base: str, cx: Context) -> None:
    if made.get("last_updated") is None:
        made["last_updated"] = cx.facts.now
        cx.lose(f"{base}.last_updated", DEFAULTED, cx.facts.now, _NOW)


def rest(keep: Kept, cx: Context, kind: Table) -> dict[str, Any]:
    """The fields of the location that the model does not have, the mandatory ones filled in."""
    made = {name: value for name, value in keep.fields(w.Location, BASE).items() if name in REST}
    if "type" not in made:
        told = configured(cx, "parking_type")
        made["type"] = w.LocationType.UNKNOWN if told is None else kind.out(c.ParkingType(told), cx, At(("",), (f"{BASE}.type",)))
        because = "the kind of place is not told" if told is None else "configured: cdr_place.parking_type"
        cx.lose(f"{BASE}.type", DEFAULTED, made["type"], because)
    _changed(made, BASE, cx)
    return made


# --- reading --------------------------------------------------------------------------------------------------------------


def the_one(found: tuple[w.EVSE, ...] | None, cx: Context) -> tuple[w.EVSE | None, w.Connector | None]:
    """The EVSE and connector of the session; further ones are left out."""
    for i, evse in enumerate((found or ())[1:], 1):
        cx.lose(f"{BASE}.evses[{i}]", DROPPED, evse.uid, _ONE)
    if not found:
        return None, None
    for i, connector in enumerate(found[0].connectors[1:], 1):
        cx.lose(f"{EVSE}.connectors[{i}]", DROPPED, connector.id, _ONE)
    return found[0], found[0].connectors[0] if found[0].connectors else None


class OfCdr(Converter):
    """EVSE and connector of a CDR's place; the rest of the location is kept for the way back."""

    note = "the EVSE with its connector; what else the location says is kept for 2.1.1"
    canon = ("place.evse_uid", "place.evse_id", "place.connector_id", "place.plug", "place.format", "place.power_type",
             "place.tariff_id", "extra")  # fmt: skip
    wire = (f"{BASE}.evses", *(f"{BASE}.{name}" for name in REST))

    def __init__(self, plug: Table, format_: Table, power_type: Table, kind: Table) -> None:
        self.named = {"plug": plug, "format": format_, "power_type": power_type}
        self.kind = kind
        self.tables = (plug, format_, power_type, kind)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        names = [path.rpartition(".")[2] for path in self.canon[:-1]]
        told = dict(zip(names, value[:-1], strict=True))
        keep = Kept(value[-1])
        made = evses(told, dict(zip(names, at.src, strict=False)), keep, cx, self.named)
        others = rest(keep, cx, self.kind)
        return (made, *(others.get(name) for name in REST))

    def back(self, value: Any, cx: Context, at: At) -> Any:
        evse, connector = the_one(value[0], cx)
        extra = [Extra("ocpi", f"{BASE}.{name}", loads(encode(one))) for name, one in zip(REST, value[1:], strict=True) if one is not None]
        if evse is None:
            return None, None, None, None, None, None, None, tuple(extra)
        extra += kept(evse, EVSE, ("uid", "evse_id", "connectors"))
        ids = EvseUid(evse.uid), None if evse.evse_id is None else EvseId(evse.evse_id)
        if connector is None:
            return *ids, None, None, None, None, None, tuple(extra)
        extra += kept(connector, CONNECTOR, ("id", "standard", "format", "power_type", "tariff_id"))
        read = [self.named[name].back(one, cx, at) for name, one in zip(
            OF_CONNECTOR, (connector.standard, connector.format, connector.power_type), strict=True)]  # fmt: skip
        tariff = None if connector.tariff_id is None else TariffId(connector.tariff_id)
        return *ids, ConnectorId(connector.id), *read, tariff, tuple(extra)


class OfSession(Converter):
    """The whole location of a session, of which the model has the identifiers; the rest is kept for the way back."""

    note = "the identifiers; what else the location says is kept for 2.1.1, or configured (cdr_place)"
    key_hint = "cdr_place"

    def __init__(self, plug: Table, format_: Table, power_type: Table, kind: Table) -> None:
        self.named = {"plug": plug, "format": format_, "power_type": power_type}
        self.kind = kind
        self.tables = (plug, format_, power_type, kind)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        location_id, evse_uid, evse_id, connector_id, extra = value
        src = dict(zip(("location_id", "evse_uid", "evse_id", "connector_id"), at.src, strict=False))
        keep = Kept(extra)
        made: dict[str, Any] = {**keep.fields(w.Location, BASE), **rest(keep, cx, self.kind)}
        made["id"] = _ident(location_id, 39, src["location_id"])
        for name in ("id", "name", "address", "city", "postal_code", "country"):
            if made.get(name) is None and (told := configured(cx, name)) is not None:
                made[name] = told
                cx.lose(f"{BASE}.{name}", DEFAULTED, told, f"configured: cdr_place.{name}")
        if made.get("coordinates") is None and (spot := coordinates(cx)) is not None:
            latitude, longitude = placed_point(spot, 6, 6, cx, "")
            made["coordinates"] = w.GeoLocation(latitude=latitude, longitude=longitude)
            cx.lose(f"{BASE}.coordinates", DEFAULTED, f"{latitude}, {longitude}", "configured: cdr_place")
        for name in ("id", "address", "city", "postal_code", "country", "coordinates"):
            if made.get(name) is None:
                raise Refused(src["location_id"], f"{BASE}.{name} is mandatory in OCPI 2.1.1 and a session has only identifiers; "
                              "set cdr_place in the partner file", location_id, "cdr_place")  # fmt: skip
        ids = {"evse_uid": evse_uid, "evse_id": evse_id, "connector_id": connector_id}
        made["evses"] = evses(ids, src, keep, cx, self.named)
        return w.Location(**made)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        evse, connector = the_one(value.evses, cx)
        extra = [*kept(value, BASE, ("id", "evses"))]
        if evse is None:
            return LocationId(value.id), None, None, None, tuple(extra)
        extra += kept(evse, EVSE, ("uid", "evse_id", "connectors"))
        if connector is not None:
            extra += kept(connector, CONNECTOR, ("id",))
        return (LocationId(value.id), EvseUid(evse.uid), None if evse.evse_id is None else EvseId(evse.evse_id),
                None if connector is None else ConnectorId(connector.id), tuple(extra))  # fmt: skip


__all__ = ["BASE", "HINTS", "OfCdr", "OfSession", "configured", "coordinates"]
