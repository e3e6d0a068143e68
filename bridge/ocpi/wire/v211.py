"""OCPI 2.1.1: what differs from 2.2.1; the rest is the newer version's.

Objects do not name their owner, identifiers of locations and EVSEs have up to 39 characters, all enumerations are closed.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from bridge.codec.wire import S2, S3, S4, S5, S10, S11, S16, S45, S64, S255, Ci36, Ci39, Ci48, Wire
from bridge.ocpi.wire.v221 import (
    BusinessDetails,
    ConnectorFormat,
    DayOfWeek,
    DisplayText,
    EnergySource,
    EnvironmentalImpactCategory,
    ExceptionalPeriod,
    Image,
    ParkingRestriction,
    RegularHours,
    Status,
    StatusSchedule,
    TariffDimensionType,
    WhitelistType,
)


class AuthMethod(StrEnum):
    """AuthMethod."""

    AUTH_REQUEST = "AUTH_REQUEST"
    WHITELIST = "WHITELIST"


class CdrDimensionType(StrEnum):
    """CdrDimensionType."""

    ENERGY = "ENERGY"
    FLAT = "FLAT"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"


class Capability(StrEnum):
    """Capability."""

    CHARGING_PROFILE_CAPABLE = "CHARGING_PROFILE_CAPABLE"
    CREDIT_CARD_PAYABLE = "CREDIT_CARD_PAYABLE"
    REMOTE_START_STOP_CAPABLE = "REMOTE_START_STOP_CAPABLE"
    RESERVABLE = "RESERVABLE"
    RFID_READER = "RFID_READER"
    UNLOCK_CAPABLE = "UNLOCK_CAPABLE"


class ConnectorType(StrEnum):
    """ConnectorType."""

    CHADEMO = "CHADEMO"
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
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"


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
    BUS_STOP = "BUS_STOP"
    TAXI_STAND = "TAXI_STAND"
    TRAIN_STATION = "TRAIN_STATION"
    AIRPORT = "AIRPORT"
    CARPOOL_PARKING = "CARPOOL_PARKING"
    FUEL_STATION = "FUEL_STATION"
    WIFI = "WIFI"


class LocationType(StrEnum):
    """LocationType (ParkingType from 2.2 on)."""

    ON_STREET = "ON_STREET"
    PARKING_GARAGE = "PARKING_GARAGE"
    UNDERGROUND_GARAGE = "UNDERGROUND_GARAGE"
    PARKING_LOT = "PARKING_LOT"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


class PowerType(StrEnum):
    """PowerType."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


class SessionStatus(StrEnum):
    """SessionStatus."""

    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"
    PENDING = "PENDING"


class TokenType(StrEnum):
    """TokenType."""

    OTHER = "OTHER"
    RFID = "RFID"


class GeoLocation(Wire, kw_only=True):
    """GeoLocation: exactly six decimals."""

    latitude: S10
    longitude: S11


class AdditionalGeoLocation(Wire, kw_only=True):
    """AdditionalGeoLocation: exactly six decimals."""

    latitude: S10
    longitude: S11
    name: DisplayText | None = None


class EnvironmentalImpact(Wire, kw_only=True):
    """EnvironmentalImpact: ``source`` is what later versions call the category."""

    source: EnvironmentalImpactCategory
    amount: Decimal


class EnergyMix(Wire, kw_only=True):
    """EnergyMix."""

    is_green_energy: bool
    energy_sources: tuple[EnergySource, ...] | None = None
    environ_impact: tuple[EnvironmentalImpact, ...] | None = None
    supplier_name: S64 | None = None
    energy_product_name: S64 | None = None


class Hours(Wire, kw_only=True):
    """Hours: regular hours or the flag by the table, both by the specification's own example."""

    twentyfourseven: bool | None = None
    regular_hours: tuple[RegularHours, ...] | None = None
    exceptional_openings: tuple[ExceptionalPeriod, ...] | None = None
    exceptional_closings: tuple[ExceptionalPeriod, ...] | None = None


class Connector(Wire, kw_only=True):
    """Connector."""

    id: Ci36
    standard: ConnectorType
    format: ConnectorFormat
    power_type: PowerType
    voltage: int
    amperage: int
    tariff_id: Ci36 | None = None
    terms_and_conditions: S255 | None = None
    last_updated: datetime


class EVSE(Wire, kw_only=True):
    """EVSE."""

    uid: Ci39
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

    id: Ci39
    type: LocationType
    name: S255 | None = None
    address: S45
    city: S45
    postal_code: S10
    country: S3
    coordinates: GeoLocation
    related_locations: tuple[AdditionalGeoLocation, ...] | None = None
    evses: tuple[EVSE, ...] | None = None
    directions: tuple[DisplayText, ...] | None = None
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: tuple[Facility, ...] | None = None
    time_zone: S255 | None = None
    opening_times: Hours | None = None
    charging_when_closed: bool | None = None
    images: tuple[Image, ...] | None = None
    energy_mix: EnergyMix | None = None
    last_updated: datetime


class EvseStatus(Wire, kw_only=True):
    """``status`` and ``last_updated`` of one EVSE (PATCH of an EVSE); ``location_id`` stands in the URL."""

    location_id: Ci39 | None = None
    uid: Ci39
    evse_id: Ci48 | None = None
    status: Status
    last_updated: datetime


class Token(Wire, kw_only=True):
    """Token: ``auth_id`` is what later versions call the contract id."""

    uid: Ci36
    type: TokenType
    auth_id: Ci36
    visual_number: S64 | None = None
    issuer: S64
    valid: bool
    whitelist: WhitelistType
    language: S2 | None = None
    last_updated: datetime


class PriceComponent(Wire, kw_only=True):
    """PriceComponent: prices are without VAT."""

    type: TariffDimensionType
    price: Decimal
    step_size: int


class TariffRestrictions(Wire, kw_only=True):
    """TariffRestrictions."""

    start_time: S5 | None = None
    end_time: S5 | None = None
    start_date: S10 | None = None
    end_date: S10 | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    day_of_week: tuple[DayOfWeek, ...] | None = None


class TariffElement(Wire, kw_only=True):
    """TariffElement."""

    price_components: tuple[PriceComponent, ...]
    restrictions: TariffRestrictions | None = None


class Tariff(Wire, kw_only=True):
    """Tariff."""

    id: Ci36
    currency: S3
    tariff_alt_text: tuple[DisplayText, ...] | None = None
    tariff_alt_url: S255 | None = None
    elements: tuple[TariffElement, ...]
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


class Session(Wire, kw_only=True):
    """Session: ``location`` holds only the EVSE and connector of the session."""

    id: Ci36
    start_datetime: datetime
    end_datetime: datetime | None = None
    kwh: Decimal
    auth_id: Ci36
    auth_method: AuthMethod
    location: Location
    meter_id: S255 | None = None
    currency: S3
    charging_periods: tuple[ChargingPeriod, ...] | None = None
    total_cost: Decimal | None = None
    status: SessionStatus
    last_updated: datetime


class CDR(Wire, kw_only=True):
    """CDR: ``location`` holds only the EVSE and connector of the session; ``total_cost`` is without VAT."""

    id: Ci36
    start_date_time: datetime
    stop_date_time: datetime
    auth_id: Ci36
    auth_method: AuthMethod
    location: Location
    meter_id: S255 | None = None
    currency: S3
    tariffs: tuple[Tariff, ...] | None = None
    charging_periods: tuple[ChargingPeriod, ...]
    total_cost: Decimal
    total_energy: Decimal
    total_time: Decimal
    total_parking_time: Decimal | None = None
    remark: S255 | None = None
    last_updated: datetime
