"""``evbridge simulate charger``: a charger of OCPP 1.6J as a client of a central system.

It judges every message of the central system by the official schemas (``charger_judge``), keeps transaction messages
until they are answered and repeats them with the same content, and connects again without a boot, as many real
chargers do. Energy and time are exact: a session of 30 minutes takes as long as ``speed`` says, its timestamps and
registers say 30 minutes.

In a process it is driven over HTTP (``charger_control``), in Python by :class:`SimulatedCharger`::

    async with SimulatedCharger("ws://127.0.0.1:9000/ocpp", "CP1", password=b"...") as charger:
        await charger.plug(1)
        await charger.swipe(1, "04A2B3C4")
        await charger.charge(1, kwh=Decimal(11), minutes=30)
        await charger.stop(1)
        await charger.unplug(1)
        assert not charger.report()["rejections"]
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import click
from attrs import asdict, field, frozen

from bridge.simulate.charger_commands import answer
from bridge.simulate.charger_judge import Judge
from bridge.simulate.charger_link import Link, NotAnsweredError, RefusedError
from bridge.simulate.charger_memory import Connector, Entry, Memory, Transaction, VirtualClock, wire_time
from bridge.simulate.charger_profiles import limit_at

_SAME: Final = object()


@frozen
class Behaviour:
    """What kind of charger it is. Times in seconds, real ones but for ``sample_every``."""

    kw: Decimal = Decimal(22)
    """Power, where a charge does not say how long it takes."""
    speed: float = 1800.0
    """How much faster than reality; 0 takes no time at all."""
    sample_every: int = 300
    """Between meter values, on the charger's clock."""
    unit: str = "Wh"
    """Of the registers in meter values: ``kWh`` gives them as binary floats print, with their noise."""
    signed: Callable[[Decimal, str, str], str] | None = field(default=None, repr=False)
    """Makes a signed value of register (kWh), time and context (``Transaction.Begin``, ``Transaction.End``)."""
    boots_again: bool = False
    """A BootNotification after every connection, not only the first."""
    smart: bool = True
    """Whether it takes charging profiles."""
    remote_plan: tuple[Decimal, Decimal] | None = None
    """kWh and minutes that are charged, and the transaction stopped, after a remote start."""
    answer_within: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 30.0
    """Between attempts to connect, and to have a refused message taken: doubling from the first to the longest."""
    attempts: int | None = None
    """How often a refused message is sent before it is given up (TransactionMessageAttempts); None: for ever."""


class SimulatedCharger:
    """One charger. Its methods are what a driver does; each returns when the central system has answered.

    Without an answer (offline) they return as well: the message stays in the queue. ``memory`` is a file that outlives
    the process: a transaction that was running then is ended for PowerLoss.
    """

    def __init__(self, url: str, identity: str, *, connectors: int = 1, password: bytes | None = None,
                 queue: Path | None = None, clock: VirtualClock | None = None,
                 behaviour: Behaviour | None = None) -> None:  # fmt: skip
        self.identity = identity
        self.behaviour = behaviour or Behaviour()
        self.clock = clock or VirtualClock()
        self.judge = Judge()
        self.memory = Memory(queue, connectors, self.clock)
        self.connectors = self.memory.connectors
        self.whole = Connector(0)
        """The charger itself, which may have charging profiles as well."""
        self.local_limit: Decimal | None = None
        """kW that the site leaves to each connector, if it limits them."""
        self.heartbeat = 300
        self.boots = 0
        self.dropped: list[dict[str, Any]] = []
        self.local_list: dict[str, str] = {}
        self.list_version = 0
        self.list_most = 48
        self._booted = False
        self._tasks: set[asyncio.Task[Any]] = set()
        how = self.behaviour
        self.link = Link(url, identity, password, self.judge, handle=lambda action, payload: answer(self, action, payload),
                         connected=self._greet, timeout=how.answer_within, first_pause=how.first_pause,
                         longest_pause=how.longest_pause)  # fmt: skip
        for one in self.memory.running():
            self._end(one, round(self.connectors[one.connector].register), "PowerLoss", None)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self, wait: float | None = 30.0) -> None:
        """Connect, boot, tell the status; ``wait`` seconds (TimeoutError), or go on trying behind the scenes with None."""
        for work in (self.link.run(), self._deliver(), self._beats()):
            self.later(work)
        if wait is not None:
            async with asyncio.timeout(wait):
                await self.link.up.wait()

    async def close(self) -> None:
        """Switch it off, without a word."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.close()

    def later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something on the side."""
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _quietly(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except (NotAnsweredError, RefusedError):
            pass  # it is in the judge's lists, or the connection was lost
        except Exception as why:  # noqa: BLE001  (a fault of the simulator must be seen, not lose itself in a task)
            self.judge.reject("simulator", "InternalError", f"{type(why).__name__}: {why}")

    # --- what a driver does -------------------------------------------------------------------------------------------

    async def plug(self, connector: int) -> None:
        """Plug the car in; where a card was accepted before, the transaction begins."""
        one = self.connectors[connector]
        one.plugged = True
        await self._tell_quietly(connector, "Preparing")
        if one.authorised is not None and one.transaction is None:
            await self.start(connector, one.authorised)

    async def swipe(self, connector: int, id_tag: str) -> str:
        """Show a card. What was said of it; the transaction begins if the car is plugged in, or ends if it was this card's.

        Offline the local list decides.
        """
        one = self.connectors[connector]
        running = one.transaction
        if running is not None and running.id_tag.upper() == id_tag.upper():
            await self.stop(connector, id_tag=id_tag)
            return "Accepted"
        self.expire(one)
        if not one.operative or running is not None or (one.reservation and one.reservation[1].upper() != id_tag.upper()):
            return "Refused"  # the charger's own no: taken, or reserved for somebody else
        try:
            said = (await self.link.call("Authorize", {"idTag": id_tag}))["idTagInfo"]["status"]
        except NotAnsweredError:
            said = self.local_list.get(id_tag.upper(), "Invalid")
        except RefusedError as why:
            return why.code
        if said == "Accepted":
            one.authorised = id_tag
            if one.plugged:
                await self.start(connector, id_tag)
        return str(said)

    async def start(self, connector: int, id_tag: str) -> Transaction:
        """StartTransaction, without asking first. Stops again (DeAuthorized) where the token is not accepted."""
        one = self.connectors[connector]
        if one.transaction is not None:
            raise ValueError(f"connector {connector} has a transaction")
        one.plugged, one.authorised = True, None
        made = self.memory.begin(one, id_tag, self.clock.now())
        made.data.append(self._values(one, made.started, "Transaction.Begin"))
        payload: dict[str, Any] = {"connectorId": connector, "idTag": id_tag, "meterStart": made.meter_start,
                                   "timestamp": made.started}  # fmt: skip
        if one.reservation is not None:
            payload["reservationId"], one.reservation = one.reservation[0], None
        await self._queue("StartTransaction", payload, made)
        if one.transaction is made and made.answer in (None, "Accepted"):
            await self._tell_quietly(connector, "Charging")
        return made

    async def charge(self, connector: int, *, kwh: Decimal | None = None, minutes: Decimal | float | None = None) -> Decimal:
        """Charge so much energy in so many minutes; what is not given follows from the power, as limited when it begins. The
        energy in kWh.

        Ends early when the transaction ends. ValueError without a transaction, with neither figure, or with no time where no
        power is allowed.
        """
        one = self.connectors[connector]
        running, how = one.transaction, self.behaviour
        if running is None or (kwh is None and minutes is None):
            raise ValueError(f"connector {connector} has no transaction" if running is None else "how much is to be charged?")
        kw = limit_at(self, one, self.clock.now()) / 1000
        if minutes is None and not kw:
            raise ValueError(f"connector {connector} may draw no power")
        hours = Decimal(str(minutes)) / 60 if minutes is not None else (kwh or Decimal(0)) / kw
        energy = (kwh if kwh is not None else kw * hours) * 1000
        begin, register, seconds = self.clock.now(), one.register, float(hours * 3600)
        passed = 0.0
        while passed < seconds and one.transaction is running:
            step = min(float(how.sample_every), seconds - passed)
            await asyncio.sleep(step / how.speed if how.speed else 0)
            if one.transaction is not running:
                break
            passed += step
            self.clock.reach(begin + timedelta(seconds=passed))
            share = Decimal(str(passed)) / Decimal(str(seconds))
            one.register = (register + energy * share).quantize(Decimal("0.001"))
            if passed < seconds:
                await self.meter(connector)
        return (one.register - register) / 1000

    async def stop(self, connector: int, *, reason: str | None = "Local", id_tag: str | None = None) -> Transaction | None:
        """StopTransaction; None without a transaction."""
        one = self.connectors[connector]
        running, one.transaction = one.transaction, None
        if running is None:
            return None
        self._end(running, round(one.register), reason, id_tag)
        await self._settled(running)
        await self._tell_quietly(connector, "Finishing" if one.plugged else None)
        return running

    async def unplug(self, connector: int) -> None:
        """Take the car away; a running transaction ends (EVDisconnected)."""
        one = self.connectors[connector]
        one.plugged, one.authorised = False, None
        await self.stop(connector, reason="EVDisconnected")
        await self._tell_quietly(connector, "Available" if one.operative else "Unavailable")

    async def session(self, connector: int, id_tag: str, kwh: Decimal, minutes: Decimal | float) -> Transaction | None:
        """A whole visit: plug, swipe, charge, stop, unplug. None where the card was not accepted."""
        await self.plug(connector)
        await self.swipe(connector, id_tag)
        running = self.connectors[connector].transaction
        if running is not None:
            await self.charge(connector, kwh=kwh, minutes=minutes)
            await self.stop(connector, id_tag=id_tag)
        await self.unplug(connector)
        return running

    def offline(self) -> None:
        """Lose the network, until :meth:`online`."""
        self.link.allow(False)

    async def online(self, wait: float | None = 30.0) -> None:
        """Have the network again; wait so many seconds for the connection."""
        self.link.allow(True)
        if wait is not None:
            async with asyncio.timeout(wait):
                await self.link.up.wait()

    def report(self) -> dict[str, Any]:
        """What happened, as JSON: see ``charger_control``."""
        return {
            "id": self.identity, "online": self.link.up.is_set(), "connects": self.link.connects, "boots": self.boots,
            "rejections": self.judge.rejections, "received": dict(self.judge.received), "answers": dict(self.judge.answers),
            "errors": self.judge.errors, "queue": len(self.memory.queue), "dropped": self.dropped,
            "connectors": {str(c.number): {"status": c.status, "register_wh": str(c.register), "plugged": c.plugged,
                                           "profiles": c.profiles}
                           for c in self.connectors.values()},
            "transactions": [asdict(one, filter=lambda a, _: a.name != "data") for one in self.memory.transactions],
        }  # fmt: skip

    # --- what the central system makes it do --------------------------------------------------------------------------

    async def started_remotely(self, connector: int, id_tag: str) -> None:
        """After a remote start was accepted: the driver plugs in."""
        if not self.connectors[connector].plugged:
            await self.plug(connector)
        else:
            await self.start(connector, id_tag)
        plan = self.behaviour.remote_plan
        if plan is not None and self.connectors[connector].transaction is not None:
            await self.charge(connector, kwh=plan[0], minutes=plan[1])
            await self.unplug(connector)

    async def unlocked(self, connector: int) -> None:
        """After UnlockConnector: a transaction is ended first."""
        await self.stop(connector, reason="UnlockCommand")
        await self.unplug(connector)

    async def reset(self, kind: str) -> None:
        """End what runs, then boot anew."""
        for one in self.connectors.values():
            await self.stop(one.number, reason=f"{kind}Reset")
        self._booted = False
        await self.link.reconnect()

    def expire(self, connector: Connector) -> None:
        """Forget a reservation whose time is over."""
        if connector.reservation is not None and datetime.fromisoformat(connector.reservation[2]) <= self.clock.now():
            connector.reservation = None

    # --- messages -----------------------------------------------------------------------------------------------------

    async def boot(self) -> None:
        """BootNotification until it is accepted."""
        while True:
            said = await self.link.call("BootNotification", {"chargePointVendor": "evbridge", "chargePointModel": "simulated",
                                                             "firmwareVersion": "1"})  # fmt: skip
            self.boots += 1
            if said["status"] == "Accepted":
                self.heartbeat = said["interval"] or self.heartbeat
                self._booted = True
                return
            await asyncio.sleep(said["interval"] or 1)

    async def _greet(self) -> None:
        if not self._booted or self.behaviour.boots_again:
            await self.boot()
        await self.tell_all()

    async def beat(self) -> None:
        """Heartbeat."""
        await self.link.call("Heartbeat", {})

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat)
            await self._quietly(self.beat())

    async def tell_all(self) -> None:
        """StatusNotification of the charger and each connector."""
        for number in (0, *self.connectors):
            await self.tell(number)

    async def tell(self, connector: int, status: Any = _SAME) -> None:
        """StatusNotification; a new status is kept, told or not."""
        one = self.connectors.get(connector)
        if one is not None and status is not _SAME and status is not None:
            one.status = status
        await self.link.call("StatusNotification", {"connectorId": connector, "errorCode": "NoError",
                                                    "status": one.status if one is not None else "Available",
                                                    "timestamp": wire_time(self.clock.now())})  # fmt: skip

    async def _tell_quietly(self, connector: int, status: str | None) -> None:
        if status is not None:
            self.connectors[connector].status = status
            await self._quietly(self.tell(connector))

    async def meter(self, connector: int, context: str = "Sample.Periodic") -> None:
        """MeterValues: queued with a transaction, and sent at once or not at all without."""
        one = self.connectors[connector]
        values = self._values(one, wire_time(self.clock.now()), context)
        payload: dict[str, Any] = {"connectorId": connector, "meterValue": [values]}
        if one.transaction is not None:
            self.memory.append(Entry("MeterValues", payload, one.transaction.local))
        else:
            await self.link.call("MeterValues", payload)

    def _values(self, connector: Connector, at: str, context: str) -> dict[str, Any]:
        unit, register = self.behaviour.unit, connector.register
        text = str(float(register) / 1000) if unit == "kWh" else str(register)
        sampled = [{"value": text, "context": context, "measurand": "Energy.Active.Import.Register", "unit": unit}]
        if self.behaviour.signed is not None and context.startswith("Transaction."):
            sampled.append({"value": self.behaviour.signed(register / 1000, at, context), "context": context,
                            "format": "SignedData", "measurand": "Energy.Active.Import.Register"})  # fmt: skip
        return {"timestamp": at, "sampledValue": sampled}

    def _end(self, running: Transaction, meter_stop: int, reason: str | None, id_tag: str | None) -> None:
        running.meter_stop, running.reason = meter_stop, reason
        running.stopped = wire_time(self.clock.now())
        one = self.connectors[running.connector]
        one.profiles = [p for p in one.profiles if p["chargingProfilePurpose"] != "TxProfile"]  # they end with it
        data = [*running.data, self._values(one, running.stopped, "Transaction.End")]
        payload: dict[str, Any] = {"meterStop": meter_stop, "timestamp": running.stopped, "transactionData": data}
        if reason is not None:
            payload["reason"] = reason
        if id_tag is not None:
            payload["idTag"] = id_tag
        self.memory.append(Entry("StopTransaction", payload, running.local))

    async def _queue(self, action: str, payload: dict[str, Any], transaction: Transaction) -> None:
        self.memory.append(Entry(action, payload, transaction.local))
        await self._settled(transaction)

    async def _settled(self, transaction: Transaction) -> None:
        """Until nothing of this transaction is in the queue, or the connection is lost, or nobody takes it."""
        if not self.link.up.is_set():
            return
        lost: asyncio.Future[Any] = asyncio.ensure_future(self.link.down.wait())
        within = self.behaviour.answer_within
        answers: list[asyncio.Future[Any]] = []
        for one in self.memory.queue:
            if one.local == transaction.local:
                one.done = one.done or asyncio.get_running_loop().create_future()
                answers.append(one.done)
        try:
            for answered in answers:
                await asyncio.wait({answered, lost}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()

    async def _deliver(self) -> None:
        """Send what is queued, in order, and the same again until it is answered."""
        how, pause = self.behaviour, self.behaviour.first_pause
        while True:
            await self.memory.filled.wait()
            await self.link.up.wait()
            entry = self.memory.queue[0]
            try:
                said = await self.link.call(entry.action, self._numbered(entry))
            except (NotAnsweredError, RefusedError) as why:
                if isinstance(why, RefusedError):
                    entry.attempts += 1
                    if how.attempts is not None and entry.attempts >= how.attempts:
                        self.dropped.append({"action": entry.action, "payload": entry.payload, "code": why.code})
                        self._done(entry, {})
                        continue
                await asyncio.sleep(pause)
                pause = min(pause * 2, how.longest_pause)
                continue
            pause = how.first_pause
            self._heard(entry, said)
            self._done(entry, said)

    def _numbered(self, entry: Entry) -> dict[str, Any]:
        if entry.action == "StartTransaction":
            return entry.payload
        number = self.memory.transaction(entry.local).number
        # A transaction whose start nobody took has no number: real chargers then say -1.
        return {**entry.payload, "transactionId": -1 if number is None else number}

    def _heard(self, entry: Entry, said: dict[str, Any]) -> None:
        about = self.memory.transaction(entry.local)
        if entry.action == "StartTransaction":
            about.number, about.answer = said["transactionId"], said["idTagInfo"]["status"]
            if about.answer != "Accepted" and about.stopped is None:
                self.later(self.stop(about.connector, reason="DeAuthorized"))
        elif entry.action == "StopTransaction":
            about.acknowledged = True

    def _done(self, entry: Entry, said: dict[str, Any]) -> None:
        self.memory.pop()
        if entry.done is not None and not entry.done.done():
            entry.done.set_result(said)


def _ocmf(register: Decimal, at: str, context: str) -> str:
    """A value in the form in which 1.6 chargers send OCMF. The signature is none."""
    begin = context == "Transaction.Begin"
    data = json.dumps({"FV": "1.0", "RD": [{"TM": at, "TX": "B" if begin else "E", "RV": float(register), "RU": "kWh"}]})
    return json.dumps({"encodingMethod": "OCMF", "signedMeterData": f'OCMF|{data}|{{"SD":"00"}}', "publicKey": ""})


@click.command("charger")
@click.option("--url", required=True, help="The central system, without the charger's id: ws://127.0.0.1:8080/ocpp")
@click.option("--id", "identity", required=True, help="Charge point id.")
@click.option("--connectors", default=1, show_default=True, help="How many.")
@click.option("--password", envvar="EVBRIDGE_CHARGER_PASSWORD", help="For HTTP Basic.")
@click.option("--control-port", default=None, type=int, help="Where it is driven over HTTP on 127.0.0.1; 0: any.")
@click.option("--queue", type=click.Path(dir_okay=False, path_type=Path), help="A file for what is not answered yet.")
@click.option("--kw", default="22", show_default=True, help="Power.")
@click.option("--speed", default=1800.0, show_default=True, help="How much faster than reality it charges.")
@click.option("--start-at", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), help="What its clock shows (UTC) instead of now.")
@click.option("--unit", type=click.Choice(["Wh", "kWh"]), default="Wh", show_default=True, help="Of its meter values.")
@click.option("--signed", is_flag=True, help="Adds OCMF values (with no real signature).")
@click.option("--longest-pause", default=30.0, show_default=True, help="Between attempts to connect or repeat, in seconds.")
@click.option("--remote-kwh", type=str, help="What it charges after a remote start, before the driver leaves.")
@click.option("--remote-minutes", default="30", show_default=True, help="How long that takes.")
def charger(url: str, identity: str, connectors: int, password: str | None, control_port: int | None, queue: Path | None,
            kw: str, speed: float, start_at: datetime | None, unit: str, signed: bool, longest_pause: float,
            remote_kwh: str | None, remote_minutes: str) -> None:  # fmt: skip
    """A charger of OCPP 1.6J that judges the central system."""
    from datetime import UTC

    plan = None if remote_kwh is None else (Decimal(remote_kwh), Decimal(remote_minutes))
    how = Behaviour(kw=Decimal(kw), speed=speed, unit=unit, signed=_ocmf if signed else None, remote_plan=plan,
                    first_pause=min(0.5, longest_pause), longest_pause=longest_pause)  # fmt: skip
    clock = VirtualClock(None if start_at is None else start_at.replace(tzinfo=UTC))

    async def run() -> None:
        from bridge.simulate.charger_control import serve

        made = SimulatedCharger(url, identity, connectors=connectors, queue=queue, clock=clock, behaviour=how,
                                password=None if password is None else password.encode())  # fmt: skip
        await made.open(wait=None)
        try:
            await serve(made, "127.0.0.1", control_port)
        finally:
            await made.close()

    asyncio.run(run())
