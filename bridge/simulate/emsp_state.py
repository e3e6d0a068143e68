"""What the simulated eMSP knows: its tokens, what it has received, and the commands that it sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from attrs import asdict, define, field

from bridge.simulate.ocpi_party import Party, stamp


@define
class CommandSent:
    """A command, or a request about a charging profile, that was sent: the answer at once, and the result that followed."""

    id: str
    kind: str
    response: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    session: str | None = None
    """What a charging profile is for."""


@define(eq=False)
class Emsp(Party):
    """A strict eMSP. ``tokens`` are Token objects, or how many to make; ``unlisted`` more are not listed."""

    role: ClassVar[str] = "EMSP"
    side: ClassVar[str] = "emsp"

    party_id: str = "EMS"
    name: str = "Example Mobility"
    tokens: int | Sequence[dict[str, Any]] = 100
    unlisted: int = 10
    whitelist: Sequence[str] = ("ALLOWED",)
    hub: bool = False
    """It is a hub: it tells operators of the parties behind it, and takes what is addressed to them."""
    known: dict[tuple[str, str], dict[str, Any]] = field(factory=dict, init=False)
    hidden: set[tuple[str, str]] = field(factory=set, init=False)
    answers: dict[tuple[str, str], str] = field(factory=dict, init=False)
    locations: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    tariffs: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    sessions: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    cdrs: dict[tuple[str, str, str], tuple[str, bytes, dict[str, Any]]] = field(factory=dict, init=False)
    commands: dict[str, CommandSent] = field(factory=dict, init=False)
    behind: dict[tuple[str, str, str], dict[str, Any]] = field(factory=dict, init=False)
    """As a hub: the parties behind it, as ClientInfo."""
    reached: dict[tuple[str, str], dict[str, Any]] = field(factory=dict, init=False)
    """ClientInfo that an operator told, as a hub."""
    addressed: list[tuple[str, str, str]] = field(factory=list, init=False)
    """As a hub: method, path and the party that each message was for."""
    plans: list[dict[str, Any]] = field(factory=list, init=False)
    """Charging profiles that operators told on their own: ``session_id`` and ``profile``."""
    references: dict[str, set[str]] = field(factory=dict, init=False)
    """Authorization references given, by token uid."""

    def __attrs_post_init__(self) -> None:
        made = self.tokens if not isinstance(self.tokens, int) else self._made(self.tokens + self.unlisted)
        for i, token in enumerate(made):
            key = self.add_token(token)
            if isinstance(self.tokens, int) and i >= self.tokens:
                self.hidden.add(key)

    def _made(self, count: int) -> Iterable[dict[str, Any]]:
        now = stamp()
        seed = sum(ord(c) << 8 * i for i, c in enumerate(self.party_id[:3]))
        for i in range(count):
            contract = {"auth_id" if self.older else "contract_id": f"{self.country_code}-{self.party_id}-C{i:08d}"}
            named = self.owner | {"uid": f"04{seed & 0xFFFFFF:06X}{i:06X}", "type": "RFID"} | contract
            rest = {"issuer": self.name, "valid": True, "whitelist": self.whitelist[i % len(self.whitelist)], "last_updated": now}
            yield named | rest

    # --- as a hub

    def arrives(self, method: str, path: str, country: str, party: str) -> None:
        """Its own messages, and as a hub those for the parties behind it that are there. Raises Reject with 4001."""
        told = [info for key, info in self.behind.items() if key[:2] == (country.upper(), party.upper())]
        if not (self.hub and any(info["status"] == "CONNECTED" for info in told)):
            super().arrives(method, path, country, party)
        if self.hub:
            self.addressed.append((method, path, f"{country}*{party}"))

    def credentials(self, token: str) -> dict[str, Any]:
        """Our Credentials object: hubs are told apart by their role, in 2.3.0 by ``hub_party_id``."""
        made = super().credentials(token)
        if self.hub and self.version == "2.3.0":
            made["hub_party_id"] = self.country_code + self.party_id
        elif self.hub and not self.older:
            made["roles"][0]["role"] = "HUB"
        return made

    # --- tokens

    def add_token(self, token: dict[str, Any]) -> tuple[str, str]:
        """Take a token into the books. Raises ValueError."""
        self.own("Token", token)
        key = (token["uid"].upper(), token["type"])
        self.known[key] = token
        return key

    def listed(self) -> list[dict[str, Any]]:
        """The tokens that operators may pull, oldest first."""
        return [token for key, token in self.known.items() if key not in self.hidden]

    def allowed(self, key: tuple[str, str]) -> str:
        """What a real-time request about a token is answered."""
        return self.answers.get(key) or ("ALLOWED" if self.known[key]["valid"] else "BLOCKED")

    def refer(self, uid: str) -> str:
        """A new authorization reference."""
        reference = str(uuid.uuid4())
        self.references.setdefault(uid.upper(), set()).add(reference)
        return reference

    # --- books

    def report(self) -> dict[str, Any]:
        """What GET /_sim/report shows."""
        return super().report() | {
            "tokens": len(self.known),
            "locations": list(self.locations.values()),
            "tariffs": list(self.tariffs.values()),
            "sessions": list(self.sessions.values()),
            "cdrs": [{"reference": url, "cdr": cdr} for url, _, cdr in self.cdrs.values()],
            "cdr_repeats": self.received["cdr_repeat"],
            "commands": [asdict(command) for command in self.commands.values()],
            "plans": self.plans,
            "clients": list(self.reached.values()),
        }
