"""A node with everything that has data (two stores, a staging folder, a cache, conversion), on a disk that fails when
told to. And a disk image for it to import.
"""

import subprocess

from . import faults, invariants, sources
from .server import DOUBTFUL, Server
from .tools import sha512

# Short, for the sake of the tests: what a dead node left is missed after that.
LEASE_S = 3
# For what takes moments once that is over.
SETTLE_S = 180
CONFIG = """\
[DEFAULT]
enabled_backends = one:file, two:file
image_cache_dir = {folder}/cache
[glance_store]
default_backend = one
[one]
filesystem_store_datadir = {folder}/one
[two]
filesystem_store_datadir = {folder}/two
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[image_import_opts]
image_import_plugins = ['image_conversion']
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[oslo_policy]
policy_file = {folder}/policy.yaml
[vitrine]
lease_seconds = {lease}
"""


class Source:
    """A small disk as qcow2, in memory and on a web server; knows what it is as raw."""

    def __init__(self, folder):
        raw, qcow2 = folder / "disk.raw", folder / "disk.qcow2"
        raw.write_bytes(b"disk" * (1 << 17))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2], check=True)
        self.sha512, self.qcow2 = sha512(raw.read_bytes()), qcow2.read_bytes()
        self.web = sources.Folder(folder)
        self.url = f"{self.web.url}/disk.qcow2"

    def close(self):
        self.web.close()


class Node(Server):
    """The node, not started, in a folder of its own."""

    def __init__(self, folder, database, is_lossy=False):
        places = {name: folder / name for name in ("one", "two", "staging", "cache", "data")}
        self.disk = faults.Disk(folder / "faults", places.values(), is_lossy)
        self.layout = invariants.Layout({name: invariants.Folder(places[name]) for name in ("one", "two")},
                                        (places["staging"],), places["cache"])
        (folder / "policy.yaml").write_text('"copy_image": ""\n')
        config = folder / "glance-api.conf"
        config.write_text(CONFIG.format(folder=folder, lease=LEASE_S))
        super().__init__(places["data"], arguments=["--config-file", config], database=database,
                         env=self.disk.env | DOUBTFUL)

    def settle(self):
        """Waits until nothing is under way."""
        invariants.settled(self, SETTLE_S)

    def check(self):
        """Holds what is at rest to the invariants."""
        invariants.check(self, self.layout)
