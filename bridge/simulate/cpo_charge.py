"""A session of the simulated CPO, from its beginning to its bill."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import define, field, frozen

from bridge.simulate.ocpi_party import stamp

OVER = ("COMPLETED", "INVALID")
"""Statuses of sessions that have ended."""
CURRENCY = "EUR"
"""Where no tariff says another."""
VAT = Decimal(19)
"""Percent, where no tariff says another."""


def hours(start: datetime, end: datetime) -> Decimal:
    """The time between, in hours."""
    return Decimal(str((end - start).total_seconds())) / 3600


@frozen
class Period:
    """A part of a session: energy in kWh, time in hours."""

    start: datetime
    kwh: Decimal
    hours: Decimal


@frozen
class Bill:
    """What a session costs before taxes; ``energy`` and ``fixed`` are its parts where it was priced by ``tariff``."""

    excl: Decimal
    vat: Decimal
    """Percent."""
    currency: str = CURRENCY
    tariff: dict[str, Any] | None = None
    energy: Decimal | None = None
    fixed: Decimal | None = None


@define(eq=False)
class Charge:
    """A session. ``place`` and ``tariff`` are as they were at the start, ``card`` is as sessions and CDRs repeat it."""

    id: str
    card: dict[str, Any]
    how: str
    """AuthMethod."""
    place: dict[str, Any]
    evse_uid: str
    connector_id: str
    start: datetime
    reference: str | None = None
    tariff: dict[str, Any] | None = None
    status: str = "ACTIVE"
    periods: list[Period] = field(factory=list)
    until: datetime = field(init=False)
    """Up to when there are periods."""
    end: datetime | None = None
    bill: Bill | None = None
    last_updated: str = field(factory=stamp)
    busy: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    """What happens to it, and is told of it, happens one after another."""

    def __attrs_post_init__(self) -> None:
        self.until = self.start

    @property
    def kwh(self) -> Decimal:
        """What was charged."""
        return sum((p.kwh for p in self.periods), Decimal(0))

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in OVER

    @property
    def currency(self) -> str:
        """In what it is billed."""
        if self.bill is not None:
            return self.bill.currency
        return CURRENCY if self.tariff is None else str(self.tariff["currency"])

    def touch(self) -> None:
        """It was changed now."""
        self.last_updated = max(self.last_updated, stamp())

    def add(self, kwh: Decimal, until: datetime) -> Period:
        """A period up to ``until``, at the end of which so much has been charged in all. Raises ValueError."""
        if kwh < self.kwh:
            raise ValueError(f"kwh: {self.kwh} were charged already")
        period = Period(self.until, kwh - self.kwh, hours(self.until, until))
        self.periods.append(period)
        self.until = until
        self.touch()
        return period


def priced(tariff: dict[str, Any] | None, kwh: Decimal) -> Bill:
    """What so much costs by a tariff that has prices for energy and sessions alone. Raises ValueError: somebody has to say it."""
    if tariff is None:
        raise ValueError("cost: has to be told, there is no tariff")
    components = [component for element in tariff["elements"] for component in element["price_components"]]
    prices: dict[str, dict[str, Any]] = {}
    for component in components:
        prices.setdefault(component["type"], component)
    if any(e.get("restrictions") for e in tariff["elements"]) or tariff.get("tax_included") == "YES" or prices.keys() - {"ENERGY", "FLAT"}:
        raise ValueError("cost: has to be told, this tariff is too much for a stand-in")
    energy, fixed = (Decimal(str(prices[kind]["price"])) if kind in prices else Decimal(0) for kind in ("ENERGY", "FLAT"))
    vat = Decimal(str(next((c["vat"] for c in components if "vat" in c), 0)))
    return Bill(energy * kwh + fixed, vat, tariff["currency"], tariff, energy * kwh, fixed)
