"""Where results of commands may go: a ``response_url`` comes from outside, and our credentials token goes with the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import SplitResult, urlsplit


def refusal(url: str, own: Iterable[str], more: Collection[str] = ()) -> str | None:
    """Why nothing is sent to a ``response_url``, or None.

    It has to lead to a host of the partner's ``own`` URLs (any port) or to one of ``more`` (``host`` or ``host:port``), and
    may be unencrypted only where the partner's own URLs are, too.
    """
    there, ours = _split(url), [one for one in map(_split, own) if one is not None]
    if there is None or there.username is not None or there.password is not None:
        return "an http(s) URL without a user is expected"
    if there.scheme == "http" and not any(one.scheme == "http" for one in ours):
        return "https is expected, as for the other addresses of this partner"
    host, port = there.hostname or "", there.port or (443 if there.scheme == "https" else 80)
    allowed = {one.lower() for one in more} | {one.hostname for one in ours}
    return None if host in allowed or f"{host}:{port}" in allowed else "leads to a host that is none of this partner's"


def _split(url: str) -> SplitResult | None:
    """An http(s) URL, taken apart; None for anything else."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None
