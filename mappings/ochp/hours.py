"""OCHP 1.4 opening times (HoursType)."""

from __future__ import annotations

from typing import Any

from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    ROUNDED,
    At,
    Context,
    Converter,
)
from bridge.mapping.convert import as_utc
from bridge.model import location as c
from bridge.ochp import wire as w
from mappings.shared import span_of


class Hours(Converter):
    """Opening times: at most seven regular hours, or around the clock; whether one can charge when closed is mandatory."""

    note = "opening times, at most 7 regular hours"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        hours, closed = value
        path = at.src[0]
        if hours is None or (hours.always is None and not hours.regular and not hours.openings and not hours.closings):
            if closed is not None:
                cx.lose(at.src[1], DROPPED, closed, "told with the opening times only")
            return None
        if reason := self._impossible(hours):
            cx.lose(path, DROPPED, f"{len(hours.regular)} regular hours", reason)
            if closed is not None:
                cx.lose(at.src[1], DROPPED, closed, "told with the opening times only")
            return None
        if closed is None:
            closed = cx.constants.get("charging_when_closed")
            because = "configured: charging_when_closed"
            if closed is None and hours.always:
                closed, because = True, "open around the clock"
            if closed is None:
                cx.lose(
                    path,
                    DROPPED,
                    "opening times",
                    "OCHP demands charging_when_closed with them; set it in the partner file",
                )
                return None
            cx.lose(f"{at.dst[0]}.closedCharging", DEFAULTED, closed, because)
        if hours.always and hours.regular:
            cx.lose(f"{path}.regular", DROPPED, len(hours.regular), "around the clock: OCHP has one or the other")
        regular = () if hours.always else hours.regular
        if not hours.always and hours.always is None:
            cx.lose(f"{path}.always", NARROWED, None, "read back as not around the clock")
        return w.Hours(
            regularHours=tuple(w.RegularHours(weekday=r.weekday, periodBegin=r.begin, periodEnd=r.end) for r in regular) or None,
            twentyfourseven=None if regular else bool(hours.always),
            exceptionalOpenings=self._exceptions(hours.openings, cx, f"{path}.openings"),
            exceptionalClosings=self._exceptions(hours.closings, cx, f"{path}.closings"), closedCharging=closed)  # fmt: skip

    def _impossible(self, hours: c.Hours) -> str | None:
        if not hours.always and len(hours.regular) > 7:
            return "at most seven regular hours in OCHP"
        return None

    def _exceptions(self, periods: Any, cx: Context, path: str) -> Any:
        for i, p in enumerate(periods):
            if p.begin.microsecond or p.end.microsecond:
                cx.lose(f"{path}[{i}]", ROUNDED, str(p.begin), "whole seconds in OCHP")
        return tuple(w.ExceptionalPeriod(periodBegin=p.begin.replace(microsecond=0), periodEnd=p.end.replace(microsecond=0))
                     for p in periods) or None  # fmt: skip

    def back(self, value: Any, cx: Context, at: At) -> Any:
        regular = []
        for i, r in enumerate(value.regularHours or ()):
            span = span_of(r.weekday, r.periodBegin, r.periodEnd, cx, f"{at.src[0]}.regularHours[{i}]")
            if span is not None:
                regular.append(span)
        periods = [tuple(c.ExceptionalPeriod(as_utc(p.periodBegin), as_utc(p.periodEnd)) for p in side or ())
                   for side in (value.exceptionalOpenings, value.exceptionalClosings)]  # fmt: skip
        return c.Hours(bool(value.twentyfourseven), tuple(regular), *periods), value.closedCharging
