"""OICP and the canonical model. ``FORMATS`` is what :mod:`bridge.mapping.registry` finds."""

from __future__ import annotations

from bridge.mapping.registry import UNIT, Entry
from bridge.oicp import wire as w
from bridge.translate.files import JsonCodec
from mappings.oicp import messages
from mappings.oicp.location import EVSE, PUSHED
from mappings.oicp.status import STATUS

FORMATS = (
    Entry("oicp-2.3", "location", EVSE.but(name="EvseDataRecord"),
          JsonCodec(w.EvseDataRecord, frozenset({"evsedatarecord", "content"}), ("OperatorID", "OperatorName"),
                    message=messages.evse_data), lambda o: o.EvseID, UNIT, message_mapping=PUSHED),
    Entry("oicp-2.3", "status", STATUS, JsonCodec(w.EvseStatusRecord, frozenset({"evsestatusrecord"}),
                                                  message=messages.evse_status), lambda o: o.EvseID),
)  # fmt: skip
