"""The core: one object that adapters call (:class:`~bridge.roaming.ports.Inbound`), wired from the parts beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import orjson

from bridge.errors import Declined, Unreachable
from bridge.model import json as model_json
from bridge.model.command import Command, CommandOutcome
from bridge.model.token import Token, TokenKind
from bridge.roaming import agreements as kinds
from bridge.roaming.agreements import Book
from bridge.roaming.authorise import Authoriser, Route, normal
from bridge.roaming.commands import Commands
from bridge.roaming.deliver import Dispatcher
from bridge.roaming.ports import ChargerControl, GivesTokens, Job, Kind, Outcome, Page, Partner, Taken
from bridge.roaming.publish import Publisher, dumps
from bridge.roaming.sessions import OperatorFacts, Sessions
from bridge.roaming.storage import Happening, Storage, TokenRow

_AGREED = {Kind.LOCATION: kinds.LOCATIONS, Kind.STATUS: kinds.STATUS, Kind.TARIFF: kinds.TARIFFS, Kind.SESSION: kinds.SESSIONS,
           Kind.CDR: kinds.CDRS}  # fmt: skip


class Core:
    """The protocol-free heart of the bridge."""

    def __init__(self, store: Storage, partners: Mapping[str, Partner], routes: Sequence[Route], book: Book,
                 operators: Mapping[str, OperatorFacts], now: Callable[[], datetime], *, authorise_seconds: float = 4.0,
                 own: frozenset[str] = frozenset(), update_seconds: float = 60.0, most_percent: Decimal = Decimal(5),
                 chargers: frozenset[str] | None = None,
                 settled: Callable[[Job, Outcome], None] = lambda job, outcome: None) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.now = now
        self.most_percent = most_percent
        self.publisher = Publisher(store, partners, book, now, most_percent)
        self.authoriser = Authoriser(store, partners, routes, book, now, seconds=authorise_seconds, own=own)
        self.sessions = Sessions(store, partners, book, self.authoriser, self.publisher, operators, now, update_seconds=update_seconds,
                                 known_chargers=chargers, wake=self.wake)  # fmt: skip
        self.dispatchers = {name: Dispatcher(store, partner, settled) for name, partner in partners.items()}
        self._commands: Commands | None = None
        self._pulls: list[asyncio.Task[None]] = []

    def control(self, chargers: ChargerControl) -> None:
        """Where commands go."""
        self._commands = Commands(self.store, self.partners, self.book, chargers, self.sessions, self.now)

    async def start(self, pull_seconds: Mapping[str, float]) -> None:
        """Open the partners, begin delivering and pulling tokens."""
        for name, partner in self.partners.items():
            await partner.open()
            self.dispatchers[name].start()
            if isinstance(partner, GivesTokens) and self._wants_tokens(name):
                self._pulls.append(asyncio.create_task(self._pull(name, partner, pull_seconds.get(name, 3600.0)), name=f"tokens {name}"))

    async def stop(self) -> None:
        """Finish what is under way, close the partners."""
        for task in self._pulls:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._pulls.clear()
        if self._commands is not None:
            await self._commands.close()
        for dispatcher in self.dispatchers.values():
            await dispatcher.stop()
        for partner in self.partners.values():
            await partner.close()

    def wake(self, partner: str) -> None:
        """There may be work for this partner."""
        dispatcher = self.dispatchers.get(partner)
        if dispatcher is not None:
            dispatcher.wake()

    def _wants_tokens(self, partner: str) -> bool:
        return any(kinds.TOKENS in a.kinds for a in self.book.of(partner))

    # --- tokens ------------------------------------------------------------------------------------------------------

    async def _pull(self, name: str, partner: GivesTokens, every: float) -> None:
        """The whole list at first, then what changed; again after ``every`` seconds, sooner after a failure."""
        while True:
            wait = every
            try:
                await self.pull(name, partner)
            except (Unreachable, Declined) as why:
                await self.store.happened(Happening("token pull failed", name, detail=str(why)))
                wait = min(every, 10.0)
            await asyncio.sleep(wait)

    async def pull(self, name: str, partner: GivesTokens) -> Taken:
        """Pull a partner's tokens now."""
        mark = self.store.mark(f"tokens {name}")
        began = self.now()
        since = datetime.fromisoformat(mark) if mark is not None else None
        rows: list[TokenRow] = []
        async for batch in partner.pull_tokens(since):
            rows += [_row(name, t) for t in batch if t.uid is not None]
        taken = await self._store(name, rows, whole=since is None)
        if not taken.held:
            await self.store.set_mark(f"tokens {name}", began.isoformat())
            await self.store.happened(Happening("tokens pulled", name, detail=f"{taken.stored} stored, {taken.revoked} revoked"))
        return taken

    async def _store(self, name: str, rows: Sequence[TokenRow], *, whole: bool) -> Taken:
        if whole:
            _, valid = self.store.token_counts(name)
            kept = sum(r.valid for r in rows)
            if valid and (kept == 0 or Decimal(valid - kept) * 100 > self.most_percent * valid):
                await self.store.hold(f"tokens of {name}", f"{valid - kept} of {valid} would be revoked", b"[]")
                return Taken(held=True)
        stored, unchanged, revoked = await self.store.save_tokens(name, rows, whole=whole)
        return Taken(stored, unchanged, revoked)

    async def tokens(self, partner: str, tokens: Iterable[Token]) -> Taken:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        return await self._store(partner, [_row(partner, t) for t in tokens if t.uid is not None], whole=False)

    async def token(self, partner: str, uid: str, kind: TokenKind) -> Token | None:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        for row in self.store.tokens(normal(uid)):
            if row.partner == partner and row.kind == kind.value:
                token: Token = model_json.from_json(Token, orjson.loads(row.body))
                return token
        return None

    # --- commands and pages ------------------------------------------------------------------------------------------

    async def command(self, partner: str, command: Command, answer_to: str | None = None) -> CommandOutcome:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        if self._commands is None:
            raise Declined("commands are not ready")
        return await self._commands.run(partner, command, answer_to)

    async def page(self, partner: str, kind: Kind, *, offset: int, limit: int, since: datetime | None = None,
                   until: datetime | None = None) -> Page:  # fmt: skip
        """See :class:`~bridge.roaming.ports.Inbound`."""
        if not self._agreed(partner, kind):
            return Page([], 0)
        return self.store.page(partner, kind, offset, limit, since, until)

    async def find(self, partner: str, kind: Kind, key: str) -> bytes | None:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        return self.store.find(partner, kind, key) if self._agreed(partner, kind) else None

    def _agreed(self, partner: str, kind: Kind) -> bool:
        now = self.now()
        return any(_AGREED[kind] in a.kinds and (a.valid_from is None or a.valid_from <= now) and (a.valid_until is None or now < a.valid_until)
                   for a in self.book.of(partner))  # fmt: skip


def _row(partner: str, token: Token) -> TokenRow:
    kind = (token.kind or TokenKind.RFID).value
    valid = token.valid if token.valid is not None else True
    return TokenRow(normal(str(token.uid)), kind, partner, str(token.contract_id) if token.contract_id else None, valid,
                    token.whitelist.value if token.whitelist is not None else None, token.expires, dumps(token))  # fmt: skip
