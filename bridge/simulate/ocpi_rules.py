"""OCPI 2.1.1, 2.2.1 and 2.3.0 as the simulated parties check them: field tables, formats, and what the texts demand beyond them.

Written from the specification, on its own: it shares nothing with the bridge's readers, so that each finds the other's mistakes.
The field tables are in :mod:`bridge.simulate.ocpi_tables`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from bridge.simulate.ocpi_tables import OPEN, enums, objects


class _Field(NamedTuple):
    name: str
    type: str
    cardinality: str


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


def faults(name: str, value: Any, *, partial: bool = False, version: str = "2.2.1") -> list[str]:
    """What is wrong with an object, ``path: reason`` each. ``partial``: a PATCH, in which mandatory fields may be absent."""
    return list(_judge(version).object(name, value, "", partial=partial))


def moment(text: str) -> datetime | None:
    """A DateTime of the specification: UTC, with ``Z`` or nothing behind it."""
    match = _TIME.match(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1] + (match[2] or "")[:7]).replace(tzinfo=UTC)
    except ValueError:
        return None


class _Judge:
    """One version's tables and rules."""

    def __init__(self, version: str) -> None:
        older = version == "2.1.1"
        self.objects = objects(version)
        self.enums = enums(version)
        self.open = OPEN if version == "2.3.0" else frozenset[str]()
        self.whole = older
        self.rules = _RULES | (_OLDER_RULES if older else _NEWER_RULES if version == "2.3.0" else {})
        self.forms = _FORMS | (_OLDER_FORMS if older else {})
        self._read: dict[str, tuple[_Field, ...]] = {}
        self._named: dict[str, frozenset[str]] = {}

    def _fields(self, name: str) -> tuple[_Field, ...]:
        if name not in self._read:
            made = []
            for text in self.objects[name].split():
                field, _, kind = text.partition(":")
                many = kind[-1] if kind[-1] in "?*+" else "1"
                made.append(_Field(field, kind.rstrip("?*+"), many))
            self._read[name] = tuple(made)
        return self._read[name]

    def _members(self, name: str) -> frozenset[str]:
        if name not in self._named:
            self._named[name] = frozenset(self.enums[name].split())
        return self._named[name]

    def object(self, name: str, value: Any, path: str, *, partial: bool = False) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path or '$'}: {name} expected, found {_kind(value)}"
            return
        known = self._fields(name)
        found = [f"{_at(path, key)}: unknown to {name}" for key in value.keys() - {f.name for f in known} if not self.open]
        for field in known:
            found += self._field(field, value.get(field.name), _at(path, field.name), partial=partial)
        rule = self.rules.get(name)
        if rule is not None and not found and not (partial and name in ("Location", "Session", "EVSE")):
            found += [f"{path or '$'}: {told}" for told in rule(value)]
        yield from found

    def _field(self, field: _Field, value: Any, path: str, *, partial: bool) -> Iterator[str]:
        if value is None or value == []:
            if field.cardinality in "1+" and not partial:
                yield f"{path}: missing"
            return
        if field.cardinality in "*+":
            if not isinstance(value, list):
                yield f"{path}: a list expected, found {_kind(value)}"
                return
            for i, item in enumerate(value):
                yield from self._value(field, item, f"{path}[{i}]")
        else:
            yield from self._value(field, value, path)

    def _value(self, field: _Field, value: Any, path: str) -> Iterator[str]:
        kind = field.type
        if kind in self.objects:
            yield from self.object(kind, value, path)
        elif kind in self.enums:
            if not isinstance(value, str) or (value not in self._members(kind) and kind not in self.open):
                yield f"{path}: {value!r} is no {kind}"
        elif text := _TEXT.match(kind):
            yield from _text(value, int(text[2]), path, printable=text[1] == "ci")
            if isinstance(value, str) and (form := self.forms.get(field.name)) is not None and not form.match(value):
                yield f"{path}: {value!r} is no {field.name}"
        elif kind == "url":
            if not isinstance(value, str) or len(value) > 255 or not _URL.match(value):
                yield f"{path}: {value!r} is no URL of at most 255 characters"
        elif kind == "time":
            if not isinstance(value, str) or moment(value) is None or (self.whole and "." in value):
                yield f"{path}: {value!r} is no DateTime (UTC, no offset{', whole seconds' if self.whole else ''})"
        elif kind == "bool":
            if not isinstance(value, bool):
                yield f"{path}: true or false expected, found {_kind(value)}"
        elif isinstance(value, bool) or not isinstance(value, int if kind == "int" else (int, float)):
            yield f"{path}: {'a whole number' if kind == 'int' else 'a number'} expected, found {_kind(value)}"


_FORMS: dict[str, re.Pattern[str]] = {
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
_OLDER_FORMS = {
    "latitude": re.compile(r"-?\d{1,2}\.\d{6}\Z", re.A),
    "longitude": re.compile(r"-?\d{1,3}\.\d{6}\Z", re.A),
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


def _older_hours(o: dict[str, Any]) -> Iterator[str]:
    if not o.get("twentyfourseven") and not o.get("regular_hours"):
        yield "regular_hours or twentyfourseven is needed"
    if o.get("twentyfourseven") and o.get("regular_hours"):
        yield "regular_hours: not with twentyfourseven"


def _older_credentials(o: dict[str, Any]) -> Iterator[str]:
    if not re.fullmatch(r"[\x21-\x7e]{1,64}", o["token"]):
        yield "token: printable ASCII without blanks"


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


def _places(o: dict[str, Any]) -> Iterator[str]:
    yield from _location(o)
    ids = [p["id"].upper() for p in o.get("parking_places") or ()]
    if len(set(ids)) != len(ids):
        yield "parking_places: the same id twice"
    named = {p["parking_id"].upper() for e in o.get("evses") or () for p in e.get("parking") or ()}
    if named - set(ids):
        yield f"evses: parking_id {min(named - set(ids))} is no parking place of the location"


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


def _periods(o: dict[str, Any], begin: str, end: str) -> Iterator[str]:
    starts = [_moment(p["start_date_time"]) for p in o.get("charging_periods") or ()]
    if starts != sorted(starts):
        yield "charging_periods: not in the order of time"
    if starts and starts[0] < _moment(o[begin]):
        yield "charging_periods: one begins before the session"
    if o.get(end) and _moment(o[end]) < _moment(o[begin]):
        yield f"{end}: before {begin}"


def _session(o: dict[str, Any], begin: str = "start_date_time", end: str = "end_date_time") -> Iterator[str]:
    yield from _periods(o, begin, end)
    if o["kwh"] < 0:
        yield "kwh: below zero"
    if o["status"] == "COMPLETED" and not o.get(end):
        yield f"{end}: needed when COMPLETED"


def _older_session(o: dict[str, Any]) -> Iterator[str]:
    yield from _session(o, "start_datetime", "end_datetime")
    yield from _one_evse(o)


def _one_evse(o: dict[str, Any]) -> Iterator[str]:
    """The location in a session or CDR holds the EVSE and connector of the session, and no others."""
    evses: list[Any] = o["location"].get("evses") or []
    if len(evses) != 1 or len(evses[0]["connectors"]) != 1:
        yield "location: has to hold the EVSE and the connector of the session, only them"


def _older_cdr(o: dict[str, Any]) -> Iterator[str]:
    yield from _periods(o, "start_date_time", "stop_date_time")
    yield from _one_evse(o)
    for name in ("total_energy", "total_time", "total_cost"):
        if o[name] < 0:
            yield f"{name}: below zero"


_SESSION_ONLY = frozenset({"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"})


def _cdr(o: dict[str, Any]) -> Iterator[str]:
    yield from _periods(o, "start_date_time", "end_date_time")
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


def _start(o: dict[str, Any]) -> Iterator[str]:
    if o.get("connector_id") and not o.get("evse_uid"):
        yield "evse_uid: needed with connector_id"


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
    "StartSession": _start,
}
_OLDER_RULES: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "Credentials": _older_credentials,
    "Hours": _older_hours,
    "Session": _older_session,
    "CDR": _older_cdr,
}
_NEWER_RULES: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {"Location": _places}


@cache
def _judge(version: str) -> _Judge:
    return _Judge(version)
