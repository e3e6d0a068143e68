"""Amounts per dimension and the volumes they are for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from attrs import frozen

from bridge.model.common import Price
from bridge.tariff.bill import Bill, Share
from bridge.tariff.money import HOUR, ZERO, Exact, decimal

Finish = Callable[[Exact, int], Decimal]


@frozen
class Billed:
    """The volumes that were priced, after steps. ``hours`` of charging, parking and reservation."""

    energy_kwh: Decimal = ZERO
    charging_hours: Decimal = ZERO
    parking_hours: Decimal = ZERO
    reservation_hours: Decimal = ZERO


@frozen
class Totals:
    """Amounts per dimension, None where no component was active, and what was billed.

    A Price's ``excl`` or ``incl`` is None where it cannot be determined. Amounts are exact; one without a
    finite decimal form has twelve places (`bridge.tariff.money.PLACES`).
    """

    total: Price | None = None
    energy: Price | None = None
    time: Price | None = None
    parking: Price | None = None
    fixed: Price | None = None
    reservation: Price | None = None
    billed: Billed = Billed()


def totals_of(made: Bill, finish: Finish) -> Totals:
    """The amounts of a bill, each finished (written out, or rounded) once."""

    total = made.total
    return Totals(
        None if total is None else _amount(*total, HOUR, finish),
        _part(made.energy, finish),
        _part(made.time, finish),
        _part(made.parking, finish),
        _part(made.fixed, finish),
        _part(made.reserved, finish),
        Billed(
            made.energy.volume,
            decimal(made.time.volume, HOUR),
            decimal(made.parking.volume, HOUR),
            decimal(made.reserved.volume, HOUR),
        ),
    )


def _part(share: Share, finish: Finish) -> Price | None:
    return _amount(share.excl, share.incl, share.per, finish) if share.active else None


def _amount(excl: Exact | None, incl: Exact | None, per: int, finish: Finish) -> Price:
    return Price(None if excl is None else finish(excl, per), None if incl is None else finish(incl, per))
