"""Sessions: what chargers tell becomes sessions, and sessions become CDRs. Everything is durable before it is answered."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from attrs import evolve, frozen

from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.common import Price
from bridge.model.ids import PartyId, evse_key
from bridge.model.location import Evse, Location, Status
from bridge.model.tariff import Tariff
from bridge.roaming import agreements as kinds
from bridge.roaming import ledger, settle
from bridge.roaming.agreements import Agreement, Book
from bridge.roaming.audit import Unsettled
from bridge.roaming.authorise import Authoriser, Decision, fault, fingerprint, normal
from bridge.roaming.expected import Expectations
from bridge.roaming.ports import ChargerAnswer, ConnectorRef, Kind, MeterSample, Partner
from bridge.roaming.publish import Publisher, dumps
from bridge.roaming.storage import CdrRow, EvseRow, Happening, Outbound, SessionRow, Storage

log = logging.getLogger(__name__)

HELD = "session kept for a person"


@frozen
class OperatorFacts:
    """What is known of one of our operators."""

    party: PartyId
    zone: str
    currency: str


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
        self.expectations = Expectations(store, authoriser, now)
        self._told: dict[str, float] = {}
        self.on_started: Callable[[str, str, str], None] = lambda charge_point, id_tag, session: None
        self.on_connected: Callable[[str], None] = lambda charge_point: None
        self.on_status: Callable[[str], None] = lambda charge_point: None

    # --- connection and status ---------------------------------------------------------------------------------------

    async def connected(self, charge_point: str) -> bool:
        if self.known_chargers is not None and charge_point not in self.known_chargers:
            return False
        await self.store.happened(Happening("charger connected", ref=charge_point))
        self.on_connected(charge_point)
        return True

    async def disconnected(self, charge_point: str) -> None:
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
        evses = self.store.evses_at(ref.charge_point, ref.connector)
        expected = self.expectations.find(ref.charge_point, id_token, ref.connector)
        decision = expected.decision if expected is not None else await self.authoriser.decide(ref.charge_point, id_token, evses)
        if expected is None and decision.accepted:
            self.expectations.card(ref.charge_point, id_token, decision)  # the charger tells again what cannot be stored
        evse = evses[0] if evses else None
        agreement = self._agreement(decision.partner, evse, decision.how, self.now()) if decision.accepted else None
        tariff_id, tariff = self._tariff(evse, agreement)
        accepted = decision.accepted
        row = SessionRow(
            str(uuid.uuid4()), 0, ref.charge_point, ref.connector, evse.evse_id if evse else None, evse.location if evse else None,
            evse.operator if evse else None, decision.partner if accepted else None, id_token if accepted else _hidden(id_token),
            dumps(decision.token) if accepted and decision.token is not None else None,
            {**auth_of(decision), "tariff": tariff_id, "at": self.now().isoformat()}, agreement.test if agreement is not None else False,
            at, meter_start_wh, tariff=tariff)  # fmt: skip
        outbound = self._session_outbound(row, evse)
        opened, new = await self.store.open_session(row, decision.id, outbound, card=fingerprint(id_token), history=self._unended(row))
        if new:
            self.expectations.came(ref.charge_point, id_token)
            self.on_started(ref.charge_point, id_token, opened.id)
            if decision.accepted and evse is not None and (evse.status_at is None or evse.status_at <= at):
                await self.publisher.status(evse, Status.CHARGING, at)
            self._wake_all()
        return opened.tx, decision.answer

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
            evse = self.store.evse(row.evse_id) if row.evse_id else None
            outbound = self._session_outbound(evolve(row, kwh=kwh), evse)
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
        everything = [*self.store.samples(row.id), *samples]
        cdr, outbound, history = self._settled(ended, everything, evse)
        if any(h.what == HELD for h in history):
            ended = evolve(ended, state="held")
        await self.store.close_session(ended, samples, cdr, outbound, history)
        self._told.pop(row.id, None)
        self._wake_all()

    def _settled(self, row: SessionRow, samples: Sequence[MeterSample],
                 evse: EvseRow | None) -> tuple[CdrRow | None, list[Outbound], list[Happening]]:  # fmt: skip
        """The CDR, what goes out, and the history of an ended session. Never raises: the charger's word has to be kept."""
        if not row.auth.get("accepted"):
            return None, [], [Happening("session without authorisation", ref=row.id, detail="nothing to bill")]
        try:
            situation = self._situation(row, evse)
            if situation is None:
                return None, [], [Happening(HELD, ref=row.id, detail="no operator or EVSE is known for it")]
            cdr = settle.as_cdr(row, samples, situation, self.now())
        except Unsettled as why:
            return None, [], [Happening(HELD, ref=row.id, detail=str(why))]
        except Exception as why:  # noqa: BLE001
            log.error("session %s cannot be settled: %s", row.id, fault(why))
            return None, [], [Happening(HELD, ref=row.id, detail=f"a fault in settling it: {type(why).__name__}")]
        unsent = CdrRow(str(cdr.id), row.id, row.partner, row.operator, row.test, dumps(cdr), amount(cdr.total_cost), cdr.currency,
                           str(cdr.total_energy), "kept", [], self.now())  # fmt: skip
        outbound = self._session_outbound(row, evse)
        partner = self.partners.get(row.partner or "")
        if partner is None or self.agreed(kinds.CDRS, row, evse) is None:
            entry = ledger.kept(unsent)
        else:
            entry = ledger.entered(unsent, cdr, partner)
        return entry.row, [*outbound, *entry.outbound], [entry.happening]

    # --- what a session needs ----------------------------------------------------------------------------------------

    def _agreement(self, partner: str | None, evse: EvseRow | None, how: str, at: datetime) -> Agreement | None:
        """The agreement under which a session begins: about commands for a remote start, else about tokens."""
        if partner is None or evse is None:
            return None
        return self.book.find(partner, kinds.COMMANDS if how == "command" else kinds.TOKENS, evse.scope, at)

    def agreement_of(self, row: SessionRow, evse: EvseRow) -> Agreement | None:
        """The agreement under which a session began."""
        return self._agreement(row.partner, evse, row.auth["how"], self._decided(row))

    def agreed(self, kind: str, row: SessionRow, evse: EvseRow | None) -> Agreement | None:
        """The agreement by which the partner hears of this session: as of its start, test or production as the session is."""
        if row.partner is None or evse is None:
            return None
        at = max(row.started, self._decided(row))
        return next((a for a in self.book.of(row.partner)
                     if a.test == row.test and a.covers(kind, evse.scope, at) is None), None)  # fmt: skip

    def _decided(self, row: SessionRow) -> datetime:
        told = row.auth.get("at")
        return datetime.fromisoformat(told) if told else row.started

    def _tariff(self, evse: EvseRow | None, agreement: Agreement | None) -> tuple[str | None, bytes | None]:
        """The tariff that a session has to the end: its id by the agreement, and what it says now."""
        name = agreement.tariff_for(evse.groups) if agreement is not None and evse is not None else None
        thing = self.store.thing("tariff", name, operator=evse.operator) if name is not None and evse is not None else None
        return name, thing.body if thing is not None else None

    def told(self, ident: str) -> list[Outbound]:
        """A session for its partner, as it stands."""
        row = self.store.session(id=ident)
        if row is None:
            return []
        return self._session_outbound(row, self.store.evse(row.evse_id) if row.evse_id else None)

    def _session_outbound(self, row: SessionRow, evse: EvseRow | None) -> list[Outbound]:
        partner = self.partners.get(row.partner or "")
        if partner is None or Kind.SESSION not in partner.kinds or self.agreed(kinds.SESSIONS, row, evse) is None:
            return []
        try:
            situation = self._situation(row, evse)
            if situation is None:
                return []
            encoded = partner.encode(Kind.SESSION, settle.as_session(row, situation, self.now()))
        except (Refused, Unsettled):
            return []  # a session that the protocol cannot tell is not told; its CDR is
        except Exception as why:  # noqa: BLE001
            log.error("session %s cannot be written for %s: %s", row.id, partner.name, fault(why))
            return []
        return [Outbound(partner.name, Kind.SESSION, row.id, e.key, e.body, e.meta) for e in encoded]

    def _situation(self, row: SessionRow, evse: EvseRow | None) -> settle.Situation | None:
        operator = self.operators.get(row.operator or "")
        if operator is None or evse is None:
            return None
        thing = self.store.thing("location", evse.location, operator=evse.operator)
        location: Location | None = model_json.from_json(Location, orjson.loads(thing.body)) if thing is not None else None
        found: Evse | None = None
        if location is not None:
            found = next((e for e in location.evses if e.id is not None and evse_key(e.id) == evse.evse_id), None)
        body, name = row.tariff, row.auth.get("tariff")
        if body is None and name is not None and (late := self.store.thing("tariff", name, operator=evse.operator)) is not None:
            body = late.body
        if body is None and name is not None and row.ended is not None:
            raise Unsettled(f"tariff {name} of its agreement is not among the imported tariffs")
        tariff: Tariff | None = model_json.from_json(Tariff, orjson.loads(body)) if body is not None else None
        zone = location.place.time_zone if location is not None and location.place.time_zone else operator.zone
        currency = tariff.currency if tariff else operator.currency
        return settle.Situation(location, found, tariff, operator.party, zone, currency, self._switches(row))

    def _switches(self, row: SessionRow) -> tuple[tuple[datetime, Tariff], ...]:
        """The tariffs that the driver's preferences selected, and from when on each holds."""
        found: list[tuple[datetime, Tariff]] = []
        body = row.tariff
        for one in self.store.preferences(row.id):
            if one.tariff != body:
                found.append((settle.whole(one.at), model_json.from_json(Tariff, orjson.loads(one.tariff))))
                body = one.tariff
        return tuple(found)


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


def amount(price: Price | None) -> str | None:
    """A total as the ledger tells it."""
    return None if price is None or price.excl is None else str(price.excl)
