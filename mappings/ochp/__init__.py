"""OCHP and the canonical model. ``FORMATS`` is what :mod:`bridge.mapping.registry` finds."""

from __future__ import annotations

from bridge.mapping.registry import UNIT, Entry
from bridge.ochp import wire as w
from bridge.translate.files import XmlCodec
from mappings.ochp.cdr import CDR
from mappings.ochp.location import CHARGE_POINT
from mappings.ochp.status import STATUS
from mappings.ochp.tariff import TARIFF
from mappings.ochp.token import TOKEN

FORMATS = (
    Entry("ochp-1.4", "location", CHARGE_POINT, XmlCodec(
        w.NAMESPACE, {"chargePointInfoArray": w.ChargePointInfo, "refusedChargePointInfo": w.ChargePointInfo},
        "SetChargePointListRequest", "chargePointInfoArray"), lambda o: o.evseId, UNIT),
    Entry("ochp-1.4", "status", STATUS, XmlCodec(
        w.NAMESPACE, {"evse": w.EvseStatus, "combined": w.EvseStatus, "chargePointInfoArray": w.EvseStatus},
        "UpdateStatusRequest", "evse", partial=frozenset({"chargepointinfoarray"})), lambda o: o.evseId),
    Entry("ochp-1.4", "token", TOKEN, XmlCodec(
        w.NAMESPACE, {"roamingAuthorisationInfoArray": w.RoamingAuthorisationInfo,
                      "roamingAuthorisationInfo": w.RoamingAuthorisationInfo,
                      "refusedRoamingAuthorisationInfo": w.RoamingAuthorisationInfo},
        "SetRoamingAuthorisationListRequest", "roamingAuthorisationInfoArray"), lambda o: o.contractId),
    Entry("ochp-1.4", "tariff", TARIFF, XmlCodec(
        w.NAMESPACE, {"TariffInfoArray": w.TariffInfo, "refusedTariffInfo": w.TariffInfo},
        "UpdateTariffsRequest", "TariffInfoArray"), lambda o: o.tariffId),
    Entry("ochp-1.4", "cdr", CDR, XmlCodec(w.NAMESPACE, {"cdrInfoArray": w.CDRInfo}, "AddCDRsRequest", "cdrInfoArray"),
          lambda o: o.CdrId),
)  # fmt: skip
