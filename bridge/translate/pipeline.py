"""One translation from a format to another: read, lift to the canonical model, group or split, lower, collect losses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import define, evolve, field

from bridge.codec.lenient import Read, loads
from bridge.errors import Refused
from bridge.mapping.context import Context, Facts, Settings
from bridge.mapping.loss import DEFAULTED, DROPPED, REFUSED, Loss
from bridge.mapping.registry import LOCATION, UNIT, Entry
from bridge.mapping.shape import twin
from bridge.model.common import Extra
from bridge.model.location import Location, Unit
from bridge.translate.files import Unread, encode
from bridge.translate.grouping import grouped, merged


@define
class Tally:
    """How a translation went: records read, and how many of them were refused, wholly or in part."""

    read: int = 0
    written: int = 0
    refused: int = 0


Report = Callable[[str, Loss], None]
"""Called with an object's identifier and a loss."""


_made: Callable[[type[Loss], tuple[Any, ...]], Loss] = tuple.__new__
"""Makes a loss without the checks of its constructor."""

_unit: Callable[[Any, Any], Unit] = twin(Unit)


class _Paths(dict[str, str]):
    """Canonical paths in the source's field names, remembered. ``evse`` is where the source keeps a unit's EVSE."""

    def __init__(self, translate: Callable[[str], str], evse: str = "evse") -> None:
        super().__init__()
        self.translate = translate
        self.evse = evse

    def __missing__(self, path: str) -> str:
        if len(self) > _REMEMBERED:
            self.clear()
        within = path.startswith("evse") and path[4:5] in ("", ".", "[")
        told = self[path] = self.translate(self.evse + path[4:] if within else path)
        return told


_REMEMBERED = 4096


@define
class _Single:
    """The one record that an object comes from."""

    ident: str
    told: _Paths

    def __call__(self, path: str, kind: str) -> list[tuple[str, str]]:
        """Whose loss it is, and its path in the record's field names."""
        return [(self.ident, path if kind == DEFAULTED else self.told[path])]


@define
class _Group:
    """The records that a location comes from: one per EVSE."""

    idents: list[str]
    told: _Paths

    def __call__(self, path: str, kind: str) -> list[tuple[str, str]]:
        """Whose loss it is (of the place: everybody's), and its path in the record's field names."""
        match = _EVSES.match(path)
        if match is None:
            return [(ident, path if kind == DEFAULTED else self.told[path]) for ident in self.idents]
        return [(self.idents[int(match[1])], path if kind == DEFAULTED else self.told[f"evse{match[2]}"])]


@define
class Translator:
    """Translates records of ``source`` to records of ``target``."""

    source: Entry
    target: Entry
    settings: Settings = field(factory=Settings)
    facts: Facts = field(factory=Facts)
    message: bool = False
    tally: Tally = field(factory=Tally)
    _lift: Any = field(init=False)
    _lower: Any = field(init=False)
    _in: Context = field(init=False)
    _out: Context = field(init=False)
    _told: _Paths = field(init=False)

    def __attrs_post_init__(self) -> None:
        mapping = self.target.message_mapping if self.message and self.target.message_mapping else self.target.mapping
        self._lift = self.source.mapping.bind(self.settings, self.source.format).mapping.compiled_back()
        self._lower = mapping.bind(self.settings, self.target.format).mapping.compiled_out()
        self._in = Context(self.settings, self.facts)
        self._out = Context(self.settings, self.facts)
        self._told = _Paths(self.source.mapping.to_wire_path)

    def run(self, records: Iterable[Read[Any] | Unread], report: Report) -> Iterator[Any]:
        """The translated wire records, one by one; losses and refusals go to ``report``."""
        lifted = self._lifted(records, report)
        if self.source.carries == UNIT and self.target.carries == LOCATION:
            yield from self._located(lifted, report)
        elif self.source.carries == LOCATION and self.target.carries == UNIT:
            yield from self._split(lifted, report)
        else:
            for obj, ident in lifted:
                wire = self._lowered(obj, report, _Single(ident, self._told))
                if wire is not None:
                    yield wire

    # --- lifting

    def _lifted(self, records: Iterable[Read[Any] | Unread], report: Report) -> Iterator[tuple[Any, str]]:
        for number, record in enumerate(records, 1):
            self.tally.read += 1
            if isinstance(record, Unread):
                why = record.why
                self._refuse(f"record {number}", Loss(why.path, REFUSED, why.value, why.because), report)
                continue
            ident = self.source.ident(record.value) or f"record {number}"
            for path, value, because in record.repairs:
                report(ident, Loss(path, DROPPED, value, because))
            cx = self._in
            try:
                obj = self._lift(record.value, cx)
            except Refused as why:
                cx.take()
                self._refuse(ident, Loss(why.path, REFUSED, why.value, why.because), report)
                continue
            if cx.losses:
                for loss in cx.take():
                    report(ident, loss)
            yield (with_extra(obj, self.source.family, record.unknown) if record.unknown else obj), ident

    # --- places

    def _located(self, lifted: Iterator[tuple[Any, str]], report: Report) -> Iterator[Any]:
        for members in grouped(lifted):
            units = [unit for unit, _ in members]
            idents = [ident for _, ident in members]
            location, conflicts = merged(units)
            for i, path, value in conflicts:
                report(idents[i], Loss(self._told[path], DROPPED, value, "differs from the first record of the same place"))
            wire = self._lowered(location, report, _Group(idents, self._told), of=len(units))
            if wire is not None:
                yield wire

    def _split(self, lifted: Iterator[tuple[Any, str]], report: Report) -> Iterator[Any]:
        told: list[_Paths] = []
        for location, ident in lifted:
            if not location.evses:
                self._refuse(ident, Loss("evses", REFUSED, None, "a location without EVSEs has no record there"), report)
            for i, evse in enumerate(location.evses):
                if i == len(told):
                    told.append(_Paths(self.source.mapping.to_wire_path, f"evses[{i}]"))
                wire = self._lowered(_unit(location.place, evse), report, _Single(ident, told[i]))
                if wire is not None:
                    yield wire

    # --- lowering

    def _lowered(self, obj: Any, report: Report, owners: _Single | _Group, of: int = 1) -> Any:
        cx = self._out
        try:
            wire = self._lower(obj, cx)
        except Refused as why:
            cx.take()
            for owner, path in owners(why.path, REFUSED):
                self._refuse(owner, Loss(path, REFUSED, why.value, why.because), report)
            return None
        if losses := cx.losses:
            cx.losses = []
            self._report(losses, owners, report)
        if self.target.carries == LOCATION and obj.evses:
            left_out = len(obj.evses) - len(wire.evses or ())
            self.tally.refused += left_out
            of -= min(left_out, of)
            if not wire.evses:
                return None
        self.tally.written += of
        if _has_extras(obj) and (extras := [*_extras(obj)]):
            wire = self._with_extras(wire, extras, owners, report)
        return wire

    def _report(self, losses: list[Loss], owners: _Single | _Group, report: Report) -> None:
        if isinstance(owners, _Single):
            ident, told = owners.ident, owners.told
            for path, kind, value, because in losses:
                report(ident, _made(Loss, (path if kind == DEFAULTED else told[path], kind, value, because)))
            return
        for path, kind, value, because in losses:
            for owner, name in owners(path, kind):
                report(owner, Loss(name, kind, value, because))

    def _with_extras(self, wire: Any, extras: list[tuple[str, Extra]], owners: Any, report: Report) -> Any:
        keep = self.source.format == self.target.format and hasattr(wire, "__struct_fields__")
        data: Any = None
        for path, extra in extras:
            if keep and extra.protocol == self.target.family:
                data = _builtins(wire) if data is None else data
                _insert(data, _joined(path, extra.path), extra.value)
                continue
            for owner, name in owners(path, DROPPED):
                report(owner, Loss(_joined(name, extra.path), DROPPED, extra.value, "the specification has no such field"))
        return wire if data is None else data

    def _refuse(self, ident: str, loss: Loss, report: Report) -> None:
        self.tally.refused += 1
        report(ident, loss)


_EVSES = re.compile(r"evses\[(\d+)\](.*)")


def with_extra(obj: Any, family: str, unknown: list[tuple[str, Any]]) -> Any:
    """``obj`` with the unknown fields of its record, each beside what it came with."""
    if isinstance(obj, Unit):
        made = tuple(Extra(family, path, value) for path, value in unknown)
        return evolve(obj, evse=evolve(obj.evse, extra=obj.evse.extra + made))
    if isinstance(obj, Location):
        of_evse: dict[int, list[Extra]] = {}
        of_place: list[Extra] = []
        for path, value in unknown:
            match = _EVSES.match(path)
            if match is not None and int(match[1]) < len(obj.evses):
                of_evse.setdefault(int(match[1]), []).append(Extra(family, match[2].lstrip("."), value))
            else:
                of_place.append(Extra(family, path, value))
        evses = tuple(evolve(e, extra=(*e.extra, *of_evse.get(i, ()))) for i, e in enumerate(obj.evses))
        return evolve(obj, place=evolve(obj.place, extra=(*obj.place.extra, *of_place)), evses=evses)
    return evolve(obj, extra=obj.extra + tuple(Extra(family, path, value) for path, value in unknown))


def _has_extras(obj: Any) -> bool:
    if obj.__class__ is Unit:
        return bool(obj.evse.extra or obj.place.extra)
    return obj.__class__ is Location or bool(obj.extra)


def _extras(obj: Any) -> Iterator[tuple[str, Extra]]:
    if isinstance(obj, Unit):
        yield from (("", e) for e in obj.place.extra)
        yield from (("evse", e) for e in obj.evse.extra)
    elif isinstance(obj, Location):
        yield from (("", e) for e in obj.place.extra)
        for i, evse in enumerate(obj.evses):
            if evse.extra:
                yield from ((f"evses[{i}]", e) for e in evse.extra)
    else:
        yield from (("", e) for e in obj.extra)


def _joined(base: str, path: str) -> str:
    base = "" if base == "evse" else base
    return f"{base}.{path}" if base else path


def _builtins(wire: Any) -> Any:
    return loads(encode(wire))


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def _insert(data: Any, path: str, value: Any) -> None:
    steps: list[str | int] = [name or int(index) for name, index in _STEP.findall(path)]
    for step in steps[:-1]:
        try:
            data = data[step]
        except (KeyError, IndexError):
            return
    data[steps[-1]] = value
