"""A core on a store in a file, with partners and chargers that do as they are told, and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from bridge.mapping.loss import DEFAULTED, Loss
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.ids import ConnectorId, ContractId, EvseId, EvseUid, LocationId, PartyId, TariffId, TokenUid
from bridge.model.location import Capability, Connector, Evse, Location, Place, Plug, PlugFormat, PowerType
from bridge.model.profile import ActiveChargingProfile, ChargingProfile, ProfileAction, ProfileOutcome, ProfileResult, RateUnit
from bridge.model.tariff import Dimension, PriceComponent, Tariff, TariffElement
from bridge.model.token import Allowed, Token, TokenKind, UidHash, Whitelist
from bridge.roaming.agreements import Agreement, Book
from bridge.roaming.authorise import Route
from bridge.roaming.billing import OperatorFacts
from bridge.roaming.core import Core
from bridge.roaming.ports import (
    AuthorisationAnswer,
    AuthorisationRequest,
    ConnectorRef,
    Delivered,
    Encoded,
    Job,
    Kind,
    Outcome,
    Partner,
    ReadBack,
)
from bridge.store.sqlite import SqliteStore

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALL = frozenset({"locations", "status", "tariffs", "tokens", "sessions", "cdrs", "commands", "profiles"})
CARD = "04A1B2C3D4E5F6"
OTHER = "04FFEEDDCCBBAA"
FIRST = ConnectorRef("CP1", 1)
SECOND = ConnectorRef("CP1", 2)


class Clock:
    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def ahead(self, **amount: float) -> datetime:
        self.at += timedelta(**amount)
        return self.at


class Told:
    """A partner that only takes things."""

    kinds = frozenset({Kind.LOCATION, Kind.STATUS, Kind.TARIFF, Kind.SESSION, Kind.CDR})

    def __init__(self, name: str, format_: str = "ocpi-2.2.1") -> None:
        self.name = name
        self.format = format_
        self.losses: tuple[Loss, ...] = ()
        self.writes: Callable[[Cdr], Cdr] = lambda cdr: cdr
        self.allow: frozenset[str] = frozenset()
        self.fault: Exception | None = None
        self.encoded: list[tuple[Kind, Any]] = []
        self.sent: list[Job] = []
        self.answers: list[Outcome] = []

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        if self.fault is not None and kind is Kind.CDR:
            raise self.fault
        self.encoded.append((kind, obj))
        key = str(getattr(obj, "id", None) or getattr(obj, "evse_id", None) or obj.place.id)
        losses = tuple((key, loss) for loss in self.losses) if kind is Kind.CDR else ()
        if kind is Kind.CDR:
            obj = self.writes(obj)
        return [Encoded(key, orjson.dumps(model_json.to_json(obj), default=str), losses)]

    def read_back(self, kind: Kind, encoded: Encoded) -> ReadBack:
        read = model_json.from_json(Cdr, orjson.loads(encoded.body))
        return ReadBack(read, tuple(((loss.path,), loss.value) for _, loss in encoded.losses if loss.kind == DEFAULTED),
                        allow=self.allow)  # fmt: skip

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        self.sent += jobs
        return [self.answers.pop(0) if self.answers else Delivered(f"at-{self.name}") for _ in jobs]

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Asked(Told):
    """A partner that answers: ``says`` a verdict, an answer or an error, after ``after`` seconds."""

    def __init__(self, name: str, says: Allowed | AuthorisationAnswer | Exception = Allowed.NOT_ALLOWED, after: float = 0.0,
                 format_: str = "ocpi-2.2.1") -> None:  # fmt: skip
        super().__init__(name, format_)
        self.says = says
        self.after = after
        self.questions: list[AuthorisationRequest] = []
        self.outcome_within = 30.0
        self.outcomes: list[tuple[str, Any]] = []
        self.outcome_faults: list[Exception] = []
        self.plans: list[tuple[str, ActiveChargingProfile]] = []
        self.plan_faults: list[Exception] = []

    async def authorise(self, request: AuthorisationRequest) -> AuthorisationAnswer:
        self.questions.append(request)
        await asyncio.sleep(self.after)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says if isinstance(self.says, AuthorisationAnswer) else AuthorisationAnswer(self.says)

    async def outcome(self, address: str, outcome: CommandOutcome | ProfileOutcome) -> None:
        if self.outcome_faults:
            raise self.outcome_faults.pop(0)
        self.outcomes.append((address, outcome))

    async def plan_changed(self, session: str, plan: ActiveChargingProfile) -> None:
        if self.plan_faults:
            raise self.plan_faults.pop(0)
        self.plans.append((session, plan))


class Lister(Asked):
    """A partner with a token list: ``pages`` by what was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.whole: list[list[Token]] = []
        self.changes: list[list[Token]] = []
        self.pulls: list[datetime | None] = []
        self.fault_at: int | None = None
        self.between: Callable[[], Any] | None = None

    async def pull_tokens(self, since: datetime | None) -> AsyncIterator[list[Token]]:
        self.pulls.append(since)
        for number, page in enumerate(self.whole if since is None else self.changes):
            if self.fault_at == number:
                from bridge.errors import Unreachable

                raise Unreachable("the connection broke")
            yield page
            if self.between is not None:
                await self.between()


class Chargers:
    """Chargers that do as they are told."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.result = CommandResult.ACCEPTED
        self.told: list[tuple[Any, ...]] = []
        self.on_start: Callable[[ConnectorRef, str], Any] | None = None
        self.on_any: Callable[[], Any] | None = None
        self.profiled = ProfileResult.ACCEPTED
        self.plan = ProfileOutcome(ProfileAction.ACTIVE, ProfileResult.REJECTED)

    async def _answer(self) -> CommandResult:
        if self.on_any is not None:
            await self.on_any()
        return self.result

    def online(self, charge_point: str) -> bool:
        return charge_point not in self.gone

    async def start(self, ref: ConnectorRef, id_token: str) -> CommandResult:
        self.told.append(("start", ref, id_token))
        if self.on_start is not None:
            await self.on_start(ref, id_token)
        return await self._answer()

    async def stop(self, charge_point: str, transaction: int) -> CommandResult:
        self.told.append(("stop", charge_point, transaction))
        return await self._answer()

    async def unlock(self, ref: ConnectorRef) -> CommandResult:
        self.told.append(("unlock", ref))
        return await self._answer()

    async def reserve(self, ref: ConnectorRef, id_token: str, reservation: int, until: datetime) -> CommandResult:
        self.told.append(("reserve", ref, id_token, reservation, until))
        return await self._answer()

    async def cancel(self, charge_point: str, reservation: int) -> CommandResult:
        self.told.append(("cancel", charge_point, reservation))
        return await self._answer()

    async def set_profile(self, ref: ConnectorRef, transaction: int, number: int, profile: ChargingProfile) -> ProfileResult:
        self.told.append(("set", ref, transaction, number, profile))
        await self._answer()
        return self.profiled

    async def clear_profile(self, charge_point: str, number: int) -> ProfileResult:
        self.told.append(("clear", charge_point, number))
        await self._answer()
        return self.profiled

    async def composite(self, ref: ConnectorRef, seconds: int, unit: RateUnit | None) -> ProfileOutcome:
        self.told.append(("composite", ref, seconds, unit))
        return self.plan


def agreement(partner: str, **changes: Any) -> Agreement:
    given: dict[str, Any] = {"kinds": ALL, "tariffs": {"*": "T1"}, **changes}
    return Agreement(partner, "acme", **given)


def token(uid: str = CARD, whitelist: Whitelist | None = Whitelist.ALLOWED, valid: bool = True, contract: str = "DE-XYZ-C00000001-2",
          expires: datetime | None = None, hashed: UidHash | None = None, kind: TokenKind = TokenKind.RFID) -> Token:  # fmt: skip
    return Token(TokenUid(uid), kind, PartyId("DE", "XYZ"), ContractId(contract), whitelist=whitelist, valid=valid, expires=expires,
                 hashed=hashed)  # fmt: skip


def tariff(energy: str = "0.40", name: str = "T1", *more: TariffElement, vat: str | None = "19") -> Tariff:
    price = PriceComponent(Dimension.ENERGY, Decimal(energy), Decimal(1), None if vat is None else Decimal(vat))
    return Tariff(id=TariffId(name), party=PartyId("DE", "ABC"), currency="EUR", elements=(*more, TariffElement((price,))))


def location(zone: str = "Europe/Berlin", *capabilities: Capability) -> Location:
    def evse(number: int) -> Evse:
        plug = Connector(ConnectorId("1"), Plug.T2, PlugFormat.SOCKET, PowerType.AC_3_PHASE, 230, 32)
        return Evse(EvseUid(f"U{number}"), EvseId(f"DE*ABC*E{number}"), capabilities=capabilities, connectors=(plug,))

    return Location(Place(id=LocationId("L1"), time_zone=zone), (evse(1), evse(2), evse(3)))


class World:
    """Everything, on one file. Three EVSEs: two at CP1, one at CP2."""

    def __init__(self, path: Path, partners: Sequence[Partner], routes: Sequence[Route] | None = None,
                 agreements: Sequence[Agreement] | None = None, **options: Any) -> None:  # fmt: skip
        self.path = path / "bridge.sqlite"
        self.clock = Clock()
        self.chargers = Chargers()
        self.partners: Mapping[str, Partner] = {p.name: p for p in partners}
        self.routes = routes if routes is not None else [Route(p.name) for p in partners]
        self.book = Book(agreements if agreements is not None else [agreement(p.name) for p in partners])
        self.operators = options.pop("operators", {"acme": OperatorFacts(PartyId("DE", "ABC"), "Europe/Berlin", "EUR")})
        self.options = {"authorise_seconds": 0.4, "update_seconds": 0.0, **options}
        self.open()

    def open(self) -> None:
        self.store = SqliteStore(self.path)
        self.store.open()
        self.core = Core(self.store, self.partners, self.routes, self.book, self.operators, self.clock, **self.options)
        self.core.control(self.chargers)
        self.sessions = self.core.sessions

    def restart(self) -> None:
        """As after a kill: memory is gone, the file is there."""
        self.store.close()
        self.open()

    async def import_all(self, *tariffs: Tariff, zone: str = "Europe/Berlin", capable: Sequence[Capability] = ()) -> None:
        bound = {"DE*ABC*E1": ("CP1", 1), "DE*ABC*E2": ("CP1", 2), "DE*ABC*E3": ("CP2", 1)}
        await self.core.publisher.import_tariffs("acme", tariffs or (tariff(),))
        await self.core.publisher.import_locations("acme", [location(zone, *capable)], groups={}, bound=bound)

    async def charge(self, card: str = CARD, wh: int = 10_000, ref: ConnectorRef = FIRST, **length: float) -> int:
        """A whole session from now on; the clock is at its end."""
        started = self.clock()
        number, _ = await self.sessions.started(ref, card, 1000, started)
        ended = self.clock.ahead(**(length or {"hours": 1}))
        await self.sessions.stopped(ref.charge_point, number, 1000 + wh, ended, "Local", card, [])
        return number

    def cdr(self) -> Cdr:
        (row,) = self.store.cdrs()
        made: Cdr = model_json.from_json(Cdr, orjson.loads(row.body))
        return made

    def decisions(self) -> list[dict[str, Any]]:
        rows = self.store.db.read.execute("SELECT * FROM decision ORDER BY rowid")
        return [{**dict(r), "routes": orjson.loads(r["routes"])} for r in rows]

    def history(self, what: str | None = None) -> list[dict[str, Any]]:
        rows = [dict(r) for r in self.store.db.read.execute("SELECT * FROM history ORDER BY id")]
        return [r for r in rows if what is None or r["what"] == what]

    def on_disk(self) -> bytes:
        """Everything that is in the store's files."""
        self.store.close()
        return b"".join(p.read_bytes() for p in sorted(self.path.parent.iterdir()) if p.name.startswith(self.path.name))
