"""``evbridge partner add|rotate|remove|list`` and the administration API, beside a bridge that runs and without one."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config import load
from bridge.errors import ConfigError
from bridge.joining.files import Draft
from bridge.simulate.ocpi_party import Faults
from tests.joining import joining_world as jw
from tests.joining.joining_world import TOKEN_A, World
from tests.roaming.bridge_world import until


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with jw.world(tmp_path) as made:
        yield made


def shown_token(output: str) -> str:
    """The token A that a command has printed."""
    found = re.search(r"^  token +(\S{20,})$", output, re.M)
    assert found is not None, output
    return found[1]


# --- add


async def test_a_new_partner_is_invited_and_registers(w: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = await w.run("add", "emsp", "--protocol", "ocpi-2.2.1", "--party", "DE-EMS", "--tariff", "STANDARD",
                       "--test")  # fmt: skip
    assert told.exit_code == 0, told.output
    made = load(w.file).partners["emsp"]
    assert (made.protocol, made.provider_party, made.agreements[0].test) == ("ocpi-2.2.1", "DE-EMS", True)
    token = shown_token(told.output)
    assert f"versions URL  http://127.0.0.1:{w.port}/ocpi/versions (OCPI 2.2.1)" in told.output
    assert "DE*ABC CPO Example Charging" in told.output
    await w.start()
    assert await w.sim("register", {"url": f"http://127.0.0.1:{w.port}/ocpi/versions", "token_a": token}) == {"registered": True}
    await until("everything is published at once", lambda: w.emsp.locations and w.emsp.tariffs)
    assert w.emsp.rejections == []
    assert w.history() == ["partner: invited", "partner: registered"]
    assert token not in caplog.text
    assert not [r for r in w.rows("SELECT * FROM history") if token in str(tuple(r))]


async def test_an_invitation_names_an_address_for_every_version(w: World) -> None:
    told = await w.run("add", "emsp", "--party", "DE-EMS")
    assert f"http://127.0.0.1:{w.port}/ocpi/versions (OCPI 2.3.0, 2.2.1)" in told.output
    assert f"http://127.0.0.1:{w.port}/ocpi/cpo/versions (OCPI 2.1.1)" in told.output


async def test_what_waited_for_a_registration_goes_out_when_it_is_there(w: World) -> None:
    w.configure(w.partner())
    await w.start()
    token = shown_token((await w.run("add", "emsp")).output)
    await until("it was tried in vain", lambda: [r for r in w.rows("SELECT attempts FROM outbox") if r["attempts"]])
    w.rows("UPDATE outbox SET due = due + 600")
    await w.sim("register", {"url": f"http://127.0.0.1:{w.port}/ocpi/versions", "token_a": token})
    await until("it is there", lambda: w.emsp.locations)


async def test_with_their_token_the_bridge_registers_when_it_starts(w: World) -> None:
    told = await w.run("add", "emsp", "--url", w.versions, "--token", "-", "--tariff", "STANDARD", say=f"{TOKEN_A}\n")
    assert told.exit_code == 0, told.output
    assert "the bridge registers with emsp when it starts" in told.output
    assert TOKEN_A not in told.output
    await w.start()
    await until("it is registered", lambda: w.emsp.registered and w.credentials().registered)
    assert w.credentials().given is None


async def test_with_their_token_a_bridge_that_runs_registers_now(w: World) -> None:
    w.configure(w.partner(url=""))
    await w.start()
    told = await w.run("add", "emsp", "--url", w.versions, "--token", TOKEN_A)
    assert told.exit_code == 0, told.output
    assert "registered with emsp: OCPI 2.2.1, DE*EMS EMSP Example Mobility" in told.output
    assert w.emsp.registered
    again = await w.run("add", "emsp")
    assert (again.exit_code, "already registered" in again.output) == (1, True)


async def test_a_registration_that_fails_can_be_tried_again_without_the_token(w: World) -> None:
    w.configure(w.partner())
    await w.start()
    w.emsp.trouble = Faults(status=503, count=1)
    told = await w.run("add", "emsp", "--url", w.versions, "--token", TOKEN_A)
    assert (told.exit_code, "HTTP 503" in told.output) == (1, True)
    assert not w.emsp.registered
    assert (await w.run("add", "emsp")).exit_code == 0
    assert w.emsp.registered


async def test_a_lost_invitation_is_made_anew(w: World) -> None:
    w.configure(w.partner())
    await w.start()
    lost, token = shown_token((await w.run("add", "emsp")).output), shown_token((await w.run("add", "emsp")).output)
    url = f"http://127.0.0.1:{w.port}/ocpi/versions"
    assert await w.sim("register", {"url": url, "token_a": lost}) != {"registered": True}
    assert await w.sim("register", {"url": url, "token_a": token}) == {"registered": True}


async def test_a_bridge_that_runs_without_the_partner_has_to_be_restarted(w: World) -> None:
    await w.start()
    told = await w.run("add", "emsp", "--party", "DE-EMS")
    assert (told.exit_code, "restart it" in told.output) == (0, True)
    assert (await w.run("rotate", "emsp")).exit_code == 1


async def test_a_bridge_that_cannot_be_told_is_not_gone_behind(w: World) -> None:
    w.configure(w.partner(), admin=False)
    await w.start()
    told = await w.run("add", "emsp")
    assert (told.exit_code, "set admin_token" in told.output) == (2, True)
    assert w.credentials().invited is None


async def test_others_are_joined_by_contract(w: World) -> None:
    told = await w.run("add", "hub", "--protocol", "oicp-2.3", "--url", "https://hub.example/api/oicp")
    assert (told.exit_code, "joined by contract" in told.output) == (0, True)
    w.configure(w.partner("other").replace("ocpi-2.2.1", "oicp-2.3"))
    w.drop("hub")
    assert (await w.run("remove", "other")).output == "other: oicp-2.3 has no registration: what there is to do is in the checklist\n"


@pytest.mark.parametrize(("words", "because"), [
    (("add", "emsp", "--hub"), "is configured already"), (("add", "x y"), "NAME"), (("add", "new", "--token", "t"), "--url is needed"),
    (("add", "new", "--operator", "nobody"), "one of example"), (("rotate", "new"), "there is no partner new"),
    (("remove", "new"), "there is no partner new"), (("checklist", "new"), "there is no partner new"),
])  # fmt: skip
async def test_what_cannot_be_used_is_refused_and_nothing_is_written(w: World, words: tuple[str, ...], because: str) -> None:
    w.configure(w.partner())
    told = await w.run(*words)
    said = str(told.exception) if isinstance(told.exception, ConfigError) else told.output
    assert because in said
    assert told.exit_code != 0
    assert not (w.folder / "partners.d").exists()


# --- rotate


async def test_tokens_are_renewed_on_both_sides(w: World) -> None:
    w.configure(w.partner(more=f'token = {{value = "{TOKEN_A}"}}'))
    await w.start()
    await until("it is registered", lambda: w.emsp.registered and w.credentials().registered)
    before = w.credentials()
    told = await w.run("rotate", "emsp")
    assert (told.exit_code, told.output) == (0, "renewed with emsp: OCPI 2.2.1\n")
    after = w.credentials()
    assert (before.ours == after.ours, before.theirs == after.theirs) == (False, False)
    assert (w.emsp.theirs, w.emsp.ours[-1]) == (after.ours, after.theirs)
    assert before.ours in after.previous
    assert w.history() == ["partner: registered", "partner: credentials renewed"]


async def test_a_partner_that_does_not_renew_leaves_everything_as_it_was(w: World) -> None:
    w.configure(w.partner(more=f'token = {{value = "{TOKEN_A}"}}'))
    await w.start()
    await until("it is registered", lambda: w.emsp.registered and w.credentials().registered)
    before = w.credentials()
    w.emsp.trouble = Faults(status=405, only="/credentials", count=1)
    told = await w.run("rotate", "emsp")
    assert (told.exit_code, "HTTP 405" in told.output) == (1, True)
    assert (w.credentials().ours, w.credentials().theirs) == (before.ours, before.theirs)
    assert w.bridge is not None
    await w.bridge.core.pull("emsp", w.bridge.partners["emsp"])  # type: ignore[arg-type]


async def test_without_a_bridge_nothing_is_renewed(w: World) -> None:
    w.configure(w.partner())
    told = await w.run("rotate", "emsp")
    assert (told.exit_code, "start or restart `evbridge serve`" in told.output) == (1, True)


# --- remove


@pytest.mark.parametrize("running", [True, False])
async def test_a_registration_ends_and_is_not_begun_again_by_itself(w: World, running: bool) -> None:
    w.configure(w.partner(more=f'token = {{value = "{TOKEN_A}"}}'))
    await w.start()
    await until("it has the location", lambda: w.emsp.locations)
    history = len(w.history(""))
    if not running:
        await w.stop()
    told = await w.run("remove", "emsp")
    assert told.exit_code == 0, told.output
    assert not w.emsp.registered
    state = w.credentials()
    assert (state.registered, state.ended) == (False, True)
    assert len(w.history("")) > history
    assert w.rows("SELECT COUNT(*) AS n FROM published WHERE had = 1")[0]["n"] > 0
    bridge = await w.start()
    assert bridge.partners["emsp"]._registering is None  # type: ignore[attr-defined]
    again = await w.run("remove", "emsp")
    assert (again.exit_code, again.output) == (1, "emsp: not registered\n")


async def test_a_partner_that_does_not_answer_is_forgotten_only_when_told_to(w: World) -> None:
    w.configure(w.partner(more=f'token = {{value = "{TOKEN_A}"}}'))
    await w.start()
    await until("it is registered", lambda: w.emsp.registered and w.credentials().registered)
    w.emsp.trouble = Faults(status=503, count=100)
    told = await w.run("remove", "emsp")
    assert (told.exit_code, w.credentials().registered) == (1, True)
    assert (await w.run("remove", "emsp", "--forget")).exit_code == 0
    assert (w.credentials().registered, w.emsp.registered) == (False, True)


# --- list, and the API


async def test_partners_are_listed_with_how_far_they_are(w: World) -> None:
    w.configure(w.partner(more=f'token = {{value = "{TOKEN_A}"}}'), w.partner("other"), w.partner("gone"))
    assert (await w.run("list")).output.splitlines()[1] == (
        "other                ocpi-2.2.1  bilateral not begun; 0 waiting, 0 tokens")  # fmt: skip
    shown_token((await w.run("add", "gone")).output)
    await w.start()
    await until("the tokens are here", lambda: w.bridge is not None and w.bridge.store.token_counts("emsp")[1])
    await w.run("add", "other")
    lines = {line.split()[0]: line for line in (await w.run("list")).output.splitlines()}
    assert "registered, not yet called, OCPI 2.2.1; 0 waiting, 3 tokens" in lines["emsp"]
    await w.sim("pull", {"module": "locations"})
    assert " invited; " in lines["other"]
    w.configure(w.partner(more=f'token = {{value = "{TOKEN_A}"}}'), w.partner("other"))
    assert "not configured" in (await w.run("list")).output.splitlines()[-1]
    status, told = await w.api("GET", "")
    assert (status, [(one["name"], one["standing"]) for one in told]) == (
        200, [("emsp", "registered"), ("other", "invited"), ("gone", "invited")])  # fmt: skip


async def test_the_api_says_what_went_wrong(w: World) -> None:
    w.configure(w.partner())
    await w.start()
    assert (await w.api("POST", "/emsp/add", token="another"))[0] == 401  # noqa: S106
    assert (await w.api("POST", "/nobody/add"))[0] == 404
    for body in (b"{", b'{"tokn": 1}', b'{"url": "ftp://x"}', b'{"token": ""}'):
        status, told = await w.api("POST", "/emsp/add", body)
        assert (status, bool(told["error"])) == (400, True)
    assert await w.api("POST", "/emsp/rotate") == (409, {"error": "not registered", "code": "405"})
    status, told = await w.api("POST", "/emsp/add", b'{"token": "wrong", "url": "%s"}' % w.versions.encode())
    assert (status, "credentials are not accepted" in told["error"]) == (504, True)
    status, told = await w.api("POST", "/emsp/add", b'{"token": "%s"}' % TOKEN_A.encode())
    assert (status, told["did"], told["version"], told["token"]) == (200, "registered", "2.2.1", None)
    status, told = await w.api("GET", "/emsp/checklist")
    assert {one["key"]: one["state"] for one in told}["registered"] == "done"
    assert (await w.api("POST", "/emsp/remove", b'{"forget": true}'))[0] == 200


# --- the partner folder


@pytest.mark.parametrize("protocol", ["ocpi-2.2.1", "oicp-2.3", "ochp-1.4"])
def test_a_draft_is_a_partner_that_can_be_loaded(tmp_path: Path, protocol: str) -> None:
    (tmp_path / "bridge.toml").write_text(jw.BASE.format(port=8080, admin="", partners=""))
    draft = Draft("it", protocol, "example", 'https://x.example/"quoted"', True, "DE-EM1", "T1", True)
    draft.write(tmp_path / "partners.d")
    it = load(tmp_path / "bridge.toml").partners["it"]
    assert (it.protocol, it.url, it.role, it.provider_party) == (protocol, 'https://x.example/"quoted"', "hub", "DE-EM1")
    assert (it.agreements[0].tariffs, it.agreements[0].test) == ({"*": "T1"}, True)
    with pytest.raises(ConfigError, match=r"it\.toml: File exists"):
        draft.write(tmp_path / "partners.d")


@pytest.mark.parametrize(("text", "because"), [
    ("protocol = 3", r"partners\.d/x\.toml: protocol"), ("protocol", r"partners\.d/x\.toml: no TOML"),
    ('protocol = "ocpi-2.2.1"\nurl = ""\nagreements = []\nnew = 1', r"partners\.d/x\.toml: new"),
])  # fmt: skip
def test_what_is_wrong_in_a_partner_file_is_told_with_its_name(tmp_path: Path, text: str, because: str) -> None:
    (tmp_path / "bridge.toml").write_text(jw.BASE.format(port=8080, admin="", partners=""))
    (tmp_path / "partners.d").mkdir()
    (tmp_path / "partners.d" / "x.toml").write_text(text)
    with pytest.raises(ConfigError, match=because):
        load(tmp_path / "bridge.toml")


def test_a_partner_stands_in_one_place(tmp_path: Path) -> None:
    section = jw.PARTNER.format(name="x", url="", more="")
    (tmp_path / "bridge.toml").write_text(jw.BASE.format(port=8080, admin='partner_folder = "more"', partners=section))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x.toml").write_text('protocol = "ocpi-2.2.1"')
    with pytest.raises(ConfigError, match="there is a partner x in"):
        load(tmp_path / "bridge.toml")
