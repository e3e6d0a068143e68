"""What charging costs: tariffs, their elements and restrictions."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from bridge.model.common import EnergyMix, Extra, Text
from bridge.model.ids import PartyId, TariffId
from bridge.model.location import RegularHours


class Dimension(StrEnum):
    """What is priced. Units of volume: kWh, h, h, one; POWER is the highest kW (OCHP), VOLUME l and MASS kg (fuels)."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    FLAT = "FLAT"
    POWER = "POWER"
    VOLUME = "VOLUME"
    MASS = "MASS"


class TaxIncluded(StrEnum):
    """Whether prices hold taxes (OCPI 2.3.0). Before 2.3.0 OCPI prices are always without VAT."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class TariffKind(StrEnum):
    """When a tariff is offered (OCPI TariffType)."""

    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class ReservationKind(StrEnum):
    """Which reservations an element prices."""

    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


@frozen(weakref_slot=False)
class PriceComponent:
    """A price per unit of a dimension. ``step`` is in whole seconds or Wh (1 rounds up to the next one), 0 is none.

    ``vat`` is in percent.
    """

    dimension: Dimension
    price: Decimal
    step: Decimal = Decimal(1)
    vat: Decimal | None = None


@frozen(weakref_slot=False)
class Restrictions:
    """When an element applies; all that is given must hold. Minima are included, maxima and ends excluded.

    Times are local, ``HH:MM``; ``days`` are 1 Monday to 7 Sunday; durations are seconds since the session's start,
    energies kWh, currents A, powers kW. ``windows`` hold weekly hours that days with one span cannot say (OCHP).
    """

    start_time: str | None = None
    end_time: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    start: datetime | None = None
    end: datetime | None = None
    days: tuple[int, ...] = ()
    windows: tuple[RegularHours, ...] = ()
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    reservation: ReservationKind | None = None


@frozen(weakref_slot=False)
class TariffElement:
    """Prices that share restrictions. Per dimension, the first element that has it and matches is the one that counts."""

    components: tuple[PriceComponent, ...]
    restrictions: Restrictions | None = None


@frozen(weakref_slot=False)
class PriceLimit:
    """A lowest or highest total, before and after taxes; the two hold independently."""

    excl: Decimal | None = None
    incl: Decimal | None = None


@frozen(weakref_slot=False)
class Tariff:
    """A tariff. ``recipients`` are the providers it is meant for, none: all (OCHP recipient, OICP ProviderID).

    ``max_power`` is the highest power in kW of the charging it is for (OICP MaximumProductChargingPower).
    """

    id: TariffId
    currency: str
    elements: tuple[TariffElement, ...] = ()
    party: PartyId | None = None
    kind: TariffKind | None = None
    alt_texts: tuple[Text, ...] = ()
    alt_url: str | None = None
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    tax_included: TaxIncluded | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    energy_mix: EnergyMix | None = None
    recipients: tuple[str, ...] = ()
    max_power: Decimal | None = None
    last_updated: datetime | None = None
    extra: tuple[Extra, ...] = ()
