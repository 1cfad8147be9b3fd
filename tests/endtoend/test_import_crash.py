"""SIGKILL at random instants of imports with conversion, on one node and on two that share database and stores.

Every import ends `active` with the right bytes, or where the same call can be made again, with a reason on its
task; nothing is orphaned, and no lock outlives its lease. KILL_SEED repeats the instants, KILL_ROUNDS sets how
often a node dies.
"""

import functools
import glob
import hashlib
import http.server
import os
import pathlib
import pwd
import random
import shutil
import subprocess
import threading
import time

import pytest

from harness import LEASE_S, Server, free_port, wait_for

ROUNDS = int(os.environ.get("KILL_ROUNDS", "8"))
DISK_BYTES = int(os.environ.get("KILL_DISK_MIB", "64")) << 20
# Long enough for the whole import of the disk above; the instants spread over it.
LONGEST_S = 2.0
CONFIG = """
[DEFAULT]
node_staging_uri = file://{folder}/staging
[glance_store]
filesystem_store_datadir = {folder}/images
[image_import_opts]
image_import_plugins = ['image_conversion']
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[paste_deploy]
flavor =
"""
# Nobody logs in here, so nobody has a role.
RULES = ["add_image", "get_image", "modify_image", "delete_image", "download_image"]


class Source:
    """A web server with the disk as qcow2; knows what the disk's bytes are."""

    def __init__(self, folder):
        raw, self.qcow2 = folder / "disk.raw", folder / "disk.qcow2"
        # Half of it random, so that it neither compresses nor is a hole.
        raw.write_bytes(random.Random(1).randbytes(DISK_BYTES // 2) + bytes(DISK_BYTES // 2))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, self.qcow2], check=True)
        self.sha512 = hashlib.sha512(raw.read_bytes()).hexdigest()
        raw.unlink()
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/disk.qcow2"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    started = Source(tmp_path_factory.mktemp("source"))
    yield started
    started.server.shutdown()


@pytest.fixture
def postgres(tmp_path_factory):
    """The URL of a PostgreSQL of its own."""
    programs = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    folder, port = pathlib.Path("/tmp") / f"vitrine-postgres-{os.getpid()}", free_port()
    folder.mkdir(mode=0o700)
    user = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        user = {"user": "postgres", "group": "postgres", "cwd": folder,
                "env": {"PATH": os.environ["PATH"], "HOME": pwd.getpwnam("postgres").pw_dir}}

    def run(*argv):
        subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, **user)

    try:
        run(programs / "initdb", "-D", folder / "data", "-U", "vitrine", "-A", "trust", "-N")
        run(programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o",
            f"-p {port} -h 127.0.0.1 -k {folder}", "start")
        yield f"postgresql://vitrine@127.0.0.1:{port}/postgres"
        run(programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Cloud:
    """The shared folder of one or more nodes."""

    def __init__(self, folder, nodes, database=None):
        self.folder = folder
        config = folder / "glance-api.conf"
        config.write_text(CONFIG.format(folder=folder))
        (folder / "policy.yaml").write_text("".join(f'"{rule}": ""\n' for rule in RULES))
        arguments = ["--config-file", str(config)] + (["--database", database] if database else [])
        self.nodes = [Server(folder / f"node{n}", arguments=arguments) for n in range(nodes)]
        for node in self.nodes:
            node.token = lambda: ""
            node.start()

    def stop(self):
        for node in self.nodes:
            node.kill()

    def files(self):
        return sorted(str(path.relative_to(self.folder)) for top in ("images", "staging")
                      for path in (self.folder / top).rglob("*") if path.is_file() and path.name != ".place")


def begin(node, image, source):
    method = {"name": "web-download", "uri": source.url}
    node.request("POST", f"/v2/images/{image}/import", {"method": method}).expect(202)


def over(node, image, timeout_s):
    """The newest task of the image, once it is over."""
    def ended():
        task = node.request("GET", f"/v2/images/{image}/tasks").expect(200).json["tasks"][0]
        return task if task["status"] in ("success", "failure") else None
    return wait_for(f"the import of {image} is over", ended, timeout_s)


def check(cloud, node, image, source, timeout_s):
    """The import ended well, or can be asked for again and then does."""
    task = over(node, image, timeout_s)
    shown = node.show(image)
    assert "os_glance_import_task" not in shown, shown
    if task["status"] == "failure":
        assert shown["status"] == "queued" and task["message"], (shown, task)
        begin(node, image, source)
        task = over(node, image, timeout_s)
        assert task["status"] == "success", task
        shown = node.show(image)
    assert (shown["status"], shown["disk_format"]) == ("active", "raw"), shown
    assert shown["os_hash_value"] == source.sha512
    assert hashlib.sha512(node.download(image)).hexdigest() == source.sha512
    wait_for("nothing but the image is left", lambda: cloud.files() == [f"images/{name(cloud, image)}"],
             LEASE_S + 15)
    node.request("DELETE", f"/v2/images/{image}").expect(204)
    wait_for("nothing is left", lambda: cloud.files() == [], LEASE_S + 15)


def name(cloud, image):
    """The image's file; a second attempt may have added the id of its blob to the name."""
    found = [path for path in (cloud.folder / "images").glob(f"{image}*")]
    return found[0].name if found else ""


def seeded():
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().getrandbits(32)))
    print(f"KILL_SEED={seed}")
    return random.Random(seed)


def test_one_node_goes_on_after_its_death(tmp_path, source):
    cloud, instants = Cloud(tmp_path, 1), seeded()
    node = cloud.nodes[0]
    try:
        for _ in range(ROUNDS):
            image = node.create(disk_format="qcow2")
            begin(node, image, source)
            for _ in range(instants.choice([1, 1, 2])):
                time.sleep(instants.uniform(0, LONGEST_S))
                node.kill()
                node.start()
            check(cloud, node, image, source, 60)
    finally:
        cloud.stop()


def test_another_node_takes_over(tmp_path, source, postgres):
    cloud, instants = Cloud(tmp_path, 2, postgres), seeded()
    try:
        for _ in range(max(1, ROUNDS // 4)):
            image = cloud.nodes[0].create(disk_format="qcow2")
            begin(cloud.nodes[0], image, source)
            time.sleep(instants.uniform(0, LONGEST_S))
            # Whichever works on it: the one that was asked is woken first.
            cloud.nodes[0].kill()
            check(cloud, cloud.nodes[1], image, source, 2 * LEASE_S + 60)
            cloud.nodes[0].start()
            cloud.nodes.reverse()
    finally:
        cloud.stop()
