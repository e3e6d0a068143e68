"""OICP and the canonical model. ``FORMATS`` is what :mod:`bridge.mapping.registry` finds."""

from __future__ import annotations

from bridge.mapping.registry import UNIT, Entry
from bridge.oicp import wire as w
from bridge.translate.files import JsonCodec
from mappings.oicp import messages
from mappings.oicp.cdr import CDR
from mappings.oicp.location import EVSE, PUSHED
from mappings.oicp.session import SESSION
from mappings.oicp.status import STATUS
from mappings.oicp.tariff import TARIFF
from mappings.oicp.token import TOKEN


def _named(record: w.AuthenticationDataRecord) -> str:
    """The contract of a token; a card without one has no name that may be told."""
    for name in ("RFIDIdentification", "QRCodeIdentification", "PlugAndChargeIdentification", "RemoteIdentification"):
        one = getattr(record.Identification, name)
        if one is not None and one.EvcoID:
            return str(one.EvcoID)
    return ""


FORMATS = (
    Entry("oicp-2.3", "location", EVSE.but(name="EvseDataRecord"),
          JsonCodec(w.EvseDataRecord, frozenset({"evsedatarecord", "content"}), ("OperatorID", "OperatorName"),
                    message=messages.evse_data), lambda o: o.EvseID, UNIT, message_mapping=PUSHED),
    Entry("oicp-2.3", "status", STATUS, JsonCodec(w.EvseStatusRecord, frozenset({"evsestatusrecord"}),
                                                  message=messages.evse_status), lambda o: o.EvseID),
    Entry("oicp-2.3", "token", TOKEN, JsonCodec(w.AuthenticationDataRecord, frozenset({"authenticationdatarecord"}),
                                                message=messages.authentication_data), _named),
    Entry("oicp-2.3", "tariff", TARIFF, JsonCodec(w.PricingProductDataRecord, frozenset({"pricingproductdatarecords"}),
                                                  message=messages.pricing, aliases={"periods": "Period"}), lambda o: o.ProductID),
    Entry("oicp-2.3", "session", SESSION, JsonCodec(w.ChargingNotification, frozenset(), message=messages.each), lambda o: o.SessionID),
    Entry("oicp-2.3", "cdr", CDR, JsonCodec(w.ChargeDetailRecord, frozenset({"content", "eroamingchargedetailrecords"}),
                                            message=messages.each), lambda o: o.SessionID),
)  # fmt: skip
