"""Parties behind hubs between OCPI 2.2.1 or 2.3.0 and the canonical model (mod_hub_client_info, ClientInfo)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bridge.codec.lenient import reader
from bridge.errors import ReadError, Refused
from bridge.mapping.convert import as_utc
from bridge.model.ids import IdError, PartyId
from bridge.model.party import ClientInfo, ConnectionStatus, Role
from bridge.ocpi.version import V221, V230, Version
from bridge.ocpi.wire import v221_hub as w
from bridge.ocpi.wire import v221_messages
from bridge.roaming.ports import Encoded
from bridge.translate.files import encode

VERSIONS = (V230, V221)
"""Before 2.2 there is nothing of this."""

_read = reader(w.ClientInfo)


def client_from(data: Any) -> ClientInfo:
    """The canonical object, of bytes or parsed JSON. Without a time it is of now. Raises Unreadable or ReadError."""
    wire = _read(data).value
    updated = datetime.now(UTC).replace(microsecond=0) if wire.last_updated is None else as_utc(wire.last_updated)
    return ClientInfo(party(wire.country_code, wire.party_id), Role(wire.role.value), ConnectionStatus(wire.status.value), updated)


def party(country: str, ident: str) -> PartyId:
    """A party. Raises ReadError."""
    try:
        return PartyId.of(country, ident)
    except IdError as why:
        raise ReadError("party_id", why.reason, f"{country}*{ident}") from why


def client_to(info: ClientInfo) -> w.ClientInfo:
    """In OCPI's form."""
    return w.ClientInfo(
        party_id=info.id.party_id,
        country_code=info.id.country_code,
        role=v221_messages.Role(info.role.value),
        status=w.ConnectionStatus(info.status.value),
        last_updated=info.last_updated,
    )


def encoded(info: ClientInfo, version: Version) -> Encoded:
    """The record. Raises Refused where the version has no such thing, or not this role."""
    if version not in VERSIONS:
        raise Refused("", f"OCPI {version.number} knows no parties behind hubs")
    if info.role.value not in version.messages.Role.__members__:
        raise Refused("role", f"OCPI {version.number} has no role {info.role}", info.role.value)
    meta = {"country_code": info.id.country_code, "party_id": info.id.party_id}
    return Encoded(f"{info.id} {info.role}", encode(client_to(info)), meta=meta)
