"""The upstream side of the core: one object that adapters call, wired from the parts beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, TypeVar

from bridge.errors import Declined, Unreachable
from bridge.model.cdr import Cdr
from bridge.model.command import CommandOutcome
from bridge.model.ids import PartyId
from bridge.model.location import Location
from bridge.model.session import Session
from bridge.model.tariff import Tariff
from bridge.model.token import AuthorizationInfo
from bridge.roaming.agreements import Book, Scope
from bridge.roaming.authorise import Authoriser, fault
from bridge.roaming.billing import OperatorFacts
from bridge.roaming.ports import Kind, Partner
from bridge.roaming.publish import Publisher
from bridge.roaming.storage import Happening
from bridge.roaming.upstream.asking import Asking
from bridge.roaming.upstream.commands import PassedCommands
from bridge.roaming.upstream.feed import Feed, Feeds
from bridge.roaming.upstream.owners import Owners
from bridge.roaming.upstream.places import Places
from bridge.roaming.upstream.ports import NO_LIST, Contradiction, GivesObjects, NotThere, Question
from bridge.roaming.upstream.pulls import KINDS, Pulls, party_of
from bridge.roaming.upstream.sessions import Told
from bridge.roaming.upstream.storage import SessionTold, UpstreamStorage
from bridge.roaming.upstream.tokens import TokenFeed

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
"""Seconds until a pull that failed is tried again: at first, and at most."""
LOOK = 60.0
"""Seconds between two looks whether agreements changed whose tokens go upstream, at most."""


class Upstream:
    """Implements :class:`bridge.roaming.upstream.ports.FromUpstream`."""

    def __init__(self, store: UpstreamStorage, partners: Mapping[str, Partner], book: Book, feeds: Mapping[str, Feed],
                 operators: Mapping[str, OperatorFacts], authoriser: Authoriser, publisher: Publisher, now: Callable[[], datetime],
                 wake: Callable[[str], None]) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.wake = wake
        self.feeds = Feeds(feeds, operators)
        self.places = Places(store, publisher)
        self.told = Told(store, partners, book, self.places, Owners(store, authoriser, book, now), self.feeds, now, wake)
        self.told.on_told = self._on_told
        self.asking = Asking(store, authoriser, book, self.places, now)
        self.commands = PassedCommands(store, partners, book, frozenset(feeds), now)
        self.pulls = Pulls(store, self.feeds, self.places, self.told, now, publisher.most_percent)
        self.tokens = {name: TokenFeed(store, partners[name], feed, authoriser, book, now) for name, feed in feeds.items()
                       if Kind.TOKEN in partners[name].kinds}  # fmt: skip
        self._news = {name: asyncio.Event() for name in self.tokens}
        self._stopping: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- locations and tariffs ---------------------------------------------------------------------------------------

    def _scope(self, partner: str, party: PartyId | None) -> Scope:
        feed, operator = self.feeds.of(partner, party)
        return feed.scope(operator)

    def location(self, partner: str, party: PartyId, ident: str) -> Location | None:
        return self.places.location(self._scope(partner, party), ident)

    async def put_location(self, partner: str, location: Location) -> bool:
        scope = self._scope(partner, party_of(location))
        done = await self._taken(Kind.LOCATION, scope, str(location.place.id), self.places.put(scope, [location]))
        self._wake_all()
        return bool(done.new)

    async def amend_location(self, partner: str, party: PartyId, ident: str, change: Callable[[Location], Location]) -> None:
        scope = self._scope(partner, party)
        await self._taken(Kind.LOCATION, scope, ident, self.places.amend(scope, ident, change))
        self._wake_all()

    def tariff(self, partner: str, party: PartyId, ident: str) -> Tariff | None:
        return self.places.tariff(self._scope(partner, party), ident)

    async def put_tariff(self, partner: str, tariff: Tariff) -> bool:
        scope = self._scope(partner, tariff.party)
        done = await self._taken(Kind.TARIFF, scope, str(tariff.id), self.places.put_tariffs(scope, [tariff]))
        self._wake_all()
        return bool(done.new)

    async def delete_tariff(self, partner: str, party: PartyId, ident: str) -> None:
        if not await self.places.remove_tariffs(self._scope(partner, party), [ident]):
            raise NotThere("tariff_id", "there is no such tariff of theirs")
        self._wake_all()

    def _wake_all(self) -> None:
        for name in self.partners:
            self.wake(name)

    async def _taken(self, kind: Kind, scope: Scope, ident: str, work: Coroutine[Any, Any, T]) -> T:
        """What contradicts what we know is told to people, too: somebody has to find out which is right."""
        try:
            return await work
        except Contradiction as why:
            await self.store.happened(Happening(f"{kind} refused", scope.origin, ident, str(why)))
            raise

    # --- sessions and CDRs -------------------------------------------------------------------------------------------

    def session(self, partner: str, party: PartyId, ident: str) -> Session | None:
        return self.told.session(self._scope(partner, party), ident)

    async def put_session(self, partner: str, session: Session) -> bool:
        scope = self._scope(partner, session.party)
        return await self._taken(Kind.SESSION, scope, str(session.id), self.told.put(scope, session))

    async def amend_session(self, partner: str, party: PartyId, ident: str, change: Callable[[Session], Session]) -> None:
        scope = self._scope(partner, party)
        await self._taken(Kind.SESSION, scope, ident, self.told.amend(scope, ident, change))

    async def post_cdr(self, partner: str, cdr: Cdr) -> bool:
        scope = self._scope(partner, cdr.party)
        return await self._taken(Kind.CDR, scope, str(cdr.id), self.told.post(scope, cdr))

    def cdr(self, partner: str, party: PartyId, ident: str) -> Cdr | None:
        return self.told.cdr(self._scope(partner, party), ident)

    # --- authorisation and commands ----------------------------------------------------------------------------------

    def knows(self, uid: str) -> bool:
        return self.asking.authoriser.knows(uid)

    async def authorise(self, partner: str, question: Question) -> AuthorizationInfo | None:
        return await self.asking.answer(self.feeds.feed(partner), question)

    def command_result(self, partner: str, reference: str, outcome: CommandOutcome) -> bool:
        return self.commands.heard(partner, reference, outcome)

    def _on_told(self, session: SessionTold) -> None:
        key = session.operator, session.id
        if key not in self._stopping and self.commands.unwanted(session):
            self._stopping.add(key)
            self._spawn(self.commands.stop(session), f"stop {session.id}")

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what goes on by itself --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin pulling lists and following tokens, in the running event loop."""
        for name, feed in self.feeds.all.items():
            source = self.partners[name]
            if isinstance(source, GivesObjects):
                self._spawn(self._pull(feed, source), f"lists of {name}")
        for name in self.tokens:
            self._spawn(self._follow(name), f"tokens to {name}")

    async def stop(self) -> None:
        """Leave off."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    def tokens_changed(self, source: str) -> None:
        """A partner's tokens are not what they were."""
        for name, feed in self.tokens.items():
            if source in feed.feed.tokens_from:
                self._news[name].set()

    async def follow(self, name: str) -> None:
        """Bring the tokens for an upstream operator up to date now; nothing for other partners."""
        if name in self.tokens:
            await self.tokens[name].follow()

    async def _follow(self, name: str) -> None:
        while True:
            self._news[name].clear()
            try:
                if await self.tokens[name].follow():
                    self.wake(name)
            except Exception as why:  # noqa: BLE001  (tried again)
                log.error("the tokens for %s cannot be brought up to date: %s", name, fault(why))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._news[name].wait()

    async def _pull(self, feed: Feed, source: GivesObjects) -> None:
        """Pull every so many seconds, sooner after a failure (such as that the registration is still under way)."""
        pause = FIRST_PAUSE
        while True:
            wait = feed.pull_seconds
            for kind in KINDS:
                try:
                    done = await self.pulls.pull(feed, source, kind)
                except (Unreachable, Declined) as why:
                    if isinstance(why, Declined) and why.code == NO_LIST:
                        continue
                    await self._failed(feed, kind, str(why))
                    wait = min(wait, pause)
                except Exception as why:  # noqa: BLE001  (one bad list must not end the pulling)
                    log.error("pulling the %ss of %s failed: %s", kind, feed.partner, fault(why))
                    await self._failed(feed, kind, f"a fault: {type(why).__name__}")
                    wait = min(wait, LOOK)
                else:
                    if done.changed or done.removed:
                        self._wake_all()
            pause = FIRST_PAUSE if wait == feed.pull_seconds else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(wait)

    async def _failed(self, feed: Feed, kind: Kind, because: str) -> None:
        with contextlib.suppress(Exception):  # a store that cannot be written now is tried again with the next pull
            await self.store.happened(Happening(f"{kind} pull failed", feed.partner, detail=because))

    async def confirm(self, name: str, kind: Kind, body: bytes) -> int:
        """Remove what was held as gone from an upstream operator's list; returns how many locations or tariffs there were."""
        feed = self.feeds.feed(name)
        done = await self.pulls.remove(feed, kind, body)
        await self.store.confirmed(f"upstream {kind}s of {name}")
        self._wake_all()
        return done
