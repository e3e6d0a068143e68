"""Objects of every canonical and every wire class, made by reflection over their fields.

``objects(cls)`` gives valid objects: every field filled (``full``), or any choice of fields. What a field may hold
follows from its type; :data:`VALUES` names what has to look like something (identifiers, times, phone numbers), and
:data:`WHOLE` the classes whose fields depend on each other. Values are weighted so that most objects can be mapped, with
awkward ones among them. ``objects(cls, wild=True)`` gives objects that only have the right types: texts, numbers and
lists of any size, for the law that nothing but a refusal may come of them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import attrs
from hypothesis import strategies as st

from bridge.codec.xml import LocalTime
from bridge.mapping.shape import FieldShape, is_shaped, shape
from bridge.model import cdr, common, ids, session, tariff, token
from bridge.model import location as c
from bridge.ochp import wire as ochp
from bridge.ocpi.wire import v211 as ocpi211
from bridge.ocpi.wire import v221 as ocpi
from bridge.oicp import wire as oicp
from tests.laws.difference import empty

Strategy = st.SearchStrategy[Any]


def often(common_: list[Any], rare: list[Any]) -> Strategy:
    """One of ``common_`` nine times out of ten, else one of ``rare``."""
    return st.sampled_from([*common_ * max(1, 9 * len(rare) // max(1, len(common_))), *rare])


def of(kind: Callable[[str], Any], strategy: Strategy) -> Strategy:
    """Texts as identifiers."""
    return strategy.map(kind)


def picked(*values: Any) -> Strategy:
    """One of the values."""
    return st.sampled_from(values)


# --- values ---------------------------------------------------------------------------------------------------------

NOON = datetime(2024, 3, 1, 11, 30, tzinfo=UTC)
MOMENTS = often([NOON + timedelta(days=d, seconds=s) for d, s in ((0, 0), (1, 61), (40, 7), (200, 3600))],
                [NOON.replace(microsecond=250_000), datetime(2030, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)])  # fmt: skip
SECONDS = picked(*(NOON + timedelta(days=d, seconds=s) for d, s in ((0, 0), (1, 61), (40, 7), (200, 3600))))
LOCALS = picked(*(LocalTime.fromisoformat(t) for t in (
    "2024-03-01T12:30:00+01:00", "2024-07-01T12:30:15+02:00", "2024-03-01T12:30:00+00:00", "2024-03-01T12:30:00-05:30")))  # fmt: skip
DAYS = picked(date(2024, 3, 1), date(2024, 12, 31))

WORDS = ("Parkhaus Süd", "Am Markt", "Charging at the station", "Ω & <sons>", "A", "Ladepunkt 3", "2nd floor, left")
LONG = "All work and no play makes Jack a dull boy. " * 150

COUNTRIES = picked("DEU", "CHE", "FRA", "NLD")
LANGUAGES = often(["de", "en", "fr"], ["nl", "de-CH", "deu", "x-any"])
ZONES = picked("Europe/Berlin", "Europe/London", "America/New_York")
EVSE_IDS = often(["DE*ABC*E1234*1", "DE*ABC*E5678", "DEABCE99", "CH*REP*E020*01*1"], ["de*abc*e77", "DE*ABCE1", "+49*536*12*1"])
OPERATORS = often(["DE*ABC", "DE*ABC", "CH*REP"], ["DEABC", "de*abc", "+49*536", "+49*5361"])
PROVIDERS = often(["DE-XYZ", "NL-TNM"], ["DEXYZ", "DE*XYZ"])
CONTRACTS = often(
    ["DE-8AA-CA2B3C4D5-L", "DE8AACA2B3C4D5L", "NL-TNM-C00122045-K"], ["DE-8AA-CA2B3C4D5", "DE*8AA*012204*5", "de-8aa-ca2b3c4d5-l"]
)
URLS = often(
    ["https://example.com/a.jpg", "http://example.com/b.png"], ["https://example.com/" + "x" * 300, "ftp://example.com/c", "example.com"]
)
PHONES = often(["+4930123456", "+41441234567"], ["+49 30 123456", "0049 30 123456", "030/123456", "call us"])
COUNTRY2 = picked("DE", "NL", "CH")
PARTY3 = picked("ABC", "8AA", "TNM")
CURRENCIES = picked("EUR", "CHF", "GBP")
GUIDS = often(["b2688855-7f00-0002-6d8e-48d883f6abb6", "3f1a0b8c-0001-4000-8000-0123456789ab"], ["S-17", "session 18"])
UIDS = often(["04A2B3C4D5E6F7", "04A2B3C4"], ["012345678", "04:a2:b3:c4", "CARD-1"])
CLOCKS = picked("06:00", "08:30", "12:00", "20:00", "23:59")
MONEY = often([Decimal(t) for t in ("0.35", "12.50", "1", "0")], [Decimal("0.123456"), Decimal("1234567.5")])
KWH = often([Decimal(t) for t in ("22.5", "7.125", "40", "0.5")], [Decimal("12.3456789"), Decimal(0)])
METERED = picked(Decimal("22.5"), Decimal("7.125"), Decimal(40))
HOURS = often([Decimal(t) for t in ("1.5", "0.25", "2")], [Decimal("0.0333333333")])
WATTS = often([Decimal(w) for w in (11000, 22000, 50000, 3000)], [Decimal(3680), Decimal("22080.5"), Decimal(2_000_000)])
SHARES = often([Decimal(20), Decimal(80)], [Decimal("33.3")])
DEGREES = often([Decimal("52.520008"), Decimal("7.5"), Decimal("-0.127758")], [Decimal("13.40495412"), Decimal(9)])
VOLTS = often([230, 400], [920])
AMPS = often([16, 32], [125])
FLOORS = often(["-2", "P3", "1"], ["Ground floor", "ug"])
POSTAL = often(["10115", "SW1A 1AA"], ["8001 zh", "12345678901"])

_VALUES: dict[Any, Strategy] = {
    # canonical, by name
    "country_code": COUNTRY2, "party_id": PARTY3, "language": LANGUAGES, "user_interface_languages": LANGUAGES,
    "currency": CURRENCIES, "time_zone": ZONES, "utc_offset": picked("UTC+01:00", "UTC-05:00"),
    "contract_id": CONTRACTS.map(ids.ContractId), "url": URLS, "website": URLS, "thumbnail": URLS, "terms_url": URLS, "alt_url": URLS,
    "help_phone": PHONES, "latitude": DEGREES, "longitude": DEGREES, "hub_session_id": GUIDS,
    "operator_session_id": GUIDS, "provider_session_id": GUIDS, "accepted_providers": PROVIDERS, "recipients": PROVIDERS,
    "kwh": KWH, "total_energy": KWH, "meter_start": KWH, "meter_end": KWH, "meter_between": KWH,
    "total_time": HOURS, "total_parking_time": HOURS, "max_voltage": VOLTS, "voltage": VOLTS, "nominal_voltage": VOLTS,
    "max_amperage": AMPS, "amperage": AMPS, "max_power": WATTS, "power": WATTS, "maximum_power": WATTS, "guaranteed_power": WATTS,
    "percentage": SHARES, "price": MONEY, "excl": MONEY, "incl": MONEY, "vat": often([Decimal(19), Decimal(7)], [Decimal("7.7")]),
    "weekday": st.integers(1, 7), "days": st.integers(1, 7), "floor": FLOORS, "postal_code": POSTAL,
    "start_time": CLOCKS, "end_time": CLOCKS, "duration": often(["001:30:00"], ["000:00:00"]),
    "utc_offset_minutes": picked(0, 60, 120, -300), "charging_duration_ms": picked(0, 1000, 5_400_000),
    "width": often([100, 640], [100_000]), "height": often([100, 480], [100_000]), "max_reservation_minutes": often([15, 60], [1500]),
    "group_id": often(["GROUP1"], ["G" * 50]), "authorization_reference": often(["REF-17"] * 3, ["R" * 50]), "product_id": picked("Standard Price"),
    "invoice_reference_id": often(["INV-1"], ["I" * 50]), "credit_reference_id": often(["CDR0"], ["C" * 50]), "pin": picked("1234", "99887766"), "nature": picked("Start", "End", "Intermediate"),
    # canonical, by class and name
    (common.Image, "url"): often([f"https://example.com/{i}.{end}" for i in range(8) for end in ("jpg", "png")],
                                 ["https://example.com/" + "x" * 300, "ftp://example.com/c", "example.com"]),
    (c.PowerLevel, "amperage"): often([10, 20, 24, 48], [125]), (c.PowerLevel, "voltage"): often([240, 500], [920]),
    (common.Image, "type"): often(["jpeg", "png"], ["tiff2", "webp"]),
    (c.Evse, "current"): often([c.CurrentKind.AC, c.CurrentKind.DC], [c.CurrentKind.DIESEL]),
    (c.ParkingSpot, "id"): often(["DE*ABC*P15", "DEABCP16"], ["spot 17"]),
    (c.ParkingSpot, "number"): often(["B25", "7"], ["number 7"]),
    (c.Place, "id"): often(["LOC 1", "LOC2", "DE*ABC*P17"], ["loc-3", "L" * 40]).map(ids.LocationId),
    (c.Evse, "parking_spot"): often(["7", "B25"], ["spot 17"]),
    (c.Evse, "physical_reference"): often(["7", "B25"], ["the one on the left side"]),
    (tariff.PriceComponent, "step"): often([Decimal(1), Decimal(60), Decimal(300)], [Decimal(1000)]),
    (tariff.Tariff, "max_power"): often([Decimal(22), Decimal(350)], []),
    (tariff.Restrictions, "max_power"): often([Decimal(22), Decimal(350)], []),
    (tariff.Restrictions, "min_power"): often([Decimal(11), Decimal(50)], []),
    (tariff.Restrictions, "min_current"): often([Decimal(6)], []),
    (tariff.Restrictions, "max_current"): often([Decimal(32)], []),
    (tariff.Restrictions, "min_kwh"): KWH, (tariff.Restrictions, "max_kwh"): KWH,
    (tariff.Restrictions, "min_duration"): picked(0, 600), (tariff.Restrictions, "max_duration"): picked(3600, 7200),
    (token.HashedPin, "value"): picked("$2b$10$abcdefghijklmnopqrstuv0123456789ABCDEFGHIJKLMNOPQRSTU"),
    (token.LegacyPin, "salt"): picked("a1b2c3d4e5f6"), (token.LegacyPin, "value"): picked("0123456789abcdef0123"),
    (cdr.Cdr, "id"): often(["CDR1", "DEABC0001"], ["cdr-0003", "C" * 40]).map(ids.CdrId),
    (cdr.Cdr, "meter_id"): often(["M17", "4711"], ["meter " * 5]),
    (session.Volume, "volume"): KWH,
    (cdr.CdrLine, "volume"): KWH, (cdr.CdrLine, "unit_price"): MONEY, (cdr.CdrLine, "cost"): MONEY,
    # canonical, by type
    ids.EvseId: of(ids.EvseId, EVSE_IDS), ids.OperatorId: of(ids.OperatorId, OPERATORS),
    ids.ProviderId: of(ids.ProviderId, PROVIDERS), ids.TokenUid: of(ids.TokenUid, UIDS),
    ids.SessionId: of(ids.SessionId, GUIDS), ids.EvseUid: of(ids.EvseUid, picked("1017", "DE*ABC*E1234*1", "evse-3")),
    ids.ConnectorId: of(ids.ConnectorId, picked("1", "2", "left")),
    ids.LocationId: of(ids.LocationId, picked("LOC1", "LOC2")),
    ids.TariffId: of(ids.TariffId, often(["DE*ABC*T1", "DEABCT22"], ["11", "tariff-two"])),
    datetime: MOMENTS, date: DAYS, LocalTime: LOCALS, bool: st.booleans(),
    int: often([1, 7, 100], [0]), Decimal: MONEY,
}  # fmt: skip

_OCPI: dict[Any, Strategy] = {
    "country_code": COUNTRY2, "party_id": PARTY3, "language": picked("de", "en", "fr"), "country": COUNTRIES,
    "latitude": picked("52.52000", "-7.1234567"), "longitude": picked("13.404954", "-0.1277580"), "url": picked("https://example.com/a.jpg"),
    "website": picked("https://example.com"), "thumbnail": picked("https://example.com/t.jpg"),
    "terms_and_conditions": picked("https://example.com/terms"), "tariff_alt_url": picked("https://example.com/tariff"),
    "time_zone": ZONES, "currency": CURRENCIES, "weekday": st.integers(1, 7), "postal_code": picked("10115", "SW1A 1AA"),
    "evse_id": picked("DE*ABC*E1234*1", "DEABCE99", "NL*TNM*E1"), "contract_id": picked("DE8AACA2B3C4D5L", "DE-8AA-CA2B3C4D5-L"),
    "max_voltage": VOLTS, "max_amperage": AMPS, "max_electric_power": picked(11000, 50000, 3680),
    "percentage": SHARES, "start_time": CLOCKS, "end_time": CLOCKS, "start_date": picked("2024-03-01"), "end_date": picked("2024-12-31"),
    "step_size": picked(1, 60, 300), "vat": picked(Decimal(19), Decimal("7.7")), "incl_vat": MONEY, "excl_vat": MONEY,
    "total_energy": KWH, "kwh": KWH, "total_time": HOURS, "total_parking_time": HOURS,
    "apds_reference": picked("apds:17"), (ocpi.Image, "type"): picked("jpeg", "png"), (ocpi.CdrDimension, "volume"): KWH,
    (ocpi.Tariff, "id"): picked("11", "DE*ABC*T1"), (ocpi.SignedValue, "nature"): picked("Start", "End", "Intermediate"),
    (ocpi.Location, "address"): often(["Am Markt 1", "Hauptstrasse 12 a"], ["Am Markt", "Parkhaus Süd"]),
    (ocpi.Token, "uid"): UIDS, (ocpi.CdrToken, "uid"): UIDS,
    **{(cls, "latitude"): picked("52.520000", "-7.123456") for cls in (ocpi211.GeoLocation, ocpi211.AdditionalGeoLocation)},
    **{(cls, "longitude"): picked("13.404954", "-0.127758") for cls in (ocpi211.GeoLocation, ocpi211.AdditionalGeoLocation)},
    "auth_id": picked("DE8AACA2B3C4D5L", "DE-8AA-CA2B3C4D5-L", "CARD-1"), "voltage": VOLTS, "amperage": AMPS,
    (ocpi211.Tariff, "id"): picked("11", "DE*ABC*T1"), (ocpi211.CdrDimension, "volume"): KWH, (ocpi211.Token, "uid"): UIDS,
    (ocpi211.Location, "address"): often(["Am Markt 1", "Hauptstrasse 12 a"], ["Am Markt", "Parkhaus Süd"]),
    datetime: MOMENTS, bool: st.booleans(), int: picked(1, 7, 100), Decimal: MONEY,
}  # fmt: skip

_OICP: dict[Any, Strategy] = {
    "EvseID": picked("DE*ABC*E1234*1", "DEABCE99", "+49*536*12*1"), "OperatorID": picked("DE*ABC", "CHREP", "+49*536"),
    "HubOperatorID": picked("DE*HUB"), "HubProviderID": picked("DE-HUB", "DEHUB"), "ProviderID": picked("DE-XYZ", "NLTNM"),
    "EvcoID": picked("DE-8AA-CA2B3C4D5-L", "DE*8AA*012204*5", "NLTNMC00122045K"), "UID": picked("04A2B3C4D5E6F7", "04A2B3C4"),
    "ChargingPoolID": picked("DE*ABC*P1234*TEST", "DEABCP12"), "SessionID": picked("b2688855-7f00-0002-6d8e-48d883f6abb6"),
    "CPOPartnerSessionID": picked("1234XYZ"), "EMPPartnerSessionID": picked("2345ABC"),
    "lang": picked("de", "en", "de-CH"), "Country": COUNTRIES, "HouseNum": picked("1", "12a", "7-9"), "PostalCode": picked("10115"),
    "TimeZone": picked("UTC+01:00", "UTC-05:00"), "Coordinates": picked("52.520008 13.404954", "47.5,-8.25"),
    "Latitude": picked("52.520008", "-7.5"), "Longitude": picked("13.404954", "-0.127758"), "Voltage": picked(230, 400),
    "Amperage": picked(16, 32), "Power": picked(Decimal(11), Decimal(50), Decimal(22)), "HotlinePhoneNumber": picked("+4930123456"),
    "begin": picked("06:00", "00:00"), "end": picked("20:00", "23:59", "24:00"), "MaxCapacity": picked(50, 100),
    "Percentage": st.integers(0, 100), "ChargingStationImage": picked("https://example.com/a.jpg"),
    "ProductPriceCurrency": CURRENCIES, "PricingDefaultPriceCurrency": CURRENCIES, "PIN": picked("1234"),
    "MaximumProductChargingPower": picked(Decimal(22), Decimal(350)), "meterValues": METERED,
    "MeterValueStart": METERED, "MeterValueEnd": METERED, "ConsumedEnergy": METERED, "ConsumedEnergyProgress": METERED, "EvseIDProductList": picked("Standard Price"),
    (oicp.HashedPIN, "Value"): picked("$2b$10$abcdefghijklmnopqrstuv0123456789ABCDEFGHIJKLMNOPQRSTU"),
    (oicp.LegacyHashData, "Salt"): picked("a1b2c3d4e5f6"), (oicp.LegacyHashData, "Value"): picked("0123456789abcdef0123"),
    (oicp.ProductAvailabilityTimes, "on"): st.sampled_from(oicp.DayOfWeek),
    datetime: MOMENTS, bool: st.booleans(), int: picked(1, 7), Decimal: MONEY,
}  # fmt: skip

_OCHP: dict[Any, Strategy] = {
    "evseId": picked("DE*ABC*E1234*1", "DEABCE99", "CH*REP*E020*01*1"), "locationId": picked("LOC 1", "DEABC17"),
    "locationNameLang": picked("DEU", "ENG"), "userInterfaceLang": picked("DEU", "ENG", "GSW"), "country": COUNTRIES,
    "lat": picked("52.520008", "-7.500000"), "lon": picked("13.404954", "-0.127758"), "timeZone": ZONES,
    "telephoneNumber": picked("+49 30 123456", "+4930123456"), "houseNumber": picked("1", "12A", "7-9"),
    "zipCode": picked("10115", "SW1A 1AA"), "address": picked("Am Markt", "Hauptstrasse 12"), "periodBegin": picked("06:00", "00:00"), "periodEnd": picked("20:00", "24:00"),
    "weekday": st.integers(1, 7), "parkingId": picked("DE*ABC*P15", "DEABCP16"), "floorLevel": picked("-2", "P3"),
    "parkingSpotNumber": picked("B25", "7"), "tariffId": picked("DE*ABC*T1", "DEABCT22"), "uri": picked("https://example.com/a.jpg"),
    "thumbUri": picked("https://example.com/t.jpg"), "maximumPower": picked(Decimal(11), Decimal("22.08")),
    "guaranteedPower": picked(Decimal("3.7")), "nominalVoltage": picked(230, 400), "maxReservation": picked(15, 60),
    "contractId": picked("DE-8AA-CA2B3C4D5-L", "DE8AACA2B3C4D5"), "CdrId": picked("CDR1", "DEABC0001"), "duration": picked("001:30:00"),
    "currency": CURRENCIES, "recipient": picked("DEXYZ", "NLTNM"), "billingValue": KWH, "taxrate": picked(19, 7),
    "stepSize": picked(Decimal(1), Decimal("0.5")), "meterId": picked("M17"), "width": picked(100), "height": picked(100),
    "minDuration": picked(0, 600), "maxDuration": picked(3600), "startDateTime": SECONDS, "endDateTime": SECONDS,
    "minEnergy": KWH, "maxEnergy": KWH, "minPower": picked(Decimal(11)), "maxPower": picked(Decimal(50)),
    (ochp.Image, "type"): picked("jpeg", "png"), (ochp.EmtId, "instance"): picked("04A2B3C4D5E6F7", "04A2B3C4"),
    (ochp.ExceptionalPeriod, "periodBegin"): SECONDS, (ochp.ExceptionalPeriod, "periodEnd"): SECONDS,
    (ochp.CDRInfo, "startDateTime"): LOCALS, (ochp.CDRInfo, "endDateTime"): LOCALS,
    (ochp.CdrPeriod, "startDateTime"): LOCALS, (ochp.CdrPeriod, "endDateTime"): LOCALS,
    datetime: SECONDS, LocalTime: LOCALS, bool: st.booleans(), int: picked(1, 7), Decimal: MONEY,
}  # fmt: skip

VALUES: dict[str, dict[Any, Strategy]] = {"model": _VALUES, "ocpi": _OCPI, "oicp": _OICP, "ochp": _OCHP}
"""What fields hold, by (class, name), by name, by type: per family of classes (the second part of the module's name)."""

ALWAYS: set[Any] = {"address", "place", (ochp.Image, "class_"), (ochp.Image, "type")}
"""Fields that are always there in valid objects, by name or by class and name, though their class has a default."""


def _family(cls: type) -> str:
    return cls.__module__.split(".")[1]


# --- classes whose fields depend on each other ------------------------------------------------------------------------


@st.composite
def _address(draw: st.DrawFn, full: bool) -> c.Address:
    """Street and house number, or one line: never both, never one without the other."""
    split = draw(picked(True, True, True, False))
    country, state = draw(COUNTRIES), draw(picked("Berlin", None))
    return c.Address(
        street=draw(often(["Am Markt", "Hauptstrasse", "Chaussée d'Ixelles"], ["S" * 60])) if split else None,
        house_number=draw(often(["1", "12A", "7-9"], ["12 a", "12345678", "Haus 3"])) if split else None,
        line=None if split else draw(picked("Am Markt 1", "Parkhaus Süd", "Am  Markt  2")),
        city=draw(picked("Berlin", "Zürich")), postal_code=draw(POSTAL) if full or draw(often([True], [False])) else None,
        state=state, country=country)  # fmt: skip


@st.composite
def _hours(draw: st.DrawFn, full: bool) -> c.Hours:
    """Around the clock, or regular hours, or neither told; the spans of a day apart from each other."""
    always = draw(picked(True, False, False, None))
    spans: list[c.RegularHours] = []
    if not always:
        for day in draw(st.lists(st.integers(1, 7), min_size=int(full), max_size=4, unique=True)):
            spans += draw(picked([c.RegularHours(day, "08:00", "20:00")], [c.RegularHours(day, "00:00", "24:00")],
                                 [c.RegularHours(day, "08:00", "12:00"), c.RegularHours(day, "13:30", "18:00")]))  # fmt: skip
    some = st.lists(_period(c.ExceptionalPeriod), min_size=int(full), max_size=2).map(tuple)
    return c.Hours(always, tuple(spans), draw(some), draw(some))


@st.composite
def _period(draw: st.DrawFn, cls: Any) -> Any:
    begin = draw(MOMENTS)
    return cls(begin, begin + timedelta(hours=draw(st.integers(1, 48))))


CONNECTORS = often(
    [(c.Plug.T2, c.PlugFormat.SOCKET, c.PowerType.AC_3_PHASE), (c.Plug.T2, c.PlugFormat.CABLE, c.PowerType.AC_1_PHASE),
     (c.Plug.T2_COMBO, c.PlugFormat.CABLE, c.PowerType.DC), (c.Plug.CHADEMO, c.PlugFormat.CABLE, c.PowerType.DC),
     (c.Plug.DOMESTIC_F, c.PlugFormat.SOCKET, c.PowerType.AC_1_PHASE)],
    [(c.Plug.TESLA, c.PlugFormat.CABLE, c.PowerType.DC), (c.Plug.NACS, c.PlugFormat.CABLE, c.PowerType.DC),
     (c.Plug.T3, c.PlugFormat.SOCKET, c.PowerType.AC_2_PHASE), (c.Plug.H2, c.PlugFormat.NOZZLE, None),
     (c.Plug.T2, c.PlugFormat.SOCKET, None)])  # fmt: skip


@st.composite
def _connector(draw: st.DrawFn, full: bool) -> c.Connector:
    """A plug with a format it comes in and a current it carries."""
    plug, format_, kind = draw(CONNECTORS)
    made = draw(_fields(c.Connector, full))
    if kind is None:
        made = attrs.evolve(made, max_voltage=None, max_amperage=None, max_power=draw(picked(None, Decimal(22000))))
    return attrs.evolve(made, plug=plug, format=format_, power_type=kind)


@st.composite
def _evse(draw: st.DrawFn, full: bool) -> c.Evse:
    """One that has an id, and connectors."""
    made = draw(_fields(c.Evse, full))
    status = draw(often([s for s in c.Status if s is not c.Status.REMOVED], [None]))
    powers = draw(picked(True, False, False))  # facilities of the EVSE and powers of the connectors seldom come together
    return attrs.evolve(
        made, id=made.id or draw(_VALUES[ids.EvseId]), status=status,
        connectors=made.connectors or (draw(objects(c.Connector, full=full)),),
        power_levels=made.power_levels if powers else (),
        capabilities=tuple(dict.fromkeys((*made.capabilities, *draw(often([(c.Capability.RFID_CLASSIC,)], [()]))))),
)  # fmt: skip


@st.composite
def _status(draw: st.DrawFn, full: bool) -> c.EvseStatus:
    """One that names its EVSE."""
    made = draw(_fields(c.EvseStatus, full))
    return attrs.evolve(made, evse_id=made.evse_id or draw(_VALUES[ids.EvseId]))


@st.composite
def _place(draw: st.DrawFn, full: bool) -> c.Place:
    """One with name, address and coordinates, which every protocol demands; hidden ones are rare."""
    made = draw(_fields(c.Place, full))
    mix = made.energy_mix or draw(often([common.EnergyMix(True), common.EnergyMix(False)], [None]))
    return attrs.evolve(made, energy_mix=mix, hours=made.hours or draw(often([c.Hours(True)], [None])),
                        help_phone=made.help_phone or "+4930123456", address=draw(_address(full)), coordinates=made.coordinates or c.GeoPoint(*draw(st.tuples(DEGREES, DEGREES))),
                        names=made.names or (common.Text("Am Markt", "de"),), time_zone=made.time_zone or draw(ZONES),
                        publish=draw(often([True, None], [False])))  # fmt: skip


KINDS_OF_TOKENS = often([token.TokenKind.RFID] * 4 + [token.TokenKind.REMOTE, token.TokenKind.PLUG_AND_CHARGE, token.TokenKind.APP_USER],
                        [token.TokenKind.OTHER, token.TokenKind.QR_CODE])  # fmt: skip


@st.composite
def _token(draw: st.DrawFn, cls: Any, full: bool) -> Any:
    """A card that is told as it is, mostly; hashed ones, invalid ones and such as nobody may keep are rare."""
    made = draw(_fields(cls, full))
    made = attrs.evolve(made, uid=made.uid or draw(_VALUES[ids.TokenUid]), kind=draw(KINDS_OF_TOKENS), hashed=draw(often([None], [token.UidHash.SHA_256])),
                        contract_id=made.contract_id or ids.ContractId("DE-8AA-CA2B3C4D5-L"))  # fmt: skip
    if cls is token.Token:
        whitelist = draw(often([token.Whitelist.ALWAYS, token.Whitelist.ALLOWED, None], [token.Whitelist.NEVER]))
        made = attrs.evolve(made, valid=draw(often([True, None], [False])), whitelist=whitelist)
    return made


@st.composite
def _restrictions(draw: st.DrawFn, full: bool) -> tariff.Restrictions:
    """Hours and days, mostly; the rest, of which each protocol can say a part only, is rare."""
    begin, end = draw(picked(("08:00", "20:00"), ("22:00", "06:00"), (None, None)))
    made = tariff.Restrictions(start_time=begin, end_time=end, days=draw(picked((), (6, 7), (1, 2, 3, 4, 5))))
    for change in draw(st.lists(picked(
        {"min_duration": 600}, {"max_kwh": Decimal(20)}, {"max_power": Decimal(22)}, {"start_date": date(2024, 3, 1)},
        {"end": NOON + timedelta(days=90)}, {"min_current": Decimal(6)}, {"reservation": tariff.ReservationKind.RESERVATION},
        {"windows": (c.RegularHours(1, "08:00", "12:00"), c.RegularHours(1, "13:00", "18:00"), c.RegularHours(2, "08:00", "24:00")),
         "start_time": None, "end_time": None, "days": ()},
    ), max_size=1)):  # fmt: skip
        made = attrs.evolve(made, **change)
    return tariff.Restrictions(days=(6, 7)) if made == tariff.Restrictions() else made


@st.composite
def _element(draw: st.DrawFn, full: bool) -> tariff.TariffElement:
    """Prices of different things, under restrictions or always."""
    kinds = draw(st.lists(often([tariff.Dimension.ENERGY, tariff.Dimension.FLAT, tariff.Dimension.PARKING_TIME, tariff.Dimension.TIME],
                                [tariff.Dimension.POWER]), min_size=1, max_size=2, unique=True))  # fmt: skip
    prices = tuple(attrs.evolve(draw(_fields(tariff.PriceComponent, full)), dimension=kind) for kind in kinds)
    return tariff.TariffElement(prices, draw(st.one_of(st.none(), st.none(), _restrictions(full))))


@st.composite
def _tariff(draw: st.DrawFn, full: bool) -> tariff.Tariff:
    """Net prices without limits, mostly."""
    made = draw(_fields(tariff.Tariff, full))
    least = draw(often([None], [tariff.PriceLimit(Decimal(1)), tariff.PriceLimit(Decimal("0.5"), Decimal("0.6"))]))
    made = attrs.evolve(made, elements=draw(st.lists(_element(full), min_size=1, max_size=2).map(tuple)), min_price=least,
                        max_price=draw(picked(None, None, None, tariff.PriceLimit(Decimal(50)), tariff.PriceLimit(Decimal(50), Decimal(60)))),
                        tax_included=draw(often([tariff.TaxIncluded.NO, None], [tariff.TaxIncluded.YES])))  # fmt: skip
    later = NOON + timedelta(days=200)  # the laws' present lies between
    return attrs.evolve(made, valid_from=made.valid_from and draw(often([NOON], [later])),
                        valid_until=made.valid_until and draw(often([later], [NOON])))  # fmt: skip


@st.composite
def _price(draw: st.DrawFn, full: bool) -> common.Price:
    """A net amount, with the gross one or without."""
    net = draw(MONEY)
    return common.Price(net, net + 1 if full or draw(st.booleans()) else None, draw(often([()], [(common.TaxAmount("VAT", Decimal(1)),)])))


@st.composite
def _session(draw: st.DrawFn, full: bool) -> session.Session:
    """One that has begun: its times in order."""
    made = draw(_fields(session.Session, full))
    return attrs.evolve(made, start=NOON, charging_start=made.charging_start and NOON + timedelta(minutes=1),
                        charging_end=made.charging_end and NOON + timedelta(hours=1), end=made.end and NOON + timedelta(hours=2),
                        token=made.token or draw(objects(token.SessionToken, full=full)), kwh=draw(KWH),
                        hub_session_id=made.hub_session_id or draw(GUIDS), evse_id=made.evse_id or draw(_VALUES[ids.EvseId]),
                        status=made.status or session.SessionStatus.ACTIVE, party=made.party or ids.PartyId("DE", "ABC"))  # fmt: skip


@st.composite
def _cdr_place(draw: st.DrawFn, full: bool) -> cdr.CdrPlace:
    """An EVSE and a connector that carries what it is said to."""
    made = draw(_fields(cdr.CdrPlace, full))
    plug, format_, kind = draw(CONNECTORS)
    current = None if kind is None else c.CurrentKind.DC if kind is c.PowerType.DC else c.CurrentKind.AC
    return attrs.evolve(made, id=made.id or ids.LocationId("LOC1"), evse_id=made.evse_id or draw(_VALUES[ids.EvseId]), plug=plug, format=format_, power_type=kind,
                        current=draw(picked(current, None)))  # fmt: skip


@st.composite
def _line(draw: st.DrawFn, full: bool) -> cdr.CdrLine:
    """A line that comes out even."""
    item = draw(often([cdr.BillingItem.ENERGY, cdr.BillingItem.PARKING_TIME, cdr.BillingItem.SERVICE_FEE, cdr.BillingItem.USAGE_TIME],
                      [cdr.BillingItem.VOLUME, cdr.BillingItem.RESERVATION]))  # fmt: skip
    volume, price = draw(KWH), draw(MONEY)
    return cdr.CdrLine(NOON, NOON + timedelta(hours=2), item, volume, price, volume * price if full or draw(st.booleans()) else None,
                       draw(often([None, Decimal(19)], [Decimal("7.7")])))  # fmt: skip


@st.composite
def _cdr(draw: st.DrawFn, full: bool) -> cdr.Cdr:
    """A finished session with its times in order; corrections are rare."""
    made = draw(_fields(cdr.Cdr, full))
    credit = draw(often([None, False], [True]))
    tariffs = tuple(attrs.evolve(one, party=one.party or ids.PartyId("DE", "ABC"), tax_included=one.tax_included or tariff.TaxIncluded.NO)
                    for one in made.tariffs)  # fmt: skip
    return attrs.evolve(made, id=made.id or ids.CdrId("CDR1"), auth_method=made.auth_method or session.AuthMethod.COMMAND, tariffs=tariffs, start=NOON, end=NOON + timedelta(hours=2), credit=credit,
                        charging_start=made.charging_start and NOON + timedelta(minutes=1),
                        charging_end=made.charging_end and NOON + timedelta(hours=1), place=draw(_cdr_place(full)),
                        token=draw(_token(token.SessionToken, full)), total_energy=draw(KWH), currency=made.currency or "EUR",
                        hub_session_id=made.hub_session_id or draw(GUIDS), total_cost=made.total_cost or draw(_price(full)))  # fmt: skip


NOTIFIED = {
    oicp.ChargingNotificationType.START: ("ChargingStart", "SessionStart", "MeterValueStart", "PartnerProductID"),
    oicp.ChargingNotificationType.PROGRESS: (
        "ChargingStart", "EventOccurred", "ChargingDuration", "SessionStart", "ConsumedEnergyProgress", "MeterValueStart",
        "MeterValueInBetween", "PartnerProductID"),
    oicp.ChargingNotificationType.END: (
        "ChargingStart", "ChargingEnd", "SessionStart", "SessionEnd", "ConsumedEnergy", "MeterValueStart", "MeterValueEnd",
        "MeterValueInBetween", "PartnerProductID", "PenaltyTimeStart"),
    oicp.ChargingNotificationType.ERROR: ("ErrorType", "ErrorAdditionalInfo"),
}  # fmt: skip
"""Which fields each of the four notifications has besides those that all have (OICP 2.3, eRoamingChargingNotifications)."""

_ALL_NOTIFIED = ("Type", "SessionID", "CPOPartnerSessionID", "EMPPartnerSessionID", "Identification", "EvseID", "OperatorID")
_MUST_NOTIFY = {"ChargingStart", "EventOccurred", "ChargingEnd", "ErrorType"}


@st.composite
def _oicp_notification(draw: st.DrawFn, full: bool) -> oicp.ChargingNotification:
    """One of four notifications, with its own fields only."""
    whole: Any = draw(_fields(oicp.ChargingNotification, True))
    own = NOTIFIED[whole.Type]
    keep = {*_ALL_NOTIFIED[:2], "EvseID", "OperatorID", *(_MUST_NOTIFY & set(own))}
    keep |= {name for name in (*own, *_ALL_NOTIFIED) if full or draw(st.booleans())}
    return oicp.ChargingNotification(**{name: getattr(whole, name) for name in shape(oicp.ChargingNotification) if name in keep})


@st.composite
def _oicp_product(draw: st.DrawFn, full: bool) -> oicp.PricingProductDataRecord:
    """Valid always, or at the times told; each fee once, in a unit that it can have."""
    made: Any = draw(_fields(oicp.PricingProductDataRecord, full))
    times: dict[Any, Any] = {}
    if not made.IsValid24hours:
        day = draw(picked(oicp.DayOfWeek.MONDAY, oicp.DayOfWeek.SUNDAY, oicp.DayOfWeek.EVERYDAY, oicp.DayOfWeek.WORKDAYS))
        begin, end = draw(picked(("06:00", "20:00"), ("00:00", "12:00")))
        times[day] = oicp.ProductAvailabilityTimes(Period=(oicp.Period(begin=begin, end=end),), on=day)
    made.ProductAvailabilityTimes = tuple(times.values())
    fees: dict[Any, Any] = {}
    for kind in draw(st.lists(st.sampled_from(oicp.AdditionalReference), max_size=3, unique=True)):
        fees[kind] = oicp.AdditionalReferences(AdditionalReference=kind, AdditionalReferenceUnit=oicp.ReferenceUnit.HOUR,
                                               PricePerAdditionalReferenceUnit=draw(MONEY))  # fmt: skip
    made.AdditionalReferences = tuple(fees.values()) or None
    return made  # type: ignore[no-any-return]


@st.composite
def _oicp_signed(draw: st.DrawFn, full: bool) -> oicp.SignedMeteringValue:
    """A value, with the moment it is of or without."""
    made: Any = draw(_fields(oicp.SignedMeteringValue, full))
    made.SignedMeteringValue = made.SignedMeteringValue or "AP;0;3;ALCV3ABB"
    return made  # type: ignore[no-any-return]


@st.composite
def _oicp_record(draw: st.DrawFn, full: bool) -> oicp.EvseDataRecord:
    """Open around the clock, or at the times told; services or the word that there are none."""
    made: Any = draw(_fields(oicp.EvseDataRecord, full))
    services = made.ValueAddedServices or ()
    made.ValueAddedServices = tuple(dict.fromkeys(s for s in services if s is not oicp.ValueAddedService.NO_SERVICE)) or (
        oicp.ValueAddedService.NO_SERVICE,)  # fmt: skip
    if made.IsOpen24Hours:
        made.OpeningTimes = None
    return made  # type: ignore[no-any-return]


@st.composite
def _oicp_point(draw: st.DrawFn, full: bool) -> oicp.GeoCoordinates:
    """Exactly one of the three spellings."""
    how = draw(picked("Google", "Google", "DecimalDegree", "DegreeMinuteSeconds"))
    if how == "DegreeMinuteSeconds":
        point: Any = oicp.GeoCoordinatesDegreeMinuteSeconds(Latitude="52°31'12.0''", Longitude="-0°7'39.9''")
    else:
        point = draw(objects(shape(oicp.GeoCoordinates)[how].type))
    return oicp.GeoCoordinates(**{how: point})


@st.composite
def _oicp_identification(draw: st.DrawFn, full: bool) -> oicp.Identification:
    """Exactly one kind of identification."""
    one = draw(st.sampled_from(list(shape(oicp.Identification).values())))
    return oicp.Identification(**{one.name: draw(objects(one.type, full=full))})


@st.composite
def _oicp_impact(draw: st.DrawFn, full: bool) -> oicp.EnvironmentalImpact:
    """At least one of the two."""
    carbon = draw(picked(Decimal("120.5"), None))
    return oicp.EnvironmentalImpact(CO2Emission=carbon, NuclearWaste=Decimal("0.1") if full or carbon is None else None)


@st.composite
def _oicp_source(draw: st.DrawFn, full: bool) -> oicp.EnergySource:
    """A source, with its share or without."""
    made: Any = draw(_fields(oicp.EnergySource, full))
    made.Energy = made.Energy or oicp.EnergyType.SOLAR
    return made  # type: ignore[no-any-return]


@st.composite
def _ocpi_hours(draw: st.DrawFn, full: bool) -> ocpi.Hours:
    """Around the clock, or at the times told."""
    made: Any = draw(_fields(ocpi.Hours, True))
    if made.twentyfourseven:
        made.regular_hours = None
    return made  # type: ignore[no-any-return]


@st.composite
def _ocpi211_hours(draw: st.DrawFn, full: bool) -> ocpi211.Hours:
    """The flag, regular hours, or both."""
    made: Any = draw(_fields(ocpi211.Hours, True))
    if made.twentyfourseven:
        made.regular_hours = None
    elif draw(st.booleans()):
        made.twentyfourseven = None
    return made  # type: ignore[no-any-return]


@st.composite
def _ocpi211_location(draw: st.DrawFn, full: bool) -> ocpi211.Location:
    """One of a session or CDR: with its one EVSE and connector, mostly."""
    made: Any = draw(_fields(ocpi211.Location, full))
    if made.evses and draw(often([True], [False])):
        made.evses = made.evses[:1]
        made.evses[0].connectors = made.evses[0].connectors[:1]
    return made  # type: ignore[no-any-return]


@st.composite
def _ocpi211_record(draw: st.DrawFn, cls: Any, full: bool) -> Any:
    """A session or CDR at a place."""
    made: Any = draw(_fields(cls, full))
    made.location = draw(_ocpi211_location(full))
    return made


@st.composite
def _ocpi_regular(draw: st.DrawFn, full: bool) -> ocpi.RegularHours:
    begin, end = draw(picked(("08:00", "20:00"), ("00:00", "23:59"), ("08:00", "12:00")))
    return ocpi.RegularHours(weekday=draw(st.integers(1, 7)), period_begin=begin, period_end=end)


@st.composite
def _ochp_hours(draw: st.DrawFn, full: bool) -> ochp.Hours:
    """Regular hours or the flag, never both."""
    made: Any = draw(_fields(ochp.Hours, True))
    if draw(st.booleans()):
        made.regularHours = None
    else:
        made.twentyfourseven = None
    return made  # type: ignore[no-any-return]


@st.composite
def _ochp_authorisation(draw: st.DrawFn, full: bool) -> ochp.RoamingAuthorisationInfo:
    """A card or a car: remote tokens must not be uploaded (OCHP 1.4, RoamingAuthorisationInfo)."""
    made: Any = draw(_fields(ochp.RoamingAuthorisationInfo, full))
    if made.EmtId.tokenType is ochp.TokenType.REMOTE:
        made.EmtId.tokenType = ochp.TokenType.ISO15118
    return made  # type: ignore[no-any-return]


LIVE = (
    (ochp.Major.AVAILABLE, ochp.Minor.AVAILABLE), (ochp.Major.AVAILABLE, ochp.Minor.RESERVED), (ochp.Major.NOT_AVAILABLE, ochp.Minor.CHARGING),
    (ochp.Major.NOT_AVAILABLE, ochp.Minor.BLOCKED), (ochp.Major.NOT_AVAILABLE, ochp.Minor.RESERVED),
    (ochp.Major.NOT_AVAILABLE, ochp.Minor.OUTOFORDER), (ochp.Major.NOT_AVAILABLE, None), (ochp.Major.UNKNOWN, None), (ochp.Major.AVAILABLE, None),
)  # fmt: skip


@st.composite
def _ochp_status(draw: st.DrawFn, full: bool) -> ochp.EvseStatus:
    """A live status; the static one has an element of its own, and no live one beside it."""
    major, minor = draw(picked(*LIVE))
    return ochp.EvseStatus(major=major, minor=minor, ttl=draw(picked(None, NOON)), evseId=draw(_OCHP["evseId"]))


WHOLE: dict[type, Callable[[bool], Strategy]] = {
    c.Address: _address, c.Hours: _hours, c.Connector: _connector, c.Evse: _evse, c.Place: _place, c.EvseStatus: _status,
    c.ExceptionalPeriod: lambda full: _period(c.ExceptionalPeriod),
    c.RegularHours: lambda full: st.builds(lambda day, span: c.RegularHours(day, *span), st.integers(1, 7),
                                           picked(("08:00", "20:00"), ("00:00", "24:00"))),
    oicp.EvseDataRecord: _oicp_record, oicp.GeoCoordinates: _oicp_point, oicp.Identification: _oicp_identification,
    oicp.EnvironmentalImpact: _oicp_impact, oicp.EnergySource: _oicp_source,
    token.Token: lambda full: _token(token.Token, full), token.SessionToken: lambda full: _token(token.SessionToken, full),
    tariff.Restrictions: _restrictions, tariff.TariffElement: _element, tariff.Tariff: _tariff, common.Price: _price,
    session.Session: _session, cdr.Cdr: _cdr, cdr.CdrPlace: _cdr_place, cdr.CdrLine: _line,
    oicp.ChargingNotification: _oicp_notification, oicp.PricingProductDataRecord: _oicp_product, oicp.SignedMeteringValue: _oicp_signed,
    ocpi211.Hours: _ocpi211_hours, ocpi211.Session: lambda full: _ocpi211_record(ocpi211.Session, full),
    ocpi211.CDR: lambda full: _ocpi211_record(ocpi211.CDR, full),
    ocpi.Hours: _ocpi_hours, ocpi.RegularHours: _ocpi_regular, ochp.Hours: _ochp_hours, ochp.EvseStatus: _ochp_status,
    ochp.RoamingAuthorisationInfo: _ochp_authorisation,
}  # fmt: skip
"""Strategies of classes whose fields depend on each other."""


UNIQUE: dict[Any, Callable[[Any], Any]] = {
    ochp.RegularHours: lambda hours: hours.weekday, ocpi.RegularHours: lambda hours: hours.weekday, oicp.OpeningTimes: lambda times: times.on,
    session.Volume: lambda volume: volume.dimension, ocpi.CdrDimension: lambda volume: volume.type,
    tariff.PriceComponent: lambda price: price.dimension, ocpi.PriceComponent: lambda price: price.type,
    common.Image: lambda image: image.url,
    ocpi211.CdrDimension: lambda volume: volume.type, ocpi211.PriceComponent: lambda price: price.type,
    ocpi211.EnvironmentalImpact: lambda impact: impact.source,
    common.Impact: lambda impact: impact.kind, ocpi.EnvironmentalImpact: lambda impact: impact.category,
}  # fmt: skip
"""By what the items of a list have to differ in valid objects."""


# --- by reflection --------------------------------------------------------------------------------------------------


@cache
def objects(cls: Any, *, full: bool = False, wild: bool = False) -> Strategy:
    """Objects of ``cls``."""
    if wild:
        return _fields(cls, full, True)
    return WHOLE[cls](full) if cls in WHOLE else _fields(cls, full)


@cache
def _plan(cls: Any, full: bool, wild: bool) -> tuple[tuple[str, Strategy, bool, Any], ...]:
    """Per field: its name, its values, whether it is always there, and what it is where it is not."""
    made = []
    for one in shape(cls).values():
        if one.name == "extra":
            continue
        must = (one.required if not wild else one.default is _missing()) or (not wild and bool(ALWAYS & {one.name, (cls, one.name)}))
        default = () if one.many and not one.optional else None if one.default is _missing() else one.default
        made.append((one.name, _values(cls, one, full, wild), must, default))
    return tuple(made)


def _missing() -> Any:
    from bridge.mapping.shape import MISSING

    return MISSING


@st.composite
def _fields(draw: st.DrawFn, cls: Any, full: bool, wild: bool = False) -> Any:
    plan = _plan(cls, full, wild)
    chosen = -1 if full else draw(_choices(len(plan)))
    given = {name: draw(values) if must or chosen >> i & 1 else default for i, (name, values, must, default) in enumerate(plan)}
    made = cls(**given)
    if empty(made) and not wild:  # an object that says nothing is no valid part of another
        return draw(_fields(cls, True))
    return made


@cache
def _choices(size: int) -> Strategy:
    """Which of ``size`` fields are there, as bits: all, none, or seven of eight."""
    count = (size + 7) // 8
    some = st.binary(min_size=count, max_size=count).map(lambda b: int.from_bytes(b, "big"))
    most = st.builds(lambda *masks: masks[0] | masks[1] | masks[2], some, some, some)
    return st.one_of(most, most, most, most, most, st.just(-1), st.just(0))


def _values(cls: Any, one: FieldShape, full: bool, wild: bool) -> Strategy:
    item = _wild(cls, one, full) if wild else _item(cls, one, full)
    if not one.many:
        return item
    enum = isinstance(one.type, type) and issubclass(one.type, Enum)
    least = 1 if full or (one.required and not wild) else 0 if wild else 1
    alone: Any = None if wild else UNIQUE.get(one.type)
    alone = alone or ((lambda value: value) if enum or issubclass(_type(one), str | int) else None)
    many = st.lists(item, min_size=least, max_size=3 if enum or wild else 2, unique_by=alone)
    return many.map(_or_none if one.optional else tuple)


def _or_none(items: list[Any]) -> tuple[Any, ...] | None:
    return tuple(items) or None


def _type(one: FieldShape) -> type:
    return one.type if isinstance(one.type, type) else str


def _item(cls: Any, one: FieldShape, full: bool) -> Strategy:
    values = VALUES.get(_family(cls), {})
    for key in ((cls, one.name), one.name, one.type):
        if isinstance(key, tuple | str | type) and key in values:
            found = values[key]
            if one.type is not str and _type(one) in values and not isinstance(key, type) and issubclass(_type(one), str):
                return found.map(one.type)
            return found
    if is_shaped(one.type):
        return objects(one.type, full=full)
    if isinstance(one.type, type) and issubclass(one.type, Enum):
        return st.sampled_from(list(one.type))
    texts = _texts(one.limit, rare=_family(cls) == "model", plain=one.ident)
    return texts.map(one.type) if isinstance(one.type, type) and one.type is not str else texts


@cache
def _texts(limit: int | None, rare: bool = True, plain: bool = False) -> Strategy:
    """Words that fit; on the canonical side, where nothing limits them, long ones among them."""
    if rare:
        return often(list(WORDS), [LONG[:120], LONG[:300], LONG])
    return picked(*(word for word in (*WORDS, LONG[: limit or 200]) if (limit is None or len(word) <= limit) and (word.isascii() or not plain)))


# --- wild -------------------------------------------------------------------------------------------------------------

_ANY_TEXT = st.one_of(
    st.sampled_from(["", " ", "*", "-", ".", "0", "24:00", "DE*ABC*E1", "1e5", "NaN", "٣", "ß", "+", "°'", LONG[:400]]),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufffe\uffff"), max_size=12),
)
_ANY_NUMBER = st.one_of(st.sampled_from([Decimal(0), Decimal(-1), Decimal("0.001"), Decimal("1E+3"), Decimal("999999.5")]),
                        st.decimals(-10**7, 10**7, places=5))  # fmt: skip
_ANY_TIME = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  (the zone is the strategy's)
_ANY: dict[Any, Strategy] = {
    str: _ANY_TEXT, bool: st.booleans(), int: st.one_of(picked(0, -1, 1, 8), st.integers(-(10**6), 10**6)), Decimal: _ANY_NUMBER,
    datetime: _ANY_TIME, date: st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    LocalTime: _ANY_TIME.map(lambda t: LocalTime.fromisoformat(t.astimezone(timezone(timedelta(minutes=90))).isoformat())),
}  # fmt: skip


PROMISED = {"latitude", "longitude", "weekday", "days", "start_time", "end_time", "utc_offset_minutes"}
"""Fields of the model of which its documentation promises a range: even wild objects keep to it."""


def _wild(cls: Any, one: FieldShape, full: bool) -> Strategy:
    sane, kind = _item(cls, one, full), one.type
    if is_shaped(kind):
        return st.one_of(sane, sane, objects(kind, full=full, wild=True))
    if _family(cls) == "model" and (one.name in PROMISED or cls is c.RegularHours or cls is ids.PartyId):
        return sane
    if not isinstance(kind, type) or issubclass(kind, Enum):
        return sane
    base = next((b for b in (LocalTime, datetime, date, bool, int, Decimal) if issubclass(kind, b)), str)
    any_ = _ANY[base]
    if base is str and kind is not str:
        any_ = any_.map(kind)
    return st.one_of(*[sane] * (len(shape(cls)) + 2), any_)
