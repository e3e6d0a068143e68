"""Rules about objects: their fields, and what the texts of the modules demand beyond the tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from bridge.probe.fields import Kind
from bridge.probe.look import Thing, folded, get, moment, number, part, parts, text, texts
from bridge.probe.rules import ONLY_211, ONLY_230, SINCE_22, V211, Fault, Severity, rule

# --- the tables


def _of(thing: Thing, *kinds: Kind) -> Iterator[Fault]:
    for slip in thing.slips:
        if slip.kind in kinds:
            yield Fault(slip.because, slip.path, slip.found)


@rule("16b", "Fields are those of the version", on=Thing, severity=Severity.NOTE)
def fields_known(thing: Thing) -> Iterator[Fault]:
    """Every object. Readers should ignore others (2.3.0: have to)."""
    yield from _of(thing, Kind.UNKNOWN)


@rule("16c", "Values of open enumerations are those that 2.3.0 names", on=Thing, severity=Severity.NOTE, versions=ONLY_230)
def open_values(thing: Thing) -> Iterator[Fault]:
    """Every object. Others are allowed, and many will not know them."""
    yield from _of(thing, Kind.OPEN)


@rule("17", "#NA stands only where a text is mandatory", on=Thing)
def not_available(thing: Thing) -> Iterator[Fault]:
    """Every object; 2.1.1 does not have it at all."""
    yield from _of(thing, Kind.NOT_AVAILABLE)


@rule("18", "Mandatory fields are there, mandatory lists not empty", on=Thing)
def mandatory(thing: Thing) -> Iterator[Fault]:
    """Every object."""
    yield from _of(thing, Kind.MISSING)


@rule("85b", "Fields have the type of the table", on=Thing)
def types(thing: Thing) -> Iterator[Fault]:
    """Every object: texts, numbers, truth values, lists, objects."""
    yield from _of(thing, Kind.TYPE)


@rule("85c", "Texts are no longer than the table allows", on=Thing)
def lengths(thing: Thing) -> Iterator[Fault]:
    """Every object."""
    yield from _of(thing, Kind.LENGTH)


@rule("85d", "Times are DateTimes, in UTC", on=Thing)
def times(thing: Thing) -> Iterator[Fault]:
    """Every object: Z or no zone, never +00:00."""
    yield from _of(thing, Kind.TIME)


@rule("85e", "Values of enumerations are those of the version", on=Thing)
def values(thing: Thing) -> Iterator[Fault]:
    """Every object."""
    yield from _of(thing, Kind.VALUE)


@rule("85f", "URLs are http(s) URLs", on=Thing)
def urls(thing: Thing) -> Iterator[Fault]:
    """Every object."""
    yield from _of(thing, Kind.URL)


@rule("85g", "Currencies, countries, languages, dates and identifiers have their form", on=Thing)
def forms(thing: Thing) -> Iterator[Fault]:
    """Every object; no text has control characters."""
    yield from _of(thing, Kind.FORM)


@rule("85h", "Texts are ASCII", on=Thing, severity=Severity.NOTE, versions=ONLY_211)
def ascii_only(thing: Thing) -> Iterator[Fault]:
    """Every object. Nearly everybody sends UTF-8; whoever is strict refuses it."""
    yield from _of(thing, Kind.ASCII)


@rule("85i", "Times have whole seconds", on=Thing, severity=Severity.NOTE, versions=ONLY_211)
def whole_seconds(thing: Thing) -> Iterator[Fault]:
    """Every object."""
    yield from _of(thing, Kind.FRACTION)


@rule("85j", "Numbers have at most four decimals", on=Thing, severity=Severity.NOTE)
def digits(thing: Thing) -> Iterator[Fault]:
    """Every object."""
    yield from _of(thing, Kind.DIGITS)


@rule("15", "Objects belong to the partner's parties", on=Thing, severity=Severity.WARNING, versions=SINCE_22)
def owned(thing: Thing) -> Iterator[Fault]:
    """country_code and party_id of every object are among the roles of GET credentials. Others may be ignored."""
    country, party = folded(thing.value, "country_code"), folded(thing.value, "party_id")
    if thing.parties and country and party and (country, party) not in thing.parties:
        yield Fault("its party is none of the partner's roles", "party_id", f"{country[:2]}*{party[:3]}")


# --- locations

_DECIMALS = {"2.1.1": (r"\d{1,2}\.\d{6}", r"\d{1,3}\.\d{6}")}
_DECIMALS["2.2.1"] = _DECIMALS["2.3.0"] = (r"\d{1,2}\.\d{5,7}", r"\d{1,3}\.\d{5,7}")


@rule("31a", "last_updated of a parent is not before its children's", on=Thing, kind="Location")
def propagated(thing: Thing) -> Iterator[Fault]:
    """Every location: connector, EVSE, location. Who pulls by date_from misses what its parents do not show."""
    whole = moment(thing.value, "last_updated")
    for path, evse in parts(thing.value, "evses"):
        mine = moment(evse, "last_updated")
        if mine is not None and whole is not None and mine > whole:
            yield Fault("newer than its location's", f"{path}.last_updated")
        for below, connector in parts(evse, "connectors"):
            theirs = moment(connector, "last_updated")
            if theirs is not None and mine is not None and theirs > mine:
                yield Fault("newer than its EVSE's", f"{path}.{below}.last_updated")


@rule("33a", "publish_allowed_to is for locations with publish=false", on=Thing, kind="Location", versions=SINCE_22)
def published(thing: Thing) -> Iterator[Fault]:
    """Every location."""
    if get(thing.value, "publish") is True and get(thing.value, "publish_allowed_to"):
        yield Fault("publish is true", "publish_allowed_to")


@rule("33b", "Private locations are not shown", on=Thing, kind="Location", severity=Severity.NOTE, versions=SINCE_22)
def private(thing: Thing) -> Iterator[Fault]:
    """Every location: publish=false and nobody in publish_allowed_to. It can be meant (chargers behind a barrier)."""
    if get(thing.value, "publish") is False and not get(thing.value, "publish_allowed_to"):
        yield Fault("publish is false, and nobody may see it", "publish")


@rule("33c", "Those who may see a location are told in full", on=Thing, kind="Location", versions=SINCE_22)
def publish_tokens(thing: Thing) -> Iterator[Fault]:
    """publish_allowed_to: one of uid, visual_number, group_id; type with uid, issuer with visual_number."""
    for path, one in parts(thing.value, "publish_allowed_to"):
        if not any(text(one, name) for name in ("uid", "visual_number", "group_id")):
            yield Fault("one of uid, visual_number, group_id is needed", path)
        if text(one, "uid") and not text(one, "type"):
            yield Fault("needed with uid", f"{path}.type")
        if text(one, "visual_number") and not text(one, "issuer"):
            yield Fault("needed with visual_number", f"{path}.issuer")


@rule("35a", "Identifiers within a location come once", on=Thing, kind="Location")
def once(thing: Thing) -> Iterator[Fault]:
    """uid of EVSEs, id of connectors of an EVSE."""
    yield from _twice(thing.value, "evses", "uid", "")
    for path, evse in parts(thing.value, "evses"):
        yield from _twice(evse, "connectors", "id", path)


def _twice(value: object, within: str, name: str, path: str) -> Iterator[Fault]:
    seen = set()
    for at, one in parts(value, within):
        ident = folded(one, name)
        if ident in seen:
            yield Fault("the same identifier twice", f"{path}.{at}.{name}".lstrip("."))
        if ident is not None:
            seen.add(ident)


@rule("36a", "Only an EVSE that is REMOVED may be without evse_id", on=Thing, kind="Location", severity=Severity.WARNING)
def evse_ids(thing: Thing) -> Iterator[Fault]:
    """Every EVSE."""
    for path, evse in parts(thing.value, "evses"):
        if text(evse, "status") != "REMOVED" and not text(evse, "evse_id"):
            yield Fault("it is missing", f"{path}.evse_id")


@rule("32b", "A location has an EVSE that is not REMOVED", on=Thing, kind="Location", severity=Severity.NOTE)
def has_evses(thing: Thing) -> Iterator[Fault]:
    """Every location: lists are of locations with valid EVSEs."""
    if all(text(evse, "status") == "REMOVED" for _, evse in parts(thing.value, "evses")):
        yield Fault("no EVSE, or only removed ones", "evses")


@rule("37a", "Regular hours are there unless it is always open", on=Thing, kind="Location")
def hours(thing: Thing) -> Iterator[Fault]:
    """opening_times: twentyfourseven false needs regular_hours, true excludes them."""
    times_ = part(thing.value, "opening_times")
    always, regular = times_.get("twentyfourseven"), times_.get("regular_hours")
    if always is False and not regular:
        yield Fault("needed where twentyfourseven is false", "opening_times.regular_hours")
    if always is True and regular:
        yield Fault("not with twentyfourseven", "opening_times.regular_hours", severity=Severity.WARNING)


@rule("37b", "Hours are weekdays 1 to 7 and HH:MM", on=Thing, kind="Location")
def regular(thing: Thing) -> Iterator[Fault]:
    """opening_times.regular_hours."""
    for path, one in parts(part(thing.value, "opening_times"), "regular_hours"):
        day = one.get("weekday")
        if isinstance(day, int) and not isinstance(day, bool) and not 1 <= day <= 7:
            yield Fault("1 to 7 expected", f"opening_times.{path}.weekday", str(day)[:10])
        for name in ("period_begin", "period_end"):
            told = text(one, name)
            if told is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", told, re.A):
                yield Fault("HH:MM expected", f"opening_times.{path}.{name}", told[:20])


@rule("37c", "Periods end after they begin", on=Thing, kind="Location")
def periods_of_location(thing: Thing) -> Iterator[Fault]:
    """Exceptional openings and closings, schedules of EVSEs."""
    opening = part(thing.value, "opening_times")
    found = [(f"opening_times.{p}", o) for name in ("exceptional_openings", "exceptional_closings") for p, o in parts(opening, name)]
    found += [(f"{e}.{p}", o) for e, evse in parts(thing.value, "evses") for p, o in parts(evse, "status_schedule")]
    for path, one in found:
        begin, end = moment(one, "period_begin"), moment(one, "period_end")
        if begin is not None and end is not None and end <= begin:
            yield Fault("not after period_begin", f"{path}.period_end")


@rule("38", "Coordinates have the decimals of the version", on=Thing)
def coordinates(thing: Thing) -> Iterator[Fault]:
    """Locations, EVSEs, related locations, places of CDRs: five to seven decimals (2.1.1: six), within the globe."""
    for path, place in _places(thing):
        for name, form, most in zip(("latitude", "longitude"), _DECIMALS[thing.version], (90, 180), strict=True):
            told = text(place, name)
            if told is not None and not re.fullmatch(f"-?{form}", told, re.A):
                yield Fault("digits, a point and the decimals of the version expected", f"{path}.{name}", told[:20])
            elif told is not None and abs(Decimal(told)) > most:
                yield Fault(f"beyond {most} degrees", f"{path}.{name}", told)


def _places(thing: Thing) -> Iterator[tuple[str, dict[str, object]]]:
    roots = {"Location": [("", thing.value)], "EVSE": [("", {"evses": [thing.value]})]}.get(thing.name, [])
    roots += [(f"{name}.", part(thing.value, name)) for name in ("location", "cdr_location") if thing.name in ("Session", "CDR")]
    for before, root in roots:
        yield f"{before}coordinates", part(root, "coordinates")
        yield from ((before + path, one) for path, one in parts(root, "related_locations"))
        yield from ((f"{before}{path}.coordinates", part(one, "coordinates")) for path, one in parts(root, "evses"))


@rule("39a", "Parking places come once, and EVSEs refer to them", on=Thing, kind="Location", versions=ONLY_230)
def parking(thing: Thing) -> Iterator[Fault]:
    """parking_places.id is unique, evses.parking.parking_id is one of them."""
    yield from _twice(thing.value, "parking_places", "id", "")
    known = {folded(one, "id") for _, one in parts(thing.value, "parking_places")}
    for path, evse in parts(thing.value, "evses"):
        for at, one in parts(evse, "parking"):
            if text(one, "parking_id") and folded(one, "parking_id") not in known:
                yield Fault("there is no such parking place", f"{path}.{at}.parking_id")


_SIZES = (
    "max_vehicle_weight",
    "max_vehicle_height",
    "max_vehicle_length",
    "max_vehicle_width",
    "parking_space_length",
    "parking_space_width",
)


@rule("39b", "Parking places for larger vehicles tell their size", on=Thing, kind="Location", severity=Severity.NOTE, versions=ONLY_230)
def parking_sizes(thing: Thing) -> Iterator[Fault]:
    """parking_places for others than PERSONAL_VEHICLE and MOTORCYCLE."""
    for path, one in parts(thing.value, "parking_places"):
        if set(texts(one, "vehicle_types")) - {"PERSONAL_VEHICLE", "MOTORCYCLE"} and not any(one.get(name) is not None for name in _SIZES):
            yield Fault("no size is told", path)


# --- tariffs


@rule("57a", "Restrictions leave something over", on=Thing, kind="Tariff", severity=Severity.WARNING)
def restrictions(thing: Thing) -> Iterator[Fault]:
    """min and max of kWh, current, power, duration and dates: max is exclusive, so min below max."""
    for path, element in parts(thing.value, "elements"):
        limits = part(element, "restrictions")
        for name in ("kwh", "current", "power", "duration"):
            least, most = number(limits, f"min_{name}"), number(limits, f"max_{name}")
            if least is not None and most is not None and least >= most:
                yield Fault(f"min_{name} is not below max_{name}: it never applies", f"{path}.restrictions")
        begin, end = text(limits, "start_date"), text(limits, "end_date")
        if begin and end and begin >= end:
            yield Fault("start_date is not before end_date: it never applies", f"{path}.restrictions")


@rule("58", "min_price is not above max_price", on=Thing, kind="Tariff", severity=Severity.WARNING, versions=SINCE_22)
def price_limits(thing: Thing) -> Iterator[Fault]:
    """Both before taxes, both after."""
    least, most = part(thing.value, "min_price"), part(thing.value, "max_price")
    for name in ("excl_vat", "incl_vat", "before_taxes", "after_taxes"):
        low, high = number(least, name), number(most, name)
        if low is not None and high is not None and low > high:
            yield Fault("above max_price", f"min_price.{name}")


@rule("57b", "Tariffs end after they begin", on=Thing, kind="Tariff", versions=SINCE_22)
def tariff_span(thing: Thing) -> Iterator[Fault]:
    """start_date_time and end_date_time."""
    begin, end = moment(thing.value, "start_date_time"), moment(thing.value, "end_date_time")
    if begin is not None and end is not None and end <= begin:
        yield Fault("not after start_date_time", "end_date_time")


@rule("57c", "step_size is at least 1", on=Thing, kind="Tariff", severity=Severity.WARNING)
def steps(thing: Thing) -> Iterator[Fault]:
    """Price components but FLAT."""
    for path, element in parts(thing.value, "elements"):
        for at, one in parts(element, "price_components"):
            step = number(one, "step_size")
            if step is not None and step < 1 and text(one, "type") != "FLAT":
                yield Fault("at least 1 expected", f"{path}.{at}.step_size", str(step)[:20])


@rule("60", "A reservation is priced by FLAT and TIME alone", on=Thing, kind="Tariff", versions=SINCE_22)
def reservation(thing: Thing) -> Iterator[Fault]:
    """Price components of elements restricted to reservations."""
    for path, element in parts(thing.value, "elements"):
        if text(part(element, "restrictions"), "reservation"):
            for at, one in parts(element, "price_components"):
                if text(one, "type") not in (None, "FLAT", "TIME"):
                    yield Fault("FLAT or TIME expected", f"{path}.{at}.type", str(text(one, "type"))[:20])


# --- sessions and CDRs

_SESSION_ONLY = frozenset({"CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"})


def _begin_end(thing: Thing) -> tuple[str, str]:
    if thing.version == V211:
        return ("start_datetime", "end_datetime") if thing.name == "Session" else ("start_date_time", "stop_date_time")
    return "start_date_time", "end_date_time"


@rule("50a", "Charging periods are in order, within their session", on=Thing)
def periods(thing: Thing) -> Iterator[Fault]:
    """start_date_time of the periods of sessions and CDRs; the end is after the begin."""
    if thing.name not in ("Session", "CDR"):
        return
    names = _begin_end(thing)
    begin, end = moment(thing.value, names[0]), moment(thing.value, names[1])
    if begin is not None and end is not None and end < begin:
        yield Fault(f"before {names[0]}", names[1])
    before: datetime | None = begin
    for path, one in parts(thing.value, "charging_periods"):
        when = moment(one, "start_date_time")
        if when is not None and before is not None and when < before:
            yield Fault("before the begin, or the period before it", f"{path}.start_date_time")
        elif when is not None and end is not None and when > end:
            yield Fault("after the end", f"{path}.start_date_time")
        before = when or before


@rule("50b", "Dimensions for sessions alone are not in CDRs", on=Thing, kind="CDR", versions=SINCE_22)
def dimensions(thing: Thing) -> Iterator[Fault]:
    """CURRENT, ENERGY_EXPORT, ENERGY_IMPORT, POWER and STATE_OF_CHARGE."""
    for path, period in parts(thing.value, "charging_periods"):
        for at, one in parts(period, "dimensions"):
            if text(one, "type") in _SESSION_ONLY:
                yield Fault("it is for sessions alone", f"{path}.{at}.type", str(text(one, "type")))


@rule("41", "Only a reservation may have #NA for its EVSE and connector", on=Thing, kind="Session", versions=SINCE_22)
def unassigned(thing: Thing) -> Iterator[Fault]:
    """evse_uid and connector_id of sessions."""
    for name in ("evse_uid", "connector_id"):
        if text(thing.value, name) == "#NA" and text(thing.value, "status") in ("ACTIVE", "COMPLETED"):
            yield Fault("#NA, though it is no reservation any more", name, severity=Severity.WARNING)


@rule("45a", "A session that is COMPLETED has an end", on=Thing, kind="Session", severity=Severity.WARNING)
def ended(thing: Thing) -> Iterator[Fault]:
    """end_date_time of sessions."""
    name = _begin_end(thing)[1]
    if text(thing.value, "status") == "COMPLETED" and not text(thing.value, name):
        yield Fault("it is missing", name)


@rule("48a", "A credit CDR names what it credits", on=Thing, kind="CDR", versions=SINCE_22)
def credit(thing: Thing) -> Iterator[Fault]:
    """credit and credit_reference_id come together, and the reference is not its own id."""
    reference = folded(thing.value, "credit_reference_id")
    if get(thing.value, "credit") is True and reference is None:
        yield Fault("needed in a credit CDR", "credit_reference_id")
    if get(thing.value, "credit") is not True and reference is not None:
        yield Fault("only in a credit CDR", "credit_reference_id")
    if reference is not None and reference == folded(thing.value, "id"):
        yield Fault("a credit CDR has an id of its own", "id")


@rule("48b", "Only credit CDRs have ids longer than 36 characters", on=Thing, kind="CDR", versions=SINCE_22)
def short_id(thing: Thing) -> Iterator[Fault]:
    """id of CDRs."""
    if get(thing.value, "credit") is not True and len(text(thing.value, "id") or "") > 36:
        yield Fault("at most 36 characters", "id")


_COSTS = ("total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost", "total_reservation_cost")


@rule("48c", "Of a credit CDR only total_cost is negated", on=Thing, kind="CDR", versions=SINCE_22)
def negated(thing: Thing) -> Iterator[Fault]:
    """total_cost of credit CDRs is not above zero, the other costs and volumes not below."""
    if get(thing.value, "credit") is not True:
        return
    for name in ("excl_vat", "incl_vat", "before_taxes"):
        if (number(part(thing.value, "total_cost"), name) or 0) > 0:
            yield Fault("above zero in a credit CDR", f"total_cost.{name}")
    for cost in _COSTS:
        for name in ("excl_vat", "incl_vat", "before_taxes"):
            if (number(part(thing.value, cost), name) or 0) < 0:
                yield Fault("below zero: only total_cost is negated", f"{cost}.{name}")


@rule("52a", "A CDR names its session", on=Thing, kind="CDR", severity=Severity.NOTE, versions=SINCE_22)
def session_named(thing: Thing) -> Iterator[Fault]:
    """session_id of CDRs: it may be left out without the sessions module, or after a reservation that was not used."""
    if not text(thing.value, "session_id"):
        yield Fault("it is missing", "session_id")


@rule("53", "Time parked is part of the time", on=Thing, kind="CDR")
def parked(thing: Thing) -> Iterator[Fault]:
    """total_parking_time is not above total_time; neither, nor total_energy, is below zero."""
    parked_, whole = number(thing.value, "total_parking_time"), number(thing.value, "total_time")
    if parked_ is not None and whole is not None and parked_ > whole:
        yield Fault("above total_time", "total_parking_time")
    for name in ("total_time", "total_parking_time", "total_energy"):
        if (number(thing.value, name) or 0) < 0:
            yield Fault("below zero", name)


@rule("54", "Signed values are a start, an end and what is between", on=Thing, kind="CDR", severity=Severity.NOTE, versions=SINCE_22)
def signed(thing: Thing) -> Iterator[Fault]:
    """nature in signed_data is Start, Intermediate or End."""
    for path, one in parts(part(thing.value, "signed_data"), "signed_values"):
        nature = text(one, "nature")
        if nature is not None and nature.upper() not in ("START", "INTERMEDIATE", "END"):
            yield Fault("Start, Intermediate or End expected", f"signed_data.{path}.nature", nature[:32])


# --- tokens


@rule("67", "Contracts of Plug & Charge are not listed as tokens", on=Thing, kind="Token", severity=Severity.NOTE, versions=ONLY_230)
def emaid(thing: Thing) -> Iterator[Fault]:
    """Tokens of type EMAID: it is recommended to ask about them in real time."""
    if text(thing.value, "type") == "EMAID":
        yield Fault("a token of type EMAID", "type")
