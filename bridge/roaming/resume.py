"""How far the pull of a long list got, so that the next one goes on from there: after a page that failed, or a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta

from attrs import frozen

from bridge.model.token import Token
from bridge.roaming.ports import GivesTokens, ResumesTokens, Taken, TokenPage
from bridge.roaming.storage import Storage

GOOD_FOR = timedelta(hours=6)
"""A list that was begun longer ago is begun anew."""


@frozen
class Resume:
    """A pull that was not finished: when it began, of what (changes since a moment, or all), and where the list goes on.

    ``direct``: a first list is not put aside before it is taken.
    """

    began: datetime
    since: datetime | None
    direct: bool
    at: str | None = None


def left(store: Storage, partner: str, now: datetime) -> Resume | None:
    """What an earlier pull of a partner's tokens left, if it is good to go on from."""
    text = store.mark(_mark(partner))
    if not text:
        return None
    began, since, direct, at = json.loads(text)
    made = Resume(datetime.fromisoformat(began), None if since is None else datetime.fromisoformat(since), direct, at)
    return made if now - made.began < GOOD_FOR else None


async def keep(store: Storage, partner: str, resume: Resume, at: str) -> None:
    """Remember where the list goes on."""
    since = None if resume.since is None else resume.since.isoformat()
    await store.set_mark(_mark(partner), json.dumps([resume.began.isoformat(), since, resume.direct, at]))


async def forget(store: Storage, partner: str) -> None:
    """The pull is finished, or has to be begun anew."""
    if store.mark(_mark(partner)):
        await store.set_mark(_mark(partner), "")


def _mark(partner: str) -> str:
    return f"tokens {partner} at"


# --- pulling

_AHEAD = 4
"""Batches on their way to the disk while the next one comes in."""
_KEEP_EVERY = 2.0
"""Seconds between two times that it is remembered how far a list is on the disk."""

Write = Callable[[list[Token]], Awaitable[tuple[int, int, int]]]


async def _pages(partner: GivesTokens, how: Resume) -> AsyncGenerator[TokenPage, None]:
    if isinstance(partner, ResumesTokens):
        async for page in partner.token_pages(how.since, how.at):
            yield page
    else:
        async for batch in partner.pull_tokens(how.since):
            yield TokenPage(batch)


async def written(partner: GivesTokens, how: Resume, write: Write, kept: Callable[[str], Awaitable[None]]) -> Taken:
    """Write batches as they come, and wait for the disk only when some are under way. ``kept`` hears now and then, and in the
    end if there is a fault, how far all of it is on the disk."""
    done: list[tuple[int, int, int]] = []
    waiting: deque[tuple[asyncio.Future[tuple[int, int, int]], str | None]] = deque()
    reached: str | None = None
    kept_at = time.monotonic()

    async def settle(ahead: int) -> None:
        nonlocal reached
        while waiting and (len(waiting) > ahead or waiting[0][0].done()):
            done.append(await waiting[0][0])
            reached = waiting.popleft()[1]

    try:
        try:
            async for page in _pages(partner, how):
                waiting.append((asyncio.ensure_future(write(page.tokens)), page.after))
                await settle(_AHEAD)
                if reached is not None and time.monotonic() - kept_at >= _KEEP_EVERY:
                    await kept(reached)
                    kept_at = time.monotonic()
        finally:
            await settle(0)
    except BaseException:
        for task, _ in waiting:  # nothing is left under way
            task.cancel()
        await asyncio.gather(*(task for task, _ in waiting), return_exceptions=True)
        if reached is not None:
            with contextlib.suppress(Exception):  # a store that cannot be written now: more of the list comes again
                await kept(reached)
        raise
    new, changed, unchanged = (sum(counts) for counts in zip(*done, strict=True)) if done else (0, 0, 0)
    return Taken(new + changed, unchanged, new=new)
