"""Remote commands: from a partner's command to the charger and back."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from bridge.model.command import Command, CommandKind, CommandOutcome, CommandResult
from bridge.model.location import Status
from bridge.model.token import Allowed, Token
from bridge.roaming import agreements as kinds
from bridge.roaming.addressed import evse_of
from bridge.roaming.agreements import Book
from bridge.roaming.authorise import Decision, alias, fault, fingerprint
from bridge.roaming.outcomes import Outcomes
from bridge.roaming.pending import OutcomeRow, ReservationRow
from bridge.roaming.ports import AuthorisationAnswer, ChargerAnswer, ChargerControl, ConnectorRef, Partner
from bridge.roaming.sessions import Sessions
from bridge.roaming.storage import EvseRow, Happening, SessionRow, Storage
from bridge.roaming.upstream.commands import PassedCommands

log = logging.getLogger(__name__)

ID_TAG = 20
"""Characters that an OCPP 1.6 idTag may have."""


class Commands:
    """Carries out what partners ask for."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, chargers: ChargerControl, sessions: Sessions,
                 outcomes: Outcomes, now: Callable[[], datetime], passed: PassedCommands) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.chargers = chargers
        self.sessions = sessions
        self.now = now
        self.passed = passed
        self.outcomes = outcomes

    async def run(self, partner: str, command: Command, answer_to: str | None) -> CommandOutcome:
        """The outcome, or with ``answer_to`` the acceptance, the outcome following there."""
        hearer = self.outcomes.hearer(partner) if answer_to is not None else None
        decision = str(uuid.uuid4())
        if hearer is None or answer_to is None:
            result = await self._result(partner, command, decision, waits=True)
            await self.store.happened(_line(partner, command, result))
            return CommandOutcome(result)
        refusal = self._refusal(partner, command)
        if refusal is not None:
            await self.store.happened(_line(partner, command, refusal))
            return CommandOutcome(refusal)
        session = self._session(partner, command) if command.kind is CommandKind.STOP_SESSION else None
        promise = await self.outcomes.promise(OutcomeRow(
            partner, command.kind.value, _where(command), answer_to, self.outcomes.until(hearer),
            decision if command.kind is CommandKind.START_SESSION else None, session.id if session is not None else None))  # fmt: skip
        self.outcomes.spawn(self._later(partner, command, decision, promise))
        return CommandOutcome(CommandResult.ACCEPTED)

    def resume(self) -> None:
        """Tell partners what they wait for since before the bridge was started."""
        self.outcomes.resume()

    async def close(self) -> None:
        """Wait for what is under way."""
        await self.outcomes.close()

    async def _later(self, partner: str, command: Command, decision: str, promise: OutcomeRow) -> None:
        try:
            async with asyncio.timeout(self.outcomes.left(promise)):
                result = await self._result(partner, command, decision, waits=False)
        except TimeoutError:
            result = CommandResult.TIMEOUT
        await self.outcomes.tell(promise, CommandOutcome(result), _line(partner, command, result))

    async def _result(self, partner: str, command: Command, decision: str, *, waits: bool) -> CommandResult:
        try:
            return self._refusal(partner, command) or await self._carry_out(partner, command, decision, waits=waits)
        except Exception as why:  # noqa: BLE001  (the partner waits for an outcome)
            log.error("a command of %s failed: %s", partner, fault(why))
            return CommandResult.FAILED

    # --- may it? -----------------------------------------------------------------------------------------------------

    def _refusal(self, partner: str, command: Command) -> CommandResult | None:
        """Why a command is refused at once, or None.

        A partner hears the same of an EVSE that is not there and of one that it may not use.
        """
        if (upstream := self.passed.target(partner, command)) is not None:
            return upstream.refusal
        if command.kind is CommandKind.STOP_SESSION:
            return CommandResult.UNKNOWN_SESSION if self._session(partner, command) is None else None
        if command.kind is CommandKind.CANCEL_RESERVATION:
            held = self._reservation(partner, command)
            if held is None:
                return CommandResult.UNKNOWN_RESERVATION
            return None if self.chargers.online(held.charge_point) else CommandResult.EVSE_INOPERATIVE
        evse = self._evse(partner, command)
        if evse is None:
            return CommandResult.REJECTED
        if evse.charge_point is None or evse.connector is None or not self.chargers.online(evse.charge_point):
            return CommandResult.EVSE_INOPERATIVE
        running = self._running(evse)
        if command.kind is CommandKind.START_SESSION and running:
            return CommandResult.EVSE_OCCUPIED
        if command.kind is CommandKind.UNLOCK_CONNECTOR and any(s.partner != partner for s in running):
            return CommandResult.REJECTED  # unlocking ends what runs there, and that is somebody else's
        if command.kind is CommandKind.RESERVE_NOW and (command.expires is None or command.expires <= self.now()):
            return CommandResult.REJECTED
        return None

    def _allowed(self, partner: str, evse: EvseRow) -> bool:
        return not evse.removed and self.book.find(partner, kinds.COMMANDS, evse.scope, self.now()) is not None

    def _running(self, evse: EvseRow) -> list[SessionRow]:
        """Sessions that run at an EVSE. One whose stop was lost is over when the connector was free later on."""
        if evse.charge_point is None:
            return []
        found = self.store.open_sessions(evse.charge_point, evse.connector)
        if evse.status == Status.AVAILABLE and evse.status_at is not None:
            found = [s for s in found if s.started >= evse.status_at]
        return found

    def _evse(self, partner: str, command: Command) -> EvseRow | None:
        """The EVSE that is meant, if the partner may use it; of a location only, one that is free."""
        if command.evse_uid is not None or command.evse_id is not None:
            one = evse_of(self.store, command, lambda evse: self._allowed(partner, evse))
            return one if one is not None and self._allowed(partner, one) else None
        if command.location_id is None:
            return None
        here = [e for e in self.store.evses_of(str(command.location_id)) if self._allowed(partner, e)]
        here.sort(key=lambda e: (e.charge_point is None or not self.chargers.online(e.charge_point), bool(self._running(e)),
                                 e.status != Status.AVAILABLE, e.evse_id))  # fmt: skip
        return here[0] if here else None

    def _session(self, partner: str, command: Command) -> SessionRow | None:
        """A running session of this partner, by our id or the hub's."""
        session = self.store.session(id=str(command.session_id)) if command.session_id is not None else None
        hub = command.hub_session_id
        if session is None and hub is not None and command.evse_id is not None:
            evse = self.store.evse(str(command.evse_id))
            running = self.store.open_sessions(evse.charge_point or "", evse.connector) if evse is not None else []
            session = next((s for s in running if s.auth.get("hub_session_id") == hub and s.partner == partner), None)
        mine = session is not None and session.partner == partner and session.state == "active" and session.auth.get("accepted")
        return session if mine else None

    def _reservation(self, partner: str, command: Command) -> ReservationRow | None:
        return self.store.reservation(partner, command.reservation_id) if command.reservation_id is not None else None

    # --- do it -------------------------------------------------------------------------------------------------------

    async def _carry_out(self, partner: str, command: Command, decision: str, *, waits: bool) -> CommandResult:
        if (upstream := self.passed.target(partner, command)) is not None:
            return await self.passed.run(partner, upstream, decision, waits=waits)
        if command.kind is CommandKind.STOP_SESSION:
            session = self._session(partner, command)
            return await self.chargers.stop(session.charge_point, session.tx) if session is not None else CommandResult.UNKNOWN_SESSION
        if command.kind is CommandKind.CANCEL_RESERVATION:
            held = self._reservation(partner, command)
            return await self.chargers.cancel(held.charge_point, held.number) if held is not None else CommandResult.UNKNOWN_RESERVATION
        evse = self._evse(partner, command)
        if evse is None or evse.charge_point is None or evse.connector is None:
            return CommandResult.REJECTED
        ref = ConnectorRef(evse.charge_point, evse.connector)
        if command.kind is CommandKind.START_SESSION:
            return await self._start(partner, command, ref, evse, decision, waits=waits)
        if command.kind is CommandKind.UNLOCK_CONNECTOR:
            return await self.chargers.unlock(ref)
        return await self._reserve(partner, command, ref)

    async def _start(self, partner: str, command: Command, ref: ConnectorRef, evse: EvseRow, decision_id: str, *,
                     waits: bool) -> CommandResult:  # fmt: skip
        """Start with an id tag that the charger can hold; the transaction is expected under it, also after a restart.

        A charger that does not answer may start all the same: then the transaction still belongs to a partner that was told
        to wait for it (OCPI). One that waits for this (OICP) hears a failure, so for it the start is over.
        """
        tag = self._tag(partner, command, ref)
        reply = AuthorisationAnswer(Allowed.ALLOWED, command.token, str(command.provider) if command.provider else None,
                                    command.hub_session_id, command.provider_session_id, command.authorization_reference)  # fmt: skip
        decision = Decision(decision_id, ChargerAnswer.ACCEPTED, "command", f"started by {partner}", partner, command.token, reply)
        expectations = self.sessions.expectations
        await expectations.remote(ref.charge_point, ref.connector, tag, decision, evse.evse_id, answered=not waits)
        if waits:
            return await self._heard(ref, tag, decision_id)
        result = await self._asked(ref, tag, decision_id)
        if result not in (CommandResult.ACCEPTED, CommandResult.TIMEOUT):
            await expectations.not_remote(ref.charge_point, tag)
        return result

    async def _heard(self, ref: ConnectorRef, tag: str, decision: str) -> CommandResult:
        """Start for a partner that waits: it has started only if the partner hears so."""
        heard = False
        try:
            result = await self._asked(ref, tag, decision)
            if result is CommandResult.ACCEPTED:
                await self.sessions.answered(decision)
                heard = True
        finally:  # also when the adapter can wait no longer
            if heard:
                self.sessions.expectations.waited(decision)
            else:
                await self.sessions.failed(decision)
        return result

    async def _asked(self, ref: ConnectorRef, tag: str, decision: str) -> CommandResult:
        """What the charger says; a transaction that has begun is an answer, too."""
        result = await self.chargers.start(ref, tag)
        begun = result is CommandResult.TIMEOUT and self.store.session_by(decision) is not None
        return CommandResult.ACCEPTED if begun else result

    async def _reserve(self, partner: str, command: Command, ref: ConnectorRef) -> CommandResult:
        if command.kind is not CommandKind.RESERVE_NOW or command.expires is None or command.reservation_id is None:
            return CommandResult.NOT_SUPPORTED
        tag = self._tag(partner, command, ref)
        row = ReservationRow(partner, command.reservation_id, ref.charge_point, ref.connector, tag, _card(command.token), command.expires)
        held = await self.store.reserve(row)
        return await self.chargers.reserve(ref, tag, held.number, command.expires)

    def _tag(self, partner: str, command: Command, ref: ConnectorRef) -> str:
        """The token's uid where a charger can hold it, else what stood for it in a reservation here, else a new alias."""
        token = command.token
        uid = str(token.uid) if token is not None and token.uid is not None and token.hashed is None else ""
        if 0 < len(uid) <= ID_TAG and uid.isascii() and uid.isprintable():
            return uid
        mine = (r for r in self.store.reserved(ref.charge_point, ref.connector)
                if r.partner == partner and r.until > self.now() and r.card == _card(token))  # fmt: skip
        held = next(mine, None)
        return held.id_tag if held is not None and uid else alias()


def _where(command: Command) -> str:
    return str(command.session_id or command.evse_id or command.evse_uid or command.location_id or command.reservation_id or "")


def _line(partner: str, command: Command, result: CommandResult) -> Happening:
    return Happening("command", partner, _where(command), f"{command.kind.value}: {result.value}")


def _card(token: Token | None) -> str:
    return fingerprint(str(token.uid)) if token is not None and token.uid is not None else ""
