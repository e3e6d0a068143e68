"""Meter values of OCPP 1.6 (MeterValues, StopTransaction.transactionData; sections 4.7, 7.31 to 7.44).

Registers are Energy.Active.Import.Register in kWh, from Wh (the default) or kWh. A total stands before phases; phases
count only where all three are told, since one of them alone says nothing about the others. Signed data is kept as the
text that it is: a parser that writes it anew breaks the signature. A current is that of all phases together (OCPI 2.2.1,
mod_tariffs, min_current).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import define, field

from bridge.ocpp.fields import Fields, moment, number
from bridge.roaming.ports import MeterSample

_REGISTER = "energy.active.import.register"
_POWER = "power.active.import"
_CURRENT = "current.import"
_SOC = "soc"

_TO_KILO = {"": -3, "wh": -3, "w": -3, "kwh": 0, "kw": 0}
_ENERGY = {"", "wh", "kwh"}
_WATTS = {"", "w", "kw"}

# Where it is measured: what goes to the car is what is sold; what the car itself says of its battery is not.
_PLACES = {"": 0, "outlet": 0, "cable": 1, "body": 1, "inlet": 2}

_PHASES = (("L1", "L2", "L3"), ("L1-N", "L2-N", "L3-N"))

_FINEST = Decimal("0.000001")
"""kWh or kW: finer digits are noise of binary floats (``0.15002000000000001``); no meter resolves a milliwatt hour."""


@define
class _Moment:
    """What one MeterValue says in one context."""

    values: dict[tuple[str, int, str], Decimal] = field(factory=dict)
    signed: list[str] = field(factory=list)

    def take(self, sampled: Mapping[str, Any]) -> None:
        fields = Fields(sampled)
        value = fields.get("value")
        if _word(fields, "format") == "signeddata":
            if isinstance(value, str):
                self.signed.append(value)
            return
        measurand = _word(fields, "measurand") or _REGISTER
        place = 0 if measurand == _SOC else _PLACES.get(_word(fields, "location"))
        amount = _amount(measurand, _word(fields, "unit"), value)
        if amount is not None and place is not None:
            self.values[measurand, place, _word(fields, "phase").upper()] = amount

    def of(self, measurand: str) -> list[dict[str, Decimal]]:
        """The values of a measurand by phase, the preferred place first."""
        found: dict[int, dict[str, Decimal]] = {}
        for (name, place, phase), amount in self.values.items():
            if name == measurand:
                found.setdefault(place, {})[phase] = amount
        return [found[place] for place in sorted(found)]

    def total(self, measurand: str) -> Decimal | None:
        for phases in self.of(measurand):
            if "" in phases:
                return phases[""]
            for family in _PHASES:
                if all(one in phases for one in family):
                    return sum((phases[one] for one in family), Decimal(0))
        return None

    def together(self, measurand: str) -> Decimal | None:
        """A current: the total where one is told, else the sum of the phases that are: a car need not charge on all."""
        for phases in self.of(measurand):
            if "" in phases:
                return phases[""]
            told = max(([phases[one] for one in family if one in phases] for family in _PHASES), key=len)
            if told:
                return sum(told, Decimal(0))
        return None

    def samples(self, at: datetime | None, otherwise: datetime, context: str | None) -> Iterable[MeterSample]:
        register, power, current = self.total(_REGISTER), self.total(_POWER), self.together(_CURRENT)
        charge = self.total(_SOC)
        signed = list(self.signed)
        if at is not None and any(one is not None for one in (register, power, current, charge)):
            yield MeterSample(at, register, power, current, charge, signed.pop(0) if signed else None, context)
        for one in signed:  # the time that counts is in it
            yield MeterSample(at or otherwise, signed=one, context=context)


def _word(fields: Fields, name: str) -> str:
    found = fields.get(name)
    return found.strip().lower() if isinstance(found, str) else ""


def _amount(measurand: str, unit: str, value: Any) -> Decimal | None:
    amount = number(value)
    if amount is None or abs(amount) >= Decimal(10) ** 15:
        return None
    if measurand in (_REGISTER, _POWER):
        if unit not in (_ENERGY if measurand == _REGISTER else _WATTS):
            return None
        amount = amount.scaleb(_TO_KILO[unit])
    exponent = amount.as_tuple().exponent
    return amount.quantize(_FINEST) if isinstance(exponent, int) and exponent < -6 else amount


def samples(meter_values: Any, otherwise: datetime) -> Sequence[MeterSample]:
    """The samples of a list of MeterValue, in its order; one per time and context, more where more is signed.

    A value that cannot be read is left out, and so is one without a readable time, unless it is signed: that one gets
    the time ``otherwise``.
    """
    made: list[MeterSample] = []
    for one in meter_values if isinstance(meter_values, list) else [meter_values]:
        if not isinstance(one, dict):
            continue
        fields = Fields(one)
        at = moment(fields.get("timestamp"))
        contexts: dict[str | None, _Moment] = {}
        sampled = fields.get("sampledValue")
        for value in sampled if isinstance(sampled, list) else [sampled]:
            if isinstance(value, dict):
                told = Fields(value).get("context")
                context = told.strip() if isinstance(told, str) else None
                contexts.setdefault(context, _Moment()).take(value)
        for context, found in contexts.items():
            made.extend(found.samples(at, otherwise, context))
    return made
