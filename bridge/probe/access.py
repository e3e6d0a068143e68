"""Rules about who is let in: unknown and missing tokens, how a token is spelled, names of headers."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.probe.look import Trial
from bridge.probe.rules import ALL, ONLY_211, SINCE_22, Fault, Severity, Untold, rule


@rule("3a", "An unknown credentials token is HTTP 401", on=Trial, kind="unknown token")
def unknown_token(trial: Trial) -> Iterator[Fault]:
    """A GET of versions, and of the first list, with a token that nobody has."""
    yield from _unauthorized(trial)


@rule("3b", "A missing Authorization header is HTTP 401", on=Trial, kind="no token")
def no_token(trial: Trial) -> Iterator[Fault]:
    """A GET of versions, and of the first list, without the header."""
    yield from _unauthorized(trial)


def _unauthorized(trial: Trial) -> Iterator[Fault]:
    status = trial.exchange.status
    if status == 401:
        return
    if trial.exchange.succeeded:
        yield Fault("it is answered as if the caller were known")
    elif 300 <= status < 400 or status == 429 or status >= 500:
        raise Untold(f"HTTP {status} says nothing about the token")
    else:
        yield Fault("another answer than HTTP 401", found=trial.exchange.told)


@rule("4", "CREDENTIALS_TOKEN_A opens credentials and versions only", on=Trial, kind="token a", versions=SINCE_22)
def token_a(trial: Trial) -> Iterator[Fault]:
    """With --token-a: a GET of the first list."""
    yield from _unauthorized(trial)


@rule("2a", "The token is read as the version demands", on=Trial, kind="encoding", versions=ALL)
def encoding(trial: Trial) -> Iterator[Fault]:
    """A GET of the version's details with the token in Base64 (2.1.1: as it stands)."""
    if not trial.exchange.succeeded:
        demanded = "as it stands" if trial.version in ONLY_211 else "in Base64"
        yield Fault(f"a token {demanded} is not accepted", found=trial.exchange.told)


@rule("2b", "The token is read the other way as well", on=Trial, kind="other encoding", severity=Severity.NOTE)
def other_encoding(trial: Trial) -> Iterator[Fault]:
    """A GET of the version's details with the token as the version does not demand it: many peers do it wrong."""
    if not trial.exchange.succeeded:
        other = "in Base64" if trial.version in ONLY_211 else "as it stands"
        yield Fault(f"a token {other} is not accepted", found=trial.exchange.told)


@rule("6", "Header names are case-insensitive", on=Trial, kind="header case")
def header_case(trial: Trial) -> Iterator[Fault]:
    """A GET of the version's details with AUTHORIZATION and x-request-id."""
    if not trial.exchange.succeeded:
        yield Fault("other spellings of header names are not accepted", found=trial.exchange.told)
    sent = next(value for name, value in trial.exchange.sent.items() if name == "x-request-id")
    if trial.version in SINCE_22 and trial.exchange.headers.get("X-Request-ID", sent) != sent:
        yield Fault("x-request-id is not read", "X-Request-ID")
