"""Following a list page by page (transport_and_format, Pagination), as partners really serve them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urljoin, urlsplit, urlunsplit

import msgspec
from attrs import evolve, frozen

from bridge.errors import Declined, Unreachable
from bridge.ocpi.envelope import Reply

MOST_PAGES = 100_000
"""A list that goes on longer is taken for a loop."""

Links = Literal["same-host", "own-host", "any-host"]
Ask = Callable[[str, Mapping[str, str] | None, bool], Awaitable[Reply]]
"""GETs a URL with a query, with routing headers or without."""


@frozen
class PageOf:
    """One page of a list: the array as bytes, how many objects there are in all (None: not told), and how the list goes on."""

    data: bytes
    total: int | None
    following: str | None = None
    """What :meth:`Pages.walk` is given to go on behind this page, also in another process; None: it was the last."""


@frozen
class _At:
    """Where a list goes on: the URL, the total that was told before, how many objects came (where that is counted)."""

    url: str
    total: int | None = None
    came: int = 0

    def text(self) -> str:
        return json.dumps([self.url, self.total, self.came])


@frozen
class Pages:
    """A partner's lists. ``links`` and ``offsets`` are its quirks (page_links, page_offsets)."""

    ask: Ask
    links: Links = "same-host"
    offsets: bool = False

    async def walk(self, base: str, params: Mapping[str, str], at: str | None = None, *,
                   routed: bool = True) -> AsyncGenerator[PageOf, None]:  # fmt: skip
        """The pages of a list, the following one asked for while one is worked on. ``at``: where an earlier walk got to.

        The Link header is followed as it is. When the total shrinks on the way, objects have moved to earlier pages: the
        page is asked for again that much earlier, so that none is skipped. Raises Unreachable, or Declined where the list
        cannot be followed.
        """
        here = _At(base) if at is None else _resumed(at)
        here = evolve(here, url=self.allowed(base, here.url))
        seen: set[str] = set()

        def asked(url: str, params: Mapping[str, str] | None = None) -> asyncio.Future[Reply]:
            if url in seen or len(seen) >= MOST_PAGES:
                raise Declined("the partner's pages go in a circle")
            seen.add(url)
            return asyncio.ensure_future(self.ask(url, params, routed))

        coming = asked(here.url, params if at is None else None)
        try:
            while True:
                answer = await coming
                total = _total(answer.headers)
                gone = here.total - total if here.total is not None and total is not None else 0
                again = _earlier(here.url, gone) if gone > 0 else here.url
                if again != here.url:
                    seen.discard(again)
                    here = _At(again, total, here.came - gone)
                    coming = asked(again)
                    continue
                following = self._following(base, params, here, answer, total)
                if following is not None:  # it comes while this one is worked on
                    here, coming = following, asked(following.url)
                    await asyncio.sleep(0)  # the request goes out
                if answer.data is not None:
                    yield PageOf(answer.data, total, following.text() if following is not None else None)
                if following is None:
                    return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    def _following(self, base: str, params: Mapping[str, str], here: _At, answer: Reply, total: int | None) -> _At | None:
        """Where the list goes on behind a page, None behind the last."""
        link = next_link(answer.headers)
        empty = answer.data is None or not answer.data.strip(b"[] \t\r\n")
        if link is None:
            if not self.offsets or empty:
                return None
            came = here.came + len(items(answer.data))
            return None if total is not None and came >= total else _At(_offset(base, params, came), total, came)
        url = self.allowed(base, urljoin(here.url, link))
        offset = _number(url, "offset")
        if url == here.url or (empty and (total is None or offset is None or offset >= total)):
            return None  # some have a Link on every page
        return _At(url, total, here.came)

    def allowed(self, base: str, url: str) -> str:
        """Where a link leads: our token goes to no other host than the endpoint's, unless the partner is known for it."""
        here, there = urlsplit(base), urlsplit(url)
        if here[:2] == there[:2] or self.links == "any-host":
            return url
        if self.links == "own-host":
            return urlunsplit(there._replace(scheme=here.scheme, netloc=here.netloc))
        raise Declined("a link leads to another host than the partner's endpoint; its quirk page_links says what to do with it")


def next_link(headers: Mapping[str, str]) -> str | None:
    """The URL of the following page (``Link: <url>; rel="next"``), None on the last."""
    value = headers.get("Link") or ""
    for part in value.split("<")[1:]:
        url, closed, rest = part.partition(">")
        words = rest.split("<")[0].replace('"', "").replace("'", "").lower().replace(" ", "")
        if closed and "rel=next" in words:
            return url.strip()
    return None


def items(data: bytes | None) -> list[bytes]:
    """The objects of a list. Raises Unreachable."""
    try:
        return [bytes(one) for one in msgspec.json.decode(data or b"[]", type=list[msgspec.Raw])]
    except msgspec.MsgspecError as why:
        raise Unreachable("a list was expected in the answer", sent=True) from why


def _resumed(at: str) -> _At:
    try:
        url, total, came = json.loads(at)
        return _At(str(url), None if total is None else int(total), int(came))
    except (TypeError, ValueError) as why:
        raise Declined("where the list went on cannot be read") from why


def _total(headers: Mapping[str, str]) -> int | None:
    value = (headers.get("X-Total-Count") or "").strip()
    return int(value) if value.isdigit() else None


def _query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def _number(url: str, name: str) -> int | None:
    try:
        return int(_query(url)[name][0])
    except (KeyError, ValueError):
        return None


def _with_query(url: str, query: Mapping[str, list[Any]]) -> str:
    text = "&".join(f"{quote(k)}={quote(str(v), safe=':')}" for k, values in query.items() for v in values)
    return urlunsplit(urlsplit(url)._replace(query=text))


def _earlier(url: str, by: int) -> str:
    offset = _number(url, "offset")
    return url if offset is None else _with_query(url, _query(url) | {"offset": [str(max(0, offset - by))]})


def _offset(base: str, params: Mapping[str, str], came: int) -> str:
    return _with_query(base, _query(base) | {name: [value] for name, value in params.items()} | {"offset": [came]})
