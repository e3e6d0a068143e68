"""The examples of docs/mappings.md run: Python prints what stands below it, commands answer as shown."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.cli import cli
from bridge.mapping import registry

PAGE = Path(__file__).parents[2] / "docs" / "mappings.md"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.S | re.M)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the files of the page lie; ``acme_mappings.py`` counts as installed."""
    info = tmp_path / "acme_mappings-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-mappings\nVersion: 1.0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    monkeypatch.undo()
    sys.modules.pop("acme_mappings", None)
    forget()


def forget() -> None:
    """Look for installed mappings again."""
    registry._points.cache_clear()
    registry._loaded.cache_clear()


def test_the_examples(folder: Path) -> None:
    """All of them, in order: later ones use what earlier ones made."""
    scope: dict[str, Any] = {"__name__": "mappings_page"}
    printed = ""
    blocks = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 12
    for language, name, text in blocks:
        if name:
            (folder / name).write_text(text, encoding="utf-8")
            if name == "pyproject.toml":
                points = text.split('[project.entry-points."evbridge.mappings"]\n')[1].replace('"', "")
                target = folder / "acme_mappings-1.0.dist-info" / "entry_points.txt"
                target.write_text(f"[evbridge.mappings]\n{points}", encoding="utf-8")
                forget()
        elif language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(text, str(PAGE), "exec", dont_inherit=True), scope)  # noqa: S102  (the page is ours)
            printed = output.getvalue()
        elif language == "text":
            assert printed == text
        elif language == "console":
            for command, expected in commands(text):
                assert_shown(command, expected)
        else:
            pytest.fail(f"a block of {language} that nothing checks")


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output shown."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def assert_shown(command: str, expected: str) -> None:
    """The command prints what is shown, or begins with it where ``...`` stands for the rest."""
    program, *arguments = shlex.split(command)
    assert program == "evbridge"
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    if expected.endswith("...\n"):
        assert done.stdout.startswith(expected.removesuffix("...\n")), done.stdout
    else:
        assert done.stdout == expected


def test_every_python_block_that_prints_says_what() -> None:
    blocks = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    for (language, name, text), following in zip(blocks, [*blocks[1:], ("", "", "")], strict=True):
        if language == "python" and not name and "print(" in text:
            assert following[0] == "text", text
