"""The mapping engine: rows, value tables, losses. See docs/mappings.md."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.mapping.context import Context, Facts, Settings
    from bridge.mapping.convert import (
        KEEP_REST,
        MILLISECONDS,
        SAME,
        UTC_TIME,
        WHOLE,
        At,
        Converter,
        Custom,
        Digits,
        Each,
        First,
        Memo,
        Of,
        One,
        Parsed,
        Scaled,
        Table,
        UpTo,
        WholeSeconds,
        by_name,
    )
    from bridge.mapping.engine import Bound, Mapping, MappingError
    from bridge.mapping.loss import (
        DEFAULTED,
        DROPPED,
        NARROWED,
        REFUSED,
        ROUNDED,
        TRUNCATED,
        Loss,
    )
    from bridge.mapping.rows import ANYTHING, Row, Source, derived, from_partner, no_place, no_source, row

__all__ = [
    "ANYTHING",
    "DEFAULTED", "DROPPED", "KEEP_REST", "MILLISECONDS", "NARROWED", "REFUSED", "ROUNDED", "SAME", "TRUNCATED", "UTC_TIME", "WHOLE",
    "At", "Bound", "Context", "Converter", "Custom", "Digits", "Each", "Facts", "First", "Loss", "Mapping",
    "MappingError", "Memo", "Of", "One", "Parsed", "Row", "Scaled", "Settings", "Source", "Table", "UpTo",
    "WholeSeconds", "by_name", "derived", "from_partner", "no_place", "no_source", "row",
]  # fmt: skip

_MODULES = {
    "context": ("Context", "Facts", "Settings"),
    "convert": (
        "KEEP_REST", "MILLISECONDS", "SAME", "UTC_TIME", "WHOLE", "At", "Converter", "Custom", "Digits", "Each",
        "First", "Memo", "Of", "One", "Parsed", "Scaled", "Table", "UpTo", "WholeSeconds", "by_name"),
    "engine": ("Bound", "Mapping", "MappingError"),
    "loss": ("DEFAULTED", "DROPPED", "NARROWED", "REFUSED", "ROUNDED", "TRUNCATED", "Loss"),
    "rows": ("ANYTHING", "Row", "Source", "derived", "from_partner", "no_place", "no_source", "row"),
}  # fmt: skip
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """What is asked for, and no more: who only knows losses does not need the compiler of mappings."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    return found
