"""OICP 2.3's field tables as a strict check, written from the specification and independent of the bridge's own readers.

Where Hubject's documents contradict each other on a name or a shape, both are taken, and said so.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bridge.simulate.hubject_types import (
    Either,
    Fault,
    Many,
    Moment,
    Number,
    Obj,
    Text,
    Truth,
    Type,
    below,
    enum,
    text,
    words,
)

# --- simple types ---------------------------------------------------------------------------------------------------

EVSE_ID = text(r"([A-Z]{2}\*?[A-Z0-9]{3}\*?E[A-Z0-9*]{1,30})|(\+?[0-9]{1,3}\*[0-9]{3}\*[0-9*]{1,32})")
EVCO_ID = text(
    r"([A-Za-z]{2}-?[A-Za-z0-9]{3}-?C[A-Za-z0-9]{8}-?[\d|A-Za-z])|"
    r"([A-Za-z]{2}[*|\-]?[A-Za-z0-9]{3}[*|\-]?[A-Za-z0-9]{6}[*|\-]?[\d|X])"
)
PROVIDER_ID = text(r"[A-Za-z]{2}-?[A-Za-z0-9]{3}|[A-Za-z]{2}[*|-]?[A-Za-z0-9]{3}")
OPERATOR_ID = text(r"([A-Za-z]{2}\*?[A-Za-z0-9]{3})|(\+?[0-9]{1,3}\*[0-9]{3})")
SESSION_ID = text(r"[A-Za-z0-9]{8}(-[A-Za-z0-9]{4}){3}-[A-Za-z0-9]{12}")
UID = text(r"[0-9A-F]{8}|[0-9A-F]{14}|[0-9A-F]{20}")
LANGUAGE = text(r"[a-z]{2,3}(?:-[A-Z]{2,3}(?:-[a-zA-Z]{4})?)?(?:-x-[a-zA-Z0-9]{1,8})?")
PHONE = text(r"\+[0-9]{5,15}")
POOL_ID = text(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?P[A-Za-z0-9*]{1,30}")
TIME_ZONE = text(r"UTC[+,-][0-9][0-9]:[0-9][0-9]")
COUNTRY = text(r"[A-Z]{3}")
CURRENCY = text(r"[A-Z]{3}")
CLOCK = text(r"[0-9]{2}:[0-9]{2}")
PRODUCT_ID = Text(50, 1)
PARTNER_SESSION = Text(250)
ENERGY = Number(3)
MONEY = Number()
CODE = words("000 001 002 009 017 018 019 021 022 101 102 103 105 106 110 120 121 122 200 210 300 310 320 400 501 510 601 602 603 604 700")
DAY = words("Everyday Workdays Weekend Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
ACTION = words("fullLoad update insert delete")
UNIT = words("HOUR KILOWATT_HOUR MINUTE")

_SESSIONS: dict[str, Type] = {"CPOPartnerSessionID": PARTNER_SESSION, "EMPPartnerSessionID": PARTNER_SESSION}

# --- identification -------------------------------------------------------------------------------------------------

_HASHED = Obj(
    {"Value": text(r"[0-9A-Za-z\\.+/=\\$]{10,100}"), "Function": enum("Bcrypt")},
    {"LegacyHashData": Obj({"Function": enum("MD5", "SHA-1")}, {"Salt": Text(100), "Value": Text(20)})},
)
_EVCO = Obj({"EvcoID": EVCO_ID})
_WAYS: dict[str, Type] = {
    "RFIDMifareFamilyIdentification": Obj({"UID": UID}),
    "RFIDIdentification": Obj(
        {"UID": UID, "RFID": words("mifareCls mifareDes calypso nfc mifareFamily")},
        {"EvcoID": EVCO_ID, "PrintedNumber": Text(150), "ExpiryDate": Moment()},
    ),
    "QRCodeIdentification": Obj({"EvcoID": EVCO_ID}, {"HashedPIN": _HASHED, "PIN": Text(20)}),
    "PlugAndChargeIdentification": _EVCO,
    "RemoteIdentification": _EVCO,
}
IDENTIFICATION = Obj({}, _WAYS, choice=True)


def _authorising(given: dict[str, Any], at: str) -> Iterator[Fault]:
    if "RFIDIdentification" in given:
        yield below(at, "RFIDIdentification"), "must not be used in an authorization; use RFIDMifareFamilyIdentification"
    code = given.get("QRCodeIdentification")
    if isinstance(code, dict):
        if code.get("PIN") is None:
            yield below(below(at, "QRCodeIdentification"), "PIN"), "must not be null in an authorization"
        if code.get("HashedPIN") is not None:
            yield below(below(at, "QRCodeIdentification"), "HashedPIN"), "must be null in an authorization"


IN_AUTHORIZATION = Obj({}, _WAYS, choice=True, rule=_authorising)

# --- EVSE data ------------------------------------------------------------------------------------------------------

_DEGREES = text(r"-?1?\d{1,2}\.\d{1,6}")
_DMS = text(r"-?1?\d{1,2}°[ ]?\d{1,2}'[ ]?\d{1,2}\.\d+''")
GEO = Obj(
    {},
    {
        "Google": Obj({"Coordinates": text(r"-?1?\d{1,2}\.\d{1,6}\s*,?\s*-?1?\d{1,2}\.\d{1,6}")}),
        "DecimalDegree": Obj({"Longitude": _DEGREES, "Latitude": _DEGREES}),
        "DegreeMinuteSeconds": Obj({"Longitude": _DMS, "Latitude": _DMS}),
    },
    choice=True,
)
ADDRESS = Obj(
    {"Country": COUNTRY, "City": Text(50, 1), "Street": Text(100, 2), "PostalCode": Text(10), "HouseNum": Text(10)},
    {"Floor": Text(5), "Region": Text(50), "ParkingFacility": Truth(), "ParkingSpot": Text(5), "TimeZone": TIME_ZONE},
)
INFO = Obj({"lang": LANGUAGE, "value": Text(150)})
PERIOD = Obj({"begin": CLOCK, "end": CLOCK})
HOURS = Obj({"Period": Many(PERIOD, 1), "on": DAY})
FACILITY = Obj(
    {"PowerType": words("AC_1_PHASE AC_3_PHASE DC"), "Power": Number(None, Decimal(0), Decimal(999))},
    {
        "Voltage": Number(0, Decimal(0), Decimal(999)),
        "Amperage": Number(0, Decimal(0), Decimal(99)),
        "ChargingModes": Many(words("Mode_1 Mode_2 Mode_3 Mode_4 CHAdeMO")),
    },
)
PLUG = enum(
    "Small Paddle Inductive",
    "Large Paddle Inductive",
    "AVCON Connector",
    "Tesla Connector",
    "NEMA 5-20",
    "Type E French Standard",
    "Type F Schuko",
    "Type G British Standard",
    "Type J Swiss Standard",
    "Type 1 Connector (Cable Attached)",
    "Type 2 Outlet",
    "Type 2 Connector (Cable Attached)",
    "Type 3 Outlet",
    "IEC 60309 Single Phase",
    "IEC 60309 Three Phase",
    "CCS Combo 2 Plug (Cable Attached)",
    "CCS Combo 1 Plug (Cable Attached)",
    "CHAdeMO",
)


def _open(given: dict[str, Any], at: str) -> Iterator[Fault]:
    if given.get("IsOpen24Hours") is False and not given.get("OpeningTimes"):
        yield below(at, "OpeningTimes"), "must not be null where IsOpen24Hours is false"
    options = given.get("PaymentOptions")
    if isinstance(options, list) and "No Payment" in options and len(options) > 1:
        yield below(at, "PaymentOptions"), "No Payment must not be combined"


EVSE = Obj(
    {
        "EvseID": EVSE_ID,
        "ChargingStationNames": Many(INFO, 1),
        "Address": ADDRESS,
        "GeoCoordinates": GEO,
        "Plugs": Many(PLUG, 1),
        "ChargingFacilities": Many(FACILITY, 1),
        "RenewableEnergy": Truth(),
        "CalibrationLawDataAvailability": enum("Local", "External", "Not Available"),
        "AuthenticationModes": Many(
            enum("NFC RFID Classic", "NFC RFID DESFire", "PnC", "REMOTE", "Direct Payment", "No Authentication Required"), 1
        ),
        "PaymentOptions": Many(enum("No Payment", "Direct", "Contract"), 1),
        "ValueAddedServices": Many(
            words(
                "Reservation DynamicPricing ParkingSensors MaximumPowerCharging PredictiveChargePointUsage ChargingPlans RoofProvided None"
            ),
            1,
        ),
        "Accessibility": enum("Free publicly accessible", "Restricted access", "Paying publicly accessible", "Test Station"),
        "HotlinePhoneNumber": PHONE,
        "IsOpen24Hours": Truth(),
        "IsHubjectCompatible": Truth(),
        "DynamicInfoAvailable": words("true false auto"),
    },
    {
        "deltaType": words("update insert delete"),
        "lastUpdate": Moment(),
        "ChargingPoolID": POOL_ID,
        "ChargingStationId": Text(50),
        "HardwareManufacturer": Text(50),
        "ChargingStationImage": Text(200),
        "SubOperatorName": Text(100),
        "DynamicPowerLevel": Truth(),
        "EnergySource": Many(
            Obj(
                {},
                {
                    "Energy": words("Solar Wind HydroPower GeothermalEnergy Biomass Coal NuclearEnergy Petroleum NaturalGas"),
                    "Percentage": Number(0, Decimal(0), Decimal(100)),
                },
            )
        ),  # two digits by the table, but one source has 100 %
        "EnvironmentalImpact": Obj({}, {"CO2Emission": Number(), "NuclearWaste": Number()}),
        "MaxCapacity": Number(0, Decimal(0)),
        "AccessibilityLocation": words("OnStreet ParkingLot ParkingGarage UndergroundParkingGarage"),
        "AdditionalInfo": Many(INFO),
        "ChargingStationLocationReference": Many(INFO),
        "GeoChargingPointEntrance": GEO,
        "OpeningTimes": Many(HOURS),
        "HubOperatorID": OPERATOR_ID,
        "ClearinghouseID": Text(20),
    },
    aka={"ChargingStationID": "ChargingStationId"},
    rule=_open,
)
"""EvseDataRecordType. Table and example disagree on ChargingStationId and ChargingStationID."""

PUSH_EVSE_DATA = Obj(
    {
        "ActionType": ACTION,
        "OperatorEvseData": Obj({"OperatorID": OPERATOR_ID, "OperatorName": Text(100, 1), "EvseDataRecord": Many(EVSE)}),
    }
)
STATUS = Obj({"EvseID": EVSE_ID, "EvseStatus": words("Available Reserved Occupied OutOfService EvseNotFound Unknown")})
PUSH_EVSE_STATUS = Obj(
    {
        "ActionType": ACTION,
        "OperatorEvseStatus": Obj({"OperatorID": OPERATOR_ID, "EvseStatusRecord": Many(STATUS)}, {"OperatorName": Text(100)}),
    }
)

# --- authorisation --------------------------------------------------------------------------------------------------

AUTHORIZE_START = Obj(
    {"OperatorID": OPERATOR_ID, "Identification": IN_AUTHORIZATION},
    {**_SESSIONS, "SessionID": SESSION_ID, "EvseID": EVSE_ID, "PartnerProductID": PRODUCT_ID},
)
AUTHORIZE_STOP = Obj(
    {"SessionID": SESSION_ID, "OperatorID": OPERATOR_ID, "Identification": IN_AUTHORIZATION}, {**_SESSIONS, "EvseID": EVSE_ID}
)
STATUS_CODE = Obj({"Code": CODE}, {"Description": Text(200), "AdditionalInfo": Text(1000)})
ACKNOWLEDGEMENT = Obj({"Result": Truth(), "StatusCode": STATUS_CODE}, {**_SESSIONS, "SessionID": SESSION_ID})

# --- charge detail records and notifications --------------------------------------------------------------------------

_BETWEEN = Obj({"meterValues": Many(ENERGY)})
_SIGNED = Many(Obj({}, {"SignedMeteringValue": Text(3000), "MeteringStatus": words("Start Progress End")}), most=10)
_CALIBRATION = Obj(
    {},
    {
        "CalibrationLawCertificateID": Text(100),
        "PublicKey": Text(1000),
        "MeteringSignatureUrl": Text(200),
        "MeteringSignatureEncodingFormat": Text(50),
        "SignedMeteringValuesVerificationInstruction": Text(400),
    },
)
CHARGE_DETAIL_RECORD = Obj(
    {
        "SessionID": SESSION_ID,
        "EvseID": EVSE_ID,
        "Identification": IDENTIFICATION,
        "ChargingStart": Moment(),
        "ChargingEnd": Moment(),
        "SessionStart": Moment(),
        "SessionEnd": Moment(),
        "ConsumedEnergy": ENERGY,
    },
    {
        **_SESSIONS,
        "PartnerProductID": PRODUCT_ID,
        "MeterValueStart": ENERGY,
        "MeterValueEnd": ENERGY,
        "MeterValueInBetween": _BETWEEN,
        "SignedMeteringValues": _SIGNED,
        "CalibrationLawVerificationInfo": _CALIBRATION,
        "HubOperatorID": OPERATOR_ID,
        "HubProviderID": PROVIDER_ID,
    },
    aka={"HubProviderId": "HubProviderID"},
)
"""eRoamingChargeDetailRecord. The documents disagree on HubProviderID and HubProviderId."""

_TOLD: dict[str, Type] = {
    "Type": words("Start Progress End Error"),
    "SessionID": SESSION_ID,
    "EvseID": EVSE_ID,
    "OperatorID": OPERATOR_ID,
}
_MAYBE: dict[str, Type] = {**_SESSIONS, "Identification": IDENTIFICATION}


def _progressed(given: dict[str, Any], at: str) -> Iterator[Fault]:
    if "ChargingDuration" not in given and "ConsumedEnergyProgress" not in given:
        yield below(at, "ChargingDuration"), "either ChargingDuration or ConsumedEnergyProgress is needed"


NOTIFICATIONS = {
    "Start": Obj(
        {**_TOLD, "ChargingStart": Moment()},
        {**_MAYBE, "SessionStart": Moment(), "MeterValueStart": ENERGY, "PartnerProductID": PRODUCT_ID},
    ),
    "Progress": Obj(
        {**_TOLD, "ChargingStart": Moment(), "EventOccurred": Moment()},
        {
            **_MAYBE,
            "ChargingDuration": Number(0, Decimal(0)),
            "SessionStart": Moment(),
            "ConsumedEnergyProgress": ENERGY,
            "MeterValueStart": ENERGY,
            "MeterValueInBetween": _BETWEEN,
            "PartnerProductID": PRODUCT_ID,
        },
        rule=_progressed,
    ),
    "End": Obj(
        {**_TOLD, "ChargingEnd": Moment()},
        {
            **_MAYBE,
            "ChargingStart": Moment(),
            "SessionStart": Moment(),
            "SessionEnd": Moment(),
            "ConsumedEnergy": ENERGY,
            "MeterValueStart": ENERGY,
            "MeterValueEnd": ENERGY,
            "MeterValueInBetween": _BETWEEN,
            "PartnerProductID": PRODUCT_ID,
            "PenaltyTimeStart": Moment(),
        },
    ),
    "Error": Obj(
        {**_TOLD, "ErrorType": enum("ConnectorError", "CriticalError", "Connector Error", "Critical Error")},
        {**_MAYBE, "ErrorAdditionalInfo": Text(250)},
    ),
}
"""eRoamingChargingNotifications by Type. One table writes the errors with a space."""

# --- prices ---------------------------------------------------------------------------------------------------------

PROVIDER_OR_ALL = Either(PROVIDER_ID, enum("*"))
_AVAILABLE = Obj({"Period": Either(Many(PERIOD, 1), PERIOD), "on": DAY}, aka={"Periods": "Period"})
_REFERENCE = Obj(
    {
        "AdditionalReference": enum("START FEE", "FIXED FEE", "PARKING FEE", "MINIMUM FEE", "MAXIMUM FEE"),
        "AdditionalReferenceUnit": UNIT,
        "PricePerAdditionalReferenceUnit": MONEY,
    }
)


def _available(given: dict[str, Any], at: str) -> Iterator[Fault]:
    if given.get("IsValid24hours") is False and not given.get("ProductAvailabilityTimes"):
        yield below(at, "ProductAvailabilityTimes"), "must not be empty where IsValid24hours is false"


PRODUCT = Obj(
    {
        "ProductID": PRODUCT_ID,
        "ReferenceUnit": UNIT,
        "ProductPriceCurrency": CURRENCY,
        "PricePerReferenceUnit": MONEY,
        "MaximumProductChargingPower": Number(),
        "IsValid24hours": Truth(),
        "ProductAvailabilityTimes": Many(_AVAILABLE),
    },
    {"AdditionalReferences": Many(_REFERENCE)},
    rule=_available,
)
"""PricingProductDataRecordType. The example writes Periods, and the table one Period instead of a list."""

PUSH_PRICING = Obj(
    {
        "ActionType": ACTION,
        "PricingProductData": Obj(
            {
                "OperatorID": OPERATOR_ID,
                "ProviderID": PROVIDER_OR_ALL,
                "PricingDefaultPrice": MONEY,
                "PricingDefaultPriceCurrency": CURRENCY,
                "PricingDefaultReferenceUnit": UNIT,
                "PricingProductDataRecords": Many(PRODUCT),
            },
            {"OperatorName": Text(100)},
        ),
    }
)
PUSH_EVSE_PRICING = Obj(
    {
        "ActionType": ACTION,
        "EVSEPricing": Many(Obj({"EvseID": EVSE_ID, "ProviderID": PROVIDER_OR_ALL, "EvseIDProductList": Many(PRODUCT_ID, 1)})),
    }
)


def notification_faults(value: Any) -> list[Fault]:
    """Faults of a charging notification, by its Type."""
    told = value.get("Type") if isinstance(value, dict) else None
    table = NOTIFICATIONS.get(told) if isinstance(told, str) else None
    if table is None:
        return list(Obj(_TOLD).faults(value, "")) if not isinstance(value, dict) else [("type", "must be Start, Progress, End or Error")]
    return list(table.faults(value, ""))
