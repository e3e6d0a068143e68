"""Characters that a carrier cannot hold, such as control characters in XML: they are left out of texts, and told.

The wire object is looked through as it was made, which is quick. Only where something is found are the texts of the
canonical object cleaned and translated again. Identifiers are never changed: such a record is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any

from attrs import evolve

from bridge.errors import Refused
from bridge.mapping.context import Context
from bridge.mapping.loss import NARROWED, joined
from bridge.mapping.shape import FieldShape, is_shaped, shape

BECAUSE = "holds characters that the other protocol cannot carry: they are left out"


def carried(convert: Callable[[Any, Context], Any], wire: type, unsaid: re.Pattern[str]) -> Callable[[Any, Context], Any]:
    """``convert``, such that no text of the wire object holds what ``unsaid`` finds. Raises Refused with the path."""
    clean = _compiled(wire, unsaid)

    def made(obj: Any, cx: Context) -> Any:
        before = len(cx.losses)
        found = convert(obj, cx)
        if clean(found):
            return found
        del cx.losses[before:]
        kept: list[tuple[str, str]] = []
        found = convert(_cleaned(obj, unsaid, cx, "", kept), cx)
        if not clean(found):
            path, value = kept[0] if kept else ("", None)
            raise Refused(path, "characters that the other protocol cannot carry, and that cannot be left out", value)
        return found

    made.source = convert.source  # type: ignore[attr-defined]
    return made


def _compiled(cls: type, unsaid: re.Pattern[str]) -> Callable[[Any], bool]:
    """Whether no text in an object of ``cls`` holds what ``unsaid`` finds."""
    scope: dict[str, Any] = {"found": unsaid.search}
    lines = ["def clean(o):"]
    for one in shape(cls).values():
        if is_shaped(one.type):
            scope[f"in_{one.name}"] = _compiled(one.type, unsaid)
            test = f"not in_{one.name}(x)"
        elif _is_text(one):
            test = "not x.isprintable() and found(x)"
        else:
            continue
        if one.many:
            lines += [f"    for x in o.{one.name} or ():", f"        if {test}: return False"]
        else:
            lines += [f"    x = o.{one.name}", f"    if x is not None and {test}: return False"]
    exec("\n".join([*lines, "    return True"]), scope)  # noqa: S102  (from field names only)
    return scope["clean"]  # type: ignore[no-any-return]


def _is_text(one: FieldShape) -> bool:
    return isinstance(one.type, type) and issubclass(one.type, str) and not issubclass(one.type, Enum)


def _cleaned(obj: Any, unsaid: re.Pattern[str], cx: Context, path: str, kept: list[tuple[str, str]]) -> Any:
    """``obj`` with clean texts; what was left out is told, identifiers that would have to be changed are in ``kept``."""
    changed = {}
    cls: type = type(obj)
    for one in shape(cls).values():
        value, at = getattr(obj, one.name), joined(path, one.wire)
        if one.name == "extra" or not value:
            continue
        if isinstance(value, tuple):
            items = tuple(_item(item, unsaid, cx, f"{at}[{i}]", kept) for i, item in enumerate(value))
            now: Any = tuple(item for item in items if item != "")
        else:
            now = _item(value, unsaid, cx, at, kept)
        if now is not value:
            changed[one.name] = None if now == "" and one.optional else now
    return evolve(obj, **changed) if changed else obj


def _item(value: Any, unsaid: re.Pattern[str], cx: Context, path: str, kept: list[tuple[str, str]]) -> Any:
    if is_shaped(type(value)):
        return _cleaned(value, unsaid, cx, path, kept)
    if not isinstance(value, str) or isinstance(value, Enum) or not unsaid.search(value):
        return value
    if type(value) is not str:
        kept.append((path, value))
        return value
    cx.lose(path, NARROWED, value, BECAUSE)
    return unsaid.sub("", value)
