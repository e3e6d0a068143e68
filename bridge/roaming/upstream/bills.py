"""Sessions and CDRs of upstream operators as their owners get them.

Ids (where the protocol can tell them) and the owning party stay the operator's. The token is told as its owner told it,
references and the way of authorising are those of the route that authorised: the operator asked us, and we may have known.
The money is what the operator billed, unless the agreement names a tariff: then the charging periods are priced by that, and
nothing of the operator's prices is passed on.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from bridge.mapping.loss import NARROWED
from bridge.model.cdr import Cdr, CdrPlace
from bridge.model.common import Price
from bridge.model.ids import CdrId, EvseId, OperatorId, evse_key
from bridge.model.location import Evse, Location
from bridge.model.session import ChargingPeriod, Session
from bridge.model.tariff import Tariff
from bridge.model.token import SessionToken
from bridge.roaming import settle
from bridge.roaming.audit import Unsettled
from bridge.roaming.authorise import Decision
from bridge.roaming.credits import credit_of
from bridge.roaming.views import with_tariff
from bridge.roaming.whole import around, filled

CAPITALS = ("ochp",)
"""Beginnings of the formats whose CDR ids are the operator's five characters and at most 31 capitals and digits."""

FRACTIONS = ("ocpi-2.2", "ocpi-2.3")
"""Beginnings of the formats whose times have fractions of a second."""

_UNPRICED = frozenset({"PERIOD_SPANS_PRICE_CHANGE", "MISSING_DIMENSION", "RANGE_UNKNOWN"})
"""Warnings which say that another tariff's price cannot be told from these charging periods."""


def session_for(session: Session, decision: Decision, location: Location | None, evse: Evse | None, tariff: Tariff | None) -> Session:
    """The session as its owner gets it."""
    reply = decision.reply
    made = evolve(
        session, token=_token(session.token, decision), authorization_reference=reply.reference if reply is not None else None,
        hub_session_id=reply.hub_session_id if reply is not None else None,
        provider_session_id=reply.provider_session_id if reply is not None else None, operator_session_id=str(session.id),
        operator_id=OperatorId(str(session.party)), evse_id=session.evse_id or (evse.id if evse is not None else None),
        auth_method=settle.auth_method(decision.how), extra=())  # fmt: skip
    place = CdrPlace(id=made.location_id, evse_uid=made.evse_uid, evse_id=made.evse_id, connector_id=made.connector_id)
    made = evolve(made, location=_whole(session.location, place, location, evse, tariff))
    if tariff is not None:
        made = evolve(made, total_cost=None, currency=tariff.currency, periods=_without_tariffs(session.periods))
    return made


def cdr_for(cdr: Cdr, decision: Decision, location: Location | None, evse: Evse | None, tariff: Tariff | None) -> Cdr:
    """The CDR as its owner gets it, with the operator's prices."""
    reply = decision.reply
    place = _place(cdr.place, location, evse)
    if tariff is not None:
        place = evolve(place, tariff_id=None)  # nothing of the operator's prices
    whole = _whole(cdr.location, place, location, evse, tariff)
    return evolve(
        cdr, token=_token(cdr.token, decision), authorization_reference=reply.reference if reply is not None else None,
        hub_session_id=reply.hub_session_id if reply is not None else None,
        provider_session_id=reply.provider_session_id if reply is not None else None,
        operator_session_id=str(cdr.session_id) if cdr.session_id is not None else None,
        auth_method=settle.auth_method(decision.how), place=filled(place, whole),
        location=whole, extra=())  # fmt: skip


def _whole(told: Location | None, place: CdrPlace, location: Location | None, evse: Evse | None, tariff: Tariff | None) -> Location | None:
    """The location as it was told, or else as we know it; with the tariff that the agreement names, where it names one."""
    if told is None:
        return around(place, location, evse, tariff.id if tariff is not None else None)
    return told if tariff is None else with_tariff(told, tariff.id)


def _token(told: SessionToken | None, decision: Decision) -> SessionToken:
    """The token as its owner knows it; what the owner did not say of it, as the session tells it."""
    told = told or SessionToken()
    if decision.token is None:
        return told
    known = settle.session_token(decision.token, "")
    return evolve(known, uid=known.uid or told.uid, kind=known.kind or told.kind, contract_id=known.contract_id or told.contract_id)


def _place(place: CdrPlace, location: Location | None, evse: Evse | None) -> CdrPlace:
    """The place with what some protocols need and a CDR may leave out."""
    zone = location.place.time_zone if location is not None else None
    return evolve(place, time_zone=place.time_zone or zone, evse_id=place.evse_id or (evse.id if evse is not None else None))


def evse_in(location: Location | None, uid: str | None, evse_id: EvseId | None) -> Evse | None:
    """The EVSE of a session, by its uid or id."""
    if location is None:
        return None
    named = (e for e in location.evses if uid is not None and e.uid is not None and e.uid.upper() == uid.upper())
    by_id = (e for e in location.evses if evse_id is not None and e.id is not None and evse_key(e.id) == evse_key(evse_id))
    return next(named, None) or next(by_id, None)


def priced_by(cdr: Cdr, tariff: Tariff, zone: str) -> Cdr:
    """The CDR priced by another tariff than the operator's.

    Raises Unsettled where the charging periods do not say what it costs then: they were cut for the operator's own prices.
    """
    from bridge.tariff import PricingError, Severity, check, price

    bare = evolve(cdr, tariffs=(tariff,), periods=_without_tariffs(cdr.periods), currency=tariff.currency, total_cost=None, lines=(),
                  total_fixed_cost=None, total_energy_cost=None, total_time_cost=None, total_parking_cost=None,
                  total_reservation_cost=None)  # fmt: skip
    try:
        priced = price(bare, (tariff,), ZoneInfo(zone))
        totals = priced.rounded()
        made = evolve(bare, lines=priced.cdr_lines, total_cost=totals.total or Price(Decimal(0), Decimal(0)), total_fixed_cost=totals.fixed,
                      total_energy_cost=totals.energy, total_time_cost=totals.time, total_parking_cost=totals.parking,
                      total_reservation_cost=totals.reservation)  # fmt: skip
        found = [f for f in check(made, priced) if f.severity is Severity.ERROR or f.code in _UNPRICED]
    except PricingError as why:
        raise Unsettled(f"CDR {cdr.id} cannot be priced by tariff {tariff.id}: {why}") from why
    if found:
        raise Unsettled(f"CDR {cdr.id} cannot be priced by tariff {tariff.id}: {found[0].path}: {found[0].message}")
    return made


def credit_for(cdr: Cdr, original: Cdr, *, repriced: bool) -> Cdr:
    """A credit CDR as whoever got the original gets it: all of that, with the total cost negated (OCPI, mod_cdrs, Credit CDRs).

    ``repriced``: the original was not billed at the operator's prices, and neither is the credit.
    """
    made = credit_of(original, cdr.id, cdr.last_updated)
    total = made.total_cost if repriced and original.total_cost is not None else cdr.total_cost
    return evolve(made, remark=cdr.remark, invoice_reference_id=cdr.invoice_reference_id, total_cost=total)


def numbered(cdr: Cdr, format_: str) -> tuple[Cdr, list[dict[str, Any]]]:
    """The CDR under an id that the protocol can tell, and what that leaves out for the ledger.

    Where it is not the operator's it is made of that, always the same: our own CDRs have such ids from the beginning.
    """
    if not format_.startswith(CAPITALS) or cdr.party is None or cdr.id is None:
        return cdr, []
    owner = f"{cdr.party.country_code}{cdr.party.party_id}".upper()
    if re.fullmatch(f"{re.escape(owner)}[0-9A-Z]{{1,31}}", cdr.id):
        return cdr, []
    digest = base64.b32encode(hashlib.sha256(cdr.id.upper().encode()).digest()).decode()
    made = CdrId(f"{owner}{digest[:31]}")
    return evolve(cdr, id=made), [{"path": "id", "kind": NARROWED, "because": f"{made} stands for it: operator, capitals and digits"}]


def in_seconds(cdr: Cdr, format_: str) -> Cdr:
    """The CDR in whole seconds for those whose protocol has no smaller ones, as our own CDRs are: nothing is priced by less."""
    if format_.startswith(FRACTIONS):
        return cdr
    return evolve(cdr, start=_cut(cdr.start), end=_cut(cdr.end), charging_start=_cut(cdr.charging_start),
                  charging_end=_cut(cdr.charging_end),
                  periods=tuple(evolve(p, start=settle.whole(p.start)) for p in cdr.periods))  # fmt: skip


def _cut(at: datetime | None) -> datetime | None:
    return settle.whole(at) if at is not None else None


def _without_tariffs(periods: tuple[ChargingPeriod, ...]) -> tuple[ChargingPeriod, ...]:
    return tuple(evolve(p, tariff_id=None) for p in periods)
