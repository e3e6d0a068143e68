"""The core: one object that adapters call (:class:`~bridge.roaming.ports.Inbound`), wired from the parts beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import orjson

from bridge.errors import Declined, Unreachable
from bridge.model import json as model_json
from bridge.model.command import Command, CommandOutcome
from bridge.model.ids import PartyId, SessionId
from bridge.model.party import ClientInfo
from bridge.model.profile import ChargingPreferences, PreferenceResult, ProfileRequest, ProfileResponse
from bridge.model.token import Token, TokenKind
from bridge.roaming import agreements as kinds
from bridge.roaming import resume
from bridge.roaming.agreements import Book
from bridge.roaming.authorise import Authoriser, Route, fault, lookup_key, normal
from bridge.roaming.billing import Biller, OperatorFacts
from bridge.roaming.clients import Clients
from bridge.roaming.commands import Commands
from bridge.roaming.deadlines import Late, watch
from bridge.roaming.deliver import Dispatcher
from bridge.roaming.formats import Formats
from bridge.roaming.hubs import Hubs
from bridge.roaming.outcomes import Outcomes
from bridge.roaming.ports import (
    ChargerControl,
    Fetches,
    ForgetsStatus,
    GivesTokens,
    Job,
    Kind,
    Op,
    Outcome,
    Page,
    Partner,
    Taken,
    TellsWhole,
)
from bridge.roaming.preferences import Preferences
from bridge.roaming.profiles import Profiles
from bridge.roaming.publish import Publisher, aligned_with, dumps
from bridge.roaming.resume import Resume
from bridge.roaming.sessions import Sessions
from bridge.roaming.storage import Happening, Outbound, TokenRow, Within
from bridge.roaming.upstream.feed import Feed
from bridge.roaming.upstream.storage import UpstreamStorage
from bridge.roaming.upstream.upstream import Upstream

log = logging.getLogger(__name__)

LONGEST_AFTER = 3600.0
"""The longest that a pull is put off because the partner asks for it, in seconds."""
WATCH = 60.0
"""Seconds between two looks at the deadlines of CDRs."""
ALIGN = 60.0
"""Seconds between two looks at the agreements, at most."""

_AGREED = {Kind.LOCATION: kinds.LOCATIONS, Kind.STATUS: kinds.STATUS, Kind.TARIFF: kinds.TARIFFS, Kind.SESSION: kinds.SESSIONS,
           Kind.CDR: kinds.CDRS}  # fmt: skip


class Core:
    """The protocol-free heart of the bridge."""

    def __init__(self, store: UpstreamStorage, partners: Mapping[str, Partner], routes: Sequence[Route], book: Book,
                 operators: Mapping[str, OperatorFacts], now: Callable[[], datetime], *, authorise_seconds: float = 4.0,
                 own: frozenset[str] = frozenset(), update_seconds: float = 60.0, most_percent: Decimal = Decimal(5),
                 clock_minutes: float = 15.0, chargers: frozenset[str] | None = None, cdr_deadline_hours: Mapping[str, float] | None = None,
                 full_pull_hours: Mapping[str, float] | None = None, terms: Mapping[str, str] | None = None,
                 feeds: Mapping[str, Feed] | None = None, profile_seconds: Mapping[str, float] | None = None,
                 preferences_need: Mapping[str, frozenset[str]] | None = None, hub: bool = False,
                 settled: Callable[[Job, Outcome], None] = lambda job, outcome: None) -> None:  # fmt: skip
        self.store = store
        self.partners = partners
        self.book = book
        self.now = now
        self.most_percent = most_percent
        self.cdr_deadline_hours = dict(cdr_deadline_hours or {})
        self.full_pull_hours = dict(full_pull_hours or {})
        self.terms = dict(terms or {})
        self.publisher = Publisher(store, partners, book, now, most_percent)
        self.authoriser = Authoriser(store, partners, routes, book, now, seconds=authorise_seconds, own=own)
        self.billing = Biller(store, partners, book, operators, now)
        self.sessions = Sessions(store, partners.keys(), self.authoriser, self.publisher, self.billing, now, update_seconds=update_seconds,
                                 clock_minutes=clock_minutes, known_chargers=chargers, wake=self.wake)  # fmt: skip
        self.upstream = Upstream(store, partners, book, feeds or {}, operators, self.authoriser, self.publisher, now, self.wake)
        self.hubs = Hubs(store, partners, now, self.wake)
        self.authoriser.away = self.hubs.away
        self.dispatchers = {name: Dispatcher(store, partner, settled, self.permits, partial(self._settled, name), self.hubs.held)
                            for name, partner in partners.items()}  # fmt: skip
        self.clients = Clients(store, partners, book, feeds or {}, now, self.wake) if hub else None
        for name, partner in partners.items():
            if isinstance(partner, TellsWhole):
                partner.shown = partial(store.find, name)
        self.formats = Formats(store, partners, self.publisher, self._told, self.dispatchers, self.upstream.follow)
        self.preferences = Preferences(store, self.billing, now, preferences_need)
        self.profile_seconds = dict(profile_seconds or {})
        self._commands: Commands | None = None
        self._profiles: Profiles | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _told(self, source: str) -> list[Outbound]:
        """A session for its partner, as it stands: of ours, or from upstream."""
        row = self.store.session(id=source)
        return self.billing.told(row) if row is not None else self.upstream.told.again(source)

    def _settled(self, name: str) -> bool:
        """Whether what waits for a partner may be sent now."""
        return self.formats.settled(name) and not self._fetches(name)

    def _fetches(self, name: str) -> bool:
        partner = self.partners.get(name)
        return isinstance(partner, Fetches) and partner.fetches

    def control(self, chargers: ChargerControl) -> None:
        """Where commands and charging profiles go."""
        self.sessions.disowned.chargers = chargers
        outcomes = Outcomes(self.store, self.partners, self.now)
        self._commands = Commands(self.store, self.partners, self.book, chargers, self.sessions, outcomes, self.now, self.upstream.commands)
        self._profiles = Profiles(self.store, self.partners, self.book, chargers, outcomes, self.now, self.profile_seconds)
        self.sessions.on_connected, self.sessions.on_status = self._profiles.connected, self._profiles.heard

    async def start(self, pull_seconds: Mapping[str, float]) -> None:
        """Open the partners, begin delivering and pulling tokens."""
        await self.sessions.resume()
        for name, partner in self.partners.items():
            await partner.open()
            await self.formats.begin(name)
            self.dispatchers[name].start()
            if isinstance(partner, GivesTokens) and self._wants_tokens(name):
                self._tasks.append(asyncio.create_task(self._pull(name, partner, pull_seconds.get(name, 3600.0)), name=f"tokens {name}"))
            if isinstance(partner, ForgetsStatus) and partner.status_seconds is not None:
                self._tasks.append(asyncio.create_task(self._refresh(name, partner.status_seconds), name=f"refresh {name}"))
        if self._commands is not None:
            self._commands.resume()
        self.upstream.start()
        self.hubs.start()
        if self.clients is not None:
            self.clients.start()
        self._tasks.append(asyncio.create_task(self._watch(), name="deadlines"))
        self._tasks.append(asyncio.create_task(self._align(), name="agreements"))

    async def _watch(self) -> None:
        while True:
            try:
                await self.sessions.expectations.expire()
                await self.check_deadlines()
            except Exception as why:  # noqa: BLE001  (tried again)
                log.error("the deadlines of CDRs and of accepted cards cannot be checked: %s", fault(why))
            await asyncio.sleep(WATCH)

    async def check_deadlines(self) -> list[Late]:
        """The CDRs whose deadline is near or has passed; each is put into the history once."""
        return await watch(self.store, self.cdr_deadline_hours, self.now())

    async def _refresh(self, name: str, seconds: float) -> None:
        while True:
            try:
                await self.refresh(name, seconds)
            except Exception as why:  # noqa: BLE001  (tried again)
                log.error("statuses cannot be told again to %s: %s", name, fault(why))
            await asyncio.sleep(seconds / 8)

    async def refresh(self, name: str, seconds: float) -> int:
        """Tell a partner again the statuses of which half the time is over after which it forgets them; returns how many."""
        count = await self.store.refresh(name, Kind.STATUS, seconds / 2)
        if count:
            self.wake(name)
        return count

    async def _align(self) -> None:
        """At the start, when an agreement begins or ends, and when a partner comes to speak another format."""
        while True:
            wait = ALIGN
            try:
                await self.align()
                following = self.book.next_change(self.now())
                if following is not None:
                    wait = min(ALIGN, max(0.0, (following - self.now()).total_seconds()))
            except Exception as why:  # noqa: BLE001  (tried again)
                log.error("what partners see cannot be aligned with their agreements: %s", fault(why))
            await self.formats.change(wait)

    async def align(self) -> list[str]:
        """Show the partners whose agreements have changed, begun or ended since the last time what they may see now, and no more.

        Returns their names. ``terms`` tell changes of a partner's agreements and settings.
        """
        await self.formats.align()
        due = {}
        for name in self.partners:
            terms = self._terms(name)
            if self.store.mark(aligned_with(name)) != terms:
                due[name] = terms
        if due:
            await self.publisher.align(due.keys())
            for name, terms in due.items():
                await self.store.set_mark(aligned_with(name), terms)
                await self.store.happened(Happening("aligned with the agreements", name))
                self.wake(name)
        return list(due)

    def _terms(self, partner: str) -> str:
        """What decides now what a partner is shown: its agreements and settings, and which of them are valid."""
        return f"{self.terms.get(partner, '')} {''.join('01'[valid] for valid in self.book.standing(partner, self.now()))}"

    async def stop(self) -> None:
        """Finish what is under way, close the partners."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        await self.upstream.stop()
        await self.hubs.stop()
        if self.clients is not None:
            await self.clients.stop()
        if self._commands is not None:
            await self._commands.close()
        await self.sessions.disowned.close()
        self.sessions.expectations.forget()
        await self.authoriser.releases.close()
        await asyncio.gather(*(dispatcher.stop() for dispatcher in self.dispatchers.values()))
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
        """Pull every so many seconds, sooner after a failure (such as that the registration is still under way).

        The history has a failure once: it is told again when its reason changes, or after a pull that went well.
        """
        pause = 0.25
        told: str | None = None
        while True:
            wait, because = every, None
            try:
                await self.pull(name, partner)
                pause = 0.25
            except (Unreachable, Declined) as why:
                because = str(why)
                pause = min(pause * 2, 10.0)
                after = why.after if isinstance(why, Unreachable) else None
                wait = min(every, pause) if after is None else max(pause, min(after, LONGEST_AFTER))
            except Exception as why:  # noqa: BLE001  (one bad list must not end the pulling)
                log.error("pulling the tokens of %s failed: %s", name, fault(why))
                because = f"a fault: {type(why).__name__}"
                wait = min(every, 60.0)
            if because is None or because == told or await self._failed(name, because):
                told = because
            await asyncio.sleep(wait)

    async def _failed(self, name: str, because: str) -> bool:
        """Whether it was put into the history: a store that cannot be written now is tried again with the next pull."""
        with contextlib.suppress(Exception):
            await self.store.happened(Happening("token pull failed", name, detail=because))
            return True
        return False

    async def pull(self, name: str, partner: GivesTokens) -> Taken:
        """Pull a partner's tokens now: the whole list at first and once in a while, else what changed.

        Only a whole list tells which tokens are gone. One that is held for confirmation does not keep changes away.
        """
        now, left = self.now(), resume.left(self.store, name, self.now())
        mark, whole = self.store.mark(f"tokens {name}"), self.store.mark(f"tokens {name} whole")
        after = timedelta(hours=self.full_pull_hours.get(name, 24.0))
        if mark is None or whole is None or now - datetime.fromisoformat(whole) >= after:
            taken = await self._pull_whole(name, partner, left if left is not None and left.since is None else None)
            if not taken.held or mark is None:
                return taken
        since = None if mark is None else datetime.fromisoformat(mark)
        return await self._pull_changes(name, partner, left if left is not None and left.since == since else Resume(now, since, False))

    async def _pull_changes(self, name: str, partner: GivesTokens, how: Resume) -> Taken:
        taken = await self._written(name, partner, how, lambda batch: self.store.save_tokens(name, _rows(name, batch)))
        return await self._pulled(name, how.began, taken, whole=False)

    async def _pull_whole(self, name: str, partner: GivesTokens, left: Resume | None) -> Taken:
        """The whole list, put aside batch by batch and weighed before anything is changed, unless there is nothing to revoke."""
        if left is None:
            await self.store.stage_tokens(name, None)
        how = left or Resume(self.now(), None, not self.store.has_tokens(name))
        if how.direct:
            taken = await self._written(name, partner, how, lambda batch: self.store.take_tokens(name, _rows(name, batch)))
            await self.store.confirmed(f"tokens of {name}")
            return await self._pulled(name, how.began, taken, whole=True)
        await self._written(name, partner, how, lambda batch: self._stage(name, batch))
        await self.store.set_mark(f"tokens {name} staged", how.began.isoformat())
        valid, gone = await self.store.weigh_tokens(name)
        if valid and (gone == valid or Decimal(gone) * 100 > self.most_percent * valid):
            await self.store.hold(f"tokens of {name}", f"{gone} of {valid} would be revoked", b"[]")
            return Taken(held=True)
        await self.store.confirmed(f"tokens of {name}")  # what was held before is superseded
        return await self._pulled(name, how.began, Taken(*await self.store.apply_tokens(name)), whole=True)

    async def _written(self, name: str, partner: GivesTokens, how: Resume, write: resume.Write) -> Taken:
        """The tokens of a list, written as they come. A list that breaks off is gone on with next time; one that is refused is not."""
        try:
            taken = await resume.written(partner, how, write, partial(resume.keep, self.store, name, how))
        except Declined:
            await resume.forget(self.store, name)
            raise
        await resume.forget(self.store, name)
        return taken

    async def _stage(self, name: str, batch: list[Token]) -> tuple[int, int, int]:
        await self.store.stage_tokens(name, _rows(name, batch))
        return 0, 0, 0

    async def confirm_tokens(self, name: str) -> Taken:
        """Take the list that is held. Raises LookupError if there is none, or while a new one comes in."""
        began = self.store.mark(f"tokens {name} staged")
        if began is None:
            raise LookupError(f"no list of tokens of {name} is held")
        taken = Taken(*await self.store.apply_tokens(name))
        await self.store.confirmed(f"tokens of {name}")
        return await self._pulled(name, datetime.fromisoformat(began), taken, whole=True)

    async def _pulled(self, name: str, began: datetime, taken: Taken, *, whole: bool) -> Taken:
        await self.store.set_mark(f"tokens {name}", began.isoformat())
        if whole:
            await self.store.set_mark(f"tokens {name} whole", began.isoformat())
        self.upstream.tokens_changed(name)
        await self.store.happened(Happening("tokens pulled", name, detail=f"{'all' if whole else 'changes'}: {taken.stored} stored, "
                                                                          f"{taken.revoked} revoked"))  # fmt: skip
        return taken

    async def tokens(self, partner: str, tokens: Iterable[Token]) -> Taken:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        rows = _rows(partner, tokens)
        if len(rows) == 1:  # as they come from partners, many at once, each of which waits for the disk
            taken = Taken(1, new=int(await self.store.save_token(rows[0])))
        else:
            new, changed, unchanged = await self.store.save_tokens(partner, rows)
            taken = Taken(new + changed, unchanged, new=new)
        self.upstream.tokens_changed(partner)
        return taken

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

    async def profile(self, partner: str, request: ProfileRequest, answer_to: str) -> ProfileResponse:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        if self._profiles is None:
            raise Declined("charging profiles are not ready")
        return await self._profiles.run(partner, request, answer_to)

    async def prefer(self, partner: str, session: SessionId, preferences: ChargingPreferences) -> PreferenceResult:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        return await self.preferences.run(partner, session, preferences)

    async def client(self, hub: str, info: ClientInfo) -> bool:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        return await self.hubs.take(hub, info)

    def client_of(self, hub: str, party: PartyId) -> ClientInfo | None:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        return self.hubs.find(hub, party)

    async def page(self, partner: str, kind: Kind, *, offset: int, limit: int, since: datetime | None = None,
                   until: datetime | None = None) -> Page:  # fmt: skip
        """See :class:`~bridge.roaming.ports.Inbound`."""
        await self.formats.wait(partner)
        within = self._within(partner, kind)
        return Page([], 0) if within is None else self.store.page(partner, kind, offset, limit, since, until, within)

    async def find(self, partner: str, kind: Kind, key: str) -> bytes | None:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        await self.formats.wait(partner)
        within = self._within(partner, kind)
        return None if within is None else self.store.find(partner, kind, key, within)

    async def fetched(self, partner: str, kind: Kind, what: Page | str, asked: datetime) -> None:
        """See :class:`~bridge.roaming.ports.Inbound`."""
        if self._fetches(partner):
            await self.store.fetched(partner, kind, what if isinstance(what, str) else what.numbers, asked)

    def _within(self, partner: str, kind: Kind) -> Within | None:
        """What a partner may see of a kind now; None: nothing."""
        now = self.now()
        if kind in (Kind.LOCATION, Kind.STATUS) and self.store.mark(aligned_with(partner)) == self._terms(partner):
            # What it was shown is what it may see: nothing of it has to be left out.
            return Within() if any(_AGREED[kind] in a.kinds and a.valid(now) for a in self.book.of(partner)) else None
        if kind in (Kind.LOCATION, Kind.STATUS):
            found = tuple(s for s in self.store.scopes() if self.book.find(partner, _AGREED[kind], s, now) is not None)
            return Within(scopes=found) if found else None
        if kind is Kind.TARIFF:
            return Within(sources=tuple(sorted({*self.book.tariffs(partner, now), *self._passed_tariffs(partner, now)})))
        if kind is Kind.TOKEN:
            return Within() if partner in self.upstream.tokens else None
        if kind is Kind.CLIENT:
            return Within() if self.clients is not None else None
        agreed = any(_AGREED[kind] in a.kinds and a.valid(now) for a in self.book.of(partner))
        return Within() if agreed else None  # its own sessions and CDRs

    def _passed_tariffs(self, partner: str, now: datetime) -> set[str]:
        """The tariffs of upstream operators that a partner may see."""
        return {key for operator, key, origin in self.store.foreign("tariff") if self.book.has_tariff(partner, key, operator, origin, now)}

    def permits(self, job: Job) -> str | None:
        """Why a job may not go out any more, or None. What takes something back always may, and CDRs have to."""
        now = self.now()
        if job.op is Op.DELETE or job.kind in (Kind.SESSION, Kind.CDR, Kind.TOKEN, Kind.CLIENT):
            return None
        if job.kind is Kind.TARIFF:
            named = job.source in self.book.tariffs(job.partner, now) or job.source in self._passed_tariffs(job.partner, now)
            return None if named else "no agreement names this tariff any more"
        kind = _AGREED[job.kind]
        if any(self.book.find(job.partner, kind, scope, now) is not None for scope in self.store.scopes(job.source)):
            return None
        return f"no agreement lets the partner have its {kind} any more"


def _rows(partner: str, tokens: Iterable[Token]) -> list[TokenRow]:
    return [_row(partner, t) for t in tokens if t.uid is not None]


def _row(partner: str, token: Token) -> TokenRow:
    kind = (token.kind or TokenKind.RFID).value
    valid = token.valid if token.valid is not None else True
    return TokenRow(lookup_key(token), kind, partner, str(token.contract_id) if token.contract_id else None, valid,
                    token.whitelist.value if token.whitelist is not None else None, token.expires, dumps(token))  # fmt: skip
