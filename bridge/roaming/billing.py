"""Billing: what a session comes to, by the agreements, tariffs and places there are: its CDR, what goes out, what is recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import orjson
from attrs import evolve, frozen

from bridge.errors import Refused
from bridge.model import json as model_json
from bridge.model.cdr import Cdr
from bridge.model.common import Price
from bridge.model.ids import PartyId
from bridge.model.location import Location
from bridge.model.tariff import Tariff
from bridge.roaming import agreements as kinds
from bridge.roaming import clocks, ledger, settle, whole
from bridge.roaming.agreements import Agreement, Book
from bridge.roaming.audit import Unsettled
from bridge.roaming.authorise import fault
from bridge.roaming.disowned import UNHEARD
from bridge.roaming.ports import Kind, MeterSample, Partner
from bridge.roaming.publish import dumps
from bridge.roaming.storage import CdrRow, EvseRow, Happening, Outbound, SessionRow, Storage
from bridge.roaming.views import live

log = logging.getLogger(__name__)

HELD = "session kept for a person"


@frozen
class OperatorFacts:
    """What is known of one of our operators."""

    party: PartyId
    zone: str
    currency: str


@frozen
class Terms:
    """What a session is billed by to its end: the tariff's id by the agreement and what it said at the start (free without one), and
    the location with its EVSE as it was then."""

    tariff_id: str | None = None
    tariff: bytes | None = None
    free: bool = False
    test: bool = False
    place: bytes | None = None


@frozen
class ByHand:
    """What a person says of a held session: a tariff by its id, as it is now; the energy, where the registers are wrong; its times."""

    tariff: str | None = None
    kwh: Decimal | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __str__(self) -> str:
        said = {"tariff": self.tariff, "kWh": self.kwh, "start": self.start, "end": self.end}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)


@frozen
class Bill:
    """What a session comes to. ``held``: why a person has to look, in place of a CDR."""

    cdr: CdrRow | None
    outbound: list[Outbound]
    history: list[Happening]
    held: str | None = None


class Biller:
    """Makes CDRs, and tells partners of sessions."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, operators: Mapping[str, OperatorFacts],
                 now: Callable[[], datetime]) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.operators = operators
        self.now = now

    # --- CDRs --------------------------------------------------------------------------------------------------------

    def bill(self, row: SessionRow, samples: Sequence[MeterSample], by_hand: ByHand | None = None) -> Bill:
        """The bill of an ended session. Never raises: the charger's word has to be kept.

        Its place is as it was at the start; where a person settles it, as it is known now.
        """
        if not row.auth.get("accepted"):
            return Bill(None, [], [Happening("session without authorisation", ref=row.id, detail="nothing to bill")])
        if self._disowned(row):
            return self._held(row, UNHEARD)
        evse = self._evse(row)
        try:
            row = self._corrected(row, evse, by_hand) if by_hand is not None else row
            cdr = self._cdr(row, samples, by_hand)
        except Unsettled as why:
            return self._held(row, str(why))
        except Exception as why:  # noqa: BLE001
            log.error("session %s cannot be settled: %s", row.id, fault(why))
            return self._held(row, f"a fault in settling it: {type(why).__name__}")
        unsent = CdrRow(str(cdr.id), row.id, row.partner, row.operator, row.test, dumps(cdr), amount(cdr.total_cost), cdr.currency,
                        str(cdr.total_energy), "kept", [], self.now())  # fmt: skip
        partner = self.partners.get(row.partner or "")
        due = partner is not None and self.agreed(kinds.CDRS, row, evse) is not None
        entry = ledger.entered(unsent, cdr, partner) if partner is not None and due else ledger.kept(unsent)
        return Bill(entry.row, [*self.told(row), *entry.outbound], [entry.happening])

    def cdr(self, row: SessionRow, samples: Sequence[MeterSample], by_hand: ByHand | None = None) -> Cdr:
        """The CDR of an ended session, by what a person says of it. Raises Unsettled."""
        row = self._corrected(row, self._evse(row), by_hand) if by_hand is not None else row
        return self._cdr(row, samples, by_hand)

    def _cdr(self, row: SessionRow, samples: Sequence[MeterSample], by_hand: ByHand | None) -> Cdr:
        said = by_hand if by_hand is not None else ByHand()
        for doubt, told in ((clocks.START, said.start), (clocks.END, said.end)):
            if told is None and doubt in row.auth:
                raise Unsettled(row.auth[doubt])
        situation = self._situation(row, self._evse(row))
        if said.tariff is not None:
            situation = evolve(situation, switches=())  # one tariff, whatever the driver wanted meanwhile
        return settle.as_cdr(row, samples, situation, self.now(), said.kwh)

    def _held(self, row: SessionRow, because: str) -> Bill:
        return Bill(None, self.told(row), [Happening(HELD, row.partner, row.id, because)], because)

    # --- sessions ----------------------------------------------------------------------------------------------------

    def told(self, row: SessionRow) -> list[Outbound]:
        """A session for its partner, as it stands."""
        partner, evse = self.partners.get(row.partner or ""), self._evse(row)
        if partner is None or Kind.SESSION not in partner.kinds or self.agreed(kinds.SESSIONS, row, evse) is None:
            return []
        if self._disowned(row):
            return []  # the partner knows no such session, or not yet
        try:
            situation = self._situation(row, evse, priced=False)
            if situation.location is not None and evse is not None:
                situation = evolve(situation, location=live(situation.location, {evse.evse_id: evse}))
            encoded = partner.encode(Kind.SESSION, whole.for_partner(partner, settle.as_session(row, situation, self.now())))
        except (Refused, Unsettled):
            return []  # a session that the protocol cannot tell is not told; its CDR is
        except Exception as why:  # noqa: BLE001
            log.error("session %s cannot be written for %s: %s", row.id, partner.name, fault(why))
            return []
        return [Outbound(partner.name, Kind.SESSION, row.id, e.key, e.body, e.meta) for e in encoded]

    def _disowned(self, row: SessionRow) -> bool:
        """Whether the partner that started a session remotely was not told so."""
        return bool(row.auth.get("disowned")) or (row.auth.get("how") == "command" and self.store.unheard(row.auth["decision"]))

    # --- terms -------------------------------------------------------------------------------------------------------

    def terms(self, partner: str | None, evse: EvseRow | None, how: str) -> Terms:
        """What a session that begins now is billed by: the agreement about commands for a remote start, else about tokens."""
        agreement = self._agreement(partner, evse, how, self.now())
        if agreement is None or evse is None:
            return Terms()
        name, operator = agreement.tariff_for(evse.groups), self.operators.get(evse.operator)
        place = self._place(evse, name, operator) if operator is not None else None
        return Terms(name, None if name is None else self._tariff(name, evse.operator), agreement.free, agreement.test,
                     None if place is None else dumps(place))  # fmt: skip

    def agreement_of(self, row: SessionRow, evse: EvseRow) -> Agreement | None:
        """The agreement under which a session began."""
        return self._agreement(row.partner, evse, row.auth["how"], _decided(row))

    def _agreement(self, partner: str | None, evse: EvseRow | None, how: str, at: datetime) -> Agreement | None:
        if partner is None or evse is None:
            return None
        return self.book.find(partner, kinds.COMMANDS if how == "command" else kinds.TOKENS, evse.scope, at)

    def agreed(self, kind: str, row: SessionRow, evse: EvseRow | None) -> Agreement | None:
        """The agreement by which the partner hears of this session: as of its start, test or production as the session is."""
        if row.partner is None or evse is None:
            return None
        at = max(row.started, _decided(row))
        return next((a for a in self.book.of(row.partner)
                     if a.test == row.test and a.covers(kind, evse.scope, at) is None), None)  # fmt: skip

    def _corrected(self, row: SessionRow, evse: EvseRow | None, by_hand: ByHand) -> SessionRow:
        row = evolve(row, started=by_hand.start or row.started, ended=by_hand.end or row.ended, place=None)
        if by_hand.tariff is None or evse is None:
            return row
        body = self._tariff(by_hand.tariff, evse.operator)
        if body is None:
            raise Unsettled(f"tariff {by_hand.tariff} is not among the imported tariffs of {evse.operator}")
        return evolve(row, tariff=body)

    def _evse(self, row: SessionRow) -> EvseRow | None:
        return self.store.evse(row.evse_id) if row.evse_id else None

    def _tariff(self, name: str, operator: str) -> bytes | None:
        thing = self.store.thing("tariff", name, operator=operator)
        return thing.body if thing is not None else None

    def _situation(self, row: SessionRow, evse: EvseRow | None, *, priced: bool = True) -> settle.Situation:
        """What a session needs to be told, and to be billed if ``priced``. Raises Unsettled where something is missing."""
        operator = self.operators.get(row.operator or "")
        if operator is None or evse is None:
            raise Unsettled("no operator or EVSE is known for it")
        location: Location | None
        if row.place is not None:
            location = model_json.from_json(Location, orjson.loads(row.place))
        else:
            location = self._place(evse, row.auth.get("tariff"), operator)
        body = self._price(row, evse) if priced else row.tariff
        tariff: Tariff | None = model_json.from_json(Tariff, orjson.loads(body)) if body is not None else None
        zone = location.place.time_zone if location is not None and location.place.time_zone else operator.zone
        currency = tariff.currency if tariff else operator.currency
        return settle.Situation(location, tariff, operator.party, zone, currency, self._switches(row))

    def _place(self, evse: EvseRow, tariff: str | None, operator: OperatorFacts) -> Location | None:
        """The location of an EVSE as it is now, with this EVSE alone and the tariff of the agreement."""
        thing = self.store.thing("location", evse.location, operator=evse.operator)
        if thing is None:
            return None
        location = whole.of_ours(model_json.from_json(Location, orjson.loads(thing.body)), evse, operator.zone, tariff)
        return None if location is None else live(location, {evse.evse_id: evse})

    def _switches(self, row: SessionRow) -> tuple[tuple[datetime, Tariff], ...]:
        """The tariffs that the driver's preferences selected, and from when on each holds."""
        found: list[tuple[datetime, Tariff]] = []
        body = row.tariff
        for one in self.store.preferences(row.id):
            if one.tariff != body:
                found.append((settle.whole(one.at), model_json.from_json(Tariff, orjson.loads(one.tariff))))
                body = one.tariff
        return tuple(found)

    def _price(self, row: SessionRow, evse: EvseRow) -> bytes | None:
        """The tariff of a session; None where it costs nothing. Nothing is free that no agreement says is free."""
        if row.tariff is not None:
            return row.tariff
        name = row.auth.get("tariff")
        if name is None:
            due = self.agreed(kinds.CDRS, row, evse)
            if due is None or row.auth.get("free") or due.free:
                return None
            name = due.tariff_for(evse.groups)
            if name is None:
                raise Unsettled("its agreement names no tariff for it, and does not say that it is free")
        body = self._tariff(name, evse.operator)
        if body is None:
            raise Unsettled(f"tariff {name} of its agreement is not among the imported tariffs")
        return body


def _decided(row: SessionRow) -> datetime:
    told = row.auth.get("at")
    return datetime.fromisoformat(told) if told else row.started


def amount(price: Price | None) -> str | None:
    """A total as the ledger tells it."""
    return None if price is None or price.excl is None else str(price.excl)
