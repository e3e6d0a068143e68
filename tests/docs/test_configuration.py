"""docs/configuration.md names every key, and docs/example/bridge.toml is a configuration that can be used.

The tables between the marks are generated: ``python tests/docs/test_configuration.py`` writes them anew.
"""

from __future__ import annotations

import json
import re
import tomllib
import types
import typing
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bridge import config
from bridge.mapping.partner import Constants
from bridge.ocpi.quirks import Quirks

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "docs" / "example" / "bridge.toml"
CONSTANTS = ROOT / "mappings" / "partners" / "example.toml"
MODELS: dict[str, type[BaseModel]] = {
    "bridge": config.BridgeConfig, "operators": config.OperatorConfig, "chargers": config.ChargerConfig,
    "partners": config.PartnerConfig, "agreements": config.AgreementConfig, "constants": Constants, "quirks": Quirks,
    "secret": config.Secret,
}  # fmt: skip
EXAMPLES: dict[str, dict[str, str]] = {
    "bridge": {
        "listen": '"0.0.0.0:8080"', "url": '"https://bridge.example.com"', "store": '"/var/lib/evbridge/bridge.sqlite"',
        "admin_token": '{file = "/run/secrets/admin"}', "mass_change_percent": "5", "authorise_seconds": "4.0",
        "session_update_seconds": "60", "hub": "true", "clock_minutes": "15",
        "operators": "[operators.example]", "chargers": "[chargers.CP1]", "partners": "[partners.emsp1]",
        "partner_folder": '"/etc/evbridge/partners.d"',
    },
    "operators": {"party": '"DE*ABC"', "name": '"Example Charging"', "time_zone": '"Europe/Berlin"', "currency": '"EUR"',
                  "preferences_need": '["departure_time"]', "own_uids": '["04B2C3D4E5F607"]'},
    "chargers": {"password": '{env = "CP1_PASSWORD"}', "connectors": '{1 = "DE*ABC*E1001*1", 2 = "DE*ABC*E1001*2"}'},
    "partners": {
        "protocol": '"ocpi-2.2.1"', "url": '"https://emsp.example/ocpi/versions"', "role": '"hub"', "stage": "1", "priority": "10",
        "feeds": '["example"]', "our_party": '"DE*XYZ"', "groups": '["city"]', "tokens_from": '["emsp1"]', "pull_seconds": "900",
        "full_pull_hours": "24",
        "authorise": "true", "offline": '"accept-known"', "agreements": "[[partners.emsp1.agreements]]",
        "constants": "[partners.hubject.constants]", "values": '{"oicp-2.3" = {EvseStatusType = {INOPERATIVE = "Unknown"}}}',
        "allow": '["omit-signed-data"]', "cdr_deadline_hours": "24", "token_pull_seconds": "3600", "token_full_pull_hours": "24",
        "token": '{file = "/run/secrets/emsp1"}', "inbound_token": '{env = "EMSP1_TOKEN"}', "user": '"cpo"',
        "password": '{env = "OCHP_PASSWORD"}', "operator_id": '"DE*ABC"', "provider_party": '"DE-EM1"',
        "response_hosts": '["results.emsp.example", "10.0.0.7:8443"]',
        "profile_seconds": "10.0", "quirks": "[partners.emsp1.quirks]",
        "live_url": '"https://clearing-house.example/live/ochp/v1.4"', "status_ttl_seconds": "86400", "timeout_seconds": "10.0",
        "requests_per_second": "50.0", "unknown_tokens_per_minute": "30",
        "certificate": '"/run/secrets/hubject.pem"', "key": '"/run/secrets/hubject.key"', "authority": '"/run/secrets/hubject-ca.pem"',
    },
    "agreements": {
        "operator": '"example"', "kinds": '["locations", "status", "cdrs"]', "groups": '["city"]',
        "valid_from": "2026-04-01T00:00:00+02:00", "valid_until": "2027-04-01T00:00:00+02:00",
        "tariffs": '{city = "CITY", "*" = "STANDARD"}', "free": "true", "test": "true",
        "preference_tariffs": '{"*" = ["GREEN", "CHEAP"]}', "sources": '["own", "csms"]',
    },
    "quirks": {
        "spelling": '"raw"', "accepts": '"base64"', "trailing_slash": "true", "patch": '"never"', "pull_only": "true", "page_size": "100",
        "page_links": '"own-host"', "page_offsets": "true", "full_lists": "true", "time_zone": '"Europe/Berlin"',
        "unknown_values": '"other"',
        "bare_answers": "true", "empty_answers": "true", "wrapped_results": "true", "no_routing": "true", "to_hub": "true",
        "no_type": "true",
        "no_location": "true", "duplicate_text": '"doppelt"', "duplicate_codes": '["409", "2010"]',
    },
    "secret": {"file": '"/run/secrets/emsp1"', "env": '"EMSP1_TOKEN"', "value": '"only-for-tests"'},
}  # fmt: skip


def examples(section: str) -> dict[str, str]:
    """An example for each key of a section, as TOML; those of the constants are the lines of the example partner file."""
    if section != "constants":
        return EXAMPLES[section]
    text = CONSTANTS.read_text(encoding="utf-8")
    found = dict(re.findall(r"^(\w+) = (.+?) *(?:#.*)?$", text.split("[constants.cdr_place]")[0], re.M))
    return {**found, "cdr_place": '{name = "Example Charging", city = "Berlin", country = "DEU"}'}


NAMES = {
    str: "text",
    int: "whole number",
    float: "number",
    Decimal: "number",
    bool: "true or false",
    datetime: "date and time",
    Path: "path",
}


def kind(annotation: Any) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind(one) for one in inner if one is not type(None))
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin in (list, frozenset):
        return f"list of {kind(inner[0])}"
    if origin is dict:
        return f"table: {kind(inner[0])} to {kind(inner[1])}"
    if annotation is config.Secret:
        return "[secret](#secrets)"
    if annotation in (config.OperatorConfig, config.ChargerConfig, config.PartnerConfig, config.AgreementConfig, Constants, Quirks):
        return f"[section](#{next(name for name, model in MODELS.items() if model is annotation)})"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        values = [f"`{one.value}`" for one in annotation]
        return ", ".join(values) if len(values) <= 6 else f"one of {annotation.__name__}"
    return NAMES[annotation]


def default(field: FieldInfo) -> str:
    """What holds without the key."""
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or isinstance(value, BaseModel):
        return "none"
    if isinstance(value, Path | Decimal):
        value = str(value) if isinstance(value, Path) else float(value)
    if isinstance(value, str):
        return f"`{json.dumps(value)}`".replace("|", "\\|")
    text = json.dumps(sorted(value) if isinstance(value, frozenset) else value)
    return f"`{text}`" if len(text) <= 30 else "all"


def table(section: str) -> str:
    """The keys of a section."""
    shown = examples(section)
    lines = ["| Key | Type | Default | Meaning | Example |", "|---|---|---|---|---|"]
    for name, field in MODELS[section].model_fields.items():
        lines.append(f"| `{name}` | {kind(field.annotation)} | {default(field)} | {field.description} | `{shown[name]}` |")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its tables made anew."""
    for section in MODELS:
        page, count = re.subn(rf"(<!-- keys: {section} -->\n).*?(\n<!-- end -->)",
                              lambda found, section=section: found[1] + table(section) + found[2], page, flags=re.S)  # type: ignore[misc]  # fmt: skip
        assert count == 1, f"the page has no table for {section}"
    return page


@pytest.mark.parametrize("section", MODELS)
def test_every_key_is_described_and_has_an_example(section: str) -> None:
    fields = MODELS[section].model_fields
    assert [name for name, field in fields.items() if not field.description] == []
    assert set(examples(section)) == set(fields)


@pytest.mark.parametrize("section", ["bridge", "operators", "chargers", "agreements", "constants", "quirks", "secret", "partners"])
def test_examples_are_valid(section: str) -> None:
    """Every example is TOML, and its key takes it."""
    model = MODELS[section]
    for name, text in examples(section).items():
        if text.startswith("[") and "." in text and " " not in text:
            assert name in text or section == "bridge", "the head of a section"
            continue
        value = tomllib.loads(f"it = {text}")["it"]
        model.__pydantic_validator__.validate_assignment(model.model_construct(), name, value)


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run: python tests/docs/test_configuration.py"


def test_the_example_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads, and uses only keys that exist; every partner's protocol is in it."""
    found = config.load(EXAMPLE)
    assert {p.protocol for p in found.partners.values()} == {"ocpi-2.2.1", "oicp-2.3", "ochp-1.4"}
    assert found.chargers
    bound = [evse for charger in found.chargers.values() for evse in charger.connectors.values()]
    assert len(bound) == len(set(bound)) > 0


def test_the_example_can_be_wired(tmp_path: Path) -> None:
    """Every partner of the example can be made from it: no key that its protocol needs is missing."""
    from bridge.app import Bridge

    found = config.load(EXAMPLE)
    found.store = tmp_path / "bridge.sqlite"
    assert set(Bridge(found).partners) == set(found.partners)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
