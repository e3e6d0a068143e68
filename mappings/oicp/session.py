"""OICP 2.3 charging notifications (eRoamingChargingNotifications Start, Progress, End, Error): a session while it runs."""

from __future__ import annotations

from typing import Any

from bridge.errors import Refused
from bridge.mapping import (
    DEFAULTED,
    DROPPED,
    SAME,
    UTC_TIME,
    At,
    Context,
    Converter,
    Digits,
    Mapping,
    Table,
    derived,
    no_place,
    row,
)
from bridge.model import session as c
from bridge.model.ids import OperatorId
from bridge.oicp import wire as w
from mappings.oicp.common import EVSE_ID, HUB_SESSION_ID, OPERATOR_ID_PATTERN
from mappings.oicp.identification import PARTS, Identification, hints
from mappings.shared import operator_of

TYPE = Table(
    (c.Notification.START, w.ChargingNotificationType.START),
    (c.Notification.PROGRESS, w.ChargingNotificationType.PROGRESS),
    (c.Notification.END, w.ChargingNotificationType.END),
    (c.Notification.ERROR, w.ChargingNotificationType.ERROR),
    name="ChargingNotificationType",
).covers(c.Notification, w.ChargingNotificationType)

ERROR = Table(
    (c.ErrorClass.CONNECTOR_ERROR, w.ErrorClass.CONNECTOR_ERROR),
    (c.ErrorClass.CRITICAL_ERROR, w.ErrorClass.CRITICAL_ERROR),
    name="ErrorClass",
).covers(c.ErrorClass, w.ErrorClass)


def notification_of(o: c.Session) -> c.Notification | None:
    """Which notification tells of a session in its state: Start until energy flowed, then Progress, then End."""
    if o.notification is not None:
        return o.notification
    if o.error is not None:
        return c.Notification.ERROR
    if o.status is c.SessionStatus.COMPLETED:
        return c.Notification.END
    if o.status is c.SessionStatus.ACTIVE:
        return c.Notification.PROGRESS if o.kwh else c.Notification.START
    return None


class Energy(Converter):
    """The energy so far: ConsumedEnergyProgress of Progress, ConsumedEnergy of End; Start and Error have none."""

    note = "energy of progress or end, 3 decimals"
    three = Digits(3)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        kwh, session = value
        if kwh is None:
            return None
        kind = notification_of(session)
        if kind not in (c.Notification.PROGRESS, c.Notification.END):
            cx.lose(at.src[0], DROPPED, kwh, "only progress and end tell energy in OICP")
            return None
        told = self.three.out(kwh, cx, at)
        return (told, None) if kind is c.Notification.PROGRESS else (None, told)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        progress, end = value
        if progress is not None and end is not None and progress != end:
            cx.lose(at.src[0], DROPPED, progress, "the end's energy is the newer")
        return end if end is not None else progress


class MeterBetween(Converter):
    """Meter values in between, in a list inside an object."""

    note = "meter values in between"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        three = Digits(3)
        return w.MeterValues(meterValues=tuple(three.out(v, cx, At((f"{at.src[0]}[{i}]",), at.dst)) for i, v in enumerate(value)))

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return tuple(value.meterValues)


class Operator(Converter):
    """OperatorID: as told, else the operator that the EVSE-ID names."""

    note = "OperatorID, else of the EVSE-ID"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        operator, evse_id, party = value
        if operator is None and party is not None:
            operator = OperatorId(f"{party.country_code}*{party.party_id}")
            cx.lose(at.dst[0], DEFAULTED, operator, "the session's party")
        if operator is None:
            operator = operator_of(evse_id)
            if operator is not None:
                cx.lose(at.dst[0], DEFAULTED, operator, "the EVSE-ID names the operator")
        text = "" if operator is None else str(operator)
        if not OPERATOR_ID_PATTERN.fullmatch(text):
            because = "OperatorID is mandatory in ChargingNotification and neither told nor named by the EVSE-ID"
            raise Refused(at.src[0], because if operator is None else "no OperatorID in the form OICP allows", operator)
        return text

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return OperatorId(value)


class Moment(Converter):
    """A time that some notifications have and others do not."""

    def __init__(self, *kinds: c.Notification) -> None:
        self.kinds = kinds
        self.note = "UTC; in " + ", ".join(k.value.capitalize() for k in kinds)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        moment, session = value
        if moment is None:
            return None
        if notification_of(session) not in self.kinds:
            cx.lose(at.src[0], DROPPED, moment, "this notification has no such field")
            return None
        return moment

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return UTC_TIME.back(value, cx, at)


S, P, E, X = c.Notification.START, c.Notification.PROGRESS, c.Notification.END, c.Notification.ERROR
_TOLD_BY = "told by the kind of notification"


class ChargingTime(Converter):
    """ChargingStart is mandatory in Start and Progress, ChargingEnd in End: for want of it the session's own time."""

    note = "start and end of charging, else of the session"

    def out(self, value: Any, cx: Context, at: At) -> Any:
        start, end, session = value
        kind = notification_of(session)
        if start is None and kind in (S, P) and session.start is not None:
            start = session.start
            cx.lose(at.dst[0], DEFAULTED, start, "the session's start")
        if end is None and kind is E and session.end is not None:
            end = session.end
            cx.lose(at.dst[1], DEFAULTED, end, "the session's end")
        if start is None and kind in (S, P):
            raise Refused(at.src[0], "ChargingStart is mandatory in this notification and the source does not have it")
        if end is None and kind is E:
            raise Refused(at.src[1], "ChargingEnd is mandatory in this notification and the source does not have it")
        if start is not None and kind is X:
            cx.lose(at.src[0], DROPPED, start, "this notification has no such field")
            start = None
        if end is not None and kind is not E:
            cx.lose(at.src[1], DROPPED, end, "this notification has no such field")
            end = None
        return start, end

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return tuple(None if v is None else UTC_TIME.back(v, cx, at) for v in value)


class OnlyIn(Converter):
    """A value that some notifications have and others do not."""

    def __init__(self, inner: Converter, *kinds: c.Notification, must: str = "") -> None:
        self.inner = inner
        self.kinds = kinds
        self.must = must
        self.note = inner.note + "; in " + ", ".join(k.value.capitalize() for k in kinds)

    def out(self, value: Any, cx: Context, at: At) -> Any:
        one, session = value
        if one is None or one == ():
            if self.must and notification_of(session) in self.kinds:
                raise Refused(at.src[0], f"{self.must} is mandatory in this notification and the source does not have it")
            return None
        if notification_of(session) not in self.kinds:
            cx.lose(at.src[0], DROPPED, one, "this notification has no such field")
            return None
        return self.inner.out(one, cx, at)

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return self.inner.back(value, cx, at)


SESSION = Mapping(c.Session, w.ChargingNotification, (
    row("notification", "Type", TYPE, or_else=derived(lambda o, cx: notification_of(o), "from status and energy")),
    row("hub_session_id", "SessionID", HUB_SESSION_ID),
    row("operator_session_id", "CPOPartnerSessionID", or_else=derived(lambda o, cx: o.id, "our session id")),
    row("provider_session_id", "EMPPartnerSessionID"),
    row(tuple(f"token.{part}" for part in PARTS), "Identification", Identification(full=False), hints=hints("token.")),
    row("evse_id", "EvseID", EVSE_ID),
    row(("charging_start", "charging_end"), ("ChargingStart", "ChargingEnd"), ChargingTime(), using=""),
    row("observed", "EventOccurred", Moment(P), using="", or_else=derived(
        lambda o, cx: (o.last_updated or cx.facts.now) if notification_of(o) is P else None, "when updated, or the moment of reading")),
    row("charging_duration_ms", "ChargingDuration", OnlyIn(SAME, P), using=""),
    row("start", "SessionStart", Moment(S, P, E), using=""),
    row("end", "SessionEnd", Moment(E), using=""),
    row("kwh", ("ConsumedEnergyProgress", "ConsumedEnergy"), Energy(), using=""),
    row("meter_start", "MeterValueStart", OnlyIn(Digits(3), S, P, E), using=""),
    row("meter_end", "MeterValueEnd", OnlyIn(Digits(3), E), using=""),
    row("meter_between", "MeterValueInBetween", OnlyIn(MeterBetween(), P, E), using=""),
    row("error", "ErrorType", OnlyIn(ERROR, X, must="ErrorType"), using=""),
    row("error_info", "ErrorAdditionalInfo", OnlyIn(SAME, X), using=""),
    row("operator_id", "OperatorID", Operator(), using=("evse_id", "party")),
    row("product_id", "PartnerProductID", OnlyIn(SAME, S, P, E), using=""),
    row("penalty_start", "PenaltyTimeStart", Moment(E), using=""),
    no_place("token.party", because="the EvcoID names the provider"),
    no_place("token.hashed", because="OICP has no hashed uids"),
    no_place("id", because="told as CPOPartnerSessionID where that is free"),
    no_place("party", because="told as OperatorID"),
    no_place("status", because=_TOLD_BY),
    no_place("auth_method", because="OICP does not tell how the driver was authorised"),
    no_place("authorization_reference", because="the SessionID is the reference in OICP"),
    no_place("location", because="OICP knows EVSEs by their EVSE-ID only"),
    no_place("location_id", because="OICP knows EVSEs by their EVSE-ID only"),
    no_place("evse_uid", because="OICP knows EVSEs by their EVSE-ID only"),
    no_place("connector_id", because="OICP does not tell connectors"),
    no_place("meter_id", because="OICP does not tell meters"),
    no_place("currency", because="OICP's sessions have no cost"),
    no_place("periods", because="OICP's sessions have no periods"),
    no_place("total_cost", because="OICP's sessions have no cost"),
    no_place("last_updated", because="told by EventOccurred"),
), name="ChargingNotification")  # fmt: skip
