"""Deadlines of CDRs: each partner wants them within so many hours of the session's end, and an alarm comes before that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import frozen

from bridge.roaming.storage import Happening, OpenCdr, Storage

NEAR = 0.75
"""The share of the time after which a deadline is near."""

NEARS, PASSED = 1, 2
"""Levels of alarm."""


@frozen
class Late:
    """A CDR whose deadline is near or has passed."""

    cdr: OpenCdr
    due: datetime
    level: int

    def __str__(self) -> str:
        word = "has passed" if self.level == PASSED else "is near"
        return f"CDR {self.cdr.id} for {self.cdr.partner} is {self.cdr.state}; its deadline {self.due:%Y-%m-%dT%H:%MZ} {word}"


def late(cdrs: Sequence[OpenCdr], hours: Mapping[str, float], now: datetime) -> list[Late]:
    """The CDRs whose deadline is near or has passed; ``hours`` by partner."""
    found = []
    for cdr in cdrs:
        allowed = hours.get(cdr.partner)
        if allowed is None:
            continue
        age = now - cdr.ended
        level = PASSED if age >= timedelta(hours=allowed) else NEARS if age >= timedelta(hours=allowed * NEAR) else 0
        if level:
            found.append(Late(cdr, cdr.ended + timedelta(hours=allowed), level))
    return found


async def watch(store: Storage, hours: Mapping[str, float], now: datetime) -> list[Late]:
    """Record each deadline once when it is near and once when it has passed; returns what is late."""
    found = late(store.open_cdrs(), hours, now)
    for one in found:
        if one.level > one.cdr.alarm:
            what = "CDR deadline passed" if one.level == PASSED else "CDR deadline near"
            await store.alarm(one.cdr.id, one.level, [Happening(what, one.cdr.partner, one.cdr.id, f"due {one.due.isoformat()}")])
    return found
