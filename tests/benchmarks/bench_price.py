"""Pricing against the least that any program must do with the same bytes.

``price-cdr``: a CDR's bytes to its computed totals and billed volumes, over ``orjson.loads`` of the same bytes.
``price-live``: the next price change found for each meter sample of a running session, over ``orjson.loads`` of the
message that carried the sample. Each figure is the median over rounds in which both sides take turns.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from statistics import median
from time import perf_counter_ns
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from bridge.cli._price_input import read, read_tariffs
from bridge.model.cdr import Cdr
from bridge.model.tariff import Tariff
from bridge.tariff import RunningSession, Sample, check, price, price_session

ZONE: Final = ZoneInfo("Europe/Berlin")
ROUNDS: Final = 15
WEEK: Final = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]

TARIFF: Final[dict[str, Any]] = {
    "country_code": "DE",
    "party_id": "ABC",
    "id": "DAY-NIGHT",
    "currency": "EUR",
    "type": "REGULAR",
    "tariff_alt_text": [{"language": "en", "text": "Day and night prices, start fee, blocking fee"}],
    "max_price": {"excl_vat": 60.0, "incl_vat": 71.4},
    "elements": [
        {"price_components": [{"type": "FLAT", "price": 0.5, "vat": 19.0, "step_size": 1}]},
        {
            "price_components": [{"type": "ENERGY", "price": 0.29, "vat": 19.0, "step_size": 1}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00"},
        },
        {
            "price_components": [{"type": "ENERGY", "price": 0.59, "vat": 19.0, "step_size": 1}],
            "restrictions": {"start_time": "17:00", "end_time": "20:00", "day_of_week": WEEK},
        },
        {"price_components": [{"type": "ENERGY", "price": 0.49, "vat": 19.0, "step_size": 1}]},
        {
            "price_components": [{"type": "PARKING_TIME", "price": 6.0, "vat": 19.0, "step_size": 60}],
            "restrictions": {"min_duration": 14400, "start_time": "08:00", "end_time": "22:00"},
        },
        {
            "price_components": [{"type": "TIME", "price": 0.6, "vat": 19.0, "step_size": 60}],
            "restrictions": {"min_duration": 7200},
        },
    ],
    "last_updated": "2026-01-01T00:00:00Z",
}


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def metered(number: int) -> list[Sample]:
    """A session of seven hours that charges with pauses, over the hours at which the tariff turns."""
    at = datetime(2026, 3, 2, 13, 10, tzinfo=UTC) + timedelta(seconds=97 * number)
    kwh, samples = Decimal(5000 + number), []
    for index in range(9):
        charging = index % 2 == 0
        power = Decimal(51 + (number + index) % 60) / 10 if charging else None
        samples.append(Sample(at, kwh, charging, power))
        at += timedelta(seconds=2400 + 60 * ((number + index) % 7) + (number * index) % 60)
        kwh += Decimal(2000 + 13 * ((number + 3 * index) % 100)) / 1000 if charging else 0
        samples.append(Sample(at, kwh, charging, power))
    return samples


def cdr(number: int) -> bytes:
    """A whole OCPI 2.2.1 CDR of twelve periods, about 4 kB."""
    (tariff,) = read_tariffs(orjson.dumps([TARIFF]))
    done = price_session(metered(number), [tariff], ZONE)
    begin, at, energy = done.start, done.end, done.kwh
    periods = [
        {
            "start_date_time": _stamp(period.start),
            "dimensions": [{"type": v.dimension.value, "volume": float(v.volume)} for v in period.volumes],
            "tariff_id": period.tariff_id,
        }
        for period in done.periods
    ]
    whole: dict[str, Any] = {
        "country_code": "DE",
        "party_id": "ABC",
        "id": f"CDR{number:08}",
        "start_date_time": _stamp(begin),
        "end_date_time": _stamp(at),
        "session_id": f"S{number:08}",
        "cdr_token": {
            "country_code": "DE",
            "party_id": "XYZ",
            "uid": "0102030405060708",
            "type": "RFID",
            "contract_id": "DEXYZC12345678",
        },
        "auth_method": "WHITELIST",
        "cdr_location": {
            "id": "LOC1",
            "name": "Rathausplatz",
            "address": "Rathausplatz 1",
            "city": "Ludwigsburg",
            "postal_code": "71638",
            "country": "DEU",
            "coordinates": {"latitude": "48.897500", "longitude": "9.192100"},
            "evse_uid": "3256",
            "evse_id": "DE*ABC*E041503003",
            "connector_id": "1",
            "connector_standard": "IEC_62196_T2",
            "connector_format": "SOCKET",
            "connector_power_type": "AC_3_PHASE",
        },
        "currency": "EUR",
        "tariffs": [TARIFF],
        "charging_periods": periods,
        "total_energy": float(energy),
        "total_time": round((at - begin) / timedelta(hours=1), 4),
        "last_updated": _stamp(at),
    }
    priced = done.priced.rounded()
    for name, amount in (("total_cost", priced.total), ("total_energy_cost", priced.energy)):
        if amount is not None and amount.excl is not None and amount.incl is not None:
            whole[name] = {"excl_vat": float(amount.excl), "incl_vat": float(amount.incl)}
    return orjson.dumps(whole)


def ratio(ours: Callable[[], None], theirs: Callable[[], None]) -> float:
    """Median of our time over theirs, both measured in turn."""
    ours()
    theirs()
    found = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            begin = perf_counter_ns()
            ours()
            middle = perf_counter_ns()
            theirs()
            found.append((middle - begin) / (perf_counter_ns() - middle))
    finally:
        gc.enable()
    return median(found)


def price_cdr() -> float:
    """Time from a CDR's bytes to its price and billed volumes, over ``orjson.loads`` of the bytes."""
    return _over_loads(lambda record, tariffs: price(record, tariffs, ZONE))


def check_cdr() -> float:
    """The same, with everything that contradicts the CDR's own figures."""
    return _over_loads(lambda record, tariffs: check(record, price(record, tariffs, ZONE)))


def readings_cdr() -> float:
    """The same, with what other readings of the specification give."""
    return _over_loads(lambda record, tariffs: price(record, tariffs, ZONE).readings)


def _over_loads(work: Callable[[Cdr, tuple[Tariff, ...]], object]) -> float:
    made = (cdr(number) for number in range(2000))
    documents = list(islice((m for m in made if len(orjson.loads(m)["charging_periods"]) == 12), 200))
    assert len(documents) == 200

    def ours() -> None:
        for document in documents:
            work(*read(document, None, "2.2.1"))

    def theirs() -> None:
        for document in documents:
            orjson.loads(document)

    return ratio(ours, theirs)


def meter_values(number: int) -> bytes:
    """An OCPP 1.6 MeterValues call, as a three-phase AC charger sends it every minute."""
    at = datetime(2026, 3, 2, 13, 10, tzinfo=UTC) + timedelta(minutes=number)

    def value(measurand: str, unit: str, amount: str, **more: str) -> dict[str, str]:
        return {"value": amount, "context": "Sample.Periodic", "measurand": measurand, "unit": unit, **more}

    sampled = [
        value("Energy.Active.Import.Register", "Wh", str(5_000_000 + 120 * number), location="Outlet"),
        value("Power.Active.Import", "W", "7200.0", location="Outlet"),
        *(value("Current.Import", "A", "10.4", phase=phase) for phase in ("L1", "L2", "L3")),
    ]
    body = {
        "connectorId": 1,
        "transactionId": 4711,
        "meterValue": [{"timestamp": _stamp(at), "sampledValue": sampled}],
    }
    return orjson.dumps([2, f"m-{number}", "MeterValues", body])


def price_live() -> float:
    """Time to find the next price change for a sample, over ``orjson.loads`` of the message that carried it.

    Eight hours of samples, one a minute, under a tariff that also looks at energy and power.
    """
    tiers = [
        {
            "price_components": [{"type": "ENERGY", "price": 0.45, "vat": 19.0, "step_size": 1}],
            "restrictions": {"min_kwh": low, "max_kwh": low + 20, "max_power": 22},
        }
        for low in (20, 40, 60)
    ]
    (tariff,) = read_tariffs(orjson.dumps([{**TARIFF, "elements": tiers + TARIFF["elements"]}]))
    messages = [meter_values(number) for number in range(480)]
    samples = []
    for message in messages:
        (entry,) = orjson.loads(message)[3]["meterValue"]
        energy, power = (Decimal(v["value"]).scaleb(-3) for v in entry["sampledValue"][:2])
        samples.append(Sample(datetime.fromisoformat(entry["timestamp"]), energy, True, power))

    def ours() -> None:
        session = RunningSession([tariff], ZONE)
        for sample in samples:
            session.add(sample)

    def theirs() -> None:
        for message in messages:
            orjson.loads(message)

    return ratio(ours, theirs)


BENCHES: Final = [("price-cdr", 20.0, price_cdr), ("price-live", 10.0, price_live)]

if __name__ == "__main__":
    for name, bar, run in [*BENCHES, ("(checked)", 20.0, check_cdr), ("(with readings)", 20.0, readings_cdr)]:
        figure = run()
        print(f"{name} {figure:.2f} {bar:g} {'ok' if figure <= bar else 'short'}")  # noqa: T201
