"""What the simulated CPO knows: its places and tariffs, who charges, the tokens that it was given, and the commands that it was sent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any, ClassVar

from attrs import asdict, define, field

from bridge.simulate import cpo_objects
from bridge.simulate.cpo_charge import Charge
from bridge.simulate.ocpi_party import Party, Reject, bump, part, stamp


@define
class Reservation:
    """A reservation: which EVSE (or any of the location), until when, and the session that it has, where the version has such."""

    id: str
    location_id: str
    evse_uid: str | None
    uid: str
    until: datetime
    response_url: str
    session: str | None = None


@define
class CommandTaken:
    """A command: what it said, the answer at once, and the result that was told."""

    kind: str
    body: dict[str, Any]
    response: str
    result: str | None = None
    told: bool = False
    """Whether the partner took the result."""


@define
class Behaviour:
    """How commands of a kind are answered from now on, instead of as they deserve. ``silent``: no result follows."""

    response: str | None = None
    result: str | None = None
    delay: float = 0.0
    silent: bool = False


@define(eq=False)
class Cpo(Party):
    """A strict CPO. ``places`` are Location objects, or how many to make, with so many ``evses`` each.

    ``push``: it tells what changes at once; else it only answers GETs. ``timeout`` is what it says for results of commands,
    in seconds. Tokens are pulled every ``token_pull_seconds``; 0: when it is told to.
    """

    role: ClassVar[str] = "CPO"
    side: ClassVar[str] = "cpo"

    party_id: str = "CPO"
    name: str = "Example Charge Points"
    places: int | Sequence[dict[str, Any]] = 1
    evses: int = 2
    push: bool = True
    timeout: int = 30
    token_pull_seconds: float = 0.0
    locations: dict[str, dict[str, Any]] = field(factory=dict, init=False)
    tariffs: dict[str, dict[str, Any]] = field(factory=dict, init=False)
    charges: dict[str, Charge] = field(factory=dict, init=False)
    cdrs: dict[str, dict[str, Any]] = field(factory=dict, init=False)
    references: dict[str, str] = field(factory=dict, init=False)
    """Where CDRs are at the partner (the Location header), by their ids."""
    unsent: list[str] = field(factory=list, init=False)
    """Ids of CDRs that the partner has not taken."""
    tokens: dict[tuple[str, str], dict[str, Any]] = field(factory=dict, init=False)
    commands: list[CommandTaken] = field(factory=list, init=False)
    behaviour: dict[str, Behaviour] = field(factory=dict, init=False)
    reservations: dict[str, Reservation] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.places, int):
            self.take_tariff(cpo_objects.tariff(self))
        made = (
            self.places if not isinstance(self.places, int) else [cpo_objects.location(self, n + 1, self.evses) for n in range(self.places)]
        )
        for place in made:
            self.take_location(place)

    # --- places and tariffs

    def take_location(self, place: dict[str, Any]) -> None:
        """Take a location into the books. Raises ValueError."""
        self.own("Location", place)
        key = place["id"].upper()
        uids = {e["uid"].upper() for e in place.get("evses") or ()}
        for other, held in self.locations.items():
            if other != key and uids & {e["uid"].upper() for e in held.get("evses") or ()}:
                raise ValueError(f"evses: a uid is in location {held['id']} already")
        self.locations[key] = place

    def take_tariff(self, tariff: dict[str, Any]) -> None:
        """Take a tariff into the books. Raises ValueError."""
        self.tariffs[self.own("Tariff", tariff)["id"].upper()] = tariff

    def location(self, ident: str) -> dict[str, Any]:
        """A location. Raises Reject with 2003."""
        held = self.locations.get(str(ident).upper())
        if held is None:
            raise Reject(2003, f"unknown location {ident}")
        return held

    def evse(self, location: dict[str, Any], uid: str) -> dict[str, Any]:
        """An EVSE of a location. Raises Reject with 2003."""
        evses: list[dict[str, Any]] = location.get("evses") or []
        i = part(evses, "uid", str(uid))
        if i is None:
            raise Reject(2003, f"unknown EVSE {uid}")
        return evses[i]

    def connector(self, evse: dict[str, Any], ident: str | None) -> dict[str, Any]:
        """A connector of an EVSE, its first without a name. Raises Reject with 2003."""
        connectors: list[dict[str, Any]] = evse["connectors"]
        i = 0 if ident is None else part(connectors, "id", str(ident))
        if i is None:
            raise Reject(2003, f"unknown connector {ident}")
        return connectors[i]

    def set_status(self, location: dict[str, Any], evse: dict[str, Any], status: str) -> dict[str, Any]:
        """Change the status of an EVSE; gives what has changed."""
        change = {"status": status, "last_updated": max(stamp(), evse["last_updated"])}
        self.own("EVSE", evse | change)
        evse.update(change)
        bump(evse, location)
        self.note()
        return change

    # --- who charges

    def charging(self, evse_uid: str) -> Charge | None:
        """Who charges at an EVSE."""
        running = (c for c in self.charges.values() if c.evse_uid.upper() == evse_uid.upper())
        return next((c for c in running if c.status == "ACTIVE"), None)

    def new_charge(self, place: dict[str, Any], where: tuple[str, str] | None, card: dict[str, Any], how: str, start: datetime,
                   reference: str | None) -> Charge:  # fmt: skip
        """A session at a connector (EVSE uid and id; None: not assigned yet), with location and tariff as they are now (mod_cdrs)."""
        uid, ident = where or ("#NA", "#NA")
        tariff = None
        if where is not None:
            plug = self.connector(self.evse(place, uid), ident)
            named = plug.get("tariff_id") if self.older else next(iter(plug.get("tariff_ids") or ()), None)
            tariff = self.tariffs.get(named.upper()) if named is not None else None
        return Charge(str(uuid.uuid4()), card, how, deepcopy(place), uid, ident, start, reference, deepcopy(tariff))

    def charge(self, ident: str) -> Charge | None:
        """A session by its id."""
        return self.charges.get(str(ident).upper())

    def token_key(self, uid: str, kind: str = "RFID") -> tuple[str, str]:
        """By what a token is known: its uid and type; in 2.1.1 its uid."""
        return uid.upper(), "" if self.older else kind

    # --- books

    def sessions(self) -> list[dict[str, Any]]:
        """All sessions, oldest first."""
        return [cpo_objects.session(self, charge) for charge in self.charges.values()]

    def report(self) -> dict[str, Any]:
        """What GET /_sim/report shows."""
        return super().report() | {
            "tokens": len(self.tokens),
            "locations": list(self.locations.values()),
            "tariffs": list(self.tariffs.values()),
            "sessions": self.sessions(),
            "cdrs": [{"reference": self.references.get(key), "cdr": cdr} for key, cdr in self.cdrs.items()],
            "unsent": self.unsent,
            "commands": [asdict(command) for command in self.commands],
            "reservations": list(self.reservations),
        }
