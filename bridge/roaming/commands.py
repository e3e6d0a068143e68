"""Remote commands: from a partner's command to the charger and back."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from bridge.errors import Declined, Unreachable
from bridge.model.command import Command, CommandKind, CommandOutcome, CommandResult
from bridge.model.ids import TokenUid
from bridge.model.token import Allowed, Token
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book
from bridge.roaming.authorise import Decision
from bridge.roaming.ports import AuthorisationAnswer, ChargerAnswer, ChargerControl, ConnectorRef, HearsOutcomes, Partner
from bridge.roaming.sessions import Sessions
from bridge.roaming.storage import EvseRow, Happening, SessionRow, Storage

ID_TAG = 20
"""Characters that an OCPP 1.6 idTag may have."""


class Commands:
    """Carries out what partners ask for."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, chargers: ChargerControl, sessions: Sessions,
                 now: Callable[[], datetime]) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.chargers = chargers
        self.sessions = sessions
        self.now = now
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, partner: str, command: Command, answer_to: str | None) -> CommandOutcome:
        """The outcome, or with ``answer_to`` the acceptance, the outcome following there."""
        if answer_to is None:
            return await self._recorded(partner, command)
        refusal = self._refusal(partner, command)
        if refusal is not None:
            return CommandOutcome(refusal)
        task = asyncio.create_task(self._later(partner, command, answer_to))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return CommandOutcome(CommandResult.ACCEPTED)

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _later(self, partner: str, command: Command, answer_to: str) -> None:
        outcome = await self._recorded(partner, command)
        hearer = self.partners.get(partner)
        if isinstance(hearer, HearsOutcomes):
            try:
                await hearer.outcome(answer_to, outcome)
            except (Unreachable, Declined) as why:
                await self.store.happened(Happening("command outcome not delivered", partner, command.kind.value, str(why)))

    async def _recorded(self, partner: str, command: Command) -> CommandOutcome:
        result = self._refusal(partner, command)
        if result is None:
            result = await self._carry_out(partner, command)
        await self.store.happened(Happening("command", partner, str(command.evse_id or command.session_id or ""),
                                            f"{command.kind.value}: {result.value}"))  # fmt: skip
        return CommandOutcome(result)

    def _refusal(self, partner: str, command: Command) -> CommandResult | None:
        """Why a command is refused at once, or None."""
        if command.kind is CommandKind.STOP_SESSION:
            session = self._session(partner, command)
            return CommandResult.UNKNOWN_SESSION if session is None else None
        evse = self._evse(command)
        if evse is None or self.book.find(partner, kinds.COMMANDS, evse.operator, evse.groups, self.now()) is None:
            return CommandResult.REJECTED
        if evse.charge_point is None or evse.connector is None or not self.chargers.online(evse.charge_point):
            return CommandResult.EVSE_INOPERATIVE
        if command.kind is CommandKind.START_SESSION and self.store.open_sessions(evse.charge_point, evse.connector):
            return CommandResult.EVSE_OCCUPIED
        return None

    async def _carry_out(self, partner: str, command: Command) -> CommandResult:
        if command.kind is CommandKind.STOP_SESSION:
            session = self._session(partner, command)
            if session is None:
                return CommandResult.UNKNOWN_SESSION
            return await self.chargers.stop(session.charge_point, session.tx)
        evse = self._evse(command)
        if evse is None or evse.charge_point is None or evse.connector is None:
            return CommandResult.REJECTED
        ref = ConnectorRef(evse.charge_point, evse.connector)
        if command.kind is CommandKind.START_SESSION:
            return await self._start(partner, command, ref)
        if command.kind is CommandKind.UNLOCK_CONNECTOR:
            return await self.chargers.unlock(ref)
        if command.kind is CommandKind.RESERVE_NOW and command.expires is not None and command.reservation_id is not None:
            return await self.chargers.reserve(ref, self._tag(command.token), _number(partner, command.reservation_id), command.expires)
        if command.kind is CommandKind.CANCEL_RESERVATION and command.reservation_id is not None:
            return await self.chargers.cancel(ref.charge_point, _number(partner, command.reservation_id))
        return CommandResult.NOT_SUPPORTED

    async def _start(self, partner: str, command: Command, ref: ConnectorRef) -> CommandResult:
        """Start with an id tag that the charger can hold; the transaction is expected under it."""
        tag = self._tag(command.token)
        reply = AuthorisationAnswer(Allowed.ALLOWED, command.token, str(command.provider) if command.provider else None,
                                    command.hub_session_id, command.provider_session_id, command.authorization_reference)  # fmt: skip
        decision = Decision(str(uuid.uuid4()), ChargerAnswer.ACCEPTED, "command", f"started by {partner}", partner, command.token, reply)
        self.sessions.expect(ref.charge_point, tag, decision, ref.connector)
        return await self.chargers.start(ref, tag)

    def _tag(self, token: Token | None) -> str:
        """The token's uid where it fits, else a short, unique alias."""
        uid = str(token.uid) if token is not None and token.uid is not None else ""
        return uid if 0 < len(uid) <= ID_TAG else TokenUid("R" + secrets.token_hex(9).upper())

    def _evse(self, command: Command) -> EvseRow | None:
        if command.evse_uid is not None:
            return self.store.evse_by_uid(str(command.evse_uid))
        if command.evse_id is not None:
            return self.store.evse(str(command.evse_id))
        if command.location_id is not None:
            free = [e for e in self.store.evses_of(str(command.location_id)) if e.charge_point is not None and not e.removed
                    and not self.store.open_sessions(e.charge_point, e.connector)]  # fmt: skip
            return free[0] if free else None
        return None

    def _session(self, partner: str, command: Command) -> SessionRow | None:
        """A running session of this partner, by our id or the hub's."""
        session = self.store.session(id=str(command.session_id)) if command.session_id is not None else None
        if session is None and command.evse_id is not None and (evse := self.store.evse(str(command.evse_id))) is not None:
            running = self.store.open_sessions(evse.charge_point or "", evse.connector)
            session = next((s for s in running if s.auth.get("hub_session_id") == command.hub_session_id), None)
        return session if session is not None and session.partner == partner and session.state == "active" else None


def _number(partner: str, reservation: str) -> int:
    """A charger's reservation number for a partner's (OCPP wants an int32; the same reservation gives the same number)."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{partner}/{reservation}").int % 2_000_000_000 + 1
