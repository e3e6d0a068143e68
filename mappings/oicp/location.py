"""OICP 2.3 EVSE data (eRoamingEvseData, EvseDataRecordType): one EVSE with its place."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    ROUNDED,
    SAME,
    UTC_TIME,
    At,
    Context,
    Converter,
    Mapping,
    Table,
    derived,
    from_partner,
    no_place,
    no_source,
    row,
)
from bridge.model import location as c
from bridge.model.common import EnergySource, EnergySourceKind, Image, ImageCategory, Impact, ImpactKind, Text
from bridge.model.ids import LocationId, OperatorId, operator_key
from bridge.oicp import wire as w
from mappings.oicp.common import EVSE_ID, GEO, INFO_TEXT, OPERATOR_ID, PHONE_PATTERN, Spelled
from mappings.oicp.hours import Hours
from mappings.oicp.plugs import Plugs
from mappings.shared import COUNTRY, Phone, TwoParts, operator_of, standard_offset

AUTHENTICATION = Table(
    (c.Capability.RFID_CLASSIC, w.AuthenticationMode.NFC_RFID_CLASSIC),
    (c.Capability.RFID_DESFIRE, w.AuthenticationMode.NFC_RFID_DESFIRE),
    (c.Capability.PLUG_AND_CHARGE, w.AuthenticationMode.PN_C),
    (c.Capability.REMOTE_START_STOP, w.AuthenticationMode.REMOTE),
    (c.Capability.DIRECT_PAYMENT, w.AuthenticationMode.DIRECT_PAYMENT),
    (c.Capability.NO_AUTHENTICATION, w.AuthenticationMode.NO_AUTHENTICATION_REQUIRED),
    out={
        c.Capability.CREDIT_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.DEBIT_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.CASH: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.CHIP_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.CONTACTLESS_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.PED_TERMINAL: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.OCHP_DIRECT: w.AuthenticationMode.REMOTE,
    },
    name="AuthenticationModeType",
)

SERVICE = Table(
    (c.Capability.RESERVABLE, w.ValueAddedService.RESERVATION),
    (c.Capability.DYNAMIC_PRICING, w.ValueAddedService.DYNAMIC_PRICING),
    (c.Capability.PARKING_SENSORS, w.ValueAddedService.PARKING_SENSORS),
    (c.Capability.MAXIMUM_POWER_CHARGING, w.ValueAddedService.MAXIMUM_POWER_CHARGING),
    (c.Capability.PREDICTIVE_USAGE, w.ValueAddedService.PREDICTIVE_CHARGE_POINT_USAGE),
    (c.Capability.CHARGING_PLANS, w.ValueAddedService.CHARGING_PLANS),
    (c.Capability.ROOF, w.ValueAddedService.ROOF_PROVIDED),
    name="ValueAddedServiceType",
)


class Capabilities(Converter):
    """One set here; authentication modes and value-added services there.

    RFID in general (OCPI's RFID_READER) is what the partner file says with ``rfid`` (for example RFID_CLASSIC and
    RFID_DESFIRE); where nothing tells an authentication mode, ``authentication`` does. No service is written "None".
    """

    note = "capabilities <-> authentication modes and value-added services"
    always = True
    key_hint = "authentication"
    tables = (AUTHENTICATION, SERVICE)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        modes: list[w.AuthenticationMode] = []
        services: list[w.ValueAddedService] = []
        for i, one in enumerate(value or ()):
            path = f"{at.src[0]}[{i}]"
            if one is c.Capability.RFID:
                self._rfid(modes, cx, path)
            elif one in SERVICE.exact_out:
                services.append(SERVICE.exact_out[one])
            elif one in AUTHENTICATION.exact_out:
                modes.append(AUTHENTICATION.exact_out[one])
            elif one in AUTHENTICATION.narrow_out:
                mode = AUTHENTICATION.narrow_out[one]
                cx.lose(path, NARROWED, one, f"{mode.value} is the nearest in OICP")
                modes.append(mode)
            else:
                cx.lose(path, DROPPED, one, "OICP has no such capability")
        if not modes:
            configured = cx.constants.get("authentication") or ()
            modes = [AUTHENTICATION.exact_out[o] for o in configured if o in AUTHENTICATION.exact_out]
            if modes:
                cx.lose(at.dst[0], DEFAULTED, [m.value for m in modes], "configured: authentication")
        return tuple(dict.fromkeys(modes)) or None, tuple(dict.fromkeys(services)) or (w.ValueAddedService.NO_SERVICE,)

    def _rfid(self, modes: list[w.AuthenticationMode], cx: Context, path: str) -> None:
        configured = [AUTHENTICATION.exact_out[o] for o in cx.constants.get("rfid") or () if o in AUTHENTICATION.exact_out]
        if configured:
            cx.lose(
                path,
                NARROWED,
                c.Capability.RFID,
                f"{', '.join(m.value for m in configured)} (configured: rfid)",
            )
            modes.extend(configured)
        else:
            cx.lose(
                path,
                DROPPED,
                c.Capability.RFID,
                "OICP tells Classic from DESFire; set rfid in the partner file",
            )

    def back(self, value: Any, cx: Context, at: At) -> Any:
        found = [AUTHENTICATION.exact_back[m] for m in value[0] or ()]
        found += [SERVICE.exact_back[s] for s in value[1] or () if s is not w.ValueAddedService.NO_SERVICE]
        return tuple(dict.fromkeys(found))


PAYMENT = Table(
    (c.PaymentOption.NO_PAYMENT, w.PaymentOption.NO_PAYMENT),
    (c.PaymentOption.DIRECT, w.PaymentOption.DIRECT),
    (c.PaymentOption.CONTRACT, w.PaymentOption.CONTRACT),
    name="PaymentOptionType",
).covers(c.PaymentOption, w.PaymentOption)

ACCESSIBILITY = Table(
    (c.Accessibility.FREE_PUBLIC, w.Accessibility.FREE_PUBLICLY_ACCESSIBLE),
    (c.Accessibility.PAYING_PUBLIC, w.Accessibility.PAYING_PUBLICLY_ACCESSIBLE),
    (c.Accessibility.RESTRICTED, w.Accessibility.RESTRICTED_ACCESS),
    (c.Accessibility.TEST_STATION, w.Accessibility.TEST_STATION),
    name="AccessibilityType",
).covers(c.Accessibility, w.Accessibility)

ACCESS_LOCATION = Table(
    (c.ParkingType.ON_STREET, w.AccessibilityLocation.ON_STREET),
    (c.ParkingType.PARKING_LOT, w.AccessibilityLocation.PARKING_LOT),
    (c.ParkingType.PARKING_GARAGE, w.AccessibilityLocation.PARKING_GARAGE),
    (c.ParkingType.UNDERGROUND_GARAGE, w.AccessibilityLocation.UNDERGROUND_PARKING_GARAGE),
    never={
        c.ParkingType.ALONG_MOTORWAY: "OICP has no motorway",
        c.ParkingType.ON_DRIVEWAY: "OICP has no driveway",
        c.ParkingType.PRIVATE: "OICP does not tell private ground",
        c.ParkingType.OTHER: "OICP has no other kind",
        c.ParkingType.UNKNOWN: "OICP leaves an unknown kind out",
    },
    name="AccessibilityLocationType",
).covers(c.ParkingType, w.AccessibilityLocation)

CALIBRATION = Table(
    (c.CalibrationData.LOCAL, w.CalibrationLawDataAvailability.LOCAL),
    (c.CalibrationData.EXTERNAL, w.CalibrationLawDataAvailability.EXTERNAL),
    (c.CalibrationData.NOT_AVAILABLE, w.CalibrationLawDataAvailability.NOT_AVAILABLE),
    name="CalibrationLawDataAvailabilityType",
).covers(c.CalibrationData, w.CalibrationLawDataAvailability)

DYNAMIC_INFO = Table(
    (c.DynamicInfo.YES, w.DynamicInfoAvailable.TRUE),
    (c.DynamicInfo.NO, w.DynamicInfoAvailable.FALSE),
    (c.DynamicInfo.AUTO, w.DynamicInfoAvailable.AUTO),
    name="DynamicInfoAvailable",
).covers(c.DynamicInfo, w.DynamicInfoAvailable)

ENERGY = Table(
    (EnergySourceKind.SOLAR, w.EnergyType.SOLAR),
    (EnergySourceKind.WIND, w.EnergyType.WIND),
    (EnergySourceKind.WATER, w.EnergyType.HYDRO_POWER),
    (EnergySourceKind.GEOTHERMAL, w.EnergyType.GEOTHERMAL_ENERGY),
    (EnergySourceKind.BIOMASS, w.EnergyType.BIOMASS),
    (EnergySourceKind.COAL, w.EnergyType.COAL),
    (EnergySourceKind.NUCLEAR, w.EnergyType.NUCLEAR_ENERGY),
    (EnergySourceKind.PETROLEUM, w.EnergyType.PETROLEUM),
    (EnergySourceKind.GAS, w.EnergyType.NATURAL_GAS),
    never={
        EnergySourceKind.GENERAL_FOSSIL: "OICP names the fuel",
        EnergySourceKind.GENERAL_GREEN: "OICP names the renewable source",
    },
    name="EnergyType",
).covers(EnergySourceKind, w.EnergyType)


class Sources(Converter):
    """Energy sources with whole percentages."""

    note = "energy sources, whole percentages"
    tables = (ENERGY,)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        made = []
        for i, one in enumerate(value):
            kind = ENERGY.out(one.kind, cx, At((f"{at.src[0]}[{i}]",), ("",)))
            if kind is None:
                continue
            share = one.percentage
            if share is not None and share != int(share):
                cx.lose(f"{at.src[0]}[{i}].percentage", ROUNDED, share, "whole percentages in OICP")
                share = share.to_integral_value(ROUND_HALF_UP)
            made.append(w.EnergySource(Energy=kind, Percentage=None if share is None else int(share)))
        return tuple(made) or None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        made = []
        for i, one in enumerate(value):
            if one.Energy is None:
                cx.lose(f"{at.src[0]}[{i}]", DROPPED, one.Percentage, "a share without a source")
                continue
            made.append(EnergySource(ENERGY.exact_back[one.Energy], None if one.Percentage is None else Decimal(one.Percentage)))
        return tuple(made) or None


class Impacts(Converter):
    """CO2 and nuclear waste in g/kWh."""

    note = "CO2 and nuclear waste"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        found: dict[ImpactKind, Decimal] = {}
        for i, one in enumerate(value):
            if one.kind in found:
                cx.lose(f"{at.src[0]}[{i}]", DROPPED, one.amount, "told twice")
            else:
                found[one.kind] = one.amount
        return w.EnvironmentalImpact(CO2Emission=found.get(ImpactKind.CARBON_DIOXIDE),
                                     NuclearWaste=found.get(ImpactKind.NUCLEAR_WASTE))  # fmt: skip

    def back(self, value: Any, cx: Context, at: At) -> Any:
        made = []
        if value.CO2Emission is not None:
            made.append(Impact(ImpactKind.CARBON_DIOXIDE, value.CO2Emission))
        if value.NuclearWaste is not None:
            made.append(Impact(ImpactKind.NUCLEAR_WASTE, value.NuclearWaste))
        return tuple(made) or None


class Zone(Converter):
    """TimeZone ``UTC+01:00``: the offset as told, else the standard time of the place's zone."""

    note = "UTC offset of standard time"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        zone, offset = value
        if zone is not None:
            standard = standard_offset(zone, cx.facts.now)
            cx.lose(at.src[0], NARROWED if standard else DROPPED, zone, "OICP has an offset, no time zone")
            if offset is None and standard is not None:
                cx.lose(at.dst[0], DEFAULTED, standard, "standard time of the zone")
            return offset or standard
        return offset

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return None, value


class Picture(Converter):
    """One URL of a picture of the charging station."""

    note = "URL of the first picture of the charger"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        chosen: Image | None = None
        for i, one in enumerate(value):
            path = f"{at.src[0]}[{i}]"
            if chosen is not None or one.category not in (ImageCategory.CHARGER, None):
                cx.lose(path, DROPPED, one.url, "one picture of the charger in OICP")
            elif len(one.url) > 200:
                cx.lose(path, DROPPED, one.url, "a URL of at most 200 characters in OICP")
            else:
                chosen = one
                for name in ("thumbnail", "type", "width", "height"):
                    if getattr(one, name) is not None:
                        cx.lose(f"{path}.{name}", DROPPED, getattr(one, name), "OICP has the URL only")
                if one.category is None:
                    cx.lose(f"{path}.category", NARROWED, None, "read back as a picture of the charger")
        return chosen.url if chosen else None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return (Image(value, ImageCategory.CHARGER),)


class Entrance(Converter):
    """One entrance among the related points."""

    note = "the first entrance"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        chosen = None
        for i, one in enumerate(value):
            path = f"{at.src[0]}[{i}]"
            if chosen is not None or one.kind is not c.PointKind.ENTRANCE:
                cx.lose(path, DROPPED, str(one.kind or "a point"), "OICP knows one entrance")
                continue
            chosen = GEO.out(one.point, cx, At((f"{path}.point",), at.dst))
            if one.name is not None:
                cx.lose(f"{path}.name", DROPPED, one.name.text, "OICP's entrance has no name")
        return chosen

    def back(self, value: Any, cx: Context, at: At) -> Any:
        made = GEO.back(value, cx, at)
        return None if made is None else (c.RelatedPoint(made, c.PointKind.ENTRANCE),)


class Operator(Converter):
    """The operator: OperatorID of pulled records, else the one that the EVSE-ID names."""

    note = "the operator that the EVSE-ID names, or OperatorID"

    def __init__(self, *, told: bool) -> None:
        self.told = told

    def out(self, value: Any, cx: Context, at: At) -> Any:
        operator, evse_id = value
        wire_id = None if evse_id is None else EVSE_ID.out(evse_id, cx, At((at.src[1],), ("EvseID",)))
        named = operator_of(evse_id)
        if not self.told:
            if operator is None and named is not None:
                cx.lose("EvseID", DEFAULTED, named, "the EVSE-ID names the operator")
            elif operator is not None and (named is None or operator_key(named) != operator_key(operator)):
                cx.lose(at.src[0], DROPPED, operator, "the operator of a push is told once per message")
            elif operator is not None and str(operator) != str(named):
                cx.lose(at.src[0], NARROWED, operator, f"read back as {named}")
            return wire_id
        wire_operator = None if operator is None else OPERATOR_ID.out(operator, cx, At((at.src[0],), at.dst))
        if wire_operator is None and named is not None:
            cx.lose(at.dst[0], DEFAULTED, named, "the EVSE-ID names the operator")
            wire_operator = str(named)
        return wire_operator, wire_id

    def back(self, value: Any, cx: Context, at: At) -> Any:
        told, evse_id = value if self.told else (None, value)
        operator = OperatorId(told) if told else operator_of(evse_id)
        if self.told and not told and operator is not None:
            cx.lose(at.dst[0], DEFAULTED, operator, "the EVSE-ID names the operator")
        return operator, EVSE_ID.kind(evse_id)


NAMES_FROM_ADDRESS = "the address, for want of a name"


def _address_name(o: c.Unit, cx: Context) -> Any:
    a = o.place.address
    line = a.line or (f"{a.street} {a.house_number}" if a.street else None)
    return (Text(line),) if line else None


def _operator_name(o: c.Unit, cx: Context) -> Any:
    return cx.constants.get("operator_name")


_OCPI_ONLY = "only OCPI has it"
_OCHP_ONLY = "only OCHP has it"

PUSHED = Mapping(c.Unit, w.EvseDataRecord, (
    row(("place.operator_id", "evse.id"), ("OperatorID", "EvseID"), Operator(told=True)),
    row("place.operator.name", "OperatorName", or_else=from_partner("operator_name")),
    row("evse.last_updated", "lastUpdate", UTC_TIME),
    row("place.id", "ChargingPoolID", Spelled(
        LocationId, re.compile(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?P[A-Za-z0-9*]{1,30}"), name="ChargingPoolID")),
    row("evse.station_id", "ChargingStationId"),
    row("place.names", "ChargingStationNames", INFO_TEXT, many=True, or_else=derived(_address_name, NAMES_FROM_ADDRESS)),
    row("evse.manufacturer", "HardwareManufacturer"),
    row("evse.images", "ChargingStationImage", Picture()),
    row("place.suboperator.name", "SubOperatorName"),
    row(("place.address.street", "place.address.house_number", "place.address.line"), ("Address.Street", "Address.HouseNum"),
        TwoParts(re.compile(r".{1,10}"), mandatory=True, limit=100)),
    row("place.address.country", "Address.Country", COUNTRY),
    row("place.address.city", "Address.City"),
    row("place.address.postal_code", "Address.PostalCode", SAME, or_else=from_partner("postal_code")),
    row("place.address.state", "Address.Region"),
    row("evse.floor", "Address.Floor"),
    row("evse.parking_facility", "Address.ParkingFacility"),
    row("evse.parking_spot", "Address.ParkingSpot"),
    row(("place.time_zone", "place.utc_offset"), "Address.TimeZone", Zone()),
    row("place.coordinates", "GeoCoordinates", GEO),
    row(("evse.connectors", "evse.power_levels"), ("Plugs", "ChargingFacilities"), Plugs(),
        using=("evse.ratings", "evse.current"), hints={
        "evse.connectors.plug": "Plugs", "evse.connectors.format": "Plugs", "evse.connectors": "Plugs",
        "evse.connectors.power_type": "ChargingFacilities", "evse.connectors.max_voltage": "ChargingFacilities",
        "evse.connectors.max_amperage": "ChargingFacilities", "evse.connectors.max_power": "ChargingFacilities",
        "evse.connectors.modes": "ChargingFacilities"}),
    row("evse.dynamic_power", "DynamicPowerLevel"),
    row("place.energy_mix.is_green", "RenewableEnergy", SAME, or_else=from_partner("renewable_energy")),
    row("place.energy_mix.sources", "EnergySource", Sources()),
    row("place.energy_mix.impacts", "EnvironmentalImpact", Impacts()),
    row("evse.calibration", "CalibrationLawDataAvailability", CALIBRATION, or_else=from_partner("calibration")),
    row("evse.capabilities", ("AuthenticationModes", "ValueAddedServices"), Capabilities(), hints={
        "evse.capabilities": "AuthenticationModes"}),
    row("evse.max_capacity_kwh", "MaxCapacity"),
    row("evse.payment_options", "PaymentOptions", PAYMENT, many=True, or_else=from_partner("payment_options")),
    row("evse.accessibility", "Accessibility", ACCESSIBILITY, or_else=from_partner("accessibility")),
    row("place.parking_type", "AccessibilityLocation", ACCESS_LOCATION),
    row("place.help_phone", "HotlinePhoneNumber", Phone(PHONE_PATTERN), or_else=from_partner("hotline")),
    row("evse.additional_info", "AdditionalInfo", INFO_TEXT, many=True),
    row("evse.directions", "ChargingStationLocationReference", INFO_TEXT, many=True),
    row("place.related_points", "GeoChargingPointEntrance", Entrance()),
    row("place.hours", ("IsOpen24Hours", "OpeningTimes"), Hours(), hints={"place.hours.regular": "OpeningTimes"}),
    row("evse.hub_operator_id", "HubOperatorID", OPERATOR_ID),
    row("evse.clearing_house_id", "ClearinghouseID"),
    row("evse.hubject_compatible", "IsHubjectCompatible", SAME, or_else=from_partner("hubject_compatible")),
    row("evse.dynamic_info", "DynamicInfoAvailable", DYNAMIC_INFO, or_else=from_partner("dynamic_info")),
    no_source("deltaType", because="Hubject's mark of a change since the last call; nothing about the EVSE"),
    no_place("evse.uid", because="OICP knows EVSEs by their EVSE-ID only"),
    no_place("evse.status", because="OICP sends the status by itself (eRoamingPushEvseStatus)"),
    no_place("evse.status_schedule", because="OICP has no planned status"),
    no_place("evse.current", because=_OCHP_ONLY),
    no_place("evse.ratings", because="the power goes into a facility; OICP has no ratings"),
    no_place("evse.coordinates", because="OICP has one point per record, the place's"),
    no_place("evse.physical_reference", because="OICP has no mark on the EVSE"),
    no_place("evse.parking_restrictions", because="OICP has no parking restriction"),
    no_place("evse.parking", because="only OCPI 2.3.0 has it"),
    no_place("evse.parking_spots", because=_OCHP_ONLY),
    no_place("evse.accepted_providers", because="only OCPI 2.3.0 has it"),
    no_place("evse.metering", because="only OCHP 1.4.1 has it"),
    no_place("evse.user_interface_languages", because=_OCHP_ONLY),
    no_place("evse.max_reservation_minutes", because=_OCHP_ONLY),
    no_place("place.publish", because="what may not be published is not pushed", reads_as=True, refuse_when=False),
    no_place("place.publish_allowed_to", because="OICP has no list of those who may see an EVSE"),
    no_place("place.operator.website", because="OICP has the operator's name only"),
    no_place("place.operator.logo", because="OICP has the operator's name only"),
    no_place("place.suboperator.website", because="OICP has the sub-operator's name only"),
    no_place("place.suboperator.logo", because="OICP has the sub-operator's name only"),
    no_place("place.owner", because=_OCPI_ONLY),
    no_place("place.directions", because="OICP describes the way per EVSE"),
    no_place("place.facilities", because=_OCPI_ONLY),
    no_place("place.parking_places", because="only OCPI 2.3.0 has it"),
    no_place("place.charging_when_closed", because="OICP has no such field"),
    no_place("place.images", because="OICP has one picture, of the charging station"),
    no_place("place.related_resources", because=_OCHP_ONLY),
    no_place("place.energy_mix.supplier", because=_OCPI_ONLY),
    no_place("place.energy_mix.product", because=_OCPI_ONLY),
    no_place("place.last_updated", because="OICP dates the EVSE"),
), name="EvseDataRecord", shared="place")  # fmt: skip
"""The record with its operator, as a push message or a pull answer tells it."""

EVSE = PUSHED.but(
    row(("place.operator_id", "evse.id"), "EvseID", Operator(told=False)),
    no_source("OperatorID", because="part of the message, not of the record"),
    no_source("OperatorName", because="part of the message, not of the record"),
    no_place("place.operator.name", because="told once per message, not in the record"),
    name="EvseDataRecord",
)
"""The record alone, as `EvseDataRecordType` has it."""

__all__ = ["EVSE", "PUSHED"]
