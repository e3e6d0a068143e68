"""The bridge as an operator towards a peer that is an eMSP: registration, locations, status, tariffs, tokens, sessions, CDRs."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import define

from bridge.app import Bridge, bindings
from bridge.config import BridgeConfig
from bridge.demo import scene
from bridge.model.location import Status
from bridge.ocpi.adapter import OcpiPartner
from bridge.ocpi.client import joined
from bridge.roaming.ports import ConnectorRef, MeterSample
from tests.interop.checks import Checks, Failed, until
from tests.roaming.bridge_world import canonical, place

EXAMPLE = Path(__file__).parents[2] / "mappings" / "partners" / "example.toml"
FIRST = ConnectorRef(scene.CHARGERS[0], 1)


@define
class Peer:
    """How the peer is reached. ``card``: a driver's card of it, and one that it has to be asked about."""

    url: str
    token_a: str
    version: str
    card: str
    card_to_ask: str


def configuration(folder: Path, peer: Peer) -> BridgeConfig:
    """The demonstration's operator, with the peer as its only partner."""
    said = tomllib.loads(scene.configuration(scene.ports()))
    agreement = {"operator": "example", "tariffs": {"*": "STANDARD"}}
    constants = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))["constants"] if peer.version == "2.1.1" else {}
    said["partners"] = {"peer": {"protocol": f"ocpi-{peer.version}", "url": peer.url, "token": {"value": peer.token_a}, "priority": 1,
                                 "token_pull_seconds": 3600, "constants": constants, "agreements": [agreement]}}  # fmt: skip
    said["store"] = str(folder / "bridge.sqlite")
    return BridgeConfig.model_validate(said)


async def play(checks: Checks, folder: Path, peer: Peer) -> None:
    """Everything that an operator does with an eMSP."""
    config = configuration(folder, peer)
    bridge = Bridge(config)
    await bridge.start()
    try:
        partner = bridge.partners["peer"]
        assert isinstance(partner, OcpiPartner)
        async with checks.check("the bridge registers at the peer (which calls back during the request)"):
            await until(lambda: partner.registration.state.registered, "registration")
        if partner.registration.state.registered:
            await _published(checks, bridge, config, partner)
            await _charged(checks, bridge, partner, peer)
            async with checks.check("the bridge unregisters: DELETE credentials"):
                await partner.registration.unregister()
    finally:
        await bridge.stop()


async def _published(checks: Checks, bridge: Bridge, config: BridgeConfig, partner: OcpiPartner) -> None:
    async with checks.check("tokens are pulled"):
        await until(lambda: bridge.store.token_counts("peer")[1], "a token list")
    async with checks.check("tariffs are put"):
        await bridge.core.publisher.import_tariffs("example", [canonical("tariff", scene.tariff())])
        bridge.core.wake("peer")
        await _sent(bridge, "tariff")
    async with checks.check("locations are put, and read back"):
        plain = {name: value for name, value in scene.location().items() if name != "energy_mix"}
        await _import(bridge, config, plain)
        held = await _held(partner, "locations", scene.LOCATION)
        assert len(held["evses"]) == len(scene.EVSES), "not all EVSEs are there"
    async with checks.check("a location with the least of an energy mix is put"):
        await _import(bridge, config, plain, place("LOC2", 1, energy_mix={"is_green_energy": True}))
    async with checks.check("a status is patched, and read back"):
        await bridge.core.sessions.status(ConnectorRef(scene.CHARGERS[1], 1), Status.OUT_OF_ORDER, datetime.now(UTC))
        bridge.core.wake("peer")
        await _sent(bridge, "status")
        held = await _held(partner, "locations", scene.LOCATION)
        assert next(e["status"] for e in held["evses"] if e["uid"] == "UID2") == "OUTOFORDER", "the status is not there"


async def _import(bridge: Bridge, config: BridgeConfig, *locations: dict[str, Any]) -> None:
    found = [canonical("location", one) for one in locations]
    await bridge.core.publisher.import_locations("example", found, groups={}, bound=bindings(config), confirmed=True)
    bridge.core.wake("peer")
    await _sent(bridge, "location")


async def _charged(checks: Checks, bridge: Bridge, partner: OcpiPartner, peer: Peer) -> None:
    async with checks.check("a card is authorised in real time"):
        answer = await bridge.core.sessions.authorise(FIRST.charge_point, peer.card_to_ask)
        if answer != "Accepted":
            await partner.client.authorize(peer.card_to_ask, "RFID", None)  # raises what the peer did wrong
            raise Failed(f"{answer}; {_why(bridge)}")
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    sessions = bridge.core.sessions
    assert await sessions.authorise(FIRST.charge_point, peer.card) == "Accepted"
    number, _ = await sessions.started(FIRST, peer.card, 0, begun)
    bridge.core.wake("peer")
    async with checks.check("a session is put, and read back"):
        await _sent(bridge, "session")
        session = bridge.store.session(tx=number)
        assert session is not None
        held = await _held(partner, "sessions", str(session.id))
        assert held["status"] == "ACTIVE", "the session is not active there"
    sample = MeterSample(begun + timedelta(minutes=30), register_kwh=Decimal(10))
    await sessions.stopped(FIRST.charge_point, number, 10_000, begun + timedelta(minutes=30), "Local", None, [sample])
    bridge.core.wake("peer")
    async with checks.check("a CDR is posted, and read back from its Location"):
        await _sent(bridge, "cdr")
        cdr = next((one for one in bridge.store.cdrs() if one.partner == "peer"), None)
        if cdr is None:
            raise Failed(f"no CDR was made: {_why(bridge)}")
        if not cdr.reference:
            raise Failed(f"it is {cdr.state}: {cdr.error or 'no Location was given'}")
        found = _only(json.loads(await partner.cdr_at(cdr.reference) or b"null"))
        assert found is not None, "there is no CDR there"
        assert found["id"] == cdr.id, "another CDR is there"
        assert Decimal(str(found["total_energy"])) == 10, "another energy is there"


async def _sent(bridge: Bridge, kind: str) -> None:
    """Wait until everything of a kind is delivered. Raises Failed with what the peer said."""

    def waiting() -> list[Any]:
        rows = bridge.store.db.read.execute("SELECT key, state, attempts, error FROM outbox WHERE kind = ?", (kind,))
        return [dict(one) for one in rows]

    try:
        await until(lambda: not waiting() or any(one["state"] == "dead" for one in waiting()), f"{kind} delivered")
    except Failed as why:
        raise Failed(f"{why}; {waiting()[:2]}") from why
    if waiting():
        raise Failed(str(waiting()[:2]))


async def _held(partner: OcpiPartner, module: str, ident: str) -> dict[str, Any]:
    """An object as the peer has it: GET on its Receiver interface."""
    country, party = scene.OPERATOR.split("*")
    data = await partner.client._found(joined(partner.client.endpoint(module, "RECEIVER"), country, party, ident))
    found = _only(json.loads(data or b"null"))
    if not isinstance(found, dict):
        raise Failed(f"the peer does not have {module} {ident}")
    return found


def _only(found: Any) -> Any:
    """An object, also one that comes as a list of one (which is the peer's fault, and told by the probe)."""
    return (found[0] if found else None) if isinstance(found, list) else found


def _why(bridge: Bridge) -> str:
    rows = bridge.store.db.read.execute("SELECT * FROM history ORDER BY id DESC LIMIT 4").fetchall()
    return "; ".join(f"{dict(one).get('what')}: {dict(one).get('detail')}" for one in rows)[:700]
