"""Whether what a mapping writes is valid by its protocol: by the wire classes' own annotations, by our schema, by the judge."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree

import wsdl
from bridge.codec import xml
from bridge.mapping.difference import fields_of
from bridge.mapping.registry import Entry
from bridge.mapping.shape import is_shaped
from bridge.translate.files import XmlCodec, encode

SHARED = Path(__file__).parents[2].parent / "shared"


def faults(entry: Entry, wire: Any) -> list[str]:
    """What our own descriptions of the protocol find wrong with a record that is to be written."""
    if isinstance(entry.codec, XmlCodec):
        return xsd_faults(message(entry, wire))
    return [*annotated_faults(wire), *decoded_faults(wire)]


# --- JSON, by the annotations of the wire classes ---------------------------------------------------------------------


def annotated_faults(obj: Any, path: str = "$") -> Iterator[str]:
    """Fields that must be there and are not, and texts longer than they may be."""
    for one in fields_of(obj):
        value, at = getattr(obj, one.name), f"{path}.{one.wire}"
        if value is None:
            if one.required:
                yield f"{at}: missing"
            continue
        for i, item in enumerate(value if one.many else (value,)):
            here = f"{at}[{i}]" if one.many else at
            if isinstance(item, str) and one.limit is not None and len(item) > one.limit:
                yield f"{here}: {len(item)} characters, at most {one.limit}"
            elif isinstance(item, Decimal) and not item.is_finite():
                yield f"{here}: no number"
            elif is_shaped(type(item)):
                yield from annotated_faults(item, here)


def decoded_faults(wire: Any) -> list[str]:
    """What a strict reader of the wire class finds wrong with the bytes."""
    try:
        msgspec.json.decode(encode(wire), type=type(wire))
    except msgspec.MsgspecError as why:
        return [str(why)]
    return []


# --- XML, by our schema ---------------------------------------------------------------------------------------------


def message(entry: Entry, wire: Any) -> etree._Element:
    """The body element that carries one record, read again by a strict parser."""
    return xml.parse(b"".join(entry.codec.write([wire])))


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(wsdl.path("ochp-1.4.xsd")))


def xsd_faults(element: etree._Element) -> list[str]:
    """Faults by ``wsdl/ochp-1.4.xsd``."""
    schema = _schema()
    if schema.validate(element):
        return []
    log: Any = schema.error_log
    return [f"line {e.line}: {e.message}" for e in log]


# --- the judge --------------------------------------------------------------------------------------------------------


def judge_present() -> bool:
    """Whether the published field tables and schemas lie beside the checkout. In CI they have to."""
    there = (SHARED / "tools" / "judge.py").is_file()
    if not there and os.environ.get("CI"):
        pytest.fail(f"the official facts are not beside the checkout: {SHARED}")
    return there


@cache
def judge() -> Any:
    """The judge, a program of its own."""
    spec = importlib.util.spec_from_file_location("judge", SHARED / "tools" / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OICP_RECORDS = {
    "EvseDataRecord": "EvseDataRecordType",
    "EvseStatusRecord": "EvseStatusRecordType",
    "AuthenticationDataRecord": "AuthenticationDataRecordType",
    "PricingProductDataRecord": "PricingProductDataRecordType",
    "ChargeDetailRecord": "eRoamingChargeDetailRecord",
}
OICP_MESSAGES = {"EvseDataRecord": "eRoamingPushEvseData"}
"""How the judge calls OICP's records, and the messages of records that are told otherwise in a message."""


def judged(entry: Entry, wire: Any, *, whole: bool = False) -> list[str] | None:
    """Faults of a record (``whole``: of a message with it) by the official facts; None where they do not describe one."""
    version = entry.format.split("-", maxsplit=1)[1]
    if isinstance(entry.codec, XmlCodec):
        return list(judge().ochp(version, message(entry, wire)))
    if whole and entry.family == "oicp":
        assert entry.codec.message is not None
        value = json.loads(b"".join(entry.codec.message([wire], None)))
        return list(judge().oicp(OICP_MESSAGES[type(wire).__name__], value))
    value = json.loads(encode(wire))
    if entry.family == "ocpi":
        name = type(wire).__name__
        known = judge().table(f"ocpi/{version}/fields.json")
        return list(judge().ocpi(version, name, value)) if name in known else None
    if entry.family == "oicp":
        kind = type(wire).__name__
        name = f"eRoamingChargingNotifications {wire.Type.value}" if kind == "ChargingNotification" else OICP_RECORDS[kind]
        if kind == "EvseDataRecord" and wire.OperatorID is not None:
            name = "PullEvseDataRecordType"  # with its operator, as an answer tells it
        return list(judge().oicp(name, value))
    return None
