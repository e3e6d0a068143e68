"""The audit of a CDR before it is sent: what the partner will read in the very bytes is compared with the CDR itself.

Of money, energy, times, identities and signed data nothing may be *altered*, ever. *Leaving out*, where the protocol has
no field, needs a named permission, and stays in the ledger. What the record holds *beyond* the CDR has to be what the
mapping says that it put there, because the protocol demands it. Identifiers are compared by their keys: another spelling
of the same card is the same card.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from bridge.errors import BridgeError, Refused
from bridge.mapping.difference import Difference, Form, Normal, Steps, empty, spelled, steps
from bridge.mapping.loss import DEFAULTED, DROPPED, Loss
from bridge.model.cdr import Cdr, CdrPlace
from bridge.model.ids import ContractId, contract, evse_key
from bridge.model.session import ChargingPeriod
from bridge.model.tariff import Tariff, TaxIncluded
from bridge.model.token import SessionToken, TokenKind
from bridge.roaming.authorise import normal
from bridge.roaming.ports import Encoded, Kind, Partner, ReadBack, ReadsBack


class Unsettled(BridgeError):
    """A CDR that must not be sent: its money, energy, times or identities would be altered, or it cannot be told there."""

    remedy = "operator"


GUARDED = (
    "id", "party", "start", "end", "charging_start", "charging_end", "session_id", "hub_session_id", "authorization_reference",
    "token.uid", "token.hashed", "token.contract_id", "token.kind", "token.party", "place.evse_id", "meter_start", "meter_end",
    "meter_between", "currency", "tariffs.id", "tariffs.party", "tariffs.currency", "tariffs.elements", "tariffs.min_price",
    "tariffs.max_price", "tariffs.tax_included", "tariffs.valid_from", "tariffs.valid_until", "periods", "lines", "signed_data",
    "total_cost", "total_fixed_cost", "total_energy", "total_energy_cost", "total_time", "total_time_cost", "total_parking_time",
    "total_parking_cost", "total_reservation_cost", "credit", "credit_reference_id")  # fmt: skip
"""Money, energy, times, identities and signed data: what a CDR is about."""

_COSTS = ("total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost", "total_reservation_cost")
_TIMES = ("total_time", "total_parking_time")

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "omit-prices": ("total_cost", *_COSTS, "currency", "tariffs", "lines", "periods"),
    "omit-signed-data": ("signed_data",),
    "times-by-ends": _TIMES,
    "net-totals": ("total_cost.incl", "total_cost.taxes"),
    "one-total": _COSTS,
    "no-named-taxes": tuple(f"{cost}.taxes" for cost in ("total_cost", *_COSTS)),
    "no-rates": ("tariffs.elements.components.vat",),
    "totals-by-lines": (*_COSTS, "total_energy", *_TIMES, "tariffs", "periods"),
    "no-tariff-of-period": ("periods.tariff_id",),
    "no-plain-data": ("signed_data.values.plain_data", "signed_data.encoding_method_version"),
    "one-session-id": ("hub_session_id",),
    "no-session-link": ("session_id", "authorization_reference"),
    "ids-by-session": ("id", "session_id", "authorization_reference"),
    "ids-by-cdr": ("session_id", "hub_session_id", "authorization_reference"),
    "parties-by-ids": ("party", "token.party"),
    "parties-by-connection": ("party", "tariffs.party", "token.party"),
    "one-auth-id": ("token.uid", "token.hashed", "token.kind"),
    "one-identification": ("token.uid", "token.hashed", "token.contract_id", "token.kind"),
    "no-registers": ("meter_start", "meter_end", "meter_between"),
    "no-priced-lines": ("lines",),
    "flow-by-periods": ("charging_start", "charging_end"),
    "flow-by-lines": ("charging_start", "charging_end"),
}
"""What may be left out, by the name of the permission."""

_OCPI = ("one-session-id", "no-registers", "flow-by-periods", "no-priced-lines")

SHIPPED: dict[str, tuple[str, ...]] = {
    "ocpi": (*_OCPI, "no-named-taxes"),
    "ocpi-2.1.1": (*_OCPI, "net-totals", "one-total", "no-rates", "no-tariff-of-period", "no-session-link", "parties-by-connection",
                   "one-auth-id", "omit-signed-data"),
    "oicp": ("omit-prices", "times-by-ends", "ids-by-session", "parties-by-ids", "one-identification", "no-plain-data"),
    "ochp": ("omit-signed-data", "net-totals", "totals-by-lines", "no-registers", "ids-by-cdr", "parties-by-ids", "flow-by-lines"),
}  # fmt: skip
"""The permissions that a format forces because it has no field, by the format, else its family: given as shipped."""

_ADDED_UP = (*_COSTS, "total_energy", "total_parking_time")
"""What a reader adds up from the priced lines, where the protocol tells those instead (``totals-by-lines``)."""


def _text(value: Any, owner: Any) -> str:
    return str(value).upper()


def _card(value: Any, owner: Any) -> str:
    return normal(str(value))


def _contract(value: Any, owner: Any) -> str:
    """Without the check digit, which not every protocol sends; a wrong one counts."""
    found = contract(str(value))
    if not isinstance(found, ContractId):
        return found.upper()
    return str(found.compact()) if found.check_ok is False else found.key


_SAME_KIND = {
    TokenKind.APP_USER: TokenKind.REMOTE,
    TokenKind.AD_HOC_USER: TokenKind.REMOTE,
    TokenKind.EMAID: TokenKind.PLUG_AND_CHARGE,
}

_NET: dict[Any, Any] = {TaxIncluded.NO: None}

_FORMS = (
    Form(Cdr, "id", "OCPI's ids are the same in capitals and small letters", _text),
    Form(Cdr, "session_id", "OCPI's ids are the same in capitals and small letters", _text),
    Form(Cdr, "hub_session_id", "a GUID", _text),
    Form(Cdr, "authorization_reference", "OCPI's ids are the same in capitals and small letters", _text),
    Form(Cdr, "credit_reference_id", "OCPI's ids are the same in capitals and small letters", _text),
    Form(Cdr, "credit", "false is what a CDR is that says nothing of it", lambda value, owner: value or None),
    Form(SessionToken, "uid", "bytes, however they are spelled", _card),
    Form(SessionToken, "contract_id", "separators and the check digit are spelling", _contract),
    Form(SessionToken, "kind", "finer kinds of the same", lambda kind, owner: _SAME_KIND.get(kind, kind)),
    Form(CdrPlace, "evse_id", "separators are spelling", lambda value, owner: evse_key(str(value))),
    Form(Tariff, "tax_included", "prices are without taxes where nothing is told", lambda value, owner: _NET.get(value, value)),
    Form(ChargingPeriod, "tariff_id", "OCPI's ids are the same in capitals and small letters", _text),
)

_NORMAL = Normal({(form.cls, form.field): form for form in _FORMS})


def audit(partner: Partner, cdr: Cdr, encoded: Encoded) -> list[Loss]:
    """What the record leaves out or says otherwise, for the ledger. Raises Unsettled where the CDR must not be sent so."""
    if not isinstance(partner, ReadsBack):
        raise Unsettled(f"what is sent to {partner.name} cannot be read back, so that nothing shows that it is right")
    try:
        read = partner.read_back(Kind.CDR, encoded)
    except Refused as why:
        raise Unsettled(f"{partner.name} could not read it: {why}") from why
    told = [loss for _, loss in encoded.losses]
    permitted = _permitted(partner, read)
    missing: list[Loss] = []
    for d in _NORMAL.differences(cdr, read.obj):
        for part in _parts(d):
            path = part.after if empty(part.was) else part.before
            if not _under(path, GUARDED):
                continue
            if empty(part.now):
                if not _under(path, permitted):
                    raise Unsettled(f"{spelled(path)} would be left out for {partner.name}{_because(path, told)}")
                missing += [] if _mentioned(path, told) else [Loss(spelled(path), DROPPED, None, "not there when read back")]
            elif empty(part.was):
                if not _demanded(path, part.now, read):
                    raise Unsettled(f"{partner.name} would read {_shown(path, part.now)}, which the CDR does not say")
            elif not (cdr.lines and "totals-by-lines" in _names(partner) and _under(path, _ADDED_UP)):
                raise Unsettled(f"{spelled(path)} would be altered for {partner.name}: {_shown(path, part.was)} "
                                f"would be read as {_shown(path, part.now)}{_because(path, told)}")  # fmt: skip
    for paths, because in read.unread:
        if any(_under(steps(path), GUARDED) or _over(steps(path), GUARDED) for path in paths):
            raise Unsettled(f"{partner.name} would read more than the CDR says: {because}")
    if empty(read.obj.token.uid) and empty(read.obj.token.contract_id):
        raise Unsettled(f"nothing would say for {partner.name} who charged")
    return [*told, *missing]


def _parts(d: Difference) -> Iterator[Difference]:
    yield from d.parts or (d,)


def _names(partner: Partner) -> tuple[str, ...]:
    return SHIPPED.get(partner.format) or SHIPPED.get(partner.format.split("-", maxsplit=1)[0], ())


def _permitted(partner: Partner, read: ReadBack) -> list[str]:
    return [path for name in {*_names(partner), *read.allow} for path in PERMISSIONS.get(name, ())]


def _under(path: Steps, fields: Sequence[str]) -> bool:
    names = ".".join(str(step) for step in path if isinstance(step, str))
    return any(names == one or names.startswith(f"{one}.") for one in fields)


def _over(path: Steps, fields: Sequence[str]) -> bool:
    names = ".".join(str(step) for step in path if isinstance(step, str))
    return any(one.startswith(f"{names}.") for one in fields)


def _related(one: Steps, other: Steps) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _mentioned(path: Steps, told: Sequence[Loss]) -> bool:
    return any(loss.kind != DEFAULTED and _related(steps(loss.path), path) for loss in told)


def _because(path: Steps, told: Sequence[Loss]) -> str:
    reasons = dict.fromkeys(loss.because for loss in told if loss.kind != DEFAULTED and _related(steps(loss.path), path))
    return f": {'; '.join(reasons)}" if reasons else ""


def _demanded(path: Steps, value: Any, read: ReadBack) -> bool:
    """Whether the mapping says that it put this value there, for want of one of the CDR's."""
    wanted = _plain(value)
    for paths, put in read.added:
        for start in map(steps, paths):
            if _related(start, path):
                item = _indices(path[len(start) :])
                if any(_plain(leaf) == wanted and _indices(at) == item for at, leaf in _NORMAL.leaves(put)):
                    return True
    return False


def _indices(path: Steps) -> list[int]:
    return [step for step in path if isinstance(step, int)]


def _plain(value: Any) -> Any:
    """A value as text, by what it says."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value.value if isinstance(value, Enum) else value).upper()


def _shown(path: Steps, value: Any) -> str:
    """A value for a person; a driver's are not for logs."""
    return f"another {spelled(path)}" if path[0] == "token" else f"{spelled(path)} {value}"
