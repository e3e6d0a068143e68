"""What is wrong or doubtful with a tariff by itself, before anything is priced by it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal, localcontext
from typing import Final

from bridge.model.tables import CURRENCY_DIGITS
from bridge.model.tariff import Dimension, PriceComponent, PriceLimit, Tariff, TaxIncluded
from bridge.tariff.errors import Finding, PricingError, Severity, refusing
from bridge.tariff.explain import describe
from bridge.tariff.money import EXACT, HOUR, decimal, rounding, text
from bridge.tariff.plan import Plan, Rule
from bridge.tariff.reach import Reach
from bridge.tariff.rules import DEFAULT, Rules

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def lint(tariff: Tariff, version: str | None = None, rules: Rules = DEFAULT) -> list[Finding]:
    """Everything wrong or doubtful with a tariff, worst first.

    ``version`` (``2.1.1``, ``2.2.1``, ``2.3.0``) is the OCPI version the tariff is meant for: what that one does not
    know is found too. Never raises: a tariff that cannot be priced by is a finding.
    """
    try:
        with localcontext(EXACT), refusing("elements"):
            found = [*_whole(tariff), *_components(tariff), *_taxes(tariff), *_limits(tariff)]
            if version is not None:
                found += _version(tariff, version)
            found += _reach(Plan(tariff, rules))
    except PricingError as error:
        found = [Finding("UNUSABLE", error.reason, error.path)]
    rank = {_ERROR: 0, _WARNING: 1, _INFO: 2}
    return sorted(found, key=lambda f: rank[f.severity])


def _whole(tariff: Tariff) -> Iterator[Finding]:
    if not tariff.elements:
        yield Finding("NO_ELEMENTS", "the tariff has no element", "elements")
    if tariff.currency.upper() not in CURRENCY_DIGITS:
        yield Finding("CURRENCY_UNKNOWN", f"{tariff.currency!r} is no currency of ISO 4217", "currency")
    if tariff.valid_from is not None and tariff.valid_until is not None and tariff.valid_until <= tariff.valid_from:
        yield Finding("NEVER_VALID", "the tariff ends before it starts", "valid_until")
    items = [c for e in tariff.elements for c in e.components]
    if items and all(c.dimension is Dimension.FLAT for c in items) and any(c.price for c in items):
        # A charging period needs a dimension, and FLAT is none of a CDR (https://github.com/ocpi/ocpi/issues/426).
        message = "a FLAT fee alone gives a charging period nothing to measure: add a free TIME or ENERGY component"
        yield Finding("FLAT_ALONE", message, "elements", _WARNING)


def _components(tariff: Tariff) -> Iterator[Finding]:
    unit = rounding(tariff.currency).unit
    for index, element in enumerate(tariff.elements):
        path = f"elements[{index}]"
        if not element.components:
            yield Finding("NO_COMPONENTS", "the element has no price", f"{path}.components")
        reserving = element.restrictions is not None and element.restrictions.reservation is not None
        seen: set[Dimension] = set()
        for place, item in enumerate(element.components):
            where = f"{path}.components[{place}]"
            if item.dimension in seen:
                message = f"a second {item.dimension} in one element is never used"
                yield Finding("SECOND_COMPONENT", message, where, _WARNING)
            seen.add(item.dimension)
            if item.price < 0:
                yield Finding("NEGATIVE_PRICE", f"the price is {text(item.price)}", f"{where}.price", _WARNING)
            if reserving and item.dimension in (Dimension.ENERGY, Dimension.PARKING_TIME):
                message = f"a reservation has no {item.dimension}: only FLAT and TIME can be priced"
                yield Finding("RESERVATION_DIMENSION", message, where, _WARNING)
            yield from _step(item, where, unit, tariff.currency)


def _step(item: PriceComponent, path: str, unit: Decimal, currency: str) -> Iterator[Finding]:
    """A step that can cost the driver an amount that shows."""
    if item.dimension is Dimension.FLAT or item.step <= 1 or not item.price.is_finite() or item.price <= 0:
        return
    per, name = (1000, "Wh") if item.dimension is Dimension.ENERGY else (HOUR, "s")
    worst = decimal(item.price * (item.step - 1), per)
    if worst >= unit:
        message = f"a step of {text(item.step)} {name} adds up to {text(_cents(worst))} {currency} to what was used"
        yield Finding("STEP_AGAINST_DRIVER", message, f"{path}.step", _WARNING)


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.0001"), context=_LOOSE)


_LOOSE: Final = Context(prec=60)


def _taxes(tariff: Tariff) -> Iterator[Finding]:
    """VAT against tax_included (OCPI 2.3.0, TaxIncluded and PriceComponent)."""
    included = tariff.tax_included
    priced = [(f"elements[{i}].components[{j}]", c) for i, e in enumerate(tariff.elements) for j, c in enumerate(e.components)]
    for path, item in priced:
        if item.vat is not None and not 0 <= item.vat <= 100:
            yield Finding("VAT_ABSURD", f"VAT of {text(item.vat)} %", f"{path}.vat")
        if item.vat and included is TaxIncluded.NOT_APPLICABLE:
            message = f"VAT of {text(item.vat)} %, although no taxes are said to apply (tax_included N/A)"
            yield Finding("VAT_CONTRADICTION", message, f"{path}.vat")
    costly = [(path, item) for path, item in priced if item.price]
    silent = [path for path, item in costly if item.vat is None]
    if silent and len(silent) < len(costly) and included is not TaxIncluded.NOT_APPLICABLE:
        message = "some components have a VAT and this one has none"
        yield Finding("VAT_PARTLY_MISSING", message, f"{silent[0]}.vat", _WARNING)
    elif silent and included is TaxIncluded.NO:
        message = "taxes are added, and how much is not said: amounts after taxes cannot be determined"
        yield Finding("AFTER_TAXES_UNKNOWN", message, f"{silent[0]}.vat", _INFO)
    elif silent and included is TaxIncluded.YES:
        message = "taxes are included, and how much is not said: amounts before taxes cannot be determined"
        yield Finding("BEFORE_TAXES_UNKNOWN", message, f"{silent[0]}.vat", _INFO)


def _limits(tariff: Tariff) -> Iterator[Finding]:
    low, high = tariff.min_price, tariff.max_price
    taxed = any(c.vat for e in tariff.elements for c in e.components)
    for name, limit in (("min_price", low), ("max_price", high)):
        if limit is None:
            continue
        yield from _limit(name, limit, tariff.tax_included, taxed)
    if low is not None and high is not None:
        for side in ("excl", "incl"):
            least, most = getattr(low, side), getattr(high, side)
            if least is not None and most is not None and least > most:
                message = f"the least, {text(least)}, is above the most, {text(most)}"
                yield Finding("MIN_ABOVE_MAX", message, f"min_price.{side}")


def _limit(name: str, limit: PriceLimit, included: TaxIncluded | None, taxed: bool) -> Iterator[Finding]:
    excl, incl = limit.excl, limit.incl
    if (excl is None or incl is None) and taxed and included is not TaxIncluded.NOT_APPLICABLE:
        side = "after" if incl is None else "before"
        message = f"{name} does not say its amount {side} taxes: that amount is not limited"
        yield Finding("LIMIT_ONE_SIDED", message, f"{name}.{'incl' if incl is None else 'excl'}", _WARNING)
    if excl is None or incl is None:
        return
    if incl < excl:
        message = f"{name} is {text(incl)} after taxes, less than {text(excl)} before"
        yield Finding("LIMIT_CONTRADICTION", message, f"{name}.incl")
    elif incl != excl and included is TaxIncluded.NOT_APPLICABLE:
        message = f"{name} differs before and after taxes, although none apply (tax_included N/A)"
        yield Finding("LIMIT_CONTRADICTION", message, f"{name}.incl")


def _version(tariff: Tariff, version: str) -> Iterator[Finding]:
    """What an OCPI version does not know."""

    def unknown(path: str, since: str) -> Finding:
        return Finding("NOT_IN_VERSION", f"OCPI {version} does not know this; {since}", path)

    later = "it came with 2.2"
    if version == "2.1.1":
        for name in ("min_price", "max_price", "kind", "valid_from", "valid_until"):
            if getattr(tariff, name) is not None:
                yield unknown(name, later)
    if tariff.tax_included is not None and version != "2.3.0":
        yield unknown("tax_included", "it came with 2.3.0")
    if tariff.tax_included is None and version == "2.3.0":
        message = "tax_included is mandatory in OCPI 2.3.0; prices are taken to be without VAT"
        yield Finding("TAX_INCLUDED_MISSING", message, "tax_included", _WARNING)
    for index, element in enumerate(tariff.elements):
        path = f"elements[{index}]"
        for place, item in enumerate(element.components):
            if item.vat is not None and version == "2.1.1":
                yield unknown(f"{path}.components[{place}].vat", later)
            if item.dimension in (Dimension.POWER, Dimension.VOLUME, Dimension.MASS):
                yield unknown(f"{path}.components[{place}].dimension", "it is OCHP's")
        r = element.restrictions
        if r is None:
            continue
        for name in ("min_current", "max_current", "reservation"):
            if getattr(r, name) is not None and version == "2.1.1":
                yield unknown(f"{path}.restrictions.{name}", later)
        for name in ("start", "end", "windows"):
            if getattr(r, name):
                yield unknown(f"{path}.restrictions.{name}", "it is OCHP's")


_GROUPS: Final = (
    ("ENERGY", "energy"),
    ("TIME", "time"),
    ("PARKING_TIME", "parking"),
    ("FLAT", "flat"),
    ("reservation TIME", "reserved_time"),
    ("reservation FLAT", "reserved_flat"),
    ("expired reservation TIME", "expiry_time"),
    ("expired reservation FLAT", "expiry_flat"),
)


def _reach(plan: Plan) -> Iterator[Finding]:
    """Elements that can never match, are always behind another, overlap, or leave gaps."""
    for name, attribute in _GROUPS:
        rules: tuple[Rule, ...] = getattr(plan, attribute)
        if not rules:
            continue
        reach = Reach(rules, plan.tariff)
        if not reach.tried:
            message = f"too many restrictions to try out every combination for {name}"
            yield Finding("NOT_TRIED", message, "elements", _INFO)
        for rule in reach.idle:
            message = f"{name} here can never match: {describe(rule.restrictions)}"
            yield Finding("NEVER_MATCHES", message, f"elements[{rule.element}].restrictions", _WARNING)
        for rule in reach.hidden:
            message = f"{name} here is never reached: whenever it matches, an element before it does"
            yield Finding("HIDDEN_BY_ORDER", message, f"elements[{rule.element}].components[{rule.component}]", _WARNING)
        if reach.gap is not None and name in ("ENERGY", "TIME", "PARKING_TIME"):
            message = f"{name} is free where no element matches, for example {reach.gap}"
            yield Finding("GAP", message, "elements", _WARNING if name == "ENERGY" else _INFO)
        for one, two in reach.pairs:
            if (one.item.price, one.item.step, one.item.vat) != (two.item.price, two.item.step, two.item.vat):
                message = (
                    f"{name} here overlaps with element {one.element + 1}, which counts where both match: "
                    f"{describe(one.restrictions)}; {describe(two.restrictions)}"
                )
                yield Finding("OVERLAP", message, f"elements[{two.element}].restrictions", _INFO)
