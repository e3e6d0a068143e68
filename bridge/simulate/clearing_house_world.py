"""What a simulated clearing house holds, and what its operations do with it (OCHP 1.4). No HTTP here.

An operation takes the caller's account and the body element, already valid by the schema, and gives an
:class:`Answer`. What it refuses it also gives a reason for, which the protocol only has one text for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import define, field, frozen
from lxml import etree

from bridge.simulate import clearing_house_rules as rules
from bridge.simulate.clearing_house_rules import NS, Q, key, owner, tag, text

CMS, MDM, NSP = "CMS", "MDM", "NSP"
"""Roles of accounts: charge point operator, provider, navigation provider."""

ROLES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("SetChargePointListRequest", "UpdateChargePointListRequest", "UpdateStatusRequest", "AddCDRsRequest",
                     "CheckCDRsRequest", "UpdateTariffsRequest", "GetRoamingAuthorisationListRequest",
                     "GetRoamingAuthorisationListUpdatesRequest", "GetSingleRoamingAuthorisationRequest"), frozenset({CMS})),
    **dict.fromkeys(("SetRoamingAuthorisationListRequest", "UpdateRoamingAuthorisationListRequest", "GetCDRsRequest",
                     "ConfirmCDRsRequest", "GetTariffUpdatesRequest"), frozenset({MDM})),
    **dict.fromkeys(("GetChargePointListRequest", "GetChargePointListUpdatesRequest", "GetStatusRequest"), frozenset({MDM, NSP})),
}  # fmt: skip
"""Who may call what."""


MAY_BECOME = {"new": ("not known",), "revised": ("accepted", "declined"), "rejected": ("declined",)}
"""Statuses that an operator uploads, and where the CDR may stand before (CdrStatusType)."""


@frozen
class Account:
    """A partner's account. ``ids`` are the five-character ids that belong to it."""

    user: str
    password: str = field(repr=False)
    role: str
    ids: frozenset[str]


@frozen
class Answer:
    """Result code, description, and the elements that follow the result; ``refused``: record and reason, for the report."""

    code: str = "ok"
    text: str = ""
    items: tuple[bytes, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


@define
class Kept:
    """A record as it came, whose it is, and when it changed."""

    element: Any
    owner: str
    updated: datetime


@define
class Status:
    """A live status. ``until``: when it no longer counts."""

    major: str
    minor: str | None
    until: datetime | None
    updated: datetime


@define
class KeptCdr:
    """A CDR: where it stands, and how often it came."""

    element: Any
    said: tuple[Any, ...]
    operator: str
    provider: str
    status: str
    received: int = 1


def _now() -> datetime:
    return datetime.now(UTC)


@define
class World:
    """The clearing house's memory."""

    accounts: dict[str, Account]
    clock: Callable[[], datetime] = _now
    charge_points: dict[str, Kept] = field(factory=dict)
    statuses: dict[str, Status] = field(factory=dict)
    parking: dict[str, Status] = field(factory=dict)
    tokens: dict[tuple[str, str], Kept] = field(factory=dict)
    tariffs: dict[str, Kept] = field(factory=dict)
    cdrs: dict[tuple[str, str], KeptCdr] = field(factory=dict)

    def now(self) -> datetime:
        """The time, in whole seconds."""
        return self.clock().replace(microsecond=0)

    def perform(self, account: Account, body: Any) -> Answer:
        """One operation. The caller may call it, and the body is valid."""
        dates = list(rules.bad_dates(body))
        if dates:
            return Answer("format", "; ".join(dates), refused=tuple(("", why) for why in dates))
        operation: Callable[[Account, Any], Answer] = getattr(self, f"_{tag(body).removesuffix('Request')}")
        return operation(account, body)

    # --- charge points

    def _SetChargePointList(self, account: Account, body: Any) -> Answer:  # noqa: N802  (the operation's name)
        answer, taken = self._charge_points(account, body)
        if taken:
            self.charge_points = {k: v for k, v in self.charge_points.items() if v.owner not in account.ids} | taken
        return answer

    def _UpdateChargePointList(self, account: Account, body: Any) -> Answer:  # noqa: N802
        answer, taken = self._charge_points(account, body)
        self.charge_points |= taken
        return answer

    def _charge_points(self, account: Account, body: Any) -> tuple[Answer, dict[str, Kept]]:
        taken: dict[str, Kept] = {}
        refused = []
        for element in body:
            ident = text(element, "evseId")
            faults = list(rules.charge_point(element, account.ids))
            if key(ident) in taken:
                faults.append("the same EVSE twice in one request")
            if faults:
                refused.append((element, ident, "; ".join(faults)))
            else:
                taken[key(ident)] = Kept(deepcopy(element), owner(ident), self.now())
        return _partly(refused, "refusedChargePointInfo", len(body)), taken

    def _GetChargePointList(self, account: Account, body: Any) -> Answer:  # noqa: N802
        return Answer(items=_renamed(self.charge_points.values(), "chargePointInfoArray"))

    def _GetChargePointListUpdates(self, account: Account, body: Any) -> Answer:  # noqa: N802
        return Answer(items=_renamed(self._since(self.charge_points.values(), body), "chargePointInfoArray"))

    def _since(self, kept: Iterable[Kept], body: Any) -> Iterator[Kept]:
        start = rules.moment(body, "lastUpdate")
        return (k for k in kept if start is None or k.updated >= start)

    # --- live status

    def _UpdateStatus(self, account: Account, body: Any) -> Answer:  # noqa: N802
        refused: list[tuple[Any, str, str]] = []
        default = rules.moment(body, "ttl")
        wrong = [why for element in body.iterfind(f"{Q}evse") for why in rules.live_status(element)]
        if wrong:
            return Answer("format", "; ".join(wrong), refused=tuple(("", why) for why in wrong))
        for element in body.iterfind(f"{Q}evse"):
            ident = text(element, "evseId")
            known = self.charge_points.get(key(ident))
            if known is None or known.owner not in account.ids:
                refused.append((element, ident, "no charge point of this account"))
            else:
                until = _ttl(element, default)
                self.statuses[key(ident)] = Status(element.get("major"), element.get("minor"), until, self.now())
        for element in body.iterfind(f"{Q}parking"):
            self.parking[text(element, "parkingId")] = Status(element.get("status"), None, _ttl(element, default), self.now())
        return _partly(refused, "", len(body.findall(f"{Q}evse")))

    def status_of(self, ident: str) -> tuple[str, str | None]:
        """Major and minor status of an EVSE as the clearing house tells it: unknown once the ttl has passed."""
        kept = self.statuses.get(key(ident))
        if kept is None or (kept.until is not None and kept.until <= self.clock()):
            return "unknown", None
        return kept.major, kept.minor

    def _GetStatus(self, account: Account, body: Any) -> Answer:  # noqa: N802
        start = rules.moment(body, "startDateTime")
        kind = text(body, "statusType") or "evse"
        kept, name = (self.parking, "parkingId") if kind == "parking" else (self.statuses, "evseId")
        items = []
        for ident, status in kept.items():
            if start is not None and status.updated < start:
                continue
            element = etree.Element(Q + kind, nsmap={None: NS})  # type: ignore[dict-item]
            major, minor = (status.major, None) if kind == "parking" else self.status_of(ident)
            element.set("status" if kind == "parking" else "major", major)
            if minor is not None:
                element.set("minor", minor)
            if status.until is not None:
                element.set("ttl", status.until.isoformat().replace("+00:00", "Z"))
            shown = ident if kind == "parking" else text(self.charge_points[ident].element, "evseId")
            etree.SubElement(element, Q + name).text = shown
            items.append(etree.tostring(element))
        return Answer(items=tuple(items))

    # --- tokens

    def _SetRoamingAuthorisationList(self, account: Account, body: Any) -> Answer:  # noqa: N802
        answer, taken = self._authorisations(account, body)
        if taken:
            self.tokens = {k: v for k, v in self.tokens.items() if v.owner not in account.ids} | taken
        return answer

    def _UpdateRoamingAuthorisationList(self, account: Account, body: Any) -> Answer:  # noqa: N802
        answer, taken = self._authorisations(account, body)
        self.tokens |= taken
        return answer

    def _authorisations(self, account: Account, body: Any) -> tuple[Answer, dict[tuple[str, str], Kept]]:
        taken: dict[tuple[str, str], Kept] = {}
        refused = []
        for element in body:
            faults = list(rules.token(element, account.ids))
            whose = owner(text(element, "contractId"))
            if faults:
                refused.append((element, "a token", "; ".join(faults)))
            else:
                taken[whose, text(element, "EmtId/instance").upper()] = Kept(deepcopy(element), whose, self.now())
        return _partly(refused, "refusedRoamingAuthorisationInfo", len(body)), taken

    def _valid(self, kept: Kept) -> bool:
        end = rules.moment(kept.element, "expiryDate")
        return end is not None and end > self.clock()

    def _GetRoamingAuthorisationList(self, account: Account, body: Any) -> Answer:  # noqa: N802
        found = [kept for kept in self.tokens.values() if self._valid(kept)]
        if not found:
            return Answer("roaming", "roaming partners have no data")
        return Answer(items=_renamed(found, "roamingAuthorisationInfoArray"))

    def _GetRoamingAuthorisationListUpdates(self, account: Account, body: Any) -> Answer:  # noqa: N802
        # The only answer that spells its list without "Array".
        return Answer(items=_renamed(self._since(self.tokens.values(), body), "roamingAuthorisationInfo"))

    def _GetSingleRoamingAuthorisation(self, account: Account, body: Any) -> Answer:  # noqa: N802
        asked = (text(body, "emtId/instance").upper(), text(body, "emtId/tokenType"))
        for kept in self.tokens.values():
            if (text(kept.element, "EmtId/instance").upper(), text(kept.element, "EmtId/tokenType")) == asked:
                return Answer(items=_renamed((kept,), "roamingAuthorisationInfo"))
        return Answer("invalid-id", "no such token")

    # --- tariffs

    def _UpdateTariffs(self, account: Account, body: Any) -> Answer:  # noqa: N802
        refused = []
        for element in body:
            ident = text(element, "tariffId")
            if faults := list(rules.tariff(element, account.ids)):
                refused.append((element, ident, "; ".join(faults)))
            else:
                self.tariffs[key(ident)] = Kept(deepcopy(element), owner(ident), self.now())
        return _partly(refused, "refusedTariffInfo", len(body))

    def _GetTariffUpdates(self, account: Account, body: Any) -> Answer:  # noqa: N802
        items = []
        for kept in self._since(self.tariffs.values(), body):
            shown = deepcopy(kept.element)
            for one in shown.findall(f"{Q}individualTariff"):
                recipients = {r.text for r in one.findall(f"{Q}recipient")}
                if recipients and not recipients & account.ids:
                    shown.remove(one)
            if shown.find(f"{Q}individualTariff") is not None:
                items.append(_bytes(shown, "TariffInfoArray"))
        return Answer(items=tuple(items))

    # --- charge detail records

    def _AddCDRs(self, account: Account, body: Any) -> Answer:  # noqa: N802
        refused: list[tuple[str, str]] = []
        known: list[str] = []
        for element in body:
            ident = text(element, "CdrId")
            why, again = self._add_cdr(account, element)
            if why:
                refused.append((ident, why))
            elif again:
                known.append(ident)
        said = [f"{ident}: {why}" for ident, why in refused] + [f"{ident}: already known, not doubled" for ident in known]
        items = tuple(f'<implausibleCdrsArray xmlns="{NS}">{ident}</implausibleCdrsArray>'.encode() for ident, _ in refused)
        return Answer("partly" if refused else "ok", "; ".join(said), items, tuple(refused))

    def _add_cdr(self, account: Account, element: Any) -> tuple[str, bool]:
        """Why it is implausible (empty: it is not), and whether it was known."""
        status = text(element, "status/CdrStatusType")
        place = (text(element, "CdrId"), key(text(element, "evseId")))
        known = self.cdrs.get(place)
        said = rules.normal(element)
        if known is not None:
            known.received += 1
            if known.said == said:
                return "", True
            if status == "new":
                return "already known with other content", False
        faults = list(rules.cdr(element, account.ids, self.clock()))
        faults += self._about_driver(element)
        if key(text(element, "evseId")) not in self.charge_points:
            faults.append("no such charge point")
        standing = "not known" if known is None else known.status
        if standing not in MAY_BECOME.get(status, ()):
            faults.append(f"a CDR that is {standing} cannot be uploaded as {status}")
        if faults:
            return ", ".join(faults), False
        if known is not None:
            known.element, known.said, known.status = deepcopy(element), said, status
        else:
            provider = owner(text(element, "contractId"))
            self.cdrs[place] = KeptCdr(deepcopy(element), said, owner(place[0]), provider, "accepted")
        return "", False

    def _about_driver(self, element: Any) -> Iterator[str]:
        contract = text(element, "contractId")
        if not any(owner(contract) in a.ids for a in self.accounts.values() if a.role == MDM):
            yield f"no provider {owner(contract)} is connected"
            return
        kind = text(element, "emtId/tokenType")
        kept = self.tokens.get((owner(contract), text(element, "emtId/instance").upper()))
        if kind == "rfid" and kept is None:
            yield "its token is in no roaming list"
        elif kept is not None and key(text(kept.element, "contractId"))[:14] != key(contract)[:14]:
            yield "the token belongs to another contract"

    def _of_status(self, element: Any, status: str) -> bytes:
        shown = deepcopy(element)
        shown.find(f"{Q}status/{Q}CdrStatusType").text = status
        return _bytes(shown, "cdrInfoArray")

    def _GetCDRs(self, account: Account, body: Any) -> Answer:  # noqa: N802
        asked = text(body, "cdrStatus/CdrStatusType")
        wanted = {asked} if asked else {"accepted", "revised"}
        return Answer(items=tuple(self._of_status(c.element, c.status) for c in self.cdrs.values()
                                  if c.provider in account.ids and c.status in wanted))  # fmt: skip

    def _CheckCDRs(self, account: Account, body: Any) -> Answer:  # noqa: N802
        asked = text(body, "cdrStatus/CdrStatusType") or "declined"
        if asked not in ("declined", "rejected", "approved"):
            return Answer("format", f"CDRs cannot be checked for {asked}", refused=(("", f"cdrStatus {asked}"),))
        return Answer(items=tuple(self._of_status(c.element, c.status) for c in self.cdrs.values()
                                  if c.operator in account.ids and c.status == asked))  # fmt: skip

    def _ConfirmCDRs(self, account: Account, body: Any) -> Answer:  # noqa: N802
        refused = []
        for element in body:
            ident = text(element, "cdrId")
            kept = self.cdrs.get((ident, key(text(element, "evseId"))))
            if kept is None or kept.provider not in account.ids or kept.status not in ("accepted", "revised"):
                refused.append((element, ident, "no CDR that waits for this provider"))
            else:
                kept.status = tag(element)
        return _partly(refused, "", len(body))

    # --- what a person makes it do

    def put_tokens(self, provider: str, given: Iterable[dict[str, str]]) -> int:
        """Tokens of a provider, as its MDM would upload them: ``uid``, ``contract``, ``expires``, ``type``, ``printed``."""
        made = 0
        for one in given:
            whose = owner(one["contract"])
            if whose != key(provider)[:5]:
                raise ValueError(f"the contract of a token does not belong to {provider}")
            end = one.get("expires") or (self.now() + timedelta(days=365)).isoformat()
            moment = datetime.fromisoformat(end).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            element = etree.Element(f"{Q}roamingAuthorisationInfoArray", nsmap={None: NS})  # type: ignore[dict-item]
            emt = etree.SubElement(element, f"{Q}EmtId", representation="plain")
            etree.SubElement(emt, f"{Q}instance").text = one["uid"]
            etree.SubElement(emt, f"{Q}tokenType").text = one.get("type", "rfid")
            etree.SubElement(element, f"{Q}contractId").text = one["contract"]
            if one.get("printed"):
                etree.SubElement(element, f"{Q}printedNumber").text = one["printed"]
            etree.SubElement(etree.SubElement(element, f"{Q}expiryDate"), f"{Q}DateTime").text = moment
            self.tokens[whose, one["uid"].upper()] = Kept(element, whose, self.now())
            made += 1
        return made

    def revoke(self, provider: str, uids: Iterable[str]) -> int:
        """Let tokens expire now; there is no other way to take one back."""
        made = 0
        for uid in uids:
            kept = self.tokens.get((key(provider)[:5], uid.upper()))
            if kept is not None:
                end = (self.now() - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
                kept.element.find(f"{Q}expiryDate/{Q}DateTime").text = end
                kept.updated = self.now()
                made += 1
        return made

    def report(self) -> dict[str, Any]:
        """What it holds, for people and tests; no token's uid."""
        return {
            "charge_points": {text(k.element, "evseId"): text(k.element, "status/ChargePointStatusType") or None
                              for k in self.charge_points.values()},
            "statuses": {text(self.charge_points[ident].element, "evseId"): "/".join(filter(None, self.status_of(ident)))
                         for ident in self.statuses if ident in self.charge_points},
            "tariffs": sorted(text(k.element, "tariffId") for k in self.tariffs.values()),
            "tokens": len(self.tokens),
            "cdrs": [_shown(kept) for kept in self.cdrs.values()],
            "sessions": [],
        }  # fmt: skip


def _shown(kept: KeptCdr) -> dict[str, Any]:
    element = kept.element
    energy = [rules.number(p, "billingValue") or Decimal(0) for p in element.iterfind(f"{Q}chargingPeriods")
              if text(p, "billingItem/BillingItemType") == "energy"]  # fmt: skip
    return {
        "id": text(element, "CdrId"), "evse_id": text(element, "evseId"), "contract_id": text(element, "contractId"),
        "provider": kept.provider, "status": kept.status, "received": kept.received,
        "start": text(element, "startDateTime/LocalDateTime"), "end": text(element, "endDateTime/LocalDateTime"),
        "energy_kwh": str(sum(energy, Decimal(0))), "total_cost": text(element, "totalCost") or None,
        "currency": text(element, "currency"),
    }  # fmt: skip


def _ttl(element: Any, default: datetime | None) -> datetime | None:
    given = element.get("ttl")
    if given is None:
        return default
    found = datetime.fromisoformat(given)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _partly(refused: list[tuple[Any, str, str]], name: str, of: int) -> Answer:
    """The answer about several records. All of them refused for their ids: invalid-id."""
    if not refused:
        return Answer()
    everything = len(refused) == of and all("belong to" in why or "of this account" in why for _, _, why in refused)
    said = "; ".join(f"{ident}: {why}" for _, ident, why in refused)
    items = tuple(_bytes(deepcopy(element), name) for element, _, _ in refused) if name else ()
    return Answer("invalid-id" if everything else "partly", said, items, tuple((ident, why) for _, ident, why in refused))


def _bytes(element: Any, name: str) -> bytes:
    element.tag = Q + name
    element.tail = None
    made: bytes = etree.tostring(element)
    return made


def _renamed(kept: Iterable[Kept], name: str) -> tuple[bytes, ...]:
    return tuple(_bytes(deepcopy(k.element) if k.element.tag != Q + name else k.element, name) for k in kept)


def load(content: str) -> World:
    """A world from JSON: ``{"accounts": [{"user", "password", "role", "ids": [...], "tokens": [{"uid", "contract"}]}]}``.

    Raises ValueError with what is wrong.
    """
    given = json.loads(content)
    accounts: dict[str, Account] = {}
    for one in given.get("accounts", ()):
        missing = {"user", "password", "role", "ids"} - set(one)
        if missing or one["role"] not in (CMS, MDM, NSP):
            raise ValueError(f"account {one.get('user')!r}: {'missing ' + ', '.join(sorted(missing)) if missing else 'role'}")
        accounts[one["user"]] = Account(one["user"], one["password"], one["role"], frozenset(key(i)[:5] for i in one["ids"]))
    world = World(accounts)
    for one in given.get("accounts", ()):
        for whose in one["ids"]:
            mine = [t for t in one.get("tokens", ()) if owner(t["contract"]) == key(whose)[:5]]
            world.put_tokens(whose, mine)
    return world
