"""The pages about joining partners show the steps that ``evbridge partner checklist`` prints.

The tables between the marks are generated: ``python tests/docs/test_partners.py`` writes them anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.config import AgreementConfig, BridgeConfig, PartnerConfig
from bridge.joining.checklist import STEPS, table
from bridge.joining.facts import PartnerKind

FOLDER = Path(__file__).parents[2] / "docs" / "partners"
PAGES = {
    "ocpi-peer.md": PartnerKind.PEER, "ocpi-hub.md": PartnerKind.HUB, "hubject.md": PartnerKind.HUBJECT,
    "e-clearing.md": PartnerKind.HOUSE,
}  # fmt: skip
COMMANDS = {"partner", "outbox", "why", "check", "tariffs", "locations"}


def written(page: str, kind: PartnerKind) -> str:
    """The page with its table made anew."""
    made, count = re.subn(r"(<!-- checklist -->\n).*?(\n<!-- end -->)", lambda found: found[1] + table(kind) + found[2], page, flags=re.S)
    assert count == 1, "the page has no table of the steps"
    return made


@pytest.mark.parametrize("name", PAGES)
def test_the_steps_are_current(name: str) -> None:
    page = (FOLDER / name).read_text(encoding="utf-8")
    assert page == written(page, PAGES[name]), "run: python tests/docs/test_partners.py"


def test_every_kind_of_partner_has_its_page() -> None:
    assert set(PAGES.values()) == set(PartnerKind)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_what_a_step_names_exists(step: object) -> None:
    """Settings and commands in a step are the configuration's and the command's."""
    from bridge.cli import cli
    from bridge.cli.partner import partner

    keys = {*BridgeConfig.model_fields, *PartnerConfig.model_fields, *AgreementConfig.model_fields, "time_zone", "[[agreements]]",
            "[chargers.*]", "test = true", "step_size", "replay", "/admin/status", "/ocpi", "/api/oicp"}  # fmt: skip
    for text in re.findall(r"`([^`]+)`", getattr(step, "how")):  # noqa: B009
        words = text.split()
        if words[0] == "evbridge":
            assert words[1] in cli.list_commands(None)  # type: ignore[arg-type]
            assert words[1] != "partner" or words[2] in partner.commands
        elif not text.startswith("--"):
            assert text in keys, text


if __name__ == "__main__":
    for file, of in PAGES.items():
        (FOLDER / file).write_text(written((FOLDER / file).read_text(encoding="utf-8"), of), encoding="utf-8")
