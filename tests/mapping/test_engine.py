"""The mapping engine on a tiny model: a box with things in it, and how a small protocol writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import attrs
import msgspec
import pytest

from bridge.codec.wire import MUST, S10, Ci4
from bridge.errors import Refused
from bridge.mapping import (
    ANYTHING,
    DEFAULTED,
    DROPPED,
    KEEP_REST,
    MILLISECONDS,
    NARROWED,
    REFUSED,
    ROUNDED,
    SAME,
    TRUNCATED,
    UTC_TIME,
    WHOLE,
    At,
    Context,
    Converter,
    Custom,
    Digits,
    Each,
    First,
    Loss,
    Mapping,
    MappingError,
    Memo,
    One,
    Settings,
    Table,
    derived,
    from_partner,
    no_place,
    no_source,
    row,
)
from bridge.translate.files import encode


class Colour(StrEnum):
    RED = "RED"
    CRIMSON = "CRIMSON"
    BLUE = "BLUE"
    CLEAR = "CLEAR"


class WireColour(StrEnum):
    R = "r"
    B = "b"


@attrs.frozen
class Thing:
    colour: Colour | None = None
    weight: Decimal | None = None
    note: str | None = None


@attrs.frozen
class Origin:
    town: str | None = None
    owner: str | None = None


@attrs.frozen
class Box:
    id: str | None = None
    origin: Origin = Origin()
    things: tuple[Thing, ...] = ()
    best: Thing | None = None
    open: bool | None = None
    changed: datetime | None = None


class WireThing(msgspec.Struct, kw_only=True):
    colour: WireColour
    kilos: Decimal | None = None


class WireBox(msgspec.Struct, kw_only=True):
    id: Annotated[Ci4 | None, MUST] = None
    town: S10 | None = None
    items: tuple[WireThing, ...] | None = None
    best: WireThing | None = None
    stamp: str | None = None


COLOUR = Table(
    (Colour.RED, WireColour.R),
    (Colour.BLUE, WireColour.B),
    out={Colour.CRIMSON: WireColour.R},
    never={Colour.CLEAR: "there is no glass over there"},
    name="Colour",
).covers(Colour, WireColour)

THING_ROWS = (
    row("colour", "colour", COLOUR),
    row("weight", "kilos", Digits(1)),
    no_place("note", because="nobody writes notes there"),
)
THING = Mapping(Thing, WireThing, THING_ROWS)

BOX_ROWS = (
    row("id", "id"),
    row("origin.town", "town"),
    row("things", "items", THING, many=True),
    row("best", "best", One(THING)),
    no_place("origin.owner", because="boxes have no owners there"),
    no_place("open", because="every box is closed there", reads_as=False),
    no_place("changed", because="boxes never change there"),
    no_source("stamp", because="a mark of theirs"),
)
BOX = Mapping(Box, WireBox, BOX_ROWS, name="Box")


def out(mapping: Mapping, obj: Any, **constants: Any) -> tuple[Any, list[Loss]]:
    """The wire object and the losses."""
    return mapping.bind(Settings(constants)).to_wire(obj)


# --- what is written down is checked when it is written down


def test_a_misspelt_path_stops_the_import_by_name() -> None:
    with pytest.raises(MappingError, match=r"Box: the canonical class Box has no field 'origin\.twon'"):
        Mapping(Box, WireBox, (*BOX_ROWS[:1], row("origin.twon", "town"), *BOX_ROWS[2:]), name="Box")
    with pytest.raises(MappingError, match="the wire class WireBox has no field 'twon'"):
        Mapping(Box, WireBox, (*BOX_ROWS[:1], row("origin.town", "twon"), *BOX_ROWS[2:]))
    with pytest.raises(MappingError, match="using 'bst': Box has no such field"):
        Mapping(Box, WireBox, (row("id", "id", using="bst"), *BOX_ROWS[1:]))


def test_a_missing_field_stops_the_import_by_name() -> None:
    with pytest.raises(MappingError, match=r"Box: canonical fields of Box without a row: origin\.owner, changed"):
        Mapping(Box, WireBox, [r for r in BOX_ROWS if r.canon not in (("origin.owner",), ("changed",))], name="Box")
    with pytest.raises(MappingError, match="wire fields of WireBox without a row: stamp"):
        Mapping(Box, WireBox, BOX_ROWS[:-1])


def test_a_field_in_two_rows_stops_the_import() -> None:
    with pytest.raises(MappingError, match=r"canonical fields in two rows: \['id'\]"):
        Mapping(Box, WireBox, (*BOX_ROWS, no_place("id", because="again")))


def test_a_table_tells_every_value_once() -> None:
    with pytest.raises(ValueError, match=r"table Colour: canonical values without a row: .*CLEAR"):
        Table((Colour.RED, WireColour.R), (Colour.BLUE, WireColour.B), out={Colour.CRIMSON: WireColour.R},
              name="Colour").covers(Colour, WireColour)  # fmt: skip
    with pytest.raises(ValueError, match="stands in two pairs"):
        Table((Colour.RED, WireColour.R), (Colour.CRIMSON, WireColour.R))
    with pytest.raises(ValueError, match="exact and narrowed at once"):
        Table((Colour.RED, WireColour.R), out={Colour.RED: WireColour.B})


# --- both ways, with losses


def test_what_both_sides_can_say_comes_back() -> None:
    box = Box("B1", Origin("Ulm"), (Thing(Colour.RED, Decimal("1.5")), Thing(Colour.BLUE)), Thing(Colour.BLUE), False)
    wire, losses = out(BOX, box)
    assert wire == WireBox(id="B1", town="Ulm", best=WireThing(colour=WireColour.B), items=(
        WireThing(colour=WireColour.R, kilos=Decimal("1.5")), WireThing(colour=WireColour.B)))  # fmt: skip
    assert losses == []
    assert BOX.bind().to_canon(wire) == (box, [])


def test_each_kind_of_loss_names_field_value_and_reason() -> None:
    box = Box("B1", Origin("Castrop-Rauxel", "Ms. X"), (Thing(Colour.CRIMSON, Decimal("1.25"), "fragile"),), open=True)
    wire, losses = out(BOX, box)
    assert losses == [
        Loss("origin.town", TRUNCATED, "Castrop-Rauxel", "at most 10 characters there"),
        Loss("things[0].colour", NARROWED, Colour.CRIMSON, "r is the nearest there"),
        Loss("things[0].weight", ROUNDED, Decimal("1.25"), "at most 1 decimals there"),
        Loss("things[0].note", DROPPED, "fragile", "nobody writes notes there"),
        Loss("origin.owner", DROPPED, "Ms. X", "boxes have no owners there"),
        Loss("open", DROPPED, True, "every box is closed there"),
    ]
    assert wire.town == "Castrop-Ra"
    assert wire.items == (WireThing(colour=WireColour.R, kilos=Decimal("1.3")),)


def test_what_reads_as_told_is_no_loss() -> None:
    assert out(BOX, Box("B1", open=False))[1] == []
    assert BOX.bind().to_canon(WireBox(id="B1"))[0].open is False


def test_what_a_wire_object_says_beyond_the_model_is_a_loss_of_reading() -> None:
    box, losses = BOX.bind().to_canon(WireBox(id="B1", stamp="S"))
    assert box == Box("B1", open=False)
    assert losses == [Loss("stamp", DROPPED, "S", "a mark of theirs")]


# --- refusals


def test_a_mandatory_field_without_a_value_refuses() -> None:
    with pytest.raises(Refused) as why:
        out(BOX, Box())
    assert (why.value.path, why.value.because) == ("id", "id is mandatory in Box and the source does not have it")


@pytest.mark.parametrize("ident", ["a\x00", "\x7fa", "é"])
def test_an_identifier_is_printable_ascii(ident: str) -> None:
    with pytest.raises(Refused, match="id: an identifier of printable ASCII characters there"):
        out(BOX, Box(ident))


def test_an_identifier_is_never_cut() -> None:
    with pytest.raises(Refused, match="id: an identifier of 5 characters, at most 4 there"):
        out(BOX, Box("B1234"))


def test_the_reason_is_what_happened_to_the_value() -> None:
    with pytest.raises(Refused, match="colour: colour is mandatory in WireThing, but there is no glass over there"):
        out(THING, Thing(Colour.CLEAR))


def test_a_value_that_must_not_go_there_refuses() -> None:
    closed = BOX.but(no_place("open", because="an open box is not for them", refuse_when=True))
    assert out(closed, Box("B1", open=False))[1] == [Loss("open", DROPPED, False, "an open box is not for them")]
    with pytest.raises(Refused, match="open: an open box is not for them"):
        out(closed, Box("B1", open=True))
    never = BOX.but(no_place("best", because="no best things", refuse_when=ANYTHING), no_source("best"))
    with pytest.raises(Refused, match="best: no best things"):
        out(never, Box("B1", best=Thing(Colour.RED)))
    assert out(never, Box("B1"))[1] == []


def test_an_item_that_is_refused_is_left_out_or_refuses_the_list() -> None:
    box = Box("B1", things=(Thing(Colour.RED), Thing(Colour.CLEAR), Thing(Colour.CRIMSON)))
    wire, losses = out(BOX, box)
    assert [t.colour for t in wire.items] == [WireColour.R, WireColour.R]
    assert losses == [
        Loss("things[1].colour", REFUSED, Colour.CLEAR, "colour is mandatory in WireThing, but there is no glass over there"),
        Loss("things[2].colour", NARROWED, Colour.CRIMSON, "r is the nearest there"),
    ]
    assert out(BOX.but(row("things", "items", Each(THING, KEEP_REST))), box) == (wire, losses)
    with pytest.raises(Refused, match=r"things\[1\]\.colour: colour is mandatory") as why:
        out(BOX.but(row("things", "items", Each(THING, WHOLE))), box)
    assert why.value.value is Colour.CLEAR


def test_a_part_that_is_refused_is_left_out_or_refuses_the_whole() -> None:
    box = Box("B1", best=Thing(Colour.CLEAR))
    wire, losses = out(BOX, box)
    assert wire.best is None
    assert [(loss.path, loss.kind) for loss in losses] == [("best.colour", REFUSED)]
    with pytest.raises(Refused, match=r"best\.colour: "):
        out(BOX.but(row("best", "best", One(THING, WHOLE))), box)


def test_a_list_that_is_too_long_loses_its_end() -> None:
    short = BOX.but(row("things", "items", Each(THING, limit=1)))
    wire, losses = out(short, Box("B1", things=(Thing(Colour.RED), Thing(Colour.BLUE))))
    assert len(wire.items) == 1
    assert losses == [Loss("things", TRUNCATED, 2, "at most 1 there")]


# --- paths across nested lists


@attrs.frozen
class Shelf:
    id: str
    boxes: tuple[Box, ...] = ()


class WireShelf(msgspec.Struct):
    name: str
    crates: tuple[WireBox, ...] | None = None


SHELF = Mapping(Shelf, WireShelf, (row("id", "name"), row("boxes", "crates", BOX, many=True)))


def test_paths_of_losses_lead_through_nested_lists() -> None:
    shelf = Shelf("S1", (Box("B1"), Box("B2", things=(Thing(Colour.RED), Thing(Colour.CRIMSON))), Box("B3", Origin(owner="X"))))
    losses = out(SHELF, shelf)[1]
    assert [loss.path for loss in losses] == ["boxes[1].things[1].colour", "boxes[2].origin.owner"]
    assert [SHELF.to_wire_path(loss.path) for loss in losses] == ["crates[1].items[1].colour", "crates[2].origin.owner"]
    assert SHELF.to_canon_path("crates[1].items[0].kilos") == "boxes[1].things[0].weight"


def test_a_default_is_told_in_the_targets_words_at_the_targets_place() -> None:
    """The first box is refused, so the second one is the first over there."""
    named = BOX.but(row("origin.town", "town", or_else=from_partner("town")))
    shelf = SHELF.but(row("boxes", "crates", named, many=True))
    losses = out(shelf, Shelf("S1", (Box("far too long"), Box("B2"))), town="Ulm")[1]
    assert losses == [
        Loss("boxes[0].id", REFUSED, "far too long", "an identifier of 12 characters, at most 4 there"),
        Loss("crates[0].town", DEFAULTED, "Ulm", "configured: town"),
    ]


# --- or_else, using, parent


def test_or_else_from_the_partner_file() -> None:
    named = BOX.but(row("id", "id", or_else=from_partner("box")))
    assert out(named, Box(), box="BX") == (WireBox(id="BX"), [Loss("id", DEFAULTED, "BX", "configured: box")])
    assert out(named, Box("B1"), box="BX") == (WireBox(id="B1"), [])
    with pytest.raises(Refused, match="; set box in the partner file") as why:
        out(named, Box())
    assert why.value.key == "box"


def test_or_else_goes_through_the_rows_converter() -> None:
    """Constants are in canonical terms: a colour of ours becomes one of theirs."""
    coloured = THING.but(row("colour", "colour", COLOUR, or_else=from_partner("colour")))
    wire, losses = out(coloured, Thing(), colour=Colour.CRIMSON)
    assert wire.colour is WireColour.R
    assert [(loss.path, loss.kind) for loss in losses] == [("colour", NARROWED), ("colour", DEFAULTED)]
    with pytest.raises(Refused):
        out(coloured, Thing(), colour=Colour.CLEAR)


def test_or_else_by_a_rule() -> None:
    by_town = BOX.but(row("id", "id", or_else=derived(lambda box, cx: box.origin.town and box.origin.town[:2], "the town")))
    assert out(by_town, Box(origin=Origin("Ulm"))) == (WireBox(id="Ul", town="Ulm"), [Loss("id", DEFAULTED, "Ul", "the town")])
    with pytest.raises(Refused, match="the source does not have it"):
        out(by_town, Box())


def test_a_wire_field_the_model_lacks_can_be_configured() -> None:
    stamped = BOX.but(no_source("stamp", from_partner("stamp")))
    assert out(stamped, Box("B1"), stamp="S")[0].stamp == "S"
    assert stamped.bind(Settings({"stamp": "S"})).to_canon(WireBox(id="B1", stamp="S"))[1] == [], "what we put there is no loss"
    assert [loss.path for loss in stamped.bind(Settings({"stamp": "S"})).to_canon(WireBox(id="B1", stamp="T"))[1]] == ["stamp"]


class InTown(Converter):
    """A box without a town is in the town of its owner; shows what ``using`` gives."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        town, owner, box = value
        assert isinstance(box, Box)
        return town or f"at {owner}'s"

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


def test_using_lets_a_converter_look_at_other_fields() -> None:
    owned = BOX.but(row("origin.town", "town", InTown(), using=("origin.owner", "")))
    assert out(owned, Box("B1", Origin(owner="X")))[0].town == "at X's"
    assert owned.bind().to_canon(WireBox(id="B1", town="Ulm"))[0].origin == Origin("Ulm")


class OfParent(Converter):
    """The id of the box that a thing is in."""

    def out(self, value: Any, cx: Context, at: At) -> Any:
        return f"{cx.parent.id}:{value}"

    def back(self, value: Any, cx: Context, at: At) -> Any:
        return value


class WireNoted(msgspec.Struct):
    note: str | None = None


def test_items_may_look_at_their_parent() -> None:
    noted = Mapping(Thing, WireNoted, (row("note", "note", OfParent()), no_place("colour", because="-"), no_place("weight", because="-")))
    each = Each(noted, parent=True)
    made = each.out(((Thing(note="a"), Thing(note="b")), Box("B1")), Context(), At(("things",), ("items",)))
    assert [item.note for item in made] == ["B1:a", "B1:b"]


class Tally(Converter):
    """Counts how often it is called."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def out(self, value: Any, cx: Context, at: At) -> Any:
        self.calls.append(value)
        if value == "odd":
            cx.lose(at.src[0], NARROWED, value, "odd")
        return value

    back = out


# --- speed without difference


def test_a_shared_part_is_mapped_once_for_all_that_share_it() -> None:
    count = Tally()
    rows = (*BOX.but(row("origin.town", "town", count)).rows,)
    shared = Mapping(Box, WireBox, rows, shared="origin")
    bound, origin, cx = shared.compiled_out(), Origin("odd", "X"), Context()
    first = bound(Box("B1", origin), cx)
    assert {loss.path for loss in cx.take()} == {"origin.town", "origin.owner"}
    second = bound(Box("B2", origin), cx)
    assert cx.take() == [], "what the shared part loses is told once"
    assert (first.town, second.town, count.calls) == ("odd", "odd", ["odd"])
    bound(Box("B3", Origin("odd")), cx)
    assert len(count.calls) == 2


def test_a_shared_part_that_is_refused_refuses_each() -> None:
    def fail(value: Any, cx: Context, at: At) -> Any:
        raise Refused(at.src[0], "not for them", value)

    shared = Mapping(Box, WireBox, BOX.but(row("origin.town", "town", Custom("never", fail, fail))).rows, shared="origin")
    bound, origin, cx = shared.compiled_out(), Origin("Ulm"), Context()
    for name in ("B1", "B2"):
        with pytest.raises(Refused, match=r"origin\.town: not for them"):
            bound(Box(name, origin), cx)


@attrs.frozen
class Palette:
    colours: tuple[Colour, ...] = ()


class WirePalette(msgspec.Struct):
    colours: tuple[WireColour, ...] | None = None


def test_what_is_remembered_is_told_again() -> None:
    """Lists of enumeration values are mapped once per context; their losses belong to every object."""
    palette = Mapping(Palette, WirePalette, (row("colours", "colours", COLOUR, many=True),))
    bound, cx = palette.compiled_out(), Context()
    for _ in range(2):
        assert bound(Palette((Colour.CRIMSON, Colour.CLEAR)), cx).colours == (WireColour.R,)
        assert [(loss.path, loss.kind) for loss in cx.take()] == [("colours[0]", NARROWED), ("colours[1]", DROPPED)]


def test_memo_remembers_only_what_went_without_loss() -> None:
    count = Tally()
    memo = Memo(count, size=2)
    cx = Context()
    for value in ("even", "even", "odd", "odd", "even"):
        assert memo.out(value, cx, At(("x",), ("y",))) == value
    assert count.calls == ["even", "odd", "odd"]
    assert len(cx.losses) == 2
    for value in ("a", "b", "c"):
        memo.out(value, cx, At(("x",), ("y",)))
    assert len(memo._out) <= 2


# --- differences


def test_a_tables_difference_for_one_partner() -> None:
    theirs = COLOUR.but({Colour.CLEAR: WireColour.B})
    cx, at = Context(), At(("colour",), ("colour",))
    assert theirs.out(Colour.CLEAR, cx, at) is WireColour.B
    assert cx.take() == [Loss("colour", NARROWED, Colour.CLEAR, "b is the nearest there")]
    assert theirs.back(WireColour.B, cx, at) is Colour.BLUE, "reading stays as it was"


def test_a_table_whose_pair_is_taken_still_reads_the_old_value() -> None:
    theirs = COLOUR.but({Colour.BLUE: WireColour.R})
    cx, at = Context(), At(("colour",), ("colour",))
    assert theirs.out(Colour.BLUE, cx, at) is WireColour.R
    assert theirs.back(WireColour.B, cx, at) is Colour.BLUE
    assert [loss.kind for loss in cx.losses] == [NARROWED, NARROWED]


def test_a_partner_files_value_reaches_nested_mappings() -> None:
    settings = Settings(values={"boxes-1.0": {"Colour": {"CLEAR": "b"}}})
    box = Box("B1", things=(Thing(Colour.CLEAR),), best=Thing(Colour.CLEAR))
    wire, losses = BOX.bind(settings, "boxes-1.0").to_wire(box)
    assert (wire.items[0].colour, wire.best.colour) == (WireColour.B, WireColour.B)
    assert [loss.kind for loss in losses] == [NARROWED, NARROWED]
    assert BOX.bind(settings, "boxes-2.0").to_wire(box)[0].items is None


@pytest.mark.parametrize(("name", "value"), [("CLEAR", "green"), ("GREEN", "b")])
def test_a_partner_files_value_that_does_not_exist_is_named(name: str, value: str) -> None:
    with pytest.raises(MappingError, match=f"values.Colour.{name} = '{value}': none of "):
        BOX.bind(Settings(values={"boxes-1.0": {"Colour": {name: value}}}), "boxes-1.0")


def test_but_replaces_the_rows_that_share_a_path() -> None:
    mapping = BOX.but(row("origin.owner", "town"), no_place("origin.town", because="they want the owner"))
    assert out(mapping, Box("B1", Origin("Ulm", "X")))[0].town == "X"
    assert len(mapping.rows) == len(BOX.rows)


class OldBox(msgspec.Struct):
    id: str
    items: tuple[WireThing, ...] | None = None


def test_onto_an_older_version() -> None:
    with pytest.raises(MappingError, match="the wire class OldBox has no field 'best'"):
        BOX.onto(OldBox, no_place("origin.town", because="not before 2.0"))
    old = BOX.onto(OldBox, no_place("origin.town", because="not before 2.0"), no_place("best", because="not before 2.0"))
    assert out(old, Box("B1", Origin("Ulm")))[1] == [Loss("origin.town", DROPPED, "Ulm", "not before 2.0")]


# --- leaves


def test_the_first_of_a_list() -> None:
    first = First(SAME, because="one there")
    cx, at = Context(), At(("names",), ("name",))
    assert first.out(("a", "b"), cx, at) == "a"
    assert cx.losses == [Loss("names[1]", DROPPED, "b", "one there")]
    assert first.back("a", cx, at) == ("a",)


def test_times_are_utc() -> None:
    naive = datetime(2026, 3, 1, 8)  # noqa: DTZ001  (what a partner sends without a zone)
    assert UTC_TIME.back(naive, Context(), At(("a",), ("b",))) == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_times_for_ocpi_have_three_digits_of_a_second_at_most() -> None:
    cx, at = Context(), At(("when",), ("When",))
    exact = datetime(2026, 3, 1, 8, 0, 0, 123000, tzinfo=UTC)
    assert MILLISECONDS.out(exact, cx, at) == exact
    assert cx.losses == []
    assert MILLISECONDS.out(exact.replace(microsecond=123999), cx, at) == exact
    assert [(loss.path, loss.kind) for loss in cx.losses] == [("when", "rounded")]
    assert encode({"at": exact, "text": "at 2026-03-01T08:00:00.123000Z"}) == (
        b'{"at":"2026-03-01T08:00:00.123Z","text":"at 2026-03-01T08:00:00.123000Z"}'
    )
