"""What is remembered of parties that are reached through hubs: one list for each hub, and one of our own for each partner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bridge.model.party import ClientInfo

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
