"""Images in the account of each project, on a real gateway of Ceph's and by a real Keystone; a real glance_store reads
them there, too."""

import json
import subprocess
import sys
import types
import urllib.parse

import pytest
import test_swift_store as swift

from harness import ROOT, OpenUpload, binary, client, environments, free_port, sources, wait_for

sys.path.append(str(ROOT / "tests/peers"))

import image_service
import peer
import personas

OCTETS = {"Content-Type": "application/octet-stream"}


class Cloud:
    """A Keystone, a Swift, and a server that keeps images in the accounts of projects."""

    def __init__(self, folder, keystone, port):
        self.folder, self.keystone, self.port, self.seen = folder, keystone, port, []
        self.url = f"http://127.0.0.1:{port}"
        store = {"auth_address": keystone, "user": "service:glance", "key": personas.PASSWORD, "container": "kept",
                 "create_container_on_put": "true", "large_object_size": 5, "large_object_chunk_size": 5,
                 "multi_tenant": "true"}
        options = ["enabled_backends=cloud:swift,fast:file", "glance_store.default_backend=cloud",
                   "fast.filesystem_store_datadir={dir}/stores/fast", "vitrine.lease_seconds=3",
                   *[f"cloud.swift_store_{name}={value}" for name, value in store.items()]]
        self.conf = image_service.write_conf(folder, self.url, keystone, "", options)
        self.conf.write_text("".join(line for line in self.conf.read_text().splitlines(True)
                                     if not line.startswith("connection")))
        (folder / "own").mkdir()

    def start(self):
        peer.start("vitrine", self.folder, [binary(), "serve", "--bind", f"127.0.0.1:{self.port}", "--config-file",
                                            self.conf, "--data-dir", self.folder / "own"], f"{self.url}/versions")

    def login(self, persona):
        """The account of a persona in Swift, with a fresh token."""
        account = swift.Account.by_keystone(self.keystone, persona)
        self.seen.append(account.token)
        account.project = account.storage.rpartition("_")[2]
        return account

    def ask(self, who, method, path, body=None, headers=None):
        headers = {"X-Auth-Token": who.token} | (OCTETS if isinstance(body, bytes) else {}) | (headers or {})
        return client.request(self.port, method, f"/v2/images{path}", body, headers, timeout_s=60)

    def create(self, who, **fields):
        body = {"name": "kept", "disk_format": "raw", "container_format": "bare"} | fields
        return self.ask(who, "POST", "", body).expect(201).json["id"]

    def patch(self, who, image, **fields):
        changes = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in fields.items()]
        self.ask(who, "PATCH", f"/{image}", changes,
                 {"Content-Type": "application/openstack-images-v2.1-json-patch"}).expect(200)

    def readers(self, who, image):
        """Who may read the container of an image of that account."""
        _, headers, _ = client.call("HEAD", f"{who.storage}/kept_{image}", None, {"X-Auth-Token": who.token})
        return headers["X-Container-Read"] or ""

    def trusts(self):
        """All that are in force, as an administrator sees them."""
        token = swift.Account.by_keystone(self.keystone, "admin").token
        return client.must("GET", f"{self.keystone}/OS-TRUST/trusts", None, {"X-Auth-Token": token})[1]["trusts"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("projects"), free_port()
    service = f"http://127.0.0.1:{port}"
    # The account of the service may act in those of all projects.
    with swift.keystone_and_gateway(folder, service, **{"accepted-admin-roles": "service"}) as keystone:
        made = Cloud(folder, keystone, port)
        try:
            made.start()
            yield made
        finally:
            image_service.stop(folder)


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    return swift.disk.__wrapped__(tmp_path_factory).read_bytes()


def test_an_image_lives_in_the_account_of_its_project(cloud, disk):
    """Of known size and of unknown, which a trust makes outlive its token: in a container of its own, under Glance's
    URL; read in whole and in part; and nothing stays."""
    member = cloud.login("member")
    small, large = cloud.create(member), cloud.create(member)
    cloud.ask(member, "PUT", f"/{small}/file", disk[:1000]).expect(204)
    upload = OpenUpload(types.SimpleNamespace(port=cloud.port, token=lambda: member.token), large)
    upload.send(disk[:12 * swift.MB])
    (trust,) = wait_for("it is made by a trust", lambda: cloud.trusts())
    assert (trust["project_id"], trust["impersonation"]) == (member.project, True)
    upload.send(disk[12 * swift.MB:])
    upload.finish().expect(204)
    wait_for("the trust is ended", lambda: cloud.trusts() == [])
    for image, data, objects in ((small, disk[:1000], 1), (large, disk, 5)):
        shown = cloud.ask(member, "GET", f"/{image}").expect(200).json
        assert shown["direct_url"] == f"swift+{member.storage}/kept_{image}/{image}"
        assert len(member.names(f"kept_{image}")) == objects
        assert cloud.ask(member, "GET", f"/{image}/file").expect(200).body == data
        part = cloud.ask(member, "GET", f"/{image}/file", headers={"Range": "bytes=998-999"}).expect(206).body
        assert part == data[998:1000]
        cloud.ask(member, "DELETE", f"/{image}").expect(204)
    wait_for("the containers are gone", lambda: [name for name in member.names("") if name.startswith("kept_")] == [])


def test_what_breaks_off_leaves_nothing(cloud, disk):
    member = cloud.login("member")
    image = cloud.create(member)
    upload = OpenUpload(types.SimpleNamespace(port=cloud.port, token=lambda: member.token), image)
    upload.send(disk[:12 * swift.MB])
    wait_for("segments are on the server", lambda: len(member.names(f"kept_{image}")) >= 2)
    upload.abort()
    wait_for("the image waits again", lambda: cloud.ask(member, "GET", f"/{image}").json["status"] == "queued")
    wait_for("the container is gone", lambda: f"kept_{image}" not in member.names(""))
    wait_for("the trust is ended", lambda: cloud.trusts() == [])
    cloud.ask(member, "DELETE", f"/{image}").expect(204)


def test_jobs_write_into_the_account_of_the_owner(cloud, disk, tmp_path):
    """What no caller sends comes by the account of the service, and is the project's all the same."""
    member = cloud.login("member")
    (tmp_path / "disk.raw").write_bytes(disk)
    web = sources.Folder(tmp_path)
    image = cloud.create(member)
    method = {"name": "web-download", "uri": f"{web.url}/disk.raw"}
    cloud.ask(member, "POST", f"/{image}/import", {"method": method, "stores": ["cloud"]}).expect(202)
    wait_for("it is active", lambda: cloud.ask(member, "GET", f"/{image}").json["status"] == "active")
    web.close()
    shown = cloud.ask(member, "GET", f"/{image}").json
    assert shown["direct_url"] == f"swift+{member.storage}/kept_{image}/{image}"
    assert cloud.ask(member, "GET", f"/{image}/file").expect(200).body == disk
    cloud.ask(member, "DELETE", f"/{image}").expect(204)
    wait_for("the container is gone", lambda: f"kept_{image}" not in member.names(""))


def test_sec_9_swift_knows_who_may_read(cloud, disk, tmp_path):
    """Members of a shared image and all of a public one read it in Swift itself, as glance_store does in their name,
    and nobody else does, nor without a token."""
    member, other, stranger, admin = map(cloud.login, ("member", "imember", "omember", "admin"))
    image = cloud.create(member, visibility="shared")
    cloud.ask(member, "PUT", f"/{image}/file", disk).expect(204)
    url = cloud.ask(member, "GET", f"/{image}").json["direct_url"]

    def reads(who):
        got = tmp_path / "got"
        catalog = [{"type": "object-store", "endpoints": [{"publicURL": who.storage}]}]
        caller = {"auth_token": who.token, "service_catalog": catalog, "project_id": who.project}
        done = subprocess.run([environments.venv("glance") / "bin/python", ROOT / "tests/peers/store_driver.py",
                               cloud.conf, "--caller", json.dumps(caller), "get", url, got],
                              capture_output=True, text=True, timeout=120)
        return done.returncode == 0 and got.read_bytes() == disk

    assert cloud.readers(member, image) == ""
    assert (reads(member), reads(other)) == (True, False)
    cloud.ask(member, "POST", f"/{image}/members", {"member": other.project}).expect(200)
    assert cloud.readers(member, image) == f"{other.project}:*"
    assert (reads(other), reads(stranger)) == (True, False)
    cloud.ask(member, "DELETE", f"/{image}/members/{other.project}").expect(204)
    assert cloud.readers(member, image) == "" and not reads(other)
    cloud.patch(admin, image, visibility="public")
    assert cloud.readers(member, image) == "*:*"
    status, _, _ = client.call("GET", f"http{url.removeprefix('swift+http')}")
    assert status == 401
    cloud.patch(admin, image, visibility="private")
    assert cloud.readers(member, image) == ""
    cloud.ask(member, "DELETE", f"/{image}").expect(204)
    wait_for("the container is gone", lambda: f"kept_{image}" not in member.names(""))


def test_sec_59_tokens_lie_nowhere(cloud):
    """Of all that came before, neither the log nor the database has a token."""
    texts = [path.read_bytes() for path in cloud.folder.rglob("*")
             if path.is_file() and (path.name.startswith("vitrine") or path.parent.name == "own")]
    assert len(cloud.seen) >= 7 and len(texts) >= 2
    for token in cloud.seen:
        for spelled in (token, urllib.parse.quote(token)):
            assert not any(spelled.encode() in text for text in texts)
