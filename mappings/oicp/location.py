"""OICP 2.3 EVSE data (eRoamingEvseData, EvseDataRecordType): one EVSE with its place."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    REFUSED,
    ROUNDED,
    SAME,
    UTC_TIME,
    At,
    Context,
    Converter,
    Mapping,
    Table,
    derived,
    from_partner,
    no_place,
    no_source,
    row,
)
from bridge.model import location as c
from bridge.model.common import EnergySource, EnergySourceKind, Image, ImageCategory, Impact, ImpactKind, Text
from bridge.model.ids import LocationId, OperatorId, operator_key
from bridge.oicp import wire as w
from mappings.oicp.common import EVSE_ID, GEO, INFO_TEXT, OPERATOR_ID, PHONE_PATTERN, Spelled
from mappings.shared import CLOCK, COUNTRY, Phone, TwoParts, by_day, operator_of, standard_offset

PLUG_FORMAT = Table(
    ((c.Plug.SMALL_PADDLE_INDUCTIVE, c.PlugFormat.SOCKET), w.Plug.SMALL_PADDLE_INDUCTIVE),
    ((c.Plug.LARGE_PADDLE_INDUCTIVE, c.PlugFormat.SOCKET), w.Plug.LARGE_PADDLE_INDUCTIVE),
    ((c.Plug.AVCON, c.PlugFormat.CABLE), w.Plug.AVCON_CONNECTOR),
    ((c.Plug.TESLA, c.PlugFormat.CABLE), w.Plug.TESLA_CONNECTOR),
    ((c.Plug.NEMA_5_20, c.PlugFormat.SOCKET), w.Plug.NEMA_5_20),
    ((c.Plug.DOMESTIC_E, c.PlugFormat.SOCKET), w.Plug.TYPE_E_FRENCH_STANDARD),
    ((c.Plug.DOMESTIC_F, c.PlugFormat.SOCKET), w.Plug.TYPE_F_SCHUKO),
    ((c.Plug.DOMESTIC_G, c.PlugFormat.SOCKET), w.Plug.TYPE_G_BRITISH_STANDARD),
    ((c.Plug.DOMESTIC_J, c.PlugFormat.SOCKET), w.Plug.TYPE_J_SWISS_STANDARD),
    ((c.Plug.T1, c.PlugFormat.CABLE), w.Plug.TYPE_1_CONNECTOR_CABLE_ATTACHED),
    ((c.Plug.T2, c.PlugFormat.SOCKET), w.Plug.TYPE_2_OUTLET),
    ((c.Plug.T2, c.PlugFormat.CABLE), w.Plug.TYPE_2_CONNECTOR_CABLE_ATTACHED),
    ((c.Plug.T3, c.PlugFormat.SOCKET), w.Plug.TYPE_3_OUTLET),
    ((c.Plug.IEC_60309_SINGLE, c.PlugFormat.SOCKET), w.Plug.IEC_60309_SINGLE_PHASE),
    ((c.Plug.IEC_60309_THREE, c.PlugFormat.SOCKET), w.Plug.IEC_60309_THREE_PHASE),
    ((c.Plug.T2_COMBO, c.PlugFormat.CABLE), w.Plug.CCS_COMBO_2_PLUG_CABLE_ATTACHED),
    ((c.Plug.T1_COMBO, c.PlugFormat.CABLE), w.Plug.CCS_COMBO_1_PLUG_CABLE_ATTACHED),
    ((c.Plug.CHADEMO, c.PlugFormat.CABLE), w.Plug.CHADE_MO),
    out={
        (c.Plug.T3A, c.PlugFormat.SOCKET): w.Plug.TYPE_3_OUTLET,
        (c.Plug.T3C, c.PlugFormat.SOCKET): w.Plug.TYPE_3_OUTLET,
        (c.Plug.TESLA_R, c.PlugFormat.CABLE): w.Plug.TESLA_CONNECTOR,
        (c.Plug.TESLA_S, c.PlugFormat.CABLE): w.Plug.TESLA_CONNECTOR,
        (c.Plug.IEC_60309_2_SINGLE_16, c.PlugFormat.SOCKET): w.Plug.IEC_60309_SINGLE_PHASE,
        (c.Plug.IEC_60309_2_THREE_16, c.PlugFormat.SOCKET): w.Plug.IEC_60309_THREE_PHASE,
        (c.Plug.IEC_60309_2_THREE_32, c.PlugFormat.SOCKET): w.Plug.IEC_60309_THREE_PHASE,
        (c.Plug.IEC_60309_2_THREE_64, c.PlugFormat.SOCKET): w.Plug.IEC_60309_THREE_PHASE,
    },
    name="PlugType",
).covers((), w.Plug)
"""OICP names plug and format in one value; a pair that is not here has no OICP value, and the connector is left out."""

POWER_TYPE = Table(
    (c.PowerType.AC_1_PHASE, w.PowerType.AC_1_PHASE),
    (c.PowerType.AC_3_PHASE, w.PowerType.AC_3_PHASE),
    (c.PowerType.DC, w.PowerType.DC),
    out={
        c.PowerType.AC_2_PHASE: w.PowerType.AC_1_PHASE,
        c.PowerType.AC_2_PHASE_SPLIT: w.PowerType.AC_1_PHASE,
    },
    name="PowerType",
).covers(c.PowerType, w.PowerType)

MODE = Table(
    (c.ChargingMode.MODE_1, w.ChargingMode.MODE_1),
    (c.ChargingMode.MODE_2, w.ChargingMode.MODE_2),
    (c.ChargingMode.MODE_3, w.ChargingMode.MODE_3),
    (c.ChargingMode.MODE_4, w.ChargingMode.MODE_4),
    (c.ChargingMode.CHADEMO, w.ChargingMode.CHADE_MO),
    name="ChargingModeType",
).covers(c.ChargingMode, w.ChargingMode)


class Plugs(Converter):
    """Connectors against two lists that nothing ties together: Plugs and ChargingFacilities.

    Reading: as many facilities as plugs, each of the plug's class, belong to each other by position; otherwise the
    facilities stay with the EVSE (``power_levels``). Writing: one facility per connector, then those of the EVSE. The
    power of a facility, mandatory, is volts times amperes times phases where it is not told.
    """

    note = "connectors <-> plugs and facilities, paired by position"
    tables = (PLUG_FORMAT, POWER_TYPE, MODE)

    def _rated(self, connectors: Any, ratings: c.Ratings, current: Any, cx: Context) -> Any:
        """A facility of the EVSE from OCHP's ratings: the kind of current as told, one phase up to 7.4 kW."""
        dc = current is c.CurrentKind.DC or any(k.plug in c.DC_PLUGS for k in connectors)
        if current not in (c.CurrentKind.AC, c.CurrentKind.DC, None):
            return ()
        power = (ratings.maximum_power / 1000).to_integral_value(ROUND_HALF_UP) * 1000
        if not 0 <= power <= 999_000:
            return ()
        kind = c.PowerType.DC if dc else c.PowerType.AC_1_PHASE if power <= 7400 else c.PowerType.AC_3_PHASE
        volts = ratings.nominal_voltage
        cx.lose("ChargingFacilities[0]", DEFAULTED, kind,
                "from the ratings and the kind of current (up to 7.4 kW: one phase), in whole kilowatts")  # fmt: skip
        return (c.PowerLevel(kind, volts if volts is None or 0 <= volts <= 999 else None, None, power),)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        connectors, levels, ratings, current = value
        plugs: list[w.Plug] = []
        facilities: list[w.ChargingFacility] = []
        kept: list[tuple[int, c.Connector]] = []
        before = len(cx.losses)
        path, level_path = at.src
        if ratings is not None and not levels and not any(k.power_type or k.max_power for k in connectors or ()):
            levels = self._rated(connectors or (), ratings, current, cx)
        for i, one in enumerate(connectors or ()):
            plug = self._plug(one, cx, f"{path}[{i}]")
            if plug is None:
                continue
            kept.append((i, one))
            plugs.append(plug)
            self._unsaid(one, cx, f"{path}[{i}]")
            if one.power_type is not None or one.max_power is not None:
                self._facility(one.power_type, one.max_voltage, one.max_amperage, one.max_power, one.modes,
                               facilities, cx, f"{path}[{i}]", at, "max_")  # fmt: skip
            else:
                self._left_out(None, one.max_voltage, one.max_amperage, None, one.modes, cx, f"{path}[{i}]", "max_", _NEEDS)
        given = len(facilities)
        for i, level in enumerate(levels or ()):
            self._facility(level.power_type, level.voltage, level.amperage, level.power, level.modes, facilities, cx,
                           f"{level_path}[{i}]", at, "")  # fmt: skip
        if self._paired(plugs, facilities):
            if given != len(facilities):
                if value[1]:
                    cx.lose(level_path, NARROWED, len(levels), "read back as the plugs' own, by position")
                self._reread(kept, plugs, facilities, cx, before, path)
                cx.lose(path, NARROWED, len(kept), "read back with the facilities, by position")
        elif given:
            because = "OICP does not tie facilities to plugs: not every plug has its facility"
            cx.lose(path, NARROWED, len(kept), because)
        return tuple(plugs) or None, tuple(facilities) or None

    def _reread(self, kept: list[tuple[int, c.Connector]], plugs: Any, facilities: Any, cx: Context, before: int, path: str) -> None:
        """Take back what was said to be lost of connectors and comes back from the facilities of the EVSE."""
        read, _ = self.back((plugs, facilities), cx, At((path,), (path,)))
        kept_up = {f"{path}[{i}].{name}" for (i, one), again in zip(kept, read, strict=True) for name in _ELECTRIC
                   if getattr(one, name) == getattr(again, name)}  # fmt: skip
        cx.losses[before:] = [loss for loss in cx.losses[before:] if loss.path not in kept_up]

    def _plug(self, one: c.Connector, cx: Context, path: str) -> w.Plug | None:
        pair = (one.plug, one.format)
        if pair in PLUG_FORMAT.narrow_out:
            found: w.Plug = PLUG_FORMAT.narrow_out[pair]
            cx.lose(f"{path}.plug", NARROWED, one.plug, f"{found.value} is the nearest in OICP")
            return found
        exact: w.Plug | None = PLUG_FORMAT.exact_out.get(pair)
        if exact is None:
            cx.lose(path, REFUSED, f"{one.plug} {one.format}", "OICP 2.3 has no such plug")
        return exact

    def _unsaid(self, one: c.Connector, cx: Context, path: str) -> None:
        for name, why in _UNSAID.items():
            said = getattr(one, name)
            if said:
                cx.lose(f"{path}.{name}", DROPPED, said, why)

    def _facility(self, kind: Any, volts: Any, amps: Any, watts: Any, modes: Any, made: list[w.ChargingFacility], cx: Context,
                  path: str, at: At, prefix: str) -> None:  # fmt: skip
        if kind is None or (watts is None and not (volts and amps)):
            self._left_out(kind, volts, amps, watts, modes, cx, path, prefix, _NEEDS)
            return
        known = Decimal(volts * amps * kind.phases) if watts is None else watts
        kilowatts = (known / 1000).to_integral_value(ROUND_HALF_UP)
        if not 0 <= kilowatts <= 999:
            self._left_out(kind, volts, amps, watts, modes, cx, path, prefix, "0 to 999 kW in OICP")
            return
        if watts is None:
            because = "volts times amperes times phases, in whole kilowatts"
            cx.lose(f"{at.dst[1]}[{len(made)}].Power", DEFAULTED, kilowatts, because)
        elif kilowatts * 1000 != watts:
            cx.lose(f"{path}.{prefix}power", ROUNDED, watts, "whole kilowatts in OICP")
        wire_kind = POWER_TYPE.out(kind, cx, At((f"{path}.power_type",), ("",)))
        if volts is not None and volts > 999:
            cx.lose(f"{path}.{prefix}voltage", DROPPED, volts, "three digits in OICP")
            volts = None
        if amps is not None and amps > 99:
            cx.lose(f"{path}.{prefix}amperage", DROPPED, amps, "two digits in OICP")
            amps = None
        made.append(w.ChargingFacility(PowerType=wire_kind, Voltage=volts, Amperage=amps, Power=kilowatts,
                                       ChargingModes=tuple(MODE.exact_out[m] for m in modes) or None))  # fmt: skip

    def _left_out(self, kind: Any, volts: Any, amps: Any, watts: Any, modes: Any, cx: Context, path: str, prefix: str,
                  because: str) -> None:  # fmt: skip
        """Say that a facility is left out: one of the EVSE as a whole, of a connector what it says about power."""
        if not prefix:
            cx.lose(path, DROPPED, kind, because)
            return
        told = {"power_type": kind, "max_voltage": volts, "max_amperage": amps, "max_power": watts, "modes": modes}
        for name, value in told.items():
            if value is not None and value != ():
                cx.lose(f"{path}.{name}", DROPPED, value, because)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        plugs, facilities = value[0] or (), value[1] or ()
        if self._paired(plugs, facilities):
            return tuple(self._connector(p, f) for p, f in zip(plugs, facilities, strict=True)), ()
        levels = tuple(c.PowerLevel(*self._electric(f), modes=tuple(MODE.exact_back[m] for m in f.ChargingModes or ())) for f in facilities)
        return tuple(self._connector(p, None) for p in plugs), levels

    def _paired(self, plugs: Any, facilities: Any) -> bool:
        """Whether plugs and facilities are read as belonging to each other."""
        return (
            bool(facilities)
            and len(plugs) == len(facilities)
            and all(
                f.PowerType is not None and c.fits(PLUG_FORMAT.exact_back[p][0], POWER_TYPE.exact_back[f.PowerType])
                for p, f in zip(plugs, facilities, strict=True)
            )
        )

    def _electric(self, f: w.ChargingFacility) -> tuple[Any, Any, Any, Any]:
        kind = POWER_TYPE.exact_back[f.PowerType] if f.PowerType is not None else None
        return kind, f.Voltage, f.Amperage, None if f.Power is None else f.Power * 1000

    def _connector(self, plug: w.Plug, f: w.ChargingFacility | None) -> c.Connector:
        kind, format_ = PLUG_FORMAT.exact_back[plug]
        if f is None:
            return c.Connector(plug=kind, format=format_)
        power_type, volts, amps, watts = self._electric(f)
        return c.Connector(plug=kind, format=format_, power_type=power_type, max_voltage=volts, max_amperage=amps, max_power=watts,
                           modes=tuple(MODE.exact_back[m] for m in f.ChargingModes or ()))  # fmt: skip


_ELECTRIC = ("power_type", "max_voltage", "max_amperage", "max_power", "modes")
_NEEDS = "a facility needs power type and power in OICP"

_UNSAID = {
    "id": "OICP has no connector ids",
    "tariff_ids": "OICP prices EVSEs (EVSEPricing), not connectors",
    "terms_url": "OICP has no terms",
    "capabilities": "OICP has no capabilities per connector",
    "last_updated": "OICP dates the EVSE only",
}
Plugs.unsaid = _UNSAID


AUTHENTICATION = Table(
    (c.Capability.RFID_CLASSIC, w.AuthenticationMode.NFC_RFID_CLASSIC),
    (c.Capability.RFID_DESFIRE, w.AuthenticationMode.NFC_RFID_DESFIRE),
    (c.Capability.PLUG_AND_CHARGE, w.AuthenticationMode.PN_C),
    (c.Capability.REMOTE_START_STOP, w.AuthenticationMode.REMOTE),
    (c.Capability.DIRECT_PAYMENT, w.AuthenticationMode.DIRECT_PAYMENT),
    (c.Capability.NO_AUTHENTICATION, w.AuthenticationMode.NO_AUTHENTICATION_REQUIRED),
    out={
        c.Capability.CREDIT_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.DEBIT_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.CASH: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.CHIP_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.CONTACTLESS_CARD: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.PED_TERMINAL: w.AuthenticationMode.DIRECT_PAYMENT,
        c.Capability.OCHP_DIRECT: w.AuthenticationMode.REMOTE,
    },
    name="AuthenticationModeType",
)

SERVICE = Table(
    (c.Capability.RESERVABLE, w.ValueAddedService.RESERVATION),
    (c.Capability.DYNAMIC_PRICING, w.ValueAddedService.DYNAMIC_PRICING),
    (c.Capability.PARKING_SENSORS, w.ValueAddedService.PARKING_SENSORS),
    (c.Capability.MAXIMUM_POWER_CHARGING, w.ValueAddedService.MAXIMUM_POWER_CHARGING),
    (c.Capability.PREDICTIVE_USAGE, w.ValueAddedService.PREDICTIVE_CHARGE_POINT_USAGE),
    (c.Capability.CHARGING_PLANS, w.ValueAddedService.CHARGING_PLANS),
    (c.Capability.ROOF, w.ValueAddedService.ROOF_PROVIDED),
    name="ValueAddedServiceType",
)


class Capabilities(Converter):
    """One set here; authentication modes and value-added services there.

    RFID in general (OCPI's RFID_READER) is what the partner file says with ``rfid`` (for example RFID_CLASSIC and
    RFID_DESFIRE); where nothing tells an authentication mode, ``authentication`` does. No service is written "None".
    """

    note = "capabilities <-> authentication modes and value-added services"
    always = True
    key_hint = "authentication"
    tables = (AUTHENTICATION, SERVICE)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        modes: list[w.AuthenticationMode] = []
        services: list[w.ValueAddedService] = []
        for i, one in enumerate(value or ()):
            path = f"{at.src[0]}[{i}]"
            if one is c.Capability.RFID:
                self._rfid(modes, cx, path)
            elif one in SERVICE.exact_out:
                services.append(SERVICE.exact_out[one])
            elif one in AUTHENTICATION.exact_out:
                modes.append(AUTHENTICATION.exact_out[one])
            elif one in AUTHENTICATION.narrow_out:
                mode = AUTHENTICATION.narrow_out[one]
                cx.lose(path, NARROWED, one, f"{mode.value} is the nearest in OICP")
                modes.append(mode)
            else:
                cx.lose(path, DROPPED, one, "OICP has no such capability")
        if not modes:
            configured = cx.constants.get("authentication") or ()
            modes = [AUTHENTICATION.exact_out[o] for o in configured if o in AUTHENTICATION.exact_out]
            if modes:
                cx.lose(at.dst[0], DEFAULTED, [m.value for m in modes], "configured: authentication")
        return tuple(dict.fromkeys(modes)) or None, tuple(dict.fromkeys(services)) or (w.ValueAddedService.NO_SERVICE,)

    def _rfid(self, modes: list[w.AuthenticationMode], cx: Context, path: str) -> None:
        configured = [AUTHENTICATION.exact_out[o] for o in cx.constants.get("rfid") or () if o in AUTHENTICATION.exact_out]
        if configured:
            cx.lose(
                path,
                NARROWED,
                c.Capability.RFID,
                f"{', '.join(m.value for m in configured)} (configured: rfid)",
            )
            modes.extend(configured)
        else:
            cx.lose(
                path,
                DROPPED,
                c.Capability.RFID,
                "OICP tells Classic from DESFire; set rfid in the partner file",
            )

    def back(self, value: Any, cx: Context, at: At) -> Any:
        found = [AUTHENTICATION.exact_back[m] for m in value[0] or ()]
        found += [SERVICE.exact_back[s] for s in value[1] or () if s is not w.ValueAddedService.NO_SERVICE]
        return tuple(dict.fromkeys(found))


PAYMENT = Table(
    (c.PaymentOption.NO_PAYMENT, w.PaymentOption.NO_PAYMENT),
    (c.PaymentOption.DIRECT, w.PaymentOption.DIRECT),
    (c.PaymentOption.CONTRACT, w.PaymentOption.CONTRACT),
    name="PaymentOptionType",
).covers(c.PaymentOption, w.PaymentOption)

ACCESSIBILITY = Table(
    (c.Accessibility.FREE_PUBLIC, w.Accessibility.FREE_PUBLICLY_ACCESSIBLE),
    (c.Accessibility.PAYING_PUBLIC, w.Accessibility.PAYING_PUBLICLY_ACCESSIBLE),
    (c.Accessibility.RESTRICTED, w.Accessibility.RESTRICTED_ACCESS),
    (c.Accessibility.TEST_STATION, w.Accessibility.TEST_STATION),
    name="AccessibilityType",
).covers(c.Accessibility, w.Accessibility)

ACCESS_LOCATION = Table(
    (c.ParkingType.ON_STREET, w.AccessibilityLocation.ON_STREET),
    (c.ParkingType.PARKING_LOT, w.AccessibilityLocation.PARKING_LOT),
    (c.ParkingType.PARKING_GARAGE, w.AccessibilityLocation.PARKING_GARAGE),
    (c.ParkingType.UNDERGROUND_GARAGE, w.AccessibilityLocation.UNDERGROUND_PARKING_GARAGE),
    never={
        c.ParkingType.ALONG_MOTORWAY: "OICP has no motorway",
        c.ParkingType.ON_DRIVEWAY: "OICP has no driveway",
        c.ParkingType.PRIVATE: "OICP does not tell private ground",
        c.ParkingType.OTHER: "OICP has no other kind",
        c.ParkingType.UNKNOWN: "OICP leaves an unknown kind out",
    },
    name="AccessibilityLocationType",
).covers(c.ParkingType, w.AccessibilityLocation)

CALIBRATION = Table(
    (c.CalibrationData.LOCAL, w.CalibrationLawDataAvailability.LOCAL),
    (c.CalibrationData.EXTERNAL, w.CalibrationLawDataAvailability.EXTERNAL),
    (c.CalibrationData.NOT_AVAILABLE, w.CalibrationLawDataAvailability.NOT_AVAILABLE),
    name="CalibrationLawDataAvailabilityType",
).covers(c.CalibrationData, w.CalibrationLawDataAvailability)

DYNAMIC_INFO = Table(
    (c.DynamicInfo.YES, w.DynamicInfoAvailable.TRUE),
    (c.DynamicInfo.NO, w.DynamicInfoAvailable.FALSE),
    (c.DynamicInfo.AUTO, w.DynamicInfoAvailable.AUTO),
    name="DynamicInfoAvailable",
).covers(c.DynamicInfo, w.DynamicInfoAvailable)

ENERGY = Table(
    (EnergySourceKind.SOLAR, w.EnergyType.SOLAR),
    (EnergySourceKind.WIND, w.EnergyType.WIND),
    (EnergySourceKind.WATER, w.EnergyType.HYDRO_POWER),
    (EnergySourceKind.GEOTHERMAL, w.EnergyType.GEOTHERMAL_ENERGY),
    (EnergySourceKind.BIOMASS, w.EnergyType.BIOMASS),
    (EnergySourceKind.COAL, w.EnergyType.COAL),
    (EnergySourceKind.NUCLEAR, w.EnergyType.NUCLEAR_ENERGY),
    (EnergySourceKind.PETROLEUM, w.EnergyType.PETROLEUM),
    (EnergySourceKind.GAS, w.EnergyType.NATURAL_GAS),
    never={
        EnergySourceKind.GENERAL_FOSSIL: "OICP names the fuel",
        EnergySourceKind.GENERAL_GREEN: "OICP names the renewable source",
    },
    name="EnergyType",
).covers(EnergySourceKind, w.EnergyType)


class Sources(Converter):
    """Energy sources with whole percentages."""

    note = "energy sources, whole percentages"
    tables = (ENERGY,)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        made = []
        for i, one in enumerate(value):
            kind = ENERGY.out(one.kind, cx, At((f"{at.src[0]}[{i}]",), ("",)))
            if kind is None:
                continue
            share = one.percentage
            if share is not None and share != int(share):
                cx.lose(f"{at.src[0]}[{i}].percentage", ROUNDED, share, "whole percentages in OICP")
                share = share.to_integral_value(ROUND_HALF_UP)
            made.append(w.EnergySource(Energy=kind, Percentage=None if share is None else int(share)))
        return tuple(made) or None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        made = []
        for i, one in enumerate(value):
            if one.Energy is None:
                cx.lose(f"{at.src[0]}[{i}]", DROPPED, one.Percentage, "a share without a source")
                continue
            made.append(EnergySource(ENERGY.exact_back[one.Energy], None if one.Percentage is None else Decimal(one.Percentage)))
        return tuple(made) or None


class Impacts(Converter):
    """CO2 and nuclear waste in g/kWh."""

    note = "CO2 and nuclear waste"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        found: dict[ImpactKind, Decimal] = {}
        for i, one in enumerate(value):
            if one.kind in found:
                cx.lose(f"{at.src[0]}[{i}]", DROPPED, one.amount, "told twice")
            else:
                found[one.kind] = one.amount
        return w.EnvironmentalImpact(CO2Emission=found.get(ImpactKind.CARBON_DIOXIDE),
                                     NuclearWaste=found.get(ImpactKind.NUCLEAR_WASTE))  # fmt: skip

    def back(self, value: Any, cx: Context, at: At) -> Any:
        made = []
        if value.CO2Emission is not None:
            made.append(Impact(ImpactKind.CARBON_DIOXIDE, value.CO2Emission))
        if value.NuclearWaste is not None:
            made.append(Impact(ImpactKind.NUCLEAR_WASTE, value.NuclearWaste))
        return tuple(made) or None


_DAYS = {1: w.DayOfWeek.MONDAY, 2: w.DayOfWeek.TUESDAY, 3: w.DayOfWeek.WEDNESDAY, 4: w.DayOfWeek.THURSDAY,
         5: w.DayOfWeek.FRIDAY, 6: w.DayOfWeek.SATURDAY, 7: w.DayOfWeek.SUNDAY}  # fmt: skip
_GROUPS = {
    w.DayOfWeek.EVERYDAY: (1, 2, 3, 4, 5, 6, 7),
    w.DayOfWeek.WORKDAYS: (1, 2, 3, 4, 5),
    w.DayOfWeek.WEEKEND: (6, 7),
}
DAYS_OF = {**{d: (n,) for n, d in _DAYS.items()}, **_GROUPS}


def days_told(days: list[int]) -> list[w.DayOfWeek]:
    """Weekdays in OICP's words, with its groups where they fit exactly."""
    for group, members in _GROUPS.items():
        if sorted(days) == list(members):
            return [group]
    return [_DAYS[d] for d in sorted(days)]


class Hours(Converter):
    """IsOpen24Hours and OpeningTimes; exceptions have no place. Groups of days are written where they fit."""

    note = "opening hours by day"
    always = True
    key_hint = "always_open"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        path = at.src[0]
        if value is None or (value.always is None and not value.regular):
            always = cx.constants.get("always_open")
            if always is not None:
                cx.lose(at.dst[0], DEFAULTED, always, "configured: always_open")
        else:
            always = value.always
            if always is None:
                always = False
                cx.lose(at.dst[0], DEFAULTED, False, "regular hours are told, so not around the clock")
        for name in ("openings", "closings"):
            for i, one in enumerate(getattr(value, name, ())):
                cx.lose(f"{path}.{name}[{i}]", DROPPED, str(one.begin), "OICP has no exceptional hours")
        grouped: dict[tuple[int, ...], list[tuple[str, str]]] = {}
        for span, days in by_day(value.regular if value is not None else ()).items():
            grouped.setdefault(tuple(sorted(days)), []).append(span)
        times = [
            w.OpeningTimes(on=day, Period=tuple(w.Period(begin=b, end=e) for b, e in spans))
            for days, spans in grouped.items()
            for day in days_told(list(days))
        ]
        return always, tuple(times) or None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        always, times = value
        regular: list[c.RegularHours] = []
        for i, one in enumerate(times or ()):
            for j, period in enumerate(one.Period):
                if not CLOCK.fullmatch(period.begin) or not CLOCK.fullmatch(period.end):
                    cx.lose(
                        f"{at.src[1]}[{i}].Period[{j}]",
                        DROPPED,
                        f"{period.begin}-{period.end}",
                        "no times of day",
                    )
                    continue
                regular += [c.RegularHours(day, period.begin, period.end) for day in DAYS_OF[one.on]]
        if always is None and not regular:
            return None
        return c.Hours(always, tuple(sorted(dict.fromkeys(regular), key=lambda h: (h.weekday, h.begin, h.end))))


class Zone(Converter):
    """TimeZone ``UTC+01:00``: the offset as told, else the standard time of the place's zone."""

    note = "UTC offset of standard time"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        zone, offset = value
        if zone is not None:
            standard = standard_offset(zone, cx.facts.now)
            cx.lose(at.src[0], NARROWED if standard else DROPPED, zone, "OICP has an offset, no time zone")
            if offset is None and standard is not None:
                cx.lose(at.dst[0], DEFAULTED, standard, "standard time of the zone")
            return offset or standard
        return offset

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return None, value


class Picture(Converter):
    """One URL of a picture of the charging station."""

    note = "URL of the first picture of the charger"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        chosen: Image | None = None
        for i, one in enumerate(value):
            path = f"{at.src[0]}[{i}]"
            if chosen is not None or one.category not in (ImageCategory.CHARGER, None):
                cx.lose(path, DROPPED, one.url, "one picture of the charger in OICP")
            elif len(one.url) > 200:
                cx.lose(path, DROPPED, one.url, "a URL of at most 200 characters in OICP")
            else:
                chosen = one
                for name in ("thumbnail", "type", "width", "height"):
                    if getattr(one, name) is not None:
                        cx.lose(f"{path}.{name}", DROPPED, getattr(one, name), "OICP has the URL only")
                if one.category is None:
                    cx.lose(f"{path}.category", NARROWED, None, "read back as a picture of the charger")
        return chosen.url if chosen else None

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return (Image(value, ImageCategory.CHARGER),)


class Entrance(Converter):
    """One entrance among the related points."""

    note = "the first entrance"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        chosen = None
        for i, one in enumerate(value):
            path = f"{at.src[0]}[{i}]"
            if chosen is not None or one.kind is not c.PointKind.ENTRANCE:
                cx.lose(path, DROPPED, str(one.kind or "a point"), "OICP knows one entrance")
                continue
            chosen = GEO.out(one.point, cx, At((f"{path}.point",), at.dst))
            if one.name is not None:
                cx.lose(f"{path}.name", DROPPED, one.name.text, "OICP's entrance has no name")
        return chosen

    def back(self, value: Any, cx: Context, at: At) -> Any:
        made = GEO.back(value, cx, at)
        return None if made is None else (c.RelatedPoint(made, c.PointKind.ENTRANCE),)


class Operator(Converter):
    """The operator: OperatorID of pulled records, else the one that the EVSE-ID names."""

    note = "the operator that the EVSE-ID names, or OperatorID"

    def __init__(self, *, told: bool) -> None:
        self.told = told

    def out(self, value: Any, cx: Context, at: At) -> Any:
        operator, evse_id = value
        wire_id = None if evse_id is None else EVSE_ID.out(evse_id, cx, At((at.src[1],), ("EvseID",)))
        named = operator_of(evse_id)
        if not self.told:
            if operator is None and named is not None:
                cx.lose("EvseID", DEFAULTED, named, "the EVSE-ID names the operator")
            elif operator is not None and (named is None or operator_key(named) != operator_key(operator)):
                cx.lose(at.src[0], DROPPED, operator, "the operator of a push is told once per message")
            elif operator is not None and str(operator) != str(named):
                cx.lose(at.src[0], NARROWED, operator, f"read back as {named}")
            return wire_id
        wire_operator = None if operator is None else OPERATOR_ID.out(operator, cx, At((at.src[0],), at.dst))
        if wire_operator is None and named is not None:
            cx.lose(at.dst[0], DEFAULTED, named, "the EVSE-ID names the operator")
            wire_operator = str(named)
        return wire_operator, wire_id

    def back(self, value: Any, cx: Context, at: At) -> Any:
        told, evse_id = value if self.told else (None, value)
        operator = OperatorId(told) if told else operator_of(evse_id)
        if self.told and not told and operator is not None:
            cx.lose(at.dst[0], DEFAULTED, operator, "the EVSE-ID names the operator")
        return operator, EVSE_ID.kind(evse_id)


NAMES_FROM_ADDRESS = "the address, for want of a name"


def _address_name(o: c.Unit, cx: Context) -> Any:
    a = o.place.address
    line = a.line or (f"{a.street} {a.house_number}" if a.street else None)
    return (Text(line),) if line else None


def _operator_name(o: c.Unit, cx: Context) -> Any:
    return cx.constants.get("operator_name")


_OCPI_ONLY = "only OCPI has it"
_OCHP_ONLY = "only OCHP has it"

PUSHED = Mapping(c.Unit, w.EvseDataRecord, (
    row(("place.operator_id", "evse.id"), ("OperatorID", "EvseID"), Operator(told=True)),
    row("place.operator.name", "OperatorName", or_else=from_partner("operator_name")),
    row("evse.last_updated", "lastUpdate", UTC_TIME),
    row("place.id", "ChargingPoolID", Spelled(
        LocationId, re.compile(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?P[A-Za-z0-9*]{1,30}"), name="ChargingPoolID")),
    row("evse.station_id", "ChargingStationId"),
    row("place.names", "ChargingStationNames", INFO_TEXT, many=True, or_else=derived(_address_name, NAMES_FROM_ADDRESS)),
    row("evse.manufacturer", "HardwareManufacturer"),
    row("evse.images", "ChargingStationImage", Picture()),
    row("place.suboperator.name", "SubOperatorName"),
    row(("place.address.street", "place.address.house_number", "place.address.line"), ("Address.Street", "Address.HouseNum"),
        TwoParts(re.compile(r".{1,10}"), mandatory=True, limit=100)),
    row("place.address.country", "Address.Country", COUNTRY),
    row("place.address.city", "Address.City"),
    row("place.address.postal_code", "Address.PostalCode", SAME, or_else=from_partner("postal_code")),
    row("place.address.state", "Address.Region"),
    row("evse.floor", "Address.Floor"),
    row("evse.parking_facility", "Address.ParkingFacility"),
    row("evse.parking_spot", "Address.ParkingSpot"),
    row(("place.time_zone", "place.utc_offset"), "Address.TimeZone", Zone()),
    row("place.coordinates", "GeoCoordinates", GEO),
    row(("evse.connectors", "evse.power_levels"), ("Plugs", "ChargingFacilities"), Plugs(),
        using=("evse.ratings", "evse.current"), hints={
        "evse.connectors.plug": "Plugs", "evse.connectors.format": "Plugs", "evse.connectors": "Plugs",
        "evse.connectors.power_type": "ChargingFacilities", "evse.connectors.max_voltage": "ChargingFacilities",
        "evse.connectors.max_amperage": "ChargingFacilities", "evse.connectors.max_power": "ChargingFacilities",
        "evse.connectors.modes": "ChargingFacilities"}),
    row("evse.dynamic_power", "DynamicPowerLevel"),
    row("place.energy_mix.is_green", "RenewableEnergy", SAME, or_else=from_partner("renewable_energy")),
    row("place.energy_mix.sources", "EnergySource", Sources()),
    row("place.energy_mix.impacts", "EnvironmentalImpact", Impacts()),
    row("evse.calibration", "CalibrationLawDataAvailability", CALIBRATION, or_else=from_partner("calibration")),
    row("evse.capabilities", ("AuthenticationModes", "ValueAddedServices"), Capabilities(), hints={
        "evse.capabilities": "AuthenticationModes"}),
    row("evse.max_capacity_kwh", "MaxCapacity"),
    row("evse.payment_options", "PaymentOptions", PAYMENT, many=True, or_else=from_partner("payment_options")),
    row("evse.accessibility", "Accessibility", ACCESSIBILITY, or_else=from_partner("accessibility")),
    row("place.parking_type", "AccessibilityLocation", ACCESS_LOCATION),
    row("place.help_phone", "HotlinePhoneNumber", Phone(PHONE_PATTERN), or_else=from_partner("hotline")),
    row("evse.additional_info", "AdditionalInfo", INFO_TEXT, many=True),
    row("evse.directions", "ChargingStationLocationReference", INFO_TEXT, many=True),
    row("place.related_points", "GeoChargingPointEntrance", Entrance()),
    row("place.hours", ("IsOpen24Hours", "OpeningTimes"), Hours(), hints={"place.hours.regular": "OpeningTimes"}),
    row("evse.hub_operator_id", "HubOperatorID", OPERATOR_ID),
    row("evse.clearing_house_id", "ClearinghouseID"),
    row("evse.hubject_compatible", "IsHubjectCompatible", SAME, or_else=from_partner("hubject_compatible")),
    row("evse.dynamic_info", "DynamicInfoAvailable", DYNAMIC_INFO, or_else=from_partner("dynamic_info")),
    no_source("deltaType", because="Hubject's mark of a change since the last call; nothing about the EVSE"),
    no_place("evse.uid", because="OICP knows EVSEs by their EVSE-ID only"),
    no_place("evse.status", because="OICP sends the status by itself (eRoamingPushEvseStatus)"),
    no_place("evse.status_schedule", because="OICP has no planned status"),
    no_place("evse.current", because=_OCHP_ONLY),
    no_place("evse.ratings", because="the power goes into a facility; OICP has no ratings"),
    no_place("evse.coordinates", because="OICP has one point per record, the place's"),
    no_place("evse.physical_reference", because="OICP has no mark on the EVSE"),
    no_place("evse.parking_restrictions", because="OICP has no parking restriction"),
    no_place("evse.parking", because="only OCPI 2.3.0 has it"),
    no_place("evse.parking_spots", because=_OCHP_ONLY),
    no_place("evse.accepted_providers", because="only OCPI 2.3.0 has it"),
    no_place("evse.metering", because="only OCHP 1.4.1 has it"),
    no_place("evse.user_interface_languages", because=_OCHP_ONLY),
    no_place("evse.max_reservation_minutes", because=_OCHP_ONLY),
    no_place("place.publish", because="what may not be published is not pushed", reads_as=True, refuse_when=False),
    no_place("place.publish_allowed_to", because="OICP has no list of those who may see an EVSE"),
    no_place("place.operator.website", because="OICP has the operator's name only"),
    no_place("place.operator.logo", because="OICP has the operator's name only"),
    no_place("place.suboperator.website", because="OICP has the sub-operator's name only"),
    no_place("place.suboperator.logo", because="OICP has the sub-operator's name only"),
    no_place("place.owner", because=_OCPI_ONLY),
    no_place("place.directions", because="OICP describes the way per EVSE"),
    no_place("place.facilities", because=_OCPI_ONLY),
    no_place("place.parking_places", because="only OCPI 2.3.0 has it"),
    no_place("place.charging_when_closed", because="OICP has no such field"),
    no_place("place.images", because="OICP has one picture, of the charging station"),
    no_place("place.related_resources", because=_OCHP_ONLY),
    no_place("place.energy_mix.supplier", because=_OCPI_ONLY),
    no_place("place.energy_mix.product", because=_OCPI_ONLY),
    no_place("place.last_updated", because="OICP dates the EVSE"),
), name="EvseDataRecord", shared="place")  # fmt: skip
"""The record with its operator, as a push message or a pull answer tells it."""

EVSE = PUSHED.but(
    row(("place.operator_id", "evse.id"), "EvseID", Operator(told=False)),
    no_source("OperatorID", because="part of the message, not of the record"),
    no_source("OperatorName", because="part of the message, not of the record"),
    no_place("place.operator.name", because="told once per message, not in the record"),
    name="EvseDataRecord",
)
"""The record alone, as `EvseDataRecordType` has it."""

__all__ = ["EVSE", "PUSHED"]
