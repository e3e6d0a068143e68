"""Agreements: what each partner may see, do and pay. Every outbound object passes one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from attrs import field, frozen

LOCATIONS = "locations"
STATUS = "status"
TARIFFS = "tariffs"
TOKENS = "tokens"
SESSIONS = "sessions"
CDRS = "cdrs"
COMMANDS = "commands"
PROFILES = "profiles"

OWN = "import"
"""The origin of what our operators told us themselves. Everything else comes from the upstream operator of that name."""


@frozen
class Scope:
    """What agreements tell places apart by: whose they are, in which location groups, and where they come from."""

    operator: str
    groups: tuple[str, ...] = ()
    origin: str = OWN


@frozen
class Agreement:
    """One partner and one of our operators. No groups: all; ``tariffs`` are tariff ids by group, ``*`` for the rest.

    ``preference_tariffs`` are, in the same way, those that charging preferences select.
    ``sources`` are the origins of what it is about. What comes from upstream is passed on only where it is named, and
    never back to where it came from. ``free``: what no tariff covers of ours costs nothing; else it is held for a person.
    """

    partner: str
    operator: str
    kinds: frozenset[str]
    groups: frozenset[str] = frozenset()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    tariffs: dict[str, str] = field(factory=dict)
    test: bool = False
    sources: frozenset[str] = frozenset({OWN})
    preference_tariffs: dict[str, tuple[str, ...]] = field(factory=dict)
    free: bool = False

    def tariff_for(self, groups: Sequence[str]) -> str | None:
        """The tariff id for an EVSE of these groups."""
        return next((self.tariffs[g] for g in groups if g in self.tariffs), self.tariffs.get("*"))

    def preference_tariffs_for(self, groups: Sequence[str]) -> tuple[str, ...]:
        """The tariff ids that charging preferences may select at an EVSE of these groups."""
        given = self.preference_tariffs
        return next((given[g] for g in groups if g in given), given.get("*", ()))

    def unpriced(self, scopes: Iterable[Scope]) -> list[Scope]:
        """Of our own places, those whose sessions would be held: a CDR is due, no tariff covers them, nothing says that they are free."""
        if self.free or CDRS not in self.kinds or OWN not in self.sources:
            return []
        return [one for one in scopes if one.operator == self.operator and one.origin == OWN and self.tariff_for(one.groups) is None
                and (not self.groups or self.groups & set(one.groups))]  # fmt: skip

    def covers(self, kind: str, scope: Scope, at: datetime) -> str | None:
        """None if it covers this, else the reason why not."""
        if scope.operator != self.operator:
            return f"it is about operator {self.operator}"
        if scope.origin == self.partner:
            return "it comes from there"
        if scope.origin not in self.sources:
            return "it does not include our own" if scope.origin == OWN else f"it does not include what comes from {scope.origin}"
        if kind not in self.kinds:
            return f"it does not include {kind}"
        if self.groups and not self.groups & set(scope.groups):
            return f"it is about the groups {', '.join(sorted(self.groups))}"
        if self.valid_from is not None and at < self.valid_from:
            return f"it is valid from {self.valid_from.isoformat()}"
        if self.valid_until is not None and at >= self.valid_until:
            return f"it was valid until {self.valid_until.isoformat()}"
        return None

    def valid(self, at: datetime) -> bool:
        """Whether it is valid at a moment: from its beginning (included) to its end (excluded)."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_until is None or at < self.valid_until)


class Book:
    """All agreements."""

    def __init__(self, agreements: Sequence[Agreement]) -> None:
        self._all = tuple(agreements)

    def find(self, partner: str, kind: str, scope: Scope, at: datetime) -> Agreement | None:
        """The agreement that lets this partner have this, or None."""
        return next((a for a in self._all if a.partner == partner and a.covers(kind, scope, at) is None), None)

    def explain(self, partner: str, kind: str, scope: Scope, at: datetime) -> list[str]:
        """Why a partner has this, or has it not: one line per agreement."""
        mine = [a for a in self._all if a.partner == partner]
        if not mine:
            return [f"{partner} has no agreement"]
        lines = []
        for number, one in enumerate(mine, 1):
            reason = one.covers(kind, scope, at)
            lines.append(f"agreement {number} ({one.operator}, {'test' if one.test else 'production'}): " + (reason or f"includes {kind}"))
        return lines

    def tariffs(self, partner: str, at: datetime, operator: str | None = None) -> frozenset[str]:
        """The ids of the tariffs that a partner may see, of all our operators or of one."""
        return frozenset(name for a in self.of(partner) if TARIFFS in a.kinds and a.valid(at) and operator in (None, a.operator)
                         for name in (*a.tariffs.values(), *(n for names in a.preference_tariffs.values() for n in names)))  # fmt: skip

    def has_tariff(self, partner: str, tariff: str, operator: str, origin: str, at: datetime) -> bool:
        """Whether a partner may see a tariff: one that an agreement names, or one of an upstream operator whose prices stand."""
        if origin == partner:
            return False
        if tariff in self.tariffs(partner, at, operator):
            return True
        return origin != OWN and any(TARIFFS in a.kinds and a.valid(at) and a.operator == operator and origin in a.sources
                                     and "*" not in a.tariffs for a in self.of(partner))  # fmt: skip

    def standing(self, partner: str, at: datetime) -> tuple[bool, ...]:
        """Which of a partner's agreements are valid at a moment."""
        return tuple(a.valid(at) for a in self.of(partner))

    def next_change(self, at: datetime) -> datetime | None:
        """When the next agreement begins or ends."""
        times = (t for a in self._all for t in (a.valid_from, a.valid_until) if t is not None and t > at)
        return min(times, default=None)

    def of(self, partner: str) -> list[Agreement]:
        """A partner's agreements."""
        return [a for a in self._all if a.partner == partner]
