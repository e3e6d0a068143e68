"""Charging preferences: what a driver wants of a running session, and the tariff that this selects.

OCPI 2.2.1 and 2.3.0, mod_sessions (Set: Charging Preferences). A preference is supported where the agreement has a tariff for it;
from the moment at which it is accepted, that tariff holds. What is charged before costs what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import orjson

from bridge.model import json as model_json
from bridge.model.common import ProfileKind
from bridge.model.ids import SessionId
from bridge.model.location import Capability, Evse
from bridge.model.profile import ChargingPreferences, PreferenceResult, RateUnit
from bridge.model.tariff import Tariff, TariffKind
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Agreement
from bridge.roaming.billing import Biller
from bridge.roaming.charging import PreferenceRow
from bridge.roaming.profiles import capacity, equipment_of
from bridge.roaming.publish import dumps
from bridge.roaming.storage import EvseRow, Happening, SessionRow, Storage

DEPARTURE: Final = "departure_time"
ENERGY_NEED: Final = "energy_need"

_SHIFTING: Final = frozenset({ProfileKind.CHEAP, ProfileKind.GREEN})
"""Preferences for which charging may be put off, so that it matters until when how much is needed."""

_KINDS: Final = {
    TariffKind.PROFILE_CHEAP: ProfileKind.CHEAP,
    TariffKind.PROFILE_FAST: ProfileKind.FAST,
    TariffKind.PROFILE_GREEN: ProfileKind.GREEN,
}


class Preferences:
    """Takes preferences. ``needed``: by operator, which of ``departure_time`` and ``energy_need`` CHEAP and GREEN have to tell."""

    def __init__(self, store: Storage, billing: Biller, now: Callable[[], datetime],
                 needed: Mapping[str, frozenset[str]] | None = None) -> None:  # fmt: skip
        self.store = store
        self.billing = billing
        self.now = now
        self.needed = dict(needed or {})

    async def run(self, partner: str, ident: SessionId, wanted: ChargingPreferences) -> PreferenceResult:
        """Take a driver's preferences for a running session of this partner."""
        session = self.store.session(id=str(ident)) or self.store.session(id=str(ident).lower())
        evse = self.store.evse(session.evse_id) if session is not None and session.evse_id is not None else None
        mine = session is not None and session.partner == partner and session.state == "active" and session.auth.get("accepted")
        if session is None or evse is None or not mine or self.billing.agreed(kinds.SESSIONS, session, evse) is None:
            return PreferenceResult.UNKNOWN_SESSION
        equipment = equipment_of(self.store, evse)
        if equipment is None or Capability.CHARGING_PREFERENCES not in equipment.capabilities:
            return PreferenceResult.NOT_CAPABLE
        tariffs = self._tariffs(session, evse)
        result = self._judged(session, evse, equipment, wanted, tariffs)
        said = f"{_words(wanted)}: {result.value}"
        if result is not PreferenceResult.ACCEPTED:
            await self.store.happened(Happening("charging preferences", partner, session.id, said))
            return result
        tariff = tariffs[wanted.kind]
        row = PreferenceRow(session.id, max(self.now(), session.started), dumps(wanted), str(tariff.id), dumps(tariff))
        await self.store.prefer(row, (Happening("charging preferences", partner, session.id, f"{said}, tariff {tariff.id}"),))
        return result

    def _judged(self, session: SessionRow, evse: EvseRow, equipment: Evse, wanted: ChargingPreferences,
                tariffs: Mapping[ProfileKind, Tariff]) -> PreferenceResult:  # fmt: skip
        if wanted.kind not in tariffs:
            return PreferenceResult.PROFILE_TYPE_NOT_SUPPORTED
        needed = self.needed.get(evse.operator, frozenset()) if wanted.kind in _SHIFTING else frozenset()
        if DEPARTURE in needed and wanted.departure is None:
            return PreferenceResult.DEPARTURE_REQUIRED
        if ENERGY_NEED in needed and wanted.energy_need is None:
            return PreferenceResult.ENERGY_NEED_REQUIRED
        return PreferenceResult.ACCEPTED if self._possible(session, equipment, wanted) else PreferenceResult.NOT_POSSIBLE

    def _possible(self, session: SessionRow, equipment: Evse, wanted: ChargingPreferences) -> bool:
        """Whether nothing that is known speaks against it: the time, and what the EVSE can deliver by then."""
        if wanted.departure is None:
            return True
        seconds = Decimal(str((wanted.departure - self.now()).total_seconds()))
        watts = capacity(equipment).get(RateUnit.W)
        if seconds <= 0 or wanted.energy_need is None or watts is None:
            return seconds > 0
        return (wanted.energy_need - session.kwh) * 3_600_000 <= watts * seconds

    def _tariffs(self, session: SessionRow, evse: EvseRow) -> dict[ProfileKind, Tariff]:
        """The tariff for each preference that is supported: the session's own for REGULAR, those of its agreement for the others."""
        agreement: Agreement | None = self.billing.agreement_of(session, evse)
        if agreement is None or session.tariff is None:
            return {}
        own: Tariff = model_json.from_json(Tariff, orjson.loads(session.tariff))
        found = {ProfileKind.REGULAR: own}
        for name in agreement.preference_tariffs_for(evse.groups):
            thing = self.store.thing("tariff", name, operator=evse.operator)
            if thing is None or thing.removed:
                continue
            tariff: Tariff = model_json.from_json(Tariff, orjson.loads(thing.body))
            kind = _KINDS.get(tariff.kind) if tariff.kind is not None else None
            if kind is not None and tariff.currency == own.currency and _valid(tariff, self.now()):
                found.setdefault(kind, tariff)
        return found


def _words(wanted: ChargingPreferences) -> str:
    """Preferences as the history has them."""
    until = f" until {wanted.departure:%Y-%m-%dT%H:%MZ}" if wanted.departure is not None else ""
    need = f", {wanted.energy_need} kWh" if wanted.energy_need is not None else ""
    return wanted.kind.value + until + need + (", may discharge" if wanted.discharge_allowed else "")


def _valid(tariff: Tariff, at: datetime) -> bool:
    return (tariff.valid_from is None or tariff.valid_from <= at) and (tariff.valid_until is None or at < tariff.valid_until)


__all__ = ["DEPARTURE", "ENERGY_NEED", "Preferences"]
