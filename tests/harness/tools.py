"""The command line clients, and tools that check our numbers without our code."""

import functools
import hashlib
import json
import os
import pathlib
import subprocess
import sys

from . import warm


class Tool:
    """A command line client, run against one server as one cloud of its clouds.yaml."""

    def __init__(self, name, server, cloud="vitrine", clouds_yaml=None):
        self.argv = [str(pathlib.Path(sys.prefix) / "bin" / name), "--os-cloud", cloud]
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        self.env["OS_CLIENT_CONFIG_FILE"] = str(clouds_yaml or server.clouds_yaml)
        self.name, self.server = name, server

    @functools.cached_property
    def warm(self):
        """What runs the commands instead of a process for each."""
        return warm.shared() if self.name == "openstack" else None

    def run(self, *arguments):
        # At a terminal, as users are: from anything else the clients read the data of an image.
        terminal, stdin = os.openpty()
        try:
            if self.warm:
                return self.warm.run([*self.argv[1:], *map(str, arguments)], self.env, os.ttyname(stdin))
            return subprocess.run([*self.argv, *map(str, arguments)], env=self.env, text=True,
                                  stdin=stdin, capture_output=True, timeout=300)
        finally:
            os.close(terminal)
            os.close(stdin)

    def __call__(self, *arguments):
        """Runs a command that must succeed; returns what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments} failed: {done.stderr}\n{self.server.log_tail()}"
        return done.stdout

    def json(self, *arguments):
        return json.loads(self(*arguments, "-f", "json"))

    def refused(self, *arguments):
        """Runs a command that must fail; returns its complaint."""
        done = self.run(*arguments)
        assert done.returncode != 0, f"{arguments} succeeded: {done.stdout}"
        return done.stderr


def glance_client(server, cloud="vitrine"):
    """The `glance` client, which reads no clouds.yaml: it is given what stands there."""
    tool = Tool("glance", server, cloud)
    config = server.connect(cloud).config
    tool.argv = tool.argv[:1]
    tool.env |= {f"OS_{name.upper()}": str(value) for name, value in config.config["auth"].items()}
    tool.env |= {"OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": config.region_name or ""}
    return tool


def table(text):
    """The rows of a printed table, its heading first."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


def fields(text):
    """A printed table of two columns as a dictionary."""
    return {row[0]: row[1] for row in table(text) if len(row) == 2}


def digest(path, algorithm):
    """What md5sum or sha512sum, not our own code, says of a file."""
    done = subprocess.run([f"{algorithm}sum", "--", path], check=True, capture_output=True, text=True)
    return done.stdout.split()[0].lstrip("\\")


def sha512(data):
    return hashlib.sha512(data).hexdigest()
