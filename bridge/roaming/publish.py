"""Publishing: locations, tariffs and status flow to each partner that an agreement lets have them, as changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from attrs import evolve, frozen

from bridge.model import json as model_json
from bridge.model.ids import evse_key
from bridge.model.location import Evse, Location, Status
from bridge.model.tariff import Tariff
from bridge.roaming.agreements import OWN, Book, Scope
from bridge.roaming.ports import Kind, Partner
from bridge.roaming.storage import EvseRow, Happening, Outbound, Storage, Thing
from bridge.roaming.views import Views, digest, with_tariff

_TOGETHER = 100
"""Locations that are brought in line with the agreements in one transaction."""


@frozen
class Imported:
    """What an import did."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    lost: int = 0
    """EVSEs that nobody sees any more: removed, left out, or not to be published."""
    held: int | None = None
    """The number under which a mass change waits for confirmation; nothing was changed then."""
    foreign: int = 0
    """What was left out because it is known from elsewhere: it keeps its origin."""


def dumps(obj: Any) -> bytes:
    """A canonical object as it is stored."""
    return model_json.dumps(obj)


class Publisher:
    """Keeps what is ours and what each partner may know of it."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, now: Callable[[], datetime],
                 most_percent: Decimal = Decimal(5)) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.now = now
        self.most_percent = most_percent
        self.views = Views(store, partners, book, now)

    # --- imports -----------------------------------------------------------------------------------------------------

    async def import_locations(self, operator: str, locations: Iterable[Location], *, groups: Mapping[str, Sequence[str]],
                               bound: Mapping[str, tuple[str, int]], confirmed: bool = False) -> Imported:  # fmt: skip
        """The operator's locations, all of them: unchanged ones change nothing, missing ones become REMOVED.

        So do EVSEs that a location has no more. ``groups`` are the location groups by location id (of a location that is
        not named they stay); ``bound`` says which connector an EVSE (by key) is. What takes away too much at once is held.
        """
        given = {key_of(location): location for location in locations}
        foreign = {key for key in given if self.elsewhere("location", operator, key, OWN) is not None}
        given = {key: location for key, location in given.items() if key not in foreign}
        change = self._change(operator, given, groups)
        if change.too_much(self.most_percent) and not confirmed:
            body = orjson.dumps({"operator": operator, "groups": {k: list(v) for k, v in groups.items()},
                                 "locations": [model_json.to_json(one) for one in given.values()]}, default=str)  # fmt: skip
            number = await self.store.hold(locations_of(operator), change.summary, body)
            return Imported(held=number, removed=len(change.missing), lost=len(change.lost))
        counts = {"new": 0, "changed": 0, "unchanged": 0}
        things: list[Thing] = []
        before: dict[str, Location] = {}
        elsewhere = {evse_key(e.id) for one in given.values() for e in one.evses if e.id is not None and e.status is not Status.REMOVED}
        placed = {e.evse_id: e for e in self.store.all_evses()}
        for new in change.given:
            if new.old is not None and not new.differs and not _moved(new, placed, bound):
                counts["unchanged"] += 1
                continue
            counts["new" if new.old is None or new.old.removed else "changed"] += 1
            things.append(new.thing)
            if new.before is not None:
                before[new.thing.key] = new.before
        for old in change.missing:
            was = read(old)
            closed = evolve(was, evses=tuple(evolve(e, status=Status.REMOVED) for e in was.evses))
            things.append(evolve(thing_of(Scope(operator, old.groups), old.key, closed), removed=True))
        await self._save_locations(things, operator, bound, before, elsewhere)
        await self.store.confirmed(locations_of(operator))  # what was held before is superseded
        return Imported(removed=len(change.missing), lost=len(change.lost), foreign=len(foreign), **counts)

    async def confirm_locations(self, operator: str, body: bytes, bound: Mapping[str, tuple[str, int]]) -> Imported:
        """The import that was held, as it was."""
        held = orjson.loads(body)
        found = [model_json.from_json(Location, one) for one in held["locations"]]
        return await self.import_locations(operator, found, groups=held["groups"], bound=bound, confirmed=True)

    def _change(self, operator: str, given: Mapping[str, Location], groups: Mapping[str, Sequence[str]]) -> _Change:
        """What an import would change."""
        found: list[_Given] = []
        of: set[str] = set()
        shown: set[str] = set()
        missing: list[Thing] = []
        known = self.store.things("location", operator, OWN)
        for key, location in given.items():
            old = self.store.thing("location", key, operator=operator) if key in known else None
            mine = tuple(g for g in groups[key] if g) if key in groups else old.groups if old is not None else ()
            thing, before = thing_of(Scope(operator, mine), key, location), None
            if old is not None and (old.hash, old.removed) != (thing.hash, False):
                before = read(old)
                location = keeping(location, before)
                thing = thing_of(Scope(operator, mine), key, location)
            found.append(_Given(thing, location, old, before))
            shown |= _visible(location)
            if old is not None and not old.removed:
                of |= _visible(before or location)
        for key in sorted(known.keys() - given.keys()):
            old = self.store.thing("location", key, operator=operator)
            if old is not None and not old.removed:
                missing.append(old)
                of |= _visible(read(old))
        alive = sum(not removed for _, removed in known.values())
        return _Change(found, missing, alive, of - shown, len(of))

    async def _save_locations(self, things: Sequence[Thing], operator: str, bound: Mapping[str, tuple[str, int]],
                              before: Mapping[str, Location], elsewhere: Collection[str]) -> None:  # fmt: skip
        standing = {name: self.book.standing(name, self.now()) for name in self.partners}
        evses: list[EvseRow] = []
        outbound: list[Outbound] = []
        for thing in things:
            location = read(thing)
            for evse in location.evses:
                gone = thing.removed or evse.status is Status.REMOVED
                if evse.id is None or (gone and evse_key(evse.id) in elsewhere) or self.views.foreign(evse, thing.scope) is not None:
                    continue  # it has moved to another location, or comes from elsewhere
                where = _bound(bound, evse.id)
                evses.append(EvseRow(str(evse.id), str(evse.id), str(evse.uid or evse.id), thing.key, operator, thing.groups,
                                     charge_point=where[0], connector=where[1], removed=gone))  # fmt: skip
            outbound += self.views.location(location, thing.key, thing.scope, removed=thing.removed, before=before.get(thing.key),
                                            elsewhere=elsewhere)  # fmt: skip
        outbound.sort(key=lambda out: not out.gone)  # an EVSE may go from here to there
        await self.store.save_things(things, evses, outbound, [Happening("locations imported", ref=operator, detail=str(len(things)))])
        for name, stood in standing.items():
            if self.book.standing(name, self.now()) != stood:  # on the way, an agreement began or ended
                await self.store.set_mark(aligned_with(name), "")

    async def import_tariffs(self, operator: str, tariffs: Iterable[Tariff]) -> Imported:
        """The operator's tariffs; those that an agreement names go to its partner."""
        known = self.store.things("tariff", operator, OWN)
        things, outbound = [], []
        counts = {"new": 0, "changed": 0, "unchanged": 0, "foreign": 0}
        for tariff in tariffs:
            body = dumps(tariff)
            before = known.get(str(tariff.id))
            if self.elsewhere("tariff", operator, str(tariff.id), OWN) is not None:
                counts["foreign"] += 1
                continue
            if before == (digest(body), False):
                counts["unchanged"] += 1
                continue
            counts["new" if before is None else "changed"] += 1
            things.append(Thing("tariff", operator, str(tariff.id), body, digest(body)))
            outbound += self.views.tariff(tariff, operator)
        await self.store.save_things(things, (), outbound, [Happening("tariffs imported", ref=operator, detail=str(len(things)))])
        return Imported(**counts)

    def elsewhere(self, kind: str, operator: str, key: str, origin: str) -> str | None:
        """Where an object of this id comes from, if that is somewhere else. What was removed there may come from here."""
        known = self.store.thing(kind, key, operator=operator)
        return known.origin if known is not None and not known.removed and known.origin != origin else None

    # --- agreements --------------------------------------------------------------------------------------------------

    async def align(self, names: Collection[str], *, gone: bool = False) -> None:
        """Bring what partners were shown in line with their agreements: after these changed, began or ended.

        ``gone``: the locations as well that are not there any more, of which partners are shown that.
        """
        for operator, key in self.store.keys("tariff"):
            thing = self.store.thing("tariff", key, operator=operator)
            if thing is not None:
                tariff: Tariff = model_json.from_json(Tariff, orjson.loads(thing.body))
                await self.store.save_things((), (), self.views.tariff(tariff, operator, thing.origin, names=names))
        outbound: list[Outbound] = []
        for number, (operator, key) in enumerate(self.store.keys("location", gone=gone), 1):
            thing = self.store.thing("location", key, operator=operator)
            if thing is not None and (not thing.removed or any(self.store.published(n, Kind.LOCATION, key) for n in names)):
                outbound += self.views.location(read(thing), key, thing.scope, names=names, removed=thing.removed)
            if number % _TOGETHER == 0:
                await self.store.save_things((), (), outbound)
                outbound = []
            await asyncio.sleep(0)
        await self.store.save_things((), (), outbound)

    # --- status ------------------------------------------------------------------------------------------------------

    async def status(self, row: EvseRow, status: Status, at: datetime) -> None:
        """A new status of an EVSE: stored, and told to whoever may know it."""
        outbound = self.views.status(row, status, at)
        if self.views.shows_live(row) and (thing := self.store.thing("location", row.location, operator=row.operator)) is not None:
            outbound += self.views.live(read(thing), thing.key, thing.scope, [evolve(row, status=status.value, status_at=at)])
        await self.store.save_status(row.evse_id, status.value, at, outbound)


# --- what an import changes ---------------------------------------------------------------------------------------------


@frozen
class _Given:
    """A location of an import, as it will be stored, and as it is stored (``before``: where that says something else)."""

    thing: Thing
    location: Location
    old: Thing | None
    before: Location | None

    @property
    def differs(self) -> bool:
        """Whether it is not as it is stored."""
        return self.old is None or self.old.removed or (self.old.hash, self.old.groups) != (self.thing.hash, self.thing.groups)


@frozen
class _Change:
    """``missing`` of ``alive`` locations go, and ``lost`` of ``evses`` EVSEs are seen by nobody any more."""

    given: list[_Given]
    missing: list[Thing]
    alive: int
    lost: set[str]
    evses: int

    def too_much(self, percent: Decimal) -> bool:
        """Whether a person has to confirm it: a set is emptied, or more than the share of it goes."""
        return any(gone and (gone == of or Decimal(gone) * 100 > percent * of)
                   for gone, of in ((len(self.missing), self.alive), (len(self.lost), self.evses)))  # fmt: skip

    @property
    def summary(self) -> str:
        """For whoever has to confirm it."""
        return (f"{len(self.missing)} of {self.alive} locations would be removed, "
                f"{len(self.lost)} of {self.evses} EVSEs not be seen any more")  # fmt: skip


def aligned_with(partner: str) -> str:
    """The mark that holds what a partner was last brought in line with; while it does, what it was shown is what it may see."""
    return f"terms {partner}"


def locations_of(operator: str) -> str:
    """The name under which an import of locations is held."""
    return f"locations of {operator}"


def key_of(location: Location) -> str:
    """The key of a location: its id, or that of its first EVSE."""
    first = location.place.id or next((e.id or e.uid for e in location.evses), None)
    return str(first or "")


def read(thing: Thing) -> Location:
    """A location as it is stored."""
    location: Location = model_json.from_json(Location, orjson.loads(thing.body))
    return location


def thing_of(scope: Scope, key: str, location: Location) -> Thing:
    """A location as it is to be stored."""
    body = dumps(location)
    return Thing("location", scope.operator, key, body, digest(body), scope.origin, groups=scope.groups)


def _name(evse: Evse) -> str:
    return evse_key(evse.id) if evse.id is not None else str(evse.uid)


def keeping(new: Location, old: Location, alive: Collection[str] = ()) -> Location:
    """The new location with the EVSEs that it has no more as REMOVED: partners have to be told of it.

    Those whose keys are among ``alive`` stay as they were, and where they were.
    """
    here = {_name(e) for e in new.evses}
    missing = [(i, e) for i, e in enumerate(old.evses) if _name(e) not in here]
    if not missing:
        return new
    evses = list(new.evses)
    for place, evse in missing:
        if _name(evse) in alive:
            evses.insert(place, evse)
    return evolve(new, evses=(*evses, *(evolve(e, status=Status.REMOVED) for _, e in missing if _name(e) not in alive)))


def _visible(location: Location) -> set[str]:
    if location.place.publish is False:
        return set()
    return {_name(e) for e in location.evses if e.status is not Status.REMOVED}


def _bound(bound: Mapping[str, tuple[str, int]], evse: Any) -> tuple[str | None, int | None]:
    return bound.get(str(evse)) or bound.get(evse_key(evse)) or (None, None)


def _moved(new: _Given, placed: Mapping[str, EvseRow], bound: Mapping[str, tuple[str, int]]) -> bool:
    """Whether an EVSE of an unchanged location is bound to another connector than before, or was known from elsewhere till now."""
    for evse in new.location.evses:
        if evse.id is None or evse.status is Status.REMOVED:
            continue
        row = placed.get(evse_key(evse.id))
        if row is None or (row.removed and row.origin != OWN):
            return True
        if row.origin == OWN and not row.removed and (row.charge_point, row.connector) != _bound(bound, evse.id):
            return True
    return False


__all__ = [
    "Imported", "Publisher", "aligned_with", "digest", "dumps", "keeping", "key_of", "locations_of", "read", "thing_of", "with_tariff",
]  # fmt: skip
