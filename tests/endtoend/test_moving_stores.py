"""A real Glance keeps images in RBD, S3 and Swift; Vitrine takes them over where they are, adds its own, and gives all
of them back. Both are asked for every byte."""

import contextlib
import hashlib
import random
import sys
import types

import pytest

from harness import ROOT, OpenUpload, ceph, client, databases, free_port

sys.path.append(str(ROOT / "tests/peers"))

import default_store
import personas
from moving import Moving

STORES = ("rbd", "s3", "swift")
MIB = 1 << 20
# One piece, and several parts, segments or objects with a bit left over.
SIZES = (70_001, 11 * MIB + 513)


def data_of(number, size):
    return random.Random(number).randbytes(size)


class Images:
    """What was sent to the services, and how it is asked for."""

    def __init__(self, cloud):
        self.cloud, self.sent = cloud, {}

    def write(self, store, size, is_told):
        """A new image; the service is told its size, or not."""
        data = data_of(len(self.sent), size)
        image = self.cloud.create()
        headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": store}
        if is_told:
            self.cloud.ask("PUT", f"/v2/images/{image}/file", data, "member", headers).expect(204)
        else:
            server = types.SimpleNamespace(port=self.cloud.port, token=lambda: self.cloud.token("member"))
            upload = OpenUpload(server, image, {"X-Image-Meta-Store": store})
            upload.send(data)
            upload.finish().expect(204)
        self.sent[image] = (store, data)

    def check(self, is_ranged):
        """Each is there with its bytes, in its store."""
        for image, (store, data) in self.sent.items():
            shown = self.cloud.ask("GET", f"/v2/images/{image}").expect(200).json
            assert (shown["status"], shown["stores"], shown["size"]) == ("active", store, len(data)), shown
            assert shown["os_hash_value"] == hashlib.sha512(data).hexdigest()
            found = self.cloud.ask("GET", f"/v2/images/{image}/file").expect(200)
            assert found.body == data, f"{image} of {store}: {len(found.body)} bytes"
            if is_ranged:
                part = self.cloud.ask("GET", f"/v2/images/{image}/file", None, "member",
                                      {"Range": f"bytes={len(data) // 3}-{len(data) // 2}"}).expect(206)
                assert part.body == data[len(data) // 3:len(data) // 2 + 1], f"{image} of {store}"

    def delete(self, image):
        self.cloud.ask("DELETE", f"/v2/images/{image}").expect(204)
        del self.sent[image]


@pytest.fixture
def moving(tmp_path):
    port = free_port()
    options = ["enabled_backends=rbd:rbd, s3:s3, swift:swift", "glance_store.default_backend=rbd"]
    catalog = [f"object-store=http://{ceph.HOST}:{port}/swift/v1/AUTH_%(tenant_id)s"]
    with contextlib.closing(Moving(tmp_path, databases.SQLITE, databases.SQLITE, options, catalog)) as made:
        made.values = {}
        for kind in STORES:
            files, values = default_store.settings(kind, made.cloud.keystone)
            made.options += [*files, *(f"{kind}.{name}={value}" for name, value in values.items())]
            made.values |= values
        # So that what is sent goes in parts.
        made.options += ["rbd.rbd_store_chunk_size=1", "s3.s3_store_large_object_size=5",
                         "s3.s3_store_large_object_chunk_size=5", "swift.swift_store_large_object_size=5",
                         "swift.swift_store_large_object_chunk_size=5"]
        with ceph.trusting(made.cloud.keystone, port, default_store.SERVICE_USER):
            yield made


def stored(moving):
    """How many objects of ours there are beside the image services: images, parts, segments."""
    _, headers, body = client.call("POST", f"{moving.cloud.keystone}/auth/tokens", personas.token_request("glance"))
    swift = next(service for service in body["token"]["catalog"] if service["type"] == "object-store")
    container = f"{swift['endpoints'][0]['url']}/{moving.values['swift_store_container']}?format=json"
    _, _, listed = client.call("GET", container, None, {"X-Auth-Token": headers["X-Subject-Token"]})
    return {"swift": len(listed), "s3": len(ceph.objects(moving.values["s3_store_bucket"]))}


def test_images_in_stores_move_in_and_back(moving):
    """Known and unknown sizes, one piece and many; without keys in any answer. At last Glance deletes them all, ours as
    well as its own, and nothing stays."""
    cloud, images = moving.cloud, Images(moving.cloud)
    first, second = moving.empty("first"), moving.empty("second")
    moving.manage(first, "db_sync")
    moving.start_glance(first)
    for store in STORES:
        for size in SIZES:
            images.write(store, size, is_told=(store, size) != ("swift", SIZES[1]))
    images.write("s3", SIZES[0], is_told=False)
    images.write("rbd", SIZES[1], is_told=False)
    images.check(is_ranged=False)
    moving.stop()
    moving.command("import-glance", "--from", first)
    moving.start_vitrine()
    images.check(is_ranged=True)
    secrets = (ceph.shared()["s3"]["secret_key"], personas.PASSWORD)
    for image in images.sent:
        shown = cloud.ask("GET", f"/v2/images/{image}").expect(200)
        assert not any(secret.encode() in shown.body for secret in secrets)
    for store in STORES:
        for size, is_told in zip(SIZES, (True, False)):
            images.write(store, size, is_told)
    images.check(is_ranged=True)
    moving.stop()
    moving.manage(second, "db_sync")
    moving.command("export-glance", "--to", second)
    moving.start_glance(second)
    everything = list(images.sent)
    images.check(is_ranged=False)
    for image in everything:
        images.delete(image)
    assert stored(moving) == {"swift": 0, "s3": 0}
    assert not set(everything) & set(ceph.run("rbd", "ls", "images").split())
