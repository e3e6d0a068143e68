"""The engine against a naive simulation that shares no code with it, on random tariffs and sessions.

EVBRIDGE_SIMULATIONS sets how many there are in all (10 000).
"""

from __future__ import annotations

import os
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from bridge.model.cdr import Cdr
from bridge.model.common import Price
from bridge.tariff import Totals, price, price_session
from tests.tariff.naive import Money, Outcome, simulate
from tests.tariff.random_cases import case

COUNT = int(os.environ.get("EVBRIDGE_SIMULATIONS", "10000"))
BATCHES = 20


def same(amount: Decimal | None, exact: Fraction | None) -> bool:
    """Equal, or the nearest with twelve places where there is no finite decimal."""
    if amount is None or exact is None:
        return amount is None and exact is None
    return Fraction(amount) in (exact, Fraction(round(exact * 10**12), 10**12))


def differences(totals: Totals, outcome: Outcome) -> list[str]:
    wrong = []
    pairs: list[tuple[str, Price | None, Money | None]] = [("total", totals.total, outcome.total)]
    names = ("energy", "time", "parking", "fixed", "reservation")
    pairs += [(name, getattr(totals, name), outcome.parts.get(name)) for name in names]
    for name, amount, exact in pairs:
        if exact is None:
            # A component was active for a volume of nothing; the simulation has no such thing.
            if amount is not None and (amount.excl or amount.incl):
                wrong.append(f"{name}: {amount} and nothing")
        elif amount is None or not (same(amount.excl, exact[0]) and same(amount.incl, exact[1])):
            wrong.append(f"{name}: {amount} and {exact}")
    return wrong


@pytest.mark.parametrize("batch", range(BATCHES))
def test_simulation(batch: int) -> None:
    for number in range(batch, COUNT, BATCHES):
        made = case(Random(number))
        done = price_session(made.samples, [made.tariff], made.zone, reserved_from=made.reserved_from)
        outcome = simulate(made.tariff, made.script, made.zone)
        assert not differences(done.priced.totals, outcome), (number, made)
        # The same session told as periods costs the same.
        cdr = Cdr(start=done.start, end=done.end, periods=done.periods)
        again = price(cdr, [made.tariff], made.zone)
        assert again.totals == done.priced.totals, number
