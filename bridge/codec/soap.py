"""SOAP 1.1 envelopes and faults: written from templates, read hardened, large ones as a stream.

Reading refuses a DOCTYPE (SOAP 1.1, section 3, forbids it), with it every entity, and what is larger than the reader was
told to take. Whatever is in the body is left to the protocol. Namespace prefixes in bodies are the writer's own; a body
element brings its default namespace with it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field, frozen
from lxml import etree

from bridge.codec import xml
from bridge.codec.lenient import Unreadable
from bridge.codec.xml import Hostile, local

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"
CONTENT_TYPE = "text/xml; charset=utf-8"
MOST_BYTES = 64 * 1024 * 1024
"""A larger message is refused unless the caller says otherwise."""

_OPENING = f'<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenv="{SOAP}">'


class WrongVersion(Unreadable):
    """An envelope of another SOAP version (SOAP 1.1, section 4.1.2: fault VersionMismatch)."""


# --- writing -------------------------------------------------------------------------------------------------------


def envelope(body: bytes, header: str = "") -> bytes:
    """The envelope around a finished body element; ``header`` holds finished header blocks."""
    return b"".join(pieces((body,), header))


def pieces(body: Iterable[bytes], header: str = "") -> Iterator[bytes]:
    """The same in pieces, for a body too large to be held."""
    head = f"<soapenv:Header>{header}</soapenv:Header>" if header else ""
    yield f"{_OPENING}{head}<soapenv:Body>".encode()
    yield from body
    yield b"</soapenv:Body></soapenv:Envelope>"


def element(name: str, namespace: str, records: Iterable[bytes] = ()) -> bytes:
    """A body element in the default namespace ``namespace`` around finished records."""
    return b"".join((f'<{name} xmlns="{namespace}">'.encode(), *records, f"</{name}>".encode()))


def fault(code: str, text: str, detail: str = "", header: str = "") -> bytes:
    """An envelope with a fault. ``code``: ``Client``, ``Server``, ``MustUnderstand``, ``VersionMismatch``, or ``{ns}name``."""
    namespace, _, name = code.rpartition("}")
    if namespace:
        code_element = f'<faultcode xmlns:c="{xml.escape(namespace[1:])}">c:{xml.escape(name)}</faultcode>'
    else:
        code_element = f"<faultcode>soapenv:{xml.escape(name)}</faultcode>"
    more = f"<detail>{detail}</detail>" if detail else ""
    return envelope(
        f"<soapenv:Fault>{code_element}<faultstring>{xml.escape(legal(text))}</faultstring>{more}</soapenv:Fault>".encode(),
        header,
    )


def legal(text: str) -> str:
    """``text`` without the characters that no XML may hold."""
    return xml.ILLEGAL.sub("\ufffd", text)


def is_legal(text: str) -> bool:
    """Whether XML may hold every character of ``text`` (XML 1.0, production Char)."""
    return xml.ILLEGAL.search(text) is None


# --- reading -------------------------------------------------------------------------------------------------------


@frozen
class Message:
    """A message: the Header element, if there is one, and the body element (None: the Body is empty)."""

    header: Any
    body: Any

    @property
    def name(self) -> str:
        """The body element's name without its namespace."""
        return "" if self.body is None else local(self.body)

    @property
    def namespace(self) -> str:
        """The body element's namespace."""
        return "" if self.body is None else etree.QName(self.body).namespace or ""


class Fault(Exception):
    """A fault in an answer. ``code`` is the last name of the fault code, ``namespace`` what its prefix stands for."""

    def __init__(self, code: str, text: str, namespace: str = SOAP) -> None:
        super().__init__(f"SOAP fault {code}: {text}")
        self.code = code
        self.text = text
        self.namespace = namespace

    @property
    def family(self) -> str:
        """``Client`` for ``Client.Authentication`` (SOAP 1.1, section 4.4.1)."""
        return self.code.partition(".")[0]

    @property
    def definite(self) -> bool:
        """Whether the same request would be refused again."""
        return self.namespace == SOAP and self.family in ("Client", "VersionMismatch", "MustUnderstand")


def parse(data: bytes, most: int = MOST_BYTES) -> Message:
    """A message from its bytes. Raises Hostile (DOCTYPE, too large), WrongVersion, or Unreadable with the reason."""
    if len(data) > most:
        raise Hostile(f"{len(data)} bytes, at most {most}")
    if _has_doctype(data[:4096]):  # before anything is parsed: an entity may be used in the first tag
        raise Hostile("a DOCTYPE is refused")
    return opened(xml.parse(data))


def opened(root: Any) -> Message:
    """The parts of an Envelope element."""
    _check_root(root)
    header, body = None, None
    for child in root:
        if etree.QName(child).namespace != SOAP:
            raise Unreadable(local(child), "only Header and Body stand in an Envelope")
        if local(child) == "Header" and header is None and body is None:
            header = child
        elif local(child) == "Body" and body is None:
            body = child
        else:
            raise Unreadable(local(child), "one Header, then one Body")
    if body is None:
        raise Unreadable("Envelope", "no Body")
    if len(body) > 1:
        raise Unreadable("Body", f"{len(body)} elements in the Body, one expected")
    return Message(header, body[0] if len(body) else None)


def _check_root(root: Any) -> None:
    name = etree.QName(root)
    if name.localname != "Envelope":
        raise Unreadable("", f"no SOAP envelope, but {name.localname}")
    if name.namespace != SOAP:
        raise WrongVersion("Envelope", f"SOAP 1.1 expected, found an envelope of {name.namespace}")


_DOCTYPE = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->)*<!DOCTYPE", re.DOTALL)


def _has_doctype(start: bytes) -> bool:
    """Whether the prolog that ``start`` begins with holds a DOCTYPE."""
    kind = "utf-16" if start.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)) else "utf-8-sig"
    return _DOCTYPE.match(start.decode(kind, "replace")) is not None


def as_fault(message: Message) -> Fault | None:
    """The fault that a message holds, if its body is one."""
    body = message.body
    if body is None or local(body) != "Fault" or message.namespace not in (SOAP, SOAP_12):
        return None
    parts = {local(child): child for child in body}
    given = parts.get("faultcode", parts.get("Code"))
    if given is None:
        return Fault("", "a fault without a code")
    if len(given):  # SOAP 1.2: Code/Value
        given = given[0]
    prefix, colon, name = (given.text or "").strip().rpartition(":")
    words = parts.get("faultstring", parts.get("Reason"))
    text = "" if words is None else " ".join("".join(words.itertext()).split())
    namespace = given.nsmap.get(prefix, SOAP) if colon else SOAP
    if namespace == SOAP_12:
        namespace, name = SOAP, {"Sender": "Client", "Receiver": "Server"}.get(name, name)
    return Fault(name, text[:1000], namespace)


def not_understood(message: Message, known: frozenset[str]) -> str | None:
    """The name of a header block that must be understood here and is not among the namespaces ``known``."""
    if message.header is None:
        return None
    for block in message.header:
        name = etree.QName(block)
        meant = block.get(f"{{{SOAP}}}actor") in (None, "", NEXT)
        if meant and block.get(f"{{{SOAP}}}mustUnderstand") in ("1", "true") and name.namespace not in known:
            return name.localname
    return None


# --- reading a stream ----------------------------------------------------------------------------------------------


@define
class Stream:
    """An envelope read as it arrives: the elements named ``tags`` are given out one by one and then forgotten.

    Feed it the bytes, then close it: only what was closed without an error was whole. An element given out is valid
    until the generator moves on. A fault in the body raises :class:`Fault`.
    """

    tags: frozenset[str]
    most: int = MOST_BYTES
    _parser: Any = field(init=False)
    _size: int = field(init=False, default=0)
    _root: Any = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        wanted = tuple(f"{{*}}{tag}" for tag in sorted(self.tags))
        self._parser = etree.XMLPullParser(
            events=("start", "end"), tag=("{*}Envelope", f"{{{SOAP}}}Fault", *wanted), resolve_entities=False, no_network=True,
            load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True)  # fmt: skip

    def feed(self, data: bytes) -> Iterator[tuple[str, Any]]:
        """The elements that these bytes complete, with their names. Raises Hostile, WrongVersion, Unreadable or Fault."""
        self._size += len(data)
        if self._size > self.most:
            raise Hostile(f"more than {self.most} bytes")
        if self._root is None and _has_doctype(data[:4096]):
            raise Hostile("a DOCTYPE is refused")
        try:
            self._parser.feed(data)
            yield from self._found()
        except etree.XMLSyntaxError as why:
            raise Unreadable("", f"no XML: {why.msg}") from why
        if self._root is None and self._size > 1 << 16:
            raise Unreadable("", "no SOAP envelope")

    def close(self) -> Iterator[tuple[str, Any]]:
        """The last elements; raises Unreadable if the message is not whole."""
        try:
            root = self._parser.close()
            yield from self._found()
        except etree.XMLSyntaxError as why:
            raise Unreadable("", f"no XML: {why.msg}") from why
        _check_root(root)

    def _found(self) -> Iterator[tuple[str, Any]]:
        for event, found in self._parser.read_events():
            name = local(found)
            if event == "start":
                if self._root is None:
                    self._begin(found)
            elif name == "Fault" and etree.QName(found).namespace == SOAP:
                raise as_fault(Message(None, found)) or Fault("", "")
            elif name in self.tags and not _inside(found, self.tags):
                yield name, found
                _forget(found)

    def _begin(self, first: Any) -> None:
        root = first.getroottree()
        if root.docinfo.doctype:
            raise Hostile("a DOCTYPE is refused")
        self._root = root.getroot()
        _check_root(self._root)


def _inside(found: Any, tags: frozenset[str]) -> bool:
    return any(local(above) in tags for above in found.iterancestors())


def _forget(found: Any) -> None:
    found.clear()
    above = found.getparent()
    while above is not None and found.getprevious() is not None:
        del above[0]
