"""Acceptances of which nothing comes are given back, where the partner's protocol can (OICP: a session is open at the hub).

Such are: a worse-ranked partner's, an answer that comes when nobody waits for it any more, and one whose card started no
transaction. That the request was given up here does not undo it there: so it is still heard. Nothing of this delays a
driver, and nothing depends on it: a partner is told a few times, and what came of it is in the history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeGuard

from bridge.errors import PartnerError, Unreachable
from bridge.model.ids import EvseId
from bridge.model.token import Allowed
from bridge.roaming.ports import AuthorisationAnswer, Partner, ReleasesAuthorisations
from bridge.roaming.storage import EvseRow, Happening, Storage

log = logging.getLogger(__name__)

PAUSES = (1.0, 10.0, 60.0)
"""Seconds until a partner is told again that did not answer."""
GRACE = 5.0
"""Seconds that what is under way may take when stopping."""


class Releases:
    """Gives acceptances back."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner]) -> None:
        self.store = store
        self.able = {name: partner for name, partner in partners.items() if isinstance(partner, ReleasesAuthorisations)}
        self._tasks: set[asyncio.Task[None]] = set()

    async def heard(self, partner: str, asking: Coroutine[Any, Any, AuthorisationAnswer], evse: EvseRow | None) -> AuthorisationAnswer:
        """The answer of a partner. If its caller goes first, it is waited for all the same, and an acceptance given back."""
        task = asyncio.ensure_future(asking)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._spawn(self._late(partner, task, evse))
            raise

    def release(self, partner: str, answer: AuthorisationAnswer | None, evse: EvseRow | None, because: str) -> None:
        """Nothing comes of an answer: if it opened a session, that is given back, later on."""
        if partner in self.able and _opened(answer):
            self._spawn(self._release(partner, answer, evse, because))

    async def close(self) -> None:
        """Wait a moment for what is under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _late(self, partner: str, asking: asyncio.Future[AuthorisationAnswer], evse: EvseRow | None) -> None:
        try:
            answer = await asking
        except Exception:  # noqa: BLE001  (no answer, and nobody waits for one)
            return
        if _opened(answer):
            await self._release(partner, answer, evse, "it came too late")

    async def _release(self, partner: str, answer: AuthorisationAnswer, evse: EvseRow | None, because: str) -> None:
        what, why = "authorisation released", ""
        try:
            await self._told(partner, answer, EvseId(evse.written) if evse is not None else None)
        except PartnerError as failure:
            what, why = "authorisation not released", f": {failure}"
        except Exception as failure:  # noqa: BLE001  (its text may hold the uid)
            what, why = "authorisation not released", f": a fault: {type(failure).__name__}"
        try:
            await self.store.happened(Happening(what, partner, answer.hub_session_id, because + why))
        except Exception as failure:  # noqa: BLE001  (a store that cannot be written now)
            log.error("%s: %s at %s is not recorded: %s", what, answer.hub_session_id, partner, type(failure).__name__)

    async def _told(self, partner: str, answer: AuthorisationAnswer, evse_id: EvseId | None) -> None:
        for pause in PAUSES:
            try:
                return await self.able[partner].release(answer, evse_id)
            except Unreachable as why:
                wait = max(pause, why.after or 0.0)
            await asyncio.sleep(wait)
        return await self.able[partner].release(answer, evse_id)


def _opened(answer: AuthorisationAnswer | None) -> TypeGuard[AuthorisationAnswer]:
    return answer is not None and answer.allowed is Allowed.ALLOWED and answer.hub_session_id is not None


__all__ = ["Releases"]
