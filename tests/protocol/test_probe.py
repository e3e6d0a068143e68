"""The probe as a guest: what it finds at a partner without faults, what it asks, what it never tells, when it stops."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner

from bridge.cli.probe import probe as command
from bridge.probe.book import Verdict
from bridge.probe.options import Options, Unusable
from bridge.probe.run import probe
from tests.protocol import probe_partner as pp
from tests.protocol.probe_partner import Partner, Reply, probed, serving


@pytest.mark.parametrize("side", ["cpo", "emsp"])
@pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])
async def test_a_partner_without_faults_has_no_findings(version: str, side: str) -> None:
    report = await probed(Partner(version, side), write=True)
    assert pp.told(report) == []
    assert report.probed[0].session.problems == []
    assert report.ended == ""
    holding = {o.rule.ident for o in report.probed[0].session.book.outcomes() if o.verdict is Verdict.HOLDS}
    assert {"2a", "3a", "3b", "8a", "21a", "21b", "21c", "12", "20c", "22c", "85b"} <= holding
    modules = {(m.identifier, m.objects) for m in report.probed[0].session.modules if m.objects is not None}
    assert modules == {(module, 5) for module in pp.LISTED[side]}


async def test_nothing_is_written_unless_it_is_allowed() -> None:
    for side in ("cpo", "emsp"):
        partner = Partner(side=side)
        await probed(partner)
        other = {(method, path, body) for method, path, body in partner.requests if method != "GET"}
        assert {(method, body) for method, _, body in other} == {("PATCH", b"")}
        assert {path for _, path, _ in other} == {f"/ocpi/{side}/2.2.1", partner.path(pp.LISTED[side][0])}
        assert all(body == b"" for _, _, body in partner.requests)


async def test_writes_have_made_up_identifiers() -> None:
    partner = Partner()
    await probed(partner, write=True)
    sent = [(method, path, body) for method, path, body in partner.requests if method not in ("GET", "PATCH")]
    assert {(method, path) for method, path, _ in sent} == {("POST", partner.path("commands/STOP_SESSION"))}
    whole = [json.loads(body) for _, _, body in sent if body.endswith(b"}") and body != b"{}"]
    assert all(one["session_id"].startswith("evbridge-probe-") for one in whole)
    assert all(one["response_url"].startswith("https://probe.invalid/") for one in whole)


async def test_no_report_has_a_token_or_a_drivers_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(request: web.Request, reply: Reply) -> None:
        data = reply.envelope.get("data")
        for one in data if isinstance(data, list) else []:
            holder = one.get("cdr_token", one)
            if "uid" in holder:  # every field of a token is wrong, in each of the ways that quote values
                holder |= {"type": pp.UID, "party_id": pp.UID * 5, "contract_id": 7.123456, "language": pp.UID, "issuer": pp.UID + "\n"}
                holder |= {pp.CONTRACT: 1}
        if request.path.endswith("/credentials"):
            reply.envelope["data"] |= {"token": "their token for us"}

    for side in ("cpo", "emsp"):
        report = await probed(Partner(side=side, after=spoil))
        everything = json.dumps(report.as_json())
        assert report.probed[0].findings
        for secret in (pp.TOKEN, pp.UID, "their token", "their-token"):
            assert secret not in everything, secret


async def test_it_stops_at_the_most_requests() -> None:
    partner = Partner()
    report = await probed(partner, requests=12)
    assert (report.requests, len(partner.requests)) == (12, 12)
    assert "12 requests" in report.ended


async def test_it_stops_when_the_partner_wants_fewer_requests() -> None:
    def busy(request: web.Request, reply: Reply) -> None:
        if "/locations" in request.path:
            reply.status, reply.headers["Retry-After"] = 429, "0"

    partner = Partner(after=busy)
    report = await probed(partner, skip=frozenset({"access"}))
    assert "429" in report.ended
    assert sum("/locations" in path for _, path, _ in partner.requests) == 2  # once, and once more after the pause it asked for


async def test_a_list_is_read_no_further_than_allowed() -> None:
    partner = Partner()
    report = await probed(partner, pages=2, skip=frozenset({"access", "objects", "methods"}))
    assert pp.told(report) == []
    full = [path for _, path, _ in partner.requests if path.startswith(partner.path("tariffs")) and "date" not in path]
    assert len(full) == 2 + 2 + 1


async def test_a_link_to_another_host_gets_no_token() -> None:
    def elsewhere(request: web.Request, reply: Reply) -> None:
        if "Link" in reply.headers:
            reply.headers["Link"] = reply.headers["Link"].replace("127.0.0.1", "localhost")

    report = await probed(Partner(after=elsewhere), skip=frozenset({"access", "objects", "methods"}))
    assert pp.found(report) == {"21g"}
    assert any("Link is not followed" in told for told in report.probed[0].session.problems)


async def test_a_token_begun_with_tls_never_goes_without() -> None:
    options = Options("https://127.0.0.1:1/ocpi/versions", "t")
    from bridge.probe.exchange import Caller

    caller = Caller(options.versions_url, options.token)
    assert not caller.safe("http://127.0.0.1:1/ocpi")
    assert caller.safe("https://other.example/ocpi")
    assert not caller.safe("ftp://127.0.0.1/ocpi")


async def test_an_unregistered_token_opens_versions_only() -> None:
    report = await probed(Partner(functional=False), token_a=True)
    holds = {o.rule.ident: o.verdict for o in report.probed[0].session.book.outcomes()}
    assert (holds["4"], pp.told(report)) == (Verdict.HOLDS, [])


async def test_a_registered_token_is_needed_for_lists() -> None:
    report = await probed(Partner(functional=False))
    assert pp.told(report) == []
    assert "no list opens" in report.probed[0].session.problems[0]
    insisting = await probed(Partner(functional=False), versions=("2.2.1",), skip=frozenset({"access", "methods", "objects"}))
    untold = {o.rule.ident: o.because for o in insisting.probed[0].session.book.outcomes() if o.verdict is Verdict.UNTOLD}
    assert pp.told(insisting) == []
    assert "401" in untold["11b"]


async def test_the_version_is_probed_that_the_token_opens() -> None:
    async with serving(Partner("2.3.0", functional=False)) as new, serving(Partner("2.2.1")) as old:

        def both(request: web.Request, reply: Reply) -> None:
            if request.path == "/ocpi/versions":
                reply.envelope["data"].append({"version": "2.2.1", "url": f"{old.url}/ocpi/cpo/2.2.1"})

        new.after = both
        report = await probe(Options(f"{new.url}/ocpi/versions", pp.TOKEN, pause=0.0))
        assert [(one.version, one.session.opened) for one in report.probed] == [("2.3.0", False), ("2.2.1", True)]


@pytest.mark.parametrize("answer", [
    {"status": 500}, {"status": 404}, {"body": b"<html>"}, {"body": b"[" * 100_000}, {"envelope": {"status_code": 1000, "data": []}},
    {"envelope": {"status_code": 1000, "data": [{"version": "3.0", "url": "http://x/"}]}}, {"envelope": {"status_code": 2000}},
    {"status": 401},
])  # fmt: skip
async def test_without_versions_there_is_nothing_to_probe(answer: dict[str, Any]) -> None:
    def spoil(request: web.Request, reply: Reply) -> None:
        for name, value in answer.items():
            setattr(reply, name, value)

    with pytest.raises(Unusable):
        await probed(Partner(after=spoil))


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[", "http://127.0.0.1:1/versions"])
async def test_an_address_where_nobody_is_cannot_be_probed(url: str) -> None:
    with pytest.raises(Unusable):
        await probe(Options(url, "t", timeout=2.0))


async def test_a_silent_partner_ends_the_probe() -> None:
    def hang_up(request: web.Request, reply: Reply) -> None:
        if request.path != "/ocpi/versions" and request.transport is not None:
            request.transport.abort()

    report = await probed(Partner(after=hang_up))
    assert "no answer" in report.ended + " ".join(report.probed[0].session.problems)


# --- the command


def said(*args: str, env: dict[str, str] | None = None) -> Any:
    return CliRunner(env=env).invoke(command, args)


async def run(partner: Partner, *args: str, env: dict[str, str] | None = None) -> Any:
    async with serving(partner):
        return await asyncio.to_thread(lambda: said(f"{partner.url}/ocpi/versions", "--pause", "0", *args, env=env))


async def test_the_command_prints_tables_and_ends_with_0() -> None:
    result = await run(Partner(), "--token", pp.TOKEN, "--party", "DE*OUR")
    assert result.exit_code == 0, result.output
    for words in ("versions 2.2.1", "CPO DE*ABC; token sent base64", "locations", "Deviations: none", "Hold (how", "Cannot be told",
                  "Not judged from outside", "0 violations, 0 warnings, 0 notes"):  # fmt: skip
        assert words in result.output
    assert pp.TOKEN not in result.output


async def test_the_command_ends_with_3_if_a_rule_is_violated() -> None:
    def spoil(request: web.Request, reply: Reply) -> None:
        reply.headers.pop("X-Total-Count", None)

    result = await run(Partner(after=spoil), "--json", "--version", "2.2.1", env={"EVBRIDGE_PROBE_TOKEN": pp.TOKEN})
    assert result.exit_code == 3
    told = json.loads(result.output)
    (finding,) = told["probed"][0]["findings"]
    assert (finding["rule"], finding["number"], finding["severity"], finding["field"]) == ("21a", "21", "violation", "X-Total-Count")
    assert finding["evidence"][0]["request"].startswith("GET /ocpi/cpo/2.2.1/locations?limit=10")
    assert finding["evidence"][0]["answer"] == "HTTP 200, OCPI 1000"
    assert told["violations"] == 1
    assert {one["rule"] for one in told["not_judged"]} >= {"1", "13", "75"}


async def test_the_command_ends_with_2_if_there_is_nothing_to_probe(tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text("wrong\n", encoding="utf-8")
    result = await run(Partner(), "--token-file", str(file))
    assert (result.exit_code, "HTTP 401" in result.output) == (2, True)
    assert "Traceback" not in result.output
    closed = await run(Partner(functional=False), "--token", pp.TOKEN)
    assert (closed.exit_code, "no list opens" in closed.output) == (2, True)
    missing = await run(Partner(), "--token", pp.TOKEN, "--version", "2.3.0")
    assert (missing.exit_code, "does not have 2.3.0" in missing.output) == (2, True)


@pytest.mark.parametrize("args", [[], ["http://x/versions"], ["http://x/versions", "--token", "a b"],
                                  ["http://x/versions", "--token", "t", "--party", "ABCDEFG"]])  # fmt: skip
def test_arguments_that_cannot_be_used(args: list[str]) -> None:
    assert said(*args).exit_code == 2


def test_the_rules_are_printed_without_asking_anybody() -> None:
    result = said("--rules", "--json")
    rows = {one["rule"]: one for one in json.loads(result.output)}
    assert rows["21a"]["how"] == "Every page."
    assert rows["75"]["weight"] == "not judged"


@pytest.mark.parametrize(("spelling", "accepts"), [("base64", "raw"), ("raw", "base64")])
async def test_a_token_is_sent_in_the_spelling_that_is_accepted(spelling: str, accepts: str) -> None:
    def picky() -> Partner:
        return Partner(known=lambda header: header == pp.spelled(accepts))

    report = await probed(picky())
    assert report.probed[0].spelling == accepts
    assert pp.found(report) == {"2b" if accepts == "base64" else "2a"}
    with pytest.raises(Unusable):
        await probed(picky(), spelling=spelling)


async def test_all_versions_are_probed_if_asked() -> None:
    async with serving(Partner("2.1.1", "cpo")) as old, serving(Partner("2.3.0", "cpo")) as new:

        def both(request: web.Request, reply: Reply) -> None:
            if request.path == "/ocpi/versions":
                reply.envelope["data"].append({"version": "2.1.1", "url": f"{old.url}/ocpi/cpo/2.1.1"})

        new.after = both
        made = Options(f"{new.url}/ocpi/versions", pp.TOKEN, versions=("2.3.0", "2.2.1", "2.1.1"), every=True, pause=0.0)
        report = await probe(made)
        assert [one.version for one in report.probed] == ["2.3.0", "2.1.1"]
        assert {one.session.side() for one in report.probed} == {None, "cpo"}
