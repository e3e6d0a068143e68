"""Interoperability with extrawest-ocpi: installs it into a throwaway environment and runs it as eMSP and as operator.

    python -m tests.interop.extrawest [PACKAGE]        # such as extrawest-ocpi==2025.7.16

Nothing of it is kept. Exit status 0 if every check passed, 1 if not: docs/interop.md says whose fault each failure is.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bridge.demo.scene import free_ports
from bridge.probe.options import Options
from tests.interop import as_operator, as_provider
from tests.interop.checks import Checks, Failed, until
from tests.protocol import probe_partner as pp

PEER = Path(__file__).with_name("extrawest_peer.py")
TOKEN_A, TOKEN_C = "fedcba9876543210", "fedcba9876543211"
"""Tokens that are no Base64 of a text: the peer takes others, sent as 2.1.1 has it, for Base64, and fails (docs/interop.md)."""
PARTY = {"emsp": ("DE", "EMS"), "cpo": ("DE", "ABC")}


def install(folder: Path, package: str) -> Path:
    """A throwaway environment with the peer's package; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    if package.endswith("/python"):  # one that is there already
        return Path(package)
    subprocess.run([python, "-m", "pip", "install", "--quiet", package, "uvicorn"], check=True)
    told = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    wanted = ("extrawest", "fastapi", "pydantic=")
    print("\n".join(line for line in told.splitlines() if line.startswith(wanted)))  # noqa: T201
    return python


@asynccontextmanager
async def peer(python: Path, folder: Path, version: str, role: str, *, registered: bool) -> AsyncIterator[str]:
    """Runs the peer; its versions URL."""
    (port,) = free_ports(1)
    objects = {module: [pp.MADE[module](version, number) for number in range(1, 6)] for module in pp.LISTED[role]}
    for number, token in enumerate(objects.get("tokens", [])):
        token["whitelist"] = "NEVER" if number == 1 else "ALWAYS"
    settings = {"port": port, "version": version, "role": role, "token_a": TOKEN_A, "token_c": TOKEN_C if registered else "",
                "party": PARTY[role], "objects": objects}  # fmt: skip
    file = folder / f"peer-{port}.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    with (folder / f"peer-{port}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(python, PEER, file, stdout=log, stderr=log, cwd=folder)
    try:
        try:
            await until(lambda: _answers(port), "the peer listens", 20)
        except Failed as why:
            raise SystemExit(f"{why}: {(folder / f'peer-{port}.log').read_text()[-2000:]}") from why
        yield f"http://127.0.0.1:{port}/ocpi/versions"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(port: int) -> Any:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/_peer/state") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def play(python: Path, folder: Path, version: str, role: str) -> Checks:
    """All checks with the peer in one version and role."""
    checks = Checks(f"extrawest-ocpi as {role}, OCPI {version}")
    async with peer(python, folder, version, role, registered=False) as url:
        if role == "emsp":
            room = folder / f"bridge-{version}"
            room.mkdir()
            cards = (f"{pp.UID}1", f"{pp.UID}2")
            await as_operator.play(checks, room, as_operator.Peer(url, TOKEN_A, version, *cards))
        else:
            await as_provider.play(checks, url, TOKEN_A, version)
    ours = PARTY["cpo" if role == "emsp" else "emsp"]
    side = "emsp" if role == "emsp" else "cpo"
    async with peer(python, folder, version, role, registered=True) as url:
        await checks.probe(Options(url, TOKEN_C, side=side, limit=2, pause=0.0, write=True, party=ours, versions=(version,)))  # type: ignore[arg-type]
    return checks


async def main(package: str) -> int:
    """Install, play, tell."""
    with tempfile.TemporaryDirectory(prefix="interop-") as room:
        folder = Path(room)
        python = install(folder / "venv", package)
        found = [await play(python, folder, version, role) for role in ("emsp", "cpo") for version in ("2.2.1", "2.1.1")]
    for checks in found:
        checks.print()
    return 0 if all(ok for checks in found for _, ok, _ in checks.done) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "extrawest-ocpi")))
