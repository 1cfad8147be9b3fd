"""Images in Swift, on real gateways of Ceph's: by Swift's own login, and by a real Keystone, where a real glance_store
works beside us."""

import contextlib
import filecmp
import hmac
import random
import subprocess
import sys
import time
import types
import urllib.parse
import urllib.request
import uuid

import pytest

from harness import (
    ROOT,
    OpenUpload,
    Server,
    Tool,
    binary,
    ceph,
    client,
    environments,
    free_port,
    sha512,
    wait_for,
)

sys.path.append(str(ROOT / "tests/peers"))

import default_store
import image_service
import peer
import personas

# Short, for the sake of the test: a dead node is missed after that.
LEASE_S = 3
# A MB of this driver's.
MB = 1_024_000
CONFIG = """
[DEFAULT]
enabled_backends = cloud:swift
show_image_direct_url = true
[glance_store]
default_backend = cloud
[cloud]
swift_store_config_file = {accounts}
default_swift_reference = here
swift_store_container = {container}
swift_store_create_container_on_put = true
swift_store_large_object_size = 5
swift_store_large_object_chunk_size = 5
swift_store_retry_get_count = 3
[vitrine]
lease_seconds = {lease}
"""
ACCOUNTS = """
[here]
auth_version = {version}
auth_address = {auth_url}
user = {user}
key = {key}
"""


class Account:
    """An account of Swift's, to look into."""

    def __init__(self, storage, token):
        self.storage, self.token = storage, token

    @classmethod
    def by_swift(cls, auth_url, user, key):
        _, headers, _ = client.call("GET", auth_url, None, {"X-Auth-User": user, "X-Auth-Key": key})
        return cls(headers["X-Storage-Url"], headers["X-Auth-Token"])

    @classmethod
    def by_keystone(cls, url, persona):
        _, headers, body = client.call("POST", f"{url}/auth/tokens", personas.token_request(persona))
        swift = next(service for service in body["token"]["catalog"] if service["type"] == "object-store")
        return cls(swift["endpoints"][0]["url"], headers["X-Subject-Token"])

    def names(self, container):
        """The names in a container; none where there is no such container."""
        url = f"{self.storage}/{container}?format=json"
        status, _, body = client.call("GET", url, None, {"X-Auth-Token": self.token})
        return [entry["name"] for entry in body] if status == 200 else []


def write_conf(folder, version, auth_url, user, key):
    """A configuration with an account in a file; and the container."""
    container = f"images-{uuid.uuid4()}"
    accounts = folder / "swift.conf"
    accounts.write_text(ACCOUNTS.format(version=version, auth_url=auth_url, user=user, key=key))
    conf = folder / "glance-api.conf"
    conf.write_text(CONFIG.format(accounts=accounts, container=container, lease=LEASE_S))
    return conf, container


@pytest.fixture(scope="module")
def by_swift(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swift")
    conf, container = write_conf(folder, 1, **ceph.shared()["swift"])
    with Server(folder / "data", arguments=["--config-file", conf]) as running:
        account = Account.by_swift(**ceph.shared()["swift"])
        yield running, container, account


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A raw disk of three segments and a bit."""
    path = tmp_path_factory.mktemp("segments") / "disk.raw"
    path.write_bytes(random.Random(12).randbytes(15 * MB + 7 * 512))
    return path


def temporary_url(account, container, image):
    """A URL that needs no token, as Ironic makes it of an image's id and options of its own."""
    client.must("POST", account.storage, None, {"X-Auth-Token": account.token, "X-Account-Meta-Temp-Url-Key": "hush"})
    end = int(time.time()) + 600
    path = f"{urllib.parse.urlsplit(account.storage).path}/{container}/{image}"
    signature = hmac.new(b"hush", f"GET\n{end}\n{path}".encode(), "sha1").hexdigest()
    return f"{account.storage}/{container}/{image}?temp_url_sig={signature}&temp_url_expires={end}"


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def test_the_life_of_an_image(by_swift, disk, tmp_path):
    """Upload, show, save, a part of it, delete; no answer and no line of the log has a key, and nothing stays."""
    node, container, account = by_swift
    openstack = Tool("openstack", node)
    image = openstack.json("image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", disk,
                           "in-swift")["id"]
    shown = node.show(image)
    assert (shown["status"], shown["stores"]) == ("active", "cloud")
    assert shown["os_hash_value"] == sha512(disk.read_bytes())
    assert shown["direct_url"] == f"swift+config://here/{container}/{image}"
    saved = tmp_path / "saved"
    openstack("image", "save", "--file", saved, image)
    assert filecmp.cmp(saved, disk, shallow=False)
    across = slice(5 * MB - 3, 10 * MB + 4)
    part = node.request("GET", f"/v2/images/{image}/file",
                        headers={"Range": f"bytes={across.start}-{across.stop - 1}"}).expect(206).body
    assert part == disk.read_bytes()[across]
    assert len(account.names(container)) == 5
    assert get(temporary_url(account, container, image)) == disk.read_bytes()
    assert ceph.shared()["swift"]["key"] not in node.log.read_text()
    openstack("image", "delete", image)
    wait_for("the objects are gone", lambda: account.names(container) == [])


def test_a_death_in_an_upload_leaves_nothing(by_swift, disk):
    node, container, account = by_swift
    image = node.create()
    upload = OpenUpload(node, image)
    upload.send(disk.read_bytes()[:12 * MB])
    wait_for("segments are on the server", lambda: len(account.names(container)) >= 2)
    node.kill()
    upload.abort()
    node.start()
    wait_for("the image waits again", lambda: node.show(image)["status"] == "queued")
    wait_for("the segments are gone", lambda: account.names(container) == [])
    node.put(image, disk.read_bytes()).expect(204)
    assert image in account.names(container)
    node.request("DELETE", f"/v2/images/{image}").expect(204)
    wait_for("the objects are gone", lambda: account.names(container) == [])


@contextlib.contextmanager
def keystone_and_gateway(folder, *services, **more):
    """A Keystone whose catalog has a gateway that trusts it, with further options of its own, and other services; its
    URL."""
    port = free_port()
    swift = f"http://{ceph.HOST}:{port}/swift/v1/AUTH_%(tenant_id)s"
    script = [sys.executable, ROOT / "tests/peers/keystone"]
    catalog = [word for service in (f"object-store={swift}", *services) for word in ("--image", service)]
    up = subprocess.run([*script, "up", "--dir", folder / "keystone", *catalog], check=True, capture_output=True,
                        text=True)
    url = up.stdout.strip().splitlines()[-1]
    try:
        with ceph.trusting(url, port, default_store.SERVICE_USER, **more):
            yield url
    finally:
        subprocess.run([*script, "down", "--dir", folder / "keystone"], check=True)


def test_glance_store_and_we_serve_each_other(tmp_path, disk):
    """By one configuration and a real Keystone: what we write in segments the real driver reads and deletes as a whole,
    and so do we with what it writes."""
    python = environments.venv("glance") / "bin/python"
    script = ROOT / "tests/peers/store_driver.py"
    with keystone_and_gateway(tmp_path) as keystone:
        conf, container = write_conf(tmp_path, 3, keystone, "service:glance", personas.PASSWORD)

        def driver(*words):
            done = subprocess.run([python, script, conf, *map(str, words)], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout.strip()

        def names():
            return Account.by_keystone(keystone, "glance").names(container)

        with Server(tmp_path / "data", arguments=["--config-file", conf]) as node:
            image = node.create()
            node.put(image, disk.read_bytes()).expect(204)
            url = node.show(image)["direct_url"]
            driver("get", url, tmp_path / "got")
            assert filecmp.cmp(tmp_path / "got", disk, shallow=False)
            driver("delete", url)
            assert names() == []
            # The same image by the driver, in its own segments under the same name.
            assert driver("add", disk, image) == url
            assert f"{image}-00004" in names()
            assert node.download(image) == disk.read_bytes()
            node.request("DELETE", f"/v2/images/{image}").expect(204)
            wait_for("the objects are gone", lambda: names() == [])


def test_a_glance_with_images_in_swift_moves_in(tmp_path, disk):
    """What a real Glance wrote, in one piece and in segments, with its password in the URL, is served from where it is,
    without the password, and goes with its image."""
    port = free_port()
    container = f"images-{uuid.uuid4()}"
    with keystone_and_gateway(tmp_path, f"http://127.0.0.1:{port}") as keystone:
        swift = {"auth_address": keystone, "user": "service:glance", "key": personas.PASSWORD, "container": container,
                 "create_container_on_put": "true", "large_object_size": 5, "large_object_chunk_size": 5}
        options = ["enabled_backends=cloud:swift", "glance_store.default_backend=cloud",
                   *[f"cloud.swift_store_{name}={value}" for name, value in swift.items()]]
        headers, _ = client.must("POST", f"{keystone}/auth/tokens", personas.token_request("member"))
        token = headers["X-Subject-Token"]

        def ask(method, path, body=None):
            headers = {"Content-Type": "application/octet-stream"} if isinstance(body, bytes) else {}
            return client.request(port, method, f"/v2/images{path}", body, {"X-Auth-Token": token} | headers)

        def names():
            return Account.by_keystone(keystone, "glance").names(container)

        try:
            image_service.start_glance(tmp_path, port, keystone, options)
            images = {}
            for data in (disk.read_bytes()[:MB], disk.read_bytes()):
                image = ask("POST", "", {"name": "of-glance", "disk_format": "raw", "container_format": "bare"})
                image = image.expect(201).json["id"]
                images[image] = data
                if len(data) == MB:
                    ask("PUT", f"/{image}/file", data).expect(204)
                    continue
                upload = OpenUpload(types.SimpleNamespace(port=port, token=lambda: token), image)
                upload.send(data)
                upload.finish().expect(204)
            assert len(names()) == 1 + 1 + 4
            assert all(personas.PASSWORD in ask("GET", f"/{image}").json["direct_url"] for image in images)
            image_service.stop(tmp_path)

            conf = tmp_path / "etc/vitrine.conf"
            conf.write_text("".join(line for line in (tmp_path / "etc/glance-api.conf").read_text().splitlines(True)
                                    if not line.startswith("connection")))
            (tmp_path / "own").mkdir()
            ours = ["--config-file", conf, "--data-dir", tmp_path / "own"]
            subprocess.run([binary(), "import-glance", "--from", f"sqlite:///{tmp_path}/glance.db", *ours], check=True,
                           capture_output=True, timeout=120)
            peer.start("vitrine", tmp_path, [binary(), "serve", "--bind", f"127.0.0.1:{port}", *ours],
                       f"http://127.0.0.1:{port}/versions")
            for image, data in images.items():
                shown = ask("GET", f"/{image}").expect(200)
                assert shown.json["direct_url"] == f"swift+config://ref1/{container}/{image}"
                assert personas.PASSWORD.encode() not in shown.body
                assert ask("GET", f"/{image}/file").expect(200).body == data
                ask("DELETE", f"/{image}").expect(204)
            wait_for("the objects are gone", lambda: names() == [])
        finally:
            image_service.stop(tmp_path)
