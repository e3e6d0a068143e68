"""Reads and writes files of records in constant memory: JSON by ijson, XML by iterparse."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import ijson
import msgspec
from attrs import field, frozen

from bridge.codec import xml
from bridge.codec.lenient import Read, Unreadable, fold, walk
from bridge.codec.lenient import reader as exact_reader


class BadInput(Exception):
    """A file that cannot be used at all."""


@frozen
class Unread:
    """A record that could not be read."""

    why: Unreadable


def seekable(source: IO[bytes]) -> IO[bytes]:
    """``source`` itself if it can be read twice, else a copy in a temporary file."""
    try:
        source.seek(0)
    except (OSError, io.UnsupportedOperation, AttributeError):
        copy: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115  (closed with the process)
        shutil.copyfileobj(source, copy)
        copy.seek(0)
        return copy
    return source


@frozen
class JsonCodec:
    """Records in JSON: alone, in an array, or in any message of the protocol that carries them.

    ``lists`` are the (folded) names of members that hold records; ``inherit`` are members beside such a list that
    belong to each of its records. ``message`` makes the whole message from the records' wire objects.
    """

    cls: Any
    lists: frozenset[str]
    inherit: tuple[str, ...] = ()
    message: Callable[[Iterable[Any], Any], Iterator[bytes]] | None = None
    aliases: dict[str, str] = field(factory=dict)
    inside: Callable[[dict[str, Any]], Iterable[dict[str, Any]]] | None = None
    """Where one item holds several records (an OCPI location its EVSEs): gives them."""
    others: bool = False
    """Mandatory values that an enumeration does not know are read as OTHER or UNKNOWN, where it has one."""

    def read(self, source: IO[bytes]) -> Iterator[Read[Any] | Unread]:
        """The records of a file. Raises BadInput for what is no JSON, or holds no records."""
        try:
            yield from self._read(seekable(source))
        except (ijson.JSONError, UnicodeDecodeError) as why:
            raise BadInput(f"no JSON: {str(why).splitlines()[0]}") from why

    def read_all(self, data: bytes) -> list[Read[Any] | Unread]:
        """The records of an array in memory: the exact way at once, else one by one; else as a file."""
        if self.inside is None:
            try:
                return [Read(r) for r in msgspec.json.decode(data, type=list[self.cls])]  # type: ignore[name-defined]
            except msgspec.MsgspecError:
                pass
            try:
                return list(map(self._one, msgspec.json.decode(data, type=list[msgspec.Raw])))
            except msgspec.MsgspecError:
                pass
        return list(self.read(io.BytesIO(data)))

    def _one(self, data: msgspec.Raw) -> Read[Any] | Unread:
        try:
            return self.exact()(memoryview(data))
        except Unreadable as why:
            return Unread(why)

    def _read(self, source: IO[bytes]) -> Iterator[Read[Any] | Unread]:
        prefix = self._where(source)
        parents = self._parents(source, prefix) if self.inherit and "." in prefix else iter(())
        source.seek(0)
        left = 0
        shared: dict[str, Any] = {}
        for item in ijson.items(source, prefix):
            while left == 0 and (following := next(parents, None)) is not None:
                left, shared = following
            left -= 1
            if shared and isinstance(item, dict):
                item = {**shared, **item}
            for one in self.inside(item) if self.inside is not None and isinstance(item, dict) else (item,):
                try:
                    yield walk(self.cls, one, self.aliases, others=self.others)
                except Unreadable as why:
                    yield Unread(why)

    def _where(self, source: IO[bytes]) -> str:
        """The ijson prefix of the records."""
        source.seek(0)
        if not source.read(1):
            raise BadInput("the file is empty")
        source.seek(0)
        depth, first = 0, ""
        for prefix, event, _ in ijson.parse(source):
            if event in ("start_map", "start_array"):
                if depth == 0:
                    first = event
                depth += 1
                name = prefix.rpartition(".")[2]
                if name != "item" and fold(name) in self.lists:
                    return f"{prefix}.item" if event == "start_array" else prefix
            elif event in ("end_map", "end_array"):
                depth -= 1
                if depth == (1 if first == "start_array" else 0):
                    return "item" if first == "start_array" else ""
            elif depth == 0:
                raise BadInput(f"records expected, found {event}")
        raise BadInput("no records in it")

    def _parents(self, source: IO[bytes], prefix: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Per holder of records: how many there are, and what they inherit."""
        holder = prefix.removesuffix(".item").rpartition(".")[0]
        wanted = {fold(name): name for name in self.inherit}
        found: list[tuple[int, dict[str, Any]]] = []
        count = 0
        shared: dict[str, Any] = {}
        source.seek(0)
        for at, event, value in ijson.parse(source):
            if at == prefix and event == "start_map":
                count += 1
            elif at == holder and event == "end_map":
                found.append((count, shared))
                count, shared = 0, {}
            elif event == "string" and at.startswith(holder) and at[len(holder) :].count(".") == (1 if holder else 0):
                name = wanted.get(fold(at.rpartition(".")[2]))
                if name:
                    shared[name] = value
        return iter(found)

    def exact(self) -> Callable[[Any], Read[Any]]:
        """A reader of one record from bytes."""
        return exact_reader(self.cls, self.aliases, others=self.others)

    def write(self, records: Iterable[Any]) -> Iterator[bytes]:
        """An array of records, in pieces; nothing at all for no records."""
        first = True
        for record in records:
            yield (b"[\n" if first else b",\n") + (record if isinstance(record, bytes) else encode(record))
            first = False
        if not first:
            yield b"\n]\n"


_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
_MICROSECONDS = re.compile(rb'(?<=")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})000Z(?=")')


def encode(record: Any) -> bytes:
    """A wire object as JSON, decimals as numbers, identifiers as texts, times with three digits of a second where these do
    (OCPI's DateTime has no room for six)."""
    data = _encode(record)
    return _MICROSECONDS.sub(rb"\1Z", data) if b'000Z"' in data else data


@frozen
class XmlCodec:
    """Records in XML: ``tags`` are the elements that hold them, with their classes.

    ``body`` is the body element of the bulk operation that carries the records, ``element`` the element of each.
    """

    namespace: str
    tags: dict[str, Any]
    body: str
    element: str
    elements: Callable[[Any], str] | None = None
    partial: frozenset[str] = frozenset()
    """(Folded) elements of which a class takes only a part: what it does not know there is no loss."""

    def read(self, source: IO[bytes]) -> Iterator[Read[Any] | Unread]:
        """The records of a file. Raises BadInput for what is no XML or holds none of the elements."""
        known = {fold(tag): cls for tag, cls in self.tags.items()}
        seen = False
        try:
            for tag, element in xml.records(seekable(source), frozenset(known)):
                seen = True
                try:
                    record = xml.read(known[fold(tag)], element)
                    if fold(tag) in self.partial:
                        record.unknown.clear()
                    yield record
                except Unreadable as why:
                    yield Unread(why)
        except Unreadable as why:
            raise BadInput(str(why)) from why
        except xml.Hostile as why:
            raise BadInput(str(why)) from why
        if not seen:
            raise BadInput(f"no element {' or '.join(self.tags)} in it")

    def exact(self) -> Callable[[bytes], Read[Any]]:
        """A reader of one record from the bytes of its element."""
        cls = self.tags[self.element]
        return lambda data: xml.read(cls, xml.parse(data))

    def read_all(self, data: bytes) -> list[Read[Any] | Unread]:
        """The records of a message in memory."""
        return list(self.read(io.BytesIO(data)))

    def write(self, records: Iterable[Any], *, message: bool = False) -> Iterator[bytes]:
        """The body element with the records, or the whole envelope; nothing at all for no records."""
        first = True
        for record in records:
            if first:
                opening = f'<{self.body} xmlns="{self.namespace}">'
                yield (_ENVELOPE + opening if message else '<?xml version="1.0" encoding="UTF-8"?>\n' + opening).encode()
            first = False
            cls: Any = type(record)
            yield ("\n" + xml.writer(cls)(record, self.elements(record) if self.elements else self.element)).encode()
        if not first:
            yield f"\n</{self.body}>{_END if message else ''}\n".encode()


_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    "<soapenv:Header/><soapenv:Body>"
)
_END = "</soapenv:Body></soapenv:Envelope>"
