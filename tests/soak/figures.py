"""What `/metrics` says."""

import re

LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')


def read(text):
    """{(name, labels): value} of a scrape; labels are their pairs, in the order of their names."""
    found = {}
    for line in text.splitlines():
        if match := LINE.match(line):
            name, labels, value = match.groups()
            found[name, tuple(sorted(LABEL.findall(labels or "")))] = float(value)
    return found


def since(before, after):
    """[[name, {label: value}, value]]: how far counters have gone, and where the rest stands."""
    def moved(key):
        return after[key] - before.get(key, 0) if key[0].endswith("_total") else after[key]
    return [[name, dict(labels), moved((name, labels))] for name, labels in sorted(after)]
