"""``evbridge map``: translates a file and names what it loses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NoReturn

import attrs
import click
import msgspec
import orjson

from bridge.codec.lenient import loads
from bridge.mapping import partner as partners
from bridge.mapping.context import Settings
from bridge.mapping.engine import MappingError
from bridge.mapping.loss import REFUSED, Loss
from bridge.mapping.registry import KINDS, UnknownFormat, find
from bridge.model import json as model_json
from bridge.translate.files import BadInput, XmlCodec, encode
from bridge.translate.pipeline import Translator

_BATCH = 1 << 16


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if attrs.has(type(value)):
        return model_json.to_json(value)
    if isinstance(value, msgspec.Struct):
        return loads(encode(value))
    return str(value)


class Losses:
    """Where losses go: one JSON object per line; refusals also to standard error."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self.file = file

    def __call__(self, obj: str, loss: Loss) -> None:
        if loss.kind == REFUSED:
            click.echo(f"refused {obj}: {loss.path or '$'}: {loss.because}", err=True)
        if self.file is not None:
            line = {"object": obj, "path": loss.path, "kind": loss.kind, "value": loss.value, "because": loss.because}
            self.file.write(orjson.dumps(line, default=_value, option=orjson.OPT_NON_STR_KEYS) + b"\n")


@click.command("map")
@click.argument("kind")
@click.option("--from", "from_", required=True, metavar="FORMAT", help="Format of the input, such as oicp-2.3.")
@click.option("--to", required=True, metavar="FORMAT", help="Format of the output, such as ocpi-2.2.1.")
@click.option("--partner", type=click.Path(path_type=Path, dir_okay=False), help="Constants for what the target demands.")
@click.option("--losses", type=click.Path(path_type=Path, dir_okay=False), help="Write what was lost here, one JSON object per line.")
@click.option("--message", is_flag=True, help="Write the whole message, not just the records.")
@click.argument("input", default="-", required=False)
def map_(kind: str, from_: str, to: str, partner: Path | None, losses: Path | None, message: bool, input: str) -> None:  # noqa: A002
    """Translate the records of KIND in INPUT (a file, or - for standard input) to standard output.

    Exit status: 0 all records mapped, 3 some refused, 2 unusable arguments or input.
    """
    if kind not in KINDS:
        _unusable(f"{kind} is no kind of record; there are {', '.join(KINDS)}")
    try:
        source, target = find(from_, kind), find(to, kind)
    except UnknownFormat as why:
        _unusable(str(why.args[0]))
    settings = partners.load(partner) if partner is not None else Settings()
    with contextlib.ExitStack() as stack:
        opened = _open(input, stack)
        report = Losses(stack.enter_context(losses.open("wb")) if losses is not None else None)
        try:
            translator = Translator(source, target, settings, message=message)
        except MappingError as why:  # a value of the partner file that its table does not have
            _unusable(f"{partner}: {why}")
        try:
            _write(translator.run(source.codec.read(opened), report), target.codec, message, settings)
        except BadInput as why:
            _unusable(f"{input}: {why}")
        if translator.tally.read == 0:
            _unusable(f"{input}: no records in it")
    sys.exit(3 if translator.tally.refused else 0)


def _open(name: str, stack: contextlib.ExitStack) -> IO[bytes]:
    if name == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(name).open("rb"))
    except OSError as why:
        _unusable(f"{name}: {why.strerror}")


def _write(records: Iterator[Any], codec: Any, message: bool, settings: Settings) -> None:
    out = sys.stdout.buffer
    first = next(records, None)
    if first is None:
        return

    def again() -> Iterator[Any]:
        yield first
        yield from records

    if message and isinstance(codec, XmlCodec):
        pieces: Iterator[bytes] = codec.write(again(), message=True)
    elif message and codec.message is not None:
        pieces = codec.message(again(), settings)
    else:
        pieces = codec.write(again())
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size > _BATCH:
            out.write(b"".join(waiting))
            waiting, size = [], 0
    out.write(b"".join(waiting))
    out.flush()


def _unusable(because: str) -> NoReturn:
    click.echo(f"evbridge map: {because}", err=True)
    sys.exit(2)
