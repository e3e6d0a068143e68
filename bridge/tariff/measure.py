"""What a charging period measured, in the units that pricing counts in.

OCPI 2.2.1 and 2.3.0, mod_cdrs (ChargingPeriod, CdrDimensionType).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bridge.model.session import CdrDimension, ChargingPeriod
from bridge.tariff.money import HOUR

FOUR_DECIMALS: Final = Decimal("0.18")
"""Half a unit of the fourth decimal of an hour, in seconds: what OCPI's numbers cannot hold (0.00005 h)."""

_ENERGY: Final = CdrDimension.ENERGY
_TIME: Final = CdrDimension.TIME
_PARKING: Final = CdrDimension.PARKING_TIME
_RESERVED: Final = CdrDimension.RESERVATION_TIME
_MIN_POWER: Final = CdrDimension.MIN_POWER
_MAX_POWER: Final = CdrDimension.MAX_POWER
_MIN_CURRENT: Final = CdrDimension.MIN_CURRENT
_MAX_CURRENT: Final = CdrDimension.MAX_CURRENT


class Case(NamedTuple):
    """What is priced: periods in order, start and end of the session, and whether it is over."""

    periods: Sequence[ChargingPeriod]
    start: datetime
    end: datetime | None
    over: bool


class Part:
    """The volumes of one period, None where it does not tell. Energy in kWh, times in seconds.

    A time is the span between the period's timestamps where it differs from that by no more than four decimals of
    an hour can hold; ``written`` then has the three times (charging, parking, reserved) as the volumes have them.
    ``ranges`` are MIN_CURRENT, MAX_CURRENT, MIN_POWER and MAX_POWER. ``waits``: part of a
    reservation in which nothing else happens. ``odd``: has a negative volume, or one that no CDR may have.
    """

    __slots__ = ("energy", "local", "odd", "parking", "ranges", "reserved", "start", "time", "waits", "written")

    def __init__(self, period: ChargingPeriod, end: datetime | None, zone: ZoneInfo) -> None:
        """Measure a period that lasts until ``end``. A dimension given twice counts as their sum."""
        self.start = start = period.start
        self.local = start.astimezone(zone)
        energy = time = parking = reserved = None
        low_a = high_a = low_w = high_w = None
        odd = False
        for volume in period.volumes:
            dimension, amount = volume.dimension, volume.volume
            if dimension is _ENERGY:
                energy = amount if energy is None else energy + amount
            elif dimension is _TIME:
                time = amount * HOUR if time is None else time + amount * HOUR
            elif dimension is _PARKING:
                parking = amount * HOUR if parking is None else parking + amount * HOUR
            elif dimension is _MAX_POWER:
                high_w = amount
            elif dimension is _MIN_POWER:
                low_w = amount
            elif dimension is _MAX_CURRENT:
                high_a = amount
            elif dimension is _MIN_CURRENT:
                low_a = amount
            elif dimension is _RESERVED:
                reserved = amount * HOUR if reserved is None else reserved + amount * HOUR
            else:
                odd = True
            if amount < 0:
                odd = True
        self.energy = energy
        self.odd = odd
        self.ranges = (low_a, high_a, low_w, high_w)
        self.waits = reserved is not None and not (energy or time or parking)
        self.written: tuple[Decimal | None, Decimal | None, Decimal | None] | None = None
        if end is not None:
            before = (time, parking, reserved)
            if time:
                if not parking and not reserved:
                    time = _nearest(time, end - start)
            elif parking:
                if not reserved:
                    parking = _nearest(parking, end - start)
            elif reserved:
                reserved = _nearest(reserved, end - start)
            if before != (time, parking, reserved):
                self.written = before
        self.time = time
        self.parking = parking
        self.reserved = reserved


def _nearest(seconds: Decimal, span: timedelta) -> Decimal:
    clock = Decimal(span.days * 86_400 + span.seconds)
    if span.microseconds:
        clock += Decimal(span.microseconds).scaleb(-6)
    return clock if -FOUR_DECIMALS <= clock - seconds <= FOUR_DECIMALS else seconds


def parts_of(case: Case, zone: ZoneInfo) -> list[Part]:
    """The periods of a case, measured: each lasts until the next one starts, the last until the session's
    end.
    """
    ends = [p.start for p in case.periods[1:]]
    return [Part(p, e, zone) for p, e in zip(case.periods, [*ends, case.end], strict=True)]
