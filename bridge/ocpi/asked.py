"""What an upstream operator asks us, its provider: the token list, whether a card may charge (mod_tokens, Sender); and what came
of a command that we sent (mod_commands, Sender)."""

from __future__ import annotations

from typing import Any

from bridge.codec.lenient import fold, loads
from bridge.model.command import CommandKind, CommandOutcome, CommandResult
from bridge.model.common import Text
from bridge.model.token import AuthorizationInfo, TokenKind
from bridge.ocpi import objects
from bridge.ocpi.call import Call, Fault, Interface, Result
from bridge.ocpi.envelope import Code, success
from bridge.ocpi.modules import listed
from bridge.ocpi.tokens import kind_of
from bridge.ocpi.version import Version
from bridge.roaming.ports import Kind
from bridge.roaming.upstream.ports import NotTheirs, NotThere, Question
from bridge.translate.files import encode


async def _authorise(call: Call) -> Result:
    uid = call.request.match_info["uid"]
    location, evses = await _where(call)
    question = Question(uid, kind_of(call) or TokenKind.RFID, location, evses)
    try:
        info = await call.core.upstream.authorise(call.partner.name, question)
    except NotThere as why:
        raise Fault(Code.UNKNOWN_LOCATION, f"location_id: {why.because}") from why
    except NotTheirs as why:
        raise Fault(Code.CLIENT_ERROR, why.because, 404) from why
    if info is None:
        raise Fault(Code.UNKNOWN_TOKEN, "unknown token", 404)
    return Result(success(encode(_told(call, info))))


async def _where(call: Call) -> tuple[str | None, tuple[str, ...]]:
    """The LocationReferences of a request, which may have none."""
    if not call.request.can_read_body:
        return None, ()
    data = await call.body()
    told = loads(data)
    if told is None or told == {}:
        return None, ()
    if isinstance(told, dict) and not any(fold(name) == "locationid" and value for name, value in told.items()):
        raise Fault(Code.NOT_ENOUGH, "location_id: is missing")
    wire = call.version.read("LocationReferences", data).value
    return wire.location_id, tuple(wire.evse_uids or ())


def _told(call: Call, info: AuthorizationInfo) -> Any:
    version, messages = call.version, call.version.messages
    location = None
    if info.location_id is not None:
        location = version.make("LocationReferences", location_id=info.location_id, evse_uids=info.evse_uids or None)
    token = None
    if info.token is not None and version.roles:
        token = call.partner.entry(Kind.TOKEN.value)[1].to_wire(objects.ours(call.partner, info.token))[0]
    texts = call.partner.texts((Text(info.info),)) if info.info else None
    return version.make("AuthorizationInfo", allowed=messages.AllowedType(info.allowed.value), token=token, location=location,
                        authorization_reference=info.reference, info=texts[0] if texts else None)  # fmt: skip


async def _result(call: Call) -> Result:
    told = call.version.read("CommandResult", await call.body()).value
    outcome = CommandOutcome(CommandResult(told.result.value))
    if not call.core.upstream.command_result(call.partner.name, call.request.match_info["reference"], outcome):
        raise Fault(Code.CLIENT_ERROR, "nobody waits for the result of this command", 404)
    return Result(success())


_COMMANDS = Interface("commands", "SENDER", "EMSP", {"/{command}/{reference}": {"POST": _result}})

INTERFACES = (
    Interface("tokens", "SENDER", "EMSP", {"": {"GET": listed(Kind.TOKEN)}, "/{uid}/authorize": {"POST": _authorise}}),
    _COMMANDS,
)  # fmt: skip


def answer_at(our_url: str, version: Version, kind: CommandKind, reference: str) -> str:
    """Where we want the result of a command (response_url)."""
    return f"{our_url.rstrip('/')}{_COMMANDS.path(version)}/{kind.value}/{reference}"
