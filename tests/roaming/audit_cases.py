"""The three adapters, not connected, and CDRs as settlement makes them: what the audit of a CDR is tried with."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
import msgspec
from attrs import evolve
from hypothesis import strategies as st

from bridge.codec import xml
from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.mapping.difference import Steps, fields_of
from bridge.mapping.engine import Bound
from bridge.mapping.shape import is_shaped
from bridge.model.cdr import Cdr
from bridge.model.common import Text
from bridge.model.ids import ContractId, PartyId
from bridge.model.location import Address, GeoPoint
from bridge.model.tariff import Dimension, PriceComponent, Restrictions, Tariff, TariffElement
from bridge.model.token import Token
from bridge.ochp.adapter import OchpConfig, OchpPartner
from bridge.ocpi.adapter import OcpiConfig, OcpiPartner, OurRole
from bridge.oicp.adapter import OicpPartner
from bridge.oicp.config import OicpConfig
from bridge.roaming.ports import Encoded, Job, Kind, MeterSample, Outcome, Partner, ReadBack
from bridge.roaming.publish import dumps
from bridge.roaming.settle import Situation, as_cdr
from bridge.roaming.storage import EvseRow, SessionRow
from bridge.roaming.whole import of_ours
from bridge.translate.files import encode
from bridge.translate.readback import read_back
from tests.roaming.roaming_world import NOON, location, tariff, token

HUB_SESSION = "b2688855-7f00-0002-6d8e-48d883f6abb6"
SETTINGS = Settings({"language": "en", "time_zone": "Europe/Berlin", "auth_method": "WHITELIST", "tax_included": "NO", "voltage_ac": 230,
                     "voltage_dc": 400, "cdr_place": {"amperage": 32}})  # fmt: skip
HUBJECT = OicpConfig("hubject", "https://hub.invalid/api/oicp", "DE*ABC", "Acme", settings=SETTINGS)


class Mapped:
    """A partner of a format by its mapping alone."""

    kinds = frozenset({Kind.CDR})

    def __init__(self, format_: str) -> None:
        self.name = self.format = format_
        self.whole_places = format_ == "ocpi-2.1.1"

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        entry, mapping = bound(self, kind)
        wire, losses = mapping.to_wire(obj)
        return [Encoded(entry.ident(wire), bytes_of(self, wire), tuple((self.name, loss) for loss in losses))]

    def read_back(self, kind: Kind, made: Encoded) -> ReadBack:
        return read_back(*bound(self, kind), made)

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        raise NotImplementedError

    async def open(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


def adapters() -> dict[str, Partner]:
    """One partner per protocol, and per version of OCPI."""
    return {
        "ocpi-2.1.1": Mapped("ocpi-2.1.1"),
        "ocpi-2.3.0": Mapped("ocpi-2.3.0"),
        "ocpi": OcpiPartner(OcpiConfig("emsp", "http://bridge.invalid/ocpi", (OurRole("DE", "ABC"),), settings=SETTINGS)),
        "oicp": OicpPartner(HUBJECT),
        "ochp": OchpPartner(OchpConfig(name="chs", url="http://house.invalid/service/ochp/v1.4", user="u", password="p",  # noqa: S106
                                       operator_id="DE*ABC", settings=SETTINGS)),
    }  # fmt: skip


def bound(partner: Partner, kind: Kind = Kind.CDR) -> tuple[registry.Entry, Bound]:
    """The mapping by which a partner writes."""
    entry = registry.find(partner.format, kind.value)
    return entry, entry.mapping.bind(SETTINGS, partner.format)


def cdr_of(samples: list[MeterSample], ended: datetime, wh: int, *, charge: Tariff | None = None, card: Token | None = None) -> Cdr:
    """What settlement makes of a session at noon."""
    place = location()
    place = evolve(place, place=evolve(place.place, address=Address("Square", "1", None, "Berlin", "10115", None, "DEU"),
                                       coordinates=GeoPoint(Decimal("52.52"), Decimal("13.405"))))  # fmt: skip
    row = SessionRow("0f8fad5b-d9cb-469f-a165-70867728950e", 17, "CP1", 1, "DEABCE1", "L1", "acme", "emsp", "04A1", dumps(card or token()),
                     {"how": "whitelist", "accepted": True, "reference": "REF-1", "hub_session_id": HUB_SESSION,
                      "provider_session_id": None}, False, NOON, 1000, ended, 1000 + wh)  # fmt: skip
    here = of_ours(place, EvseRow("DEABCE1", "DE*ABC*E1", "U1", "L1", "acme"), "Europe/Berlin", None)
    return as_cdr(row, samples, Situation(here, charge, PartyId("DE", "ABC"), "Europe/Berlin", "EUR"), ended)


@st.composite
def cdrs(draw: st.DrawFn) -> Cdr:
    """CDRs of sessions with some meter values, signed ones among them, priced by some tariff."""
    minutes = sorted(draw(st.sets(st.integers(1, 119), max_size=4)))
    steps = [draw(st.sampled_from((0, 0, 700, 2345, 9001))) for _ in minutes]
    samples = [MeterSample(NOON + timedelta(minutes=m), Decimal(1000 + sum(steps[: i + 1])) / 1000)
               for i, m in enumerate(minutes)]  # fmt: skip
    samples += [MeterSample(NOON + timedelta(minutes=at), signed=f"OCMF|{{{at}}}|{{\"SD\":\"{at}\"}}", context=context)
                for at, context in draw(st.sampled_from(((), ((0, "Transaction.Begin"), (120, "Transaction.End")))))]  # fmt: skip
    parts = tuple(PriceComponent(dimension, draw(st.sampled_from((Decimal("0.49"), Decimal("1.337"), Decimal(3)))), Decimal(1),
                                 draw(st.sampled_from((None, Decimal(19)))))
                  for dimension in draw(st.sets(st.sampled_from((Dimension.TIME, Dimension.PARKING_TIME, Dimension.FLAT)))))  # fmt: skip
    energy = PriceComponent(Dimension.ENERGY, Decimal("0.3337"), Decimal(1), Decimal(19))
    later = draw(st.sampled_from(((), (TariffElement((energy,), Restrictions(min_kwh=Decimal(2))),))))
    charge: Tariff | None = evolve(
        tariff(), elements=(*later, TariffElement((evolve(energy, price=Decimal("0.49")), *parts))), alt_texts=(Text("by day", "en"),)
    )
    if draw(st.integers(0, 9)) == 0:
        charge = None
    card = draw(st.sampled_from((token(), token("04a1b2c3d4e5f6"), evolve(token(), contract_id=ContractId("DEXYZC00000001")))))
    return cdr_of(samples, NOON + timedelta(minutes=120), sum(steps) + draw(st.integers(0, 9000)), charge=charge, card=card)


def wire_of(partner: Partner, encoded: Encoded) -> Any:
    """The wire record in the bytes."""
    return bound(partner)[0].codec.exact()(encoded.body).value


def bytes_of(partner: Partner, wire: Any) -> bytes:
    """A wire record as the adapter writes it."""
    codec, cls = bound(partner)[0].codec, wire.__class__
    return xml.writer(cls)(wire, codec.element).encode() if attrs.has(cls) else encode(wire)


def replaced(value: Any, path: Steps, change: Callable[[Any], Any]) -> Any:
    """A record with the value at ``path`` changed."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return (*value[:step], replaced(value[step], rest, change), *value[step + 1 :])
    name = next(one.name for one in fields_of(value) if one.wire == step)
    made = replaced(getattr(value, name), rest, change)
    return evolve(value, **{name: made}) if attrs.has(type(value)) else msgspec.structs.replace(value, **{name: made})


def other(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """Another value of the same type, one that says something else."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Enum):
        return draw(st.sampled_from([one for one in type(value) if one is not value]))
    if isinstance(value, datetime):
        return value + timedelta(seconds=draw(st.integers(1, 90_000)))
    if isinstance(value, Decimal | int):
        return value + draw(st.sampled_from((1, -1, 10))) * (Decimal("0.01") if isinstance(value, Decimal) else 1)
    places = [i for i, sign in enumerate(value) if sign.isalnum() and sign.isascii()]
    at = draw(st.sampled_from(places))
    signs = string.digits if value[at].isdigit() else string.ascii_uppercase
    return value[:at] + signs[(signs.index(value[at].upper()) + draw(st.integers(1, len(signs) - 1))) % len(signs)] + value[at + 1 :]


def lists_in(value: Any, path: Steps = ()) -> Iterator[tuple[Steps, tuple[Any, ...]]]:
    """Every list in a record, with its path."""
    if isinstance(value, tuple):
        if value:
            yield path, value
        for i, one in enumerate(value):
            yield from lists_in(one, (*path, i))
    elif is_shaped(value.__class__):
        for one in fields_of(value):
            yield from lists_in(getattr(value, one.name), (*path, one.wire))
