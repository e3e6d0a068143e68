"""Commands for places of upstream operators: passed on to them, what came of them waited for.

A start is remembered before it is sent, under the reference that goes with it: its session belongs to whoever asked for it,
whatever happens in between.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from attrs import evolve, frozen

from bridge.errors import Declined, Unreachable
from bridge.model.command import Command, CommandKind, CommandOutcome, CommandResult
from bridge.model.ids import EvseId, EvseUid, LocationId, SessionId, evse_key, mask
from bridge.model.token import Allowed
from bridge.roaming import agreements as kinds
from bridge.roaming.addressed import evse_of
from bridge.roaming.agreements import OWN, Book, Scope
from bridge.roaming.authorise import Decision, fingerprint
from bridge.roaming.expected import to_json
from bridge.roaming.ports import AuthorisationAnswer, ChargerAnswer, Partner
from bridge.roaming.storage import DecisionRow, EvseRow, Happening
from bridge.roaming.upstream.ports import Receipt, TakesCommands
from bridge.roaming.upstream.storage import GrantRow, PassedReservation, SessionTold, UpstreamStorage

LONGEST = 120.0
"""The longest that an outcome is waited for, in seconds, whatever the upstream operator says."""
USUAL = 30.0
"""How long where it says nothing."""


@frozen
class Target:
    """Where a command goes: the upstream operator, and the command in its terms; or the reason why nowhere."""

    source: str
    command: Command
    refusal: CommandResult | None = None
    evse: EvseRow | None = None


class PassedCommands:
    """Passes commands on."""

    def __init__(self, store: UpstreamStorage, partners: Mapping[str, Partner], book: Book, sources: frozenset[str],
                 now: Callable[[], datetime]) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.sources = sources
        self.now = now
        self._waiting: dict[str, tuple[str, asyncio.Future[CommandOutcome]]] = {}

    # --- where to ----------------------------------------------------------------------------------------------------

    def target(self, partner: str, command: Command) -> Target | None:
        """Where a partner's command goes, if it is about a place, session or reservation upstream; None: it is not."""
        if not self.sources:
            return None
        if command.kind is CommandKind.STOP_SESSION:
            return self._stop(partner, command)
        if command.kind is CommandKind.CANCEL_RESERVATION:
            held = self.store.passed_reservation(partner, command.reservation_id) if command.reservation_id is not None else None
            return self._able(Target(held.source, evolve(command, reservation_id=str(held.number)))) if held is not None else None
        return self._place(partner, command)

    def _place(self, partner: str, command: Command) -> Target | None:
        evse = evse_of(self.store, command, lambda one: not one.removed and self._allowed(partner, one.scope))
        if evse is not None:
            scope, removed = evse.scope, evse.removed
        elif command.evse_id is None and command.location_id is not None:
            found = [s for s in self.store.scopes(str(command.location_id)) if s.origin == OWN or s.origin in self.sources]
            if not found:
                return None
            scope, removed = next((s for s in found if self._allowed(partner, s)), found[0]), False
        else:
            return None
        if scope.origin == OWN:
            return None
        told = evolve(command, location_id=LocationId(evse.location), evse_uid=EvseUid(evse.uid), evse_id=EvseId(evse.written)) \
            if evse is not None else command  # fmt: skip
        target = Target(scope.origin, told, evse=evse)
        if removed or not self._allowed(partner, scope):
            return evolve(target, refusal=CommandResult.REJECTED)
        if command.kind is CommandKind.RESERVE_NOW and (command.expires is None or command.expires <= self.now()):
            return evolve(target, refusal=CommandResult.REJECTED)
        if command.kind is CommandKind.UNLOCK_CONNECTOR and self._others(partner, evse):
            return evolve(target, refusal=CommandResult.REJECTED)
        return self._able(target)

    def _others(self, partner: str, evse: EvseRow | None) -> bool:
        """Whether somebody else's session runs there: unlocking would end it."""
        return evse is not None and any(s.partner != partner for s in self.store.running_told(evse.evse_id))

    def _allowed(self, partner: str, scope: Scope) -> bool:
        return self.book.find(partner, kinds.COMMANDS, scope, self.now()) is not None

    def _stop(self, partner: str, command: Command) -> Target | None:
        ident = command.session_id or command.hub_session_id
        found = self.store.sessions_told(partner, str(ident)) if ident is not None else []
        if not found and command.hub_session_id is not None and command.evse_id is not None:
            found = [s for s in self.store.running_told(evse_key(command.evse_id)) if s.partner == partner
                     and (s.auth or {}).get("hub_session_id") == command.hub_session_id]  # fmt: skip
        if not found:
            return None
        session = next((s for s in found if s.ended is None), found[0])
        target = Target(session.source, evolve(command, session_id=SessionId(session.id)))
        return self._able(target) if session.ended is None else evolve(target, refusal=CommandResult.UNKNOWN_SESSION)

    def _able(self, target: Target) -> Target:
        able = isinstance(self.partners.get(target.source), TakesCommands)
        return target if able else evolve(target, refusal=CommandResult.NOT_SUPPORTED)

    # --- do it -------------------------------------------------------------------------------------------------------

    async def run(self, partner: str, target: Target, reference: str, *, waits: bool) -> CommandResult:
        """Pass it on under a reference; what came of it. ``waits``: the partner hears nothing before that."""
        command = target.command
        if command.kind is CommandKind.RESERVE_NOW and command.reservation_id is not None and command.expires is not None:
            row = PassedReservation(partner, command.reservation_id, target.source, command.expires)
            command = evolve(command, reservation_id=str((await self.store.pass_reservation(row)).number))
        if command.kind is not CommandKind.START_SESSION:
            return await self._sent(target.source, command, reference)
        await self._grant(partner, target, reference, waits=waits)
        result = await self._sent(target.source, evolve(command, authorization_reference=reference, hub_session_id=None,
                                                        provider_session_id=None), reference)  # fmt: skip
        if result not in (CommandResult.ACCEPTED, CommandResult.TIMEOUT):
            await self.store.revoke_grant(reference)
        elif waits:
            await self.store.grant_answered(reference)
        return result

    async def _grant(self, partner: str, target: Target, reference: str, *, waits: bool) -> None:
        command, now = target.command, self.now()
        token = command.token
        uid = str(token.uid or token.contract_id or "") if token is not None else ""  # the contract stands for a card there, too
        reply = AuthorisationAnswer(Allowed.ALLOWED, token, str(command.provider) if command.provider else None, command.hub_session_id,
                                    command.provider_session_id, command.authorization_reference)  # fmt: skip
        decision = Decision(reference, ChargerAnswer.ACCEPTED, "command", f"started by {partner}", partner, token, reply)
        contract = str(token.contract_id) if token is not None and token.contract_id else None
        evse_id = target.evse.evse_id if target.evse is not None else None
        recorded = DecisionRow(reference, now, target.source, evse_id, mask(uid), fingerprint(uid), contract, decision.answer.value,
                               f"{decision.how}: {decision.reason}", partner, [], 0.0)  # fmt: skip
        await self.store.grant(GrantRow(reference, target.source, fingerprint(uid), evse_id, to_json(decision), now, not waits), recorded)

    async def _sent(self, source: str, command: Command, reference: str) -> CommandResult:
        """Send it and wait for what comes of it. No answer may still mean that it was taken: TIMEOUT."""
        upstream = self.partners[source]
        if not isinstance(upstream, TakesCommands):
            return CommandResult.NOT_SUPPORTED
        future: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._waiting[reference] = source, future
        try:
            receipt = await upstream.send_command(command, reference)
            if receipt.result is not CommandResult.ACCEPTED:
                return receipt.result
            async with asyncio.timeout(_patience(receipt)):
                return (await future).result
        except TimeoutError:
            return CommandResult.TIMEOUT
        except Unreachable as why:
            await self.store.happened(Happening("command not passed on", source, command.kind.value, why.because))
            return CommandResult.TIMEOUT if why.sent else CommandResult.FAILED
        except Declined as why:
            await self.store.happened(Happening("command not passed on", source, command.kind.value, why.because))
            return CommandResult.REJECTED
        finally:
            del self._waiting[reference]

    def heard(self, source: str, reference: str, outcome: CommandOutcome) -> bool:
        """An upstream operator tells what came of a command; False if nobody waits for it."""
        waiting = self._waiting.get(reference)
        if waiting is None or waiting[0] != source or waiting[1].done():
            return False
        waiting[1].set_result(outcome)
        return True

    # --- sessions that nobody is billed for --------------------------------------------------------------------------

    def unwanted(self, session: SessionTold) -> bool:
        """Whether a session runs whose partner waited for our answer and cannot have got it: it took the start for failed."""
        if session.ended is not None or session.auth is None or session.auth["how"] != "command":
            return False
        reference = session.auth["decision"]
        grant = self.store.granted(reference) if reference not in self._waiting else None
        return grant is not None and not grant.answered

    async def stop(self, session: SessionTold) -> CommandResult:
        """End a session."""
        command = Command(CommandKind.STOP_SESSION, session_id=SessionId(session.id))
        result = await self._sent(session.source, command, str(uuid.uuid4()))
        happened = Happening("stop of a session that nobody can be billed for", session.source, session.id, result.value)
        await self.store.happened(happened)
        return result


def _patience(receipt: Receipt) -> float:
    return min(receipt.timeout or USUAL, LONGEST)
