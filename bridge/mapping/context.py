"""What a translation may look at besides the object: settings, facts, and where losses go."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen

from bridge.mapping.loss import Loss


@frozen
class Facts:
    """Facts about the moment of a translation, stated by the caller, never looked up.

    ``now`` stands for the moment at which a record without a time of change was read.
    """

    now: datetime = field(factory=lambda: datetime.now(UTC).replace(microsecond=0))


@frozen
class Settings:
    """Constants of a partner or operator for what a target demands and a source does not have (see the example file)."""

    constants: MappingABC[str, Any] = field(factory=dict)
    values: MappingABC[str, MappingABC[str, MappingABC[str, str]]] = field(factory=dict)
    """Format -> table -> canonical value -> wire value, overriding the shipped tables."""
    allow: frozenset[str] = frozenset()
    """Named permissions to leave out what a protocol has no field for (``omit-prices``, ``omit-signed-data``)."""
    refuse: frozenset[str] = frozenset()
    """Paths (of the target's mapping, canonical) whose loss refuses the record."""


class Context:
    """State of one translation: where losses are collected, and what converters may read."""

    __slots__ = ("_facts", "constants", "losses", "parent", "settings", "shared")

    def __init__(self, settings: Settings | None = None, facts: Facts | None = None) -> None:
        self.settings = settings or Settings()
        self.constants: MappingABC[str, Any] = self.settings.constants
        self._facts = facts
        self.losses: list[Loss] = []
        self.parent: Any = None
        self.shared: dict[int, Any] = {}

    @property
    def facts(self) -> Facts:
        """The facts that were stated, or those of the first time that they are asked for."""
        if self._facts is None:
            self._facts = Facts()
        return self._facts

    def lose(self, path: str, kind: str, value: Any, because: str) -> None:
        """Record a loss; ``path`` is relative to the object being translated."""
        self.losses.append(Loss(path, kind, value, because))

    def take(self) -> list[Loss]:
        """The losses so far; the context starts anew."""
        taken, self.losses = self.losses, []
        return taken
