"""Translating locations, bytes to bytes, against the least that any program must do with the same bytes.

``map-oicp`` and ``map-ochp``: 1,000 OCPI locations of 4 EVSEs to OICP records and OCHP charge points: decoded and
validated, mapped, encoded, with every loss collected; the time over ``orjson.loads`` and ``dumps`` of the same bytes.
``map-stream``: how much more memory (MB) the command needs for 100,000 OICP records than for 1,000.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any, Final

import orjson

from bridge.mapping import partner
from bridge.mapping.loss import Loss
from bridge.mapping.registry import find
from bridge.model import ids
from bridge.translate.pipeline import Translator

ROUNDS: Final = 9
LOCATIONS: Final = 1000
PARTNER: Final = Path(__file__).parents[2] / "mappings" / "partners" / "example.toml"
REMEMBERED: Final = [f for f in vars(ids).values() if hasattr(f, "cache_clear")]
STREETS: Final = ("Rathausplatz", "Am alten Güterbahnhof", "Friedrichstraße", "Schillerplatz", "Bahnhofsallee")
CITIES: Final = (("Ludwigsburg", "71638"), ("Kornwestheim", "70806"), ("Remseck", "71686"), ("Asperg", "71679"))


def connector(number: int, tariff: str) -> dict[str, Any]:
    """A socket or, for every fourth EVSE, a fast-charging cable."""
    if number % 4 == 3:
        electric = {"standard": "IEC_62196_T2_COMBO", "format": "CABLE", "power_type": "DC", "max_voltage": 920,
                    "max_amperage": 163, "max_electric_power": 150000}  # fmt: skip
    else:
        electric = {"standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE", "max_voltage": 230,
                    "max_amperage": 32, "max_electric_power": 22000}  # fmt: skip
    return {"id": "1", **electric, "tariff_ids": [tariff], "last_updated": f"2026-03-{1 + number % 28:02}T08:15:00Z"}


def evse(place: int, number: int) -> dict[str, Any]:
    """An EVSE with what operators usually tell."""
    status = ("AVAILABLE", "CHARGING", "AVAILABLE", "OUTOFORDER", "BLOCKED")[(place + number) % 5]
    return {
        "uid": f"{place:06}-{number}",
        "evse_id": f"DE*ABC*E{place:06}*{number:03}",
        "status": status,
        "capabilities": ["RFID_READER", "REMOTE_START_STOP_CAPABLE", "UNLOCK_CAPABLE"],
        "connectors": [connector(number, f"T{place % 7}")],
        "floor_level": "0",
        "coordinates": {"latitude": f"48.{890000 + 7 * place + number}", "longitude": f"9.{190000 + 3 * place + number}"},
        "physical_reference": f"{number}",
        "last_updated": f"2026-03-{1 + (place + number) % 28:02}T{place % 24:02}:{number * 7:02}:00Z",
    }


def location(place: int) -> dict[str, Any]:
    """A location of four EVSEs (about 2.6 KB)."""
    street, (city, code) = STREETS[place % len(STREETS)], CITIES[place % len(CITIES)]
    return {
        "country_code": "DE",
        "party_id": "ABC",
        "id": f"LOC{place:06}",
        "publish": True,
        "name": f"{city}, {street} {place % 80 + 1}",
        "address": f"{street} {place % 80 + 1}",
        "city": city,
        "postal_code": code,
        "country": "DEU",
        "coordinates": {"latitude": f"48.{890000 + 7 * place}", "longitude": f"9.{190000 + 3 * place}"},
        "parking_type": ("ON_STREET", "PARKING_LOT", "PARKING_GARAGE")[place % 3],
        "evses": [evse(place, number) for number in range(1, 5)],
        "directions": [{"language": "de", "text": "Einfahrt neben dem Rathaus, Stellplätze auf der linken Seite"}],
        "operator": {"name": "Stadtwerke Beispiel", "website": "https://stadtwerke.example"},
        "facilities": ["PARKING_LOT", "SUPERMARKET"],
        "time_zone": "Europe/Berlin",
        "opening_times": {"twentyfourseven": True} if place % 3 else {
            "twentyfourseven": False,
            "regular_hours": [{"weekday": d, "period_begin": "07:00", "period_end": "22:00"} for d in range(1, 7)],
        },
        "charging_when_closed": place % 3 != 0,
        "energy_mix": {"is_green_energy": True, "supplier_name": "Stadtwerke Beispiel"},
        "last_updated": f"2026-03-{1 + place % 28:02}T{place % 24:02}:30:00Z",
    }  # fmt: skip


def ratio(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Median of our time over theirs, both measured in turn."""
    ours(), theirs()
    found = []
    gc.collect()
    for _ in range(rounds):
        begin = perf_counter_ns()
        ours()
        middle = perf_counter_ns()
        for _ in range(5):
            theirs()
        found.append(5 * (middle - begin) / (perf_counter_ns() - middle))
    return median(found)


def translation(data: bytes, source: str, target: str) -> Callable[[], tuple[bytes, Counter[str]]]:
    """A function that translates ``data`` to the target's bytes, counting losses by kind as they come."""
    settings = partner.load(PARTNER)
    reading, writing = find(source, "location"), find(target, "location")

    def run() -> tuple[bytes, Counter[str]]:
        for remembered in REMEMBERED:  # as if the identifiers were never seen
            remembered.cache_clear()
        told: Counter[str] = Counter()

        def report(ident: str, loss: Loss) -> None:
            told[loss.kind] += 1

        records = Translator(reading, writing, settings).run(reading.codec.read_all(data), report)
        return b"".join(writing.codec.write(records)), told

    return run


def against_json(target: str) -> float:
    """Translating the locations to ``target`` over parsing and writing the same bytes."""
    data = orjson.dumps([location(n) for n in range(LOCATIONS)])
    run = translation(data, "ocpi-2.2.1", target)
    made, told = run()
    assert made.count(b"DE*ABC*E") == 4 * LOCATIONS, "every EVSE is translated"
    assert told.total() > 10 * LOCATIONS, "what the target cannot say is told"
    return ratio(run, lambda: orjson.dumps(orjson.loads(data)))


def record(number: int) -> dict[str, Any]:
    """An OICP EVSE record, four to a place."""
    place = number // 4
    street, (city, code) = STREETS[place % len(STREETS)], CITIES[place % len(CITIES)]
    return {
        "EvseID": f"DE*ABC*E{place:06}*{number % 4}",
        "ChargingStationNames": [{"lang": "de", "value": f"{street} {place % 80 + 1}"}],
        "Address": {"Country": "DEU", "City": city, "Street": f"{street}", "HouseNum": f"{place}", "PostalCode": code},
        "GeoCoordinates": {"Google": {"Coordinates": f"48.{890000 + place} 9.{190000 + place}"}},
        "Plugs": ["Type 2 Outlet"],
        "ChargingFacilities": [{"PowerType": "AC_3_PHASE", "Voltage": 230, "Amperage": 32, "Power": 22}],
        "RenewableEnergy": True,
        "CalibrationLawDataAvailability": "Local",
        "AuthenticationModes": ["NFC RFID Classic", "REMOTE"],
        "PaymentOptions": ["Contract"],
        "ValueAddedServices": ["None"],
        "Accessibility": "Free publicly accessible",
        "HotlinePhoneNumber": "+4930123456",
        "IsOpen24Hours": True,
        "IsHubjectCompatible": True,
        "DynamicInfoAvailable": "true",
        "lastUpdate": "2026-03-01T08:15:00Z",
    }


_CHILD: Final = """
import sys
from bridge.cli import main
try:
    main(["map", "location", "--from", "oicp-2.3", "--to", "ocpi-2.2.1", "--partner", sys.argv[1], "--losses", sys.argv[2],
          sys.argv[3]])
except SystemExit as done:
    assert done.code in (0, None), done.code
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(line.split()[1], file=sys.stderr)
"""


def peak(count: int) -> float:
    """Peak memory in MB of the command that groups ``count`` OICP records into OCPI locations."""
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "feed.json"
        with feed.open("wb") as file:
            file.write(b'{"EVSEData": [{"EVSEDataRecord": [')
            for number in range(count):
                file.write((b"," if number else b"") + orjson.dumps(record(number)))
            file.write(b"]}]}")
        command = [sys.executable, "-c", _CHILD, str(PARTNER), f"{folder}/losses.jsonl", str(feed)]
        with (Path(folder) / "out.json").open("wb") as out:
            done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=True)
    return int(done.stderr.split()[-1]) / 1024


def map_oicp() -> float:
    """OCPI locations to OICP records."""
    return against_json("oicp-2.3")


def map_ochp() -> float:
    """OCPI locations to OCHP charge points."""
    return against_json("ochp-1.4")


def map_stream() -> float:
    """Growth of peak memory in MB from 1,000 to 100,000 records."""
    return peak(100_000) - peak(1_000)


BENCHES: Final = [("map-oicp", 8.0, map_oicp), ("map-ochp", 12.0, map_ochp), ("map-stream", 32.0, map_stream)]
