"""OICP EVSE status (EvseStatusRecordType)."""

from __future__ import annotations

from bridge.mapping import Mapping, Table, no_place, row
from bridge.model import location as c
from bridge.oicp import wire as w
from mappings.oicp.common import EVSE_ID

VALUES = Table(
    (c.Status.AVAILABLE, w.EvseStatus.AVAILABLE),
    (c.Status.RESERVED, w.EvseStatus.RESERVED),
    (c.Status.OCCUPIED, w.EvseStatus.OCCUPIED),
    (c.Status.OUT_OF_SERVICE, w.EvseStatus.OUT_OF_SERVICE),
    (c.Status.NOT_FOUND, w.EvseStatus.EVSE_NOT_FOUND),
    (c.Status.UNKNOWN, w.EvseStatus.UNKNOWN),
    out={
        c.Status.CHARGING: w.EvseStatus.OCCUPIED,
        c.Status.BLOCKED: w.EvseStatus.OCCUPIED,
        c.Status.NOT_AVAILABLE: w.EvseStatus.UNKNOWN,
        c.Status.RESERVED_SOON: w.EvseStatus.AVAILABLE,
        c.Status.INOPERATIVE: w.EvseStatus.OUT_OF_SERVICE,
        c.Status.OUT_OF_ORDER: w.EvseStatus.OUT_OF_SERVICE,
        c.Status.OPERATIVE: w.EvseStatus.UNKNOWN,  # in service says nothing of the moment
        c.Status.PLANNED: w.EvseStatus.OUT_OF_SERVICE,
    },
    never={c.Status.REMOVED: "a removed EVSE is deleted from the EVSE data; it has no status in OICP"},
    name="EvseStatusType",
).covers(c.Status, w.EvseStatus)

STATUS = Mapping(c.EvseStatus, w.EvseStatusRecord, (
    row("evse_id", "EvseID", EVSE_ID),
    row("status", "EvseStatus", VALUES),
    no_place("evse_uid", because="OICP knows EVSEs by their EVSE-ID only"),
    no_place("location_id", because="OICP knows EVSEs by their EVSE-ID only"),
    no_place("updated", because="OICP's status has no time"),
    no_place("valid_until", because="OICP's status holds until the next one"),
    no_place("parking_id", because="OICP has no status of parking spots"),
), name="EvseStatusRecord")  # fmt: skip
