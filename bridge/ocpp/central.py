"""The central system for the operator's own chargers (OCPP 1.6J over aiohttp WebSockets).

A charger connects to ``{path}/{charge_point_id}``. Before the upgrade: 404 for an unknown charger, 401 for wrong
credentials (security profile 1 and 2, HTTP Basic), 400 without a subprotocol that is spoken here, 503 while the core
cannot tell. The newest connection of a charger wins.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakValueDictionary

from aiohttp import WSCloseCode, web
from attrs import field, frozen

from bridge.errors import ConfigError, Declined, PartnerError, Unreachable
from bridge.model.command import CommandResult
from bridge.model.profile import ChargingProfile, ProfileOutcome, ProfileResult, RateUnit
from bridge.ocpp import v16
from bridge.ocpp.frame import Call, ErrorCode
from bridge.ocpp.smart import SmartCharging
from bridge.ocpp.station import Lanes, Station
from bridge.ocpp.v16 import Messages, wire_time
from bridge.roaming.ports import ChargerAnswer, ChargerEvents, ConnectorRef

log = logging.getLogger("bridge.ocpp")

_HASH: Final = re.compile(r"sha256:([^:]+):([0-9A-Fa-f]{64})")
_NOT_SUPPORTED: Final = {ErrorCode.NOT_IMPLEMENTED, ErrorCode.NOT_SUPPORTED}


@frozen
class ChargerAccess:
    """How a charger proves who it is: its AuthorizationKey, or that key's :func:`hash_password`.

    Neither: no proof is asked for (security profile 0, for a closed network only).
    """

    password: bytes | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.password_hash is not None and _HASH.fullmatch(self.password_hash) is None:
            raise ConfigError("password_hash", "must be sha256:salt:digest, as `hash_password` makes it")


@frozen
class OcppConfig:
    """The central system's configuration; times in seconds."""

    chargers: Mapping[str, ChargerAccess] = field(factory=dict)
    """By charge point id. May be any mapping, such as one that reads a store."""
    others: ChargerAccess | None = None
    """For chargers that are not listed; None: they are unknown."""
    path: str = "/ocpp"
    heartbeat: int = 300
    """Between a charger's heartbeats (the interval of BootNotification)."""
    jitter: float = 0.1
    """The share of ``heartbeat`` by which chargers differ, so that a fleet does not beat as one."""
    ping: float | None = 60.0
    """Between WebSocket pings; a charger that does not answer within half of it is gone. None: no pings."""
    call_timeout: float = 30.0
    """For an answer to a CALL, the wait for one's turn included."""
    trigger_after: float | None = 2.0
    """How long a charger that connected or booted may take to tell its status until it is asked to. None: never asked."""
    max_frame: int = 1024 * 1024
    """Bytes of one message; hours of signed meter values in one StopTransaction have to fit. More closes it with 1009."""
    most_under_way: int = 32
    """Messages of one charger that are worked on at the same time."""
    upgrades: int = 64
    """Chargers that are let in at the same time: after an outage a whole fleet comes back at once."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)


@frozen
class ListEntry:
    """An entry of a charger's local authorisation list; without an answer it is to be deleted (Differential only)."""

    id_tag: str = field(repr=False)
    answer: ChargerAnswer | None = ChargerAnswer.ACCEPTED
    expires: datetime | None = None


class CentralSystem:
    """Takes chargers' connections, tells the core what they say, and is the core's :class:`~bridge.roaming.ports.ChargerControl`.

    Of what the core asks for: a command that was not sent is FAILED, one without an answer TIMEOUT (the charger may have
    obeyed), one that the charger does not know NOT_SUPPORTED.
    """

    def __init__(self, events: ChargerEvents, config: OcppConfig) -> None:
        self._events = events
        self._config = config
        self._messages = Messages(events, config.heartbeat, config.jitter, config.clock)
        self._smart = SmartCharging(self.call, config.clock)
        self._stations: dict[str, Station] = {}
        self._lanes: WeakValueDictionary[str, Lanes] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._askers: dict[str, asyncio.Task[None]] = {}
        self._door: asyncio.Semaphore | None = None
        self._closing = False

    def routes(self) -> list[web.RouteDef]:
        """Where chargers connect."""
        return [web.get(self._config.path.rstrip("/") + "/{charge_point_id}", self._connect)]

    @property
    def connected(self) -> frozenset[str]:
        """The charge points that are connected."""
        return frozenset(self._stations)

    async def close(self, wait: float = 10.0) -> None:
        """Finish what is under way (``wait`` seconds at most), then send the chargers away; they will come back."""
        self._closing = True
        for asker in list(self._askers.values()):
            asker.cancel()
        stations = list(self._stations.values())
        await asyncio.gather(*(one.close(WSCloseCode.GOING_AWAY, "restarting") for one in stations))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=wait)
        for task in list(self._tasks):
            task.cancel()

    # --- connections --------------------------------------------------------------------------------------------------

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        charge_point = request.match_info["charge_point_id"]
        self._admit(request, charge_point)
        config = self._config
        socket = web.WebSocketResponse(protocols=(v16.SUBPROTOCOL,), heartbeat=config.ping, compress=False,
                                       max_msg_size=config.max_frame, timeout=5.0)  # fmt: skip
        if not socket.can_prepare(request):
            raise web.HTTPBadRequest(text="a WebSocket handshake is expected\n")
        lanes = self._lanes.setdefault(charge_point, Lanes())
        station = Station(charge_point, socket, lanes, handle=self._messages.handle, spawn=self._spawn,
                          answered=self._answered, most=config.most_under_way)  # fmt: skip
        if self._door is None:
            self._door = asyncio.Semaphore(config.upgrades)
        async with lanes.gate, self._door:
            if not await self._known(charge_point):
                raise web.HTTPNotFound(text="unknown charge point\n")
            before = self._stations.get(charge_point)
            try:
                await socket.prepare(request)
            except BaseException:
                if before is None:
                    await self._events.disconnected(charge_point)
                raise
            self._stations[charge_point] = station
        if before is not None:
            log.warning("charger %s connected again: its older connection is closed", charge_point)
            self._spawn(before.close(WSCloseCode.POLICY_VIOLATION, "connected again"))
        log.info("charger %s connected", charge_point)
        self._ask_later(station)
        try:
            await station.run()
        finally:
            await asyncio.shield(self._spawn(self._left(station, lanes)))
        return socket

    def _admit(self, request: web.Request, charge_point: str) -> None:
        """Refuse whoever may not come in: all that can be said before anything is done."""
        access = self._config.chargers.get(charge_point, self._config.others)
        if access is None:
            raise web.HTTPNotFound(text="unknown charge point\n")
        if not proven(access, charge_point, request.headers.get("Authorization")):
            log.warning("charger %s: wrong or missing credentials", charge_point)
            raise web.HTTPUnauthorized(text="unauthorised\n", headers={"WWW-Authenticate": 'Basic realm="ocpp"'})
        offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", [])).split(",")
        if v16.SUBPROTOCOL not in (one.strip() for one in offered):
            log.warning("charger %s speaks no OCPP that is spoken here", charge_point)
            raise web.HTTPBadRequest(text=f"the subprotocol must be {v16.SUBPROTOCOL}\n")
        if self._closing:
            raise web.HTTPServiceUnavailable(text="restarting\n", headers={"Retry-After": "10"})

    async def _known(self, charge_point: str) -> bool:
        try:
            return await self._events.connected(charge_point)
        except Exception as why:
            log.error("charger %s cannot be let in: %s", charge_point, type(why).__name__)
            raise web.HTTPServiceUnavailable(text="try again\n", headers={"Retry-After": "10"}) from why

    async def _left(self, station: Station, lanes: Lanes) -> None:
        async with lanes.gate:
            if self._stations.get(station.charge_point) is not station:
                return  # replaced: the charger is still connected
            del self._stations[station.charge_point]
            asker = self._askers.pop(station.charge_point, None)
            if asker is not None:
                asker.cancel()
            log.info("charger %s is gone", station.charge_point)
            try:
                await self._events.disconnected(station.charge_point)
            except Exception as why:  # noqa: BLE001  (the connection is gone whatever the core makes of it)
                log.error("charger %s: its leaving is not noted: %s", station.charge_point, type(why).__name__)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- the status after a connection --------------------------------------------------------------------------------

    def _answered(self, station: Station, call: Call) -> None:
        if call.action == "BootNotification":
            station.told_status = False
            self._ask_later(station)

    def _ask_later(self, station: Station) -> None:
        """Many chargers connect again without a boot and say nothing until something changes."""
        if self._config.trigger_after is None or self._closing or self._stations.get(station.charge_point) is not station:
            return
        before = self._askers.get(station.charge_point)
        if before is not None:
            before.cancel()
        task = asyncio.get_running_loop().create_task(self._ask_status(station, self._config.trigger_after))
        self._askers[station.charge_point] = task
        task.add_done_callback(lambda done: self._asked(station.charge_point, done))

    def _asked(self, charge_point: str, task: asyncio.Task[None]) -> None:
        if self._askers.get(charge_point) is task:
            del self._askers[charge_point]

    async def _ask_status(self, station: Station, after: float) -> None:
        await asyncio.sleep(after)
        if station.told_status or station.closed:
            return
        try:
            await station.call("TriggerMessage", {"requestedMessage": "StatusNotification"}, self._config.call_timeout)
        except PartnerError as why:
            log.info("charger %s does not tell its status when asked: %s", station.charge_point, why)

    # --- what the core asks for ---------------------------------------------------------------------------------------

    def online(self, charge_point: str) -> bool:
        """Whether it is connected."""
        return charge_point in self._stations

    async def start(self, ref: ConnectorRef, id_token: str) -> CommandResult:
        """RemoteStartTransaction, 5.11. Accepted is a promise only: the transaction follows, or does not."""
        payload: dict[str, Any] = {"idTag": id_token}
        if ref.connector > 0:
            payload["connectorId"] = ref.connector
        return await self._command(ref.charge_point, "RemoteStartTransaction", payload, v16.START)

    async def stop(self, charge_point: str, transaction: int) -> CommandResult:
        """RemoteStopTransaction, 5.12."""
        return await self._command(charge_point, "RemoteStopTransaction", {"transactionId": transaction}, v16.STOP)

    async def unlock(self, ref: ConnectorRef) -> CommandResult:
        """UnlockConnector, 5.18. A running transaction is ended first, by the charger."""
        return await self._command(ref.charge_point, "UnlockConnector", {"connectorId": ref.connector}, v16.UNLOCK)

    async def reserve(self, ref: ConnectorRef, id_token: str, reservation: int, until: datetime) -> CommandResult:
        """ReserveNow, 5.13; the same reservation again replaces it."""
        payload = {"connectorId": ref.connector, "expiryDate": wire_time(until), "idTag": id_token,
                   "reservationId": reservation}  # fmt: skip
        return await self._command(ref.charge_point, "ReserveNow", payload, v16.RESERVE)

    async def cancel(self, charge_point: str, reservation: int) -> CommandResult:
        """CancelReservation, 5.2."""
        return await self._command(charge_point, "CancelReservation", {"reservationId": reservation}, v16.CANCEL)

    async def set_profile(self, ref: ConnectorRef, transaction: int, number: int, profile: ChargingProfile) -> ProfileResult:
        """SetChargingProfile, 5.16."""
        return await self._smart.set(ref, transaction, number, profile)

    async def clear_profile(self, charge_point: str, number: int) -> ProfileResult:
        """ClearChargingProfile, 5.5."""
        return await self._smart.clear(charge_point, number)

    async def composite(self, ref: ConnectorRef, seconds: int, unit: RateUnit | None) -> ProfileOutcome:
        """GetCompositeSchedule, 5.7."""
        return await self._smart.composite(ref, seconds, unit)

    async def _command(self, charge_point: str, action: str, payload: Mapping[str, Any],
                       results: Mapping[str, CommandResult]) -> CommandResult:  # fmt: skip
        if len(payload.get("idTag", "")) > v16.ID_TAG_MOST:
            log.error("charger %s: %s: the idTag is longer than %d characters", charge_point, action, v16.ID_TAG_MOST)
            return CommandResult.NOT_SUPPORTED
        try:
            answer = await self.call(charge_point, action, payload)
        except Unreachable as why:
            log.warning("charger %s: %s: %s", charge_point, action, why)
            return CommandResult.TIMEOUT if why.sent else CommandResult.FAILED
        except Declined as why:
            log.warning("charger %s: %s: %s", charge_point, action, why)
            return CommandResult.NOT_SUPPORTED if why.code in _NOT_SUPPORTED else CommandResult.FAILED
        return results.get(_status(answer), CommandResult.FAILED)

    # --- what the operator asks for -----------------------------------------------------------------------------------

    async def call(self, charge_point: str, action: str, payload: Mapping[str, Any],
                   within: float | None = None) -> dict[str, Any]:  # fmt: skip
        """Any CALL; the payload of its CALLRESULT, ``within`` seconds.

        Raises Unreachable (``sent``: it may have been obeyed) or Declined.
        """
        station = self._stations.get(charge_point)
        if station is None:
            raise Unreachable("the charger is not connected")
        return await station.call(action, payload, self._config.call_timeout if within is None else within)

    async def trigger(self, charge_point: str, message: str, connector: int | None = None) -> str:
        """TriggerMessage, 5.17: Accepted, Rejected or NotImplemented. Raises Unreachable or Declined."""
        payload: dict[str, Any] = {"requestedMessage": message}
        if connector is not None:
            payload["connectorId"] = connector
        return _status(await self.call(charge_point, "TriggerMessage", payload))

    async def clear_cache(self, charge_point: str) -> str:
        """ClearCache, 5.4: Accepted or Rejected. The local list is not touched. Raises Unreachable or Declined."""
        return _status(await self.call(charge_point, "ClearCache", {}))

    async def change_availability(self, ref: ConnectorRef, *, operative: bool) -> str:
        """ChangeAvailability, 5.3: Accepted, Rejected or Scheduled (after the transaction). Raises Unreachable or Declined."""
        payload = {"connectorId": ref.connector, "type": "Operative" if operative else "Inoperative"}
        return _status(await self.call(ref.charge_point, "ChangeAvailability", payload))

    async def local_list_version(self, charge_point: str) -> int:
        """GetLocalListVersion, 5.10: 0 is an empty list, -1 that there are no lists. Raises Unreachable or Declined."""
        found = (await self.call(charge_point, "GetLocalListVersion", {})).get("listVersion")
        return found if isinstance(found, int) else -1

    async def send_local_list(self, charge_point: str, version: int, entries: Iterable[ListEntry], *, full: bool) -> str:
        """SendLocalList, 5.15: Accepted, Failed, NotSupported or VersionMismatch.

        A full list without entries empties the charger's; after VersionMismatch or Failed send a full one. How many
        entries fit is the charger's SendLocalListMaxLength. Raises Unreachable, Declined, or ValueError for an entry
        that OCPP 1.6 cannot say.
        """
        listed = [_entry(one, full=full) for one in entries]
        if len({one["idTag"].upper() for one in listed}) != len(listed):
            raise ValueError("an idTag is in the list twice")
        payload: dict[str, Any] = {"listVersion": version, "updateType": "Full" if full else "Differential"}
        if listed:
            payload["localAuthorizationList"] = listed
        return _status(await self.call(charge_point, "SendLocalList", payload))


def _entry(entry: ListEntry, *, full: bool) -> dict[str, Any]:
    if not 0 < len(entry.id_tag) <= v16.ID_TAG_MOST:
        raise ValueError(f"an idTag has 1 to {v16.ID_TAG_MOST} characters")
    if entry.answer is None:
        if full:
            raise ValueError("an entry of a full list needs an answer")
        return {"idTag": entry.id_tag}
    info = {"status": entry.answer.value}
    if entry.expires is not None:
        info["expiryDate"] = wire_time(entry.expires)
    return {"idTag": entry.id_tag, "idTagInfo": info}


def _status(answer: Mapping[str, Any]) -> str:
    found = answer.get("status")
    return found if isinstance(found, str) else ""


# --- credentials ------------------------------------------------------------------------------------------------------

_HEX: Final = re.compile(rb"[0-9A-Fa-f]{32,40}")


def hash_password(password: bytes) -> str:
    """For :class:`ChargerAccess`: ``sha256:salt:digest``.

    A fast hash, since AuthorizationKeys are 16 to 20 bytes of chance (security extension for OCPP 1.6, 2.5.1), which
    nobody guesses, and a fleet that comes back after an outage is checked within seconds.
    """
    salt = secrets.token_hex(16)
    return f"sha256:{salt}:{hashlib.sha256(salt.encode() + password).hexdigest()}"


def proven(access: ChargerAccess, charge_point: str, header: str | None) -> bool:
    """Whether an Authorization header proves what ``access`` demands; compared as bytes, in constant time.

    Some chargers send the key as it is configured, in hexadecimal, and some the bytes that it stands for: both are
    right. The user must be the charge point, so that one charger cannot speak for another.
    """
    if access.password is None and access.password_hash is None:
        return True
    scheme, _, rest = (header or "").partition(" ")
    try:
        text = base64.b64decode(rest.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        text = b""
    user = charge_point.encode() + b":"
    given = text[len(user) :]
    forms = {given, given.hex().encode(), given.hex().upper().encode()}
    right = False
    for form in sorted(forms):
        right |= _matches(access, form)
    if access.password is not None and _HEX.fullmatch(access.password):
        right |= hmac.compare_digest(access.password.lower(), given.hex().encode())
    return right and hmac.compare_digest(text[: len(user)], user)


def _matches(access: ChargerAccess, given: bytes) -> bool:
    if access.password is not None:
        return hmac.compare_digest(access.password, given)
    _, salt, digest = (access.password_hash or "").split(":")
    made = hashlib.sha256(salt.encode() + given).hexdigest()
    return hmac.compare_digest(digest.lower().encode(), made.encode())
