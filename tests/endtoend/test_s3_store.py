"""Images in S3, on a real gateway of Ceph's, through the `openstack` command line client."""

import contextlib
import filecmp
import random
import sqlite3
import sys
import uuid

import pytest

from harness import ROOT, OpenUpload, Server, Tool, ceph, sha512, sources, wait_for

sys.path.append(str(ROOT / "tests/peers"))

import peer

# Short, for the sake of the test: a dead node is missed after that.
LEASE_S = 3
MIB = 1 << 20
ADMIN = "vitrine-admin"
CONFIG = """
[DEFAULT]
enabled_backends = cloud:s3, disk:file
enabled_import_methods = ['glance-direct', 'web-download', 'copy-image']
show_image_direct_url = true
show_multiple_locations = true
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


def server(folder, bucket):
    """A server with a database of its own, and its images in the bucket."""
    conf = folder / "glance-api.conf"
    conf.write_text(CONFIG.format(folder=folder, bucket=bucket, lease=LEASE_S, **ceph.shared()["s3"]))
    return Server(folder / "data", arguments=["--config-file", conf])


@pytest.fixture(scope="module")
def node(tmp_path_factory, bucket):
    with server(tmp_path_factory.mktemp("s3"), bucket) as running:
        # The admin plays Cinder, which comes as a service.
        Tool("openstack", running, ADMIN)("role", "add", "--user", "admin", "--project", "admin", "service")
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


def test_sec_32_objects_of_others_are_no_location(node, bucket):
    """Neither a service nor the owner of an image gives it the object of another, whatever keys stand in the URL."""
    service, _ = node.login(ADMIN)
    other, image, data = node.create(), node.create(), b"of another" * 100
    node.put(other, data).expect(204)
    url = node.show(other)["direct_url"]
    for refused in (url, url.replace("://", "://key:secret@"), url.replace(other, image)):
        node.request("POST", f"/v2/images/{image}/locations", {"url": refused}, token=service).expect(202)
        shown = wait_for("no job works on it", lambda: "os_glance_import_task" not in (it := node.show(image)) and it)
        assert (shown["status"], shown["locations"]) == ("queued", []), refused
        node.patch(image, {"op": "add", "path": "/locations/-", "value": {"url": refused, "metadata": {}}}).expect(400)
    node.request("DELETE", f"/v2/images/{image}").expect(204)
    assert node.download(other) == data
    node.request("DELETE", f"/v2/images/{other}").expect(204)
    wait_for("the object is gone", lambda: names(bucket, other) == [])


def test_what_another_cloud_left_unfinished_is_found(node, bucket, disk_of_parts, tmp_path):
    """The parts of an upload that no row here knows are told and removed, and nothing else is."""
    with server(tmp_path, bucket) as foreign:
        lost = foreign.create()
        upload = OpenUpload(foreign, lost)
        upload.send(disk_of_parts.read_bytes()[:12 * MIB])
        wait_for("parts are on the server", lambda: names(bucket, lost))
        foreign.kill()
        upload.abort()
    own = node.create()
    under_way = OpenUpload(node, own)
    under_way.send(disk_of_parts.read_bytes()[:12 * MIB])
    wait_for("parts are on the server", lambda: names(bucket, own))
    told = node.command("store", "reconcile", "--store", "cloud", status=2)
    assert f"no row, unfinished: {lost}\n" in told and own not in told and names(bucket, lost)
    told = node.command("store", "reconcile", "--store", "cloud", "--delete")
    assert f"no row, unfinished: {lost} (deleted)\n" in told
    assert names(bucket, lost) == [] and names(bucket, own)
    under_way.abort()
    node.request("DELETE", f"/v2/images/{own}").expect(204)
    wait_for("the parts are gone", lambda: names(bucket, own) == [])


def test_sec_10_images_outlive_the_keys_of_glances_locations(node, bucket, tmp_path):
    """Glance keeps keys in its locations. An image that moves in is read with those of the configuration, whatever
    became of Glance's, and nobody sees any."""
    keys = "{access_key}:{secret_key}@".format(**ceph.shared()["s3"])
    image, data = node.create(), random.Random(13).randbytes(MIB)
    node.put(image, data).expect(204)
    database = tmp_path / "glance.sqlite"
    conf = tmp_path / "glance.conf"
    conf.write_text(f"[database]\nconnection = sqlite:///{database}\n")
    peer.run([peer.venv("glance") / "bin/glance-manage", "--config-file", conf, "db_sync"], tmp_path / "sync.log")
    node.command("export-glance", "--to", f"sqlite:///{database}")
    with contextlib.closing(sqlite3.connect(database)) as glance, glance:
        ((value,),) = glance.execute("SELECT value FROM image_locations WHERE image_id = ?", (image,)).fetchall()
        assert f"s3://{keys}" in value
        glance.execute("UPDATE image_locations SET value = replace(value, ?, 'ROTATED:old/secret@')", (keys,))
    moved = server(tmp_path, bucket)
    (tmp_path / "data").mkdir()
    moved.command("db", "sync")
    moved.command("import-glance", "--from", f"sqlite:///{database}")
    with moved:
        admin, _ = moved.login(ADMIN)
        shown = moved.request("GET", f"/v2/images/{image}", token=admin).expect(200)
        assert shown.json["direct_url"] == node.show(image)["direct_url"]
        assert moved.request("GET", f"/v2/images/{image}/file", token=admin).expect(200).body == data
        assert b"old/secret" not in shown.body and "old/secret" not in moved.log.read_text()
        assert [url for (url,) in moved.rows("SELECT url FROM image_locations") if "@" in url] == []
    node.request("DELETE", f"/v2/images/{image}").expect(204)
    wait_for("the object is gone", lambda: names(bucket, image) == [])
