"""One upstream operator as the core sees it: a CPO's own system that speaks OCPI, towards which we are the provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec
from attrs import evolve

from bridge.codec.lenient import Unreadable
from bridge.errors import Declined, Refused, Unreachable
from bridge.model.command import Command, CommandKind, CommandResult
from bridge.model.token import TokenKind
from bridge.ocpi import client_map, objects
from bridge.ocpi.asked import answer_at
from bridge.ocpi.connection import OcpiConnection
from bridge.ocpi.hub import HubSide
from bridge.ocpi.version import folded
from bridge.roaming.ports import Encoded, Job, Kind, Op
from bridge.roaming.upstream.ports import Listed, Receipt
from bridge.translate.files import encode

_MODULES = {Kind.LOCATION: "locations", Kind.TARIFF: "tariffs", Kind.SESSION: "sessions", Kind.CDR: "cdrs"}


class OcpiOperator(HubSide, OcpiConnection):
    """Implements Partner, Renegotiates (see :mod:`bridge.roaming.ports`), GivesObjects, TakesCommands (see
    :mod:`bridge.roaming.upstream.ports`), and what is in :class:`~bridge.ocpi.hub.HubSide`.

    What it calls on us is in :mod:`bridge.ocpi.receivers` and :mod:`bridge.ocpi.asked`.
    """

    kinds = frozenset({Kind.TOKEN, Kind.CLIENT})

    # --- what it gets

    def encode(self, kind: Kind, obj: Any) -> list[Encoded]:
        """A token, under our party, or ClientInfo. Raises Refused."""
        if kind is Kind.CLIENT:
            return [client_map.encoded(obj, self.version)]
        if kind is not Kind.TOKEN:
            raise Refused("", f"an upstream operator takes no {kind}")
        token = objects.ours(self, obj)
        wire, losses = self.entry(Kind.TOKEN.value)[1].to_wire(token)
        country, party = self.config.party
        meta = {"country_code": country, "party_id": party, "uid": str(wire.uid), "type": wire.type.value}
        return [Encoded(f"{wire.type.value}/{folded(wire.uid)}", encode(wire), tuple((str(wire.uid), loss) for loss in losses), meta)]

    async def _send(self, kind: Kind, job: Job) -> str | None:
        if kind is Kind.CLIENT:
            await self.client.put_client(job.meta["country_code"], job.meta["party_id"], job.body)
            return None
        if kind is not Kind.TOKEN or job.op is Op.DELETE:
            raise Declined(f"OCPI has no {job.op} of a {kind} at an operator")
        meta = job.meta
        await self.client.put_token(meta["country_code"], meta["party_id"], meta["uid"], meta["type"], job.body)
        return None

    # --- lists

    async def pull_objects(self, kind: Kind, since: datetime | None) -> AsyncIterator[Listed]:
        """All its objects of a kind or those that changed since, one part per page. Raises Unreachable or Declined
        (``no-endpoint``: it has no such list)."""
        async with aclosing(self.client.objects(_MODULES[kind], since)) as pages:
            async for page in pages:
                yield self._listed(kind, page.data)

    def _listed(self, kind: Kind, data: bytes) -> Listed:
        try:
            records = msgspec.json.decode(data, type=list[msgspec.Raw])
        except msgspec.MsgspecError as why:
            raise Unreachable(f"a page of {_MODULES[kind]} that is no list") from why
        read: list[Any] = []
        unread: list[str | None] = []
        for record in records:
            try:
                read.append(objects.whole(self, kind, bytes(record), self.registration.party).obj)
            except (Unreadable, Refused):
                unread.append(_id(record))
        return Listed(tuple(read), tuple(unread))

    # --- commands

    async def send_command(self, command: Command, reference: str) -> Receipt:
        """Send a command; what comes of it is told at our response_url. Raises Unreachable or Declined."""
        if command.kind.value not in self.version.commands:
            return Receipt(CommandResult.NOT_SUPPORTED)
        message, fields_of = _COMMANDS[command.kind]
        try:
            fields = fields_of(self, command)
        except Refused as why:
            raise Declined(str(why)) from why
        where = answer_at(self.config.our_url, self.version, command.kind, reference)
        answer = await self.client.command(command.kind.value, encode(self.version.make(message, response_url=where, **fields)))
        return Receipt(CommandResult(answer.result.value), getattr(answer, "timeout", None))

    def token_in(self, command: Command) -> Any:
        """The token of a command, which its provider has authorised. Raises Refused."""
        if command.token is None:
            raise Refused("token", "OCPI demands one")
        told = evolve(command.token, valid=True, kind=command.token.kind or TokenKind.APP_USER)
        return self.entry(Kind.TOKEN.value)[1].to_wire(objects.ours(self, told))[0]


# --- commands in OCPI's words: the message and its fields, but for response_url


def _place(command: Command) -> dict[str, Any]:
    if command.location_id is None:
        raise Refused("location_id", "OCPI demands it")
    return {"location_id": str(command.location_id), "evse_uid": None if command.evse_uid is None else str(command.evse_uid)}


def _connector(command: Command) -> str | None:
    return None if command.connector_id is None or command.evse_uid is None else str(command.connector_id)


def _start(to: OcpiOperator, command: Command) -> dict[str, Any]:
    return {"token": to.token_in(command), **_place(command), "connector_id": _connector(command),
            "authorization_reference": command.authorization_reference}  # fmt: skip


def _reserve(to: OcpiOperator, command: Command) -> dict[str, Any]:
    ident: str | int | None = command.reservation_id
    if ident is None or command.expires is None:
        raise Refused("reservation_id" if ident is None else "expires", "OCPI demands it")
    number = ident if to.version.roles else int(ident)
    return {"token": to.token_in(command), **_place(command), "expiry_date": command.expires, "reservation_id": number,
            "authorization_reference": command.authorization_reference}  # fmt: skip


def _stop(to: OcpiOperator, command: Command) -> dict[str, Any]:
    return {"session_id": str(command.session_id)}


def _cancel(to: OcpiOperator, command: Command) -> dict[str, Any]:
    return {"reservation_id": str(command.reservation_id)}


def _unlock(to: OcpiOperator, command: Command) -> dict[str, Any]:
    connector = _connector(command)
    if connector is None:
        raise Refused("connector_id", "OCPI demands it, with the EVSE")
    return {**_place(command), "connector_id": connector}


_COMMANDS: Mapping[CommandKind, tuple[str, Callable[[OcpiOperator, Command], dict[str, Any]]]] = {
    CommandKind.START_SESSION: ("StartSession", _start),
    CommandKind.STOP_SESSION: ("StopSession", _stop),
    CommandKind.RESERVE_NOW: ("ReserveNow", _reserve),
    CommandKind.CANCEL_RESERVATION: ("CancelReservation", _cancel),
    CommandKind.UNLOCK_CONNECTOR: ("UnlockConnector", _unlock),
}


# --- records that cannot be read


def _id(record: msgspec.Raw) -> str | None:
    """The id of a record that cannot be read, if it has one."""
    try:
        return msgspec.json.decode(record, type=_Named).id
    except msgspec.MsgspecError:
        return None


class _Named(msgspec.Struct):
    id: str | None = None
