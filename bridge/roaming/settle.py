"""Settlement: a finished session becomes a CDR, priced, immutable, numbered, for the route that authorised it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson
from attrs import evolve, frozen

from bridge.mapping.loss import Loss
from bridge.model import json as model_json
from bridge.model.cdr import Cdr, CdrPlace, SignedData, SignedValue, place_of
from bridge.model.common import Price
from bridge.model.ids import CdrId, EvseId, EvseUid, LocationId, OperatorId, PartyId, SessionId, TokenUid
from bridge.model.location import Location
from bridge.model.session import AuthMethod, CdrDimension, ChargingPeriod, Session, SessionStatus, Volume
from bridge.model.tariff import Tariff
from bridge.model.token import SessionToken, Token, TokenKind
from bridge.roaming.audit import Unsettled, audit
from bridge.roaming.authorise import is_alias, normal
from bridge.roaming.ports import Encoded, Kind, MeterSample, Partner
from bridge.roaming.storage import Outbound, SessionRow
from bridge.roaming.whole import for_partner

if TYPE_CHECKING:
    from bridge.tariff import Sample

HOUR = Decimal(3600)


@frozen
class Situation:
    """What a session needs besides itself to be told and billed: its place (with its EVSE and connector alone), its tariff, its operator.

    ``switches`` are moments from which another tariff holds, in order.
    """

    location: Location | None
    tariff: Tariff | None
    party: PartyId
    zone: str
    currency: str
    switches: tuple[tuple[datetime, Tariff], ...] = ()


def session_token(token: Token | None, id_tag: str) -> SessionToken:
    """The token as sessions and CDRs repeat it; a partner that accepted a card without telling of it hears the card's uid."""
    if token is None:
        return SessionToken() if is_alias(id_tag) else SessionToken(TokenUid(normal(id_tag)), TokenKind.RFID)
    return SessionToken(token.uid, token.kind, token.party, token.contract_id, token.rfid, token.hashed, token.visual_number, token.expires)


def auth_method(how: str) -> AuthMethod:
    """How the driver was authorised, in the model's words."""
    return {"whitelist": AuthMethod.WHITELIST, "offline": AuthMethod.WHITELIST, "command": AuthMethod.COMMAND}.get(
        how, AuthMethod.AUTH_REQUEST
    )


def register_kwh(wh: int) -> Decimal:
    """A register in Wh as kWh."""
    return Decimal(wh) / 1000


def readings(row: SessionRow, samples: Sequence[MeterSample]) -> list[Sample]:
    """The session's meter readings from start to end, in order, for the tariff engine.

    The registers at start and end are the charger's own; samples in between that go backwards are left out. A stretch
    without a Wh is parking.
    """
    from bridge.tariff import Sample  # the engine is loaded for the first bill, not at start

    first = Sample(row.started, register_kwh(row.meter_start))
    between = sorted((s for s in samples if s.register_kwh is not None and row.started < s.at), key=lambda s: s.at)
    found = [first]
    for one in between:
        if row.ended is not None and one.at >= row.ended:
            break
        if one.register_kwh is None or one.register_kwh < found[-1].kwh or one.at <= found[-1].time:
            continue
        found.append(Sample(one.at, one.register_kwh, power=one.power_kw, current=one.current_a))
    if row.ended is not None and row.meter_stop is not None:
        last = register_kwh(row.meter_stop)
        while len(found) > 1 and found[-1].kwh > last:
            found.pop()
        end = row.ended if row.ended > found[-1].time else found[-1].time + timedelta(seconds=1)
        found.append(Sample(end, last, charging=False))
    rises = [following.kwh > one.kwh for one, following in itertools.pairwise(found)]
    return [reading._replace(charging=rise) for reading, rise in zip(found, [*rises, False], strict=True)]


def as_session(row: SessionRow, situation: Situation, now: datetime) -> Session:
    """The session as it stands, in canonical terms."""
    place = _place(situation, row)
    reply = row.auth
    return Session(
        id=SessionId(row.id), party=situation.party, status=SessionStatus.COMPLETED if row.ended else SessionStatus.ACTIVE,
        start=row.started, end=row.ended, kwh=row.kwh, token=session_token(_token(row), row.id_tag), auth_method=auth_method(reply["how"]),
        authorization_reference=reply.get("reference"), location_id=place.id, evse_uid=place.evse_uid, evse_id=place.evse_id,
        connector_id=place.connector_id, location=situation.location, currency=situation.currency,
        periods=(), hub_session_id=reply.get("hub_session_id"), operator_session_id=row.id,
        provider_session_id=reply.get("provider_session_id"), operator_id=OperatorId(str(situation.party)),
        observed=now if row.ended is None else None, meter_start=register_kwh(row.meter_start), last_updated=now)  # fmt: skip


def whole(moment: datetime) -> datetime:
    """A moment in whole seconds: what every protocol can carry in a CDR, so that none has to alter it."""
    return moment.replace(microsecond=0)


def as_cdr(row: SessionRow, samples: Sequence[MeterSample], situation: Situation, now: datetime, kwh: Decimal | None = None) -> Cdr:
    """The CDR of an ended session, priced. Raises Unsettled where the figures contradict each other.

    ``kwh`` is the energy where a person knows it and the registers are wrong: the CDR then tells no registers.
    """
    if row.ended is None or row.meter_stop is None:
        raise Unsettled(f"session {row.id} has not ended")
    if row.ended < row.started:
        raise Unsettled(f"session {row.id} ends before it starts")
    begin, end = (register_kwh(row.meter_start), register_kwh(row.meter_stop)) if kwh is None else (None, None)
    energy = register_kwh(row.meter_stop - row.meter_start) if kwh is None else kwh
    if energy < 0:
        raise Unsettled(f"session {row.id}: the meter went back by {-energy} kWh; a person has to look")
    row = evolve(row, started=whole(row.started), ended=whole(row.ended))
    taken = readings(row, [evolve(s, at=whole(s.at)) for s in samples]) if kwh is None else _flat(row, kwh)
    session = as_session(row, situation, now)
    cdr = Cdr(
        id=CdrId(_number(row, situation.party)), party=situation.party, start=row.started, end=row.ended,
        charging_start=_flow(taken)[0], charging_end=_flow(taken)[1], session_id=session.id, hub_session_id=session.hub_session_id,
        operator_session_id=str(session.id), provider_session_id=session.provider_session_id, token=session.token or SessionToken(),
        auth_method=session.auth_method, authorization_reference=session.authorization_reference,
        place=_place(situation, row), location=situation.location, meter_start=begin, meter_end=end,
        currency=situation.currency, total_energy=energy, last_updated=now, signed_data=_signed(samples))  # fmt: skip
    return _priced(cdr, taken, situation)


def _flat(row: SessionRow, kwh: Decimal) -> list[Sample]:
    """Energy that flowed somehow from start to end."""
    from bridge.tariff import Sample

    end = row.ended if row.ended is not None and row.ended > row.started else row.started + timedelta(seconds=1)
    return [Sample(row.started, Decimal(0), charging=kwh > 0), Sample(end, kwh, charging=False)]


def _priced(cdr: Cdr, taken: Sequence[Sample], situation: Situation) -> Cdr:
    if situation.tariff is None:
        hours = _hours(taken[0].time, taken[-1].time)
        volumes = (Volume(CdrDimension.ENERGY, cdr.total_energy or Decimal(0)), Volume(CdrDimension.TIME, hours))
        return evolve(cdr, periods=(ChargingPeriod(taken[0].time, volumes),), total_time=hours, total_cost=Price(Decimal(0), Decimal(0)))
    from bridge.tariff import PricingError, price_session

    try:
        done = price_session(taken, (situation.tariff,), ZoneInfo(situation.zone), switches=situation.switches)
    except PricingError as why:
        raise Unsettled(f"the session cannot be priced by tariff {situation.tariff.id}: {why}") from why
    totals = done.priced.rounded()
    periods = done.periods
    parking = sum((v.volume for p in periods for v in p.volumes if v.dimension is CdrDimension.PARKING_TIME), Decimal(0))
    time = sum((v.volume for p in periods for v in p.volumes if v.dimension in (CdrDimension.TIME, CdrDimension.PARKING_TIME)), Decimal(0))
    return evolve(cdr, periods=periods, tariffs=done.priced.tariffs, lines=done.priced.cdr_lines, total_time=time,
                  total_parking_time=parking or None, total_cost=totals.total or Price(Decimal(0), Decimal(0)),
                  total_energy_cost=totals.energy, total_time_cost=totals.time, total_parking_cost=totals.parking,
                  total_fixed_cost=totals.fixed, currency=situation.tariff.currency)  # fmt: skip


def _flow(taken: Sequence[Sample]) -> tuple[datetime, datetime]:
    """When energy flowed, from the first to the last reading that rose."""
    rising = [i for i in range(len(taken) - 1) if taken[i + 1].kwh > taken[i].kwh]
    if not rising:
        return taken[0].time, taken[0].time
    return taken[rising[0]].time, taken[rising[-1] + 1].time


def _number(row: SessionRow, party: PartyId) -> str:
    """Our CDR number: party and transaction; capitals and digits only, so that every protocol can carry it."""
    return f"{party.country_code}{party.party_id}{row.started:%Y%m%d}{row.tx:09d}{row.id.replace('-', '')[:6].upper()}"


def _place(situation: Situation, row: SessionRow) -> CdrPlace:
    if situation.location is not None:
        return evolve(place_of(situation.location), tariff_id=None)
    told = row.evse_id
    return CdrPlace(id=LocationId(row.location) if row.location else None, time_zone=situation.zone,
                    evse_uid=EvseUid(told) if told else None, evse_id=EvseId(told) if told else None)  # fmt: skip


def _signed(samples: Sequence[MeterSample]) -> SignedData | None:
    """Signed values as the meter wrote them, each once: start, what is between by time, end."""
    nature = {"Transaction.Begin": "Start", "Transaction.End": "End"}
    found: dict[str, tuple[MeterSample, str]] = {}
    for one in samples:
        if one.signed:
            said = nature.get(one.context or "", "Intermediate")
            if one.signed not in found or said != "Intermediate":
                found[one.signed] = (one, said)
    if not found:
        return None
    ordered = sorted(found.values(), key=lambda one: (("Start", "Intermediate", "End").index(one[1]), one[0].at))
    values = tuple(SignedValue(one.signed or "", said) for one, said in ordered)
    return SignedData(values, encoding_method="OCMF" if values[0].signed_data.lstrip().startswith(("OCMF", "{")) else None)


def _token(row: SessionRow) -> Token | None:
    return model_json.from_json(Token, orjson.loads(row.token)) if row.token is not None else None


def _hours(begin: datetime, end: datetime) -> Decimal:
    return (Decimal(round((end - begin).total_seconds())) / HOUR).quantize(Decimal("0.0001"))


def encode_cdr(partner: Partner, cdr: Cdr) -> tuple[Encoded, list[Loss]]:
    """The CDR in the partner's form, audited. Raises Refused or Unsettled."""
    made = partner.encode(Kind.CDR, for_partner(partner, cdr))
    if len(made) != 1:
        raise Unsettled(f"{partner.name} makes {len(made)} records of one CDR")
    encoded = made[0]
    return encoded, audit(partner, cdr, encoded)


def outbound_cdr(partner: Partner, cdr: Cdr, entry: str | None = None) -> tuple[Outbound, list[dict[str, Any]]]:
    """The CDR for a partner's outbox, and what it leaves out. Raises Refused or Unsettled.

    ``entry`` is its number in the ledger: the CDR's id, with what precedes it where ids alone are not unique.
    """
    encoded, losses = encode_cdr(partner, cdr)
    told = [{"path": loss.path, "kind": loss.kind, "because": loss.because} for loss in losses]
    number = entry or str(cdr.id)
    key = number.removesuffix(str(cdr.id)) + encoded.key
    return Outbound(partner.name, Kind.CDR, number, key, encoded.body, {**encoded.meta, "cdr": number}), told
