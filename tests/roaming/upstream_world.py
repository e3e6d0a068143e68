"""A core with an upstream operator: its own system tells us locations, tariffs, sessions and CDRs, and takes commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from attrs import evolve

from bridge.model import json as model_json
from bridge.model.cdr import Cdr, CdrPlace
from bridge.model.command import Command, CommandResult
from bridge.model.common import Price
from bridge.model.ids import (
    CdrId,
    ConnectorId,
    ContractId,
    EvseId,
    EvseUid,
    LocationId,
    OperatorId,
    PartyId,
    SessionId,
    TariffId,
    TokenUid,
)
from bridge.model.location import Connector, Evse, Location, Place, Plug, PlugFormat, PowerType, Status
from bridge.model.session import AuthMethod, CdrDimension, ChargingPeriod, Session, SessionStatus, Volume
from bridge.model.tariff import Tariff
from bridge.model.token import SessionToken, TokenKind
from bridge.roaming.agreements import OWN, Agreement
from bridge.roaming.authorise import Route
from bridge.roaming.ports import Encoded, Job, Kind, Partner
from bridge.roaming.storage import CdrRow
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.ports import Listed, Receipt
from bridge.roaming.upstream.upstream import Upstream
from tests.roaming.roaming_world import CARD, NOON, Asked, Told, World, agreement

US = PartyId("DE", "ABC")
CSMS = "csms"


class Csms(Told):
    """An upstream operator's system: gives lists, takes tokens and commands."""

    kinds = frozenset({Kind.TOKEN})

    def __init__(self, name: str = CSMS) -> None:
        super().__init__(name)
        self.lists: dict[Kind, list[Listed | Exception]] = {}
        self.pulls: list[tuple[Kind, datetime | None]] = []
        self.commands: list[tuple[Command, str]] = []
        self.receipt: Receipt | Exception = Receipt(CommandResult.ACCEPTED, 5)
        self.does: Callable[[Command, str], Any] | None = None
        self.between: Callable[[], Any] | None = None

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        assert kind is Kind.TOKEN
        return [Encoded(str(obj.uid), orjson.dumps(model_json.to_json(obj), default=str), (), {"uid": str(obj.uid)})]

    async def pull_objects(self, kind: Kind, since: datetime | None) -> AsyncIterator[Listed]:
        self.pulls.append((kind, since))
        for part in self.lists.get(kind, []):
            if isinstance(part, Exception):
                raise part
            yield part
            if self.between is not None:
                await self.between()

    async def send_command(self, command: Command, reference: str) -> Receipt:
        self.commands.append((command, reference))
        if isinstance(self.receipt, Exception):
            raise self.receipt
        if self.does is not None:
            await self.does(command, reference)
        return self.receipt


def sources(partner: str, **changes: Any) -> Agreement:
    """An agreement about our own and what comes from the upstream operator, at its prices."""
    return agreement(partner, **{"sources": frozenset({OWN, CSMS}), "tariffs": {}, **changes})


class Above(World):
    """A world with an upstream operator that feeds ``acme``, and a partner that has everything of it."""

    def __init__(self, path: Path, partners: Sequence[Partner] | None = None, agreements: Sequence[Agreement] | None = None,
                 feed: Feed | None = None, **options: Any) -> None:  # fmt: skip
        others = list(partners) if partners is not None else [Asked("emsp")]
        self.csms = Csms()
        given = agreements if agreements is not None else [sources(p.name) for p in others]
        routes = [Route(p.name) for p in others]
        options = {"feeds": {CSMS: feed or Feed(CSMS, ("acme",))}, **options}
        super().__init__(path, [*others, self.csms], [r for r in routes if r.partner not in options["feeds"]], given, **options)

    @property
    def up(self) -> Upstream:
        return self.core.upstream

    def partner(self, name: str = "emsp") -> Asked:
        found = self.partners[name]
        assert isinstance(found, Asked)
        return found

    async def deliver(self, name: str = "emsp") -> list[Job]:
        """What goes out to a partner now."""
        partner = self.partners[name]
        assert isinstance(partner, Told)
        before = len(partner.sent)
        while await self.core.dispatchers[name].round():
            pass
        return partner.sent[before:]

    async def told(self, kind: Kind, name: str = "emsp") -> list[Any]:
        """The objects of a kind that go out to a partner now."""
        classes = {Kind.LOCATION: Location, Kind.TARIFF: Tariff, Kind.SESSION: Session, Kind.CDR: Cdr}
        return [model_json.from_json(classes[kind], orjson.loads(j.body)) for j in await self.deliver(name) if j.kind is kind]

    def entries(self) -> list[CdrRow]:
        return self.store.cdrs()


def place(ident: str = "U1", *numbers: int, **changes: Any) -> Location:
    """A location of the upstream operator."""
    evses = tuple(evse(n) for n in numbers or (91, 92))
    made = Place(OperatorId("DE*ABC"), LocationId(ident), time_zone="Europe/Berlin", last_updated=NOON)
    return Location(evolve(made, **changes), evses)


def evse(number: int, status: Status = Status.AVAILABLE, at: datetime = NOON, tariff: str = "CPO") -> Evse:
    plug = Connector(ConnectorId("1"), Plug.T2, PlugFormat.SOCKET, PowerType.AC_3_PHASE, 230, 32, tariff_ids=(TariffId(tariff),),
                     last_updated=at)  # fmt: skip
    return Evse(EvseUid(f"UID{number}"), EvseId(f"DE*ABC*E{number}"), status, connectors=(plug,), last_updated=at)


def with_status(location: Location, number: int, status: Status, at: datetime) -> Location:
    evses = tuple(evolve(e, status=status, last_updated=at) if e.uid == f"UID{number}" else e for e in location.evses)
    return Location(evolve(location.place, last_updated=at), evses)


def card(uid: str = CARD, contract: str | None = "DE-XYZ-C00000001-2", kind: TokenKind = TokenKind.RFID) -> SessionToken:
    return SessionToken(TokenUid(uid), kind, PartyId("DE", "XYZ"), ContractId(contract) if contract is not None else None)


def session(ident: str = "S1", **changes: Any) -> Session:
    made = Session(SessionId(ident), US, SessionStatus.ACTIVE, NOON, None, Decimal("0.5"), card(), AuthMethod.WHITELIST, None,
                   LocationId("U1"), EvseUid("UID91"), connector_id=ConnectorId("1"), currency="EUR", last_updated=NOON)  # fmt: skip
    return evolve(made, **changes)


def cdr(ident: str = "C1", **changes: Any) -> Cdr:
    """10 kWh in half an hour, for 5.55 net of the operator's."""
    end = NOON + timedelta(minutes=30)
    volumes = (Volume(CdrDimension.ENERGY, Decimal(10)), Volume(CdrDimension.TIME, Decimal("0.5")))
    there = CdrPlace(LocationId("U1"), evse_uid=EvseUid("UID91"), evse_id=EvseId("DE*ABC*E91"), connector_id=ConnectorId("1"),
                     plug=Plug.T2, format=PlugFormat.SOCKET, power_type=PowerType.AC_3_PHASE)  # fmt: skip
    period = ChargingPeriod(NOON, volumes, TariffId("CPO"))
    made = Cdr(CdrId(ident), US, NOON, end, session_id=SessionId("S1"), token=card(), auth_method=AuthMethod.WHITELIST, place=there,
               currency="EUR", periods=(period,), total_cost=Price(Decimal("5.55"), Decimal("6.60")), total_energy=Decimal(10),
               total_time=Decimal("0.5"), last_updated=end)  # fmt: skip
    return evolve(made, **changes)
