"""Programs in Go that use the service by Debian's gophercloud, built from what Debian has and nothing else."""

import json
import os
import subprocess

from . import environments, places

PROGRAMS = places.ROOT / "tests/clients/go"
# Where Debian's packages have the source of libraries.
LIBRARIES = "/usr/share/gocode"


def built():
    """The program of tests/clients/go, built when it is missing."""
    files = sorted(PROGRAMS.glob("*.go"))
    version = subprocess.run(["go", "version"], check=True, capture_output=True, text=True).stdout
    name = environments.digest_of(version, *files)
    with environments.cached_folder(f"go-{name}") as (folder, is_new):
        if is_new:
            offline = {"GOPATH": LIBRARIES, "GO111MODULE": "off", "GOFLAGS": "", "GOPROXY": "off", "CGO_ENABLED": "0",
                       "GOCACHE": str(places.CACHE / "go-build")}
            for command in (["vet"], ["build", "-o", folder / "terraform"]):
                subprocess.run(["go", *command, *files], check=True, env=os.environ | offline)
        return folder / "terraform"


class Terraform:
    """The program as one user, with a state of its own."""

    def __init__(self, program, state, auth_url, username, password, project):
        self.argv, self.state = [program], state
        self.env = {"PATH": os.environ["PATH"], "OS_AUTH_URL": auth_url, "OS_USERNAME": username,
                    "OS_PASSWORD": password, "OS_PROJECT_NAME": project}

    def tried(self, verb, resources=(), sources=()):
        """What a run said, however it ended."""
        wanted = json.dumps({"resources": list(resources), "sources": list(sources)})
        done = subprocess.run([*self.argv, verb, self.state], input=wanted, env=self.env, check=True, text=True,
                              capture_output=True, timeout=120)
        return json.loads(done.stdout)

    def __call__(self, verb, resources=(), sources=()):
        """What a run said that must succeed."""
        told = self.tried(verb, resources, sources)
        assert not told["error"], told
        return told

    def refused(self, verb, resources=(), sources=()):
        """The complaint of a run that must fail."""
        told = self.tried(verb, resources, sources)
        assert told["error"], told
        return told["error"]
