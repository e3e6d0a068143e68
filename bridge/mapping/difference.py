"""Where two objects of one class differ, path by path, up to normal forms that the caller declares.

Absent, null and empty are the same. Decimals, datetimes and texts are compared by what they say: trailing zeros, the
type of an identifier and the zone in which a moment is written do not matter, unless the field is a local time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, lru_cache
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

from attrs import frozen

from bridge.mapping.shape import FieldShape, is_shaped, shape

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
NOTHING: Mapping[Any, Any] = MappingProxyType({})


@frozen
class Form:
    """How one field is compared: as a set, or by what ``said`` makes of its value and owner; and why that is fair."""

    cls: type
    field: str
    because: str
    said: Callable[[Any, Any], Any] | None = None

    @property
    def unordered(self) -> bool:
        """Whether the field is a list whose order means nothing."""
        return self.said is None


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


def empty(value: Any) -> bool:
    """Whether a value says nothing: None, an empty list or text, or an object of which that is true of every part."""
    if value is None or value == () or value == "":
        return True
    return is_shaped(type(value)) and all(empty(getattr(value, one.name)) for one in fields_of(value))


def fields_of(obj: Any) -> Iterable[FieldShape]:
    """The fields of an object's class."""
    cls: Any = type(obj)
    return shape(cls).values()


def is_parted(value: Any) -> bool:
    """Whether a value has parts with paths of their own."""
    return isinstance(value, tuple) or is_shaped(type(value))


SAME = -4
"""What pairing two equal items is worth, against changing fields elsewhere."""
ALIGNED = 4096
"""The most pairs of items that are weighed against each other; longer lists are compared position by position."""


@frozen
class Normal:
    """What two objects may differ in and still count as the same.

    ``forms`` by class and field; ``nothing_said`` are values by which a field says that there is nothing to say;
    ``local`` are types of moments whose offset counts.
    """

    forms: Mapping[tuple[type, str], Form] = NOTHING
    nothing_said: Mapping[tuple[type, str], Any] = NOTHING
    local: tuple[type, ...] = ()

    def differences(self, before: Any, after: Any, lost: Lost = NOTHING) -> list[Difference]:
        """Where ``after`` differs from ``before``, both of one class.

        ``lost`` are list items said to be gone: True, so that nothing in the other list can be they, or, False, perhaps.
        """
        return list(self._compared(before, after, (), (), None, lost))

    def told(self, obj: Any, name: str) -> Any:
        """The value of a field, None where it says that there is nothing to say."""
        value = getattr(obj, name)
        return None if value == self.nothing_said.get((type(obj), name), NOTHING) else value

    def leaves(self, value: Any, path: Steps = ()) -> Iterator[tuple[Steps, Any]]:
        """Every value without parts below ``value``, with its path; what says nothing is left out."""
        if empty(value):
            return
        if isinstance(value, tuple):
            for i, one in enumerate(value):
                yield from self.leaves(one, (*path, i))
        elif is_shaped(type(value)):
            for part in fields_of(value):
                yield from self.leaves(self.told(value, part.name), (*path, part.wire))
        else:
            yield path, value

    # --- values ------------------------------------------------------------------------------------------------------

    def _compared(self, was: Any, now: Any, before: Steps, after: Steps, field: FieldShape | None,
                  lost: Lost = NOTHING) -> Iterator[Difference]:  # fmt: skip
        if empty(was) and empty(now):
            return
        if empty(was) or empty(now):
            yield self._one_sided(was, now, before, after)
        elif isinstance(was, tuple) and isinstance(now, tuple):
            yield from self._lists(was, now, before, after, lost, ordered=True)
        elif is_shaped(type(was)) and type(was) is type(now):
            for part in fields_of(was):
                yield from self._field(was, now, before, after, part, lost)
        elif not self._same(was, now, field):
            yield Difference(before, after, was, now)

    def _field(self, was: Any, now: Any, before: Steps, after: Steps, part: FieldShape, lost: Lost) -> Iterator[Difference]:
        form = self.forms.get((type(was), part.name))
        one, other = self.told(was, part.name), self.told(now, part.name)
        at = (*before, part.wire), (*after, part.wire)
        if form is not None and form.said is not None:
            if (None if empty(one) else form.said(one, was)) != (None if empty(other) else form.said(other, now)):
                yield Difference(*at, one, other, whole=True)
        elif form is not None and not (empty(one) or empty(other)):
            yield from self._lists(one, other, *at, lost, ordered=False)
        else:
            yield from self._compared(one, other, *at, part, lost)

    def _one_sided(self, was: Any, now: Any, before: Steps, after: Steps) -> Difference:
        gone = not empty(was)
        there, value = (before, was) if gone else (after, now)
        parts = tuple(
            Difference(path if gone else before, after if gone else path, one if gone else None, None if gone else one,
                       gone=gone, come=not gone)
            for path, one in self.leaves(value, there)
        )  # fmt: skip
        return Difference(before, after, was, now, gone=gone, come=not gone, parts=parts if is_parted(value) else ())

    def _same(self, was: Any, now: Any, field: FieldShape | None) -> bool:
        if isinstance(was, datetime) and isinstance(now, datetime):
            local = field is not None and isinstance(field.type, type) and issubclass(field.type, self.local)
            return was == now and (not local or was.utcoffset() == now.utcoffset())
        if isinstance(was, bool) != isinstance(now, bool):
            return False
        if isinstance(was, str) and isinstance(now, str):
            return str(was) == str(now)
        return bool(was == now)

    # --- lists -------------------------------------------------------------------------------------------------------

    def _lists(self, was: Any, now: Any, before: Steps, after: Steps, lost: Lost, *, ordered: bool) -> Iterator[Difference]:
        i: Any
        j: Any
        doomed = {i: lost[(*before, i)] for i in range(len(was)) if (*before, i) in lost}
        for i, j in self._paired(was, now, doomed) if ordered else self._matched(was, now, doomed):
            if i is None:
                yield self._one_sided(None, now[j], before, (*after, j))
            elif j is None:
                yield self._one_sided(was[i], None, (*before, i), after)
            else:
                yield from self._compared(was[i], now[j], (*before, i), (*after, j), None, lost)

    def _matched(self, was: Any, now: Any, doomed: Mapping[int, bool]) -> list[tuple[Any, Any]]:
        """Items of two lists whose order means nothing: those that are most alike, as long as there are any on both sides."""
        alive = [i for i in range(len(was)) if not doomed.get(i)]
        ranked = sorted((self._cost(was[i], now[j]), i in doomed, i, j) for i in alive for j in range(len(now)))
        pairs: dict[int, int] = {}
        for _, _, i, j in ranked:
            if i not in pairs and j not in pairs.values():
                pairs[i] = j
        return [*((i, pairs.get(i)) for i in range(len(was))), *((None, j) for j in range(len(now)) if j not in pairs.values())]

    def _paired(self, was: Any, now: Any, doomed: Mapping[int, bool] = NOTHING) -> list[tuple[int | None, int | None]]:
        """Items of two lists by the cheapest alignment that keeps the order: an item changes, goes or comes."""
        if len(was) == len(now) and not doomed:
            return [(i, i) for i in range(len(was))]
        if len(was) * len(now) > ALIGNED:
            return list(zip_longest(range(len(was)), range(len(now))))
        goes = [0 if i in doomed else self._weight(one) for i, one in enumerate(was)]
        comes = [self._weight(one) for one in now]

        @cache
        def best(i: int, j: int) -> tuple[int, tuple[tuple[int | None, int | None], ...]]:
            options: list[tuple[int, tuple[tuple[int | None, int | None], ...]]] = []
            if i < len(was) and j < len(now) and not doomed.get(i):
                cost, rest = best(i + 1, j + 1)
                options.append((cost + (self._cost(was[i], now[j]) or SAME), ((i, j), *rest)))
            if i < len(was):
                cost, rest = best(i + 1, j)
                options.append((cost + goes[i], ((i, None), *rest)))
            if j < len(now):
                cost, rest = best(i, j + 1)
                options.append((cost + comes[j], ((None, j), *rest)))
            return min(options, key=lambda option: option[0]) if options else (0, ())

        return list(best(0, 0)[1])

    def _weight(self, value: Any) -> int:
        return sum(1 for _ in self.leaves(value)) or 1

    def _cost(self, was: Any, now: Any) -> int:
        return sum(len(d.parts) or 1 for d in self._compared(was, now, (), (), None))
