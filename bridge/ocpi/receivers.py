"""What an upstream operator tells us: locations, sessions, CDRs and tariffs (Receiver).

Everything is checked and durable before it is answered; what cannot be taken changes nothing and is answered with 2001, path and
reason. An object belongs to the party in its URL, which has to be one that the partner speaks for and that it feeds here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from attrs import frozen

from bridge.codec.lenient import fold, loads
from bridge.model.cdr import Cdr
from bridge.model.ids import IdError, PartyId
from bridge.model.location import Location
from bridge.model.session import Session
from bridge.model.tariff import Tariff
from bridge.ocpi import objects
from bridge.ocpi.call import Call, Fault, Handler, Interface, Result
from bridge.ocpi.envelope import Code, success
from bridge.ocpi.objects import Change
from bridge.ocpi.version import V211, V221, V230, folded
from bridge.roaming.ports import Kind
from bridge.roaming.upstream.merge import with_connector, with_evse
from bridge.roaming.upstream.ports import Contradiction, NotTheirs, NotThere
from bridge.translate.files import encode

# --- what is told, and by whom


@frozen
class _Named:
    """What a URL names."""

    party: PartyId
    ident: str


def _named(call: Call) -> _Named:
    match = call.request.match_info
    try:
        party = PartyId.of(match["country"], match["party"])
    except IdError:
        raise _not_theirs() from None
    if not call.partner.registration.speaks_for(party.country_code, party.party_id):
        raise _not_theirs()
    return _Named(party, match["id"])


def _not_theirs() -> Fault:
    return Fault(Code.CLIENT_ERROR, "that party is not yours here", 404)


def _taking(handler: Handler, unknown: Code = Code.CLIENT_ERROR) -> Handler:
    """A handler whose refusals by the core are answered as OCPI says; ``unknown`` is the code for what is not there."""

    async def run(call: Call) -> Result:
        try:
            return await handler(call)
        except NotTheirs:
            raise _not_theirs() from None
        except NotThere as why:
            raise Fault(unknown, why.because, 404) from why
        except Contradiction as why:
            raise Fault(Code.INVALID, f"{why.path}: {why.because}") from why

    return run


def _same(name: str, told: str, url: str) -> None:
    if folded(told) != folded(url):
        raise Fault(Code.INVALID, f"{name}: differs from the one in the URL")


async def _whole(call: Call, kind: Kind, named: _Named) -> Any:
    """The object of a PUT, which has to be the one that the URL names."""
    told = objects.whole(call.partner, kind, await call.body(), named.party)
    if call.version.roles:
        _same("country_code", told.wire.country_code, named.party.country_code)
        _same("party_id", told.wire.party_id, named.party.party_id)
    _same("id", told.wire.id, named.ident)
    return told.obj


async def _change(call: Call, **ids: str) -> Change:
    """The fields of a PATCH; what identifies the object may not change."""
    change = loads(await call.body())
    if not isinstance(change, dict):
        raise Fault(Code.INVALID, "$: an object is expected")
    said = {fold(name): value for name, value in change.items() if value is not None}
    if "lastupdated" not in said:
        if call.version.dated_patches:
            raise Fault(Code.INVALID, "last_updated: is missing (it is needed in every PATCH)")
        change = {**change, "last_updated": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    for name, ident in ids.items():
        told = said.get(fold(name))
        if told is not None:
            _same(name, str(told), ident)
    return change


def _ids(call: Call, named: _Named) -> dict[str, str]:
    """What identifies an object, by field."""
    owner = {"country_code": named.party.country_code, "party_id": named.party.party_id} if call.version.roles else {}
    return {**owner, "id": named.ident}


def _shown(call: Call, kind: Kind, obj: Any) -> bytes:
    return encode(objects.wire_of(call.partner, kind, obj))


def _done(new: bool) -> Result:
    return Result(success(), 201 if new else 200)


# --- locations


def _location_of(call: Call) -> Location:
    named = _named(call)
    location = call.core.upstream.location(call.partner.name, named.party, named.ident)
    if location is None:
        raise Fault(Code.UNKNOWN_LOCATION, "unknown location", 404)
    return location


async def _get_location(call: Call) -> Result:
    return Result(success(_shown(call, Kind.LOCATION, _location_of(call))))


async def _put_location(call: Call) -> Result:
    location: Location = await _whole(call, Kind.LOCATION, _named(call))
    return _done(await call.core.upstream.put_location(call.partner.name, location))


async def _patch_location(call: Call) -> Result:
    change = await _change(call, **_ids(call, _named(call)))
    return await _amend(call, lambda old: objects.amended(call.partner, Kind.LOCATION, old, change))


async def _amend(call: Call, change: Callable[[Location], Location]) -> Result:
    named = _named(call)
    await call.core.upstream.amend_location(call.partner.name, named.party, named.ident, change)
    return _done(new=False)


async def _get_evse(call: Call) -> Result:
    return Result(success(encode(_evse(call))))


def _evse(call: Call) -> Any:
    wire = objects.wire_of(call.partner, Kind.LOCATION, _location_of(call))
    found = objects.part_of(wire.evses, "uid", call.request.match_info["evse"])
    if found is None:
        raise Fault(Code.UNKNOWN_LOCATION, "unknown EVSE", 404)
    return found


async def _put_evse(call: Call) -> Result:
    data, uid, new = await call.body(), call.request.match_info["evse"], False

    def change(old: Location) -> Location:
        nonlocal new
        wire, evse = objects.evse_told(call.partner, old, data)
        _same("uid", wire.uid, uid)
        new = all(folded(e.uid or "") != folded(uid) for e in old.evses)
        return with_evse(old, evse)

    await _amend(call, change)
    return _done(new)


async def _patch_evse(call: Call) -> Result:
    uid = call.request.match_info["evse"]
    change = await _change(call, uid=uid)
    return await _amend(call, lambda old: objects.amended_evse(call.partner, old, uid, change))


async def _get_connector(call: Call) -> Result:
    found = objects.part_of(_evse(call).connectors, "id", call.request.match_info["connector"])
    if found is None:
        raise Fault(Code.UNKNOWN_LOCATION, "unknown connector", 404)
    return Result(success(encode(found)))


async def _put_connector(call: Call) -> Result:
    match, data, new = call.request.match_info, await call.body(), False
    uid, ident = match["evse"], match["connector"]

    def change(old: Location) -> Location:
        nonlocal new
        wire, connector = objects.connector_told(call.partner, old, uid, data)
        _same("id", wire.id, ident)
        new = all(folded(k.id or "") != folded(ident) for e in old.evses if folded(e.uid or "") == folded(uid) for k in e.connectors)
        return with_connector(old, uid, connector)

    await _amend(call, change)
    return _done(new)


async def _patch_connector(call: Call) -> Result:
    uid, ident = call.request.match_info["evse"], call.request.match_info["connector"]
    change = await _change(call, id=ident)
    return await _amend(call, lambda old: objects.amended_connector(call.partner, old, uid, ident, change))


# --- tariffs


def _tariff_of(call: Call) -> Tariff:
    named = _named(call)
    tariff = call.core.upstream.tariff(call.partner.name, named.party, named.ident)
    if tariff is None:
        raise Fault(Code.CLIENT_ERROR, "unknown tariff", 404)
    return tariff


async def _get_tariff(call: Call) -> Result:
    return Result(success(_shown(call, Kind.TARIFF, _tariff_of(call))))


async def _put_tariff(call: Call) -> Result:
    tariff: Tariff = await _whole(call, Kind.TARIFF, _named(call))
    return _done(await call.core.upstream.put_tariff(call.partner.name, tariff))


async def _patch_tariff(call: Call) -> Result:
    change = await _change(call, **_ids(call, _named(call)))
    tariff: Tariff = objects.amended(call.partner, Kind.TARIFF, _tariff_of(call), change)
    await call.core.upstream.put_tariff(call.partner.name, tariff)
    return _done(new=False)


async def _delete_tariff(call: Call) -> Result:
    named = _named(call)
    await call.core.upstream.delete_tariff(call.partner.name, named.party, named.ident)
    return _done(new=False)


# --- sessions


async def _get_session(call: Call) -> Result:
    named = _named(call)
    session = call.core.upstream.session(call.partner.name, named.party, named.ident)
    if session is None:
        raise Fault(Code.CLIENT_ERROR, "unknown session", 404)
    return Result(success(_shown(call, Kind.SESSION, session)))


async def _put_session(call: Call) -> Result:
    session: Session = await _whole(call, Kind.SESSION, _named(call))
    return _done(await call.core.upstream.put_session(call.partner.name, session))


async def _patch_session(call: Call) -> Result:
    named = _named(call)
    change = await _change(call, **_ids(call, named))
    await call.core.upstream.amend_session(
        call.partner.name, named.party, named.ident, lambda old: objects.amended_session(call.partner, old, change))  # fmt: skip
    return _done(new=False)


# --- CDRs


async def _post_cdr(call: Call) -> Result:
    registration = call.partner.registration
    cdr: Cdr = objects.whole(call.partner, Kind.CDR, await call.body(), registration.party).obj
    party = cdr.party
    if party is None or not registration.speaks_for(party.country_code, party.party_id):
        raise Fault(Code.INVALID, "country_code, party_id: that party is not yours here")
    try:
        new = await call.core.upstream.post_cdr(call.partner.name, cdr)
    except NotTheirs as why:
        raise Fault(Code.INVALID, "country_code, party_id: that party is not yours here") from why
    where = "/".join(quote(part, safe="") for part in (party.country_code, party.party_id, str(cdr.id)))
    return Result(success(), 201 if new else 200, {"Location": f"{call.base}/{where}"})


async def _get_cdr(call: Call) -> Result:
    named = _named(call)
    cdr = call.core.upstream.cdr(call.partner.name, named.party, named.ident)
    if cdr is None:
        raise Fault(Code.CLIENT_ERROR, "unknown CDR", 404)
    return Result(success(_shown(call, Kind.CDR, cdr)))


# --- the table


def _resource(unknown: Code = Code.CLIENT_ERROR, **handlers: Handler) -> dict[str, Handler]:
    return {method: _taking(handler, unknown) for method, handler in handlers.items()}


_OBJECT = "/{country}/{party}/{id}"
_GONE = Code.UNKNOWN_LOCATION
_TARIFF = _resource(GET=_get_tariff, PUT=_put_tariff, DELETE=_delete_tariff)

INTERFACES = (
    Interface("locations", "RECEIVER", "EMSP", {
        _OBJECT: _resource(_GONE, GET=_get_location, PUT=_put_location, PATCH=_patch_location),
        _OBJECT + "/{evse}": _resource(_GONE, GET=_get_evse, PUT=_put_evse, PATCH=_patch_evse),
        _OBJECT + "/{evse}/{connector}": _resource(_GONE, GET=_get_connector, PUT=_put_connector, PATCH=_patch_connector),
    }),
    Interface("sessions", "RECEIVER", "EMSP", {_OBJECT: _resource(GET=_get_session, PUT=_put_session, PATCH=_patch_session)}),
    Interface("cdrs", "RECEIVER", "EMSP", {"": _resource(POST=_post_cdr), _OBJECT: _resource(GET=_get_cdr)}),
    Interface("tariffs", "RECEIVER", "EMSP", {_OBJECT: _TARIFF}, versions=(V230, V221)),
    Interface("tariffs", "RECEIVER", "EMSP", {_OBJECT: {**_TARIFF, **_resource(PATCH=_patch_tariff)}}, versions=(V211,)),
)  # fmt: skip
