"""A connection to one OCPI partner, whichever side it is on: registration, version, tokens, delivery of what waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from attrs import evolve

from bridge.errors import Declined, Unreachable
from bridge.mapping import registry
from bridge.mapping.engine import Bound
from bridge.model.common import Text
from bridge.model.token import Token
from bridge.ocpi import hosts
from bridge.ocpi.client import OcpiClient
from bridge.ocpi.config import OcpiConfig
from bridge.ocpi.credentials import CredentialStore, MemoryStore, Registration
from bridge.ocpi.envelope import Code, Refusal
from bridge.ocpi.limits import Limits
from bridge.ocpi.version import Version
from bridge.roaming.ports import Delivered, Job, Kind, Outcome, Rejected, Retry
from bridge.translate.files import JsonCodec, encode
from bridge.translate.pipeline import with_extra
from bridge.transport.http import HttpClient

_log = logging.getLogger(__name__)


class OcpiConnection:
    """What an eMSP's and an operator's adapter have in common (see :mod:`bridge.roaming.ports`, Partner and Renegotiates).

    What the partner calls on us is in :mod:`bridge.ocpi.server`.
    """

    def __init__(self, config: OcpiConfig, store: CredentialStore | None = None) -> None:
        self.name = config.name
        self.config = config
        self.limits = Limits(config)
        self.registration = Registration(config, store or MemoryStore(), self._speak)
        self.version: Version = self.registration.version
        self.format = self.version.format
        self.changed: Callable[[str], None] = lambda name: None
        self._http = HttpClient(config.versions_url or "", timeout=config.timeout, tls=config.tls, connections=config.connections)
        self.client = OcpiClient(self._http, config, self.registration.peer)
        self.registration.client = self.client
        self._bound: dict[str, tuple[registry.Entry, Bound]] = {}
        self._registering: asyncio.Task[None] | None = None

    def _speak(self, version: Version) -> None:
        """A version was agreed upon: from now on everything is written in it, and what was written before has to be anew."""
        if version is not self.version:
            self.version, self.format = version, version.format
            self._bound.clear()
            self.changed(self.name)

    async def recall(self) -> None:
        """Take up what was agreed upon from the store; nothing is said to the partner."""
        await self.registration.load()

    async def open(self) -> None:
        """Take up the stored credentials; if there are none and we are to register, begin to try in the background."""
        await self._http.open()
        await self.registration.load()
        if self.registration.can_register and self.config.register_at_start and not self.registration.state.registered:
            self._registering = asyncio.create_task(self._register(), name=f"register with {self.name}")

    async def close(self) -> None:
        """Close the connections."""
        if self._registering is not None:
            self._registering.cancel()
            with suppress(asyncio.CancelledError):
                await self._registering
            self._registering = None
        await self._http.close()

    async def register(self) -> None:
        """Register with the partner now. Raises Unreachable or Declined."""
        await self.registration.register()

    async def _register(self) -> None:
        pause = 0.5
        while not self.registration.state.registered:
            try:
                await self.registration.register()
            except Declined as why:
                if why.code != str(int(Code.UNUSABLE_API)):
                    _log.error("%s declines our registration: %s", self.name, why.because)
                    return
                _log.warning("%s could not read our versions yet: %s", self.name, why.because)
            except Unreachable as why:
                _log.warning("registration with %s: %s; next try in %.0f s", self.name, why.because, why.after or pause)
                pause = max(pause, why.after or 0.0)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 60.0)

    # --- canonical and wire

    def entry(self, kind: str) -> tuple[registry.Entry, Bound]:
        """How a kind of objects is read and written in the version that is spoken, with the partner's settings."""
        found = self._bound.get(kind)
        if found is None:
            entry = registry.find(self.format, kind)
            if self.config.quirks.unknown_values == "other" and isinstance(entry.codec, JsonCodec):
                entry = evolve(entry, codec=evolve(entry.codec, others=True))
            found = self._bound[kind] = entry, entry.mapping.bind(self.config.settings, self.format)
        return found

    def token(self, data: bytes) -> Token:
        """A canonical token from the partner's JSON. Raises Unreadable or Refused, with path and reason."""
        read = self.entry("token")[0].codec.exact()(data)
        return self.token_of(read.value, read.unknown)

    def token_of(self, wire: Any, unknown: list[tuple[str, Any]] | None = None) -> Token:
        """A canonical token from a wire token. Raises Refused."""
        token: Token = self.entry("token")[1].to_canon(wire)[0]
        return with_extra(token, "ocpi", unknown) if unknown else token

    def token_bytes(self, token: Token) -> bytes:
        """A token in the partner's wire form. Raises Refused."""
        return encode(self.entry("token")[1].to_wire(token)[0])

    def texts(self, texts: Sequence[Text]) -> Any:
        """Texts for the driver, those with a language (or the configured one); None for none."""
        default = self.config.settings.constants.get("language")
        made = []
        for one in texts:
            language = (one.language or default or "")[:2].lower()
            if len(language) == 2:
                made.append(self.version.objects.DisplayText(language=language, text=one.text[:512]))
        return tuple(made) or None

    # --- deliver

    async def deliver(self, kind: Kind, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Send jobs: those of one object in order, different objects at once."""
        queues: dict[str, list[int]] = {}
        for i, job in enumerate(jobs):
            queues.setdefault(job.key, []).append(i)
        outcomes: list[Outcome | None] = [None] * len(jobs)
        version = self.version
        room = asyncio.Semaphore(self.config.parallel)

        async def queue(numbers: list[int]) -> None:
            async with room:
                waits: Retry | None = None
                for i in numbers:
                    # What follows an object's undelivered state must not overtake it.
                    if self.version is not version:
                        waits = Retry(f"it was written for {version!r}")
                    outcome = await self._one(kind, jobs[i]) if waits is None else Retry(f"waits: {waits.because}", waits.after)
                    outcomes[i] = outcome
                    waits = outcome if isinstance(outcome, Retry) else None

        if len(queues) == 1:
            await queue(next(iter(queues.values())))
        else:
            await asyncio.gather(*(queue(numbers) for numbers in queues.values()))
        return [outcome if outcome is not None else Retry("not sent") for outcome in outcomes]

    async def _one(self, kind: Kind, job: Job) -> Outcome:
        try:
            return Delivered(await self._send(kind, job))
        except Unreachable as why:
            return Retry(why.because, why.after, why.sent)
        except Declined as why:
            return self._declined(kind, job, why)

    def _declined(self, kind: Kind, job: Job, why: Declined) -> Outcome:
        """What a definite no means."""
        if kind is Kind.CLIENT and why.code == "no-endpoint":
            return Delivered()  # it may fetch the list
        status = why.status if isinstance(why, Refusal) else None
        return Rejected(why.because, "404" if status == 404 else why.code)

    async def _send(self, kind: Kind, job: Job) -> str | None:
        """Send a job; gives how it is found there. Raises Unreachable or Declined."""
        raise NotImplementedError

    # --- addresses

    @property
    def fetches(self) -> bool:
        """Whether it is sent nothing, and fetches everything."""
        return self.config.quirks.pull_only

    @property
    def _passes_on(self) -> bool:
        """Whether messages are for parties behind the partner, by which they are addressed (Message Routing)."""
        return self.config.hub and self.version.roles and not self.config.quirks.to_hub

    def answer_to(self, url: str, sender: tuple[str, str] | None) -> str:
        """A ``response_url`` with whom the answer is for: the party behind a hub that asked."""
        return f"{url} {sender[0]}*{sender[1]}" if self._passes_on and sender is not None else url

    def is_ours(self, country_code: str, party_id: str) -> bool:
        """Whether a party is one of ours towards this partner."""
        return any(role.key == (country_code.upper(), party_id.upper()) for role in self.config.roles)

    def no_answer_at(self, address: str) -> str | None:
        """Why no result is sent to a ``response_url``, or None: to hosts of the partner's own only, or configured ones."""
        state = self.registration.state
        own = [self.config.versions_url, state.versions_url, *(e.url for e in state.endpoints)]
        return hosts.refusal(address, [url for url in own if url is not None], self.config.response_hosts)
