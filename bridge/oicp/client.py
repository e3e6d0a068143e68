"""Calls of an operator (CPO) on Hubject, OICP 2.3: one method per operation, every one an HTTP POST of JSON.

Business failures come as HTTP 200 with ``Result: false`` and are given back. HTTP 400, 401 and 404 are a definite no
(:class:`~bridge.errors.Declined`); 403 is Hubject's firewall and, like 429, 5xx and nonsense, promises nothing
(:class:`~bridge.errors.Unreachable`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from attrs import frozen

from bridge.codec.lenient import Unreadable, reader
from bridge.codec.wire import Wire
from bridge.errors import Declined, Unreachable
from bridge.oicp import wire as w
from bridge.oicp.config import OicpConfig
from bridge.translate.files import encode
from bridge.transport.http import Answer, HttpClient

T = TypeVar("T")


class StatusCode(Wire, kw_only=True):
    """StatusCodeType as it comes: codes that the specification does not list are seen, too."""

    Code: str
    Description: str | None = None
    AdditionalInfo: str | None = None


class Acknowledgement(Wire, kw_only=True):
    """eRoamingAcknowledgement as it comes."""

    Result: bool
    StatusCode: StatusCode
    SessionID: str | None = None
    CPOPartnerSessionID: str | None = None
    EMPPartnerSessionID: str | None = None


class Authorization(Wire, kw_only=True):
    """eRoamingAuthorizationStart and eRoamingAuthorizationStop as they come."""

    AuthorizationStatus: w.AuthorizationStatus
    StatusCode: StatusCode
    SessionID: str | None = None
    ProviderID: str | None = None
    CPOPartnerSessionID: str | None = None
    EMPPartnerSessionID: str | None = None
    AuthorizationStopIdentifications: Any = None


_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
_acknowledgement = reader(Acknowledgement)
_authorization = reader(Authorization)


@frozen
class Reply(Generic[T]):
    """An answer of Hubject. ``process_id`` is the GUID by which Hubject's support finds the request."""

    value: T
    process_id: str | None = None


class OicpClient:
    """Hubject's services for an operator. Pushes of one operation go one after the other (OICP 2.3, best practice)."""

    def __init__(self, config: OicpConfig) -> None:
        self.config = config
        self._http = HttpClient(config.url, headers=_HEADERS, timeout=config.timeout, tls=config.tls,
                                connections=max(16, config.in_flight * 2))  # fmt: skip
        self._operator = quote(config.operator_id, safe="*+")
        self._one_at_a_time: dict[str, asyncio.Lock] = {}

    async def open(self) -> None:
        """Get the connections ready."""
        await self._http.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    # --- pushes

    async def push_evse_data(self, action: w.ActionType, records: Iterable[bytes]) -> Reply[Acknowledgement]:
        """eRoamingPushEvseData 2.3: EvseDataRecords. An empty fullLoad deletes every EVSE: callers must not send one."""
        return await self._push(f"/evsepush/v23/operators/{self._operator}/data-records",
                                self._message(action, "OperatorEvseData", "EvseDataRecord", records))  # fmt: skip

    async def push_evse_status(self, action: w.ActionType, records: Iterable[bytes]) -> Reply[Acknowledgement]:
        """eRoamingPushEvseStatus 2.1: EvseStatusRecords."""
        return await self._push(f"/evsepush/v21/operators/{self._operator}/status-records",
                                self._message(action, "OperatorEvseStatus", "EvseStatusRecord", records))  # fmt: skip

    async def push_pricing_product_data(self, action: w.ActionType, data: bytes) -> Reply[Acknowledgement]:
        """eRoamingPushPricingProductData 1.0: one PricingProductData (an operator's products for one provider, or all)."""
        body = b'{"ActionType":' + encode(action) + b',"PricingProductData":' + data + b"}"
        return await self._push(f"/dynamicpricing/v10/operators/{self._operator}/pricing-products", body)

    async def push_evse_pricing(self, action: w.ActionType, records: Iterable[bytes]) -> Reply[Acknowledgement]:
        """eRoamingPushEVSEPricing 1.0: EVSEPricings (which products are valid at an EVSE for which provider)."""
        body = b'{"ActionType":' + encode(action) + b',"EVSEPricing":[' + b",".join(records) + b"]}"
        return await self._push(f"/dynamicpricing/v10/operators/{self._operator}/evse-pricing", body)

    # --- authorisation

    async def authorize_start(self, request: w.AuthorizeStart) -> Reply[Authorization]:
        """eRoamingAuthorizeStart 2.1."""
        answer = await self._post(f"/charging/v21/operators/{self._operator}/authorize/start", encode(request),
                                  within=self.config.authorise_timeout)  # fmt: skip
        return _read(answer, _authorization)

    async def authorize_stop(self, request: w.AuthorizeStop) -> Reply[Authorization]:
        """eRoamingAuthorizeStop 2.1."""
        answer = await self._post(f"/charging/v21/operators/{self._operator}/authorize/stop", encode(request),
                                  within=self.config.authorise_timeout)  # fmt: skip
        return _read(answer, _authorization)

    # --- sessions

    async def charge_detail_record(self, record: bytes) -> Reply[Acknowledgement]:
        """eRoamingChargeDetailRecord 2.2. One per SessionID, for good: Hubject knows no correction."""
        return _read(await self._post(f"/cdrmgmt/v22/operators/{self._operator}/charge-detail-record", record), _acknowledgement)

    async def charging_notifications(self, notification: bytes) -> Reply[Acknowledgement]:
        """eRoamingChargingNotifications 1.1: Start, Progress, End or Error."""
        return _read(await self._post("/notificationmgmt/v11/charging-notifications", notification), _acknowledgement)

    # --- below

    def _message(self, action: w.ActionType, outer: str, inner: str, records: Iterable[bytes]) -> bytes:
        head = encode({"OperatorID": self.config.operator_id, "OperatorName": self.config.operator_name})[:-1]
        listed = b",".join(records)
        return b'{"ActionType":%b,"%b":%b,"%b":[%b]}}' % (encode(action), outer.encode(), head, inner.encode(), listed)

    async def _push(self, path: str, body: bytes) -> Reply[Acknowledgement]:
        lock = self._one_at_a_time.setdefault(path, asyncio.Lock())
        async with lock:
            return _read(await self._post(path, body), _acknowledgement)

    async def _post(self, path: str, body: bytes, within: float | None = None) -> Answer:
        answer = await self._http.request("POST", path, body=body, headers=_HEADERS, seconds=within)
        if answer.status == 200:
            return answer
        if answer.status in (400, 401, 404):
            because, code = _fault(answer)
            raise Declined(_with_process(because, answer.headers.get("Process-ID")), code)
        if answer.status == 403:
            raise Unreachable("HTTP 403: Hubject's firewall (is our address on its list?)")
        raise Unreachable(f"HTTP {answer.status}")


def _read(answer: Answer, read: Any) -> Reply[Any]:
    process = answer.headers.get("Process-ID")
    try:
        return Reply(read(answer.body).value, process)
    except Unreadable as why:
        raise Unreachable(_with_process(f"an answer that cannot be read: {why}", process), sent=True) from why


def _fault(answer: Answer) -> tuple[str, str]:
    """Why HTTP 400, 401 or 404 was answered, and the code: OICP's if it is told, else ``HTTP 400``."""
    code = f"HTTP {answer.status}"
    try:
        data = json.loads(answer.body)
    except ValueError:
        return code, code
    if not isinstance(data, dict):
        return code, code
    status = data.get("StatusCode")
    if isinstance(status, dict) and status.get("Code"):
        code = str(status["Code"])
        told = status.get("AdditionalInfo") or status.get("Description") or data.get("message")
        return f"{code} {told or ''}".strip(), code
    faults = [f"{e.get('fieldReference')}: {e.get('errorMessage')}" for e in _objects(data.get("validationErrors"))]
    return "; ".join([str(data.get("message") or code), *faults[:5]]), code


def _objects(value: Any) -> Sequence[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _with_process(because: str, process: str | None) -> str:
    return f"{because} (Process-ID {process})" if process else because


def told(status: StatusCode, process_id: str | None = None) -> str:
    """A status code as one line for the record: code, description, further information, Process-ID."""
    texts = dict.fromkeys(t for t in (status.Description, status.AdditionalInfo) if t)
    return _with_process(": ".join([status.Code, *texts]), process_id)
