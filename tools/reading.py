"""Reads sources for tools/numbers, as far as counting needs it: no compiler, but strings and comments are known."""

import bisect
import functools
import pathlib
import re

RUST_NOISE = re.compile("|".join((
    r"//[^\n]*|/\*.*?\*/",
    r"""\br(?P<hashes>\#*)".*?"(?P=hashes)|b?"(?:\\.|[^"\\])*\"""",
    r"""b?'(?:\\[^\n]{1,8}?|[^'\\\n])'""")), re.DOTALL)
SUFFIXES = {".rs": "rust", ".py": "python", ".sh": "shell"}
COMMENT = {"rust": "//", "python": "#", "shell": "#"}
# An import of Rust ends with a semicolon; one of Python with its line, or its bracket.
IMPORT = {
    "rust": re.compile(r"^[ \t]*(?:pub(?:\([^)]*\))? )?(?:use|mod|extern crate) [^;{]*(?:\{[^;]*)?;", re.MULTILINE),
    "python": re.compile(r"^[ \t]*(?:import [^\n]*|from \S+ import (?:\([^)]*\)|[^\n]*))", re.MULTILINE)}


def language(path):
    """What a file is written in, by its name or its first line; None for anything else."""
    if path.suffix:
        return SUFFIXES.get(path.suffix)
    with open(path, errors="replace") as text:
        first = text.readline()
    return next((kind for word, kind in (("python", "python"), ("/sh", "shell"), ("bash", "shell"))
                 if first.startswith("#!") and word in first), None)


class Source:
    """One file. Lines are counted from 1."""

    def __init__(self, name, kind, text):
        self.name, self.kind, self.text = name, kind, text
        self.lines = text.splitlines()
        self.length = len(self.lines)
        self.starts = [0] + [place + 1 for place, letter in enumerate(text) if letter == "\n"]

    @functools.cached_property
    def code(self):
        """The text of Rust with comments and strings blanked, letter for letter."""
        return RUST_NOISE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.text)

    def line_of(self, place):
        return bisect.bisect_right(self.starts, place)

    def block(self, place):
        """(where the next block begins, where it ends); None where a semicolon comes first."""
        depth = 0
        while place < len(self.code):
            letter = self.code[place]
            if letter == ";" and not depth:
                return None
            depth += (letter in "([") - (letter in ")]")
            if letter == "{" and not depth:
                break
            place += 1
        begin = place
        while place < len(self.code):
            depth += (self.code[place] == "{") - (self.code[place] == "}")
            place += 1
            if not depth:
                return begin, place - 1
        return None

    def functions(self):
        """(name, first line, last line) of each function of Rust that has a body."""
        if self.kind != "rust":
            return
        for found in re.finditer(r"\bfn (\w+)", self.code):
            if block := self.block(found.end()):
                yield found[1], self.line_of(found.start()), self.line_of(block[1])

    @functools.cached_property
    def test_lines(self):
        """[(first, last line)] of what is compiled only for tests."""
        ranges = []
        for found in re.finditer(r"#\[cfg\(test\)\]", self.code if self.kind == "rust" else ""):
            block = self.block(found.end())
            if block:
                ranges.append((self.line_of(found.start()), self.line_of(block[1])))
        return ranges

    def is_test(self, line):
        return any(first <= line <= last for first, last in self.test_lines)

    def written(self):
        """Numbers of the lines that are not blank."""
        return [number for number, line in enumerate(self.lines, 1) if line.strip()]

    def content(self):
        """[(number, text without indentation)] of the lines that are neither blank, nor comments, nor imports."""
        imported = set()
        for found in IMPORT[self.kind].finditer(self.text) if self.kind in IMPORT else ():
            imported |= set(range(self.line_of(found.start()), self.line_of(found.end() - 1) + 1))
        mark = COMMENT[self.kind]
        return [(number, line.strip()) for number, line in enumerate(self.lines, 1)
                if line.strip() and not line.strip().startswith(mark) and number not in imported]


def test_files(sources):
    """Names of files of src/ that a `#[cfg(test)] mod NAME;` declares, and what lies below them."""
    found = set()
    for source in sources.values():
        for declared in re.findall(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod (\w+);",
                                   source.code if source.kind == "rust" else ""):
            below = folder(source.name) / declared
            found |= {name for name in sources if name == f"{below}.rs" or name.startswith(f"{below}/")}
    return found


def folder(name):
    """Where the modules that a file declares lie."""
    path = pathlib.PurePosixPath(name)
    return path.parent if path.name in ("mod.rs", "lib.rs", "main.rs") else path.with_suffix("")


# Imports

def imports(sources):
    """{file of src/: files whose names it uses}, tests left out.

    A file that hands a name on (`pub use`) does not use it unless it says it as well; who takes it from there uses the
    file that it is from.
    """
    outside = test_files(sources)
    rust = {name: source for name, source in sources.items()
            if name.startswith("src/") and name.endswith(".rs") and name not in outside and name != "src/main.rs"}
    modules = {module_of(name): name for name in rust}
    paths = {name: list(paths_of(source)) for name, source in rust.items()}
    handed = {name: {path[-1]: absolute(path, name, modules) for path, _ in found if len(path) > 1}
              for name, found in paths.items()}

    def place(path, seen=()):
        """The file that a path from the root leads to."""
        for length in range(len(path), 0, -1):
            if file := modules.get(path[:length]):
                further = handed[file].get(path[length]) if length < len(path) else None
                if further and (file, path[length]) not in seen:
                    return place(further, (*seen, (file, path[length]))) or file
                return file
        return None

    edges = {}
    for name, found in paths.items():
        used = (absolute(path, name, modules) for path, is_handed_on in found
                if not is_handed_on or says(rust[name], path[-1]))
        targets = {place(path) for path in used if path}
        edges[name] = {target for target in targets if target and target != "src/lib.rs"} - {name}
    return edges


def says(source, name):
    """Whether the code of a file says a name beyond its imports; fields and functions of that name do not count."""
    code = re.sub(r"\b(?:use|mod) [^;{]*(?:\{[^;]*)?;", lambda found: re.sub(r"[^\n]", " ", found[0]), source.code)
    return any(not source.is_test(source.line_of(found.start()))
               for found in re.finditer(rf"(?<![\w.:])(?<!fn ){re.escape(name)}\b(?!\s*:(?!:))", code))


def module_of(name):
    """The path of a file's module from the root of the crate."""
    path = pathlib.PurePosixPath(name).relative_to("src").with_suffix("")
    parts = path.parts[:-1] if path.name in ("mod", "lib") else path.parts
    return tuple(parts)


def absolute(path, name, modules):
    """A path of names from the root; None when it leads out of the crate."""
    here = module_of(name)
    if path[0] == "crate":
        return path[1:]
    if path[0] in ("super", "self"):
        while path and path[0] in ("super", "self"):
            here = here[:-1] if path[0] == "super" else here
            path = path[1:]
        return here + path
    return here + path if here + path[:1] in modules else None


def paths_of(source):
    """(path of a name, whether it is only handed on) for each that a file uses; tests are left out."""
    code = source.code
    for found in re.finditer(r"\b(pub(?:\([^)]*\))? )?use ([^;]+);", code):
        if not source.is_test(source.line_of(found.start())):
            yield from ((path, bool(found[1])) for path in flat(found[2]))
    rest = re.sub(r"\buse [^;]+;", lambda found: " " * len(found[0]), code)
    for found in re.finditer(r"(?<![\w:])(?:[a-z_]\w*::)+\w+", rest):
        if not source.is_test(source.line_of(found.start())):
            yield tuple(found[0].split("::")), False


def flat(text):
    """The paths of an import, its groups taken apart: `a::{b, c::d}` gives `a::b` and `a::c::d`."""
    head, brace, body = text.partition("{")
    names = (name.strip() for name in head.split(" as ")[0].split("::"))
    prefix = tuple(name for name in names if name not in ("", "*"))
    if not brace:
        yield prefix
        return
    depth = begin = 0
    body = body[:body.rindex("}")] + ","
    for place, letter in enumerate(body):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and not depth:
            for path in flat(body[begin:place]) if body[begin:place].strip() else ():
                yield prefix + (() if path == ("self",) else path)
            begin = place + 1


# Circles

def circles(edges):
    """One short circle out of each knot (strongly connected component) of a graph."""
    found = []
    for knot in knots(edges):
        first = min(knot)
        found.append(shortest(edges, first, knot))
    return found


def shortest(edges, first, knot):
    """The shortest way from a node back to itself inside its knot."""
    ways, todo = {}, [(first, (first,))]
    for node, way in todo:
        for other in sorted(edges.get(node, ())):
            if other == first:
                return (*way, first)
            if other in knot and other not in ways:
                ways[other] = True
                todo.append((other, (*way, other)))
    return ()


def knots(edges):
    """Sets of nodes each of which leads to every other; single nodes are left out."""
    reach = {}
    for node in edges:
        seen, todo = set(), list(edges[node])
        while todo:
            other = todo.pop()
            if other not in seen:
                seen.add(other)
                todo += edges.get(other, ())
        reach[node] = seen
    found, done = [], set()
    for node in sorted(edges):
        if node not in done and node in reach[node]:
            knot = {other for other in reach[node] if node in reach.get(other, ())}
            done |= knot
            found.append(knot)
    return found
