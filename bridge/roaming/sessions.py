"""Sessions: what chargers tell becomes sessions, and sessions become CDRs. Everything is durable before it is answered."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from bridge.model.location import Status
from bridge.roaming import clocks, settle
from bridge.roaming.authorise import Authoriser, Decision, fingerprint, normal
from bridge.roaming.billing import Biller
from bridge.roaming.disowned import UNHEARD, Disowned
from bridge.roaming.expected import Expectations
from bridge.roaming.ports import ChargerAnswer, ConnectorRef, MeterSample
from bridge.roaming.publish import Publisher, dumps
from bridge.roaming.storage import Happening, Outbound, SessionRow, Storage


class Sessions:
    """Implements :class:`bridge.roaming.ports.ChargerEvents`."""

    def __init__(self, store: Storage, partners: Collection[str], authoriser: Authoriser, publisher: Publisher, billing: Biller,
                 now: Callable[[], datetime], *, update_seconds: float = 60.0, clock_minutes: float = 15.0,
                 known_chargers: frozenset[str] | None = None, wake: Callable[[str], None] = lambda partner: None) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.authoriser = authoriser
        self.publisher = publisher
        self.billing = billing
        self.now = now
        self.update_seconds = update_seconds
        self.known_chargers = known_chargers
        self.wake = wake
        self.expectations = Expectations(store, authoriser, now)
        self.disowned = Disowned(store)
        self.clocks = clocks.Clocks(store, now, clock_minutes)
        self._told: dict[str, float] = {}
        self._retold: set[tuple[str, str]] = set()
        self.on_started: Callable[[str, str, str], None] = lambda charge_point, id_tag, session: None
        self.on_connected: Callable[[str], None] = lambda charge_point: None
        self.on_status: Callable[[str], None] = lambda charge_point: None

    # --- connection and status ---------------------------------------------------------------------------------------

    async def connected(self, charge_point: str) -> bool:
        if self.known_chargers is not None and charge_point not in self.known_chargers:
            return False
        self.clocks.connected(charge_point)
        await self.store.happened(Happening("charger connected", ref=charge_point))
        self.on_connected(charge_point)
        return True

    async def disconnected(self, charge_point: str) -> None:
        self.clocks.disconnected(charge_point)
        await self.store.happened(Happening("charger disconnected", ref=charge_point))

    async def status(self, ref: ConnectorRef, status: Status, at: datetime, error: str | None = None) -> None:
        for row in self.store.evses_at(ref.charge_point, ref.connector or None):
            if ref.connector == 0 and status in (Status.AVAILABLE, Status.CHARGING):
                continue  # the charge point as a whole is well: that says nothing about its connectors
            await self.publisher.status(row, status, at)
        self._wake_all()
        self.on_status(ref.charge_point)

    def _wake_all(self) -> None:
        for name in self.partners:
            self.wake(name)

    # --- authorisation -----------------------------------------------------------------------------------------------

    async def authorise(self, charge_point: str, id_token: str) -> ChargerAnswer:
        if self.store.busy(charge_point):
            expected = self.expectations.find(charge_point, id_token)
            if expected is not None and expected.decision.how == "command":
                return ChargerAnswer.ACCEPTED
            running = [s for s in self.store.open_sessions(charge_point) if s.auth.get("accepted")]
            if any(normal(s.id_tag) == normal(id_token) for s in running):
                return ChargerAnswer.ACCEPTED  # the card that started may stop
        decision = await self.authoriser.decide(charge_point, id_token, self.store.evses_at(charge_point))
        if decision.accepted:
            self.expectations.card(charge_point, id_token, decision)
        return decision.answer

    # --- transactions ------------------------------------------------------------------------------------------------

    async def started(self, ref: ConnectorRef, id_token: str, meter_start_wh: int, at: datetime) -> tuple[int, ChargerAnswer]:
        before = self.store.started(ref.charge_point, ref.connector, (id_token, _hidden(id_token)), meter_start_wh, at)
        if before is not None:  # the same message again: the same number, the same answer, nobody is asked
            return before.tx, ChargerAnswer(before.auth["answer"])
        told = (ref.charge_point, id_token)
        evses = self.store.evses_at(ref.charge_point, ref.connector)
        expected = self.expectations.find(ref.charge_point, id_token, ref.connector)
        over = self.expectations.over(ref.charge_point, id_token, ref.connector) if expected is None else None
        decision = expected.decision if expected else over or await self.authoriser.decide(ref.charge_point, id_token, evses)
        if expected is None and decision.accepted:
            self.expectations.card(ref.charge_point, id_token, decision)  # the charger tells again what cannot be stored
            self._retold.add(told)
        evse = evses[0] if evses else None
        accepted = decision.accepted
        terms = self.billing.terms(decision.partner if accepted else None, evse, decision.how)
        auth = {**auth_of(decision), "tariff": terms.tariff_id, "free": terms.free, "at": self.now().isoformat()}
        if over is not None:
            auth["disowned"] = UNHEARD
        if (doubt := self.clocks.start(ref, at, live=expected is not None and told not in self._retold)) is not None:
            auth[clocks.START] = doubt
        row = SessionRow(
            str(uuid.uuid4()), 0, ref.charge_point, ref.connector, evse.evse_id if evse else None, evse.location if evse else None,
            evse.operator if evse else None, decision.partner if accepted else None, id_token if accepted else _hidden(id_token),
            dumps(decision.token) if accepted and decision.token is not None else None,
            auth, terms.test, at, meter_start_wh, tariff=terms.tariff, place=terms.place)  # fmt: skip
        outbound = self.billing.told(row)
        opened, new = await self.store.open_session(row, decision.id, outbound, card=fingerprint(id_token), history=self._unended(row))
        self._retold.discard(told)
        if new:
            self.expectations.came(ref.charge_point, id_token)
            self.on_started(ref.charge_point, id_token, opened.id)
            if decision.accepted and evse is not None and (evse.status_at is None or evse.status_at <= at):
                await self.publisher.status(evse, Status.CHARGING, at)
            if over is not None:
                self.disowned.end(opened)
            elif decision.how == "command" and not outbound:
                await self._heard_meanwhile(opened)
            self._wake_all()
        return opened.tx, decision.answer

    async def _heard_meanwhile(self, row: SessionRow) -> None:
        """The partner of a remote start may have been answered, or have given up, while the session was stored."""
        if self.expectations.given_up(row):
            await self.disowned.disown(row.auth["decision"])
        else:
            await self._tell(row)

    async def _tell(self, row: SessionRow | None) -> None:
        if row is not None and (outbound := self.billing.told(row)):
            await self.store.save_things((), (), outbound)
            self._wake_all()

    # --- remote starts whose partner waits ---------------------------------------------------------------------------

    async def answered(self, decision: str) -> None:
        """The partner is about to hear that its remote start succeeded; durable when it returns. Now it is told of the session."""
        await self.expectations.answered(decision)
        if (begun := self.store.session_by(decision)) is not None:
            await self._tell(self.store.session(id=begun))

    async def failed(self, decision: str) -> None:
        """The partner hears that its remote start failed, or nothing: what began by it ends, and nothing begins any more."""
        self.expectations.waited(decision)
        await self.disowned.disown(decision)

    async def resume(self) -> None:
        """After a restart: nobody waits any more who waited for an answer before."""
        for decision in self.expectations.abandoned():
            await self.store.disown(decision, UNHEARD)
        self.disowned.resume()

    def _unended(self, row: SessionRow) -> list[Happening]:
        """Sessions before this one on its connector whose stop never came: told once, their stop may still come."""
        before = [s for s in self.store.open_sessions(row.charge_point, row.connector) if s.started <= row.started]
        return [Happening("session without a stop", s.partner, s.id, "another began on its connector") for s in before]

    async def metered(self, ref: ConnectorRef, transaction: int | None, samples: Sequence[MeterSample]) -> None:
        row = self.store.session(tx=transaction) if transaction is not None and transaction > 0 else None
        if row is None:
            running = self.store.open_sessions(ref.charge_point, ref.connector)
            row = running[-1] if running else None
        if row is None or row.state != "active":
            return
        registers = [s.register_kwh for s in samples if s.register_kwh is not None]
        if not registers and not any(s.signed for s in samples):
            return
        kwh = max(row.kwh, registers[-1] - settle.register_kwh(row.meter_start)) if registers else row.kwh
        outbound: list[Outbound] = []
        if kwh != row.kwh and time.monotonic() - self._told.get(row.id, float("-inf")) >= self.update_seconds:
            self._told[row.id] = time.monotonic()
            outbound = self.billing.told(evolve(row, kwh=kwh))
        await self.store.add_samples(row.id, samples, kwh, outbound)
        if outbound and row.partner:
            self.wake(row.partner)

    async def stopped(self, charge_point: str, transaction: int, meter_stop_wh: int, at: datetime, reason: str | None,
                      id_token: str | None, samples: Sequence[MeterSample]) -> None:  # fmt: skip
        row = self.store.session(tx=transaction)
        if row is None or row.charge_point != charge_point:
            # A stop whose start never reached us: nothing to bill from, but it must not be forgotten.
            await self.store.happened(Happening("stop of an unknown transaction", ref=charge_point,
                                                detail=f"{transaction}: register {meter_stop_wh} Wh at {at.isoformat()}"))  # fmt: skip
            return
        if row.state != "active":
            return
        doubt = self.clocks.end(row, at)
        auth = row.auth if doubt is None else {**row.auth, clocks.END: doubt}
        at = at if doubt is not None or clocks.START in auth else max(at, row.started)
        ended = evolve(row, ended=at, meter_stop=meter_stop_wh, reason=reason, state="ended", auth=auth,
                       kwh=settle.register_kwh(meter_stop_wh - row.meter_start))  # fmt: skip
        bill = self.billing.bill(ended, [*self.store.samples(row.id), *samples])
        if bill.held is not None:
            ended = evolve(ended, state="held")
        await self.store.close_session(ended, samples, bill.cdr, bill.outbound, bill.history)
        self._told.pop(row.id, None)
        self._wake_all()


def _hidden(id_token: str) -> str:
    """What stands for the card of a session that was refused: recognised when it comes again, and not the card."""
    return f"#{fingerprint(id_token)}"


def auth_of(decision: Decision) -> dict[str, Any]:
    """What a session keeps of the decision by which it goes."""
    reply = decision.reply
    return {"accepted": decision.accepted, "answer": decision.answer.value, "how": decision.how, "reason": decision.reason,
            "decision": decision.id,
            "reference": reply.reference if reply else None, "hub_session_id": reply.hub_session_id if reply else None,
            "provider_session_id": reply.provider_session_id if reply else None, "provider": reply.provider if reply else None}  # fmt: skip
