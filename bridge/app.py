"""The bridge as one process: configuration, store, partners, chargers, core and the web server, wired together."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bridge.errors import ConfigError
from bridge.model.ids import OperatorId, PartyId
from bridge.roaming.agreements import OWN, Agreement, Book
from bridge.roaming.authorise import Route, normal
from bridge.roaming.billing import OperatorFacts
from bridge.roaming.core import Core
from bridge.roaming.ports import Partner, Recalls
from bridge.roaming.upstream.feed import Feed
from bridge.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from bridge.config import BridgeConfig, PartnerConfig
    from bridge.ocpi.config import OurRole


def utc_now() -> datetime:
    """The clock of the bridge, in milliseconds: no protocol has finer times."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def book_of(config: BridgeConfig) -> Book:
    """All agreements of a configuration."""
    return Book([
        Agreement(name, a.operator, frozenset(a.kinds), frozenset(a.groups), a.valid_from, a.valid_until, dict(a.tariffs), a.test,
                  frozenset(OWN if source == "own" else source for source in a.sources),
                  preference_tariffs={group: tuple(names) for group, names in a.preference_tariffs.items()},
                  free=a.free)
        for name, partner in config.partners.items() for a in partner.agreements
    ])  # fmt: skip


def terms(partner: PartnerConfig) -> str:
    """A fingerprint of what decides what a partner is shown, and how."""
    said = partner.model_dump_json(include={"protocol", "agreements", "constants", "values", "allow", "operator_id"})
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def party(config: BridgeConfig, operator: str) -> PartyId:
    """The party of one of our operators."""
    found = OperatorId.parse(config.operators[operator].party).party
    if found is None:
        raise ConfigError(f"operators.{operator}.party", "an ISO operator id such as DE*ABC")
    return found


class _Credentials:
    """OCPI credentials in the store."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store

    async def load(self, partner: str) -> Any:
        from bridge.ocpi.credentials import PartnerCredentials

        body = self.store.credential(partner)
        return None if body is None else PartnerCredentials.from_json(body)

    async def save(self, partner: str, credentials: Any) -> None:
        await self.store.set_credential(partner, credentials.to_json())


def make_partner(name: str, config: BridgeConfig, store: SqliteStore) -> Partner:
    """The adapter of a configured partner. Raises ConfigError naming the key."""
    it = config.partners[name]
    if not it.agreements and it.role != "upstream":
        raise ConfigError(f"partners.{name}.agreements", "at least one is needed; one with a valid_until in the past takes everything back")
    make = {"ocpi": _ocpi, "oicp": _oicp, "ochp": _ochp}[it.protocol.partition("-")[0]]
    made: Partner = make(name, it, config, store)
    return made


def _tls(name: str, it: PartnerConfig) -> ssl.SSLContext | None:
    if it.certificate is None:
        return ssl.create_default_context(cafile=str(it.authority)) if it.authority is not None else None
    if it.key is None:
        raise ConfigError(f"partners.{name}.key", "the key of the certificate is missing")
    from bridge.oicp.config import client_tls

    return client_tls(str(it.certificate), str(it.key), ca=str(it.authority) if it.authority else None)


def _secret(name: str, it: PartnerConfig, key: str) -> str:
    secret = getattr(it, key)
    if secret is None:
        raise ConfigError(f"partners.{name}.{key}", f"is needed for {it.protocol}")
    value: str = secret.read(f"partners.{name}.{key}")
    return value


def _ocpi(name: str, it: PartnerConfig, config: BridgeConfig, store: SqliteStore) -> Any:
    from bridge.ocpi.adapter import OcpiPartner
    from bridge.ocpi.config import OcpiConfig
    from bridge.ocpi.upstream import OcpiOperator

    parties = frozenset({it.provider_party.replace("-", "*")} if it.provider_party else ())
    adapter = OcpiOperator if it.role == "upstream" else OcpiPartner
    return adapter(OcpiConfig(
        name, f"{config.public_url}/ocpi", _ocpi_roles(it, config), it.url or None,
        token_for_us=it.token.read(f"partners.{name}.token") if it.token else None,
        token_for_them=it.inbound_token.read(f"partners.{name}.inbound_token") if it.inbound_token else None,
        parties=parties, pin=it.protocol.partition("-")[2] or None, hub=it.role == "hub", tells_clients=config.hub,
        response_hosts=frozenset(it.response_hosts), settings=it.settings(),
        timeout=it.timeout_seconds, quirks=it.quirks, requests_per_second=it.requests_per_second or None,
        unknown_tokens_per_minute=it.unknown_tokens_per_minute or None), _Credentials(store))  # fmt: skip


def _ocpi_roles(it: PartnerConfig, config: BridgeConfig) -> tuple[OurRole, ...]:
    """Our roles towards a partner: the operators of its agreements; towards an upstream operator the provider of its drivers."""
    from bridge.ocpi.config import OurRole

    if it.role == "upstream":
        ours = PartyId.parse(it.our_party) if it.our_party is not None else party(config, it.feeds[0])
        return (OurRole(ours.country_code, ours.party_id, "EMSP", config.operators[it.feeds[0]].name),)
    names = dict.fromkeys(a.operator for a in it.agreements)
    return tuple(OurRole(party(config, n).country_code, party(config, n).party_id, "CPO", config.operators[n].name) for n in names)


def feeds_of(config: BridgeConfig) -> dict[str, Feed]:
    """The upstream operators of a configuration."""
    return {name: Feed(name, tuple(it.feeds), tuple(it.groups), tuple(it.tokens_from), it.pull_seconds, it.full_pull_hours)
            for name, it in config.partners.items() if it.role == "upstream"}  # fmt: skip


def _oicp(name: str, it: PartnerConfig, config: BridgeConfig, store: SqliteStore) -> Any:
    from bridge.oicp.adapter import OicpPartner
    from bridge.oicp.config import Inbound, InboundAuth, OicpConfig

    operator = it.agreements[0].operator
    plain = it.url.startswith("http://")
    auth = InboundAuth(Inbound.BASIC, it.user or "hubject", _secret(name, it, "password")) if it.password else InboundAuth(Inbound.LOOPBACK)
    return OicpPartner(OicpConfig(
        name, it.url, it.operator_id or config.operators[operator].party, config.operators[operator].name, it.settings(), _tls(name, it),
        plain, timeout=it.timeout_seconds, inbound_auth=auth))  # fmt: skip


def _ochp(name: str, it: PartnerConfig, config: BridgeConfig, store: SqliteStore) -> Any:
    from bridge.ochp.adapter import OchpPartner
    from bridge.ochp.client import OchpConfig

    operator = it.agreements[0].operator
    return OchpPartner(OchpConfig(
        name, it.url, it.user or "", _secret(name, it, "password"), it.operator_id or config.operators[operator].party, it.settings(),
        it.live_url or "", timeout=it.timeout_seconds, status_ttl=it.status_ttl_seconds or None, tls=_tls(name, it)))  # fmt: skip


class Bridge:
    """Everything that runs."""

    def __init__(self, config: BridgeConfig) -> None:
        from bridge.joining.registration import watch
        from bridge.ocpp.central import CentralSystem, ChargerAccess, OcppConfig

        self.config = config
        self.store = SqliteStore(config.store, linger=True)
        self.book = book_of(config)
        self.partners: dict[str, Partner] = {name: make_partner(name, config, self.store) for name in config.partners}
        for partner in self.partners.values():
            watch(partner, self.store, self._wake)
        routes = [Route(n, p.role == "hub", p.priority, p.authorise, p.offline == "accept-known", p.stage)
                  for n, p in config.partners.items() if p.role != "upstream"]  # fmt: skip
        operators = {n: OperatorFacts(party(config, n), o.time_zone, o.currency) for n, o in config.operators.items()}
        own = frozenset(normal(uid) for o in config.operators.values() for uid in o.own_uids)
        self.core = Core(self.store, self.partners, routes, self.book, operators, utc_now, authorise_seconds=config.authorise_seconds,
                         own=own, update_seconds=config.session_update_seconds, clock_minutes=config.clock_minutes,
                         most_percent=config.mass_change_percent,
                         chargers=frozenset(config.chargers), feeds=feeds_of(config),
                         cdr_deadline_hours={n: p.cdr_deadline_hours for n, p in config.partners.items()},
                         full_pull_hours={n: 0.0 if p.quirks.full_lists else p.token_full_pull_hours for n, p in config.partners.items()},
                         hub=config.hub,
                         preferences_need={n: frozenset(o.preferences_need) for n, o in config.operators.items()},
                         profile_seconds={n: p.profile_seconds for n, p in config.partners.items()},
                         terms={n: terms(p) for n, p in config.partners.items()})  # fmt: skip
        access = {
            name: ChargerAccess(c.password.read(f"chargers.{name}.password").encode() if c.password else None)
            for name, c in config.chargers.items()
        }
        self.central = CentralSystem(self.core.sessions, OcppConfig(chargers=access))
        self.core.control(self.central)
        self._runner: web.AppRunner | None = None

    def application(self) -> web.Application:
        """All routes on one address."""
        from bridge.web import admin

        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(self.central.routes())
        by_family: dict[str, dict[str, Any]] = {}
        for name, partner in self.partners.items():
            by_family.setdefault(partner.format.partition("-")[0], {})[name] = partner
        if "ocpi" in by_family:
            from bridge.ocpi.server import routes as ocpi_routes

            app.add_routes(ocpi_routes(self.core, by_family["ocpi"]))
        if "oicp" in by_family:
            from bridge.oicp.server import routes as oicp_routes

            app.add_routes(oicp_routes(self.core, by_family["oicp"]))
        app.add_routes(admin.routes(self))
        return app

    def _wake(self, partner: str) -> None:
        self.core.wake(partner)

    async def start(self) -> None:
        """Open the store, serve, connect."""
        self.store.open()
        await self.store.bind(bindings(self.config))
        self._runner = web.AppRunner(self.application(), access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.config.host, self.config.port).start()
        await self.core.start({n: float(p.token_pull_seconds) for n, p in self.config.partners.items()})

    async def stop(self) -> None:
        """Drain: chargers and partners first, then what is under way, then the store."""
        await self.central.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.core.stop()
        self.store.close()


@asynccontextmanager
async def beside(config: BridgeConfig) -> AsyncIterator[Bridge]:
    """A bridge for one command, beside one that may be serving: the store is open, partners speak what was agreed upon, nothing runs."""
    bridge = Bridge(config)
    bridge.store.db.open()
    try:
        for partner in bridge.partners.values():
            if isinstance(partner, Recalls):
                await partner.recall()
        yield bridge
    finally:
        bridge.store.close()


def bindings(config: BridgeConfig) -> Mapping[str, tuple[str, int]]:
    """Which connector an EVSE is, by EVSE-ID as written and by its key."""
    from bridge.model.ids import evse_key

    found: dict[str, tuple[str, int]] = {}
    for name, charger in config.chargers.items():
        for number, evse in charger.connectors.items():
            found[evse] = found[evse_key(evse)] = (name, number)
    return found


def settle() -> None:
    """The process has started: what there is now stays, so that garbage need not be looked for in it at every turn.

    And not after every few hundred objects either: a page of a partner's list is many thousands, and none of them garbage.
    The thread that writes waits for the interpreter at every statement: a busy event loop hands it over sooner than the 5 ms
    that are usual.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    sys.setswitchinterval(0.0005)


async def run(config: BridgeConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    import signal

    bridge = Bridge(config)
    await bridge.start()
    settle()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    await bridge.stop()
