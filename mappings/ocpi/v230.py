"""OCPI 2.3.0 as differences from 2.2.1: parking places, Plug & Charge, EMAID tokens, taxes.

`release/core` of 2.3.0. Every mapping is the 2.2.1 one ``.onto`` the newer class; each difference is a row.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bridge.errors import Refused
from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    WHOLE,
    At,
    Context,
    Converter,
    Each,
    Mapping,
    Of,
    One,
    Table,
    by_name,
    row,
)
from bridge.mapping.rows import from_partner
from bridge.model import location as c
from bridge.model import tariff as t
from bridge.model.common import Price, TaxAmount
from bridge.model.ids import LocationId
from bridge.model.token import TokenKind
from bridge.ocpi.wire import v230 as w
from mappings.ocpi import cdr as cdr221
from mappings.ocpi import location as loc221
from mappings.ocpi import session as session221
from mappings.ocpi import tariff as tariff221
from mappings.ocpi import token as token221
from mappings.ocpi.common import IMAGE, PrintableText

PLUG = Table(
    *loc221.PLUG.pairs, (c.Plug.MCS, w.ConnectorType.MCS), (c.Plug.NACS, w.ConnectorType.SAE_J3400),
    out=loc221.PLUG.narrow_out,
    never={k: v for k, v in loc221.PLUG.never.items() if k not in (c.Plug.MCS, c.Plug.NACS)},
    name="ConnectorType",
).covers(c.Plug, w.ConnectorType)  # fmt: skip

RESTRICTION = by_name(c.ParkingRestriction, w.ParkingRestriction, name="ParkingRestriction",
                      never={c.ParkingRestriction.CAR_SHARING: "OCPI has no places for shared cars"}).covers(
    c.ParkingRestriction, w.ParkingRestriction)  # fmt: skip

TOKEN_KIND = Table(
    *loc221.TOKEN_KIND.pairs, (TokenKind.EMAID, w.TokenType.EMAID),
    out={TokenKind.REMOTE: w.TokenType.APP_USER, TokenKind.PLUG_AND_CHARGE: w.TokenType.EMAID, TokenKind.QR_CODE: w.TokenType.OTHER},
    name="TokenType",
).covers(TokenKind, w.TokenType)  # fmt: skip

CONNECTOR_CAPABILITY = by_name(c.ConnectorCapability, w.ConnectorCapability, name="ConnectorCapability").covers(
    c.ConnectorCapability, w.ConnectorCapability
)
VEHICLE = by_name(c.VehicleType, w.VehicleType, name="VehicleType").covers(c.VehicleType, w.VehicleType)
DIRECTION = by_name(c.ParkingDirection, w.ParkingDirection, name="ParkingDirection").covers(c.ParkingDirection, w.ParkingDirection)
POSITION = by_name(c.EvsePosition, w.EVSEPosition, name="EVSEPosition").covers(c.EvsePosition, w.EVSEPosition)

PARKING = Mapping(c.Parking, w.Parking, (
    row("id", "id"),
    row("physical_reference", "physical_reference"),
    row("vehicle_types", "vehicle_types", VEHICLE, many=True),
    row("max_vehicle_weight", "max_vehicle_weight"),
    row("max_vehicle_height", "max_vehicle_height"),
    row("max_vehicle_length", "max_vehicle_length"),
    row("max_vehicle_width", "max_vehicle_width"),
    row("space_length", "parking_space_length"),
    row("space_width", "parking_space_width"),
    row("dangerous_goods_allowed", "dangerous_goods_allowed"),
    row("direction", "direction", DIRECTION),
    row("drive_through", "drive_through"),
    row("restricted_to_type", "restricted_to_type"),
    row("reservation_required", "reservation_required"),
    row("time_limit", "time_limit"),
    row("roofed", "roofed"),
    row("images", "images", IMAGE, many=True),
    row("lighting", "lighting"),
    row("refrigeration_outlet", "refrigeration_outlet"),
    row("standards", "standards"),
    row("apds_reference", "apds_reference", PrintableText()),
))  # fmt: skip

EVSE_PARKING = Mapping(c.EvseParking, w.EVSEParking, (
    row("parking_id", "parking_id"),
    row("position", "evse_position", POSITION),
))  # fmt: skip

CONNECTOR = loc221.CONNECTOR.onto(
    w.Connector,
    row("plug", "standard", PLUG),
    row("capabilities", "capabilities", CONNECTOR_CAPABILITY, many=True),
    name="Connector",
)

EVSE = loc221.EVSE.onto(
    w.EVSE,
    row("connectors", "connectors", Each(CONNECTOR, parent=True), using=""),
    row("parking_restrictions", "parking_restrictions", RESTRICTION, many=True),
    row("parking", "parking", EVSE_PARKING, many=True),
    row("accepted_providers", "accepted_service_providers"),
    name="EVSE",
)

PUBLISH_TOKEN = loc221.PUBLISH_TOKEN.onto(w.PublishTokenType, row("kind", "type", TOKEN_KIND), name="PublishTokenType")

LOCATION = loc221.LOCATION.onto(
    w.Location,
    row("place.publish_allowed_to", "publish_allowed_to", PUBLISH_TOKEN, many=True),
    row("evses", "evses", EVSE, many=True),
    row("place.parking_places", "parking_places", PARKING, many=True),
    row("place.help_phone", "help_phone"),
    name="Location",
)

TOKEN = token221.TOKEN.onto(w.Token, row("kind", "type", TOKEN_KIND), name="Token")
SESSION_TOKEN = session221.TOKEN.onto(w.CdrToken, row("kind", "type", TOKEN_KIND, or_else=from_partner("token_kind")), name="CdrToken")


class Taxes(Converter):
    """Price: before taxes, and the taxes by name. An amount with tax and no named ones is one tax named VAT."""

    note = "before taxes and taxes by name"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        excl, incl, taxes = value
        if excl is None:
            raise Refused(at.src[1], "OCPI 2.3.0 demands the amount before taxes", incl)
        named = tuple(
            w.TaxAmount(name=x.name, amount=x.amount, percentage=x.percentage, account_number=x.account_number) for x in taxes or ()
        )
        if incl is not None and not named:  # also where it is nothing: no taxes told are unknown ones
            named = (w.TaxAmount(name="VAT", amount=incl - excl),)
            cx.lose(at.dst[1], DEFAULTED, named, "VAT: the difference of the amounts with and without tax")
        elif incl is not None and sum((x.amount for x in named), Decimal(0)) != incl - excl:
            cx.lose(at.src[1], DROPPED, incl, "the named taxes say another amount")
        read = excl + sum((x.amount for x in named), Decimal(0)) if named else None
        if incl is None and read is not None:
            cx.lose(at.dst[1], DEFAULTED, read, "read back with the amount after taxes: their sum")
        return excl, named or None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        before, taxes = value
        named = tuple(TaxAmount(x.name, x.amount, x.percentage, x.account_number) for x in taxes or ())
        return before, before + sum((x.amount for x in named), Decimal(0)) if named else None, named


PRICE = Mapping(Price, w.Price, (
    row(("excl", "incl", "taxes"), ("before_taxes", "taxes"), Taxes()),
))  # fmt: skip

PRICE_LIMIT = Mapping(t.PriceLimit, w.PriceLimit, (
    row("excl", "before_taxes"),
    row("incl", "after_taxes"),
))  # fmt: skip

TAX_INCLUDED = Table(
    (t.TaxIncluded.YES, w.TaxIncluded.YES),
    (t.TaxIncluded.NO, w.TaxIncluded.NO),
    (t.TaxIncluded.NOT_APPLICABLE, w.TaxIncluded.N_A),
    name="TaxIncluded",
).covers(t.TaxIncluded, w.TaxIncluded)

TARIFF = tariff221.TARIFF.onto(
    w.Tariff,
    row("min_price", "min_price", One(PRICE_LIMIT, WHOLE)),
    row("max_price", "max_price", One(PRICE_LIMIT, WHOLE)),
    row("tax_included", "tax_included", TAX_INCLUDED, or_else=from_partner("tax_included")),
    name="Tariff",
)

_PRICES = ("total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost", "total_reservation_cost")

PLACE = cdr221.PLACE.onto(w.CdrLocation, row("id", "id", Of(LocationId), or_else=cdr221.constant("id")),
                          row("plug", "connector_standard", PLUG, or_else=cdr221.constant("plug", c.Plug)), name="CdrLocation")  # fmt: skip

SESSION = session221.SESSION.onto(
    w.Session,
    row("token", "cdr_token", One(SESSION_TOKEN, WHOLE)),
    row("total_cost", "total_cost", One(PRICE)),
    name="Session",
)

CDR = cdr221.CDR.onto(
    w.CDR,
    row("token", "cdr_token", One(SESSION_TOKEN, WHOLE)),
    row("place", "cdr_location", One(PLACE, WHOLE)),
    row("tariffs", "tariffs", Each(TARIFF, WHOLE)),
    row("total_cost", "total_cost", One(PRICE, WHOLE), or_else=cdr221.TOTAL_COST),
    *(row(name, name, One(PRICE, WHOLE)) for name in _PRICES),
    name="CDR",
)

__all__ = ["CDR", "EVSE", "LOCATION", "SESSION", "TARIFF", "TOKEN"]
