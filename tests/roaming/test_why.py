"""`evbridge why`, `check` and `tokens confirm` on a store that a core filled."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli import cli
from bridge.errors import Unreachable
from bridge.model.token import Allowed
from bridge.roaming.ports import AuthorisationAnswer
from tests.roaming.roaming_world import CARD, OTHER, Asked, Lister, World, location, tariff, token

CONFIG = """
store = "bridge.sqlite"
[operators.acme]
party = "DE*ABC"
name = "Acme"
time_zone = "Europe/Berlin"
[chargers.CP1]
connectors = { 1 = "DE*ABC*E1", 2 = "DE*ABC*E2" }
[chargers.CP2]
connectors = { 1 = "DE*ABC*E3" }
[partners.owner]
protocol = "ochp-1.4"
url = "http://127.0.0.1:9/service/ochp/v1.4/"
user = "me"
password = { value = "secret" }
cdr_deadline_hours = 1
agreements = [{ operator = "acme", tariffs = { "*" = "T1" } }]
"""


def run(path: Path, *arguments: str, config: str = CONFIG) -> Result:
    (path / "bridge.toml").write_text(config)
    return CliRunner().invoke(cli, [*arguments, "--config", str(path / "bridge.toml")])


async def filled(path: Path) -> World:
    owner = Asked("owner", AuthorisationAnswer(Allowed.ALLOWED, token(), hub_session_id="hub-1"))
    silent = Asked("silent", Unreachable("down"))
    w = World(path, [owner, silent])
    await w.import_all()
    await w.charge()
    owner.says = Allowed.NOT_ALLOWED
    await w.sessions.authorise("CP2", OTHER)
    return w


async def test_why_was_this_card_refused(tmp_path: Path) -> None:
    w = await filled(tmp_path)
    w.store.close()
    told = run(tmp_path, "why", "--evse", "DEABCE3").output
    assert "Invalid" in told
    assert "****AA" in told
    assert "asked owner: NOT_ALLOWED" in told
    assert "asked silent: down" in told
    for card in (OTHER, CARD):
        assert card not in told


@pytest.mark.parametrize("by", ["session", "contract", "reference", "evse"])
async def test_why_by_everything_that_is_known_of_a_session(tmp_path: Path, by: str) -> None:
    w = await filled(tmp_path)
    (row,) = w.store.cdrs()
    w.store.close()
    value = {"session": row.session, "contract": "DE-XYZ-C00000001-2", "reference": "hub-1", "evse": "DE*ABC*E1"}[by]
    told = run(tmp_path, "why", f"--{by}", value).output
    assert f"CDR {row.id} for owner: waiting, 4.00 EUR" in told
    assert "real-time: owner says ALLOWED" in told
    assert told.count(f"session {row.session}") == 1
    assert CARD not in told


async def test_check_tells_of_deadlines_and_held_sessions_and_leaves_the_outbox_alone(tmp_path: Path) -> None:
    w = await filled(tmp_path)
    await w.core.tokens("owner", [token()])
    await w.charge(wh=-5)
    jobs = await w.store.claim("owner", 99)
    told = run(tmp_path, "check")
    assert told.exit_code == 1
    assert "its deadline" in told.output
    assert "has passed" in told.output
    assert "waits for a person" in told.output
    states = {r["state"] for r in w.store.db.read.execute("SELECT state FROM outbox WHERE partner = 'owner' AND id = ?", (jobs[0].id,))}
    assert states == {"taken"}


PRICES = [
    ('agreements = [{ operator = "acme", tariffs = { "*" = "T1" } }]', []),
    ('agreements = [{ operator = "acme", free = true }]', []),
    ('agreements = [{ operator = "acme", kinds = ["tokens"] }]', []),
    ('agreements = [{ operator = "acme", valid_until = 2020-01-01T00:00:00Z }]', []),
    ('agreements = [{ operator = "acme" }]', ["partners.owner.agreements.0.tariffs: none covers EVSEs in no group; name one"]),
    ('agreements = [{ operator = "acme", free = true, kinds = ["cdrs"] }, { operator = "acme", tariffs = { town = "GONE" } }]',
     ["partners.owner.agreements.1.tariffs: none covers EVSEs in no group", ".1.tariffs: GONE is not among the imported tariffs"]),
]  # fmt: skip


@pytest.mark.parametrize(("agreed", "findings"), PRICES)
@pytest.mark.parametrize("imported", [True, False])
async def test_check_names_the_agreement_that_gives_no_price(tmp_path: Path, agreed: str, findings: list[str], imported: bool) -> None:
    if imported:
        w = World(tmp_path, [Asked("owner")])
        await w.import_all()
        w.store.close()
    else:
        findings = [one for one in findings if "GONE" not in one]
    told = run(tmp_path, "check", config=CONFIG.replace('agreements = [{ operator = "acme", tariffs = { "*" = "T1" } }]', agreed))
    assert told.exit_code == (1 if findings else 0), told.output
    for finding in findings:
        assert finding in told.output
    assert f"{len(findings)} findings" in told.output


async def test_check_names_the_groups_that_no_tariff_covers(tmp_path: Path) -> None:
    w = World(tmp_path, [Asked("owner")])
    await w.core.publisher.import_tariffs("acme", (tariff(),))
    bound = {f"DE*ABC*E{n}": (f"CP{n}", 1) for n in (1, 2, 3)}
    await w.core.publisher.import_locations("acme", [location()], groups={"L1": ["town", "fast"]}, bound=bound)
    w.store.close()
    told = run(tmp_path, "check", config=CONFIG.replace('"*" = "T1"', 'village = "T1"')).output
    assert "partners.owner.agreements.0.tariffs: none covers EVSEs in town, fast" in told
    assert "none covers" not in run(tmp_path, "check", config=CONFIG.replace('"*" = "T1"', 'fast = "T1"')).output


async def test_a_held_token_list_is_confirmed_from_the_command_line(tmp_path: Path) -> None:
    owner = Lister("owner")
    owner.whole = [[token(), token(OTHER)]]
    w = World(tmp_path, [owner], full_pull_hours={"owner": 1.0})
    await w.core.pull("owner", owner)
    w.clock.ahead(hours=2)
    owner.whole = [[token()]]
    await w.core.pull("owner", owner)
    w.store.close()
    done = await asyncio.to_thread(run, tmp_path, "tokens", "confirm", "owner")
    assert done.output == "0 tokens stored, 1 revoked\n"
    again = await asyncio.to_thread(run, tmp_path, "tokens", "confirm", "owner")
    assert again.exit_code == 2
