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
from enum import Enum, StrEnum
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.model.ids import PartyId
from bridge.ocpi.client import Hello, OcpiClient, Peer
from bridge.ocpi.config import OcpiConfig, is_token
from bridge.ocpi.envelope import Code, Refusal, Unwelcome, given
from bridge.ocpi.kept import CredentialStore, MemoryStore, PartnerCredentials, PartnerEndpoint, PartnerRole
from bridge.ocpi.version import BY_NUMBER, V211, V221, Version

__all__ = [
    "Access", "Change", "CredentialStore", "MemoryStore", "Misstep", "PartnerCredentials", "PartnerEndpoint", "PartnerRole",
    "Registration", "new_token",
]  # fmt: skip

_log = logging.getLogger(__name__)

T = TypeVar("T")

_HUB = 5
"""Characters of a hub's party: country and party."""


class Access(Enum):
    """What a token is good for."""

    REGISTER = "versions and credentials only"
    FULL = "everything"


class Change(StrEnum):
    """What became of a registration."""

    REGISTERED = "registered"
    RENEWED = "credentials renewed"
    ENDED = "registration ended"


class Misstep(Exception):
    """A registration that cannot be: the HTTP status and the OCPI code to answer it with."""

    def __init__(self, because: str, code: int, status: int = 200) -> None:
        super().__init__(because)
        self.because = because
        self.code = code
        self.status = status


class Registration:
    """The state of the registration with one partner, and the steps that change it."""

    def __init__(self, config: OcpiConfig, store: CredentialStore, agreed: Callable[[Version], None] = lambda version: None) -> None:
        """``agreed`` hears which version is spoken, when that is agreed upon or read from the store."""
        self._config = config
        self._store = store
        self._agreed = agreed
        self._steps = asyncio.Lock()
        self._writing = asyncio.Lock()
        self.state = PartnerCredentials()
        self._peer: tuple[PartnerCredentials, Peer] | None = None
        self._quiet_until = 0.0
        self.client: OcpiClient
        """Set by whoever owns the HTTP client."""
        self.happened: Callable[[Change], Awaitable[None]] | None = None
        """Told what became of the registration, whoever began it."""

    async def load(self) -> None:
        """Take up what the store has."""
        self.state = await self._store.load(self._config.name) or PartnerCredentials()
        self._agreed(self.version)

    @property
    def version(self) -> Version:
        """What is spoken: what was agreed upon, before that what is configured, else 2.2.1."""
        return BY_NUMBER.get(self.state.version or self._config.pin or "", V221)

    @property
    def party(self) -> PartyId | None:
        """The partner's party, or the first of several."""
        one = next(iter(self.state.roles), None)
        return None if one is None else PartyId(one.country_code, one.party_id)

    def peer(self) -> Peer:
        """How the partner is addressed now; without a token while it takes in our answer to its registration."""
        state = self.state
        if monotonic() < self._quiet_until:
            return Peer(self.version, None, self._raw(self.version), {}, None)
        if self._peer is not None and self._peer[0] is state:
            return self._peer[1]
        known = {(e.identifier, e.role): e.url for e in state.endpoints}
        peer = Peer(self.version, state.theirs if state.registered else None, self._raw(self.version), known, self._addressed(state))
        self._peer = state, peer
        return peer

    def speaks_for(self, country_code: str, party_id: str) -> bool:
        """Whether objects of that party may come from this partner."""
        if self._config.hub:
            return True
        key = (country_code.upper(), party_id.upper())
        if self._config.parties:
            return "*".join(key) in {p.upper() for p in self._config.parties}
        return not self.state.roles or key in [(r.country_code, r.party_id) for r in self.state.roles]

    def _addressed(self, state: PartnerCredentials) -> tuple[str, str] | None:
        """The party that messages name: the hub, where the partner is one, else that on the other side, else its first."""
        if state.hub is not None and len(state.hub) == _HUB:
            return state.hub[:2].upper(), state.hub[2:].upper()
        other = ("EMSP", "HUB") if self._config.side == "CPO" else ("CPO", "HUB")
        one = next((r for r in state.roles if r.role in other), state.roles[0] if state.roles else None)
        return None if one is None else (one.country_code, one.party_id)

    async def _write(self, change: Callable[[PartnerCredentials], PartnerCredentials]) -> None:
        async with self._writing:
            new = change(self.state)
            await self._store.save(self._config.name, new)
            self.state = new

    async def no_patch(self) -> None:
        """Remember that the partner does not know the method PATCH, until its next registration."""
        await self._write(lambda s: evolve(s, no_patch=True))

    # --- who calls

    def access(self, header: str | None) -> Access | None:
        """What an Authorization header may do here, compared in constant time. None: nothing."""
        decoded, raw = given(header)
        accepts = self._config.quirks.accepts
        told = [t for t, ok in ((decoded, accepts != "raw"), (raw, accepts != "base64")) if t is not None and ok]
        state = self.state
        full = [t for t in (state.ours, state.offered, *state.previous) if t is not None]
        found = None
        for token in (*full, self._config.token_for_them, state.invited):
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
        self._quiet_until = 0.0  # it has our answer
        first = self._config.token_for_them
        spent = None if first is None else _print(first)
        await self._write(lambda s: evolve(s, confirmed=True, previous=(), invited=None, spent=spent or s.spent))

    def _is_spent(self, token: str) -> bool:
        return self.state.spent is not None and hmac.compare_digest(self.state.spent, _print(token))

    # --- somebody begins

    async def invite(self) -> str:
        """Make a CREDENTIALS_TOKEN_A with which the partner registers here. Raises Declined (``405``) if it is registered.

        An earlier one that was not used is no longer good.
        """
        async with self._steps:
            self._must_not_be_registered()
            token = new_token()
            await self._write(lambda s: evolve(s, invited=token, ended=False))
            return token

    async def take(self, token: str, url: str) -> None:
        """Keep the token A that the partner gave us, and its versions URL, for :meth:`register`. Raises Declined."""
        if not is_token(token):
            raise Declined("a token is 1 to 64 printable ASCII characters without blanks")
        async with self._steps:
            self._must_not_be_registered()
            await self._write(lambda s: evolve(s, given=token, given_url=url, ended=False))

    def _must_not_be_registered(self) -> None:
        if self.state.registered:
            raise Declined("already registered", "405")

    @property
    def can_register(self) -> bool:
        """Whether there is a token A to register with that nobody has taken back."""
        return self.state.given is not None or (self._config.token_for_us is not None and not self.state.ended)

    # --- we register with the partner

    async def register(self) -> None:
        """Register with the token A that the partner gave us. Raises Unreachable or Declined."""
        async with self._steps:
            self._must_not_be_registered()
            state = self.state
            first, url = state.given or self._config.token_for_us, state.given_url or self._config.versions_url
            if first is None or url is None:
                raise Declined("no token_for_us and versions_url to register with")
            await self._exchange(first, url, self.client.post_credentials)

    async def renew(self) -> None:
        """Change the tokens of a registration, and its version if a higher one is in common (PUT). Raises Unreachable or Declined."""
        async with self._steps:
            state = self.state
            if state.theirs is None or state.versions_url is None or not state.registered:
                raise Declined("not registered", "405")
            await self._exchange(state.theirs, state.versions_url, self.client.put_credentials)

    async def _exchange(self, token: str, url: str, send: Callable[[str, Hello, Any], Awaitable[Any]]) -> None:
        to, endpoints = await self._negotiate(url, token)
        where = next(e.url for e in endpoints if e.identifier == "credentials")
        offered = self.state.offered or new_token()
        await self._write(lambda s: evolve(s, offered=offered))
        try:
            theirs = await send(where, to, self.own(offered, to.version))
        except Declined:
            await self._write(lambda s: evolve(s, offered=None))
            raise
        if not is_token(theirs.token):
            raise Unreachable("the partner's token is no credentials token", sent=True)
        await self._settle(theirs, offered, to, where, endpoints)
        _log.info("registered with %s, %r", self._config.name, to.version)

    async def unregister(self) -> None:
        """End the registration (DELETE). Raises Unreachable or Declined."""
        async with self._steps:
            state = self.state
            if state.theirs is None or state.credentials_url is None:
                raise Declined("not registered", "405")
            await self.client.delete_credentials(state.credentials_url, Hello(state.theirs, self._raw(self.version), self.version))
            await self._end()

    async def forget(self) -> None:
        """End everything with the partner on this side only; it is not told."""
        async with self._steps:
            await self._end()

    async def _end(self) -> None:
        """What was agreed upon is forgotten, but for the version: what the partner sees stays as it is until another is agreed upon."""
        await self._write(lambda s: PartnerCredentials(spent=s.spent, version=s.version, ended=True))
        await self._tell(Change.ENDED)

    # --- the partner registers with us

    def own_for(self, header: str | None, version: Version) -> Any:
        """Our credentials for a partner that asks (GET), with the token that it used."""
        decoded, raw = given(header)
        known = [self.state.ours, self.state.offered, *self.state.previous, self._config.token_for_them, self.state.invited]
        return self.own(next((t for t in known if t is not None and t in (decoded, raw)), ""), version)

    def may(self, access: Access, *, new: bool) -> None:
        """Whether a partner may register anew, or change a registration. Raises Misstep (HTTP 405)."""
        state = self.state
        if new and state.registered and (state.confirmed or access is Access.FULL):
            raise Misstep("already registered: update with PUT", Code.CLIENT_ERROR, 405)
        if not new and not (state.registered and access is Access.FULL):
            raise Misstep("not registered: register with POST", Code.CLIENT_ERROR, 405)

    async def posted(self, theirs: Any, access: Access, version: Version) -> Any:
        """POST: a new registration, in the version below which it was posted; gives our credentials. Raises Misstep.

        A registration whose answer the partner never used may be made again with the same token A.
        """
        async with self._alone():
            self.may(access, new=True)
            return await self._take(theirs, version, quiet=self._config.quiet)

    async def put(self, theirs: Any, access: Access, version: Version) -> Any:
        """PUT: other token, roles or version; gives our credentials with a new token. Raises Misstep."""
        async with self._alone():
            self.may(access, new=False)
            return await self._take(theirs, version)

    async def deleted(self, access: Access) -> None:
        """DELETE: the registration ends. Raises Misstep."""
        async with self._alone():
            self.may(access, new=False)
            await self._end()
            _log.warning("%s has ended the registration", self._config.name)

    def _alone(self) -> asyncio.Lock:
        # Waiting would be a deadlock when both sides register at once: each would wait for the other's answer.
        if self._steps.locked():
            raise Misstep("another registration is under way", Code.SERVER_ERROR)
        return self._steps

    async def _take(self, theirs: Any, version: Version, *, quiet: float = 0.0) -> Any:
        self._check(theirs, version)
        try:
            to, endpoints = await self._negotiate(theirs.url, theirs.token, version)
        except (Unreachable, Refusal) as why:
            raise Misstep(f"your versions cannot be read: {why.because}", Code.UNUSABLE_API) from why
        except Declined as why:
            raise Misstep(why.because, int(why.code or Code.UNUSABLE_API)) from why
        token = new_token()
        where = next(e.url for e in endpoints if e.identifier == "credentials")
        self._quiet_until = monotonic() + quiet
        await self._settle(theirs, token, to, where, endpoints)
        _log.info("%s has registered, %r", self._config.name, version)
        return self.own(token, version)

    def _check(self, theirs: Any, version: Version) -> None:
        if not is_token(theirs.token):
            raise Misstep("token: 1 to 64 characters of printable ASCII without blanks", Code.INVALID)
        if not theirs.url.startswith(("http://", "https://")):
            raise Misstep("url: an http(s) URL is expected", Code.INVALID)
        roles = self._roles(theirs, version)
        if not roles:
            raise Misstep("roles: at least one is needed", Code.INVALID)
        if len({(r.role, r.country_code, r.party_id) for r in roles}) != len(roles):
            raise Misstep("roles: the same role, country_code and party_id twice", Code.INVALID)
        if self._config.parties:
            strange = [r for r in roles if not self.speaks_for(r.country_code, r.party_id)]
            if strange:
                raise Misstep(f"roles: {strange[0].country_code}*{strange[0].party_id} was not agreed upon", Code.INVALID)

    # --- both

    async def _settle(self, theirs: Any, ours: str, to: Hello, where: str, endpoints: tuple[PartnerEndpoint, ...]) -> None:
        change = Change.RENEWED if self.state.registered else Change.REGISTERED
        roles = self._roles(theirs, to.version)
        await self._write(lambda s: PartnerCredentials(
            theirs=theirs.token, ours=ours, previous=() if s.ours is None else (s.ours,), spent=s.spent, invited=s.invited,
            versions_url=theirs.url, version=to.version.number, credentials_url=where, endpoints=endpoints, roles=roles,
            raw=to.raw, hub=getattr(theirs, "hub_party_id", None)))  # fmt: skip
        self._agreed(to.version)
        await self._tell(change)

    async def _tell(self, change: Change) -> None:
        if self.happened is not None:
            await self.happened(change)

    def own(self, token: str, version: Version) -> Any:
        """Our credentials with a token (Credentials object)."""
        url, ours = self._config.versions(version), self._config.roles
        business = [version.objects.BusinessDetails(name=r.name or f"{r.country_code}*{r.party_id}", website=r.website) for r in ours]
        if not version.roles:
            one = ours[0]
            return version.messages.Credentials(token=token, url=url, business_details=business[0], party_id=one.party_id,
                                                country_code=one.country_code)  # fmt: skip
        roles = tuple(
            version.messages.CredentialsRole(role=version.messages.Role(one.role), business_details=details, party_id=one.party_id,
                                             country_code=one.country_code)
            for one, details in zip(ours, business, strict=True))  # fmt: skip
        return version.messages.Credentials(token=token, url=url, roles=roles)

    def _raw(self, version: Version) -> bool:
        """Whether the partner gets its token as it is: by its settings, else as it was accepted, else as the version says."""
        wants, known = self._config.quirks.spelling, self.state.raw
        if wants != "auto":
            return wants == "raw"
        return version.raw_token if known is None else known

    async def _negotiate(self, url: str, token: str, only: Version | None = None) -> tuple[Hello, tuple[PartnerEndpoint, ...]]:
        """The highest version in common (or ``only`` that), how the partner is addressed in it, and what it offers there."""
        speaks = self._config.speaks if only is None else (only,)
        guess = V211 if speaks == (V211,) else V221  # how the token is spelled is told by the version, which is not known yet
        found, _ = await self._asked(partial(self.client.versions, url), Hello(token, self._raw(guess), guess))
        urls = {v.version.strip(): str(v.url) for v in found}
        version = next((v for v in speaks if v.number in urls), None)
        if version is None:
            told, wanted = ", ".join(urls) or "none", ", ".join(v.number for v in speaks)
            raise Declined(f"no version in common (offered: {told}; spoken here: {wanted})", str(int(Code.UNSUPPORTED_VERSION)))
        details, to = await self._asked(
            partial(self.client.version_details, urls[version.number]), Hello(token, self._raw(version), version))  # fmt: skip
        return to, self._endpoints(details)

    async def _asked(self, ask: Callable[[Hello], Awaitable[T]], to: Hello) -> tuple[T, Hello]:
        """An answer, and how it was got: a partner that does not accept the token spelled one way is asked the other way."""
        try:
            return await ask(to), to
        except Unwelcome:
            if self._config.quirks.spelling != "auto":
                raise
        to = evolve(to, raw=not to.raw)
        return await ask(to), to

    def _endpoints(self, details: Any) -> tuple[PartnerEndpoint, ...]:
        made = []
        for one in details.endpoints:
            told = getattr(one, "role", None)
            role = "" if told is None or one.identifier.lower() == "credentials" else told.value
            made.append(PartnerEndpoint(one.identifier.lower(), role, one.url))
        have = {(e.identifier, e.role) for e in made}
        wanted = [("credentials", ""), *sorted(self._config.requires)]
        missing = [f"{module} {role}".strip() for module, role in wanted if not {(module, role), (module, "")} & have]
        if missing:
            raise Declined(f"endpoints that are needed are missing: {', '.join(missing)}", str(int(Code.NO_MATCHING_ENDPOINTS)))
        return tuple(made)

    def _roles(self, theirs: Any, version: Version) -> tuple[PartnerRole, ...]:
        """The parties of a partner. Before 2.2 it is one, on the other side than we are."""
        told = theirs.roles if version.roles else (theirs,)
        other = "EMSP" if self._config.side == "CPO" else "CPO"
        return tuple(
            PartnerRole(one.role.value if version.roles else other, one.country_code.upper(), one.party_id.upper(),
                        getattr(one.business_details, "name", ""))
            for one in told)  # fmt: skip


def new_token() -> str:
    """A credentials token: 43 characters, 256 bits."""
    return secrets.token_urlsafe(32)


def _print(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
