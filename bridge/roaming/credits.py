"""Credit CDRs: a CDR that its partner has is taken back by another one (OCPI 2.2.1 and 2.3.0, mod_cdrs, Credit CDRs).

The credit is all of the original with the total cost negated. A replacement may follow it, settled anew. The partner gets the
three in order: each waits in the outbox until what comes before it was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import orjson
from attrs import evolve, frozen

from bridge.errors import BridgeError, Refused
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.model.common import Price, TaxAmount
from bridge.model.ids import CdrId
from bridge.roaming import settle
from bridge.roaming.audit import Unsettled
from bridge.roaming.billing import Biller, ByHand, amount
from bridge.roaming.ports import Partner
from bridge.roaming.publish import dumps
from bridge.roaming.storage import CdrRow, Happening, Outbound, Storage

LONGEST, LONGEST_CREDIT = 36, 39
"""Characters of a CDR's id, and of a credit CDR's."""

_ABLE = ("ocpi-2.2", "ocpi-2.3")
"""Beginnings of the formats that have credit CDRs."""
_UNABLE = {
    "ocpi-2.1.1": "OCPI 2.1.1 has no credit CDRs: settle it out of band",
    "oicp": "OICP has one CDR per session: settle it out of band",
    "ochp": "OCHP revises CDRs instead of crediting them, which is not built: settle it out of band",
}
_UNTAKEN = {
    "waiting": "{} does not have it yet: a credit must not overtake it",
    "uncertain": "whether {} has it is not known yet: a credit must not overtake it",
    "refused": "{} has not taken it: `evbridge sessions settle` or `discard`",
    "discarded": "it was discarded",
    "kept": "nobody has it",
}


class NotCredited(BridgeError):
    """A CDR that cannot be credited."""

    remedy = "operator"


def negated(price: Price) -> Price:
    """An amount with every part of it taken back."""
    taxes = tuple(TaxAmount(t.name, -t.amount, t.percentage, t.account_number) for t in price.taxes)
    return Price(-price.excl if price.excl is not None else None, -price.incl if price.incl is not None else None, taxes)


def credit_of(original: Cdr, ident: CdrId | None, at: datetime | None) -> Cdr:
    """The credit of a CDR as whoever got that gets it: all of it, with the total cost negated."""
    total = negated(original.total_cost) if original.total_cost is not None else None
    return evolve(original, id=ident, credit=True, credit_reference_id=original.id, last_updated=at, total_cost=total)


class CreditStorage(Storage, Protocol):
    """What this needs of the store."""

    def credit(self, ident: str) -> CdrRow | None:
        """The CDR that credits a CDR."""
        ...

    async def correct(self, rows: Sequence[CdrRow], outbound: Sequence[Outbound], history: Sequence[Happening]) -> bool:
        """A credit, and what replaces its original; False (nothing changes) if that is not acknowledged, or credited already."""
        ...


@frozen
class Correction:
    """What was made of a CDR."""

    credit: CdrRow
    replacement: CdrRow | None = None


class Credits:
    """Where a person takes back a CDR."""

    def __init__(self, store: CreditStorage, partners: Mapping[str, Partner], billing: Biller, now: Callable[[], datetime]) -> None:
        self.store = store
        self.partners = partners
        self.billing = billing
        self.now = now

    async def credit(self, ident: str, because: str, replaced: ByHand | None = None) -> Correction:
        """Credit a CDR; ``replaced``: and bill its session anew, by what is said there.

        Raises NotCredited, and Unsettled where either could not be told to the partner as it is; nothing has changed then.
        """
        row = self.store.cdr(ident)
        if row is None:
            raise NotCredited(f"there is no CDR {ident}")
        partner = self._may(row)
        original: Cdr = model_json.from_json(Cdr, orjson.loads(row.body))
        made = credit_of(original, CdrId(_fitting(f"{original.id}C", LONGEST_CREDIT)), self.now())
        entries = [_entry(evolve(_row(row, made, self.now()), credits=row.id), made, partner)]
        told = [Happening("CDR credited", partner.name, row.id, f"by {made.id}: {because}"),
                Happening("CDR made", partner.name, str(made.id), f"credits {row.id}")]  # fmt: skip
        if replaced is not None:
            new = self._anew(row, replaced)
            entries.append(_entry(evolve(_row(row, new, self.now()), replaces=row.id), new, partner))
            said = f" ({replaced})" if str(replaced) else ""
            told.append(Happening("CDR made", partner.name, str(new.id), f"replaces {row.id}{said}"))
        rows = [entry for entry, _ in entries]
        if not await self.store.correct(rows, [out for _, out in entries], told):
            raise NotCredited(f"CDR {row.id} is credited already, or not acknowledged any more")
        return Correction(rows[0], rows[1] if len(rows) > 1 else None)

    def _may(self, row: CdrRow) -> Partner:
        """The partner that a credit goes to. Raises NotCredited."""
        partner = self.partners.get(row.partner or "")
        if partner is None:
            raise NotCredited(f"CDR {row.id} went to nobody" if row.partner is None else f"there is no partner {row.partner} any more")
        if not partner.format.startswith(_ABLE):
            because = next((why for name, why in _UNABLE.items() if partner.format.startswith(name)), "its format has no credits")
            raise NotCredited(f"CDR {row.id} cannot be credited: {because}")
        if row.credits is not None:
            raise NotCredited(f"{row.id} is itself the credit of {row.credits}")
        if self.store.session(id=self._first(row).session) is None:
            raise NotCredited(f"CDR {row.id} is an upstream operator's, and so is its credit")
        if (before := self.store.credit(row.id)) is not None:
            raise NotCredited(f"CDR {row.id} is credited already, by {before.id}")
        if row.state != "acknowledged":
            raise NotCredited(f"CDR {row.id} is {row.state}: " + _UNTAKEN[row.state].format(partner.name))
        return partner

    def _first(self, row: CdrRow) -> CdrRow:
        """The first CDR of a session, of which a CDR is a replacement, or of a replacement of it."""
        before = self.store.cdr(row.replaces) if row.replaces is not None else None
        return row if before is None else self._first(before)

    def _anew(self, row: CdrRow, by_hand: ByHand) -> Cdr:
        """The session of a CDR billed anew. Raises Unsettled."""
        first = self._first(row)
        session = self.store.session(id=first.session)
        if session is None:
            raise Unsettled(f"there is no session {first.session} any more")
        number, before = 1, row
        while before.replaces is not None and (older := self.store.cdr(before.replaces)) is not None:
            number, before = number + 1, older
        made = self.billing.cdr(session, self.store.samples(session.id), by_hand)
        return evolve(made, id=CdrId(_fitting(f"{first.id}R{number}", LONGEST)))


def _row(original: CdrRow, made: Cdr, now: datetime) -> CdrRow:
    """A CDR that comes after another one. It stands for its own session in the ledger, where a session has one CDR."""
    return CdrRow(str(made.id), str(made.id), original.partner, original.operator, original.test, dumps(made), amount(made.total_cost),
                  made.currency, str(made.total_energy), "waiting", [], now)  # fmt: skip


def _entry(row: CdrRow, cdr: Cdr, partner: Partner) -> tuple[CdrRow, Outbound]:
    try:
        out, told = settle.outbound_cdr(partner, cdr, row.id)
    except Refused as why:
        raise Unsettled(f"CDR {row.id} cannot be written for {partner.name}: {why}") from why
    return evolve(row, losses=told), out


def _fitting(ident: str, most: int) -> str:
    if len(ident) > most:
        raise Unsettled(f"{ident} is too long for the id of a CDR")
    return ident
