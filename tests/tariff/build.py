"""Short ways to write tariffs and CDRs in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bridge.model.cdr import Cdr
from bridge.model.common import Price
from bridge.model.ids import TariffId
from bridge.model.session import CdrDimension, ChargingPeriod, Volume
from bridge.model.tariff import Dimension, PriceComponent, Restrictions, Tariff, TariffElement
from bridge.tariff import Priced, Rules, price

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)  # 11:00 in Berlin
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def d(value: str | int) -> Decimal:
    return Decimal(value)


def component(text: str, step: int = 0, vat: str | None = None) -> PriceComponent:
    """``"ENERGY 0.25"``."""
    name, amount = text.split()
    return PriceComponent(Dimension(name), Decimal(amount), Decimal(step), None if vat is None else Decimal(vat))


def element(*components: str | PriceComponent, **restrictions: Any) -> TariffElement:
    made = tuple(component(c) if isinstance(c, str) else c for c in components)
    limits = ("min_kwh", "max_kwh", "min_power", "max_power", "min_current", "max_current")
    numbers = {k: Decimal(str(v)) for k, v in restrictions.items() if k in limits}
    held = Restrictions(**{**restrictions, **numbers}) if restrictions else None
    return TariffElement(made, held)


def tariff(*elements: TariffElement | str, **more: Any) -> Tariff:
    made = tuple(element(e) if isinstance(e, str) else e for e in elements)
    own = {"id": TariffId("T"), "currency": "EUR", **more}
    return Tariff(elements=made, **own)


def volumes(**amounts: str | int | Decimal) -> tuple[Volume, ...]:
    return tuple(Volume(CdrDimension(name), Decimal(amount)) for name, amount in amounts.items())


def period(start: datetime, tariff_id: str | None = None, **amounts: str | int | Decimal) -> ChargingPeriod:
    return ChargingPeriod(start, volumes(**amounts), None if tariff_id is None else TariffId(tariff_id))


def cdr(*periods: ChargingPeriod, end: datetime | None = None, start: datetime | None = None, **more: Any) -> Cdr:
    """A CDR over periods; it ends an hour after the last one starts if nothing else is said."""
    return Cdr(start=start or periods[0].start, end=end or periods[-1].start + HOUR, periods=periods, **more)


def priced(record: Cdr, *tariffs: Tariff, zone: ZoneInfo = BERLIN, rules: Rules | None = None) -> Priced:
    return price(record, tariffs, zone, rules or Rules())


def excl(amount: Price | None) -> Decimal | None:
    assert amount is not None
    return amount.excl


def incl(amount: Price | None) -> Decimal | None:
    assert amount is not None
    return amount.incl


def local(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    """A local time, ``2026-03-02 11:00``, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)
