"""The part of an OCPI 2.2.1 EVSE that a status update carries (PATCH of an EVSE), with what identifies the EVSE."""

from __future__ import annotations

from datetime import datetime

from bridge.codec.wire import Ci36, Ci48, Wire
from bridge.ocpi.wire.v221 import Status


class EvseStatus(Wire, kw_only=True):
    """``status`` and ``last_updated`` of one EVSE; ``location_id`` stands in the URL of the PATCH."""

    location_id: Ci36 | None = None
    uid: Ci36
    evse_id: Ci48 | None = None
    status: Status
    last_updated: datetime
