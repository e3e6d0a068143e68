"""Publishing: locations, tariffs and status flow to each partner that an agreement lets have them, as changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from attrs import evolve, frozen

from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.ids import EvseId, EvseUid, LocationId, TariffId, evse_key
from bridge.model.location import Evse, EvseStatus, Location, Status
from bridge.model.tariff import Tariff
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Agreement, Book
from bridge.roaming.ports import Kind, Partner
from bridge.roaming.storage import EvseRow, Happening, Outbound, Storage, Thing

DELETING = frozenset({"oicp-2.3"})
"""Formats in which a removed EVSE is deleted; in the others it is told with its status."""


@frozen
class Imported:
    """What an import did."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    held: int | None = None
    """The number under which a mass change waits for confirmation; nothing was changed then."""


def dumps(obj: Any) -> bytes:
    """A canonical object as it is stored."""
    return orjson.dumps(model_json.to_json(obj), default=str, option=orjson.OPT_SORT_KEYS)


def digest(body: bytes) -> str:
    """The hash by which a change is noticed."""
    return hashlib.sha256(body).hexdigest()


class Publisher:
    """Keeps what is ours and what each partner may know of it."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, now: Callable[[], datetime],
                 most_percent: Decimal = Decimal(5)) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.now = now
        self.most_percent = most_percent

    # --- imports -----------------------------------------------------------------------------------------------------

    async def import_locations(self, operator: str, locations: Iterable[Location], *, groups: Mapping[str, Sequence[str]],
                               bound: Mapping[str, tuple[str, int]], confirmed: bool = False) -> Imported:  # fmt: skip
        """The operator's locations, all of them: unchanged ones change nothing, missing ones become REMOVED.

        ``groups`` are the location groups by location id; ``bound`` says which connector an EVSE (by key) is.
        """
        known = self.store.things("location", operator)
        given = {str(loc.place.id or loc.evses[0].id): loc for loc in locations}
        missing = [key for key, (_, removed) in known.items() if key not in given and not removed]
        alive = sum(not removed for _, removed in known.values())
        if missing and not confirmed and self._too_many(len(missing), alive):
            number = await self.store.hold(f"locations of {operator}", f"{len(missing)} of {alive} would be removed",
                                           orjson.dumps(sorted(missing)))  # fmt: skip
            return Imported(held=number, removed=len(missing))
        counts = {"new": 0, "changed": 0, "unchanged": 0}
        things: list[Thing] = []
        for key, location in given.items():
            body = dumps(location)
            before = known.get(key)
            if before == (digest(body), False):
                counts["unchanged"] += 1
                continue
            counts["new" if before is None or before[1] else "changed"] += 1
            things.append(Thing("location", operator, key, body, digest(body)))
        things += [self._removed(key, operator) for key in missing]
        await self._save_locations(things, operator, groups, bound)
        return Imported(removed=len(missing), **counts)

    def _too_many(self, gone: int, of: int) -> bool:
        return gone == of or Decimal(gone) * 100 > self.most_percent * of

    def _removed(self, key: str, operator: str) -> Thing:
        thing = self.store.thing("location", key)
        if thing is None:
            raise LookupError(key)
        location: Location = model_json.from_json(Location, orjson.loads(thing.body))
        body = dumps(evolve(location, evses=tuple(evolve(e, status=Status.REMOVED) for e in location.evses)))
        return Thing("location", operator, key, body, digest(body), removed=True)

    async def _save_locations(self, things: Sequence[Thing], operator: str, groups: Mapping[str, Sequence[str]],
                              bound: Mapping[str, tuple[str, int]]) -> None:  # fmt: skip
        evses: list[EvseRow] = []
        outbound: list[Outbound] = []
        for thing in things:
            location: Location = model_json.from_json(Location, orjson.loads(thing.body))
            mine = tuple(groups.get(thing.key, ()))
            before = {e.evse_id: e for e in self.store.evses_of(thing.key)}
            for evse in location.evses:
                if evse.id is not None:
                    where = bound.get(str(evse.id)) or bound.get(evse_key(evse.id))
                    evses.append(EvseRow(str(evse.id), str(evse.id), str(evse.uid or evse.id), thing.key, operator, mine, charge_point=where[0] if where else None, connector=where[1] if where else None, removed=thing.removed or evse.status is Status.REMOVED))  # fmt: skip
            outbound += self._outbound_location(self._live(location, before), thing.key, operator, mine, thing.removed)
        await self.store.save_things(things, evses, outbound, [Happening("locations imported", ref=operator, detail=str(len(things)))])

    def _live(self, location: Location, rows: Mapping[str, EvseRow]) -> Location:
        """The location with the statuses that its chargers told."""

        def live(evse: Evse) -> Evse:
            row = rows.get(evse_key(evse.id)) if evse.id is not None else None
            if row is None or row.status is None or evse.status is Status.REMOVED:
                return evse
            return evolve(evse, status=Status(row.status), last_updated=row.status_at)

        return evolve(location, evses=tuple(live(e) for e in location.evses))

    def _outbound_location(self, location: Location, key: str, operator: str, groups: Sequence[str], removed: bool) -> list[Outbound]:
        made: list[Outbound] = []
        for name, partner in self.partners.items():
            agreement = self.book.find(name, kinds.LOCATIONS, operator, groups, self.now())
            if agreement is None or Kind.LOCATION not in partner.kinds:
                continue
            try:
                encoded = partner.encode(Kind.LOCATION, with_tariff(location, agreement, groups))
            except Refused:
                continue
            gone = {str(e.id) for e in location.evses if e.status is Status.REMOVED}
            for one in encoded:
                delete = partner.format in DELETING and (removed or one.key in gone)
                made.append(Outbound(name, Kind.LOCATION, key, one.key, one.body, one.meta, delete))
        return made

    async def import_tariffs(self, operator: str, tariffs: Iterable[Tariff]) -> Imported:
        """The operator's tariffs; those that an agreement names go to its partner."""
        known = self.store.things("tariff", operator)
        things, outbound = [], []
        counts = {"new": 0, "changed": 0, "unchanged": 0}
        for tariff in tariffs:
            body = dumps(tariff)
            before = known.get(str(tariff.id))
            if before == (digest(body), False):
                counts["unchanged"] += 1
                continue
            counts["new" if before is None else "changed"] += 1
            things.append(Thing("tariff", operator, str(tariff.id), body, digest(body)))
            outbound += self._outbound_tariff(tariff, operator)
        await self.store.save_things(things, (), outbound, [Happening("tariffs imported", ref=operator, detail=str(len(things)))])
        return Imported(**counts)

    def _outbound_tariff(self, tariff: Tariff, operator: str) -> list[Outbound]:
        made: list[Outbound] = []
        for name, partner in self.partners.items():
            for agreement in self.book.of(name):
                if Kind.TARIFF not in partner.kinds or kinds.TARIFFS not in agreement.kinds or agreement.operator != operator:
                    continue
                if str(tariff.id) not in agreement.tariffs.values():
                    continue
                try:
                    made += [
                        Outbound(name, Kind.TARIFF, str(tariff.id), e.key, e.body, e.meta) for e in partner.encode(Kind.TARIFF, tariff)
                    ]
                except Refused:
                    continue  # the partner's protocol cannot say this tariff; `evbridge partner show` tells why
                break
        return made

    # --- status ------------------------------------------------------------------------------------------------------

    async def status(self, row: EvseRow, status: Status, at: datetime) -> None:
        """A new status of an EVSE: stored, and told to whoever may know it."""
        told = EvseStatus(status, EvseId(row.written), EvseUid(row.uid), LocationId(row.location), at)
        outbound: list[Outbound] = []
        for name, partner in self.partners.items():
            if Kind.STATUS not in partner.kinds or self.book.find(name, kinds.STATUS, row.operator, row.groups, self.now()) is None:
                continue
            try:
                encoded = partner.encode(Kind.STATUS, told)
            except Refused:
                continue
            outbound += [Outbound(name, Kind.STATUS, row.location, e.key, e.body, e.meta) for e in encoded]
        await self.store.save_status(row.evse_id, status.value, at, outbound)



def with_tariff(location: Location, agreement: Agreement, groups: Sequence[str]) -> Location:
    """The location with the tariff that this agreement gives, and no other."""
    tariff = agreement.tariff_for(groups)
    ids = (TariffId(tariff),) if tariff is not None else ()
    return evolve(location, evses=tuple(
        evolve(e, connectors=tuple(evolve(k, tariff_ids=ids) for k in e.connectors)) for e in location.evses))  # fmt: skip
