"""What the tests that failed said, taken out of what their suite printed, so that the end of a run tells it again."""

import re

# Of one failure the last lines, which say what was wrong; of a suite the first failures.
LINES, FAILURES = 15, 8


def cargo(output):
    """[(test, words)]: of each test that failed what it printed, as `cargo test` repeats it after the last test."""
    found = re.findall(r"^---- (\S+) stdout ----\n(.*?)(?=^---- |^failures:$)", output, re.MULTILINE | re.DOTALL)
    return [(name, words.strip()) for name, words in found]


def junit(cases):
    """The same of the test cases of a report of JUnit's."""
    faults = [(case, fault) for case in cases for fault in (case.find("failure"), case.find("error"))
              if fault is not None]
    return [(f"{case.get('classname')}.{case.get('name')}", f"{fault.text or ''}\n{printed(case)}".strip())
            for case, fault in faults]


def printed(case):
    """The seed of what goes by chance, which is all that is wanted of what a test prints."""
    said = "".join(case.findtext(name) or "" for name in ("system-out", "system-err"))
    return "\n".join(sorted(set(re.findall(r"^KILL_SEED=\d+$", said, re.MULTILINE))))


def lines(output):
    """The same of a suite of our own, which begins a line with FAILED for each; indented lines say more."""
    found = re.findall(r"^FAILED +(.+)\n((?: {4}.*\n)*)", output, re.MULTILINE)
    return [(name, re.sub(r"^ {4}", "", words, flags=re.MULTILINE)) for name, words in found]


def told(failures):
    """The text for the end of a run."""
    text = []
    for name, words in failures[:FAILURES]:
        text.append(f"FAILED {name}")
        text.extend(f"    {line}" for line in words.splitlines()[-LINES:])
    if more := failures[FAILURES:]:
        text.append(f"FAILED and {len(more)} more")
    return "\n".join(text)
