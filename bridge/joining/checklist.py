"""The steps that joining a partner takes, by kind of partner: printed by ``evbridge partner checklist``, shown in ``docs/partners``.

``STEPS`` is the only place where they stand; the tables of the documentation are made from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from bridge.joining import checks
from bridge.joining.checks import Finding, Look, State
from bridge.joining.facts import Facts, PartnerKind


class Phase(StrEnum):
    """When a step is due."""

    AGREE = "Agree"
    CONFIGURE = "Configure"
    CONNECT = "Connect"
    TEST = "Test"
    LIVE = "Before going live"


OCPI = frozenset({PartnerKind.PEER, PartnerKind.HUB})
HUBS = frozenset({PartnerKind.HUB, PartnerKind.HUBJECT, PartnerKind.HOUSE})
ALL = frozenset(PartnerKind)


@frozen
class Step:
    """One step: ``what`` is then true, ``how`` to get there. Without ``look`` only a person can say."""

    key: str
    phase: Phase
    what: str
    how: str
    kinds: frozenset[PartnerKind] = ALL
    look: Look | None = None


STEPS = (
    Step("contract", Phase.AGREE, "The contract says what is shown, what it costs, who bears which risk",
         "operators, groups of locations, tariffs, deadline of CDRs, what offline acceptance costs whom"),
    Step("providers", Phase.AGREE, "It is known which providers are behind the hub, and which of them have a contract with us",
         "per provider in most hubs; without one its drivers are refused", HUBS),
    Step("data", Phase.AGREE, "It is known what the hub demands beyond the specification",
         "its own guide: names, capabilities, EVSE-IDs, what it does not implement", frozenset({PartnerKind.HUB})),
    Step("people", Phase.AGREE, "Both sides know whom to call",
         "about an uncertain CDR, a flood of refusals, an incident; and where its incidents are announced"),
    Step("our-url", Phase.CONFIGURE, "The partner reaches us by TLS, at an address that does not change",
         "`url`; its proxy passes `/ocpi`, or `/api/oicp`, to `listen`", OCPI | {PartnerKind.HUBJECT}, checks.our_url),
    Step("their-url", Phase.CONFIGURE, "We reach the partner by TLS",
         "`url` of the partner; test and production are two partners here", ALL, checks.their_url),
    Step("certificate", Phase.CONFIGURE, "The client certificate and its key can be read",
         "`certificate`, `key`; somebody renews them in time", frozenset({PartnerKind.HUBJECT}), checks.certificate),
    Step("account", Phase.CONFIGURE, "The account's user and password can be read", "`user`, `password`",
         frozenset({PartnerKind.HOUSE}), checks.password),
    Step("agreement", Phase.CONFIGURE, "An agreement is valid", "`[[agreements]]`: operator, kinds, groups, validity", ALL,
         checks.agreement),
    Step("party", Phase.CONFIGURE, "The partner's own party is configured", "`provider_party`, so that it cannot speak for others",
         frozenset({PartnerKind.PEER}), checks.party),
    Step("tariff", Phase.CONFIGURE, "Every agreement names its tariff, and it is imported",
         "`tariffs` of the agreement, `evbridge tariffs import`", ALL, checks.tariffs),
    Step("evse-ids", Phase.CONFIGURE, "EVSE-IDs are valid and begin with the operator's party", "`evbridge locations import`", ALL,
         checks.evse_ids),
    Step("time-zone", Phase.CONFIGURE, "Every place has its time zone", "in the locations, or `time_zone` of the partner's constants",
         ALL, checks.time_zones),
    Step("bound", Phase.CONFIGURE, "Every EVSE is a connector of a charger", "`[chargers.*]`: without it there is no status", ALL,
         checks.bound),
    Step("admin", Phase.CONFIGURE, "The bridge can be told to register while it runs", "`admin_token`", OCPI, checks.admin),
    Step("registered", Phase.CONNECT, "Tokens are exchanged and a version is agreed",
         "`evbridge partner add NAME`, with `--token` and `--url` if the partner gave us a token", OCPI, checks.registered),
    Step("called", Phase.CONNECT, "The partner has called us with its token", "it reads our locations, or sends a token", OCPI,
         checks.called),
    Step("endpoints", Phase.CONNECT, "It offers what the agreement is about",
         "ask for the missing modules, or take their kinds out of the agreement", OCPI, checks.endpoints),
    Step("locations", Phase.CONNECT, "Every EVSE that it may see is among what it gets",
         "`evbridge partner show NAME --evse ID` says why one is not", ALL, checks.locations),
    Step("hub-data", Phase.CONNECT, "Locations name operator and owner, EVSEs their capabilities, connectors a tariff",
         "in the imported locations: hubs refuse or hide those without", frozenset({PartnerKind.HUB}), checks.hub_data),
    Step("locations-taken", Phase.CONNECT, "It has taken the locations", "`evbridge outbox list`", ALL, checks.delivered("location")),
    Step("tariffs-taken", Phase.CONNECT, "It has taken the tariffs", "`evbridge outbox list`", ALL, checks.delivered("tariff")),
    Step("status-taken", Phase.CONNECT, "It has taken the live status", "`evbridge outbox list`", ALL, checks.delivered("status")),
    Step("tokens", Phase.CONNECT, "The token list was pulled", "by itself once connected; a list that revokes too much is held",
         OCPI | {PartnerKind.HOUSE}, checks.tokens),
    Step("shown", Phase.TEST, "Its app shows place, live status and price of a test EVSE",
         "plug in: within seconds it is occupied there"),
    Step("allowed", Phase.TEST, "A driver's card is allowed in real time", "a card that is in no list, at a test charger", ALL,
         checks.allowed),
    Step("blocked", Phase.TEST, "A blocked card is refused", "`evbridge why` says by whom", ALL, checks.blocked),
    Step("remote", Phase.TEST, "A remote start and stop works", "from its app; the answer comes within its time limit",
         OCPI | {PartnerKind.HUBJECT}),
    Step("cdr", Phase.TEST, "A test CDR is acknowledged", "charge, stop, wait: `evbridge why --session ID`", ALL, checks.acknowledged),
    Step("price", Phase.TEST, "The CDR's energy, times and total are what the partner computes",
         "to the cent, net and with VAT, `step_size` included; where the protocol carries no price, its invoice"),
    Step("outage", Phase.TEST, "It was away for an hour, and got everything once afterwards", "its test system off, a session meanwhile"),
    Step("dead", Phase.LIVE, "It has refused nothing", "`evbridge outbox list --dead`: find the reason, settle it, `replay`", ALL,
         checks.no_dead),
    Step("doubt", Phase.LIVE, "No CDR is uncertain or refused", "`evbridge why --reference ID`", ALL, checks.no_doubt),
    Step("deadline", Phase.LIVE, "CDRs are within their deadline, and the alarm is heard",
         "`cdr_deadline_hours`; `/admin/status` and `evbridge check` tell what is late", ALL, checks.in_time),
    Step("test-gone", Phase.LIVE, "The test agreement is gone, and test CDRs are in no invoice", "`test = true` ends", ALL,
         checks.no_test),
)  # fmt: skip


@frozen
class Item:
    """A step with what was seen about it."""

    step: Step
    finding: Finding


def checklist(facts: Facts) -> list[Item]:
    """The steps for a partner that apply to it, each with what is seen of it now."""
    items = []
    for step in of(facts.kind):
        finding = Finding(State.YOURS) if step.look is None else step.look(facts)
        if finding is not None:
            items.append(Item(step, finding))
    return items


def of(kind: PartnerKind) -> Iterator[Step]:
    """The steps for a kind of partner, in order."""
    return (step for step in STEPS if kind in step.kinds)


_MARKS = {State.DONE: "x", State.OPEN: " ", State.WRONG: "!", State.YOURS: "?"}


def lines(items: list[Item]) -> Iterator[str]:
    """The checklist as text: ``[x]`` done, ``[ ]`` open, ``[!]`` wrong, ``[?]`` only you can say."""
    phase = None
    for item in items:
        if item.step.phase is not phase:
            phase = item.step.phase
            yield f"{phase}:"
        told = f": {item.finding.told}" if item.finding.told else ""
        yield f"  [{_MARKS[item.finding.state]}] {item.step.what}{told}"
        if item.finding.state is not State.DONE:
            yield f"      {item.step.how}"


def table(kind: PartnerKind) -> str:
    """The steps for a kind of partner as a table for the documentation."""
    made = ["| When | What is then true | How | Seen by |", "|---|---|---|---|"]
    made += [f"| {step.phase} | {step.what} | {step.how} | {'you' if step.look is None else 'the bridge'} |" for step in of(kind)]
    return "\n".join(made)
