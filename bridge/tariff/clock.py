"""Instants at which the local clock or calendar may change a price: window borders, midnights, changes of
offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from bridge.tariff.errors import PricingError
from bridge.tariff.plan import MICRO, Plan

_ONE: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1)


def zone_named(name: str) -> ZoneInfo:
    """The IANA time zone of that name. Raises PricingError if there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PricingError("zone", f"{name!r} is no time zone of the IANA database") from None


def utc(at: datetime, path: str) -> datetime:
    """An instant in UTC. Raises PricingError, with the path, if it has no zone or lies out of all use.

    Two times of one zone that changes its clocks cannot be subtracted as they are: Python would take the difference
    of what the clocks show.
    """
    if at.tzinfo is None:
        raise PricingError(path, "a time without a zone")
    if not 1900 <= at.year <= 9000:
        raise PricingError(path, f"{at.year} is no usable year")
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def micros(span: timedelta) -> int:
    """A span in whole microseconds."""
    return (span.days * 86_400 + span.seconds) * MICRO + span.microseconds


@lru_cache(maxsize=4096)
def _day_turns(minutes: tuple[int, ...], zone: ZoneInfo, day: int) -> tuple[datetime, ...]:
    """The instants (UTC) of one local day at which its clock passes ``minutes`` or jumps."""
    found: set[datetime] = set()
    start = datetime.combine(date.fromordinal(day), time(0))
    for minute in minutes:
        local = start + timedelta(minutes=minute)
        # A repeated hour passes a minute twice; in a gap both folds give an instant near it, which does no
        # harm.
        for fold in (0, 1):
            found.add(local.replace(tzinfo=zone, fold=fold).astimezone(UTC))
    found.update(_jumps(start.replace(tzinfo=zone).astimezone(UTC), zone))
    return tuple(sorted(found))


def _jumps(begin: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Changes of the zone's offset in the 26 hours from ``begin`` (UTC), to the second."""
    for hour in range(26):
        low = begin + hour * _HOUR
        high = low + _HOUR
        before = low.astimezone(zone).utcoffset()
        if before == high.astimezone(zone).utcoffset():
            continue
        while high - low > timedelta(seconds=1):
            middle = (low + (high - low) / 2).replace(microsecond=0)
            if middle.astimezone(zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        yield high


def turns(plan: Plan, zone: ZoneInfo, start: datetime, after: datetime, before: datetime) -> list[datetime]:
    """Instants between ``after`` and ``before``, both excluded, at which time alone may turn a restriction,
    in order.

    ``start`` is where durations count from. Not every instant given changes a price; none that does is left
    out.
    """
    found = {start + timedelta(seconds=s) for s in plan.durations}
    found.update(plan.instants)
    if plan.minutes:
        # A day more on either side: a jump of the clock may lie across midnight.
        for day in range(after.astimezone(zone).toordinal() - 1, before.astimezone(zone).toordinal() + 2):
            found.update(_day_turns(plan.minutes, zone, day))
    return sorted(t for t in found if after < t < before)
