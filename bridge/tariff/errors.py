"""What pricing refuses to do, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import DecimalException
from enum import StrEnum

from attrs import frozen


class PricingError(ValueError):
    """Input that cannot be priced. ``path`` is in the canonical model's names (``periods[2].start``)."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class NoTariffError(PricingError):
    """No tariff applies to any part of the session: none was given, or none is valid at its time."""


@contextmanager
def refusing(path: str = "periods") -> Iterator[None]:
    """Turn figures that exact arithmetic cannot hold into a PricingError at ``path``."""
    try:
        yield
    except (DecimalException, OverflowError):
        raise PricingError(path, "the figures are too large or too fine to be added up") from None


class Severity(StrEnum):
    """How bad a finding is: ERROR makes the figures wrong, WARNING makes them doubtful, INFO is to be known."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"


@frozen
class Finding:
    """Something wrong or doubtful. ``code`` is stable; ``path`` is in the canonical model's names."""

    code: str
    message: str
    path: str
    severity: Severity = Severity.ERROR
