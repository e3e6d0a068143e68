"""OICP identification: a choice of five ways to name a driver. Shared by tokens, sessions and CDRs."""

from __future__ import annotations

from typing import Any

from bridge.mapping import DEFAULTED, DROPPED, NARROWED, TRUNCATED, At, Context, Converter, Table
from bridge.mapping.convert import as_utc
from bridge.model import token as c
from bridge.model.ids import ContractId, IdError, TokenUid, contract
from bridge.oicp import wire as w
from mappings.oicp.common import EVCO_ID_PATTERN, UID_PATTERN

RFID = Table(
    (c.RfidKind.MIFARE_CLASSIC, w.RFIDType.MIFARE_CLS),
    (c.RfidKind.MIFARE_DESFIRE, w.RFIDType.MIFARE_DES),
    (c.RfidKind.CALYPSO, w.RFIDType.CALYPSO),
    (c.RfidKind.NFC, w.RFIDType.NFC),
    (c.RfidKind.MIFARE_FAMILY, w.RFIDType.MIFARE_FAMILY),
    name="RFIDType",
).covers(c.RfidKind, w.RFIDType)

LEGACY = Table((c.LegacyHash.MD5, w.LegacyHashFunction.MD5), (c.LegacyHash.SHA_1, w.LegacyHashFunction.SHA_1), name="LegacyHash").covers(
    c.LegacyHash, w.LegacyHashFunction
)

PARTS = ("kind", "uid", "contract_id", "rfid", "visual_number", "expires", "pin", "hashed_pin")
"""The canonical fields that an identification holds, in the order the converter takes them."""


class Identification(Converter):
    """RFIDMifareFamily, RFID, QR code, Plug & Charge or remote: exactly one.

    ``full`` writes cards with contract, technology, printed number and expiry (RFIDIdentification), which OICP forbids
    in authorisation messages: there a card is its uid alone.
    """

    note = "one of five identifications"
    tables = (RFID,)

    def __init__(self, *, full: bool) -> None:
        self.full = full

    def out(self, value: Any, cx: Context, at: At) -> Any:
        kind, uid, contract_id, rfid, visual, expires, pin, hashed = value
        src = dict(zip(PARTS, at.src, strict=True))
        said = {"kind"}
        before = len(cx.losses)
        made: w.Identification | None = None
        if kind is c.TokenKind.RFID:
            made = self._card(uid, contract_id, rfid, visual, expires, cx, src, at, said)
        elif kind in _BY_CONTRACT:
            evco = self._evco(contract_id or uid, cx, src["contract_id"] if contract_id else src["uid"])
            said.add("contract_id" if contract_id else "uid")
            if evco is not None:
                made = self._by_contract(kind, evco, pin, hashed, cx, src, said)
        elif kind is not None:
            cx.lose(src["kind"], DROPPED, kind, "OICP has no such token")
        because = "no place in this identification" if made is not None else "OICP has no identification without its main part"
        told = {loss.path for loss in cx.losses[before:]} if made is None else {src[name] for name in said}
        for name, one in zip(PARTS, value, strict=True):
            if one is not None and src[name] not in told:
                cx.lose(src[name], DROPPED, one, because)
        return made

    def _card(self, uid: Any, contract_id: Any, rfid: Any, visual: Any, expires: Any, cx: Context, src: dict[str, str], at: At,
              said: set[str]) -> w.Identification | None:  # fmt: skip
        if uid is None:
            return None
        text = str(uid)
        if not UID_PATTERN.fullmatch(text):
            plain = text.replace(":", "").replace("-", "").replace(" ", "").upper()
            if not UID_PATTERN.fullmatch(plain):
                cx.lose(src["uid"], DROPPED, text, "a uid of 4, 7 or 10 bytes in hex is needed in OICP")
                return None
            cx.lose(src["uid"], NARROWED, text, f"spelled {plain} there")
            text = plain
        said.add("uid")
        if not self.full or (contract_id is None and rfid is None and visual is None and expires is None):
            return w.Identification(RFIDMifareFamilyIdentification=w.RFIDMifareFamilyIdentification(UID=text))
        if rfid is None:
            rfid = c.RfidKind.MIFARE_FAMILY
            cx.lose(f"{at.dst[0]}.RFIDIdentification.RFID", DEFAULTED, "mifareFamily", "the technology is not told")
        evco = self._evco(contract_id, cx, src["contract_id"]) if contract_id is not None else None
        said |= {"contract_id", "rfid", "visual_number", "expires"}
        if visual is not None and len(visual) > 150:
            cx.lose(src["visual_number"], TRUNCATED, visual, "at most 150 characters in OICP")
            visual = visual[:150]
        return w.Identification(RFIDIdentification=w.RFIDIdentification(
            UID=text, EvcoID=evco, RFID=RFID.exact_out[rfid], PrintedNumber=visual, ExpiryDate=expires))  # fmt: skip

    def _evco(self, contract_id: Any, cx: Context, path: str) -> str | None:
        if contract_id is None:
            return None
        text = str(contract_id)
        if EVCO_ID_PATTERN.fullmatch(text):
            return text
        try:
            spelled = str(ContractId.parse(text).with_check_digit())
        except IdError as why:
            cx.lose(path, DROPPED, text, str(why))
            return None
        if not EVCO_ID_PATTERN.fullmatch(spelled):
            cx.lose(path, DROPPED, text, "no EvcoID in the form OICP allows")
            return None
        cx.lose(path, NARROWED, text, f"spelled {spelled} there: OICP demands the check digit")
        return spelled

    def _by_contract(self, kind: c.TokenKind, evco: str, pin: Any, hashed: Any, cx: Context, src: dict[str, str],
                     said: set[str]) -> w.Identification:  # fmt: skip
        target = _BY_CONTRACT[kind]
        if target is not kind:
            cx.lose(src["kind"], NARROWED, kind, f"{target.value} is the nearest in OICP")
        if target is c.TokenKind.QR_CODE:
            said |= {"pin", "hashed_pin"}
            return w.Identification(QRCodeIdentification=w.QRCodeIdentification(EvcoID=evco, PIN=pin, HashedPIN=_hashed(hashed)))
        if target is c.TokenKind.PLUG_AND_CHARGE:
            return w.Identification(PlugAndChargeIdentification=w.PlugAndChargeIdentification(EvcoID=evco))
        return w.Identification(RemoteIdentification=w.RemoteIdentification(EvcoID=evco))

    def back(self, value: Any, cx: Context, at: At) -> Any:
        given = [name for name in value.__struct_fields__ if getattr(value, name) is not None]
        order = ["RFIDIdentification", "RFIDMifareFamilyIdentification", "QRCodeIdentification", "PlugAndChargeIdentification",
                 "RemoteIdentification"]  # fmt: skip
        given.sort(key=order.index)
        for name in given[1:]:
            cx.lose(f"{at.src[0]}.{name}", DROPPED, name, "an identification is one of five; this one is the second")
        if not given:
            return None
        one = getattr(value, given[0])
        if given[0] == "RFIDMifareFamilyIdentification":
            return c.TokenKind.RFID, TokenUid(one.UID), None, None, None, None, None, None
        if given[0] == "RFIDIdentification":
            evco = contract(one.EvcoID) if one.EvcoID else None
            rfid = RFID.exact_back[one.RFID] if one.RFID is not None else None
            expires = as_utc(one.ExpiryDate) if one.ExpiryDate is not None else None
            return c.TokenKind.RFID, TokenUid(one.UID), evco, rfid, one.PrintedNumber, expires, None, None
        kind = {"QRCodeIdentification": c.TokenKind.QR_CODE, "PlugAndChargeIdentification": c.TokenKind.PLUG_AND_CHARGE,
                "RemoteIdentification": c.TokenKind.REMOTE}[given[0]]  # fmt: skip
        pin = one.PIN if kind is c.TokenKind.QR_CODE else None
        hashed = _unhashed(one.HashedPIN) if kind is c.TokenKind.QR_CODE else None
        return kind, None, contract(one.EvcoID), None, None, None, pin, hashed


_BY_CONTRACT = {
    c.TokenKind.QR_CODE: c.TokenKind.QR_CODE,
    c.TokenKind.PLUG_AND_CHARGE: c.TokenKind.PLUG_AND_CHARGE,
    c.TokenKind.EMAID: c.TokenKind.PLUG_AND_CHARGE,
    c.TokenKind.REMOTE: c.TokenKind.REMOTE,
    c.TokenKind.APP_USER: c.TokenKind.REMOTE,
    c.TokenKind.AD_HOC_USER: c.TokenKind.REMOTE,
}


def _hashed(pin: c.HashedPin | None) -> w.HashedPIN | None:
    if pin is None:
        return None
    legacy = None
    if pin.legacy is not None:
        legacy = w.LegacyHashData(Function=LEGACY.exact_out[pin.legacy.function], Salt=pin.legacy.salt, Value=pin.legacy.value)
    return w.HashedPIN(Value=pin.value, Function=w.HashFunction.BCRYPT, LegacyHashData=legacy)


def _unhashed(pin: w.HashedPIN | None) -> c.HashedPin | None:
    if pin is None:
        return None
    legacy = None
    if pin.LegacyHashData is not None:
        data = pin.LegacyHashData
        legacy = c.LegacyPin(LEGACY.exact_back[data.Function], data.Salt, data.Value)
    return c.HashedPin(pin.Value, legacy)


def hints(prefix: str = "", wire: str = "Identification") -> dict[str, str]:
    """Where each canonical part stands, for losses."""
    return {f"{prefix}{name}": wire for name in PARTS}
