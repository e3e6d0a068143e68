"""OCHP live status (EvseStatusType), and the static status of a charge point read as one."""

from __future__ import annotations

from typing import Any

from bridge.codec.xml import ILLEGAL
from bridge.mapping import Mapping, Table, WholeSeconds, no_place, row
from bridge.mapping.context import Context
from bridge.mapping.convert import At, Converter
from bridge.mapping.loss import DROPPED
from bridge.model import location as c
from bridge.ochp import wire as w
from mappings.ochp.common import EVSE_ID
from mappings.ochp.values import STATUS as STATIC

LIVE = Table(
    (c.Status.AVAILABLE, (w.Major.AVAILABLE, w.Minor.AVAILABLE)),
    (c.Status.RESERVED_SOON, (w.Major.AVAILABLE, w.Minor.RESERVED)),
    (c.Status.CHARGING, (w.Major.NOT_AVAILABLE, w.Minor.CHARGING)),
    (c.Status.BLOCKED, (w.Major.NOT_AVAILABLE, w.Minor.BLOCKED)),
    (c.Status.RESERVED, (w.Major.NOT_AVAILABLE, w.Minor.RESERVED)),
    (c.Status.OUT_OF_ORDER, (w.Major.NOT_AVAILABLE, w.Minor.OUTOFORDER)),
    (c.Status.NOT_AVAILABLE, (w.Major.NOT_AVAILABLE, None)),
    (c.Status.UNKNOWN, (w.Major.UNKNOWN, None)),
    out={
        c.Status.OCCUPIED: (w.Major.NOT_AVAILABLE, None),
        c.Status.INOPERATIVE: (w.Major.NOT_AVAILABLE, w.Minor.OUTOFORDER),
        c.Status.OUT_OF_SERVICE: (w.Major.NOT_AVAILABLE, w.Minor.OUTOFORDER),
        c.Status.OPERATIVE: (w.Major.UNKNOWN, None),
        c.Status.NOT_FOUND: (w.Major.UNKNOWN, None),
    },
    back={(w.Major.AVAILABLE, None): c.Status.AVAILABLE},
    never={
        c.Status.PLANNED: "a planned EVSE has no live status in OCHP; its static status says Planned",
        c.Status.REMOVED: "a removed EVSE has no live status in OCHP; its static status says Closed",
    },
    name="EvseStatusType",
).covers(c.Status, [])


class MajorMinor(Converter):
    """Major and minor status together; pairs the specification does not allow are read by their major.

    A charge point's static status is read where there is no live one.
    """

    note = "by table EvseStatusType (major, minor), or the static status"
    tables = (LIVE, STATIC)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        found = LIVE.out(value, cx, at)
        return None if found is None else (*found, None)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        major, minor, static = value
        if major is None:
            return None if static is None else STATIC.exact_back[static]
        value = (major, minor)
        if value in LIVE.exact_back or value in LIVE.narrow_back:
            return LIVE.exact_back.get(value) or LIVE.narrow_back[value]
        cx.lose(at.src[1], DROPPED, value[1], f"not allowed with {value[0].value}")
        major_only = (value[0], None)
        return LIVE.exact_back.get(major_only) or LIVE.narrow_back[major_only]


class Changed(Converter):
    """When a charge point was last changed; a live status has no time of its own."""

    note = "read from charge points only"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        cx.lose(at.src[0], DROPPED, value, "OCHP's live status has no time of its own")

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


STATUS = Mapping(c.EvseStatus, w.EvseStatus, (
    row("evse_id", "evseId", EVSE_ID),
    row("status", ("major", "minor", "status"), MajorMinor()),
    row("valid_until", "ttl", WholeSeconds()),
    row("updated", "timestamp", Changed()),
    no_place("evse_uid", because="OCHP knows EVSEs by their EVSE-ID only"),
    no_place("location_id", because="OCHP knows EVSEs by their EVSE-ID only"),
    no_place("parking_id", because="parking spots have a status record of their own"),
), name="EvseStatus", unsaid=ILLEGAL)  # fmt: skip

_TAKEN = (c.Status.RESERVED, c.Status.CHARGING, c.Status.BLOCKED, c.Status.OCCUPIED, c.Status.INOPERATIVE, c.Status.OUT_OF_ORDER,
          c.Status.OUT_OF_SERVICE)  # fmt: skip

PARKING = Mapping(c.EvseStatus, w.ParkingStatus, (
    row("parking_id", "parkingId"),
    row("status", "status", Table(
        (c.Status.AVAILABLE, w.Major.AVAILABLE), (c.Status.NOT_AVAILABLE, w.Major.NOT_AVAILABLE),
        (c.Status.UNKNOWN, w.Major.UNKNOWN),
        out=dict.fromkeys(_TAKEN, w.Major.NOT_AVAILABLE) | {
            c.Status.RESERVED_SOON: w.Major.AVAILABLE, c.Status.OPERATIVE: w.Major.UNKNOWN,
            c.Status.NOT_FOUND: w.Major.UNKNOWN},
        never={c.Status.PLANNED: "no live status", c.Status.REMOVED: "no live status"},
        name="ParkingStatusType").covers(c.Status, w.Major)),
    row("valid_until", "ttl", WholeSeconds()),
    no_place("evse_id", because="the status of a parking spot names no EVSE"),
    no_place("evse_uid", because="the status of a parking spot names no EVSE"),
    no_place("location_id", because="the status of a parking spot names no location"),
    no_place("updated", because="OCHP's status has no time of its own"),
), name="ParkingStatus", unsaid=ILLEGAL)  # fmt: skip
