"""How a tariff is read: one field for each point on which the specification can be read in several ways.

The default of every field is the reading this package computes with; `readings` prices the other values of
those that a case turns on. What each means, and why ours was chosen, is in ``docs/pricing.md``.
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import evolve, frozen

Hours = Literal["timestamps", "volumes"]
Uncovered = Literal["left-out", "counted"]
ParkingStep = Literal["parking", "last"]
Fees = Literal["first", "each"]
Midnight = Literal["end-of-day", "start-of-day"]
NightDays = Literal["instant", "start-day"]
Ranges = Literal["same", "crossed"]
Unknown = Literal["no-match", "match"]
TariffIds = Literal["honoured", "ignored"]
ParkingDuration = Literal["session", "parking"]
LimitTax = Literal["independent", "follows"]
LimitScope = Literal["all", "without-reservation"]
ReservationStep = Literal["own", "shared"]
DurationStart = Literal["charging", "reservation"]
SwitchStep = Literal["whole", "last-tariff"]
Selection = Literal["dimension", "element"]
AbsentVat = Literal["none-due", "unknown"]
StepCount = Literal["reached", "exceeded"]


@frozen(cache_hash=True)
class Rules:
    """One choice for each point of doubt. Values are immutable and comparable; change them with
    ``attrs.evolve``.

    ``hours``: a time that differs from its period's timestamps by no more than OCPI's four decimals can hold
    (0.00005 h) is taken from the timestamps, or is the volume as written.
    ``uncovered``: volume that no component prices is left out of a step's total, or counted in it.
    ``parking_step``: with charging and parking both priced, only parking is rounded, or whichever came last.
    ``fees``: the first FLAT component of a session counts, or each different one that becomes active.
    ``midnight``: an ``end_time`` of 00:00 is the end of the day, or its start.
    ``night_days``: in a window over midnight the weekday is that of the instant, or of the window's start.
    ``ranges``: min_x is compared with MIN_X and max_x with MAX_X of a period, or the other way round.
    ``unknown``: a restriction on power or current that the period does not tell fails, or holds.
    ``tariff_ids``: a period's tariff_id is honoured, or every period has the session's tariff.
    ``parking_duration``: durations in elements for PARKING_TIME count from the session's start, or parking's.
    ``limit_tax``: a limit given without its amount after taxes leaves that amount, or moves it in proportion.
    ``limit_scope``: a limit holds for the whole total, or for the total without the reservation.
    ``reservation_step``: reservation time has a step of its own, or is rounded with charging and parking.
    ``duration_start``: durations count from the first period that is no reservation, or from the first of
    all.
    ``switch_step``: after a switch of tariffs the last step is over the session's whole volume, or over the
    volume under the last tariff.
    ``step_count``: a volume that is a whole number of steps stays, or is moved on to the next.
    ``selection``: elements are selected per dimension, or the first that matches gives all dimensions.
    ``absent_vat``: before OCPI 2.3.0, no ``vat`` means that none is due, or that it is not known (2.1.1,
    which has no such field).
    """

    hours: Hours = "timestamps"
    uncovered: Uncovered = "left-out"
    parking_step: ParkingStep = "parking"
    fees: Fees = "first"
    midnight: Midnight = "end-of-day"
    night_days: NightDays = "instant"
    ranges: Ranges = "same"
    unknown: Unknown = "no-match"
    tariff_ids: TariffIds = "honoured"
    parking_duration: ParkingDuration = "session"
    limit_tax: LimitTax = "independent"
    limit_scope: LimitScope = "all"
    reservation_step: ReservationStep = "own"
    duration_start: DurationStart = "charging"
    switch_step: SwitchStep = "whole"
    step_count: StepCount = "reached"
    selection: Selection = "dimension"
    absent_vat: AbsentVat = "none-due"

    @staticmethod
    def ocpi(version: str) -> Rules:
        """The rules of an OCPI version: ``2.1.1``, ``2.2.1`` or ``2.3.0``. Raises ValueError for any other.

        2.1.1 knows no VAT, so what is after taxes cannot be determined there. That 2.3.0 says whether prices
        hold taxes is in the tariff (``Tariff.tax_included``), not here.
        """
        try:
            return _BY_VERSION[version]
        except KeyError:
            raise ValueError(f"OCPI {version} is not known; known are {', '.join(_BY_VERSION)}") from None


DEFAULT: Final = Rules()
_BY_VERSION: Final = {"2.1.1": evolve(DEFAULT, absent_vat="unknown"), "2.2.1": DEFAULT, "2.3.0": DEFAULT}
