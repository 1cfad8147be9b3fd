"""What differs between two answers, and the rows of differences.toml that say what may.

Fields of an answer are `status`, each header by its name, each leaf of a JSON body by its JSON
pointer, and `body` for a body that is no JSON. A row names requests, and for each field that
differs both values, Glance's first; everything else in those requests must agree.
"""

import itertools
import json
import re
import tomllib

ABSENT = "<absent>"
OWN_KEYS = {"id", "cases", "store"}
# Vitrine names each request in its answer; Glance does not in refusals of tokens, versions and health checks.
UNASKED = {"x-openstack-request-id"}


# Answers

def leaves(value, pointer=""):
    """Yields (JSON pointer, value) of everything in a body that has nothing inside."""
    inner = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())
    if inner and value:
        for key, entry in inner:
            yield from leaves(entry, f"{pointer}/{escaped(key)}")
    else:
        yield pointer or "body", value


def count(answer):
    """How many fields an answer has."""
    return 1 + len(answer["headers"]) + sum(1 for _ in leaves(answer["body"]))


def difference(left, right):
    """{field: (Glance's value, ours)} of everything that differs between two answers."""
    found = {}
    if left["status"] != right["status"]:
        found["status"] = (left["status"], right["status"])
    for name in {**left["headers"], **right["headers"]}:
        pair = (left["headers"].get(name, ABSENT), right["headers"].get(name, ABSENT))
        if pair[0] != pair[1] and not (name in UNASKED and pair[0] == ABSENT):
            found[name] = pair
    compare(left["body"], right["body"], "", found)
    return found


def compare(left, right, pointer, found):
    if isinstance(left, dict) and isinstance(right, dict):
        for key in {**left, **right}:
            compare(left.get(key, ABSENT), right.get(key, ABSENT),
                    f"{pointer}/{escaped(key)}", found)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, pair in enumerate(zip(left, right)):
            compare(*pair, f"{pointer}/{number}", found)
    elif isinstance(left, list) and isinstance(right, list) and (more := surplus(left, right)):
        # Entries that one list has and the other has not stand at their place in the longer one.
        for number in more:
            found[f"{pointer}/{number}"] = (
                (left[number], ABSENT) if len(left) > len(right) else (ABSENT, right[number]))
    # In Python 1, 1.0 and True are equal; in JSON they are not.
    elif type(left) is not type(right) or left != right:
        found[pointer or "body"] = (left, right)


def surplus(left, right):
    """The places in the longer list of what the shorter one lacks; nothing if they differ otherwise."""
    short, long = sorted((left, right), key=len)
    at, more = 0, []
    for number, entry in enumerate(long):
        if at < len(short) and same(short[at], entry):
            at += 1
        else:
            more.append(number)
    return more if at == len(short) else []


def escaped(key):
    return str(key).replace("~", "~0").replace("/", "~1")


# Rows

def expanded(text):
    """The names that a pattern stands for: `{a,b}` is either, `{1..3}` each number, as in a shell.

    Braces without a comma or two dots stand for themselves.
    """
    start = -1
    depth = 0
    commas = []
    for place, letter in enumerate(text):
        if letter == "{":
            if depth == 0:
                start, commas = place, []
            depth += 1
        elif letter == "," and depth == 1:
            commas.append(place)
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0 and (parts := alternatives(text, start, commas, place)):
                return [text[:start] + part + rest for rest in expanded(text[place + 1:])
                        for one in parts for part in expanded(one)]
    return [text]


def alternatives(text, start, commas, end):
    inner = text[start + 1:end]
    if commas:
        edges = [start, *commas, end]
        return [text[a + 1:b] for a, b in itertools.pairwise(edges)]
    if numbers := re.fullmatch(r"(\d+)\.\.(\d+)", inner):
        return [str(n) for n in range(int(numbers[1]), int(numbers[2]) + 1)]
    return None


def plain(value):
    """A value as differences.toml spells it: TOML has no null."""
    if value is None:
        return "<null>"
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return value


class Row:
    def __init__(self, table, patterns):
        self.id, self.store = table["id"], table.get("store")
        cases = table["cases"]
        self.names = [name for text in ([cases] if isinstance(cases, str) else cases)
                      for name in expanded(text)]
        self.fields = {key: pair for key, pair in table.items() if key not in OWN_KEYS}
        self.patterns = patterns
        if not self.fields or any(len(pair) != 2 for pair in self.fields.values()):
            raise ValueError(f"{self.id}: a row names fields, each with both values")

    def explains(self, field, pair):
        return all(self.fits(wanted, plain(value))
                   for wanted, value in zip(self.fields[field], pair))

    def fits(self, wanted, value):
        if isinstance(wanted, str) and wanted in self.patterns:
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            return self.patterns[wanted].fullmatch(text) is not None
        return same(wanted, value)


def same(one, other):
    found = {}
    compare(one, other, "", found)
    return not found


class Expected:
    """All rows. Those of a kind of default store count where it is of that kind, in place of the others of the same
    requests."""

    def __init__(self, path, store="file"):
        document = tomllib.loads(path.read_text())
        patterns = {name: re.compile(text, re.DOTALL)
                    for name, text in document.get("patterns", {}).items()}
        self.rows = [Row(table, patterns) for table in document["difference"]]
        self.by_name = {}
        for kind in (store, None):
            known = set(self.by_name)
            for row in self.rows:
                for name in row.names:
                    if row.store == kind and name not in known:
                        self.by_name.setdefault(name, []).append(row)

    def judge(self, name, found):
        """Returns ({field: pair} that no row explains, [what rows expect in vain])."""
        left = dict(found)
        stale = []
        for row in self.by_name.get(name, []):
            for field, pair in row.fields.items():
                if field not in found:
                    stale.append(f"{row.id}: {field} no longer differs")
                elif row.explains(field, found[field]):
                    left.pop(field, None)
                else:
                    stale.append(f"{row.id}: {field} is {spelled(found[field])}, not {spelled(pair)}")
        return left, stale

    def unknown(self, seen):
        """Names in rows that no request has."""
        return [(row.id, name) for name, rows in self.by_name.items() for row in rows if name not in seen]


def spelled(value, limit=400):
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "…"


def undocumented(rows, document):
    """What differences.toml and the tables of docs/differences.md do not both have."""
    told = set(re.findall(r"^\| `([a-z0-9-]+)` \|", document, re.MULTILINE))
    used = {row.id for row in rows}
    return ([f"docs/differences.md says nothing about {name}" for name in sorted(used - told)]
            + [f"no row of differences.toml has the id {name}" for name in sorted(told - used)])
