"""OICP 2.3 push messages: records gathered by operator, one message each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import msgspec

from bridge.errors import ConfigError
from bridge.translate.files import encode
from mappings.shared import operator_of


def evse_data(records: Iterable[Any], context: Any) -> Iterator[bytes]:
    """eRoamingPushEvseData (fullLoad)."""

    def strip(record: Any) -> Any:
        return msgspec.structs.replace(record, OperatorID=None, OperatorName=None)

    def head(record: Any) -> dict[str, Any]:
        return {"OperatorID": record.OperatorID, "OperatorName": record.OperatorName or record.OperatorID}

    return _pushed(records, lambda r: str(r.OperatorID), head, strip, "OperatorEvseData", "EvseDataRecord")


def evse_status(records: Iterable[Any], context: Any) -> Iterator[bytes]:
    """eRoamingPushEvseStatus (fullLoad)."""

    def operator(record: Any) -> str:
        return str(operator_of(record.EvseID) or "")

    return _pushed(records, operator, lambda r: {"OperatorID": operator(r)}, lambda r: r, "OperatorEvseStatus", "EvseStatusRecord")


def each(records: Iterable[Any], context: Any) -> Iterator[bytes]:
    """Messages that are records themselves: one, or an array of them."""
    found = iter(records)
    first, second = next(found, None), next(found, None)
    if first is not None and second is None:
        yield encode(first) + b"\n"
        return
    yield b"[\n" + encode(first) + b",\n" + encode(second)
    for record in found:
        yield b",\n" + encode(record)
    yield b"\n]\n"


def authentication_data(records: Iterable[Any], settings: Any) -> Iterator[bytes]:
    """eRoamingPushAuthenticationData (fullLoad); the provider is the configured one (``provider``)."""
    provider = _configured(settings, "provider")
    return _pushed(records, lambda r: "", lambda r: {"ProviderID": provider}, lambda r: r, "ProviderAuthenticationData",
                   "AuthenticationDataRecord")  # fmt: skip


def pricing(records: Iterable[Any], settings: Any) -> Iterator[bytes]:
    """eRoamingPushPricingProductData (fullLoad) for all providers, with the configured default price."""
    operator = _configured(settings, "party")
    price, unit = _configured(settings, "default_price"), _configured(settings, "default_unit")

    def head(record: Any) -> dict[str, Any]:
        return {"OperatorID": operator, "ProviderID": "*", "PricingDefaultPrice": price,
                "PricingDefaultPriceCurrency": record.ProductPriceCurrency, "PricingDefaultReferenceUnit": unit}  # fmt: skip

    return _pushed(records, lambda r: str(r.ProductPriceCurrency), head, lambda r: r, "PricingProductData",
                   "PricingProductDataRecords")  # fmt: skip


def _configured(settings: Any, key: str) -> Any:
    value = settings.constants.get(key) if settings is not None else None
    if value is None:
        raise ConfigError(key, "the message demands it; set it in the partner file")
    return value


def _pushed(records: Iterable[Any], key: Callable[[Any], str], head: Callable[[Any], dict[str, Any]],
            strip: Callable[[Any], Any], outer: str, inner: str) -> Iterator[bytes]:  # fmt: skip
    """One message per operator; several messages come as an array. Records wait in temporary files, not in memory."""
    waiting: dict[str, tuple[dict[str, Any], IO[bytes]]] = {}
    for record in records:
        operator = key(record)
        if operator not in waiting:
            waiting[operator] = (head(record), tempfile.SpooledTemporaryFile(max_size=1 << 20))  # noqa: SIM115  (closed below)
        file = waiting[operator][1]
        file.write((b",\n" if file.tell() else b"\n") + encode(strip(record)))
    if len(waiting) > 1:
        yield b"["
    for i, (first, file) in enumerate(waiting.values()):
        members = encode(first)[:-1]
        yield ((b",\n" if i else b"") + b'{"ActionType":"fullLoad","' + outer.encode() + b'":' + members + b',"' + inner.encode() + b'":[')
        file.seek(0)
        while piece := file.read(1 << 16):
            yield piece
        file.close()
        yield b"\n]}}"
    yield b"]\n" if len(waiting) > 1 else b"\n"
