"""Parties that are reached through hubs: who tells of them, and what is remembered.

There is one list for each hub, and one of our own for each partner.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bridge.model.ids import PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role

if TYPE_CHECKING:
    from bridge.roaming.storage import Happening


def told_by(hub: str) -> str:
    """The name of the list of a hub."""
    return f"told by {hub}"


def of(partner: str) -> str:
    """The name of our own list of a partner's parties."""
    return f"of {partner}"


class ClientLists(Protocol):
    """The part of the store that keeps them."""

    def clients(self, name: str) -> list[ClientInfo]:
        """A list."""
        ...

    async def save_clients(self, name: str, clients: Sequence[ClientInfo], history: Sequence[Happening] = (), *,
                           whole: bool = False) -> None:  # fmt: skip
        """Entries of a list; ``whole``: all of it, the others are forgotten."""
        ...

    async def hurry(self, partner: str) -> int:
        """What waits for another try at a partner is due now; how many jobs."""
        ...


@runtime_checkable
class GivesClients(Protocol):
    """A partner that may be a hub, and tell the parties behind it."""

    hub: bool

    def pull_clients(self) -> AsyncIterator[list[ClientInfo]]:
        """All of them, in batches. Raises Unreachable or Declined."""
        ...


@runtime_checkable
class HasParties(Protocol):
    """A partner of which is known which parties it speaks for, and whether it is there."""

    @property
    def clients(self) -> Sequence[tuple[PartyId, Role]]:
        """Its parties, each in a role."""
        ...

    @property
    def standing(self) -> ConnectionStatus:
        """CONNECTED if it is registered, else PLANNED before that and SUSPENDED after it."""
        ...

    @property
    def silent(self) -> float:
        """Seconds since it was last heard."""
        ...

    async def still_alive(self) -> None:
        """Ask whether it is there, in a way that does nothing (OCPI: GET versions). Raises Unreachable or Declined."""
        ...
