"""Parts of objects in JSON, as the bytes that they are."""

from __future__ import annotations

import msgspec

from bridge.ocpi.version import folded


class _Part(msgspec.Struct):
    uid: str = ""
    id: str = ""


class _Whole(msgspec.Struct):
    evses: list[msgspec.Raw] = []
    connectors: list[msgspec.Raw] = []


def evse(location: bytes, uid: str) -> bytes | None:
    """An EVSE of a location by its uid."""
    return _part(msgspec.json.decode(location, type=_Whole).evses, "uid", uid)


def connector(evse: bytes, ident: str) -> bytes | None:
    """A connector of an EVSE by its id."""
    return _part(msgspec.json.decode(evse, type=_Whole).connectors, "id", ident)


def _part(found: list[msgspec.Raw], name: str, ident: str) -> bytes | None:
    return next((bytes(one) for one in found if folded(getattr(msgspec.json.decode(one, type=_Part), name)) == folded(ident)), None)
