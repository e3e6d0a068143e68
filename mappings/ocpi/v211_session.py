"""OCPI 2.1.1 sessions and CDRs as differences from 2.2.1: the location inside, one name of the token, one price without VAT."""

from __future__ import annotations

from typing import Any

from bridge.mapping import DEFAULTED, DROPPED, At, Context, Converter, Each, Mapping, by_name, derived, from_partner, no_place, row
from bridge.model import cdr
from bridge.model import session as s
from bridge.model.common import Price
from bridge.model.ids import contract
from bridge.model.token import SessionToken
from bridge.ocpi.wire import v211 as w
from mappings.ocpi import cdr as cdr221
from mappings.ocpi import session as session221
from mappings.ocpi import v211_place as place
from mappings.ocpi.v211 import BILLED_TARIFF, LATER, OWNER, READ, SECONDS

AUTH_METHOD = by_name(s.AuthMethod, w.AuthMethod, name="AuthMethod", out={s.AuthMethod.COMMAND: w.AuthMethod.AUTH_REQUEST}).covers(
    s.AuthMethod, w.AuthMethod
)
SESSION_STATUS = by_name(
    s.SessionStatus, w.SessionStatus, name="SessionStatus", out={s.SessionStatus.RESERVATION: w.SessionStatus.PENDING}
).covers(s.SessionStatus, w.SessionStatus)

DIMENSION = by_name(
    s.CdrDimension, w.CdrDimensionType, name="CdrDimensionType",
    never={d: f"OCPI 2.1.1 does not measure {d.value}" for d in s.CdrDimension if d.name not in w.CdrDimensionType.__members__},
).covers(s.CdrDimension, w.CdrDimensionType)  # fmt: skip


class AuthId(Converter):
    """``auth_id``: the contract id. A token without one is named by its uid, unless that is hashed."""

    note = "the contract id, else the uid"
    unsaid = dict.fromkeys(
        ("uid", "kind", "party", "rfid", "hashed", "visual_number", "expires", "pin", "hashed_pin"),
        "sessions and CDRs of OCPI 2.1.1 name a token by its auth_id only",
    )

    def out(self, value: Any, cx: Context, at: At) -> Any:
        by_uid = value.contract_id is None and value.uid is not None and value.hashed is None
        for name, because in self.unsaid.items():
            told = getattr(value, name)
            if name == "uid" and by_uid:
                cx.lose(at.dst[0], DEFAULTED, told, "no contract is told: the uid stands for it")
            if told is not None:
                cx.lose(f"{at.src[0]}.{name}", DROPPED, told, because)
        return value.uid if by_uid else value.contract_id

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return SessionToken(contract_id=contract(value))


# --- sessions and CDRs ------------------------------------------------------------------------------------------------

VOLUME = session221.VOLUME.onto(w.CdrDimension, row("dimension", "type", DIMENSION))

PERIOD = session221.PERIOD.onto(
    w.ChargingPeriod,
    row("start", "start_date_time", SECONDS),
    row("volumes", "dimensions", Each(VOLUME)),
    no_place("tariff_id", because="OCPI 2.1.1 does not say which tariff a period has"),
)


class Net(Converter):
    """The amount without VAT, as a number."""

    note = "the amount without VAT"
    unsaid = dict.fromkeys(("incl", "taxes"), "OCPI 2.1.1 has amounts without VAT only")

    def out(self, value: Any, cx: Context, at: At) -> Any:
        if value.incl is not None:
            cx.lose(f"{at.src[0]}.incl", DROPPED, value.incl, self.unsaid["incl"])
        for i, tax in enumerate(value.taxes):
            cx.lose(f"{at.src[0]}.taxes[{i}]", DROPPED, tax.amount, self.unsaid["taxes"])
        return value.excl

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return Price(value)


SESSION = session221.SESSION.onto(
    w.Session,
    no_place("party", because=OWNER),
    row("start", "start_datetime", SECONDS, or_else=derived(lambda o, cx: o.charging_start, "the start of charging")),
    row("end", "end_datetime", SECONDS),
    row("token", "auth_id", AuthId()),
    row("auth_method", "auth_method", AUTH_METHOD, or_else=from_partner("auth_method")),
    no_place("authorization_reference", because=LATER),
    no_place("operator_id", because=OWNER),
    row(place.OfSession.canon, "location", place.OfSession(),
        hints={"location_id": "location.id", **{name: f"location.{place.HINTS[name]}" for name in place.OfSession.canon[2:]}}),
    row("periods", "charging_periods", PERIOD, many=True),
    row("total_cost", "total_cost", Net()),
    row("status", "status", SESSION_STATUS, or_else=derived(session221._status, "from the kind of notification")),
    row("last_updated", "last_updated", SECONDS,
        or_else=derived(lambda o, cx: o.observed or o.end or cx.facts.now, "the moment told of, or of reading")),
    name="Session",
)  # fmt: skip


_PRICE = "OCPI 2.1.1 tells the total cost only"

_CDR = (
    no_place("party", because=OWNER),
    row("start", "start_date_time", SECONDS),
    row("end", "stop_date_time", SECONDS),
    no_place("session_id", because="OCPI 2.1.1 does not link CDRs with sessions"),
    row("token", "auth_id", AuthId()),
    row("auth_method", "auth_method", AUTH_METHOD, or_else=from_partner("auth_method")),
    no_place("authorization_reference", because=LATER),
    row(place.OfCdr.canon, "location", place.OfCdr(),
        hints={f"place.{name}": f"location.{path}" for name, path in place.HINTS.items()}),
    no_place("place.current", because="only OCHP has it"),
    no_place("place.ratings", because="only OCHP has it"),
    row("tariffs", "tariffs", Each(BILLED_TARIFF)),
    row("periods", "charging_periods", Each(PERIOD), or_else=derived(cdr221._periods, "from the priced lines or the total energy")),
    no_place("signed_data", because="OCPI 2.1.1 has no signed data"),
    row("total_cost", "total_cost", Net(), or_else=cdr221.TOTAL_COST),
    *(no_place(f"total_{part}_cost", because=_PRICE) for part in ("fixed", "energy", "time", "parking", "reservation")),
    no_place("invoice_reference_id", because=LATER),
    no_place("credit", because="OCPI 2.1.1 has no credit CDRs: settle it otherwise", refuse_when=True),
    no_place("credit_reference_id", because=LATER),
    no_place("home_charging_compensation", because=LATER),
    row("last_updated", "last_updated", SECONDS, or_else=derived(lambda o, cx: cx.facts.now, READ)),
)  # fmt: skip

_TAKEN = {"place", "location", *(path for one in _CDR for path in one.canon)}
CDR = Mapping(cdr.Cdr, w.CDR, (*(one for one in cdr221.CDR.rows if not _TAKEN & set(one.canon)), *_CDR), name="CDR")

__all__ = ["CDR", "SESSION"]
