"""What OICP 2.3's field tables are made of in the stand-in for Hubject: types that find faults.

A fault is told as Hubject tells it (FieldValidationError): the place in camelCase, and what is wrong there. Names are
compared exactly; ``null`` is absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from attrs import field, frozen

Fault = tuple[str, str]


class Type(Protocol):
    """A type of the tables."""

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        """What is wrong with ``value``, which is not null."""
        ...


@frozen
class Text:
    """A string, by its length or pattern."""

    most: int | None = None
    least: int = 0
    pattern: re.Pattern[str] | None = None

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, str):
            yield at, "must be a string"
        elif self.pattern is not None and not self.pattern.fullmatch(value):
            yield at, f'must match "{self.pattern.pattern}"'
        elif len(value) < self.least or (self.most is not None and len(value) > self.most):
            yield at, f"size must be between {self.least} and {self.most}"


@frozen
class OneOf:
    """An enumeration."""

    values: frozenset[str]

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, str) or value not in self.values:
            yield at, f"must be one of {', '.join(sorted(self.values))}"


@frozen
class Truth:
    """A boolean."""

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, bool):
            yield at, "must be true or false"


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


@frozen
class Number:
    """A number; ``decimals`` 0 is an integer."""

    decimals: int | None = None
    least: Decimal | None = None
    most: Decimal | None = None

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            yield at, "must be a number"
        elif self.decimals == 0 and not isinstance(value, int):
            yield at, "must be an integer"
        elif self.decimals is not None and isinstance(value, Decimal) and _decimals(value) > self.decimals:
            yield at, f"must have at most {self.decimals} decimals"
        elif (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            yield at, f"must be between {self.least} and {self.most}"


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def moment(value: str) -> datetime:
    """A date and time with offset; raises ValueError."""
    if not _MOMENT.fullmatch(value):
        raise ValueError(value)
    cut = re.sub(r"(\.\d{6})\d+", r"\1", value)
    return datetime.fromisoformat(cut)


@frozen
class Moment:
    """A date and time with offset (ISO 8601)."""

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        try:
            moment(value if isinstance(value, str) else "")
        except ValueError:
            yield at, "must be a date and time with offset (ISO 8601)"


@frozen
class Many:
    """A list."""

    of: Type
    least: int = 0
    most: int | None = None

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield at, "must be a list"
            return
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            yield at, "must not be empty" if not value else f"size must be between {self.least} and {self.most}"
        for i, one in enumerate(value):
            if one is None:
                yield f"{at}[{i}]", "must not be null"
            else:
                yield from self.of.faults(one, f"{at}[{i}]")


@frozen
class Either:
    """One of two shapes, where the documents give both."""

    first: Type
    second: Type

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        found = list(self.first.faults(value, at))
        if found and list(self.second.faults(value, at)):
            yield from found


Rule = Callable[[dict[str, Any], str], Iterator[Fault]]


@frozen
class Obj:
    """An object. ``must`` and ``may`` are its fields, ``aka`` other names for them; ``choice``: exactly one of ``may``."""

    must: dict[str, Type]
    may: dict[str, Type] = field(factory=dict)
    aka: dict[str, str] = field(factory=dict)
    choice: bool = False
    rule: Rule | None = None

    def faults(self, value: Any, at: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield at, "must be an object"
            return
        given: dict[str, Any] = {self.aka.get(name) or name: one for name, one in value.items() if one is not None}
        for name in self.must:
            if name not in given:
                yield below(at, name), "must not be null"
        for name, one in given.items():
            kind = self.must.get(name) or self.may.get(name)
            if kind is None:
                yield below(at, name), "is not known"
            else:
                yield from kind.faults(one, below(at, name))
        if self.choice and len(given) != 1:
            yield at, f"exactly one of {', '.join(self.may)} is needed, found {len(given)}"
        if self.rule is not None:
            yield from self.rule(given, at)


_CAPITALS = re.compile(r"\A(?:[A-Z]+(?=[A-Z][a-z])|[A-Z]+\Z|[A-Z])")


def below(at: str, name: str) -> str:
    """A place in Hubject's camelCase: ``operatorEvseData.evseDataRecord[0].hotlinePhoneNumber``."""
    own = _CAPITALS.sub(lambda found: found[0].lower(), name, count=1)
    return f"{at}.{own}" if at else own


def enum(*values: str) -> OneOf:
    return OneOf(frozenset(values))


def text(pattern: str) -> Text:
    return Text(pattern=re.compile(pattern, re.ASCII))


def words(values: str) -> OneOf:
    """An enumeration of single words."""
    return OneOf(frozenset(values.split()))
