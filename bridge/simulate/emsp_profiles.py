"""Charging profiles and preferences at the simulated eMSP: what it asks operators for, and what it hears of it (from 2.2.1)."""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web

from bridge.simulate.emsp_partner import Operator
from bridge.simulate.emsp_state import CommandSent, Emsp
from bridge.simulate.ocpi_http import Answer, Handler, body_of
from bridge.simulate.ocpi_party import Reject
from bridge.simulate.ocpi_tables import enums

_RESULTS = {"PUT": "ChargingProfileResult", "DELETE": "ClearProfileResult", "GET": "ActiveChargingProfileResult"}
SHORTEST, LONGEST = 300, 3600
"""Seconds for which an operator should tell a changed profile."""


# --- what operators call


async def profile_result(emsp: Emsp, request: web.Request) -> Answer:
    """POST what came of a request: exactly one follows an accepted one."""
    sent = emsp.commands.get(request.match_info["request"])
    if sent is None or sent.session is None:
        raise Reject(2001, "no such request was sent", 404)
    result = emsp.check(_RESULTS[sent.kind], (await body_of(request))[1])
    if sent.response is not None and sent.response["result"] != "ACCEPTED":
        raise Reject(2001, "the request was not accepted, no result follows")
    if sent.result is not None:
        raise Reject(2001, "the result was told already")
    if sent.kind == "GET" and (result["result"] == "ACCEPTED") != ("profile" in result):
        raise Reject(2001, "profile: goes with ACCEPTED")
    if "profile" in result:
        _sensible(result["profile"])
    sent.result = result
    emsp.count("profile_result")
    return Answer()


async def put_plan(emsp: Emsp, request: web.Request) -> Answer:
    """PUT a changed ActiveChargingProfile: only of sessions for which a profile was set with success."""
    session = request.match_info["session"]
    told = [c for c in emsp.commands.values() if c.kind == "PUT" and c.session is not None and c.session.upper() == session.upper()]
    if not any(c.result is not None and c.result["result"] == "ACCEPTED" for c in told):
        raise Reject(2001, "no profile was set for this session")
    plan = emsp.check("ActiveChargingProfile", (await body_of(request))[1])
    _sensible(plan)
    if not SHORTEST <= plan["charging_profile"].get("duration", 0) <= LONGEST:
        emsp.warnings.append(f"{request.path}: a profile for {SHORTEST} to {LONGEST} seconds is useful")
    emsp.plans.append({"session_id": session, "profile": plan})
    emsp.count("plan")
    return Answer()


def _sensible(plan: dict[str, Any]) -> None:
    """What the tables cannot say of a charger's plan."""
    periods = plan["charging_profile"].get("charging_profile_period") or []
    starts = [p["start_period"] for p in periods]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise Reject(2001, "charging_profile_period: periods from 0 on, in order, are expected")
    if any(p["limit"] < 0 or round(p["limit"], 1) != p["limit"] for p in periods):
        raise Reject(2001, "limit: at most one digit fraction, not below zero")


ROUTES: tuple[tuple[str, str, Handler[Emsp]], ...] = (
    ("POST", "/chargingprofiles/results/{request}", profile_result),
    ("PUT", "/chargingprofiles/{session}", put_plan),
)
"""Paths below that of the version."""


# --- what whoever runs it has it do


async def _ask(emsp: Emsp, operator: Operator, given: dict[str, Any], method: str, body: Any = None, **params: str) -> Any:
    sent = CommandSent(str(uuid.uuid4()), method, session=given["session_id"])
    emsp.commands[sent.id] = sent
    address = f"{emsp.url}{emsp.path}/chargingprofiles/results/{sent.id}"
    if body is not None:
        body = {"charging_profile": body, "response_url": address}
    else:
        params = {**params, "response_url": address}
    url = operator.at("chargingprofiles", "RECEIVER", given["session_id"])
    sent.response = await operator.data(method, url, body, params=params or None)
    operator.judge("ChargingProfileResponse", sent.response, url, method)
    emsp.note()
    return {"id": sent.id, "response": sent.response}


async def _set(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return await _ask(emsp, operator, given, "PUT", given["profile"])


async def _clear(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return await _ask(emsp, operator, given, "DELETE")


async def _active(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    return await _ask(emsp, operator, given, "GET", duration=str(given.get("duration", 900)))


async def _prefer(emsp: Emsp, operator: Operator, given: dict[str, Any]) -> Any:
    wanted = {name: value for name, value in given.items() if name != "session_id"}
    url = operator.at("sessions", "SENDER", given["session_id"], "charging_preferences")
    response = await operator.data("PUT", url, wanted)
    if response not in enums(emsp.version)["ChargingPreferencesResponse"].split():
        emsp.reject(method="PUT", path=url, answer=200, because=f"{response!r} is no ChargingPreferencesResponse")
    return {"response": response}


ACTS = {"profile": _set, "profile_clear": _clear, "profile_active": _active, "prefer": _prefer}
"""By the name under ``/_sim/``."""
