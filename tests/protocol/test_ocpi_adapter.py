"""The OCPI adapter against the strict eMSP, and against partners that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import evolve

from bridge.errors import Declined, Refused, Unreachable
from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.common import Text
from bridge.model.location import Location, Status
from bridge.model.token import Allowed, TokenKind
from bridge.ocpi.adapter import OcpiConfig, OcpiPartner, OurRole
from bridge.ocpi.client import joined
from bridge.ocpi.credentials import PartnerCredentials, PartnerEndpoint, PartnerRole
from bridge.ocpi.envelope import failure, given, moment_of, reply, spelled, success
from bridge.ocpi.pages import next_link
from bridge.roaming.ports import (
    AnswersAuthorisation,
    AuthorisationRequest,
    Delivered,
    GivesTokens,
    HearsOutcomes,
    Kind,
    Op,
    Partner,
    Rejected,
    Retry,
)
from bridge.simulate.ocpi_party import Faults
from bridge.transport.http import Answer
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import World, canonical, jobs


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with ow.world() as made:
        await made.connect()
        yield made


async def one(partner: OcpiPartner, kind: Kind, obj: Any, op: Op = Op.UPDATE) -> Any:
    (outcome,) = await partner.deliver(kind, jobs(partner, kind, obj, op))
    return outcome


async def test_it_has_the_abilities(world: World) -> None:
    for ability in (Partner, AnswersAuthorisation, GivesTokens, HearsOutcomes):
        assert isinstance(world.partner, ability)
    assert world.partner.format == "ocpi-2.2.1"
    assert world.partner.kinds == frozenset(Kind) - {Kind.TOKEN}


# --- deliver


async def test_everything_is_delivered_and_nothing_rejected(world: World) -> None:
    partner, emsp = world.partner, world.emsp
    of = ow.token(emsp)
    assert await one(partner, Kind.TARIFF, canonical("tariff", ow.tariff()), Op.INSERT) == Delivered()
    assert await one(partner, Kind.LOCATION, canonical("location", ow.location()), Op.INSERT) == Delivered()
    assert await one(partner, Kind.STATUS, ow.status()) == Delivered()
    assert await one(partner, Kind.SESSION, canonical("session", ow.session(of)), Op.INSERT) == Delivered()
    delivered = await one(partner, Kind.CDR, canonical("cdr", ow.cdr(of)), Op.INSERT)
    assert isinstance(delivered, Delivered)
    assert delivered.reference is not None
    assert world.rejected == []
    assert emsp.warnings == []
    held = emsp.locations["DE", "ABC", "LOC1"]
    assert [e["status"] for e in held["evses"]] == ["CHARGING", "AVAILABLE"]
    assert held["last_updated"] == "2026-11-01T12:00:00Z"
    assert emsp.sessions["DE", "ABC", "S1"]["kwh"] == 1.5
    kept = await partner.cdr_at(delivered.reference)
    assert kept is not None
    assert json.loads(kept)["total_cost"] == {"excl_vat": 4.5, "incl_vat": 5.36}
    assert await partner.cdr_at(delivered.reference + "0") is None


async def test_a_cdr_sent_again_has_the_same_reference_and_another_with_its_id_is_a_duplicate(world: World) -> None:
    partner, of = world.partner, ow.token(world.emsp)
    (first,) = jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(of)), Op.INSERT)
    (other,) = jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(of, total_energy=11)), Op.INSERT)
    outcomes = [*await partner.deliver(Kind.CDR, [first]), *await partner.deliver(Kind.CDR, [first, other])]
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], Delivered)
    assert isinstance(outcomes[2], Rejected)
    assert (outcomes[2].duplicate, outcomes[2].code) == (True, "2001")
    assert (world.emsp.received["cdr"], world.emsp.received["cdr_repeat"]) == (1, 1)


async def test_a_status_of_an_unknown_evse_is_rejected_with_404(world: World) -> None:
    outcome = await one(world.partner, Kind.STATUS, ow.status())
    assert isinstance(outcome, Rejected)
    assert outcome.code == "404"


async def test_a_location_is_deleted_by_evses_that_are_removed(world: World) -> None:
    partner = world.partner
    place: Location = canonical("location", ow.location())
    await one(partner, Kind.LOCATION, place, Op.INSERT)
    gone = evolve(place, evses=tuple(evolve(e, status=Status.REMOVED) for e in place.evses))
    assert await one(partner, Kind.LOCATION, gone, Op.DELETE) == Delivered()
    assert {e["status"] for e in world.emsp.locations["DE", "ABC", "LOC1"]["evses"]} == {"REMOVED"}
    assert world.rejected == []


async def test_a_tariff_is_deleted_and_deleting_it_again_is_no_failure(world: World) -> None:
    price = canonical("tariff", ow.tariff())
    await one(world.partner, Kind.TARIFF, price, Op.INSERT)
    assert await one(world.partner, Kind.TARIFF, price, Op.DELETE) == Delivered()
    assert world.emsp.tariffs == {}
    assert await one(world.partner, Kind.TARIFF, price, Op.DELETE) == Delivered()


async def test_sessions_and_cdrs_cannot_be_deleted(world: World) -> None:
    of = ow.token(world.emsp)
    for kind, obj in ((Kind.SESSION, canonical("session", ow.session(of))), (Kind.CDR, canonical("cdr", ow.cdr(of)))):
        assert isinstance(await one(world.partner, kind, obj, Op.DELETE), Rejected)


async def test_identifiers_are_escaped_in_urls(world: World) -> None:
    assert await one(world.partner, Kind.LOCATION, canonical("location", ow.location("L/1 u#?")), Op.INSERT) == Delivered()
    assert ("DE", "ABC", "L/1 U#?") in world.emsp.locations


async def test_different_objects_travel_at_once_and_one_object_in_order() -> None:
    running, most, seen = 0, 0, []
    meet = asyncio.Event()

    async def put(request: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        seen.append((request.match_info["id"], (await request.json())["name"]))
        if running == 3:
            meet.set()
        await meet.wait()  # three objects have to be on their way at the same time, else this never ends
        running -= 1
        return web.Response(body=success(), content_type="application/json")

    async with lone("PUT", "/locations/{cc}/{pid}/{id}", put) as partner:
        batch = [
            work
            for name in ("first", "second")
            for ident in ("A", "B", "C")
            for work in jobs(partner, Kind.LOCATION, canonical("location", ow.location(ident, name=name)))
        ]
        outcomes = await asyncio.wait_for(partner.deliver(Kind.LOCATION, batch), 10)
    assert outcomes == [Delivered()] * 6
    assert most == 3
    for ident in "ABC":
        assert [name for i, name in seen if i == ident] == ["first", "second"]


async def test_what_follows_an_undelivered_state_of_the_same_object_waits() -> None:
    calls = []

    async def put(request: web.Request) -> web.Response:
        calls.append(request.match_info["id"])
        return web.Response(status=500) if request.match_info["id"] == "A" else answer(success())

    async with lone("PUT", "/locations/{cc}/{pid}/{id}", put) as partner:
        batch = [w for i in ("A", "A", "B") for w in jobs(partner, Kind.LOCATION, canonical("location", ow.location(i)))]
        first, second, other = await partner.deliver(Kind.LOCATION, batch)
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert (first.sent, second.sent) == (True, False)
    assert other == Delivered()
    assert sorted(calls) == ["A", "B"]


@pytest.mark.parametrize(("status", "body", "expected"), [
    (500, b"", Retry("HTTP 500", sent=True)),
    (200, b"<html>", Retry("an answer that is no OCPI envelope", sent=True)),
    (200, b"", Retry("an answer that is no OCPI envelope", sent=True)),
    (200, failure(3000, "down"), Retry("HTTP 200, OCPI 3000: down", sent=True)),
    (401, failure(2000, "who"), Retry("our credentials are not accepted", sent=False)),
    (400, failure(2001, "no"), Rejected("HTTP 400, OCPI 2001: no", "2001")),
    (200, failure(2001, "bad"), Rejected("HTTP 200, OCPI 2001: bad", "2001")),
    (409, b"conflict", Rejected("HTTP 409", "409", duplicate=True)),
    (200, failure(2001, "CDR already exists"), Rejected("HTTP 200, OCPI 2001: CDR already exists", "2001", duplicate=True)),
    (405, b"", Rejected("HTTP 405", "405")),
    (201, success(), Delivered()),
], ids=["500", "html", "empty", "3000", "401", "400", "2001", "409", "already-exists", "405", "201"])  # fmt: skip
async def test_what_answers_to_a_cdr_mean(status: int, body: bytes, expected: Any) -> None:
    async def post(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, content_type="application/json")

    async with lone("POST", "/cdrs", post) as partner:
        (made,) = jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(TOKEN)), Op.INSERT)
        (outcome,) = await partner.deliver(Kind.CDR, [made])
    if isinstance(expected, Retry):
        assert isinstance(outcome, Retry)
        assert outcome.because.startswith(expected.because)
        assert outcome.sent == expected.sent
    else:
        assert outcome == expected


async def test_retry_after_is_passed_on() -> None:
    async def post(request: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "7"})

    async with lone("POST", "/cdrs", post) as partner:
        (outcome,) = await partner.deliver(Kind.CDR, jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(TOKEN))))
    assert outcome == Retry("HTTP 429", 7.0, sent=False)


async def test_an_answer_that_does_not_come_is_uncertain(world: World) -> None:
    of = ow.token(world.emsp)
    world.emsp.trouble = Faults(drop_after_accept=True, count=1)
    (made,) = jobs(world.partner, Kind.CDR, canonical("cdr", ow.cdr(of)), Op.INSERT)
    (first,) = await world.partner.deliver(Kind.CDR, [made])
    (second,) = await world.partner.deliver(Kind.CDR, [made])
    assert isinstance(first, Retry)
    assert first.sent
    assert isinstance(second, Delivered)
    assert (world.emsp.received["cdr"], world.emsp.received["cdr_repeat"]) == (1, 1)


async def test_a_timeout_is_uncertain() -> None:
    never = asyncio.Event()

    async def post(request: web.Request) -> web.Response:
        await never.wait()
        return answer(success())

    async with lone("POST", "/cdrs", post, timeout=0.05) as partner:
        (outcome,) = await partner.deliver(Kind.CDR, jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(TOKEN))))
        never.set()
    assert outcome == Retry("no answer in time", sent=True)


async def test_without_an_endpoint_or_a_registration_nothing_is_sent() -> None:
    async def put(request: web.Request) -> web.Response:
        return answer(success())

    async with lone("PUT", "/nothing", put) as partner:
        made = jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(TOKEN)))
        partner.registration.state = evolve(partner.registration.state, endpoints=())
        (outcome,) = await partner.deliver(Kind.CDR, made)
        assert isinstance(outcome, Rejected)
        assert outcome.code == "no-endpoint"
        partner.registration.state = PartnerCredentials()
        (outcome,) = await partner.deliver(Kind.CDR, made)
        assert outcome == Retry("not registered with this partner yet", sent=False)


# --- encode


@pytest.mark.spec
async def test_encoded_objects_are_what_the_specification_allows(world: World) -> None:
    judged = ow.judge()
    of = ow.token(world.emsp)
    for kind, name, data in ((Kind.LOCATION, "Location", ow.location()), (Kind.TARIFF, "Tariff", ow.tariff()),
                             (Kind.SESSION, "Session", ow.session(of)), (Kind.CDR, "CDR", ow.cdr(of))):  # fmt: skip
        (made,) = world.partner.encode(kind, canonical(kind.value, data))
        assert judged(name, json.loads(made.body)) == []
        assert json.loads(made.body) == data
        assert made.meta == {"id": data["id"], "country_code": "DE", "party_id": "ABC"}
        alone = kind in (Kind.SESSION, Kind.CDR)
        assert made.key == (data["id"] if alone else f"DE*ABC/{data['id']}").upper()


async def test_a_status_is_two_fields_and_its_address(world: World) -> None:
    (made,) = world.partner.encode(Kind.STATUS, ow.status())
    assert json.loads(made.body) == {"status": "CHARGING", "last_updated": "2026-11-01T12:00:00Z"}
    assert made.meta == {"location_id": "LOC1", "evse_uid": "ELOC11", "country_code": "DE", "party_id": "ABC"}
    with pytest.raises(Refused, match="location"):
        world.partner.encode(Kind.STATUS, evolve(ow.status(), location_id=None))


async def test_an_object_of_a_party_that_is_not_ours_towards_the_partner_is_refused(world: World) -> None:
    with pytest.raises(Refused, match=r"DE\*XYZ is none of our parties") as refused:
        world.partner.encode(Kind.TARIFF, canonical("tariff", ow.tariff(party_id="XYZ")))
    assert refused.value.key == "roles"


async def test_a_location_of_which_no_evse_can_be_said_is_refused(world: World) -> None:
    place: Location = canonical("location", ow.location())
    bare = evolve(place, evses=tuple(evolve(e, connectors=()) for e in place.evses))
    with pytest.raises(Refused, match="none of its EVSEs"):
        world.partner.encode(Kind.LOCATION, bare)


# --- authorise


def ask(uid: str, kind: TokenKind = TokenKind.RFID, **where: Any) -> AuthorisationRequest:
    return AuthorisationRequest(uid, kind, **where)


async def test_authorisation_in_real_time(world: World) -> None:
    held = list(world.emsp.known.values())[6]  # one that is not listed
    await one(world.partner, Kind.LOCATION, canonical("location", ow.location()), Op.INSERT)
    said = await world.partner.authorise(ask(held["uid"].lower(), location_id="LOC1", evse_uid="ELOC11"))
    assert said.allowed is Allowed.ALLOWED
    assert said.reference in world.emsp.references[held["uid"]]
    assert said.provider == "DE*EMS"
    assert said.token is not None
    assert str(said.token.contract_id) == held["contract_id"]
    assert world.rejected == []


@pytest.mark.parametrize("answer_", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
async def test_a_known_token_that_may_not_charge(world: World, answer_: str) -> None:
    key, held = next(iter(world.emsp.known.items()))
    world.emsp.answers[key] = answer_
    said = await world.partner.authorise(ask(held["uid"]))
    assert said.allowed is Allowed(answer_)
    assert said.info == f"This card is refused: {answer_}"
    assert said.reference is None


async def test_an_unknown_token_is_not_allowed_and_says_so(world: World) -> None:
    said = await world.partner.authorise(ask("FFFFFFFF"))
    assert (said.allowed, said.code, said.token) == (Allowed.NOT_ALLOWED, "2004", None)
    said = await world.partner.authorise(ask(next(iter(world.emsp.known.values()))["uid"], TokenKind.APP_USER))
    assert (said.allowed, said.code) == (Allowed.NOT_ALLOWED, "2004")


async def test_a_partner_that_allows_other_evses_does_not_allow_this_one() -> None:
    async def authorize(request: web.Request) -> web.Response:
        told = {"allowed": "ALLOWED", "location": {"location_id": "loc1", "evse_uids": ["E2"]}}
        return answer(success(json.dumps(told).encode()))

    async with lone("POST", "/tokens/{uid}/authorize", authorize) as partner:
        said = await partner.authorise(ask("04", location_id="LOC1", evse_uid="E1"))
        assert (said.allowed, said.code) == (Allowed.NOT_ALLOWED, "location")
        said = await partner.authorise(ask("04", location_id="LOC1", evse_uid="e2"))
        assert said.allowed is Allowed.ALLOWED


@pytest.mark.parametrize("answered", [
    (503, b""), (200, b"hello"), (200, b'{"data":{"allowed":"PERHAPS"},"status_code":1000,"timestamp":"2026-11-01T10:00:00Z"}'),
], ids=["503", "no-envelope", "no-such-answer"])  # fmt: skip
async def test_no_answer_to_a_request_is_unreachable(answered: tuple[int, bytes]) -> None:
    async def authorize(request: web.Request) -> web.Response:
        return web.Response(status=answered[0], body=answered[1])

    async with lone("POST", "/tokens/{uid}/authorize", authorize) as partner:
        with pytest.raises(Unreachable):
            await partner.authorise(ask("04A1B2C3"))


# --- tokens


async def test_tokens_are_pulled_page_by_page(world: World) -> None:
    world.emsp.page_limit = 2
    batches = [batch async for batch in world.partner.pull_tokens(None)]
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [str(t.uid) for batch in batches for t in batch] == [t["uid"] for t in world.emsp.listed()]
    assert world.rejected == []
    assert [batch async for batch in world.partner.pull_tokens(datetime(2100, 1, 1, tzinfo=UTC))] == [[]]


def pages(served: dict[str, tuple[bytes, dict[str, str]]]) -> Any:
    async def get(request: web.Request) -> web.Response:
        body, headers = served[request.query.get("offset", "0")]
        return answer(success(body), headers=headers)

    return get


async def test_broken_and_foreign_tokens_are_left_out_of_a_page(caplog: pytest.LogCaptureFixture) -> None:
    good = {"country_code": "de", "party_id": "ems", "uid": "04A1", "type": "RFID", "contract_id": "C1", "issuer": "I",
            "valid": True, "whitelist": "ALWAYS", "last_updated": "2026-11-01T10:00:00"}  # fmt: skip
    listed = [good, good | {"uid": None}, good | {"party_id": "OTH"}, good | {"uid": "04SECRET", "type": "CARD"}]
    async with lone("GET", "/tokens", pages({"0": (json.dumps(listed).encode(), {})})) as partner:
        (batch,) = [batch async for batch in partner.pull_tokens(None)]
    assert [str(t.uid) for t in batch] == ["04A1"]
    assert batch[0].last_updated == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert "token 4 of a page" in caplog.text
    assert "04SECRET" not in caplog.text


async def test_a_list_that_shrinks_on_the_way_is_read_from_further_ahead() -> None:
    numbers = [str(n) for n in range(7)]
    asked = []

    async def get(request: web.Request) -> web.Response:
        offset = int(request.query.get("offset", "0"))
        asked.append(offset)
        if offset == 2 and len(asked) == 2:
            del numbers[0]
        page = [whole | {"uid": f"0{n}"} for n in numbers[offset : offset + 2]]
        headers = {"X-Total-Count": str(len(numbers))}
        if offset + 2 < len(numbers):
            headers["Link"] = f'<{request.url.origin()}/tokens?offset={offset + 2}&limit=2>; rel="next"'
        return answer(success(json.dumps(page).encode()), headers=headers)

    whole = TOKEN | {"issuer": "I", "valid": True, "whitelist": "ALWAYS", "last_updated": "2026-11-01T10:00:00Z"}
    async with lone("GET", "/tokens", get) as partner:
        found = {str(t.uid) for batch in [b async for b in partner.pull_tokens(None)] for t in batch}
    assert asked == [0, 2, 1, 3, 5]
    assert found == {f"0{n}" for n in range(7)}


async def test_pages_that_lead_elsewhere_or_in_a_circle_are_not_followed() -> None:
    links = {'<https://elsewhere.example/tokens?offset=1>; rel="next"': "another host", '</tokens?offset=1>; rel="next"': "circle"}
    for link, because in links.items():
        served = {"0": (b"[{}]", {"Link": link}), "1": (b"[{}]", {"Link": '</tokens?offset=0>; rel="next"'})}
        async with lone("GET", "/tokens", pages(served)) as partner:
            with pytest.raises(Declined, match=because):
                [batch async for batch in partner.pull_tokens(None)]


async def test_a_page_that_is_no_list_is_unreachable() -> None:
    async with lone("GET", "/tokens", pages({"0": (b"7", {})})) as partner:
        with pytest.raises(Unreachable, match="no list"):
            [batch async for batch in partner.pull_tokens(None)]


# --- commands


async def test_the_outcome_of_a_command_is_told_once(world: World) -> None:
    place = canonical("location", ow.location())
    await one(world.partner, Kind.LOCATION, place, Op.INSERT)
    uid = next(iter(world.emsp.known.values()))["uid"]
    started = await world.sim("start", {"location_id": "LOC1", "evse_uid": "ELOC11", "uid": uid})
    assert started["response"] == {"result": "ACCEPTED", "timeout": 30}
    ((_, command, address),) = world.core.commands
    assert address is not None
    assert command.token is not None
    assert str(command.token.uid) == uid
    await world.partner.outcome(address, CommandOutcome(CommandResult.EVSE_OCCUPIED, (Text("In use", "en"), Text("?"))))
    (sent,) = world.emsp.commands.values()
    assert sent.result == {"result": "EVSE_OCCUPIED", "message": [{"language": "en", "text": "In use"}]}
    assert world.rejected == []
    with pytest.raises(Declined):
        await world.partner.outcome(address, CommandOutcome(CommandResult.ACCEPTED))


@pytest.mark.parametrize(("answer", "again"), [
    (web.Response(status=500), True), (web.Response(status=503, headers={"Retry-After": "7"}), True), (web.Response(status=429), True),
    (web.json_response({"status_code": 3000, "timestamp": "2026-11-01T12:00:00Z"}), True), (web.Response(status=504), False),
    (web.json_response({"status_code": 4002, "timestamp": "2026-11-01T12:00:00Z"}), False), (web.Response(text="<html>"), False),
    (None, False),
])  # fmt: skip
async def test_a_result_is_sent_again_only_where_it_was_surely_not_taken(answer: web.Response | None, again: bool) -> None:
    async def say(request: web.Request) -> web.Response:
        if answer is None and request.transport is not None:
            request.transport.abort()
        return answer or web.Response()

    app = web.Application()
    app.router.add_post("/results/1", say)
    async with ow.world() as world, TestServer(app) as back:
        partner = await world.connect()
        with pytest.raises(Unreachable) as caught:
            await partner.outcome(str(back.make_url("/results/1")), CommandOutcome(CommandResult.ACCEPTED))
        assert caught.value.sent is not again
        assert caught.value.after == (7.0 if answer is not None and answer.status == 503 else None)


# --- small things


def test_tokens_in_headers() -> None:
    assert spelled("example-token") == "Token ZXhhbXBsZS10b2tlbg=="
    assert given("Token ZXhhbXBsZS10b2tlbgo=") == ("example-token", "ZXhhbXBsZS10b2tlbgo=")
    assert given("token  ZXhhbXBsZS10b2tlbg") == ("example-token", "ZXhhbXBsZS10b2tlbg")
    assert given("Token not base64!") == (None, "not base64!")
    assert given("Basic ZXhhbXBsZS10b2tlbg==") == (None, None)
    assert given(None) == (None, None)
    assert spelled("abc", raw=True) == "Token abc"


@pytest.mark.parametrize(("text", "expected"), [
    ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ("2026-11-01T10:00:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ("2026-11-01T10:00:00.1234567Z", datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)),
    ("2026-11-01T10:00:00 01:00", datetime(2026, 11, 1, 9, tzinfo=UTC)),
    ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
    ("2026-13-01T10:00:00Z", None), ("yesterday", None), ("", None),
])  # fmt: skip
def test_times_in_urls(text: str, expected: datetime | None) -> None:
    assert moment_of(text) == expected


def test_urls_and_links() -> None:
    assert joined("https://a/b/", "c d", "e/f") == "https://a/b/c%20d/e%2Ff"
    assert next_link({"Link": '<https://a/1>; rel="prev", <https://a/2>; rel="next"'}) == "https://a/2"
    assert next_link({"Link": "<https://a/2>;rel=next"}) == "https://a/2"
    assert next_link({"Link": '<https://a/2>; rel="last"'}) is None
    assert next_link({}) is None


def test_empty_answers_are_success_only_where_that_is_known() -> None:
    empty = Answer(200, {}, b"")
    assert reply(empty, empty_is_success=True).data is None
    with pytest.raises(Unreachable):
        reply(empty)


# --- a partner made of one route

TOKEN = {"country_code": "DE", "party_id": "EMS", "uid": "04A1B2C3", "type": "RFID", "contract_id": "DE-EMS-C00000001"}


def answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


class lone:  # noqa: N801
    """A registered partner that answers one request, as the handler says."""

    def __init__(self, method: str, path: str, handler: Any, **config: Any) -> None:
        app = web.Application()
        app.router.add_route(method, path, handler)
        self._server = TestServer(app)
        self._config = config

    async def __aenter__(self) -> OcpiPartner:
        await self._server.start_server()
        url = str(self._server.make_url("")).rstrip("/")
        config = OcpiConfig("emsp", "http://bridge.invalid/ocpi", (OurRole("DE", "ABC"),), **self._config)
        self._partner = OcpiPartner(config)
        await self._partner.open()
        modules = [("locations", "RECEIVER"), ("cdrs", "RECEIVER"), ("tokens", "SENDER"), ("sessions", "RECEIVER")]
        self._partner.registration.state = PartnerCredentials(
            theirs="theirs", ours="ours", confirmed=True, roles=(PartnerRole("EMSP", "DE", "EMS"),),
            endpoints=tuple(PartnerEndpoint(m, r, f"{url}/{m}") for m, r in modules))  # fmt: skip
        return self._partner

    async def __aexit__(self, *error: object) -> None:
        await self._partner.close()
        await self._server.close()
