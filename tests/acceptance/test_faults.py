"""A partner that is down, slow, out of order or talks nonsense: the others notice nothing, and it gets everything later.

Its CDRs arrive with the same id and the same bytes however often they were sent, its state objects once, as they then are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.model.location import Status
from bridge.store import outbox
from tests.roaming.bridge_world import NAMES, World, until, world

FAULTS: dict[str, dict[str, Any] | None] = {
    "down": None,
    "slow": {"delay": 1.0},
    "500": {"status": 500},
    "nonsense": {"nonsense": True},
    "429": {"status": 429, "retry_after": 1},
}
OUT_OF_ORDER = {"emsp": "OUTOFORDER", "hubject": "OutOfService", "clearinghouse": "not-available/outoforder"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_RETRY", 0.05)
    monkeypatch.setattr(outbox, "LAST_RETRY", 0.4)


def accepted_statuses(w: World, name: str) -> list[int]:
    """A counter (in a list) of the status messages that a partner takes from now on."""
    if name == "clearinghouse":
        perform = w.house.world.perform
        seen: list[int] = []

        def performing(account: Any, body: Any) -> Any:
            if body.tag.endswith("UpdateStatusRequest"):
                seen.extend(1 for one in body if one.tag.endswith("}evse"))
            return perform(account, body)

        w.house.world = _Spied(w.house.world, performing)  # type: ignore[assignment]
        return seen
    if name == "hubject":
        took: list[int] = []
        push = w.hub.push_evse_status

        def pushing(path: str, message: dict[str, Any]) -> None:
            push(path, message)
            took.extend(1 for _ in message["OperatorEvseStatus"]["EvseStatusRecord"])

        w.hub.push_evse_status = pushing  # type: ignore[method-assign]
        return took
    return _Counted(w, name)


class _Spied:
    """The clearing house's world with one operation looked at."""

    def __init__(self, world: Any, perform: Any) -> None:
        self._world = world
        self.perform = perform

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)


class _Counted(list[int]):
    """The eMSP counts by itself."""

    def __init__(self, w: World, name: str) -> None:
        super().__init__()
        self._emsp = w.emsps[name]
        self._before = self._emsp.received["status"]

    def __len__(self) -> int:
        return self._emsp.received["status"] - self._before


async def spoil(w: World, name: str, fault: str) -> None:
    how = FAULTS[fault]
    if how is None:
        await w.down(name)
    else:
        w.break_(name, **how)


async def repair(w: World, name: str, fault: str) -> None:
    if FAULTS[fault] is None:
        await w.up(name)
    else:
        w.mend(name)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["emsp1", "hubject", "clearinghouse"])
async def test_a_partner_in_trouble_holds_up_nobody_and_gets_everything_later(tmp_path: Path, name: str, fault: str) -> None:
    async with world(tmp_path) as w:
        begun = {n: await w.begin(i % 3, w.card(n), wh=i * 100_000) for i, n in enumerate(NAMES)}
        await w.status(2, Status.AVAILABLE)
        await w.quiet()
        for one in NAMES:
            assert w.status_of(one, 2) is not None, "everybody has been told before"
        took = accepted_statuses(w, name)
        await spoil(w, name, fault)

        for status in (Status.CHARGING, Status.AVAILABLE, Status.RESERVED):
            await w.status(2, status)
            if fault != "slow":  # what is under way counts as a try
                await until("it was tried", lambda: any(j["attempts"] for j in w.jobs(name)))
        sessions = {n: await w.end(i % 3, begun[n], wh=i * 100_000) for i, n in enumerate(NAMES)}
        await w.status(2, Status.OUT_OF_ORDER)
        mine = w.cdrs()[sessions[name]].id
        sent = next(j["body"] for j in w.jobs(name) if j["kind"] == "cdr")

        others = [n for n in NAMES if n != name]
        await until("the others have their CDRs and the status", lambda: all(w.cdrs()[sessions[n]].state == "acknowledged" for n in others)
                    and not any(w.jobs(n) for n in others))  # fmt: skip
        for one in others:
            assert w.status_of(one, 2) == OUT_OF_ORDER[one.rstrip("12")]
        assert w.cdrs()[sessions[name]].state in ("waiting", "uncertain"), "its own waits"
        await until("the CDR was tried", lambda: w.cdrs()[sessions[name]].sent or fault == "429")
        assert len(w.held(name)) == 0 or fault == "slow"

        await repair(w, name, fault)
        await until("it has its CDR", lambda: w.cdrs()[sessions[name]].state == "acknowledged")
        await w.quiet()
        assert w.held(name) == [sessions[name] if name == "hubject" else mine], "once"
        assert held_bytes(w, name) == sent
        assert w.status_of(name, 2) == OUT_OF_ORDER[name.rstrip("12")]
        # What a slow partner had begun to take when it became slow it takes as well, late.
        assert len(took) == 1 or (fault == "slow" and len(took) <= 3), "its state once, as it now is"
        # Hubject takes one push at a time: one that was given up here may still be under way there.
        late = [r for r in w.rejections() if fault == "slow" and r.get("code") == "009"]
        assert [r for r in w.rejections() if r not in late] == []
        assert not w.jobs(state="dead")


def held_bytes(w: World, name: str) -> bytes:
    """The CDR of a partner as it came (the clearing house's as it was sent, since the stand-in keeps an element)."""
    if name == "hubject":
        (found,) = w.hub.cdr_bytes.values()
        return found
    if name == "clearinghouse":
        from bridge.simulate import clearing_house_rules as rules

        (kept,) = w.house.world.cdrs.values()
        (job,) = [r["body"] for r in w.store.db.read.execute("SELECT body FROM published WHERE partner = ? AND kind = 'cdr'", (name,))]
        from lxml import etree

        again = etree.fromstring(bytes(job).replace(b"<cdrInfoArray", b'<cdrInfoArray xmlns="http://ochp.eu/1.4"', 1))
        assert rules.normal(again) == kept.said
        return bytes(job)
    (cdr,) = w.emsps[name].cdrs.values()
    return cdr[1]


# --- what was sent, perhaps -------------------------------------------------------------------------------------------

LOST = {
    "emsp1": {"drop_after_accept": True, "only": "/cdrs", "count": 1},
    "hubject": {"drop_after_accept": True, "only": "charge-detail-record", "count": 1},
    "clearinghouse": {"drop_after_accept": True, "operation": "AddCDRs", "count": 1},
}


@pytest.mark.parametrize("name", LOST)
async def test_a_cdr_whose_answer_was_lost_is_uncertain_and_sent_again_as_it_was(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:  # fmt: skip
    async with world(tmp_path) as w:
        monkeypatch.setattr(outbox, "FIRST_RETRY", 0.5)  # to be seen in between
        w.break_(name, **LOST[name])
        session = await w.charge(0, w.card(name))
        await until("it is uncertain", lambda: w.cdrs()[session].state == "uncertain")
        (job,) = (j for j in w.jobs(name) if j["kind"] == "cdr")
        assert job["uncertain"] == 1
        assert len(w.held(name)) == 1, "it has been taken"
        await until("it is acknowledged", lambda: w.cdrs()[session].state == "acknowledged")
        assert w.cdrs()[session].sent == 2
        assert len(w.held(name)) == 1, "it is not doubled"
        assert held_bytes(w, name) == job["body"]
        again = {
            "emsp1": w.emsps["emsp1"].received["cdr_repeat"],
            "hubject": sum(one["same_bytes"] for one in w.hub.duplicates),
            "clearinghouse": sum(kept.received - 1 for kept in w.house.world.cdrs.values()),
        }
        assert again[name] == 1, "it came a second time, with the same bytes"
        assert w.rejections() == []
        assert not w.jobs(state="dead")


async def test_a_restart_in_between_changes_nothing_about_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.break_("hubject", **LOST["hubject"])
        session = await w.charge(0, w.card("hubject"))
        await until("it is uncertain", lambda: w.cdrs()[session].state == "uncertain")
        await w.restart()
        await until("it is acknowledged", lambda: w.cdrs()[session].state == "acknowledged")
        assert w.held("hubject") == [session]
        assert all(one["same_bytes"] for one in w.hub.duplicates)


async def test_a_cdr_that_a_partner_has_without_our_sending_it_is_for_a_person(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        number = await w.begin(0, w.card("hubject"))
        hub_session = w.store.session(tx=number).auth["hub_session_id"]
        w.hub.cdrs[hub_session], w.hub.cdr_bytes[hub_session] = {"CPOPartnerSessionID": "somebody else's"}, b"{}"
        session = await w.end(0, number)
        await until("it is refused", lambda: w.cdrs()[session].state == "refused")
        (dead,) = w.jobs("hubject", "dead")
        assert dead["kind"] == "cdr"
        assert "already received" in dead["error"]
        assert w.held("hubject") == ["somebody else's"]


async def test_a_partner_that_asks_to_wait_is_left_alone_as_a_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.break_("emsp1", status=429, retry_after=1)
        await w.status(0, Status.CHARGING)
        await until("it said so", lambda: w.spoiled("emsp1") == 1)
        await w.quietly("emsp1")
        session = await w.charge(1, w.card("emsp1"))
        await w.status(2, Status.BLOCKED)
        await until("the others have it", lambda: w.status_of("emsp2", 2) == "BLOCKED")
        assert w.spoiled("emsp1") == 1, "not even about something else"
        w.mend("emsp1")
        await until("it has everything", lambda: w.cdrs()[session].state == "acknowledged" and w.status_of("emsp1", 2) == "BLOCKED")
        assert w.cdrs()[session].sent == 1


async def test_a_fault_in_an_adapter_is_not_the_end_of_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as w:
        partner = w.bridge.partners["emsp1"]

        async def broken(kind: Any, jobs: Any) -> Any:
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(partner, "deliver", broken)
            session = await w.charge(0, w.card("emsp1"))
            await until("it was tried", lambda: w.cdrs()[session].sent > 1)
            assert w.cdrs()[session].state == "uncertain"
        await until("it is acknowledged", lambda: w.cdrs()[session].state == "acknowledged")
        assert len(w.held("emsp1")) == 1
