"""The part of an OCPI partner that has to do with hubs: it may be one, or be told of others by us as one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from time import monotonic

import msgspec

from bridge.codec.lenient import Unreadable
from bridge.errors import ReadError, Unreachable
from bridge.model.ids import IdError, PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.ocpi.client import Hello, OcpiClient
from bridge.ocpi.client_map import client_from
from bridge.ocpi.config import OcpiConfig
from bridge.ocpi.credentials import Registration

_log = logging.getLogger(__name__)


class HubSide:
    """Implements GivesClients and HasParties (:mod:`bridge.roaming.client_lists`)."""

    name: str
    config: OcpiConfig
    registration: Registration
    client: OcpiClient

    @property
    def hub(self) -> bool:
        """Whether it speaks for parties that are not its own."""
        return self.config.hub

    async def pull_clients(self) -> AsyncIterator[list[ClientInfo]]:
        """The parties behind it, one batch per page. What cannot be read is left out."""
        async with aclosing(self.client.clients()) as pages:
            async for page in pages:
                try:
                    records = msgspec.json.decode(page.data, type=list[msgspec.Raw])
                except msgspec.MsgspecError as why:
                    raise Unreachable("a page of parties that is no list") from why
                yield [one for one in (self._client(bytes(record)) for record in records) if one is not None]

    def _client(self, record: bytes) -> ClientInfo | None:
        try:
            return client_from(record)
        except (Unreadable, ReadError) as why:
            _log.warning("%s: a party behind it cannot be read: %s: %s", self.name, why.path, why.because)
            return None

    @property
    def clients(self) -> Sequence[tuple[PartyId, Role]]:
        """Its parties: those of its credentials, before it is registered the configured ones."""
        roles = [(r.role, r.country_code, r.party_id) for r in self.registration.state.roles]
        if not roles:
            other = "EMSP" if self.config.side == "CPO" else "CPO"
            named = [party.partition("*") for party in sorted(self.config.parties)]
            roles = [(other, country, party) for country, _, party in named]
        found = []
        for role, country, party in roles:
            try:
                found.append((PartyId.of(country, party), Role(role)))
            except (IdError, ValueError):
                _log.warning("%s: %s*%s is no party that others could be told of", self.name, country, party)
        return found

    @property
    def standing(self) -> ConnectionStatus:
        """Whether it is registered, is not yet, or is no longer."""
        state = self.registration.state
        if state.registered:
            return ConnectionStatus.CONNECTED
        return ConnectionStatus.SUSPENDED if state.ended else ConnectionStatus.PLANNED

    @property
    def silent(self) -> float:
        """Seconds since it last called or answered."""
        return monotonic() - self.client.heard_at

    async def still_alive(self) -> None:
        """GET its versions (mod_hub_client_info, still alive check). Raises Unreachable or Declined."""
        peer, url = self.registration.peer(), self.registration.state.versions_url
        if peer.token is None or url is None:
            raise Unreachable("not registered with this partner yet")
        await self.client.versions(url, Hello(peer.token, peer.raw, peer.version))
