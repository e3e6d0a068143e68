"""Rules about single requests: objects alone, unknown objects, methods, slashes; and, if they are allowed, writes."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.probe.fields import slips
from bridge.probe.look import Trial, text
from bridge.probe.rules import ONLY_230, SINCE_22, V211, Fault, Severity, Untold, rule
from bridge.probe.tables import table


@rule("a1", "Location, EVSE and connector can be had alone", on=Trial, kind="alone")
def alone(trial: Trial) -> Iterator[Fault]:
    """GET of some locations of the list, of an EVSE and of a connector each; unchanged, they are what the list gave."""
    if not trial.exchange.succeeded:
        yield Fault("it is not given", found=trial.exchange.told)
        return
    got, listed = trial.exchange.data, trial.told["listed"]
    if not isinstance(got, dict):
        yield Fault("an object expected", "data")
    elif got != listed and text(got, "last_updated") == text(listed, "last_updated"):
        names = sorted(name for name in got.keys() | listed.keys() if got.get(name) != listed.get(name))
        yield Fault("it differs from the list's, though last_updated is the same", "data." + (names[0][:60] if names else ""))


@rule("a2", "Methods that a module does not have are refused", on=Trial, kind="method", severity=Severity.WARNING)
def method(trial: Trial) -> Iterator[Fault]:
    """PATCH, without a body, of versions and of a list."""
    if trial.exchange.succeeded:
        yield Fault("a method that is not defined there succeeds", found=trial.exchange.told)
    elif trial.exchange.status != 405:
        yield Fault("another answer than HTTP 405", found=trial.exchange.told, severity=Severity.NOTE)


@rule("a3", "Credentials can be read", on=Trial, kind="credentials", severity=Severity.WARNING)
def credentials(trial: Trial) -> Iterator[Fault]:
    """GET of the credentials endpoint."""
    if not trial.exchange.succeeded:
        yield Fault("they are not given", found=trial.exchange.told)


@rule("12", "An unknown object is HTTP 404", on=Trial, kind="unknown object", severity=Severity.WARNING)
def unknown_object(trial: Trial) -> Iterator[Fault]:
    """GET of a location, EVSE and connector with made-up identifiers; with --party, of objects that we never sent."""
    if trial.exchange.status == 404:
        return
    if trial.exchange.status in (401, 403, 405, 429) or trial.exchange.status >= 500:
        raise Untold(f"HTTP {trial.exchange.status}")
    if trial.exchange.succeeded and trial.exchange.data:
        yield Fault("an object that cannot be there is given", "data", severity=Severity.VIOLATION)
    else:
        yield Fault("another answer than HTTP 404", found=trial.exchange.told)


@rule("85a", "Identifiers are found in any case", on=Trial, kind="other case", severity=Severity.WARNING, versions=SINCE_22)
def other_case(trial: Trial) -> Iterator[Fault]:
    """GET of a location of the list, its id in the other case (CiString)."""
    if not trial.exchange.succeeded:
        yield Fault("the same identifier in another case is not found", found=trial.exchange.told)


@rule("d5b", "A slash at the end of a URL does not matter", on=Trial, kind="slash", severity=Severity.NOTE)
def slash(trial: Trial) -> Iterator[Fault]:
    """GET of the version's details and of a list, with the slash at its end taken away, or with one more."""
    if 300 <= trial.exchange.status < 400:
        yield Fault("a redirect: a POST would lose its body", found=trial.exchange.told)
    elif not trial.exchange.succeeded:
        yield Fault("it is not the same", found=trial.exchange.told)


# --- with --write


@rule("10", "Invalid JSON is HTTP 400", on=Trial, kind="invalid json")
def invalid_json(trial: Trial) -> Iterator[Fault]:
    """With --write: POST of half an object to a command or to a token's authorize."""
    if trial.exchange.status in (401, 403, 404, 429):
        raise Untold(f"HTTP {trial.exchange.status}")
    if trial.exchange.status != 400:
        yield Fault("another answer than HTTP 400", found=trial.exchange.told)


@rule("11c", "Missing fields are OCPI 2xxx with HTTP 200", on=Trial, kind="missing fields")
def missing_fields(trial: Trial) -> Iterator[Fault]:
    """With --write: POST of an empty object as STOP_SESSION."""
    if trial.exchange.status in (401, 403, 404, 429):
        raise Untold(f"HTTP {trial.exchange.status}")
    if trial.exchange.succeeded:
        yield Fault("an object without its mandatory fields is taken", found=trial.exchange.told)
    elif trial.exchange.status >= 400:
        yield Fault("an HTTP error", found=trial.exchange.told)
    elif trial.exchange.code is None or not 2000 <= trial.exchange.code < 3000:
        yield Fault("another code than 2xxx", "status_code", trial.exchange.told)


@rule("16a", "Fields that are not documented do no harm", on=Trial, kind="more fields", versions=ONLY_230)
def more_fields(trial: Trial) -> Iterator[Fault]:
    """With --write: POST of STOP_SESSION for an unknown session, once more with a field that 2.3.0 does not have."""
    plain = trial.plain
    if plain is None or plain.status >= 400:
        raise Untold("the command is not answered without that field either")
    if (trial.exchange.status, trial.exchange.code) != (plain.status, plain.code):
        yield Fault("another answer than without that field", found=f"{trial.exchange.told} instead of {plain.told}")


@rule("65a", "An unknown token is HTTP 404 with OCPI 2004", on=Trial, kind="authorize", versions=SINCE_22)
def authorize(trial: Trial) -> Iterator[Fault]:
    """With --write: POST authorize of a made-up uid."""
    if trial.exchange.status in (401, 403, 429):
        raise Untold(f"HTTP {trial.exchange.status}")
    if trial.exchange.status != 404:
        yield Fault("another status than HTTP 404", found=trial.exchange.told)
    if trial.exchange.code != 2004:
        yield Fault("another code than 2004", "status_code", trial.exchange.told)
    if trial.exchange.data is not None:
        yield Fault("data, where there is none", "data")


@rule("65b", "An unknown token is not allowed to charge", on=Trial, kind="authorize")
def not_allowed(trial: Trial) -> Iterator[Fault]:
    """With --write: POST authorize of a made-up uid."""
    if trial.exchange.succeeded and text(trial.exchange.data, "allowed") == "ALLOWED":
        yield Fault("a made-up token is ALLOWED", "data.allowed")


@rule("68a", "A command is answered with a CommandResponse", on=Trial, kind="command")
def command(trial: Trial) -> Iterator[Fault]:
    """With --write: POST of STOP_SESSION for an unknown session."""
    if not trial.exchange.succeeded:
        raise Untold(f"the command is refused ({trial.exchange.told})")
    for slip in slips(table(trial.version, "CommandResponse"), trial.exchange.data, trial.version):
        yield Fault(slip.because, f"data.{slip.path}".rstrip("."), slip.found)


@rule("68b", "An unknown session cannot be stopped", on=Trial, kind="command", severity=Severity.WARNING)
def unknown_session(trial: Trial) -> Iterator[Fault]:
    """With --write: POST of STOP_SESSION for an unknown session."""
    if text(trial.exchange.data, "result") == "ACCEPTED":
        severity = Severity.NOTE if trial.version == V211 else None
        yield Fault("a session that cannot be there is ACCEPTED", "data.result", severity=severity)
