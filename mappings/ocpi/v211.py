"""OCPI 2.1.1 as differences from 2.2.1: no owner in objects, closed enumerations, one price without VAT, whole seconds.

Every mapping is the 2.2.1 one ``.onto`` the older class; each difference is a row. Texts are written in UTF-8, as all
partners do, though 2.1.1 still says ASCII. Sessions and CDRs are in :mod:`mappings.ocpi.v211_session`.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from bridge.errors import Refused
from bridge.mapping import (
    ANYTHING,
    DEFAULTED,
    DROPPED,
    NARROWED,
    WHOLE,
    At,
    Context,
    Each,
    First,
    Of,
    One,
    Table,
    WholeSeconds,
    by_name,
    derived,
    from_partner,
    no_place,
    row,
)
from bridge.model import location as c
from bridge.model import tariff as t
from bridge.model.ids import EvseUid, LocationId, TariffId
from bridge.model.token import TokenKind
from bridge.ocpi.wire import v211 as w
from mappings.ocpi import common
from mappings.ocpi import location as loc221
from mappings.ocpi import status as status221
from mappings.ocpi import tariff as tariff221
from mappings.ocpi import token as token221
from mappings.shared import OneLine, placed_point

SECONDS = WholeSeconds()
LATER = "not before OCPI 2.2"
OWNER = "OCPI 2.1.1 tells the owner by the connection, not in its objects"

# --- value tables -----------------------------------------------------------------------------------------------------


def _never(table: Table) -> dict[Any, str]:
    return {value: because.replace("OCPI 2.2.1", "OCPI 2.1.1") for value, because in table.never.items()}


CAPABILITY = Table(
    *((k, w.Capability[v.name]) for k, v in loc221.CAPABILITY.pairs if v.name in w.Capability.__members__),
    out={k: w.Capability[v.name] for k, v in loc221.CAPABILITY.narrow_out.items()},
    never={
        **_never(loc221.CAPABILITY),
        **{k: LATER for k, v in loc221.CAPABILITY.pairs if v.name not in w.Capability.__members__},
        c.Capability.START_SESSION_CONNECTOR_REQUIRED: "OCPI 2.1.1 cannot name the connector to start: remote starts will be refused",
    },
    name="Capability",
).covers(c.Capability, w.Capability)

PLUG = Table(
    *((k, w.ConnectorType[v.name]) for k, v in loc221.PLUG.pairs if v.name in w.ConnectorType.__members__),
    out={k: w.ConnectorType[v.name] for k, v in loc221.PLUG.narrow_out.items()},
    never={**_never(loc221.PLUG), **{k: LATER for k, v in loc221.PLUG.pairs if v.name not in w.ConnectorType.__members__}},
    name="ConnectorType",
).covers(c.Plug, w.ConnectorType)

POWER_TYPE = by_name(
    c.PowerType, w.PowerType, name="PowerType",
    out={c.PowerType.AC_2_PHASE: w.PowerType.AC_1_PHASE, c.PowerType.AC_2_PHASE_SPLIT: w.PowerType.AC_1_PHASE},
).covers(c.PowerType, w.PowerType)  # fmt: skip

LOCATION_TYPE = by_name(
    c.ParkingType, w.LocationType, name="LocationType",
    out=dict.fromkeys((c.ParkingType.ALONG_MOTORWAY, c.ParkingType.ON_DRIVEWAY, c.ParkingType.PRIVATE), w.LocationType.OTHER),
).covers(c.ParkingType, w.LocationType)  # fmt: skip

FACILITY = by_name(
    c.Facility, w.Facility, name="Facility",
    never=dict.fromkeys((c.Facility.BIKE_SHARING, c.Facility.TRAM_STOP, c.Facility.METRO_STATION, c.Facility.PARKING_LOT), LATER),
).covers(c.Facility, w.Facility)  # fmt: skip

TOKEN_KIND = Table(
    (TokenKind.RFID, w.TokenType.RFID),
    (TokenKind.OTHER, w.TokenType.OTHER),
    out={k: w.TokenType.OTHER for k in TokenKind if k not in (TokenKind.RFID, TokenKind.OTHER)},
    name="TokenType",
).covers(TokenKind, w.TokenType)

# --- locations --------------------------------------------------------------------------------------------------------


class Geo(loc221.Geo):
    """GeoLocation: two texts with six decimals."""

    note = "degrees with 6 decimals"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        latitude, longitude = placed_point(value, 6, 6, cx, at.src[0])
        return w.GeoLocation(latitude=latitude, longitude=longitude)


class RelatedPlace(loc221.RelatedPlace):
    """AdditionalGeoLocation, with six decimals."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        latitude, longitude = placed_point(value.point, 6, 6, cx, "point")
        if value.kind is not None:
            cx.lose("kind", DROPPED, value.kind, "OCPI does not say what a related location is")
        name = common.TEXT.out(value.name, cx, At(("name",), ("name",))) if value.name is not None else None
        return w.AdditionalGeoLocation(latitude=latitude, longitude=longitude, name=name)


class Hours(loc221.HoursConverter):
    """Hours: the flag may be missing where regular hours are told; it is always written. Exceptions in whole seconds."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        made = super().out(value, cx, at)
        if made is None:
            return None
        for name, periods in (("openings", made.exceptional_openings), ("closings", made.exceptional_closings)):
            for i, period in enumerate(periods or ()):
                src = f"{at.src[0]}.{name}[{i}]"
                period.period_begin = SECONDS.out(period.period_begin, cx, At((f"{src}.begin",), at.dst))
                period.period_end = SECONDS.out(period.period_end, cx, At((f"{src}.end",), at.dst))
        return w.Hours(twentyfourseven=made.twentyfourseven, regular_hours=made.regular_hours,
                       exceptional_openings=made.exceptional_openings, exceptional_closings=made.exceptional_closings)  # fmt: skip


_LINE_VOLTS = 300
_LINE_TO_LINE = Decimal("1.732")


class Electric(loc221.Electric):
    """Power type, volts, amperes. There is no power: one that is less than volts times amperes lowers the amperes.

    Less is below nine tenths: nominal values do not come out even. Many write 400 V for three phases, line to line.
    """

    note = "power type, volts, amperes (lowered to the power, where that is less)"
    tables = (POWER_TYPE,)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        told = value[2]
        before = len(cx.losses)
        kind, volts, amps, watts = super().out(value, cx, At((*at.src, ""), (*at.dst, "")))
        cx.losses[before:] = [loss for loss in cx.losses[before:] if loss.path]  # what it says of watts, which are not written
        if kind is None:
            return None, volts, amps
        canon = c.PowerType[kind.name]
        if told is not None and watts is not None and volts:
            phases = _LINE_TO_LINE if canon is c.PowerType.AC_3_PHASE and volts > _LINE_VOLTS else Decimal(canon.phases)
            most = int((Decimal(watts) / (volts * phases)).to_integral_value(ROUND_DOWN))
            if most > 0 and Decimal(watts) * 10 < volts * phases * told * 9:
                cx.lose(at.src[2], NARROWED, told, f"{most} A there: the power is told by the current")
                amps = most
        return POWER_TYPE.out(canon, cx, at), volts, amps

    def back(self, value: Any, cx: Context, at: At) -> Any:
        kind, volts, amps = value
        return POWER_TYPE.back(kind, cx, at), volts, amps


CONNECTOR = loc221.CONNECTOR.onto(
    w.Connector,
    row("plug", "standard", PLUG),
    row(("power_type", "max_voltage", "max_amperage"), ("power_type", "voltage", "amperage"), Electric(), using=("max_power", "plug")),
    no_place("max_power", because="OCPI 2.1.1 tells volts and amperes only"),
    row("tariff_ids", "tariff_id", First(Of(TariffId), "one tariff per connector in OCPI 2.1.1")),
    row("last_updated", "last_updated", SECONDS, or_else=derived(loc221.changed, loc221.NOW)),
    name="Connector",
)

SCHEDULE = loc221.SCHEDULE.but(row("begin", "period_begin", SECONDS), row("end", "period_end", SECONDS))

EVSE = loc221.EVSE.onto(
    w.EVSE,
    row("status_schedule", "status_schedule", SCHEDULE, many=True),
    row("capabilities", "capabilities", CAPABILITY, many=True),
    row("connectors", "connectors", Each(CONNECTOR, parent=True), using=""),
    row("coordinates", "coordinates", Geo()),
    row("last_updated", "last_updated", SECONDS, or_else=derived(lambda o, cx: cx.facts.now, loc221.NOW)),
    name="EVSE",
)

IMPACT = common.IMPACT.onto(w.EnvironmentalImpact, row("kind", "source", common.IMPACT_KIND))
ENERGY_MIX = common.ENERGY_MIX.onto(w.EnergyMix, row("impacts", "environ_impact", IMPACT, many=True))

LOCATION = loc221.LOCATION.onto(
    w.Location,
    no_place("place.operator_id", because=OWNER),
    no_place("place.publish", because="what may not be published must not be sent by OCPI 2.1.1", reads_as=True, refuse_when=False),
    no_place("place.publish_allowed_to", because="OCPI 2.1.1 has no list of those who may see a location"),
    row(("place.address.street", "place.address.house_number", "place.address.line"), "address", OneLine(45)),
    row("place.address.postal_code", "postal_code", or_else=from_partner("postal_code")),
    no_place("place.address.state", because=LATER),
    row("place.coordinates", "coordinates", Geo()),
    row("place.related_points", "related_locations", RelatedPlace(), many=True),
    row("place.parking_type", "type", LOCATION_TYPE, or_else=derived(
        lambda o, cx: c.ParkingType.UNKNOWN, "the kind of place is not told")),
    row("evses", "evses", EVSE, many=True),
    row("place.facilities", "facilities", FACILITY, many=True),
    row("place.time_zone", "time_zone"),
    row("place.hours", "opening_times", Hours()),
    row("place.energy_mix", "energy_mix", One(ENERGY_MIX)),
    row("place.last_updated", "last_updated", SECONDS, or_else=derived(loc221._newest, "the newest of its EVSEs, or now")),
    name="Location",
)  # fmt: skip

STATUS = status221.STATUS.onto(
    w.EvseStatus,
    row("evse_uid", "uid", Of(EvseUid), or_else=derived(lambda o, cx: o.evse_id, "the EVSE-ID")),
    row("location_id", "location_id", Of(LocationId)),
    row("updated", "last_updated", SECONDS, or_else=derived(lambda o, cx: cx.facts.now, "the moment of reading")),
    name="EVSE status",
)

# --- tokens -----------------------------------------------------------------------------------------------------------

READ = "the moment of reading"

TOKEN = token221.TOKEN.onto(
    w.Token,
    no_place("party", because=OWNER),
    row("kind", "type", TOKEN_KIND),
    row("contract_id", "auth_id", token221.CONTRACT),
    no_place("group_id", because=LATER),
    no_place("default_profile", because=LATER),
    no_place("energy_contract", because=LATER),
    row("last_updated", "last_updated", SECONDS, or_else=derived(lambda o, cx: cx.facts.now, READ)),
    name="Token",
)


# --- tariffs ----------------------------------------------------------------------------------------------------------

_PRICES = "leaving it out would change prices: OCPI 2.1.1 has no {}"

COMPONENT = tariff221.COMPONENT.onto(
    w.PriceComponent,
    no_place("vat", because="OCPI 2.1.1 has prices without VAT and does not tell the rate"),
    name="PriceComponent",
)

RESTRICTIONS = tariff221.RESTRICTIONS.onto(
    w.TariffRestrictions,
    no_place("min_current", because=_PRICES.format("restriction by current"), refuse_when=ANYTHING),
    no_place("max_current", because=_PRICES.format("restriction by current"), refuse_when=ANYTHING),
    no_place("reservation", because="prices of reservations are left out", refuse_when=ANYTHING),
    name="TariffRestrictions",
)

ELEMENT = tariff221.ELEMENT.onto(
    w.TariffElement,
    row("components", "price_components", Each(COMPONENT, WHOLE)),
    row("restrictions", "restrictions", One(RESTRICTIONS, WHOLE)),
    name="TariffElement",
)


class Elements(tariff221.Elements):
    """Elements in order, without those that price reservations, which OCPI 2.1.1 does not bill.

    A tariff that is not valid now is refused: without its validity it would be taken to hold.
    """

    def with_item(self, item: Any) -> Each:
        return Elements(item, WHOLE)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        elements, begin, end = value
        if (begin is not None and begin > cx.facts.now) or (end is not None and end <= cx.facts.now):
            raise Refused("valid_from" if begin is not None and begin > cx.facts.now else "valid_until",
                          "not valid now, and OCPI 2.1.1 cannot say when it is: give it when it is valid", begin or end)  # fmt: skip
        return self.priced(elements, cx, at)

    def priced(self, elements: Any, cx: Context, at: At) -> Any:
        """The elements, without reservations."""
        kept = [i for i, one in enumerate(elements) if one.restrictions is None or one.restrictions.reservation is None]
        for i in range(len(elements)):
            if i not in kept:
                cx.lose(f"{at.src[0]}[{i}]", DROPPED, elements[i].restrictions.reservation, "OCPI 2.1.1 does not price reservations")
        if not kept:
            return None
        before = len(cx.losses)
        try:
            made = super().out(tuple(elements[i] for i in kept), cx, at)
        except Refused as why:
            raise Refused(tariff221._at_source(why.path, kept), why.because, why.value, why.key) from why
        for n in range(before, len(cx.losses)):
            loss = cx.losses[n]
            if loss.kind != DEFAULTED:
                cx.losses[n] = loss._replace(path=tariff221._at_source(loss.path, kept))
        return made


class BilledElements(Elements):
    """The same of a tariff in a CDR, where its validity is over or open, but it was the one."""

    def with_item(self, item: Any) -> Each:
        return BilledElements(item, WHOLE)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return self.priced(value, cx, at)


_NOW = "valid now; OCPI 2.1.1 cannot say from when or until when"

TARIFF = tariff221.TARIFF.onto(
    w.Tariff,
    no_place("party", because=OWNER),
    no_place("kind", because="OCPI 2.1.1 has no kinds of tariffs"),
    no_place("min_price", because=_PRICES.format("minimum price"), refuse_when=ANYTHING),
    no_place("max_price", because=_PRICES.format("maximum price"), refuse_when=ANYTHING),
    row("elements", "elements", Elements(ELEMENT, WHOLE), using=("valid_from", "valid_until")),
    no_place("valid_from", because=_NOW),
    no_place("valid_until", because=_NOW),
    row("energy_mix", "energy_mix", One(ENERGY_MIX)),
    row("last_updated", "last_updated", SECONDS, or_else=derived(lambda o, cx: cx.facts.now, READ)),
    no_place("tax_included", because="OCPI 2.1.1 prices never hold taxes", reads_as=t.TaxIncluded.NO, refuse_when=t.TaxIncluded.YES),
    name="Tariff",
)

BILLED_TARIFF = TARIFF.but(row("elements", "elements", BilledElements(ELEMENT, WHOLE)))

__all__ = ["EVSE", "LOCATION", "STATUS", "TARIFF", "TOKEN"]
