"""What a clearing house checks beyond the schema (OCHP 1.4): dates, owners, allowed pairs, plausible CDRs.

Written against the specification, not with the bridge's readers: it has to find what those would forgive.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

NS = "http://ochp.eu/1.4"
Q = f"{{{NS}}}"

PAIRS = frozenset({
    ("unknown", None), ("available", None), ("not-available", None), ("available", "available"), ("available", "reserved"),
    ("not-available", "charging"), ("not-available", "blocked"), ("not-available", "reserved"), ("not-available", "outoforder"),
})  # fmt: skip
"""Major and minor status that may stand together (Live Status Interface)."""

CENT = Decimal("0.01")


def tag(element: Any) -> str:
    """The local name."""
    return str(element.tag).rpartition("}")[2]


def text(element: Any, path: str) -> str:
    """The text at a path of local names, or an empty one."""
    found = element.find("/".join(Q + step for step in path.split("/")))
    return "" if found is None else (found.text or "").strip()


def number(element: Any, path: str) -> Decimal | None:
    """The number at a path; xs:float is read as its decimal text. INF and NaN are none."""
    given = text(element, path)
    if not given:
        return None
    found = Decimal(given)
    return found if found.is_finite() else None


def key(ident: str) -> str:
    """An identifier for comparing: no separators, capitals."""
    return ident.replace("*", "").replace("-", "").upper()


def owner(ident: str) -> str:
    """The five characters of the party an EVSE-ID, tariff id, contract id or CdrId belongs to."""
    return key(ident)[:5]


def normal(element: Any) -> tuple[Any, ...]:
    """What an element says, whatever its prefixes and white space."""
    children = tuple(normal(child) for child in element)
    return (str(element.tag), tuple(sorted(element.attrib.items())), "" if children else (element.text or "").strip(), children)


def moment(element: Any, path: str) -> datetime | None:
    """The DateTime or LocalDateTime inside the element at ``path``."""
    found = element.find("/".join(Q + step for step in path.split("/")))
    return None if found is None or not len(found) else datetime.fromisoformat((found[0].text or "").strip())


def bad_dates(element: Any) -> Iterator[str]:
    """Moments that match the schema's pattern and are none (``2024-02-30T99:99:99Z``)."""
    for found in element.iter(f"{Q}DateTime", f"{Q}LocalDateTime"):
        try:
            datetime.fromisoformat((found.text or "").strip())
        except ValueError:
            yield f"{tag(found.getparent())}: {found.text!r} is no date and time"


def charge_point(element: Any, ids: frozenset[str]) -> Iterator[str]:
    """What is wrong with a ChargePointInfo that the schema lets pass."""
    evse = text(element, "evseId")
    if owner(evse) not in ids:
        yield f"evseId {evse} does not belong to this account"
    for found in element.iter(f"{Q}tariffId"):
        if owner(found.text or "") not in ids:
            yield f"tariffId {found.text} does not belong to this account"
    zone = text(element, "timeZone")
    if zone and zone not in available_timezones():
        yield f"timeZone {zone!r} is no IANA time zone"
    point = element.find(f"{Q}chargePointLocation")
    if abs(Decimal(point.get("lat"))) > 90 or abs(Decimal(point.get("lon"))) > 180:
        yield "chargePointLocation is not on Earth"
    for hours in element.iter(f"{Q}regularHours"):
        if hours.get("periodEnd") <= hours.get("periodBegin") or hours.get("periodEnd") > "24:00":
            yield f"regularHours {hours.get('periodBegin')} to {hours.get('periodEnd')}: the end has to be later, 24:00 at most"
    for name, begin, end in (("exceptionalOpenings", "periodBegin", "periodEnd"),
                             ("exceptionalClosings", "periodBegin", "periodEnd"),
                             ("statusSchedule", "startDate", "endDate")):  # fmt: skip
        for period in element.iter(Q + name):
            first, last = moment(period, begin), moment(period, end)
            if first is not None and last is not None and last < first:
                yield f"{name} ends before it begins"
    methods = [found.text for found in element.iter(f"{Q}AuthMethodType")]
    if len(set(methods)) != len(methods):
        yield "an authMethod twice"
    if (number(element, "ratings/maximumPower") or Decimal(1)) <= 0:
        yield "ratings.maximumPower is not greater than 0"


def live_status(element: Any) -> Iterator[str]:
    """What is wrong with an EvseStatusType."""
    pair = (element.get("major"), element.get("minor"))
    if pair not in PAIRS:
        yield f"{text(element, 'evseId')}: {pair[0]}/{pair[1]} must not be set"


def tariff(element: Any, ids: frozenset[str]) -> Iterator[str]:
    """What is wrong with a TariffInfo."""
    ident = text(element, "tariffId")
    if owner(ident) not in ids:
        yield f"tariffId {ident} does not belong to this account"
    everyone = 0
    for one in element.iterfind(f"{Q}individualTariff"):
        recipients = one.findall(f"{Q}recipient")
        everyone += not recipients
        currency = text(one, "currency")
        if len(currency) != 3 or not currency.isalpha() or not currency.isupper():
            yield f"currency {currency!r} is no ISO 4217 code"
        if any(len(r.text or "") != 5 for r in recipients):
            yield "a recipient has five characters"
        for component in one.iter(f"{Q}priceComponent"):
            if number(component, "itemPrice") is None or (number(component, "stepSize") or Decimal(0)) < 0:
                yield "a price component without a finite price, or with a step below 0"
    if everyone > 1:
        yield "more than one individualTariff for everybody"


def token(element: Any, ids: frozenset[str]) -> Iterator[str]:
    """What is wrong with a RoamingAuthorisationInfo."""
    if owner(text(element, "contractId")) not in ids:
        yield "contractId does not belong to this account"
    if text(element, "EmtId/tokenType") == "remote":
        yield "a remote token must not be in a roaming list"


def cdr(element: Any, ids: frozenset[str], now: datetime) -> Iterator[str]:
    """Why a CDRInfo is implausible by itself."""
    ident, evse = text(element, "CdrId"), text(element, "evseId")
    if owner(ident) not in ids:
        yield "the CdrId does not begin with the operator's five characters"
    if owner(evse) not in ids:
        yield f"evseId {evse} does not belong to this account"
    start, end = moment(element, "startDateTime"), moment(element, "endDateTime")
    if start is None or end is None or end < start:
        yield "it ends before it starts"
    elif end.astimezone(UTC) > now + timedelta(minutes=10):
        yield "it ends in the future"
    else:
        yield from _duration(element, end - start)
    currency = text(element, "currency")
    if len(currency) != 3 or not currency.isupper():
        yield f"currency {currency!r} is no ISO 4217 code"
    yield from _periods(element, start, end)


def _duration(element: Any, length: timedelta) -> Iterator[str]:
    given = text(element, "duration")
    if given:
        hours, minutes, seconds = (int(part) for part in given.split(":"))
        if abs(timedelta(hours=hours, minutes=minutes, seconds=seconds) - length) > timedelta(seconds=1):
            yield f"duration {given} is not the time from start to end"


def _periods(element: Any, start: datetime | None, end: datetime | None) -> Iterator[str]:
    costs: list[Decimal | None] = []
    for period in element.iterfind(f"{Q}chargingPeriods"):
        item = text(period, "billingItem/BillingItemType")
        first, last = moment(period, "startDateTime"), moment(period, "endDateTime")
        if first is None or last is None or last < first:
            yield f"a period of {item} ends before it starts"
        elif start is not None and end is not None and (first < start or last > end) and not item.startswith("reservation"):
            yield f"a period of {item} lies outside the session"
        value, price, cost = number(period, "billingValue"), number(period, "itemPrice"), number(period, "periodCost")
        if value is None or price is None or value < 0:
            yield f"a period of {item} without a finite value and price"
        elif cost is not None and abs(value * price - cost) > CENT:
            yield f"periodCost {cost} is not {value} x {price}"
        costs.append(cost)
    total = number(element, "totalCost")
    if total is not None and costs and None not in costs:
        summed = sum((c for c in costs if c is not None), Decimal(0))
        if abs(summed - total) > CENT * max(1, len(costs) // 2):
            yield f"totalCost {total} is not the sum of its periods, {summed}"
