"""Values that several objects of the model share: texts, images, prices, energy mix, unknown fields."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from attrs import frozen


@frozen(weakref_slot=False)
class Text:
    """A text for people. ``language`` is an ISO 639-1 code (with region, if one was given), or None if unknown."""

    text: str
    language: str | None = None


@frozen(weakref_slot=False)
class Extra:
    """A field that the protocol's specification does not know, kept for the way back to that protocol.

    ``protocol`` is the protocol's name without version (``ocpi``), ``path`` the place below the object that holds it.
    """

    protocol: str
    path: str
    value: Any


class ImageCategory(StrEnum):
    """What a picture shows. OCPI ImageCategory; the three OTHER_* are OCHP's finer ones."""

    CHARGER = "CHARGER"
    ENTRANCE = "ENTRANCE"
    LOCATION = "LOCATION"
    NETWORK = "NETWORK"
    OPERATOR = "OPERATOR"
    OWNER = "OWNER"
    OTHER = "OTHER"
    OTHER_PHOTO = "OTHER_PHOTO"
    OTHER_LOGO = "OTHER_LOGO"
    OTHER_GRAPHIC = "OTHER_GRAPHIC"


@frozen(weakref_slot=False)
class Image:
    """A picture at a URL. ``type`` is a file type such as ``jpeg``, ``width`` and ``height`` are in pixels."""

    url: str
    category: ImageCategory | None = None
    type: str | None = None
    thumbnail: str | None = None
    width: int | None = None
    height: int | None = None


@frozen(weakref_slot=False)
class Business:
    """A company as drivers see it (OCPI BusinessDetails)."""

    name: str | None = None
    website: str | None = None
    logo: Image | None = None


class EnergySourceKind(StrEnum):
    """Where electric energy comes from: OCPI EnergySourceCategory and OICP EnergyType, coarse and fine."""

    NUCLEAR = "NUCLEAR"
    GENERAL_FOSSIL = "GENERAL_FOSSIL"
    COAL = "COAL"
    GAS = "GAS"
    PETROLEUM = "PETROLEUM"
    GENERAL_GREEN = "GENERAL_GREEN"
    SOLAR = "SOLAR"
    WIND = "WIND"
    WATER = "WATER"
    GEOTHERMAL = "GEOTHERMAL"
    BIOMASS = "BIOMASS"


@frozen(weakref_slot=False)
class EnergySource:
    """One source of the mix and its share in percent."""

    kind: EnergySourceKind
    percentage: Decimal | None = None


class ImpactKind(StrEnum):
    """What harm is measured, both in g/kWh."""

    NUCLEAR_WASTE = "NUCLEAR_WASTE"
    CARBON_DIOXIDE = "CARBON_DIOXIDE"


@frozen(weakref_slot=False)
class Impact:
    """Environmental impact in g/kWh."""

    kind: ImpactKind
    amount: Decimal


@frozen(weakref_slot=False)
class EnergyMix:
    """The mix of the energy delivered (OCPI EnergyMix; OICP RenewableEnergy, EnergySource, EnvironmentalImpact)."""

    is_green: bool | None = None
    sources: tuple[EnergySource, ...] = ()
    impacts: tuple[Impact, ...] = ()
    supplier: str | None = None
    product: str | None = None


@frozen(weakref_slot=False)
class TaxAmount:
    """One tax within a price (OCPI 2.3.0). ``percentage`` is the rate in percent."""

    name: str
    amount: Decimal
    percentage: Decimal | None = None
    account_number: str | None = None


@frozen(weakref_slot=False)
class Price:
    """An amount of money in the currency of the object that holds it.

    ``excl`` is before taxes; ``incl`` after them, None where it cannot be determined. ``taxes`` names what lies
    between them, where the protocol says so. OCHP does not say whether its totals hold taxes: ``excl`` is None then
    only if nothing is known at all.
    """

    excl: Decimal | None = None
    incl: Decimal | None = None
    taxes: tuple[TaxAmount, ...] = ()


class ProfileKind(StrEnum):
    """A driver's preference for smart charging (OCPI ProfileType)."""

    CHEAP = "CHEAP"
    FAST = "FAST"
    GREEN = "GREEN"
    REGULAR = "REGULAR"


@frozen(weakref_slot=False)
class Period:
    """A span of time in UTC; ``end`` None is open."""

    begin: datetime
    end: datetime | None = None
