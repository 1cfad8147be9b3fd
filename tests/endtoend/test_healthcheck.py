"""`[healthcheck]` beside the real oslo.middleware: the same options, files and requests, and the same answers."""

import json
import subprocess

from harness import ROOT, Server, databases, environments

ACCEPTS = ["", "*/*", "text/*", "text/plain", "text/html", "application/json", "application/*;q=0.5, text/html;q=0.1",
           "application/json, text/html", "image/png", "text/plain;q=0, application/json"]
REQUESTS = [["GET", accept] for accept in ACCEPTS] + [["HEAD", "*/*"], ["POST", "application/json"], ["DELETE", ""]]

# The options, which may name files of the test and the port; and the files that are there.
CASES = {
    "nothing": ({"backends": ""}, []),
    "no file": ({"backends": "disable_by_file", "disable_by_file_path": "{there}"}, []),
    "a file": ({"backends": "disable_by_file", "disable_by_file_path": "{there}"}, ["there"]),
    "its details": ({"backends": "disable_by_file", "disable_by_file_path": "{there}", "detailed": "true"}, ["there"]),
    "no details": ({"backends": "disable_by_file", "disable_by_file_path": "{there}", "detailed": "true"}, []),
    "a port": ({"backends": "disable_by_files_ports", "disable_by_file_paths": "1:{other}, {port}:{there}"}, ["there"]),
    "another port": ({"backends": "disable_by_files_ports", "disable_by_file_paths": "1:{there}"}, ["there"]),
    "all there": ({"backends": "enable_by_files", "enable_by_file_paths": "{there},{other}", "detailed": "true"},
                  ["there", "other"]),
    "one missing": ({"backends": "enable_by_files", "enable_by_file_paths": "{there},{other}"}, ["there"]),
    "its name": ({"backends": "enable_by_files", "enable_by_file_paths": "{there},{other}", "detailed": "true"},
                 ["there"]),
    "two": ({"backends": "enable_by_files, disable_by_files_ports", "enable_by_file_paths": "{there}",
             "disable_by_file_paths": "{port}:{other}"}, ["there"]),
    "two, one bad": ({"backends": "disable_by_files_ports, enable_by_files", "enable_by_file_paths": "{there}",
                      "disable_by_file_paths": "{port}:{there}"}, ["there"]),
    "from here": ({"backends": "disable_by_file", "disable_by_file_path": "{other}",
                   "allowed_source_ranges": "10.0.0.0/8, 127.0.0.1"}, []),
}


def oslo(cases):
    """What it says to each (options, port)."""
    python = environments.venv("glance") / "bin/python"
    asked = [{"options": options, "port": port, "requests": REQUESTS} for options, port in cases]
    done = subprocess.run([python, ROOT / "tests/peers/oslo_health.py"], capture_output=True, text=True, timeout=60,
                          input=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def section(options):
    return "[healthcheck]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())


def seen(status, kind, body):
    """What can be compared: the page is another one, and the details of a process are its own."""
    if kind.startswith("text/html"):
        return status, kind
    if kind.startswith("application/json"):
        told = json.loads(body)
        # Printed the same way as well.
        return status, kind, told["detailed"], told["reasons"], body if not told["detailed"] else None
    return status, kind, body


class Case:
    """Options with the names of files in a folder of their own, and a server of ours that has them."""

    def __init__(self, folder, options, files=()):
        folder.mkdir()
        for file in files:
            (folder / file).touch()
        config = folder / "glance-api.conf"
        self.server = Server(folder / "data", arguments=["--config-file", config],
                             database=databases.fresh(databases.SQLITE))
        fill = {"there": folder / "there", "other": folder / "other", "port": self.server.port}
        self.options = {option: value.format(**fill) for option, value in options.items()}
        config.write_text(section(self.options))


def test_answers_are_those_of_oslo(tmp_path):
    cases = {name: Case(tmp_path / str(number), *case) for number, (name, case) in enumerate(CASES.items())}
    real = oslo([(case.options, case.server.port) for case in cases.values()])
    for (name, case), told in zip(cases.items(), real, strict=True):
        with case.server as server:
            for (method, accept), theirs in zip(REQUESTS, told, strict=True):
                headers = {"Accept": accept} if accept else {}
                answer = server.request(method, "/healthcheck", headers=headers, token="")
                ours = answer.status, answer.headers["Content-Type"] or "", answer.body.decode()
                if method == "HEAD":
                    # Of a body that is empty the type says nothing.
                    ours, theirs = (ours[0], "", ours[2]), (theirs[0], "", theirs[2])
                assert seen(*ours) == seen(*theirs), f"{name}: {method} {accept!r}"


def test_what_oslo_refuses_is_refused(tmp_path):
    """Two backends that exclude each other stop the start of either."""
    case = Case(tmp_path / "both", {"backends": "disable_by_file, enable_by_files"})
    (refused,) = oslo([(case.options, case.server.port)])
    assert isinstance(refused, str) and refused.startswith("Invalid configuration"), refused
    done = subprocess.run(case.server.argv(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "exclude each other" in done.stdout + done.stderr, done
