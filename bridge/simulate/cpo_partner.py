"""What the simulated CPO calls at an eMSP: what it tells of itself, tokens, authorisation in real time, results of commands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from attrs import frozen

from bridge.simulate import cpo_objects
from bridge.simulate.cpo_charge import Charge, Period
from bridge.simulate.cpo_state import CommandTaken, Cpo
from bridge.simulate.ocpi_party import Reject
from bridge.simulate.ocpi_peer import Peer

PULLED = (("tokens", "SENDER"),)
PUSHED = (("locations", "RECEIVER"), ("tariffs", "RECEIVER"), ("sessions", "RECEIVER"), ("cdrs", "RECEIVER"))


@frozen
class Said:
    """What came of a question about a token: AllowedType, or UNKNOWN, or UNREACHABLE; and the AuthorizationInfo."""

    allowed: str
    info: dict[str, Any]


@frozen
class Reply:
    """An answer of the eMSP: whether it is a success; its headers have small letters."""

    status: int
    good: bool
    because: str
    data: Any
    headers: dict[str, str]


class Provider(Peer[Cpo]):
    """Calls to the eMSP. What it refuses is recorded as a rejection, what does not reach it as a warning."""

    whole: ClassVar[str] = "EMSP"

    def __init__(self, party: Cpo) -> None:
        super().__init__(party)
        self._tasks: set[asyncio.Task[None]] = set()

    def needed(self) -> tuple[tuple[str, str], ...]:
        """What an eMSP has to offer, besides credentials."""
        return (*PULLED, *PUSHED) if self.party.push else PULLED

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something while the answer goes out; what goes wrong is recorded."""
        task = asyncio.get_running_loop().create_task(self._recorded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recorded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Reject as why:
            self.party.warn(why.because)
        except Exception as why:  # noqa: BLE001
            self.party.reject(because=f"a fault of the stand-in: {type(why).__name__}: {why}")

    async def close(self) -> None:
        """End what goes on, close the connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().close()

    # --- what it tells

    async def tell(self, method: str, url: str, body: Any, **more: Any) -> bool | None:
        """Send something: whether it was taken; None: the eMSP was not reached."""
        reply = await self._told(method, url, body, **more)
        if reply is None:
            return None
        if not reply.good:
            self._refused(method, url, reply)
        return reply.good

    async def _told(self, method: str, url: str, body: Any, **more: Any) -> Reply | None:
        if not self.party.registered:
            return None
        try:
            status, envelope, headers = await self.call(method, url, body, **more)
        except Reject as why:
            self.party.warn(why.because)
            return None
        good = 200 <= status < 300 and 1000 <= envelope["status_code"] < 2000
        because = f"HTTP {status}, {envelope['status_code']} {envelope.get('status_message')}"
        return Reply(status, good, because, envelope.get("data"), {name.lower(): value for name, value in headers.items()})

    def _refused(self, method: str, url: str, reply: Reply) -> None:
        self.party.reject(method=method, path=url, answer=reply.status, because=reply.because)

    def mine(self, module: str, *path: str) -> str:
        """The URL of an object of ours at the eMSP."""
        return self.at(module, "RECEIVER", self.party.country_code, self.party.party_id, *path)

    async def patch(self, url: str, change: Any, whole: str, obj: Any, *, to: dict[str, Any] | None = None) -> None:
        """PATCH something; if that is refused and it is not there, PUT the whole (transport_and_format, PATCH)."""
        reply = await self._told("PATCH", url, change, to=to)
        if reply is None or reply.good:
            return
        there = await self._told("GET", whole, None, to=to)
        if there is None or there.status != 404:
            self._refused("PATCH", url, reply)
            return
        self.party.warn(f"PATCH {url}: {reply.because}; sent as a whole")
        await self.tell("PUT", whole, obj, to=to)

    async def location(self, place: dict[str, Any]) -> None:
        """PUT a location."""
        if self.party.push:
            await self.tell("PUT", self.mine("locations", place["id"]), place)

    async def evse(self, place: dict[str, Any], evse: dict[str, Any], change: dict[str, Any]) -> None:
        """PATCH an EVSE."""
        if self.party.push:
            await self.patch(self.mine("locations", place["id"], evse["uid"]), change, self.mine("locations", place["id"]), place)

    async def tariff(self, tariff: dict[str, Any]) -> None:
        """PUT a tariff."""
        if self.party.push:
            await self.tell("PUT", self.mine("tariffs", tariff["id"]), tariff)

    async def session(self, charge: Charge, changed: Sequence[str] = (), added: Period | None = None) -> None:
        """PUT a session, or PATCH what has ``changed``. 2.1.1 does not say that periods are added: it gets the whole."""
        cpo = self.party
        if not cpo.push:
            return
        whole, url, to = cpo_objects.session(cpo, charge), self.mine("sessions", charge.id), self.addressee(charge)
        if not changed or cpo.older:
            await self.tell("PUT", url, whole, to=to)
            return
        change = {name: whole[name] for name in (*changed, "last_updated")}
        if added is not None:
            change["charging_periods"] = cpo_objects.periods(cpo, charge, [added])
        await self.patch(url, change, url, whole, to=to)

    def addressee(self, charge: Charge) -> dict[str, Any] | None:
        """The party whose customer charges, if it is one of the eMSP's."""
        token = charge.card.get("cdr_token")
        return token if token is not None and self.party.speaks_for(token["country_code"], token["party_id"]) else None

    async def cdr(self, cdr: dict[str, Any]) -> None:
        """POST a CDR, and GET it where the answer says that it is."""
        cpo, key = self.party, cdr["id"].upper()
        if not cpo.push:
            return
        url = self.endpoint("cdrs", "RECEIVER")
        reply = await self._told("POST", url, cdr)
        if reply is None or not reply.good:
            if reply is not None:
                self._refused("POST", url, reply)
            return
        where = cpo.references[key] = reply.headers.get("location", "")
        if key in cpo.unsent:
            cpo.unsent.remove(key)
        if urlsplit(where).scheme not in ("http", "https"):
            cpo.reject(method="POST", path=url, answer=reply.status, because=f"Location: {where!r} is no URL")
            return
        held = await self._told("GET", where, None)
        if held is None or not held.good:
            if held is not None:
                self._refused("GET", where, held)
        elif self.judge("CDR", held.data, where) and held.data["id"].upper() != key:
            cpo.reject(method="GET", path=where, answer=held.status, because=f"id: {held.data['id']!r} is not {cdr['id']!r}")

    async def everything(self) -> dict[str, int]:
        """Tell all that there is: tariffs, locations, sessions that go on, CDRs that were not taken. Gives how many."""
        cpo = self.party
        running = [charge for charge in cpo.charges.values() if not charge.over]
        for tariff in cpo.tariffs.values():
            await self.tariff(tariff)
        for place in cpo.locations.values():
            await self.location(place)
        for charge in running:
            await self.session(charge)
        waiting = list(cpo.unsent)
        for key in waiting:
            await self.cdr(cpo.cdrs[key])
        return {"tariffs": len(cpo.tariffs), "locations": len(cpo.locations), "sessions": len(running), "cdrs": len(waiting)}

    # --- tokens

    async def pull_tokens(self, params: dict[str, str]) -> int:
        """GET the list of tokens, and take those that are in order into the books. Gives how many there were."""
        url, cpo = self.endpoint("tokens", "SENDER"), self.party
        found = await self.pull("tokens", params)
        for token in found:
            if cpo.faults("Token", token):
                continue  # recorded
            if not cpo.older and not cpo.speaks_for(token["country_code"], token["party_id"]):
                whose = f"{token['country_code']}*{token['party_id']}"
                cpo.reject(method="GET", path=url, answer=200, because=f"Token: {whose} is none of your roles")
                continue
            cpo.tokens[cpo.token_key(token["uid"], token["type"])] = token
        cpo.count("token_list")
        return len(found)

    async def keep_pulling(self) -> None:
        """Pull the tokens again and again."""
        while True:
            await self.party.wait(lambda: self.party.registered, 1e9)
            try:
                await self.pull_tokens({})
            except Reject as why:
                self.party.warn(why.because)
            await asyncio.sleep(self.party.token_pull_seconds)

    async def ask(self, uid: str, kind: str, place: dict[str, Any], evse: dict[str, Any]) -> Said:
        """Ask in real time whether a card may charge at an EVSE (mod_tokens, POST authorize). Raises Reject where the eMSP refuses."""
        cpo, url = self.party, self.at("tokens", "SENDER", uid, "authorize")
        asked = {"location_id": place["id"], "evse_uids": [evse["uid"]]}
        reply = await self._told("POST", url, asked, params={"type": kind})
        if reply is None:
            return Said("UNREACHABLE", {})
        if reply.status == 404:
            if not reply.because.startswith("HTTP 404, 2004 ") and not cpo.older:
                cpo.reject(method="POST", path=url, answer=404, because=f"{reply.because}: an unknown token is 2004")
            return Said("UNKNOWN", {})
        if not reply.good:
            self._refused("POST", url, reply)
            raise Reject(3001, reply.because)
        if not self.judge("AuthorizationInfo", reply.data, url, "POST"):
            raise Reject(3001, "no AuthorizationInfo")
        return self._judged(reply.data, uid, kind, asked, url)

    def _judged(self, info: dict[str, Any], uid: str, kind: str, asked: dict[str, Any], url: str) -> Said:
        """What the tables cannot say of an AuthorizationInfo: it is about this token and this place."""
        wrong = []
        if not self.party.older:
            token = info["token"]
            if (token["uid"].upper(), token["type"]) != (uid.upper(), kind):
                wrong.append("token: not the one that was asked about")
            if not self.party.speaks_for(token["country_code"], token["party_id"]):
                wrong.append(f"token: {token['country_code']}*{token['party_id']} is none of your roles")
        where = info.get("location")
        if where is not None:
            if where["location_id"].upper() != asked["location_id"].upper():
                wrong.append("location.location_id: not the one that was asked about")
            if not {u.upper() for u in where.get("evse_uids") or ()} <= {u.upper() for u in asked["evse_uids"]}:
                wrong.append("location.evse_uids: not among those that were asked about")
        for because in wrong:
            self.party.reject(method="POST", path=url, answer=200, because=f"AuthorizationInfo: {because}")
        if info["allowed"] == "ALLOWED" and where is None:
            return Said("NOT_ALLOWED", info)  # it may charge, but not here
        return Said(info["allowed"], info)

    # --- commands

    async def result(self, taken: CommandTaken, result: str) -> None:
        """POST the result of a command to its response_url."""
        taken.result = result
        sent = {"result": result}
        taken.told = bool(await self.tell("POST", taken.body["response_url"], sent))
        self.party.note()
