"""What is known about one partner: its configuration, and what the store says happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from attrs import define, frozen

from bridge.config import BridgeConfig, PartnerConfig
from bridge.model import json as model_json
from bridge.model.ids import evse_key
from bridge.model.location import Location
from bridge.ocpi.credentials import PartnerCredentials
from bridge.roaming.agreements import Agreement, Book
from bridge.roaming.deadlines import Late, late
from bridge.roaming.storage import CdrRow
from bridge.store import outbox
from bridge.store.sqlite import SqliteStore


class PartnerKind(StrEnum):
    """What kind of partner it is, as far as joining it goes."""

    PEER = "OCPI peer"
    HUB = "OCPI hub"
    HUBJECT = "Hubject"
    HOUSE = "clearing house"

    @classmethod
    def of(cls, partner: PartnerConfig) -> PartnerKind:
        """The kind of a configured partner."""
        if partner.protocol.startswith("oicp"):
            return cls.HUBJECT
        if partner.protocol.startswith("ochp"):
            return cls.HOUSE
        return cls.HUB if partner.role == "hub" else cls.PEER


@frozen
class Published:
    """How many objects of a kind are kept for a partner, and how many of them it has taken or was told."""

    all: int
    had: int


@define(eq=False, slots=False)
class Facts:
    """Looked up when asked for. ``store`` is open, or None where there is none yet."""

    name: str
    config: BridgeConfig
    book: Book
    store: SqliteStore | None
    now: datetime

    @property
    def partner(self) -> PartnerConfig:
        """The partner's configuration."""
        return self.config.partners[self.name]

    @property
    def kind(self) -> PartnerKind:
        """What kind of partner it is."""
        return PartnerKind.of(self.partner)

    @cached_property
    def agreements(self) -> list[Agreement]:
        """Its agreements that are valid now."""
        return [one for one in self.book.of(self.name) if one.valid(self.now)]

    @property
    def kinds(self) -> frozenset[str]:
        """What it takes part in by any of them."""
        return frozenset(kind for one in self.agreements for kind in one.kinds)

    @cached_property
    def credentials(self) -> PartnerCredentials:
        """What its registration has left behind."""
        body = self.store.credential(self.name) if self.store is not None else None
        return PartnerCredentials() if body is None else PartnerCredentials.from_json(body)

    @cached_property
    def locations(self) -> list[Location]:
        """Our locations of the operators of its agreements."""
        if self.store is None:
            return []
        mine = {one.operator for one in self.agreements}
        return [model_json.from_json(Location, json.loads(thing.body))
                for thing in self.store.all_things("location") if thing.operator in mine]  # fmt: skip

    @cached_property
    def bodies(self) -> list[Any]:
        """Its locations as it gets them (JSON protocols)."""
        rows = self._rows("SELECT body FROM published WHERE partner = ? AND kind = 'location' AND removed = 0", self.name)
        return [json.loads(row["body"]) for row in rows]

    @cached_property
    def evse_keys(self) -> set[str]:
        """The EVSEs that it gets, by the key of each record (protocols that know EVSEs only)."""
        rows = self._rows("SELECT key FROM published WHERE partner = ? AND kind = 'location' AND removed = 0", self.name)
        return {evse_key(row["key"]) for row in rows}

    @cached_property
    def published(self) -> Mapping[str, Published]:
        """By kind, what is kept for it."""
        rows = self._rows("SELECT kind, COUNT(*) AS n, SUM(had) AS had FROM published WHERE partner = ? AND removed = 0 GROUP BY kind",
                          self.name)  # fmt: skip
        return {row["kind"]: Published(row["n"], row["had"]) for row in rows}

    @cached_property
    def jobs(self) -> Mapping[str, int]:
        """Its jobs in the outbox by state."""
        return {} if self.store is None else outbox.counts(self.store.db.read).get(self.name, {})

    @cached_property
    def cdrs(self) -> list[CdrRow]:
        """Its CDRs."""
        return [] if self.store is None else [one for one in self.store.cdrs() if one.partner == self.name]

    @cached_property
    def late(self) -> list[Late]:
        """Its CDRs whose deadline is near or has passed."""
        if self.store is None:
            return []
        return late([one for one in self.store.open_cdrs() if one.partner == self.name],
                    {self.name: self.partner.cdr_deadline_hours}, self.now)  # fmt: skip

    @cached_property
    def tokens(self) -> tuple[int, int]:
        """How many of its tokens are here, and how many of those are valid."""
        return (0, 0) if self.store is None else self.store.token_counts(self.name)

    def mark(self, name: str) -> str | None:
        """A mark of the store."""
        return None if self.store is None else self.store.mark(name)

    def tariff(self, ident: str, operator: str) -> bool:
        """Whether a tariff is among those of an operator of ours."""
        return self.store is not None and self.store.thing("tariff", ident, operator=operator) is not None

    @cached_property
    def said(self) -> frozenset[str]:
        """What it has answered when it was asked about cards, in its own protocol's words for Allowed."""
        rows = self._rows("SELECT DISTINCT json_extract(r.value, '$.said') AS said FROM decision, json_each(routes) AS r"
                          " WHERE json_extract(r.value, '$.partner') = ?", self.name)  # fmt: skip
        return frozenset(row["said"] for row in rows if row["said"])

    def _rows(self, query: str, *values: object) -> list[Any]:
        return [] if self.store is None else self.store.db.read.execute(query, values).fetchall()
