"""What the probe found, as JSON. No token and no driver's card is in it."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from bridge.probe.book import Finding, Verdict
from bridge.probe.rules import NOT_JUDGED, Severity
from bridge.probe.session import Module, Session


@frozen
class VersionReport:
    """What was found in one version."""

    version: str
    url: str
    session: Session
    spelling: str
    """How the token was sent: ``base64`` or ``raw``."""

    @property
    def findings(self) -> list[Finding]:
        """What deviates, the gravest first."""
        return self.session.book.findings


@define
class Report:
    """What was found at one partner."""

    versions_url: str
    at: datetime
    versions: list[str]
    probed: list[VersionReport] = field(factory=list)
    ended: str = ""
    """Why the probe ended early; empty if it did not."""
    requests: int = 0
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def opened(self) -> bool:
        """Whether the token opened anything beyond versions."""
        return any(one.session.opened for one in self.probed)

    def count(self, severity: Severity) -> int:
        """How many findings weigh so much."""
        return sum(finding.severity is severity for one in self.probed for finding in one.findings)

    def masked(self, told: str) -> str:
        """A text without what no report may show."""
        if not self.secrets:
            return told
        words = sorted({*self.secrets, *(base64.b64encode(one.encode()).decode() for one in self.secrets)}, key=len, reverse=True)
        return re.sub("|".join(re.escape(word) for word in words), "***", told)

    def as_json(self) -> dict[str, Any]:
        """The report for machines."""
        return {
            "versions_url": self.versions_url,
            "at": self.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "versions": self.versions,
            "violations": self.count(Severity.VIOLATION),
            "warnings": self.count(Severity.WARNING),
            "notes": self.count(Severity.NOTE),
            "opened": self.opened,
            "requests": self.requests,
            "ended_early": self.ended or None,
            "probed": [self._version(one) for one in self.probed],
            "not_judged": [{"rule": ident, "title": title, "because": why} for ident, (title, why) in NOT_JUDGED.items()],
        }

    def _version(self, one: VersionReport) -> dict[str, Any]:
        session = one.session
        return {
            "version": one.version,
            "url": one.url,
            "token_spelling": one.spelling,
            "parties": [{"role": p.role, "country_code": p.country_code, "party_id": p.party_id} for p in session.parties],
            "modules": [self._module(one) for one in session.modules],
            "findings": [self._finding(finding) for finding in one.findings],
            "rules": [
                {"rule": o.rule.ident, "title": o.rule.title, "how": o.rule.how, "verdict": o.verdict.value, "judged": o.seen,
                 "because": o.because if o.verdict is Verdict.UNTOLD else None}
                for o in session.book.outcomes()
            ],
            "problems": [self.masked(told) for told in session.problems],
        }  # fmt: skip

    def _module(self, one: Module) -> dict[str, Any]:
        return {
            "identifier": one.identifier,
            "role": one.role or None,
            "url": self.masked(one.url),
            "asked": one.asked,
            "answer": one.outcome or None,
            "objects": one.objects,
        }

    def _finding(self, finding: Finding) -> dict[str, Any]:
        return {
            "rule": finding.rule.ident,
            "number": finding.rule.number,
            "title": finding.rule.title,
            "severity": finding.severity.value,
            "field": self.masked(finding.path),
            "because": finding.because,
            "count": finding.count,
            "evidence": [
                {"request": self.masked(e.request), "answer": e.outcome, "path": self.masked(e.path), "found": self.masked(e.found)}
                for e in finding.evidence
            ],
        }
