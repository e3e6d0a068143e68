"""What fields hold in generated objects: by class and name, by name, by type; for the model and for each protocol.

Values are weighted so that most objects can be mapped, with awkward ones among them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from bridge.codec.xml import LocalTime
from bridge.model import cdr, common, ids, session, tariff, token
from bridge.model import location as c
from bridge.ochp import wire as ochp
from bridge.ocpi.wire import v211 as ocpi211
from bridge.ocpi.wire import v221 as ocpi
from bridge.oicp import wire as oicp

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


NOON = datetime(2024, 3, 1, 11, 30, tzinfo=UTC)
MOMENTS = often(
    [NOON + timedelta(days=d, seconds=s) for d, s in ((0, 0), (1, 61), (40, 7), (200, 3600))],
    [NOON.replace(microsecond=250_000), datetime(2030, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)],
)
SECONDS = picked(*(NOON + timedelta(days=d, seconds=s) for d, s in ((0, 0), (1, 61), (40, 7), (200, 3600))))
LOCALS = picked(
    *(
        LocalTime.fromisoformat(t)
        for t in ("2024-03-01T12:30:00+01:00", "2024-07-01T12:30:15+02:00", "2024-03-01T12:30:00+00:00", "2024-03-01T12:30:00-05:30")
    )
)
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

MODEL: dict[Any, Strategy] = {
    # canonical, by name
    "country_code": COUNTRY2,
    "party_id": PARTY3,
    "language": LANGUAGES,
    "user_interface_languages": LANGUAGES,
    "currency": CURRENCIES,
    "time_zone": ZONES,
    "utc_offset": picked("UTC+01:00", "UTC-05:00"),
    "contract_id": CONTRACTS.map(ids.ContractId),
    "url": URLS,
    "website": URLS,
    "thumbnail": URLS,
    "terms_url": URLS,
    "alt_url": URLS,
    "help_phone": PHONES,
    "latitude": DEGREES,
    "longitude": DEGREES,
    "hub_session_id": GUIDS,
    "operator_session_id": GUIDS,
    "provider_session_id": GUIDS,
    "accepted_providers": PROVIDERS,
    "recipients": PROVIDERS,
    "kwh": KWH,
    "total_energy": KWH,
    "meter_start": KWH,
    "meter_end": KWH,
    "meter_between": KWH,
    "total_time": HOURS,
    "total_parking_time": HOURS,
    "max_voltage": VOLTS,
    "voltage": VOLTS,
    "nominal_voltage": VOLTS,
    "max_amperage": AMPS,
    "amperage": AMPS,
    "max_power": WATTS,
    "power": WATTS,
    "maximum_power": WATTS,
    "guaranteed_power": WATTS,
    "percentage": SHARES,
    "price": MONEY,
    "excl": MONEY,
    "incl": MONEY,
    "vat": often([Decimal(19), Decimal(7)], [Decimal("7.7")]),
    "weekday": st.integers(1, 7),
    "days": st.integers(1, 7),
    "floor": FLOORS,
    "postal_code": POSTAL,
    "start_time": CLOCKS,
    "end_time": CLOCKS,
    "duration": often(["001:30:00"], ["000:00:00"]),
    "utc_offset_minutes": picked(0, 60, 120, -300),
    "charging_duration_ms": picked(0, 1000, 5_400_000),
    "width": often([100, 640], [100_000]),
    "height": often([100, 480], [100_000]),
    "max_reservation_minutes": often([15, 60], [1500]),
    "group_id": often(["GROUP1"], ["G" * 50]),
    "authorization_reference": often(["REF-17"] * 3, ["R" * 50]),
    "product_id": picked("Standard Price"),
    "invoice_reference_id": often(["INV-1"], ["I" * 50]),
    "credit_reference_id": often(["CDR0"], ["C" * 50]),
    "pin": picked("1234", "99887766"),
    "nature": picked("Start", "End", "Intermediate"),
    # canonical, by class and name
    (c.RegularHours, "begin"): picked("08:00", "13:00"),
    (c.RegularHours, "end"): picked("20:00", "24:00"),
    (common.Image, "url"): often(
        [f"https://example.com/{i}.{end}" for i in range(8) for end in ("jpg", "png")],
        ["https://example.com/" + "x" * 300, "ftp://example.com/c", "example.com"],
    ),
    (c.PowerLevel, "amperage"): often([10, 20, 24, 48], [125]),
    (c.PowerLevel, "voltage"): often([240, 500], [920]),
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
    (tariff.Restrictions, "min_kwh"): KWH,
    (tariff.Restrictions, "max_kwh"): KWH,
    (tariff.Restrictions, "min_duration"): picked(0, 600),
    (tariff.Restrictions, "max_duration"): picked(3600, 7200),
    (token.HashedPin, "value"): picked("$2b$10$abcdefghijklmnopqrstuv0123456789ABCDEFGHIJKLMNOPQRSTU"),
    (token.LegacyPin, "salt"): picked("a1b2c3d4e5f6"),
    (token.LegacyPin, "value"): picked("0123456789abcdef0123"),
    (cdr.Cdr, "id"): often(["CDR1", "DEABC0001"], ["cdr-0003", "C" * 40]).map(ids.CdrId),
    (cdr.Cdr, "location"): st.none(),  # see tests.laws.whole
    (session.Session, "location"): st.none(),
    (cdr.Cdr, "meter_id"): often(["M17", "4711"], ["meter " * 5]),
    (session.Volume, "volume"): KWH,
    (cdr.CdrLine, "volume"): KWH,
    (cdr.CdrLine, "unit_price"): MONEY,
    (cdr.CdrLine, "cost"): MONEY,
    # canonical, by type
    ids.EvseId: of(ids.EvseId, EVSE_IDS),
    ids.OperatorId: of(ids.OperatorId, OPERATORS),
    ids.ProviderId: of(ids.ProviderId, PROVIDERS),
    ids.TokenUid: of(ids.TokenUid, UIDS),
    ids.SessionId: of(ids.SessionId, GUIDS),
    ids.EvseUid: of(ids.EvseUid, picked("1017", "DE*ABC*E1234*1", "evse-3")),
    ids.ConnectorId: of(ids.ConnectorId, picked("1", "2", "left")),
    ids.LocationId: of(ids.LocationId, picked("LOC1", "LOC2")),
    ids.TariffId: of(ids.TariffId, often(["DE*ABC*T1", "DEABCT22"], ["11", "tariff-two"])),
    datetime: MOMENTS,
    date: DAYS,
    LocalTime: LOCALS,
    bool: st.booleans(),
    int: often([1, 7, 100], [0]),
    Decimal: MONEY,
}

OCPI: dict[Any, Strategy] = {
    "country_code": COUNTRY2,
    "party_id": PARTY3,
    "language": picked("de", "en", "fr"),
    "country": COUNTRIES,
    "latitude": picked("52.52000", "-7.1234567"),
    "longitude": picked("13.404954", "-0.1277580"),
    "url": picked("https://example.com/a.jpg"),
    "website": picked("https://example.com"),
    "thumbnail": picked("https://example.com/t.jpg"),
    "terms_and_conditions": picked("https://example.com/terms"),
    "tariff_alt_url": picked("https://example.com/tariff"),
    "time_zone": ZONES,
    "currency": CURRENCIES,
    "weekday": st.integers(1, 7),
    "postal_code": picked("10115", "SW1A 1AA"),
    "evse_id": picked("DE*ABC*E1234*1", "DEABCE99", "NL*TNM*E1"),
    "contract_id": picked("DE8AACA2B3C4D5L", "DE-8AA-CA2B3C4D5-L"),
    "max_voltage": VOLTS,
    "max_amperage": AMPS,
    "max_electric_power": picked(11000, 50000, 3680),
    "percentage": SHARES,
    "start_time": CLOCKS,
    "end_time": CLOCKS,
    "start_date": picked("2024-03-01"),
    "end_date": picked("2024-12-31"),
    "step_size": picked(1, 60, 300),
    "vat": picked(Decimal(19), Decimal("7.7")),
    "incl_vat": MONEY,
    "excl_vat": MONEY,
    "total_energy": KWH,
    "kwh": KWH,
    "total_time": HOURS,
    "total_parking_time": HOURS,
    "apds_reference": picked("apds:17"),
    (ocpi.Image, "type"): picked("jpeg", "png"),
    (ocpi.CdrDimension, "volume"): KWH,
    (ocpi.Tariff, "id"): picked("11", "DE*ABC*T1"),
    (ocpi.SignedValue, "nature"): picked("Start", "End", "Intermediate"),
    (ocpi.Location, "address"): often(["Am Markt 1", "Hauptstrasse 12 a"], ["Am Markt", "Parkhaus Süd"]),
    (ocpi.Token, "uid"): UIDS,
    (ocpi.CdrToken, "uid"): UIDS,
    **{(cls, "latitude"): picked("52.520000", "-7.123456") for cls in (ocpi211.GeoLocation, ocpi211.AdditionalGeoLocation)},
    **{(cls, "longitude"): picked("13.404954", "-0.127758") for cls in (ocpi211.GeoLocation, ocpi211.AdditionalGeoLocation)},
    "auth_id": picked("DE8AACA2B3C4D5L", "DE-8AA-CA2B3C4D5-L", "CARD-1"),
    "voltage": VOLTS,
    "amperage": AMPS,
    (ocpi211.Tariff, "id"): picked("11", "DE*ABC*T1"),
    (ocpi211.CdrDimension, "volume"): KWH,
    (ocpi211.Token, "uid"): UIDS,
    (ocpi211.Location, "address"): often(["Am Markt 1", "Hauptstrasse 12 a"], ["Am Markt", "Parkhaus Süd"]),
    datetime: MOMENTS,
    bool: st.booleans(),
    int: picked(1, 7, 100),
    Decimal: MONEY,
}

OICP: dict[Any, Strategy] = {
    "EvseID": picked("DE*ABC*E1234*1", "DEABCE99", "+49*536*12*1"),
    "OperatorID": picked("DE*ABC", "CHREP", "+49*536"),
    "HubOperatorID": picked("DE*HUB"),
    "HubProviderID": picked("DE-HUB", "DEHUB"),
    "ProviderID": picked("DE-XYZ", "NLTNM"),
    "EvcoID": picked("DE-8AA-CA2B3C4D5-L", "DE*8AA*012204*5", "NLTNMC00122045K"),
    "UID": picked("04A2B3C4D5E6F7", "04A2B3C4"),
    "ChargingPoolID": picked("DE*ABC*P1234*TEST", "DEABCP12"),
    "SessionID": picked("b2688855-7f00-0002-6d8e-48d883f6abb6"),
    "CPOPartnerSessionID": picked("1234XYZ"),
    "EMPPartnerSessionID": picked("2345ABC"),
    "lang": picked("de", "en", "de-CH"),
    "Country": COUNTRIES,
    "HouseNum": picked("1", "12a", "7-9"),
    "PostalCode": picked("10115"),
    "TimeZone": picked("UTC+01:00", "UTC-05:00"),
    "Coordinates": picked("52.520008 13.404954", "47.5,-8.25"),
    "Latitude": picked("52.520008", "-7.5"),
    "Longitude": picked("13.404954", "-0.127758"),
    "Voltage": picked(230, 400),
    "Amperage": picked(16, 32),
    "Power": picked(Decimal(11), Decimal(50), Decimal(22)),
    "HotlinePhoneNumber": picked("+4930123456"),
    "begin": picked("06:00", "00:00"),
    "end": picked("20:00", "23:59", "24:00"),
    "MaxCapacity": picked(50, 100),
    "Percentage": st.integers(0, 100),
    "ChargingStationImage": picked("https://example.com/a.jpg"),
    "ProductPriceCurrency": CURRENCIES,
    "PricingDefaultPriceCurrency": CURRENCIES,
    "PIN": picked("1234"),
    "MaximumProductChargingPower": picked(Decimal(22), Decimal(350)),
    "meterValues": METERED,
    "MeterValueStart": METERED,
    "MeterValueEnd": METERED,
    "ConsumedEnergy": METERED,
    "ConsumedEnergyProgress": METERED,
    "EvseIDProductList": picked("Standard Price"),
    (oicp.HashedPIN, "Value"): picked("$2b$10$abcdefghijklmnopqrstuv0123456789ABCDEFGHIJKLMNOPQRSTU"),
    (oicp.LegacyHashData, "Salt"): picked("a1b2c3d4e5f6"),
    (oicp.LegacyHashData, "Value"): picked("0123456789abcdef0123"),
    (oicp.ProductAvailabilityTimes, "on"): st.sampled_from(oicp.DayOfWeek),
    datetime: MOMENTS,
    bool: st.booleans(),
    int: picked(1, 7),
    Decimal: MONEY,
}

OCHP: dict[Any, Strategy] = {
    "evseId": picked("DE*ABC*E1234*1", "DEABCE99", "CH*REP*E020*01*1"),
    "locationId": picked("LOC 1", "DEABC17"),
    "locationNameLang": picked("DEU", "ENG"),
    "userInterfaceLang": picked("DEU", "ENG", "GSW"),
    "country": COUNTRIES,
    "lat": picked("52.520008", "-7.500000"),
    "lon": picked("13.404954", "-0.127758"),
    "timeZone": ZONES,
    "telephoneNumber": picked("+49 30 123456", "+4930123456"),
    "houseNumber": picked("1", "12A", "7-9"),
    "zipCode": picked("10115", "SW1A 1AA"),
    "address": picked("Am Markt", "Hauptstrasse 12"),
    "periodBegin": picked("06:00", "00:00"),
    "periodEnd": picked("20:00", "24:00"),
    "weekday": st.integers(1, 7),
    "parkingId": picked("DE*ABC*P15", "DEABCP16"),
    "floorLevel": picked("-2", "P3"),
    "parkingSpotNumber": picked("B25", "7"),
    "tariffId": picked("DE*ABC*T1", "DEABCT22"),
    "uri": picked("https://example.com/a.jpg"),
    "thumbUri": picked("https://example.com/t.jpg"),
    "maximumPower": picked(Decimal(11), Decimal("22.08")),
    "guaranteedPower": picked(Decimal("3.7")),
    "nominalVoltage": picked(230, 400),
    "maxReservation": picked(15, 60),
    "contractId": picked("DE-8AA-CA2B3C4D5-L", "DE8AACA2B3C4D5"),
    "CdrId": picked("CDR1", "DEABC0001"),
    "duration": picked("001:30:00"),
    "currency": CURRENCIES,
    "recipient": picked("DEXYZ", "NLTNM"),
    "billingValue": KWH,
    "taxrate": picked(19, 7),
    "stepSize": picked(Decimal(1), Decimal("0.5")),
    "meterId": picked("M17"),
    "width": picked(100),
    "height": picked(100),
    "minDuration": picked(0, 600),
    "maxDuration": picked(3600),
    "startDateTime": SECONDS,
    "endDateTime": SECONDS,
    "minEnergy": KWH,
    "maxEnergy": KWH,
    "minPower": picked(Decimal(11)),
    "maxPower": picked(Decimal(50)),
    (ochp.Image, "type"): picked("jpeg", "png"),
    (ochp.EmtId, "instance"): picked("04A2B3C4D5E6F7", "04A2B3C4"),
    (ochp.ExceptionalPeriod, "periodBegin"): SECONDS,
    (ochp.ExceptionalPeriod, "periodEnd"): SECONDS,
    (ochp.CDRInfo, "startDateTime"): LOCALS,
    (ochp.CDRInfo, "endDateTime"): LOCALS,
    (ochp.CdrPeriod, "startDateTime"): LOCALS,
    (ochp.CdrPeriod, "endDateTime"): LOCALS,
    datetime: SECONDS,
    LocalTime: LOCALS,
    bool: st.booleans(),
    int: picked(1, 7),
    Decimal: MONEY,
}

VALUES: dict[str, dict[Any, Strategy]] = {"model": MODEL, "ocpi": OCPI, "oicp": OICP, "ochp": OCHP}
"""What fields hold, by (class, name), by name, by type: per family of classes (the second part of the module's name)."""

ALWAYS: set[Any] = {"address", "place", (ochp.Image, "class_"), (ochp.Image, "type")}
"""Fields that are always there in valid objects, by name or by class and name, though their class has a default."""


def family(cls: type) -> str:
    return cls.__module__.split(".")[1]


UNIQUE: dict[Any, Callable[[Any], Any]] = {
    ochp.RegularHours: lambda hours: hours.weekday,
    ocpi.RegularHours: lambda hours: hours.weekday,
    oicp.OpeningTimes: lambda times: times.on,
    session.Volume: lambda volume: volume.dimension,
    ocpi.CdrDimension: lambda volume: volume.type,
    tariff.PriceComponent: lambda price: price.dimension,
    ocpi.PriceComponent: lambda price: price.type,
    common.Image: lambda image: image.url,
    ocpi211.CdrDimension: lambda volume: volume.type,
    ocpi211.PriceComponent: lambda price: price.type,
    ocpi211.EnvironmentalImpact: lambda impact: impact.source,
    common.Impact: lambda impact: impact.kind,
    ocpi.EnvironmentalImpact: lambda impact: impact.category,
}
"""By what the items of a list have to differ in valid objects."""
