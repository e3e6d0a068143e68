"""What a partner will read in a record: the bytes that are about to be sent, read by the same codec and mapping."""

from __future__ import annotations

from bridge.codec.lenient import Unreadable
from bridge.errors import Refused
from bridge.mapping.engine import Bound
from bridge.mapping.loss import DEFAULTED
from bridge.mapping.registry import Entry
from bridge.roaming.ports import Encoded, ReadBack


def read_back(entry: Entry, bound: Bound, encoded: Encoded) -> ReadBack:
    """The record in canonical terms, and what it holds because the format demands it. Raises Refused."""
    try:
        read = entry.codec.exact()(encoded.body)
    except Unreadable as why:
        raise Refused(why.path, why.because, why.value) from why
    for path, _, because in read.repairs:
        raise Refused(path, f"{because}: left out in reading")
    obj, losses = bound.to_canon(read.value)

    def canonical(path: str) -> tuple[str, ...]:
        return tuple(bound.mapping.beside(bound.mapping.to_canon_path(path), out=True))

    added = tuple((canonical(loss.path), loss.value) for _, loss in encoded.losses if loss.kind == DEFAULTED)
    unread = tuple((canonical(loss.path), loss.because) for loss in losses if loss.kind != DEFAULTED)
    return ReadBack(obj, added, unread, bound.settings.allow)
