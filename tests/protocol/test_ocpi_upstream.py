"""An upstream operator over OCPI: registration, its lists, tokens for it, questions about cards, commands and what came of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.config import BridgeConfig
from bridge.errors import Declined
from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.ids import ConnectorId, ContractId, EvseUid, LocationId, PartyId, SessionId, TokenUid
from bridge.model.token import Token, TokenKind, Whitelist
from bridge.ocpi import objects
from bridge.roaming.ports import AnswersAuthorisation, GivesTokens, Kind, Partner, Renegotiates
from bridge.roaming.upstream.ports import GivesObjects, TakesCommands
from tests.protocol import ocpi_world as ow
from tests.protocol.csms import CARD, Csms, Fed, configured, fed, older_session, written
from tests.roaming.bridge_world import until

US = PartyId("DE", "ABC")
UID, CONTRACT = "04A1B2C3", "DE-EM1-C00000001-2"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def with_emsp(said: dict[str, Any]) -> None:
    """A partner that has everything that comes from the system, and gives tokens; nobody answers at its address."""
    said["partners"]["emsp"] = {"protocol": "ocpi-2.2.1", "url": "http://127.0.0.1:9/versions", "provider_party": "DE*EM1",
                                "authorise": False, "agreements": [{"operator": "acme", "sources": ["own", "csms"]}]}  # fmt: skip
    said["partners"]["csms"]["tokens_from"] = ["emsp"]


def token(uid: str = UID, **changes: Any) -> Token:
    said: dict[str, Any] = {"valid": True, "whitelist": Whitelist.ALLOWED, "issuer": "Mobility", "last_updated": NOW} | changes
    return Token(TokenUid(uid), TokenKind.RFID, PartyId("DE", "EM1"), ContractId(CONTRACT), **said)


@pytest.fixture
async def call(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path, change=with_emsp) as world:
        yield world


# --- what it is


async def test_it_has_the_abilities_of_an_operator_and_no_others(call: Fed) -> None:
    assert all(isinstance(call.operator, ability) for ability in (Partner, Renegotiates, GivesObjects, TakesCommands))
    assert not any(isinstance(call.operator, ability) for ability in (AnswersAuthorisation, GivesTokens))
    assert call.operator.kinds == {Kind.TOKEN, Kind.CLIENT}


async def test_we_register_as_its_provider_and_pull_its_lists(tmp_path: Path) -> None:
    csms = Csms(lists={"locations": [ow.location()]})
    async with fed(tmp_path, csms, lambda said: said["partners"]["csms"].update(token={"value": "token-a"}), registered=False) as call:
        await until("registered and pulled", lambda: call.up.location("csms", US, "LOC1"))
        (role,) = csms.credentials["roles"]
        assert (role["role"], role["country_code"], role["party_id"]) == ("EMSP", "DE", "US1")


# --- its lists


async def test_lists_are_pulled_page_by_page_and_what_cannot_be_read_is_left(tmp_path: Path) -> None:
    places = [ow.location(f"L{i}") for i in range(3)] + [ow.location("BAD", coordinates="here")]
    lists = {"locations": places, "tariffs": [ow.tariff(), ow.tariff(id="T2", party_id="XYZ")]}
    async with fed(tmp_path, Csms(lists=lists)) as call:
        await call.pulled("cdrs")
        await until("locations are here", lambda: len(call.bridge.store.all_things("location")) == 3)
        assert [t.key for t in call.bridge.store.all_things("tariff")] == ["T1"]
        assert [h["detail"] for h in call.history("locations pulled")] == ["3 changed, 0 removed, 1 refused"]
        since = {name: "date_from" in query for name, query in call.csms.asked if "offset" not in query}
        assert since == {"tariffs": False, "locations": False, "sessions": True, "cdrs": True}
        assert call.csms.asked[0][1]["limit"] == "100"


async def test_sessions_and_cdrs_that_were_missed_are_pulled(tmp_path: Path) -> None:
    async with fed(tmp_path, Csms(lists={"sessions": [ow.session(CARD)], "cdrs": [ow.cdr(CARD)]})) as call:
        await until("it is here", lambda: call.up.cdr("csms", US, "C1") and call.up.session("csms", US, "S1"))


async def test_a_list_that_it_does_not_have_is_no_failure(tmp_path: Path) -> None:
    class Small(Csms):
        def endpoints(self) -> Any:
            return tuple(e for e in super().endpoints() if e.identifier != "tariffs")

    async with fed(tmp_path, Small()) as call:
        await call.pulled("cdrs")
        assert call.history("tariff pull failed") == []
        with pytest.raises(Declined):
            await anext(call.operator.pull_objects(Kind.TARIFF, None))


async def test_lists_of_2_1_1_are_of_its_party(tmp_path: Path) -> None:
    lists = {"locations": [written("location", ow.location(), "2.1.1")], "sessions": [older_session()]}
    async with fed(tmp_path, Csms("2.1.1", lists)) as call:
        await until("they are here", lambda: call.up.location("csms", US, "LOC1") and call.up.session("csms", US, "S1"))


# --- tokens


async def test_tokens_are_there_for_its_gets_and_what_changes_is_put(call: Fed) -> None:
    core, csms = call.bridge.core, call.csms
    await core.tokens("emsp", [token()])
    await core.upstream.follow("csms")
    expected = CARD | {"issuer": "Mobility", "valid": True, "whitelist": "ALLOWED", "last_updated": "2026-11-01T00:00:00Z"}
    assert (await call("GET", "/sender/tokens")).data == [expected]
    assert csms.tokens == {}
    await core.tokens("emsp", [token(valid=False), token("04FF")])
    await until("they are put", lambda: len(csms.tokens) == 2)
    assert csms.tokens[f"RFID/{UID}"] == expected | {"valid": False}
    assert (await call("GET", "/sender/tokens", limit="1")).headers["X-Total-Count"] == "2"


async def test_tokens_of_2_1_1_have_no_type_in_the_url(tmp_path: Path) -> None:
    async with fed(tmp_path, Csms("2.1.1"), with_emsp) as call:
        await call.bridge.core.upstream.follow("csms")
        await call.bridge.core.tokens("emsp", [token()])
        await until("it is put", lambda: call.csms.tokens)
        assert call.csms.tokens[f"/{UID}"]["auth_id"] == CONTRACT


# --- may this card charge?


async def test_a_known_card_is_allowed_with_a_reference(call: Fed) -> None:
    assert (await call("PUT", "/receiver/locations/DE/ABC/LOC1", ow.location())).status == 201
    await call.bridge.core.tokens("emsp", [token()])
    said = await call("POST", f"/sender/tokens/{UID}/authorize", {"location_id": "LOC1", "evse_uids": ["ELOC11"]}, type="RFID")
    assert (said.status, said.code, said.data["allowed"]) == (200, 1000, "ALLOWED")
    assert said.data["location"] == {"location_id": "LOC1", "evse_uids": ["ELOC11"]}
    assert said.data["token"].items() >= CARD.items()
    reference = said.data["authorization_reference"]
    session = ow.session(CARD, auth_method="AUTH_REQUEST", authorization_reference=reference)
    assert (await call("PUT", "/receiver/sessions/DE/ABC/S1", session)).status == 201
    row = call.bridge.store.session_told("acme", "S1")
    assert row is not None
    assert row.partner == "emsp"
    anywhere = await call("POST", f"/sender/tokens/{UID}/authorize")
    assert (anywhere.data["allowed"], "location" in anywhere.data) == ("ALLOWED", False)


async def test_what_cannot_be_answered_about_a_card(call: Fed) -> None:
    await call.bridge.core.tokens("emsp", [token(), token("04BB", valid=False)])
    assert (await call("PUT", "/receiver/locations/DE/ABC/LOC1", ow.location())).status == 201

    async def ask(uid: str, body: Any = None, **query: str) -> tuple[int, int]:
        said = await call("POST", f"/sender/tokens/{uid}/authorize", body, **query)
        return said.status, said.code

    assert await ask("04CC") == (404, 2004)
    assert await ask(UID, {"evse_uids": ["ELOC11"]}) == (200, 2002)
    assert await ask(UID, {"location_id": "NONE"}) == (200, 2003)
    assert await ask(UID, {"location_id": "LOC1", "evse_uids": ["NONE"]}) == (200, 2003)
    assert await ask(UID, {"location_id": 5.5, "evse_uids": {"a": 1}}) == (200, 2003)
    assert await ask(UID, [1]) == (200, 2001)
    assert await ask(UID, type="CAR") == (200, 2001)
    assert await ask(UID, b"{") == (400, 2001)
    blocked = await call("POST", "/sender/tokens/04BB/authorize", {"location_id": "LOC1"})
    assert (blocked.status, blocked.code) == (200, 1000)
    assert blocked.data["allowed"] != "ALLOWED"


async def test_a_card_that_only_its_provider_knows_is_told_under_its_uid(call: Fed) -> None:
    """The answer has to name a contract, and nobody told one: the uid stands for it, and is not taken for one when it returns."""
    told = objects.ours(call.operator, Token(TokenUid(UID), TokenKind.RFID))
    assert (str(told.contract_id), str(told.party), told.whitelist, told.issuer) == (UID, "DE*US1", Whitelist.NEVER, "Acme")


# --- commands


def start(**changes: Any) -> Command:
    said: dict[str, Any] = {
        "token": token(),
        "location_id": LocationId("LOC1"),
        "evse_uid": EvseUid("ELOC11"),
        "provider": PartyId("DE", "EM1"),
    } | changes
    return Command(CommandKind.START_SESSION, **said)


async def test_a_remote_start_goes_there_and_its_result_comes_back(call: Fed) -> None:
    assert (await call("PUT", "/receiver/locations/DE/ABC/LOC1", ow.location())).status == 201
    outcome = await call.bridge.core.command("emsp", start(connector_id=ConnectorId("1"), authorization_reference="theirs"))
    assert outcome.result is CommandResult.ACCEPTED
    ((name, told),) = call.csms.commands
    assert (name, told["location_id"], told["evse_uid"], told["connector_id"]) == ("START_SESSION", "LOC1", "ELOC11", "1")
    assert told["token"].items() >= (CARD | {"valid": True, "whitelist": "ALLOWED", "issuer": "Mobility"}).items()
    reference = told["authorization_reference"]
    assert reference != "theirs"
    assert told["response_url"].endswith(f"/ocpi/2.2.1/sender/commands/START_SESSION/{reference}")
    await until("it was told", lambda: call.csms.told == [200])
    assert (await call("PUT", "/receiver/sessions/DE/ABC/S1", ow.session(CARD, authorization_reference=reference))).status == 201
    stopped = await call.bridge.core.command("emsp", Command(CommandKind.STOP_SESSION, session_id=SessionId("S1")))
    assert (stopped.result, call.csms.commands[1][0], call.csms.commands[1][1]["session_id"]) == (
        CommandResult.ACCEPTED,
        "STOP_SESSION",
        "S1",
    )


@pytest.mark.parametrize(("said", "seconds", "result", "expected"), [
    ("REJECTED", 5, None, CommandResult.REJECTED), ("NOT_SUPPORTED", 5, None, CommandResult.NOT_SUPPORTED),
    ("ACCEPTED", 5, "EVSE_OCCUPIED", CommandResult.EVSE_OCCUPIED), ("ACCEPTED", 5, "FAILED", CommandResult.FAILED),
    ("ACCEPTED", 1, None, CommandResult.TIMEOUT),
])  # fmt: skip
async def test_what_comes_of_it_is_what_they_say(call: Fed, said: str, seconds: int, result: str | None, expected: CommandResult) -> None:
    call.csms.response, call.csms.result = {"result": said, "timeout": seconds}, result
    assert (await call("PUT", "/receiver/locations/DE/ABC/LOC1", ow.location())).status == 201
    assert (await call.bridge.core.command("emsp", start())).result is expected


async def test_results_that_nobody_waits_for_or_that_make_no_sense(call: Fed) -> None:
    said = await call("POST", "/sender/commands/START_SESSION/nobody", {"result": "ACCEPTED"})
    assert (said.status, said.code) == (404, 2000)
    said = await call("POST", "/sender/commands/START_SESSION/nobody", {"result": "MAYBE"})
    assert (said.status, said.code) == (200, 2001)


async def test_reservations_and_unlocking(call: Fed) -> None:
    assert (await call("PUT", "/receiver/locations/DE/ABC/LOC1", ow.location())).status == 201
    until_ = datetime.now(UTC) + timedelta(hours=1)
    at = {"location_id": LocationId("LOC1"), "evse_uid": EvseUid("ELOC11")}
    for command, result in (
        (Command(CommandKind.RESERVE_NOW, token=token(), reservation_id="R-1", expires=until_, **at), CommandResult.ACCEPTED),  # type: ignore[arg-type]
        (Command(CommandKind.CANCEL_RESERVATION, reservation_id="R-1"), CommandResult.ACCEPTED),
        (Command(CommandKind.UNLOCK_CONNECTOR, connector_id=ConnectorId("1"), **at), CommandResult.ACCEPTED),  # type: ignore[arg-type]
        (Command(CommandKind.UNLOCK_CONNECTOR, **at), CommandResult.REJECTED),  # type: ignore[arg-type]
    ):
        assert (await call.bridge.core.command("emsp", command)).result is result
    reserve, cancel, unlock = (told for _, told in call.csms.commands)
    assert reserve["reservation_id"] == cancel["reservation_id"] != "R-1"
    assert unlock.keys() == {"response_url", "location_id", "evse_uid", "connector_id"}


async def test_commands_in_the_words_of_2_1_1(tmp_path: Path) -> None:
    csms = Csms("2.1.1", response={"result": "ACCEPTED"})
    async with fed(tmp_path, csms, with_emsp) as call:
        place = written("location", ow.location(), "2.1.1")
        assert (await call("PUT", "/locations/DE/ABC/LOC1", place)).status == 201
        assert (await call.bridge.core.command("emsp", start())).result is CommandResult.ACCEPTED
        told = csms.commands[0][1]
        assert told.keys() == {"response_url", "token", "location_id", "evse_uid"}
        assert told["token"]["auth_id"] == CONTRACT
        assert "/ocpi/emsp/2.1.1/commands/START_SESSION/" in told["response_url"]
        at = {"location_id": LocationId("LOC1"), "evse_uid": EvseUid("ELOC11"), "expires": datetime.now(UTC) + timedelta(hours=1)}
        made = Command(CommandKind.RESERVE_NOW, token=token(), reservation_id="R-1", **at)  # type: ignore[arg-type]
        assert (await call.bridge.core.command("emsp", made)).result is CommandResult.ACCEPTED
        assert isinstance(csms.commands[1][1]["reservation_id"], int)
        cancelled = await call.bridge.core.command("emsp", Command(CommandKind.CANCEL_RESERVATION, reservation_id="R-1"))
        assert cancelled.result is CommandResult.NOT_SUPPORTED


# --- configuration


@pytest.mark.parametrize(("key", "change"), [
    ("partners.csms.feeds", {"feeds": []}), ("partners.csms.feeds", {"feeds": ["nobody"]}),
    ("partners.csms.role", {"protocol": "oicp-2.3"}), ("partners.csms.agreements", {"agreements": [{"operator": "acme"}]}),
    ("partners.csms.tokens_from", {"tokens_from": ["csms"]}), ("our_party", {"our_party": "nobody"}),
    ("partners.csms.feeds", {"role": "bilateral"}),
])  # fmt: skip
def test_a_wrong_key_is_named(tmp_path: Path, key: str, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=key.replace(".", r"\.")):
        configured(1, Csms(), tmp_path, lambda said: said["partners"]["csms"].update(change))


def test_sources_are_upstream_operators_that_feed_the_operator(tmp_path: Path) -> None:
    def wrong(source: str) -> BridgeConfig:
        def change(said: dict[str, Any]) -> None:
            with_emsp(said)
            said["partners"]["emsp"]["agreements"][0]["sources"] = [source]

        return configured(1, Csms(), tmp_path, change)

    assert wrong("csms").partners["emsp"].agreements[0].sources == ["csms"]
    for source in ("emsp", "nobody", "import"):
        with pytest.raises(ValueError, match=r"partners\.emsp\.agreements\.sources"):
            wrong(source)
