"""The probe at the bridge's own server and at its simulated eMSP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.demo import scene
from bridge.mapping.partner import load
from bridge.model.command import CommandOutcome, CommandResult
from bridge.model.location import Status
from bridge.ocpi.credentials import PartnerCredentials, PartnerRole
from bridge.probe.options import Options
from bridge.probe.report import Report
from bridge.probe.rules import Severity
from bridge.probe.run import probe
from bridge.roaming.ports import Kind
from tests.protocol import ocpi_world as ow
from tests.protocol import probe_partner as pp
from tests.roaming import bridge_world

EXAMPLE = Path(__file__).parents[2] / "mappings" / "partners" / "example.toml"
OURS = "the-partner's-token"


def counts(report: Report) -> dict[str, int]:
    """The lists of the version that was probed, and how long they are."""
    return {m.identifier: m.objects for m in report.probed[-1].session.modules if m.objects is not None}


async def probed(url: str, token: str, **options: Any) -> Report:
    given = Options(url, token, limit=2, pause=0.0, write=True)
    return await probe(evolve(given, **options))


VERSIONS = pytest.mark.parametrize("version", ["2.1.1", "2.2.1", "2.3.0"])


@VERSIONS
async def test_the_bridge_as_an_operator(version: str) -> None:
    async with ow.world() as world:
        roles = (PartnerRole("EMSP", "DE", "EMS"),)
        await world.store.save("emsp", PartnerCredentials(theirs="t", ours=OURS, confirmed=True, version=version, roles=roles))
        partner = await world.add(page_limit=3, settings=load(EXAMPLE))
        world.core.answer = CommandOutcome(CommandResult.UNKNOWN_SESSION)
        of = ow.token(world.emsp)
        for number in range(1, 6):
            at = f"2026-11-01T10:0{number}:00"
            dated = {"last_updated": at + "Z"}
            for kind, name, made in (
                (Kind.LOCATION, "location", ow.location(f"LOC{number}", **dated)),
                (Kind.TARIFF, "tariff", ow.tariff(id=f"T{number}", **dated)),
                (Kind.SESSION, "session", ow.session(of, id=f"S{number}", start_date_time=at + "Z", **dated)),
                (Kind.CDR, "cdr", ow.cdr(of, f"C{number}", session_id=f"S{number}", **dated)),
            ):
                for encoded in partner.encode(kind, ow.canonical(name, made)):
                    world.core.keep(kind, encoded, at + "+00:00")
        side = "cpo/" if version == "2.1.1" else ""
        report = await probed(f"{world.url}/{side}versions", OURS, party=("DE", "EMS"), days=3650)
    assert report.probed[-1].version == version
    assert not pp.told(report), "\n".join(pp.told(report))
    assert counts(report) == {"locations": 5, "tariffs": 5, "sessions": 5, "cdrs": 5}


@VERSIONS
async def test_the_simulated_emsp(version: str) -> None:
    async with ow.world(tokens=5, version=version) as world:
        await world.connect()
        theirs = world.partner.registration.state.theirs
        assert theirs is not None
        report = await probed(world.theirs, theirs, party=("DE", "ABC"))
    assert pp.found(report) == {"2b", "d5b"}, pp.told(report)  # strict about the token's spelling and slashes, as it may be
    assert (report.count(Severity.VIOLATION), report.count(Severity.WARNING)) == (0, 0)
    assert counts(report) == {"tokens": 5}


KNOWN = {
    "20c": "lists are cut by when an object was written for the partner, not by its last_updated",
    "20h": "the same",
}
"""What the bridge does not do right yet; whoever mends one takes it away here."""


async def test_the_whole_bridge_after_drivers_have_charged(tmp_path: Path) -> None:
    async with bridge_world.world(tmp_path) as world:
        await world.load(*(bridge_world.place(f"LOC{n}", 1) for n in range(2, 5)), scene.location())
        for _ in range(3):
            await world.charge(0, world.card("emsp1"))
        await world.status(1, Status.OUT_OF_ORDER)
        await world.quiet()
        url = f"http://127.0.0.1:{world.ports.bridge}/ocpi/versions"
        report = await probed(url, str(world.emsps["emsp1"].theirs), party=("DE", "EM1"), limit=1)
    assert pp.found(report) == set(KNOWN), "\n".join(pp.told(report))
    assert counts(report) == {"locations": 4, "tariffs": 1, "sessions": 3, "cdrs": 3}
