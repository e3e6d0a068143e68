"""The normal forms up to which a round trip has to give the same: all of them, each with its reason.

Beyond this table only what :mod:`tests.laws.difference` says of every field holds: absent, null and empty are the
same, trailing zeros and the spelling of a zone do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from bridge.mapping import At, Context
from bridge.model import common
from bridge.model import location as c
from bridge.ochp import wire as ochp
from bridge.oicp import wire as oicp
from mappings.oicp.common import GEO
from mappings.oicp.location import DAYS_OF


@frozen
class Form:
    """How one field is compared: as a set, or by what ``said`` makes of its value; and why that is fair."""

    cls: type
    field: str
    because: str
    said: Callable[[Any], Any] | None = None

    @property
    def unordered(self) -> bool:
        """Whether the field is a list whose order means nothing."""
        return self.said is None


def _spans(times: Any) -> Any:
    return frozenset((day, p.begin, p.end) for one in times for p in one.Period for day in DAYS_OF[one.on])


def _point(value: Any) -> Any:
    return GEO.back(value, Context(), At(("",), ("",)))


_SET = "a set: no protocol gives the order a meaning"

_FORMS = (
    Form(c.Evse, "capabilities", _SET),
    Form(c.Evse, "payment_options", _SET),
    Form(common.EnergyMix, "impacts", "a set; OICP has a field for each kind"),
    Form(c.Hours, "regular", "weekly spans of time; OICP groups them by span, so their order is not kept"),
    Form(oicp.EvseDataRecord, "AuthenticationModes", _SET),
    Form(oicp.EvseDataRecord, "ValueAddedServices", _SET),
    Form(oicp.EvseDataRecord, "PaymentOptions", _SET),
    Form(oicp.EvseDataRecord, "OpeningTimes", "the same spans can be told by day, by Workdays or by Everyday", _spans),
    Form(ochp.ChargePointInfo, "images", "the pictures of place and EVSE, gathered in one list"),
    Form(ochp.EvseStatus, "minor", "available without a minor status is available/available: no other pair has that one",
         lambda minor: None if minor is ochp.Minor.AVAILABLE else minor),
    Form(oicp.EvseDataRecord, "GeoCoordinates", "a point has three spellings", _point),
    Form(oicp.EvseDataRecord, "GeoChargingPointEntrance", "a point has three spellings", _point),
)  # fmt: skip

FORMS = {(form.cls, form.field): form for form in _FORMS}

NOTHING_SAID: dict[tuple[type, str], Any] = {
    # Mandatory, and its value for "no service at all": the record says nothing with it.
    (oicp.EvseDataRecord, "ValueAddedServices"): (oicp.ValueAddedService.NO_SERVICE,),
}
"""Values by which a mandatory field says that there is nothing to say: as good as absent."""
