"""OICP 2.3: the objects of Hubject's JSON, field by field."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from bridge.codec.wire import MUST, S5, S10, S20, S50, S100, S150, S200, S250, S400, S1000, S3000, Wire


class Accessibility(StrEnum):
    """Accessibility."""

    FREE_PUBLICLY_ACCESSIBLE = "Free publicly accessible"
    RESTRICTED_ACCESS = "Restricted access"
    PAYING_PUBLICLY_ACCESSIBLE = "Paying publicly accessible"
    TEST_STATION = "Test Station"


class Plug(StrEnum):
    """Plug."""

    SMALL_PADDLE_INDUCTIVE = "Small Paddle Inductive"
    LARGE_PADDLE_INDUCTIVE = "Large Paddle Inductive"
    AVCON_CONNECTOR = "AVCON Connector"
    TESLA_CONNECTOR = "Tesla Connector"
    NEMA_5_20 = "NEMA 5-20"
    TYPE_E_FRENCH_STANDARD = "Type E French Standard"
    TYPE_F_SCHUKO = "Type F Schuko"
    TYPE_G_BRITISH_STANDARD = "Type G British Standard"
    TYPE_J_SWISS_STANDARD = "Type J Swiss Standard"
    TYPE_1_CONNECTOR_CABLE_ATTACHED = "Type 1 Connector (Cable Attached)"
    TYPE_2_OUTLET = "Type 2 Outlet"
    TYPE_2_CONNECTOR_CABLE_ATTACHED = "Type 2 Connector (Cable Attached)"
    TYPE_3_OUTLET = "Type 3 Outlet"
    IEC_60309_SINGLE_PHASE = "IEC 60309 Single Phase"
    IEC_60309_THREE_PHASE = "IEC 60309 Three Phase"
    CCS_COMBO_2_PLUG_CABLE_ATTACHED = "CCS Combo 2 Plug (Cable Attached)"
    CCS_COMBO_1_PLUG_CABLE_ATTACHED = "CCS Combo 1 Plug (Cable Attached)"
    CHADE_MO = "CHAdeMO"


class ChargingMode(StrEnum):
    """ChargingMode."""

    MODE_1 = "Mode_1"
    MODE_2 = "Mode_2"
    MODE_3 = "Mode_3"
    MODE_4 = "Mode_4"
    CHADE_MO = "CHAdeMO"


class AuthenticationMode(StrEnum):
    """AuthenticationMode."""

    NFC_RFID_CLASSIC = "NFC RFID Classic"
    NFC_RFID_DESFIRE = "NFC RFID DESFire"
    PN_C = "PnC"
    REMOTE = "REMOTE"
    DIRECT_PAYMENT = "Direct Payment"
    NO_AUTHENTICATION_REQUIRED = "No Authentication Required"


class PaymentOption(StrEnum):
    """PaymentOption."""

    NO_PAYMENT = "No Payment"
    DIRECT = "Direct"
    CONTRACT = "Contract"


class EvseStatus(StrEnum):
    """EvseStatus."""

    AVAILABLE = "Available"
    RESERVED = "Reserved"
    OCCUPIED = "Occupied"
    OUT_OF_SERVICE = "OutOfService"
    EVSE_NOT_FOUND = "EvseNotFound"
    UNKNOWN = "Unknown"


class ValueAddedService(StrEnum):
    """ValueAddedService."""

    RESERVATION = "Reservation"
    DYNAMIC_PRICING = "DynamicPricing"
    PARKING_SENSORS = "ParkingSensors"
    MAXIMUM_POWER_CHARGING = "MaximumPowerCharging"
    PREDICTIVE_CHARGE_POINT_USAGE = "PredictiveChargePointUsage"
    CHARGING_PLANS = "ChargingPlans"
    ROOF_PROVIDED = "RoofProvided"
    NO_SERVICE = "None"


class PowerType(StrEnum):
    """PowerType."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


class ReferenceUnit(StrEnum):
    """ReferenceUnit."""

    HOUR = "HOUR"
    KILOWATT_HOUR = "KILOWATT_HOUR"
    MINUTE = "MINUTE"


class AdditionalReference(StrEnum):
    """AdditionalReference."""

    START_FEE = "START FEE"
    FIXED_FEE = "FIXED FEE"
    PARKING_FEE = "PARKING FEE"
    MINIMUM_FEE = "MINIMUM FEE"
    MAXIMUM_FEE = "MAXIMUM FEE"


class RFIDType(StrEnum):
    """RFIDType."""

    MIFARE_CLS = "mifareCls"
    MIFARE_DES = "mifareDes"
    CALYPSO = "calypso"
    NFC = "nfc"
    MIFARE_FAMILY = "mifareFamily"


class AccessibilityLocation(StrEnum):
    """AccessibilityLocation."""

    ON_STREET = "OnStreet"
    PARKING_LOT = "ParkingLot"
    PARKING_GARAGE = "ParkingGarage"
    UNDERGROUND_PARKING_GARAGE = "UndergroundParkingGarage"


class EnergyType(StrEnum):
    """EnergyType."""

    SOLAR = "Solar"
    WIND = "Wind"
    HYDRO_POWER = "HydroPower"
    GEOTHERMAL_ENERGY = "GeothermalEnergy"
    BIOMASS = "Biomass"
    COAL = "Coal"
    NUCLEAR_ENERGY = "NuclearEnergy"
    PETROLEUM = "Petroleum"
    NATURAL_GAS = "NaturalGas"


class CalibrationLawDataAvailability(StrEnum):
    """CalibrationLawDataAvailability."""

    LOCAL = "Local"
    EXTERNAL = "External"
    NOT_AVAILABLE = "Not Available"


class MeteringStatus(StrEnum):
    """MeteringStatus."""

    START = "Start"
    PROGRESS = "Progress"
    END = "End"


class ErrorClass(StrEnum):
    """ErrorClass."""

    CONNECTOR_ERROR = "ConnectorError"
    CRITICAL_ERROR = "CriticalError"


class ChargingNotificationType(StrEnum):
    """ChargingNotificationType."""

    START = "Start"
    PROGRESS = "Progress"
    END = "End"
    ERROR = "Error"


class ActionType(StrEnum):
    """ActionType."""

    FULL_LOAD = "fullLoad"
    UPDATE = "update"
    INSERT = "insert"
    DELETE = "delete"


class DeltaType(StrEnum):
    """DeltaType."""

    UPDATE = "update"
    INSERT = "insert"
    DELETE = "delete"


class DayOfWeek(StrEnum):
    """DayOfWeek."""

    EVERYDAY = "Everyday"
    WORKDAYS = "Workdays"
    WEEKEND = "Weekend"
    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


class DynamicInfoAvailable(StrEnum):
    """DynamicInfoAvailable."""

    TRUE = "true"
    FALSE = "false"
    AUTO = "auto"


class LegacyHashFunction(StrEnum):
    """LegacyHashFunction."""

    MD5 = "MD5"
    SHA_1 = "SHA-1"


class AuthorizationStatus(StrEnum):
    """AuthorizationStatus."""

    AUTHORIZED = "Authorized"
    NOT_AUTHORIZED = "NotAuthorized"


class Code(StrEnum):
    """Code."""

    C000 = "000"
    C001 = "001"
    C002 = "002"
    C009 = "009"
    C017 = "017"
    C018 = "018"
    C019 = "019"
    C021 = "021"
    C022 = "022"
    C101 = "101"
    C102 = "102"
    C103 = "103"
    C105 = "105"
    C106 = "106"
    C110 = "110"
    C120 = "120"
    C121 = "121"
    C122 = "122"
    C200 = "200"
    C210 = "210"
    C300 = "300"
    C310 = "310"
    C320 = "320"
    C400 = "400"
    C501 = "501"
    C510 = "510"
    C601 = "601"
    C602 = "602"
    C603 = "603"
    C604 = "604"
    C700 = "700"


class HashFunction(StrEnum):
    """HashFunction."""

    BCRYPT = "Bcrypt"


class GeoCoordinatesResponseFormat(StrEnum):
    """GeoCoordinatesResponseFormat."""

    GOOGLE = "Google"
    DEGREE_MINUTE_SECONDS = "DegreeMinuteSeconds"
    DECIMAL_DEGREE = "DecimalDegree"


class LegacyHashData(Wire, kw_only=True):
    """LegacyHashData."""

    Function: LegacyHashFunction
    Salt: S100 | None = None
    Value: S20 | None = None


class HashedPIN(Wire, kw_only=True):
    """HashedPIN."""

    Value: str
    Function: HashFunction
    LegacyHashData: LegacyHashData | None = None


class RFIDMifareFamilyIdentification(Wire, kw_only=True):
    """RFIDMifareFamilyIdentification."""

    UID: str


class RFIDIdentification(Wire, kw_only=True):
    """RFIDIdentification."""

    UID: str
    EvcoID: str | None = None
    RFID: Annotated[RFIDType | None, MUST] = None
    PrintedNumber: S150 | None = None
    ExpiryDate: datetime | None = None


class QRCodeIdentification(Wire, kw_only=True):
    """QRCodeIdentification."""

    EvcoID: str
    HashedPIN: HashedPIN | None = None
    PIN: S20 | None = None


class PlugAndChargeIdentification(Wire, kw_only=True):
    """PlugAndChargeIdentification."""

    EvcoID: str


class RemoteIdentification(Wire, kw_only=True):
    """RemoteIdentification."""

    EvcoID: str


class Identification(Wire, kw_only=True):
    """Identification."""

    RFIDMifareFamilyIdentification: RFIDMifareFamilyIdentification | None = None
    RFIDIdentification: RFIDIdentification | None = None
    QRCodeIdentification: QRCodeIdentification | None = None
    PlugAndChargeIdentification: PlugAndChargeIdentification | None = None
    RemoteIdentification: RemoteIdentification | None = None


class InfoText(Wire, kw_only=True):
    """InfoText."""

    lang: Annotated[str | None, MUST] = None
    value: S150


class MeterValues(Wire, kw_only=True):
    """Meter values in kWh taken during charging."""

    meterValues: tuple[Decimal, ...]


class GeoCoordinatesGoogle(Wire, kw_only=True):
    """Latitude and longitude in one text."""

    Coordinates: str


class GeoCoordinatesDecimalDegree(Wire, kw_only=True):
    """Degrees with one to six decimals."""

    Longitude: str
    Latitude: str


class GeoCoordinatesDegreeMinuteSeconds(Wire, kw_only=True):
    """Degrees, minutes and seconds."""

    Longitude: str
    Latitude: str


class GeoCoordinates(Wire, kw_only=True):
    """One of three spellings of a point."""

    Google: GeoCoordinatesGoogle | None = None
    DecimalDegree: GeoCoordinatesDecimalDegree | None = None
    DegreeMinuteSeconds: GeoCoordinatesDegreeMinuteSeconds | None = None


Point = GeoCoordinates
"""The type, where a field of the same name hides it."""


class Address(Wire, kw_only=True):
    """Address."""

    Country: Annotated[str | None, MUST] = None
    City: Annotated[S50 | None, MUST] = None
    Street: Annotated[S100 | None, MUST] = None
    PostalCode: Annotated[S10 | None, MUST] = None
    HouseNum: Annotated[S10 | None, MUST] = None
    Floor: S5 | None = None
    Region: S50 | None = None
    ParkingFacility: bool | None = None
    ParkingSpot: S5 | None = None
    TimeZone: str | None = None


class ChargingFacility(Wire, kw_only=True):
    """ChargingFacility."""

    PowerType: Annotated[PowerType | None, MUST] = None
    Voltage: int | None = None
    Amperage: int | None = None
    Power: Annotated[Decimal | None, MUST] = None
    ChargingModes: tuple[ChargingMode, ...] | None = None


class EnergySource(Wire, kw_only=True):
    """EnergySource."""

    Energy: EnergyType | None = None
    Percentage: int | None = None


class EnvironmentalImpact(Wire, kw_only=True):
    """EnvironmentalImpact."""

    CO2Emission: Decimal | None = None
    NuclearWaste: Decimal | None = None


class Period(Wire, kw_only=True):
    """Period."""

    begin: str
    end: str


class OpeningTimes(Wire, kw_only=True):
    """OpeningTimes."""

    Period: tuple[Period, ...]
    on: DayOfWeek


class EvseDataRecord(Wire, kw_only=True):
    """EvseDataRecord."""

    deltaType: DeltaType | None = None
    lastUpdate: datetime | None = None
    EvseID: str
    ChargingPoolID: str | None = None
    ChargingStationId: S50 | None = None
    ChargingStationNames: Annotated[tuple[InfoText, ...] | None, MUST] = None
    HardwareManufacturer: S50 | None = None
    ChargingStationImage: S200 | None = None
    SubOperatorName: S100 | None = None
    Address: Annotated[Address | None, MUST] = None
    GeoCoordinates: Annotated[GeoCoordinates | None, MUST] = None
    Plugs: Annotated[tuple[Plug, ...] | None, MUST] = None
    DynamicPowerLevel: bool | None = None
    ChargingFacilities: Annotated[tuple[ChargingFacility, ...] | None, MUST] = None
    RenewableEnergy: Annotated[bool | None, MUST] = None
    EnergySource: tuple[EnergySource, ...] | None = None
    EnvironmentalImpact: EnvironmentalImpact | None = None
    CalibrationLawDataAvailability: Annotated[CalibrationLawDataAvailability | None, MUST] = None
    AuthenticationModes: Annotated[tuple[AuthenticationMode, ...] | None, MUST] = None
    MaxCapacity: int | None = None
    PaymentOptions: Annotated[tuple[PaymentOption, ...] | None, MUST] = None
    ValueAddedServices: Annotated[tuple[ValueAddedService, ...] | None, MUST] = None
    Accessibility: Annotated[Accessibility | None, MUST] = None
    AccessibilityLocation: AccessibilityLocation | None = None
    HotlinePhoneNumber: Annotated[str | None, MUST] = None
    AdditionalInfo: tuple[InfoText, ...] | None = None
    ChargingStationLocationReference: tuple[InfoText, ...] | None = None
    GeoChargingPointEntrance: Point | None = None
    IsOpen24Hours: Annotated[bool | None, MUST] = None
    OpeningTimes: tuple[OpeningTimes, ...] | None = None
    HubOperatorID: str | None = None
    ClearinghouseID: S20 | None = None
    IsHubjectCompatible: Annotated[bool | None, MUST] = None
    DynamicInfoAvailable: Annotated[DynamicInfoAvailable | None, MUST] = None
    OperatorID: str | None = None
    OperatorName: S100 | None = None


class EvseStatusRecord(Wire, kw_only=True):
    """EvseStatusRecord."""

    EvseID: str
    EvseStatus: EvseStatus


class AuthenticationDataRecord(Wire, kw_only=True):
    """AuthenticationDataRecord."""

    Identification: Identification


class ProductAvailabilityTimes(Wire, kw_only=True):
    """ProductAvailabilityTimes."""

    Period: tuple[Period, ...]
    on: DayOfWeek


class AdditionalReferences(Wire, kw_only=True):
    """AdditionalReferences."""

    AdditionalReference: AdditionalReference
    AdditionalReferenceUnit: ReferenceUnit
    PricePerAdditionalReferenceUnit: Decimal


class PricingProductDataRecord(Wire, kw_only=True):
    """PricingProductDataRecord."""

    ProductID: S50
    ReferenceUnit: Annotated[ReferenceUnit | None, MUST] = None
    ProductPriceCurrency: Annotated[str | None, MUST] = None
    PricePerReferenceUnit: Annotated[Decimal | None, MUST] = None
    MaximumProductChargingPower: Annotated[Decimal | None, MUST] = None
    IsValid24hours: Annotated[bool | None, MUST] = None
    ProductAvailabilityTimes: Annotated[tuple[ProductAvailabilityTimes, ...] | None, MUST] = None
    AdditionalReferences: tuple[AdditionalReferences, ...] | None = None


class PricingProductData(Wire, kw_only=True):
    """PricingProductData."""

    OperatorID: Annotated[str | None, MUST] = None
    OperatorName: S100 | None = None
    ProviderID: Annotated[str | None, MUST] = None
    PricingDefaultPrice: Annotated[Decimal | None, MUST] = None
    PricingDefaultPriceCurrency: Annotated[str | None, MUST] = None
    PricingDefaultReferenceUnit: Annotated[ReferenceUnit | None, MUST] = None
    PricingProductDataRecords: Annotated[tuple[PricingProductDataRecord, ...] | None, MUST] = None


class EVSEPricing(Wire, kw_only=True):
    """EVSEPricing."""

    EvseID: str
    ProviderID: str
    EvseIDProductList: tuple[str, ...]


class SignedMeteringValue(Wire, kw_only=True):
    """SignedMeteringValue."""

    SignedMeteringValue: S3000 | None = None
    MeteringStatus: MeteringStatus | None = None


class CalibrationLawVerification(Wire, kw_only=True):
    """CalibrationLawVerification."""

    CalibrationLawCertificateID: S100 | None = None
    PublicKey: S1000 | None = None
    MeteringSignatureUrl: S200 | None = None
    MeteringSignatureEncodingFormat: S50 | None = None
    SignedMeteringValuesVerificationInstruction: S400 | None = None


class ChargeDetailRecord(Wire, kw_only=True):
    """ChargeDetailRecord."""

    SessionID: str
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    PartnerProductID: S50 | None = None
    EvseID: str
    Identification: Annotated[Identification | None, MUST] = None
    ChargingStart: Annotated[datetime | None, MUST] = None
    ChargingEnd: Annotated[datetime | None, MUST] = None
    SessionStart: Annotated[datetime | None, MUST] = None
    SessionEnd: Annotated[datetime | None, MUST] = None
    MeterValueStart: Decimal | None = None
    MeterValueEnd: Decimal | None = None
    MeterValueInBetween: MeterValues | None = None
    ConsumedEnergy: Annotated[Decimal | None, MUST] = None
    SignedMeteringValues: tuple[SignedMeteringValue, ...] | None = None
    CalibrationLawVerificationInfo: CalibrationLawVerification | None = None
    HubOperatorID: str | None = None
    HubProviderID: str | None = None


class ChargingNotification(Wire, kw_only=True):
    """The four notifications Start, Progress, End and Error; ``Type`` says which."""

    Type: ChargingNotificationType
    SessionID: str
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    Identification: Identification | None = None
    EvseID: str
    ChargingStart: datetime | None = None
    ChargingEnd: datetime | None = None
    EventOccurred: datetime | None = None
    ChargingDuration: int | None = None
    SessionStart: datetime | None = None
    SessionEnd: datetime | None = None
    ConsumedEnergyProgress: Decimal | None = None
    ConsumedEnergy: Decimal | None = None
    MeterValueStart: Decimal | None = None
    MeterValueEnd: Decimal | None = None
    MeterValueInBetween: MeterValues | None = None
    ErrorType: ErrorClass | None = None
    ErrorAdditionalInfo: S250 | None = None
    OperatorID: str | None = None
    PartnerProductID: S50 | None = None
    PenaltyTimeStart: datetime | None = None


class StatusCode(Wire, kw_only=True):
    """StatusCode."""

    Code: Code
    Description: S200 | None = None
    AdditionalInfo: S1000 | None = None


class Acknowledgement(Wire, kw_only=True):
    """Acknowledgement."""

    Result: bool
    StatusCode: StatusCode
    SessionID: str | None = None
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None


class AuthorizeStart(Wire, kw_only=True):
    """AuthorizeStart."""

    SessionID: str | None = None
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    OperatorID: str
    EvseID: str | None = None
    Identification: Identification
    PartnerProductID: S50 | None = None


class AuthorizationStart(Wire, kw_only=True):
    """AuthorizationStart."""

    SessionID: str | None = None
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    ProviderID: str | None = None
    AuthorizationStatus: AuthorizationStatus
    StatusCode: StatusCode
    AuthorizationStopIdentifications: tuple[Identification, ...] | None = None


class AuthorizeStop(Wire, kw_only=True):
    """AuthorizeStop."""

    SessionID: str
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    OperatorID: str
    EvseID: str | None = None
    Identification: Identification


class AuthorizationStop(Wire, kw_only=True):
    """AuthorizationStop."""

    SessionID: str | None = None
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    ProviderID: str | None = None
    AuthorizationStatus: AuthorizationStatus
    StatusCode: StatusCode


class AuthorizeRemoteStart(Wire, kw_only=True):
    """AuthorizeRemoteStart."""

    SessionID: str
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    ProviderID: str
    EvseID: str
    Identification: Identification
    PartnerProductID: S50 | None = None


class AuthorizeRemoteStop(Wire, kw_only=True):
    """AuthorizeRemoteStop."""

    SessionID: str
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    ProviderID: str
    EvseID: str


class AuthorizeRemoteReservationStart(Wire, kw_only=True):
    """AuthorizeRemoteReservationStart."""

    SessionID: str | None = None
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    ProviderID: str
    EvseID: str
    Identification: Identification
    PartnerProductID: S50 | None = None
    Duration: int | None = None


class AuthorizeRemoteReservationStop(Wire, kw_only=True):
    """AuthorizeRemoteReservationStop."""

    SessionID: str
    CPOPartnerSessionID: S250 | None = None
    EMPPartnerSessionID: S250 | None = None
    ProviderID: str
    EvseID: str
