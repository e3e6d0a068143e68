"""``evbridge explain``: prints a mapping as a table: field, field, how, what is lost and why."""

from __future__ import annotations

import sys
import textwrap
from typing import Any, NoReturn

import click
import orjson

from bridge.mapping.engine import Mapping
from bridge.mapping.registry import KINDS, Entry, UnknownFormat, find
from bridge.translate.words import Line, Section, sections

HEAD = ("wire", "canonical", "how", "lost, and why")
_WIDTHS = (34, 40, 44, 72)


@click.command("explain")
@click.argument("format_", metavar="FORMAT")
@click.argument("kind")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(format_: str, kind: str, as_json: bool) -> None:
    """Print how KIND (such as location) is mapped between FORMAT (such as oicp-2.3) and the canonical model."""
    if kind not in KINDS:
        _unusable(f"{kind} is no kind of record; there are {', '.join(KINDS)}")
    try:
        entry = find(format_, kind)
    except UnknownFormat as why:
        _unusable(str(why.args[0]))
    found = sections(entry.mapping) if isinstance(entry.mapping, Mapping) else []
    if as_json:
        click.echo(orjson.dumps(_json(entry, found), option=orjson.OPT_INDENT_2).decode())
    elif not found:
        click.echo(f"{format_} {kind}: the canonical model itself; every field is as it is.")
    elif sys.stdout.isatty():
        _rich(entry, found)
    else:
        _plain(entry, found)


def _json(entry: Entry, found: list[Section]) -> dict[str, Any]:
    return {
        "format": entry.format,
        "kind": entry.kind,
        "mappings": [
            {"name": s.name, "wire": s.wire, "canonical": s.canonical, "at": s.at,
             "rows": [{"wire": x.wire, "canonical": x.canonical, "how": x.how, "lost": x.lost} for x in s.lines]}
            for s in found
        ],
    }  # fmt: skip


def _title(entry: Entry, section: Section) -> str:
    where = f" at {section.at}" if section.at else ""
    return f"{entry.format} {section.name}{where}: {section.wire} <-> {section.canonical}"


def _cells(line: Line) -> tuple[str, str, str, str]:
    return "\n".join(line.wire) or "-", "\n".join(line.canonical) or "-", line.how, "\n".join(line.lost)


def _rich(entry: Entry, found: list[Section]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for section in found:
        table = Table(title=_title(entry, section), title_justify="left", show_lines=True)
        for name in HEAD:
            table.add_column(name, overflow="fold")
        for line in section.lines:
            table.add_row(*(Text(cell) for cell in _cells(line)))
        console.print(table)


def _plain(entry: Entry, found: list[Section]) -> None:
    for i, section in enumerate(found):
        click.echo(("\n" if i else "") + _title(entry, section) + "\n")
        rows = [HEAD, *(_cells(line) for line in section.lines)]
        wrapped = [[_wrap(cell, width) for cell, width in zip(row, _WIDTHS, strict=True)] for row in rows]
        widths = [max(len(text) for row in wrapped for text in row[n]) for n in range(len(HEAD))]
        for row in wrapped:
            for n in range(max(len(cell) for cell in row)):
                cells = ((cell[n] if n < len(cell) else "").ljust(width) for cell, width in zip(row, widths, strict=True))
                click.echo("  ".join(cells).rstrip())


def _wrap(cell: str, width: int) -> list[str]:
    return [part for text in cell.split("\n") for part in (textwrap.wrap(text, width, subsequent_indent="  ") or [""])]


def _unusable(because: str) -> NoReturn:
    click.echo(f"evbridge explain: {because}", err=True)
    sys.exit(2)
