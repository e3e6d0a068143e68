"""Pricing a session or CDR from its charging periods: the public function and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import localcontext
from functools import cached_property
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from bridge.model.cdr import Cdr, CdrLine
from bridge.model.session import ChargingPeriod, Session, SessionStatus
from bridge.model.tariff import Tariff
from bridge.tariff.bill import Bill, bill
from bridge.tariff.clock import utc
from bridge.tariff.errors import Finding, PricingError, refusing
from bridge.tariff.lines import Line, Unpriced, cdr_line, lines_of, unpriced_of
from bridge.tariff.measure import Case
from bridge.tariff.money import EXACT, Rounding, decimal, rounding
from bridge.tariff.readings import Reading, readings_of
from bridge.tariff.rules import DEFAULT, Rules
from bridge.tariff.select import Selected, select
from bridge.tariff.totals import Totals, totals_of


@frozen
class Priced:
    """A priced session. ``tariffs`` are those used, ``findings`` what kept parts of it from being priced.

    ``totals`` are there at once; readings, lines and what was not priced are computed when they are looked at.
    """

    currency: str
    totals: Totals
    findings: tuple[Finding, ...]
    tariffs: tuple[Tariff, ...]
    rules: Rules
    zone: ZoneInfo
    given: Sequence[Tariff] = field(repr=False, eq=False)
    selected: Selected = field(repr=False, eq=False)
    bill: Bill = field(repr=False, eq=False)

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """What other readings of the specification give, where they change the rounded total."""
        if not self.selected.doubts:
            return ()
        with localcontext(EXACT), refusing():
            return readings_of(self.selected, self.bill, self.given, self.rules, self.currency)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """One line for each period and dimension that a component prices, in order of time."""
        return lines_of(self.selected, self.bill, self.rules)

    @cached_property
    def unpriced(self) -> tuple[Unpriced, ...]:
        """Volumes that cost nothing because no component, or no tariff, prices them."""
        return unpriced_of(self.selected, self.rules)

    @property
    def cdr_lines(self) -> tuple[CdrLine, ...]:
        """The lines as the canonical CDR has them: net unit prices, volumes after steps."""
        return tuple(cdr_line(line) for line in self.lines)

    def rounded(self, policy: Rounding | None = None) -> Totals:
        """The amounts rounded, each once and from its exact value; by the currency's own policy if none is
        given.
        """
        chosen = policy or rounding(self.currency)
        return totals_of(self.bill, chosen.apply)


def price(record: Cdr | Session, tariffs: Sequence[Tariff], zone: ZoneInfo, rules: Rules = DEFAULT) -> Priced:
    """Price a CDR or session from its charging periods.

    Volumes are in kWh and hours, amounts in the tariffs' currency. ``zone`` is the time zone of the place:
    times of day and dates in tariffs are local to it. A session that is still open is priced as far as it
    goes; its last period then has no end. The record's own totals play no part: see `check`.

    Raises PricingError (path and reason) for a record without start or periods, times without a zone, and
    tariffs that are none; NoTariffError if no tariff applies anywhere.
    """
    case = case_of(record)
    with localcontext(EXACT), refusing():
        found = select(case, tariffs, zone, rules)
        made = bill(found, rules)
        totals = totals_of(made, decimal)
    currency = next(p.tariff.currency for p in found.plans if p is not None)
    used = {id(p.tariff): p.tariff for p in found.plans if p is not None}
    return Priced(currency, totals, tuple(found.findings), tuple(used.values()), rules, zone, tariffs, found, made)


def price_periods(
    periods: Sequence[ChargingPeriod],
    start: datetime,
    end: datetime | None,
    tariffs: Sequence[Tariff],
    zone: ZoneInfo,
    rules: Rules = DEFAULT,
) -> Priced:
    """Price charging periods that are in no record yet; see `price`. ``end`` None: the last one has no end yet."""
    status = SessionStatus.ACTIVE if end is None else SessionStatus.COMPLETED
    return price(Session(start=start, end=end, status=status, periods=tuple(periods)), tariffs, zone, rules)


def case_of(record: Cdr | Session) -> Case:
    """What pricing needs of a record. Raises PricingError, with the path, if it is not there."""
    start, end, periods = record.start, record.end, record.periods
    if start is None:
        raise PricingError("start", "the start of the session is missing")
    if not periods:
        raise PricingError("periods", "there is no charging period")
    start = utc(start, "start")
    if end is not None:
        end = utc(end, "end")
    for index, period in enumerate(periods):
        at = utc(period.start, f"periods[{index}].start")
        if at is not period.start:
            periods = (*periods[:index], evolve(period, start=at), *periods[index + 1 :])
        for place, volume in enumerate(period.volumes):
            if not volume.volume.is_finite():
                path = f"periods[{index}].volumes[{place}].volume"
                raise PricingError(path, f"{volume.volume} is no number")
    over = isinstance(record, Cdr) or (end is not None and record.status not in (SessionStatus.RESERVATION, SessionStatus.PENDING))
    return Case(periods, start, end, over)
