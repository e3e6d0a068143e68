"""How mappings are changed: for one partner, for a new value of an enumeration, by a package of somebody else."""

from __future__ import annotations

import json
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import attrs
import msgspec
import pytest
from click.testing import CliRunner

from bridge.cli import cli
from bridge.mapping import DEFAULTED, NARROWED, Context, Loss, Mapping, Settings, Table, partner, registry, row
from bridge.mapping.engine import MappingError
from bridge.mapping.registry import UnknownFormat, find
from bridge.model import location as c
from bridge.model.ids import EvseId, EvseUid
from bridge.oicp import wire as oicp
from mappings.oicp.status import STATUS, VALUES

EXAMPLE = Path(__file__).parents[2] / "mappings" / "partners" / "example.toml"


# --- one partner's difference


PLANNED = c.EvseStatus(c.Status.PLANNED, EvseId("DE*ABC*E1*1"))


def said(mapping: Mapping, settings: Settings | None = None) -> tuple[oicp.EvseStatus, list[Loss]]:
    """What a planned EVSE is told as, and the losses."""
    wire, losses = mapping.bind(settings, "oicp-2.3").to_wire(PLANNED)
    return wire.EvseStatus, losses


def test_as_shipped_a_planned_evse_is_out_of_service_in_oicp() -> None:
    assert said(STATUS) == (
        oicp.EvseStatus.OUT_OF_SERVICE,
        [Loss("status", NARROWED, c.Status.PLANNED, "OutOfService is the nearest there")],
    )


def test_one_line_in_the_partner_file_changes_a_value() -> None:
    file = '[values."oicp-2.3".EvseStatusType]\nPLANNED = "Unknown"\n'
    path_settings = partner.settings(tomllib.loads(file))
    assert said(STATUS, path_settings) == (
        oicp.EvseStatus.UNKNOWN,
        [Loss("status", NARROWED, c.Status.PLANNED, "Unknown is the nearest there")],
    )
    assert said(STATUS)[0] is oicp.EvseStatus.OUT_OF_SERVICE, "for the others all stays as it was"


def test_the_same_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    file.write_text(EXAMPLE.read_text(encoding="utf-8") + '\n[values."oicp-2.3".EvseStatusType]\nPLANNED = "Unknown"\n')
    status = '[{"uid": "1", "evse_id": "DE*ABC*E1*1", "status": "PLANNED", "last_updated": "2026-03-01T08:15:00Z"}]'
    command = ["map", "status", "--from", "ocpi-2.2.1", "--to", "oicp-2.3"]
    shipped = CliRunner().invoke(cli, command, input=status)
    changed = CliRunner().invoke(cli, [*command, "--partner", str(file)], input=status)
    assert json.loads(shipped.stdout) == [{"EvseID": "DE*ABC*E1*1", "EvseStatus": "OutOfService"}]
    assert json.loads(changed.stdout) == [{"EvseID": "DE*ABC*E1*1", "EvseStatus": "Unknown"}]


def test_a_partner_that_wants_more_than_a_value_gets_rows_of_its_own() -> None:
    """ACME has no notion of planned EVSEs and wants to hear nothing of them: a row replaces the shipped one."""
    acme = STATUS.but(row("status", "EvseStatus", Table(
        *(p for p in VALUES.pairs), out={k: v for k, v in VALUES.narrow_out.items() if k is not c.Status.PLANNED},
        never={**VALUES.never, c.Status.PLANNED: "ACME wants no planned EVSEs"}, name="EvseStatusType",
    ).covers(c.Status, oicp.EvseStatus)))  # fmt: skip
    with pytest.raises(Exception, match="EvseStatus is mandatory in EvseStatusRecord, but ACME wants no planned EVSEs"):
        said(acme)


def test_a_value_that_does_not_exist_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"values\.EvseStatusType\.PLANNED = 'Later': none of .*OutOfService"):
        said(STATUS, partner.settings({"values": {"oicp-2.3": {"EvseStatusType": {"PLANNED": "Later"}}}}))


# --- a new value of an enumeration


class Lamp(StrEnum):
    """A status as a small protocol knew it in its first version."""

    GREEN = "green"
    RED = "red"


class LampWithAmber(StrEnum):
    """The next version has one value more."""

    GREEN = "green"
    RED = "red"
    AMBER = "amber"


@attrs.frozen
class Light:
    free: bool


class WireLight(msgspec.Struct):
    lamp: Lamp


class WireLightWithAmber(msgspec.Struct):
    lamp: LampWithAmber


def test_the_first_version() -> None:
    lamp = Table((True, Lamp.GREEN), (False, Lamp.RED), name="Lamp").covers((True, False), Lamp)
    mapping = Mapping(Light, WireLight, (row("free", "lamp", lamp),))
    assert mapping.bind().to_wire(Light(True)) == (WireLight(Lamp.GREEN), [])


def test_a_value_that_nobody_mapped_stops_the_import() -> None:
    with pytest.raises(ValueError, match=r"table Lamp: wire values without a row: \[<LampWithAmber.AMBER: 'amber'>\]"):
        Table((True, LampWithAmber.GREEN), (False, LampWithAmber.RED), name="Lamp").covers((True, False), LampWithAmber)


def test_once_it_is_mapped_it_is_read_and_the_loss_is_named() -> None:
    lamp = Table((True, LampWithAmber.GREEN), (False, LampWithAmber.RED), back={LampWithAmber.AMBER: False}, name="Lamp")
    mapping = Mapping(Light, WireLightWithAmber, (row("free", "lamp", lamp.covers((True, False), LampWithAmber)),))
    light, losses = mapping.bind().to_canon(WireLightWithAmber(LampWithAmber.AMBER))
    assert light == Light(False)
    assert losses == [Loss("lamp", NARROWED, LampWithAmber.AMBER, "read as False")]


# --- mappings of somebody else

ACME = '''
"""ACME's own status feed: which stalls are free."""

from __future__ import annotations

import msgspec

from bridge.mapping import Mapping, Of, Table, derived, no_place, row
from bridge.mapping.registry import Entry
from bridge.model import location as c
from bridge.model.ids import EvseId, EvseUid
from bridge.translate.files import JsonCodec


class Stall(msgspec.Struct):
    stall: str
    free: bool
    evse: str | None = None


FREE = Table(
    (c.Status.AVAILABLE, True),
    (c.Status.OCCUPIED, False),
    out=dict.fromkeys(set(c.Status) - {c.Status.AVAILABLE, c.Status.OCCUPIED}, False),
    name="free",
).covers(c.Status, (True, False))

STATUS = Mapping(c.EvseStatus, Stall, (
    row("evse_uid", "stall", Of(EvseUid), or_else=derived(lambda o, cx: o.evse_id, "the EVSE-ID")),
    row("evse_id", "evse", Of(EvseId)),
    row("status", "free", FREE),
    no_place("location_id", because="ACME has one location"),
    no_place("updated", because="ACME's feed is of now"),
    no_place("valid_until", because="ACME's feed is of now"),
    no_place("parking_id", because="ACME has no parking spots"),
))

FORMATS = (Entry("acme-1.0", "status", STATUS, JsonCodec(Stall, frozenset({"stalls"})), lambda o: o.stall),)
'''


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package ``acme-mappings`` as pip would leave it: a module, and an entry point in the group evbridge.mappings."""
    (tmp_path / "acme_mappings.py").write_text(textwrap.dedent(ACME), encoding="utf-8")
    info = tmp_path / "acme_mappings-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-mappings\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[evbridge.mappings]\nacme = acme_mappings\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield
    monkeypatch.undo()
    sys.modules.pop("acme_mappings", None)
    forget()


def forget() -> None:
    """Look for installed mappings again."""
    registry._points.cache_clear()
    registry._loaded.cache_clear()


def test_without_the_package_there_is_no_such_format() -> None:
    with pytest.raises(UnknownFormat, match=r"format acme-1\.0 is not built \(there are .*ocpi-2\.2\.1"):
        find("acme-1.0", "status")


@pytest.mark.usefixtures("acme")
def test_a_mapping_from_a_separate_package_is_found_and_translates(tmp_path: Path) -> None:
    entry = find("acme-1.0", "status")
    assert entry.family == "acme"
    assert entry.mapping.bind().to_canon(entry.mapping.wire("7", True))[0] == c.EvseStatus(c.Status.AVAILABLE, evse_uid=EvseUid("7"))

    losses = tmp_path / "losses.jsonl"
    feed = json.dumps({"stalls": [{"stall": "7", "free": True, "evse": "DE*ACM*E7"}, {"stall": "8", "free": False}]})
    command = ["map", "status", "--from", "acme-1.0", "--to", "oicp-2.3", "--losses", str(losses)]
    done = CliRunner().invoke(cli, command, input=feed)
    assert json.loads(done.stdout) == [{"EvseID": "DE*ACM*E7", "EvseStatus": "Available"}]
    assert done.exit_code == 3, "stall 8 has no EVSE-ID, without which OICP knows no EVSE"
    assert "refused 8: evse: EvseID is mandatory" in done.stderr
    told = [json.loads(line) for line in losses.read_text(encoding="utf-8").splitlines()]
    assert {(x["object"], x["kind"]) for x in told} == {("7", "dropped"), ("8", "refused")}

    back = CliRunner().invoke(cli, ["map", "status", "--from", "oicp-2.3", "--to", "acme-1.0"], input=done.stdout)
    assert json.loads(back.stdout) == [{"stall": "DE*ACM*E7", "free": True, "evse": "DE*ACM*E7"}]


@pytest.mark.usefixtures("acme")
def test_a_mapping_from_a_separate_package_is_explained() -> None:
    done = CliRunner().invoke(cli, ["explain", "acme-1.0", "status"])
    assert done.exit_code == 0
    assert "ACME has one location" in done.stdout


@pytest.mark.usefixtures("acme")
def test_its_defaults_are_told_like_any_other() -> None:
    entry = find("acme-1.0", "status")
    cx = Context()
    entry.mapping.compiled_out()(c.EvseStatus(c.Status.AVAILABLE, EvseId("DE*ACM*E7")), cx)
    assert cx.losses == [Loss("stall", DEFAULTED, "DE*ACM*E7", "the EVSE-ID")]
