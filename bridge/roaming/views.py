"""What one partner sees of what is ours: what its agreements let it see, with its tariff, dated when it changed for it.

Everything here is worked out from what is stored and gives :class:`~bridge.roaming.storage.Outbound`; nothing is written.
What a partner was shown and may not see any more is taken back: deleted where the protocol can, else told as removed,
with nothing in it that changed since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from bridge.errors import Refused
from bridge.model.ids import EvseId, EvseUid, LocationId, TariffId, evse_key
from bridge.model.location import Capability, Connector, Evse, EvseStatus, Location, Status
from bridge.model.tariff import Tariff
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import OWN, Agreement, Book, Scope
from bridge.roaming.ports import Encoded, Kind, Partner
from bridge.roaming.storage import EvseRow, Outbound, Shown, Storage

DELETING = frozenset({"oicp-2.3"})
"""Formats in which a removed EVSE is deleted; in the others it is told with its status."""
LIVE = ("ocpi-",)
"""Beginnings of the formats whose locations hold the live status, in one record with a time of change."""
KEEPING_TARIFFS = frozenset({"ochp-1.4"})
"""Formats in which a tariff cannot be taken back."""


def digest(body: bytes) -> str:
    """The hash by which a change is noticed."""
    return hashlib.sha256(body).hexdigest()


_OPERATOR = "operator"
"""Where what is shown says whose it is."""


class Views:
    """Works out what partners see. ``names`` narrows to some of them."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, now: Callable[[], datetime]) -> None:
        self.store = store
        self.partners = partners
        self.book = book
        self.now = now

    def _partners(self, kind: Kind, names: Collection[str] | None) -> list[tuple[str, Partner]]:
        return [(n, p) for n, p in self.partners.items() if kind in p.kinds and (names is None or n in names)]

    # --- locations ---------------------------------------------------------------------------------------------------

    def location(self, location: Location, source: str, scope: Scope, *, removed: bool = False, before: Location | None = None,
                 names: Collection[str] | None = None, rows: Sequence[EvseRow] = (),
                 elsewhere: Collection[str] = ()) -> list[Outbound]:  # fmt: skip
        """A location and the statuses of its EVSEs, for everybody. ``before`` is what was shown to those who lose it.

        ``rows`` are its EVSEs as they are about to be stored, where that differs; ``elsewhere`` are the keys of EVSEs that are
        alive in what is stored together with it.
        """
        here = self.rows(source, scope, rows)
        location = self.without_foreign(location, scope)
        staying = evolve(location, evses=tuple(e for e in location.evses if not self._moved(e, source, elsewhere)))
        made: list[Outbound] = []
        for name, partner in self._partners(Kind.LOCATION, names):
            agreement = self.book.find(name, kinds.LOCATIONS, scope, self.now())
            had = self._had(name, Kind.LOCATION, source, scope.operator)
            view = location if partner.format.startswith(LIVE) else staying
            shown = self._shown(name, partner, agreement, view, source, scope, here, had, removed) if agreement is not None else []
            made += shown
            lost = had.keys() - {one.key for one in shown}
            if lost:
                gone = {key: had[key] for key in lost}
                made += self._taken_back(name, partner, before or location, source, scope.operator, gone, whole=not shown)
        if not removed:
            alive = {evse_key(e.id) for e in location.evses if e.id is not None and e.status is not Status.REMOVED}
            for row in here.values():
                if row.status is not None and row.status_at is not None and row.evse_id in alive:
                    made += self.status(row, Status(row.status), row.status_at, names=names)
        return _of(scope.operator, made)

    def _had(self, name: str, kind: Kind, source: str, operator: str) -> dict[str, Shown]:
        """What a partner was shown of an operator's object; another operator may have one with the same id."""
        return {one.key: one for one in self.store.published(name, kind, source) if one.meta.get(_OPERATOR) in (operator, None)}

    def rows(self, source: str, scope: Scope, newer: Sequence[EvseRow] = ()) -> dict[str, EvseRow]:
        """The EVSEs of a location by key: as stored, or as they are about to be; the status that is known stays."""
        here = {e.evse_id: evolve(e, groups=scope.groups) for e in self.store.evses_of(source)
                if (e.operator, e.origin) == (scope.operator, scope.origin)}  # fmt: skip
        for row in newer:
            key, old = evse_key(row.evse_id), here.get(evse_key(row.evse_id))
            if old is not None and row.status is None:
                row = evolve(row, status=old.status, status_at=old.status_at)
            here[key] = evolve(row, evse_id=key)
        return here

    def without_foreign(self, location: Location, scope: Scope) -> Location:
        """The location without EVSEs that are known from elsewhere: those are published from there."""
        kept = tuple(e for e in location.evses if not self.foreign(e, scope))
        return location if len(kept) == len(location.evses) else evolve(location, evses=kept)

    def foreign(self, evse: Evse, scope: Scope) -> EvseRow | None:
        """What is known of an EVSE of this id that has another origin, or None. One that was removed there may come from here."""
        row = self.store.evse(str(evse.id)) if evse.id is not None else None
        return row if row is not None and not row.removed and row.origin != scope.origin else None

    def _moved(self, evse: Evse, source: str, elsewhere: Collection[str]) -> bool:
        """Whether an EVSE is REMOVED here because it is at another location now: whoever knows EVSEs only must not lose it."""
        if evse.id is None or evse.status is not Status.REMOVED:
            return False
        key = evse_key(evse.id)
        row = self.store.evse(key)
        return key in elsewhere or (row is not None and not row.removed and row.location != source)

    def _shown(self, name: str, partner: Partner, agreement: Agreement, location: Location, source: str, scope: Scope,
               rows: Mapping[str, EvseRow], had: Mapping[str, Shown], removed: bool) -> list[Outbound]:  # fmt: skip
        tariff, more = agreement.tariff_for(scope.groups), agreement.preference_tariffs_for(scope.groups)
        theirs = tariff is None and scope.origin != OWN and kinds.TARIFFS in agreement.kinds
        priced = location if theirs else with_tariff(location, tariff, more)
        if partner.format.startswith(LIVE):
            named = " ".join([tariff, *more] if tariff is not None else more) or None
            return self._dated(name, partner, live(priced, rows), source, named, had)
        closed = {evse_key(e.id) for e in location.evses if e.id is not None and (removed or e.status is Status.REMOVED)}
        made = []
        for one in _encoded(partner, Kind.LOCATION, priced):
            gone = partner.format in DELETING and evse_key(one.key) in closed
            if gone and one.key not in had:
                continue  # it never had it from here
            made.append(Outbound(name, Kind.LOCATION, source, one.key, one.body, one.meta, gone))
        return made + (self._silenced(name, source, scope.operator, lambda key: evse_key(key) in closed) if closed else [])

    def _silenced(self, name: str, source: str, operator: str, which: Callable[[str], bool]) -> list[Outbound]:
        """Statuses that go with the records of their EVSEs: nothing is said about them any more, until those are back."""
        return [Outbound(name, Kind.STATUS, source, one.key, one.body, one.meta, gone=True, quiet=True)
                for one in self._had(name, Kind.STATUS, source, operator).values() if which(one.key)]  # fmt: skip

    def _dated(self, name: str, partner: Partner, view: Location, source: str, tariff: str | None,
               had: Mapping[str, Shown]) -> list[Outbound]:  # fmt: skip
        """A record with a time of change: what differs for this partner is dated when it came to differ.

        Whether it differs is seen without that time, so that the same view again is no change.
        """
        made = []
        for plain in _encoded(partner, Kind.LOCATION, view):
            mark = digest(plain.body)
            known = had.get(plain.key)
            if known is not None and known.digest == mark:
                made.append(Outbound(name, Kind.LOCATION, source, plain.key, known.body, known.meta, digest=mark))
                continue
            dated = _date(view, known, tariff, self.now())
            updated = dated.place.last_updated
            meta = {**plain.meta, "tariff": tariff, "updated": updated.isoformat() if updated is not None else None}
            made += [Outbound(name, Kind.LOCATION, source, one.key, one.body, meta, digest=mark)
                     for one in _encoded(partner, Kind.LOCATION, dated)]  # fmt: skip
        return made

    def _taken_back(self, name: str, partner: Partner, location: Location, source: str, operator: str, lost: Mapping[str, Shown], *,
                    whole: bool) -> list[Outbound]:  # fmt: skip
        """Records that a partner has and may not see any more, or that cannot be told there any more."""
        place = location.place if partner.format.startswith(LIVE) else evolve(location.place, publish=None)
        closed = with_tariff(evolve(location, place=place, evses=tuple(evolve(e, status=Status.REMOVED) for e in location.evses)), None)
        if partner.format.startswith(LIVE):
            updated = max((_moment(one.meta.get("updated")) or self.now() for one in lost.values()), default=self.now())
            closed = _redated(closed, max(self.now().replace(microsecond=0), updated + timedelta(seconds=1)), deep=True)
        bodies = {one.key: one for one in _encoded(partner, Kind.LOCATION, closed)}
        made = []
        for key, known in lost.items():
            one = bodies.get(key)
            quiet = one is None and partner.format not in DELETING  # there is no way to say it there
            made.append(Outbound(name, Kind.LOCATION, source, key, known.body if one is None else one.body, known.meta, True, quiet=quiet))
        return made + self._silenced(name, source, operator, lambda key: whole or key in lost)

    # --- status ------------------------------------------------------------------------------------------------------

    def status(self, row: EvseRow, status: Status, at: datetime, *, names: Collection[str] | None = None) -> list[Outbound]:
        """The status of an EVSE."""
        told = EvseStatus(status, EvseId(row.written), EvseUid(row.uid), LocationId(row.location), at)
        made: list[Outbound] = []
        for name, partner in self._partners(Kind.STATUS, names):
            if self.book.find(name, kinds.STATUS, row.scope, self.now()) is not None:
                made += [Outbound(name, Kind.STATUS, row.location, e.key, e.body, e.meta) for e in _encoded(partner, Kind.STATUS, told)]
        return _of(row.operator, made)

    def shows_live(self, row: EvseRow) -> bool:
        """Whether any partner's kept location holds this EVSE's status."""
        return any(p.format.startswith(LIVE) and self.book.find(n, kinds.LOCATIONS, row.scope, self.now()) is not None
                   for n, p in self._partners(Kind.LOCATION, None))  # fmt: skip

    def live(self, location: Location, source: str, scope: Scope, rows: Sequence[EvseRow]) -> list[Outbound]:
        """What is kept for GETs follows statuses that are told by themselves. ``rows`` have the new ones."""
        here = self.rows(source, scope, rows)
        location = self.without_foreign(location, scope)
        made: list[Outbound] = []
        for name, partner in self._partners(Kind.LOCATION, None):
            agreement = self.book.find(name, kinds.LOCATIONS, scope, self.now())
            if agreement is not None and partner.format.startswith(LIVE):
                had = self._had(name, Kind.LOCATION, source, scope.operator)
                made += self._shown(name, partner, agreement, location, source, scope, here, had, removed=False)
        return _of(scope.operator, [evolve(one, quiet=True) for one in made])

    # --- tariffs -----------------------------------------------------------------------------------------------------

    def tariff(self, tariff: Tariff, operator: str, origin: str = OWN, *, removed: bool = False,
               names: Collection[str] | None = None) -> list[Outbound]:  # fmt: skip
        """A tariff, for those who may see it; taken back from those who have it without."""
        source = str(tariff.id)
        made: list[Outbound] = []
        for name, partner in self._partners(Kind.TARIFF, names):
            shown: list[Outbound] = []
            if not removed and self.book.has_tariff(name, source, operator, origin, self.now()):
                shown = [Outbound(name, Kind.TARIFF, source, e.key, e.body, e.meta) for e in _encoded(partner, Kind.TARIFF, tariff)]
            kept = {one.key for one in shown}
            quiet = partner.format in KEEPING_TARIFFS
            shown += [Outbound(name, Kind.TARIFF, source, one.key, one.body, one.meta, gone=True, quiet=quiet)
                      for one in self._had(name, Kind.TARIFF, source, operator).values() if one.key not in kept]  # fmt: skip
            made += shown
        return _of(operator, made)


def _of(operator: str, made: list[Outbound]) -> list[Outbound]:
    """What is shown, with the operator whose it is."""
    return [evolve(one, meta={**one.meta, _OPERATOR: operator}) for one in made]


def _encoded(partner: Partner, kind: Kind, obj: Any) -> list[Encoded]:
    """The records of an object; none where nothing of it can be said there (`evbridge partner show` tells why)."""
    try:
        return partner.encode(kind, obj)
    except Refused:
        return []


def with_tariff(location: Location, tariff: str | None, more: Sequence[str] = ()) -> Location:
    """The location with the tariff that an agreement gives, and no other but ``more``: those that charging preferences select,
    at EVSEs that take them."""
    ids = (TariffId(tariff),) if tariff is not None else ()

    def priced(evse: Evse) -> Evse:
        mine = (*ids, *map(TariffId, more)) if Capability.CHARGING_PREFERENCES in evse.capabilities else ids
        return evolve(evse, connectors=tuple(evolve(k, tariff_ids=mine) for k in evse.connectors))

    return evolve(location, evses=tuple(priced(e) for e in location.evses))


def live(location: Location, rows: Mapping[str, EvseRow]) -> Location:
    """The location with the statuses that its chargers told; EVSEs and location are as new as the newest of their parts."""

    def told(evse: Evse) -> Evse:
        row = rows.get(evse_key(evse.id)) if evse.id is not None else None
        if row is not None and row.status is not None and evse.status is not Status.REMOVED:
            evse = evolve(evse, status=Status(row.status), last_updated=row.status_at)
        return evolve(evse, last_updated=_newest(evse.last_updated, evse.connectors))

    evses = tuple(told(e) for e in location.evses)
    return evolve(location, place=evolve(location.place, last_updated=_newest(location.place.last_updated, evses)), evses=evses)


def _newest(own: datetime | None, parts: Iterable[Evse | Connector]) -> datetime | None:
    """The time of a thing that its parts belong to; None where it has none itself."""
    return own and max([own, *(part.last_updated for part in parts if part.last_updated is not None)])


def _date(view: Location, known: Shown | None, tariff: str | None, now: datetime) -> Location:
    """A view that differs from what the partner was shown is newer than that, also where the operator's data say nothing of it."""
    if known is None:
        return view
    last, at = _moment(known.meta.get("updated")), view.place.last_updated
    deep = known.meta.get("tariff") != tariff
    if last is None or (at is not None and at > last and not deep):
        return view
    return _redated(view, max(now.replace(microsecond=0), last + timedelta(seconds=1), at or last), deep=deep)


def _redated(view: Location, at: datetime, *, deep: bool) -> Location:
    evses = view.evses
    if deep:
        evses = tuple(evolve(e, last_updated=at, connectors=tuple(evolve(k, last_updated=at) for k in e.connectors)) for e in evses)
    return evolve(view, place=evolve(view.place, last_updated=at), evses=evses)


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
