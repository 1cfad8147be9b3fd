"""Images in S3, on a real gateway of Ceph's, through the `openstack` command line client."""

import filecmp
import random
import uuid

import pytest

from harness import OpenUpload, Server, Tool, ceph, sha512, sources, wait_for

# Short, for the sake of the test: a dead node is missed after that.
LEASE_S = 3
MIB = 1 << 20
ADMIN = "vitrine-admin"
CONFIG = """
[DEFAULT]
enabled_backends = cloud:s3, disk:file
enabled_import_methods = ['glance-direct', 'web-download', 'copy-image']
show_image_direct_url = true
[glance_store]
default_backend = cloud
[cloud]
s3_store_host = {endpoint}
s3_store_access_key = {access_key}
s3_store_secret_key = {secret_key}
s3_store_bucket = {bucket}
s3_store_create_bucket_on_put = true
s3_store_large_object_size = 5
s3_store_large_object_chunk_size = 5
[disk]
filesystem_store_datadir = {folder}/disk
[import_filtering_opts]
allowed_ports = []
allowed_networks = ['127.0.0.0/8']
[vitrine]
lease_seconds = {lease}
"""


@pytest.fixture(scope="module")
def bucket():
    return f"images-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def node(tmp_path_factory, bucket):
    folder = tmp_path_factory.mktemp("s3")
    conf = folder / "glance-api.conf"
    conf.write_text(CONFIG.format(folder=folder, bucket=bucket, lease=LEASE_S, **ceph.shared()["s3"]))
    with Server(folder / "data", arguments=["--config-file", conf]) as running:
        yield running


@pytest.fixture(scope="module")
def openstack(node):
    return Tool("openstack", node)


@pytest.fixture(scope="module")
def disk_of_parts(tmp_path_factory):
    """A raw disk of three parts and a bit."""
    path = tmp_path_factory.mktemp("parts") / "disk.raw"
    path.write_bytes(random.Random(12).randbytes(15 * MIB + 7 * 512))
    return path


def names(bucket, *images):
    """The names in the bucket that have to do with these images."""
    return [name for name in ceph.objects(bucket) if any(image in name for image in images)]


def create(openstack, *words):
    return openstack.json("image", "create", "--disk-format", "raw", "--container-format", "bare", *words)["id"]


def test_the_life_of_an_image(node, openstack, bucket, disk_of_parts, tmp_path):
    """Upload, show, save, a part of it, delete; no answer has a key, and nothing stays."""
    image = create(openstack, "--file", disk_of_parts, "in-s3")
    shown = node.show(image)
    assert (shown["status"], shown["stores"]) == ("active", "cloud")
    assert shown["os_hash_value"] == sha512(disk_of_parts.read_bytes())
    s3 = ceph.shared()["s3"]
    assert shown["direct_url"] == f"s3://{s3['endpoint'].removeprefix('http://')}/{bucket}/{image}"
    saved = tmp_path / "saved"
    openstack("image", "save", "--file", saved, image)
    assert filecmp.cmp(saved, disk_of_parts, shallow=False)
    across = slice(5 * MIB - 3, 10 * MIB + 4)
    part = node.request("GET", f"/v2/images/{image}/file",
                        headers={"Range": f"bytes={across.start}-{across.stop - 1}"}).expect(206).body
    assert part == disk_of_parts.read_bytes()[across]
    assert names(bucket, image) == [image]
    assert s3["secret_key"] not in node.log.read_text()
    openstack("image", "delete", image)
    wait_for("the object is gone", lambda: names(bucket, image) == [])


def test_imports_from_the_web_and_from_a_disk(node, openstack, bucket, disk_of_parts):
    web = sources.Folder(disk_of_parts.parent)
    fetched = create(openstack, "from-the-web")
    openstack("image", "import", "--method", "web-download", "--uri", f"{web.url}/{disk_of_parts.name}", fetched)
    assert node.finished_import(fetched)["status"] == "success"
    web.close()
    copied = create(openstack, "from-a-disk")
    node.request("PUT", f"/v2/images/{copied}/file", disk_of_parts.read_bytes(),
                 {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": "disk"}).expect(204)
    Tool("openstack", node, ADMIN)("image", "import", "--method", "copy-image", "--store", "cloud", "--", copied)
    wait_for("it is in both", lambda: sorted(node.show(copied)["stores"].split(",")) == ["cloud", "disk"])
    admin, _ = node.login(ADMIN)
    node.request("DELETE", f"/v2/stores/disk/{copied}", token=admin).expect(204)
    for image in (fetched, copied):
        assert node.download(image) == disk_of_parts.read_bytes()
        openstack("image", "delete", image)
    wait_for("the objects are gone", lambda: names(bucket, fetched, copied) == [])


def test_a_death_in_an_upload_leaves_nothing(node, bucket, disk_of_parts):
    image = node.create()
    upload = OpenUpload(node, image)
    upload.send(disk_of_parts.read_bytes()[:12 * MIB])
    wait_for("parts are on the server", lambda: names(bucket, image))
    # What is under way is nobody's remains.
    node.command("store", "reconcile", "--store", "cloud")
    node.kill()
    upload.abort()
    node.start()
    wait_for("the image waits again", lambda: node.show(image)["status"] == "queued")
    wait_for("the parts are gone", lambda: names(bucket, image) == [])
    # The same image takes the same data, under its own name.
    node.put(image, disk_of_parts.read_bytes()).expect(204)
    assert names(bucket, image) == [image]
    node.request("DELETE", f"/v2/images/{image}").expect(204)
    wait_for("the object is gone", lambda: names(bucket, image) == [])
