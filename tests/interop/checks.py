"""What a script of interoperability finds: checks that passed or failed, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from bridge.probe.options import Options, Unusable
from bridge.probe.report import Report
from bridge.probe.rules import Severity
from bridge.probe.run import probe


class Failed(Exception):
    """A check that failed, and why."""


@define
class Checks:
    """The checks of one peer in one role and version."""

    title: str
    done: list[tuple[str, bool, str]] = field(factory=list)
    deviations: list[str] = field(factory=list)

    @asynccontextmanager
    async def check(self, what: str) -> Any:
        """A check: passed if nothing is raised."""
        try:
            yield
        except (Failed, TimeoutError, AssertionError) as why:
            self.done.append((what, False, str(why)[:900] or type(why).__name__))
        except Exception as why:  # noqa: BLE001  (a peer can do anything; the script goes on and says so)
            self.done.append((what, False, f"{type(why).__name__}: {why}"[:300]))
        else:
            self.done.append((what, True, ""))

    async def probe(self, options: Options) -> Report | None:
        """Probe the peer, and note what departs from the specification."""
        async with self.check("the probe"):
            try:
                report = await probe(options)
            except Unusable as why:
                raise Failed(why.because) from why
            for one in report.probed:
                for finding in one.findings:
                    if finding.severity is not Severity.NOTE:
                        first = finding.evidence[0]
                        told = f"{finding.rule.ident} {finding.severity} {finding.path}: {finding.because} {first.found}".rstrip()
                        self.deviations.append(f"{told} [{first.request}: {first.outcome}] x{finding.count}")
            return report
        return None

    def print(self) -> None:
        """Tell what was found."""
        told = [f"\n## {self.title}\n"]
        told += [f"- {'passed' if ok else 'FAILED'}: {what}" + (f" ({why})" if why else "") for what, ok, why in self.done]
        if self.deviations:
            told += ["\nDeviations that the probe found:\n", *(f"- {one}" for one in self.deviations)]
        print("\n".join(told))  # noqa: T201


async def until(holds: Callable[[], Any] | Callable[[], Awaitable[Any]], what: str, seconds: float = 10.0) -> Any:
    """Wait for a condition. Raises Failed."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if asyncio.get_running_loop().time() > end:
            raise Failed(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.05)
