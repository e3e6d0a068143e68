"""What is tried at a partner, one function per scenario. Nothing is written but by :func:`write`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson

from bridge.errors import Unreachable
from bridge.ocpi.client import joined
from bridge.ocpi.envelope import spelled, written
from bridge.probe.exchange import Exchange
from bridge.probe.look import Crawl, Details, Thing, Twice, Whole, Window, moment, parts, text
from bridge.probe.rules import V211, V230
from bridge.probe.session import Module, Session, made_up, unheard, with_query

# --- versions, details, credentials


async def connection(session: Session, versions: Exchange) -> bool:
    """Version details and credentials; False if there are no details to go on with."""
    session.note(versions, functional=False)
    for place, one in enumerate(versions.data if isinstance(versions.data, list) else ()):
        session.book.judge(Thing(session.version, "Version", one, versions, f"data[{place}]"))
    details = await _details(session)
    session.book.judge(Details(session.version, details, session.caller.home))
    if not details.succeeded or not isinstance(details.data, dict):
        session.problems.append(f"{details.line}: no version details ({details.told})")
        return False
    session.book.judge(Thing(session.version, "VersionDetails", details.data, details))
    session.learn(details)
    found = next((one for one in session.modules if one.identifier == "credentials" and session.caller.safe(one.url)), None)
    if found is not None:
        await _credentials(session, found)
    if session.version == V211 and session.side() is None:
        session.problems.append("2.1.1 endpoints have no role, and these do not show whether they are a CPO's: give --role")
    return True


async def _details(session: Session) -> Exchange:
    """GET version details, with the token as the version demands it, else the other way (unless it is told how)."""
    caller = session.caller
    if session.options.spelling == "auto":
        caller.raw = session.version == V211
        details = await session.ask("GET", session.url, module="versions")
        if details.status not in (401, 403):
            return details
        caller.raw = not caller.raw
    return await session.ask("GET", session.url, module="versions")


async def _credentials(session: Session, module: Module) -> None:
    exchange = await session.ask("GET", module.url, module="credentials")
    module.asked, module.outcome = True, exchange.told
    session.trial("credentials", exchange)
    if exchange.succeeded and isinstance(exchange.data, dict):
        session.book.judge(Thing(session.version, "Credentials", exchange.data, exchange))
        session.introduce(exchange.data)


async def opens(session: Session) -> bool:
    """Whether the token opens any list of the version: it is registered for one version, and others may offer it nothing."""
    for module in session.lists()[:3]:
        params = {"limit": "1"} | session.base(module.identifier)
        exchange = await session.ask("GET", with_query(module.url, params), module=module.identifier)
        module.asked, module.outcome = True, exchange.told
        if exchange.status not in (401, 403, 404, 405):
            return True
    return not session.lists()


# --- who is let in


async def access(session: Session) -> None:
    """Tokens that nobody has, none at all, the other spelling, header names in another case."""
    home, token = session.caller.home, session.caller.token
    urls = [(home, "versions")] + [(with_query(one.url, {"limit": "1"} | session.base(one.identifier)), one.identifier)
                                   for one in session.lists()[:1]]  # fmt: skip
    for url, module in urls:
        unknown = spelled(made_up(), raw=session.caller.raw)
        session.trial("unknown token", await session.ask("GET", url, module=module, authorization=unknown))
        session.trial("no token", await session.ask("GET", url, module=module, authorization=None))
    raw = session.version == V211
    for kind, as_is in (("encoding", raw), ("other encoding", not raw)):
        session.trial(kind, await session.ask("GET", session.url, module="versions", authorization=spelled(token, raw=as_is)))
    headers = {"AUTHORIZATION": spelled(token, raw=session.caller.raw), "x-request-id": str(uuid.uuid4()),
               "x-correlation-id": str(uuid.uuid4())}  # fmt: skip
    exchange = await session.caller.with_headers(session.url, headers)
    session.note(exchange, functional=False)
    session.trial("header case", exchange)


# --- lists


async def lists(session: Session) -> None:
    """Every list that is offered: read, read from and until a time, read again, read from the second object on."""
    for module in session.lists():
        module.asked = True
        try:
            await _list(session, module)
        except Unreachable as why:
            module.outcome = module.outcome or why.because
            session.problems.append(f"{module.identifier}: {why.because}")
    if session.crawls:
        first = next(iter(session.crawls.values()))
        session.book.judge(Whole(session.version, session.crawls, first.exchange))


async def _list(session: Session, module: Module) -> None:
    base = session.base(module.identifier)
    paged = base | {"limit": str(session.options.limit)}
    first = await session.crawl(module, "full", paged, objects=True)
    module.outcome, module.objects = first.exchange.told, first.pages[0].total
    if not first.exchange.succeeded:
        return
    session.crawls[module.identifier] = first
    windows = [(kind, at, await session.crawl(module, kind, paged | params)) for kind, at, params in _windows(first, base)]
    second = await session.crawl(module, "again", paged)
    for crawl in (first, second, *(one for _, _, one in windows)):
        session.book.judge(crawl)
    for kind, at, crawl in windows:
        session.book.judge(Window(session.version, module.identifier, kind, at, crawl, first, second))
    session.book.judge(Twice(session.version, module.identifier, first, second))
    await _offset(session, module, first, second)
    if module.identifier == "sessions":
        exchange = await session.ask("GET", with_query(module.url, {"limit": "1"}), module="sessions")
        session.trial("sessions without date_from", exchange)


def _windows(crawl: Crawl, base: dict[str, str]) -> list[tuple[str, datetime, dict[str, str]]]:
    """From and until the last_updated of an object: one in the middle of a short list, the outermost known of a long one."""
    times = sorted({when for _, _, item in crawl.items if (when := moment(item, "last_updated")) is not None})
    if not times:
        return []
    middle = times[len(times) // 2]
    begin, end = (middle, middle) if crawl.complete else (times[-1], times[0])
    return [("from", begin, {"date_from": written(begin)}), ("until", end, base | {"date_to": written(end)})]


async def _offset(session: Session, module: Module, first: Crawl, second: Crawl) -> None:
    keys, again = list(first.keyed()), list(second.keyed())
    if len(keys) < 2:
        return
    page = await session.page(module, session.base(module.identifier) | {"limit": "2", "offset": "1"})
    told = {"module": module.identifier, "first": keys[0], "second": keys[1], "moved": keys[:2] != again[:2]}
    session.trial("offset", page.exchange, told=told)


# --- objects alone


async def objects(session: Session) -> None:
    """Locations, EVSEs and connectors alone; objects that cannot be there."""
    module = next((one for one in session.lists() if one.identifier == "locations"), None)
    if module is not None:
        crawl = session.crawls.get("locations")
        known = [item for _, _, item in crawl.items if text(item, "id")] if crawl is not None else []
        for item in known[: session.options.objects]:
            await _levels(session, module, item)
        await _unknown(session, module, known)
        if known:
            await _other_case(session, module, str(text(known[0], "id")))
    await _never_sent(session)


async def _levels(session: Session, module: Module, location: dict[str, Any]) -> None:
    path, listed = [str(text(location, "id"))], location
    for below, name in (("evses", "uid"), ("connectors", "id"), ("", "")):
        exchange = await session.ask("GET", joined(module.url, *path), module=module.identifier)
        session.trial("alone", exchange, told={"listed": listed})
        found = next((one for _, one in parts(listed, below) if text(one, name)), None)
        if found is None:
            return
        path, listed = [*path, str(text(found, name))], found


async def _unknown(session: Session, module: Module, known: list[dict[str, Any]]) -> None:
    paths = [[made_up()]]
    for location in known[:1]:
        paths.append([str(text(location, "id")), made_up()])
        uids = [uid for _, one in parts(location, "evses") if (uid := text(one, "uid"))]
        paths += [[str(text(location, "id")), uid, made_up()] for uid in uids[:1]]
    for path in paths:
        exchange = await session.ask("GET", joined(module.url, *path), module=module.identifier)
        session.trial("unknown object", exchange)


async def _other_case(session: Session, module: Module, ident: str) -> None:
    if ident.swapcase() != ident and session.version != V211:
        exchange = await session.ask("GET", joined(module.url, ident.swapcase()), module=module.identifier)
        session.trial("other case", exchange)


async def _never_sent(session: Session) -> None:
    """Objects of ours that the partner cannot have; only with our party."""
    if session.options.party is not None:
        for module in session.interfaces("RECEIVER"):
            if module.identifier in ("locations", "sessions", "tariffs", "tokens"):
                url = joined(module.url, *session.options.party, made_up())
                exchange = await session.ask("GET", url, module=module.identifier)
                module.asked, module.outcome = True, exchange.told
                session.trial("unknown object", exchange)


# --- methods and slashes


async def methods(session: Session) -> None:
    """PATCH without a body where there is none, slashes too many or too few."""
    targets = [(session.url, session.url, "versions")]
    for one in session.lists()[:1]:
        params = {"limit": "1"} | session.base(one.identifier)
        targets.append((with_query(one.url, params), with_query(_other_slash(one.url), params), one.identifier))
    for url, other, module in targets:
        session.trial("method", await session.ask("PATCH", url.partition("?")[0], module=module))
        slashed = _other_slash(url) if other == url else other
        session.trial("slash", await session.ask("GET", slashed, module=module))


def _other_slash(url: str) -> str:
    return url[:-1] if url.endswith("/") else url + "/"


# --- writes that cannot take effect


async def write(session: Session) -> None:
    """Commands for a session that is made up, authorisation of a token that is made up, half of a JSON object."""
    receivers = {one.identifier: one for one in session.interfaces("RECEIVER")}
    if "commands" in receivers:
        await _commands(session, receivers["commands"])
    tokens = next((one for one in session.lists() if one.identifier == "tokens"), None)
    if tokens is not None:
        url = joined(tokens.url, made_up(), "authorize") + "?type=RFID"
        session.trial("authorize", await session.ask("POST", url, module="tokens"))
        session.trial("invalid json", await session.ask("POST", url, module="tokens", body=b'{"location_id": '))


async def _commands(session: Session, module: Module) -> None:
    url, told = joined(module.url, "STOP_SESSION"), unheard()
    module.asked = True
    session.trial("invalid json", await session.ask("POST", url, module="commands", body=b'{"session_id": '))
    session.trial("missing fields", await session.ask("POST", url, module="commands", body=b"{}"))
    plain = await session.ask("POST", url, module="commands", body=orjson.dumps(told))
    module.outcome = plain.told
    session.trial("command", plain)
    if session.version == V230:
        more = orjson.dumps(told | {"evbridge_probe": "a field that 2.3.0 does not have"})
        session.trial("more fields", await session.ask("POST", url, module="commands", body=more), plain)


async def token_a(session: Session) -> None:
    """With a CREDENTIALS_TOKEN_A: nothing but versions and credentials opens."""
    for module in session.lists()[:2]:
        exchange = await session.ask(
            "GET", with_query(module.url, {"limit": "1"} | session.base(module.identifier)), module=module.identifier
        )
        module.asked, module.outcome = True, exchange.told
        session.trial("token a", exchange)


Scenario = Callable[[Session], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {"access": access, "lists": lists, "objects": objects, "methods": methods, "write": write}
"""By name, in the order in which they are tried; they can be left out (``--skip``)."""
