"""What commands leave to be remembered: remote starts that are expected, reservations, outcomes that are owed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from bridge.roaming.storage import DecisionRow, Happening, SessionRow


@frozen
class ExpectedRow:
    """A transaction that a partner started remotely and that has not begun. ``card``: the fingerprint of its id tag."""

    charge_point: str
    card: str
    connector: int | None
    decision: bytes
    until: datetime
    answered: bool = True
    """Whether the partner was told that it started; one that waits for this and hears nothing takes it for failed."""


@frozen
class OutcomeRow:
    """The outcome of a command, promised to a partner at ``address`` before ``until``; ``result`` once it is known.

    ``decision`` is the one by which its transaction begins, ``session`` the one that it stops; ``ref`` names what it is about.
    """

    partner: str
    kind: str
    ref: str
    address: str = field(repr=False)
    until: datetime
    decision: str | None = None
    session: str | None = None
    result: str | None = None
    sending: bool = False
    """It is being told: if this was never settled, the partner may have it."""
    number: int = 0
    body: bytes | None = None
    """More of the result than its name, as JSON: a charger's plan."""


@frozen
class ReservationRow:
    """A partner's reservation of one of our connectors, under the number by which the charger knows it."""

    partner: str
    reference: str
    charge_point: str
    connector: int
    id_tag: str
    card: str
    until: datetime
    number: int = 0


class Pending(Protocol):
    """A part of :class:`~bridge.roaming.storage.Storage`."""

    async def expect(self, row: ExpectedRow, decision: DecisionRow) -> None:
        """A remote start is under way: survives a restart."""
        ...

    def expected(self, charge_point: str, card: str) -> ExpectedRow | None:
        """What is expected of a card at a charge point."""
        ...

    def overdue(self, now: datetime) -> list[ExpectedRow]:
        """Remote starts that are not expected any more."""
        ...

    def unanswered(self) -> list[ExpectedRow]:
        """Remote starts whose partner waits for our answer, or waited and got none."""
        ...

    def unheard(self, decision: str) -> bool:
        """Whether the partner of a remote start, by this decision, is one of them."""
        ...

    async def answered(self, decision: str) -> None:
        """The partner is about to be told that its remote start, by this decision, succeeded."""
        ...

    async def disown(self, decision: str, because: str) -> SessionRow | None:
        """A remote start is over, for its partner takes it for failed: nothing can begin by it. The session that began, marked."""
        ...

    def disowned(self) -> list[SessionRow]:
        """Such sessions that still run."""
        ...

    async def unexpect(self, charge_point: str, card: str) -> None:
        """It will not come."""
        ...

    def decided(self, decision: str) -> bool:
        """Whether there is such a decision."""
        ...

    def session_by(self, decision: str) -> str | None:
        """The id of the session that began by a decision."""
        ...

    async def promise(self, row: OutcomeRow) -> OutcomeRow:
        """A partner is promised an outcome; with its number."""
        ...

    async def save_outcome(self, row: OutcomeRow, history: Sequence[Happening] = ()) -> None:
        """What is known of a promised outcome: its result, and whether it is being told."""
        ...

    async def kept(self, row: OutcomeRow, history: Sequence[Happening]) -> None:
        """A promise is kept, or cannot be."""
        ...

    def promised(self) -> list[OutcomeRow]:
        """Outcomes that partners wait for, oldest first."""
        ...

    async def reserve(self, row: ReservationRow) -> ReservationRow:
        """Remember a reservation, with its number; the same reference again keeps the number and replaces the rest."""
        ...

    def reservation(self, partner: str, reference: str) -> ReservationRow | None:
        """A partner's reservation."""
        ...

    def reserved(self, charge_point: str, connector: int) -> list[ReservationRow]:
        """The reservations of a connector."""
        ...
