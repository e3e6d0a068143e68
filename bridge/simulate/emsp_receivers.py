"""What an operator calls at the simulated eMSP: versions, locations, tariffs, sessions, CDRs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from bridge.simulate.emsp_state import Emsp
from bridge.simulate.ocpi_http import Answer, Handler, body_of, offered
from bridge.simulate.ocpi_party import Reject, bump, newer, part, same

OFFERS = (
    ("credentials", "SENDER"),
    ("locations", "RECEIVER"),
    ("tariffs", "RECEIVER"),
    ("sessions", "RECEIVER"),
    ("cdrs", "RECEIVER"),
    ("tokens", "SENDER"),
    ("commands", "SENDER"),
    ("chargingprofiles", "SENDER"),
    ("hubclientinfo", "RECEIVER"),
)


async def details(emsp: Emsp, request: web.Request) -> Answer:
    """GET version details."""
    return offered(emsp, (*OFFERS, ("hubclientinfo", "SENDER")) if emsp.hub else OFFERS)


# --- locations


def _owned(emsp: Emsp, request: web.Request) -> tuple[str, str, str]:
    match = request.match_info
    if not emsp.speaks_for(match["cc"], match["pid"]):
        raise Reject(2001, f"{match['cc']}*{match['pid']} is none of your roles", 404)
    return match["cc"].upper(), match["pid"].upper(), match["id"].upper()


async def get_location(emsp: Emsp, request: web.Request) -> Answer:
    """GET a location, EVSE or connector."""
    held: dict[str, Any] | None = emsp.locations.get(_owned(emsp, request))
    for step, inner, name in (("evse", "evses", "uid"), ("connector", "connectors", "id")):
        if held is not None and step in request.match_info:
            items = held.get(inner) or []
            i = part(items, name, request.match_info[step])
            held = None if i is None else items[i]
    if held is None:
        raise Reject(2003, "unknown location, EVSE or connector", 404, record=False)
    return Answer(held)


async def put_location(emsp: Emsp, request: web.Request) -> Answer:
    """PUT a location."""
    key = _owned(emsp, request)
    new = emsp.check("Location", (await body_of(request))[1])
    same(new, country_code=key[0], party_id=key[1], id=key[2])
    old = emsp.locations.get(key)
    uids = {e["uid"].upper() for e in new.get("evses") or ()}
    for other, held in emsp.locations.items():
        twice = uids & {e["uid"].upper() for e in held.get("evses") or () if e["status"] != "REMOVED"}
        if other != key and twice:
            raise Reject(2001, f"evses: uid {min(twice)} is in location {held['id']} already")
    for evse in (old or {}).get("evses") or ():
        if evse["uid"].upper() not in uids and evse["status"] != "REMOVED":
            raise Reject(2001, f"evses: {evse['uid']} was left out; an EVSE that is gone has the status REMOVED")
    newer(emsp, f"location {key[2]}", old, new)
    emsp.locations[key] = new
    emsp.count("location")
    return Answer(status=201 if old is None else 200)


async def put_part(emsp: Emsp, request: web.Request) -> Answer:
    """PUT an EVSE or a connector."""
    location, holder, items, name, kind, i = _where(emsp, request)
    ident = request.match_info.get("connector") or request.match_info["evse"]
    new = emsp.check(kind, (await body_of(request))[1])
    same(new, **{name: ident})
    if i is None:
        items.append(new)
    else:
        items[i] = new
    bump(new, holder, location)
    emsp.count("evse" if kind == "EVSE" else "connector")
    return Answer(status=201 if i is None else 200)


async def patch_location(emsp: Emsp, request: web.Request) -> Answer:
    """PATCH a location, EVSE or connector."""
    if "evse" not in request.match_info:
        key = _owned(emsp, request)
        if key not in emsp.locations:
            raise Reject(2003, f"unknown location {key[2]}", 404)
        emsp.locations[key] = _patched(emsp, "Location", emsp.locations[key], await _change(emsp, request, "Location"))
        emsp.count("location_patch")
        return Answer()
    location, holder, items, _, kind, i = _where(emsp, request)
    if i is None:
        raise Reject(2003, f"unknown {kind}", 404)
    change = await _change(emsp, request, kind)
    newer(emsp, f"{kind} {request.match_info['evse']}", items[i], items[i] | change)
    items[i] = _patched(emsp, kind, items[i], change)
    bump(items[i], holder, location)
    emsp.count("status" if change.keys() <= {"status", "last_updated"} else f"{kind.lower()}_patch")
    return Answer()


def _where(emsp: Emsp, request: web.Request) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], str, str, int | None]:
    """Location, what holds the part, the list that it is in, the name of its id, what it is, its place in the list."""
    location = emsp.locations.get(_owned(emsp, request))
    if location is None:
        raise Reject(2003, f"unknown location {request.match_info['id']}", 404)
    evses = location.setdefault("evses", [])
    i = part(evses, "uid", request.match_info["evse"])
    if "connector" not in request.match_info:
        return location, location, evses, "uid", "EVSE", i
    if i is None:
        raise Reject(2003, f"unknown EVSE {request.match_info['evse']}", 404)
    connectors = evses[i]["connectors"]
    return location, evses[i], connectors, "id", "Connector", part(connectors, "id", request.match_info["connector"])


async def _change(emsp: Emsp, request: web.Request, kind: str) -> dict[str, Any]:
    change = emsp.check(kind, (await body_of(request))[1], partial=True)
    if change.get("last_updated") is None and not emsp.older:
        raise Reject(2001, "last_updated: missing in a PATCH")
    return change


def _patched(emsp: Emsp, kind: str, old: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    same(change, **{name: old[name] for name in ("country_code", "party_id", "id", "uid") if name in old})
    new = old | {name: value for name, value in change.items() if value is not None}
    wrong = emsp.faults(kind, new)
    if wrong:
        raise Reject(2001, "after the change: " + "; ".join(wrong[:10]))
    return new


# --- tariffs


async def get_tariff(emsp: Emsp, request: web.Request) -> Answer:
    """GET a tariff."""
    held = emsp.tariffs.get(_owned(emsp, request))
    if held is None:
        raise Reject(2000, "unknown tariff", 404, record=False)
    return Answer(held)


async def put_tariff(emsp: Emsp, request: web.Request) -> Answer:
    """PUT a tariff."""
    key = _owned(emsp, request)
    new = emsp.check("Tariff", (await body_of(request))[1])
    same(new, country_code=key[0], party_id=key[1], id=key[2])
    old = emsp.tariffs.get(key)
    newer(emsp, f"tariff {key[2]}", old, new)
    emsp.tariffs[key] = new
    emsp.count("tariff")
    return Answer(status=201 if old is None else 200)


async def patch_tariff(emsp: Emsp, request: web.Request) -> Answer:
    """PATCH a tariff, which only 2.1.1 has."""
    if not emsp.older:
        raise Reject(2000, "PATCH is not defined here", 405)
    key = _owned(emsp, request)
    if key not in emsp.tariffs:
        raise Reject(2000, "unknown tariff", 404)
    emsp.tariffs[key] = _patched(emsp, "Tariff", emsp.tariffs[key], await _change(emsp, request, "Tariff"))
    emsp.count("tariff")
    return Answer()


async def delete_tariff(emsp: Emsp, request: web.Request) -> Answer:
    """DELETE a tariff."""
    if emsp.tariffs.pop(_owned(emsp, request), None) is None:
        raise Reject(2000, "unknown tariff", 404)
    emsp.count("tariff_delete")
    return Answer()


# --- sessions and CDRs


def _ours(emsp: Emsp, o: dict[str, Any]) -> None:
    """The token has to be one of ours, and the reference the one that we gave. 2.1.1 tells the contract alone."""
    if emsp.older:
        # Who was asked about a card that is not listed did not hear its auth_id: the uid stands for it.
        asked = {uid for uid, kind in emsp.hidden}
        if o["auth_id"].upper() not in {t["auth_id"].upper() for t in emsp.known.values()} | asked:
            raise Reject(2001, "auth_id: none of our tokens")
        return
    token = o["cdr_token"]
    held = emsp.known.get((token["uid"].upper(), token["type"]))
    if held is None:
        raise Reject(2001, "cdr_token: none of our tokens")
    for name in ("country_code", "party_id", "contract_id"):
        if token[name].upper() != held[name].upper():
            raise Reject(2001, f"cdr_token.{name}: not that of the token")
    given = emsp.references.get(token["uid"].upper(), set())
    reference = o.get("authorization_reference")
    if o["auth_method"] in ("AUTH_REQUEST", "COMMAND") and not reference:
        raise Reject(2001, "authorization_reference: missing, though one was given")
    if reference is not None and reference not in given:
        raise Reject(2001, "authorization_reference: none that was given for this token")


async def get_session(emsp: Emsp, request: web.Request) -> Answer:
    """GET a session."""
    held = emsp.sessions.get(_owned(emsp, request))
    if held is None:
        raise Reject(2000, "unknown session", 404, record=False)
    return Answer(held)


async def put_session(emsp: Emsp, request: web.Request) -> Answer:
    """PUT a session."""
    key = _owned(emsp, request)
    new = emsp.check("Session", (await body_of(request))[1])
    same(new, country_code=key[0], party_id=key[1], id=key[2])
    return Answer(status=_session(emsp, key, new))


async def patch_session(emsp: Emsp, request: web.Request) -> Answer:
    """PATCH a session: charging_periods are added."""
    key = _owned(emsp, request)
    old = emsp.sessions.get(key)
    if old is None:
        raise Reject(2000, "unknown session", 404)
    change = await _change(emsp, request, "Session")
    if not emsp.older:  # 2.1.1 does not say that they are added: they are what they are
        change |= {"charging_periods": [*(old.get("charging_periods") or ()), *(change.get("charging_periods") or ())] or None}
    _session(emsp, key, _patched(emsp, "Session", old, change))
    return Answer()


def _session(emsp: Emsp, key: tuple[str, str, str], new: dict[str, Any]) -> int:
    _ours(emsp, new)
    old = emsp.sessions.get(key)
    if old is not None and old["status"] == "COMPLETED" and new["status"] != "COMPLETED":
        raise Reject(2001, "status: COMPLETED is final")
    if old is not None and new["kwh"] < old["kwh"]:
        emsp.warnings.append(f"session {key[2]}: kwh fell from {old['kwh']} to {new['kwh']}")
    place, uid = (new["location"]["id"], new["location"]["evses"][0]["uid"]) if emsp.older else (new["location_id"], new["evse_uid"])
    location = emsp.locations.get((key[0], key[1], place.upper()))
    if location is not None and part(location.get("evses") or [], "uid", uid) is None and uid != "#NA":
        raise Reject(2001, f"evse_uid: {uid} is not in location {place}")
    newer(emsp, f"session {key[2]}", old, new)
    emsp.sessions[key] = new
    emsp.count("session")
    return 201 if old is None else 200


async def post_cdr(emsp: Emsp, request: web.Request) -> Answer:
    """POST a CDR. The same bytes again are answered as the first time; others with the same id are refused."""
    data, value = await body_of(request)
    new = emsp.check("CDR", value)
    owner = emsp.roles[0] if emsp.older else new
    if not emsp.speaks_for(owner["country_code"], owner["party_id"]):
        raise Reject(2001, f"{owner['country_code']}*{owner['party_id']} is none of your roles")
    key = (owner["country_code"].upper(), owner["party_id"].upper(), new["id"].upper())
    held = emsp.cdrs.get(key)
    if held is not None:
        if held[1] != data:
            raise Reject(2001, f"id: CDR {new['id']} already exists with another content")
        emsp.count("cdr_repeat")
        return Answer(headers={"Location": held[0]})
    _ours(emsp, new)
    if new.get("credit"):
        _credit(emsp, key, new)
    url = f"{emsp.url}{emsp.path}/cdrs/{len(emsp.cdrs) + 1}-{quote(new['id'], safe='')}"
    emsp.cdrs[key] = (url, data, new)
    emsp.count("cdr")
    return Answer(status=201, headers={"Location": url})


def _credit(emsp: Emsp, key: tuple[str, str, str], new: dict[str, Any]) -> None:
    """A credit CDR has all that the original has, with its total cost negated."""
    held = emsp.cdrs.get((key[0], key[1], new["credit_reference_id"].upper()))
    if held is None:
        raise Reject(2001, "credit_reference_id: no such CDR")
    original = held[2]
    if new["total_cost"] != _negated(original["total_cost"]):
        raise Reject(2001, "total_cost: not the original's, negated")
    own = {"id", "credit", "credit_reference_id", "total_cost", "last_updated", "remark", "invoice_reference_id"}
    differ = sorted(n for n in (new.keys() | original.keys()) - own if new.get(n) != original.get(n))
    if differ:
        raise Reject(2001, f"{', '.join(differ)}: not as in the original")


def _negated(cost: dict[str, Any]) -> dict[str, Any]:
    made = {name: -amount for name, amount in cost.items() if name != "taxes"}
    if "taxes" in cost:
        made["taxes"] = [tax | {"amount": -tax["amount"]} for tax in cost["taxes"]]
    return made


async def get_cdr(emsp: Emsp, request: web.Request) -> Answer:
    """GET a CDR at the URL that POST gave."""
    url = f"{emsp.url}{request.rel_url.raw_path}"
    held = next((cdr for at, _, cdr in emsp.cdrs.values() if at == url), None)
    if held is None:
        raise Reject(2000, "unknown CDR", 404, record=False)
    return Answer(held)


_ONE = "/{cc}/{pid}/{id}"

ROUTES: tuple[tuple[str, str, Handler[Emsp]], ...] = (
    ("GET", "", details),
    ("GET", f"/locations{_ONE}", get_location),
    ("PUT", f"/locations{_ONE}", put_location),
    ("PATCH", f"/locations{_ONE}", patch_location),
    ("GET", f"/locations{_ONE}/{{evse}}", get_location),
    ("PUT", f"/locations{_ONE}/{{evse}}", put_part),
    ("PATCH", f"/locations{_ONE}/{{evse}}", patch_location),
    ("GET", f"/locations{_ONE}/{{evse}}/{{connector}}", get_location),
    ("PUT", f"/locations{_ONE}/{{evse}}/{{connector}}", put_part),
    ("PATCH", f"/locations{_ONE}/{{evse}}/{{connector}}", patch_location),
    ("GET", f"/tariffs{_ONE}", get_tariff),
    ("PUT", f"/tariffs{_ONE}", put_tariff),
    ("PATCH", f"/tariffs{_ONE}", patch_tariff),
    ("DELETE", f"/tariffs{_ONE}", delete_tariff),
    ("GET", f"/sessions{_ONE}", get_session),
    ("PUT", f"/sessions{_ONE}", put_session),
    ("PATCH", f"/sessions{_ONE}", patch_session),
    ("POST", "/cdrs", post_cdr),
    ("GET", "/cdrs/{ref}", get_cdr),
)
"""Paths below that of the version."""
