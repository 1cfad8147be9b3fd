"""SIGKILL at random instants while clients upload, change and delete; then what they were told must hold.

On each database. The instants, the sizes and the bytes come from one seed, which is printed; KILL_SEED repeats them
(the kernel's scheduling is its own). `make chaos` kills more often than `make test`.
"""

import http.client
import os
import random
import threading
import time
import uuid

import pytest

from harness import PATIENCE_S, Server, chaos, databases, sha512, wait_for

ROUNDS = chaos.either(6, 50)
# Short, for the sake of the test: on a database that others may share, a dead node is missed after that.
LEASE_S = 3
CONFIG = f"[vitrine]\nlease_seconds = {LEASE_S}\n"
CLIENTS = 5
BYTES_MAX = 2 << 20
# The errors of a server that dies in the middle of an answer.
DEATH = (OSError, http.client.HTTPException)


class Image:
    """What one client knows of one image: what it was told, and what it asked for without being told."""

    def __init__(self, number):
        self.id = str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))
        self.number = number
        self.data = b""
        self.created = self.uploaded = self.deleted = False
        self.upload_tried = self.delete_tried = False
        self.value, self.values_tried = 0, [0]

    def bytes_of(self, size):
        return random.Random(self.number).randbytes(size)


class Client(threading.Thread):
    """One user at work: creates, uploads, patches, downloads and deletes until the server dies."""

    def __init__(self, server, seed, images, leftovers):
        super().__init__(daemon=True)
        self.server, self.random = server, random.Random(seed)
        self.images, self.leftovers = images, leftovers
        self.fault = None

    def run(self):
        try:
            while True:
                self.life()
        except DEATH:
            pass
        except Exception as fault:  # noqa: BLE001  shown by the test
            self.fault = fault

    def life(self):
        if self.leftovers:
            image = self.leftovers.pop()
        else:
            image = Image(self.random.getrandbits(64))
            self.images.append(image)
            self.server.create(id=image.id, name="n0", p="0", tags=["t1", "t2"])
            image.created = True
        steps = self.random.choices(["patch", "download", "delete"], [5, 2, 2], k=3)
        for step in ["upload", *steps] if not image.uploaded else steps:
            getattr(self, step)(image)
            if image.deleted:
                return

    def upload(self, image):
        if not image.upload_tried:
            image.data = image.bytes_of(self.random.choice([0, 1, 70_000, self.random.randrange(BYTES_MAX)]))
        image.upload_tried = True
        answer = self.server.put(image.id, image.data)
        # After a crash the client cannot know; 409 says that the data arrived before.
        assert answer.status in (204, 409), (answer.status, answer.body)
        image.uploaded = True

    def patch(self, image):
        value = image.values_tried[-1] + 1
        image.values_tried.append(value)
        # Two rows of two tables in one call.
        answer = self.server.patch(image.id, {"op": "replace", "path": "/name", "value": f"n{value}"},
                                   {"op": "replace", "path": "/p", "value": str(value)})
        answer.expect(200)
        image.value, image.values_tried = value, [value]

    def download(self, image):
        assert self.server.download(image.id) == image.data

    def delete(self, image):
        image.delete_tried = True
        self.server.request("DELETE", f"/v2/images/{image.id}").expect(204)
        image.deleted = True


class Watcher(threading.Thread):
    """Reads lists all the time: nobody ever sees half an image."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.fault = server, None

    def run(self):
        try:
            while True:
                listed = self.server.request("GET", "/v2/images?limit=50").expect(200).json
                for image in listed["images"]:
                    check_whole(image)
        except DEATH:
            pass
        except Exception as fault:  # noqa: BLE001  shown by the test
            self.fault = fault


def check_whole(shown):
    """An image as the API shows it at any moment."""
    known = [shown[name] is not None for name in ("size", "checksum", "os_hash_value", "os_hash_algo")]
    assert shown["status"] in ("queued", "saving", "active"), shown
    assert known == [shown["status"] == "active"] * 4, shown
    assert shown["name"] == "n" + shown["p"] and sorted(shown["tags"]) == ["t1", "t2"], shown


def check_image(server, image):
    """What stands against what the client was told; learns what it could not know."""
    answer = server.request("GET", f"/v2/images/{image.id}")
    if image.deleted:
        assert answer.status == 404, "a deleted image is back"
        return
    if answer.status == 404:
        assert image.delete_tried or not image.created, "an image is lost"
        image.deleted = True
        return
    shown = answer.expect(200).json
    image.created = True
    check_whole(shown)
    value = int(shown["p"])
    assert value == image.value or value in image.values_tried, f"{value} was never asked for"
    image.value, image.values_tried = value, [value]
    if shown["status"] == "active":
        assert image.upload_tried
        assert shown["os_hash_value"] == sha512(image.data) and shown["size"] == len(image.data)
        assert server.download(image.id) == image.data, "the bytes are not those that were sent"
        image.uploaded = True
    else:
        assert shown["status"] == "queued" and not image.uploaded, "an active image lost its data"
    image.delete_tried = False


def check_ledger(server):
    """The database and the folder tell the same story."""
    wait_for("what was left behind is cleaned up",
             lambda: server.rows("SELECT count(*) FROM blobs WHERE state <> 'live'") == [(0,)], LEASE_S + PATIENCE_S)
    assert server.rows("SELECT count(*) FROM images WHERE status = 'saving'") == [(0,)]
    blobs = {name: (blob, size) for blob, name, size in server.rows("SELECT id, name, size FROM blobs")}
    files = {entry.name: entry.stat().st_size for entry in os.scandir(server.images_dir) if entry.is_file()}
    assert files == {name: size for name, (_, size) in blobs.items()}, "files and ledger differ"
    assert os.listdir(server.images_dir / ".parts") == []
    located = server.rows("SELECT l.blob_id, i.status, i.deleted, i.size FROM image_locations l "
                          "JOIN images i ON i.id = l.image_id")
    assert sorted(blob for blob, *_ in located) == sorted(blob for blob, _ in blobs.values())
    assert all(status == "active" and not deleted for _, status, deleted, _ in located)
    without = server.rows("SELECT id FROM images WHERE status = 'active' AND NOT deleted "
                          "AND id NOT IN (SELECT image_id FROM image_locations)")
    assert without == []


@pytest.mark.parametrize("kind", databases.KINDS)
def test_deaths_at_random_instants(tmp_path, kind):
    """Clients, watchers and the ledger agree after each death, however often the server dies."""
    chance = chaos.seeded()
    images, told = [], {"active": 0, "deleted": 0, "unfinished": 0}
    config = tmp_path / "glance-api.conf"
    config.write_text(CONFIG)
    with Server(tmp_path / "data", arguments=["--config-file", config], database=databases.fresh(kind)) as server:
        server.token()  # a server that dies during the login would prove nothing
        for number in range(10 * ROUNDS):
            if number >= ROUNDS and all(told.values()):
                break
            leftovers = [i for i in images if i.created and not i.deleted and not i.uploaded]
            mine = [leftovers[n::CLIENTS] for n in range(CLIENTS)]
            clients = [Client(server, chance.getrandbits(64), images, mine[n]) for n in range(CLIENTS)]
            threads = [*clients, Watcher(server)]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.02, 0.6))
            server.kill()
            for thread in threads:
                thread.join(PATIENCE_S)
                assert not thread.is_alive() and thread.fault is None, thread.fault
            told["unfinished"] += sum(i.upload_tried and not i.uploaded and not i.deleted for i in images)
            server.start()
            check_ledger(server)
            for image in images:
                check_image(server, image)
            # What is checked and deleted can be forgotten; so can most of the rest, or every round takes longer.
            kept = [i for i in images if not i.deleted]
            told["deleted"] += len(images) - len(kept)
            told["active"] += sum(i.uploaded for i in kept)
            for image in kept[:-30]:
                server.request("DELETE", f"/v2/images/{image.id}").expect(204)
            images[:] = kept[-30:]
    print(told)
    assert told["active"] and told["deleted"] and told["unfinished"], "the deaths came too early to prove anything"
