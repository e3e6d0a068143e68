"""The messages of OCPP 1.6: what chargers say (section 4) goes to the core, its answer back to the charger.

No business rule: who may charge and which number a transaction has is the core's. A CALLRESULT makes a charger delete
its copy of a message, so none is made before the core's call has returned.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from attrs import frozen

from bridge.model.command import CommandResult
from bridge.model.ids import mask
from bridge.model.location import Status
from bridge.ocpp.fields import Fields, moment
from bridge.ocpp.frame import Call, CallError, ErrorCode
from bridge.ocpp.meter import samples
from bridge.roaming.ports import ChargerEvents, ConnectorRef

log = logging.getLogger("bridge.ocpp")

SUBPROTOCOL: Final = "ocpp1.6"

STATUS: Final[Mapping[str, Status]] = {
    "available": Status.AVAILABLE,
    "preparing": Status.CHARGING,  # a cable or a card is there: nobody else can charge
    "charging": Status.CHARGING,
    "suspendedev": Status.CHARGING,
    "suspendedevse": Status.CHARGING,
    "finishing": Status.CHARGING,
    "reserved": Status.RESERVED,
    "unavailable": Status.INOPERATIVE,
    "faulted": Status.OUT_OF_ORDER,
    "occupied": Status.OCCUPIED,  # OCPP 1.5
}
"""ChargePointStatus (OCPP 1.6, 7.7), in small letters. Anything else is UNKNOWN."""

START: Final = {"Accepted": CommandResult.ACCEPTED, "Rejected": CommandResult.REJECTED}
STOP: Final = START
UNLOCK: Final = {
    "Unlocked": CommandResult.ACCEPTED,
    "UnlockFailed": CommandResult.FAILED,
    "NotSupported": CommandResult.NOT_SUPPORTED,
}
RESERVE: Final = {
    "Accepted": CommandResult.ACCEPTED,
    "Faulted": CommandResult.EVSE_INOPERATIVE,
    "Occupied": CommandResult.EVSE_OCCUPIED,
    "Rejected": CommandResult.REJECTED,
    "Unavailable": CommandResult.EVSE_INOPERATIVE,
}
CANCEL: Final = {"Accepted": CommandResult.ACCEPTED, "Rejected": CommandResult.UNKNOWN_RESERVATION}
"""Rejected is a reservation that the charger does not know (OCPP 1.6, 5.2)."""

ID_TAG_MOST: Final = 20
"""Characters of an idTag (IdToken, OCPP 1.6, 7.28)."""

TO_CHARGERS: Final = frozenset(
    (  # noqa: SIM905
        "CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile "
        "DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule GetConfiguration GetDiagnostics "
        "GetInstalledCertificateIds GetLocalListVersion GetLog InstallCertificate RemoteStartTransaction "
        "RemoteStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SignedUpdateFirmware TriggerMessage "
        "UnlockConnector UpdateFirmware"
    ).split()
)
"""Actions that OCPP 1.6 and its security extension know, but not in this direction."""


class Lane(Enum):
    """Messages of one lane are handled one after the other, in the order in which they came."""

    TRANSACTION = "transaction"
    STATUS = "status"


LANES: Final[Mapping[str, Lane]] = {
    "StartTransaction": Lane.TRANSACTION,
    "MeterValues": Lane.TRANSACTION,
    "StopTransaction": Lane.TRANSACTION,
    "StatusNotification": Lane.STATUS,
}


def wire_time(at: datetime) -> str:
    """A point of time as OCPP writes it, in UTC with milliseconds: ``2026-01-02T03:04:05.678Z``."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@frozen
class Messages:
    """Handles the CALLs of chargers. ``heartbeat`` is in seconds; ``jitter`` is the share by which it differs."""

    events: ChargerEvents
    heartbeat: int
    jitter: float
    clock: Callable[[], datetime]

    async def handle(self, charge_point: str, call: Call) -> dict[str, Any]:
        """The payload of the CALLRESULT. Raises :class:`CallError` for what is refused, and whatever the core raises."""
        handler = _HANDLERS.get(call.action)
        if handler is None:
            if call.action in TO_CHARGERS:
                raise CallError(ErrorCode.NOT_SUPPORTED, "a central system does not take this action")
            raise CallError(ErrorCode.NOT_IMPLEMENTED, "this action is not known")
        return await handler(self, charge_point, Fields(call.payload))

    def interval(self, charge_point: str) -> int:
        """Seconds between heartbeats: spread evenly over chargers, so that a fleet does not beat as one."""
        place = zlib.crc32(charge_point.encode()) / 2**32  # no chance in it: the same after each boot
        return max(1, round(self.heartbeat * (1 + self.jitter * (2 * place - 1))))

    async def boot(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """BootNotification, 4.2: always Accepted, since only chargers that are known get this far."""
        what = [str(fields.get(n) or "-")[:50] for n in ("chargePointVendor", "chargePointModel", "firmwareVersion")]
        log.info("charger %s booted: %r", charge_point, what)
        return {"currentTime": wire_time(self.clock()), "interval": self.interval(charge_point), "status": "Accepted"}

    async def beat(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """Heartbeat, 4.6."""
        return {"currentTime": wire_time(self.clock())}

    async def status(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """StatusNotification, 4.9. Without a (readable) time it is of now."""
        told = fields.text("status")
        if told is None:
            raise CallError(ErrorCode.PROTOCOL_ERROR, "status is missing")
        status = STATUS.get(told.lower(), Status.UNKNOWN)
        if status is Status.UNKNOWN:
            log.warning("charger %s: unknown status %r", charge_point, told[:20])
        at = moment(fields.get("timestamp")) or self.clock()
        await self.events.status(ConnectorRef(charge_point, fields.connector()), status, at, _fault(fields))
        return {}

    async def authorise(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """Authorize, 4.1."""
        answer = await self.events.authorise(charge_point, _tag(fields))
        return {"idTagInfo": {"status": answer.value}}

    async def start(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """StartTransaction, 4.8. The number comes from the core, whatever it says of the token."""
        ref = ConnectorRef(charge_point, fields.connector())
        tag = _tag(fields)
        number, answer = await self.events.started(ref, tag, fields.whole("meterStart"), fields.moment())
        log.info("charger %s/%d: transaction %d of %s: %s", charge_point, ref.connector, number, mask(tag), answer.value)
        return {"idTagInfo": {"status": answer.value}, "transactionId": number}

    async def metered(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """MeterValues, 4.7. Chargers write 0 or -1 for "no transaction"."""
        transaction = None if fields.get("transactionId") is None else fields.whole("transactionId")
        if transaction is not None and transaction <= 0:
            transaction = None
        found = samples(fields.need("meterValue"), self.clock())
        if found:
            await self.events.metered(ConnectorRef(charge_point, fields.connector()), transaction, found)
        return {}

    async def stopped(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """StopTransaction, 4.10: of any transaction, known or not, however late. What it was for is the core's to find."""
        at = fields.moment()
        found = samples(fields.get("transactionData") or [], at)
        transaction = fields.whole("transactionId")
        await self.events.stopped(charge_point, transaction, fields.whole("meterStop"), at,
                                  _maybe(fields.text, "reason"), _maybe(fields.id_tag, "idTag"), found)  # fmt: skip
        log.info("charger %s: transaction %d ended", charge_point, transaction)
        return {}

    async def data(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """DataTransfer, 4.3: no vendor's is known here."""
        return {"status": "UnknownVendorId"}

    async def taken(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """Messages that want to be acknowledged and no more."""
        return {}

    async def sign(self, charge_point: str, fields: Fields) -> dict[str, Any]:
        """SignCertificate of the security extension: nobody here signs."""
        return {"status": "Rejected"}


def _tag(fields: Fields) -> str:
    tag = fields.id_tag()
    if tag is None:
        raise CallError(ErrorCode.PROTOCOL_ERROR, "idTag is missing")
    return tag


def _maybe(read: Callable[[str], str | None], name: str) -> str | None:
    """An optional field of a message that has to be taken: what makes no sense in it is left out."""
    try:
        return read(name)
    except CallError:
        return None


def _fault(fields: Fields) -> str | None:
    """The fault in words: error code, the vendor's code and its text; None for NoError alone."""
    parts = [str(part)[:255] for name in ("errorCode", "vendorErrorCode", "info")
             if isinstance(part := fields.get(name), str | int) and str(part).lower() not in ("", "noerror")]  # fmt: skip
    return ": ".join(parts) or None


_HANDLERS: Final[Mapping[str, Callable[[Messages, str, Fields], Awaitable[dict[str, Any]]]]] = {
    "BootNotification": Messages.boot,
    "Heartbeat": Messages.beat,
    "StatusNotification": Messages.status,
    "Authorize": Messages.authorise,
    "StartTransaction": Messages.start,
    "MeterValues": Messages.metered,
    "StopTransaction": Messages.stopped,
    "DataTransfer": Messages.data,
    "DiagnosticsStatusNotification": Messages.taken,
    "FirmwareStatusNotification": Messages.taken,
    # The security extension, "Improved security for OCPP 1.6-J".
    "LogStatusNotification": Messages.taken,
    "SecurityEventNotification": Messages.taken,
    "SignedFirmwareStatusNotification": Messages.taken,
    "SignCertificate": Messages.sign,
}
