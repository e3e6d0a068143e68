"""Tokens of our partners for an upstream operator: kept ready for its GETs, and what changes is sent.

Which partners' tokens go where is configured by source and destination, and none goes to where its drivers may not charge.
Each destination follows the changes of its sources from where it stopped. A list that is new to it is not pushed token by
token: it fetches that. OCPI cannot delete a token: one that may not be given any more is told as not valid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import orjson
from attrs import evolve, frozen

from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.token import Token, Whitelist
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book
from bridge.roaming.authorise import Authoriser, normal
from bridge.roaming.ports import Kind, Partner
from bridge.roaming.storage import Outbound, TokenRow
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.storage import UpstreamStorage

PART = 200
"""Tokens that are looked at together."""


@frozen
class _Terms:
    """Whose tokens were allowed at the last look, when all of them were looked at, and in which format they were written."""

    allowed: frozenset[str] = frozenset()
    whole: datetime | None = None
    format: str | None = None


class TokenFeed:
    """Keeps an upstream operator's tokens up to date."""

    def __init__(self, store: UpstreamStorage, partner: Partner, feed: Feed, authoriser: Authoriser, book: Book,
                 now: Callable[[], datetime]) -> None:  # fmt: skip
        self.store = store
        self.partner = partner
        self.feed = feed
        self.authoriser = authoriser
        self.book = book
        self.now = now
        self._busy = asyncio.Lock()

    async def follow(self) -> int:
        """Bring it up to date; returns how many tokens were looked at.

        All of them are looked at when it was changed whose are allowed, in another format, and once in a while.
        """
        async with self._busy:
            began, known, format_ = self.now(), self._terms(), self.partner.format
            allowed = frozenset(name for name in self.feed.tokens_from if self._allowed(name))
            due = known.whole is None or began - known.whole >= timedelta(hours=self.feed.full_pull_hours)
            whole = due or allowed != known.allowed or format_ != known.format
            count = 0
            for source in sorted(allowed | known.allowed):
                count += await self._source(source, allowed, whole=whole, news=source not in known.allowed)
            if whole:
                terms = {"allowed": sorted(allowed), "whole": began.isoformat(), "format": format_}
                await self.store.set_mark(self._name(), orjson.dumps(terms).decode())
            return count

    def _name(self, source: str = "") -> str:
        return f"tokens to {self.feed.partner} {source}".rstrip()

    def _terms(self) -> _Terms:
        mark = self.store.mark(self._name())
        if mark is None:
            return _Terms()
        told = orjson.loads(mark)
        return _Terms(frozenset(told["allowed"]), datetime.fromisoformat(told["whole"]), told.get("format"))

    def _allowed(self, source: str) -> bool:
        """Whether a source's drivers may charge at what this operator feeds."""
        return any(self.book.find(source, kinds.TOKENS, self.feed.scope(name), self.now()) is not None for name in self.feed.operators)

    async def _source(self, source: str, allowed: frozenset[str], *, whole: bool, news: bool) -> int:
        # What was changed in one moment is looked at again: not all of it may have been there.
        after = ("" if whole else self.store.mark(self._name(source)) or "", "", "")
        count = 0
        while found := self.store.tokens_after(source, after, PART):
            after = found[-1][0]
            outbound = [out for _, row in found for out in self._outbound(row, allowed)]
            await self.store.serve(outbound, (self._name(source), after[0]), quiet=news)
            count += len(found)
            await asyncio.sleep(0)
        return count

    def _outbound(self, changed: TokenRow, allowed: frozenset[str]) -> list[Outbound]:
        """What a change of a token means here: of those that several partners gave, the preferred one is told."""
        if ":" in changed.uid:
            return []  # a digest of a uid is no uid
        key = f"{changed.kind}/{normal(changed.uid)}"
        rows = [row for row in self.store.tokens(changed.uid) if row.kind == changed.kind and row.partner in allowed]
        if not rows and self.store.find(self.feed.partner, Kind.TOKEN, key) is None:
            return []
        row = self.authoriser.preferred(rows) if rows else changed
        token: Token = model_json.from_json(Token, orjson.loads(row.body))
        # OCHP's list has no word for it: what is in it may be used without asking.
        told = evolve(token, valid=bool(rows) and row.valid, whitelist=token.whitelist or Whitelist.ALLOWED, extra=())
        try:
            encoded = self.partner.encode(Kind.TOKEN, told)
        except Refused:
            return []
        return [Outbound(self.feed.partner, Kind.TOKEN, row.partner, key, e.body, e.meta) for e in encoded]
