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
from bridge.ocpi.quirks import Quirks
from bridge.roaming.agreements import OWN
from bridge.roaming.audit import PERMISSIONS


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Secret(_Model):
    """A secret: in a file, in an environment variable, or (for tests and demonstrations) here."""

    file: Path | None = Field(None, description="file that holds the secret; white space around it is left out")
    env: str | None = Field(None, description="environment variable that holds it")
    value: str | None = Field(None, description="the secret itself, for tests and demonstrations")

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
    name: str = Field(description="the operator's name, as partners and drivers see it")
    time_zone: str = Field(description="IANA time zone of its places (`Europe/Berlin`): in it tariffs' hours are meant")
    currency: str = Field("EUR", description="ISO 4217 currency of CDRs that no tariff prices")
    preferences_need: list[Literal["departure_time", "energy_need"]] = Field(
        default_factory=list, description="what charging preferences CHEAP and GREEN have to tell to be accepted"
    )
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

    password: Secret | None = Field(None, description="its AuthorizationKey for HTTP Basic; without one no proof is asked for")
    connectors: dict[int, str] = Field(description="OCPP connector number -> EVSE-ID")


AgreedKind = Literal["locations", "status", "tariffs", "tokens", "sessions", "cdrs", "commands", "profiles"]
ALL_KINDS: tuple[AgreedKind, ...] = ("locations", "status", "tariffs", "tokens", "sessions", "cdrs", "commands", "profiles")


class AgreementConfig(_Model):
    """What a partner may see, do and pay, for one of our operators."""

    operator: str = Field(description="which of our operators: a name under `operators`")
    kinds: list[AgreedKind] = Field(default_factory=lambda: list(ALL_KINDS), description="what the partner takes part in; by default all")
    groups: list[str] = Field(default_factory=list, description="location groups; empty: all")
    valid_from: datetime | None = Field(None, description="when it begins (with a time zone); from always")
    valid_until: datetime | None = Field(None, description="when it ends, not included; never")
    tariffs: dict[str, str] = Field(default_factory=dict, description="location group -> tariff id; `*` for the others")
    preference_tariffs: dict[str, list[str]] = Field(
        default_factory=dict,
        description="location group -> ids of tariffs of the types PROFILE_CHEAP, PROFILE_FAST, PROFILE_GREEN, which charging"
        " preferences select (OCPI from 2.2.1); `*` for the others",
    )
    free: bool = Field(
        False, description="what no tariff covers costs nothing; else such sessions are held for a person, and `check` says so"
    )
    sources: list[str] = Field(
        default_factory=lambda: ["own"],
        description="where what it is about comes from: `own`, or the names of upstream operators, whose objects are passed on then",
    )
    test: bool = Field(False, description="a test agreement: never mixed with production")


_UPSTREAM = ("feeds", "our_party", "groups", "tokens_from", "pull_seconds", "full_pull_hours")
"""Keys of upstream operators alone."""


class PartnerConfig(_Model):
    """A partner."""

    protocol: Literal["ocpi", "ocpi-2.1.1", "ocpi-2.2.1", "ocpi-2.3.0", "oicp-2.3", "ochp-1.4"] = Field(
        description="what it speaks; `ocpi`: the highest version that both sides speak"
    )
    url: str = Field(description="where it is called: OCPI, its versions URL; OICP, up to `/api/oicp`; OCHP, the service's address")
    role: Literal["bilateral", "hub", "upstream"] = Field(
        "bilateral",
        description="a hub speaks for many providers and is asked after them; an upstream operator's own system tells us of its"
        " places, sessions and CDRs by OCPI, and takes commands",
    )
    feeds: list[str] = Field(default_factory=list, description="upstream: the operators of ours that it feeds, as named in `operators`")
    our_party: str | None = Field(
        None, description="upstream: our party towards it, as its provider (`DE*XYZ`); by default that of the first operator that it feeds"
    )
    groups: list[str] = Field(default_factory=list, description="upstream: the location groups of all that it tells")
    tokens_from: list[str] = Field(
        default_factory=list, description="upstream: partners whose tokens it gets in advance; about others it has to ask"
    )
    pull_seconds: float = Field(900, gt=0, description="upstream: how often its lists are asked for what changed")
    full_pull_hours: float = Field(
        24, gt=0, description="upstream: how often its locations and tariffs are pulled as a whole: what is not in them is removed"
    )
    stage: int | None = Field(
        None,
        ge=1,
        description="whose turn it is: the lower, the sooner asked; by default 1 for bilateral partners,"
        " 2 for hubs. An owner known by several routes is asked by that of the lowest",
    )
    priority: int = Field(100, description="within a stage: the lower, the better; between acceptances it decides, never arrival")
    authorise: bool = Field(True, description="whether the partner may be asked in real time")
    offline: Literal["refuse", "accept-known"] = Field(
        "refuse", description="what becomes of its valid tokens while it does not answer; a token that says so is accepted in any case"
    )
    agreements: list[AgreementConfig] = Field(
        default_factory=list,
        description="what it may see, do and pay, one per operator or group of locations; at least one, but for upstream operators",
    )
    constants: Constants = Field(default_factory=Constants, description="what its protocol demands and our data do not have")
    values: dict[str, dict[str, dict[str, str]]] = Field(
        default_factory=dict, description="other values than the shipped ones: format, table, canonical value, the partner's value"
    )
    allow: list[str] = Field(
        default_factory=list,
        description="permissions to leave something out of CDRs, besides what the protocol has no field for: `omit-signed-data`,"
        " `omit-prices` or another of those in `docs/operations.md`",
    )
    cdr_deadline_hours: float = Field(24, gt=0, description="from the session's end; an alarm comes after three quarters of it")
    token_pull_seconds: int = Field(3600, gt=0, description="how often changed tokens are asked for")
    token_full_pull_hours: float = Field(24, gt=0, description="how often the whole list is pulled: what it no longer has is revoked")
    token: Secret | None = Field(None, description="OCPI credentials token for calling the partner, or the registration token")
    inbound_token: Secret | None = Field(None, description="OCPI credentials token that the partner uses here")
    user: str | None = Field(None, description="OCHP: user of the account. OICP: user with which Hubject calls here (`hubject`)")
    password: Secret | None = Field(
        None,
        description="OCHP: password of the account. OICP: password with which Hubject calls here; without one"
        " only calls from this machine are taken",
    )
    operator_id: str | None = Field(None, description="the operator's id at this partner, if not its party")
    provider_party: str | None = Field(None, description="the partner's own party, if it is an eMSP (`DE-XYZ`)")
    response_hosts: list[str] = Field(
        default_factory=list,
        description="OCPI: hosts (`host` or `host:port`) besides the partner's own to which results of its commands may be sent,"
        " with our token",
    )
    profile_seconds: float = Field(
        10.0,
        ge=0,
        description="OCPI: the least time between two requests of a kind (set, clear, show) about the charging profile of a session;"
        " sooner it is told that it asks too often",
    )
    quirks: Quirks = Field(default_factory=Quirks, description="OCPI: where the partner departs from the specification")
    live_url: str | None = Field(
        None, description="OCHP: the service for live status, if it is not beside `url` (`/live/` for `/service/`)"
    )
    status_ttl_seconds: float = Field(
        86400,
        ge=0,
        description="OCHP: how long the clearing house keeps a status that it is not told again (ttl); it is told again after half of"
        " that. 0: for ever, also while the bridge is down",
    )
    timeout_seconds: float = Field(10.0, description="how long an answer is waited for")
    requests_per_second: float = Field(
        200.0,
        ge=0,
        description="OCPI: how many requests it may send here, ten seconds' worth at once after a pause; beyond, HTTP 429. 0: no limit",
    )
    unknown_tokens_per_minute: int = Field(
        600, ge=0, description="OCPI: how many tokens that turn out to be unknown it may ask about; beyond, HTTP 429. 0: no limit"
    )
    certificate: Path | None = Field(None, description="PEM file of the client certificate")
    key: Path | None = Field(None, description="PEM file of its key")
    authority: Path | None = Field(None, description="PEM file of the authorities that are trusted instead of the system's")

    @field_validator("our_party")
    @classmethod
    def _our_party(cls, value: str | None) -> str | None:
        return None if value is None else str(ids.PartyId.parse(value))

    @model_validator(mode="after")
    def _quirks(self) -> PartnerConfig:
        if self.quirks != Quirks() and not self.protocol.startswith("ocpi"):
            raise ValueError(f"quirks are for OCPI, not for {self.protocol}")
        return self

    @field_validator("allow")
    @classmethod
    def _permissions(cls, value: list[str]) -> list[str]:
        if unknown := [name for name in value if name not in PERMISSIONS]:
            raise ValueError(f"{unknown[0]!r} is no permission: one of {', '.join(sorted(PERMISSIONS))}")
        return value

    def settings(self) -> Settings:
        """Mapping settings of the partner."""
        constants = {k: v for k, v in self.constants.model_dump(mode="json").items() if v is not None}
        return partner_settings({"constants": constants, "values": self.values, "allow": self.allow})


class BridgeConfig(_Model):
    """The whole configuration."""

    listen: str = Field("127.0.0.1:8080", description="address and port to serve on, for partners and chargers alike")
    url: str = Field("", description="how partners reach us, without a trailing slash; by default from listen")
    store: Path = Field(Path("bridge.sqlite"), description="the SQLite file; relative to the configuration's folder")
    admin_token: Secret | None = Field(None, description="bearer token of `/admin/`; without one it is closed")
    mass_change_percent: Decimal = Field(
        Decimal(5), ge=0, le=100, description="the share of a set that an import or token list may remove without being held"
    )
    authorise_seconds: float = Field(4.0, gt=0, description="how long a charger waits for the answer about a card, all partners together")
    session_update_seconds: float = Field(60.0, ge=0, description="the least time between two updates of a session to a partner; 0: each")
    hub: bool = Field(
        False, description="whether OCPI partners are told whom they reach through the bridge, and whether these are there (HubClientInfo)"
    )
    clock_minutes: float = Field(
        15.0,
        gt=0,
        description="how far a charger's clock may be from the bridge's; a session that starts or ends further off is held for a person",
    )
    operators: dict[str, OperatorConfig] = Field(min_length=1, description="our operators, by a name of your choice")
    chargers: dict[str, ChargerConfig] = Field(default_factory=dict, description="our charge points, by charge point id")
    partners: dict[str, PartnerConfig] = Field(default_factory=dict, description="partners, by a name of your choice")
    partner_folder: Path = Field(
        Path("partners.d"),
        description="folder with more partners, one file `NAME.toml` each with the keys of `[partners.NAME]`; relative to the"
        " configuration's folder",
    )

    @model_validator(mode="after")
    def _known(self) -> BridgeConfig:
        for name, partner in self.partners.items():
            for agreement in partner.agreements:
                if agreement.operator not in self.operators:
                    raise ValueError(f"partners.{name}.agreements: no operator {agreement.operator!r}")
                self._check_sources(name, agreement)
            self._check_upstream(name, partner)
        seen: dict[str, str] = {}
        for name, charger in self.chargers.items():
            for number, evse in charger.connectors.items():
                if evse in seen:
                    raise ValueError(f"chargers.{name}.connectors.{number}: {evse} is also {seen[evse]}")
                seen[evse] = f"chargers.{name}.connectors.{number}"
        return self

    def _check_sources(self, name: str, agreement: AgreementConfig) -> None:
        for source in agreement.sources:
            feeding = self.partners.get(source)
            if source != "own" and (feeding is None or agreement.operator not in feeding.feeds):
                raise ValueError(f"partners.{name}.agreements.sources: {source!r} is no upstream operator that feeds {agreement.operator}")

    def _check_upstream(self, name: str, partner: PartnerConfig) -> None:
        if partner.role != "upstream":
            if misplaced := [key for key in _UPSTREAM if key in partner.model_fields_set]:
                raise ValueError(f'partners.{name}.{misplaced[0]}: for upstream operators only (role = "upstream")')
            return
        if name in ("own", OWN):
            raise ValueError(f"partners.{name}: this name stands for what is our own")
        if not partner.protocol.startswith("ocpi"):
            raise ValueError(f"partners.{name}.role: an upstream operator speaks OCPI")
        if partner.agreements:
            raise ValueError(f"partners.{name}.agreements: an upstream operator is shown nothing of ours")
        if not partner.feeds:
            raise ValueError(f"partners.{name}.feeds: name the operators that it feeds")
        if unknown := [one for one in partner.feeds if one not in self.operators]:
            raise ValueError(f"partners.{name}.feeds: no operator {unknown[0]!r}")
        for one in partner.tokens_from:
            if one not in self.partners or self.partners[one].role == "upstream":
                raise ValueError(f"partners.{name}.tokens_from: no partner {one!r} with tokens")

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
    """The configuration in a file and its partner folder. Raises ConfigError naming the key and what is wrong."""
    data = _toml(path)
    files = _partner_files(path, data)
    try:
        config = BridgeConfig.model_validate(data)
    except ValidationError as why:
        first = why.errors()[0]
        where, keys = path, [str(part) for part in first["loc"]]
        if len(keys) > 1 and keys[0] == "partners" and keys[1] in files:
            where, keys = files[keys[1]], keys[2:]
        raise ConfigError(f"{where}: {'.'.join(keys) or 'configuration'}", first["msg"].removeprefix("Value error, ")) from why
    if not config.store.is_absolute():
        config.store = path.parent / config.store
    config.partner_folder = path.parent / config.partner_folder
    return config


def _partner_files(path: Path, data: dict[str, Any]) -> dict[str, Path]:
    """The files of the partner folder, by partner; what is in them joins ``data``."""
    partners, folder = data.setdefault("partners", {}), data.get("partner_folder", BridgeConfig.model_fields["partner_folder"].default)
    if not isinstance(partners, dict) or not isinstance(folder, str | Path):
        return {}  # said by the check of the keys
    files = {file.stem: file for file in sorted((path.parent / folder).glob("*.toml"))}
    for name, file in files.items():
        if name in partners:
            raise ConfigError(str(file), f"there is a partner {name} in {path} already")
        partners[name] = _toml(file)
    return files


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as why:
        raise ConfigError(str(path), why.strerror or "cannot be read") from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise ConfigError(str(path), f"no TOML: {why}") from why
