"""The container files name only what exists: sources, entry points, commands with their options, configuration, partners."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml

from bridge import config
from bridge.cli import cli

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def instructions(name: str) -> list[str]:
    """The arguments of an instruction wherever it stands, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return re.findall(rf"^{name} (.+)$", joined, re.M)


def services() -> dict[str, str]:
    """The text of each service."""
    block = COMPOSE.split("\nservices:\n")[1].split("\nvolumes:\n")[0]
    parts = re.split(r"^  (\w+):\n", block, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def command(text: str) -> list[str]:
    """The command of a service that is written as a list."""
    found = re.search(r"^    command: \[(.*?)\]$", text, re.M | re.S)
    assert found is not None
    return [part.strip().strip('"') for part in re.split(r",\s+", found[1])]


def test_what_is_copied_exists() -> None:
    copied = [c.split() for c in instructions("COPY") if not c.startswith("--from=")]
    assert copied
    for *sources, _ in copied:
        for source in sources:
            assert (ROOT / source).exists(), source


def test_all_that_the_wheel_needs_is_copied() -> None:
    copied = {source for c in instructions("COPY") for source in c.split()[:-1]}
    needed = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert needed | set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied


def test_the_entry_point_exists() -> None:
    (entry,) = re.findall(r'^ENTRYPOINT \["(.+)"\]$', DOCKERFILE, re.M)
    module, _, attribute = PROJECT["project"]["scripts"][entry].partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))
    (default,) = re.findall(r"^CMD \[(.+)\]$", DOCKERFILE, re.M)
    parsed(re.findall(r'"(.+?)"', default))


def test_it_does_not_run_as_root_and_tells_its_health() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER (?!root|0)", last, re.M)
    assert re.search(r"^HEALTHCHECK .+\n? *CMD \[\"python\", \"-c\", .*/health", last, re.M)


def test_packages_are_hashed_and_those_of_the_lock() -> None:
    """The server's part is the lock's, version by version, and every direct dependency is in it."""

    def pinned(path: Path) -> dict[str, str]:
        text = path.read_text(encoding="utf-8")
        for block in re.split(r"^(?=[a-z0-9])", text, flags=re.M):
            assert not re.match(r"[a-z0-9]", block) or "--hash=sha256:" in block, block[:60]
        return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.M))

    part, whole = pinned(DOCKER / "requirements.lock"), pinned(ROOT / "requirements.lock")
    assert part.items() <= whole.items()
    assert {re.split(r"[<>=\[;]", one)[0] for one in PROJECT["project"]["dependencies"]} <= set(part)
    installs = [one for one in instructions("RUN") if "-r " in one]
    assert installs
    assert all("--require-hashes" in one for one in installs)


def parsed(arguments: list[str]) -> click.Context:
    """The context of a command line, without running it. Raises click.UsageError for an option that does not exist."""
    found: click.Command = cli
    context = None
    rest = list(arguments)
    while isinstance(found, click.Group):
        context = click.Context(found, parent=context)
        name = rest.pop(0)
        sub = found.get_command(context, name)
        assert sub is not None, name
        found = sub
    return found.make_context(found.name, rest, parent=context)


@pytest.mark.parametrize("name", [name for name in services() if name != "bridge"])
def test_the_commands_of_the_stand_ins_can_be_run(name: str) -> None:
    arguments = command(services()[name])
    assert arguments[0] == "simulate"
    assert parsed(arguments).params


def test_the_commands_of_the_bridge_can_be_run() -> None:
    lines = re.findall(r"^ +(?:exec )?evbridge (.+)$", services()["bridge"], re.M)
    assert [line.split()[0] for line in lines] == ["locations", "tariffs", "serve"]
    for line in lines:
        context = parsed([str(ROOT / "pyproject.toml") if part.endswith(".json") else part for part in line.split()])
        assert context.params["config"] == Path("/etc/evbridge/bridge.toml")


def test_partners_and_chargers_are_those_of_the_configuration(tmp_path: Path) -> None:
    """Hosts and ports agree, every charger has its password, every stand-in is asked for its health."""
    found = config.load(DOCKER / "bridge.toml")
    running = services()
    for name, partner in found.partners.items():
        parts = urlsplit(partner.url)
        arguments = command(running[name])
        assert parts.hostname == name
        assert arguments[arguments.index("--port") + 1] == str(parts.port)
        assert arguments[arguments.index("--host") + 1] == "0.0.0.0"  # noqa: S104  (in a container)
    for name, charger in found.chargers.items():
        arguments = command(running[name.lower()])
        assert charger.password is not None
        assert arguments[arguments.index("--password") + 1] == charger.password.value
        assert arguments[arguments.index("--id") + 1] == name
    assert set(running) == {"bridge", *found.partners, *(name.lower() for name in found.chargers)}
    for name, text in running.items():
        assert "healthcheck:" in text or "<<: *charger" in text, name

    from bridge.app import Bridge

    found.store = tmp_path / "bridge.sqlite"
    assert set(Bridge(found).partners) == set(found.partners)


def test_the_file_is_yaml() -> None:
    """Anchors resolve; every volume and dependency is declared."""
    read = yaml.safe_load(COMPOSE)
    for service in read["services"].values():
        assert service["image"] == "evbridge"
        assert all(one.split(":")[0] in read["volumes"] for one in service.get("volumes", ()))
        assert set(service.get("depends_on", ())) <= set(read["services"])
        assert service["healthcheck"]["test"][:3] == ["CMD", "python", "-c"]
