"""What a registration leaves behind, and where it is kept (credentials)."""

from __future__ import annotations

from typing import Protocol

import msgspec
from attrs import field, frozen


@frozen
class PartnerEndpoint:
    """Where a partner offers a module. ``role`` is empty where the partner did not tell it."""

    identifier: str
    role: str
    url: str


@frozen
class PartnerRole:
    """A party that a partner speaks for, in capitals."""

    role: str
    country_code: str
    party_id: str
    name: str = ""


@frozen
class PartnerCredentials:
    """All that a registration leaves behind. It holds secrets: store it as such, never log it.

    ``theirs``: the token we send. ``ours``: the token the partner sends. ``offered``: one that we told the partner
    without knowing whether it took it. ``previous``: tokens that stay good until ``ours`` is ``confirmed`` by use.
    ``spent``: fingerprint of the CREDENTIALS_TOKEN_A that this partner has used up. ``invited``: the one that we made for it
    to register here, good until its registration is confirmed. ``given`` and ``given_url``: the one that it gave us, and
    where, until we are registered. ``ended``: somebody ended the registration, so nothing is tried until somebody begins anew.
    ``raw``: it wants its token not in Base64. ``version``: what was agreed upon. ``hub``: the hub's party, where the partner
    is one (2.3.0, hub_party_id). ``no_patch``: it does not know the method PATCH.
    """

    theirs: str | None = field(default=None, repr=False)
    ours: str | None = field(default=None, repr=False)
    offered: str | None = field(default=None, repr=False)
    previous: tuple[str, ...] = field(default=(), repr=False)
    confirmed: bool = False
    spent: str | None = None
    invited: str | None = field(default=None, repr=False)
    given: str | None = field(default=None, repr=False)
    given_url: str | None = None
    ended: bool = False
    versions_url: str | None = None
    version: str | None = None
    credentials_url: str | None = None
    raw: bool | None = None
    hub: str | None = None
    no_patch: bool = False
    endpoints: tuple[PartnerEndpoint, ...] = ()
    roles: tuple[PartnerRole, ...] = ()

    @property
    def registered(self) -> bool:
        """Whether both sides have a token."""
        return self.theirs is not None and self.ours is not None

    def to_json(self) -> bytes:
        """For the store."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> PartnerCredentials:
        """From the store. Raises ValueError."""
        return msgspec.json.decode(data, type=cls)


class CredentialStore(Protocol):
    """Where credentials are kept. Both are durable when they return."""

    async def load(self, partner: str) -> PartnerCredentials | None:
        """What was saved for a partner."""
        ...

    async def save(self, partner: str, credentials: PartnerCredentials) -> None:
        """Keep it, instead of what was there."""
        ...


class MemoryStore:
    """A CredentialStore that forgets: for tests and simulators."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def load(self, partner: str) -> PartnerCredentials | None:
        """What was saved for a partner."""
        data = self.kept.get(partner)
        return None if data is None else PartnerCredentials.from_json(data)

    async def save(self, partner: str, credentials: PartnerCredentials) -> None:
        """Keep it until the process ends."""
        self.kept[partner] = credentials.to_json()
