"""The canonical model's own JSON as a format: what goes in comes out."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import IO, Any

import ijson
import orjson

from bridge.codec.lenient import Read, Unreadable
from bridge.mapping.context import Context, Settings
from bridge.mapping.registry import LOCATION, Entry
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.model.location import EvseStatus, Location
from bridge.model.session import Session
from bridge.model.tariff import Tariff
from bridge.model.token import Token
from bridge.translate.files import BadInput, Unread, seekable


class Identity:
    """A mapping of a class to itself."""

    name = "canonical"
    rows = ()

    def __init__(self, cls: type) -> None:
        self.canon = self.wire = cls
        self.mapping = self

    def bind(self, settings: Settings | None = None, format_: str = "") -> Identity:
        """Nothing depends on settings."""
        return self

    def compiled_out(self) -> Any:
        """The object as it is."""
        return _same

    def compiled_back(self) -> Any:
        """The object as it is."""
        return _same

    def to_wire_path(self, path: str) -> str:
        """The path as it is."""
        return path

    def to_canon_path(self, path: str) -> str:
        """The path as it is."""
        return path


def _same(obj: Any, cx: Context) -> Any:
    return obj


class CanonicalCodec:
    """An array of objects in the model's JSON."""

    message = None

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def read(self, source: IO[bytes]) -> Iterator[Read[Any] | Unread]:
        """The objects of a file: an array, or one. Raises BadInput."""
        source = seekable(source)
        try:
            first = next(iter(ijson.basic_parse(source)), (None, None))
            source.seek(0)
            for item in ijson.items(source, "item" if first[0] == "start_array" else ""):
                try:
                    yield Read(model_json.from_json(self.cls, item))
                except ValueError as why:
                    yield Unread(Unreadable("", str(why)))
        except (ijson.JSONError, UnicodeDecodeError) as why:
            raise BadInput(f"no JSON: {why}") from why

    def read_all(self, data: bytes) -> list[Read[Any] | Unread]:
        """The objects of an array in memory."""
        return list(self.read(io.BytesIO(data)))

    def write(self, records: Iterable[Any]) -> Iterator[bytes]:
        """An array, in pieces; nothing at all for no objects."""
        first = True
        for record in records:
            yield (b"[\n" if first else b",\n") + orjson.dumps(model_json.to_json(record), default=str)
            first = False
        if not first:
            yield b"\n]\n"


def _ident(obj: Any) -> str:
    if isinstance(obj, Location):
        return str(obj.place.id or (obj.evses[0].id if obj.evses else ""))
    if isinstance(obj, EvseStatus):
        return str(obj.evse_id or obj.evse_uid or "")
    if isinstance(obj, Token):
        return str(obj.contract_id or "")
    return str(obj.id or "")


FORMATS = tuple(
    Entry("canonical", kind, Identity(cls), CanonicalCodec(cls), _ident, LOCATION if kind == "location" else "")  # type: ignore[arg-type]
    for kind, cls in (
        ("location", Location),
        ("status", EvseStatus),
        ("token", Token),
        ("tariff", Tariff),
        ("session", Session),
        ("cdr", Cdr),
    )
)
