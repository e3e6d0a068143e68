"""What surrounds OCPI data: the response envelope, status codes, tokens in headers, times in URLs.

transport_and_format (Authorization header, Response format), status_codes.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
import orjson
from attrs import frozen

from bridge.errors import Declined, Unreachable
from bridge.transport.http import Answer


class Code(IntEnum):
    """OCPI status codes (status_codes)."""

    SUCCESS = 1000
    CLIENT_ERROR = 2000
    INVALID = 2001
    NOT_ENOUGH = 2002
    UNKNOWN_LOCATION = 2003
    UNKNOWN_TOKEN = 2004
    SERVER_ERROR = 3000
    UNUSABLE_API = 3001
    UNSUPPORTED_VERSION = 3002
    NO_MATCHING_ENDPOINTS = 3003
    HUB_ERROR = 4000
    UNKNOWN_RECEIVER = 4001
    HUB_TIMEOUT = 4002
    HUB_CONNECTION = 4003


_AGAIN = frozenset({Code.SERVER_ERROR, Code.HUB_ERROR, Code.HUB_TIMEOUT, Code.HUB_CONNECTION})
_NOT_IMPLEMENTED = 501
_UNWELCOME = frozenset({401, 403, 407})


class Refusal(Declined):
    """A partner's definite no. ``status`` is the HTTP status, ``code`` the OCPI status code, else the HTTP status."""

    def __init__(self, because: str, code: str, status: int) -> None:
        super().__init__(because, code)
        self.status = status


class Unwelcome(Unreachable):
    """A partner does not accept our credentials (HTTP 401, 403, 407): nothing was taken, and it may accept them later."""


class _Loose(msgspec.Struct):
    status_code: int
    data: msgspec.Raw = msgspec.Raw()
    status_message: str | None = None


_envelope = msgspec.json.Decoder(_Loose, strict=False).decode


@frozen
class Reply:
    """A partner's answer that says success: headers (case-insensitive) and ``data`` as bytes, None where absent."""

    status: int
    headers: Mapping[str, str]
    data: bytes | None


def timestamp() -> str:
    """Now, as OCPI writes times (types, DateTime)."""
    return _second(int(time.time()))


@lru_cache(2)
def _second(number: int) -> str:
    return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def written(moment: datetime) -> str:
    """A moment as OCPI writes it in URLs, in UTC with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?)?\s*(Z|[+ -]\d\d:?\d\d)?$", re.I)


def moment_of(text: str) -> datetime | None:
    """A time of a URL; without zone it is UTC, and a ``+`` that was decoded to a blank is still one. None: unreadable."""
    match = _MOMENT.match(text.strip())
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone is None or zone in "Zz" else zone.replace(" ", "+")
    try:
        return datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{(fraction or '')[:7]}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_NAIVE = re.compile(rb'(?<![\\])"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?"(?=\s*[,}\]]|\s*$)')


def zoned(data: bytes, zone: str) -> bytes:
    """JSON in which times without a zone, which are meant in ``zone``, say which moment they are, in UTC.

    Of an hour that comes twice in the night in which clocks go back it is the first.
    """

    def moment(found: re.Match[bytes]) -> bytes:
        try:
            at = datetime.fromisoformat(found[1].decode()).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            return found[0]
        return b'"%s%sZ"' % (at.strftime("%Y-%m-%dT%H:%M:%S").encode(), found[2] or b"")

    return _NAIVE.sub(moment, data)


def success(data: bytes | None = None, message: str | None = None) -> bytes:
    """An envelope around JSON bytes, which are not looked at."""
    rest = b'"status_code":1000,"timestamp":"%s"}' % timestamp().encode()
    if message is not None:
        rest = b'"status_message":%s,' % orjson.dumps(message) + rest
    return b"{" + rest if data is None else b'{"data":' + data + b"," + rest


def failure(code: int, message: str) -> bytes:
    """An envelope with an error and no data."""
    return orjson.dumps({"status_code": int(code), "status_message": message, "timestamp": timestamp()})


def reply(answer: Answer, *, empty_is_success: bool = False, bare: bool = False) -> Reply:
    """What a partner's answer means. Raises Unreachable where it promises nothing, :class:`Refusal` for a definite no.

    ``bare``: an answer that has no envelope is the data itself.
    """
    if 200 <= answer.status < 300 and not answer.body.strip() and empty_is_success:
        return Reply(answer.status, answer.headers, None)
    code, message, data = None, None, None
    try:
        read = _envelope(answer.body)
        code, message, data = read.status_code, read.status_message, bytes(read.data) or None
    except msgspec.MsgspecError as why:
        if 200 <= answer.status < 300:
            if bare and _is_json(answer.body):
                return Reply(answer.status, answer.headers, answer.body)
            raise Unreachable(f"an answer that is no OCPI envelope: {_short(str(why))}", sent=True) from why
    told = f"HTTP {answer.status}" + (f", OCPI {code}" if code is not None else "") + (f": {_short(message)}" if message else "")
    if answer.status in _UNWELCOME:
        raise Unwelcome(f"our credentials are not accepted ({told})", status=answer.status)
    if answer.status == _NOT_IMPLEMENTED:
        raise Refusal(told, str(answer.status), answer.status)
    if answer.status == 408:
        raise Unreachable(told, sent=True, status=answer.status)
    if code is not None and not 1000 <= code < 2000:
        if code in _AGAIN:
            raise Unreachable(told, sent=True, status=None if code == Code.HUB_TIMEOUT else answer.status)
        raise Refusal(told, str(code), answer.status)
    if not 200 <= answer.status < 300:
        raise Refusal(told, str(answer.status), answer.status)
    return Reply(answer.status, answer.headers, None if data == b"null" else data)


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.MsgspecError:
        return False
    return True


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."


# --- credentials tokens


def spelled(token: str, *, raw: bool = False) -> str:
    """The value of an Authorization header: Base64 of the token, or the token itself for peers that demand it."""
    return "Token " + (token if raw else base64.b64encode(token.encode()).decode())


def given(header: str | None) -> tuple[str | None, str | None]:
    """What an Authorization header may mean: the token taken as Base64 (None if it is none), and taken as it stands.

    The specification's own sample ends in an encoded newline, which is cut off.
    """
    scheme, _, value = (header or "").strip().partition(" ")
    value = value.strip()
    if scheme.lower() != "token" or not value:
        return None, None
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None, value
    return decoded.rstrip("\r\n") or None, value
