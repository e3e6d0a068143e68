"""OCHP 1.4 charge points (ChargePointInfo): one EVSE with its place."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from bridge.codec.xml import ILLEGAL
from bridge.errors import Refused
from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    TRUNCATED,
    At,
    Context,
    Converter,
    Each,
    First,
    Mapping,
    UpTo,
    WholeSeconds,
    derived,
    from_partner,
    no_place,
    row,
)
from bridge.model import location as c
from bridge.model.common import Image, Text
from bridge.model.ids import LocationId, TariffId, operator_key
from bridge.model.tables import LANGUAGE2
from bridge.ochp import wire as w
from mappings.ochp.common import (
    EVSE_ID,
    LOCATION_ID_PATTERN,
    PARKING_ID_PATTERN,
    TARIFF_ID_PATTERN,
    URI_PATTERN,
    Alias,
    Coordinates,
    Matching,
    placed6,
)
from mappings.ochp.hours import Hours
from mappings.ochp.values import (
    AUTH_METHOD,
    FORMAT,
    IMAGE_CLASS,
    KIND,
    OF_THE_EVSE,
    PARKING_TYPE,
    PLUG,
    POINT_KIND,
    RESOURCE,
    RESTRICTION,
    STATUS,
)
from mappings.shared import COUNTRY, Phone, TwoParts, file_type, language3, operator_of, place_hash, point


class Images(Converter):
    """The pictures of place and EVSE in one list; read back, the class decides whose they are."""

    note = "pictures of place and EVSE together"
    tables = (IMAGE_CLASS,)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        made: list[w.Image] = []
        for path, images, of_evse in ((at.src[0], value[0], False), (at.src[1], value[1], True)):
            for i, one in enumerate(images or ()):
                written = self._image(one, cx, f"{path}[{i}]", f"{at.dst[0]}[{len(made)}]")
                if written is None:
                    continue
                if (IMAGE_CLASS.exact_back[written.class_] in OF_THE_EVSE) != of_evse:
                    cx.lose(
                        f"{path}[{i}]",
                        NARROWED,
                        one.url,
                        "read back as a picture of " + ("the place" if of_evse else "the EVSE"),
                    )
                made.append(written)
        return tuple(made) or None

    def _image(self, one: Image, cx: Context, path: str, target: str) -> w.Image | None:
        kind = file_type(one)
        if kind is None or len(kind) > 4:
            cx.lose(path, DROPPED, one.url, "OCHP demands a file type of one to four characters")
            return None
        if not URI_PATTERN.fullmatch(one.url) or len(one.url) > 255:
            cx.lose(path, DROPPED, one.url, "no URI of at most 255 characters")
            return None
        if one.type is None:
            cx.lose(f"{target}.type", DEFAULTED, kind, "from the ending of the URL")
        if one.category is None:
            class_ = w.ImageClass.OTHER_GRAPHIC
            cx.lose(f"{target}.class", DEFAULTED, class_.value, "the category is not told")
        else:
            class_ = IMAGE_CLASS.out(one.category, cx, At((f"{path}.category",), ("",)))
        small = one.thumbnail
        if small is not None and (not URI_PATTERN.fullmatch(small) or len(small) > 255):
            cx.lose(f"{path}.thumbnail", DROPPED, small, "no URI of at most 255 characters")
            small = None
        sizes = []
        for name in ("width", "height"):
            size = getattr(one, name)
            if size is not None and not 0 < size <= 99999:
                cx.lose(f"{path}.{name}", DROPPED, size, "1 to 99999 pixels in OCHP")
                size = None
            sizes.append(size)
        return w.Image(uri=one.url, thumbUri=small, class_=class_, type=kind, width=sizes[0], height=sizes[1])

    def back(self, value: Any, cx: Context, at: At) -> Any:
        images = [Image(i.uri, IMAGE_CLASS.exact_back[i.class_], i.type or None, i.thumbUri, i.width, i.height) for i in value]
        return (tuple(i for i in images if i.category not in OF_THE_EVSE) or None,
                tuple(i for i in images if i.category in OF_THE_EVSE) or None)  # fmt: skip


class Points(Converter):
    """A further point: its kind is mandatory."""

    note = "point with kind and name, 6 decimals"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        latitude, longitude = placed6(value.point, cx, "point")
        kind = value.kind
        if kind is None:
            kind = c.PointKind.OTHER
            cx.lose("type", DEFAULTED, w.GeoClass.OTHER.value, "what kind of point it is is not told")
        name = value.name
        if name is not None and name.language is not None:
            cx.lose("name.language", DROPPED, name.language, "a name without language in OCHP")
        text = name.text if name is not None else None
        if text is not None and len(text) > 255:
            cx.lose("name.text", TRUNCATED, text, "at most 255 characters in OCHP")
            text = text[:255]
        return w.AdditionalGeoPoint(lat=latitude, lon=longitude, name=text, type=POINT_KIND.exact_out[kind])

    def back(self, value: Any, cx: Context, at: At) -> Any:
        try:
            found = point(value.lat, value.lon)
        except ValueError as why:
            cx.lose("", DROPPED, f"{value.lat} {value.lon}", str(why))
            return None
        return c.RelatedPoint(found, POINT_KIND.exact_back[value.type], Text(value.name) if value.name is not None else None)


class NameWithLanguage(Converter):
    """One name and its language as three capitals; without one the configured ``language``."""

    note = "the first name, its language as ISO 639-3"
    key_hint = "language"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        names, place = value
        if not names:
            a = place.address
            line = a.line or (f"{a.street} {a.house_number}" if a.street else None)
            if line is None:
                return None
            names = (Text(line),)
            cx.lose(at.dst[0], DEFAULTED, line, "the address, for want of a name")
        for i, text in enumerate(names[1:], 1):
            cx.lose(f"{at.src[0]}[{i}]", DROPPED, text.text, "one name in OCHP")
        first = names[0]
        language = language3(first.language)
        if language is None:
            language = language3(cx.constants.get("language"))
            if language is None:
                raise Refused(f"{at.src[0]}[0].language" if value[0] else at.src[0], "locationNameLang is mandatory in OCHP, and the "
                              "language of the name is not told; set language in the partner file", first.text, "language")  # fmt: skip
            if first.language is not None:
                cx.lose(
                    f"{at.src[0]}[0].language",
                    NARROWED,
                    first.language,
                    f"{language} (configured) stands for it",
                )
            else:
                cx.lose(at.dst[1], DEFAULTED, language, "configured: language")
        elif language2_of(language) != first.language:
            cx.lose(f"{at.src[0]}[0].language", NARROWED, first.language, f"{language} in OCHP")
        text = first.text
        if len(text) > 100:
            cx.lose(f"{at.src[0]}[0].text", TRUNCATED, text, "at most 100 characters in OCHP")
            text = text[:100]
        return text, language

    def back(self, value: Any, cx: Context, at: At) -> Any:
        text, language = value
        return (Text(text, language2_of(language)),)


def language2_of(code: str | None) -> str | None:
    """``de`` for ``DEU``; a code without a short form in lower case."""
    if code is None:
        return None
    lower = code.lower()
    return LANGUAGE2.get(lower, lower)


class Language(Converter):
    """A language as three capitals."""

    note = "ISO 639-3"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        code = language3(value)
        if code is None:
            cx.lose("", DROPPED, value, "no ISO 639 language")
        elif language2_of(code) != value:
            cx.lose("", NARROWED, value, f"{code} in OCHP")
        return code

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return language2_of(value)


class AuthMethods(Converter):
    """Capabilities that are ways to identify oneself or pay. RFID in general is what ``rfid`` in the partner file says."""

    note = "capabilities <-> ways of authorisation"
    always = True
    key_hint = "authentication"
    tables = (AUTH_METHOD,)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        made: list[w.AuthMethod] = []
        for i, one in enumerate(value or ()):
            path = f"{at.src[0]}[{i}]"
            if one in AUTH_METHOD.exact_out:
                made.append(AUTH_METHOD.exact_out[one])
            elif one is c.Capability.RFID and (kinds := self._configured("rfid", cx)):
                cx.lose(path, NARROWED, one, f"{', '.join(m.value for m in kinds)} (configured: rfid)")
                made.extend(kinds)
            elif one is c.Capability.RFID:
                cx.lose(
                    path,
                    DROPPED,
                    one,
                    "OCHP tells Classic, DESFire and Calypso apart; set rfid in the partner file",
                )
            elif one is c.Capability.REMOTE_START_STOP:
                cx.lose(path, DROPPED, one, "OCHP starts remotely through OCHPdirect only")
            else:
                cx.lose(path, DROPPED, one, "OCHP has no such way of authorisation")
        if not made and (configured := self._configured("authentication", cx)):
            made = configured
            cx.lose(at.dst[0], DEFAULTED, [m.value for m in made], "configured: authentication")
        return tuple(dict.fromkeys(made)) or None

    def _configured(self, key: str, cx: Context) -> list[w.AuthMethod]:
        return [AUTH_METHOD.exact_out[o] for o in cx.constants.get(key) or () if o in AUTH_METHOD.exact_out]

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return tuple(dict.fromkeys(AUTH_METHOD.exact_back[m] for m in value))


class Current(Converter):
    """chargePointType: as told, else DC if any connector gives DC, else AC."""

    note = "AC or DC, from the connectors where not told"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        kind, connectors = value
        if kind is None:
            kinds = {k.power_type for k in connectors if k.power_type is not None}
            if c.PowerType.DC in kinds or (not kinds and any(k.plug in c.DC_PLUGS for k in connectors)):
                kind = c.CurrentKind.DC
            elif connectors:
                kind = c.CurrentKind.AC
            else:
                return None
            cx.lose(at.dst[0], DEFAULTED, kind, "from the connectors")
        return KIND.out(kind, cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return KIND.exact_back[value]


class RatingsConverter(Converter):
    """Ratings in kW: as told, else the highest power of the connectors or facilities."""

    note = "highest power of the EVSE, kW"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        ratings, connectors, levels = value
        if ratings is None:
            powers = [p for k in connectors if (p := power_of(k)) is not None]
            powers += [level.power for level in levels if level.power is not None]
            if not powers:
                return None
            top = max(powers) / 1000
            cx.lose(at.dst[0], DEFAULTED, top, "the highest power of its connectors")
            return w.Ratings(maximumPower=top)
        guaranteed, volts = ratings.guaranteed_power, ratings.nominal_voltage
        if volts is not None and not 0 < volts <= 1000:
            cx.lose(f"{at.src[0]}.nominal_voltage", DROPPED, volts, "1 to 1000 V in OCHP")
            volts = None
        return w.Ratings(maximumPower=ratings.maximum_power / 1000, guaranteedPower=None if guaranteed is None else guaranteed / 1000,
                         nominalVoltage=volts)  # fmt: skip

    def back(self, value: Any, cx: Context, at: At) -> Any:
        guaranteed = value.guaranteedPower
        return c.Ratings(value.maximumPower * 1000, None if guaranteed is None else guaranteed * 1000, value.nominalVoltage)


def power_of(connector: c.Connector) -> Decimal | None:
    """The power of a connector in W: as told, else volts times amperes times phases."""
    if connector.max_power is not None:
        return connector.max_power
    if connector.max_voltage and connector.max_amperage and connector.power_type is not None:
        return Decimal(connector.max_voltage * connector.max_amperage * connector.power_type.phases)
    return None


class LocationIdConverter(Alias):
    """locationId: capitals, digits and spaces, at most 15; a stable alias stands for what does not fit."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        given, place = value
        if given is not None:
            return super().out(given, cx, At((at.src[0],), at.dst))
        made = place_hash(place, 15)
        cx.lose(at.dst[0], DEFAULTED, made, "derived from operator, address and coordinates")
        return made


class Operator(Converter):
    """The operator is the one that the EVSE-ID names."""

    note = "the operator that the EVSE-ID names"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        operator, evse_id = value
        written = None if evse_id is None else EVSE_ID.out(evse_id, cx, At((at.src[1],), at.dst))
        named = operator_of(evse_id)
        if operator is None and named is not None:
            cx.lose(at.dst[0], DEFAULTED, named, "the EVSE-ID names the operator")
        elif operator is not None and (named is None or operator_key(named) != operator_key(operator)):
            cx.lose(at.src[0], DROPPED, operator, "OCHP knows the operator by the EVSE-ID only")
        elif operator is not None and str(operator) != str(named):
            cx.lose(at.src[0], NARROWED, operator, f"read back as {named}")
        return written

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return operator_of(value), EVSE_ID.back(value, cx, at)


SECONDS = WholeSeconds()

CONNECTOR = Mapping(c.Connector, w.Connector, (
    row("plug", "connectorStandard", PLUG),
    row("format", "connectorFormat", FORMAT),
    row("tariff_ids", "tariffId", First(Matching(TARIFF_ID_PATTERN, "tariff id", TariffId), because="one tariff per connector in OCHP")),
    no_place("id", because="OCHP has no connector ids"),
    no_place("power_type", because="OCHP rates the EVSE, not the connector"),
    no_place("max_voltage", because="OCHP rates the EVSE, not the connector"),
    no_place("max_amperage", because="OCHP rates the EVSE, not the connector"),
    no_place("max_power", because="OCHP rates the EVSE, not the connector"),
    no_place("modes", because="only OICP has it"),
    no_place("terms_url", because="only OCPI has it"),
    no_place("capabilities", because="only OCPI 2.3.0 has it"),
    no_place("last_updated", because="OCHP dates the EVSE"),
), name="ConnectorType")  # fmt: skip

SCHEDULE = Mapping(c.ScheduledStatus, w.ChargePointSchedule, (
    row("begin", "startDate", SECONDS),
    row("end", "endDate", SECONDS),
    row("status", "status", STATUS),
))  # fmt: skip

_FLOOR = re.compile(r"[A-Z0-9\-+/]{1,4}")
_NUMBER = re.compile(r"[A-Z0-9\-+/]{1,5}")

PARKING_SPOT = Mapping(c.ParkingSpot, w.ParkingSpot, (
    row("id", "parkingId", Matching(PARKING_ID_PATTERN, "parking id")),
    row("restrictions", "restriction", RESTRICTION, many=True),
    row("floor", "floorLevel", Matching(_FLOOR, "floor")),
    row("number", "parkingSpotNumber", Matching(_NUMBER, "parking spot number")),
))  # fmt: skip

RELATED_RESOURCE = Mapping(c.RelatedResource, w.RelatedResource, (
    row("url", "uri", Matching(re.compile(r"https?://.{1,247}"), "URI")),
    row("kind", "class_", RESOURCE),
))  # fmt: skip

_OCPI_ONLY = "only OCPI has it"
_OICP_ONLY = "only OICP has it"

CHARGE_POINT = Mapping(c.Unit, w.ChargePointInfo, (
    row(("place.operator_id", "evse.id"), "evseId", Operator()),
    row("place.id", "locationId", LocationIdConverter(LOCATION_ID_PATTERN, "location id", LocationId, 15), using="place"),
    row("evse.last_updated", "timestamp", SECONDS),
    row("place.names", ("locationName", "locationNameLang"), NameWithLanguage(), using="place"),
    row(("place.images", "evse.images"), "images", Images()),
    row("place.related_resources", "relatedResource", RELATED_RESOURCE, many=True),
    row(("place.address.street", "place.address.house_number", "place.address.line"),
        ("chargePointAddress.address", "chargePointAddress.houseNumber"),
        TwoParts(re.compile(r"[A-Z0-9 \-]{1,6}"), mandatory=False, limit=45, least=2)),
    row("place.address.city", "chargePointAddress.city"),
    row("place.address.postal_code", "chargePointAddress.zipCode", Matching(re.compile(r"[A-Z0-9 \-]{1,10}"), "postal code"),
        or_else=from_partner("postal_code")),
    row("place.address.country", "chargePointAddress.country", COUNTRY),
    row("place.coordinates", "chargePointLocation", Coordinates(w.GeoPoint)),
    row("place.related_points", "relatedLocation", Points(), many=True),
    row("place.time_zone", "timeZone"),
    row(("place.hours", "place.charging_when_closed"), "openingTimes", Hours(), hints={
        "place.charging_when_closed": "openingTimes.closedCharging", "place.hours.regular": "openingTimes.regularHours",
        "place.hours.openings": "openingTimes.exceptionalOpenings", "place.hours.closings": "openingTimes.exceptionalClosings"}),
    row("evse.status", "status", STATUS),
    row("evse.status_schedule", "statusSchedule", SCHEDULE, many=True),
    row("place.help_phone", "telephoneNumber", Phone(re.compile(r"\+?[1-9]?[0-9 \-]{1,17}"))),
    row("place.parking_type", "location", PARKING_TYPE,
        or_else=derived(lambda o, cx: c.ParkingType.UNKNOWN, "the kind of place is not told")),
    row("evse.parking_spots", "parkingSpot", PARKING_SPOT, many=True),
    row("evse.parking_restrictions", "restriction", RESTRICTION, many=True),
    row("evse.capabilities", "authMethods", AuthMethods()),
    row("evse.connectors", "connectors", Each(CONNECTOR)),
    row("evse.current", "chargePointType", Current(), using="evse.connectors"),
    row("evse.ratings", "ratings", RatingsConverter(), using=("evse.connectors", "evse.power_levels"), hints={
        "evse.ratings.maximum_power": "ratings.maximumPower", "evse.ratings.nominal_voltage": "ratings.nominalVoltage"}),
    row("evse.user_interface_languages", "userInterfaceLang", Language(), many=True),
    row("evse.max_reservation_minutes", "maxReservation", UpTo(1000, "1 to 1000 minutes in OCHP", least=1)),
    no_place("evse.uid", because="OCHP knows EVSEs by their EVSE-ID only"),
    no_place("evse.power_levels", because="OCHP rates the EVSE as a whole"),
    no_place("evse.max_capacity_kwh", because=_OICP_ONLY),
    no_place("evse.dynamic_power", because=_OICP_ONLY),
    no_place("evse.station_id", because="OCHP has no level between location and EVSE"),
    no_place("evse.manufacturer", because=_OICP_ONLY),
    no_place("evse.floor", because="OCHP tells the floor of a parking spot"),
    no_place("evse.coordinates", because="OCHP has one point per record, the place's"),
    no_place("evse.physical_reference", because=_OCPI_ONLY),
    no_place("evse.directions", because="OCHP has no directions"),
    no_place("evse.parking", because="only OCPI 2.3.0 has it"),
    no_place("evse.parking_spot", because="a parking spot has an identity in OCHP"),
    no_place("evse.parking_facility", because=_OICP_ONLY),
    no_place("evse.accepted_providers", because="only OCPI 2.3.0 has it"),
    no_place("evse.payment_options", because=_OICP_ONLY),
    no_place("evse.accessibility", because=_OICP_ONLY),
    no_place("evse.calibration", because=_OICP_ONLY),
    no_place("evse.metering", because="not before OCHP 1.4.1"),
    no_place("evse.additional_info", because=_OICP_ONLY),
    no_place("evse.hub_operator_id", because=_OICP_ONLY),
    no_place("evse.clearing_house_id", because=_OICP_ONLY),
    no_place("evse.hubject_compatible", because=_OICP_ONLY),
    no_place("evse.dynamic_info", because=_OICP_ONLY),
    no_place("place.address.state", because="OCHP's address has no state"),
    no_place("place.publish", because="what may not be published is not uploaded", reads_as=True, refuse_when=False),
    no_place("place.publish_allowed_to", because="OCHP has no list of those who may see an EVSE"),
    no_place("place.operator", because="OCHP knows the operator by the EVSE-ID"),
    no_place("place.suboperator", because="OCHP has no sub-operator"),
    no_place("place.owner", because="OCHP has no owner"),
    no_place("place.directions", because="OCHP has no directions"),
    no_place("place.facilities", because=_OCPI_ONLY),
    no_place("place.parking_places", because="only OCPI 2.3.0 has it"),
    no_place("place.utc_offset", because="OCHP names the time zone itself"),
    no_place("place.energy_mix", because="OCHP has no energy mix"),
    no_place("place.last_updated", because="OCHP dates the EVSE"),
), name="ChargePointInfo", shared="place", unsaid=ILLEGAL)  # fmt: skip

__all__ = ["CHARGE_POINT", "CONNECTOR"]
