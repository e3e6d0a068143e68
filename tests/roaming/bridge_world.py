"""A whole bridge in this process, its partners the strict stand-ins, everything over real sockets on free ports."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from attrs import define, field

from bridge.app import Bridge, bindings
from bridge.codec.lenient import walk
from bridge.config import BridgeConfig
from bridge.demo import scene
from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.model.location import Status
from bridge.roaming.ports import ConnectorRef, MeterSample
from bridge.roaming.publish import Imported
from bridge.simulate import clearing_house, emsp, hubject
from bridge.simulate.clearing_house import ClearingHouse
from bridge.simulate.emsp_state import Emsp
from bridge.simulate.hubject_hub import Driver, Hub, HubSettings
from bridge.simulate.ocpi_party import Faults

NAMES = ("emsp1", "emsp2", "hubject", "clearinghouse")
PATIENCE = 20.0
OPERATOR = "example"


def canonical(kind: str, data: dict[str, Any]) -> Any:
    """An OCPI 2.2.1 object as the model says it."""
    entry = registry.find("ocpi-2.2.1", kind)
    return entry.mapping.bind(Settings(), "ocpi-2.2.1").to_canon(walk(entry.mapping.wire, data).value)[0]


def place(ident: str, *evses: int, **changes: Any) -> dict[str, Any]:
    """A location like that of the demonstration, with EVSEs of its own."""
    made = scene.location()
    one = made["evses"][0]
    made["id"] = ident
    made["evses"] = [json.loads(json.dumps(one)) | {"uid": f"{ident}-{n}", "evse_id": f"DE*ABC*E{ident}*{n}"} for n in evses]
    return made | changes


async def until(what: str, holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for a condition; what it gave."""
    end = asyncio.get_running_loop().time() + seconds
    while not (found := holds()):
        assert asyncio.get_running_loop().time() < end, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.01)
    return found


@define(eq=False)
class World:
    """The bridge and its partners. A partner that is taken ``down`` keeps what it knows."""

    folder: Path
    ports: scene.Ports
    config: BridgeConfig
    bridge: Bridge
    emsps: dict[str, Emsp]
    hub: Hub
    house: ClearingHouse
    at: datetime = field(factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=6))
    faults: Any = None
    _runners: dict[str, web.AppRunner] = field(factory=dict)

    # --- partners ----------------------------------------------------------------------------------------------------

    async def up(self, name: str) -> None:
        """A partner serves (again)."""
        if name == "hubject":
            app = hubject.application(hub=self.hub)
            self.faults = app[hubject.FAULTS]
            port = self.ports.hubject
        elif name == "clearinghouse":
            app, port = clearing_house.application(self.house), self.ports.house
        else:
            app, port = emsp.application(self.emsps[name]), self.ports.emsps[list(self.emsps).index(name)]
        runner = self._runners[name] = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    async def down(self, name: str) -> None:
        """Nobody listens there any more."""
        await self._runners.pop(name).cleanup()

    def break_(self, name: str, **how: Any) -> None:
        """A partner answers every request badly: ``status``, ``retry_after``, ``nonsense``, ``delay``, ``drop_after_accept``."""
        count = how.pop("count", 10_000)
        if name == "hubject":
            self.faults.plan = {**how, "count": count}
        elif name == "clearinghouse":
            self.house.trouble = clearing_house.Trouble(**how, count=count)
        else:
            self.emsps[name].trouble = Faults(**how, count=count)

    def mend(self, name: str) -> None:
        """It answers well again."""
        if name == "hubject":
            self.faults.plan = {}
        elif name == "clearinghouse":
            self.house.trouble = None
        else:
            self.emsps[name].trouble = Faults()

    def spoiled(self, name: str, of: int = 10_000) -> int:
        """How many requests a broken partner has answered badly."""
        if name == "hubject":
            return of - int(self.faults.plan["count"])
        if name == "clearinghouse":
            return of - (self.house.trouble.count if self.house.trouble is not None else 0)
        return of - self.emsps[name].trouble.count

    def held(self, name: str) -> list[str]:
        """The CDRs that a partner has: Hubject by our session id, the others by the CDR's."""
        if name == "hubject":
            return [str(c["CPOPartnerSessionID"]) for c in self.hub.cdrs.values()]
        if name == "clearinghouse":
            return [ident for ident, _ in self.house.world.cdrs]
        return [str(cdr["id"]) for _, _, cdr in self.emsps[name].cdrs.values()]

    def status_of(self, name: str, evse: int) -> str | None:
        """The status that a partner holds of an EVSE of the demonstration's location."""
        if name == "hubject":
            found = self.hub.statuses.get(scene.OPERATOR, {}).get(scene.EVSES[evse])
            return None if found is None else str(found["EvseStatus"])
        if name == "clearinghouse":
            status: str | None = self.house.world.report()["statuses"].get(scene.EVSES[evse])
            return status
        held = self.emsps[name].locations.get(("DE", "ABC", scene.LOCATION))
        return None if held is None else next(str(e["status"]) for e in held["evses"] if e["uid"] == f"UID{evse + 1}")

    def rejections(self) -> list[Any]:
        """What any partner had to reject."""
        return [*self.hub.rejections, *self.house.rejections, *(r for e in self.emsps.values() for r in e.rejections)]

    def card(self, name: str, number: int = 0) -> str:
        """A driver's card of a partner."""
        if name == "hubject":
            return scene.HUBJECT_UID
        if name == "clearinghouse":
            return scene.HOUSE_UID
        return str(list(self.emsps[name].known.values())[number]["uid"])

    # --- the bridge --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """The bridge serves."""
        await self.bridge.start()

    async def restart(self, config: BridgeConfig | None = None) -> None:
        """The bridge ends in order and begins anew on the same store, perhaps with another configuration."""
        await self.bridge.stop()
        self.config = config or self.config
        self.bridge = Bridge(self.config)
        await self.bridge.start()

    async def load(self, *locations: dict[str, Any], groups: Mapping[str, Sequence[str]] | None = None,
                   confirmed: bool = False) -> Imported:  # fmt: skip
        """Import these locations (the demonstration's if none are given)."""
        found = [canonical("location", one) for one in locations or (scene.location(),)]
        done = await self.bridge.core.publisher.import_locations(OPERATOR, found, groups=groups or {}, bound=bindings(self.config),
                                                                 confirmed=confirmed)  # fmt: skip
        self.wake()
        return done

    async def price(self, *tariffs: dict[str, Any]) -> None:
        """Import these tariffs (the demonstration's if none are given)."""
        await self.bridge.core.publisher.import_tariffs(OPERATOR, [canonical("tariff", one) for one in tariffs or (scene.tariff(),)])
        self.wake()

    def wake(self) -> None:
        """As whatever changes something in this process does."""
        for name in self.config.partners:
            self.bridge.core.wake(name)

    async def ready(self) -> None:
        """Everything that is to be published is, and the token lists are here."""
        await until("the token lists are here", lambda: all(self.store.token_counts(n)[1] for n in NAMES
                                                            if n != "hubject" and n in self.config.partners))  # fmt: skip
        await self.quiet()

    async def quiet(self) -> None:
        """Nothing waits to be delivered."""
        await until("the outbox is empty", lambda: not self.jobs())

    async def quietly(self, name: str) -> None:
        """Nothing is under way to a partner."""
        await until("nothing is under way", lambda: not self.jobs(name, "taken"))

    @property
    def store(self) -> Any:
        """The bridge's store."""
        return self.bridge.store

    def jobs(self, partner: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
        """What is in the outbox (dead letters only where asked for)."""
        rows = [dict(r) for r in self.store.db.read.execute("SELECT * FROM outbox ORDER BY id")]
        return [r for r in rows if partner in (None, r["partner"]) and (r["state"] != "dead" if state is None else r["state"] == state)]

    def cdrs(self, partner: str | None = None) -> dict[str, Any]:
        """Our CDRs by session."""
        return {c.session: c for c in self.store.cdrs() if partner in (None, c.partner)}

    def history(self, what: str) -> list[dict[str, Any]]:
        """Lines of the history."""
        return [dict(r) for r in self.store.db.read.execute("SELECT * FROM history WHERE what = ? ORDER BY id", (what,))]

    async def status(self, evse: int, status: Status) -> None:
        """A charger tells its status."""
        self.at += timedelta(seconds=1)
        await self.bridge.core.sessions.status(ConnectorRef(scene.CHARGERS[evse], 1), status, self.at)

    async def begin(self, charger: int, card: str, wh: int = 0) -> int:
        """A driver shows a card and charges; the transaction's number."""
        sessions, ref = self.bridge.core.sessions, ConnectorRef(scene.CHARGERS[charger], 1)
        assert await sessions.authorise(ref.charge_point, card) == "Accepted"
        self.at += timedelta(minutes=1)
        number, answer = await sessions.started(ref, card, wh, self.at)
        assert answer == "Accepted"
        return number

    async def end(self, charger: int, number: int, wh: int = 0, kwh: int = 10) -> str:
        """The driver leaves; the session's id."""
        ref = ConnectorRef(scene.CHARGERS[charger], 1)
        self.at += timedelta(minutes=30)
        sample = MeterSample(self.at, register_kwh=kwh + wh // 1000)  # type: ignore[arg-type]
        await self.bridge.core.sessions.stopped(ref.charge_point, number, wh + kwh * 1000, self.at, "Local", None, [sample])
        return str(self.store.session(tx=number).id)

    async def charge(self, charger: int, card: str, kwh: int = 10) -> str:
        """A whole session; its id."""
        return await self.end(charger, await self.begin(charger, card), kwh=kwh)

    async def get(self, name: str, path: str) -> Any:
        """What an eMSP gets from our OCPI server: HTTP status and the envelope."""
        import base64

        emsp = self.emsps[name]
        token = emsp.theirs if emsp.older else base64.b64encode((emsp.theirs or "").encode()).decode()
        headers = {"Authorization": f"Token {token}", "X-Request-ID": "1", "X-Correlation-ID": "1"}
        url = f"http://127.0.0.1:{self.ports.bridge}/ocpi/{'cpo/' * emsp.older}{emsp.version}{path}"
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
            return answer.status, orjson.loads(await answer.read())


def configuration(folder: Path, ports: scene.Ports, change: Callable[[dict[str, Any]], None] = lambda config: None) -> BridgeConfig:
    """The demonstration's configuration, short of patience, with changes."""
    said = tomllib.loads(scene.configuration(ports))
    said["store"] = str(folder / "bridge.sqlite")
    for partner in said["partners"].values():
        partner |= {"token_pull_seconds": 3600, "timeout_seconds": 0.5}
    change(said)
    return BridgeConfig.model_validate(said)


@asynccontextmanager
async def world(folder: Path, change: Callable[[dict[str, Any]], None] = lambda config: None, *,
                serves: bool = True, tokens: int = 5, ocpi: str = "2.2.1") -> AsyncIterator[World]:  # fmt: skip
    """A world with the demonstration's location and tariff, published; or with nothing, and the bridge not started.

    ``ocpi``: the version that its eMSPs speak.
    """
    ports = scene.ports()
    drivers = {uid: Driver("DE-DCB") for uid in (scene.HUBJECT_UID, scene.HUBJECT_EVCO)}
    hub = Hub(HubSettings({scene.OPERATOR: ()}, drivers, f"http://127.0.0.1:{ports.bridge}"))
    house = ClearingHouse(clearing_house.example(scene.OPERATOR, "DE-EMP", (f"{scene.HOUSE_UID}={scene.HOUSE_CONTRACT}",)))
    emsps = {f"emsp{n}": Emsp(party_id=f"EM{n}", name=f"Mobility {n}", tokens=tokens, unlisted=1, token_a=f"token-a-{n}",
                              url=f"http://127.0.0.1:{port}", version=ocpi) for n, port in enumerate(ports.emsps, 1)}  # fmt: skip

    def speak(said: dict[str, Any]) -> None:
        for name, one in emsps.items():
            said["partners"][name] |= {"protocol": f"ocpi-{ocpi}", "url": one.url + one.versions_path}
        change(said)

    config = configuration(folder, ports, speak)
    made = World(folder, ports, config, Bridge(config), emsps, hub, house)
    try:
        for name in NAMES:
            await made.up(name)
        if serves:
            await made.start()
            await made.price()
            await made.load()
            await made.ready()
        yield made
    finally:
        if made.bridge._runner is not None:
            await made.bridge.stop()
        for name in list(made._runners):
            await made.down(name)
