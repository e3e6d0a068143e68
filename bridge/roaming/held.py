"""What waits for a person: sessions that could not be settled, CDRs that were refused, stops of transactions that nobody knows.

A person settles one after its cause was mended, by the configuration there is then, or discards it with a reason. What was
done is in the history; a CDR and its outbound work come in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import orjson
from attrs import evolve, frozen

from bridge.errors import BridgeError
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.roaming import ledger
from bridge.roaming.audit import Unsettled
from bridge.roaming.billing import Biller, ByHand
from bridge.roaming.ports import Partner
from bridge.roaming.storage import CdrRow, Happening, Outbound, SessionRow, Storage


class NothingHeld(BridgeError):
    """Nothing of that name waits for a person."""

    remedy = "operator"


@frozen
class Stop:
    """A charger's stop of a transaction that nobody knows: ``said`` has its number, register and time."""

    id: str
    at: datetime | None
    charge_point: str
    said: str


@frozen
class Waiting:
    """One thing that waits: a session (by its id), a CDR (by its id) or a stop (``stop-12``)."""

    id: str
    what: str
    at: datetime | None
    partner: str | None
    where: str
    kwh: str
    because: str


class HeldStorage(Storage, Protocol):
    """What this needs of the store. Every change is refused (False) where the thing does not wait any more."""

    def held_sessions(self) -> list[SessionRow]:
        """Ended sessions without a CDR."""
        ...

    def refused_cdrs(self) -> list[CdrRow]:
        """CDRs that a partner, or the audit before sending, said no to, or whose owner nobody knows."""
        ...

    def unknown_stops(self) -> list[Stop]:
        """Stops of unknown transactions that nobody has discarded."""
        ...

    def kept_because(self, ident: str) -> str:
        """Why a session or CDR was kept, the last time."""
        ...

    async def settle_session(self, row: SessionRow, cdr: CdrRow | None, outbound: Sequence[Outbound], history: Sequence[Happening]) -> bool:
        """A held session has its CDR."""
        ...

    async def discard_session(self, ident: str, history: Sequence[Happening]) -> bool:
        """A held session ends without one."""
        ...

    async def send_cdr(self, out: Outbound, losses: Sequence[object], history: Sequence[Happening]) -> bool:
        """A refused CDR goes out. In other bytes only if no partner can have it."""
        ...

    async def discard_cdr(self, ident: str, history: Sequence[Happening]) -> bool:
        """A refused CDR is not sent any more, nor shown."""
        ...


class Desk:
    """Where a person settles and discards."""

    def __init__(self, store: HeldStorage, partners: Mapping[str, Partner], billing: Biller) -> None:
        self.store = store
        self.partners = partners
        self.billing = billing

    def waiting(self) -> list[Waiting]:
        """Everything that waits, sessions first."""
        found = [Waiting(s.id, "session", s.ended, s.partner, f"{s.charge_point}/{s.connector}", str(s.kwh), self.store.kept_because(s.id))
                 for s in self.store.held_sessions()]  # fmt: skip
        found += [Waiting(c.id, "CDR", c.created, c.partner, c.session, c.kwh, c.error or "") for c in self.store.refused_cdrs()]
        found += [Waiting(s.id, "stop", s.at, None, s.charge_point, "", s.said) for s in self.store.unknown_stops()]
        return found

    async def settle(self, ident: str, by_hand: ByHand | None = None) -> CdrRow:
        """Bill a held session, or write a refused CDR anew, and send it. Returns the CDR, which may again be refused.

        Raises NothingHeld, and Unsettled where it still cannot be done: nothing has changed then.
        """
        by_hand = by_hand or ByHand()
        session = self.store.session(id=ident)
        if session is not None and session.state == "held":
            return await self._bill(session, by_hand)
        if by_hand != ByHand():
            raise NothingHeld(f"no session is held as {ident}: a CDR is what it is, and cannot be given another tariff, energy or time")
        cdr = self._refused(ident)
        if cdr is None:
            raise NothingHeld(f"no session is held and no CDR was refused as {ident}")
        return await self._send(cdr)

    async def discard(self, ident: str, because: str) -> str:
        """End it without a CDR, or without sending it; returns what it was. Raises NothingHeld."""
        if self.store.session(id=ident) is not None and await self.store.discard_session(
                ident, [Happening("session discarded", ref=ident, detail=because)]):  # fmt: skip
            return "session"
        cdr = self._refused(ident)
        if cdr is not None and await self.store.discard_cdr(cdr.id, [Happening("CDR discarded", cdr.partner, cdr.id, because)]):
            return "CDR"
        if any(stop.id == ident for stop in self.store.unknown_stops()):
            await self.store.happened(Happening("stop discarded", ref=ident, detail=because))
            return "stop"
        raise NothingHeld(f"nothing waits as {ident}")

    def _refused(self, ident: str) -> CdrRow | None:
        return next((c for c in self.store.refused_cdrs() if ident in (c.id, c.session)), None)

    async def _bill(self, row: SessionRow, by_hand: ByHand) -> CdrRow:
        bill = self.billing.bill(row, self.store.samples(row.id), by_hand)
        if bill.cdr is None:
            raise Unsettled(bill.held or "there is nothing to bill")
        kwh = by_hand.kwh if by_hand.kwh is not None else row.kwh
        history = [Happening("session settled by a person", row.partner, row.id, str(by_hand) or None), *bill.history]
        if not await self.store.settle_session(evolve(row, state="ended", kwh=kwh), bill.cdr, bill.outbound, history):
            raise NothingHeld(f"session {row.id} is not held any more")
        return bill.cdr

    async def _send(self, row: CdrRow) -> CdrRow:
        if row.partner is None:
            raise Unsettled(row.error or "nobody is due it")
        partner = self.partners.get(row.partner)
        if partner is None:
            raise Unsettled(f"there is no partner {row.partner} any more")
        cdr: Cdr = model_json.from_json(Cdr, orjson.loads(row.body))
        entry = ledger.entered(row, cdr, partner)
        if not entry.outbound:
            raise Unsettled(entry.row.error or "it cannot be written")
        history = [Happening("CDR sent again by a person", partner.name, row.id)]
        if not await self.store.send_cdr(entry.outbound[0], entry.row.losses, history):
            raise Unsettled(f"{partner.name} may have it as it was first sent, and what would be sent now differs: "
                            "`evbridge outbox replay` sends the same bytes again")  # fmt: skip
        return evolve(entry.row, error=None)
