"""OCPI 2.2.1 as the simulated eMSP checks it: field tables, formats, and what the texts demand beyond them.

Written from the specification, on its own: it shares nothing with the bridge's readers, so that each finds the other's
mistakes. A field is ``name:type`` with the cardinality behind it: none is mandatory, ``?`` may be absent, ``*`` is a list,
``+`` a list with at least one item. ``ci36`` is a case-insensitive identifier, ``s255`` a text, with the most characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

_OBJECTS = {
    "Credentials": "token:s64 url:url roles:CredentialsRole+",
    "CredentialsRole": "role:Role business_details:BusinessDetails party_id:ci3 country_code:ci2",
    "Version": "version:VersionNumber url:url",
    "Endpoint": "identifier:ModuleID role:InterfaceRole url:url",
    "VersionDetails": "version:VersionNumber endpoints:Endpoint+",
    "BusinessDetails": "name:s100 website:url? logo:Image?",
    "Image": "url:url thumbnail:url? category:ImageCategory type:ci4 width:int? height:int?",
    "DisplayText": "language:s2 text:s512",
    "Location": (
        "country_code:ci2 party_id:ci3 id:ci36 publish:bool publish_allowed_to:PublishTokenType* name:s255? "
        "address:s255 city:s45 postal_code:s10? state:s45? country:s3 coordinates:GeoLocation "
        "related_locations:AdditionalGeoLocation* parking_type:ParkingType? evses:EVSE* directions:DisplayText* "
        "operator:BusinessDetails? suboperator:BusinessDetails? owner:BusinessDetails? facilities:Facility* "
        "time_zone:s255 opening_times:Hours? charging_when_closed:bool? images:Image* energy_mix:EnergyMix? "
        "last_updated:time"
    ),
    "EVSE": (
        "uid:ci36 evse_id:ci48? status:Status status_schedule:StatusSchedule* capabilities:Capability* "
        "connectors:Connector+ floor_level:s4? coordinates:GeoLocation? physical_reference:s16? "
        "directions:DisplayText* parking_restrictions:ParkingRestriction* images:Image* last_updated:time"
    ),
    "Connector": (
        "id:ci36 standard:ConnectorType format:ConnectorFormat power_type:PowerType max_voltage:int "
        "max_amperage:int max_electric_power:int? tariff_ids:ci36* terms_and_conditions:url? last_updated:time"
    ),
    "GeoLocation": "latitude:s10 longitude:s11",
    "AdditionalGeoLocation": "latitude:s10 longitude:s11 name:DisplayText?",
    "Hours": (
        "twentyfourseven:bool regular_hours:RegularHours* exceptional_openings:ExceptionalPeriod* exceptional_closings:ExceptionalPeriod*"
    ),
    "RegularHours": "weekday:int period_begin:s5 period_end:s5",
    "ExceptionalPeriod": "period_begin:time period_end:time",
    "StatusSchedule": "period_begin:time period_end:time? status:Status",
    "PublishTokenType": "uid:ci36? type:TokenType? visual_number:s64? issuer:s64? group_id:ci36?",
    "EnergyMix": (
        "is_green_energy:bool energy_sources:EnergySource* environ_impact:EnvironmentalImpact* supplier_name:s64? energy_product_name:s64?"
    ),
    "EnergySource": "source:EnergySourceCategory percentage:number",
    "EnvironmentalImpact": "category:EnvironmentalImpactCategory amount:number",
    "Tariff": (
        "country_code:ci2 party_id:ci3 id:ci36 currency:s3 type:TariffType? tariff_alt_text:DisplayText* "
        "tariff_alt_url:url? min_price:Price? max_price:Price? elements:TariffElement+ start_date_time:time? "
        "end_date_time:time? energy_mix:EnergyMix? last_updated:time"
    ),
    "TariffElement": "price_components:PriceComponent+ restrictions:TariffRestrictions?",
    "PriceComponent": "type:TariffDimensionType price:number vat:number? step_size:int",
    "TariffRestrictions": (
        "start_time:s5? end_time:s5? start_date:s10? end_date:s10? min_kwh:number? max_kwh:number? "
        "min_current:number? max_current:number? min_power:number? max_power:number? min_duration:int? "
        "max_duration:int? day_of_week:DayOfWeek* reservation:ReservationRestrictionType?"
    ),
    "Price": "excl_vat:number incl_vat:number?",
    "Session": (
        "country_code:ci2 party_id:ci3 id:ci36 start_date_time:time end_date_time:time? kwh:number "
        "cdr_token:CdrToken auth_method:AuthMethod authorization_reference:ci36? location_id:ci36 evse_uid:ci36 "
        "connector_id:ci36 meter_id:s255? currency:s3 charging_periods:ChargingPeriod* total_cost:Price? "
        "status:SessionStatus last_updated:time"
    ),
    "CdrToken": "country_code:ci2 party_id:ci3 uid:ci36 type:TokenType contract_id:ci36",
    "ChargingPeriod": "start_date_time:time dimensions:CdrDimension+ tariff_id:ci36?",
    "CdrDimension": "type:CdrDimensionType volume:number",
    "CDR": (
        "country_code:ci2 party_id:ci3 id:ci39 start_date_time:time end_date_time:time session_id:ci36? "
        "cdr_token:CdrToken auth_method:AuthMethod authorization_reference:ci36? cdr_location:CdrLocation "
        "meter_id:s255? currency:s3 tariffs:Tariff* charging_periods:ChargingPeriod+ signed_data:SignedData? "
        "total_cost:Price total_fixed_cost:Price? total_energy:number total_energy_cost:Price? total_time:number "
        "total_time_cost:Price? total_parking_time:number? total_parking_cost:Price? total_reservation_cost:Price? "
        "remark:s255? invoice_reference_id:ci39? credit:bool? credit_reference_id:ci39? "
        "home_charging_compensation:bool? last_updated:time"
    ),
    "CdrLocation": (
        "id:ci36 name:s255? address:s45 city:s45 postal_code:s10? state:s20? country:s3 coordinates:GeoLocation "
        "evse_uid:ci36 evse_id:ci48 connector_id:ci36 connector_standard:ConnectorType "
        "connector_format:ConnectorFormat connector_power_type:PowerType"
    ),
    "SignedData": "encoding_method:ci36 encoding_method_version:int? public_key:s512? signed_values:SignedValue+ url:s512?",
    "SignedValue": "nature:ci32 plain_data:s5000 signed_data:s5000",
    "Token": (
        "country_code:ci2 party_id:ci3 uid:ci36 type:TokenType contract_id:ci36 visual_number:s64? issuer:s64 "
        "group_id:ci36? valid:bool whitelist:WhitelistType language:s2? default_profile_type:ProfileType? "
        "energy_contract:EnergyContract? last_updated:time"
    ),
    "EnergyContract": "supplier_name:s64 contract_id:s64?",
    "LocationReferences": "location_id:ci36 evse_uids:ci36*",
    "CommandResponse": "result:CommandResponseType timeout:int message:DisplayText*",
    "CommandResult": "result:CommandResultType message:DisplayText*",
}

_ENUMS = {
    "AuthMethod": "AUTH_REQUEST COMMAND WHITELIST",
    "Capability": (
        "CHARGING_PROFILE_CAPABLE CHARGING_PREFERENCES_CAPABLE CHIP_CARD_SUPPORT CONTACTLESS_CARD_SUPPORT "
        "CREDIT_CARD_PAYABLE DEBIT_CARD_PAYABLE PED_TERMINAL REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER "
        "START_SESSION_CONNECTOR_REQUIRED TOKEN_GROUP_CAPABLE UNLOCK_CAPABLE"
    ),
    "CdrDimensionType": (
        "CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MIN_CURRENT MAX_POWER MIN_POWER PARKING_TIME POWER "
        "RESERVATION_TIME STATE_OF_CHARGE TIME"
    ),
    "CommandResponseType": "NOT_SUPPORTED REJECTED ACCEPTED UNKNOWN_SESSION",
    "CommandResultType": (
        "ACCEPTED CANCELED_RESERVATION EVSE_OCCUPIED EVSE_INOPERATIVE FAILED NOT_SUPPORTED REJECTED TIMEOUT UNKNOWN_RESERVATION"
    ),
    "ConnectorFormat": "SOCKET CABLE",
    "ConnectorType": (
        "CHADEMO CHAOJI DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H "
        "DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L DOMESTIC_M DOMESTIC_N DOMESTIC_O GBT_AC GBT_DC "
        "IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1 "
        "IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C NEMA_5_20 NEMA_6_30 "
        "NEMA_6_50 NEMA_10_30 NEMA_10_50 NEMA_14_30 NEMA_14_50 PANTOGRAPH_BOTTOM_UP PANTOGRAPH_TOP_DOWN TESLA_R "
        "TESLA_S"
    ),
    "DayOfWeek": "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
    "EnergySourceCategory": "NUCLEAR GENERAL_FOSSIL COAL GAS GENERAL_GREEN SOLAR WIND WATER",
    "EnvironmentalImpactCategory": "NUCLEAR_WASTE CARBON_DIOXIDE",
    "Facility": (
        "HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BIKE_SHARING BUS_STOP "
        "TAXI_STAND TRAM_STOP METRO_STATION TRAIN_STATION AIRPORT PARKING_LOT CARPOOL_PARKING FUEL_STATION WIFI"
    ),
    "ImageCategory": "CHARGER ENTRANCE LOCATION NETWORK OPERATOR OTHER OWNER",
    "InterfaceRole": "SENDER RECEIVER",
    "ModuleID": "cdrs chargingprofiles commands credentials hubclientinfo locations sessions tariffs tokens",
    "ParkingRestriction": "EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES",
    "ParkingType": "ALONG_MOTORWAY PARKING_GARAGE PARKING_LOT ON_DRIVEWAY ON_STREET UNDERGROUND_GARAGE",
    "PowerType": "AC_1_PHASE AC_2_PHASE AC_2_PHASE_SPLIT AC_3_PHASE DC",
    "ProfileType": "CHEAP FAST GREEN REGULAR",
    "ReservationRestrictionType": "RESERVATION RESERVATION_EXPIRES",
    "Role": "CPO EMSP HUB NAP NSP OTHER SCSP",
    "SessionStatus": "ACTIVE COMPLETED INVALID PENDING RESERVATION",
    "Status": "AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN",
    "TariffDimensionType": "ENERGY FLAT PARKING_TIME TIME",
    "TariffType": "AD_HOC_PAYMENT PROFILE_CHEAP PROFILE_FAST PROFILE_GREEN REGULAR",
    "TokenType": "AD_HOC_USER APP_USER OTHER RFID",
    "VersionNumber": "2.0 2.1 2.1.1 2.2 2.2.1",
    "WhitelistType": "ALWAYS ALLOWED ALLOWED_OFFLINE NEVER",
}


class _Field(NamedTuple):
    name: str
    type: str
    cardinality: str


@cache
def _fields(name: str) -> tuple[_Field, ...]:
    made = []
    for text in _OBJECTS[name].split():
        field, _, kind = text.partition(":")
        many = kind[-1] if kind[-1] in "?*+" else "1"
        made.append(_Field(field, kind.rstrip("?*+"), many))
    return tuple(made)


@cache
def _members(name: str) -> frozenset[str]:
    return frozenset(_ENUMS[name].split())


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z?\Z", re.A)
_URL = re.compile(r"https?://[^\s/]+\S*\Z")
_PRINTABLE = re.compile(r"[\x20-\x7e]*\Z")
_TEXT = re.compile(r"(s|ci)(\d+)\Z")
_LATITUDE = re.compile(r"-?\d{1,2}\.\d{5,7}\Z", re.A)
_LONGITUDE = re.compile(r"-?\d{1,3}\.\d{5,7}\Z", re.A)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z", re.A)
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z", re.A)
_CAPITALS = re.compile(r"[A-Z]{3}\Z")
_LANGUAGE = re.compile(r"[a-z]{2}\Z")
_COUNTRY = re.compile(r"[A-Za-z]{2}\Z")


def faults(name: str, value: Any, *, partial: bool = False) -> list[str]:
    """What is wrong with an object, ``path: reason`` each. ``partial``: a PATCH, in which mandatory fields may be absent."""
    return list(_object(name, value, "", partial=partial))


def moment(text: str) -> datetime | None:
    """A DateTime of the specification: UTC, with ``Z`` or nothing behind it."""
    match = _TIME.match(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1] + (match[2] or "")[:7]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _object(name: str, value: Any, path: str, *, partial: bool = False) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path or '$'}: {name} expected, found {_kind(value)}"
        return
    known = _fields(name)
    found = [f"{_at(path, key)}: unknown to {name}" for key in value.keys() - {f.name for f in known}]
    for field in known:
        found += _field(field, value.get(field.name), _at(path, field.name), partial=partial)
    rule = _RULES.get(name)
    if rule is not None and not found and not (partial and name in ("Location", "Session", "EVSE")):
        found += [f"{path or '$'}: {told}" for told in rule(value)]
    yield from found


def _field(field: _Field, value: Any, path: str, *, partial: bool) -> Iterator[str]:
    if value is None or value == []:
        if field.cardinality in "1+" and not partial:
            yield f"{path}: missing"
        return
    if field.cardinality in "*+":
        if not isinstance(value, list):
            yield f"{path}: a list expected, found {_kind(value)}"
            return
        for i, item in enumerate(value):
            yield from _value(field, item, f"{path}[{i}]")
    else:
        yield from _value(field, value, path)


def _value(field: _Field, value: Any, path: str) -> Iterator[str]:
    kind = field.type
    if kind in _OBJECTS:
        yield from _object(kind, value, path)
    elif kind in _ENUMS:
        if not isinstance(value, str) or value not in _members(kind):
            yield f"{path}: {value!r} is no {kind}"
    elif text := _TEXT.match(kind):
        yield from _text(value, int(text[2]), path, printable=text[1] == "ci")
        if isinstance(value, str) and (form := _FORMS.get(field.name)) is not None and not form.match(value):
            yield f"{path}: {value!r} is no {field.name}"
    elif kind == "url":
        if not isinstance(value, str) or len(value) > 255 or not _URL.match(value):
            yield f"{path}: {value!r} is no URL of at most 255 characters"
    elif kind == "time":
        if not isinstance(value, str) or moment(value) is None:
            yield f"{path}: {value!r} is no DateTime (UTC, no offset)"
    elif kind == "bool":
        if not isinstance(value, bool):
            yield f"{path}: true or false expected, found {_kind(value)}"
    elif isinstance(value, bool) or not isinstance(value, int if kind == "int" else (int, float)):
        yield f"{path}: {'a whole number' if kind == 'int' else 'a number'} expected, found {_kind(value)}"


_FORMS = {
    "latitude": _LATITUDE,
    "longitude": _LONGITUDE,
    "start_time": _CLOCK,
    "end_time": _CLOCK,
    "start_date": _DATE,
    "end_date": _DATE,
    "currency": _CAPITALS,
    "country": _CAPITALS,
    "language": _LANGUAGE,
    "country_code": _COUNTRY,
}


def _text(value: Any, limit: int, path: str, *, printable: bool) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: a text expected, found {_kind(value)}"
    elif not value:
        yield f"{path}: empty"
    elif len(value) > limit:
        yield f"{path}: {len(value)} characters, at most {limit}"
    elif printable and not _PRINTABLE.match(value):
        yield f"{path}: not printable ASCII"


_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text", type(None): "null"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), repr(value))


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


# --- what the texts demand beyond the tables


def _credentials(o: dict[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"[\x21-\x7e]{1,64}", o["token"]):
        yield "token: printable ASCII without blanks"
    roles = [(r["role"], r["country_code"].upper(), r["party_id"].upper()) for r in o["roles"]]
    if len(set(roles)) != len(roles):
        yield "roles: the same role, party_id and country_code twice"


def _hours(o: dict[str, Any]) -> Iterator[str]:
    if o["twentyfourseven"] is False and not o.get("regular_hours"):
        yield "regular_hours: needed where twentyfourseven is false"
    if o["twentyfourseven"] is True and o.get("regular_hours"):
        yield "regular_hours: not with twentyfourseven"


def _regular(o: dict[str, Any]) -> Iterator[str]:
    if not 1 <= o["weekday"] <= 7:
        yield "weekday: 1 to 7"
    for name in ("period_begin", "period_end"):
        if not _CLOCK.match(o[name]) and o[name] != "24:00":
            yield f"{name}: {o[name]!r} is no HH:MM"


def _span(begin: str, end: str) -> Callable[[dict[str, Any]], Iterator[str]]:
    def check(o: dict[str, Any]) -> Iterator[str]:
        if o.get(begin) and o.get(end) and _moment(o[end]) < _moment(o[begin]):
            yield f"{end}: before {begin}"

    return check


def _moment(text: str) -> datetime:
    return moment(text) or datetime.min.replace(tzinfo=UTC)


def _publish(o: dict[str, Any]) -> Iterator[str]:
    if not any(o.get(name) for name in ("uid", "visual_number", "group_id")):
        yield "one of uid, visual_number, group_id is needed"
    if o.get("uid") and not o.get("type"):
        yield "type: needed with uid"
    if o.get("visual_number") and not o.get("issuer"):
        yield "issuer: needed with visual_number"


def _location(o: dict[str, Any]) -> Iterator[str]:
    uids = [e["uid"].upper() for e in o.get("evses") or ()]
    if len(set(uids)) != len(uids):
        yield "evses: the same uid twice"
    newest = max((_moment(e["last_updated"]) for e in o.get("evses") or ()), default=None)
    if newest is not None and _moment(o["last_updated"]) < newest:
        yield "last_updated: older than that of an EVSE"


def _evse(o: dict[str, Any]) -> Iterator[str]:
    ids = [c["id"].upper() for c in o.get("connectors") or ()]
    if len(set(ids)) != len(ids):
        yield "connectors: the same id twice"
    if any(_moment(c["last_updated"]) > _moment(o["last_updated"]) for c in o.get("connectors") or ()):
        yield "last_updated: older than that of a connector"
    if o.get("status") != "REMOVED" and not o.get("evse_id"):
        yield "evse_id: only an EVSE that is REMOVED may be without"


def _component(o: dict[str, Any]) -> Iterator[str]:
    if o["step_size"] < 1 and o["type"] != "FLAT":
        yield "step_size: at least 1"


def _element(o: dict[str, Any]) -> Iterator[str]:
    if (o.get("restrictions") or {}).get("reservation") and any(c["type"] not in ("FLAT", "TIME") for c in o["price_components"]):
        yield "price_components: a reservation has FLAT and TIME only"


def _periods(o: dict[str, Any]) -> Iterator[str]:
    starts = [_moment(p["start_date_time"]) for p in o.get("charging_periods") or ()]
    if starts != sorted(starts):
        yield "charging_periods: not in the order of time"
    if starts and starts[0] < _moment(o["start_date_time"]):
        yield "charging_periods: one begins before the session"
    if o.get("end_date_time") and _moment(o["end_date_time"]) < _moment(o["start_date_time"]):
        yield "end_date_time: before start_date_time"


def _session(o: dict[str, Any]) -> Iterator[str]:
    yield from _periods(o)
    if o["kwh"] < 0:
        yield "kwh: below zero"
    if o["status"] == "COMPLETED" and not o.get("end_date_time"):
        yield "end_date_time: needed when COMPLETED"


_SESSION_ONLY = frozenset({"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"})


def _cdr(o: dict[str, Any]) -> Iterator[str]:
    yield from _periods(o)
    for i, period in enumerate(o["charging_periods"]):
        for dimension in period["dimensions"]:
            if dimension["type"] in _SESSION_ONLY:
                yield f"charging_periods[{i}]: {dimension['type']} is for sessions only"
    if o.get("credit"):
        if not o.get("credit_reference_id"):
            yield "credit_reference_id: needed in a credit CDR"
    elif o.get("credit_reference_id"):
        yield "credit_reference_id: only in a credit CDR"
    elif len(o["id"]) > 36:
        yield "id: at most 36 characters, but for credit CDRs"
    for name in ("total_energy", "total_time"):
        if o[name] < 0:
            yield f"{name}: below zero"


_RULES: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "Credentials": _credentials,
    "Hours": _hours,
    "RegularHours": _regular,
    "ExceptionalPeriod": _span("period_begin", "period_end"),
    "StatusSchedule": _span("period_begin", "period_end"),
    "PublishTokenType": _publish,
    "Location": _location,
    "EVSE": _evse,
    "PriceComponent": _component,
    "TariffElement": _element,
    "Tariff": _span("start_date_time", "end_date_time"),
    "Session": _session,
    "CDR": _cdr,
}
