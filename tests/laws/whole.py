"""Strategies of classes whose fields depend on each other: an address, opening hours, a CDR and its times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import strategies as st

from bridge.model import cdr, common, ids, session, tariff, token
from bridge.model import location as c
from tests.laws.generators import fields, objects
from tests.laws.values import COUNTRIES, DEGREES, GUIDS, KWH, MODEL, MOMENTS, MONEY, NOON, POSTAL, ZONES, Strategy, often, picked
from tests.laws.whole_wire import WIRE


@st.composite
def _address(draw: st.DrawFn, full: bool) -> Any:
    """Street and house number, or one line: never both, never one without the other."""
    split = draw(picked(True, True, True, False))
    country, state = draw(COUNTRIES), draw(picked("Berlin", None))
    return c.Address(
        street=draw(often(["Am Markt", "Hauptstrasse", "Chaussée d'Ixelles"], ["S" * 60])) if split else None,
        house_number=draw(often(["1", "12A", "7-9"], ["12 a", "12345678", "Haus 3"])) if split else None,
        line=None if split else draw(picked("Am Markt 1", "Parkhaus Süd", "Am  Markt  2")),
        city=draw(picked("Berlin", "Zürich")),
        postal_code=draw(POSTAL) if full or draw(often([True], [False])) else None,
        state=state,
        country=country,
    )


@st.composite
def _hours(draw: st.DrawFn, full: bool) -> Any:
    """Around the clock, or regular hours, or neither told; the spans of a day apart from each other."""
    always = draw(picked(True, False, False, None))
    spans: list[c.RegularHours] = []
    if not always:
        for day in draw(st.lists(st.integers(1, 7), min_size=int(full), max_size=4, unique=True)):
            spans += draw(
                picked(
                    [c.RegularHours(day, "08:00", "20:00")],
                    [c.RegularHours(day, "00:00", "24:00")],
                    [c.RegularHours(day, "08:00", "12:00"), c.RegularHours(day, "13:30", "18:00")],
                )
            )
    some = st.lists(_period(c.ExceptionalPeriod), min_size=int(full), max_size=2).map(tuple)
    return c.Hours(always, tuple(spans), draw(some), draw(some))


@st.composite
def _period(draw: st.DrawFn, cls: Any) -> Any:
    begin = draw(MOMENTS)
    return cls(begin, begin + timedelta(hours=draw(st.integers(1, 48))))


CONNECTORS = often(
    [
        (c.Plug.T2, c.PlugFormat.SOCKET, c.PowerType.AC_3_PHASE),
        (c.Plug.T2, c.PlugFormat.CABLE, c.PowerType.AC_1_PHASE),
        (c.Plug.T2_COMBO, c.PlugFormat.CABLE, c.PowerType.DC),
        (c.Plug.CHADEMO, c.PlugFormat.CABLE, c.PowerType.DC),
        (c.Plug.DOMESTIC_F, c.PlugFormat.SOCKET, c.PowerType.AC_1_PHASE),
    ],
    [
        (c.Plug.TESLA, c.PlugFormat.CABLE, c.PowerType.DC),
        (c.Plug.NACS, c.PlugFormat.CABLE, c.PowerType.DC),
        (c.Plug.T3, c.PlugFormat.SOCKET, c.PowerType.AC_2_PHASE),
        (c.Plug.H2, c.PlugFormat.NOZZLE, None),
        (c.Plug.T2, c.PlugFormat.SOCKET, None),
    ],
)


@st.composite
def _connector(draw: st.DrawFn, full: bool) -> Any:
    """A plug with a format it comes in and a current it carries."""
    plug, format_, kind = draw(CONNECTORS)
    made = draw(fields(c.Connector, full))
    if kind is None:
        made = attrs.evolve(made, max_voltage=None, max_amperage=None, max_power=draw(picked(None, Decimal(22000))))
    return attrs.evolve(made, plug=plug, format=format_, power_type=kind)


@st.composite
def _evse(draw: st.DrawFn, full: bool) -> Any:
    """One that has an id, and connectors."""
    made = draw(fields(c.Evse, full))
    status = draw(often([s for s in c.Status if s is not c.Status.REMOVED], [None]))
    powers = draw(picked(True, False, False))  # facilities of the EVSE and powers of the connectors seldom come together
    return attrs.evolve(
        made,
        id=made.id or draw(MODEL[ids.EvseId]),
        status=status,
        connectors=made.connectors or (draw(objects(c.Connector, full=full)),),
        power_levels=made.power_levels if powers else (),
        capabilities=tuple(dict.fromkeys((*made.capabilities, *draw(often([(c.Capability.RFID_CLASSIC,)], [()]))))),
    )


@st.composite
def _status(draw: st.DrawFn, full: bool) -> Any:
    """One that names its EVSE."""
    made = draw(fields(c.EvseStatus, full))
    return attrs.evolve(made, evse_id=made.evse_id or draw(MODEL[ids.EvseId]))


@st.composite
def _place(draw: st.DrawFn, full: bool) -> Any:
    """One with name, address and coordinates, which every protocol demands; hidden ones are rare."""
    made = draw(fields(c.Place, full))
    mix = made.energy_mix or draw(often([common.EnergyMix(True), common.EnergyMix(False)], [None]))
    return attrs.evolve(
        made,
        energy_mix=mix,
        hours=made.hours or draw(often([c.Hours(True)], [None])),
        help_phone=made.help_phone or "+4930123456",
        address=draw(_address(full)),
        coordinates=made.coordinates or c.GeoPoint(*draw(st.tuples(DEGREES, DEGREES))),
        names=made.names or (common.Text("Am Markt", "de"),),
        time_zone=made.time_zone or draw(ZONES),
        publish=draw(often([True, None], [False])),
    )


KINDS_OF_TOKENS = often(
    [token.TokenKind.RFID] * 4 + [token.TokenKind.REMOTE, token.TokenKind.PLUG_AND_CHARGE, token.TokenKind.APP_USER],
    [token.TokenKind.OTHER, token.TokenKind.QR_CODE],
)


@st.composite
def _token(draw: st.DrawFn, cls: Any, full: bool) -> Any:
    """A card that is told as it is, mostly; hashed ones, invalid ones and such as nobody may keep are rare."""
    made = draw(fields(cls, full))
    made = attrs.evolve(
        made,
        uid=made.uid or draw(MODEL[ids.TokenUid]),
        kind=draw(KINDS_OF_TOKENS),
        hashed=draw(often([None], [token.UidHash.SHA_256])),
        contract_id=made.contract_id or ids.ContractId("DE-8AA-CA2B3C4D5-L"),
    )
    if cls is token.Token:
        whitelist = draw(often([token.Whitelist.ALWAYS, token.Whitelist.ALLOWED, None], [token.Whitelist.NEVER]))
        made = attrs.evolve(made, valid=draw(often([True, None], [False])), whitelist=whitelist)
    return made


@st.composite
def _restrictions(draw: st.DrawFn, full: bool) -> Any:
    """Hours and days, mostly; the rest, of which each protocol can say a part only, is rare."""
    begin, end = draw(picked(("08:00", "20:00"), ("22:00", "06:00"), (None, None)))
    made = tariff.Restrictions(start_time=begin, end_time=end, days=draw(picked((), (6, 7), (1, 2, 3, 4, 5))))
    for change in draw(
        st.lists(
            picked(
                {"min_duration": 600},
                {"max_kwh": Decimal(20)},
                {"max_power": Decimal(22)},
                {"start_date": date(2024, 3, 1)},
                {"end": NOON + timedelta(days=90)},
                {"min_current": Decimal(6)},
                {"reservation": tariff.ReservationKind.RESERVATION},
                {
                    "windows": (
                        c.RegularHours(1, "08:00", "12:00"),
                        c.RegularHours(1, "13:00", "18:00"),
                        c.RegularHours(2, "08:00", "24:00"),
                    ),
                    "start_time": None,
                    "end_time": None,
                    "days": (),
                },
            ),
            max_size=1,
        )
    ):
        made = attrs.evolve(made, **change)
    return tariff.Restrictions(days=(6, 7)) if made == tariff.Restrictions() else made


@st.composite
def _element(draw: st.DrawFn, full: bool) -> Any:
    """Prices of different things, under restrictions or always."""
    kinds = draw(
        st.lists(
            often(
                [tariff.Dimension.ENERGY, tariff.Dimension.FLAT, tariff.Dimension.PARKING_TIME, tariff.Dimension.TIME],
                [tariff.Dimension.POWER],
            ),
            min_size=1,
            max_size=2,
            unique=True,
        )
    )
    prices = tuple(attrs.evolve(draw(fields(tariff.PriceComponent, full)), dimension=kind) for kind in kinds)
    return tariff.TariffElement(prices, draw(st.one_of(st.none(), st.none(), _restrictions(full))))


@st.composite
def _tariff(draw: st.DrawFn, full: bool) -> Any:
    """Net prices without limits, mostly."""
    made = draw(fields(tariff.Tariff, full))
    least = draw(often([None], [tariff.PriceLimit(Decimal(1)), tariff.PriceLimit(Decimal("0.5"), Decimal("0.6"))]))
    made = attrs.evolve(
        made,
        elements=draw(st.lists(_element(full), min_size=1, max_size=2).map(tuple)),
        min_price=least,
        max_price=draw(picked(None, None, None, tariff.PriceLimit(Decimal(50)), tariff.PriceLimit(Decimal(50), Decimal(60)))),
        tax_included=draw(often([tariff.TaxIncluded.NO, None], [tariff.TaxIncluded.YES])),
    )
    later = NOON + timedelta(days=200)  # the laws' present lies between
    return attrs.evolve(
        made, valid_from=made.valid_from and draw(often([NOON], [later])), valid_until=made.valid_until and draw(often([later], [NOON]))
    )


@st.composite
def _price(draw: st.DrawFn, full: bool) -> Any:
    """A net amount, with the gross one or without."""
    net = draw(MONEY)
    return common.Price(net, net + 1 if full or draw(st.booleans()) else None, draw(often([()], [(common.TaxAmount("VAT", Decimal(1)),)])))


@st.composite
def _of_session(draw: st.DrawFn) -> Any:
    """A location with one EVSE and connector, or none."""
    if not draw(picked(True, False, False)):
        return None
    made = draw(objects(c.Location))
    (evse,) = made.evses[:1] or (draw(objects(c.Evse)),)
    evse = attrs.evolve(evse, uid=evse.uid or ids.EvseUid("1017"), connectors=evse.connectors[:1])
    connector = attrs.evolve(evse.connectors[0], id=evse.connectors[0].id or ids.ConnectorId("1"))
    place = attrs.evolve(made.place, id=made.place.id or ids.LocationId("LOC1"))
    return c.Location(place, (attrs.evolve(evse, connectors=(connector,)),))


@st.composite
def _session(draw: st.DrawFn, full: bool) -> Any:
    """One that has begun: its times in order."""
    made = draw(fields(session.Session, full))
    made = attrs.evolve(
        made,
        start=NOON,
        charging_start=made.charging_start and NOON + timedelta(minutes=1),
        charging_end=made.charging_end and NOON + timedelta(hours=1),
        end=made.end and NOON + timedelta(hours=2),
        token=made.token or draw(objects(token.SessionToken, full=full)),
        kwh=draw(KWH),
        hub_session_id=made.hub_session_id or draw(GUIDS),
        evse_id=made.evse_id or draw(MODEL[ids.EvseId]),
        status=made.status or session.SessionStatus.ACTIVE,
        party=made.party or ids.PartyId("DE", "ABC"),
    )
    location = draw(_of_session())
    if location is None:
        return made
    at = cdr.place_of(location)
    return attrs.evolve(made, location=location, location_id=at.id, evse_uid=at.evse_uid, evse_id=at.evse_id, connector_id=at.connector_id)


@st.composite
def _cdr_place(draw: st.DrawFn, full: bool) -> Any:
    """An EVSE and a connector that carries what it is said to."""
    made = draw(fields(cdr.CdrPlace, full))
    plug, format_, kind = draw(CONNECTORS)
    current = None if kind is None else c.CurrentKind.DC if kind is c.PowerType.DC else c.CurrentKind.AC
    return attrs.evolve(
        made,
        id=made.id or ids.LocationId("LOC1"),
        evse_id=made.evse_id or draw(MODEL[ids.EvseId]),
        plug=plug,
        format=format_,
        power_type=kind,
        current=draw(picked(current, None)),
    )


@st.composite
def _line(draw: st.DrawFn, full: bool) -> Any:
    """A line that comes out even."""
    item = draw(
        often(
            [cdr.BillingItem.ENERGY, cdr.BillingItem.PARKING_TIME, cdr.BillingItem.SERVICE_FEE, cdr.BillingItem.USAGE_TIME],
            [cdr.BillingItem.VOLUME, cdr.BillingItem.RESERVATION],
        )
    )
    volume, price = draw(KWH), draw(MONEY)
    return cdr.CdrLine(
        NOON,
        NOON + timedelta(hours=2),
        item,
        volume,
        price,
        volume * price if full or draw(st.booleans()) else None,
        draw(often([None, Decimal(19)], [Decimal("7.7")])),
    )


@st.composite
def _cdr(draw: st.DrawFn, full: bool) -> Any:
    """A finished session with its times in order; corrections are rare."""
    made = draw(fields(cdr.Cdr, full))
    credit = draw(often([None, False], [True]))
    tariffs = tuple(
        attrs.evolve(one, party=one.party or ids.PartyId("DE", "ABC"), tax_included=one.tax_included or tariff.TaxIncluded.NO)
        for one in made.tariffs
    )
    made = attrs.evolve(
        made,
        id=made.id or ids.CdrId("CDR1"),
        auth_method=made.auth_method or session.AuthMethod.COMMAND,
        tariffs=tariffs,
        start=NOON,
        end=NOON + timedelta(hours=2),
        credit=credit,
        charging_start=made.charging_start and NOON + timedelta(minutes=1),
        charging_end=made.charging_end and NOON + timedelta(hours=1),
        place=draw(_cdr_place(full)),
        token=draw(_token(token.SessionToken, full)),
        total_energy=draw(KWH),
        currency=made.currency or "EUR",
        hub_session_id=made.hub_session_id or draw(GUIDS),
        total_cost=made.total_cost or draw(_price(full)),
    )
    location = draw(_of_session())
    if location is None:
        return made
    place = attrs.evolve(cdr.place_of(location), current=made.place.current, ratings=made.place.ratings)
    return attrs.evolve(made, location=location, place=place)


WHOLE: dict[type, Callable[[bool], Strategy]] = {
    c.Address: _address,
    c.Hours: _hours,
    c.Connector: _connector,
    c.Evse: _evse,
    c.Place: _place,
    c.EvseStatus: _status,
    c.ExceptionalPeriod: lambda full: _period(c.ExceptionalPeriod),
    c.RegularHours: lambda full: st.builds(
        lambda day, span: c.RegularHours(day, *span), st.integers(1, 7), picked(("08:00", "20:00"), ("00:00", "24:00"))
    ),
    token.Token: lambda full: _token(token.Token, full),
    token.SessionToken: lambda full: _token(token.SessionToken, full),
    tariff.Restrictions: _restrictions,
    tariff.TariffElement: _element,
    tariff.Tariff: _tariff,
    common.Price: _price,
    session.Session: _session,
    cdr.Cdr: _cdr,
    cdr.CdrPlace: _cdr_place,
    cdr.CdrLine: _line,
    **WIRE,
}
"""Strategies of classes whose fields depend on each other."""
