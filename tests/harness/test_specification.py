"""docs/specification.md names nothing that is not there."""

import re

from harness import ROOT

PAGE = (ROOT / "docs/specification.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| statement", "| topic"))]


def test_every_path_exists():
    """In the tree, and of the links among the pages."""
    paths = set(re.findall(r"`((?:src|tests|docs|tempest)/[^`]+)`", PAGE))
    links = {f"docs/{link}" for link in re.findall(r"\]\(([^)#]+)", PAGE)}
    assert len(paths) > 100
    assert sorted(path for path in paths | links if not (ROOT / path).exists()) == []


def test_every_deviation_with_an_id_is_described():
    """By docs/differences.md, under that id."""
    told = set(re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "docs/differences.md").read_text(), re.MULTILINE))
    used = {name for row in ROWS for name in re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", row.split("*otherwise*:")[-1])
            if "*otherwise*:" in row}
    # Programs of Glance are written in the same way.
    assert sorted(name for name in used - told if not name.startswith(("glance-", "metadef-"))) == []
    assert len(used & told) > 50


def test_every_statement_is_done_otherwise_or_open():
    """What is done names code and a test; what is open, the page that tells of it."""
    assert len(ROWS) > 100
    assert [row for row in ROWS if not is_told(row)] == []


def is_told(row):
    _, done, tested, rest = (cell.strip() for cell in row.strip("|").split("|"))
    if "**open**" in rest:
        return "](" in rest
    return "*otherwise*" in rest or bool(tested and (done or "tempest" in tested))
