"""The book of one version: which rules were judged how often, where they hold, what departs from them, what is not told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from bridge.probe import access, answers, connection, lists, objects, together, trials
from bridge.probe.exchange import Exchange
from bridge.probe.look import Thing
from bridge.probe.rules import NOT_JUDGED, RULES, Fault, Rule, Severity, Untold, in_order

_DECLARED = (access, answers, connection, lists, objects, together, trials)
EXAMPLES = 3
"""How many places a finding names; the others are counted."""


class Verdict(StrEnum):
    """What became of a rule."""

    HOLDS = "holds"
    DEVIATES = "deviates"
    UNTOLD = "cannot be told"


@frozen
class Evidence:
    """Where something was seen: request line (no token, no host of the partner's own), outcome, path in the answer."""

    request: str
    outcome: str
    path: str
    found: str


@define
class Finding:
    """One deviation, wherever it was seen: the same words at the same field count as one."""

    rule: Rule
    severity: Severity
    because: str
    path: str
    """In the answer's JSON, with lists as ``[]``."""
    count: int = 0
    evidence: list[Evidence] = field(factory=list)


@frozen
class Outcome:
    """A rule's verdict; ``seen`` is how often it was judged, ``because`` why it cannot be told."""

    rule: Rule
    verdict: Verdict
    seen: int
    because: str = ""


@define
class Book:
    """What was judged in one version."""

    version: str
    _seen: Counter[str] = field(factory=Counter, init=False)
    _untold: dict[str, str] = field(factory=dict, init=False)
    _found: dict[tuple[str, ...], Finding] = field(factory=dict, init=False)

    def judge(self, subject: Any) -> None:
        """Judge one subject by every rule about its kind."""
        for rule in _about(type(subject), getattr(subject, "kind", "")):
            if self.version in rule.versions:
                self._judged(rule, subject)

    def _judged(self, rule: Rule, subject: Any) -> None:
        try:
            faults = list(rule.judge(subject))
        except Untold as why:
            self._untold.setdefault(rule.ident, why.because)
            return
        self._seen[rule.ident] += 1
        for fault in faults:
            self._take(rule, fault, subject)

    def _take(self, rule: Rule, fault: Fault, subject: Any) -> None:
        path = f"{subject.path}.{fault.path}".rstrip(".") if isinstance(subject, Thing) else fault.path
        form = re.sub(r"\[\d+\]", "[]", path)
        severity = fault.severity or rule.severity
        key = (rule.ident, severity, fault.because, form)
        finding = self._found.setdefault(key, Finding(rule, severity, fault.because, form))
        finding.count += 1
        if len(finding.evidence) < EXAMPLES:
            exchange: Exchange = fault.exchange or subject.exchange
            finding.evidence.append(Evidence(exchange.line, exchange.told, path, fault.found))

    @property
    def findings(self) -> list[Finding]:
        """What deviates: the gravest first, then by rule."""
        weights = list(Severity)
        return sorted(self._found.values(), key=lambda one: (weights.index(one.severity), in_order(one.rule.ident), one.path))

    def outcomes(self) -> Iterator[Outcome]:
        """Every rule of the version, in order."""
        deviating = {one.rule.ident for one in self._found.values()}
        for ident in sorted(RULES, key=in_order):
            rule, seen = RULES[ident], self._seen[ident]
            if self.version not in rule.versions:
                continue
            if ident in deviating:
                yield Outcome(rule, Verdict.DEVIATES, seen)
            elif seen:
                yield Outcome(rule, Verdict.HOLDS, seen)
            else:
                yield Outcome(rule, Verdict.UNTOLD, 0, self._untold.get(ident, "nothing was seen that it is about"))


def _about(of: type, kind: str) -> list[Rule]:
    return [rule for rule in RULES.values() if rule.on is of and rule.kind in ("", kind)]


def catalogue() -> list[tuple[str, str, str, str]]:
    """Every number of the checklist, for people: rule, what is demanded, severity and versions, how it is judged or why not."""
    every = frozenset().union(*(rule.versions for rule in RULES.values()))
    rows = []
    for ident in sorted({*RULES, *NOT_JUDGED}, key=in_order):
        if ident in NOT_JUDGED:
            title, because = NOT_JUDGED[ident]
            rows.append((ident, title, "not judged", because))
        else:
            rule = RULES[ident]
            versions = "" if rule.versions == every else ", " + " ".join(sorted(rule.versions))
            rows.append((ident, rule.title, rule.severity.value + versions, rule.how))
    return rows
