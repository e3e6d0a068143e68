"""Exact arithmetic, and the one place where amounts become decimals or are rounded.

Inside the package every amount is exact: a Decimal under `EXACT`, where an operation that would have to round
raises instead, or a Fraction where a division does not end (prices that hold taxes). Hours would not end
either (five minutes are 0.08333... h), so times are counted in seconds and divided by 3600 once, at the end.
"""

from __future__ import annotations

from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from fractions import Fraction
from functools import lru_cache
from typing import Final

from attrs import frozen

from bridge.model.tables import CURRENCY_DIGITS

Exact = Decimal | Fraction

EXACT: Final = Context(prec=400, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Entered once per calculation. 400 digits hold any sum of sane figures; past that Inexact is raised."""

PLACES: Final = 12
"""Decimal places of a number that has no finite decimal form; half to even. Money differs by less than 1e-12.
"""

HOUR: Final = 3600
ZERO: Final = Decimal(0)

_WIDE: Final = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation, DivisionByZero])
_LOOSE: Final = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
_GRAIN: Final = Decimal(1).scaleb(-PLACES)
_PRACTICE: Final = {"HUF": 0}
"""Where billing uses other digits than ISO 4217 lists: the fillér is out of use."""


def times(unit: Exact, volume: Decimal) -> Exact:
    """``unit`` times ``volume``, exactly."""
    if type(unit) is Decimal:
        return unit * volume
    return Fraction(unit) * Fraction(volume)


def plus(left: Exact, right: Exact) -> Exact:
    """The exact sum of two exact numbers, of which either may be a Fraction."""
    if type(left) is Decimal and type(right) is Decimal:
        return left + right
    return Fraction(left) + Fraction(right)


def quotient(value: Exact, divisor: int) -> Exact:
    """``value / divisor``, exactly: a Decimal where the division ends within 60 digits, else a Fraction."""
    if divisor == 1:
        return value
    if type(value) is Decimal:
        try:
            return _WIDE.divide(value, Decimal(divisor))
        except Inexact:
            pass
    return Fraction(value) / divisor


def decimal(value: Exact, per: int = 1) -> Decimal:
    """``value / per`` as a Decimal: exact if it has a finite form, else at `PLACES`."""
    if type(value) is not Decimal:
        return _finite(Fraction(value) / per)
    if per == 1 or not value:
        return value
    result = _LOOSE.divide(value, per)
    # No tie can be near the rest: a fraction that does not end is further from one than 60 digits hide.
    return result if EXACT.multiply(result, per) == value else _LOOSE.quantize(result, _GRAIN)


def _finite(value: Fraction) -> Decimal:
    """A fraction as a decimal: exact if its denominator has only twos and fives, else rounded at `PLACES`."""
    try:
        return _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
    except Inexact:
        return Decimal(round(value * 10**PLACES)).scaleb(-PLACES, EXACT)  # Fraction rounds half to even


def text(value: Decimal) -> str:
    """A decimal as plain digits: no exponent, no trailing zeros, no negative zero."""
    if not value:
        return "0"
    written = format(value, "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


@frozen
class Rounding:
    """A named way to round amounts of a currency: to ``digits`` places, halves away from zero."""

    name: str
    currency: str
    digits: int

    @property
    def unit(self) -> Decimal:
        """The smallest amount: 0.01 for two digits."""
        return Decimal(1).scaleb(-self.digits)

    def apply(self, value: Exact, per: int = 1) -> Decimal:
        """``value / per`` rounded, from its exact value, so that nothing is rounded twice."""
        if type(value) is Decimal:
            top = EXACT.fma(EXACT.abs(value), 2 * 10**self.digits, per)
            whole = EXACT.divide_int(top, 2 * per).scaleb(-self.digits, EXACT)
        else:
            scaled = abs(Fraction(value)) / per * 10**self.digits
            whole = Decimal(int(scaled + Fraction(1, 2))).scaleb(-self.digits, EXACT)
        return -whole if value < 0 and whole else whole


@lru_cache(maxsize=256)
def rounding(currency: str) -> Rounding:
    """The policy of a currency: "half-up to the minor unit", its digits by ISO 4217 (2 if the code is
    unknown).

    Hungarian forints are billed without decimals, although ISO 4217 lists two.
    """
    code = currency.upper()
    digits = _PRACTICE.get(code, CURRENCY_DIGITS.get(code, 2))
    return Rounding("half-up to the minor unit", code, digits)
