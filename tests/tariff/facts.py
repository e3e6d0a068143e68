"""The specification's own files, where they lie beside the checkout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.cli._price_input import read_tariffs
from bridge.model.tariff import Tariff

ROOT = Path(__file__).parents[2].parent / "shared" / "spec" / "ocpi"


def present() -> bool:
    """Whether the facts are there. In CI they have to be."""
    there = ROOT.is_dir()
    if not there and os.environ.get("CI"):
        pytest.fail(f"the official facts are not beside the checkout: {ROOT}")
    return there


spec = [
    pytest.mark.spec,
    pytest.mark.skipif(not present(), reason="the official facts (../shared/spec) are not beside the checkout"),
]


def load(name: str) -> Any:
    """A JSON file of the facts, ``2.3.0/tariff_golden.json``."""
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def tariff(version: str, name: str) -> Tariff:
    """A tariff of the specification's examples."""
    (only,) = read_tariffs((ROOT / version / name).read_bytes())
    return only
