"""The explanation traces every amount, and the page about pricing shows what the program prints."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from bridge.cli.price import price as command
from bridge.model.location import RegularHours
from bridge.model.tariff import PriceLimit, ReservationKind, Restrictions, TaxIncluded
from bridge.tariff import POINTS, describe, explain, explanation, price_session
from tests.tariff.build import HOUR, MINUTE, MONDAY, cdr, component, d, element, period, priced, tariff
from tests.tariff.random_cases import case

PAGE = Path(__file__).parents[2] / "docs" / "pricing.md"


def test_the_page_shows_what_the_program_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    tariffs, record = re.findall(r"```json\n(.*?)```", text, re.S)
    (console,) = re.findall(r"```console\n\$ evbridge price (.*?)\n(.*?)```", text, re.S)
    monkeypatch.chdir(tmp_path)
    Path("tariffs.json").write_text(tariffs, encoding="utf-8")
    Path("cdr.json").write_text(record, encoding="utf-8")
    result = CliRunner().invoke(command, console[0].split())
    assert result.exit_code == 0
    assert result.stdout == console[1]


def test_the_page_has_every_point_and_value() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for point, values in POINTS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{point}`")]
        ours, other = values
        cells = row.split(" | ")
        assert f"`{ours}`" in cells[1]
        assert f"`{other}`" in cells[2]


def test_the_page_has_every_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    package = Path(__file__).parents[2] / "bridge"
    sources = [*(package / "tariff").glob("*.py"), package / "cli" / "tariff.py"]
    codes = {c for s in sources for c in re.findall(r'Finding\(\s*"([A-Z_]+)"', s.read_text(encoding="utf-8"))}
    codes |= {"COST_MISMATCH", "COST_INCL_MISMATCH", "PART_COST_MISMATCH", "PART_COST_INCL_MISMATCH"}
    assert len(codes) > 40
    assert {code for code in codes if not re.search(rf"\b{code}\b", text)} == set()


@pytest.mark.parametrize("seed", range(60))
def test_every_amount_traces_to_element_component_volume_rule_and_period(seed: int) -> None:
    made = case(Random(seed))
    done = price_session(made.samples, [made.tariff], made.zone, reserved_from=made.reserved_from)
    tree = explanation(done.priced)
    assert json.loads(json.dumps(tree)) == tree
    for name, part in tree["parts"].items():
        amount = getattr(done.priced.totals, name)
        for side in ("excl", "incl"):
            whole = getattr(amount, side)
            lines = [line[f"{side}_vat"] for line in part["lines"]]
            assert part[f"{side}_vat"] == (None if whole is None else f"{whole.normalize():f}")
            if whole is not None:
                assert abs(sum(map(Decimal, lines)) - whole) <= len(lines) * d("1e-12")
        for line in part["lines"]:
            held = made.tariff.elements[line["element"]]
            item = held.components[line["component"]]
            assert (item.dimension, Decimal(line["price"])) == (line["dimension"].replace("RESERVATION_", ""), item.price)
            assert line["rule"] == describe(held.restrictions)
            assert Decimal(line["billed"]) >= Decimal(line["consumed"])
            assert 0 <= line["period"] < len(done.periods)
    text = explain(done.priced)
    assert text.count(", component ") == len(done.priced.lines)


def test_steps_limits_and_what_is_free() -> None:
    own = tariff(
        element(component("ENERGY 1", 500), end_time="12:00"),
        element("TIME 2", reservation=ReservationKind.RESERVATION),
        min_price=PriceLimit(d(9), d(10)),
    )
    record = cdr(
        period(MONDAY, RESERVATION_TIME="0.5"),
        period(MONDAY + 30 * MINUTE, ENERGY="1.2", TIME="0.5"),
        period(MONDAY + HOUR, ENERGY=4, TIME=1),
    )
    tree = explanation(priced(record, own))
    assert tree["steps"] == [
        {"dimension": "ENERGY", "period": 1, "consumed": "1.2", "step": "500 Wh", "added": "0.3"},
    ]
    assert tree["limits"] == [
        {"limit": "min_price", "side": "excl_vat", "from": "2.5", "to": "9"},
        {"limit": "min_price", "side": "incl_vat", "from": "2.5", "to": "10"},
    ]
    assert [(u["period"], u["dimension"], u["volume"]) for u in tree["unpriced"]] == [
        (1, "TIME", "0.5"),
        (2, "ENERGY", "4"),
        (2, "TIME", "1"),
    ]
    text = explain(priced(record, own))
    for words in (
        "energy        1.5 kWh (1.2 kWh rounded up) at 1 per kWh = 1.5",
        "step: energy of 1.2 kWh in steps of 500 Wh adds 0.3 kWh to period 2",
        "min_price before taxes: 2.5 becomes 9",
        "energy        4 kWh: nothing, no ENERGY component of tariff T matches at the period's start",
        "reservation   30 min at 2 per h = 1",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("included", "words"),
    [
        (TaxIncluded.NO, "5 before taxes; after them is not known"),
        (TaxIncluded.YES, "5 after taxes; before them is not known"),
    ],
)
def test_what_is_not_known_is_said(included: TaxIncluded, words: str) -> None:
    assert words in explain(priced(cdr(period(MONDAY, ENERGY=5)), tariff("ENERGY 1", tax_included=included)))


def test_an_open_session_and_one_without_a_price() -> None:
    made = priced(cdr(period(MONDAY, ENERGY=5)), tariff("PARKING_TIME 1"))
    assert "total           nothing" in explain(made)


@pytest.mark.parametrize(
    ("restrictions", "words"),
    [
        (None, "always"),
        (Restrictions(), "always"),
        (Restrictions(start_time="22:00", end_time="06:00", days=(1, 2, 3, 4, 5)), "22:00 to 06:00, Mon-Fri"),
        (Restrictions(end_time="00:00", days=(6, 7)), "00:00 to 24:00, Sat/Sun"),
        (Restrictions(days=(1, 3, 5)), "Mon/Wed/Fri"),
        (Restrictions(min_kwh=d("20.0"), max_kwh=d(50)), "from 20 to below 50 kWh"),
        (Restrictions(max_power=d(16)), "below 16 kW"),
        (Restrictions(min_current=d(32)), "from 32 A"),
        (Restrictions(min_duration=60), "from 60 s of the session"),
        (Restrictions(start_date=date(2026, 1, 1)), "from 2026-01-01"),
        (Restrictions(windows=(RegularHours(1, "08:00", "12:00"),)), "Mon 08:00 to 12:00"),
        (Restrictions(reservation=ReservationKind.RESERVATION_EXPIRES), "expired reservation"),
        (Restrictions(reservation=ReservationKind.RESERVATION, max_duration=9), "reservation, below 9 s of the session"),
    ],
)
def test_words_for_restrictions(restrictions: Restrictions | None, words: str) -> None:
    assert describe(restrictions) == words
