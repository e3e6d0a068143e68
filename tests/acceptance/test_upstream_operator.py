"""An operator's own system feeds the bridge by OCPI: its places are at Hubject, at the clearing house and at eMSPs, drivers of all of
them charge there, by card and by remote start, and every session's CDR is at whose driver it was. The bridge ends and begins anew in
between.

Everybody is a process of its own, the partners and the operator's system are the strict stand-ins: nobody has to reject anything.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import define

from bridge.demo import scene
from bridge.demo.play import Stage

CSMS = "csms"
OURS = [f"DE*ABC*E000{place}*{evse}" for place in (1, 2) for evse in (1, 2)]
"""The EVSE-IDs of the operator's system. Those of the demonstration, which the operator has beside them, are loaded from files."""
PARTNERS = ("hubject", "clearinghouse", "emsp1", "emsp2")
KWH, START = Decimal("0.45"), Decimal("0.5")
"""What the operator's own tariff costs before taxes. The second eMSP's agreement names another, that of the demonstration."""


@define
class Upstream(Stage):
    """The stage with the operator's system."""

    csms: int = 0

    def port(self, name: str) -> int:
        """Where somebody listens."""
        return self.csms if name == CSMS else super().port(name)

    async def operator(self, act: str, **given: Any) -> Any:
        """Have the operator's system do something."""
        return await self.post(self.csms, f"/_sim/{act}", given)


def configuration(ports: scene.Ports, csms: int, version: str, *, push: bool) -> str:
    """The demonstration's, without chargers; the first eMSP speaks 2.1.1; and the operator's system."""
    said = scene.configuration(ports).replace(
        f'protocol = "ocpi-2.2.1"\nurl = "http://127.0.0.1:{ports.emsps[0]}/ocpi/versions"',
        f'protocol = "ocpi-2.1.1"\nurl = "http://127.0.0.1:{ports.emsps[0]}/ocpi/emsp/versions"')  # fmt: skip
    path = "ocpi/cpo/versions" if version == "2.1.1" else "ocpi/versions"
    agreement = f'operator = "example"\nsources = ["{CSMS}"]\n'
    agreements = "".join(f"[[partners.{name}.agreements]]\n{agreement}" for name in PARTNERS) + 'tariffs = {"*" = "STANDARD"}\n'
    return f"""{said}
[partners.{CSMS}]
protocol = "ocpi-{version}"
url = "http://127.0.0.1:{csms}/{path}"
token = {{value = "token-a-csms"}}
role = "upstream"
feeds = ["example"]
tokens_from = ["clearinghouse", "emsp1"]
pull_seconds = {3600 if push else 0.5}
{agreements}"""


@contextlib.asynccontextmanager
async def stage(version: str, *, push: bool) -> AsyncIterator[Upstream]:
    """All of them, with the demonstration's data imported; the bridge serves."""
    with tempfile.TemporaryDirectory(prefix="evbridge-upstream-") as name:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
            on = Upstream(Path(name), scene.ports(), http, lambda line: None, csms=scene.free_ports(1)[0])
            scene.data(on.folder)
            (on.folder / "bridge.toml").write_text(configuration(on.ports, on.csms, version, push=push), encoding="utf-8")
            try:
                await serve(on, version, push=push)
                yield on
            finally:
                await on.stop()


async def serve(on: Upstream, version: str, *, push: bool) -> None:
    """Start everybody."""
    await on.run("hubject", "simulate", "hubject", "--port", str(on.ports.hubject), "--operator", scene.OPERATOR,
                 "--driver", f"DE-DCB={scene.HUBJECT_UID}", "--driver", f"DE-DCB={scene.HUBJECT_EVCO}",
                 "--bridge-url", f"http://127.0.0.1:{on.ports.bridge}")  # fmt: skip
    await on.run("clearinghouse", "simulate", "clearing-house", "--port", str(on.ports.house), "--operator", scene.OPERATOR,
                 "--token", f"{scene.HOUSE_UID}={scene.HOUSE_CONTRACT}")  # fmt: skip
    for n, (port, speaks) in enumerate(zip(on.ports.emsps, ("2.1.1", "2.2.1"), strict=True), 1):
        await on.run(f"emsp{n}", "simulate", "emsp", "--port", str(port), "--party", f"DE*EM{n}", "--name", f"Mobility {n}",
                     "--tokens", "20", "--token-a", f"token-a-{n}", "--ocpi", speaks)  # fmt: skip
    await on.run(CSMS, "simulate", "cpo", "--port", str(on.csms), "--party", scene.OPERATOR, "--ocpi", version, "--locations", "2",
                 "--push" if push else "--pull", "--token-pull-seconds", "0.5", "--token-a", "token-a-csms")  # fmt: skip
    for name in (*PARTNERS, CSMS):
        await on.until(f"{name} serves", partial(on.report, name))
    await on.once("locations", "import", "locations.json", "--from", "ocpi-2.2.1")
    await on.once("tariffs", "import", "tariffs.json", "--from", "ocpi-2.2.1")
    await bridge(on)


async def bridge(on: Upstream) -> None:
    """The bridge serves."""
    await on.run("bridge", "serve", "--config", "bridge.toml")
    await on.until("the bridge serves", lambda: on.bridge("/health"))


async def end_bridge(on: Upstream) -> None:
    """The bridge ends in order."""
    process = on.processes.pop("bridge")
    process.terminate()
    assert await process.wait() == 0


# --- what everybody sees


async def statuses(on: Upstream, name: str) -> dict[str, str]:
    """The live status of every EVSE at a partner, by EVSE-ID."""
    seen = await on.report(name)
    if name == "hubject":
        return dict(seen["statuses"].get(scene.OPERATOR, {}))
    if name == "clearinghouse":
        return dict(seen["statuses"])
    return {evse["evse_id"]: evse["status"] for place in seen["locations"] for evse in place["evses"]}


async def published(on: Upstream) -> None:
    """Everybody has the operator's places of both kinds, each once, with their status and tariffs."""
    everything = sorted([*OURS, *scene.EVSES])

    async def everywhere() -> bool:
        hubject, house = await on.report("hubject"), await on.report("clearinghouse")
        shown = [sorted(evse["EvseID"] for evse in hubject["evses"].get(scene.OPERATOR, ())), sorted(house["charge_points"])]
        shown += [sorted(await statuses(on, name)) for name in ("emsp1", "emsp2")]
        told = [{status for evse, status in (await statuses(on, name)).items() if evse in OURS} for name in PARTNERS]
        tariffs = [{t["id"] for t in (await on.report(name))["tariffs"]} for name in ("emsp1", "emsp2")]
        return (
            shown == [everything] * 4
            and told == [{"Available"}, {"available/available"}, {"AVAILABLE"}, {"AVAILABLE"}]
            and tariffs == [{"STANDARD", "KWH"}, {"STANDARD"}]
        )

    await on.until("the operator's places are everywhere", everywhere)


async def status_changes(on: Upstream) -> None:
    """A status is everywhere as soon as it changes."""
    expected = {"hubject": "OutOfService", "clearinghouse": "not-available/outoforder", "emsp1": "OUTOFORDER", "emsp2": "OUTOFORDER"}
    last = {"location_id": "PARK2", "evse_uid": "ABC-0002-2"}
    for status, shown in (("OUTOFORDER", expected), ("AVAILABLE", None)):
        await on.operator("status", **last, status=status)
        for name in expected:
            want = shown[name] if shown else {"hubject": "Available", "clearinghouse": "available/available"}.get(name, "AVAILABLE")

            async def there(name: str = name, want: str = want) -> bool:
                return (await statuses(on, name))[OURS[-1]] == want

            await on.until(f"{name} knows that it is {want}", there)


async def cards(on: Upstream, name: str) -> list[str]:
    """The cards of an eMSP."""
    return [str(token["uid"]) for token in await on.get(on.port(name), "/_sim/tokens")]


async def sessions(on: Upstream) -> list[dict[str, Any]]:
    """The sessions of the operator's system."""
    found: list[dict[str, Any]] = (await on.report(CSMS))["sessions"]
    return found


async def begun(on: Upstream, before: int) -> str:
    """The session that a remote start has begun."""

    async def one_more() -> str | None:
        found = await sessions(on)
        return str(found[-1]["id"]) if len(found) > before and found[-1]["status"] == "ACTIVE" else None

    return str(await on.until("it charges", one_more))


async def told_to(on: Upstream, name: str, ident: str, status: str) -> None:
    """An eMSP hears of its driver's session."""

    async def heard() -> bool:
        return any((s["id"].upper(), s["status"]) == (ident.upper(), status) for s in (await on.report(name))["sessions"])

    await on.until(f"{name} knows session {ident} as {status}", heard)


# --- the play


@pytest.mark.parametrize(("version", "push"), [("2.2.1", True), ("2.1.1", False), ("2.3.0", True)], ids=["2.2.1", "2.1.1 pulled", "2.3.0"])
async def test_an_upstream_operator_roams_everywhere(version: str, push: bool) -> None:
    async with stage(version, push=push) as on:
        await published(on)
        await status_changes(on)
        cdrs = {**await by_card(on), **await by_remote_start(on)}
        await billed(on, cdrs)
        await nothing_went_wrong(on)


async def by_card(on: Upstream) -> dict[str, tuple[str, Decimal]]:
    """Drivers show their cards, and the bridge ends while they charge. CDRs by id: whose driver it was, and kWh."""

    async def has_tokens() -> bool:
        return bool((await on.report(CSMS))["tokens"] == 21)

    await on.until("the operator has the tokens that it may have", has_tokens)
    first, second, third = ({"location_id": f"PARK{n}", "evse_uid": f"ABC-000{n}-{i}"} for n, i in ((1, 1), (1, 2), (2, 1)))
    asked = (await cards(on, "emsp2"))[0]
    shown = {}
    for name, uid, where in (("clearinghouse", scene.HOUSE_UID, first), ("hubject", scene.HUBJECT_UID, second), ("emsp2", asked, third)):
        said = await on.operator("session", uid=uid, **where)
        assert said["allowed"] == "ALLOWED", name
        shown[name] = said["session_id"]
    methods = {s["id"]: s["auth_method"] for s in await sessions(on)}
    assert [methods[ident] for ident in shown.values()] == ["WHITELIST", "AUTH_REQUEST", "AUTH_REQUEST"]
    assert (await on.operator("session", uid="04DEADBEEF0000", location_id="PARK2", evse_uid="ABC-0002-2"))["allowed"] == "UNKNOWN"
    await on.operator("progress", session_id=shown["emsp2"], kwh=4)
    await told_to(on, "emsp2", shown["emsp2"], "ACTIVE")

    await end_bridge(on)
    cdrs = {}
    for name, kwh in (("clearinghouse", Decimal("12.5")), ("hubject", Decimal("8.25"))):
        cdr = await on.operator("end", session_id=shown[name], kwh=str(kwh))
        cdrs[cdr["id"]] = name, kwh
    await bridge(on)
    cdr = await on.operator("end", session_id=shown["emsp2"], kwh="20")
    return cdrs | {cdr["id"]: ("emsp2", Decimal(20))}


async def by_remote_start(on: Upstream) -> dict[str, tuple[str, Decimal]]:
    """Hubject's and an eMSP's drivers start from afar, and the eMSP's stops so, too."""
    cdrs = {}
    before = len(await sessions(on))
    said = await on.post(
        on.ports.hubject, "/_sim/remote-start", {"evse_id": OURS[0], "provider_id": "DE-DCB", "evco_id": scene.HUBJECT_EVCO}
    )
    assert said["answer"]["StatusCode"]["Code"] == "000"
    ident = await begun(on, before)
    cdr = await on.operator("end", session_id=ident, kwh="7.5")
    cdrs[cdr["id"]] = "hubject", Decimal("7.5")

    uid, before = (await cards(on, "emsp1"))[3], len(await sessions(on))
    where = {"location_id": "PARK2", "evse_uid": "ABC-0002-1"}
    started = await on.post(on.port("emsp1"), "/_sim/start?timeout=30", where | {"uid": uid})
    assert (started["response"]["result"], started["result"]["result"]) == ("ACCEPTED", "ACCEPTED")
    ident = await begun(on, before)
    await told_to(on, "emsp1", ident, "ACTIVE")
    await on.operator("progress", session_id=ident, kwh="3.2")
    stopped = await on.post(on.port("emsp1"), "/_sim/stop?timeout=30", {"session_id": ident})
    assert (stopped["response"]["result"], stopped["result"]["result"]) == ("ACCEPTED", "ACCEPTED")
    await told_to(on, "emsp1", ident, "COMPLETED")

    async def made() -> str | None:
        found = [one["cdr"]["id"] for one in (await on.report(CSMS))["cdrs"]]
        return str(found[-1]) if len(found) == before + 1 else None

    return cdrs | {await on.until("its CDR is made", made): ("emsp1", Decimal("3.2"))}


async def billed(on: Upstream, cdrs: dict[str, tuple[str, Decimal]]) -> None:
    """Every CDR is at whose driver it was, once, with the energy and the price that were agreed upon."""

    async def acknowledged() -> bool:
        ledger = (await on.bridge("/admin/status"))["cdrs"]
        wrong = [c for c in ledger if c["state"] not in ("waiting", "uncertain", "acknowledged")]
        assert not wrong, wrong
        return bool([c["state"] for c in ledger] == ["acknowledged"] * len(cdrs))

    await on.until("every CDR is acknowledged", acknowledged)
    hubject, house = (await on.report("hubject"))["cdrs"], (await on.report("clearinghouse"))["cdrs"]
    assert sorted(Decimal(str(c["ConsumedEnergy"])) for c in hubject) == sorted(kwh for name, kwh in cdrs.values() if name == "hubject")
    assert {c["EvseID"] for c in hubject} <= set(OURS)
    (at_house,) = house
    assert (at_house["contract_id"].replace("-", ""), Decimal(at_house["energy_kwh"])) == (
        scene.HOUSE_CONTRACT.replace("-", ""), Decimal("12.5"))  # fmt: skip
    assert abs(Decimal(at_house["total_cost"]) - (START + KWH * Decimal("12.5"))) < Decimal("0.01")
    for name, fixed, rate in (("emsp1", START, KWH), ("emsp2", Decimal("0.35"), Decimal("0.49"))):
        (one,) = (entry["cdr"] for entry in (await on.report(name))["cdrs"])
        whose, kwh = cdrs[one["id"]]
        assert (whose, Decimal(str(one["total_energy"]))) == (name, kwh)
        cost = one["total_cost"] if name == "emsp1" else one["total_cost"]["excl_vat"]
        assert abs(Decimal(str(cost)) - (fixed + rate * kwh)) < Decimal("0.01")


async def nothing_went_wrong(on: Upstream) -> None:
    """Nobody had to reject anything, nothing is left to be sent, and what the operator's system told never came back to it."""

    async def quiet() -> bool:
        return bool((await on.bridge("/admin/status"))["outbox"] == {})

    await on.until("nothing is left to be sent", quiet)
    for name in (*PARTNERS, CSMS):
        assert (await on.report(name))["rejections"] == [], name
    csms = await on.report(CSMS)
    asked = {"location_page", "tariff_page", "session_page", "cdr_page"}
    assert csms["received"].keys() <= asked | {"registration", "token", "token_patch", "token_list", "command", "session_begun"}
    assert [place["id"] for place in csms["locations"]] == ["PARK1", "PARK2"]
    assert [command["kind"] for command in csms["commands"]] == ["START_SESSION", "START_SESSION", "STOP_SESSION"]
    assert scene.LOCATION not in str(csms["sessions"])
