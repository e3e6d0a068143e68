"""OCHP 1.4 enumerations of charge points and their canonical values."""

from __future__ import annotations

from bridge.mapping import (
    Table,
)
from bridge.model import location as c
from bridge.model.common import ImageCategory
from bridge.ochp import wire as w

_IN_SERVICE = (c.Status.AVAILABLE, c.Status.RESERVED_SOON, c.Status.RESERVED, c.Status.CHARGING, c.Status.BLOCKED, c.Status.OCCUPIED,
               c.Status.NOT_AVAILABLE, c.Status.OUT_OF_ORDER)  # fmt: skip

STATUS = Table(
    (c.Status.UNKNOWN, w.ChargePointStatus.UNKNOWN),
    (c.Status.OPERATIVE, w.ChargePointStatus.OPERATIVE),
    (c.Status.INOPERATIVE, w.ChargePointStatus.INOPERATIVE),
    (c.Status.PLANNED, w.ChargePointStatus.PLANNED),
    (c.Status.REMOVED, w.ChargePointStatus.CLOSED),
    out=dict.fromkeys(_IN_SERVICE, w.ChargePointStatus.OPERATIVE) | {
        c.Status.OUT_OF_SERVICE: w.ChargePointStatus.INOPERATIVE,
        c.Status.NOT_FOUND: w.ChargePointStatus.UNKNOWN},
    name="ChargePointStatusType",
).covers(c.Status, w.ChargePointStatus)  # fmt: skip
"""The static status; the live one goes by itself (UpdateStatus)."""

PLUG = Table(
    (c.Plug.CHADEMO, w.ConnectorStandard.CHADEMO),
    (c.Plug.T1, w.ConnectorStandard.IEC_62196_T1),
    (c.Plug.T1_COMBO, w.ConnectorStandard.IEC_62196_T1_COMBO),
    (c.Plug.T2, w.ConnectorStandard.IEC_62196_T2),
    (c.Plug.T2_COMBO, w.ConnectorStandard.IEC_62196_T2_COMBO),
    (c.Plug.T3A, w.ConnectorStandard.IEC_62196_T3A),
    (c.Plug.T3C, w.ConnectorStandard.IEC_62196_T3C),
    *((p, w.ConnectorStandard[p.name]) for p in c.Plug if p.name in w.ConnectorStandard.__members__ and p is not c.Plug.CHADEMO),
    out={
        c.Plug.T3: w.ConnectorStandard.IEC_62196_T3C,
        c.Plug.TESLA: w.ConnectorStandard.TESLA_S,
        c.Plug.IEC_60309_SINGLE: w.ConnectorStandard.IEC_60309_2_SINGLE_16,
        c.Plug.IEC_60309_THREE: w.ConnectorStandard.IEC_60309_2_THREE_32,
    },
    never={p: f"OCHP 1.4 has no {p.value}" for p in (
        c.Plug.CHAOJI, c.Plug.DOMESTIC_M, c.Plug.DOMESTIC_N, c.Plug.DOMESTIC_O, c.Plug.GBT_AC, c.Plug.GBT_DC, c.Plug.MCS,
        c.Plug.NACS, c.Plug.NEMA_5_20, c.Plug.NEMA_6_30, c.Plug.NEMA_6_50, c.Plug.NEMA_10_30, c.Plug.NEMA_10_50,
        c.Plug.NEMA_14_30, c.Plug.NEMA_14_50, c.Plug.PANTOGRAPH_BOTTOM_UP, c.Plug.PANTOGRAPH_TOP_DOWN, c.Plug.AVCON,
        c.Plug.SMALL_PADDLE_INDUCTIVE, c.Plug.LARGE_PADDLE_INDUCTIVE)} | dict.fromkeys(c.FUELS, "fuels come with OCHP 1.4.1"),
    name="ConnectorStandard",
).covers(c.Plug, w.ConnectorStandard)  # fmt: skip

FORMAT = Table(
    (c.PlugFormat.SOCKET, w.ConnectorFormat.SOCKET),
    (c.PlugFormat.CABLE, w.ConnectorFormat.CABLE),
    never={
        c.PlugFormat.NOZZLE: "fuels come with OCHP 1.4.1",
        c.PlugFormat.OTHER: "OCHP 1.4 knows sockets and cables",
    },
    name="ConnectorFormat",
).covers(c.PlugFormat, w.ConnectorFormat)

KIND = Table(
    (c.CurrentKind.AC, w.ChargePointKind.AC),
    (c.CurrentKind.DC, w.ChargePointKind.DC),
    never={k: "fuels come with OCHP 1.4.1" for k in c.CurrentKind if k not in (c.CurrentKind.AC, c.CurrentKind.DC)},
    name="chargePointType",
).covers(c.CurrentKind, w.ChargePointKind)

AUTH_METHOD = Table(
    (c.Capability.NO_AUTHENTICATION, w.AuthMethod.PUBLIC),
    (c.Capability.LOCAL_KEY, w.AuthMethod.LOCAL_KEY),
    (c.Capability.CASH, w.AuthMethod.DIRECT_CASH),
    (c.Capability.CREDIT_CARD, w.AuthMethod.DIRECT_CREDITCARD),
    (c.Capability.DEBIT_CARD, w.AuthMethod.DIRECT_DEBITCARD),
    (c.Capability.RFID_CLASSIC, w.AuthMethod.RFID_MIFARE_CLS),
    (c.Capability.RFID_DESFIRE, w.AuthMethod.RFID_MIFARE_DES),
    (c.Capability.RFID_CALYPSO, w.AuthMethod.RFID_CALYPSO),
    (c.Capability.PLUG_AND_CHARGE, w.AuthMethod.IEC15118),
    (c.Capability.OCHP_DIRECT, w.AuthMethod.OCHP_DIRECT_AUTH),
    (c.Capability.OPERATOR_AUTHORISATION, w.AuthMethod.OPERATOR_AUTH),
    name="AuthMethodType",
).covers((), w.AuthMethod)

PARKING_TYPE = Table(
    (c.ParkingType.ON_STREET, w.GeneralLocation.ON_STREET),
    (c.ParkingType.PARKING_GARAGE, w.GeneralLocation.PARKING_GARAGE),
    (c.ParkingType.UNDERGROUND_GARAGE, w.GeneralLocation.UNDERGROUND_GARAGE),
    (c.ParkingType.PARKING_LOT, w.GeneralLocation.PARKING_LOT),
    (c.ParkingType.OTHER, w.GeneralLocation.OTHER),
    (c.ParkingType.UNKNOWN, w.GeneralLocation.UNKNOWN),
    (c.ParkingType.PRIVATE, w.GeneralLocation.PRIVATE),
    out={
        c.ParkingType.ALONG_MOTORWAY: w.GeneralLocation.OTHER,
        c.ParkingType.ON_DRIVEWAY: w.GeneralLocation.OTHER,
    },
    name="GeneralLocationType",
).covers(c.ParkingType, w.GeneralLocation)

RESTRICTION = Table(
    (c.ParkingRestriction.EV_ONLY, w.Restriction.EVONLY),
    (c.ParkingRestriction.PLUGGED, w.Restriction.PLUGGED),
    (c.ParkingRestriction.DISABLED, w.Restriction.DISABLED),
    (c.ParkingRestriction.CUSTOMERS, w.Restriction.CUSTOMERS),
    (c.ParkingRestriction.MOTORCYCLES, w.Restriction.MOTORCYCLES),
    (c.ParkingRestriction.CAR_SHARING, w.Restriction.CARSHARING),
    never={
        c.ParkingRestriction.EMPLOYEES: "OCHP has no places for employees",
        c.ParkingRestriction.TAXIS: "OCHP has no places for taxis",
        c.ParkingRestriction.TENANTS: "OCHP has no places for tenants",
    },
    name="RestrictionType",
).covers(c.ParkingRestriction, w.Restriction)

IMAGE_CLASS = Table(
    (ImageCategory.NETWORK, w.ImageClass.NETWORK_LOGO),
    (ImageCategory.OPERATOR, w.ImageClass.OPERATOR_LOGO),
    (ImageCategory.OWNER, w.ImageClass.OWNER_LOGO),
    (ImageCategory.CHARGER, w.ImageClass.STATION_PHOTO),
    (ImageCategory.LOCATION, w.ImageClass.LOCATION_PHOTO),
    (ImageCategory.ENTRANCE, w.ImageClass.ENTRANCE_PHOTO),
    (ImageCategory.OTHER_PHOTO, w.ImageClass.OTHER_PHOTO),
    (ImageCategory.OTHER_LOGO, w.ImageClass.OTHER_LOGO),
    (ImageCategory.OTHER_GRAPHIC, w.ImageClass.OTHER_GRAPHIC),
    out={ImageCategory.OTHER: w.ImageClass.OTHER_GRAPHIC},
    name="EvseImageUrlType.class",
).covers(ImageCategory, w.ImageClass)

OF_THE_EVSE = frozenset({ImageCategory.CHARGER, ImageCategory.OTHER_PHOTO, ImageCategory.OTHER_GRAPHIC, ImageCategory.OTHER, None})
"""Categories of pictures that belong to an EVSE; the others belong to its place."""

RESOURCE = Table(
    (c.ResourceKind.OPERATOR_MAP, w.ResourceClass.OPERATOR_MAP),
    (c.ResourceKind.OPERATOR_PAYMENT, w.ResourceClass.OPERATOR_PAYMENT),
    (c.ResourceKind.STATION_INFO, w.ResourceClass.STATION_INFO),
    (c.ResourceKind.SURROUNDING_INFO, w.ResourceClass.SURROUNDING_INFO),
    (c.ResourceKind.OWNER_HOMEPAGE, w.ResourceClass.OWNER_HOMEPAGE),
    (c.ResourceKind.FEEDBACK_FORM, w.ResourceClass.FEEDBACK_FORM),
    name="RelatedResourceType.class",
).covers(c.ResourceKind, w.ResourceClass)

POINT_KIND = Table(
    (c.PointKind.ENTRANCE, w.GeoClass.ENTRANCE),
    (c.PointKind.EXIT, w.GeoClass.EXIT),
    (c.PointKind.ACCESS, w.GeoClass.ACCESS),
    (c.PointKind.USER_INTERFACE, w.GeoClass.UI),
    (c.PointKind.OTHER, w.GeoClass.OTHER),
    name="AdditionalGeoPointType.type",
).covers(c.PointKind, w.GeoClass)
