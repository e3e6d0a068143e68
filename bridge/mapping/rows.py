"""Rows: what an integrator writes. See docs/mappings.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from bridge.mapping.context import Context
from bridge.mapping.convert import SAME, Converter, Each

if TYPE_CHECKING:
    from bridge.mapping.engine import Mapping

_UNSET = object()


class _Anything:
    """Equal to every value that says something."""

    def __eq__(self, other: object) -> bool:
        return other is not None and other != ()

    def __hash__(self) -> int:
        return 0


ANYTHING: Any = _Anything()
"""For ``refuse_when``: any value at all."""


@frozen
class Source:
    """Where a value comes from that the giving side does not have."""

    key: str | None = None
    derive: Callable[[Any, Context], Any] | None = None
    because: str = ""

    def value(self, obj: Any, cx: Context) -> Any:
        """The value in canonical terms, or None if there is none."""
        if self.derive is not None:
            return self.derive(obj, cx)
        return cx.constants.get(self.key)  # type: ignore[arg-type]


def from_partner(key: str) -> Source:
    """The constant ``key`` of the partner file, in canonical terms."""
    return Source(key=key, because=f"configured: {key}")


def derived(rule: Callable[[Any, Context], Any], because: str) -> Source:
    """A value that a documented rule derives from the object or the facts; None where the rule gives none."""
    return Source(derive=rule, because=because)


def paths_of(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    """One path or several, as a tuple."""
    return (paths,) if isinstance(paths, str) else tuple(paths)


@frozen(eq=False)
class Row:
    """One correspondence, both ways. ``canon`` or ``wire`` is empty for no_source and no_place."""

    canon: tuple[str, ...]
    wire: tuple[str, ...]
    conv: Converter = SAME
    or_else: Source | None = None
    using: tuple[str, ...] = ()
    because: str = ""
    reads_as: Any = _UNSET
    hints: dict[str, str] = field(factory=dict)
    refuse_when: Any = _UNSET

    @property
    def one_way(self) -> bool:
        """Whether one side has no place for it."""
        return not self.canon or not self.wire


def row(canon: str | tuple[str, ...], wire: str | tuple[str, ...], conv: Converter | Mapping = SAME, *, many: bool = False,
        or_else: Source | None = None, using: str | tuple[str, ...] | None = None, hints: dict[str, str] | None = None) -> Row:  # fmt: skip
    """A row: canonical path(s), wire path(s), converter.

    ``many`` applies the converter to each item of a list. ``or_else`` gives what the target demands and the source
    lacks. ``using`` are canonical paths (``""``: the object itself) that the converter may look at when going out, after its
    own values.
    ``hints`` translate canonical paths below the row to wire paths, for losses.
    """
    return Row(
        paths_of(canon),
        paths_of(wire),
        Each(conv) if many else cast(Converter, conv),
        or_else,
        () if using is None else paths_of(using),
        hints=hints or {},
    )


def no_place(canon: str, because: str, *, reads_as: Any = _UNSET, refuse_when: Any = _UNSET) -> Row:
    """A canonical field that this protocol cannot say.

    With ``reads_as`` it is read as that, and a loss only where it differs. A value equal to ``refuse_when`` refuses the
    object: it must not go there at all.
    """
    return Row((canon,), (), because=because, reads_as=reads_as, refuse_when=refuse_when)


def no_source(wire: str, source: Source | None = None, because: str = "") -> Row:
    """A wire field that the model has no value for: configured, or left out."""
    return Row((), (wire,), because=because, or_else=source)


def refuses(one: Row) -> bool:
    """Whether a value of the row's field refuses the object."""
    return one.refuse_when is not _UNSET


def has_reads_as(one: Row) -> bool:
    """Whether the row says what its canonical field is read as."""
    return one.reads_as is not _UNSET
