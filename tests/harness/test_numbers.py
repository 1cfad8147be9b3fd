"""What `make numbers` counts: it is deceived neither by strings nor by comments, and finds what it is to find."""

import importlib.machinery
import importlib.util
import sys

import pytest

from harness import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import reading


@pytest.fixture(scope="module")
def numbers():
    """The command as a module."""
    loader = importlib.machinery.SourceFileLoader("numbers_command", str(ROOT / "tools/numbers"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def rust(name, text):
    return reading.Source(name, "rust", text)


def tree(**files):
    """Sources of src/ by their names, in which `__` stands for a folder."""
    named = {f"src/{name.replace('__', '/')}.rs": text for name, text in files.items()}
    return {name: rust(name, text) for name, text in named.items()}


def test_a_function_ends_where_it_ends():
    """Braces in strings, characters, comments and lifetimes count for nothing; a declaration has no body."""
    source = rust("src/a.rs", """fn one<'a>(x: &'a str) -> [u8; 2] {
    let open = '{'; // {
    let text = r#"{ " {"#;
    /* { */ f("\\"{");
}
trait T { fn none(&self) -> u8; fn two(&self) { () } }
""")
    assert list(source.functions()) == [("one", 1, 5), ("two", 6, 6)]


def test_tests_are_told_from_code():
    """A module inside a file, and files that are declared for tests only, with what lies below them."""
    inside = rust("src/a.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\nfn h() {}\n")
    assert [line for line in range(1, 7) if inside.is_test(line)] == [2, 3, 4, 5]
    sources = tree(a__mod="#[cfg(test)]\nmod tests;\nmod other;\n", a__tests="", a__other="", a__tests__more="")
    assert reading.test_files(sources) == {"src/a/tests.rs", "src/a/tests/more.rs"}


def test_a_passage_that_stands_twice_is_found_once(numbers, capsys):
    """However it is indented, and whatever blank lines, comments and imports stand in between."""
    lines = [f"let a{number} = {number};" for number in range(12)]
    other = "use crate::b;\n\n" + "\n// why\n\n".join(f"    {line}" for line in lines)
    sources = {"one": rust("one", "\n".join(lines)), "other": rust("other", other)}
    assert numbers.report_twins(sources) == ["12 lines stand twice: one:1 and other:3"]
    short = {name: rust(name, "\n".join(lines[:10])) for name in ("one", "other")}
    assert numbers.report_twins(short) == []
    assert "stand twice: 0" in capsys.readouterr().out


def test_a_circle_is_found_however_it_is_written():
    """By groups, by `super`, by a path in the code; through a file that hands the name on."""
    ways = ["use crate::{model::x, b::{self, Thing}};", "use super::b::Thing as Other;", "fn f() { crate::b::run() }"]
    for way in ways:
        edges = reading.imports(tree(a=way, b="pub use crate::c::Else;\nuse super::a::Here;", c=""))
        assert reading.circles(edges) == [("src/a.rs", "src/b.rs", "src/a.rs")], way
    through = reading.imports(tree(a="use crate::face::Thing;", face__mod="mod inner;\npub use inner::Thing;",
                                   face__inner="use crate::a::Here;"))
    assert reading.circles(through) == [("src/a.rs", "src/face/inner.rs", "src/a.rs")]
    both = reading.imports(tree(face__mod="mod inner;\npub use inner::Thing;\npub struct Whole(Thing);",
                                face__inner="use super::Whole;"))
    assert reading.circles(both) == [("src/face/inner.rs", "src/face/mod.rs", "src/face/inner.rs")]


def test_no_circle_is_seen_where_there_is_none():
    """Tests may look back, and a face that only hands on names does not use what it hands on."""
    edges = reading.imports(tree(
        a__mod="mod child;\npub use child::{Child, run};\npub struct Shared { run: u8 }\nfn f() { x.run(); }",
        a__child="use super::Shared;",
        b="// use crate::c;\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}", c="use crate::b::B;"))
    assert reading.circles(edges) == []
