"""Charging profiles: what a partner asks for about its running session, and what it hears of the charger's plan.

OCPI 2.2.1 and 2.3.0, mod_charging_profiles; to the charger by OCPP. Each request that is accepted has one outcome, which is
promised and kept as those of commands are (:mod:`bridge.roaming.outcomes`). Once a partner has set a profile with success, it
is told the charger's plan whenever that is known to have changed, and never before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final
from weakref import WeakValueDictionary

import orjson
from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.model import json as model_json
from bridge.model.ids import evse_key
from bridge.model.location import Capability, Evse, Location, PowerType
from bridge.model.profile import (
    ActiveChargingProfile,
    ChargingProfile,
    ChargingProfilePeriod,
    ProfileAction,
    ProfileOutcome,
    ProfileRequest,
    ProfileResponse,
    ProfileResult,
    RateUnit,
)
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book
from bridge.roaming.authorise import fault
from bridge.roaming.charging import ProfileRow
from bridge.roaming.outcomes import Outcomes
from bridge.roaming.pending import OutcomeRow
from bridge.roaming.ports import ChargerControl, ConnectorRef, HearsPlans, Partner
from bridge.roaming.publish import dumps
from bridge.roaming.storage import EvseRow, Happening, SessionRow, Storage

log = logging.getLogger(__name__)

HORIZON: Final = 1800
"""Seconds ahead for which a changed plan is told: the specification advises 5 to 60 minutes."""
MOST_SECONDS: Final = 86_400
"""The farthest ahead that a charger is asked for its plan, in seconds."""
MOST_PERIODS: Final = 1000
"""A profile of more periods is refused; most chargers take far fewer."""
SPACING: Final = 10.0
"""Seconds between two requests of a kind about a session, where nothing else is configured."""
PAUSES: Final = (1.0, 5.0, 15.0)
"""Seconds until a partner that could not be told of a changed plan is told again."""

_TENTH: Final = Decimal("0.1")
_REMEMBERED: Final = 10_000


class Profiles:
    """Carries out what partners ask for about charging profiles."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], book: Book, chargers: ChargerControl, outcomes: Outcomes,
                 now: Callable[[], datetime], spacing: Mapping[str, float] | None = None) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.chargers = chargers
        self.outcomes = outcomes
        self.now = now
        self.spacing = dict(spacing or {})
        self.pauses: tuple[float, ...] = PAUSES
        self._accepted: dict[tuple[str, ProfileAction], datetime] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unable: set[str] = set()
        self._back: set[str] = set()
        self._telling: set[str] = set()
        self._again: set[str] = set()

    async def run(self, partner: str, request: ProfileRequest, answer_to: str) -> ProfileResponse:
        """What is answered at once; with ACCEPTED the outcome follows."""
        session = self._session(partner, request)
        response, because = self._answer(partner, request, session)
        if response is ProfileResponse.TOO_OFTEN:
            return response  # nothing is written: it is what a flood gets
        hearer = self.outcomes.hearer(partner)
        if response is not ProfileResponse.ACCEPTED or session is None or hearer is None:
            said = f"{request.action.value}: {response.value}" + (f": {because}" if because else "")
            await self.store.happened(Happening("charging profile", partner, str(request.session_id), said))
            return response
        self._remember(session.id, request.action)
        promise = await self.outcomes.promise(OutcomeRow(partner, request.action.value, session.id, answer_to, self.outcomes.until(hearer)))
        self.outcomes.spawn(self._later(partner, request, promise))
        return ProfileResponse.ACCEPTED

    # --- may it? -----------------------------------------------------------------------------------------------------

    def _session(self, partner: str, request: ProfileRequest) -> SessionRow | None:
        """A running session of this partner. Of another's it hears the same as of one that does not exist."""
        ident = str(request.session_id)
        row = self.store.session(id=ident) or self.store.session(id=ident.lower())
        mine = row is not None and row.partner == partner and row.state == "active" and row.auth.get("accepted")
        return row if mine else None

    def _answer(self, partner: str, request: ProfileRequest, session: SessionRow | None) -> tuple[ProfileResponse, str]:
        evse = self.store.evse(session.evse_id) if session is not None and session.evse_id is not None else None
        if session is None or evse is None:
            return ProfileResponse.UNKNOWN_SESSION, ""
        if self._too_often(partner, session.id, request.action):
            return ProfileResponse.TOO_OFTEN, ""
        if self.outcomes.hearer(partner) is None:
            return ProfileResponse.NOT_SUPPORTED, "it cannot be told what came of it"
        if self.book.find(partner, kinds.PROFILES, evse.scope, self.now()) is None:
            return ProfileResponse.REJECTED, "no agreement includes profiles"
        equipment = equipment_of(self.store, evse)
        if equipment is None or Capability.CHARGING_PROFILE not in equipment.capabilities:
            return ProfileResponse.NOT_SUPPORTED, "the EVSE is not told to be capable of it"
        if request.action is ProfileAction.SET and session.charge_point in self._unable:
            return ProfileResponse.NOT_SUPPORTED, "the charger said so"
        because = self._unfit(request) if request.action is ProfileAction.SET else None
        if because is None and not self.chargers.online(session.charge_point):
            because = "the charger is not connected"
        return (ProfileResponse.REJECTED, because) if because is not None else (ProfileResponse.ACCEPTED, "")

    def _unfit(self, request: ProfileRequest) -> str | None:
        profile = request.profile
        if profile is None or not profile.periods:
            return "the profile has no periods"
        if len(profile.periods) > MOST_PERIODS:
            return f"the profile has more than {MOST_PERIODS} periods"
        return "the profile is over" if profile.over(self.now()) else None

    def _too_often(self, partner: str, session: str, action: ProfileAction) -> bool:
        last = self._accepted.get((session, action))
        return last is not None and self.now() - last < timedelta(seconds=self.spacing.get(partner, SPACING))

    def _remember(self, session: str, action: ProfileAction) -> None:
        if len(self._accepted) >= _REMEMBERED:
            longest = timedelta(seconds=max([SPACING, *self.spacing.values()]))
            self._accepted = {key: at for key, at in self._accepted.items() if self.now() - at < longest}
        self._accepted[session, action] = self.now()

    # --- do it -------------------------------------------------------------------------------------------------------

    async def _later(self, partner: str, request: ProfileRequest, promise: OutcomeRow) -> None:
        try:
            async with asyncio.timeout(self.outcomes.left(promise)):
                outcome = await self._carry_out(partner, request, promise.ref)
        except TimeoutError:
            outcome = ProfileOutcome(request.action, ProfileResult.TIMEOUT)
        except Exception as why:  # noqa: BLE001  (the partner waits for an outcome)
            log.error("a request of %s about a charging profile failed: %s", partner, fault(why))
            outcome = ProfileOutcome(request.action, ProfileResult.FAILED)
        said = f"{request.action.value}: {outcome.result.value}"
        await self.outcomes.tell(promise, outcome, Happening("charging profile", partner, promise.ref, said))
        if request.action is not ProfileAction.ACTIVE and outcome.result in (ProfileResult.ACCEPTED, ProfileResult.TIMEOUT):
            await self.refresh(promise.ref)

    async def _carry_out(self, partner: str, request: ProfileRequest, ident: str) -> ProfileOutcome:
        """One request about a session after the other, in the order in which they came."""
        async with self._locks.setdefault(ident, asyncio.Lock()):
            session = self._session(partner, request)
            if session is None:
                return ProfileOutcome(request.action, ProfileResult.REJECTED)  # it has ended since
            if request.action is ProfileAction.ACTIVE:
                return await self._plan(session, min(request.seconds or HORIZON, MOST_SECONDS))
            if request.action is ProfileAction.CLEAR or request.profile is None:
                return ProfileOutcome(request.action, await self._clear(session))
            return ProfileOutcome(request.action, await self._set(session, partner, request.profile))

    async def _set(self, session: SessionRow, partner: str, profile: ChargingProfile) -> ProfileResult:
        """Its number is on the disk before the charger hears of it, so that it can be cleared whatever happens."""
        before = await self.store.number_profile(session.id, partner)
        await self.store.save_profile(evolve(before, uncertain=True))
        result = await self.chargers.set_profile(_ref(session), session.tx, before.number, profile)
        if result is ProfileResult.NOT_SUPPORTED:
            self._unable.add(session.charge_point)
        if result is ProfileResult.ACCEPTED:
            await self.store.save_profile(evolve(before, profile=dumps(profile), succeeded=True, uncertain=False))
        elif result is not ProfileResult.TIMEOUT:
            await self.store.save_profile(before)
        return result

    async def _clear(self, session: SessionRow) -> ProfileResult:
        row = self.store.profile(session.id)
        if row is None:
            return ProfileResult.UNKNOWN
        result = await self.chargers.clear_profile(session.charge_point, row.number)
        if result in (ProfileResult.ACCEPTED, ProfileResult.UNKNOWN):
            await self.store.save_profile(evolve(row, profile=None, uncertain=False))
        return result

    # --- what the charger plans --------------------------------------------------------------------------------------

    async def _plan(self, session: SessionRow, seconds: int) -> ProfileOutcome:
        """The charger's plan, no higher than the EVSE can go.

        Where no profile holds and the charger plans no limit, or cannot tell, it is what the EVSE can deliver at most.
        """
        row, evse = self.store.profile(session.id), self.store.evse(session.evse_id or "")
        profile = _profile(row)
        equipment = equipment_of(self.store, evse) if evse is not None else None
        most = capacity(equipment) if equipment is not None else {}
        found = await self.chargers.composite(_ref(session), seconds, profile.unit if profile is not None else None)
        if found.active is not None:
            return evolve(found, active=capped(found.active, most))
        free = profile is None or profile.over(self.now())
        cannot = found.result in (ProfileResult.REJECTED, ProfileResult.NOT_SUPPORTED) and free and not (row is not None and row.uncertain)
        if found.result is not ProfileResult.ACCEPTED and not cannot:
            return found
        unit = next((u for u in (profile.unit if profile is not None else RateUnit.A, *RateUnit) if u in most), None)
        if unit is None:
            return ProfileOutcome(ProfileAction.ACTIVE, ProfileResult.UNKNOWN)
        whole = ChargingProfile(unit, (ChargingProfilePeriod(0, most[unit]),), duration=seconds)
        return ProfileOutcome(ProfileAction.ACTIVE, ProfileResult.ACCEPTED, ActiveChargingProfile(self.now().replace(microsecond=0), whole))

    # --- what partners hear of it ------------------------------------------------------------------------------------

    def connected(self, charge_point: str) -> None:
        """A charger connects: it may have learnt to take profiles, or lost those that it had."""
        self._unable.discard(charge_point)
        self._back.add(charge_point)

    def heard(self, charge_point: str) -> None:
        """A charger told something: if it is the first time since it connected, its plans are asked for."""
        if charge_point in self._back:
            self._back.discard(charge_point)
            self.changed(charge_point)

    def changed(self, charge_point: str) -> None:
        """What a charger plans has, or may have, changed: partners that set profiles there are told, if it has."""
        for session in self.store.profiled(charge_point):
            self.outcomes.spawn(self.refresh(session))

    async def refresh(self, session: str) -> None:
        """Tell the partner of a session the charger's plan, if it may hear of it and has not heard of this one."""
        if session in self._telling:
            self._again.add(session)  # who is telling asks once more
            return
        self._telling.add(session)
        pauses = iter(self.pauses)
        try:
            while True:
                self._again.discard(session)
                because = await self._tell(session)
                if because is not None:
                    pause = next(pauses, None)
                    if pause is None:
                        await self.store.happened(Happening("charging plan not told", ref=session, detail=because))
                        return
                    await asyncio.sleep(pause)
                elif session not in self._again:
                    return
        except Exception as why:  # noqa: BLE001  (the next change, or the partner's own request, tells it)
            log.error("the plan of session %s cannot be told: %s", session, fault(why))
        finally:
            self._telling.discard(session)

    async def _tell(self, ident: str) -> str | None:
        """Why it could not be told yet, or None: it was, or does not have to be."""
        session, row = self.store.session(id=ident), self.store.profile(ident)
        if session is None or session.state != "active" or row is None or not row.succeeded:
            return None
        evse, partner = self.store.evse(session.evse_id or ""), self.partners.get(row.partner)
        if evse is None or not isinstance(partner, HearsPlans):
            return None
        if self.book.find(row.partner, kinds.PROFILES, evse.scope, self.now()) is None:
            return None
        async with self._locks.setdefault(ident, asyncio.Lock()):
            plan = (await self._plan(session, HORIZON)).active
            row, profile = self.store.profile(ident) or row, _profile(self.store.profile(ident))
        if plan is None:
            return None  # nothing is known of it
        if row.told is not None and not plan.differs(model_json.from_json(ActiveChargingProfile, orjson.loads(row.told)), self.now()):
            return None
        try:
            await partner.plan_changed(ident, plan)
        except Declined as why:
            await self.store.happened(Happening("charging plan not told", row.partner, ident, str(why)))
            return None
        except Unreachable as why:
            return str(why)
        history = [Happening("charging plan told", row.partner, ident)]
        if profile is not None and _sure(profile) and plan.exceeds(profile, session.started):
            history.append(Happening("charger exceeds the charging profile", row.partner, ident, "its plan lets more through"))
        await self.store.told_plan(row.number, dumps(plan), history)
        return None


def equipment_of(store: Storage, row: EvseRow) -> Evse | None:
    """An EVSE as the operator's data tell it."""
    thing = store.thing("location", row.location, operator=row.operator)
    if thing is None:
        return None
    location: Location = model_json.from_json(Location, orjson.loads(thing.body))
    return next((e for e in location.evses if e.id is not None and evse_key(e.id) == row.evse_id), None)


def capacity(evse: Evse) -> dict[RateUnit, Decimal]:
    """What an EVSE can deliver at most, by unit, as far as its connectors tell: W in all, A for each phase (AC only)."""
    watts: list[Decimal] = []
    amperes: list[Decimal] = []
    for one in evse.connectors:
        if one.max_amperage and one.power_type is not None and one.power_type is not PowerType.DC:
            amperes.append(Decimal(one.max_amperage))
        if one.max_power:
            watts.append(one.max_power)
        elif one.max_voltage and one.max_amperage and one.power_type is not None:
            watts.append(Decimal(one.max_voltage * one.max_amperage * one.power_type.phases))
    found = {RateUnit.A: amperes, RateUnit.W: watts}
    return {unit: max(values).quantize(_TENTH, ROUND_DOWN) for unit, values in found.items() if values}


def capped(plan: ActiveChargingProfile, most: Mapping[RateUnit, Decimal]) -> ActiveChargingProfile:
    """A plan with no limit above what the EVSE can deliver; periods of the same limit are one."""
    top = most.get(plan.profile.unit)
    if top is None or all(p.limit <= top for p in plan.profile.periods):
        return plan
    return evolve(plan, profile=evolve(plan.profile, periods=tuple(_merged(plan.profile.periods, top))))


def _merged(periods: Iterable[ChargingProfilePeriod], top: Decimal) -> Iterable[ChargingProfilePeriod]:
    before: Decimal | None = None
    for period in periods:
        limit = min(period.limit, top)
        if limit != before:
            yield evolve(period, limit=limit)
        before = limit


def _ref(session: SessionRow) -> ConnectorRef:
    return ConnectorRef(session.charge_point, session.connector)


def _profile(row: ProfileRow | None) -> ChargingProfile | None:
    if row is None or row.profile is None:
        return None
    profile: ChargingProfile = model_json.from_json(ChargingProfile, orjson.loads(row.profile))
    return profile


def _sure(profile: ChargingProfile) -> bool:
    """Whether it is certain when its limits change: only the charger knows when exactly charging began."""
    return profile.start is not None or (len(profile.periods) == 1 and profile.duration is None)


__all__ = ["HORIZON", "Profiles", "capacity", "capped", "equipment_of"]
