"""Runs the built `vitrine` binary and talks to it: the process, its folders, its HTTP.

The binary is the one that VITRINE names; `make test` builds it and says where it is.
"""

import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# How long anything may take that should take a moment; reached only by a failure.
PATIENCE_S = 30
# For how long a dead node's word counts; what it left is cleaned up after that at the latest.
LEASE_S = 15


def binary():
    return pathlib.Path(os.environ.get("VITRINE", ROOT / "target/debug/vitrine")).resolve()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, timeout_s=PATIENCE_S):
    """Asks until the condition answers something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        if result := condition():
            return result
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain: {what}"
        time.sleep(0.02)


class Server:
    """One `vitrine serve` on one data folder; may be started, killed and started again.

    `tmpfs` names folders below the data folder, with a size in bytes each, that get a small file
    system of their own. They live in a mount namespace of this server, so that nothing of them
    outlives it; `seen` is the way to look into them.
    """

    def __init__(self, data_dir, port=None, tmpfs=None, arguments=()):
        self.data_dir = pathlib.Path(data_dir)
        self.port = port or free_port()
        self.tmpfs = tmpfs or {}
        self.arguments = list(arguments)
        self.log = self.data_dir.parent / f"{self.data_dir.name}.log"
        self.process = None
        self._token = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def argv(self):
        serve = [str(binary()), "serve", "--data-dir", str(self.data_dir),
                 "--bind", f"127.0.0.1:{self.port}", *self.arguments]
        if not self.tmpfs:
            return serve
        mounts = "".join(f"mkdir -p '{self.data_dir / name}' && "
                         f"mount -t tmpfs -o size={size} vitrine-test '{self.data_dir / name}' && "
                         for name, size in self.tmpfs.items())
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        return ["unshare", *user, "--mount", "sh", "-c", mounts + 'exec "$@"', "sh", *serve]

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        try:
            wait_for(f"{self.url} answers, see {self.log}", self._answers)
        except BaseException:
            self.kill()
            raise
        return self

    def _answers(self):
        assert self.process.poll() is None, f"the server ended while starting:\n{self.log_tail()}"
        try:
            return self.request("GET", "/versions", token="").status == 200
        except OSError:
            return False

    def log_tail(self, lines=20):
        return "".join(open(self.log, errors="replace").readlines()[-lines:])

    def kill(self):
        """SIGKILL: no chance to tidy up."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def terminate(self, timeout_s=PATIENCE_S):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    # What stands behind it.

    def seen(self, path):
        """The path as the server sees it, whatever is mounted there."""
        return pathlib.Path(f"/proc/{self.process.pid}/root{path}")

    @property
    def images_dir(self):
        return self.seen(self.data_dir) / "images"

    def rows(self, sql, *values):
        """The rows that a query of the embedded database gives."""
        database = self.seen(self.data_dir) / "vitrine.sqlite"
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=PATIENCE_S)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    # HTTP.

    @property
    def clouds_yaml(self):
        # The clients run outside of the server's mounts.
        return self.seen(self.data_dir / "clouds.yaml") if self.tmpfs else self.data_dir / "clouds.yaml"

    def connect(self, cloud="vitrine", clouds_yaml=None):
        """An openstacksdk connection as the named cloud of the printed clouds.yaml."""
        import openstack
        config = openstack.config.OpenStackConfig(config_files=[str(clouds_yaml or self.clouds_yaml)])
        return openstack.connection.Connection(config=config.get_one(cloud=cloud))

    def token(self):
        """A token of the demo user, the same for as long as this object lives."""
        if self._token is None:
            self._token = self.connect().auth_token
        return self._token

    def request(self, method, path, body=None, headers=None, token=None, timeout_s=60):
        """One request on a connection of its own; a body that is no bytes is sent as JSON."""
        headers = dict(headers or {})
        token = self.token() if token is None else token
        if token:
            headers["X-Auth-Token"] = token
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def create(self, **fields):
        """A raw, bare image without data; returns its id."""
        body = {"name": "image", "disk_format": "raw", "container_format": "bare"} | fields
        return self.request("POST", "/v2/images", body).expect(201).json["id"]

    def show(self, image):
        return self.request("GET", f"/v2/images/{image}").expect(200).json

    def patch(self, image, *operations):
        return self.request("PATCH", f"/v2/images/{image}", list(operations),
                            {"Content-Type": "application/openstack-images-v2.1-json-patch"})

    def put(self, image, data):
        return self.request("PUT", f"/v2/images/{image}/file", data,
                            {"Content-Type": "application/octet-stream"})

    def download(self, image):
        return self.request("GET", f"/v2/images/{image}/file").expect(200).body


class Answer:
    """A whole HTTP answer. Reading one that was cut short raises an OSError."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        try:
            self.body = response.read()
        except http.client.IncompleteRead as cut:
            raise ConnectionError("the answer was cut short") from cut

    @property
    def json(self):
        return json.loads(self.body)

    def expect(self, *statuses):
        assert self.status in statuses, f"{self.status} instead of {statuses}: {self.body[:500]!r}"
        return self


class OpenUpload:
    """An upload whose pieces are sent one by one, chunked as clients do that know no size."""

    def __init__(self, server, image):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.connection.putrequest("PUT", f"/v2/images/{image}/file")
        for name, value in (("X-Auth-Token", server.token()), ("Transfer-Encoding", "chunked"),
                            ("Content-Type", "application/octet-stream")):
            self.connection.putheader(name, value)
        self.connection.endheaders()

    def send(self, piece):
        self.connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    def finish(self):
        self.connection.send(b"0\r\n\r\n")
        return Answer(self.connection.getresponse())

    def abort(self):
        self.connection.close()


class Tool:
    """A command line client, run against one server as one cloud of its clouds.yaml."""

    def __init__(self, name, server, cloud="vitrine", clouds_yaml=None):
        self.argv = [str(pathlib.Path(sys.prefix) / "bin" / name), "--os-cloud", cloud]
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        self.env["OS_CLIENT_CONFIG_FILE"] = str(clouds_yaml or server.clouds_yaml)
        self.server = server

    def run(self, *arguments):
        # At a terminal, as users are: from anything else the clients read the data of an image.
        terminal, stdin = os.openpty()
        try:
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
