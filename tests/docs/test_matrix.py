"""docs/matrix.md is what the mappings say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.mapping.registry import KINDS
from bridge.translate import matrix

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"


def test_the_page_is_current() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == matrix.markdown(), "run: python -m bridge.translate.matrix > docs/matrix.md"


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_told_for_every_kind(kind: str) -> None:
    """A format has a column, or a line that says why it has none."""
    formats = {e.format for e in matrix.entries()}
    section = matrix.markdown().split(f"\n## {kind}\n")[1].split("\n## ")[0]
    columns = next(line for line in section.splitlines() if line.startswith("| canonical |"))
    for name in formats:
        assert f" {name} |" in columns or f"- `{name}`: " in section


def test_no_cell_is_empty() -> None:
    for entry in matrix.entries():
        for path, cell in matrix.cells(entry.mapping):
            assert cell.detail if cell.grade == "dropped" else cell.wire, f"{entry.format} {entry.kind} {path}"


def test_what_a_cell_says() -> None:
    location = {e.format: dict(matrix.cells(e.mapping)) for e in matrix.entries() if e.kind == "location"}
    assert location["ocpi-2.2.1"]["evse.last_updated"].text().startswith("**exact** `evses.last_updated`; *defaulted*: ")
    assert location["oicp-2.3"]["evse.uid"].text() == "**dropped**: OICP knows EVSEs by their EVSE-ID only"
    assert location["oicp-2.3"]["evse.connectors.id"].text() == "**dropped**: OICP has no connector ids"
    assert location["ochp-1.4"]["evse.status"].text() == "**narrowed** `status` (ChargePointStatusType: 5 exact, 10 narrowed)"
