"""Stores in a Ceph of their own, whose daemons die and stop when told to: `one` is S3, `two` is RBD. What is in them is
looked into by Ceph's own tools.
"""

import hashlib
import json
import subprocess

from . import daemon, process
from .ceph import HOST, Ceph

DAEMONS = ("mon", "osd", "gateway")

# What a store says of a name that was not shown yet.
UNFINISHED_S3, UNFINISHED_RBD = "_multipart_", ".part."
BUCKET = "images"
# Ceph's calls end after that; in between they go on by themselves when the cluster is back.
TIMEOUT_S = 10
CONFIG = """\
[one]
s3_store_host = {s3[endpoint]}
s3_store_access_key = {s3[access_key]}
s3_store_secret_key = {s3[secret_key]}
s3_store_bucket = {bucket}
s3_store_create_bucket_on_put = true
s3_store_large_object_size = 0
s3_store_large_object_chunk_size = 5
[two]
rbd_store_user = glance
rbd_store_ceph_conf = {conf}
rbd_store_chunk_size = 1
rados_connect_timeout = {timeout}
"""


class Bucket:
    """See `invariants.Folder`."""

    def __init__(self, ceph, read):
        self.ceph, self.read = ceph, read

    def names(self):
        return self.ceph.objects(BUCKET)

    def blobs(self):
        return {name: size for name, size in self.names().items() if not name.startswith(UNFINISHED_S3)}

    def unfinished(self):
        return [name for name in self.names() if name.startswith(UNFINISHED_S3)]

    def digest(self, name):
        return hashlib.sha512(self.read(name)).hexdigest()


class Pool:
    """See `invariants.Folder`."""

    def __init__(self, ceph):
        self.ceph = ceph

    def images(self):
        """{name: bytes}; a snapshot has an entry of its own, with the same name."""
        listed = json.loads(self.ceph.run("rbd", "ls", "--long", "--format", "json", "images"))
        return {entry["image"]: entry["size"] for entry in listed}

    def blobs(self):
        return {name: size for name, size in self.images().items() if not name.startswith(UNFINISHED_RBD)}

    def unfinished(self):
        trash = json.loads(self.ceph.run("rbd", "trash", "ls", "--format", "json", "images"))
        return [name for name in self.images() if name.startswith(UNFINISHED_RBD)] + trash

    def digest(self, name):
        exported = subprocess.run(["rbd", "export", "--no-progress", f"images/{name}", "-"], check=True, timeout=60,
                                  env=self.ceph.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return hashlib.sha512(exported.stdout).hexdigest()


class Stores:
    """See `cluster.Folders`; `read` gets what a name of the bucket has, by way of a node."""

    backends = "one:s3, two:rbd"

    def __init__(self, folder, read):
        self.ceph = Ceph(folder / "ceph")
        told = self.ceph.shared()
        self.config = CONFIG.format(s3=told["s3"], conf=told["conf"], bucket=BUCKET, timeout=TIMEOUT_S)
        self.port = int(told["s3"]["endpoint"].rsplit(":", 1)[1])
        self.places = {"one": Bucket(self.ceph, read), "two": Pool(self.ceph)}

    def start(self, name):
        """Starts a daemon that was killed."""
        {"mon": self.ceph.mon, "osd": self.ceph.osd, "gateway": lambda: self.ceph.gateway("gateway", self.port)}[name]()

    def serves(self):
        """Waits until the daemons answer again."""
        self.ceph.run("rbd", "ls", "images")
        process.wait_for("the gateway answers", lambda: daemon.answers(f"http://{HOST}:{self.port}/"), 60)

    def close(self):
        self.ceph.down()
