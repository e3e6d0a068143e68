"""The residue: what the far side could not hold, put back when an object returns from there.

Kept per object and partner are the canonical object as it was and the wire object as it was sent. When the object comes
back, each row whose wire values are unchanged takes its canonical values from the old object; the others from what was
read. Lists of nested objects are aligned by key, so that an item of which one field changed keeps the rest of what it had.
"""

from __future__ import annotations

from typing import Any

from bridge.mapping.convert import Each, One
from bridge.mapping.engine import Mapping
from bridge.mapping.rows import Row
from bridge.mapping.shape import shape, twin

KEYS = ("uid", "id", "evse_id", "EvseID", "evseId")
"""Wire fields by which list items are told apart where their ``Each`` names none."""


def put_back(mapping: Mapping, old: Any, sent: Any, returned: Any, read: Any) -> Any:
    """``read``, the canonical object of ``returned``, with what ``sent`` could not hold of ``old``."""
    chosen: dict[str, Any] = {}
    for one in mapping.rows:
        if not one.canon:
            continue
        before, after = ([_at(wire, path) for path in one.wire] for wire in (sent, returned))
        if before == after:  # also where there is no wire field: the far side could not hold it
            chosen.update((path, _at(old, path)) for path in one.canon)
        elif (merged := _nested(one, old, before[0], after[0], read)) is not None:
            chosen[one.canon[0]] = merged
        else:
            chosen.update((path, _at(read, path)) for path in one.canon)
    return _built(mapping.canon, "", chosen, old, read)


def _at(obj: Any, path: str) -> Any:
    """The value at a dotted path; an empty list is nothing."""
    for name in path.split("."):
        obj = getattr(obj, name, None)
    return None if obj == () or obj == [] else obj


def _nested(one: Row, old: Any, sent: Any, returned: Any, read: Any) -> Any:
    """The value of a row that changed in part; None where it has no parts, or they cannot be told apart."""
    conv = one.conv
    if not isinstance(conv, Each | One) or len(one.canon) > 1 or len(one.wire) > 1:
        return None
    old, read = _at(old, one.canon[0]), _at(read, one.canon[0])
    if any(value is None for value in (old, sent, returned, read)):
        return None
    if isinstance(conv, One):
        return put_back(conv.mapping, old, sent, returned, read)
    return _items(conv, old, sent, returned, read) if len(read) == len(returned) else None


def _items(each: Each, old: Any, sent: Any, returned: Any, read: Any) -> tuple[Any, ...] | None:
    """The items of a list, each with what it had; those that were never sent stay."""
    key = _key(each)
    origin = _origins(each.mapping, key, old, sent)
    if origin is None:
        return None
    partners = _partners(key, sent, returned)
    made = []
    for i, item in enumerate(read):
        before = partners[i]
        mine = None if before is None else origin[before]
        if before is None or mine is None:
            made.append(item)
        elif sent[before] == returned[i]:
            made.append(old[mine])
        elif each.mapping is not None:
            made.append(put_back(each.mapping, old[mine], sent[before], returned[i], item))
        else:
            made.append(item)
    unsent = set(range(len(old))) - {n for n in origin if n is not None}
    return (*made, *(old[n] for n in sorted(unsent)))


def _key(each: Each) -> str | None:
    """The wire field that tells the items apart."""
    if each.key is not None or each.mapping is None:
        return each.key
    return next((name for name in KEYS if name in shape(each.mapping.wire)), None)


def _origins(mapping: Mapping | None, key: str | None, old: Any, sent: Any) -> list[int | None] | None:
    """For each item sent, which of the old ones it was: by key, else by position if none was left out."""
    if len(old) == len(sent):
        return list(range(len(sent)))
    canon = next((r.canon for r in mapping.rows if r.wire == (key,) and len(r.canon) == 1), None) if mapping and key else None
    if canon is None or key is None:
        return None
    places = {str(_at(item, canon[0])): n for n, item in enumerate(old)}
    return [places.get(str(getattr(item, key))) for item in sent]


def _partners(key: str | None, sent: Any, returned: Any) -> list[int | None]:
    """For each item returned, which of those sent it is: by key; else an equal one, else the one at its position."""
    if key is not None:
        places = {str(getattr(item, key)): n for n, item in enumerate(sent)}
        return [places.get(str(getattr(item, key))) for item in returned]
    free = list(range(len(sent)))
    found: list[int | None] = []
    for item in returned:
        same = next((n for n in free if sent[n] == item), None)
        found.append(same)
        if same is not None:
            free.remove(same)
    if len(sent) == len(returned):
        found = [n if n is not None else i if i in free else None for i, n in enumerate(found)]
    return found


def _built(cls: type, prefix: str, chosen: dict[str, Any], old: Any, read: Any) -> Any:
    """An object of ``cls`` from the chosen values, parts included; None where there is none of it."""
    values: list[Any] = []
    some = not prefix
    for field in shape(cls).values():
        path = prefix + field.name
        if path in chosen:
            value = chosen[path]
        elif field.name == "extra":
            mine, theirs = (getattr(side, "extra", ()) for side in (old, read))
            value = (*mine, *(e for e in theirs if e not in mine))
        else:
            value = _built(field.type, path + ".", chosen, getattr(old, field.name, None), getattr(read, field.name, None))
        some = some or (value is not None and value != ())
        if value is None:
            value = () if field.many else None if field.optional or field.required else field.default
        values.append(value)
    return twin(cls)(*values) if some else None
