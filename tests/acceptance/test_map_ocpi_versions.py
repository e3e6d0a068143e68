"""OCPI in ``evbridge map``: the specifications' examples, up and down between versions, real data.

What is written is judged by the published field tables (``shared/tools/judge.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bridge.codec.lenient import Unreadable, loads, reader
from bridge.mapping import At, Context
from bridge.mapping.registry import find
from bridge.ocpi.wire import v221
from bridge.translate.files import encode
from mappings.ocpi import common, location
from mappings.ocpi import v211 as old
from mappings.ocpi import v230 as new
from tests.acceptance.translator_facts import REAL, SPEC, Run, judge, needs_facts, translate

pytestmark = [pytest.mark.spec, pytest.mark.usefixtures("facts")]


@pytest.fixture(scope="module")
def facts() -> None:
    """The official facts, or a skip."""
    needs_facts()


VERSIONS = ("2.1.1", "2.2.1", "2.3.0")
KINDS = {"Location": "location", "Token": "token", "Tariff": "tariff", "Session": "session", "CDR": "cdr",
         "ResponseFormat<Token>": "token", "ResponseFormat<Token[]>": "token"}  # fmt: skip
PARTS = {
    ("2.1.1", "EVSE"): old.EVSE, ("2.2.1", "EVSE"): location.EVSE, ("2.3.0", "EVSE"): new.EVSE,
    ("2.2.1", "Hours"): (v221.Hours, location.HoursConverter()), ("2.3.0", "Hours"): (v221.Hours, location.HoursConverter()),
    **dict.fromkeys(((version, "DisplayText") for version in VERSIONS), (v221.DisplayText, common.TEXT)),
}  # fmt: skip
"""Parts of records that the specifications show alone: a mapping, or a wire class and its converter."""
NO_RECORDS = {"Credentials", "ClientInfo", "ResponseFormat", "ResponseFormat<VersionDetails>", "ResponseFormat<Version[]>",
              "VersionDetails", "Version[]"}  # fmt: skip
"""What a version negotiates by: nothing that ``evbridge map`` translates."""

UNREADABLE = {
    ("2.1.1", "mod_locations_04.json"): ("connectors[0].power_type", "power_type is missing"),
    ("2.1.1", "mod_tariffs_01.json"): ("last_updated", "last_updated is missing"),
    ("2.2.1", "location_put_example_add_evse.json"): ("connectors[0].power_type", "power_type is missing"),
    ("2.2.1", "tariff_put_example.json"): ("last_updated", "last_updated is missing"),
    ("2.3.0", "location_put_example_add_evse.json"): ("connectors[0].power_type", "power_type is missing"),
    ("2.3.0", "tariff_put_example.json"): ("last_updated", "last_updated is missing"),
}
"""Full examples that lack what their own version demands."""


def _price_as_text(data: Any) -> Any:
    """The CDR example of 2.1.1 writes a price as a text."""
    component = data["tariffs"][0]["elements"][0]["price_components"][0]
    assert component["price"] == "2.00"
    component["price"] = Decimal("2.00")
    return data


def _tariff_without_taxes(data: Any) -> Any:
    """The CDR example of 2.3.0 embeds a tariff without the mandatory ``tax_included``: the tariff is left out."""
    assert "tax_included" not in data["tariffs"][0]
    del data["tariffs"]
    return data


AT_FAULT = {("2.1.1", "mod_cdrs_01.json"): _price_as_text, ("2.3.0", "cdr_example.json"): _tariff_without_taxes}
"""Full examples that are written back otherwise because they are at fault themselves: what makes them right."""


def examples(version: str) -> list[Any]:
    """The full examples of a version; none where the facts are absent."""
    file = SPEC / "ocpi" / version / "index.json"
    if not file.is_file():
        return []
    return [one for one in json.loads(file.read_text(encoding="utf-8"))["examples"] if one["completeness"] == "full"]


def full(*versions: str, of: set[str]) -> list[Any]:
    """Version, file and object type of the full examples of some types, as parameters."""
    return [
        pytest.param(version, one["file"], one["object_type"], id=f"{version} {Path(one['file']).stem}")
        for version in versions
        for one in examples(version)
        if one["object_type"] in of
    ]


def normal(value: Any) -> Any:
    """JSON without absent members, numbers and times by what they say."""
    if isinstance(value, dict):
        return {k: normal(v) for k, v in value.items() if v is not None and v != [] and v != ""}
    if isinstance(value, list):
        return [normal(v) for v in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value).normalize()
    if isinstance(value, str) and len(value) > 18 and value[4:5] == "-" and value[10:11] == "T":
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return value


def given(version: str, name: str) -> Any:
    """An example as it is."""
    return loads((SPEC / "ocpi" / version / name).read_bytes())


def faults(version: str, type_: str, run: Run) -> list[str]:
    """What the judge finds wrong in the records written."""
    return [fault for i, record in enumerate(run.records) for fault in judge().ocpi(version, type_, record, f"$[{i}]")]


# --- examples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_full_example_is_of_a_type_that_is_looked_at(version: str) -> None:
    parts = {type_ for v, type_ in PARTS if v == version}
    told = [one["object_type"] for one in examples(version)]
    fragments = {"TariffRestrictions"}
    assert not set(told) - set(KINDS) - parts - NO_RECORDS - fragments
    assert sum(type_ in KINDS for type_ in told) >= 14


@pytest.mark.parametrize(("version", "name", "type_"), full(*VERSIONS, of=set(KINDS)))
def test_full_examples_are_written_back_equal(version: str, name: str, type_: str, tmp_path: Path) -> None:
    format_ = f"ocpi-{version}"
    run = translate(KINDS[type_], format_, format_, SPEC / "ocpi" / version / name, tmp_path, partner=False)
    if (version, name) in UNREADABLE:
        assert [(x["path"], x["because"]) for x in run.refused] == [UNREADABLE[version, name]]
        return
    data = given(version, name)
    if (version, name) in AT_FAULT:
        data = AT_FAULT[version, name](data)
    else:
        assert run.losses == []
    data = data.get("data", data)
    assert run.code == 0
    assert normal(loads(run.out)) == normal(data if isinstance(data, list) else [data])
    assert faults(version, "Token" if KINDS[type_] == "token" else type_, run) == []


@pytest.mark.parametrize(("version", "name", "type_"), full(*VERSIONS, of={type_ for _, type_ in PARTS}))
def test_full_examples_of_parts_are_written_back_equal(version: str, name: str, type_: str) -> None:
    part: Any = PARTS[version, type_]
    data = given(version, name)
    data = data.get("opening_times", data)
    if (version, name) in UNREADABLE:
        with pytest.raises(Unreadable) as why:
            reader(part.wire)(json.dumps(data).encode())
        assert (why.value.path, why.value.because) == UNREADABLE[version, name]
        return
    cls, conv = part
    cx, at = Context(), At(("text",), ("text",))
    read = reader(cls)(encode(data)).value
    assert normal(loads(encode(conv.out(conv.back(read, cx, at), cx, at)))) == normal(data)
    assert cx.losses == []


# --- between versions -------------------------------------------------------------------------------------------------

REFUSED = {
    "location_example_uc3_destination_charger_not_published.json": ("publish", "must not be sent"),
    "location_example_uc4_limited_visibility.json": ("publish", "must not be sent"),
    "location_example_uc5_home_charge_point.json": ("publish", "must not be sent"),
    "tariff_12_025kwh_min_price.json": ("min_price", "would change prices"),
    "tariff_6_025kwh_start_max_price.json": ("max_price", "would change prices"),
    "tariff_4_complex.json": ("elements[1].restrictions.max_current", "would change prices"),
    "tariff_20_simple_north_american_inclusive.json": ("tax_included", "never hold taxes"),
}
"""Examples of 2.3.0 that 2.1.1 cannot say, or must not: where, and why."""

WAYS = [("2.1.1", ("2.2.1", "2.3.0", "2.2.1", "2.1.1")), ("2.1.1", ("2.3.0", "2.1.1")),
        ("2.3.0", ("2.2.1", "2.1.1", "2.2.1", "2.3.0")), ("2.3.0", ("2.1.1", "2.3.0"))]  # fmt: skip
RECORDS = {type_ for type_ in KINDS if "<" not in type_}
JOURNEYS = [
    pytest.param(p.values[0], p.values[1], p.values[2], way, id=f"{p.id} to {', '.join(way)}")
    for version, way in WAYS
    for p in full(version, of=RECORDS)
    if (version, p.values[1]) not in UNREADABLE
]


@pytest.mark.parametrize(("version", "name", "type_", "way"), JOURNEYS)
def test_examples_go_up_and_down_and_are_valid_everywhere(
    version: str, name: str, type_: str, way: tuple[str, ...], tmp_path: Path
) -> None:
    data: bytes | Path = SPEC / "ocpi" / version / name
    source = version
    for target in way:
        run = translate(KINDS[type_], f"ocpi-{source}", f"ocpi-{target}", data, tmp_path)
        if name in REFUSED and run.code == 3:
            path, because = REFUSED[name]
            assert [x["path"] for x in run.refused] == [path]
            assert because in run.refused[0]["because"]
            assert source != "2.1.1"
            return
        assert (run.code, run.refused) == (0, [])
        assert faults(target, type_, run) == []
        data, source = run.out, target
    assert name not in REFUSED


@pytest.mark.parametrize("name", [p.values[1] for p in full("2.1.1", of=RECORDS) if ("2.1.1", p.values[1]) not in UNREADABLE])
def test_nothing_that_2_2_1_can_say_is_lost_there_and_back(name: str, tmp_path: Path) -> None:
    type_ = next(one["object_type"] for one in examples("2.1.1") if one["file"] == name)
    up = translate(KINDS[type_], "ocpi-2.1.1", "ocpi-2.2.1", SPEC / "ocpi" / "2.1.1" / name, tmp_path)
    down = translate(KINDS[type_], "ocpi-2.2.1", "ocpi-2.1.1", up.out, tmp_path)
    before, after = normal(given("2.1.1", name)), normal(loads(down.out)[0])
    for record in (before, after):
        for price in (p for t in record.get("tariffs", ()) for e in t["elements"] for p in e["price_components"]):
            price["price"] = Decimal(price["price"])
        if type_ in ("Session", "CDR"):
            del record["location"]  # 2.2.1 has the address in CDRs and identifiers in sessions: told as dropped
    after.pop("time_zone", None)  # configured
    assert after == before
    if type_ in ("Session", "CDR"):
        assert "location" in {loss["path"] for loss in up.losses if loss["kind"] == "dropped"}


# --- the location in sessions and CDRs of 2.1.1 -----------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [("session", "session_example_2_short_finished.json"), ("cdr", "cdr_example.json")])
def test_the_location_of_a_session_needs_what_is_configured_and_says_so(kind: str, name: str, tmp_path: Path) -> None:
    data = SPEC / "ocpi" / "2.2.1" / name
    refused = translate(kind, "ocpi-2.2.1", "ocpi-2.1.1", data, tmp_path, partner=False)
    assert refused.code == 3
    assert refused.records == []
    assert "in the partner file" in refused.refused[0]["because"]
    run = translate(kind, "ocpi-2.2.1", "ocpi-2.1.1", data, tmp_path)
    filled = {loss["path"]: loss["because"] for loss in run.losses if loss["kind"] == "defaulted"}
    told = run.records[0]["location"]
    assert faults("2.1.1", "Session" if kind == "session" else "CDR", run) == []
    assert filled["location.evses[0].connectors[0].amperage"] == "configured: cdr_place.amperage"
    assert filled["location.evses[0].status"] == "the status is not told"
    assert (told["type"], told["evses"][0]["status"], told["evses"][0]["connectors"][0]["amperage"]) == ("ON_STREET", "UNKNOWN", 32)
    if kind == "session":
        assert filled["location.address"] == "configured: cdr_place.address"
    else:
        assert not any(path in filled for path in ("location.id", "location.address", "location.evses[0].connectors[0].standard"))


@pytest.mark.parametrize("change", [
    {"credit": True, "credit_reference_id": "CDR0"},
    {"id": "C" * 37},
])  # fmt: skip
def test_cdrs_that_2_1_1_cannot_say_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    data = {**json.loads((SPEC / "ocpi" / "2.2.1" / "cdr_example.json").read_text(encoding="utf-8")), **change}
    run = translate("cdr", "ocpi-2.2.1", "ocpi-2.1.1", json.dumps(data).encode(), tmp_path)
    assert (run.code, [loss["path"] for loss in run.refused]) == (3, [next(iter(change))])


def test_dimensions_that_2_1_1_does_not_measure_are_dropped_and_told(tmp_path: Path) -> None:
    data = json.loads((SPEC / "ocpi" / "2.2.1" / "cdr_example.json").read_text(encoding="utf-8"))
    data["charging_periods"][0]["dimensions"].append({"type": "STATE_OF_CHARGE", "volume": 80})
    run = translate("cdr", "ocpi-2.2.1", "ocpi-2.1.1", json.dumps(data).encode(), tmp_path)
    lost = {(loss["path"], loss["kind"]) for loss in run.losses}
    place = f"charging_periods[0].dimensions[{len(data['charging_periods'][0]['dimensions']) - 1}]"
    assert any(path.startswith(place) for path, _ in lost)
    assert ("charging_periods[0].tariff_id", "dropped") in lost
    assert "STATE_OF_CHARGE" not in run.out.decode()
    assert run.records[0]["total_cost"] == data["total_cost"]["excl_vat"]


@pytest.mark.parametrize(("kind", "name", "path"), [
    ("session", "mod_sessions_03.json", "location_id"), ("session", "mod_sessions_03.json", "evse_uid"),
    ("cdr", "mod_cdrs_01.json", "place.evse_uid"),
])  # fmt: skip
def test_a_record_that_names_another_place_than_its_location_is_refused(kind: str, name: str, path: str, tmp_path: Path) -> None:
    read = translate(kind, "ocpi-2.1.1", "canonical", SPEC / "ocpi" / "2.1.1" / name, tmp_path)
    data = json.loads(read.out)
    holder, _, field = path.rpartition(".")
    (data[0][holder] if holder else data[0])[field] = "ELSEWHERE"
    run = translate(kind, "canonical", "ocpi-2.1.1", json.dumps(data).encode(), tmp_path)
    assert (run.code, [loss["path"] for loss in run.refused]) == (3, [path])


def test_a_session_at_a_location_that_is_not_published_is_told(tmp_path: Path) -> None:
    read = translate("session", "ocpi-2.1.1", "canonical", SPEC / "ocpi" / "2.1.1" / "mod_sessions_03.json", tmp_path)
    data = json.loads(read.out)
    data[0]["location"]["place"]["publish"] = False
    run = translate("session", "canonical", "ocpi-2.1.1", json.dumps(data).encode(), tmp_path)
    assert (run.code, [loss["path"] for loss in run.losses]) == (0, ["location.place.publish"])


def test_a_session_without_its_evse_is_not_told(tmp_path: Path) -> None:
    read = translate("session", "ocpi-2.1.1", "canonical", SPEC / "ocpi" / "2.1.1" / "mod_sessions_03.json", tmp_path)
    data = json.loads(read.out)
    data[0]["location"]["evses"][0]["connectors"][0]["plug"] = "NACS"
    run = translate("session", "canonical", "ocpi-2.1.1", json.dumps(data).encode(), tmp_path)
    assert (run.code, [loss["path"] for loss in run.refused]) == (3, ["location.evses[0].connectors[0].plug"])


# --- tariffs --------------------------------------------------------------------------------------------------------------


def tariff(**more: Any) -> bytes:
    """A simple 2.2.1 tariff with changes."""
    data = json.loads((SPEC / "ocpi" / "2.2.1" / "tariff_1_simple_2hour.json").read_text(encoding="utf-8"))
    return json.dumps({**data, **more}).encode()


def test_elements_for_reservations_are_left_out_whole(tmp_path: Path) -> None:
    run = translate("tariff", "ocpi-2.2.1", "ocpi-2.1.1", SPEC / "ocpi" / "2.2.1" / "tariff_15_reservation_5_euro_per_hour.json", tmp_path)
    (record,) = run.records
    assert [[p["type"] for p in e["price_components"]] for e in record["elements"]] == [["FLAT", "ENERGY"]]
    lost = {loss["path"] for loss in run.losses if loss["kind"] == "dropped"}
    assert {"elements[0]", "elements[1].price_components[0].vat"} <= lost


@pytest.mark.parametrize(("window", "path"), [
    ({"start_date_time": "2100-01-01T00:00:00Z"}, "start_date_time"),
    ({"end_date_time": "2016-01-01T00:00:00Z"}, "end_date_time"),
])  # fmt: skip
def test_a_tariff_that_is_not_valid_now_is_refused(window: dict[str, str], path: str, tmp_path: Path) -> None:
    run = translate("tariff", "ocpi-2.2.1", "ocpi-2.1.1", tariff(**window), tmp_path)
    assert [loss["path"] for loss in run.refused] == [path]


def test_a_tariff_that_is_valid_now_loses_its_validity_only(tmp_path: Path) -> None:
    window = {"start_date_time": "2016-01-01T00:00:00Z", "end_date_time": "2100-01-01T00:00:00Z"}
    run = translate("tariff", "ocpi-2.2.1", "ocpi-2.1.1", tariff(**window), tmp_path)
    lost = {loss["path"] for loss in run.losses if loss["kind"] == "dropped"}
    assert run.code == 0
    assert {"start_date_time", "end_date_time", "elements[0].price_components[0].vat"} <= lost


# --- real data --------------------------------------------------------------------------------------------------------

LUDWIGSBURG = REAL / "ludwigsburg-ocpi-locations.json"


@pytest.mark.parametrize("partner", [True, False])
@pytest.mark.parametrize("version", ["2.1.1", "2.3.0"])
def test_real_locations_are_written_without_fault(version: str, partner: bool, tmp_path: Path) -> None:
    run = translate("location", "ocpi-2.2.1", f"ocpi-{version}", LUDWIGSBURG, tmp_path, partner=partner)
    assert (run.code, run.refused) == (0, [])
    assert (len(run.records), sum(len(r["evses"]) for r in run.records)) == (29, 94)
    assert faults(version, "Location", run) == []
    back = translate("location", f"ocpi-{version}", "ocpi-2.2.1", run.out, tmp_path)
    assert (back.code, faults("2.2.1", "Location", back)) == (0, [])


@pytest.mark.parametrize("version", VERSIONS)
def test_real_statuses_are_written_without_fault(version: str, tmp_path: Path) -> None:
    run = translate("status", "ocpi-2.2.1", f"ocpi-{version}", LUDWIGSBURG, tmp_path)
    assert (run.code, run.losses, len(run.records)) == (0, [], 94)
    parts = [{k: v for k, v in record.items() if k != "location_id"} for record in run.records]  # it stands in the URL
    told = [fault for part in parts for fault in judge().ocpi(version, "EVSE", part)]
    assert Counter(told) == Counter({"$.connectors: missing": 94})  # a PATCH has the changed fields only


def test_both_formats_have_all_kinds() -> None:
    for version in VERSIONS:
        for kind in ("location", "status", "token", "tariff", "session", "cdr"):
            assert find(f"ocpi-{version}", kind).kind == kind
