"""Nothing is invented: what a mapping puts out without a partner file was put in, or is told as derived by a documented rule.

Every mapping, both ways, with the smallest object that it takes: reduced field by field from a full one.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from bridge.errors import Refused
from bridge.mapping import DEFAULTED, Loss, Mapping, Settings
from bridge.mapping.difference import Steps, empty, fields_of, spelled, steps
from bridge.mapping.rows import has_reads_as
from bridge.mapping.shape import MISSING, is_shaped
from bridge.model import cdr, location, session, tariff
from tests.laws import generators, law
from tests.laws.normal import NORMAL

CASES = law.cases()
CONFIGURED = "configured: "
FACTORS = tuple(Decimal(f) for f in ("1", "1000", "0.001", "60", "3600"))
"""Units that one protocol writes and another does not: W and kW, minutes, hours and seconds."""


RULES: tuple[tuple[type, str, str], ...] = (
    (cdr.Cdr, r"utc_offset_minutes", "the offset in which the times are written"),
    (cdr.Cdr, r"total_(energy|time|parking_time|\w+_cost\.excl)", "the sum of the priced lines of that kind"),
    (cdr.Cdr, r".*\.incl", "the amount before taxes and the named taxes"),
    (session.Session, r".*\.incl", "the amount before taxes and the named taxes"),
    (location.Unit, r"place\.hours\.regular\[\d+\]\.weekday", "the number of a day that is named, alone or in a group"),
    (tariff.Tariff, r"elements\[\d+\]\.restrictions\.(days\[\d+\]|windows\[\d+\]\.weekday)", "the number of a day that is named"),
    (tariff.Tariff, r"elements\[\d+\]\.components\[\d+\]\.step", "1: no step"),
)
"""What reading derives by a documented rule: class, path, rule."""


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("way", ["out", "back"])
def test_what_comes_out_was_put_in_or_is_told_as_derived(case: law.Case, way: str) -> None:
    """The smallest object, and the full one that it was made of."""
    out = way == "out"
    partner, full = _first(case, out)
    for given in (full, smallest(case, full, partner, out=out)):
        there, losses = _map(case, given, partner, out)
        assert not empty(there)
        assert not list(invented(case.mapping, given, there, losses, out=out))
        if partner is law.NONE:
            configured = [loss for loss in losses if loss.kind == DEFAULTED and loss.because.startswith(CONFIGURED)]
            assert not configured, "told as configured, and there is no partner file"


def test_an_invented_value_would_be_found() -> None:
    """The check itself: a phone number and a moment that nobody told of."""
    case = next(c for c in CASES if c.name == "oicp-2.3 location")
    partner, full = _first(case, True)
    assert partner is law.NONE
    given = smallest(case, full, partner, out=True)
    there, losses = _map(case, given, partner, True)
    assert not list(invented(case.mapping, given, there, losses, out=True))
    for name, value in (("HotlinePhoneNumber", "+49800555555"), ("lastUpdate", datetime(2020, 2, 2)), ("MaxCapacity", 50)):  # noqa: DTZ001
        made_up = msgspec.structs.replace(there, **{name: value})
        assert [path for path, _ in invented(case.mapping, given, made_up, losses, out=True)] == [name]


# --- what is invented -------------------------------------------------------------------------------------------------


def invented(mapping: Mapping, given: Any, there: Any, losses: list[Loss], *, out: bool) -> Iterator[tuple[str, Any]]:
    """Values of ``there``, with their paths, that are neither of the object given nor told of."""
    told = [steps(loss.path) for loss in losses if loss.kind == DEFAULTED]
    reasons = " ".join(loss.because for loss in losses)
    values = [value for _, value in NORMAL.leaves(given)]
    for path, value in NORMAL.leaves(there):
        if path[0] == "extra" or any(path[: len(start)] == start for start in told) or _declared(mapping, path, value, out=out):
            continue
        if any(type(there) is cls and re.fullmatch(pattern, spelled(path)) for cls, pattern, _ in RULES):
            continue
        if not (_has_source(mapping, given, path, out=out) and _from(value, values, reasons)):
            yield spelled(path), value


def _declared(mapping: Mapping, path: Steps, value: Any, *, out: bool) -> bool:
    """Whether a field that the other side cannot say is read as its row declares."""
    return not out and any(r.canon and has_reads_as(r) and steps(r.canon[0]) == path and r.reads_as == value for r in mapping.rows)


def _has_source(mapping: Mapping, given: Any, path: Steps, *, out: bool) -> bool:
    """Whether the row that writes ``path`` had anything to write it from."""
    for one in mapping.rows:
        mine, theirs = ((*one.canon, *one.using), one.wire) if out else (one.wire, one.canon)
        if any(path[: len(start)] == start for start in (_steps(p) for p in theirs)):
            return any(not p or not empty(law.at(given, _steps(p))) for p in mine)
    return False


def _steps(path: str) -> Steps:
    return tuple(part.rstrip("_") for part in path.split(".")) if path else ()


def _from(value: Any, values: list[Any], reasons: str) -> bool:
    """Whether a value is one of those given, as it is, in another unit, or put together of them."""
    if isinstance(value, bool | Enum):
        return True  # of the values of a table: the row had a source
    if isinstance(value, datetime):
        return any(isinstance(v, datetime) and abs((v - value).total_seconds()) < 1 for v in values)
    if isinstance(value, int | Decimal):
        return any(Decimal(value) == v * factor for v in _numbers(values) for factor in FACTORS) or str(value) in _text(values)
    text = _text(values)
    squeezed = re.sub(r"[\W_]+", "", text)
    return str(value) in reasons or all(t in text or t in squeezed for t in re.findall(r"[^\W_]+", str(value).casefold()))


def _numbers(values: list[Any]) -> Iterator[Decimal]:
    for value in values:
        if not isinstance(value, bool | Enum) and re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
            yield Decimal(str(value))


def _text(values: list[Any]) -> str:
    return " ".join(str(value) for value in values).casefold()


# --- the smallest object ----------------------------------------------------------------------------------------------


@cache
def _first(case: law.Case, out: bool) -> tuple[Settings, Any]:
    """The simplest full object that is mapped without a partner file; with the example one where nothing is without."""
    strategy = generators.objects(case.mapping.canon if out else case.mapping.wire, full=True)
    relaxed = settings(max_examples=100, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
                       suppress_health_check=list(HealthCheck))  # fmt: skip
    for partner in (law.NONE, law.example()):
        with contextlib.suppress(NoSuchExample):
            return partner, find(strategy, functools.partial(_mapped, case, partner, out), settings=relaxed)
    raise AssertionError(f"{case}: no example is mapped")


def _map(case: law.Case, obj: Any, partner: Settings, out: bool) -> tuple[Any, list[Loss]]:
    bound = case.mapping.bind(partner, case.entry.format)
    return (bound.to_wire if out else bound.to_canon)(obj, law.FACTS)


def _mapped(case: law.Case, partner: Settings, out: bool, obj: Any) -> bool:
    try:
        _map(case, obj, partner, out)
    except Refused:
        return False
    return True


def smallest(case: law.Case, obj: Any, partner: Settings, *, out: bool) -> Any:
    """``obj`` without everything that it can do without and still be mapped."""
    for _ in range(3):
        before = obj
        obj = _reduced(obj, functools.partial(_mapped, case, partner, out))
        if obj == before:
            break
    return obj


def _reduced(obj: Any, works: Any) -> Any:
    for one in fields_of(obj):
        value = getattr(obj, one.name)
        least = () if one.many and not one.optional else None
        if not empty(value) and one.default is not MISSING and not (one.required and not attrs.has(type(obj))):
            without = _with(obj, one.name, one.default if one.default is not None else least)
            if works(without):
                obj = without
                continue
        if is_shaped(type(value)):
            obj = _with(obj, one.name, _reduced(value, lambda part, obj=obj, one=one: works(_with(obj, one.name, part))))
        elif isinstance(value, tuple) and value:
            obj = _shorter(obj, one.name, works)
    return obj


def _shorter(obj: Any, name: str, works: Any) -> Any:
    """``obj`` with the first item of a list only, and that as small as can be."""
    value = getattr(obj, name)
    if len(value) > 1 and works(_with(obj, name, value[:1])):
        obj = _with(obj, name, value[:1])
    first, *rest = getattr(obj, name)
    if not is_shaped(type(first)):
        return obj
    least = _reduced(first, lambda part: works(_with(obj, name, (part, *rest))))
    return _with(obj, name, (least, *rest))


def _with(obj: Any, name: str, value: Any) -> Any:
    if attrs.has(type(obj)):
        return attrs.evolve(obj, **{name: value})
    return msgspec.structs.replace(obj, **{name: value})
