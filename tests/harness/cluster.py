"""Several nodes on one database and one set of stores, each with a staging folder of its own."""

import contextlib
import pathlib

from . import invariants
from .server import Server

CONFIG = """\
[DEFAULT]
enabled_backends = {backends}
[glance_store]
default_backend = one
{stores}
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


class Folders:
    """Two file stores in a folder, as the nodes have them unless they are given others."""

    backends = "one:file, two:file"

    def __init__(self, folder):
        self.places = {name: invariants.Folder(folder / name) for name in ("one", "two")}
        self.config = "\n".join(f"[{name}]\nfilesystem_store_datadir = {place.path}"
                                for name, place in self.places.items())


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

    def __init__(self, folder, database, count=3, lease_s=3, drain_s=3, more="", stores=None, env=None):
        self.folder, self.database, self.stores, self.env = folder, database, stores or Folders(folder), env
        (folder / "policy.yaml").write_text('"copy_image": ""\n')
        self.nodes = [self.node(f"node{number}", lease_s, drain_s, more) for number in range(1, count + 1)]
        for node in self.nodes[1:]:
            node.first = self.nodes[0]
        self.layout = invariants.Layout(self.stores.places,
                                        tuple(folder / f"{node.data_dir.name}-staging" for node in self.nodes))

    def node(self, name, lease_s, drain_s, more):
        config = self.folder / f"{name}.conf"
        config.write_text(CONFIG.format(folder=self.folder, name=name, lease=lease_s, drain=drain_s, more=more,
                                        backends=self.stores.backends, stores=self.stores.config))
        return Node(self.folder / name, arguments=["--config-file", config], database=self.database, env=self.env)

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
