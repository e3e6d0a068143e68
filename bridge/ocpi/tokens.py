"""Tokens as an operator takes them from their provider (mod_tokens, Receiver)."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from bridge.codec.lenient import fold, loads
from bridge.model.ids import PartyId
from bridge.model.token import Token, TokenKind
from bridge.ocpi.call import Call, Fault, Interface, Result
from bridge.ocpi.envelope import Code, success
from bridge.ocpi.version import folded
from bridge.translate.files import encode


def _owner(call: Call) -> tuple[str, str, str]:
    match = call.request.match_info
    if not call.partner.registration.speaks_for(match["country"], match["party"]):
        raise Fault(Code.CLIENT_ERROR, "that party is not yours", 404)
    return match["country"], match["party"], match["uid"]


def _kinds(call: Call) -> tuple[TokenKind, ...]:
    """The kinds that a URL may mean: a token is known by its uid and type, before 2.2 by its uid alone."""
    if not call.version.roles:
        return tuple(dict.fromkeys(TokenKind(wire) for wire in ("RFID", *call.version.token_types.values())))
    return (kind_of(call) or TokenKind.RFID,)


def kind_of(call: Call) -> TokenKind | None:
    """The kind of token that a URL names. Raises Fault for one that there is not."""
    text = call.request.query.get("type") if call.version.roles else None
    if not text:
        return None
    kind = {fold(wire): TokenKind(wire) for wire in call.version.token_types.values()}.get(fold(text))
    if kind is None and call.version.open:
        return TokenKind.OTHER
    if kind is None:
        raise Fault(Code.INVALID, f"type: {text[:32]!r} is no TokenType")
    return kind


async def _known(call: Call, country: str, party: str, uid: str) -> Token | None:
    for kind in _kinds(call):
        token = await call.core.token(call.partner.name, uid, kind)
        if token is not None and (token.party is None or token.party.key == f"{country}{party}".upper()):
            return token
    return None


async def _get(call: Call) -> Result:
    token = await _known(call, *_owner(call))
    if token is None:
        raise Fault(Code.UNKNOWN_TOKEN, "unknown token", 404)
    return Result(success(call.partner.token_bytes(token)))


async def _put(call: Call) -> Result:
    country, party, uid = _owner(call)
    return await _take(call, call.partner.token(await call.body()), country, party, uid, kind_of(call))


async def _patch(call: Call) -> Result:
    country, party, uid = _owner(call)
    change = loads(await call.body())
    if not isinstance(change, dict):
        raise Fault(Code.INVALID, "$: an object is expected")
    change = {name: value for name, value in change.items() if value not in (None, "", [])}  # nothing is taken away
    said = {fold(name) for name in change}
    if "lastupdated" not in said and call.version.dated_patches:
        raise Fault(Code.INVALID, "last_updated: is missing (it is needed in every PATCH)")
    old = await _known(call, country, party, uid)
    if old is None:
        raise Fault(Code.UNKNOWN_TOKEN, "unknown token", 404)
    whole = {name: value for name, value in loads(call.partner.token_bytes(old)).items() if fold(name) not in said}
    new = call.partner.token(encode(whole | change))
    kept = tuple(extra for extra in old.extra if extra.path not in {e.path for e in new.extra})
    return await _take(call, evolve(new, extra=(*kept, *new.extra)), country, party, uid, old.kind if call.version.roles else None)


async def _take(call: Call, token: Token, country: str, party: str, uid: str, asked: TokenKind | None) -> Result:
    if not call.version.roles:  # the owner is told by the URL alone
        token = evolve(token, party=PartyId(country.upper(), party.upper()))
    _same("country_code", token.party.country_code if token.party else None, country)
    _same("party_id", token.party.party_id if token.party else None, party)
    _same("uid", token.uid, uid)
    if asked is not None and token.kind is not asked:
        raise Fault(Code.INVALID, "type: differs from the one in the URL")
    taken = await call.core.tokens(call.partner.name, [token])
    note = "held until an operator confirms it" if taken.held else None
    return Result(success(message=note), 201 if taken.new else 200)


def _same(name: str, told: Any, url: str) -> None:
    if told != url and (told is None or folded(told) != folded(url)):
        raise Fault(Code.INVALID, f"{name}: differs from the one in the URL")


INTERFACES = (
    Interface("tokens", "RECEIVER", "CPO", {"/{country}/{party}/{uid}": {"GET": _get, "PUT": _put, "PATCH": _patch}}),
)  # fmt: skip
