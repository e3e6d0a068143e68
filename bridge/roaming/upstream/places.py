"""Locations and tariffs of upstream operators: stored as they were told, published as agreements let."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from attrs import evolve, field, frozen

from bridge.model import json as model_json
from bridge.model.ids import evse_key
from bridge.model.location import Evse, Location, Status
from bridge.model.tariff import Tariff
from bridge.roaming.agreements import Scope
from bridge.roaming.publish import Publisher, digest, dumps, keeping, key_of, read, thing_of
from bridge.roaming.storage import EvseRow, Happening, Outbound, Thing
from bridge.roaming.upstream.locks import Locks
from bridge.roaming.upstream.ports import Contradiction, NotThere
from bridge.roaming.upstream.storage import UpstreamStorage


@frozen
class Told:
    """What became of objects that were told."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


@frozen
class _Put:
    """What one object changes."""

    what: str
    thing: Thing | None = None
    rows: list[EvseRow] = field(factory=list)
    outbound: list[Outbound] = field(factory=list)
    history: list[Happening] = field(factory=list)


class Places:
    """Keeps what upstream operators tell, beside what is ours."""

    def __init__(self, store: UpstreamStorage, publisher: Publisher) -> None:
        self.store = store
        self.publisher = publisher
        self.views = publisher.views
        self.now = publisher.now
        self._locks = Locks()

    # --- locations ---------------------------------------------------------------------------------------------------

    def location(self, scope: Scope, key: str) -> Location | None:
        """A location as it was told."""
        thing = self._mine("location", scope, key)
        return None if thing is None else read(thing)

    async def put(self, scope: Scope, locations: Sequence[Location], *, pulled: bool = False, keep: bool = False) -> Told:
        """Locations, any of all that there are; durable when it returns. Raises Contradiction for one known from elsewhere.

        An EVSE that a location has no more becomes REMOVED, unless it is to be kept (``keep``). One that is known from
        elsewhere stays in the location and is not published. Where they were ``pulled``, what is older than what we hold
        changes nothing: it was pushed meanwhile.
        """
        async with self._locks.of(scope.operator):
            return await self._put_all(scope, locations, pulled=pulled, keep=keep)

    async def amend(self, scope: Scope, key: str, change: Callable[[Location], Location]) -> None:
        """A location changed by what was told of it. Raises NotThere, Contradiction and what ``change`` raises."""
        async with self._locks.of(scope.operator):
            known = self.location(scope, key)
            if known is None:
                raise NotThere("location_id", "there is no such location of theirs")
            await self._put_all(scope, [change(known)])

    async def _put_all(self, scope: Scope, locations: Sequence[Location], *, pulled: bool = False, keep: bool = False) -> Told:
        alive = {key for one in locations for key in alive_in(one)}
        return await self._save([self._put(scope, one, alive, pulled=pulled, keep=keep) for one in locations])

    async def _save(self, puts: Iterable[_Put]) -> Told:
        counts = {"new": 0, "changed": 0, "unchanged": 0}
        things: list[Thing] = []
        rows: list[EvseRow] = []
        outbound: list[Outbound] = []
        history: list[Happening] = []
        for put in puts:
            counts[put.what] += 1
            if put.thing is not None:
                things.append(put.thing)
            rows += put.rows
            outbound += put.outbound
            history += put.history
        outbound.sort(key=lambda out: not out.gone)  # an EVSE may go from here to there
        if things:
            await self.store.save_things(things, rows, outbound, history)
        return Told(**counts)

    def _put(self, scope: Scope, location: Location, alive: Collection[str], *, pulled: bool, keep: bool) -> _Put:
        key = self._key("location", scope, key_of(location))
        old = self._mine("location", scope, key)
        before = read(old) if old is not None else None
        if before is not None and pulled and older(location.place.last_updated, before.place.last_updated):
            return _Put("unchanged")
        if before is not None:
            location = keeping(location, before, set(alive_in(before)) if keep else ())
        thing = thing_of(scope, key, location)
        rows = self._rows(thing, location, alive)
        placed = all(_same_place(row, self.store.evse(row.evse_id)) for row in rows)
        if old is not None and before is not None and old.groups == scope.groups and placed:
            if old.hash == thing.hash:
                return _Put("unchanged")
            if _static(location) == _static(before):
                return _Put("changed", thing, rows, [*self._statuses(rows), *self.views.live(location, key, scope, rows)])
        outbound = self.views.location(location, key, scope, before=before, rows=rows, elsewhere=alive)
        what = "changed" if before is not None else "new"
        return _Put(what, thing, rows, outbound, [Happening(f"location {what}", scope.origin, key)])

    def _rows(self, thing: Thing, location: Location, alive: Collection[str]) -> list[EvseRow]:
        """The EVSEs of a location, with the statuses that it tells."""
        rows = []
        for evse in location.evses:
            if evse.id is None or self.views.foreign(evse, thing.scope) is not None:
                continue
            key, gone = evse_key(evse.id), evse.status is Status.REMOVED
            known = self.store.evse(key)
            if gone and (key in alive or (known is not None and not known.removed and known.location != thing.key)):
                continue  # it has moved to another location
            status = evse.status.value if evse.status is not None else None
            at = evse.last_updated or (self.now() if status is not None else None)
            rows.append(EvseRow(key, str(evse.id), str(evse.uid or evse.id), thing.key, thing.operator, thing.groups, status=status,
                                status_at=at, removed=gone, origin=thing.origin))  # fmt: skip
        return rows

    def _statuses(self, rows: Sequence[EvseRow]) -> list[Outbound]:
        return [one for row in rows if row.status is not None and row.status_at is not None and not row.removed
                for one in self.views.status(row, Status(row.status), row.status_at)]  # fmt: skip

    async def remove(self, scope: Scope, keys: Collection[str]) -> int:
        """Locations that are no more; returns how many there were."""
        async with self._locks.of(scope.operator):
            return (await self._save(self._removed(scope, keys))).changed

    def _removed(self, scope: Scope, keys: Collection[str]) -> list[_Put]:
        puts = []
        for key in keys:
            old = self._mine("location", scope, key)
            if old is None:
                continue
            was = read(old)
            closed = evolve(was, evses=tuple(evolve(e, status=Status.REMOVED) for e in was.evses))
            thing = evolve(thing_of(old.scope, old.key, closed), removed=True)
            rows = self._rows(thing, closed, ())
            outbound = self.views.location(closed, old.key, old.scope, removed=True, before=was, rows=rows)
            puts.append(_Put("changed", thing, rows, outbound, [Happening("location removed", scope.origin, old.key)]))
        return puts

    async def remove_evses(self, scope: Scope, lost: Collection[str]) -> None:
        """EVSEs (by key) that are no more, at locations that are still there."""

        def without(location: Location) -> Location:
            return evolve(location, evses=tuple(evolve(e, status=Status.REMOVED) if named(e) else e for e in location.evses))

        def named(evse: Evse) -> bool:
            return evse.id is not None and evse_key(evse.id) in lost

        for key in sorted({e.location for e in self.store.all_evses() if e.evse_id in lost and e.scope == scope and not e.removed}):
            await self.amend(scope, key, without)

    # --- tariffs -----------------------------------------------------------------------------------------------------

    def tariff(self, scope: Scope, key: str) -> Tariff | None:
        """A tariff as it was told."""
        thing = self._mine("tariff", scope, key)
        return None if thing is None else _tariff(thing)

    async def put_tariffs(self, scope: Scope, tariffs: Sequence[Tariff], *, pulled: bool = False) -> Told:
        """Tariffs, any of all that there are; see :meth:`put`."""
        async with self._locks.of(scope.operator):
            return await self._save([self._put_tariff(scope, one, pulled=pulled) for one in tariffs])

    def _put_tariff(self, scope: Scope, tariff: Tariff, *, pulled: bool) -> _Put:
        key, body = self._key("tariff", scope, str(tariff.id)), dumps(tariff)
        old = self._mine("tariff", scope, key)
        if old is not None and (old.hash == digest(body) or (pulled and older(tariff.last_updated, _tariff(old).last_updated))):
            return _Put("unchanged")
        what = "new" if old is None else "changed"
        thing = Thing("tariff", scope.operator, key, body, digest(body), scope.origin, groups=scope.groups)
        outbound = self.views.tariff(tariff, scope.operator, scope.origin)
        return _Put(what, thing, outbound=outbound, history=[Happening(f"tariff {what}", scope.origin, key)])

    async def remove_tariffs(self, scope: Scope, keys: Collection[str]) -> int:
        """Tariffs that are no more; returns how many there were."""
        async with self._locks.of(scope.operator):
            there = [old for key in keys if (old := self._mine("tariff", scope, key)) is not None]
            return (await self._save([self._removed_tariff(scope, old) for old in there])).changed

    def _removed_tariff(self, scope: Scope, old: Thing) -> _Put:
        outbound = self.views.tariff(_tariff(old), scope.operator, scope.origin, removed=True)
        return _Put("changed", evolve(old, removed=True), outbound=outbound, history=[Happening("tariff removed", scope.origin, old.key)])

    # --- both --------------------------------------------------------------------------------------------------------

    def known(self, kind: str, scope: Scope) -> list[str]:
        """The keys of everything of a kind that there is."""
        return [key for key, (_, removed) in self.store.things(kind, scope.operator, scope.origin).items() if not removed]

    def _mine(self, kind: str, scope: Scope, key: str) -> Thing | None:
        thing = self.store.thing(kind, self.store.spelled(kind, scope.operator, key), operator=scope.operator)
        return thing if thing is not None and not thing.removed and thing.origin == scope.origin else None

    def _key(self, kind: str, scope: Scope, key: str) -> str:
        """The key as it is stored. Raises Contradiction where another has one of it: objects keep their origin."""
        key = self.store.spelled(kind, scope.operator, key)
        if self.publisher.elsewhere(kind, scope.operator, key, scope.origin) is not None:
            raise Contradiction("id", f"this {kind} is known from elsewhere")
        return key


def _static(location: Location) -> Location:
    """A location without what changes by the minute: the statuses, and the times that follow them."""
    evses = tuple(e if e.id is None or e.status is Status.REMOVED else evolve(e, status=None, last_updated=None) for e in location.evses)
    return Location(evolve(location.place, last_updated=None), evses)


def alive_in(location: Location) -> Iterator[str]:
    """The keys of a location's EVSEs, but for those that are REMOVED."""
    return (evse_key(e.id) for e in location.evses if e.id is not None and e.status is not Status.REMOVED)


def older(told: datetime | None, held: datetime | None) -> bool:
    """Whether what was told is older than what we hold, as far as both say."""
    return told is not None and held is not None and told < held


def _same_place(row: EvseRow, known: EvseRow | None) -> bool:
    return known is not None and (known.location, known.origin, known.removed) == (row.location, row.origin, row.removed)


def _tariff(thing: Thing) -> Any:
    return model_json.from_json(Tariff, orjson.loads(thing.body))
