"""The simulated clearing house: strict, and understood by a client that is not ours (zeep, from our WSDL)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import zeep
import zeep.transports
import zeep.wsse.username
from click.testing import CliRunner
from lxml import etree
from requests import Session

import wsdl
from bridge.codec import soap
from bridge.roaming.ports import Kind
from bridge.simulate import clearing_house
from bridge.simulate.clearing_house_world import load
from bridge.transport import wssecurity
from tests.protocol.ochp_cases import (
    CONTRACT,
    LIVE,
    NS,
    PASSWORD,
    SERVICE,
    UID,
    Running,
    body_of,
    cdr,
    encoded,
    judge,
    live,
    running,
    tariff,
)


@pytest.fixture
async def chs() -> AsyncIterator[Running]:
    """A clearing house with its charge point operator."""
    async with running() as made:
        yield made


# --- zeep: a client that knows nothing of this bridge


@contextmanager
def zeep_client(chs: Running, user: str, password: str, *, served: bool = False) -> Iterator[Any]:
    """Proxies of the main and the live service, from our WSDL file or from the one that the simulator serves."""
    with Session() as session:
        source = f"{chs.url(SERVICE)}?wsdl" if served else str(wsdl.path("ochp-1.4.wsdl"))
        untyped: Any = zeep
        security = untyped.wsse.username.UsernameToken(user, password)
        client = untyped.Client(source, wsse=security, transport=untyped.transports.Transport(session=session))
        yield (
            client.create_service(f"{{{NS}}}eCHS-OCHP_1.4", chs.url(SERVICE)),
            client.create_service(f"{{{NS}}}eCHS-OCHP_1.4-live", chs.url(LIVE)),
        )


ACCOUNTS = {"cpo": PASSWORD, "emp": "emp-secret", "nsp": "nsp-secret"}
POINT = {
    "evseId": "DE*ABC*E00001", "locationId": "L1", "locationName": "Am <Fluß> & Co", "locationNameLang": "DEU",
    "chargePointAddress": {"address": "Uferstraße", "houseNumber": "12A", "city": "Köln", "zipCode": "50667", "country": "DEU"},
    "chargePointLocation": {"lat": "50.937531", "lon": "6.960279"}, "location": {"GeneralLocationType": "on-street"},
    "authMethods": [{"AuthMethodType": "RfidMifareCls"}], "chargePointType": "AC",
    "connectors": [{"connectorStandard": {"ConnectorStandard": "IEC_62196_T2"}, "connectorFormat": {"ConnectorFormat": "Socket"}}],
}  # fmt: skip
BILL = {
    "CdrId": "DEABC1", "evseId": "DE*ABC*E00001", "emtId": {"instance": UID, "tokenType": "rfid", "representation": "plain"},
    "contractId": CONTRACT, "status": {"CdrStatusType": "new"},
    "startDateTime": {"LocalDateTime": "2026-05-04T12:00:00+02:00"}, "endDateTime": {"LocalDateTime": "2026-05-04T13:00:00+02:00"},
    "chargePointAddress": POINT["chargePointAddress"], "chargePointType": "AC", "connectorType": POINT["connectors"][0],  # type: ignore[index]
    "chargingPeriods": [{"startDateTime": {"LocalDateTime": "2026-05-04T12:00:00+02:00"},
                         "endDateTime": {"LocalDateTime": "2026-05-04T13:00:00+02:00"},
                         "billingItem": {"BillingItemType": "energy"}, "billingValue": 10, "itemPrice": 0.5, "periodCost": 5}],
    "totalCost": 5, "currency": "EUR",
}  # fmt: skip
UTC_2030 = {"DateTime": "2030-01-01T00:00:00Z"}
LONG_AGO = {"DateTime": "2000-01-01T00:00:00Z"}


def code(answer: Any) -> str:
    """The result code of an answer, which zeep gives as the answer itself where nothing else is in it."""
    result = getattr(answer, "result", None) or answer
    return str(result.resultCode.resultCode)


async def test_zeep_as_operator_provider_and_navigator(chs: Running) -> None:
    await asyncio.to_thread(_operator_and_provider, chs)
    report = await chs.report()
    assert report["rejections"] == []
    assert [(c["id"], c["status"], c["received"]) for c in report["cdrs"]] == [("DEABC1", "approved", 2)]
    assert report["received"]["AddCDRs"] == 2
    assert report["statuses"] == {"DE*ABC*E00001": "available/available"}


def _operator_and_provider(chs: Running) -> None:
    with (
        zeep_client(chs, "emp", ACCOUNTS["emp"], served=True) as (provider, provider_live),
        zeep_client(chs, "cpo", ACCOUNTS["cpo"]) as (operator, operator_live),
        zeep_client(chs, "nsp", ACCOUNTS["nsp"]) as (navigator, _),
    ):
        token = {"EmtId": {"instance": "0411223344", "tokenType": "rfid"}, "contractId": CONTRACT, "expiryDate": UTC_2030}
        assert code(provider.UpdateRoamingAuthorisationList([token])) == "ok"
        tokens = operator.GetRoamingAuthorisationList()
        assert sorted(t.EmtId.instance for t in tokens.roamingAuthorisationInfoArray) == ["0411223344", UID]
        assert len(operator.GetRoamingAuthorisationListUpdates(LONG_AGO).roamingAuthorisationInfo) == 2
        assert operator.GetRoamingAuthorisationListUpdates(UTC_2030).roamingAuthorisationInfo == []
        one = operator.GetSingleRoamingAuthorisation({"instance": UID, "tokenType": "rfid"})
        assert one.roamingAuthorisationInfo.contractId == CONTRACT

        assert code(operator.SetChargepointList([POINT])) == "ok"
        assert code(operator.UpdateChargePointList([{**POINT, "evseId": "DEABCE00002"}])) == "ok"
        assert [p.evseId for p in navigator.GetChargePointList().chargePointInfoArray] == ["DE*ABC*E00001", "DEABCE00002"]
        assert navigator.GetChargePointListUpdates(UTC_2030).chargePointInfoArray == []
        assert code(operator_live.UpdateStatus([{"evseId": "DE*ABC*E00001", "major": "available", "minor": "available"}])) == "ok"
        status = provider_live.GetStatus()
        assert [(s.evseId, s.major, s.minor) for s in status.evse] == [("DE*ABC*E00001", "available", "available")]

        price = {"priceComponent": {"billingItem": {"BillingItemType": "energy"}, "itemPrice": 0.5, "stepSize": 0},
                 "tariffRestriction": {}}  # fmt: skip
        mine = {"tariffElement": [price], "recipient": ["DEEMP"], "currency": "EUR"}
        theirs = {"tariffElement": [price], "recipient": ["NLTNM"], "currency": "EUR"}
        assert code(operator.UpdateTariffs([{"tariffId": "DE*ABC*T1", "individualTariff": [mine, theirs]}])) == "ok"
        shown = provider.GetTariffUpdates().TariffInfoArray
        assert [[i.recipient for i in t.individualTariff] for t in shown] == [[["DEEMP"]]]

        for _ in range(2):
            assert code(operator.AddCDRs([BILL])) == "ok"
        waiting = provider.GetCDRs().cdrInfoArray
        assert [(c.CdrId, c.status.CdrStatusType) for c in waiting] == [("DEABC1", "accepted")]
        assert code(provider.ConfirmCDRs(declined=[{"cdrId": "DEABC1", "evseId": "DE*ABC*E00001"}])) == "ok"
        assert [c.status.CdrStatusType for c in operator.CheckCDRs().cdrInfoArray] == ["declined"]
        assert provider.GetCDRs().cdrInfoArray == []
        chs.house.world.cdrs[("DEABC1", "DEABCE00001")].status = "accepted"
        assert code(provider.ConfirmCDRs(approved=[{"cdrId": "DEABC1", "evseId": "DE*ABC*E00001"}])) == "ok"
        assert [c.status.CdrStatusType for c in operator.CheckCDRs({"CdrStatusType": "approved"}).cdrInfoArray] == ["approved"]


async def test_zeep_understands_our_refusals(chs: Running) -> None:
    def calls() -> tuple[str, str, str]:
        with zeep_client(chs, "cpo", "wrong") as (service, live_service):
            refused = code(service.CheckCDRs())
            with pytest.raises(zeep.exceptions.Fault) as caught:
                live_service.GetStatus()
        with zeep_client(chs, "cpo", ACCOUNTS["cpo"]) as (service, _):
            implausible = service.AddCDRs([{**BILL, "CdrId": "NOTMINE1"}])
        return refused, str(caught.value.code), ",".join(implausible.implausibleCdrsArray)

    refused, fault, implausible = await asyncio.to_thread(calls)
    assert refused == "not-authorized"
    assert fault.endswith("FailedAuthentication")
    assert implausible == "NOTMINE1"
    assert len((await chs.report())["rejections"]) == 3


# --- strictness, by hand


async def send(chs: Running, body: bytes | str, *, path: str = SERVICE, action: str | None = "", user: str = "cpo",
               password: str | None = None, raw: bool = False, **more: Any) -> tuple[int, Any]:  # fmt: skip
    """One message by hand: status, and the body element of the answer."""
    body = body.encode() if isinstance(body, str) else body
    header = wssecurity.header(user, ACCOUNTS.get(user, "") if password is None else password)
    data = body if raw else soap.envelope(body, header)
    if action == "":
        name = etree.fromstring(body).tag.rpartition("}")[2]
        action = clearing_house.actions()[path].get(name, "none")
    headers = {"Content-Type": "text/xml; charset=utf-8", **({"SOAPAction": f'"{action}"'} if action else {}), **more.pop("headers", {})}
    async with aiohttp.ClientSession() as session, session.post(chs.url(path), data=more.pop("data", data), headers=headers) as response:
        answer = await response.read()
        return response.status, body_of(answer)


def result(answer: Any) -> str:
    """The result code in an answer's body element."""
    return str(answer.findtext(f".//{{{NS}}}resultCode/{{{NS}}}resultCode"))


def fault_code(answer: Any) -> str:
    """The code of a fault."""
    assert answer.tag == f"{{{soap.SOAP}}}Fault", etree.tostring(answer)
    return str(answer.findtext("faultcode")).rpartition(":")[2]


EMPTY = f'<GetRoamingAuthorisationListRequest xmlns="{NS}"/>'


async def test_the_soap_action_has_to_be_the_operations(chs: Running) -> None:
    assert (await send(chs, EMPTY))[0] == 200
    for action in (None, "http://ochp.eu/1.4/CheckCDRs", "http://ochp.eu/1.3/GetRoamingAuthorisationList"):
        status, answer = await send(chs, EMPTY, action=action)
        assert (status, fault_code(answer)) == (500, "Client")
    assert len((await chs.report())["rejections"]) == 3


async def test_the_misspelt_operation_keeps_its_spelling(chs: Running) -> None:
    actions = clearing_house.actions()
    assert actions[SERVICE]["SetChargePointListRequest"] == "http://ochp.eu/1.4/SetChargepointList"
    assert actions[LIVE] == {
        "UpdateStatusRequest": "http://ochp.e-clearing.net/service/UpdateStatus",
        "GetStatusRequest": "http://ochp.e-clearing.net/service/GetStatus",
    }


async def test_http_is_checked(chs: Running) -> None:
    assert (await send(chs, EMPTY, headers={"Content-Type": "application/soap+xml"}))[0] == 415

    async def pieces() -> AsyncIterator[bytes]:
        yield soap.envelope(EMPTY.encode(), wssecurity.header("cpo", PASSWORD))

    assert (await send(chs, EMPTY, data=pieces()))[0] == 411
    async with aiohttp.ClientSession() as session, session.get(chs.url(SERVICE)) as response:
        assert response.status == 405


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<!DOCTYPE x []>" + soap.envelope(EMPTY.encode()), "Client"),
        (b"no xml", "Client"),
        (soap.envelope(EMPTY.encode()).replace(soap.SOAP.encode(), soap.SOAP_12.encode()), "VersionMismatch"),
        (soap.envelope(EMPTY.encode(), '<t:R xmlns:t="urn:t" soapenv:mustUnderstand="1"/>'), "MustUnderstand"),
        (soap.envelope(b""), "Client"),
        (soap.envelope(EMPTY.encode() * 2), "Client"),
        (soap.envelope(EMPTY.encode()), "InvalidSecurity"),
    ],
)
async def test_the_envelope_is_checked(chs: Running, data: bytes, expected: str) -> None:
    status, answer = await send(chs, data, raw=True, action="http://ochp.eu/1.4/GetRoamingAuthorisationList")
    assert (status, fault_code(answer)) == (500, expected)
    assert len((await chs.report())["rejections"]) == 1


@pytest.mark.parametrize(("user", "password"), [("cpo", "wrong"), ("nobody", "x"), ("cpo", "")])
async def test_wrong_credentials(chs: Running, user: str, password: str) -> None:
    status, answer = await send(chs, EMPTY, user=user, password=password)
    assert (status, result(answer)) == (200, "not-authorized")
    assert "wrong" in (await chs.report())["rejections"][0]["reason"]
    assert PASSWORD not in str(await chs.report())


async def test_everybody_has_a_role(chs: Running) -> None:
    _, answer = await send(chs, EMPTY, user="emp")
    assert result(answer) == "not-authorized"
    _, answer = await send(chs, f'<GetCDRsRequest xmlns="{NS}"/>')
    assert result(answer) == "not-authorized"


async def test_operations_belong_to_an_address(chs: Running) -> None:
    body = f'<UpdateStatusRequest xmlns="{NS}"/>'
    assert fault_code((await send(chs, body, action="http://ochp.e-clearing.net/service/UpdateStatus"))[1]) == "Client"
    assert result((await send(chs, body, path=LIVE))[1]) == "ok"
    assert fault_code((await send(chs, '<CheckCDRsRequest xmlns="http://ochp.eu/1.3"/>', action="x"))[1]) == "Client"


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (Kind.CDR, b"<CdrId>DEABC000001", b"<CdrId>deabc1"),
        (Kind.CDR, b"<currency>EUR</currency>", b""),
        (Kind.CDR, b"+02:00</LocalDateTime>", b"Z</LocalDateTime>"),
        (Kind.CDR, b"2026-05-04T12:00:00+02:00", b"2026-02-30T12:00:00+02:00"),
        (Kind.TARIFF, b"<stepSize>0</stepSize>", b""),
        (Kind.STATUS, b'minor="charging"', b'minor="asleep"'),
        (Kind.STATUS, b'major="not-available"', b'major="available"'),
    ],
)
async def test_what_the_schema_or_the_text_forbids_is_a_format_error(chs: Running, kind: Kind, old: bytes, new: bytes) -> None:
    await chs.publish(1)
    job = encoded(chs.partner, kind, {Kind.CDR: cdr(), Kind.TARIFF: tariff(), Kind.STATUS: live()}[kind])[0]
    operation = {Kind.CDR: "AddCDRs", Kind.TARIFF: "UpdateTariffs", Kind.STATUS: "UpdateStatus"}[kind]
    assert old in job.body
    body = soap.element(f"{operation}Request", NS, (job.body.replace(old, new),))
    _, answer = await send(chs, body, path=LIVE if kind is Kind.STATUS else SERVICE)
    assert result(answer) == "format"
    report = await chs.report()
    assert report["cdrs"] == []
    assert (report["tariffs"], report["statuses"]) == ([], {})
    assert {r["operation"] for r in report["rejections"]} == {operation}


async def test_a_full_upload_replaces_only_ones_own(chs: Running) -> None:
    await chs.publish(1, 2)
    world = chs.house.world
    world.charge_points["DEXXXE1"] = type(world.charge_points["DEABCE00001"])(None, "DEXXX", datetime.now(UTC))
    only = chs.requests[0][2].replace(b"UpdateChargePointList", b"SetChargePointList")
    body = body_of(only)
    body.remove(body[1])
    assert result((await send(chs, etree.tostring(body)))[1]) == "ok"
    assert set(world.charge_points) == {"DEABCE00001", "DEXXXE1"}


# --- the life of a CDR


async def add(chs: Running, body: bytes) -> tuple[str, list[str]]:
    _, answer = await send(chs, soap.element("AddCDRsRequest", NS, (body,)))
    return result(answer), [str(e.text) for e in answer.iterfind(f"{{{NS}}}implausibleCdrsArray")]


async def test_the_life_of_a_cdr(chs: Running) -> None:
    await chs.publish(1)
    new = encoded(chs.partner, Kind.CDR, cdr())[0].body
    revised = new.replace(b"<CdrStatusType>new", b"<CdrStatusType>revised")
    rejected = new.replace(b"<CdrStatusType>new", b"<CdrStatusType>rejected")
    assert await add(chs, revised) == ("partly", ["DEABC000001"]), "nothing to revise yet"
    assert await add(chs, new) == ("ok", [])
    assert await add(chs, new) == ("ok", []), "the same again is recognised"
    assert await add(chs, new.replace(b"4.90", b"4.900")) == ("partly", ["DEABC000001"]), "the same id, other content"
    assert await add(chs, rejected) == ("partly", ["DEABC000001"]), "only what was declined can be waived"
    assert await add(chs, revised) == ("ok", []), "an accepted CDR can be revised"
    assert [(c["status"], c["received"]) for c in (await chs.report())["cdrs"]] == [("revised", 5)]
    await chs.post("/_sim/cdrs", {"id": "DEABC000001", "status": "declined"})
    assert await add(chs, rejected) == ("ok", [])
    assert await add(chs, revised) == ("partly", ["DEABC000001"]), "waived for good"
    assert [c["status"] for c in (await chs.report())["cdrs"]] == ["rejected"]


@pytest.mark.parametrize(
    ("old", "new", "because"),
    [
        (b"<CdrId>DEABC", b"<CdrId>FRABC", "five characters"),
        (b"<evseId>DE*ABC*E00001", b"<evseId>DE*ABC*E00009", "no such charge point"),
        (b"<evseId>DE*ABC*E00001", b"<evseId>DE*XXX*E00001", "does not belong"),
        (b"<contractId>DE-EMP-C12345678-5", b"<contractId>DE-EMP-C87654321-5", "another contract"),
        (b"<contractId>DE-EMP", b"<contractId>FR-EMP", "no provider FREMP"),
        (b"<instance>04", b"<instance>05", "no roaming list"),
        (b"<periodCost>4.90", b"<periodCost>5.90", "is not 10 x 0.49"),
        (b"<totalCost>4.90", b"<totalCost>5.90", "not the sum"),
        (b"<currency>EUR", b"<currency>eur", "ISO 4217"),
        (b"<endDateTime><LocalDateTime>2026-05-04T13", b"<endDateTime><LocalDateTime>2026-05-04T11", "ends before"),
        (b"<endDateTime><LocalDateTime>2026-05-04T13", b"<endDateTime><LocalDateTime>2027-05-04T13", "future"),
    ],
)
async def test_implausible_cdrs(chs: Running, old: bytes, new: bytes, because: str) -> None:
    await chs.publish(1)
    body = encoded(chs.partner, Kind.CDR, cdr())[0].body
    assert old in body
    spoilt = body.replace(old, new)
    ident = spoilt.partition(b"<CdrId>")[2].partition(b"<")[0].decode()
    assert await add(chs, spoilt) == ("partly", [ident])
    report = await chs.report()
    assert report["cdrs"] == []
    assert because in report["rejections"][0]["reason"]


# --- live status, faults, the command


async def test_a_status_is_unknown_once_its_time_is_up(chs: Running) -> None:
    await chs.publish(1)
    body = (
        f'<UpdateStatusRequest xmlns="{NS}"><evse major="available" ttl="{{}}"><evseId>DE*ABC*E00001</evseId></evse></UpdateStatusRequest>'
    )
    for ttl, expected in (("2026-05-04T11:59:59Z", "unknown"), ("2026-05-04T12:05:00Z", "available")):
        assert result((await send(chs, body.format(ttl), path=LIVE))[1]) == "ok"
        assert (await chs.report())["statuses"] == {"DE*ABC*E00001": expected}
    _, answer = await send(chs, f'<GetStatusRequest xmlns="{NS}"/>', path=LIVE, user="nsp")
    assert [dict(e.attrib) for e in answer] == [{"major": "available", "ttl": "2026-05-04T12:05:00Z"}]


async def test_a_status_for_an_unknown_charge_point(chs: Running) -> None:
    body = f'<UpdateStatusRequest xmlns="{NS}"><evse major="available"><evseId>DE*ABC*E00001</evseId></evse></UpdateStatusRequest>'
    assert result((await send(chs, body, path=LIVE))[1]) == "invalid-id"


@pytest.mark.parametrize(
    ("given", "status", "found"),
    [({"status": 500}, 500, b"switched on"), ({"status": 429, "retry_after": 7}, 429, b""), ({"nonsense": True}, 200, b"nginx"),
     ({"result": "server"}, 200, b"<resultCode>server<"), ({"fault": "Server"}, 500, b"soapenv:Server")],
)  # fmt: skip
async def test_faults_are_switched_on_for_some_requests(chs: Running, given: dict[str, Any], status: int, found: bytes) -> None:
    await chs.post("/_sim/faults", {**given, "count": 2, "operation": "GetRoamingAuthorisationList"})
    header = wssecurity.header("cpo", PASSWORD)
    headers = {"Content-Type": "text/xml", "SOAPAction": "http://ochp.eu/1.4/GetRoamingAuthorisationList"}
    seen = []
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(chs.url(SERVICE), data=soap.envelope(EMPTY.encode(), header), headers=headers) as response:
                seen.append((response.status, found in await response.read(), response.headers.get("Retry-After")))
    after = "7" if given.get("retry_after") else None
    assert seen[:2] == [(status, True, after)] * 2
    assert seen[2][0] == 200
    assert (await chs.report())["rejections"] == []


async def test_tokens_can_be_added_and_revoked(chs: Running) -> None:
    assert await chs.post("/_sim/tokens", {"provider": "NL-TNM", "tokens": [{"uid": "0455", "contract": "NLTNMC12345678"}]}) == {
        "added": 1, "revoked": 0}  # fmt: skip
    assert await chs.post("/_sim/tokens", {"provider": "DE-EMP", "revoke": [UID.lower(), "none"]}) == {"added": 0, "revoked": 1}
    assert "error" in await chs.post("/_sim/tokens", {"provider": "DE-EMP", "tokens": [{"uid": "1", "contract": "NLTNMC12345678"}]})
    assert "error" in await chs.post("/_sim/faults", {"no such fault": 1})
    assert "error" in await chs.post("/_sim/cdrs", {"id": "nope", "status": "approved"})


def test_a_world_is_read_from_json() -> None:
    world = load('{"accounts": [{"user": "e", "password": "p", "role": "MDM", "ids": ["DE-EMP"], "tokens": [{"uid": "04AA", '
                 '"contract": "DE-EMP-C12345678-5"}]}]}')  # fmt: skip
    assert (list(world.accounts), len(world.tokens)) == (["e"], 1)
    with pytest.raises(ValueError, match="missing password"):
        load('{"accounts": [{"user": "e", "role": "MDM", "ids": []}]}')
    with pytest.raises(ValueError, match="role"):
        load('{"accounts": [{"user": "e", "password": "p", "role": "X", "ids": []}]}')


def test_the_command_says_what_is_wrong() -> None:
    outcome = CliRunner().invoke(clearing_house.command, ["--token", "04AA=NL-TNM-C12345678-5"])
    assert outcome.exit_code == 2
    assert "does not belong to DE-EMP" in outcome.output


async def test_it_serves_until_it_is_stopped() -> None:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    house = clearing_house.ClearingHouse(clearing_house.example(tokens=(f"{UID}={CONTRACT}",)))
    task = asyncio.create_task(clearing_house.serve("127.0.0.1", 0, house, address.set_result))
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{await address}/_sim/report") as response:
            assert (await response.json())["tokens"] == 1
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.spec
async def test_its_answers_are_valid_by_the_official_schema(chs: Running) -> None:
    verdict = judge()
    await chs.publish(1)
    since = "<lastUpdate><DateTime>2000-01-01T00:00:00Z</DateTime></lastUpdate>"
    updates = f'<GetRoamingAuthorisationListUpdatesRequest xmlns="{NS}">{since}</GetRoamingAuthorisationListUpdatesRequest>'
    for body, user, path in (
        (EMPTY, "cpo", SERVICE),
        (updates, "cpo", SERVICE),
        (f'<GetChargePointListRequest xmlns="{NS}"/>', "nsp", SERVICE),
        (f'<CheckCDRsRequest xmlns="{NS}"/>', "cpo", SERVICE),
        (f'<GetStatusRequest xmlns="{NS}"/>', "nsp", LIVE),
    ):  # fmt: skip
        status, answer = await send(chs, body, user=user, path=path)
        assert (status, verdict.ochp("1.4", answer)) == (200, [])
