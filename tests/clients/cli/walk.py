"""Books of command lines: each command and each option of the clients, one line after the other.

A line is `PERSONA: COMMAND`, where words in braces stand for what differs from run to run; a `!` in front says that the
command must fail, and `=> NAME=POINTER` keeps what stands at that pointer of the answer. `settle: image ID` and
`settle: task ID` wait until the work is over. Commands of `openstack` that can answer in JSON are asked to.
"""

import argparse
import ast
import functools
import importlib.metadata
import json
import os
import pathlib
import re
import shlex
from typing import NamedTuple

HERE = pathlib.Path(__file__).parent
# Whether a command of `openstack` has JSON to print.
IN_JSON = ["-f", "json"]
LINE = re.compile(r"(?P<fails>! )?(?P<persona>\w+): (?P<command>.+?)(?: => (?P<name>\w+)=(?P<pointer>\S+))?")
# Lists in the order in which the catalogue was loaded, which is that of the files in some folder.
UNORDERED = {"image metadef namespace list", "image metadef resource type list", "md-namespace-list",
             "md-resource-type-list"}
BEGINS_WORK = re.compile(r"image[ -]import (?!info)|image-create-via-import|--import |add-location")
# What cliff adds to the options of every command that prints something: how it is printed.
FORMATTERS = re.compile(r"(output|table|json|shell|csv|value|yaml)[ _]?(formatter.*)?", re.IGNORECASE)


class Line(NamedTuple):
    """A line of a book."""

    name: str
    persona: str
    words: list
    fails: bool
    keep: tuple | None


def read(book):
    """The lines of a book; those that are there twice are numbered."""
    found, names = [], {}
    for text in (HERE / f"{book}.txt").read_text().splitlines():
        if not text or text.startswith("#"):
            continue
        line = LINE.fullmatch(text)
        if not line:
            raise ValueError(f"{book}.txt: {text}")
        name = f"{line['persona']}: {line['command']}"
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name = f"{name} #{names[name]}"
        keep = (line["name"], line["pointer"]) if line["name"] else None
        found.append(Line(name, line["persona"], shlex.split(line["command"]), bool(line["fails"]), keep))
    return found


# What there is

@functools.cache
def openstack_commands():
    """{command: (its parser, whether it prints JSON)} of `openstack` that the service of images answers."""
    from cliff import lister, show

    found = {}
    for entry in importlib.metadata.entry_points(group="openstack.image.v2"):
        command = entry.load()
        name = entry.name.replace("_", " ")
        prints_json = issubclass(command, (lister.Lister, show.ShowOne))
        found[name] = command(None, None).get_parser(f"openstack {name}"), prints_json
    return found


@functools.cache
def glance_commands():
    """{command: its parser} of `glance`."""
    from glanceclient import shell

    program = shell.OpenStackImagesShell()
    program.get_base_parser([])
    (commands,) = (action for action in program.get_subcommand_parser(2, [])._actions
                   if isinstance(action, argparse._SubParsersAction))
    return dict(commands.choices)


def parsers(book):
    if book == "openstack":
        return {name: parser for name, (parser, _) in openstack_commands().items()}
    return glance_commands()


def offered(book):
    """{(command, its option): all spellings of it}."""
    found = {}
    for command, parser in parsers(book).items():
        foreign = {id(action) for group in parser._action_groups if FORMATTERS.fullmatch(group.title or "")
                   for action in group._group_actions}
        for action in parser._actions:
            if isinstance(action, argparse._HelpAction) or id(action) in foreign or not action.option_strings:
                continue
            found[command, max(action.option_strings, key=len)] = frozenset(action.option_strings)
    return found


def command_of(book, words):
    """The command that a line calls: the longest that its words begin with."""
    names = parsers(book)
    # Options of the program itself may come first.
    for start in range(1, len(words)):
        for length in range(len(words), start, -1):
            if (name := " ".join(words[start:length])) in names:
                return name
    raise ValueError(f"there is no command {' '.join(words)}")


def missing(book, lines, elsewhere):
    """The commands and options that no line has, but those that `elsewhere` names."""
    used = {}
    for line in lines:
        if line.persona != "settle":
            used.setdefault(command_of(book, line.words), set()).update(line.words)
    commands = {(name, "") for name in parsers(book) if name not in used}
    options = {(name, option) for (name, option), spellings in offered(book).items()
               if not spellings & used.get(name, set())}
    return sorted((commands | options) - set(elsewhere))


# Walking

class Person:
    """Somebody who uses the clients, at a terminal of his own."""

    def __init__(self, warm, home, auth_url, username, password, project):
        home.mkdir(parents=True, exist_ok=True)
        self.warm, self.answers = warm, home / "answers"
        self.answers.write_text("\n")
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "200", "OS_AUTH_URL": auth_url,
                    "OS_USERNAME": username, "OS_PASSWORD": password, "OS_PROJECT_NAME": project,
                    "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default",
                    "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": "RegionOne"}

    def run(self, words):
        program, *arguments = words
        if "--sign-key-path" in words:
            # Asks for the password of the key, which is the empty first line.
            return self.warm.run(arguments, self.env, self.answers, program)
        terminal, stdin = os.openpty()
        try:
            return self.warm.run(arguments, self.env, os.ttyname(stdin), program)
        finally:
            os.close(terminal)
            os.close(stdin)


def walk(book, lines, people, words, settle, mask):
    """Yields (line, answer in the form of tests/peers/differences.py, and the end of what it `said` is wrong)."""
    words = dict(words)
    for line in lines:
        argv = [filled(word, words) for word in line.words]
        if line.persona == "settle":
            settle(*argv)
            continue
        prints_json = book == "openstack" and openstack_commands()[command_of(book, line.words)][1]
        done = people[line.persona].run(argv + (IN_JSON if prints_json else []))
        body = printed(done.stdout, prints_json)
        if line.keep:
            words[line.keep[0]] = at(body, line.keep[1])
        # An image that is being imported, or whose location is being read, is printed as it is at some moment; a later
        # line shows what became of it.
        body = [] if BEGINS_WORK.search(" ".join(line.words)) else comparable(command_of(book, line.words), body)
        yield line, {"status": done.returncode, "headers": {"complaint": complaint(done.stderr)}, "body": mask(body),
                     "said": done.stderr.strip()[-500:]}


def filled(text, words):
    return re.sub(r"\{(\w+)\}", lambda found: str(words.get(found[1], found[0])), text)


def at(value, pointer):
    for key in pointer.strip("/").split("/"):
        value = value[int(key) if isinstance(value, list) else key]
    return value


def complaint(stderr):
    """What is wrong by what number; the words are each service's own, and warnings nobody's."""
    codes = re.findall(r"HTTP (\d{3})|HTTPException: (\d{3})|Exception: (\d{3}):", stderr)
    return sorted({code for found in codes for code in found if code})


def printed(stdout, is_json):
    """Output as something with members: JSON, a table as its rows, else lines."""
    text = re.sub(r"^\[=*>?\s*\]\s*\d+%[\r\n]*|\r[^\n]*", "", stdout, flags=re.MULTILINE)
    if is_json and text.strip():
        return json.loads(text)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines() if row.startswith("|")]
    if not rows:
        return [row.rstrip() for row in text.splitlines() if row.strip()]
    heading, *entries = rows
    if heading == ["Property", "Value"]:
        # Where a long value goes on in the next row, a blank may have been lost.
        return {name: json.loads("".join(value.split())) if value.startswith(("[", "{")) else value
                for name, value in joined(entries)}
    return [dict(zip(heading, row)) for row in entries]


def comparable(command, body):
    """Output without the order of what has none, and without prose."""
    if command in UNORDERED and isinstance(body, list):
        return sorted(body, key=json.dumps)
    if command in ("bash-completion", "bash_completion"):
        return sorted(" ".join(body).split())
    if command == "explain":
        return [{key: value for key, value in row.items() if key != "Description"} for row in body]
    for row in body if isinstance(body, list) else [body]:
        for key in {"tags", "Tags"} & set(row):
            # `glance` prints what Python calls a list.
            tags = ast.literal_eval(row[key]) if isinstance(row[key], str) else row[key]
            row[key] = sorted(tags, key=json.dumps)
    return body


def joined(rows):
    """Pairs of a table whose long values go on in the next row."""
    found = []
    for name, value in rows:
        if name or not found:
            found.append([name, value])
        else:
            found[-1][1] += value
    return found
