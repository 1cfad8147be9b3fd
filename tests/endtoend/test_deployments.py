"""What seven deployment tools write and run: their files, pointed to places of the test, their commands and services.

The files are in tests/data/config, and docs/moving-in.md says which releases of the tools wrote them.
"""

import filecmp
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid

import certifi
import pytest

from harness import ROOT, Server, binary, certificates, databases, free_port, process

DATA = ROOT / "tests/data/config"
KEYSTONE = ROOT / "tests/peers/keystone"
# Of the person of tests/peers/personas.py by the name that all seven give to the service.
PASSWORD = "a-password-for-tests"

API = ("glance-api",)
DB_SYNC, METADEFS = ("glance-manage", "db_sync"), ("glance-manage", "db_load_metadefs")
NAMED = ("--config-file", "/etc/glance/glance-api.conf")
FOLDER = ("--config-dir", "/etc/glance/glance.conf.d")
CLEANER, PRUNER = "glance-cache-cleaner", "glance-cache-pruner"
# What the tool runs before the service, the service, and what its jobs run beside it.
TOOLS = {
    # The names of these files in a container of the service, and its entry point in both of its modes.
    "kolla": ([DB_SYNC, METADEFS], API,
              [("glance-manage", "db", part) for part in ("expand", "migrate", "contract")]),
    "osa": ([DB_SYNC, (*METADEFS, "/etc/glance/metadefs")], API, [(PRUNER,), (CLEANER,)]),
    # uWSGI listens where its own file says.
    "devstack": ([("glance-manage", *NAMED, "db_sync"), ("glance-manage", *NAMED, "db_load_metadefs")],
                 ("glance-wsgi-api", "--host", "127.0.0.1", "--port", "{port}"), []),
    "puppet": ([DB_SYNC, METADEFS], API,
               [("glance-manage", "db", "purge", "--age_in_days", "30", "--max_rows", "100"),
                ("glance-manage", "db", "purge_images_table", "--age_in_days", "180", "--max_rows", "100"),
                (CLEANER,), (PRUNER,)]),
    "charm": ([DB_SYNC], ("glance-api", *NAMED, "--log-file=/var/log/glance/glance-api.log"), []),
    "helm": ([DB_SYNC, ("glance-manage", *NAMED, *FOLDER, "db_load_metadefs", "/etc/glance/metadefs")], API, []),
    "rhoso": ([("glance-manage", *FOLDER, "db", "sync", "glance"), METADEFS], ("glance-api", *FOLDER),
              [("glance-manage", *FOLDER, "db", "purge", "30"), (CLEANER, *FOLDER), (PRUNER, *FOLDER)]),
}
# Folders of the default stores that are not the usual one.
STORES = {"devstack": "opt/stack/data/glance/fast"}
# What any operator may run.
TOOLBOX = [("glance-status", "upgrade", "check"), ("glance-manage", "db", "check"), ("glance-scrubber",), (CLEANER,),
           (PRUNER,), ("glance-cache-prefetcher",)]

# Three commands in one process, since most of the time of one goes by while it starts.
OPENSTACK = """
import json, sys
from openstackclient.shell import main
for words in json.loads(sys.argv[1]):
    if code := main(words):
        sys.exit(f"{words}: {code}")
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    subprocess.run([binary(), "links", folder], check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    """The folder of a real Keystone, and its URL."""
    folder = tmp_path_factory.mktemp("keystone")
    done = subprocess.run([KEYSTONE, "up", "--dir", folder, "--image", "http://127.0.0.1:9292"], text=True,
                          stdout=subprocess.PIPE, timeout=600)
    assert done.returncode == 0
    yield folder, done.stdout.split()[-1]
    subprocess.run([KEYSTONE, "down", "--dir", folder], check=True, timeout=60)


class Secured:
    """A MariaDB that speaks TLS, and the files of its clients by the options that name them in a URL."""

    def __init__(self, folder):
        authority = certificates.Authority(folder, "authority")

        def certificate(place):
            copy = place / "authority.pem"
            copy.write_bytes(authority.file.read_bytes())
            return *authority.issue(place, "server", ["127.0.0.1"]), copy

        self.server = databases.Mariadb(certificate=certificate)
        # Where a file or a URL speaks of TLS, nothing else will do.
        self.server.run(*self.server.client, "CREATE USER 'secured'@'127.0.0.1' REQUIRE SSL; "
                        "GRANT ALL ON *.* TO 'secured'@'127.0.0.1'")
        client, key = authority.issue(folder, "client")
        self.files = {"ssl_ca": authority.file, "ssl_cert": client, "ssl_key": key}


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    return Secured(tmp_path_factory.mktemp("tls"))


class Place:
    """A machine with the files of a tool, below a folder; its database and Keystone are those of the test."""

    def __init__(self, tool, folder, keystone_url, secured):
        self.folder, self.port, self.secured = folder, free_port(), secured
        self.database = secured.server.create()
        self.url = keystone_url
        etc = folder / "etc/glance"
        to = etc / "glance.conf.d" if tool == "rhoso" else etc
        for part in (to, etc / "glance.conf.d", etc / "metadefs", *(folder / name for name in (
                "home", "var/lib/glance", "var/log/glance", "var/log/kolla/glance", "opt/stack/data/glance"))):
            part.mkdir(parents=True, exist_ok=True)
        for path in (DATA / tool).glob("*"):
            if path.is_dir():
                shutil.copytree(path, etc / path.name)
            elif path.name != "warnings.txt":
                (to / path.name).write_text(self.placed(path.read_text()))
        # Named by RHOSO's URL.
        (folder / "etc/my.cnf").write_text(re.sub("(?<=ssl-ca=).*", str(secured.files["ssl_ca"]),
                                                  (DATA / "rhoso/my.cnf").read_text()))
        # Named by RHOSO's memcached, which is not there.
        for option, path in (("ssl_ca", "certs/memcached-ca.crt"), ("ssl_cert", "certs/memcached.crt"),
                             ("ssl_key", "private/memcached.key")):
            place = folder / "var/lib/config-data/tls" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(secured.files[option], place)
        (etc / "metadefs/one.json").write_text(json.dumps({"namespace": "One", "visibility": "public"}))
        # Where programs look for files that nobody names, before they look in /etc/glance.
        (folder / "home/.glance").symlink_to(etc)
        # DevStack names the folder to the service, and to no command.
        self.named = {"OS_GLANCE_CONFIG_DIR": str(etc), "HOME": str(folder)} if tool == "devstack" else {}
        self.env = {"HOME": str(folder / "home"), "OS_DEFAULT__BIND_HOST": "127.0.0.1",
                    "OS_VITRINE__DATA_DIR": str(folder / "var/lib/glance/vitrine"),
                    # RHOSO leaves this to Glance's default, which is the same folder of the real machine.
                    "OS_DEFAULT_BACKEND__FILESYSTEM_STORE_DATADIR": str(folder / "var/lib/glance/images")}

    def here(self, text):
        paths = r"(?<![\w./:-])(/etc/glance|/etc/my\.cnf|/var/lib|/var/log|/opt/stack)"
        return re.sub(paths, rf"{self.folder}\1", text)

    def placed(self, text):
        """A file of the tool with ports, hosts, passwords and paths of the test, and no store but those that it has."""
        values = {
            ("DEFAULT", "bind_port"): lambda _: self.port,
            ("DEFAULT", "use_keystone_limits"): lambda _: "false",
            ("DEFAULT", "enabled_backends"): self.stores,
            ("database", "connection"): self.connection,
            ("keystone_authtoken", "auth_url"): lambda _: self.url,
            ("keystone_authtoken", "password"): lambda _: PASSWORD,
            ("keystone_authtoken", "cafile"): lambda _: certifi.where(),
            ("barbican_service_user", "cafile"): lambda _: certifi.where(),
            ("barbican", "verify_ssl_path"): lambda _: certifi.where(),
            ("keystone_authtoken", "project_name"): lambda _: "service",
            ("keystone_authtoken", "region_name"): lambda _: "RegionOne",
        } | {("keystone_authtoken", f"{of}_domain_name"): lambda _: "Default" for of in ("user", "project")}
        lines, section = [], None
        for line in text.splitlines():
            if line.startswith("["):
                section = line[1:line.index("]")]
            key, _, value = line.partition("=")
            change = values.get((section, key.strip()))
            lines.append(f"{key}= {change(value.strip())}" if change else self.here(line))
        return "\n".join(lines) + "\n"

    def stores(self, text):
        return ",".join(pair for pair in re.split(" *, *", text) if pair.endswith((":file", ":http")))

    def connection(self, text):
        """The URL with the options that it has, those of TLS with the files of the test."""
        options, files = text.partition("?")[2], self.secured.files
        options = re.sub(r"(ssl_(?:ca|cert|key))=[^&]*", lambda found: f"{found[1]}={files[found[1]]}", options)
        url = self.database.url.replace("mysql:", "mysql+pymysql:")
        if "ssl_ca" in options or "read_default_file" in options:
            url = url.replace("//vitrine@", "//secured@")
        return self.here(f"{url}?{options}" if options else url)

    def argv(self, programs, words):
        name, *words = (self.here(word.format(port=self.port)) for word in words)
        return [str(programs / name), *words]


def run(place, programs, words):
    """Runs a command as the tool does; returns what it printed and complained about."""
    argv = place.argv(programs, words)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env=os.environ | place.env)
    assert done.returncode == 0, f"{argv}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def openstack(place, keystone, *commands):
    """Runs commands of the `openstack` client as a member of a project, against the service of that place."""
    path = place.folder / "clouds.yaml"
    clouds = json.loads((keystone / "clouds.yaml").read_text())
    clouds["clouds"]["member"]["image_endpoint_override"] = f"http://127.0.0.1:{place.port}"
    path.write_text(json.dumps(clouds))
    env = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    words = [["--os-cloud", "member", *map(str, command)] for command in commands]
    done = subprocess.run([sys.executable, "-c", OPENSTACK, json.dumps(words)], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL, env=env | {"OS_CLIENT_CONFIG_FILE": str(path)})
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize("tool", TOOLS)
def test_the_service_takes_glances_place(programs, keystone, secured, tmp_path, tool):
    """Its files are read as they are; its commands bring up a service that takes, gives back and forgets an image."""
    before, service, beside = TOOLS[tool]
    folder, url = keystone
    place = Place(tool, tmp_path, url, secured)
    for words in before:
        run(place, programs, words)
    server = Server(tmp_path / "run", port=place.port, env=place.env | place.named, database=databases.Embedded())
    server.argv = lambda: place.argv(programs, service)
    with server:
        data, saved, image = tmp_path / "data", tmp_path / "saved", str(uuid.uuid4())
        data.write_bytes(os.urandom(1 << 20))
        openstack(place, folder,
                  ("image", "create", "--id", image, "--disk-format", "raw", "--container-format", "bare",
                   "--file", data, "one"),
                  ("image", "save", "--file", saved, image))
        assert filecmp.cmp(data, saved, shallow=False)
        # Data is in the folder that the tool's file names.
        (stored,) = (path for path in tmp_path.glob(f"*/**/{image}") if "cache" not in path.parent.name)
        assert stored.parent == tmp_path / STORES.get(tool, "var/lib/glance/images")
        server.request("GET", "/v2/images", token="").expect(401)
        openstack(place, folder, ("image", "delete", image))
        process.wait_for("the data is gone", lambda: not stored.exists())
        for words in beside + TOOLBOX:
            run(place, programs, words)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(process.PATIENCE_S) == 0
