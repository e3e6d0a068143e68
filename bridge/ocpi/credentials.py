"""Registration with a partner, in both directions (credentials, version_information_endpoint).

Three tokens: A is given offline and is good for versions and credentials only; B is what the side that registers gives
the other; C is what it gets back. So we hold for each partner the token that we send and the one that it sends. A new
token of ours is stored before it is told, and the old one stays good until the new one is first used: whatever gets
lost on the way, both sides can still talk.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Protocol

import msgspec
from attrs import evolve, field, frozen

from bridge.errors import Declined, Unreachable
from bridge.ocpi.client import OcpiClient, Peer
from bridge.ocpi.config import OcpiConfig, OurRole, is_token
from bridge.ocpi.envelope import Code, Refusal, given
from bridge.ocpi.version import Version

_log = logging.getLogger(__name__)


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
    ``spent``: fingerprint of the CREDENTIALS_TOKEN_A that this partner has used up.
    """

    theirs: str | None = field(default=None, repr=False)
    ours: str | None = field(default=None, repr=False)
    offered: str | None = field(default=None, repr=False)
    previous: tuple[str, ...] = field(default=(), repr=False)
    confirmed: bool = False
    spent: str | None = None
    versions_url: str | None = None
    version: str | None = None
    credentials_url: str | None = None
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


class Access(Enum):
    """What a token is good for."""

    REGISTER = "versions and credentials only"
    FULL = "everything"


class Misstep(Exception):
    """A registration that cannot be: the HTTP status and the OCPI code to answer it with."""

    def __init__(self, because: str, code: int, status: int = 200) -> None:
        super().__init__(because)
        self.because = because
        self.code = code
        self.status = status


class Registration:
    """The state of the registration with one partner, and the steps that change it."""

    def __init__(self, config: OcpiConfig, version: Version, store: CredentialStore) -> None:
        self._config = config
        self._version = version
        self._store = store
        self._steps = asyncio.Lock()
        self._writing = asyncio.Lock()
        self.state = PartnerCredentials()
        self._peer: tuple[PartnerCredentials, Peer] | None = None
        self.client: OcpiClient
        """Set by whoever owns the HTTP client."""

    async def load(self) -> None:
        """Take up what the store has."""
        self.state = await self._store.load(self._config.name) or PartnerCredentials()

    def peer(self) -> Peer:
        """How the partner is addressed now."""
        state = self.state
        if self._peer is not None and self._peer[0] is state:
            return self._peer[1]
        known = {(e.identifier, e.role): e.url for e in state.endpoints}
        one = next((r for r in state.roles if r.role in ("EMSP", "HUB")), state.roles[0] if state.roles else None)
        party = None if one is None else (one.country_code, one.party_id)
        peer = Peer(state.theirs if state.registered else None, known, party)
        self._peer = state, peer
        return peer

    def speaks_for(self, country_code: str, party_id: str) -> bool:
        """Whether objects of that party may come from this partner."""
        if self._config.hub:
            return True
        key = (country_code.upper(), party_id.upper())
        if self._config.parties:
            return "*".join(key) in {p.upper() for p in self._config.parties}
        return not self.state.roles or any((r.country_code, r.party_id) == key for r in self.state.roles)

    async def _write(self, change: Callable[[PartnerCredentials], PartnerCredentials]) -> None:
        async with self._writing:
            new = change(self.state)
            await self._store.save(self._config.name, new)
            self.state = new

    # --- who calls

    def access(self, header: str | None) -> Access | None:
        """What an Authorization header may do here, compared in constant time. None: nothing."""
        decoded, raw = given(header)
        accepts = self._config.quirks.accepts
        told = [t for t, ok in ((decoded, accepts != "raw"), (raw, accepts != "base64")) if t is not None and ok]
        state = self.state
        full = [t for t in (state.ours, state.offered, *state.previous) if t is not None]
        found = None
        for token in (*full, self._config.token_for_them):
            for one in told:
                if token is not None and hmac.compare_digest(one.encode(), token.encode()):
                    found = token if found is None else found
        if found is None:
            return None
        if found in full:
            return Access.FULL
        return None if self._is_spent(found) else Access.REGISTER

    async def used(self, header: str | None) -> None:
        """The partner has called: once with its new token, the old ones are no longer good."""
        state = self.state
        if state.confirmed or state.ours is None or state.ours not in given(header):
            return
        first = self._config.token_for_them
        await self._write(lambda s: evolve(s, confirmed=True, previous=(), spent=s.spent if first is None else _print(first)))

    def _is_spent(self, token: str) -> bool:
        return self.state.spent is not None and hmac.compare_digest(self.state.spent, _print(token))

    # --- we register with the partner

    async def register(self) -> None:
        """Register with the token A that the partner gave us. Raises Unreachable or Declined."""
        async with self._steps:
            if self.state.registered:
                raise Declined("already registered", "405")
            first, url = self._config.token_for_us, self._config.versions_url
            if first is None or url is None:
                raise Declined("no token_for_us and versions_url to register with")
            await self._exchange(first, url, self.client.post_credentials)

    async def renew(self) -> None:
        """Change the tokens of a registration (PUT). Raises Unreachable or Declined."""
        async with self._steps:
            state = self.state
            if state.theirs is None or state.versions_url is None or not state.registered:
                raise Declined("not registered", "405")
            await self._exchange(state.theirs, state.versions_url, self.client.put_credentials)

    async def _exchange(self, token: str, url: str, send: Callable[[str, str, Any], Awaitable[Any]]) -> None:
        version_url = await self._version_url(url, token)
        details = await self.client.version_details(version_url, token)
        endpoints = self._endpoints(details)
        where = next(e.url for e in endpoints if e.identifier == "credentials")
        offered = self.state.offered or new_token()
        await self._write(lambda s: evolve(s, offered=offered))
        try:
            theirs = await send(where, token, self.own(offered))
        except Declined:
            await self._write(lambda s: evolve(s, offered=None))
            raise
        if not is_token(theirs.token):
            raise Unreachable("the partner's token is no credentials token", sent=True)
        await self._settle(theirs, offered, where, endpoints)
        _log.info("registered with %s", self._config.name)

    async def unregister(self) -> None:
        """End the registration (DELETE). Raises Unreachable or Declined."""
        async with self._steps:
            state = self.state
            if state.theirs is None or state.credentials_url is None:
                raise Declined("not registered", "405")
            await self.client.delete_credentials(state.credentials_url, state.theirs)
            await self._write(lambda s: PartnerCredentials(spent=s.spent))

    # --- the partner registers with us

    def own_for(self, header: str | None) -> Any:
        """Our credentials for a partner that asks (GET), with the token that it used."""
        decoded, raw = given(header)
        known = [self.state.ours, self.state.offered, *self.state.previous, self._config.token_for_them]
        return self.own(next((t for t in known if t is not None and t in (decoded, raw)), ""))

    def may(self, access: Access, *, new: bool) -> None:
        """Whether a partner may register anew, or change a registration. Raises Misstep (HTTP 405)."""
        state = self.state
        if new and state.registered and (state.confirmed or access is Access.FULL):
            raise Misstep("already registered: update with PUT", Code.CLIENT_ERROR, 405)
        if not new and not (state.registered and access is Access.FULL):
            raise Misstep("not registered: register with POST", Code.CLIENT_ERROR, 405)

    async def posted(self, theirs: Any, access: Access) -> Any:
        """POST: a new registration; gives our credentials. Raises Misstep.

        A registration whose answer the partner never used may be made again with the same token A.
        """
        async with self._alone():
            self.may(access, new=True)
            return await self._take(theirs)

    async def put(self, theirs: Any, access: Access) -> Any:
        """PUT: other token, roles or version; gives our credentials with a new token. Raises Misstep."""
        async with self._alone():
            self.may(access, new=False)
            return await self._take(theirs)

    async def deleted(self, access: Access) -> None:
        """DELETE: the registration ends. Raises Misstep."""
        async with self._alone():
            self.may(access, new=False)
            await self._write(lambda s: PartnerCredentials(spent=s.spent))
            _log.warning("%s has ended the registration", self._config.name)

    def _alone(self) -> asyncio.Lock:
        # Waiting would be a deadlock when both sides register at once: each would wait for the other's answer.
        if self._steps.locked():
            raise Misstep("another registration is under way", Code.SERVER_ERROR)
        return self._steps

    async def _take(self, theirs: Any) -> Any:
        self._check(theirs)
        try:
            details = await self.client.version_details(await self._version_url(theirs.url, theirs.token), theirs.token)
            endpoints = self._endpoints(details)
        except (Unreachable, Refusal) as why:
            raise Misstep(f"your versions cannot be read: {why.because}", Code.UNUSABLE_API) from why
        except Declined as why:
            raise Misstep(why.because, int(why.code or Code.UNUSABLE_API)) from why
        token = new_token()
        where = next(e.url for e in endpoints if e.identifier == "credentials")
        await self._settle(theirs, token, where, endpoints)
        _log.info("%s has registered", self._config.name)
        return self.own(token)

    def _check(self, theirs: Any) -> None:
        if not is_token(theirs.token):
            raise Misstep("token: 1 to 64 characters of printable ASCII without blanks", Code.INVALID)
        if not theirs.url.startswith(("http://", "https://")):
            raise Misstep("url: an http(s) URL is expected", Code.INVALID)
        roles = self._roles(theirs)
        if not roles:
            raise Misstep("roles: at least one is needed", Code.INVALID)
        if len({(r.role, r.country_code, r.party_id) for r in roles}) != len(roles):
            raise Misstep("roles: the same role, country_code and party_id twice", Code.INVALID)
        if self._config.parties:
            strange = [r for r in roles if not self.speaks_for(r.country_code, r.party_id)]
            if strange:
                raise Misstep(f"roles: {strange[0].country_code}*{strange[0].party_id} was not agreed upon", Code.INVALID)

    # --- both

    async def _settle(self, theirs: Any, ours: str, where: str, endpoints: tuple[PartnerEndpoint, ...]) -> None:
        roles = self._roles(theirs)
        await self._write(lambda s: PartnerCredentials(
            theirs=theirs.token, ours=ours, previous=() if s.ours is None else (s.ours,), spent=s.spent,
            versions_url=theirs.url, version=self._version.number, credentials_url=where, endpoints=endpoints,
            roles=roles))  # fmt: skip

    def own(self, token: str) -> Any:
        """Our credentials with a token (Credentials object)."""
        roles = tuple(_role(self._version, r) for r in self._config.roles)
        return self._version.messages.Credentials(token=token, url=self._config.versions, roles=roles)

    async def _version_url(self, url: str, token: str) -> str:
        versions = await self.client.versions(url, token)
        found = next((v.url for v in versions if v.version.strip() == self._version.number), None)
        if found is None:
            told = ", ".join(v.version for v in versions) or "none"
            raise Declined(f"no version {self._version.number} in common (offered: {told})", str(int(Code.UNSUPPORTED_VERSION)))
        return str(found)

    def _endpoints(self, details: Any) -> tuple[PartnerEndpoint, ...]:
        made = []
        for one in details.endpoints:
            role = "" if one.role is None or one.identifier.lower() == "credentials" else one.role.value
            made.append(PartnerEndpoint(one.identifier.lower(), role, one.url))
        have = {(e.identifier, e.role) for e in made}
        wanted = [("credentials", ""), *sorted(self._config.requires)]
        missing = [f"{module} {role}".strip() for module, role in wanted if not {(module, role), (module, "")} & have]
        if missing:
            raise Declined(f"endpoints that are needed are missing: {', '.join(missing)}", str(int(Code.NO_MATCHING_ENDPOINTS)))
        return tuple(made)

    def _roles(self, theirs: Any) -> tuple[PartnerRole, ...]:
        return tuple(
            PartnerRole(one.role.value, one.country_code.upper(), one.party_id.upper(), getattr(one.business_details, "name", ""))
            for one in theirs.roles
        )


def _role(version: Version, role: OurRole) -> Any:
    details = version.objects.BusinessDetails(name=role.name or f"{role.country_code}*{role.party_id}", website=role.website)
    return version.messages.CredentialsRole(
        role=version.messages.Role(role.role), business_details=details, party_id=role.party_id, country_code=role.country_code
    )


def new_token() -> str:
    """A credentials token: 43 characters, 256 bits."""
    return secrets.token_urlsafe(32)


def _print(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
