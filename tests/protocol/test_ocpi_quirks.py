"""Partners that depart from the specification: each setting, and what is taken without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from bridge.app import make_partner
from bridge.config import BridgeConfig
from bridge.errors import Declined, Unreachable
from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.token import Allowed, TokenKind
from bridge.ocpi.adapter import OcpiPartner
from bridge.ocpi.envelope import failure, success, zoned
from bridge.ocpi.pages import PageOf
from bridge.ocpi.quirks import Quirks
from bridge.roaming.ports import Delivered, Kind, Rejected
from bridge.store.sqlite import SqliteStore
from tests.protocol import ocpi_world as ow
from tests.protocol.ocpi_world import canonical, jobs
from tests.protocol.test_ocpi_adapter import TOKEN, answer, ask, lone, pages

WHOLE = TOKEN | {"issuer": "I", "valid": True, "whitelist": "ALWAYS", "last_updated": "2026-11-01T10:00:00Z"}


def numbered(first: int, count: int) -> bytes:
    return json.dumps([WHOLE | {"uid": f"04{n:06d}"} for n in range(first, first + count)]).encode()


async def uids(partner: OcpiPartner, since: datetime | None = None) -> list[str]:
    return [str(t.uid) for batch in [b async for b in partner.pull_tokens(since)] for t in batch]


class Asked:
    """Answers every request with ``body``, and keeps what it was asked."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.body, self.status = body, status
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path, dict(request.query)))
        self.bodies.append(await request.read())
        self.headers.append(request.headers)
        return answer(self.body, self.status)


# --- how it is called


@pytest.mark.parametrize(("slash", "path"), [(False, "/locations/DE/ABC/LOC1"), (True, "/locations/DE/ABC/LOC1/")])
async def test_trailing_slash(slash: bool, path: str) -> None:
    asked = Asked(success())
    async with lone("PUT", "/locations/{rest:.*}", asked.serve, quirks=Quirks(trailing_slash=slash)) as partner:
        (outcome,) = await partner.deliver(Kind.LOCATION, jobs(partner, Kind.LOCATION, canonical("location", ow.location())))
    assert (outcome, asked.seen) == (Delivered(), [("PUT", path, {})])


async def test_trailing_slash_of_the_endpoint_itself_and_not_of_links() -> None:
    seen = []

    async def get(request: web.Request) -> web.Response:
        seen.append(request.path_qs)
        more = {"Link": f'<{request.url.origin()}/tokens?offset=1>; rel="next"'} if len(seen) == 1 else {}
        return answer(success(numbered(len(seen), 1)), headers=more)

    async with lone("GET", "/tokens{slash:/?}", get, quirks=Quirks(trailing_slash=True)) as partner:
        assert len(await uids(partner)) == 2
    assert seen == ["/tokens/?limit=1000", "/tokens?offset=1"]


async def test_no_type_no_location_no_routing() -> None:
    allowed = success(json.dumps({"allowed": "ALLOWED", "token": WHOLE}).encode())
    plain, odd = Asked(allowed), Asked(allowed)
    async with lone("POST", "/tokens/{uid}/authorize", plain.serve) as partner:
        await partner.authorise(ask("04A1", location_id="LOC1"))
    async with lone(
        "POST", "/tokens/{uid}/authorize", odd.serve, quirks=Quirks(no_type=True, no_location=True, no_routing=True)
    ) as partner:
        said = await partner.authorise(ask("04A1", location_id="LOC1"))
    assert said.allowed is Allowed.ALLOWED
    assert (plain.seen[0][2], odd.seen[0][2]) == ({"type": "RFID"}, {})
    assert ([len(b) > 0 for b in plain.bodies], odd.bodies) == ([True], [b""])
    routing = [[name for name in one.headers[0] if name.lower().startswith("ocpi-")] for one in (plain, odd)]
    assert (len(routing[0]), routing[1]) == (4, [])


async def test_wrapped_results() -> None:
    for wrapped in (False, True):
        asked = Asked(success())
        async with lone("POST", "/result", asked.serve, quirks=Quirks(wrapped_results=wrapped)) as partner:
            await partner.outcome(str(partner.client.endpoint("tokens", "SENDER")).replace("/tokens", "/result"),
                                  CommandOutcome(CommandResult.ACCEPTED))  # fmt: skip
        told = json.loads(asked.bodies[0])
        assert (told["data"] if wrapped else told) == {"result": "ACCEPTED"}


# --- how it answers


async def test_bare_answers() -> None:
    bare = Asked(json.dumps({"allowed": "ALLOWED", "token": WHOLE}).encode())
    async with lone("POST", "/tokens/{uid}/authorize", bare.serve, quirks=Quirks(bare_answers=True)) as partner:
        assert (await partner.authorise(ask("04A1"))).allowed is Allowed.ALLOWED
        bare.body = failure(2004, "unknown")  # an envelope is one all the same
        assert (await partner.authorise(ask("04A1"))).code == "2004"
        bare.body = b"<html>"
        with pytest.raises(Unreachable):
            await partner.authorise(ask("04A1"))
    async with lone("GET", "/tokens", Asked(numbered(0, 3)).serve, quirks=Quirks(bare_answers=True)) as partner:
        assert len(await uids(partner)) == 3
    async with lone("GET", "/tokens", Asked(numbered(0, 3)).serve) as partner:
        with pytest.raises(Unreachable, match="no OCPI envelope"):
            await uids(partner)


@pytest.mark.parametrize(("quirks", "outcome"), [(Quirks(empty_answers=True), Delivered()), (Quirks(), None)])
async def test_empty_answers(quirks: Quirks, outcome: Any) -> None:
    async with lone("PUT", "/locations/{rest:.*}", Asked(b"").serve, quirks=quirks) as partner:
        (told,) = await partner.deliver(Kind.LOCATION, jobs(partner, Kind.LOCATION, canonical("location", ow.location())))
    assert (told == outcome) == (outcome is not None)


async def test_a_single_object_in_a_list_of_one_is_read() -> None:
    listed = Asked(success(json.dumps([{"allowed": "BLOCKED", "token": WHOLE}]).encode()))
    async with lone("POST", "/tokens/{uid}/authorize", listed.serve) as partner:
        assert (await partner.authorise(ask("04A1"))).allowed is Allowed.BLOCKED
        listed.body = success(json.dumps([{"allowed": "ALLOWED"}] * 2).encode())
        with pytest.raises(Unreachable, match="AuthorizationInfo"):
            await partner.authorise(ask("04A1"))


@pytest.mark.parametrize("text", ["doppelt vorhanden", "schon da"])
async def test_duplicate_text_and_codes(text: str) -> None:
    of = dict.fromkeys(("country_code", "party_id", "uid", "type", "contract_id"), "X") | {k: TOKEN[k] for k in TOKEN}
    refused = Asked(failure(2077, text))
    for quirks, duplicate in ((Quirks(), False), (Quirks(duplicate_text="DOPPELT"), text.startswith("doppelt")),
                              (Quirks(duplicate_codes=frozenset({"2077"})), True)):  # fmt: skip
        async with lone("POST", "/cdrs", refused.serve, quirks=quirks) as partner:
            (told,) = await partner.deliver(Kind.CDR, jobs(partner, Kind.CDR, canonical("cdr", ow.cdr(of))))
        assert isinstance(told, Rejected)
        assert told.duplicate is duplicate


# --- times and values


@pytest.mark.parametrize(("zone", "text", "moment"), [
    (None, "2026-07-01T10:00:00", "2026-07-01T10:00:00"), ("Europe/Berlin", "2026-07-01T10:00:00", "2026-07-01T08:00:00"),
    ("Europe/Berlin", "2026-01-01T10:00:00.250", "2026-01-01T09:00:00.250"),
    ("Europe/Berlin", "2026-07-01T10:00:00Z", "2026-07-01T10:00:00"),
    ("Europe/Berlin", "2026-07-01T10:00:00+00:00", "2026-07-01T10:00:00"), (None, "2026-07-01T10:00:00+00:00", "2026-07-01T10:00:00"),
    (None, "2026-07-01T10:00:00.1234561Z", "2026-07-01T10:00:00.123456"),
])  # fmt: skip
async def test_times_without_zone_and_with_an_offset(zone: str | None, text: str, moment: str) -> None:
    served = pages({"0": (json.dumps([WHOLE | {"last_updated": text}]).encode(), {})})
    async with lone("GET", "/tokens", served, quirks=Quirks(time_zone=zone)) as partner:
        ((token,),) = [batch async for batch in partner.pull_tokens(None)]
    assert token.last_updated == datetime.fromisoformat(moment).replace(tzinfo=UTC)


async def test_times_without_zone_in_what_a_partner_puts_here() -> None:
    async with ow.world() as world:
        await world.add(token_for_them="a-token", quirks=Quirks(time_zone="Europe/Berlin"))  # noqa: S106
        await world.sim("register", {"url": world.ours, "token_a": "a-token"})
        held = next(iter(world.emsp.known.values())) | {"last_updated": "2026-07-01T10:00:00"}
        await world.sim("token", held)
        ((_, _, _), token) = next(iter(world.core.held.items()))
    assert token.last_updated == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_only_whole_texts_that_are_times_are_changed() -> None:
    same = (b'{"a":"2026-07-01","b":"at 2026-07-01T10:00:00","2026-07-01T10:00:00":1,"c":"say \\"2026-07-01T10:00:00\\"",'
            b'"d":"2026-99-01T10:00:00"}')  # fmt: skip
    assert zoned(same, "Europe/Berlin") == same
    assert zoned(b'["2026-07-01T10:00:00" , 1]', "Europe/Berlin") == b'["2026-07-01T08:00:00Z" , 1]'


@pytest.mark.parametrize(("quirks", "kinds"), [(Quirks(), []), (Quirks(unknown_values="other"), [TokenKind.OTHER])])
async def test_unknown_values(quirks: Quirks, kinds: list[TokenKind]) -> None:
    served = pages({"0": (json.dumps([WHOLE | {"type": "LICENCE_PLATE"}]).encode(), {})})
    async with lone("GET", "/tokens", served, quirks=quirks) as partner:
        (batch,) = [batch async for batch in partner.pull_tokens(None)]
    assert [t.kind for t in batch] == kinds


# --- lists


def listing(total: int | None, size: int, *, link: Callable[[str, int], str | None] | None = None, most: int = 100) -> Any:
    """A list of ``total`` tokens in pages of ``size``, whatever limit is asked for. ``link`` makes the Link header."""
    known = 0 if total is None else total

    async def get(request: web.Request) -> web.Response:
        get.asked.append(dict(request.query))  # type: ignore[attr-defined]
        assert len(get.asked) < most, "it never ends"  # type: ignore[attr-defined]
        offset = int(request.query.get("offset", "0"))
        headers = {} if total is None else {"X-Total-Count": str(total)}
        told = link(str(request.url.origin()), offset + size) if link is not None else None
        if told is not None:
            headers["Link"] = f'<{told}>; rel="next"'
        return answer(success(numbered(offset, max(0, min(size, known - offset)))), headers=headers)

    get.asked = []  # type: ignore[attr-defined]
    return get


def always(origin: str, following: int) -> str:
    return f"{origin}/tokens?offset={following}"


async def test_a_limit_that_is_ignored_and_a_link_on_the_last_page() -> None:
    for size in (1, 2, 5, 7):
        async with lone("GET", "/tokens", listing(5, size, link=always)) as partner:
            assert await uids(partner) == [f"04{n:06d}" for n in range(5)]


async def test_a_link_on_the_last_page_without_a_total() -> None:
    served = {"0": (numbered(0, 2), {"Link": '</tokens?offset=2>; rel="next"'}), "2": (b"[]", {"Link": '</tokens?offset=4>; rel="next"'})}
    async with lone("GET", "/tokens", pages(served)) as partner:
        assert len(await uids(partner)) == 2
    served = {
        "0": (numbered(0, 2), {"Link": '</tokens?offset=2>; rel="next"'}),
        "2": (numbered(2, 1), {"Link": '</tokens?offset=2>; rel="next"'}),
    }
    async with lone("GET", "/tokens", pages(served)) as partner:
        assert len(await uids(partner)) == 3


async def test_an_empty_page_in_the_middle_is_not_the_end() -> None:
    served = {"0": (numbered(0, 2), {"Link": '</tokens?offset=2>; rel="next"', "X-Total-Count": "6"}),
              "2": (b"[]", {"Link": '</tokens?offset=4>; rel="next"', "X-Total-Count": "6"}),
              "4": (numbered(4, 2), {"X-Total-Count": "6"})}  # fmt: skip
    async with lone("GET", "/tokens", pages(served)) as partner:
        assert len(await uids(partner)) == 4


async def test_page_offsets() -> None:
    for size in (1, 2, 5):
        async with lone("GET", "/tokens", listing(5, size), quirks=Quirks(page_offsets=True, page_size=3)) as partner:
            assert len(await uids(partner)) == 5
    async with lone("GET", "/tokens", listing(5, 2)) as partner:
        assert len(await uids(partner)) == 2  # by the specification it is the only page

    async def untold(request: web.Request) -> web.Response:
        offset = int(request.query.get("offset", "0"))
        return answer(success(numbered(offset, max(0, min(2, 5 - offset)))))

    async with lone("GET", "/tokens", untold, quirks=Quirks(page_offsets=True)) as partner:
        assert len(await uids(partner)) == 5


@pytest.mark.parametrize(("size", "query"), [(0, {}), (250, {"limit": "250"})])
async def test_page_size(size: int, query: dict[str, str]) -> None:
    served = listing(1, 5)
    async with lone("GET", "/tokens", served, quirks=Quirks(page_size=size)) as partner:
        await uids(partner)
    assert served.asked == [query]


async def test_full_lists() -> None:
    for full, names in ((False, {"limit", "date_from"}), (True, {"limit"})):
        served = listing(1, 5)
        async with lone("GET", "/tokens", served, quirks=Quirks(full_lists=full)) as partner:
            await uids(partner, datetime(2026, 1, 1, tzinfo=UTC))
        assert set(served.asked[0]) == names


async def test_page_links() -> None:
    def elsewhere(origin: str, following: int) -> str | None:
        return f"https://elsewhere.example/tokens?offset={following}" if following < 4 else None

    async with lone("GET", "/tokens", listing(4, 2, link=elsewhere), quirks=Quirks(page_links="own-host")) as partner:
        assert len(await uids(partner)) == 4
    async with lone("GET", "/tokens", listing(4, 2, link=elsewhere)) as partner:
        with pytest.raises(Declined, match="page_links"):
            await uids(partner)


# --- a list that breaks off


async def walked(partner: OcpiPartner, at: str | None) -> tuple[list[str], str | None]:
    """The uids that came, and where the list went on when it broke off."""
    found: list[str] = []
    after = at
    try:
        async for page in partner.token_pages(None, at):
            found += [str(t.uid) for t in page.tokens]
            after = page.after
    except Unreachable:
        return found, after
    return found, None


async def test_a_list_goes_on_where_it_broke_off_also_when_it_has_become_shorter() -> None:
    numbers = list(range(12))
    broken: set[int] = {6}
    asked = []

    async def get(request: web.Request) -> web.Response:
        offset = int(request.query.get("offset", "0"))
        asked.append(offset)
        if offset in broken:
            broken.remove(offset)
            return web.Response(status=503)
        page = [WHOLE | {"uid": f"04{n:06d}"} for n in numbers[offset : offset + 3]]
        headers = {"X-Total-Count": str(len(numbers))}
        if offset + 3 < len(numbers):
            headers["Link"] = f'<{request.url.origin()}/tokens?offset={offset + 3}>; rel="next"'
        return answer(success(json.dumps(page).encode()), headers=headers)

    async with lone("GET", "/tokens", get) as partner:
        first, at = await walked(partner, None)
        assert (len(first), at is not None) == (6, True)
        del numbers[:2]  # what came is gone: the rest has moved up
        second, end = await walked(partner, at)
    assert end is None
    assert asked == [0, 3, 6, 6, 4, 7]
    assert sorted({*first, *second}) == [f"04{n:06d}" for n in range(12)]


async def test_where_a_list_went_on_is_not_followed_to_another_host() -> None:
    async with lone("GET", "/tokens", listing(4, 2)) as partner:
        for at in ('["https://elsewhere.example/tokens", null, 0]', "no JSON", '["x"]'):
            with pytest.raises(Declined):
                [page async for page in partner.token_pages(None, at)]


def test_a_page_says_how_the_list_goes_on() -> None:
    assert PageOf(b"[]", 3).following is None


# --- PATCH


class Place:
    """A partner that has, or has not, location LOC1, and answers a PATCH as it is told."""

    def __init__(self, status: int, code: int, has: bool, look: int = 200) -> None:
        self.status, self.code, self.has, self.look = status, code, has, look
        self.seen: list[tuple[str, str]] = []
        self.bodies: dict[str, Any] = {}

    async def serve(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path))
        if request.method == "PATCH":
            return answer(failure(self.code, "no"), self.status)
        if request.method == "GET":
            return answer(success(b"{}") if self.has else failure(2003, "unknown"), self.look if self.has else 404)
        self.bodies[request.path] = await request.json()
        if not self.has and request.path.endswith("/ELOC11"):
            return answer(failure(2003, "unknown"), 404)
        return answer(success())


EVSE_PATH, LOC_PATH = "/locations/DE/ABC/LOC1/ELOC11", "/locations/DE/ABC/LOC1"


async def told(partner: OcpiPartner) -> Any:
    (shown,) = partner.encode(Kind.LOCATION, canonical("location", ow.location()))
    partner.shown = lambda kind, key: shown.body if (kind, key) == (Kind.LOCATION, shown.key) else None
    (outcome,) = await partner.deliver(Kind.STATUS, jobs(partner, Kind.STATUS, ow.status()))
    return outcome


@pytest.mark.parametrize(("status", "code", "has", "look", "then", "remembered"), [
    (405, 2000, True, 200, [("PUT", EVSE_PATH)], True), (501, 3000, True, 200, [("PUT", EVSE_PATH)], True),
    (405, 2000, True, 405, [("PUT", EVSE_PATH)], True), (405, 2000, False, 200, [("PUT", LOC_PATH)], True),
    (200, 2001, True, 200, [("PUT", EVSE_PATH)], False), (404, 2003, False, 200, [("PUT", LOC_PATH)], False),
    (200, 2003, False, 200, [("PUT", LOC_PATH)], False),
])  # fmt: skip
async def test_a_patch_that_is_refused_is_told_by_put(status: int, code: int, has: bool, look: int, then: list[Any],
                                                      remembered: bool) -> None:  # fmt: skip
    place = Place(status, code, has, look)
    async with lone("*", "/locations/{rest:.*}", place.serve) as partner:
        assert await told(partner) == Delivered()
        assert place.seen == [("PATCH", EVSE_PATH), ("GET", EVSE_PATH), *then]
        sent = place.bodies[then[0][1]]
        assert sent.get("uid", sent.get("id")) == ("ELOC11" if then[0][1] == EVSE_PATH else "LOC1")
        place.seen.clear()
        place.has = True
        assert await told(partner) == Delivered()
        assert place.seen[0] == ("PUT" if remembered else "PATCH", EVSE_PATH)
        assert (await partner.registration._store.load("emsp") or partner.registration.state).no_patch is remembered


async def test_a_partner_known_not_to_take_patch_gets_the_location_where_it_has_none() -> None:
    place = Place(200, 1000, has=False)
    async with lone("*", "/locations/{rest:.*}", place.serve, quirks=Quirks(patch="never")) as partner:
        assert await told(partner) == Delivered()
        assert place.seen == [("PUT", EVSE_PATH), ("PUT", LOC_PATH)]
        partner.shown = lambda kind, key: None
        (outcome,) = await partner.deliver(Kind.STATUS, jobs(partner, Kind.STATUS, ow.status()))
        assert isinstance(outcome, Rejected)


async def test_another_fault_of_the_partner_is_no_refusal_of_patch() -> None:
    place = Place(503, 3000, has=True)
    async with lone("*", "/locations/{rest:.*}", place.serve) as partner:
        await told(partner)
        assert place.seen == [("PATCH", EVSE_PATH)]


# --- from the configuration


def configured(tmp_path: Path, **partner: Any) -> OcpiPartner:
    given = {"protocol": "ocpi-2.2.1", "url": "https://emsp.example/ocpi/versions", "token": {"value": "t"},
             "agreements": [{"operator": "example"}]} | partner  # fmt: skip
    operator = {"party": "DE*ABC", "name": "Example", "time_zone": "Europe/Berlin"}
    config = BridgeConfig.model_validate({"operators": {"example": operator}, "partners": {"emsp1": given}})
    made = make_partner("emsp1", config, SqliteStore(tmp_path / "x.sqlite"))
    assert isinstance(made, OcpiPartner)
    return made


def test_quirks_are_set_in_the_configuration(tmp_path: Path) -> None:
    made = configured(tmp_path, quirks={"spelling": "raw", "pull_only": True, "duplicate_codes": ["2077"]})
    assert made.config.quirks == Quirks(spelling="raw", pull_only=True, duplicate_codes=frozenset({"2077"}))
    assert made.fetches
    assert configured(tmp_path).config.quirks == Quirks()


@pytest.mark.parametrize(("partner", "because"), [
    ({"quirks": {"no_such": True}}, "no_such"), ({"quirks": {"duplicate_text": "("}}, "no regular expression"),
    ({"quirks": {"time_zone": "Mars/Olympus"}}, "no IANA time zone"), ({"protocol": "oicp-2.3", "quirks": {"no_type": True}}, "for OCPI"),
    ({"quirks": {"page_size": -1}}, "page_size"),
])  # fmt: skip
def test_quirks_that_cannot_be_are_named(tmp_path: Path, partner: dict[str, Any], because: str) -> None:
    with pytest.raises(ValidationError, match=because):
        configured(tmp_path, **partner)
