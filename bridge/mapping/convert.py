"""Converters: how the values of a row go out to the wire and come back.

A converter has two methods, ``out`` (canonical to wire) and ``back`` (wire to canonical). Each takes the value (a
tuple of them where the row has several paths on that side), the :class:`~bridge.mapping.context.Context`, and an
:class:`At` that knows the row's paths, and returns the value or tuple for the other side. None means: nothing to say
there. What cannot be said is recorded with ``cx.lose``; what cannot be translated at all raises ``Refused``.
Converters of one path on the giving side are never called with None.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import Any, ClassVar, NamedTuple

from bridge.errors import Refused
from bridge.mapping.context import Context
from bridge.mapping.loss import DROPPED, NARROWED, REFUSED, ROUNDED, TRUNCATED, Loss, prefixed


class At(NamedTuple):
    """Where a converter works: the paths of its row on the giving and on the taking side."""

    src: tuple[str, ...]
    dst: tuple[str, ...]


class Converter:
    """A named leaf. Subclasses say in ``note`` what they do, for ``evbridge explain`` and the matrix."""

    note = ""
    pure = True
    """Whether the outcome depends on nothing but the value and the context's settings and facts (not on ``cx.parent``)."""
    unsaid: ClassVar[dict[str, str]] = {}
    """What of a value the other side has no place for, and why: canonical paths below the row's."""
    always = False
    """Whether ``out`` is called even where none of its values is there (to fill in what is configured)."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        """Canonical value(s) to wire value(s)."""
        raise NotImplementedError

    def back(self, value: Any, cx: Context, at: At) -> Any:
        """Wire value(s) to canonical value(s)."""
        raise NotImplementedError


class Same(Converter):
    """The value as it is. Texts longer than the wire field allows are cut (and said to be) by the engine."""

    note = "as it is"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


SAME = Same()


class Of(Converter):
    """A text that is an identifier in the model: ``Of(LocationId)``. Going out it is the text as written."""

    def __init__(self, kind: Callable[[str], Any]) -> None:
        self.kind = kind
        self.note = f"as it is ({getattr(kind, '__name__', 'text')})"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self.kind(value)


class Parsed(Converter):
    """An identifier with rules: what does not parse is dropped with the reason, or refused where it is needed."""

    def __init__(self, kind: Any, spell: Callable[[Any], str] | None = None, pattern: Any = None) -> None:
        self.kind = kind
        self.spell = spell
        self.pattern = pattern
        self.note = kind.__name__

    def out(self, value: Any, cx: Context, at: At) -> Any:
        text = str(value)
        if self.pattern is not None and not self.pattern.fullmatch(text):
            if self.spell is not None:
                spelled = self.spell(value)
                if self.pattern.fullmatch(spelled):
                    cx.lose(at.src[0], NARROWED, text, f"spelled {spelled} there")
                    return spelled
            cx.lose(at.src[0], DROPPED, text, f"not in the form that the other protocol allows for {self.note}")
            return None
        return text

    def back(self, value: Any, cx: Context, at: At) -> Any:
        try:
            return self.kind.parse(value)
        except ValueError as why:
            cx.lose(at.src[0], DROPPED, value, str(why))
            return None


class Utc(Converter):
    """A moment. A time without zone is UTC; fractions of a second stay."""

    note = "UTC"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return as_utc(value)


def as_utc(value: datetime) -> datetime:
    """``value`` in UTC; without zone it is taken as UTC."""
    zone = value.tzinfo
    if zone is UTC:
        return value
    return value.replace(tzinfo=UTC) if zone is None else value.astimezone(UTC)


UTC_TIME = Utc()


class WholeSeconds(Utc):
    """A moment in whole seconds: fractions are cut off."""

    note = "UTC, whole seconds"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if value.microsecond:
            cx.lose(at.src[0], ROUNDED, value.isoformat(), "whole seconds there")
            return value.replace(microsecond=0)
        return value


class Milliseconds(Utc):
    """A moment with at most three digits of a second: more are cut off."""

    note = "UTC, milliseconds"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        more = value.microsecond % 1000
        if more:
            cx.lose(at.src[0], ROUNDED, value.isoformat(), "milliseconds there")
            return value.replace(microsecond=value.microsecond - more)
        return value


MILLISECONDS = Milliseconds()


class Digits(Converter):
    """A decimal with at most ``places`` digits after the point; more are rounded half up and said to be."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.step = Decimal(1).scaleb(-places)
        self.note = f"at most {places} decimals"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        exponent = value.as_tuple().exponent
        if exponent < -self.places:
            cut = value.quantize(self.step, ROUND_HALF_UP)
            if cut != value:
                cx.lose(at.src[0], ROUNDED, value, f"at most {self.places} decimals there")
            return cut
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


class Scaled(Converter):
    """A number in another unit: wire value times ``factor`` is the canonical one. ``whole`` writes integers."""

    def __init__(self, factor: Decimal, *, whole: bool = False, top: int | None = None, unit: str = "") -> None:
        self.factor = factor
        self.whole = whole
        self.top = top
        self.note = f"times {factor}" + (" in whole numbers" if whole else "")
        self.unit = unit

    def out(self, value: Any, cx: Context, at: At) -> Any:
        scaled: Any = Decimal(value) / self.factor
        if self.whole:
            whole = int(scaled.to_integral_value(ROUND_HALF_UP))
            if whole != scaled:
                cx.lose(at.src[0], ROUNDED, value, f"whole {self.unit or 'numbers'} there")
            scaled = whole
        if self.top is not None and scaled > self.top:
            cx.lose(at.src[0], DROPPED, value, f"at most {self.top} {self.unit} there")
            return None
        return scaled

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value * self.factor


class UpTo(Converter):
    """A whole number from ``least`` to ``top``: another one is left out."""

    def __init__(self, top: int, because: str, *, least: int = 0) -> None:
        self.top = top
        self.least = least
        self.because = because
        self.note = f"at most {top}"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if not self.least <= value <= self.top:
            cx.lose(at.src[0], DROPPED, value, self.because)
            return None
        return value

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


class Custom(Converter):
    """A pair of functions with a name: the hand-written leaves. They obey the same laws as everything else."""

    def __init__(self, note: str, out: Callable[[Any, Context, At], Any], back: Callable[[Any, Context, At], Any]) -> None:
        self.note = note
        self._out = out
        self._back = back

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return self._out(value, cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self._back(value, cx, at)


class Memo(Converter):
    """Remembers what a pure converter gave for a value without loss: feeds repeat themselves."""

    def __init__(self, inner: Converter, size: int = 4096) -> None:
        self.inner = inner
        self.note = inner.note
        self.size = size
        self._out: dict[Hashable, Any] = {}
        self._back: dict[Hashable, Any] = {}

    def _through(self, memory: dict[Hashable, Any], call: Any, value: Any, cx: Context, at: At) -> Any:
        found = memory.get(value, memory)
        if found is not memory:
            return found
        before = len(cx.losses)
        made = call(value, cx, at)
        if len(cx.losses) == before:
            if len(memory) >= self.size:
                memory.clear()
            memory[value] = made
        return made

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return self._through(self._out, self.inner.out, value, cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self._through(self._back, self.inner.back, value, cx, at)


class Table(Converter):
    """A value table from which both directions come.

    ``pairs`` are exact both ways. ``out`` says which wire value stands for a canonical one that the wire cannot tell
    apart (recorded as narrowed); ``back`` the same for reading. ``never`` names canonical values without a wire value
    and why (recorded as dropped; refuses where the field is mandatory), ``unread`` wire values without a canonical one.
    """

    def __init__(self, *pairs: tuple[Any, Any], out: dict[Any, Any] | None = None, back: dict[Any, Any] | None = None,
                 never: dict[Any, str] | None = None, unread: dict[Any, str] | None = None, name: str = "") -> None:  # fmt: skip
        self.pairs = pairs
        self.exact_out = dict(pairs)
        self.exact_back = {w: c for c, w in pairs}
        if len(self.exact_out) < len(pairs) or len(self.exact_back) < len(pairs):
            raise ValueError(f"table {name}: a value stands in two pairs; use out= or back= for the second")
        self.narrow_out = dict(out or {})
        self.narrow_back = dict(back or {})
        self.never = dict(never or {})
        self.unread = dict(unread or {})
        for given, twice in ((self.narrow_out, self.exact_out), (self.narrow_back, self.exact_back)):
            if shared := set(given) & set(twice):
                raise ValueError(f"table {name}: {shared} is exact and narrowed at once")
        self.name = name
        self.note = "by table " + name if name else "by table"

    def covers(self, canon: Iterable[Any], wire: Iterable[Any]) -> Table:
        """Check that every value of both enumerations has its row or its reason; returns the table."""
        told_out = {*self.exact_out, *self.narrow_out, *self.never}
        told_back = {*self.exact_back, *self.narrow_back, *self.unread}
        if missing := [v for v in canon if v not in told_out]:
            raise ValueError(f"table {self.name}: canonical values without a row: {missing}")
        if missing := [v for v in wire if v not in told_back]:
            raise ValueError(f"table {self.name}: wire values without a row: {missing}")
        return self

    def but(self, out: dict[Any, Any]) -> Table:
        """The table with other wire values for some canonical ones: a partner's difference, narrowed like the rest."""
        pairs = tuple(p for p in self.pairs if p[0] not in out)
        kept = {w for _, w in pairs}
        gone = {w: c for c, w in self.pairs if c in out and w not in kept and w not in self.narrow_back}
        exact = {c: w for c, w in out.items() if gone.get(w) == c}
        return Table(*pairs, *exact.items(), out={**self.narrow_out, **{c: w for c, w in out.items() if c not in exact}},
                     back={**self.narrow_back, **{w: c for w, c in gone.items() if w not in exact.values()}},
                     never={k: v for k, v in self.never.items() if k not in out},
                     unread=self.unread, name=self.name)  # fmt: skip

    def out(self, value: Any, cx: Context, at: At) -> Any:
        found = self.exact_out.get(value)
        if found is not None:
            return found
        if value in self.narrow_out:
            found = self.narrow_out[value]
            cx.lose(at.src[0], NARROWED, value, f"{_name(found)} is the nearest there")
            return found
        cx.lose(at.src[0], DROPPED, value, self.never.get(value, f"no value there for {_name(value)}"))
        return None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        found = self.exact_back.get(value)
        if found is not None:
            return found
        if value in self.narrow_back:
            found = self.narrow_back[value]
            cx.lose(at.src[0], NARROWED, value, f"read as {_name(found)}")
            return found
        cx.lose(at.src[0], DROPPED, value, self.unread.get(value, f"unknown value {value!r}"))
        return None


def by_name(canon: type[Enum], wire: type[Enum], *, name: str, **more: Any) -> Table:
    """A table that pairs the members of two enumerations that have the same name."""
    wires = wire.__members__
    return Table(*((c, wires[n]) for n, c in canon.__members__.items() if n in wires), name=name, **more)


def _name(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


KEEP_REST = "keep-rest"
WHOLE = "whole"


class Each(Converter):
    """A list, item by item, by a mapping or a converter.

    ``refused=KEEP_REST`` leaves a refused item out and says so; ``WHOLE`` refuses the object that holds the list.
    ``parent=True``: the row's ``using`` gives the object that the items may look at as ``cx.parent``.
    """

    def __init__(self, item: Any, refused: str = KEEP_REST, *, parent: bool = False, key: str | None = None,
                 limit: int | None = None) -> None:  # fmt: skip
        self.item = item
        self.mapping = item if hasattr(item, "compiled_out") else None
        self.whole = refused == WHOLE
        self.parent = parent
        self.key = key
        self.limit = limit
        self.note = "each " + (item.name if self.mapping else item.note)

    def with_item(self, item: Any) -> Each:
        """The same list with another item mapping."""
        return Each(item, WHOLE if self.whole else KEEP_REST, parent=self.parent, key=self.key, limit=self.limit)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if self.parent:
            items, parent = value
            outer, cx.parent = cx.parent, parent
            try:
                return self._all(items, cx, at, True) if items else None
            finally:
                cx.parent = outer
        return self._all(value, cx, at, True)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self._all(value, cx, at, False)

    def _all(self, items: Any, cx: Context, at: At, out: bool) -> Any:
        if self.mapping is not None:
            call = self.mapping.compiled_out() if out else self.mapping.compiled_back()
            args: tuple[Any, ...] = (cx,)
        else:
            call = self.item.out if out else self.item.back
            args = (cx, _ITEM)
        if out and self.limit is not None and len(items) > self.limit:
            cx.lose(at.src[0], TRUNCATED, len(items), f"at most {self.limit} there")
            items = items[: self.limit]
        made: list[Any] = []
        for i, item in enumerate(items):
            losses = cx.losses
            before = len(losses)
            try:
                one = call(item, *args)
            except Refused as why:
                if self.whole:
                    raise Refused(f"{at.src[0]}[{i}]" + (f".{why.path}" if why.path else ""), why.because, why.value,
                                  why.key) from why  # fmt: skip
                one = None
                del losses[before:]
                losses.append(Loss(why.path, REFUSED, why.value, why.because))
            if len(losses) != before:
                prefixed(losses, before, f"{at.src[0]}[{i}]", f"{at.dst[0]}[{len(made)}]")
            if one is not None:
                made.append(one)
        return tuple(made) or None


_ITEM = At(("",), ("",))


class One(Converter):
    """A single nested object, by a mapping. A refused part is left out, or refuses the whole (``refused=WHOLE``)."""

    def __init__(self, mapping: Any, refused: str = KEEP_REST) -> None:
        self.mapping = mapping
        self.whole = refused == WHOLE
        self.note = mapping.name

    def with_item(self, mapping: Any) -> One:
        """The same with another mapping."""
        return One(mapping, WHOLE if self.whole else KEEP_REST)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return self._one(self.mapping.compiled_out(), value, cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self._one(self.mapping.compiled_back(), value, cx, at)

    def _one(self, call: Any, value: Any, cx: Context, at: At) -> Any:
        losses = cx.losses
        before = len(losses)
        try:
            made = call(value, cx)
        except Refused as why:
            if self.whole:
                raise Refused(f"{at.src[0]}.{why.path}" if why.path else at.src[0], why.because, why.value, why.key) from why
            made = None
            del losses[before:]
            losses.append(Loss(why.path, REFUSED, why.value, why.because))
        if len(losses) != before:
            prefixed(losses, before, at.src[0], at.dst[0])
        return made


class First(Converter):
    """The one of a list that the other side has room for; the rest is lost. Reading gives a list of one."""

    def __init__(self, item: Converter = SAME, because: str = "one there") -> None:
        self.item = item
        self.because = because
        self.note = f"the first ({item.note})"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        for i, item in enumerate(value[1:], 1):
            cx.lose(f"{at.src[0]}[{i}]", DROPPED, item, self.because)
        return self.item.out(value[0], cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        made = self.item.back(value, cx, at)
        return None if made is None else (made,)
