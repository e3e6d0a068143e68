"""How a simulated charger answers the central system's CALLs (OCPP 1.6, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.simulate import charger_profiles
from bridge.simulate.charger_memory import Connector

if TYPE_CHECKING:
    from bridge.simulate.charger import SimulatedCharger

Answer = dict[str, Any] | str
"""The payload of a CALLRESULT, or the code of a CALLERROR."""

ACCEPTED: Final[dict[str, Any]] = {"status": "Accepted"}
REJECTED: Final[dict[str, Any]] = {"status": "Rejected"}


def answer(charger: SimulatedCharger, action: str, payload: dict[str, Any]) -> Answer:
    """Answer a CALL that is valid by its schema; what follows from it happens afterwards."""
    handler = _HANDLERS.get(action)
    return "NotSupported" if handler is None else handler(charger, payload)


def _free(charger: SimulatedCharger, connector: Connector, id_tag: str) -> bool:
    charger.expire(connector)
    held = connector.reservation
    reserved = held is not None and held[1].upper() != id_tag.upper()
    return connector.operative and connector.transaction is None and connector.authorised is None and not reserved


def _remote_start(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    number, id_tag = payload.get("connectorId"), payload["idTag"]
    wanted = [charger.connectors[number]] if number in charger.connectors else []
    if number is None:
        wanted = list(charger.connectors.values())
    for connector in wanted:
        if _free(charger, connector, id_tag):
            connector.authorised = id_tag
            charger.later(charger.started_remotely(connector.number, id_tag))
            return ACCEPTED
    return REJECTED


def _remote_stop(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    for connector in charger.connectors.values():
        running = connector.transaction
        if running is not None and running.number == payload["transactionId"]:
            charger.later(charger.stop(connector.number, reason="Remote"))
            return ACCEPTED
    return REJECTED


def _unlock(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    connector = charger.connectors.get(payload["connectorId"])
    if connector is None:
        return {"status": "NotSupported"}
    charger.later(charger.unlocked(connector.number))
    return {"status": "Unlocked"}


def _reserve(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    connector = charger.connectors.get(payload["connectorId"])
    if connector is None:
        return REJECTED
    charger.expire(connector)
    held = connector.reservation
    again = held is not None and held[0] == payload["reservationId"]
    if not connector.operative:
        return {"status": "Unavailable"}
    if connector.transaction is not None or connector.plugged or (held is not None and not again):
        return {"status": "Occupied"}
    connector.reservation = (payload["reservationId"], payload["idTag"], payload["expiryDate"])
    charger.later(charger.tell(connector.number, "Reserved"))
    return ACCEPTED


def _cancel(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    for connector in charger.connectors.values():
        if connector.reservation is not None and connector.reservation[0] == payload["reservationId"]:
            connector.reservation = None
            charger.later(charger.tell(connector.number, "Available"))
            return ACCEPTED
    return REJECTED


def _trigger(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    message, number = payload["requestedMessage"], payload.get("connectorId")
    if number is not None and number != 0 and number not in charger.connectors:
        return REJECTED
    if message == "StatusNotification":
        charger.later(charger.tell_all() if number is None else charger.tell(number))
    elif message == "Heartbeat":
        charger.later(charger.beat())
    elif message == "BootNotification":
        charger.later(charger.boot())
    elif message == "MeterValues":
        for connector in charger.connectors.values():
            if number in (None, 0, connector.number):
                charger.later(charger.meter(connector.number, "Trigger"))
    else:
        return {"status": "NotImplemented"}
    return ACCEPTED


def _clear_cache(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    return ACCEPTED


def _send_list(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    entries = payload.get("localAuthorizationList", [])
    tags = [one["idTag"].upper() for one in entries]
    full = payload["updateType"] == "Full"
    if len(set(tags)) != len(tags) or (full and any("idTagInfo" not in one for one in entries)):
        return {"status": "Failed"}
    if not full and payload["listVersion"] <= charger.list_version:
        return {"status": "VersionMismatch"}
    kept = {} if full else dict(charger.local_list)
    for one in entries:
        if "idTagInfo" in one:
            kept[one["idTag"].upper()] = one["idTagInfo"]["status"]
        else:
            kept.pop(one["idTag"].upper(), None)
    if len(kept) > charger.list_most:
        return {"status": "Failed"}
    charger.local_list, charger.list_version = kept, payload["listVersion"]
    return ACCEPTED


def _list_version(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    return {"listVersion": charger.list_version if charger.local_list else 0}


def _availability(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    number, operative = payload["connectorId"], payload["type"] == "Operative"
    if number != 0 and number not in charger.connectors:
        return REJECTED
    chosen = [one for one in charger.connectors.values() if number in (0, one.number)]
    for connector in chosen:
        connector.operative = operative
        if connector.transaction is None:
            charger.later(charger.tell(connector.number, "Available" if operative else "Unavailable"))
    return {"status": "Scheduled"} if any(one.transaction is not None for one in chosen) else ACCEPTED


def _configuration(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    known = {
        "NumberOfConnectors": str(len(charger.connectors)),
        "HeartbeatInterval": str(charger.heartbeat),
        "LocalAuthListEnabled": "true",
        "SendLocalListMaxLength": str(charger.list_most),
        "LocalAuthListMaxLength": str(charger.list_most),
        "StopTransactionOnInvalidId": "true",
        "AuthorizeRemoteTxRequests": "false",
        "SupportedFeatureProfiles": "Core,LocalAuthListManagement,Reservation,RemoteTrigger" + ",SmartCharging" * charger.behaviour.smart,
        **charger_profiles.configuration(charger),
    }
    asked = payload.get("key") or list(known)
    return {
        "configurationKey": [{"key": key, "readonly": True, "value": known[key]} for key in asked if key in known],
        "unknownKey": [key for key in asked if key not in known],
    }


def _change(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    if payload["key"] != "HeartbeatInterval":
        return {"status": "NotSupported"}
    if not payload["value"].isdigit():
        return REJECTED
    charger.heartbeat = int(payload["value"])
    return ACCEPTED


def _reset(charger: SimulatedCharger, payload: dict[str, Any]) -> Answer:
    charger.later(charger.reset(payload["type"]))
    return ACCEPTED


_HANDLERS: Final[Mapping[str, Callable[[SimulatedCharger, dict[str, Any]], Answer]]] = {
    "CancelReservation": _cancel,
    "ChangeAvailability": _availability,
    "ChangeConfiguration": _change,
    "ClearCache": _clear_cache,
    "ClearChargingProfile": charger_profiles.clear_profile,
    "GetCompositeSchedule": charger_profiles.composite,
    "GetConfiguration": _configuration,
    "GetLocalListVersion": _list_version,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "ReserveNow": _reserve,
    "Reset": _reset,
    "SendLocalList": _send_list,
    "SetChargingProfile": charger_profiles.set_profile,
    "TriggerMessage": _trigger,
    "UnlockConnector": _unlock,
}
