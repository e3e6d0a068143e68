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


_REQUESTS = "it is about requests, and the partner's own are not seen"
_WRITES = "only a write would show it"
_READING = "it is about how the partner reads our lists"
_FAILURES = "it is about the partner's reaction to our failures"
_PRICES = "prices have to be computed: evbridge price does"
_HUB = "only a hub with other parties behind it would show it"

NOT_JUDGED: dict[str, tuple[str, str]] = {
    "1": ("Every request carries Authorization: Token, one blank, the token", _REQUESTS),
    "7": ("Requests with a body are application/json", _REQUESTS),
    "13": ("A new object is answered with HTTP 201, an updated one with 200", _WRITES),
    "19": ("The good objects of a list are taken, though others are broken", _READING),
    "24": ("All pages together are the new truth", _READING),
    "25": ("A list that shrinks meanwhile is read again from further ahead", _READING),
    "26": ("PUT has all mandatory fields; optional ones that are left out are reset", _WRITES),
    "27": ("PATCH has last_updated and what changes, nothing else", _WRITES),
    "28": ("After a PATCH that failed, the object is fetched, and put if it is not there", _FAILURES),
    "29": ("PATCH takes nothing away", _WRITES),
    "30": ("What could not be sent is not queued, but fetched later", _FAILURES),
    "34": ("Owners in the URL are those of the object", _WRITES),
    "40": ("Plug & Charge is announced only where a driver can use it", "only a driver at the charger would see it"),
    "42": ("start_date_time is set anew when a session becomes ACTIVE", "it needs a session that is watched from its begin"),
    "43": ("PUT replaces charging periods, PATCH appends them", _WRITES),
    "44": ("A session carries the last authorization_reference that was given", "it needs a session that we authorised"),
    "46": ("Charging preferences are answered, or refused where an EVSE has none", _WRITES),
    "49": ("A CDR that was posted is found at the URL in Location", _WRITES),
    "51": ("step_size counts once per session", _PRICES),
    "55": ("Times that are not known are told by agreement only", "it is an agreement between two parties"),
    "56": ("Per dimension the first tariff element that fits is active", _PRICES),
    "59": ("Free of charge is one FLAT of 0", "whether a charge is meant to be free is not told"),
    "61": ("A text beside tariff elements adds to them", "whether a text repeats a price is for a reader to say"),
    "62": ("tax_included says whether prices hold the tax", "prices look alike either way; that the field is there is judged by 18"),
    "63": ("Only tariffs that are not used are deleted", _WRITES),
    "66": ("The whitelist type of a token says whether it is asked about", "it is about the partner's own requests for authorisation"),
    "69": ("A token in a command is taken as it is", "it needs a driver, a charger and a command"),
    "70": ("A reservation's id does not reach the charger", "it needs a charger's side of a reservation"),
    "71": ("A connector is named where the EVSE demands it", "it needs a command that takes effect"),
    "72": ("A reservation that is cancelled is told at its response_url", "it needs a reservation"),
    "73": ("Charging profiles are answered at once and by a result", "it needs a running session"),
    "74": ("Changes of an active charging profile are pushed", "it needs a running session"),
    "75": ("Registration: POST, PUT, DELETE, and their 405", "only registering would show it; the probe never does"),
    "76": ("Registration: 3001, 3002, 3003", "only registering would show it; the probe never does"),
    "80": ("A hub broadcasts pushes that are addressed to itself", "only a write to a hub would show it"),
    "81": ("A hub routes requests without a receiver", _HUB),
    "82": ("A hub changes neither last_updated nor error codes", _HUB),
    "84": (
        "Parties that are not connected get no requests",
        "it is about the partner's own requests; the list of its clients is judged as a list",
    ),
    "86": ("Records of invoice reconciliation are corrected by PUT", "it needs an invoice"),
    "87": ("Payments keep their authorization_reference", "it needs a payment"),
    "88": ("Bookings are changed under the same request_id", "it needs a booking"),
}
"""What cannot be judged from outside: what is demanded, and why not."""
