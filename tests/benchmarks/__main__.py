"""Runs every benchmark and prints ``name ratio bar ok|short`` for each. Exit status 1 if one of them fails to run."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

MAX, MIN = "max", "min"
"""Whether the bar is the most (``max``, the default) or the least (``min``) that the figure may be."""


def benches(wanted: list[str]) -> Iterator[tuple[Any, ...]]:
    """Every bench of the modules ``bench_*``: name, bar, callable, perhaps a direction; those named, or all."""
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        try:
            module = importlib.import_module(f"tests.benchmarks.{path.stem}")
        except Exception as why:  # noqa: BLE001  (one broken module must not hide the figures of the others)
            yield path.stem, 0.0, partial(_raise, why)
            continue
        yield from (bench for bench in module.BENCHES if not wanted or bench[0] in wanted)


def _raise(why: Exception) -> float:
    raise why


def main(wanted: list[str]) -> int:
    """Run the benches named (all without a name). The exit status says whether they ran, not how fast."""
    failed = False
    for name, bar, run, *more in benches(wanted):
        try:
            figure = run()
        except Exception:  # noqa: BLE001  (one broken bench must not hide the figures of the others)
            traceback.print_exc()
            print(f"{name} error {bar:g} short", flush=True)  # noqa: T201
            failed = True
            continue
        held = figure >= bar if more and more[0] == MIN else figure <= bar
        print(f"{name} {figure:.2f} {bar:g} {'ok' if held else 'short'}", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
