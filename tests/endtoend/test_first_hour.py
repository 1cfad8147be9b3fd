"""The handbook's first hour: what its page says is typed on two machines, and they answer what it says."""

import re
import shlex

import pytest

from harness import ROOT, environments
from harness.machine import Machine, build, connect

PAGE = ROOT / "docs/first-hour.md"
PROMPT = re.compile(r"(one|two)# (.*)")
# What is another one on each machine and at each time, and the rest of a line.
VARIABLE = {"…": ".*", "ID": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "TIME": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}
# Packages of others cannot be fetched there: those of Debian are installed, and the client is the one of the tests.
CLIENT = f"ln -sf {environments.venv('clients')}/bin/openstack /usr/bin/"
INSTEAD = {"apt install python3-openstackclient qemu-utils": CLIENT, "apt install postgresql": "true",
           "apt install prometheus": "true"}
# A cluster that nobody has used, which runs as after its installation.
CLUSTER = """pg_dropcluster --stop 15 main || true
pg_createcluster 15 main
systemctl daemon-reload
systemctl start postgresql"""
# Each line sees what those before it have set.
TYPED = """cd $HOME
[ ! -e .state ] || . ./.state
eval "$1" || exit
{ export -p; declare -f; } > $HOME/.state"""


def typed(text):
    """(machine, what is typed, what is shown) of a page, in its order."""
    found, end = [], None
    for line in re.findall(r"^    (.*)$|^$", text, re.MULTILINE):
        said = PROMPT.fullmatch(line)
        if end or (found and found[-1][1].endswith("\\")):
            found[-1][1] += f"\n{line}"
            end = None if line == end else end
        elif said:
            end = "END" if said[2].endswith("<<END") else None
            found.append([said[1], said[2], []])
        elif line:
            found[-1][2].append(line)
    return found


def pattern(line):
    """What a line that is shown stands for."""
    marked = re.sub(VARIABLE["TIME"], "\0TIME\0", re.sub(VARIABLE["ID"], "\0ID\0", line.replace("…", "\0…\0")))
    return "".join(VARIABLE[part] if at % 2 else re.escape(part) for at, part in enumerate(marked.split("\0")))


@pytest.fixture
def machines(tmp_path):
    """{name: machine}, with a package of ours that is not installed, and a folder that both have."""
    (tmp_path / "images").mkdir(mode=0o755)
    package = build(tmp_path / "package", "0.1.0")["vitrine"].read_bytes()
    shared = (tmp_path / "images", "/srv/images")
    one, two = (Machine(tmp_path / name, name=name, shared=shared) for name in ("one", "two"))
    with one, two:
        connect([one, two])
        for machine in (one, two):
            machine.run("mkdir", "/srv/home")
            machine.put("/srv/home/vitrine_0.1.0_amd64.deb", package)
        one.run("sh", "-ec", CLUSTER)
        yield {"one": one, "two": two}


def test_the_first_hour_is_as_the_page_says(machines):
    """Every command succeeds, and prints what is shown below it."""
    lines = typed(PAGE.read_text())
    assert len(lines) > 50
    for name, command, shown in lines:
        done = machines[name].run("env", "HOME=/srv/home", "LANG=C.UTF-8", "bash", "-c", TYPED, "bash",
                                  INSTEAD.get(command, command))
        if shown:
            expected = "\n".join(map(pattern, shown))
            assert re.fullmatch(expected, done.strip()), f"{name}# {command}\n{done}\n{shlex.quote(expected)}"
