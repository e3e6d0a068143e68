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

from bridge.errors import BridgeError
from bridge.mapping.loss import DEFAULTED, DROPPED, NARROWED, REFUSED, ROUNDED, TRUNCATED, Loss
from bridge.model import json as model_json
from bridge.model.cdr import Cdr, CdrPlace, SignedData, SignedValue
from bridge.model.common import Price
from bridge.model.ids import CdrId, EvseId, EvseUid, OperatorId, PartyId, SessionId
from bridge.model.location import Address, Connector, Evse, Location
from bridge.model.session import AuthMethod, CdrDimension, ChargingPeriod, Session, SessionStatus, Volume
from bridge.model.tariff import Tariff
from bridge.model.token import SessionToken, Token
from bridge.roaming.ports import Encoded, Kind, MeterSample, Partner
from bridge.roaming.storage import Outbound, SessionRow

if TYPE_CHECKING:
    from bridge.tariff import Sample

HOUR = Decimal(3600)


class Unsettled(BridgeError):
    """A CDR that must not be sent: its money, energy, times or identities would be altered, or it cannot be told there."""

    remedy = "operator"


@frozen
class Situation:
    """What a session needs besides itself to be told and billed: its place, its tariff, its operator."""

    location: Location | None
    evse: Evse | None
    tariff: Tariff | None
    party: PartyId
    zone: str
    currency: str


def session_token(token: Token | None, id_tag: str) -> SessionToken:
    """The token as sessions and CDRs repeat it."""
    if token is None:
        return SessionToken()
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
        found.append(Sample(one.at, one.register_kwh, power=one.power_kw))
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
    connector = _connector(situation.evse)
    reply = row.auth
    return Session(
        id=SessionId(row.id), party=situation.party, status=SessionStatus.COMPLETED if row.ended else SessionStatus.ACTIVE,
        start=row.started, end=row.ended, kwh=row.kwh, token=session_token(_token(row), row.id_tag), auth_method=auth_method(reply["how"]),
        authorization_reference=reply.get("reference"), location_id=_location_id(situation, row), evse_uid=_uid(situation, row),
        evse_id=_evse_id(situation, row), connector_id=connector.id if connector is not None else None, currency=situation.currency,
        periods=(), hub_session_id=reply.get("hub_session_id"), operator_session_id=row.id,
        provider_session_id=reply.get("provider_session_id"), operator_id=OperatorId(str(situation.party)),
        observed=now if row.ended is None else None, meter_start=register_kwh(row.meter_start), last_updated=now)  # fmt: skip


def whole(moment: datetime) -> datetime:
    """A moment in whole seconds: what every protocol can carry in a CDR, so that none has to alter it."""
    return moment.replace(microsecond=0)


def as_cdr(row: SessionRow, samples: Sequence[MeterSample], situation: Situation, now: datetime) -> Cdr:
    """The CDR of an ended session, priced. Raises Unsettled where the figures contradict each other."""
    if row.ended is None or row.meter_stop is None:
        raise Unsettled(f"session {row.id} has not ended")
    meter_stop = row.meter_stop
    energy = register_kwh(meter_stop - row.meter_start)
    if energy < 0:
        raise Unsettled(f"session {row.id}: the meter went back by {-energy} kWh; a person has to look")
    row = evolve(row, started=whole(row.started), ended=whole(row.ended))
    taken = readings(row, [evolve(s, at=whole(s.at)) for s in samples])
    session = as_session(row, situation, now)
    connector = _connector(situation.evse)
    cdr = Cdr(
        id=CdrId(_number(row, situation.party)), party=situation.party, start=row.started, end=row.ended,
        charging_start=_flow(taken)[0], charging_end=_flow(taken)[1], session_id=session.id, hub_session_id=session.hub_session_id,
        operator_session_id=str(session.id), provider_session_id=session.provider_session_id, token=session.token or SessionToken(),
        auth_method=session.auth_method, authorization_reference=session.authorization_reference,
        place=_place(situation, row, connector), meter_start=register_kwh(row.meter_start), meter_end=register_kwh(meter_stop),
        currency=situation.currency, total_energy=energy, last_updated=now, signed_data=_signed(samples))  # fmt: skip
    return _priced(cdr, taken, situation)


def _priced(cdr: Cdr, taken: Sequence[Sample], situation: Situation) -> Cdr:
    if situation.tariff is None:
        hours = _hours(taken[0].time, taken[-1].time)
        volumes = (Volume(CdrDimension.ENERGY, cdr.total_energy or Decimal(0)), Volume(CdrDimension.TIME, hours))
        return evolve(cdr, periods=(ChargingPeriod(taken[0].time, volumes),), total_time=hours, total_cost=Price(Decimal(0), Decimal(0)))
    from bridge.tariff import PricingError, price_session

    try:
        done = price_session(taken, (situation.tariff,), ZoneInfo(situation.zone))
    except PricingError as why:
        raise Unsettled(f"the session cannot be priced by tariff {situation.tariff.id}: {why}") from why
    totals = done.priced.rounded()
    periods = done.periods
    parking = sum((v.volume for p in periods for v in p.volumes if v.dimension is CdrDimension.PARKING_TIME), Decimal(0))
    time = sum((v.volume for p in periods for v in p.volumes if v.dimension in (CdrDimension.TIME, CdrDimension.PARKING_TIME)), Decimal(0))
    return evolve(cdr, periods=periods, tariffs=(situation.tariff,), lines=done.priced.cdr_lines, total_time=time,
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


def _place(situation: Situation, row: SessionRow, connector: Connector | None) -> CdrPlace:
    place = situation.location.place if situation.location is not None else None
    return CdrPlace(
        id=_location_id(situation, row), name=place.names[0].text if place is not None and place.names else None,
        address=place.address if place is not None else Address(), coordinates=place.coordinates if place is not None else None,
        time_zone=situation.zone, evse_uid=_uid(situation, row), evse_id=_evse_id(situation, row),
        connector_id=connector.id if connector is not None else None, plug=connector.plug if connector is not None else None,
        format=connector.format if connector is not None else None,
        power_type=connector.power_type if connector is not None else None)  # fmt: skip


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


def _connector(evse: Evse | None) -> Connector | None:
    return evse.connectors[0] if evse is not None and evse.connectors else None


def _evse_id(situation: Situation, row: SessionRow) -> EvseId | None:
    if situation.evse is not None and situation.evse.id is not None:
        return situation.evse.id
    return EvseId(row.evse_id) if row.evse_id else None


def _uid(situation: Situation, row: SessionRow) -> EvseUid | None:
    if situation.evse is not None and situation.evse.uid is not None:
        return situation.evse.uid
    return EvseUid(row.evse_id) if row.evse_id else None


def _location_id(situation: Situation, row: SessionRow) -> Any:
    return situation.location.place.id if situation.location is not None else row.location


def _token(row: SessionRow) -> Token | None:
    return model_json.from_json(Token, orjson.loads(row.token)) if row.token is not None else None


def _hours(begin: datetime, end: datetime) -> Decimal:
    return (Decimal(round((end - begin).total_seconds())) / HOUR).quantize(Decimal("0.0001"))


# --- the audit before sending ----------------------------------------------------------------------------------------

_ALTERING = (NARROWED, ROUNDED, TRUNCATED, REFUSED)

_GUARDED = (
    "id", "party", "start", "end", "charging_start", "charging_end", "session_id", "hub_session_id", "authorization_reference",
    "token.uid", "token.contract_id", "token.kind", "token.party", "place.evse_id", "meter_start", "meter_end", "currency", "tariffs",
    "periods", "lines", "signed_data", "total_cost", "total_fixed_cost", "total_energy", "total_energy_cost", "total_time",
    "total_time_cost", "total_parking_time", "total_parking_cost", "total_reservation_cost")  # fmt: skip
"""Money, energy, times, identities and signed data: what a CDR is about."""

_PERMITTED: dict[str, dict[str, tuple[str, ...]]] = {
    "ocpi": {
        "one-session-id": ("hub_session_id",),
        "no-registers": ("meter_start", "meter_end"),
        "flow-by-periods": ("charging_start", "charging_end"),
        "no-priced-lines": ("lines",),
    },
    "oicp": {
        "omit-prices": ("total_", "currency", "tariffs", "lines", "periods"),
        "ids-by-session": ("id", "session_id", "authorization_reference"),
        "parties-by-ids": ("party", "token.party"),
        "one-identification": ("token.uid", "token.contract_id", "token.kind"),
    },
    "ochp": {
        "omit-signed-data": ("signed_data",),
        "net-totals": ("total_cost.incl", "total_cost.taxes"),
        "totals-by-lines": ("total_", "tariffs", "periods"),
        "no-registers": ("meter_start", "meter_end"),
        "ids-by-cdr": ("session_id", "hub_session_id", "authorization_reference"),
        "parties-by-ids": ("party", "token.party"),
        "flow-by-lines": ("charging_start", "charging_end"),
    },
}
"""Omissions that a protocol forces because it has no field, by family and by the name of the permission. All are given."""

_TOLD_OTHERWISE = ("OCHP tells it by the priced lines",)
"""Reasons that are no altering: the figure itself is not written, the lines that add up to it are."""


def _about(path: str, fields: Sequence[str]) -> bool:
    return any(path == f or path.startswith((f"{f}.", f"{f}[")) or (f.endswith("_") and path.startswith(f)) for f in fields)


def audit(partner: Partner, encoded: Encoded) -> list[Loss]:
    """The losses of a CDR; raises Unsettled where one touches money, energy, times, identities or signed data.

    Altering is never allowed. Omission, where the protocol has no field, needs a permission, and stays in the ledger.
    """
    permitted = [p for paths in _PERMITTED.get(partner.format.split("-", maxsplit=1)[0], {}).values() for p in paths]
    losses = [loss for _, loss in encoded.losses]
    for loss in losses:
        if loss.kind == DEFAULTED or not _about(loss.path, _GUARDED):
            continue
        if loss.kind in _ALTERING and loss.because not in _TOLD_OTHERWISE:
            raise Unsettled(f"{loss.path} would be altered for {partner.name}: {loss.because}")
        if loss.kind == DROPPED and not _about(loss.path, permitted):
            raise Unsettled(f"{loss.path} would be left out for {partner.name}: {loss.because}")
    if {"token.uid", "token.contract_id"} <= {loss.path for loss in losses if loss.kind == DROPPED}:
        raise Unsettled(f"nothing would say for {partner.name} who charged")
    return losses


def encode_cdr(partner: Partner, cdr: Cdr) -> tuple[Encoded, list[Loss]]:
    """The CDR in the partner's form, audited. Raises Refused or Unsettled."""
    made = partner.encode(Kind.CDR, cdr)
    if len(made) != 1:
        raise Unsettled(f"{partner.name} makes {len(made)} records of one CDR")
    encoded = made[0]
    return encoded, audit(partner, encoded)


def outbound_cdr(partner: Partner, cdr: Cdr) -> tuple[Outbound, list[dict[str, Any]]]:
    """The CDR for a partner's outbox, and what it leaves out. Raises Refused or Unsettled."""
    encoded, losses = encode_cdr(partner, cdr)
    told = [{"path": loss.path, "kind": loss.kind, "because": loss.because} for loss in losses]
    return Outbound(partner.name, Kind.CDR, str(cdr.id), encoded.key, encoded.body, {**encoded.meta, "cdr": str(cdr.id)}), told
