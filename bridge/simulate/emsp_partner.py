"""What the simulated eMSP calls at an operator: commands, tokens. Answers are checked as strictly as requests."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from bridge.simulate.emsp_state import CommandSent, Emsp
from bridge.simulate.ocpi_party import Reject, stamp
from bridge.simulate.ocpi_peer import Peer

NEEDED = (("locations", "SENDER"), ("cdrs", "SENDER"), ("tokens", "RECEIVER"), ("commands", "RECEIVER"))


class Operator(Peer[Emsp]):
    """Calls to the operator."""

    whole: ClassVar[str] = "CPO"

    def needed(self) -> tuple[tuple[str, str], ...]:
        """What an operator has to offer, besides credentials."""
        return NEEDED

    # --- commands

    async def command(self, kind: str, body: dict[str, Any]) -> CommandSent:
        """Send a command; the result comes later."""
        sent = CommandSent(str(uuid.uuid4()), kind)
        self.party.commands[sent.id] = sent
        body = {"response_url": f"{self.party.url}{self.party.path}/commands/{sent.id}"} | body
        url = self.at("commands", "RECEIVER", kind)
        response = await self.data("POST", url, {n: v for n, v in body.items() if v is not None})
        self.judge("CommandResponse", response, url, "POST")
        sent.response = response
        self.party.note()
        return sent

    async def finished(self, made: Any, seconds: float) -> Any:
        """The answer to a command, with its result."""
        sent = self.party.commands.get(made.get("id"))
        if sent is None:
            return made
        await self.party.wait(lambda: sent.result is not None, seconds)
        return made | {"result": sent.result}

    def token_for(self, uid: str, kind: str = "RFID") -> dict[str, Any]:
        """A token of ours by its uid. Raises Reject."""
        token = self.party.known.get((uid.upper(), kind))
        if token is None:
            raise Reject(2004, "unknown token", 404)
        return token

    # --- tokens

    async def put_token(self, token: dict[str, Any]) -> int:
        """PUT a token of ours at the operator. Gives the HTTP status."""
        return await self._token("PUT", token, token)

    async def patch_token(self, uid: str, kind: str, change: dict[str, Any]) -> int:
        """PATCH a token of ours at the operator. Gives the HTTP status."""
        token = self.token_for(uid, kind)
        change = {"last_updated": stamp()} | change
        token.update(change)
        return await self._token("PATCH", token, change)

    async def _token(self, method: str, token: dict[str, Any], body: dict[str, Any]) -> int:
        url = self.at("tokens", "RECEIVER", self.party.country_code, self.party.party_id, token["uid"])
        status, envelope, _ = await self.call(method, url, body, params=None if self.party.older else {"type": token["type"]})
        if envelope["status_code"] != 1000:
            self.party.reject(method=method, path=url, answer=status, because=str(envelope.get("status_message")))
        return status
