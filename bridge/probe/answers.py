"""Rules about every answer: the envelope, its status code and time, the headers that come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from bridge.ocpi.envelope import moment_of
from bridge.ocpi.version import BY_NUMBER
from bridge.probe.fields import LONGEST_TIME, is_moment
from bridge.probe.look import Answer
from bridge.probe.rules import SINCE_22, Fault, Severity, Untold, rule

_CLOCK = timedelta(minutes=5)


@rule("8a", "An answer is an object with the envelope's fields", on=Answer)
def envelope(answer: Answer) -> Iterator[Fault]:
    """Every answer of HTTP 2xx is a JSON object with status_code."""
    exchange = answer.exchange
    if not 200 <= exchange.status < 300:
        return
    if exchange.read[1] is not None:
        yield Fault("the body is no JSON")
    elif not isinstance(exchange.json, dict):
        yield Fault("the body is no JSON object")
    elif exchange.json.get("status_code") is None:
        yield Fault("it is missing", "status_code")


@rule("8b", "An HTTP error comes in an envelope, too", on=Answer, severity=Severity.WARNING)
def enveloped_error(answer: Answer) -> Iterator[Fault]:
    """Every answer of HTTP 4xx and 5xx is a JSON object with status_code."""
    if answer.exchange.status >= 400 and "status_code" not in answer.exchange.envelope:
        yield Fault(f"HTTP {answer.exchange.status} without an envelope")


@rule("8c", "status_code is a whole number", on=Answer)
def code(answer: Answer) -> Iterator[Fault]:
    """Every envelope."""
    found = answer.exchange.envelope.get("status_code")
    if found is not None and answer.exchange.code is None:
        yield Fault("a whole number expected", "status_code", str(found)[:20])


@rule("8d", "timestamp is there, a DateTime", on=Answer)
def timestamp(answer: Answer) -> Iterator[Fault]:
    """Every envelope."""
    if answer.exchange.envelope.get("status_code") is None:
        return
    found = answer.exchange.envelope.get("timestamp")
    if found is None:
        yield Fault("it is missing", "timestamp")
    elif not isinstance(found, str) or not is_moment(found):
        yield Fault("it is no DateTime (UTC, with Z or without a zone)", "timestamp", str(found)[:40])
    elif len(found) > LONGEST_TIME:
        yield Fault(f"a DateTime has at most {LONGEST_TIME} characters", "timestamp", found[:40])


@rule("8e", "status_message is a text, if it is there", on=Answer)
def message(answer: Answer) -> Iterator[Fault]:
    """Every envelope."""
    found = answer.exchange.envelope.get("status_message")
    if found is not None and not isinstance(found, str):
        yield Fault("a text expected", "status_message")


@rule("8f", "Answers are application/json", on=Answer)
def content_type(answer: Answer) -> Iterator[Fault]:
    """The header Content-Type of every answer that has a body."""
    if answer.exchange.body:
        found = answer.exchange.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if found != "application/json":
            severity = None if answer.exchange.status < 400 else Severity.WARNING
            yield Fault("application/json expected", "Content-Type", found[:60], severity)


@rule("8g", "The partner's clock agrees with ours", on=Answer, severity=Severity.NOTE)
def clock(answer: Answer) -> Iterator[Fault]:
    """timestamp of every envelope is within five minutes of now."""
    found = answer.exchange.envelope.get("timestamp")
    when = moment_of(found) if isinstance(found, str) else None
    if when is not None and abs(datetime.now(UTC) - when) > _CLOCK:
        yield Fault("it is more than five minutes from now", "timestamp", str(found)[:40])


@rule("9", "A success has data", on=Answer, severity=Severity.WARNING)
def data(answer: Answer) -> Iterator[Fault]:
    """Every GET that succeeds."""
    if answer.expects_data and answer.exchange.succeeded and answer.exchange.data is None:
        yield Fault("a success without data", "data")


@rule("11a", "No HTTP 5xx: errors are told by OCPI status codes", on=Answer)
def no_server_error(answer: Answer) -> Iterator[Fault]:
    """Every answer."""
    if answer.exchange.status >= 500:
        yield Fault(f"HTTP {answer.exchange.status}")


@rule("14", "status_code is one that the version knows", on=Answer)
def known_code(answer: Answer) -> Iterator[Fault]:
    """Every envelope. Codes x9xx are for custom modules; 4xxx for hubs, from 2.2 on."""
    found = answer.exchange.code
    if found is None or found in BY_NUMBER[answer.version].codes:
        return
    if 900 <= found % 1000 <= 999 and 1000 <= found < 4000:
        yield Fault("a custom code from a standard module", "status_code", str(found))
    else:
        yield Fault(f"{answer.version} has no such code", "status_code", str(found))


_ROUTING = ("OCPI-to-country-code", "OCPI-to-party-id", "OCPI-from-country-code", "OCPI-from-party-id")


@rule("79a", "Configuration modules are not routed", on=Answer, versions=SINCE_22)
def not_routed(answer: Answer) -> Iterator[Fault]:
    """Answers of versions, version details, credentials and hubclientinfo have no OCPI-to and OCPI-from headers."""
    if not answer.functional:
        for name in _ROUTING:
            if name in answer.exchange.headers:
                yield Fault("a routing header on a configuration module", name)


@rule("79b", "Answers swap the routing headers", on=Answer, versions=SINCE_22)
def swapped(answer: Answer) -> Iterator[Fault]:
    """Requests to functional modules name both parties (if --party gives ours); the answer names them the other way round."""
    exchange = answer.exchange
    if not answer.functional or exchange.status == 401:
        return
    if not all(_sent(exchange.sent, name) for name in _ROUTING):
        raise Untold("our party is not given (--party), or the partner's is not known")
    if not any(name in exchange.headers for name in _ROUTING):
        severity = Severity.NOTE if answer.parties == 1 else None
        yield Fault("the answer has no routing headers", "OCPI-to-party-id", severity=severity)
        return
    for name in _ROUTING:
        other = name.replace("-to-", "-FROM-").replace("-from-", "-to-").replace("-FROM-", "-from-")
        found = exchange.headers.get(name)
        if found is None:
            yield Fault("it is missing", name)
        elif found.upper() != str(_sent(exchange.sent, other)).upper():
            yield Fault(f"it is not what the request has in {other}", name)


@rule("83a", "X-Request-ID comes back", on=Answer, versions=SINCE_22)
def request_id(answer: Answer) -> Iterator[Fault]:
    """Every answer."""
    yield from _echo(answer, "X-Request-ID")


@rule("83b", "X-Correlation-ID comes back", on=Answer, versions=SINCE_22)
def correlation_id(answer: Answer) -> Iterator[Fault]:
    """Every answer."""
    yield from _echo(answer, "X-Correlation-ID")


def _echo(answer: Answer, name: str) -> Iterator[Fault]:
    found = answer.exchange.headers.get(name)
    if found is None:
        yield Fault("it is missing", name)
    elif found != _sent(answer.exchange.sent, name):
        yield Fault("it is another than the request's", name)


def _sent(sent: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in sent.items() if key.lower() == name.lower()), None)
