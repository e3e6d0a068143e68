"""Charging profiles as an operator takes them (mod_charging_profiles, Receiver), and charging preferences (mod_sessions)."""

from __future__ import annotations

from bridge.model.ids import SessionId
from bridge.model.profile import PreferenceResult, ProfileAction, ProfileRequest
from bridge.ocpi import profile_map
from bridge.ocpi.call import Call, Fault, Interface, Resource, Result
from bridge.ocpi.envelope import Code, success
from bridge.ocpi.version import V221, V230
from bridge.ocpi.wire import v221_profiles as w
from bridge.translate.files import encode

VERSIONS = (V230, V221)
"""Before 2.2 there is nothing of this."""


async def _active(call: Call) -> Result:
    text = call.request.query.get("duration", "")
    if not (text.isascii() and text.isdigit()) or len(text) > 15 or int(text) < 1:
        raise Fault(Code.INVALID, f"duration: a whole number of seconds from 1 on is expected, found {text[:32]!r}")
    return await _asked(call, ProfileRequest(ProfileAction.ACTIVE, _session(call), seconds=int(text)), _address(call))


async def _set(call: Call) -> Result:
    profile, address = profile_map.set_request(await call.body())
    return await _asked(call, ProfileRequest(ProfileAction.SET, _session(call), profile), address)


async def _clear(call: Call) -> Result:
    return await _asked(call, ProfileRequest(ProfileAction.CLEAR, _session(call)), _address(call))


def _session(call: Call) -> SessionId:
    return SessionId(call.request.match_info["session"])


def _address(call: Call) -> str:
    """The response_url of a request without a body."""
    return call.request.query.get("response_url", "")


async def _asked(call: Call, request: ProfileRequest, address: str) -> Result:
    """ChargingProfileResponse: what is said at once. What comes of it goes to the response_url."""
    if not address or len(address) > 255:
        raise Fault(Code.INVALID, "response_url: a URL of at most 255 characters is expected")
    if (because := call.partner.no_answer_at(address)) is not None:
        raise Fault(Code.INVALID, f"response_url: {because}")
    response = await call.core.profile(call.partner.name, request, call.partner.answer_to(address, call.sender))
    told = w.ChargingProfileResponseType(response.value)
    return Result(success(encode(w.ChargingProfileResponse(result=told, timeout=call.partner.config.command_timeout))))


async def _prefer(call: Call) -> Result:
    wanted = profile_map.preferences(await call.body())
    result = await call.core.prefer(call.partner.name, _session(call), wanted)
    if result is PreferenceResult.UNKNOWN_SESSION:
        raise Fault(Code.INVALID, "unknown session", 404)
    if result is PreferenceResult.NOT_CAPABLE:
        raise Fault(Code.INVALID, "the EVSE of this session does not take charging preferences", 404)
    return Result(success(encode(profile_map.PREFERENCES[result])))


PREFERENCES: dict[str, Resource] = {"/{session}/charging_preferences": {"PUT": _prefer}}
"""What the sessions module has besides its list."""

INTERFACES = (
    Interface("chargingprofiles", "RECEIVER", "CPO", {"/{session}": {"GET": _active, "PUT": _set, "DELETE": _clear}}, versions=VERSIONS),
)
