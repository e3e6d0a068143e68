"""Charge detail records: what is billed between partners."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from bridge.model.common import Extra, Price
from bridge.model.ids import (
    CdrId,
    ConnectorId,
    EvseId,
    EvseUid,
    LocationId,
    OperatorId,
    PartyId,
    ProviderId,
    SessionId,
    TariffId,
)
from bridge.model.location import (
    Address,
    CurrentKind,
    GeoPoint,
    Location,
    MeteringInfo,
    Plug,
    PlugFormat,
    PowerType,
    Ratings,
)
from bridge.model.session import AuthMethod, ChargingPeriod
from bridge.model.tariff import Tariff
from bridge.model.token import SessionToken


class BillingItem(StrEnum):
    """What a line of a bill is for (OCHP BillingItemType). Units: h, h, kWh, kW, one, one, h, l, kg."""

    PARKING_TIME = "PARKING_TIME"
    USAGE_TIME = "USAGE_TIME"
    ENERGY = "ENERGY"
    POWER = "POWER"
    SERVICE_FEE = "SERVICE_FEE"
    RESERVATION = "RESERVATION"
    RESERVATION_TIME = "RESERVATION_TIME"
    VOLUME = "VOLUME"
    MASS = "MASS"


@frozen(weakref_slot=False)
class CdrLine:
    """A priced line. ``cost`` is volume times unit price before any rounding of the total; ``vat`` is in percent."""

    start: datetime
    end: datetime
    item: BillingItem
    volume: Decimal
    unit_price: Decimal
    cost: Decimal | None = None
    vat: Decimal | None = None


class CdrStatus(StrEnum):
    """Where a CDR stands between the partners (OCHP CdrStatusType)."""

    NEW = "NEW"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    DECLINED = "DECLINED"
    APPROVED = "APPROVED"
    REVISED = "REVISED"


@frozen(weakref_slot=False)
class CdrPlace:
    """The place, EVSE and connector as they were at the start of the session."""

    id: LocationId | None = None
    name: str | None = None
    address: Address = Address()
    coordinates: GeoPoint | None = None
    time_zone: str | None = None
    evse_uid: EvseUid | None = None
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None
    plug: Plug | None = None
    format: PlugFormat | None = None
    power_type: PowerType | None = None
    current: CurrentKind | None = None
    tariff_id: TariffId | None = None
    ratings: Ratings | None = None


def place_of(location: Location) -> CdrPlace:
    """The place of a CDR, from a location with the one EVSE and connector."""
    place = location.place
    evse = location.evses[0] if location.evses else None
    connector = evse.connectors[0] if evse is not None and evse.connectors else None
    return CdrPlace(
        id=place.id, name=place.names[0].text if place.names else None, address=place.address, coordinates=place.coordinates,
        time_zone=place.time_zone, evse_uid=evse.uid if evse is not None else None, evse_id=evse.id if evse is not None else None,
        connector_id=connector.id if connector is not None else None, plug=connector.plug if connector is not None else None,
        format=connector.format if connector is not None else None, power_type=connector.power_type if connector is not None else None,
        tariff_id=connector.tariff_ids[0] if connector is not None and connector.tariff_ids else None)  # fmt: skip


@frozen(weakref_slot=False)
class SignedValue:
    """A meter value with its signature. ``nature`` is Start, Intermediate or End; the bytes are never rewritten."""

    signed_data: str
    nature: str | None = None
    plain_data: str | None = None


@frozen(weakref_slot=False)
class SignedData:
    """Signed meter data of a session (OCPI SignedData, OICP SignedMeteringValues and CalibrationLawVerificationInfo)."""

    values: tuple[SignedValue, ...] = ()
    encoding_method: str | None = None
    encoding_method_version: int | None = None
    public_key: str | None = None
    url: str | None = None
    certificate_id: str | None = None
    instruction: str | None = None


@frozen(weakref_slot=False)
class Cdr:
    """A charge detail record. Times in UTC (``utc_offset_minutes``: of the place, if told), energy kWh, times in h.

    ``start`` and ``end`` are of the session, ``charging_start`` and ``charging_end`` of the flow of energy. ``location`` is
    the place as a whole, with the EVSE and connector of the session alone, for protocols that tell it in every CDR; what
    ``place`` has of it is the same.
    """

    id: CdrId | None = None
    party: PartyId | None = None
    start: datetime | None = None
    end: datetime | None = None
    charging_start: datetime | None = None
    charging_end: datetime | None = None
    utc_offset_minutes: int | None = None
    session_id: SessionId | None = None
    hub_session_id: str | None = None
    operator_session_id: str | None = None
    provider_session_id: str | None = None
    token: SessionToken = SessionToken()
    auth_method: AuthMethod | None = None
    authorization_reference: str | None = None
    live_authorisation_id: str | None = None
    place: CdrPlace = CdrPlace()
    location: Location | None = None
    meter_id: str | None = None
    meter_start: Decimal | None = None
    meter_end: Decimal | None = None
    meter_between: tuple[Decimal, ...] = ()
    currency: str | None = None
    tariffs: tuple[Tariff, ...] = ()
    product_id: str | None = None
    periods: tuple[ChargingPeriod, ...] = ()
    lines: tuple[CdrLine, ...] = ()
    signed_data: SignedData | None = None
    metering: MeteringInfo | None = None
    total_cost: Price | None = None
    total_fixed_cost: Price | None = None
    total_energy: Decimal | None = None
    total_energy_cost: Price | None = None
    total_time: Decimal | None = None
    total_time_cost: Price | None = None
    total_parking_time: Decimal | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    duration: str | None = None
    status: CdrStatus | None = None
    remark: str | None = None
    invoice_reference_id: str | None = None
    credit: bool | None = None
    credit_reference_id: str | None = None
    home_charging_compensation: bool | None = None
    hub_operator_id: OperatorId | None = None
    hub_provider_id: ProviderId | None = None
    last_updated: datetime | None = None
    extra: tuple[Extra, ...] = ()
