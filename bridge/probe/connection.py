"""Rules about versions, version details and credentials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bridge.ocpi.config import is_token
from bridge.probe.look import Details, Thing, folded, parts, split, text
from bridge.probe.rules import ONLY_221, ONLY_230, SINCE_22, Fault, Severity, Untold, rule
from bridge.probe.tables import MODULES


@rule("5", "A credentials token has 1 to 64 characters, printable, without blanks", on=Thing, kind="Credentials")
def token(thing: Thing) -> Iterator[Fault]:
    """The token in the answer to GET credentials."""
    found = text(thing.value, "token")
    if found is not None and not is_token(found):
        yield Fault("it is no credentials token", "token")


@rule("77a", "No role comes twice", on=Thing, kind="Credentials", versions=SINCE_22)
def roles_once(thing: Thing) -> Iterator[Fault]:
    """role, party_id and country_code of the answer to GET credentials."""
    keys = Counter((folded(one, "role"), folded(one, "country_code"), folded(one, "party_id")) for _, one in parts(thing.value, "roles"))
    for many in keys.values():
        if many > 1:
            yield Fault("the same role, party_id and country_code twice", "roles")


@rule("77b", "A hub reports the role HUB alone", on=Thing, kind="Credentials", versions=ONLY_221)
def hub_alone(thing: Thing) -> Iterator[Fault]:
    """The roles in the answer to GET credentials."""
    roles = {text(one, "role") for _, one in parts(thing.value, "roles")}
    if "HUB" in roles and len(roles) > 1:
        yield Fault("HUB beside other roles", "roles")


@rule("77c", "The role HUB is gone: a hub gives hub_party_id", on=Thing, kind="Credentials", versions=ONLY_230)
def no_hub(thing: Thing) -> Iterator[Fault]:
    """The roles in the answer to GET credentials."""
    for path, one in parts(thing.value, "roles"):
        if text(one, "role") == "HUB":
            yield Fault("2.3.0 has no role HUB", f"{path}.role")


@rule("78a", "The details are of the version that was asked for", on=Details)
def version_told(details: Details) -> Iterator[Fault]:
    """GET of the version's details."""
    if not isinstance(details.exchange.data, dict):
        raise Untold("the details cannot be read")
    if details.exchange.data.get("version") != details.version:
        yield Fault("another version", "data.version", str(details.exchange.data.get("version"))[:20])


@rule("78b", "credentials is among the endpoints", on=Details)
def credentials_offered(details: Details) -> Iterator[Fault]:
    """GET of the version's details."""
    if not isinstance(details.exchange.data, dict):
        raise Untold("the details cannot be read")
    if not any(text(one, "identifier") == "credentials" for _, one in details.endpoints):
        yield Fault("there is no endpoint credentials", "data.endpoints")


@rule("78c", "No interface comes twice", on=Details)
def interfaces_once(details: Details) -> Iterator[Fault]:
    """identifier and role of the endpoints."""
    found = Counter((text(one, "identifier"), text(one, "role")) for _, one in details.endpoints)
    for (identifier, role), many in found.items():
        if many > 1 and identifier != "credentials":
            yield Fault("the same interface twice", "data.endpoints", f"{identifier} {role or ''}".strip()[:40])


@rule("78d", "Modules are those of the version", on=Details, severity=Severity.NOTE)
def modules_known(details: Details) -> Iterator[Fault]:
    """identifier of the endpoints. Custom modules may only be shown to those who agreed to them."""
    for path, one in details.endpoints:
        found = text(one, "identifier")
        if found is not None and found not in MODULES[details.version]:
            yield Fault("a module that the version does not know", f"data.{path}.identifier", found[:40])


@rule("78e", "Every module but credentials has an interface", on=Details, versions=SINCE_22)
def roles_told(details: Details) -> Iterator[Fault]:
    """role of the endpoints is SENDER or RECEIVER."""
    for path, one in details.endpoints:
        if text(one, "identifier") != "credentials" and text(one, "role") not in ("SENDER", "RECEIVER"):
            yield Fault("SENDER or RECEIVER expected", f"data.{path}.role")


@rule("d5a", "URLs can be joined and followed", on=Details, severity=Severity.NOTE)
def urls(details: Details) -> Iterator[Fault]:
    """The endpoints' URLs: no query, no doubled slash, TLS where the versions URL has it, the same host."""
    home = split(details.home)
    for path, one in details.endpoints:
        at, parsed = f"data.{path}.url", split(text(one, "url") or details.home)
        if parsed.query or parsed.fragment:
            yield Fault("a query or fragment: identifiers cannot be added behind it", at)
        if "//" in parsed.path:
            yield Fault("a doubled slash", at)
        if home.scheme == "https" and parsed.scheme == "http":
            yield Fault("without TLS: the probe sends no token there", at, severity=Severity.WARNING)
        if parsed.hostname != home.hostname:
            yield Fault("another host than the versions URL's", at)
