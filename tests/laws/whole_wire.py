"""Strategies of wire classes whose fields depend on each other, by the specifications of their protocols."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from bridge.mapping.shape import shape
from bridge.ochp import wire as ochp
from bridge.ocpi.wire import v211 as ocpi211
from bridge.ocpi.wire import v221 as ocpi
from bridge.oicp import wire as oicp
from tests.laws.generators import fields, objects
from tests.laws.values import MONEY, NOON, OCHP, Strategy, often, picked

NOTIFIED = {
    oicp.ChargingNotificationType.START: ("ChargingStart", "SessionStart", "MeterValueStart", "PartnerProductID"),
    oicp.ChargingNotificationType.PROGRESS: (
        "ChargingStart",
        "EventOccurred",
        "ChargingDuration",
        "SessionStart",
        "ConsumedEnergyProgress",
        "MeterValueStart",
        "MeterValueInBetween",
        "PartnerProductID",
    ),
    oicp.ChargingNotificationType.END: (
        "ChargingStart",
        "ChargingEnd",
        "SessionStart",
        "SessionEnd",
        "ConsumedEnergy",
        "MeterValueStart",
        "MeterValueEnd",
        "MeterValueInBetween",
        "PartnerProductID",
        "PenaltyTimeStart",
    ),
    oicp.ChargingNotificationType.ERROR: ("ErrorType", "ErrorAdditionalInfo"),
}
"""Which fields each of the four notifications has besides those that all have (OICP 2.3, eRoamingChargingNotifications)."""

_ALL_NOTIFIED = ("Type", "SessionID", "CPOPartnerSessionID", "EMPPartnerSessionID", "Identification", "EvseID", "OperatorID")
_MUST_NOTIFY = {"ChargingStart", "EventOccurred", "ChargingEnd", "ErrorType"}


@st.composite
def _oicp_notification(draw: st.DrawFn, full: bool) -> Any:
    """One of four notifications, with its own fields only."""
    whole = draw(fields(oicp.ChargingNotification, True))
    own = NOTIFIED[whole.Type]
    keep = {*_ALL_NOTIFIED[:2], "EvseID", "OperatorID", *(_MUST_NOTIFY & set(own))}
    keep |= {name for name in (*own, *_ALL_NOTIFIED) if full or draw(st.booleans())}
    return oicp.ChargingNotification(**{name: getattr(whole, name) for name in shape(oicp.ChargingNotification) if name in keep})


@st.composite
def _oicp_product(draw: st.DrawFn, full: bool) -> Any:
    """Valid always, or at the times told; each fee once, in a unit that it can have."""
    made = draw(fields(oicp.PricingProductDataRecord, full))
    times: dict[Any, Any] = {}
    if not made.IsValid24hours:
        day = draw(picked(oicp.DayOfWeek.MONDAY, oicp.DayOfWeek.SUNDAY, oicp.DayOfWeek.EVERYDAY, oicp.DayOfWeek.WORKDAYS))
        begin, end = draw(picked(("06:00", "20:00"), ("00:00", "12:00")))
        times[day] = oicp.ProductAvailabilityTimes(Period=(oicp.Period(begin=begin, end=end),), on=day)
    made.ProductAvailabilityTimes = tuple(times.values())
    fees: dict[Any, Any] = {}
    for kind in draw(st.lists(st.sampled_from(oicp.AdditionalReference), max_size=3, unique=True)):
        fees[kind] = oicp.AdditionalReferences(
            AdditionalReference=kind, AdditionalReferenceUnit=oicp.ReferenceUnit.HOUR, PricePerAdditionalReferenceUnit=draw(MONEY)
        )
    made.AdditionalReferences = tuple(fees.values()) or None
    return made


@st.composite
def _oicp_signed(draw: st.DrawFn, full: bool) -> Any:
    """A value, with the moment it is of or without."""
    made = draw(fields(oicp.SignedMeteringValue, full))
    made.SignedMeteringValue = made.SignedMeteringValue or "AP;0;3;ALCV3ABB"
    return made


@st.composite
def _oicp_record(draw: st.DrawFn, full: bool) -> Any:
    """Open around the clock, or at the times told; services or the word that there are none."""
    made = draw(fields(oicp.EvseDataRecord, full))
    services = made.ValueAddedServices or ()
    made.ValueAddedServices = tuple(dict.fromkeys(s for s in services if s is not oicp.ValueAddedService.NO_SERVICE)) or (
        oicp.ValueAddedService.NO_SERVICE,
    )
    if made.IsOpen24Hours:
        made.OpeningTimes = None
    return made


@st.composite
def _oicp_point(draw: st.DrawFn, full: bool) -> Any:
    """Exactly one of the three spellings."""
    how = draw(picked("Google", "Google", "DecimalDegree", "DegreeMinuteSeconds"))
    if how == "DegreeMinuteSeconds":
        point: Any = oicp.GeoCoordinatesDegreeMinuteSeconds(Latitude="52°31'12.0''", Longitude="-0°7'39.9''")
    else:
        point = draw(objects(shape(oicp.GeoCoordinates)[how].type))
    return oicp.GeoCoordinates(**{how: point})


@st.composite
def _oicp_identification(draw: st.DrawFn, full: bool) -> Any:
    """Exactly one kind of identification."""
    one = draw(st.sampled_from(list(shape(oicp.Identification).values())))
    return oicp.Identification(**{one.name: draw(objects(one.type, full=full))})


@st.composite
def _oicp_impact(draw: st.DrawFn, full: bool) -> Any:
    """At least one of the two."""
    carbon = draw(picked(Decimal("120.5"), None))
    return oicp.EnvironmentalImpact(CO2Emission=carbon, NuclearWaste=Decimal("0.1") if full or carbon is None else None)


@st.composite
def _oicp_source(draw: st.DrawFn, full: bool) -> Any:
    """A source, with its share or without."""
    made = draw(fields(oicp.EnergySource, full))
    made.Energy = made.Energy or oicp.EnergyType.SOLAR
    return made


@st.composite
def _ocpi_hours(draw: st.DrawFn, full: bool) -> Any:
    """Around the clock, or at the times told."""
    made = draw(fields(ocpi.Hours, True))
    if made.twentyfourseven:
        made.regular_hours = None
    return made


@st.composite
def _ocpi211_hours(draw: st.DrawFn, full: bool) -> Any:
    """The flag, regular hours, or both."""
    made = draw(fields(ocpi211.Hours, True))
    if made.twentyfourseven:
        made.regular_hours = None
    elif draw(st.booleans()):
        made.twentyfourseven = None
    return made


@st.composite
def _ocpi211_location(draw: st.DrawFn, full: bool) -> Any:
    """One of a session or CDR: with its one EVSE and connector, mostly."""
    made = draw(fields(ocpi211.Location, full))
    if made.evses and draw(often([True], [False])):
        made.evses = made.evses[:1]
        made.evses[0].connectors = made.evses[0].connectors[:1]
    return made


@st.composite
def _ocpi211_record(draw: st.DrawFn, cls: Any, full: bool) -> Any:
    """A session or CDR at a place."""
    made = draw(fields(cls, full))
    made.location = draw(_ocpi211_location(full))
    return made


@st.composite
def _ocpi_regular(draw: st.DrawFn, full: bool) -> Any:
    begin, end = draw(picked(("08:00", "20:00"), ("00:00", "23:59"), ("08:00", "12:00")))
    return ocpi.RegularHours(weekday=draw(st.integers(1, 7)), period_begin=begin, period_end=end)


@st.composite
def _ochp_hours(draw: st.DrawFn, full: bool) -> Any:
    """Regular hours or the flag, never both."""
    made = draw(fields(ochp.Hours, True))
    if draw(st.booleans()):
        made.regularHours = None
    else:
        made.twentyfourseven = None
    return made


@st.composite
def _ochp_authorisation(draw: st.DrawFn, full: bool) -> Any:
    """A card or a car: remote tokens must not be uploaded (OCHP 1.4, RoamingAuthorisationInfo)."""
    made = draw(fields(ochp.RoamingAuthorisationInfo, full))
    if made.EmtId.tokenType is ochp.TokenType.REMOTE:
        made.EmtId.tokenType = ochp.TokenType.ISO15118
    return made


LIVE = (
    (ochp.Major.AVAILABLE, ochp.Minor.AVAILABLE),
    (ochp.Major.AVAILABLE, ochp.Minor.RESERVED),
    (ochp.Major.NOT_AVAILABLE, ochp.Minor.CHARGING),
    (ochp.Major.NOT_AVAILABLE, ochp.Minor.BLOCKED),
    (ochp.Major.NOT_AVAILABLE, ochp.Minor.RESERVED),
    (ochp.Major.NOT_AVAILABLE, ochp.Minor.OUTOFORDER),
    (ochp.Major.NOT_AVAILABLE, None),
    (ochp.Major.UNKNOWN, None),
    (ochp.Major.AVAILABLE, None),
)


@st.composite
def _ochp_status(draw: st.DrawFn, full: bool) -> Any:
    """A live status; the static one has an element of its own, and no live one beside it."""
    major, minor = draw(picked(*LIVE))
    return ochp.EvseStatus(major=major, minor=minor, ttl=draw(picked(None, NOON)), evseId=draw(OCHP["evseId"]))


WIRE: dict[type, Callable[[bool], Strategy]] = {
    oicp.EvseDataRecord: _oicp_record,
    oicp.GeoCoordinates: _oicp_point,
    oicp.Identification: _oicp_identification,
    oicp.EnvironmentalImpact: _oicp_impact,
    oicp.EnergySource: _oicp_source,
    oicp.ChargingNotification: _oicp_notification,
    oicp.PricingProductDataRecord: _oicp_product,
    oicp.SignedMeteringValue: _oicp_signed,
    ocpi211.Hours: _ocpi211_hours,
    ocpi211.Session: lambda full: _ocpi211_record(ocpi211.Session, full),
    ocpi211.CDR: lambda full: _ocpi211_record(ocpi211.CDR, full),
    ocpi.Hours: _ocpi_hours,
    ocpi.RegularHours: _ocpi_regular,
    ochp.Hours: _ochp_hours,
    ochp.EvseStatus: _ochp_status,
    ochp.RoamingAuthorisationInfo: _ochp_authorisation,
}
"""Strategies of the wire classes."""
