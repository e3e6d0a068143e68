"""The tables that the probe judges by, and what no answer may do to it."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.probe.book import Book
from bridge.probe.exchange import Exchange
from bridge.probe.fields import Kind, slips
from bridge.probe.look import Answer, Crawl, Details, Page, Thing, Trial, Twice, Whole, Window
from bridge.probe.rules import ALL, RULES
from bridge.probe.tables import URLS, columns, is_enumeration, is_object, is_open, table
from tests.protocol import probe_partner as pp
from tests.protocol.ocpi_world import shared

NAMES = ("Location", "Session", "CDR", "Tariff", "Token", "ClientInfo", "Credentials", "Version", "VersionDetails",
         "CommandResponse")  # fmt: skip

LOOSE = {
    ("2.1.1", "Hours", "twentyfourseven"): "a choice of two, of which the specification's example gives both",
    ("2.3.0", "Parking", "apds_reference"): "a CiString without a length",
}


@pytest.mark.spec
@pytest.mark.parametrize("version", sorted(ALL))
def test_the_tables_are_the_specifications(version: str) -> None:
    official = json.loads(shared("spec", "ocpi", version, "fields.json").read_text(encoding="utf-8"))
    enumerations = json.loads(shared("spec", "ocpi", version, "enums.json").read_text(encoding="utf-8"))
    opened = {name for name, of in json.loads(shared("spec", "ocpi", version, "meta.json").read_text())["enums"].items() if of.get("open")}
    wrong: list[str] = []

    def compare(name: str, cls: Any, seen: set[str]) -> None:
        if name in seen:
            return
        seen.add(name)
        ours, theirs = columns(cls), {one["name"]: one for one in official[name]}
        if ours.keys() != theirs.keys():
            wrong.append(f"{name}: {sorted(ours.keys() ^ theirs.keys())}")
        for field in ours.keys() & theirs.keys():
            told, column, at = theirs[field], ours[field], f"{name}.{field}"
            if (version, name, field) in LOOSE:
                continue
            if told["cardinality"] != column.cardinality:
                wrong.append(f"{at}: {column.cardinality} for {told['cardinality']}")
            if column.of is not int and told.get("max_length") not in (None, column.most):
                wrong.append(f"{at}: {column.most} characters for {told['max_length']}")
            kind = told.get("base") or told["type"]
            if is_object(column.of):
                compare(kind, column.of, seen)
            elif is_enumeration(column.of):
                if {one.value for one in column.of} != set(enumerations[kind]) or is_open(version, column.of) != (kind in opened):
                    wrong.append(f"{at}: {column.of.__name__}")
            elif kind == "URL":
                if field not in URLS or column.most != 255:
                    wrong.append(f"{at}: no URL")
            elif {"DateTime": datetime, "number": Decimal, "int": int, "boolean": bool}.get(kind, str) is not column.of:
                wrong.append(f"{at}: {column.of} for {kind}")
            elif kind == "CiString" and not column.identifier and version != "2.1.1":
                wrong.append(f"{at}: no identifier")

    for name in NAMES:
        if name in official:
            compare(name, table(version, name), set())
    assert not wrong, "\n".join(wrong)


@pytest.mark.spec
@pytest.mark.parametrize("name", ["location_example", "cdr_example", "session_example_1_simple_start", "tariff_14_step_size"])
@pytest.mark.parametrize("version", ["2.2.1", "2.3.0"])
def test_official_examples_are_in_order(version: str, name: str) -> None:
    whole = json.loads(shared("spec", "ocpi", version, f"{name}.json").read_text(encoding="utf-8"), parse_float=Decimal)
    of = {"location": "Location", "cdr": "CDR", "session": "Session", "tariff": "Tariff"}[name.split("_")[0]]
    wrong = [(slip.kind, slip.path) for slip in slips(table(version, of), whole, version)]
    known = [(Kind.MISSING, "tariffs[0].tax_included")] if (version, name) == ("2.3.0", "cdr_example") else []
    assert wrong == known  # that example of the specification is wrong


@pytest.mark.parametrize(("change", "kind", "path"), [
    ({"city": ""}, Kind.MISSING, "city"),
    ({"name": ""}, Kind.LENGTH, "name"),
    ({"evses": {}}, Kind.TYPE, "evses"),
    ({"publish": "true"}, Kind.TYPE, "publish"),
    ({"coordinates": []}, Kind.TYPE, "coordinates"),
    ({"evses": [7]}, Kind.TYPE, "evses[0]"),
    ({"facilities": [None]}, Kind.TYPE, "facilities[0]"),
    ({"last_updated": "2026-02-30T00:00:00Z"}, Kind.TIME, "last_updated"),
    ({"last_updated": "2026-02-20T00:00:00.123456Z"}, Kind.LENGTH, "last_updated"),
    ({"party_id": "AB\u00c4"}, Kind.FORM, "party_id"),
    ({"country": "DE"}, Kind.FORM, "country"),
])  # fmt: skip
def test_a_slip_is_told_with_its_path(change: dict[str, Any], kind: Kind, path: str) -> None:
    whole = pp.location("2.2.1", 1) | change
    assert [(one.kind, one.path) for one in slips(table("2.2.1", "Location"), whole, "2.2.1")] == [(kind, path)]


@pytest.mark.parametrize("absent", [{"name": None}, {"facilities": []}, {"facilities": None}, {"evses": []}])
def test_absent_null_and_empty_are_the_same(absent: dict[str, Any]) -> None:
    assert slips(table("2.2.1", "Location"), pp.location("2.2.1", 1) | absent, "2.2.1") == []


# --- hostile answers

_WORDS = sorted({name for version in ALL for object_ in NAMES if (cls := table(version, object_)) is not None for name in columns(cls)})
_SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False)
    | st.text(max_size=30)
    | st.sampled_from(
        [
            "2026-01-01T00:00:00Z",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "COMPLETED",
            "SENDER",
            "http://[",
            "locations",
            "1",
        ]
    )
)
_NAMES = st.sampled_from(_WORDS) | st.text(max_size=5)
_JSON = st.recursive(_SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=6), max_leaves=20)
_HEADERS = st.dictionaries(st.sampled_from(["Link", "X-Total-Count", "X-Limit", "Content-Type"]), st.text(max_size=30), max_size=4)


@settings(max_examples=150, deadline=None)
@given(data=_JSON, other=_JSON, envelope=_JSON, headers=_HEADERS, status=st.integers(100, 599), link=st.none() | st.text(max_size=30))
def test_no_answer_breaks_a_rule_itself(data: Any, other: Any, envelope: Any, headers: Any, status: int, link: str | None) -> None:
    rest = envelope if isinstance(envelope, dict) else {}
    body = json.dumps({"status_code": 1000} | rest | {"data": data}, default=float).encode()
    exchange = Exchange("GET", "http://h/x?limit=2", "GET /x", {"x-request-id": "1"}, status, headers, body)
    bare = Exchange("GET", "http://h/x", "GET /x", {}, status, headers, json.dumps(envelope, default=float).encode())
    at = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    for version in sorted(ALL):
        book = Book(version)
        subjects: list[Any] = [
            Answer(version, exchange, True, True),
            Answer(version, bare, False),
            Details(version, exchange, "https://h/v"),
        ]
        subjects += [Thing(version, name, value, exchange, parties=frozenset({("DE", "ABC")}))
                     for name in NAMES if table(version, name) is not None for value in (data, other, exchange.data)]  # fmt: skip
        for module in ("locations", "sessions", "cdrs", "tariffs", "tokens", "hubclientinfo"):
            pages = [Page(version, module, one, {"limit": "2", "offset": "\u00b2"}, link) for one in (exchange, bare)]
            crawl = Crawl(version, module, "full", pages, True)
            subjects += [*pages, crawl, Twice(version, module, crawl, crawl), Whole(version, {module: crawl}, exchange)]
            subjects += [Window(version, module, kind, at, crawl, crawl, crawl) for kind in ("from", "until")]
        told = {"listed": {}, "module": "locations", "first": (), "second": (), "moved": False}
        subjects += [Trial(version, kind, exchange, bare, told) for kind in {rule.kind for rule in RULES.values()}]
        for subject in subjects:
            book.judge(subject)
        assert all(finding.count for finding in book.findings)
