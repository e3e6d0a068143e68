"""The four laws, for every registered mapping, both directions, without and with a partner file.

A mapping that is registered later is under the laws at once; its classes may need rows in :mod:`tests.laws.generators`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bridge.mapping import Settings
from bridge.mapping.shape import shape
from tests.laws import generators, law

CASES = law.cases()
DIRECTIONS = ("out", "back")
PARTNERS: dict[str, Callable[[], Settings]] = {"no partner file": lambda: law.NONE, "example partner": law.example}

every_mapping = pytest.mark.parametrize("case", CASES, ids=str)
both_ways = pytest.mark.parametrize("way", DIRECTIONS)
any_partner = pytest.mark.parametrize("partner", PARTNERS)


def explored(objects: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    """Run ``check`` on examples of ``objects``, always the same ones."""
    relaxed = settings(max_examples=examples, derandomize=True, deadline=None, database=None, phases=PHASES,
                       suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], report_multiple_bugs=False)  # fmt: skip
    relaxed(given(objects)(check))()


PHASES = (Phase.generate, Phase.shrink)


def given_side(case: law.Case, way: str) -> Any:
    """The class on the side from which the trip starts."""
    return case.mapping.canon if way == "out" else case.mapping.wire


def valid(cls: Any) -> st.SearchStrategy[Any]:
    """Valid objects, full ones among them."""
    return st.one_of(generators.objects(cls, full=True), generators.objects(cls))


@every_mapping
@both_ways
@any_partner
def test_what_is_not_told_as_lost_comes_back(case: law.Case, way: str, partner: str) -> None:
    """Law 2, and law 1 for all rows at once: every difference lies under a loss, and every loss means a difference."""
    mapped = []

    def check(obj: Any) -> None:
        trip = law.travel(case.mapping, obj, out=way == "out", settings=PARTNERS[partner](), format_=case.entry.format)
        mapped.append(trip.whole)
        assert trip.refused_back is None or trip.out is False, f"what was written cannot be read: {trip.refused_back}"
        if trip.whole:
            assert not law.untold(trip), "differences that no loss tells of"
            assert not law.noise(trip), "losses without a difference"
            assert not law.lost_ways(trip), "losses whose path names nothing"

    explored(valid(given_side(case, way)), check, 60)
    if way == "back" or partner != "no partner file":
        assert sum(mapped) * 2 > len(mapped), f"only {sum(mapped)} of {len(mapped)} examples were mapped: the law is hardly tried"
