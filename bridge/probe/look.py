"""Looks into JSON of which nothing is certain: what is not as it should be is absent. Also the subjects of the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from attrs import field, frozen

from bridge.ocpi.envelope import moment_of
from bridge.probe.exchange import Exchange
from bridge.probe.fields import Slip, slips
from bridge.probe.tables import table

# --- into JSON


def get(value: Any, name: str) -> Any:
    """A value of an object."""
    return value.get(name) if isinstance(value, dict) else None


def text(value: Any, name: str) -> str | None:
    """A text of an object."""
    found = get(value, name)
    return found if isinstance(found, str) and found else None


def folded(value: Any, name: str) -> str | None:
    """An identifier of an object, for comparing: its case means nothing."""
    found = text(value, name)
    return None if found is None else found.upper()


def moment(value: Any, name: str) -> datetime | None:
    """A time of an object, also one that is not written as it should be."""
    found = text(value, name)
    return None if found is None else moment_of(found)


def number(value: Any, name: str) -> Decimal | None:
    """A number of an object."""
    found = get(value, name)
    return Decimal(found) if isinstance(found, int | Decimal) and not isinstance(found, bool) else None


def part(value: Any, name: str) -> dict[str, Any]:
    """An object within an object, empty if there is none."""
    found = get(value, name)
    return found if isinstance(found, dict) else {}


def parts(value: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list within an object, with their paths."""
    found = get(value, name)
    for place, one in enumerate(found if isinstance(found, list) else ()):
        if isinstance(one, dict):
            yield f"{name}[{place}]", one


def texts(value: Any, name: str) -> list[str]:
    """The texts of a list within an object."""
    found = get(value, name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def split(url: str) -> SplitResult:
    """The parts of a URL; empty ones of what is none."""
    try:
        found = urlsplit(url)
        _ = found.hostname, found.port
    except ValueError:
        return SplitResult("", "", "", "", "")
    return found


# --- subjects


@frozen(eq=False)
class Answer:
    """Any answer. ``functional``: of a module whose messages are routed. ``routed``: the routing headers that were sent."""

    version: str
    exchange: Exchange
    functional: bool
    expects_data: bool = False
    parties: int = 1
    """How many roles the partner has."""


@frozen(eq=False)
class Details:
    """What the partner offers in a version."""

    version: str
    exchange: Exchange
    home: str
    """The versions URL."""

    @property
    def endpoints(self) -> list[tuple[str, dict[str, Any]]]:
        """The endpoints, with their paths."""
        return list(parts(self.exchange.data, "endpoints"))


@frozen(eq=False, slots=False)
class Thing:
    """One object: ``name`` is its table, ``path`` where in the answer it stands."""

    version: str
    name: str
    value: Any
    exchange: Exchange
    path: str = "data"
    parties: frozenset[tuple[str, str]] = frozenset()
    """The partner's parties, where they are known."""

    @cached_property
    def slips(self) -> list[Slip]:
        """What is wrong with its fields."""
        return slips(table(self.version, self.name), self.value, self.version)

    @property
    def kind(self) -> str:
        """Rules are about one table, or about every object."""
        return self.name


@frozen(eq=False)
class Page:
    """One page of a list, and how it was asked for."""

    version: str
    module: str
    exchange: Exchange
    params: Mapping[str, str]
    """The parameters that the page stands for: also those of a ``Link`` that was followed."""
    following: str | None
    """The URL of the next page, None where there is none."""

    @property
    def items(self) -> list[Any]:
        """Its objects."""
        return self.exchange.data if isinstance(self.exchange.data, list) else []

    def header(self, name: str) -> int | None:
        """A header that is a whole number."""
        told = self.exchange.headers.get(name, "").strip()
        return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None

    @property
    def total(self) -> int | None:
        """X-Total-Count."""
        return self.header("X-Total-Count")

    @property
    def offset(self) -> int:
        """Where it begins."""
        told = self.params.get("offset", "0")
        return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else 0

    @property
    def asked(self) -> int | None:
        """The limit that was asked for."""
        told = self.params.get("limit", "")
        return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None

    @property
    def is_last(self) -> bool | None:
        """Whether nothing follows, by its own count; None: it does not tell."""
        return None if self.total is None else self.offset + len(self.items) >= self.total


def query(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    return dict(parse_qsl(split(url).query, keep_blank_values=True))


@frozen(eq=False)
class Crawl:
    """A list, page by page; ``complete`` if its end was reached. ``kind``: ``full``, ``from``, ``until``, ``offset``."""

    version: str
    module: str
    kind: str
    pages: Sequence[Page]
    complete: bool

    @property
    def exchange(self) -> Exchange:
        """The first of its requests."""
        return self.pages[0].exchange

    @property
    def items(self) -> list[tuple[Page, int, Any]]:
        """Its objects: page, place on the page, object."""
        return [(page, place, item) for page in self.pages for place, item in enumerate(page.items)]

    def keyed(self) -> dict[tuple[str, ...], Any]:
        """Its objects that can be told apart, by identity."""
        return {key: item for _, _, item in self.items if (key := identity(self.module, item)) is not None}


def identity(module: str, item: Any) -> tuple[str, ...] | None:
    """What tells an object of a list from the others: its owner, its identifier, a token's type."""
    own = {"tokens": "uid", "hubclientinfo": "role"}.get(module, "id")
    ident = folded(item, own)
    if ident is None:
        return None
    more = (folded(item, "type") or "RFID",) if module == "tokens" else ()
    return (folded(item, "country_code") or "", folded(item, "party_id") or "", ident, *more)


@frozen(eq=False)
class Window:
    """A list from or until a time, ``at`` being an object's ``last_updated``, with the whole list before and after."""

    version: str
    module: str
    kind: str
    at: datetime
    crawl: Crawl
    before: Crawl
    after: Crawl

    @property
    def exchange(self) -> Exchange:
        """The request."""
        return self.crawl.exchange

    def steady(self) -> dict[tuple[str, ...], datetime]:
        """The objects that did not change meanwhile, with their times."""
        later = self.after.keyed()
        found = {}
        for key, item in self.before.keyed().items():
            when = moment(item, "last_updated")
            if when is not None and when == moment(later.get(key), "last_updated"):
                found[key] = when
        return found


@frozen(eq=False)
class Twice:
    """The same list, fetched twice."""

    version: str
    module: str
    first: Crawl
    second: Crawl

    @property
    def kind(self) -> str:
        """The module."""
        return self.module

    @property
    def exchange(self) -> Exchange:
        """The second time."""
        return self.second.exchange


@frozen(eq=False)
class Whole:
    """All lists of a version, by module: what objects of one say about those of another."""

    version: str
    crawls: Mapping[str, Crawl]
    exchange: Exchange


@frozen(eq=False)
class Trial:
    """One request that is made for its answer; ``kind`` says which, ``plain`` is what it is compared with."""

    version: str
    kind: str
    exchange: Exchange
    plain: Exchange | None = None
    told: Mapping[str, Any] = field(factory=dict)
