"""OICP 2.3 opening times (OpeningTimesType) and its days of the week, in groups."""

from __future__ import annotations

from typing import Any

from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    At,
    Context,
    Converter,
)
from bridge.model import location as c
from bridge.oicp import wire as w
from mappings.shared import CLOCK, by_day

_DAYS = {1: w.DayOfWeek.MONDAY, 2: w.DayOfWeek.TUESDAY, 3: w.DayOfWeek.WEDNESDAY, 4: w.DayOfWeek.THURSDAY,
         5: w.DayOfWeek.FRIDAY, 6: w.DayOfWeek.SATURDAY, 7: w.DayOfWeek.SUNDAY}  # fmt: skip
_GROUPS = {
    w.DayOfWeek.EVERYDAY: (1, 2, 3, 4, 5, 6, 7),
    w.DayOfWeek.WORKDAYS: (1, 2, 3, 4, 5),
    w.DayOfWeek.WEEKEND: (6, 7),
}
DAYS_OF = {**{d: (n,) for n, d in _DAYS.items()}, **_GROUPS}


def days_told(days: list[int]) -> list[w.DayOfWeek]:
    """Weekdays in OICP's words, with its groups where they fit exactly."""
    for group, members in _GROUPS.items():
        if sorted(days) == list(members):
            return [group]
    return [_DAYS[d] for d in sorted(days)]


class Hours(Converter):
    """IsOpen24Hours and OpeningTimes; exceptions have no place. Groups of days are written where they fit."""

    note = "opening hours by day"
    always = True
    key_hint = "always_open"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        path = at.src[0]
        if value is None or (value.always is None and not value.regular):
            always = cx.constants.get("always_open")
            if always is not None:
                cx.lose(at.dst[0], DEFAULTED, always, "configured: always_open")
        else:
            always = value.always
            if always is None:
                always = False
                cx.lose(at.dst[0], DEFAULTED, False, "regular hours are told, so not around the clock")
        for name in ("openings", "closings"):
            for i, one in enumerate(getattr(value, name, ())):
                cx.lose(f"{path}.{name}[{i}]", DROPPED, str(one.begin), "OICP has no exceptional hours")
        grouped: dict[tuple[int, ...], list[tuple[str, str]]] = {}
        for span, days in by_day(value.regular if value is not None else ()).items():
            grouped.setdefault(tuple(sorted(days)), []).append(span)
        times = [
            w.OpeningTimes(on=day, Period=tuple(w.Period(begin=b, end=e) for b, e in spans))
            for days, spans in grouped.items()
            for day in days_told(list(days))
        ]
        return always, tuple(times) or None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        always, times = value
        regular: list[c.RegularHours] = []
        for i, one in enumerate(times or ()):
            for j, period in enumerate(one.Period):
                if not CLOCK.fullmatch(period.begin) or not CLOCK.fullmatch(period.end):
                    cx.lose(
                        f"{at.src[1]}[{i}].Period[{j}]",
                        DROPPED,
                        f"{period.begin}-{period.end}",
                        "no times of day",
                    )
                    continue
                regular += [c.RegularHours(day, period.begin, period.end) for day in DAYS_OF[one.on]]
        if always is None and not regular:
            return None
        return c.Hours(always, tuple(sorted(dict.fromkeys(regular), key=lambda h: (h.weekday, h.begin, h.end))))
