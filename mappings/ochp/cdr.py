"""OCHP 1.4 charge detail records (CDRInfo): priced lines with local times.

The energy, times and costs of OCPI become one line each where no priced lines are told: the price of one unit is the cost
over the volume. Where that does not come out even it is rounded and said to be; the line's cost stays exact.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bridge.codec.xml import ILLEGAL
from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    TRUNCATED,
    At,
    Context,
    Converter,
    Mapping,
    One,
    Scaled,
    Table,
    UpTo,
    derived,
    from_partner,
    no_place,
    row,
)
from bridge.model import cdr as c
from bridge.model import location as loc
from bridge.model.common import Price
from bridge.model.ids import CdrId
from bridge.model.tables import is_zone
from bridge.ochp import wire as w
from mappings.ochp.common import CDR_ID_PATTERN, EVSE_ID, TARIFF_ID_PATTERN, Matching, local
from mappings.ochp.token import Contract, EmtId
from mappings.ochp.values import FORMAT, KIND, PLUG
from mappings.shared import COUNTRY, TwoParts, operator_of, text_hash

STATUS = Table(
    (c.CdrStatus.NEW, w.CdrStatus.NEW),
    (c.CdrStatus.ACCEPTED, w.CdrStatus.ACCEPTED),
    (c.CdrStatus.REJECTED, w.CdrStatus.REJECTED),
    (c.CdrStatus.DECLINED, w.CdrStatus.DECLINED),
    (c.CdrStatus.APPROVED, w.CdrStatus.APPROVED),
    (c.CdrStatus.REVISED, w.CdrStatus.REVISED),
    name="CdrStatusType",
).covers(c.CdrStatus, w.CdrStatus)

ITEM = Table(
    (c.BillingItem.PARKING_TIME, w.BillingItem.PARKINGTIME),
    (c.BillingItem.USAGE_TIME, w.BillingItem.USAGETIME),
    (c.BillingItem.ENERGY, w.BillingItem.ENERGY),
    (c.BillingItem.POWER, w.BillingItem.POWER),
    (c.BillingItem.SERVICE_FEE, w.BillingItem.SERVICE_FEE),
    (c.BillingItem.RESERVATION, w.BillingItem.RESERVATION),
    (c.BillingItem.RESERVATION_TIME, w.BillingItem.RESERVATIONTIME),
    never={c.BillingItem.VOLUME: "fuels come with OCHP 1.4.1", c.BillingItem.MASS: "fuels come with OCHP 1.4.1"},
    name="BillingItemType",
).covers(c.BillingItem, w.BillingItem)

_DIGITS = Decimal("1E-10")


class Identity(Converter):
    """CdrId: the operator's five characters and at most 31 more; a stable alias stands for what does not fit."""

    note = "operator and CDR id, capitals and digits"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        given, evse_id, party, *sessions = value
        named = given or next((one for one in sessions if one), None)
        if named is None:
            return None
        text = str(named)
        operator = operator_of(evse_id)
        owner = f"{party.country_code}{party.party_id}" if party is not None else operator.compact() if operator is not None else ""
        if not re.fullmatch(r"[0-9A-Z]{0,5}", owner):
            owner = ""
        made = text if CDR_ID_PATTERN.fullmatch(text) and text.startswith(owner) else self._alias(text, owner)
        if given is None:
            cx.lose(at.dst[0], DEFAULTED, made, f"the session's id, {text}, for want of one of the CDR")
        elif made != text:
            cx.lose(at.src[0], NARROWED, text, f"{made} stands for it: operator, capitals and digits, at most 36")
        return made

    def _alias(self, text: str, owner: str) -> str:
        made = owner + re.sub(r"[^0-9A-Z]", "", text.upper())
        if not CDR_ID_PATTERN.fullmatch(made) or made[len(owner) :] != text:
            made = owner + text_hash(text, 31)
        return made

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return CdrId(value)


class Times(Converter):
    """Start and end in the place's local time: its offset or zone as told, else the configured ``time_zone``."""

    note = "local times with offset"
    key_hint = "time_zone"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        start, end, offset, cdr = value
        where = offset_of(cdr, cx)
        if where is None:
            cx.lose(at.src[0], DROPPED, start, "OCHP's times are local; set time_zone in the partner file")
            return None
        begin, finish = local(start, where, cx, at.src[0]), local(end, where, cx, at.src[1])
        if begin is not None and offset is None:
            minutes = int((begin.utcoffset() or timedelta()).total_seconds()) // 60
            cx.lose(at.dst[0], DEFAULTED, minutes, "the offset of the place's zone, or configured: time_zone")
        return begin, finish

    def back(self, value: Any, cx: Context, at: At) -> Any:
        start, end = value
        minutes = int((start.utcoffset() or timedelta()).total_seconds()) // 60
        if end.utcoffset() != start.utcoffset():
            cx.lose(at.src[1], NARROWED, end.isoformat(), "the offset of the start is kept")
        return start.astimezone(UTC), end.astimezone(UTC), minutes


def offset_of(cdr: c.Cdr, cx: Context) -> int | str | None:
    """The offset in minutes, or the zone, of a CDR's place."""
    if cdr.utc_offset_minutes is not None:
        return cdr.utc_offset_minutes
    if cdr.place.time_zone is not None and is_zone(cdr.place.time_zone):
        return cdr.place.time_zone
    configured: str | None = cx.constants.get("time_zone")
    return configured


_FROM_TOTALS = (
    (c.BillingItem.ENERGY, "total_energy", "total_energy_cost"),
    (c.BillingItem.USAGE_TIME, "", "total_time_cost"),
    (c.BillingItem.PARKING_TIME, "total_parking_time", "total_parking_cost"),
    (c.BillingItem.SERVICE_FEE, "", "total_fixed_cost"),
    (c.BillingItem.RESERVATION, "", "total_reservation_cost"),
)
"""Which total becomes which line, and where its volume and cost stand."""


class Lines(Converter):
    """Priced lines as told, else one per total. What the lines do not bring back is told by reading them again."""

    note = "priced lines, else one line per total"
    tables = (ITEM,)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        cdr = value[-1]
        where = offset_of(cdr, cx)
        if where is None or cdr.start is None or cdr.end is None:
            return None
        lines = cdr.lines or self._derived(cdr, cx, at)
        made: list[w.CdrPeriod] = []
        for i, line in enumerate(lines):
            path = f"lines[{i}]"
            item = ITEM.out(line.item, cx, At((path,), at.dst))
            if item is None:
                continue
            rate = line.vat
            if rate is not None and rate != int(rate):
                cx.lose(f"{path}.vat", DROPPED, rate, "whole percent in OCHP")
                rate = None
            made.append(w.CdrPeriod(startDateTime=local(line.start, where, cx, path), endDateTime=local(line.end, where, cx, path),
                                    billingItem=item, billingValue=line.volume, itemPrice=line.unit_price, periodCost=line.cost,
                                    taxrate=None if rate is None else int(rate)))  # fmt: skip
        self._audit(value, tuple(made), cx, at)
        return tuple(made) or None

    def _derived(self, cdr: c.Cdr, cx: Context, at: At) -> list[c.CdrLine]:
        made: list[c.CdrLine] = []
        for item, volume_name, cost_name in _FROM_TOTALS:
            price: Price | None = getattr(cdr, cost_name)
            cost = price.excl if price is not None else None
            volume = getattr(cdr, volume_name) if volume_name else None
            if item is c.BillingItem.USAGE_TIME and cdr.total_time is not None:
                volume = cdr.total_time - (cdr.total_parking_time or 0)
            elif item in (c.BillingItem.SERVICE_FEE, c.BillingItem.RESERVATION):
                volume = Decimal(1) if cost is not None else None
            if volume is None or (cost is None and item is not c.BillingItem.ENERGY):
                continue
            unit = self._unit_price(cost, volume, cx, f"{at.dst[0]}[{len(made)}].itemPrice")
            if unit is None:
                cx.lose(cost_name, DROPPED, cost, "a cost without a volume has no price per unit in OCHP")
                continue
            made.append(c.CdrLine(cdr.start, cdr.end, item, volume, unit, cost))  # type: ignore[arg-type]
        if made:
            cx.lose(at.dst[0], DEFAULTED, tuple(made), "one line per total")
        return made

    def _unit_price(self, cost: Decimal | None, volume: Decimal, cx: Context, target: str) -> Decimal | None:
        if cost is None:
            cx.lose(target, DEFAULTED, 0, "the price of the energy alone is not told; the total cost holds it")
            return Decimal(0)
        if volume == 0:
            return Decimal(0) if cost == 0 else None
        unit = (cost / volume).quantize(_DIGITS, ROUND_HALF_UP)
        if unit * volume != cost:
            cx.lose(target, DEFAULTED, unit, f"{cost}/{volume} does not come out even: rounded to ten digits; the line's cost is exact")
        return Decimal(format(unit.normalize(), "f"))

    def _audit(self, value: Any, wire: Any, cx: Context, at: At) -> None:
        read = self.back(wire, Context(cx.settings, cx.facts), At(("",), at.src)) if wire else (None,) * len(at.src)
        for path, before, after in zip(at.src, value[:-1], read, strict=True):
            if (None if before == () else before) == after or path == "lines":
                continue
            if before is None:
                cx.lose(at.dst[0], DEFAULTED, after, f"read back as {path}")
            else:
                why = (DROPPED, "OCHP has no total time") if path == "total_time" else (NARROWED, "OCHP tells it by the priced lines")
                cx.lose(path, why[0], str(before), why[1])

    def back(self, value: Any, cx: Context, at: At) -> Any:
        lines = tuple(
            c.CdrLine(
                p.startDateTime.astimezone(UTC),
                p.endDateTime.astimezone(UTC),
                ITEM.exact_back[p.billingItem],
                p.billingValue,
                p.itemPrice,
                p.periodCost,
                None if p.taxrate is None else Decimal(p.taxrate),
            )
            for p in value
        )
        energy = _sum(lines, c.BillingItem.ENERGY)
        parked = _sum(lines, c.BillingItem.PARKING_TIME)
        costs = [_cost(lines, *items) for items in (
            (c.BillingItem.SERVICE_FEE,), (c.BillingItem.ENERGY,), (c.BillingItem.USAGE_TIME,), (c.BillingItem.PARKING_TIME,),
            (c.BillingItem.RESERVATION, c.BillingItem.RESERVATION_TIME))]  # fmt: skip
        # Lines tell what was priced: time that cost nothing is in none of them, so that they say nothing about the whole.
        return lines, energy, None, parked, *costs


def _sum(lines: tuple[c.CdrLine, ...], item: c.BillingItem) -> Decimal | None:
    found = [line.volume for line in lines if line.item is item]
    return sum(found, Decimal(0)) if found else None


def _cost(lines: tuple[c.CdrLine, ...], *items: c.BillingItem) -> Price | None:
    found = [line.cost if line.cost is not None else line.volume * line.unit_price for line in lines if line.item in items]
    return Price(sum(found, Decimal(0))) if found else None


_BY_LINES = ("lines", "total_energy", "total_time", "total_parking_time", "total_fixed_cost", "total_energy_cost", "total_time_cost",
             "total_parking_cost", "total_reservation_cost")  # fmt: skip


class Billed(Converter):
    """Times and priced lines together: all of them are in the local time of the CDR's start."""

    note = "local times with offset; priced lines, else one line per total"
    key_hint = "time_zone"
    tables = (ITEM,)
    times = Times()
    lines = Lines()

    def out(self, value: Any, cx: Context, at: At) -> Any:
        cdr = value[-1]
        begin, finish = self.times.out((*value[:3], cdr), cx, At(at.src[:3], at.dst[:2])) or (None, None)
        return begin, finish, self.lines.out((*value[3:-1], cdr), cx, At(at.src[3:], at.dst[2:]))

    def back(self, value: Any, cx: Context, at: At) -> Any:
        start, end, periods = value
        times = self.times.back((start, end), cx, At(at.src[:2], at.dst[:3]))
        for i, period in enumerate(periods):
            for name in ("startDateTime", "endDateTime"):
                told = getattr(period, name)
                if told.utcoffset() != start.utcoffset():
                    cx.lose(f"{at.src[2]}[{i}].{name}", NARROWED, told.isoformat(), "the offset of the CDR's start is kept")
        return (*times, *self.lines.back(periods, cx, At(at.src[2:], at.dst[3:])))


class Current(Converter):
    """chargePointType: as told, else DC or AC by the connector."""

    note = "AC or DC, else by the connector"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        kind, power_type, plug = value
        if kind is None and power_type is None and plug is None:
            power_type, plug = _told(cx, "power_type", loc.PowerType), _told(cx, "plug", loc.Plug)
        if kind is None and (power_type is not None or plug is not None):
            dc = power_type is loc.PowerType.DC or (power_type is None and plug in loc.DC_PLUGS)
            kind = loc.CurrentKind.DC if dc else loc.CurrentKind.AC
            cx.lose(at.dst[0], DEFAULTED, kind, "from the connector")
        return KIND.out(kind, cx, at) if kind is not None else None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return KIND.exact_back[value]


class CdrAddress(TwoParts):
    """The address; configured (``cdr_place.address``) where there is none."""

    key_hint = "cdr_place"
    always = True

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if any(part is not None for part in value):
            return super().out(value, cx, at)
        told = (cx.constants.get("cdr_place") or {}).get("address")
        if told is not None:
            cx.lose(at.dst[0], DEFAULTED, told, "configured: cdr_place.address")
        return told, None


class Total(Converter):
    """totalCost: net, as OCHP's practice has it; OCHP has no field for the amount with tax."""

    note = "net total"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if value.incl is not None:
            cx.lose(f"{at.src[0]}.incl", DROPPED, value.incl, "OCHP's total is net")
        for i, tax in enumerate(value.taxes):
            cx.lose(f"{at.src[0]}.taxes[{i}]", DROPPED, tax.amount, "OCHP has no named taxes")
        return value.excl

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return Price(value)


class MeterId(Converter):
    """At most twenty characters."""

    note = "at most 20 characters"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if len(value) > 20:
            cx.lose(at.src[0], TRUNCATED, value, "at most 20 characters in OCHP")
        return value[:20] or None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


RATINGS = Mapping(loc.Ratings, w.Ratings, (
    row("maximum_power", "maximumPower", Scaled(Decimal(1000))),
    row("guaranteed_power", "guaranteedPower", Scaled(Decimal(1000))),
    row("nominal_voltage", "nominalVoltage", UpTo(1000, "1 to 1000 V in OCHP", least=1)),
), name="RatingsType")  # fmt: skip

_NO_MONEY = "OCHP tells costs by priced lines"
_OICP_ONLY = "only OICP has it"
_OCPI_ONLY = "only OCPI has it"

CDR = Mapping(c.Cdr, w.CDRInfo, (
    row("id", "CdrId", Identity(), using=("place.evse_id", "party", "operator_session_id", "session_id", "hub_session_id")),
    row("place.evse_id", "evseId", EVSE_ID),
    row(("token.uid", "token.kind", "token.rfid", "token.hashed"), "emtId", EmtId(cards_only=False), using="token.contract_id", hints={
        "token.uid": "emtId.instance", "token.kind": "emtId.tokenType", "token.rfid": "emtId.tokenSubType"}),
    row(("token.contract_id", "token.party"), "contractId", Contract()),
    row("status", "status", STATUS, or_else=derived(lambda o, cx: c.CdrStatus.NEW, "a CDR that is sent is new")),
    row(("start", "end", "utc_offset_minutes", *_BY_LINES), ("startDateTime", "endDateTime", "chargingPeriods"), Billed(), using="",
        hints={"end": "endDateTime", "utc_offset_minutes": "startDateTime", **dict.fromkeys(_BY_LINES, "chargingPeriods")}),
    row("duration", "duration", Matching(re.compile(r"\d{3}:\d{2}:\d{2}"), "duration")),
    row(("place.address.street", "place.address.house_number", "place.address.line"),
        ("chargePointAddress.address", "chargePointAddress.houseNumber"),
        CdrAddress(re.compile(r"[A-Z0-9 \-]{1,6}"), mandatory=False, limit=45, least=2)),
    row("place.address.city", "chargePointAddress.city", or_else=derived(
        lambda o, cx: (cx.constants.get("cdr_place") or {}).get("city"), "configured: cdr_place.city")),
    row("place.address.postal_code", "chargePointAddress.zipCode", Matching(re.compile(r"[A-Z0-9 \-]{1,10}"), "postal code"),
        or_else=from_partner("postal_code")),
    row("place.address.country", "chargePointAddress.country", COUNTRY, or_else=derived(
        lambda o, cx: (cx.constants.get("cdr_place") or {}).get("country"), "configured: cdr_place.country")),
    row("place.current", "chargePointType", Current(), using=("place.power_type", "place.plug")),
    row("place.plug", "connectorType.connectorStandard", PLUG, or_else=derived(
        lambda o, cx: _told(cx, "plug", loc.Plug), "configured: cdr_place.plug")),
    row("place.format", "connectorType.connectorFormat", FORMAT, or_else=derived(
        lambda o, cx: _told(cx, "format", loc.PlugFormat), "configured: cdr_place.format")),
    row("place.tariff_id", "connectorType.tariffId", Matching(TARIFF_ID_PATTERN, "tariff id")),
    row("place.ratings", "ratings", One(RATINGS)),
    row("meter_id", "meterId", MeterId()),
    row("total_cost", "totalCost", Total()),
    row("currency", "currency", or_else=from_partner("currency")),
    no_place("party", because="the EVSE-ID and the CdrId name the operator"),
    no_place("charging_start", because="OCHP's lines tell when energy flowed"),
    no_place("charging_end", because="OCHP's lines tell when energy flowed"),
    no_place("session_id", because="OCHP has no session"),
    no_place("hub_session_id", because="OCHP has no session"),
    no_place("operator_session_id", because="OCHP has no session"),
    no_place("provider_session_id", because="OCHP has no session"),
    no_place("token.visual_number", because="part of the whitelist, not of CDRs"),
    no_place("token.expires", because="part of the whitelist, not of CDRs"),
    no_place("token.pin", because="OCHP has no PINs"),
    no_place("token.hashed_pin", because="OCHP has no PINs"),
    no_place("auth_method", because="OCHP does not tell how the driver was authorised"),
    no_place("authorization_reference", because="OCHP has no reference of the authorisation"),
    no_place("live_authorisation_id", because="not since OCHP 1.4"),
    *(no_place(f"place.{name}", because="OCHP's CDR has the address and the connector only") for name in (
        "id", "name", "coordinates", "time_zone", "evse_uid", "connector_id", "power_type")),
    no_place("place.address.state", because="OCHP's address has no state"),
    no_place("location", because="OCHP's CDR has the address and the connector only"),
    no_place("meter_start", because="OCHP tells energy, not registers"),
    no_place("meter_end", because="OCHP tells energy, not registers"),
    no_place("meter_between", because="OCHP tells energy, not registers"),
    no_place("tariffs", because=_NO_MONEY),
    no_place("product_id", because=_OICP_ONLY),
    no_place("periods", because="OCHP has priced lines, no periods"),
    no_place("signed_data", because="OCHP 1.4 has no signed data"),
    no_place("metering", because="not before OCHP 1.4.1"),
    no_place("remark", because=_OCPI_ONLY),
    no_place("invoice_reference_id", because=_OCPI_ONLY),
    no_place("credit", because="OCHP revises CDRs instead of crediting them", refuse_when=True),
    no_place("credit_reference_id", because=_OCPI_ONLY),
    no_place("home_charging_compensation", because=_OCPI_ONLY),
    no_place("hub_operator_id", because=_OICP_ONLY),
    no_place("hub_provider_id", because=_OICP_ONLY),
    no_place("last_updated", because="OCHP's CDR has no time of change"),
), name="CDRInfo", unsaid=ILLEGAL)  # fmt: skip


def _told(cx: Context, key: str, kind: Any) -> Any:
    told = (cx.constants.get("cdr_place") or {}).get(key)
    return kind(told) if told is not None else None
