"""The probe of one version: every request is judged as it is answered, and written into the version's book."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urljoin

from attrs import define, field, frozen

from bridge.ocpi.envelope import written
from bridge.ocpi.pages import next_link
from bridge.probe.book import Book
from bridge.probe.exchange import Caller, Exchange
from bridge.probe.look import Answer, Crawl, Page, Thing, Trial, folded, parts, query, split, text
from bridge.probe.options import Options, Side
from bridge.probe.rules import SINCE_22, V211

TABLES = {"locations": "Location", "sessions": "Session", "cdrs": "CDR", "tariffs": "Tariff", "tokens": "Token",
          "hubclientinfo": "ClientInfo"}  # fmt: skip
"""The objects of the modules that have lists."""

_CPO_SENDS = frozenset({"locations", "sessions", "cdrs", "tariffs"})
_CPO_RECEIVES = frozenset({"tokens", "commands", "chargingprofiles"})
_UNROUTED = frozenset({"credentials", "versions", "hubclientinfo"})


@define
class Module:
    """One interface that the partner offers, and what came of asking."""

    identifier: str
    role: str
    """SENDER, RECEIVER, or empty where nothing tells."""
    url: str
    asked: bool = False
    outcome: str = ""
    objects: int | None = None


@frozen
class Party:
    """A party of the partner, and its role."""

    role: str
    country_code: str
    party_id: str


@define
class Session:
    """What is known of the partner in one version, and how it is asked."""

    options: Options
    caller: Caller
    version: str
    url: str
    """The version's details."""
    book: Book = field(init=False)
    modules: list[Module] = field(factory=list, init=False)
    parties: list[Party] = field(factory=list, init=False)
    crawls: dict[str, Crawl] = field(factory=dict, init=False)
    problems: list[str] = field(factory=list, init=False)
    opened: bool = field(default=False, init=False)
    """Whether the token opens the version: then the scenarios were tried."""
    since: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.book = Book(self.version)
        self.since = written((datetime.now(UTC) - timedelta(days=self.options.days)).replace(microsecond=0))

    # --- what it offers

    def side(self) -> Side | None:
        """What the partner is, as it is told or as its endpoints show; 2.1.1 endpoints have no role."""
        if self.options.side is not None or self.version != V211:
            return self.options.side
        paths = " ".join(split(one.url).path.lower() for one in self.modules)
        if ("/cpo" in paths) != ("/emsp" in paths):
            return "cpo" if "/cpo" in paths else "emsp"
        return "cpo" if any(one.identifier == "commands" for one in self.modules) else None

    def learn(self, details: Exchange) -> None:
        """Take up the endpoints, with the roles that 2.1.1 does not tell."""
        for _, one in parts(details.data, "endpoints"):
            identifier, url = text(one, "identifier"), text(one, "url")
            if identifier and url:
                role = (text(one, "role") or "").upper() if self.version in SINCE_22 else ""
                self.modules.append(Module(identifier, role, urljoin(self.url, url)))
        side = self.side()
        for module in self.modules:
            if self.version == V211 and side is not None:
                sends = module.identifier in (_CPO_SENDS if side == "cpo" else {"tokens"})
                module.role = "SENDER" if sends else "RECEIVER"

    def interfaces(self, role: str) -> list[Module]:
        """The interfaces that are asked: those of the side that is probed, where the token may go."""
        found = []
        for one in self.modules:
            ours = _CPO_SENDS if (role == "SENDER") == (self.options.side == "cpo") else _CPO_RECEIVES
            if one.role == role and (self.options.side is None or one.identifier in ours | _UNROUTED) and self.caller.safe(one.url):
                found.append(one)
        return found

    def lists(self) -> list[Module]:
        """The interfaces that give lists."""
        return [one for one in self.interfaces("SENDER") if one.identifier in TABLES]

    def introduce(self, credentials: Any) -> None:
        """Take up the partner's parties."""
        own = [(part_, "") for _, part_ in parts(credentials, "roles")] or [(credentials, "CPO" if self.side() == "cpo" else "EMSP")]
        for one, role in own:
            country, party = folded(one, "country_code"), folded(one, "party_id")
            if country and party:
                self.parties.append(Party(text(one, "role") or role, country, party))

    @property
    def owners(self) -> frozenset[tuple[str, str]]:
        """The partner's parties; none if it is a hub, which gives the objects of others."""
        if any(one.role == "HUB" for one in self.parties):
            return frozenset()
        return frozenset((one.country_code, one.party_id) for one in self.parties)

    # --- asking

    async def ask(self, method: str, url: str, *, module: str, body: bytes | None = None, authorization: str | None = "") -> Exchange:
        """One request, judged as an answer. Raises Ended and Unreachable."""
        functional = module not in _UNROUTED
        headers = self._routing(module) if functional else {}
        exchange = await self.caller.call(method, url, headers=headers, authorization=authorization, body=body)
        self.note(exchange, functional=functional)
        return exchange

    def note(self, exchange: Exchange, *, functional: bool) -> None:
        """Judge an answer."""
        answer = Answer(self.version, exchange, functional, exchange.method == "GET", len(self.parties))
        self.book.judge(answer)

    def _routing(self, module: str) -> Mapping[str, str]:
        ours, to = self.options.party, self.options.to or self._meant(module)
        if self.version not in SINCE_22 or ours is None or to is None:
            return {}
        return {"OCPI-to-country-code": to[0], "OCPI-to-party-id": to[1], "OCPI-from-country-code": ours[0], "OCPI-from-party-id": ours[1]}

    def _meant(self, module: str) -> tuple[str, str] | None:
        """The party that a module's requests are for: the operator, but for the tokens that a provider gives."""
        gives_tokens = any(one.identifier == "tokens" and one.role == "SENDER" for one in self.modules)
        role = "EMSP" if module == "tokens" and gives_tokens else "CPO"
        fitting = [one for one in self.parties if one.role == role] or self.parties
        return (fitting[0].country_code, fitting[0].party_id) if fitting else None

    def trial(self, kind: str, exchange: Exchange, plain: Exchange | None = None, told: Mapping[str, Any] | None = None) -> None:
        """Judge a request that was made for its answer."""
        self.book.judge(Trial(self.version, kind, exchange, plain, told or {}))

    # --- lists

    def base(self, module: str) -> dict[str, str]:
        """The parameters of every request for a list: sessions and CDRs are not read to their beginning."""
        return {"date_from": self.since} if module in ("sessions", "cdrs") else {}

    async def page(self, module: Module, params: Mapping[str, str], url: str | None = None) -> Page:
        """One page, judged; ``url`` where a Link leads to it."""
        exchange = await self.ask("GET", url or with_query(module.url, params), module=module.identifier)
        link = next_link(exchange.headers)
        page = Page(self.version, module.identifier, exchange, query(url) if url else dict(params), link)
        self.book.judge(page)
        return page

    async def crawl(self, module: Module, kind: str, params: Mapping[str, str], *, objects: bool = False) -> Crawl:
        """A list, page by page, as far as is allowed; ``objects``: judge them, too."""
        pages: list[Page] = []
        seen: set[str] = set()
        url: str | None = None
        complete = False
        while len(pages) < self.options.pages:
            page = await self.page(module, params, url)
            pages.append(page)
            if objects:
                self._things(module.identifier, page)
            seen.add(page.exchange.url)
            following = None if page.following is None else urljoin(page.exchange.url, page.following)
            if not page.items or following is None:
                complete = page.exchange.succeeded and page.is_last is not False
                break
            here, there = split(page.exchange.url), split(following)
            if following in seen or (here.scheme, here.netloc) != (there.scheme, there.netloc):
                self.problems.append(f"{page.exchange.line}: its Link is not followed (it leads elsewhere, or in a circle)")
                break
            url = following
        return Crawl(self.version, module.identifier, kind, pages, complete)

    def _things(self, module: str, page: Page) -> None:
        for place, item in enumerate(page.items):
            self.book.judge(Thing(self.version, TABLES[module], item, page.exchange, f"data[{place}]", self.owners))


def with_query(url: str, params: Mapping[str, str]) -> str:
    """A URL with parameters."""
    return url + ("&" if "?" in url else "?") + urlencode(params, safe=":") if params else url


def made_up() -> str:
    """An identifier that nobody has."""
    return f"evbridge-probe-{uuid.uuid4().hex[:12]}"


def unheard() -> dict[str, str]:
    """A command that cannot take effect: its session is made up, its response_url leads nowhere (RFC 2606)."""
    return {"response_url": f"https://probe.invalid/{made_up()}", "session_id": made_up()}
