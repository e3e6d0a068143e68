"""OICP 2.3 plugs and charging facilities (PlugType, ChargingFacilityType) and the connectors that they are."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    NARROWED,
    REFUSED,
    ROUNDED,
    At,
    Context,
    Converter,
    Table,
)
from bridge.model import location as c
from bridge.oicp import wire as w

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
