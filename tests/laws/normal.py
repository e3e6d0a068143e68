"""The normal forms up to which a round trip has to give the same: all of them, each with its reason.

Beyond this table only what :mod:`bridge.mapping.difference` says of every field holds: absent, null and empty are the
same, trailing zeros and the spelling of a zone do not matter.
"""

from __future__ import annotations

from typing import Any

from bridge.codec.xml import LocalTime
from bridge.mapping import At, Context
from bridge.mapping.difference import Form, Normal
from bridge.model import common, tariff
from bridge.model import location as c
from bridge.ochp import wire as ochp
from bridge.oicp import wire as oicp
from mappings.oicp.common import GEO
from mappings.oicp.hours import DAYS_OF


def _spans(times: Any, owner: Any) -> Any:
    return frozenset((day, p.begin, p.end) for one in times for p in one.Period for day in DAYS_OF[one.on])


def _point(value: Any, owner: Any) -> Any:
    return GEO.back(value, Context(), At(("",), ("",)))


STEPPED = (ochp.BillingItem.ENERGY, ochp.BillingItem.USAGETIME, ochp.BillingItem.PARKINGTIME)
"""What OCHP bills in steps of a unit."""

_SET = "a set: no protocol gives the order a meaning"

_FORMS = (
    Form(c.Evse, "capabilities", _SET),
    Form(c.Evse, "payment_options", _SET),
    Form(c.Evse, "power_levels", "facilities that nothing ties to a plug; those of the plugs may be read among them"),
    Form(c.Evse, "images", "OCHP gathers the pictures of place and EVSE in one list"),
    Form(c.Place, "images", "OCHP gathers the pictures of place and EVSE in one list"),
    Form(common.EnergyMix, "impacts", "a set; OICP has a field for each kind"),
    Form(c.Hours, "regular", "weekly spans of time; OICP groups them by span, so their order is not kept"),
    Form(oicp.EvseDataRecord, "AuthenticationModes", _SET),
    Form(oicp.EvseDataRecord, "ValueAddedServices", _SET),
    Form(oicp.EvseDataRecord, "PaymentOptions", _SET),
    Form(oicp.EvseDataRecord, "OpeningTimes", "the same spans can be told by day, by Workdays or by Everyday", _spans),
    Form(ochp.ChargePointInfo, "images", "the pictures of place and EVSE, gathered in one list"),
    Form(ochp.EvseStatus, "minor", "available without a minor status is available/available: no other pair has that one",
         lambda minor, owner: None if minor is ochp.Minor.AVAILABLE else minor),
    Form(ochp.EmtId, "representation", "plain is the schema's default",
         lambda how, owner: None if how is ochp.Representation.PLAIN else how),
    Form(ochp.TariffRestriction, "regularHours", "weekly spans of time: a set"),
    Form(ochp.PriceComponent, "stepSize", "a fee has no step, and 0 and 1 both say so",
         lambda step, owner: None if owner.billingItem not in STEPPED and step in (0, 1) else step),
    Form(oicp.PricingProductDataRecord, "AdditionalReferences", "a set: each fee is told once"),
    Form(tariff.TariffElement, "components", "a set: one price per dimension"),
    Form(oicp.EvseDataRecord, "GeoCoordinates", "a point has three spellings", _point),
    Form(oicp.EvseDataRecord, "GeoChargingPointEntrance", "a point has three spellings", _point),
)  # fmt: skip

FORMS = {(form.cls, form.field): form for form in _FORMS}

CAVEATS: dict[str, str] = {
    "OICP bills from ChargingStart to ChargingEnd, pauses included": "the price comes back, but what it is charged for differs",
    "the product valid when charging starts holds for the whole session in OICP": "the hours come back, but they hold otherwise",
    "a fixed fee stands beside a base price of zero": "a mandatory price; zero beside a fixed fee is read as none",
}
"""Losses about what a value means over there: told though the value itself comes back. By their reason; and why so."""

NOTHING_SAID: dict[tuple[type, str], Any] = {
    # Mandatory, and its value for "no service at all": the record says nothing with it.
    (oicp.EvseDataRecord, "ValueAddedServices"): (oicp.ValueAddedService.NO_SERVICE,),
}
"""Values by which a mandatory field says that there is nothing to say: as good as absent."""

NORMAL = Normal(FORMS, NOTHING_SAID, (LocalTime,))
"""What the laws compare by."""
