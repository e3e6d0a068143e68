"""OICP 2.3 charge detail records (eRoamingChargeDetailRecord). They carry no price: ``omit-prices`` is the permission."""

from __future__ import annotations

from typing import Any

from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    TRUNCATED,
    UTC_TIME,
    At,
    Context,
    Converter,
    Digits,
    Mapping,
    Table,
    derived,
    no_place,
    row,
)
from bridge.model import cdr as c
from bridge.model.session import CdrDimension
from bridge.oicp import wire as w
from mappings.oicp.common import EVSE_ID, HUB_SESSION_ID, OPERATOR_ID, PROVIDER_ID, SESSION_ID_PATTERN
from mappings.oicp.identification import PARTS, Identification, hints
from mappings.oicp.session import MeterBetween

NATURE = Table(
    ("Start", w.MeteringStatus.START),
    ("Intermediate", w.MeteringStatus.PROGRESS),
    ("End", w.MeteringStatus.END),
    name="MeteringStatusType",
).covers((), w.MeteringStatus)


class Signed(Converter):
    """Signed meter values, at most ten of 3,000 characters; the bytes are never rewritten: what is too long is left out."""

    note = "signed meter values and how to verify them"
    tables = (NATURE,)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        data = value
        path = at.src[0]
        made: list[w.SignedMeteringValue] = []
        for i, one in enumerate(data.values):
            where = f"{path}.values[{i}]"
            if len(made) == 10 or len(one.signed_data) > 3000:
                cx.lose(where, DROPPED, len(one.signed_data), "at most ten values of 3,000 characters in OICP")
                continue
            nature = NATURE.exact_out.get(one.nature)
            if nature is None and one.nature is not None:
                cx.lose(f"{where}.nature", DROPPED, one.nature, "Start, Intermediate or End in OICP")
            if one.plain_data is not None:
                cx.lose(f"{where}.plain_data", DROPPED, len(one.plain_data), "OICP has the signed data only")
            made.append(w.SignedMeteringValue(SignedMeteringValue=one.signed_data, MeteringStatus=nature))
        limits = {"certificate_id": 100, "public_key": 1000, "url": 200, "encoding_method": 50, "instruction": 400}
        told: dict[str, str | None] = {}
        for name, limit in limits.items():
            text = getattr(data, name)
            if text is not None and len(text) > limit:
                cx.lose(f"{path}.{name}", TRUNCATED if name == "instruction" else DROPPED, text, f"at most {limit} characters in OICP")
                text = text[:limit] if name == "instruction" else None
            told[name] = text
        if data.encoding_method_version is not None:
            cx.lose(f"{path}.encoding_method_version", DROPPED, data.encoding_method_version, "no version in OICP")
        info = None
        if any(told.values()):
            info = w.CalibrationLawVerification(
                CalibrationLawCertificateID=told["certificate_id"], PublicKey=told["public_key"], MeteringSignatureUrl=told["url"],
                MeteringSignatureEncodingFormat=told["encoding_method"],
                SignedMeteringValuesVerificationInstruction=told["instruction"])  # fmt: skip
        return tuple(made) or None, info

    def back(self, value: Any, cx: Context, at: At) -> Any:
        values, info = value
        made = []
        for i, one in enumerate(values or ()):
            if one.SignedMeteringValue is None:
                cx.lose(f"{at.src[0]}[{i}]", DROPPED, one.MeteringStatus, "a status without a value")
                continue
            nature = NATURE.exact_back[one.MeteringStatus] if one.MeteringStatus is not None else None
            made.append(c.SignedValue(one.SignedMeteringValue, nature))
        if info is None:
            return c.SignedData(tuple(made)) if made else None
        return c.SignedData(tuple(made), info.MeteringSignatureEncodingFormat, None, info.PublicKey, info.MeteringSignatureUrl,
                            info.CalibrationLawCertificateID, info.SignedMeteringValuesVerificationInstruction)  # fmt: skip


class HubSession(Converter):
    """SessionID: the hub's; an authorisation reference or session id that is a GUID is one (documented rule)."""

    note = "the hub's session id"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        hub, cdr = value
        if hub is None:
            for candidate in (cdr.authorization_reference, cdr.session_id):
                if candidate is not None and SESSION_ID_PATTERN.fullmatch(candidate):
                    cx.lose(at.dst[0], DEFAULTED, candidate, "the authorisation reference or session id is the hub's")
                    return str(candidate)
            cx.lose(at.src[0], DROPPED, None, "OICP bills only sessions that the hub authorised, by its SessionID")
            return None
        return HUB_SESSION_ID.out(hub, cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


def _flow(o: c.Cdr) -> tuple[Any, Any]:
    """When energy flowed, by the periods: from the first to the last period with energy."""
    start = end = None
    for i, period in enumerate(o.periods):
        if any(v.dimension is CdrDimension.ENERGY and v.volume > 0 for v in period.volumes):
            start = start or period.start
            end = o.periods[i + 1].start if i + 1 < len(o.periods) else o.end
    return start, end


_FLOW = "from the periods with energy, else of the session"
_PRICE = "OICP's CDR carries no price"
_ONE = "one CDR per session in OICP, no corrections"

CDR = Mapping(c.Cdr, w.ChargeDetailRecord, (
    row("hub_session_id", "SessionID", HubSession(), using=""),
    row("operator_session_id", "CPOPartnerSessionID", or_else=derived(lambda o, cx: o.id or o.session_id, "our CDR id, or session id")),
    row("provider_session_id", "EMPPartnerSessionID"),
    row("product_id", "PartnerProductID"),
    row("place.evse_id", "EvseID", EVSE_ID),
    row(tuple(f"token.{part}" for part in PARTS), "Identification", Identification(full=True), hints=hints("token.")),
    row("charging_start", "ChargingStart", UTC_TIME, or_else=derived(lambda o, cx: _flow(o)[0] or o.start, _FLOW)),
    row("charging_end", "ChargingEnd", UTC_TIME, or_else=derived(lambda o, cx: _flow(o)[1] or o.end, _FLOW)),
    row("start", "SessionStart", UTC_TIME),
    row("end", "SessionEnd", UTC_TIME),
    row("meter_start", "MeterValueStart", Digits(3)),
    row("meter_end", "MeterValueEnd", Digits(3)),
    row("meter_between", "MeterValueInBetween", MeterBetween()),
    row("total_energy", "ConsumedEnergy", Digits(3)),
    row("signed_data", ("SignedMeteringValues", "CalibrationLawVerificationInfo"), Signed(), hints={
        "signed_data.values": "SignedMeteringValues"}),
    row("hub_operator_id", "HubOperatorID", OPERATOR_ID),
    row("hub_provider_id", "HubProviderID", PROVIDER_ID),
    no_place("token.party", because="the EvcoID names the provider"),
    no_place("token.hashed", because="OICP has no hashed uids"),
    no_place("id", because="told as CPOPartnerSessionID where that is free"),
    no_place("party", because="the EVSE-ID names the operator"),
    no_place("utc_offset_minutes", because="OICP's times are read as moments"),
    no_place("session_id", because="told as CPOPartnerSessionID where that is free"),
    no_place("auth_method", because="OICP does not tell how the driver was authorised"),
    no_place("authorization_reference", because="the SessionID is the reference in OICP"),
    no_place("live_authorisation_id", because="only OCHP before 1.4 has it"),
    *(no_place(f"place.{name}", because="OICP's CDR names the EVSE only") for name in (
        "id", "name", "address", "coordinates", "time_zone", "evse_uid", "connector_id", "plug", "format", "power_type", "current",
        "tariff_id", "ratings")),
    no_place("location", because="OICP's CDR names the EVSE only"),
    no_place("meter_id", because="OICP does not tell meters"),
    no_place("currency", because=_PRICE),
    no_place("tariffs", because=_PRICE),
    no_place("periods", because="OICP's CDR has no periods"),
    no_place("lines", because=_PRICE),
    no_place("metering", because="only OCHP 1.4.1 has it"),
    no_place("total_cost", because=_PRICE),
    no_place("total_fixed_cost", because=_PRICE),
    no_place("total_energy_cost", because=_PRICE),
    no_place("total_time", because="told by start and end"),
    no_place("total_time_cost", because=_PRICE),
    no_place("total_parking_time", because="told by the ends of charging and session"),
    no_place("total_parking_cost", because=_PRICE),
    no_place("total_reservation_cost", because=_PRICE),
    no_place("duration", because="told by start and end"),
    no_place("status", because="OICP's CDRs have no approval"),
    no_place("remark", because="only OCPI has it"),
    no_place("invoice_reference_id", because="only OCPI has it"),
    no_place("credit", because=_ONE, refuse_when=True),
    no_place("credit_reference_id", because=_ONE),
    no_place("home_charging_compensation", because="only OCPI has it"),
    no_place("last_updated", because="OICP's CDR has no time of change"),
), name="ChargeDetailRecord")  # fmt: skip
