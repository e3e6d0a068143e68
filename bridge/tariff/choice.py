"""Which tariff prices which period.

OCPI 2.2.1 and 2.3.0, mod_tariffs (start_date_time, end_date_time) and mod_cdrs (ChargingPeriod.tariff_id).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.model.session import ChargingPeriod
from bridge.model.tariff import Tariff
from bridge.tariff.errors import Finding, NoTariffError, PricingError
from bridge.tariff.measure import Case
from bridge.tariff.plan import Plan, plan_of
from bridge.tariff.rules import Rules


class Choice:
    """The plan of each period, what was found wrong with their tariffs, and the points of doubt met."""

    __slots__ = ("doubts", "findings", "plans")

    def __init__(self) -> None:
        self.plans: list[Plan | None] = []
        self.findings: list[Finding] = []
        self.doubts: set[str] = set()


def valid_at(tariff: Tariff, at: datetime) -> bool:
    """Whether a tariff is valid at an instant: from its start, until before its end (OCPI 2.2.1, Tariff)."""
    if tariff.valid_from is not None and at < tariff.valid_from:
        return False
    return tariff.valid_until is None or at < tariff.valid_until


def choose(tariffs: Sequence[Tariff], at: datetime) -> Tariff | None:
    """The first tariff that is valid at an instant, the start of a session; None if there is none."""
    return next((t for t in tariffs if valid_at(t, at)), None)


def plans_of(case: Case, tariffs: Sequence[Tariff], rules: Rules) -> Choice:
    """The plan of each period: by its tariff_id, or, where no period has one, by validity at the start.

    Raises NoTariffError if no tariff applies anywhere, PricingError for tariffs in different currencies.
    """
    found = Choice()
    if not tariffs:
        raise NoTariffError("tariffs", "no tariff was given")
    own = choose(tariffs, case.start)
    named = any(p.tariff_id is not None for p in case.periods)
    if not named or rules.tariff_ids == "ignored":
        if own is None:
            raise NoTariffError("tariffs", f"no tariff is valid at {case.start:%Y-%m-%dT%H:%M:%SZ}")
        if named and any(p.tariff_id is None or p.tariff_id.casefold() != own.id.casefold() for p in case.periods):
            found.doubts.add("tariff_ids")
        found.plans = [_made(own, tariffs, rules)] * len(case.periods)
        return found
    plans = found.plans = _by_name(case, tariffs, rules, found)
    used = [p.tariff for p in plans if p is not None]
    if not used:
        reasons = "; ".join(f.message for f in found.findings[:1]) or "no period names a tariff"
        raise NoTariffError("periods", reasons)
    if any(t is not used[0] for t in used):
        found.doubts.add("switch_step")
        for tariff in used:
            if tariff.currency.upper() != used[0].currency.upper():
                raise PricingError("tariffs", f"{used[0].currency} and {tariff.currency} cannot be added up")
    if any(p is None or p.tariff is not own for p in plans):
        found.doubts.add("tariff_ids")
    return found


def _by_name(case: Case, tariffs: Sequence[Tariff], rules: Rules, found: Choice) -> list[Plan | None]:
    plans: list[Plan | None] = []
    known: dict[str | None, Plan | None] = {None: None}  # names whose plan does not depend on the period
    plan: Plan | None
    for index, period in enumerate(case.periods):
        name = period.tariff_id
        if name in known:
            plan = known[name]
        else:
            tariff = _named(period, index, tariffs, case.start, found)
            plan = None if tariff is None else _made(tariff, tariffs, rules)
            if tariff is not None and valid_at(tariff, case.start):
                known[name] = plan
        plans.append(plan)
    return plans


def _made(tariff: Tariff, tariffs: Sequence[Tariff], rules: Rules) -> Plan:
    try:
        return plan_of(tariff, rules)
    except PricingError as error:
        index = next(i for i, t in enumerate(tariffs) if t is tariff)
        raise PricingError(f"tariffs[{index}].{error.path}", error.reason) from None


def _named(period: ChargingPeriod, index: int, tariffs: Sequence[Tariff], start: datetime, found: Choice) -> Tariff | None:
    """The tariff a period names. Without a name none is relevant (OCPI 2.2.1, ChargingPeriod)."""
    wanted = (period.tariff_id or "").casefold()
    same = [t for t in tariffs if t.id.casefold() == wanted]  # OCPI ids do not differ by case
    path = f"periods[{index}].tariff_id"
    if not same:
        found.findings.append(Finding("TARIFF_MISSING", f"tariff {period.tariff_id} was not given", path))
        return None
    tariff = choose(same, start) or choose(same, period.start)
    if tariff is None:
        found.findings.append(Finding("TARIFF_NOT_VALID", f"tariff {period.tariff_id} is not valid at this time", path))
    return tariff
