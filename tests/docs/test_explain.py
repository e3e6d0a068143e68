"""`evbridge explain` prints what the rows say."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bridge.cli import cli
from bridge.mapping.registry import Entry, every


def explain(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    done = CliRunner().invoke(cli, ["explain", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("entry", every(), ids=lambda e: f"{e.format} {e.kind}")
def test_every_mapping_can_be_explained(entry: Entry) -> None:
    format_, kind = entry.format, entry.kind
    code, table, _ = explain(format_, kind)
    assert code == 0
    assert table.startswith(format_)
    found = json.loads(explain(format_, kind, "--json")[1])
    assert (found["format"], found["kind"]) == (format_, kind)
    for mapping in found["mappings"]:
        for line in mapping["rows"]:
            assert line["how"]
            assert line["wire"] or line["canonical"]
            assert (line["wire"] and line["canonical"]) or line["lost"]


def test_a_row_tells_both_fields_how_and_what_is_lost() -> None:
    rows = {tuple(r["wire"]): r for r in json.loads(explain("oicp-2.3", "location", "--json")[1])["mappings"][0]["rows"]}
    assert rows["HotlinePhoneNumber",] == {
        "wire": ["HotlinePhoneNumber"],
        "canonical": ["place.help_phone"],
        "how": "phone number; else configured: hotline",
        "lost": [],
    }
    assert rows["AccessibilityLocation",]["lost"][0] == "ALONG_MOTORWAY is dropped: OICP has no motorway"


def test_nested_mappings_stand_below() -> None:
    table = explain("ocpi-2.2.1", "location")[1]
    places = [table.index(f"ocpi-2.2.1 {name}: ") for name in ("Location", "EVSE at evses", "Connector at evses.connectors")]
    assert places == sorted(places)


def test_lines_stay_within_a_wide_terminal() -> None:
    assert max(len(line) for line in explain("oicp-2.3", "location")[1].splitlines()) <= 200


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("oicp-2.3", "place"), "place is no kind of record; there are location, status, token, tariff, session, cdr"),
        (("oicp-9", "location"), "format oicp-9 is not built (there are "),
        (("ochp-1.4", "session"), "ochp-1.4 has no session (it has "),
    ],
)
def test_what_there_is_not_is_one_line(arguments: tuple[str, str], reason: str) -> None:
    code, out, err = explain(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert reason in err
