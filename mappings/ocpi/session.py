"""OCPI 2.2.1 sessions (mod_sessions), and the token and periods that they share with CDRs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bridge.mapping import (
    DEFAULTED,
    KEEP_REST,
    MILLISECONDS,
    WHOLE,
    At,
    Context,
    Converter,
    Each,
    Mapping,
    Of,
    One,
    by_name,
    derived,
    from_partner,
    no_place,
    row,
)
from bridge.model import session as c
from bridge.model import token as t
from bridge.model.ids import ConnectorId, EvseUid, LocationId, OperatorId, SessionId, TariffId, TokenUid
from bridge.ocpi.wire import v221 as w
from mappings.ocpi.common import PRICE
from mappings.ocpi.location import TOKEN_KIND
from mappings.ocpi.token import CONTRACT, Owner, party_from
from mappings.shared import operator_of

AUTH_METHOD = by_name(c.AuthMethod, w.AuthMethod, name="AuthMethod").covers(c.AuthMethod, w.AuthMethod)
STATUS = by_name(c.SessionStatus, w.SessionStatus, name="SessionStatus").covers(c.SessionStatus, w.SessionStatus)
DIMENSION = by_name(
    c.CdrDimension, w.CdrDimensionType, name="CdrDimensionType",
    never={c.CdrDimension.FLAT: "OCPI 2.2.1 tells flat costs in total_fixed_cost"},
).covers(c.CdrDimension, w.CdrDimensionType)  # fmt: skip

_UID = "a contract named without a card: the contract id stands for the uid"

TOKEN = Mapping(t.SessionToken, w.CdrToken, (
    row("party", ("country_code", "party_id"), Owner(), using="contract_id"),
    row("uid", "uid", Of(TokenUid), or_else=derived(lambda o, cx: o.contract_id, _UID)),
    row("kind", "type", TOKEN_KIND, or_else=from_partner("token_kind")),
    row("contract_id", "contract_id", CONTRACT, or_else=derived(lambda o, cx: o.uid, "the contract is not told: the uid stands for it")),
    no_place("rfid", because="OCPI does not tell kinds of RFID cards"),
    no_place("hashed", because="a hashed uid cannot be an OCPI uid", refuse_when=t.UidHash.SHA_1),
    no_place("visual_number", because="part of the token, not of its copy in sessions"),
    no_place("expires", because="OCPI says whether a token is valid, not until when"),
    no_place("pin", because="OCPI has no PINs"),
    no_place("hashed_pin", because="OCPI has no PINs"),
), name="CdrToken")  # fmt: skip

VOLUME = Mapping(c.Volume, w.CdrDimension, (
    row("dimension", "type", DIMENSION),
    row("volume", "volume"),
))  # fmt: skip

PERIOD = Mapping(c.ChargingPeriod, w.ChargingPeriod, (
    row("start", "start_date_time", MILLISECONDS),
    row("volumes", "dimensions", Each(VOLUME, KEEP_REST)),
    row("tariff_id", "tariff_id", Of(TariffId)),
))  # fmt: skip


class Operator(Converter):
    """The operator's party: as told, else of the operator that the EVSE-ID names."""

    note = "party, else the operator of the EVSE-ID"
    key_hint = "party"
    always = True

    def out(self, value: Any, cx: Context, at: At) -> Any:
        party, evse_id = value
        if party is None:
            named = operator_of(evse_id)
            party = named.party if named is not None else None
            because = "the EVSE-ID names the operator"
            if party is None and "party" in cx.constants:
                party, because = OperatorId.parse(cx.constants["party"]).party, "configured: party"
            if party is not None:
                cx.lose(at.dst[0], DEFAULTED, party.country_code, because)
                cx.lose(at.dst[1], DEFAULTED, party.party_id, because)
        return None if party is None else (party.country_code, party.party_id)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return party_from(value)


def _status(o: c.Session, cx: Context) -> Any:
    told = {c.Notification.START: c.SessionStatus.ACTIVE, c.Notification.PROGRESS: c.SessionStatus.ACTIVE,
            c.Notification.END: c.SessionStatus.COMPLETED}  # fmt: skip
    return told.get(o.notification) if o.notification else None


def _kwh(o: c.Session, cx: Context) -> Any:
    return Decimal(0) if o.notification is c.Notification.START else None


def not_available(o: Any, cx: Context) -> Any:
    """``#NA``: OCPI's mark for a mandatory text that truly cannot be filled (2.2.1, no data available)."""
    return "#NA"


NA = "not known: #NA"

SESSION = Mapping(c.Session, w.Session, (
    row("party", ("country_code", "party_id"), Operator(), using="evse_id"),
    row("id", "id", Of(SessionId), or_else=derived(lambda o, cx: o.hub_session_id, "the hub's session id")),
    row("start", "start_date_time", MILLISECONDS, or_else=derived(lambda o, cx: o.charging_start, "the start of charging")),
    row("end", "end_date_time", MILLISECONDS),
    row("kwh", "kwh", or_else=derived(_kwh, "nothing is charged yet at the start")),
    row("token", "cdr_token", One(TOKEN, WHOLE)),
    row("auth_method", "auth_method", AUTH_METHOD, or_else=from_partner("auth_method")),
    row("authorization_reference", "authorization_reference"),
    row("location_id", "location_id", Of(LocationId), or_else=derived(not_available, NA)),
    row("evse_uid", "evse_uid", Of(EvseUid), or_else=derived(lambda o, cx: o.evse_id, "the EVSE-ID")),
    row("connector_id", "connector_id", Of(ConnectorId), or_else=derived(not_available, NA)),
    row("meter_id", "meter_id"),
    row("currency", "currency", or_else=from_partner("currency")),
    row("periods", "charging_periods", PERIOD, many=True),
    row("total_cost", "total_cost", One(PRICE)),
    row("status", "status", STATUS, or_else=derived(_status, "from the kind of notification")),
    row("last_updated", "last_updated", MILLISECONDS,
        or_else=derived(lambda o, cx: o.observed or o.end or cx.facts.now, "the moment told of, or of reading")),
    no_place("location", because="OCPI's session names location, EVSE and connector; the location is told by itself"),
    no_place("evse_id", because="OCPI's session names the EVSE by its uid"),
    no_place("notification", because="only OICP has it"),
    no_place("hub_session_id", because="OCPI has one session id"),
    no_place("operator_session_id", because="OCPI has one session id"),
    no_place("provider_session_id", because="OCPI has one session id"),
    no_place("operator_id", because="told by country_code and party_id"),
    no_place("product_id", because="only OICP has it"),
    no_place("charging_start", because="OCPI's periods tell when energy flowed"),
    no_place("charging_end", because="OCPI's periods tell when energy flowed"),
    no_place("observed", because="told by last_updated"),
    no_place("charging_duration_ms", because="only OICP has it"),
    no_place("meter_start", because="OCPI tells energy, not registers"),
    no_place("meter_end", because="OCPI tells energy, not registers"),
    no_place("meter_between", because="OCPI tells energy, not registers"),
    no_place("penalty_start", because="only OICP has it"),
    no_place("error", because="only OICP has it"),
    no_place("error_info", because="only OICP has it"),
), name="Session")  # fmt: skip
