"""The simulated Hubject is as strict as its documents: field tables, identities, transactions, plausibility."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer, unused_port
from click.testing import CliRunner

from bridge.errors import ConfigError
from bridge.oicp.adapter import OicpPartner
from bridge.oicp.config import OicpConfig, client_tls
from bridge.roaming.ports import Delivered, Kind, Op, Retry
from bridge.simulate import hubject
from bridge.simulate import hubject_fields as f
from bridge.simulate.hubject_hub import HubSettings
from tests.protocol.oicp_world import CARD, NOW, OPERATOR, SETTINGS, SHARED, World, cdr, jobs, location, present, status, world

DATA = "/evsepush/v23/operators/DE*ABC/data-records"
STATUS = "/evsepush/v21/operators/DE*ABC/status-records"
START = "/charging/v21/operators/DE*ABC/authorize/start"
STOP = "/charging/v21/operators/DE*ABC/authorize/stop"
CDR = "/cdrmgmt/v22/operators/DE*ABC/charge-detail-record"
NOTIFY = "/notificationmgmt/v11/charging-notifications"
PRODUCTS = "/dynamicpricing/v10/operators/DE*ABC/pricing-products"
PRICES = "/dynamicpricing/v10/operators/DE*ABC/evse-pricing"

Hub = TestClient[web.Request, web.Application]


async def post(client: Hub, path: str, body: Any, kind: str = "application/json") -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.post("/api/oicp" + path, data=data, headers={"Content-Type": kind}) as answer:
        assert answer.headers["Process-ID"]
        return answer.status, await answer.json()


def record(here: World, n: int = 1) -> dict[str, Any]:
    (one,) = here.partner.encode(Kind.LOCATION, location(n))
    found: dict[str, Any] = json.loads(one.body)
    return found


def push(action: str, *records: dict[str, Any], **more: Any) -> dict[str, Any]:
    data = {"OperatorID": OPERATOR, "OperatorName": "ABC", "EvseDataRecord": list(records), **more}
    return {"ActionType": action, "OperatorEvseData": data}


def bill(here: World, session_id: str, **more: Any) -> dict[str, Any]:
    (one,) = here.partner.encode(Kind.CDR, cdr(session_id))
    return {**json.loads(one.body), **more}


async def opened(here: World) -> str:
    _, answer = await post(here.client, START, {
        "OperatorID": OPERATOR, "SessionID": "00000000-0000-0000-0000-000000000000",
        "Identification": {"RFIDMifareFamilyIdentification": {"UID": CARD}}})  # fmt: skip
    assert answer["SessionID"] != "00000000-0000-0000-0000-000000000000", "the SessionID that was sent is ignored"
    return str(answer["SessionID"])


# --- field tables ---------------------------------------------------------------------------------------------------

EXAMPLES: dict[int, tuple[str, set[str]]] = {
    1: (DATA, set()),
    3: (STATUS, set()),
    # five identifications at once, a UID of nine characters, placeholders in the PIN
    5: (START, {"identification", "identification.rfidMifareFamilyIdentification.uid", "identification.rfidIdentification",
                "identification.qrCodeIdentification.hashedPIN", "identification.qrCodeIdentification.hashedPIN.value"}),
    # the same, and a PartnerProductID that the table does not have
    7: (STOP, {"identification", "identification.rfidMifareFamilyIdentification.uid", "identification.rfidIdentification",
               "identification.qrCodeIdentification.hashedPIN", "identification.qrCodeIdentification.hashedPIN.value",
               "partnerProductID"}),
    # five identifications, SessionID and EvcoID are "string"
    13: (CDR, {"identification", "identification.qrCodeIdentification.evcoID", "sessionID",
               "identification.qrCodeIdentification.hashedPIN.value"}),
    19: (PRICES, set()),
    21: (PRODUCTS, set()),
}  # fmt: skip


@pytest.mark.spec
@pytest.mark.parametrize("number", EXAMPLES)
async def test_hubjects_examples_are_taken_or_their_own_faults_named(number: int) -> None:
    present()
    (file,) = (SHARED / "spec" / "oicp" / "2.3" / "examples").glob(f"cpo_{number:02}_*request.json")
    path, faults = EXAMPLES[number]
    async with TestClient(TestServer(hubject.application(HubSettings({OPERATOR: ("DE*XYZ",)})))) as client:
        status, answer = await post(client, path, file.read_bytes())
        if faults:
            assert status == 400
            assert {one["fieldReference"] for one in answer["validationErrors"]} == faults
        else:
            assert (status, answer["Result"]) == (200, True)


@pytest.mark.spec
@pytest.mark.parametrize("number", [23, 25, 27, 29])
async def test_hubjects_notifications_have_no_faults_but_an_unknown_session(number: int) -> None:
    present()
    (file,) = (SHARED / "spec" / "oicp" / "2.3" / "examples").glob(f"cpo_{number:02}_*request.json")
    async with TestClient(TestServer(hubject.application(HubSettings({OPERATOR: ("DE*XYZ",)})))) as client:
        status, answer = await post(client, NOTIFY, file.read_bytes())
        assert (status, answer["StatusCode"]["Code"]) == (200, "400")


@pytest.mark.spec
def test_the_tables_have_the_names_of_the_specification() -> None:
    """No field is missing in our tables, none invented, and what is mandatory is so in both."""
    official = json.loads((present() / "spec" / "oicp" / "2.3" / "fields.json").read_text(encoding="utf-8"))
    mine = {
        "EvseDataRecordType": f.EVSE, "AddressIso19773Type": f.ADDRESS, "ChargingFacilityType": f.FACILITY,
        "EvseStatusRecordType": f.STATUS, "eRoamingAuthorizeStart": f.AUTHORIZE_START, "eRoamingAuthorizeStop": f.AUTHORIZE_STOP,
        "eRoamingChargeDetailRecord": f.CHARGE_DETAIL_RECORD, "PricingProductDataRecordType": f.PRODUCT,
        "eRoamingChargingNotifications Start": f.NOTIFICATIONS["Start"], "InfoTextType": f.INFO,
        "eRoamingChargingNotifications Progress": f.NOTIFICATIONS["Progress"],
        "eRoamingChargingNotifications End": f.NOTIFICATIONS["End"],
        "eRoamingChargingNotifications Error": f.NOTIFICATIONS["Error"],
        "eRoamingAcknowledgement": f.ACKNOWLEDGEMENT, "IdentificationType": f.IDENTIFICATION, "StatusCodeType": f.STATUS_CODE,
    }  # fmt: skip
    for name, table in mine.items():
        rows = {row["name"]: row["cardinality"] for row in official[name]}
        assert set(table.must) == {n for n, c in rows.items() if c.startswith("M") and c != "M/O"}, name
        assert set(table.must) | set(table.may) == set(rows), name


@pytest.mark.parametrize(("change", "place"), [
    (("HotlinePhoneNumber", "030 123"), "hotlinePhoneNumber"), (("HotlinePhoneNumber", None), "hotlinePhoneNumber"),
    (("Plugs", []), "plugs"), (("Plugs", ["type 2 outlet"]), "plugs[0]"), (("evseid", "DE*ABC*E1"), "evseid"),
    (("RenewableEnergy", "true"), "renewableEnergy"), (("DynamicInfoAvailable", True), "dynamicInfoAvailable"),
    (("IsOpen24Hours", False), "openingTimes"), (("PaymentOptions", ["No Payment", "Contract"]), "paymentOptions"),
    (("ChargingStationNames", [{"lang": "de", "value": "x" * 151}]), "chargingStationNames[0].value"),
    (("ChargingStationNames", [{"lang": None, "value": "x"}]), "chargingStationNames[0].lang"),
    (("EvseID", "de*abc*e1"), "evseID"), (("lastUpdate", "2026-05-04T12:00:00"), "lastUpdate"), (("MaxCapacity", 1.5), "maxCapacity"),
    (("GeoCoordinates", {"Google": {"Coordinates": "52.5200081 13.4"}}), "geoCoordinates.google.coordinates"),
    (("GeoCoordinates", {}), "geoCoordinates"), (("Address", "Berlin"), "address"), (("Plugs", "CHAdeMO"), "plugs"),
])  # fmt: skip
async def test_each_rule_of_a_record(change: tuple[str, Any], place: str) -> None:
    async with world() as here:
        good = record(here)
        assert (await post(here.client, DATA, push("insert", good)))[1]["Result"] is True
        status, answer = await post(here.client, DATA, push("fullLoad", {**good, change[0]: change[1]}))
        assert status == 400
        assert [one["fieldReference"] for one in answer["validationErrors"]] == [f"operatorEvseData.evseDataRecord[0].{place}"]
        assert sorted(here.hub.evses[OPERATOR]) == ["DE*ABC*E1"], "nothing was changed"
        here.sent.clear()


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"ActionType":NaN}', b'{"ActionType":"insert","ActionType":"insert"}', b"\xff", b"[" * 50_000]
)
async def test_what_is_no_message(body: bytes) -> None:
    async with TestClient(TestServer(hubject.application())) as client:
        status, answer = await post(client, DATA, body)
        assert status == 400
        assert answer["validationErrors"]


async def test_content_type_and_unknown_paths() -> None:
    async with TestClient(TestServer(hubject.application())) as client:
        assert (await post(client, DATA, {}, "text/plain"))[0] == 400
        assert (await post(client, "/evsepush/v22/operators/DE*ABC/data-records", {}))[0] == 404


# --- identities -----------------------------------------------------------------------------------------------------


async def test_identities_are_compared_with_the_certificate() -> None:
    async with world() as here:
        for path, operator in ((DATA, "DE*QQQ"), (DATA, "DEABC"), (DATA.replace("DE*ABC", "DE*QQQ"), "DE*QQQ")):
            status, answer = await post(here.client, path, push("insert", record(here), OperatorID=operator))
            assert (status, answer["StatusCode"]["Code"]) == (401, "017")
        for evse_id in ("DE*QQQ*E1", "DEABCE1"):
            status, answer = await post(here.client, DATA, push("insert", {**record(here), "EvseID": evse_id}))
            assert (status, answer["Result"], answer["StatusCode"]["Code"]) == (200, False, "018")
        assert len((await here.report())["rejections"]) == 5


# --- transactions ---------------------------------------------------------------------------------------------------


async def test_pushes_are_all_or_nothing() -> None:
    async with world() as here:
        one, two, three = (record(here, n) for n in (1, 2, 3))

        async def act(action: str, *records: dict[str, Any]) -> tuple[bool, list[str]]:
            _, answer = await post(here.client, DATA, push(action, *records))
            return answer["Result"], sorted(i[-1] for i in here.hub.evses.get(OPERATOR, {}))

        assert await act("insert", one, two) == (True, ["1", "2"])
        assert await act("insert", two, three) == (False, ["1", "2"])
        assert await act("update", one, three) == (False, ["1", "2"])
        assert await act("delete", one, three) == (False, ["1", "2"])
        assert await act("insert", three, copy.deepcopy(three)) == (False, ["1", "2"])
        assert await act("fullLoad", three) == (True, ["3"])
        report = await here.report()
        assert (len(report["aborts"]), len(report["rejections"]), report["alarms"]) == (3, 1, [])
        assert await act("fullLoad") == (True, [])
        assert (await here.report())["alarms"] == ["an empty fullLoad deleted all 1 EVSEs of DE*ABC"]


# --- sessions -------------------------------------------------------------------------------------------------------


async def test_incompatible_and_unknown_evses() -> None:
    async with world() as here:
        question = {"OperatorID": OPERATOR, "EvseID": "DE*ABC*E1", "Identification": {"RFIDMifareFamilyIdentification": {"UID": CARD}}}
        assert (await post(here.client, START, question))[1]["AuthorizationStatus"] == "Authorized"
        await post(here.client, DATA, push("insert", {**record(here), "IsHubjectCompatible": False}))
        for evse_id, code in (("DE*ABC*E1", "604"), ("DE*ABC*E2", "603"), ("DE*QQQ*E1", "018")):
            _, answer = await post(here.client, START, {**question, "EvseID": evse_id})
            assert (answer["AuthorizationStatus"], answer["StatusCode"]["Code"]) == ("NotAuthorized", code)
            assert answer["SessionID"] is None


async def test_stop_is_by_the_medium_that_started() -> None:
    async with world() as here:
        session_id = await opened(here)
        question = {"OperatorID": OPERATOR, "SessionID": session_id,
                    "Identification": {"RFIDMifareFamilyIdentification": {"UID": CARD}}}  # fmt: skip
        assert (await post(here.client, STOP, question))[1]["AuthorizationStatus"] == "Authorized"
        other = {**question, "Identification": {"RFIDMifareFamilyIdentification": {"UID": "04AAAAAA"}}}
        assert (await post(here.client, STOP, other))[1]["AuthorizationStatus"] == "NotAuthorized"


@pytest.mark.parametrize(("change", "code"), [
    ({"ConsumedEnergy": 1000.5, "MeterValueStart": None}, "022"), ({"ConsumedEnergy": -1, "MeterValueStart": None}, "022"),
    ({"ChargingEnd": "2026-05-04T10:00:00Z"}, "022"), ({"SessionEnd": "2026-05-04T13:00:00Z"}, "022"),
    ({"MeterValueEnd": 99, "ConsumedEnergy": 0}, "022"), ({"ConsumedEnergy": 12}, "022"),
    ({"SessionID": "f98efba4-02d8-4fa0-b810-9a9d50d2c527"}, "400"), ({"EvseID": "DE*QQQ*E1"}, "018"),
    ({"Identification": {"RemoteIdentification": {"EvcoID": "DE-XYZ-C12345678-X"}}}, "019"),
])  # fmt: skip
async def test_implausible_charge_detail_records(change: dict[str, Any], code: str) -> None:
    async with world() as here:
        session_id = await opened(here)
        status, answer = await post(here.client, CDR, bill(here, session_id, **change))
        assert (status, answer["Result"], answer["StatusCode"]["Code"]) == (200, False, code)
        assert here.hub.cdrs == {}
        assert (await post(here.client, CDR, bill(here, session_id)))[1]["Result"] is True


async def test_decimals_and_times_of_a_charge_detail_record() -> None:
    async with world() as here:
        session_id = await opened(here)
        for change, place in (({"ConsumedEnergy": 12.3451}, "consumedEnergy"), ({"SessionEnd": "2026-05-04 12:00"}, "sessionEnd"),
                              ({"ConsumedEnergy": "12.345"}, "consumedEnergy"), ({"HubProviderID": "D"}, "hubProviderID"),
                              ({"MeterValueInBetween": [101]}, "meterValueInBetween")):  # fmt: skip
            status, answer = await post(here.client, CDR, bill(here, session_id, **change))
            assert status == 400
            assert [one["fieldReference"] for one in answer["validationErrors"]] == [place]
        here.sent.clear()


async def test_one_charge_detail_record_per_session() -> None:
    async with world() as here:
        session_id = await opened(here)
        first = bill(here, session_id)
        assert (await post(here.client, CDR, first))[1]["SessionID"] == session_id
        _, again = await post(here.client, CDR, first)
        assert (again["Result"], again["StatusCode"]["Code"]) == (False, "400")
        await post(here.client, CDR, {**first, "ConsumedEnergy": 1, "MeterValueEnd": 101})
        report = await here.report()
        assert [one["same_bytes"] for one in report["duplicates"]] == [True, False]
        assert len(report["rejections"]) == 1, "other bytes under the same SessionID are a fault"
        assert report["cdrs"][0]["ConsumedEnergy"] == 12.345


async def test_signed_values_are_demanded_where_the_evse_promises_them() -> None:
    async with world() as here:
        await post(here.client, DATA, push("insert", {**record(here), "CalibrationLawDataAvailability": "External"}))
        session_id = await opened(here)
        assert (await post(here.client, CDR, bill(here, session_id)))[1]["StatusCode"]["Code"] == "022"
        signed = [{"SignedMeteringValue": "OCMF|{}|{}", "MeteringStatus": "End"}]
        assert (await post(here.client, CDR, bill(here, session_id, SignedMeteringValues=signed)))[1]["Result"] is True


async def test_progress_too_often_is_remarked() -> None:
    async with world() as here:
        session_id = await opened(here)
        told = {"Type": "Progress", "SessionID": session_id, "EvseID": "DE*ABC*E1", "OperatorID": OPERATOR,
                "ChargingStart": "2026-05-04T11:30:00Z", "EventOccurred": "2026-05-04T11:40:00Z", "ConsumedEnergyProgress": 1}  # fmt: skip
        for later, remarks in ((0, 0), (301, 0), (400, 1)):
            here.now[0] = NOW + timedelta(seconds=later)
            assert (await post(here.client, NOTIFY, told))[1]["Result"] is True
            assert len((await here.report())["remarks"]) == remarks
        del told["ConsumedEnergyProgress"]
        status, answer = await post(here.client, NOTIFY, told)
        assert (status, answer["validationErrors"][0]["fieldReference"]) == (400, "chargingDuration")
        here.sent.clear()


# --- faults, steering -----------------------------------------------------------------------------------------------


async def test_faults_are_counted_and_aimed() -> None:
    async with world() as here:
        await here.sim("faults", status=500, count=1, only="authorize/start")
        assert await here.partner.deliver(Kind.LOCATION, jobs(here.partner, Kind.LOCATION, Op.INSERT, location(1)))
        async with here.client.post("/api/oicp" + START, json={}) as answer:
            assert answer.status == 500
        assert (await post(here.client, START, {}))[0] == 400
        report = await here.report()
        assert report["received"] == {"data-records": 1, "authorize/start": 2}
        here.sent.clear()


async def test_a_wish_that_is_none() -> None:
    async with TestClient(TestServer(hubject.application())) as client:
        for body in (b"{", b"[]", b"{}"):
            async with client.post("/_sim/remote-start", data=body) as answer:
                assert answer.status == 400


async def test_a_driver_can_be_added() -> None:
    async with world() as here:
        await here.sim("driver", uid="04aaaaaa", provider_id="DE-DCB", code="210")
        question = {"OperatorID": OPERATOR, "Identification": {"RFIDMifareFamilyIdentification": {"UID": "04AAAAAA"}}}
        assert (await post(here.client, START, question))[1]["StatusCode"]["Code"] == "210"


async def test_remote_start_without_a_bridge_is_told() -> None:
    async with world("http://127.0.0.1:9") as here:
        start = await here.sim("remote-start", evse_id="DE*ABC*E1", provider_id="DE-DCB", evco_id="DE-DCB-C12345678-X")
        assert (start["http_status"], start["answer"]) == (None, None)
        assert start["faults"] == ["no answer: ClientConnectorError"]


def test_the_command_explains_itself_and_checks_its_drivers() -> None:
    runner = CliRunner()
    assert "DE*ABC" in runner.invoke(hubject.command, ["--help"]).output
    wrong = runner.invoke(hubject.command, ["--driver", "DE-DCB"])
    assert wrong.exit_code == 2
    assert "PROVIDER=UID" in wrong.output


async def test_it_serves_by_itself() -> None:
    port, ready = unused_port(), asyncio.Event()
    task = asyncio.create_task(hubject.serve("127.0.0.1", port, ready=ready))
    await asyncio.wait_for(ready.wait(), 5)
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}/_sim/report") as answer:
        assert (await answer.json())["rejections"] == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- how the bridge's client is configured ----------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "key"), [
    ({"url": "ftp://x"}, "url"), ({"url": "http://hub.example/api/oicp"}, "url"), ({"operator_id": "ABC"}, "operator_id"),
    ({"operator_name": ""}, "operator_name"), ({"batch": 0}, "batch"),
])  # fmt: skip
def test_configuration_is_checked(change: dict[str, Any], key: str) -> None:
    good: dict[str, Any] = {"name": "h", "url": "https://h/api/oicp", "operator_id": "+49*536", "operator_name": "ABC"}
    assert OicpConfig(**good)
    with pytest.raises(ConfigError) as why:
        OicpConfig(**{**good, **change})
    assert why.value.key == key


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Three self-signed certificates for this machine, with their keys."""
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl, which is not here")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    for name in ("hub", "bridge", "stranger"):
        files = ["-keyout", str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.pem")]
        subprocess.run(["openssl", "req", *kind, *files, *subject], check=True, capture_output=True)
    return tmp_path


async def test_mutual_tls(certificates: Path) -> None:
    """Hubject asks for the operator's client certificate, and the bridge for a server that its CA vouches for."""
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "bridge.pem"))
    server_tls.load_cert_chain(certificates / "hub.pem", certificates / "hub.key")
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server = TestServer(hubject.application(), scheme="https")
    await server.start_server(ssl=server_tls)
    try:
        for name, ca, taken in (("bridge", "hub", True), ("stranger", "hub", False), ("bridge", "stranger", False)):
            tls = client_tls(*(str(certificates / f"{name}.{end}") for end in ("pem", "key")), ca=str(certificates / f"{ca}.pem"))
            partner = OicpPartner(OicpConfig("h", str(server.make_url("/api/oicp")), OPERATOR, "ABC", settings=SETTINGS, tls=tls))
            (outcome,) = await partner.deliver(Kind.STATUS, jobs(partner, Kind.STATUS, Op.INSERT, status()))
            assert isinstance(outcome, Delivered if taken else Retry), (name, ca, outcome)
            await partner.close()
    finally:
        await server.close()


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for certificate, ca, key in ((tmp_path / "none.pem", None, "tls.certificate"), (tmp_path / "empty.pem", None, "tls.certificate"),
                                 (tmp_path / "empty.pem", tmp_path / "none.pem", "tls.ca")):  # fmt: skip
        with pytest.raises(ConfigError) as why:
            client_tls(str(certificate), str(certificate), ca=str(ca) if ca else None)
        assert why.value.key == key
