"""Chargers' clocks: a start or an end that cannot be so is not billed; its session is held until a person tells the time.

A charger that was offline tells of the past, when it connects again: such a time may be old, but neither ahead nor before what
the charger told before. What comes on a connection that has stood for a while, or from a driver who was asked about just now, is
told as it happens.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bridge.roaming.ports import ConnectorRef
from bridge.roaming.storage import SessionRow

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
"""No charger of ours was told of before: a clock that was never set is at 1970, 2000 or the day of its firmware."""

START, END = "start_doubt", "end_doubt"
"""Where a session keeps why its time is not billed, in ``auth``."""


class Ends(Protocol):
    """What this needs of the store."""

    def last_end(self, charge_point: str, connector: int, until: datetime) -> datetime | None:
        """The end of the last transaction of a connector, of which nobody has doubts."""
        ...


class Clocks:
    """Doubts about what chargers tell. ``minutes`` is how far a clock may be off."""

    def __init__(self, store: Ends, now: Callable[[], datetime], minutes: float) -> None:
        self.store = store
        self.now = now
        self.off = timedelta(minutes=minutes)
        self._since: dict[str, datetime] = {}

    def connected(self, charge_point: str) -> None:
        """What was queued comes now."""
        self._since[charge_point] = self.now()

    def disconnected(self, charge_point: str) -> None:
        """What happens from now on is queued."""
        self._since.pop(charge_point, None)

    def start(self, ref: ConnectorRef, at: datetime, *, live: bool) -> str | None:
        """Why a start is not billed as it is told, or None. ``live``: its driver was asked about just now."""
        because = self._impossible(at) or self._late(at, live=live or self._live(ref.charge_point))
        if because is None and (last := self.store.last_end(ref.charge_point, ref.connector, self.now())) is not None and at < last:
            because = f"is before {_text(last)}, when the transaction before it ended"
        return None if because is None else self._said("start", at, because)

    def end(self, row: SessionRow, at: datetime) -> str | None:
        """Why an end is not billed as it is told, or None."""
        because = self._impossible(at) or self._late(at, live=self._live(row.charge_point))
        if because is None and START not in row.auth and at < row.started - self.off:
            because = f"is before its start at {_text(row.started)}"
        return None if because is None else self._said("end", at, because)

    def _live(self, charge_point: str) -> bool:
        """Whether its connection has stood for so long that nothing of before it is left."""
        since = self._since.get(charge_point)
        return since is not None and self.now() - since > self.off

    def _impossible(self, at: datetime) -> str | None:
        if at > self.now() + self.off:
            return "is ahead of the bridge's clock"
        return "is before 2020" if at < EARLIEST else None

    def _late(self, at: datetime, *, live: bool) -> str | None:
        return "is behind the bridge's clock, though the charger was connected" if live and at < self.now() - self.off else None

    def _said(self, what: str, at: datetime, because: str) -> str:
        return f"its {what} by the charger's clock, {_text(at)}, told at {_text(self.now())}, {because}: --{what} is needed"


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
