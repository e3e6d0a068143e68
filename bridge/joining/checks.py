"""What the checklist can see for itself: one function per step, from configuration and store to a finding."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from bridge.errors import ConfigError
from bridge.joining.facts import Facts, PartnerKind
from bridge.model.ids import EvseId, IdError, OperatorId, evse_key
from bridge.model.location import Status
from bridge.roaming import agreements as kinds


class State(StrEnum):
    """How far a step is. YOURS: only a person can say."""

    DONE = "done"
    OPEN = "open"
    WRONG = "wrong"
    YOURS = "yours"


@frozen
class Finding:
    """What was seen about a step."""

    state: State
    told: str = ""


Look = Callable[[Facts], Finding | None]
"""Looks at a step; None: it does not apply to this partner."""


def _done(told: str) -> Finding:
    return Finding(State.DONE, told)


def _open(told: str) -> Finding:
    return Finding(State.OPEN, told)


def _wrong(told: str) -> Finding:
    return Finding(State.WRONG, told)


def _some(names: Sequence[str]) -> str:
    """A few of many names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# --- addresses, secrets, agreements


def our_url(f: Facts) -> Finding:
    """Whether partners reach us by TLS."""
    if not f.config.url:
        return _open(f"url is not set: the partner would be told {f.config.public_url}")
    return _done(f.config.public_url) if f.config.url.startswith("https://") else _wrong(f"{f.config.public_url} is not https")


def their_url(f: Facts) -> Finding | None:
    """Whether we reach the partner by TLS."""
    url = f.credentials.versions_url or f.partner.url
    if not url:
        return None  # it registers here and tells then
    return _done(url) if url.startswith("https://") else _wrong(f"{url} is not https")


def admin(f: Facts) -> Finding:
    """Whether the commands that need a running bridge can reach it."""
    return _done("admin_token is set") if f.config.admin_token is not None else _open("admin_token is not set")


def password(f: Facts) -> Finding:
    """Whether the account's password can be read."""
    if f.partner.password is None or not f.partner.user:
        return _open("user and password are not set")
    try:
        f.partner.password.read("password")
    except ConfigError as why:
        return _wrong(str(why))
    return _done(f"user {f.partner.user}")


def certificate(f: Facts) -> Finding:
    """Whether the client certificate and its key belong together and can be read."""
    files: tuple[Path | None, Path | None] = f.partner.certificate, f.partner.key
    if files[0] is None or files[1] is None:
        return _open("certificate and key are not set")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(files[0], files[1])
    except (OSError, ssl.SSLError) as why:
        return _wrong(f"{files[0]}: {why.strerror or why}")
    return _done(str(files[0]))


def agreement(f: Facts) -> Finding:
    """Whether an agreement is valid now."""
    if not f.agreements:
        return _open("no agreement is valid now")
    return _done("; ".join(f"{one.operator}: {', '.join(sorted(one.kinds))}" for one in f.agreements))


def party(f: Facts) -> Finding:
    """Whether the partner's own party is configured."""
    if f.partner.provider_party:
        return _done(f.partner.provider_party)
    return _open("provider_party is not set: every party that the partner names is taken for its own")


def tariffs(f: Facts) -> Finding | None:
    """Whether every agreement about tariffs names one that is imported."""
    mine = [one for one in f.agreements if kinds.TARIFFS in one.kinds]
    if not mine:
        return None
    without = sorted({one.operator for one in mine if not one.tariffs and not one.free})
    if without:
        return _open(f"an agreement for {_some(without)} names no tariff")
    named = sorted({ident for one in mine for ident in one.tariffs.values()})
    missing = sorted({ident for one in mine for ident in one.tariffs.values() if not f.tariff(ident, one.operator)})
    return _wrong(f"not imported: {_some(missing)}") if missing else _done(_some(named))


# --- our own data


def evse_ids(f: Facts) -> Finding:
    """Whether every EVSE has an EVSE-ID of the operator's own party."""
    bad, seen = [], 0
    parties = {f.config.operators[one.operator].party for one in f.agreements}
    ours = {found.party.key for found in map(OperatorId.parse, parties) if found.party is not None}
    for location in f.locations:
        for evse in location.evses:
            if evse.status is Status.REMOVED:
                continue
            seen += 1
            name = str(evse.id or evse.uid or location.place.id)
            try:
                owner = EvseId.parse(str(evse.id)).party if evse.id is not None else None
            except IdError:
                owner = None
            if owner is None or owner.key not in ours:
                bad.append(name)
    if not seen:
        return _open("no location of its operators is imported")
    return _wrong(f"not an EVSE-ID of {', '.join(sorted(parties))}: {_some(bad)}") if bad else _done(f"{seen} EVSE-IDs")


def time_zones(f: Facts) -> Finding | None:
    """Whether every place has a time zone: hours of opening and of tariffs are meant in it."""
    if not f.locations:
        return None  # said before
    if f.partner.constants.time_zone:
        return _done(f"where none is told: {f.partner.constants.time_zone}")
    missing = [str(one.place.id or one.place.address.street) for one in f.locations if one.place.time_zone is None]
    return _wrong(f"without time zone: {_some(missing)}") if missing else _done(f"{len(f.locations)} places")


def bound(f: Facts) -> Finding | None:
    """Whether every EVSE is a connector of a charger."""
    if f.store is None or not f.config.chargers:
        return None
    mine = {one.operator for one in f.agreements}
    free = [one.written for one in f.store.all_evses() if one.operator in mine and not one.removed and one.charge_point is None]
    return _open(f"bound to no charger: {_some(free)}") if free else _done("all EVSEs")


def hub_data(f: Facts) -> Finding | None:
    """Whether what hubs demand beyond the specification is there: names of operator and owner, capabilities, tariffs."""
    lacks = set()
    for one in f.bodies:
        for role in ("operator", "owner"):
            if not (one.get(role) or {}).get("name"):
                lacks.add(f"{role}.name")
        for evse in one.get("evses") or ():
            if not evse.get("capabilities"):
                lacks.add("capabilities")
            if not all(connector.get("tariff_ids") for connector in evse.get("connectors") or ()):
                lacks.add("tariff_ids")
    if not f.bodies:
        return None
    return _open(f"missing in some locations: {', '.join(sorted(lacks))}") if lacks else _done(f"{len(f.bodies)} locations")


# --- registration (OCPI)


def registered(f: Facts) -> Finding:
    """Whether tokens were exchanged, and in which version."""
    state = f.credentials
    if state.registered:
        roles = ", ".join(f"{r.country_code}*{r.party_id} {r.role}" for r in state.roles)
        return _done(f"OCPI {state.version}, as {roles}")
    if state.ended:
        return _open("the registration was ended")
    if state.invited is not None:
        return _open("waits for the partner to register with the token that it was sent")
    if state.given is not None or f.partner.token is not None:
        return _open("the bridge registers when it starts, and tries until it succeeds")
    return _open("waits for the partner to register with inbound_token" if f.partner.inbound_token is not None else "not begun")


def called(f: Facts) -> Finding:
    """Whether the partner has used the token that it got."""
    return _done("it has called us with its own token") if f.credentials.confirmed else _open("it has not called us yet")


_NEEDED = {
    kinds.LOCATIONS: ("locations", "RECEIVER"),
    kinds.TARIFFS: ("tariffs", "RECEIVER"),
    kinds.SESSIONS: ("sessions", "RECEIVER"),
    kinds.CDRS: ("cdrs", "RECEIVER"),
    kinds.TOKENS: ("tokens", "SENDER"),
}


def endpoints(f: Facts) -> Finding | None:
    """Whether the partner offers what its agreements are about."""
    if not f.credentials.registered:
        return None
    offered = {(one.identifier, one.role) for one in f.credentials.endpoints}
    missing = [f"{module} {role.lower()}" for kind, (module, role) in _NEEDED.items()
               if kind in f.kinds and not {(module, role), (module, "")} & offered]  # fmt: skip
    return _open(f"not offered: {', '.join(missing)}") if missing else _done(f"{len(offered)} endpoints")


# --- what flows


def locations(f: Facts) -> Finding | None:
    """Whether every EVSE that the partner may see is among what it gets."""
    if f.store is None or kinds.LOCATIONS not in f.kinds:
        return None
    ours = {one.evse_id: one.written for one in f.store.all_evses()
            if not one.removed and f.book.find(f.name, kinds.LOCATIONS, one.scope, f.now) is not None}  # fmt: skip
    if not ours:
        return _open("no location of its agreements is imported")
    missing = [written for key, written in ours.items() if key not in _shown(f)]
    if missing:
        return _open(f"{len(missing)} of {len(ours)} EVSEs are not shown: {_some(missing)}")
    return _done(f"{len(ours)} EVSEs")


def _shown(f: Facts) -> set[str]:
    if f.kind in (PartnerKind.PEER, PartnerKind.HUB):
        return {evse_key(evse["evse_id"]) for one in f.bodies for evse in one.get("evses") or () if evse.get("evse_id")}
    return f.evse_keys


def delivered(kind: str) -> Look:
    """Whether the partner has taken all objects of a kind."""

    def look(f: Facts) -> Finding | None:
        found = f.published.get(kind)
        if found is None or found.all == 0:
            return None if kind not in ("location", "tariff") or f"{kind}s" not in f.kinds else _open(f"there is no {kind} for it")
        told = f"{found.had} of {found.all} taken by the partner"
        return _done(told) if found.had == found.all else _open(told)

    return look


def tokens(f: Facts) -> Finding | None:
    """Whether the partner's whole token list was pulled."""
    if kinds.TOKENS not in f.kinds:
        return None
    held = next((one for one in f.store.held() if one.what == f"tokens of {f.name}"), None) if f.store is not None else None
    if held is not None:
        return _wrong(f"a list is held as {held.number}: {held.detail}")
    whole = f.mark(f"tokens {f.name} whole")
    if whole is None:
        return _open("the list was not pulled yet")
    return _done(f"{f.tokens[1]} valid of {f.tokens[0]}, whole list of {whole[:16]}Z")


def allowed(f: Facts) -> Finding | None:
    """Whether the partner has let a driver charge when it was asked."""
    if not f.partner.authorise:
        return None
    return _done("it has said ALLOWED") if "ALLOWED" in f.said else _open("it has not allowed a card in real time yet")


def blocked(f: Facts) -> Finding | None:
    """Whether the partner has refused a card when it was asked."""
    if not f.partner.authorise:
        return None
    other = sorted(f.said - {"ALLOWED"})
    return _done(f"it has said {', '.join(other)}") if other else _open("it has not refused a card yet")


def acknowledged(f: Facts) -> Finding | None:
    """Whether the partner has acknowledged a CDR."""
    if kinds.CDRS not in f.kinds:
        return None
    taken = [one for one in f.cdrs if one.state == "acknowledged"]
    if not taken:
        return _open(f"none yet, {len(f.cdrs)} on the way" if f.cdrs else "there is no CDR for it yet")
    return _done(f"{len(taken)}, the last {taken[-1].id}" + (" (test)" if taken[-1].test else ""))


def no_dead(f: Facts) -> Finding:
    """Whether the partner has refused nothing for good."""
    dead = f.jobs.get("dead", 0)
    return _wrong(f"{dead} refused: evbridge outbox list --dead") if dead else _done("nothing")


def no_doubt(f: Facts) -> Finding:
    """Whether every CDR was either taken or still waits to be sent."""
    bad = [f"{one.id} {one.state}" for one in f.cdrs if one.state in ("uncertain", "refused")]
    return _wrong(_some(bad)) if bad else _done("none")


def in_time(f: Facts) -> Finding:
    """Whether no CDR is near its deadline or past it."""
    told = f"{f.partner.cdr_deadline_hours:g} h, alarm after three quarters"
    return _wrong(_some([str(one) for one in f.late])) if f.late else _done(told)


def no_test(f: Facts) -> Finding | None:
    """Whether no test agreement is valid any more."""
    if not f.agreements:
        return None
    test = sorted({one.operator for one in f.agreements if one.test})
    return _open(f"the agreement for {_some(test)} is a test") if test else _done("production")
