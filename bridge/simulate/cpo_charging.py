"""How sessions go at the simulated CPO: they begin by a card or a command, go on, end, and are billed."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bridge.simulate import cpo_objects
from bridge.simulate.cpo_charge import CURRENCY, VAT, Bill, Charge, priced
from bridge.simulate.cpo_partner import Provider, Said
from bridge.simulate.cpo_state import Reservation
from bridge.simulate.ocpi_party import Reject


def now() -> datetime:
    """Now, in whole seconds: 2.1.1 has no others."""
    return datetime.now(UTC).replace(microsecond=0)


# --- a card is shown


async def card_shown(provider: Provider, given: dict[str, Any]) -> dict[str, Any]:
    """A card is held to an EVSE: by the whitelist, or asked about. Gives ``allowed`` and the session, if there is one."""
    cpo = provider.party
    place = cpo.location(given["location_id"])
    evse = cpo.evse(place, given["evse_uid"])
    connector = cpo.connector(evse, given.get("connector_id"))
    uid, kind = str(given["uid"]), str(given.get("type", "RFID"))
    held = reserved(provider, place, evse["uid"], uid)
    if evse["status"] != "AVAILABLE" and held is None:
        raise ValueError(f"EVSE {evse['uid']} is {evse['status']}")
    said, how = await _allowed(provider, uid, kind, place, evse, ask=bool(given.get("ask")))
    if said.allowed != "ALLOWED":
        return {"allowed": said.allowed, "session_id": None}
    token = said.info.get("token") or cpo.tokens.get(cpo.token_key(uid, kind))
    start = now() - timedelta(minutes=float(given.get("minutes", 0)))
    card, reference = card_of(provider, uid, token), said.info.get("authorization_reference")
    charge = cpo.new_charge(place, (evse["uid"], connector["id"]), card, how, start, reference)
    charge = await begin(provider, charge, held)
    return {"allowed": "ALLOWED", "session_id": charge.id}


async def _allowed(provider: Provider, uid: str, kind: str, place: dict[str, Any], evse: dict[str, Any], *,
                   ask: bool) -> tuple[Said, str]:  # fmt: skip
    """Whether a card may charge, and the AuthMethod by which that was found (mod_tokens, WhitelistType)."""
    held = provider.party.tokens.get(provider.party.token_key(uid, kind))
    listed = Said("ALLOWED" if held is not None and held["valid"] else "BLOCKED", {})
    if held is not None and (held["whitelist"] == "ALWAYS" or (held["whitelist"] == "ALLOWED" and not ask)):
        return listed, "WHITELIST"
    said = await provider.ask(uid, kind, place, evse)
    if said.allowed == "UNREACHABLE" and held is not None and held["whitelist"] in ("ALLOWED", "ALLOWED_OFFLINE"):
        return listed, "WHITELIST"
    return said, "AUTH_REQUEST"


def card_of(provider: Provider, uid: str, token: dict[str, Any] | None) -> dict[str, Any]:
    """What sessions and CDRs say of who charges. In 2.1.1, where an answer has no token, that is the card itself if it is not listed."""
    if provider.party.older:
        return {"auth_id": token["auth_id"] if token is not None else uid}
    if token is None:
        raise ValueError("a session without a token")
    return {"cdr_token": {name: token[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}}


# --- it goes on


async def begin(provider: Provider, charge: Charge, held: Reservation | None = None) -> Charge:
    """A session begins; that of the reservation that is used goes on instead (mod_sessions, reservations). Gives the session."""
    cpo = provider.party
    if held is not None:
        del cpo.reservations[held.id]
        begun = cpo.charge(held.session) if held.session is not None else None
        if begun is not None:
            charge.id = begun.id
    cpo.charges[charge.id.upper()] = charge
    async with charge.busy:
        cpo.count("session_begun")
        await provider.session(charge)
        await occupy(provider, charge, "CHARGING")
    return charge


def reserved(provider: Provider, place: dict[str, Any], evse_uid: str, uid: str) -> Reservation | None:
    """The reservation that a card has at an EVSE, or at any of the place."""
    held = (r for r in provider.party.reservations.values() if r.uid.upper() == uid.upper())
    return next((r for r in held if r.location_id.upper() == place["id"].upper() and r.evse_uid in (None, evse_uid)), None)


async def occupy(provider: Provider, charge: Charge, status: str) -> None:
    """The EVSE of a session gets another status."""
    if charge.evse_uid == "#NA":
        return
    place = provider.party.location(charge.place["id"])
    await status_changed(provider, place, provider.party.evse(place, charge.evse_uid), status)


async def status_changed(provider: Provider, place: dict[str, Any], evse: dict[str, Any], status: str) -> None:
    """The status of an EVSE changes."""
    change = provider.party.set_status(place, evse, status)
    await provider.evse(place, evse, change)


def running(provider: Provider, ident: Any) -> Charge:
    """A session that charges. Raises Reject."""
    charge = provider.party.charge(str(ident))
    if charge is None or charge.status != "ACTIVE":
        raise Reject(2001, f"no session {ident} is running", 404)
    return charge


def _later(charge: Charge) -> datetime:
    """Now; at least a second after the last period began."""
    return max(now(), charge.until + timedelta(seconds=1))


async def progress(provider: Provider, ident: Any, kwh: Any) -> Charge:
    """So much has been charged in all, up to now. Raises Reject without such a session that runs."""
    charge = running(provider, ident)
    async with charge.busy:
        added = running(provider, ident).add(Decimal(str(kwh)), _later(charge))
        await provider.session(charge, ("kwh",), added)
    return charge


async def end(provider: Provider, ident: Any, kwh: Any = None, cost: Any = None) -> dict[str, Any]:
    """A session ends with so many kWh, and costs what its tariff says, or ``cost`` before taxes. Gives its CDR. Raises Reject."""
    cpo, charge = provider.party, running(provider, ident)
    async with charge.busy:
        running(provider, ident)  # still
        total = charge.kwh if kwh is None else Decimal(str(kwh))
        bill = priced(charge.tariff, total) if cost is None else Bill(Decimal(str(cost)), VAT, CURRENCY)
        added = charge.add(total, _later(charge))
        charge.bill, charge.end, charge.status = bill, charge.until, "COMPLETED"
        await provider.session(charge, ("kwh", "status", "end_date_time", "total_cost"), added)
        await occupy(provider, charge, "AVAILABLE")
        return await billed(provider, cpo_objects.cdr(cpo, charge, str(uuid.uuid4())))


async def billed(provider: Provider, cdr: dict[str, Any]) -> dict[str, Any]:
    """A CDR is made, and sent."""
    cpo = provider.party
    cpo.own("CDR", cdr)
    cpo.cdrs[cdr["id"].upper()] = cdr
    cpo.unsent.append(cdr["id"].upper())
    await provider.cdr(cdr)
    cpo.note()
    return cdr
