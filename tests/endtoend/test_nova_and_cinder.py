"""The real Nova and Cinder start servers and volumes from images in RBD: by cloning, without a byte on the way."""

import json
import os
import subprocess
import uuid

import pytest

from harness import ROOT, Server, Tool, ceph, environments, sha512, wait_for

CONFIG = """
[DEFAULT]
enabled_backends = ceph:rbd
show_image_direct_url = true
[glance_store]
default_backend = ceph
[ceph]
rbd_store_user = glance
rbd_store_ceph_conf = {conf}
"""
# What Ceph's manual wants for each.
USERS = {
    "nova": ("mon", "profile rbd", "osd", "profile rbd pool=volumes, profile rbd pool=images"),
    "cinder": ("mon", "profile rbd", "osd", "profile rbd pool=volumes, profile rbd-read-only pool=images"),
}
NOVA = """
[DEFAULT]
debug = true
log_file = {folder}/nova.log
state_path = {folder}
[libvirt]
images_type = rbd
images_rbd_pool = volumes
images_rbd_ceph_conf = {conf}
rbd_user = nova
[glance]
api_servers = {url}
[service_user]
send_service_user_token = true
{auth}
"""
CINDER = """
[DEFAULT]
debug = true
log_file = {folder}/cinder.log
state_path = {folder}
glance_api_servers = {url}
[glance]
{auth}
[ceph]
volume_backend_name = ceph
rbd_pool = volumes
rbd_user = cinder
rbd_ceph_conf = {conf}
"""
ADMIN = "vitrine-admin"
GIB = 1 << 30
DATA = b"boot" * (1 << 20)


class Cloud:
    """A server, and the two that boot from it."""

    def __init__(self, folder, server):
        import yaml
        self.folder, self.server = folder, server
        # Both have an account as services: Nova adds locations by it, Cinder reads them.
        auth = {"auth_type": "password"} | yaml.safe_load(server.clouds_yaml.read_text())["clouds"][ADMIN]["auth"]
        for who, caps in USERS.items():
            keyring = ceph.FOLDER / f"client.{who}.keyring"
            keyring.write_text(ceph.admin("auth", "get-or-create", f"client.{who}", *caps))
        told = ceph.shared()
        for name, text in (("nova", NOVA), ("cinder", CINDER)):
            (folder / f"{name}.conf").write_text(
                text.format(folder=folder, url=server.url, conf=told["conf"],
                            auth="\n".join(f"{key} = {value}" for key, value in auth.items())))

    def run(self, program, *words):
        """One step of Nova's or Cinder's on behalf of the user; what it says of it."""
        token, project = self.server.login()
        user = self.server.request("GET", "/identity/v3/auth/tokens", headers={"X-Subject-Token": token}).json
        done = subprocess.run(
            [environments.venv("compute") / "bin/python", ROOT / "tests/peers/compute_rbd.py", program,
             self.folder / f"{program}.conf", *words], capture_output=True, text=True, timeout=120,
            env=os.environ | {"TOKEN": token, "PROJECT_ID": project, "USER_ID": user["token"]["user"]["id"]})
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def image(self, data=DATA, **fields):
        image = self.server.create(**fields)
        self.server.put(image, data).expect(204)
        return image

    def delete(self, image):
        self.server.request("DELETE", f"/v2/images/{image}").expect(204)
        wait_for(f"{image} is removed", lambda: image not in ceph.run("rbd", "ls", "images"))

    def refuses_to_delete(self, image):
        self.server.request("DELETE", f"/v2/images/{image}").expect(409)
        assert self.server.show(image)["status"] == "active"
        assert self.server.download(image) == DATA


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Images show their direct URL, which Nova reads; Cinder asks for locations by the call for services."""
    folder = tmp_path_factory.mktemp("compute")
    config = folder / "glance-api.conf"
    config.write_text(CONFIG.format(conf=ceph.shared()["conf"]))
    with Server(folder / "data", arguments=["--config-file", str(config)]) as server:
        Tool("openstack", server, ADMIN)("role", "add", "--user", "admin", "--project", "admin", "service")
        yield Cloud(folder, server)


def parent(name):
    """What an RBD image of the pool of volumes was cloned from."""
    return json.loads(ceph.run("rbd", "info", "--format", "json", f"volumes/{name}")).get("parent")


def bytes_of(spec, folder):
    exported = folder / f"exported-{uuid.uuid4()}"
    ceph.run("rbd", "export", "--no-progress", spec, exported)
    data = exported.read_bytes()
    exported.unlink()
    return data


def test_nova_clones_the_disk_of_a_server(cloud, tmp_path):
    """The image has to be raw and of this cluster, and stays until its clone is gone."""
    image, server = cloud.image(), str(uuid.uuid4())
    made = cloud.run("nova", "boot", image, server)
    fsid = ceph.shared()["fsid"]
    assert [location["url"] for location in made["locations"]] == [f"rbd://{fsid}/images/{image}/snap"]
    assert (parent(made["name"])["image"], parent(made["name"])["snapshot"]) == (image, "snap")
    assert bytes_of(f"volumes/{made['name']}", tmp_path) == DATA
    cloud.refuses_to_delete(image)
    cloud.run("nova", "remove", server)
    cloud.delete(image)

    other = cloud.image(b"a kernel", disk_format="aki", container_format="aki")
    assert "Image is not raw format" in cloud.run("nova", "boot", other, server)["refused"]
    cloud.delete(other)


def test_cinder_makes_a_volume(cloud, tmp_path):
    """Cinder reads the locations as a service, clones, and gives the volume its size."""
    image, number = cloud.image(), str(uuid.uuid4())
    made = cloud.run("cinder", "create", image, number)
    url = f"rbd://{ceph.shared()['fsid']}/images/{image}/snap"
    assert made["cloned"] and url in json.dumps(made["location"])
    assert parent(made["name"])["image"] == image
    volume = bytes_of(f"volumes/{made['name']}", tmp_path)
    assert (len(volume), sha512(volume[:len(DATA)])) == (GIB, sha512(DATA))
    cloud.refuses_to_delete(image)
    cloud.run("cinder", "delete", number)
    cloud.delete(image)


def test_nova_makes_an_image_of_a_server(cloud):
    """It leaves the snapshot in the pool of images, and adds where that is; from there other servers are cloned."""
    base, snapshot = cloud.image(), cloud.server.create(name="snapshot")
    server, other = str(uuid.uuid4()), str(uuid.uuid4())
    cloud.run("nova", "boot", base, server)
    url = cloud.run("nova", "snapshot", server, snapshot, base)["url"]
    shown = wait_for("the image is active", lambda: (
        found := cloud.server.show(snapshot))["status"] == "active" and "os_glance_import_task" not in found and found)
    assert (shown["direct_url"], shown["size"], shown["os_hash_value"]) == (url, len(DATA), sha512(DATA))
    assert cloud.server.download(snapshot) == DATA
    # It depends on nothing that it was made from.
    cloud.run("nova", "remove", server)
    cloud.delete(base)
    made = cloud.run("nova", "boot", snapshot, other)
    assert parent(made["name"])["image"] == snapshot
    cloud.refuses_to_delete(snapshot)
    cloud.run("nova", "remove", other)
    cloud.delete(snapshot)
