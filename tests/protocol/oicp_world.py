"""What the OICP tests share: an operator's objects, a simulated Hubject over a real socket, and the independent judge."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from attrs import define, evolve, field

from bridge.mapping import partner as partner_file
from bridge.model.cdr import Cdr, CdrPlace
from bridge.model.ids import CdrId, EvseId, EvseUid, LocationId, OperatorId, PartyId, SessionId, TariffId, TokenUid
from bridge.model.location import (
    Address,
    Capability,
    Connector,
    Evse,
    EvseStatus,
    GeoPoint,
    Hours,
    Location,
    Place,
    Plug,
    PlugFormat,
    PowerType,
    Status,
)
from bridge.model.session import Session, SessionStatus
from bridge.model.tariff import Dimension, PriceComponent, Tariff, TariffElement
from bridge.model.token import SessionToken, TokenKind
from bridge.oicp.adapter import OicpPartner
from bridge.oicp.config import OicpConfig
from bridge.roaming.ports import Encoded, Job, Kind, Op
from bridge.simulate.hubject import HUB, application
from bridge.simulate.hubject_hub import Driver, Hub, HubSettings

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
SETTINGS = partner_file.load(ROOT / "mappings" / "partners" / "example.toml")
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
OPERATOR = "DE*ABC"
CARD = "04A2B3C4D5E6F7"
BLOCKED = "04A2B3C4D5E6F8"
SILENT = "04A2B3C4D5E6F9"
EVCO = "DE-DCB-C12345678-X"


def present() -> Path:
    """The facts beside the checkout; skips where they are absent, and fails in CI."""
    if not (SHARED / "spec" / "oicp").is_dir():
        reason = "the facts of OICP are not beside the checkout (../shared/spec/oicp)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


def judged(path: str, message: dict[str, Any]) -> list[str]:
    """The faults that the independent judge finds in a message; none where the judge is absent."""
    file = SHARED / "tools" / "judge.py"
    if not file.is_file():
        return []
    spec = importlib.util.spec_from_file_location("judge", file)
    assert spec is not None
    assert spec.loader is not None
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    kinds = {
        "data-records": "eRoamingPushEvseData", "status-records": "eRoamingPushEvseStatus", "start": "eRoamingAuthorizeStart",
        "stop": "eRoamingAuthorizeStop", "charge-detail-record": "eRoamingChargeDetailRecord",
        "pricing-products": "eRoamingPushPricingProductData", "evse-pricing": "eRoamingPushEVSEPricing",
        "charging-notifications": f"eRoamingChargingNotifications {message.get('Type')}",
    }  # fmt: skip
    faults: list[str] = judge.oicp(kinds[path.rpartition("/")[2]], message)
    return faults


# --- an operator's objects ------------------------------------------------------------------------------------------


def evse_id(n: int = 1) -> EvseId:
    return EvseId(f"{OPERATOR}*E{n}")


def location(*numbers: int) -> Location:
    place = Place(
        operator_id=OperatorId(OPERATOR), id=LocationId("DE*ABC*P1"),
        address=Address(street="Hauptstrasse", house_number="1", city="Berlin", postal_code="10115", country="DEU"),
        coordinates=GeoPoint(Decimal("52.520008"), Decimal("13.404954")), hours=Hours(always=True), time_zone="Europe/Berlin",
    )  # fmt: skip
    connector = Connector(
        plug=Plug.T2, format=PlugFormat.CABLE, power_type=PowerType.AC_3_PHASE, max_voltage=230, max_amperage=32, max_power=Decimal(22000)
    )
    evses = tuple(
        Evse(uid=EvseUid(f"u{n}"), id=evse_id(n), capabilities=(Capability.RFID, Capability.REMOTE_START_STOP),
             connectors=(connector,), last_updated=NOW) for n in numbers or (1,)
    )  # fmt: skip
    return Location(place, evses)


def status(n: int = 1, value: Status = Status.AVAILABLE) -> EvseStatus:
    return EvseStatus(value, evse_id=evse_id(n), updated=NOW)


def tariff(id_: str = "AC1", price: str = "0.49", *recipients: str) -> Tariff:
    component = PriceComponent(Dimension.ENERGY, Decimal(price))
    return Tariff(TariffId(id_), "EUR", (TariffElement((component,)),), recipients=recipients)


def session(hub_session_id: str | None, **more: Any) -> Session:
    told = Session(
        id=SessionId("S1"), party=PartyId("DE", "ABC"), status=SessionStatus.ACTIVE, start=NOW - timedelta(minutes=30),
        kwh=Decimal(0), evse_id=evse_id(), hub_session_id=hub_session_id, operator_session_id="S1",
        token=SessionToken(uid=TokenUid(CARD), kind=TokenKind.RFID), meter_start=Decimal("100"), last_updated=NOW,
    )  # fmt: skip
    return evolve(told, **more)


def cdr(hub_session_id: str | None, **more: Any) -> Cdr:
    told = Cdr(
        id=CdrId("CDR-1"), party=PartyId("DE", "ABC"), start=NOW - timedelta(minutes=30), end=NOW, hub_session_id=hub_session_id,
        operator_session_id="S1", token=SessionToken(uid=TokenUid(CARD), kind=TokenKind.RFID),
        place=CdrPlace(evse_id=evse_id()), meter_start=Decimal("100"), meter_end=Decimal("112.345"),
        total_energy=Decimal("12.345"),
    )  # fmt: skip
    return evolve(told, **more)


_numbers = itertools.count(1)


def job(kind: Kind, op: Op, encoded: Encoded) -> Job:
    return Job(next(_numbers), "hubject", kind, op, encoded.key, encoded.body, encoded.meta, 0, NOW)


def jobs(partner: OicpPartner, kind: Kind, op: Op, *objects: Any) -> list[Job]:
    return [job(kind, op, encoded) for one in objects for encoded in partner.encode(kind, one)]


# --- Hubject --------------------------------------------------------------------------------------------------------


@define
class World:
    """A simulated Hubject behind a socket, the bridge's partner for it, and what went over the wire."""

    client: TestClient[web.Request, web.Application]
    partner: OicpPartner
    hub: Hub
    now: list[datetime]
    ticks: list[float]
    sent: list[tuple[str, dict[str, Any]]] = field(factory=list)

    async def sim(self, path: str, **wish: Any) -> dict[str, Any]:
        async with self.client.post(f"/_sim/{path}", json=wish) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def report(self) -> dict[str, Any]:
        async with self.client.get("/_sim/report") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    def actions(self, operation: str) -> list[tuple[str, int]]:
        """The pushes of an operation: action, and how many records it carried."""
        return [(m["ActionType"], _size(m)) for path, m in self.sent if path.endswith(operation)]


def _size(message: dict[str, Any]) -> int:
    (data,) = (v for k, v in message.items() if k != "ActionType")
    records: Sequence[Any] = data if isinstance(data, list) else next(v for v in data.values() if isinstance(v, list))
    return len(records)


@asynccontextmanager
async def world(bridge_url: str = "", change: Callable[[OicpConfig], OicpConfig] = lambda config: config,
                **settings: Any) -> AsyncIterator[World]:  # fmt: skip
    """Hubject and a partner for it. Every message that the partner sent is judged at the end."""
    now, ticks = [NOW], [0.0]
    drivers = {CARD: Driver("DE-DCB"), BLOCKED: Driver("DE-DCB", "200"), SILENT: Driver("DE-DCB", "310"), EVCO: Driver("DE-DCB")}
    hub = Hub(HubSettings({OPERATOR: ()}, drivers, bridge_url, **settings), lambda: now[0])
    app = application(hub=hub)
    sent: list[tuple[str, dict[str, Any]]] = []

    @web.middleware
    async def record(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/api/oicp"):
            sent.append((request.path, json.loads(await request.read())))
        answer: web.StreamResponse = await handler(request)
        return answer

    app.middlewares.append(record)
    async with TestClient(TestServer(app)) as client:
        assert app[HUB] is hub
        config = OicpConfig("hubject", str(client.make_url("/api/oicp")), OPERATOR, "ABC technologies", settings=SETTINGS)
        partner = OicpPartner(change(config), clock=lambda: now[0], monotonic=lambda: ticks[0])
        await partner.open()
        try:
            yield World(client, partner, hub, now, ticks, sent)
        finally:
            await partner.close()
    faults = [(path, judged(path, message)) for path, message in sent]
    assert not [(path, found) for path, found in faults if found]
