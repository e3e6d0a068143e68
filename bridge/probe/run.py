"""Probes a partner: finds its versions, tries the scenarios in each, and reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from bridge.errors import Unreachable
from bridge.probe.exchange import Caller, Ended, Exchange
from bridge.probe.look import folded, parts, split, text
from bridge.probe.options import VERSIONS, Options, Unusable
from bridge.probe.report import Report, VersionReport
from bridge.probe.scenarios import SCENARIOS, connection, opens, token_a
from bridge.probe.session import Session


async def probe(options: Options) -> Report:
    """Probe a partner. Raises :class:`Unusable` where there is nothing to probe."""
    if split(options.versions_url).scheme not in ("http", "https") or not split(options.versions_url).hostname:
        raise Unusable("the versions URL is no http(s) URL")
    caller = Caller(options.versions_url, options.token, options.spelling == "raw", options.requests, options.pause, options.timeout)
    async with caller:
        versions = await _versions(options, caller)
        offered = _offered(versions)
        report = Report(options.versions_url, datetime.now(UTC), [version for version, _ in offered])
        for version, url in _chosen(options, offered):
            session = Session(options, caller, version, url)
            try:
                await _probe(session, versions)
            except Ended as why:
                report.ended = str(why)
            report.probed.append(VersionReport(version, url, session, "raw" if caller.raw else "base64"))
            if report.ended or (session.opened and not options.every and not options.versions):
                break
    report.requests = caller.count
    report.secrets = _secrets(report, options)
    return report


async def _versions(options: Options, caller: Caller) -> Exchange:
    """GET versions, with the token in the spelling that is accepted: told, else Base64, else as it stands."""
    spellings = [caller.raw] if options.spelling != "auto" else [False, True]
    exchange = None
    for raw in spellings:
        caller.raw = raw
        try:
            exchange = await caller.call("GET", options.versions_url)
        except (Unreachable, Ended) as why:
            raise Unusable(f"the versions URL gives no answer: {why}") from why
        if exchange.status not in (401, 403):
            break
    if exchange is None or not exchange.succeeded:
        told = exchange.told if exchange is not None else "nothing"
        raise Unusable(f"the versions URL gives no list of versions ({told})")
    return exchange


def _offered(versions: Exchange) -> list[tuple[str, str]]:
    found = [(text(one, "version"), text(one, "url")) for _, one in parts(versions.envelope, "data")]
    return [(version, url) for version, url in found if version is not None and url is not None]


def _chosen(options: Options, offered: list[tuple[str, str]]) -> list[tuple[str, str]]:
    known = {version: url for version, url in reversed(offered) if version in VERSIONS}
    names = ", ".join(version for version, _ in offered) or "none"
    if not known:
        raise Unusable(f"no version that is known here; the partner has {names[:100]}")
    wanted = options.versions or tuple(version for version in VERSIONS if version in known)
    missing = [version for version in wanted if version not in known]
    if options.every:
        wanted = tuple(version for version in wanted if version in known)
    elif missing:
        raise Unusable(f"the partner does not have {', '.join(missing)}; it has {names[:100]}")
    return [(version, known[version]) for version in wanted]


async def _probe(session: Session, versions: Exchange) -> None:
    if not session.caller.safe(session.url):
        session.problems.append("the version's URL is no http(s) URL, or without TLS where the versions URL has it: not followed")
        return
    try:
        if not await connection(session, versions):
            return
        if session.options.token_a:
            await token_a(session)
            session.opened = True
            return
        pinned = session.options.versions and not session.options.every
        if not pinned and not await opens(session):
            told = "no list opens: the token may be registered for another version, or not at all (--version, --token-a)"
            session.problems.append(told)
            return
    except Unreachable as why:
        session.problems.append(f"version details: {why.because}")
        return
    session.opened = True
    for name, scenario in SCENARIOS.items():
        if name in session.options.skip or (name == "write" and not session.options.write):
            continue
        try:
            await scenario(session)
        except Unreachable as why:
            session.problems.append(f"{name}: {why.because}")


def _secrets(report: Report, options: Options) -> frozenset[str]:
    """What no report may show: credentials tokens, and what is printed on drivers' cards."""
    found: set[str | None] = {options.token}
    for one in report.probed:
        for crawl in one.session.crawls.values():
            for _, _, item in crawl.items:
                found.update(_drivers(crawl.module, item))
    return frozenset(secret for secret in found if secret and len(secret) >= 4)


def _drivers(module: str, item: object) -> Iterator[str | None]:
    holders = [item] if module == "tokens" else [item.get("cdr_token"), item] if isinstance(item, dict) else []
    for holder in holders:
        names = ("uid", "contract_id", "auth_id", "visual_number") if holder is not item or module == "tokens" else ("auth_id",)
        for name in names:
            yield text(holder, name)
            yield folded(holder, name)
