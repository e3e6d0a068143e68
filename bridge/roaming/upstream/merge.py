"""Parts put into wholes: an EVSE or a connector into its location, charging periods into their session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from bridge.model.location import Connector, Evse, Location
from bridge.model.session import ChargingPeriod, Session
from bridge.roaming.upstream.ports import NotThere


def with_evse(location: Location, evse: Evse) -> Location:
    """The location with an EVSE that is new or replaces the one of its uid; it is as new as the EVSE (OCPI, mod_locations)."""
    others = [e for e in location.evses if not _same(e.uid, evse.uid)]
    place = next((i for i, e in enumerate(location.evses) if _same(e.uid, evse.uid)), len(others))
    evses = (*others[:place], evse, *others[place:])
    updated = _latest(location.place.last_updated, evse.last_updated)
    return evolve(location, place=evolve(location.place, last_updated=updated), evses=evses)


def with_connector(location: Location, evse_uid: str, connector: Connector) -> Location:
    """The location with a connector that is new or replaces the one of its id; EVSE and location are as new as it is.

    Raises NotThere.
    """
    evse = evse_of(location, evse_uid)
    others = [k for k in evse.connectors if not _same(k.id, connector.id)]
    place = next((i for i, k in enumerate(evse.connectors) if _same(k.id, connector.id)), len(others))
    connectors = (*others[:place], connector, *others[place:])
    return with_evse(location, evolve(evse, connectors=connectors, last_updated=_latest(evse.last_updated, connector.last_updated)))


def evse_of(location: Location, uid: str) -> Evse:
    """An EVSE by its uid. Raises NotThere."""
    found = next((e for e in location.evses if _same(e.uid, uid)), None)
    if found is None:
        raise NotThere("evse_uid", "there is no such EVSE at the location")
    return found


def connector_of(evse: Evse, ident: str) -> Connector:
    """A connector by its id. Raises NotThere."""
    found = next((k for k in evse.connectors if _same(k.id, ident)), None)
    if found is None:
        raise NotThere("connector_id", "there is no such connector at the EVSE")
    return found


def with_periods(session: Session, periods: Sequence[ChargingPeriod]) -> Session:
    """The session with periods appended (OCPI from 2.2, mod_sessions, PATCH); the same one sent again is there already."""
    return evolve(session, periods=(*session.periods, *(p for p in periods if p not in session.periods)))


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one.upper() == other.upper()


def _latest(*times: datetime | None) -> datetime | None:
    return max((t for t in times if t is not None), default=None)
