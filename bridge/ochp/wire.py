"""OCHP 1.4 and OCHPdirect 0.2: the types of the clearing house's XML, in the order of the schema.

Facets (lengths, patterns) are kept by the mappings that write; reading takes what comes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from attrs import define

from bridge.codec.wire import MUST, S4, S5, S10, S20, S45, S100, S150, S255, S1000
from bridge.codec.xml import LocalTime, at, el

NAMESPACE = "http://ochp.eu/1.4"


class ConnectorStandard(StrEnum):
    """Shape of a connector."""

    CHADEMO = "Chademo"
    IEC_62196_T1 = "IEC_62196_T1"
    IEC_62196_T1_COMBO = "IEC_62196_T1_COMBO"
    IEC_62196_T2 = "IEC_62196_T2"
    IEC_62196_T2_COMBO = "IEC_62196_T2_COMBO"
    IEC_62196_T3A = "IEC_62196_T3A"
    IEC_62196_T3C = "IEC_62196_T3C"
    DOMESTIC_A = "DOMESTIC_A"
    DOMESTIC_B = "DOMESTIC_B"
    DOMESTIC_C = "DOMESTIC_C"
    DOMESTIC_D = "DOMESTIC_D"
    DOMESTIC_E = "DOMESTIC_E"
    DOMESTIC_F = "DOMESTIC_F"
    DOMESTIC_G = "DOMESTIC_G"
    DOMESTIC_H = "DOMESTIC_H"
    DOMESTIC_I = "DOMESTIC_I"
    DOMESTIC_J = "DOMESTIC_J"
    DOMESTIC_K = "DOMESTIC_K"
    DOMESTIC_L = "DOMESTIC_L"
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"
    IEC_60309_2_SINGLE_16 = "IEC_60309_2_single_16"
    IEC_60309_2_THREE_16 = "IEC_60309_2_three_16"
    IEC_60309_2_THREE_32 = "IEC_60309_2_three_32"
    IEC_60309_2_THREE_64 = "IEC_60309_2_three_64"


class ConnectorFormat(StrEnum):
    """Whether the vehicle brings the cable."""

    SOCKET = "Socket"
    CABLE = "Cable"


class ChargePointKind(StrEnum):
    """Kind of current (chargePointType)."""

    AC = "AC"
    DC = "DC"


class ChargePointStatus(StrEnum):
    """Static status (ChargePointStatusType)."""

    UNKNOWN = "Unknown"
    OPERATIVE = "Operative"
    INOPERATIVE = "Inoperative"
    PLANNED = "Planned"
    CLOSED = "Closed"


class Major(StrEnum):
    """Live status, coarse."""

    AVAILABLE = "available"
    NOT_AVAILABLE = "not-available"
    UNKNOWN = "unknown"


class Minor(StrEnum):
    """Live status, fine."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    CHARGING = "charging"
    BLOCKED = "blocked"
    OUTOFORDER = "outoforder"


class AuthMethod(StrEnum):
    """How drivers identify themselves or pay (AuthMethodType)."""

    PUBLIC = "Public"
    LOCAL_KEY = "LocalKey"
    DIRECT_CASH = "DirectCash"
    DIRECT_CREDITCARD = "DirectCreditcard"
    DIRECT_DEBITCARD = "DirectDebitcard"
    RFID_MIFARE_CLS = "RfidMifareCls"
    RFID_MIFARE_DES = "RfidMifareDes"
    RFID_CALYPSO = "RfidCalypso"
    IEC15118 = "Iec15118"
    OCHP_DIRECT_AUTH = "OchpDirectAuth"
    OPERATOR_AUTH = "OperatorAuth"


class ImageClass(StrEnum):
    """What a picture shows."""

    NETWORK_LOGO = "networkLogo"
    OPERATOR_LOGO = "operatorLogo"
    OWNER_LOGO = "ownerLogo"
    STATION_PHOTO = "stationPhoto"
    LOCATION_PHOTO = "locationPhoto"
    ENTRANCE_PHOTO = "entrancePhoto"
    OTHER_PHOTO = "otherPhoto"
    OTHER_LOGO = "otherLogo"
    OTHER_GRAPHIC = "otherGraphic"


class ResourceClass(StrEnum):
    """What a related page is about."""

    OPERATOR_MAP = "operatorMap"
    OPERATOR_PAYMENT = "operatorPayment"
    STATION_INFO = "stationInfo"
    SURROUNDING_INFO = "surroundingInfo"
    OWNER_HOMEPAGE = "ownerHomepage"
    FEEDBACK_FORM = "feedbackForm"


class GeoClass(StrEnum):
    """What a further point is."""

    ENTRANCE = "entrance"
    EXIT = "exit"
    ACCESS = "access"
    UI = "ui"
    OTHER = "other"


class GeneralLocation(StrEnum):
    """Kind of place."""

    ON_STREET = "on-street"
    PARKING_GARAGE = "parking-garage"
    UNDERGROUND_GARAGE = "underground-garage"
    PARKING_LOT = "parking-lot"
    OTHER = "other"
    UNKNOWN = "unknown"
    PRIVATE = "private"


class Restriction(StrEnum):
    """Who may park (RestrictionType)."""

    EVONLY = "evonly"
    PLUGGED = "plugged"
    DISABLED = "disabled"
    CUSTOMERS = "customers"
    MOTORCYCLES = "motorcycles"
    CARSHARING = "carsharing"


class TokenType(StrEnum):
    """Kind of token."""

    RFID = "rfid"
    REMOTE = "remote"
    ISO15118 = "15118"


class TokenSubType(StrEnum):
    """Technology of an RFID card."""

    MIFARE_CLS = "mifareCls"
    MIFARE_DES = "mifareDes"
    CALYPSO = "calypso"


class Representation(StrEnum):
    """How the instance of a token is written."""

    PLAIN = "plain"
    SHA_160 = "sha-160"
    SHA_256 = "sha-256"


class CdrStatus(StrEnum):
    """Where a CDR stands (CdrStatusType)."""

    NEW = "new"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DECLINED = "declined"
    APPROVED = "approved"
    REVISED = "revised"


class BillingItem(StrEnum):
    """What is billed (BillingItemType)."""

    PARKINGTIME = "parkingtime"
    USAGETIME = "usagetime"
    ENERGY = "energy"
    POWER = "power"
    SERVICE_FEE = "serviceFee"
    RESERVATION = "reservation"
    RESERVATIONTIME = "reservationtime"


class ResultCode(StrEnum):
    """Outcome of an operation."""

    OK = "ok"
    PARTLY = "partly"
    NOT_AUTHORIZED = "not-authorized"
    INVALID_ID = "invalid-id"
    SERVER = "server"
    FORMAT = "format"
    ROAMING = "roaming"


@define(kw_only=True, weakref_slot=False)
class Image:
    """EvseImageUrlType."""

    uri: S255 = el()
    thumbUri: S255 | None = el(default=None)
    class_: ImageClass = el(default=ImageClass.OTHER_PHOTO)
    type: S4 = el(default="")
    width: int | None = el(default=None)
    height: int | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class RelatedResource:
    """RelatedResourceType."""

    uri: S255 = el()
    class_: ResourceClass = el()


@define(kw_only=True, weakref_slot=False)
class Address:
    """AddressType."""

    houseNumber: str | None = el(default=None)
    address: S45 = el()
    city: S45 = el()
    zipCode: S10 = el()
    country: str = el()


@define(kw_only=True, weakref_slot=False)
class GeoPoint:
    """GeoPointType: exactly six decimals."""

    lat: str = at()
    lon: str = at()


@define(kw_only=True, weakref_slot=False)
class AdditionalGeoPoint:
    """AdditionalGeoPointType."""

    lat: str = at()
    lon: str = at()
    name: S255 | None = at(default=None)
    type: GeoClass = at()


@define(kw_only=True, weakref_slot=False)
class RegularHours:
    """RegularHoursType: weekday 1 Monday to 7 Sunday, local ``HH:MM``."""

    weekday: int = at()
    periodBegin: str = at()
    periodEnd: str = at()


@define(kw_only=True, weakref_slot=False)
class ExceptionalPeriod:
    """ExceptionalPeriodType, in UTC."""

    periodBegin: datetime = el(wrap="DateTime")
    periodEnd: datetime = el(wrap="DateTime")


@define(kw_only=True, weakref_slot=False)
class Hours:
    """HoursType: at most seven regular hours, or ``twentyfourseven``."""

    regularHours: tuple[RegularHours, ...] | None = el(default=None)
    twentyfourseven: bool | None = el(default=None)
    exceptionalOpenings: tuple[ExceptionalPeriod, ...] | None = el(default=None)
    exceptionalClosings: tuple[ExceptionalPeriod, ...] | None = el(default=None)
    closedCharging: bool = el()


@define(kw_only=True, weakref_slot=False)
class ChargePointSchedule:
    """ChargePointScheduleType."""

    startDate: datetime = el(wrap="DateTime")
    endDate: datetime | None = el(wrap="DateTime", default=None)
    status: ChargePointStatus = el(wrap="ChargePointStatusType")


@define(kw_only=True, weakref_slot=False)
class ParkingSpot:
    """ParkingSpotInfo."""

    parkingId: str = el()
    restriction: tuple[Restriction, ...] | None = el(wrap="RestrictionType", default=None)
    floorLevel: str | None = el(default=None)
    parkingSpotNumber: str | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class Connector:
    """ConnectorType."""

    connectorStandard: ConnectorStandard = el(wrap="ConnectorStandard")
    connectorFormat: ConnectorFormat = el(wrap="ConnectorFormat")
    tariffId: str | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class Ratings:
    """RatingsType: kW and V."""

    maximumPower: Decimal = el()
    guaranteedPower: Decimal | None = el(default=None)
    nominalVoltage: int | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class ChargePointInfo:
    """ChargePointInfo: one EVSE with its place."""

    evseId: str = el()
    locationId: str = el()
    timestamp: datetime | None = el(wrap="DateTime", default=None)
    locationName: S100 = el()
    locationNameLang: str = el()
    images: tuple[Image, ...] | None = el(default=None)
    relatedResource: tuple[RelatedResource, ...] | None = el(default=None)
    chargePointAddress: Address = el()
    chargePointLocation: GeoPoint = el()
    relatedLocation: tuple[AdditionalGeoPoint, ...] | None = el(default=None)
    timeZone: S255 | None = el(default=None)
    openingTimes: Hours | None = el(default=None)
    status: ChargePointStatus | None = el(wrap="ChargePointStatusType", default=None)
    statusSchedule: tuple[ChargePointSchedule, ...] | None = el(default=None)
    telephoneNumber: str | None = el(default=None)
    location: GeneralLocation = el(wrap="GeneralLocationType")
    parkingSpot: tuple[ParkingSpot, ...] | None = el(default=None)
    restriction: tuple[Restriction, ...] | None = el(wrap="RestrictionType", default=None)
    authMethods: tuple[AuthMethod, ...] = el(wrap="AuthMethodType")
    connectors: tuple[Connector, ...] = el()
    chargePointType: ChargePointKind = el()
    ratings: Ratings | None = el(default=None)
    userInterfaceLang: tuple[str, ...] | None = el(default=None)
    maxReservation: int | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class EvseStatus:
    """EvseStatusType: live status.

    The last two fields belong to ChargePointInfo: read from there they are a static status; they are never written.
    """

    major: Annotated[Major | None, MUST] = at(default=None)
    minor: Minor | None = at(default=None)
    ttl: datetime | None = at(default=None)
    evseId: str = el()
    status: ChargePointStatus | None = el(wrap="ChargePointStatusType", default=None)
    timestamp: datetime | None = el(wrap="DateTime", default=None)


@define(kw_only=True, weakref_slot=False)
class ParkingStatus:
    """ParkingStatusType: live status of a parking spot."""

    status: Major = at()
    ttl: datetime | None = at(default=None)
    parkingId: str = el()


@define(kw_only=True, weakref_slot=False)
class EmtId:
    """EmtId: a token. ``representation`` other than plain means that ``instance`` is a digest."""

    representation: Representation | None = at(default=None)
    instance: Annotated[str, "1 to 512 characters"] = el()
    tokenType: TokenType = el()
    tokenSubType: TokenSubType | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class RoamingAuthorisationInfo:
    """RoamingAuthorisationInfo: a token of the whitelist."""

    EmtId: EmtId = el()
    contractId: str = el()
    printedNumber: S150 | None = el(default=None)
    expiryDate: datetime = el(wrap="DateTime")


@define(kw_only=True, weakref_slot=False)
class PriceComponent:
    """PriceComponentType: price per unit; the step in the same unit (kWh, h)."""

    billingItem: BillingItem = el(wrap="BillingItemType")
    itemPrice: Decimal = el()
    stepSize: Decimal = el()


@define(kw_only=True, weakref_slot=False)
class TariffRestriction:
    """TariffRestrictionType; empty: none."""

    regularHours: tuple[RegularHours, ...] | None = el(default=None)
    startDateTime: datetime | None = el(wrap="DateTime", default=None)
    endDateTime: datetime | None = el(wrap="DateTime", default=None)
    minEnergy: Decimal | None = el(default=None)
    maxEnergy: Decimal | None = el(default=None)
    minPower: Decimal | None = el(default=None)
    maxPower: Decimal | None = el(default=None)
    minDuration: int | None = el(default=None)
    maxDuration: int | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class TariffElement:
    """TariffElementType: one price component and when it holds."""

    priceComponent: PriceComponent = el()
    tariffRestriction: TariffRestriction = el()


@define(kw_only=True, weakref_slot=False)
class IndividualTariff:
    """IndividualTariffType: for its recipients, or for all."""

    tariffElement: tuple[TariffElement, ...] = el()
    recipient: tuple[S5, ...] | None = el(default=None)
    currency: str = el()


@define(kw_only=True, weakref_slot=False)
class TariffInfo:
    """TariffInfo."""

    tariffId: str = el()
    individualTariff: tuple[IndividualTariff, ...] = el()


@define(kw_only=True, weakref_slot=False)
class CdrPeriod:
    """CdrPeriodType: one priced line."""

    startDateTime: LocalTime = el(wrap="LocalDateTime")
    endDateTime: LocalTime = el(wrap="LocalDateTime")
    billingItem: BillingItem = el(wrap="BillingItemType")
    billingValue: Decimal = el()
    itemPrice: Decimal = el()
    periodCost: Decimal | None = el(default=None)
    taxrate: int | None = el(default=None)


@define(kw_only=True, weakref_slot=False)
class CDRInfo:
    """CDRInfo."""

    CdrId: str = el()
    evseId: str = el()
    emtId: EmtId = el()
    contractId: str = el()
    status: CdrStatus = el(wrap="CdrStatusType")
    startDateTime: LocalTime = el(wrap="LocalDateTime")
    endDateTime: LocalTime = el(wrap="LocalDateTime")
    duration: str | None = el(default=None)
    chargePointAddress: Address = el()
    chargePointType: ChargePointKind = el()
    connectorType: Connector = el()
    ratings: Ratings | None = el(default=None)
    meterId: S20 | None = el(default=None)
    chargingPeriods: tuple[CdrPeriod, ...] = el()
    totalCost: Decimal | None = el(default=None)
    currency: str = el()


@define(kw_only=True, weakref_slot=False)
class Result:
    """Result: a code and words for people."""

    resultCode: ResultCode = el(wrap="resultCode")
    resultDescription: S1000 = el()


RECORD_TAGS: dict[str, type] = {
    "chargePointInfoArray": ChargePointInfo,
    "refusedChargePointInfo": ChargePointInfo,
    "evse": EvseStatus,
    "combined": EvseStatus,
    "parking": ParkingStatus,
    "roamingAuthorisationInfoArray": RoamingAuthorisationInfo,
    "roamingAuthorisationInfo": RoamingAuthorisationInfo,
    "refusedRoamingAuthorisationInfo": RoamingAuthorisationInfo,
    "TariffInfoArray": TariffInfo,
    "refusedTariffInfo": TariffInfo,
    "cdrInfoArray": CDRInfo,
}
"""Which elements of the messages hold which records."""
