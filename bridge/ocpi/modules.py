"""What an operator has to show: locations, sessions, CDRs and tariffs (Sender), as lists and one by one.

Lists are joined from the bytes that the core keeps ready; nothing is decoded or encoded for a GET.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlencode

from bridge.ocpi import parts, profiles
from bridge.ocpi.call import Call, Fault, Handler, Interface, Result
from bridge.ocpi.envelope import Code, moment_of, success, written
from bridge.ocpi.version import V211, owned_key
from bridge.roaming.ports import Kind, Page

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
        asked = datetime.now(UTC)
        page = await call.core.page(call.partner.name, kind, offset=offset, limit=limit, since=since, until=until)
        headers = {"X-Total-Count": str(page.total), "X-Limit": str(most)}
        if offset + len(page.bodies) < page.total and page.bodies:
            following = _filters(since, until) | {"offset": str(offset + len(page.bodies)), "limit": str(limit)}
            headers["Link"] = f'<{call.base}?{urlencode(following, safe=":")}>; rel="next"'
        return Result(success(b"[" + b",".join(page.bodies) + b"]"), headers=headers, sent=_fetched(call, kind, page, asked))

    return serve


def _fetched(call: Call, kind: Kind, what: Page | str, asked: datetime) -> Callable[[], Awaitable[None]] | None:
    """What is to be remembered once the answer has gone out, of a partner that is sent nothing and fetches everything."""
    return partial(call.core.fetched, call.partner.name, kind, what, asked) if call.partner.fetches else None


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


async def _location(call: Call) -> Result:
    asked = datetime.now(UTC)
    key, body = await _held(call)
    return Result(success(body), sent=_fetched(call, Kind.LOCATION, key, asked))


async def _evse(call: Call) -> Result:
    return Result(success(await _held_evse(call)))


async def _connector(call: Call) -> Result:
    found = parts.connector(await _held_evse(call), call.request.match_info["connector"])
    if found is None:
        raise Fault(Code.UNKNOWN_LOCATION, "unknown connector", 404)
    return Result(success(found))


async def _held_evse(call: Call) -> bytes:
    found = parts.evse((await _held(call))[1], call.request.match_info["evse"])
    if found is None:
        raise Fault(Code.UNKNOWN_LOCATION, "unknown EVSE", 404)
    return found


async def _held(call: Call) -> tuple[str, bytes]:
    """A location of any of our parties towards this partner, and its key: the URL names none."""
    ident = call.request.match_info["id"]
    for role in call.partner.config.roles:
        key = owned_key(*role.key, ident)
        body = await call.core.find(call.partner.name, Kind.LOCATION, key)
        if body is not None:
            return key, body
    raise Fault(Code.UNKNOWN_LOCATION, "unknown location", 404)


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
