"""OCHP 1.4 tariffs (TariffInfo): one price component per element. What would change prices by being left out refuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from bridge.codec.xml import ILLEGAL
from bridge.errors import Refused
from bridge.mapping import ANYTHING, DROPPED, NARROWED, ROUNDED, At, Context, Converter, Mapping, no_place, row
from bridge.model import tariff as c
from bridge.model.ids import TariffId
from bridge.model.location import RegularHours
from bridge.ochp import wire as w
from mappings.ochp.common import TARIFF_ID_PATTERN
from mappings.shared import CLOCK, by_day, text_hash

_ITEMS = {
    (c.Dimension.ENERGY, None): w.BillingItem.ENERGY,
    (c.Dimension.TIME, None): w.BillingItem.USAGETIME,
    (c.Dimension.PARKING_TIME, None): w.BillingItem.PARKINGTIME,
    (c.Dimension.FLAT, None): w.BillingItem.SERVICE_FEE,
    (c.Dimension.POWER, None): w.BillingItem.POWER,
    (c.Dimension.FLAT, c.ReservationKind.RESERVATION): w.BillingItem.RESERVATION,
    (c.Dimension.TIME, c.ReservationKind.RESERVATION): w.BillingItem.RESERVATIONTIME,
}
_BACK = {item: pair for pair, item in _ITEMS.items()}
RECIPIENT = re.compile(r"[A-Z0-9]{1,5}")
_PER_UNIT = {c.Dimension.ENERGY: Decimal(1000), c.Dimension.TIME: Decimal(3600), c.Dimension.PARKING_TIME: Decimal(3600)}
"""Canonical steps (Wh, s) per unit of the billing item (kWh, h)."""


class Tariffs(Converter):
    """Elements, currency, recipients and validity against one individual tariff.

    Reading takes the tariff for everybody, else the first; further ones are other tariffs (one canonical tariff has one
    list of recipients). Elements that follow each other with the same restriction are read as one.
    """

    note = "elements <-> one component per element"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        elements, currency, recipients, valid_from, valid_until = value
        if not elements or currency is None:
            return None
        made: list[w.TariffElement] = []
        for i, element in enumerate(elements):
            path = f"{at.src[0]}[{i}]"
            restriction = self._restriction(element.restrictions, valid_from, valid_until, cx, path)
            reservation = element.restrictions.reservation if element.restrictions is not None else None
            for j, one in enumerate(element.components):
                made.append(self._element(one, reservation, restriction, cx, f"{path}.components[{j}]"))
        wire = w.IndividualTariff(tariffElement=tuple(made), recipient=self._recipients(recipients, cx, at.src[2]), currency=currency)
        self._audit(value, (wire,), cx, at)
        return (wire,)

    def _recipients(self, told: Any, cx: Context, path: str) -> tuple[str, ...] | None:
        """Providers without separators; without its recipients a tariff would be everybody's."""
        for i, one in enumerate(told or ()):
            if not RECIPIENT.fullmatch(re.sub(r"[*-]", "", one).upper()):
                raise Refused(f"{path}[{i}]", "a recipient is country and provider in OCHP: five capitals and digits", one)
        return tuple(re.sub(r"[*-]", "", one).upper() for one in told or ()) or None

    def _element(
        self, one: c.PriceComponent, reservation: Any, restriction: w.TariffRestriction, cx: Context, path: str
    ) -> w.TariffElement:
        item = _ITEMS.get((one.dimension, reservation))
        if item is None:
            raise Refused(path, f"OCHP has no price for {one.dimension.value} of {reservation or 'a session'}", one.price)
        if one.vat is not None:
            cx.lose(f"{path}.vat", DROPPED, one.vat, "OCHP's tariffs do not tell VAT")
        per = _PER_UNIT.get(one.dimension)
        if per is None:
            step = Decimal(1) if one.dimension is c.Dimension.FLAT else Decimal(0)
        elif one.step <= 1:
            step = Decimal(0)
        else:
            exact = one.step / per
            step = exact.quantize(Decimal("1E-10")).normalize()
            if step * per != one.step:
                cx.lose(f"{path}.step", ROUNDED, one.step, "in hours or kWh it does not come out even")
            step = Decimal(format(step, "f"))
        price = w.PriceComponent(billingItem=item, itemPrice=one.price, stepSize=step)
        return w.TariffElement(priceComponent=price, tariffRestriction=restriction)

    def _restriction(self, r: c.Restrictions | None, valid_from: Any, valid_until: Any, cx: Context, path: str) -> w.TariffRestriction:
        r = r or c.Restrictions()
        at = f"{path}.restrictions"
        for name in ("min_current", "max_current"):
            if getattr(r, name) is not None:
                raise Refused(f"{at}.{name}", "OCHP cannot restrict prices by current", getattr(r, name))
        if r.reservation is c.ReservationKind.RESERVATION_EXPIRES:
            raise Refused(f"{at}.reservation", "OCHP has no prices for expired reservations", r.reservation)
        begin, end = r.start, r.end
        if r.start_date is not None or r.end_date is not None:
            begin, end = self._moments(r, cx, at)
        starts = [m for m in (begin, valid_from) if m is not None]
        ends = [m for m in (end, valid_until) if m is not None]
        windows = _windows(r)
        if len(windows) > 14:
            raise Refused(at, "at most fourteen weekly windows in OCHP", len(windows))
        return w.TariffRestriction(
            regularHours=tuple(w.RegularHours(weekday=h.weekday, periodBegin=h.begin, periodEnd=h.end) for h in windows) or None,
            startDateTime=_whole(max(starts)) if starts else None, endDateTime=_whole(min(ends)) if ends else None,
            minEnergy=r.min_kwh, maxEnergy=r.max_kwh, minPower=r.min_power, maxPower=r.max_power, minDuration=r.min_duration,
            maxDuration=r.max_duration)  # fmt: skip

    def _moments(self, r: c.Restrictions, cx: Context, path: str) -> tuple[Any, Any]:
        zone = cx.constants.get("time_zone")
        if zone is None:
            raise Refused(f"{path}.start_date", "OCHP restricts by moments; local dates need time_zone in the partner file",
                          r.start_date or r.end_date, "time_zone")  # fmt: skip
        made = [datetime.combine(d, time(), ZoneInfo(zone)).astimezone(UTC) if d is not None else None for d in (r.start_date, r.end_date)]
        return made[0], made[1]

    def _audit(self, value: Any, wire: Any, cx: Context, at: At) -> None:
        """What reads back differently is told, field by field."""
        read = self.back(wire, Context(cx.settings, cx.facts), At(("",), at.src))
        for path, before, after in zip(at.src, value, read, strict=True):
            if path == "elements":
                self._audit_elements(before, after or (), cx)
            elif before != after and not (before in ((), None) and after in ((), None)):
                cx.lose(path, NARROWED, _shown(before), "told with every element in OCHP")

    def _audit_elements(self, before: tuple[c.TariffElement, ...], after: tuple[c.TariffElement, ...], cx: Context) -> None:
        if [[p.dimension for p in e.components] for e in before] != [[p.dimension for p in e.components] for e in after]:
            cx.lose("elements", NARROWED, len(before), "elements with the same restriction are read back as one")
            return
        for i, (mine, theirs) in enumerate(zip(before, after, strict=True)):
            if (mine.restrictions or c.Restrictions()) != (theirs.restrictions or c.Restrictions()):
                cx.lose(f"elements[{i}].restrictions", NARROWED, _shown(mine.restrictions), "read back in OCHP's terms")
            for j, (one, two) in enumerate(zip(mine.components, theirs.components, strict=False)):
                if one.step != two.step and one.step <= 1:
                    cx.lose(f"elements[{i}].components[{j}].step", NARROWED, one.step, "no step: 0 in OCHP")
                elif one.step != two.step and one.dimension not in _PER_UNIT:
                    cx.lose(f"elements[{i}].components[{j}].step", DROPPED, one.step, "no step for this item in OCHP")

    def back(self, value: Any, cx: Context, at: At) -> Any:
        chosen = next((i for i, t in enumerate(value) if not t.recipient), 0)
        for i, other in enumerate(value):
            if i != chosen:
                cx.lose(
                    f"{at.src[0]}[{i}]",
                    DROPPED,
                    list(other.recipient or ()),
                    "another partner's tariff: one list of recipients per tariff",
                )
        tariff = value[chosen]
        elements: list[c.TariffElement] = []
        for i, element in enumerate(tariff.tariffElement):
            self._add(elements, element, cx, f"{at.src[0]}[{chosen}].tariffElement[{i}]")
        valid = {(e.restrictions.start if e.restrictions else None, e.restrictions.end if e.restrictions else None) for e in elements}
        valid_from = valid_until = None
        if len(valid) == 1:
            ((valid_from, valid_until),) = valid
            elements = [evolve(e, restrictions=_or_none(evolve(e.restrictions, start=None, end=None))) if e.restrictions else e
                        for e in elements]  # fmt: skip
        return tuple(elements), tariff.currency, tuple(tariff.recipient or ()), valid_from, valid_until

    def _add(self, elements: list[c.TariffElement], element: w.TariffElement, cx: Context, path: str) -> None:
        price = element.priceComponent
        for k, hours in enumerate(element.tariffRestriction.regularHours or ()):
            if not (1 <= hours.weekday <= 7 and CLOCK.fullmatch(hours.periodBegin) and CLOCK.fullmatch(hours.periodEnd)):
                because = "no weekday and times of day: without them the price would hold always"
                raise Refused(f"{path}.tariffRestriction.regularHours[{k}]", because, f"{hours.periodBegin}-{hours.periodEnd}")
        dimension, reservation = _BACK[price.billingItem]
        per = _PER_UNIT.get(dimension)
        step = Decimal(1) if per is None or price.stepSize == 0 else price.stepSize * per
        if per is None and price.stepSize not in (0, 1):
            cx.lose(f"{path}.priceComponent.stepSize", DROPPED, price.stepSize, "a fee has no step")
        component = c.PriceComponent(dimension, price.itemPrice, step)
        restrictions = _or_none(_read(element.tariffRestriction, reservation))
        last = elements[-1] if elements else None
        if last is not None and last.restrictions == restrictions and all(p.dimension is not dimension for p in last.components):
            elements[-1] = evolve(last, components=(*last.components, component))
        else:
            elements.append(c.TariffElement((component,), restrictions))


def _shown(value: Any) -> Any:
    return str(value) if value is not None else None


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _or_none(r: c.Restrictions) -> c.Restrictions | None:
    return None if r == c.Restrictions() else r


def _windows(r: c.Restrictions) -> tuple[RegularHours, ...]:
    """Days and span as weekly windows; a span over midnight holds on each of its days before its end and after its begin."""
    if r.windows:
        return r.windows
    if not (r.start_time or r.end_time or r.days):
        return ()
    begin, end = r.start_time or "00:00", r.end_time or "24:00"
    end = "24:00" if end == "00:00" else end
    spans = [(begin, end)] if begin < end else [("00:00", end), (begin, "24:00")]
    return tuple(RegularHours(day, b, e) for day in (r.days or (1, 2, 3, 4, 5, 6, 7)) for b, e in spans)


def _read(r: w.TariffRestriction, reservation: Any) -> c.Restrictions:
    hours = tuple(RegularHours(h.weekday, h.periodBegin, h.periodEnd) for h in r.regularHours or ())
    made = c.Restrictions(start=r.startDateTime, end=r.endDateTime, min_kwh=r.minEnergy, max_kwh=r.maxEnergy, min_power=r.minPower,
                          max_power=r.maxPower, min_duration=r.minDuration, max_duration=r.maxDuration,
                          reservation=reservation)  # fmt: skip
    if not hours:
        return made
    spans = by_day(hours)
    sets = {tuple(sorted(d)) for d in spans.values()}
    if len(sets) == 1:
        (days,) = sets
        told = () if len(days) == 7 else days
        keys = sorted(spans)
        if len(keys) == 1:
            begin, end = keys[0]
            if (begin, end) == ("00:00", "24:00"):
                return evolve(made, days=days)
            return evolve(made, start_time=begin, end_time="00:00" if end == "24:00" else end, days=told)
        if len(keys) == 2 and keys[0][0] == "00:00" and keys[1][1] == "24:00" and keys[0][1] <= keys[1][0]:
            return evolve(made, start_time=keys[1][0], end_time=keys[0][1], days=told)
    return evolve(made, windows=hours)


class Identity(Converter):
    """tariffId: operator, ``T`` and at most ten characters; a stable alias stands for what does not fit."""

    note = "tariff id, operator within"
    key_hint = "party"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        given, party = value
        text = str(given)
        if TARIFF_ID_PATTERN.fullmatch(text):
            if party is not None:
                cx.lose(at.src[1], DROPPED, str(party), "OCHP tells the operator within the tariff id")
            return text
        owner = str(party) if party is not None else cx.constants.get("party")
        if owner is None:
            cx.lose(at.src[0], DROPPED, text, "OCHP's tariff ids begin with the operator; set party in the partner file")
            return None
        made = f"{owner}*T{text.upper()}"
        if not TARIFF_ID_PATTERN.fullmatch(made):
            made = f"{owner}*T{text_hash(text, 10)}"
        cx.lose(at.src[0], NARROWED, text, f"{made} stands for it")
        if party is not None:
            cx.lose(at.src[1], DROPPED, str(party), "OCHP tells the operator within the tariff id")
        return made

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return TariffId(value), None


TARIFF = Mapping(c.Tariff, w.TariffInfo, (
    row(("id", "party"), "tariffId", Identity()),
    row(("elements", "currency", "recipients", "valid_from", "valid_until"), "individualTariff", Tariffs(), hints={
        "currency": "individualTariff", "recipients": "individualTariff"}),
    no_place("kind", because="OCHP has no kinds of tariffs"),
    no_place("alt_texts", because="OCHP has no texts for prices"),
    no_place("alt_url", because="OCHP has no texts for prices"),
    no_place("min_price", because="OCHP has no least price", refuse_when=ANYTHING),
    no_place("max_price", because="OCHP has no highest price", refuse_when=ANYTHING),
    no_place("tax_included", because="OCHP does not say whether prices hold taxes"),
    no_place("energy_mix", because="OCHP has no energy mix"),
    no_place("max_power", because="OCHP restricts elements by power, not tariffs"),
    no_place("last_updated", because="OCHP's tariffs have no time"),
), name="TariffInfo", unsaid=ILLEGAL)  # fmt: skip
