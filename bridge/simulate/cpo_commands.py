"""Commands at the simulated CPO: judged and answered at once, carried out, and exactly one result told (mod_commands)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from bridge.simulate import cpo_charging
from bridge.simulate.cpo_partner import Provider
from bridge.simulate.cpo_state import Behaviour, CommandTaken, Cpo, Reservation
from bridge.simulate.ocpi_http import Answer, body_of
from bridge.simulate.ocpi_party import Reject
from bridge.simulate.ocpi_rules import moment

After = Callable[[], Awaitable[Any]]
"""What happens when the result has been told."""


async def take(provider: Provider, request: web.Request) -> Answer:
    """POST a command."""
    cpo, kind = provider.party, request.match_info["command"]
    if kind not in _KINDS or (cpo.older and kind == "CANCEL_RESERVATION"):
        raise Reject(2000, f"{kind} is no command of {cpo.version}", 404)
    name, judged, carried_out = _KINDS[kind]
    body = cpo.check(name, (await body_of(request))[1])
    if any(body["response_url"] == one.body["response_url"] for one in cpo.commands):
        cpo.warn(f"{kind}: a response_url that another command had, too")
    behaviour = cpo.behaviour.get(kind, Behaviour())
    response = judged(cpo, body)
    taken = CommandTaken(kind, body, behaviour.response or response)
    cpo.commands.append(taken)
    cpo.count("command")

    def then() -> None:
        provider.background(_carry_out(provider, taken, behaviour, carried_out))

    follows = taken.response == "ACCEPTED" and not behaviour.silent
    return Answer({"result": taken.response} | ({} if cpo.older else {"timeout": cpo.timeout}), then=then if follows else None)


Carried = Callable[[Provider, CommandTaken], Awaitable[tuple[str, After | None]]]


async def _carry_out(provider: Provider, taken: CommandTaken, behaviour: Behaviour, carried_out: Carried) -> None:
    if behaviour.delay:
        await asyncio.sleep(behaviour.delay)
    if behaviour.result is not None:
        result, after = behaviour.result, None
    else:
        result, after = await carried_out(provider, taken)
    if provider.party.older and result not in ("ACCEPTED", "NOT_SUPPORTED", "TIMEOUT", "UNKNOWN_SESSION"):
        result = "REJECTED"
    await provider.result(taken, result)
    if after is not None:
        await after()


# --- judged


def _their_token(cpo: Cpo, body: dict[str, Any]) -> None:
    """Only the partner's own tokens may be used (mod_commands, StartSession)."""
    token = body["token"]
    if not cpo.older and not cpo.speaks_for(token["country_code"], token["party_id"]):
        raise Reject(2001, f"token: {token['country_code']}*{token['party_id']} is none of your roles")


def _able(cpo: Cpo, body: dict[str, Any], capability: str) -> str:
    """The place has to be known, and an EVSE there to have the capability."""
    location = cpo.location(body["location_id"])
    evses = [cpo.evse(location, body["evse_uid"])] if body.get("evse_uid") else location.get("evses") or []
    if body.get("connector_id"):
        cpo.connector(evses[0], body["connector_id"])
    return "ACCEPTED" if any(capability in (e.get("capabilities") or ()) for e in evses) else "NOT_SUPPORTED"


def _start_judged(cpo: Cpo, body: dict[str, Any]) -> str:
    _their_token(cpo, body)
    if body.get("evse_uid") and not body.get("connector_id"):
        evse = cpo.evse(cpo.location(body["location_id"]), body["evse_uid"])
        if "START_SESSION_CONNECTOR_REQUIRED" in (evse.get("capabilities") or ()):
            raise Reject(2001, "connector_id: needed at this EVSE")
    return _able(cpo, body, "REMOTE_START_STOP_CAPABLE")


def _stop_judged(cpo: Cpo, body: dict[str, Any]) -> str:
    charge = cpo.charge(body["session_id"])
    return "UNKNOWN_SESSION" if charge is None or charge.over else "ACCEPTED"


def _reserve_judged(cpo: Cpo, body: dict[str, Any]) -> str:
    _their_token(cpo, body)
    until = moment(body["expiry_date"])
    if until is None or until <= datetime.now(UTC):
        raise Reject(2001, f"expiry_date: {body['expiry_date']} has passed")
    return _able(cpo, body, "RESERVABLE")


def _cancel_judged(cpo: Cpo, body: dict[str, Any]) -> str:
    return "ACCEPTED"


def _unlock_judged(cpo: Cpo, body: dict[str, Any]) -> str:
    return _able(cpo, body, "UNLOCK_CAPABLE")


# --- carried out


def _free(provider: Provider, body: dict[str, Any], capability: str) -> tuple[dict[str, Any] | None, str]:
    """The EVSE that is meant, or one of the location that can do it and is free, or reserved for the card; or why there is none."""
    cpo, uid = provider.party, body["token"]["uid"]
    location = cpo.location(body["location_id"])
    evses = [cpo.evse(location, body["evse_uid"])] if body.get("evse_uid") else location.get("evses") or []
    able = [e for e in evses if capability in (e.get("capabilities") or ())]
    free = [e for e in able if e["status"] == "AVAILABLE" or cpo_charging.reserved(provider, location, e["uid"], uid)]
    if free:
        return free[0], "ACCEPTED"
    taken = any(e["status"] in ("CHARGING", "BLOCKED", "RESERVED") for e in able)
    return None, "EVSE_OCCUPIED" if taken else "EVSE_INOPERATIVE"


async def _started(provider: Provider, taken: CommandTaken) -> tuple[str, After | None]:
    cpo, body = provider.party, taken.body
    evse, result = _free(provider, body, "REMOTE_START_STOP_CAPABLE")
    if evse is None:
        return result, None
    connector = cpo.connector(evse, body.get("connector_id"))
    how = "AUTH_REQUEST" if cpo.older else "COMMAND"
    card = cpo_charging.card_of(provider, body["token"]["uid"], body["token"])
    where = evse["uid"], connector["id"]
    location = cpo.location(body["location_id"])
    charge = cpo.new_charge(location, where, card, how, cpo_charging.now(), body.get("authorization_reference"))
    held = cpo_charging.reserved(provider, location, evse["uid"], body["token"]["uid"])
    return "ACCEPTED", lambda: cpo_charging.begin(provider, charge, held)


async def _stopped(provider: Provider, taken: CommandTaken) -> tuple[str, After | None]:
    charge = provider.party.charge(taken.body["session_id"])
    if charge is None or charge.status != "ACTIVE":
        return "FAILED", None
    return "ACCEPTED", lambda: cpo_charging.end(provider, charge.id)


async def _reserved(provider: Provider, taken: CommandTaken) -> tuple[str, After | None]:
    cpo, body = provider.party, taken.body
    key = str(body["reservation_id"]).upper()
    old = cpo.reservations.get(key)
    if old is not None:
        await release(provider, old)
    evse, result = _free(provider, body, "RESERVABLE")
    until = moment(body["expiry_date"])
    if evse is None or until is None:
        return result, None
    made = Reservation(key, body["location_id"], evse["uid"] if body.get("evse_uid") else None, body["token"]["uid"], until,
                       body["response_url"])  # fmt: skip
    cpo.reservations[key] = made
    return "ACCEPTED", lambda: _hold(provider, made, body)


async def _hold(provider: Provider, made: Reservation, body: dict[str, Any]) -> None:
    """The EVSE is reserved, and the reservation has a session (mod_sessions, from 2.2); both until it is used or over."""
    cpo = provider.party
    location = cpo.location(made.location_id)
    if not cpo.older:
        where = (made.evse_uid, cpo.evse(location, made.evse_uid)["connectors"][0]["id"]) if made.evse_uid else None
        card = cpo_charging.card_of(provider, made.uid, body["token"])
        charge = cpo.new_charge(location, where, card, "COMMAND", cpo_charging.now(), body.get("authorization_reference"))
        charge.status = "RESERVATION"
        cpo.charges[charge.id.upper()] = charge
        made.session = charge.id
        await provider.session(charge)
    if made.evse_uid is not None:
        await cpo_charging.status_changed(provider, location, cpo.evse(location, made.evse_uid), "RESERVED")
    await asyncio.sleep(max((made.until - datetime.now(UTC)).total_seconds(), 0))
    if cpo.reservations.get(made.id) is made:
        await release(provider, made)


async def release(provider: Provider, held: Reservation) -> None:
    """A reservation ends unused."""
    cpo = provider.party
    del cpo.reservations[held.id]
    charge = cpo.charge(held.session) if held.session is not None else None
    if charge is not None:
        charge.status, charge.end = "COMPLETED", max(cpo_charging.now(), charge.start)
        charge.touch()
        await provider.session(charge, ("status", "end_date_time"))
    if held.evse_uid is not None:
        location = cpo.location(held.location_id)
        await cpo_charging.status_changed(provider, location, cpo.evse(location, held.evse_uid), "AVAILABLE")


async def revoke(provider: Provider, ident: str) -> None:
    """The operator takes a reservation back, and says so where it was asked for (mod_commands, CANCELED_RESERVATION)."""
    held = provider.party.reservations.get(ident.upper())
    if held is None:
        raise Reject(2001, f"no reservation {ident}", 404)
    if not provider.party.older:
        await provider.tell("POST", held.response_url, {"result": "CANCELED_RESERVATION"})
    await release(provider, held)


async def _cancelled(provider: Provider, taken: CommandTaken) -> tuple[str, After | None]:
    held = provider.party.reservations.get(taken.body["reservation_id"].upper())
    if held is None:
        return "UNKNOWN_RESERVATION", None
    return "ACCEPTED", lambda: release(provider, held)


async def _unlocked(provider: Provider, taken: CommandTaken) -> tuple[str, After | None]:
    return ("ACCEPTED" if provider.party.charging(taken.body["evse_uid"]) is None else "REJECTED"), None


_KINDS: dict[str, tuple[str, Callable[[Cpo, dict[str, Any]], str], Carried]] = {
    "START_SESSION": ("StartSession", _start_judged, _started),
    "STOP_SESSION": ("StopSession", _stop_judged, _stopped),
    "RESERVE_NOW": ("ReserveNow", _reserve_judged, _reserved),
    "CANCEL_RESERVATION": ("CancelReservation", _cancel_judged, _cancelled),
    "UNLOCK_CONNECTOR": ("UnlockConnector", _unlock_judged, _unlocked),
}
