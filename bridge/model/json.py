"""The canonical model's own JSON form: field names as they are, decimals as texts, times in ISO 8601, defaults left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Union, get_args

import attrs
import orjson

from bridge.model import ids

if TYPE_CHECKING:
    import cattrs


@cache
def _converter(*, plain: bool = True) -> cattrs.Converter:
    """``plain``: enumerations and times become texts; else they are left to orjson, which writes them the same way."""
    import cattrs  # slow to import, and not needed before there is something to read or write
    from cattrs.fns import identity
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

    made = cattrs.Converter(forbid_extra_keys=True)
    made.register_unstructure_hook(Decimal, str)
    made.register_structure_hook(Decimal, lambda value, _: Decimal(str(value)))
    made.register_unstructure_hook(datetime, (lambda value: value.isoformat()) if plain else identity)
    made.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    made.register_unstructure_hook(date, (lambda value: value.isoformat()) if plain else identity)
    made.register_structure_hook(date, lambda value, _: date.fromisoformat(value))
    made.register_structure_hook_func(
        lambda cls: isinstance(cls, type) and issubclass(cls, str) and cls.__module__ == ids.__name__,
        lambda value, cls: cls(value),
    )
    made.register_structure_hook(Union[ids.ContractId, str], lambda value, _: ids.contract(value))  # noqa: UP007
    made.register_structure_hook(Union[ids.ContractId, str, None], lambda value, _: None if value is None else ids.contract(value))  # noqa: UP007
    # What is a text, a truth or a whole number already is left as it is, and not looked at.
    made.register_unstructure_hook_func(lambda cls: _is_kept(cls, () if plain else (Enum, date)), identity)
    made.register_unstructure_hook_factory(attrs.has, lambda cls: make_dict_unstructure_fn(cls, made, _cattrs_omit_if_default=True))
    made.register_structure_hook_factory(attrs.has, lambda cls: make_dict_structure_fn(cls, made, _cattrs_forbid_extra_keys=True))
    return made


def _is_kept(cls: Any, more: tuple[type, ...]) -> bool:
    def kept(kind: Any) -> bool:
        if kind in (str, bool, int, NoneType):
            return True
        return isinstance(kind, type) and (issubclass(kind, more) or (issubclass(kind, str) and kind.__module__ == ids.__name__))

    return all(kept(kind) for kind in get_args(cls) or (cls,))


def to_json(obj: Any) -> Any:
    """``obj`` as JSON values."""
    return _converter().unstructure(obj)


def dumps(obj: Any) -> bytes:
    """``obj`` as JSON bytes, with sorted keys: equal objects give equal bytes."""
    # A copy: what orjson gives keeps the kilobytes that it was written into.
    return bytes(memoryview(orjson.dumps(_written(obj.__class__)(obj), default=str, option=orjson.OPT_SORT_KEYS)))


@cache
def _written(cls: type) -> Callable[[Any], Any]:
    return _converter(plain=False).get_unstructure_hook(cls)


def from_json(cls: Any, data: Any) -> Any:
    """An object of ``cls`` from JSON values. Raises ValueError naming the paths that are wrong."""
    import cattrs

    try:
        return _converter().structure(data, cls)
    except (cattrs.BaseValidationError, TypeError, ValueError, KeyError, ArithmeticError) as why:
        raise ValueError("; ".join(cattrs.transform_error(why)) if isinstance(why, Exception) else str(why)) from why
