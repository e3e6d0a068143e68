"""XML wire types: attrs classes whose fields say where they stand in the element, and readers and writers made of them.

Reading is hardened (no entities, no DTD, no network) and lenient (names without case, order ignored, white space
collapsed); writing is strict and streams: the text of each record is built directly.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import IO, Annotated, Any, TypeVar, Union, get_args, get_origin

import attrs
import msgspec
from lxml import etree

from bridge.codec.lenient import Read, Unreadable, fold

T = TypeVar("T")

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""A character that no XML may hold (XML 1.0, production Char)."""

ELEMENT = "element"
ATTRIBUTE = "attribute"


def el(*, wrap: str | None = None, default: Any = attrs.NOTHING, name: str | None = None) -> Any:
    """A child element; ``wrap`` names an element inside it that holds the value (``<ttl><DateTime>...``)."""
    return attrs.field(default=default, metadata={"kind": ELEMENT, "wrap": wrap, "name": name})


def at(*, default: Any = attrs.NOTHING, name: str | None = None) -> Any:
    """An attribute."""
    return attrs.field(default=default, metadata={"kind": ATTRIBUTE, "wrap": None, "name": name})


class LocalTime(datetime):
    """A moment whose wire form carries the numeric offset of the place (``2024-05-01T10:00:00+02:00``)."""


class FloatText(Decimal):
    """A number that XML Schema calls a float: read and written as its decimal text, never through a float."""


@attrs.frozen
class XmlField:
    """Where one attrs field stands in the element."""

    name: str
    tag: str
    kind: str
    wrap: str | None
    type: Any
    many: bool
    required: bool
    default: Any


@cache
def fields(cls: type) -> tuple[XmlField, ...]:
    """The XML fields of a wire class, in the order of the schema."""
    hints = typing.get_type_hints(cls, include_extras=True)
    made = []
    for a in attrs.fields(cls):
        bare, many = _bare(hints[a.name])
        meta = a.metadata
        made.append(XmlField(a.name, meta.get("name") or a.name.rstrip("_"), meta.get("kind", ELEMENT), meta.get("wrap"), bare,
                             many, a.default is attrs.NOTHING, None if a.default is attrs.NOTHING else a.default))  # fmt: skip
    return tuple(made)


def _bare(hint: Any) -> tuple[Any, bool]:
    many = False
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint = get_args(hint)[0]
        elif origin in (Union, types.UnionType):
            hint = next(a for a in get_args(hint) if a is not type(None))
        elif origin is tuple:
            many, hint = True, get_args(hint)[0]
        else:
            return hint, many


# --- reading -------------------------------------------------------------------------------------------------------


class Hostile(Exception):
    """XML that is refused before it is read: a document type, an entity, too deep or too large."""


def parse(data: bytes) -> etree._Element:
    """The root element of ``data``. Raises :class:`Unreadable` for what is no XML, :class:`Hostile` for a DOCTYPE."""
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as why:
        raise Unreadable("", f"no XML: {why.msg}") from why
    if _doctype(root):
        raise Hostile("a DOCTYPE is refused")
    return root


def _doctype(element: Any) -> bool:
    return bool(element.getroottree().docinfo.doctype)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
                           remove_pis=True)  # fmt: skip


def records(source: IO[bytes], tags: frozenset[str]) -> Iterator[tuple[str, etree._Element]]:
    """The elements with one of the (folded) local names ``tags``, one by one, in constant memory."""
    context = etree.iterparse(source, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False,
                              huge_tree=True, remove_comments=True, remove_pis=True)  # fmt: skip
    inside = 0
    first = True
    try:
        for event, element in context:
            if first:
                first = False
                if _doctype(element):
                    raise Hostile("a DOCTYPE is refused")
            wanted = fold(local(element)) in tags
            if event == "start":
                inside += wanted
                continue
            if wanted:
                inside -= 1
                if inside == 0:
                    yield local(element), element
            if inside == 0:
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError as why:
        raise Unreadable("", f"no XML: {why.msg}") from why


def local(element: Any) -> str:
    """The name of an element without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def read(cls: type[T], element: etree._Element) -> Read[T]:
    """One record from its element. Raises :class:`Unreadable`."""
    result: Read[T] = Read(typing.cast(T, None))
    result.value = _struct(cls, element, "", result)
    return result


@cache
def _by_tag(cls: type) -> dict[str, XmlField]:
    return {fold(f.tag): f for f in fields(cls)}


def _struct(cls: Any, element: Any, path: str, result: Read[Any]) -> Any:
    known = _by_tag(cls)
    given: dict[str, Any] = {}
    for key, raw in element.attrib.items():
        name = key.rpartition("}")[2]
        _take(known.get(fold(name)), name, raw, None, path, given, result)
    for child in element:
        name = local(child)
        _take(known.get(fold(name)), name, None, child, path, given, result)
    for f in fields(cls):
        value = given.get(f.name)
        if value is None and f.required:
            raise Unreadable(f"{path}.{f.tag}" if path else f.tag, f"{f.tag} is missing")
        if f.many and value is not None:
            given[f.name] = tuple(value)
    return cls(**given)


def _take(
    f: XmlField | None,
    name: str,
    raw: str | None,
    child: Any,
    path: str,
    given: dict[str, Any],
    result: Read[Any],
) -> None:
    at = f"{path}.{name}" if path else name
    if f is None:
        value = raw if raw is not None else _text_of(child) or etree.tostring(child, encoding="unicode")
        result.unknown.append((at, value))
        return
    if f.many:
        at = f"{at}[{len(given.get(f.name, ()))}]"
    try:
        value = _value(f, raw, child, at, result)
    except ValueError as why:
        if f.required and not f.many:
            raise Unreadable(at, str(why), raw if raw is not None else _text_of(child)) from why
        result.repairs.append((at, raw if raw is not None else _text_of(child), str(why)))
        return
    except Unreadable as why:
        if f.required and not f.many:
            raise
        result.repairs.append((why.path, why.value, why.because))
        return
    if value is None:
        return
    if f.many:
        given.setdefault(f.name, []).append(value)
    elif f.name in given:
        result.unknown.append((at, value))
    else:
        given[f.name] = value


def _value(f: XmlField, raw: str | None, child: Any, at: str, result: Read[Any]) -> Any:
    if child is not None:
        if child.get("{http://www.w3.org/2001/XMLSchema-instance}nil") in ("true", "1"):
            return None
        if attrs.has(f.type):
            return _struct(f.type, child, at, result)
        if f.wrap and len(child):
            child = child[0]
        raw = _text_of(child)
    text = " ".join((raw or "").split())
    if not text:
        return None
    return scalar(f.type, text)


def _text_of(element: Any) -> str:
    return (element.text or "").strip()


_ZONED = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$")


def scalar(kind: Any, text: str) -> Any:
    """A text as a value of ``kind``. Raises ValueError with the reason."""
    if kind is str:
        return text
    if issubclass(kind, Enum):
        return _member(kind, text)
    if kind is bool:
        if text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
        raise ValueError(f"true or false expected, found {text!r}")
    if kind is int:
        return int(_decimal(text).to_integral_exact()) if _decimal(text) == int(_decimal(text)) else _not_whole(text)
    if issubclass(kind, Decimal):
        return _decimal(text)
    if kind is date:
        return date.fromisoformat(text)
    if issubclass(kind, datetime):
        return _moment(kind, text)
    raise TypeError(f"no reader for {kind}")


def _not_whole(text: str) -> int:
    raise ValueError(f"a whole number expected, found {text!r}")


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number") from None
    if not number.is_finite() or abs(number.adjusted()) > 40:  # beyond this, writing it out would fill the memory
        raise ValueError(f"{text[:40]!r} is no number within reason")
    return number


def _moment(kind: Any, text: str) -> datetime:
    match = _ZONED.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no date and time")
    day, clock, fraction, zone = match.groups()
    found = datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{'+00:00' if zone in (None, 'Z') else zone}")
    return found if kind is LocalTime else found.astimezone(UTC)


@cache
def _members(cls: Any) -> dict[str, Any]:
    exact = {str(m.value): m for m in cls}
    return {**{fold(k): m for k, m in exact.items()}, **exact}


def _member(cls: Any, text: str) -> Any:
    known = _members(cls)
    found = known.get(text) or known.get(fold(text))
    if found is None:
        raise ValueError(f"{text!r} is no {cls.__name__}")
    return found


# --- writing -------------------------------------------------------------------------------------------------------


@cache
def writer(cls: type) -> Callable[[Any, str], str]:
    """A function that writes an object of ``cls`` as the element of a given name (default namespace), compiled once."""
    scope: dict[str, Any] = {"esc": escape, "quote": _quote, "utc": _utc, "local": _local}
    lines = ["parts = ['<', tag]"]
    some = [f for f in fields(cls) if f.kind == ATTRIBUTE]
    for f in some:
        lines += _guard(f, f"parts += (' {f.tag}=\"', {_text(f, 'x', quote=True)}, '\"')")
    below = [f for f in fields(cls) if f.kind == ELEMENT]
    lines.append("parts.append('>')")
    for f in below:
        if attrs.has(f.type):
            scope[f"w_{f.name}"] = writer(f.type)
            body = f"parts.append(w_{f.name}(x, {f.tag!r}))"
        else:
            inner = f"'<{f.wrap}>', {_text(f, 'x')}, '</{f.wrap}>'" if f.wrap else _text(f, "x")
            body = f"parts += ('<{f.tag}>', {inner}, '</{f.tag}>')"
        if f.many:
            lines += [f"for x in o.{f.name} or ():", f"    {body}"]
        else:
            lines += _guard(f, body)
    lines += ["parts += ('</', tag, '>')", "return ''.join(parts)"]
    exec("def write(o, tag):\n" + "\n".join("    " + line for line in lines), scope)  # noqa: S102  (from field names only)
    return scope["write"]  # type: ignore[no-any-return]


def _guard(f: XmlField, body: str) -> list[str]:
    if f.required:
        return [f"x = o.{f.name}", body]
    return [f"x = o.{f.name}", "if x is not None:", f"    {body}"]


def _text(f: XmlField, name: str, *, quote: bool = False) -> str:
    kind = f.type
    if kind is str:
        return f"quote({name})" if quote else f"esc({name})"
    if issubclass(kind, Enum):
        return f"{name}._value_"  # the member's own attribute: ``value`` is a property and three times as slow
    if kind is bool:
        return f"('true' if {name} else 'false')"
    if issubclass(kind, Decimal):
        return f"format({name}, 'f')"
    if kind is LocalTime:
        return f"local({name})"
    if issubclass(kind, datetime):
        return f"utc({name})"
    return f"str({name})"


def escape(text: str) -> str:
    """Text for an element's content."""
    if "&" in text or "<" in text or ">" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def _quote(text: str) -> str:
    if '"' in text or "&" in text or "<" in text or ">" in text:
        return escape(text).replace('"', "&quot;")
    return text


def _utc(moment: datetime) -> str:
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")[:19] + "Z"


def _local(moment: datetime) -> str:
    text = moment.replace(microsecond=0).isoformat()
    return text if moment.tzinfo else text + "+00:00"


def structs(value: Any) -> bool:
    """Whether ``value`` is a JSON wire object (as opposed to an XML one)."""
    return isinstance(value, msgspec.Struct)
