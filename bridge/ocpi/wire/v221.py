"""OCPI 2.2.1: the objects of its modules, field by field."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from bridge.codec.wire import (
    S2,
    S3,
    S4,
    S5,
    S10,
    S11,
    S16,
    S20,
    S45,
    S64,
    S100,
    S255,
    S512,
    S5000,
    Ci2,
    Ci3,
    Ci4,
    Ci32,
    Ci36,
    Ci39,
    Ci48,
    Wire,
)


class ImageCategory(StrEnum):
    """ImageCategory."""

    CHARGER = "CHARGER"
    ENTRANCE = "ENTRANCE"
    LOCATION = "LOCATION"
    NETWORK = "NETWORK"
    OPERATOR = "OPERATOR"
    OTHER = "OTHER"
    OWNER = "OWNER"


class EnergySourceCategory(StrEnum):
    """EnergySourceCategory."""

    NUCLEAR = "NUCLEAR"
    GENERAL_FOSSIL = "GENERAL_FOSSIL"
    COAL = "COAL"
    GAS = "GAS"
    GENERAL_GREEN = "GENERAL_GREEN"
    SOLAR = "SOLAR"
    WIND = "WIND"
    WATER = "WATER"


class EnvironmentalImpactCategory(StrEnum):
    """EnvironmentalImpactCategory."""

    NUCLEAR_WASTE = "NUCLEAR_WASTE"
    CARBON_DIOXIDE = "CARBON_DIOXIDE"


class Status(StrEnum):
    """Status."""

    AVAILABLE = "AVAILABLE"
    BLOCKED = "BLOCKED"
    CHARGING = "CHARGING"
    INOPERATIVE = "INOPERATIVE"
    OUTOFORDER = "OUTOFORDER"
    PLANNED = "PLANNED"
    REMOVED = "REMOVED"
    RESERVED = "RESERVED"
    UNKNOWN = "UNKNOWN"


class TokenType(StrEnum):
    """TokenType."""

    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    OTHER = "OTHER"
    RFID = "RFID"


class ConnectorType(StrEnum):
    """ConnectorType."""

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
    IEC_60309_2_SINGLE_16 = "IEC_60309_2_single_16"
    IEC_60309_2_THREE_16 = "IEC_60309_2_three_16"
    IEC_60309_2_THREE_32 = "IEC_60309_2_three_32"
    IEC_60309_2_THREE_64 = "IEC_60309_2_three_64"
    IEC_62196_T1 = "IEC_62196_T1"
    IEC_62196_T1_COMBO = "IEC_62196_T1_COMBO"
    IEC_62196_T2 = "IEC_62196_T2"
    IEC_62196_T2_COMBO = "IEC_62196_T2_COMBO"
    IEC_62196_T3A = "IEC_62196_T3A"
    IEC_62196_T3C = "IEC_62196_T3C"
    NEMA_5_20 = "NEMA_5_20"
    NEMA_6_30 = "NEMA_6_30"
    NEMA_6_50 = "NEMA_6_50"
    NEMA_10_30 = "NEMA_10_30"
    NEMA_10_50 = "NEMA_10_50"
    NEMA_14_30 = "NEMA_14_30"
    NEMA_14_50 = "NEMA_14_50"
    PANTOGRAPH_BOTTOM_UP = "PANTOGRAPH_BOTTOM_UP"
    PANTOGRAPH_TOP_DOWN = "PANTOGRAPH_TOP_DOWN"
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"


class ConnectorFormat(StrEnum):
    """ConnectorFormat."""

    SOCKET = "SOCKET"
    CABLE = "CABLE"


class PowerType(StrEnum):
    """PowerType."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_2_PHASE = "AC_2_PHASE"
    AC_2_PHASE_SPLIT = "AC_2_PHASE_SPLIT"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


class Capability(StrEnum):
    """Capability."""

    CHARGING_PROFILE_CAPABLE = "CHARGING_PROFILE_CAPABLE"
    CHARGING_PREFERENCES_CAPABLE = "CHARGING_PREFERENCES_CAPABLE"
    CHIP_CARD_SUPPORT = "CHIP_CARD_SUPPORT"
    CONTACTLESS_CARD_SUPPORT = "CONTACTLESS_CARD_SUPPORT"
    CREDIT_CARD_PAYABLE = "CREDIT_CARD_PAYABLE"
    DEBIT_CARD_PAYABLE = "DEBIT_CARD_PAYABLE"
    PED_TERMINAL = "PED_TERMINAL"
    REMOTE_START_STOP_CAPABLE = "REMOTE_START_STOP_CAPABLE"
    RESERVABLE = "RESERVABLE"
    RFID_READER = "RFID_READER"
    START_SESSION_CONNECTOR_REQUIRED = "START_SESSION_CONNECTOR_REQUIRED"
    TOKEN_GROUP_CAPABLE = "TOKEN_GROUP_CAPABLE"  # noqa: S105  (a capability)
    UNLOCK_CAPABLE = "UNLOCK_CAPABLE"


class ParkingRestriction(StrEnum):
    """ParkingRestriction."""

    EV_ONLY = "EV_ONLY"
    PLUGGED = "PLUGGED"
    DISABLED = "DISABLED"
    CUSTOMERS = "CUSTOMERS"
    MOTORCYCLES = "MOTORCYCLES"


class ParkingType(StrEnum):
    """ParkingType."""

    ALONG_MOTORWAY = "ALONG_MOTORWAY"
    PARKING_GARAGE = "PARKING_GARAGE"
    PARKING_LOT = "PARKING_LOT"
    ON_DRIVEWAY = "ON_DRIVEWAY"
    ON_STREET = "ON_STREET"
    UNDERGROUND_GARAGE = "UNDERGROUND_GARAGE"


class Facility(StrEnum):
    """Facility."""

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


class WhitelistType(StrEnum):
    """WhitelistType."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class ProfileType(StrEnum):
    """ProfileType."""

    CHEAP = "CHEAP"
    FAST = "FAST"
    GREEN = "GREEN"
    REGULAR = "REGULAR"


class TariffDimensionType(StrEnum):
    """TariffDimensionType."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"


class DayOfWeek(StrEnum):
    """DayOfWeek."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class ReservationRestrictionType(StrEnum):
    """ReservationRestrictionType."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class TariffType(StrEnum):
    """TariffType."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class CdrDimensionType(StrEnum):
    """CdrDimensionType."""

    CURRENT = "CURRENT"
    ENERGY = "ENERGY"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    PARKING_TIME = "PARKING_TIME"
    POWER = "POWER"
    RESERVATION_TIME = "RESERVATION_TIME"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    TIME = "TIME"


class AuthMethod(StrEnum):
    """AuthMethod."""

    AUTH_REQUEST = "AUTH_REQUEST"
    COMMAND = "COMMAND"
    WHITELIST = "WHITELIST"


class SessionStatus(StrEnum):
    """SessionStatus."""

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"
    PENDING = "PENDING"
    RESERVATION = "RESERVATION"


class GeoLocation(Wire, kw_only=True):
    """GeoLocation."""

    latitude: S10
    longitude: S11


class AdditionalGeoLocation(Wire, kw_only=True):
    """AdditionalGeoLocation."""

    latitude: S10
    longitude: S11
    name: DisplayText | None = None


class DisplayText(Wire, kw_only=True):
    """DisplayText."""

    language: S2
    text: S512


class Image(Wire, kw_only=True):
    """Image."""

    url: S255
    thumbnail: S255 | None = None
    category: ImageCategory
    type: Ci4
    width: int | None = None
    height: int | None = None


class BusinessDetails(Wire, kw_only=True):
    """BusinessDetails."""

    name: S100
    website: S255 | None = None
    logo: Image | None = None


class EnergySource(Wire, kw_only=True):
    """EnergySource."""

    source: EnergySourceCategory
    percentage: Decimal


class EnvironmentalImpact(Wire, kw_only=True):
    """EnvironmentalImpact."""

    category: EnvironmentalImpactCategory
    amount: Decimal


class EnergyMix(Wire, kw_only=True):
    """EnergyMix."""

    is_green_energy: bool
    energy_sources: tuple[EnergySource, ...] | None = None
    environ_impact: tuple[EnvironmentalImpact, ...] | None = None
    supplier_name: S64 | None = None
    energy_product_name: S64 | None = None


class RegularHours(Wire, kw_only=True):
    """RegularHours."""

    weekday: int
    period_begin: S5
    period_end: S5


class ExceptionalPeriod(Wire, kw_only=True):
    """ExceptionalPeriod."""

    period_begin: datetime
    period_end: datetime


class Hours(Wire, kw_only=True):
    """Hours."""

    twentyfourseven: bool
    regular_hours: tuple[RegularHours, ...] | None = None
    exceptional_openings: tuple[ExceptionalPeriod, ...] | None = None
    exceptional_closings: tuple[ExceptionalPeriod, ...] | None = None


class StatusSchedule(Wire, kw_only=True):
    """StatusSchedule."""

    period_begin: datetime
    period_end: datetime | None = None
    status: Status


class PublishTokenType(Wire, kw_only=True):
    """PublishTokenType."""

    uid: Ci36 | None = None
    type: TokenType | None = None
    visual_number: S64 | None = None
    issuer: S64 | None = None
    group_id: Ci36 | None = None


class Connector(Wire, kw_only=True):
    """Connector."""

    id: Ci36
    standard: ConnectorType
    format: ConnectorFormat
    power_type: PowerType
    max_voltage: int
    max_amperage: int
    max_electric_power: int | None = None
    tariff_ids: tuple[Ci36, ...] | None = None
    terms_and_conditions: S255 | None = None
    last_updated: datetime


class EVSE(Wire, kw_only=True):
    """EVSE."""

    uid: Ci36
    evse_id: Ci48 | None = None
    status: Status
    status_schedule: tuple[StatusSchedule, ...] | None = None
    capabilities: tuple[Capability, ...] | None = None
    connectors: tuple[Connector, ...]
    floor_level: S4 | None = None
    coordinates: GeoLocation | None = None
    physical_reference: S16 | None = None
    directions: tuple[DisplayText, ...] | None = None
    parking_restrictions: tuple[ParkingRestriction, ...] | None = None
    images: tuple[Image, ...] | None = None
    last_updated: datetime


class Location(Wire, kw_only=True):
    """Location."""

    country_code: Ci2
    party_id: Ci3
    id: Ci36
    publish: bool
    publish_allowed_to: tuple[PublishTokenType, ...] | None = None
    name: S255 | None = None
    address: S255
    city: S45
    postal_code: S10 | None = None
    state: S45 | None = None
    country: S3
    coordinates: GeoLocation
    related_locations: tuple[AdditionalGeoLocation, ...] | None = None
    parking_type: ParkingType | None = None
    evses: tuple[EVSE, ...] | None = None
    directions: tuple[DisplayText, ...] | None = None
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: tuple[Facility, ...] | None = None
    time_zone: S255
    opening_times: Hours | None = None
    charging_when_closed: bool | None = None
    images: tuple[Image, ...] | None = None
    energy_mix: EnergyMix | None = None
    last_updated: datetime


class EnergyContract(Wire, kw_only=True):
    """EnergyContract."""

    supplier_name: S64
    contract_id: S64 | None = None


class Token(Wire, kw_only=True):
    """Token."""

    country_code: Ci2
    party_id: Ci3
    uid: Ci36
    type: TokenType
    contract_id: Ci36
    visual_number: S64 | None = None
    issuer: S64
    group_id: Ci36 | None = None
    valid: bool
    whitelist: WhitelistType
    language: S2 | None = None
    default_profile_type: ProfileType | None = None
    energy_contract: EnergyContract | None = None
    last_updated: datetime


class Price(Wire, kw_only=True):
    """Price."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None


class PriceComponent(Wire, kw_only=True):
    """PriceComponent."""

    type: TariffDimensionType
    price: Decimal
    vat: Decimal | None = None
    step_size: int


class TariffRestrictions(Wire, kw_only=True):
    """TariffRestrictions."""

    start_time: S5 | None = None
    end_time: S5 | None = None
    start_date: S10 | None = None
    end_date: S10 | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    day_of_week: tuple[DayOfWeek, ...] | None = None
    reservation: ReservationRestrictionType | None = None


class TariffElement(Wire, kw_only=True):
    """TariffElement."""

    price_components: tuple[PriceComponent, ...]
    restrictions: TariffRestrictions | None = None


class Tariff(Wire, kw_only=True):
    """Tariff."""

    country_code: Ci2
    party_id: Ci3
    id: Ci36
    currency: S3
    type: TariffType | None = None
    tariff_alt_text: tuple[DisplayText, ...] | None = None
    tariff_alt_url: S255 | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: tuple[TariffElement, ...]
    start_date_time: datetime | None = None
    end_date_time: datetime | None = None
    energy_mix: EnergyMix | None = None
    last_updated: datetime


class CdrDimension(Wire, kw_only=True):
    """CdrDimension."""

    type: CdrDimensionType
    volume: Decimal


class ChargingPeriod(Wire, kw_only=True):
    """ChargingPeriod."""

    start_date_time: datetime
    dimensions: tuple[CdrDimension, ...]
    tariff_id: Ci36 | None = None


class CdrToken(Wire, kw_only=True):
    """CdrToken."""

    country_code: Ci2
    party_id: Ci3
    uid: Ci36
    type: TokenType
    contract_id: Ci36


class CdrLocation(Wire, kw_only=True):
    """CdrLocation."""

    id: Ci36
    name: S255 | None = None
    address: S45
    city: S45
    postal_code: S10 | None = None
    state: S20 | None = None
    country: S3
    coordinates: GeoLocation
    evse_uid: Ci36
    evse_id: Ci48
    connector_id: Ci36
    connector_standard: ConnectorType
    connector_format: ConnectorFormat
    connector_power_type: PowerType


class SignedValue(Wire, kw_only=True):
    """SignedValue."""

    nature: Ci32
    plain_data: S5000
    signed_data: S5000


class SignedData(Wire, kw_only=True):
    """SignedData."""

    encoding_method: Ci36
    encoding_method_version: int | None = None
    public_key: S512 | None = None
    signed_values: tuple[SignedValue, ...]
    url: S512 | None = None


class Session(Wire, kw_only=True):
    """Session."""

    country_code: Ci2
    party_id: Ci3
    id: Ci36
    start_date_time: datetime
    end_date_time: datetime | None = None
    kwh: Decimal
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: Ci36 | None = None
    location_id: Ci36
    evse_uid: Ci36
    connector_id: Ci36
    meter_id: S255 | None = None
    currency: S3
    charging_periods: tuple[ChargingPeriod, ...] | None = None
    total_cost: Price | None = None
    status: SessionStatus
    last_updated: datetime


class CDR(Wire, kw_only=True):
    """CDR."""

    country_code: Ci2
    party_id: Ci3
    id: Ci39
    start_date_time: datetime
    end_date_time: datetime
    session_id: Ci36 | None = None
    cdr_token: CdrToken
    auth_method: AuthMethod
    authorization_reference: Ci36 | None = None
    cdr_location: CdrLocation
    meter_id: S255 | None = None
    currency: S3
    tariffs: tuple[Tariff, ...] | None = None
    charging_periods: tuple[ChargingPeriod, ...]
    signed_data: SignedData | None = None
    total_cost: Price
    total_fixed_cost: Price | None = None
    total_energy: Decimal
    total_energy_cost: Price | None = None
    total_time: Decimal
    total_time_cost: Price | None = None
    total_parking_time: Decimal | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: S255 | None = None
    invoice_reference_id: Ci39 | None = None
    credit: bool | None = None
    credit_reference_id: Ci39 | None = None
    home_charging_compensation: bool | None = None
    last_updated: datetime
