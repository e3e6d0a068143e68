"""The objects of the simulated CPO, in the version that it speaks: places, tariffs, sessions, CDRs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bridge.simulate.cpo_charge import CURRENCY, VAT, Bill, Charge, Period, hours
from bridge.simulate.ocpi_party import Party, part, stamp, written

TARIFF = "KWH"
_CAPABILITIES = ("REMOTE_START_STOP_CAPABLE", "RESERVABLE", "RFID_READER", "UNLOCK_CAPABLE")


def number(value: Decimal) -> float:
    """A number of at most four decimals (types, number)."""
    return float(round(value, 4))


# --- what it offers


def location(cpo: Party, n: int, evses: int) -> dict[str, Any]:
    """A made-up location, the n-th, with so many EVSEs."""
    now = stamp()
    place: dict[str, Any] = {
        "id": f"PARK{n}", "name": f"Charging park {n}", "address": f"Example Street {n}", "city": "Berlin", "postal_code": "10115",
        "country": "DEU", "coordinates": {"latitude": f"52.5{n % 100:02}008", "longitude": "13.404954"}, "time_zone": "Europe/Berlin",
        "operator": {"name": cpo.name}, "opening_times": {"twentyfourseven": True}, "charging_when_closed": True,
        "energy_mix": {"is_green_energy": True},
        "evses": [evse(cpo, n, i + 1) for i in range(evses)], "last_updated": now,
    }  # fmt: skip
    return cpo.owner | place | ({"type": "ON_STREET"} if cpo.older else {"publish": True, "parking_type": "ON_STREET"})


def evse(cpo: Party, n: int, i: int) -> dict[str, Any]:
    """A made-up EVSE: the i-th of the n-th location."""
    now = stamp()
    power = {"voltage": 230, "amperage": 32, "tariff_id": TARIFF} if cpo.older else {
        "max_voltage": 230, "max_amperage": 32, "max_electric_power": 22000, "tariff_ids": [TARIFF]}  # fmt: skip
    plug = {"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE", **power, "last_updated": now}
    ident = f"{cpo.country_code}*{cpo.party_id}*E{n:04}*{i}"
    return {"uid": f"{cpo.party_id}-{n:04}-{i}", "evse_id": ident, "status": "AVAILABLE", "capabilities": list(_CAPABILITIES),
            "connectors": [plug], "last_updated": now}  # fmt: skip


def tariff(cpo: Party) -> dict[str, Any]:
    """0.45 per kWh and 0.50 per session, before taxes."""
    vat = {} if cpo.older else {"vat": number(VAT)}
    parts = [{"type": kind, "price": price, **vat, "step_size": 1} for kind, price in (("ENERGY", 0.45), ("FLAT", 0.5))]
    made = cpo.owner | {"id": TARIFF, "currency": CURRENCY, "elements": [{"price_components": parts}], "last_updated": stamp()}
    return made | ({"tax_included": "NO"} if cpo.version == "2.3.0" else {})


# --- what is charged


def session(cpo: Party, charge: Charge) -> dict[str, Any]:
    """A Session object."""
    begin, end = ("start_datetime", "end_datetime") if cpo.older else ("start_date_time", "end_date_time")
    made: dict[str, Any] = {"id": charge.id, begin: written(charge.start)}
    if charge.end is not None:
        made[end] = written(charge.end)
    made |= {"kwh": number(charge.kwh), **charge.card, "auth_method": charge.how, **_reference(charge)}
    if cpo.older:
        made["location"] = _whole_place(charge)
    else:
        made |= {"location_id": charge.place["id"], "evse_uid": charge.evse_uid, "connector_id": charge.connector_id}
    made |= {"currency": charge.currency, "charging_periods": periods(cpo, charge, charge.periods)}
    if charge.bill is not None:
        made["total_cost"] = price(cpo, charge.bill.excl, charge.bill)
    return cpo.owner | made | {"status": charge.status, "last_updated": charge.last_updated}


def periods(cpo: Party, charge: Charge, some: Iterable[Period]) -> list[dict[str, Any]]:
    """ChargingPeriod objects."""
    of = charge.tariff if charge.bill is None else charge.bill.tariff
    named = {} if cpo.older or of is None else {"tariff_id": of["id"]}
    return [{"start_date_time": written(p.start), "dimensions": [{"type": "ENERGY", "volume": number(p.kwh)},
                                                                 {"type": "TIME", "volume": number(p.hours)}], **named}
            for p in some]  # fmt: skip


def cdr(cpo: Party, charge: Charge, ident: str) -> dict[str, Any]:
    """The CDR of a session that has ended."""
    if charge.bill is None or charge.end is None:
        raise ValueError(f"session {charge.id} has not ended")
    bill = charge.bill
    made: dict[str, Any] = {"id": ident, "start_date_time": written(charge.start),
                            "stop_date_time" if cpo.older else "end_date_time": written(charge.end)}  # fmt: skip
    if not cpo.older:
        made["session_id"] = charge.id
    made |= {**charge.card, "auth_method": charge.how, **_reference(charge)}
    made |= {"location": _whole_place(charge)} if cpo.older else {"cdr_location": _flat_place(charge)}
    made["currency"] = bill.currency
    if bill.tariff is not None:
        made["tariffs"] = [bill.tariff]
    made["charging_periods"] = periods(cpo, charge, charge.periods)
    made |= {"total_cost": price(cpo, bill.excl, bill), "total_energy": number(charge.kwh)}
    if not cpo.older and bill.energy is not None and bill.fixed is not None:
        made |= {"total_energy_cost": price(cpo, bill.energy, bill), "total_fixed_cost": price(cpo, bill.fixed, bill)}
    return cpo.owner | made | {"total_time": number(hours(charge.start, charge.end)), "last_updated": stamp()}


def credit(cdr: dict[str, Any], ident: str) -> dict[str, Any]:
    """The credit CDR that takes another back (mod_cdrs, Credit CDRs)."""
    cost = {name: -amount for name, amount in cdr["total_cost"].items() if name != "taxes"}
    if "taxes" in cdr["total_cost"]:
        cost["taxes"] = [tax | {"amount": -tax["amount"]} for tax in cdr["total_cost"]["taxes"]]
    return cdr | {"id": ident, "credit": True, "credit_reference_id": cdr["id"], "total_cost": cost, "last_updated": stamp()}


def _reference(charge: Charge) -> dict[str, Any]:
    return {} if charge.reference is None else {"authorization_reference": charge.reference}


def _evse_of(charge: Charge) -> dict[str, Any]:
    evses: list[dict[str, Any]] = charge.place["evses"]
    i = part(evses, "uid", charge.evse_uid)
    if i is None:
        raise ValueError(f"EVSE {charge.evse_uid} is not in location {charge.place['id']}")
    return evses[i]


def _connector_of(charge: Charge) -> dict[str, Any]:
    connectors: list[dict[str, Any]] = _evse_of(charge)["connectors"]
    return next(c for c in connectors if c["id"] == charge.connector_id)


def _whole_place(charge: Charge) -> dict[str, Any]:
    """The location with the EVSE and connector of the session alone, as 2.1.1 has it."""
    return charge.place | {"evses": [_evse_of(charge) | {"connectors": [_connector_of(charge)]}]}


def _flat_place(charge: Charge) -> dict[str, Any]:
    """A CdrLocation: its texts are shorter than those of a Location."""
    place, evse_, plug = charge.place, _evse_of(charge), _connector_of(charge)
    names = ("id", "name", "city", "postal_code", "country", "coordinates")
    made = {name: place[name] for name in names if place.get(name)} | {"address": place["address"][:45]}
    if place.get("state"):
        made["state"] = place["state"][:20]
    made |= {"evse_uid": evse_["uid"], "evse_id": evse_["evse_id"], "connector_id": plug["id"]}
    return made | {f"connector_{name}": plug[name] for name in ("standard", "format", "power_type")}


def price(cpo: Party, excl: Decimal, bill: Bill) -> Any:
    """A Price; in 2.1.1 a number before taxes."""
    if cpo.older:
        return number(excl)
    taxes = excl * bill.vat / 100
    if cpo.version == "2.3.0":
        return {"before_taxes": number(excl), "taxes": [{"name": "VAT", "percentage": number(bill.vat), "amount": number(taxes)}]}
    return {"excl_vat": number(excl), "incl_vat": number(excl + taxes)}
