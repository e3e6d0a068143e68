"""OICP 2.3 dynamic pricing (PricingProductDataRecord): one base price per product, and fees.

A product has one reference unit, weekly hours and a highest power; the product valid when charging starts holds for the
whole session. What would change prices by being left out refuses the tariff.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bridge.errors import Refused
from bridge.mapping import DEFAULTED, DROPPED, NARROWED, At, Context, Converter, Mapping, Of, no_place, row
from bridge.model import tariff as c
from bridge.model.ids import TariffId
from bridge.model.location import RegularHours
from bridge.oicp import wire as w
from mappings.oicp.hours import DAYS_OF, days_told
from mappings.shared import CLOCK

_BASE = (c.Dimension.ENERGY, c.Dimension.TIME)
_LIMITED = {"start_date": "dates", "end_date": "dates", "start": "moments", "end": "moments", "min_kwh": "energy", "max_kwh": "energy",
            "min_current": "current", "max_current": "current", "min_power": "power", "min_duration": "duration",
            "max_duration": "duration", "reservation": "reservations"}  # fmt: skip


class Product(Converter):
    """Elements, minimum and maximum price and highest power against base price, hours and fees."""

    note = "elements <-> base price, hours, fees"
    key_hint = "max_power_kw"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        elements, low, high, power = value
        path = at.src[0]
        restrictions = self._shared(elements or (), path)
        base, fees = self._prices(elements or (), cx, path)
        for i in range(1, len(elements)):
            cx.lose(f"{path}[{i}]", NARROWED, "prices", "read back with the prices of the first element")
        if base is None:
            if "FIXED FEE" not in {f.AdditionalReference.value for f in fees}:
                raise Refused(path, "OICP needs a price per kWh or hour, or a fixed fee")
            base = (w.ReferenceUnit.KILOWATT_HOUR, Decimal(0))
            cx.lose(at.dst[1], DEFAULTED, 0, "a fixed fee stands beside a base price of zero")
        fees += self._limits(low, high, cx, at)
        highest = restrictions.max_power if restrictions is not None and restrictions.max_power is not None else power
        if highest is None:
            highest = cx.constants.get("max_power_kw")
            if highest is not None:
                cx.lose(at.dst[2], DEFAULTED, highest, "configured: max_power_kw")
        elif restrictions is not None and restrictions.max_power is not None:
            cx.lose(f"{path}[0].restrictions.max_power", NARROWED, highest, "the EVSE's class in OICP, not the live power")
            if power is not None and power != highest:
                cx.lose(at.src[3], NARROWED, power, "the restriction's power stands for it")
        hours = self._hours(restrictions, cx, path)
        return base[0], base[1], highest, not hours, hours, tuple(fees) or None

    def _shared(self, elements: Any, path: str) -> c.Restrictions | None:
        if not elements:
            raise Refused(path, "a tariff without elements")
        first: c.Restrictions | None = elements[0].restrictions
        for i, one in enumerate(elements):
            if (one.restrictions or None) != (first or None):
                raise Refused(f"{path}[{i}].restrictions", "OICP has one set of hours for all prices of a product")
        for name, what in _LIMITED.items():
            if first is not None and getattr(first, name) is not None:
                raise Refused(f"{path}[0].restrictions.{name}", f"OICP cannot restrict prices by {what}", getattr(first, name))
        return first

    def _prices(self, elements: Any, cx: Context, path: str) -> Any:
        seen: dict[c.Dimension, tuple[str, c.PriceComponent]] = {}
        for i, element in enumerate(elements):
            for j, one in enumerate(element.components):
                at = f"{path}[{i}].components[{j}]"
                if one.dimension in seen:
                    cx.lose(at, DROPPED, one.price, "an earlier price of the same dimension always comes first")
                    continue
                seen[one.dimension] = (at, one)
                if one.dimension not in (*_BASE, c.Dimension.FLAT, c.Dimension.PARKING_TIME):
                    raise Refused(at, f"OICP has no price per {one.dimension.value}", one.price)
                if one.step > 1:
                    cx.lose(f"{at}.step", DROPPED, one.step, "OICP has no steps: at most one step's price differs")
                if one.vat is not None:
                    cx.lose(f"{at}.vat", DROPPED, one.vat, "OICP's prices are net and do not tell VAT")
        bases = [d for d in _BASE if d in seen]
        if len(bases) == 2:
            raise Refused(seen[bases[1]][0], "OICP has one base price: per kWh or per hour, not both", seen[bases[1]][1].price)
        base = None
        if bases:
            unit = w.ReferenceUnit.KILOWATT_HOUR if bases[0] is c.Dimension.ENERGY else w.ReferenceUnit.HOUR
            base = (unit, seen[bases[0]][1].price)
            if unit is w.ReferenceUnit.HOUR:
                cx.lose(
                    f"{seen[bases[0]][0]}.dimension",
                    NARROWED,
                    "TIME",
                    "OICP bills from ChargingStart to ChargingEnd, pauses included",
                )
        fees = []
        if c.Dimension.FLAT in seen:
            fee = w.AdditionalReference.START_FEE if bases else w.AdditionalReference.FIXED_FEE
            fees.append(_fee(fee, w.ReferenceUnit.HOUR, seen[c.Dimension.FLAT][1].price))
        if c.Dimension.PARKING_TIME in seen:
            fees.append(_fee(w.AdditionalReference.PARKING_FEE, w.ReferenceUnit.HOUR, seen[c.Dimension.PARKING_TIME][1].price))
        return base, fees

    def _limits(self, low: Any, high: Any, cx: Context, at: At) -> list[w.AdditionalReferences]:
        made = []
        for name, limit, fee in (
            ("min", low, w.AdditionalReference.MINIMUM_FEE),
            ("max", high, w.AdditionalReference.MAXIMUM_FEE),
        ):
            path = at.src[1] if name == "min" else at.src[2]
            if limit is None:
                continue
            if limit.excl is None:
                raise Refused(path, "OICP's limits are net; the net one is not told", limit.incl)
            if limit.incl is not None:
                cx.lose(f"{path}.incl", DROPPED, limit.incl, "OICP's limits are net")
            made.append(_fee(fee, w.ReferenceUnit.HOUR, limit.excl))
        return made

    def _hours(self, r: c.Restrictions | None, cx: Context, path: str) -> tuple[w.ProductAvailabilityTimes, ...]:
        if r is None or not (r.start_time or r.end_time or r.days or r.windows):
            return ()
        at = f"{path}[0].restrictions"
        grouped: dict[tuple[int, ...], list[tuple[str, str]]] = {}
        if r.windows:
            per_day: dict[int, list[tuple[str, str]]] = {}
            for one in r.windows:
                per_day.setdefault(one.weekday, []).append((one.begin, one.end))
            for day, spans in per_day.items():
                grouped.setdefault((day,), spans)
        else:
            begin, end = r.start_time or "00:00", r.end_time or "24:00"
            end = "24:00" if end == "00:00" else end
            spans = [(begin, end)] if begin < end else [("00:00", end), (begin, "24:00")]
            grouped[tuple(r.days) or (1, 2, 3, 4, 5, 6, 7)] = spans
        cx.lose(at, NARROWED, "hours", "the product valid when charging starts holds for the whole session in OICP")
        return tuple(
            w.ProductAvailabilityTimes(Period=tuple(w.Period(begin=b, end=e) for b, e in spans), on=day)
            for days, spans in grouped.items()
            for day in days_told(list(days))
        )

    def back(self, value: Any, cx: Context, at: At) -> Any:
        unit, price, power, _, hours, fees = value
        for i, one in enumerate(hours or ()):
            for j, period in enumerate(one.Period):
                if not (CLOCK.fullmatch(period.begin) and CLOCK.fullmatch(period.end)):
                    because = "no times of day: without them the price would hold always"
                    raise Refused(f"{at.src[4]}[{i}].Period[{j}]", because, period.begin)
        windows = [RegularHours(day, p.begin, p.end) for one in hours or () for p in one.Period for day in DAYS_OF[one.on]]
        restrictions = _restrictions(tuple(sorted(windows, key=lambda h: (h.weekday, h.begin)))) if windows else None
        components: list[c.PriceComponent] = []
        limits: dict[str, c.PriceLimit] = {}
        fixed = any(f.AdditionalReference is w.AdditionalReference.FIXED_FEE for f in fees or ())
        if unit is not None and price is not None and not (fixed and price == 0):
            dimension = c.Dimension.ENERGY if unit is w.ReferenceUnit.KILOWATT_HOUR else c.Dimension.TIME
            per_hour = price * 60 if unit is w.ReferenceUnit.MINUTE else price
            if unit is w.ReferenceUnit.MINUTE:
                cx.lose(at.src[0], NARROWED, unit, "read as a price per hour, times 60")
            components.append(c.PriceComponent(dimension, per_hour))
        elif unit is not None and unit is not w.ReferenceUnit.KILOWATT_HOUR:
            cx.lose(at.src[0], DROPPED, unit, "the unit of no price: the fee is fixed")
        for i, fee in enumerate(fees or ()):
            amount = fee.PricePerAdditionalReferenceUnit
            kind = fee.AdditionalReference
            if kind in (w.AdditionalReference.START_FEE, w.AdditionalReference.FIXED_FEE):
                based = any(p.dimension in _BASE for p in components)
                known = next((p for p in components if p.dimension is c.Dimension.FLAT), None)
                if known is not None:
                    for k, one in enumerate(fees[: i + 1]):
                        if one.AdditionalReference in (w.AdditionalReference.START_FEE, w.AdditionalReference.FIXED_FEE):
                            cx.lose(f"{at.src[5]}[{k}]", NARROWED, one.AdditionalReference, "start fee and fixed fee are read as one")
                    components[components.index(known)] = c.PriceComponent(c.Dimension.FLAT, known.price + amount)
                    continue
                components.append(c.PriceComponent(c.Dimension.FLAT, amount))
                if based != (kind is w.AdditionalReference.START_FEE):
                    cx.lose(f"{at.src[5]}[{i}]", NARROWED, kind, "a start fee beside a base price, a fixed fee without one: the same price")
            elif kind is w.AdditionalReference.PARKING_FEE:
                times = {w.ReferenceUnit.MINUTE: 60, w.ReferenceUnit.HOUR: 1}.get(fee.AdditionalReferenceUnit)
                if times is None:
                    raise Refused(f"{at.src[5]}[{i}]", "a parking fee is per time", amount)
                components.append(c.PriceComponent(c.Dimension.PARKING_TIME, amount * times))
            elif kind is w.AdditionalReference.MINIMUM_FEE:
                limits["min"] = c.PriceLimit(amount)
            else:
                limits["max"] = c.PriceLimit(amount)
        elements = (c.TariffElement(tuple(components), restrictions),) if components else None
        return elements, limits.get("min"), limits.get("max"), power


def _restrictions(windows: tuple[RegularHours, ...]) -> c.Restrictions | None:
    """Weekly hours as days with one span, or a span over midnight, where that says the same; else as they are."""
    per_day: dict[int, tuple[tuple[str, str], ...]] = {}
    for one in windows:
        per_day[one.weekday] = (*per_day.get(one.weekday, ()), (one.begin, one.end))
    spans = set(per_day.values())
    days = () if len(per_day) == 7 else tuple(sorted(per_day))
    if len(spans) == 1:
        (only,) = spans
        if len(only) == 1:
            begin, end = only[0]
            if (begin, end) == ("00:00", "24:00"):
                return c.Restrictions(days=days) if days else None
            return c.Restrictions(start_time=begin, end_time="00:00" if end == "24:00" else end, days=days)
        if len(only) == 2 and only[0][0] == "00:00" and only[1][1] == "24:00" and only[0][1] <= only[1][0]:
            return c.Restrictions(start_time=only[1][0], end_time=only[0][1], days=days)
    return c.Restrictions(windows=windows)


def _fee(kind: w.AdditionalReference, unit: w.ReferenceUnit, amount: Decimal) -> w.AdditionalReferences:
    return w.AdditionalReferences(AdditionalReference=kind, AdditionalReferenceUnit=unit, PricePerAdditionalReferenceUnit=amount)


TARIFF = Mapping(c.Tariff, w.PricingProductDataRecord, (
    row("id", "ProductID", Of(TariffId)),
    row("currency", "ProductPriceCurrency"),
    row(("elements", "min_price", "max_price", "max_power"),
        ("ReferenceUnit", "PricePerReferenceUnit", "MaximumProductChargingPower", "IsValid24hours", "ProductAvailabilityTimes",
         "AdditionalReferences"), Product(), hints={"elements": "PricePerReferenceUnit", "min_price": "AdditionalReferences",
                                                    "max_price": "AdditionalReferences"}),
    no_place("party", because="the operator of a push is told once per message"),
    no_place("kind", because="OICP has no kinds of tariffs"),
    no_place("alt_texts", because="OICP has no texts for prices"),
    no_place("alt_url", because="OICP has no texts for prices"),
    no_place("tax_included", because="OICP's prices are net", refuse_when=c.TaxIncluded.YES),
    no_place("valid_from", because="OICP's products are valid from the push on"),
    no_place("valid_until", because="OICP's products are valid until the next push"),
    no_place("energy_mix", because="OICP tells the energy mix of EVSEs"),
    no_place("recipients", because="the provider of a push is told once per message"),
    no_place("last_updated", because="OICP's products have no time"),
), name="PricingProductDataRecord")  # fmt: skip
