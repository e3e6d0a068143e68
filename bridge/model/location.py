"""Where one can charge: places, EVSEs, connectors, their status and hours."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from bridge.model.common import Business, EnergyMix, Extra, Image, Text
from bridge.model.ids import ConnectorId, EvseId, EvseUid, LocationId, OperatorId, TariffId, TokenUid
from bridge.model.token import TokenKind


class Status(StrEnum):
    """State of an EVSE: OCPI's nine values, and the coarser ones in which the other protocols speak.

    OCCUPIED is charging or blocked (OICP), OUT_OF_SERVICE is inoperative or out of order (OICP), OPERATIVE is in
    service with its live state not told (OCHP, static), NOT_AVAILABLE is OCHP's without a minor status,
    RESERVED_SOON is OCHP's available/reserved, NOT_FOUND is OICP's EvseNotFound.
    """

    AVAILABLE = "AVAILABLE"
    RESERVED_SOON = "RESERVED_SOON"
    RESERVED = "RESERVED"
    CHARGING = "CHARGING"
    BLOCKED = "BLOCKED"
    OCCUPIED = "OCCUPIED"
    NOT_AVAILABLE = "NOT_AVAILABLE"
    INOPERATIVE = "INOPERATIVE"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    OPERATIVE = "OPERATIVE"
    PLANNED = "PLANNED"
    REMOVED = "REMOVED"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"


class Capability(StrEnum):
    """What an EVSE can do, how drivers identify themselves and pay: one set with coarse and fine members.

    RFID is coarse (OCPI RFID_READER); RFID_CLASSIC, RFID_DESFIRE and RFID_CALYPSO are fine. DIRECT_PAYMENT is coarse
    (OICP); the cards, the terminal and CASH are fine. PLUG_AND_CHARGE is ISO 15118 of any edition.
    """

    RFID = "RFID"
    RFID_CLASSIC = "RFID_CLASSIC"
    RFID_DESFIRE = "RFID_DESFIRE"
    RFID_CALYPSO = "RFID_CALYPSO"
    REMOTE_START_STOP = "REMOTE_START_STOP"
    PLUG_AND_CHARGE = "PLUG_AND_CHARGE"
    OPERATOR_AUTHORISATION = "OPERATOR_AUTHORISATION"
    OCHP_DIRECT = "OCHP_DIRECT"
    LOCAL_KEY = "LOCAL_KEY"
    NO_AUTHENTICATION = "NO_AUTHENTICATION"
    DIRECT_PAYMENT = "DIRECT_PAYMENT"
    CASH = "CASH"
    CREDIT_CARD = "CREDIT_CARD"
    DEBIT_CARD = "DEBIT_CARD"
    CHIP_CARD = "CHIP_CARD"
    CONTACTLESS_CARD = "CONTACTLESS_CARD"
    PED_TERMINAL = "PED_TERMINAL"
    RESERVABLE = "RESERVABLE"
    UNLOCK = "UNLOCK"
    CHARGING_PROFILE = "CHARGING_PROFILE"
    CHARGING_PREFERENCES = "CHARGING_PREFERENCES"
    START_SESSION_CONNECTOR_REQUIRED = "START_SESSION_CONNECTOR_REQUIRED"
    TOKEN_GROUP = "TOKEN_GROUP"  # noqa: S105  (a capability, not a secret)
    DYNAMIC_PRICING = "DYNAMIC_PRICING"
    PARKING_SENSORS = "PARKING_SENSORS"
    MAXIMUM_POWER_CHARGING = "MAXIMUM_POWER_CHARGING"
    PREDICTIVE_USAGE = "PREDICTIVE_USAGE"
    CHARGING_PLANS = "CHARGING_PLANS"
    ROOF = "ROOF"


class PaymentOption(StrEnum):
    """How a session can be paid (OICP PaymentOptions)."""

    NO_PAYMENT = "NO_PAYMENT"
    DIRECT = "DIRECT"
    CONTRACT = "CONTRACT"


class Accessibility(StrEnum):
    """Who may come to the charging station (OICP Accessibility)."""

    FREE_PUBLIC = "FREE_PUBLIC"
    PAYING_PUBLIC = "PAYING_PUBLIC"
    RESTRICTED = "RESTRICTED"
    TEST_STATION = "TEST_STATION"


class CalibrationData(StrEnum):
    """How metering-law data are made available (OICP CalibrationLawDataAvailability)."""

    LOCAL = "LOCAL"
    EXTERNAL = "EXTERNAL"
    NOT_AVAILABLE = "NOT_AVAILABLE"


class DynamicInfo(StrEnum):
    """Whether the operator gives live status (OICP DynamicInfoAvailable)."""

    YES = "YES"
    NO = "NO"
    AUTO = "AUTO"


class ParkingType(StrEnum):
    """The kind of place: OCPI ParkingType, OICP AccessibilityLocation, OCHP location."""

    ALONG_MOTORWAY = "ALONG_MOTORWAY"
    PARKING_GARAGE = "PARKING_GARAGE"
    PARKING_LOT = "PARKING_LOT"
    ON_DRIVEWAY = "ON_DRIVEWAY"
    ON_STREET = "ON_STREET"
    UNDERGROUND_GARAGE = "UNDERGROUND_GARAGE"
    PRIVATE = "PRIVATE"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


class ParkingRestriction(StrEnum):
    """Who may park at the EVSE (OCPI ParkingRestriction, OCHP RestrictionType)."""

    EV_ONLY = "EV_ONLY"
    PLUGGED = "PLUGGED"
    DISABLED = "DISABLED"
    CUSTOMERS = "CUSTOMERS"
    MOTORCYCLES = "MOTORCYCLES"
    EMPLOYEES = "EMPLOYEES"
    TAXIS = "TAXIS"
    TENANTS = "TENANTS"
    CAR_SHARING = "CAR_SHARING"


class Facility(StrEnum):
    """What is near the place (OCPI Facility)."""

    HOTEL = "HOTEL"
    RESTAURANT = "RESTAURANT"
    CAFE = "CAFE"
    MALL = "MALL"
    SUPERMARKET = "SUPERMARKET"
    SPORT = "SPORT"
    RECREATION_AREA = "RECREATION_AREA"
    NATURE = "NATURE"
    MUSEUM = "MUSEUM"
    BIKE_SHARING = "BIKE_SHARING"
    BUS_STOP = "BUS_STOP"
    TAXI_STAND = "TAXI_STAND"
    TRAM_STOP = "TRAM_STOP"
    METRO_STATION = "METRO_STATION"
    TRAIN_STATION = "TRAIN_STATION"
    AIRPORT = "AIRPORT"
    PARKING_LOT = "PARKING_LOT"
    CARPOOL_PARKING = "CARPOOL_PARKING"
    FUEL_STATION = "FUEL_STATION"
    WIFI = "WIFI"


class Plug(StrEnum):
    """The shape of a connector, without its format. TESLA, T3, IEC_60309_SINGLE and IEC_60309_THREE are coarse."""

    CHADEMO = "CHADEMO"
    CHAOJI = "CHAOJI"
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
    DOMESTIC_M = "DOMESTIC_M"
    DOMESTIC_N = "DOMESTIC_N"
    DOMESTIC_O = "DOMESTIC_O"
    GBT_AC = "GBT_AC"
    GBT_DC = "GBT_DC"
    IEC_60309_SINGLE = "IEC_60309_SINGLE"
    IEC_60309_THREE = "IEC_60309_THREE"
    IEC_60309_2_SINGLE_16 = "IEC_60309_2_SINGLE_16"
    IEC_60309_2_THREE_16 = "IEC_60309_2_THREE_16"
    IEC_60309_2_THREE_32 = "IEC_60309_2_THREE_32"
    IEC_60309_2_THREE_64 = "IEC_60309_2_THREE_64"
    T1 = "T1"
    T1_COMBO = "T1_COMBO"
    T2 = "T2"
    T2_COMBO = "T2_COMBO"
    T3 = "T3"
    T3A = "T3A"
    T3C = "T3C"
    MCS = "MCS"
    NACS = "NACS"
    NEMA_5_20 = "NEMA_5_20"
    NEMA_6_30 = "NEMA_6_30"
    NEMA_6_50 = "NEMA_6_50"
    NEMA_10_30 = "NEMA_10_30"
    NEMA_10_50 = "NEMA_10_50"
    NEMA_14_30 = "NEMA_14_30"
    NEMA_14_50 = "NEMA_14_50"
    PANTOGRAPH_BOTTOM_UP = "PANTOGRAPH_BOTTOM_UP"
    PANTOGRAPH_TOP_DOWN = "PANTOGRAPH_TOP_DOWN"
    TESLA = "TESLA"
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"
    AVCON = "AVCON"
    SMALL_PADDLE_INDUCTIVE = "SMALL_PADDLE_INDUCTIVE"
    LARGE_PADDLE_INDUCTIVE = "LARGE_PADDLE_INDUCTIVE"
    LPG = "LPG"
    LNG = "LNG"
    CNG = "CNG"
    H2 = "H2"
    SUPER_95 = "SUPER_95"
    SUPER_PLUS = "SUPER_PLUS"
    SUPER_E10 = "SUPER_E10"
    DIESEL = "DIESEL"
    ETHANOL = "ETHANOL"
    ADBLUE = "ADBLUE"


DC_PLUGS = frozenset({Plug.CHADEMO, Plug.CHAOJI, Plug.GBT_DC, Plug.T1_COMBO, Plug.T2_COMBO, Plug.MCS,
                      Plug.PANTOGRAPH_BOTTOM_UP, Plug.PANTOGRAPH_TOP_DOWN})  # fmt: skip
FUELS = frozenset({Plug.LPG, Plug.LNG, Plug.CNG, Plug.H2, Plug.SUPER_95, Plug.SUPER_PLUS, Plug.SUPER_E10, Plug.DIESEL, Plug.ETHANOL,
                   Plug.ADBLUE})  # fmt: skip
"""Nozzles of OCHP 1.4.1, which knows filling stations, too."""
EITHER_PLUGS = frozenset({Plug.NACS, Plug.TESLA, Plug.TESLA_R, Plug.TESLA_S, Plug.T2})
"""Plugs that carry AC or DC (Tesla's first European DC connector has the shape of a Type 2)."""


class PlugFormat(StrEnum):
    """Whether the vehicle brings the cable. NOZZLE and OTHER are OCHP 1.4.1's."""

    SOCKET = "SOCKET"
    CABLE = "CABLE"
    NOZZLE = "NOZZLE"
    OTHER = "OTHER"


class PowerType(StrEnum):
    """Kind of current."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_2_PHASE = "AC_2_PHASE"
    AC_2_PHASE_SPLIT = "AC_2_PHASE_SPLIT"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"

    @property
    def phases(self) -> int:
        """Conductors that add up to the power: volts times amperes times this is watts."""
        return _PHASES[self]


_PHASES = {PowerType.AC_1_PHASE: 1, PowerType.AC_2_PHASE: 2, PowerType.AC_2_PHASE_SPLIT: 2,
           PowerType.AC_3_PHASE: 3, PowerType.DC: 1}  # fmt: skip


def fits(plug: Plug | None, kind: PowerType) -> bool:
    """Whether a plug can carry that kind of current; an unknown plug can."""
    if plug is None or plug in EITHER_PLUGS:
        return True
    return (plug in DC_PLUGS) == (kind is PowerType.DC)


class CurrentKind(StrEnum):
    """What a charge point gives (OCHP chargePointType; the fuels are OCHP 1.4.1's)."""

    AC = "AC"
    DC = "DC"
    SUPER_95 = "SUPER_95"
    SUPER_PLUS = "SUPER_PLUS"
    SUPER_E10 = "SUPER_E10"
    DIESEL = "DIESEL"
    LPG = "LPG"
    CNG = "CNG"
    LNG = "LNG"
    H2 = "H2"
    ETHANOL = "ETHANOL"
    ADBLUE = "ADBLUE"
    OTHER = "OTHER"


class ChargingMode(StrEnum):
    """IEC 61851-1 charging modes (OICP ChargingMode)."""

    MODE_1 = "MODE_1"
    MODE_2 = "MODE_2"
    MODE_3 = "MODE_3"
    MODE_4 = "MODE_4"
    CHADEMO = "CHADEMO"


class ConnectorCapability(StrEnum):
    """Plug & Charge per connector (OCPI 2.3.0)."""

    ISO_15118_2_PLUG_AND_CHARGE = "ISO_15118_2_PLUG_AND_CHARGE"
    ISO_15118_20_PLUG_AND_CHARGE = "ISO_15118_20_PLUG_AND_CHARGE"


@frozen(weakref_slot=False)
class GeoPoint:
    """WGS 84 in degrees."""

    latitude: Decimal
    longitude: Decimal


class PointKind(StrEnum):
    """What a further point is (OCHP AdditionalGeoPointType; OICP knows the entrance)."""

    ENTRANCE = "ENTRANCE"
    EXIT = "EXIT"
    ACCESS = "ACCESS"
    USER_INTERFACE = "USER_INTERFACE"
    OTHER = "OTHER"


@frozen(weakref_slot=False)
class RelatedPoint:
    """A further point of a place, such as its entrance."""

    point: GeoPoint
    kind: PointKind | None = None
    name: Text | None = None


@frozen(weakref_slot=False)
class Address:
    """A postal address. ``line`` holds street and number where they could not be told apart; then both are None.

    ``country`` is ISO 3166-1 alpha-3.
    """

    street: str | None = None
    house_number: str | None = None
    line: str | None = None
    city: str | None = None
    postal_code: str | None = None
    state: str | None = None
    country: str | None = None


@frozen(weakref_slot=False)
class RegularHours:
    """Opening of one weekday (1 Monday to 7 Sunday) in local time, ``HH:MM``; ``24:00`` is the end of the day."""

    weekday: int
    begin: str
    end: str


@frozen(weakref_slot=False)
class ExceptionalPeriod:
    """An exception to the regular hours, in UTC; ``end`` is excluded."""

    begin: datetime
    end: datetime


@frozen(weakref_slot=False)
class Hours:
    """When a place can be reached. ``always`` None: not told."""

    always: bool | None = None
    regular: tuple[RegularHours, ...] = ()
    openings: tuple[ExceptionalPeriod, ...] = ()
    closings: tuple[ExceptionalPeriod, ...] = ()


@frozen(weakref_slot=False)
class PublishToken:
    """A token, or group of tokens, to which an unpublished place is shown (OCPI PublishTokenType)."""

    uid: TokenUid | None = None
    kind: TokenKind | None = None
    visual_number: str | None = None
    issuer: str | None = None
    group_id: str | None = None


class ResourceKind(StrEnum):
    """What a related page is about (OCHP RelatedResourceType)."""

    OPERATOR_MAP = "OPERATOR_MAP"
    OPERATOR_PAYMENT = "OPERATOR_PAYMENT"
    STATION_INFO = "STATION_INFO"
    SURROUNDING_INFO = "SURROUNDING_INFO"
    OWNER_HOMEPAGE = "OWNER_HOMEPAGE"
    FEEDBACK_FORM = "FEEDBACK_FORM"


@frozen(weakref_slot=False)
class RelatedResource:
    """A page about the place."""

    url: str
    kind: ResourceKind


class VehicleType(StrEnum):
    """Vehicles a parking space is made for (OCPI 2.3.0)."""

    MOTORCYCLE = "MOTORCYCLE"
    PERSONAL_VEHICLE = "PERSONAL_VEHICLE"
    PERSONAL_VEHICLE_WITH_TRAILER = "PERSONAL_VEHICLE_WITH_TRAILER"
    VAN = "VAN"
    SEMI_TRACTOR = "SEMI_TRACTOR"
    RIGID = "RIGID"
    TRUCK_WITH_TRAILER = "TRUCK_WITH_TRAILER"
    BUS = "BUS"
    DISABLED = "DISABLED"


class ParkingDirection(StrEnum):
    """How vehicles stand (OCPI 2.3.0)."""

    PARALLEL = "PARALLEL"
    PERPENDICULAR = "PERPENDICULAR"
    ANGLE = "ANGLE"


class EvsePosition(StrEnum):
    """Where the EVSE is, seen from the parking space (OCPI 2.3.0)."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"
    CENTER = "CENTER"


@frozen(weakref_slot=False)
class Parking:
    """A parking space (OCPI 2.3.0 Parking): weights in kg, sizes in cm, ``time_limit`` in minutes."""

    id: str
    vehicle_types: tuple[VehicleType, ...]
    restricted_to_type: bool
    reservation_required: bool
    physical_reference: str | None = None
    max_vehicle_weight: Decimal | None = None
    max_vehicle_height: Decimal | None = None
    max_vehicle_length: Decimal | None = None
    max_vehicle_width: Decimal | None = None
    space_length: Decimal | None = None
    space_width: Decimal | None = None
    dangerous_goods_allowed: bool | None = None
    direction: ParkingDirection | None = None
    drive_through: bool | None = None
    time_limit: Decimal | None = None
    roofed: bool | None = None
    images: tuple[Image, ...] = ()
    lighting: bool | None = None
    refrigeration_outlet: bool | None = None
    standards: tuple[str, ...] = ()
    apds_reference: str | None = None


@frozen(weakref_slot=False)
class EvseParking:
    """Which parking space of the place belongs to an EVSE (OCPI 2.3.0)."""

    parking_id: str
    position: EvsePosition | None = None


@frozen(weakref_slot=False)
class ParkingSpot:
    """A numbered parking spot with an identity of its own (OCHP ParkingSpotInfo)."""

    id: str
    restrictions: tuple[ParkingRestriction, ...] = ()
    floor: str | None = None
    number: str | None = None


@frozen(weakref_slot=False)
class Ratings:
    """Electrical ratings of a charge point (OCHP RatingsType): powers in W, voltage in V."""

    maximum_power: Decimal
    guaranteed_power: Decimal | None = None
    nominal_voltage: int | None = None


class MeteringKind(StrEnum):
    """How the meter's values can be checked (OCHP 1.4.1)."""

    LOCAL = "LOCAL"
    SOFTWARE = "SOFTWARE"
    OTHER = "OTHER"


@frozen(weakref_slot=False)
class MeteringInfo:
    """Metering of a charge point or of a session (OCHP 1.4.1 MeteringInfoType)."""

    kind: MeteringKind
    vendor: str
    vendor_version: str
    data: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@frozen(weakref_slot=False)
class PowerLevel:
    """A charging facility of an EVSE that is tied to no plug (OICP ChargingFacility): W, V, A."""

    power_type: PowerType | None = None
    voltage: int | None = None
    amperage: int | None = None
    power: Decimal | None = None
    modes: tuple[ChargingMode, ...] = ()


@frozen(weakref_slot=False)
class Connector:
    """A socket or cable of an EVSE. Voltage in V (line to neutral for AC), current in A, power in W."""

    id: ConnectorId | None = None
    plug: Plug | None = None
    format: PlugFormat | None = None
    power_type: PowerType | None = None
    max_voltage: int | None = None
    max_amperage: int | None = None
    max_power: Decimal | None = None
    modes: tuple[ChargingMode, ...] = ()
    tariff_ids: tuple[TariffId, ...] = ()
    terms_url: str | None = None
    capabilities: tuple[ConnectorCapability, ...] = ()
    last_updated: datetime | None = None


@frozen(weakref_slot=False)
class ScheduledStatus:
    """A status that is planned for a span of time, in UTC."""

    begin: datetime
    status: Status
    end: datetime | None = None


@frozen(weakref_slot=False)
class Evse:
    """Electric vehicle supply equipment: charges one vehicle at a time through one of its connectors."""

    uid: EvseUid | None = None
    id: EvseId | None = None
    status: Status | None = None
    status_schedule: tuple[ScheduledStatus, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    connectors: tuple[Connector, ...] = ()
    power_levels: tuple[PowerLevel, ...] = ()
    current: CurrentKind | None = None
    ratings: Ratings | None = None
    max_capacity_kwh: int | None = None
    dynamic_power: bool | None = None
    station_id: str | None = None
    manufacturer: str | None = None
    floor: str | None = None
    coordinates: GeoPoint | None = None
    physical_reference: str | None = None
    directions: tuple[Text, ...] = ()
    parking_restrictions: tuple[ParkingRestriction, ...] = ()
    parking: tuple[EvseParking, ...] = ()
    parking_spots: tuple[ParkingSpot, ...] = ()
    parking_spot: str | None = None
    parking_facility: bool | None = None
    images: tuple[Image, ...] = ()
    accepted_providers: tuple[str, ...] = ()
    payment_options: tuple[PaymentOption, ...] = ()
    accessibility: Accessibility | None = None
    calibration: CalibrationData | None = None
    metering: MeteringInfo | None = None
    additional_info: tuple[Text, ...] = ()
    user_interface_languages: tuple[str, ...] = ()
    max_reservation_minutes: int | None = None
    hub_operator_id: OperatorId | None = None
    clearing_house_id: str | None = None
    hubject_compatible: bool | None = None
    dynamic_info: DynamicInfo | None = None
    last_updated: datetime | None = None
    extra: tuple[Extra, ...] = ()


@frozen(weakref_slot=False)
class Place:
    """What the EVSEs of one address share. ``time_zone`` is an IANA name; ``utc_offset`` is ``UTC+01:00`` (OICP)."""

    operator_id: OperatorId | None = None
    id: LocationId | None = None
    publish: bool | None = None
    publish_allowed_to: tuple[PublishToken, ...] = ()
    names: tuple[Text, ...] = ()
    address: Address = Address()
    coordinates: GeoPoint | None = None
    related_points: tuple[RelatedPoint, ...] = ()
    parking_type: ParkingType | None = None
    parking_places: tuple[Parking, ...] = ()
    directions: tuple[Text, ...] = ()
    operator: Business | None = None
    suboperator: Business | None = None
    owner: Business | None = None
    facilities: tuple[Facility, ...] = ()
    time_zone: str | None = None
    utc_offset: str | None = None
    hours: Hours | None = None
    charging_when_closed: bool | None = None
    images: tuple[Image, ...] = ()
    related_resources: tuple[RelatedResource, ...] = ()
    energy_mix: EnergyMix | None = None
    help_phone: str | None = None
    last_updated: datetime | None = None
    extra: tuple[Extra, ...] = ()


@frozen(weakref_slot=False)
class Location:
    """A place and its EVSEs: the unit of OCPI."""

    place: Place
    evses: tuple[Evse, ...] = ()


@frozen(weakref_slot=False)
class Unit:
    """One EVSE and the place it stands at: the unit of OICP and OCHP."""

    place: Place
    evse: Evse


@frozen(weakref_slot=False)
class EvseStatus:
    """The status of one EVSE at a time; ``valid_until`` is when it stops being true without a new message (OCHP ttl)."""

    status: Status
    evse_id: EvseId | None = None
    evse_uid: EvseUid | None = None
    location_id: LocationId | None = None
    updated: datetime | None = None
    valid_until: datetime | None = None
    parking_id: str | None = None
    extra: tuple[Extra, ...] = ()
