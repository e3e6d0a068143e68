"""Pricing of charging sessions: CDRs and sessions from their periods, running sessions from meter samples.

Knows the canonical model only. `price` and `price_session` compute, `check` compares a CDR's own figures with
what was computed, `lint` looks at a tariff by itself, `explain` says where every amount comes from.
``docs/pricing.md`` has the algorithm on one page and every point on which OCPI can be read in several ways.

Amounts are exact decimals to the end; `Priced.rounded` rounds them once, by a named policy of the currency.
"""

from bridge.tariff.check import check
from bridge.tariff.choice import choose
from bridge.tariff.clock import zone_named
from bridge.tariff.engine import Priced, price, price_periods
from bridge.tariff.errors import Finding, NoTariffError, PricingError, Severity
from bridge.tariff.explain import describe, explain, explanation
from bridge.tariff.lines import Line, Unpriced
from bridge.tariff.lint import lint
from bridge.tariff.live import Outlook, PricedSession, RunningSession, Sample, price_samples, price_session
from bridge.tariff.money import Rounding, rounding
from bridge.tariff.readings import POINTS, Reading
from bridge.tariff.rules import Rules
from bridge.tariff.totals import Billed, Totals

__all__ = [
    "POINTS",
    "Billed",
    "Finding",
    "Line",
    "NoTariffError",
    "Outlook",
    "Priced",
    "PricedSession",
    "PricingError",
    "Reading",
    "Rounding",
    "Rules",
    "RunningSession",
    "Sample",
    "Severity",
    "Totals",
    "Unpriced",
    "check",
    "choose",
    "describe",
    "explain",
    "explanation",
    "lint",
    "price",
    "price_periods",
    "price_samples",
    "price_session",
    "rounding",
    "zone_named",
]
