"""Several nodes on one database and one set of stores, each with a staging folder of its own."""

import contextlib
import pathlib

from . import invariants
from .server import Server

CONFIG = """\
[DEFAULT]
enabled_backends = one:file, two:file
[glance_store]
default_backend = one
[one]
filesystem_store_datadir = {folder}/one
[two]
filesystem_store_datadir = {folder}/two
[os_glance_staging_store]
filesystem_store_datadir = {folder}/{name}-staging
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[oslo_policy]
policy_file = {folder}/policy.yaml
[vitrine]
lease_seconds = {lease}
drain_seconds = {drain}
{more}
"""


class Node(Server):
    """One of them, which knows its sisters by the clouds.yaml of whoever started first."""

    first = None

    @property
    def clouds_yaml(self):
        return self.first.data_dir / "clouds.yaml" if self.first else self.data_dir / "clouds.yaml"

    def writes(self):
        """How many files it has open that are being written in a store."""
        return sum("/.parts/" in target for target in open_files(self.process.pid))


def open_files(pid):
    """What a process has open, by name."""
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        # It may have been closed meanwhile.
        with contextlib.suppress(OSError):
            yield str(link.readlink())


class Cluster:
    """Nodes in a folder, started when it is entered."""

    def __init__(self, folder, database, count=3, lease_s=3, drain_s=3, more=""):
        self.folder, self.database = folder, database
        (folder / "policy.yaml").write_text('"copy_image": ""\n')
        self.nodes = [self.node(f"node{number}", lease_s, drain_s, more) for number in range(1, count + 1)]
        for node in self.nodes[1:]:
            node.first = self.nodes[0]
        self.layout = invariants.Layout({"one": folder / "one", "two": folder / "two"},
                                        tuple(folder / f"{node.data_dir.name}-staging" for node in self.nodes))

    def node(self, name, lease_s, drain_s, more):
        config = self.folder / f"{name}.conf"
        config.write_text(CONFIG.format(folder=self.folder, name=name, lease=lease_s, drain=drain_s, more=more))
        return Node(self.folder / name, arguments=["--config-file", config], database=self.database)

    def __enter__(self):
        for node in self.nodes:
            node.start()
        # One token for all: each node knows the keys of the others.
        token = self.nodes[0].token()
        for node in self.nodes:
            node._token = token
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
