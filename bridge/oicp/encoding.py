"""Canonical objects in OICP 2.3's JSON, by the registered mappings: what :class:`~bridge.oicp.adapter.OicpPartner` keeps.

A location becomes one record per EVSE, a tariff one product per provider it is meant for, a session the notification
that tells of its state.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec
from attrs import define, evolve, field

from bridge.errors import Refused
from bridge.mapping import registry
from bridge.mapping.context import Context, Facts
from bridge.mapping.loss import DEFAULTED, REFUSED, Loss
from bridge.model.cdr import Cdr
from bridge.model.location import EvseStatus, Location, Unit
from bridge.model.session import Notification, Session, SessionStatus
from bridge.model.tariff import Tariff
from bridge.oicp import wire as w
from bridge.oicp.config import OicpConfig
from bridge.roaming.ports import Encoded, Kind, ReadBack
from bridge.translate.files import encode
from bridge.translate.readback import read_back

FORMAT = "oicp-2.3"
EVERY_PROVIDER = "*"

_DEMANDED = {
    w.ChargingNotificationType.START: ("ChargingStart",),
    w.ChargingNotificationType.PROGRESS: ("ChargingStart", "EventOccurred"),
    w.ChargingNotificationType.END: ("ChargingEnd",),
    w.ChargingNotificationType.ERROR: ("ErrorType",),
}
"""What each notification must have besides what all have (eRoamingChargingNotifications)."""


@define(slots=False)
class Encoder:
    """Encodes for one partner. ``clock`` gives the facts' now."""

    config: OicpConfig
    clock: Callable[[], datetime]
    _compiled: dict[str, Any] = field(factory=dict)

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        """See :meth:`bridge.roaming.ports.Partner.encode`. Raises Refused."""
        return list(self._encoders[kind](obj))

    @cached_property
    def _encoders(self) -> dict[Kind, Callable[[Any], list[Encoded]]]:
        return {Kind.LOCATION: self.location, Kind.STATUS: self.status, Kind.TARIFF: self.tariff, Kind.SESSION: self.session,
                Kind.CDR: self.cdr}  # fmt: skip

    def location(self, location: Location) -> list[Encoded]:
        """One EvseDataRecord per EVSE; EVSEs that OICP cannot hold are told in the losses of the others."""
        cx = self._context()
        made: list[Encoded] = []
        left_out: list[tuple[str, Loss]] = []
        for i, evse in enumerate(location.evses):
            ident = str(evse.id or evse.uid or i)
            try:
                record = self._lower("location")(Unit(location.place, evse), cx)
            except Refused as why:
                cx.take()
                left_out.append((ident, Loss(_of_location(why.path, i), REFUSED, why.value, why.because)))
                continue
            losses = tuple((ident, _in_location(loss, i)) for loss in cx.take())
            made.append(Encoded(record.EvseID, encode(record), losses))
        if not made:
            if not left_out:
                raise Refused("evses", "a location without EVSEs has no record in OICP")
            first = left_out[0][1]
            raise Refused(first.path, first.because, first.value)
        made[0] = evolve(made[0], losses=made[0].losses + tuple(left_out))
        return made

    def status(self, status: EvseStatus) -> list[Encoded]:
        """An EvseStatusRecord."""
        record, losses = self._one("status", status, str(status.evse_id or status.evse_uid or ""))
        return [Encoded(record.EvseID, encode(record), losses)]

    def tariff(self, tariff: Tariff) -> list[Encoded]:
        """A PricingProductDataRecord for each provider the tariff is meant for, or for all (``*``).

        ``meta["head"]`` is the rest of its PricingProductData, as JSON: the default price comes from the settings.
        """
        record, losses = self._one("tariff", tariff, str(tariff.id))
        if record.ProductAvailabilityTimes in ((), None):
            # mandatory by the table also for products that are valid around the clock
            body = msgspec.json.decode(encode(record), type=dict[str, msgspec.Raw])
            body["ProductAvailabilityTimes"] = msgspec.Raw(b"[]")
            data = msgspec.json.encode(body)
        else:
            data = encode(record)
        made = []
        for provider in tariff.recipients or (EVERY_PROVIDER,):
            key = str(tariff.id) if provider == EVERY_PROVIDER else f"{provider}/{tariff.id}"
            made.append(Encoded(key, data, losses, {"head": self._price_head(provider, tariff)}))
        return made

    def session(self, session: Session) -> list[Encoded]:
        """The notification of the session's state. Refused without the hub's SessionID, and before charging began."""
        ident = session.hub_session_id
        if ident is None:
            raise Refused("hub_session_id", "OICP knows sessions that the hub authorised only, by its SessionID")
        if session.notification is None and session.error is None and session.status in (
                SessionStatus.PENDING, SessionStatus.RESERVATION, None):  # fmt: skip
            raise Refused("status", "OICP tells of charging: nothing has been charged yet", session.status)
        if session.status is SessionStatus.INVALID and session.notification is None and session.error is None:
            session = evolve(session, notification=Notification.END)
        record, losses = self._one("session", session, ident)
        record = msgspec.structs.replace(record, OperatorID=self.config.operator_id)
        if record.Type is w.ChargingNotificationType.PROGRESS and record.EventOccurred is None and session.last_updated:
            record = msgspec.structs.replace(record, EventOccurred=session.last_updated)
            losses += ((ident, Loss("EventOccurred", DEFAULTED, session.last_updated, "time of the change")),)
        for name in _DEMANDED[record.Type]:
            if getattr(record, name) is None:
                raise Refused(name, f"{name} is mandatory in the notification {record.Type.value}")
        if (record.Type is w.ChargingNotificationType.PROGRESS and record.ChargingDuration is None
                and record.ConsumedEnergyProgress is None):  # fmt: skip
            raise Refused("kwh", "a Progress tells duration or energy")
        return [Encoded(record.SessionID, encode(record), losses, {"type": record.Type.value})]

    def cdr(self, cdr: Cdr) -> list[Encoded]:
        """A ChargeDetailRecord; ``key`` is the SessionID, of which Hubject takes one CDR."""
        record, losses = self._one("cdr", cdr, str(cdr.id or cdr.hub_session_id or ""))
        return [Encoded(record.SessionID, encode(record), losses)]

    def read_back(self, kind: Kind, encoded: Encoded) -> ReadBack:
        """The record as Hubject will read it. Raises Refused."""
        entry = registry.find(FORMAT, kind.value)
        return read_back(entry, entry.mapping.bind(self.config.settings, FORMAT), encoded)

    # --- below

    def _context(self) -> Context:
        return Context(self.config.settings, Facts(now=self.clock()))

    def _lower(self, kind: str) -> Any:
        if kind not in self._compiled:
            entry = registry.find(FORMAT, kind)
            self._compiled[kind] = entry.mapping.bind(self.config.settings, FORMAT).mapping.compiled_out()
        return self._compiled[kind]

    def _one(self, kind: str, obj: Any, ident: str) -> tuple[Any, tuple[tuple[str, Loss], ...]]:
        cx = self._context()
        record = self._lower(kind)(obj, cx)
        return record, tuple((ident, loss) for loss in cx.take())

    def _price_head(self, provider: str, tariff: Tariff) -> str:
        constants = self.config.settings.constants
        for key in ("default_price", "default_unit"):
            if constants.get(key) is None:
                raise Refused("", f"OICP demands a default price for EVSEs without a product; set {key}", key=key)
        head = w.PricingProductData(
            OperatorID=self.config.operator_id, OperatorName=self.config.operator_name, ProviderID=provider,
            PricingDefaultPrice=constants["default_price"],
            PricingDefaultPriceCurrency=constants.get("currency") or tariff.currency,
            PricingDefaultReferenceUnit=w.ReferenceUnit(constants["default_unit"]))  # fmt: skip
        return encode(head).decode()


def _in_location(loss: Loss, i: int) -> Loss:
    return loss if loss.kind == DEFAULTED else loss._replace(path=_of_location(loss.path, i))


def _of_location(path: str, i: int) -> str:
    return f"evses[{i}]{path[4:]}" if path.startswith("evse") and path[4:5] in ("", ".", "[") else path
