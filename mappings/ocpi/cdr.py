"""OCPI 2.2.1 charge detail records (mod_cdrs)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bridge.mapping import (
    DEFAULTED,
    MILLISECONDS,
    WHOLE,
    At,
    Context,
    Each,
    Mapping,
    Of,
    One,
    derived,
    from_partner,
    no_place,
    row,
)
from bridge.model import cdr as c
from bridge.model import location as loc
from bridge.model import session as s
from bridge.model.common import Price
from bridge.model.ids import CdrId, ConnectorId, EvseId, EvseUid, LocationId, SessionId
from bridge.ocpi.wire import v221 as w
from mappings.ocpi.common import PRICE
from mappings.ocpi.location import FORMAT, GEO, PLUG, POWER_TYPE
from mappings.ocpi.session import AUTH_METHOD, PERIOD, TOKEN, Operator, not_available
from mappings.ocpi.tariff import TARIFF
from mappings.shared import OneLine, point


def constant(key: str, make: Any = str) -> Any:
    """A constant of ``cdr_place`` in the partner file."""

    def rule(o: c.CdrPlace, cx: Context) -> Any:
        told = (cx.constants.get("cdr_place") or {}).get(key)
        return None if told is None else make(told)

    return derived(rule, f"configured: cdr_place.{key}")


def _coordinates(o: c.CdrPlace, cx: Context) -> Any:
    told = cx.constants.get("cdr_place") or {}
    return point(told["latitude"], told["longitude"]) if "latitude" in told and "longitude" in told else None


class AddressLine(OneLine):
    """The address in one line; configured (``cdr_place.address``) where there is none."""

    key_hint = "cdr_place"
    always = True

    def out(self, value: Any, cx: Context, at: At) -> Any:
        made = super().out(value, cx, at) if any(v is not None for v in value) else None
        if made is None and (told := (cx.constants.get("cdr_place") or {}).get("address")):
            cx.lose(at.dst[0], DEFAULTED, told, "configured: cdr_place.address")
            return told
        return made


def _power_type(o: c.CdrPlace, cx: Context) -> Any:
    if o.current is loc.CurrentKind.DC:
        return loc.PowerType.DC
    told = (cx.constants.get("cdr_place") or {}).get("power_type")
    return loc.PowerType(told) if told is not None else None


_OCHP_ONLY = "only OCHP has it"

PLACE = Mapping(c.CdrPlace, w.CdrLocation, (
    row("id", "id", Of(LocationId), or_else=constant("id")),
    row("name", "name"),
    row(("address.street", "address.house_number", "address.line"), "address", AddressLine(45)),
    row("address.city", "city", or_else=constant("city")),
    row("address.postal_code", "postal_code"),
    row("address.state", "state"),
    row("address.country", "country", or_else=constant("country")),
    row("coordinates", "coordinates", GEO, or_else=derived(_coordinates, "configured: cdr_place")),
    row("evse_uid", "evse_uid", Of(EvseUid), or_else=derived(lambda o, cx: o.evse_id, "the EVSE-ID")),
    row("evse_id", "evse_id", Of(EvseId)),
    row("connector_id", "connector_id", Of(ConnectorId), or_else=derived(not_available, "not known: #NA")),
    row("plug", "connector_standard", PLUG, or_else=constant("plug", loc.Plug)),
    row("format", "connector_format", FORMAT, or_else=constant("format", loc.PlugFormat)),
    row("power_type", "connector_power_type", POWER_TYPE,
        or_else=derived(_power_type, "DC as told, or configured: cdr_place.power_type")),
    no_place("time_zone", because="OCPI's copy of the place has no time zone"),
    no_place("current", because=_OCHP_ONLY),
    no_place("tariff_id", because="OCPI tells tariffs per period"),
    no_place("ratings", because=_OCHP_ONLY),
), name="CdrLocation")  # fmt: skip

SIGNED_VALUE = Mapping(c.SignedValue, w.SignedValue, (
    row("nature", "nature"),
    row("plain_data", "plain_data", or_else=derived(lambda o, cx: o.signed_data, "the signed data hold the plain ones")),
    row("signed_data", "signed_data"),
))  # fmt: skip

SIGNED_DATA = Mapping(c.SignedData, w.SignedData, (
    row("encoding_method", "encoding_method", or_else=derived(not_available, "not known: #NA")),
    row("encoding_method_version", "encoding_method_version"),
    row("public_key", "public_key"),
    row("values", "signed_values", Each(SIGNED_VALUE, WHOLE)),
    row("url", "url"),
    no_place("certificate_id", because="only OICP has it"),
    no_place("instruction", because="only OICP has it"),
))  # fmt: skip


def hours_between(begin: Any, end: Any) -> Decimal:
    """Hours from ``begin`` to ``end``, to four decimals."""
    return (Decimal(round((end - begin).total_seconds())) / 3600).quantize(Decimal("0.0001"))


def _periods(o: c.Cdr, cx: Context) -> Any:
    """Periods from priced lines (OCHP), or one for the whole of charging (OICP)."""
    if o.lines:
        found: dict[Any, list[s.Volume]] = {}
        for line in o.lines:
            dimension = _DIMENSION.get(line.item)
            if dimension is not None:
                found.setdefault(line.start, []).append(s.Volume(dimension, line.volume))
        return tuple(s.ChargingPeriod(start, tuple(volumes)) for start, volumes in sorted(found.items())) or None
    start = o.charging_start or o.start
    if start is None or o.total_energy is None:
        return None
    return (s.ChargingPeriod(start, (s.Volume(s.CdrDimension.ENERGY, o.total_energy),)),)


_DIMENSION = {c.BillingItem.ENERGY: s.CdrDimension.ENERGY, c.BillingItem.USAGE_TIME: s.CdrDimension.TIME,
              c.BillingItem.PARKING_TIME: s.CdrDimension.PARKING_TIME, c.BillingItem.POWER: s.CdrDimension.MAX_POWER,
              c.BillingItem.RESERVATION_TIME: s.CdrDimension.RESERVATION_TIME}  # fmt: skip


def _total_cost(o: c.Cdr, cx: Context) -> Any:
    told = cx.constants.get("total_cost")
    return None if told is None else Price(told)


TOTAL_COST = derived(_total_cost, "configured: total_cost")


def _hours(o: c.Cdr, cx: Context) -> Any:
    return hours_between(o.start, o.end) if o.start is not None and o.end is not None else None


CDR = Mapping(c.Cdr, w.CDR, (
    row("party", ("country_code", "party_id"), Operator(), using="place.evse_id"),
    row("id", "id", Of(CdrId), or_else=derived(lambda o, cx: o.operator_session_id or o.hub_session_id, "the session's id")),
    row("start", "start_date_time", MILLISECONDS),
    row("end", "end_date_time", MILLISECONDS),
    row("session_id", "session_id", Of(SessionId)),
    row("token", "cdr_token", One(TOKEN, WHOLE)),
    row("auth_method", "auth_method", AUTH_METHOD, or_else=from_partner("auth_method")),
    row("authorization_reference", "authorization_reference"),
    row("place", "cdr_location", One(PLACE, WHOLE)),
    row("meter_id", "meter_id"),
    row("currency", "currency", or_else=from_partner("currency")),
    row("tariffs", "tariffs", Each(TARIFF, WHOLE)),
    row("periods", "charging_periods", Each(PERIOD, WHOLE), or_else=derived(_periods, "from the priced lines or the total energy")),
    row("signed_data", "signed_data", One(SIGNED_DATA)),
    row("total_cost", "total_cost", One(PRICE, WHOLE), or_else=TOTAL_COST),
    row("total_fixed_cost", "total_fixed_cost", One(PRICE, WHOLE)),
    row("total_energy", "total_energy"),
    row("total_energy_cost", "total_energy_cost", One(PRICE, WHOLE)),
    row("total_time", "total_time", or_else=derived(_hours, "the length of the session")),
    row("total_time_cost", "total_time_cost", One(PRICE, WHOLE)),
    row("total_parking_time", "total_parking_time"),
    row("total_parking_cost", "total_parking_cost", One(PRICE, WHOLE)),
    row("total_reservation_cost", "total_reservation_cost", One(PRICE, WHOLE)),
    row("remark", "remark"),
    row("invoice_reference_id", "invoice_reference_id"),
    row("credit", "credit"),
    row("credit_reference_id", "credit_reference_id"),
    row("home_charging_compensation", "home_charging_compensation"),
    row("last_updated", "last_updated", MILLISECONDS, or_else=derived(lambda o, cx: cx.facts.now, "the moment of reading")),
    no_place("location", because="OCPI's CDR has a copy of the place that is shorter"),
    no_place("charging_start", because="OCPI's periods tell when energy flowed"),
    no_place("charging_end", because="OCPI's periods tell when energy flowed"),
    no_place("utc_offset_minutes", because="OCPI's times are UTC"),
    no_place("hub_session_id", because="OCPI has one session id"),
    no_place("operator_session_id", because="OCPI has one session id"),
    no_place("provider_session_id", because="OCPI has one session id"),
    no_place("live_authorisation_id", because="only OCHP before 1.4 has it"),
    no_place("meter_start", because="OCPI tells energy, not registers"),
    no_place("meter_end", because="OCPI tells energy, not registers"),
    no_place("meter_between", because="OCPI tells energy, not registers"),
    no_place("product_id", because="only OICP has it"),
    no_place("lines", because="OCPI tells periods and totals, not priced lines"),
    no_place("metering", because="only OCHP 1.4.1 has it"),
    no_place("duration", because="told by start and end"),
    no_place("status", because="OCPI's CDRs have no approval"),
    no_place("hub_operator_id", because="only OICP has it"),
    no_place("hub_provider_id", because="only OICP has it"),
), name="CDR")  # fmt: skip
