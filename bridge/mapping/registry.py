"""Which formats and kinds there are, and where third parties add theirs.

A package that brings mappings names a module in the entry-point group ``evbridge.mappings``; the module has a tuple
``FORMATS`` of :class:`Entry`. The entry point's name is the family (``ocpi`` for ``ocpi-2.2.1``); modules are loaded when
a format of their family is asked for, or when everything is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from attrs import field, frozen

from bridge.mapping.engine import Mapping

KINDS = ("location", "status", "token", "tariff", "session", "cdr")
GROUP = "evbridge.mappings"

LOCATION = "location"
UNIT = "unit"


class UnknownFormat(LookupError):
    """A format or kind that is not built."""


@frozen
class Entry:
    """How one kind of record travels in one format.

    ``mapping`` is for records, ``message_mapping`` (if it differs) for whole messages. ``carries`` is ``location`` or
    ``unit`` for locations, else the kind. ``codec`` reads and writes files (see :mod:`bridge.translate.files`).
    ``ident`` gives the identifier by which losses name a wire record.
    """

    format: str
    kind: str
    mapping: Mapping
    codec: Any
    ident: Callable[[Any], str]
    carries: str = ""
    message_mapping: Mapping | None = None
    aliases: dict[str, str] = field(factory=dict)
    notes: str = ""

    @property
    def family(self) -> str:
        """The protocol without its version."""
        return self.format.split("-", maxsplit=1)[0]


@cache
def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


@cache
def _loaded(point: EntryPoint) -> tuple[Entry, ...]:
    return tuple(point.load().FORMATS)


def find(format_: str, kind: str) -> Entry:
    """The entry for a format and kind. Raises :class:`UnknownFormat` with what there is."""
    family = format_.split("-", maxsplit=1)[0]
    points = sorted(_points(), key=lambda p: p.name != family)
    for point in points:
        for entry in _loaded(point):
            if entry.format == format_ and entry.kind == kind:
                return entry
        if point.name == family and any(e.format == format_ for e in _loaded(point)):
            have = sorted({e.kind for p in points for e in _loaded(p) if e.format == format_})
            raise UnknownFormat(f"{format_} has no {kind} (it has {', '.join(have)})")
    raise UnknownFormat(f"format {format_} is not built (there are {', '.join(sorted({e.format for e in every()}))})")


def every() -> tuple[Entry, ...]:
    """All entries, built in and of third parties."""
    return tuple(entry for point in _points() for entry in _loaded(point))
