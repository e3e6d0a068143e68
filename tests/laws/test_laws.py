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
from tests.laws import generators, law, schema

CASES = law.cases()
PARTNERS: dict[str, Callable[[], Settings]] = {"no partner file": lambda: law.NONE, "example partner": law.example}

every_mapping = pytest.mark.parametrize("case", CASES, ids=str)
both_ways = pytest.mark.parametrize("way", ["out", "back"])
any_partner = pytest.mark.parametrize("partner", PARTNERS)

PHASES = (Phase.generate, Phase.shrink)


def explored(objects: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    """Run ``check`` on examples of ``objects``, always the same ones."""
    relaxed = settings(max_examples=examples, derandomize=True, deadline=None, database=None, phases=PHASES,
                       suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], report_multiple_bugs=False)  # fmt: skip
    relaxed(given(objects)(check))()


def given_side(case: law.Case, way: str) -> Any:
    """The class on the side from which the trip starts."""
    return case.mapping.canon if way == "out" else case.mapping.wire


def valid(cls: Any) -> st.SearchStrategy[Any]:
    """Valid objects, full ones among them."""
    return st.one_of(generators.objects(cls, full=True), generators.objects(cls))


def travel(case: law.Case, obj: Any, way: str, partner: str) -> law.Trip:
    """A round trip of one object."""
    return law.travel(case.mapping, obj, out=way == "out", settings=PARTNERS[partner](), format_=case.entry.format)


# --- laws 1 and 2 -----------------------------------------------------------------------------------------------------

NOT_TRIED = {
    ("ochp-1.4 status", "updated <-> timestamp"): "read from charge points only, where a static status stands; never written",
}
"""Rows that a round trip of valid objects does not touch, and why."""

CONFIGURED = {
    ("ocpi-2.1.1 session", "no partner file"): "the location in it demands an address, of which a session tells the identifiers only",
    ("ocpi-2.1.1 cdr", "no partner file"): "the location in it demands volts and amperes, which a CDR does not tell",
}
"""Records of which nothing can be written without the constants of a partner file, and why."""


@every_mapping
@both_ways
@any_partner
def test_what_is_not_told_as_lost_comes_back(case: law.Case, way: str, partner: str) -> None:
    """Laws 1 and 2: what no loss tells of comes back, row by row; every loss means a difference, every path leads somewhere."""
    mapped: list[bool] = []
    tried: set[str] = set()

    def check(obj: Any) -> None:
        trip = travel(case, obj, way, partner)
        mapped.append(trip.whole)
        tried.update(law.name(one) for one in law.rows(case.mapping) if law.tried(trip, one))
        if way == "out":
            assert trip.refused_back is None, "what was written cannot be read"
        elif not trip.losses_there:
            assert trip.refused_back is None, "what was read without loss cannot be written again"
        assert not law.broken_rows(trip), "rows of which nothing is told, and yet they come back otherwise"
        assert not law.untold(trip), "differences that no loss tells of"
        assert not law.noise(trip), "losses without a difference"
        assert not law.lost_ways(trip), "losses whose path names nothing"

    some = partner == "no partner file"
    explored(valid(given_side(case, way)), check, 20 if some else 50)
    enough = 0.9 if way == "back" else 0.0 if some else 0.3
    needs = way == "out" and (case.name, partner) in CONFIGURED
    assert needs or sum(mapped) > len(mapped) * enough, f"only {sum(mapped)} of {len(mapped)} objects were mapped: the law is hardly tried"
    if not some:
        rows = {law.name(one) for one in law.rows(case.mapping) if (case.name, law.name(one)) not in NOT_TRIED}
        never = sorted(rows - tried)
        assert not never, "rows that no example has a value for: the law is never tried on them"


# --- law 3 ------------------------------------------------------------------------------------------------------------


@every_mapping
@both_ways
def test_an_object_or_a_refusal_with_a_reason(case: law.Case, way: str) -> None:
    """Law 3: whatever has the right types becomes an object, or is refused with path and reason; nothing else happens."""

    def check(obj: Any) -> None:
        for partner in PARTNERS:
            trip = travel(case, obj, way, partner)
            assert trip.there is not None or trip.refused is not None
            assert not law.ill_told(trip)
            if way == "back" and trip.there is not None:
                assert not list(law.broken_promises(trip.there)), "what was read is not what the model promises"

    cls = given_side(case, way)
    explored(st.one_of(generators.objects(cls, wild=True), generators.objects(cls, wild=True), valid(cls)), check, 40)


# --- law 4 ------------------------------------------------------------------------------------------------------------


@every_mapping
def test_what_is_written_is_valid(case: law.Case) -> None:
    """Law 4, by our own descriptions: the wire classes' annotations, the XML schema that we ship."""

    def check(obj: Any) -> None:
        for partner in PARTNERS:
            trip = travel(case, obj, "out", partner)
            if trip.there is not None:
                assert not list(schema.faults(case.entry, trip.there))

    cls = case.mapping.canon
    explored(st.one_of(valid(cls), generators.objects(cls, wild=True)), check, 40)


@pytest.mark.spec
@every_mapping
def test_what_is_written_is_valid_by_the_official_facts(case: law.Case) -> None:
    """Law 4, by the published field tables and schemas."""
    if not schema.judge_present():
        pytest.skip("the official facts (../shared) are not beside the checkout")
    judged: list[bool] = []

    def check(obj: Any) -> None:
        for partner in PARTNERS:
            trip = travel(case, obj, "out", partner)
            if trip.there is not None:
                faults = schema.judged(case.entry, trip.there, whole=case.whole)
                judged.append(faults is not None)
                assert not faults

    explored(valid(case.mapping.canon), check, 25)
    status = (case.entry.family, case.entry.kind) == ("ocpi", "status")  # OCPI has no object for it: it is a field of the EVSE
    if not status:
        assert any(judged), "the official facts were never asked"


@pytest.mark.spec
@every_mapping
def test_the_examples_are_valid_themselves(case: law.Case) -> None:
    """The wire objects that the laws start from are what partners may send."""
    if not schema.judge_present():
        pytest.skip("the official facts (../shared) are not beside the checkout")

    def check(obj: Any) -> None:
        assert not schema.judged(case.entry, obj)
        assert not list(schema.faults(case.entry, obj))

    explored(valid(case.mapping.wire), check, 20)
