"""Clients at work on images of their own: uploads, staging, imports with conversion, copies, downloads, changes and
deletions, until they are told to stop. What they were told is what must hold afterwards; whatever has failed may or may
not have happened.
"""

import collections
import hashlib
import http.client
import json
import random
import threading
import time
import uuid

# The errors of a server that dies in the middle of an answer, and of an answer that is none.
DEATH = (OSError, http.client.HTTPException, json.JSONDecodeError)
IMPORT_S = 240


class Failed(Exception):
    """The server said that it could not."""


class Image:
    """What its client knows of an image."""

    def __init__(self, number):
        self.id = str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4))
        self.number = number
        # SHA-512 of each data that it may have been given.
        self.wanted = set()
        self.created = self.active = self.deleted = self.delete_tried = False
        self.value, self.values_tried = 0, [0]


class Client(threading.Thread):
    """One user. `source` knows disks to import; `images` collects what it makes."""

    def __init__(self, server, source, seed, images):
        super().__init__(daemon=True)
        self.server, self.source, self.images = server, source, images
        self.random = random.Random(seed)
        self.stopped = threading.Event()
        self.fault = None
        # How long its longest request took, and which it was.
        self.longest = (0, None)
        # {(step, status): how often}
        self.answers = collections.Counter()

    def run(self):
        while not self.stopped.is_set():
            try:
                self.life()
            except (*DEATH, Failed):
                # It is dead, or cannot be reached; whoever kills it says when to stop.
                time.sleep(0.02)
            except Exception as fault:  # noqa: BLE001  shown by the test
                self.fault = fault
                return

    def ask(self, step, method, path, body=None, headers=None):
        began = time.monotonic()
        try:
            answer = self.server.request(method, path, body, headers)
        finally:
            self.longest = max(self.longest, (time.monotonic() - began, step))
        self.answers[step, answer.status] += 1
        if answer.status >= 400:
            raise Failed(step, answer.status)
        return answer

    def life(self):
        image = Image(self.random.getrandbits(64))
        self.images.append(image)
        way = self.random.choice([self.upload, self.upload, self.direct, self.web])
        disk_format = "raw" if way == self.upload else "qcow2"
        self.ask("create", "POST", "/v2/images", {"id": image.id, "name": "n0", "p": "0", "disk_format": disk_format,
                                                  "container_format": "bare"})
        image.created = True
        way(image)
        for step in self.random.choices([self.patch, self.download, self.copy, self.delete], [4, 4, 2, 2], k=4):
            if image.deleted or self.stopped.is_set():
                return
            step(image)

    def send(self, step, image, place, data):
        self.ask(step, "PUT", f"/v2/images/{image.id}/{place}", data, {"Content-Type": "application/octet-stream"})

    def upload(self, image):
        data = random.Random(image.number).randbytes(self.random.choice([0, 1, 70_000, self.random.randrange(1 << 20)]))
        image.wanted.add(hashlib.sha512(data).hexdigest())
        self.send("upload", image, "file", data)
        image.active = True

    def direct(self, image):
        self.send("stage", image, "stage", self.source.qcow2)
        self.bring(image, {"name": "glance-direct"})

    def web(self, image):
        self.bring(image, {"name": "web-download", "uri": self.source.url})

    def bring(self, image, method):
        image.wanted.add(self.source.sha512)
        self.ask("import", "POST", f"/v2/images/{image.id}/import", {"method": method, "stores": ["one"]})
        deadline = time.monotonic() + IMPORT_S
        while not self.stopped.is_set():
            shown = self.ask("show", "GET", f"/v2/images/{image.id}").json
            if shown["status"] == "active":
                image.active = True
                return
            if "os_glance_import_task" not in shown and shown["status"] != "importing":
                raise Failed("import", shown["status"])
            assert time.monotonic() < deadline, f"the import of {image.id} takes for ever"
            time.sleep(0.05)

    def copy(self, image):
        self.ask("copy", "POST", f"/v2/images/{image.id}/import",
                 {"method": {"name": "copy-image"}, "stores": ["two"]})

    def patch(self, image):
        value = image.values_tried[-1] + 1
        image.values_tried.append(value)
        # Two rows of two tables in one call.
        self.ask("patch", "PATCH", f"/v2/images/{image.id}",
                 [{"op": "replace", "path": "/name", "value": f"n{value}"},
                  {"op": "replace", "path": "/p", "value": str(value)}],
                 {"Content-Type": "application/openstack-images-v2.1-json-patch"})
        image.value, image.values_tried = value, [value]

    def download(self, image):
        answer = self.ask("download", "GET", f"/v2/images/{image.id}/file")
        assert hashlib.sha512(answer.body).hexdigest() in image.wanted, f"{image.id}: wrong bytes"

    def delete(self, image):
        image.delete_tried = True
        self.ask("delete", "DELETE", f"/v2/images/{image.id}")
        image.deleted = True


def check_image(server, image):
    """What stands of a server at rest against what the client was told; learns what it could not know."""
    answer = server.request("GET", f"/v2/images/{image.id}")
    if image.deleted or answer.status == 404:
        assert answer.status == 404, f"{image.id} was deleted and is back"
        assert image.deleted or image.delete_tried or not image.created, f"{image.id} is lost"
        image.deleted = True
        return
    shown = answer.expect(200).json
    image.created, image.delete_tried = True, False
    value = int(shown["p"])
    assert shown["name"] == f"n{value}", f"{image.id} is changed by half: {shown}"
    assert value == image.value or value in image.values_tried, f"{value} was never asked for"
    image.value, image.values_tried = value, [value]
    assert shown["status"] in ("queued", "uploading", "active"), shown
    assert shown["status"] == "active" or not image.active, f"{image.id} was active and has lost its data"
    if shown["status"] == "active":
        assert shown["os_hash_value"] in image.wanted, f"the data of {image.id} is not what was sent"
        image.active = True
        data = server.request("GET", f"/v2/images/{image.id}/file").expect(200)
        assert hashlib.sha512(data.body).hexdigest() == shown["os_hash_value"], f"{image.id}: wrong bytes"
