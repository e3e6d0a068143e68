"""The clearing house's operations that a charge point operator calls (OCHP 1.4, role CMS): one method each.

Requests are whole (Content-Length); large answers are read as streams. Records go in as finished XML elements and come
out as lxml elements: what they say is the adapter's business.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen

from bridge.codec import soap, xml
from bridge.codec.lenient import Unreadable, fold
from bridge.codec.xml import local
from bridge.errors import ConfigError, Unreachable
from bridge.mapping.context import Settings
from bridge.model.ids import IdError, OperatorId
from bridge.ochp import codes
from bridge.ochp import wire as w
from bridge.transport import wssecurity
from bridge.transport.soap import SoapClient

SERVICE = "http://ochp.eu/1.4/"
LIVE = "http://ochp.e-clearing.net/service/"


def _positive(instance: Any, attribute: Any, value: Any) -> None:
    if value is not None and value <= 0:
        raise ConfigError(attribute.name, f"{value!r} is not greater than 0")


@frozen
class OchpConfig:
    """A clearing house as a partner. Times in seconds. Raises ConfigError naming the key."""

    name: str
    url: str
    """Of the main service: ``https://echs.e-clearing.net/service/ochp/v1.4``."""
    user: str
    password: str = field(repr=False)
    operator_id: str
    """The operator whose account it is (``DE*ABC``)."""
    settings: Settings = field(factory=Settings, repr=False)
    live_url: str = ""
    """Of the live status service; empty: the main one with ``/live/`` for ``/service/``."""
    timeout: float = field(default=30.0, validator=_positive)
    """For one request and its answer."""
    list_idle: float = field(default=120.0, validator=_positive)
    """The longest silence while a token list is made and sent."""
    list_most_bytes: int = field(default=1 << 30, validator=_positive)
    """A larger token list is refused while it is read."""
    status_ttl: float | None = field(default=None, validator=_positive)
    """Seconds for which a status holds that does not say so itself; None: no limit. The clearing house drops a status
    whose time has run out: it is told again before."""
    overlap: float = 600.0
    """By how much an update of the token list reaches back before the last one: for clocks that differ."""
    batch: int = field(default=500, validator=_positive)
    """The most charge points, statuses or tariffs in a request."""
    cdr_batch: int = field(default=100, validator=_positive)
    """The most CDRs in a request."""
    token_batch: int = field(default=1000, validator=_positive)
    """How many tokens are handed over at a time."""
    connections: int = field(default=4, validator=_positive)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        for key, url in (("url", self.url), ("live_url", self.live_url)):
            if not url.startswith(("https://", "http://")) and (url or key == "url"):
                raise ConfigError(key, f"{url!r} is no http(s) address")
        if not self.live_url and "/service/" not in self.url:
            raise ConfigError("live_url", "cannot be told from url, which has no /service/ in it")
        if not self.user or not soap.is_legal(self.user + self.password):
            raise ConfigError("user", "a user name and a password of characters that XML can hold are needed")
        try:
            OperatorId.parse(self.operator_id)
        except IdError as why:
            raise ConfigError("operator_id", str(why)) from why

    @property
    def live_address(self) -> str:
        """Where live status goes."""
        return self.live_url or self.url.replace("/service/", "/live/", 1)


@frozen
class Reply:
    """An answer: result code, description, and the elements beside the result."""

    code: w.ResultCode
    text: str
    items: tuple[Any, ...] = ()

    def named(self, *names: str) -> list[Any]:
        """The elements of these names."""
        wanted = {fold(name) for name in names}
        return [item for item in self.items if fold(local(item)) in wanted]


class OchpClient:
    """Calls a clearing house. Every method raises Unreachable or Declined; a result code is the caller's to judge."""

    def __init__(self, config: OchpConfig) -> None:
        self.config = config
        self._header = wssecurity.header(config.user, config.password)
        self._http = SoapClient(config.url, timeout=config.timeout, tls=config.tls, connections=config.connections)

    async def open(self) -> None:
        """Make the session, in the running event loop."""
        await self._http.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    # --- charge points, tariffs, live status

    async def set_charge_point_list(self, records: Iterable[bytes]) -> Reply:
        """SetChargepointList: replaces **all** charge points of the account. ``chargePointInfoArray`` elements."""
        # The operation's p is small and the element's is not (the WSDL, against the text).
        return await self._upload("SetChargePointList", records, SERVICE + "SetChargepointList", long=True)

    async def update_charge_point_list(self, records: Iterable[bytes]) -> Reply:
        """UpdateChargePointList: adds and replaces ``chargePointInfoArray`` elements."""
        return await self._upload("UpdateChargePointList", records)

    async def update_tariffs(self, records: Iterable[bytes]) -> Reply:
        """UpdateTariffs: adds and replaces ``TariffInfoArray`` elements; there is no way to delete one."""
        return await self._upload("UpdateTariffs", records)

    async def update_status(self, evses: Iterable[bytes], parking: Iterable[bytes] = (), ttl: datetime | None = None) -> Reply:
        """UpdateStatus on the live service: ``evse`` and ``parking`` elements, and until when those hold that do not say."""
        end = () if ttl is None else (f"<ttl><DateTime>{utc(ttl)}</DateTime></ttl>".encode(),)
        return await self._upload("UpdateStatus", (*evses, *parking, *end), LIVE + "UpdateStatus", url=self.config.live_address)

    # --- charge detail records

    async def add_cdrs(self, records: Iterable[bytes]) -> Reply:
        """AddCDRs: ``cdrInfoArray`` elements; the answer names the implausible ones."""
        return await self._upload("AddCDRs", records)

    async def check_cdrs(self, status: w.CdrStatus | None = None) -> AsyncIterator[w.CDRInfo]:
        """CheckCDRs: our CDRs that stand at ``status`` (declined if not given). Raises Unreachable, also for a bad record."""
        inner = f"<cdrStatus><CdrStatusType>{status.value}</CdrStatusType></cdrStatus>".encode() if status else b""
        async for element in self._list("CheckCDRs", ("cdrInfoArray",), inner):
            try:
                yield xml.read(w.CDRInfo, element).value
            except Unreadable as why:
                raise Unreachable(f"a CDR that cannot be read: {why}") from why

    # --- tokens

    async def authorisations(self, since: datetime | None = None) -> AsyncIterator[Any]:
        """GetRoamingAuthorisationList, or (with ``since``) GetRoamingAuthorisationListUpdates: elements, one by one.

        An element is valid until the next is asked for. The list is whole only if it ended without an error. The code
        ``roaming`` ("partners have no data") is an update without records, but no list: nobody's tokens vanish by it.
        """
        if since is None:
            found = self._list("GetRoamingAuthorisationList", _TOKENS)
        else:
            inner = f"<lastUpdate><DateTime>{utc(since)}</DateTime></lastUpdate>".encode()
            found = self._list("GetRoamingAuthorisationListUpdates", _TOKENS, inner, nothing=w.ResultCode.ROAMING)
        async for element in found:
            yield element

    async def single_authorisation(self, token: w.EmtId) -> Reply:
        """GetSingleRoamingAuthorisation: one token as the clearing house's list has it."""
        return await self._upload("GetSingleRoamingAuthorisation", (xml.writer(w.EmtId)(token, "emtId").encode(),))

    # --- how

    def _envelope(self, operation: str, records: Iterable[bytes]) -> bytes:
        return soap.envelope(soap.element(f"{operation}Request", w.NAMESPACE, records), self._header)

    async def _upload(self, operation: str, records: Iterable[bytes], action: str = "", *, url: str = "",
                      long: bool = False) -> Reply:  # fmt: skip
        message = await self._http.call(url or self.config.url, action or SERVICE + operation,
                                        self._envelope(operation, records),
                                        total=max(self.config.timeout, self.config.list_idle) if long else None)  # fmt: skip
        if fold(message.name) != fold(f"{operation}Response"):
            raise Unreachable(f"the answer to {operation} is {message.name or 'empty'}", sent=True)
        results = [child for child in message.body if local(child) == "result"]
        if len(results) != 1:
            raise Unreachable(f"the answer to {operation} has {len(results)} results", sent=True)
        code, text = result(results[0])
        return Reply(code, text, tuple(child for child in message.body if child is not results[0]))

    async def _list(self, operation: str, tags: Sequence[str], inner: bytes = b"",
                    nothing: w.ResultCode | None = None) -> AsyncIterator[Any]:  # fmt: skip
        judged = False
        async for name, element in self._http.elements(
            self.config.url, SERVICE + operation, self._envelope(operation, (inner,)), frozenset((*tags, "result")),
            idle=self.config.list_idle, most=self.config.list_most_bytes,
        ):  # fmt: skip
            if name != "result":
                if not judged:
                    raise Unreachable(f"the answer to {operation} has records before its result")
                yield element
                continue
            code, text = result(element)
            if code is w.ResultCode.PARTLY:
                raise Unreachable(f"the list is not whole: {codes.said(code, text)}")
            if code is not nothing and (error := codes.as_error(code, text)) is not None:
                raise error
            judged = True
        if not judged:
            raise Unreachable(f"the answer to {operation} has no result")


# The update's answer alone spells its list without Array; the text says with. Both are read.
_TOKENS = ("roamingAuthorisationInfoArray", "roamingAuthorisationInfo")


def result(element: Any) -> tuple[w.ResultCode, str]:
    """Code (nested twice in OCHP) and description (which may be nil). Raises Unreachable for a code that is none."""
    code, text = None, ""
    for child in element.iter():
        name = local(child)
        if name == "resultCode" and not len(child):
            code = (child.text or "").strip()
        elif name == "resultDescription":
            text = (child.text or "").strip()
    try:
        return w.ResultCode(code or ""), text
    except ValueError:
        raise Unreachable(f"{code!r} is no result code", sent=True) from None


def utc(moment: datetime) -> str:
    """DateTimeType: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
