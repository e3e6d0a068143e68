"""docs/conformance-ocpi.md has every rule once, names tests that exist, and says of nothing that is built that it is not."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from attrs import frozen

from bridge.ocpi.served import INTERFACES
from bridge.ocpi.version import BY_NUMBER
from tests.protocol.ocpi_world import shared

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance-ocpi.md"
NUMBERS = tuple(range(1, 89))
"""The rules of the checklist."""
STATES = {"shown", "partly", "deviates", "not built", "not ours"}


@frozen
class Rule:
    """A line of the page."""

    number: int
    demanded: str
    versions: str
    state: str
    told: str

    @property
    def tests(self) -> list[str]:
        """The tests that it names."""
        return re.findall(r"`([\w/]+\.py::\w+)`", self.told)

    @property
    def note(self) -> str:
        """What it says besides."""
        return re.sub(r"`[\w/]+\.py::\w+`", "", self.told).strip(" ,")

    @property
    def missing(self) -> list[tuple[str, str, str]]:
        """The interfaces that are said not to be there: module, role, and a part of a path below it or nothing."""
        return re.findall(r"`(\w+) (SENDER|RECEIVER)(?: (\w+))?`", self.told)


def rules() -> list[Rule]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert [one for one in cells if len(one) != 5] == []
    return [Rule(int(number), *rest) for number, *rest in cells]


RULES = rules()
each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.number))


@cache
def defined_in(file: Path) -> frozenset[str]:
    """Names of the tests that a file defines."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name.startswith("test_"))


def test_every_rule_is_there_once_in_order() -> None:
    assert [rule.number for rule in RULES] == list(NUMBERS)


@pytest.mark.spec
def test_no_rule_of_the_checklist_is_missing() -> None:
    text = shared("spec", "ocpi.md").read_text(encoding="utf-8")
    checklist = text[text.index("# (b) ") : text.index("# (c) ")]
    told = [int(number) for number in re.findall(r"(?:^|(?<=\. ))(\d{1,2})\. (?=\S)", checklist, re.M)]
    assert len(told) == len(set(told)) > 80
    assert set(told) - {rule.number for rule in RULES} == set()


@each
def test_a_rule_says_what_it_demands_of_whom(rule: Rule) -> None:
    assert len(rule.demanded.split()) >= 4
    assert rule.state in STATES
    assert rule.versions == "all" or set(rule.versions.split(", ")) < set(BY_NUMBER)


@each
def test_the_tests_that_it_names_exist(rule: Rule) -> None:
    assert len(set(rule.tests)) == len(rule.tests)
    for test in rule.tests:
        file, _, name = test.partition("::")
        assert (ROOT / "tests" / file).is_file(), file
        assert name in defined_in(ROOT / "tests" / file), test
    if rule.state in ("shown", "partly", "deviates"):
        assert rule.tests


@each
def test_what_is_not_as_demanded_is_named(rule: Rule) -> None:
    wanted = {"partly": "Missing: ", "not built": "Missing: ", "deviates": "Deviates"}.get(rule.state, "")
    assert wanted in rule.note
    if wanted:
        assert len(rule.note.partition(wanted)[2].split()) >= 2
    else:
        assert not re.search("Missing|Deviates", rule.note)
    assert rule.note or rule.state != "not ours"


@each
def test_nothing_that_is_served_is_said_to_be_missing(rule: Rule) -> None:
    for module, role, path in rule.missing:
        found = [
            i
            for i in INTERFACES
            if (i.module.lower(), i.role) == (module.lower(), role) and (not path or any(path in p for p in i.resources))
        ]
        assert found == [], f"{module} {role} {path} is served now: name the tests that show the rule"


def test_what_it_links_to_exists() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / link).is_file(), link
