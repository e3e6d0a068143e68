"""What is remembered of the charging profiles and preferences of sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from bridge.roaming.storage import Happening


@frozen
class ProfileRow:
    """What is known of the charging profile of a session. ``number`` is the id by which the charger knows it.

    ``profile`` is the one that its partner set and that the charger accepted, ``told`` the plan that the partner was told last,
    both as JSON. ``succeeded``: the partner has set one before; only then it hears of changes.
    """

    session: str
    partner: str
    number: int
    profile: bytes | None = None
    succeeded: bool = False
    uncertain: bool = False
    """The charger was asked to set one and did not answer: it may have."""
    told: bytes | None = None


@frozen
class PreferenceRow:
    """What a driver wants of a session from a moment on, and the tariff (with its id) that holds from then; both as JSON."""

    session: str
    at: datetime
    body: bytes
    tariff_id: str
    tariff: bytes


class Charging(Protocol):
    """The part of the store that keeps them."""

    async def number_profile(self, session: str, partner: str) -> ProfileRow:
        """The row of a session's profile, made if there is none yet; its number stays."""
        ...

    def profile(self, session: str) -> ProfileRow | None:
        """The row of a session's profile."""
        ...

    async def save_profile(self, row: ProfileRow, history: Sequence[Happening] = ()) -> None:
        """What is known of it now, but for what the partner was told."""
        ...

    async def told_plan(self, number: int, told: bytes, history: Sequence[Happening]) -> None:
        """The plan that the partner was told."""
        ...

    def profiled(self, charge_point: str) -> list[str]:
        """The running sessions at a charge point whose partners hear of changes, by id."""
        ...

    async def prefer(self, row: PreferenceRow, history: Sequence[Happening]) -> None:
        """A driver's preferences were accepted."""
        ...

    def preferences(self, session: str) -> list[PreferenceRow]:
        """The preferences that were accepted for a session, oldest first."""
        ...
