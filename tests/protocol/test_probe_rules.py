"""Every rule of the probe: a partner with that one fault is found out. (One without faults is in test_probe.)"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from attrs import frozen

from bridge.probe.book import catalogue
from bridge.probe.rules import NOT_JUDGED, RULES, number_of
from tests.protocol import probe_partner as pp
from tests.protocol.probe_partner import Partner, Reply, probed

Spoil = Callable[[Partner], None]


@frozen
class Case:
    """One fault: how a partner gets it, and what is looked at."""

    rule: str
    spoil: Spoil
    version: str = "2.2.1"
    side: str = "cpo"
    parts: tuple[str, ...] = ("lists",)
    also: frozenset[str] = frozenset()
    """Other rules that the same fault breaks."""
    write: bool = False
    token_a: bool = False

    def __str__(self) -> str:
        return f"{self.rule}-{self.version}"


def answers(change: Callable[[Reply], object], *, at: str = "", method: str = "", every: bool = True) -> Spoil:
    """Answers to requests that match are changed (or only the first of them)."""

    def spoil(partner: Partner) -> None:
        numbers = itertools.count()

        def after(request: web.Request, reply: Reply) -> None:
            if pp.on(at)(request) and method in ("", request.method) and (every or next(numbers) == 0):
                change(reply)

        partner.after = after

    return spoil


def envelope(**fields: Any) -> Callable[[Reply], object]:
    """Other fields in the envelope; None takes one away."""

    def change(reply: Reply) -> None:
        for name, value in fields.items():
            reply.envelope[name] = value
            if value is None:
                del reply.envelope[name]

    return change


def answered(status: int = 200, code: int = 1000, data: Any = None) -> Callable[[Reply], object]:
    """Another answer."""

    def change(reply: Reply) -> None:
        reply.status, reply.envelope["status_code"] = status, code
        reply.envelope.pop("data", None)
        if data is not None:
            reply.envelope["data"] = data

    return change


def body(sent: bytes) -> Callable[[Reply], object]:
    """The answer is no envelope."""

    def change(reply: Reply) -> None:
        reply.body = sent

    return change


def without(header: str) -> Callable[[Reply], object]:
    """A header is not sent."""
    return lambda reply: reply.headers.pop(header, None)


def header(name: str, value: str) -> Callable[[Reply], object]:
    """A header is another."""
    return lambda reply: reply.headers.update({name: value})


def link(old: str, new: str) -> Callable[[Reply], object]:
    """The Link is another."""

    def change(reply: Reply) -> None:
        if "Link" in reply.headers:
            reply.headers["Link"] = reply.headers["Link"].replace(old, new)

    return change


def asked(change: Callable[[dict[str, str]], object]) -> Spoil:
    """The partner understands the parameters otherwise."""

    def spoil(partner: Partner) -> None:
        def before(request: web.Request, query: dict[str, str]) -> None:
            change(query)

        partner.before = before

    return spoil


def objects(module: str, change: Callable[[dict[str, Any]], object], *, every: bool = False) -> Spoil:
    """The third object of a list (or each) is changed."""

    def spoil(partner: Partner) -> None:
        for one in partner.data[module] if every else partner.data[module][2:3]:
            change(one)

    return spoil


def set_(**fields: Any) -> Callable[[dict[str, Any]], object]:
    """Fields have these values."""
    return lambda one: one.update(fields)


def drop(*names: str) -> Callable[[dict[str, Any]], object]:
    """Fields are not there."""
    return lambda one: [one.pop(name, None) for name in names]


def evses(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """The first EVSE of a location is changed."""
    return lambda one: change(one["evses"][0])


def second_time(module: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    """From the second reading of a list on, its third object is another."""

    def spoil(partner: Partner) -> None:
        seen = itertools.count()

        def before(request: web.Request, query: dict[str, str]) -> None:
            if request.path == partner.path(module) and "offset" not in query and "date_to" not in query and next(seen) == 2:
                change(partner.data[module][2])

        partner.before = before

    return spoil


def roles(*given: tuple[str, str]) -> Spoil:
    """The partner has these roles: role and party."""

    def spoil(partner: Partner) -> None:
        business = {"name": "Example"}
        partner.roles = [{"role": r, "party_id": p, "country_code": "DE", "business_details": business} for r, p in given]

    return spoil


def endpoints(change: Callable[[list[dict[str, Any]]], object]) -> Spoil:
    """The version details are others."""
    return answers(lambda reply: change(reply.envelope["data"]["endpoints"]), at=r"/ocpi/\w+/[\d.]+/?$", method="GET")


def restricted(**limits: Any) -> Callable[[dict[str, Any]], object]:
    """A tariff element has restrictions."""
    return lambda one: one["elements"][0].update(restrictions=limits)


def component(**fields: Any) -> Callable[[dict[str, Any]], object]:
    """A price component is another."""
    return lambda one: one["elements"][0]["price_components"][0].update(fields)


def reverse(module: str) -> Spoil:
    return lambda partner: partner.data[module].reverse()


def shuffled(partner: Partner) -> None:
    """Each list comes in another order than before."""
    numbers = itertools.count()

    def before(request: web.Request, query: dict[str, str]) -> None:
        if request.path == partner.path("tariffs") and "offset" not in query and next(numbers):
            tariffs = partner.data["tariffs"]
            tariffs.append(tariffs.pop(0))

    partner.before = before


def lax(partner: Partner) -> None:
    """Everybody is let in."""
    partner.known = lambda header: True


def one_spelling(how: str) -> Spoil:
    """The token is accepted in one spelling only."""

    def spoil(partner: Partner) -> None:
        partner.known = lambda header: header == pp.spelled(how)

    return spoil


def case_sensitive_headers(partner: Partner) -> None:
    def after(request: web.Request, reply: Reply) -> None:
        if "AUTHORIZATION" in {name.decode() for name, _ in request.raw_headers}:
            partner.fail(reply, 401, 2000)

    partner.after = after


def case_sensitive_ids(partner: Partner) -> None:
    def after(request: web.Request, reply: Reply) -> None:
        if "/locations/lOC" in request.path:
            partner.fail(reply, 404, 2003)

    partner.after = after


def strict_slashes(partner: Partner) -> None:
    def after(request: web.Request, reply: Reply) -> None:
        if request.path.endswith("/"):
            reply.status, reply.headers["Location"] = 301, request.path.rstrip("/")

    partner.after = after


def other_field_names(partner: Partner) -> None:
    """Fields that it does not know are refused."""

    def after(request: web.Request, reply: Reply) -> None:
        if request.path.endswith("STOP_SESSION") and b"evbridge_probe" in partner.requests[-1][2]:
            partner.fail(reply, 200, 2001)

    partner.after = after


def leads_on(partner: Partner) -> None:
    """The last page links to one that is empty."""

    def after(request: web.Request, reply: Reply) -> None:
        if request.path == partner.path("tariffs") and reply.envelope.get("data"):
            offset = int(request.query.get("offset", "0")) + len(reply.envelope["data"])
            more = "".join(f"&{name}={request.query[name]}" for name in ("date_from", "date_to") if name in request.query)
            reply.headers["Link"] = f'<{partner.url}{request.path}?offset={offset}&limit=2{more}>; rel="next"'

    partner.after = after


def ignoring(*names: str) -> Spoil:
    return asked(lambda query: [query.pop(name, None) for name in names])


def exclusive(query: dict[str, str]) -> None:
    if query.get("date_from", "").endswith(":00Z") and "T00:0" in query["date_from"]:
        query["date_from"] = query["date_from"].replace(":00Z", ":01Z")


def inclusive(query: dict[str, str]) -> None:
    if "date_to" in query:
        query["date_to"] = query["date_to"].replace(":00Z", ":01Z")


def later(name: str, minutes: int) -> Callable[[dict[str, str]], object]:
    """A limit of time is taken for another."""

    def change(query: dict[str, str]) -> None:
        told = query.get(name, "")
        if "T00:0" in told:
            query[name] = told.replace(told[14:16], f"{max(0, int(told[14:16]) + minutes):02}", 1)

    return change


PARKED = {"id": "P1", "vehicle_types": ["TRUCK_WITH_TRAILER"], "restricted_to_type": False, "reservation_required": False}
CREDIT = {"credit": True, "credit_reference_id": "CDR1", "total_cost": {"excl_vat": -4.5}}
CONNECTION = ("connection",)
ACCESS, METHODS, OBJECTS, WRITE = ("access",), ("methods",), ("objects",), ("write",)

CASES = [
    Case("a1", answers(answered(404, 2003), at=r"locations/\w+/\w+/1$"), parts=("lists", "objects")),
    Case("a2", answers(answered(200, 1000), method="PATCH"), parts=METHODS),
    Case("a3", answers(answered(404, 2000), at="credentials"), parts=CONNECTION),
    Case("2a", one_spelling("raw"), parts=ACCESS),
    Case("2a", one_spelling("base64"), version="2.1.1", parts=ACCESS),
    Case("2b", one_spelling("base64"), parts=ACCESS),
    Case("3a", lax, parts=ACCESS, also=frozenset({"3b"})),
    Case("3b", answers(lambda reply: reply.status == 401 and answered(403, 2000)(reply)), parts=ACCESS, also=frozenset({"3a"})),
    Case("4", lambda partner: None, token_a=True),
    Case("5", answers(lambda reply: reply.envelope["data"].update({"token": "a b"}), at="credentials"), parts=CONNECTION),
    Case("6", case_sensitive_headers, parts=ACCESS),
    Case("8a", answers(body(b"[]"), at="credentials"), parts=CONNECTION, also=frozenset({"a3"})),
    Case("8a", answers(body(b"<p>"), at="credentials"), parts=CONNECTION, also=frozenset({"a3"})),
    Case("8b", answers(lambda reply: reply.status == 404 and body(b"gone")(reply)), parts=OBJECTS),
    Case("8c", answers(envelope(status_code="1000"), at="credentials"), parts=CONNECTION, also=frozenset({"a3"})),
    Case("8d", answers(envelope(timestamp=None), at="credentials"), parts=CONNECTION),
    Case("8d", answers(envelope(timestamp="2026-01-01T00:00:00+00:00"), at="credentials"), parts=CONNECTION, also=frozenset({"8g"})),
    Case("8d", answers(lambda reply: envelope(timestamp=reply.envelope["timestamp"].replace("Z", ".123456Z"))(reply), at="credentials"),
         parts=CONNECTION),
    Case("8e", answers(envelope(status_message=7), at="credentials"), parts=CONNECTION),
    Case("8f", answers(header("Content-Type", "text/plain"), at="credentials"), parts=CONNECTION),
    Case("8g", answers(envelope(timestamp="2020-01-01T00:00:00Z"), at="credentials"), parts=CONNECTION),
    Case("8h", answers(envelope(data={"locations": []}), at="locations"), also=frozenset({"21c", "21h"})),
    Case("9", answers(envelope(data=None), at="credentials"), parts=CONNECTION),
    Case("10", answers(answered(200, 2001), at="STOP_SESSION"), parts=WRITE, write=True),
    Case("11a", answers(answered(500, 3000), at="tariffs"), also=frozenset({"11b"})),
    Case("11b", answers(answered(404, 2000), at="tariffs")),
    Case("11c", answers(lambda reply: reply.envelope["status_code"] == 2001 and answered(400, 2001)(reply), at="STOP_SESSION"),
         parts=WRITE, write=True),
    Case("12", answers(lambda reply: reply.status == 404 and answered(200, 2003)(reply)), parts=OBJECTS),
    Case("14", answers(answered(200, 1900, {"version": "2.2.1", "endpoints": []}), at=r"2\.2\.1$"), parts=CONNECTION,
         also=frozenset({"18", "78b"})),
    Case("14", answers(answered(404, 2004), at="locations/evb"), version="2.1.1", parts=("lists", "objects")),
    Case("15", objects("tariffs", set_(party_id="XYZ"))),
    Case("16a", other_field_names, version="2.3.0", parts=WRITE, write=True),
    Case("16b", objects("tariffs", set_(colour="green"))),
    Case("16c", objects("locations", evses(lambda one: one["connectors"][0].update(standard="WIRELESS"))), version="2.3.0"),
    Case("17", objects("locations", set_(name="#NA"))),
    Case("17", objects("locations", set_(city="#NA")), version="2.1.1"),
    Case("18", objects("locations", drop("city"))),
    Case("18", objects("tariffs", drop("tax_included")), version="2.3.0"),
    Case("18", objects("locations", evses(set_(connectors=[])))),
    Case("20a", ignoring("limit"), also=frozenset({"20b"})),
    Case("20b", asked(lambda query: query.update(offset="0") if query.get("offset") == "1" else None)),
    Case("20c", ignoring("date_from"), also=frozenset({"21e", "11b"})),
    Case("20d", asked(exclusive)),
    Case("20e", asked(later("date_from", 2)), also=frozenset({"20d"})),
    Case("20f", ignoring("date_to"), also=frozenset({"20g", "21e"})),
    Case("20g", asked(inclusive)),
    Case("20h", asked(later("date_to", -2))),
    Case("21a", answers(without("X-Total-Count"))),
    Case("21b", answers(header("X-Limit", "many"), at="locations")),
    Case("21c", answers(without("Link"), at="locations"), also=frozenset({"21h"})),
    Case("21d", leads_on),
    Case("21d", answers(lambda reply: reply.headers.setdefault("Link", '<http://h/x?limit=2>; rel="next"'), at="tariffs.offset=4"),
         also=frozenset({"21g"})),
    Case("21e", answers(link("&date_from", "&since"), at="sessions"), also=frozenset({"11b"})),
    Case("21f", answers(link("&limit=2", ""), at="tariffs")),
    Case("21g", answers(link("http://127.0.0.1", "http://localhost"), at="tariffs")),
    Case("21h", answers(header("X-Total-Count", "4"), at="tariffs"), also=frozenset({"21c"})),
    Case("22a", answers(header("X-Limit", "1"), at="tariffs")),
    Case("22b", lambda partner: partner.data["tariffs"].append(partner.data["tariffs"][0]), also=frozenset({"22c"})),
    Case("22c", shuffled, also=frozenset({"20b", "22b", "20d", "20e", "20h", "36b"})),
    Case("22d", reverse("cdrs")),
    Case("22d", reverse("sessions"), version="2.1.1"),
    Case("23", asked(lambda query: query.setdefault("date_from", "")), also=frozenset({"21e"})),
    Case("31a", objects("locations", evses(lambda one: one["connectors"][0].update(last_updated=pp.stamp(9))))),
    Case("31a", objects("locations", evses(set_(last_updated=pp.stamp(9)))), version="2.1.1"),
    Case("31b", second_time("locations", set_(name="Renamed"))),
    Case("32a", second_time("locations", lambda one: (one["evses"].pop(), one.update(last_updated=pp.stamp(9))))),
    Case("32b", objects("locations", lambda one: [e.update(status="REMOVED") for e in one["evses"]])),
    Case("33a", objects("locations", set_(publish_allowed_to=[{"group_id": "G1"}]))),
    Case("33b", objects("locations", set_(publish=False))),
    Case("33c", objects("locations", set_(publish=False, publish_allowed_to=[{"uid": "04AA"}]))),
    Case("33c", objects("locations", set_(publish=False, publish_allowed_to=[{"issuer": "X"}]))),
    Case("33c", objects("locations", set_(publish=False, publish_allowed_to=[{"visual_number": "X"}]))),
    Case("35a", objects("locations", lambda one: one["evses"][0].update(uid="e3b"))),
    Case("35b", objects("locations", evses(set_(uid="E1A")))),
    Case("36a", objects("locations", evses(drop("evse_id")))),
    Case("36b", objects("locations", evses(lambda one: one["connectors"][0].update(tariff_ids=["TAR9"])))),
    Case("36c", objects("locations", evses(lambda one: one["connectors"][0].update(tariff_ids=["TAR1", "tar2"])))),
    Case("37a", objects("locations", set_(opening_times={"twentyfourseven": False}))),
    Case("37a", objects("locations", set_(opening_times={"twentyfourseven": True, "regular_hours": [
        {"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]}))),
    Case("37b", objects("locations", set_(opening_times={"twentyfourseven": False, "regular_hours": [
        {"weekday": 0, "period_begin": "08:00", "period_end": "20:00"}]}))),
    Case("37b", objects("locations", set_(opening_times={"twentyfourseven": False, "regular_hours": [
        {"weekday": 1, "period_begin": "8:00", "period_end": "20:00"}]}))),
    Case("37c", objects("locations", set_(opening_times={"twentyfourseven": True, "exceptional_closings": [
        {"period_begin": "2026-01-02T00:00:00Z", "period_end": "2026-01-01T00:00:00Z"}]}))),
    Case("38", objects("locations", set_(coordinates={"latitude": "52.5", "longitude": "13.404954"}))),
    Case("38", objects("locations", set_(coordinates={"latitude": "52.52000", "longitude": "13.404954"})), version="2.1.1"),
    Case("38", objects("locations", set_(coordinates={"latitude": "99.520008", "longitude": "13.404954"}))),
    Case("38", objects("cdrs", lambda one: one["cdr_location"]["coordinates"].update(longitude="13,404954"))),
    Case("39a", objects("locations", evses(set_(parking=[{"parking_id": "P9"}]))), version="2.3.0"),
    Case("39b", objects("locations", set_(parking_places=[PARKED])), version="2.3.0"),
    Case("41", objects("sessions", set_(evse_uid="#NA"))),
    Case("45a", objects("sessions", drop("end_date_time"))),
    Case("45a", objects("sessions", drop("end_datetime")), version="2.1.1"),
    Case("45b", second_time("sessions", set_(status="ACTIVE", last_updated=pp.stamp(9)))),
    Case("47", second_time("cdrs", set_(total_energy=11, last_updated=pp.stamp(9)))),
    Case("48a", objects("cdrs", set_(credit=True)), also=frozenset({"48c"})),
    Case("48a", objects("cdrs", set_(credit_reference_id="CDR1"))),
    Case("48b", objects("cdrs", set_(id="C" * 37))),
    Case("48c", objects("cdrs", set_(**CREDIT | {"total_cost": {"excl_vat": 4.5}}))),
    Case("48c", objects("cdrs", set_(**CREDIT, total_time_cost={"excl_vat": -1}))),
    Case("48d", objects("cdrs", set_(**CREDIT | {"credit_reference_id": "CDR77"}))),
    Case("50a", objects("sessions", lambda one: one["charging_periods"][0].update(start_date_time=pp.stamp(0)))),
    Case("50a", objects("cdrs", set_(stop_date_time=pp.stamp(0))), version="2.1.1"),
    Case("50b", objects("cdrs", lambda one: one["charging_periods"][0].update(dimensions=[{"type": "POWER", "volume": 1}]))),
    Case("52a", objects("cdrs", drop("session_id"))),
    Case("52b", objects("cdrs", set_(session_id="SES99"))),
    Case("53", objects("cdrs", set_(total_parking_time=2))),
    Case("54", objects("cdrs", set_(signed_data={"encoding_method": "OCMF", "signed_values": [
        {"nature": "First", "plain_data": "x", "signed_data": "x"}]}))),
    Case("57a", objects("tariffs", restricted(min_kwh=5, max_kwh=5))),
    Case("57b", objects("tariffs", set_(start_date_time="2026-01-02T00:00:00Z", end_date_time="2026-01-01T00:00:00Z"))),
    Case("57c", objects("tariffs", component(step_size=0))),
    Case("58", objects("tariffs", set_(min_price={"excl_vat": 5}, max_price={"excl_vat": 4}))),
    Case("60", objects("tariffs", restricted(reservation="RESERVATION"))),
    Case("64", lambda partner: partner.data["tokens"].append(partner.data["tokens"][0]), side="emsp", also=frozenset({"22b", "22c"})),
    Case("65a", answers(answered(200, 1000, {"allowed": "NOT_ALLOWED"}), at="authorize"), side="emsp", parts=WRITE, write=True,
         also=frozenset({"10"})),
    Case("65b", answers(answered(200, 1000, {"allowed": "ALLOWED"}), at="authorize"), side="emsp", version="2.1.1", parts=WRITE,
         write=True, also=frozenset({"10"})),
    Case("67", objects("tokens", set_(type="EMAID")), version="2.3.0", side="emsp"),
    Case("68a", answers(lambda reply: "data" in reply.envelope and reply.envelope["data"].pop("timeout"), at="STOP"), parts=WRITE,
         write=True),
    Case("68b", answers(lambda reply: "data" in reply.envelope and reply.envelope["data"].update(result="ACCEPTED"), at="STOP"),
         parts=WRITE, write=True),
    Case("77a", roles(("CPO", "ABC"), ("CPO", "abc")), parts=CONNECTION),
    Case("77b", roles(("CPO", "ABC"), ("HUB", "HHH")), parts=CONNECTION),
    Case("77c", roles(("CPO", "ABC"), ("HUB", "HHH")), version="2.3.0", parts=CONNECTION, also=frozenset({"85e"})),
    Case("78a", answers(lambda reply: reply.envelope["data"].update(version="2.2"), at=r"2\.2\.1$"), parts=CONNECTION),
    Case("78b", endpoints(lambda found: found.pop(0)), parts=CONNECTION),
    Case("78c", endpoints(lambda found: found.append(found[1])), parts=CONNECTION),
    Case("78d", endpoints(lambda found: found.append(found[1] | {"identifier": "deabc-weather"})), parts=CONNECTION),
    Case("78e", endpoints(lambda found: found[1].pop("role")), parts=CONNECTION, also=frozenset({"18"})),
    Case("79a", answers(header("OCPI-from-party-id", "ABC"), at="credentials"), parts=CONNECTION),
    Case("79b", answers(header("OCPI-from-party-id", "OUR"), at="tariffs")),
    Case("79b", answers(without("OCPI-to-party-id"), at="tariffs")),
    Case("83a", answers(header("X-Request-ID", "another"), at="credentials"), parts=CONNECTION),
    Case("83b", answers(without("X-Correlation-ID"), at="credentials"), parts=CONNECTION),
    Case("85a", case_sensitive_ids, parts=("lists", "objects")),
    Case("85b", objects("tariffs", component(price="0.45"))),
    Case("85c", objects("locations", set_(city="x" * 46))),
    Case("85d", objects("locations", set_(last_updated="2026-01-01T00:00:00+00:00")),
         also=frozenset({"31a", "20d", "20e", "20f", "20g", "20h", "20c"})),
    Case("85e", objects("locations", evses(set_(status="BROKEN")))),
    Case("85f", objects("locations", set_(operator={"name": "x", "website": "www.example.com"}))),
    Case("85g", objects("tariffs", set_(currency="eur"))),
    Case("85g", objects("locations", set_(name="Town\nhall"))),
    Case("85h", objects("locations", set_(city="Köln")), version="2.1.1"),
    Case("85i", objects("tariffs", set_(last_updated=pp.stamp(3).replace("Z", ".5Z"))), version="2.1.1",
         also=frozenset({"20e", "20h", "20c", "20f"})),
    Case("85j", objects("tariffs", component(price=0.123456))),
    Case("d5a", endpoints(lambda found: found[-1].update(url=found[-1]["url"] + "?key=1")), parts=CONNECTION),
    Case("d5b", strict_slashes, parts=METHODS),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_fault_is_found(case: Case) -> None:
    partner = Partner(case.version, case.side)
    case.spoil(partner)
    skip = frozenset({"access", "lists", "objects", "methods", "write"} - set(case.parts))
    report = await probed(partner, skip=skip, write=case.write, token_a=case.token_a)
    found = pp.found(report)
    assert case.rule in found, pp.told(report)
    assert found <= {case.rule} | case.also, pp.told(report)
    finding = next(one for one in report.probed[0].findings if one.rule.ident == case.rule)
    assert finding.evidence
    assert finding.evidence[0].request.split()[0] in ("GET", "POST", "PATCH")


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in CASES} == set(RULES)


def test_every_number_of_the_checklist_is_judged_or_said_not_to_be() -> None:
    judged = {number_of(ident) for ident in RULES}
    assert not judged & set(NOT_JUDGED)
    assert {one for one in judged | set(NOT_JUDGED) if one.isdigit()} == {str(number) for number in range(1, 89)}
    assert len(catalogue()) == len(RULES) + len(NOT_JUDGED)
