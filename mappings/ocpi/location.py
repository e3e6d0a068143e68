"""OCPI 2.2.1 locations (mod_locations): Location, EVSE, Connector."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from bridge.errors import Refused
from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    MILLISECONDS,
    NARROWED,
    ROUNDED,
    SAME,
    At,
    Context,
    Converter,
    Each,
    Mapping,
    Of,
    One,
    Table,
    by_name,
    derived,
    from_partner,
    no_place,
    row,
)
from bridge.model import location as c
from bridge.model.ids import ConnectorId, EvseId, EvseUid, IdError, LocationId, OperatorId, TariffId, TokenUid
from bridge.model.token import TokenKind
from bridge.ocpi.wire import v221 as w
from mappings.ocpi.common import BUSINESS, ENERGY_MIX, IMAGE, TEXT, TEXTS, URL
from mappings.shared import OneLine, PlainText, operator_of, place_hash, placed_point, point, span_of

STATUS = Table(
    (c.Status.AVAILABLE, w.Status.AVAILABLE),
    (c.Status.BLOCKED, w.Status.BLOCKED),
    (c.Status.CHARGING, w.Status.CHARGING),
    (c.Status.INOPERATIVE, w.Status.INOPERATIVE),
    (c.Status.OUT_OF_ORDER, w.Status.OUTOFORDER),
    (c.Status.PLANNED, w.Status.PLANNED),
    (c.Status.REMOVED, w.Status.REMOVED),
    (c.Status.RESERVED, w.Status.RESERVED),
    (c.Status.UNKNOWN, w.Status.UNKNOWN),
    out={
        c.Status.OCCUPIED: w.Status.CHARGING,  # charging or blocked: most occupied EVSEs charge
        c.Status.OUT_OF_SERVICE: w.Status.OUTOFORDER,
        c.Status.NOT_AVAILABLE: w.Status.UNKNOWN,
        c.Status.OPERATIVE: w.Status.UNKNOWN,  # in service says nothing of the moment
        c.Status.RESERVED_SOON: w.Status.AVAILABLE,
        c.Status.NOT_FOUND: w.Status.UNKNOWN,
    },
    name="Status",
).covers(c.Status, w.Status)

CAPABILITY = Table(
    (c.Capability.CHARGING_PROFILE, w.Capability.CHARGING_PROFILE_CAPABLE),
    (c.Capability.CHARGING_PREFERENCES, w.Capability.CHARGING_PREFERENCES_CAPABLE),
    (c.Capability.CHIP_CARD, w.Capability.CHIP_CARD_SUPPORT),
    (c.Capability.CONTACTLESS_CARD, w.Capability.CONTACTLESS_CARD_SUPPORT),
    (c.Capability.CREDIT_CARD, w.Capability.CREDIT_CARD_PAYABLE),
    (c.Capability.DEBIT_CARD, w.Capability.DEBIT_CARD_PAYABLE),
    (c.Capability.PED_TERMINAL, w.Capability.PED_TERMINAL),
    (c.Capability.REMOTE_START_STOP, w.Capability.REMOTE_START_STOP_CAPABLE),
    (c.Capability.RESERVABLE, w.Capability.RESERVABLE),
    (c.Capability.RFID, w.Capability.RFID_READER),
    (c.Capability.START_SESSION_CONNECTOR_REQUIRED, w.Capability.START_SESSION_CONNECTOR_REQUIRED),
    (c.Capability.TOKEN_GROUP, w.Capability.TOKEN_GROUP_CAPABLE),
    (c.Capability.UNLOCK, w.Capability.UNLOCK_CAPABLE),
    out={
        c.Capability.RFID_CLASSIC: w.Capability.RFID_READER,
        c.Capability.RFID_DESFIRE: w.Capability.RFID_READER,
        c.Capability.RFID_CALYPSO: w.Capability.RFID_READER,
        c.Capability.OCHP_DIRECT: w.Capability.REMOTE_START_STOP_CAPABLE,
    },
    never={
        c.Capability.PLUG_AND_CHARGE: "OCPI 2.2.1 has no Plug & Charge capability",
        c.Capability.OPERATOR_AUTHORISATION: "OCPI has no capability for authorisation by the operator",
        c.Capability.LOCAL_KEY: "OCPI has no capability for a local key",
        c.Capability.NO_AUTHENTICATION: "OCPI has no capability for charging without authentication",
        c.Capability.DIRECT_PAYMENT: "OCPI names the means of payment; which one is not told",
        c.Capability.CASH: "OCPI has no cash",
        c.Capability.DYNAMIC_PRICING: "OCPI has no such capability",
        c.Capability.PARKING_SENSORS: "OCPI has no such capability",
        c.Capability.MAXIMUM_POWER_CHARGING: "OCPI has no such capability",
        c.Capability.PREDICTIVE_USAGE: "OCPI has no such capability",
        c.Capability.CHARGING_PLANS: "OCPI has no such capability",
        c.Capability.ROOF: "OCPI 2.2.1 has no such capability",
    },
    name="Capability",
).covers(c.Capability, w.Capability)

PLUG = Table(
    (c.Plug.CHADEMO, w.ConnectorType.CHADEMO),
    (c.Plug.CHAOJI, w.ConnectorType.CHAOJI),
    *((p, w.ConnectorType[p.name]) for p in c.Plug
      if p.name.startswith(("DOMESTIC_", "GBT_", "IEC_60309_2_", "NEMA_", "PANTOGRAPH_", "TESLA_"))),
    (c.Plug.T1, w.ConnectorType.IEC_62196_T1),
    (c.Plug.T1_COMBO, w.ConnectorType.IEC_62196_T1_COMBO),
    (c.Plug.T2, w.ConnectorType.IEC_62196_T2),
    (c.Plug.T2_COMBO, w.ConnectorType.IEC_62196_T2_COMBO),
    (c.Plug.T3A, w.ConnectorType.IEC_62196_T3A),
    (c.Plug.T3C, w.ConnectorType.IEC_62196_T3C),
    out={
        c.Plug.T3: w.ConnectorType.IEC_62196_T3C,  # the commoner of the two
        c.Plug.TESLA: w.ConnectorType.TESLA_S,
        c.Plug.IEC_60309_SINGLE: w.ConnectorType.IEC_60309_2_SINGLE_16,
        c.Plug.IEC_60309_THREE: w.ConnectorType.IEC_60309_2_THREE_32,
    },
    never={
        c.Plug.MCS: "OCPI 2.2.1 has no MCS value",
        c.Plug.NACS: "OCPI 2.2.1 has no NACS (SAE J3400) value",
        c.Plug.AVCON: "OCPI has no AVCON connector",
        c.Plug.SMALL_PADDLE_INDUCTIVE: "OCPI has no paddle inductive connector",
        c.Plug.LARGE_PADDLE_INDUCTIVE: "OCPI has no paddle inductive connector",
        **dict.fromkeys(c.FUELS, "OCPI has no fuels"),
    },
    name="ConnectorType",
).covers(c.Plug, w.ConnectorType)  # fmt: skip

FORMAT = Table(
    (c.PlugFormat.SOCKET, w.ConnectorFormat.SOCKET),
    (c.PlugFormat.CABLE, w.ConnectorFormat.CABLE),
    never={c.PlugFormat.NOZZLE: "OCPI has no nozzles", c.PlugFormat.OTHER: "OCPI knows sockets and cables"},
    name="ConnectorFormat",
).covers(c.PlugFormat, w.ConnectorFormat)

POWER_TYPE = by_name(c.PowerType, w.PowerType, name="PowerType").covers(c.PowerType, w.PowerType)
FACILITY = by_name(c.Facility, w.Facility, name="Facility").covers(c.Facility, w.Facility)

PARKING_TYPE = by_name(
    c.ParkingType, w.ParkingType, name="ParkingType",
    never={
        c.ParkingType.PRIVATE: "OCPI says with publish who may see a place, not that its ground is private",
        c.ParkingType.OTHER: "OCPI leaves an other parking type out",
        c.ParkingType.UNKNOWN: "OCPI leaves an unknown parking type out",
    },
).covers(c.ParkingType, w.ParkingType)  # fmt: skip

RESTRICTION = by_name(
    c.ParkingRestriction, w.ParkingRestriction, name="ParkingRestriction",
    never={
        c.ParkingRestriction.EMPLOYEES: "not before OCPI 2.3.0",
        c.ParkingRestriction.TAXIS: "not before OCPI 2.3.0",
        c.ParkingRestriction.TENANTS: "not before OCPI 2.3.0",
        c.ParkingRestriction.CAR_SHARING: "OCPI has no places for shared cars",
    },
).covers(c.ParkingRestriction, w.ParkingRestriction)  # fmt: skip

TOKEN_KIND = Table(
    (TokenKind.RFID, w.TokenType.RFID),
    (TokenKind.APP_USER, w.TokenType.APP_USER),
    (TokenKind.AD_HOC_USER, w.TokenType.AD_HOC_USER),
    (TokenKind.OTHER, w.TokenType.OTHER),
    out={
        TokenKind.REMOTE: w.TokenType.APP_USER,
        TokenKind.EMAID: w.TokenType.OTHER,
        TokenKind.PLUG_AND_CHARGE: w.TokenType.OTHER,
        TokenKind.QR_CODE: w.TokenType.OTHER,
    },
    name="TokenType",
).covers(TokenKind, w.TokenType)


class Geo(Converter):
    """GeoLocation: two texts with five to seven decimals."""

    note = "degrees with 5 to 7 decimals"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        latitude, longitude = placed_point(value, 5, 7, cx, at.src[0])
        return w.GeoLocation(latitude=latitude, longitude=longitude)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        try:
            return point(value.latitude, value.longitude)
        except ValueError as why:
            cx.lose(at.src[0], DROPPED, f"{value.latitude}, {value.longitude}", str(why))
            return None


GEO = Geo()


class RelatedPlace(Converter):
    """AdditionalGeoLocation: a point with a name; what kind of point it is has no place."""

    note = "point with a name"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        latitude, longitude = placed_point(value.point, 5, 7, cx, "point")
        if value.kind is not None:
            cx.lose("kind", DROPPED, value.kind, "OCPI does not say what a related location is")
        name = TEXT.out(value.name, cx, At(("name",), ("name",))) if value.name is not None else None
        return w.AdditionalGeoLocation(latitude=latitude, longitude=longitude, name=name)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        name = TEXT.back(value.name, cx, at) if value.name is not None else None
        try:
            return c.RelatedPoint(point(value.latitude, value.longitude), None, name)
        except ValueError as why:
            cx.lose("", DROPPED, f"{value.latitude}, {value.longitude}", str(why))
            return None


class HoursConverter(Converter):
    """Hours: ``twentyfourseven`` is mandatory; a day's end is written 23:59 where it was 24:00."""

    note = "opening hours"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        path = at.src[0]
        regular = []
        for i, one in enumerate(value.regular):
            end = one.end
            if end == "24:00":
                cx.lose(f"{path}.regular[{i}].end", NARROWED, end, "OCPI's day ends at 23:59")
                end = "23:59"
            regular.append(w.RegularHours(weekday=one.weekday, period_begin=one.begin, period_end=end))
        if value.always is None and not regular and not value.openings and not value.closings:
            return None
        if value.always is None:
            cx.lose(
                f"{at.dst[0]}.twentyfourseven",
                DEFAULTED,
                False,
                "regular hours are told, so not around the clock",
            )
        elif value.always is False and not regular:
            cx.lose(path, DROPPED, "not around the clock", "OCPI demands the hours then")
            return None
        return w.Hours(twentyfourseven=bool(value.always), regular_hours=tuple(regular) or None,
                       exceptional_openings=_exceptions(value.openings), exceptional_closings=_exceptions(value.closings))  # fmt: skip

    def back(self, value: Any, cx: Context, at: At) -> Any:
        regular = []
        for i, one in enumerate(value.regular_hours or ()):
            span = span_of(one.weekday, one.period_begin, one.period_end, cx, f"{at.src[0]}.regular_hours[{i}]")
            if span is not None:
                regular.append(span)
        return c.Hours(value.twentyfourseven, tuple(regular), _periods(value.exceptional_openings),
                       _periods(value.exceptional_closings))  # fmt: skip


def _exceptions(periods: tuple[c.ExceptionalPeriod, ...]) -> tuple[w.ExceptionalPeriod, ...] | None:
    return tuple(w.ExceptionalPeriod(period_begin=p.begin, period_end=p.end) for p in periods) or None


def _periods(periods: tuple[w.ExceptionalPeriod, ...] | None) -> tuple[c.ExceptionalPeriod, ...]:
    from bridge.mapping.convert import as_utc

    return tuple(c.ExceptionalPeriod(as_utc(p.period_begin), as_utc(p.period_end)) for p in periods or ())


class Party(Converter):
    """``country_code`` and ``party_id`` of the operator; where it is not told, of the first EVSE-ID that names one."""

    note = "operator as country and party"
    key_hint = "party"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        operator, evses = value
        told = operator
        if operator is None:
            operator = next((o for e in evses if (o := operator_of(e.id)) is not None), None)
        party = None
        if operator is not None:
            try:
                party = operator.party
            except IdError:
                party = None
        if party is None and "party" in cx.constants:
            party = OperatorId.parse(cx.constants["party"]).party
            told = None
        if party is None:
            named = f"{operator} has no country and party" if operator is not None else "no EVSE-ID names an operator"
            raise Refused(at.src[0], f"country_code and party_id are mandatory in OCPI, but {named}; set party in the partner file",
                          operator, "party")  # fmt: skip
        if told is None:
            cx.lose(
                at.dst[0],
                DEFAULTED,
                party.country_code,
                "the operator that the EVSE-ID names, or configured: party",
            )
            cx.lose(
                at.dst[1],
                DEFAULTED,
                party.party_id,
                "the operator that the EVSE-ID names, or configured: party",
            )
        elif str(told) != f"{party.country_code}*{party.party_id}":
            cx.lose(at.src[0], NARROWED, told, f"read back as {party.country_code}*{party.party_id}")
        return party.country_code, party.party_id

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return OperatorId(f"{value[0].upper()}*{value[1].upper()}")


class Electric(Converter):
    """Power type, volts, amperes, watts of a connector. OCPI demands the first three.

    Where another protocol tells them for the EVSE as a whole (``cx.parent``) they are taken from there: the facility
    of the plug's class (the strongest, if several), else chargePointType and ratings. A voltage that nobody told is the
    configured one (``voltage_ac``, ``voltage_dc``); a current follows from power, voltage and phases, rounded down.
    """

    note = "power type, volts, amperes, watts"
    key_hint = "voltage_ac"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        kind, volts, amps, watts, plug = value
        evse = cx.parent
        if kind is None and evse is not None:
            kind, volts, amps, watts = self._from_evse(evse, plug, cx, at, volts, amps, watts)
        if watts is None and evse is not None and evse.ratings is not None:
            watts = evse.ratings.maximum_power
            cx.lose(at.dst[3], DEFAULTED, watts, "the charge point's rating")
        if volts is None and kind is not None:
            volts = self._volts(kind, evse, cx, at)
        if amps is None and watts is not None and volts and kind is not None:
            amps = int((watts / (volts * kind.phases)).to_integral_value(ROUND_DOWN))
            cx.lose(at.dst[2], DEFAULTED, amps, "power over voltage and phases")
        if watts is not None and watts != int(watts):
            cx.lose(at.src[3], ROUNDED, watts, "whole watts there")
        named = POWER_TYPE.out(kind, cx, at) if kind is not None else None
        return named, volts, amps, None if watts is None else int(watts)

    def _from_evse(self, evse: Any, plug: Any, cx: Context, at: At, volts: Any, amps: Any, watts: Any) -> Any:
        fitting = [level for level in evse.power_levels if level.power_type is not None and c.fits(plug, level.power_type)]
        if fitting:
            level = max(fitting, key=lambda one: one.power or Decimal(0))
            cx.lose(at.src[0], NARROWED, [str(one.power_type) for one in evse.power_levels],
                    "the strongest facility of the plug's class is taken as the connector's")  # fmt: skip
            return level.power_type, volts or level.voltage, amps or level.amperage, watts or level.power
        power = watts or (evse.ratings.maximum_power if evse.ratings is not None else None)
        if plug in c.DC_PLUGS or (evse.current is c.CurrentKind.DC and plug in c.EITHER_PLUGS):
            kind = c.PowerType.DC
        elif evse.current in (c.CurrentKind.AC, None) and power is not None:
            kind = c.PowerType.AC_1_PHASE if power <= 7400 else c.PowerType.AC_3_PHASE
        else:
            return None, volts, amps, watts
        cx.lose(
            at.dst[0],
            DEFAULTED,
            kind,
            "from the plug, the kind of current and the power (up to 7.4 kW: one phase)",
        )
        return kind, volts, amps, watts

    def _volts(self, kind: c.PowerType, evse: Any, cx: Context, at: At) -> Any:
        if evse is not None and evse.ratings is not None and evse.ratings.nominal_voltage is not None:
            volts, because = evse.ratings.nominal_voltage, "the charge point's nominal voltage"
        else:
            key = "voltage_dc" if kind is c.PowerType.DC else "voltage_ac"
            volts, because = cx.constants.get(key), f"configured: {key}"
        if volts is not None:
            cx.lose(at.dst[1], DEFAULTED, volts, because)
        return volts

    def back(self, value: Any, cx: Context, at: At) -> Any:
        kind, volts, amps, watts = value
        return POWER_TYPE.back(kind, cx, at), volts, amps, None if watts is None else Decimal(watts)


def changed(parent: Any, cx: Context) -> Any:
    """When an object without a time of change was last changed: with its EVSE, else now."""
    own = getattr(cx.parent, "last_updated", None)
    return own or cx.facts.now


NOW = "no time of change is told: that of the EVSE, or the moment of reading"

CONNECTOR = Mapping(c.Connector, w.Connector, (
    row("id", "id", Of(ConnectorId), or_else=derived(
        lambda o, cx: str(next((i for i, k in enumerate(cx.parent.connectors, 1) if k is o), 1)) if cx.parent else "1",
        "its number among the connectors of the EVSE")),
    row("plug", "standard", PLUG),
    row("format", "format", FORMAT),
    row(("power_type", "max_voltage", "max_amperage", "max_power"),
        ("power_type", "max_voltage", "max_amperage", "max_electric_power"), Electric(), using="plug"),
    row("tariff_ids", "tariff_ids", Of(TariffId), many=True),
    row("terms_url", "terms_and_conditions", URL),
    row("last_updated", "last_updated", MILLISECONDS, or_else=derived(changed, NOW)),
    no_place("modes", because="OCPI has no charging modes"),
    no_place("capabilities", because="not before OCPI 2.3.0"),
), name="Connector")  # fmt: skip

SCHEDULE = Mapping(c.ScheduledStatus, w.StatusSchedule, (
    row("begin", "period_begin", MILLISECONDS),
    row("end", "period_end", MILLISECONDS),
    row("status", "status", STATUS),
))  # fmt: skip

_OICP_ONLY = "only OICP has it"
_OCHP_ONLY = "only OCHP has it"

EVSE = Mapping(c.Evse, w.EVSE, (
    row("uid", "uid", Of(EvseUid), or_else=derived(lambda o, cx: o.id, "the EVSE-ID")),
    row("id", "evse_id", Of(EvseId)),
    row("status", "status", STATUS, or_else=derived(lambda o, cx: c.Status.UNKNOWN, "the status is not told")),
    row("status_schedule", "status_schedule", SCHEDULE, many=True),
    row("capabilities", "capabilities", CAPABILITY, many=True),
    row("connectors", "connectors", Each(CONNECTOR, parent=True), using=""),
    row("floor", "floor_level"),
    row("coordinates", "coordinates", GEO),
    row("physical_reference", "physical_reference"),
    row("directions", "directions", TEXTS),
    row("parking_restrictions", "parking_restrictions", RESTRICTION, many=True),
    row("images", "images", IMAGE, many=True),
    row("last_updated", "last_updated", MILLISECONDS, or_else=derived(lambda o, cx: cx.facts.now, NOW)),
    no_place("power_levels", because="OCPI ties power to connectors"),
    no_place("current", because=_OCHP_ONLY),
    no_place("ratings", because=_OCHP_ONLY),
    no_place("max_capacity_kwh", because=_OICP_ONLY),
    no_place("dynamic_power", because=_OICP_ONLY),
    no_place("station_id", because="OCPI has no level between location and EVSE"),
    no_place("manufacturer", because=_OICP_ONLY),
    no_place("parking", because="not before OCPI 2.3.0"),
    no_place("parking_spots", because=_OCHP_ONLY),
    no_place("parking_spot", because=_OICP_ONLY),
    no_place("parking_facility", because=_OICP_ONLY),
    no_place("accepted_providers", because="not before OCPI 2.3.0"),
    no_place("payment_options", because=_OICP_ONLY),
    no_place("accessibility", because=_OICP_ONLY),
    no_place("calibration", because=_OICP_ONLY),
    no_place("metering", because="only OCHP 1.4.1 has it"),
    no_place("additional_info", because=_OICP_ONLY),
    no_place("user_interface_languages", because=_OCHP_ONLY),
    no_place("max_reservation_minutes", because=_OCHP_ONLY),
    no_place("hub_operator_id", because=_OICP_ONLY),
    no_place("clearing_house_id", because=_OICP_ONLY),
    no_place("hubject_compatible", because=_OICP_ONLY),
    no_place("dynamic_info", because=_OICP_ONLY),
), name="EVSE")  # fmt: skip

PUBLISH_TOKEN = Mapping(c.PublishToken, w.PublishTokenType, (
    row("uid", "uid", Of(TokenUid)),
    row("kind", "type", TOKEN_KIND),
    row("visual_number", "visual_number"),
    row("issuer", "issuer"),
    row("group_id", "group_id"),
))  # fmt: skip


def _newest(o: c.Location, cx: Context) -> Any:
    return max((e.last_updated for e in o.evses if e.last_updated is not None), default=cx.facts.now)


LOCATION = Mapping(c.Location, w.Location, (
    row("place.operator_id", ("country_code", "party_id"), Party(), using="evses"),
    row("place.id", "id", Of(LocationId), or_else=derived(
        lambda o, cx: place_hash(o.place, 24), "derived from operator, address and coordinates")),
    row("place.publish", "publish", or_else=derived(lambda o, cx: True, "shown to a partner, so published")),
    row("place.publish_allowed_to", "publish_allowed_to", PUBLISH_TOKEN, many=True),
    row("place.names", "name", PlainText()),
    row(("place.address.street", "place.address.house_number", "place.address.line"), "address", OneLine()),
    row("place.address.city", "city"),
    row("place.address.postal_code", "postal_code"),
    row("place.address.state", "state"),
    row("place.address.country", "country"),
    row("place.coordinates", "coordinates", GEO),
    row("place.related_points", "related_locations", RelatedPlace(), many=True),
    row("place.parking_type", "parking_type", PARKING_TYPE),
    row("evses", "evses", EVSE, many=True),
    row("place.directions", "directions", TEXTS),
    row("place.operator", "operator", One(BUSINESS)),
    row("place.suboperator", "suboperator", One(BUSINESS)),
    row("place.owner", "owner", One(BUSINESS)),
    row("place.facilities", "facilities", FACILITY, many=True),
    row("place.time_zone", "time_zone", SAME, or_else=from_partner("time_zone")),
    row("place.hours", "opening_times", HoursConverter()),
    row("place.charging_when_closed", "charging_when_closed"),
    row("place.images", "images", IMAGE, many=True),
    row("place.energy_mix", "energy_mix", One(ENERGY_MIX)),
    row("place.last_updated", "last_updated", MILLISECONDS, or_else=derived(_newest, "the newest of its EVSEs, or now")),
    no_place("place.utc_offset", because="OCPI names the time zone itself"),
    no_place("place.related_resources", because=_OCHP_ONLY),
    no_place("place.parking_places", because="not before OCPI 2.3.0"),
    no_place("place.help_phone", because="not before OCPI 2.3.0"),
), name="Location")  # fmt: skip

__all__ = ["CONNECTOR", "EVSE", "LOCATION"]
