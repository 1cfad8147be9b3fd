"""SIGKILL at random instants of imports with conversion, on one node and on two that share database and stores.

Each import brings a disk as qcow2, by web-download or from staging, and keeps it as raw in two stores; an upload that
was accepted does so in one. However often its nodes die, it ends `active` with the right bytes, without being asked for
again; nothing is orphaned, and no lock outlives its lease. KILL_SEED repeats the instants; `make chaos` kills more
often than `make test`, and larger imports.
"""

import contextlib
import hashlib
import random
import subprocess
import time

import pytest

from harness import Server, chaos, databases, sources, wait_for

KILLS = chaos.either(9, 50)
# Deaths of one import at most; an engine that gave up after so few would be one that loses work.
KILLS_OF_ONE = 4
DISK_BYTES = chaos.either(128, 512) << 20
# Short, for the sake of the test: a node that died is missed after that.
LEASE_S = 3
# For what takes moments once the lease has run out.
GRACE_S = 180
CONFIG = """
[DEFAULT]
enabled_backends = one:file, two:file
[glance_store]
default_backend = one
[one]
vitrine_disk_format = raw
filesystem_store_datadir = {folder}/one
[two]
vitrine_disk_format = raw
filesystem_store_datadir = {folder}/two
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging{node}
[image_import_opts]
image_import_plugins = ['image_conversion']
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[vitrine]
lease_seconds = {lease}
conversion_wait = 0
[paste_deploy]
flavor =
"""
# Nobody logs in here, so nobody has a role.
RULES = ["add_image", "get_image", "modify_image", "delete_image", "download_image", "upload_image"]


class Source:
    """A disk as qcow2, in a file and on a web server; knows what the disk's bytes are."""

    def __init__(self, folder):
        raw, self.qcow2 = folder / "disk.raw", folder / "disk.qcow2"
        noise = random.Random(1).randbytes(8 << 20)
        with open(raw, "wb") as disk:
            # Every piece differs, and none of it compresses or is a hole.
            for number in range(DISK_BYTES // len(noise)):
                disk.write(number.to_bytes(4) + noise[4:])
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, self.qcow2], check=True)
        self.sha512 = digest(raw)
        raw.unlink()
        self.server = sources.Folder(folder)
        self.url = f"{self.server.url}/disk.qcow2"


def digest(path):
    with open(path, "rb") as data:
        return hashlib.file_digest(data, "sha512").hexdigest()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    started = Source(tmp_path_factory.mktemp("source"))
    yield started
    started.server.close()
    started.qcow2.unlink()


class Cloud:
    """One or more nodes on shared stores; each has a staging folder that no other reaches."""

    def __init__(self, folder, nodes, database):
        self.folder = folder
        (folder / "policy.yaml").write_text("".join(f'"{rule}": ""\n' for rule in RULES))
        self.nodes = []
        for n in range(nodes):
            config = folder / f"node{n}.conf"
            config.write_text(CONFIG.format(folder=folder, node=n, lease=LEASE_S))
            node = Server(folder / f"node{n}", arguments=["--config-file", config], database=database, anonymous=True)
            node.staging = folder / f"staging{n}"
            self.nodes.append(node.start())

    def stop(self):
        for node in self.nodes:
            node.kill()
            signal_converter(node, "KILL")

    def files(self, *folders):
        return sorted(str(path.relative_to(self.folder)) for top in folders
                      for path in (self.folder / top).rglob("*") if path.is_file() and path.name != ".place")

    def all_files(self):
        return self.files("one", "two", *(node.staging.name for node in self.nodes))

    def at_work(self):
        """The node that has data staged; any when none has."""
        busy = [node for node in self.nodes if self.files(node.staging.name)]
        return (busy or self.nodes)[0]

    def kill(self, node):
        # Stopped, it cannot come to its end by itself.
        signal_converter(node, "STOP")
        node.kill()
        # Nothing of a dead node may go on writing, unseen, what others are about to clean up.
        wait_for("the converter of the dead node is dead", lambda: not signal_converter(node, "0"))


def signal_converter(node, signal):
    """Signals the qemu-img of a node; says whether there is one."""
    return subprocess.run(["pkill", f"-{signal}", "-f", f"qemu-img.* {node.staging}/"]).returncode == 0


class Import:
    """One import or upload, asked for once."""

    def __init__(self, cloud, source, method):
        self.cloud, self.source, self.method = cloud, source, method
        self.image = cloud.nodes[0].create(disk_format="qcow2")
        self.stores = ["one"] if method == "upload" else ["one", "two"]
        self.begin(cloud.nodes[0])

    def begin(self, node):
        if self.method == "upload":
            node.put(self.image, self.source.qcow2.read_bytes()).expect(204)
            return
        method = {"name": self.method}
        if self.method == "web-download":
            method["uri"] = self.source.url
        else:
            node.put(self.image, self.source.qcow2.read_bytes(), "stage").expect(204)
        node.begin_import(self.image, method, all_stores=True)

    def over(self, node):
        """Its task, once it is over."""
        return node.finished_import(self.image, 2 * LEASE_S + GRACE_S)

    def check(self, node):
        """It ends well, and then nothing is left but the image."""
        task, shown = self.over(node), node.show(self.image)
        assert task["status"] == "success", task
        assert "os_glance_import_task" not in shown, shown
        assert (shown["status"], shown["disk_format"]) == ("active", "raw"), shown
        assert shown["stores"].split(",") == self.stores, shown
        assert (shown["size"], shown["os_hash_value"]) == (DISK_BYTES, self.source.sha512)
        wait_for("nothing but the image is left", lambda: len(self.cloud.all_files()) == len(self.stores), GRACE_S)
        kept = [self.cloud.folder / self.cloud.files(store)[0] for store in self.stores]
        assert all(self.image in path.name for path in kept), kept
        # Stores on one file system share the file.
        files = {path.stat().st_ino: path for path in kept}
        assert {digest(path) for path in files.values()} == {self.source.sha512}
        node.request("DELETE", f"/v2/images/{self.image}").expect(204)
        wait_for("nothing is left", lambda: self.cloud.all_files() == [], GRACE_S)


def methods():
    while True:
        yield from ("upload", "web-download", "glance-direct")


def undisturbed(cloud, source):
    """How long an import takes that nobody kills, in seconds; it must end well at once."""
    began = time.monotonic()
    first = Import(cloud, source, "web-download")
    assert first.over(cloud.nodes[0])["status"] == "success"
    taken = time.monotonic() - began
    first.check(cloud.nodes[0])
    return taken


@contextlib.contextmanager
def running(*arguments):
    cloud = Cloud(*arguments)
    try:
        yield cloud
    finally:
        cloud.stop()


def test_one_node_goes_on_after_its_death(tmp_path, source):
    """Started again, it goes on with what it had begun, whatever it had reached."""
    instants, kills = chaos.seeded(), 0
    with running(tmp_path, 1, databases.fresh()) as cloud:
        node, longest = cloud.nodes[0], undisturbed(cloud, source)
        for method in methods():
            if kills >= KILLS:
                break
            begun = Import(cloud, source, method)
            for _ in range(instants.randint(2, KILLS_OF_ONE)):
                time.sleep(instants.uniform(0, longest))
                cloud.kill(node)
                node.start()
                kills += 1
            begun.check(node)


@pytest.mark.parametrize("kind", [databases.POSTGRESQL, databases.MARIADB])
def test_another_node_takes_over(tmp_path, source, kind):
    """Whichever works dies; it comes back only when another has had the time to take over."""
    instants, kills = chaos.seeded(), 0
    with running(tmp_path, 2, databases.fresh(kind)) as cloud:
        longest = undisturbed(cloud, source)
        for method in methods():
            if kills >= KILLS:
                break
            begun, dead = Import(cloud, source, method), None
            for _ in range(instants.randint(2, KILLS_OF_ONE)):
                time.sleep(instants.uniform(0, longest if dead is None else longest + LEASE_S))
                victim = cloud.at_work() if dead is None else cloud.nodes[1 - cloud.nodes.index(dead)]
                cloud.kill(victim)
                kills += 1
                if dead:
                    dead.start()
                dead = victim
            survivor = cloud.nodes[1 - cloud.nodes.index(dead)]
            if method == "web-download":
                begun.over(survivor)
            # What only that node reaches waits for it: what a client staged there, and what it left behind.
            dead.start()
            begun.check(survivor)


def test_a_stop_in_order_is_no_failure(tmp_path, source):
    """However often a node is restarted, what it gives back goes on; no attempt is counted."""
    with running(tmp_path, 1, databases.fresh()) as cloud:
        node, seen = cloud.nodes[0], set()
        begun = Import(cloud, source, "web-download")

        def unseen():
            return set(cloud.files("staging0")) - seen

        for _ in range(2 * KILLS_OF_ONE):
            # Each attempt begins a file of its own, and is stopped long before it is whole.
            wait_for("another attempt is under way", unseen)
            seen |= unseen()
            assert node.terminate() == 0
            node.start()
        assert begun.over(node)["status"] == "success"
        begun.check(node)
