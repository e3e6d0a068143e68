"""Parties that are reached through hubs (mod_hub_client_info): told by a hub to us (Receiver), and by us as a hub (Sender).

A configuration module: it has no routing headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.ids import PartyId
from bridge.ocpi.call import Call, Fault, Interface, Result
from bridge.ocpi.client_map import VERSIONS, client_from, client_to, party
from bridge.ocpi.envelope import Code, success
from bridge.ocpi.modules import listed
from bridge.roaming.ports import Kind
from bridge.translate.files import encode

if TYPE_CHECKING:
    from bridge.ocpi.connection import OcpiConnection


async def _put(call: Call) -> Result:
    info, asked = client_from(await call.body()), _asked(call)
    if info.id.key != asked.key:
        raise Fault(Code.INVALID, "country_code, party_id: differ from those in the URL")
    return Result(success(), 201 if await call.core.client(call.partner.name, info) else 200)


async def _get(call: Call) -> Result:
    info = call.core.client_of(call.partner.name, _asked(call))
    if info is None:
        raise Fault(Code.CLIENT_ERROR, "nothing was told of this party", 404)
    return Result(success(encode(client_to(info))))


def _asked(call: Call) -> PartyId:
    match = call.request.match_info
    return party(match["country"], match["party"])


def from_hubs(partner: OcpiConnection) -> bool:
    """Whether a partner is a hub."""
    return partner.config.hub


def as_hub(partner: OcpiConnection) -> bool:
    """Whether we are a hub for a partner."""
    return partner.config.tells_clients


INTERFACES = (
    Interface("hubclientinfo", "RECEIVER", None, {"/{country}/{party}": {"GET": _get, "PUT": _put}}, VERSIONS, False, from_hubs),
    Interface("hubclientinfo", "SENDER", None, {"": {"GET": listed(Kind.CLIENT)}}, VERSIONS, False, as_hub),
)
