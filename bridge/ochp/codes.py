"""What a clearing house's result codes mean for a request: try again, or never again (OCHP 1.4, ResultCodeType)."""

from __future__ import annotations

import re

from bridge.errors import Declined, PartnerError, Unreachable
from bridge.ochp.wire import ResultCode
from bridge.roaming.ports import Rejected, Retry

RETRY: dict[ResultCode, bool] = {
    ResultCode.NOT_AUTHORIZED: False,
    ResultCode.ROAMING: False,
    ResultCode.SERVER: True,
}
"""Codes after which the same request is tried again, and whether this one may have been taken.

``not-authorized`` is a wrong user name or password and ``roaming`` a connection that is not set up: both speak of the
account, so a CDR waits for the operator instead of being given up.
"""
REJECT = frozenset({ResultCode.FORMAT, ResultCode.INVALID_ID})
"""Codes that refuse the records: the same bytes would be refused again."""
TAKEN = frozenset({ResultCode.OK, ResultCode.PARTLY})
"""Codes of a request that was worked through; ``partly`` with a list of what was refused."""


def of_request(code: ResultCode, text: str) -> Retry | Rejected | None:
    """What the code says about the request as a whole; None if it was worked through."""
    if code in TAKEN:
        return None
    if code in RETRY:
        return Retry(said(code, text), sent=RETRY[code])
    return Rejected(said(code, text), code.value)


def as_error(code: ResultCode, text: str) -> PartnerError | None:
    """The same as an error, for what is not a delivery."""
    verdict = of_request(code, text)
    if isinstance(verdict, Retry):
        return Unreachable(verdict.because, verdict.after, sent=verdict.sent)
    return None if verdict is None else Declined(verdict.because, verdict.code)


def said(code: ResultCode, text: str) -> str:
    """Code and description for a person, in one line."""
    return f"{code.value}: {' '.join(text.split())[:500]}" if text.strip() else code.value


_KNOWN = re.compile(r"\b(already|duplicates?|duplicated|known|exists?|existing|twice|bereits|doppelt|vorhanden)\b", re.IGNORECASE)
_UNKNOWN = re.compile(r"\b(unknown|not\s+(yet\s+)?known|(does|do)\s+not\s+exist|not\s+exist(ing)?|nicht\s+vorhanden)\b", re.IGNORECASE)
_CONTRARY = re.compile(r"\b(other|different|differs?|differing|deviat\w+|changed|conflict\w*|abweichend\w*)\b", re.IGNORECASE)


def mentions_known(text: str) -> bool:
    """Whether a description speaks of records that are there already."""
    return _KNOWN.search(_UNKNOWN.sub("", text)) is not None


def says_known(text: str, ident: str, *, alone: bool) -> bool:
    """Whether a description says that the record ``ident`` is there already.

    It has to name the record, unless the record was ``alone`` in question. "Already there with other content" is not a
    duplicate but a contradiction, which a person has to settle.
    """
    for part in re.split(r"[;\n]|\.\s", text):
        named = re.search(rf"(?<![0-9A-Za-z]){re.escape(ident)}(?![0-9A-Za-z])", part) is not None
        if not named and not alone:
            continue
        if _KNOWN.search(_UNKNOWN.sub("", part)) and not _CONTRARY.search(part):
            return True
    return False
