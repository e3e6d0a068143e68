"""OCPI 2.3.0: what differs from 2.2.1 (2.3.0 core); the rest is the older version's.

Enumerations that 2.3.0 opens (capabilities, connectors, facilities, parking, tokens) are read with the values it names;
other values are left out of lists and reported, and a token of another type is one of type OTHER.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from bridge.codec.wire import S2, S3, S4, S10, S12, S16, S20, S45, S50, S64, S255, Ci2, Ci3, Ci25, Ci36, Ci39, Ci48, Or, Wire
from bridge.ocpi.wire.v221 import (
    AdditionalGeoLocation,
    AuthMethod,
    BusinessDetails,
    Capability,
    ChargingPeriod,
    ConnectorFormat,
    DisplayText,
    EnergyContract,
    EnergyMix,
    Facility,
    GeoLocation,
    Hours,
    Image,
    ParkingType,
    PowerType,
    ProfileType,
    SessionStatus,
    SignedData,
    Status,
    StatusSchedule,
    TariffElement,
    TariffType,
    WhitelistType,
)


class TokenType(StrEnum):
    """TokenType (open: other values may come)."""

    AD_HOC_USER = "AD_HOC_USER"
    APP_USER = "APP_USER"
    EMAID = "EMAID"
    OTHER = "OTHER"
    RFID = "RFID"


class VehicleType(StrEnum):
    """VehicleType (open: other values may come)."""

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
    """ParkingDirection."""

    PARALLEL = "PARALLEL"
    PERPENDICULAR = "PERPENDICULAR"
    ANGLE = "ANGLE"


class EVSEPosition(StrEnum):
    """EVSEPosition."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"
    CENTER = "CENTER"


class ConnectorType(StrEnum):
    """ConnectorType (open: other values may come)."""

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
    MCS = "MCS"
    NEMA_5_20 = "NEMA_5_20"
    NEMA_6_30 = "NEMA_6_30"
    NEMA_6_50 = "NEMA_6_50"
    NEMA_10_30 = "NEMA_10_30"
    NEMA_10_50 = "NEMA_10_50"
    NEMA_14_30 = "NEMA_14_30"
    NEMA_14_50 = "NEMA_14_50"
    PANTOGRAPH_BOTTOM_UP = "PANTOGRAPH_BOTTOM_UP"
    PANTOGRAPH_TOP_DOWN = "PANTOGRAPH_TOP_DOWN"
    SAE_J3400 = "SAE_J3400"
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"


class ConnectorCapability(StrEnum):
    """ConnectorCapability (open: other values may come)."""

    ISO_15118_2_PLUG_AND_CHARGE = "ISO_15118_2_PLUG_AND_CHARGE"
    ISO_15118_20_PLUG_AND_CHARGE = "ISO_15118_20_PLUG_AND_CHARGE"


class ParkingRestriction(StrEnum):
    """ParkingRestriction (open: other values may come)."""

    CUSTOMERS = "CUSTOMERS"
    DISABLED = "DISABLED"
    EMPLOYEES = "EMPLOYEES"
    EV_ONLY = "EV_ONLY"
    MOTORCYCLES = "MOTORCYCLES"
    PLUGGED = "PLUGGED"
    TAXIS = "TAXIS"
    TENANTS = "TENANTS"


class TaxIncluded(StrEnum):
    """TaxIncluded."""

    YES = "YES"
    NO = "NO"
    N_A = "N/A"


class PublishTokenType(Wire, kw_only=True):
    """PublishTokenType."""

    uid: Ci36 | None = None
    type: TokenType | None = None
    visual_number: S64 | None = None
    issuer: S64 | None = None
    group_id: Ci36 | None = None


class Parking(Wire, kw_only=True):
    """Parking."""

    id: Ci36
    physical_reference: S12 | None = None
    vehicle_types: tuple[VehicleType, ...]
    max_vehicle_weight: Decimal | None = None
    max_vehicle_height: Decimal | None = None
    max_vehicle_length: Decimal | None = None
    max_vehicle_width: Decimal | None = None
    parking_space_length: Decimal | None = None
    parking_space_width: Decimal | None = None
    dangerous_goods_allowed: bool | None = None
    direction: ParkingDirection | None = None
    drive_through: bool | None = None
    restricted_to_type: bool
    reservation_required: bool
    time_limit: Decimal | None = None
    roofed: bool | None = None
    images: tuple[Image, ...] | None = None
    lighting: bool | None = None
    refrigeration_outlet: bool | None = None
    standards: tuple[Ci36, ...] | None = None
    apds_reference: str | None = None


class EVSEParking(Wire, kw_only=True):
    """EVSEParking."""

    parking_id: Ci36
    evse_position: EVSEPosition | None = None


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
    capabilities: tuple[ConnectorCapability, ...] | None = None
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
    parking: tuple[EVSEParking, ...] | None = None
    images: tuple[Image, ...] | None = None
    accepted_service_providers: tuple[S50, ...] | None = None
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
    parking_places: tuple[Parking, ...] | None = None
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
    help_phone: Ci25 | None = None
    last_updated: datetime


class Token(Wire, kw_only=True):
    """Token."""

    country_code: Ci2
    party_id: Ci3
    uid: Ci36
    type: Annotated[TokenType, Or(TokenType.OTHER)]
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


class TaxAmount(Wire, kw_only=True):
    """TaxAmount."""

    name: str
    account_number: str | None = None
    percentage: Decimal | None = None
    amount: Decimal


class Price(Wire, kw_only=True):
    """Price."""

    before_taxes: Decimal
    taxes: tuple[TaxAmount, ...] | None = None


class PriceLimit(Wire, kw_only=True):
    """PriceLimit."""

    before_taxes: Decimal
    after_taxes: Decimal | None = None


class Tariff(Wire, kw_only=True):
    """Tariff."""

    country_code: Ci2
    party_id: Ci3
    id: Ci36
    currency: S3
    type: TariffType | None = None
    tariff_alt_text: tuple[DisplayText, ...] | None = None
    tariff_alt_url: S255 | None = None
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    elements: tuple[TariffElement, ...]
    tax_included: TaxIncluded
    start_date_time: datetime | None = None
    end_date_time: datetime | None = None
    energy_mix: EnergyMix | None = None
    last_updated: datetime


class CdrToken(Wire, kw_only=True):
    """CdrToken."""

    country_code: Ci2
    party_id: Ci3
    uid: Ci36
    type: Annotated[TokenType, Or(TokenType.OTHER)]
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
