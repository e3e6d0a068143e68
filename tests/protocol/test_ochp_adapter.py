"""The clearing house as a partner: what is sent, what outcomes mean, tokens in, against the strict simulator."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from attrs import evolve
from lxml import etree

from bridge.codec import soap
from bridge.errors import ConfigError, Declined, Refused, Unreachable
from bridge.mapping import Settings
from bridge.model.location import Status
from bridge.model.token import Allowed, Token, TokenKind
from bridge.ochp import codes
from bridge.ochp import wire as w
from bridge.ochp.adapter import OchpConfig, OchpPartner, routes
from bridge.roaming.ports import (
    AnswersAuthorisation,
    AuthorisationRequest,
    Delivered,
    ForgetsStatus,
    GivesTokens,
    Kind,
    Op,
    Outcome,
    Partner,
    Rejected,
    Retry,
)
from tests.protocol.ochp_cases import (
    CONTRACT,
    LIVE,
    NOW,
    NS,
    PASSWORD,
    SCHEMA,
    SERVICE,
    SETTINGS,
    UID,
    Running,
    body_of,
    cdr,
    encoded,
    evse,
    judge,
    live,
    location,
    running,
    tariff,
)

OBJECTS: dict[Kind, Any] = {
    Kind.LOCATION: location(evse(1), evse(2, Status.REMOVED)), Kind.STATUS: live(), Kind.TARIFF: tariff(), Kind.CDR: cdr(),
}  # fmt: skip
ELEMENTS = {
    Kind.LOCATION: "UpdateChargePointListRequest", Kind.STATUS: "UpdateStatusRequest", Kind.TARIFF: "UpdateTariffsRequest",
    Kind.CDR: "AddCDRsRequest",
}  # fmt: skip


@pytest.fixture
async def chs() -> AsyncIterator[Running]:
    """A clearing house and its partner."""
    async with running() as made:
        yield made


def offline(**changes: Any) -> OchpPartner:
    """A partner that is not connected."""
    made = OchpConfig(name="chs", url="http://127.0.0.1:1/service/ochp/v1.4", user="cpo", password="s3cret-pw",  # noqa: S106
                      operator_id="DE*ABC", settings=SETTINGS)  # fmt: skip
    return OchpPartner(evolve(made, **changes), clock=lambda: NOW)


async def all_tokens(partner: OchpPartner, since: datetime | None = None) -> list[Token]:
    return [token async for batch in partner.pull_tokens(since) for token in batch]


# --- what it is


def test_it_is_a_partner_that_answers_and_gives_tokens() -> None:
    partner = offline()
    assert isinstance(partner, Partner)
    assert isinstance(partner, AnswersAuthorisation)
    assert isinstance(partner, GivesTokens)
    assert (partner.name, partner.format) == ("chs", "ochp-1.4")
    assert partner.kinds == {Kind.LOCATION, Kind.STATUS, Kind.TARIFF, Kind.CDR}
    assert routes(None, {"chs": partner}) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("url", {"url": "echs.e-clearing.net"}),
        ("live_url", {"url": "https://h/ochp"}),
        ("live_url", {"live_url": "h"}),
        ("user", {"user": ""}),
        ("user", {"password": "a\x00"}),
        ("operator_id", {"operator_id": "?"}),
        ("cdr_batch", {"cdr_batch": 0}),
        ("status_ttl", {"status_ttl": -1.0}),
    ],
)
def test_configuration_names_the_key_that_is_wrong(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        offline(**changes)
    assert caught.value.key == key


def test_the_live_address_follows_from_the_main_one() -> None:
    assert offline().config.live_address == "http://127.0.0.1:1/live/ochp/v1.4"
    assert offline(live_url="https://x/y").config.live_address == "https://x/y"
    assert "s3cret-pw" not in repr(offline().config)


# --- what it writes


@pytest.mark.parametrize("kind", OBJECTS)
def test_records_are_valid_by_the_schema(kind: Kind) -> None:
    partner = offline()
    body = soap.element(ELEMENTS[kind], NS, (e.body for e in partner.encode(kind, OBJECTS[kind])))
    assert SCHEMA.validate(etree.fromstring(body)), SCHEMA.error_log


def test_a_location_is_one_record_per_evse() -> None:
    made = offline().encode(Kind.LOCATION, OBJECTS[Kind.LOCATION])
    assert [e.key for e in made] == ["DE*ABC*E00001", "DE*ABC*E00002"]
    assert b"<ChargePointStatusType>Operative" in made[0].body
    assert b"<ChargePointStatusType>Closed" in made[1].body
    assert {ident for e in made for ident, _ in e.losses} == {"DE*ABC*E00001", "DE*ABC*E00002"}


def test_evses_that_cannot_be_said_are_left_out_and_told() -> None:
    bad = evolve(evse(3), connectors=())
    made = offline().encode(Kind.LOCATION, location(bad, evse(1)))
    assert [e.key for e in made] == ["DE*ABC*E00001"]
    assert ("DE*ABC*E00003", "refused") in {(ident, loss.kind) for ident, loss in made[0].losses}
    with pytest.raises(Refused):
        offline().encode(Kind.LOCATION, location(bad))
    with pytest.raises(Refused, match="without EVSEs"):
        offline().encode(Kind.LOCATION, location())


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe", "\ud800"])
def test_characters_that_xml_cannot_hold_are_left_out_and_told(character: str) -> None:
    given = location(evse(1))
    city = f"K{character}ln"
    place = evolve(given.place, address=evolve(given.place.address, city=city))
    (made,) = offline().encode(Kind.LOCATION, evolve(given, place=place))
    assert b"<city>Kln</city>" in made.body
    told = [loss for _, loss in made.losses if loss.path == "place.address.city"]
    assert [(loss.kind, loss.value) for loss in told] == [("narrowed", city)]


async def test_nobody_is_asked_about_a_uid_that_xml_cannot_hold() -> None:
    asked = AuthorisationRequest("04A1\x00B2", TokenKind.RFID)
    assert (await offline().authorise(asked)).allowed is Allowed.NOT_ALLOWED


def test_kinds_that_ochp_does_not_have_are_refused() -> None:
    with pytest.raises(Refused, match="no session"):
        offline().encode(Kind.SESSION, object())


def test_a_status_that_knows_when_it_ends_says_so() -> None:
    assert etree.fromstring(offline(status_ttl=300.0).encode(Kind.STATUS, live())[0].body).get("ttl") is None
    until = evolve(live(), valid_until=NOW + timedelta(hours=1))
    assert etree.fromstring(offline().encode(Kind.STATUS, until)[0].body).get("ttl") == "2026-05-04T13:00:00Z"


def test_it_forgets_statuses() -> None:
    partner = offline(status_ttl=300.0)
    assert isinstance(partner, ForgetsStatus)
    assert (partner.status_seconds, offline().status_seconds) == (300.0, None)


def test_settings_reach_the_mapping() -> None:
    no_code = evolve(location(evse(1)), place=evolve(location().place, address=evolve(location().place.address, postal_code=None)))
    assert b"<zipCode>00000</zipCode>" in offline().encode(Kind.LOCATION, no_code)[0].body
    with pytest.raises(Refused):
        offline(settings=Settings()).encode(Kind.LOCATION, no_code)


# --- what it sends


async def test_every_kind_arrives(chs: Running) -> None:
    for kind, obj in OBJECTS.items():
        outcomes = await chs.partner.deliver(kind, encoded(chs.partner, kind, obj))
        assert all(isinstance(o, Delivered) and not o.duplicate for o in outcomes), (kind, outcomes)
    report = await chs.report()
    assert report["rejections"] == []
    assert report["charge_points"] == {"DE*ABC*E00001": "Operative", "DE*ABC*E00002": "Closed"}
    assert report["statuses"] == {"DE*ABC*E00001": "not-available/charging"}
    assert report["tariffs"] == ["DE*ABC*T1"]
    assert [(c["id"], c["energy_kwh"], c["total_cost"]) for c in report["cdrs"]] == [("DEABC000001", "10", "4.90")]
    assert chs.calls() == ["UpdateChargePointList", "UpdateStatus", "UpdateTariffs", "AddCDRs"]
    assert [path for path, _, _ in chs.requests] == [SERVICE, LIVE, SERVICE, SERVICE]


@pytest.mark.spec
async def test_every_request_is_valid_by_the_official_schema(chs: Running) -> None:
    verdict = judge()
    for kind, obj in OBJECTS.items():
        await chs.partner.deliver(kind, encoded(chs.partner, kind, obj))
    await chs.partner.full_load(Kind.LOCATION, encoded(chs.partner, Kind.LOCATION, location(evse(1))))
    await all_tokens(chs.partner)
    await all_tokens(chs.partner, NOW)
    await chs.partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))
    assert [c async for c in chs.partner.check_cdrs()] == []
    assert [c async for c in chs.partner.check_cdrs(w.CdrStatus.APPROVED)] == []
    assert len(chs.requests) == 10
    for _, action, data in chs.requests:
        assert verdict.ochp("1.4", body_of(data)) == [], action
    assert (await chs.report())["rejections"] == []


async def test_removing_an_evse_closes_it(chs: Running) -> None:
    await chs.publish(1)
    closed = encoded(chs.partner, Kind.LOCATION, location(evse(1, Status.REMOVED)))
    assert await chs.partner.deliver(Kind.LOCATION, [evolve(j, op=Op.DELETE) for j in closed]) == [Delivered("DE*ABC*E00001")]
    assert (await chs.report())["charge_points"] == {"DE*ABC*E00001": "Closed"}


@pytest.mark.parametrize("kind", [Kind.STATUS, Kind.TARIFF, Kind.CDR])
async def test_what_cannot_be_deleted_is_rejected_unsent(chs: Running, kind: Kind) -> None:
    work = [evolve(j, op=Op.DELETE) for j in encoded(chs.partner, kind, OBJECTS[kind])]
    assert [type(o) for o in await chs.partner.deliver(kind, work)] == [Rejected]
    assert chs.requests == []


async def test_a_refused_charge_point_is_rejected_alone(chs: Running) -> None:
    work = encoded(chs.partner, Kind.LOCATION, location(evse(1), evse(2, operator="DE*XXX"), evse(3)))
    outcomes = await chs.partner.deliver(Kind.LOCATION, work)
    assert [type(o) for o in outcomes] == [Delivered, Rejected, Delivered]
    assert isinstance(outcomes[1], Rejected)
    assert "does not belong" in outcomes[1].because
    assert set((await chs.report())["charge_points"]) == {"DE*ABC*E00001", "DE*ABC*E00003"}
    assert len(chs.requests) == 1


async def test_cdrs_go_in_hundreds_and_keep_their_order(chs: Running) -> None:
    await chs.publish(1)
    work = encoded(chs.partner, Kind.CDR, *(cdr(i) for i in range(1, 251)))
    outcomes = await chs.partner.deliver(Kind.CDR, work)
    assert outcomes == [Delivered(f"DEABC{i:06}") for i in range(1, 251)]
    sizes = [len(body_of(data)) for _, action, data in chs.requests if "AddCDRs" in action]
    assert sizes == [100, 100, 50]
    assert [c["id"] for c in (await chs.report())["cdrs"]] == [job.key for job in work]


async def test_a_lost_answer_is_uncertain_and_the_same_bytes_are_recognised(chs: Running) -> None:
    await chs.publish(1)
    work = encoded(chs.partner, Kind.CDR, cdr(1), cdr(2))
    await chs.post("/_sim/faults", {"drop_after_accept": True})
    first = await chs.partner.deliver(Kind.CDR, work)
    assert [(type(o), getattr(o, "sent", None)) for o in first] == [(Retry, True)] * 2
    assert await chs.partner.deliver(Kind.CDR, work) == [Delivered(f"DEABC{i:06}", duplicate=True) for i in (1, 2)]
    report = await chs.report()
    assert [(c["id"], c["received"]) for c in report["cdrs"]] == [("DEABC000001", 2), ("DEABC000002", 2)]
    assert report["rejections"] == []
    assert [body_of(data).find(f"{{{NS}}}cdrInfoArray") is not None for _, _, data in chs.requests[-2:]] == [True, True]
    assert chs.requests[-1][2] == chs.requests[-2][2], "the same bytes"


async def test_the_same_id_with_other_content_is_a_contradiction_not_a_duplicate(chs: Running) -> None:
    await chs.publish(1)
    await chs.partner.deliver(Kind.CDR, encoded(chs.partner, Kind.CDR, cdr(1)))
    outcomes = await chs.partner.deliver(Kind.CDR, encoded(chs.partner, Kind.CDR, cdr(1, "11"), cdr(2)))
    assert [type(o) for o in outcomes] == [Rejected, Delivered]
    assert isinstance(outcomes[0], Rejected)
    assert not outcomes[0].duplicate
    assert "other content" in outcomes[0].because


async def test_one_bad_record_is_found_among_many(chs: Running) -> None:
    await chs.publish(1)
    work = encoded(chs.partner, Kind.CDR, *(cdr(i) for i in range(1, 9)))
    work[5] = evolve(work[5], body=work[5].body.replace(b"<currency>EUR</currency>", b""))
    outcomes = await chs.partner.deliver(Kind.CDR, work)
    assert [type(o).__name__ for o in outcomes] == ["Delivered"] * 5 + ["Rejected"] + ["Delivered"] * 2
    assert isinstance(outcomes[5], Rejected)
    assert outcomes[5].code == "format"
    assert [c["received"] for c in (await chs.report())["cdrs"]] == [1] * 7


async def test_a_status_of_a_charge_point_that_is_not_there_is_rejected_alone(chs: Running) -> None:
    await chs.publish(1)
    outcomes = await chs.partner.deliver(Kind.STATUS, encoded(chs.partner, Kind.STATUS, live(1), live(2)))
    assert [type(o) for o in outcomes] == [Delivered, Rejected]


async def test_a_status_holds_for_as_long_as_it_is_told_to_from_when_it_is_sent() -> None:
    async with running(status_ttl=300.0) as chs:
        now = [NOW]
        chs.house.world.clock = chs.partner._clock = lambda: now[0]
        await chs.publish(1, 2)
        jobs = encoded(chs.partner, Kind.STATUS, live(1), evolve(live(2), valid_until=NOW + timedelta(seconds=200)))
        now[0] += timedelta(seconds=100)
        assert await chs.partner.deliver(Kind.STATUS, jobs) == [Delivered("DE*ABC*E00001"), Delivered("DE*ABC*E00002")]
        known = "not-available/charging"
        for seconds, first, second in ((199, known, known), (200, known, "unknown"), (399, known, "unknown"), (400, "unknown", "unknown")):
            now[0] = NOW + timedelta(seconds=seconds)
            assert (await chs.report())["statuses"] == {"DE*ABC*E00001": first, "DE*ABC*E00002": second}, seconds
        assert await chs.partner.deliver(Kind.STATUS, jobs[:1]) == [Delivered("DE*ABC*E00001")]
        assert (await chs.report())["statuses"]["DE*ABC*E00001"] == known


async def test_changes_of_one_object_are_sent_one_after_the_other(chs: Running) -> None:
    await chs.publish(1)
    states = (live(1, Status.CHARGING), live(1, Status.AVAILABLE), live(1, Status.OUT_OF_ORDER))
    outcomes = await chs.partner.deliver(Kind.STATUS, encoded(chs.partner, Kind.STATUS, *states))
    assert outcomes == [Delivered("DE*ABC*E00001")] * 3
    assert chs.calls()[1:] == ["UpdateStatus"] * 3
    assert (await chs.report())["statuses"] == {"DE*ABC*E00001": "not-available/outoforder"}


async def test_a_later_change_does_not_overtake_one_that_failed(chs: Running) -> None:
    await chs.publish(1)
    await chs.post("/_sim/faults", {"status": 500, "count": 1})
    states = (live(1, Status.CHARGING), live(1, Status.AVAILABLE))
    outcomes = await chs.partner.deliver(Kind.STATUS, encoded(chs.partner, Kind.STATUS, *states))
    assert [(type(o), getattr(o, "sent", None)) for o in outcomes] == [(Retry, True), (Retry, False)]
    assert chs.calls()[1:] == ["UpdateStatus"]


# --- what goes wrong


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 500}, Retry("HTTP 500", None, sent=True)),
        ({"status": 503, "retry_after": 30}, Retry("HTTP 503", 30.0, sent=True)),
        ({"status": 429, "retry_after": 7}, Retry("HTTP 429", 7.0, sent=False)),
        ({"status": 401}, Retry("HTTP 401", None, sent=False)),
        ({"status": 302}, Retry("HTTP 302", None, sent=False)),
        ({"status": 404}, Retry("HTTP 404", None, sent=False)),
        ({"status": 413}, Rejected("HTTP 413", "413")),
        ({"nonsense": True}, Retry("the answer is no SOAP message: no SOAP envelope, but html", sent=True)),
        ({"fault": "Server"}, Retry("SOAP fault Server: switched on", sent=True)),
        ({"fault": "Server", "retry_after": 9}, Retry("SOAP fault Server: switched on", 9.0, sent=True)),
        ({"fault": "Client"}, Rejected("SOAP fault Client: switched on", "Client")),
        ({"result": "server"}, Retry("server: switched on", sent=True)),
        ({"result": "roaming"}, Retry("roaming: switched on", sent=False)),
        ({"result": "not-authorized"}, Retry("not-authorized: switched on", sent=False)),
        ({"result": "format"}, Rejected("format: switched on", "format")),
        ({"result": "invalid-id"}, Rejected("invalid-id: switched on", "invalid-id")),
        ({"result": "partly"}, Rejected("partly: switched on", "partly")),
    ],
)
async def test_every_failure_says_what_to_do(chs: Running, fault: dict[str, Any], expected: Outcome) -> None:
    await chs.post("/_sim/faults", fault)
    outcome = (await chs.partner.deliver(Kind.TARIFF, encoded(chs.partner, Kind.TARIFF, tariff())))[0]
    assert outcome == expected


async def test_no_answer_in_time_is_uncertain() -> None:
    async with running(timeout=0.2) as chs:
        await chs.post("/_sim/faults", {"delay": 5})
        outcome = (await chs.partner.deliver(Kind.TARIFF, encoded(chs.partner, Kind.TARIFF, tariff())))[0]
        assert outcome == Retry("no answer in time", sent=True)


async def test_no_connection_means_not_sent() -> None:
    partner = offline(url=f"http://127.0.0.1:{unused_port()}/service/x")
    await partner.open()
    try:
        outcomes = await partner.deliver(Kind.CDR, encoded(partner, Kind.CDR, *(cdr(i) for i in range(1, 151))))
    finally:
        await partner.close()
    assert {type(o) for o in outcomes} == {Retry}
    assert not any(o.sent for o in outcomes if isinstance(o, Retry))


async def test_when_nobody_answers_the_rest_is_not_tried(chs: Running) -> None:
    await chs.post("/_sim/faults", {"status": 500, "count": 9})
    outcomes = await chs.partner.deliver(Kind.CDR, encoded(chs.partner, Kind.CDR, *(cdr(i) for i in range(1, 251))))
    assert chs.calls() == ["AddCDRs"]
    assert [o.sent for o in outcomes if isinstance(o, Retry)] == [True] * 100 + [False] * 150


async def test_a_wrong_password_gives_nothing_up() -> None:
    async with running(password="wr0ng") as chs:  # noqa: S106
        outcome = (await chs.partner.deliver(Kind.CDR, encoded(chs.partner, Kind.CDR, cdr())))[0]
        assert outcome == Retry("not-authorized: user name or password is wrong")
        with pytest.raises(Unreachable, match="not-authorized"):
            await all_tokens(chs.partner)
        with pytest.raises(Unreachable, match="not-authorized"):
            await chs.partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))


class Other:
    """A clearing house that answers what a test says."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.bodies: list[Any] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.bodies.append(body_of(await request.read()))
        name = self.bodies[-1].tag.rpartition("}")[2].removesuffix("Request")
        answer = self.answers.pop(0)
        if not answer.startswith("<!"):
            answer = soap.envelope(f'<x:{name}Response xmlns="{NS}" xmlns:x="{NS}">{answer}</x:{name}Response>'.encode()).decode()
        return web.Response(body=answer.encode(), content_type="text/xml")


def said(code: str, text: str = "") -> str:
    """A result element."""
    return f"<result><resultCode><resultCode>{code}</resultCode></resultCode><resultDescription>{text}</resultDescription></result>"


@asynccontextmanager
async def connected(other: Other) -> AsyncIterator[OchpPartner]:
    """A partner of that clearing house."""
    app = web.Application()
    app.router.add_post("/{anything:.*}", other.handle)
    async with TestServer(app) as server:
        partner = offline(url=str(server.make_url(SERVICE)))
        await partner.open()
        try:
            yield partner
        finally:
            await partner.close()


async def answered(kind: Kind, objects: list[Any], *answers: str) -> tuple[list[Outcome], Other]:
    """Outcomes of a delivery to a clearing house with these answers."""
    other = Other(*answers)
    async with connected(other) as partner:
        return list(await partner.deliver(kind, encoded(partner, kind, *objects))), other


NIL = ('<result><resultCode><resultCode>ok</resultCode></resultCode><resultDescription xsi:nil="true" '
       'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/></result>')  # fmt: skip
ONE, TWO = "<implausibleCdrsArray>DEABC000001</implausibleCdrsArray>", "<implausibleCdrsArray>DEABC000002</implausibleCdrsArray>"


async def test_a_result_may_be_nil_and_flat() -> None:
    assert (await answered(Kind.CDR, [cdr()], NIL))[0] == [Delivered("DEABC000001")]
    assert (await answered(Kind.CDR, [cdr()], "<result><resultCode>ok</resultCode></result>"))[0] == [Delivered("DEABC000001")]


@pytest.mark.parametrize("answer", ["", said("fine"), said("ok") * 2, "<!DOCTYPE x><x/>", "<result/>"])
async def test_answers_that_say_nothing_are_uncertain(answer: str) -> None:
    outcomes, _ = await answered(Kind.CDR, [cdr()], answer)
    assert [(type(o), getattr(o, "sent", None)) for o in outcomes] == [(Retry, True)]


async def test_partly_without_a_list_is_asked_again_one_by_one() -> None:
    outcomes, other = await answered(Kind.CDR, [cdr(1), cdr(2)], said("partly"), said("ok"), said("partly", "no"))
    assert outcomes == [Delivered("DEABC000001"), Rejected("partly: no", "partly")]
    assert [len(body) for body in other.bodies] == [2, 1, 1]


async def test_a_duplicate_is_one_only_where_the_description_says_so() -> None:
    async def refused(text: str) -> list[Outcome]:
        return (await answered(Kind.CDR, [cdr(1), cdr(2)], said("partly", text) + ONE))[0]

    assert await refused("CDR already exists") == [
        Rejected("partly: CDR already exists", "partly", duplicate=True), Delivered("DEABC000002")]  # fmt: skip
    assert await refused("implausible") == [Rejected("partly: implausible", "partly"), Delivered("DEABC000002")]
    assert await refused("DEABC000001: unknown EVSE") == [
        Rejected("partly: DEABC000001: unknown EVSE", "partly"), Delivered("DEABC000002")]  # fmt: skip


async def test_one_description_for_several_refusals_is_asked_apart() -> None:
    outcomes, other = await answered(Kind.CDR, [cdr(1), cdr(2), cdr(3)], said("partly", "duplicate CDR-ID") + ONE + TWO,
                                     said("partly", "duplicate CDR-ID") + ONE, said("partly", "implausible price") + TWO)  # fmt: skip
    assert outcomes == [
        Rejected("partly: duplicate CDR-ID", "partly", duplicate=True),
        Rejected("partly: implausible price", "partly"),
        Delivered("DEABC000003"),
    ]
    assert [len(body) for body in other.bodies] == [3, 1, 1]


async def test_refused_records_may_come_whole_where_ids_are_expected() -> None:
    whole = "<implausibleCdrsArray><CdrId>DEABC000001</CdrId><evseId>x</evseId></implausibleCdrsArray>"
    outcomes, _ = await answered(Kind.CDR, [cdr(1), cdr(2)], said("partly", "no") + whole)
    assert [type(o) for o in outcomes] == [Rejected, Delivered]


@pytest.mark.parametrize(
    ("text", "alone", "expected"),
    [
        ("CDR DEABC1 already exists", False, True),
        ("DEABC1: duplicate", False, True),
        ("DEABC1: Duplikat, bereits vorhanden", False, True),
        ("already exists", True, True),
        ("already exists", False, False),
        ("DEABC10 already exists", False, False),
        ("XDEABC1 already exists", False, False),
        ("DEABC1: already known with different content", False, False),
        ("DEABC1: unknown EVSE", False, False),
        ("DEABC1: EVSE not known", False, False),
        ("DEABC1: the tariff does not exist", False, False),
        ("DEABC2: already known; DEABC1: implausible", False, False),
        ("", True, False),
    ],
)
def test_what_a_description_says_about_duplicates(text: str, alone: bool, expected: bool) -> None:
    assert codes.says_known(text, "DEABC1", alone=alone) is expected


def test_every_result_code_has_a_meaning() -> None:
    assert codes.RETRY.keys() | codes.REJECT | codes.TAKEN == set(w.ResultCode)
    assert [c for c in w.ResultCode if codes.of_request(c, "") is None] == [w.ResultCode.OK, w.ResultCode.PARTLY]
    assert isinstance(codes.as_error(w.ResultCode.FORMAT, ""), Declined)


# --- the full load


async def test_a_full_load_replaces_everything_in_one_request() -> None:
    async with running(batch=2) as chs:
        await chs.publish(1, 2)
        work = encoded(chs.partner, Kind.LOCATION, location(*(evse(n) for n in (2, 3, 4))))
        assert await chs.partner.full_load(Kind.LOCATION, work) == [Delivered(j.key) for j in work]
        assert set((await chs.report())["charge_points"]) == {"DE*ABC*E00002", "DE*ABC*E00003", "DE*ABC*E00004"}
        assert chs.calls()[-1] == "SetChargepointList"
        assert len(chs.requests) == 2


async def test_an_empty_full_load_is_never_sent(chs: Running) -> None:
    with pytest.raises(Refused, match="every charge point"):
        await chs.partner.full_load(Kind.LOCATION, [])
    with pytest.raises(Refused, match="no full load of a tariff"):
        await chs.partner.full_load(Kind.TARIFF, encoded(chs.partner, Kind.TARIFF, tariff()))
    assert chs.requests == []


async def test_a_full_load_tells_what_was_refused(chs: Running) -> None:
    work = encoded(chs.partner, Kind.LOCATION, location(evse(1), evse(2, operator="DE*XXX")))
    assert [type(o) for o in await chs.partner.full_load(Kind.LOCATION, work)] == [Delivered, Rejected]
    await chs.post("/_sim/faults", {"status": 503})
    assert [type(o) for o in await chs.partner.full_load(Kind.LOCATION, work)] == [Retry, Retry]
    await chs.post("/_sim/faults", {"fault": "Client"})
    assert [type(o) for o in await chs.partner.full_load(Kind.LOCATION, work)] == [Rejected, Rejected]


# --- tokens


async def test_the_list_comes_in_batches() -> None:
    async with running(token_batch=1000) as chs:
        many = [{"uid": f"04{i:012X}", "contract": f"DE-EMP-C{i:08}"} for i in range(2499)]
        chs.house.world.put_tokens("DE-EMP", many)
        batches = [batch async for batch in chs.partner.pull_tokens(None)]
        assert [len(b) for b in batches] == [1000, 1000, 500]
        token = batches[0][0]
        assert (str(token.uid), token.kind, str(token.contract_id), token.visual_number) == (UID, TokenKind.RFID, CONTRACT, "EMP 1 <a>")
        assert str(token.party) == "DE*EMP"
        assert token.expires == NOW + timedelta(days=365)
        assert len({t.uid for b in batches for t in b}) == 2500


async def test_updates_reach_back_and_bring_revocations(chs: Running) -> None:
    world = chs.house.world
    now = NOW
    world.clock = lambda: now
    await chs.post("/_sim/tokens", {"provider": "DE-EMP", "tokens": [{"uid": "04BB", "contract": "DE-EMP-C00000002"}]})
    now = NOW + timedelta(hours=1)
    await chs.post("/_sim/tokens", {"provider": "DE-EMP", "revoke": [UID]})
    found = await all_tokens(chs.partner, NOW + timedelta(minutes=30))
    assert [(str(t.uid), t.expires) for t in found] == [(UID, now - timedelta(seconds=1))]
    assert await all_tokens(chs.partner, NOW + timedelta(hours=2)) == []
    assert len(await all_tokens(chs.partner, NOW + timedelta(minutes=9))) == 2, "ten minutes of overlap"
    asked = [body_of(data).findtext(f".//{{{NS}}}DateTime") for _, _, data in chs.requests]
    assert asked == ["2026-05-04T12:20:00Z", "2026-05-04T13:50:00Z", "2026-05-04T11:59:00Z"]


async def test_a_list_that_breaks_off_is_an_error_after_what_came(chs: Running) -> None:
    chs.house.world.put_tokens("DE-EMP", [{"uid": f"04{i:06X}", "contract": f"DE-EMP-C{i:08}"} for i in range(3000)])
    await chs.post("/_sim/faults", {"truncate": True})
    sizes: list[int] = []

    async def pull() -> None:
        async for batch in chs.partner.pull_tokens(None):
            sizes.append(len(batch))  # noqa: PERF401  (they are wanted although it fails)

    with pytest.raises(Unreachable, match="no XML"):
        await pull()
    assert sizes in ([1000], [1000, 1000])


@pytest.mark.parametrize("fault", [{"status": 500}, {"result": "server"}, {"result": "partly"}, {"result": "roaming"}, {"nonsense": True},
                                   {"fault": "Server"}])  # fmt: skip
async def test_no_list_is_never_an_empty_list(chs: Running, fault: dict[str, Any]) -> None:
    await chs.post("/_sim/faults", fault)
    with pytest.raises(Unreachable):
        await all_tokens(chs.partner)


async def test_no_updates_are_no_error(chs: Running) -> None:
    await chs.post("/_sim/faults", {"result": "roaming"})
    assert await all_tokens(chs.partner, NOW) == []


async def test_tokens_that_cannot_be_read_are_left_out_and_their_uids_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def one(uid: str, more: str = "") -> str:
        return (f"<roamingAuthorisationInfo><EmtId><instance>{uid}</instance><tokenType>rfid</tokenType></EmtId>"
                f"<contractId>{CONTRACT}</contractId>{more}"
                "<expiryDate><DateTime>2030-01-01T00:00:00Z</DateTime></expiryDate></roamingAuthorisationInfo>")  # fmt: skip

    other = Other(said("ok") + one("04AAAAAAAA") + one("04BBBBBBBB").replace("2030-01-01T00:00:00Z", "04SECRET")
                  + one("04CCCCCCCC").replace("rfid", "04SECRET") + one("04DDDDDDDD", more="<permissions>AC</permissions>"))  # fmt: skip
    async with connected(other) as partner:
        with caplog.at_level(logging.DEBUG):
            found = await all_tokens(partner)
    assert [str(t.uid) for t in found] == ["04AAAAAAAA", "04DDDDDDDD"]
    assert [(e.path, e.value) for e in found[1].extra] == [("permissions", "AC")]
    assert "2 of 4 tokens left out" in caplog.text
    assert not any(secret in caplog.text for secret in ("04BBBBBBBB", "04CCCCCCCC", "04SECRET", "s3cret-pw"))


async def test_records_before_the_result_are_not_believed() -> None:
    other = Other("<roamingAuthorisationInfoArray/>" + said("ok"), "<x/>")
    async with connected(other) as partner:
        for because in ("records before its result", "no result"):
            with pytest.raises(Unreachable, match=because):
                await all_tokens(partner)


# --- authorisation


async def test_a_token_of_the_list_is_allowed(chs: Running) -> None:
    answer = await chs.partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))
    assert (answer.allowed, answer.provider, answer.code) == (Allowed.ALLOWED, "DE-EMP", "ok")
    assert answer.token is not None
    assert str(answer.token.contract_id) == CONTRACT


async def test_an_expired_token_is_expired_and_an_unknown_one_is_not_allowed(chs: Running) -> None:
    await chs.post("/_sim/tokens", {"provider": "DE-EMP", "revoke": [UID]})
    assert (await chs.partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))).allowed is Allowed.EXPIRED
    unknown = await chs.partner.authorise(AuthorisationRequest("04FFFFFFFF", TokenKind.RFID))
    assert (unknown.allowed, unknown.token, unknown.code) == (Allowed.NOT_ALLOWED, None, "invalid-id")
    assert (await chs.report())["rejections"] == []


async def test_tokens_that_are_in_no_list_are_not_asked_for(chs: Running) -> None:
    answer = await chs.partner.authorise(AuthorisationRequest("me@app", TokenKind.APP_USER))
    assert answer.allowed is Allowed.NOT_ALLOWED
    assert chs.requests == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"nonsense": True}, {"result": "server"}, {"drop_after_accept": True}])
async def test_no_answer_is_unreachable(chs: Running, fault: dict[str, Any]) -> None:
    await chs.post("/_sim/faults", fault)
    with pytest.raises(Unreachable):
        await chs.partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))


@pytest.mark.parametrize(
    ("instance", "representation", "same"),
    [
        (UID.lower(), "plain", True),
        ("04FFFFFFFFFF80", "plain", False),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha-256", False),
        ("%sha256", "sha-256", True),
        ("%sha1", "sha-160", True),
    ],
)
async def test_the_answer_has_to_be_about_the_token(instance: str, representation: str, same: bool) -> None:
    if instance.startswith("%"):
        instance = hashlib.new(instance[1:], UID.encode()).hexdigest()
    other = Other(said("ok") + f'<roamingAuthorisationInfo><EmtId representation="{representation}"><instance>{instance}</instance>'
                  f"<tokenType>rfid</tokenType></EmtId><contractId>{CONTRACT}</contractId><expiryDate><DateTime>2030-01-01T00:00:00Z"
                  "</DateTime></expiryDate></roamingAuthorisationInfo>")  # fmt: skip
    async with connected(other) as partner:
        if same:
            assert (await partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))).allowed is Allowed.ALLOWED
        else:
            with pytest.raises(Unreachable, match="another token"):
                await partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))
    asked = other.bodies[0]
    assert (asked.findtext(f".//{{{NS}}}instance"), asked.findtext(f".//{{{NS}}}tokenType")) == (UID, "rfid")


# --- CDRs that providers decline


async def test_declined_cdrs_are_found(chs: Running) -> None:
    await chs.publish(1)
    await chs.partner.deliver(Kind.CDR, encoded(chs.partner, Kind.CDR, cdr(1), cdr(2)))
    await chs.post("/_sim/cdrs", {"id": "DEABC000002", "status": "declined"})
    found = [c async for c in chs.partner.check_cdrs()]
    assert [(c.CdrId, c.status, c.totalCost) for c in found] == [("DEABC000002", w.CdrStatus.DECLINED, found[0].totalCost)]
    assert str(found[0].totalCost) == "4.90"


# --- secrets, memory


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running() as chs:
            await all_tokens(chs.partner)
            await chs.partner.authorise(AuthorisationRequest(UID, TokenKind.RFID))
            await chs.post("/_sim/faults", {"status": 500})
            await chs.partner.deliver(Kind.CDR, encoded(chs.partner, Kind.CDR, cdr()))
    assert not any(secret in caplog.text for secret in (UID, PASSWORD))


STREAM = """
import asyncio, resource, sys
from aiohttp import web
from bridge.mapping import Settings
from bridge.ochp.adapter import OchpConfig, OchpPartner

RECORD = ('<roamingAuthorisationInfoArray><EmtId representation="plain"><instance>04%012X</instance><tokenType>rfid</tokenType>'
          "<tokenSubType>mifareDes</tokenSubType></EmtId><contractId>DE-EMP-C%08d-5</contractId><printedNumber>DE %027d</printedNumber>"
          "<expiryDate><DateTime>2030-01-01T00:00:00Z</DateTime></expiryDate></roamingAuthorisationInfoArray>")


async def serve(request):
    count = int(request.query["count"])
    response = web.StreamResponse(headers={"Content-Type": "text/xml"})
    await response.prepare(request)
    await response.write(b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetRoamingAuthorisationListResponse '
                         b'xmlns="http://ochp.eu/1.4"><result><resultCode><resultCode>ok</resultCode></resultCode><resultDescription/>'
                         b"</result>")
    for start in range(0, count, 200):
        await response.write("".join(RECORD % (i, i, i) for i in range(start, min(start + 200, count))).encode())
    await response.write(b"</GetRoamingAuthorisationListResponse></s:Body></s:Envelope>")
    await response.write_eof()
    return response


async def pull(port, count):
    partner = OchpPartner(OchpConfig(name="x", url=f"http://127.0.0.1:{port}/service/?count={count}", user="u", password="p",
                                     operator_id="DE*ABC"))
    seen = largest = 0
    async for batch in partner.pull_tokens(None):
        seen += len(batch)
        largest = max(largest, len(batch))
    await partner.close()
    return seen, largest


async def main():
    app = web.Application()
    app.router.add_post("/service/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    await pull(port, 3000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen, largest = await pull(port, 80_000)
    print(seen, largest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    await runner.cleanup()


asyncio.run(main())
"""


async def test_eighty_thousand_tokens_in_constant_memory() -> None:
    """Peak resident memory grows by at most 16 MB over that of 3,000 tokens (ru_maxrss is in KB on Linux, in bytes on macOS)."""
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STREAM, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)})  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    seen, largest, growth = map(int, out.split())
    assert (seen, largest) == (80_000, 1000)
    assert growth * (1 if sys.platform == "darwin" else 1024) <= 16 * 1024 * 1024
