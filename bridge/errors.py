"""The bridge's errors.

::

    BridgeError
      ReadError      a record that cannot be read: path and reason (reject)
      Refused        a record that the other protocol cannot hold, or the partner's policy refuses (reject)
      ConfigError    the operator has to change something: key and reason (operator)
      PartnerError   what a partner did
        Unreachable  no answer, or an answer that promises nothing (retry)
        Declined     a definite no (reject)
"""

from __future__ import annotations

from typing import Any


class BridgeError(Exception):
    """Root of the bridge's own errors. ``remedy`` says what to do: ``retry``, ``reject`` or ``operator``."""

    remedy = "reject"


class ReadError(BridgeError):
    """A value that cannot be read. ``path`` is in the field names of the protocol it came in."""

    def __init__(self, path: str, because: str, value: Any = None) -> None:
        super().__init__(f"{path or '$'}: {because}")
        self.path = path
        self.because = because
        self.value = value


class Refused(BridgeError):
    """An object that cannot be translated. ``path`` is in the source's vocabulary, ``key`` a setting that would help."""

    def __init__(self, path: str, because: str, value: Any = None, key: str | None = None) -> None:
        super().__init__(f"{path or '$'}: {because}")
        self.path = path
        self.because = because
        self.value = value
        self.key = key


class ConfigError(BridgeError):
    """Something the operator configured is wrong or missing; ``key`` names it."""

    remedy = "operator"

    def __init__(self, key: str, because: str) -> None:
        super().__init__(f"{key}: {because}")
        self.key = key
        self.because = because


class PartnerError(BridgeError):
    """What a partner answered, or failed to answer."""


class Unreachable(PartnerError):
    """The partner gave no answer, or one that promises nothing. ``after`` is its Retry-After in seconds."""

    remedy = "retry"

    def __init__(self, because: str, after: float | None = None, *, sent: bool = False, status: int | None = None) -> None:
        super().__init__(because)
        self.because = because
        self.after = after
        self.sent = sent
        """Whether the request may have been taken: then the outcome is uncertain."""
        self.status = status
        """The HTTP status of an answer that promises nothing; None: there was no answer, or none that can be read."""


class Declined(PartnerError):
    """The partner's definite no, with its own code where it gave one."""

    def __init__(self, because: str, code: str | None = None) -> None:
        super().__init__(because)
        self.because = because
        self.code = code
