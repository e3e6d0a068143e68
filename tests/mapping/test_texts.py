"""Characters that a carrier cannot hold: left out of texts and told; an identifier with one is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import field, frozen

from bridge.errors import Refused
from bridge.mapping import NARROWED, Mapping, Settings, from_partner, row
from bridge.mapping.convert import Of
from bridge.model.ids import LocationId

BAD = re.compile("[\x00-\x1f]")


@frozen
class Line:
    text: str
    note: str | None = None
    extra: tuple[Any, ...] = ()


@frozen
class Thing:
    id: LocationId | None = None
    name: str | None = None
    tags: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()


@frozen
class WireLine:
    Text: str
    Note: str | None = None


@frozen
class Wire:
    Id: str | None = None
    Name: str | None = None
    Tags: tuple[str, ...] = ()
    Lines: tuple[WireLine, ...] = field(default=())


LINE = Mapping(Line, WireLine, (row("text", "Text"), row("note", "Note")))
THING = Mapping(Thing, Wire, (
    row("id", "Id", Of(LocationId)), row("name", "Name", or_else=from_partner("name")), row("tags", "Tags"),
    row("lines", "Lines", LINE, many=True)), unsaid=BAD)  # fmt: skip


def out(thing: Thing, mapping: Mapping = THING, **constants: str) -> tuple[Wire, list[tuple[str, str, str]]]:
    wire, losses = mapping.bind(Settings(constants)).to_wire(thing)
    return wire, [(loss.path, loss.kind, loss.value) for loss in losses]


def test_texts_lose_them_wherever_they_stand() -> None:
    given = Thing(LocationId("L1"), "Am\x00 Markt", ("a", "\x01", "b\x02"), (Line("x"), Line("y\x03z", "\x04")))
    wire, told = out(given)
    assert wire == Wire("L1", "Am Markt", ("a", "b"), (WireLine("x"), WireLine("yz")))
    assert told == [("name", NARROWED, "Am\x00 Markt"), ("tags[1]", NARROWED, "\x01"), ("tags[2]", NARROWED, "b\x02"),
                    ("lines[1].text", NARROWED, "y\x03z"), ("lines[1].note", NARROWED, "\x04")]  # fmt: skip


def test_what_is_clean_stays_as_it_is() -> None:
    given = Thing(LocationId("L1"), "Süd\u2028\x7f", ("a",), (Line("x"),))
    assert out(given) == (Wire("L1", "Süd\u2028\x7f", ("a",), (WireLine("x"),)), [])


def test_identifiers_are_never_changed() -> None:
    with pytest.raises(Refused) as why:
        out(Thing(LocationId("L\x001"), "a\x01"))
    assert (why.value.path, why.value.value) == ("id", "L\x001")


def test_neither_are_constants() -> None:
    with pytest.raises(Refused, match="cannot be left out"):
        out(Thing(LocationId("L1")), name="a\x00")


def test_a_mapping_made_of_another_cleans_as_well() -> None:
    for mapping in (THING.but(row("tags", "Tags")), THING.onto(Wire), THING.patched({"none": {}})):
        assert out(Thing(name="a\x00b"), mapping)[0] == Wire(None, "ab")
