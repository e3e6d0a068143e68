"""OCPI and the canonical model. ``FORMATS`` is what :mod:`bridge.mapping.registry` finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from bridge.mapping.registry import LOCATION as CARRIES_LOCATIONS
from bridge.mapping.registry import Entry
from bridge.ocpi.wire import v211 as wire211
from bridge.ocpi.wire import v221, v221_status
from bridge.ocpi.wire import v230 as wire230
from bridge.translate.files import JsonCodec, encode
from mappings.ocpi import v211 as old_version
from mappings.ocpi import v211_session as old_session
from mappings.ocpi import v230 as next_version
from mappings.ocpi.cdr import CDR
from mappings.ocpi.location import LOCATION
from mappings.ocpi.session import SESSION
from mappings.ocpi.status import STATUS
from mappings.ocpi.tariff import TARIFF
from mappings.ocpi.token import TOKEN


def envelope(records: Iterable[Any], context: Any) -> Iterator[bytes]:
    """The response envelope with the records as ``data`` (transport_and_format, response format)."""
    yield b'{"data": ['
    for i, record in enumerate(records):
        yield (b",\n" if i else b"\n") + (record if isinstance(record, bytes) else encode(record))
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield b'\n], "status_code": 1000, "timestamp": "%s"}\n' % now.encode()


_DATA = frozenset({"data"})
_STATUS_FIELDS = frozenset({"uid", "evse_id", "status", "last_updated", "location_id"})


def _statuses(item: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The statuses in a location, an EVSE or a status record; the other fields say nothing about status."""
    if "evses" in item:
        for evse in item.get("evses") or ():
            yield {"location_id": item.get("id"), **{k: v for k, v in evse.items() if k in _STATUS_FIELDS}}
    elif "connectors" in item:
        yield {k: v for k, v in item.items() if k in _STATUS_FIELDS}
    else:
        yield item


FORMATS = (
    Entry("ocpi-2.1.1", "location", old_version.LOCATION, JsonCodec(wire211.Location, _DATA, message=envelope), lambda o: o.id,
          CARRIES_LOCATIONS),
    Entry("ocpi-2.1.1", "status", old_version.STATUS, JsonCodec(wire211.EvseStatus, _DATA, message=envelope, inside=_statuses),
          lambda o: o.evse_id or o.uid),
    Entry("ocpi-2.1.1", "token", old_version.TOKEN, JsonCodec(wire211.Token, _DATA, message=envelope), lambda o: o.auth_id),
    Entry("ocpi-2.1.1", "tariff", old_version.TARIFF, JsonCodec(wire211.Tariff, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.1.1", "session", old_session.SESSION, JsonCodec(wire211.Session, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.1.1", "cdr", old_session.CDR, JsonCodec(wire211.CDR, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.2.1", "location", LOCATION, JsonCodec(v221.Location, _DATA, message=envelope), lambda o: o.id, CARRIES_LOCATIONS),
    Entry("ocpi-2.2.1", "status", STATUS, JsonCodec(v221_status.EvseStatus, _DATA, message=envelope, inside=_statuses),
          lambda o: o.evse_id or o.uid),
    Entry("ocpi-2.2.1", "token", TOKEN, JsonCodec(v221.Token, _DATA, message=envelope), lambda o: o.contract_id),
    Entry("ocpi-2.2.1", "tariff", TARIFF, JsonCodec(v221.Tariff, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.2.1", "session", SESSION, JsonCodec(v221.Session, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.2.1", "cdr", CDR, JsonCodec(v221.CDR, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.3.0", "location", next_version.LOCATION, JsonCodec(wire230.Location, _DATA, message=envelope), lambda o: o.id,
          CARRIES_LOCATIONS),
    Entry("ocpi-2.3.0", "status", STATUS, JsonCodec(v221_status.EvseStatus, _DATA, message=envelope, inside=_statuses),
          lambda o: o.evse_id or o.uid),
    Entry("ocpi-2.3.0", "token", next_version.TOKEN, JsonCodec(wire230.Token, _DATA, message=envelope), lambda o: o.contract_id),
    Entry("ocpi-2.3.0", "tariff", next_version.TARIFF, JsonCodec(wire230.Tariff, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.3.0", "session", next_version.SESSION, JsonCodec(wire230.Session, _DATA, message=envelope), lambda o: o.id),
    Entry("ocpi-2.3.0", "cdr", next_version.CDR, JsonCodec(wire230.CDR, _DATA, message=envelope), lambda o: o.id),
)  # fmt: skip
