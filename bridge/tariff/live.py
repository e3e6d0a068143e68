"""Pricing a session from meter samples, while it runs or at its end.

Between two samples energy, power and current are taken to change evenly; whether the vehicle charges holds
until the next sample. An instant at which another component becomes active starts a charging period, whether
the charger reported it or not (OCPI 2.2.1, mod_cdrs "ChargingPeriod").
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from attrs import frozen

from bridge.model.session import CdrDimension, ChargingPeriod, Session, SessionStatus, Volume
from bridge.model.tariff import Tariff
from bridge.tariff.choice import choose
from bridge.tariff.clock import micros, turns, utc
from bridge.tariff.engine import Priced, price
from bridge.tariff.errors import NoTariffError, PricingError
from bridge.tariff.money import EXACT, ZERO
from bridge.tariff.plan import MICRO, Facts, Plan, Rule, first, plan_of
from bridge.tariff.rules import DEFAULT, Rules

HORIZON: Final = timedelta(days=8)
"""How far a change of price is looked for: a week, so that every weekday is seen, and a day."""

_FAR: Final = micros(HORIZON)
_SECOND: Final = timedelta(seconds=1)
_GRAIN: Final = 10_000
"""Interpolated figures have four decimals, as OCPI's numbers; rounded down, so that none passes a limit
early.
"""


class Sample(NamedTuple):
    """A meter reading. ``kwh`` is a register: only differences count. ``power`` is in kW, ``current`` in A
    (all phases together); both are momentary values. ``charging`` False: the vehicle asks for no power
    (parking).
    """

    time: datetime
    kwh: Decimal
    charging: bool = True
    power: Decimal | None = None
    current: Decimal | None = None


class Outlook(NamedTuple):
    """When the price changes next, as far as can be told from a sample.

    ``at`` None: not within `HORIZON`. ``why`` is ``time`` (clock, calendar or duration), ``energy`` (at the
    present rate) or empty; ``kwh`` is the session's energy at which the price changes, None if none lies
    ahead.
    """

    at: datetime | None
    why: str
    kwh: Decimal | None


class _State(NamedTuple):
    """Everything a selection depends on, at one instant of the session."""

    at: datetime
    kwh: Decimal
    charging: bool
    power: Decimal | None
    current: Decimal | None


Chosen = tuple[Rule | None, Rule | None, Rule | None]
"""The rules for energy, time (charging or parking) and fee."""


@frozen
class PricedSession:
    """What the end of a session needs for its CDR. ``kwh`` is the energy charged, periods are in order."""

    start: datetime
    end: datetime
    kwh: Decimal
    periods: tuple[ChargingPeriod, ...]
    priced: Priced


class RunningSession:
    """A session that is being metered, under the tariff valid at its start. Not for use by several threads.

    ``reserved_from`` is the start of a reservation that this session used up; its time becomes the first
    period. ``switches`` are moments from which another tariff holds, in order of time; energy is split there.
    """

    def __init__(
        self,
        tariffs: Sequence[Tariff],
        zone: ZoneInfo,
        rules: Rules = DEFAULT,
        *,
        reserved_from: datetime | None = None,
        switches: Sequence[tuple[datetime, Tariff]] = (),
    ) -> None:
        self._tariffs = tuple(tariffs)
        self._switches = [(utc(at, f"switches[{i}]"), tariff) for i, (at, tariff) in enumerate(switches)]
        if self._switches != sorted(self._switches, key=lambda one: one[0]):
            raise PricingError("switches", "they are not in order of time")
        self._zone = zone
        self._rules = rules
        self._reserved_from = None if reserved_from is None else utc(reserved_from, "reserved_from")
        self._count = 0
        self._periods: list[ChargingPeriod] = []
        self._facts = Facts()

    def _begin(self, sample: Sample) -> Outlook:
        at = utc(sample.time, "samples[0].time")
        begin = self._reserved_from or at
        tariff = choose(self._tariffs, begin)
        if tariff is None:
            raise NoTariffError("tariffs", f"no tariff is valid at {begin:%Y-%m-%dT%H:%M:%S%z}")
        self._use(tariff)
        self._start = at
        self._base = sample.kwh
        if self._reserved_from is not None:
            self._reserve(self._reserved_from, at)
        self._last = _State(at, ZERO, sample.charging, sample.power, sample.current)
        self._open(self._last, self._choose(self._last))
        self._settle()
        return self._outlook(None)

    def _reserve(self, begin: datetime, end: datetime) -> None:
        """The periods of a reservation that was used: one for each price of its time."""
        if begin > end:
            raise PricingError("reserved_from", f"{begin.isoformat()} is after the session's start")
        plan, facts = self._plan, Facts()
        starts: list[datetime] = []
        chosen: tuple[Rule | None, ...] = ()
        for at in (begin, *turns(plan, self._zone, begin, begin, end)):
            facts.move(at, at.astimezone(self._zone))
            facts.elapsed = micros(at - begin)
            now = first(plan.reserved_time, facts), first(plan.reserved_flat, facts)
            if now != chosen:
                starts.append(at)
                chosen = now
        for at, until in zip(starts, [*starts[1:], end], strict=True):
            volumes = (Volume(CdrDimension.RESERVATION_TIME, _hours(until - at)),)
            self._periods.append(ChargingPeriod(at, volumes, plan.tariff.id))

    def add(self, sample: Sample) -> Outlook:
        """Take a sample and say when the price changes next.

        Raises PricingError for a sample before the last one or with a lower register, NoTariffError at the
        first sample if no tariff is valid then.
        """
        number = self._count
        if not number:
            found = self._begin(sample)
            self._count = 1
            return found
        last = self._last
        at, kwh = sample.time, sample.kwh - self._base
        if at.tzinfo is not UTC:
            at = utc(at, f"samples[{number}].time")
        if at < last.at:
            raise PricingError(f"samples[{number}].time", f"{at.isoformat()} is before the sample before it")
        if kwh < last.kwh:
            raise PricingError(
                f"samples[{number}].kwh",
                f"the register goes back from {last.kwh + self._base} to {sample.kwh}",
            )
        state = _State(at, kwh, sample.charging, sample.power, sample.current)
        while self._switches and self._switches[0][0] <= at:
            self._switch(state)
            last = self._last
        kwhs, powers, currents = self._limits
        key = (
            bisect_right(kwhs, kwh) if kwhs else 0,
            _bucket(powers, sample.power) if powers else 0,
            _bucket(currents, sample.current) if currents else 0,
        )
        if key == self._key and at < self._until and sample.charging is last.charging:
            self._measure(state)
            self._last = state
        else:
            with localcontext(EXACT):
                self._walk(last, state)
            self._last = state
            self._settle()
        self._count = number + 1
        return self._outlook(last)

    def _switch(self, ahead: _State) -> None:
        """Change to the next tariff on the way to a state."""
        at, tariff = self._switches.pop(0)
        last = self._last
        point = last if at <= last.at else ahead if at == ahead.at else _interpolated(last, ahead, at)
        with localcontext(EXACT):
            self._walk(last, point)
        self._close(point)
        self._use(tariff)
        if not any(one is tariff for one in self._tariffs):
            self._tariffs = (*self._tariffs, tariff)
        self._last = point
        self._open(point, self._choose(point))
        self._settle()

    def _use(self, tariff: Tariff) -> None:
        self._plan: Plan = plan_of(tariff, self._rules)
        self._limits = (self._plan.kwhs, self._plan.powers, self._plan.currents)

    def _outlook(self, before: _State | None) -> Outlook:
        """The earlier of the next change in time and that by energy at the rate since the sample before."""
        ahead = self._ahead
        if ahead is None or before is None:
            return self._by_time
        now = self._last
        gained = now.kwh - before.kwh
        if not gained:
            return self._by_time
        span = micros(now.at - before.at) * (ahead - now.kwh) / gained
        if span > _FAR:
            return self._by_time
        at = now.at + timedelta(microseconds=int(span))
        return Outlook(at, "energy", ahead) if at < self._until else self._by_time

    def _settle(self) -> None:
        """Find, for the state as it is, the next change in time and the next energy that changes the price."""
        now = self._last
        kwhs, powers, currents = self._limits
        self._key = (
            bisect_right(kwhs, now.kwh),
            _bucket(powers, now.power) if powers else 0,
            _bucket(currents, now.current) if currents else 0,
        )
        horizon = now.at + HORIZON
        chosen, at = self._chosen, None
        for turn in turns(self._plan, self._zone, self._start, now.at, horizon):
            if self._choose(now._replace(at=turn)) != chosen:
                at = turn
                break
        self._until = at or horizon
        self._ahead = next((x for x in kwhs[self._key[0] :] if self._choose(now._replace(kwh=x)) != chosen), None)
        self._by_time = Outlook(at, "time" if at else "", self._ahead)

    def _choose(self, state: _State) -> Chosen:
        """What is selected in a state, as `select` would at the start of a period."""
        plan, facts = self._plan, self._facts
        if plan.clock:
            facts.move(state.at, state.at.astimezone(self._zone))
        facts.elapsed = micros(state.at - self._start)
        facts.kwh = state.kwh
        facts.min_power = facts.max_power = state.power
        facts.min_current = facts.max_current = state.current
        by_time = plan.time if state.charging else plan.parking
        return first(plan.energy, facts), first(by_time, facts), first(plan.flat, facts)

    def _walk(self, last: _State, now: _State) -> None:
        """Go from one sample to the next and start a period wherever another component becomes active."""
        for state in sorted(self._between(last, now), key=lambda s: (s.at, s.kwh)):
            if state.kwh < self._reached:
                state = state._replace(kwh=self._reached)
            self._turn(state)
            self._measure(state)
        self._turn(now)
        self._measure(now)

    def _turn(self, state: _State) -> None:
        self._reached = state.kwh
        chosen = self._choose(state)
        if chosen != self._chosen or state.charging is not self._opened.charging:
            self._close(state)
            self._open(state, chosen)

    def _between(self, last: _State, now: _State) -> Iterator[_State]:
        """States strictly between two samples at which a restriction may turn."""
        span = micros(now.at - last.at)
        if not span:
            return
        kwhs, powers, currents = self._limits
        for turn in turns(self._plan, self._zone, self._start, last.at, now.at):
            yield _interpolated(last, now, turn)
        for x in kwhs:
            if last.kwh < x < now.kwh:
                at = _reached(last.at, span, Fraction(x - last.kwh) / Fraction(now.kwh - last.kwh), False)
                yield _interpolated(last, now, min(at, now.at))._replace(kwh=x)
        for low, high, limits in ((last.power, now.power, powers), (last.current, now.current, currents)):
            if low is None or high is None or low == high:
                continue
            for x in limits:
                if min(low, high) <= x <= max(low, high):
                    at = _reached(last.at, span, Fraction(x - low) / Fraction(high - low), high < low)
                    if last.at < at < now.at:
                        yield _interpolated(last, now, at)

    def _open(self, state: _State, chosen: Chosen) -> None:
        self._opened = state
        self._reached = state.kwh
        self._chosen = chosen
        self._powers: list[Decimal | None] = [state.power, state.power]
        self._currents: list[Decimal | None] = [state.current, state.current]

    def _measure(self, state: _State) -> None:
        """Widen the period's ranges. One unknown value makes a range unknown."""
        for ends, value in ((self._powers, state.power), (self._currents, state.current)):
            low, high = ends
            if low is None or high is None or value is None:
                ends[0] = ends[1] = None
            elif value < low:
                ends[0] = value
            elif value > high:
                ends[1] = value

    def _close(self, state: _State) -> None:
        """End the open period. One in which neither time passed nor energy flowed is left out."""
        opened = self._opened
        if state.at == opened.at and state.kwh == opened.kwh:
            return
        self._periods.append(self._period(state))

    def _period(self, state: _State) -> ChargingPeriod:
        opened = self._opened
        volumes = []
        energy = state.kwh - opened.kwh
        if energy or opened.charging:
            volumes.append(Volume(CdrDimension.ENERGY, energy))
        spent = CdrDimension.TIME if opened.charging else CdrDimension.PARKING_TIME
        volumes.append(Volume(spent, _hours(state.at - opened.at)))
        for low, high, ends in (
            (CdrDimension.MIN_CURRENT, CdrDimension.MAX_CURRENT, self._currents),
            (CdrDimension.MIN_POWER, CdrDimension.MAX_POWER, self._powers),
        ):
            if ends[0] is not None and ends[1] is not None:
                volumes += [Volume(low, ends[0]), Volume(high, ends[1])]
        return ChargingPeriod(opened.at, tuple(volumes), self._plan.tariff.id)

    def periods(self) -> tuple[ChargingPeriod, ...]:
        """The charging periods up to the last sample. Raises PricingError if there was no sample."""
        if not self._count:
            raise PricingError("samples", "there is no sample")
        done = tuple(self._periods)
        now, opened = self._last, self._opened
        if done and now.at == opened.at and now.kwh == opened.kwh:
            return done
        return (*done, self._period(now))

    def priced(self) -> PricedSession:
        """The session's cost up to the last sample, as `price` computes it from the periods."""
        periods = self.periods()
        start = self._reserved_from or self._start
        end = self._last.at
        session = Session(start=start, end=end, status=SessionStatus.COMPLETED, periods=periods)
        return PricedSession(start, end, self._last.kwh, periods, price(session, self._tariffs, self._zone, self._rules))


def _bucket(limits: tuple[Decimal, ...], value: Decimal | None) -> int:
    """Between which limits a value lies; -1 if it is unknown."""
    return -1 if value is None else bisect_right(limits, value)


def _hours(span: timedelta) -> Decimal:
    """A span in hours with OCPI's four decimals; the timestamps still tell it to the second."""
    return Decimal(round(Fraction(micros(span) * _GRAIN, 3600 * MICRO))).scaleb(-4)


def _floor(value: Fraction) -> Decimal:
    return Decimal(value * _GRAIN // 1).scaleb(-4)


def _interpolated(last: _State, now: _State, at: datetime) -> _State:
    share = Fraction(micros(at - last.at), micros(now.at - last.at))

    def between(low: Decimal | None, high: Decimal | None) -> Decimal | None:
        if low is None or high is None or low == high:
            return low  # known before and not after: it holds until the sample
        return _floor(Fraction(low) + share * (Fraction(high) - Fraction(low)))

    kwh = between(last.kwh, now.kwh) or ZERO
    return _State(
        at,
        max(kwh, last.kwh),
        last.charging,
        between(last.power, now.power),
        between(last.current, now.current),
    )


def _reached(begin: datetime, span: int, share: Fraction, below: bool) -> datetime:
    """The first whole second at which a value has reached a limit on its even way; ``below``: has fallen
    under it.

    Whole seconds, as the timestamps of most chargers and of many partners have no others.
    """
    exact = begin.microsecond + span * share
    seconds = exact // MICRO + 1 if below else -(-exact // MICRO)
    return begin.replace(microsecond=0) + int(seconds) * _SECOND


def price_session(
    samples: Iterable[Sample],
    tariffs: Sequence[Tariff],
    zone: ZoneInfo,
    rules: Rules = DEFAULT,
    *,
    reserved_from: datetime | None = None,
    switches: Sequence[tuple[datetime, Tariff]] = (),
) -> PricedSession:
    """Charging periods and cost of a session from its meter samples, in order of time; the last one ends it.

    Every instant at which another component becomes active, interpolated to the second where no sample says
    it, starts a period; energy is split exactly at the limits of the tariff. Period times are in UTC, volumes
    in kWh and in hours with four decimals. The tariff is the one valid at the start, until one of the
    ``switches`` gives another.

    Raises PricingError for no samples and for samples out of order (path and reason), NoTariffError if no
    tariff is valid at the start.
    """
    running = RunningSession(tariffs, zone, rules, reserved_from=reserved_from, switches=switches)
    for sample in samples:
        running.add(sample)
    return running.priced()


def price_samples(samples: Iterable[Sample], tariffs: Sequence[Tariff], zone: ZoneInfo, rules: Rules = DEFAULT) -> Priced:
    """The cost of a session from its meter samples: `price_session` without the periods."""
    return price_session(samples, tariffs, zone, rules).priced
