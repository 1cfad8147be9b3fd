"""The judge of the comparison with Glance: what it calls a difference, and which rows it lets excuse one."""

import pytest
from differences import Expected, difference, expanded, undocumented

ROWS = """
[patterns]
"<number>" = '[0-9]+'
[[difference]]
id = "a"
cases = 'case {x,y} #{1..2}'
status = [500, 400]
"/size" = ["<number>", "<absent>"]
[[difference]]
id = "a"
store = "swift"
cases = 'case {x #2,z}'
status = [500, 404]
"""


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "differences.toml"
    path.write_text(ROWS)
    return Expected(path)


def answer(status=200, body=None, **headers):
    return {"status": status, "headers": headers, "body": body}


def test_every_field_that_differs_is_named():
    """Status, headers, members at any depth and what a list lacks are told apart; 1, 1.0 and true are not equal."""
    left = answer(200, {"a": {"b/c": 1, "d": True}, "l": ["x", "y", "z"], "same": None}, vary="x")
    right = answer(404, {"a": {"b/c": 1.0, "d": 1}, "l": ["x", "z"], "same": None}, allow="y")
    assert difference(left, right) == {
        "status": (200, 404), "vary": ("x", "<absent>"), "allow": ("<absent>", "y"),
        "/a/b~1c": (1, 1.0), "/a/d": (True, 1), "/l/1": ("y", "<absent>")}


def test_a_row_excuses_the_fields_and_values_that_it_names_and_nothing_else(rows):
    """Another field beside it, and another value of its own field, stay failures."""
    named = {"status": (500, 400), "/size": ("7", "<absent>")}
    assert rows.judge("case x #2", named) == ({}, [])
    assert rows.judge("case x #2", named | {"vary": ("a", "b")})[0] == {"vary": ("a", "b")}
    assert rows.judge("case x #2", named | {"status": (500, 404)})[0] == {"status": (500, 404)}
    assert rows.judge("case x #2", named | {"/size": ("seven", "<absent>")})[0] == {"/size": ("seven", "<absent>")}
    assert rows.judge("case z #2", named)[0] == named


def test_a_row_whose_difference_is_gone_is_told(rows):
    """Each field of a row must still differ in each of its requests, and each request must exist."""
    assert rows.judge("case y #1", {"status": (500, 400)})[1] == ["a: /size no longer differs"]
    assert rows.unknown({"case x #1", "case x #2", "case y #1"}) == [("a", "case y #2")]


def test_rows_and_document_name_the_same_ids(rows):
    document = "| `b` | what | Glance | Vitrine |\n"
    assert undocumented(rows.rows, document) == [
        "docs/differences.md says nothing about a", "no row of differences.toml has the id b"]


def test_braces_stand_for_names_as_in_a_shell():
    assert expanded("{a,b{ c,}} {image} #{9..10}") == [
        f"{name} {{image}} #{number}" for number in (9, 10) for name in ("a", "b c", "b")]


def test_a_row_of_a_kind_of_store_counts_there_in_place_of_others(rows, tmp_path):
    """It says nothing of runs with another store, nor of requests that it does not name."""
    on_swift = Expected(tmp_path / "differences.toml", "swift")
    named = {"status": (500, 400), "/size": ("7", "<absent>")}
    assert on_swift.judge("case x #2", {"status": (500, 404)}) == ({}, [])
    assert on_swift.judge("case x #2", named)[0] == named
    assert on_swift.judge("case y #1", named) == rows.judge("case x #2", named) == ({}, [])
    assert ("a", "case z") in on_swift.unknown(set()) and ("a", "case z") not in rows.unknown(set())
