"""`vitrine serve`: the process, its folders, its HTTP."""

import os
import pathlib
import signal
import subprocess

from . import client, databases, places, process, tokens

# For how long a dead node's word counts; what it left is cleaned up after that at the latest.
LEASE_S = 15
# A database is not away because its machine is busy with other tests; the second is for tests of one that is.
PATIENT, DOUBTFUL = ({"OS_VITRINE__DATABASE_WAIT": seconds} for seconds in ("20", "2"))


class Server:
    """One `vitrine serve` on one data folder; may be started, killed and started again.

    `database` is one of `databases`, shared with whoever else is given it; without it the server has one of its own,
    of the kind that was chosen for the run. `anonymous` sends requests without a token, for configurations that ask
    nobody who they are. `tmpfs` names folders below the data folder, with a size in bytes each, that get a small file
    system of their own. They live in a mount namespace of this server, so that nothing of them outlives it; `seen` is
    the way to look into them. `env` is added to its environment.
    """

    def __init__(self, data_dir, port=None, tmpfs=None, arguments=(), database=None, anonymous=False, binary=None,
                 env=None):
        self.data_dir = pathlib.Path(data_dir)
        self.port = port or process.free_port()
        self.tmpfs = tmpfs or {}
        self.database = database or databases.fresh()
        self.arguments = [*map(str, arguments), *self.database.arguments]
        self.binary = pathlib.Path(binary or places.binary()).resolve()
        self.log = self.data_dir.parent / f"{self.data_dir.name}.log"
        self.env = os.environ | PATIENT | (env or {})
        self.process = None
        self._token = "" if anonymous else None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def argv(self):
        serve = [str(self.binary), "serve", "--data-dir", str(self.data_dir),
                 "--bind", f"127.0.0.1:{self.port}", *self.arguments]
        if not self.tmpfs:
            return serve
        mounts = "".join(f"mkdir -p '{self.data_dir / name}' && "
                         f"mount -t tmpfs -o size={size} vitrine-test '{self.data_dir / name}' && "
                         for name, size in self.tmpfs.items())
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        return ["unshare", *user, "--mount", "sh", "-c", mounts + 'exec "$@"', "sh", *serve]

    def start(self):
        self.process = process.start(f"the server at {self.url}", self.argv(), self.log, self._answers,
                                     env=self.env)
        return self

    def _answers(self):
        try:
            return self.request("GET", "/versions", token="").status == 200
        except OSError:
            return False

    def log_tail(self, lines=20):
        return process.tail(self.log, lines)

    def kill(self):
        """SIGKILL: no chance to tidy up."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def terminate(self, timeout_s=process.PATIENCE_S):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    # What stands behind it.

    def command(self, *words, status=0):
        """Runs another command of the binary on this server's configuration and database.

        Returns what it printed; of a command that has to fail, what it complained about as well.
        """
        argv = [self.binary, *words, "--data-dir", self.data_dir, *self.arguments]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=180)
        assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
        return done.stderr + done.stdout if status else done.stdout

    def seen(self, path):
        """The path as the server sees it, whatever is mounted there."""
        return pathlib.Path(f"/proc/{self.process.pid}/root{path}")

    @property
    def images_dir(self):
        return self.seen(self.data_dir) / "images"

    def rows(self, sql, *values):
        """The rows that a query of its database gives; values stand for question marks."""
        return self.database.rows(self.seen(self.data_dir), sql, values)

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

    def login(self, cloud="vitrine"):
        """(a fresh token, id of its project) of a user of the clouds.yaml."""
        return tokens.login(self.port, self.clouds_yaml, cloud)

    def token(self):
        """A token of the demo user, the same for as long as this object lives."""
        if self._token is None:
            self._token, _ = self.login()
        return self._token

    def request(self, method, path, body=None, headers=None, token=None, timeout_s=60):
        """One request on a connection of its own; see `client.request`. No token is sent when it is empty."""
        token = self.token() if token is None else token
        headers = dict(headers or {}) | ({"X-Auth-Token": token} if token else {})
        return client.request(self.port, method, path, body, headers, timeout_s)

    def create(self, **fields):
        """A raw, bare image without data; returns its id."""
        body = {"name": "image", "disk_format": "raw", "container_format": "bare"} | fields
        return self.request("POST", "/v2/images", body).expect(201).json["id"]

    def show(self, image):
        return self.request("GET", f"/v2/images/{image}").expect(200).json

    def patch(self, image, *operations):
        return self.request("PATCH", f"/v2/images/{image}", list(operations),
                            {"Content-Type": "application/openstack-images-v2.1-json-patch"})

    def put(self, image, data, place="file", timeout_s=60):
        return self.request("PUT", f"/v2/images/{image}/{place}", data,
                            {"Content-Type": "application/octet-stream"}, timeout_s=timeout_s)

    def download(self, image):
        return self.request("GET", f"/v2/images/{image}/file").expect(200).body

    def begin_import(self, image, method, **more):
        """Asks for an import; `method` is what its JSON says."""
        self.request("POST", f"/v2/images/{image}/import", {"method": method, **more}).expect(202)

    def finished_import(self, image, timeout_s=180):
        """The task of the only import of an image, once it is over."""
        def over():
            (task,) = self.request("GET", f"/v2/images/{image}/tasks").expect(200).json["tasks"]
            return task if task["status"] in ("success", "failure") else None
        return process.wait_for(f"the import of {image} is over", over, timeout_s)
