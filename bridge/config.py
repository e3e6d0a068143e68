"""The bridge's configuration: TOML, checked key by key, secrets from files or the environment."""

from __future__ import annotations

import os
import tomllib
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bridge.errors import ConfigError
from bridge.mapping.context import Settings
from bridge.mapping.partner import Constants
from bridge.mapping.partner import settings as partner_settings
from bridge.model import ids, tables


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Secret(_Model):
    """A secret: in a file, in an environment variable, or (for tests and demonstrations) here."""

    file: Path | None = None
    env: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if sum(v is not None for v in (self.file, self.env, self.value)) != 1:
            raise ValueError("exactly one of file, env, value")
        return self

    def read(self, key: str) -> str:
        """The secret. Raises ConfigError."""
        if self.file is not None:
            try:
                return self.file.read_text(encoding="utf-8").strip()
            except OSError as why:
                raise ConfigError(key, f"{self.file}: {why.strerror}") from why
        if self.env is not None:
            if self.env not in os.environ:
                raise ConfigError(key, f"the environment variable {self.env} is not set")
            return os.environ[self.env]
        return self.value or ""


class OperatorConfig(_Model):
    """One of our operators."""

    party: str = Field(description="country and party (`DE*ABC`)")
    name: str
    time_zone: str
    currency: str = "EUR"
    own_uids: list[str] = Field(default_factory=list, description="cards of the operator's own customers, never asked for elsewhere")

    @field_validator("party")
    @classmethod
    def _party(cls, value: str) -> str:
        operator = ids.OperatorId.parse(value)
        if operator.party is None:
            raise ValueError("an ISO operator id such as DE*ABC")
        return str(operator.separated())

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if not tables.is_zone(value):
            raise ValueError(f"{value!r} is no IANA time zone")
        return value


class ChargerConfig(_Model):
    """A charge point: its password and which EVSE each connector is."""

    password: Secret | None = None
    connectors: dict[int, str] = Field(description="OCPP connector number -> EVSE-ID")


class AgreementConfig(_Model):
    """What a partner may see, do and pay, for one of our operators."""

    operator: str
    kinds: list[Literal["locations", "status", "tariffs", "tokens", "sessions", "cdrs", "commands"]] = Field(
        default_factory=lambda: ["locations", "status", "tariffs", "tokens", "sessions", "cdrs", "commands"])  # fmt: skip
    groups: list[str] = Field(default_factory=list, description="location groups; empty: all")
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    tariffs: dict[str, str] = Field(default_factory=dict, description="location group -> tariff id; `*` for the others")
    test: bool = Field(False, description="a test agreement: never mixed with production")


class PartnerConfig(_Model):
    """A partner."""

    protocol: Literal["ocpi-2.2.1", "oicp-2.3", "ochp-1.4"]
    url: str
    role: Literal["bilateral", "hub"] = "bilateral"
    priority: int = Field(100, description="the lower, the sooner asked; between acceptances it decides")
    authorise: bool = Field(True, description="whether the partner may be asked in real time")
    offline: Literal["refuse", "accept-known"] = "refuse"
    agreements: list[AgreementConfig]
    constants: Constants = Field(default_factory=Constants)
    values: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)
    allow: list[str] = Field(default_factory=list)
    cdr_deadline_hours: int = 24
    token_pull_seconds: int = Field(3600, gt=0)
    token: Secret | None = Field(None, description="OCPI credentials token for calling the partner, or the registration token")
    inbound_token: Secret | None = Field(None, description="OCPI credentials token that the partner uses here")
    user: str | None = None
    password: Secret | None = None
    operator_id: str | None = Field(None, description="the operator's id at this partner, if not its party")
    provider_party: str | None = Field(None, description="the partner's own party, if it is an eMSP (`DE-XYZ`)")
    live_url: str | None = None
    status_ttl_seconds: int = 86400
    timeout_seconds: float = 10.0
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def settings(self) -> Settings:
        """Mapping settings of the partner."""
        constants = {k: v for k, v in self.constants.model_dump(mode="json").items() if v is not None}
        return partner_settings({"constants": constants, "values": self.values, "allow": self.allow})


class BridgeConfig(_Model):
    """The whole configuration."""

    listen: str = "127.0.0.1:8080"
    url: str = Field("", description="how partners reach us, without a trailing slash; by default from listen")
    store: Path = Path("bridge.sqlite")
    admin_token: Secret | None = None
    mass_change_percent: Decimal = Field(Decimal(5), ge=0, le=100)
    authorise_seconds: float = Field(4.0, gt=0)
    session_update_seconds: float = Field(60.0, ge=0)
    operators: dict[str, OperatorConfig] = Field(min_length=1)
    chargers: dict[str, ChargerConfig] = Field(default_factory=dict)
    partners: dict[str, PartnerConfig] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> BridgeConfig:
        for name, partner in self.partners.items():
            for agreement in partner.agreements:
                if agreement.operator not in self.operators:
                    raise ValueError(f"partners.{name}.agreements: no operator {agreement.operator!r}")
        seen: dict[str, str] = {}
        for name, charger in self.chargers.items():
            for number, evse in charger.connectors.items():
                if evse in seen:
                    raise ValueError(f"chargers.{name}.connectors.{number}: {evse} is also {seen[evse]}")
                seen[evse] = f"chargers.{name}.connectors.{number}"
        return self

    @property
    def host(self) -> str:
        """The address to listen on."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])

    @property
    def public_url(self) -> str:
        """How partners reach us."""
        return self.url.rstrip("/") or f"http://{self.listen}"


def load(path: Path) -> BridgeConfig:
    """The configuration in a file. Raises ConfigError naming the key and what is wrong."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as why:
        raise ConfigError(str(path), why.strerror or "cannot be read") from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise ConfigError(str(path), f"no TOML: {why}") from why
    try:
        config = BridgeConfig.model_validate(data)
    except ValidationError as why:
        first = why.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "configuration"
        raise ConfigError(f"{path}: {key}", first["msg"].removeprefix("Value error, ")) from why
    if not config.store.is_absolute():
        config.store = path.parent / config.store
    return config
