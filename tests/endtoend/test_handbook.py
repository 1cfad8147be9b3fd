"""The handbook: every page is in it, every link leads somewhere, every command that it names is one, and every message
that it quotes is one that the code has.
"""

import re
import subprocess

import pytest

from harness import ROOT, binary

DOCS = ROOT / "docs"
SUMMARY = DOCS / "SUMMARY.md"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(text):
    """A page without its code, where brackets mean other things."""
    lines = [line for line in re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).splitlines()
             if not line.startswith("    ")]
    return re.sub(r"`[^`]*`", "", "\n".join(lines))


def anchors(page):
    """What links to the headings of a page end with."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    texts = (re.sub(LINK, lambda link: link.group(0)[1:].split("]")[0], heading) for heading in found)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in texts}


def faults(page):
    """The links of a page that lead nowhere."""
    for target in LINK.findall(prose(page.read_text())):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists():
            yield f"{target}: there is no such file"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            yield f"{target}: there is no such heading"


def test_every_page_is_in_the_handbook_once():
    named = LINK.findall(SUMMARY.read_text())
    there = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page != SUMMARY)
    assert sorted(named) == there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert list(faults(page)) == []


def commands():
    """{words of a command: options} of every command of ours that stands in the code of a page."""
    found = {}
    for page in PAGES:
        for code in re.findall(r"^    (.*)$|`([^`\n]+)`", page.read_text(), re.MULTILINE):
            line = (code[0] or code[1]).strip().removeprefix("$ ").removeprefix("sudo ")
            if not re.match(r"vitrine [a-z]", line) or "|" in line.split("#")[0]:
                continue
            line = re.split(r"\s#| && |; ", line)[0]
            words = re.match(r"vitrine((?: [a-z][a-z-]*)+)", line).group(1).split()
            found.setdefault(tuple(words), set()).update(re.findall(r"(?<=\s)--[a-z-]+", line))
    return found


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """{words: page} of every command there is, from the parser."""
    folder = tmp_path_factory.mktemp("man")
    subprocess.run([binary(), "generate", "man", folder], check=True)
    return {page.stem: page.read_text().replace("\\-", "-") for page in folder.iterdir()}


def test_commands_are_as_the_parser_has_them(known):
    """The words up to the first argument are a command, with a page, and it has the options that are named."""
    wrong, seen = [], 0
    for words, options in commands().items():
        # What follows a command may be an argument.
        names = ["-".join(["vitrine", *words[:count]]) for count in range(len(words), 0, -1)]
        name = next((name for name in names if name in known), None)
        if name is None:
            wrong.append(f"{' '.join(words)}: no such command")
            continue
        seen += 1
        wrong += [f"{name} {option}" for option in options - {"--help", "--version"} if option not in known[name]]
    assert wrong == [] and seen > 20


def quoted():
    """The messages in the first column of the tables of symptoms."""
    page = (DOCS / "troubleshooting.md").read_text()
    for table in re.findall(r"^\| message \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE):
        for row in table.splitlines():
            found = re.findall(r"`([^`]+)`", row.split(" | ")[0])
            assert found, f"no message is quoted: {row}"
            # What else is quoted beside it says where it stands.
            yield found[0]


def test_messages_are_those_of_the_code():
    """What stands between the ellipses of a message is, in this order, in one text of the code."""
    files = [file for file in sorted((ROOT / "src").rglob("*.rs")) if not file.stem.startswith("tests")]
    code = "\n".join(file.read_text().split("#[cfg(test)]\nmod tests {")[0] for file in files)
    # A text that goes on in the next line.
    code = re.sub(r"\\\n\s*", "", code)
    messages, wrong = list(quoted()), []
    for message in messages:
        parts = [re.escape(part.strip(": ")) for part in message.split("…") if part.strip()]
        if not re.search(r"[^\n]{0,100}?".join(parts), code):
            wrong.append(message)
    assert wrong == [] and len(messages) > 30
