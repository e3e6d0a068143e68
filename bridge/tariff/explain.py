"""Where every amount comes from: as a tree for a program, as text for a person."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.model.common import Price
from bridge.model.tariff import Restrictions
from bridge.tariff.engine import Priced
from bridge.tariff.lines import Line
from bridge.tariff.money import HOUR, decimal, text

DAY_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PARTS: Final = (
    ("fixed", "start fee"),
    ("energy", "energy"),
    ("time", "charging time"),
    ("parking", "parking time"),
    ("reservation", "reservation"),
)
_OF: Final = {"ENERGY": "energy", "TIME": "time", "PARKING_TIME": "parking", "RESERVATION_TIME": "reservation"}
_UNITS: Final = {"ENERGY": "kWh", "TIME": "h", "PARKING_TIME": "h", "RESERVATION_TIME": "h", "FLAT": ""}


def describe(restrictions: Restrictions | None) -> str:
    """A person's words for when an element applies: ``22:00 to 06:00, Mon-Fri, from 20 kWh``."""
    r = restrictions
    if r is None:
        return "always"
    words = []
    if r.reservation is not None:
        words.append("reservation" if r.reservation.value == "RESERVATION" else "expired reservation")
    if r.start_time is not None or r.end_time is not None:
        words.append(f"{r.start_time or '00:00'} to {'24:00' if r.end_time in (None, '00:00') else r.end_time}")
    if r.days:
        words.append(_days(r.days))
    words += [f"{DAY_NAMES[w.weekday - 1]} {w.begin} to {w.end}" for w in r.windows]
    words += _range(r.start_date, r.end_date, "")
    words += _range(r.start, r.end, "")
    words += _range(r.min_kwh, r.max_kwh, " kWh")
    words += _range(r.min_power, r.max_power, " kW")
    words += _range(r.min_current, r.max_current, " A")
    words += _range(r.min_duration, r.max_duration, " s of the session")
    return ", ".join(words) or "always"


def _days(days: tuple[int, ...]) -> str:
    ordered = sorted(set(days))
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{DAY_NAMES[ordered[0] - 1]}-{DAY_NAMES[ordered[-1] - 1]}"
    return "/".join(DAY_NAMES[d - 1] for d in ordered)


def _range(low: object, high: object, unit: str) -> list[str]:
    def say(value: object) -> str:
        return text(value) if isinstance(value, Decimal) else str(value)

    if low is not None and high is not None:
        return [f"from {say(low)} to below {say(high)}{unit}"]
    if low is not None:
        return [f"from {say(low)}{unit}"]
    return [f"below {say(high)}{unit}"] if high is not None else []


def explanation(priced: Priced) -> dict[str, Any]:
    """The explanation as JSON values; decimals are strings.

    ``parts`` holds, per dimension, its amount and the lines that add up to it, each with its period, volume, price,
    tariff, element, component (counted from 0) and rule; ``steps`` what steps added, ``limits`` what a minimum or
    maximum price changed, ``unpriced`` the volumes that cost nothing, and why.
    """
    parts: dict[str, Any] = {}
    for name, _ in _PARTS:
        amount: Price | None = getattr(priced.totals, name)
        if amount is not None:
            lines = [_line(line, priced.zone) for line in priced.lines if part_of(line) == name]
            parts[name] = {**_amount(amount), "lines": lines}
    return {
        "time_zone": priced.zone.key,
        "tariffs": [tariff.id for tariff in priced.tariffs],
        "parts": parts,
        "steps": [
            {
                "dimension": step.dimension,
                "period": step.period,
                "consumed": text(_volume(step.consumed, step.dimension)),
                "step": text(step.rule.item.step) + (" Wh" if step.dimension == "ENERGY" else " s"),
                "added": text(_volume(step.added, step.dimension)),
            }
            for step in priced.bill.steps
        ],
        "limits": [
            {
                "limit": cap.limit,
                "side": f"{cap.side}_vat",
                "from": text(decimal(cap.before, HOUR)),
                "to": text(decimal(cap.after, HOUR)),
            }
            for cap in priced.bill.capped
        ],
        "unpriced": [
            {"period": u.period, "dimension": u.dimension, "volume": text(u.volume), "because": u.reason} for u in priced.unpriced
        ],
    }


def part_of(line: Line) -> str:
    """Which of the totals a line belongs to."""
    reserved = line.item.value in ("RESERVATION", "RESERVATION_TIME")
    return "reservation" if reserved else _OF.get(line.dimension, "fixed")


def _volume(value: Decimal, dimension: str) -> Decimal:
    return decimal(value, 1 if dimension == "ENERGY" else HOUR)


def _amount(price: Price) -> dict[str, str | None]:
    return {
        "excl_vat": None if price.excl is None else text(price.excl),
        "incl_vat": None if price.incl is None else text(price.incl),
    }


def _line(line: Line, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "period": line.period,
        "start": line.start.astimezone(zone).isoformat(),
        "end": None if line.end is None else line.end.astimezone(zone).isoformat(),
        "dimension": line.dimension,
        "consumed": text(line.consumed),
        "billed": text(line.volume),
        "unit": _UNITS[line.dimension],
        "price": text(line.unit_price),
        "excl_vat": None if line.excl is None else text(line.excl),
        "incl_vat": None if line.incl is None else text(line.incl),
        "vat": None if line.vat is None else text(line.vat),
        "tariff": line.tariff_id,
        "element": line.element,
        "component": line.component,
        "rule": describe(line.restrictions),
    }


def explain(priced: Priced) -> str:
    """The explanation as text: periods with their lines, then steps, limits and the sum. Elements count from 1."""
    tariffs = ", ".join(t.id for t in priced.tariffs)
    rows = [f"Tariff {tariffs} in {priced.currency}, times in {priced.zone.key}", ""]
    for index, part in enumerate(priced.selected.parts):
        lines = [line for line in priced.lines if line.period == index]
        parts = priced.selected.parts
        end = parts[index + 1].start if index + 1 < len(parts) else priced.selected.case.end
        rows.append(f"{index + 1:>3}  {_when(part.start, end, priced.zone)}")
        rows += [row for line in lines for row in _say(line)]
        rows += [
            f"     {_NAMES[u.dimension]:<14}{_told(u.volume, u.dimension)}: nothing, {u.reason}"
            for u in priced.unpriced
            if u.period == index
        ]
    rows += ["", *_steps(priced), *_sum(priced)]
    return "\n".join(rows) + "\n"


_NAMES: Final = {
    "ENERGY": "energy",
    "TIME": "charging",
    "PARKING_TIME": "parking",
    "RESERVATION_TIME": "reservation",
    "FLAT": "fee",
}


def _when(start: datetime, end: datetime | None, zone: ZoneInfo) -> str:
    local = start.astimezone(zone)
    said = f"{DAY_NAMES[local.weekday()]} {local:%Y-%m-%d %H:%M:%S}"
    if end is None:
        return f"{said} on"
    until = end.astimezone(zone)
    same = until.date() == local.date()
    return f"{said} to {until:%H:%M:%S}" if same else f"{said} to {DAY_NAMES[until.weekday()]} {until:%Y-%m-%d %H:%M:%S}"


def _told(volume: Decimal, dimension: str) -> str:
    """A volume for a person: hours as 1 h 02 min 03 s."""
    if dimension in ("ENERGY", "FLAT"):
        return f"{text(volume)} {_UNITS[dimension]}".strip()
    seconds = int((volume * HOUR).to_integral_value())
    hours, rest = divmod(seconds, HOUR)
    words = [f"{hours} h"] if hours else []
    words += [f"{rest // 60} min"] if rest // 60 else []
    words += [f"{rest % 60} s"] if rest % 60 or not words else []
    return " ".join(words)


def _say(line: Line) -> list[str]:
    cost = line.excl if line.excl is not None else line.incl
    taxed = ""
    if line.excl is None:
        taxed = " after taxes; before them is not known"
    elif line.incl is None:
        taxed = " before taxes; after them is not known"
    elif line.vat is not None and line.incl != line.excl:
        taxed = f" before, {text(line.incl)} after {text(line.vat)} % VAT"
    where = f"element {line.element + 1}, component {line.component + 1}: {describe(line.restrictions)}"
    said = text(cost) if cost is not None else "not known"
    if line.dimension != "FLAT":
        volume = _told(line.volume, line.dimension)
        if line.volume != line.consumed:
            volume += f" ({_told(line.consumed, line.dimension)} rounded up)"
        said = f"{volume} at {text(line.unit_price)} per {_UNITS[line.dimension]} = {said}"
    return [f"     {_NAMES[line.dimension]:<14}{said}{taxed}", f"     {'':<14}{where}"]


def _steps(priced: Priced) -> list[str]:
    return [
        f"step: {_NAMES[s.dimension]} of {_told(_volume(s.consumed, s.dimension), s.dimension)} in steps of "
        f"{text(s.rule.item.step)} {'Wh' if s.dimension == 'ENERGY' else 's'} adds "
        f"{_told(_volume(s.added, s.dimension), s.dimension)} to period {s.period + 1}"
        for s in priced.bill.steps
    ]


def _sum(priced: Priced) -> list[str]:
    rows = []
    for name, said in _PARTS:
        amount: Price | None = getattr(priced.totals, name)
        if amount is not None:
            rows.append(f"{said:<16}{_both(amount)}")
    for cap in priced.bill.capped:
        side = "before taxes" if cap.side == "excl" else "after taxes"
        before, after = text(decimal(cap.before, HOUR)), text(decimal(cap.after, HOUR))
        rows.append(f"{cap.limit} {side}: {before} becomes {after}")
    total = priced.totals.total
    rows.append(f"{'total':<16}{'nothing' if total is None else _both(total)}")
    rounded = priced.rounded().total
    if rounded is not None:
        rows.append(f"{'rounded':<16}{_both(rounded)}")
    return rows


def _both(price: Price) -> str:
    excl = "not known" if price.excl is None else text(price.excl)
    incl = "not known" if price.incl is None else text(price.incl)
    return f"{excl} before taxes, {incl} after"
