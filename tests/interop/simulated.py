"""The scripts themselves, at the bridge's own simulated eMSP: what fails here is not a peer's fault.

python -m tests.interop.simulated
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from aiohttp.test_utils import TestServer

from bridge.simulate.emsp import application
from bridge.simulate.emsp_state import Emsp
from bridge.simulate.ocpi_party import VERSIONS
from tests.interop import as_operator
from tests.interop.checks import Checks

TOKEN_A = "registration-token"  # noqa: S105


async def play(version: str) -> Checks:
    """All checks in one version."""
    checks = Checks(f"the simulated eMSP, OCPI {version}")
    emsp = Emsp(version=version, tokens=3, unlisted=1, token_a=TOKEN_A, whitelist=("ALWAYS", "NEVER"))
    cards = [str(token["uid"]) for token in emsp.known.values()]
    with tempfile.TemporaryDirectory(prefix="interop-") as room:
        async with TestServer(application(emsp)) as server:
            emsp.url = str(server.make_url("")).rstrip("/")
            peer = as_operator.Peer(emsp.url + emsp.versions_path, TOKEN_A, version, cards[0], cards[1])
            await as_operator.play(checks, Path(room), peer)
    return checks


async def main() -> int:
    """Every version."""
    found = [await play(version) for version in VERSIONS]
    for checks in found:
        checks.print()
    return 0 if all(ok for checks in found for _, ok, _ in checks.done) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
