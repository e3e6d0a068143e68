"""Every example in the published texts of OCPI: what surrounds the records, changes (PATCH), and fragments.

Whole records and the parts that the texts show alone are written back in ``tests/acceptance/test_map_ocpi_versions.py``. An example
that is at fault itself, or whose module is not built, is named here with the reason; a name that is no longer needed fails.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import frozen
from multidict import CIMultiDict, CIMultiDictProxy

from bridge.codec.lenient import loads, reader, walk
from bridge.mapping import registry
from bridge.mapping.context import Settings
from bridge.ocpi.envelope import Refusal, reply, success
from bridge.translate.files import encode
from bridge.transport.http import Answer
from tests.acceptance import test_map_ocpi_versions as records
from tests.protocol import ocpi_world as ow
from tests.protocol.test_ocpi_server import Caller, registered

pytestmark = [pytest.mark.spec, pytest.mark.usefixtures("facts")]

SPEC = ow.SHARED / "spec" / "ocpi"
CORE = {"2.1.1": "v211", "2.2.1": "v221", "2.3.0": "v230"}
"""Versions and their wire modules."""
EXTENSIONS = {"2.3.0-bookings": "2.3.0", "2.3.0-payments": "2.3.0"}
"""Texts with another module on top of a version: what is not of that module has to be the version's own."""
VERSIONS = (*CORE, *EXTENSIONS)

NOT_BUILT = {
    **{(version, "ClientInfo"): "HubClientInfo is not built" for version in ("2.2.1", "2.3.0")},
    **{("2.3.0-bookings", name): "the bookings module is not built" for name in (
        "Booking", "BookingLocation", "BookingRequest", "Calendar")},
    **{("2.3.0-payments", name): "the payments module is not built" for name in ("FinancialAdviceConfirmation", "Terminal")},
}  # fmt: skip
"""Types that nothing here reads."""

OLD_PARKING = "written before EVSE.parking became an object (2.3.0 second edition): it holds the bare parking id"
AT_FAULT: dict[tuple[str, str], tuple[str, str, str]] = {
    ("2.3.0-bookings", "location_example.json"): (OLD_PARKING, "evses[0].parking[0]", "an object expected, found a text"),
    ("2.3.0-bookings", "location_example_parking_garage_opening_hours.json"): (
        OLD_PARKING, "evses[0].parking[0]", "an object expected, found a text"),
}  # fmt: skip
"""Examples with a fault that is not named among the records: what is wrong, and where and what our reader reports first."""


@pytest.fixture(scope="module")
def facts() -> None:
    """The examples, or a skip (a failure in CI)."""
    ow.shared("spec", "ocpi", "2.2.1", "index.json")


@frozen
class Example:
    """An example: the version's folder, its file, the type that the index gives, and whether it is whole."""

    version: str
    file: str
    told: str
    completeness: str

    @property
    def type(self) -> str:
        """The type without what surrounds it."""
        return self.told.removeprefix("ResponseFormat<").removesuffix(">").removesuffix("[]")

    @property
    def core(self) -> str:
        """The version whose wire types it has."""
        return EXTENSIONS.get(self.version, self.version)

    @property
    def path(self) -> Path:
        """The file."""
        return SPEC / self.version / self.file


def examples(*versions: str) -> list[Example]:
    """All examples; none where the texts are absent."""
    return [
        Example(version, one["file"], one["object_type"], one["completeness"])
        for version in versions or VERSIONS
        if (SPEC / version / "index.json").is_file()
        for one in json.loads((SPEC / version / "index.json").read_text(encoding="utf-8"))["examples"]
    ]


def params(found: list[Example]) -> list[Any]:
    """Examples as parameters with readable names."""
    return [pytest.param(one, id=f"{one.version} {Path(one.file).stem}") for one in found]


def wire(version: str, name: str) -> Any:
    """The wire class of a type, or None."""
    for module in _modules(CORE.get(version, "")):
        found = vars(module).get(name)
        if found is not None:
            return found
    return None


def _modules(name: str) -> Iterator[ModuleType]:
    for one in (name, f"{name}_messages"):
        where = f"bridge.ocpi.wire.{one}"
        if name and importlib.util.find_spec(where) is not None:
            yield importlib.import_module(where)


def is_record(one: Example) -> bool:
    """Whether it is written back with the records and their parts."""
    whole = one.completeness == "full" and one.version in CORE
    return whole and (one.told in records.KINDS or (one.version, one.told) in records.PARTS)


def is_shared(one: Example) -> bool:
    """Whether an extension repeats the version's example, byte for byte."""
    same = SPEC / EXTENSIONS[one.version] / one.file if one.version in EXTENSIONS else None
    return same is not None and same.is_file() and same.read_bytes() == one.path.read_bytes()


def is_built(one: Example) -> bool:
    """Whether there is code that reads it."""
    return not {(one.version, one.type), (one.core, one.type)} & set(NOT_BUILT)


MESSAGES = [one for one in examples(*CORE) if one.completeness == "full" and not is_record(one) and is_built(one)]
CHANGES = [one for one in examples(*CORE) if one.completeness != "full"]
REST = [one for one in examples(*EXTENSIONS) if is_built(one) and not is_shared(one)]


def test_every_example_is_looked_at() -> None:
    every = examples()
    assert len(every) > 290
    seen = {*MESSAGES, *CHANGES, *REST}
    left = [one for one in every if not (one in seen or is_record(one) or is_shared(one))]
    assert {(one.version, one.type) for one in left} <= set(NOT_BUILT)


@pytest.mark.parametrize(("version", "name"), NOT_BUILT)
def test_what_is_said_not_to_be_built_is_not_built(version: str, name: str) -> None:
    assert wire(version, name) is None
    assert any(one.version == version and one.type == name for one in examples())


def test_what_is_said_to_be_at_fault_exists() -> None:
    assert set(AT_FAULT) <= {(one.version, one.file) for one in REST}


# --- what surrounds the records


def answer(data: Any) -> Answer:
    """A partner's answer with this body."""
    return Answer(200, CIMultiDictProxy(CIMultiDict()), encode(data))


@pytest.mark.parametrize("one", params(MESSAGES))
def test_messages_are_read_and_written_back_equal(one: Example) -> None:
    data = loads(one.path.read_bytes())
    if one.told == "ResponseFormat":  # the example of an error
        with pytest.raises(Refusal) as refused:
            reply(answer(data))
        assert refused.value.code == str(data["status_code"])
        assert data["status_message"] in refused.value.because
        return
    if one.told.startswith("ResponseFormat<"):
        told = loads(reply(answer(data)).data or b"")
        written = loads(success(encode(told), data.get("status_message")))
        assert records.normal({**written, "timestamp": data["timestamp"]}) == records.normal(data)
        data = told
    read = reader(wire(one.version, one.type))
    for item in data if isinstance(data, list) else [data]:
        found = read(encode(item))
        assert (found.unknown, found.repairs) == ([], [])
        assert records.normal(loads(encode(found.value))) == records.normal(item)


# --- changes (PATCH) and fragments: read as part of a whole one


WHOLE = {
    ("2.1.1", "Location"): "mod_locations_06.json", ("2.1.1", "Session"): "mod_sessions_03.json",
    ("2.1.1", "Tariff"): "mod_tariffs_03.json", ("2.1.1", "Token"): "mod_tokens_01.json",
    **{(version, name): file for version in ("2.2.1", "2.3.0") for name, file in {
        "Location": "location_example.json", "Session": "session_example_2_short_finished.json",
        "Token": "token_example_2_full_rfid.json"}.items()},
}  # fmt: skip
"""A whole example of each type that there are changes of."""


def changed(one: Example, change: dict[str, Any]) -> tuple[str, Any]:
    """The kind of record, and a whole record with the change in it."""
    kind = "Location" if one.type in ("EVSE", "Connector") or one.completeness == "fragment" else one.type
    whole = loads((SPEC / one.version / WHOLE[one.version, kind]).read_bytes())
    part = whole
    if one.type in ("EVSE", "Connector"):
        part = part["evses"][0]
    if one.type == "Connector":
        part = part["connectors"][0]
    part |= change
    return records.KINDS[kind], whole


@pytest.mark.parametrize("one", params(CHANGES))
def test_changes_and_fragments_are_read_and_written_back_equal(one: Example) -> None:
    kind, whole = changed(one, loads(one.path.read_bytes()))
    entry = registry.find(f"ocpi-{one.version}", kind)
    read: Any = walk(entry.mapping.wire, whole)
    assert (read.unknown, read.repairs) == ([], [])
    bound = entry.mapping.bind(Settings(), entry.format)
    canonical, lost = bound.to_canon(read.value)
    back, gone = bound.to_wire(canonical)
    assert [*lost, *gone] == []
    assert records.normal(loads(encode(back))) == records.normal(whole)


# --- examples of the extensions that differ from the version's


@pytest.mark.parametrize("one", params(REST))
def test_examples_of_the_extensions_that_differ_are_at_fault_in_the_way_that_is_named(one: Example) -> None:
    data = loads(one.path.read_bytes())
    _, path, because = AT_FAULT[one.version, one.file]
    read: Any = walk(wire(one.core, one.type), data)
    assert [(at, told) for at, _, told in read.repairs][:1] == [(path, because)]
    for evse in data["evses"]:
        evse.pop("parking", None)
    assert records.normal(loads(encode(read.value))) == records.normal(data)


# --- the examples of a token, by the server


async def test_the_examples_of_a_token_are_taken_and_changed_by_the_server() -> None:
    put, patch = (json.loads((SPEC / "2.2.1" / name).read_text()) for name in ("token_put_example.json", "token_patch_example.json"))
    owner = f"{put['country_code']}/{put['party_id']}"
    async with ow.world() as world:
        await world.store.save("emsp", registered())
        await world.add(parties=frozenset({owner.replace("/", "*")}))
        call, path = Caller(world), f"/ocpi/2.2.1/receiver/tokens/{owner}/{put['uid']}?type={put['type']}"
        assert (await call("PUT", path, put)).status == 201
        assert (await call("PATCH", path, patch)).status == 200
        told = await call("GET", path)
        assert (told.status, records.normal(told.json["data"])) == (200, records.normal({**put, **patch}))
