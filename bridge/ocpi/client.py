"""What we call at a partner, one method per operation; the version says what differs between versions."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime
from enum import Enum
from time import monotonic
from typing import Any
from urllib.parse import quote, urljoin

from attrs import evolve, frozen

from bridge.codec.lenient import Unreadable
from bridge.errors import Declined, Unreachable
from bridge.ocpi.config import OcpiConfig
from bridge.ocpi.envelope import Refusal, Reply, reply, spelled, success, written, zoned
from bridge.ocpi.pages import PageOf, Pages, items
from bridge.ocpi.version import Version
from bridge.translate.files import encode
from bridge.transport.http import HttpClient

_NOT_IMPLEMENTED = frozenset({501})


class Whoever(Enum):
    """Receivers that are not named by their party."""

    THE_PARTNER = "the party at the other end of the connection; of a hub: the hub, which passes a broadcast on"
    THE_OWNER = "whoever it is: the hub finds out (open routing)"


THE_PARTNER, THE_OWNER = Whoever.THE_PARTNER, Whoever.THE_OWNER
Receiver = Whoever | tuple[str, str]
"""For whom a message is (transport_and_format, Message Routing): a party behind a hub by country code and party id."""


@frozen
class Peer:
    """How a partner is addressed now: the version, the token it wants (as it is, or in Base64), its endpoints by (module, role),
    its own party."""

    version: Version
    token: str | None
    raw: bool
    endpoints: Mapping[tuple[str, str], str]
    party: tuple[str, str] | None


@frozen
class Hello:
    """How a partner is addressed before it is registered, or while that changes: its version, the token, and how it is spelled."""

    token: str
    raw: bool
    version: Version


class OcpiClient:
    """Requests to one partner. ``peer`` gives how it is addressed at the moment.

    Every method raises :class:`~bridge.errors.Unreachable` or :class:`~bridge.ocpi.envelope.Refusal`.
    """

    def __init__(self, http: HttpClient, config: OcpiConfig, peer: Callable[[], Peer]) -> None:
        self._http = http
        self._config = config
        self._peer = peer
        quirks = config.quirks
        self._pages = Pages(lambda url, params, routed: self._call("GET", url, params=params, routed=routed), quirks.page_links,
                            quirks.page_offsets)  # fmt: skip
        self.heard_at = monotonic()
        """When the partner last answered, or called."""

    # --- configuration modules: how they are called is told, because it changes on the way

    async def versions(self, url: str, to: Hello) -> list[Any]:
        """GET versions (version_information_endpoint). Raises Unwelcome, too, where the token is not accepted."""
        answer = await self._call("GET", url, to=to)
        return [self._read(to.version, "Version", one) for one in items(answer.data)]

    async def version_details(self, url: str, to: Hello) -> Any:
        """GET version details (version_information_endpoint)."""
        return self._read(to.version, "VersionDetails", (await self._call("GET", url, to=to)).data)

    async def get_credentials(self, url: str, to: Hello) -> Any:
        """GET credentials."""
        return self._read(to.version, "Credentials", (await self._call("GET", url, to=to)).data)

    async def post_credentials(self, url: str, to: Hello, credentials: Any) -> Any:
        """POST credentials: register. Gives the partner's."""
        return self._read(to.version, "Credentials", (await self._call("POST", url, body=encode(credentials), to=to)).data)

    async def put_credentials(self, url: str, to: Hello, credentials: Any) -> Any:
        """PUT credentials: new token, roles or version. Gives the partner's."""
        return self._read(to.version, "Credentials", (await self._call("PUT", url, body=encode(credentials), to=to)).data)

    async def delete_credentials(self, url: str, to: Hello) -> None:
        """DELETE credentials: unregister."""
        await self._call("DELETE", url, to=to)

    # --- objects that we own

    async def put_location(self, country: str, party: str, location: str, body: bytes) -> None:
        """PUT a location (mod_locations, Receiver)."""
        await self._own("PUT", "locations", country, party, location, body=body)

    async def patch_location(self, country: str, party: str, location: str, body: bytes) -> None:
        """PATCH a location."""
        await self._own("PATCH", "locations", country, party, location, body=body)

    async def put_evse(self, country: str, party: str, location: str, evse: str, body: bytes) -> None:
        """PUT an EVSE."""
        await self._own("PUT", "locations", country, party, location, evse, body=body)

    async def patch_evse(self, country: str, party: str, location: str, evse: str, body: bytes) -> None:
        """PATCH an EVSE, such as its status."""
        await self._own("PATCH", "locations", country, party, location, evse, body=body)

    async def put_tariff(self, country: str, party: str, tariff: str, body: bytes) -> None:
        """PUT a tariff (mod_tariffs, Receiver)."""
        await self._own("PUT", "tariffs", country, party, tariff, body=body)

    async def delete_tariff(self, country: str, party: str, tariff: str) -> None:
        """DELETE a tariff."""
        await self._own("DELETE", "tariffs", country, party, tariff)

    async def put_session(self, country: str, party: str, session: str, body: bytes, receiver: Receiver = THE_PARTNER) -> None:
        """PUT a session (mod_sessions, Receiver)."""
        await self._own("PUT", "sessions", country, party, session, body=body, receiver=receiver)

    async def patch_session(self, country: str, party: str, session: str, body: bytes, receiver: Receiver = THE_PARTNER) -> None:
        """PATCH a session."""
        await self._own("PATCH", "sessions", country, party, session, body=body, receiver=receiver)

    async def post_cdr(self, body: bytes, sender: tuple[str, str] | None = None, receiver: Receiver = THE_PARTNER) -> str | None:
        """POST a CDR (mod_cdrs, Receiver). Gives the URL at which it is found (Location header), if one was given."""
        url = self._at("cdrs", "RECEIVER")
        answer = await self._call("POST", url, body=body, sender=sender, receiver=receiver)
        where = answer.headers.get("Location")
        return urljoin(url, where) if where else None

    async def get_cdr(self, url: str) -> bytes | None:
        """GET a CDR at the URL that its POST gave; None if the partner does not know it."""
        return await self._found(self._pages.allowed(self.endpoint("cdrs", "RECEIVER"), url))

    async def get_location(self, country: str, party: str, location: str) -> bytes | None:
        """GET a location as the partner has it; None if it does not know it."""
        return await self._found(self._at("locations", "RECEIVER", country, party, location))

    async def get_evse(self, country: str, party: str, location: str, evse: str) -> bytes | None:
        """GET an EVSE as the partner has it; None if it does not know it."""
        return await self._found(self._at("locations", "RECEIVER", country, party, location, evse))

    async def get_session(self, country: str, party: str, session: str) -> bytes | None:
        """GET a session as the partner has it; None if it does not know it."""
        return await self._found(self._at("sessions", "RECEIVER", country, party, session))

    # --- lists

    def tokens(self, since: datetime | None, at: str | None = None) -> AsyncGenerator[PageOf, None]:
        """GET the token list, page by page (mod_tokens, Sender). ``at``: where an earlier call got to."""
        return self._pages.walk(self._at("tokens", "SENDER"), self._listed(since), at)

    def objects(self, module: str, since: datetime | None) -> AsyncGenerator[PageOf, None]:
        """GET the list of an operator's locations, tariffs, sessions or CDRs, page by page (Sender)."""
        return self._pages.walk(self._at(module, "SENDER"), self._listed(since, self._config.object_page))

    def clients(self) -> AsyncGenerator[PageOf, None]:
        """GET the list of the parties behind a hub, page by page (mod_hub_client_info, Sender)."""
        return self._pages.walk(self._at("hubclientinfo", "SENDER"), {}, routed=False)

    def _listed(self, since: datetime | None, most: int | None = None) -> dict[str, str]:
        """How a list is asked for."""
        quirks = self._config.quirks
        limit = quirks.page_size if most is None else min(quirks.page_size, most)
        params = {} if limit == 0 else {"limit": str(limit)}
        if since is not None and not quirks.full_lists:
            params["date_from"] = written(since)
        return params

    async def authorize(self, uid: str, type_: str, body: bytes | None, receiver: Receiver = THE_PARTNER) -> Any:
        """POST a request for real-time authorisation (mod_tokens, Sender): AuthorizationInfo."""
        url = self._at("tokens", "SENDER", uid, "authorize")
        params = None if self._config.quirks.no_type else {"type": type_}
        body = None if self._config.quirks.no_location else body
        answer = await self._call("POST", url, body=body, params=params, within=self._config.authorise_timeout, receiver=receiver)
        return self._read(self._peer().version, "AuthorizationInfo", answer.data)

    async def put_token(self, country: str, party: str, uid: str, type_: str, body: bytes) -> None:
        """PUT a token (mod_tokens, Receiver). Before 2.2 a token is known by its uid alone."""
        url = self._at("tokens", "RECEIVER", country, party, uid)
        params = {"type": type_} if self._peer().version.roles else None
        await self._call("PUT", url, body=body, params=params, sender=(country, party))

    # --- commands and charging profiles

    async def command(self, name: str, body: bytes) -> Any:
        """POST a command (mod_commands, Receiver): what is said at once."""
        answer = await self._call("POST", self._at("commands", "RECEIVER", name), body=body)
        return self._read(self._peer().version, "CommandResponse", answer.data)

    async def post_result(self, url: str, body: bytes, receiver: Receiver = THE_PARTNER) -> None:
        """POST a result to the address that came with the request (mod_commands, mod_charging_profiles, Sender)."""
        await self._call("POST", url, body=success(body) if self._config.quirks.wrapped_results else body, receiver=receiver)

    async def put_plan(self, session: str, body: bytes) -> None:
        """PUT an ActiveChargingProfile (mod_charging_profiles, Sender)."""
        await self._call("PUT", self._at("chargingprofiles", "SENDER", session), body=body)

    # --- hubs

    async def put_client(self, country: str, party: str, body: bytes) -> None:
        """PUT ClientInfo (mod_hub_client_info, Receiver)."""
        await self._call("PUT", self._at("hubclientinfo", "RECEIVER", country, party), body=body, routed=False)

    # --- how

    def endpoint(self, module: str, role: str) -> str:
        """The partner's URL for a module. Raises Declined (``no-endpoint``), or Unreachable before the registration."""
        peer = self._peer()
        if peer.token is None:
            raise Unreachable("not registered with this partner yet")
        url = peer.endpoints.get((module, role)) or peer.endpoints.get((module, ""))
        if url is None:
            raise Declined(f"the partner offers no {module} {role.lower()}", "no-endpoint")
        return url

    def _at(self, module: str, role: str, *path: str) -> str:
        """The URL of an object below a module; the endpoint's own, as it was told, without one."""
        url = joined(self.endpoint(module, role), *path) if path else self.endpoint(module, role)
        return url + "/" if self._config.quirks.trailing_slash and not url.endswith("/") else url

    async def _own(self, method: str, module: str, country: str, party: str, *path: str, body: bytes | None = None,
                   receiver: Receiver = THE_PARTNER) -> None:  # fmt: skip
        url = self._at(module, "RECEIVER", country, party, *path)
        await self._call(method, url, body=body, sender=(country, party), receiver=receiver)

    async def _found(self, url: str) -> bytes | None:
        try:
            return (await self._call("GET", url)).data
        except Refusal as why:
            if why.status == 404:
                return None
            raise

    async def _call(self, method: str, url: str, *, body: bytes | None = None, params: Mapping[str, str] | None = None,
                    to: Hello | None = None, sender: tuple[str, str] | None = None, receiver: Receiver = THE_PARTNER,
                    routed: bool = True, within: float | None = None) -> Reply:  # fmt: skip
        """One request: to a functional module, or, not ``routed`` or where ``to`` says how, to a configuration module."""
        peer, quirks = self._peer(), self._config.quirks
        if to is None:
            if peer.token is None:
                raise Unreachable("not registered with this partner yet")
            to = Hello(peer.token, peer.raw, peer.version)
            routed = routed and to.version.roles and not quirks.no_routing
        else:
            routed = False
        headers = {"Authorization": spelled(to.token, raw=to.raw)}
        if to.version.roles:
            headers["X-Request-ID"] = str(uuid.uuid4())
            headers["X-Correlation-ID"] = str(uuid.uuid4())
        if routed and peer.party is not None:
            ours = sender or self._config.party
            headers |= {"OCPI-from-country-code": ours[0], "OCPI-from-party-id": ours[1]}
            theirs = peer.party if receiver is THE_PARTNER else receiver
            if not isinstance(theirs, Whoever):
                headers |= {"OCPI-to-country-code": theirs[0], "OCPI-to-party-id": theirs[1]}
        if body is not None:
            headers["Content-Type"] = "application/json"
        answer = await self._http.request(method, url, body=body, headers=headers, params=params or None, seconds=within,
                                          answers=_NOT_IMPLEMENTED if method == "PATCH" else frozenset())  # fmt: skip
        self.heard_at = monotonic()
        found = reply(answer, empty_is_success=quirks.empty_answers and method != "GET", bare=quirks.bare_answers)
        if quirks.time_zone is None or found.data is None:
            return found
        return evolve(found, data=zoned(found.data, quirks.time_zone))

    def _read(self, version: Version, name: str, data: bytes | None) -> Any:
        try:
            return version.read(name, _alone(data or b"null"), others=self._config.quirks.unknown_values == "other").value
        except Unreadable as why:
            raise Unreachable(f"no {name} in the answer: {why.path or '$'}: {why.because}", sent=True) from why


def joined(base: str, *path: str) -> str:
    """A URL below another; slashes at its end do not matter, what is not allowed in a segment is escaped."""
    return "/".join([base.rstrip("/"), *(quote(part, safe="") for part in path)])


def _alone(data: bytes) -> bytes:
    """A single object; some put it into a list of one."""
    if data[:1] != b"[":
        return data
    found = items(data)
    return found[0] if len(found) == 1 else data
