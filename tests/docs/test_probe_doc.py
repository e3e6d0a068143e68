"""docs/probe.md lists the rules of the probe. To write it anew: python tests/docs/test_probe_doc.py"""

from __future__ import annotations

from pathlib import Path

from bridge.probe.book import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "probe.md"
MARK = "<!-- rules: python tests/docs/test_probe_doc.py -->\n"


def written(page: str) -> str:
    """The page with the rules as they are."""
    head, mark, _ = page.partition(MARK)
    assert mark, "the page has lost its mark"
    rows = [("Rule", "What is demanded", "Weight", "How it is judged, or why not"), ("---",) * 4, *catalogue()]
    return head + mark + "\n" + "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run: python tests/docs/test_probe_doc.py"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
