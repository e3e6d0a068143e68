"""What the acceptance tests of the translator share: the real data, the judge, the command, and how records compare."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from click.testing import CliRunner
from lxml import etree

from bridge.cli import cli
from bridge.mapping.registry import UNIT, find

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
REAL, SPEC = SHARED / "real", SHARED / "spec"
PARTNER = ROOT / "mappings" / "partners" / "example.toml"
FORMATS = ("oicp-2.3", "ocpi-2.2.1", "ochp-1.4")
PAIRS = [(source, target) for source in FORMATS for target in FORMATS if source != target]
FILES = {
    ("location", "oicp-2.3"): "swiss-oicp-evse-data.json",
    ("location", "ocpi-2.2.1"): "ludwigsburg-ocpi-locations.json",
    ("location", "ochp-1.4"): "ochp-charge-points.xml",
    ("status", "oicp-2.3"): "swiss-oicp-evse-status.json",
    ("status", "ocpi-2.2.1"): "ludwigsburg-ocpi-locations.json",
    ("status", "ochp-1.4"): "ochp-charge-points.xml",
}
RECORDS = {"oicp-2.3": 185, "ocpi-2.2.1": 94, "ochp-1.4": 8}
"""EVSEs in the files."""


def needs_facts() -> None:
    """Skip where the official facts do not lie beside the checkout; in CI they have to."""
    if not SHARED.is_dir():
        if os.environ.get("CI"):
            pytest.fail("the official facts are missing, and this is CI")
        pytest.skip("the official facts do not lie beside this checkout")


def judge() -> Any:
    """The independent judge, imported from where it lies."""
    spec = importlib.util.spec_from_file_location("judge", SHARED / "tools" / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@frozen
class Run:
    """One call of the command: what it wrote, and what it lost."""

    out: bytes
    err: str
    code: int
    losses: list[dict[str, Any]]

    @property
    def records(self) -> list[Any]:
        """The records written, as JSON or XML elements."""
        if not self.out.strip():
            return []
        if self.out.lstrip().startswith(b"<"):
            return list(etree.fromstring(self.out))
        found = json.loads(self.out)
        return found if isinstance(found, list) else [found]

    @property
    def refused(self) -> list[dict[str, Any]]:
        """The losses that leave something out."""
        return [loss for loss in self.losses if loss["kind"] == "refused"]


def translate(kind: str, source: str, target: str, data: bytes | Path, folder: Path, *options: str, partner: bool = True) -> Run:
    """``evbridge map``; a traceback fails the test."""
    told = folder / "losses.jsonl"
    given, typed = ([str(data)], None) if isinstance(data, Path) else ([], data)
    with_partner = ["--partner", str(PARTNER)] if partner else []
    command = ["map", kind, "--from", source, "--to", target, "--losses", str(told), *with_partner, *options, *given]
    done = CliRunner().invoke(cli, command, input=typed)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert "Traceback" not in done.stderr
    losses = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()] if told.exists() else []
    return Run(done.stdout_bytes, done.stderr, done.exit_code, losses)


def evse_ids(run: Run, target: str) -> list[str]:
    """The EVSE-IDs of the records written."""
    if target == "ochp-1.4":
        return [e.text for r in run.records for e in r.iter("{*}evseId")]
    if target == "oicp-2.3":
        return [r["EvseID"] for r in run.records]
    return [e["evse_id"] for r in run.records for e in r.get("evses", [r])]


def faults(kind: str, target: str, run: Run) -> list[str]:
    """What the judge finds wrong in what was written."""
    if not run.out:
        return []
    if target == "ochp-1.4":
        return list(judge().ochp("1.4", etree.fromstring(run.out)))
    found: list[str] = []
    for i, record in enumerate(run.records):
        if target == "oicp-2.3":
            found += judge().oicp("EvseDataRecordType" if kind == "location" else "EvseStatusRecordType", record, f"$[{i}]")
        elif kind == "location":
            found += judge().ocpi("2.2.1", "Location", record, f"$[{i}]")
        else:  # OCPI's status is a part of an EVSE, with the location that the URL of the PATCH names
            part = {k: v for k, v in record.items() if k != "location_id"}
            found += [f for f in judge().ocpi("2.2.1", "EVSE", part, f"$[{i}]") if not f.endswith(".connectors: missing")]
    return found


# --- comparing records: a normal form, and what losses account for


def tree(record: Any) -> Any:
    """An XML element as the JSON that it might have been."""
    if not isinstance(record, etree._Element):
        return record
    if not len(record) and not record.attrib:
        return (record.text or "").strip()
    found: dict[str, Any] = defaultdict(list)
    for key, value in record.attrib.items():
        found[etree.QName(key).localname].append(value)
    for child in record:
        found[etree.QName(child).localname].append(tree(child))
    if not len(record):
        found["_"].append((record.text or "").strip())
    return dict(found)


def normal(value: Any, path: str) -> str:
    """A value without what protocols spell differently: separators of EVSE-IDs, zones of times, trailing zeros, case."""
    if isinstance(value, bool):
        return str(value).lower()
    text = " ".join(str(value).split())
    if path.endswith(("evseid", "evse_id")):
        return re.sub(r"[*\-]", "", text).upper()
    if re.match(r"\d{4}-\d\d-\d\dT", text):
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00")))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if path == "geocoordinates.google":
        return " ".join(normal(part, "") for part in text.split())
    try:
        return format(Decimal(text).normalize(), "f")
    except InvalidOperation:
        return text.casefold()


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GROUPS = {"Everyday": DAYS, "Workdays": DAYS[:5], "Weekend": DAYS[5:]}


def respelled(record: dict[str, Any]) -> dict[str, Any]:
    """A record in one of the spellings that its protocol allows for the same.

    OICP: coordinates as a text (2.2) or in an object; days by name or in groups; street and house number, which OCPI keeps
    in one line, as one.
    """
    made = dict(record)
    google = (record.get("GeoCoordinates") or {}).get("Google")
    if isinstance(google, dict):
        made["GeoCoordinates"] = {"Google": google["Coordinates"]}
    if isinstance(record.get("OpeningTimes"), list):
        made["OpeningTimes"] = [
            f"{day} {period['begin']}-{period['end']}"
            for one in record["OpeningTimes"] for day in GROUPS.get(one["on"], (one["on"],)) for period in one["Period"]
        ]  # fmt: skip
    if isinstance(record.get("Address"), dict) and "Street" in record["Address"]:
        address = dict(record["Address"])
        address["Street"] = f"{address['Street']} {address.pop('HouseNum', None) or ''}"
        made["Address"] = address
    return made


def flat(value: Any, path: str = "") -> dict[str, Counter[str]]:
    """The leaves of a record by path without indices, in normal form; absent, null, empty and "None None" are the same."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    if isinstance(value, dict):
        for key, below in value.items():
            for at, leaves in flat(below, f"{path}.{key.casefold()}" if path else key.casefold()).items():
                found[at] += leaves
    elif isinstance(value, list):
        for below in value:
            for at, leaves in flat(below, path).items():
                found[at] += leaves
    elif value is not None and value not in ("", "None None"):
        found[path][normal(value, path)] += 1
    return found


def by_evse(records: Iterable[Any], format_: str) -> dict[str, dict[str, Counter[str]]]:
    """The leaves of each EVSE with its place, by normal EVSE-ID."""
    found = {}
    for record in map(tree, records):
        if format_.startswith("ocpi") and "evses" in record:
            for evse in record["evses"]:
                leaves = flat({**record, "evses": [evse]})
                found[normal(evse["evse_id"], "evse_id")] = leaves
        else:
            ident = record.get("EvseID") or record.get("evseId") or record.get("evse_id")
            found[normal(ident[0] if isinstance(ident, list) else ident, "evse_id")] = flat(respelled(record))
    return found


def bare(path: str) -> str:
    """A path without indices and case."""
    return re.sub(r"\[\d+\]", "", path).casefold()


def across(path: str, source: str, target: str, kind: str) -> str:
    """A path of one format in the names of another, by way of the model."""
    here, there = find(source, kind), find(target, kind)
    canon = here.mapping.to_canon_path(path)
    if here.carries != there.carries:
        canon = re.sub(r"^evses\[\d+\]", "evse", canon) if there.carries == UNIT else re.sub(r"^evse(?=\.|\[|$)", "evses[0]", canon)
    return there.mapping.to_wire_path(canon)
