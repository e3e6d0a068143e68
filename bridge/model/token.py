"""Who may charge: driver tokens and what a provider answers about them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from bridge.model.common import Extra, ProfileKind
from bridge.model.ids import ContractId, PartyId, TokenUid


class TokenKind(StrEnum):
    """What a token is. REMOTE is a contract named by app or call (OICP RemoteIdentification, OCHP remote)."""

    RFID = "RFID"
    APP_USER = "APP_USER"
    AD_HOC_USER = "AD_HOC_USER"
    EMAID = "EMAID"
    REMOTE = "REMOTE"
    PLUG_AND_CHARGE = "PLUG_AND_CHARGE"
    QR_CODE = "QR_CODE"
    OTHER = "OTHER"


class RfidKind(StrEnum):
    """Technology of an RFID card. MIFARE_FAMILY is coarse."""

    MIFARE_CLASSIC = "MIFARE_CLASSIC"
    MIFARE_DESFIRE = "MIFARE_DESFIRE"
    MIFARE_FAMILY = "MIFARE_FAMILY"
    CALYPSO = "CALYPSO"
    NFC = "NFC"


class UidHash(StrEnum):
    """How a uid is hidden (OCHP representation): the uid field holds the hex digest."""

    SHA_1 = "SHA_1"
    SHA_256 = "SHA_256"


class Whitelist(StrEnum):
    """When the provider wants to be asked (OCPI WhitelistType)."""

    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class Permission(StrEnum):
    """What a token may buy (OCHP 1.4.1)."""

    AC = "AC"
    DC = "DC"
    CNG = "CNG"
    LNG = "LNG"
    FUEL = "FUEL"
    H2 = "H2"
    ETHANOL = "ETHANOL"
    OTHER = "OTHER"


@frozen(weakref_slot=False)
class EnergyContract:
    """The driver's own energy contract (OCPI)."""

    supplier: str
    contract_id: str | None = None


class LegacyHash(StrEnum):
    """Hash functions of OICP 2.1 PINs."""

    MD5 = "MD5"
    SHA_1 = "SHA_1"


@frozen(weakref_slot=False)
class LegacyPin:
    """A PIN as OICP 2.1 hashed it."""

    function: LegacyHash
    salt: str | None = None
    value: str | None = None


@frozen(weakref_slot=False)
class HashedPin:
    """A PIN hashed with Bcrypt (OICP HashedPIN)."""

    value: str
    legacy: LegacyPin | None = None


@frozen(weakref_slot=False)
class Token:
    """A driver token. ``contract_id`` is kept as written where it is no eMAID; ``expires`` is in UTC."""

    uid: TokenUid | None = None
    kind: TokenKind | None = None
    party: PartyId | None = None
    contract_id: ContractId | str | None = None
    rfid: RfidKind | None = None
    hashed: UidHash | None = None
    visual_number: str | None = None
    issuer: str | None = None
    group_id: str | None = None
    valid: bool | None = None
    whitelist: Whitelist | None = None
    language: str | None = None
    default_profile: ProfileKind | None = None
    energy_contract: EnergyContract | None = None
    expires: datetime | None = None
    permissions: tuple[Permission, ...] = ()
    pin: str | None = None
    hashed_pin: HashedPin | None = None
    last_updated: datetime | None = None
    extra: tuple[Extra, ...] = ()


@frozen(weakref_slot=False)
class SessionToken:
    """The token as a session or a CDR repeats it."""

    uid: TokenUid | None = None
    kind: TokenKind | None = None
    party: PartyId | None = None
    contract_id: ContractId | str | None = None
    rfid: RfidKind | None = None
    hashed: UidHash | None = None
    visual_number: str | None = None
    expires: datetime | None = None
    pin: str | None = None
    hashed_pin: HashedPin | None = None


class Allowed(StrEnum):
    """What a provider says to a request for authorisation (OCPI AllowedType)."""

    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"


@frozen(weakref_slot=False)
class AuthorizationInfo:
    """A provider's answer about a token (OCPI AuthorizationInfo, OICP AuthorizationStart, OCHP GetSingle...)."""

    allowed: Allowed
    token: Token | None = None
    location_id: str | None = None
    evse_uids: tuple[str, ...] = ()
    reference: str | None = None
    info: str | None = None
