"""The mapping engine: rows, value tables, losses. See docs/mappings.md."""

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
