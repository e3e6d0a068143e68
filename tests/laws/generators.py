"""Objects of every canonical and every wire class, made by reflection over their fields.

``objects(cls)`` gives valid objects: every field filled (``full``), or any choice of fields. What a field may hold
follows from its type; :data:`VALUES` names what has to look like something (identifiers, times, phone numbers), and
:data:`WHOLE` the classes whose fields depend on each other. Values are weighted so that most objects can be mapped, with
awkward ones among them. ``objects(cls, wild=True)`` gives objects that only have the right types: texts, numbers and
lists of any size, for the law that nothing but a refusal may come of them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

from hypothesis import strategies as st

from bridge.codec.xml import LocalTime
from bridge.mapping.difference import empty
from bridge.mapping.shape import FieldShape, is_shaped, shape
from bridge.model import ids
from bridge.model import location as c
from tests.laws.values import ALWAYS, LONG, UNIQUE, VALUES, WORDS, Strategy, family, often, picked


@cache
def objects(cls: Any, *, full: bool = False, wild: bool = False) -> Strategy:
    """Objects of ``cls``."""
    if wild:
        return fields(cls, full, True)
    from tests.laws.whole import WHOLE  # the strategies there are made of the ones here

    return WHOLE[cls](full) if cls in WHOLE else fields(cls, full)


@cache
def _plan(cls: Any, full: bool, wild: bool) -> tuple[tuple[str, Strategy, bool, Any], ...]:
    """Per field: its name, its values, whether it is always there, and what it is where it is not."""
    made = []
    for one in shape(cls).values():
        if one.name == "extra":
            continue
        must = (one.required if not wild else one.default is _missing()) or (not wild and bool(ALWAYS & {one.name, (cls, one.name)}))
        default = () if one.many and not one.optional else None if one.default is _missing() else one.default
        made.append((one.name, _values(cls, one, full, wild), must, default))
    return tuple(made)


def _missing() -> Any:
    from bridge.mapping.shape import MISSING

    return MISSING


@st.composite
def fields(draw: st.DrawFn, cls: Any, full: bool, wild: bool = False) -> Any:
    plan = _plan(cls, full, wild)
    chosen = -1 if full else draw(_choices(len(plan)))
    given = {name: draw(values) if must or chosen >> i & 1 else default for i, (name, values, must, default) in enumerate(plan)}
    made = cls(**given)
    if empty(made) and not wild:  # an object that says nothing is no valid part of another
        return draw(fields(cls, True))
    return made


@cache
def _choices(size: int) -> Strategy:
    """Which of ``size`` fields are there, as bits: all, none, or seven of eight."""
    count = (size + 7) // 8
    some = st.binary(min_size=count, max_size=count).map(lambda b: int.from_bytes(b, "big"))
    most = st.builds(lambda *masks: masks[0] | masks[1] | masks[2], some, some, some)
    return st.one_of(most, most, most, most, most, st.just(-1), st.just(0))


def _values(cls: Any, one: FieldShape, full: bool, wild: bool) -> Strategy:
    item = _wild(cls, one, full) if wild else _item(cls, one, full)
    if not one.many:
        return item
    enum = isinstance(one.type, type) and issubclass(one.type, Enum)
    least = 1 if full or (one.required and not wild) else 0 if wild else 1
    alone: Any = None if wild else UNIQUE.get(one.type)
    alone = alone or ((lambda value: value) if enum or issubclass(_type(one), str | int) else None)
    many = st.lists(item, min_size=least, max_size=3 if enum or wild else 2, unique_by=alone)
    return many.map(_or_none if one.optional else tuple)


def _or_none(items: list[Any]) -> tuple[Any, ...] | None:
    return tuple(items) or None


def _type(one: FieldShape) -> type:
    return one.type if isinstance(one.type, type) else str


def _item(cls: Any, one: FieldShape, full: bool) -> Strategy:
    values = VALUES.get(family(cls), {})
    for key in ((cls, one.name), one.name, one.type):
        if isinstance(key, tuple | str | type) and key in values:
            found = values[key]
            if one.type is not str and _type(one) in values and not isinstance(key, type) and issubclass(_type(one), str):
                return found.map(one.type)
            return found
    if is_shaped(one.type):
        return objects(one.type, full=full)
    if isinstance(one.type, type) and issubclass(one.type, Enum):
        return st.sampled_from(list(one.type))
    texts = _texts(one.limit, rare=family(cls) == "model", plain=one.ident)
    return texts.map(one.type) if isinstance(one.type, type) and one.type is not str else texts


@cache
def _texts(limit: int | None, rare: bool = True, plain: bool = False) -> Strategy:
    """Words that fit; on the canonical side, where nothing limits them, long ones among them."""
    if rare:
        return often(list(WORDS), [LONG[:120], LONG[:300], LONG, "Am\x0bMarkt"])
    return picked(
        *(word for word in (*WORDS, LONG[: limit or 200]) if (limit is None or len(word) <= limit) and (word.isascii() or not plain))
    )


# --- wild -------------------------------------------------------------------------------------------------------------

_XML_TEXT = st.one_of(
    st.sampled_from(["", " ", "*", "-", ".", "0", "24:00", "DE*ABC*E1", "1e5", "NaN", "٣", "ß", "+", "°'", LONG[:400]]),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufffe\uffff"), max_size=12),
)
"""What a text may be that was read from XML."""
_ANY_TEXT = st.one_of(_XML_TEXT, st.sampled_from(["\x00", "a\x0bb", "\ufffe", "\x7f\x85"]),
                      st.text(st.characters(codec="utf-8"), max_size=12))  # fmt: skip
"""And one from JSON: anything but half a character."""
_ANY_NUMBER = st.one_of(st.sampled_from([Decimal(0), Decimal(-1), Decimal("0.001"), Decimal("1E+3"), Decimal("999999.5")]),
                        st.decimals(-10**7, 10**7, places=5))  # fmt: skip
_ANY_TIME = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (the zone is the strategy's)
_ANY: dict[Any, Strategy] = {
    str: _ANY_TEXT, bool: st.booleans(), int: st.one_of(picked(0, -1, 1, 8), st.integers(-(10**6), 10**6)), Decimal: _ANY_NUMBER,
    datetime: _ANY_TIME, date: st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    LocalTime: _ANY_TIME.map(lambda t: LocalTime.fromisoformat(t.astimezone(timezone(timedelta(minutes=90))).isoformat())),
}  # fmt: skip


PROMISED = {"latitude", "longitude", "weekday", "days", "start_time", "end_time", "utc_offset_minutes"}
"""Fields of the model of which its documentation promises a range: even wild objects keep to it."""


def _wild(cls: Any, one: FieldShape, full: bool) -> Strategy:
    sane, kind = _item(cls, one, full), one.type
    if is_shaped(kind):
        return st.one_of(sane, sane, objects(kind, full=full, wild=True))
    if family(cls) == "model" and (one.name in PROMISED or cls is c.RegularHours or cls is ids.PartyId):
        return sane
    if not isinstance(kind, type) or issubclass(kind, Enum):
        return sane
    base = next((b for b in (LocalTime, datetime, date, bool, int, Decimal) if issubclass(kind, b)), str)
    any_ = _XML_TEXT if base is str and family(cls) == "ochp" else _ANY[base]
    if base is str and kind is not str:
        any_ = any_.map(kind)
    return st.one_of(*[sane] * (len(shape(cls)) + 2), any_)
