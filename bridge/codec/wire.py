"""Building blocks of JSON wire types: structs that mirror a specification, with the lengths it allows.

Lengths are annotations for writing: what comes in longer is still read. ``ident`` marks identifiers, which are never
cut: an object whose identifier is too long for the other side is refused.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec


class Wire(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A wire object. Absent, null and empty read the same: None."""


MUST = msgspec.Meta(extra={"required": True})
"""Marks what must be written, though readers have to do without it (OICP pulls hold nulls from older partners)."""


def Or(member: Enum) -> msgspec.Meta:  # noqa: N802  (stands among the annotations, like a type)
    """Marks an enumeration that is open: readers take ``member`` for values that they do not know, and report them."""
    return msgspec.Meta(extra={"or": member})


def _text(limit: int) -> msgspec.Meta:
    return msgspec.Meta(extra={"max": limit})


def _ident(limit: int) -> msgspec.Meta:
    return msgspec.Meta(extra={"max": limit, "ident": True})


Ci2 = Annotated[str, _ident(2)]
Ci3 = Annotated[str, _ident(3)]
Ci4 = Annotated[str, _ident(4)]
Ci5 = Annotated[str, _ident(5)]
Ci32 = Annotated[str, _ident(32)]
Ci36 = Annotated[str, _ident(36)]
Ci39 = Annotated[str, _ident(39)]
Ci48 = Annotated[str, _ident(48)]
Ci25 = Annotated[str, _ident(25)]
S2 = Annotated[str, _text(2)]
S3 = Annotated[str, _text(3)]
S4 = Annotated[str, _text(4)]
S5 = Annotated[str, _text(5)]
S10 = Annotated[str, _text(10)]
S11 = Annotated[str, _text(11)]
S12 = Annotated[str, _text(12)]
S16 = Annotated[str, _text(16)]
S20 = Annotated[str, _text(20)]
S36 = Annotated[str, _text(36)]
S45 = Annotated[str, _text(45)]
S50 = Annotated[str, _text(50)]
S64 = Annotated[str, _text(64)]
S100 = Annotated[str, _text(100)]
S150 = Annotated[str, _text(150)]
S200 = Annotated[str, _text(200)]
S250 = Annotated[str, _text(250)]
S255 = Annotated[str, _text(255)]
S400 = Annotated[str, _text(400)]
S512 = Annotated[str, _text(512)]
S1000 = Annotated[str, _text(1000)]
S3000 = Annotated[str, _text(3000)]
S5000 = Annotated[str, _text(5000)]
