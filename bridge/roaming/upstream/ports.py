"""The ports of the upstream side: what an upstream operator's adapter calls on the core, and what it does for it.

Everything is in canonical terms: merging a PATCH into what we hold is the adapter's, for how to merge is its protocol's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from attrs import frozen

from bridge.errors import BridgeError
from bridge.model.cdr import Cdr
from bridge.model.command import Command, CommandOutcome, CommandResult
from bridge.model.ids import PartyId
from bridge.model.location import Location
from bridge.model.session import Session
from bridge.model.tariff import Tariff
from bridge.model.token import AuthorizationInfo, TokenKind
from bridge.roaming.ports import Kind

# --- what cannot be taken -------------------------------------------------------------------------------------------


class NotTaken(BridgeError):
    """Something of an upstream operator that is not taken: path (in canonical names) and reason."""

    def __init__(self, path: str, because: str) -> None:
        super().__init__(f"{path}: {because}")
        self.path = path
        self.because = because


class NotTheirs(NotTaken):
    """The partner does not speak for this party here."""


class NotThere(NotTaken):
    """There is no such object of theirs."""


class Contradiction(NotTaken):
    """It contradicts what is known: another CDR under a known id, a session that has ended and goes on, another's object."""


# --- what its adapter calls -----------------------------------------------------------------------------------------


@frozen
class Question:
    """May this card charge here? ``uid`` as it was read; no ``evse_uids``: anywhere at the location, or anywhere."""

    uid: str
    kind: TokenKind = TokenKind.RFID
    location_id: str | None = None
    evse_uids: tuple[str, ...] = ()


class FromUpstream(Protocol):
    """What an upstream operator's messages may do here. Everything is durable when the call returns.

    An object belongs to the party that it names. All raise NotTheirs where the partner does not feed an operator of that
    party; those that change something raise Contradiction, those about something that has to be there NotThere.
    """

    def location(self, partner: str, party: PartyId, ident: str) -> Location | None:
        """A location as it was told."""
        ...

    async def put_location(self, partner: str, location: Location) -> bool:
        """A whole location; True if it is new."""
        ...

    async def amend_location(self, partner: str, party: PartyId, ident: str, change: Callable[[Location], Location]) -> None:
        """A location changed by what was told of it, of an EVSE or of a connector; nothing comes in between."""
        ...

    def tariff(self, partner: str, party: PartyId, ident: str) -> Tariff | None:
        """A tariff as it was told."""
        ...

    async def put_tariff(self, partner: str, tariff: Tariff) -> bool:
        """A whole tariff; True if it is new."""
        ...

    async def delete_tariff(self, partner: str, party: PartyId, ident: str) -> None:
        """A tariff that is no more."""
        ...

    def session(self, partner: str, party: PartyId, ident: str) -> Session | None:
        """A session as it was told."""
        ...

    async def put_session(self, partner: str, session: Session) -> bool:
        """A whole session; True if it is new."""
        ...

    async def amend_session(self, partner: str, party: PartyId, ident: str, change: Callable[[Session], Session]) -> None:
        """A session changed by what was told of it; nothing comes in between."""
        ...

    async def post_cdr(self, partner: str, cdr: Cdr) -> bool:
        """A CDR; True if it is new, False if it is known and the same."""
        ...

    def cdr(self, partner: str, party: PartyId, ident: str) -> Cdr | None:
        """A CDR as it was told."""
        ...

    def knows(self, uid: str) -> bool:
        """Whether any partner told us of this card."""
        ...

    async def authorise(self, partner: str, question: Question) -> AuthorizationInfo | None:
        """May this card charge? None: nobody knows it. Raises NotThere for an unknown location or EVSE."""
        ...

    def command_result(self, partner: str, reference: str, outcome: CommandOutcome) -> bool:
        """What came of a command that was accepted; False if nobody waits for it (any more)."""
        ...


# --- what it does for the core --------------------------------------------------------------------------------------


NO_LIST = "no-endpoint"
"""Code of a Declined: there is no such list."""


@frozen
class Listed:
    """A part of a list that was pulled. ``unread`` are the ids of records that could not be read (None: not even that)."""

    objects: tuple[Any, ...]
    unread: tuple[str | None, ...] = ()


@runtime_checkable
class GivesObjects(Protocol):
    """An upstream operator whose lists can be pulled."""

    def pull_objects(self, kind: Kind, since: datetime | None) -> AsyncIterator[Listed]:
        """All objects of a kind (``since`` None) or those that changed since, in parts.

        Raises Unreachable or Declined, with the code NO_LIST where it gives no such list at all.
        """
        ...


@frozen
class Receipt:
    """The answer to a command; if it was ACCEPTED, the outcome follows within ``timeout`` seconds, if at all."""

    result: CommandResult
    timeout: float | None = None


@runtime_checkable
class TakesCommands(Protocol):
    """An upstream operator that carries out commands."""

    async def send_command(self, command: Command, reference: str) -> Receipt:
        """Send a command, whose outcome will come back under ``reference``. Raises Unreachable or Declined."""
        ...
