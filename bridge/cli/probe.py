"""``evbridge probe``: where a partner's OCPI departs from the specification."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import orjson

from bridge.probe.options import SCENARIOS, VERSIONS, Options, Unusable

if TYPE_CHECKING:
    from bridge.probe.report import Report

FOUND, UNUSABLE = 3, 2
"""Exit statuses: something violates the specification; there is nothing to probe."""


@click.command("probe")
@click.argument("versions_url", required=False)
@click.option("--token", help="The credentials token. Others on this machine can see it: better in a file or the environment.")
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A file that holds the token.")
@click.option("--token-env", default="EVBRIDGE_PROBE_TOKEN", show_default=True, help="The variable that holds the token.")
@click.option("--base64", "spelling", flag_value="base64", help="Send the token in Base64 (default: whichever is accepted).")
@click.option("--raw-token", "spelling", flag_value="raw", help="Send the token as it stands.")
@click.option("--token-a", is_flag=True, help="The token is a CREDENTIALS_TOKEN_A: only versions and credentials may open.")
@click.option("--role", type=click.Choice(["cpo", "emsp"]), help="What the partner is (default: all that it offers).")
@click.option("--version", "versions", multiple=True, type=click.Choice([*reversed(VERSIONS), "all"]),
              help="Which version, or all (default: the highest that the token opens).")  # fmt: skip
@click.option("--party", help="Our country and party, such as DE*ABC: for routing headers, and objects that would be ours.")
@click.option("--to", help="The party behind a hub or platform that is meant, such as NL*XYZ.")
@click.option("--write", is_flag=True, help="Also send what cannot take effect: commands and tokens with made-up identifiers, broken JSON.")
@click.option("--skip", multiple=True, type=click.Choice(SCENARIOS), help="Leave out a part.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Objects per page.")
@click.option("--pages", default=5, show_default=True, type=click.IntRange(1, 1000), help="Most pages of a list.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="How far back sessions and CDRs are read.")
@click.option("--requests", default=250, show_default=True, type=click.IntRange(1, 100_000), help="Most requests in all.")
@click.option("--pause", default=0.1, show_default=True, type=click.FloatRange(0, 60), help="Seconds between requests.")
@click.option("--timeout", default=15.0, show_default=True, type=click.FloatRange(0.1, 600), help="Seconds until an answer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--rules", is_flag=True, help="Print every rule, how it is judged, and what cannot be; ask nobody.")
def probe(versions_url: str | None, as_json: bool, rules: bool, **given: Any) -> None:
    """Connect to the partner at VERSIONS_URL and report which versions, modules and rules of OCPI it implements.

    Reads only, one request at a time, unless --write is given. Exit status: 0; 3 if a rule is violated; 2 if there is
    nothing to probe (no answer, no version that is known, no list that opens).
    """
    if rules:
        _rules(as_json)
        return
    from bridge.probe.run import probe as run

    if not versions_url:
        raise click.UsageError("VERSIONS_URL is missing")
    try:
        report = asyncio.run(run(_options(versions_url, given)))
    except Unusable as why:
        _unusable(why.because)
    if as_json:
        click.echo(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(report)
    sys.exit(FOUND if report.as_json()["violations"] else 0 if report.opened else UNUSABLE)


def _options(url: str, given: dict[str, Any]) -> Options:
    versions = VERSIONS if "all" in given["versions"] else tuple(dict.fromkeys(given["versions"]))
    named = ("write", "token_a", "limit", "pages", "days", "requests", "pause", "timeout")
    return Options(
        url,
        _token(given),
        side=given["role"],
        versions=versions,
        every="all" in given["versions"],
        spelling=given["spelling"] or "auto",
        party=_party(given["party"], "--party"),
        to=_party(given["to"], "--to"),
        skip=frozenset(given["skip"]),
        **{name: given[name] for name in named},
    )


def _token(given: dict[str, Any]) -> str:
    import os

    if given["token"]:
        found = str(given["token"])
    elif given["token_file"] is not None:
        found = Path(given["token_file"]).read_text(encoding="utf-8").strip()
    else:
        found = os.environ.get(given["token_env"], "")
    if not found:
        raise click.UsageError(f"the token is missing: --token, --token-file, or the variable {given['token_env']}")
    if not re.fullmatch(r"[\x21-\x7e]+", found):
        raise click.UsageError("the token has blanks, or is not ASCII")
    return found


def _party(told: str | None, name: str) -> tuple[str, str] | None:
    if told is None:
        return None
    match = re.fullmatch(r"([A-Za-z]{2})[*-]?([A-Za-z0-9]{3})", told)
    if match is None:
        raise click.BadParameter(f"{told!r} is no country and party, such as DE*ABC", param_hint=name)
    return match[1].upper(), match[2].upper()


def _unusable(because: str) -> NoReturn:
    click.echo(f"evbridge probe: {because}", err=True)
    sys.exit(UNUSABLE)


# --- as tables


def _rules(as_json: bool) -> None:
    from bridge.probe.book import catalogue

    rows = catalogue()
    if as_json:
        names = ("rule", "title", "weight", "how")
        click.echo(orjson.dumps([dict(zip(names, row, strict=True)) for row in rows], option=orjson.OPT_INDENT_2).decode())
    else:
        _table("Rules", ("rule", "what is demanded", "weight", "how it is judged, or why not"), rows)


def _print(report: Report) -> None:
    told = report.as_json()
    click.echo(f"{told['versions_url']}: versions {', '.join(told['versions'])}; {told['requests']} requests")
    for one in told["probed"]:
        parties = ", ".join(f"{p['role']} {p['country_code']}*{p['party_id']}" for p in one["parties"]) or "parties not told"
        click.echo(f"\nOCPI {one['version']}: {parties}; token sent {one['token_spelling']}\n")
        modules = [(m["identifier"], m["role"] or "?", m["answer"] or ("no answer" if m["asked"] else "not asked"),
                    "" if m["objects"] is None else str(m["objects"])) for m in one["modules"]]  # fmt: skip
        _table("Modules", ("module", "role", "answer", "objects"), modules)
        _table("Deviations", ("rule", "weight", "what is demanded", "what is found", "times", "where"), [_row(f) for f in one["findings"]])
        _verdicts(one["rules"])
        for problem in one["problems"]:
            click.echo(f"! {problem}")
    numbers = ", ".join(one["rule"] for one in told["not_judged"])
    click.echo(f"\nNot judged from outside (`evbridge probe --rules` says why): {numbers}.")
    if report.ended:
        click.echo(f"! ended early: {report.ended}")
    click.echo(f"{told['violations']} violations, {told['warnings']} warnings, {told['notes']} notes")


def _row(finding: dict[str, Any]) -> tuple[str, ...]:
    first = finding["evidence"][0]
    found = f"{finding['because']}" + (f" ({first['found']})" if first["found"] else "")
    where = f"{first['request']}\n{first['answer']}" + (f"\n{first['path']}" if first["path"] else "")
    return finding["rule"], finding["severity"], finding["title"], found, str(finding["count"]), where


def _verdicts(rules: list[dict[str, Any]]) -> None:
    holds = [f"{one['rule']} ({one['judged']})" for one in rules if one["verdict"] == "holds"]
    untold = [(one["rule"], one["title"], one["because"]) for one in rules if one["verdict"] == "cannot be told"]
    click.echo(f"Hold (how often judged): {', '.join(holds) or 'none'}\n")
    _table("Cannot be told", ("rule", "what is demanded", "because"), untold)


def _table(title: str, head: tuple[str, ...], rows: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 180)
    table = Table(title=title, title_justify="left", show_lines=any("\n" in cell for row in rows for cell in row))
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    if not rows:
        click.echo(f"{title}: none")
        return
    console.print(table)
