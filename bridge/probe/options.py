"""What the probe is told: where, as whom, and how much it may ask. What it can be told to leave out."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from bridge.ocpi import version

Side = Literal["cpo", "emsp"]
Spelling = Literal["auto", "base64", "raw"]

SCENARIOS = ("access", "lists", "objects", "methods", "write")
"""What is tried besides versions, details and credentials, in order; ``write`` only when it is allowed."""

VERSIONS = tuple(one.number for one in version.VERSIONS)
"""The versions that are known, the highest first."""


@frozen
class Options:
    """One probe. Times in seconds; ``days`` is how far back sessions and CDRs are read."""

    versions_url: str
    token: str = field(repr=False)
    side: Side | None = None
    """What the partner is; None: as its endpoints say."""
    versions: tuple[str, ...] = ()
    """Which versions, each of which it must have; none: the highest that the token opens."""
    every: bool = False
    """``versions`` as far as the partner has them."""
    spelling: Spelling = "auto"
    party: tuple[str, str] | None = None
    """Our country and party, for the routing headers and for objects that would be ours."""
    to: tuple[str, str] | None = None
    """The party behind a hub or platform that is meant; None: the first of the partner's roles."""
    token_a: bool = False
    """The token is a CREDENTIALS_TOKEN_A: nothing but versions and credentials may open."""
    write: bool = False
    skip: frozenset[str] = frozenset()
    limit: int = 10
    pages: int = 5
    objects: int = 3
    """How many locations are fetched alone."""
    days: int = 30
    requests: int = 250
    pause: float = 0.1
    timeout: float = 15.0


class Unusable(Exception):
    """There is nothing to probe: no answer, no entry, no version that is known."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because
