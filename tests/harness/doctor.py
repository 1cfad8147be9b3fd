"""`vitrine doctor`, and what it has found."""

import json
import os
import subprocess

from .places import binary
from .server import Server


def environment(more=None):
    """That of this process without credentials."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OS_")} | (more or {})


def argv(place, *words):
    """`place` is a server, or a data folder and arguments."""
    data_dir, arguments = (place.data_dir, place.arguments) if isinstance(place, Server) else place
    return [str(word) for word in (binary(), "doctor", "--data-dir", data_dir, *arguments, *words)]


def run(place, *words, env=None, prefix=(), timeout_s=240):
    return subprocess.run([*prefix, *argv(place, *words)], capture_output=True, text=True, timeout=timeout_s,
                          env=environment(env))


def findings(place, *words, code=0, **options):
    """{(check, id, severity)} of all that is not as it should be; the exit code must be that."""
    done = run(place, "--json", *words, **options)
    assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    report = json.loads(done.stdout)
    found = [(check["id"], finding) for check in report["checks"] for finding in check["findings"]]
    for severity in ("failure", "warning", "note"):
        assert report[f"{severity}s"] == sum(finding["severity"] == severity for _, finding in found)
    return {(check, finding["id"], finding["severity"]) for check, finding in found if finding["severity"] != "ok"}


def only(check, place, *words, **options):
    """{(id, severity)} of one check."""
    return {(name, severity) for _, name, severity in findings(place, "--only", check, *words, **options)}


def credentials(server):
    return {"OS_CLIENT_CONFIG_FILE": str(server.clouds_yaml), "OS_CLOUD": "vitrine"}


def images(server):
    return server.request("GET", "/v2/images").expect(200).json["images"]
