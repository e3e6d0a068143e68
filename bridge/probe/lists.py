"""Rules about lists: pages and their headers, times, order (Pagination)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest

from bridge.probe.look import Crawl, Page, Trial, Twice, Window, identity, moment, query, split, text
from bridge.probe.rules import SINCE_22, V211, Fault, Severity, Untold, rule


@rule("8h", "The data of a list is an array", on=Page)
def is_array(page: Page) -> Iterator[Fault]:
    """Every page that is a success."""
    if page.exchange.succeeded and page.exchange.data is not None and not isinstance(page.exchange.data, list):
        yield Fault("an array expected", "data")


@rule("11b", "A list that is offered can be read", on=Page)
def readable(page: Page) -> Iterator[Fault]:
    """Every page. 401, 403 and 429 are about the caller, not about the list."""
    if page.exchange.status in (401, 403, 429):
        raise Untold(f"HTTP {page.exchange.status}: the list is not open to this token")
    if not page.exchange.succeeded:
        yield Fault("the list is not given", found=page.exchange.told)


@rule("20a", "limit is honoured", on=Page)
def limit(page: Page) -> Iterator[Fault]:
    """No page has more objects than were asked for."""
    if page.exchange.succeeded and page.asked is not None and len(page.items) > page.asked:
        yield Fault(f"more than the {page.asked} objects that were asked for", "data", f"{len(page.items)} objects")


@rule("20b", "offset is honoured", on=Trial, kind="offset")
def offset(trial: Trial) -> Iterator[Fault]:
    """A page from the second object on begins with the object that comes second in the list."""
    if not trial.exchange.succeeded:
        raise Untold(f"no list ({trial.exchange.told})")
    data, module = trial.exchange.data, trial.told["module"]
    first = identity(module, data[0]) if isinstance(data, list) and data else None
    if first is None:
        yield Fault("an empty page, though there is a second object", "data")
    elif first == trial.told["first"]:
        yield Fault("it begins with the first object", "data[0]")
    elif first != trial.told["second"] and not trial.told["moved"]:
        yield Fault("it begins with neither the first nor the second object", "data[0]")


@rule("20c", "date_from leaves out what is older", on=Window, kind="from")
def not_older(window: Window) -> Iterator[Fault]:
    """A list from the last_updated of one of its objects."""
    for page, place, item in window.crawl.items:
        when = moment(item, "last_updated")
        if when is not None and when < window.at:
            yield Fault("older than date_from", f"data[{place}].last_updated", text(item, "last_updated") or "", exchange=page.exchange)


@rule("20d", "date_from is inclusive", on=Window, kind="from", versions=SINCE_22)
def from_inclusive(window: Window) -> Iterator[Fault]:
    """A list from the last_updated of one of its objects holds that object."""
    _complete(window)
    found = window.crawl.keyed()
    if any(when == window.at and key not in found for key, when in window.steady().items()):
        yield Fault("an object whose last_updated is date_from is left out", "data")


@rule("20e", "date_from keeps what is newer", on=Window, kind="from")
def from_whole(window: Window) -> Iterator[Fault]:
    """A list from the last_updated of one of its objects holds all that are newer."""
    _complete(window)
    found = window.crawl.keyed()
    if any(when > window.at and key not in found for key, when in window.steady().items()):
        yield Fault("an object newer than date_from is left out", "data")


@rule("20f", "date_to leaves out what is newer", on=Window, kind="until")
def not_newer(window: Window) -> Iterator[Fault]:
    """A list up to the last_updated of one of its objects."""
    for page, place, item in window.crawl.items:
        when = moment(item, "last_updated")
        if when is not None and when > window.at:
            yield Fault("newer than date_to", f"data[{place}].last_updated", text(item, "last_updated") or "", exchange=page.exchange)


@rule("20g", "date_to is exclusive", on=Window, kind="until", versions=SINCE_22)
def until_exclusive(window: Window) -> Iterator[Fault]:
    """A list up to the last_updated of one of its objects does not hold that object."""
    for page, place, item in window.crawl.items:
        if moment(item, "last_updated") == window.at:
            yield Fault("an object whose last_updated is date_to", f"data[{place}].last_updated", exchange=page.exchange)


@rule("20h", "date_to keeps what is older", on=Window, kind="until")
def until_whole(window: Window) -> Iterator[Fault]:
    """A list up to the last_updated of one of its objects holds all that are older."""
    _complete(window)
    found = window.crawl.keyed()
    if any(when < window.at and key not in found for key, when in window.steady().items()):
        yield Fault("an object older than date_to is left out", "data")


def _complete(window: Window) -> None:
    if not window.crawl.complete:
        raise Untold("the list goes on after the last page that was read (--pages)")


@rule("21a", "X-Total-Count tells how many objects there are", on=Page)
def total_told(page: Page) -> Iterator[Fault]:
    """Every page."""
    if page.exchange.succeeded and page.total is None:
        yield Fault(_absent(page, "X-Total-Count"), "X-Total-Count")


@rule("21b", "X-Limit tells how many objects a page has at most", on=Page)
def limit_told(page: Page) -> Iterator[Fault]:
    """Every page."""
    if page.exchange.succeeded and page.header("X-Limit") is None:
        yield Fault(_absent(page, "X-Limit"), "X-Limit")


def _absent(page: Page, name: str) -> str:
    return "it is no whole number" if name in page.exchange.headers else "it is missing"


@rule("21c", "A page that is not the last links to the next", on=Page)
def link(page: Page) -> Iterator[Fault]:
    """Every page after which, by X-Total-Count, more objects come."""
    if page.exchange.succeeded and page.is_last is False and page.following is None:
        because = 'it is missing, or has no rel="next"' if page.items else "it is missing, on an empty page that is not the last"
        yield Fault(because, "Link")


@rule("21d", "The last page links to no other", on=Crawl, severity=Severity.WARNING)
def no_link(crawl: Crawl) -> Iterator[Fault]:
    """Every list: no Link leads to a page without objects, or from the last page to another host."""
    for page, after in zip_longest(crawl.pages, crawl.pages[1:]):
        if page.items and page.following is not None:
            if after is not None and after.exchange.succeeded and not after.items:
                yield Fault("it leads to an empty page", "Link", exchange=page.exchange)
            elif after is None and page.is_last:
                yield Fault("it leads on, though nothing follows", "Link", exchange=page.exchange)


@rule("21e", "Link keeps the filters", on=Page)
def filters_kept(page: Page) -> Iterator[Fault]:
    """date_from and date_to that were asked for are in the Link."""
    told = query(page.following or "")
    for name in ("date_from", "date_to"):
        if page.following is not None and name in page.params and not told.get(name):
            yield Fault(f"{name} is lost", "Link")


@rule("21f", "Link keeps the limit, or says the smaller one", on=Page, severity=Severity.WARNING)
def limit_kept(page: Page) -> Iterator[Fault]:
    """limit that was asked for is in the Link."""
    if page.following is None or page.asked is None:
        return
    told = query(page.following).get("limit")
    if told is None:
        yield Fault("limit is lost", "Link")
    elif not told.isdigit() or int(told[:15]) > page.asked:
        yield Fault("another limit than was asked for", "Link", told[:20])


@rule("21g", "Link can be followed as it is", on=Page, severity=Severity.WARNING)
def followable(page: Page) -> Iterator[Fault]:
    """Link is a whole URL of the endpoint's host; the probe follows no other."""
    if page.following is None:
        return
    there, here = split(page.following), split(page.exchange.url)
    if not there.scheme:
        yield Fault("it is no whole URL", "Link")
    elif (there.scheme, there.netloc) != (here.scheme, here.netloc):
        yield Fault("it leads to another host or scheme than the endpoint's", "Link")


@rule("21h", "X-Total-Count is the number of objects", on=Crawl)
def total_right(crawl: Crawl) -> Iterator[Fault]:
    """Every list that was read to its end."""
    totals = {page.total for page in crawl.pages}
    if not crawl.complete or len(totals) != 1 or None in totals:
        raise Untold("the list was not read to its end, or changed meanwhile")
    found = len(crawl.items) + crawl.pages[0].offset
    if found != crawl.pages[0].total:
        yield Fault("another number of objects", "X-Total-Count", f"{crawl.pages[0].total}, of which {found} were given")


@rule("22a", "A page has no more objects than X-Limit", on=Page)
def within_limit(page: Page) -> Iterator[Fault]:
    """Every page."""
    most = page.header("X-Limit")
    if page.exchange.succeeded and most is not None and len(page.items) > most:
        severity = Severity.WARNING if page.version == V211 else None
        yield Fault("more objects than X-Limit says", "data", f"{len(page.items)} objects, X-Limit {most}", severity)


@rule("22b", "No object comes twice", on=Crawl)
def once(crawl: Crawl) -> Iterator[Fault]:
    """Identifiers in every list, page by page."""
    totals = {page.total for page in crawl.pages}
    seen: set[tuple[str, ...]] = set()
    for page, place, item in crawl.items:
        key = identity(crawl.module, item)
        if key in seen and len(totals) == 1:
            yield Fault("an object that was given before", f"data[{place}]", exchange=page.exchange)
        if key is not None:
            seen.add(key)


@rule("22c", "The order of a list does not change", on=Twice)
def same_order(twice: Twice) -> Iterator[Fault]:
    """Every list, read twice."""
    first, second = list(twice.first.keyed()), list(twice.second.keyed())
    both = set(first) & set(second)
    if len(both) < 2:
        raise Untold("fewer than two objects")
    if [key for key in first if key in both] != [key for key in second if key in both]:
        yield Fault("the same objects in another order than before", "data")


@rule("22d", "Oldest first", on=Crawl, severity=Severity.WARNING)
def oldest_first(crawl: Crawl) -> Iterator[Fault]:
    """Sessions and CDRs, by when they began: creation is not told, but no list may run backwards."""
    name = {"sessions": "start_date_time", "cdrs": "end_date_time"}.get(crawl.module)
    if name is None or crawl.kind != "full":
        raise Untold("only sessions and CDRs tell when they were made")
    if crawl.version == V211:
        name = {"start_date_time": "start_datetime", "end_date_time": "stop_date_time"}[name]
    times: list[datetime] = [when for _, _, item in crawl.items if (when := moment(item, name)) is not None]
    if len(set(times)) < 3:
        raise Untold("fewer than three objects of different times")
    if times == sorted(times, reverse=True):
        yield Fault("newest first", f"data[].{name}")


@rule("23", "Sessions are asked for with date_from", on=Trial, kind="sessions without date_from", severity=Severity.NOTE)
def sessions_since(trial: Trial) -> Iterator[Fault]:
    """A GET of sessions without date_from, which is mandatory there."""
    if trial.exchange.succeeded:
        yield Fault("a list is given without date_from")
    elif trial.exchange.status >= 400:
        yield Fault("an HTTP error instead of OCPI 2001 or 2002", found=trial.exchange.told)
