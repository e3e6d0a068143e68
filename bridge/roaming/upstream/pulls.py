"""The lists of upstream operators, pulled: what changed every few minutes, everything once in a while.

What is pulled passes the same way as what is pushed, and what is older than what we hold changes nothing. Only a whole list
tells what is gone, and only of locations, EVSEs and tariffs; if too much of them is gone at once, a person has to confirm it.
Sessions and CDRs are pulled from the moment on at which the operator was first heard of: older ones are no business of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from attrs import define, evolve, field, frozen

from bridge.model.cdr import Cdr
from bridge.model.location import Location
from bridge.model.session import Session
from bridge.model.tariff import Tariff
from bridge.roaming.agreements import Scope
from bridge.roaming.ports import Kind
from bridge.roaming.publish import key_of
from bridge.roaming.storage import Happening
from bridge.roaming.upstream.feed import Feed, Feeds
from bridge.roaming.upstream.places import Places, alive_in
from bridge.roaming.upstream.ports import GivesObjects, Listed, NotTaken, NotTheirs
from bridge.roaming.upstream.sessions import Told
from bridge.roaming.upstream.storage import UpstreamStorage

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=5)
"""How much earlier than the last pull the next one looks: clocks differ, and what was known then changes nothing."""

KINDS = (Kind.TARIFF, Kind.LOCATION, Kind.SESSION, Kind.CDR)
"""What is pulled, in this order: a location names its tariffs, a CDR its session."""

_VANISH = (Kind.TARIFF, Kind.LOCATION)


@frozen
class Pulled:
    """What a pull did. ``held``: so much is gone that a person has to confirm it."""

    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    removed: int = 0
    held: int | None = None


@define
class _Seen:
    """What a whole list holds: keys by operator, those of EVSEs that are alive, and whether records were left out of it."""

    keys: dict[str, set[str]] = field(factory=dict)
    evses: set[str] = field(factory=set)
    blind: bool = False


@frozen
class _Before:
    """What there was before: keys by operator, and EVSEs."""

    keys: dict[str, set[str]]
    evses: dict[str, set[str]]


class Pulls:
    """Pulls the lists of upstream operators."""

    def __init__(self, store: UpstreamStorage, feeds: Feeds, places: Places, told: Told, now: Callable[[], datetime],
                 most_percent: Decimal) -> None:  # fmt: skip
        self.store = store
        self.feeds = feeds
        self.places = places
        self.told = told
        self.now = now
        self.most_percent = most_percent

    async def pull(self, feed: Feed, source: GivesObjects, kind: Kind) -> Pulled:
        """Pull a kind now. Raises Unreachable or Declined; what came before that is kept."""
        began = self.now()
        mark, whole = self._moment(feed, kind), self._moment(feed, kind, " whole")
        if kind in _VANISH and (mark is None or whole is None or began - whole >= timedelta(hours=feed.full_pull_hours)):
            done = await self._whole(feed, source, kind)
            await self._mark(feed, kind, began, " whole")
        else:
            if mark is None:  # sessions and CDRs: from now on
                mark = began
                await self._mark(feed, kind, began)
            done = await self._changes(feed, source, kind, mark - OVERLAP)
        await self._mark(feed, kind, began)
        if done.changed or done.removed or done.refused:
            detail = f"{done.changed} changed, {done.removed} removed, {done.refused} refused"
            await self.store.happened(Happening(f"{kind}s pulled", feed.partner, detail=detail))
        return done

    def _name(self, feed: Feed, kind: Kind, more: str = "") -> str:
        return f"pulled {kind}s of {feed.partner}{more}"

    def _moment(self, feed: Feed, kind: Kind, more: str = "") -> datetime | None:
        mark = self.store.mark(self._name(feed, kind, more))
        return None if mark is None else datetime.fromisoformat(mark)

    async def _mark(self, feed: Feed, kind: Kind, at: datetime, more: str = "") -> None:
        await self.store.set_mark(self._name(feed, kind, more), at.isoformat())

    async def _changes(self, feed: Feed, source: GivesObjects, kind: Kind, since: datetime) -> Pulled:
        done = Pulled()
        async for part in source.pull_objects(kind, since):
            done = _sum(done, await self._take(feed, kind, part, None))
        return done

    async def _whole(self, feed: Feed, source: GivesObjects, kind: Kind) -> Pulled:
        """The whole list; what is not in it is gone, unless some of it could not be read, or it came while we were reading."""
        before = self._before(feed, kind)
        seen, done = _Seen(), Pulled()
        async for part in source.pull_objects(kind, None):
            done = _sum(done, await self._take(feed, kind, part, seen))
        if seen.blind:
            log.warning("%s: the list of %ss holds records that cannot be read: nothing is taken for gone", feed.partner, kind)
            return done
        return _sum(done, await self._gone(feed, kind, before, seen))

    def _before(self, feed: Feed, kind: Kind) -> _Before:
        scopes = {name: feed.scope(name) for name in feed.operators}
        evses: dict[str, set[str]] = {name: set() for name in scopes}
        for row in self.store.all_evses() if kind is Kind.LOCATION else ():
            if not row.removed and row.scope == scopes.get(row.operator):
                evses[row.operator].add(row.evse_id)
        return _Before({name: set(self.places.known(kind.value, scope)) for name, scope in scopes.items()}, evses)

    # --- what is there -----------------------------------------------------------------------------------------------

    async def _take(self, feed: Feed, kind: Kind, part: Listed, seen: _Seen | None) -> Pulled:
        done = Pulled(refused=len(part.unread))
        taken: dict[Scope, list[Any]] = {}
        for one in part.objects:
            try:
                name = self.feeds.of(feed.partner, party_of(one))[1]
            except NotTheirs:
                done = evolve(done, refused=done.refused + 1)
                continue
            taken.setdefault(feed.scope(name), []).append(one)
        if seen is not None:
            self._see(seen, kind, part, taken)
        for scope, objects in taken.items():
            done = _sum(done, await self._store(kind, scope, objects, seen))
        return done

    def _see(self, seen: _Seen, kind: Kind, part: Listed, taken: dict[Scope, list[Any]]) -> None:
        seen.blind |= bool(part.unread)
        for scope, objects in taken.items():
            here = seen.keys.setdefault(scope.operator, set())
            here |= {self.store.spelled(kind.value, scope.operator, _key(one)) for one in objects}
            for one in objects:
                if isinstance(one, Location):
                    seen.evses |= set(alive_in(one))

    async def _store(self, kind: Kind, scope: Scope, objects: list[Any], seen: _Seen | None) -> Pulled:
        done = Pulled()
        for one in objects:
            try:
                changed = await self._one(scope, one, whole=seen is not None)
                done = _sum(done, Pulled(int(changed), int(not changed)))
            except NotTaken as why:
                await self.store.happened(Happening(f"{kind} refused", scope.origin, _key(one), str(why)))
                done = evolve(done, refused=done.refused + 1)
        return done

    async def _one(self, scope: Scope, one: Any, *, whole: bool) -> bool:
        """One object, by the way of what is pushed; whether it changed anything.

        EVSEs that a whole list leaves out of a location are gone only once it is clear how many are.
        """
        match one:
            case Location():
                return not (await self.places.put(scope, [one], pulled=True, keep=whole)).unchanged
            case Tariff():
                return not (await self.places.put_tariffs(scope, [one], pulled=True)).unchanged
            case Session():
                return await self.told.pulled(scope, one)
            case Cdr():
                return await self.told.post(scope, one)
        raise TypeError(f"{type(one).__name__} is nothing that is pulled")

    # --- what is gone ------------------------------------------------------------------------------------------------

    async def _gone(self, feed: Feed, kind: Kind, before: _Before, seen: _Seen) -> Pulled:
        """What a whole list does not hold any more is removed, or held for a person if it is too much."""
        gone = {name: sorted(keys - seen.keys.get(name, set())) for name, keys in before.keys.items()}
        lost = {name: sorted(keys - seen.evses) for name, keys in before.evses.items()}
        missing, there = _count(gone), _count(before.keys)
        unseen, evses = _count(lost), _count(before.evses)
        what, body = held_as(kind, feed), orjson.dumps({"gone": gone, "evses": lost})
        if self._too_much(missing, there) or self._too_much(unseen, evses):
            detail = f"{missing} of {there} {kind}s would be removed, {unseen} of {evses} EVSEs not be seen any more"
            return Pulled(held=await self.store.hold(what, detail, body))
        await self.store.confirmed(what)  # what was held before is superseded
        return Pulled(removed=await self.remove(feed, kind, body))

    def _too_much(self, gone: int, of: int) -> bool:
        return bool(gone) and (gone == of or Decimal(gone) * 100 > self.most_percent * of)

    async def remove(self, feed: Feed, kind: Kind, body: bytes) -> int:
        """Remove what is gone, as it was held; returns how many locations or tariffs there were."""
        held, count = orjson.loads(body), 0
        for name in feed.operators:
            scope, keys = feed.scope(name), held["gone"].get(name, [])
            if kind is Kind.TARIFF:
                count += await self.places.remove_tariffs(scope, keys)
            else:
                count += await self.places.remove(scope, keys)
                await self.places.remove_evses(scope, set(held["evses"].get(name, [])))
        return count


def held_as(kind: Kind, feed: Feed) -> str:
    """The name under which what is gone is held."""
    return f"upstream {kind}s of {feed.partner}"


def party_of(one: Any) -> Any:
    """The party that an object names."""
    if isinstance(one, Location):
        return one.place.operator_id.party if one.place.operator_id is not None else None
    return one.party


def _key(one: Any) -> str:
    return key_of(one) if isinstance(one, Location) else str(one.id)


def _count(keys: Mapping[str, Collection[str]]) -> int:
    return sum(map(len, keys.values()))


def _sum(one: Pulled, other: Pulled) -> Pulled:
    return Pulled(one.changed + other.changed, one.unchanged + other.unchanged, one.refused + other.refused,
                  one.removed + other.removed, other.held if other.held is not None else one.held)  # fmt: skip
