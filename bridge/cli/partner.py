"""``evbridge partner add|rotate|remove|list|checklist``: joining partners. ``show`` is in :mod:`bridge.cli.operate`.

What changes a registration is done by the bridge that runs, because it holds the tokens in its hands; if none does, here.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import attrs
import click
import orjson

from bridge.cli._running import NotServed, Running, run
from bridge.cli.operate import partner
from bridge.cli.serve import CONFIG
from bridge.config import BridgeConfig, PartnerConfig, load
from bridge.errors import Declined, Unreachable
from bridge.joining import registration
from bridge.joining.registration import Joined
from bridge.store.sqlite import SqliteStore

__all__ = ["partner"]

PROTOCOLS = get_args(PartnerConfig.model_fields["protocol"].annotation)
NAME = click.argument("name")
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON.")


# --- looking


@partner.command("list")
@CONFIG
@JSON
def list_(config: Path, as_json: bool) -> None:
    """List all partners: how far they are joined, what waits for them, how many of their tokens are valid."""
    from bridge.joining.overview import overview

    settings = load(config)
    with _looking(settings) as store:
        found = overview(settings, store)
    if as_json:
        click.echo(orjson.dumps([attrs.asdict(line) for line in found], option=orjson.OPT_INDENT_2))
        return
    for line in found:
        version = f", OCPI {line.version}" if line.version else ""
        dead = f", {line.dead} dead" if line.dead else ""
        click.echo(f"{line.name:20} {line.protocol:11} {line.role:9} {line.standing}{version}; "
                   f"{line.waiting} waiting{dead}, {line.tokens} tokens")  # fmt: skip


@partner.command("checklist")
@NAME
@CONFIG
@JSON
def checklist(name: str, config: Path, as_json: bool) -> None:
    """Print the steps to join NAME and what is fulfilled: [x] done, [ ] open, [!] wrong, [?] only you can say.

    Exit status 1 while anything is open or wrong.
    """
    from bridge.app import book_of, utc_now
    from bridge.joining import checklist as steps
    from bridge.joining.checks import State
    from bridge.joining.facts import Facts

    settings = load(config)
    _must_know(settings, name)
    with _looking(settings) as store:
        facts = Facts(name, settings, book_of(settings), store, utc_now())
        items = steps.checklist(facts)
    if as_json:
        told = [{"key": i.step.key, "phase": i.step.phase, "what": i.step.what, "state": i.finding.state, "told": i.finding.told}
                for i in items]  # fmt: skip
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    else:
        click.echo(f"{name} ({facts.kind}, {facts.partner.protocol})")
        for line in steps.lines(items):
            click.echo(line)
    sys.exit(1 if any(i.finding.state in (State.OPEN, State.WRONG) for i in items) else 0)


# --- joining


@partner.command("add")
@NAME
@CONFIG
@click.option("--url", help="Its versions URL (OCPI), or where it is called.")
@click.option("--token", help="The registration token that it gave us; `-`: read from standard input. Without one we make one for it.")
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="What it speaks; by default ocpi.")
@click.option("--operator", help="Which of our operators it is to see, if there are several.")
@click.option("--hub", is_flag=True, help="It speaks for many providers.")
@click.option("--party", help="Its own party (DE-EM1).")
@click.option("--tariff", help="The tariff that it is shown.")
@click.option("--test", is_flag=True, help="By a test agreement.")
def add(name: str, config: Path, url: str | None, token: str | None, protocol: str | None, operator: str | None, hub: bool,
        party: str | None, tariff: str | None, test: bool) -> None:  # fmt: skip
    """Join partner NAME.

    If the configuration does not have it, its file is written into the partner folder, with what is given here. Then, with
    --token and --url, we register with it; without, a token is made and shown, with which it registers here.
    """
    settings = load(config)
    if name in settings.partners:
        if any((protocol, operator, hub, party, tariff, test)):
            raise click.UsageError(f"{name} is configured already: change it there")
    else:
        from bridge.joining.files import Draft

        if token is not None and url is None:
            raise click.UsageError("with --token its --url is needed")
        draft = Draft(name, protocol or "ocpi", _operator(settings, operator), url or "", hub, party, tariff, test)
        file = draft.write(settings.partner_folder)
        click.echo(f"written: {file}")
        settings = load(config)
    if not settings.partners[name].protocol.startswith("ocpi"):
        click.echo(f"joined by contract; what there is to do: evbridge partner checklist {name}")
        return
    if token == "-":  # noqa: S105  (standard input)
        token = sys.stdin.readline().strip()

    async def here(it: Any, store: SqliteStore) -> Joined:
        return await registration.add(it, store, token, url, serves=False)

    done, loaded = _do(settings, name, "add", {"token": token, "url": url}, here)
    if done.did == registration.INVITED:
        _invitation(name, done)
    elif done.did == registration.TAKEN:
        click.echo(f"the token is kept: the bridge registers with {name} when it starts")
    else:
        click.echo(f"registered with {name}: OCPI {done.version}, {', '.join(done.parties)}")
    if not loaded:
        click.echo("the bridge that runs does not serve it yet: restart it")


def _invitation(name: str, done: Joined) -> None:
    click.echo(f"Send to {name}, by a way that others do not read. The token is shown this once; a lost one is made anew the same way.\n")
    for where, versions in done.versions_urls.items():
        click.echo(f"  versions URL  {where} (OCPI {', '.join(versions)})")
    click.echo(f"  token         {done.token}")
    for one in done.parties:
        click.echo(f"  our party     {one}")
    click.echo(f"\nThen: evbridge partner checklist {name}")


@partner.command("rotate")
@NAME
@CONFIG
def rotate(name: str, config: Path) -> None:
    """Renew the credentials with NAME (PUT): new tokens on both sides, the old ones good until the new ones are used.

    The bridge has to run, because the partner reads our versions meanwhile. Exit status 1 if the partner does not take part.
    """
    settings = load(config)
    _must_know(settings, name)

    async def here(it: Any, store: SqliteStore) -> Joined:
        raise Declined("no bridge serves it: the partner reads our versions while tokens are renewed; start or restart `evbridge serve`")

    done, _ = _do(settings, name, "rotate", {}, here)
    click.echo(f"renewed with {name}: OCPI {done.version}")


@partner.command("remove")
@NAME
@CONFIG
@click.option("--forget", is_flag=True, help="End it on this side only: the partner is not told (it is gone, or does not answer).")
def remove(name: str, config: Path, forget: bool) -> None:
    """End the registration with NAME (DELETE). Its history, CDRs and what was published stay; its configuration as well.

    Exit status 1 if the partner does not take part: nothing is changed then.
    """
    settings = load(config)
    _must_know(settings, name)

    async def here(it: Any, store: SqliteStore) -> Joined:
        if forget or not registration.is_registered(it):  # nothing goes over the network
            return await registration.remove(it, forget=forget)
        await it.open()
        try:
            return await registration.remove(it)
        finally:
            await it.close()

    _do(settings, name, "remove", {"forget": forget}, here)
    click.echo(f"the registration with {name} has ended; nothing goes there until it is added again")
    click.echo("while an agreement with it is valid its drivers are still accepted: to be rid of it, take it out of the configuration")


# --- by whom it is done

Here = Callable[[Any, SqliteStore], Awaitable[Joined]]


def _do(settings: BridgeConfig, name: str, verb: str, body: dict[str, Any], here: Here) -> tuple[Joined, bool]:
    """Have the bridge that runs do it, or do it here; tells as well whether a bridge that runs serves the partner."""
    try:
        done: tuple[Joined, bool] = run(_done(settings, name, verb, body, here))
    except (Declined, Unreachable) as why:
        click.echo(f"{name}: {why.because}", err=True)
        sys.exit(1)
    return done


async def _done(settings: BridgeConfig, name: str, verb: str, body: dict[str, Any], here: Here) -> tuple[Joined, bool]:
    running, loaded = Running(settings), True
    if await running.serves():
        try:
            said = await running.post(name, verb, {key: value for key, value in body.items() if value is not None})
            return Joined(**said | {"parties": tuple(said["parties"])}), True
        except NotServed:
            loaded = False  # it was added since that bridge started, which therefore has nothing of it in its hands
    return await _by_ourselves(settings, name, here), loaded


async def _by_ourselves(settings: BridgeConfig, name: str, here: Here) -> Joined:
    from bridge.app import make_partner

    store = SqliteStore(settings.store)
    it: Any = make_partner(name, settings, store)
    store.open(deliver=False)
    try:
        registration.watch(it, store)
        if hasattr(it, "registration"):
            await it.registration.load()
        return await here(it, store)
    finally:
        store.close()


@contextmanager
def _looking(settings: BridgeConfig) -> Iterator[SqliteStore | None]:
    """The store to look at, or None where there is none yet."""
    if not settings.store.exists():
        yield None
        return
    store = SqliteStore(settings.store)
    store.open(deliver=False)
    try:
        yield store
    finally:
        store.close()


def _must_know(settings: BridgeConfig, name: str) -> None:
    if name not in settings.partners:
        raise click.UsageError(f"there is no partner {name}; there are {', '.join(settings.partners) or 'none'}")


def _operator(settings: BridgeConfig, name: str | None) -> str:
    if name is None and len(settings.operators) == 1:
        return next(iter(settings.operators))
    if name not in settings.operators:
        raise click.UsageError(f"--operator: one of {', '.join(settings.operators)}")
    return str(name)
