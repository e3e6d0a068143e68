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
from bridge.tariff.money import HOUR, ZERO
from bridge.tariff.plan import Facts

FOUR_DECIMALS: Final = Decimal("0.18")
"""Half a unit of the fourth decimal of an hour, in seconds: what OCPI's numbers cannot hold (0.00005 h)."""

_HOUR: Final = Decimal(HOUR)
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


class Part(Facts):
    """The volumes of one period, None where it does not tell. Energy in kWh, times in seconds.

    A time is the span between the period's timestamps where it differs from that by no more than four decimals of
    an hour can hold; ``written`` then has the three times (charging, parking, reserved) as the volumes have them.
    As facts it is about the period's start. ``waits``: part of a
    reservation in which nothing else happens. ``odd``: has a negative volume, or one that no CDR may have.
    """

    __slots__ = ("energy", "odd", "parking", "reserved", "start", "time", "waits", "written")

    def __init__(self, period: ChargingPeriod, end: datetime | None, zone: ZoneInfo) -> None:
        """Measure a period that lasts until ``end``. A dimension given twice counts as their sum."""
        self.start = self.at = start = period.start
        local = start.astimezone(zone)
        self.minute = local.hour * 60 + local.minute
        self.day = local.toordinal()
        self.weekday = local.isoweekday()
        self.elapsed = 0
        self.blind = False
        energy = time = parking = reserved = None
        low_a = high_a = low_w = high_w = None
        odd = False
        for volume in period.volumes:
            dimension, amount = volume.dimension, volume.volume
            if dimension is _ENERGY:
                energy = amount if energy is None else energy + amount
            elif dimension is _TIME:
                time = amount * _HOUR if time is None else time + amount * _HOUR
            elif dimension is _PARKING:
                parking = amount * _HOUR if parking is None else parking + amount * _HOUR
            elif dimension is _MAX_POWER:
                high_w = amount
            elif dimension is _MIN_POWER:
                low_w = amount
            elif dimension is _MAX_CURRENT:
                high_a = amount
            elif dimension is _MIN_CURRENT:
                low_a = amount
            elif dimension is _RESERVED:
                reserved = amount * _HOUR if reserved is None else reserved + amount * _HOUR
            else:
                odd = True
            if amount < 0:
                odd = True
        self.energy = energy
        self.odd = odd
        self.min_current, self.max_current, self.min_power, self.max_power = low_a, high_a, low_w, high_w
        self.waits = reserved is not None and not (energy or time or parking)
        self.written: tuple[Decimal | None, Decimal | None, Decimal | None] | None = None
        self.time = time
        self.parking = parking
        self.reserved = reserved
        if end is not None:
            self._by_clock(end - start)

    def _by_clock(self, span: timedelta) -> None:
        """Take the one time the period has from its timestamps, if they say the same as its volume."""
        time, parking, reserved = self.time, self.parking, self.reserved
        told = time or parking or reserved
        if not told or (time and parking) or (time and reserved) or (parking and reserved):
            return
        seconds = _nearest(told, span)
        if seconds != told:
            self.written = (time, parking, reserved)
            if time:
                self.time = seconds
            elif parking:
                self.parking = seconds
            else:
                self.reserved = seconds


def _nearest(seconds: Decimal, span: timedelta) -> Decimal:
    clock = Decimal(span.days * 86_400 + span.seconds)
    if span.microseconds:
        clock += Decimal(span.microseconds).scaleb(-6)
    return clock if -FOUR_DECIMALS <= clock - seconds <= FOUR_DECIMALS else seconds


def parts_of(case: Case, zone: ZoneInfo) -> list[Part]:
    """The periods of a case, measured: each lasts until the next one starts, the last until the session's end."""
    ends = [p.start for p in case.periods[1:]]
    parts = []
    kwh = ZERO
    for period, end in zip(case.periods, [*ends, case.end], strict=True):
        part = Part(period, end, zone)
        part.kwh = kwh
        if part.energy:
            kwh += part.energy
        parts.append(part)
    return parts
