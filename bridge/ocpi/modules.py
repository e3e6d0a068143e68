"""What an operator has to show: locations, sessions, CDRs and tariffs (Sender), as lists and one by one.

Lists are joined from the bytes that the core keeps ready; nothing is decoded or encoded for a GET.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from bridge.ocpi import profiles
from bridge.ocpi.call import Call, Fault, Handler, Interface, Result
from bridge.ocpi.connection import folded, owned_key
from bridge.ocpi.envelope import Code, moment_of, success, written
from bridge.ocpi.version import V211
from bridge.roaming.ports import Kind

# --- lists (Pagination)


def listed(kind: Kind, *, since_needed: bool = False) -> Handler:
    """Serves what is kept ready of a kind (Pagination)."""

    async def serve(call: Call) -> Result:
        query = call.request.query
        since, until = _moment(query, "date_from"), _moment(query, "date_to")
        if since_needed and since is None:
            raise Fault(Code.INVALID, "date_from: is missing")
        most = call.partner.config.page_limit
        offset, limit = _count(query, "offset", 0, 0), min(_count(query, "limit", most, 1), most)
        page = await call.core.page(call.partner.name, kind, offset=offset, limit=limit, since=since, until=until)
        headers = {"X-Total-Count": str(page.total), "X-Limit": str(most)}
        if offset + len(page.bodies) < page.total and page.bodies:
            following = _filters(since, until) | {"offset": str(offset + len(page.bodies)), "limit": str(limit)}
            headers["Link"] = f'<{call.base}?{urlencode(following, safe=":")}>; rel="next"'
        return Result(success(b"[" + b",".join(page.bodies) + b"]"), headers=headers)

    return serve


def _filters(since: datetime | None, until: datetime | None) -> dict[str, str]:
    return {name: written(at) for name, at in (("date_from", since), ("date_to", until)) if at is not None}


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    moment = moment_of(text)
    if moment is None:
        raise Fault(Code.INVALID, f"{name}: {text[:64]!r} is no date and time")
    return moment


def _count(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) < least:
        raise Fault(Code.INVALID, f"{name}: a whole number from {least} on is expected, found {text[:32]!r}")
    return int(text)


# --- one location, EVSE, connector


class _Part(msgspec.Struct):
    uid: str = ""
    id: str = ""


class _Whole(msgspec.Struct):
    evses: list[msgspec.Raw] = []
    connectors: list[msgspec.Raw] = []


async def _location(call: Call) -> Result:
    return Result(success(await _held(call)))


async def _evse(call: Call) -> Result:
    return Result(success(_inner(await _held(call), "evses", "uid", call.request.match_info["evse"], "EVSE")))


async def _connector(call: Call) -> Result:
    evse = _inner(await _held(call), "evses", "uid", call.request.match_info["evse"], "EVSE")
    return Result(success(_inner(evse, "connectors", "id", call.request.match_info["connector"], "connector")))


async def _held(call: Call) -> bytes:
    """A location of any of our parties towards this partner: the URL names none."""
    ident = call.request.match_info["id"]
    for role in call.partner.config.roles:
        body = await call.core.find(call.partner.name, Kind.LOCATION, owned_key(*role.key, ident))
        if body is not None:
            return body
    raise Fault(Code.UNKNOWN_LOCATION, "unknown location", 404)


def _inner(body: bytes, within: str, name: str, ident: str, what: str) -> bytes:
    """One item of a list in JSON, as the bytes that it is."""
    for raw in getattr(msgspec.json.decode(body, type=_Whole), within):
        if folded(getattr(msgspec.json.decode(raw, type=_Part), name)) == folded(ident):
            return bytes(raw)
    raise Fault(Code.UNKNOWN_LOCATION, f"unknown {what}", 404)


_SESSIONS = {"GET": listed(Kind.SESSION, since_needed=True)}

INTERFACES = (
    Interface("locations", "SENDER", "CPO", {
        "": {"GET": listed(Kind.LOCATION)},
        "/{id}": {"GET": _location},
        "/{id}/{evse}": {"GET": _evse},
        "/{id}/{evse}/{connector}": {"GET": _connector},
    }),
    Interface("sessions", "SENDER", "CPO", {"": _SESSIONS}, versions=(V211,)),
    Interface("sessions", "SENDER", "CPO", {"": _SESSIONS, **profiles.PREFERENCES}, versions=profiles.VERSIONS),
    Interface("cdrs", "SENDER", "CPO", {"": {"GET": listed(Kind.CDR)}}),
    Interface("tariffs", "SENDER", "CPO", {"": {"GET": listed(Kind.TARIFF)}}),
)  # fmt: skip
