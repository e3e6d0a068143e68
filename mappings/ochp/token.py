"""OCHP 1.4 roaming authorisations (RoamingAuthorisationInfo): the whitelist, and the token that CDRs repeat (EmtId)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from bridge.codec.xml import ILLEGAL
from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    At,
    Context,
    Converter,
    Mapping,
    Table,
    WholeSeconds,
    derived,
    no_place,
    row,
)
from bridge.mapping.convert import as_utc
from bridge.model import token as c
from bridge.model.ids import ContractId, IdError, PartyId, TokenUid, contract
from bridge.ochp import wire as w
from mappings.ochp.common import CONTRACT_ID

RFID = Table(
    (c.RfidKind.MIFARE_CLASSIC, w.TokenSubType.MIFARE_CLS),
    (c.RfidKind.MIFARE_DESFIRE, w.TokenSubType.MIFARE_DES),
    (c.RfidKind.CALYPSO, w.TokenSubType.CALYPSO),
    never={c.RfidKind.NFC: "OCHP has no NFC in general", c.RfidKind.MIFARE_FAMILY: "OCHP tells Classic from DESFire"},
    name="tokenSubType",
).covers(c.RfidKind, w.TokenSubType)

HASH = Table((c.UidHash.SHA_1, w.Representation.SHA_160), (c.UidHash.SHA_256, w.Representation.SHA_256), name="representation")

KIND = Table(
    (c.TokenKind.RFID, w.TokenType.RFID),
    (c.TokenKind.REMOTE, w.TokenType.REMOTE),
    (c.TokenKind.PLUG_AND_CHARGE, w.TokenType.ISO15118),
    out={
        c.TokenKind.APP_USER: w.TokenType.REMOTE,
        c.TokenKind.AD_HOC_USER: w.TokenType.REMOTE,
        c.TokenKind.EMAID: w.TokenType.ISO15118,
    },
    never={c.TokenKind.QR_CODE: "OCHP has no QR codes", c.TokenKind.OTHER: "other tokens come with OCHP 1.4.1"},
    name="tokenType",
).covers(c.TokenKind, w.TokenType)

HEX = re.compile(r"[0-9A-Fa-f]+")


class EmtId(Converter):
    """EmtId: uid, kind, technology and hash in one element. A card's uid is written in capitals.

    ``cards_only`` refuses tokens that must not be in a whitelist (remote ones): OCHP allows them in CDRs only.
    """

    note = "uid, kind, technology, representation"
    tables = (KIND, RFID, HASH)

    def __init__(self, *, cards_only: bool) -> None:
        self.cards_only = cards_only

    def out(self, value: Any, cx: Context, at: At) -> Any:
        uid, kind, rfid, hashed, contract_id = (part or None for part in value)
        if kind is None:
            return None
        written = KIND.out(kind, cx, At((at.src[1],), at.dst))
        if written is None:
            return None
        if self.cards_only and written is w.TokenType.REMOTE:
            cx.lose(at.src[1], DROPPED, kind, "remote tokens must not be in an OCHP whitelist")
            return None
        if uid is None and contract_id is not None:
            uid = contract_id
            cx.lose(f"{at.dst[0]}.instance", DEFAULTED, str(uid), "no card: the contract id stands for the uid")
        if uid is None:
            return None
        text = str(uid)
        if kind is c.TokenKind.RFID and hashed is None and HEX.fullmatch(text) and text != text.upper():
            cx.lose(at.src[0], NARROWED, text, "in capitals in OCHP")
            text = text.upper()
        if len(text) > 512:
            cx.lose(at.src[0], DROPPED, len(text), "at most 512 characters in OCHP")
            return None
        sub = RFID.out(rfid, cx, At((at.src[2],), at.dst)) if rfid is not None else None
        return w.EmtId(instance=text, tokenType=written, tokenSubType=sub,
                       representation=HASH.exact_out[hashed] if hashed is not None else w.Representation.PLAIN)  # fmt: skip

    def back(self, value: Any, cx: Context, at: At) -> Any:
        hashed = HASH.exact_back.get(value.representation)  # OCHP 1.4: plain where it is not told
        rfid = RFID.exact_back[value.tokenSubType] if value.tokenSubType is not None else None
        return TokenUid(value.instance), KIND.exact_back[value.tokenType], rfid, hashed


class Contract(Converter):
    """The contract id names the provider."""

    note = "contract id; it names the provider"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        contract_id, party = value
        if contract_id is None:
            return None
        written = CONTRACT_ID.out(contract_id, cx, At((at.src[0],), at.dst))
        named = _provider(contract_id)
        if party is None and named is not None:
            cx.lose(at.dst[0], DEFAULTED, str(named), "the contract id names the provider")
        elif party is not None and party != named:
            cx.lose(at.src[1], DROPPED, str(party), "OCHP knows the provider by the contract id only")
        return written

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return contract(value), _provider(value)


def _provider(text: Any) -> PartyId | None:
    try:
        return ContractId.parse(text).party
    except IdError:
        return None


def _expiry(o: c.Token, cx: Context) -> Any:
    """A token that is not valid has expired; else the configured end."""
    if o.valid is False:
        return cx.facts.now
    told = cx.constants.get("token_expiry")
    return as_utc(datetime.fromisoformat(told)) if told else None


TOKEN = Mapping(c.Token, w.RoamingAuthorisationInfo, (
    row(("uid", "kind", "rfid", "hashed"), "EmtId", EmtId(cards_only=True), using="contract_id", hints={
        "uid": "EmtId.instance", "kind": "EmtId.tokenType", "rfid": "EmtId.tokenSubType", "hashed": "EmtId.representation"}),
    row(("contract_id", "party"), "contractId", Contract()),
    row("visual_number", "printedNumber"),
    row("expires", "expiryDate", WholeSeconds(), or_else=derived(_expiry, "now if not valid, else configured: token_expiry")),
    no_place("issuer", because="only OCPI has it"),
    no_place("group_id", because="only OCPI has it"),
    no_place("valid", because="OCHP tells it by the expiry date"),
    no_place("whitelist", because="an uploaded token may be used without asking", refuse_when=c.Whitelist.NEVER),
    no_place("language", because="only OCPI has it"),
    no_place("default_profile", because="only OCPI has it"),
    no_place("energy_contract", because="only OCPI has it"),
    no_place("permissions", because="not before OCHP 1.4.1"),
    no_place("pin", because="OCHP has no PINs"),
    no_place("hashed_pin", because="OCHP has no PINs"),
    no_place("last_updated", because="OCHP's tokens have no time"),
), name="RoamingAuthorisationInfo", unsaid=ILLEGAL)  # fmt: skip
