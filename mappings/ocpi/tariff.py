"""OCPI 2.2.1 tariffs (mod_tariffs). Leaving an element out would change prices: the tariff is refused then."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from attrs import evolve

from bridge.errors import Refused
from bridge.mapping import (
    DEFAULTED,
    MILLISECONDS,
    NARROWED,
    ROUNDED,
    WHOLE,
    At,
    Context,
    Converter,
    Each,
    Mapping,
    Of,
    One,
    Table,
    by_name,
    derived,
    no_place,
    row,
)
from bridge.model import tariff as c
from bridge.model.ids import OperatorId, TariffId
from bridge.ocpi.wire import v221 as w
from mappings.ocpi.common import ENERGY_MIX, TEXTS, URL
from mappings.ocpi.token import party_from
from mappings.shared import CLOCK, by_day

DIMENSION = by_name(
    c.Dimension, w.TariffDimensionType, name="TariffDimensionType",
    never={c.Dimension.POWER: "OCPI has no price per peak power", c.Dimension.VOLUME: "OCPI has no fuels",
           c.Dimension.MASS: "OCPI has no fuels"},
).covers(c.Dimension, w.TariffDimensionType)  # fmt: skip

KIND = by_name(c.TariffKind, w.TariffType, name="TariffType").covers(c.TariffKind, w.TariffType)
RESERVATION = by_name(c.ReservationKind, w.ReservationRestrictionType, name="ReservationRestrictionType").covers(
    c.ReservationKind, w.ReservationRestrictionType
)
DAY = Table(*enumerate(w.DayOfWeek, 1), name="DayOfWeek").covers(range(1, 8), w.DayOfWeek)


class Owner(Converter):
    """``country_code`` and ``party_id`` of the operator; else of the tariff id where it names one, else configured."""

    note = "party, else configured"
    key_hint = "party"
    always = True

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if value is None and "party" in cx.constants:
            value = OperatorId.parse(cx.constants["party"]).party
            if value is not None:
                cx.lose(at.dst[0], DEFAULTED, value.country_code, "configured: party")
                cx.lose(at.dst[1], DEFAULTED, value.party_id, "configured: party")
        return None if value is None else (value.country_code, value.party_id)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return party_from(value)


class Step(Converter):
    """``step_size`` in whole seconds or Wh. A step that is not whole within a twentieth refuses the tariff."""

    note = "whole seconds or Wh"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        whole = int(value.to_integral_value())
        if whole != value:
            if abs(whole - value) > Decimal("0.05"):
                raise Refused(at.src[0], "steps are whole seconds or Wh in OCPI", value)
            cx.lose(at.src[0], ROUNDED, value, "steps are whole seconds or Wh in OCPI")
        return whole

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return Decimal(value)


class Day(Converter):
    """A date as text."""

    note = "YYYY-MM-DD"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return value.isoformat()

    def back(self, value: Any, cx: Context, at: At) -> Any:
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise Refused(at.src[0], "no date", value) from None


class Clock(Converter):
    """A time of day. What is none refuses the tariff: without it the price would hold at other times."""

    note = "HH:MM"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        if not CLOCK.fullmatch(value):
            raise Refused(at.src[0], "no time of day", value)
        return value


class EndTime(Clock):
    """A time of day; the end of the day is 00:00 in OCPI."""

    note = "HH:MM, the day's end is 00:00"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if value == "24:00":
            cx.lose(at.src[0], NARROWED, value, "the end of the day is 00:00 in OCPI: the same moment")
            return "00:00"
        return value


COMPONENT = Mapping(c.PriceComponent, w.PriceComponent, (
    row("dimension", "type", DIMENSION),
    row("price", "price"),
    row("vat", "vat"),
    row("step", "step_size", Step()),
))  # fmt: skip

RESTRICTIONS = Mapping(c.Restrictions, w.TariffRestrictions, (
    row("start_time", "start_time", Clock()),
    row("end_time", "end_time", EndTime()),
    row("start_date", "start_date", Day()),
    row("end_date", "end_date", Day()),
    row("min_kwh", "min_kwh"),
    row("max_kwh", "max_kwh"),
    row("min_current", "min_current"),
    row("max_current", "max_current"),
    row("min_power", "min_power"),
    row("max_power", "max_power"),
    row("min_duration", "min_duration"),
    row("max_duration", "max_duration"),
    row("days", "day_of_week", DAY, many=True),
    row("reservation", "reservation", RESERVATION),
    no_place("start", because="OCPI restricts elements by local dates"),
    no_place("end", because="OCPI restricts elements by local dates"),
    no_place("windows", because="written as one element per span of the day"),
))  # fmt: skip

ELEMENT = Mapping(c.TariffElement, w.TariffElement, (
    row("components", "price_components", Each(COMPONENT, WHOLE)),
    row("restrictions", "restrictions", One(RESTRICTIONS, WHOLE)),
))  # fmt: skip


class Elements(Each):
    """Elements in order. One with several weekly windows (OCHP) becomes one element per span of the day."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        written: list[c.TariffElement] = []
        source: list[int] = []
        for i, one in enumerate(value):
            r = one.restrictions
            path = f"{at.src[0]}[{i}].restrictions"
            if r is not None and (r.start is not None or r.end is not None):
                raise Refused(f"{path}.start", "OCPI restricts elements by local dates, not by moments", r.start or r.end)
            if r is None or not r.windows:
                written.append(one)
                source.append(i)
                continue
            cx.lose(path, NARROWED, len(r.windows), "one element per span of the day")
            for (begin, end), days in by_day(r.windows).items():
                whole_day = (begin, end) == ("00:00", "24:00")
                source.append(i)
                written.append(evolve(one, restrictions=evolve(
                    r, windows=(), days=() if len(days) == 7 else tuple(sorted(days)), start_time=None if whole_day else begin,
                    end_time=None if whole_day else "00:00" if end == "24:00" else end)))  # fmt: skip
        before = len(cx.losses)
        try:
            made = super().out(tuple(written), cx, at)
        except Refused as why:
            raise Refused(_at_source(why.path, source), why.because, why.value, why.key) from why
        if len(source) != len(value):
            for i in range(before, len(cx.losses)):
                loss = cx.losses[i]
                if loss.kind != DEFAULTED:
                    cx.losses[i] = loss._replace(path=_at_source(loss.path, source))
        return made


def _at_source(path: str, source: list[int]) -> str:
    """A path below a written element as one below the element that it comes from."""
    return re.sub(r"\[(\d+)\]", lambda found: f"[{source[int(found[1])]}]", path, count=1)


PRICE_LIMIT = Mapping(c.PriceLimit, w.Price, (
    row("excl", "excl_vat"),
    row("incl", "incl_vat"),
), name="Price")  # fmt: skip

TARIFF = Mapping(c.Tariff, w.Tariff, (
    row("party", ("country_code", "party_id"), Owner()),
    row("id", "id", Of(TariffId)),
    row("currency", "currency"),
    row("kind", "type", KIND),
    row("alt_texts", "tariff_alt_text", TEXTS),
    row("alt_url", "tariff_alt_url", URL),
    row("min_price", "min_price", One(PRICE_LIMIT, WHOLE)),
    row("max_price", "max_price", One(PRICE_LIMIT, WHOLE)),
    row("elements", "elements", Elements(ELEMENT, WHOLE)),
    row("valid_from", "start_date_time", MILLISECONDS),
    row("valid_until", "end_date_time", MILLISECONDS),
    row("energy_mix", "energy_mix", One(ENERGY_MIX)),
    row("last_updated", "last_updated", MILLISECONDS, or_else=derived(lambda o, cx: cx.facts.now, "the moment of reading")),
    no_place("tax_included", because="OCPI 2.2.1 prices never hold taxes", reads_as=c.TaxIncluded.NO, refuse_when=c.TaxIncluded.YES),
    no_place("recipients", because="OCPI has one tariff object per partner"),
    no_place("max_power", because="OCPI restricts elements by power, not tariffs"),
), name="Tariff")  # fmt: skip
