"""Where two objects of one class differ, path by path, up to the normal forms declared here.

Absent, null and empty are the same. Decimals, datetimes and texts are compared by what they say: trailing zeros, the
type of an identifier and the zone in which a moment is written do not matter, unless the field is a local time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from attrs import frozen

from bridge.codec.xml import LocalTime
from bridge.mapping.shape import FieldShape, is_shaped, shape
from tests.laws.normal import FORMS, NOTHING_SAID

Steps = tuple[str | int, ...]

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@lru_cache(maxsize=65536)
def steps(path: str) -> Steps:
    """``evses[0].id`` as ``("evses", 0, "id")``."""
    return tuple(name or int(index) for name, index in _STEP.findall(path))


def spelled(path: Steps) -> str:
    """The path as text."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


Lost = Mapping[Steps, bool]
NOTHING: Mapping[Any, bool] = MappingProxyType({})


@frozen
class Difference:
    """One field that differs. ``before`` is its path in the first object, ``after`` in the second.

    A value that is there in one object only has ``gone`` or ``come`` set; if it has parts, ``parts`` are the leaves.
    ``whole``: the field is compared as one, though it may have parts.
    """

    before: Steps
    after: Steps
    was: Any
    now: Any
    gone: bool = False
    come: bool = False
    parts: tuple[Difference, ...] = ()
    whole: bool = False

    def __str__(self) -> str:
        return f"{spelled(self.before) or '$'}: {self.was!r} -> {self.now!r}"


def differences(before: Any, after: Any, lost: Lost = NOTHING) -> list[Difference]:
    """Where ``after`` differs from ``before``, both of one class.

    ``lost`` are list items said to be gone: True, so that nothing in the other list can be they, or, False, perhaps.
    """
    return list(_compared(before, after, (), (), None, lost))


def empty(value: Any) -> bool:
    """Whether a value says nothing: None, an empty list or text, or an object of which that is true of every part."""
    if value is None or value == () or value == "":
        return True
    return is_shaped(type(value)) and all(empty(getattr(value, one.name)) for one in fields_of(value))


def fields_of(obj: Any) -> Iterable[FieldShape]:
    """The fields of an object's class."""
    cls: Any = type(obj)
    return shape(cls).values()


def _compared(was: Any, now: Any, before: Steps, after: Steps, field: FieldShape | None,
              lost: Lost = NOTHING) -> Iterator[Difference]:  # fmt: skip
    if empty(was) and empty(now):
        return
    if empty(was) or empty(now):
        yield _one_sided(was, now, before, after)
    elif isinstance(was, tuple) and isinstance(now, tuple):
        yield from _lists(was, now, before, after, lost, ordered=True)
    elif is_shaped(type(was)) and type(was) is type(now):
        for part in fields_of(was):
            yield from _field(was, now, before, after, part, lost)
    elif not _same(was, now, field):
        yield Difference(before, after, was, now)


def _field(was: Any, now: Any, before: Steps, after: Steps, part: FieldShape, lost: Lost) -> Iterator[Difference]:
    form = FORMS.get((type(was), part.name))
    one, other = told(was, part.name), told(now, part.name)
    at = (*before, part.wire), (*after, part.wire)
    if form is not None and form.said is not None:
        if (None if empty(one) else form.said(one, was)) != (None if empty(other) else form.said(other, now)):
            yield Difference(*at, one, other, whole=True)
    elif form is not None and not (empty(one) or empty(other)):
        yield from _lists(one, other, *at, lost, ordered=False)
    else:
        yield from _compared(one, other, *at, part, lost)


def told(obj: Any, name: str) -> Any:
    """The value of a field, None where it says that there is nothing to say."""
    value = getattr(obj, name)
    return None if value == NOTHING_SAID.get((type(obj), name), NOTHING_SAID) else value


def _one_sided(was: Any, now: Any, before: Steps, after: Steps) -> Difference:
    gone = not empty(was)
    there, value = (before, was) if gone else (after, now)
    parts = tuple(
        Difference(path if gone else before, after if gone else path, one if gone else None, None if gone else one,
                   gone=gone, come=not gone)
        for path, one in leaves(value, there)
    )  # fmt: skip
    return Difference(before, after, was, now, gone=gone, come=not gone, parts=parts if is_parted(value) else ())


def is_parted(value: Any) -> bool:
    """Whether a value has parts with paths of their own."""
    return isinstance(value, tuple) or is_shaped(type(value))


def leaves(value: Any, path: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Every value without parts below ``value``, with its path; what says nothing is left out."""
    if empty(value):
        return
    if isinstance(value, tuple):
        for i, one in enumerate(value):
            yield from leaves(one, (*path, i))
    elif is_shaped(type(value)):
        for part in fields_of(value):
            yield from leaves(told(value, part.name), (*path, part.wire))
    else:
        yield path, value


def _same(was: Any, now: Any, field: FieldShape | None) -> bool:
    if isinstance(was, datetime) and isinstance(now, datetime):
        local = field is not None and isinstance(field.type, type) and issubclass(field.type, LocalTime)
        return was == now and (not local or was.utcoffset() == now.utcoffset())
    if isinstance(was, bool) != isinstance(now, bool):
        return False
    if isinstance(was, str) and isinstance(now, str):
        return str(was) == str(now)
    return bool(was == now)


# --- lists ----------------------------------------------------------------------------------------------------------


def _lists(was: Any, now: Any, before: Steps, after: Steps, lost: Lost, *, ordered: bool) -> Iterator[Difference]:
    i: Any
    j: Any
    doomed = {i: lost[(*before, i)] for i in range(len(was)) if (*before, i) in lost}
    for i, j in _paired(was, now, doomed) if ordered else _matched(was, now, doomed):
        if i is None:
            yield _one_sided(None, now[j], before, (*after, j))
        elif j is None:
            yield _one_sided(was[i], None, (*before, i), after)
        else:
            yield from _compared(was[i], now[j], (*before, i), (*after, j), None, lost)


def _matched(was: Any, now: Any, doomed: Mapping[int, bool]) -> list[tuple[Any, Any]]:
    """Items of two lists whose order means nothing: those that are most alike, as long as there are any on both sides."""
    alive = [i for i in range(len(was)) if not doomed.get(i)]
    ranked = sorted((_cost(was[i], now[j]), i in doomed, i, j) for i in alive for j in range(len(now)))
    pairs: dict[int, int] = {}
    for _, _, i, j in ranked:
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return [*((i, pairs.get(i)) for i in range(len(was))), *((None, j) for j in range(len(now)) if j not in pairs.values())]


SAME = -4
"""What pairing two equal items is worth, against changing fields elsewhere."""


def _paired(was: Any, now: Any, doomed: Mapping[int, bool] = NOTHING) -> list[tuple[int | None, int | None]]:
    """Items of two lists by the cheapest alignment that keeps the order: an item changes, goes or comes."""
    if len(was) == len(now) and not doomed:
        return [(i, i) for i in range(len(was))]
    goes = [0 if i in doomed else _weight(one) for i, one in enumerate(was)]
    comes = [_weight(one) for one in now]

    @cache
    def best(i: int, j: int) -> tuple[int, tuple[tuple[int | None, int | None], ...]]:
        options: list[tuple[int, tuple[tuple[int | None, int | None], ...]]] = []
        if i < len(was) and j < len(now) and not doomed.get(i):
            cost, rest = best(i + 1, j + 1)
            options.append((cost + (_cost(was[i], now[j]) or SAME), ((i, j), *rest)))
        if i < len(was):
            cost, rest = best(i + 1, j)
            options.append((cost + goes[i], ((i, None), *rest)))
        if j < len(now):
            cost, rest = best(i, j + 1)
            options.append((cost + comes[j], ((None, j), *rest)))
        return min(options, key=lambda option: option[0]) if options else (0, ())

    return list(best(0, 0)[1])


def _weight(value: Any) -> int:
    return sum(1 for _ in leaves(value)) or 1


def _cost(was: Any, now: Any) -> int:
    return sum(len(d.parts) or 1 for d in _compared(was, now, (), (), None))
