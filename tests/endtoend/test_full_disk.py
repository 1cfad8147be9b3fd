"""Disks that run full: of the images, and of the database. Clean errors, nothing left, and on again."""

import os
import re

import pytest

from harness import LEASE_S, OpenUpload, Server, Tool, databases, sha512, wait_for

MIB = 1 << 20


def stored(server):
    """What lies in the image folder, unfinished files included."""
    return sorted(name for _, _, files in os.walk(server.images_dir) for name in files)


@pytest.fixture
def small(tmp_path):
    """A server with room for 24 MiB of images."""
    with Server(tmp_path / "data", tmpfs={"images": 24 * MIB}) as server:
        yield server


def check_queued(server, image):
    shown = server.show(image)
    assert shown["status"] == "queued"
    assert (shown["size"], shown["checksum"], shown["os_hash_value"]) == (None, None, None)


@pytest.mark.parametrize("chunked", [False, True], ids=["known size", "unknown size"])
def test_an_upload_that_does_not_fit(small, chunked):
    first, second = small.create(name="first"), small.create(name="second")
    data = os.urandom(16 * MIB)
    small.put(first, data).expect(204)

    def send():
        if not chunked:
            return small.put(second, data)
        upload = OpenUpload(small, second)
        for at in range(0, len(data), MIB):
            upload.send(data[at:at + MIB])
        return upload.finish()

    answer = send().expect(413)
    assert b"disk space" in answer.body
    check_queued(small, second)
    wait_for("nothing of it is left", lambda: stored(small) == [first])
    assert small.rows("SELECT count(*) FROM blobs") == [(1,)]
    assert small.download(first) == data

    # Room is made as users make it, and the same call succeeds with the same image.
    small.request("DELETE", f"/v2/images/{first}").expect(204)
    wait_for("the room is given back", lambda: stored(small) == [])
    send().expect(204)
    assert small.show(second)["os_hash_value"] == sha512(data)
    assert small.download(second) == data


def test_the_client_says_why(small, tmp_path):
    """The openstack client, which sends everything before it reads, still shows the reason."""
    path = tmp_path / "large.raw"
    path.write_bytes(os.urandom(30 * MIB))
    openstack = Tool("openstack", small)
    complaint = openstack.refused("image", "create", "--disk-format", "raw", "--container-format", "bare",
                                  "--file", path, "large")
    assert re.search(r"413|disk space", complaint), complaint
    wait_for("nothing of it is left", lambda: stored(small) == [])


def fill(path):
    """Writes a file until its file system has no room for another byte."""
    with open(path, "wb", buffering=0) as ballast:
        piece = bytes(65536)
        while piece:
            try:
                ballast.write(piece)
            except OSError:
                piece = piece[:len(piece) // 2]


def test_a_full_disk_under_the_database(tmp_path):
    """Changes are refused with 503, reads go on, nothing is half changed; with room all is as before."""
    with Server(tmp_path / "data", tmpfs={".": 24 * MIB, "images": 16 * MIB},
                database=databases.Embedded()) as server:
        image = server.create(name="n")
        under_way = server.create(name="under way")
        upload = OpenUpload(server, under_way)
        upload.send(b"x" * MIB)
        wait_for("the upload has begun", lambda: server.show(under_way)["status"] == "saving")
        ballast = server.seen(server.data_dir) / "ballast"
        fill(ballast)

        # Some room is left inside the files of the database.
        told = []
        for number in range(2000):
            text = f"{number} " + "y" * 200
            answer = server.patch(image, {"op": "add", "path": "/text", "value": text})
            if answer.status != 200:
                break
            told.append(text)
        answer.expect(503)
        shown = server.show(image)
        assert shown.get("text") == (told[-1] if told else None)
        server.request("POST", "/v2/images", {"name": "refused"}).expect(503)
        upload.finish().expect(503)

        ballast.unlink()
        server.patch(image, {"op": "add", "path": "/text", "value": "again"}).expect(200)
        wait_for("the broken upload is taken back",
                 lambda: server.show(under_way)["status"] == "queued", LEASE_S + 90)
        wait_for("nothing of it is left", lambda: stored(server) == [])
        server.put(under_way, b"x" * MIB).expect(204)
        assert server.show(under_way)["os_hash_value"] == sha512(b"x" * MIB)
        names = {i["name"] for i in server.request("GET", "/v2/images").expect(200).json["images"]}
        assert names == {"n", "under way"}
