"""Writes docs/matrix.md: what each protocol can hold of the canonical model, field by field, from the mappings' rows.

``python -m bridge.translate.matrix > docs/matrix.md``
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from attrs import frozen

from bridge.mapping.engine import Mapping
from bridge.mapping.registry import KINDS, Entry, every
from bridge.translate.words import DEFAULTED, DROPPED, grade, line, nested, plain

FAMILIES = ("ocpi", "oicp", "ochp")

ABSENT = {
    ("oicp", "token"): "OICP 2.3 gives CPOs no list of tokens: they ask with eRoamingAuthorizeStart.",
    ("ochp", "session"): "OCHP has no sessions: charges are told by their CDR (OCHPdirect informs about a running one).",
}
"""Kinds that a protocol does not have."""

NOTES = {
    ("oicp", "token"): "Providers send them to Hubject (eRoamingPushAuthenticationData); OICP 2.3 gives CPOs no list of tokens: "
    "they ask with eRoamingAuthorizeStart.",
    ("ocpi", "status"): "OCPI has no status object: the status is a field of the EVSE, changed by PATCH.",
    ("oicp", "tariff"): "OICP prices products (eRoamingPushPricingProductData) and says per EVSE which of them apply.",
    ("oicp", "session"): "OICP tells sessions by charging notifications.",
}
"""What else is to be known of a kind in a protocol."""

HEAD = """\
# What each protocol can hold

Generated from the mappings by `python -m bridge.translate.matrix > docs/matrix.md`; a test keeps it current.

A cell says what becomes of a field of the canonical model on its way to that protocol, and where it goes:

- **exact**: it comes back the same, up to the length in brackets;
- **narrowed**: some of its values are rounded, shortened, respelled or brought to coarser ones, each recorded as a loss;
- **dropped**: there is no place for it, and why;
- *defaulted*: where it is missing and the protocol demands it, this stands for it (recorded, too).

`evbridge explain FORMAT KIND` prints a mapping row by row, with the values that are lost.
"""


@frozen
class Cell:
    """What becomes of a canonical field in one format."""

    grade: str
    wire: str
    detail: str
    default: str

    def text(self) -> str:
        """The cell in Markdown."""
        if self.grade == DROPPED:
            return f"**dropped**: {_escaped(self.detail)}"
        said = f"**{self.grade}** `{self.wire}`" + (f" ({_escaped(self.detail)})" if self.detail else "")
        return said + (f"; *{DEFAULTED}*: {_escaped(self.default)}" if self.default else "")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def cells(mapping: Mapping, canon: str = "", wire: str = "") -> Iterator[tuple[str, Cell]]:
    """Every canonical path that a row of the mapping, or of one nested in it, names, with its cell."""
    for one in mapping.rows:
        if not one.canon:
            continue
        kind, detail = grade(mapping, one)
        target = ", ".join(_below(wire, plain(p)) for p in one.wire)
        default = one.or_else.because if one.or_else is not None else ""
        for path in one.canon:
            yield _unit(_below(canon, path)), Cell(kind, target, detail, default)
        for name, because in getattr(one.conv, "unsaid", {}).items():
            yield _unit(_below(_below(canon, one.canon[0]), name)), Cell(DROPPED, "", because, "")
        if one.wire:
            for inner in nested(one.conv):
                yield from cells(inner, _below(canon, one.canon[0]), _below(wire, plain(one.wire[0])))


def _below(base: str, path: str) -> str:
    return f"{base}.{path}" if base else path


def _unit(path: str) -> str:
    """OCPI's locations hold EVSEs, the other protocols' records are one each: both are ``evse`` here."""
    return "evse" + path[5:] if path == "evses" or path.startswith("evses.") else path


def unsourced(mapping: Mapping, wire: str = "") -> Iterator[tuple[str, str]]:
    """Wire fields that the model has no value for, with what is put there."""
    for one in mapping.rows:
        if one.canon and one.wire:
            for inner in nested(one.conv):
                yield from unsourced(inner, _below(wire, plain(one.wire[0])))
        elif one.wire:
            said = line(mapping, one)
            because = "; ".join(part for part in (said.how, one.because) if part)
            yield _below(wire, plain(one.wire[0])), because


def entries() -> list[Entry]:
    """The formats that ship with the bridge, in the order of the matrix."""
    found = [e for e in every() if e.family in FAMILIES and isinstance(e.mapping, Mapping)]
    return sorted(found, key=lambda e: (FAMILIES.index(e.family), e.format))


def markdown() -> str:
    """The whole document."""
    shipped = entries()
    formats = list(dict.fromkeys(e.format for e in shipped))
    parts = [HEAD]
    for kind in KINDS:
        of_kind = [e for e in shipped if e.kind == kind]
        if of_kind:
            parts.append("\n".join(_kind(kind, of_kind, formats)))
    return "\n".join(parts)


def _kind(kind: str, of_kind: list[Entry], formats: list[str]) -> Iterator[str]:
    yield f"## {kind}\n"
    have = {e.format for e in of_kind}
    for name in formats:
        family = name.split("-", maxsplit=1)[0]
        if name not in have:
            yield f"- `{name}`: {ABSENT.get((family, kind), f'no {kind} yet.')}"
        elif (family, kind) in NOTES:
            yield f"- `{name}`: {NOTES[family, kind]}"
    yield ""
    columns = [dict(cells(e.mapping)) for e in of_kind]
    yield "| canonical | " + " | ".join(e.format for e in of_kind) + " |"
    yield "|---" * (len(of_kind) + 1) + "|"
    for path in _leaves(path for column in columns for path in column):
        found = (_held(column, path) for column in columns)
        yield f"| `{path}` | " + " | ".join(cell.text() if cell is not None else "" for cell in found) + " |"
    yield ""
    for e in of_kind:
        if lost := list(unsourced(e.mapping)):
            yield f"Fields of `{e.format}` that the model does not have: " + "; ".join(
                f"`{path}` ({_escaped(because)})" if because else f"`{path}`" for path, because in lost) + ".\n"  # fmt: skip


def _leaves(paths: Iterable[str]) -> list[str]:
    """The paths that no other goes below, in the order in which they come first."""
    told = list(dict.fromkeys(paths))
    holders = {path.rsplit(".", n)[0] for path in told for n in range(1, path.count(".") + 1)}
    leaves = [path for path in told if path not in holders]
    first = {path: i for i, path in enumerate(told)}
    return sorted(leaves, key=lambda path: [first.get(part, first[path]) for part in _prefixes(path)])


def _prefixes(path: str) -> list[str]:
    steps = path.split(".")
    return [".".join(steps[: n + 1]) for n in range(len(steps))]


def _held(column: dict[str, Cell], path: str) -> Cell | None:
    """The cell of the path, or of the part that holds it."""
    for part in reversed(_prefixes(path)):
        if part in column:
            return column[part]
    return None


if __name__ == "__main__":
    sys.stdout.write(markdown())
