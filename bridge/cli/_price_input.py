"""Reading what pricing needs from OCPI 2.1.1, 2.2.1 and 2.3.0 JSON into the canonical model, and nothing else.

Numbers stay exact decimals (a number written as a string is taken). What cannot be read is refused with its JSON
path and the reason; a restriction nobody knows is refused too, as leaving it out would change prices.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import click
import msgspec

from bridge.model.cdr import Cdr, CdrPlace
from bridge.model.common import Price, TaxAmount
from bridge.model.ids import CdrId, TariffId
from bridge.model.session import CdrDimension, ChargingPeriod, Volume
from bridge.model.tariff import (
    Dimension,
    PriceComponent,
    PriceLimit,
    ReservationKind,
    Restrictions,
    Tariff,
    TariffElement,
    TariffKind,
    TaxIncluded,
)

VERSIONS: Final = ("2.1.1", "2.2.1", "2.3.0")

FILE: Final = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)
"""A file to read, or ``-`` for standard input."""

_LARGEST: Final = Decimal(10) ** 12
T = TypeVar("T")


class InputError(ValueError):
    """Input that cannot be read. ``path`` is a JSON path (``$.charging_periods[0]``)."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class _Volume(msgspec.Struct, gc=False):
    type: CdrDimension
    volume: Decimal


class _Period(msgspec.Struct):
    start_date_time: datetime
    dimensions: list[_Volume]
    tariff_id: str | None = None


class _Component(msgspec.Struct, gc=False):
    type: Literal["ENERGY", "TIME", "PARKING_TIME", "FLAT"]
    price: Decimal
    step_size: Decimal
    vat: Decimal | None = None


_Day = Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
_DAYS: Final = {
    name: number for number, name in enumerate(("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"), 1)
}


class _Restrictions(msgspec.Struct, forbid_unknown_fields=True):
    start_time: str | None = None
    end_time: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    day_of_week: list[_Day] | None = None
    reservation: Literal["RESERVATION", "RESERVATION_EXPIRES"] | None = None


class _Element(msgspec.Struct):
    price_components: list[_Component]
    restrictions: _Restrictions | None = None


class _Tax(msgspec.Struct):
    amount: Decimal
    name: str = ""
    percentage: Decimal | None = None
    account_number: str | None = None


class _Price(msgspec.Struct):
    """A Price or PriceLimit of any version: each has its own names for the same two amounts."""

    excl_vat: Decimal | None = None
    incl_vat: Decimal | None = None
    before_taxes: Decimal | None = None
    after_taxes: Decimal | None = None
    taxes: list[_Tax] | None = None


class _Tariff(msgspec.Struct):
    id: str
    currency: str
    elements: list[_Element]
    type: TariffKind | None = None
    min_price: _Price | None = None
    max_price: _Price | None = None
    tax_included: Literal["YES", "NO", "N/A"] | None = None
    start_date_time: datetime | None = None
    end_date_time: datetime | None = None


class _Location(msgspec.Struct):
    time_zone: str | None = None


class _Cdr(msgspec.Struct):
    start_date_time: datetime
    charging_periods: list[_Period]
    end_date_time: datetime | None = None
    stop_date_time: datetime | None = None
    id: str | None = None
    currency: str | None = None
    tariffs: msgspec.Raw = msgspec.Raw(b"null")
    location: _Location | None = None
    total_cost: Decimal | _Price | None = None
    total_fixed_cost: _Price | None = None
    total_energy: Decimal | None = None
    total_energy_cost: _Price | None = None
    total_time: Decimal | None = None
    total_time_cost: _Price | None = None
    total_parking_time: Decimal | None = None
    total_parking_cost: _Price | None = None
    total_reservation_cost: _Price | None = None
    credit: bool | None = None
    credit_reference_id: str | None = None


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


_CDR: Final = msgspec.json.Decoder(_Cdr)
_TARIFF: Final = msgspec.json.Decoder(_Tariff)
_TARIFFS: Final = msgspec.json.Decoder(list[_Tariff])
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_TAXES: Final = {"YES": TaxIncluded.YES, "NO": TaxIncluded.NO, "N/A": TaxIncluded.NOT_APPLICABLE}
_DIMENSIONS: Final = {d.value: d for d in Dimension}


def contents(path: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises InputError if it cannot be read."""
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or "it cannot be read") from None


def read(cdr: bytes, tariffs: bytes | None, version: str) -> tuple[Cdr, tuple[Tariff, ...]]:
    """Read a CDR and the tariffs to price it by: those given, or the CDR's own where ``tariffs`` is None.

    Either may be wrapped in an OCPI envelope; tariffs may be an array or a single one. Raises InputError.
    """
    wire = _decoded(_CDR.decode, cdr, "$")
    own = _tariffs(bytes(wire.tariffs), "$.tariffs")
    given = own if tariffs is None else read_tariffs(tariffs)
    return _cdr(wire, own, version), given


def read_tariffs(content: bytes) -> tuple[Tariff, ...]:
    """Read tariffs of any OCPI version: an array, a single one, or an envelope with either. Raises InputError."""
    return _tariffs(content, "$")


def _decoded(decode: Callable[[bytes], T], content: bytes, path: str) -> T:
    try:
        return decode(content)
    except msgspec.ValidationError as error:
        inner = _unwrapped(content)
        if inner is not None:
            return _decoded(decode, inner, f"{path}.data")
        raise _refusal(error, path) from None
    except msgspec.DecodeError as error:
        raise InputError(path, f"no valid JSON: {error}") from None
    except UnicodeDecodeError:
        raise InputError(path, "no valid JSON: the text is not UTF-8") from None


def _unwrapped(content: bytes) -> bytes | None:
    """What an OCPI envelope carries; None if this is none."""
    try:
        return bytes(_ENVELOPE.decode(content).data)
    except msgspec.MsgspecError:
        return None


def _refusal(error: msgspec.ValidationError, path: str) -> InputError:
    reason, _, place = str(error).partition(" - at `$")
    return InputError(path + place.rstrip("`"), reason)


@lru_cache(maxsize=512)
def _tariffs(content: bytes, path: str) -> tuple[Tariff, ...]:
    """Tariffs from JSON. Kept by content: a day's CDRs carry the same few tariffs over and over."""
    if content.lstrip()[:1] == b"[":
        wires = _decoded(_TARIFFS.decode, content, path)
        return tuple(_tariff(wire, f"{path}[{index}]") for index, wire in enumerate(wires))
    if content.strip() == b"null":
        return ()
    inner = _unwrapped(content)
    if inner is not None:
        return _tariffs(inner, f"{path}.data")
    return (_tariff(_decoded(_TARIFF.decode, content, path), path),)


def _sane(value: Decimal, path: str) -> Decimal:
    if not value.is_finite() or abs(value) >= _LARGEST:
        raise InputError(path, f"{value} is no usable number")
    return value


def _maybe(value: Decimal | None, path: str) -> Decimal | None:
    return None if value is None else _sane(value, path)


def _utc(value: datetime) -> datetime:
    """OCPI times are in UTC, with or without saying so (OCPI 2.2.1, types, DateTime)."""
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _tariff(wire: _Tariff, path: str) -> Tariff:
    return Tariff(
        id=TariffId(wire.id),
        currency=wire.currency,
        elements=tuple(_element(e, f"{path}.elements[{i}]") for i, e in enumerate(wire.elements)),
        kind=wire.type,
        min_price=_limit(wire.min_price, f"{path}.min_price"),
        max_price=_limit(wire.max_price, f"{path}.max_price"),
        tax_included=None if wire.tax_included is None else _TAXES[wire.tax_included],
        valid_from=None if wire.start_date_time is None else _utc(wire.start_date_time),
        valid_until=None if wire.end_date_time is None else _utc(wire.end_date_time),
    )


def _limit(wire: _Price | None, path: str) -> PriceLimit | None:
    if wire is None:
        return None
    price = _price(wire, path)
    incl = wire.incl_vat if wire.incl_vat is not None else wire.after_taxes
    return PriceLimit(price.excl, incl)


def _element(wire: _Element, path: str) -> TariffElement:
    components = tuple(
        PriceComponent(
            _DIMENSIONS[c.type],
            _sane(c.price, f"{path}.price_components[{i}].price"),
            _sane(c.step_size, f"{path}.price_components[{i}].step_size"),
            _maybe(c.vat, f"{path}.price_components[{i}].vat"),
        )
        for i, c in enumerate(wire.price_components)
    )
    r = wire.restrictions
    return TariffElement(components, None if r is None else _restrictions(r, f"{path}.restrictions"))


def _restrictions(r: _Restrictions, path: str) -> Restrictions:
    return Restrictions(
        start_time=r.start_time,
        end_time=r.end_time,
        start_date=r.start_date,
        end_date=r.end_date,
        days=tuple(_DAYS[d] for d in r.day_of_week or ()),
        min_kwh=_maybe(r.min_kwh, f"{path}.min_kwh"),
        max_kwh=_maybe(r.max_kwh, f"{path}.max_kwh"),
        min_current=_maybe(r.min_current, f"{path}.min_current"),
        max_current=_maybe(r.max_current, f"{path}.max_current"),
        min_power=_maybe(r.min_power, f"{path}.min_power"),
        max_power=_maybe(r.max_power, f"{path}.max_power"),
        min_duration=r.min_duration,
        max_duration=r.max_duration,
        reservation=None if r.reservation is None else ReservationKind(r.reservation),
    )


def _price(wire: _Price, path: str) -> Price:
    excl = wire.excl_vat if wire.excl_vat is not None else wire.before_taxes
    incl = wire.incl_vat if wire.incl_vat is not None else wire.after_taxes
    if excl is None and incl is None:
        raise InputError(path, "an amount is missing (excl_vat, or before_taxes)")
    taxes = tuple(TaxAmount(t.name, t.amount, t.percentage, t.account_number) for t in wire.taxes or ())
    if incl is None and taxes and excl is not None:
        incl = excl + sum((t.amount for t in taxes), Decimal(0))
    return Price(_maybe(excl, path), _maybe(incl, path), taxes)


def _money(wire: Decimal | _Price | None, path: str) -> Price | None:
    """A total; 2.1.1 has a bare number, which is without VAT."""
    if wire is None:
        return None
    return Price(excl=_sane(wire, path)) if isinstance(wire, Decimal) else _price(wire, path)


def _cdr(wire: _Cdr, tariffs: tuple[Tariff, ...], version: str) -> Cdr:
    end = wire.stop_date_time if version == "2.1.1" else wire.end_date_time
    end = end or wire.end_date_time or wire.stop_date_time
    if end is None:
        missing = "stop_date_time" if version == "2.1.1" else "end_date_time"
        raise InputError(f"$.{missing}", "the end of the session is missing")
    zone = wire.location.time_zone if wire.location is not None else None
    return Cdr(
        id=None if wire.id is None else CdrId(wire.id),
        start=_utc(wire.start_date_time),
        end=_utc(end),
        place=_NO_PLACE if zone is None else CdrPlace(time_zone=zone),
        currency=wire.currency,
        tariffs=tariffs,
        periods=tuple([_period(p) for p in wire.charging_periods]),
        total_cost=_money(wire.total_cost, "$.total_cost"),
        total_fixed_cost=_money(wire.total_fixed_cost, "$.total_fixed_cost"),
        total_energy=_maybe(wire.total_energy, "$.total_energy"),
        total_energy_cost=_money(wire.total_energy_cost, "$.total_energy_cost"),
        total_time=_maybe(wire.total_time, "$.total_time"),
        total_time_cost=_money(wire.total_time_cost, "$.total_time_cost"),
        total_parking_time=_maybe(wire.total_parking_time, "$.total_parking_time"),
        total_parking_cost=_money(wire.total_parking_cost, "$.total_parking_cost"),
        total_reservation_cost=_money(wire.total_reservation_cost, "$.total_reservation_cost"),
        credit=wire.credit,
        credit_reference_id=wire.credit_reference_id,
    )


_NO_PLACE: Final = CdrPlace()


def _period(wire: _Period) -> ChargingPeriod:
    volumes = tuple([Volume(v.type, v.volume) for v in wire.dimensions])
    tariff = wire.tariff_id
    return ChargingPeriod(_utc(wire.start_date_time), volumes, None if tariff is None else TariffId(tariff))


def without_unknown(content: bytes) -> tuple[bytes, list[str]]:
    """Tariffs without the restrictions that no OCPI version knows, and the JSON paths of those, for `lint`.

    Numbers keep their text. Raises InputError for what is no JSON.
    """
    try:
        data: Any = json.loads(content, parse_float=str)
    except ValueError as error:
        raise InputError("$", f"no valid JSON: {error}") from None
    inner = data["data"] if isinstance(data, dict) and "data" in data else data
    known = frozenset(_Restrictions.__struct_fields__)
    found: list[str] = []
    for index, tariff in enumerate(inner if isinstance(inner, list) else [inner]):
        elements = tariff.get("elements") if isinstance(tariff, dict) else None
        for number, element in enumerate(elements if isinstance(elements, list) else ()):
            restrictions = element.get("restrictions") if isinstance(element, dict) else None
            if isinstance(restrictions, dict):
                path = f"[{index}].elements[{number}].restrictions"
                found += [f"{path}.{name}" for name in restrictions if name not in known]
                element["restrictions"] = {name: value for name, value in restrictions.items() if name in known}
    return json.dumps(inner).encode(), found


_NAMES: Final = {
    "components": "price_components",
    "days": "day_of_week",
    "dimension": "type",
    "kind": "type",
    "periods": "charging_periods",
    "place": "location",
    "start": "start_date_time",
    "step": "step_size",
    "valid_from": "start_date_time",
    "valid_until": "end_date_time",
    "volumes": "dimensions",
}


def ocpi_path(path: str, version: str) -> str:
    """A path in the canonical model's names as a JSON path in those of an OCPI version."""
    if not path:
        return "$"
    names = dict(_NAMES, end="stop_date_time" if version == "2.1.1" else "end_date_time")
    names |= {"excl": "excl_vat", "incl": "incl_vat"}
    if version == "2.3.0":
        limit = "min_price" in path or "max_price" in path
        names |= {"excl": "before_taxes", "incl": "after_taxes" if limit else "taxes"}
    words = []
    for word in path.split("."):
        name, bracket, rest = word.partition("[")
        words.append(names.get(name, name) + bracket + rest)
    if version == "2.1.1" and words[-1] in ("excl_vat", "incl_vat"):
        words.pop()  # a total is one number there
    return "$." + ".".join(words)
