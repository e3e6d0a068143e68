"""What a translation could not carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

DROPPED = "dropped"
"""The value has no place there."""
NARROWED = "narrowed"
"""A coarser or different value stands for it."""
ROUNDED = "rounded"
"""A number lost digits."""
TRUNCATED = "truncated"
"""A text or list lost its end."""
DEFAULTED = "defaulted"
"""The target demanded a value that the source does not have; it was configured or derived by a documented rule."""
REFUSED = "refused"
"""The item, or the whole record, was left out."""

KINDS = (DROPPED, NARROWED, ROUNDED, TRUNCATED, DEFAULTED, REFUSED)


class Loss(NamedTuple):
    """One difference between an object and its translation.

    ``path`` is in the source's field names; in the target's for ``defaulted``. ``value`` is what was lost (for
    ``defaulted``: what was put there). ``because`` says why, for a person.
    """

    path: str
    kind: str
    value: Any
    because: str


_made: Callable[[type[Loss], tuple[Any, ...]], Loss] = tuple.__new__
"""Makes a loss without the checks of its constructor."""


def prefixed(losses: list[Loss], start: int, source: str, target: str) -> None:
    """Move the losses from index ``start`` on below ``source`` (``defaulted`` ones: below ``target``), in place."""
    for i in range(start, len(losses)):
        path, kind, value, because = losses[i]
        base = target if kind == DEFAULTED else source
        losses[i] = _made(Loss, (joined(base, path), kind, value, because))


def joined(base: str, path: str) -> str:
    """``base`` and ``path`` as one dotted path; an index joins without a dot."""
    if not path or not base:
        return base or path
    return base + path if path[0] == "[" else f"{base}.{path}"
