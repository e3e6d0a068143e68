"""OCHP and the canonical model. ``FORMATS`` is what :mod:`bridge.mapping.registry` finds."""

from __future__ import annotations

from bridge.mapping.registry import UNIT, Entry
from bridge.ochp import wire as w
from bridge.translate.files import XmlCodec
from mappings.ochp.location import CHARGE_POINT
from mappings.ochp.status import STATUS

FORMATS = (
    Entry("ochp-1.4", "location", CHARGE_POINT, XmlCodec(
        w.NAMESPACE, {"chargePointInfoArray": w.ChargePointInfo, "refusedChargePointInfo": w.ChargePointInfo},
        "SetChargePointListRequest", "chargePointInfoArray"), lambda o: o.evseId, UNIT),
    Entry("ochp-1.4", "status", STATUS, XmlCodec(
        w.NAMESPACE, {"evse": w.EvseStatus, "combined": w.EvseStatus, "chargePointInfoArray": w.EvseStatus},
        "UpdateStatusRequest", "evse", partial=frozenset({"chargepointinfoarray"})), lambda o: o.evseId),
)  # fmt: skip
