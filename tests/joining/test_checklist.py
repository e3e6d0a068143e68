"""``evbridge partner checklist``: what is fulfilled is seen, what is wrong is named, for every kind of partner."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.app import Bridge, book_of, utc_now
from bridge.config import BridgeConfig
from bridge.demo import scene
from bridge.joining import checklist as steps
from bridge.joining.checks import State
from bridge.joining.facts import Facts, PartnerKind
from bridge.model.ids import EvseId
from bridge.roaming.storage import CdrRow
from tests.joining import joining_world as jw
from tests.roaming import bridge_world
from tests.roaming.bridge_world import configuration


def states(facts: Facts) -> dict[str, State]:
    """The state of each step by its key."""
    return {item.step.key: item.finding.state for item in steps.checklist(facts)}


def told(facts: Facts, key: str) -> str:
    """What was seen about a step."""
    return next(item.finding.told for item in steps.checklist(facts) if item.step.key == key)


def facts(bridge: Bridge, name: str) -> Facts:
    """What is known of a partner."""
    return Facts(name, bridge.config, bridge.book, bridge.store, utc_now())


# --- the list


def test_the_steps_are_in_order_and_each_has_one_name() -> None:
    keys = [step.key for step in steps.STEPS]
    assert len(set(keys)) == len(keys)
    phases = list(steps.Phase)
    for kind in PartnerKind:
        mine = [phases.index(step.phase) for step in steps.of(kind)]
        assert mine == sorted(mine)
        assert set(mine) == set(range(len(phases)))


@pytest.mark.parametrize(("name", "kind"), [("emsp1", "OCPI peer"), ("hubject", "Hubject"), ("clearinghouse", "clearing house"),
                                            ("emsp2", "OCPI hub")])  # fmt: skip
def test_kinds_of_partner(tmp_path: Path, name: str, kind: str) -> None:
    config = configuration(tmp_path, scene.ports(), lambda said: said["partners"]["emsp2"].update(role="hub"))
    assert PartnerKind.of(config.partners[name]) == kind


# --- a world in which everything goes well


async def test_what_went_well_is_seen_for_every_kind_of_partner(tmp_path: Path) -> None:
    def change(said: dict[str, Any]) -> None:
        said["partners"]["emsp2"]["role"] = "hub"
        said["partners"]["emsp1"]["provider_party"] = "DE-EM1"

    async with bridge_world.world(tmp_path, change) as w:
        for number, name in enumerate(("emsp1", "emsp2", "hubject", "clearinghouse")):
            await w.charge(number % 3, w.card(name), kwh=5)
        await w.quiet()
        await bridge_world.until("acknowledged", lambda: {c.state for c in w.cdrs().values()} == {"acknowledged"})
        seen = {name: states(facts(w.bridge, name)) for name in w.config.partners}
        for name, mine in seen.items():
            assert {key for key, state in mine.items() if state is State.WRONG} == {"their-url"}, name  # no TLS on this machine
            done = {key for key, state in mine.items() if state is State.DONE}
            assert {"agreement", "tariff", "evse-ids", "time-zone", "bound", "locations", "locations-taken", "tariffs-taken",
                    "cdr", "dead", "doubt", "deadline", "test-gone"} <= done, name  # fmt: skip
        assert {key for key, state in seen["emsp1"].items() if state is State.DONE} >= {
            "registered",
            "endpoints",
            "party",
            "tokens",
            "admin",
        }
        assert told(facts(w.bridge, "emsp1"), "registered") == "OCPI 2.2.1, as DE*EM1 EMSP"
        assert seen["emsp2"]["hub-data"] is State.OPEN
        assert "owner.name" in told(facts(w.bridge, "emsp2"), "hub-data")
        assert "registered" not in seen["hubject"]
        assert (seen["hubject"]["certificate"], seen["hubject"]["allowed"]) == (State.OPEN, State.DONE)
        assert (seen["clearinghouse"]["account"], seen["clearinghouse"]["tokens"]) == (State.DONE, State.DONE)
        assert seen["emsp1"]["our-url"] is State.OPEN
        assert seen["emsp1"]["contract"] is State.YOURS
        w.emsps["emsp1"].answers[next(iter(w.emsps["emsp1"].hidden))] = "BLOCKED"
        blocked = next(iter(w.emsps["emsp1"].hidden))[0]
        assert await w.bridge.core.sessions.authorise("CP1", blocked) != "Accepted"
        await w.store.happened()  # what may wait is written
        assert states(facts(w.bridge, "emsp1"))["blocked"] is State.DONE


# --- what is open, and what is wrong


def config(tmp_path: Path, **partner: Any) -> BridgeConfig:
    """The demonstration's configuration, with changes to emsp1."""

    def change(said: dict[str, Any]) -> None:
        said["partners"]["emsp1"].update(partner)

    return configuration(tmp_path, scene.ports(), change)


@pytest.fixture
def bridge(tmp_path: Path) -> Any:
    """A store with the demonstration's data, nothing delivered."""
    made = Bridge(config(tmp_path))

    async def fill() -> None:
        await made.core.publisher.import_tariffs("example", [bridge_world.canonical("tariff", scene.tariff())])
        await made.core.publisher.import_locations("example", [bridge_world.canonical("location", scene.location())], groups={}, bound={})

    made.store.open()
    asyncio.run(fill())
    yield made
    made.store.close()


def changed(bridge: Bridge, config: BridgeConfig, name: str = "emsp1") -> Facts:
    """The facts with another configuration on the same store."""
    return Facts(name, config, book_of(config), bridge.store, utc_now())


def test_before_anything_was_done_everything_is_open(tmp_path: Path) -> None:
    it = Facts("emsp1", config(tmp_path), book_of(config(tmp_path)), None, utc_now())
    assert {key for key, state in states(it).items() if state is State.DONE} == {
        "agreement",
        "admin",
        "deadline",
        "dead",
        "doubt",
        "test-gone",
    }
    assert states(it)["tariff"] is State.WRONG
    assert told(it, "registered") == "the bridge registers when it starts, and tries until it succeeds"


def test_what_waits_is_open(bridge: Bridge) -> None:
    it = facts(bridge, "emsp1")
    assert told(it, "locations-taken") == "0 of 1 taken by the partner"
    waits = {"registered", "called", "locations-taken", "tariffs-taken", "tokens", "allowed", "blocked", "cdr"}
    assert {key for key, state in states(it).items() if state is State.OPEN} == waits | {"our-url", "party", "bound"}


AGREED = {"operator": "example"}


@pytest.mark.parametrize(("partner", "key", "state", "because"), [
    ({"agreements": [AGREED]}, "tariff", State.OPEN, "names no tariff"),
    ({"agreements": [AGREED | {"tariffs": {"*": "NIL"}}]}, "tariff", State.WRONG, "not imported: NIL"),
    ({"agreements": [AGREED | {"test": True}]}, "test-gone", State.OPEN, "is a test"),
    ({"agreements": [AGREED | {"valid_until": "2020-01-01T00:00:00Z"}]}, "agreement", State.OPEN, "no agreement is valid"),
    ({"url": "https://emsp.example"}, "their-url", State.DONE, "https://emsp.example"),
    ({"agreements": [AGREED | {"groups": ["none"]}]}, "locations", State.OPEN, "no location of its agreements"),
])  # fmt: skip
def test_what_the_configuration_lacks(
    bridge: Bridge, tmp_path: Path, partner: dict[str, Any], key: str, state: State, because: str
) -> None:
    it = changed(bridge, config(tmp_path, **partner))
    assert (states(it)[key], because in told(it, key)) == (state, True)


@pytest.mark.parametrize(("change", "key", "because"), [
    ({"id": EvseId("DE*XYZ*E1")}, "evse-ids", "not an EVSE-ID of DE*ABC: DE*XYZ*E1"), ({"id": None}, "evse-ids", "not an EVSE-ID"),
    ({"id": EvseId("nonsense")}, "evse-ids", "nonsense"),
])  # fmt: skip
def test_evse_ids_of_others_are_wrong(bridge: Bridge, change: dict[str, Any], key: str, because: str) -> None:
    it = facts(bridge, "emsp1")
    (place,) = it.locations
    it.__dict__["locations"] = [evolve(place, evses=(evolve(place.evses[0], **change), *place.evses[1:]))]
    assert (states(it)[key], because in told(it, key)) == (State.WRONG, True)


def test_a_place_without_a_time_zone_is_wrong_unless_one_is_configured(bridge: Bridge, tmp_path: Path) -> None:
    for more, state in (({}, State.WRONG), ({"constants": {"time_zone": "Europe/Berlin"}}, State.DONE)):
        it = changed(bridge, config(tmp_path, **more))
        (place,) = it.locations
        it.__dict__["locations"] = [evolve(place, place=evolve(place.place, time_zone=None))]
        assert states(it)["time-zone"] is state


def test_an_evse_that_the_partner_cannot_be_told_is_named(bridge: Bridge) -> None:
    bridge.store.db.write_now(lambda db: db.execute("DELETE FROM published WHERE partner IN ('emsp1', 'hubject')").rowcount)
    for name in ("emsp1", "hubject"):
        assert told(facts(bridge, name), "locations").startswith("3 of 3 EVSEs are not shown: DE*ABC*E1001*1")


def test_refused_uncertain_late_and_held_things_are_wrong(bridge: Bridge) -> None:
    def break_(db: Any) -> None:
        db.execute("UPDATE outbox SET state = 'dead' WHERE partner = 'emsp1' AND kind = 'tariff'")
        db.execute("INSERT INTO session (id, tx, charge_point, connector, partner, id_tag, auth, test, started, meter_start, ended, state)"
                   " VALUES ('s', 1, 'CP1', 1, 'emsp1', 'x', '{}', 0, ?, 0, ?, 'ended')", (old, old))  # fmt: skip
        db.execute("INSERT INTO cdr (id, session, partner, operator, test, body, state, created)"
                   " VALUES ('C1', 's', 'emsp1', 'example', 0, x'', 'uncertain', ?)", (old,))  # fmt: skip

    old = (utc_now() - timedelta(days=3)).isoformat()
    bridge.store.db.write_now(break_)
    asyncio.run(bridge.store.hold("tokens of emsp1", "5 of 5 would be revoked", b"[]"))
    it = facts(bridge, "emsp1")
    assert {key for key, state in states(it).items() if state is State.WRONG} == {"their-url", "dead", "doubt", "deadline", "tokens"}
    assert told(it, "doubt") == "C1 uncertain"
    assert told(it, "tokens") == "a list is held as 1: 5 of 5 would be revoked"
    assert "has passed" in told(it, "deadline")
    assert isinstance(it.cdrs[0], CdrRow)


@pytest.mark.parametrize(("files", "state"), [
    ({}, State.OPEN), ({"certificate": "no.pem", "key": "no.key"}, State.WRONG),
])  # fmt: skip
def test_a_certificate_that_cannot_be_read_is_wrong(bridge: Bridge, tmp_path: Path, files: dict[str, str], state: State) -> None:
    made = config(tmp_path)
    made.partners["hubject"] = made.partners["hubject"].model_copy(update={k: tmp_path / v for k, v in files.items()})
    it = changed(bridge, made, "hubject")
    assert states(it)["certificate"] is state


def test_an_account_without_its_password_is_open_or_wrong(bridge: Bridge, tmp_path: Path) -> None:
    from bridge.config import Secret

    made = config(tmp_path)
    for secret, state in ((None, State.OPEN), (Secret(file=tmp_path / "nil", env=None, value=None), State.WRONG)):
        made.partners["clearinghouse"] = made.partners["clearinghouse"].model_copy(update={"password": secret})
        assert states(changed(bridge, made, "clearinghouse"))["account"] is state


def test_modules_that_a_partner_does_not_offer_are_named(bridge: Bridge) -> None:
    from bridge.ocpi.credentials import PartnerCredentials, PartnerEndpoint

    it = facts(bridge, "emsp1")
    offered = (PartnerEndpoint("locations", "RECEIVER", "u"), PartnerEndpoint("cdrs", "", "u"))
    it.__dict__["credentials"] = PartnerCredentials(theirs="a", ours="b", version="2.2.1", endpoints=offered)
    assert told(it, "endpoints") == "not offered: tariffs receiver, sessions receiver, tokens sender"


# --- as it is printed


async def test_the_command_prints_marks_hints_and_an_exit_status(tmp_path: Path) -> None:
    async with jw.world(tmp_path) as w:
        w.configure(w.partner("emsp", 'provider_party = "DE-EMS"'))
        done = await w.run("checklist", "emsp")
        assert done.exit_code == 1
        lines = done.output.splitlines()
        assert lines[:3] == ["emsp (OCPI peer, ocpi-2.2.1)", "Agree:",
                             "  [?] The contract says what is shown, what it costs, who bears which risk"]  # fmt: skip
        at = lines.index("  [ ] Tokens are exchanged and a version is agreed: not begun")
        assert "evbridge partner add NAME" in lines[at + 1]
        assert "  [x] The partner's own party is configured: DE-EMS" in lines
        assert any(line.startswith("  [!] We reach the partner by TLS") for line in lines)
        told = json.loads((await w.run("checklist", "emsp", "--json")).output)
        assert {one["key"]: one["state"] for one in told}["registered"] == "open"


async def test_the_exit_status_is_0_when_only_a_person_is_left_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STEPS", tuple(step for step in steps.STEPS if step.look is None or step.key == "agreement"))
    async with jw.world(tmp_path) as w:
        w.configure(w.partner())
        assert (await w.run("checklist", "emsp")).exit_code == 0
