"""``evbridge price`` and ``evbridge tariff lint`` as they are called."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli._price_input import InputError, contents, ocpi_path, read, read_tariffs, without_unknown
from bridge.cli.price import price
from bridge.cli.tariff import tariff
from bridge.model.session import CdrDimension
from bridge.model.tariff import Dimension, ReservationKind, TariffKind, TaxIncluded
from tests.tariff.facts import ROOT, spec

TARIFF: dict[str, Any] = {
    "country_code": "DE",
    "party_id": "ABC",
    "id": "T1",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [
                {"type": "FLAT", "price": 0.5, "vat": 20.0, "step_size": 1},
                {"type": "ENERGY", "price": 0.25, "vat": 10.0, "step_size": 1},
                {"type": "PARKING_TIME", "price": 2.0, "vat": 20.0, "step_size": 900},
            ]
        }
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}
START, PLUGGED_OUT = "2026-03-02T10:00:00Z", "2026-03-02T11:40:00Z"
CDR: dict[str, Any] = {
    "id": "C1",
    "start_date_time": START,
    "end_date_time": PLUGGED_OUT,
    "currency": "EUR",
    "tariffs": [TARIFF],
    "charging_periods": [
        {
            "start_date_time": START,
            "dimensions": [{"type": "ENERGY", "volume": 20}, {"type": "TIME", "volume": 1.0}],
            "tariff_id": "T1",
        },
        {
            "start_date_time": "2026-03-02T11:00:00Z",
            "dimensions": [{"type": "PARKING_TIME", "volume": 0.6667}],
            "tariff_id": "T1",
        },
    ],
    "total_cost": {"excl_vat": 7.00, "incl_vat": 7.90},
    "total_energy": 20,
    "total_time": 1.6667,
    "total_parking_time": 0.6667,
}


def copied(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(CDR))
    return made | changes


def of_elements(*elements: dict[str, Any]) -> dict[str, Any]:
    """The CDR with a tariff of other elements."""
    return {"tariffs": [{**TARIFF, "elements": list(elements)}]}


def one(step: Any = 1, **restrictions: Any) -> dict[str, Any]:
    """An element with a price of energy."""
    made: dict[str, Any] = {"price_components": [{"type": "ENERGY", "price": 1, "step_size": step}]}
    return made | ({"restrictions": restrictions} if restrictions else {})


def measuring(*dimensions: dict[str, Any]) -> dict[str, Any]:
    """The CDR with a single period."""
    return {"charging_periods": [{"start_date_time": START, "dimensions": list(dimensions)}]}


class Run:
    """Calls the command on files of a test's own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    def __call__(self, cdr: Any, *options: str, version: str = "2.2.1", zone: str | None = "Europe/Berlin") -> Result:
        arguments = [self.file("cdr.json", cdr), "--ocpi-version", version, *options]
        return CliRunner().invoke(price, arguments + (["--time-zone", zone] if zone else []))

    def answer(self, cdr: Any, *options: str, status: int = 0, **more: Any) -> dict[str, Any]:
        result = self(cdr, *options, **more)
        assert result.exit_code == status, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_contract(run: Run) -> None:
    found = run.answer(CDR)
    found.pop("explanation")
    assert found == {
        "currency": "EUR",
        "total_cost": {"excl_vat": "7", "incl_vat": "7.9"},
        "total_energy_cost": {"excl_vat": "5", "incl_vat": "5.5"},
        "total_time_cost": None,
        "total_parking_cost": {"excl_vat": "1.5", "incl_vat": "1.8"},
        "total_fixed_cost": {"excl_vat": "0.5", "incl_vat": "0.6"},
        "total_reservation_cost": None,
        "billed": {"energy_kwh": "20", "charging_hours": "0", "parking_hours": "0.75", "reservation_hours": "0"},
        "findings": [],
        "readings": [],
    }


def test_every_version(run: Run) -> None:
    total = {"before_taxes": 7, "taxes": [{"name": "VAT", "amount": 0.9}]}
    new = copied(tariffs=[{**TARIFF, "tax_included": "NO"}], total_cost=total)
    assert run.answer(new, version="2.3.0")["total_cost"] == {"excl_vat": "7", "incl_vat": "7.9"}
    old = copied(total_cost=7.00, stop_date_time=PLUGGED_OUT)
    del old["end_date_time"]
    for component in old["tariffs"][0]["elements"][0]["price_components"]:
        del component["vat"]
    for period in old["charging_periods"]:
        del period["tariff_id"]
    assert run.answer(old, version="2.1.1")["total_cost"] == {"excl_vat": "7", "incl_vat": None}


def test_tariffs_of_their_own_file(run: Run) -> None:
    dearer = json.loads(json.dumps(TARIFF))
    dearer["elements"][0]["price_components"][1]["price"] = 1
    for content in ([dearer], dearer, {"data": [dearer], "status_code": 1000}, {"data": dearer}):
        file = run.file("tariffs.json", content)
        assert run.answer(CDR, "--tariffs", file, status=3)["total_cost"]["excl_vat"] == "22"


def test_an_envelope_and_standard_input(run: Run) -> None:
    assert run.answer({"data": CDR, "status_code": 1000})["total_cost"]["excl_vat"] == "7"
    options = ["-", "--ocpi-version", "2.2.1", "--time-zone", "Europe/Berlin"]
    result = CliRunner().invoke(price, options, input=json.dumps(CDR))
    assert json.loads(result.stdout)["total_cost"]["excl_vat"] == "7"


def test_findings_have_paths_of_the_version(run: Run) -> None:
    found = run.answer(copied(total_cost={"excl_vat": 8, "incl_vat": 7.9}, total_energy=21), status=3)
    assert {(f["code"], f["path"]) for f in found["findings"]} == {
        ("COST_MISMATCH", "$.total_cost.excl_vat"),
        ("INCL_BELOW_EXCL", "$.total_cost.incl_vat"),
        ("TOTAL_ENERGY_MISMATCH", "$.total_energy"),
    }
    assert all(f["message"] for f in found["findings"])
    old = copied(total_cost=8, stop_date_time="2026-03-02T09:00:00Z")
    found = run.answer(old, status=3, version="2.1.1")
    assert {"$.total_cost", "$.stop_date_time"} <= {f["path"] for f in found["findings"]}


def test_readings(run: Run) -> None:
    found = run.answer(copied(**of_elements(one(end_time="00:00"), *TARIFF["elements"])), status=3)
    (reading,) = found["readings"]
    assert found["total_cost"]["excl_vat"] == "22"
    assert (reading["point"], reading["total_cost"]["excl_vat"]) == ("midnight", "7")
    assert "start of the day" in reading["assumes"]
    assert "end of the day" in reading["chosen"]


def test_round(run: Run) -> None:
    component = {"type": "TIME", "price": 1, "step_size": 0, "vat": 19}
    own = {**TARIFF, "elements": [{"price_components": [component]}]}
    third = copied(end_date_time="2026-03-02T10:20:00Z", total_time=0.3333, total_cost={"excl_vat": 0.33})
    third |= {"tariffs": [own], "total_energy": None, "total_parking_time": None}
    third |= measuring({"type": "TIME", "volume": 0.3333})
    assert run.answer(third)["total_cost"] == {"excl_vat": "0.333333333333", "incl_vat": "0.396666666667"}
    found = run.answer(third, "--round")
    assert found["total_cost"] == {"excl_vat": "0.33", "incl_vat": "0.4"}
    assert found["rounding"] == {"policy": "half-up to the minor unit", "digits": 2}
    yen = {**third, "tariffs": [{**own, "currency": "JPY"}], "currency": "JPY"}
    assert run.answer(yen, "--round")["total_cost"]["excl_vat"] == "0"


def test_tolerance(run: Run) -> None:
    near = copied(total_cost={"excl_vat": 7.05})
    assert run(near).exit_code == 3
    assert run(near, "--tolerance", "0.05").exit_code == 0
    for bad in ("-1", "much", "NaN"):
        result = run(near, "--tolerance", bad)
        assert result.exit_code == 2
        assert "is no amount" in result.stderr


def test_explained(run: Run) -> None:
    result = run(copied(total_cost={"excl_vat": 8}), "--explain")
    assert result.exit_code == 3
    assert "parking       45 min (40 min rounded up) at 2 per h = 1.5" in result.stdout
    assert "COST_MISMATCH $.total_cost.excl_vat:" in result.stdout


ENERGY = "$.charging_periods[0].dimensions[0]"
ELEMENT = "$.tariffs[0].elements[0]"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"charging_periods": []}, "$.charging_periods: there is no charging period"),
        ({"start_date_time": None}, "$.start_date_time: Expected `datetime`"),
        ({"start_date_time": "yesterday"}, "$.start_date_time: Invalid RFC3339"),
        ({"end_date_time": None}, "$.end_date_time: the end of the session is missing"),
        ({"charging_periods": [{"start_date_time": START}]}, "missing required field `dimensions`"),
        (measuring({"type": "WARP", "volume": 1}), f"{ENERGY}.type: Invalid enum value 'WARP'"),
        (measuring({"type": "ENERGY", "volume": "NaN"}), f"{ENERGY}.volume: NaN is no number"),
        (measuring({"type": "ENERGY", "volume": True}), f"{ENERGY}.volume: Expected `decimal`"),
        (measuring({"type": "ENERGY"}), f"{ENERGY}: Object missing required field `volume`"),
        ({"total_cost": {"incl": 4}}, "$.total_cost: an amount is missing"),
        ({"total_energy": "1e99"}, "$.total_energy: 1E+99 is no usable number"),
        ({"tariffs": [{**TARIFF, "elements": None}]}, "$.tariffs[0].elements: Expected `array`"),
        (of_elements(one(min_soc=50)), f"{ELEMENT}.restrictions: Object contains unknown field `min_soc`"),
        (
            of_elements({"price_components": [{"type": "ENERGY", "price": 1}]}),
            f"{ELEMENT}.price_components[0]: Object missing required field `step_size`",
        ),
        (of_elements(one(-1)), f"{ELEMENT}.price_components[0].step_size: -1 is no step size"),
        (of_elements(one(start_time="9:00")), f"{ELEMENT}.restrictions: '9:00' is no time of day"),
    ],
)
def test_unusable_input(run: Run, change: dict[str, Any], words: str) -> None:
    result = run(copied(**change))
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.startswith("evbridge price: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b'{"data": null}', b'{"data": {}}'])
def test_no_cdr(run: Run, content: bytes) -> None:
    result = run(content)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.count("\n") == 1


def test_zones(run: Run) -> None:
    result = run(CDR, zone="Europe/Nowhere")
    assert result.exit_code == 2
    assert "--time-zone: 'Europe/Nowhere' is no time zone" in result.stderr
    result = run(CDR, zone=None)
    assert result.exit_code == 2
    assert "give it with --time-zone" in result.stderr
    place = {"id": "L", "time_zone": "Europe/Berlin"}
    old = copied(total_cost=7, stop_date_time=PLUGGED_OUT, location=place)
    assert run(old, version="2.1.1", zone=None).exit_code == 0


@pytest.mark.parametrize(
    "tariffs",
    [
        [],
        None,
        [{**TARIFF, "end_date_time": START}],
        [{**TARIFF, "start_date_time": "2027-01-01T00:00:00Z"}],
        [{**TARIFF, "id": "OTHER"}],
    ],
)
def test_no_tariff_valid(run: Run, tariffs: Any) -> None:
    result = run(copied(tariffs=tariffs))
    assert result.exit_code == 4, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("evbridge price: $.")


def test_usage(run: Run, tmp_path: Path) -> None:
    none, cdr = str(tmp_path / "none.json"), run.file("cdr.json", CDR)
    for arguments in (
        [none, "--ocpi-version", "2.2.1", "--time-zone", "UTC"],
        [cdr, "--time-zone", "UTC"],
        [cdr, "--ocpi-version", "3.0", "--time-zone", "UTC"],
        [cdr, "--ocpi-version", "2.2.1", "--tariffs", none],
    ):
        assert CliRunner().invoke(price, arguments).exit_code == 2
    with pytest.raises(InputError, match="No such file"):
        contents(none)


# What is read


def test_numbers_stay_exact() -> None:
    text = json.dumps(CDR).replace('"volume": 20}', '"volume": 20.12345678901234567890}')
    cdr, _ = read(text.encode(), None, "2.2.1")
    assert cdr.periods[0].volumes[0].volume == Decimal("20.12345678901234567890")


FULL: dict[str, Any] = {
    **TARIFF,
    "type": "AD_HOC_PAYMENT",
    "tax_included": "N/A",
    "start_date_time": "2026-01-01T00:00:00",
    "end_date_time": "2026-12-31T23:00:00+01:00",
    "min_price": {"before_taxes": "1", "after_taxes": 2},
    "max_price": {"excl_vat": 3},
    "elements": [
        {
            "price_components": [{"type": "TIME", "price": "2.00", "step_size": 300}],
            "restrictions": {
                "start_time": "08:00",
                "end_time": "20:00",
                "start_date": "2026-01-01",
                "end_date": "2026-02-01",
                "min_kwh": 1,
                "max_kwh": 2,
                "min_current": 3,
                "max_current": 4,
                "min_power": 5,
                "max_power": 6,
                "min_duration": 7,
                "max_duration": 8,
                "day_of_week": ["MONDAY", "SUNDAY"],
                "reservation": "RESERVATION_EXPIRES",
            },
        }
    ],
}


def test_every_field_of_a_tariff() -> None:
    (own,) = read_tariffs(json.dumps(FULL).encode())
    assert (own.kind, own.tax_included) == (TariffKind.AD_HOC_PAYMENT, TaxIncluded.NOT_APPLICABLE)
    assert own.valid_from is not None
    assert own.valid_until is not None
    assert own.valid_from.isoformat() == "2026-01-01T00:00:00+00:00"
    assert own.valid_until.isoformat() == "2026-12-31T22:00:00+00:00"
    assert own.min_price is not None
    assert own.max_price is not None
    assert [own.min_price.excl, own.min_price.incl, own.max_price.excl, own.max_price.incl] == [1, 2, 3, None]


def test_every_restriction() -> None:
    (own,) = read_tariffs(json.dumps(FULL).encode())
    (element,) = own.elements
    r = element.restrictions
    assert r is not None
    assert (element.components[0].dimension, element.components[0].price) == (Dimension.TIME, Decimal("2.00"))
    assert [r.min_kwh, r.max_kwh, r.min_current, r.max_current, r.min_power, r.max_power] == [1, 2, 3, 4, 5, 6]
    assert [r.min_duration, r.max_duration, r.days] == [7, 8, (1, 7)]
    assert r.reservation is ReservationKind.RESERVATION_EXPIRES
    assert [str(r.start_date), str(r.end_date)] == ["2026-01-01", "2026-02-01"]
    assert [r.start_time, r.end_time] == ["08:00", "20:00"]


def test_every_dimension_is_read() -> None:
    record = copied(**measuring(*({"type": d.value, "volume": 1} for d in CdrDimension)))
    cdr, _ = read(json.dumps(record).encode(), None, "2.2.1")
    assert [v.dimension for v in cdr.periods[0].volumes] == list(CdrDimension)


@pytest.mark.parametrize(
    ("path", "version", "wire"),
    [
        ("", "2.2.1", "$"),
        ("periods[2].start", "2.2.1", "$.charging_periods[2].start_date_time"),
        ("periods[2].volumes[0].volume", "2.1.1", "$.charging_periods[2].dimensions[0].volume"),
        ("end", "2.1.1", "$.stop_date_time"),
        ("end", "2.3.0", "$.end_date_time"),
        ("total_cost.excl", "2.1.1", "$.total_cost"),
        ("total_cost.incl", "2.2.1", "$.total_cost.incl_vat"),
        ("total_cost.excl", "2.3.0", "$.total_cost.before_taxes"),
        ("total_cost.incl", "2.3.0", "$.total_cost.taxes"),
        ("tariffs[1].elements[0].components[2].step", "2.3.0", "$.tariffs[1].elements[0].price_components[2].step_size"),
        ("min_price.incl", "2.3.0", "$.min_price.after_taxes"),
        ("elements[0].restrictions.days", "2.2.1", "$.elements[0].restrictions.day_of_week"),
        ("valid_until", "2.2.1", "$.end_date_time"),
    ],
)
def test_paths(path: str, version: str, wire: str) -> None:
    assert ocpi_path(path, version) == wire


# evbridge tariff lint


def look(tmp_path: Path, content: Any, *options: str) -> Result:
    file = tmp_path / "tariffs.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return CliRunner().invoke(tariff, ["lint", str(file), *options])


def test_lint(tmp_path: Path) -> None:
    sound = {**TARIFF, "elements": [one()]}
    result = look(tmp_path, [sound])
    assert (result.exit_code, result.stdout) == (0, "")
    result = look(tmp_path, [sound, TARIFF])
    assert result.exit_code == 3
    assert result.stdout == (
        "WARNING STEP_AGAINST_DRIVER $[1].elements[0].price_components[2].step_size (tariff T1): "
        "a step of 900 s adds up to 0.4994 EUR to what was used\n"
    )
    rows = json.loads(look(tmp_path, TARIFF, "--json").stdout)
    assert [(r["tariff"], r["code"], r["severity"]) for r in rows] == [("T1", "STEP_AGAINST_DRIVER", "WARNING")]


def test_lint_by_version(tmp_path: Path) -> None:
    own = {**TARIFF, "elements": [one(max_current=9)]}
    assert "NOT_IN_VERSION" not in look(tmp_path, own).stdout
    assert "$[0].elements[0].restrictions.max_current" in look(tmp_path, own, "--ocpi-version", "2.1.1").stdout
    assert "TAX_INCLUDED_MISSING" in look(tmp_path, own, "--ocpi-version", "2.3.0").stdout
    assert look(tmp_path, {**own, "tax_included": "YES"}).exit_code == 3  # a gap above 9 A


def test_lint_of_only_infos_is_fine(tmp_path: Path) -> None:
    result = look(tmp_path, {**TARIFF, "tax_included": "YES", "elements": [one()]})
    assert result.exit_code == 0
    assert result.stdout.startswith("INFO BEFORE_TAXES_UNKNOWN")


def test_lint_names_restrictions_nobody_knows(tmp_path: Path) -> None:
    element = {"price_components": [{"type": "ENERGY", "price": 0.125, "step_size": 1}], "restrictions": {"min_soc": 20}}
    own = {**TARIFF, "elements": [element]}
    result = look(tmp_path, {"data": [own]})
    assert result.exit_code == 3
    assert "UNKNOWN_RESTRICTION $[0].elements[0].restrictions.min_soc" in result.stdout
    content, found = without_unknown(json.dumps([own]).encode())
    assert found == ["[0].elements[0].restrictions.min_soc"]
    assert read_tariffs(content)[0].elements[0].components[0].price == Decimal("0.125")


@pytest.mark.parametrize("content", [b"", b"{", b"7", b'{"id": 1}', b'[{"id": "T"}]', b"\xff"])
def test_lint_of_no_tariffs(tmp_path: Path, content: bytes) -> None:
    result = look(tmp_path, content)
    assert result.exit_code == 2
    assert result.stderr.startswith("evbridge tariff lint: $")
    with pytest.raises(InputError):
        read_tariffs(content)


class TestExamples:
    """The specification's own files."""

    pytestmark = spec

    @pytest.mark.parametrize(("version", "file"), [("2.1.1", "mod_cdrs_01"), ("2.2.1", "cdr_example"), ("2.3.0", "cdr_example")])
    def test_cdrs(self, version: str, file: str) -> None:
        path = str(ROOT / version / f"{file}.json")
        result = CliRunner().invoke(price, [path, "--ocpi-version", version, "--time-zone", "Europe/Brussels"])
        assert result.exit_code == 0
        found = json.loads(result.stdout)
        assert found["total_cost"] == {"excl_vat": "4", "incl_vat": None if version == "2.1.1" else "4.4"}
        assert found["findings"] == []

    @pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
    def test_tariffs_are_known_to_their_version(self, version: str) -> None:
        files = sorted((ROOT / version).glob("*tariff*_*.json"))
        whole = [f for f in files if not any(word in f.name for word in ("golden", "patch", "mod_tariffs_02"))]
        assert len(whole) > 5
        for file in whole:
            result = CliRunner().invoke(tariff, ["lint", str(file), "--ocpi-version", version])
            assert result.exit_code in (0, 3), file.name
            assert "NOT_IN_VERSION" not in result.stdout
            assert "ERROR" not in result.stdout, file.name
