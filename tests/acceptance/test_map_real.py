"""`evbridge map` on what real operators publish, and on the specifications' own examples.

The data and the judge lie beside the checkout (``../shared``); where they do not, these tests are skipped, but not in CI.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from bridge.cli import main
from bridge.mapping.registry import UnknownFormat, find
from tests.acceptance.translator_facts import (
    FILES,
    FORMATS,
    PAIRS,
    REAL,
    RECORDS,
    SHARED,
    SPEC,
    Run,
    across,
    bare,
    by_evse,
    evse_ids,
    faults,
    judge,
    needs_facts,
    normal,
    translate,
)

pytestmark = [pytest.mark.spec, pytest.mark.usefixtures("facts")]


@pytest.fixture(scope="module")
def facts() -> None:
    """The official facts, or no test."""
    needs_facts()


# --- every pair

NO_PARTY = r"country_code and party_id are mandatory in OCPI, but \+41\*\d+ has no country and party; set party in the partner file"
NO_ISO = r"evseId is mandatory in \w+, but no EVSE-ID in the form OCHP allows \(ISO 15118 only\)"
PLANNED = r"major is mandatory in EvseStatus, but a planned EVSE has no live status in OCHP; its static status says Planned"
REFUSED: dict[tuple[str, str, str, bool], list[tuple[int, str]]] = {
    ("location", "oicp-2.3", "ocpi-2.2.1", False): [
        (167, "time_zone is mandatory in Location and the source does not have it; set time_zone in the partner file"),
        (18, NO_PARTY),
    ],
    ("location", "oicp-2.3", "ochp-1.4", False): [
        (18, r"chargePointAddress\.zipCode is mandatory in .*; set postal_code in the partner file"),
    ],
    ("location", "ocpi-2.2.1", "oicp-2.3", False): [(94, r"ChargingStationNames is mandatory in .*; set language in the partner file")],
    ("location", "ocpi-2.2.1", "ochp-1.4", False): [(94, r"locationNameLang is mandatory in .*; set language in the partner file")],
    ("location", "ochp-1.4", "oicp-2.3", False): [(8, r"RenewableEnergy is mandatory in .*; set renewable_energy in the partner file")],
    ("location", "ochp-1.4", "ocpi-2.2.1", False): [
        (8, r"connectors is mandatory in EVSE, but max_voltage .*; set voltage_ac in the partner file"),
    ],
    ("location", "oicp-2.3", "ochp-1.4", True): [(18, NO_ISO)],
    ("status", "oicp-2.3", "ochp-1.4", False): [(18, NO_ISO)],
    ("status", "oicp-2.3", "ochp-1.4", True): [(18, NO_ISO)],
    ("status", "ocpi-2.2.1", "ochp-1.4", False): [(6, PLANNED)],
    ("status", "ocpi-2.2.1", "ochp-1.4", True): [(6, PLANNED)],
}  # fmt: skip
"""How many EVSEs each pair refuses, and why; pairs that are not here refuse none.

The Swiss data hold 18 EVSE-IDs in a form of neither ISO 15118 nor DIN 91286 (``+41*031*1190*1``): they name no party, and
OCHP has no place for them. Without a partner file nothing is made up: the reasons name the key that would help.
"""


@pytest.mark.parametrize("partner", [True, False], ids=["with partner file", "without"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("kind", ["location", "status"])
def test_every_record_is_mapped_or_refused_with_its_reason(kind: str, source: str, target: str, partner: bool, tmp_path: Path) -> None:
    run = translate(kind, source, target, REAL / FILES[kind, source], tmp_path, partner=partner)
    expected = REFUSED.get((kind, source, target, partner), [])
    refused = sum(n for n, _ in expected)
    assert run.code == (3 if expected else 0)
    assert len(evse_ids(run, target)) == RECORDS[source] - refused
    assert len(run.refused) == refused, Counter(loss["because"] for loss in run.refused)
    for count, reason in expected:
        assert sum(re.fullmatch(reason, loss["because"]) is not None for loss in run.refused) == count, reason
    assert faults(kind, target, run) == []
    assert run.err.count("\n") == len(run.refused), "each refusal is a line on standard error, and nothing else is"
    if refused == RECORDS[source]:
        assert run.out == b""


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_loss_is_told_in_full(source: str, target: str, tmp_path: Path) -> None:
    run = translate("location", source, target, REAL / FILES["location", source], tmp_path)
    for loss in run.losses:
        assert set(loss) == {"object", "path", "kind", "value", "because"}
        assert loss["kind"] in ("dropped", "narrowed", "rounded", "truncated", "defaulted", "refused")
        assert loss["object"]
        assert loss["because"]


# --- there and back


def sources(kind: str, format_: str, folder: Path) -> list[Any]:
    """The records of a file, each alone. A status is read from locations and charge points, too: then as it is read."""
    file = REAL / FILES[kind, format_]
    if kind == "status":
        return translate(kind, format_, format_, file, folder).records
    if format_ == "ochp-1.4":
        return list(etree.parse(file).iter("{*}chargePointInfoArray"))
    found = json.loads(file.read_text(encoding="utf-8"))
    if format_ == "oicp-2.3":
        return [record for holder in found["EVSEData"] for record in holder["EVSEDataRecord"]]
    records: list[Any] = found["data"] if isinstance(found, dict) else found
    return records


def owners(loss: dict[str, Any], records: list[Any]) -> list[str]:
    """The EVSEs that a loss is of: the one that its object names, or those of the location."""
    for record in records:
        if isinstance(record, dict) and "evses" in record and str(record["id"]) == loss["object"]:
            ids = [normal(e["evse_id"], "evse_id") for e in record["evses"]]
            match = re.match(r"evses\[(\d+)\]", loss["path"]) if loss["kind"] != "defaulted" else None
            return [ids[int(match[1])]] if match else ids
    return [normal(loss["object"], "evse_id")]


TOGETHER = {"isopen24hours": "openingtimes", "openingtimes": "isopen24hours"}
"""Opening hours are two fields in OICP: where they are lost as a whole, the loss names one."""


def accounted(kind: str, there: Run, back: Run, pair: tuple[str, str], records: list[Any]) -> dict[str, set[str]]:
    """Per EVSE the paths, in the first format's names, that losses of either way account for."""
    first, second = pair
    found: dict[str, set[str]] = defaultdict(set)
    for run, ours, given in ((there, first, records), (back, second, there.records)):
        for loss in run.losses:
            told_in = ours if loss["kind"] != "defaulted" else second if ours == first else first
            path = bare(loss["path"] if told_in == first else across(loss["path"], second, first, kind))
            for ident in owners(loss, given):
                found[ident] |= {path, TOGETHER.get(path, path)}
    return found


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
@pytest.mark.parametrize("kind", ["location", "status"])
def test_there_and_back_nothing_differs_but_what_losses_name(kind: str, pair: tuple[str, str], tmp_path: Path) -> None:
    first, second = pair
    there = translate(kind, first, second, REAL / FILES[kind, first], tmp_path)
    back = translate(kind, second, first, there.out, tmp_path)
    assert back.code == 0
    assert faults(kind, first, back) == []
    records = sources(kind, first, tmp_path)
    told = accounted(kind, there, back, pair, records)
    before, after = by_evse(records, first), by_evse(back.records, first)
    assert len(after) == len(evse_ids(there, second))
    silent = [
        (ident, path, before[ident].get(path), leaves.get(path))
        for ident, leaves in after.items()
        for path in {*before[ident], *leaves}
        if before[ident].get(path) != leaves.get(path)
        and not any(path == p or path.startswith(p + ".") or p.startswith(path + ".") for p in told[ident])
    ]
    assert silent == []


# --- what comes in, and how


OICP_RECORD = {
    "EvseID": "DE*ABC*E1*1", "ChargingStationNames": [{"lang": "de", "value": "Rathaus"}],
    "Address": {"Country": "DEU", "City": "Ulm", "Street": "Rathausplatz", "HouseNum": "1", "PostalCode": "89073"},
    "GeoCoordinates": {"Google": {"Coordinates": "48.3974 9.9934"}}, "Plugs": ["Type 2 Outlet"],
    "ChargingFacilities": [{"PowerType": "AC_3_PHASE", "Voltage": 230, "Amperage": 32, "Power": 22}],
    "RenewableEnergy": True, "CalibrationLawDataAvailability": "Local", "AuthenticationModes": ["REMOTE"],
    "PaymentOptions": ["Contract"], "ValueAddedServices": ["None"], "Accessibility": "Free publicly accessible",
    "HotlinePhoneNumber": "+4973112345", "IsOpen24Hours": True, "IsHubjectCompatible": True, "DynamicInfoAvailable": "true",
    "lastUpdate": "2026-03-01T08:15:00Z",
}  # fmt: skip
OICP_STATUS = {"EvseID": "DE*ABC*E1*1", "EvseStatus": "Available"}
HOLDER = {"OperatorID": "DE*ABC", "OperatorName": "ABC"}
JSON_INPUTS = {
    "one record": ("location", OICP_RECORD),
    "an array": ("location", [OICP_RECORD]),
    "a push message": ("location", {"ActionType": "fullLoad", "OperatorEvseData": {**HOLDER, "EvseDataRecord": [OICP_RECORD]}}),
    "a push message of one": ("location", {"ActionType": "insert", "OperatorEvseData": {**HOLDER, "EvseDataRecord": OICP_RECORD}}),
    "a pull message": ("location", {"content": [{**HOLDER, **OICP_RECORD}], "number": 0, "size": 1, "totalElements": 1}),
    "a national feed": ("location", {"EVSEData": [{**HOLDER, "EVSEDataRecord": [OICP_RECORD]}]}),
    "one status": ("status", OICP_STATUS),
    "statuses": ("status", [OICP_STATUS]),
    "a status push": ("status", {"ActionType": "update", "OperatorEvseStatus": {**HOLDER, "EvseStatusRecord": [OICP_STATUS]}}),
    "a status pull": ("status", {"EvseStatuses": {"OperatorEvseStatus": [{**HOLDER, "EvseStatusRecord": [OICP_STATUS]}]}}),
    "statuses by id": ("status", {"EVSEStatusRecords": {"EvseStatusRecord": [OICP_STATUS]}}),
    "a national status feed": ("status", {"EVSEStatuses": [{**HOLDER, "EVSEStatusRecord": [OICP_STATUS]}]}),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON_INPUTS)
def test_oicp_is_read_alone_in_arrays_and_in_messages(name: str, tmp_path: Path) -> None:
    kind, data = JSON_INPUTS[name]
    run = translate(kind, "oicp-2.3", "ocpi-2.2.1", json.dumps(data).encode(), tmp_path)
    assert (run.code, evse_ids(run, "ocpi-2.2.1")) == (0, ["DE*ABC*E1*1"])
    assert faults(kind, "ocpi-2.2.1", run) == []


def ocpi_location(tmp_path: Path) -> dict[str, Any]:
    """The record as an OCPI location."""
    run = translate("location", "oicp-2.3", "ocpi-2.2.1", json.dumps(OICP_RECORD).encode(), tmp_path)
    return run.records[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("form", ["one", "array", "envelope", "envelope of one"])
@pytest.mark.parametrize("kind", ["location", "status"])
def test_ocpi_is_read_alone_in_arrays_and_in_envelopes(kind: str, form: str, tmp_path: Path) -> None:
    location = ocpi_location(tmp_path)
    head = {"status_code": 1000, "timestamp": "2026-03-01T08:15:00Z"}
    data = {"one": location, "array": [location], "envelope": {"data": [location], **head}, "envelope of one": {**head, "data": location}}
    run = translate(kind, "ocpi-2.2.1", "oicp-2.3", json.dumps(data[form]).encode(), tmp_path)
    assert (run.code, evse_ids(run, "oicp-2.3")) == (0, ["DE*ABC*E1*1"])


@pytest.mark.parametrize("form", ["envelope", "body", "other prefix"])
@pytest.mark.parametrize("kind", ["location", "status"])
def test_ochp_is_read_as_envelope_and_as_body(kind: str, form: str, tmp_path: Path) -> None:
    record = json.dumps(OICP_RECORD if kind == "location" else OICP_STATUS).encode()
    body = translate(kind, "oicp-2.3", "ochp-1.4", record, tmp_path).out
    envelope = translate(kind, "oicp-2.3", "ochp-1.4", record, tmp_path, "--message").out
    data = {"envelope": envelope, "body": body, "other prefix": etree.tostring(_prefixed(body))}[form]
    run = translate(kind, "ochp-1.4", "oicp-2.3", data, tmp_path)
    assert (run.code, evse_ids(run, "oicp-2.3")) == (0, ["DE*ABC*E1*1"])


def _prefixed(body: bytes) -> etree._Element:
    """The same element with prefixes for its names."""
    return etree.fromstring(re.sub(rb"(</?)(?=[A-Za-z])", rb"\1x:", body.split(b"?>", 1)[1]).replace(b"xmlns=", b"xmlns:x="))


@pytest.mark.parametrize("nothing", ["absent", None, [], ""], ids=str)
@pytest.mark.parametrize("name", ["AdditionalInfo", "OpeningTimes", "ChargingPoolID", "EnergySource", "MaxCapacity"])
def test_absent_null_and_empty_are_the_same(name: str, nothing: Any, tmp_path: Path) -> None:
    record = dict(OICP_RECORD) if nothing == "absent" else {**OICP_RECORD, name: nothing}
    run = translate("location", "oicp-2.3", "ocpi-2.2.1", json.dumps(record).encode(), tmp_path)
    plain = translate("location", "oicp-2.3", "ocpi-2.2.1", json.dumps(OICP_RECORD).encode(), tmp_path)
    assert (run.out, run.losses) == (plain.out, plain.losses)


def test_a_hyphen_is_standard_input(tmp_path: Path) -> None:
    run = translate("status", "oicp-2.3", "ocpi-2.2.1", json.dumps(OICP_STATUS).encode(), tmp_path, "-")
    assert (run.code, evse_ids(run, "ocpi-2.2.1")) == (0, ["DE*ABC*E1*1"])


# --- whole messages


def test_messages_of_oicp_are_one_per_operator(tmp_path: Path) -> None:
    run = translate("location", "ocpi-2.2.1", "oicp-2.3", REAL / FILES["location", "ocpi-2.2.1"], tmp_path, "--message")
    message = json.loads(run.out)
    assert message["ActionType"] == "fullLoad"
    assert message["OperatorEvseData"]["OperatorID"] == "DE*SLB"
    assert len(message["OperatorEvseData"]["EvseDataRecord"]) == RECORDS["ocpi-2.2.1"]
    assert judge().oicp("eRoamingPushEvseData", message) == []
    run = translate("status", "ocpi-2.2.1", "oicp-2.3", REAL / FILES["status", "ocpi-2.2.1"], tmp_path, "--message")
    assert judge().oicp("eRoamingPushEvseStatus", json.loads(run.out)) == []


def test_a_message_of_ocpi_is_an_envelope(tmp_path: Path) -> None:
    run = translate("location", "ochp-1.4", "ocpi-2.2.1", REAL / FILES["location", "ochp-1.4"], tmp_path, "--message")
    message = json.loads(run.out)
    assert message["status_code"] == 1000
    assert [f for one in message["data"] for f in judge().ocpi("2.2.1", "Location", one)] == []
    assert judge().OCPI_TIME.match(message["timestamp"])


@pytest.mark.parametrize("kind", ["location", "status"])
def test_a_message_of_ochp_is_a_soap_envelope(kind: str, tmp_path: Path) -> None:
    run = translate(kind, "ocpi-2.2.1", "ochp-1.4", REAL / FILES[kind, "ocpi-2.2.1"], tmp_path, "--message")
    root = etree.fromstring(run.out)
    assert etree.QName(root).localname == "Envelope"
    assert [fault for body in root.iter("{*}Body") for fault in judge().ochp("1.4", body[0])] == []


# --- what cannot be used


MAP = ["map", "location", "--from", "oicp-2.3", "--to", "ocpi-2.2.1"]


@pytest.fixture
def unusable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A call of the command that has to fail: its one line on standard error, with nothing on standard output."""

    def call(arguments: list[str], data: bytes = b"[]") -> str:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        told = capsys.readouterr()
        assert (stop.value.code, told.out) == (2, "")
        assert told.err.count("\n") == 1
        return told.err

    return call


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["map", "place", *MAP[2:]], "place is no kind of record; there are location, status, token"),
        (["map", "location", "--from", "oicp-9", "--to", "ocpi-2.2.1"], "format oicp-9 is not built"),
        (["map", "location", "--from", "oicp-2.3", "--to", "ocpi-9"], "format ocpi-9 is not built"),
        (["map", "session", "--from", "ocpi-2.2.1", "--to", "ochp-1.4"], "ochp-1.4 has no session (it has "),
        ([*MAP, "no/such/file.json"], "no/such/file.json: No such file or directory"),
        ([*MAP, "--partner", "no/such/partner.toml"], "no/such/partner.toml"),
    ],
)
def test_unusable_arguments_are_one_clear_line(arguments: list[str], reason: str, unusable: Callable[..., str]) -> None:
    assert reason in unusable(arguments)


@pytest.mark.parametrize(
    ("source", "data", "reason"),
    [
        ("oicp-2.3", b"", "empty"),
        ("oicp-2.3", b"{", "no JSON"),
        ("oicp-2.3", b"<xml/>", "no JSON"),
        ("oicp-2.3", b"\xff\xfe\x00", "no JSON"),
        ("oicp-2.3", b"42", "records expected, found number"),
        ("oicp-2.3", b"[]", "no records in it"),
        ("ocpi-2.2.1", b'{"data": []}', "no records in it"),
        ("ochp-1.4", b"", "no XML"),
        ("ochp-1.4", b"[]", "no XML"),
        ("ochp-1.4", b"<a><b/></a>", "no element chargePointInfoArray"),
        ("ochp-1.4", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
    ],
)
def test_unusable_input_is_one_clear_line(source: str, data: bytes, reason: str, unusable: Callable[..., str]) -> None:
    target = "ochp-1.4" if source != "ochp-1.4" else "oicp-2.3"
    assert reason in unusable(["map", "location", "--from", source, "--to", target, "-"], data)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[constants]\nhotlin = 1\n", "constants.hotlin"),
        ('[constants]\nparty = "Ms. X"\n', "constants.party"),
        ('[constants]\ntime_zone = "Mars/Base"\n', "'Mars/Base' is no IANA time zone"),
        ("not = = toml", "no TOML"),
        ('[values."ocpi-2.2.1".Status]\nCHARGING = "BUSY"\n', "values.Status.CHARGING = 'BUSY': none of "),
    ],
)
def test_a_bad_partner_file_is_one_clear_line(text: str, reason: str, tmp_path: Path, unusable: Callable[..., str]) -> None:
    file = tmp_path / "partner.toml"
    file.write_text(text, encoding="utf-8")
    assert reason in unusable([*MAP, "--partner", str(file)])


def test_a_record_that_cannot_be_read_is_refused_and_the_others_are_written(tmp_path: Path) -> None:
    run = translate("location", "oicp-2.3", "ocpi-2.2.1", json.dumps([{**OICP_RECORD, "EvseID": None}, OICP_RECORD]).encode(), tmp_path)
    assert (run.code, evse_ids(run, "ocpi-2.2.1")) == (3, ["DE*ABC*E1*1"])
    assert [(x["object"], x["path"], x["because"]) for x in run.refused] == [("record 1", "EvseID", "EvseID is missing")]


def test_if_all_are_refused_nothing_is_written(tmp_path: Path) -> None:
    run = translate("location", "oicp-2.3", "ocpi-2.2.1", json.dumps([OICP_RECORD] * 3).encode(), tmp_path, partner=False)
    assert (run.code, run.out, len(run.refused)) == (3, b"", 3)
    assert run.err.count("refused DE*ABC*E1*1: ") == 3


# --- the specifications' own examples

OCPI_KINDS = {"Location": "location", "EVSE": "status", "Token": "token", "Tariff": "tariff", "Session": "session", "CDR": "cdr"}
OICP_KINDS = {
    "eRoamingPushEvseData": "location", "eRoamingEvseData": "location", "eRoamingPushEVSEStatus": "status",
    "eRoamingEvseStatus": "status", "eRoamingEvseStatusById": "status", "eRoamingPushAuthenticationData": "token",
    "eRoamingPushPricingProductData": "tariff", "eRoamingPricingProductData": "tariff",
    "eRoamingChargingNotificationStart": "session", "eRoamingChargingNotificationProgress": "session",
    "eRoamingChargingNotificationEnd": "session", "eRoamingChargingNotificationError": "session",
    "eRoamingChargeDetailRecord": "cdr", "eRoamingChargeDetailRecords": "cdr",
}  # fmt: skip
WRONG = {
    "tariff_put_example.json": ("last_updated", "last_updated is missing"),
    "emp_28_eRoamingPullPricingProductData_response.json": ("ProductID", "ProductID is missing"),
}
"""Examples that are wrong themselves, beyond what can be read.

``tariff_put_example.json`` has no ``last_updated``, mandatory in Tariff (``validation.json``); the answer with pricing
products has one without ``ProductID``.
"""


def examples() -> list[Any]:
    """File, format and kind of every full example of a mapped kind; empty where the facts are absent."""
    if not SHARED.is_dir():
        return []
    found: list[Any] = []
    for name, folder, type_, kinds in (
        ("ocpi-2.2.1", SPEC / "ocpi" / "2.2.1", "object_type", OCPI_KINDS),
        ("oicp-2.3", SPEC / "oicp" / "2.3", "message_type", OICP_KINDS),
    ):
        found += [
            pytest.param(folder / one["file"], name, kinds[one[type_]], id=Path(one["file"]).stem)
            for one in json.loads((folder / "index.json").read_text(encoding="utf-8"))["examples"]
            if one[type_] in kinds and one.get("completeness", "full") == "full"
        ]
    return found


@pytest.mark.parametrize(("file", "format_", "kind"), examples())
def test_the_specifications_examples_are_read_and_mapped(file: Path, format_: str, kind: str, tmp_path: Path) -> None:
    try:
        find(format_, kind)
    except UnknownFormat:
        pytest.skip(f"{format_} has no {kind} yet")
    read = translate(kind, format_, "canonical", file, tmp_path)
    if file.name in WRONG:
        path, because = WRONG[file.name]
        assert [(x["path"], x["because"]) for x in read.refused] == [(path, because)]
        return
    assert (read.code, read.refused) == (0, [])
    assert read.records
    for target in FORMATS:
        try:
            find(target, kind)
        except UnknownFormat:
            continue
        run = translate(kind, format_, target, file, tmp_path)
        assert run.code in ((0, 3) if run.refused else (0,)), run.err
        assert run.records or run.code == 3
        assert all(loss["because"] and loss["path"] for loss in run.refused)


ERRATA = {
    "location_put_example_add_evse.json": (
        "an EVSE of OCPI 2.1: `floor` for `floor_level`, a number as physical reference, connectors without electrical data"
    ),
    "tariff_put_example.json": "last_updated is missing",
}
"""Examples of OCPI 2.2.1 of mapped kinds that ``validation.json`` finds at fault."""


def test_the_wrong_examples_are_those_that_the_validation_names() -> None:
    found = json.loads((SPEC / "ocpi" / "2.2.1" / "validation.json").read_text(encoding="utf-8"))["results"]
    assert {r["file"] for r in found if r["issues"] and r["object_type"] in OCPI_KINDS} == set(ERRATA)
