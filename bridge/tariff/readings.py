"""Points on which the specification can be read in several ways, and what the other readings give."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Final

from attrs import evolve, field, frozen

from bridge.model.tariff import Tariff
from bridge.tariff.bill import Bill, Sum, bill
from bridge.tariff.errors import PricingError
from bridge.tariff.money import HOUR, Rounding, decimal, rounding
from bridge.tariff.rules import Rules
from bridge.tariff.select import Selected, reparked, select
from bridge.tariff.totals import Totals, totals_of


@frozen
class Reading:
    """What another reading of the specification gives, where it changes the rounded total.

    ``point`` is the field of `Rules` that was changed, ``value`` its value here; ``assumes`` says what this reading
    takes for granted and ``chosen`` what ours does.
    """

    point: str
    value: str
    assumes: str
    chosen: str
    bill: Bill = field(repr=False, eq=False)

    @cached_property
    def totals(self) -> Totals:
        """The amounts under this reading."""
        return totals_of(self.bill, decimal)

    def rounded(self, policy: Rounding) -> Totals:
        """The amounts rounded, each once and from its exact value."""
        return totals_of(self.bill, policy.apply)


_SELECTING: Final = frozenset(
    {
        "midnight",
        "night_days",
        "ranges",
        "unknown",
        "tariff_ids",
        "parking_duration",
        "duration_start",
        "selection",
    }
)
"""Points that change which component prices what; the others only change how it is added up."""

POINTS: Final[dict[str, dict[str, str]]] = {
    "hours": {
        "timestamps": "a time within 0.00005 h of its period's timestamps is meant to be that span",
        "volumes": "a time is what its volume says, although four decimals cannot hold every second",
    },
    "uncovered": {
        "left-out": "a step rounds up what is priced; volume that no component prices does not count",
        "counted": "a step rounds up the session's whole volume, free parts included",
    },
    "parking_step": {
        "parking": "where charging and parking are both priced, the step rounds parking only",
        "last": "where charging and parking are both priced, the step rounds whichever came last",
    },
    "fees": {
        "first": "a session has one FLAT fee, the first that becomes active",
        "each": "every different FLAT component that becomes active is due once",
    },
    "midnight": {
        "end-of-day": "an end_time of 00:00 is the end of the day",
        "start-of-day": "an end_time of 00:00 is the start of the day, so that the window is empty",
    },
    "night_days": {
        "instant": "the weekday is that of the instant, also past midnight in a window over it",
        "start-day": "a window over midnight belongs to the weekday on which it starts",
    },
    "ranges": {
        "same": "minima (min_power, min_current) look at a period's lowest value, maxima at its highest",
        "crossed": "minima (min_power, min_current) look at a period's highest value, maxima at its lowest",
    },
    "unknown": {
        "no-match": "a restriction on power or current that the period does not tell does not match",
        "match": "a restriction on power or current that the period does not tell matches",
    },
    "tariff_ids": {
        "honoured": "each period is priced by the tariff it names, and not at all if it names none",
        "ignored": "every period is priced by the tariff valid at the session's start",
    },
    "parking_duration": {
        "session": "durations count from the session's start, for parking as well",
        "parking": "durations in elements for parking count from the start of parking",
    },
    "limit_tax": {
        "independent": "a limit without its amount after taxes leaves the amount after taxes as it is",
        "follows": "a limit without its amount after taxes moves the amount after taxes in proportion",
    },
    "limit_scope": {
        "all": "the limits hold for the total with the reservation in it",
        "without-reservation": "the limits hold for the total without the reservation",
    },
    "reservation_step": {
        "own": "reservation time is rounded up by itself",
        "shared": "reservation time counts towards the one step of charging and parking",
    },
    "duration_start": {
        "charging": "durations count from the end of the reservation",
        "reservation": "durations count from the start of the reservation",
    },
    "switch_step": {
        "whole": "after a switch of tariffs the last step is over the session's whole volume",
        "last-tariff": "after a switch of tariffs the last step is over the volume under the last tariff",
    },
    "selection": {
        "dimension": "the first matching element is looked up for each dimension",
        "element": "the first matching element gives the prices of all dimensions",
    },
}
"""The points of doubt that `price` reports, their values, and what each value assumes."""


@lru_cache(maxsize=256)
def _otherwise(rules: Rules, point: str, value: str) -> Rules:
    changes: dict[str, str] = {point: value}
    return evolve(rules, **changes)  # type: ignore[arg-type]  # the values come from POINTS


def readings_of(found: Selected, made: Bill, tariffs: Sequence[Tariff], rules: Rules, currency: str) -> tuple[Reading, ...]:
    """Price the other values of the points that were met; keep those that change the rounded total."""
    readings = []
    policy = rounding(currency)
    ours = _rounded(made.total, policy)
    for point, values in POINTS.items():
        if point not in found.doubts:
            continue
        chosen = getattr(rules, point)
        for value, assumes in values.items():
            if value == chosen:
                continue
            other = _otherwise(rules, point, value)
            try:
                result = bill(_selected(found, point, tariffs, other), other)
            except PricingError:
                continue  # under that reading there is no price at all
            if result.total != made.total and _rounded(result.total, policy) != ours:
                readings.append(Reading(point, value, assumes, values[chosen], result))
    return tuple(readings)


def _selected(found: Selected, point: str, tariffs: Sequence[Tariff], other: Rules) -> Selected:
    """What is selected under other rules; no more is looked up again than the point can change."""
    if point == "parking_duration" and other.parking_duration == "parking":
        return reparked(found, other)
    return select(found.case, tariffs, found.zone, other, found) if point in _SELECTING else found


def _rounded(total: Sum | None, policy: Rounding) -> tuple[Decimal | None, ...] | None:
    return None if total is None else tuple(None if x is None else policy.apply(x, HOUR) for x in total)
