"""WS-Security UsernameToken with a password in plain text: written, and checked in constant time.

OASIS Web Services Security UsernameToken Profile 1.0; OCHP 1.4, section User Identification ("passwordText"). No digest,
no signature: the connection's TLS protects it. A Nonce and a Created beside the password, as some clients send them, are
allowed and not looked at.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from bridge.codec.soap import is_legal
from bridge.codec.xml import escape

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
PASSWORD_TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"  # noqa: S105


class Denied(Exception):
    """Who calls is not let in. ``code`` is WS-Security's fault code; the reason holds no part of the password."""

    def __init__(self, code: str, because: str) -> None:
        super().__init__(because)
        self.code = code
        self.because = because

    @property
    def fault_code(self) -> str:
        """The code as :func:`bridge.codec.soap.fault` takes it."""
        return f"{{{WSSE}}}{self.code}"


def header(user: str, password: str, *, token_id: str = "UsernameToken-1") -> str:  # noqa: S107  (an XML id)
    """The header block. Raises ValueError for characters that XML cannot hold."""
    if not is_legal(user + password):
        raise ValueError("user name or password holds characters that XML cannot hold")
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" soapenv:mustUnderstand="1">'
        f'<wsse:UsernameToken wsu:Id="{token_id}"><wsse:Username>{escape(user)}</wsse:Username>'
        f'<wsse:Password Type="{PASSWORD_TEXT}">{_escaped(password)}</wsse:Password></wsse:UsernameToken></wsse:Security>'
    )


def _escaped(text: str) -> str:
    return escape(text).replace("\r", "&#13;")  # a parser would read a bare CR as LF


def check(block: Any, accounts: Mapping[str, str]) -> str:
    """The user that the message's Header element names and proves. Raises Denied.

    Unknown user and wrong password take the same time and give the same answer.
    """
    user, password = credentials(block)
    expected = accounts.get(user)
    same = hmac.compare_digest(_digest(password), _digest(expected if expected is not None else ""))
    if not same or expected is None:
        raise Denied("FailedAuthentication", "user name or password is wrong")
    return user


def credentials(block: Any) -> tuple[str, str]:
    """User name and password of a message's Header element, unchecked. Raises Denied if they are not there exactly once."""
    tokens = [] if block is None else list(block.iterfind(f"{{{WSSE}}}Security/{{{WSSE}}}UsernameToken"))
    if len(tokens) != 1:
        raise Denied("InvalidSecurity", "no UsernameToken" if not tokens else "more than one UsernameToken")
    names = tokens[0].findall(f"{{{WSSE}}}Username")
    passwords = tokens[0].findall(f"{{{WSSE}}}Password")
    if len(names) != 1 or len(passwords) != 1 or len(names[0]) or len(passwords[0]):
        raise Denied("InvalidSecurity", "one Username and one Password expected")
    if passwords[0].get("Type", PASSWORD_TEXT) != PASSWORD_TEXT:
        raise Denied("UnsupportedSecurityToken", "a password of type PasswordText expected")
    return (names[0].text or "").strip(), passwords[0].text or ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()  # of one length, whatever the texts' lengths


__all__ = ["PASSWORD_TEXT", "WSSE", "WSU", "Denied", "check", "credentials", "header"]
