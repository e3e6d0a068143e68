"""What is configured about an upstream operator, and who speaks for which party."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from bridge.model.ids import PartyId
from bridge.roaming.agreements import Scope
from bridge.roaming.billing import OperatorFacts
from bridge.roaming.upstream.ports import NotTheirs


@frozen
class Feed:
    """An upstream operator: which of our ``operators`` it feeds, into which location groups.

    ``tokens_from`` are the partners whose tokens it gets in advance, as far as these may charge there at all. Its lists are
    pulled every so many seconds, and as a whole every so many hours.
    """

    partner: str
    operators: tuple[str, ...]
    groups: tuple[str, ...] = ()
    tokens_from: tuple[str, ...] = ()
    pull_seconds: float = 900.0
    full_pull_hours: float = 24.0

    def scope(self, operator: str) -> Scope:
        """The scope of what it feeds of an operator."""
        return Scope(operator, self.groups, self.partner)


class Feeds:
    """All upstream operators."""

    def __init__(self, feeds: Mapping[str, Feed], operators: Mapping[str, OperatorFacts]) -> None:
        self.all = dict(feeds)
        self.operators = operators

    def feed(self, partner: str) -> Feed:
        """The feed of a partner. Raises NotTheirs."""
        feed = self.all.get(partner)
        if feed is None:
            raise NotTheirs("partner", "nothing is taken from this partner")
        return feed

    def of(self, partner: str, party: PartyId | None, path: str = "party") -> tuple[Feed, str]:
        """The feed of a partner and the operator of ours that a party is. Raises NotTheirs."""
        feed = self.feed(partner)
        if party is None:
            raise NotTheirs(path, "whose it is, is not told")
        name = next((one for one in feed.operators if self.operators[one].party.key == party.key), None)
        if name is None:
            raise NotTheirs(path, f"{party} is no party that this partner speaks for here")
        return feed, name
