"""Beginning, renewing and ending the registration with a partner, for the command line and the administration API alike.

Of the protocols only OCPI has a registration (credentials); the others are joined by contract. A partner reads our versions
while it is registered with or its tokens are renewed, so both need a bridge that serves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen

from bridge.errors import Declined
from bridge.ocpi.connection import OcpiConnection
from bridge.ocpi.credentials import Change
from bridge.roaming.ports import Partner
from bridge.roaming.storage import Happening
from bridge.store import outbox
from bridge.store.sqlite import SqliteStore

NO_REGISTRATION = "no-registration"
"""Code of a Declined: the partner's protocol has no registration."""
REGISTERED, INVITED, TAKEN, RENEWED, ENDED = "registered", "invited", "taken", "renewed", "ended"


@frozen
class Joined:
    """What was done. ``token`` is the CREDENTIALS_TOKEN_A to send to the partner, which is shown this once."""

    partner: str
    did: str
    versions_urls: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Where the partner finds us, with the versions that are spoken there; after a registration where we find it."""
    parties: tuple[str, ...] = ()
    """Ours, as the partner is to expect them; after a registration the partner's."""
    version: str | None = None
    token: str | None = field(default=None, repr=False)


def watch(partner: Partner, store: SqliteStore, wake: Callable[[str], None] = lambda name: None) -> None:
    """Record what becomes of a partner's registration; what waited for it goes out at once. By whichever side it was begun."""
    if not isinstance(partner, OcpiConnection):
        return

    async def happened(change: Change) -> None:
        detail = partner.registration.state.version
        await store.happened(Happening(f"partner: {change}", partner.name, detail=detail))
        if change is not Change.ENDED:
            await store.db.write(lambda db: outbox.hurry(db, partner.name))
            wake(partner.name)

    partner.registration.happened = happened


async def add(partner: Partner, store: SqliteStore, token: str | None = None, url: str | None = None, *, serves: bool = True) -> Joined:
    """Begin: register with the token A that the partner gave us (here, before, or in the configuration), or make one for it.

    ``serves``: whether a bridge serves; if none does, the token is kept for its start. Raises Declined or Unreachable; a
    token that was given is kept, so that the same can be tried again without it.
    """
    ocpi = _ocpi(partner)
    registration = ocpi.registration
    if token is not None:
        where = url or ocpi.config.versions_url
        if not where:
            raise Declined("with a token the partner's versions URL is needed")
        await registration.take(token, where)
        await store.happened(Happening("partner: token kept", partner.name, detail=where))
    if registration.can_register:
        if not serves:
            return Joined(ocpi.name, TAKEN)
        await registration.register()
        return _registered(ocpi, REGISTERED)
    invited = await registration.invite()
    await store.happened(Happening("partner: invited", ocpi.name))
    roles = tuple(f"{r.country_code}*{r.party_id} {r.role} {r.name}".rstrip() for r in ocpi.config.roles)
    urls: dict[str, tuple[str, ...]] = {}
    for version in ocpi.config.speaks:
        url = ocpi.config.versions(version)
        urls[url] = (*urls.get(url, ()), version.number)
    return Joined(ocpi.name, INVITED, urls, roles, token=invited)


async def rotate(partner: Partner) -> Joined:
    """New tokens on both sides (PUT credentials). Raises Declined or Unreachable, with the old tokens as good as before."""
    ocpi = _ocpi(partner)
    await ocpi.registration.renew()
    return _registered(ocpi, RENEWED)


async def remove(partner: Partner, *, forget: bool = False) -> Joined:
    """End the registration (DELETE credentials); ``forget``: on this side only. Nothing else that we know is deleted.

    Raises Declined or Unreachable.
    """
    ocpi = _ocpi(partner)
    if forget:
        await ocpi.registration.forget()
    else:
        await ocpi.registration.unregister()
    return Joined(ocpi.name, ENDED)


def is_registered(partner: Partner) -> bool:
    """Whether there is a registration, by what is loaded of it."""
    return isinstance(partner, OcpiConnection) and partner.registration.state.registered


def _ocpi(partner: Partner) -> OcpiConnection:
    if not isinstance(partner, OcpiConnection):
        raise Declined(f"{partner.format} has no registration: what there is to do is in the checklist", NO_REGISTRATION)
    return partner


def _registered(partner: OcpiConnection, did: str) -> Joined:
    state = partner.registration.state
    parties = tuple(f"{r.country_code}*{r.party_id} {r.role} {r.name}".rstrip() for r in state.roles)
    urls = {state.versions_url or "": (state.version or "",)}
    return Joined(partner.name, did, urls, parties, state.version)
