"""OCPI EVSE status: OCPI has no status object; the status is a field of the EVSE, pushed by PATCH."""

from __future__ import annotations

from bridge.mapping import MILLISECONDS, Mapping, Of, derived, no_place, row
from bridge.model import location as c
from bridge.model.ids import EvseId, EvseUid, LocationId
from bridge.ocpi.wire import v221_status as w
from mappings.ocpi.location import STATUS as VALUES

STATUS = Mapping(c.EvseStatus, w.EvseStatus, (
    row("evse_uid", "uid", Of(EvseUid), or_else=derived(lambda o, cx: o.evse_id, "the EVSE-ID")),
    row("evse_id", "evse_id", Of(EvseId)),
    row("location_id", "location_id", Of(LocationId)),
    row("status", "status", VALUES),
    row("updated", "last_updated", MILLISECONDS, or_else=derived(lambda o, cx: cx.facts.now, "the moment of reading")),
    no_place("valid_until", because="OCPI's status holds until the next one"),
    no_place("parking_id", because="OCPI has no status of parking spots"),
), name="EVSE status")  # fmt: skip
