"""The simulated eMSP is as strict as it says: what it takes, what it rejects and how, and what it can be made to do."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from bridge.model.command import CommandOutcome, CommandResult
from bridge.roaming.ports import Kind
from bridge.simulate.emsp import application, command, serve
from bridge.simulate.emsp_state import CommandSent, Emsp
from bridge.simulate.ocpi_party import VERSIONS
from bridge.simulate.ocpi_rules import faults, moment
from bridge.simulate.ocpi_tables import OPEN, enums, objects
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import canonical

OURS = "operator-token"
BELOW = "/ocpi/2.2.1"
ROLE = {"role": "CPO", "business_details": {"name": "Example"}, "party_id": "ABC", "country_code": "DE"}


class Operator:
    """An operator that has registered and sends what it likes."""

    def __init__(self, client: TestClient[Any, Any], emsp: Emsp) -> None:
        self.client = client
        self.emsp = emsp
        self.headers: dict[str, str | None] = {}

    async def __call__(self, method: str, path: str, body: Any = None, **params: str) -> tuple[int, Any, Any]:
        headers: dict[str, str | None] = {"Authorization": "Token " + base64.b64encode(OURS.encode()).decode(), "X-Request-ID": "r",
                                          "X-Correlation-ID": "c"}  # fmt: skip
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        sent = {name: value for name, value in (headers | self.headers).items() if value is not None}
        async with self.client.request(method, path, data=data, headers=sent, params=params) as answer:
            return answer.status, await answer.json(), answer.headers

    async def code(self, method: str, path: str, body: Any = None, **params: str) -> tuple[int, int]:
        """HTTP status and OCPI status code."""
        status, envelope, _ = await self(method, path, body, **params)
        return status, envelope["status_code"]

    async def rejected(self, method: str, path: str, body: Any = None) -> str:
        """The reason of a message that has to be rejected with 2001, and recorded."""
        before = len(self.emsp.rejections)
        status, envelope, _ = await self(method, path, body)
        assert (status, envelope["status_code"]) == (200, 2001), envelope
        assert len(self.emsp.rejections) == before + 1
        assert self.emsp.rejections[-1]["because"] == envelope["status_message"]
        return str(envelope["status_message"])


@pytest.fixture
async def emsp() -> AsyncIterator[Operator]:
    state = Emsp(tokens=5, unlisted=2, token_a=ow.TOKEN_A)
    state.ours, state.theirs, state.roles, state.confirmed = [OURS], "theirs", [ROLE], True
    async with TestClient(TestServer(application(state))) as client:
        yield Operator(client, state)


# --- its tables are the specification's


@pytest.mark.spec
@pytest.mark.parametrize("version", VERSIONS)
def test_its_tables_are_the_official_ones(version: str) -> None:
    fields = json.loads(ow.shared("spec", "ocpi", version, "fields.json").read_text())
    named = json.loads(ow.shared("spec", "ocpi", version, "enums.json").read_text())
    meta = json.loads(ow.shared("spec", "ocpi", version, "meta.json").read_text())["enums"]
    kinds = {"URL": "url", "DateTime": "time", "number": "number", "int": "int", "boolean": "bool"}
    for name, text in objects(version).items():
        ours = set(text.split())
        theirs = set()
        for one in fields[name]:
            limit = one.get("max_length") or 255
            text_kind = {"CiString": f"ci{limit}", "string": f"s{limit}"}.get(one["base"])
            kind = text_kind or kinds.get(one["base"], one["base"])
            many = "?" if one.get("choice") else one["cardinality"].replace("1", "")
            theirs.add(f"{one['name']}:{kind}{many}")
        assert {_known(version, field) for field in ours} == theirs, name
    for name, text in enums(version).items():
        assert set(text.split()) == set(named[name]), name
    if version == "2.3.0":
        assert {name for name, told in meta.items() if told.get("open")} - {"CommandType"} == OPEN


def _known(version: str, field: str) -> str:
    """The table of 2.1.1 has one regular_hours, its text and example several."""
    return "regular_hours:RegularHours?" if (version, field) == ("2.1.1", "regular_hours:RegularHours*") else field


@pytest.mark.spec
@pytest.mark.parametrize(("version", "most"), [("2.1.1", 8), ("2.2.1", 40), ("2.3.0", 40)])
def test_it_finds_fault_with_the_specifications_examples_where_they_are_faulty(version: str, most: int) -> None:
    folder = ow.shared("spec", "ocpi", version)
    seen = 0
    for example in json.loads((folder / "index.json").read_text())["examples"]:
        if example["object_type"] not in objects(version):
            continue
        value = json.loads((folder / example["file"]).read_text())
        partial = example["completeness"] != "full"
        found = [f for one in (value if isinstance(value, list) else [value])
                 for f in faults(example["object_type"], one, partial=partial, version=version)]  # fmt: skip
        found = [fault for fault in found if "'BE' is no country" not in fault]  # a fault of 2.1.1's that its tables cannot show
        assert bool(found) != example["schema_clean"], (example["file"], found)
        seen += 1
    assert seen > most


@pytest.mark.parametrize(("text", "good"), [
    ("2026-11-01T10:00:00Z", True), ("2026-11-01T10:00:00", True), ("2026-11-01T10:00:00.123Z", True),
    ("2026-11-01T10:00:00+00:00", False), ("2026-11-01T10:00:00+01:00", False), ("2026-11-01 10:00:00Z", False),
    ("2026-13-01T10:00:00Z", False), ("2026-11-01", False),
])  # fmt: skip
def test_times(text: str, good: bool) -> None:
    assert (moment(text) is not None) is good


# --- the door


@pytest.mark.parametrize("header", [None, "Token", "Token " + OURS, "token b3BlcmF0b3ItdG9rZW4=", "Token  b3BlcmF0b3ItdG9rZW4=",
                                    "Token b3BlcmF0b3ItdG9rZW4K", "Token d3Jvbmc="])  # fmt: skip
async def test_credentials_have_to_be_exact(emsp: Operator, header: str | None) -> None:
    emsp.headers["Authorization"] = header
    assert await emsp.code("GET", f"{BELOW}/tokens") == (401, 2000)
    assert emsp.emsp.rejections[-1]["status"] == 401


async def test_token_a_is_good_for_registration_only(emsp: Operator) -> None:
    emsp.emsp.confirmed = False
    emsp.headers["Authorization"] = "Token " + base64.b64encode(ow.TOKEN_A.encode()).decode()
    assert await emsp.code("GET", "/ocpi/versions") == (200, 1000)
    assert await emsp.code("GET", f"{BELOW}/tokens") == (401, 2000)


async def test_headers_that_are_needed_and_that_fit(emsp: Operator) -> None:
    for name in ("X-Request-ID", "X-Correlation-ID"):
        emsp.headers = {name: None}
        assert name in await emsp.rejected("GET", f"{BELOW}/tokens")
    emsp.headers = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "EMS", "OCPI-from-country-code": "DE", "OCPI-from-party-id": "ABC"}
    status, _, headers = await emsp("GET", f"{BELOW}/tokens")
    assert (status, headers["OCPI-to-party-id"], headers["OCPI-from-party-id"]) == (200, "ABC", "EMS")
    assert "configuration" in await emsp.rejected("GET", "/ocpi/versions")
    emsp.headers["OCPI-from-party-id"] = "XYZ"
    assert "none of your roles" in await emsp.rejected("GET", f"{BELOW}/tokens")
    emsp.headers["OCPI-to-party-id"] = "XYZ"
    assert await emsp.code("GET", f"{BELOW}/tokens") == (200, 4001)
    emsp.headers = {"Content-Type": "text/plain"}
    assert "Content-Type" in await emsp.rejected("PUT", f"{BELOW}/tariffs/DE/ABC/T1", ow.tariff())


async def test_invalid_json_wrong_methods_and_paths(emsp: Operator) -> None:
    for body in (b"{", b'{"id": NaN}', b'{"id": "1", "id": "1"}', b"\xff"):
        assert await emsp.code("PUT", f"{BELOW}/tariffs/DE/ABC/T1", body) == (400, 2001)
    assert await emsp.code("POST", f"{BELOW}/tariffs/DE/ABC/T1", {}) == (405, 2000)
    assert await emsp.code("PATCH", f"{BELOW}/cdrs/1", {}) == (405, 2000)
    assert await emsp.code("GET", f"{BELOW}/bookings") == (404, 2000)
    assert len(emsp.emsp.rejections) == 7


# --- objects

LOCATION = f"{BELOW}/locations/DE/ABC/LOC1"


@pytest.mark.parametrize(("change", "told"), [
    ({"city": None}, "city: missing"), ({"city": "x" * 46}, "city: 46 characters, at most 45"),
    ({"floor": "1"}, "floor: unknown to Location"), ({"publish": "true"}, "publish: true or false expected"),
    ({"country": "DE"}, "country: 'DE' is no country"), ({"last_updated": "2026-11-01T10:00:00+01:00"}, "last_updated"),
    ({"coordinates": {"latitude": "52.5", "longitude": "13.404954"}}, "coordinates.latitude"),
    ({"parking_type": "FIELD"}, "parking_type: 'FIELD' is no ParkingType"), ({"id": "LOC2"}, "id: 'LOC2' differs"),
    ({"party_id": "XYZ"}, "party_id: 'XYZ' differs"), ({"images": {}}, "images: a list expected"),
    ({"opening_times": {"twentyfourseven": False}}, "opening_times: regular_hours"),
    ({"evses": [ow.evse(connectors=[])]}, "connectors: missing"), ({"evses": [ow.evse(), ow.evse()]}, "the same uid twice"),
    ({"publish_allowed_to": [{"uid": "1"}]}, "type: needed with uid"), ({"name": ""}, "name: empty"),
    ({"evses": [ow.evse(last_updated="2026-11-02T10:00:00Z")]}, "older than that of an EVSE"),
    ({"operator": {"name": "A", "website": "www.a.example"}}, "operator.website"),
    ({"evses": [ow.evse(evse_id=None)]}, "evse_id"),
])  # fmt: skip
async def test_a_location_that_is_wrong(emsp: Operator, change: dict[str, Any], told: str) -> None:
    assert told in await emsp.rejected("PUT", LOCATION, ow.location(**change))
    assert emsp.emsp.locations == {}


async def test_locations_and_their_parts(emsp: Operator) -> None:
    assert await emsp.code("PATCH", f"{LOCATION}/ELOC11", {"status": "CHARGING", "last_updated": "2026-11-01T11:00:00Z"}) == (404, 2003)
    assert await emsp.code("PUT", LOCATION, ow.location()) == (201, 1000)
    assert await emsp.code("PUT", LOCATION, ow.location()) == (200, 1000)
    assert "last_updated" in await emsp.rejected("PATCH", f"{LOCATION}/ELOC11", {"status": "CHARGING"})
    assert "unknown to EVSE" in await emsp.rejected("PATCH", f"{LOCATION}/ELOC11", {"state": "x", "last_updated": "2026-11-01T11:00:00Z"})
    assert await emsp.code("PATCH", f"{LOCATION}/eloc11", {"status": "CHARGING", "last_updated": "2026-11-01T11:00:00Z"}) == (200, 1000)
    held = emsp.emsp.locations["DE", "ABC", "LOC1"]
    assert (held["evses"][0]["status"], held["last_updated"]) == ("CHARGING", "2026-11-01T11:00:00Z")
    assert await emsp.code("PUT", f"{LOCATION}/E9", ow.evse("E9", last_updated="2026-11-01T12:00:00Z")) == (201, 1000)
    assert held["last_updated"] == "2026-11-01T12:00:00Z"
    assert await emsp.code("PUT", f"{LOCATION}/E9/1", ow.CONNECTOR) == (200, 1000)
    assert "differs" in await emsp.rejected("PUT", f"{LOCATION}/E8", ow.evse("E9"))
    assert (await emsp("GET", f"{LOCATION}/E9/1"))[1]["data"] == ow.CONNECTOR
    assert await emsp.code("GET", f"{LOCATION}/E9/2") == (404, 2003)
    assert "E9 was left out" in await emsp.rejected("PUT", LOCATION, ow.location(last_updated="2026-11-01T12:00:00Z"))
    assert "already" in await emsp.rejected("PUT", f"{BELOW}/locations/DE/ABC/LOC2", ow.location("LOC2", evses=[ow.evse("E9")]))
    assert await emsp.code("PUT", f"{BELOW}/locations/DE/XYZ/LOC2", ow.location("LOC2", party_id="XYZ")) == (404, 2001)
    assert emsp.emsp.received["status"] == 1


async def test_tariffs(emsp: Operator) -> None:
    url = f"{BELOW}/tariffs/DE/ABC/T1"
    assert await emsp.code("DELETE", url) == (404, 2000)
    assert await emsp.code("PUT", url, ow.tariff()) == (201, 1000)
    assert (await emsp("GET", url))[1]["data"] == ow.tariff()
    element = {"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}], "restrictions": {"reservation": "RESERVATION"}}
    assert "FLAT and TIME only" in await emsp.rejected("PUT", url, ow.tariff(elements=[element]))
    assert "elements: missing" in await emsp.rejected("PUT", url, ow.tariff(elements=[]))
    assert await emsp.code("DELETE", url) == (200, 1000)
    assert emsp.emsp.tariffs == {}


async def test_sessions(emsp: Operator) -> None:
    url, of = f"{BELOW}/sessions/DE/ABC/S1", ow.token(emsp.emsp)
    await emsp("PUT", LOCATION, ow.location())
    assert await emsp.code("PUT", url, ow.session(of)) == (201, 1000)
    for change, told in (
        ({"evse_uid": "EX"}, "evse_uid: EX is not in location"), ({"kwh": "1"}, "kwh: a number expected"),
        ({"auth_method": "COMMAND"}, "reference: missing"), ({"authorization_reference": "made-up"}, "none that was given"),
        ({"cdr_token": of | {"uid": "04FF"}}, "none of our tokens"), ({"status": "COMPLETED"}, "end_date_time: needed"),
        ({"cdr_token": of | {"contract_id": "C"}}, "contract_id: not that of the token"),
    ):  # fmt: skip
        assert told in await emsp.rejected("PUT", url, ow.session(of, **change))
    period = {"start_date_time": "2026-11-01T12:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1}]}
    later = "2026-11-01T12:20:00Z"
    assert await emsp.code("PATCH", url, {"kwh": 2, "charging_periods": [period], "last_updated": later}) == (200, 1000)
    assert await emsp.code("PATCH", url, {"kwh": 3, "charging_periods": [period], "last_updated": later}) == (200, 1000)
    held = (await emsp("GET", url))[1]["data"]
    assert (held["kwh"], len(held["charging_periods"])) == (3, 2)
    done = ow.session(of, status="COMPLETED", end_date_time="2026-11-01T13:00:00Z", last_updated="2026-11-01T13:00:00Z", kwh=1)
    assert await emsp.code("PUT", url, done) == (200, 1000)
    assert emsp.emsp.warnings == ["session S1: kwh fell from 3 to 1"]
    assert "final" in await emsp.rejected("PUT", url, ow.session(of))


async def test_cdrs(emsp: Operator) -> None:
    url, of = f"{BELOW}/cdrs", ow.token(emsp.emsp)
    status, envelope, headers = await emsp("POST", url, ow.cdr(of))
    assert (status, envelope["status_code"]) == (201, 1000)
    where = headers["Location"]
    status, envelope, headers = await emsp("POST", url, ow.cdr(of))
    assert (status, envelope["status_code"], headers["Location"]) == (200, 1000, where)
    assert (await emsp("GET", where.removeprefix(emsp.emsp.url)))[1]["data"] == ow.cdr(of)
    assert await emsp.code("GET", f"{BELOW}/cdrs/7") == (404, 2000)
    power = {"start_date_time": "2026-11-01T12:00:00Z", "dimensions": [{"type": "POWER", "volume": 1}]}
    for change, told in (
        ({"total_energy": 9}, "already exists with another content"), ({"id": "x" * 37}, "at most 36"),
        ({"party_id": "XYZ"}, "none of your roles"), ({"id": "C2", "charging_periods": []}, "charging_periods: missing"),
        ({"id": "C2", "charging_periods": [power]}, "POWER is for sessions only"),
        ({"id": "C2", "total_cost": "4.5"}, "total_cost: Price expected"),
        ({"id": "C2", "end_date_time": "2026-11-01T11:00:00Z"}, "before start"),
        ({"id": "C2", "credit": True}, "credit_reference_id: needed"), ({"id": "C2", "credit_reference_id": "C1"}, "only in a credit CDR"),
        ({"id": "C2", "credit": True, "credit_reference_id": "C1"}, "total_cost: not the original's, negated"),
        ({"id": "C2", "credit": True, "credit_reference_id": "C9", "total_cost": {"excl_vat": -4.5, "incl_vat": -5.36}}, "no such CDR"),
    ):  # fmt: skip
        assert told in await emsp.rejected("POST", url, ow.cdr(of, **change))
    credit = {"credit": True, "credit_reference_id": "C1", "total_cost": {"excl_vat": -4.5, "incl_vat": -5.36}}
    wrong = ow.cdr(of, "C1-CREDIT", total_energy=11, **credit)
    assert "total_energy: not as in the original" in await emsp.rejected("POST", url, wrong)
    assert await emsp.code("POST", url, ow.cdr(of, "C1-CREDIT", **credit)) == (201, 1000)
    assert (emsp.emsp.received["cdr"], emsp.emsp.received["cdr_repeat"], len(emsp.emsp.cdrs)) == (2, 1, 2)


async def test_tokens_come_in_pages(emsp: Operator) -> None:
    emsp.emsp.page_limit = 3
    _, envelope, headers = await emsp("GET", f"{BELOW}/tokens")
    assert (len(envelope["data"]), headers["X-Total-Count"], headers["X-Limit"]) == (3, "5", "3")
    assert headers["Link"] == f'<{emsp.emsp.url}{BELOW}/tokens?offset=3&limit=3>; rel="next"'
    _, envelope, headers = await emsp("GET", f"{BELOW}/tokens", offset="3")
    assert (len(envelope["data"]), "Link" in headers) == (2, False)
    assert faults("Token", envelope["data"][0]) == []
    assert await emsp.code("GET", f"{BELOW}/tokens", page="2") == (200, 2001)
    assert await emsp.code("GET", f"{BELOW}/tokens", offset="-1") == (200, 2001)
    assert (await emsp("GET", f"{BELOW}/tokens", date_from="2100-01-01T00:00:00Z"))[1]["data"] == []


async def test_authorisation(emsp: Operator) -> None:
    uids = [token["uid"] for token in emsp.emsp.known.values()]
    assert await emsp.code("POST", f"{BELOW}/tokens/04FF/authorize") == (404, 2004)
    assert emsp.emsp.rejections == []
    said = (await emsp("POST", f"{BELOW}/tokens/{uids[6]}/authorize", type="RFID"))[1]["data"]
    assert (said["allowed"], said["token"]["uid"]) == ("ALLOWED", uids[6])
    assert said["authorization_reference"] in emsp.emsp.references[uids[6]]
    url = f"{BELOW}/tokens/{uids[0]}/authorize"
    assert await emsp.code("POST", url, {"location_id": "LOC1"}) == (200, 2003)
    await emsp("PUT", LOCATION, ow.location())
    assert await emsp.code("POST", url, {"location_id": "LOC1", "evse_uids": ["EX"]}) == (200, 2003)
    asked = {"location_id": "LOC1", "evse_uids": ["ELOC11"]}
    assert (await emsp("POST", url, asked))[1]["data"]["location"] == asked
    assert "type" in (await emsp("POST", url, type="CARD"))[1]["status_message"]
    assert "location_id: missing" in await emsp.rejected("POST", url, {"evse_uids": ["E"]})


async def test_parties_that_are_reached_through_the_operator(emsp: Operator) -> None:
    url, told = f"{BELOW}/hubclientinfo/DE/XYZ", {"country_code": "DE", "party_id": "XYZ", "role": "CPO", "status": "CONNECTED"}
    info = told | {"last_updated": "2026-11-01T12:00:00Z"}
    assert await emsp.code("GET", url) == (404, 2000)
    assert "last_updated: missing" in await emsp.rejected("PUT", url, told)
    assert "no ConnectionStatus" in await emsp.rejected("PUT", url, info | {"status": "ONLINE"})
    assert "differ from those in the URL" in await emsp.rejected("PUT", url, info | {"party_id": "ABC"})
    assert emsp.emsp.reached == {}
    assert await emsp.code("PUT", url, info) == (201, 1000)
    assert await emsp.code("PUT", url, info | {"status": "OFFLINE"}) == (200, 1000)
    assert "older than before" in await emsp.rejected("PUT", url, info | {"last_updated": "2026-11-01T11:59:59Z"})
    assert (await emsp("GET", url))[1]["data"] == info | {"status": "OFFLINE"}


async def test_parties_behind_it_are_told_by_a_hub_alone(emsp: Operator) -> None:
    info = {"country_code": "DE", "party_id": "XYZ", "role": "EMSP", "status": "PLANNED", "last_updated": "2026-11-01T12:00:00Z"}
    emsp.emsp.behind["DE", "XYZ", "EMSP"] = info
    assert await emsp.code("GET", f"{BELOW}/hubclientinfo") == (404, 2000)
    emsp.emsp.hub = True
    status, envelope, headers = await emsp("GET", f"{BELOW}/hubclientinfo")
    assert (status, envelope["data"], headers["X-Total-Count"]) == (200, [info], "1")
    assert (await emsp("GET", f"{BELOW}/hubclientinfo", date_from="2026-11-01T12:00:01Z"))[1]["data"] == []


# --- what it can be made to do


async def test_results_and_plans_of_charging_profiles(emsp: Operator) -> None:
    accepted = {"result": "ACCEPTED"}
    for ident, kind, response in (("p", "PUT", accepted), ("g", "GET", accepted), ("x", "DELETE", {"result": "TOO_OFTEN"})):
        emsp.emsp.commands[ident] = CommandSent(ident, kind, response, session="S1")
    results, plans = f"{BELOW}/chargingprofiles/results", f"{BELOW}/chargingprofiles/S1"
    period = {"start_period": 0, "limit": 16}
    profile = {"charging_rate_unit": "A", "duration": 900, "charging_profile_period": [period]}
    plan = {"start_date_time": "2026-11-01T10:00:00Z", "charging_profile": profile}
    assert "no profile was set" in await emsp.rejected("PUT", plans, plan)
    assert await emsp.code("POST", f"{results}/unknown", accepted) == (404, 2001)
    assert "was not accepted" in await emsp.rejected("POST", f"{results}/x", accepted)
    assert "no ChargingProfileResultType" in await emsp.rejected("POST", f"{results}/p", {"result": "TIMEOUT"})
    assert "unknown to ChargingProfileResult" in await emsp.rejected("POST", f"{results}/p", accepted | {"profile": plan})
    assert "goes with ACCEPTED" in await emsp.rejected("POST", f"{results}/g", accepted)
    assert "from 0 on" in await emsp.rejected("POST", f"{results}/g", accepted | {"profile": plan | {
        "charging_profile": profile | {"charging_profile_period": [period | {"start_period": 5}]}}})  # fmt: skip
    for ident, result in (("p", accepted), ("g", accepted | {"profile": plan})):
        assert await emsp.code("POST", f"{results}/{ident}", result) == (200, 1000)
        assert "told already" in await emsp.rejected("POST", f"{results}/{ident}", result)
    assert "one digit" in await emsp.rejected("PUT", plans, plan | {
        "charging_profile": profile | {"charging_profile_period": [period | {"limit": 16.05}]}})  # fmt: skip
    assert await emsp.code("PUT", plans, plan) == (200, 1000)
    assert emsp.emsp.warnings == []
    assert await emsp.code("PUT", plans, plan | {"charging_profile": profile | {"duration": 60}}) == (200, 1000)
    assert len(emsp.emsp.warnings) == 1
    assert emsp.emsp.report()["plans"][0] == {"session_id": "S1", "profile": plan}


async def test_it_starts_and_stops_at_an_operator_and_hears_the_results() -> None:
    async with ow.world() as world:
        partner = await world.connect()
        (place,) = ow.jobs(partner, Kind.LOCATION, canonical("location", ow.location()))
        await partner.deliver(Kind.LOCATION, [place])
        uid = next(iter(world.emsp.known.values()))["uid"]
        where = {"location_id": "LOC1", "evse_uid": "ELOC11"}

        async def answering() -> None:
            await world.emsp.wait(lambda: any(c.response for c in world.emsp.commands.values()))
            address = world.core.commands[-1][2]
            assert address is not None
            await partner.outcome(address, CommandOutcome(CommandResult.ACCEPTED))

        answers = asyncio.create_task(answering())
        started = await world.sim("start", where | {"uid": uid}, timeout="5")
        await answers
        assert started["result"] == {"result": "ACCEPTED"}
        assert (await world.sim("stop", {"session_id": "S1"}))["response"]["result"] == "ACCEPTED"
        reserved = await world.sim("reserve", where | {"uid": uid, "reservation_id": "R1"})
        await world.sim("cancel", {"reservation_id": "R1"})
        await world.sim("unlock", where | {"connector_id": "1"})
        kinds = [c.kind.value for _, c, _ in world.core.commands]
        assert kinds == ["START_SESSION", "STOP_SESSION", "RESERVE_NOW", "CANCEL_RESERVATION", "UNLOCK_CONNECTOR"]
        reference = world.core.commands[0][1].authorization_reference
        assert reference in world.emsp.references[uid]
        assert world.emsp.commands[reserved["id"]].result is None
        assert (await world.sim("start", where | {"uid": "04FF"}, expect=404))["code"] == 2004
        assert world.rejected == []


async def test_it_pushes_tokens_and_pulls_lists_checking_them() -> None:
    async with ow.world() as world:
        partner = await world.connect()
        new = {"uid": "04AABBCC", "type": "RFID", "contract_id": "DE-EMS-C77777777", "issuer": "I", "valid": True, "whitelist": "ALWAYS"}
        assert await world.sim("token", new) == {"status": 201}
        assert await world.sim("patch", {"uid": "04AABBCC", "change": {"valid": False}}) == {"status": 200}
        assert [held.valid for held in world.core.held.values()] == [False]
        for i in range(5):
            (made,) = partner.encode(Kind.LOCATION, canonical("location", ow.location(f"L{i}")))
            world.core.keep(Kind.LOCATION, made)
        pulled = await world.sim("pull", {"module": "locations", "limit": 2})
        assert [o["id"] for o in pulled["objects"]] == ["L0", "L1", "L2", "L3", "L4"]
        assert (await world.sim("pull", {"module": "sessions"}))["objects"] == []
        assert world.rejected == []
        world.core.objects[Kind.LOCATION][0] = ("L0", world.core.objects[Kind.LOCATION][0][1], b'{"id":"L0"}')
        await world.sim("pull", {"module": "locations"})
        assert any("Location: city: missing" in told for told in world.rejected)


async def test_it_records_answers_that_are_wrong() -> None:
    from aiohttp import web

    async def versions(request: web.Request) -> web.Response:
        return web.Response(text='{"data": [], "status_code": 1000, "timestamp": "today"}', content_type="text/plain")

    app = web.Application()
    app.router.add_get("/versions", versions)
    async with TestServer(app) as server, ow.world() as world:
        said = await world.sim("register", {"url": str(server.make_url("/versions")), "token_a": "a"}, expect=502)
        assert said["code"] == 3002
        told = " ".join(world.rejected)
        for because in ("Content-Type text/plain", "X-Request-ID was not echoed", "timestamp"):
            assert because in told


@pytest.mark.parametrize(("fault", "status"), [({"status": 429, "retry_after": 3}, 429), ({"status": 500}, 500), ({"nonsense": True}, 200)])
async def test_faults_can_be_switched_on(emsp: Operator, fault: dict[str, Any], status: int) -> None:
    async with emsp.client.post("/_sim/faults", json=fault | {"count": 1, "only": "/tokens"}) as done:
        assert done.status == 200
    assert await emsp.code("GET", "/ocpi/versions") == (200, 1000)
    async with emsp.client.get(f"{BELOW}/tokens") as answer:
        assert answer.status == status
        assert answer.headers.get("Retry-After") == ("3" if status == 429 else None)
        assert b"status_code" not in await answer.read()
    assert await emsp.code("GET", f"{BELOW}/tokens") == (200, 1000)


async def test_an_answer_can_be_dropped_after_the_message_was_taken(emsp: Operator) -> None:
    await emsp.client.post("/_sim/faults", json={"drop_after_accept": True, "count": 1})
    with pytest.raises(aiohttp.ClientError):
        await emsp("POST", f"{BELOW}/cdrs", ow.cdr(ow.token(emsp.emsp)))
    assert emsp.emsp.received["cdr"] == 1
    assert (await emsp("POST", f"{BELOW}/cdrs", ow.cdr(ow.token(emsp.emsp))))[0] == 200


async def test_the_report_and_waiting_for_what_comes(emsp: Operator) -> None:
    of = ow.token(emsp.emsp)
    waiting = asyncio.create_task(emsp.client.get("/_sim/wait", params={"kind": "cdr", "count": "2", "timeout": "10"}).__aenter__())
    for ident in ("C1", "C2"):
        assert await emsp.code("POST", f"{BELOW}/cdrs", ow.cdr(of, ident)) == (201, 1000)
    report = await (await waiting).json()
    assert [c["cdr"]["id"] for c in report["cdrs"]] == ["C1", "C2"]
    assert (report["received"], report["rejections"], report["registered"]) == ({"cdr": 2}, [], True)
    async with emsp.client.get("/_sim/wait", params={"kind": "cdr", "count": "3", "timeout": "0.01"}) as late:
        assert late.status == 408
    async with emsp.client.get("/_sim/tokens") as tokens:
        assert [t["listed"] for t in await tokens.json()] == [True] * 5 + [False] * 2
    async with emsp.client.post("/_sim/start", json={"uid": 7}) as wrong:
        assert wrong.status == 400


async def test_it_is_served_on_a_port_of_its_own() -> None:
    state = Emsp(tokens=1)
    runner = await serve("127.0.0.1", 0, state)
    try:
        assert state.url.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as http, http.get(state.url + "/_sim/report") as answer:
            assert (await answer.json())["tokens"] == 11
    finally:
        await runner.cleanup()


def test_the_command_explains_itself() -> None:
    said = CliRunner().invoke(command, ["--help"])
    assert said.exit_code == 0
    assert "--whitelist" in said.output


def test_tokens_are_made_or_given_and_checked() -> None:
    made = list(Emsp(tokens=3, unlisted=0, whitelist=("ALLOWED", "NEVER")).known.values())
    assert [t["whitelist"] for t in made] == ["ALLOWED", "NEVER", "ALLOWED"]
    assert len({t["uid"] for t in made} | {t["uid"] for t in Emsp(party_id="OTH", tokens=3).known.values()}) == 16
    with pytest.raises(ValueError, match="issuer: missing"):
        Emsp(tokens=[made[0] | {"issuer": None}])
