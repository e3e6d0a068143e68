"""The location as a whole in sessions and CDRs, with the one EVSE and connector: for partners whose protocol tells it so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from attrs import evolve

from bridge.model.cdr import Cdr, CdrPlace, place_of
from bridge.model.common import Text
from bridge.model.ids import EvseUid, TariffId, evse_key
from bridge.model.location import Address, Connector, Evse, Location
from bridge.model.session import Session
from bridge.roaming.ports import Partner, TellsPlaces
from bridge.roaming.storage import EvseRow
from bridge.roaming.views import with_tariff

Told = TypeVar("Told", Session, Cdr)


def for_partner(partner: Partner, told: Told) -> Told:
    """A session or CDR with its location as a whole only for partners that are told it so; the others are told it otherwise."""
    if isinstance(partner, TellsPlaces) and partner.whole_places:
        return told
    return evolve(told, location=None)


def of_ours(location: Location, row: EvseRow, zone: str, tariff: str | None) -> Location | None:
    """A location of ours with one of its EVSEs, the first connector and the agreement's tariff; None if the EVSE is not there."""
    found = next((e for e in location.evses if e.id is not None and evse_key(e.id) == row.evse_id), None)
    if found is None:
        return None
    evse = evolve(found, uid=found.uid or EvseUid(row.evse_id), connectors=found.connectors[:1], extra=())
    place = evolve(location.place, time_zone=location.place.time_zone or zone, extra=())
    return with_tariff(Location(place, (evse,)), tariff)


def around(place: CdrPlace, location: Location | None, evse: Evse | None, tariff: TariffId | None) -> Location | None:
    """A location with one of its EVSEs, as a session or CDR of somebody else tells of it; None if the connector is not there.

    What that says of the place stands before what is known of the location.
    """
    if location is None or evse is None:
        return None
    connector = _named(evse.connectors, place.connector_id)
    if connector is None:
        return None
    connector = evolve(connector, id=place.connector_id or connector.id, plug=place.plug or connector.plug,
                       format=place.format or connector.format, power_type=place.power_type or connector.power_type)  # fmt: skip
    evse = evolve(evse, uid=place.evse_uid or evse.uid, id=place.evse_id or evse.id, connectors=(connector,), extra=())
    known = location.place
    names = known.names if place.name is None or (known.names and known.names[0].text == place.name) else (Text(place.name),)
    whole = evolve(known, id=place.id or known.id, names=names, address=place.address if place.address != Address() else known.address,
                   coordinates=place.coordinates or known.coordinates, time_zone=place.time_zone or known.time_zone, extra=())  # fmt: skip
    return with_tariff(Location(whole, (evse,)), tariff)


def _named(connectors: Iterable[Connector], ident: str | None) -> Connector | None:
    """The connector of that id; the only one where none is named."""
    found = [c for c in connectors if ident is None or (c.id is not None and c.id.upper() == ident.upper())]
    return found[0] if len(found) == 1 else None


def filled(place: CdrPlace, whole: Location | None) -> CdrPlace:
    """The place of a CDR with what its location adds."""
    if whole is None:
        return place
    return evolve(place_of(whole), tariff_id=place.tariff_id, current=place.current, ratings=place.ratings)
