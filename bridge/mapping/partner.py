"""Partner files: constants, values and permissions in TOML, checked key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bridge.errors import ConfigError
from bridge.mapping.context import Settings
from bridge.model import ids, tables
from bridge.model.location import (
    Accessibility,
    CalibrationData,
    Capability,
    DynamicInfo,
    ParkingType,
    PaymentOption,
    Plug,
    PlugFormat,
    PowerType,
)
from bridge.model.tariff import TaxIncluded
from bridge.model.token import TokenKind, Whitelist

_PLACE: dict[str, Callable[[str], Any]] = {
    "plug": Plug, "format": PlugFormat, "power_type": PowerType, "parking_type": ParkingType, "amperage": int, "latitude": Decimal,
    "longitude": Decimal,
}  # fmt: skip
"""What values of ``cdr_place`` have to be; the others are any text."""


class Constants(BaseModel):
    """What a target may demand and a source may not have. Every key is optional; values are in canonical terms."""

    model_config = ConfigDict(extra="forbid")

    party: str | None = Field(None, description="operator, where no identifier names one (`DE*ABC`)")
    provider: str | None = Field(None, description="provider, where no identifier names one (`DE-XYZ`)")
    operator_name: str | None = Field(None, description="the operator's name for drivers")
    issuer: str | None = Field(None, description="issuer of tokens (OCPI demands one)")
    time_zone: str | None = Field(None, description="IANA time zone of the places")
    language: str | None = Field(None, description="language of texts without one (ISO 639-1)")
    house_number: str | None = Field(None, description="house number where the address has none")
    postal_code: str | None = Field(None, description="postal code where the address has none")
    hotline: str | None = Field(None, description="phone number for drivers, with country code")
    always_open: bool | None = Field(None, description="whether places without opening hours are always open")
    charging_when_closed: bool | None = Field(None, description="whether one can charge outside the opening hours")
    renewable_energy: bool | None = Field(None, description="whether the energy is renewable only")
    calibration: CalibrationData | None = Field(None, description="how metering-law data are made available")
    payment_options: list[PaymentOption] | None = Field(None, description="how sessions can be paid")
    accessibility: Accessibility | None = Field(None, description="who may come to the charging station")
    authentication: list[Capability] | None = Field(None, description="ways of authentication where none is told")
    rfid: list[Capability] | None = Field(None, description="which RFID cards a reader takes that is told as RFID in general")
    hubject_compatible: bool | None = Field(None, description="whether EVSEs can be used through Hubject")
    dynamic_info: DynamicInfo | None = Field(None, description="whether live status is given")
    voltage_ac: int | None = Field(None, gt=0, description="V, line to neutral, of AC connectors without one")
    voltage_dc: int | None = Field(None, gt=0, description="V of DC connectors without one")
    whitelist: Whitelist | None = Field(None, description="when the provider wants to be asked about tokens")
    token_kind: TokenKind | None = Field(None, description="kind of token in sessions and CDRs that do not tell it")
    token_valid: bool | None = Field(None, description="whether a token is valid where its protocol does not say")
    token_expiry: str | None = Field(None, description="expiry of tokens that have none (OCHP demands one), ISO 8601")
    auth_method: str | None = Field(None, description="how sessions were authorised, where it is not told")
    currency: str | None = Field(None, description="currency, where it is not told (ISO 4217)")
    product_id: str | None = Field(None, description="OICP pricing product of sessions without one")
    max_power_kw: Decimal | None = Field(None, description="kW, highest power of an OICP pricing product")
    default_price: Decimal | None = Field(None, description="OICP default price of a push, per default unit")
    default_unit: str | None = Field(None, description="unit of the default price: HOUR, KILOWATT_HOUR or MINUTE")
    tax_included: TaxIncluded | None = Field(None, description="whether prices hold taxes, where it is not told")
    vat: Decimal | None = Field(None, description="VAT in percent, where it is not told")
    total_cost: Decimal | None = Field(None, description="total cost of CDRs that carry no price (0 leaves pricing to the receiver)")
    cdr_place: dict[str, str] | None = Field(None, description="place of CDRs that name only the EVSE: name, address, city, country ...")

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None and not tables.is_zone(value):
            raise ValueError(f"{value!r} is no IANA time zone")
        return value

    @field_validator("cdr_place")
    @classmethod
    def _place(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        for key, text in (value or {}).items():
            try:
                _PLACE.get(key, str)(text)
            except (ValueError, ArithmeticError):
                kind = _PLACE[key]
                raise ValueError(f"{key}: {text!r} is no {'number' if kind in (int, Decimal) else kind.__name__}") from None
        return value

    @field_validator("party")
    @classmethod
    def _party(cls, value: str | None) -> str | None:
        return None if value is None else str(ids.OperatorId.parse(value))

    @field_validator("provider")
    @classmethod
    def _provider(cls, value: str | None) -> str | None:
        return None if value is None else str(ids.ProviderId.parse(value))

    @field_validator("currency")
    @classmethod
    def _currency(cls, value: str | None) -> str | None:
        if value is not None and value not in tables.CURRENCY_DIGITS:
            raise ValueError(f"{value!r} is no ISO 4217 currency")
        return value


class PartnerFile(BaseModel):
    """A partner file: constants, ``[values."FORMAT".TABLE]`` overrides, permissions."""

    model_config = ConfigDict(extra="forbid")

    constants: Constants = Field(default_factory=Constants)
    values: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)
    allow: list[str] = Field(default_factory=list)


def settings(data: dict[str, Any], name: str = "partner file") -> Settings:
    """Settings from the content of a partner file. Raises ConfigError naming the key."""
    try:
        parsed = PartnerFile.model_validate(data)
    except ValidationError as why:
        first = why.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{name}: {key}", first["msg"]) from why
    constants = {k: v for k, v in parsed.constants.model_dump().items() if v is not None}
    for key, value in constants.items():
        if isinstance(value, list):
            constants[key] = tuple(value)
    return Settings(constants, parsed.values, frozenset(parsed.allow))


def load(path: Path) -> Settings:
    """Settings from a partner file. Raises ConfigError naming file, key and reason."""
    try:
        return settings(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as why:
        raise ConfigError(str(path), why.strerror or "cannot be read") from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise ConfigError(str(path), f"no TOML: {why}") from why
