"""Sessions: what chargers tell becomes sessions, and sessions become CDRs. Everything is durable before it is answered."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from attrs import evolve, frozen

from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.ids import EvseId, PartyId
from bridge.model.location import Evse, Location, Status
from bridge.model.tariff import Tariff
from bridge.roaming import agreements as kinds
from bridge.roaming import settle
from bridge.roaming.agreements import Agreement, Book
from bridge.roaming.authorise import Authoriser, Decision, normal
from bridge.roaming.ports import ChargerAnswer, ConnectorRef, Kind, MeterSample, Partner
from bridge.roaming.publish import Publisher, dumps
from bridge.roaming.storage import CdrRow, EvseRow, Happening, Outbound, SessionRow, Storage

REMEMBERED = 900.0
"""Seconds for which a decision about a card, or a remote start, waits for the transaction to begin."""


@frozen
class OperatorFacts:
    """What is known of one of our operators."""

    party: PartyId
    zone: str
    currency: str


@frozen
class Expected:
    """A transaction that is expected: somebody was authorised here, or started it remotely."""

    decision: Decision
    until: float
    connector: int | None = None


class Sessions:
    """Implements :class:`bridge.roaming.ports.ChargerEvents`."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, authoriser: Authoriser, publisher: Publisher,
                 operators: Mapping[str, OperatorFacts], now: Callable[[], datetime], *, update_seconds: float = 60.0,
                 known_chargers: frozenset[str] | None = None, wake: Callable[[str], None] = lambda partner: None) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.authoriser = authoriser
        self.publisher = publisher
        self.operators = operators
        self.now = now
        self.update_seconds = update_seconds
        self.known_chargers = known_chargers
        self.wake = wake
        self._expected: dict[tuple[str, str], Expected] = {}
        self._told: dict[str, float] = {}
        self.on_started: Callable[[str, str, str], None] = lambda charge_point, id_tag, session: None

    # --- connection and status ---------------------------------------------------------------------------------------

    async def connected(self, charge_point: str) -> bool:
        if self.known_chargers is not None and charge_point not in self.known_chargers:
            return False
        await self.store.happened(Happening("charger connected", ref=charge_point))
        return True

    async def disconnected(self, charge_point: str) -> None:
        await self.store.happened(Happening("charger disconnected", ref=charge_point))

    async def status(self, ref: ConnectorRef, status: Status, at: datetime, error: str | None = None) -> None:
        for row in self.store.evses_at(ref.charge_point, ref.connector or None):
            if ref.connector == 0 and status in (Status.AVAILABLE, Status.CHARGING):
                continue  # the charge point as a whole is well: that says nothing about its connectors
            await self.publisher.status(row, status, at)
        self._wake_all()

    def _wake_all(self) -> None:
        for name in self.partners:
            self.wake(name)

    # --- authorisation -----------------------------------------------------------------------------------------------

    async def authorise(self, charge_point: str, id_token: str) -> ChargerAnswer:
        expected = self._take(charge_point, id_token, None, keep=True)
        if expected is not None and expected.decision.how == "command":
            return ChargerAnswer.ACCEPTED
        if any(normal(s.id_tag) == normal(id_token) for s in self.store.open_sessions(charge_point)):
            return ChargerAnswer.ACCEPTED  # the card that started may stop
        decision = await self.authoriser.decide(charge_point, id_token, self.store.evses_at(charge_point))
        if decision.accepted:
            self.expect(charge_point, id_token, decision)
        return decision.answer

    def expect(self, charge_point: str, id_token: str, decision: Decision, connector: int | None = None) -> None:
        """A transaction with this token may begin here soon."""
        self._expected[charge_point, normal(id_token)] = Expected(decision, time.monotonic() + REMEMBERED, connector)

    def _take(self, charge_point: str, id_token: str, connector: int | None, *, keep: bool = False) -> Expected | None:
        key = (charge_point, normal(id_token))
        found = self._expected.get(key)
        if found is None or found.until < time.monotonic():
            self._expected.pop(key, None)
            return None
        if connector is not None and found.connector not in (None, connector):
            return None
        if not keep:
            self._expected.pop(key, None)
        return found

    # --- transactions ------------------------------------------------------------------------------------------------

    async def started(self, ref: ConnectorRef, id_token: str, meter_start_wh: int, at: datetime) -> tuple[int, ChargerAnswer]:
        evses = self.store.evses_at(ref.charge_point, ref.connector)
        expected = self._take(ref.charge_point, id_token, ref.connector, keep=True)
        decision = expected.decision if expected is not None else await self.authoriser.decide(ref.charge_point, id_token, evses)
        evse = evses[0] if evses else None
        agreement = self._agreement(decision.partner, evse)
        row = SessionRow(
            str(uuid.uuid4()), 0, ref.charge_point, ref.connector, evse.evse_id if evse else None, evse.location if evse else None,
            evse.operator if evse else None, decision.partner, id_token, dumps(decision.token) if decision.token is not None else None,
            _auth(decision), agreement.test if agreement is not None else False, at, meter_start_wh)  # fmt: skip
        if decision.accepted:
            outbound = self._session_outbound(row, evse, agreement)
        else:
            outbound = []
        opened, new = await self.store.open_session(row, decision.id, outbound)
        if new:
            self._take(ref.charge_point, id_token, ref.connector)
            self.on_started(ref.charge_point, id_token, opened.id)
            if evse is not None:
                await self.publisher.status(evse, Status.CHARGING, at)
            self._wake_all()
        return opened.tx, decision.answer

    async def metered(self, ref: ConnectorRef, transaction: int | None, samples: Sequence[MeterSample]) -> None:
        row = self.store.session(tx=transaction) if transaction is not None and transaction > 0 else None
        if row is None:
            running = self.store.open_sessions(ref.charge_point, ref.connector)
            row = running[-1] if running else None
        if row is None or row.state != "active":
            return
        registers = [s.register_kwh for s in samples if s.register_kwh is not None]
        if not registers:
            return
        kwh = max(row.kwh, registers[-1] - settle.register_kwh(row.meter_start))
        outbound: list[Outbound] = []
        if kwh != row.kwh and time.monotonic() - self._told.get(row.id, float("-inf")) >= self.update_seconds:
            self._told[row.id] = time.monotonic()
            evse = self.store.evse(row.evse_id) if row.evse_id else None
            outbound = self._session_outbound(evolve(row, kwh=kwh), evse, self._agreement(row.partner, evse))
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
        at = max(at, row.started)
        ended = evolve(row, ended=at, meter_stop=meter_stop_wh, reason=reason, state="ended",
                       kwh=settle.register_kwh(meter_stop_wh - row.meter_start))  # fmt: skip
        evse = self.store.evse(row.evse_id) if row.evse_id else None
        agreement = self._agreement(row.partner, evse)
        everything = [*self.store.samples(row.id), *samples]
        cdr, outbound, history = self._settled(ended, everything, evse, agreement)
        if await self.store.close_session(ended, samples, cdr, outbound, history) and evse is not None:
            await self.publisher.status(evse, Status.AVAILABLE, at)
        self._told.pop(row.id, None)
        self._wake_all()

    def _settled(self, row: SessionRow, samples: Sequence[MeterSample], evse: EvseRow | None,
                 agreement: Agreement | None) -> tuple[CdrRow | None, list[Outbound], list[Happening]]:  # fmt: skip
        """The CDR, what goes out, and the history of an ended session."""
        if not row.auth.get("accepted"):
            return None, [], [Happening("session without authorisation", ref=row.id, detail="nothing to bill")]
        situation = self._situation(row, evse, agreement)
        if situation is None:
            return None, [], [Happening("session kept for a person", ref=row.id, detail="no operator or EVSE is known for it")]
        try:
            cdr = settle.as_cdr(row, samples, situation, self.now())
        except settle.Unsettled as why:
            return None, [], [Happening("session kept for a person", ref=row.id, detail=str(why))]
        kept = CdrRow(str(cdr.id), row.id, row.partner, row.operator, row.test, dumps(cdr), _amount(cdr.total_cost), cdr.currency,
                      str(cdr.total_energy), "kept", [], self.now())  # fmt: skip
        outbound = self._session_outbound(row, evse, agreement)
        partner = self.partners.get(row.partner or "")
        if partner is None or agreement is None or kinds.CDRS not in agreement.kinds:
            return kept, outbound, [Happening("CDR kept", ref=str(cdr.id), detail="no partner is due one")]
        try:
            encoded, losses = settle.encode_cdr(partner, cdr)
        except (Refused, settle.Unsettled) as why:
            return evolve(kept, state="refused", error=str(why)), outbound, [
                Happening("CDR kept for a person", partner.name, str(cdr.id), str(why))]  # fmt: skip
        told = [{"path": loss.path, "kind": loss.kind, "because": loss.because} for loss in losses]
        outbound.append(Outbound(partner.name, Kind.CDR, str(cdr.id), encoded.key, encoded.body, {**encoded.meta, "cdr": str(cdr.id)}))
        return evolve(kept, state="waiting", losses=told), outbound, [Happening("CDR made", partner.name, str(cdr.id))]

    # --- what a session needs ----------------------------------------------------------------------------------------

    def _agreement(self, partner: str | None, evse: EvseRow | None) -> Agreement | None:
        if partner is None or evse is None:
            return None
        return self.book.find(partner, kinds.TOKENS, evse.operator, evse.groups, self.now())

    def _session_outbound(self, row: SessionRow, evse: EvseRow | None, agreement: Agreement | None) -> list[Outbound]:
        partner = self.partners.get(row.partner or "")
        if partner is None or agreement is None or Kind.SESSION not in partner.kinds or kinds.SESSIONS not in agreement.kinds:
            return []
        situation = self._situation(row, evse, agreement)
        if situation is None:
            return []
        with contextlib.suppress(Refused):  # a session that the protocol cannot tell is not told; its CDR is
            return [Outbound(partner.name, Kind.SESSION, row.id, e.key, e.body, e.meta)
                    for e in partner.encode(Kind.SESSION, settle.as_session(row, situation, self.now()))]  # fmt: skip
        return []

    def _situation(self, row: SessionRow, evse: EvseRow | None, agreement: Agreement | None) -> settle.Situation | None:
        operator = self.operators.get(row.operator or "")
        if operator is None or evse is None:
            return None
        thing = self.store.thing("location", evse.location)
        location: Location | None = model_json.from_json(Location, orjson.loads(thing.body)) if thing is not None else None
        found: Evse | None = None
        if location is not None:
            found = next((e for e in location.evses if e.id is not None and _key(e.id) == evse.evse_id), None)
        tariff = None
        tariff_id = agreement.tariff_for(evse.groups) if agreement is not None else None
        if tariff_id is not None and (priced := self.store.thing("tariff", tariff_id)) is not None:
            tariff = model_json.from_json(Tariff, orjson.loads(priced.body))
        zone = location.place.time_zone if location is not None and location.place.time_zone else operator.zone
        return settle.Situation(location, found, tariff, operator.party, zone, tariff.currency if tariff else operator.currency)


def _auth(decision: Decision) -> dict[str, Any]:
    reply = decision.reply
    return {"accepted": decision.accepted, "how": decision.how, "reason": decision.reason, "decision": decision.id,
            "reference": reply.reference if reply else None, "hub_session_id": reply.hub_session_id if reply else None,
            "provider_session_id": reply.provider_session_id if reply else None, "provider": reply.provider if reply else None}  # fmt: skip


def _amount(price: Any) -> str | None:
    return None if price is None or price.excl is None else str(price.excl)


def _key(evse_id: Any) -> str:
    try:
        return EvseId.parse(str(evse_id)).key
    except ValueError:
        return str(evse_id).upper()
