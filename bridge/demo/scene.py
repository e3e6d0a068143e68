"""What the demonstration plays with: one place with three EVSEs, a tariff, four partners, three chargers."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from attrs import frozen

OPERATOR = "DE*ABC"
LOCATION = "LOC1"
EVSES = ("DE*ABC*E1001*1", "DE*ABC*E1001*2", "DE*ABC*E1002*1")
CHARGERS = ("CP1", "CP2", "CP3")
HUBJECT_UID = "0A1B2C3D4E5F60"
HUBJECT_EVCO = "DE-DCB-C12345678-4"
HOUSE_UID = "04A1B2C3D4E5F6"
HOUSE_CONTRACT = "DE-EMP-C00000001-X"
UPDATED = "2026-01-15T09:00:00Z"


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


@frozen
class Ports:
    """Where everybody listens."""

    bridge: int
    hubject: int
    house: int
    emsps: tuple[int, int]
    chargers: tuple[int, ...]


def ports() -> Ports:
    """Free ports for all."""
    found = free_ports(5 + len(CHARGERS))
    return Ports(found[0], found[1], found[2], (found[3], found[4]), tuple(found[5:]))


def location() -> dict[str, Any]:
    """One OCPI 2.2.1 location."""
    evses = [{
        "uid": f"UID{i}", "evse_id": evse, "status": "AVAILABLE", "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE"],
        "connectors": [{"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE", "max_voltage": 230,
                        "max_amperage": 32, "max_electric_power": 22000, "last_updated": UPDATED}],
        "last_updated": UPDATED,
    } for i, evse in enumerate(EVSES, 1)]  # fmt: skip
    return {
        "country_code": "DE", "party_id": "ABC", "id": LOCATION, "publish": True, "name": "Example Square", "address": "Example Street 1",
        "city": "Berlin", "postal_code": "10115", "country": "DEU", "coordinates": {"latitude": "52.520008", "longitude": "13.404954"},
        "parking_type": "ON_STREET", "evses": evses, "operator": {"name": "Example Charging"}, "time_zone": "Europe/Berlin",
        "opening_times": {"twentyfourseven": True}, "charging_when_closed": True, "energy_mix": {"is_green_energy": True},
        "last_updated": UPDATED,
    }  # fmt: skip


def tariff() -> dict[str, Any]:
    """One OCPI 2.2.1 tariff: 0.49 per kWh and a start fee of 0.35, with 19 % VAT."""

    def part(kind: str, price: float) -> dict[str, Any]:
        return {"type": kind, "price": price, "vat": 19.0, "step_size": 1}

    return {"country_code": "DE", "party_id": "ABC", "id": "STANDARD", "currency": "EUR",
            "elements": [{"price_components": [part("ENERGY", 0.49), part("FLAT", 0.35)]}], "last_updated": UPDATED}  # fmt: skip


def configuration(where: Ports) -> str:
    """The bridge's configuration."""
    agreement = '[[partners.{0}.agreements]]\noperator = "example"\ntariffs = {{"*" = "STANDARD"}}\n'
    chargers = "".join(f'[chargers.{name}]\npassword = {{value = "secret-{name}"}}\nconnectors = {{1 = "{evse}"}}\n\n'
                       for name, evse in zip(CHARGERS, EVSES, strict=True))  # fmt: skip
    emsps = "".join(
        f'[partners.emsp{n}]\nprotocol = "ocpi-2.2.1"\nurl = "http://127.0.0.1:{port}/ocpi/versions"\ntoken = {{value = "token-a-{n}"}}\n'
        f"priority = {10 * n}\ntoken_pull_seconds = 5\n" + agreement.format(f"emsp{n}") + "\n"
        for n, port in enumerate(where.emsps, 1))  # fmt: skip
    return f"""listen = "127.0.0.1:{where.bridge}"
store = "bridge.sqlite"
admin_token = {{value = "demo-admin"}}
session_update_seconds = 0
clock_minutes = 1440

[operators.example]
party = "{OPERATOR}"
name = "Example Charging"
time_zone = "Europe/Berlin"

{chargers}{emsps}[partners.hubject]
protocol = "oicp-2.3"
url = "http://127.0.0.1:{where.hubject}/api/oicp"
role = "hub"
priority = 50
[partners.hubject.constants]
language = "en"
hotline = "+4930123456"
calibration = "NOT_AVAILABLE"
payment_options = ["CONTRACT"]
accessibility = "PAYING_PUBLIC"
rfid = ["RFID_CLASSIC", "RFID_DESFIRE"]
hubject_compatible = true
dynamic_info = "YES"
max_power_kw = 22
default_price = 0.49
default_unit = "KILOWATT_HOUR"
{agreement.format("hubject")}
[partners.clearinghouse]
protocol = "ochp-1.4"
url = "http://127.0.0.1:{where.house}/service/ochp/v1.4"
user = "cpo"
password = {{value = "cpo-secret"}}
role = "hub"
priority = 60
token_pull_seconds = 5
[partners.clearinghouse.constants]
language = "en"
time_zone = "Europe/Berlin"
rfid = ["RFID_CLASSIC", "RFID_DESFIRE"]
{agreement.format("clearinghouse")}"""


def data(folder: Path) -> None:
    """The operator's data: locations and tariffs as OCPI 2.2.1."""
    (folder / "locations.json").write_text(json.dumps([location()], indent=1), encoding="utf-8")
    (folder / "tariffs.json").write_text(json.dumps([tariff()], indent=1), encoding="utf-8")


def write(folder: Path, where: Ports) -> None:
    """The files of the play."""
    data(folder)
    (folder / "bridge.toml").write_text(configuration(where), encoding="utf-8")


if __name__ == "__main__":
    data(Path())
