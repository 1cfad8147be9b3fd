"""An RBD store as the default, on a real Ceph: what clients, Nova and Ceph's own tools find there."""

import json

import pytest

from harness import Server, Tool, ceph, digest, wait_for
from harness.client import OpenUpload

CONFIG = """
[DEFAULT]
enabled_backends = ceph:rbd, folder:file
show_image_direct_url = true
show_multiple_locations = true
enabled_import_methods = ['copy-image']
[glance_store]
default_backend = ceph
[ceph]
rbd_store_user = glance
rbd_store_ceph_conf = {conf}
rbd_store_chunk_size = 1
[folder]
filesystem_store_datadir = {folder}/images
"""
ADMIN = "vitrine-admin"
PIECE = 1 << 20


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rbd")
    config = folder / "glance-api.conf"
    told = ceph.shared()
    config.write_text(CONFIG.format(conf=told["conf"], folder=folder))
    with Server(folder / "data", arguments=["--config-file", str(config)]) as running:
        running.fsid = told["fsid"]
        # The admin plays Nova, which comes as a service.
        Tool("openstack", running, ADMIN)("role", "add", "--user", "admin", "--project", "admin", "service")
        yield running


@pytest.fixture(scope="module")
def openstack(cloud):
    return Tool("openstack", cloud)


@pytest.fixture
def service(cloud):
    return cloud.login(ADMIN)[0]


def rbd(*words):
    return ceph.run("rbd", *words)


def images():
    return set(rbd("ls", "images").split())


def gone(image):
    wait_for(f"{image} is removed", lambda: not any(image in name for name in images()))


def snapshot(image, file):
    """What Nova leaves in the pool when it makes a snapshot of a server."""
    rbd("import", "--no-progress", file, f"images/{image}")
    rbd("snap", "create", "--no-progress", f"images/{image}@snap")
    rbd("snap", "protect", f"images/{image}@snap")


def url(cloud, image, fsid=None):
    return f"rbd://{fsid or cloud.fsid}/images/{image}/snap"


def settled(cloud, image):
    """The image when no job works on it any more."""
    def ended():
        shown = cloud.show(image)
        return None if "os_glance_import_task" in shown else shown
    return wait_for(f"the job of {image} is over", ended)


def test_an_image_with_a_clone_stays_until_the_clone_is_gone(cloud, openstack, qcow2, tmp_path):
    image = openstack.json("image", "create", "--disk-format", "qcow2", "--container-format", "bare",
                           "--file", qcow2, "cloned")["id"]
    shown = cloud.show(image)
    assert shown["direct_url"] == url(cloud, image)
    assert shown["locations"] == [{"url": url(cloud, image), "metadata": {"store": "ceph"}}]
    assert (shown["stores"], shown["size"]) == ("ceph", qcow2.stat().st_size)
    saved = tmp_path / "saved"
    openstack("image", "save", "--file", saved, image)
    assert digest(saved, "sha512") == digest(qcow2, "sha512") == shown["os_hash_value"]
    part = cloud.request("GET", f"/v2/images/{image}/file", headers={"Range": "bytes=7-1000006"}).expect(206)
    assert part.body == qcow2.read_bytes()[7:1000007]
    rbd("clone", f"images/{image}@snap", "volumes/child")
    rbd("export", "--no-progress", "volumes/child", tmp_path / "child")
    assert digest(tmp_path / "child", "sha512") == digest(qcow2, "sha512")

    assert "409" in openstack.refused("image", "delete", image)
    assert cloud.show(image)["status"] == "active"
    rbd("rm", "--no-progress", "volumes/child")
    openstack("image", "delete", image)
    gone(image)


def test_a_snapshot_of_novas_is_used_without_being_copied(cloud, service, disk):
    image = cloud.create()
    snapshot(image, disk)
    cloud.request("POST", f"/v2/images/{image}/locations", {"url": url(cloud, image)}, token=service).expect(202)
    wait_for("the image is active", lambda: cloud.show(image)["status"] == "active")
    shown = settled(cloud, image)
    assert shown["size"] == disk.stat().st_size
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", digest(disk, "sha512"))
    assert shown["stores"] == "ceph"
    assert cloud.request("GET", f"/v2/images/{image}/file").expect(200).body == disk.read_bytes()
    rbd("clone", f"images/{image}@snap", "volumes/of-snapshot")
    cloud.request("DELETE", f"/v2/images/{image}").expect(409)
    rbd("rm", "--no-progress", "volumes/of-snapshot")
    cloud.request("DELETE", f"/v2/images/{image}").expect(204)
    gone(image)


def test_the_older_call_takes_a_snapshot_as_well(cloud, disk):
    image = cloud.create()
    snapshot(image, disk)
    add = {"op": "add", "path": "/locations/-", "value": {"url": url(cloud, image), "metadata": {}}}
    shown = cloud.patch(image, add).expect(200).json
    assert (shown["status"], shown["size"]) == ("active", disk.stat().st_size)
    cloud.request("DELETE", f"/v2/images/{image}").expect(204)
    gone(image)


def test_sec_32_data_of_others_is_no_location(cloud, service, disk):
    """Another cluster, another pool, nothing, and the data of another image, however it is spelled."""
    other, image = cloud.create(), cloud.create()
    cloud.put(other, disk.read_bytes()).expect(204)
    spelled = "%" + format(ord(other[0]), "x") + other[1:]
    urls = [url(cloud, other), url(cloud, spelled), f"rbd://{other}", url(cloud, other)[:-4] + "other",
            url(cloud, image, "00000000-0000-0000-0000-000000000001"), url(cloud, image),
            f"rbd://{cloud.fsid}/volumes/{image}/snap", "rbd://", f"rbd://{cloud.fsid}/images"]
    for refused in urls:
        cloud.request("POST", f"/v2/images/{image}/locations", {"url": refused}, token=service).expect(202)
        assert settled(cloud, image)["status"] == "queued", refused
        add = {"op": "add", "path": "/locations/-", "value": {"url": refused, "metadata": {}}}
        cloud.patch(image, add).expect(400)
    cloud.request("DELETE", f"/v2/images/{image}").expect(204)
    assert cloud.request("GET", f"/v2/images/{other}/file").expect(200).body == disk.read_bytes()
    cloud.request("DELETE", f"/v2/images/{other}").expect(204)
    gone(other)


def test_a_snapshot_that_did_not_come_to_be_used_stays_its_makers(cloud, service, disk):
    image = cloud.create()
    snapshot(image, disk)
    body = {"url": url(cloud, image), "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "0" * 128}}
    cloud.request("POST", f"/v2/images/{image}/locations", body, token=service).expect(202)
    assert settled(cloud, image)["status"] == "queued"
    assert image in images()
    body["validation_data"]["os_hash_value"] = digest(disk, "sha512")
    cloud.request("POST", f"/v2/images/{image}/locations", body, token=service).expect(202)
    assert settled(cloud, image)["status"] == "active"
    cloud.request("DELETE", f"/v2/images/{image}").expect(204)
    gone(image)


def test_an_image_is_copied_to_another_kind_of_store_and_taken_out_of_the_first(cloud, disk):
    image = cloud.create()
    cloud.put(image, disk.read_bytes()).expect(204)
    Tool("openstack", cloud, ADMIN)("image", "import", "--method", "copy-image", image, "--store", "folder")
    assert sorted(settled(cloud, image)["stores"].split(",")) == ["ceph", "folder"]
    admin = cloud.login(ADMIN)[0]
    rbd("clone", f"images/{image}@snap", "volumes/of-copy")
    cloud.request("DELETE", f"/v2/stores/ceph/{image}", token=admin).expect(409)
    rbd("rm", "--no-progress", "volumes/of-copy")
    cloud.request("DELETE", f"/v2/stores/ceph/{image}", token=admin).expect(204)
    gone(image)
    assert cloud.request("GET", f"/v2/images/{image}/file").expect(200).body == disk.read_bytes()


def test_a_death_in_the_middle_of_an_upload_leaves_nothing(cloud):
    def parts():
        return {name for name in images() if name.startswith(".part.")}

    image, before = cloud.create(), parts()
    upload = OpenUpload(cloud, image)
    for _ in range(5):
        upload.send(bytes(PIECE))
    # Others may write to the pool meanwhile.
    some = wait_for("there is some of it", lambda: parts() - before)
    cloud.kill()
    upload.abort()
    cloud.start()
    # Ceph counts the dead process among the users of the image for a while, and refuses.
    wait_for("nothing is left of it", lambda: not parts() & some, timeout_s=180)
    assert cloud.show(image)["status"] == "queued"
    cloud.put(image, b"again").expect(204)
    info = json.loads(rbd("info", "--format", "json", f"images/{image}"))
    assert info["size"] == len(b"again")


def test_sec_41_a_process_that_used_ceph_ends_with_its_own_code(cloud):
    """Ceph's libraries are not taken apart while their threads work: a command says what it has to say, again and
    again, and a server that is told to stop does."""
    rbd("create", "--size", "1", "images/of-nobody")
    for _ in range(20):
        # Something that is not in the ledger.
        cloud.command("store", "reconcile", status=2)
    rbd("rm", "--no-progress", "images/of-nobody")
    for _ in range(3):
        assert cloud.terminate() == 0
        cloud.start()
