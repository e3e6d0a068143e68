"""What a rule is: number, title, versions, severity, and a function that judges one kind of subject.

A judge yields a :class:`Fault` for each deviation, nothing where the rule holds, and raises :class:`Untold` where what was
seen does not tell. Its docstring says how it judges, for the reader of the report. Numbers are those of the checklist in
``docs/probe.md``; a letter tells several rules of one number apart. ``a`` are the tables of modules, ``d`` what the field
trips over without a rule being broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar

from attrs import frozen

from bridge.probe.exchange import Exchange

V211, V221, V230 = "2.1.1", "2.2.1", "2.3.0"
ALL = frozenset({V211, V221, V230})
SINCE_22 = frozenset({V221, V230})
ONLY_211 = frozenset({V211})
ONLY_221 = frozenset({V221})
ONLY_230 = frozenset({V230})


class Severity(StrEnum):
    """How much a deviation weighs: a MUST or SHALL, a SHOULD or what others stumble over, or worth to know."""

    VIOLATION = "violation"
    WARNING = "warning"
    NOTE = "note"


class Untold(Exception):
    """What was seen does not tell whether the rule holds."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


@frozen
class Fault:
    """One deviation. ``because`` names no value, ``found`` what may be shown; ``path`` is in the answer's JSON or a header."""

    because: str
    path: str = ""
    found: str = ""
    severity: Severity | None = None
    """Where it weighs less than the rule in general."""
    exchange: Exchange | None = None
    """Where it was seen, if not in the subject's own exchange."""


@frozen
class Rule:
    """One rule: what is demanded, of which versions, and how it is judged."""

    ident: str
    title: str
    how: str
    severity: Severity
    versions: frozenset[str]
    on: type
    kind: str
    judge: Callable[[Any], Iterable[Fault]]

    @property
    def number(self) -> str:
        """The number in the checklist, without the letter."""
        return number_of(self.ident)


def number_of(ident: str) -> str:
    """The number in the checklist, without the letter: ``21`` of ``21b``."""
    match = re.match(r"\d+", ident)
    return match[0] if match else ident


def in_order(ident: str) -> tuple[int, int, str]:
    """To sort: the tables, the checklist, the rest."""
    if ident[0].isdigit():
        return 1, int(number_of(ident)), ident
    return (0 if ident[0] == "a" else 2), 0, ident


RULES: dict[str, Rule] = {}
"""Every rule that is judged, by its identifier; complete once :mod:`bridge.probe.book` is imported."""

_Judge = TypeVar("_Judge", bound=Callable[[Any], Iterable[Fault]])


def rule(ident: str, title: str, *, on: type, kind: str = "", severity: Severity = Severity.VIOLATION,
         versions: frozenset[str] = ALL) -> Callable[[_Judge], _Judge]:  # fmt: skip
    """Declares a rule about subjects of class ``on`` (and of one ``kind``, if several are made of it)."""

    def declare(judge: _Judge) -> _Judge:
        if ident in RULES:
            raise ValueError(f"rule {ident} is declared twice")
        how = " ".join((judge.__doc__ or "").split())
        if not how:
            raise ValueError(f"rule {ident} does not say how it is judged")
        RULES[ident] = Rule(ident, title, how, severity, versions, on, kind, judge)
        return judge

    return declare


NOT_JUDGED: dict[str, str] = {
    "1": "it is about requests, and the partner's own are not seen",
    "7": "it is about requests, and the partner's own are not seen",
    "13": "only a write would show it",
    "19": "it is about how the partner reads our lists",
    "24": "it is about how the partner reads our lists",
    "25": "it is about how the partner reads our lists",
    "26": "only a write would show it",
    "27": "only a write would show it",
    "28": "it is about the partner's reaction to our failures",
    "29": "only a write would show it",
    "30": "it is about the partner's reaction to our failures",
    "34": "only a write would show it",
    "40": "only a driver at the charger would see it",
    "42": "it needs a session that is watched from its begin",
    "43": "only a write, or the partner's own, would show it",
    "44": "it needs a session that we authorised",
    "46": "only a write would show it",
    "49": "only a write would show it",
    "51": "it needs the tariff's prices computed: evbridge price does",
    "55": "it is an agreement between two parties",
    "56": "it needs the tariff's prices computed: evbridge price does",
    "59": "whether a charge is meant to be free is not told",
    "61": "whether a text repeats a price is for a reader to say",
    "62": "prices with and without tax look alike; that tax_included is there is judged by 18",
    "63": "only a write would show it",
    "66": "it is about the partner's own requests for authorisation",
    "69": "it needs a driver, a charger and a command",
    "70": "it needs a charger's side of a reservation",
    "71": "it needs a command that takes effect",
    "72": "it needs a reservation",
    "73": "it needs a running session",
    "74": "it needs a running session",
    "75": "only registering would show it; the probe never does",
    "76": "only registering would show it; the probe never does",
    "80": "only a write to a hub would show it",
    "81": "only a hub with other parties behind it would show it",
    "82": "only a hub with other parties behind it would show it",
    "84": "it is about what the partner does when others are silent; the list of its clients is judged as a list",
    "86": "the records are read as a list; what they correct is not told",
    "87": "it needs a payment",
    "88": "it needs a booking",
}  # fmt: skip
"""What cannot be judged from outside, and why."""
