"""Plays the demonstration: processes over real sockets, drivers of every partner, CDRs counted at the partners."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, field, frozen

from bridge.demo import scene

PATIENCE = 60.0
"""Seconds to wait for anything to happen."""


class Failed(Exception):
    """The play did not go as it should; the text says what failed."""


@frozen
class Line:
    """A session in the final table."""

    session: str
    owner: str
    how: str
    kwh: str
    price: str
    state: str
    reference: str
    losses: int


@define
class Stage:
    """The running processes and how to talk to them."""

    folder: Path
    ports: scene.Ports
    http: aiohttp.ClientSession
    say: Callable[[str], None]
    processes: dict[str, asyncio.subprocess.Process] = field(factory=dict)

    async def run(self, name: str, *arguments: str) -> None:
        """Start a process of the command; its output goes to a file."""
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge.cli", *arguments, cwd=self.folder, stdout=log, stderr=log)  # fmt: skip
        log.close()

    async def once(self, *arguments: str) -> None:
        """Run a command to its end. Raises Failed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge.cli", *arguments, cwd=self.folder, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT)  # fmt: skip
        out, _ = await process.communicate()
        if process.returncode != 0:
            raise Failed(f"evbridge {' '.join(arguments)}: {out.decode().strip()}")

    async def stop(self) -> None:
        """Stop every process, the bridge first, so that it drains."""
        for name in sorted(self.processes, key=lambda n: n != "bridge"):
            process = self.processes[name]
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                try:
                    async with asyncio.timeout(15):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def get(self, port: int, path: str, token: str | None = None) -> Any:
        """JSON from one of them."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response:
            if response.status != 200:
                raise Failed(f"GET {path}: HTTP {response.status}")
            return await response.json()

    async def post(self, port: int, path: str, body: dict[str, Any]) -> Any:
        """POST JSON to one of them."""
        async with self.http.post(f"http://127.0.0.1:{port}{path}", json=body) as response:
            answer = await response.json()
            if response.status >= 400:
                raise Failed(f"POST {path}: HTTP {response.status} {answer}")
            return answer

    async def until(self, what: str, holds: Callable[[], Awaitable[Any]], patience: float = PATIENCE) -> Any:
        """Wait until a condition holds; returns what it gave. Raises Failed."""
        end = asyncio.get_running_loop().time() + patience
        last: Exception | None = None
        while asyncio.get_running_loop().time() < end:
            self._alive()
            try:
                if found := await holds():
                    self.say(what)
                    return found
            except (aiohttp.ClientError, Failed, KeyError, IndexError) as why:
                last = why
            await asyncio.sleep(0.1)
        raise Failed(f"not within {patience:.0f} s: {what}" + (f" ({last})" if last else ""))

    def _alive(self) -> None:
        for name, process in self.processes.items():
            if process.returncode is not None:
                tail = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()[-3:]
                raise Failed(f"{name} stopped with {process.returncode}: {' / '.join(tail)}")

    async def report(self, name: str) -> Any:
        """What a partner saw."""
        return await self.get(self.port(name), "/_sim/report")

    def port(self, name: str) -> int:
        """Where a partner or charger listens."""
        found = {
            "hubject": self.ports.hubject,
            "clearinghouse": self.ports.house,
            "emsp1": self.ports.emsps[0],
            "emsp2": self.ports.emsps[1],
        }
        return found[name] if name in found else self.ports.chargers[scene.CHARGERS.index(name)]

    async def bridge(self, path: str) -> Any:
        """The bridge's administration."""
        return await self.get(self.ports.bridge, path, "demo-admin")


@contextlib.asynccontextmanager
async def stage(say: Callable[[str], None]) -> AsyncIterator[Stage]:
    """A stage in a temporary folder; everything is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="evbridge-demo-") as name:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=90)) as http:
            made = Stage(Path(name), scene.ports(), http, say)
            scene.write(made.folder, made.ports)
            try:
                yield made
            finally:
                await made.stop()


async def partners(on: Stage) -> None:
    """Start the four partners and wait until they serve."""
    await on.run("hubject", "simulate", "hubject", "--port", str(on.ports.hubject), "--operator", scene.OPERATOR,
                 "--driver", f"DE-DCB={scene.HUBJECT_UID}", "--driver", f"DE-DCB={scene.HUBJECT_EVCO}",
                 "--bridge-url", f"http://127.0.0.1:{on.ports.bridge}")  # fmt: skip
    await on.run("clearinghouse", "simulate", "clearing-house", "--port", str(on.ports.house), "--operator", scene.OPERATOR,
                 "--token", f"{scene.HOUSE_UID}={scene.HOUSE_CONTRACT}")  # fmt: skip
    for n, port in enumerate(on.ports.emsps, 1):
        await on.run(f"emsp{n}", "simulate", "emsp", "--port", str(port), "--party", f"DE*EM{n}", "--name", f"Mobility {n}",
                     "--tokens", "500", "--token-a", f"token-a-{n}")  # fmt: skip
    for name in ("hubject", "clearinghouse", "emsp1", "emsp2"):
        await on.until(f"{name} serves", partial(on.report, name))


async def bridge(on: Stage) -> None:
    """Import the operator's data, start the bridge and the chargers."""
    await on.once("locations", "import", "locations.json", "--from", "ocpi-2.2.1")
    await on.once("tariffs", "import", "tariffs.json", "--from", "ocpi-2.2.1")
    await on.run("bridge", "serve", "--config", "bridge.toml")
    await on.until("the bridge serves", lambda: on.bridge("/health"))
    past = (datetime.now(UTC) - timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, port in zip(scene.CHARGERS, on.ports.chargers, strict=True):
        await on.run(name, "simulate", "charger", "--url", f"ws://127.0.0.1:{on.ports.bridge}/ocpp", "--id", name,
                     "--password", f"secret-{name}",
                     "--control-port", str(port), "--start-at", past, "--remote-kwh", "7.5", "--queue", f"{name}.queue",
                     "--longest-pause", "2")  # fmt: skip


async def published(on: Stage) -> None:
    """Locations, status and tariff at all four partners, tokens here, chargers connected."""

    async def at_hubject() -> bool:
        seen = await on.report("hubject")
        return len(seen["evses"].get(scene.OPERATOR, ())) == len(scene.EVSES) and bool(seen["products"])

    async def at_house() -> bool:
        seen = await on.report("clearinghouse")
        return len(seen["charge_points"]) == len(scene.EVSES) and bool(seen["tariffs"])

    async def at_emsp(name: str) -> bool:
        seen = await on.report(name)
        return bool(seen["locations"]) and bool(seen["tariffs"])

    await on.until("locations and tariff are at Hubject", at_hubject)
    await on.until("locations and tariff are at the clearing house", at_house)
    for name in ("emsp1", "emsp2"):
        await on.until(f"locations and tariff are at {name}", partial(at_emsp, name))

    async def ready() -> bool:
        seen = await on.bridge("/admin/status")
        counts = {name: valid for name, (_, valid) in seen["tokens"].items()}
        return (
            len(seen["chargers"]) == len(scene.CHARGERS)
            and counts["emsp1"] >= 500
            and counts["emsp2"] >= 500
            and counts["clearinghouse"] >= 1
        )

    await on.until("chargers are connected, 1,001 driver tokens are here", ready)


async def drive(on: Stage) -> int:
    """Drivers of every partner charge; returns how many sessions there have to be."""
    listed = await on.get(on.ports.emsps[0], "/_sim/tokens")
    card = next(t for t in listed if t["listed"] and t["type"] == "RFID" and t["valid"] and t["whitelist"] == "ALLOWED")
    app = next(t for t in await on.get(on.ports.emsps[1], "/_sim/tokens") if t["listed"] and t["valid"])

    async def session(charger: str, uid: str, kwh: str, minutes: int) -> None:
        await on.post(on.port(charger), "/_sim/session", {"connector": 1, "id_tag": uid, "kwh": kwh, "minutes": minutes})
        on.say(f"{charger}: {kwh} kWh charged")

    await asyncio.gather(session("CP1", card["uid"], "11.4", 40), session("CP2", scene.HUBJECT_UID, "18.25", 55),
                         session("CP3", scene.HOUSE_UID, "6.8", 25))  # fmt: skip
    await ended(on, 3)
    started = await on.post(
        on.ports.emsps[1], "/_sim/start?timeout=30", {"location_id": scene.LOCATION, "evse_uid": "UID1", "uid": app["uid"]}
    )
    on.say(f"remote start by emsp2: {started}"[:100])
    await on.post(
        on.ports.hubject, "/_sim/remote-start", {"evse_id": scene.EVSES[1], "provider_id": "DE-DCB", "evco_id": scene.HUBJECT_EVCO}
    )
    on.say("remote start by Hubject")
    await ended(on, 5)
    return 5


async def ended(on: Stage, count: int) -> None:
    """Wait until so many sessions have ended."""

    async def done() -> bool:
        seen: list[dict[str, Any]] = await on.bridge("/admin/sessions")
        return bool(sum(s["state"] == "ended" for s in seen) >= count)

    await on.until(f"{count} sessions have ended", done)


async def settled(on: Stage, count: int) -> Any:
    """Wait until every session's CDR is acknowledged; the bridge's status then."""

    async def done() -> Any:
        seen = await on.bridge("/admin/status")
        states = [c["state"] for c in seen["cdrs"]]
        if "refused" in states:
            raise Failed("a CDR was refused: " + str(next(c["error"] for c in seen["cdrs"] if c["state"] == "refused")))
        return seen if states.count("acknowledged") >= count else None

    return await on.until(f"{count} CDRs are acknowledged", done)


async def counted(on: Stage) -> tuple[dict[str, list[str]], list[str]]:
    """The CDR ids that each partner holds, and everything that was rejected anywhere."""
    hubject, house = await on.report("hubject"), await on.report("clearinghouse")
    emsps = [await on.report(n) for n in ("emsp1", "emsp2")]
    held = {"hubject": [c["CPOPartnerSessionID"] for c in hubject["cdrs"]], "clearinghouse": [c["id"] for c in house["cdrs"]],
            "emsp1": [c["cdr"]["id"] for c in emsps[0]["cdrs"]], "emsp2": [c["cdr"]["id"] for c in emsps[1]["cdrs"]]}  # fmt: skip
    reports = {"hubject": hubject, "clearinghouse": house, "emsp1": emsps[0], "emsp2": emsps[1]}
    rejections = [f"{name}: {one}" for name, seen in reports.items() for one in seen["rejections"]]
    for name in scene.CHARGERS:
        rejections += [f"{name}: {one}" for one in (await on.report(name))["rejections"]]
    return held, rejections


async def play(say: Callable[[str], None]) -> tuple[list[Line], dict[str, int], list[str]]:
    """The whole play: the sessions, the counts, and what was rejected. Raises Failed."""
    async with stage(say) as on:
        await partners(on)
        await bridge(on)
        await published(on)
        expected = await drive(on)
        status = await settled(on, expected)
        held, rejections = await counted(on)
        sessions = {s["id"]: s for s in await on.bridge("/admin/sessions")}
        lines = []
        for cdr in status["cdrs"]:
            session = sessions[cdr["session"]]
            price = f"{cdr['total']} {cdr['currency']}"
            lines.append(Line(cdr["session"][:8], str(cdr["partner"]), session["auth"]["how"], cdr["kwh"], price, cdr["state"],
                              str(cdr["reference"] or ""), len(cdr["losses"])))  # fmt: skip
        everywhere = [one for ids in held.values() for one in ids]
        due: dict[str, list[str]] = {c["partner"]: [] for c in status["cdrs"]}
        for cdr in status["cdrs"]:  # Hubject knows a CDR by our session id, the others by its own
            due[cdr["partner"]].append(cdr["session"] if cdr["partner"] == "hubject" else cdr["id"])
        astray = [one for partner, ids in due.items() for one in ids if one not in held[partner]]
        counts = {"sessions": len(sessions), "acknowledged": sum(line.state == "acknowledged" for line in lines),
                  "lost": len(astray) + expected - len(status["cdrs"]), "duplicated": len(everywhere) - len(set(everywhere))}  # fmt: skip
        return lines, counts, rejections
