"""The stand-in for Hubject (HBS) without its HTTP: what it holds, what it lets pass, what it answers.

Rules by the OICP 2.3 documents and Hubject's support articles: identities against certificates (017, 018, 019), pushes
as transactions, one CDR per SessionID, plausibility of CDRs (022), EVSEs that were pushed and are compatible (603, 604).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import define, field, frozen

from bridge.simulate.hubject_types import Fault, moment

SKEW = timedelta(seconds=5)
"""How far a session may end in Hubject's future before it is called implausible."""
PROGRESS_EVERY = timedelta(minutes=5)


@frozen
class Driver:
    """A customer of a provider, known by a card's UID or an EvcoID; ``code`` other than 000 is why he may not charge."""

    provider_id: str
    code: str = "000"


@define
class HubSettings:
    """``operators``: OperatorID as in its certificate, with the sub-operators registered for it. ``drivers`` by UID or
    EvcoID. ``bridge_url`` is the base URL an operator entered in the portal, ``bridge_auth`` user and password for it.
    ``abort_code`` is answered where a push contradicts what is there (the documents name none)."""

    operators: dict[str, tuple[str, ...]] = field(factory=lambda: {"DE*ABC": ()})
    drivers: dict[str, Driver] = field(factory=dict)
    bridge_url: str = ""
    bridge_auth: tuple[str, str] | None = None
    abort_code: str = "022"


@define
class Session:
    """A session that HBS opened. ``state``: authorised, charging, ended, billed."""

    session_id: str
    operator_id: str
    provider_id: str
    how: str
    identification: dict[str, Any]
    evse_id: str | None
    opened: datetime
    state: str = "authorised"
    notifications: list[dict[str, Any]] = field(factory=list)
    progressed: datetime | None = None


class No(Exception):
    """A business failure: a status code with HTTP 200. ``kind``: ``fault``, ``abort``, ``duplicate`` or ``driver``."""

    def __init__(self, code: str, info: str, kind: str = "fault") -> None:
        super().__init__(f"{code} {info}")
        self.code = code
        self.info = info
        self.kind = kind


class NoAccess(Exception):
    """The identity in path or body is not the certificate's: HTTP 401 with 017."""


class BadFields(Exception):
    """A message against the field tables: HTTP 400 with a FaultBody."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{at}: {what}" for at, what in faults[:3]))
        self.faults = faults


@define(slots=False)
class Hub:
    """State and rules. ``clock`` is Hubject's time."""

    settings: HubSettings = field(factory=HubSettings)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    evses: dict[str, dict[str, dict[str, Any]]] = field(factory=dict)
    statuses: dict[str, dict[str, dict[str, Any]]] = field(factory=dict)
    products: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(factory=dict)
    prices: dict[str, dict[str, Any]] = field(factory=dict)
    sessions: dict[str, Session] = field(factory=dict)
    cdrs: dict[str, dict[str, Any]] = field(factory=dict)
    cdr_bytes: dict[str, bytes] = field(factory=dict)
    authorisations: list[dict[str, Any]] = field(factory=list)
    received: Counter[str] = field(factory=Counter)
    rejections: list[dict[str, Any]] = field(factory=list)
    aborts: list[dict[str, Any]] = field(factory=list)
    duplicates: list[dict[str, Any]] = field(factory=list)
    alarms: list[str] = field(factory=list)
    remarks: list[str] = field(factory=list)

    # --- identities

    def operator(self, path: str, body: str) -> str:
        """The operator, spelled as in its certificate; raises NoAccess. The comparison is textual, as Hubject's."""
        if path not in self.settings.operators or body != path:
            raise NoAccess(f"{path} and {body} are not the certificate's OperatorID")
        return path

    def owned(self, operator: str, evse_id: str) -> None:
        """018 unless the EVSE-ID begins with the operator's ID, or a registered sub-operator's, as they are spelled."""
        if not any(evse_id.startswith(own) for own in (operator, *self.settings.operators[operator])):
            raise No("018", f"{evse_id} is not of {operator}")

    def usable(self, operator: str, evse_id: str | None) -> None:
        """603 and 604, for operators that have pushed EVSEs."""
        pushed = self.evses.get(operator)
        if evse_id is None or not pushed:
            return
        if evse_id not in pushed:
            raise No("603", f"{evse_id} was not pushed")
        if not pushed[evse_id]["IsHubjectCompatible"]:
            raise No("604", f"{evse_id} is not Hubject compatible")

    # --- pushes

    def push_evse_data(self, path: str, message: dict[str, Any]) -> None:
        """eRoamingPushEvseData."""
        data = message["OperatorEvseData"]
        operator = self.operator(path, data["OperatorID"])
        records = self._by_id(operator, data["EvseDataRecord"])
        if message["ActionType"] == "fullLoad" and not records:
            self.alarms.append(f"an empty fullLoad deleted all {len(self.evses.get(operator, {}))} EVSEs of {operator}")
        self._apply(self.evses.setdefault(operator, {}), message["ActionType"], records)

    def push_evse_status(self, path: str, message: dict[str, Any]) -> None:
        """eRoamingPushEvseStatus."""
        data = message["OperatorEvseStatus"]
        operator = self.operator(path, data["OperatorID"])
        records = self._by_id(operator, data["EvseStatusRecord"])
        if message["ActionType"] == "fullLoad" and not records:
            self.alarms.append(f"an empty fullLoad deleted all {len(self.statuses.get(operator, {}))} statuses of {operator}")
        self._apply(self.statuses.setdefault(operator, {}), message["ActionType"], records)

    def push_products(self, path: str, message: dict[str, Any]) -> None:
        """eRoamingPushPricingProductData."""
        data = message["PricingProductData"]
        operator = self.operator(path, data["OperatorID"])
        records = {r["ProductID"]: r for r in data["PricingProductDataRecords"]}
        if len(records) < len(data["PricingProductDataRecords"]):
            raise No("022", "a ProductID is in the message twice")
        self._apply(self.products.setdefault((operator, data["ProviderID"]), {}), message["ActionType"], records)

    def push_prices(self, path: str, message: dict[str, Any]) -> None:
        """eRoamingPushEVSEPricing."""
        operator = self.operator(path, path)
        records: dict[str, dict[str, Any]] = {}
        for record in message["EVSEPricing"]:
            self.owned(operator, record["EvseID"])
            records[f"{record['EvseID']} {record['ProviderID']}"] = record
        if len(records) < len(message["EVSEPricing"]):
            raise No("018", "an EvseID is in the message twice")
        self._apply(self.prices, message["ActionType"], records)

    def _by_id(self, operator: str, records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for record in records:
            self.owned(operator, record["EvseID"])
        found = {record["EvseID"]: record for record in records}
        if len(found) < len(records):
            raise No("018", "an EvseID is in the message twice")
        return found

    def _apply(self, store: dict[str, dict[str, Any]], action: str, records: dict[str, dict[str, Any]]) -> None:
        """All or nothing: one record that contradicts what is there aborts the transaction."""
        if action == "fullLoad":
            store.clear()
        elif action == "insert":
            if there := sorted(records.keys() & store.keys()):
                raise No(self.settings.abort_code, f"{there[0]} exists already; nothing was inserted", "abort")
        elif missing := sorted(records.keys() - store.keys()):
            raise No(self.settings.abort_code, f"{missing[0]} was not found; nothing was changed", "abort")
        if action == "delete":
            for key in records:
                del store[key]
        else:
            store.update(records)

    # --- authorisation

    def authorize_start(self, path: str, message: dict[str, Any]) -> Session:
        """eRoamingAuthorizeStart: the session it opens. The SessionID that was sent is ignored."""
        operator = self.operator(path, message["OperatorID"])
        evse_id = message.get("EvseID")
        known = _known_by(message["Identification"])
        try:
            if evse_id is not None:
                self.owned(operator, evse_id)
            self.usable(operator, evse_id)
            driver = self.settings.drivers.get(known)
            if driver is None:
                raise No("106", "no provider knows the driver", "driver")
            if driver.code != "000":
                raise No(driver.code, "the provider refused", "driver")
        except No as why:
            self.authorisations.append({"evse_id": evse_id, "allowed": False, "code": why.code})
            raise
        opened = self.open(operator, driver.provider_id, "rfid", message["Identification"], evse_id)
        self.authorisations.append({"evse_id": evse_id, "allowed": True, "provider_id": driver.provider_id,
                                    "session_id": opened.session_id})  # fmt: skip
        return opened

    def authorize_stop(self, path: str, message: dict[str, Any]) -> Session:
        """eRoamingAuthorizeStop: by the medium that started the session."""
        operator = self.operator(path, message["OperatorID"])
        session = self.known(operator, message["SessionID"])
        if session.state == "billed":
            raise No("400", "Session is invalid: its CDR was received")
        if _known_by(message["Identification"]) != _known_by(session.identification):
            raise No("106", "not the medium that started the session", "driver")
        return session

    def open(self, operator: str, provider: str, how: str, identification: dict[str, Any], evse_id: str | None) -> Session:
        """A new session under a new GUID."""
        session = Session(str(uuid.uuid4()), operator, provider, how, identification, evse_id, self.clock())
        self.sessions[session.session_id] = session
        return session

    def known(self, operator: str, session_id: str) -> Session:
        """A session of the operator; 400 for any other."""
        session = self.sessions.get(session_id)
        if session is None or session.operator_id != operator:
            raise No("400", "Session is invalid: the SessionID is not known")
        return session

    # --- notifications and charge detail records

    def notify(self, message: dict[str, Any]) -> Session:
        """eRoamingChargingNotifications."""
        operator = self.operator(message["OperatorID"], message["OperatorID"])
        self.owned(operator, message["EvseID"])
        session = self.known(operator, message["SessionID"])
        kind = message["Type"]
        now = self.clock()
        if kind == "Progress":
            if session.progressed is not None and now - session.progressed < PROGRESS_EVERY:
                self.remarks.append(f"{session.session_id}: Progress notifications less than five minutes apart")
            session.progressed = now
        elif kind == "Start" and any(one["Type"] == "Start" for one in session.notifications):
            self.remarks.append(f"{session.session_id}: a second Start notification")
        if session.state in ("ended", "billed") and kind != "Error":
            self.remarks.append(f"{session.session_id}: {kind} after the session was {session.state}")
        session.notifications.append(message)
        if session.state == "authorised" and kind in ("Start", "Progress"):
            session.state = "charging"
        elif kind == "End" and session.state != "billed":
            session.state = "ended"
        return session

    def charge(self, path: str, message: dict[str, Any], body: bytes) -> Session:
        """eRoamingChargeDetailRecord: one per SessionID."""
        operator = self.operator(path, path)
        self.owned(operator, message["EvseID"])
        session_id = message["SessionID"]
        session = self.known(operator, session_id)
        if session_id in self.cdrs:
            same = self.cdr_bytes[session_id] == body
            entry = {"session_id": session_id, "same_bytes": same, "at": self.clock().isoformat()}
            self.duplicates.append(entry)
            raise No("400", "Session is invalid: a CDR was already received for it", "duplicate" if same else "fault")
        self._of_provider(session, message["Identification"])
        plausible(message, self.clock(), external=self._external(operator, message["EvseID"]))
        self.cdrs[session_id] = message
        self.cdr_bytes[session_id] = body
        session.state = "billed"
        return session

    def _of_provider(self, session: Session, identification: dict[str, Any]) -> None:
        for one in identification.values():
            evco = one.get("EvcoID") if isinstance(one, dict) else None
            if evco and not plain(evco).startswith(plain(session.provider_id)):
                raise No("019", f"the EvcoID is not of {session.provider_id}")

    def _external(self, operator: str, evse_id: str) -> bool:
        record = self.evses.get(operator, {}).get(evse_id)
        return record is not None and record["CalibrationLawDataAvailability"] == "External"


def plausible(cdr: dict[str, Any], now: datetime, *, external: bool) -> None:
    """022 for what Hubject's support article calls implausible, and for energy that is not the meter's difference."""
    times = {name: moment(cdr[name]) for name in ("ChargingStart", "ChargingEnd", "SessionStart", "SessionEnd")}
    energy = Decimal(cdr["ConsumedEnergy"])
    first, last = cdr.get("MeterValueStart"), cdr.get("MeterValueEnd")
    signed = [one for one in cdr.get("SignedMeteringValues") or () if one.get("SignedMeteringValue")]
    apart = Decimal(0) if first is None or last is None else abs(last - first - energy)
    for wrong, info in (
        (energy > 1000, "ConsumedEnergy is more than 1000 kWh"),
        (energy < 0, "ConsumedEnergy is negative"),
        (times["ChargingEnd"] < times["ChargingStart"], "ChargingEnd is before ChargingStart"),
        (times["SessionEnd"] < times["SessionStart"], "SessionEnd is before SessionStart"),
        (times["SessionEnd"] > now + SKEW, "SessionEnd is in the future"),
        (first is not None and last is not None and last < first, "MeterValueEnd is less than MeterValueStart"),
        (apart > Decimal("0.001"), "ConsumedEnergy is not MeterValueEnd less MeterValueStart"),
        (external and not signed, "CalibrationLawDataAvailability is External, and there are no SignedMeteringValues"),
    ):
        if wrong:
            raise No("022", info)


def plain(identifier: str) -> str:
    """An identifier without separators."""
    return identifier.replace("*", "").replace("-", "").upper()


def _known_by(identification: dict[str, Any]) -> str:
    """What a driver is looked up by: a card's UID, or the EvcoID."""
    (one,) = (value for value in identification.values() if value is not None)
    return str(one.get("UID") or one["EvcoID"]).upper()
