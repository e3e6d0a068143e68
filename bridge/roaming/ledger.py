"""A CDR enters the ledger: written for its partner and audited, or kept for a person with the reason why not."""

from __future__ import annotations

import logging

from attrs import evolve, frozen

from bridge.errors import Refused
from bridge.model.cdr import Cdr
from bridge.roaming import settle
from bridge.roaming.audit import Unsettled
from bridge.roaming.authorise import fault
from bridge.roaming.ports import Partner
from bridge.roaming.storage import CdrRow, Happening, Outbound

log = logging.getLogger(__name__)


@frozen
class Entry:
    """What becomes of a CDR: its row, and what goes out."""

    row: CdrRow
    outbound: tuple[Outbound, ...]
    happening: Happening


def kept(row: CdrRow, because: str = "no partner is due one") -> Entry:
    """A CDR that nobody is due."""
    return Entry(row, (), Happening("CDR kept", ref=row.id, detail=because))


def for_a_person(row: CdrRow, because: str) -> Entry:
    """A CDR that cannot go out as it is; of nobody, or refused for its partner."""
    state = "refused" if row.partner is not None else "kept"
    return Entry(evolve(row, state=state, error=because), (), Happening("CDR kept for a person", row.partner, row.id, because))


def entered(row: CdrRow, cdr: Cdr, partner: Partner) -> Entry:
    """A CDR for its partner. Never raises: a CDR must not be lost."""
    try:
        out, told = settle.outbound_cdr(partner, cdr, row.id)
    except (Refused, Unsettled) as why:
        return for_a_person(row, str(why))
    except Exception as why:  # noqa: BLE001
        log.error("CDR %s cannot be written for %s: %s", row.id, partner.name, fault(why))
        return for_a_person(row, f"a fault in writing it: {type(why).__name__}")
    return Entry(evolve(row, state="waiting", losses=told), (out,), Happening("CDR made", partner.name, row.id))
