"""Rules about several objects: lists that refer to one another, and what may not change between two readings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from bridge.probe.look import Crawl, Twice, Whole, folded, identity, moment, parts, text, texts
from bridge.probe.rules import SINCE_22, V211, Fault, Severity, Untold, rule


@rule("31b", "What changes is newer", on=Twice, severity=Severity.WARNING)
def newer(twice: Twice) -> Iterator[Fault]:
    """Every list, read twice: an object that differs has another last_updated."""
    before = twice.first.keyed()
    for page, place, item in twice.second.items:
        key = identity(twice.module, item)
        old = before.get(key) if key is not None else None
        if old is not None and old != item and text(old, "last_updated") == text(item, "last_updated"):
            yield Fault("it changed, and last_updated did not", f"data[{place}].last_updated", exchange=page.exchange)


@rule("32a", "An EVSE never vanishes: it becomes REMOVED", on=Twice, kind="locations")
def never_vanish(twice: Twice) -> Iterator[Fault]:
    """The list of locations, read twice."""
    later = twice.second.keyed()
    for page, place, item in twice.first.items:
        key = identity("locations", item)
        if key is not None and key in later:
            found = {folded(one, "uid") for _, one in parts(later[key], "evses")}
            for path, evse in parts(item, "evses"):
                if folded(evse, "uid") not in found:
                    yield Fault("an EVSE that was there before is gone", f"data[{place}].{path}", exchange=page.exchange)


@rule("45b", "COMPLETED is final", on=Twice, kind="sessions")
def final(twice: Twice) -> Iterator[Fault]:
    """The list of sessions, read twice."""
    later = twice.second.keyed()
    for page, place, item in twice.first.items:
        key = identity("sessions", item)
        if key in later and text(item, "status") == "COMPLETED" and text(later[key], "status") != "COMPLETED":
            yield Fault("it was COMPLETED, and is not any more", f"data[{place}].status", exchange=page.exchange)


@rule("47", "A CDR does not change", on=Twice, kind="cdrs")
def immutable(twice: Twice) -> Iterator[Fault]:
    """The list of CDRs, read twice."""
    later = twice.second.keyed()
    for page, place, item in twice.first.items:
        key = identity("cdrs", item)
        if key in later and later[key] != item:
            yield Fault("it is another than before", f"data[{place}]", exchange=page.exchange)


@rule("35b", "uid of an EVSE is unique in the platform", on=Whole)
def uids(whole: Whole) -> Iterator[Fault]:
    """EVSEs of all locations of a party."""
    seen: dict[tuple[str | None, str | None], str | None] = {}
    for page, place, item in _crawl(whole, "locations").items:
        for path, evse in parts(item, "evses"):
            uid = folded(evse, "uid")
            key = (f"{folded(item, 'country_code')}*{folded(item, 'party_id')}", uid)
            if uid is not None and seen.setdefault(key, folded(item, "id")) != folded(item, "id"):
                yield Fault("an EVSE of another location has it, too", f"data[{place}].{path}.uid", exchange=page.exchange)


@rule("36b", "Connectors name tariffs that are there", on=Whole, severity=Severity.WARNING)
def tariffs_there(whole: Whole) -> Iterator[Fault]:
    """tariff_ids (2.1.1: tariff_id) of all connectors, in the list of tariffs, if that was read to its end."""
    tariffs = _crawl(whole, "tariffs")
    if not tariffs.complete:
        raise Untold("the list of tariffs was not read to its end")
    known = {folded(item, "id") for _, _, item in tariffs.items}
    for page, place, item in _crawl(whole, "locations").items:
        for path, evse in parts(item, "evses"):
            for at, connector in parts(evse, "connectors"):
                named = texts(connector, "tariff_ids") or [one for one in (text(connector, "tariff_id"),) if one]
                for ident in named:
                    if ident.upper() not in known:
                        yield Fault("there is no such tariff", f"data[{place}].{path}.{at}.tariff_ids", ident[:36], exchange=page.exchange)


@rule("36c", "A connector has one active tariff of a type", on=Whole, severity=Severity.WARNING, versions=SINCE_22)
def one_tariff(whole: Whole) -> Iterator[Fault]:
    """tariff_ids of all connectors: tariffs of one type must not be valid at once."""
    known = {folded(item, "id"): item for _, _, item in _crawl(whole, "tariffs").items}
    for page, place, item in _crawl(whole, "locations").items:
        for path, evse in parts(item, "evses"):
            for at, connector in parts(evse, "connectors"):
                found = [known[one.upper()] for one in texts(connector, "tariff_ids") if one.upper() in known]
                if any(_at_once(a, b) for a, b in combinations(found, 2)):
                    yield Fault(
                        "two tariffs of one type are valid at once", f"data[{place}].{path}.{at}.tariff_ids", exchange=page.exchange
                    )


def _at_once(one: object, other: object) -> bool:
    if text(one, "type") != text(other, "type"):
        return False
    for first, second in ((one, other), (other, one)):
        end, begin = moment(first, "end_date_time"), moment(second, "start_date_time")
        if end is not None and begin is not None and end <= begin:
            return False
    return True


@rule("48d", "A credit CDR follows the CDR that it credits", on=Whole, severity=Severity.WARNING, versions=SINCE_22)
def credited(whole: Whole) -> Iterator[Fault]:
    """credit_reference_id of CDRs, in the list of CDRs, if that was read to its end; none is credited twice."""
    cdrs = _crawl(whole, "cdrs")
    known = {folded(item, "id") for _, _, item in cdrs.items}
    often: dict[str, int] = defaultdict(int)
    for page, place, item in cdrs.items:
        reference = folded(item, "credit_reference_id")
        if reference is None:
            continue
        often[reference] += 1
        if often[reference] > 1:
            yield Fault("credited before", f"data[{place}].credit_reference_id", exchange=page.exchange)
        elif cdrs.complete and reference not in known:
            yield Fault("the list does not have it", f"data[{place}].credit_reference_id", exchange=page.exchange, severity=Severity.NOTE)


@rule("52b", "Sessions of CDRs are those of the list", on=Whole, severity=Severity.NOTE, versions=SINCE_22)
def session_there(whole: Whole) -> Iterator[Fault]:
    """session_id of CDRs, in the list of sessions, if that was read to its end and is as old."""
    sessions, cdrs = _crawl(whole, "sessions"), _crawl(whole, "cdrs")
    if not sessions.complete:
        raise Untold("the list of sessions was not read to its end")
    known = {folded(item, "id") for _, _, item in sessions.items}
    for page, place, item in cdrs.items:
        ident = folded(item, "session_id")
        if ident is not None and ident not in known:
            yield Fault("there is no such session", f"data[{place}].session_id", exchange=page.exchange)


@rule("64", "A token is told from others by uid and type", on=Whole)
def token_identity(whole: Whole) -> Iterator[Fault]:
    """The list of tokens: uid and type of a party come once."""
    seen = set()
    for page, place, item in _crawl(whole, "tokens").items:
        key = identity("tokens", item) if whole.version != V211 else (folded(item, "uid"), folded(item, "type"))
        if key in seen:
            yield Fault("the same uid and type before", f"data[{place}]", exchange=page.exchange)
        if key is not None:
            seen.add(key)


def _crawl(whole: Whole, module: str) -> Crawl:
    found = whole.crawls.get(module)
    if found is None or not found.items:
        raise Untold(f"no {module} were given")
    return found
