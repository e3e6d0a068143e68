"""What a simulated charger keeps: its clock, connectors, transactions, and the messages that nobody has taken yet."""

from __future__ import annotations

import json
import os
from asyncio import Event, Future
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import asdict, define, field


class VirtualClock:
    """Real time, moved forward by the charging that was done faster than in reality.

    ``start`` lets it begin elsewhere, such as two hours ago, so that fast sessions do not end in the future.
    """

    def __init__(self, start: datetime | None = None, real: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._real = real
        self._ahead = timedelta(0) if start is None else start - real()

    def now(self) -> datetime:
        """The charger's time, in UTC."""
        return self._real() + self._ahead

    def reach(self, at: datetime) -> None:
        """Be at least there."""
        self._ahead = max(self._ahead, at - self._real())


def wire_time(at: datetime) -> str:
    """``2026-01-02T03:04:05.678Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@define
class Transaction:
    """A transaction as the charger knows it. ``number`` is the central system's, None until it told it."""

    local: int
    connector: int
    id_tag: str
    meter_start: int
    started: str
    number: int | None = None
    answer: str | None = None
    """What was said of the token."""
    meter_stop: int | None = None
    stopped: str | None = None
    reason: str | None = None
    acknowledged: bool = False
    """Whether the central system took the StopTransaction."""
    data: list[dict[str, Any]] = field(factory=list)
    """MeterValue objects for transactionData."""


@define
class Connector:
    """A connector; ``register`` is its meter in Wh."""

    number: int
    register: Decimal = Decimal(0)
    status: str = "Available"
    plugged: bool = False
    operative: bool = True
    authorised: str | None = None
    reservation: tuple[int, str, str] | None = None
    """Number, idTag, expiry as text."""
    transaction: Transaction | None = None
    profiles: list[dict[str, Any]] = field(factory=list)
    """ChargingProfile objects that were set here."""


@define
class Entry:
    """A message that is kept until it is answered. ``local`` is the transaction whose number it needs, or brings."""

    action: str
    payload: dict[str, Any]
    local: int
    attempts: int = 0
    done: Future[dict[str, Any]] | None = None


class Memory:
    """Transactions, registers and the queue of transaction messages, in a file where there is one.

    The file is replaced whole and flushed: whatever the charger has said or meant to say outlives it.
    """

    def __init__(self, path: Path | None, connectors: int, clock: VirtualClock) -> None:
        self.path = path
        self._clock = clock
        self.connectors = {number: Connector(number) for number in range(1, connectors + 1)}
        self.transactions: list[Transaction] = []
        self.queue: list[Entry] = []
        self.filled = Event()
        if path is not None and path.exists():
            self._load(json.loads(path.read_text()))

    def _load(self, kept: dict[str, Any]) -> None:
        self.transactions = [Transaction(**one) for one in kept["transactions"]]
        self.queue = [Entry(**one) for one in kept["queue"]]
        for number, register in kept["registers"].items():
            if int(number) in self.connectors:
                self.connectors[int(number)].register = Decimal(register)
        self._clock.reach(datetime.fromisoformat(kept["at"]))
        if self.queue:
            self.filled.set()

    def save(self) -> None:
        """Write it down, if there is a file."""
        if self.path is None:
            return
        kept = {
            "at": self._clock.now().isoformat(),
            "transactions": [asdict(one) for one in self.transactions],
            "queue": [{"action": e.action, "payload": e.payload, "local": e.local, "attempts": e.attempts} for e in self.queue],
            "registers": {str(one.number): str(one.register) for one in self.connectors.values()},
        }
        new = self.path.with_name(self.path.name + ".new")
        with new.open("w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def begin(self, connector: Connector, id_tag: str, at: datetime) -> Transaction:
        """A new transaction on a connector."""
        made = Transaction(len(self.transactions) + 1, connector.number, id_tag, round(connector.register), wire_time(at))
        self.transactions.append(made)
        connector.transaction = made
        return made

    def transaction(self, local: int) -> Transaction:
        """The transaction by the charger's own number."""
        return self.transactions[local - 1]

    def running(self) -> list[Transaction]:
        """Transactions without an end: after a start with a file, those that a power loss cut off."""
        return [one for one in self.transactions if one.stopped is None]

    def append(self, entry: Entry) -> Entry:
        """Queue a message, durably."""
        self.queue.append(entry)
        self.save()
        self.filled.set()
        return entry

    def pop(self) -> None:
        """The first message was answered, or is given up."""
        self.queue.pop(0)
        if not self.queue:
            self.filled.clear()
        self.save()
