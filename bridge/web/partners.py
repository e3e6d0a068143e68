"""Partners in the administration API: how far they are, and beginning, renewing and ending a registration.

Errors are ``{"error": reason, "code": ...}``: 400 for a body that cannot be used, 404 for a partner that this process does not
serve, 409 where we or the partner decline, 504 where it does not answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.errors import Declined, Unreachable
from bridge.joining import registration
from bridge.joining.checklist import checklist
from bridge.joining.facts import Facts
from bridge.joining.overview import overview

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.roaming.ports import Partner

Work = Callable[[web.Request], Awaitable[web.Response]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Add(_Body):
    """What a registration begins with: nothing, or the token that the partner gave us and its versions URL."""

    token: str | None = Field(None, min_length=1, max_length=64)
    url: str | None = Field(None, pattern=r"^https?://[^/]", max_length=255)


class Remove(_Body):
    """``forget``: end it on this side only."""

    forget: bool = False


M = TypeVar("M", bound=_Body)


class _Bad(Exception):
    """A request that cannot be served: status, reason."""

    def __init__(self, status: int, because: str, code: str | None = None) -> None:
        super().__init__(because)
        self.answer = _json({"error": because, "code": code}, status)


def works(bridge: Bridge) -> dict[str, Work]:
    """What is done at ``/admin/partners`` and below, by the end of the path."""

    async def every(request: web.Request) -> web.Response:
        return _json([attrs.asdict(line) for line in overview(bridge.config, bridge.store)])

    async def steps(request: web.Request) -> web.Response:
        facts = Facts(_partner(bridge, request).name, bridge.config, bridge.book, bridge.store, bridge.core.now())
        return _json([{"key": i.step.key, "phase": i.step.phase, "what": i.step.what, "how": i.step.how, "state": i.finding.state,
                       "told": i.finding.told} for i in checklist(facts)])  # fmt: skip

    async def add(request: web.Request) -> web.Response:
        it, said = _partner(bridge, request), await _read(request, Add)
        return _json(attrs.asdict(await registration.add(it, bridge.store, said.token, said.url)))

    async def rotate(request: web.Request) -> web.Response:
        it, _ = _partner(bridge, request), await _read(request, _Body)
        return _json(attrs.asdict(await registration.rotate(it)))

    async def remove(request: web.Request) -> web.Response:
        it, said = _partner(bridge, request), await _read(request, Remove)
        return _json(attrs.asdict(await registration.remove(it, forget=said.forget)))

    return {"": every, "checklist": _told(steps), "add": _told(add), "rotate": _told(rotate), "remove": _told(remove)}


def _told(work: Work) -> Work:
    async def handler(request: web.Request) -> web.Response:
        try:
            return await work(request)
        except _Bad as why:
            return why.answer
        except Declined as why:
            return _json({"error": why.because, "code": why.code}, 409)
        except Unreachable as why:
            return _json({"error": why.because, "code": None}, 504)

    return handler


def _partner(bridge: Bridge, request: web.Request) -> Partner:
    name = request.match_info["name"]
    found = bridge.partners.get(name)
    if found is None:
        raise _Bad(404, f"this bridge serves no partner {name}")
    return found


async def _read(request: web.Request, model: type[M]) -> M:
    body = await request.read()
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as why:
        first = why.errors(include_input=False)[0]
        raise _Bad(400, f"{'.'.join(str(part) for part in first['loc']) or '$'}: {first['msg']}") from why


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
