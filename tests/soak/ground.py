"""The server of a soak, its users, and the web server that it imports from and tells of events."""

import http.server
import random
import threading
import time

from harness import client, databases, faults, invariants, process, sources, tokens
from harness.server import Server

# Those that are beside the two of the first start.
PROJECTS = 4
PASSWORD = "soak"
CONFIG = """\
[DEFAULT]
enabled_backends = one:file, two:file, three:memory
image_cache_dir = {folder}/cache
[glance_store]
default_backend = one
[one]
filesystem_store_datadir = {folder}/one
[two]
filesystem_store_datadir = {folder}/two
[three]
memory_store_size = 67108864
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[image_import_opts]
image_import_plugins = []
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[oslo_policy]
policy_file = {folder}/policy.yaml
[vitrine]
metrics_listen = http://127.0.0.1:{metrics}
storage_folders = {folder}/storages
trash_days = 1
"""
# What members may here, so that more of them do more.
POLICY = """\
"copy_image": "role:member"
"delete_image_location": "role:member"
"fetch_image_location": "role:reader"
"""


def content(seed, size):
    """The data of an image, which nobody has to keep."""
    return random.Random(seed).randbytes(size)


class User:
    """Somebody of a project, with a token that a login renews."""

    def __init__(self, name, password, project_name, is_admin=False):
        self.name, self.password, self.project_name, self.is_admin = name, password, project_name, is_admin
        self.project = self.token = None

    def login(self):
        """What is sent to log in."""
        user = {"name": self.name, "password": self.password, "domain": tokens.DOMAIN}
        return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
                         "scope": {"project": {"name": self.project_name, "domain": tokens.DOMAIN}}}}

    def take(self, answer):
        """What the answer to that was."""
        self.token, self.project = answer.headers["X-Subject-Token"], answer.json["token"]["project"]["id"]


class Ground(Server):
    """A node with two file stores, one in memory, a cache and a trash; store `two` and the staging folder are on a disk
    that fails when told to."""

    def __init__(self, folder, database):
        places = {name: folder / name for name in ("one", "two", "staging", "cache", "data")}
        self.disk = faults.Disk(folder / "faults", [places["two"], places["staging"]])
        self.layout = invariants.Layout({name: invariants.Folder(places[name]) for name in ("one", "two")},
                                        (places["staging"],), places["cache"])
        self.storages = folder / "storages"
        self.storages.mkdir()
        self.metrics_port = process.free_port()
        (folder / "policy.yaml").write_text(POLICY)
        config = folder / "glance-api.conf"
        config.write_text(CONFIG.format(folder=folder, metrics=self.metrics_port))
        super().__init__(places["data"], arguments=["--config-file", config], database=database, env=self.disk.env)

    @property
    def database_port(self):
        """Where the database is connected to, if it is not a file."""
        return None if self.database.kind == databases.SQLITE else self.database.server.port

    def scraped(self):
        return client.request(self.metrics_port, "GET", "/metrics")

    def users(self):
        """Those of the first start and more, all of them logged in; administrators first."""
        text = self.clouds_yaml.read_text()
        found = []
        for cloud, is_admin in (("vitrine-admin", True), ("vitrine", False)):
            field = tokens.cloud(text, cloud)
            found.append(User(field["username"], field["password"], field["project_name"], is_admin))
        for user in found:
            self.log_in(user)
        admin = found[0].token
        roles = self.request("GET", "/identity/v3/roles?name=member", token=admin).expect(200).json["roles"]
        for number in range(PROJECTS):
            user = User(f"user{number}", PASSWORD, f"project{number}")
            project = self.made("projects", {"name": user.project_name}, admin)
            made = self.made("users", {"name": user.name, "password": PASSWORD}, admin)
            self.request("PUT", f"/identity/v3/projects/{project}/users/{made}/roles/{roles[0]['id']}",
                         token=admin).expect(204)
            self.log_in(user)
            found.append(user)
        return found

    def log_in(self, user):
        user.take(self.request("POST", "/identity/v3/auth/tokens", user.login(), token="").expect(201))

    def made(self, plural, body, token):
        """The id of something new in the identity service."""
        one = plural.removesuffix("s")
        return self.request("POST", f"/identity/v3/{plural}", {one: body}, token=token).expect(201).json[one]["id"]


class Handler(http.server.BaseHTTPRequestHandler):
    """`/good/SEED/BYTES` is `content`; `/slow` takes a while for it, `/broken` hangs up half way, `/missing` is not
    there."""

    def do_GET(self):
        _, how, seed, size = self.path.split("/")
        if how == "missing":
            self.send_error(404)
            return
        data = content(int(seed), int(size))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        half = len(data) // 2
        self.wfile.write(data[:half])
        if how == "broken":
            return
        if how == "slow":
            self.wfile.flush()
            time.sleep(1)
        self.wfile.write(data[half:])

    def do_HEAD(self):
        _, how, _, size = self.path.split("/")
        self.send_response(404 if how == "missing" else 200)
        self.send_header("Content-Length", size)
        self.end_headers()

    def do_POST(self):
        """What webhooks are sent to."""
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.told += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Origin(sources.Source):
    """Where images come from; `told` counts the events that came."""

    def __init__(self):
        self.lock, self.told = threading.Lock(), 0
        super().__init__(Handler)
