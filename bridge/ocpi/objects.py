"""Objects of an upstream operator, between the wire of the version that is spoken and the canonical model.

A PATCH is merged in the wire's terms: fields that it names replace those that we hold, nothing else changes. What the wire
cannot hold of an object stays with it. Towards an operator all tokens are ours, whoever gave them to us: what it repeats of one
under our party says nothing about whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from attrs import evolve, frozen

from bridge.codec.lenient import Read, Unreadable, fold, loads, reader
from bridge.errors import Refused
from bridge.mapping.loss import REFUSED, Loss
from bridge.mapping.residue import put_back
from bridge.model.cdr import Cdr
from bridge.model.common import Extra
from bridge.model.ids import ContractId, OperatorId, PartyId
from bridge.model.location import Connector, Evse, Location
from bridge.model.session import Session
from bridge.model.tariff import Tariff
from bridge.model.token import SessionToken, Token, TokenKind, Whitelist
from bridge.ocpi.connection import OcpiConnection
from bridge.roaming.ports import Kind
from bridge.roaming.upstream.merge import connector_of, evse_of, with_connector, with_evse, with_periods
from bridge.translate.files import encode
from bridge.translate.pipeline import with_extra

Change = Mapping[str, Any]
"""A PATCH as it was told."""

_LENIENT = (Kind.LOCATION, Kind.SESSION)
"""Kinds of which an optional value that makes no sense is left out. In a tariff or CDR it might be money."""

_STANDS_IN = ": read as "


@frozen
class Whole:
    """An object as it was told: on the wire, and canonical."""

    wire: Any
    obj: Any


def whole(link: OcpiConnection, kind: Kind, data: Any, party: PartyId | None) -> Whole:
    """A whole object; ``party`` is whose it is where the version does not say so. Raises Unreadable or Refused."""
    entry, bound = link.entry(kind.value)
    read: Read[Any] = entry.codec.exact()(data)
    if kind not in _LENIENT:
        _nothing_left_out(read.repairs)
    if kind is Kind.LOCATION and read.repairs:
        _no_part_left_out(read, data)
    obj = _canonical(bound.to_canon(read.value))
    if read.unknown:
        obj = with_extra(obj, "ocpi", read.unknown)
    if not link.version.roles:
        obj = _owned(obj, party)
    return Whole(read.value, _from_them(link, obj))


def wire_of(link: OcpiConnection, kind: Kind, obj: Any) -> Any:
    """An object as its operator told it. Raises Refused."""
    return link.entry(kind.value)[1].to_wire(_for_them(link, obj))[0]


def amended(link: OcpiConnection, kind: Kind, old: Any, change: Change) -> Any:
    """A location, tariff or session with a change. Raises Unreadable or Refused."""
    entry, bound = link.entry(kind.value)
    old = _for_them(link, old)
    sent = bound.to_wire(old)[0]
    read: Read[Any] = entry.codec.exact()(encode(_merged(sent, change)))
    _nothing_left_out(read.repairs)
    new = put_back(bound.mapping, old, sent, read.value, _canonical(bound.to_canon(read.value)))
    return _from_them(link, _with_unknown(new, read.unknown))


def amended_session(link: OcpiConnection, old: Session, change: Change) -> Session:
    """A session with a change; from 2.2 on its charging periods are appended (mod_sessions, PATCH). Raises Unreadable or Refused."""
    if not link.version.roles:
        return _session(amended(link, Kind.SESSION, old, change))
    periods = next((value for name, value in change.items() if fold(name) == "chargingperiods"), None)
    rest = {name: value for name, value in change.items() if fold(name) != "chargingperiods"}
    new = _session(amended(link, Kind.SESSION, old, rest))
    if not periods:
        return new
    added = _session(amended(link, Kind.SESSION, evolve(old, periods=()), {"charging_periods": periods}))
    return with_periods(new, added.periods)


def _session(obj: Any) -> Session:
    session: Session = obj
    return session


# --- EVSEs and connectors


def evse_told(link: OcpiConnection, location: Location, data: bytes) -> tuple[Any, Evse]:
    """A whole EVSE of a location, on the wire and canonical. Raises Unreadable or Refused."""
    read = reader(link.version.objects.EVSE)(data)
    if read.repairs:
        _no_connector_left_out(read.value, loads(data), read, "")
    return read.value, _evse(link, location, read)


def connector_told(link: OcpiConnection, location: Location, evse_uid: str, data: bytes) -> tuple[Any, Connector]:
    """A whole connector of an EVSE, on the wire and canonical. Raises Unreadable, Refused or NotThere."""
    evse = _part(wire_of(link, Kind.LOCATION, location).evses, "uid", evse_uid, evse_of(location, evse_uid))
    read = reader(link.version.objects.Connector)(data)
    told = _evse(link, location, Read(msgspec.structs.replace(evse, connectors=(read.value,))), "connectors[0]")
    return read.value, told.connectors[0]


def _evse(link: OcpiConnection, location: Location, read: Read[Any], within: str = "") -> Evse:
    """The canonical EVSE: the mapping knows whole locations, so it is put into one."""
    bound = link.entry(Kind.LOCATION.value)[1]
    shell = msgspec.structs.replace(bound.to_wire(location)[0], evses=(read.value,))
    try:
        made: Location = _canonical(bound.to_canon(shell))
    except Refused as why:
        base = f"evses[0].{within}" if within else "evses[0]"
        raise Refused(why.path.removeprefix(base).lstrip("."), why.because, why.value, why.key) from why
    evse = made.evses[0]
    return evolve(evse, extra=(*evse.extra, *(Extra("ocpi", path, value) for path, value in read.unknown)))


def amended_evse(link: OcpiConnection, location: Location, uid: str, change: Change) -> Location:
    """A location with a change of one of its EVSEs. Raises Unreadable, Refused or NotThere."""
    evse_of(location, uid)

    def merged(evse: Any) -> Any:
        return _read_part(link.version.objects.EVSE, _merged(evse, change))

    return with_evse(location, evse_of(_with_part(link, location, uid, merged), uid))


def amended_connector(link: OcpiConnection, location: Location, uid: str, ident: str, change: Change) -> Location:
    """A location with a change of one of its connectors. Raises Unreadable, Refused or NotThere."""
    connector_of(evse_of(location, uid), ident)

    def merged(evse: Any) -> Any:
        cls = link.version.objects.Connector
        connectors = tuple(_read_part(cls, _merged(k, change)) if _is(k.id, ident) else k for k in evse.connectors)
        return msgspec.structs.replace(evse, connectors=connectors)

    made = connector_of(evse_of(_with_part(link, location, uid, merged), uid), ident)
    return with_connector(location, uid, made)


def _with_part(link: OcpiConnection, location: Location, uid: str, change: Any) -> Location:
    bound = link.entry(Kind.LOCATION.value)[1]
    sent = bound.to_wire(location)[0]
    evses = tuple(change(e) if _is(e.uid, uid) else e for e in sent.evses or ())
    told = msgspec.structs.replace(sent, evses=evses)
    made: Location = put_back(bound.mapping, location, sent, told, _canonical(bound.to_canon(told)))
    return made


def _read_part(cls: Any, merged: Change) -> Any:
    read: Read[Any] = reader(cls)(encode(merged))
    _nothing_left_out(read.repairs)
    return read.value


def part_of(parts: Iterable[Any] | None, name: str, ident: str) -> Any:
    """An item of a wire list by its id, or None."""
    return next((one for one in parts or () if _is(getattr(one, name), ident)), None)


def _part(parts: Iterable[Any] | None, name: str, ident: str, known: Evse) -> Any:
    found = part_of(parts, name, ident)
    if found is None:
        raise Refused(name, f"EVSE {known.uid} cannot be told in the version that is spoken now")
    return found


def _is(one: str | None, other: str) -> bool:
    return one is not None and one.upper() == other.upper()


# --- what is left out, and what is kept


def _merged(sent: Any, change: Change) -> dict[str, Any]:
    """A wire object with the fields of a change. ``null`` removes nothing (mod_locations, PATCH)."""
    told = {name: value for name, value in change.items() if value is not None}
    said = {fold(name) for name in told}
    return {name: value for name, value in loads(encode(sent)).items() if fold(name) not in said} | told


def _nothing_left_out(repairs: Iterable[tuple[str, Any, str]]) -> None:
    """Raises Unreadable where reading left something out. A value that stands in for one of an open enumeration is none."""
    for path, value, because in repairs:
        if _STANDS_IN not in because:
            raise Unreadable(path, because, value)


def _no_part_left_out(read: Read[Any], data: Any) -> None:
    """EVSEs and connectors that a location leaves out are taken for removed: one that cannot be read must not be."""
    told = loads(data) if isinstance(data, bytes) else data
    evses = _many(told, "evses")
    if len(evses) != len(read.value.evses or ()):
        raise _unreadable(read, "evses")
    for i, (one, evse) in enumerate(zip(evses, read.value.evses or (), strict=True)):
        _no_connector_left_out(evse, one, read, f"evses[{i}].")


def _no_connector_left_out(evse: Any, told: Any, read: Read[Any], within: str) -> None:
    if len(_many(told, "connectors")) != len(evse.connectors):
        raise _unreadable(read, f"{within}connectors")


def _unreadable(read: Read[Any], base: str) -> Unreadable:
    """Why an item of a list was left out."""
    return next((Unreadable(path, because, value) for path, value, because in read.repairs if path.startswith(base)),
                Unreadable(base, "one of them cannot be read"))  # fmt: skip


def _many(told: Any, name: str) -> list[Any]:
    found = next((value for key, value in told.items() if fold(key) == name), None) if isinstance(told, dict) else None
    return [one for one in (found if isinstance(found, list) else [found]) if one is not None]


def _canonical(made: tuple[Any, list[Loss]]) -> Any:
    """The canonical object, if all its parts are in it. Raises Refused."""
    obj, losses = made
    for loss in losses:
        if loss.kind == REFUSED:
            raise Refused(loss.path, loss.because, loss.value)
    return obj


def _with_unknown(obj: Any, unknown: list[tuple[str, Any]]) -> Any:
    """The object with unknown fields, each as it was told last."""
    if not unknown:
        return obj
    made = with_extra(obj, "ocpi", unknown)
    if isinstance(made, Location):
        place = evolve(made.place, extra=_last(made.place.extra))
        return evolve(made, place=place, evses=tuple(evolve(e, extra=_last(e.extra)) for e in made.evses))
    return evolve(made, extra=_last(made.extra))


def _last(extra: tuple[Extra, ...]) -> tuple[Extra, ...]:
    return tuple({(one.protocol, one.path): one for one in extra}.values())


# --- whose it is


def _owned(obj: Any, party: PartyId | None) -> Any:
    """An object of a version that does not say whose it is."""
    if isinstance(obj, Location):
        operator = OperatorId(str(party)) if party is not None else None
        return evolve(obj, place=evolve(obj.place, operator_id=operator))
    if isinstance(obj, Cdr):
        obj = evolve(obj, tariffs=tuple(evolve(one, party=party) for one in obj.tariffs))
    return evolve(obj, party=party)


def party_of(obj: Location | Tariff | Session | Cdr) -> PartyId | None:
    """Whose a canonical object is."""
    if isinstance(obj, Location):
        return obj.place.operator_id.party if obj.place.operator_id is not None else None
    return obj.party


def _from_them(link: OcpiConnection, obj: Any) -> Any:
    """What an operator repeats of a token that we gave it: under our party it does not say whose it is, nor the uid which contract."""
    token: SessionToken | None = getattr(obj, "token", None)
    if token is None or token.party is None or not link.is_ours(token.party.country_code, token.party.party_id):
        return obj
    named = token.contract_id is not None and str(token.contract_id).upper() != str(token.uid).upper()
    return evolve(obj, token=evolve(token, party=None, contract_id=token.contract_id if named else None))


def _for_them(link: OcpiConnection, obj: Any) -> Any:
    """The other way round."""
    token: SessionToken | None = getattr(obj, "token", None)
    if token is None or token.party is not None or not link.version.roles:
        return obj
    return evolve(obj, token=evolve(token, party=PartyId(*link.config.party)))


def ours(link: OcpiConnection, token: Token) -> Token:
    """A token as an operator hears of it: under our party, with what OCPI demands of one."""
    contract: ContractId | str | None = token.contract_id or (str(token.uid) if token.uid is not None else None)
    role = link.config.roles[0]
    return evolve(token, party=PartyId(*link.config.party), contract_id=contract, kind=token.kind or TokenKind.RFID,
                  issuer=token.issuer or role.name or str(PartyId(role.country_code, role.party_id)),
                  valid=True if token.valid is None else token.valid, whitelist=token.whitelist or Whitelist.NEVER,
                  last_updated=token.last_updated or datetime.now(UTC).replace(microsecond=0), extra=())  # fmt: skip
